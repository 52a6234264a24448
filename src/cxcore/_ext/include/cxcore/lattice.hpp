// The exact (ideal) bootstrap of a mean of integer weights: no resampling, no seed.
// S* = sum of n draws with replacement from the observed weights; its law by trigonometric inversion over a
// window of L = 2H + 1 lattice points round the observed sum s0, which is also the mean of S*. With t_j = 2
// pi j / L, psi_j = arg E exp(i t_j (S* - s0)) and x = s - s0, the finite Fourier sum of a lattice law gives
//   P(S* <= s) = (x + H + 1)/L + sum_j |phi_j|^n / (L sin(t_j/2)) [(-1)^j sin psi_j + sin(t_j (x + 1/2) -
//   psi_j)].
// Terms below 1e-16 are left out: about 25 remain at large n. log|phi| and arg phi are taken from the centred
// law by log1p and atan2, else n multiplies their rounding. BCa: Efron 1987, eqs. 2.3 and 6.6.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <numeric>
#include <vector>

#include "cxcore/normal.hpp"

namespace cxcore {

// 1 - cos e and sin e - e; by their series where they would cancel
inline void small_angle(double e, double& cosine, double& sine) {
    if (std::fabs(e) > 1.0) {
        const double half = std::sin(0.5 * e);
        cosine = 2.0 * half * half;
        sine = std::sin(e) - e;
        return;
    }
    const double y = e * e;
    cosine =
        y / 2 *
        (1 -
         y / 12 * (1 - y / 30 * (1 - y / 56 * (1 - y / 90 * (1 - y / 132 * (1 - y / 182 * (1 - y / 240)))))));
    sine = -e * y / 6 *
           (1 - y / 20 * (1 - y / 42 * (1 - y / 72 * (1 - y / 110 * (1 - y / 156 * (1 - y / 210))))));
}

// The law of the bootstrap sum of one sample. Reused over samples: it keeps its memory.
class ResampleLaw {
  public:
    std::int64_t n = 0;

    // counts of levels with distinct weights, ascending. May throw bad_alloc.
    void fit(const std::int64_t* counts, const std::int64_t* weight, std::int64_t n_levels) {
        count_.clear();
        level_.clear();
        n = 0;
        for (std::int64_t k = 0; k < n_levels; ++k) {
            if (counts[k] == 0) continue;
            count_.push_back(counts[k]);
            level_.push_back(weight[k]);
            n += counts[k];
        }
        if (n == 0) return;
        start_ = level_[0];
        step_ = 0;
        for (std::int64_t& level : level_) {
            level -= start_;
            step_ = std::gcd(step_, level);
        }
        if (step_ == 0) return;  // one category
        sum_ = 0;
        for (std::size_t i = 0; i < level_.size(); ++i) {
            level_[i] /= step_;  // -1 and +1 alone are a lattice of step 2
            sum_ += count_[i] * level_[i];
        }
        moments();
        transform();
    }

    bool one_category() const { return step_ == 0; }
    double mean() const { return value(0); }

    // P(S* - s0 <= x), x in lattice steps
    double cdf(std::int64_t x) const {
        if (x < -sum_ || x < -half_) return 0.0;
        if (x >= n * level_.back() - sum_ || x >= half_) return 1.0;
        double sum = constant_ + static_cast<double>(x + half_ + 1) / static_cast<double>(length_);
        const std::int64_t twice = 2 * x + 1;
        const double angle = PI * static_cast<double>(twice) / static_cast<double>(length_);
        const double zr = std::cos(angle), zi = std::sin(angle);
        for (const Segment& segment : segments_) {
            double re = 0.0, im = 0.0;
            for (std::size_t i = segment.end; i-- > segment.begin;) {  // Horner in z = exp(i t_1 (x + 1/2))
                const double r = re * zr - im * zi + re_[i];
                im = re * zi + im * zr + im_[i];
                re = r;
            }
            // the angle of the first term is reduced in integers: j (2x + 1) may be far past 2 pi
            const std::int64_t turn =
                (segment.first % (2 * length_)) * (twice % (2 * length_)) % (2 * length_);
            const double first = PI * static_cast<double>(turn) / static_cast<double>(length_);
            sum += re * std::sin(first) + im * std::cos(first);
        }
        return sum;
    }

