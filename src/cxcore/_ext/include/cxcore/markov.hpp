// The chain of order 1 over channels: transition counts out of journeys, and removal effects in closed form.
//
// With F the counts between channels, R and Z those into conversion and null, s those out of start, and D the
// row sums: N = (I - Q)^-1 = X D with X = (D - F)^-1, and the chance to convert only by way of c is
// N_0c h_c / N_cc = (s X)_c (X R)_c / X_cc over the number of journeys (docs/explanation/attribution.md).
// D - F is factored without pivoting and without a subtraction (Grassmann, Taksar, Heyman 1985: a pivot is
// what flows on from the state), so every entry has full relative accuracy; only signed values can cancel.
// Pieces of work are fixed and each entry sees its operations in one order: the same bits for any threads.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "cxcore/journeys.hpp"
#include "cxcore/threads.hpp"

namespace cxcore {

struct Transitions {     // C channels; added to
    double* count;       // [C, C] from, to
    double* start;       // [C] first touches
    double* conversion;  // [C] last touches before a conversion
    double* null;        // [C] last touches of journeys without one
    double* value;       // [C] value of the conversions after a last touch
};

// A sum that keeps what rounding lost (Neumaier 1974): the answer does not depend on the order of users.
inline void add_exactly(double& sum, double& lost, double x) {
    const double total = sum + x;
    lost += std::abs(sum) >= std::abs(x) ? (sum - total) + x : (x - total) + sum;
    sum = total;
}

// How often journeys step on from each touch to the next one, in the order of touches. Steps are counted in
// fixed numbers: a loop over the few touches of one journey ends where the processor does not expect it.
class StepCounts {
  public:
    StepCounts(const int32_t* channel, int64_t n_channels, double* count)
        : channel_(channel),
          n_channels_(n_channels),
          count_(count) {}

    // A journey over the touches [lo, hi), behind the journeys before it, so many times.
    void walk(int64_t lo, int64_t hi, double times) {
        reach(lo);
        add(hi - lo, times);
        times_[n_ - 1] = 0.0;
    }
    // Nobody steps on from the touches before this one that were not told of.
    void reach(int64_t touch) { add(touch - (first_ + n_), 0.0); }
    // From each of n touches so many times.
    void add(int64_t n, double times) {
        constexpr int64_t some = 16;
        while (n > 0) {
            const int64_t size = std::min(n, most - n_);
            for (int64_t i = 0; i < size; i += some)  // what is too much is written over
                for (int64_t w = 0; w < some; ++w) times_[n_ + i + w] = times;
            n_ += size;
            n -= size;
            if (n_ == most) close();
        }
    }
    void close() {  // the last touch stays, for the step to what comes
        if (!n_) return;
        const int32_t* const channel = channel_ + first_;
        for (int64_t i = 0; i + 1 < n_; ++i) count_[channel[i] * n_channels_ + channel[i + 1]] += times_[i];
        first_ += n_ - 1;
        times_[0] = times_[n_ - 1];
        n_ = 1;
    }

