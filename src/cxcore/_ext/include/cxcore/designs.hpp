// Clusters of answers. Rows become cells (the answers of one cluster in one group), cells become signatures
// (how many clusters have this size and total): O(rows), then a sort within each group.
// The ideal cluster bootstrap draws G clusters with replacement; its ratio R* = sum total / sum size is at
// most r where X(r) = sum (total - r size) is at most 0. By Gil-Pelaez at half-integer nodes (Davies,
// Biometrika 60, 1973), t_j = (j + 1/2) 2 pi / W and x = -E X(r),
//   P(X - E X <= x) = 1/2 - sum_j Im(phi(t_j)^G exp(-i t_j x)) / (pi (j + 1/2)),
// off by less than the chance that X is further than W from x: 1e-15 for this W. X has atoms where r is a
// simple fraction, and phi then comes back for ever, so X is smoothed by a normal of a known, small deviation
// (half a weight unit, or sd / 64): the result is a law of its own, which ascends in r, and that an
// enumeration can check digit by digit. Where all clusters have one size, R* is a lattice, and nothing is
// smoothed.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "cxcore/lattice.hpp"

namespace cxcore {

// Cells by cluster, within one by first appearance: group, cluster, size (sum of weights) and total (of
// weight times value), each of room n. weight null: all 1. Gives the number of cells. May throw bad_alloc.
inline std::int64_t cluster_cells(const std::int32_t* group, const std::int32_t* cluster,
                                  const std::uint8_t* level, const double* weight, std::int64_t n,
                                  std::int64_t n_groups, std::int64_t n_clusters, const double* value,
                                  std::int32_t* cell_group, std::int32_t* cell_cluster, double* size,
                                  double* total) {
    std::vector<std::int64_t> next(static_cast<std::size_t>(n_clusters) + 1, 0);
    std::vector<std::int32_t> rows(static_cast<std::size_t>(n));
    for (std::int64_t i = 0; i < n; ++i) ++next[static_cast<std::size_t>(cluster[i]) + 1];
    for (std::size_t c = 1; c < next.size(); ++c) next[c] += next[c - 1];
    for (std::int64_t i = 0; i < n; ++i)
        rows[static_cast<std::size_t>(next[static_cast<std::size_t>(cluster[i])]++)] =
            static_cast<std::int32_t>(i);
    std::vector<std::int64_t> cell_of(static_cast<std::size_t>(n_groups), -1);  // of the last cluster seen
    std::int64_t n_cells = 0, first = 0;
    std::int32_t current = -1;
    for (const std::int32_t row : rows) {
        if (cluster[row] != current) {
            current = cluster[row];
            first = n_cells;
        }
        std::int64_t& cell = cell_of[static_cast<std::size_t>(group[row])];
        if (cell < first) {
            cell = n_cells++;
            cell_group[cell] = group[row];
            cell_cluster[cell] = current;
            size[cell] = total[cell] = 0.0;
        }
        const double share = weight == nullptr ? 1.0 : weight[row];
        size[cell] += share;
        total[cell] += share * value[level[row]];
    }
    return n_cells;
}

// Signatures of each group, sorted by stratum, size and total: start[n_groups + 1], and of room n stratum,
// size, total, and count, the cells alike. Gives their number. May throw bad_alloc.
inline std::int64_t cluster_signatures(const std::int32_t* group, const std::int32_t* stratum,
                                       const double* size, const double* total, std::int64_t n,
                                       std::int64_t n_groups, std::int64_t* start, std::int32_t* stratum_out,
                                       double* size_out, double* total_out, std::int64_t* count) {
    struct Cell {
        double size, total;
        std::int32_t stratum;
        bool operator<(const Cell& other) const {
            if (stratum != other.stratum) return stratum < other.stratum;
            if (size != other.size) return size < other.size;
            return total < other.total;
        }
        bool operator==(const Cell& other) const {
            return stratum == other.stratum && size == other.size && total == other.total;
        }
    };
    std::vector<std::int64_t> end(static_cast<std::size_t>(n_groups) + 1, 0);
    std::vector<Cell> cells(static_cast<std::size_t>(n));
    for (std::int64_t i = 0; i < n; ++i) ++end[static_cast<std::size_t>(group[i]) + 1];
    for (std::size_t g = 1; g < end.size(); ++g) end[g] += end[g - 1];
    for (std::int64_t i = 0; i < n; ++i)
        cells[static_cast<std::size_t>(end[static_cast<std::size_t>(group[i])]++)] = {size[i], total[i],
                                                                                      stratum[i]};
    std::int64_t out = 0, from = 0;
    for (std::int64_t g = 0; g < n_groups; ++g) {
        const std::int64_t to = end[static_cast<std::size_t>(g)];
        std::sort(cells.begin() + from, cells.begin() + to);
        start[g] = out;
        for (std::int64_t i = from; i < to; ++i) {
            const Cell& cell = cells[static_cast<std::size_t>(i)];
            if (i > from && cell == cells[static_cast<std::size_t>(i - 1)]) {
                ++count[out - 1];
                continue;
            }
            stratum_out[out] = cell.stratum;
            size_out[out] = cell.size;
            total_out[out] = cell.total;
            count[out++] = 1;
        }
        from = to;
    }
    start[n_groups] = out;
    return out;
}

// The law of R*, smoothed. Reused over groups: it keeps its memory.
class ClusterLaw {
  public:
    // n signatures, not none; unit: the least deviation of the smoothing normal, in units of total
    void fit(const double* size, const double* total, const std::int64_t* count, std::int64_t n,
             double unit) {
        signature_.clear();
        clusters_ = size_sum_ = total_sum_ = 0.0;
        low_ = high_ = total[0] / size[0];
        for (std::int64_t i = 0; i < n; ++i) {
            const double times = static_cast<double>(count[i]), ratio = total[i] / size[i];
            signature_.push_back({times, size[i], total[i], 0.0});
            clusters_ += times;
            size_sum_ += times * size[i];
            total_sum_ += times * total[i];
            low_ = std::fmin(low_, ratio);
            high_ = std::fmax(high_, ratio);
        }
        std::stable_sort(signature_.begin(), signature_.end(),
                         [](const Signature& a, const Signature& b) { return a.count > b.count; });
        deviation_ = std::sqrt(center(total_sum_ / size_sum_));
        smooth_ = std::fmax(unit, deviation_ / 64.0);
    }

