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
#include <type_traits>
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

// Calendar periods are about as long as each other: one guess and a step or two tell which one a tick is in.
class Calendar {
  public:
    Calendar(const int64_t* edge, int64_t n) : edge_(edge), n_(n) {
        if (n < 2) return;
        least_ = edge[0];
        edges_a_tick_ = static_cast<double>(n - 1) / (static_cast<double>(edge[n - 1]) - static_cast<double>(edge[0]));
    }
    // The last tick of the period in which t lies.
    int64_t last_tick(int64_t t) const {
        if (!n_) return INT64_MAX;
        const double guess = (static_cast<double>(t) - static_cast<double>(least_)) * edges_a_tick_;
        auto k = static_cast<int64_t>(std::clamp(guess, 0.0, static_cast<double>(n_ - 1)));
        while (k < n_ && edge_[k] <= t) ++k;
        while (k > 0 && edge_[k - 1] > t) --k;
        return k < n_ ? edge_[k] - 1 : INT64_MAX;
    }

  private:
    const int64_t* edge_;
    int64_t n_, least_ = 0;
    double edges_a_tick_ = 0.0;
};

// What the rules read by row; what is not read costs nothing.
template <bool gaps, bool marks, bool values, bool copies, bool stretches>
struct Reads {
    static constexpr bool gap_of_row = gaps, mark = marks, value = values, key = copies, stretch = stretches;
};

// What is carried from one event of a user to the next.
template <class Reads>
struct Walk {
    const Rules& rules;
    const Calendar& calendar_;
    const uint64_t gap_, max_duration_;
    const int64_t max_events_;
    bool is_first = true, ended = false;  // of the user; was the last event the end of its session?
    int64_t start = 0, last = 0, until = 0, events = 0, period_end = INT64_MAX;

    Walk(const Rules& rules_, const Calendar& calendar)
        : rules(rules_),
          calendar_(calendar),
          gap_(rules_.gap),
          max_duration_(rules_.max_duration),
          max_events_(rules_.max_events) {}

    bool is_silent(int64_t t) const {
        if constexpr (Reads::gap_of_row) return t > until;
        // heartbeats prolong nothing, and a stretch reaches behind its own tick
        return silence(last, t) > gap_ && (!Reads::stretch || t > last);
    }
    // The last tick at which an event is not too late for the open session.
    int64_t reach() const {
        if constexpr (Reads::gap_of_row) return until;
        return silence(last, INT64_MAX) > gap_ ? static_cast<int64_t>(static_cast<uint64_t>(last) + gap_)
                                               : INT64_MAX;
    }
    // Does a session start at this event, and why? Which event it is is noise to the processor, so that all
    // is asked of each, and one branch taken.
    bool starts_at(int64_t t, uint8_t mark, bool changed, Reason& why) const {
        const bool marked = Reads::mark && mark & starts;
        const bool was_ended = Reads::mark && ended;
        const bool is_next_period = t > period_end, is_late = is_silent(t);
        const bool is_long = silence(start, t) > max_duration_, is_full = events >= max_events_;
        if (!(is_first | marked | was_ended | changed | is_next_period | is_late | is_long | is_full))
            return false;
        why = is_first         ? first
              : marked         ? start_on
              : was_ended      ? end_on
              : changed        ? split_on
              : is_next_period ? calendar
              : is_late        ? Reason::gap
              : is_long        ? Reason::max_duration
                               : Reason::max_events;
        return true;
    }
    void open(int64_t t) {
        start = last = t, events = 0, until = INT64_MIN;
        period_end = calendar_.last_tick(t);
        is_first = false;
    }
    void join(int64_t t, int64_t row, uint8_t mark) {
        if (!Reads::mark || !(mark & idles) || events == 0) {
            if constexpr (Reads::stretch)
                last = std::max(last, rules.last_of_row[row]);
            else
                last = t;
            if constexpr (Reads::gap_of_row) {
                int64_t mine;
                if (__builtin_add_overflow(t, rules.gap_of_row[row], &mine)) mine = INT64_MAX;
                until = std::max(until, mine);
            }
        }
        if constexpr (Reads::mark) ended = mark & ends;
        events += Reads::stretch ? rules.events_of_row[row] : 1;
    }
};

// The values of a user that a change is told from, by column; -1: none yet.
class Values {
  public:
    explicit Values(const Rules& rules) : rules_(rules), value_(static_cast<size_t>(rules.n_values)) {}

