# Journeys as a game over channels (Shapley 1953): the set of channels of each journey, sums over subsets,
# and Shapley values, exactly from a table of all sets or as means over random orders.
# The work is in include/cxcore/games.hpp. Cost: O(touches + conversions) for the sets; n 2 ** n for tables;
# (sum of set sizes + n) for each pair of orders, between blocks of which signals are looked for.

from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int32_t, int64_t, uint64_t

from cxcore._ext.journeys cimport Journeys, JourneyView
from cxcore._ext.owned cimport Int64Array, int64_array


cdef extern from "cxcore/games.hpp" namespace "cxcore" nogil:
    cdef struct Sets:
        int64_t n
        const int64_t* offset
        const int64_t* member
        const double* tally

    cdef cppclass Spread:
        Spread(int64_t) except +

    void _coalitions "cxcore::coalitions"(
        const Journeys&, const int32_t*, int64_t, int, int32_t*, int32_t*) except +
    void _distinct "cxcore::distinct_coalitions"(
        const Journeys&, const int32_t*, int64_t, int32_t*, int32_t*, Int64Array&, Int64Array&) except +
    void set_sums(double*, int64_t, int64_t, bint)
    void _shapley "cxcore::shapley_values"(const double*, int64_t, int64_t, int, double*) except +
    void random_order(uint64_t, uint64_t, int64_t, int32_t*)
    void _sample "cxcore::sample_orders"(
        const Sets&, int64_t, uint64_t, int64_t, int64_t, int, Spread&) except +
    void finish(const Spread&, double*, double*)

    cdef struct Orders:
        int64_t n
        int64_t n_players
        const int32_t* order

    void _rates "cxcore::order_rates"(const Sets&, const Orders&, int, double*) except +
    void _slopes "cxcore::order_slopes"(const Sets&, const Orders&, const double*, int, double*) except +

cdef extern from *:
    """
    constexpr int64_t kPairs = 512;  // between two looks for signals
    """
    const int64_t kPairs


def coalitions(
    JourneyView view,
    const int32_t[::1] player,  # IN  [n_channels] number of each channel, -1 where no journey meets it
    int64_t n_players,  # at most 30
    int n_threads,
    int32_t[::1] of_conversion,  # OUT [n_conversions] bits of the players in its window; -1: no touch
    int32_t[::1] of_null,  # OUT [n_users], or [0] where journeys that did not convert do not count
):
    """The set of players of each journey, as a mask."""
    if view.journeys.n_users == 0 or player.shape[0] == 0:
        of_conversion[:] = -1
        of_null[:] = -1
        return
    with nogil:
        _coalitions(view.journeys, &player[0], n_players, n_threads, _first(of_conversion), _first(of_null))


def distinct_coalitions(
    JourneyView view,
    const int32_t[::1] player,  # IN  [n_channels]
    int64_t n_players,  # any number
    int32_t[::1] of_conversion,  # OUT [n_conversions] number of the set of its window; -1: no touch
    int32_t[::1] of_null,  # OUT [n_users], or [0]
):
    """The set of each journey by number, and the players of each: offset [n_sets + 1], member."""
    cdef Int64Array offset, member
    if player.shape[0] == 0:
        of_conversion[:] = -1
        of_null[:] = -1
        return int64_array(offset), int64_array(member)
    with nogil:
        _distinct(view.journeys, &player[0], n_players, _first(of_conversion), _first(of_null),
                  offset, member)
    return int64_array(offset), int64_array(member)


def subset_sums(
    double[:, ::1] table,  # IN OUT [2 ** n_players, width] by mask
    int64_t n_players,
):
    """Each set becomes the sum over its subsets, itself among them."""
    with nogil:
        set_sums(&table[0, 0], n_players, table.shape[1], False)


def superset_sums(
    double[:, ::1] table,  # IN OUT [2 ** n_players, width] by mask
    int64_t n_players,
):
    """Each set becomes the sum over the sets that hold it, itself among them."""
    with nogil:
        set_sums(&table[0, 0], n_players, table.shape[1], True)


