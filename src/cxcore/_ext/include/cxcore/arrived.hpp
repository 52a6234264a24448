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

// The users [user_from, user_to).
//
// Rows are walked twice, a block of them at a time: first each is given its user's next place, whose memory
// is asked for; it is written there a block later, when that has come (docs/adr/0036). Which rows are of
// these users is noise to the processor, so that no branch asks: what others have goes to a place that nobody
// reads.
class Scatter {
  public:
    Scatter(const int32_t* code, const int64_t* tick, const int64_t* tie, int64_t n, const int64_t* offset,
            int64_t user_from, int64_t user_to, int64_t* row, int64_t* sorted_tick)
        : code_(code),
          tick_(tick),
          tie_(tie),
          n_(n),
          user_from_(user_from),
          n_mine_(static_cast<uint32_t>(user_to - user_from)),
          row_(row),
          sorted_tick_(sorted_tick),
          places_(n_mine_ + 1) {
        for (uint32_t u = 0; u <= n_mine_; ++u)
            places_[u].begin = places_[u].next = static_cast<uint32_t>(offset[user_from + u]);
    }

    // False where it gave up. `all`: every row is of these users.
    bool run(bool all) {
        if (tie_) return all ? run<true, true>() : run<true, false>();
        return all ? run<false, true>() : run<false, false>();
    }

  private:
    static constexpr int64_t block = 64;  // rows
    struct Given {
        uint32_t row, at;
    };

    template <bool is_tied, bool all>
    bool run() {
        Given given[2][block];
        int64_t count[2] = {0, 0};
        for (int64_t from = 0, now = 0; from < n_ + block; from += block, now = 1 - now) {
            count[now] = give<all>(from, std::min(n_, from + block), given[now]);
            if (!write<is_tied>(given[1 - now], count[1 - now])) return false;
        }
        return true;
    }

    // Behind all of them where it is another's, or left out.
    template <bool all>
    uint32_t user_of(int64_t i) const {
        const auto user = static_cast<uint32_t>(code_[i] - user_from_);
        return all ? user : std::min(user, n_mine_);
    }

    // OUT given [block]: what becomes of those of the rows [from, to) that are ours; how many are.
    template <bool all>
    int64_t give(int64_t from, int64_t to, Given* given) {
        int64_t count = 0;
        for (int64_t i = from; i < to; ++i) {
            __builtin_prefetch(&places_[user_of<all>(std::min(i + block, n_ - 1))], 1);
            const uint32_t user = user_of<all>(i), is_ours = all || user < n_mine_, at = places_[user].next;
            places_[user].next = at + is_ours;
            __builtin_prefetch(&sorted_tick_[at], 1);
            __builtin_prefetch(&row_[at], 1);
            given[count] = {static_cast<uint32_t>(i), at};
            count += is_ours;
        }
        return count;
    }

    template <bool is_tied>
    bool write(const Given* given, int64_t count) {
        for (int64_t k = 0; k < count; ++k) {
            const int64_t i = given[k].row, t = tick_[i];
            Place& place = places_[user_of<true>(i)];
            uint32_t at = given[k].at;
            if (is_tied || t < place.last) {  // else what was written for the user need not be read
                at = make_room<is_tied>(i, at, place.begin);
                if ((moves_ += given[k].at - at) > 4 * i + 4096) return false;
            }
            place.last = std::max(place.last, t);
            sorted_tick_[at] = t, row_[at] = i;
        }
        return true;
    }

    // Events of the user that come after row i move up by one, the last of them to `at`; where it is free
    // now.
    template <bool is_tied>
    uint32_t make_room(int64_t i, uint32_t at, uint32_t begin) {
        const int64_t t = tick_[i];
        const auto comes_after = [&](uint32_t place) {
            return sorted_tick_[place] > t ||
                   (is_tied && sorted_tick_[place] == t && tie_[row_[place]] > tie_[i]);
        };
        for (; at > begin && comes_after(at - 1); --at)
            sorted_tick_[at] = sorted_tick_[at - 1], row_[at] = row_[at - 1];
        return at;
    }

    const int32_t* code_;
    const int64_t *tick_, *tie_;
    int64_t n_, user_from_;
    uint32_t n_mine_;
    int64_t *row_, *sorted_tick_;
    Array<Place> places_;  // and one for the rows of others
    int64_t moves_ = 0;
};

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
        arrived::Scatter scatter(code, tick, tie, n, offset, cut[h], cut[h + 1], row, sorted_tick);
        if (!scatter.run(hands == 1 && offset[n_users] == n)) placed = false;
    });
    return placed;
}

}  // namespace cxcore
