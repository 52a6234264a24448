# What the heuristic models credit to touches, or to channels.
# The work is in include/cxcore/attribution.hpp: sliding sums without subtraction; models of the place and the
# age of a touch share one pass, the others have one each.
# Cost is O(touches + conversions) whatever the overlap of windows; memory is one row of credit for each of at
# most 256 blocks of users, nothing where credit is by touch.

from libc.stdint cimport int64_t

from cxcore._ext.journeys cimport Journeys, JourneyView


cdef extern from "cxcore/attribution.hpp" namespace "cxcore" nogil:
    cdef struct Ledger:
        bint by_touch
        int64_t n
        double* amount
        int64_t n_models

    void _place_and_age "cxcore::place_and_age"(
        const Journeys&, const double*, int64_t, const double*, int64_t, const Ledger&, int) except +
    void _w "cxcore::w"(
        const Journeys&, const int64_t*, double, double, const Ledger&, int) except +
    void _participation "cxcore::participation"(const Journeys&, int64_t, const Ledger&, int) except +
    void _shapley "cxcore::shapley"(const Journeys&, int64_t, const Ledger&, int) except +


cdef Ledger _ledger(bint by_touch, double[:, ::1] credit) noexcept nogil:
    cdef Ledger ledger = Ledger(by_touch, credit.shape[0], NULL, 1)
    if credit.shape[0]:
        ledger.amount = &credit[0, 0]
    return ledger


def place_and_age(
    JourneyView view,
    const double[:, ::1] parts,  # IN  [n_parts, 4] of 1: all alike, first, between, last
    const double[::1] half_lives_per_tick,  # IN  [n_decays]
    bint by_touch,  # credit by touch, not by channel
    int n_threads,
    double[:, :, ::1] credit,  # OUT [n_channels or n_touches, n_models, 2] conversions and value
):
    """Models of the place of a touch, then models of its age: weights 2 ** -(age * half_lives_per_tick)."""
    cdef Ledger ledger = Ledger(by_touch, credit.shape[0], NULL, credit.shape[1])
    if credit.shape[0] == 0:
        return
    ledger.amount = &credit[0, 0, 0]
    cdef const double* first_part = &parts[0, 0] if parts.shape[0] else NULL
    cdef const double* first_life = &half_lives_per_tick[0] if half_lives_per_tick.shape[0] else NULL
    cdef int64_t n_parts = parts.shape[0], n_decays = half_lives_per_tick.shape[0]
    with nogil:
        _place_and_age(view.journeys, first_part, n_parts, first_life, n_decays, ledger, n_threads)


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
