# The chain of order 1 over channels: transition counts out of journeys, and its removal effects.
# The work is in include/cxcore/markov.hpp: elimination without subtraction (Grassmann, Taksar, Heyman 1985).
# Cost: counting is O(touches + conversions), with n_channels ** 2 numbers in memory; the fit takes 4/3 n ** 3
# operations on n states, in steps between which signals are looked for.

import numpy as np
from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int64_t

from cxcore._ext.journeys cimport Journeys, JourneyView


cdef extern from "cxcore/markov.hpp" namespace "cxcore" nogil:
    cdef struct Transitions:
        double* count
        double* start
        double* conversion
        double* null
        double* value

    const int64_t kPanel
    void _count "cxcore::count_transitions"(const Journeys&, int64_t, const Transitions&) except +
    void eliminate(double*, double*, double*, int64_t, int64_t, int) except +
    void solve(const double*, const double*, int64_t, const double*, double*)
    void solve_left(const double*, const double*, int64_t, const double*, double*)
    void diagonal(const double*, const double*, int64_t, int, double*) except +


def count_transitions(
    JourneyView view,
    double[:, ::1] count,  # OUT [C, C] steps from channel to channel; all are added to
    double[::1] start,  # OUT [C] first touches
    double[::1] conversion,  # OUT [C] last touches before a conversion
    double[::1] null,  # OUT [C] last touches of journeys without one
    double[::1] earned,  # OUT [C] value of the conversions after a last touch
):
    """Steps of all journeys from start over channels to conversion or null."""
    cdef Transitions transitions
    cdef int64_t n = start.shape[0]
    if n == 0:
        return
    with nogil:
        transitions.count = &count[0, 0]
        transitions.start = &start[0]
        transitions.conversion = &conversion[0]
        transitions.null = &null[0]
        transitions.value = &earned[0]
        _count(view.journeys, n, transitions)


def removal_effects(
    double[:, ::1] count,  # IN OUT [n, n] steps between states that can reach a conversion; overwritten
    double[::1] absorbed,  # IN OUT [n] steps out of them for good; overwritten
    const double[::1] start,  # IN  [n] journeys that begin in a state
    const double[::1] conversion,  # IN  [n] conversions right after it
    const double[::1] earned,  # IN  [n] their value
    int n_threads,
    double[::1] conversions,  # OUT [n] conversions that would be lost without the state
    double[::1] value,  # OUT [n] value that would be lost
):
    """What is lost where all flow into one state goes to null: N_0c h_c / N_cc, times the journeys."""
    cdef int64_t k, c, n = start.shape[0]
    cdef double[::1] pivot, reached, ahead, worth, returns
    if n == 0:
        return
    pivot, reached, ahead, worth, returns = _zeros(n), _zeros(n), _zeros(n), _zeros(n), _zeros(n)
    for k in range(0, n, kPanel):
        with nogil:
            eliminate(&count[0, 0], &absorbed[0], &pivot[0], n, k, n_threads)
        PyErr_CheckSignals()
    with nogil:
        solve_left(&count[0, 0], &pivot[0], n, &start[0], &reached[0])
        solve(&count[0, 0], &pivot[0], n, &conversion[0], &ahead[0])
        solve(&count[0, 0], &pivot[0], n, &earned[0], &worth[0])
        diagonal(&count[0, 0], &pivot[0], n, n_threads, &returns[0])
        for c in range(n):
            conversions[c] = reached[c] * ahead[c] / returns[c]
            value[c] = reached[c] * worth[c] / returns[c]


cdef double[::1] _zeros(int64_t n):
    return np.zeros(n)
