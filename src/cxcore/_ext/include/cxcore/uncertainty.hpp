// What one customer more would change: influence functions of credit, and their sums.
//
// The chain of order 1 (markov.hpp) in counts: X = (D - F)^-1, visits a = s X, chance to convert h = X R.
// Taking channel c out turns them into a^c = a - a_c X[c,:] / X_cc and h^c = h - X[:,c] h_c / X_cc, and the
// conversions L^c that are left change by a^c_i (h^c_j - h^c_i) with every step from i to j, h^c of start 0,
// of conversion 1, of null 0 (delta method; docs/explanation/attribution.md). Out of journeys flows are
// balanced, so a = 1 and the whole L changes by what a journey brings. Value: worth w = X V in the place of
// h.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "cxcore/clones.hpp"
#include "cxcore/journeys.hpp"
#include "cxcore/markov.hpp"
#include "cxcore/threads.hpp"

namespace cxcore {

// One row of numbers onto another, so many times.
CXCORE_CLONES inline void add_row(const double* row, double times, int64_t n, double* out) {
    for (int64_t c = 0; c < n; ++c) out[c] += times * row[c];
}

// The squares of a row less the mean, and its products with `last`; each so many times.
CXCORE_CLONES inline void add_square_row(const double* row, const double* mean, double alike, double last,
                                         int64_t n, double* square, double* product) {
    for (int64_t c = 0; c < n; ++c) {
        const double d = row[c] - mean[c];
        square[c] += alike * d * d;
        product[c] += last * d;
    }
}

// Columns [c0, c1) of X, from the factors of D - F. OUT x [n, kTile]
inline void inverse_columns(const double* a, const double* pivot, int64_t n, int64_t c0, int64_t c1,
                            double* x) {
    std::fill(x, x + n * kTile, 0.0);
    for (int64_t c = c0; c < c1; ++c) x[c * kTile + c - c0] = 1.0;
    for (int64_t i = c0; i < n; ++i)
        for (int64_t k = c0; k < i; ++k)
            for (int64_t w = 0; w < kTile; ++w) x[i * kTile + w] += a[i * n + k] * x[k * kTile + w];
    for (int64_t k = n; k-- > 0;) {
        for (int64_t j = k + 1; j < n; ++j)
            for (int64_t w = 0; w < kTile; ++w) x[k * kTile + w] += a[k * n + j] * x[j * kTile + w];
        for (int64_t w = 0; w < kTile; ++w) x[k * kTile + w] /= pivot[k];
    }
}

// X out of the factors; pieces are columns. OUT x [n, n]
inline void inverse(const double* a, const double* pivot, int64_t n, int n_threads, double* x) {
    for_each_block(n, kTile, n_threads, [&](int64_t c0, int64_t c1) {
        std::vector<double> columns(static_cast<size_t>(n * kTile));
        inverse_columns(a, pivot, n, c0, c1, columns.data());
        for (int64_t i = 0; i < n; ++i)
            for (int64_t c = c0; c < c1; ++c) x[i * n + c] = columns[static_cast<size_t>(i * kTile + c - c0)];
    });
}

// ---------------------------------------------------------------------------------------------- one chain

struct TakenOut {  // C channels, each taken out: [state, channel taken out]
    int64_t n_channels;
    const double* visits;  // a^c
    const double* ahead;   // h^c
    const double* worth;   // w^c; null: value is split as conversions are
    const double* part;    // [C, 2] of conversions and of value that each channel has
    double gain;           // credit for each unit that is lost: of conversions, of value
    double gain_of_value;
};

// What is left without each channel changes by so much. Adds to left[C].
inline void walk_step(const TakenOut& t, const double* of, int64_t from, int64_t to, double times,
                      double* left) {
    const double* const visits = t.visits + from * t.n_channels;
    const double* const here = of + from * t.n_channels;
    const double* const there = of + to * t.n_channels;
    for (int64_t c = 0; c < t.n_channels; ++c) left[c] += times * visits[c] * (there[c] - here[c]);
}

inline void walk_start(const TakenOut& t, const double* of, int64_t first, double* left) {
    for (int64_t c = 0; c < t.n_channels; ++c) left[c] += of[first * t.n_channels + c];
}

inline void walk_end(const TakenOut& t, const double* of, int64_t last, double amount, double* left) {
    const double* const visits = t.visits + last * t.n_channels;
    const double* const here = of + last * t.n_channels;
    for (int64_t c = 0; c < t.n_channels; ++c) left[c] += visits[c] * (amount - here[c]);
}

// The influence of one customer on credit = total * lost / sum of lost.
inline void influence_of(const TakenOut& t, int at, double total, double gain, const double* lost,
                         double* out) {
    double sum = 0.0;
    for (int64_t c = 0; c < t.n_channels; ++c) sum += lost[c];
    for (int64_t c = 0; c < t.n_channels; ++c) {
        const double part = t.part[2 * c + at];
        out[2 * c + at] = total * part + gain * (lost[c] - part * sum);
    }
}

// The same of conversions and of value, from what is left without each channel, which becomes what is lost.
inline void influence_of_left(const TakenOut& t, double conversions, double value, std::vector<double>& left,
                              std::vector<double>& left_value, double* out) {
    for (double& x : left) x = conversions - x;
    influence_of(t, 0, conversions, t.gain, left.data(), out);
    if (t.worth)
        for (double& x : left_value) x = value - x;
    influence_of(t, 1, value, t.gain_of_value, t.worth ? left_value.data() : left.data(), out);
}

struct ChainWalk {  // the journeys of one customer
    const TakenOut& t;
    std::vector<int64_t> change{};
    std::vector<double> left{}, left_value{};

