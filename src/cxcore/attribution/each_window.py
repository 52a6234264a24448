"""Every window as a journey of its own, whose touches can be changed without those of the next one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxcore._columns import Int64
from cxcore._path_columns import Paths
from cxcore.attribution.base import Journeys
from cxcore.attribution.transforms import Transform, apply_all


def transformed(journeys: Journeys, transforms: Sequence[Transform]) -> Journeys:
    """The journeys with changed paths, one window a user; who had several is several users of one customer.

    O(touches of all windows), in memory too, where windows overlap.
    """
    if not transforms:
        return journeys
    customer, conversion, lo, hi = _windows(journeys)
    offset = np.concatenate(([0], np.cumsum(hi - lo)))
    touch = np.arange(offset[-1]) - np.repeat(offset[:-1] - lo, hi - lo)
    paths = apply_all(Paths(journeys.names, offset, journeys.channel[touch], touch), transforms)
    begin, end, converted = paths.offset[:-1], paths.offset[1:], conversion >= 0
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
        touch_row=_some(journeys.touch_row, paths.place),
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


def _some(items: NDArray[Any], which: Int64) -> NDArray[Any]:
    """Some items; none where there are none."""
    return items[which] if len(items) else items
