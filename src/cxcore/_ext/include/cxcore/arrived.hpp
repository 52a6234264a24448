// The order of the index for a log that lies in time order but for small disorder, as collectors write it:
// how many rows each user has is known, so every row goes straight to its user's next place, and the few that
// are late move back until their user's ticks do not fall. No bucket, no copy, no comparison but with the
// event before. What is late by much makes it give up, after a few moves a row, and the log is sorted as any
// other. Threads own whole users and each walks all rows.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <vector>

#include "memory.hpp"
#include "threads.hpp"

namespace cxcore {

// 64 stretches of 64 rows: how many were seen, and how many of them lie more than `slack` ticks behind the
// latest one of their stretch.
struct Disorder {
    int64_t behind = 0, seen = 0;

    Disorder(const int64_t* tick, int64_t n, uint64_t slack) {
        constexpr int64_t stretches = 64, length = 64;
        for (int64_t k = 0; k < stretches; ++k) {
            const int64_t from = n * k / stretches, to = std::min(n, from + length);
            for (int64_t i = from, latest = from; i < to; ++i, ++seen) {
                if (tick[i] >= tick[latest])
                    latest = i;
                else
                    behind += static_cast<uint64_t>(tick[latest]) - static_cast<uint64_t>(tick[i]) > slack;
            }
        }
    }
};

// Is time rising but for small disorder? Of a shuffled log 93 sampled rows in 100 lie behind. A wrong guess
// costs time, never the order.
inline bool rises_mostly(const int64_t* tick, int64_t n) {
    const Disorder disorder(tick, n, 0);
    return 4 * disorder.behind <= 3 * disorder.seen;
}

namespace arrived {

struct Place {                 // of a user
    int64_t last = INT64_MIN;  // tick
    uint32_t begin, next;      // positions, which are below 2^31
};

// The users [user_from, user_to); false where it gave up.
inline bool scatter(const int32_t* code, const int64_t* tick, const int64_t* tie, int64_t n,
                    const int64_t* offset, int64_t user_from, int64_t user_to, int64_t* row,
                    int64_t* sorted_tick) {
    const auto n_mine = static_cast<uint32_t>(user_to - user_from);
    Array<Place> places(n_mine);
    for (uint32_t u = 0; u < n_mine; ++u) {
        const auto at = static_cast<uint32_t>(offset[user_from + u]);
        places[u].begin = places[u].next = at;
    }
    const auto user_of = [=](int64_t i) { return static_cast<uint32_t>(code[i] - user_from); };
    int64_t moves = 0;
    for (int64_t i = 0; i < n; ++i) {
        constexpr int64_t ahead = 24;
        if (i + 2 * ahead < n) {
            if (const uint32_t u = user_of(i + 2 * ahead); u < n_mine) __builtin_prefetch(&places[u], 1);
            if (const uint32_t u = user_of(i + ahead); u < n_mine) {
                __builtin_prefetch(&sorted_tick[places[u].next], 1);
                __builtin_prefetch(&row[places[u].next], 1);
            }
        }
        const uint32_t user = user_of(i);  // of rows that are left out, more than there are
        if (user >= n_mine) continue;
        Place& place = places[user];
        const int64_t t = tick[i];
        uint32_t at = place.next++;
        const auto comes_after = [&](uint32_t before) {
            return sorted_tick[before] > t || (tie && sorted_tick[before] == t && tie[row[before]] > tie[i]);
        };
        if (t < place.last || tie) {  // else what was written for the user need not be read
            const uint32_t from = at;
            for (; at > place.begin && comes_after(at - 1); --at)
                sorted_tick[at] = sorted_tick[at - 1], row[at] = row[at - 1];
            if ((moves += from - at) > 4 * i + 4096) return false;
        }
        place.last = std::max(place.last, t);
        sorted_tick[at] = t, row[at] = i;
    }
    return true;
}

}  // namespace arrived

// As sort_events (index.hpp), where the log allows; false where it does not, and the outputs are rubbish.
inline bool place_arrivals(const int32_t* code, const int64_t* tick, const int64_t* tie, int64_t n,
                           const int64_t* offset, int64_t n_users, int n_threads, int64_t* row,
                           int64_t* sorted_tick) {
    // of users with few rows each, in a log that fits the cache, any order is little disorder
    const bool is_small = n < (1 << 16) && n < 8 * n_users;
    if (!is_small && !rises_mostly(tick, n)) return false;
    const int64_t hands = std::max<int64_t>(1, std::min<int64_t>(n_threads, n >> 16));
    std::vector<int64_t> cut{0};  // users of about equal numbers of rows
    for (int64_t hand = 1; hand < hands; ++hand)
        cut.push_back(std::lower_bound(offset, offset + n_users, offset[n_users] * hand / hands) - offset);
    cut.push_back(n_users);
    std::atomic<bool> placed{true};
    touch_pages(row, offset[n_users], n_threads);
    touch_pages(sorted_tick, offset[n_users], n_threads);
    for_each_piece(hands, n_threads, [&](int64_t hand) {
        const auto h = static_cast<size_t>(hand);
        if (!arrived::scatter(code, tick, tie, n, offset, cut[h], cut[h + 1], row, sorted_tick))
            placed = false;
    });
    return placed;
}

}  // namespace cxcore
