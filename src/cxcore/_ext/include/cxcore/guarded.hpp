// The default interval of a mean of whole weights, from counts, and what is said of a sample beside it: here,
// so that Python and functions of DuckDB give the same numbers, words and flags.
//
// Exact BCa where enough answers lie outside the largest class; else an interval that needs no such support:
// of two weights Clopper and Pearson (Biometrika 26, 1934), of three the score interval, of more the score
// interval with the divisor n - 1. Why: docs/explanation/scores.md; the laws: lattice.hpp and
// score_limit.hpp.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "lattice.hpp"
#include "memory.hpp"
#include "score_limit.hpp"

namespace cxcore {

// Answers below which coverage swings most from case to case; answers outside the largest class from which a
// bootstrap keeps its level, and from which BCa does so for a share.
constexpr int64_t enough_answers = 30, enough_outside = 15, enough_outside_of_share = 30;

// The method that gave an interval.
enum class Given : uint8_t { bca, exact, score, score_n_minus_1 };

// Bits of a code of flags, in the order of FLAGS in intervals/base.py.
enum Flag : int64_t { no_answers = 1, few_answers = 2, one_category = 4, score_fallback = 8 };

struct Described {
    int64_t n, outside;           // answers, and those outside the largest class
    int64_t flags;                // that hold for any method
    Given given;                  // what the default gives
    double mean, standard_error;  // of the bootstrap law; NaN without answers
};

inline Given given_by_default(int64_t outside, int64_t n_weights) {
    if (outside >= (n_weights == 2 ? enough_outside_of_share : enough_outside)) return Given::bca;
    return n_weights == 2 ? Given::exact : n_weights == 3 ? Given::score : Given::score_n_minus_1;
}

inline Described describe(const int64_t* count, const int64_t* weight, int64_t n_weights) {
    int64_t n = 0, most = 0, sum = 0;
    for (int64_t k = 0; k < n_weights; ++k) {
        n += count[k];
        most = std::max(most, count[k]);
        sum += count[k] * weight[k];
    }
    const Given given = given_by_default(n - most, n_weights);
    if (!n) return {0, 0, no_answers, given, NOT_A_NUMBER, NOT_A_NUMBER};
    const double size = static_cast<double>(n), mean = static_cast<double>(sum) / size;
    double squares = 0.0;
    for (int64_t k = 0; k < n_weights; ++k) {
        const double away = static_cast<double>(weight[k]) - mean;
        squares += static_cast<double>(count[k]) * away * away;
    }
    const int64_t flags = few_answers * (n < enough_answers) | one_category * (n == most);
    return {n, n - most, flags, given, mean, std::sqrt(squares) / size};
}

// The p at which P(X <= k) is `probability`, X ~ binomial(n, p), 2 k <= n: Newton's steps inside a bracket.
inline double share_of_tail(int64_t k, int64_t n, double probability) {
    Array<double> log_ways(static_cast<size_t>(k) + 1);
    log_ways[0] = 0.0;
    for (int64_t i = 0; i < k; ++i)
        log_ways[static_cast<size_t>(i) + 1] =
            log_ways[static_cast<size_t>(i)] +
            std::log(static_cast<double>(n - i) / static_cast<double>(i + 1));
    const double size = static_cast<double>(n);
    double low = 0.0, high = 1.0, p = static_cast<double>(k + 1) / static_cast<double>(n + 1);
    for (int round = 0; round < 100; ++round) {
        const double none = std::log1p(-p), odds = std::log(p) - none;
        double sum = 0.0, term = 0.0;
        for (int64_t i = 0; i <= k; ++i) {
            term = std::exp(log_ways[static_cast<size_t>(i)] + static_cast<double>(i) * odds + size * none);
            sum += term;
        }
        const double error = sum - probability;
        (error > 0.0 ? low : high) = p;
        const double slope = static_cast<double>(n - k) * term / (1.0 - p);  // of the tail, downwards
        double after = p + error / std::max(slope, 1e-300);
        if (!(after > low && after < high)) after = 0.5 * (low + high);
        const bool is_there = std::fabs(after - p) <= 1e-15 * p;
        p = after;
        if (is_there) break;
    }
    return p;
}

// Of two weights: every share under which what was seen, or more of it, has a chance of alpha / 2 or more.
inline void share_interval(const int64_t* count, const int64_t* weight, double alpha, double& low,
                           double& high) {
    const int64_t n = count[0] + count[1], few = std::min(count[0], count[1]);
    if (!n) {
        low = high = NOT_A_NUMBER;
        return;
    }
    const double tail = 0.5 * alpha;
    const double least = few ? share_of_tail(few - 1, n, 1.0 - tail) : 0.0,
                 most = share_of_tail(few, n, tail);
    const bool turned = count[1] > few;  // the few are those of the lower weight
    const double bottom = static_cast<double>(weight[0]), span = static_cast<double>(weight[1]) - bottom;
    low = bottom + span * (turned ? 1.0 - most : least);
    high = bottom + span * (turned ? 1.0 - least : most);
}

// With the divisor n - 1: one answer says nothing but that its mean lies on the scale.
inline void score_n_minus_1_interval(const int64_t* count, const int64_t* weight, int64_t n_weights,
                                     int64_t n, double alpha, double& low, double& high) {
    if (n == 1) {
        low = static_cast<double>(weight[0]), high = static_cast<double>(weight[n_weights - 1]);
        return;
    }
    const double stretch =
        std::sqrt(static_cast<double>(n) / static_cast<double>(std::max<int64_t>(n - 1, 1)));
    score_interval(count, weight, n_weights, alpha, stretch, low, high);
}

// By the method that `of` names, in weight units; NaN without answers. May throw: out of memory.
inline void guarded_interval(ResampleLaw& law, const Described& of, const int64_t* count,
                             const int64_t* weight, int64_t n_weights, double alpha, double& low,
                             double& high) {
    switch (of.given) {
        case Given::bca: return resample_interval(law, count, weight, n_weights, alpha, true, low, high);
        case Given::exact: return share_interval(count, weight, alpha, low, high);
        case Given::score: return score_interval(count, weight, n_weights, alpha, 1.0, low, high);
        case Given::score_n_minus_1:
            return score_n_minus_1_interval(count, weight, n_weights, of.n, alpha, low, high);
    }
}

// The same for groups, or all by one method where `given` is not negative. OUT low, high float64[n_groups].
// 0, or -1 where memory ran out.
inline int guarded_intervals(const int64_t* counts, const int64_t* weight, int64_t n_groups,
                             int64_t n_weights, double alpha, int given, double* low, double* high) noexcept {
    try {
        ResampleLaw law;
        for (int64_t g = 0; g < n_groups; ++g) {
            const int64_t* const count = counts + g * n_weights;
            Described of = describe(count, weight, n_weights);
            if (given >= 0) of.given = static_cast<Given>(given);
            guarded_interval(law, of, count, weight, n_weights, alpha, low[g], high[g]);
        }
    } catch (...) {
        return -1;
    }
    return 0;
}

}  // namespace cxcore
