// The ideal bootstrap of clusters within strata, exactly. Of the n clusters of a stratum m are drawn with
// replacement; the ratio R* = sum total / sum size of the drawn is at most r where X(r) = sum (total - r
// size) is at most 0. The plain bootstrap draws m = n. Rao and Wu (JASA 83, 1988, eq. 2.4) draw m = n - 1 and
// count each 1 - l + l k n / m times, k its draws, l² = 1 - f, f the part of the population that is in the
// sample: X then has the linearized variance, with its n - 1 and 1 - f. Its characteristic function is the
// product of the strata's m-th powers. By Gil-Pelaez at half-integer nodes (Davies, Biometrika 60, 1973), t_j
// = (j + 1/2) 2 pi / W and x = -E X(r),
//   P(X - E X <= x) = 1/2 - sum_j Im(phi(t_j) exp(-i t_j x)) / (pi (j + 1/2)),
// off by less than the chance that X is further than W from x: 1e-15 for this W. X has atoms where r is a
// simple fraction, and phi then comes back for ever, so X is smoothed by a normal of a known, small deviation
// (half a unit, or sd / 64): the result is a law of its own, which ascends in r, and that an enumeration can
// check digit by digit. An atom at x counts half.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

#include "cxcore/lattice.hpp"

namespace cxcore {

// The law of R*, smoothed, given that any answer of the group is drawn. Reused over groups: it keeps its
// memory. begin(), add() each stratum with a cluster of the group, finish().
class ClusterLaw {
  public:
    void begin() {
        signature_.clear();
        stratum_.clear();
        size_sum_ = total_sum_ = 0.0;
        low_ = std::numeric_limits<double>::infinity();
        high_ = -low_;
        nothing_ = 1.0;
    }

    // n signatures, not none; n_drawn: clusters of the stratum, those without an answer in the group among
    // them (0: there are none). A cluster that is alone has no spread: rescaled, it counts twice or not at
    // all with even odds, so that its variance is the square of its move, as the linearized one has it.
    void add(const double* size, const double* total, const std::int64_t* count, std::int64_t n,
             std::int64_t n_drawn, double fraction, bool rescaled) {
        const std::size_t begin = signature_.size();
        double here = 0.0;
        // from all over the sorted sizes, so that a few tell of all
        std::int64_t stride = static_cast<std::int64_t>(0.618 * static_cast<double>(n)) + 1;
        while (std::gcd(stride, n) != 1) ++stride;
        for (std::int64_t k = 0, i = 0; k < n; ++k, i = (i + stride) % n) {
            const double times = static_cast<double>(count[i]), ratio = total[i] / size[i];
            signature_.push_back({times, size[i], total[i], 0.0});
            here += times;
            size_sum_ += times * size[i];
            total_sum_ += times * total[i];
            low_ = std::fmin(low_, ratio);
            high_ = std::fmax(high_, ratio);
        }
        double units = std::fmax(here, static_cast<double>(n_drawn)), draws = units, scale = 1.0;
        const bool alone = rescaled && units == 1.0;
        if (alone) {
            signature_[begin].size *= 2.0;
            signature_[begin].total *= 2.0;
            units = 2.0;
        }
        if (units > here) signature_.push_back({units - here, 0.0, 0.0, 0.0});
        if (rescaled) {
            draws = units - 1.0;
            scale = std::sqrt(1.0 - fraction) * (alone ? 1.0 : units / draws);
        }
        nothing_ *= fraction > 0.0 ? 0.0 : std::pow(1.0 - here / units, draws);
        const auto first = signature_.begin() + static_cast<std::ptrdiff_t>(begin);
        std::stable_sort(first, signature_.end(),
                         [](const Signature& a, const Signature& b) { return a.count > b.count; });
        stratum_.push_back({begin, signature_.size(), units, draws, scale, 0.0, {}});
    }

    void finish(double unit) {
        center(mean());
        deviation_ = std::sqrt(variance());
        smooth_ = std::fmax(unit, deviation_ / 64.0);
        double square = 0.0, cube = 0.0;
        for (const Stratum& each : stratum_) {
            double third = 0.0;
            for (std::size_t i = each.begin; i < each.end; ++i) {
                const Signature& one = signature_[i];
                third += one.count * one.away * one.away * one.away;
                const double size = std::fabs(one.total) + std::fabs(mean() * one.size);
                square += one.count * size * size;
            }
            cube += each.draws / each.units * third;
        }
        // clusters alike leave rounding, of the size of what was subtracted
        if (!(deviation_ > 1e-14 * std::sqrt(square))) deviation_ = 0.0;
        skewness_ = deviation_ > 0.0 ? cube / (deviation_ * deviation_ * deviation_) : 0.0;
    }