    // P(R* <= r) of the smoothed law
    double cdf(double r) {
        const double variance = center(r) + smooth_ * smooth_;
        const double x = r * size_sum_ - total_sum_;
        double most = 0.0;
        for (const Signature& each : signature_) most = std::fmax(most, std::fabs(each.away));
        const double window = std::fabs(x) + 8.5 * std::sqrt(variance) + 8.0 * most;
        const double step = 2.0 * PI / window, last = std::sqrt(4.0 * MOST) / smooth_;
        double sum = 0.0;
        for (double node = 0.5; node * step < last; node += 1.0) sum += term(node * step, x) / (PI * node);
        return 0.5 - sum;
    }

    // The r with P(R* <= r) = p, within the ratios of single clusters: secants on the scale of normal scores,
    // on which the law is nearly a line, inside a bracket.
    double quantile(double p) {
        if (!(low_ < high_)) return low_;
        const double wanted = normal_quantile(p), error = deviation_ / size_sum_;
        double left = low_, right = high_;
        // the estimate is about the median of the law; its true place is not asked
        double before = total_sum_ / size_sum_, before_gap = -wanted;
        double at = before + wanted * error;
        for (int round = 0; round < 100; ++round) {
            if (!(at > left && at < right)) at = 0.5 * (left + right);
            const double gap = score(at) - wanted;
            (gap < 0.0 ? left : right) = at;
            double next = at - gap * (at - before) / (gap - before_gap);
            const bool still = std::fabs(next - at) < 1e-11 * error;
            if ((still && std::fabs(gap) < 1e-9) || right - left < 1e-13 * (high_ - low_)) break;
            if (still) next = 0.5 * (left + right);  // not a root: what came before was no value of the law
            before = at;
            before_gap = gap;
            at = next;
        }
        const double near = 1e-9 * (high_ - low_);  // no root within: the law ends on an atom
        if (left == low_ && at - low_ < near) return low_;
        if (right == high_ && high_ - at < near) return high_;
        return at;
    }

  private:
    struct Signature {
        double count, size, total, away;  // away: total - r size, less its mean
    };

