// Distinct paths: sequences of channels, found by hash and compared in full.
//
// The hash is a polynomial modulo 2^61 - 1 (Karp and Rabin 1987): a path without one of its touches is hashed
// in O(1) from sums of its beginning and its end, so all paths that lack one touch cost O(touches). A hash
// only proposes; channels are compared before two paths count as one.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "cxcore/journeys.hpp"

namespace cxcore {

class Paths {
  public:
    // Which path each conversion and each journey without one took, -1 where there is no touch.
    Paths(const Journeys& j, int64_t* of_conversion, int64_t* of_null) : offset_{0}, slots_(64, -1) {
        each(j, [&](int64_t lo, int64_t hi) { return add(j.channel + lo, hi - lo); }, of_conversion, of_null);
    }

    int64_t size() const { return static_cast<int64_t>(hash_.size()); }
    int64_t n_touches() const { return static_cast<int64_t>(channel_.size()); }

    // Which path each conversion and each journey without one took; -1: none that is known, or no touch.
    void find(const Journeys& j, int64_t* of_conversion, int64_t* of_null) const {
        each(
            j, [&](int64_t lo, int64_t hi) { return place(j.channel + lo, hi - lo).path; }, of_conversion,
            of_null);
    }

    // Every path, OUT offset int64[size + 1], channel int32[n_touches].
    void paths(int64_t* offset, int32_t* channel) const {
        std::copy(offset_.begin(), offset_.end(), offset);
        std::copy(channel_.begin(), channel_.end(), channel);
    }

    // Touches of each path, OUT offset int64[size + 1]; of all: channel int32[n_touches], and the path that
    // lacks this touch, without int64[n_touches], -1 where nobody took it.
    void lacking(int64_t* offset, int32_t* channel, int64_t* without) const {
        std::vector<uint64_t> before, power{1};
        for (int64_t p = 0; p < size(); ++p) {
            const int64_t from = offset_[p], n = offset_[p + 1] - from;
            const int32_t* const path = channel_.data() + from;
            before.assign(1, 0);
            for (int64_t i = 0; i < n; ++i) before.push_back(next(before.back(), path[i]));
            while (static_cast<int64_t>(power.size()) <= n) power.push_back(times(power.back(), base));
            offset[p] = from;
            for (int64_t i = 0; i < n; ++i) {
                channel[from + i] = path[i];
                // hash of path[i + 1:] is before[n] less what came before, moved to its place
                const uint64_t moved = times(before[i + 1], power[n - i - 1]);
                const uint64_t end = before[n] >= moved ? before[n] - moved : before[n] + prime - moved;
                const uint64_t hash = plus(times(before[i], power[n - i - 1]), end);
                without[from + i] = n == 1 ? -1 : find_lacking(path, n, i, hash);
            }
        }
        offset[size()] = n_touches();
    }

  private:
    static constexpr uint64_t prime = (uint64_t{1} << 61) - 1, base = 0x1234567'89ABCDEFu % prime;
    std::vector<int64_t> offset_;
    std::vector<int32_t> channel_;
    std::vector<uint64_t> hash_;
    std::vector<int64_t> slots_;  // open addressing, a power of two, at most half full

    struct Place {
        int64_t path;  // -1: not known
        std::size_t slot;
        uint64_t hash;
    };

    static uint64_t plus(uint64_t a, uint64_t b) { return a + b >= prime ? a + b - prime : a + b; }
    static uint64_t times(uint64_t a, uint64_t b) {
        const auto product = static_cast<unsigned __int128>(a) * b;
        return plus(static_cast<uint64_t>(product & prime), static_cast<uint64_t>(product >> 61));
    }
    static uint64_t next(uint64_t hash, int32_t channel) {
        return plus(times(hash, base), static_cast<uint64_t>(channel) + 1);
    }
    std::size_t first_slot(uint64_t hash) const {
        return static_cast<std::size_t>((hash * 0x9E3779B97F4A7C15u) >> 20) & (slots_.size() - 1);
    }

    template <class Equal>
    Place probe(uint64_t hash, int64_t n, Equal equal) const {
        std::size_t slot = first_slot(hash);
        for (; slots_[slot] >= 0; slot = (slot + 1) & (slots_.size() - 1)) {
            const int64_t p = slots_[slot];
            if (hash_[p] == hash && offset_[p + 1] - offset_[p] == n && equal(channel_.data() + offset_[p]))
                return {p, slot, hash};
        }
        return {-1, slot, hash};
    }

    Place place(const int32_t* path, int64_t n) const {
        uint64_t hash = 0;
        for (int64_t i = 0; i < n; ++i) hash = next(hash, path[i]);
        return probe(hash, n, [&](const int32_t* known) { return std::equal(path, path + n, known); });
    }

    int64_t find_lacking(const int32_t* path, int64_t n, int64_t i, uint64_t hash) const {
        const auto same = [&](const int32_t* known) {
            return std::equal(path, path + i, known) && std::equal(path + i + 1, path + n, known + i);
        };
        return probe(hash, n - 1, same).path;
    }

    int64_t add(const int32_t* path, int64_t n) {
        Place found = place(path, n);
        if (found.path >= 0) return found.path;
        channel_.insert(channel_.end(), path, path + n);
        offset_.push_back(n_touches());
        hash_.push_back(found.hash);
        slots_[found.slot] = size() - 1;
        if (2 * hash_.size() > slots_.size()) grow();
        return size() - 1;
    }

    void grow() {
        slots_.assign(2 * slots_.size(), -1);
        for (int64_t p = 0; p < size(); ++p) {
            std::size_t slot = first_slot(hash_[p]);
            while (slots_[slot] >= 0) slot = (slot + 1) & (slots_.size() - 1);
            slots_[slot] = p;
        }
    }

    // Every window with a touch; what `of` says of it goes to where it belongs, -1 for those without.
    template <class Of>
    static void each(const Journeys& j, Of of, int64_t* of_conversion, int64_t* of_null) {
        const auto say = [&](int64_t* out, int64_t at, int64_t lo, int64_t hi) {
            const int64_t path = lo < hi ? of(lo, hi) : -1;
            out[at] = path;
        };
        for (int64_t k = 0; k < j.conversion_offset[j.n_users]; ++k) say(of_conversion, k, j.lo[k], j.hi[k]);
        if (!j.null_lo) return;
        for (int64_t u = 0; u < j.n_users; ++u) say(of_null, u, j.null_lo[u], j.null_hi[u]);
    }
};

}  // namespace cxcore
