# Counts of answers, and intervals of a mean of integer weights from counts.
# Design: docs/explanation/scores.md. The work is in the headers named below; this is the border to NumPy.
from libc.stdint cimport INT64_MAX, int32_t, int64_t, uint8_t

ctypedef fused answer_t:
    unsigned char
    signed char
    unsigned short
    short
    unsigned int
    int
    unsigned long long
    long long
    float
    double

cdef extern from "cxcore/levels.hpp" namespace "cxcore" nogil:
    cdef cppclass Values:
        int64_t first
        const int64_t* last
        int n_classes
        const int64_t* single
        int n_single
    void _count "cxcore::count_levels"[T](const T*, int64_t, const Values&, int64_t*) noexcept
    void _count_by "cxcore::count_levels_by"[T](
        const T*, const int32_t*, int64_t, int64_t, const Values&, int64_t*) noexcept

cdef extern from "cxcore/lattice.hpp" namespace "cxcore" nogil:
    int resample_intervals(
        const int64_t*, const int64_t*, int64_t, int64_t, const double*, bint, double*, double*) noexcept
    int _cdf "cxcore::resample_cdf"(
        const int64_t*, const int64_t*, int64_t, int64_t, int64_t, double*) noexcept

cdef extern from "cxcore/score_limit.hpp" namespace "cxcore" nogil:
    void score_intervals(
        const int64_t*, const int64_t*, int64_t, int64_t, const double*, const double*, double*,
        double*) noexcept

cdef extern from "cxcore/guarded.hpp" namespace "cxcore" nogil:
    const int64_t c_enough_answers "cxcore::enough_answers"
    const int64_t c_enough_outside "cxcore::enough_outside"
    const int64_t c_enough_outside_of_share "cxcore::enough_outside_of_share"
    cdef struct Described:
        int64_t n
        int64_t outside
        int64_t flags
        int given
        double mean
        double standard_error
    Described _describe "cxcore::describe"(const int64_t*, const int64_t*, int64_t) noexcept
    int guarded_intervals(
        const int64_t*, const int64_t*, int64_t, int64_t, double, int, double*, double*) noexcept

cdef extern from "cxcore/shifts.hpp" namespace "cxcore" nogil:
    int _find_shifts "cxcore::find_shifts"(
        const int64_t*, const int64_t*, int64_t, int64_t, int64_t, const double*, uint8_t*) noexcept

cdef extern from "cxcore/wealth.hpp" namespace "cxcore" nogil:
    int always_valid_intervals(
        const int64_t*, const int64_t*, int64_t, int64_t, const double*, double*, double*) noexcept
    int always_valid_differences(
        const int64_t*, const int64_t*, const int64_t*, int64_t, int64_t, const double*, double*, double*,
        double*) noexcept


def count_levels(
    const answer_t[::1] answer,      # IN   n answers of any width; the values counted fit it
    const int[::1] group,            # IN   n codes 0..n_groups-1, or empty: one group
    long long first,                 # IN   lowest level of the scale
    const long long[::1] last,       # IN   level at which each class ends, ascending; grouped: every level
    const long long[::1] single,     # IN   codes counted beside the scale, none of them on it
    long long[:, ::1] counts,        # OUT  [n_groups, n_classes + 1 + n_single], +=: classes, others, codes
):
    """Add the answers of each group in each class of levels, off the scale, and with each code."""
    cdef Values values
    cdef int64_t n = answer.shape[0]
    if n == 0:
        return
    values.first = first
    values.last = <const int64_t*>&last[0]
    values.n_classes = <int>last.shape[0]
    values.n_single = <int>single.shape[0]
    values.single = <const int64_t*>&single[0] if values.n_single else NULL
    with nogil:
        if group.shape[0] == 0:
            _count(&answer[0], n, values, <int64_t*>&counts[0, 0])
        else:
            _count_by(
                &answer[0], <const int32_t*>&group[0], n, counts.shape[0], values, <int64_t*>&counts[0, 0])