    // sets what each signature is away from the mean at r; the variance of X(r)
    double center(double r) {
        const double mean = (total_sum_ - r * size_sum_) / clusters_;
        double square = 0.0;
        for (Signature& each : signature_) {
            each.away = each.total - r * each.size - mean;
            square += each.count * each.away * each.away;
        }
        return square;
    }

    double score(double r) {
        const double p = cdf(r);
        return normal_quantile(std::fmin(std::fmax(p, 1e-15), 1.0 - 1e-15));
    }

    // |phi| is at most the part of it that some signatures make, and the mass of the others: a few frequent
    // ones show most nodes to be nothing. Their sines are good to 0.0011 each, and taken to be that wrong.
    bool hopeless(double t, double smoothing) const {
        constexpr double WHOLE = 6755399441055744.0;  // 1.5 * 2^52: adding it rounds
        const double need = 2.0 * MOST - smoothing, turn = t / (2.0 * PI);
        double re = 0.0, im = 0.0, mass = 0.0;
        for (const Signature& each : signature_) {
            const double at = turn * each.away, quarter = at + 0.25;
            re += each.count * rough_sine(quarter - ((quarter + WHOLE) - WHOLE));
            im += each.count * rough_sine(at - ((at + WHOLE) - WHOLE));
            mass += each.count;
            const double room = 0.9984 * mass - need;
            if (room > 0.0 && room * room > re * re + im * im) return true;
        }
        return false;
    }

    // sin(2 pi y), |y| <= 1/2, by a parabola and its square
    static double rough_sine(double y) {
        const double sine = 8.0 * y - 16.0 * y * std::fabs(y);
        return 0.225 * (sine * std::fabs(sine) - sine) + sine;
    }

    double term(double t, double x) const {
        const double smoothing = 0.5 * smooth_ * smooth_ * t * t;
        if (hopeless(t, smoothing)) return 0.0;
        double a = 0.0, b = 0.0;
        for (const Signature& each : signature_) {
            double cosine, sine;
            small_angle(t * each.away, cosine, sine);
            a -= each.count * cosine;
            b += each.count * sine;
        }
        a /= clusters_;
        b /= clusters_;
        const double square = 2.0 * a + a * a + b * b;
        if (!(square > -1.0)) return 0.0;
        const double exponent = 0.5 * clusters_ * std::log1p(square) - smoothing;
        if (exponent < -2.0 * MOST) return 0.0;
        return std::exp(exponent) * std::sin(clusters_ * std::atan2(b, 1.0 + a) - t * x);
    }

    static constexpr double MOST = 18.5;  // exp(-2 MOST) < 1e-16
    std::vector<Signature> signature_;
    double clusters_ = 0, size_sum_ = 0, total_sum_ = 0, low_ = 0, high_ = 0, deviation_ = 0, smooth_ = 0;
};

// low, high float64[n_groups], values per unit of size; NaN without clusters. unit > 0: sizes and totals are
// whole. Signatures as cluster_signatures leaves them, of one stratum. May throw bad_alloc.
inline void cluster_intervals(const std::int64_t* start, const double* size, const double* total,
                              const std::int64_t* count, const std::uint8_t* wanted, std::int64_t n_groups,
                              double unit, double alpha, double* low, double* high) {
    ClusterLaw law;
    ResampleLaw lattice;
    std::vector<std::int64_t> whole;
    for (std::int64_t g = 0; g < n_groups; ++g) {
        const std::int64_t from = start[g], n = start[g + 1] - from;
        if (n == 0 || !wanted[g]) {
            low[g] = high[g] = NOT_A_NUMBER;
            continue;
        }
        if (unit > 0.0 && size[from] == size[from + n - 1]) {  // sorted by size: all alike
            whole.assign(total + from, total + from + n);
            lattice.fit(count + from, whole.data(), n);
            if (lattice.one_category())
                low[g] = high[g] = lattice.mean();
            else
                quantile_interval(lattice, 0.5 * alpha, 1.0 - 0.5 * alpha, low[g], high[g]);
            low[g] /= size[from];
            high[g] /= size[from];
            continue;
        }
        law.fit(size + from, total + from, count + from, n, unit);
        low[g] = law.quantile(0.5 * alpha);
        high[g] = law.quantile(1.0 - 0.5 * alpha);
    }
}

}  // namespace cxcore