    // P(S* <= sum), sum of weights
    double cdf_at(std::int64_t sum) const {
        if (one_category()) return sum >= n * start_ ? 1.0 : 0.0;
        const std::int64_t above = sum - n * start_;
        return cdf((above >= 0 ? above / step_ : -((-above + step_ - 1) / step_)) - sum_);
    }

    // smallest x with P(S* - s0 <= x) >= p
    std::int64_t quantile(double p) const {
        const std::int64_t bottom = -sum_, top = n * level_.back() - sum_;
        if (!(p > 0.0)) return bottom;
        std::int64_t below = (bottom > -half_ ? bottom : -half_) - 1;  // cdf < p
        std::int64_t above = top < half_ ? top : half_;                // cdf >= p, or the top of the scale
        const double z = normal_quantile(p < 1.0 ? p : 1.0 - 1e-16);
        const double density = std::exp(-0.5 * z * z) / (std::sqrt(2.0 * PI) * sd_);
        double guess = std::ceil(cornish_fisher(z) - 0.5);
        for (int round = 0; above - below > 1; ++round) {
            std::int64_t x = round < 12 ? static_cast<std::int64_t>(std::fmax(-9e18, std::fmin(9e18, guess)))
                                        : below + (above - below) / 2;
            if (x <= below) x = below + 1;
            if (x >= above) x = above - 1;
            const double gap = p - cdf(x);
            if (gap <= 0.0) {
                above = x;
                guess = static_cast<double>(x) + std::fmin(-1.0, std::round(gap / density));
            } else {
                below = x;
                guess = static_cast<double>(x) + std::fmax(1.0, std::round(gap / density));
            }
        }
        return above;
    }

    // x lattice steps from the observed sum, as a mean of weights
    double value(std::int64_t x) const {
        return static_cast<double>(n * start_ + step_ * (sum_ + x)) / static_cast<double>(n);
    }

    double acceleration() const { return m3_ / (6.0 * m2_ * std::sqrt(m2_)); }

  private:
    struct Segment {
        std::int64_t first;  // j of its first term
        std::size_t begin, end;
    };

    void moments() {  // sums over the answers, not averages
        m2_ = m3_ = 0.0;
        double m4 = 0.0;
        for (std::size_t i = 0; i < level_.size(); ++i) {
            const double d = static_cast<double>(n * level_[i] - sum_) / static_cast<double>(n);
            const double c = static_cast<double>(count_[i]);
            m2_ += c * d * d;
            m3_ += c * d * d * d;
            m4 += c * d * d * d * d;
        }
        sd_ = std::sqrt(m2_);
        skew_ = m3_ / (m2_ * sd_);
        excess_ = m4 / (m2_ * m2_) - 3.0 / static_cast<double>(n);
    }

    double cornish_fisher(double z) const {
        return sd_ * (z + skew_ * (z * z - 1) / 6 + excess_ * (z * z * z - 3 * z) / 24 -
                      skew_ * skew_ * (2 * z * z * z - 5 * z) / 36);
    }