  private:
    static constexpr int64_t most = 512;
    const int32_t* channel_;
    int64_t n_channels_, first_ = 0, n_ = 0;
    double* count_;
    double times_[most + 16];
};

// Windows of one user overlap: `change` counts journeys that begin and end to walk at a touch, so
// that cost does not grow with the overlap. One window alone is walked as it is.
inline void count_transitions(const Journeys& j, int64_t n_channels, const Transitions& out) {
    std::vector<double> lost(static_cast<size_t>(n_channels), 0.0);
    std::vector<int64_t> change;
    StepCounts steps(j.channel, n_channels, out.count);
    for (int64_t u = 0; u < j.n_users; ++u) {
        const int64_t t0 = j.touch_offset[u], t1 = j.touch_offset[u + 1];
        if (t0 == t1) continue;
        const bool is_null = j.null_lo && j.null_lo[u] < j.null_hi[u];
        const bool is_one = j.conversion_offset[u + 1] - j.conversion_offset[u] + is_null <= 1;
        if (!is_one) change.assign(static_cast<size_t>(t1 - t0), 0);
        const double alike = j.times ? j.times[u] : 1.0;
        const auto walk = [&](int64_t lo, int64_t hi) {
            out.start[j.channel[lo]] += alike;
            if (is_one) return steps.walk(lo, hi, alike);
            ++change[lo - t0];
            --change[hi - 1 - t0];
        };
        for (int64_t k = j.conversion_offset[u]; k < j.conversion_offset[u + 1]; ++k) {
            if (j.lo[k] == j.hi[k]) continue;
            const int32_t last = j.channel[j.hi[k] - 1];
            walk(j.lo[k], j.hi[k]);
            out.conversion[last] += alike;
            add_exactly(out.value[last], lost[last], alike * j.value[k]);
        }
        if (is_null) {
            walk(j.null_lo[u], j.null_hi[u]);
            out.null[j.channel[j.null_hi[u] - 1]] += alike;
        }
        if (is_one) continue;
        steps.reach(t0);
        int64_t times = 0;
        for (int64_t i = t0; i < t1; ++i) {
            times += change[i - t0];
            steps.add(1, alike * static_cast<double>(times));
        }
    }
    steps.close();
    for (int64_t c = 0; c < n_channels; ++c) out.value[c] += lost[c];
}

// ---------------------------------------------------------------------------------------------- the fit

// D - F = L U in place of F, n states: above the diagonal F[k, j] (U = pivot on the diagonal, -F beside it),
// below it m[i, k] (L = 1 on the diagonal, -m below). `absorbed` comes as what leaves a state for good.
constexpr int64_t kPanel = 64;  // pivots in one step
constexpr int64_t kTile = 16;   // columns at a time
constexpr int64_t kRows = 32;   // rows in one piece of work

// Takes state k out of row i, in the columns before `end`.
inline void step(double* row, double& absorbed, const double* pivot_row, double pivot, double pivot_absorbed,
                 int64_t k, int64_t end) {
    const double m = row[k] / pivot;
    row[k] = m;
    absorbed += m * pivot_absorbed;
    if (m != 0.0)
        for (int64_t j = k + 1; j < end; ++j) row[j] += m * pivot_row[j];
}

// The columns [k1, n) of the rows [i0, i1), after their multipliers of the panel [k0, k1) are known.
inline void update(double* a, int64_t n, int64_t k0, int64_t k1, int64_t i0, int64_t i1) {
    int64_t j = k1;
    for (; j + kTile <= n; j += kTile)
        for (int64_t i = i0; i < i1; ++i) {
            double sum[kTile];
            for (int64_t w = 0; w < kTile; ++w) sum[w] = a[i * n + j + w];
            for (int64_t k = k0; k < k1; ++k) {
                const double m = a[i * n + k];
                const double* row = a + k * n + j;
                for (int64_t w = 0; w < kTile; ++w) sum[w] += m * row[w];
            }
            for (int64_t w = 0; w < kTile; ++w) a[i * n + j + w] = sum[w];
        }
    for (; j < n; ++j)
        for (int64_t i = i0; i < i1; ++i)
            for (int64_t k = k0; k < k1; ++k) a[i * n + j] += a[i * n + k] * a[k * n + j];
}

// Eliminates the states [k0, k0 + kPanel); call for k0 = 0, kPanel, ... below n.
inline void eliminate(double* a, double* absorbed, double* pivot, int64_t n, int64_t k0, int n_threads) {
    const int64_t k1 = std::min(n, k0 + kPanel);
    for (int64_t k = k0; k < k1; ++k) {
        double out = absorbed[k];
        for (int64_t j = k + 1; j < n; ++j) out += a[k * n + j];
        pivot[k] = out;
        for (int64_t i = k + 1; i < k1; ++i) step(a + i * n, absorbed[i], a + k * n, out, absorbed[k], k, n);
    }
    for_each_block(n - k1, kRows, n_threads, [&](int64_t from, int64_t to) {
        for (int64_t i = k1 + from; i < k1 + to; ++i)
            for (int64_t k = k0; k < k1; ++k)
                step(a + i * n, absorbed[i], a + k * n, pivot[k], absorbed[k], k, k1);
        update(a, n, k0, k1, k1 + from, k1 + to);
    });
}

// x = X b
inline void solve(const double* a, const double* pivot, int64_t n, const double* b, double* x) {
    for (int64_t i = 0; i < n; ++i) {
        x[i] = b[i];
        for (int64_t k = 0; k < i; ++k) x[i] += a[i * n + k] * x[k];
    }
    for (int64_t k = n; k-- > 0;) {
        for (int64_t j = k + 1; j < n; ++j) x[k] += a[k * n + j] * x[j];
        x[k] /= pivot[k];
    }
}

// x = b X
inline void solve_left(const double* a, const double* pivot, int64_t n, const double* b, double* x) {
    std::copy(b, b + n, x);
    for (int64_t k = 0; k < n; ++k) {
        x[k] /= pivot[k];
        for (int64_t j = k + 1; j < n; ++j) x[j] += x[k] * a[k * n + j];
    }
    for (int64_t i = n; i-- > 0;)
        for (int64_t k = 0; k < i; ++k) x[k] += a[i * n + k] * x[i];
}

// X_cc = sum over k of (U^-1)_ck (L^-1)_kc, from kTile columns of U^-1 and rows of L^-1 at a time.
inline void diagonal(const double* a, const double* pivot, int64_t n, int n_threads, double* diagonal) {
    const int64_t n_tiles = (n + kTile - 1) / kTile;
    std::vector<double> partial(static_cast<size_t>(n_tiles * n), 0.0);
    for_each_piece(n_tiles, n_threads, [&](int64_t tile) {
        const int64_t k0 = tile * kTile, k1 = std::min(n, k0 + kTile);
        std::vector<double> upper(static_cast<size_t>(k1 * kTile), 0.0), lower(upper);
        for (int64_t k = k0; k < k1; ++k) lower[k * kTile + k - k0] = 1.0;
        for (int64_t i = k1; i-- > 0;) {
            double sum[kTile] = {};
            if (i >= k0) sum[i - k0] = 1.0;
            for (int64_t j = i + 1; j < k1; ++j)
                for (int64_t w = 0; w < kTile; ++w) sum[w] += a[i * n + j] * upper[j * kTile + w];
            for (int64_t w = 0; w < kTile; ++w) upper[i * kTile + w] = sum[w] / pivot[i];
            for (int64_t c = 0; c < i; ++c)
                for (int64_t w = 0; w < kTile; ++w)
                    lower[c * kTile + w] += a[i * n + c] * lower[i * kTile + w];
        }
        for (int64_t c = 0; c < k1; ++c)
            for (int64_t w = 0; w < kTile; ++w)
                partial[tile * n + c] += upper[c * kTile + w] * lower[c * kTile + w];
    });
    for (int64_t tile = 0; tile < n_tiles; ++tile)
        for (int64_t c = 0; c < n; ++c) diagonal[c] += partial[tile * n + c];
}

}  // namespace cxcore
