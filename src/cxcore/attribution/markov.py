"""Journeys as a Markov chain: what would be lost without a channel?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from cxcore._columns import Float64
from cxcore._ext import markov as kernel
from cxcore.attribution.base import Credit, Journeys, Model, Transitions
from cxcore.attribution.taken_out import TakenOut, live_part, parts_of, taken_out


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
        return fitted.influence(some)


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
