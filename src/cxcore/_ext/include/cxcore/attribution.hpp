// The credit of touches, in one pass over journeys.
//
// Windows only move forward, so every sum over a window is a sliding one. `Sliding` never subtracts: it keeps
// an old part by suffix sums and a young part as one sum (the queue of two stacks), so a term that left
// leaves no rounding behind, and cost is O(touches + conversions) whatever the overlap. Time decay: weights
// 2^(-age / half life) normalized in the window, so ages may be taken to the last touch of the window in the
// place of the conversion: the sum is never below 1.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "cxcore/journeys.hpp"
#include "cxcore/threads.hpp"

namespace cxcore {

struct Amount {  // credit, in conversions and in value
    double count = 0.0;
    double value = 0.0;
};
inline Amount operator+(Amount a, Amount b) { return {a.count + b.count, a.value + b.value}; }
inline Amount operator*(Amount a, double w) { return {a.count * w, a.value * w}; }

// A conversion of a user, as often as it counts.
inline Amount whole_of(const Journeys& j, int64_t u, int64_t k) {
    return Amount{1.0, j.value[k]} * (j.times ? j.times[u] : 1.0);
}

// ---------------------------------------------------------------------------------------------- sliding sums

struct NoDecay {
    double operator()(uint64_t) const { return 1.0; }
};

struct HalfLife {
    double per_tick;  // half lives in one tick
    double operator()(uint64_t age) const {
        return age == 0 ? 1.0 : std::exp2(-static_cast<double>(age) * per_tick);
    }
};

inline uint64_t apart(int64_t a, int64_t b) { return a < b ? age(b, a) : age(a, b); }

// Sum of terms that come in at one end, decay with distance, and leave at the other end.
// Distance may run forward or backward in time, but in one direction only.
template <class T, class Decay>
class Sliding {
  public:
    explicit Sliding(Decay decay) : decay_(decay) {}

    void clear() {
        terms_.clear();
        young_ = T{};
        head_ = mid_ = 0;
    }

    void push(T term, int64_t at) {
        young_ = terms_.size() == mid_ ? term : young_ * decay_(apart(at, terms_.back().at)) + term;
        terms_.push_back({term, term, at});
    }

    // Leaves out terms until the oldest satisfies `stays(n)`, n the number of terms that came before it.
    template <class Stays>
    void drop(Stays stays) {
        const std::size_t before = head_;
        while (head_ < terms_.size() && !stays(head_)) ++head_;
        if (head_ == before || head_ < mid_) return;
        T sum{};  // the young become the old: each term moves once
        mid_ = terms_.size();
        for (std::size_t i = mid_; i-- > head_;) {
            sum = sum + terms_[i].term * decay_(apart(terms_.back().at, terms_[i].at));
            terms_[i].suffix = sum;
        }
        old_at_ = terms_.back().at;
        young_ = T{};
    }

    T sum(int64_t now) const {
        T total{};
        if (head_ < mid_) total = terms_[head_].suffix * decay_(apart(now, old_at_));
        if (mid_ < terms_.size()) total = total + young_ * decay_(apart(now, terms_.back().at));
        return total;
    }

    bool empty() const { return head_ == terms_.size(); }

