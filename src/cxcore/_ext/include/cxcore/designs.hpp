// Clusters of answers. Rows become cells (the answers of one cluster in one group), cells become signatures
// (how many clusters of a stratum have this size and total): O(rows), then a sort within each group. From
// signatures the percentile and BCa intervals of the exact bootstrap law of each group (cluster_law.hpp);
// where all clusters have one size, and as many are drawn as there are, that law is a lattice (lattice.hpp).
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "cxcore/cluster_law.hpp"
#include "cxcore/lattice.hpp"

namespace cxcore {

// Cells by cluster, within one by first appearance: group, cluster, size (sum of weights) and total (of
// weight times value), each of room n. weight null: all 1. Gives the number of cells. May throw bad_alloc.
inline std::int64_t cluster_cells(const std::int32_t* group, const std::int32_t* cluster,
                                  const std::uint8_t* level, const double* weight, std::int64_t n,
                                  std::int64_t n_groups, std::int64_t n_clusters, const double* value,
                                  std::int32_t* cell_group, std::int32_t* cell_cluster, double* size,
                                  double* total) {
    std::vector<std::int64_t> next(static_cast<std::size_t>(n_clusters) + 1, 0);
    std::vector<std::int32_t> rows(static_cast<std::size_t>(n));
    for (std::int64_t i = 0; i < n; ++i) ++next[static_cast<std::size_t>(cluster[i]) + 1];
    for (std::size_t c = 1; c < next.size(); ++c) next[c] += next[c - 1];
    for (std::int64_t i = 0; i < n; ++i)
        rows[static_cast<std::size_t>(next[static_cast<std::size_t>(cluster[i])]++)] =
            static_cast<std::int32_t>(i);
    std::vector<std::int64_t> cell_of(static_cast<std::size_t>(n_groups), -1);  // of the last cluster seen
    std::int64_t n_cells = 0, first = 0;
    std::int32_t current = -1;
    for (const std::int32_t row : rows) {
        if (cluster[row] != current) {
            current = cluster[row];
            first = n_cells;
        }
        std::int64_t& cell = cell_of[static_cast<std::size_t>(group[row])];
        if (cell < first) {
            cell = n_cells++;
            cell_group[cell] = group[row];
            cell_cluster[cell] = current;
            size[cell] = total[cell] = 0.0;
        }
        const double share = weight == nullptr ? 1.0 : weight[row];
        size[cell] += share;
        total[cell] += share * value[level[row]];
    }
    return n_cells;
}

// Signatures of each group, sorted by stratum, size and total: start[n_groups + 1], and of room n stratum,
// size, total, and count, the cells alike. many: cells that each stands for; null: one. Gives the number of
// signatures. May throw bad_alloc.
inline std::int64_t cluster_signatures(const std::int32_t* group, const std::int32_t* stratum,
                                       const double* size, const double* total, const std::int64_t* many,
                                       std::int64_t n, std::int64_t n_groups, std::int64_t* start,
                                       std::int32_t* stratum_out, double* size_out, double* total_out,
                                       std::int64_t* count) {
    struct Cell {
        double size, total;
        std::int32_t stratum, row;
        bool operator<(const Cell& other) const {
            if (stratum != other.stratum) return stratum < other.stratum;
            if (size != other.size) return size < other.size;
            return total < other.total;
        }
        bool operator==(const Cell& other) const {
            return stratum == other.stratum && size == other.size && total == other.total;
        }
    };
    std::vector<std::int64_t> end(static_cast<std::size_t>(n_groups) + 1, 0);
    std::vector<Cell> cells(static_cast<std::size_t>(n));
    for (std::int64_t i = 0; i < n; ++i) ++end[static_cast<std::size_t>(group[i]) + 1];
    for (std::size_t g = 1; g < end.size(); ++g) end[g] += end[g - 1];
    for (std::int64_t i = 0; i < n; ++i)
        cells[static_cast<std::size_t>(end[static_cast<std::size_t>(group[i])]++)] = {
            size[i], total[i], stratum[i], static_cast<std::int32_t>(i)};
    std::int64_t out = 0, from = 0;
    for (std::int64_t g = 0; g < n_groups; ++g) {
        const std::int64_t to = end[static_cast<std::size_t>(g)];
        std::sort(cells.begin() + from, cells.begin() + to);
        start[g] = out;
        for (std::int64_t i = from; i < to; ++i) {
            const Cell& cell = cells[static_cast<std::size_t>(i)];
            const std::int64_t alike = many == nullptr ? 1 : many[cell.row];
            if (i > from && cell == cells[static_cast<std::size_t>(i - 1)]) {
                count[out - 1] += alike;
                continue;
            }
            stratum_out[out] = cell.stratum;
            size_out[out] = cell.size;
            total_out[out] = cell.total;
            count[out++] = alike;
        }
        from = to;
    }
    start[n_groups] = out;
    return out;
}

// How many clusters of each stratum are drawn, and from how many.
struct Drawing {
    const std::int64_t*
        n_drawn;             // by stratum: clusters with an answer in any group; null: those of the group
    const double* fraction;  // by stratum: that part of its population
    bool rescaled;           // Rao and Wu: n - 1 of n are drawn, and rescaled
    double unit;             // > 0: sizes and totals are whole numbers of it
};

// low, high float64[n_groups], values per unit of size; NaN without clusters. Signatures as
// cluster_signatures leaves them; alpha of each group; corrected: BCa. May throw bad_alloc.
inline void cluster_intervals(const std::int64_t* start, const std::int32_t* stratum, const double* size,
                              const double* total, const std::int64_t* count, const std::uint8_t* wanted,
                              std::int64_t n_groups, const Drawing& drawing, const double* alpha,
                              bool corrected, double* low, double* high) {
    ClusterLaw law;
    ResampleLaw lattice;
    std::vector<std::int64_t> whole;
    for (std::int64_t g = 0; g < n_groups; ++g) {
        const std::int64_t from = start[g], n = start[g + 1] - from;
        if (n == 0 || !wanted[g]) {
            low[g] = high[g] = NOT_A_NUMBER;
            continue;
        }
        double lower = 0.5 * alpha[g], upper = 1.0 - 0.5 * alpha[g];
        if (!drawing.rescaled && drawing.unit > 0.0 && size[from] == size[from + n - 1]) {
            whole.assign(total + from, total + from + n);  // sorted by size: all alike
            lattice.fit(count + from, whole.data(), n);
            if (lattice.one_category()) {
                low[g] = high[g] = lattice.mean();
            } else {
                if (corrected) bca_levels(lattice, alpha[g], lower, upper);
                quantile_interval(lattice, lower, upper, low[g], high[g]);
            }
            low[g] /= size[from];
            high[g] /= size[from];
            continue;
        }
        law.begin();
        for (std::int64_t i = from, end = from; i < start[g + 1]; i = end) {
            while (end < start[g + 1] && stratum[end] == stratum[i]) ++end;
            const std::int64_t n_drawn = drawing.n_drawn == nullptr ? 0 : drawing.n_drawn[stratum[i]];
            law.add(size + i, total + i, count + i, end - i, n_drawn, drawing.fraction[stratum[i]],
                    drawing.rescaled);
        }
        law.finish(drawing.unit);
        if (corrected) efron_levels(law.bias(), law.acceleration(), alpha[g], lower, upper);
        low[g] = law.quantile(lower);
        high[g] = law.quantile(upper);
    }
}

}  // namespace cxcore
