// Codes of the keys that some rows have, for all rows: who else is there is no key. A log of many customers
// of whom few are looked at pays for the table of those few.
#pragma once

#include <algorithm>
#include <cstdint>

#include "keys.hpp"
#include "memory.hpp"
#include "said.hpp"
#include "threads.hpp"

namespace cxcore {

// Rows whose flag is set, in order.
inline Array<int64_t> rows_of(const Chunk& flag) {
    Array<int64_t> rows;
    const auto nothing = [](int64_t) {};
    for_each_flagged(flag, nothing, [&](int64_t row) { rows.push_back(row); });
    return rows;
}

// Whole numbers of a small range: a table by value. False where the range is not small.
inline bool among_span(const Column& column, const Array<int64_t>& rows, int n_threads, EncodedKeys& keys) {
    const Span span = span_of(column, n_threads);
    if (!span.is_small(column.size())) return false;
    const Chunk chunk = column.chunk(0);
    Array<int32_t> table(static_cast<size_t>(span.most - span.least) + 2, -1);  // first that of nulls
    with_nulls(chunk, 0, [&](auto is_null) {
        chunk.with_numbers(0, [&](auto read) {
            const auto place = [&](int64_t i) -> int32_t& {
                const auto at = static_cast<uint64_t>(read(i)) - static_cast<uint64_t>(span.least) + 1;
                return table[is_null(i) ? 0 : at];
            };
            keys.offset.push_back(0);
            const Chunk::Place at = chunk.place();
            constexpr size_t soon = 16;
            for (size_t k = 0; k < rows.size(); ++k) {  // the value, then its place, are asked for
                if (k + 2 * soon < rows.size()) __builtin_prefetch(at(rows[k + 2 * soon]));
                if (k + soon < rows.size()) __builtin_prefetch(&place(rows[k + soon]));
                const int64_t row = rows[k];
                if (is_null(row) || place(row) >= 0) continue;
                place(row) = static_cast<int32_t>(keys.first.size());
                keys.first.push_back(row);
                NumberKey::write(keys.data, read(row));
                keys.offset.push_back(static_cast<int64_t>(keys.data.size()));
            }
            for_each_block(column.size(), 1 << 16, n_threads, [&](int64_t from, int64_t to) {
                constexpr int64_t ahead = 24;
                for (int64_t i = from; i < to; ++i) {
                    if (i + ahead < to) __builtin_prefetch(&place(i + ahead));
                    keys.code[static_cast<size_t>(i)] = place(i);
                }
            });
        });
    });
    return true;
}

template <class Key>
EncodedKeys encode_among(const Column& column, const Array<int64_t>& rows, int n_threads) {
    const int64_t n = column.size();
    EncodedKeys keys;
    keys.code.resize(static_cast<size_t>(n));
    if constexpr (std::is_same_v<Key, NumberKey>)
        if (!column.is_dictionary() && among_span(column, rows, n_threads, keys)) return keys;
    Array<int32_t> code_of_rows(rows.size());
    PartEncoder<Key> some(false, code_of_rows.data());
    const Chunk chunk = column.chunk(0);
    const auto learn = [&](auto read, auto is_null) {
        const auto row = [&](int64_t k) { return rows[static_cast<size_t>(k)]; };
        some.belt(
            code_of_rows.data(), static_cast<int64_t>(rows.size()), [&](int64_t k) { return read(row(k)); },
            [&](int64_t k) { return is_null(row(k)); }, row);
    };
    with_nulls(chunk, 0, [&](auto is_null) {
        if (!column.is_dictionary())
            return with_values<Key>(chunk, 0, [&](auto read) { learn(read, is_null); });
        const Chunk values = column.dictionary(0);
        chunk.with_numbers(0, [&](auto index) {
            with_values<Key>(values, 0, [&](auto read) {
                learn([&](int64_t i) { return read(index(i)); },
                      [&](int64_t i) { return is_null(i) || values.is_null(index(i)); });
            });
        });
    });
    const int64_t n_parts = parts_of(n, n_threads);
    for_each_piece(n_parts, n_threads, [&](int64_t k) {
        PartEncoder<Key> part(some.table(), keys.code.data());
        encode_rows(column, n * k / n_parts, n * (k + 1) / n_parts, part);
    });
    keys.first = std::move(some.table().first());
    keys.offset = std::move(some.table().offset());
    keys.data = std::move(some.table().data());
    return keys;
}

// Columns of one length, in one chunk each. Codes in the order in which the flagged rows meet their keys; -1
// for other keys, and for null. Rows are not counted.
inline EncodedKeys encode_among(const Column& column, const Column& flag, int n_threads) {
    if (!column.size()) {
        EncodedKeys none;
        none.offset.push_back(0);
        return none;
    }
    const Array<int64_t> rows = rows_of(flag.chunk(0));
    return column.is_bytes() ? encode_among<BytesKey>(column, rows, n_threads)
                             : encode_among<NumberKey>(column, rows, n_threads);
}

}  // namespace cxcore