  private:
    struct Entry {
        T term, suffix;  // suffix: this term and all old ones after it, as of old_at_
        int64_t at;
    };
    Decay decay_;
    std::vector<Entry> terms_;
    T young_{};
    int64_t old_at_ = 0;
    std::size_t head_ = 0, mid_ = 0;  // old: [head, mid), young: [mid, size)
};

// ---------------------------------------------------------------------------------------------- credit

struct Sink {                // the credit of one block of users
    const int32_t* channel;  // of a touch; null: credit is by touch
    Amount* credit;
    void operator()(int64_t touch, Amount a) const {
        Amount& mine = credit[channel ? channel[touch] : touch];
        mine = mine + a;
    }
};

struct Span {  // the touches [lo, hi) get `each`, decayed by their distance to the last of them
    int64_t lo, hi;
    Amount each;
};

// Spans never go back: neither lo nor hi falls. Sweeps the touches from the last to the first. `tick` is null
// where journeys have no times, which only NoDecay does not ask for.
template <class Decay>
void spread(const std::vector<Span>& spans, const int64_t* tick, Sliding<Amount, Decay>& active,
            const Sink& sink) {
    if (spans.empty()) return;
    const auto when = [&](int64_t touch) { return tick ? tick[touch] : 0; };
    active.clear();
    int64_t next = static_cast<int64_t>(spans.size()) - 1;
    const int64_t newest = next;
    int64_t i = next < 0 ? 0 : spans[next].hi - 1;
    while (next >= 0 || !active.empty()) {
        if (active.empty()) i = std::min(i, spans[next].hi - 1);  // nothing reaches the touches between
        for (; next >= 0 && spans[next].hi - 1 >= i; --next) active.push(spans[next].each, when(i));
        active.drop([&](std::size_t n) { return spans[newest - static_cast<int64_t>(n)].lo <= i; });
        if (!active.empty()) sink(i, active.sum(when(i)));
        --i;
    }
}

struct FirstTouch {
    void operator()(const Journeys& j, int64_t u, const Sink& sink) {
        for (int64_t k = j.conversion_offset[u]; k < j.conversion_offset[u + 1]; ++k)
            if (j.lo[k] < j.hi[k]) sink(j.lo[k], whole_of(j, u, k));
    }
};

struct LastTouch {
    void operator()(const Journeys& j, int64_t u, const Sink& sink) {
        for (int64_t k = j.conversion_offset[u]; k < j.conversion_offset[u + 1]; ++k)
            if (j.lo[k] < j.hi[k]) sink(j.hi[k] - 1, whole_of(j, u, k));
    }
};

// Windows of so many touches are walked: that costs less than a sliding sum, and is as linear.
constexpr int64_t short_window = 16;

struct Linear {
    std::vector<Span> spans{};
    Sliding<Amount, NoDecay> active{NoDecay{}};
    void operator()(const Journeys& j, int64_t u, const Sink& sink) {
        spans.clear();
        for (int64_t k = j.conversion_offset[u]; k < j.conversion_offset[u + 1]; ++k) {
            const int64_t n = j.hi[k] - j.lo[k];
            if (n == 0) continue;
            const Amount each = whole_of(j, u, k) * (1.0 / static_cast<double>(n));
            if (n > short_window) {
                spans.push_back({j.lo[k], j.hi[k], each});
                continue;
            }
            for (int64_t i = j.lo[k]; i < j.hi[k]; ++i) sink(i, each);
        }
        spread(spans, j.tick, active, sink);
    }
};

struct Position {
    double first, middle, last;  // sum to 1
    std::vector<Span> spans{};
    Sliding<Amount, NoDecay> active{NoDecay{}};
    void operator()(const Journeys& j, int64_t u, const Sink& sink) {
        spans.clear();
        const double ends = first + last;
        for (int64_t k = j.conversion_offset[u]; k < j.conversion_offset[u + 1]; ++k) {
            const int64_t lo = j.lo[k], hi = j.hi[k], n = hi - lo;
            const Amount whole = whole_of(j, u, k);
            if (n == 1) {
                sink(lo, whole);
            } else if (n == 2) {  // no middle: the ends share, alike where neither has a weight
                sink(lo, whole * (ends > 0.0 ? first / ends : 0.5));
                sink(hi - 1, whole * (ends > 0.0 ? last / ends : 0.5));
            } else if (n > 2) {
                sink(lo, whole * first);
                sink(hi - 1, whole * last);
                const Amount each = whole * (middle / static_cast<double>(n - 2));
                if (n > short_window) {
                    spans.push_back({lo + 1, hi - 1, each});
                    continue;
                }
                for (int64_t i = lo + 1; i < hi - 1; ++i) sink(i, each);
            }
        }
        spread(spans, j.tick, active, sink);
    }
};

struct TimeDecay {
    HalfLife decay;
    std::vector<Span> spans{};
    Sliding<double, HalfLife> weight{decay};
    Sliding<Amount, HalfLife> active{decay};
    void operator()(const Journeys& j, int64_t u, const Sink& sink) {
        spans.clear();
        weight.clear();
        const int64_t t0 = j.touch_offset[u];
        int64_t next = t0;
        for (int64_t k = j.conversion_offset[u]; k < j.conversion_offset[u + 1]; ++k) {
            const int64_t lo = j.lo[k], hi = j.hi[k];
            if (lo == hi) continue;
            if (hi - lo <= short_window) {
                walk(j, u, k, sink);
                continue;
            }
            for (; next < hi; ++next) weight.push(1.0, j.tick[next]);
            weight.drop([&](std::size_t n) { return t0 + static_cast<int64_t>(n) >= lo; });
            spans.push_back({lo, hi, whole_of(j, u, k) * (1.0 / weight.sum(j.tick[hi - 1]))});
        }
        spread(spans, j.tick, active, sink);
    }
    void walk(const Journeys& j, int64_t u, int64_t k, const Sink& sink) const {
        const int64_t lo = j.lo[k], hi = j.hi[k];
        double weights[short_window], sum = 0.0;
        for (int64_t i = lo; i < hi; ++i) sum += weights[i - lo] = decay(age(j.tick[hi - 1], j.tick[i]));
        const Amount whole = whole_of(j, u, k) * (1.0 / sum);
        for (int64_t i = lo; i < hi; ++i) sink(i, whole * weights[i - lo]);
    }
};

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

// By channel: blocks of users are fixed by the data, each sums on its own, and blocks are added in their
// order: the same bits for any number of threads.
template <class Rule>
void credit_channels(const Journeys& j, int64_t n_channels, int n_threads, const Rule& rule, Amount* credit) {
    const int64_t most = std::clamp<int64_t>((1 << 21) / (n_channels + 1), 1, 256);
    const int64_t size = std::max<int64_t>(64, (j.n_users + most - 1) / most);
    const int64_t n_blocks = (j.n_users + size - 1) / size;
    std::vector<Amount> partial(static_cast<std::size_t>(n_blocks * n_channels));
    for_each_piece(n_blocks, n_threads, [&](int64_t block) {
        Rule mine = rule;
        const Sink sink{j.channel, partial.data() + block * n_channels};
        for (int64_t u = block * size; u < std::min(j.n_users, (block + 1) * size); ++u)
            if (j.conversion_offset[u] < j.conversion_offset[u + 1]) mine(j, u, sink);
    });
    for (int64_t b = 0; b < n_blocks; ++b)
        for (int64_t c = 0; c < n_channels; ++c)
            credit[c] = credit[c] + partial[static_cast<std::size_t>(b * n_channels + c)];
}

// By touch: touches belong to one user, so nothing is added up between users.
template <class Rule>
void credit_touches(const Journeys& j, int n_threads, const Rule& rule, Amount* credit) {
    for_each_block(j.n_users, user_block, n_threads, [&](int64_t from, int64_t to) {
        Rule mine = rule;
        const Sink sink{nullptr, credit};
        for (int64_t u = from; u < to; ++u)
            if (j.conversion_offset[u] < j.conversion_offset[u + 1]) mine(j, u, sink);
    });
}

// Where credit goes: [n] amounts by channel, or by touch; added to.
struct Ledger {
    bool by_touch;
    int64_t n;
    double* amount;  // [n, 2] conversions and value
};

template <class Rule>
void write(const Journeys& j, const Ledger& ledger, int n_threads, const Rule& rule) {
    static_assert(sizeof(Amount) == 2 * sizeof(double), "an amount is two numbers side by side");
    auto* const credit = reinterpret_cast<Amount*>(ledger.amount);
    if (ledger.by_touch)
        credit_touches(j, n_threads, rule, credit);
    else
        credit_channels(j, ledger.n, n_threads, rule, credit);
}

// One function a model.

inline void first_touch(const Journeys& j, const Ledger& ledger, int n_threads) {
    write(j, ledger, n_threads, FirstTouch{});
}

inline void last_touch(const Journeys& j, const Ledger& ledger, int n_threads) {
    write(j, ledger, n_threads, LastTouch{});
}

inline void linear(const Journeys& j, const Ledger& ledger, int n_threads) {
    write(j, ledger, n_threads, Linear{});
}

inline void position(const Journeys& j, double first, double middle, double last, const Ledger& ledger,
                     int n_threads) {
    write(j, ledger, n_threads, Position{first, middle, last});
}

inline void time_decay(const Journeys& j, double half_lives_per_tick, const Ledger& ledger, int n_threads) {
    write(j, ledger, n_threads, TimeDecay{{half_lives_per_tick}});
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
