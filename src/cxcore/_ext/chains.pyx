# Chains of any order: states and steps out of journeys, and the chain solved with channels taken out.
# The work is in include/cxcore/chains.hpp (counting, O(touches + windows * order)) and sweep.hpp (all copies
# of the chain at once to a certified error, O(steps between states * copies) a pass, with passes in phases
# between which signals are looked for).

from cpython.exc cimport PyErr_CheckSignals
from libc.stdint cimport int32_t, int64_t, uint8_t
from libc.string cimport memcpy
from libcpp cimport bool as cbool
from libcpp.vector cimport vector

from cxcore._ext.journeys cimport Journeys, JourneyView


cdef extern from "cxcore/chains.hpp" namespace "cxcore" nogil:
    cdef cppclass Chain:
        Chain(const Journeys&, int64_t, cbool) except +
        int64_t n_states()
        int64_t n_edges()
        vector[int32_t] last, length, suffix, source "from", to
        vector[double] conversion, null, value, count_of
        Link find(int32_t, int32_t)

    cdef struct Link "cxcore::Chain::Link":
        int32_t edge
        int32_t to

    void _recount "cxcore::recount"(const Journeys&, const Chain&, double*, double*, double*) except +


cdef extern from "cxcore/sweep.hpp" namespace "cxcore" nogil:
    cdef cppclass Live:
        Live(const Chain&) except +
        int32_t size()
        vector[int32_t] place
        vector[double] start, converts, earns, out

    cdef cppclass Room "cxcore::Sweep::Room":
        pass

    cdef cppclass Sweep:
        Sweep(const Live&, cbool, const double*, cbool, int32_t, int64_t, double*, Room&) except +
        int64_t work()
        int64_t n_steps()
        double converts(int64_t)
        double earns(int64_t)
        double error(int64_t)
        cbool advance(int64_t, double, int) except +
        void settle()

    const int32_t kNone "cxcore::Sweep::kNone"


cdef extern from "cxcore/uncertainty.hpp" namespace "cxcore" nogil:
    cdef struct TakenOut:
        int64_t n_channels
        const double* visits
        const double* ahead
        const double* worth
        const double* part
        double gain
        double gain_of_value


cdef extern from "cxcore/state_credit.hpp" namespace "cxcore" nogil:
    void _influence "cxcore::state_influence"(
        const Journeys&, const Chain&, const TakenOut&, int, double*) except +
    void add_increments(const Journeys&, const Chain&, const double*, int, double*) except +
    void increment_slope(const Journeys&, const Chain&, int64_t, double*) except +
    void _slope_influence "cxcore::slope_influence"(
        const Journeys&, const Chain&, const double*, const double*, int64_t, int, double*) except +
    void _pair_states "cxcore::pair_states"(const Journeys&, const Chain&, int32_t*)


cdef extern from "cxcore/state_squares.hpp" namespace "cxcore" nogil:
    cdef struct LiveTables:
        const int32_t* place
        const double* out
        const double* visits
        const double* ahead
        const double* worth

    void _squares "cxcore::state_squares"(
        const Journeys&, const Chain&, const LiveTables&, int64_t, const double*, const double*,
        cbool, const uint8_t*, const double*, double, int, double*) except +
    void _increment_squares "cxcore::increment_squares"(
        const Journeys&, const Chain&, const double*, const double*, int64_t, const double*,
        const uint8_t*, const double*, double, int, double*) except +


ctypedef fused item:
    int32_t
    double

#: multiplications in one phase
cdef int64_t PHASE = 1 << 28


cdef inline void copy(const item* values, item[::1] out) noexcept nogil:
    if out.shape[0]:
        memcpy(&out[0], values, out.shape[0] * sizeof(item))


