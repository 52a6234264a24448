// Sessions on the event index by all rules at once: one walk over each user's events in order, with what is
// known of the open session in registers. Where several rules hold, the one that stands first in `Reason` is
// given. Rules of rows come by row and may be absent (null); calendar days come as the ticks at which they
// begin. A row may stand for a stretch of a session: several events, of which the last may lie later.
// The walk is compiled for each set of what is read by row. Measures: measures.hpp. Semantics:
// docs/explanation/session-rules.md; stretches: docs/adr/0007; how copies are found: docs/adr/0014.
#pragma once

#include <algorithm>
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
    Array<int64_t> start, end;     // [n_sessions] first tick, and the last that kept it open
    Array<int64_t> events;         // [n_sessions] without copies
    Array<int64_t> until;          // [n_sessions] last tick at which silence has not ended it
    Array<uint8_t> reason;         // [n_sessions]
    Array<int64_t> copy;           // [n_copies][2], as Copy
};

// An event that repeats an earlier one of its user, by their positions; in order of the first.
struct Copy {
    int64_t at, of;
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

// What the rules read by row; what is not read costs nothing.
template <bool gaps, bool marks, bool values, bool copies, bool stretches>
struct Reads {
    static constexpr bool gap_of_row = gaps, mark = marks, value = values, key = copies, stretch = stretches;
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

