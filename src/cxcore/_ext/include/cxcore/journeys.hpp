// Journeys out of the event index: a CSR matrix over users.
//
// Touches and conversions of user u lie in order of time, and every conversion has its window [lo, hi) of
// touches. Windows only move forward: lo and hi never fall within a user. A journey that did not convert is a
// window, too, one a user at most. Windows are walked with two pointers: O(positions).
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

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

// Categories to codes in order of first appearance, without a hash: `known` holds the code of each category
// that occurs, -1 before. Returns how many occur.
inline int64_t dense_codes(const int32_t* category, int64_t n, int32_t* known, int32_t* code,
                           int64_t* first) {
    int32_t n_codes = 0;
    for (int64_t r = 0; r < n; ++r) {
        const int32_t c = category[r];
        if (c >= 0 && known[c] < 0) {
            known[c] = n_codes;
            first[n_codes++] = r;
        }
        code[r] = c < 0 ? -1 : known[c];
    }
    return n_codes;
}

inline int64_t row_at(const Events& e, int64_t position) { return e.row ? e.row[position] : position; }

// Which rows some window can reach: those of users who convert, from `lookback` before the first conversion
// of the user up to the last one. What they leave out needs no sorting.
inline void within_reach(const int32_t* code, const int64_t* tick, const uint8_t* converted, int64_t n,
                         int64_t n_users, bool limited, uint64_t lookback, uint8_t* keep) {
    struct Reach {
        int64_t first = INT64_MAX, last = INT64_MIN;
    };
    std::vector<Reach> of_user(static_cast<size_t>(n_users));
    for (int64_t i = 0; i < n; ++i) {
        if (!converted[i] || code[i] < 0) continue;
        Reach& mine = of_user[static_cast<size_t>(code[i])];
        mine.first = std::min(mine.first, tick[i]);
        mine.last = std::max(mine.last, tick[i]);
    }
    if (limited)  // the first tick that is near enough; ages are counted from the conversion
        for (Reach& mine : of_user) {
            const uint64_t before = age(mine.first, INT64_MIN);
            const uint64_t nearest = static_cast<uint64_t>(mine.first) - (lookback - 1);
            mine.first = before < lookback ? INT64_MIN : static_cast<int64_t>(nearest);
        }
    for (int64_t i = 0; i < n; ++i) {
        if (code[i] < 0) {
            keep[i] = 0;
            continue;
        }
        const Reach& mine = of_user[static_cast<size_t>(code[i])];
        keep[i] = (tick[i] <= mine.last) & (!limited | (tick[i] >= mine.first));
    }
}

// The values of some rows, which lie anywhere in memory.
inline void values_at(const double* value, const int64_t* row, int64_t n, double* out) {
    constexpr int64_t ahead = 16;
    for (int64_t i = 0; i < n; ++i) {
        if (i + ahead < n) __builtin_prefetch(&value[row[i + ahead]]);
        out[i] = value[row[i]];
    }
}

constexpr int64_t user_block = 4096;

// Touches and conversions of each chosen user, as offsets. `seen` is `what` by position: rows lie anywhere in
// memory, and are visited once.
inline void count_journeys(const Events& e, int n_threads, int32_t* seen, int64_t* touch_offset,
                           int64_t* conversion_offset) {
    touch_offset[0] = conversion_offset[0] = 0;
    for_each_block(e.n_chosen, user_block, n_threads, [&](int64_t from, int64_t to) {
        for (int64_t k = from; k < to; ++k) {
            const int64_t begin = e.offset[e.user[k]], end = e.offset[e.user[k] + 1];
            int64_t touches = 0, conversions = 0;
            for (int64_t p = begin; p < end; ++p) {
                constexpr int64_t ahead = 16;
                if (e.row && p + ahead < e.n) __builtin_prefetch(&e.what[e.row[p + ahead]]);
                seen[p] = e.what[row_at(e, p)];
                touches += is_touch(seen[p]);
                conversions += is_conversion(seen[p]);
            }
            touch_offset[k + 1] = touches;
            conversion_offset[k + 1] = conversions;
        }
    });
    for (int64_t k = 0; k < e.n_chosen; ++k) {
        touch_offset[k + 1] += touch_offset[k];
        conversion_offset[k + 1] += conversion_offset[k];
    }
}

