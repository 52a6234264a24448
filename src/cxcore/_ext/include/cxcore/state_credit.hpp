// Credit and influence by the states of a chain of any order.
//
// Removal effects: uncertainty.hpp has the formulas; states in the place of channels. Increments: of the
// chances h to convert before and after a touch, and after the last touch and at the conversion. Steps far
// from the start of a window are those of all windows over them, so amounts slide (sliding.hpp), and cost
// is O(touches + conversions * order).
#pragma once

#include <cstdint>
#include <vector>

#include "cxcore/chains.hpp"
#include "cxcore/sliding.hpp"
#include "cxcore/uncertainty.hpp"

namespace cxcore {

struct StateWalk {  // tables of `t` are by state and channel taken out
    const Chain& chain;
    const TakenOut& t;
    const Journeys& j;
    std::vector<double> left{}, left_value{};
    double conversions = 0.0, value = 0.0;

    Chain::Link next(int32_t state, int32_t channel) const { return chain.find(state, channel); }
    void early(Chain::Link link, int32_t state, int64_t, int64_t) { step(link, state, 0, 1.0); }
    void step(Chain::Link link, int32_t state, int64_t, double times) {
        move(t.ahead, state, link.to, times, left.data());
        if (t.worth) move(t.worth, state, link.to, times, left_value.data());
    }
    void end(int32_t state, int64_t k) {
        const double worth = k < 0 ? 0.0 : j.value[k];
        walk_end(t, t.ahead, state, k < 0 ? 0.0 : 1.0, left.data());
        if (t.worth) walk_end(t, t.worth, state, worth, left_value.data());
        if (k < 0) return;
        conversions += 1.0;
        value += worth;
    }

    void run(Walker& walk, int64_t u, double* out) {
        left.assign(static_cast<std::size_t>(t.n_channels), 0.0);
        left_value.assign(static_cast<std::size_t>(t.n_channels), 0.0);
        conversions = value = 0.0;
        walk(j, u, chain.order(), *this);
        influence_of_left(t, conversions, value, left, left_value, out);
    }

  private:
    void move(const double* of, int32_t from, int32_t to, double times, double* into) const {
        if (from == 0) return walk_start(t, of, to, into);
        if (from != to) walk_step(t, of, from, to, times, into);
    }
};

// OUT influence [n_users, C, 2]
inline void state_influence(const Journeys& j, const Chain& chain, const TakenOut& t, int n_threads,
                            double* influence) {
    for_each_block(j.n_users, influence_block, n_threads, [&](int64_t from, int64_t to) {
        Walker walk;
        StateWalk visit{chain, t, j};
        for (int64_t u = from; u < to; ++u) visit.run(walk, u, influence + u * t.n_channels * 2);
    });
}

// ---------------------------------------------------------------------------------------------- increments

// The steps of conversions, with what is worth being split: sink(amount, from, to, touch), and to = kEnd for
// the last step.
template <class Sink>
struct ConversionSteps {
    static constexpr int32_t kEnd = -1;
    const Chain& chain;
    const Journeys& j;  // without journeys that did not convert
    Sink& sink;
    int64_t u = 0, next_window = 0;
    Sliding<Amount, NoDecay> active{NoDecay{}};
    std::vector<int64_t> ends{};