    Walk(const Rules& rules_, const Calendar& calendar)
        : rules(rules_),
          calendar_(calendar),
          gap_(rules_.gap),
          most_(rules_.max_events) {}

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
    void prolong(int64_t t, int64_t row) {
        last = Reads::stretch ? std::max(last, rules.last_of_row[row]) : t;
        if constexpr (Reads::gap_of_row) {
            int64_t mine;
            if (__builtin_add_overflow(t, rules.gap_of_row[row], &mine)) mine = INT64_MAX;
            until = std::max(until, mine);
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

// Tells which events repeat an earlier one of their user. Few do: first a bit for each hash of an event, and
// one more where it was met before; only events whose hash was met twice are compared, in a table of them.
class Copies {
  public:
    Copies(const Rules& rules, const int64_t* offset, const int64_t* row)
        : rules_(rules),
          offset_(offset),
          row_(row) {}

    // Those of the users [user_from, user_to), put behind `found`.
    void find(int64_t user_from, int64_t user_to, Array<Copy>& found) {
        meet(user_from, user_to);
        size_t size = 4;
        while (size < 2 * maybe_.size()) size *= 2;
        slots_.assign(size, -1);
        int64_t user = user_from;
        for (const int64_t p : maybe_) {
            while (p >= offset_[user + 1]) ++user;
            // rows without a user are no one's, and so no copies of each other
            if (user == rules_.own || (rules_.mark && rules_.mark[row_at(p)] & unlike)) continue;
            if (const int64_t original = take(p, user); original >= 0) found.push_back({p, original});
        }
    }

  private:
    struct Met {  // of 64 hashes, a bit each
        uint64_t once = 0, twice = 0;
    };

    // Positions whose hash is not the only one of its kind.
    void meet(int64_t user_from, int64_t user_to) {
        const int64_t from = offset_[user_from], to = offset_[user_to];
        size_t size = 64;  // bits: 16 or more an event
        while (size < 16 * static_cast<size_t>(to - from)) size *= 2;
        met_.assign(size / 64, Met{});
        hash_.resize(static_cast<size_t>(to - from));
        uint32_t* next = hash_.data();
        const auto hash_all = [&](int64_t n_keys) {
            for (int64_t u = user_from; u < user_to; ++u)
                for (int64_t p = offset_[u], end = offset_[u + 1]; p < end; ++p) {
                    if (row_ && p + 32 < to) __builtin_prefetch(&rules_.key[row_[p + 32]]);
                    *next++ = static_cast<uint32_t>(hash(p, u, n_keys) >> 32);
                }
        };
        if (rules_.n_keys == 1)
            hash_all(1);  // without a loop
        else
            hash_all(rules_.n_keys);
        Met* const met = met_.data();
        const size_t mask = met_.size() - 1;
        for (const uint32_t h : hash_) {
            Met& place = met[h / 64 & mask];
            const uint64_t bit = uint64_t{1} << h % 64;
            place.twice |= place.once & bit;
            place.once |= bit;
        }
        maybe_.resize(hash_.size());
        size_t n = 0;
        for (size_t k = 0; k < hash_.size(); ++k) {
            maybe_[n] = from + static_cast<int64_t>(k);
            n += met[hash_[k] / 64 & mask].twice >> hash_[k] % 64 & 1;
        }
        maybe_.resize(n);
    }
    int64_t row_at(int64_t position) const { return row_ ? row_[position] : position; }
    // The position of the event that this one repeats, or -1: then it is one that may be repeated.
    int64_t take(int64_t position, int64_t user) {
        for (size_t at = hash(position, user, rules_.n_keys);; ++at) {
            int64_t& known = slots_[at & (slots_.size() - 1)];
            if (known < 0) return known = position, -1;
            // users lie one behind the other
            if (known >= offset_[user] && same(row_at(known), row_at(position))) return known;
        }
    }
    uint64_t hash(int64_t position, int64_t user, int64_t n_keys) const {
        uint64_t h = hash_seed.start + static_cast<uint64_t>(user) * hash_seed.right;
        const int64_t* key = rules_.key + row_at(position);
        for (int64_t k = 0; k < n_keys; ++k, key += rules_.n_rows)
            h = fold(h ^ static_cast<uint64_t>(*key), hash_seed.right);
        return h;
    }
    bool same(int64_t a, int64_t b) const {
        for (int64_t k = 0; k < rules_.n_keys; ++k)
            if (rules_.key[k * rules_.n_rows + a] != rules_.key[k * rules_.n_rows + b]) return false;
        return true;
    }

    const Rules& rules_;
    const int64_t *offset_, *row_;
    Array<Met> met_;
    Array<uint32_t> hash_;  // by position
    Array<int64_t> maybe_;  // positions
    Array<int64_t> slots_;  // positions
};

// What whole users have.
struct Part {
    Array<Session> sessions;
    Array<Copy> copies;
};

// The sessions of the users [user_from, user_to), and how many each has, at its place in `n_sessions`.
template <class Reads>
void walk_users(const int64_t* offset, const int64_t* row, const int64_t* tick, const Rules& rule,
                const Calendar& calendar, int64_t user_from, int64_t user_to, int64_t n_positions, Part& part,
                int64_t* n_sessions) {
    auto& found = part.sessions;
    if constexpr (Reads::key) Copies(rule, offset, row).find(user_from, user_to, part.copies);
    const Copy *copy = part.copies.data(), *const no_copy = copy + part.copies.size();
    Values values(rule);
    found.reserve(static_cast<size_t>(offset[user_to] - offset[user_from]) / (Reads::stretch ? 1 : 4) + 64);
    for (int64_t u = user_from; u < user_to; ++u) {
        const bool is_own = u == rule.own;
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
                if (copy != no_copy && p == copy->at) {
                    ++copy;
                    continue;
                }
            const int64_t r = row ? row[p] : p, t = tick[p];
            const uint8_t mark = Reads::mark ? rule.mark[r] : 0;
            const bool changed = Reads::value && values.change(r);
            if (is_own | walk.starts_at(t, mark, changed)) {
                if (!walk.is_first) walk.close(found.back());
                Session& session = found.emplace_back();
                session.begin = p, session.start = t;
                session.reason = is_own ? first : walk.why(t, mark, changed);
                walk.open(t), walk.prolong(t, r);  // a heartbeat too, where none is open
            } else if (!Reads::mark || !(mark & idles)) {
                walk.prolong(t, r);
            }
            walk.count(r, mark);
        }
        if (!walk.is_first) walk.close(found.back());
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
void with_reads(const Rules& rule, Use&& use) {
    as_type(rule.gap_of_row, [&](auto gaps) {
        as_type(rule.mark, [&](auto marks) {
            as_type(rule.value, [&](auto values) {
                as_type(rule.key, [&](auto keys) {
                    as_type(rule.last_of_row, [&](auto stretches) {
                        use(Reads<gaps.value, marks.value, values.value, keys.value, stretches.value>{});
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
    RuledSessions found;
    found.offset.resize(static_cast<size_t>(n_users) + 1);
    found.offset[0] = 0;
    const int64_t n_positions = offset[n_users];
    with_reads(rule, [&](auto reads) {
        for_each_piece(n_pieces, n_threads, [&](int64_t piece) {
            walk_users<decltype(reads)>(offset, row, tick, rule, calendar, cuts[static_cast<size_t>(piece)],
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
