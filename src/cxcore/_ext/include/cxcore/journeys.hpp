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
    const int32_t* log_row;    // which row of the log each is; null: the same
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

struct Ends {  // of touches and of conversions
    int64_t touch, conversion;
};

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

// The first touch of [first, end) that is younger than lookback, or `end`. How many are older is noise to the
// processor, so some are asked whatever they are; ticks are there up to `written`.
inline int64_t first_near(const int64_t* tick, int64_t first, int64_t end, int64_t written, int64_t now,
                          uint64_t lookback) {
    constexpr int64_t some = 4;
    while (first + some <= written) {
        int64_t old = 0, all = 1;
        for (int64_t i = first; i < first + some; ++i) old += all &= age(now, tick[i]) >= lookback;
        first += old;
        if (first >= end) return end;
        if (old < some) return first;
    }
    while (first < end && age(now, tick[first]) >= lookback) ++first;
    return first;
}

// A touch counts where its age is below lookback; with `reset`, not where an earlier conversion looked at it;
// where `contained`, not before lo as it is.
inline void window_starts(Ends begin, int64_t k1, int64_t written, bool limited, uint64_t lookback,
                          bool reset, bool contained, const int64_t* touch_tick,
                          const int64_t* conversion_tick, int64_t* lo, const int64_t* hi) {
    int64_t first = begin.touch;
    for (int64_t k = begin.conversion; k < k1; ++k) {
        if (reset && k > begin.conversion) first = std::max(first, hi[k - 1]);
        if (limited) first = first_near(touch_tick, first, hi[k], written, conversion_tick[k], lookback);
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

// Positions of some users, one after the other, and what lies there. A loop over the few rows of one user
// ends where the processor does not expect it: positions are taken in fixed numbers, whoever they belong to.
class Stretch {
  public:
    static constexpr int64_t most = 512;  // what they look at stays in a first-level cache

    // As many positions of the users from k on, the first from `next` on, as there is room for; gives the
    // users who begin there in `begin` and moves k and next.
    void take(const Events& e, int64_t& k, int64_t& next, int64_t to) {
        constexpr int64_t some = 8;
        n_ = n_begin_ = 0;
        while (k < to && n_ < most && n_begin_ < most) {
            const int64_t begin = e.offset[e.user[k]], end = e.offset[e.user[k] + 1];
            const int64_t soon = e.offset[e.user[std::min(k + ahead, to - 1)]];
            for (const int64_t at : {soon, std::min(soon + 7, e.n)}) {  // most users lie on two lines
                if (e.row) __builtin_prefetch(e.row + at);
                __builtin_prefetch(e.tick + at);
            }
            if (next < 0) {
                begin_[n_begin_++] = static_cast<int32_t>(n_);
                next = begin;
            }
            const int64_t size = std::min(end - next, most - n_);
            for (int64_t i = 0; i < size; i += some)  // what is too much is written over
                for (int64_t w = 0; w < some; ++w) position_[n_ + i + w] = next + i + w;
            n_ += size;
            next += size;
            if (next < end) break;
            next = -1;
            ++k;
        }
        if (!e.row) std::copy(position_, position_ + n_, row_);
        for (int64_t i = 0; e.row && i < n_; ++i) {  // rows lie anywhere in memory: all are asked for first
            row_[i] = e.row[position_[i]];
            __builtin_prefetch(&e.what[row_[i]]);
        }
    }

    // Writes their touches and conversions from a place in each list, and where the users begin, of whom the
    // first is k; gives the place behind them.
    Ends write(const Events& e, int64_t k, Ends at, const Filled& out) {
        // Written whatever it is, since that is noise to the processor: the next one lies over what does not
        // count.
        int64_t t = at.touch, n_converted = 0;
        for (int64_t i = 0; i < n_; ++i) {
            const int32_t what = e.what[row_[i]];
            before_[i] = {static_cast<int32_t>(t - at.touch), static_cast<int32_t>(n_converted)};
            out.channel[t] = what >> 1;
            out.touch_tick[t] = e.tick[position_[i]];
            if (out.touch_row) out.touch_row[t] = log_row(e, row_[i]);
            t += is_touch(what);
            converted_[n_converted] = static_cast<int32_t>(i);
            n_converted += is_conversion(what);
        }
        before_[n_] = {static_cast<int32_t>(t - at.touch), static_cast<int32_t>(n_converted)};
        for (int64_t c = 0; c < n_converted; ++c) {
            const int32_t i = converted_[c];
            out.conversion_tick[at.conversion + c] = e.tick[position_[i]];
            out.conversion_row[at.conversion + c] = log_row(e, row_[i]);
            out.hi[at.conversion + c] = at.touch + before_[i + 1].touch;
        }
        for (int64_t u = 0; u < n_begin_; ++u) {
            out.touch_offset[k + u] = at.touch + before_[begin_[u]].touch;
            out.conversion_offset[k + u] = at.conversion + before_[begin_[u]].conversion;
        }
        return {t, at.conversion + n_converted};
    }
    int64_t n_begin() const { return n_begin_; }

  private:
    static constexpr int64_t ahead = 16;  // users
    static int64_t log_row(const Events& e, int64_t row) { return e.log_row ? e.log_row[row] : row; }
    struct Before {
        int32_t touch, conversion;
    };
    int64_t position_[most + 8], row_[most];
    Before before_[most + 1];  // touches and conversions before each position
    int32_t converted_[most + 1], begin_[most];
    int64_t n_ = 0, n_begin_ = 0;
};

// The chosen users [from, to), from a place in each list; gives the place behind them.
inline Ends fill_users(const Events& e, int64_t from, int64_t to, Ends at, bool limited, uint64_t lookback,
                       bool reset, const Filled& out) {
    Stretch stretch;
    int64_t k = from, next = -1, begun = from, done = from;  // users: to read, who began, who have windows
    while (k < to) {
        stretch.take(e, k, next, to);
        at = stretch.write(e, begun, at, out);
        begun += stretch.n_begin();
        for (; done < k; ++done) {
            const Ends begin{out.touch_offset[done], out.conversion_offset[done]};
            const bool is_last = done + 1 == begun;
            const Ends end{is_last ? at.touch : out.touch_offset[done + 1],
                           is_last ? at.conversion : out.conversion_offset[done + 1]};
            window_ends(end.touch, begin.conversion, end.conversion, out.touch_tick, out.conversion_tick,
                        out.hi);
            if (e.container) containers(e, done, begin.touch, begin.conversion, out.lo, out.hi);
            window_starts(begin, end.conversion, at.touch, limited, lookback, reset, e.container,
                          out.touch_tick, out.conversion_tick, out.lo, out.hi);
        }
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
