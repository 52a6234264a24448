// Which events repeat an earlier one of their user. Few do, so that first those are told that may: by row
// where one column has running numbers (the first row of each value, users not looked at), else by the order
// of the index (a bit for each hash, and one more where it was met before). Only events that may are
// compared, in a table of them. Why: docs/adr/0014 and 0020.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>

#include "key_table.hpp"
#include "memory.hpp"

namespace cxcore {

// What `unique` reads by row.
struct Unique {
    static constexpr uint8_t null = 8;  // of the mark: the row repeats nothing

    const int64_t* key;  // [n_keys][n_rows]: rows of a user that agree in all are copies of one event,
    int64_t n_keys, n_rows;
    const uint8_t* mark;  // or null
    int32_t own;          // rows without a user are no one's, and so no copies of each other
};

// An event that repeats an earlier one of its user, by their positions; in order of the first.
struct Copy {
    int64_t at, of;
};

class Copies {
  public:
    Copies(const Unique& unique, const int64_t* offset, const int64_t* row)
        : unique_(unique),
          offset_(offset),
          row_(row) {
        if (unique.key && unique.n_keys == 1) count();
    }

    // Those of the users [user_from, user_to), put behind `found`.
    void find(int64_t user_from, int64_t user_to, Array<Copy>& found) const {
        const Array<int64_t> maybe =
            repeats_.empty() ? met_twice(user_from, user_to) : counted(offset_[user_from], offset_[user_to]);
        size_t size = 4;
        while (size < 2 * maybe.size()) size *= 2;
        Array<int64_t> slots(size, -1);  // positions
        int64_t user = user_from;
        for (size_t k = 0; k < maybe.size(); ++k) {
            constexpr size_t ahead = 12;
            if (k + ahead < maybe.size()) __builtin_prefetch(&unique_.key[row_at(maybe[k + ahead])]);
            const int64_t p = maybe[k];
            while (p >= offset_[user + 1]) ++user;
            if (user == unique_.own || (unique_.mark && unique_.mark[row_at(p)] & Unique::null)) continue;
            if (const int64_t original = take(p, user, slots); original >= 0) found.push_back({p, original});
        }
    }

  private:
    struct Met {  // of 64 hashes, a bit each
        uint64_t once = 0, twice = 0;
    };

    int64_t row_at(int64_t position) const { return row_ ? row_[position] : position; }

    // Rows whose value is not the only one of its kind, a bit each; none where values are not running numbers
    // (asked of a sample: a wrong guess makes rows look alike that are not) or repeat too often to be of use.
    void count() {
        const int64_t *key = unique_.key, n = unique_.n_rows;
        uint64_t differs = 0, mask = 63;
        for (int64_t k = 0; k < 64; ++k) differs |= static_cast<uint64_t>(key[n * k / 64] ^ key[0]);
        if (differs >= static_cast<uint64_t>(2 * n)) return;
        while (mask < differs) mask = 2 * mask + 1;
        Array<int32_t> firsts(mask + 1, -1);  // the first row of each value
        Array<uint64_t> repeats(static_cast<size_t>(n) / 64 + 1, 0);
        const auto mark = [&](int64_t i) { repeats[static_cast<size_t>(i / 64)] |= uint64_t{1} << i % 64; };
        int64_t again = 0;
        for (int64_t i = 0; i < n; ++i) {
            int32_t& first = firsts[static_cast<uint64_t>(key[i]) & mask];
            if (first < 0) {
                first = static_cast<int32_t>(i);
                continue;
            }
            mark(first), mark(i);
            if (++again * 8 > i + 8192) return;
        }
        repeats_ = std::move(repeats);
    }
    // Positions of [from, to) whose row has its bit.
    Array<int64_t> counted(int64_t from, int64_t to) const {
        Array<int64_t> maybe;
        if (!row_) {
            for (int64_t at = from / 64 * 64; at < to; at += 64)
                for (uint64_t word = repeats_[static_cast<size_t>(at / 64)]; word; word &= word - 1)
                    if (const int64_t p = at + __builtin_ctzll(word); from <= p && p < to) maybe.push_back(p);
            return maybe;
        }
        maybe.resize(static_cast<size_t>(to - from));
        size_t n = 0;
        for (int64_t p = from; p < to; ++p) {
            maybe[n] = p;
            n += repeats_[static_cast<size_t>(row_[p] / 64)] >> row_[p] % 64 & 1;
        }
        maybe.resize(n);
        return maybe;
    }
    // Positions whose hash is not the only one of its kind.
    Array<int64_t> met_twice(int64_t user_from, int64_t user_to) const {
        const int64_t from = offset_[user_from], to = offset_[user_to];
        size_t size = 64;  // bits: 16 or more an event
        while (size < 16 * static_cast<size_t>(to - from)) size *= 2;
        Array<Met> mets(size / 64);
        Array<uint32_t> hashes(static_cast<size_t>(to - from));  // by position
        uint32_t* next = hashes.data();
        const auto hash_all = [&](int64_t n_keys) {
            for (int64_t u = user_from; u < user_to; ++u)
                for (int64_t p = offset_[u], end = offset_[u + 1]; p < end; ++p) {
                    if (row_ && p + 32 < to) __builtin_prefetch(&unique_.key[row_[p + 32]]);
                    *next++ = static_cast<uint32_t>(hash(p, u, n_keys) >> 32);
                }
        };
        if (unique_.n_keys == 1)
            hash_all(1);  // without a loop
        else
            hash_all(unique_.n_keys);
        Met* const met = mets.data();
        const size_t mask = mets.size() - 1;
        for (const uint32_t h : hashes) {
            Met& place = met[h / 64 & mask];
            const uint64_t bit = uint64_t{1} << h % 64;
            place.twice |= place.once & bit;
            place.once |= bit;
        }
        Array<int64_t> maybe(hashes.size());
        size_t n = 0;
        for (size_t k = 0; k < hashes.size(); ++k) {
            maybe[n] = from + static_cast<int64_t>(k);
            n += met[hashes[k] / 64 & mask].twice >> hashes[k] % 64 & 1;
        }
        maybe.resize(n);
        return maybe;
    }
    // The position of the event that this one repeats, or -1: then it is one that may be repeated.
    int64_t take(int64_t position, int64_t user, Array<int64_t>& slots) const {
        for (size_t at = hash(position, user, unique_.n_keys);; ++at) {
            int64_t& known = slots[at & (slots.size() - 1)];
            if (known < 0) return known = position, -1;
            // users lie one behind the other
            if (known >= offset_[user] && same(row_at(known), row_at(position))) return known;
        }
    }
    uint64_t hash(int64_t position, int64_t user, int64_t n_keys) const {
        uint64_t h = hash_seed.start + static_cast<uint64_t>(user) * hash_seed.right;
        const int64_t* key = unique_.key + row_at(position);
        for (int64_t k = 0; k < n_keys; ++k, key += unique_.n_rows)
            h = fold(h ^ static_cast<uint64_t>(*key), hash_seed.right);
        return h;
    }
    bool same(int64_t a, int64_t b) const {
        for (int64_t k = 0; k < unique_.n_keys; ++k)
            if (unique_.key[k * unique_.n_rows + a] != unique_.key[k * unique_.n_rows + b]) return false;
        return true;
    }

    const Unique unique_;
    const int64_t *offset_, *row_;
    Array<uint64_t> repeats_;  // [n_rows] bits, or none
};

}  // namespace cxcore
