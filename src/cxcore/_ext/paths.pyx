# Paths as offsets and flat channel codes: their order, how often each channel comes in one, who took them.
# The work is in include/cxcore/paths.hpp. Order: O(touches log paths); else linear.

from libc.stdint cimport int32_t, int64_t


cdef extern from "cxcore/paths.hpp" namespace "cxcore" nogil:
    cdef struct FlatPaths:
        int64_t n
        const int64_t* offset
        const int32_t* channel

    cdef struct PathRows:
        int64_t n
        int64_t n_again
        const int64_t* offset
        const double* conversions
        const double* nulls
        const double* worth
        const int64_t* again

    void _path_windows "cxcore::path_windows"(
        const PathRows&, int64_t*, double*, int64_t*, int64_t*, int64_t*, double*)
    void _path_order "cxcore::path_order"(const FlatPaths&, const int32_t*, int64_t*) except +
    void _repeats "cxcore::repeats"(const FlatPaths&, int64_t, int64_t*) except +


cdef inline FlatPaths flat(const int64_t[::1] offset, const int32_t[::1] channel) noexcept nogil:
    cdef FlatPaths paths
    paths.n = offset.shape[0] - 1
    paths.offset = &offset[0]
    paths.channel = &channel[0] if channel.shape[0] else NULL
    return paths


def path_order(
    const int64_t[::1] offset,  # IN  [n_paths + 1]
    const int32_t[::1] channel,  # IN  [n_touches]
    const int32_t[::1] rank,  # IN  [n_channels] place of each channel in the order of channels
    int64_t[::1] order,  # OUT [n_paths] paths, in order; equal ones as they come
):
    """Paths by their channels, one after the other; a path comes before those that go on from it."""
    cdef const int32_t* ranks = &rank[0] if rank.shape[0] else NULL
    if order.shape[0] == 0:
        return
    with nogil:
        _path_order(flat(offset, channel), ranks, &order[0])


def repeats(
    const int64_t[::1] offset,  # IN  [n_paths + 1]
    const int32_t[::1] channel,  # IN  [n_touches]
    int64_t n_channels,
    int64_t[::1] times,  # OUT [n_touches] touches of the channel in the path, at the first of them; else 0
):
    """How often a path has each of its channels."""
    if times.shape[0] == 0:
        return
    with nogil:
        _repeats(flat(offset, channel), n_channels, &times[0])


def path_windows(
    const int64_t[::1] offset,  # IN  [n_users + 1] touches of each user: one a row, then those of `again`
    const double[::1] conversions,  # IN  [n_rows] how many converted
    const double[::1] nulls,  # IN  [n_rows] how many did not; or [0]: nobody asks
    const double[::1] worth,  # IN  [n_rows] value of their conversions together; or [0]: nobody asks
    const int64_t[::1] again,  # IN  [n_again] rows of both kinds
    int64_t[::1] conversion_offset,  # OUT [n_users + 1]
    double[::1] times,  # OUT [n_users] how many they are
    int64_t[::1] null_end,  # OUT [n_users] behind the touches of who did not convert, or [0]: nobody asks
    int64_t[::1] lo,  # OUT [n_conversions] touches of who did
    int64_t[::1] hi,  # OUT [n_conversions]
    double[::1] value,  # OUT [n_conversions] of one of them
):
    """Rows of paths as users: who converted, and those who did not."""
    cdef PathRows rows
    cdef int64_t* ends = &null_end[0] if null_end.shape[0] else NULL
    if conversions.shape[0] == 0:
        conversion_offset[0] = 0
        return
    with nogil:
        rows.n = conversions.shape[0]
        rows.n_again = again.shape[0]
        rows.offset = &offset[0]
        rows.conversions = &conversions[0]
        rows.nulls = &nulls[0] if nulls.shape[0] else NULL
        rows.worth = &worth[0] if worth.shape[0] else NULL
        rows.again = &again[0] if again.shape[0] else NULL
        _path_windows(
            rows, &conversion_offset[0], &times[0], ends,
            &lo[0] if lo.shape[0] else NULL, &hi[0] if hi.shape[0] else NULL,
            &value[0] if value.shape[0] else NULL)
