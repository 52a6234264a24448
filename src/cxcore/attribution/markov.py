"""Journeys as a Markov chain: what would be lost without a channel?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from cxcore._columns import Float64
from cxcore._ext import markov as kernel
from cxcore._ext import uncertainty
from cxcore.attribution.base import Credit, Journeys, Model, Transitions


@dataclass(frozen=True)
class Markov(Model):
    """Credit in proportion to removal effects in a chain of order 1, exactly.

    The next touch depends on the present channel alone. The removal effect of a channel is the part of
    conversions that would be lost if every journey ended where it meets that channel. It says how often
    conversions and a channel go together; it is not proof that the channel caused them.

    Notes
    -----
    RE_c = N_0c h_c / (N_cc h_0) with N the fundamental matrix and h the chance to convert (Anderl et al. 2016
    define the removal effect; the closed form is in docs/explanation/attribution.md). No simulation, no seed.
    Value is split by the same effects of value in the place of conversions. Where those sum to nothing
    (signed values that cancel), it is split as conversions are. Counting takes O(touches + conversions); the
    fit takes 4/3 n^3 operations and n^2 numbers of memory for the n channels that can lead to a conversion.
    """

    word: ClassVar[str] = "markov"
    most_channels: ClassVar[int | None] = 5_000
    learns_from_nulls: ClassVar[bool] = True
    has_removal_effect: ClassVar[bool] = True

    def credit(self, journeys: Journeys) -> Credit:
        return credit_of(journeys.transitions, journeys.n_threads)

    def fit(self, journeys: Journeys) -> TakenOut:
        return taken_out(journeys.transitions, journeys.n_threads)

    def influence(self, fitted: TakenOut, some: Journeys) -> Float64:
        influence = np.empty((some.n_users, some.n_channels, 2))
        uncertainty.chain_influence(
            some.view,
            fitted.visits,
            fitted.ahead,
            fitted.worth,
            fitted.part,
            fitted.gain,
            fitted.gain_of_value,
            some.n_threads,
            influence,
        )
        return influence


def credit_of(chain: Transitions, n_threads: int) -> Credit:
    """The credit of a chain that is counted already, here or in a database."""
    lost, lost_value = _removal_effects(chain, n_threads)
    converted = float(chain.conversion.sum())
    part = _parts(lost, np.zeros_like(lost))
    return Credit(
        conversions=converted * part,
        value=float(chain.value.sum()) * _parts(lost_value, part),
        removal_effect=lost / converted if converted else lost,
    )


@dataclass(frozen=True, slots=True, eq=False)
class TakenOut:
    """A chain with each channel taken out: [state, channel]; 0 where no way leads to a conversion."""

    visits: Float64
    #: the chance to convert, the value ahead (no item where value is split as conversions are)
    ahead: Float64
    worth: Float64
    #: [n_channels, 2] of all conversions, of all value
    part: Float64
    #: credit for each conversion, each unit of value, that is lost without the channel
    gain: float
    gain_of_value: float


def taken_out(chain: Transitions, n_threads: int) -> TakenOut:
    """What the influence of a customer is made of (docs/explanation/attribution.md)."""
    live, inside, absorbed = _live(chain)
    n, n_live = len(live), len(inside)
    inverse, at_once = np.zeros((n_live, n_live)), np.zeros((3, n_live))
    earned = chain.value[live]
    ends = (chain.start[live], chain.conversion[live], earned)
    uncertainty.invert_chain(inside, absorbed, *ends, n_threads, inverse, *at_once)
    visits, ahead, worth = at_once
    returns = np.diagonal(inverse)
    lost, lost_value = np.zeros(n), np.zeros(n)
    lost[live], lost_value[live] = visits * ahead / returns, visits * worth / returns
    part = _parts(lost, np.zeros_like(lost))
    by_value = float(lost_value.sum()) != 0.0
    gain = float(chain.conversion.sum()) / float(lost.sum()) if lost.any() else 0.0
    whole = float(chain.value.sum())
    of_value = float(lost_value.sum()) if by_value else float(lost.sum())
    met = [(inverse * (visits / returns)[:, None]).T]
    met += [inverse * (total / returns) for total in (ahead, worth)]
    tables = np.zeros((3, n, n))
    for table, total, by_way in zip(tables, at_once, met, strict=True):
        np.fill_diagonal(by_way, total)  # nothing is left at the channel itself, to the last bit
        table[live] = total[:, None]
        table[np.ix_(live, live)] -= by_way
    return TakenOut(
        tables[0],
        tables[1],
        tables[2] if by_value else np.zeros((0, 0)),
        np.column_stack((part, _parts(lost_value, part))),
        gain,
        whole / of_value if of_value else 0.0,
    )


def _live(chain: Transitions) -> tuple[NDArray[np.bool_], Float64, Float64]:
    """Channels that can lead to a conversion, the steps between them, and those out of them for good.

    From the others nothing can be lost: they are null by another name.
    """
    live = _leads_to_conversion(chain)
    dead_ends = chain.count[np.ix_(live, ~live)].sum(axis=1)
    inside = np.ascontiguousarray(chain.count[np.ix_(live, live)])
    return live, inside, chain.conversion[live] + chain.null[live] + dead_ends


def _removal_effects(chain: Transitions, n_threads: int) -> tuple[Float64, Float64]:
    """Conversions and value that would be lost without each channel."""
    live, inside, absorbed = _live(chain)
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


def _leads_to_conversion(chain: Transitions) -> NDArray[np.bool_]:
    live = chain.conversion > 0
    new = live
    while new.any():
        new = (chain.count[:, new] > 0).any(axis=1) & ~live
        live = live | new
    return live


def _parts(effects: Float64, otherwise: Float64) -> Float64:
    total = float(effects.sum())
    return effects / total if total else otherwise
