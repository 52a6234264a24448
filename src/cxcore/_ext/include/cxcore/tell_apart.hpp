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

    Met() : entries_(size_t{1} << bits) {}

    void forget() { entries_.assign(entries_.size(), Entry{}); }
    Entry& at(View view) { return entries_[ViewKey::hash(view) >> (64 - bits)]; }

  private:
    static constexpr int bits = 10;
    Array<Entry> entries_;
};

// False where values differ too often for it; the codes are rubbish then.
inline bool tell_views_apart(const Column& column, int32_t* code) {
    KeyTable<BytesKey> table;
    Met met;
    int64_t row = 0, misses = 0;
    for (size_t k = 0; k < column.n_chunks(); ++k) {
        const Chunk chunk = column.chunk(k);
        met.forget();  // entries point into their chunk
        const auto view = chunk.views(0);
        const auto text = chunk.texts(0);
        bool gave_up = false;
        with_nulls(chunk, 0, [&](auto is_null) {
            for (int64_t i = 0; i < chunk.size() && !gave_up; ++i, ++row) {
                const View now = view(i);
                const bool absent = is_null(i);  // and its view is anything
                Met::Entry& entry = met.at(now);
                // One branch, hardly ever taken: which rows are null is noise to the processor.
                const uint64_t differs = (entry.view.head ^ now.head) | (entry.view.tail ^ now.tail) |
                                         static_cast<uint64_t>(entry.code < 0);
                if (differs & (static_cast<uint64_t>(absent) - 1)) {
                    Bytes value = text(i);
                    const auto hash = static_cast<uint32_t>(BytesKey::hash(value));
                    entry = {now, table.find(hash, value, row)};
                    gave_up = ++misses * 8 > row + 8192;
                }
                code[row] = entry.code | -static_cast<int32_t>(absent);  // -1 without a branch
            }
        });
        if (gave_up) return false;
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
