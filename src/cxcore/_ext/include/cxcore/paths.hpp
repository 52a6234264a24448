// Paths as offsets and flat channel codes: their order, how often each channel comes in one, who took them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

namespace cxcore {

struct FlatPaths {  // channels of path p: channel[offset[p]] to channel[offset[p + 1] - 1]
    int64_t n;
    const int64_t* offset;   // [n + 1]
    const int32_t* channel;  // [offset[n]]
};

// OUT order int64[n]: paths by the ranks of their channels, one after the other; a path comes before those
// that go on from it, and equal paths keep their order.
inline void path_order(const FlatPaths& p, const int32_t* rank, int64_t* order) {
    std::vector<int32_t> ranks(static_cast<size_t>(p.offset[p.n]));
    for (size_t i = 0; i < ranks.size(); ++i) ranks[i] = rank[p.channel[i]];
    std::iota(order, order + p.n, 0);
    const auto from = [&](int64_t path) { return ranks.data() + p.offset[path]; };
    std::stable_sort(order, order + p.n, [&](int64_t a, int64_t b) {
        return std::lexicographical_compare(from(a), from(a + 1), from(b), from(b + 1));
    });
}

// OUT times int64[n_touches]: at the first touch of a channel in its path, how often that path has it; else 0
inline void repeats(const FlatPaths& p, int64_t n_channels, int64_t* times) {
    std::vector<int64_t> first(static_cast<size_t>(n_channels), -1);  // touch of the path that is walked
    for (int64_t path = 0; path < p.n; ++path)
        for (int64_t i = p.offset[path]; i < p.offset[path + 1]; ++i) {
            int64_t& met = first[static_cast<size_t>(p.channel[i])];
            times[i] = 0;
            if (met < p.offset[path]) met = i;
            ++times[met];
        }
}

// Rows of a table of paths. A row is one user, and those who did not convert beside others who did are one
// more, behind all rows.
struct PathRows {
    int64_t n, n_again;
    const int64_t* offset;      // [n + n_again + 1] touches of each user
    const double* conversions;  // [n] how many converted
    const double* nulls;        // [n] how many did not; null: nobody asks
    const double* worth;        // [n] value of their conversions together; null: nobody asks
    const int64_t* again;       // [n_again] rows of both kinds
};

// OUT conversion_offset int64[n_users + 1]; times float64[n_users], how many each is; null_end
// int64[n_users], where the touches end that did not convert (where they begin: none), null where nobody
// asks; by conversion lo and hi int64[], value float64[].
inline void path_windows(const PathRows& r, int64_t* conversion_offset, double* times, int64_t* null_end,
                         int64_t* lo, int64_t* hi, double* value) {
    int64_t k = 0;
    for (int64_t i = 0; i < r.n; ++i) {
        const bool converted = r.conversions[i] > 0.0;
        conversion_offset[i] = k;
        times[i] = converted ? r.conversions[i] : r.nulls ? r.nulls[i] : 0.0;
        if (null_end) null_end[i] = r.offset[i + (!converted & (times[i] > 0.0))];
        if (!converted) continue;
        lo[k] = r.offset[i];
        hi[k] = r.offset[i + 1];
        value[k++] = r.worth ? r.worth[i] / r.conversions[i] : 0.0;
    }
    for (int64_t i = r.n; i < r.n + r.n_again; ++i) {
        conversion_offset[i] = k;
        times[i] = r.nulls[r.again[i - r.n]];
        null_end[i] = r.offset[i + 1];
    }
    conversion_offset[r.n + r.n_again] = k;
}

}  // namespace cxcore
