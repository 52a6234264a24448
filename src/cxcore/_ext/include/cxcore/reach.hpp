// Rows of a log that the window of some conversion can reach, copied one behind the other: what is left out
// needs no sorting. Which rows these are is noise to the processor, so that they are chosen without a branch;
// and they lie apart, so that what comes later is asked for.
#pragma once

#include <algorithm>
#include <cstdint>

#include "arrow.hpp"
#include "memory.hpp"
#include "said.hpp"

namespace cxcore {

// What is read of a log, by row.
struct LogRows {
    const int32_t* code;  // user, -1: left out
    const int64_t* tick;
    const int32_t* what;  // channel * 2 + converted, channel -1 is no touch
    int64_t n;
};

struct ReachedRows {
    Array<int32_t> code;
    Array<int64_t> tick;
    Array<int32_t> what;
    Array<int32_t> row;    // of the log; rows are below 2^31
    Array<int64_t> count;  // [n_users] rows of each user
};

struct Reach {  // of all windows of a user
    int64_t first = INT64_MAX, last = INT64_MIN, rows = 0;
};

// From `lookback` before the first conversion of each user to the last one; flagged rows convert.
inline Array<Reach> reach_of_users(const LogRows& log, const Chunk& flag, int64_t n_users, bool limited,
                                   uint64_t lookback) {
    Array<Reach> of_user(static_cast<size_t>(n_users));
    for_each_flagged(
        flag,
        [&](int64_t row) {
            for (int64_t i = row; i < row + 64; i += 16) __builtin_prefetch(log.code + i);
            for (int64_t i = row; i < row + 64; i += 8) __builtin_prefetch(log.tick + i);
        },
        [&](int64_t row) {
            if (log.code[row] < 0) return;
            Reach& mine = of_user[static_cast<size_t>(log.code[row])];
            mine.first = std::min(mine.first, log.tick[row]);
            mine.last = std::max(mine.last, log.tick[row]);
        });
    for (Reach& mine : of_user) {  // the first tick that is near enough
        if (mine.last < mine.first) continue;
        const uint64_t before = static_cast<uint64_t>(mine.first) - static_cast<uint64_t>(INT64_MIN);
        const uint64_t nearest = static_cast<uint64_t>(mine.first) - (lookback - 1);
        mine.first = !limited || before < lookback ? INT64_MIN : static_cast<int64_t>(nearest);
    }
    return of_user;
}

// Copies the touches and conversions that lie in the reach of their user, whose rows are counted; gives how
// many there are. The outputs have room for all rows.
inline int64_t copy_reached(const LogRows& log, Reach* of_user, int32_t* code, int64_t* tick, int32_t* what,
                            int32_t* row) {
    constexpr int64_t block = 256, ahead = 2 * block;
    int64_t chosen[block], m = 0;
    for (int64_t from = 0; from < log.n; from += block) {
        int64_t many = 0;
        for (int64_t i = from; i < std::min(log.n, from + block); ++i) {
            chosen[many] = i;
            many += log.code[i] >= 0;
        }
        for (int64_t k = 0; k < many; ++k) {
            const int64_t i = chosen[k], later = std::min(i + ahead, log.n);
            __builtin_prefetch(&of_user[log.code[i]], 1);
            __builtin_prefetch(log.tick + later);
            __builtin_prefetch(log.what + later);
            __builtin_prefetch(log.code + std::min(later + block, log.n));
        }
        for (int64_t k = 0; k < many; ++k) {
            const int64_t i = chosen[k], now = log.tick[i];
            const int32_t user = log.code[i], says = log.what[i];
            Reach& mine = of_user[user];
            const bool is_near = (now <= mine.last) & (now >= mine.first) & (says != -2);
            code[m] = user;
            tick[m] = now;
            what[m] = says;
            row[m] = static_cast<int32_t>(i);
            mine.rows += is_near;
            m += is_near;
        }
    }
    return m;
}

// The flag is in one chunk; lookback 0 is no limit.
inline ReachedRows within_reach(const LogRows& log, const Column& flag, uint64_t lookback, int64_t n_users) {
    ReachedRows out;
    out.count.assign(static_cast<size_t>(n_users), 0);
    if (!log.n) return out;
    Array<Reach> of_user = reach_of_users(log, flag.chunk(0), n_users, lookback > 0, lookback);
    const auto room = static_cast<size_t>(log.n);
    out.code.resize(room), out.tick.resize(room), out.what.resize(room), out.row.resize(room);
    const auto m = static_cast<size_t>(
        copy_reached(log, of_user.data(), out.code.data(), out.tick.data(), out.what.data(), out.row.data()));
    out.code.resize(m), out.tick.resize(m), out.what.resize(m), out.row.resize(m);
    for (size_t u = 0; u < of_user.size(); ++u) out.count[u] = of_user[u].rows;
    return out;
}

}  // namespace cxcore
