// Rows of a log that the window of some conversion can reach, copied one behind the other: what is left out
// needs no sorting. Rows are looked up, read and copied block by block, so that nothing is written of the
// others. Which rows these are is noise to the processor, so that they are chosen without a branch; and they
// lie apart, so that what comes later is asked for.
#pragma once

#include <algorithm>
#include <cstdint>

#include "among.hpp"
#include "arrow.hpp"
#include "memory.hpp"
#include "said.hpp"

namespace cxcore {

// A log of n rows, each column in one chunk.
struct LogColumns {
    const Column& user;
    const Column& flag;    // who converted
    const Column& number;  // of the channel
    const int32_t* known;  // codes of the channels by number, as `channels_of` gave them
    const int64_t* tick;
};

struct ReachedRows {
    Array<int32_t> code;
    Array<int64_t> tick;
    Array<int32_t> what;   // channel * 2 + converted, channel -1 is no touch
    Array<int32_t> row;    // of the log; rows are below 2^31
    Array<int64_t> count;  // [n_users] rows of each user
};

// Its steps stay calls: inside the look-up they would be compiled once for each kind of key.
class ReachOfUsers {
  public:
    ReachOfUsers(const LogColumns& log, uint64_t lookback) : log_(log), lookback_(lookback) {}

    // From `lookback` before the first conversion of each user to the last one; 0 is no limit.
    __attribute__((noinline)) void learn(const Among& some) {
        constexpr size_t soon = 32;
        of_user_.resize(static_cast<size_t>(some.n_keys));
        out_.count.assign(of_user_.size(), 0);
        for (size_t k = 0; k < some.rows.size(); ++k) {
            if (k + soon < some.rows.size()) __builtin_prefetch(log_.tick + some.rows[k + soon]);
            if (some.code[k] < 0) continue;
            Reach& mine = of_user_[static_cast<size_t>(some.code[k])];
            const int64_t now = log_.tick[some.rows[k]];
            mine.first = std::min(mine.first, now);
            mine.last = std::max(mine.last, now);
        }
        for (Reach& mine : of_user_) {  // the first tick that is near enough
            const uint64_t before = static_cast<uint64_t>(mine.first) - static_cast<uint64_t>(INT64_MIN);
            const uint64_t nearest = static_cast<uint64_t>(mine.first) - (lookback_ - 1);
            const bool all = !lookback_ || before < lookback_;
            mine.first = all ? INT64_MIN : static_cast<int64_t>(nearest);
        }
        const auto room = static_cast<size_t>(log_.user.size());  // pages that nothing is written to are free
        out_.code.resize(room), out_.tick.resize(room), out_.what.resize(room), out_.row.resize(room);
    }

    // Copies the touches and conversions of a block that lie in the reach of their user.
    __attribute__((noinline)) void take(int64_t from, int64_t size, const int32_t* code) {
        constexpr int64_t ahead = 4 * among_block;
        const Chunk number = log_.number.chunk(0);
        const Chunk::Place place = number.place();
        const int64_t n = log_.user.size();
        int32_t chosen[among_block];
        int64_t many = 0;
        for (int64_t i = 0; i < size; ++i) {
            chosen[many] = static_cast<int32_t>(i);
            many += code[i] >= 0;
        }
        for (int64_t i = 0; i < among_block; i += 8) {
            __builtin_prefetch(log_.tick + std::min(from + ahead + i, n));
            __builtin_prefetch(place(std::min(from + ahead + i, n)));
        }
        for (int64_t k = 0; k < many; ++k) __builtin_prefetch(&of_user_[at(code[chosen[k]])]);
        int64_t near = 0;
        for (int64_t k = 0; k < many; ++k) {
            const int64_t now = log_.tick[from + chosen[k]];
            const Reach mine = of_user_[at(code[chosen[k]])];
            chosen[near] = chosen[k];
            near += (now <= mine.last) & (now >= mine.first);
        }
        const Flags converted(log_.flag.chunk(0));
        number.with_numbers(from, [&](auto read) {
            for (int64_t k = 0; k < near; ++k) {
                const int64_t i = chosen[k], row = from + i;
                const uint64_t valid = !number.is_null(row);  // behind a null lies anything
                const uint64_t channel = static_cast<uint64_t>(read(i) + 1) & -valid;
                const int32_t what = log_.known[channel] | static_cast<int32_t>(converted[row]);
                out_.code[at(m_)] = code[i];
                out_.tick[at(m_)] = log_.tick[row];
                out_.what[at(m_)] = what;
                out_.row[at(m_)] = static_cast<int32_t>(row);
                out_.count[at(code[i])] += what != says_nothing;
                m_ += what != says_nothing;
            }
        });
    }

    ReachedRows done() {
        out_.code.resize(at(m_)), out_.tick.resize(at(m_)), out_.what.resize(at(m_)), out_.row.resize(at(m_));
        return std::move(out_);
    }

  private:
    struct Reach {  // of all windows of a user
        int64_t first = INT64_MAX, last = INT64_MIN;
    };
    static size_t at(int64_t i) { return static_cast<size_t>(i); }

    const LogColumns& log_;
    uint64_t lookback_;
    Array<Reach> of_user_;
    ReachedRows out_;
    int64_t m_ = 0;
};

// Users are coded in the order of their first conversions in the log.
inline ReachedRows reached_rows(const LogColumns& log, uint64_t lookback, int n_threads) {
    if (!log.user.size()) return {};
    Among some = rows_of(log.flag.chunk(0));
    ReachOfUsers reach(log, lookback);
    for_codes_among(
        log.user, some, n_threads, [&] { reach.learn(some); },
        [&](int64_t from, int64_t size, const int32_t* code) { reach.take(from, size, code); });
    return reach.done();
}

}  // namespace cxcore