// The touches of each conversion's container, [lo, hi): those of the run of equal containers that it lies in.
// Rows that are neither touch nor conversion end no run. User k of the chosen has the touches from t and the
// conversions from c.
inline void containers(const Events& e, const int32_t* seen, int64_t k, int64_t t, int64_t c, int64_t* lo,
                       int64_t* hi) {
    int64_t run_touch = t, run_conversion = c;
    int32_t before = -1;
    const auto close = [&] {
        for (; run_conversion < c; ++run_conversion) {
            lo[run_conversion] = run_touch;
            hi[run_conversion] = t;
        }
        run_touch = t;
    };
    for (int64_t p = e.offset[e.user[k]]; p < e.offset[e.user[k] + 1]; ++p) {
        if (!is_touch(seen[p]) && !is_conversion(seen[p])) continue;
        const int32_t now = e.container[row_at(e, p)];
        if (now != before || now < 0) close();
        before = now;
        t += is_touch(seen[p]);
        c += is_conversion(seen[p]);
    }
    close();
}

// Windows of one user: touches [t0, t1), conversions [k0, k1). A touch counts where 0 <= age < lookback;
// with `reset`, not where an earlier conversion looked at it; where `contained`, only in [lo, hi) as it is.
inline void windows(int64_t t0, int64_t t1, int64_t k0, int64_t k1, bool limited, uint64_t lookback,
                    bool reset, bool contained, const int64_t* touch_tick, const int64_t* conversion_tick,
                    int64_t* lo, int64_t* hi) {
    int64_t first = t0, end = t0;
    for (int64_t k = k0; k < k1; ++k) {
        const int64_t now = conversion_tick[k];
        if (reset && k > k0) first = std::max(first, hi[k - 1]);
        while (end < t1 && touch_tick[end] <= now) ++end;
        if (limited)
            while (first < end && age(now, touch_tick[first]) >= lookback) ++first;
        lo[k] = contained ? std::max(first, lo[k]) : first;
        hi[k] = contained ? std::min(end, hi[k]) : end;
    }
}

// Where the touches and conversions of all users go, each in order of time.
struct Filled {
    int32_t* channel;
    int64_t* touch_tick;
    int64_t* conversion_tick;
    int64_t* conversion_row;
    int64_t* touch_row;  // null: nobody asks
    int64_t* lo;
    int64_t* hi;
};

inline void fill_journeys(const Events& e, const int32_t* seen, bool limited, uint64_t lookback, bool reset,
                          int n_threads, const int64_t* touch_offset, const int64_t* conversion_offset,
                          const Filled& out) {
    for_each_block(e.n_chosen, user_block, n_threads, [&](int64_t from, int64_t to) {
        const int64_t t_end = touch_offset[to], c_end = conversion_offset[to];
        for (int64_t k = from; k < to; ++k) {
            int64_t t = touch_offset[k], c = conversion_offset[k];
            for (int64_t p = e.offset[e.user[k]]; p < e.offset[e.user[k] + 1]; ++p) {
                // Written whatever it is, since that is noise to the processor: the next one lies over what
                // does not count.
                if (t < t_end) {
                    out.channel[t] = seen[p] >> 1;
                    out.touch_tick[t] = e.tick[p];
                    if (out.touch_row) out.touch_row[t] = row_at(e, p);
                }
                if (c < c_end) {
                    out.conversion_tick[c] = e.tick[p];
                    out.conversion_row[c] = row_at(e, p);
                }
                t += is_touch(seen[p]);
                c += is_conversion(seen[p]);
            }
            if (e.container) containers(e, seen, k, touch_offset[k], conversion_offset[k], out.lo, out.hi);
            windows(touch_offset[k], t, conversion_offset[k], c, limited, lookback, reset, e.container,
                    out.touch_tick, out.conversion_tick, out.lo, out.hi);
        }
    });
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
