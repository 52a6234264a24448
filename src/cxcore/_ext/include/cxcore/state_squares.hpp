// Squares of what customers change in the credit by removal effects, of a chain of any order.
//
// With a^c_i the visits that are left for each step out of state i without channel c, and h^c the chance to
// convert that is left (uncertainty.hpp), flows are balanced: a journey begins with a = 1, and along it
// h^c of the steps cancels. So a customer loses (1 - a^c_i) (h^c_j - h^c_i) with every step from i to j, h^c
// of a conversion 1, and nothing at the start. Value the same way: w^c in the place of h^c, of a conversion
// its value.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "cxcore/chain_squares.hpp"
#include "cxcore/chains.hpp"
#include "cxcore/clones.hpp"
#include "cxcore/list_squares.hpp"
#include "cxcore/uncertainty.hpp"

namespace cxcore {

struct LiveTables {        // by state that can convert, [n, C]; those that cannot are no row
    const int32_t* place;  // of each state, -1: none
    const double* out;     // [n] steps out
    const double* visits;  // a^c times those
    const double* ahead;   // h^c
    const double* worth;   // w^c; null: value is split as conversions are
};

struct LostStep {  // from a live state to another, or (to < 0) to an end that is worth so much
    int32_t from, to;
    double times, converts, earns;
};

// What the steps of one customer lose. OUT lost, lost_value [C], added to; the latter where there is worth
CXCORE_CLONES inline void lose_steps(const LiveTables& t, int64_t n_channels, const double* nothing,
                                     const LostStep* steps, int64_t n_steps, double* __restrict lost,
                                     double* __restrict lost_value) {
    for (int64_t s = 0; s < n_steps; ++s) {
        const LostStep step = steps[s];
        const double* const visits = t.visits + step.from * n_channels;
        const double* const here = t.ahead + step.from * n_channels;
        const double* const there = step.to < 0 ? nothing : t.ahead + step.to * n_channels;
        const double times = step.times, left = times / t.out[step.from];
        if (!t.worth) {
            for (int64_t c = 0; c < n_channels; ++c)
                lost[c] += (times - left * visits[c]) * (there[c] + step.converts - here[c]);
            continue;
        }
        const double* const worth = t.worth + step.from * n_channels;
        const double* const then = step.to < 0 ? nothing : t.worth + step.to * n_channels;
        for (int64_t c = 0; c < n_channels; ++c) {
            const double gone = times - left * visits[c];
            lost[c] += gone * (there[c] + step.converts - here[c]);
            lost_value[c] += gone * (then[c] + step.earns - worth[c]);
        }
    }
}

// One customer's x = total * part + gain * (lost - part * sum of lost), and its squares less the mean and
// products with `last`; columns [C].
CXCORE_CLONES inline void square_lost(const double* lost, const double* part, const double* mean,
                                      double total, double gain, double alike, double last, int64_t n,
                                      double* __restrict square, double* __restrict product) {
    double sums[8] = {}, sum = 0.0;  // eight at once: none waits for the one before
    int64_t first = 0;
    for (; first + 8 <= n; first += 8)
        for (int64_t c = 0; c < 8; ++c) sums[c] += lost[first + c];
    for (; first < n; ++first) sum += lost[first];
    for (const double part_of_it : sums) sum += part_of_it;
    const double even = total - gain * sum;
    for (int64_t c = 0; c < n; ++c) {
        const double x = part[c] * even + gain * lost[c], d = x - mean[c];
        square[c] += alike * d * d;
        product[c] += last * x;
    }
}

class StateSquares {  // of a block of customers
  public:
    // IN part, mean [2, C] and gain [2] of conversions and of value
    StateSquares(const Journeys& j, const Chain& chain, const LiveTables& t, int64_t n_channels,
                 const double* part, const double* mean, const double* gain, bool knows_way)
        : j_(j),
          chain_(chain),
          t_(t),
          n_(n_channels),
          part_(part),
          mean_(mean),
          gain_(gain),
          knows_way_(knows_way),
          calls_(chain.n_states() * n_channels > large),
          nothing_(static_cast<std::size_t>(n_channels)),
          lost_(static_cast<std::size_t>(2 * n_channels)),
          square(static_cast<std::size_t>(2 * n_channels)),
          product(static_cast<std::size_t>(2 * n_channels)) {}

    Chain::Link next(int32_t state, int32_t channel) {
        if (!way_) return chain_.find(state, channel);
        const int32_t edge = *way_++;
        return {edge, chain_.to[static_cast<std::size_t>(edge)]};
    }
    void early(Chain::Link link, int32_t state, int64_t, int64_t) { step(link, state, 0, 1.0); }
    void step(Chain::Link link, int32_t state, int64_t, double times) {
        const int32_t from = state == 0 ? -1 : t_.place[state], to = t_.place[link.to];
        if (calls_ && to >= 0) call(to);
        if (from >= 0 && from != to) steps_.push_back({from, to, times, 0.0, 0.0});
    }
    void end(int32_t state, int64_t k) {
        const bool converts = k >= 0;
        conversions_ += converts;
        value_ += converts ? j_.value[k] : 0.0;
        const int32_t from = t_.place[state];
        if (from >= 0) steps_.push_back({from, -1, 1.0, converts ? 1.0 : 0.0, converts ? j_.value[k] : 0.0});
    }

