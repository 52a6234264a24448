// Confidence sequence of a mean over a bounded scale: every mean against which no bet has paid off.
//
// With x in [0, 1] and E x = m, an answer multiplies a bet's stake by D = f x / m + (1 - f) (1 - x) / (1 -
// m), which is never negative and 1 on average, for any f in [0, 1]. The mixture W(m) of the stakes over f ~
// Beta(1/2, 1/2) is a martingale from 1, so by Ville's inequality (1939) it ever reaches 1 / alpha with a
// chance of alpha at most (Robbins 1970; Waudby-Smith, Ramdas 2024; for this mixture, which is Cover's
// universal portfolio of two stocks, Orabona, Jun 2024). W depends on the counts alone, and log W is convex
// in m, as log D is for each f and x: so the means with W < 1 / alpha are an interval.
// With f = sin² theta the mixture is a mean over theta in [0, pi / 2] of a polynomial of degree n in cos 2
// theta: N >= (n + 1) / 2 equal steps (Gauss, Chebyshev) are exact, and 4 sqrt(n) leave exp(-2 N² / n) =
// exp(-32), as a peak in theta is never narrower than 1 / (2 sqrt(n)).
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "cxcore/normal.hpp"

namespace cxcore {

class Wealth {
  public:
    // Shares of the scale, lowest first; sign -1 turns it round.
    void fit(const std::int64_t* counts, const std::int64_t* weight, std::int64_t n_levels, int sign) {
        count_.clear();
        x_.clear();
        double sum = 0.0, size = 0.0;
        const double span = static_cast<double>(weight[n_levels - 1] - weight[0]);
        for (std::int64_t k = 0; k < n_levels; ++k) {
            if (counts[k] == 0) continue;
            const std::int64_t away = sign > 0 ? weight[k] - weight[0] : weight[n_levels - 1] - weight[k];
            count_.push_back(static_cast<double>(counts[k]));
            x_.push_back(static_cast<double>(away) / span);
            size += count_.back();
            sum += count_.back() * x_.back();
        }
        n_ = size;
        mean_ = sum / size;
        double square = 0.0;
        for (std::size_t k = 0; k < x_.size(); ++k) square += count_[k] * (x_[k] - mean_) * (x_[k] - mean_);
        sd_ = std::sqrt(square / size);
        const double exact = std::floor(size / 2.0) + 1.0, enough = std::ceil(4.0 * std::sqrt(size)) + 8.0;
        n_nodes_ = static_cast<std::int64_t>(std::fmin(exact, enough));
    }

    // The least m in [0, 1] with log W(m) <= goal; below the mean log W falls.
    double lower(double goal) const {
        if (mean_ <= 0.0) return 0.0;
        const double reach = 2.0 * (goal + 0.5 * std::log(n_ + 1.0) + 1.0);
        double step = std::fmax(std::sqrt(reach / n_) * sd_, 0.5 * reach / n_);
        double right = mean_, at_right = -goal;  // a bound: no stake grows at the mean
        double left = std::fmax(mean_ - step, 0.5 * mean_), at_left = log_wealth(left) - goal;
        while (at_left < 0.0) {
            right = left;
            at_right = at_left;
            step *= 2.0;
            left = std::fmax(mean_ - step, 0.5 * right);
            at_left = log_wealth(left) - goal;
        }
        return root(left, right, at_left, at_right, goal);
    }

    double mean() const { return mean_; }

    double log_wealth(double m) const {
        std::int64_t first = 0, last = n_nodes_;  // the first node at which stakes fall with f
        while (first < last) {
            const std::int64_t middle = (first + last) / 2;
            if (slope(middle, m) > 0.0)
                first = middle + 1;
            else
                last = middle;
        }
        const std::int64_t peak = first < n_nodes_ ? first : n_nodes_ - 1;
        const double top = log_stake(peak, m);
        double total = 1.0;
        for (std::int64_t j = peak + 1; j < n_nodes_; ++j) {
            const double below = log_stake(j, m) - top;
            total += std::exp(below);
            if (below < -NOTHING) break;
        }
        for (std::int64_t j = peak - 1; j >= 0; --j) {
            const double below = log_stake(j, m) - top;
            total += std::exp(below);
            if (below < -NOTHING) break;
        }
        return top + std::log(total / static_cast<double>(n_nodes_));
    }

