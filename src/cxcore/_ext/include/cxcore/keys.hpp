// The key encoder: a column of names to dense int32 codes, in order of first appearance.
//
// Where rows repeat the key before them (a sorted log), only the first of each run is looked up. Rows pass a
// belt in blocks: what a step looks at (the bytes, the slot, the known key) was asked for by the
// step before, a block earlier, so that a row waits for no memory. Whole numbers of a small range and the
// entries of a dictionary take a table by value and no hash. Views that share their bytes are looked up once
// each.
// Threads encode a contiguous part each with a table of their own; later parts are merged into the first, in
// order, which gives the codes of one thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <type_traits>
#include <vector>

#include "arrow.hpp"
#include "key_table.hpp"
#include "memory.hpp"
#include "runs.hpp"
#include "threads.hpp"

namespace cxcore {

struct EncodedKeys {
    Array<int32_t> code;    // [n]       -1 where null
    Array<int64_t> count;   // [n_keys]  rows of each key
    Array<int64_t> first;   // [n_keys]  its first row
    Array<int64_t> offset;  // [n_keys + 1] into data
    Array<uint8_t> data;    // canonical bytes of each key
};

// ------------------------------------------------------------------ one part of the rows

// A table by value. Entry 0 is that of nulls, so that a null is no branch.
struct ByValue {
    static constexpr int32_t unseen = -2;
    struct Entry {
        int32_t code = unseen;
        uint32_t count = 0;
    };
    Array<Entry> entries;

    explicit ByValue(size_t n_values) : entries(n_values + 1) {}

    // `place(i)` is the entry of the i-th row, `meet(i)` its code where it is seen for the first time.
    template <class Place, class Meet>
    void run(int64_t n, Place&& place, Meet&& meet, int32_t* code) {
        constexpr int64_t ahead = 24;
        Entry* const table = entries.data();
        const bool is_large = entries.size() > 1 << 12;  // than a first-level cache
        for (int64_t i = 0; i < n; ++i) {
            if (is_large && i + ahead < n) __builtin_prefetch(&table[place(i + ahead)], 1);
            Entry& entry = table[place(i)];
            int32_t known = entry.code;
            if (known == unseen) known = entry.code = meet(i);
            ++entry.count;
            code[i] = known;
        }
    }
};

struct NoNulls {  // a type of its own, so that columns without nulls ask no row
    bool operator()(int64_t) const { return false; }
};

// Codes of the rows [from, to) in the order in which this part meets its keys.
template <class Key>
class PartEncoder {
  public:
    using Value = typename Key::Value;

    PartEncoder(bool null_is_key, int32_t* code) : null_is_key_(null_is_key), code_(code) {}

    // `read(i)` is the value of the i-th row of a stretch whose first row is `row`; `is_null(i)` whether it
    // has none.
    template <class Read, class IsNull>
    void run(int64_t row, int64_t n, Read&& read, IsNull&& is_null) {
        const auto repeats = [&](int64_t i) {
            const bool null = is_null(i);
            return null == is_null(i - 1) && (null || Key::equal(read(i), read(i - 1)));
        };
        if (!often(n, repeats))
            return belt(code_ + row, n, read, is_null, [=](int64_t i) { return row + i; });
        constexpr int64_t stretch = 4096;
        int32_t start[stretch + 1], code[stretch];
        for (int64_t from = 0; from < n; from += stretch) {
            const int64_t size = std::min(stretch, n - from);
            int32_t n_runs = 1;
            start[0] = 0;
            for (int32_t i = 1; i < size; ++i) {
                start[n_runs] = i;
                n_runs += !repeats(from + i);
            }
            start[n_runs] = static_cast<int32_t>(size);
            const auto at = [&](int64_t k) { return from + start[k]; };
            belt(
                code, n_runs, [&](int64_t k) { return read(at(k)); },
                [&](int64_t k) { return is_null(at(k)); }, [&](int64_t k) { return row + at(k); });
            for (int32_t k = 0; k < n_runs; ++k) {
                std::fill(code_ + row + at(k), code_ + row + at(k + 1), code[k]);
                if (code[k] >= 0) table_.count(code[k], start[k + 1] - start[k] - 1);
            }
        }
    }

