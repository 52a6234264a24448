// The key encoder: a column of names to dense int32 codes, in order of first appearance.
//
// Rows are taken in blocks, so that the slots of a whole block are on their way from memory before the first
// is looked at. Sorted logs repeat the last key: that is asked first. Whole numbers of a small range take a
// table by value and no hash.
// Threads encode a contiguous part each with a table of their own; the parts are merged in order, which
// gives the codes of one thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>
#include <vector>

#include "arrow.hpp"
#include "key_table.hpp"
#include "threads.hpp"

namespace cxcore {

struct EncodedKeys {
    std::vector<int32_t> code;    // [n]       -1 where null
    std::vector<int64_t> count;   // [n_keys]  rows of each key
    std::vector<int64_t> first;   // [n_keys]  its first row
    std::vector<int64_t> offset;  // [n_keys + 1] into data
    std::vector<uint8_t> data;    // canonical bytes of each key
};

constexpr uint8_t null_byte = 0xFF;  // the canonical form of a null key: no UTF-8 text has it

// ------------------------------------------------------------------ one part of the rows

// Codes of the rows [from, to) in the order in which this part meets its keys.
template <class Key>
class PartEncoder {
  public:
    using Value = typename Key::Value;

    PartEncoder(bool null_is_key, int32_t* code) : null_is_key_(null_is_key), code_(code) {}

    // `read(i)` is the value of the i-th row of a run whose first row is `row`; `is_null(i)` whether it has
    // none.
    template <class Read, class IsNull>
    void run(int64_t row, int64_t n, Read&& read, IsNull&& is_null) {
        constexpr int64_t block = 32;
        uint64_t hash[block];
        Value value[block];
        bool absent[block];
        for (int64_t start = 0; start < n; start += block) {
            const int64_t size = std::min(block, n - start);
            for (int64_t i = 0; i < size; ++i) {
                absent[i] = is_null(start + i);
                value[i] = absent[i] ? Value{} : read(start + i);  // behind a null may lie anything
                hash[i] = Key::hash(value[i]);
                table_.prefetch(hash[i]);
            }
            if (table_.is_large())
                for (int64_t i = 0; i < size; ++i)
                    if (table_.slot(hash[i]).code >= 0) Key::touch(table_.slot(hash[i]));
            for (int64_t i = 0; i < size; ++i) {
                const int64_t at = row + start + i;
                code_[at] = absent[i] ? null_code(at) : take(hash[i], value[i], at);
            }
        }
    }

    // Rows of a dictionary: `index(i)` points into `values`, and each value is looked up once.
    template <class Index, class IsNull, class Read>
    void dictionary(int64_t row, int64_t n, Index&& index, IsNull&& is_null, const Chunk& values,
                    Read&& read) {
        std::vector<int32_t> known(static_cast<size_t>(values.size()), -1);
        for (int64_t i = 0; i < n; ++i) {
            if (is_null(i) || values.is_null(index(i))) {
                code_[row + i] = null_code(row + i);
                continue;
            }
            int32_t& code = known[static_cast<size_t>(index(i))];
            if (code < 0) {
                const Value value = read(index(i));
                code = entry(table_.find(Key::hash(value), value, row + i));
            }
            code_[row + i] = code;
            ++extra_[static_cast<size_t>(code)];
        }
    }

    // What this part met, in its own order.
    struct Met {
        std::vector<Value> value;
        std::vector<int64_t> first, count;
        int32_t null_at = -1;
    };
    Met met() const {
        const auto slots = table_.by_code();
        Met met;
        met.null_at = null_code_;
        size_t next = 0;
        const size_t n = slots.size() + (null_code_ >= 0 ? 1 : 0);
        for (size_t k = 0; k < n; ++k) {
            if (static_cast<int32_t>(k) == null_code_) {
                met.value.emplace_back();
                met.first.push_back(null_first_);
                met.count.push_back(null_count_);
                continue;
            }
            met.value.push_back(Key::value_of(*slots[next]));
            met.first.push_back(table_.first()[next]);
            met.count.push_back(static_cast<int64_t>(slots[next]->count) +
                                (k < extra_.size() ? extra_[k] : 0));
            ++next;
        }
        return met;
    }

