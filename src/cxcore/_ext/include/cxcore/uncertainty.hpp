// What one customer more would change: influence functions of credit, and their sums.
//
// The chain of order 1 (markov.hpp) in counts: X = (D - F)^-1, visits a = s X, chance to convert h = X R.
// Taking channel c out turns them into a^c = a - a_c X[c,:] / X_cc and h^c = h - X[:,c] h_c / X_cc, and the
// conversions L^c that are left change by a^c_i (h^c_j - h^c_i) with every step from i to j, h^c of start 0,
// of conversion 1, of null 0 (delta method; docs/explanation/attribution.md). Out of journeys flows are
// balanced, so a = 1 and the whole L changes by what a journey brings. Value: worth w = X V in the place of
// h.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "cxcore/journeys.hpp"
#include "cxcore/markov.hpp"
#include "cxcore/threads.hpp"

namespace cxcore {

// Columns [c0, c1) of X, from the factors of D - F. OUT x [n, kTile]
inline void inverse_columns(const double* a, const double* pivot, int64_t n, int64_t c0, int64_t c1,
                            double* x) {
    std::fill(x, x + n * kTile, 0.0);
    for (int64_t c = c0; c < c1; ++c) x[c * kTile + c - c0] = 1.0;
    for (int64_t i = c0; i < n; ++i)
        for (int64_t k = c0; k < i; ++k)
            for (int64_t w = 0; w < kTile; ++w) x[i * kTile + w] += a[i * n + k] * x[k * kTile + w];
    for (int64_t k = n; k-- > 0;) {
        for (int64_t j = k + 1; j < n; ++j)
            for (int64_t w = 0; w < kTile; ++w) x[k * kTile + w] += a[k * n + j] * x[j * kTile + w];
        for (int64_t w = 0; w < kTile; ++w) x[k * kTile + w] /= pivot[k];
    }
}

// X out of the factors; pieces are columns. OUT x [n, n]
inline void inverse(const double* a, const double* pivot, int64_t n, int n_threads, double* x) {
    for_each_block(n, kTile, n_threads, [&](int64_t c0, int64_t c1) {
        std::vector<double> columns(static_cast<size_t>(n * kTile));
        inverse_columns(a, pivot, n, c0, c1, columns.data());
        for (int64_t i = 0; i < n; ++i)
            for (int64_t c = c0; c < c1; ++c) x[i * n + c] = columns[static_cast<size_t>(i * kTile + c - c0)];
    });
}

// ---------------------------------------------------------------------------------------------- one chain

struct TakenOut {  // C channels, each taken out: [state, channel taken out]
    int64_t n_channels;
    const double* visits;  // a^c
    const double* ahead;   // h^c
    const double* worth;   // w^c; null: value is split as conversions are
    const double* part;    // [C, 2] of conversions and of value that each channel has
    double gain;           // credit for each unit that is lost: of conversions, of value
    double gain_of_value;
};

// What is left without each channel changes by so much. Adds to left[C].
inline void walk_step(const TakenOut& t, const double* of, int64_t from, int64_t to, double times,
                      double* left) {
    const double* const visits = t.visits + from * t.n_channels;
    const double* const here = of + from * t.n_channels;
    const double* const there = of + to * t.n_channels;
    for (int64_t c = 0; c < t.n_channels; ++c) left[c] += times * visits[c] * (there[c] - here[c]);
}

inline void walk_start(const TakenOut& t, const double* of, int64_t first, double* left) {
    for (int64_t c = 0; c < t.n_channels; ++c) left[c] += of[first * t.n_channels + c];
}

inline void walk_end(const TakenOut& t, const double* of, int64_t last, double amount, double* left) {
    const double* const visits = t.visits + last * t.n_channels;
    const double* const here = of + last * t.n_channels;
    for (int64_t c = 0; c < t.n_channels; ++c) left[c] += visits[c] * (amount - here[c]);
}

// The influence of one customer on credit = total * lost / sum of lost. `lost` becomes the answer.
inline void influence_of(const TakenOut& t, int at, double total, double gain, const double* lost,
                         double* out) {
    double sum = 0.0;
    for (int64_t c = 0; c < t.n_channels; ++c) sum += lost[c];
    for (int64_t c = 0; c < t.n_channels; ++c) {
        const double part = t.part[2 * c + at];
        out[2 * c + at] = total * part + gain * (lost[c] - part * sum);
    }
}

struct ChainWalk {  // the journeys of one customer
    const TakenOut& t;
    std::vector<int64_t> change{};
    std::vector<double> left{}, left_value{};

