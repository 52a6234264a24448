# Additive hazards of journeys (Zhang, Wei, Ren 2014): one pass of EM, and credit by share of the hazard.
# The work is in include/cxcore/hazard.hpp. Cost: O(touches of all windows), two exponentials each; memory one
# row of moments for each of at most 128 blocks of users. The caller loops, and sees signals between passes.

from libc.stdint cimport int64_t

from cxcore._ext.journeys cimport Journeys, JourneyView


cdef extern from "cxcore/hazard.hpp" namespace "cxcore" nogil:
    cdef struct Hazard:
        const double* beta
        const double* omega
        double ticks
        double seconds

    double _pass "cxcore::hazard_pass"(
        const Journeys&, const int64_t*, int64_t, const Hazard&, int64_t, int, double*) except +
    void _credit "cxcore::hazard_credit"(
        const Journeys&, const int64_t*, const Hazard&, int, double*) except +


def hazard_pass(
    JourneyView view,
    const int64_t[::1] conversion_tick,  # IN  [n_conversions]
    const double[::1] beta,  # IN  [n_channels] conversions that a touch brings, of journeys without end
    const double[::1] omega,  # IN  [n_channels] rate of decay, per second
    int64_t tick_length,  # nanoseconds in a tick
    int64_t end,  # tick until which journeys that did not convert were seen
    int n_threads,
    double[:, ::1] moments,  # OUT [n_channels, 4] sums of p, p d, 1 - exp(-omega d), d exp(-omega d)
):
    """What a step of EM asks of journeys; the log-likelihood of beta and omega, ages in seconds."""
    cdef double likelihood
    cdef Hazard hazard
    if beta.shape[0] == 0 or view.journeys.n_users == 0:
        moments[:] = 0.0
        return 0.0
    with nogil:
        hazard.beta = &beta[0]
        hazard.omega = &omega[0]
        hazard.ticks = max(1.0, 1e9 / tick_length)
        hazard.seconds = max(1.0, tick_length / 1e9)
        likelihood = _pass(view.journeys, &conversion_tick[0] if conversion_tick.shape[0] else NULL,
                           beta.shape[0], hazard, end, n_threads, &moments[0, 0])
    return likelihood


def hazard_credit(
    JourneyView view,
    const int64_t[::1] conversion_tick,  # IN  [n_conversions]
    const double[::1] beta,  # IN  [n_channels]
    const double[::1] omega,  # IN  [n_channels] per second
    int64_t tick_length,  # nanoseconds in a tick
    int n_threads,
    double[:, ::1] credit,  # OUT [n_touches, 2] conversions and value, added to
):
    """Each touch gets its share of the hazard at the conversion."""
    cdef Hazard hazard
    if conversion_tick.shape[0] == 0 or credit.shape[0] == 0:
        return
    with nogil:
        hazard.beta = &beta[0]
        hazard.omega = &omega[0]
        hazard.ticks = max(1.0, 1e9 / tick_length)
        hazard.seconds = max(1.0, tick_length / 1e9)
        _credit(view.journeys, &conversion_tick[0], hazard, n_threads, &credit[0, 0])
