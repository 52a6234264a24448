// A step of a stream where silence alone ends sessions: what is open and the stretches of a batch (the
// sessions that it has by itself) are two lists in order of time for each user, and are joined as such lists
// are merged. What comes out has ids and numbers, and lies as a stream keeps it (sessions/kept.py): what
// closes first, then what stays open. Stretches that touch a closed session are not for this way: some of
// their rows may be late, so the caller looks at rows. Semantics: docs/explanation/streams.md; ADR 0028.
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include "memory.hpp"
#include "sessions.hpp"

namespace cxcore {

// Sessions of users, who are places in the step: user int32[n]; start, end, events int64[n].
struct Stretches {
    const int32_t* user;
    const int64_t *start, *end, *events;
    int64_t n;
};

// The lines of what a stream keeps of a session, in the order of sessions/kept.py.
enum class Fact { start, end, events, gap, mark, reach, id, number, same, values, count };

// Facts of n sessions, line by line: int64[Fact::count][n].
struct Facts {
    int64_t* at;
    int64_t n;
    int64_t& operator()(Fact fact, int64_t i) const { return at[static_cast<int64_t>(fact) * n + i]; }
};

// The same, session by session, as the table of users has them: int64[n][Fact::count].
struct Records {
    int64_t* at;
    int64_t n;
    int64_t& operator()(Fact fact, int64_t i) const {
        return at[i * static_cast<int64_t>(Fact::count) + static_cast<int64_t>(fact)];
    }
};

struct JoinRule {
    uint64_t gap;           // ticks; a longer silence splits
    int64_t late_before;    // what a batch brings is late if its session ends, with the gap, before this tick
    int64_t closes_before;  // any session closes if it ends, with the gap, before this tick
    bool closes_all;        // or in any case
    int64_t tick_length;    // nanoseconds

    bool closes(int64_t reach) const { return closes_all || reach < closes_before; }
};

struct JoinCounts {
    int64_t closed, all;  // sessions; -1 where a stretch may be late
};

// Of the last closed session of each user there is a record; its number is 0 where there is none.
class Joint {
  public:
    Joint(Stretches open, Stretches batch, Records records, JoinRule rule)
        : open_(open),
          batch_(batch),
          records_(records),
          rule_(rule),
          offset_(static_cast<size_t>(records.n) + 1) {
        const auto most = static_cast<size_t>(open.n + batch.n);
        for (auto* line : {&start_, &end_, &events_, &reach_}) line->resize(most);
    }

    // Users in order, then time. OUT session_of_open int64[n_open]. False where a stretch may be late.
    bool join(int64_t* session_of_open) {
        Array<int64_t> by_time(static_cast<size_t>(open_.n));
        std::iota(by_time.begin(), by_time.end(), 0);
        std::sort(by_time.begin(), by_time.end(), [&](int64_t a, int64_t b) {
            return std::pair(open_.user[a], open_.start[a]) < std::pair(open_.user[b], open_.start[b]);
        });
        const int64_t *row = by_time.data(), *const rows_end = row + open_.n;
        int64_t next = 0;
        offset_[0] = 0;
        for (int32_t u = 0; u < records_.n; ++u) {
            const size_t before = n_;
            const bool has_closed = records_(Fact::number, u) > 0;
            bool is_new = false;  // does a stretch of the batch lie in the session?
            for (;;) {
                const bool more_open = row < rows_end && open_.user[*row] == u;
                const bool more_new = next < batch_.n && batch_.user[next] == u;
                if (more_open && (!more_new || open_.start[*row] <= batch_.start[next])) {
                    if (!take(open_, *row, before, is_new)) return false;
                    session_of_open[*row++] = static_cast<int64_t>(n_) - 1;
                } else if (more_new) {
                    if (has_closed && batch_.start[next] <= records_(Fact::reach, u)) return false;
                    if (!take(batch_, next++, before, is_new)) return false;
                    is_new = true;
                } else {
                    break;
                }
            }
            if (is_late(before, is_new)) return false;
            offset_[static_cast<size_t>(u) + 1] = static_cast<int64_t>(n_);
        }
        return true;
    }

