// Sessions on the event index by all rules at once: one walk over each user's events in order, with what is
// known of the open session in registers. Where several rules hold, the one that stands first in `Reason` is
// given. Rules of rows come by row and may be absent (null); calendar days come as the ticks at which they
// begin. A row may stand for a stretch of a session: several events, of which the last may lie later.
// Measures of a session (sums, first and last values) walk its positions in their order. Semantics:
// docs/explanation/session-rules.md; stretches: docs/adr/0007.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <vector>

#include "memory.hpp"
#include "sessions.hpp"
#include "threads.hpp"

namespace cxcore {

enum Reason : uint8_t { first, start_on, end_on, split_on, calendar, gap, max_duration, max_events };
enum Mark : uint8_t { starts = 1, ends = 2, idles = 4, unlike = 8 };
enum SplitNull : int32_t { carry, breaks, ignore };

struct Rules {
    uint64_t gap;               // ticks; a longer silence splits
    int32_t own;                // user whose every event is a session, or -1
    const int64_t* gap_of_row;  // or null: how long an event keeps its session open, at least -1
    uint64_t max_duration;      // ticks from the start; an event after it splits
    int64_t max_events;
    const int64_t* edge;  // [n_edges] first ticks of calendar periods, rising
    int64_t n_edges;
    const uint8_t* mark;   // or null: Mark bits of the row
    const int32_t* value;  // [n_values][n_rows] or null: codes whose change splits, -1 where null
    int64_t n_values, n_rows;
    int32_t split_null;
    const int64_t*
        key;         // [n_keys][n_rows] or null: rows of a user that agree in all are copies of one event,
    int64_t n_keys;  // but for those whose mark says `unlike`
    const int64_t* last_of_row;    // or null: the last tick of what the row stands for
    const int64_t* events_of_row;  // or null: how many events the row stands for
};

struct RuledSessions {
    Array<int64_t> offset, begin;  // as in Begins
    Array<int64_t> end, events;    // [n_sessions] last tick that kept it open; events without copies
    Array<int64_t> until;          // [n_sessions] last tick at which silence has not ended it
    Array<uint8_t> reason;         // [n_sessions]
};

namespace rules {

// What is carried from one event of a user to the next.
struct Walk {
    const Rules& rules;
    int64_t n = 0;  // events of the user so far
    int64_t start = 0, last = 0, until = 0, events = 0;
    const int64_t* edge = nullptr;  // the next one after the start
    bool ended = false;
    Array<int32_t> value;  // by column: the code that a change is told from, -1: none yet

    explicit Walk(const Rules& rules_) : rules(rules_), value(static_cast<size_t>(rules_.n_values), -1) {}

    // Has one of the columns changed? The codes are taken over in any case.
    bool changes(int64_t row) {
        bool changed = false;
        for (size_t c = 0; c < value.size(); ++c) {
            const int32_t now = rules.value[static_cast<int64_t>(c) * rules.n_rows + row];
            const int32_t before = value[c];
            if (now < 0 && rules.split_null == carry) continue;
            const bool both = now >= 0 && before >= 0;
            changed |= now != before && (both || rules.split_null != ignore) && n > 0;
            value[c] = now;
        }
        return changed;
    }
    bool is_silent(int64_t t) const {
        if (rules.gap_of_row) return t > until;
        return t > last && silence(last, t) > rules.gap;  // a stretch reaches behind its own tick
    }
    // The last tick at which an event is not too late for the open session.
    int64_t reach() const {
        if (rules.gap_of_row) return until;
        return silence(last, INT64_MAX) > rules.gap
                   ? static_cast<int64_t>(static_cast<uint64_t>(last) + rules.gap)
                   : INT64_MAX;
    }
    // Why a session starts at this event; max_events + 1 where none does.
    int reason(int64_t t, uint8_t mark, bool changed) const {
        if (n == 0) return first;
        if (mark & starts) return start_on;
        if (ended) return end_on;
        if (changed) return split_on;
        if (edge != rules.edge + rules.n_edges && t >= *edge) return calendar;
        if (is_silent(t)) return gap;
        if (silence(start, t) > rules.max_duration) return max_duration;
        if (events >= rules.max_events) return max_events;
        return max_events + 1;
    }
    void open(int64_t t) {
        start = last = t, events = 0, until = INT64_MIN;
        edge = std::upper_bound(rules.edge, rules.edge + rules.n_edges, t);
    }
    void join(int64_t t, int64_t row, uint8_t mark) {
        if (!(mark & idles) || events == 0) {
            last = std::max(last, rules.last_of_row ? rules.last_of_row[row] : t);
            if (rules.gap_of_row) {
                int64_t mine;
                if (__builtin_add_overflow(t, rules.gap_of_row[row], &mine)) mine = INT64_MAX;
                until = std::max(until, mine);
            }
        }
        ended = mark & ends;
        events += rules.events_of_row ? rules.events_of_row[row] : 1;
        ++n;
    }
};

// The events of one user that are no copies: a table of positions by the keys of their rows.
class Originals {
  public:
    Originals(const Rules& rules, const int64_t* row) : rules_(rules), row_(row) {}

