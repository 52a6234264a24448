// Sums over sliding windows, and where credit goes.
//
// Windows only move forward, so every sum over a window is a sliding one. `Sliding` never subtracts: it keeps
// an old part by suffix sums and a young part as one sum (the queue of two stacks), so a term that left
// leaves no rounding behind, and cost is O(touches + conversions) whatever the overlap.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "cxcore/clones.hpp"
#include "cxcore/journeys.hpp"

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

}  // namespace cxcore
