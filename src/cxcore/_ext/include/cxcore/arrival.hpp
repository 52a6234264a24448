// Sessions of a log in arrival order by the gap rule: one pass with an open-session table by user, and no
// sort.
//
// Sessions are labelled in the order in which they open, so that rows that lie together have labels, and
// names, that lie together. Disorder is handled exactly: a late event walks back over the sessions of its
// user to the place where it belongs. There it joins one, stands alone, or joins two to one, and then two
// labels name one session. A user whose events walk too far is done again alone, on an index. One thread
// walks: users lie apart in the log, and threads would wait for each other's lines of the cache
// (docs/adr/0036).
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "index.hpp"
#include "memory.hpp"
#include "sessions.hpp"

namespace cxcore {

// Is the log in time order but for small disorder? In a shuffled log most rows lie further behind than the
// gap.
inline bool arrives_in_order(const int64_t* tick, int64_t n, uint64_t gap) {
    const Disorder disorder(tick, n, gap);
    return disorder.behind * 20 <= disorder.seen;
}

// The table by user and time, and where the session of a label stands in it.
struct ArrivalSessions {
    Array<int64_t> offset;              // [n_users + 1]
    Array<int64_t> start, end, events;  // [n_sessions]
    Array<int64_t> session;             // [n_labels], -1 where a label is not used
};

namespace arrival {

constexpr int32_t again = -1;  // the label of a user who is done again

struct Open {  // a user's last session; two to a cache line
    int64_t start = 0, end = INT64_MIN;
    int32_t events = 0, label = 0, number = 0;
};
struct Session {
    int64_t start, end;
    int32_t events, user;
    int32_t before;  // the one before it of its user; 0 where there is none
    int32_t number;  // inside the user, from 1; 0 where it became part of another
};

// Sessions in the order in which they open, which is their label.
class Walk {
  public:
    Array<Session> sessions;                        // behind one that stands for none
    std::vector<std::pair<int32_t, int32_t>> same;  // two that became the second of them

    Walk(Array<Open>& open, uint64_t gap) : open_(open.data()), gap_(gap) {}

    // The rows [from, to). OUT label int32[n_rows] of these rows
    void take(const int32_t* code, const int64_t* tick, int64_t from, int64_t to, int64_t n_rows,
              int32_t* label) {
        constexpr int64_t ahead = 24;
        sessions.resize(static_cast<size_t>(n_ + to - from));
        for (int64_t i = from; i < to; ++i) {
            if (i + ahead < n_rows && code[i + ahead] >= 0) __builtin_prefetch(&open_[code[i + ahead]], 1);
            const int32_t user = code[i];
            if (user < 0) {
                label[i] = -1;
                continue;
            }
            Open& open = open_[user];
            if (open.label == again) continue;
            const int64_t t = tick[i];
            if (t < open.end) {
                label[i] = take_late(open, t);
                continue;
            }
            if (open.number && silence(open.end, t) <= gap_) {
                open.end = t, ++open.events;
            } else {
                close(open);
                of(n_) = {t, t, 1, user, open.label, open.number + 1};
                open = {t, t, 1, n_++, open.number + 1};
            }
            label[i] = open.label;
        }
    }
    // What an open session has become since it opened.
    void close(const Open& open) {
        Session& session = of(open.label);
        session.start = open.start, session.end = open.end, session.events = open.events;
    }
    // After the last event.
    void finish() {
        sessions.resize(static_cast<size_t>(n_));
        std::sort(moved_.begin(), moved_.end());
        moved_.erase(std::unique(moved_.begin(), moved_.end()), moved_.end());
        for (const int32_t user : moved_) {
            int32_t n = 0;
            for (int32_t at = std::max(open_[user].label, 0); at; at = of(at).before) ++n;
            open_[user].number = n;
            for (int32_t at = std::max(open_[user].label, 0); at; at = of(at).before) of(at).number = n--;
        }
    }

  private:
    Session& of(int32_t at) { return sessions[static_cast<size_t>(at)]; }

    int32_t take_late(Open& open, int64_t t) {
        close(open);
        const int32_t at = find_late(open.label, t);
        const Session& now = of(open.label);
        open.start = now.start, open.end = now.end, open.events = now.events;
        if (at != again) return at;
        for (int32_t gone = open.label; gone; gone = of(gone).before) of(gone).number = 0;
        return open.label = again;
    }
    // The session of a late event, looked for from the user's last one back.
    int32_t find_late(int32_t later, int64_t t) {
        if (t >= of(later).start) return ++of(later).events, later;
        for (int steps = 0; steps < 32; ++steps) {
            const int32_t earlier = of(later).before;
            if (earlier && t < of(earlier).start) {
                later = earlier;
                continue;
            }
            const bool joins_later = silence(t, of(later).start) <= gap_;
            const bool joins_earlier =
                earlier && (t <= of(earlier).end || silence(of(earlier).end, t) <= gap_);
            if (joins_later) {
                of(later).start = t, ++of(later).events;
                if (joins_earlier) join(earlier, later);
                return later;
            }
            if (!joins_earlier) return insert(later, t);
            of(earlier).end = std::max(of(earlier).end, t), ++of(earlier).events;
            return earlier;
        }
        return again;
    }
    void join(int32_t earlier, int32_t later) {
        Session &from = of(earlier), &to = of(later);
        to.start = from.start, to.events += from.events, to.before = from.before;
        from.number = 0;
        same.emplace_back(earlier, later);
        moved_.push_back(to.user);
    }
    int32_t insert(int32_t later, int64_t t) {
        const int32_t at = n_++;
        of(at) = {t, t, 1, of(later).user, of(later).before, 1};
        of(later).before = at;
        moved_.push_back(of(later).user);
        return at;
    }

