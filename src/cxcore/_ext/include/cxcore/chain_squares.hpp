// Squares of what customers change in the credit of a chain of order 1 (uncertainty.hpp has the formulas).
//
// A customer is a sum of rows of a StepTable. Along a journey, what is added to the step into a channel and
// taken from the steps out of it cancels; with the row of the start taken from all steps, starts need none.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "cxcore/row_squares.hpp"
#include "cxcore/uncertainty.hpp"

namespace cxcore {

// Rows: steps, C ends in nothing, C in a conversion, and C of a unit of value after a last touch.
struct StepRows {
    int64_t n;
    int64_t step(int64_t from, int64_t to) const { return from * n + to; }
    int64_t end(int64_t c, bool converts) const { return n * n + (converts ? n : 0) + c; }
    int64_t value(int64_t c) const { return n * n + 2 * n + c; }
    int64_t size() const { return n * (n + 3); }
};

inline RowTable rows_of(const StepTable& t) {
    const int64_t n = t.n_channels;
    const StepRows at{n};
    RowTable table(at.size(), 2 * n);
    const auto put = [&](int64_t row, int64_t from, int64_t to, int64_t source) {
        for (int64_t c = 0; c < 2 * n; ++c) {
            const double begun = from < 0 ? 0.0 : t.rows[t.start(from) * 2 * n + c];
            const double begins = to < 0 ? 0.0 : t.rows[t.start(to) * 2 * n + c];
            table.at(row, c) = t.rows[source * 2 * n + c] + begun - begins;
        }
    };
    for (int64_t i = 0; i < n; ++i) {
        for (int64_t j = 0; j < n; ++j) put(at.step(i, j), i, j, t.step(i, j));
        for (const bool converts : {false, true}) put(at.end(i, converts), i, -1, t.end(i, converts));
        for (int64_t c = 0; c < n; ++c) table.at(at.value(i), 2 * c + 1) = t.of_value[i * n + c];
    }
    return table;
}

// The rows of a block of customers. Most have one journey: its rows are those of its touches, which are made
// at once, the row after its last touch with the others.
class StepLists {
  public:
    StepLists(const Journeys& j, int64_t n_channels, int64_t from, int64_t to)
        : j_(j),
          at_{n_channels},
          first_(j.touch_offset[from]),
          lists(at_.size(), to - from) {
        const int64_t n = j.touch_offset[to] - first_;
        lists.once.reserve(static_cast<std::size_t>(n + n / 2));
        lists.once.resize(static_cast<std::size_t>(n));
        const int32_t* const channel = j.channel + first_;
        const auto size = static_cast<int32_t>(n_channels);
        for (int64_t i = 0; i + 1 < n; ++i) lists.once[i] = channel[i] * size + channel[i + 1];
    }

    void operator()(int64_t u, double alike, double push) {
        const int64_t k0 = j_.conversion_offset[u], k1 = j_.conversion_offset[u + 1];
        const bool is_null = j_.null_lo && j_.null_lo[u] < j_.null_hi[u];
        RowLists::Member member = lists.open(alike);
        if (k1 - k0 + is_null == 1) {
            const int64_t lo = is_null ? j_.null_lo[u] : j_.lo[k0], hi = is_null ? j_.null_hi[u] : j_.hi[k0];
            if (lo == hi) return;
            member.once = lo - first_;
            member.n_once = hi - lo;
            const int64_t last = j_.channel[hi - 1];
            lists.once[hi - 1 - first_] = static_cast<int32_t>(at_.end(last, !is_null));
            if (!is_null) value(last, k0);
            member.n_more = static_cast<int64_t>(lists.more.size()) - member.more;
            lists.take(member, push);
        } else {
            walk_(j_, u, *this);
            lists.close(member, push);
        }
    }

    void start(int64_t) const {}
    void step(int64_t from, int64_t to, double times) { lists.add(at_.step(from, to), times); }
    void end(int64_t c, int64_t k) {
        lists.add(at_.end(c, k >= 0), 1.0);
        if (k >= 0) value(c, k);
    }

  private:
    const Journeys& j_;
    StepRows at_;
    int64_t first_;
    StepWalk walk_{};

    // A value of 1 is no row that counts once: of one journey those are the rows of its touches.
    void value(int64_t c, int64_t k) {
        if (j_.value[k] != 0.0) lists.add_more(at_.value(c), j_.value[k]);
    }

  public:
    RowLists lists;
};

// Sums of a block of customers: by column those of channels, less the mean, and beside them those of
// conversions and value that no touch earned, and of all conversions. Deviations sum to nothing, so that
// products with all conversions, less their mean, are those with the conversions alone, which few customers
// have.
struct ChainSums {
    static constexpr int64_t n_beside = 3;
    std::vector<double> square, product;  // [2 C]
    std::vector<double> pushed;           // by row of a table: conversions of who has it
    double beside[n_beside] = {}, beside_product[n_beside] = {};
    double n = 0.0, listed = 0.0;  // customers, and those with a touch

