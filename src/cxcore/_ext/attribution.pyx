# Journeys out of the event index, and what the heuristic models credit to their touches.
# The work is in include/cxcore/attribution.hpp: sliding sums without subtraction, one pass for each model.
# Cost is O(positions + touches + conversions) whatever the overlap of windows; memory is the journeys, and in
# a model one row of credit for each of at most 256 blocks of users.

from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t


cdef extern from "cxcore/attribution.hpp" namespace "cxcore" nogil:
    cdef struct Events:
        const int64_t* offset
        int64_t n
        const int64_t* row
        const int64_t* tick
        const int32_t* what
        int64_t n_chosen
        const int64_t* user

    cdef struct Filled:
        int32_t* channel
        int64_t* touch_tick
        int64_t* conversion_tick
        int64_t* conversion_row
        int64_t* lo
        int64_t* hi

    cdef struct Journeys:
        int64_t n_users
        const int64_t* touch_offset
        const int64_t* conversion_offset
        const int32_t* channel
        const int64_t* tick
        const int64_t* lo
        const int64_t* hi
        const double* value

    int64_t _dense "cxcore::dense_codes"(const int32_t*, int64_t, int32_t*, int32_t*, int64_t*)
    void _count "cxcore::count_journeys"(const Events&, int, int32_t*, int64_t*, int64_t*) except +
    void _fill "cxcore::fill_journeys"(
        const Events&, const int32_t*, bint, uint64_t, bint, int, const int64_t*, const int64_t*,
        const Filled&) except +
    void _first_touch "cxcore::first_touch"(const Journeys&, int64_t, int, double*, double*) except +
    void _last_touch "cxcore::last_touch"(const Journeys&, int64_t, int, double*, double*) except +
    void _linear "cxcore::linear"(const Journeys&, int64_t, int, double*, double*) except +
    void _position "cxcore::position"(
        const Journeys&, double, double, double, int64_t, int, double*, double*) except +
    void _time_decay "cxcore::time_decay"(const Journeys&, double, int64_t, int, double*, double*) except +


ctypedef fused item:
    int32_t
    int64_t
    uint8_t
    double


cdef inline const item* start(const item[::1] array) noexcept nogil:
    return &array[0] if array.shape[0] else NULL


cdef inline item* out(item[::1] array) noexcept nogil:
    return &array[0] if array.shape[0] else NULL


cdef Journeys _journeys(
    const int64_t[::1] touch_offset,
    const int64_t[::1] conversion_offset,
    const int32_t[::1] channel,
    const int64_t[::1] tick,
    const int64_t[::1] lo,
    const int64_t[::1] hi,
    const double[::1] value,
) noexcept nogil:
    cdef Journeys journeys
    journeys.n_users = touch_offset.shape[0] - 1
    journeys.touch_offset = start(touch_offset)
    journeys.conversion_offset = start(conversion_offset)
    journeys.channel = start(channel)
    journeys.tick = start(tick)
    journeys.lo = start(lo)
    journeys.hi = start(hi)
    journeys.value = start(value)
    return journeys


def dense_codes(
    const int32_t[::1] category,  # IN  [n] number of a category, -1 is none
    int32_t[::1] known,  # IN OUT [n_categories] -1; then the code of each category that occurs
    int32_t[::1] code,  # OUT [n] in order of first appearance, -1 for none
    int64_t[::1] first,  # OUT [n_categories] first row of each code
):
    """Codes without gaps for categories, and how many there are."""
    cdef int64_t n_codes
    with nogil:
        n_codes = _dense(start(category), category.shape[0], out(known), out(code), out(first))
    return n_codes


def count_journeys(
    const int64_t[::1] offset,  # IN  [n_users + 1] positions of each user
    const int64_t[::1] row,  # IN  [n] row at each position; empty: the same
    const int32_t[::1] what,  # IN  [n_rows] channel * 2 + converted, channel -1 is no touch
    const int64_t[::1] user,  # IN  [n_chosen] users to look at
    int n_threads,
    int32_t[::1] seen,  # OUT [n] what, by position; of the chosen alone
    int64_t[::1] touch_offset,  # OUT [n_chosen + 1]
    int64_t[::1] conversion_offset,  # OUT [n_chosen + 1]
):
    """How many touches and conversions each chosen user has, as offsets."""
    cdef Events events
    with nogil:
        events.offset = start(offset)
        events.n = seen.shape[0]
        events.row = start(row)
        events.what = start(what)
        events.n_chosen = user.shape[0]
        events.user = start(user)
        _count(events, n_threads, out(seen), out(touch_offset), out(conversion_offset))


