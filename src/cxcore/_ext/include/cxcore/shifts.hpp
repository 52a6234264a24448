// Where the mean of a score shifted: the segmentation of waves of the highest likelihood less a penalty.
//
// The answers of a period follow the pooled law p of all waves, tilted to a mean of their own: p_k exp(theta
// v_k - psi(theta)), psi the log of the sum. Against no tilt, N answers of mean x gain twice N times the rate
// sup_theta (theta x - psi(theta)); for two weights that is the likelihood ratio of binomials. Optimal
// partitioning (Jackson et al. 2005): F(j) = min over i < j of F(i) - gain(i, j) + penalty, O(waves²)
// exactly.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

namespace cxcore {

class Shifts {
  public:
    // begins uint8[n_waves]: 1 where a period begins; a wave without answers belongs to the period before.
    void find(const std::int64_t* counts, const std::int64_t* weight, std::int64_t n_waves,
              std::int64_t n_levels, double penalty, std::uint8_t* begins) {
        pool(counts, weight, n_waves, n_levels);
        const std::size_t n = wave_.size();
        std::vector<double> best(n + 1, 0.0);
        std::vector<std::size_t> from(n + 1, 0);
        for (std::size_t j = 1; j <= n; ++j) {
            double theta = 0.0;
            for (std::size_t i = 0; i < j; ++i) {  // the first of equals: as few periods as will do
                const double size = size_[j] - size_[i];
                const double gain = 2.0 * size * rate((sum_[j] - sum_[i]) / size, theta);
                const double value = best[i] - gain + (i ? penalty : 0.0);
                if (i == 0 || value < best[j]) {
                    best[j] = value;
                    from[j] = i;
                }
            }
        }
        for (std::int64_t w = 0; w < n_waves; ++w) begins[w] = w == 0;
        for (std::size_t j = n; j > 0 && from[j] > 0; j = from[j]) begins[wave_[from[j]]] = 1;
    }

  private:
    void pool(const std::int64_t* counts, const std::int64_t* weight, std::int64_t n_waves,
              std::int64_t n_levels) {
        share_.assign(static_cast<std::size_t>(n_levels), 0.0);
        value_.clear();
        wave_.clear();
        size_.assign(1, 0.0);
        sum_.assign(1, 0.0);
        for (std::int64_t w = 0; w < n_waves; ++w) {
            std::int64_t size = 0, sum = 0;
            for (std::int64_t k = 0; k < n_levels; ++k) {
                const std::int64_t c = counts[w * n_levels + k];
                size += c;
                sum += c * (weight[k] - weight[0]);
                share_[static_cast<std::size_t>(k)] += static_cast<double>(c);
            }
            if (size == 0) continue;
            wave_.push_back(static_cast<std::size_t>(w));
            size_.push_back(size_.back() + static_cast<double>(size));
            sum_.push_back(sum_.back() + static_cast<double>(sum));
        }
        std::size_t kept = 0;
        for (std::int64_t k = 0; k < n_levels; ++k) {
            const double share = share_[static_cast<std::size_t>(k)];
            if (share == 0.0) continue;
            share_[kept++] = share / size_.back();
            value_.push_back(static_cast<double>(weight[k] - weight[0]));
        }
        share_.resize(kept);
    }

    // sup over theta of theta x - psi(theta), by Newton's steps inside a bracket from where the last one
    // ended
    double rate(double x, double& theta) const {
        if (x <= value_.front()) return -std::log(share_.front());
        if (x >= value_.back()) return -std::log(share_.back());
        double low = -MOST, high = MOST, psi = 0.0;
        for (int round = 0; round < 100; ++round) {
            const double top = theta * (theta > 0.0 ? value_.back() : value_.front());
            double total = 0.0, first = 0.0, second = 0.0;
            for (std::size_t k = 0; k < value_.size(); ++k) {
                const double p = share_[k] * std::exp(theta * value_[k] - top), away = value_[k] - x;
                total += p;
                first += p * away;
                second += p * away * away;
            }
            psi = top + std::log(total);
            first /= total;
            second = second / total - first * first;
            if (first > 0.0)
                high = theta;
            else
                low = theta;
            // the rate is flat at its top: this far away it is off by half the square
            if (std::fabs(first) < 1e-8 * std::sqrt(second)) break;
            const double after = theta - first / second;
            theta = after > low && after < high ? after : 0.5 * (low + high);
        }
        return theta * x - psi;
    }

    static constexpr double MOST = 700.0;
    std::vector<double> share_, value_, size_, sum_;
    std::vector<std::size_t> wave_;
};

// begins uint8[n_groups, n_waves]. 0, or -1 where memory ran out.
inline int find_shifts(const std::int64_t* counts, const std::int64_t* weight, std::int64_t n_groups,
                       std::int64_t n_waves, std::int64_t n_levels, const double* penalty,
                       std::uint8_t* begins) noexcept {
    try {
        Shifts shifts;
        for (std::int64_t g = 0; g < n_groups; ++g)
            shifts.find(counts + g * n_waves * n_levels, weight, n_waves, n_levels, penalty[g],
                        begins + g * n_waves);
    } catch (...) {
        return -1;
    }
    return 0;
}

}  // namespace cxcore
