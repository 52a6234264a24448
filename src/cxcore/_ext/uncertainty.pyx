# How sure credit is: what one customer more would change (delta method), and customers drawn again.
# The work is in include/cxcore/uncertainty.hpp and resample.hpp, with formulas and sources.
# Cost: the chain takes 8/3 n ** 3 operations once, then n for each step of a journey; memory is what the
# caller allocates and n ** 2.

import numpy as np
from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t

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

    cdef struct StepTable:
        int64_t n_channels
        const double* rows
        const double* of_value

    void _table_influence "cxcore::table_influence"(const Journeys&, const StepTable&, int, double*) except +
    void inverse(const double*, const double*, int64_t, int, double*) except +
    void _chain_influence "cxcore::chain_influence"(const Journeys&, const TakenOut&, int, double*) except +
    void _customer_credit "cxcore::customer_credit"(
        const Journeys&, const double*, int64_t, int, double*) except +

    cdef struct Contrasts:
        int64_t n
        const int64_t* a
        const int64_t* b
        const double* alpha
        const double* beta
        const double* mean

    void _add_squares "cxcore::add_squares"(
        const double*, const double*, int64_t, int64_t, const double*, int, double*) except +
    void _touch_squares "cxcore::touch_squares"(
        const Journeys&, const double*, const uint8_t*, int64_t, const double*, double, int, double*) except +
    void _add_powers "cxcore::add_powers"(
        const double*, const double*, int64_t, int64_t, const Contrasts&, int, double*) except +


cdef extern from "cxcore/chain_squares.hpp" namespace "cxcore" nogil:
    void _table_squares "cxcore::table_squares"(
        const Journeys&, const StepTable&, const uint8_t*, const double*, double, int, double*) except +


cdef extern from "cxcore/list_squares.hpp" namespace "cxcore" nogil:
    cdef struct ChangeTable:
        const double* row
        int64_t n_rows
        int64_t n_channels

    cdef struct CustomerRows:
        const int64_t* offset
        const int32_t* row
        const double* times

    void _list_squares "cxcore::list_squares"(
        const Journeys&, const ChangeTable&, const CustomerRows&, const double*, const uint8_t*,
        const double*, double, int, double*) except +


cdef extern from "cxcore/walked_squares.hpp" namespace "cxcore" nogil:
    void _walked_squares "cxcore::walked_squares"(
        const Journeys&, const double*, int64_t, const double*, int64_t, int64_t, const uint8_t*,
        const double*, double, int, double*) except +


cdef extern from "cxcore/resample.hpp" namespace "cxcore" nogil:
    cdef struct Customers:
        int64_t n
        const uint64_t* key
        const double* times

    cdef struct Entries:
        const int64_t* offset
        const int32_t* column
        const double* amount

    void _customer_keys "cxcore::customer_keys"(const int64_t*, const uint8_t*, int64_t, uint64_t*)
    void _draw "cxcore::draw"(const Customers&, uint64_t, int64_t, int, double*) except +
    void _resample "cxcore::resample"(
        const Customers&, const Entries&, uint64_t, int64_t, int64_t, int64_t, int, double*) except +


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


def table_influence(
    JourneyView view,
    const double[:, ::1] rows,  # IN  [C * C + 3 * C, 2 * C] steps, starts, ends in nothing, in a conversion
    const double[:, ::1] of_value,  # IN  [C, C] last touch, channel
    int n_threads,
    double[:, :, ::1] influence,  # OUT [n_users, C, 2]
):
    """As chain_influence, out of a table of what each step changes."""
    cdef StepTable table
    if influence.shape[0] == 0 or influence.shape[1] == 0:
        return
    with nogil:
        table.n_channels = of_value.shape[0]
        table.rows = &rows[0, 0]
        table.of_value = &of_value[0, 0]
        _table_influence(view.journeys, table, n_threads, &influence[0, 0, 0])


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