    // Is it so for three rows in four? Asked of 64 places.
    template <class Is>
    static bool often(int64_t n, Is&& is) {
        if (n < 4096) return false;
        int64_t yes = 0;
        for (int64_t k = 0; k < 64; ++k) yes += is(n * k / 64 + 1);
        return 4 * yes >= 3 * 64;
    }

    // Codes of n values. Blocks of them pass a belt of five steps: what a step looks at was asked for a block
    // before. `row_of(i)` is the row of the i-th value.
    template <class Read, class IsNull, class RowOf>
    void belt(int32_t* code, int64_t n, Read&& read, IsNull&& is_null, RowOf&& row_of) {
        constexpr bool may_be_null = !std::is_same_v<std::decay_t<IsNull>, NoNulls>;
        Rows belt[8];
        const int64_t n_blocks = (n + block - 1) / block;
        const auto at_step = [&](int64_t b, auto&& step) {
            if (b >= 0 && b < n_blocks) step(belt[b & 7], b * block, std::min(block, n - b * block));
        };
        for (int64_t b = 0; b < n_blocks + 4; ++b) {
            at_step(b, [&](Rows& rows, int64_t start, int64_t size) {
                for (int64_t i = 0; i < size; ++i) {
                    if constexpr (may_be_null) rows.absent[i] = is_null(start + i);
                    // behind a null lies anything
                    rows.value[i] = may_be_null && rows.absent[i] ? Value{} : read(start + i);
                    if constexpr (Key::is_far)
                        Key::ask_for(rows.value[i]);
                    else
                        hash(rows, i);
                }
            });
            if constexpr (Key::is_far)
                at_step(b - 1, [&](Rows& rows, int64_t, int64_t size) {
                    for (int64_t i = 0; i < size; ++i) hash(rows, i);
                });
            const bool is_large = table_.is_large();
            at_step(b - 2, [&](Rows& rows, int64_t, int64_t size) {
                for (int64_t i = 0; i < size; ++i) {
                    rows.likely[i] = table_.likely(rows.hash[i]);
                    if (is_large) table_.ask_for_known(rows.likely[i]);
                }
            });
            if (Key::is_far && is_large)
                at_step(b - 3, [&](Rows& rows, int64_t, int64_t size) {
                    for (int64_t i = 0; i < size; ++i) table_.ask_for_bytes(rows.likely[i]);
                });
            at_step(b - 4, [&](const Rows& rows, int64_t start, int64_t size) {
                for (int64_t i = 0; i < size; ++i)
                    code[start + i] = may_be_null && rows.absent[i] ? take_null(row_of(start + i))
                                                                    : take(rows, i, row_of(start + i));
            });
        }
    }

    // Rows of a dictionary: `index(i)` points into `values`, and each value is looked up once.
    template <class Index, class IsNull, class Read>
    void dictionary(int64_t row, int64_t n, Index&& index, IsNull&& is_null, const Chunk& values,
                    Read&& read) {
        ByValue known(static_cast<size_t>(values.size()));
        known.run(
            n, [&](int64_t i) { return is_null(i) ? size_t{0} : static_cast<size_t>(index(i)) + 1; },
            [&](int64_t i) {
                if (is_null(i) || values.is_null(index(i))) return null_code(row + i);
                Value value = read(index(i));
                return table_.find(static_cast<uint32_t>(Key::hash(value)), value, row + i);
            },
            code_ + row);
        for (const auto& entry : known.entries)
            if (entry.code >= 0) table_.count(entry.code, entry.count);
    }

    // Views of long text are often copies of few (gathered, joined, read from pages with a dictionary): equal
    // views of one chunk are equal keys, so that each is looked up once and no other row touches the bytes.
    template <class ReadView, class Read, class IsNull>
    void copies(int64_t row, int64_t n, ReadView&& view, Read&& read, IsNull&& is_null) {
        PartEncoder<ViewKey> part(null_is_key_, code_);
        part.run(row, n, view, is_null);
        KeyTable<ViewKey>& views = part.table();
        const int32_t n_views = views.size();
        Array<int32_t> codes(static_cast<size_t>(n_views));
        bool as_they_are = true;
        Rows rows;
        for (int32_t start = 0; start < n_views; start += block) {
            const int32_t size = std::min<int32_t>(block, n_views - start);
            for (int32_t i = 0; i < size; ++i) {
                rows.absent[i] = views.is_null(start + i);
                rows.value[i] = rows.absent[i] ? Value{} : read(views.first_of(start + i) - row);
                Key::ask_for(rows.value[i]);
            }
            for (int32_t i = 0; i < size; ++i) hash(rows, i);
            for (int32_t i = 0; i < size; ++i) {
                const int64_t first = views.first_of(start + i);
                const int32_t code =
                    rows.absent[i] ? null_code(first) : table_.find(rows.hash[i], rows.value[i], first);
                if (code >= 0) table_.count(code, views.count_of(start + i));
                codes[static_cast<size_t>(start + i)] = code;
                as_they_are &= code == start + i;
            }
        }
        if (as_they_are) return;
        for (int64_t i = row; i < row + n; ++i)
            if (code_[i] >= 0) code_[i] = codes[static_cast<size_t>(code_[i])];
    }

