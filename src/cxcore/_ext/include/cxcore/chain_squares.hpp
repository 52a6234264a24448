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
        RowLists::Member member{tail(), more(), 0, 0, alike};
        if (k1 - k0 + is_null == 1) {
            const int64_t lo = is_null ? j_.null_lo[u] : j_.lo[k0], hi = is_null ? j_.null_hi[u] : j_.hi[k0];
            if (lo == hi) return;
            member.once = lo - first_;
            member.n_once = hi - lo;
            const int64_t last = j_.channel[hi - 1];
            lists.once[hi - 1 - first_] = static_cast<int32_t>(at_.end(last, !is_null));
            if (!is_null) value(last, k0);
        } else {
            walk_(j_, u, *this);
            member.n_once = tail() - member.once;
        }
        member.n_more = more() - member.more;
        lists.close(member, push);
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

    int64_t tail() const { return static_cast<int64_t>(lists.once.size()); }
    int64_t more() const { return static_cast<int64_t>(lists.more.size()); }
    void value(int64_t c, int64_t k) {
        if (j_.value[k] != 0.0) lists.add(at_.value(c), j_.value[k]);
    }

  public:
    RowLists lists;
};

// What a customer has beside channels: conversions and value that no touch earned, and all conversions.
struct Beside {
    static constexpr int64_t size = 3;
    double x[size];
    Beside(const Journeys& j, const uint8_t* alone, int64_t u) : x{0.0, 0.0, 0.0} {
        for (int64_t k = j.conversion_offset[u]; k < j.conversion_offset[u + 1]; ++k) {
            x[0] += alone[k];
            x[1] += alone[k] ? j.value[k] : 0.0;
        }
        x[2] = static_cast<double>(j.conversion_offset[u + 1] - j.conversion_offset[u]);
    }
};

struct ChainSums {  // of a block of customers; squares less the mean
    std::vector<double> square, pushed;
    double beside[Beside::size] = {}, product[Beside::size] = {};
    double n = 0.0, listed = 0.0;  // customers, and those with a touch

    void add(const ChainSums& other) {
        for (std::size_t c = 0; c < square.size(); ++c) square[c] += other.square[c];
        for (std::size_t e = 0; e < pushed.size(); ++e) pushed[e] += other.pushed[e];
        for (int64_t c = 0; c < Beside::size; ++c) {
            beside[c] += other.beside[c];
            product[c] += other.product[c];
        }
        n += other.n;
        listed += other.listed;
    }
};

inline ChainSums sums_of(const Journeys& j, const RowTable& table, const uint8_t* alone, const double* mean,
                         int64_t from, int64_t to) {
    const int64_t n_rows = table.n_columns();
    StepLists lists(j, n_rows / 2, from, to);
    ChainSums sums;
    for (int64_t u = from; u < to; ++u) {
        const double alike = j.times ? j.times[u] : 1.0;
        const Beside beside(j, alone, u);
        for (int64_t c = 0; c < Beside::size; ++c) {
            const double d = beside.x[c] - mean[n_rows + c];
            sums.beside[c] += alike * d * d;
            sums.product[c] += alike * beside.x[2] * d;
        }
        sums.n += alike;
        lists(u, alike, alike * beside.x[2]);
    }
    sums.listed = lists.lists.n;
    sums.square.resize(static_cast<std::size_t>(n_rows));
    square_rows(table, lists.lists, mean, sums.square.data());
    sums.pushed.swap(lists.lists.pushed);
    return sums;
}

constexpr int64_t row_block = 16384;  // users

// The sums of add_squares: columns of channels, of what no touch earned, and of all conversions. Deviations
// sum to nothing, so that products are those of the conversions alone, which few customers have. IN alone,
// mean, n as in touch_squares; OUT sums [n_columns, 2], added to
inline void table_squares(const Journeys& j, const StepTable& t, const uint8_t* alone, const double* mean,
                          double n, int n_threads, double* sums) {
    const RowTable table = rows_of(t);
    const int64_t n_rows = table.n_columns(), total = n_rows + 2;
    const int64_t size = std::max(row_block, (j.n_users + 255) / 256);
    std::vector<ChainSums> blocks(static_cast<std::size_t>((j.n_users + size - 1) / size));
    for_each_block(j.n_users, size, n_threads, [&](int64_t from, int64_t to) {
        blocks[static_cast<std::size_t>(from / size)] = sums_of(j, table, alone, mean, from, to);
    });
    ChainSums all;
    all.square.resize(static_cast<std::size_t>(n_rows));
    all.pushed.resize(static_cast<std::size_t>(table.n_rows()));
    for (const ChainSums& block : blocks) all.add(block);
    std::vector<double> product(static_cast<std::size_t>(n_rows));
    weigh_rows(table, all.pushed.data(), product.data());
    const double converted = n * mean[total];
    for (int64_t c = 0; c < n_rows; ++c) {
        const double less = mean[c] * converted, found = product[c] - less;
        sums[2 * c] += all.square[c] + (n - all.listed) * mean[c] * mean[c];
        if (std::abs(found) > 1e-14 * std::abs(less)) sums[2 * c + 1] += found;  // the rest is rounding
    }
    for (int64_t c = 0; c < Beside::size; ++c) {
        const double less = mean[n_rows + c];
        sums[2 * (n_rows + c)] += all.beside[c] + (n - all.n) * less * less;
        sums[2 * (n_rows + c) + 1] += all.product[c];
    }
}

}  // namespace cxcore
