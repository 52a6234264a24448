// Squares of what customers change in the credit of models of place and age, all in one walk.
//
// A block of customers who converted gets a slot for each of them and channel met; the walk adds the credit
// of all models to slots, and what is in a slot is squared while it is near. What is 0 counts by how many
// customers have it: cost does not grow with the number of channels, and no credit by touch is ever written
// down.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "cxcore/clones.hpp"
#include "cxcore/journeys.hpp"
#include "cxcore/memory.hpp"
#include "cxcore/place_and_age.hpp"
#include "cxcore/sliding.hpp"
#include "cxcore/threads.hpp"
#include "cxcore/uncertainty.hpp"

namespace cxcore {

struct Slot {  // a customer and a channel met
    int64_t channel;
    double alike, last;  // last: how far the customer's conversions lie from the mean
};

// Sums by channel, [n_channels, n] and [n_channels], of slots [n_slots, n].
CXCORE_CLONES inline void close_slots(const Slot* slots, int64_t n_slots, const double* amount, int64_t n,
                                      const double* mean, double* square, double* product, double* met) {
    for (int64_t s = 0; s < n_slots; ++s, amount += n) {
        const Slot slot = slots[s];
        const int64_t at = slot.channel * n;
        for (int64_t m = 0; m < n; ++m) {
            const double d = amount[m] - mean[at + m];
            square[at + m] += slot.alike * d * d;
            product[at + m] += slot.last * amount[m];
        }
        met[slot.channel] += slot.alike;
    }
}

struct WalkedSums {  // of a block; the channel behind the last is none
    std::vector<double> square, product, met;
    double all_square = 0.0, all_product = 0.0, all_met = 0.0;  // of the conversions of a customer

    WalkedSums(int64_t n_channels, int64_t n)
        : square(static_cast<std::size_t>((n_channels + 1) * n)),
          product(square.size()),
          met(static_cast<std::size_t>(n_channels + 1)) {}
    void add(const WalkedSums& other) {
        for (std::size_t k = 0; k < square.size(); ++k) {
            square[k] += other.square[k];
            product[k] += other.product[k];
        }
        for (std::size_t c = 0; c < met.size(); ++c) met[c] += other.met[c];
        all_square += other.all_square;
        all_product += other.all_product;
        all_met += other.all_met;
    }
};

class WalkedBlock {
  public:
    // IN mean [n_channels + 1, n_models, 2] of a customer, and of all conversions
    WalkedBlock(const Journeys& j, const Models& models, const uint8_t* alone, const double* mean,
                double mean_of_all, int64_t n_channels, int32_t* slot_of)
        : j_(j),
          models_(models),
          alone_(alone),
          mean_(mean),
          mean_of_all_(mean_of_all),
          n_channels_(n_channels),
          slot_of_(slot_of),
          place_(static_cast<std::size_t>(n_channels), -1) {}

    WalkedSums operator()(int64_t from, int64_t to) {
        const int64_t n = 2 * models_.size();
        WalkedSums sums(n_channels_, n);
        for (int64_t u = from; u < to; ++u)
            if (j_.conversion_offset[u] < j_.conversion_offset[u + 1]) take(u, sums);
        std::vector<Amount> credit(slots_.size() * static_cast<std::size_t>(models_.size()));
        for (const Rest& rest : rests_)
            std::fill_n(credit.begin() + rest.slot * models_.size(), models_.size(), rest.amount);
        Journeys once = j_;
        once.times = nullptr;  // squares know how many are alike
        PlaceAndAge walk(models_);
        walk(once, from, to, Sink{slot_of_, credit.data(), models_.size()});
        close_slots(slots_.data(), static_cast<int64_t>(slots_.size()),
                    reinterpret_cast<const double*>(credit.data()), n, mean_, sums.square.data(),
                    sums.product.data(), sums.met.data());
        return sums;
    }

