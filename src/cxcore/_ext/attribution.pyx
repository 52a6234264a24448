# What the heuristic models credit to touches, or to channels.
# The work is in include/cxcore/attribution.hpp: sliding sums without subtraction, one pass for each model.
# Cost is O(touches + conversions) whatever the overlap of windows; memory is one row of credit for each of at
# most 256 blocks of users, nothing where credit is by touch.

from libc.stdint cimport int64_t

from cxcore._ext.journeys cimport Journeys, JourneyView


cdef extern from "cxcore/attribution.hpp" namespace "cxcore" nogil:
    cdef struct Ledger:
        bint by_touch
        int64_t n
        double* amount

    void _first_touch "cxcore::first_touch"(const Journeys&, const Ledger&, int) except +
    void _last_touch "cxcore::last_touch"(const Journeys&, const Ledger&, int) except +
    void _linear "cxcore::linear"(const Journeys&, const Ledger&, int) except +
    void _position "cxcore::position"(
        const Journeys&, double, double, double, const Ledger&, int) except +
    void _time_decay "cxcore::time_decay"(const Journeys&, double, const Ledger&, int) except +
    void _w "cxcore::w"(
        const Journeys&, const int64_t*, double, double, const Ledger&, int) except +
    void _participation "cxcore::participation"(const Journeys&, int64_t, const Ledger&, int) except +
    void _shapley "cxcore::shapley"(const Journeys&, int64_t, const Ledger&, int) except +


cdef Ledger _ledger(bint by_touch, double[:, ::1] credit) noexcept nogil:
    cdef Ledger ledger = Ledger(by_touch, credit.shape[0], NULL)
    if credit.shape[0]:
        ledger.amount = &credit[0, 0]
    return ledger


def first_touch(
    JourneyView view,
    bint by_touch,  # credit by touch, not by channel
    int n_threads,
    double[:, ::1] credit,  # OUT [n_channels or n_touches, 2] conversions and value, added to
):
    """All to the first touch of the window."""
    cdef Ledger ledger = _ledger(by_touch, credit)
    with nogil:
        _first_touch(view.journeys, ledger, n_threads)


def last_touch(
    JourneyView view,
    bint by_touch,  # credit by touch, not by channel
    int n_threads,
    double[:, ::1] credit,  # OUT [n_channels or n_touches, 2] conversions and value, added to
):
    """All to the last touch of the window."""
    cdef Ledger ledger = _ledger(by_touch, credit)
    with nogil:
        _last_touch(view.journeys, ledger, n_threads)


def linear(
    JourneyView view,
    bint by_touch,  # credit by touch, not by channel
    int n_threads,
    double[:, ::1] credit,  # OUT [n_channels or n_touches, 2] conversions and value, added to
):
    """The same to each of the n touches of the window, 1 / n."""
    cdef Ledger ledger = _ledger(by_touch, credit)
    with nogil:
        _linear(view.journeys, ledger, n_threads)


def position(
    JourneyView view,
    double first,  # parts of 1
    double middle,
    double last,
    bint by_touch,  # credit by touch, not by channel
    int n_threads,
    double[:, ::1] credit,  # OUT [n_channels or n_touches, 2] conversions and value, added to
):
    """Parts to the first and the last touch, and a part shared by those between."""
    cdef Ledger ledger = _ledger(by_touch, credit)
    with nogil:
        _position(view.journeys, first, middle, last, ledger, n_threads)


def time_decay(
    JourneyView view,
    double half_lives_per_tick,
    bint by_touch,  # credit by touch, not by channel
    int n_threads,
    double[:, ::1] credit,  # OUT [n_channels or n_touches, 2] conversions and value, added to
):
    """Weights 2 ** -(age * half_lives_per_tick), normalized in the window."""
    cdef Ledger ledger = _ledger(by_touch, credit)
    with nogil:
        _time_decay(view.journeys, half_lives_per_tick, ledger, n_threads)


def w(
    JourneyView view,
    const int64_t[::1] marked,  # IN  [n_conversions] marked touch of the window, its hi or more where none is
    double milestone,  # parts: of the first, the marked and the last touch each
    double rest,  # of all others
    bint by_touch,  # credit by touch, not by channel
    int n_threads,
    double[:, ::1] credit,  # OUT [n_channels or n_touches, 2] conversions and value, added to
):
    """Parts to first, marked and last touch, and a part shared by the others."""
    cdef Ledger ledger = _ledger(by_touch, credit)
    if marked.shape[0] == 0:
        return
    with nogil:
        _w(view.journeys, &marked[0], milestone, rest, ledger, n_threads)


def participation(
    JourneyView view,
    int64_t n_channels,
    bint by_touch,  # credit by touch, not by channel
    int n_threads,
    double[:, ::1] credit,  # OUT [n_channels or n_touches, 2] conversions and value, added to
):
    """All to each channel of the window, at its last touch there."""
    cdef Ledger ledger = _ledger(by_touch, credit)
    with nogil:
        _participation(view.journeys, n_channels, ledger, n_threads)


def shapley(
    JourneyView view,
    int64_t n_channels,
    bint by_touch,  # credit by touch, not by channel
    int n_threads,
    double[:, ::1] credit,  # OUT [n_channels or n_touches, 2] conversions and value, added to
):
    """The same to each of the n channels of the window, 1 / n, at its last touch there."""
    cdef Ledger ledger = _ledger(by_touch, credit)
    with nogil:
        _shapley(view.journeys, n_channels, ledger, n_threads)
