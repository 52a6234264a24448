// The key encoder: a column of names to dense int32 codes, in order of first appearance.
//
// Where rows repeat the key before them (a sorted log), only the first of each run is looked up. Whole
// numbers of a small range take a table by value and no hash; all else goes by parts of rows (key_part.hpp).
// Threads encode a contiguous part each with a table of their own; later parts are merged into the first, in
// order, which gives the codes of one thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <type_traits>
#include <utility>
#include <vector>

#include "arrow.hpp"
#include "key_part.hpp"
#include "memory.hpp"
#include "runs.hpp"
#include "threads.hpp"

namespace cxcore {

// ------------------------------------------------------------------ a whole column

// Calls visit(chunk number, first row of the run, its place in the chunk, its length) for the rows [from,
// to).
template <class Visit>
void for_each_run(const Column& column, int64_t from, int64_t to, Visit&& visit) {
    int64_t start = 0;
    for (size_t k = 0; k < column.n_chunks() && start < to; ++k) {
        const int64_t end = start + column.chunk(k).size();
        const int64_t lo = std::max(from, start), hi = std::min(to, end);
        if (lo < hi) visit(k, lo, lo - start, hi - lo);
        start = end;
    }
}

template <class Key, class Use>
void with_values(const Chunk& chunk, int64_t from, Use&& use) {
    if constexpr (std::is_same_v<typename Key::Value, int64_t>)
        chunk.with_numbers(from, use);
    else
        chunk.with_bytes(from, use);
}

template <class Use>
void with_nulls(const Chunk& chunk, int64_t from, Use&& use) {
    if (chunk.layout != Layout::null && !chunk.valid)
        use(NoNulls{});
    else
        use([&chunk, from](int64_t i) { return chunk.is_null(from + i); });
}

template <class Key>
void encode_rows(const Column& column, int64_t from, int64_t to, PartEncoder<Key>& part) {
    for_each_run(column, from, to, [&](size_t k, int64_t row, int64_t at, int64_t n) {
        const Chunk chunk = column.chunk(k);
        with_nulls(chunk, at, [&](auto is_null) {
            if constexpr (std::is_same_v<Key, BytesKey>) {
                if (!column.is_dictionary() && chunk.layout == Layout::view && chunk.repeats_views())
                    return part.copies(row, n, chunk.views(at), chunk.texts(at), is_null);
            }
            if (!column.is_dictionary())
                return with_values<Key>(chunk, at, [&](auto read) { part.run(row, n, read, is_null); });
            const Chunk values = column.dictionary(k);
            chunk.with_numbers(at, [&](auto index) {
                with_values<Key>(values, 0,
                                 [&](auto read) { part.dictionary(row, n, index, is_null, values, read); });
            });
        });
    });
}

// Whole numbers of a small range (running numbers, categories' codes) need no hash: a table by value.
struct Span {
    int64_t least = INT64_MAX, most = INT64_MIN;
    void take(const Span& other) {
        least = std::min(least, other.least);
        most = std::max(most, other.most);
    }
    bool is_small(int64_t n) const {
        return least <= most && static_cast<uint64_t>(most) - static_cast<uint64_t>(least) <
                                    static_cast<uint64_t>(4 * n + 1024);
    }
};

// Parts of the rows that are worth a thread each.
inline int64_t parts_of(int64_t n, int n_threads) {
    return std::max<int64_t>(1, std::min<int64_t>(n_threads, n >> 16));
}

inline Span span_of(const Column& column, int n_threads) {
    const int64_t n = column.size(), n_parts = parts_of(n, n_threads);
    std::vector<Span> parts(static_cast<size_t>(n_parts));
    for_each_piece(n_parts, n_threads, [&](int64_t part) {
        Span spans[4];  // in turns, so that no row waits for the one before
        for_each_run(column, n * part / n_parts, n * (part + 1) / n_parts,
                     [&](size_t k, int64_t, int64_t at, int64_t size) {
                         const Chunk chunk = column.chunk(k);
                         with_nulls(chunk, at, [&](auto is_null) {
                             chunk.with_numbers(at, [&](auto read) {
                                 const auto take = [&](Span& span, int64_t i) {
                                     if (!is_null(i)) span.take({read(i), read(i)});
                                 };
                                 int64_t i = 0;
                                 for (; i + 4 <= size; i += 4)
                                     for (int64_t j = 0; j < 4; ++j) take(spans[j], i + j);
                                 for (; i < size; ++i) take(spans[0], i);
                             });
                         });
                     });
        for (const Span& span : spans) parts[static_cast<size_t>(part)].take(span);
    });
    for (const Span& span : parts) parts[0].take(span);
    return parts[0];
}

// Does a column of numbers repeat the value before, mostly? Then runs are looked up, by hash.
inline bool repeats_often(const Column& column) {
    bool often = column.size() > 0;
    for_each_run(column, 0, column.size(), [&](size_t k, int64_t, int64_t at, int64_t n) {
        column.chunk(k).with_numbers(at, [&](auto read) {
            often &= PartEncoder<NumberKey>::often(n, [&](int64_t i) { return read(i) == read(i - 1); });
        });
    });
    return often;
}

// Calls use(first row of the run, its length, place) for the rows [from, to); `place(i)` is where the table
// by value has the i-th row of the run: 0 where it is null.
template <class Use>
void with_places(const Column& column, Span span, int64_t from, int64_t to, Use&& use) {
    for_each_run(column, from, to, [&](size_t k, int64_t row, int64_t at, int64_t n) {
        const Chunk chunk = column.chunk(k);
        with_nulls(chunk, at, [&](auto is_null) {
            chunk.with_numbers(at, [&](auto read) {
                use(row, n, [=](int64_t i) -> size_t {
                    return is_null(i)
                               ? 0
                               : static_cast<uint64_t>(read(i)) - static_cast<uint64_t>(span.least) + 1;
                });
            });
        });
    });
}

// The first part of the rows is coded as it is read. Meanwhile each other part is counted, in a table of its
// own; once the first table knows their keys too, in the order of the parts, their rows are looked up there.
inline EncodedKeys encode_span(const Column& column, Span span, bool null_is_key, int n_threads) {
    ByValue table(static_cast<size_t>(span.most - span.least) + 1);
    if (!null_is_key) table.entries[0].code = -1;
    const auto n = column.size(), n_places = static_cast<int64_t>(table.entries.size());
    EncodedKeys keys;
    keys.code.resize(static_cast<size_t>(n));
    Array<int64_t> met;  // places of the keys, by code
    const auto meet = [&](size_t place, int64_t row) {
        met.push_back(static_cast<int64_t>(place));
        keys.first.push_back(row);
        return static_cast<int32_t>(met.size() - 1);
    };
    met.reserve(static_cast<size_t>(std::min(n, n_places)));
    keys.first.reserve(met.capacity());
    // Tables of parts hold no more than a quarter of the rows together.
    const int64_t n_parts = std::clamp<int64_t>(n / (4 * n_places), 1, parts_of(n, n_threads));
    const auto cut = [=](int64_t part) { return n * part / n_parts; };
    std::vector<CountedByValue> parts(static_cast<size_t>(n_parts));
    for_each_piece(n_parts, n_threads, [&](int64_t part) {
        with_places(column, span, cut(part), cut(part + 1), [&](int64_t row, int64_t size, auto place) {
            if (part)
                return parts[static_cast<size_t>(part)].run(static_cast<size_t>(n_places), row, size, place);
            table.run(
                size, place, [&](int64_t i) { return meet(place(i), row + i); }, keys.code.data() + row);
        });
    });
    for (const CountedByValue& part : parts)
        for (const auto& [place, row] : part.met) {
            ByValue::Entry& entry = table.entries[place];
            if (entry.code == ByValue::unseen) entry.code = meet(place, row);
            entry.count += part.count[place];
        }
    // One stretch a thread: pages are new, and two that ask for one both clear it.
    const int64_t known = cut(1), share = (n - known) / n_threads + 1;
    for_each_block(n - known, share, n_threads, [&](int64_t from, int64_t to) {
        with_places(column, span, known + from, known + to, [&](int64_t row, int64_t size, auto place) {
            int32_t* const code = keys.code.data() + row;
            for (int64_t i = 0; i < size; ++i) code[i] = table.entries[place(i)].code;
        });
    });
    keys.count.resize(met.size()), keys.offset.resize(met.size() + 1), keys.data.resize(8 * met.size());
    int64_t end = keys.offset[0] = 0;
    for (size_t u = 0; u < met.size(); ++u) {
        const int64_t value = span.least + (met[u] - 1);
        if (met[u])
            std::memcpy(keys.data.data() + std::exchange(end, end + 8), &value, 8);
        else
            keys.data[static_cast<size_t>(end++)] = null_byte;
        keys.count[u] = table.entries[static_cast<size_t>(met[u])].count;
        keys.offset[u + 1] = end;
    }
    keys.data.resize(static_cast<size_t>(end));
    return keys;
}

// Runs of a column of numbers; none where it has nulls.
inline Runs runs_of(const Column& column, int n_threads) {
    Runs runs;
    for (size_t k = 0; k < column.n_chunks(); ++k)
        if (column.chunk(k).valid || column.chunk(k).layout == Layout::null) return runs;
    const int64_t n = column.size(), n_parts = parts_of(n, n_threads);
    std::vector<Runs> parts(static_cast<size_t>(n_parts));
    for_each_piece(n_parts, n_threads, [&](int64_t part) {
        for_each_run(column, n * part / n_parts, n * (part + 1) / n_parts,
                     [&](size_t k, int64_t row, int64_t at, int64_t size) {
                         column.chunk(k).with_numbers(
                             at, [&](auto read) { parts[static_cast<size_t>(part)].take(row, size, read); });
                     });
    });
    runs = std::move(parts[0]);
    for (size_t k = 1; k < parts.size(); ++k) runs.append(parts[k]);
    return runs;
}

// The codes of runs, and the run in which each code is met.
inline Array<int64_t> encode_runs(const Runs& runs, Array<int32_t>& code) {
    const auto n = static_cast<int64_t>(runs.size());
    const auto read = [&](int64_t k) { return runs.key[static_cast<size_t>(k)]; };
    Array<int64_t> met;
    if (runs.rise()) {  // all different, and no table is asked
        met.resize(runs.size());
        std::iota(met.begin(), met.end(), 0);
        std::iota(code.begin(), code.end(), 0);
        return met;
    }
    const auto [least, most] = std::minmax_element(runs.key.begin(), runs.key.end());
    if (const Span span{*least, *most}; span.is_small(n)) {
        ByValue table(static_cast<size_t>(span.most - span.least) + 1);
        const auto meet = [&](int64_t k) {
            met.push_back(k);
            return static_cast<int32_t>(met.size() - 1);
        };
        table.run(
            n, [&](int64_t k) { return static_cast<size_t>(read(k) - span.least) + 1; }, meet, code.data());
        return met;
    }
    PartEncoder<NumberKey> part(false, code.data());
    part.belt(code.data(), n, read, NoNulls{}, [](int64_t k) { return k; });
    return std::move(part.table().first());
}

// Numbers that lie in runs: one look-up a run.
inline EncodedKeys keys_of(Runs&& runs, int64_t n, int n_threads) {
    Array<int32_t> code(runs.size());
    const Array<int64_t> met = encode_runs(runs, code);
    runs.first.push_back(n);
    EncodedKeys keys;
    keys.code.resize(static_cast<size_t>(n));
    touch_pages(keys.code.data(), n, n_threads);
    for_each_block(static_cast<int64_t>(code.size()), 1 << 12, n_threads, [&](int64_t from, int64_t to) {
        fill_runs(
            runs.first.data(), from, to, [&](int64_t k) { return code[static_cast<size_t>(k)]; },
            keys.code.data());
    });
    keys.count.assign(met.size(), 0);
    for (size_t k = 0; k < code.size(); ++k)
        keys.count[static_cast<size_t>(code[k])] += runs.first[k + 1] - runs.first[k];
    keys.first.resize(met.size()), keys.offset.resize(met.size() + 1), keys.data.resize(8 * met.size());
    for (size_t u = 0; u < met.size(); ++u) {
        const auto run = static_cast<size_t>(met[u]);
        keys.first[u] = runs.first[run];
        keys.offset[u] = static_cast<int64_t>(8 * u);
        std::memcpy(keys.data.data() + 8 * u, &runs.key[run], 8);
    }
    keys.offset[met.size()] = static_cast<int64_t>(keys.data.size());
    return keys;
}

template <class Key>
EncodedKeys encode_column(const Column& column, bool null_is_key, int n_threads) {
    const int64_t n = column.size();
    if constexpr (std::is_same_v<Key, NumberKey>) {
        if (!column.is_dictionary()) {
            if (repeats_often(column)) {
                if (Runs runs = runs_of(column, n_threads); runs.size())
                    return keys_of(std::move(runs), n, n_threads);
            } else if (const Span span = span_of(column, n_threads); span.is_small(n)) {
                return encode_span(column, span, null_is_key, n_threads);
            }
        }
    }
    EncodedKeys keys;
    keys.code.resize(static_cast<size_t>(n));
    const int64_t n_parts = parts_of(n, n_threads);
    std::vector<KeyTable<Key>> met(static_cast<size_t>(n_parts));
    for_each_piece(n_parts, n_threads, [&](int64_t k) {
        PartEncoder<Key> part(null_is_key, keys.code.data());
        encode_rows(column, n * k / n_parts, n * (k + 1) / n_parts, part);
        met[static_cast<size_t>(k)] = std::move(part.table());
    });

    // Merged in the order of the parts: a key has the code that one pass over all rows would have given.
    std::vector<Array<int32_t>> merged(met.size());
    for (size_t k = 1; k < met.size(); ++k) merged[k] = met[0].merge(met[k]);
    for_each_piece(n_parts, n_threads, [&](int64_t k) {
        if (k == 0) return;  // the first part's order is the order
        const auto& codes = merged[static_cast<size_t>(k)];
        for (int64_t row = n * k / n_parts; row < n * (k + 1) / n_parts; ++row) {
            int32_t& code = keys.code[static_cast<size_t>(row)];
            if (code >= 0) code = codes[static_cast<size_t>(code)];
        }
    });
    keys.count = met[0].counts();
    keys.first = std::move(met[0].first());
    keys.offset = std::move(met[0].offset());
    keys.data = std::move(met[0].data());
    return keys;
}

// ------------------------------------------------------------------ composite keys

// Codes of pairs (a, b) where a and b are codes; null where either is.
inline EncodedKeys pair_up(const EncodedKeys& a, const EncodedKeys& b) {
    EncodedKeys keys;
    const size_t n = a.code.size();
    keys.code.resize(n);
    PartEncoder<NumberKey> part(false, keys.code.data());
    const int32_t *left = a.code.data(), *right = b.code.data();
    part.run(
        0, static_cast<int64_t>(n),
        [=](int64_t i) { return (static_cast<int64_t>(left[i]) << 32) | static_cast<uint32_t>(right[i]); },
        [=](int64_t i) { return left[i] < 0 || right[i] < 0; });
    keys.count = part.table().counts();
    keys.first = std::move(part.table().first());
    return keys;
}

inline EncodedKeys encode_keys(const std::vector<Column>& columns, bool null_is_key, int n_threads) {
    std::vector<EncodedKeys> parts;
    for (const auto& column : columns)
        parts.push_back(column.is_bytes() ? encode_column<BytesKey>(column, null_is_key, n_threads)
                                          : encode_column<NumberKey>(column, null_is_key, n_threads));
    if (parts.size() == 1) return std::move(parts[0]);

    EncodedKeys keys = pair_up(parts[0], parts[1]);
    for (size_t k = 2; k < parts.size(); ++k) keys = pair_up(keys, parts[k]);
    // Canonical bytes: each part with its length before it, so that ("a", "bc") is not ("ab", "c").
    keys.offset.push_back(0);
    for (const int64_t row : keys.first) {
        for (const auto& part : parts) {
            const auto code = static_cast<size_t>(part.code[static_cast<size_t>(row)]);
            const int64_t size = part.offset[code + 1] - part.offset[code];
            append(keys.data, &size, 8);
            append(keys.data, part.data.data() + part.offset[code], static_cast<size_t>(size));
        }
        keys.offset.push_back(static_cast<int64_t>(keys.data.size()));
    }
    return keys;
}

}  // namespace cxcore