def shapley_values(
    const double[:, ::1] worth,  # IN  [2 ** n_players, width] of each set, by mask
    int n_threads,
    double[:, ::1] phi,  # OUT [n_players, width]
):
    """What each player adds to those who came before, on average over all orders."""
    if phi.shape[0] == 0:
        return
    with nogil:
        _shapley(&worth[0, 0], phi.shape[0], phi.shape[1], n_threads, &phi[0, 0])


def random_orders(
    uint64_t seed,
    int64_t first,  # number of the first order
    int32_t[:, ::1] order,  # OUT [n_orders, n_players]
):
    """Orders of players, each drawn by its number."""
    cdef int64_t k
    if order.shape[1] == 0:
        return
    with nogil:
        for k in range(order.shape[0]):
            random_order(seed, <uint64_t> (first + k), order.shape[1], &order[k, 0])


def sampled_shapley(
    const int64_t[::1] offset,  # IN  [n_sets + 1] from distinct_coalitions
    const int64_t[::1] member,  # IN
    const double[:, ::1] tally,  # IN  [n_sets, 3] journeys, conversions, value of each set
    uint64_t seed,
    int64_t n_pairs,  # of an order and its reverse
    int n_threads,
    double[:, ::1] phi,  # OUT [n_players, 2] conversions and value per journey
    double[:, ::1] error,  # OUT [n_players, 2] standard error of phi
):
    """Shapley values of the rate of journeys, as means over random orders."""
    cdef Sets sets
    cdef int64_t pair
    cdef Spread* total = new Spread(2 * phi.shape[0])
    try:
        sets.n = tally.shape[0]
        sets.offset = &offset[0]
        sets.member = &member[0]
        sets.tally = &tally[0, 0]
        for pair in range(0, n_pairs, kPairs):
            with nogil:
                _sample(sets, phi.shape[0], seed, pair, min(n_pairs, pair + kPairs), n_threads, total[0])
            PyErr_CheckSignals()
        finish(total[0], &phi[0, 0], &error[0, 0])
    finally:
        del total


def order_rates(
    const int64_t[::1] offset,  # IN  [n_sets + 1] from distinct_coalitions
    const int64_t[::1] member,  # IN
    const double[:, ::1] tally,  # IN  [n_sets, 3] journeys, conversions, value of each set
    const int32_t[:, ::1] order,  # IN  [n_orders, n_players]
    int n_threads,
    double[:, :, ::1] rate,  # OUT [n_orders, n_players, 3] of those inside: 1, and both outcomes, per journey
):
    """What journeys inside the first players of each order weigh."""
    cdef Sets sets
    cdef Orders orders
    sets.n, orders.n, orders.n_players = tally.shape[0], order.shape[0], order.shape[1]
    sets.offset, sets.member, sets.tally = &offset[0], &member[0], &tally[0, 0]
    orders.order = &order[0, 0]
    with nogil:
        _rates(sets, orders, n_threads, &rate[0, 0, 0])


def order_slopes(
    const int64_t[::1] offset,  # IN  [n_sets + 1] from distinct_coalitions, of any journeys
    const int64_t[::1] member,  # IN
    const int32_t[:, ::1] order,  # IN  [n_orders, n_players]
    const double[:, :, ::1] rate,  # IN  from order_rates
    int n_threads,
    double[:, :, ::1] slope,  # OUT [n_sets, n_players, 3] for an outcome of 1; for conversions; for value
):
    """What a journey of each set moves in what players add, on average over the orders."""
    cdef Sets sets
    cdef Orders orders
    if slope.shape[0] == 0:
        return
    sets.n, orders.n, orders.n_players = slope.shape[0], order.shape[0], order.shape[1]
    sets.offset, sets.member, sets.tally = &offset[0], &member[0], <const double*> NULL
    orders.order = &order[0, 0]
    with nogil:
        _slopes(sets, orders, &rate[0, 0, 0], n_threads, &slope[0, 0, 0])


cdef inline int32_t* _first(int32_t[::1] array) noexcept nogil:
    return &array[0] if array.shape[0] else NULL
