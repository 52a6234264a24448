// Codes of the keys that some rows have, for all rows: who else is there is no key. A log of many customers
// of whom few are looked at pays for the table of those few. Codes are handed on block by block, while they
// lie in the first cache.
#pragma once

#include <algorithm>
#include <cstdint>

#include "keys.hpp"
#include "memory.hpp"
#include "said.hpp"
#include "threads.hpp"

namespace cxcore {

// Flagged rows, and whose they are.
struct Among {
    Array<int64_t> rows;  // in order
    Array<int32_t> code;  // of each of them, in the order in which they meet their keys; -1 where null
    int64_t n_keys = 0;
};

constexpr int64_t among_block = 256;  // rows

inline Among rows_of(const Chunk& flag) {
    Among some;
    const auto nothing = [](int64_t) {};
    for_each_flagged(flag, nothing, [&](int64_t row) { some.rows.push_back(row); });
    some.code.resize(some.rows.size());
    return some;
}

// Whole numbers of a small range: a table by value. False where the range is not small, and nothing is done.
template <class Learned, class Take>
bool among_span(const Column& column, Among& some, Learned&& learned, Take&& take) {
    const Chunk chunk = column.chunk(0);
    const int64_t n = column.size();
    const Array<int64_t>& rows = some.rows;
    const Chunk::Place at = chunk.place();
    bool is_small = false;
    const auto look_up = [&](auto read, auto is_null) {
        constexpr size_t soon = 16;
        Span span;  // of the flagged rows: who lies outside is nobody
        Array<int64_t> value(rows.size());
        for (size_t k = 0; k < rows.size(); ++k) {
            if (k + 2 * soon < rows.size()) __builtin_prefetch(at(rows[k + 2 * soon]));
            value[k] = read(rows[k]);
            if (!is_null(rows[k])) span.take({value[k], value[k]});
        }
        is_small = span.is_small(n);
        if (!is_small) return;
        const uint64_t nobody = static_cast<uint64_t>(span.most) - static_cast<uint64_t>(span.least) + 1;
        Array<int32_t> table(nobody + 1, -1);
        const auto place = [&](int64_t i, int64_t number) {
            const uint64_t above = static_cast<uint64_t>(number) - static_cast<uint64_t>(span.least);
            return is_null(i) ? nobody : std::min(above, nobody);
        };
        for (size_t k = 0; k < rows.size(); ++k) {
            if (k + soon < rows.size()) __builtin_prefetch(&table[place(rows[k + soon], value[k + soon])], 1);
            const uint64_t mine = place(rows[k], value[k]);
            if (mine != nobody && table[mine] < 0) table[mine] = static_cast<int32_t>(some.n_keys++);
            some.code[k] = table[mine];
        }
        learned();
        uint64_t places[among_block];
        int32_t code[among_block];
        for (int64_t from = 0; from < n; from += among_block) {
            const int64_t size = std::min(among_block, n - from);
            for (int64_t i = 0; i < among_block; i += 8)  // a line, of numbers of 8 bytes
                __builtin_prefetch(at(std::min(from + 4 * among_block + i, n)));
            for (int64_t i = 0; i < size; ++i) {
                places[i] = place(from + i, read(from + i));
                __builtin_prefetch(&table[places[i]]);
            }
            for (int64_t i = 0; i < size; ++i) code[i] = table[places[i]];
            take(from, size, code);
        }
    };
    with_nulls(chunk, 0,
               [&](auto is_null) { chunk.with_numbers(0, [&](auto read) { look_up(read, is_null); }); });
    return is_small;
}

// Keys of any other kind: all are looked up, which threads may share, before the first is handed on.
template <class Key, class Learned, class Take>
void among_keys(const Column& column, Among& some, int n_threads, Learned&& learned, Take&& take) {
    const int64_t n = column.size();
    PartEncoder<Key> known(false, some.code.data());
    const Chunk chunk = column.chunk(0);
    const auto learn = [&](auto read, auto is_null) {
        const auto row = [&](int64_t k) { return some.rows[static_cast<size_t>(k)]; };
        known.belt(
            some.code.data(), static_cast<int64_t>(some.rows.size()), [&](int64_t k) { return read(row(k)); },
            [&](int64_t k) { return is_null(row(k)); }, row);
    };
    with_nulls(chunk, 0,
               [&](auto is_null) { with_values<Key>(chunk, 0, [&](auto read) { learn(read, is_null); }); });
    some.n_keys = known.table().size();
    learned();
    Array<int32_t> code(static_cast<size_t>(n));
    const int64_t n_parts = parts_of(n, n_threads);
    for_each_piece(n_parts, n_threads, [&](int64_t k) {
        PartEncoder<Key> part(known.table(), code.data());
        encode_rows(column, n * k / n_parts, n * (k + 1) / n_parts, part);
    });
    for (int64_t from = 0; from < n; from += among_block)
        take(from, std::min(among_block, n - from), code.data() + from);
}

// Calls learned() when `some` has its codes, then take(from, size, code) for block after block of rows: codes
// of the keys that the rows of `some` have, -1 for others and for null. The column is in one chunk and no
// dictionary: categories come as their numbers.
template <class Learned, class Take>
void for_codes_among(const Column& column, Among& some, int n_threads, Learned&& learned, Take&& take) {
    if (column.is_bytes()) return among_keys<BytesKey>(column, some, n_threads, learned, take);
    if (among_span(column, some, learned, take)) return;
    among_keys<NumberKey>(column, some, n_threads, learned, take);
}

}  // namespace cxcore