    void clear() { std::fill(value_.begin(), value_.end(), -1); }
    // Has one of the columns changed? The codes are taken over in any case.
    bool change(int64_t row) {
        bool changed = false;
        const int32_t* at = rules_.value + row;
        for (int32_t& value : value_) {
            const int32_t now = *at, before = value;
            at += rules_.n_rows;
            const bool both = now >= 0 && before >= 0;
            const bool passes = now < 0 && rules_.split_null == carry;  // a null that says nothing
            changed |= now != before && !passes && (both || rules_.split_null != ignore);
            value = passes ? before : now;
        }
        return changed;
    }

  private:
    const Rules& rules_;
    Array<int32_t> value_;
};

// The events of one user that are no copies, by the keys of their rows.
class Originals {
  public:
    Originals(const Rules& rules, const int64_t* row) : rules_(rules), row_(row) {}

    // OUT copy_of of the positions [from, to): the position of the event that it repeats, or -1.
    void find_copies(int64_t from, int64_t to, int64_t* copy_of) {
        std::fill(copy_of + from, copy_of + to, -1);
        if (to - from < 2) return;
        const auto n_events = static_cast<size_t>(to - from);
        size_t size = 64;  // bits: 16 or more an event
        while (size < 16 * n_events) size *= 2;
        const size_t mask = size - 1;
        met_.assign(size / 64, Met{});
        if (hash_.size() < n_events) hash_.resize(n_events);
        for (int64_t p = from; p < to; ++p) {
            constexpr int64_t ahead = 16;
            if (row_ && p + ahead < to) __builtin_prefetch(&rules_.key[row_[p + ahead]]);
            const size_t h = hash(row_at(p));
            hash_[static_cast<size_t>(p - from)] = h;
            Met& met = met_[(h & mask) / 64];
            const uint64_t bit = uint64_t{1} << h % 64;
            met.twice |= met.once & bit;
            met.once |= bit;
        }
        // Few have company where they fell; only those can be copies, or have some.
        maybe_.resize(n_events);
        size_t n_maybe = 0;
        for (size_t k = 0; k < n_events; ++k) {
            maybe_[n_maybe] = static_cast<uint32_t>(k);
            n_maybe += met_[(hash_[k] & mask) / 64].twice >> hash_[k] % 64 & 1;
        }
        if (!n_maybe) return;
        size = 4;
        while (size < 2 * n_maybe) size *= 2;
        slots_.assign(size, -1);
        for (size_t k = 0; k < n_maybe; ++k) {
            const int64_t p = from + maybe_[k], r = row_at(p);
            if (rules_.mark && rules_.mark[r] & unlike) continue;
            copy_of[p] = take(p, r, hash_[maybe_[k]] >> 32);
        }
    }

  private:
    int64_t row_at(int64_t position) const { return row_ ? row_[position] : position; }
    // The position of the event that this one repeats, or -1: then it is one of them.
    int64_t take(int64_t position, int64_t r, size_t hash) {
        for (size_t at = hash;; ++at) {
            int64_t& known = slots_[at & (slots_.size() - 1)];
            if (known < 0) return known = position, -1;
            if (same(row_at(known), r)) return known;
        }
    }
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

    struct Met {  // a bit for each hash of 64: has it been met? and again?
        uint64_t once = 0, twice = 0;
    };

    const Rules& rules_;
    const int64_t* row_;
    Array<Met> met_;
    Array<size_t> hash_;
    Array<uint32_t> maybe_;  // events of the user, counted from its first
    Array<int64_t> slots_;   // positions
};

// One entry a session of whole users.
struct Session {
    int64_t begin, end, events, until;
    Reason reason;
};

