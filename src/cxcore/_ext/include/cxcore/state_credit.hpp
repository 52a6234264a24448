// What one customer changes in a chain of any order (uncertainty.hpp has the formulas; states in the place of
// channels).
#pragma once

#include <cstdint>
#include <vector>

#include "cxcore/chains.hpp"
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
        for (double& x : left) x = conversions - x;
        influence_of(t, 0, conversions, t.gain, left.data(), out);
        if (t.worth)
            for (double& x : left_value) x = value - x;
        influence_of(t, 1, value, t.gain_of_value, t.worth ? left_value.data() : left.data(), out);
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

}  // namespace cxcore
