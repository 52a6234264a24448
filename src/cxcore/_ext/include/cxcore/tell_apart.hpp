// Codes that tell the values of a column apart, where nobody asks which code is whose or how often it comes:
// for rules that look for a change. Text of few values (campaigns, pages) meets a small table by the entries
// of Arrow's views as they are, so that hardly a row is hashed by its bytes, and a null is no branch. Text of
// many values, and all that is not text in views, goes the way of keys (keys.hpp).
#pragma once

#include <algorithm>
#include <cstdint>

#include "arrow.hpp"
#include "key_table.hpp"
#include "keys.hpp"
#include "memory.hpp"

namespace cxcore {

namespace apart {

// The values that were met last, one for each of some places.
class Met {
  public:
    struct Entry {
        View view;
        int32_t code = -1;
    };
    static constexpr int bits = 10;

    Met() : entries_(size_t{1} << bits) {}

    Entry* forget() {
        entries_.assign(entries_.size(), Entry{});
        return entries_.data();
    }
    // What a place holds from now on. Not in the loop: what it needs would leave no register to the rows.
    [[gnu::noinline]] void meet(Entry& place, View view, Bytes value, int64_t row) {
        const auto hash = static_cast<uint32_t>(BytesKey::hash(value));
        place = {view, table_.find(hash, value, row)};
        ++misses_;
    }
    bool too_many(int64_t n_rows) const { return misses_ * 8 > n_rows + 8192; }

  private:
    Array<Entry> entries_;
    KeyTable<BytesKey> table_;
    int64_t misses_ = 0;
};

// False where values differ too often for it; the codes are rubbish then.
inline bool tell_views_apart(const Column& column, int32_t* code) {
    Met met;
    const uint64_t left = hash_seed.left, right = hash_seed.right;
    int64_t row = 0;
    for (size_t k = 0; k < column.n_chunks(); ++k) {
        const Chunk chunk = column.chunk(k);
        const auto view = chunk.views(0);
        const auto text = chunk.texts(0);
        Met::Entry* const entries = met.forget();  // they point into their chunk
        const auto tell = [&](int64_t i) {
            const View now = view(i);
            Met::Entry& entry = entries[fold(now.head ^ left, now.tail ^ right) >> (64 - Met::bits)];
            if ((entry.view.head ^ now.head) | (entry.view.tail ^ now.tail) |
                static_cast<uint64_t>(entry.code < 0))  // one branch, hardly ever taken
                met.meet(entry, now, text(i), row + i);
            code[row + i] = entry.code;
        };
        constexpr int64_t block = 64, ahead = 4 * block;
        for (int64_t from = 0; from < chunk.size(); from += block) {
            const int64_t size = std::min(block, chunk.size() - from);
            // Rows without a value are left out, so that the processor does not see what is read next.
            if (from + ahead + block <= chunk.size())
                for (int64_t i = from + ahead; i < from + ahead + block; i += 4)
                    __builtin_prefetch(chunk.view_at(i));
            // Which rows are null is noise to the processor: no branch asks.
            uint64_t there =
                chunk.valid ? bits_from(chunk.valid, chunk.array->offset + from, size) : ~uint64_t{0};
            if (!~there) {
                for (int64_t i = from; i < from + size; ++i) tell(i);
            } else {
                std::fill_n(code + row + from, size, -1);
                for (; there; there &= there - 1) tell(from + __builtin_ctzll(there));
            }
            if (met.too_many(row + from)) return false;
        }
        row += chunk.size();
    }
    return true;
}

}  // namespace apart

// OUT code int32[n]: equal where values are, -1 where null
inline void tell_apart(const Column& column, int n_threads, int32_t* code) {
    const bool has_views =
        !column.is_dictionary() && column.n_chunks() > 0 && column.chunk(0).layout == Layout::view;
    if (has_views && apart::tell_views_apart(column, code)) return;
    const auto keys = column.is_bytes() ? encode_column<BytesKey>(column, false, n_threads)
                                        : encode_column<NumberKey>(column, false, n_threads);
    std::copy(keys.code.begin(), keys.code.end(), code);
}

}  // namespace cxcore