  private:
    using Slot = typename Key::Slot;

    int32_t take(uint64_t hash, Value value, int64_t row) {
        if (!last_ || !Key::equal(Key::value_of(*last_), value)) last_ = &table_.find(hash, value, row);
        ++last_->count;
        return shifted(last_->code);
    }
    int32_t entry(const Slot& slot) {
        const int32_t code = shifted(slot.code);
        if (static_cast<size_t>(code) >= extra_.size()) extra_.resize(static_cast<size_t>(code) + 1, 0);
        return code;
    }
    // The null key has a code of its own in the order of appearance; table codes after it move up by one.
    int32_t shifted(int32_t code) const { return code + (null_code_ >= 0 && code >= null_code_ ? 1 : 0); }
    int32_t null_code(int64_t row) {
        if (!null_is_key_) return -1;
        if (null_code_ < 0) {
            null_code_ = static_cast<int32_t>(table_.size());
            null_first_ = row;
        }
        ++null_count_;
        return null_code_;
    }

    KeyTable<Key> table_;
    Slot* last_ = nullptr;  // a table grows only in `take`, which asks for it anew
    bool null_is_key_;
    int32_t* code_;
    int32_t null_code_ = -1;
    int64_t null_first_ = -1, null_count_ = 0;
    std::vector<int64_t> extra_;  // rows that came through a dictionary, by code
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
        use([](int64_t) { return false; });
    else
        use([&chunk, from](int64_t i) { return chunk.is_null(from + i); });
}

template <class Key>
void encode_rows(const Column& column, int64_t from, int64_t to, PartEncoder<Key>& part) {
    for_each_run(column, from, to, [&](size_t k, int64_t row, int64_t at, int64_t n) {
        const Chunk chunk = column.chunk(k);
        with_nulls(chunk, at, [&](auto is_null) {
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

inline Span span_of(const Column& column) {
    Span span;
    for_each_run(column, 0, column.size(), [&](size_t k, int64_t, int64_t at, int64_t n) {
        const Chunk chunk = column.chunk(k);
        with_nulls(chunk, at, [&](auto is_null) {
            chunk.with_numbers(at, [&](auto read) {
                for (int64_t i = 0; i < n; ++i) {
                    if (is_null(i)) continue;
                    span.least = std::min(span.least, read(i));
                    span.most = std::max(span.most, read(i));
                }
            });
        });
    });
    return span;
}

inline EncodedKeys encode_span(const Column& column, Span span, bool null_is_key) {
    constexpr int32_t unseen = -2;
    struct Entry {
        int32_t code = unseen;
        uint32_t count = 0;
    };
    // Entry 0 is that of nulls, so that a null is no branch.
    std::vector<Entry> table(static_cast<size_t>(span.most - span.least) + 2);
    if (!null_is_key) table[0].code = -1;
    EncodedKeys keys;
    keys.code.resize(static_cast<size_t>(column.size()));
    std::vector<const Entry*> met;
    for_each_run(column, 0, column.size(), [&](size_t k, int64_t row, int64_t at, int64_t n) {
        const Chunk chunk = column.chunk(k);
        int32_t* code = keys.code.data() + row;
        with_nulls(chunk, at, [&](auto is_null) {
            chunk.with_numbers(at, [&](auto read) {
                const auto place = [&](int64_t i) -> size_t {
                    return is_null(i)
                               ? 0
                               : static_cast<uint64_t>(read(i)) - static_cast<uint64_t>(span.least) + 1;
                };
                for (int64_t i = 0; i < n; ++i) {
                    constexpr int64_t ahead = 24;
                    if (i + ahead < n) __builtin_prefetch(&table[place(i + ahead)], 1);
                    Entry& entry = table[place(i)];
                    if (entry.code == unseen) {
                        entry.code = static_cast<int32_t>(met.size());
                        met.push_back(&entry);
                        keys.first.push_back(row + i);
                    }
                    ++entry.count;
                    code[i] = entry.code;
                }
            });
        });
    });
    keys.count.reserve(met.size());
    keys.offset.reserve(met.size() + 1);
    keys.data.reserve(8 * met.size());
    keys.offset.push_back(0);
    for (const Entry* entry : met) {
        keys.count.push_back(entry->count);
        if (entry == table.data())
            keys.data.push_back(null_byte);
        else
            NumberKey::write(keys.data, span.least + (entry - table.data()) - 1);
        keys.offset.push_back(static_cast<int64_t>(keys.data.size()));
    }
    return keys;
}

template <class Key>
EncodedKeys encode_column(const Column& column, bool null_is_key, int n_threads) {
    const int64_t n = column.size();
    if constexpr (std::is_same_v<Key, NumberKey>) {
        if (!column.is_dictionary()) {
            const Span span = span_of(column);
            if (span.is_small(n)) return encode_span(column, span, null_is_key);
        }
    }
    EncodedKeys keys;
    keys.code.resize(static_cast<size_t>(n));
    const int64_t least = 1 << 16;  // rows that are worth a thread
    const int64_t n_parts = std::max<int64_t>(1, std::min<int64_t>(n_threads, n / least));
    std::vector<typename PartEncoder<Key>::Met> met(static_cast<size_t>(n_parts));
    for_each_piece(n_parts, n_threads, [&](int64_t k) {
        PartEncoder<Key> part(null_is_key, keys.code.data());
        encode_rows(column, n * k / n_parts, n * (k + 1) / n_parts, part);
        met[static_cast<size_t>(k)] = part.met();
    });

    // Merge in the order of the parts: a key has the code that one pass over all rows would have given.
    KeyTable<Key> all;
    std::vector<std::vector<int32_t>> to_all(met.size());
    int32_t null_code = -1, n_keys = 0;
    keys.offset.push_back(0);
    for (size_t k = 0; k < met.size(); ++k) {
        std::vector<int32_t> codes;
        for (size_t c = 0; c < met[k].value.size(); ++c) {
            const bool is_null = static_cast<int32_t>(c) == met[k].null_at;
            int32_t code;
            if (is_null) {
                code = null_code < 0 ? n_keys : null_code;
            } else if (met.size() == 1) {
                code = n_keys;  // one part: nothing to merge with
            } else {
                const auto& slot = all.find(Key::hash(met[k].value[c]), met[k].value[c], 0);
                code = slot.code + (null_code >= 0 && slot.code >= null_code ? 1 : 0);
            }
            if (code == n_keys) {
                ++n_keys;
                if (is_null)
                    null_code = code, keys.data.push_back(null_byte);
                else
                    Key::write(keys.data, met[k].value[c]);
                keys.offset.push_back(static_cast<int64_t>(keys.data.size()));
                keys.first.push_back(met[k].first[c]);
                keys.count.push_back(0);
            }
            keys.count[static_cast<size_t>(code)] += met[k].count[c];
            codes.push_back(code);
        }
        to_all[k] = std::move(codes);
    }
    for_each_piece(n_parts, n_threads, [&](int64_t k) {
        if (k == 0) return;  // the first part's order is the order
        const auto& codes = to_all[static_cast<size_t>(k)];
        for (int64_t row = n * k / n_parts; row < n * (k + 1) / n_parts; ++row) {
            int32_t& code = keys.code[static_cast<size_t>(row)];
            if (code >= 0) code = codes[static_cast<size_t>(code)];
        }
    });
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
    auto met = part.met();
    keys.first = std::move(met.first);
    keys.count = std::move(met.count);
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
