// What each row of an event log says, out of Arrow's columns in one pass: a channel, a conversion, or both.
// Validity and flags are read as words of 64 bits, so that neither costs a branch or a copy.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <numeric>

#include "arrow.hpp"
#include "memory.hpp"

namespace cxcore {

// Bits [at, at + n) of a bitmap, the first one lowest; n is 64 at most.
__attribute__((always_inline)) inline uint64_t bits_at(const uint8_t* bits, int64_t at, int64_t n) {
    const int64_t shift = at & 7, n_bytes = (shift + n + 7) >> 3;
    uint64_t word = 0;
    std::memcpy(&word, bits + (at >> 3), static_cast<size_t>(std::min<int64_t>(n_bytes, 8)));
    word >>= shift;
    if (n_bytes > 8) word |= static_cast<uint64_t>(bits[(at >> 3) + 8]) << (64 - shift);
    return n < 64 ? word & ((uint64_t{1} << n) - 1) : word;  // behind the last bit lies anything
}

struct Said {
    Array<int32_t> what;   // by row: code of the channel times two (-2: none), one more where it converts
    Array<int64_t> first;  // by code, in order of first appearance
};

// Columns of one length, in one chunk each. `number`: of a channel; null or -1 is none.
// `converted` has no null.
inline Said what_rows_say(const Column& number, const Column& converted) {
    Said said;
    const int64_t n = number.size();
    said.what.resize(static_cast<size_t>(n));
    if (!n) return said;
    const Chunk channel = number.chunk(0), flag = converted.chunk(0);
    const auto* const flags = static_cast<const uint8_t*>(flag.array->buffers[1]);
    constexpr int32_t unseen = -1;
    constexpr int64_t ahead = 1024;
    Array<int32_t> known(64, unseen);  // twice the code by number; first that of none
    known[0] = -2;
    int32_t* what = said.what.data();
    const Chunk::Place place = channel.place();
    channel.with_numbers(0, [&](auto read) {
        for (int64_t from = 0; from < n; from += 64, what += 64) {
            const int64_t size = std::min<int64_t>(64, n - from);
            for (int64_t i = 0; i < 64; i += 16) __builtin_prefetch(place(std::min(from + ahead + i, n)));
            uint64_t converts = bits_at(flags, flag.array->offset + from, size);
            uint64_t valid =
                channel.valid ? bits_at(channel.valid, channel.array->offset + from, size) : ~uint64_t{0};
            for (int64_t i = 0; i < size; ++i, valid >>= 1, converts >>= 1) {
                // behind a null lies anything
                const uint64_t at = static_cast<uint64_t>(read(from + i) + 1) & -(valid & 1);
                if (at >= known.size()) known.resize(std::max<size_t>(at + 1, 2 * known.size()), unseen);
                int32_t mine = known[at];
                if (mine == unseen) {
                    mine = known[at] = static_cast<int32_t>(2 * said.first.size());
                    said.first.push_back(from + i);
                }
                what[i] = mine | static_cast<int32_t>(converts & 1);
            }
        }
    });
    return said;
}

// The values of some rows, which lie anywhere in a column of one chunk; 0 where there is none.
inline void values_at(const Column& value, const int64_t* row, int64_t n, double* out) {
    constexpr int64_t ahead = 32;
    if (!n) return;
    const Chunk chunk = value.chunk(0);
    const double* const values = chunk.doubles();
    const auto read = [&](auto is_null) {
        for (int64_t i = 0; i < n; ++i) {
            if (i + ahead < n) __builtin_prefetch(&values[row[i + ahead]]);
            out[i] = is_null(row[i]) ? 0.0 : values[row[i]];
        }
    };
    if (chunk.valid)
        read([&](int64_t at) { return chunk.is_null(at); });
    else
        read([](int64_t) { return false; });
}

// Calls work(row) for the rows whose flag is set, in order; before it, soon(row) for each 64th row that comes
// a while later, flagged or not.
template <class Soon, class Work>
void for_each_flagged(const Chunk& flag, Soon&& soon, Work&& work) {
    constexpr int64_t ahead = 1024;
    const auto* const bits = static_cast<const uint8_t*>(flag.array->buffers[1]);
    for (int64_t from = 0; from < flag.size(); from += 64) {
        if (from + ahead < flag.size()) soon(from + ahead);
        uint64_t word = bits_at(bits, flag.array->offset + from, std::min<int64_t>(64, flag.size() - from));
        for (; word; word &= word - 1) work(from + __builtin_ctzll(word));
    }
}

// The codes of the flagged rows, each once and in order; -1 is none. The flag is in one chunk.
inline Array<int64_t> codes_of(const int32_t* code, const Column& flag, int64_t n_codes) {
    Array<int64_t> codes;
    if (!flag.size()) return codes;
    Array<uint8_t> found(static_cast<size_t>(n_codes) + 1, 0);  // first that of none
    for_each_flagged(
        flag.chunk(0),
        [=](int64_t row) {
            for (int64_t i = 0; i < 64; i += 16) __builtin_prefetch(code + row + i);
        },
        [&](int64_t row) { found[static_cast<size_t>(code[row] + 1)] = 1; });
    found[0] = 0;
    codes.resize(static_cast<size_t>(std::accumulate(found.begin(), found.end(), int64_t{0})) + 1);
    size_t n = 0;  // which codes these are is noise: no branch asks
    for (int64_t c = 0; c < n_codes; ++c) {
        codes[n] = c;
        n += found[static_cast<size_t>(c) + 1];
    }
    codes.pop_back();
    return codes;
}

// The largest absolute value of a column of float64, infinite where one is no number; 0 where there is none.
inline double largest(const Column& value) {
    uint64_t most = 0;  // bits without the sign are in the order of what they say; behind all is no number
    const auto take = [&](double x) {
        uint64_t bits;
        std::memcpy(&bits, &x, 8);
        most = std::max(most, bits << 1);
    };
    constexpr int64_t ahead = 1024;
    for (size_t k = 0; k < value.n_chunks(); ++k) {
        const Chunk chunk = value.chunk(k);
        const double* const values = chunk.doubles();
        for (int64_t from = 0; from < chunk.size(); from += 64) {
            const int64_t size = std::min<int64_t>(64, chunk.size() - from);
            for (int64_t i = 0; i < 64; i += 8)
                __builtin_prefetch(values + std::min(from + ahead + i, chunk.size()));
            uint64_t valid =
                chunk.valid ? bits_at(chunk.valid, chunk.array->offset + from, size) : ~uint64_t{0};
            if (valid == ~uint64_t{0})
                for (int64_t i = 0; i < size; ++i) take(values[from + i]);
            else
                for (; valid; valid &= valid - 1) take(values[from + __builtin_ctzll(valid)]);
        }
    }
    most >>= 1;
    double found;
    std::memcpy(&found, &most, 8);
    return std::isnan(found) ? std::numeric_limits<double>::infinity() : found;
}

}  // namespace cxcore
