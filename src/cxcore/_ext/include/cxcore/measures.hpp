// Measures of sessions (first and last rows, sums, was anything true): walks of the positions of each session
// in their order, copies left out. Whole sessions are pieces of work. Semantics:
// docs/explanation/session-rules.md.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "rules.hpp"
#include "threads.hpp"

namespace cxcore {

// The positions of sessions, and which row lies there; copies do not count.
struct SessionRows {
    const int64_t* begin;  // [n_sessions + 1]
    int64_t n_sessions;
    const int64_t* row;  // or null
    const Copy* copy;    // [n_copies]
    int64_t n_copies;
};

// Calls take(session, row) for the rows of each session in their order; `value` is what it reads by row.
template <class Value, class Take>
void for_each_row(const SessionRows& at, const Value* value, int n_threads, Take&& take) {
    const int64_t n = at.begin[at.n_sessions];
    const Copy* const no_copy = at.copy + at.n_copies;
    for_each_block(at.n_sessions, 1 << 12, n_threads, [&](int64_t from, int64_t to) {
        const Copy* copy = std::lower_bound(at.copy, no_copy, at.begin[from],
                                            [](const Copy& one, int64_t p) { return one.at < p; });
        for (int64_t s = from; s < to; ++s)
            for (int64_t p = at.begin[s]; p < at.begin[s + 1]; ++p) {
                constexpr int64_t ahead = 24;
                if (at.row && value && p + ahead < n) __builtin_prefetch(&value[at.row[p + ahead]]);
                if (copy != no_copy && copy->at == p)
                    ++copy;
                else
                    take(s, at.row ? at.row[p] : p);
            }
    });
}

// IN valid uint8[n_rows] or null; OUT first, last int64[n_sessions]: rows that have a value, -1 where none
// has
inline void edge_rows(const SessionRows& at, const uint8_t* valid, int n_threads, int64_t* first_row,
                      int64_t* last_row) {
    if (!valid && !at.n_copies) {  // the ends of its positions
        for (int64_t s = 0; s < at.n_sessions; ++s) {
            const int64_t from = at.begin[s], to = at.begin[s + 1] - 1;
            first_row[s] = at.row ? at.row[from] : from;
            last_row[s] = at.row ? at.row[to] : to;
        }
        return;
    }
    std::fill(first_row, first_row + at.n_sessions, -1);
    std::fill(last_row, last_row + at.n_sessions, -1);
    for_each_row(at, valid, n_threads, [=](int64_t s, int64_t r) {
        if (valid && !valid[r]) return;
        if (first_row[s] < 0) first_row[s] = r;
        last_row[s] = r;
    });
}

// IN value [n_rows]; OUT sum [n_sessions]. True where a sum of whole numbers does not fit.
inline bool sum_sessions(const SessionRows& at, const int64_t* value, int n_threads, int64_t* sum) {
    std::atomic<bool> overflows{false};
    std::fill(sum, sum + at.n_sessions, 0);
    for_each_row(at, value, n_threads, [&](int64_t s, int64_t r) {
        if (__builtin_add_overflow(sum[s], value[r], &sum[s])) overflows = true;
    });
    return overflows;
}
inline void sum_sessions(const SessionRows& at, const double* value, int n_threads, double* sum) {
    std::fill(sum, sum + at.n_sessions, 0.0);
    for_each_row(at, value, n_threads, [=](int64_t s, int64_t r) { sum[s] += value[r]; });
}
inline void any_true(const SessionRows& at, const uint8_t* value, int n_threads, uint8_t* any) {
    std::fill(any, any + at.n_sessions, 0);
    for_each_row(at, value, n_threads, [=](int64_t s, int64_t r) { any[s] |= value[r]; });
}

}  // namespace cxcore
