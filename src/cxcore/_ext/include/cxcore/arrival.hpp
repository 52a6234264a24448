// Sessions of a log in arrival order by the gap rule: one pass with an open-session table by user, and no
// sort.
//
// Sessions are labelled in the order in which they open, so that rows that lie together have labels, and
// names, that lie together. Disorder is handled exactly: a late event joins the open session of its user, or
// extends it backwards where that is certain; a user for whom nothing is certain is done again alone, on an
// index of its own. Threads own whole users and each walks all rows; which thread has which user changes no
// answer.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "index.hpp"
#include "memory.hpp"
#include "sessions.hpp"
#include "threads.hpp"

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

constexpr int32_t nothing = -1;  // the label of a user who has no event yet
constexpr int32_t again = -2;    // and of one who is not certain: done again, on an index

struct Open {                           // two to a cache line
    int64_t start, last, previous_end;  // the least time where none came before
    int32_t events;
    int32_t label = nothing;
};
struct Closed {
    int64_t start, end;
    int32_t events, user, label;
};

// Takes an event; true where a session was opened for it, and is to be labelled.
inline bool take(Open& open, int32_t user, int64_t t, uint64_t gap, Array<Closed>& closed) {
    if (open.label == nothing) {
        open = {t, t, INT64_MIN, 1, nothing};
        return true;
    }
    if (t >= open.last) {
        if (silence(open.last, t) <= gap) {
            open.last = t, ++open.events;
            return false;
        }
        closed.push_back({open.start, open.last, open.events, user, open.label});
        open = {t, t, open.last, 1, nothing};
        return true;
    }
    const bool is_certain = t >= open.start || (silence(t, open.start) <= gap && t > open.previous_end &&
                                                silence(open.previous_end, t) > gap);
    if (is_certain)
        open.start = std::min(open.start, t), ++open.events;
    else
        open.label = again;
    return false;
}

// Each user's hand, by the rows that the users have: whoever has least takes the next.
inline Array<uint8_t> share_out(const int64_t* count, int64_t n_users, int n_hands) {
    Array<uint8_t> hand(static_cast<size_t>(n_users));
    std::vector<int64_t> load(static_cast<size_t>(n_hands), 0);
    for (int64_t u = 0; u < n_users; ++u) {
        const auto least = std::min_element(load.begin(), load.end());
        *least += count[u];
        hand[static_cast<size_t>(u)] = static_cast<uint8_t>(least - load.begin());
    }
    return hand;
}

// Sorts the rows of users that are not certain as a small log of their own.
struct Again {
    Array<int32_t> user;       // [n_again] codes in the log
    Array<int32_t> code;       // [n_users] codes among them, or -1
    Array<int64_t> row, tick;  // by position
    Begins found;

