// Journeys and the credit of their touches, in one pass over the event index.
//
// `Journeys` is a CSR matrix over users: touches and conversions of user u, each in order of time, and for
// every conversion its window [lo, hi) of touches. Windows only move forward (lo and hi never fall within a
// user), so every sum over a window is a sliding one. `Sliding` never subtracts: it keeps an old part by
// suffix sums and a young part as one sum (the queue of two stacks), so a term that left leaves no rounding
// behind, and cost is O(touches + conversions) whatever the overlap.
// Time decay: weights 2^(-age / half life) normalized in the window, so ages may be taken to the last touch
// of the window in the place of the conversion: the sum is never below 1.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "cxcore/threads.hpp"

namespace cxcore {

// ---------------------------------------------------------------------------------------------- journeys

struct Events {             // the event index, what was read of its rows, and the users who are looked at
    const int64_t* offset;  // [n_users + 1] positions of each user
    int64_t n;              // positions
    const int64_t* row;     // [n] row at each position; null where position and row are the same
    const int64_t* tick;    // [n] by position, never falling within a user
    const int32_t* what;    // by row
    int64_t n_chosen;
    const int64_t* user;  // [n_chosen] which users, in order
};

// What a row says: the code of its channel times two (negative: no touch), the lowest bit if it converts.
inline bool is_touch(int32_t what) { return what >= 0; }
inline bool is_conversion(int32_t what) { return what & 1; }

struct Journeys {
    int64_t n_users;
    const int64_t* touch_offset;       // [n_users + 1]
    const int64_t* conversion_offset;  // [n_users + 1]
    const int32_t* channel;            // by touch
    const int64_t* tick;               // by touch
    const int64_t* lo;                 // by conversion: its window of touches
    const int64_t* hi;
    const double* value;
};

struct Amount {  // credit, in conversions and in value
    double count = 0.0;
    double value = 0.0;
};
inline Amount operator+(Amount a, Amount b) { return {a.count + b.count, a.value + b.value}; }
inline Amount operator*(Amount a, double w) { return {a.count * w, a.value * w}; }

// Ticks from `then` to `now`, where now >= then: exact over the whole range of int64.
inline uint64_t age(int64_t now, int64_t then) {
    return static_cast<uint64_t>(now) - static_cast<uint64_t>(then);
}

// Categories to codes in order of first appearance, without a hash: `known` holds the code of each category
// that occurs, -1 before. Returns how many occur.
inline int64_t dense_codes(const int32_t* category, int64_t n, int32_t* known, int32_t* code,
                           int64_t* first) {
    int32_t n_codes = 0;
    for (int64_t r = 0; r < n; ++r) {
        const int32_t c = category[r];
        if (c >= 0 && known[c] < 0) {
            known[c] = n_codes;
            first[n_codes++] = r;
        }
        code[r] = c < 0 ? -1 : known[c];
    }
    return n_codes;
}

inline int64_t row_at(const Events& e, int64_t position) { return e.row ? e.row[position] : position; }

constexpr int64_t user_block = 4096;

// Touches and conversions of each chosen user, as offsets. `seen` is `what` by position: rows lie anywhere in
// memory, and are visited once.
inline void count_journeys(const Events& e, int n_threads, int32_t* seen, int64_t* touch_offset,
                           int64_t* conversion_offset) {
    touch_offset[0] = conversion_offset[0] = 0;
    for_each_block(e.n_chosen, user_block, n_threads, [&](int64_t from, int64_t to) {
        for (int64_t k = from; k < to; ++k) {
            const int64_t begin = e.offset[e.user[k]], end = e.offset[e.user[k] + 1];
            int64_t touches = 0, conversions = 0;
            for (int64_t p = begin; p < end; ++p) {
                constexpr int64_t ahead = 16;
                if (e.row && p + ahead < e.n) __builtin_prefetch(&e.what[e.row[p + ahead]]);
                seen[p] = e.what[row_at(e, p)];
                touches += is_touch(seen[p]);
                conversions += is_conversion(seen[p]);
            }
            touch_offset[k + 1] = touches;
            conversion_offset[k + 1] = conversions;
        }
    });
    for (int64_t k = 0; k < e.n_chosen; ++k) {
        touch_offset[k + 1] += touch_offset[k];
        conversion_offset[k + 1] += conversion_offset[k];
    }
}

// Windows of one user: touches [t0, t1), conversions [k0, k1). A touch counts where 0 <= age < lookback;
// with `reset`, not where an earlier conversion looked at it.
inline void windows(int64_t t0, int64_t t1, int64_t k0, int64_t k1, bool limited, uint64_t lookback,
                    bool reset, const int64_t* touch_tick, const int64_t* conversion_tick, int64_t* lo,
                    int64_t* hi) {
    int64_t first = t0, end = t0;
    for (int64_t k = k0; k < k1; ++k) {
        const int64_t now = conversion_tick[k];
        if (reset) first = end;
        while (end < t1 && touch_tick[end] <= now) ++end;
        if (limited)
            while (first < end && age(now, touch_tick[first]) >= lookback) ++first;
        lo[k] = first;
        hi[k] = end;
    }
}

// Where the touches and conversions of all users go, each in order of time.
struct Filled {
    int32_t* channel;
    int64_t* touch_tick;
    int64_t* conversion_tick;
    int64_t* conversion_row;
    int64_t* lo;
    int64_t* hi;
};

inline void fill_journeys(const Events& e, const int32_t* seen, bool limited, uint64_t lookback, bool reset,
                          int n_threads, const int64_t* touch_offset, const int64_t* conversion_offset,
                          const Filled& out) {
    for_each_block(e.n_chosen, user_block, n_threads, [&](int64_t from, int64_t to) {
        const int64_t t_end = touch_offset[to], c_end = conversion_offset[to];
        for (int64_t k = from; k < to; ++k) {
            int64_t t = touch_offset[k], c = conversion_offset[k];
            for (int64_t p = e.offset[e.user[k]]; p < e.offset[e.user[k] + 1]; ++p) {
                // Written whatever it is, since that is noise to the processor: the next one lies over what
                // does not count.
                if (t < t_end) {
                    out.channel[t] = seen[p] >> 1;
                    out.touch_tick[t] = e.tick[p];
                }
                if (c < c_end) {
                    out.conversion_tick[c] = e.tick[p];
                    out.conversion_row[c] = row_at(e, p);
                }
                t += is_touch(seen[p]);
                c += is_conversion(seen[p]);
            }
            windows(touch_offset[k], t, conversion_offset[k], c, limited, lookback, reset, out.touch_tick,
                    out.conversion_tick, out.lo, out.hi);
        }
    });
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

struct Sink {  // the credit of one block of users, by channel
    const int32_t* channel;
    Amount* credit;
    void operator()(int64_t touch, Amount a) const { credit[channel[touch]] = credit[channel[touch]] + a; }
};

struct Span {  // the touches [lo, hi) get `each`, decayed by their distance to the last of them
    int64_t lo, hi;
    Amount each;
};

// Spans never go back: neither lo nor hi falls. Sweeps the touches from the last to the first.
template <class Decay>
void spread(const std::vector<Span>& spans, const int64_t* tick, Sliding<Amount, Decay>& active,
            const Sink& sink) {
    active.clear();
    int64_t next = static_cast<int64_t>(spans.size()) - 1;
    const int64_t newest = next;
    int64_t i = next < 0 ? 0 : spans[next].hi - 1;
    while (next >= 0 || !active.empty()) {
        if (active.empty()) i = std::min(i, spans[next].hi - 1);  // nothing reaches the touches between
        for (; next >= 0 && spans[next].hi - 1 >= i; --next) active.push(spans[next].each, tick[i]);
        active.drop([&](std::size_t n) { return spans[newest - static_cast<int64_t>(n)].lo <= i; });
        if (!active.empty()) sink(i, active.sum(tick[i]));
        --i;
    }
}

struct FirstTouch {
    void operator()(const Journeys& j, int64_t u, const Sink& sink) {
        for (int64_t k = j.conversion_offset[u]; k < j.conversion_offset[u + 1]; ++k)
            if (j.lo[k] < j.hi[k]) sink(j.lo[k], {1.0, j.value[k]});
    }
};

struct LastTouch {
    void operator()(const Journeys& j, int64_t u, const Sink& sink) {
        for (int64_t k = j.conversion_offset[u]; k < j.conversion_offset[u + 1]; ++k)
            if (j.lo[k] < j.hi[k]) sink(j.hi[k] - 1, {1.0, j.value[k]});
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
            const Amount each = Amount{1.0, j.value[k]} * (1.0 / static_cast<double>(n));
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
            const Amount whole{1.0, j.value[k]};
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
                walk(j, k, sink);
                continue;
            }
            for (; next < hi; ++next) weight.push(1.0, j.tick[next]);
            weight.drop([&](std::size_t n) { return t0 + static_cast<int64_t>(n) >= lo; });
            spans.push_back({lo, hi, Amount{1.0, j.value[k]} * (1.0 / weight.sum(j.tick[hi - 1]))});
        }
        spread(spans, j.tick, active, sink);
    }
    void walk(const Journeys& j, int64_t k, const Sink& sink) const {
        const int64_t lo = j.lo[k], hi = j.hi[k];
        double weights[short_window], sum = 0.0;
        for (int64_t i = lo; i < hi; ++i) sum += weights[i - lo] = decay(age(j.tick[hi - 1], j.tick[i]));
        const Amount whole = Amount{1.0, j.value[k]} * (1.0 / sum);
        for (int64_t i = lo; i < hi; ++i) sink(i, whole * weights[i - lo]);
    }
};

