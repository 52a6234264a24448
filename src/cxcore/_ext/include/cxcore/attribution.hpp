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
#include <cstring>
#include <utility>
#include <vector>

#include "cxcore/clones.hpp"
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
    double lives(uint64_t age) const { return static_cast<double>(age) * per_tick; }
    double operator()(uint64_t age) const { return age == 0 ? 1.0 : std::exp2(-lives(age)); }
};

// 2^-x for x in [0, 1023] in place: the whole part of x is the exponent, and of the rest, -1/2 to 1/2, the
// series of e^(-x ln 2) to degree 12 leaves 2e-16. Of 1023 it is 0. No branch and no call: wide registers
// take it.
CXCORE_CLONES inline void halved(double* x, int64_t n) {
    constexpr double to_whole = 0x1.8p52;  // added, it leaves no digit behind the point
    for (int64_t i = 0; i < n; ++i) {
        const double shifted = to_whole - x[i];
        const double z = (to_whole - shifted - x[i]) * 0.6931471805599453;
        double power = 1.0 / 479001600.0;
        power = power * z + 1.0 / 39916800.0;
        power = power * z + 1.0 / 3628800.0;
        power = power * z + 1.0 / 362880.0;
        power = power * z + 1.0 / 40320.0;
        power = power * z + 1.0 / 5040.0;
        power = power * z + 1.0 / 720.0;
        power = power * z + 1.0 / 120.0;
        power = power * z + 1.0 / 24.0;
        power = power * z + 1.0 / 6.0;
        power = power * z + 0.5;
        power = power * z + 1.0;
        power = power * z + 1.0;
        uint64_t bits;
        std::memcpy(&bits, &shifted, 8);
        bits = (bits + 1023) << 52;  // of 2^-whole; of 2^-1023 all are 0
        double scale;
        std::memcpy(&scale, &bits, 8);
        x[i] = power * scale;
    }
}

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
    Amount* credit;          // [n, n_models]
    int64_t n_models = 1;
    Amount* row(int64_t touch) const { return credit + (channel ? channel[touch] : touch) * n_models; }
    Sink of(int64_t model) const { return {channel, credit + model, n_models}; }
    void operator()(int64_t touch, Amount a) const {
        Amount& mine = *row(touch);
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

// Windows of so many touches are walked: that costs less than a sliding sum, and is as linear.
constexpr int64_t short_window = 16;

// ---------------------------------------------------------------------------------------------- place and
// age

// What part of a conversion each place of its window gets, of 1: what all touches share, what the first gets,
// what those between share, and what the last gets. A lone touch gets all; two have none between them, and
// the ends share that part in proportion, alike where neither has one.
struct Parts {
    double even, first, middle, last;
    double first_of_two() const { return first + last > 0.0 ? first / (first + last) : 0.5; }
    double of(int64_t n, int64_t i) const {
        if (n == 1) return 1.0;
        const double mine = even / static_cast<double>(n);
        if (n == 2) return mine + (1.0 - even) * (i == 0 ? first_of_two() : 1.0 - first_of_two());
        return mine + (i == 0 ? first : i == n - 1 ? last : middle / static_cast<double>(n - 2));
    }
};

// Models of place and of age, all in one walk over the windows: first come the models by `parts`, then those
// by `decays`. Parts of short windows are a table, so that a touch costs each model one product and one sum.
struct Models {
    std::vector<Parts> parts;
    std::vector<HalfLife> decays;
    std::vector<double> table{};  // [short_window + 1, short_window, n_parts] of touch i of n
    bool ends_alone = true;       // does no touch between the ends get anything?

    Models(std::vector<Parts> parts_, std::vector<HalfLife> decays_)
        : parts(std::move(parts_)),
          decays(std::move(decays_)) {
        table.resize(parts.size() * static_cast<std::size_t>((short_window + 1) * short_window));
        for (int64_t n = 1; n <= short_window; ++n)
            for (int64_t i = 0; i < n; ++i)
                for (std::size_t m = 0; m < parts.size(); ++m)
                    table[static_cast<std::size_t>(n * short_window + i) * parts.size() + m] =
                        parts[m].of(n, i);
        for (const Parts& part : parts) ends_alone &= part.even == 0.0 && part.middle == 0.0;
        ends_alone &= decays.empty();
    }
    int64_t n_parts() const { return static_cast<int64_t>(parts.size()); }
    int64_t n_decays() const { return static_cast<int64_t>(decays.size()); }
    int64_t size() const { return n_parts() + n_decays(); }
};

// Takes the windows of a block of users by their number of touches: how often a loop over touches goes round
// would be noise to the processor, and is now the same for many windows in a row.
class PlaceAndAge {
  public:
    explicit PlaceAndAge(const Models& models)
        : models_(models),
          long_(models.parts.size()),
          aged_(models.decays.begin(), models.decays.end()) {}

    void operator()(const Journeys& j, int64_t from, int64_t to, const Sink& sink) {
        sort_windows(j, from, to);
        for (int64_t n = 1; n <= short_window; ++n) {
            const int64_t first = begin_[n - 1], end = begin_[n];
            if (models_.ends_alone && n > 1)
                take_ends(j, n, first, end, sink);
            else if (!models_.parts.empty())
                take(j, n, first, end, sink);
            for (int64_t d = 0; d < models_.n_decays(); ++d)
                take_aged(j, n, first, end, models_.decays[static_cast<std::size_t>(d)],
                          sink.of(models_.n_parts() + d));
        }
        take_long(j, from, to, sink);
    }

  private:
    static constexpr int64_t some = 64;  // windows at once
    struct Window {
        int64_t k;
        double times;
    };
    struct Spans {  // of long windows
        std::vector<Span> all{}, between{};
    };
    struct Aged {
        explicit Aged(HalfLife decay) : weight(decay), active(decay) {}
        std::vector<Span> spans{};
        Sliding<double, HalfLife> weight;
        Sliding<Amount, HalfLife> active;
    };

    // Windows by size, those of a size in their order; behind them the long ones; those without a touch are
    // left out.
    void sort_windows(const Journeys& j, int64_t from, int64_t to) {
        const int64_t k0 = j.conversion_offset[from], k1 = j.conversion_offset[to];
        int64_t next[short_window + 2] = {};
        const auto size = [&](int64_t k) { return std::min(j.hi[k] - j.lo[k], short_window + 1); };
        for (int64_t k = k0; k < k1; ++k) ++next[size(k)];
        int64_t sum = -next[0];
        for (int64_t n = 0; n <= short_window + 1; ++n) {
            const int64_t many = next[n];
            next[n] = sum;
            sum += many;
            if (n <= short_window) begin_[n] = sum;
        }
        windows_.resize(static_cast<std::size_t>(k1 - k0) + 1);
        n_windows_ = sum;
        next[0] = k1 - k0;  // one behind all, where those without a touch lie over each other
        const auto place = [&](int64_t k, int64_t end, double times) {
            for (; k < end; ++k) {
                const int64_t n = size(k);
                windows_[static_cast<std::size_t>(next[n])] = {k, times};
                next[n] += n > 0;
            }
        };
        if (!j.times) return place(k0, k1, 1.0);
        for (int64_t u = from; u < to; ++u)
            place(j.conversion_offset[u], j.conversion_offset[u + 1], j.times[u]);
    }
    Amount whole(const Journeys& j, const Window& window) const {
        return Amount{1.0, j.value[window.k]} * window.times;
    }
    static void add(Amount* row, const double* part, int64_t n, Amount whole) {
        for (int64_t m = 0; m < n; ++m) row[m] = row[m] + whole * part[m];
    }
    const double* parts_of(int64_t n, int64_t i) const {
        return models_.table.data() + (n * short_window + i) * models_.n_parts();
    }
    void take_ends(const Journeys& j, int64_t n, int64_t first, int64_t end, const Sink& sink) const {
        for (int64_t w = first; w < end; ++w) {
            const Window& window = windows_[static_cast<std::size_t>(w)];
            const Amount mine = whole(j, window);
            add(sink.row(j.lo[window.k]), parts_of(n, 0), models_.n_parts(), mine);
            add(sink.row(j.hi[window.k] - 1), parts_of(n, n - 1), models_.n_parts(), mine);
        }
    }
    void take(const Journeys& j, int64_t n, int64_t first, int64_t end, const Sink& sink) const {
        for (int64_t w = first; w < end; ++w) {
            const Window& window = windows_[static_cast<std::size_t>(w)];
            const Amount mine = whole(j, window);
            for (int64_t i = 0; i < n; ++i)
                add(sink.row(j.lo[window.k] + i), parts_of(n, i), models_.n_parts(), mine);
        }
    }
    void take_aged(const Journeys& j, int64_t n, int64_t first, int64_t end, HalfLife decay,
                   const Sink& sink) const {
        double weights[some * short_window];
        for (int64_t from = first; from < end; from += some) {
            const int64_t to = std::min(end, from + some);
            double* weight = weights;
            for (int64_t w = from; w < to; ++w) {
                const int64_t k = windows_[static_cast<std::size_t>(w)].k, newest = j.tick[j.hi[k] - 1];
                for (int64_t i = j.lo[k]; i < j.hi[k] - 1; ++i)
                    *weight++ = std::min(decay.lives(age(newest, j.tick[i])), 1023.0);
            }
            halved(weights, weight - weights);
            weight = weights;
            for (int64_t w = from; w < to; ++w, weight += n - 1) {
                const Window& window = windows_[static_cast<std::size_t>(w)];
                double sum = 1.0;
                for (int64_t i = 0; i < n - 1; ++i) sum += weight[i];
                const Amount each = whole(j, window) * (1.0 / sum);
                const int64_t lo = j.lo[window.k];
                for (int64_t i = 0; i < n - 1; ++i) sink(lo + i, each * weight[i]);
                sink(lo + n - 1, each);
            }
        }
    }

    // Long windows go by sliding sums, user after user.
    void take_long(const Journeys& j, int64_t from, int64_t, const Sink& sink) {
        int64_t u = from;
        for (int64_t w = begin_[short_window]; w < n_windows_;) {
            const auto k_at = [&](int64_t at) { return windows_[static_cast<std::size_t>(at)].k; };
            while (j.conversion_offset[u + 1] <= k_at(w)) ++u;
            begin(j.touch_offset[u]);
            for (; w < n_windows_ && k_at(w) < j.conversion_offset[u + 1]; ++w)
                take_one(j, k_at(w), whole(j, windows_[static_cast<std::size_t>(w)]), sink);
            spread_all(j, sink);
        }
    }
    void begin(int64_t first_touch) {
        first_ = next_ = first_touch;
        for (Spans& mine : long_) mine.all.clear(), mine.between.clear();
        for (Aged& mine : aged_) mine.spans.clear(), mine.weight.clear();
    }
    void take_one(const Journeys& j, int64_t k, Amount whole, const Sink& sink) {
        const int64_t lo = j.lo[k], hi = j.hi[k];
        const auto n = static_cast<double>(hi - lo);
        for (std::size_t m = 0; m < long_.size(); ++m) {
            const Parts& parts = models_.parts[m];
            const Sink mine = sink.of(static_cast<int64_t>(m));
            if (parts.even > 0.0) long_[m].all.push_back({lo, hi, whole * (parts.even / n)});
            if (parts.first > 0.0) mine(lo, whole * parts.first);
            if (parts.middle > 0.0)
                long_[m].between.push_back({lo + 1, hi - 1, whole * (parts.middle / (n - 2.0))});
            if (parts.last > 0.0) mine(hi - 1, whole * parts.last);
        }
        for (Aged& mine : aged_) {
            for (int64_t i = next_; i < hi; ++i) mine.weight.push(1.0, j.tick[i]);
            mine.weight.drop([&](std::size_t i) { return first_ + static_cast<int64_t>(i) >= lo; });
            mine.spans.push_back({lo, hi, whole * (1.0 / mine.weight.sum(j.tick[hi - 1]))});
        }
        next_ = std::max(next_, hi);
    }
    void spread_all(const Journeys& j, const Sink& sink) {
        int64_t m = 0;
        for (Spans& mine : long_) {
            spread(mine.all, j.tick, even_, sink.of(m));
            spread(mine.between, j.tick, even_, sink.of(m++));
        }
        for (Aged& mine : aged_) spread(mine.spans, j.tick, mine.active, sink.of(m++));
    }

    const Models& models_;
    std::vector<Window> windows_{};
    int64_t begin_[short_window + 1] = {};  // [n] end of the windows of n touches
    int64_t n_windows_ = 0;
    std::vector<Spans> long_;
    std::vector<Aged> aged_;
    Sliding<Amount, NoDecay> even_{NoDecay{}};
    int64_t first_ = 0, next_ = 0;  // touches of the user: the first, and the next to be weighed
};

// ---------------------------------------------------------------------------------------------- other rules

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

// By channel: blocks of users are fixed by the data, each sums on its own, and blocks are added in their
// order: the same bits for any number of threads.
template <class Rule>
void credit_channels(const Journeys& j, int64_t n_channels, int64_t n_models, int n_threads, const Rule& rule,
                     Amount* credit) {
    const int64_t width = n_channels * n_models;
    const int64_t most = std::clamp<int64_t>((1 << 21) / (width + 1), 1, 256);
    const int64_t size = std::max<int64_t>(64, (j.n_users + most - 1) / most);
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

// parts [n_parts, 4]: even, first, middle, last; half lives in a tick [n_decays]
inline void place_and_age(const Journeys& j, const double* parts, int64_t n_parts, const double* per_tick,
                          int64_t n_decays, const Ledger& ledger, int n_threads) {
    std::vector<Parts> places;
    for (int64_t m = 0; m < n_parts; ++m, parts += 4)
        places.push_back({parts[0], parts[1], parts[2], parts[3]});
    std::vector<HalfLife> decays;
    for (int64_t d = 0; d < n_decays; ++d) decays.push_back({per_tick[d]});
    const Models models(std::move(places), std::move(decays));
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
