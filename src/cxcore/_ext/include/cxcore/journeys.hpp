// Journeys out of the event index: a CSR matrix over users.
//
// Touches and conversions of user u lie in order of time, and every conversion has its window [lo, hi) of
// touches. Windows only move forward: lo and hi never fall within a user. A journey that did not convert is a
// window, too, one a user at most. Windows are walked with two pointers: O(positions).
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "cxcore/memory.hpp"
#include "cxcore/threads.hpp"

namespace cxcore {

struct Events {             // the event index, what was read of its rows, and the users who are looked at
    const int64_t* offset;  // [n_users + 1] positions of each user
    int64_t n;              // positions
    const int64_t* row;     // [n] row at each position; null where position and row are the same
    const int64_t* tick;    // [n] by position, never falling within a user
    const int32_t* what;    // by row
    int64_t n_chosen;
    const int64_t* user;       // [n_chosen] which users, in order
    const int32_t* container;  // by row, negative: one of its own; null: the customer is the container
};

// What a row says: the code of its channel times two (negative: no touch), the lowest bit if it converts.
inline bool is_touch(int32_t what) { return what >= 0; }
inline bool is_conversion(int32_t what) { return what & 1; }

struct Journeys {
    int64_t n_users;
    const int64_t* touch_offset;       // [n_users + 1]
    const int64_t* conversion_offset;  // [n_users + 1]
    const int32_t* channel;            // by touch
    const int64_t* tick;               // by touch
    const int64_t* lo;                 // by conversion: its window of touches
    const int64_t* hi;
    const double* value;
    const double* times;     // by user: how many customers are alike; null: one each
    const int64_t* null_lo;  // by user: the touches of a journey that did not convert; null: none count
    const int64_t* null_hi;
};

// Ticks from `then` to `now`, where now >= then: exact over the whole range of int64.
inline uint64_t age(int64_t now, int64_t then) {
    return static_cast<uint64_t>(now) - static_cast<uint64_t>(then);
}

// Categories to codes in order of first appearance, without a hash: `known` [1 + n_categories] holds the code
// of each category that occurs, and before them that of none; -1 before. Returns how many occur.
inline int64_t dense_codes(const int32_t* category, int64_t n, int64_t n_categories, int32_t* known,
                           int32_t* code, int64_t* first) {
    int32_t n_codes = 0;
    int64_t r = 0;
    for (; r < n && n_codes < n_categories; ++r) {
        const int32_t c = category[r] + 1;
        if (c > 0 && known[c] < 0) {
            known[c] = n_codes;
            first[n_codes++] = r;
        }
        code[r] = known[c];
    }
    for (; r < n; ++r) code[r] = known[category[r] + 1];  // all have been met
    return n_codes;
}

inline int64_t row_at(const Events& e, int64_t position) { return e.row ? e.row[position] : position; }

// Users of the rows that some window can reach: touches and conversions of users who convert, from `lookback`
// before the first conversion of the user up to the last one. What is left out (-1) needs no sorting.
// OUT reached int32[n], count int64[n_users]: the rows of each user that are left
inline void within_reach(const int32_t* code, const int64_t* tick, const int32_t* what, int64_t n,
                         int64_t n_users, bool limited, uint64_t lookback, int32_t* reached, int64_t* count) {
    struct Reach {
        int64_t first = INT64_MAX, last = INT64_MIN, rows = 0;
    };
    // Nobody, whom no window reaches, is several in turns: no row waits for the count of the one before.
    constexpr int64_t nobodies = 8;
    Array<Reach> reach(static_cast<size_t>(n_users + nobodies));
    Reach* const of_user = reach.data() + nobodies;
    constexpr int64_t block = 256, ahead = 16;
    int64_t chosen[block];
    for (int64_t from = 0; from < n; from += block) {  // which rows convert is noise: no branch asks
        int64_t many = 0;
        for (int64_t i = from; i < std::min(n, from + block); ++i) {
            chosen[many] = i;
            many += is_conversion(what[i]) & (code[i] >= 0);
        }
        for (int64_t k = 0; k < many; ++k) {
            const int64_t now = tick[chosen[k]];
            Reach& mine = of_user[code[chosen[k]]];
            mine.first = std::min(mine.first, now);
            mine.last = std::max(mine.last, now);
        }
    }
    for (int64_t u = 0; u < n_users; ++u) {  // the first tick that is near enough
        Reach& mine = of_user[u];
        if (mine.last < mine.first) continue;
        const uint64_t before = age(mine.first, INT64_MIN);
        const uint64_t nearest = static_cast<uint64_t>(mine.first) - (lookback - 1);
        mine.first = !limited || before < lookback ? INT64_MIN : static_cast<int64_t>(nearest);
    }
    for (int64_t i = 0; i < n; ++i) {  // which rows these are is noise, too
        if (i + ahead < n) __builtin_prefetch(&of_user[code[i + ahead]]);
        const int32_t user = code[i], says = what[i];
        Reach& mine = of_user[user ^ ((user >> 31) & (i & (nobodies - 1)))];
        const int64_t now = tick[i];
        const int32_t is_near =
            (now <= mine.last) & (now >= mine.first) & (is_touch(says) | is_conversion(says));
        reached[i] = user | (is_near - 1);
        mine.rows += is_near;
    }
    for (int64_t u = 0; u < n_users; ++u) count[u] = of_user[u].rows;
}

constexpr int64_t user_block = 4096;

// Narrows [lo, hi) to the touches of the conversion's container: the run of equal ones that it lies in.
// Rows that are neither touch nor conversion end no run. User k of the chosen has the touches from t and the
// conversions from c.
inline void containers(const Events& e, int64_t k, int64_t t, int64_t c, int64_t* lo, int64_t* hi) {
    int64_t run_touch = t, run_conversion = c;
    int32_t before = -1;
    const auto close = [&] {
        for (; run_conversion < c; ++run_conversion) {
            lo[run_conversion] = run_touch;
            hi[run_conversion] = std::min(hi[run_conversion], t);
        }
        run_touch = t;
    };
    for (int64_t p = e.offset[e.user[k]]; p < e.offset[e.user[k] + 1]; ++p) {
        const int32_t what = e.what[row_at(e, p)];
        if (!is_touch(what) && !is_conversion(what)) continue;
        const int32_t now = e.container[row_at(e, p)];
        if (now != before || now < 0) close();
        before = now;
        t += is_touch(what);
        c += is_conversion(what);
    }
    close();
}

// Windows [lo, hi) of one user: touches [t0, t1), conversions [k0, k1), before each of which lie the touches
// up to hi. Those of its own instant count, too.
inline void window_ends(int64_t t1, int64_t k0, int64_t k1, const int64_t* touch_tick,
                        const int64_t* conversion_tick, int64_t* hi) {
    for (int64_t k = k1; k-- > k0;) {
        if (k + 1 < k1 && conversion_tick[k] == conversion_tick[k + 1])
            hi[k] = hi[k + 1];
        else
            while (hi[k] < t1 && touch_tick[hi[k]] == conversion_tick[k]) ++hi[k];
    }
}

// A touch counts where its age is below lookback; with `reset`, not where an earlier conversion looked at it;
// where `contained`, not before lo as it is.
inline void window_starts(int64_t t0, int64_t k0, int64_t k1, bool limited, uint64_t lookback, bool reset,
                          bool contained, const int64_t* touch_tick, const int64_t* conversion_tick,
                          int64_t* lo, const int64_t* hi) {
    int64_t first = t0;
    for (int64_t k = k0; k < k1; ++k) {
        if (reset && k > k0) first = std::max(first, hi[k - 1]);
        if (limited)
            while (first < hi[k] && age(conversion_tick[k], touch_tick[first]) >= lookback) ++first;
        lo[k] = contained ? std::max(first, lo[k]) : first;
    }
}

// Where the touches and conversions of the chosen go, by user and time; each has room for all their
// positions.
struct Filled {
    int64_t* touch_offset;       // [n_chosen + 1]
    int64_t* conversion_offset;  // [n_chosen + 1]
    int32_t* channel;
    int64_t* touch_tick;
    int64_t* conversion_tick;
    int64_t* conversion_row;
    int64_t* touch_row;  // null: nobody asks
    int64_t* lo;
    int64_t* hi;
};

struct Ends {  // of touches and of conversions
    int64_t touch, conversion;
};

// The chosen users [from, to), from a place in each list; gives the place behind them.
inline Ends fill_users(const Events& e, int64_t from, int64_t to, Ends at, bool limited, uint64_t lookback,
                       bool reset, const Filled& out) {
    // Rows lie anywhere in memory: those of users to come are asked for ahead.
    constexpr int64_t users_ahead = 4, rows_ahead = 16;
    for (int64_t k = from; k < to; ++k) {
        if (e.row && k + users_ahead < to) {
            const int64_t begin = e.offset[e.user[k + users_ahead]],
                          end = e.offset[e.user[k + users_ahead] + 1];
            for (int64_t p = begin; p < std::min(end, begin + rows_ahead); ++p)
                __builtin_prefetch(&e.what[e.row[p]]);
        }
        int64_t t = out.touch_offset[k] = at.touch, c = out.conversion_offset[k] = at.conversion;
        const int64_t begin = e.offset[e.user[k]], end = e.offset[e.user[k] + 1];
        for (int64_t p = begin; p < end; ++p) {
            if (e.row && p + rows_ahead < end) __builtin_prefetch(&e.what[e.row[p + rows_ahead]]);
            const int64_t row = row_at(e, p);
            const int32_t what = e.what[row];
            // Written whatever it is, since that is noise to the processor: the next one lies over what does
            // not count.
            out.channel[t] = what >> 1;
            out.touch_tick[t] = out.conversion_tick[c] = e.tick[p];
            if (out.touch_row) out.touch_row[t] = row;
            t += is_touch(what);
            out.conversion_row[c] = row;
            out.hi[c] = t;
            c += is_conversion(what);
        }
        window_ends(t, at.conversion, c, out.touch_tick, out.conversion_tick, out.hi);
        if (e.container) containers(e, k, at.touch, at.conversion, out.lo, out.hi);
        window_starts(at.touch, at.conversion, c, limited, lookback, reset, e.container, out.touch_tick,
                      out.conversion_tick, out.lo, out.hi);
        at = {t, c};
    }
    return at;
}

// Moves what lies from one place on to where it belongs.
inline void close_up(const Filled& out, Ends from, Ends end, Ends to) {
    const auto move = [](auto* items, int64_t first, int64_t last, int64_t place) {
        if (items) std::copy(items + first, items + last, items + place);
    };
    for (int64_t* items : {out.touch_tick, out.touch_row}) move(items, from.touch, end.touch, to.touch);
    move(out.channel, from.touch, end.touch, to.touch);
    for (int64_t k = from.conversion; k < end.conversion; ++k) {
        out.lo[k] -= from.touch - to.touch;
        out.hi[k] -= from.touch - to.touch;
    }
    for (int64_t* items : {out.conversion_tick, out.conversion_row, out.lo, out.hi})
        move(items, from.conversion, end.conversion, to.conversion);
}

// One hand fills block after block without a gap. Several fill each block where its positions would lie, and
// the blocks are closed up in the end.
inline void fill_journeys(const Events& e, bool limited, uint64_t lookback, bool reset, int n_threads,
                          const Filled& out) {
    const int64_t n = e.n_chosen;
    Ends end{0, 0};
    if (n_threads <= 1) {
        end = fill_users(e, 0, n, end, limited, lookback, reset, out);
    } else {
        std::vector<int64_t> first(1, 0);
        std::vector<Ends> ends(static_cast<size_t>((n + user_block - 1) / user_block));
        for (int64_t from = 0; from < n; from += user_block) {
            int64_t positions = 0;
            for (int64_t k = from; k < std::min(n, from + user_block); ++k)
                positions += e.offset[e.user[k] + 1] - e.offset[e.user[k]];
            first.push_back(first.back() + positions);
        }
        for_each_block(n, user_block, n_threads, [&](int64_t from, int64_t to) {
            const auto block = static_cast<size_t>(from / user_block);
            const Ends begin{first[block], first[block]};
            ends[block] = fill_users(e, from, to, begin, limited, lookback, reset, out);
        });
        for (size_t block = 0; block < ends.size(); ++block) {
            const Ends begin{first[block], first[block]};
            const int64_t from = static_cast<int64_t>(block) * user_block;
            close_up(out, begin, ends[block], end);
            for (int64_t k = from; k < std::min(n, from + user_block); ++k) {
                out.touch_offset[k] -= begin.touch - end.touch;
                out.conversion_offset[k] -= begin.conversion - end.conversion;
            }
            end.touch += ends[block].touch - begin.touch;
            end.conversion += ends[block].conversion - begin.conversion;
        }
    }
    out.touch_offset[n] = end.touch;
    out.conversion_offset[n] = end.conversion;
}

// Journeys that did not convert: the touches after the last conversion of a user (all where there is none),
// within lookback of the final one. OUT lo, hi int64[n_users]
inline void null_windows(const Journeys& j, bool limited, uint64_t lookback, int n_threads, int64_t* lo,
                         int64_t* hi) {
    for_each_block(j.n_users, user_block, n_threads, [&](int64_t from, int64_t to) {
        for (int64_t u = from; u < to; ++u) {
            const int64_t t1 = j.touch_offset[u + 1], k1 = j.conversion_offset[u + 1];
            int64_t first = k1 > j.conversion_offset[u] ? j.hi[k1 - 1] : j.touch_offset[u];
            if (limited)
                while (first < t1 && age(j.tick[t1 - 1], j.tick[first]) >= lookback) ++first;
            lo[u] = first;
            hi[u] = t1;
        }
    });
}

}  // namespace cxcore