    void operator()(const Journeys& j, int64_t u, double* out) {
        const int64_t t0 = j.touch_offset[u], t1 = j.touch_offset[u + 1];
        change.assign(static_cast<size_t>(t1 - t0) + 1, 0);
        left.assign(static_cast<size_t>(t.n_channels), 0.0);
        left_value.assign(static_cast<size_t>(t.n_channels), 0.0);
        double conversions = 0.0, value = 0.0;
        for (int64_t k = j.conversion_offset[u]; k < j.conversion_offset[u + 1]; ++k) {
            if (j.lo[k] == j.hi[k]) continue;
            conversions += 1.0;
            value += j.value[k];
            walk(j, t0, j.lo[k], j.hi[k], 1.0, j.value[k]);
        }
        if (j.null_lo && j.null_lo[u] < j.null_hi[u]) walk(j, t0, j.null_lo[u], j.null_hi[u], 0.0, 0.0);
        int64_t times = 0;
        for (int64_t i = t0; i + 1 < t1; ++i) {
            times += change[i - t0];
            const int64_t from = j.channel[i], to = j.channel[i + 1];
            if (times == 0 || from == to) continue;
            walk_step(t, t.ahead, from, to, static_cast<double>(times), left.data());
            if (t.worth) walk_step(t, t.worth, from, to, static_cast<double>(times), left_value.data());
        }
        influence_of_left(t, conversions, value, left, left_value, out);
    }

  private:
    void walk(const Journeys& j, int64_t t0, int64_t lo, int64_t hi, double converts, double amount) {
        ++change[lo - t0];
        --change[hi - 1 - t0];
        walk_start(t, t.ahead, j.channel[lo], left.data());
        walk_end(t, t.ahead, j.channel[hi - 1], converts, left.data());
        if (!t.worth) return;
        walk_start(t, t.worth, j.channel[lo], left_value.data());
        walk_end(t, t.worth, j.channel[hi - 1], amount, left_value.data());
    }
};

constexpr int64_t influence_block = 256;  // users

// OUT influence [n_users, C, 2]
inline void chain_influence(const Journeys& j, const TakenOut& t, int n_threads, double* influence) {
    for_each_block(j.n_users, influence_block, n_threads, [&](int64_t from, int64_t to) {
        ChainWalk walk{t};
        for (int64_t u = from; u < to; ++u) walk(j, u, influence + u * t.n_channels * 2);
    });
}

// The same from a table of what each step changes, for few channels: an influence is a sum of its rows.
// Rows [2 C]: steps i * C + j, then C each of starts, of ends in nothing, of ends in a conversion. `of_value`
// [C, C]: what a unit of value after a last touch changes in the value of each channel.
struct StepTable {
    int64_t n_channels;
    const double* rows;
    const double* of_value;
    int64_t step(int64_t from, int64_t to) const { return from * n_channels + to; }
    int64_t start(int64_t c) const { return n_channels * n_channels + c; }
    int64_t end(int64_t c, bool converts) const { return start(c) + n_channels * (converts ? 2 : 1); }
};

// Walks the journeys of a customer. `visit` has start(channel), step(from, to, times), and end(channel, k),
// of conversion k (-1: of the journey that did not convert).
class StepWalk {
  public:
    template <class Visit>
    void operator()(const Journeys& j, int64_t u, Visit& visit) {
        const int64_t t0 = j.touch_offset[u], t1 = j.touch_offset[u + 1];
        const bool is_null = j.null_lo && j.null_lo[u] < j.null_hi[u];
        const bool is_one = j.conversion_offset[u + 1] - j.conversion_offset[u] + is_null <= 1;
        if (!is_one) change_.assign(static_cast<size_t>(t1 - t0) + 1, 0);
        const auto window = [&](int64_t lo, int64_t hi, int64_t k) {
            visit.start(j.channel[lo]);
            visit.end(j.channel[hi - 1], k);
            if (is_one) {
                for (int64_t i = lo; i + 1 < hi; ++i) step(j, i, 1.0, visit);
                return;
            }
            ++change_[lo - t0];
            --change_[hi - 1 - t0];
        };
        for (int64_t k = j.conversion_offset[u]; k < j.conversion_offset[u + 1]; ++k)
            if (j.lo[k] < j.hi[k]) window(j.lo[k], j.hi[k], k);
        if (is_null) window(j.null_lo[u], j.null_hi[u], -1);
        if (is_one) return;
        int64_t times = 0;
        for (int64_t i = t0; i + 1 < t1; ++i)
            if (times += change_[i - t0]) step(j, i, static_cast<double>(times), visit);
    }

