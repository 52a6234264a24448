// Journeys as a game over channels: which set of channels each journey lies in, and Shapley values.
//
// A window slides over the touches of a user, and so does its set: a count for each channel, O(touches +
// conversions) whatever the overlap. Sets of few channels are masks, and a function of sets is a table by
// mask: sums over all subsets by the zeta transform, n 2^n additions (Yates 1937). Shapley (1953):
//   phi_c = sum over S without c of |S|! (n - |S| - 1)! / n! (v(S + c) - v(S)).
// Sets of many channels: mean over random orders of v(those up to c) - v(those before c), each order with its
// reverse (Mitchell et al. 2022, antithetic). Orders are drawn by counter: (seed, number of the pair, step).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "cxcore/journeys.hpp"
#include "cxcore/key_table.hpp"
#include "cxcore/memory.hpp"
#include "cxcore/threads.hpp"

namespace cxcore {

// ---------------------------------------------------------------------------------------------- sets of
// windows

struct SetKey {  // of a set of players: its bits up to 128 of them; beyond, the sum of random words of each
    uint64_t a, b;
    friend bool operator==(const SetKey& x, const SetKey& y) { return x.a == y.a && x.b == y.b; }
};
struct SetHash {
    size_t operator()(const SetKey& key) const { return static_cast<size_t>(mix(key.a ^ mix(key.b))); }
};

// The players of a window that moves forward.
class Coalition {
  public:
    Coalition(const int32_t* channel, const int32_t* player, int64_t n_players)
        : channel_(channel),
          player_(player),
          bits_(n_players <= 128),
          count_(static_cast<size_t>(n_players)),
          at_(static_cast<size_t>(n_players)) {}

    void move(int64_t lo, int64_t hi) {
        if (lo >= hi_) {  // nothing in common with the window before, which may be another user's
            for (const int32_t p : members_) count_[p] = 0;
            members_.clear();
            key_ = {0, 0};
            lo_ = hi_ = lo;
        }
        for (; hi_ < hi; ++hi_) enter(player_[channel_[hi_]]);
        for (; lo_ < lo; ++lo_) leave(player_[channel_[lo_]]);
    }
    const std::vector<int32_t>& members() const { return members_; }
    SetKey key() const { return key_; }