    Again(const Array<Open>& open, const int32_t* log_code, const int64_t* log_tick, int64_t n, GapRule rule,
          int n_threads)
        : code(open.size(), -1) {
        for (size_t u = 0; u < open.size(); ++u) {
            if (open[u].label != again) continue;
            code[u] = static_cast<int32_t>(user.size());
            user.push_back(static_cast<int32_t>(u));
        }
        found.offset.assign(1, 0);
        if (user.empty()) return;
        Array<int64_t> offset(user.size() + 1, 0), log_row, unsorted;
        Array<int32_t> codes;
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

}  // namespace arrival

// IN code int32[n] (-1: left out), tick int64[n], count int64[n_users]; OUT label int32[n] (-1 where left
// out)
inline ArrivalSessions sessionize_arrival(const int32_t* code, const int64_t* tick, int64_t n,
                                          const int64_t* count, int64_t n_users, GapRule rule, int n_threads,
                                          int32_t* label) {
    using namespace arrival;
    Array<Open> open(static_cast<size_t>(n_users));
    if (rule.own >= 0) open[static_cast<size_t>(rule.own)].label = again;  // its ids need time order
    const int64_t most = std::min<int64_t>({n_threads, n >> 16, INT32_MAX / (n + 1), 255});  // labels fit
    const int hands = static_cast<int>(std::max<int64_t>(1, most));
    const auto hand_of = share_out(count, hands > 1 ? n_users : 0, hands);
    std::vector<Array<Closed>> closed(static_cast<size_t>(hands));
    std::vector<int32_t> n_opened(static_cast<size_t>(hands), 0);
    for_each_piece(hands, n_threads, [&](int64_t hand) {
        auto& mine = closed[static_cast<size_t>(hand)];
        int32_t next = static_cast<int32_t>(hand);  // labels of a hand are `hands` apart
        for (int64_t i = 0; i < n; ++i) {
            constexpr int64_t ahead = 24;
            if (i + ahead < n && code[i + ahead] >= 0)
                __builtin_prefetch(&open[static_cast<size_t>(code[i + ahead])], 1);
            const int32_t user = code[i];
            if (user < 0) {
                if (hand == 0) label[i] = -1;
                continue;
            }
            if (hands > 1 && hand_of[static_cast<size_t>(user)] != hand) continue;
            Open& state = open[static_cast<size_t>(user)];
            if (state.label == again) continue;
            if (take(state, user, tick[i], rule.gap, mine)) {
                state.label = next;
                next += hands;
            }
            label[i] = state.label;
        }
        n_opened[static_cast<size_t>(hand)] = next;
    });
    const int32_t n_labels = *std::max_element(n_opened.begin(), n_opened.end());
    const Again redone(open, code, tick, n, rule, n_threads);

    // How many sessions each user has, then each to its place.
    ArrivalSessions result;
    result.offset.assign(static_cast<size_t>(n_users) + 1, 0);
    const auto is_done = [&](int32_t user) { return redone.code[static_cast<size_t>(user)] < 0; };
    for (const auto& mine : closed)
        for (const auto& s : mine) result.offset[static_cast<size_t>(s.user) + 1] += is_done(s.user);
    for (size_t u = 0; u < open.size(); ++u) result.offset[u + 1] += open[u].label >= 0;
    for (size_t c = 0; c < redone.user.size(); ++c)
        result.offset[static_cast<size_t>(redone.user[c]) + 1] =
            redone.found.offset[c + 1] - redone.found.offset[c];
    for (size_t u = 0; u < open.size(); ++u) result.offset[u + 1] += result.offset[u];

    const auto n_sessions = static_cast<size_t>(result.offset.back());
    const size_t n_redone = redone.user.empty() ? 0 : redone.found.begin.size() - 1;
    result.start.resize(n_sessions), result.end.resize(n_sessions), result.events.resize(n_sessions);
    result.session.assign(static_cast<size_t>(n_labels) + n_redone, -1);
    Array<int64_t> next(result.offset.begin(), result.offset.end() - 1);
    const auto put = [&](int32_t user, size_t label_of, int64_t start, int64_t end, int64_t events) {
        const int64_t at = next[static_cast<size_t>(user)]++;
        result.start[static_cast<size_t>(at)] = start;
        result.end[static_cast<size_t>(at)] = end;
        result.events[static_cast<size_t>(at)] = events;
        result.session[label_of] = at;
    };
    for (const auto& mine : closed)  // a user's sessions close in their order
        for (const auto& s : mine)
            if (is_done(s.user)) put(s.user, static_cast<size_t>(s.label), s.start, s.end, s.events);
    for (size_t u = 0; u < open.size(); ++u)
        if (const Open& s = open[u]; s.label >= 0)
            put(static_cast<int32_t>(u), static_cast<size_t>(s.label), s.start, s.last, s.events);
    for (size_t c = 0; c < redone.user.size(); ++c)
        for (auto s = static_cast<size_t>(redone.found.offset[c]);
             s < static_cast<size_t>(redone.found.offset[c + 1]); ++s) {
            const auto from = static_cast<size_t>(redone.found.begin[s]);
            const auto to = static_cast<size_t>(redone.found.begin[s + 1]);
            const size_t mine = static_cast<size_t>(n_labels) + s;
            put(redone.user[c], mine, redone.tick[from], redone.tick[to - 1],
                static_cast<int64_t>(to - from));
            for (size_t p = from; p < to; ++p) label[redone.row[p]] = static_cast<int32_t>(mine);
        }
    return result;
}

}  // namespace cxcore
