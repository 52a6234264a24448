// The credit of touches, in one pass over journeys: by rules of a user each, and by the walk of
// place_and_age.hpp.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "cxcore/journeys.hpp"
#include "cxcore/place_and_age.hpp"
#include "cxcore/sliding.hpp"
#include "cxcore/threads.hpp"

namespace cxcore {

// First touch, first marked touch and last touch get a milestone's part each, both parts where two are one
// touch; all others share `rest`. What a window does not have is left out, and the others grow in proportion.
struct W {
    const int64_t* marked;  // by conversion: a touch, hi or more where the window has none
    double milestone, rest;
    std::vector<Span> before{}, after{};  // the others on either side of the marked touch
    Sliding<Amount, NoDecay> active{NoDecay{}};
    void operator()(const Journeys& j, int64_t u, const Sink& sink) {
        before.clear();
        after.clear();
        for (int64_t k = j.conversion_offset[u]; k < j.conversion_offset[u + 1]; ++k) {
            const int64_t lo = j.lo[k], last = j.hi[k] - 1, m = marked[k];
            if (last < lo) continue;
            const bool has_mark = m <= last, inner = has_mark && m > lo && m < last;
            const int64_t others = std::max<int64_t>(last - lo - 1, 0) - inner;
            const double whole = milestone * (has_mark ? 3.0 : 2.0) + (others > 0 ? rest : 0.0);
            const Amount one = whole_of(j, u, k) * (1.0 / whole), mine = one * milestone;
            sink(lo, mine);
            if (has_mark) sink(m, mine);
            sink(last, mine);
            if (others == 0) continue;
            const Amount each = one * (rest / static_cast<double>(others));
            // Neither end of either list ever goes back, as marked touches do not.
            cover(lo + 1, has_mark ? std::min(m, last) : last, each, before, sink);
            if (has_mark) cover(m + 1, last, each, after, sink);
        }
        spread(before, j.tick, active, sink);
        spread(after, j.tick, active, sink);
    }
    static void cover(int64_t from, int64_t to, Amount each, std::vector<Span>& spans, const Sink& sink) {
        if (to - from > short_window)
            spans.push_back({from, to, each});
        else
            for (int64_t i = from; i < to; ++i) sink(i, each);
    }
};

// Sums over runs of conversions, without subtraction: a tree of sums of two.
class SumTree {
  public:
    void build(const std::vector<Amount>& leaves) {
        n_ = leaves.size();
        nodes_.resize(2 * n_);
        std::copy(leaves.begin(), leaves.end(), nodes_.begin() + static_cast<std::ptrdiff_t>(n_));
        for (std::size_t i = n_; i-- > 1;) nodes_[i] = nodes_[2 * i] + nodes_[2 * i + 1];
    }
    Amount sum(std::size_t from, std::size_t to) const {  // [from, to)
        Amount left{}, right{};
        for (from += n_, to += n_; from < to; from /= 2, to /= 2) {
            if (from & 1) left = left + nodes_[from++];
            if (to & 1) right = nodes_[--to] + right;
        }
        return left + right;
    }

  private:
    std::vector<Amount> nodes_;
    std::size_t n_ = 0;
};

// Each channel of a window earns once, at its last touch there: the whole, or the whole over the number of
// channels. The windows in which a touch is the last of its channel are a run of conversions: those that end
// after it, up to the next touch of the channel, and begin not after it.
struct ChannelsOfWindow {
    bool shared;
    int64_t n_channels;
    std::vector<int64_t> at{};     // by channel: how often it is in the window; then its next touch
    std::vector<int64_t> after{};  // by touch: first conversion whose window ends behind it
    std::vector<int64_t> next{};   // by touch: the next one of its channel
    std::vector<Amount> each{};    // by conversion: what a channel of it earns
    SumTree tree{};
    void operator()(const Journeys& j, int64_t u, const Sink& sink) {
        const int64_t t0 = j.touch_offset[u], n = j.touch_offset[u + 1] - t0;
        const int64_t k0 = j.conversion_offset[u], n_k = j.conversion_offset[u + 1] - k0;
        at.resize(static_cast<std::size_t>(n_channels));
        value_of_channel(j, u);
        after.resize(static_cast<std::size_t>(n) + 1);
        next.resize(static_cast<std::size_t>(n));
        int64_t k = n_k;
        for (int64_t i = n; i >= 0; --i) {
            while (k > 0 && j.hi[k0 + k - 1] - t0 > i) --k;
            after[i] = k;
        }
        for (int64_t i = 0; i < n; ++i) at[j.channel[t0 + i]] = n;
        for (int64_t i = n; i-- > 0;) {
            next[i] = at[j.channel[t0 + i]];
            at[j.channel[t0 + i]] = i;
        }
        for (int64_t i = 0; i < n; ++i) at[j.channel[t0 + i]] = 0;
        bool built = false;
        int64_t begun = 0;  // conversions whose window begins at touch i or before
        for (int64_t i = 0; i < n; ++i) {
            while (begun < n_k && j.lo[k0 + begun] - t0 <= i) ++begun;
            const int64_t from = after[i], to = std::min(after[next[i]], begun);
            if (from >= to) continue;
            Amount sum{};
            if (to - from <= short_window) {
                for (int64_t c = from; c < to; ++c) sum = sum + each[c];
            } else {
                if (!built) tree.build(each);
                built = true;
                sum = tree.sum(static_cast<std::size_t>(from), static_cast<std::size_t>(to));
            }
            sink(t0 + i, sum);
        }
    }