def fill_journeys(
    const int64_t[::1] offset,  # IN  [n_users + 1]
    const int64_t[::1] row,  # IN  [n] or empty
    const int64_t[::1] tick,  # IN  [n] by position, never falling within a user
    const int64_t[::1] user,  # IN  [n_chosen]
    const int32_t[::1] seen,  # IN  from count_journeys
    uint64_t lookback,  # in ticks: a touch counts where its age is below; 0: no limit
    bint reset,  # a touch that an earlier conversion looked at does not count again
    int n_threads,
    const int64_t[::1] touch_offset,  # IN  from count_journeys
    const int64_t[::1] conversion_offset,  # IN
    int32_t[::1] touch_channel,  # OUT [n_touches] by user and time
    int64_t[::1] touch_tick,  # OUT [n_touches]
    int64_t[::1] conversion_tick,  # OUT [n_conversions] by user and time
    int64_t[::1] conversion_row,  # OUT [n_conversions]
    int64_t[::1] lo,  # OUT [n_conversions] first touch of the window
    int64_t[::1] hi,  # OUT [n_conversions] behind its last touch; lo == hi: none
):
    """Touches and conversions by user and time, and the window of each conversion."""
    cdef Events events
    cdef Filled filled
    with nogil:
        events.offset = start(offset)
        events.n = seen.shape[0]
        events.row = start(row)
        events.tick = start(tick)
        events.n_chosen = user.shape[0]
        events.user = start(user)
        filled.channel = out(touch_channel)
        filled.touch_tick = out(touch_tick)
        filled.conversion_tick = out(conversion_tick)
        filled.conversion_row = out(conversion_row)
        filled.lo = out(lo)
        filled.hi = out(hi)
        _fill(events, start(seen), lookback > 0, lookback, reset, n_threads,
              start(touch_offset), start(conversion_offset), filled)


def first_touch(
    const int64_t[::1] touch_offset,
    const int64_t[::1] conversion_offset,
    const int32_t[::1] channel,
    const int64_t[::1] tick,
    const int64_t[::1] lo,
    const int64_t[::1] hi,
    const double[::1] value,
    int n_threads,
    double[::1] conversions,  # OUT [n_channels], added to
    double[::1] values,  # OUT [n_channels], added to
):
    """All to the first touch of the window."""
    cdef int64_t n_channels = conversions.shape[0]
    cdef Journeys journeys = _journeys(touch_offset, conversion_offset, channel, tick, lo, hi, value)
    with nogil:
        _first_touch(journeys, n_channels, n_threads, out(conversions), out(values))


def last_touch(
    const int64_t[::1] touch_offset,
    const int64_t[::1] conversion_offset,
    const int32_t[::1] channel,
    const int64_t[::1] tick,
    const int64_t[::1] lo,
    const int64_t[::1] hi,
    const double[::1] value,
    int n_threads,
    double[::1] conversions,  # OUT [n_channels], added to
    double[::1] values,  # OUT [n_channels], added to
):
    """All to the last touch of the window."""
    cdef int64_t n_channels = conversions.shape[0]
    cdef Journeys journeys = _journeys(touch_offset, conversion_offset, channel, tick, lo, hi, value)
    with nogil:
        _last_touch(journeys, n_channels, n_threads, out(conversions), out(values))


def linear(
    const int64_t[::1] touch_offset,
    const int64_t[::1] conversion_offset,
    const int32_t[::1] channel,
    const int64_t[::1] tick,
    const int64_t[::1] lo,
    const int64_t[::1] hi,
    const double[::1] value,
    int n_threads,
    double[::1] conversions,  # OUT [n_channels], added to
    double[::1] values,  # OUT [n_channels], added to
):
    """The same to each of the n touches of the window, 1 / n."""
    cdef int64_t n_channels = conversions.shape[0]
    cdef Journeys journeys = _journeys(touch_offset, conversion_offset, channel, tick, lo, hi, value)
    with nogil:
        _linear(journeys, n_channels, n_threads, out(conversions), out(values))


def position(
    const int64_t[::1] touch_offset,
    const int64_t[::1] conversion_offset,
    const int32_t[::1] channel,
    const int64_t[::1] tick,
    const int64_t[::1] lo,
    const int64_t[::1] hi,
    const double[::1] value,
    double first,  # parts of 1
    double middle,
    double last,
    int n_threads,
    double[::1] conversions,  # OUT [n_channels], added to
    double[::1] values,  # OUT [n_channels], added to
):
    """Parts to the first and the last touch, and a part shared by those between."""
    cdef int64_t n_channels = conversions.shape[0]
    cdef Journeys journeys = _journeys(touch_offset, conversion_offset, channel, tick, lo, hi, value)
    with nogil:
        _position(journeys, first, middle, last, n_channels, n_threads, out(conversions), out(values))


def time_decay(
    const int64_t[::1] touch_offset,
    const int64_t[::1] conversion_offset,
    const int32_t[::1] channel,
    const int64_t[::1] tick,
    const int64_t[::1] lo,
    const int64_t[::1] hi,
    const double[::1] value,
    double half_lives_per_tick,
    int n_threads,
    double[::1] conversions,  # OUT [n_channels], added to
    double[::1] values,  # OUT [n_channels], added to
):
    """Weights 2 ** -(age * half_lives_per_tick), normalized in the window."""
    cdef int64_t n_channels = conversions.shape[0]
    cdef Journeys journeys = _journeys(touch_offset, conversion_offset, channel, tick, lo, hi, value)
    with nogil:
        _time_decay(journeys, half_lives_per_tick, n_channels, n_threads, out(conversions), out(values))
