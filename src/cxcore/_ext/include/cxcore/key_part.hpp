// One part of a column's rows, to codes in order of first appearance by a table of its own.
//
// Rows pass a belt in blocks: what a step looks at (the bytes, the slot, the known key) was asked for by the
// step before, a block earlier, so that a row waits for no memory. Views that share their bytes are looked up
// once each, entries of a dictionary take a table by value. Columns as wholes: keys.hpp.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

#include "arrow.hpp"
#include "key_table.hpp"
#include "memory.hpp"

namespace cxcore {

struct EncodedKeys {
    Array<int32_t> code;    // [n]       -1 where null
    Array<int64_t> count;   // [n_keys]  rows of each key
    Array<int64_t> first;   // [n_keys]  its first row
    Array<int64_t> offset;  // [n_keys + 1] into data
    Array<uint8_t> data;    // canonical bytes of each key
};

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

// How many rows each value has, and the first row of each, in order: what a part of the rows knows by itself.
struct CountedByValue {
    struct Met {
        size_t place;
        int64_t row;
    };
    Array<uint32_t> count;
    Array<Met> met;

    template <class Place>
    void run(size_t n_places, int64_t row, int64_t n, Place&& place) {
        if (count.empty()) count.assign(n_places, 0), met.reserve(n_places);
        constexpr int64_t ahead = 24;
        for (int64_t i = 0; i < n; ++i) {
            if (i + ahead < n) __builtin_prefetch(&count[place(i + ahead)], 1);
            const size_t at = place(i);
            if (!count[at]++) met.push_back({at, row + i});
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
    // By a table that learns nothing: other keys are -1, and no row is counted.
    PartEncoder(const KeyTable<Key>& closed, int32_t* code)
        : closed_(&closed),
          null_is_key_(false),
          code_(code) {}

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
                if (code[k] >= 0) count(code[k], start[k + 1] - start[k] - 1);
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
            const bool is_large = known().is_large();
            at_step(b - 2, [&](Rows& rows, int64_t, int64_t size) {
                for (int64_t i = 0; i < size; ++i) {
                    rows.likely[i] = known().likely(rows.hash[i]);
                    if (is_large) known().ask_for_known(rows.likely[i]);
                }
            });
            // In a loop of its own: GCC 12 drops the call of a step that only asks for memory.
            if (Key::is_far && is_large && b >= 3 && b - 3 < n_blocks)
                for (int64_t i = 0; i < std::min(block, n - (b - 3) * block); ++i)
                    known().ask_for_bytes(belt[(b - 3) & 7].likely[i]);
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
                const auto hash = static_cast<uint32_t>(Key::hash(value));
                return find(hash, value, row + i);
            },
            code_ + row);
        for (const auto& entry : known.entries)
            if (entry.code >= 0) count(entry.code, entry.count);
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
                    rows.absent[i] ? null_code(first) : find(rows.hash[i], rows.value[i], first);
                if (code >= 0) count(code, views.count_of(start + i));
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
        known().ask_for(rows.hash[i]);
    }
    const KeyTable<Key>& known() const { return closed_ ? *closed_ : table_; }
    int32_t find(uint32_t hash, const Value& value, int64_t row) {
        return closed_ ? closed_->look(hash, value) : table_.find(hash, value, row);
    }
    void count(int32_t code, int64_t n) {
        if (!closed_) table_.count(code, n);
    }
    int32_t take(const Rows& rows, int64_t i, int64_t row) {
        int32_t code = rows.likely[i];
        if (code < 0 || !known().is(code, rows.value[i])) code = find(rows.hash[i], rows.value[i], row);
        count(code, 1);
        return code;
    }
    int32_t take_null(int64_t row) {
        const int32_t code = null_code(row);
        if (code >= 0) count(code, 1);
        return code;
    }
    int32_t null_code(int64_t row) { return null_is_key_ ? table_.null_code(row) : -1; }

    KeyTable<Key> table_;
    const KeyTable<Key>* closed_ = nullptr;
    bool null_is_key_;
    int32_t* code_;
};

}  // namespace cxcore