#: answers below which coverage swings most from case to case (docs/explanation/scores.md)
ENOUGH_ANSWERS = c_enough_answers
#: answers outside the largest weight class from which a bootstrap keeps its level
ENOUGH_OUTSIDE = c_enough_outside
#: the like of a share, below which BCa dips under 94 % here and there (docs/explanation/scores.md)
ENOUGH_OUTSIDE_OF_SHARE = c_enough_outside_of_share


def describe(
    const long long[:, ::1] counts,   # IN   [n_groups, n_levels]
    const long long[::1] weight,      # IN   n_levels
    long long[:, ::1] sizes,          # OUT  [4, n_groups]: answers; answers outside the largest class; flags,
                                      #      1: no answers, else 2: few, plus 4: all of one weight; what the
                                      #      default gives, 0: bca, 1: exact, 2: score, 3: score_n_minus_1
    double[:, ::1] moments,           # OUT  [2, n_groups]: mean weight; root of (sum c (w - mean)^2), over n;
                                      #      NaN without answers
):
    """Size, flags, default method, mean and standard error of each group.

    Returns the fewest answers, the fewest outside and the highest method of any group: where no group is odd,
    nobody need look for it.
    """
    cdef Py_ssize_t g
    cdef Described of
    cdef int64_t fewest = INT64_MAX, fewest_outside = INT64_MAX, highest = 0
    with nogil:
        for g in range(counts.shape[0]):
            of = _describe(<const int64_t*>&counts[g, 0], <const int64_t*>&weight[0], counts.shape[1])
            sizes[0, g], sizes[1, g], sizes[2, g], sizes[3, g] = of.n, of.outside, of.flags, <int>of.given
            moments[0, g], moments[1, g] = of.mean, of.standard_error
            fewest, fewest_outside = min(fewest, of.n), min(fewest_outside, of.outside)
            highest = max(highest, <int64_t>of.given)
    return fewest, fewest_outside, highest


def guarded_interval(
    const long long[:, ::1] counts,  # IN   [n_groups, n_levels]
    const long long[::1] weight,     # IN   n_levels, ascending, distinct, the whole scale
    double alpha,                    # 1 - confidence level
    int given,                       # a method for all groups, as in describe (exact: of two weights); -1: as
                                     # the default chooses
    double[::1] low,                 # OUT  n_groups, weight units; NaN without answers
    double[::1] high,                # OUT  n_groups
):
    """The default interval of the mean weight of each group."""
    cdef int status = 0
    if counts.shape[0] == 0:
        return
    with nogil:
        status = guarded_intervals(
            <const int64_t*>&counts[0, 0], <const int64_t*>&weight[0], counts.shape[0], counts.shape[1],
            alpha, given, &low[0], &high[0])
    if status:
        raise MemoryError


def resample_interval(
    const long long[:, ::1] counts,  # IN   [n_groups, n_levels]
    const long long[::1] weight,     # IN   n_levels, ascending, distinct
    const double[::1] alpha,         # IN   n_groups: 1 - confidence level
    bint corrected,                  # IN   BCa; else percentile
    double[::1] low,                 # OUT  n_groups, weight units; NaN without answers
    double[::1] high,                # OUT  n_groups
):
    """Exact bootstrap interval of the mean weight of each group."""
    cdef int status = 0
    if counts.shape[0] == 0:
        return
    with nogil:
        status = resample_intervals(
            <const int64_t*>&counts[0, 0], <const int64_t*>&weight[0], counts.shape[0], counts.shape[1],
            &alpha[0], corrected, &low[0], &high[0])
    if status:
        raise MemoryError


