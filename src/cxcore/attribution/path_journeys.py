"""From a table of paths to journeys: each row is customers alike, who converted or who did not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cxcore._columns import Int64
from cxcore._ext import paths as kernel
from cxcore._ext.arrays import empty
from cxcore._path_columns import PathColumns
from cxcore.attribution.base import Journeys

_NONE, _NO_ROWS = np.empty(0), np.empty(0, np.int64)


def journeys_of_paths(
    columns: PathColumns, *, nulls: bool, draws: bool, with_rows: bool, n_threads: int
) -> Journeys:
    """A user for each row; those of a row who did not convert beside others are one more, behind all rows.

    ``nulls``: who did not convert is asked for. ``draws``: customers are drawn, whose key is their place, so
    that rows are put in an order which does not depend on theirs. ``with_rows``: rows are asked for.
    """
    row = _order(columns) if draws else None
    if row is not None:
        columns = columns.some(row)
    conversions = columns.conversions
    lost = columns.nulls if nulls and columns.nulls is not None else _NONE
    again = np.flatnonzero((conversions > 0) & (lost > 0)) if len(lost) else _NO_ROWS
    paths = columns.paths.and_again(again)
    n, n_conversions = len(paths), int(np.count_nonzero(conversions))
    by_user, by_conversion = empty((3, n + 1), np.int64), empty((3, n_conversions), np.int64)
    conversion_offset, times, null_hi = by_user[0], by_user[1, :n].view(np.float64), by_user[2, :n]
    lo, hi, value = by_conversion[0], by_conversion[1], by_conversion[2].view(np.float64)
    if not len(lost):
        null_hi = _NO_ROWS
    worth = _NONE if columns.value is None else columns.value
    kernel.path_windows(
        paths.offset, conversions, lost, worth, again, conversion_offset, times, null_hi, lo, hi, value
    )
    journeys = Journeys(
        names=paths.names,
        touch_offset=paths.offset,
        conversion_offset=conversion_offset,
        channel=paths.channel,
        tick=_NO_ROWS,
        conversion_tick=_NO_ROWS,
        value=value,
        lo=lo,
        hi=hi,
        tick_length=1,
        n_threads=n_threads,
        null_lo=paths.offset[:-1] if len(lost) else _NO_ROWS,
        null_hi=null_hi,
        times=times,
        key=np.arange(n if draws else 0, dtype=np.uint64),
    )
    if not with_rows:
        return journeys
    rows = np.arange(len(conversions)) if row is None else row
    rows = np.concatenate((rows, rows[again]))
    converted = np.diff(conversion_offset) > 0
    return replace(journeys, touch_row=np.repeat(rows, paths.size), conversion_row=rows[converted])


def _order(columns: PathColumns) -> Int64:
    """Rows by path, then by what became of its journeys."""
    others = [x for x in (columns.nulls, columns.value) if x is not None]
    order = np.lexsort((*others, columns.conversions))
    found: Int64 = order[columns.paths.some(order).order()]
    return found
