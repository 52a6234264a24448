// Squares of what customers change, where that is a sum of rows of a table.
//
// A customer is a list of rows. The table lies in tiles of a few columns: the rows of a tile stay in the
// second cache, and of a customer the sum of its rows and the sums of squares stay in registers, so that a
// row costs one load and one addition for each four columns, and no customer is ever written down. Customers
// of a block are taken by the number of their rows: how often a loop goes round would be noise to the
// processor. Products with a number of each customer are linear: a row is weighed by the sum of those
// numbers.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "cxcore/clones.hpp"
#include "cxcore/memory.hpp"

namespace cxcore {

typedef double Quad __attribute__((vector_size(32), may_alias));
constexpr int64_t kQuads = 5, kWide = 4 * kQuads;  // twice as many must fit into the registers

struct alignas(32) Strip {  // the columns of a row that lie in one tile
    double x[kWide];
    const Quad& quad(int64_t w) const { return *reinterpret_cast<const Quad*>(x + 4 * w); }
};

// IN OUT by tile and row; columns behind the last are 0.
class RowTable {
  public:
    RowTable(int64_t n_rows, int64_t n_columns)
        : n_rows_(n_rows),
          n_columns_(n_columns),
          strips_(static_cast<std::size_t>(n_rows * n_tiles())) {}
    int64_t n_rows() const { return n_rows_; }
    int64_t n_columns() const { return n_columns_; }
    int64_t n_tiles() const { return (n_columns_ + kWide - 1) / kWide; }
    const Strip* tile(int64_t t) const { return strips_.data() + t * n_rows_; }
    double& at(int64_t row, int64_t column) {
        return strips_[static_cast<std::size_t>(column / kWide * n_rows_ + row)].x[column % kWide];
    }

  private:
    int64_t n_rows_, n_columns_;
    std::vector<Strip> strips_;
};

// The rows of the customers of one block: those that count once, and others with how often.
struct RowLists {
    struct Member {
        int64_t once, more;
        int64_t n_once, n_more;
        double alike;
    };
    std::vector<Member> members{};
    Array<int32_t> once{}, more{};
    Array<double> times{};
    std::vector<double> pushed;  // by row
    double n = 0.0;              // customers with a row

    RowLists(int64_t n_rows, int64_t most_customers) : pushed(static_cast<std::size_t>(n_rows)) {
        members.reserve(static_cast<std::size_t>(most_customers));
    }
    void add(int64_t row, double often) {
        if (often == 1.0) return once.push_back(static_cast<int32_t>(row));
        add_more(row, often);
    }
    void add_more(int64_t row, double often) {
        more.push_back(static_cast<int32_t>(row));
        times.push_back(often);
    }
    // A customer, whose rows are those that are added from now on.
    Member open(double alike) const {
        return {static_cast<int64_t>(once.size()), static_cast<int64_t>(more.size()), 0, 0, alike};
    }
    void close(Member m, double push) {
        m.n_once = static_cast<int64_t>(once.size()) - m.once;
        m.n_more = static_cast<int64_t>(more.size()) - m.more;
        take(m, push);
    }
    // A customer, whose rows lie there; `push`: how often each is counted in `pushed`.
    void take(const Member& m, double push) {
        if (m.n_once + m.n_more == 0) return;
        members.push_back(m);
        n += m.alike;
        if (push == 0.0) return;
        for (int64_t k = m.once; k < m.once + m.n_once; ++k) pushed[once[k]] += push;
        for (int64_t k = m.more; k < m.more + m.n_more; ++k) pushed[more[k]] += push * times[k];
    }
    void sort() {  // by the number of rows; the last place is that of all long lists
        constexpr int64_t most = 64;
        const auto size = [](const Member& m) {
            return std::min<int64_t>(m.n_once, 15) + 16 * std::min<int64_t>(m.n_more, 3);
        };
        int64_t next[most + 1] = {};
        for (const Member& m : members) ++next[size(m) + 1];
        for (int64_t k = 0; k < most; ++k) next[k + 1] += next[k];
        std::vector<Member> sorted(members.size());
        for (const Member& m : members) sorted[static_cast<std::size_t>(next[size(m)]++)] = m;
        members.swap(sorted);
    }
};

// Adds up, over customers, the squares of (sum of rows - less).
CXCORE_CLONES inline void add_row_squares(const Strip* rows, const RowLists::Member* members, int64_t n,
                                          const int32_t* once, const int32_t* more, const double* times,
                                          const Strip& less, Strip& square) {
    Quad squares[kQuads];
    for (int64_t w = 0; w < kQuads; ++w) squares[w] = square.quad(w);
    for (int64_t u = 0; u < n; ++u) {
        const RowLists::Member m = members[u];
        Quad sum[kQuads];
        for (int64_t w = 0; w < kQuads; ++w) sum[w] = -less.quad(w);
        for (int64_t k = m.once; k < m.once + m.n_once; ++k) {
            const Strip& row = rows[once[k]];
            for (int64_t w = 0; w < kQuads; ++w) sum[w] += row.quad(w);
        }
        for (int64_t k = m.more; k < m.more + m.n_more; ++k) {
            const Strip& row = rows[more[k]];
            const double often = times[k];
            for (int64_t w = 0; w < kQuads; ++w) sum[w] += often * row.quad(w);
        }
        for (int64_t w = 0; w < kQuads; ++w) squares[w] += m.alike * sum[w] * sum[w];
    }
    for (int64_t w = 0; w < kQuads; ++w) *reinterpret_cast<Quad*>(square.x + 4 * w) = squares[w];
}

// OUT square [n_columns] of the sums of rows less the mean
inline void square_rows(const RowTable& table, RowLists& lists, const double* mean, double* square) {
    lists.sort();
    for (int64_t t = 0; t < table.n_tiles(); ++t) {
        const int64_t first = t * kWide, many = std::min(kWide, table.n_columns() - first);
        Strip less{}, squares{};
        std::copy(mean + first, mean + first + many, less.x);
        add_row_squares(table.tile(t), lists.members.data(), static_cast<int64_t>(lists.members.size()),
                        lists.once.data(), lists.more.data(), lists.times.data(), less, squares);
        std::copy(squares.x, squares.x + many, square + first);
    }
}

// OUT product [n_columns]: sums of rows, each so many times
inline void weigh_rows(const RowTable& table, const double* times, double* product) {
    for (int64_t t = 0; t < table.n_tiles(); ++t) {
        const int64_t first = t * kWide, many = std::min(kWide, table.n_columns() - first);
        Strip sum{};
        for (int64_t e = 0; e < table.n_rows(); ++e)
            for (int64_t w = 0; w < kWide; ++w) sum.x[w] += times[e] * table.tile(t)[e].x[w];
        std::copy(sum.x, sum.x + many, product + first);
    }
}

}  // namespace cxcore