    KeyTable<Key>& table() { return table_; }

  private:
    static constexpr int64_t block = 32;
    struct Rows {
        Value value[block];
        uint32_t hash[block];
        int32_t likely[block];
        bool absent[block];
    };

    void hash(Rows& rows, int64_t i) {
        rows.hash[i] = static_cast<uint32_t>(Key::hash(rows.value[i]));
        table_.ask_for(rows.hash[i]);
    }
    int32_t take(const Rows& rows, int64_t i, int64_t row) {
        int32_t code = rows.likely[i];
        if (code < 0 || !table_.is(code, rows.value[i])) code = table_.find(rows.hash[i], rows.value[i], row);
        table_.count(code, 1);
        return code;
    }
    int32_t take_null(int64_t row) {
        const int32_t code = null_code(row);
        if (code >= 0) table_.count(code, 1);
        return code;
    }
    int32_t null_code(int64_t row) { return null_is_key_ ? table_.null_code(row) : -1; }

    KeyTable<Key> table_;
    bool null_is_key_;
    int32_t* code_;
};

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
        Span span;
        for_each_run(column, n * part / n_parts, n * (part + 1) / n_parts,
                     [&](size_t k, int64_t, int64_t at, int64_t size) {
                         const Chunk chunk = column.chunk(k);
                         with_nulls(chunk, at, [&](auto is_null) {
                             chunk.with_numbers(at, [&](auto read) {
                                 for (int64_t i = 0; i < size; ++i) {
                                     if (is_null(i)) continue;
                                     span.least = std::min(span.least, read(i));
                                     span.most = std::max(span.most, read(i));
                                 }
                             });
                         });
                     });
        parts[static_cast<size_t>(part)] = span;
    });
    for (const Span& span : parts) {
        parts[0].least = std::min(parts[0].least, span.least);
        parts[0].most = std::max(parts[0].most, span.most);
    }
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

inline EncodedKeys encode_span(const Column& column, Span span, bool null_is_key) {
    ByValue table(static_cast<size_t>(span.most - span.least) + 1);
    if (!null_is_key) table.entries[0].code = -1;
    EncodedKeys keys;
    keys.code.resize(static_cast<size_t>(column.size()));
    Array<int64_t> met;  // places of the keys, by code
    for_each_run(column, 0, column.size(), [&](size_t k, int64_t row, int64_t at, int64_t n) {
        const Chunk chunk = column.chunk(k);
        with_nulls(chunk, at, [&](auto is_null) {
            chunk.with_numbers(at, [&](auto read) {
                const auto place = [&](int64_t i) -> size_t {
                    return is_null(i)
                               ? 0
                               : static_cast<uint64_t>(read(i)) - static_cast<uint64_t>(span.least) + 1;
                };
                const auto meet = [&](int64_t i) {
                    met.push_back(static_cast<int64_t>(place(i)));
                    keys.first.push_back(row + i);
                    return static_cast<int32_t>(met.size() - 1);
                };
                table.run(n, place, meet, keys.code.data() + row);
            });
        });
    });
    keys.count.reserve(met.size());
    keys.offset.reserve(met.size() + 1);
    keys.data.reserve(8 * met.size());
    keys.offset.push_back(0);
    for (const int64_t place : met) {
        keys.count.push_back(table.entries[static_cast<size_t>(place)].count);
        if (place == 0)
            keys.data.push_back(null_byte);
        else
            NumberKey::write(keys.data, span.least + (place - 1));
        keys.offset.push_back(static_cast<int64_t>(keys.data.size()));
    }
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
                return encode_span(column, span, null_is_key);
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
