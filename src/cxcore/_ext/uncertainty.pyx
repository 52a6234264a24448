# What one customer more would change: influence functions of credit (delta method), by customer.
# The work is in include/cxcore/uncertainty.hpp, with the formulas.
# Cost: the chain takes 8/3 n ** 3 operations once, then n for each step of a journey; memory is what the
# caller allocates and n ** 2.

import numpy as np
from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int64_t

from cxcore._ext.journeys cimport Journeys, JourneyView


cdef extern from "cxcore/markov.hpp" namespace "cxcore" nogil:
    const int64_t kPanel
    void eliminate(double*, double*, double*, int64_t, int64_t, int) except +
    void solve(const double*, const double*, int64_t, const double*, double*)
    void solve_left(const double*, const double*, int64_t, const double*, double*)


cdef extern from "cxcore/uncertainty.hpp" namespace "cxcore" nogil:
    cdef struct TakenOut:
        int64_t n_channels
        const double* visits
        const double* ahead
        const double* worth
        const double* part
        double gain
        double gain_of_value

    void inverse(const double*, const double*, int64_t, int, double*) except +
    void _chain_influence "cxcore::chain_influence"(const Journeys&, const TakenOut&, int, double*) except +
    void _customer_credit "cxcore::customer_credit"(
        const Journeys&, const double*, int64_t, int, double*) except +


def invert_chain(
    double[:, ::1] count,  # IN OUT [n, n] steps between states that can reach a conversion; overwritten
    double[::1] absorbed,  # IN OUT [n] steps out of them for good; overwritten
    const double[::1] start,  # IN  [n] journeys that begin in a state
    const double[::1] conversion,  # IN  [n] conversions right after it
    const double[::1] earned,  # IN  [n] their value
    int n_threads,
    double[:, ::1] x,  # OUT [n, n] (D - F) ** -1
    double[::1] visits,  # OUT [n] start X
    double[::1] ahead,  # OUT [n] X conversion: the chance to convert
    double[::1] worth,  # OUT [n] X earned
):
    """The chain of order 1 solved for every start and every end."""
    cdef int64_t k, n = start.shape[0]
    cdef double[::1] pivot = np.zeros(n)
    if n == 0:
        return
    for k in range(0, n, kPanel):
        with nogil:
            eliminate(&count[0, 0], &absorbed[0], &pivot[0], n, k, n_threads)
        PyErr_CheckSignals()
    with nogil:
        solve_left(&count[0, 0], &pivot[0], n, &start[0], &visits[0])
        solve(&count[0, 0], &pivot[0], n, &conversion[0], &ahead[0])
        solve(&count[0, 0], &pivot[0], n, &earned[0], &worth[0])
        inverse(&count[0, 0], &pivot[0], n, n_threads, &x[0, 0])


def chain_influence(
    JourneyView view,
    const double[:, ::1] visits,  # IN  [C, C] state, channel taken out: visits that are left
    const double[:, ::1] ahead,  # IN  [C, C] the chance to convert that is left
    const double[:, ::1] worth,  # IN  [C, C] the value ahead that is left, or [0, 0]: split as conversions
    const double[:, ::1] part,  # IN  [C, 2] part of conversions and of value that each channel has
    double gain,  # credit for each conversion that is lost
    double gain_of_value,
    int n_threads,
    double[:, :, ::1] influence,  # OUT [n_users, C, 2]
):
    """What each customer changes in the credit of a chain of order 1."""
    cdef TakenOut taken
    if influence.shape[0] == 0 or influence.shape[1] == 0:
        return
    with nogil:
        taken.n_channels = visits.shape[0]
        taken.visits = &visits[0, 0]
        taken.ahead = &ahead[0, 0]
        taken.worth = &worth[0, 0] if worth.shape[0] else NULL
        taken.part = &part[0, 0]
        taken.gain = gain
        taken.gain_of_value = gain_of_value
        _chain_influence(view.journeys, taken, n_threads, &influence[0, 0, 0])


def customer_credit(
    JourneyView view,
    const double[:, ::1] of_touch,  # IN  [n_touches, 2] conversions and value
    int n_threads,
    double[:, :, ::1] credit,  # OUT [n_users, C, 2] added to
):
    """Credit by customer and channel out of credit by touch."""
    if credit.shape[0] == 0 or credit.shape[1] == 0 or of_touch.shape[0] == 0:
        return
    with nogil:
        _customer_credit(view.journeys, &of_touch[0, 0], credit.shape[1], n_threads, &credit[0, 0, 0])
