// Paths as text, "ads > mail > ads", to codes of channels: each text is cut at every separator, from its
// beginning on, and each piece is looked up in a table of names (key_table.hpp). No piece becomes a string:
// the table reads the bytes where Arrow's views keep them. A null and an empty text have no piece; an empty
// piece beside a separator is a name like any other.
// Threads cut a contiguous part of the rows each, with a table of their own; later tables are merged into the
// first in order, so that codes follow the first appearance of names whatever the number of threads.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "arrow.hpp"
#include "key_table.hpp"
#include "keys.hpp"
#include "memory.hpp"
#include "threads.hpp"

namespace cxcore {

struct SplitPaths {
    Array<int64_t> offset;       // [n + 1] pieces of each text
    Array<int32_t> code;         // [n_pieces] in order of first appearance
    Array<int64_t> name_offset;  // [n_names + 1] into name_data
    Array<uint8_t> name_data;
};

// Calls piece(first byte, size) for each piece of a text.
template <class Piece>
void for_each_piece_of(std::string_view text, std::string_view separator, Piece&& piece) {
    const char *from = text.data(), *look = from;
    const char* const end = from + text.size();
    const auto size = static_cast<std::ptrdiff_t>(separator.size());
    while (end - look >= size) {
        const auto left = static_cast<size_t>(end - look - size + 1);
        const auto* const at = static_cast<const char*>(std::memchr(look, separator[0], left));
        if (!at) break;
        look = at + 1;
        if (std::memcmp(at, separator.data(), separator.size()) != 0) continue;
        piece(from, static_cast<size_t>(at - from));
        from = look = at + size;
    }
    piece(from, static_cast<size_t>(end - from));
}

struct SplitPart {  // some rows, with a table of their own
    KeyTable<BytesKey> names;
    Array<int32_t> code;

    // Writes how many pieces there are up to each row, from `row` on, counted in this part.
    void cut(const Chunk& chunk, int64_t at, int64_t n, std::string_view separator, int64_t* pieces) {
        chunk.with_text(at, [&](auto read) {
            for (int64_t i = 0; i < n; ++i) {
                const std::string_view text = chunk.is_null(at + i) ? std::string_view{} : read(i);
                if (!text.empty())
                    for_each_piece_of(text, separator, [&](const char* data, size_t size) {
                        code.push_back(find(data, size));
                    });
                pieces[i] = static_cast<int64_t>(code.size());
            }
        });
    }

  private:
    int32_t find(const char* data, size_t size) {
        Bytes name = Bytes::of(data, size);
        const auto hash = static_cast<uint32_t>(BytesKey::hash(name));
        const int32_t likely = names.likely(hash);
        return likely >= 0 && names.is(likely, name) ? likely : names.find(hash, name, 0);
    }
};

inline SplitPaths split_paths(const Column& column, std::string_view separator, int n_threads) {
    const int64_t n = column.size(), n_parts = parts_of(n, n_threads);
    std::vector<SplitPart> parts(static_cast<size_t>(n_parts));
    SplitPaths paths;
    paths.offset.resize(static_cast<size_t>(n) + 1);
    paths.offset[0] = 0;
    const auto first = [&](int64_t k) { return n * k / n_parts; };
    for_each_piece(n_parts, n_threads, [&](int64_t k) {
        for_each_run(column, first(k), first(k + 1), [&](size_t c, int64_t row, int64_t at, int64_t size) {
            parts[static_cast<size_t>(k)].cut(column.chunk(c), at, size, separator,
                                              paths.offset.data() + row + 1);
        });
    });
    SplitPart& whole = parts[0];
    std::vector<Array<int32_t>> merged(parts.size());
    std::vector<int64_t> before(parts.size() + 1, 0);
    for (size_t k = 0; k < parts.size(); ++k) {
        if (k > 0) merged[k] = whole.names.merge(parts[k].names);
        before[k + 1] = before[k] + static_cast<int64_t>(parts[k].code.size());
    }
    whole.code.resize(static_cast<size_t>(before.back()));
    for_each_piece(n_parts, n_threads, [&](int64_t piece) {
        const auto k = static_cast<size_t>(piece);
        if (k == 0) return;  // its names and places are those of the whole
        for (int64_t row = first(piece); row < first(piece + 1); ++row) paths.offset[row + 1] += before[k];
        const SplitPart& part = parts[k];
        for (size_t i = 0; i < part.code.size(); ++i)
            whole.code[before[k] + i] = merged[k][static_cast<size_t>(part.code[i])];
    });
    paths.code = std::move(whole.code);
    paths.name_offset = std::move(whole.names.offset());
    paths.name_data = std::move(whole.names.data());
    return paths;
}

}  // namespace cxcore