    // IN key_offset int64[n_users + 1] into key; m = n_open + n_batch
    // OUT user int32[m], session int64[Fact::count][m]; records and session_of_open are put right
    JoinCounts put(const int64_t* key_offset, const uint8_t* key, int n_threads, int32_t* user, Facts session,
                   int64_t* session_of_open) const {
        Array<int64_t> name(2 * n_), same(n_), place(n_), before = known_before();
        Array<int32_t> of_user(n_);
        session_ids(offset_.data(), records_.n, start_.data(), rule_.tick_length, key_offset, key, -1,
                    n_threads, before.data(), name.data(), of_user.data(), same.data());
        int64_t n_closed = 0;
        for (size_t s = 0; s < n_; ++s) n_closed += rule_.closes(reach_[s]);
        int64_t next[2] = {n_closed, 0};
        for (size_t s = 0; s < n_; ++s) {
            const bool closes = rule_.closes(reach_[s]);
            const int64_t to = place[s] = next[closes]++;
            const auto set = [&](const auto& facts, int64_t at) {
                facts(Fact::start, at) = start_[s], facts(Fact::end, at) = end_[s];
                facts(Fact::events, at) = events_[s], facts(Fact::reach, at) = reach_[s];
                facts(Fact::id, at) = name[2 * s], facts(Fact::number, at) = name[2 * s + 1];
                facts(Fact::same, at) = same[s];
            };
            set(session, to);
            for (const Fact none : {Fact::gap, Fact::mark, Fact::values}) session(none, to) = 0;
            user[to] = of_user[s];
            const bool is_last = s + 1 == n_ || of_user[s + 1] != of_user[s];
            if (closes && (is_last || !rule_.closes(reach_[s + 1]))) set(records_, of_user[s]);
        }
        for (int64_t row = 0; row < open_.n; ++row)
            session_of_open[row] = place[static_cast<size_t>(session_of_open[row])];
        return {n_closed, static_cast<int64_t>(n_)};
    }

  private:
    // The sessions of a user begin at `before`. False where the one that ends here is late.
    bool take(const Stretches& from, int64_t at, size_t before, bool& is_new) {
        if (n_ > before && from.start[at] <= reach_[n_ - 1]) {
            end_[n_ - 1] = std::max(end_[n_ - 1], from.end[at]);
            events_[n_ - 1] += from.events[at];
        } else {
            if (is_late(before, is_new)) return false;
            is_new = false;
            start_[n_] = from.start[at], end_[n_] = from.end[at], events_[n_] = from.events[at];
            ++n_;
        }
        reach_[n_ - 1] = later_by(end_[n_ - 1], rule_.gap);
        return true;
    }
    bool is_late(size_t before, bool is_new) const {
        return is_new && n_ > before && reach_[n_ - 1] < rule_.late_before;
    }
    // As `session_ids` takes it.
    Array<int64_t> known_before() const {
        const auto n = static_cast<size_t>(records_.n);
        Array<int64_t> before(3 * n);
        for (size_t u = 0; u < n; ++u) {
            const auto at = static_cast<int64_t>(u);
            before[u] = records_(Fact::number, at);
            before[n + u] = records_(Fact::start, at);
            before[2 * n + u] = before[u] > 0 ? records_(Fact::same, at) : -1;
        }
        return before;
    }

    Stretches open_, batch_;
    Records records_;
    JoinRule rule_;
    Array<int64_t> start_, end_, events_, reach_, offset_;
    size_t n_ = 0;  // sessions so far
};

inline JoinCounts join_stretches(Stretches open, Stretches batch, JoinRule rule, const int64_t* key_offset,
                                 const uint8_t* key, int n_threads, Records records, int32_t* user,
                                 Facts session, int64_t* session_of_open) {
    Joint joint(open, batch, records, rule);
    if (!joint.join(session_of_open)) return {-1, -1};
    return joint.put(key_offset, key, n_threads, user, session, session_of_open);
}

}  // namespace cxcore