    double mean() const { return total_sum_ / size_sum_; }
    // of the estimate, linearized: a sixth of its skewness (Efron 1987, eq. 6.6, where n of n are drawn)
    double acceleration() const { return skewness_ / 6.0; }
    // normal score of the law at the estimate; smoothed, half of an atom there is below
    double bias() { return deviation_ > 0.0 ? score(mean()) : 0.0; }

    // P(R* <= r) of the smoothed law
    double cdf(double r) {
        const double below = chance(r);
        if (!(nothing_ > 0.0)) return below;
        return (below - 0.5 * nothing_) / (1.0 - nothing_);  // where nobody is drawn X is 0, and no ratio
    }

    // The r with P(R* <= r) = p, within the ratios of single clusters: secants on the scale of normal scores,
    // on which the law is nearly a line, inside a bracket.
    double quantile(double p) {
        if (!(deviation_ > 0.0)) return low_ < high_ ? mean() : low_;
        if (!(low_ < high_) || !(p > 0.0)) return low_;
        if (!(p < 1.0)) return high_;
        if (p < 0.5 && !(cdf(low_) < p)) return low_;  // no root within: the law ends on an atom
        if (p > 0.5 && !(cdf(high_) > p)) return high_;
        const double wanted = normal_quantile(p), error = deviation_ / size_sum_;
        double left = low_, right = high_, left_gap = NOT_A_NUMBER, right_gap = NOT_A_NUMBER;
        // the estimate is about the median of the law; its true place is not asked
        double before = mean(), before_gap = -wanted;
        double at = before + wanted * error;
        bool halve = true;
        for (int round = 0; round < 100; ++round) {
            if (!(at > left && at < right)) {  // between atoms the law is flat: a chord, then a half, in turn
                at = (left * right_gap - right * left_gap) / (right_gap - left_gap);
                halve = !halve;
                if (halve || !(at > left && at < right)) at = 0.5 * (left + right);
            }
            const double gap = score(at) - wanted;
            (gap < 0.0 ? left : right) = at;
            (gap < 0.0 ? left_gap : right_gap) = gap;
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
        double count, size, total, away;  // away: what a draw moves X by, less its mean in the stratum
    };
    static constexpr std::size_t ORDER = 16;
    struct Stratum {
        std::size_t begin, end;
        double units, draws, scale;  // draws of so many units; each moves X scale times
        double most, series[ORDER];  // largest move, and sums of powers of moves
    };

    // sets what each signature is away from the mean of its stratum at r
    void center(double r) {
        for (const Stratum& each : stratum_) {
            double sum = 0.0;
            for (std::size_t i = each.begin; i < each.end; ++i)
                sum += signature_[i].count * (signature_[i].total - r * signature_[i].size);
            for (std::size_t i = each.begin; i < each.end; ++i) {
                Signature& one = signature_[i];
                one.away = each.scale * (one.total - r * one.size - sum / each.units);
            }
        }
    }

    // of X, where it was centered last
    double variance() const {
        double sum = 0.0;
        for (const Stratum& each : stratum_) {
            double square = 0.0;
            for (std::size_t i = each.begin; i < each.end; ++i)
                square += signature_[i].count * signature_[i].away * signature_[i].away;
            sum += each.draws / each.units * square;
        }
        return sum;
    }

    double score(double r) {
        const double p = cdf(r);
        return normal_quantile(std::fmin(std::fmax(p, 1e-15), 1.0 - 1e-15));
    }

    // P(X(r) + noise <= 0)
    double chance(double r) {
        center(r);
        std::size_t heavy;
        const bool farther = reach(heavy) > FARTHER * smooth_;
        part_ = farther ? 0.15 : 0.3;
        return chance_below(r * size_sum_ - total_sum_, farther ? 6 : 3, 1.0);
    }

    // All but 1e-15 of X lies within 8.5 sd, and 8 jumps of a rare far unit (a Poisson tail): `heavy`.
    double reach(std::size_t& heavy) const {
        double far = 0.0;
        heavy = 0;
        for (const Stratum& each : stratum_)
            for (std::size_t i = each.begin; each.draws > 0.0 && i < each.end; ++i)
                if (weighs(i) > far) far = weighs(heavy = i);
        return 8.5 * std::sqrt(variance() + smooth_ * smooth_) + 8.0 * far;
    }

    // P(X - E X + noise <= x), where it was centered last; deep: how many signatures may be taken out; worth:
    // what the answer counts in the end
    double chance_below(double x, int deep, double worth) {
        std::size_t heavy;
        const double far = reach(heavy);
        if (std::fabs(x) >= far) return x > 0.0 ? 1.0 : 0.0;
        if (deep > 0 && far > FAR * smooth_) {
            const double least = part_ * variance();
            for (Stratum& each : stratum_) {
                if (heavy < each.begin || heavy >= each.end) continue;
                const Signature& one = signature_[heavy];
                const double share = one.count * each.draws / each.units;
                if (share <= 8.0 && one.count < each.units && share * one.away * one.away > least)
                    return given_draws_of(heavy, each, x, deep, worth);
            }
        }
        return inverted(x, std::fabs(x) + far);
    }

    double weighs(std::size_t i) const {
        return signature_[i].count > 0.0 ? std::fabs(signature_[i].away) : 0.0;
    }

    // The same where one signature has much of the variance at r and little at the estimate, such as an id
    // that half of all answers share. Its k draws are a binomial, and given k the rest is a law of a smaller
    // reach: the number of nodes does not grow with the answers of the largest clusters.
    double given_draws_of(std::size_t heavy, Stratum& home, double x, int deep, double worth) {
        const Stratum before = home;
        const double jump = signature_[heavy].away, times = signature_[heavy].count;
        const double p = times / home.units, mean = -times * jump / (home.units - times);  // of the others
        signature_[heavy].count = 0.0;
        home.units -= times;
        for (std::size_t i = home.begin; i < home.end; ++i) signature_[i].away -= mean;
        double sum = 0.0, weight = std::pow(1.0 - p, before.draws);
        for (double k = 0.0; k <= before.draws && (k < before.draws * p || worth * weight > 1e-13);
             k += 1.0) {
            home.draws = before.draws - k;
            sum += weight * chance_below(x - k * jump - home.draws * mean, deep - 1, worth * weight);
            weight *= home.draws / (k + 1.0) * p / (1.0 - p);
        }
        for (std::size_t i = home.begin; i < home.end; ++i) signature_[i].away += mean;
        signature_[heavy].count = times;
        home = before;
        return sum;
    }

    double inverted(double x, double window) {
        for (Stratum& each : stratum_) expand(each);
        // Never without end: far from the estimate, by dozens of far units, the noise is wider: 1e-4 sd of X.
        const double smooth = std::fmax(smooth_, window / WIDEST);
        const double step = 2.0 * PI / window, last = std::sqrt(4.0 * MOST) / smooth;
        double sum = 0.0;
        for (double node = 0.5; node * step < last; node += 1.0)
            sum += term(node * step, x, smooth) / (PI * node);
        return 0.5 - sum;
    }

    // Sums of 1 - cos h and sin h - h over a stratum as power series in t times its largest move, from its
    // moments: good to 1e-14 of log phi up to 1, and then a node costs the same for any number of signatures.
    void expand(Stratum& each) const {
        each.most = 0.0;
        for (std::size_t i = each.begin; i < each.end; ++i) each.most = std::fmax(each.most, weighs(i));
        double sums[ORDER] = {};
        const double unit = each.most > 0.0 ? 1.0 / each.most : 0.0;
        for (std::size_t i = each.begin; i < each.end; ++i) {
            const double move = signature_[i].away * unit;
            double power = signature_[i].count * move * move;
            for (std::size_t k = 0; k < ORDER; ++k) {
                sums[k] += power;
                power *= move;
            }
        }
        double factorial = 1.0;
        for (std::size_t k = 0; k < ORDER; ++k) {  // of order k + 2; signs + - - + + - - of cosine, sine, …
            factorial *= static_cast<double>(k + 2);
            each.series[k] = ((k + 1) / 2 % 2 ? -sums[k] : sums[k]) / factorial;
        }
    }

    static void by_series(const Stratum& each, double t, double& a, double& b) {
        const double h = t * each.most, y = h * h;
        double even = 0.0, odd = 0.0;
        for (std::size_t k = ORDER; k > 0; k -= 2) {
            even = each.series[k - 2] + y * even;
            odd = each.series[k - 1] + y * odd;
        }
        a = -y * even;
        b = h * y * odd;
    }

    // |phi| of a stratum is at most the part of it that some signatures make, and the mass of the others: a
    // few frequent ones show most nodes to be nothing. Their sines are good to 0.0011 each, and taken to be
    // that wrong.
    bool hopeless(double t, double need) const {
        constexpr double WHOLE = 6755399441055744.0;  // 1.5 * 2^52: adding it rounds
        const double turn = t / (2.0 * PI);
        for (const Stratum& each : stratum_) {  // need: of -log |phi|, at least draws (1 - |phi of a draw|)
            if (t * each.most <= 1.0) continue;
            const double enough = need * each.units / each.draws;
            double re = 0.0, im = 0.0, mass = 0.0;
            for (std::size_t i = each.begin; i < each.end; ++i) {
                const Signature& one = signature_[i];
                const double at = turn * one.away, quarter = at + 0.25;
                re += one.count * rough_sine(quarter - ((quarter + WHOLE) - WHOLE));
                im += one.count * rough_sine(at - ((at + WHOLE) - WHOLE));
                mass += one.count;
                const double room = 0.9984 * mass - enough;
                if (room > 0.0 && room * room > re * re + im * im) return true;
            }
            const double found = 0.9984 * mass - std::sqrt(re * re + im * im);
            if (found > 0.0) need -= found * each.draws / each.units;
            if (!(need > 0.0)) return true;
        }
        return false;
    }

    // sin(2 pi y), |y| <= 1/2, by a parabola and its square
    static double rough_sine(double y) {
        const double sine = 8.0 * y - 16.0 * y * std::fabs(y);
        return 0.225 * (sine * std::fabs(sine) - sine) + sine;
    }

    double term(double t, double x, double smooth) const {
        double exponent = -0.5 * smooth * smooth * t * t, angle = -t * x;
        bool wide = false;
        for (const Stratum& each : stratum_) {
            double a, b;
            if (t * each.most > 1.0) {
                wide = true;
                continue;
            }
            by_series(each, t, a, b);
            if (!grows(each, a, b, exponent, angle)) return 0.0;
        }
        if (!wide) return std::exp(exponent) * std::sin(angle);
        if (hopeless(t, 2.0 * MOST + exponent)) return 0.0;
        for (const Stratum& each : stratum_) {
            if (t * each.most <= 1.0) continue;
            double a = 0.0, b = 0.0;
            for (std::size_t i = each.begin; i < each.end; ++i) {
                double cosine, sine;
                small_angle(t * signature_[i].away, cosine, sine);
                a -= signature_[i].count * cosine;
                b += signature_[i].count * sine;
            }
            if (!grows(each, a, b, exponent, angle)) return 0.0;
        }
        return std::exp(exponent) * std::sin(angle);
    }

    // log phi and its angle, times the draws of a stratum whose cosines less 1 and sines sum to a and b;
    // false where phi is nothing
    static bool grows(const Stratum& each, double a, double b, double& exponent, double& angle) {
        a /= each.units;
        b /= each.units;
        const double square = 2.0 * a + a * a + b * b;
        if (!(square > -1.0)) return false;
        exponent += 0.5 * each.draws * std::log1p(square);
        angle += each.draws * std::atan2(b, 1.0 + a);
        return exponent >= -2.0 * MOST;
    }

    static constexpr double MOST = 18.5;  // exp(-2 MOST) < 1e-16
    // of the smoothing: thrice the reach of a law of a variance as at the estimate, and of even clusters
    static constexpr double FAR = 2000.0;
    static constexpr double FARTHER =
        1e5;                               // likewise, as of a few far units alike: all of them are taken out
    static constexpr double WIDEST = 2e5;  // window of an inversion: 1.4 nodes each
    std::vector<Signature> signature_;
    std::vector<Stratum> stratum_;
    double size_sum_ = 0, total_sum_ = 0, low_ = 0, high_ = 0, deviation_ = 0, smooth_ = 0, skewness_ = 0;
    double part_ = 0.3;     // of the variance, that what is taken out must have
    double nothing_ = 1.0;  // chance that no answer of the group is drawn
};

}  // namespace cxcore
