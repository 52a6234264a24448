"""Groups of conversions: one answer for each, out of the same journeys."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cxcore._answers import row_groups
from cxcore._columns import Int32
from cxcore.attribution.base import Journeys

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """The groups of a log: ``names`` has the columns of ``by``, sorted; ``code`` int32 by row of the log."""

    names: pl.DataFrame
    code: Int32

    @classmethod
    def of(cls, call: str, house: pl.DataFrame, by: Any, counts: pl.Series, n_threads: int) -> Groups:
        """Those that some row has that ``counts``."""
        code, names, order = row_groups(call, house, by, n_threads)
        met = np.bincount(code[counts.to_numpy()], minlength=len(names)) > 0
        order = np.arange(len(names)) if order is None else order
        order = order[met[order]]
        place = np.full(len(names), -1, np.int32)
        place[order] = np.arange(len(order), dtype=np.int32)
        return cls(names[order], place[code])

    def parts(self, journeys: Journeys, code: Int32) -> Iterator[Journeys]:
        """The journeys of each group: those whose conversion is of the group, or else the last touch.

        ``code``: groups by row of the log that the journeys know.
        """
        of_conversion = code[journeys.conversion_row]
        of_null = np.full(journeys.n_users, -1, np.int32)
        if len(journeys.null_lo):
            walked = journeys.null_lo < journeys.null_hi
            of_null[walked] = code[journeys.touch_row[journeys.null_hi[walked] - 1]]
        for group in range(len(self.names)):
            yield only(journeys, of_conversion == group, of_null == group)


def only(journeys: Journeys, conversions: Mask, nulls: Mask) -> Journeys:
    """Some conversions, and the journeys that did not convert of some users; who has neither is left out."""
    kept = np.concatenate(([0], np.cumsum(conversions)))[journeys.conversion_offset]
    there = np.diff(kept) > 0
    if len(journeys.null_lo):
        there |= nulls & (journeys.null_lo < journeys.null_hi)
    size = np.diff(journeys.touch_offset)
    touches = np.repeat(there, size)
    offset = np.concatenate(([0], np.cumsum(np.where(there, size, 0))))
    shift = offset[:-1] - journeys.touch_offset[:-1]
    moved = np.repeat(shift, np.diff(journeys.conversion_offset))[conversions]
    new = replace(
        journeys,
        touch_offset=np.concatenate((offset[:-1][there], offset[-1:])),
        conversion_offset=np.concatenate((kept[:-1][there], kept[-1:])),
        lo=journeys.lo[conversions] + moved,
        hi=journeys.hi[conversions] + moved,
        value=journeys.value[conversions],
        conversion_tick=_some(journeys.conversion_tick, conversions),
        conversion_row=_some(journeys.conversion_row, conversions),
        channel=journeys.channel[touches],
        tick=_some(journeys.tick, touches),
        touch_row=_some(journeys.touch_row, touches),
        stage=_some(journeys.stage, touches),
        times=_some(journeys.times, there),
        key=_some(journeys.key, there),
        customer=_some(journeys.customer, there),
    )
    if not len(journeys.null_lo):
        return new
    null_hi = np.where(nulls, journeys.null_hi, journeys.null_lo)
    return replace(new, null_lo=(journeys.null_lo + shift)[there], null_hi=(null_hi + shift)[there])


def _some(items: NDArray[Any], which: Mask) -> NDArray[Any]:
    """Items of a mask; none where there are none."""
    return items[which] if len(items) else items
