// Sessions on the event index by the gap rule: a session starts when the silence before an event is longer
// than the gap. Positions of a session lie side by side in the index, so a session is where it begins; all
// else (start, end, number of events, the sessions of rows) follows from that. One scan, whole users as
// pieces of work. Silences are differences of uint64, so that no pair of far dates overflows. Other rules:
// rules.hpp; logs in arrival order: arrival.hpp. Semantics: docs/explanation/sessions.md.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "bits.hpp"
#include "keys.hpp"
#include "memory.hpp"
#include "runs.hpp"
#include "threads.hpp"
#include "xxh64.hpp"

namespace cxcore {

inline uint64_t silence(int64_t from, int64_t to) {
    return static_cast<uint64_t>(to) - static_cast<uint64_t>(from);
}

inline int64_t later_by(int64_t t, uint64_t ticks) {  // or the last tick there is
    return silence(t, INT64_MAX) > ticks ? static_cast<int64_t>(static_cast<uint64_t>(t) + ticks) : INT64_MAX;
}

// The rule: `gap` in ticks, a longer silence splits. Every event of the user `own` is a session of its own.
struct GapRule {
    uint64_t gap;
    int32_t own;
};

// The sessions of user u are offset[u] .. offset[u + 1]; session s has the positions begin[s] .. begin[s +
// 1].
struct Begins {
    Array<int64_t> offset;  // [n_users + 1]
    Array<int64_t> begin;   // [n_sessions + 1], the last is the number of positions
};

// Whole users, about this many events a piece.
inline std::vector<int64_t> cut_users(const int64_t* offset, int64_t n_users, int64_t piece_rows = 1 << 16) {
    std::vector<int64_t> cuts{0};
    for (int64_t u = 1; u <= n_users; ++u)
        if (offset[u] - offset[cuts.back()] >= piece_rows || u == n_users) cuts.push_back(u);
    return cuts;
}

// Puts parts end to end. `offset` holds sessions of each user at u + 1, and becomes their running sum.
template <class T>
void append_parts(const std::vector<Array<T>>& parts, Array<T>& all) {
    size_t n = 0;
    for (const auto& part : parts) n += part.size();
    all.resize(n);
    T* to = all.data();
    for (const auto& part : parts) to = std::copy(part.begin(), part.end(), to);
}

// IN offset int64[n_users + 1], tick int64[] sorted inside users
inline Begins find_sessions(const int64_t* offset, const int64_t* tick, int64_t n_users, GapRule rule,
                            int n_threads) {
    struct Piece {
        Array<uint64_t> ends;  // bit i: does a session end with its i-th event?
        Array<int64_t> before;
        int64_t first = 0;  // sessions before it
    };
    const auto cuts = cut_users(offset, n_users);
    std::vector<Piece> pieces(cuts.size() - 1);
    for_each_piece(static_cast<int64_t>(pieces.size()), n_threads, [&](int64_t k) {
        const int64_t user_from = cuts[static_cast<size_t>(k)], user_to = cuts[static_cast<size_t>(k) + 1];
        const int64_t from = offset[user_from], to = offset[user_to];
        Array<uint64_t> ends(static_cast<size_t>(words_of(to - from)));
        if (from < to) {
            ends.back() = 0;  // the last event is asked for nothing behind it
            mark_bits(
                from, to - 1, [=](int64_t p) { return rule.gap < silence(tick[p], tick[p + 1]); },
                ends.data());
        }
        const auto set = [&](int64_t i) {
            ends[static_cast<size_t>(i / word_bits)] |= uint64_t{1} << (i % word_bits);
        };
        for (int64_t u = user_from; u < user_to; ++u)
            if (offset[u] < offset[u + 1]) set(offset[u + 1] - 1 - from);
        if (rule.own >= user_from && rule.own < user_to)
            for (int64_t p = offset[rule.own]; p < offset[rule.own + 1]; ++p) set(p - from);
        Array<int64_t> before(ends.size() + 1);
        count_bits(ends.data(), static_cast<int64_t>(ends.size()), before.data());
        pieces[static_cast<size_t>(k)] = {std::move(ends), std::move(before)};
    });
    int64_t n = 0;
    for (Piece& piece : pieces) piece.first = std::exchange(n, n + piece.before.back());
    Begins found;
    found.offset.resize(static_cast<size_t>(n_users) + 1), found.begin.resize(static_cast<size_t>(n) + 1);
    touch_pages(found.begin.data(), n, n_threads);
    found.offset[0] = 0, found.begin[0] = offset[0];
    for_each_piece(static_cast<int64_t>(pieces.size()), n_threads, [&](int64_t k) {
        const Piece& piece = pieces[static_cast<size_t>(k)];
        const int64_t user_from = cuts[static_cast<size_t>(k)], user_to = cuts[static_cast<size_t>(k) + 1];
        const int64_t from = offset[user_from];
        count_before(piece.ends.data(), piece.before.data(), from, offset + user_from + 1,
                     user_to - user_from, piece.first, found.offset.data() + user_from + 1);
        list_bits(piece.ends.data(), static_cast<int64_t>(piece.ends.size()), from + 1,
                  found.begin.data() + piece.first + 1);
    });
    return found;
}

// IN begin int64[n_sessions + 1], tick int64[] by position; OUT start, end, events int64[n_sessions]
inline void edges(const int64_t* begin, int64_t n_sessions, const int64_t* tick, int n_threads,
                  int64_t* start, int64_t* end, int64_t* events) {
    for (int64_t* out : {start, end, events}) touch_pages(out, n_sessions, n_threads);
    for_each_block(n_sessions, 1 << 14, n_threads, [=](int64_t from, int64_t to) {
        for (int64_t s = from; s < to; ++s) {
            start[s] = tick[begin[s]];
            end[s] = tick[begin[s + 1] - 1];
            events[s] = begin[s + 1] - begin[s];
        }
    });
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
//    key uint8[]; OUT name int64[n_sessions][2] (id and number, side by side because rows take both),
//    user int32[n_sessions]
// A walk that does not begin with the user's first session: IN before int64[3][n_users] or null, how many
// sessions came before it, the start of the last of these, and how many earlier ones began in the microsecond
// of that start (-1: it does not count); OUT same int64[n_sessions] or null, the like of each session
inline void session_ids(const int64_t* session_offset, int64_t n_users, const int64_t* start,
                        int64_t tick_length, const int64_t* key_offset, const uint8_t* key, int32_t own,
                        int n_threads, const int64_t* before, int64_t* name, int32_t* user, int64_t* same) {
    const auto cuts = cut_users(session_offset, n_users, 1 << 14);
    touch_pages(name, 2 * session_offset[n_users], n_threads);
    touch_pages(user, session_offset[n_users], n_threads);
    for_each_piece(static_cast<int64_t>(cuts.size()) - 1, n_threads, [=, &cuts](int64_t piece) {
        for (int64_t u = cuts[static_cast<size_t>(piece)]; u < cuts[static_cast<size_t>(piece) + 1]; ++u) {
            const bool is_own = u == own;
            const int64_t at_key = is_own ? 0 : key_offset[u];
            const Xxh64OfText hash(is_own ? &null_byte : key + at_key,
                                   is_own ? 1 : static_cast<size_t>(key_offset[u + 1] - at_key));
            const int64_t from = session_offset[u], to = session_offset[u + 1];
            const int64_t number = before ? before[u] + 1 : 1;
            int64_t last = before ? microseconds(before[n_users + u], tick_length) : 0;
            int64_t earlier = before ? before[2 * n_users + u] : -1;
            for (int64_t s = from; s < to; ++s) {
                const int64_t at = microseconds(start[s], tick_length);
                earlier = at == last ? earlier + 1 : 0;
                last = at;
                if (same) same[s] = earlier;
                const uint64_t id = hash(static_cast<uint64_t>(at), static_cast<uint64_t>(earlier));
                name[2 * s] = static_cast<int64_t>(id & 0x7FFFFFFFFFFFFFFFULL);
                name[2 * s + 1] = is_own ? 1 : s - from + number;
                user[s] = static_cast<int32_t>(u);
            }
        }
    });
}

// ------------------------------------------------------------------ from sessions back to rows

// The session of each row. IN begin int64[n_sessions + 1], row int64[] by position
// OUT label int32[n_rows] (rows that have no position are not written)
inline void label_rows(const int64_t* begin, int64_t n_sessions, const int64_t* row, int n_threads,
                       int32_t* label) {
    const int64_t n = begin[n_sessions];
    for_each_block(n_sessions, 1 << 12, n_threads, [&](int64_t from, int64_t to) {
        for (int64_t s = from; s < to; ++s)
            for (int64_t p = begin[s]; p < begin[s + 1]; ++p) {
                constexpr int64_t ahead = 24;
                if (p + ahead < n) __builtin_prefetch(&label[row[p + ahead]], 1);
                label[row[p]] = static_cast<int32_t>(s);
            }
    });
}

// IN label int32[n] (-1: no session), name int64[][2]; OUT row_id, row_number int64[n] (0 where none)
inline void name_rows(const int32_t* label, int64_t n, const int64_t* name, int n_threads, int64_t* row_id,
                      int64_t* row_number) {
    touch_pages(row_id, n, n_threads);
    touch_pages(row_number, n, n_threads);
    for_each_block(n, 1 << 18, n_threads, [&](int64_t from, int64_t to) {
        for (int64_t i = from; i < to; ++i) {
            constexpr int64_t ahead = 32;
            if (i + ahead < n) __builtin_prefetch(&name[2 * std::max<int64_t>(label[i + ahead], 0)]);
            const int64_t s = label[i];
            row_id[i] = s < 0 ? 0 : name[2 * s];
            row_number[i] = s < 0 ? 0 : name[2 * s + 1];
        }
    });
}

// The same where the log is its own index: rows of a session lie side by side.
inline void name_runs(const int64_t* begin, int64_t n_sessions, const int64_t* name, int n_threads,
                      int64_t* row_id, int64_t* row_number) {
    touch_pages(row_id, begin[n_sessions], n_threads);
    touch_pages(row_number, begin[n_sessions], n_threads);
    for_each_block(n_sessions, 1 << 12, n_threads, [&](int64_t from, int64_t to) {
        fill_runs(begin, from, to, [=](int64_t s) { return name[2 * s]; }, row_id);
        fill_runs(begin, from, to, [=](int64_t s) { return name[2 * s + 1]; }, row_number);
    });
}

}  // namespace cxcore
