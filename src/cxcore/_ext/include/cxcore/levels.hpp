// Answers as counts: one pass over a column of answers of any numeric width.
// Bytes are compared with each level, or with the end of each class of levels but the last, in registers, and
// the hits are summed in byte lanes (at most 255 steps, then a flush); wider answers are first narrowed, a
// cache-sized block at a time, to the index of their level. With groups the same index goes into a table of
// counters; small tables are kept four times, so that a run of equal answers does not wait for its own last
// store.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "cxcore/clones.hpp"

namespace cxcore {

constexpr int MOST_CELLS = 256;
constexpr std::int64_t BLOCK = 4096;
constexpr std::int64_t SMALL_TABLE = 1024;
// Bytes of a column that are asked for ahead: processors stop doing so by themselves at the end of a page.
constexpr std::int64_t AHEAD = 8192;

#if defined(__GNUC__)
#define CXCORE_LANES(T) T __attribute__((vector_size(32), aligned(1), may_alias))
typedef CXCORE_LANES(unsigned char) Lanes;
typedef CXCORE_LANES(signed char) SignedLanes;
typedef CXCORE_LANES(std::uint16_t) Lanes16;
typedef CXCORE_LANES(std::uint32_t) Lanes32;
typedef CXCORE_LANES(std::uint64_t) Lanes64;
#undef CXCORE_LANES

inline __attribute__((always_inline)) const Lanes& lanes_at(const unsigned char* block, std::int64_t step) {
    return *reinterpret_cast<const Lanes*>(block + step * static_cast<std::int64_t>(sizeof(Lanes)));
}

inline __attribute__((always_inline)) void ask_ahead(const unsigned char* block, std::int64_t step) {
    __builtin_prefetch(block + step * static_cast<std::int64_t>(sizeof(Lanes)) + AHEAD);
}

inline __attribute__((always_inline)) std::int64_t sum_lanes(const Lanes& lanes) {
    const Lanes16 pairs = ((Lanes16)lanes & 0xff) + ((Lanes16)lanes >> 8);
    const Lanes32 fours = ((Lanes32)pairs & 0xffff) + ((Lanes32)pairs >> 16);
    const Lanes64 eights = ((Lanes64)fours & 0xffffffff) + ((Lanes64)fours >> 32);
    return static_cast<std::int64_t>(eights[0] + eights[1] + eights[2] + eights[3]);
}

// hits of some values among steps <= 255 lanes, which share each load
template <int SOME, bool FAR>
inline __attribute__((always_inline)) void count_equal(const unsigned char* block, std::int64_t steps,
                                                       const unsigned char* value, std::int64_t* counts) {
    Lanes want[SOME] = {}, sum[SOME] = {};
    for (int k = 0; k < SOME; ++k) want[k] = want[k] + value[k];
    for (std::int64_t step = 0; step < steps; ++step) {
        if (FAR) ask_ahead(block, step);
        const Lanes x = lanes_at(block, step);
        for (int k = 0; k < SOME; ++k) sum[k] -= (Lanes)(x == want[k]);  // a hit is -1
    }
    for (int k = 0; k < SOME; ++k) counts[k] += sum_lanes(sum[k]);
}

// What lies further above base than some bounds; is anything above the end? Signed compares are one
// instruction where unsigned ones are two, so bytes are counted from base + 128.
template <int SOME, bool FAR>
inline __attribute__((always_inline)) bool count_above(const unsigned char* block, std::int64_t steps,
                                                       unsigned char base, const unsigned char* bound,
                                                       unsigned char end, std::int64_t* counts) {
    const unsigned char down = static_cast<unsigned char>(base + 128);
    SignedLanes want[SOME] = {}, most = {};
    Lanes sum[SOME] = {};
    for (int k = 0; k < SOME; ++k) want[k] = want[k] + static_cast<signed char>(bound[k] - 128);
    most = most + static_cast<signed char>(-128);
#pragma GCC unroll 4
    for (std::int64_t step = 0; step < steps; ++step) {
        if (FAR) ask_ahead(block, step);
        const SignedLanes x = (SignedLanes)(lanes_at(block, step) - down);
        most = x > most ? x : most;
        for (int k = 0; k < SOME; ++k) sum[k] -= (Lanes)(x > want[k]);
    }
    for (int k = 0; k < SOME; ++k) counts[k] += sum_lanes(sum[k]);
    const Lanes64 past = (Lanes64)(most > static_cast<signed char>(end - 128));
    return (past[0] | past[1] | past[2] | past[3]) != 0;
}

// The last bound is the end of the scale: compared only in a block that has something above it.
template <bool FAR>
inline __attribute__((always_inline)) void count_block_above(const unsigned char* block, std::int64_t steps,
                                                             unsigned char base, const unsigned char* bound,
                                                             int n_bounds, std::int64_t* counts) {
    const int inner = n_bounds - 1;
    const unsigned char end = bound[inner];
    bool past = inner == 0;
    int k = 0;
    for (; k + 2 <= inner; k += 2) past = count_above<2, FAR>(block, steps, base, bound + k, end, counts + k);
    for (; k < inner; ++k) past = count_above<1, FAR>(block, steps, base, bound + k, end, counts + k);
    if (past) count_above<1, false>(block, steps, base, bound + inner, end, counts + inner);
}

template <bool FAR>
inline __attribute__((always_inline)) void count_block_equal(const unsigned char* block, std::int64_t steps,
                                                             const unsigned char* value, int n_values,
                                                             std::int64_t* counts) {
    int k = 0;
    for (; k + 6 <= n_values; k += 6) count_equal<6, FAR>(block, steps, value + k, counts + k);
    for (; k + 5 <= n_values; k += 5) count_equal<5, FAR>(block, steps, value + k, counts + k);
    for (; k + 3 <= n_values; k += 3) count_equal<3, FAR>(block, steps, value + k, counts + k);
    for (; k < n_values; ++k) count_equal<1, FAR>(block, steps, value + k, counts + k);
}

// FAR: the bytes are a column, not a block that was just written.
// hits of each value among n bytes, behind n_upto bounds: bytes at most so far above base; adds to counts
template <bool FAR>
CXCORE_CLONES void count_bytes(const unsigned char* answer, std::int64_t n, unsigned char base, int n_upto,
                               const unsigned char* value, int n_values, std::int64_t* counts) {
    constexpr std::int64_t WIDTH = sizeof(Lanes), STEPS = 255;
    std::int64_t above[MOST_CELLS] = {0};
    std::int64_t done = 0;
    while (n - done >= WIDTH) {
        std::int64_t steps = (n - done) / WIDTH;
        if (steps > STEPS) steps = STEPS;
        if (n_upto) count_block_above<FAR>(answer + done, steps, base, value, n_upto, above);
        count_block_equal<FAR>(answer + done, steps, value + n_upto, n_values - n_upto, counts + n_upto);
        done += steps * WIDTH;
    }
    for (; done < n; ++done) {
        const unsigned char far = static_cast<unsigned char>(answer[done] - base);
        for (int k = 0; k < n_upto; ++k) above[k] += far > value[k];
        for (int k = n_upto; k < n_values; ++k) counts[k] += answer[done] == value[k];
    }
    for (int k = 0; k < n_upto; ++k) counts[k] += n - above[k];
}
#else
template <bool FAR>
void count_bytes(const unsigned char* answer, std::int64_t n, unsigned char base, int n_upto,
                 const unsigned char* value, int n_values, std::int64_t* counts) {
    std::int64_t table[256] = {0};
    for (std::int64_t i = 0; i < n; ++i) ++table[answer[i]];
    for (int k = 0; k < n_upto; ++k)
        for (int above = 0; above <= value[k]; ++above)
            counts[k] += table[static_cast<unsigned char>(base + above)];
    for (int k = n_upto; k < n_values; ++k) counts[k] += table[value[k]];
}
#endif

// The values that are counted: the levels of a scale, first, first + 1, …, in classes that end at levels
// last[0] < last[1] < …, then single codes. A cell of counts for each class, one for whatever is no value,
// then one for each code.
struct Values {
    std::int64_t first;
    const std::int64_t* last;
    int n_classes;
    const std::int64_t* single;
    int n_single;
    int levels() const { return static_cast<int>(last[n_classes - 1] - first) + 1; }
    int cells() const { return n_classes + 1 + n_single; }
    unsigned char reach(int k) const { return static_cast<unsigned char>(last[k] - first); }
};

// Each answer in a byte: its level from 0, the number of levels where it is no value, then the codes. No
// branches, so that it vectorises.
template <typename T>
CXCORE_CLONES void narrow_block(const T* answer, std::int64_t n, const Values& values, unsigned char* cell) {
    const int n_levels = values.levels();
    if constexpr (std::is_floating_point_v<T>) {
        const T first = static_cast<T>(values.first), run = static_cast<T>(n_levels);
        for (std::int64_t i = 0; i < n; ++i) {
            T step = answer[i] - first;
            step = step >= T(0) ? step : run;  // NaN too
            step = step < run ? step : run;
            const int whole = static_cast<int>(step);
            cell[i] = static_cast<unsigned char>(static_cast<T>(whole) == step ? whole : n_levels);
        }
    } else if constexpr (sizeof(T) == 8) {
        const std::uint64_t first = static_cast<std::uint64_t>(values.first);
        const std::uint32_t run = static_cast<std::uint32_t>(n_levels);
        for (std::int64_t i = 0; i < n; ++i) {  // halves: 64-bit compares are slow or missing
            const std::uint64_t wide = static_cast<std::uint64_t>(answer[i]) - first;
            std::uint32_t step = static_cast<std::uint32_t>(wide);
            step |= static_cast<std::uint32_t>(wide >> 32) != 0 ? ~std::uint32_t(0) : 0;
            cell[i] = static_cast<unsigned char>(step < run ? step : run);
        }
    } else {
        using U = std::make_unsigned_t<T>;
        const U first = static_cast<U>(values.first), run = static_cast<U>(n_levels);
        for (std::int64_t i = 0; i < n; ++i) {
            const U step =
                static_cast<U>(static_cast<U>(answer[i]) - first);  // below the run wraps to far above
            cell[i] = static_cast<unsigned char>(step < run ? step : run);
        }
    }
    for (int k = 0; k < values.n_single; ++k) {
        const T code = static_cast<T>(values.single[k]);
        const unsigned char at = static_cast<unsigned char>(n_levels + 1 + k);
        for (std::int64_t i = 0; i < n; ++i) cell[i] = answer[i] == code ? at : cell[i];
    }
}

// counts int64[cells] += answers of each class and code. Values must fit T.
template <typename T>
inline void count_levels(const T* answer, std::int64_t n, const Values& values, std::int64_t* counts) {
    const int n_classes = values.n_classes, n_levels = values.levels(),
              n_wanted = n_classes + values.n_single;
    const bool each = n_classes == n_levels;  // no class of several levels: equal is cheaper than up to
    const bool bytes = sizeof(T) == 1;        // compared as they lie
    const unsigned char base = static_cast<unsigned char>(bytes ? values.first : 0);
    unsigned char wanted[MOST_CELLS];
    std::int64_t hits[MOST_CELLS] = {0};
    for (int k = 0; k < n_classes; ++k)
        wanted[k] = static_cast<unsigned char>(values.reach(k) + (each ? base : 0));
    for (int k = 0; k < values.n_single; ++k)
        wanted[n_classes + k] = static_cast<unsigned char>(bytes ? values.single[k] : n_levels + 1 + k);
    const int n_upto = each ? 0 : n_classes;
    if constexpr (sizeof(T) == 1) {
        count_bytes<true>(reinterpret_cast<const unsigned char*>(answer), n, base, n_upto, wanted, n_wanted,
                          hits);
    } else {
        unsigned char cell[BLOCK];
        for (std::int64_t done = 0; done < n; done += BLOCK) {
            const std::int64_t some = n - done < BLOCK ? n - done : BLOCK;
            narrow_block(answer + done, some, values, cell);
            count_bytes<false>(cell, some, base, n_upto, wanted, n_wanted, hits);
        }
    }
    for (int k = n_upto - 1; k > 0; --k) hits[k] -= hits[k - 1];
    counts[n_classes] += n;
    for (int k = 0; k < n_wanted; ++k) {
        counts[k < n_classes ? k : k + 1] += hits[k];
        counts[n_classes] -= hits[k];
    }
}

CXCORE_CLONES
static void find_counters(const std::int32_t* group, const unsigned char* cell, std::int64_t n,
                          std::int64_t row, std::int64_t* counter) {
    for (std::int64_t i = 0; i < n; ++i) counter[i] = group[i] * row + cell[i];
}

// counts int64[n_groups, cells] += the same by group code 0..n_groups - 1; each level is a class.
template <typename T>
inline void count_levels_by(const T* answer, const std::int32_t* group, std::int64_t n, std::int64_t n_groups,
                            const Values& values, std::int64_t* counts) {
    const std::int64_t row = values.cells(), all = n_groups * row;
    const bool small = all <= SMALL_TABLE;
    unsigned char cell[BLOCK];
    std::int64_t counter[BLOCK];
    std::int64_t table[4][SMALL_TABLE];
    if (small) std::memset(table, 0, sizeof table);
    for (std::int64_t done = 0; done < n; done += BLOCK) {
        const std::int64_t some = n - done < BLOCK ? n - done : BLOCK;
        narrow_block(answer + done, some, values, cell);
        find_counters(group + done, cell, some, row, counter);
        std::int64_t i = 0;
        for (; small && i + 4 <= some; i += 4) {
            ++table[0][counter[i]];
            ++table[1][counter[i + 1]];
            ++table[2][counter[i + 2]];
            ++table[3][counter[i + 3]];
        }
        for (; i < some; ++i) ++counts[counter[i]];
    }
    for (std::int64_t at = 0; small && at < all; ++at)
        counts[at] += table[0][at] + table[1][at] + table[2][at] + table[3][at];
}

}  // namespace cxcore
