// Sessions on the event index by all rules at once: one walk over each user's events in order, with what is
// known of the open session in registers. Where several rules hold, the one that stands first in `Reason` is
// given. Rules of rows come by row and may be absent (null); calendar days come as the ticks at which they
// begin. A row may stand for a stretch of a session: several events, of which the last may lie later.
// The walk is compiled for each set of what is read by row. Copies: copies.hpp; measures: measures.hpp.
// Semantics: docs/explanation/session-rules.md; stretches: docs/adr/0007.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "copies.hpp"
#include "memory.hpp"
#include "sessions.hpp"
#include "threads.hpp"

namespace cxcore {

enum Reason : uint8_t { first, start_on, end_on, split_on, calendar, gap, max_duration, max_events };
enum Mark : uint8_t { starts = 1, ends = 2, idles = 4, unlike = Unique::null };
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
    Array<int64_t> start, end;     // [n_sessions] first tick, and the last that kept it open
    Array<int64_t> events;         // [n_sessions] without copies
    Array<int64_t> until;          // [n_sessions] last tick at which silence has not ended it
    Array<uint8_t> reason;         // [n_sessions]
    Array<int64_t> copy;           // [n_copies][2], as Copy
};

namespace rules {

// Calendar periods are about as long as each other: one guess and a step or two tell which one a tick is in.
class Calendar {
  public:
    Calendar(const int64_t* edge, int64_t n) : edge_(edge), n_(n) {
        if (n < 2) return;
        least_ = edge[0];
        edges_a_tick_ =
            static_cast<double>(n - 1) / (static_cast<double>(edge[n - 1]) - static_cast<double>(edge[0]));
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

// What the rules read by row; what is not read costs nothing. `idle`: some of the marks say that they idle.
template <bool gaps, bool marks, bool idles, bool values, bool stretches>
struct Reads {
    static constexpr bool gap_of_row = gaps, mark = marks, idle = idles, value = values, stretch = stretches;
};

struct Session {
    int64_t begin, start, end, events, until;
    Reason reason;
};

// What is carried from one event of a user to the next. Each event is compared with two ticks and a counter;
// all else is asked where a session starts.
template <class Reads>
struct Walk {
    const Rules& rules;
    const Calendar& calendar_;
    const uint64_t gap_;
    const int64_t most_;  // events of a session
    int64_t left = 0;     // events that it has room for; none before the first
    int64_t limit = 0;    // last tick that its start allows
    int64_t until = 0;    // last tick at which silence has not ended it
    int64_t start = 0, last = 0, period_end = 0;
    uint8_t before = 0;  // mark of the last event
    bool is_first = true;

    // Every event of the own user is a session.
    Walk(const Rules& rules_, const Calendar& calendar, bool is_own)
        : rules(rules_),
          calendar_(calendar),
          gap_(rules_.gap),
          most_(is_own ? 1 : rules_.max_events) {}

    // Which event starts a session is noise to the processor, so that all is asked and one branch taken.
    bool starts_at(int64_t t, uint8_t mark, bool changed) const {
        const bool told = Reads::mark && (mark & starts) | (before & ends);
        return told | changed | (t > limit) | (t > until) | (left <= 0);
    }
    Reason why(int64_t t, uint8_t mark, bool changed) const {
        if (is_first) return first;
        if (Reads::mark && mark & starts) return start_on;
        if (Reads::mark && before & ends) return end_on;
        if (changed) return split_on;
        if (t > period_end) return calendar;
        if (t > until) return Reason::gap;
        return silence(start, t) > rules.max_duration ? Reason::max_duration : Reason::max_events;
    }
    void open(int64_t t) {
        start = last = t, until = INT64_MIN, left = most_;
        period_end = calendar_.last_tick(t);
        limit = std::min(period_end, later_by(t, rules.max_duration));
        is_first = false;
    }
    // Which events idle is noise as well: they choose a value, and no branch.
    void prolong(int64_t t, int64_t row, bool idles) {
        const int64_t mine = Reads::stretch ? std::max(last, rules.last_of_row[row]) : t;
        last = idles ? last : mine;
        if constexpr (Reads::gap_of_row) {
            int64_t at;
            if (__builtin_add_overflow(t, rules.gap_of_row[row], &at)) at = INT64_MAX;
            until = std::max(until, idles ? until : at);
        } else {
            until = later_by(last, gap_);
        }
    }
    void count(int64_t row, uint8_t mark) {
        before = mark;
        left -= Reads::stretch ? rules.events_of_row[row] : 1;
    }
    void close(Session& session) const {
        session.end = last, session.events = most_ - left, session.until = until;
    }
};

// The values of a user that a change is told from, by column; -1: none yet. There is mostly one column, whose
// value then needs no memory.
class Values {
  public:
    explicit Values(const Rules& rules)
        : value_(rules.value),
          n_rows_(rules.n_rows),
          carries_(rules.split_null == carry),
          ignores_(rules.split_null == ignore),
          others_(static_cast<size_t>(std::max<int64_t>(rules.n_values - 1, 0))) {}

    void clear() { first_ = -1, std::fill(others_.begin(), others_.end(), -1); }
    // Has one of the columns changed? The codes are taken over in any case.
    bool change(int64_t row) {
        const int32_t* at = value_ + row;
        bool changed = change(first_, *at);
        for (int32_t& value : others_) changed |= change(value, *(at += n_rows_));
        return changed;
    }

  private:
    bool change(int32_t& value, int32_t now) const {
        const int32_t before = value;
        const bool both = now >= 0 && before >= 0;
        const bool passes = now < 0 && carries_;  // a null that says nothing
        value = passes ? before : now;
        return now != before && !passes && (both || !ignores_);
    }

    const int32_t* value_;
    int64_t n_rows_;
    bool carries_, ignores_;
    int32_t first_ = -1;
    Array<int32_t> others_;
};

// What whole users have.
struct Part {
    std::vector<Session> sessions;
    Array<Copy> copies;
};

// The sessions of the users [user_from, user_to), and how many each has, at its place in `n_sessions`.
template <class Reads>
void walk_users(const int64_t* offset, const int64_t* row, const int64_t* tick, const Rules& rule,
                const Calendar& calendar, const Copies& copies, int64_t user_from, int64_t user_to,
                int64_t n_positions, Part& part, int64_t* n_sessions) {
    auto& found = part.sessions;
    if (rule.key) copies.find(user_from, user_to, part.copies);
    part.copies.push_back({n_positions, -1});  // behind all others
    const Copy* copy = part.copies.data();
    Values values(rule);
    found.reserve(static_cast<size_t>(offset[user_to] - offset[user_from]) / (Reads::stretch ? 1 : 8) + 64);
    for (int64_t u = user_from; u < user_to; ++u) {
        const bool is_own = u == rule.own;
        if constexpr (Reads::value) values.clear();
        Walk<Reads> walk(rule, calendar, is_own);
        const size_t before = found.size();
        const auto take = [&](int64_t p) {
            constexpr int64_t ahead = 48;
            if (row && p + ahead < n_positions) {
                if constexpr (Reads::mark) __builtin_prefetch(&rule.mark[row[p + ahead]]);
                if constexpr (Reads::value) __builtin_prefetch(&rule.value[row[p + ahead]]);
                if constexpr (Reads::gap_of_row) __builtin_prefetch(&rule.gap_of_row[row[p + ahead]]);
            }
            const int64_t r = row ? row[p] : p, t = tick[p];
            const uint8_t mark = Reads::mark ? rule.mark[r] : 0;
            const bool changed = Reads::value && values.change(r);
            if (walk.starts_at(t, mark, changed)) {
                if (!walk.is_first) walk.close(found.back());
                Session& session = found.emplace_back();
                session.begin = p, session.start = t;
                session.reason = walk.why(t, mark, changed);
                walk.open(t), walk.prolong(t, r, false);  // a heartbeat too, where none is open
            } else {
                walk.prolong(t, r, Reads::idle && mark & idles);
            }
            walk.count(r, mark);
        };
        for (int64_t p = offset[u], end = offset[u + 1];; ++p, ++copy) {
            for (const int64_t stop = std::min(end, copy->at); p < stop; ++p) take(p);
            if (p == end) break;  // else here lies a copy, which counts nowhere
        }
        if (!walk.is_first) walk.close(found.back());
        for (size_t s = before; is_own && s < found.size(); ++s) found[s].reason = first;
        n_sessions[u] = static_cast<int64_t>(found.size() - before);
    }
    part.copies.pop_back();
}

// Calls use(true or false, as a type) for what is known only now.
template <class Use>
void as_type(bool is, Use&& use) {
    if (is)
        use(std::true_type{});
    else
        use(std::false_type{});
}

// The bits that some row has.
inline uint8_t any_of(const uint8_t* mark, int64_t n) {
    uint64_t words = 0;
    uint8_t seen = 0;
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) words |= eight(mark + i);
    for (; i < n; ++i) seen |= mark[i];
    for (; words; words >>= 8) seen |= static_cast<uint8_t>(words);
    return seen;
}

// Calls use(Reads) for the rules that are there, and the marks that rows have.
template <class Use>
void with_reads(const Rules& rule, Use&& use) {
    const uint8_t seen = rule.mark ? any_of(rule.mark, rule.n_rows) : 0;
    as_type(rule.gap_of_row, [&](auto gaps) {
        as_type(seen & (starts | ends | idles), [&](auto marks) {
            as_type(seen & idles, [&](auto idle) {
                as_type(rule.value, [&](auto values) {
                    as_type(rule.last_of_row, [&](auto stretches) {
                        use(Reads < gaps.value, marks.value || idle.value, idle.value, values.value,
                            stretches.value > {});
                    });
                });
            });
        });
    });
}

}  // namespace rules

// IN offset int64[n_users + 1], row int64[] or null (positions are rows), tick int64[] by position
inline RuledSessions find_ruled_sessions(const int64_t* offset, const int64_t* row, const int64_t* tick,
                                         int64_t n_users, const Rules& rule, int n_threads) {
    using namespace rules;
    const auto cuts = cut_users(offset, n_users);
    const auto n_pieces = static_cast<int64_t>(cuts.size()) - 1;
    std::vector<Part> parts(static_cast<size_t>(n_pieces));
    const Calendar calendar(rule.edge, rule.n_edges);
    const Copies copies({rule.key, rule.n_keys, rule.n_rows, rule.mark, rule.own}, offset, row);
    RuledSessions found;
    found.offset.resize(static_cast<size_t>(n_users) + 1);
    found.offset[0] = 0;
    const int64_t n_positions = offset[n_users];
    with_reads(rule, [&](auto reads) {
        for_each_piece(n_pieces, n_threads, [&](int64_t piece) {
            walk_users<decltype(reads)>(offset, row, tick, rule, calendar, copies,
                                        cuts[static_cast<size_t>(piece)],
                                        cuts[static_cast<size_t>(piece) + 1], n_positions,
                                        parts[static_cast<size_t>(piece)], found.offset.data() + 1);
        });
    });
    size_t n = 0;
    for (size_t u = 0; u < static_cast<size_t>(n_users); ++u) found.offset[u + 1] += found.offset[u];
    for (const auto& part : parts) n += part.sessions.size();
    found.begin.resize(n + 1), found.start.resize(n), found.end.resize(n), found.events.resize(n);
    found.until.resize(n), found.reason.resize(n);
    size_t at = 0;
    for (const auto& part : parts) {
        for (const Copy& copy : part.copies) found.copy.push_back(copy.at), found.copy.push_back(copy.of);
        for (const Session& session : part.sessions) {
            found.begin[at] = session.begin, found.start[at] = session.start, found.end[at] = session.end;
            found.events[at] = session.events, found.until[at] = session.until;
            found.reason[at++] = session.reason;
        }
    }
    found.begin[n] = n_positions;
    return found;
}

// Copies have the session of their original. IN row int64[] or null, copy [n]; INOUT label int32[n_rows]
inline void label_copies(const int64_t* row, const Copy* copy, int64_t n, int32_t* label) {
    for (int64_t k = 0; k < n; ++k)
        label[row ? row[copy[k].at] : copy[k].at] = label[row ? row[copy[k].of] : copy[k].of];
}

// The same where the log is its own index, and rows have their names already. INOUT row_id, row_number
// int64[n_rows]
inline void name_copies(const Copy* copy, int64_t n, int64_t* row_id, int64_t* row_number) {
    for (int64_t k = 0; k < n; ++k) {
        row_id[copy[k].at] = row_id[copy[k].of];
        row_number[copy[k].at] = row_number[copy[k].of];
    }
}

}  // namespace cxcore