  private:
    void enter(int32_t p) {
        if (count_[p]++ > 0) return;
        at_[p] = static_cast<int32_t>(members_.size());
        members_.push_back(p);
        toggle(p);
    }
    void leave(int32_t p) {
        if (--count_[p] > 0) return;
        members_[at_[p]] = members_.back();
        at_[members_.back()] = at_[p];
        members_.pop_back();
        toggle(p);
    }
    void toggle(int32_t p) {
        const auto n = static_cast<uint64_t>(p);
        if (bits_) {
            (n < 64 ? key_.a : key_.b) ^= uint64_t{1} << (n % 64);
        } else {
            key_.a ^= mix(2 * n + 1);
            key_.b ^= mix(2 * n + 2);
        }
    }
    const int32_t* channel_;
    const int32_t* player_;
    bool bits_;
    std::vector<int64_t> count_;
    std::vector<int32_t> at_, members_{};
    SetKey key_{0, 0};
    int64_t lo_ = 0, hi_ = 0;
};

// Calls visit(place, coalition) for each journey of the users [from, to) that has a touch: where the answer
// for it goes, and its players.
template <class Visit>
void walk_journeys(const Journeys& j, int64_t from, int64_t to, Coalition& coalition, int32_t* of_conversion,
                   int32_t* of_null, Visit visit) {
    for (int64_t u = from; u < to; ++u) {
        for (int64_t k = j.conversion_offset[u]; k < j.conversion_offset[u + 1]; ++k) {
            of_conversion[k] = -1;
            if (j.lo[k] == j.hi[k]) continue;
            coalition.move(j.lo[k], j.hi[k]);
            visit(of_conversion[k], coalition);
        }
        if (!j.null_lo) continue;
        of_null[u] = -1;
        if (j.null_lo[u] == j.null_hi[u]) continue;
        coalition.move(j.null_lo[u], j.null_hi[u]);
        visit(of_null[u], coalition);
    }
}

// The set of each journey as a mask; n_players <= 30.
inline void coalitions(const Journeys& j, const int32_t* player, int64_t n_players, int n_threads,
                       int32_t* of_conversion, int32_t* of_null) {
    for_each_block(j.n_users, user_block, n_threads, [&](int64_t from, int64_t to) {
        Coalition coalition(j.channel, player, n_players);
        walk_journeys(j, from, to, coalition, of_conversion, of_null,
                      [](int32_t& place, const Coalition& c) { place = static_cast<int32_t>(c.key().a); });
    });
}

// The set of each journey by number, sets numbered as they appear, and the players of each set.
inline void distinct_coalitions(const Journeys& j, const int32_t* player, int64_t n_players,
                                int32_t* of_conversion, int32_t* of_null, Array<int64_t>& offset,
                                Array<int64_t>& member) {
    std::unordered_map<SetKey, int32_t, SetHash> known;
    Coalition coalition(j.channel, player, n_players);
    offset.assign(1, 0);
    walk_journeys(j, 0, j.n_users, coalition, of_conversion, of_null,
                  [&](int32_t& place, const Coalition& c) {
                      const auto [found, is_new] = known.emplace(c.key(), static_cast<int32_t>(known.size()));
                      place = found->second;
                      if (!is_new) return;
                      for (const int32_t p : c.members()) member.push_back(p);
                      offset.push_back(static_cast<int64_t>(member.size()));
                  });
}

// ---------------------------------------------------------------------------------------------- tables by
// mask

// table[S] becomes the sum over all subsets of S (or supersets), for each of `width` columns.
inline void set_sums(double* table, int64_t n_players, int64_t width, bool of_supersets) {
    const int64_t size = int64_t{1} << n_players;
    for (int64_t bit = 1; bit < size; bit <<= 1)
        for (int64_t base = 0; base < size; base += 2 * bit) {
            double* const without = table + base * width;
            double* const with = without + bit * width;
            if (of_supersets)
                for (int64_t i = 0; i < bit * width; ++i) without[i] += with[i];
            else
                for (int64_t i = 0; i < bit * width; ++i) with[i] += without[i];
        }
}

// |S|! (n - |S| - 1)! / n! for |S| = 0 .. n - 1: the part of orders in which exactly S comes before a player.
inline std::vector<double> order_parts(int64_t n) {
    std::vector<double> part(static_cast<size_t>(n));
    double chosen = 1.0;  // n - 1 over |S|, exact in a double for the n of a table
    for (int64_t s = 0; s < n; ++s) {
        part[static_cast<size_t>(s)] = 1.0 / (static_cast<double>(n) * chosen);
        chosen = chosen * static_cast<double>(n - 1 - s) / static_cast<double>(s + 1);
    }
    return part;
}

inline int set_size(int64_t set) { return __builtin_popcountll(static_cast<unsigned long long>(set)); }

// OUT phi double[n_players, width]
inline void shapley_values(const double* v, int64_t n_players, int64_t width, int n_threads, double* phi) {
    const std::vector<double> part = order_parts(n_players);
    const int64_t size = int64_t{1} << n_players;
    for_each_piece(n_players, n_threads, [&](int64_t c) {
        const int64_t bit = int64_t{1} << c;
        double* const mine = phi + c * width;
        std::fill(mine, mine + width, 0.0);
        for (int64_t base = 0; base < size; base += 2 * bit)
            for (int64_t s = base; s < base + bit; ++s) {
                const double p = part[static_cast<size_t>(set_size(s))];
                for (int64_t x = 0; x < width; ++x)
                    mine[x] += p * (v[(s | bit) * width + x] - v[s * width + x]);
            }
    });
}

// ---------------------------------------------------------------------------------------------- random
// orders

constexpr uint64_t golden = 0x9E3779B97F4A7C15u;

// The order with this number: shuffled from the end (Fisher, Yates), one random word a step.
inline void random_order(uint64_t seed, uint64_t number, int64_t n, int32_t* order) {
    for (int64_t i = 0; i < n; ++i) order[i] = static_cast<int32_t>(i);
    const uint64_t stream = mix(mix(seed + golden) + number * golden);
    for (int64_t i = n - 1; i > 0; --i) {
        const uint64_t word = mix(stream + static_cast<uint64_t>(i) * golden);
        const auto below = static_cast<unsigned __int128>(word) * static_cast<uint64_t>(i + 1);
        std::swap(order[i], order[static_cast<int64_t>(below >> 64)]);
    }
}

struct Sets {  // distinct sets of players, and what journeys say of each
    int64_t n;
    const int64_t* offset;  // [n + 1]
    const int64_t* member;
    const double* tally;  // [n, 3] journeys, conversions, value
};

struct Rates {  // conversions and value per journey
    double conversions = 0.0, value = 0.0;
};

struct Spread {  // mean and spread of what pairs of orders say (Welford; blocks merged as Chan et al. 1983)
    double n = 0.0;
    std::vector<double> mean, squares;
    explicit Spread(int64_t size) : mean(static_cast<size_t>(size)), squares(static_cast<size_t>(size)) {}

