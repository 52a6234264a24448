// Models of the place and of the age of a touch, in one walk over the windows.
//
// Time decay: weights 2^(-age / half life) normalized in the window, so ages may be taken to the last touch
// of the window in the place of the conversion: the sum is never below 1. Long windows go by sliding sums.
#pragma once

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "cxcore/journeys.hpp"
#include "cxcore/sliding.hpp"

namespace cxcore {

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
    int64_t n_channels;           // 0: credit is by touch
    std::vector<double> table{};  // [short_window + 1, short_window, n_parts] of touch i of n
    bool ends_alone = true;       // does no touch between the ends get anything?

    Models(std::vector<Parts> parts_, std::vector<HalfLife> decays_, int64_t n_channels_)
        : parts(std::move(parts_)),
          decays(std::move(decays_)),
          n_channels(n_channels_) {
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
    // Are sums by channel and place of a touch, of which all models of place are made in the end, worth it?
    bool by_place() const {
        constexpr int64_t most_channels = 64;  // of more, the end costs more than it spares
        return n_parts() > 1 && !ends_alone && 0 < n_channels && n_channels <= most_channels;
    }
};

// parts [n_parts, 4]: even, first, middle, last; half lives in a tick [n_decays]; n_channels, 0: by touch
inline Models models_of(const double* parts, int64_t n_parts, const double* per_tick, int64_t n_decays,
                        int64_t n_channels) {
    std::vector<Parts> places;
    for (int64_t m = 0; m < n_parts; ++m, parts += 4)
        places.push_back({parts[0], parts[1], parts[2], parts[3]});
    std::vector<HalfLife> decays;
    for (int64_t d = 0; d < n_decays; ++d) decays.push_back({per_tick[d]});
    return Models(std::move(places), std::move(decays), n_channels);
}

// Takes the windows of a block of users by their number of touches: how often a loop over touches goes round
// would be noise to the processor, and is now the same for many windows in a row.
class PlaceAndAge {
  public:
    explicit PlaceAndAge(const Models& models)
        : models_(models),
          long_(models.parts.size()),
          aged_(models.decays.begin(), models.decays.end()) {
        if (models.by_place()) sums_.resize(static_cast<std::size_t>(places * models.n_channels));
    }

    void operator()(const Journeys& j, int64_t from, int64_t to, const Sink& sink) {
        std::fill(sums_.begin(), sums_.end(), Amount{});
        for (; from < to; from += some_users) take_users(j, from, std::min(to, from + some_users), sink);
        if (!sums_.empty()) split_sums(sink);
    }

  private:
    static constexpr int64_t some_users = 256;  // at once: what they met stays in the cache
    static constexpr int64_t some = 64;         // windows at once
    static constexpr int64_t places = short_window * (short_window + 1) / 2;

    void take_users(const Journeys& j, int64_t from, int64_t to, const Sink& sink) {
        sort_windows(j, from, to);
        for (int64_t n = 1; n <= short_window; ++n) {
            const int64_t first = begin_[n - 1], end = begin_[n];
            if (!sums_.empty())
                add_up(j, n, first, end, sink.channel);
            else if (models_.ends_alone && n > 1)
                take_ends(j, n, first, end, sink);
            else if (!models_.parts.empty())
                take(j, n, first, end, sink);
            for (int64_t d = 0; d < models_.n_decays(); ++d)
                take_aged(j, n, first, end, models_.decays[static_cast<std::size_t>(d)],
                          sink.of(models_.n_parts() + d));
        }
        take_long(j, from, to, sink);
    }

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
    Amount* sums_of(int64_t n, int64_t i) {
        return sums_.data() + (n * (n - 1) / 2 + i) * models_.n_channels;
    }
    // What came to each channel at each place: one sum a touch, whatever the number of models.
    void add_up(const Journeys& j, int64_t n, int64_t first, int64_t end, const int32_t* channel) {
        for (int64_t w = first; w < end; ++w) {
            const Window& window = windows_[static_cast<std::size_t>(w)];
            const Amount mine = whole(j, window);
            const int32_t* const met = channel + j.lo[window.k];
            for (int64_t i = 0; i < n; ++i) {
                Amount& sum = sums_of(n, i)[met[i]];
                sum = sum + mine;
            }
        }
    }
    void split_sums(const Sink& sink) {
        for (int64_t n = 1; n <= short_window; ++n)
            for (int64_t i = 0; i < n; ++i)
                for (int64_t c = 0; c < models_.n_channels; ++c)
                    add(sink.credit + c * sink.n_models, parts_of(n, i), models_.n_parts(), sums_of(n, i)[c]);
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
    std::vector<Amount> sums_{};  // [places, n_channels]
    std::vector<Window> windows_{};
    int64_t begin_[short_window + 1] = {};  // [n] end of the windows of n touches
    int64_t n_windows_ = 0;
    std::vector<Spans> long_;
    std::vector<Aged> aged_;
    Sliding<Amount, NoDecay> even_{NoDecay{}};
    int64_t first_ = 0, next_ = 0;  // touches of the user: the first, and the next to be weighed
};

}  // namespace cxcore
