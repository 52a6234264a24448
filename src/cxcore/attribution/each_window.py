"""Every window as a journey of its own, whose touches can be changed without those of the next one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cxcore._columns import Int64, codes
from cxcore._path_columns import Paths
from cxcore.attribution.base import Journeys
from cxcore.attribution.transforms import Transform, apply_all

#: touches of windows that are spelled out at once
_HELD = 1 << 22


def transformed(journeys: Journeys, transforms: Sequence[Transform]) -> Journeys:
    """The journeys with changed paths, one window a user; who had several is several users of one customer.

    O(touches of all windows); in memory those that are left.
    """
    if not transforms:
        return journeys
    customer, conversion, lo, hi = _windows(journeys)
    paths = _changed(journeys, lo, hi, transforms)
    begin, end, converted = paths.offset[:-1], paths.offset[1:], conversion >= 0
    row = _some(journeys.touch_row, paths.place)
    if len(row):  # the last touch says the group of who did not convert, also where it is left out
        row[end[~converted] - 1] = journeys.touch_row[hi[~converted] - 1]
    new = replace(
        journeys,
        names=paths.names,
        touch_offset=paths.offset,
        conversion_offset=np.concatenate(([0], np.cumsum(converted))),
        channel=paths.channel,
        tick=_some(journeys.tick, paths.place),
        lo=begin[converted],
        hi=end[converted],
        times=_some(journeys.times, customer),
        key=_some(journeys.key, customer),
        customer=customer,
        touch_row=row,
        stage=_some(journeys.stage, paths.place),
    )
    if not len(journeys.null_lo):
        return new
    return replace(new, null_lo=begin, null_hi=np.where(converted, begin, end))


def _windows(journeys: Journeys) -> tuple[Int64, Int64, Int64, Int64]:
    """By window, customer after customer: whose, which conversion (-1: it did not convert), touches."""
    user = np.repeat(np.arange(journeys.n_users), np.diff(journeys.conversion_offset))
    lost = np.flatnonzero(journeys.null_lo < journeys.null_hi)
    nulls = (lost, np.full(len(lost), -1), journeys.null_lo[lost], journeys.null_hi[lost])
    some = (user, np.arange(len(user)), journeys.lo, journeys.hi)
    both = [np.concatenate(parts) for parts in zip(some, nulls, strict=True)]
    order = np.argsort(both[0], kind="stable")
    customer, conversion, lo, hi = (part[order] for part in both)
    return customer, conversion, lo, hi


def _changed(journeys: Journeys, lo: Int64, hi: Int64, transforms: Sequence[Transform]) -> Paths:
    """The paths of windows after all transforms, some windows at a time."""
    before = np.concatenate(([0], np.cumsum(hi - lo)))
    parts: list[Paths] = []
    first = 0
    while first < len(lo) or not parts:
        end = int(np.searchsorted(before, before[first] + _HELD, side="right")) - 1
        some = slice(first, max(end, first + 1))
        offset = before[some.start : some.stop + 1] - before[first]
        touch = np.arange(offset[-1]) - np.repeat(offset[:-1] - lo[some], hi[some] - lo[some])
        part = Paths(journeys.names, offset, journeys.channel[touch], touch)
        parts.append(apply_all(part, transforms))
        first = some.stop
    return parts[0] if len(parts) == 1 else _together(parts)


def _together(parts: Sequence[Paths]) -> Paths:
    """Parts as one; each may have given channels names of its own."""
    names = parts[0].names
    channel = np.concatenate([part.channel for part in parts])
    if any(part.names is not names for part in parts):
        every = pl.concat([part.names for part in parts])
        code, first = codes("attribute", "channel", every.to_frame("name"), "name", n_threads=1)
        begins = np.cumsum([0, *(len(part.names) for part in parts[:-1])])
        moved = [code[at + part.channel] for at, part in zip(begins, parts, strict=True)]
        names, channel = every[first], np.concatenate(moved)
    size = np.concatenate([part.size for part in parts])
    offset = np.concatenate(([0], np.cumsum(size)))
    return Paths(names, offset, channel, np.concatenate([part.places for part in parts]))


def _some(items: NDArray[Any], which: Int64) -> NDArray[Any]:
    """Some items; none where there are none."""
    return items[which] if len(items) else items