    void add(const std::vector<double>& x) {
        n += 1.0;
        for (size_t i = 0; i < x.size(); ++i) {
            const double off = x[i] - mean[i];
            mean[i] += off / n;
            squares[i] += off * (x[i] - mean[i]);
        }
    }
    void merge(const Spread& other) {
        const double total = n + other.n;
        for (size_t i = 0; i < mean.size(); ++i) {
            const double off = other.mean[i] - mean[i];
            squares[i] += other.squares[i] + off * off * n * other.n / total;
            mean[i] += off * other.n / total;
        }
        n = total;
    }
};

// What one pair of orders says: by player, conversions and value per journey that it adds to those before it.
class Pair {
  public:
    Pair(const Sets& sets, int64_t n)
        : sets_(sets),
          n_(n),
          order_(n),
          place_(n),
          forth_(3 * n),
          back_(3 * n) {}

    void draw(uint64_t seed, uint64_t number, std::vector<double>& added) {
        random_order(seed, number, n_, order_.data());
        for (int64_t i = 0; i < n_; ++i) place_[order_[i]] = static_cast<int32_t>(i);
        std::fill(forth_.begin(), forth_.end(), 0.0);
        std::fill(back_.begin(), back_.end(), 0.0);
        for (int64_t s = 0; s < sets_.n; ++s) {  // a journey is inside as soon as its last player has come
            int32_t first = static_cast<int32_t>(n_), last = -1;
            for (int64_t m = sets_.offset[s]; m < sets_.offset[s + 1]; ++m) {
                const int32_t at = place_[sets_.member[m]];
                first = std::min(first, at);
                last = std::max(last, at);
            }
            for (int x = 0; x < 3; ++x) {
                forth_[3 * last + x] += sets_.tally[3 * s + x];
                back_[3 * first + x] += sets_.tally[3 * s + x];
            }
        }
        std::fill(added.begin(), added.end(), 0.0);
        double sum[3] = {0.0, 0.0, 0.0};
        Rates before;
        for (int64_t i = 0; i < n_; ++i) step(&forth_[3 * i], order_[i], sum, before, added);
        std::fill(sum, sum + 3, 0.0);
        before = Rates{};
        for (int64_t i = n_ - 1; i >= 0; --i) step(&back_[3 * i], order_[i], sum, before, added);
    }

