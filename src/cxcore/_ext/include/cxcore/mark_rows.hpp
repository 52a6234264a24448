// Bits of bytes, out of the bitmap of a boolean column: eight rows at a time, no row asked by itself.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "arrow.hpp"

namespace cxcore {

// A boolean column without nulls; INOUT mark uint8[n]
inline void mark_rows(const Column& column, uint8_t mask, uint8_t* mark) {
    for (size_t k = 0; k < column.n_chunks(); ++k) {
        const Chunk chunk = column.chunk(k);
        const auto* values = static_cast<const uint8_t*>(chunk.array->buffers[1]);
        const int64_t first = chunk.array->offset;
        int64_t i = 0;
        for (; i + 64 <= chunk.size(); i += 64) {
            uint64_t word = bits_from(values, first + i, 64);
            for (uint8_t* at = mark + i; at < mark + i + 64; at += 8, word >>= 8) {
                // a bit to a byte, each at another place of it; then, whichever it is, the lowest
                const uint64_t apart = (word & 0xFF) * 0x0101010101010101 & 0x8040201008040201;
                const uint64_t ones = (apart + 0x7F7F7F7F7F7F7F7F | apart) >> 7 & 0x0101010101010101;
                const uint64_t marked = eight(at) | ones * mask;
                std::memcpy(at, &marked, 8);
            }
        }
        for (; i < chunk.size(); ++i) mark[i] |= static_cast<uint8_t>(bit(values, first + i) * mask);
        mark += chunk.size();
    }
}

}  // namespace cxcore
