// Of which rows something holds, as bits: where it holds is noise to the processor, so all rows are asked
// without a branch, in wide registers where the machine has them, and the bits are counted or listed after.
#pragma once

#include <cstdint>

#include "clones.hpp"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace cxcore {

constexpr int64_t word_bits = 64;

inline int64_t words_of(int64_t n) { return (n + word_bits - 1) / word_bits; }

// 64 bytes that are 0 or 255.
inline uint64_t word_of(const uint8_t* flag) {
    uint64_t word = 0;
#if defined(__SSE2__)
    for (int k = 0; k < 4; ++k) {
        const auto bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(flag + 16 * k));
        word |= static_cast<uint64_t>(static_cast<uint32_t>(_mm_movemask_epi8(bytes))) << (16 * k);
    }
#else
    for (int k = 0; k < word_bits; ++k) word |= static_cast<uint64_t>(flag[k] & 1) << k;
#endif
    return word;
}

// Bit i of `word` is holds(from + i), for the rows [from, to).
template <class Holds>
CXCORE_CLONES void mark_bits(int64_t from, int64_t to, Holds holds, uint64_t* word) {
    uint8_t flag[word_bits];
    for (; from + word_bits <= to; from += word_bits, ++word) {
        for (int64_t i = 0; i < word_bits; ++i) flag[i] = holds(from + i) ? 255 : 0;
        *word = word_of(flag);
    }
    if (from == to) return;
    for (int64_t i = 0; i < word_bits; ++i) flag[i] = from + i < to && holds(from + i) ? 255 : 0;
    *word = word_of(flag);
}

// Lists from + i for the bits i that are set; the end of the list.
template <class T>
inline T* list_bits(const uint64_t* word, int64_t n_words, T from, T* out) {
    for (int64_t w = 0; w < n_words; ++w, from += static_cast<T>(word_bits))
        for (uint64_t bits = word[w]; bits; bits &= bits - 1)
            *out++ = from + static_cast<T>(__builtin_ctzll(bits));
    return out;
}

// before[w], bits set in the words before word w; before[n_words], in all.
CXCORE_CLONES inline void count_bits(const uint64_t* word, int64_t n_words, int64_t* before) {
    before[0] = 0;
    for (int64_t w = 0; w < n_words; ++w) before[w + 1] = before[w] + __builtin_popcountll(word[w]);
}

// out[k] = base + the bits set before bit at[k] - from, which may be the one after the last.
CXCORE_CLONES inline void count_before(const uint64_t* word, const int64_t* before, int64_t from,
                                       const int64_t* at, int64_t n, int64_t base, int64_t* out) {
    for (int64_t k = 0; k < n; ++k) {
        const int64_t bit = at[k] - from, w = bit / word_bits;
        const uint64_t rest = bit % word_bits ? word[w] << (word_bits - bit % word_bits) : 0;
        out[k] = base + before[w] + __builtin_popcountll(rest);
    }
}

}  // namespace cxcore
