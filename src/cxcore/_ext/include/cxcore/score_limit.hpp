// The score interval of a mean of weights (empirical likelihood's restricted variance): Owen 2001, sec. 2.
#pragma once

#include <cmath>
#include <cstdint>

#include "cxcore/normal.hpp"

namespace cxcore {

// Lower score limit of the mean. With p_k = n_k / (n (1 + lambda (v_k - mu))) the restricted variance is
// V0 = (mean - mu) / lambda, so (mean - mu)^2 = z^2 V0 / n says lambda = z^2 / (n (mean - mu)), and one
// equation is left: sum n_k (v_k - mu) / (1 + lambda (v_k - mu)) = 0, mu in [bottom, edge]. There 1 + lambda
// (bottom - mu) = 0: where no answer sits on the bottom and the sum is not negative, the rest of the mass
// does, and the edge is the limit.
class ScoreLimit {
  public:
    ScoreLimit(const std::int64_t* counts, const std::int64_t* weight, std::int64_t n_levels,
               std::int64_t sign)
        : counts_(counts),
          weight_(weight),
          n_levels_(n_levels),
          sign_(sign) {}

    double lower(std::int64_t n, std::int64_t sum, double z) const {
        const double size = static_cast<double>(n);
        const double bottom = static_cast<double>(sign_ > 0 ? weight_[0] : -weight_[n_levels_ - 1]);
        const double mean = static_cast<double>(sign_ * sum) / size;
        if (mean <= bottom) return bottom;
        const double square = z * z;
        const double edge = (size * mean + square * bottom) / (size + square);
        double left = bottom, right = edge;
        double at_left = balance(left, bottom, square / (size * (mean - left)));
        double at_right = balance(right, bottom, square / (size * (mean - right)), true);
        if (at_right >= 0.0) return edge;
        return root(left, right, at_left, at_right, bottom, mean, square / size);
    }

  private:
    // sum n_k d / (1 + lambda d), times 1 + lambda d of the bottom level to stay finite at the edge
    double balance(double mu, double bottom, double lambda, bool edge = false) const {
        const double factor = edge ? 0.0 : 1.0 + lambda * (bottom - mu);
        double rest = 0.0, on_bottom = 0.0;
        for (std::int64_t k = 0; k < n_levels_; ++k) {
            if (counts_[k] == 0) continue;
            const double d = static_cast<double>(sign_ * weight_[k]) - mu;
            const double c = static_cast<double>(counts_[k]);
            if (k == (sign_ > 0 ? 0 : n_levels_ - 1)) {
                on_bottom = c * d;
            } else {
                rest += c * d / (1.0 + lambda * d);
            }
        }
        return edge && on_bottom == 0.0 ? rest : on_bottom + factor * rest;
    }

    // Illinois false position: always inside the bracket
    double root(double left, double right, double at_left, double at_right, double bottom, double mean,
                double scaled) const {
        double last = left;
        for (int round = 0; round < 200; ++round) {
            double mu = (left * at_right - right * at_left) / (at_right - at_left);
            if (!(mu > left && mu < right)) mu = 0.5 * (left + right);
            const double at = balance(mu, bottom, scaled / (mean - mu));
            if (at == 0.0 || std::fabs(mu - last) <= 1e-16 * (std::fabs(mean - bottom) + std::fabs(mu)))
                return mu;
            if (at > 0.0) {
                if (last == left) at_right *= 0.5;
                left = mu;
                at_left = at;
            } else {
                if (last == right) at_left *= 0.5;
                right = mu;
                at_right = at;
            }
            last = mu;
        }
        return 0.5 * (left + right);
    }

    const std::int64_t* counts_;
    const std::int64_t* weight_;
    std::int64_t n_levels_, sign_;
};

// Score interval in weight units, with `stretch` times the normal quantile; NaN without answers. Weights
// ascend and span the whole scale.
inline void score_interval(const std::int64_t* count, const std::int64_t* weight, std::int64_t n_levels,
                           double alpha, double stretch, double& low, double& high) noexcept {
    std::int64_t n = 0, sum = 0;
    for (std::int64_t k = 0; k < n_levels; ++k) {
        n += count[k];
        sum += count[k] * weight[k];
    }
    if (n == 0) {
        low = high = NOT_A_NUMBER;
        return;
    }
    const double z = -normal_quantile(0.5 * alpha) * stretch;
    low = ScoreLimit(count, weight, n_levels, 1).lower(n, sum, z);
    high = -ScoreLimit(count, weight, n_levels, -1).lower(n, sum, z);
}

// low, high float64[n_groups]
inline void score_intervals(const std::int64_t* counts, const std::int64_t* weight, std::int64_t n_groups,
                            std::int64_t n_levels, const double* alpha, const double* stretch, double* low,
                            double* high) noexcept {
    for (std::int64_t g = 0; g < n_groups; ++g)
        score_interval(counts + g * n_levels, weight, n_levels, alpha[g], stretch[g], low[g], high[g]);
}

}  // namespace cxcore