  private:
    struct Rest {  // what no touch earned
        int64_t slot;
        Amount amount;
    };
    const Journeys& j_;
    const Models& models_;
    const uint8_t* alone_;
    const double* mean_;
    double mean_of_all_;
    int64_t n_channels_;
    int32_t* slot_of_;  // by touch
    std::vector<int32_t> place_;
    std::vector<Slot> slots_{};
    std::vector<Rest> rests_{};

    void take(int64_t u, WalkedSums& sums) {
        const int64_t k0 = j_.conversion_offset[u], k1 = j_.conversion_offset[u + 1];
        const double alike = j_.times ? j_.times[u] : 1.0, converted = static_cast<double>(k1 - k0);
        const double last = alike * (converted - mean_of_all_);
        sums.all_square += last * (converted - mean_of_all_);
        sums.all_product += last * converted;
        sums.all_met += alike;
        const std::size_t begin = slots_.size();
        for (int64_t i = j_.touch_offset[u]; i < j_.touch_offset[u + 1]; ++i) {
            int32_t& place = place_[j_.channel[i]];
            if (place < 0) {
                place = static_cast<int32_t>(slots_.size());
                slots_.push_back({j_.channel[i], alike, last});
            }
            slot_of_[i] = place;
        }
        for (std::size_t s = begin; s < slots_.size(); ++s) place_[slots_[s].channel] = -1;
        Amount rest{};
        for (int64_t k = k0; k < k1; ++k)
            if (alone_[k]) rest = rest + Amount{1.0, j_.value[k]};
        if (rest.count == 0.0) return;
        rests_.push_back({static_cast<int64_t>(slots_.size()), rest});
        slots_.push_back({n_channels_, alike, last});
    }
};

// The sums of add_squares for each of the models (place_and_age in attribution.hpp has their numbers). IN
// alone [n_conversions] 1 where no touch earned it, mean [n_models, 2 C + 3] of a customer, n customers in
// all; OUT sums [n_models, 2 C + 3, 2], added to
inline void walked_squares(const Journeys& j, const double* parts, int64_t n_parts, const double* per_tick,
                           int64_t n_decays, int64_t n_channels, const uint8_t* alone, const double* mean,
                           double n, int n_threads, double* sums) {
    const Models models = models_of(parts, n_parts, per_tick, n_decays, 0);
    const int64_t n_models = models.size(), width = 2 * n_models, n_columns = 2 * n_channels + 3;
    std::vector<double> by_channel(static_cast<std::size_t>((n_channels + 1) * width));
    for (int64_t m = 0; m < n_models; ++m)
        for (int64_t c = 0; c < n_columns - 1; ++c)
            by_channel[c / 2 * width + 2 * m + c % 2] = mean[m * n_columns + c];
    const double of_all = mean[n_columns - 1];
    Array<int32_t> slot_of(static_cast<std::size_t>(j.touch_offset[j.n_users]));
    const int64_t size = std::max(user_block, users_of_block(j.n_users, 2 * n_models * n_columns));
    std::vector<WalkedSums> blocks(static_cast<std::size_t>((j.n_users + size - 1) / size), WalkedSums(0, 0));
    for_each_block(j.n_users, size, n_threads, [&](int64_t from, int64_t to) {
        WalkedBlock block(j, models, alone, by_channel.data(), of_all, n_channels, slot_of.data());
        blocks[static_cast<std::size_t>(from / size)] = block(from, to);
    });
    WalkedSums all(n_channels, width);
    for (const WalkedSums& block : blocks) all.add(block);
    for (int64_t m = 0; m < n_models; ++m) {
        double* const out = sums + m * n_columns * 2;
        for (int64_t c = 0; c < n_columns - 1; ++c) {
            const int64_t at = c / 2 * width + 2 * m + c % 2;
            out[2 * c] += all.square[at] + (n - all.met[c / 2]) * by_channel[at] * by_channel[at];
            out[2 * c + 1] += all.product[at];
        }
        out[2 * n_columns - 2] += all.all_square + (n - all.all_met) * of_all * of_all;
        out[2 * n_columns - 1] += all.all_product;
    }
}

}  // namespace cxcore