    // The window holds all but 1e-16 of the law: 8.5 sd, and 8 jumps of a rare far level (a Poisson tail).
    void transform() {
        const std::int64_t span = level_.back();
        half_ = static_cast<std::int64_t>(std::ceil(8.5 * sd_)) + 8 * span;
        if (half_ > n * span) half_ = n * span;
        length_ = 2 * half_ + 1;
        re_.clear();
        im_.clear();
        segments_.clear();
        constant_ = 0.0;
        heaviest();
        const double reach = std::sqrt(MOST / pull_[second_]);
        if (reach >= 1.0) {
            scan(1, half_);
            return;
        }
        // Two heavy levels in phase: t near 2 pi m / distance. Elsewhere |phi|^n is nothing, so a sparse
        // lattice's revivals are found without looking at every j.
        const std::int64_t distance = std::abs(level_[heavy_] - level_[second_]);
        const double every = static_cast<double>(length_) / static_cast<double>(distance);
        const double width = every * std::asin(reach) / PI;
        std::int64_t from = 1;
        for (std::int64_t m = 0;; ++m) {
            const double centre = every * static_cast<double>(m);
            const std::int64_t low = static_cast<std::int64_t>(std::floor(centre - width));
            if (low > half_) return;
            std::int64_t high = static_cast<std::int64_t>(std::ceil(centre + width));
            if (high > half_) high = half_;
            if (low > from) from = low;
            if (m == 0 || alive(centre, width)) scan(from, high);
            if (high >= from) from = high + 1;
        }
    }

    void heaviest() {
        heavy_ = 0;
        for (std::size_t i = 1; i < count_.size(); ++i)
            if (count_[i] > count_[heavy_]) heavy_ = i;
        second_ = heavy_ == 0 ? 1 : 0;
        for (std::size_t i = 0; i < count_.size(); ++i)
            if (i != heavy_ && count_[i] > count_[second_]) second_ = i;
        pull_.clear();
        distance_.clear();
        for (std::size_t i = 0; i < count_.size(); ++i) {
            const double share = static_cast<double>(count_[heavy_]) / static_cast<double>(n);
            pull_.push_back(i == heavy_ ? 0.0 : share * static_cast<double>(count_[i]));
            distance_.push_back(static_cast<double>(level_[i] - level_[heavy_]));
        }
    }

    // Could a term within centre +- width be worth keeping? |phi|^2 <= 1 - 4 p_k p_l sin^2(t (v_k - v_l) /
    // 2).
    bool alive(double centre, double width) const {
        for (std::size_t i = 0; i < level_.size(); ++i) {
            if (pull_[i] <= MOST) continue;
            const double away = distance_[i] / static_cast<double>(length_);
            const double turns =
                std::fabs(centre * away - std::round(centre * away)) - width * std::fabs(away);
            if (turns <= 0.0) continue;
            const double sine = std::sin(PI * (turns < 0.5 ? turns : 0.5));
            if (pull_[i] * sine * sine > MOST) return false;
        }
        return true;
    }

    // The same bound at one j, with |sin(pi x)| >= 3 y - 4 y^3, y = |x - nearest whole|: cheap, for the many
    // j that are nothing.
    bool hopeless(std::int64_t j) const {
        constexpr double WHOLE = 6755399441055744.0;  // 1.5 * 2^52: adding it rounds
        const double at = static_cast<double>(j) / static_cast<double>(length_);
        double bound = 0.0;
        for (std::size_t i = 0; i < level_.size(); ++i) {
            const double turns = at * distance_[i];
            const double off = turns - ((turns + WHOLE) - WHOLE);
            const double square = off * off, sine = 3.0 - 4.0 * square;
            bound += pull_[i] * square * sine * sine;
        }
        return bound > MOST;
    }

    void scan(std::int64_t from, std::int64_t to) {
        const std::int64_t falling = length_ / (2 * level_.back());  // |phi| falls while t span <= pi
        bool open = false;
        if (from == 1) {
            from = first_run(to);
            if (from < falling) from = falling;
            ++from;
        }
        for (std::int64_t j = from; j <= to; ++j) {
            if (!term(j)) {
                open = false;
                if (j < falling) j = falling;
                continue;
            }
            if (!open) segments_.push_back({j, re_.size() - 1, re_.size()});
            segments_.back().end = re_.size();
            open = true;
        }
    }