    void run(Walker& walk, int64_t user) {
        u = user;
        next_window = j.conversion_offset[u];
        active.clear();
        ends.clear();
        walk(j, u, chain.order(), *this);
    }
    Chain::Link next(int32_t state, int32_t channel) const { return chain.find(state, channel); }
    void early(Chain::Link link, int32_t state, int64_t touch, int64_t k) {
        sink(whole_of(j, u, k), state, link.to, touch);
    }
    void step(Chain::Link link, int32_t state, int64_t touch, double) {
        for (; next_window < j.conversion_offset[u + 1]; ++next_window) {
            const int64_t k = next_window;
            if (j.lo[k] + chain.order() > touch) break;
            if (j.hi[k] <= j.lo[k] + chain.order()) continue;
            active.push(whole_of(j, u, k), 0);
            ends.push_back(j.hi[k]);
        }
        active.drop([&](std::size_t n) { return ends[n] > touch; });
        sink(active.sum(0), state, link.to, touch);
    }
    void end(int32_t state, int64_t k) { sink(whole_of(j, u, k), state, kEnd, j.hi[k] - 1); }
};

inline Journeys converted_of(Journeys j) {
    j.null_lo = j.null_hi = nullptr;
    return j;
}

// h [n_states], 0 is the start; OUT credit [n_touches, 2], added to
inline void add_increments(const Journeys& all, const Chain& chain, const double* h, int n_threads,
                           double* credit) {
    const Journeys j = converted_of(all);
    const double scale = 1.0 / (1.0 - h[0]);
    for_each_block(j.n_users, influence_block, n_threads, [&](int64_t from, int64_t to) {
        const auto sink = [&](Amount a, int32_t before, int32_t after, int64_t touch) {
            const double gain = scale * ((after == -1 ? 1.0 : h[after]) - h[before]);
            credit[2 * touch] += a.count * gain;
            credit[2 * touch + 1] += a.value * gain;
        };
        Walker walk;
        ConversionSteps<decltype(sink)> visit{chain, j, sink};
        for (int64_t u = from; u < to; ++u) visit.run(walk, u);
    });
}

// What the credit of each channel changes with h, less the factor 1 / (1 - h[0]).
// OUT slope [n_states, C, 2], added to
inline void increment_slope(const Journeys& all, const Chain& chain, int64_t n_channels, double* slope) {
    const Journeys j = converted_of(all);
    const auto sink = [&](Amount a, int32_t before, int32_t after, int64_t touch) {
        const auto add = [&](int32_t state, double sign) {
            double* const at = slope + (state * n_channels + j.channel[touch]) * 2;
            at[0] += sign * a.count;
            at[1] += sign * a.value;
        };
        add(before, -1.0);
        if (after != -1) add(after, 1.0);
    };
    Walker walk;
    ConversionSteps<decltype(sink)> visit{chain, j, sink};
    for (int64_t u = 0; u < j.n_users; ++u) visit.run(walk, u);
}

// What the journeys of each customer change through h: for every step, slope of its state times the change of
// h.
struct SlopeWalk {
    const Chain& chain;
    const double* h;
    const double* slope;  // [n_states, n]
    int64_t n;
    double* out;

    Chain::Link next(int32_t state, int32_t channel) const { return chain.find(state, channel); }
    void early(Chain::Link link, int32_t state, int64_t, int64_t) { add(state, h[link.to], 1.0); }
    void step(Chain::Link link, int32_t state, int64_t, double times) { add(state, h[link.to], times); }
    void end(int32_t state, int64_t k) { add(state, k < 0 ? 0.0 : 1.0, 1.0); }

  private:
    void add(int32_t state, double after, double times) const {
        const double change = times * (after - h[state]);
        if (change == 0.0) return;
        const double* const row = slope + state * n;
        for (int64_t c = 0; c < n; ++c) out[c] += change * row[c];
    }
};

// OUT influence [n_users, n], added to
inline void slope_influence(const Journeys& j, const Chain& chain, const double* h, const double* slope,
                            int64_t n, int n_threads, double* influence) {
    for_each_block(j.n_users, influence_block, n_threads, [&](int64_t from, int64_t to) {
        Walker walk;
        for (int64_t u = from; u < to; ++u) {
            SlopeWalk visit{chain, h, slope, n, influence + u * n};
            walk(j, u, chain.order(), visit);
        }
    });
}

// OUT state by pair of conversion and touch, window by window
inline void pair_states(const Journeys& j, const Chain& chain, int32_t* state) {
    for (int64_t k = 0; k < j.conversion_offset[j.n_users]; ++k)
        for (int64_t i = j.lo[k], now = 0; i < j.hi[k]; ++i)
            *state++ = static_cast<int32_t>(now = chain.find(static_cast<int32_t>(now), j.channel[i]).to);
}

}  // namespace cxcore
