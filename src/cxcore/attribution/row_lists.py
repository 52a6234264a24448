"""Customers as lists of rows of a table: their squares, where a row says what it changes in the credit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cxcore._columns import Float64, Int32, Int64
from cxcore._ext import uncertainty as kernel
from cxcore.attribution.base import Journeys


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """By entry, users in their order: whose it is, which row, and how often it counts."""

    user: Int64
    row: Int64
    times: Float64


def list_squares(
    people: Journeys,
    parts: Sequence[Rows],
    table: Float64,
    earned: Float64,
    mean: Float64,
    n: float,
) -> Float64:
    """``Model.squares`` of sums of rows [n_rows, n_channels, 2], and of what touches earned beside, which is
    float64[n_touches, 2] or has no item."""
    user = np.concatenate([part.user for part in parts])
    order = np.argsort(user, kind="stable")  # runs that are in order: they are merged
    row: Int32 = np.concatenate([part.row for part in parts]).astype(np.int32)[order]
    times = np.concatenate([part.times for part in parts])[order]
    offset = np.zeros(people.n_users + 1, np.int64)
    np.cumsum(np.bincount(user, minlength=people.n_users), out=offset[1:])
    sums, alone = np.zeros((len(mean), 2)), people.alone.view(np.uint8)
    flat = table.reshape(len(table), len(mean) - 3)
    kernel.list_squares(people.view, offset, row, times, flat, earned, alone, mean, n, people.n_threads, sums)
    return sums