    void clear(int64_t n_events) {
        size_t size = 4;
        while (size < 2 * static_cast<size_t>(n_events)) size *= 2;
        slots_.assign(size, -1);
    }
    // The position of the event that this one repeats, or -1: then it is one of them.
    int64_t take(int64_t position) {
        const int64_t r = row_ ? row_[position] : position;
        for (size_t at = hash(r);; ++at) {
            int64_t& known = slots_[at & (slots_.size() - 1)];
            if (known < 0) return known = position, -1;
            if (same(row_ ? row_[known] : known, r)) return known;
        }
    }

  private:
    size_t hash(int64_t r) const {
        uint64_t h = hash_seed.start;
        for (int64_t k = 0; k < rules_.n_keys; ++k)
            h = fold(h ^ static_cast<uint64_t>(rules_.key[k * rules_.n_rows + r]), hash_seed.right);
        return static_cast<size_t>(h);
    }
    bool same(int64_t a, int64_t b) const {
        for (int64_t k = 0; k < rules_.n_keys; ++k)
            if (rules_.key[k * rules_.n_rows + a] != rules_.key[k * rules_.n_rows + b]) return false;
        return true;
    }

    const Rules& rules_;
    const int64_t* row_;
    Array<int64_t> slots_;
};

struct Part {
    Array<int64_t> begin, end, events, until;
    Array<uint8_t> reason;

