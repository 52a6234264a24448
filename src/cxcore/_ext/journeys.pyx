# Journeys out of the event index, and the bundle of arrays in which kernels read them.
# The work is in include/cxcore/journeys.hpp: two pointers for the windows, O(positions).

from libc.stdint cimport int32_t, int64_t, uint64_t


cdef extern from "cxcore/journeys.hpp" namespace "cxcore" nogil:
    cdef struct Events:
        const int64_t* offset
        int64_t n
        const int64_t* row
        const int64_t* tick
        const int32_t* what
        int64_t n_chosen
        const int64_t* user
        const int32_t* container
        const int32_t* log_row

    cdef struct Filled:
        int64_t* touch_offset
        int64_t* conversion_offset
        int32_t* channel
        int64_t* touch_tick
        int64_t* conversion_tick
        int64_t* conversion_row
        int64_t* touch_row
        int64_t* lo
        int64_t* hi

    int64_t _dense "cxcore::dense_codes"(
        const int32_t*, int64_t, int64_t, int32_t*, int32_t*, int64_t*)
    void _fill "cxcore::fill_journeys"(const Events&, bint, uint64_t, bint, int, const Filled&) except +
    void _null "cxcore::null_windows"(const Journeys&, bint, uint64_t, int, int64_t*, int64_t*) except +


ctypedef fused item:
    int32_t
    int64_t
    double


cdef inline const item* start(const item[::1] array) noexcept nogil:
    return &array[0] if array.shape[0] else NULL


cdef inline item* out(item[::1] array) noexcept nogil:
    return &array[0] if array.shape[0] else NULL


cdef class JourneyView:
    """Arrays of journeys that belong together; what is empty is not there."""

    def __cinit__(
        self,
        const int64_t[::1] touch_offset,  # IN  [n_users + 1]
        const int64_t[::1] conversion_offset,  # IN  [n_users + 1]
        const int32_t[::1] channel,  # IN  [n_touches]
        const int64_t[::1] tick,  # IN  [n_touches], or [0]: journeys without times
        const int64_t[::1] lo,  # IN  [n_conversions] window of touches
        const int64_t[::1] hi,  # IN  [n_conversions]
        const double[::1] value,  # IN  [n_conversions]
        const double[::1] times,  # IN  [n_users] customers alike, or [0]: one each
        const int64_t[::1] null_lo,  # IN  [n_users] touches of a journey that did not convert, or [0]
        const int64_t[::1] null_hi,  # IN  [n_users]
    ):
        self.arrays = (touch_offset, conversion_offset, channel, tick, lo, hi, value, times, null_lo, null_hi)
        self.journeys.n_users = touch_offset.shape[0] - 1
        self.journeys.touch_offset = start(touch_offset)
        self.journeys.conversion_offset = start(conversion_offset)
        self.journeys.channel = start(channel)
        self.journeys.tick = start(tick)
        self.journeys.lo = start(lo)
        self.journeys.hi = start(hi)
        self.journeys.value = start(value)
        self.journeys.times = start(times)
        self.journeys.null_lo = start(null_lo)
        self.journeys.null_hi = start(null_hi)


def dense_codes(
    const int32_t[::1] category,  # IN  [n] number of a category, -1 is none
    int32_t[::1] known,  # IN OUT [1 + n_categories] -1; then, behind the code of none, those that occur
    int32_t[::1] code,  # OUT [n] in order of first appearance, -1 for none
    int64_t[::1] first,  # OUT [n_categories] first row of each code
):
    """Codes without gaps for categories, and how many there are."""
    cdef int64_t n_codes, n = category.shape[0]
    with nogil:
        n_codes = _dense(start(category), n, first.shape[0], out(known), out(code), out(first))
    return n_codes


def fill_journeys(
    const int64_t[::1] offset,  # IN  [n_users + 1] positions of each user
    const int64_t[::1] row,  # IN  [n] row at each position; empty: the same
    const int64_t[::1] tick,  # IN  [n] by position, never falling within a user
    const int32_t[::1] what,  # IN  [n_rows] channel * 2 + converted, channel -1 is no touch
    const int64_t[::1] user,  # IN  [n_chosen] users to look at
    const int32_t[::1] container,  # IN  [n_rows] -1 is one of its own; or [0]: the customer is the container
    const int32_t[::1] log_row,  # IN  [n_rows] which row of the log each is; or [0]: the same
    uint64_t lookback,  # in ticks: a touch counts where its age is below; 0: no limit
    bint reset,  # a touch that an earlier conversion looked at does not count again
    int n_threads,
    int64_t[::1] touch_offset,  # OUT [n_chosen + 1]
    int64_t[::1] conversion_offset,  # OUT [n_chosen + 1]
    int32_t[::1] touch_channel,  # OUT by user and time, as all that follow; each has room for all positions
    int64_t[::1] touch_tick,  # OUT
    int64_t[::1] conversion_tick,  # OUT
    int64_t[::1] conversion_row,  # OUT rows of the log
    int64_t[::1] touch_row,  # OUT, or [0]: nobody asks
    int64_t[::1] lo,  # OUT by conversion: first touch of the window
    int64_t[::1] hi,  # OUT behind its last touch; lo == hi: none
):
    """Touches and conversions of the chosen users, and the window of each conversion."""
    cdef Events events
    cdef Filled filled
    with nogil:
        events.offset = start(offset)
        events.n = tick.shape[0]
        events.row = start(row)
        events.tick = start(tick)
        events.what = start(what)
        events.n_chosen = user.shape[0]
        events.user = start(user)
        events.container = start(container)
        events.log_row = start(log_row)
        filled.touch_offset = out(touch_offset)
        filled.conversion_offset = out(conversion_offset)
        filled.channel = out(touch_channel)
        filled.touch_tick = out(touch_tick)
        filled.conversion_tick = out(conversion_tick)
        filled.conversion_row = out(conversion_row)
        filled.touch_row = out(touch_row)
        filled.lo = out(lo)
        filled.hi = out(hi)
        _fill(events, lookback > 0, lookback, reset, n_threads, filled)


def null_windows(
    JourneyView view,
    uint64_t lookback,  # in ticks, to the final touch; 0: no limit
    int n_threads,
    int64_t[::1] lo,  # OUT [n_users] first touch of the journey that did not convert
    int64_t[::1] hi,  # OUT [n_users] behind its last; lo == hi: none
):
    """The touches of each user after the last conversion, within lookback of the final one."""
    if lo.shape[0] == 0:
        return
    with nogil:
        _null(view.journeys, lookback > 0, lookback, n_threads, &lo[0], &hi[0])
