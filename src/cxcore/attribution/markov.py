"""Journeys as a Markov chain: what would be lost without a channel?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from cxcore import errors
from cxcore._columns import Float64
from cxcore._ext import markov as kernel
from cxcore.attribution.base import Credit, Journeys, Model, Transitions
from cxcore.attribution.chains import StateChain, StatesTakenOut, states_taken_out
from cxcore.attribution.taken_out import TakenOut, live_part, parts_of, taken_out

#: longer memories than any log can fill
_MOST_ORDER = 20


@dataclass(frozen=True)
class Markov(Model):
    """Credit in proportion to removal effects in a chain over channels.

    The next touch depends on the last ``order`` touches alone. The removal effect of a channel is the part of
    conversions that would be lost if every journey ended where it meets that channel. It says how often
    conversions and a channel go together; it is not proof that the channel caused them.

    Parameters
    ----------
    order : int, default 1
        How many touches the chain remembers, from 1 to 20. With 1 the answer is a closed form. With more it
        is iterated, and the column ``error_bound`` says how far its conversions can be off at most.

    Raises
    ------
    InvalidOptionError
        ``order`` is no whole number from 1 to 20.

    Notes
    -----
    RE_c = N_0c h_c / (N_cc h_0) with N the fundamental matrix and h the chance to convert (Anderl et al. 2016
    define the removal effect; the closed form is in docs/explanation/attribution.md). No simulation, no seed.
    Value is split by the same effects of value in the place of conversions. Where those sum to nothing
    (signed values that cancel), it is split as conversions are. Counting takes O(touches + conversions); the
    fit of order 1 takes 4/3 n^3 operations and n^2 numbers of memory for the n channels that can lead to a
    conversion.

    Of higher order, states are the last touches (fewer near the start of a journey), and all chains without
    one channel are followed at once until less than 1e-14 of the conversions is on its way; that, and the
    rounding of all steps, is the bound. A pass takes one multiplication for each step that occurs and each
    channel, and there are a few dozen passes. Memory is 24 bytes for each state and channel, 48 more with
    errors by formula. Choose the order with :func:`cxcore.attribution.choose_order`.

    Examples
    --------
    >>> from cxcore.attribution import Markov
    >>> Markov(order=2).label
    'markov(order=2)'
    """

    word: ClassVar[str] = "markov"
    most_channels: ClassVar[int | None] = 5_000
    learns_from_nulls: ClassVar[bool] = True
    has_removal_effect: ClassVar[bool] = True
    order: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "order", check_order("Markov", "order", self.order))

    @property
    def has_error_bound(self) -> bool:
        return self.order > 1

    def credit(self, journeys: Journeys) -> Credit:
        if self.order == 1:
            return credit_of(journeys.transitions, journeys.n_threads)
        return StateChain.of(journeys, self.order).credit()

    def credit_of(self, fitted: TakenOut | StatesTakenOut, journeys: Journeys) -> Credit:
        return fitted.chain.credit() if isinstance(fitted, StatesTakenOut) else self.credit(journeys)

    def fit(self, journeys: Journeys) -> TakenOut | StatesTakenOut:
        if self.order == 1:
            return taken_out(journeys.transitions, journeys.n_threads)
        return states_taken_out(journeys, self.order)

    def influence(self, fitted: TakenOut | StatesTakenOut, some: Journeys) -> Float64:
        return fitted.influence(some)

    def squares(
        self, fitted: TakenOut | StatesTakenOut, people: Journeys, mean: Float64, n: float
    ) -> Float64 | None:
        return fitted.squares(people, mean, n)


def check_order(call: str, option: str, value: Any) -> int:
    """How many touches a chain remembers."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not 1 <= value <= _MOST_ORDER:
        problem = f"an order is a whole number from 1 to {_MOST_ORDER}."
        raise errors.bad_option(call, option, value, problem, "such as 2.")
    return int(value)


def credit_of(chain: Transitions, n_threads: int) -> Credit:
    """The credit of a chain that is counted already, here or in a database."""
    lost, lost_value = _removal_effects(chain, n_threads)
    converted = float(chain.conversion.sum())
    part = parts_of(lost, np.zeros_like(lost))
    return Credit(
        conversions=converted * part,
        value=float(chain.value.sum()) * parts_of(lost_value, part),
        removal_effect=lost / converted if converted else lost,
    )


def _removal_effects(chain: Transitions, n_threads: int) -> tuple[Float64, Float64]:
    """Conversions and value that would be lost without each channel."""
    live, inside, absorbed = live_part(chain)
    lost, lost_value = np.zeros(len(live)), np.zeros(len(live))
    conversions, value = np.zeros(len(inside)), np.zeros(len(inside))
    kernel.removal_effects(
        inside,
        absorbed,
        chain.start[live],
        chain.conversion[live],
        chain.value[live],
        n_threads,
        conversions,
        value,
    )
    lost[live], lost_value[live] = conversions, value
    return lost, lost_value