cdef class ChainTable:
    """A chain of some order; states by number, 0 is the start. Read by many threads."""

    cdef Chain* chain
    cdef Live* live
    cdef Room* room  # that the last solution left, or NULL
    cdef JourneyView kept  # the journeys whose way the chain has kept, or None

    def __cinit__(self, JourneyView view, int64_t order, bint keeps=False):
        self.kept = view if keeps else None
        with nogil:
            self.chain = new Chain(view.journeys, order, keeps)
            self.live = new Live(self.chain[0])

    def __dealloc__(self):
        del self.room
        del self.live
        del self.chain

    @property
    def n_states(self):
        return self.chain.n_states()

    @property
    def n_edges(self):
        return self.chain.n_edges()

    @property
    def n_live(self):
        """States that can lead to a conversion."""
        return self.live.size()

    def states(
        self,
        int32_t[::1] last,  # OUT [n_states] channel of its last touch, -1: the start
        int32_t[::1] length,  # OUT [n_states] touches that it knows
        int32_t[::1] suffix,  # OUT [n_states] the state without its oldest touch
        double[::1] conversion,  # OUT [n_states] conversions right after it
        double[::1] null,  # OUT [n_states] journeys that end in it without one
        double[::1] earned,  # OUT [n_states] value of those conversions
    ):
        """All states, also those that no journey visits."""
        with nogil:
            copy(self.chain.last.data(), last)
            copy(self.chain.length.data(), length)
            copy(self.chain.suffix.data(), suffix)
            copy(self.chain.conversion.data(), conversion)
            copy(self.chain.null.data(), null)
            copy(self.chain.value.data(), earned)

    def edges(
        self,
        int32_t[::1] source,  # OUT [n_edges] state before the step
        int32_t[::1] to,  # OUT [n_edges] state after it
        double[::1] count,  # OUT [n_edges] how often it was taken, 0 too
    ):
        """All steps from state to state."""
        with nogil:
            copy(self.chain.source.data(), source)
            copy(self.chain.to.data(), to)
            copy(self.chain.count_of.data(), count)

    def find(
        self,
        const int32_t[::1] state,  # IN  [n]
        const int32_t[::1] channel,  # IN  [n] of the next touch
        int32_t[::1] edge,  # OUT [n] the step, -1: nobody took it
        int32_t[::1] to,  # OUT [n] the state after it, 0 then
    ):
        """Steps by state and channel."""
        cdef int64_t k
        cdef Link link
        with nogil:
            for k in range(state.shape[0]):
                link = self.chain.find(state[k], channel[k])
                edge[k] = link.edge
                to[k] = link.to

    def recount(
        self,
        JourneyView view,  # of journeys that the chain has counted, all or some
        double[::1] count,  # OUT [n_edges] added to, as the others
        double[::1] conversion,  # OUT [n_states]
        double[::1] null,  # OUT [n_states]
    ):
        """How often journeys took each step, and how they ended."""
        if count.shape[0] == 0:
            return
        with nogil:
            _recount(view.journeys, self.chain[0], &count[0], &conversion[0], &null[0])

    def live_states(
        self,
        int32_t[::1] place,  # OUT [n_states] number among those that can lead to a conversion, -1: it cannot
        double[::1] start,  # OUT [n_live] journeys that begin with it
        double[::1] out,  # OUT [n_live] steps out of it to other states
        double[::1] converts,  # OUT [n_live] conversions for each of those
        double[::1] earns,  # OUT [n_live] value for each of those
    ):
        """The states that can lead to a conversion."""
        with nogil:
            copy(self.live.place.data(), place)
            copy(self.live.start.data(), start)
            copy(self.live.out.data(), out)
            copy(self.live.converts.data(), converts)
            copy(self.live.earns.data(), earns)

    def solve(
        self,
        bint back,  # chances in the place of visits
        const double[:, ::1] source,  # IN  [n_live, 1 or n_copies]
        int first,  # channel that copy 0 goes without, the others the next ones; -1: all go with all
        double enough,  # in transit when it ends; of chances, times the steps out of their state
        double most_work,  # multiplications
        int n_threads,
        double[:, ::1] total,  # OUT [n_live, n_copies] added to, or [0, 0]
        double[:, ::1] rewards,  # OUT [n_copies, 2] conversions and value that follow from it
        double[::1] error,  # OUT [n_copies] the most that those conversions can be off
    ):
        """Copies of the chain at once: visits from a source, or chances ahead of states; how many passes."""
        cdef Sweep* sweep = NULL
        cdef Room* room
        cdef int64_t w, steps, left, n_copies = rewards.shape[0]
        cdef bint done = False
        if self.live.size() == 0 or n_copies == 0:
            return 0
        room = self.room
        self.room = NULL  # another thread makes its own
        if room is NULL:
            room = new Room()
        try:
            sweep = new Sweep(self.live[0], back, &source[0, 0], source.shape[1] > 1,
                              kNone if first < 0 else first, n_copies,
                              &total[0, 0] if total.shape[0] else NULL, room[0])
            left = <int64_t>min(max(most_work / sweep.work(), 64.0), 1e9)
            steps = max(PHASE // sweep.work(), 1)
            while not done and left > 0:
                with nogil:
                    done = sweep.advance(min(steps, left), enough, n_threads)
                left -= steps
                PyErr_CheckSignals()
            sweep.settle()
            for w in range(n_copies):
                rewards[w, 0] = sweep.converts(w)
                rewards[w, 1] = sweep.earns(w)
                error[w] = sweep.error(w)
            return sweep.n_steps()
        finally:
            del sweep
            if self.room is NULL:
                self.room = room
            else:
                del room

    def influence(
        self,
        JourneyView view,  # of journeys that the chain has counted, all or some
        const double[:, ::1] visits,  # IN  [n_states, C] visits for each step out, with a channel taken out
        const double[:, ::1] ahead,  # IN  [n_states, C] the chance to convert that is left
        const double[:, ::1] worth,  # IN  [n_states, C] the value ahead, or [0, 0]: split as conversions
        const double[:, ::1] part,  # IN  [C, 2] part of conversions and of value that each channel has
        double gain,  # credit for each conversion that is lost
        double gain_of_value,
        int n_threads,
        double[:, :, ::1] influence,  # OUT [n_users, C, 2]
    ):
        """What each customer changes in the credit by removal effects."""
        cdef TakenOut taken
        if influence.shape[0] == 0 or influence.shape[1] == 0:
            return
        with nogil:
            taken.n_channels = visits.shape[1]
            taken.visits = &visits[0, 0]
            taken.ahead = &ahead[0, 0]
            taken.worth = &worth[0, 0] if worth.shape[0] else NULL
            taken.part = &part[0, 0]
            taken.gain = gain
            taken.gain_of_value = gain_of_value
            _influence(view.journeys, self.chain[0], taken, n_threads, &influence[0, 0, 0])

    def squares(
        self,
        JourneyView view,  # of journeys that the chain has counted, all or some
        const double[:, ::1] visits,  # IN  [n_live, C] visits, with a channel taken out
        const double[:, ::1] ahead,  # IN  [n_live, C] the chance to convert that is left
        const double[:, ::1] worth,  # IN  [n_live, C] the value ahead, or [0, 0]: split as conversions
        const double[:, ::1] part,  # IN  [C, 2] part of conversions and of value that each channel has
        const double[::1] gain,  # IN  [2] credit for each conversion, each unit of value, that is lost
        const uint8_t[::1] alone,  # IN  [n_conversions] 1 where no touch earned it
        const double[::1] mean,  # IN  [2 * C + 3] of a customer
        double n,  # customers in all
        int n_threads,
        double[:, ::1] sums,  # OUT [2 * C + 3, 2] as of uncertainty.add_squares
    ):
        """The sums of add_squares: channels, no channel, all conversions."""
        cdef LiveTables tables
        cdef bint knows_way = view is self.kept
        tables.place = self.live.place.data()
        tables.out = self.live.out.data()
        tables.visits = &visits[0, 0] if visits.shape[0] else NULL
        tables.ahead = &ahead[0, 0] if ahead.shape[0] else NULL
        tables.worth = &worth[0, 0] if worth.shape[0] else NULL
        with nogil:
            _squares(view.journeys, self.chain[0], tables, part.shape[0],
                     &part[0, 0] if part.shape[0] else NULL, &gain[0], knows_way,
                     &alone[0] if alone.shape[0] else NULL, &mean[0], n, n_threads, &sums[0, 0])

    def increments(
        self,
        JourneyView view,  # of journeys that the chain has counted, all or some
        const double[::1] chance,  # IN  [n_states] to convert
        int n_threads,
        double[:, ::1] credit,  # OUT [n_touches, 2] conversions and value, added to
    ):
        """What each touch earns in all its windows: the gain in chance, as a part of all there is to gain."""
        if credit.shape[0] == 0:
            return
        with nogil:
            add_increments(view.journeys, self.chain[0], &chance[0], n_threads, &credit[0, 0])

    def increment_slope(
        self,
        JourneyView view,
        double[:, :, ::1] slope,  # OUT [n_states, C, 2] added to
    ):
        """How the increments of each channel, in all conversions, grow with the chance of each state."""
        if slope.shape[1] == 0:
            return
        with nogil:
            increment_slope(view.journeys, self.chain[0], slope.shape[1], &slope[0, 0, 0])

    def slope_influence(
        self,
        JourneyView view,
        const double[::1] chance,  # IN  [n_states]
        const double[:, ::1] slope,  # IN  [n_states, n] for a step out of the state
        int n_threads,
        double[:, ::1] influence,  # OUT [n_users, n] added to
    ):
        """What each customer changes through the chances: slopes times the change of chance in each step."""
        if influence.shape[0] == 0 or influence.shape[1] == 0:
            return
        with nogil:
            _slope_influence(view.journeys, self.chain[0], &chance[0], &slope[0, 0], slope.shape[1],
                             n_threads, &influence[0, 0])

    def increment_squares(
        self,
        JourneyView view,
        const double[::1] chance,  # IN  [n_states]
        const double[:, ::1] slope,  # IN  [n_states, 2 * C] for a step out of the state
        const double[:, ::1] earned,  # IN  [n_touches, 2] conversions and value, times not applied
        const uint8_t[::1] alone,  # IN  [n_conversions] 1 where no touch earned it
        const double[::1] mean,  # IN  [2 * C + 3] of a customer
        double n,  # customers in all
        int n_threads,
        double[:, ::1] sums,  # OUT [2 * C + 3, 2] as of uncertainty.add_squares
    ):
        """The sums of add_squares of increments: through the chances, and of what touches earned."""
        with nogil:
            _increment_squares(view.journeys, self.chain[0], &chance[0],
                               &slope[0, 0] if slope.shape[1] else NULL, slope.shape[1] // 2,
                               &earned[0, 0] if earned.shape[0] else NULL,
                               &alone[0] if alone.shape[0] else NULL, &mean[0], n, n_threads, &sums[0, 0])

    def pair_states(
        self,
        JourneyView view,
        int32_t[::1] state,  # OUT by pair of conversion and touch, window by window
    ):
        """The state after each touch of each window."""
        if state.shape[0] == 0:
            return
        with nogil:
            _pair_states(view.journeys, self.chain[0], &state[0])