// Blocks of users are fixed by the data, each sums on its own, and blocks are added in their order: the same
// bits for any number of threads.
template <class Rule>
void credit(const Journeys& j, int64_t n_channels, int n_threads, const Rule& rule, double* count,
            double* value) {
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
        for (int64_t c = 0; c < n_channels; ++c) {
            const Amount& part = partial[static_cast<std::size_t>(b * n_channels + c)];
            count[c] += part.count;
            value[c] += part.value;
        }
}

// One function a model; count and value are [n_channels], and are added to.

inline void first_touch(const Journeys& j, int64_t n_channels, int n_threads, double* count, double* value) {
    credit(j, n_channels, n_threads, FirstTouch{}, count, value);
}

inline void last_touch(const Journeys& j, int64_t n_channels, int n_threads, double* count, double* value) {
    credit(j, n_channels, n_threads, LastTouch{}, count, value);
}

inline void linear(const Journeys& j, int64_t n_channels, int n_threads, double* count, double* value) {
    credit(j, n_channels, n_threads, Linear{}, count, value);
}

inline void position(const Journeys& j, double first, double middle, double last, int64_t n_channels,
                     int n_threads, double* count, double* value) {
    credit(j, n_channels, n_threads, Position{first, middle, last}, count, value);
}

inline void time_decay(const Journeys& j, double half_lives_per_tick, int64_t n_channels, int n_threads,
                       double* count, double* value) {
    credit(j, n_channels, n_threads, TimeDecay{{half_lives_per_tick}}, count, value);
}

}  // namespace cxcore