  private:
    std::vector<int64_t> change_{};  // windows that begin and end to walk at a touch

    template <class Visit>
    static void step(const Journeys& j, int64_t i, double times, Visit& visit) {
        if (j.channel[i] != j.channel[i + 1]) visit.step(j.channel[i], j.channel[i + 1], times);
    }
};

struct TableInfluence {
    const Journeys& j;
    const StepTable& t;
    double* out = nullptr;

    void start(int64_t c) const { add(t.start(c), 1.0); }
    void step(int64_t from, int64_t to, double times) const { add(t.step(from, to), times); }
    void end(int64_t c, int64_t k) const {
        add(t.end(c, k >= 0), 1.0);
        if (k < 0) return;
        for (int64_t i = 0; i < t.n_channels; ++i)
            out[2 * i + 1] += j.value[k] * t.of_value[c * t.n_channels + i];
    }

  private:
    void add(int64_t row, double times) const {
        add_row(t.rows + row * 2 * t.n_channels, times, 2 * t.n_channels, out);
    }
};

// OUT influence [n_users, C, 2]
inline void table_influence(const Journeys& j, const StepTable& t, int n_threads, double* influence) {
    for_each_block(j.n_users, influence_block, n_threads, [&](int64_t from, int64_t to) {
        StepWalk walk;
        TableInfluence visit{j, t};
        std::fill(influence + from * t.n_channels * 2, influence + to * t.n_channels * 2, 0.0);
        for (int64_t u = from; u < to; ++u) {
            visit.out = influence + u * t.n_channels * 2;
            walk(j, u, visit);
        }
    });
}

// Credit by customer out of credit by touch. OUT credit [n_users, C, 2], all 0 before
inline void customer_credit(const Journeys& j, const double* of_touch, int64_t n_channels, int n_threads,
                            double* credit) {
    for_each_block(j.n_users, influence_block, n_threads, [&](int64_t from, int64_t to) {
        for (int64_t u = from; u < to; ++u) {
            double* const mine = credit + u * n_channels * 2;
            for (int64_t i = j.touch_offset[u]; i < j.touch_offset[u + 1]; ++i)
                for (int at = 0; at < 2; ++at) mine[2 * j.channel[i] + at] += of_touch[2 * i + at];
        }
    });
}

// ---------------------------------------------------------------------------------------------- sums

// Users of one block of sums, of which there are few: each has a row of so many numbers.
inline int64_t users_of_block(int64_t n_users, int64_t n_numbers) {
    const int64_t most = std::clamp<int64_t>((int64_t{1} << 21) / n_numbers, 1, 256);
    return std::max<int64_t>(influence_block, (n_users + most - 1) / most);
}

// Squares of columns less the mean, and products with the last column. Blocks are fixed and added in their
// order. IN influence [n_users, n_columns], times [n_users] or null, mean [n_columns]; OUT sums [n_columns,
// 2], added to
inline void add_squares(const double* influence, const double* times, int64_t n_users, int64_t n_columns,
                        const double* mean, int n_threads, double* sums) {
    const int64_t n_blocks = (n_users + influence_block - 1) / influence_block;
    std::vector<double> partial(static_cast<size_t>(n_blocks * n_columns * 2), 0.0);
    for_each_block(n_users, influence_block, n_threads, [&](int64_t from, int64_t to) {
        double* const square = partial.data() + from / influence_block * n_columns * 2;
        double* const product = square + n_columns;
        for (int64_t u = from; u < to; ++u) {
            const double* const x = influence + u * n_columns;
            const double alike = times ? times[u] : 1.0;
            const double last = alike * (x[n_columns - 1] - mean[n_columns - 1]);
            add_square_row(x, mean, alike, last, n_columns, square, product);
        }
    });
    for (int64_t block = 0; block < n_blocks; ++block)
        for (int64_t c = 0; c < n_columns; ++c)
            for (int at = 0; at < 2; ++at)
                sums[2 * c + at] += partial[static_cast<size_t>((block * 2 + at) * n_columns + c)];
}

// The same sums for a model whose credit is a sum over touches, from the credit of each touch: a customer's
// columns are those of the channels met, of what no touch earned, and of all conversions; what is 0 counts
// by how many customers have it. Cost does not grow with the number of channels.
// IN of_touch [n_touches, 2], alone [n_conversions] 1 where no touch earned it, mean [n_columns], n customers
// in all; OUT sums [n_columns, 2], added to, where n_columns = 2 * C + 3
inline void touch_squares(const Journeys& j, const double* of_touch, const uint8_t* alone, int64_t n_columns,
                          const double* mean, double n, int n_threads, double* sums) {
    struct Sums {
        double square, product, met;  // met: customers with an amount
    };
    const int64_t rest = n_columns - 3, total = n_columns - 1;
    const int64_t size = users_of_block(j.n_users, 3 * n_columns);
    const int64_t n_blocks = (j.n_users + size - 1) / size;
    std::vector<Sums> partial(static_cast<size_t>(n_blocks * n_columns));
    for_each_block(j.n_users, size, n_threads, [&](int64_t from, int64_t to) {
        Sums* const mine = partial.data() + from / size * n_columns;
        std::vector<double> amount(static_cast<size_t>(n_columns), 0.0);
        std::vector<uint8_t> is_met(static_cast<size_t>(n_columns), 0);
        std::vector<int64_t> met;  // of each pair the first column
        const auto add = [&](int64_t column, double count, double value) {
            if (!is_met[column]) met.push_back(column);
            is_met[column] = 1;
            amount[column] += count;
            amount[column + 1] += value;
        };
        for (int64_t u = from; u < to; ++u) {
            for (int64_t i = j.touch_offset[u]; i < j.touch_offset[u + 1]; ++i)
                if (of_touch[2 * i] != 0.0 || of_touch[2 * i + 1] != 0.0)
                    add(2 * j.channel[i], of_touch[2 * i], of_touch[2 * i + 1]);
            for (int64_t k = j.conversion_offset[u]; k < j.conversion_offset[u + 1]; ++k)
                if (alone[k]) add(rest, 1.0, j.value[k]);
            const double alike = j.times ? j.times[u] : 1.0;
            const auto converted = static_cast<double>(j.conversion_offset[u + 1] - j.conversion_offset[u]);
            const double last = alike * (converted - mean[total]);
            const auto close = [&](int64_t column, double x) {
                const double d = x - mean[column];
                mine[column].square += alike * d * d;
                mine[column].product += last * x;
                mine[column].met += alike;
            };
            for (const int64_t column : met) {
                for (int64_t c = column; c < column + 2; ++c) {
                    close(c, amount[c]);
                    amount[c] = 0.0;
                }
                is_met[column] = 0;
            }
            met.clear();
            if (converted > 0.0) close(total, converted);
        }
    });
    for (int64_t c = 0; c < n_columns; ++c) {
        double met = 0.0;
        for (int64_t block = 0; block < n_blocks; ++block) {
            const Sums& part = partial[static_cast<size_t>(block * n_columns + c)];
            sums[2 * c] += part.square;
            sums[2 * c + 1] += part.product;
            met += part.met;
        }
        sums[2 * c] += (n - met) * mean[c] * mean[c];
    }
}

struct Contrasts {  // n numbers alpha x[a] - beta x[b]
    int64_t n;
    const int64_t* a;
    const int64_t* b;
    const double* alpha;
    const double* beta;
    const double* mean;  // of a customer
};

// Squares and cubes of what customers change, less the mean. Blocks are fixed and added in their order.
// IN influence [n_users, n_columns], times [n_users] or null; OUT sums [n, 2], added to
inline void add_powers(const double* influence, const double* times, int64_t n_users, int64_t n_columns,
                       const Contrasts& c, int n_threads, double* sums) {
    const int64_t n_blocks = (n_users + influence_block - 1) / influence_block;
    std::vector<double> partial(static_cast<size_t>(n_blocks * c.n * 2), 0.0);
    for_each_block(n_users, influence_block, n_threads, [&](int64_t from, int64_t to) {
        double* const mine = partial.data() + from / influence_block * c.n * 2;
        for (int64_t u = from; u < to; ++u) {
            const double* const x = influence + u * n_columns;
            const double alike = times ? times[u] : 1.0;
            for (int64_t s = 0; s < c.n; ++s) {
                const double d = c.alpha[s] * x[c.a[s]] - c.beta[s] * x[c.b[s]] - c.mean[s];
                const double square = alike * d * d;
                mine[2 * s] += square;
                mine[2 * s + 1] += square * d;
            }
        }
    });
    for (int64_t block = 0; block < n_blocks; ++block)
        for (int64_t s = 0; s < 2 * c.n; ++s) sums[s] += partial[static_cast<size_t>(block * c.n * 2 + s)];
}

}  // namespace cxcore
