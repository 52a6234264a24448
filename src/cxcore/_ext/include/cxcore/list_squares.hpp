// Squares of what customers change, where that is a list of rows for each, and what their touches earned.
#pragma once

#include <cstdint>

#include "cxcore/chain_squares.hpp"
#include "cxcore/row_squares.hpp"

namespace cxcore {

struct ChangeTable {    // what a row changes in conversions and value of each channel
    const double* row;  // [n_rows, C, 2]
    int64_t n_rows, n_channels;
};

// Behind the rows of the table lie those of a conversion, and of a unit of value, of each channel.
inline RowTable with_channels(const ChangeTable& t) {
    const int64_t n_columns = 2 * t.n_channels;
    RowTable table(t.n_rows + n_columns, n_columns);
    for (int64_t row = 0; row < t.n_rows; ++row)
        for (int64_t c = 0; c < n_columns; ++c) table.at(row, c) = t.row[row * n_columns + c];
    for (int64_t c = 0; c < n_columns; ++c) table.at(t.n_rows + c, c) = 1.0;
    return table;
}

// The sums of add_squares, as table_squares has them. `maker()` makes, for a block, what lists the rows of a
// customer: list(user, lists). IN earned [n_touches, 2] conversions and value of each touch beside, null
// where there is none; OUT sums [2 C + 3, 2], added to
template <class Maker>
void squares_of_lists(const Journeys& j, const ChangeTable& t, Maker maker, const double* earned,
                      const uint8_t* alone, const double* mean, double n, int n_threads, double* sums) {
    const RowTable table = with_channels(t);
    const int64_t n_columns = table.n_columns();
    const auto of_block = [&](int64_t from, int64_t to) {
        RowLists lists(table.n_rows(), to - from);
        ChainSums mine(n_columns);
        auto list = maker();
        for (int64_t u = from; u < to; ++u) {
            const double alike = j.times ? j.times[u] : 1.0;
            const double converted = mine.take(j, alone, mean + n_columns, u, alike);
            const RowLists::Member begin = lists.open(alike);
            list(u, lists);
            if (earned && converted != 0.0)
                for (int64_t i = j.touch_offset[u]; i < j.touch_offset[u + 1]; ++i)
                    for (int at = 0; at < 2; ++at)
                        if (earned[2 * i + at] != 0.0)
                            lists.add(t.n_rows + 2 * j.channel[i] + at, earned[2 * i + at]);
            lists.close(begin, converted);
        }
        mine.listed = lists.n;
        square_rows(table, lists, mean, mine.square.data());
        mine.pushed.swap(lists.pushed);
        return mine;
    };
    ChainSums all = sums_of_blocks(j.n_users, n_columns, table.n_rows(), n_threads, of_block);
    weigh_rows(table, all.pushed.data(), all.product.data());
    all.write(mean, n, sums);
}

struct CustomerRows {
    const int64_t* offset;  // [n_users + 1]
    const int32_t* row;
    const double* times;
};

inline void list_squares(const Journeys& j, const ChangeTable& t, const CustomerRows& r, const double* earned,
                         const uint8_t* alone, const double* mean, double n, int n_threads, double* sums) {
    const auto list = [&r](int64_t u, RowLists& lists) {
        for (int64_t k = r.offset[u]; k < r.offset[u + 1]; ++k) lists.add(r.row[k], r.times[k]);
    };
    squares_of_lists(j, t, [&] { return list; }, earned, alone, mean, n, n_threads, sums);
}

}  // namespace cxcore
