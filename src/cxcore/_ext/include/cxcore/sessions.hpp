// Sessions by the gap rule: a session starts when the silence before an event is longer than the gap.
//
// Two ways to the same table. On the event index: one scan, users in parallel. In arrival order: one pass
// with an open-session table and no sort; disorder is handled exactly (a late event extends or joins the open
// session of its user, and a user for whom that is not certain is done again alone, on an index of its own).
// Silences are differences of uint64, so that no pair of far dates overflows. Semantics:
// docs/explanation/sessions.md.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "index.hpp"
#include "keys.hpp"
#include "threads.hpp"
#include "xxh64.hpp"

namespace cxcore {

inline uint64_t silence(int64_t from, int64_t to) {
    return static_cast<uint64_t>(to) - static_cast<uint64_t>(from);
}

// The rule: `gap` in ticks, a longer silence splits. Every event of the user `own` is a session of its own.
struct GapRule {
    uint64_t gap;
    int32_t own;
    bool splits(int32_t user, int64_t from, int64_t to) const {
        return silence(from, to) > gap || user == own;
    }
};

// One row a session, users in code order; the sessions of user u are offset[u] .. offset[u + 1].
struct SessionTable {
    int64_t *start, *end, *events;
};

// Whole users, about this many events a piece.
inline std::vector<int64_t> cut_users(const int64_t* offset, int64_t n_users, int64_t piece_rows = 1 << 16) {
    std::vector<int64_t> cuts{0};
    for (int64_t u = 1; u <= n_users; ++u)
        if (offset[u] - offset[cuts.back()] >= piece_rows || u == n_users) cuts.push_back(u);
    return cuts;
}

// IN offset int64[n_users + 1], tick int64[] sorted inside users; OUT session_offset int64[n_users + 1]
inline void count_sessions(const int64_t* offset, const int64_t* tick, int64_t n_users, GapRule rule,
                           int n_threads, int64_t* session_offset) {
    const auto cuts = cut_users(offset, n_users);
    for_each_piece(static_cast<int64_t>(cuts.size()) - 1, n_threads, [&](int64_t piece) {
        for (int64_t u = cuts[static_cast<size_t>(piece)]; u < cuts[static_cast<size_t>(piece) + 1]; ++u) {
            const int64_t from = offset[u], to = offset[u + 1];
            int64_t n = to > from;
            for (int64_t p = from + 1; p < to; ++p)
                n += rule.splits(static_cast<int32_t>(u), tick[p - 1], tick[p]);
            session_offset[u + 1] = n;
        }
    });
    session_offset[0] = 0;
    for (int64_t u = 0; u < n_users; ++u) session_offset[u + 1] += session_offset[u];
}

// IN row int64[] or null (positions are rows); OUT table, number int32[n_rows] (by row; may be null)
inline void fill_sessions(const int64_t* offset, const int64_t* row, const int64_t* tick, int64_t n_users,
                          GapRule rule, const int64_t* session_offset, int n_threads, SessionTable table,
                          int32_t* number) {
    const auto cuts = cut_users(offset, n_users);
    for_each_piece(static_cast<int64_t>(cuts.size()) - 1, n_threads, [&](int64_t piece) {
        for (int64_t u = cuts[static_cast<size_t>(piece)]; u < cuts[static_cast<size_t>(piece) + 1]; ++u) {
            const int64_t from = offset[u], to = offset[u + 1];
            int64_t s = session_offset[u] - 1, begin = from;
            for (int64_t p = from; p < to; ++p) {
                if (p == from || rule.splits(static_cast<int32_t>(u), tick[p - 1], tick[p])) {
                    if (p > from) table.end[s] = tick[p - 1], table.events[s] = p - begin;
                    table.start[++s] = tick[p];
                    begin = p;
                }
                if (number) {
                    if (row && p + 16 < to) __builtin_prefetch(&number[row[p + 16]], 1);
                    number[row ? row[p] : p] = static_cast<int32_t>(s - session_offset[u]) + 1;
                }
            }
            if (to > from) table.end[s] = tick[to - 1], table.events[s] = to - begin;
        }
    });
}

// ------------------------------------------------------------------ arrival order

// Is the log in time order but for small disorder? Asked of 64 stretches of 64 rows: in a shuffled log most
// rows lie further than the gap behind the latest one of their stretch.
inline bool arrives_in_order(const int64_t* tick, int64_t n, uint64_t gap) {
    constexpr int64_t stretches = 64, length = 64;
    int64_t late = 0, seen = 0;
    for (int64_t k = 0; k < stretches; ++k) {
        const int64_t from = n * k / stretches, to = std::min(n, from + length);
        for (int64_t i = from, latest = from; i < to; ++i, ++seen) {
            if (tick[i] >= tick[latest])
                latest = i;
            else
                late += silence(tick[i], tick[latest]) > gap;
        }
    }
    return late * 20 <= seen;
}

struct ArrivalSessions {
    std::vector<int64_t> offset;  // [n_users + 1]
    std::vector<int64_t> start, end, events;
};

namespace arrival {

constexpr int32_t again = -1;  // the number of a user who is not certain: done again, on an index

struct alignas(32) Open {  // two to a cache line
    int64_t start, last, previous_end;
    int32_t events;
    int32_t number = 0;  // 0: no event yet
};
struct Closed {
    int64_t start, end;
    int32_t events, user, number;
};

inline void take(Open& open, int32_t user, int64_t t, uint64_t gap, std::vector<Closed>& closed) {
    if (open.number == again) return;
    if (open.number == 0) {
        open = {t, t, 0, 1, 1};
    } else if (t >= open.last) {
        if (silence(open.last, t) > gap) {
            closed.push_back({open.start, open.last, open.events, user, open.number});
            open = {t, t, open.last, 1, open.number + 1};
        } else {
            open.last = t, ++open.events;
        }
    } else if (t >= open.start) {
        ++open.events;
    } else if (silence(t, open.start) <= gap &&
               (open.number == 1 || (t > open.previous_end && silence(open.previous_end, t) > gap))) {
        open.start = t, ++open.events;
    } else {
        open.number = again;
    }
}

}  // namespace arrival

// IN code int32[n] (-1: left out), tick int64[n]; OUT number int32[n] (0 where left out)
inline ArrivalSessions sessionize_arrival(const int32_t* code, const int64_t* tick, int64_t n,
                                          int64_t n_users, GapRule rule, int n_threads, int32_t* number) {
    using namespace arrival;
    std::vector<Open> open(static_cast<size_t>(n_users));
    if (rule.own >= 0) open[static_cast<size_t>(rule.own)].number = again;  // its ids need time order
    const int hands = static_cast<int>(std::max<int64_t>(1, std::min<int64_t>(n_threads, n >> 16)));
    std::vector<std::vector<Closed>> closed(static_cast<size_t>(hands));
    for_each_piece(hands, n_threads, [&](int64_t hand) {
        auto& mine = closed[static_cast<size_t>(hand)];
        for (int64_t i = 0; i < n; ++i) {
            constexpr int64_t ahead = 24;
            if (i + ahead < n && code[i + ahead] >= 0)
                __builtin_prefetch(&open[static_cast<size_t>(code[i + ahead])], 1);
            const int32_t user = code[i];
            if (user < 0) {
                if (hand == 0) number[i] = 0;
            } else if (hands == 1 || user % hands == hand) {
                Open& state = open[static_cast<size_t>(user)];
                take(state, user, tick[i], rule.gap, mine);
                number[i] = state.number;
            }
        }
    });

    // Users to do again, as a small log of their own.
    std::vector<int32_t> again_code(static_cast<size_t>(n_users), -1);
    std::vector<int32_t> again_user;
    for (int64_t u = 0; u < n_users; ++u) {
        if (open[static_cast<size_t>(u)].number != again) continue;
        again_code[static_cast<size_t>(u)] = static_cast<int32_t>(again_user.size());
        again_user.push_back(static_cast<int32_t>(u));
    }
    const auto n_again = static_cast<int64_t>(again_user.size());
    std::vector<int64_t> again_offset(again_user.size() + 1, 0), again_sessions(again_user.size() + 1, 0);
    std::vector<int64_t> again_tick, again_from, row, sorted;
    GapRule again_rule{rule.gap, rule.own < 0 ? -1 : again_code[static_cast<size_t>(rule.own)]};
    if (n_again) {
        std::vector<int32_t> codes;
        for (int64_t i = 0; i < n; ++i) {
            if (code[i] < 0) continue;
            const int32_t c = again_code[static_cast<size_t>(code[i])];
            if (c < 0) continue;
            codes.push_back(c), again_tick.push_back(tick[i]), again_from.push_back(i);
            ++again_offset[static_cast<size_t>(c) + 1];
        }
        for (size_t c = 0; c < again_user.size(); ++c) again_offset[c + 1] += again_offset[c];
        row.resize(codes.size()), sorted.resize(codes.size());
        sort_events(codes.data(), again_tick.data(), nullptr, static_cast<int64_t>(codes.size()),
                    again_offset.data(), n_again, n_threads, row.data(), sorted.data());
        for (auto& r : row) r = again_from[static_cast<size_t>(r)];
        count_sessions(again_offset.data(), sorted.data(), n_again, again_rule, n_threads,
                       again_sessions.data());
    }

    ArrivalSessions result;
    result.offset.assign(static_cast<size_t>(n_users) + 1, 0);
    for (int64_t u = 0; u < n_users; ++u) {
        const auto at = static_cast<size_t>(u);
        const int32_t c = again_code[at];
        result.offset[at + 1] = result.offset[at] + (c < 0 ? open[at].number
                                                           : again_sessions[static_cast<size_t>(c) + 1] -
                                                                 again_sessions[static_cast<size_t>(c)]);
    }
    const auto n_sessions = static_cast<size_t>(result.offset.back());
    result.start.resize(n_sessions), result.end.resize(n_sessions), result.events.resize(n_sessions);
    const auto put = [&](int32_t user, int32_t session, int64_t start, int64_t end, int64_t events) {
        const auto at = static_cast<size_t>(result.offset[static_cast<size_t>(user)] + session - 1);
        result.start[at] = start, result.end[at] = end, result.events[at] = events;
    };
    for (const auto& mine : closed)
        for (const auto& s : mine)
            if (open[static_cast<size_t>(s.user)].number != again)
                put(s.user, s.number, s.start, s.end, s.events);
    for (int64_t u = 0; u < n_users; ++u) {
        const Open& s = open[static_cast<size_t>(u)];
        if (s.number > 0) put(static_cast<int32_t>(u), s.number, s.start, s.last, s.events);
    }
    if (n_again) {
        const auto m = static_cast<size_t>(again_sessions.back());
        std::vector<int64_t> start(m), end(m), events(m);
        fill_sessions(again_offset.data(), row.data(), sorted.data(), n_again, again_rule,
                      again_sessions.data(), n_threads, {start.data(), end.data(), events.data()}, number);
        for (size_t c = 0; c < again_user.size(); ++c)
            for (int64_t s = again_sessions[c]; s < again_sessions[c + 1]; ++s)
                put(again_user[c], static_cast<int32_t>(s - again_sessions[c]) + 1,
                    start[static_cast<size_t>(s)], end[static_cast<size_t>(s)],
                    events[static_cast<size_t>(s)]);
    }
    return result;
}

// ------------------------------------------------------------------ ids

// Microseconds UTC, floored. A far date that does not fit is the nearest that does: order is kept, so
// sessions of one microsecond lie side by side.
inline int64_t microseconds(int64_t tick, int64_t tick_length) {
    if (tick_length >= 1000) {
        int64_t at;
        if (!__builtin_mul_overflow(tick, tick_length / 1000, &at)) return at;
        return tick < 0 ? INT64_MIN : INT64_MAX;
    }
    const int64_t per = 1000 / tick_length;
    return tick / per - (tick % per < 0);
}

// id = the low 63 bits of XXH64(key bytes, start in µs, count of earlier sessions of the user in that µs).
// IN session_offset int64[n_users + 1], start int64[] ticks, key_offset int64[n_users + 1 (own user: none)],
//    key uint8[]; OUT id int64[], number int64[], user int32[]
inline void session_ids(const int64_t* session_offset, int64_t n_users, const int64_t* start,
                        int64_t tick_length, const int64_t* key_offset, const uint8_t* key, int32_t own,
                        int n_threads, int64_t* id, int64_t* number, int32_t* user) {
    const auto cuts = cut_users(session_offset, n_users, 1 << 14);
    for_each_piece(static_cast<int64_t>(cuts.size()) - 1, n_threads, [&](int64_t piece) {
        std::vector<uint8_t> bytes;
        for (int64_t u = cuts[static_cast<size_t>(piece)]; u < cuts[static_cast<size_t>(piece) + 1]; ++u) {
            const bool is_own = u == own;
            const size_t size = is_own ? 1 : static_cast<size_t>(key_offset[u + 1] - key_offset[u]);
            bytes.resize(size + 16);
            if (is_own)
                bytes[0] = null_byte;
            else if (size)
                std::memcpy(bytes.data(), key + key_offset[u], size);
            int64_t before = 0, earlier = 0;
            for (int64_t s = session_offset[u]; s < session_offset[u + 1]; ++s) {
                const int64_t at = microseconds(start[s], tick_length);
                earlier = s > session_offset[u] && at == before ? earlier + 1 : 0;
                before = at;
                std::memcpy(bytes.data() + size, &at, 8);
                std::memcpy(bytes.data() + size + 8, &earlier, 8);
                id[s] = static_cast<int64_t>(xxh64(bytes.data(), bytes.size()) & 0x7FFFFFFFFFFFFFFFULL);
                number[s] = is_own ? 1 : s - session_offset[u] + 1;
                user[s] = static_cast<int32_t>(u);
            }
        }
    });
}

// From sessions back to rows. IN code, number int32[n], session_offset, id, session_number (by session)
// OUT row_id, row_number int64[n] (0 where a row has no session)
inline void spread_sessions(const int32_t* code, const int32_t* number, int64_t n,
                            const int64_t* session_offset, const int64_t* id, const int64_t* session_number,
                            int n_threads, int64_t* row_id, int64_t* row_number) {
    for_each_block(n, 1 << 16, n_threads, [&](int64_t from, int64_t to) {
        constexpr int64_t size = 64;
        for (int64_t start = from; start < to; start += size) {
            const int64_t m = std::min(size, to - start);
            int64_t session[size];
            for (int64_t i = 0; i < m; ++i) __builtin_prefetch(&session_offset[std::max(code[start + i], 0)]);
            for (int64_t i = 0; i < m; ++i) {
                const int32_t user = code[start + i];
                session[i] = user < 0 ? -1 : session_offset[user] + number[start + i] - 1;
                if (user >= 0) __builtin_prefetch(&id[session[i]]);
            }
            for (int64_t i = 0; i < m; ++i) {
                row_id[start + i] = session[i] < 0 ? 0 : id[session[i]];
                row_number[start + i] = session[i] < 0 ? 0 : session_number[session[i]];
            }
        }
    });
}

}  // namespace cxcore
