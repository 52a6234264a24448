// cx_session_number(ts, gap) OVER (PARTITION BY user ORDER BY ts) as an aggregate of DuckDB: how many
// sessions the rows of the frame make. A frame is put together from runs of rows in a tree, so a state is a
// run in order of time (its first and last tick, and how many silences in it are longer than the gap), and
// two runs that follow each other make one. A silence of exactly the gap does not split, as in sessions.hpp.
// And cx_session_id(user, start), the id of a session that is the first of its user in that microsecond.
#pragma once

#include <limits>
#include <type_traits>

#include "../sessions.hpp"
#include "api.hpp"

namespace cxcore::duck {

constexpr int64_t of_microsecond = 1'000, of_millisecond = 1'000'000, of_second = 1'000'000'000,
                  of_day = 86'400 * of_second;  // ns

// ------------------------------------------------------------------ numbers

enum class Fault : int32_t { none, null_gap, calendar, not_positive, two_gaps, unordered };

struct Run {
    int64_t n, n_null, first, last, n_long;  // rows with a time, without; ticks; silences longer than the gap
    uint64_t gap;                            // ticks
    Fault fault;

    void take(int64_t tick, uint64_t with) {
        if (!n)
            first = tick, gap = with;
        else if (with != gap)
            fault = Fault::two_gaps;
        else if (tick < last)
            fault = Fault::unordered;
        else
            n_long += silence(last, tick) > gap;
        last = tick, ++n;
    }

