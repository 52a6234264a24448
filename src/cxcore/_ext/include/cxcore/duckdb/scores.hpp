// cx_nps, cx_csat and cx_ces as aggregates of DuckDB: integer counters, so that the answer is the same for
// any order of rows, thread count and tree of frames. The rules and the formulas are those of scores.py
// (nps, csat, ces with their defaults) and the texts those of errors.answers_off_scale.
#pragma once

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "api.hpp"

namespace cxcore::duck {

struct Answers {
    int64_t n, n_bad, up, down;
};

struct Nps {
    static constexpr const char* name = "cx_nps";
    static constexpr int low = 0, high = 10;
    static int up(int answer) { return answer >= 9; }
    static int down(int answer) { return answer <= 6; }
    static double value(double n, double up, double down) { return 100.0 * ((up - down) / n); }
};
struct Csat {
    static constexpr const char* name = "cx_csat";
    static constexpr int low = 1, high = 5;
    static int up(int answer) { return answer >= 4; }
    static int down(int) { return 0; }
    static double value(double n, double up, double) { return 100.0 * (up / n); }
};
struct Ces {
    static constexpr const char* name = "cx_ces";
    static constexpr int low = 1, high = 7;
    static int up(int answer) { return answer; }
    static int down(int) { return 0; }
    static double value(double n, double up, double) { return up / n; }
};

inline void add(Answers& into, const Answers& part) {
    into = {into.n + part.n, into.n_bad + part.n_bad, into.up + part.up, into.down + part.down};
}

template <class Score, class T>
Answers counted(T answer) {
    bool is_level = answer <= T{Score::high};
    if constexpr (std::is_signed_v<T> || Score::low > 0) is_level = is_level && answer >= T{Score::low};
    if constexpr (std::is_floating_point_v<T>) is_level = is_level && answer == std::floor(answer);
    const int level = is_level ? static_cast<int>(answer) : Score::low;
    return {1, !is_level, Score::up(level), Score::down(level)};
}

template <class Score, class T>
void count_answers(Handle, Handle chunk, void** states) {
    const idx_t n = api.duckdb_data_chunk_get_size(chunk);
    const Column<T> score(chunk, 0);
    const bool is_one_group = std::all_of(states, states + n, [=](void* state) { return state == *states; });
    Answers all{};  // of one group, kept in registers
    for (idx_t i = 0; i < n; ++i) {
        if (score.is_null(i)) continue;
        add(is_one_group ? all : *static_cast<Answers*>(states[i]), counted<Score>(score.value[i]));
    }
    if (is_one_group && n) add(*static_cast<Answers*>(*states), all);
}

inline void add_answers(Handle, void** from, void** to, idx_t n) {
    for (idx_t i = 0; i < n; ++i) add(*static_cast<Answers*>(to[i]), *static_cast<const Answers*>(from[i]));
}

template <class Score>
void refuse_answers(Handle info, const Answers& bad) {
    char text[256];
    std::snprintf(text, sizeof text,
                  "%s(): %s of %s answers %s from %d to %d.\n"
                  "  Hint: drop them, or make them null, which says 'no answer'.",
                  Score::name, Grouped(bad.n_bad).text, Grouped(bad.n).text,
                  bad.n_bad == 1 ? "is not a whole number" : "are not whole numbers", Score::low,
                  Score::high);
    api.duckdb_aggregate_function_set_error(info, text);
}

template <class Score>
void score_answers(Handle info, void** states, Handle vector, idx_t n, idx_t offset) {
    Result<double> result(vector);
    for (idx_t i = 0; i < n; ++i) {
        const auto& of = *static_cast<const Answers*>(states[i]);
        if (of.n_bad) return refuse_answers<Score>(info, of);
        if (of.n)
            result.value[offset + i] = Score::value(static_cast<double>(of.n), static_cast<double>(of.up),
                                                    static_cast<double>(of.down));
        else
            result.set_null(offset + i);
    }
}

template <class Score>
void register_score(Handle connection) {
    Aggregates functions(connection, Score::name);
    const auto add = [&](Type type, Update update) {
        functions.add<Answers>({type}, dbl, update, add_answers, score_answers<Score>);
    };
    add(tinyint, count_answers<Score, int8_t>);
    add(smallint, count_answers<Score, int16_t>);
    add(integer, count_answers<Score, int32_t>);
    add(bigint, count_answers<Score, int64_t>);
    add(utinyint, count_answers<Score, uint8_t>);
    add(usmallint, count_answers<Score, uint16_t>);
    add(uinteger, count_answers<Score, uint32_t>);
    add(ubigint, count_answers<Score, uint64_t>);
    add(real, count_answers<Score, float>);
    add(dbl, count_answers<Score, double>);
}

}  // namespace cxcore::duck