    Open* open_;
    uint64_t gap_;
    int32_t n_ = 1;
    std::vector<int32_t> moved_;  // users whose sessions have other numbers than their order
};

// Sorts the rows of users who are done again, as a small log of their own.
struct Again {
    Array<int32_t> user;       // [n_again] codes in the log
    Array<int64_t> row, tick;  // by position
    Begins found;

    Again(const Array<Open>& open, const int32_t* log_code, const int64_t* log_tick, int64_t n, GapRule rule,
          int n_threads) {
        for (size_t u = 0; u < open.size(); ++u)
            if (open[u].label == again) user.push_back(static_cast<int32_t>(u));
        found.offset.assign(1, 0);
        if (user.empty()) return;
        Array<int32_t> code(open.size(), -1), codes;  // of users in the log, of rows
        for (size_t c = 0; c < user.size(); ++c) code[static_cast<size_t>(user[c])] = static_cast<int32_t>(c);
        Array<int64_t> offset(user.size() + 1, 0), log_row, unsorted;
        for (int64_t i = 0; i < n; ++i) {
            const int32_t c = log_code[i] < 0 ? -1 : code[static_cast<size_t>(log_code[i])];
            if (c < 0) continue;
            codes.push_back(c), unsorted.push_back(log_tick[i]), log_row.push_back(i);
            ++offset[static_cast<size_t>(c) + 1];
        }
        const auto n_again = static_cast<int64_t>(user.size());
        for (size_t c = 0; c < user.size(); ++c) offset[c + 1] += offset[c];
        row.resize(codes.size()), tick.resize(codes.size());
        sort_events(codes.data(), unsorted.data(), nullptr, static_cast<int64_t>(codes.size()), offset.data(),
                    n_again, n_threads, row.data(), tick.data());
        for (auto& r : row) r = log_row[static_cast<size_t>(r)];
        const int32_t own = rule.own < 0 ? -1 : code[static_cast<size_t>(rule.own)];
        found = find_sessions(offset.data(), tick.data(), n_again, {rule.gap, own}, n_threads);
    }
};

// The sessions of the walk to their places.
inline void place(const Walk& walk, ArrivalSessions& result) {
    const auto session = [&](int32_t at) -> int64_t& { return result.session[static_cast<size_t>(at)]; };
    for (size_t k = 1; k < walk.sessions.size(); ++k) {
        const Session& s = walk.sessions[k];
        if (!s.number) continue;
        const int64_t at = result.offset[static_cast<size_t>(s.user)] + s.number - 1;
        result.start[static_cast<size_t>(at)] = s.start;
        result.end[static_cast<size_t>(at)] = s.end;
        result.events[static_cast<size_t>(at)] = s.events;
        session(static_cast<int32_t>(k)) = at;
    }
    for (auto pair = walk.same.rbegin(); pair != walk.same.rend(); ++pair)
        session(pair->first) = session(pair->second);
}

// The same for users who are done again; their labels are behind all others.
inline void place(const Again& redone, size_t n_labels, ArrivalSessions& result, int32_t* label) {
    for (size_t c = 0; c < redone.user.size(); ++c) {
        auto at = static_cast<size_t>(result.offset[static_cast<size_t>(redone.user[c])]);
        for (auto s = static_cast<size_t>(redone.found.offset[c]);
             s < static_cast<size_t>(redone.found.offset[c + 1]); ++s, ++at) {
            const auto from = static_cast<size_t>(redone.found.begin[s]);
            const auto to = static_cast<size_t>(redone.found.begin[s + 1]);
            result.start[at] = redone.tick[from], result.end[at] = redone.tick[to - 1];
            result.events[at] = static_cast<int64_t>(to - from);
            result.session[n_labels + s] = static_cast<int64_t>(at);
            for (size_t p = from; p < to; ++p) label[redone.row[p]] = static_cast<int32_t>(n_labels + s);
        }
    }
}

}  // namespace arrival

// IN code int32[n] (-1: left out), tick int64[n]; OUT label int32[n] (-1 where left out)
inline ArrivalSessions sessionize_arrival(const int32_t* code, const int64_t* tick, int64_t n,
                                          int64_t n_users, GapRule rule, int n_threads, int32_t* label) {
    using namespace arrival;
    Array<Open> open(static_cast<size_t>(n_users));
    if (rule.own >= 0) open[static_cast<size_t>(rule.own)].label = again;  // its ids need time order
    Walk walk(open, rule.gap);
    constexpr int64_t block = 1 << 12;
    for (int64_t from = 0; from < n; from += block)
        walk.take(code, tick, from, std::min(n, from + block), n, label);
    walk.finish();
    const Again redone(open, code, tick, n, rule, n_threads);

    ArrivalSessions result;
    result.offset.assign(static_cast<size_t>(n_users) + 1, 0);
    for (size_t u = 0; u < open.size(); ++u) {
        if (open[u].label == again) continue;
        walk.close(open[u]);
        result.offset[u + 1] = open[u].number;
    }
    for (size_t c = 0; c < redone.user.size(); ++c)
        result.offset[static_cast<size_t>(redone.user[c]) + 1] =
            redone.found.offset[c + 1] - redone.found.offset[c];
    for (size_t u = 0; u < open.size(); ++u) result.offset[u + 1] += result.offset[u];

    const size_t n_labels = walk.sessions.size();
    const auto n_sessions = static_cast<size_t>(result.offset.back());
    const size_t n_redone = redone.user.empty() ? 0 : redone.found.begin.size() - 1;
    result.start.resize(n_sessions), result.end.resize(n_sessions), result.events.resize(n_sessions);
    result.session.assign(n_labels + n_redone, -1);
    place(walk, result);
    place(redone, n_labels, result, label);
    return result;
}

}  // namespace cxcore
