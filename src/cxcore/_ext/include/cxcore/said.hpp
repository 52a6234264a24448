// What each row of an event log says, out of Arrow's columns: a channel, a conversion, or both.
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

constexpr int32_t says_nothing = -2;  // neither a touch nor a conversion

// Flags of a boolean column without nulls, in one chunk.
struct Flags {
    const uint8_t* bits;
    int64_t offset;
    explicit Flags(const Chunk& flag)
        : bits(static_cast<const uint8_t*>(flag.array->buffers[1])),
          offset(flag.array->offset) {}
    bool operator[](int64_t row) const { return bit(bits, offset + row); }
};

struct Channels {
    Array<int32_t> known;  // by number + 1: twice the code, -1 where no row has it; first that of none
    Array<int64_t> first;  // by code, in order of first appearance
};

// Which channels a log has. `number`: of each row's channel, in one chunk; null or -1 is none. Once the
// numbers that are used lie closely and all have been met, a block of rows is read at a glance.
inline Channels channels_of(const Column& number) {
    constexpr int32_t unseen = -1;
    constexpr int64_t block = 512, ahead = 4 * block;
    Channels channels;
    Array<int32_t>& known = channels.known;
    known.assign(64, unseen);
    known[0] = says_nothing;
    const int64_t n = number.size();
    if (!n) return channels;
    const Chunk chunk = number.chunk(0);
    const Chunk::Place place = chunk.place();
    uint32_t met = 1;  // the first ones, which are known
    chunk.with_numbers(0, [&](auto read) {
        for (int64_t from = 0; from < n; from += block) {
            const int64_t to = std::min(n, from + block);
            for (int64_t i = 0; i < block; i += 16) __builtin_prefetch(place(std::min(from + ahead + i, n)));
            uint32_t above = 0;
            for (int64_t i = from; i < to; ++i) above |= static_cast<uint32_t>(read(i)) + 1 >= met;
            for (int64_t i = from; above && i < to; ++i) {
                if (chunk.is_null(i)) continue;  // behind it lies anything
                const auto at = static_cast<size_t>(read(i) + 1);
                if (at >= known.size()) known.resize(std::max(at + 1, 2 * known.size()), unseen);
                if (known[at] != unseen) continue;
                known[at] = static_cast<int32_t>(2 * channels.first.size());
                channels.first.push_back(i);
            }
            while (met < known.size() && known[met] != unseen) ++met;
        }
    });
    return channels;
}

// What each row says: twice the code of its channel (-2: none), one more where it converts. Columns in one
// chunk each; `known` by `channels_of`.
inline Array<int32_t> what_rows_say(const Column& number, const int32_t* known, const Column& converted) {
    Array<int32_t> said(static_cast<size_t>(number.size()));
    const int64_t n = number.size();
    if (!n) return said;
    const Chunk channel = number.chunk(0), flag = converted.chunk(0);
    const auto* const flags = static_cast<const uint8_t*>(flag.array->buffers[1]);
    constexpr int64_t ahead = 1024;
    int32_t* what = said.data();
    const Chunk::Place place = channel.place();
    channel.with_numbers(0, [&](auto read) {
        for (int64_t from = 0; from < n; from += 64, what += 64) {
            const int64_t size = std::min<int64_t>(64, n - from);
            for (int64_t i = 0; i < 64; i += 16) __builtin_prefetch(place(std::min(from + ahead + i, n)));
            uint64_t converts = bits_at(flags, flag.array->offset + from, size);
            uint64_t valid =
                channel.valid ? bits_at(channel.valid, channel.array->offset + from, size) : ~uint64_t{0};
            for (int64_t i = 0; i < size; ++i, valid >>= 1, converts >>= 1) {
                const uint64_t at = static_cast<uint64_t>(read(from + i) + 1) & -(valid & 1);
                what[i] = known[at] | static_cast<int32_t>(converts & 1);
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
