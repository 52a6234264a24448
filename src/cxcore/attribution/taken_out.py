"""The chain of order 1 with each channel taken out, and what one customer more changes in it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cxcore._columns import Float64
from cxcore._ext import uncertainty
from cxcore.attribution.base import Journeys, Transitions

#: channels up to which a table of steps is made: 2 n ** 3 numbers
_TABLE = 64

#: effects whose sum is less than this part of their sizes sum to nothing
_NOTHING = 1e-12


@dataclass(frozen=True, eq=False)
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

    def influence(self, some: Journeys) -> Float64:
        """What each customer changes in the credit, [n_users, n_channels, 2]."""
        influence = np.empty((some.n_users, some.n_channels, 2))
        n_threads = some.n_threads
        if len(self.part) <= _TABLE:
            uncertainty.table_influence(some.view, *self._table, n_threads, influence)
            return influence
        left = (self.visits, self.ahead, self.worth, self.part, self.gain, self.gain_of_value)
        uncertainty.chain_influence(some.view, *left, n_threads, influence)
        return influence

    def squares(self, people: Journeys, mean: Float64, n: float) -> Float64 | None:
        """Their squares, where there is a table of steps (``Model.squares``)."""
        if len(self.part) > _TABLE:
            return None
        sums, alone = np.zeros((len(mean), 2)), people.alone.view(np.uint8)
        uncertainty.table_squares(people.view, *self._table, alone, mean, n, people.n_threads, sums)
        return sums

    @cached_property
    def _table(self) -> tuple[Float64, Float64]:
        """What each step changes: with few channels a sum over steps is faster than the formula."""
        n = len(self.part)
        visits, ahead = self.visits, self.ahead
        worth = self.worth if len(self.worth) else ahead
        rows = np.empty((n * (n + 3), n, 2))
        for at, (of, gain) in enumerate(((ahead, self.gain), (worth, self.gain_of_value))):
            part = self.part[:, at]
            converts = at == 0 or not len(self.worth)  # value that is split as conversions are
            step = visits[:, None] * (of[None] - of[:, None])
            left = np.concatenate((step.reshape(n * n, n), of, -visits * of, visits * (converts - of)))
            rows[:, :, at] = -gain * (left - part * left.sum(axis=1)[:, None])
            whole = gain * (1.0 - part * n)
            if converts:
                rows[n * (n + 2) :, :, at] += whole
        rows[n * (n + 2) :, :, 0] += self.part[:, 0]
        of_value = np.tile(part, (n, 1))
        if not converts:
            of_value += whole - gain * (visits - part * visits.sum(axis=1)[:, None])
        return rows.reshape(n * (n + 3), 2 * n), of_value


def taken_out(chain: Transitions, n_threads: int) -> TakenOut:
    """What the influence of a customer is made of (docs/explanation/attribution.md)."""
    live, inside, absorbed = live_part(chain)
    n, n_live = len(live), len(inside)
    inverse, at_once = np.zeros((n_live, n_live)), np.zeros((3, n_live))
    earned = chain.value[live]
    ends = (chain.start[live], chain.conversion[live], earned)
    uncertainty.invert_chain(inside, absorbed, *ends, n_threads, inverse, *at_once)
    visits, ahead, worth = at_once
    returns = np.diagonal(inverse)
    lost, lost_value = np.zeros(n), np.zeros(n)
    lost[live], lost_value[live] = visits * ahead / returns, visits * worth / returns
    part = parts_of(lost, np.zeros_like(lost))
    by_value = _sums(lost_value)
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
        np.column_stack((part, parts_of(lost_value, part))),
        gain,
        whole / of_value if of_value else 0.0,
    )


def live_part(chain: Transitions) -> tuple[NDArray[np.bool_], Float64, Float64]:
    """Channels that can lead to a conversion, the steps between them, and those out of them for good.

    From the others nothing can be lost: they are null by another name.
    """
    live = _leads_to_conversion(chain)
    dead_ends = chain.count[np.ix_(live, ~live)].sum(axis=1)
    inside = np.ascontiguousarray(chain.count[np.ix_(live, live)])
    return live, inside, chain.conversion[live] + chain.null[live] + dead_ends


def _leads_to_conversion(chain: Transitions) -> NDArray[np.bool_]:
    live = chain.conversion > 0
    new = live
    while new.any():
        new = (chain.count[:, new] > 0).any(axis=1) & ~live
        live = live | new
    return live


def parts_of(effects: Float64, otherwise: Float64) -> Float64:
    return effects / float(effects.sum()) if _sums(effects) else otherwise


def _sums(effects: Float64) -> bool:
    """Do they sum to something? Signed values that cancel leave rounding."""
    return bool(abs(effects.sum()) > _NOTHING * abs(effects).sum())