    void operator()(const Journeys& j, int64_t u, double* out) {
        const int64_t t0 = j.touch_offset[u], t1 = j.touch_offset[u + 1];
        change.assign(static_cast<size_t>(t1 - t0) + 1, 0);
        left.assign(static_cast<size_t>(t.n_channels), 0.0);
        left_value.assign(static_cast<size_t>(t.n_channels), 0.0);
        double conversions = 0.0, value = 0.0;
        for (int64_t k = j.conversion_offset[u]; k < j.conversion_offset[u + 1]; ++k) {
            if (j.lo[k] == j.hi[k]) continue;
            conversions += 1.0;
            value += j.value[k];
            walk(j, t0, j.lo[k], j.hi[k], 1.0, j.value[k]);
        }
        if (j.null_lo && j.null_lo[u] < j.null_hi[u]) walk(j, t0, j.null_lo[u], j.null_hi[u], 0.0, 0.0);
        int64_t times = 0;
        for (int64_t i = t0; i + 1 < t1; ++i) {
            times += change[i - t0];
            const int64_t from = j.channel[i], to = j.channel[i + 1];
            if (times == 0 || from == to) continue;
            walk_step(t, t.ahead, from, to, static_cast<double>(times), left.data());
            if (t.worth) walk_step(t, t.worth, from, to, static_cast<double>(times), left_value.data());
        }
        for (double& x : left) x = conversions - x;
        influence_of(t, 0, conversions, t.gain, left.data(), out);
        if (t.worth)
            for (double& x : left_value) x = value - x;
        influence_of(t, 1, value, t.gain_of_value, t.worth ? left_value.data() : left.data(), out);
    }

  private:
    void walk(const Journeys& j, int64_t t0, int64_t lo, int64_t hi, double converts, double amount) {
        ++change[lo - t0];
        --change[hi - 1 - t0];
        walk_start(t, t.ahead, j.channel[lo], left.data());
        walk_end(t, t.ahead, j.channel[hi - 1], converts, left.data());
        if (!t.worth) return;
        walk_start(t, t.worth, j.channel[lo], left_value.data());
        walk_end(t, t.worth, j.channel[hi - 1], amount, left_value.data());
    }
};

constexpr int64_t influence_block = 256;  // users

// OUT influence [n_users, C, 2]
inline void chain_influence(const Journeys& j, const TakenOut& t, int n_threads, double* influence) {
    for_each_block(j.n_users, influence_block, n_threads, [&](int64_t from, int64_t to) {
        ChainWalk walk{t};
        for (int64_t u = from; u < to; ++u) walk(j, u, influence + u * t.n_channels * 2);
    });
}

// Credit by customer out of credit by touch. OUT credit [n_users, C, 2], all 0 before
inline void customer_credit(const Journeys& j, const double* of_touch, int64_t n_channels, int n_threads,
                            double* credit) {
    for_each_block(j.n_users, influence_block, n_threads, [&](int64_t from, int64_t to) {
        for (int64_t u = from; u < to; ++u) {
            double* const mine = credit + u * n_channels * 2;
            for (int64_t i = j.touch_offset[u]; i < j.touch_offset[u + 1]; ++i)
                for (int at = 0; at < 2; ++at) mine[2 * j.channel[i] + at] += of_touch[2 * i + at];
        }
    });
}

}  // namespace cxcore
