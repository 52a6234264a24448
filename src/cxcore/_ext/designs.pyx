# Survey designs: answers by cluster, clusters by signature, and the exact law of the cluster bootstrap.
# Design: docs/explanation/scores.md. The work is in designs.hpp; this is the border to NumPy.
from libc.math cimport NAN
from libc.stdint cimport int32_t, int64_t, uint8_t

cdef extern from "cxcore/designs.hpp" namespace "cxcore" nogil:
    int64_t _cells "cxcore::cluster_cells"(
        const int32_t*, const int32_t*, const uint8_t*, const double*, int64_t, int64_t, int64_t,
        const double*, int32_t*, int32_t*, double*, double*) except +
    int64_t _signatures "cxcore::cluster_signatures"(
        const int32_t*, const int32_t*, const double*, const double*, const int64_t*, int64_t, int64_t,
        int64_t*, int32_t*, double*, double*, int64_t*) except +
    struct _Drawing "cxcore::Drawing":
        const int64_t* n_drawn
        const double* fraction
        bint rescaled
        double unit
    void _intervals "cxcore::cluster_intervals"(
        const int64_t*, const int32_t*, const double*, const double*, const int64_t*, const uint8_t*, int64_t,
        const _Drawing&, const double*, bint, double*, double*) except +


def cluster_cells(
    const int[::1] group,            # IN   n codes 0..n_groups-1
    const int[::1] cluster,          # IN   n codes 0..n_clusters-1
    const unsigned char[::1] level,  # IN   n answers, steps above the lowest level
    const double[::1] weight,        # IN   n, or empty: all 1
    const double[::1] value,         # IN   n_levels: what an answer at each level weighs
    long long n_groups,
    long long n_clusters,
    int[::1] cell_group,             # OUT  room for n cells, by cluster
    int[::1] cell_cluster,           # OUT
    double[::1] size,                # OUT  sum of weights
    double[::1] total,               # OUT  sum of weight times value
):
    """Sums of the answers of each cluster in each group; gives the number of such cells."""
    cdef int64_t n = group.shape[0], n_cells = 0
    if n == 0:
        return 0
    with nogil:
        n_cells = _cells(
            <const int32_t*>&group[0], <const int32_t*>&cluster[0], <const uint8_t*>&level[0],
            &weight[0] if weight.shape[0] else NULL, n, n_groups, n_clusters, &value[0],
            <int32_t*>&cell_group[0], <int32_t*>&cell_cluster[0], &size[0], &total[0])
    return n_cells


def cluster_signatures(
    const int[::1] group,            # IN   n cells: codes 0..n_groups-1
    const int[::1] stratum,          # IN
    const double[::1] size,          # IN   > 0
    const double[::1] total,         # IN
    const long long[::1] many,       # IN   n cells that each stands for, or empty: one
    long long[::1] start,            # OUT  n_groups + 1: signatures of group g are start[g] .. start[g+1] - 1
    int[::1] stratum_out,            # OUT  room for n, sorted by stratum, size, total within a group
    double[::1] size_out,            # OUT
    double[::1] total_out,           # OUT
    long long[::1] count,            # OUT  cells of this signature
):
    """Cells of each group that are alike, counted; gives the number of signatures."""
    cdef int64_t n = group.shape[0], n_signatures = 0
    if n == 0:
        start[:] = 0
        return 0
    with nogil:
        n_signatures = _signatures(
            <const int32_t*>&group[0], <const int32_t*>&stratum[0], &size[0], &total[0],
            <const int64_t*>&many[0] if many.shape[0] else NULL, n,
            start.shape[0] - 1, <int64_t*>&start[0], <int32_t*>&stratum_out[0], &size_out[0],
            &total_out[0], <int64_t*>&count[0])
    return n_signatures


def cluster_interval(
    const long long[::1] start,      # IN   n_groups + 1, as cluster_signatures leaves them
    const int[::1] stratum,          # IN   n codes 0..n_strata-1
    const double[::1] size,          # IN   n
    const double[::1] total,         # IN   n
    const long long[::1] count,      # IN   n
    const long long[::1] n_drawn,    # IN   n_strata clusters drawn, or empty: those of the group, no strata
    const double[::1] fraction,      # IN   n_strata, that part of the population
    const unsigned char[::1] wanted,  # IN  n_groups: 0 leaves the group out, as if it had no clusters
    bint rescaled,                   # IN   n - 1 of n are drawn, and rescaled (Rao and Wu), else n of n
    double unit,                     # IN   least deviation of the smoothing, > 0: sizes and totals are whole
    const double[::1] alpha,         # IN   n_groups: 1 - confidence level
    bint corrected,                  # IN   BCa, else percentile
    double[::1] low,                 # OUT  n_groups, total per size; NaN without clusters
    double[::1] high,                # OUT  n_groups
):
    """Interval of each group's ratio of total to size from the exact law of the bootstrap of clusters."""
    cdef _Drawing drawing
    if size.shape[0] == 0:
        low[:] = NAN
        high[:] = NAN
        return
    drawing.n_drawn = <const int64_t*>&n_drawn[0] if n_drawn.shape[0] else NULL
    drawing.fraction = &fraction[0]
    drawing.rescaled = rescaled
    drawing.unit = unit
    with nogil:
        _intervals(
            <const int64_t*>&start[0], <const int32_t*>&stratum[0], &size[0], &total[0],
            <const int64_t*>&count[0], <const uint8_t*>&wanted[0], start.shape[0] - 1, drawing, &alpha[0],
            corrected, &low[0], &high[0])