def add_squares(
    const double[:, ::1] influence,  # IN  [n_users, n_columns]
    const double[::1] times,  # IN  [n_users] customers alike, or [0]: one each
    const double[::1] mean,  # IN  [n_columns] of a customer
    int n_threads,
    double[:, ::1] sums,  # OUT [n_columns, 2] of squares and of products with the last column, added to
):
    """Squares of what customers change in each column, less the mean, and products with the last column."""
    if influence.shape[0] == 0 or influence.shape[1] == 0:
        return
    with nogil:
        _add_squares(&influence[0, 0], &times[0] if times.shape[0] else NULL, influence.shape[0],
                     influence.shape[1], &mean[0], n_threads, &sums[0, 0])


def table_squares(
    JourneyView view,
    const double[:, ::1] rows,  # IN  as of table_influence
    const double[:, ::1] of_value,  # IN
    const uint8_t[::1] alone,  # IN  [n_conversions] 1 where no touch earned it
    const double[::1] mean,  # IN  [2 * C + 3] of a customer
    double n,  # customers in all
    int n_threads,
    double[:, ::1] sums,  # OUT [2 * C + 3, 2] as of add_squares
):
    """The sums of add_squares of a chain: channels, no channel, all conversions."""
    cdef StepTable table
    with nogil:
        table.n_channels = of_value.shape[0]
        table.rows = &rows[0, 0] if rows.shape[0] else NULL
        table.of_value = &of_value[0, 0] if of_value.shape[0] else NULL
        _table_squares(view.journeys, table, &alone[0] if alone.shape[0] else NULL, &mean[0], n, n_threads,
                       &sums[0, 0])


def touch_squares(
    JourneyView view,
    const double[:, ::1] of_touch,  # IN  [n_touches, 2] conversions and value, times not applied
    const uint8_t[::1] alone,  # IN  [n_conversions] 1 where no touch earned it
    const double[::1] mean,  # IN  [2 * C + 3] of a customer
    double n,  # customers in all
    int n_threads,
    double[:, ::1] sums,  # OUT [2 * C + 3, 2] as of add_squares
):
    """The sums of add_squares for credit by touch: channels, no channel, all conversions."""
    with nogil:
        _touch_squares(view.journeys, &of_touch[0, 0] if of_touch.shape[0] else NULL,
                       &alone[0] if alone.shape[0] else NULL, mean.shape[0], &mean[0], n, n_threads,
                       &sums[0, 0])


def walked_squares(
    JourneyView view,
    const double[:, ::1] parts,  # IN  [n_parts, 4] of 1: all alike, first, between, last
    const double[::1] half_lives_per_tick,  # IN  [n_decays]
    const uint8_t[::1] alone,  # IN  [n_conversions] 1 where no touch earned it
    const double[:, ::1] mean,  # IN  [n_parts + n_decays, 2 * C + 3] of a customer
    double n,  # customers in all
    int n_threads,
    double[:, :, ::1] sums,  # OUT [n_parts + n_decays, 2 * C + 3, 2] as of add_squares
):
    """The sums of add_squares for models of place and age (``place_and_age``), in one walk."""
    if sums.shape[0] == 0:
        return
    with nogil:
        _walked_squares(view.journeys, &parts[0, 0] if parts.shape[0] else NULL, parts.shape[0],
                        &half_lives_per_tick[0] if half_lives_per_tick.shape[0] else NULL,
                        half_lives_per_tick.shape[0], (sums.shape[1] - 3) // 2,
                        &alone[0] if alone.shape[0] else NULL, &mean[0, 0], n, n_threads, &sums[0, 0, 0])


def list_squares(
    JourneyView view,
    const int64_t[::1] offset,  # IN  [n_users + 1] rows of each customer
    const int32_t[::1] row,  # IN
    const double[::1] times,  # IN  how often each row counts
    const double[:, ::1] table,  # IN  [n_rows, 2 * C] what a row changes
    const double[:, ::1] earned,  # IN  [n_touches, 2] credit of touches, times not applied; or [0, 2]
    const uint8_t[::1] alone,  # IN  [n_conversions] 1 where no touch earned it
    const double[::1] mean,  # IN  [2 * C + 3] of a customer
    double n,  # customers in all
    int n_threads,
    double[:, ::1] sums,  # OUT [2 * C + 3, 2] as of add_squares
):
    """The sums of add_squares, where a customer changes a sum of rows and what the touches earned."""
    cdef CustomerRows rows
    cdef ChangeTable changes
    rows.offset = &offset[0]
    rows.row = &row[0] if row.shape[0] else NULL
    rows.times = &times[0] if times.shape[0] else NULL
    changes.row = &table[0, 0] if table.shape[0] and table.shape[1] else NULL
    changes.n_rows = table.shape[0]
    changes.n_channels = (mean.shape[0] - 3) // 2
    with nogil:
        _list_squares(view.journeys, changes, rows, &earned[0, 0] if earned.shape[0] else NULL,
                      &alone[0] if alone.shape[0] else NULL, &mean[0], n, n_threads, &sums[0, 0])