// The sessions of the users [user_from, user_to), and how many each has, at its place in `n_sessions`.
template <class Reads>
void walk_users(const int64_t* offset, const int64_t* row, const int64_t* tick, const Rules& rule,
                const Calendar& calendar, int64_t user_from, int64_t user_to, int64_t n_positions,
                int64_t* copy_of, Array<Session>& found, int64_t* n_sessions) {
    Originals originals(rule, row);
    Values values(rule);
    for (int64_t u = user_from; u < user_to; ++u) {
        const bool is_own = u == rule.own;
        if constexpr (Reads::key) {
            // rows without a user are no one's, and so no copies of each other
            if (is_own)
                std::fill(copy_of + offset[u], copy_of + offset[u + 1], -1);
            else
                originals.find_copies(offset[u], offset[u + 1], copy_of);
        }
        if constexpr (Reads::value) values.clear();
        Walk<Reads> walk(rule, calendar);
        const size_t before = found.size();
        for (int64_t p = offset[u]; p < offset[u + 1]; ++p) {
            constexpr int64_t ahead = 16;
            if (row && p + ahead < n_positions) {
                if constexpr (Reads::mark) __builtin_prefetch(&rule.mark[row[p + ahead]]);
                if constexpr (Reads::value) __builtin_prefetch(&rule.value[row[p + ahead]]);
                if constexpr (Reads::gap_of_row) __builtin_prefetch(&rule.gap_of_row[row[p + ahead]]);
            }
            if constexpr (Reads::key)
                if (copy_of[p] >= 0) continue;
            const int64_t r = row ? row[p] : p, t = tick[p];
            const uint8_t mark = Reads::mark ? rule.mark[r] : 0;
            const bool changed = Reads::value && values.change(r);
            Reason why = first;
            if (is_own || walk.starts_at(t, mark, changed, why)) {
                if (!walk.is_first)
                    found.back().end = walk.last, found.back().events = walk.events,
                    found.back().until = walk.reach();
                found.push_back({p, 0, 0, 0, why});
                walk.open(t);
            }
            walk.join(t, r, mark);
        }
        if (!walk.is_first)
            found.back().end = walk.last, found.back().events = walk.events,
            found.back().until = walk.reach();
        n_sessions[u] = static_cast<int64_t>(found.size() - before);
    }
}

// Calls use(true or false, as a type) for what is known only now.
template <class Use>
void as_type(bool is, Use&& use) {
    if (is)
        use(std::true_type{});
    else
        use(std::false_type{});
}

// Calls use(Reads) for the rules that are there.
template <class Use>
void with_reads(const Rules& rule, bool copies, Use&& use) {
    as_type(rule.gap_of_row, [&](auto gaps) {
        as_type(rule.mark, [&](auto marks) {
            as_type(rule.value, [&](auto values) {
                as_type(copies, [&](auto keys) {
                    as_type(rule.last_of_row, [&](auto stretches) {
                        use(Reads<gaps.value, marks.value, values.value, keys.value, stretches.value>{});
                    });
                });
            });
        });
    });
}

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
    std::vector<Array<Session>> parts(static_cast<size_t>(n_pieces));
    const Calendar calendar(rule.edge, rule.n_edges);
    RuledSessions found;
    found.offset.resize(static_cast<size_t>(n_users) + 1);
    found.offset[0] = 0;
    const int64_t n_positions = offset[n_users];
    with_reads(rule, copy_of, [&](auto reads) {
        for_each_piece(n_pieces, n_threads, [&](int64_t piece) {
            walk_users<decltype(reads)>(offset, row, tick, rule, calendar, cuts[static_cast<size_t>(piece)],
                                        cuts[static_cast<size_t>(piece) + 1], n_positions, copy_of,
                                        parts[static_cast<size_t>(piece)], found.offset.data() + 1);
        });
    });
    size_t n = 0;
    for (size_t u = 0; u < static_cast<size_t>(n_users); ++u) found.offset[u + 1] += found.offset[u];
    for (const auto& part : parts) n += part.size();
    found.begin.resize(n + 1), found.end.resize(n), found.events.resize(n), found.until.resize(n);
    found.reason.resize(n);
    size_t at = 0;
    for (const auto& part : parts)
        for (const Session& session : part) {
            found.begin[at] = session.begin, found.end[at] = session.end;
            found.events[at] = session.events, found.until[at] = session.until;
            found.reason[at++] = session.reason;
        }
    found.begin[n] = n_positions;
    return found;
}

// Copies have the session of their original. IN row int64[] or null, copy_of int64[n] by position
// INOUT label int32[n_rows]
inline void label_copies(const int64_t* row, const int64_t* copy_of, int64_t n, int32_t* label) {
    for (int64_t p = 0; p < n; ++p)
        if (copy_of[p] >= 0) label[row ? row[p] : p] = label[row ? row[copy_of[p]] : copy_of[p]];
}

// The same where the log is its own index, and rows have their names already. INOUT row_id, row_number
// int64[n]
inline void name_copies(const int64_t* copy_of, int64_t n, int64_t* row_id, int64_t* row_number) {
    for (int64_t r = 0; r < n; ++r)
        if (copy_of[r] >= 0) row_id[r] = row_id[copy_of[r]], row_number[r] = row_number[copy_of[r]];
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