  private:
    static constexpr double NOTHING = 40.0;  // exp(-40) of the peak: stakes fall on from there

    void node(std::int64_t j, double& f, double& rest) const {
        const double theta = 0.5 * PI * (static_cast<double>(j) + 0.5) / static_cast<double>(n_nodes_);
        const double sine = std::sin(theta), cosine = std::cos(theta);
        f = sine * sine;
        rest = cosine * cosine;
    }

    double slope(std::int64_t j, double m) const {  // of the log of the stake, in f
        double f, rest, total = 0.0;
        node(j, f, rest);
        for (std::size_t k = 0; k < x_.size(); ++k) {
            const double up = x_[k] / m, down = (1.0 - x_[k]) / (1.0 - m);
            total += count_[k] * (up - down) / (f * up + rest * down);
        }
        return total;
    }

    double log_stake(std::int64_t j, double m) const {
        double f, rest, total = 0.0;
        node(j, f, rest);
        for (std::size_t k = 0; k < x_.size(); ++k) {
            const double gain = (f - m) * (x_[k] - m) / (m * (1.0 - m));
            total += count_[k] * (gain > -0.5 ? std::log1p(gain)
                                              : std::log(f * x_[k] / m + rest * (1.0 - x_[k]) / (1.0 - m)));
        }
        return total;
    }

    // Illinois false position: always inside the bracket
    double root(double left, double right, double at_left, double at_right, double goal) const {
        double last = left;
        for (int round = 0; round < 200; ++round) {
            double m = (left * at_right - right * at_left) / (at_right - at_left);
            if (!(m > left && m < right)) m = 0.5 * (left + right);
            const double at = log_wealth(m) - goal;
            if (at == 0.0 || std::fabs(m - last) <= 1e-15 * m) return m;
            if (at > 0.0) {
                if (last == left) at_right *= 0.5;
                left = m;
                at_left = at;
            } else {
                if (last == right) at_left *= 0.5;
                right = m;
                at_right = at;
            }
            last = m;
        }
        return 0.5 * (left + right);
    }

    std::vector<double> count_, x_;
    double n_ = 0.0, mean_ = 0.0, sd_ = 0.0;
    std::int64_t n_nodes_ = 1;
};

// Two groups: the product of their stakes is a martingale too, whatever the order in which answers come. So
// the differences d are those for which some m has log W1(m + d) + log W2(m) < log 1 / alpha; the least such
// sum J(d) is convex, and exp(-J(0)) is the p-value.
class WealthOfDifference {
  public:
    void fit(const std::int64_t* one, const std::int64_t* two, const std::int64_t* weight,
             std::int64_t n_levels, int sign) {
        one_.fit(one, weight, n_levels, sign);
        two_.fit(two, weight, n_levels, sign);
        difference_ = one_.mean() - two_.mean();
    }

    // J(d), by golden sections: the best m lies between the two means, or a little beside
    double least(double d) const {
        const double bottom = std::fmax(0.0, -d), top = std::fmin(1.0, 1.0 - d),
                     margin = 0.05 * (top - bottom);
        double left = std::fmin(two_.mean(), one_.mean() - d) - margin;
        double right = std::fmax(two_.mean(), one_.mean() - d) + margin;
        if (left < bottom) left = bottom;
        if (right > top) right = top;
        double low = right - GOLDEN * (right - left), high = left + GOLDEN * (right - left);
        double at_low = both(low, d), at_high = both(high, d);
        for (int round = 0; round < 45; ++round) {
            if (at_low < at_high) {
                right = high;
                high = low;
                at_high = at_low;
                low = right - GOLDEN * (right - left);
                at_low = both(low, d);
            } else {
                left = low;
                low = high;
                at_low = at_high;
                high = left + GOLDEN * (right - left);
                at_high = both(high, d);
            }
        }
        return std::fmin(at_low, at_high);
    }