    // The terms from t_1 on, while they count: most are here, and their angles are all multiples of those of
    // t_1. So cos - 1, sin and sin - angle come by addition, each from terms of one sign while they are
    // small, in place of two calls a level; and the mean phase is that of s0, which is 0. Gives the first j
    // that does not count, or one past the end.
    std::int64_t first_run(std::int64_t to) {
        struct Level {
            double p, cosine, sine, off;              // at j: its share, cos - 1, sin, sin - angle
            double step_cosine, step_sine, step_off;  // at 1
        };
        constexpr std::size_t FEW = 16;
        Level few[FEW];
        std::vector<Level> many;
        if (level_.size() > FEW) many.resize(level_.size());
        Level* const levels = many.empty() ? few : many.data();
        std::int64_t total = 0;
        for (std::size_t i = 0; i < level_.size(); ++i) total += count_[i] * (level_[i] - level_[heavy_]);
        const double size = static_cast<double>(n), turn = 2.0 * PI / static_cast<double>(length_);
        for (std::size_t i = 0; i < level_.size(); ++i) {
            const double angle = static_cast<double>(n * (level_[i] - level_[heavy_]) - total) / size * turn;
            double cosine, off;
            small_angle(angle, cosine, off);
            levels[i] = {static_cast<double>(count_[i]) / size, 0.0, 0.0, 0.0, -cosine, off + angle, off};
        }
        std::int64_t j = 1;
        for (; j <= to; ++j) {
            double a = 0.0, b = 0.0;
            for (std::size_t i = 0; i < level_.size(); ++i) {
                Level& at = levels[i];
                const double cosine = at.cosine;
                const double turned = at.sine * at.step_cosine + cosine * at.step_sine;
                at.cosine += at.step_cosine + (cosine * at.step_cosine - at.sine * at.step_sine);
                at.sine += at.step_sine + turned;
                at.off += at.step_off + turned;
                a += at.p * at.cosine;
                b += at.p * at.off;
            }
            if (!put(j, 0, a, b)) break;
        }
        if (!re_.empty()) segments_.push_back({1, 0, re_.size()});
        return j;
    }

    // The term of t_j, if it counts. Phases are taken from the heaviest level in whole steps of 2 pi / L, so
    // that they are exact for any n and j, then centred.
    bool term(std::int64_t j) {
        if (hopeless(j)) return false;
        const double turn = 2.0 * PI / static_cast<double>(length_);
        phase_.resize(level_.size());
        std::int64_t total = 0;
        for (std::size_t i = 0; i < level_.size(); ++i) {
            std::int64_t steps = j * (level_[i] - level_[heavy_]);
            if (steps > half_ || steps < -half_) {
                steps %= length_;
                if (steps > half_) steps -= length_;
                if (steps < -half_) steps += length_;
            }
            phase_[i] = steps;
            total += count_[i] * steps;
        }
        const double size = static_cast<double>(n);
        double a = 0.0, b = 0.0;
        for (std::size_t i = 0; i < level_.size(); ++i) {
            double cosine, sine;
            small_angle(static_cast<double>(n * phase_[i] - total) / size * turn, cosine, sine);
            const double p = static_cast<double>(count_[i]) / size;
            a -= p * cosine;
            b += p * sine;
        }
        const std::int64_t offset = (n * level_[heavy_] - sum_) % length_;
        return put(j, (total % length_ + j * offset % length_) % length_, a, b);
    }

    // The term of t_j from phi = exp(i mean phase) (1 + a + i b), if it counts; whole: n mean phases, in
    // steps
    bool put(std::int64_t j, std::int64_t whole, double a, double b) {
        const double square = 2.0 * a + a * a + b * b;
        if (!(square > -1.0)) return false;
        const double size = static_cast<double>(n), turn = 2.0 * PI / static_cast<double>(length_);
        const double exponent = 0.5 * size * std::log1p(square);
        if (exponent < -2.0 * MOST) return false;
        const double psi = turn * static_cast<double>(whole) + size * std::atan2(b, 1.0 + a);
        const double half_angle = 0.5 * turn * static_cast<double>(j);
        const double amplitude = std::exp(exponent) / (static_cast<double>(length_) * std::sin(half_angle));
        re_.push_back(amplitude * std::cos(psi));
        im_.push_back(-amplitude * std::sin(psi));
        constant_ += (j % 2 ? 1.0 : -1.0) * im_.back();
        return true;
    }