  private:
    // What each channel of a window earns; `at` is 0 before and after.
    void value_of_channel(const Journeys& j, int64_t u) {
        const int64_t k0 = j.conversion_offset[u], k1 = j.conversion_offset[u + 1];
        int64_t lo = j.touch_offset[u], hi = lo, different = 0;
        each.clear();
        for (int64_t k = k0; k < k1; ++k) {
            for (; hi < j.hi[k]; ++hi) different += at[j.channel[hi]]++ == 0;
            for (; lo < j.lo[k]; ++lo) different -= --at[j.channel[lo]] == 0;
            const double part = shared && different > 0 ? 1.0 / static_cast<double>(different) : 1.0;
            each.push_back(whole_of(j, u, k) * part);
        }
        for (; lo < hi; ++lo) at[j.channel[lo]] = 0;
    }
};

// A rule takes users one by one, or a block at once.
template <class Rule>
void take_users(Rule& rule, const Journeys& j, int64_t from, int64_t to, const Sink& sink) {
    for (int64_t u = from; u < to; ++u)
        if (j.conversion_offset[u] < j.conversion_offset[u + 1]) rule(j, u, sink);
}
inline void take_users(PlaceAndAge& rule, const Journeys& j, int64_t from, int64_t to, const Sink& sink) {
    rule(j, from, to, sink);
}

// Users of a block at least: what a rule does once a block should be little beside it.
template <class Rule>
constexpr int64_t least_block = 64;
template <>
constexpr int64_t least_block<PlaceAndAge> = 4096;

// By channel: blocks of users are fixed by the data, each sums on its own, and blocks are added in their
// order: the same bits for any number of threads.
template <class Rule>
void credit_channels(const Journeys& j, int64_t n_channels, int64_t n_models, int n_threads, const Rule& rule,
                     Amount* credit) {
    const int64_t width = n_channels * n_models;
    const int64_t most = std::clamp<int64_t>((1 << 21) / (width + 1), 1, 256);
    const int64_t size = std::max<int64_t>(least_block<Rule>, (j.n_users + most - 1) / most);
    const int64_t n_blocks = (j.n_users + size - 1) / size;
    std::vector<Amount> partial(static_cast<std::size_t>(n_blocks * width));
    for_each_piece(n_blocks, n_threads, [&](int64_t block) {
        Rule mine = rule;
        const Sink sink{j.channel, partial.data() + block * width, n_models};
        take_users(mine, j, block * size, std::min(j.n_users, (block + 1) * size), sink);
    });
    for (int64_t b = 0; b < n_blocks; ++b)
        for (int64_t c = 0; c < width; ++c)
            credit[c] = credit[c] + partial[static_cast<std::size_t>(b * width + c)];
}

// By touch: touches belong to one user, so nothing is added up between users.
template <class Rule>
void credit_touches(const Journeys& j, int64_t n_models, int n_threads, const Rule& rule, Amount* credit) {
    for_each_block(j.n_users, user_block, n_threads, [&](int64_t from, int64_t to) {
        Rule mine = rule;
        const Sink sink{nullptr, credit, n_models};
        take_users(mine, j, from, to, sink);
    });
}

// Where credit goes: amounts by channel, or by touch, of so many models; added to.
struct Ledger {
    bool by_touch;
    int64_t n;
    double* amount;  // [n, n_models, 2] conversions and value
    int64_t n_models = 1;
};

template <class Rule>
void write(const Journeys& j, const Ledger& ledger, int n_threads, const Rule& rule) {
    static_assert(sizeof(Amount) == 2 * sizeof(double), "an amount is two numbers side by side");
    auto* const credit = reinterpret_cast<Amount*>(ledger.amount);
    if (ledger.by_touch)
        credit_touches(j, ledger.n_models, n_threads, rule, credit);
    else
        credit_channels(j, ledger.n, ledger.n_models, n_threads, rule, credit);
}

// One function a rule.

inline void place_and_age(const Journeys& j, const double* parts, int64_t n_parts, const double* per_tick,
                          int64_t n_decays, const Ledger& ledger, int n_threads) {
    const int64_t n_channels = ledger.by_touch ? 0 : ledger.n;
    const Models models = models_of(parts, n_parts, per_tick, n_decays, n_channels);
    write(j, ledger, n_threads, PlaceAndAge(models));
}

inline void w(const Journeys& j, const int64_t* marked, double milestone, double rest, const Ledger& ledger,
              int n_threads) {
    write(j, ledger, n_threads, W{marked, milestone, rest});
}

inline void participation(const Journeys& j, int64_t n_channels, const Ledger& ledger, int n_threads) {
    write(j, ledger, n_threads, ChannelsOfWindow{false, n_channels});
}

inline void shapley(const Journeys& j, int64_t n_channels, const Ledger& ledger, int n_threads) {
    write(j, ledger, n_threads, ChannelsOfWindow{true, n_channels});
}

}  // namespace cxcore
