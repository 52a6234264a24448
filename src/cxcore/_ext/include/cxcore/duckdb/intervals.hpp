// cx_nps_ci, cx_csat_ci and cx_ces_ci: the score with its default interval, a struct, as aggregates of
// DuckDB. Counts by weight are the state, so it merges exactly; the interval is that of the verbs
// (guarded.hpp).
#pragma once

#include <cstring>
#include <iterator>

#include "../guarded.hpp"
#include "scores.hpp"

namespace cxcore::duck {

// `level` is the confidence level of the group, 0 while no row has said one, and NaN where rows differ.
template <class Score>
struct Counts {
    static constexpr int n_weights = static_cast<int>(std::size(Score::weight));
    int64_t count[n_weights];
    int64_t n_bad;
    double level;

    void take_level(double said) { level = level == 0.0 || level == said ? said : NOT_A_NUMBER; }
};

template <class Score>
void refuse_level(Handle info, const char* said) {
    char text[256];
    std::snprintf(text, sizeof text,
                  "%s(level=%s): a level lies between 0 and 1, and is one for all rows of a group.\n"
                  "  Hint: such as 0.95.",
                  Score::interval, said);
    api.duckdb_aggregate_function_set_error(info, text);
}

template <class Score, class T, bool has_level>
void count_by_weight(Handle info, Handle chunk, void** states) {
    const idx_t n = api.duckdb_data_chunk_get_size(chunk);
    const Column<T> score(chunk, 0);
    const Column<double> level(chunk, has_level ? 1 : 0);
    for (idx_t i = 0; i < n; ++i) {
        auto& of = *static_cast<Counts<Score>*>(states[i]);
        if constexpr (has_level) {
            if (level.is_null(i)) return refuse_level<Score>(info, "NULL");
            if (!(level.value[i] > 0.0 && level.value[i] < 1.0)) {
                char said[32];
                std::snprintf(said, sizeof said, "%g", level.value[i]);
                return refuse_level<Score>(info, said);
            }
            of.take_level(level.value[i]);
        }
        if (score.is_null(i)) continue;
        const bool is_good = is_level<Score>(score.value[i]);
        of.n_bad += !is_good;
        of.count[is_good ? Score::place(static_cast<int>(score.value[i])) : 0] += is_good;
    }
}

template <class Score>
void add_counts(Handle, void** from, void** to, idx_t n) {
    for (idx_t i = 0; i < n; ++i) {
        const auto& part = *static_cast<const Counts<Score>*>(from[i]);
        auto& into = *static_cast<Counts<Score>*>(to[i]);
        for (int k = 0; k < Counts<Score>::n_weights; ++k) into.count[k] += part.count[k];
        into.n_bad += part.n_bad;
        if (part.level != 0.0) into.take_level(part.level);
    }
}

// The fields of the struct, in their order.
struct IntervalResult {
    Result<double> estimate, low, high, standard_error;
    Result<int64_t> n;
    Handle method, flags;
    Handle all;

    explicit IntervalResult(Handle vector)
        : estimate(child(vector, 0)),
          low(child(vector, 1)),
          high(child(vector, 2)),
          standard_error(child(vector, 3)),
          n(child(vector, 4)),
          method(child(vector, 5)),
          flags(child(vector, 6)),
          all(vector) {}

    void set_null(idx_t row) {
        for (const Handle vector :
             {all, estimate.vector, low.vector, high.vector, standard_error.vector, n.vector, method, flags})
            Result<char>(vector).set_null(row);
    }

  private:
    static Handle child(Handle vector, idx_t i) { return api.duckdb_struct_vector_get_child(vector, i); }
};

inline void write_words(IntervalResult& result, idx_t row, const Described& of) {
    static constexpr const char* methods[] = {"bca", "exact", "score", "score_n_minus_1"};
    static constexpr const char* words[] = {"no_answers", "few_answers", "one_category", "score_fallback"};
    const int64_t flags = of.flags | score_fallback * (of.given != Given::bca);
    char text[64] = "";
    for (int bit = 0; bit < 4; ++bit)
        if (flags >> bit & 1) {
            if (*text) std::strcat(text, ",");
            std::strcat(text, words[bit]);
        }
    api.duckdb_vector_assign_string_element(result.method, row, methods[static_cast<int>(of.given)]);
    api.duckdb_vector_assign_string_element(result.flags, row, text);
}

template <class Score>
void interval_of_counts(Handle info, void** states, Handle vector, idx_t n, idx_t offset) {
    constexpr int n_weights = Counts<Score>::n_weights;
    try {
        IntervalResult result(vector);
        ResampleLaw law;
        for (idx_t i = 0; i < n; ++i) {
            const auto& counts = *static_cast<const Counts<Score>*>(states[i]);
            const idx_t row = offset + i;
            const Described of = describe(counts.count, Score::weight, n_weights);
            if (counts.n_bad)
                return refuse_answers(info, Score::interval, Score::low, Score::high, counts.n_bad,
                                      of.n + counts.n_bad);
            if (counts.level != counts.level) return refuse_level<Score>(info, "various");
            if (!of.n) {
                result.set_null(row);
                continue;
            }
            double low, high;
            const double level = counts.level == 0.0 ? 0.95 : counts.level;
            guarded_interval(law, of, counts.count, Score::weight, n_weights, 1.0 - level, low, high);
            result.estimate.value[row] = of.mean * Score::factor;
            result.low.value[row] = low * Score::factor;
            result.high.value[row] = high * Score::factor;
            result.standard_error.value[row] = of.standard_error * Score::factor;
            result.n.value[row] = of.n;
            write_words(result, row, of);
        }
    } catch (...) {
        api.duckdb_aggregate_function_set_error(info, "out of memory");
    }
}

template <class Score>
void register_interval(Handle connection) {
    const LogicalType interval{{"estimate", dbl},       {"low", dbl},  {"high", dbl},
                               {"standard_error", dbl}, {"n", bigint}, {"method", varchar},
                               {"flags", varchar}};
    Aggregates functions(connection, Score::interval);
    for_each_answer_type([&](Type type, auto answer) {
        using T = decltype(answer);
        functions.add<Counts<Score>>({type}, interval, count_by_weight<Score, T, false>, add_counts<Score>,
                                     interval_of_counts<Score>);
        functions.add<Counts<Score>>({type, dbl}, interval, count_by_weight<Score, T, true>,
                                     add_counts<Score>, interval_of_counts<Score>);
    });
}

}  // namespace cxcore::duck