    // The least d with J(d) <= goal
    double lower(double goal) const {
        if (difference_ <= -1.0) return -1.0;
        double right = difference_, step = 0.125 * (1.0 + difference_), left = right - step;
        while (left > -1.0 + 1e-12 && least(left) < goal) {
            right = left;
            step *= 2.0;
            left = std::fmax(right - step, 0.5 * (right - 1.0));
        }
        for (int round = 0; round < 60 && right - left > 1e-15; ++round) {
            const double middle = 0.5 * (left + right);
            if (least(middle) < goal)
                right = middle;
            else
                left = middle;
        }
        return 0.5 * (left + right);
    }

  private:
    static constexpr double GOLDEN = 0.6180339887498949;

    double both(double m, double d) const { return one_.log_wealth(m + d) + two_.log_wealth(m); }

    Wealth one_, two_;
    double difference_ = 0.0;
};

// low, high float64[n_pairs] in weight units, and the p-value, which alone where alpha is 1; NaN where a
// side has no answer. 0, or -1.
inline int always_valid_differences(const std::int64_t* one, const std::int64_t* two,
                                    const std::int64_t* weight, std::int64_t n_pairs, std::int64_t n_levels,
                                    const double* alpha, double* low, double* high, double* p) noexcept {
    try {
        WealthOfDifference wealth;
        const double span = static_cast<double>(weight[n_levels - 1] - weight[0]);
        for (std::int64_t g = 0; g < n_pairs; ++g) {
            std::int64_t n_one = 0, n_two = 0;
            for (std::int64_t k = 0; k < n_levels; ++k) {
                n_one += one[g * n_levels + k];
                n_two += two[g * n_levels + k];
            }
            low[g] = high[g] = p[g] = NOT_A_NUMBER;
            if (n_one == 0 || n_two == 0) continue;
            wealth.fit(one + g * n_levels, two + g * n_levels, weight, n_levels, 1);
            p[g] = std::fmin(1.0, std::exp(-wealth.least(0.0)));
            if (alpha[g] >= 1.0) continue;
            const double goal = -std::log(alpha[g]);
            low[g] = span * wealth.lower(goal);
            wealth.fit(one + g * n_levels, two + g * n_levels, weight, n_levels, -1);
            high[g] = -span * wealth.lower(goal);
        }
    } catch (...) {
        return -1;
    }
    return 0;
}

// low, high float64[n_groups] in weight units; NaN without answers. Weights ascend and span the whole scale.
// 0, or -1 where memory ran out.
inline int always_valid_intervals(const std::int64_t* counts, const std::int64_t* weight,
                                  std::int64_t n_groups, std::int64_t n_levels, const double* alpha,
                                  double* low, double* high) noexcept {
    try {
        Wealth wealth;
        const double bottom = static_cast<double>(weight[0]), top = static_cast<double>(weight[n_levels - 1]);
        for (std::int64_t g = 0; g < n_groups; ++g) {
            const std::int64_t* row = counts + g * n_levels;
            std::int64_t n = 0;
            for (std::int64_t k = 0; k < n_levels; ++k) n += row[k];
            if (n == 0) {
                low[g] = high[g] = NOT_A_NUMBER;
                continue;
            }
            const double goal = -std::log(alpha[g]);
            wealth.fit(row, weight, n_levels, 1);
            low[g] = bottom + (top - bottom) * wealth.lower(goal);
            wealth.fit(row, weight, n_levels, -1);
            high[g] = top - (top - bottom) * wealth.lower(goal);
        }
    } catch (...) {
        return -1;
    }
    return 0;
}

}  // namespace cxcore