def add_powers(
    const double[:, ::1] influence,  # IN  [n_users, n_columns]
    const double[::1] times,  # IN  [n_users] customers alike, or [0]: one each
    const int64_t[::1] a,  # IN  [n] columns of each contrast alpha x[a] - beta x[b]
    const int64_t[::1] b,  # IN  [n]
    const double[::1] alpha,  # IN  [n]
    const double[::1] beta,  # IN  [n]
    const double[::1] mean,  # IN  [n] of a customer
    int n_threads,
    double[:, ::1] sums,  # OUT [n, 2] of squares and of cubes, added to
):
    """Squares and cubes of what customers change in each contrast, less the mean."""
    cdef Contrasts contrasts
    if influence.shape[0] == 0 or a.shape[0] == 0:
        return
    with nogil:
        contrasts.n = a.shape[0]
        contrasts.a = &a[0]
        contrasts.b = &b[0]
        contrasts.alpha = &alpha[0]
        contrasts.beta = &beta[0]
        contrasts.mean = &mean[0]
        _add_powers(&influence[0, 0], &times[0] if times.shape[0] else NULL, influence.shape[0],
                    influence.shape[1], contrasts, n_threads, &sums[0, 0])


# ---------------------------------------------------------------------------------------------- bootstrap


def customer_keys(
    const int64_t[::1] offset,  # IN  [n + 1]
    const uint8_t[::1] data,  # IN  canonical bytes of each key
    uint64_t[::1] key,  # OUT [n] XXH64
):
    """One number for each customer that is the same in every log."""
    if key.shape[0] == 0:
        return
    with nogil:
        _customer_keys(&offset[0], &data[0] if data.shape[0] else NULL, key.shape[0], &key[0])


def draw(
    const uint64_t[::1] key,  # IN  [n] of each customer
    const double[::1] times,  # IN  [n] customers alike, or [0]: one each
    uint64_t seed,
    int64_t replicate,
    int n_threads,
    double[::1] drawn,  # OUT [n] how often the replicate draws each
):
    """Poisson numbers that depend on seed, customer and replicate alone."""
    cdef Customers customers
    if key.shape[0] == 0:
        return
    with nogil:
        customers.n = key.shape[0]
        customers.key = &key[0]
        customers.times = &times[0] if times.shape[0] else NULL
        _draw(customers, seed, replicate, n_threads, &drawn[0])


def resample(
    const uint64_t[::1] key,  # IN  [n] of each customer
    const double[::1] times,  # IN  [n] customers alike, or [0]: one each
    const int64_t[::1] offset,  # IN  [n + 1] entries of each customer, or [0]: sum the draws themselves
    const int32_t[::1] column,  # IN  by entry
    const double[::1] amount,  # IN  by entry
    uint64_t seed,
    int64_t first,  # replicate
    int n_threads,
    double[:, ::1] sums,  # OUT [n_replicates, n_columns] added to
):
    """Sums of draws times amounts, by replicate and column."""
    cdef Customers customers
    cdef Entries entries
    if key.shape[0] == 0 or sums.shape[0] == 0 or sums.shape[1] == 0:
        return
    with nogil:
        customers.n = key.shape[0]
        customers.key = &key[0]
        customers.times = &times[0] if times.shape[0] else NULL
        entries.offset = &offset[0] if offset.shape[0] else NULL
        entries.column = &column[0] if column.shape[0] else NULL
        entries.amount = &amount[0] if amount.shape[0] else NULL
        _resample(customers, entries, seed, first, sums.shape[0], sums.shape[1], n_threads, &sums[0, 0])
