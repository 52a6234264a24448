"""Journeys as a Markov chain: what would be lost without a channel?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from cxcore._columns import Float64
from cxcore._ext import markov as kernel
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


def _removal_effects(chain: Transitions, n_threads: int) -> tuple[Float64, Float64]:
    """Conversions and value that would be lost without each channel."""
    live = _leads_to_conversion(chain)  # from the others nothing can be lost: they are null by another name
    inside = np.ascontiguousarray(chain.count[np.ix_(live, live)])
    dead_ends = chain.count[np.ix_(live, ~live)].sum(axis=1)
    lost, lost_value = np.zeros(len(live)), np.zeros(len(live))
    conversions, value = np.zeros(len(inside)), np.zeros(len(inside))
    kernel.removal_effects(
        inside,
        chain.conversion[live] + chain.null[live] + dead_ends,
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