  private:
    static void step(const double* comes, int32_t player, double* sum, Rates& before,
                     std::vector<double>& added) {
        for (int x = 0; x < 3; ++x) sum[x] += comes[x];
        Rates now;
        if (sum[0] > 0.0) now = {sum[1] / sum[0], sum[2] / sum[0]};
        added[2 * player] += 0.5 * (now.conversions - before.conversions);
        added[2 * player + 1] += 0.5 * (now.value - before.value);
        before = now;
    }
    const Sets& sets_;
    int64_t n_;
    std::vector<int32_t> order_, place_;
    std::vector<double> forth_, back_;
};

constexpr int64_t pair_block = 8;

// Pairs of orders [from, to), added to `total` block by block.
inline void sample_orders(const Sets& sets, int64_t n_players, uint64_t seed, int64_t from, int64_t to,
                          int n_threads, Spread& total) {
    const int64_t n_blocks = (to - from + pair_block - 1) / pair_block;
    std::vector<Spread> blocks(static_cast<size_t>(n_blocks), Spread(2 * n_players));
    for_each_piece(n_blocks, n_threads, [&](int64_t b) {
        Pair pair(sets, n_players);
        std::vector<double> added(static_cast<size_t>(2 * n_players));
        for (int64_t p = from + b * pair_block; p < std::min(to, from + (b + 1) * pair_block); ++p) {
            pair.draw(seed, static_cast<uint64_t>(p), added);
            blocks[static_cast<size_t>(b)].add(added);
        }
    });
    for (const Spread& block : blocks) total.merge(block);
}

// OUT phi double[n_players, 2], error double[n_players, 2]: standard error of the mean
inline void finish(const Spread& total, double* phi, double* error) {
    for (size_t i = 0; i < total.mean.size(); ++i) {
        phi[i] = total.mean[i];
        error[i] = total.n > 1.0 ? std::sqrt(total.squares[i] / (total.n - 1.0) / total.n) : 0.0;
    }
}

// ---------------------------------------------------------------------------------------------- slopes

struct Orders {
    int64_t n, n_players;
    const int32_t* order;  // [n, n_players]
};

// What a journey inside the first players of an order moves in their worth: by (its outcome - v) / journeys
// inside. OUT rate double[n_orders, n_players, 3]: 1 / journeys, conversions and value per journey over
// journeys; 0 where there is none
inline void order_rates(const Sets& sets, const Orders& orders, int n_threads, double* rate) {
    const int64_t n = orders.n_players;
    for_each_piece(orders.n, n_threads, [&](int64_t o) {
        double* const mine = rate + o * n * 3;
        std::vector<int32_t> place(static_cast<size_t>(n));
        for (int64_t i = 0; i < n; ++i) place[orders.order[o * n + i]] = static_cast<int32_t>(i);
        std::fill(mine, mine + 3 * n, 0.0);
        for (int64_t s = 0; s < sets.n; ++s) {
            int32_t last = 0;
            for (int64_t m = sets.offset[s]; m < sets.offset[s + 1]; ++m)
                last = std::max(last, place[sets.member[m]]);
            for (int x = 0; x < 3; ++x) mine[3 * last + x] += sets.tally[3 * s + x];
        }
        double sum[3] = {0.0, 0.0, 0.0};
        for (int64_t i = 0; i < n; ++i) {
            for (int x = 0; x < 3; ++x) sum[x] += mine[3 * i + x];
            const double each = sum[0] > 0.0 ? 1.0 / sum[0] : 0.0;
            mine[3 * i] = each;
            for (int x = 1; x < 3; ++x) mine[3 * i + x] = sum[x] * each * each;
        }
    });
}

// What a journey of each set moves in what players add, on average over the orders: it is inside from its
// last player on. OUT slope double[n_sets, n_players, 3]: for an outcome of 1; for conversions; for value
inline void order_slopes(const Sets& sets, const Orders& orders, const double* rate, int n_threads,
                         double* slope) {
    const int64_t n = orders.n_players;
    std::vector<int32_t> place(static_cast<size_t>(orders.n * n));
    for (int64_t o = 0; o < orders.n; ++o)
        for (int64_t i = 0; i < n; ++i)
            place[static_cast<size_t>(o * n + orders.order[o * n + i])] = static_cast<int32_t>(i);
    for_each_block(sets.n, 64, n_threads, [&](int64_t from, int64_t to) {
        std::fill(slope + from * n * 3, slope + to * n * 3, 0.0);
        for (int64_t o = 0; o < orders.n; ++o) {
            const int32_t* const at = place.data() + o * n;
            const int32_t* const order = orders.order + o * n;
            const double* const mine = rate + o * n * 3;
            for (int64_t s = from; s < to; ++s) {
                int32_t last = 0;
                for (int64_t m = sets.offset[s]; m < sets.offset[s + 1]; ++m)
                    last = std::max(last, at[sets.member[m]]);
                double* const out = slope + s * n * 3;
                for (int x = 0; x < 3; ++x) out[3 * order[last] + x] += mine[3 * last + x];
                for (int64_t i = last + 1; i < n; ++i)
                    for (int x = 0; x < 3; ++x)
                        out[3 * order[i] + x] += mine[3 * i + x] - mine[3 * i - 3 + x];
            }
        }
        const double part = 1.0 / static_cast<double>(orders.n);
        for (int64_t i = from * n * 3; i < to * n * 3; ++i) slope[i] *= part;
    });
}

}  // namespace cxcore
