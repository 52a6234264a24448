// Bootstrap over customers: how often a replicate draws each of them, and the sums of what they earned.
//
// Draws are Poisson(1) each, which is drawing n of n customers without their sum being held (Hanley,
// MacGibbon 2006; Chamandy et al. 2012). The draw of a customer is a function of (seed, key of the customer,
// replicate) alone: SplitMix64 (Steele, Lea, Flood 2014) started at a hash of seed and key, read at the
// replicate. So it depends on no order of rows, no thread and no partition of the log. Rows of m customers
// alike draw Poisson(m).
#pragma once

#include <cmath>
#include <cstdint>

#include "cxcore/threads.hpp"
#include "cxcore/xxh64.hpp"

namespace cxcore {

constexpr uint64_t kGolden = 0x9E3779B97F4A7C15ULL;

inline uint64_t mix(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
}

inline uint64_t stream_of(uint64_t seed, uint64_t key) { return mix(key ^ mix(seed + kGolden)); }
inline uint64_t bits_at(uint64_t stream, int64_t replicate) {
    return mix(stream + kGolden * (static_cast<uint64_t>(replicate) + 1));
}

// P(X <= k) of Poisson(1) times 2^64, rounded down: a draw is how many of these its bits reach.
constexpr uint64_t kPoisson[] = {0x5E2D58D8B3BCDF1AULL, 0xBC5AB1B16779BE35ULL, 0xEB715E1DC1582DC2ULL,
                                 0xFB23979734A252F1ULL, 0xFF1025F59174DC3DULL, 0xFFD90F3BA4055E19ULL,
                                 0xFFFA8B71FC72C913ULL, 0xFFFF540C0914B3C9ULL, 0xFFFFED1F4AA8F120ULL,
                                 0xFFFFFE216E641462ULL, 0xFFFFFFD4D85D3183ULL, 0xFFFFFFFC6DA262B4ULL,
                                 0xFFFFFFFFBA12D178ULL, 0xFFFFFFFFFB07C64CULL, 0xFFFFFFFFFFAB8EA5ULL,
                                 0xFFFFFFFFFFFABE22ULL, 0xFFFFFFFFFFFFB11AULL, 0xFFFFFFFFFFFFFBA1ULL,
                                 0xFFFFFFFFFFFFFFC5ULL, 0xFFFFFFFFFFFFFFFDULL, 0xFFFFFFFFFFFFFFFFULL};
constexpr int kMostDrawn = static_cast<int>(sizeof kPoisson / sizeof kPoisson[0]);

inline double poisson_of_1(uint64_t bits) {
    int drawn = (bits >= kPoisson[0]) + (bits >= kPoisson[1]) + (bits >= kPoisson[2]) + (bits >= kPoisson[3]);
    if (drawn == 4)
        while (drawn < kMostDrawn && bits >= kPoisson[drawn]) ++drawn;
    return drawn;
}

inline double uniform_of(uint64_t bits) { return (static_cast<double>(bits >> 11) + 0.5) * 0x1p-53; }

// Poisson(mean): by inversion; beyond 500 a rounded normal number with its skewness (Cornish, Fisher 1938).
inline double poisson_of(uint64_t bits, double mean) {
    if (mean == 1.0) return poisson_of_1(bits);
    if (mean <= 500.0) {
        double rest = uniform_of(bits), p = std::exp(-mean), drawn = 0.0;
        while (rest > p && p > 0.0) {
            rest -= p;
            drawn += 1.0;
            p *= mean / drawn;
        }
        return drawn;
    }
    const double radius = std::sqrt(-2.0 * std::log(uniform_of(bits)));
    const double z = radius * std::cos(6.283185307179586 * uniform_of(mix(bits + kGolden)));
    return std::round(mean + std::sqrt(mean) * z + (z * z - 1.0) / 6.0);
}

struct Customers {
    int64_t n;
    const uint64_t* key;
    const double* times;  // how many are alike; null: one each
    double drawn(uint64_t seed, int64_t u, int64_t replicate) const {
        const uint64_t bits = bits_at(stream_of(seed, key[u]), replicate);
        return times ? poisson_of(bits, times[u]) : poisson_of_1(bits);
    }
};

// OUT key uint64[n]: XXH64 of each customer's canonical key (docs/adr/0003)
inline void customer_keys(const int64_t* offset, const uint8_t* data, int64_t n, uint64_t* key) {
    for (int64_t u = 0; u < n; ++u)
        key[u] = xxh64(data + offset[u], static_cast<size_t>(offset[u + 1] - offset[u]));
}

inline void draw(const Customers& c, uint64_t seed, int64_t replicate, int n_threads, double* drawn) {
    for_each_block(c.n, 4096, n_threads, [&](int64_t from, int64_t to) {
        for (int64_t u = from; u < to; ++u) drawn[u] = c.drawn(seed, u, replicate);
    });
}

// Sums over customers of draws times what each earned: entries [offset[u], offset[u + 1]) of (column,
// amount), or of the draws alone where there are no entries. Replicates are pieces: one sum each, in the
// order of customers.
struct Entries {
    const int64_t* offset;  // [n + 1]; null: none
    const int32_t* column;
    const double* amount;
};

inline void resample(const Customers& c, const Entries& e, uint64_t seed, int64_t first, int64_t n_replicates,
                     int64_t n_columns, int n_threads, double* sums) {
    for_each_piece(n_replicates, n_threads, [&](int64_t b) {
        double* const mine = sums + b * n_columns;
        for (int64_t u = 0; u < c.n; ++u) {
            if (e.offset && e.offset[u] == e.offset[u + 1]) continue;
            const double drawn = c.drawn(seed, u, first + b);
            if (!e.offset) mine[0] += drawn;
            if (!e.offset || drawn == 0.0) continue;
            for (int64_t k = e.offset[u]; k < e.offset[u + 1]; ++k) mine[e.column[k]] += drawn * e.amount[k];
        }
    });
}

}  // namespace cxcore