    static constexpr double MOST = 18.5;  // exp(-2 MOST) < 1e-16
    std::vector<std::int64_t> count_, level_, phase_;
    std::vector<double> re_, im_, pull_, distance_;
    std::vector<Segment> segments_;
    std::int64_t start_ = 0, step_ = 0, sum_ = 0, half_ = 0, length_ = 1;
    std::size_t heavy_ = 0, second_ = 0;
    double m2_ = 0, m3_ = 0, sd_ = 0, skew_ = 0, excess_ = 0, constant_ = 0;
};

// Probabilities are compared with this slack, relative to the tail, so that an exact tie (half of a half) is
// not decided by the last bit.
constexpr double TIE = 1e-9;

inline void quantile_interval(const ResampleLaw& law, double lower, double upper, double& low, double& high) {
    low = law.value(law.quantile(lower - TIE * std::fmin(lower, 1.0 - lower)));
    high = law.value(law.quantile(upper + TIE * std::fmin(upper, 1.0 - upper)));
}

// Efron 1987, eq. 2.3, for bias z0 and acceleration a
inline void efron_levels(double z0, double a, double alpha, double& lower, double& upper) {
    const double z = -normal_quantile(0.5 * alpha);  // keeps its digits at a tiny alpha
    const double down = z0 - z, up = z0 + z;
    // past its pole the correction has run off the law
    lower = 1.0 - a * down > 0.0 ? normal_cdf(z0 + down / (1.0 - a * down)) : 0.0;
    upper = 1.0 - a * up > 0.0 ? normal_cdf(z0 + up / (1.0 - a * up)) : 1.0;
}

// z0 by mid-rank, so that ties of the lattice bias neither side
inline void bca_levels(const ResampleLaw& law, double alpha, double& lower, double& upper) {
    const double z0 = normal_quantile(0.5 * (law.cdf(0) + law.cdf(-1)));
    efron_levels(z0, law.acceleration(), alpha, lower, upper);
}

// Exact bootstrap interval in weight units, BCa or percentile; NaN without answers.
inline void resample_interval(ResampleLaw& law, const std::int64_t* count, const std::int64_t* weight,
                              std::int64_t n_levels, double alpha, bool corrected, double& low,
                              double& high) {
    law.fit(count, weight, n_levels);
    if (law.n == 0) {
        low = high = NOT_A_NUMBER;
    } else if (law.one_category()) {
        low = high = law.mean();
    } else {
        double lower = 0.5 * alpha, upper = 1.0 - 0.5 * alpha;
        if (corrected) bca_levels(law, alpha, lower, upper);
        quantile_interval(law, lower, upper, low, high);
    }
}

// low, high float64[n_groups]. 0, or -1 where memory ran out.
inline int resample_intervals(const std::int64_t* counts, const std::int64_t* weight, std::int64_t n_groups,
                              std::int64_t n_levels, const double* alpha, bool corrected, double* low,
                              double* high) noexcept {
    try {
        ResampleLaw law;
        for (std::int64_t g = 0; g < n_groups; ++g)
            resample_interval(law, counts + g * n_levels, weight, n_levels, alpha[g], corrected, low[g],
                              high[g]);
    } catch (...) {
        return -1;
    }
    return 0;
}

// cdf float64[n_sums]: P(S* <= first), P(S* <= first + 1), …; n_answers > 0. 0, or -1 where memory ran out.
inline int resample_cdf(const std::int64_t* counts, const std::int64_t* weight, std::int64_t n_levels,
                        std::int64_t first, std::int64_t n_sums, double* cdf) noexcept {
    try {
        ResampleLaw law;
        law.fit(counts, weight, n_levels);
        for (std::int64_t i = 0; i < n_sums; ++i) cdf[i] = law.cdf_at(first + i);
    } catch (...) {
        return -1;
    }
    return 0;
}

}  // namespace cxcore