    void close(const Walk& walk) {
        end.push_back(walk.last), events.push_back(walk.events), until.push_back(walk.reach());
    }
};

}  // namespace rules

// IN  offset int64[n_users + 1], row int64[] or null (positions are rows), tick int64[] by position
// OUT copy_of int64[] by position: position of the event that this one is a copy of, else -1 (null: no
// copies)
inline RuledSessions find_ruled_sessions(const int64_t* offset, const int64_t* row, const int64_t* tick,
                                         int64_t n_users, const Rules& rule, int n_threads,
                                         int64_t* copy_of) {
    using namespace rules;
    const auto cuts = cut_users(offset, n_users);
    const auto n_pieces = static_cast<int64_t>(cuts.size()) - 1;
    std::vector<Part> parts(static_cast<size_t>(n_pieces));
    RuledSessions found;
    found.offset.resize(static_cast<size_t>(n_users) + 1);
    found.offset[0] = 0;
    const int64_t n_positions = offset[n_users];
    for_each_piece(n_pieces, n_threads, [&](int64_t piece) {
        Part& part = parts[static_cast<size_t>(piece)];
        Originals originals(rule, row);
        for (int64_t u = cuts[static_cast<size_t>(piece)]; u < cuts[static_cast<size_t>(piece) + 1]; ++u) {
            Walk walk(rule);
            if (copy_of && u != rule.own) originals.clear(offset[u + 1] - offset[u]);
            const size_t before = part.begin.size();
            for (int64_t p = offset[u]; p < offset[u + 1]; ++p) {
                constexpr int64_t ahead = 16;
                if (row && p + ahead < n_positions) {
                    if (rule.mark) __builtin_prefetch(&rule.mark[row[p + ahead]]);
                    if (rule.value) __builtin_prefetch(&rule.value[row[p + ahead]]);
                    if (rule.key) __builtin_prefetch(&rule.key[row[p + ahead]]);
                    if (rule.gap_of_row) __builtin_prefetch(&rule.gap_of_row[row[p + ahead]]);
                }
                const int64_t r = row ? row[p] : p, t = tick[p];
                const uint8_t mark = rule.mark ? rule.mark[r] : 0;
                if (copy_of) {
                    // rows without a user are no one's, and so no copies of each other
                    copy_of[p] = u == rule.own || mark & unlike ? -1 : originals.take(p);
                    if (copy_of[p] >= 0) continue;
                }
                const bool changed = rule.value && walk.changes(r);
                const int why = u == rule.own ? first : walk.reason(t, mark, changed);
                if (why <= max_events) {
                    if (walk.n) part.close(walk);
                    part.begin.push_back(p), part.reason.push_back(static_cast<uint8_t>(why));
                    walk.open(t);
                }
                walk.join(t, r, mark);
            }
            if (walk.n) part.close(walk);
            found.offset[static_cast<size_t>(u) + 1] = static_cast<int64_t>(part.begin.size() - before);
        }
    });
    for (size_t u = 0; u < static_cast<size_t>(n_users); ++u) found.offset[u + 1] += found.offset[u];
    const auto join = [&](auto member, auto& all) {
        size_t n = 0;
        for (const Part& part : parts) n += (part.*member).size();
        all.reserve(n + 1);
        for (const Part& part : parts) all.insert(all.end(), (part.*member).begin(), (part.*member).end());
    };
    join(&Part::begin, found.begin);
    found.begin.push_back(n_positions);
    join(&Part::end, found.end);
    join(&Part::events, found.events);
    join(&Part::until, found.until);
    join(&Part::reason, found.reason);
    return found;
}

// Copies have the session of their original. IN row int64[] or null, copy_of int64[n] by position
// INOUT label int32[n_rows]
inline void label_copies(const int64_t* row, const int64_t* copy_of, int64_t n, int32_t* label) {
    for (int64_t p = 0; p < n; ++p)
        if (copy_of[p] >= 0) label[row ? row[p] : p] = label[row ? row[copy_of[p]] : copy_of[p]];
}

// ------------------------------------------------------------------ measures

// The positions of sessions, and which row lies there; copies do not count.
struct SessionRows {
    const int64_t* begin;  // [n_sessions + 1]
    int64_t n_sessions;
    const int64_t* row;      // or null
    const int64_t* copy_of;  // or null
};

// Calls take(session, row) for the rows of each session in their order; `value` is what it reads by row.
template <class Value, class Take>
void for_each_row(const SessionRows& at, const Value* value, int n_threads, Take&& take) {
    const int64_t n = at.begin[at.n_sessions];
    for_each_block(at.n_sessions, 1 << 12, n_threads, [&](int64_t from, int64_t to) {
        for (int64_t s = from; s < to; ++s)
            for (int64_t p = at.begin[s]; p < at.begin[s + 1]; ++p) {
                constexpr int64_t ahead = 24;
                if (at.row && value && p + ahead < n) __builtin_prefetch(&value[at.row[p + ahead]]);
                if (!at.copy_of || at.copy_of[p] < 0) take(s, at.row ? at.row[p] : p);
            }
    });
}

// IN valid uint8[n_rows] or null; OUT first, last int64[n_sessions]: rows that have a value, -1 where none
// has
inline void edge_rows(const SessionRows& at, const uint8_t* valid, int n_threads, int64_t* first_row,
                      int64_t* last_row) {
    if (!valid && !at.copy_of) {  // the ends of its positions
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
