"""How much nearer to a conversion did this touch bring the customer?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import numpy as np

from cxcore import _options, errors
from cxcore._columns import Float64
from cxcore._ext import uncertainty
from cxcore.attribution.base import Credit, Journeys, TouchModel
from cxcore.attribution.chains import StateChain
from cxcore.attribution.markov import check_order
from cxcore.attribution.positional import Linear

_CALL = "PathIncrement"


@dataclass(frozen=True, eq=False)
class Increments:
    """The chain of all journeys, and the credit that they have by it."""

    chain: StateChain
    journeys: Journeys
    clip: bool

    @property
    def knows(self) -> bool:
        """Did any journey fail? Else every touch was as near to a conversion as any other."""
        return self.chain.conversions < self.chain.journeys

    def split(self, some: Journeys) -> Float64:
        """Parts of the pairs of these journeys, which the chain has counted."""
        if not self.knows:
            return Linear().split(some)
        conversion, touch = some.pairs
        state = np.empty(len(touch), np.int32)
        self.chain.table.pair_states(some.view, state)
        after = self.chain.chance[state]
        before = np.where(touch == some.lo[conversion], self.chain.chance[0], np.roll(after, 1))
        after[touch == some.hi[conversion] - 1] = 1.0
        part: Float64 = (after - before) / (1.0 - self.chain.chance[0])
        if not self.clip:
            return part
        part = np.maximum(0.0, part)
        part /= np.bincount(conversion, part, minlength=len(some.lo))[conversion]
        return part

    def of_touches(self, some: Journeys) -> Float64:
        """Conversions and value that each touch earns in all its windows, [n_touches, 2]."""
        if not self.knows:
            return Linear().touch_credit(some)
        if self.clip:
            return TouchModel.credit_of_touches(some, self.split)
        credit = np.zeros((len(some.channel), 2))
        self.chain.table.increments(some.view, self.chain.chance, some.n_threads, credit)
        return credit

    @cached_property
    def of_all(self) -> Float64:
        """The same of all journeys."""
        return self.of_touches(self.journeys)

    @cached_property
    def slope(self) -> Float64:
        """What a step out of each state changes in all credit, for each gain in chance: [n_states, 2 C]."""
        chain, n = self.chain, self.chain.n_channels
        _, start, out, _, _ = chain.live
        of_chance = np.zeros((chain.table.n_states, n, 2))
        chain.table.increment_slope(self.journeys.view, of_chance)
        earned = self.of_all
        of_chance[0] += np.column_stack([self.journeys.by_channel(earned[:, at]) for at in (0, 1)])
        of_chance = of_chance.reshape(-1, 2 * n) / (1.0 - chain.chance[0])
        source = of_chance[chain.live[0] >= 0] + np.outer(start / chain.journeys, of_chance[0])
        visits = np.zeros_like(source)
        chain.solve(False, source, -1, 2 * n, visits, float(abs(source).sum(axis=0).max(initial=0.0)))
        slope = chain.by_state(visits / out[:, None])
        slope[0] = of_chance[0] / chain.journeys
        return slope


@dataclass(frozen=True)
class PathIncrement(TouchModel):
    """Credit for what a touch adds to the chance to convert, in the chain of all journeys.

    Before the first touch the chance is the rate of all journeys; with each touch it rises or falls; the
    conversion makes it 1. Each step up or down is the credit of its touch, the last step that of the last
    touch, out of all that there is to gain.

    Parameters
    ----------
    order : int, default 1
        How many touches the chain remembers, from 1 to 20, as in ``Markov``.
    clip : bool, default False
        Cut what touches take away off at 0, and let the others share in proportion. Otherwise credit is
        signed: a touch after which fewer customers convert than before it earns less than nothing.

    Raises
    ------
    InvalidOptionError
        ``order`` is no whole number from 1 to 20, ``clip`` not True or False; or intervals by formula are
        asked for with ``clip``.

    Notes
    -----
    With h(s) the chance to convert from state s and h_0 that from the start, touch i of a converting path
    gets (h(s_i) - h(s_i-1)) / (1 - h_0), the last touch (1 - h(s_n)) / (1 - h_0) more: a sum of 1. Where no
    journey failed (all did convert, or ``nulls=False``), every chance is 1, and touches share alike. Credit
    is not that of the removal effects of the same chain. O(touches + conversions) to learn and to read; with
    ``clip`` reading takes O(touches of all windows). A mistake of the chain is one of the credit: states
    that few journeys met have chances of their own to be lucky.

    Examples
    --------
    >>> from cxcore.attribution import PathIncrement
    >>> PathIncrement(order=2, clip=True).label
    'path_increment(order=2, clip=True)'
    """

    word: ClassVar[str] = "path_increment"
    learns_from_nulls: ClassVar[bool] = True
    order: int = 1
    clip: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "order", check_order(_CALL, "order", self.order))
        _options.flag(_CALL, "clip", self.clip, "True cuts what touches take away off at 0.")

    def fit(self, journeys: Journeys) -> Increments:
        return Increments(StateChain.of(journeys, self.order), journeys, self.clip)

    def split(self, journeys: Journeys) -> Float64:
        return self.fit(journeys).split(journeys)

    def splitter(self, journeys: Journeys) -> Callable[[Journeys], Float64]:
        return self.fit(journeys).split

    def touch_credit(self, journeys: Journeys) -> Float64:
        return self.fit(journeys).of_touches(journeys)

    def credit_of(self, fitted: Increments, journeys: Journeys) -> Credit:
        earned = fitted.of_all if journeys is fitted.journeys else fitted.of_touches(journeys)
        return Credit(journeys.by_channel(earned[:, 0]), journeys.by_channel(earned[:, 1]))

    def influence(self, fitted: Increments, some: Journeys) -> Float64:
        """Its own conversions, and what its steps change in the chances by which all are split."""
        if self.clip:  # credit has a corner wherever a gain is 0
            raise errors.no_influence("attribute", self.label)
        some = replace(some, times=np.empty(0))
        influence = np.zeros((some.n_users, some.n_channels, 2))
        uncertainty.customer_credit(some.view, fitted.of_touches(some), some.n_threads, influence)
        if fitted.knows:
            flat = influence.reshape(some.n_users, -1)
            chain = fitted.chain
            chain.table.slope_influence(some.view, chain.chance, fitted.slope, some.n_threads, flat)
        return influence

    def squares(self, fitted: Increments, people: Journeys, mean: Float64, n: float) -> Float64 | None:
        if self.clip or not fitted.knows:
            return super().squares(fitted, people, mean, n)
        sums, chain = np.zeros((len(mean), 2)), fitted.chain
        once = people if not len(people.times) else replace(people, times=np.empty(0))
        earned = fitted.of_all if once is fitted.journeys else fitted.of_touches(once)
        chain.table.increment_squares(
            *(people.view, chain.chance, fitted.slope, earned, people.alone.view(np.uint8)),
            *(mean, n, people.n_threads, sums),
        )
        return sums
