"""Chains of any order: what is left with each channel taken out, and what one customer changes in it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from cxcore._columns import Float64, Int32
from cxcore._ext.arrays import empty
from cxcore._ext.chains import ChainTable
from cxcore.attribution.base import Credit, Journeys
from cxcore.attribution.taken_out import parts_of

#: a solution ends when no more than this part of all conversions (of all value) is in transit
_ENOUGH = 1e-14
#: the same where errors are made of the solution: those are then off by 1e-11 of them
_NEAR = 1e-10
#: value effects whose sum is less than this part of their sizes sum to nothing
_NOTHING = 1e-12
#: multiplications that a solution may take for some channels: half a minute
_MOST_WORK = 3e10
#: numbers of one table that are held while channels are taken out: 128 MB
_HELD = 1 << 24


@dataclass(frozen=True, eq=False)
class StateChain:
    """A chain whose states are the last ``order`` touches, fewer near the start of a journey."""

    table: ChainTable
    order: int
    n_channels: int
    n_threads: int

    @classmethod
    def of(cls, journeys: Journeys, order: int, keeps: bool = False) -> StateChain:
        """``keeps``: the way of the journeys, 4 bytes a touch, for who walks them again."""
        return cls(ChainTable(journeys.view, order, keeps), order, journeys.n_channels, journeys.n_threads)

    @cached_property
    def states(self) -> tuple[Int32, Int32, Int32, Float64, Float64, Float64]:
        """By state, 0 is the start: its last channel, how many touches it knows, the state without the
        oldest of them, conversions, journeys that end, value."""
        n = self.table.n_states
        last, length, suffix = (np.empty(n, np.int32) for _ in range(3))
        conversion, null, value = (np.empty(n) for _ in range(3))
        self.table.states(last, length, suffix, conversion, null, value)
        return last, length, suffix, conversion, null, value

    @cached_property
    def touches(self) -> Int32:
        """The touches of each state, oldest first: int32[n_states, order], -1 behind the last."""
        last, length, *_ = self.states
        source, to, _ = self.edges
        touches = np.full((len(last), self.order), -1, np.int32)
        longer = length[to] == length[source] + 1  # the step that made it
        for n in range(1, self.order + 1):
            made = longer & (length[to] == n)
            touches[to[made], : n - 1] = touches[source[made], : n - 1]
            touches[to[made], n - 1] = last[to[made]]
        return touches

    @cached_property
    def edges(self) -> tuple[Int32, Int32, Float64]:
        """By step: states before and after, how often it was taken."""
        n = self.table.n_edges
        source, to, count = np.empty(n, np.int32), np.empty(n, np.int32), np.empty(n)
        self.table.edges(source, to, count)
        return source, to, count

    @cached_property
    def live(self) -> tuple[Int32, Float64, Float64, Float64, Float64]:
        """By state the number among those that can convert; of those starts, steps out, conversions and
        value for each of these."""
        n, place = self.table.n_live, np.empty(self.table.n_states, np.int32)
        start, out, converts, earns = (np.empty(n) for _ in range(4))
        self.table.live_states(place, start, out, converts, earns)
        return place, start, out, converts, earns

    @cached_property
    def conversions(self) -> float:
        return float(self.states[3].sum())

    @cached_property
    def value(self) -> float:
        return float(self.states[5].sum())

    def solve(
        self,
        back: bool,
        source: Float64,
        first: int,
        n_copies: int,
        total: Float64,
        size: float,
        enough: float = _ENOUGH,
    ) -> tuple[Float64, Float64]:
        """Conversions and value that follow from visits, [n_copies, 2], and the bound of the first.

        ``size``: of what is looked for; the solution ends when a small part of it is in transit.
        """
        rewards, error = np.zeros((n_copies, 2)), np.zeros(n_copies)
        source = np.ascontiguousarray(source if source.ndim == 2 else source[:, None])
        self.table.solve(
            *(back, source, first, enough * size, _MOST_WORK, self.n_threads, total, rewards, error)
        )
        return rewards, error

    @cached_property
    def taken_out(self) -> tuple[Float64, tuple[Float64, Float64, Float64]]:
        """Visits of live states with each channel taken out, [n_live, n_channels], and ``lost``."""
        visits = _zeros(self.table.n_live, self.n_channels)
        left, error = self.solve(False, self.live[1], 0, self.n_channels, visits, self.conversions)
        return visits, (*self.lost_of(left), np.where(self.leads, error, 0.0))

    @cached_property
    def lost(self) -> tuple[Float64, Float64, Float64]:
        """Conversions and value that are lost without each channel; what the first can be off."""
        if "taken_out" in vars(self):  # errors ask for the visits, too
            return self.taken_out[1]
        n, (_, start, _, _, _) = self.n_channels, self.live
        left, error = np.zeros((n, 2)), np.zeros(n)
        step = max(1, _HELD // max(1, self.table.n_live))
        for first in range(0, n, step):
            end = min(n, first + step)
            options = (first, end - first, np.empty((0, 0)), self.conversions)
            left[first:end], error[first:end] = self.solve(False, start, *options)
        return *self.lost_of(left), np.where(self.leads, error, 0.0)

    def lost_of(self, left: Float64) -> tuple[Float64, Float64]:
        """What is lost where so much is left; no value where it cancels."""
        lost = np.where(self.leads, np.maximum(0.0, self.conversions - left[:, 0]), 0.0)
        worth = np.where(self.leads, self.value - left[:, 1], 0.0)
        return lost, worth if abs(worth.sum()) > _NOTHING * abs(worth).sum() else np.zeros_like(worth)

    @cached_property
    def leads(self) -> np.ndarray:
        """Which channels can lead to a conversion: from the others nothing can be lost."""
        found = np.zeros(self.n_channels, np.bool_)
        found[self.states[0][self.live[0] >= 0]] = True
        return found

    def credit(self) -> Credit:
        """Conversions and value in proportion to what is lost."""
        lost, lost_value, error = self.lost
        converted = self.conversions
        part = parts_of(lost, np.zeros_like(lost))
        conversions = converted * part
        # what is lost is off by less than its error, and its sum by less than the sum of those
        most, least = float(error.sum()), float(lost.sum() - error.sum())
        bound = np.full_like(lost, converted)
        if least > 0.0:
            bound = np.minimum(bound, (converted * error + conversions * most) / least)
        return Credit(
            conversions=conversions,
            value=self.value * parts_of(lost_value, part),
            removal_effect=lost / converted if converted else lost,
            error_bound=bound if converted else np.zeros_like(lost),
        )

    @cached_property
    def chance(self) -> Float64:
        """To convert, by state; of the start, it is the rate of all journeys."""
        _, start, _, converts, _ = self.live
        chance = np.zeros((self.table.n_live, 1))
        self.solve(True, converts, -1, 1, chance, self.conversions)
        found: Float64 = self.by_state(chance)[:, 0]
        journeys = self.journeys
        found[0] = float(np.sum(start * chance[:, 0])) / journeys if journeys else 0.0
        return found

    @cached_property
    def journeys(self) -> float:
        """With a touch."""
        return self.conversions + float(self.states[4].sum())

    def by_state(self, live: Float64) -> Float64:
        """A table of live states as one of all, 0 for the others."""
        place = self.live[0]
        table = np.zeros((len(place), live.shape[1]))
        table[place >= 0] = live
        return table


@dataclass(frozen=True, eq=False)
class StatesTakenOut:
    """A chain with each channel taken out, [live state, channel] (``TakenOut`` for any order)."""

    chain: StateChain
    #: how often each state is visited
    visits: Float64
    ahead: Float64
    worth: Float64
    part: Float64
    gain: float
    gain_of_value: float

    @cached_property
    def _by_state(self) -> tuple[Float64, Float64, Float64]:
        """Visits for each step out, and what is ahead, by state of the chain."""
        chain, worth = self.chain, self.worth
        out = chain.live[2][:, None]
        worth = chain.by_state(worth) if len(worth) else np.zeros((0, 0))
        return chain.by_state(self.visits / out), chain.by_state(self.ahead), worth

    def influence(self, some: Journeys) -> Float64:
        """What each customer changes in the credit, [n_users, n_channels, 2]."""
        influence = np.empty((some.n_users, some.n_channels, 2))
        left = (*self._by_state, self.part, self.gain, self.gain_of_value)
        self.chain.table.influence(some.view, *left, some.n_threads, influence)
        return influence

    def squares(self, people: Journeys, mean: Float64, n: float) -> Float64:
        """Their squares (``Model.squares``)."""
        sums, gain = np.zeros((len(mean), 2)), np.array([self.gain, self.gain_of_value])
        alone = people.alone.view(np.uint8)
        self.chain.table.squares(
            *(people.view, self.visits, self.ahead, self.worth, self.part, gain),
            *(alone, mean, n, people.n_threads, sums),
        )
        return sums


def _zeros(n_rows: int, n_columns: int) -> Float64:
    """In pages that cost few faults: tables of chains of higher order are large."""
    table: Float64 = empty((n_rows, n_columns), np.float64)
    table[:] = 0.0
    return table


def states_taken_out(journeys: Journeys, order: int) -> StatesTakenOut:
    """What the influence of a customer is made of."""
    chain = StateChain.of(journeys, order, keeps=True)
    _, _, out, converts, earns = chain.live
    n, n_live = chain.n_channels, chain.table.n_live
    ahead, worth = (_zeros(n_live, n) for _ in range(2))
    visits, (lost, lost_value, _) = chain.taken_out
    by_value = lost_value.any()
    chain.solve(True, converts, 0, n, ahead, chain.conversions, _NEAR)
    if by_value:
        chain.solve(True, earns, 0, n, worth, float(np.sum(out * abs(earns))), _NEAR)
    part = parts_of(lost, np.zeros_like(lost))
    of_value = float(lost_value.sum()) if by_value else float(lost.sum())
    return StatesTakenOut(
        chain,
        visits,
        ahead,
        worth if by_value else np.zeros((0, 0)),
        np.column_stack((part, parts_of(lost_value, part))),
        chain.conversions / float(lost.sum()) if lost.any() else 0.0,
        chain.value / of_value if of_value else 0.0,
    )