    // A customer; `alike` times conversions, with those that no touch earned, is `last`.
    void operator()(int64_t u, double alike, double last) {
        steps_.clear();
        conversions_ = value_ = 0.0;
        if (knows_way_) way_ = chain_.way.data() + chain_.way_offset[static_cast<std::size_t>(u)];
        walk_(j_, u, chain_.order(), *this);
        if (steps_.empty()) return;
        std::fill(lost_.begin(), lost_.end(), 0.0);
        double* const lost = lost_.data();
        double* const of_value = t_.worth ? lost + n_ : lost;
        lose_steps(t_, n_, nothing_.data(), steps_.data(), static_cast<int64_t>(steps_.size()), lost,
                   lost + n_);
        square_lost(lost, part_, mean_, conversions_, gain_[0], alike, last, n_, square.data(),
                    product.data());
        square_lost(of_value, part_ + n_, mean_ + n_, value_, gain_[1], alike, last, n_, square.data() + n_,
                    product.data() + n_);
        listed += alike;
    }

  private:
    static constexpr int64_t large = 1 << 19;  // numbers of a table that fit into the caches no more

    // Rows of a large table are called into the caches before all steps of a customer are known.
    void call(int32_t state) const {
        for (int64_t c = state * n_; c < (state + 1) * n_; c += 8) {
            __builtin_prefetch(t_.visits + c);
            __builtin_prefetch(t_.ahead + c);
            if (t_.worth) __builtin_prefetch(t_.worth + c);
        }
    }

    const Journeys& j_;
    const Chain& chain_;
    const LiveTables& t_;
    int64_t n_;
    const double* part_;
    const double* mean_;
    const double* gain_;
    bool knows_way_, calls_;
    const int32_t* way_ = nullptr;
    std::vector<double> nothing_, lost_;
    std::vector<LostStep> steps_{};
    Walker walk_{};
    double conversions_ = 0.0, value_ = 0.0;

  public:
    std::vector<double> square, product;
    double listed = 0.0;  // customers
};

// The sums of add_squares, as table_squares has them. IN part [C, 2] of conversions and of value that each
// channel has, gain [2] credit for each unit that is lost, knows_way: are these the journeys whose way the
// chain has kept; OUT sums [2 C + 3, 2], added to
inline void state_squares(const Journeys& j, const Chain& chain, const LiveTables& t, int64_t n_channels,
                          const double* part, const double* gain, bool knows_way, const uint8_t* alone,
                          const double* mean, double n, int n_threads, double* sums) {
    const int64_t n_columns = 2 * n_channels;
    const auto apart = [&](const double* pairs) {  // [C, 2] to [2, C]
        std::vector<double> columns(static_cast<std::size_t>(n_columns));
        for (int64_t c = 0; c < n_columns; ++c) columns[c % 2 * n_channels + c / 2] = pairs[c];
        return columns;
    };
    const std::vector<double> parts = apart(part), means = apart(mean);
    const auto of_block = [&](int64_t from, int64_t to) {
        StateSquares visit(j, chain, t, n_channels, parts.data(), means.data(), gain, knows_way);
        ChainSums mine(n_columns);
        for (int64_t u = from; u < to; ++u) {
            const double alike = j.times ? j.times[u] : 1.0;
            visit(u, alike, mine.take(j, alone, mean + n_columns, u, alike));
        }
        mine.listed = visit.listed;
        for (int64_t c = 0; c < n_columns; ++c) {
            mine.square[c] = visit.square[c % 2 * n_channels + c / 2];
            mine.product[c] = visit.product[c % 2 * n_channels + c / 2];
        }
        return mine;
    };
    sums_of_blocks(j.n_users, n_columns, 0, n_threads, of_block).write(mean, n, sums);
}

// What the journeys of a customer change through the chances h to convert (SlopeWalk): rows are those of
// states.
class SlopeLists {
  public:
    SlopeLists(const Journeys& j, const Chain& chain, const double* h) : j_(j), chain_(chain), h_(h) {}

    void operator()(int64_t u, RowLists& lists) {
        lists_ = &lists;
        walk_(j_, u, chain_.order(), *this);
    }
    Chain::Link next(int32_t state, int32_t channel) const { return chain_.find(state, channel); }
    void early(Chain::Link link, int32_t state, int64_t, int64_t) { add(state, h_[link.to], 1.0); }
    void step(Chain::Link link, int32_t state, int64_t, double times) { add(state, h_[link.to], times); }
    void end(int32_t state, int64_t k) { add(state, k < 0 ? 0.0 : 1.0, 1.0); }

  private:
    const Journeys& j_;
    const Chain& chain_;
    const double* h_;
    RowLists* lists_ = nullptr;
    Walker walk_{};

    void add(int32_t state, double after, double times) {
        const double change = times * (after - h_[state]);
        if (change != 0.0) lists_->add(state, change);
    }
};

// The sums of add_squares for increments: through the chances, IN slope [n_states, C, 2], and beside it what
// touches earned; the others as in squares_of_lists
inline void increment_squares(const Journeys& j, const Chain& chain, const double* h, const double* slope,
                              int64_t n_channels, const double* earned, const uint8_t* alone,
                              const double* mean, double n, int n_threads, double* sums) {
    squares_of_lists(
        j, ChangeTable{slope, chain.n_states(), n_channels}, [&] { return SlopeLists(j, chain, h); }, earned,
        alone, mean, n, n_threads, sums);
}

}  // namespace cxcore
