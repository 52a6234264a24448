// Identity: which known id (a customer) the rows of an anonymous id (a device) belong to.
//
// A login is a row with both. 1. One scan keeps each device's first or last login, and notes devices on which
// several customers logged in. 2. Where that answers for all rows of a device, one more scan writes it. 3.
// Only devices on which rows differ (shared ones, or all that logged in where a lookback bounds them) are put
// in the order of the event index, and walked with a pointer over their logins: O(rows). Known ids are never
// merged, so the graph of devices and customers is a forest of depth one and needs no union-find
// (docs/adr/0011). Semantics: docs/explanation/identity.md.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "memory.hpp"
#include "sessions.hpp"
#include "threads.hpp"

namespace cxcore {

enum Policy : int32_t { last_login = 0, first_login = 1, sliced = 2 };

// IN  device, known int32[n] (-1: none), tick int64[n], tie int64[n] or null
// OUT login int32[n_devices]: known id of the last (first) login by (tick, tie, row), -1 where there is none;
//     shared uint8[n_devices]: 1 where several known ids logged in
inline void find_logins(const int32_t* device, const int32_t* known, const int64_t* tick, const int64_t* tie,
                        int64_t n, int64_t n_devices, bool first, int32_t* login, uint8_t* shared) {
    struct Best {
        int64_t tick;
        int32_t row;
    };
    std::fill_n(login, n_devices, -1);
    std::fill_n(shared, n_devices, 0);
    Array<Best> best(static_cast<size_t>(n_devices));
    const auto later = [=](int64_t i, const Best& than) {  // rows come in their order, so i is the later row
        if (tick[i] != than.tick) return tick[i] > than.tick;
        return !tie || tie[i] >= tie[than.row];
    };
    for (int64_t i = 0; i < n; ++i) {
        const int32_t d = device[i], k = known[i];
        if (d < 0 || k < 0) continue;
        Best& kept = best[static_cast<size_t>(d)];
        const bool none = login[d] < 0;
        if (!none && login[d] != k) shared[d] = 1;
        if (!none && later(i, kept) == first) continue;
        kept = {tick[i], static_cast<int32_t>(i)};
        login[d] = k;
    }
}

// IN  device, known int32[n], login int32[n_devices]
// OUT link int32[n]: the row's own known id, else that of its device's login, else -1
inline void spread_logins(const int32_t* device, const int32_t* known, int64_t n, const int32_t* login,
                          int n_threads, int32_t* link) {
    for_each_block(n, 1 << 16, n_threads, [=](int64_t from, int64_t to) {
        for (int64_t i = from; i < to; ++i)
            link[i] = known[i] >= 0 ? known[i] : device[i] >= 0 ? login[device[i]] : -1;
    });
}

struct Login {
    int64_t tick, position;
    int32_t known;
};

// Goes along the logins of one device while its rows go by in their order, and holds those that a row sees.
class LoginWalk {
  public:
    LoginWalk(Policy policy, uint64_t lookback) : policy_(policy), lookback_(lookback) {}

    void start() {
        logins_.clear();
        next_ = 0;
    }
    void add(const Login& login) { logins_.push_back(login); }

    // The known id of a row without one. Rows come by position; ticks do not fall.
    int32_t of(int64_t position, int64_t tick) {
        const size_t n = logins_.size();
        switch (policy_) {
            case last_login:  // the last that is not too far ahead
                while (next_ < n && (logins_[next_].tick <= tick || near(tick, logins_[next_].tick))) ++next_;
                return next_ ? seen(next_ - 1, tick) : -1;
            case first_login:  // the first that is not too far back
                while (next_ < n && logins_[next_].tick < tick && !near(logins_[next_].tick, tick)) ++next_;
                return next_ < n ? seen(next_, tick) : -1;
            default: {  // the one before, else the one after
                while (next_ < n && logins_[next_].position < position) ++next_;
                const int32_t before = next_ ? seen(next_ - 1, tick) : -1;
                return before >= 0 || next_ == n ? before : seen(next_, tick);
            }
        }
    }

  private:
    bool near(int64_t from, int64_t to) const { return silence(from, to) <= lookback_; }
    int32_t seen(size_t at, int64_t tick) const {
        const Login& login = logins_[at];
        return near(std::min(login.tick, tick), std::max(login.tick, tick)) ? login.known : -1;
    }

    Policy policy_;
    uint64_t lookback_;
    std::vector<Login> logins_;
    size_t next_ = 0;
};

// IN  offset int64[n_devices + 1], row int64[] or null (positions are rows), tick int64[] in the order of the
//     event index, known int32[n_rows]; lookback in ticks
// OUT link int32[n_rows]: rewritten for the rows of the index that have no known id
inline void follow_logins(const int64_t* offset, const int64_t* row, const int64_t* tick, int64_t n_devices,
                          const int32_t* known, Policy policy, uint64_t lookback, int n_threads,
                          int32_t* link) {
    const auto cuts = cut_users(offset, n_devices);
    for_each_piece(static_cast<int64_t>(cuts.size()) - 1, n_threads, [&](int64_t piece) {
        LoginWalk walk(policy, lookback);
        for (int64_t d = cuts[static_cast<size_t>(piece)]; d < cuts[static_cast<size_t>(piece) + 1]; ++d) {
            walk.start();
            for (int64_t p = offset[d]; p < offset[d + 1]; ++p) {
                const int32_t k = known[row ? row[p] : p];
                if (k >= 0) walk.add({tick[p], p, k});
            }
            for (int64_t p = offset[d]; p < offset[d + 1]; ++p) {
                const int64_t i = row ? row[p] : p;
                if (known[i] < 0) link[i] = walk.of(p, tick[p]);
            }
        }
    });
}

// IN  device, link int32[n]; unstitched uint8[n_known]: 1 where a known id may not be linked
// OUT place int64[n]: of the row's identity among n_known known ids, n_devices anonymous ids, and none
inline void name_rows(const int32_t* device, const int32_t* link, int64_t n, const uint8_t* unstitched,
                      int64_t n_known, int64_t n_devices, int n_threads, int64_t* place) {
    const uint8_t nobody = 0;
    const uint8_t* barred = n_known ? unstitched : &nobody;
    for_each_block(n, 1 << 16, n_threads, [=](int64_t from, int64_t to) {
        for (int64_t i = from; i < to; ++i) {  // who is linked is noise to the processor: no branch on it
            const int64_t anonymous = n_known + (device[i] >= 0 ? device[i] : n_devices);
            const bool linked = (link[i] >= 0) & (barred[std::max(link[i], 0)] == 0);
            place[i] = linked ? link[i] : anonymous;
        }
    });
}

}  // namespace cxcore