    // The run before or behind it; which of them DuckDB does not say.
    void join(const Run& other) {
        if (fault == Fault::none) fault = other.fault;
        n_null += other.n_null;
        if (!other.n) return;
        if (!n) {
            n = other.n, first = other.first, last = other.last, n_long = other.n_long, gap = other.gap;
            return;
        }
        if (gap != other.gap) return void(fault = Fault::two_gaps);
        const bool is_behind = last <= other.first;
        if (!is_behind && other.last > first) return void(fault = Fault::unordered);
        n_long +=
            other.n_long + (is_behind ? silence(last, other.first) > gap : silence(other.last, first) > gap);
        (is_behind ? last : first) = is_behind ? other.last : other.first;
        n += other.n;
    }
};

inline const char* text_of(Fault fault) {
    switch (fault) {
        case Fault::null_gap: return "gap is null.\n  Hint: such as INTERVAL 30 MINUTE.";
        case Fault::calendar:
            return "months, quarters and years have no fixed length.\n  Hint: write days: INTERVAL 30 DAY.";
        case Fault::not_positive:
            return "gap must be longer than nothing.\n  Hint: such as INTERVAL 30 MINUTE.";
        case Fault::two_gaps: return "the rows do not agree on one gap.\n  Hint: write a constant.";
        default: return "the rows are not in order of time.\n  Hint: OVER (PARTITION BY user ORDER BY ts).";
    }
}

// A gap in ticks of `tick_length` ns, rounded down: silences are whole ticks.
inline Fault ticks_of(const Interval& gap, int64_t tick_length, uint64_t& ticks) {
    if (gap.months) return Fault::calendar;
    const __int128 ns = (static_cast<__int128>(gap.days) * 86'400'000'000 + gap.micros) * of_microsecond;
    if (ns <= 0) return Fault::not_positive;
    const __int128 whole = ns / tick_length;
    ticks = whole > UINT64_MAX ? UINT64_MAX : static_cast<uint64_t>(whole);
    return Fault::none;
}
inline Fault ticks_of(int64_t gap, int64_t, uint64_t& ticks) {
    ticks = static_cast<uint64_t>(gap);
    return gap > 0 ? Fault::none : Fault::not_positive;
}
inline bool same(const Interval& a, const Interval& b) { return !std::memcmp(&a, &b, sizeof a); }
inline bool same(int64_t a, int64_t b) { return a == b; }

template <class Tick, class Gap, int64_t tick_length>
void follow(Handle, Handle chunk, void** states) {
    const idx_t n = api.duckdb_data_chunk_get_size(chunk);
    const Column<Tick> time(chunk, 0);
    const Column<Gap> gap(chunk, 1);
    Gap before{};  // no gap, so not positive
    uint64_t ticks = 0;
    Fault fault = Fault::not_positive;
    for (idx_t i = 0; i < n; ++i) {
        Run& run = *static_cast<Run*>(states[i]);
        if (gap.is_null(i)) {
            run.fault = Fault::null_gap;
            continue;
        }
        if (!same(gap.value[i], before)) before = gap.value[i], fault = ticks_of(before, tick_length, ticks);
        if (fault != Fault::none)
            run.fault = fault;
        else if (time.is_null(i))
            ++run.n_null;
        else
            run.take(time.value[i], ticks);
    }
}

inline void join_runs(Handle, void** from, void** to, idx_t n) {
    for (idx_t i = 0; i < n; ++i) static_cast<Run*>(to[i])->join(*static_cast<const Run*>(from[i]));
}

inline void refuse_run(Handle info, const Run& run) {
    char text[256];
    if (run.fault != Fault::none)
        std::snprintf(text, sizeof text, "cx_session_number(): %s", text_of(run.fault));
    else
        std::snprintf(text, sizeof text,
                      "cx_session_number(): %s of %s rows have no time.\n"
                      "  Hint: drop them: WHERE … in a CTE or a view.",
                      Grouped(run.n_null).text, Grouped(run.n + run.n_null).text);
    api.duckdb_aggregate_function_set_error(info, text);
}

inline void number_runs(Handle info, void** states, Handle vector, idx_t n, idx_t offset) {
    Result<int64_t> result(vector);
    for (idx_t i = 0; i < n; ++i) {
        const Run& run = *static_cast<const Run*>(states[i]);
        if (run.fault != Fault::none || run.n_null) return refuse_run(info, run);
        if (run.n)
            result.value[offset + i] = run.n_long + 1;
        else
            result.set_null(offset + i);
    }
}

inline void register_session_number(Handle connection) {
    Aggregates functions(connection, "cx_session_number");
    const auto add = [&](Type time, Type gap, Update update) {
        functions.add<Run>({time, gap}, bigint, update, join_runs, number_runs);
    };
    add(timestamp, interval, follow<int64_t, Interval, of_microsecond>);
    add(timestamp_tz, interval, follow<int64_t, Interval, of_microsecond>);
    add(timestamp_s, interval, follow<int64_t, Interval, of_second>);
    add(timestamp_ms, interval, follow<int64_t, Interval, of_millisecond>);
    add(timestamp_ns, interval, follow<int64_t, Interval, 1>);
    add(timestamp_tz_ns, interval, follow<int64_t, Interval, 1>);
    add(date, interval, follow<int32_t, Interval, of_day>);
    add(bigint, bigint, follow<int64_t, int64_t, 1>);
}

// ------------------------------------------------------------------ ids

struct Wide {  // HUGEINT
    uint64_t lower;
    int64_t upper;
};

// The canonical bytes of a user (docs/adr/0003): `buffer` holds those of a number. False: no int64 holds it.
inline bool key_of(int64_t user, int64_t& buffer) { return buffer = user, true; }
inline bool key_of(uint64_t user, int64_t& buffer) {  // by its bits, as the key encoder takes it
    return buffer = static_cast<int64_t>(user), true;
}
inline bool key_of(const Wide& user, int64_t& buffer) {
    buffer = static_cast<int64_t>(user.lower);
    return user.upper == (buffer < 0 ? -1 : 0);
}

inline int64_t session_id(const uint8_t* key, size_t size, int64_t start) {
    const uint64_t id = Xxh64OfText(key, size)(static_cast<uint64_t>(start), 0);
    return static_cast<int64_t>(id & INT64_MAX);
}

template <class User, class Tick, int64_t tick_length>
void name_sessions(Handle info, Handle chunk, Handle vector) {
    const idx_t n = api.duckdb_data_chunk_get_size(chunk);
    const Column<User> user(chunk, 0);
    const Column<Tick> start(chunk, 1);
    Result<int64_t> result(vector);
    try {
        for (idx_t i = 0; i < n; ++i) {
            if (user.is_null(i) || start.is_null(i)) {
                result.set_null(i);
                continue;
            }
            const int64_t at = microseconds(start.value[i], tick_length);
            if constexpr (std::is_same_v<User, String>) {
                result.value[i] = session_id(user.value[i].data(), user.value[i].length, at);
            } else {
                int64_t key;
                if (!key_of(user.value[i], key))
                    return api.duckdb_scalar_function_set_error(
                        info,
                        "cx_session_id(): a user id does not fit a BIGINT.\n  Hint: cast ids to VARCHAR.");
                result.value[i] = session_id(reinterpret_cast<const uint8_t*>(&key), sizeof key, at);
            }
        }
    } catch (...) {  // no memory for the text of a user
        api.duckdb_scalar_function_set_error(info, "cx_session_id(): out of memory.");
    }
}

template <class User>
void add_session_id(Scalars& functions, Type user) {
    functions.add({user, timestamp}, bigint, name_sessions<User, int64_t, of_microsecond>);
    functions.add({user, timestamp_tz}, bigint, name_sessions<User, int64_t, of_microsecond>);
    functions.add({user, timestamp_s}, bigint, name_sessions<User, int64_t, of_second>);
    functions.add({user, timestamp_ms}, bigint, name_sessions<User, int64_t, of_millisecond>);
    functions.add({user, timestamp_ns}, bigint, name_sessions<User, int64_t, 1>);
    functions.add({user, timestamp_tz_ns}, bigint, name_sessions<User, int64_t, 1>);
    functions.add({user, date}, bigint, name_sessions<User, int32_t, of_day>);
}

inline void register_session_id(Handle connection) {
    Scalars functions(connection, "cx_session_id");
    add_session_id<int64_t>(functions, bigint);
    add_session_id<uint64_t>(functions, ubigint);
    add_session_id<Wide>(functions, hugeint);
    add_session_id<String>(functions, varchar);
    add_session_id<String>(functions, blob);
}

}  // namespace cxcore::duck