    explicit ChainSums(int64_t n_columns = 0, int64_t n_rows = 0)
        : square(static_cast<std::size_t>(n_columns)),
          product(square.size()),
          pushed(static_cast<std::size_t>(n_rows)) {}

    // What a customer has beside channels; returns conversions, as often as there are customers alike.
    double take(const Journeys& j, const uint8_t* alone, const double* mean, int64_t u, double alike) {
        double x[n_beside] = {};
        for (int64_t k = j.conversion_offset[u]; k < j.conversion_offset[u + 1]; ++k) {
            x[0] += alone[k];
            x[1] += alone[k] ? j.value[k] : 0.0;
        }
        x[2] = static_cast<double>(j.conversion_offset[u + 1] - j.conversion_offset[u]);
        for (int64_t c = 0; c < n_beside; ++c) {
            const double d = x[c] - mean[c];
            beside[c] += alike * d * d;
            beside_product[c] += alike * x[2] * d;
        }
        n += alike;
        return alike * x[2];
    }
    void add(const ChainSums& other) {
        const auto sum = [](std::vector<double>& mine, const std::vector<double>& theirs) {
            for (std::size_t k = 0; k < theirs.size(); ++k) mine[k] += theirs[k];
        };
        sum(square, other.square);
        sum(product, other.product);
        sum(pushed, other.pushed);
        for (int64_t c = 0; c < n_beside; ++c) {
            beside[c] += other.beside[c];
            beside_product[c] += other.beside_product[c];
        }
        n += other.n;
        listed += other.listed;
    }
    // IN mean [2 C + 3] of `customers`; OUT sums [2 C + 3, 2], added to
    void write(const double* mean, double customers, double* sums) const {
        const auto n_columns = static_cast<int64_t>(square.size());
        const double converted = customers * mean[n_columns + n_beside - 1];
        for (int64_t c = 0; c < n_columns; ++c) {
            const double less = mean[c] * converted, found = product[c] - less;
            sums[2 * c] += square[c] + (customers - listed) * mean[c] * mean[c];
            if (std::abs(found) > 1e-14 * std::abs(less)) sums[2 * c + 1] += found;  // the rest is rounding
        }
        for (int64_t c = 0; c < n_beside; ++c) {
            const double less = mean[n_columns + c];
            sums[2 * (n_columns + c)] += beside[c] + (customers - n) * less * less;
            sums[2 * (n_columns + c) + 1] += beside_product[c];
        }
    }
};

constexpr int64_t row_block = 16384;  // users

// Sums of all blocks, in their order: of_block(from, to) of each.
template <class Block>
ChainSums sums_of_blocks(int64_t n_users, int64_t n_columns, int64_t n_rows, int n_threads, Block of_block) {
    const int64_t size = std::max(row_block, (n_users + 255) / 256);
    std::vector<ChainSums> blocks(static_cast<std::size_t>((n_users + size - 1) / size));
    for_each_block(n_users, size, n_threads, [&](int64_t from, int64_t to) {
        blocks[static_cast<std::size_t>(from / size)] = of_block(from, to);
    });
    ChainSums all(n_columns, n_rows);
    for (const ChainSums& block : blocks) all.add(block);
    return all;
}

// The sums of add_squares: columns of channels, of what no touch earned, and of all conversions. IN alone,
// mean, n as in touch_squares; OUT sums [n_columns, 2], added to
inline void table_squares(const Journeys& j, const StepTable& t, const uint8_t* alone, const double* mean,
                          double n, int n_threads, double* sums) {
    const RowTable table = rows_of(t);
    const int64_t n_columns = table.n_columns();
    const auto of_block = [&](int64_t from, int64_t to) {
        StepLists lists(j, t.n_channels, from, to);
        ChainSums mine(n_columns);
        for (int64_t u = from; u < to; ++u) {
            const double alike = j.times ? j.times[u] : 1.0;
            lists(u, alike, mine.take(j, alone, mean + n_columns, u, alike));
        }
        mine.listed = lists.lists.n;
        square_rows(table, lists.lists, mean, mine.square.data());
        mine.pushed.swap(lists.lists.pushed);
        return mine;
    };
    ChainSums all = sums_of_blocks(j.n_users, n_columns, table.n_rows(), n_threads, of_block);
    weigh_rows(table, all.pushed.data(), all.product.data());
    all.write(mean, n, sums);
}

}  // namespace cxcore
