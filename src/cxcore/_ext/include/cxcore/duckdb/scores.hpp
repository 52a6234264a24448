// cx_nps, cx_csat and cx_ces as aggregates of DuckDB: integer counters, so that the answer is the same for
// any order of rows, thread count and tree of frames. The rules and the formulas are those of scores.py
// (nps, csat, ces with their defaults) and the texts those of errors.answers_off_scale. Intervals:
// intervals.hpp.
#pragma once

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "api.hpp"

namespace cxcore::duck {

struct Answers {
    int64_t n, n_bad, up, down;
};

// Answers are of classes of one weight each, ascending; `factor` makes a mean weight a score.
struct Nps {
    static constexpr const char *name = "cx_nps", *interval = "cx_nps_ci";
    static constexpr int low = 0, high = 10;
    static constexpr int64_t weight[] = {-1, 0, 1};
    static constexpr double factor = 100.0;
    static int place(int answer) { return (answer > 6) + (answer > 8); }
    static int up(int answer) { return answer >= 9; }
    static int down(int answer) { return answer <= 6; }
    static double value(double n, double up, double down) { return 100.0 * ((up - down) / n); }
};
struct Csat {
    static constexpr const char *name = "cx_csat", *interval = "cx_csat_ci";
    static constexpr int low = 1, high = 5;
    static constexpr int64_t weight[] = {0, 1};
    static constexpr double factor = 100.0;
    static int place(int answer) { return answer > 3; }
    static int up(int answer) { return answer >= 4; }
    static int down(int) { return 0; }
    static double value(double n, double up, double) { return 100.0 * (up / n); }
};
struct Ces {
    static constexpr const char *name = "cx_ces", *interval = "cx_ces_ci";
    static constexpr int low = 1, high = 7;
    static constexpr int64_t weight[] = {1, 2, 3, 4, 5, 6, 7};
    static constexpr double factor = 1.0;
    static int place(int answer) { return answer - 1; }
    static int up(int answer) { return answer; }
    static int down(int) { return 0; }
    static double value(double n, double up, double) { return up / n; }
};

inline void add(Answers& into, const Answers& part) {
    into = {into.n + part.n, into.n_bad + part.n_bad, into.up + part.up, into.down + part.down};
}

template <class Score, class T>
bool is_level(T answer) {
    bool is_level = answer <= T{Score::high};
    if constexpr (std::is_signed_v<T> || Score::low > 0) is_level = is_level && answer >= T{Score::low};
    if constexpr (std::is_floating_point_v<T>) is_level = is_level && answer == std::floor(answer);
    return is_level;
}

template <class Score, class T>
Answers counted(T answer) {
    const bool is_good = is_level<Score>(answer);
    const int level = is_good ? static_cast<int>(answer) : Score::low;
    return {1, !is_good, Score::up(level), Score::down(level)};
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

inline void refuse_answers(Handle info, const char* name, int low, int high, int64_t n_bad, int64_t n) {
    char text[256];
    std::snprintf(text, sizeof text,
                  "%s(): %s of %s answers %s from %d to %d.\n"
                  "  Hint: drop them, or make them null, which says 'no answer'.",
                  name, Grouped(n_bad).text, Grouped(n).text,
                  n_bad == 1 ? "is not a whole number" : "are not whole numbers", low, high);
    api.duckdb_aggregate_function_set_error(info, text);
}

template <class Score>
void score_answers(Handle info, void** states, Handle vector, idx_t n, idx_t offset) {
    Result<double> result(vector);
    for (idx_t i = 0; i < n; ++i) {
        const auto& of = *static_cast<const Answers*>(states[i]);
        if (of.n_bad) return refuse_answers(info, Score::name, Score::low, Score::high, of.n_bad, of.n);
        if (of.n)
            result.value[offset + i] = Score::value(static_cast<double>(of.n), static_cast<double>(of.up),
                                                    static_cast<double>(of.down));
        else
            result.set_null(offset + i);
    }
}

// Calls use(type, T) for the types of answers.
template <class Use>
void for_each_answer_type(Use&& use) {
    use(tinyint, int8_t{}), use(smallint, int16_t{}), use(integer, int32_t{}), use(bigint, int64_t{});
    use(utinyint, uint8_t{}), use(usmallint, uint16_t{}), use(uinteger, uint32_t{}), use(ubigint, uint64_t{});
    use(real, float{}), use(dbl, double{});
}

template <class Score>
void register_score(Handle connection) {
    Aggregates functions(connection, Score::name);
    for_each_answer_type([&](Type type, auto answer) {
        functions.add<Answers>({type}, dbl, count_answers<Score, decltype(answer)>, add_answers,
                               score_answers<Score>);
    });
}

}  // namespace cxcore::duck