def resample_cdf(
    const long long[::1] counts,     # IN   n_levels, not all 0
    const long long[::1] weight,     # IN   n_levels, ascending, distinct
    long long first,                 # IN   sum of weights
    double[::1] cdf,                 # OUT  P(sum of a resample <= first), first + 1, …
):
    """Exact bootstrap law of the sum of one group's weights, over a run of sums."""
    cdef int status = 0
    if cdf.shape[0] == 0:
        return
    with nogil:
        status = _cdf(
            <const int64_t*>&counts[0], <const int64_t*>&weight[0], counts.shape[0], first,
            cdf.shape[0], &cdf[0])
    if status:
        raise MemoryError


def score_interval(
    const long long[:, ::1] counts,  # IN   [n_groups, n_levels]
    const long long[::1] weight,     # IN   n_levels, ascending, distinct, the whole scale
    const double[::1] alpha,         # IN   n_groups: 1 - confidence level
    const double[::1] stretch,       # IN   n_groups: factor of the normal quantile, 1 for the plain interval
    double[::1] low,                 # OUT  n_groups, weight units; NaN without answers
    double[::1] high,                # OUT  n_groups
):
    """Score interval of the mean weight of each group."""
    if counts.shape[0] == 0:
        return
    with nogil:
        score_intervals(
            <const int64_t*>&counts[0, 0], <const int64_t*>&weight[0], counts.shape[0], counts.shape[1],
            &alpha[0], &stretch[0], &low[0], &high[0])


def always_valid_interval(
    const long long[:, ::1] counts,  # IN   [n_groups, n_levels]
    const long long[::1] weight,     # IN   n_levels, ascending, distinct, the whole scale
    const double[::1] alpha,         # IN   n_groups: 1 - confidence level
    double[::1] low,                 # OUT  n_groups, weight units; NaN without answers
    double[::1] high,                # OUT  n_groups
):
    """Interval of the mean weight of each group that holds at every number of answers at once."""
    cdef int status = 0
    if counts.shape[0] == 0:
        return
    with nogil:
        status = always_valid_intervals(
            <const int64_t*>&counts[0, 0], <const int64_t*>&weight[0], counts.shape[0], counts.shape[1],
            &alpha[0], &low[0], &high[0])
    if status:
        raise MemoryError


def find_shifts(
    const long long[:, :, ::1] counts,  # IN   [n_groups, n_waves, n_levels]
    const long long[::1] weight,        # IN   n_levels, ascending, distinct
    const double[::1] penalty,          # IN   n_groups: twice the log likelihood that a period has to gain
    unsigned char[:, ::1] begins,       # OUT  [n_groups, n_waves]: 1 where a period of one level begins
):
    """Periods of one level of each group, the likeliest less the penalty."""
    cdef int status = 0
    if counts.shape[0] == 0 or counts.shape[1] == 0:
        return
    with nogil:
        status = _find_shifts(
            <const int64_t*>&counts[0, 0, 0], <const int64_t*>&weight[0], counts.shape[0], counts.shape[1],
            counts.shape[2], &penalty[0], &begins[0, 0])
    if status:
        raise MemoryError


def always_valid_difference(
    const long long[:, ::1] one,     # IN   [n_pairs, n_levels]
    const long long[:, ::1] two,     # IN   [n_pairs, n_levels]: the control of each
    const long long[::1] weight,     # IN   n_levels, ascending, distinct, the whole scale
    const double[::1] alpha,         # IN   n_pairs: 1 - confidence level; 1: the p-value alone
    double[::1] low,                 # OUT  n_pairs, weight units; NaN where a side has no answer
    double[::1] high,                # OUT  n_pairs
    double[::1] p,                   # OUT  n_pairs: the least alpha whose interval leaves out 0
):
    """Interval of the difference of two means that holds at every number of answers at once."""
    cdef int status = 0
    if one.shape[0] == 0:
        return
    with nogil:
        status = always_valid_differences(
            <const int64_t*>&one[0, 0], <const int64_t*>&two[0, 0], <const int64_t*>&weight[0], one.shape[0],
            one.shape[1], &alpha[0], &low[0], &high[0], &p[0])
    if status:
        raise MemoryError
