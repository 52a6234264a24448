"""What the kernels find, and what becomes of it: names of rows, and the table of sessions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from cxcore import _options
from cxcore._columns import EventColumns, EventRoles, Int32, Int64
from cxcore._ext import sessions as kernels
from cxcore._ext.arrays import empty
from cxcore._index import EventIndex

ROW_COLUMNS = ("session_id", "session_number")
TABLE_COLUMNS = ("session_id", "session_number", "start", "end", "duration", "events")

_UINT64_MAX = 2**64 - 1  # silences are unsigned: from the first tick to the last


@dataclass(frozen=True, slots=True)
class GapRule:
    """A new session starts when the silence is longer than the gap (``>``), or as long (``>=``, "left")."""

    nanoseconds: int
    closed: str

    def ticks(self, tick_length: int) -> int:
        """The longest silence, in ticks of the time column, that does not split."""
        if self.closed == "right":
            return _options.ticks_below(self.nanoseconds, tick_length, _UINT64_MAX)
        return _options.ticks_above(self.nanoseconds, tick_length, _UINT64_MAX + 1) - 1


@dataclass(frozen=True, slots=True)
class Sessions:
    """What the kernels found: one entry a session, users in order of first appearance, then time.

    ``name`` int64[n_sessions, 2] is id and number, side by side; ``user`` int32[n_sessions] the code.
    Of the two ways back to rows one is there: ``begin`` int64[n_sessions + 1], the positions of an index; or
    ``label`` int32[n_rows], -1 where a row has no session, with the names ``label_name`` int64[n_labels, 2].
    """

    columns: EventColumns
    start: Int64
    end: Int64
    events: Int64
    name: Int64
    user: Int32
    begin: Int64 | None = None
    label: Int32 | None = None
    label_name: Int64 | None = None


def find(index: EventIndex, rule: GapRule, n_threads: int) -> Sessions:
    """Sessions of a log by the way that its order allows; those of the rule asked last are kept."""
    found: Sessions
    for known, found in index.last:
        if known == rule:
            return found
    columns = index.columns
    gap = rule.ticks(columns.tick_length)
    # a tie-break moves no event of a user to another session, but it numbers sessions of one row each
    tied = columns.own >= 0 and len(columns.tie) > 0
    if index.is_sorted or tied or not kernels.arrives_in_order(columns.tick, gap):
        found = _of_index(index, gap, n_threads)
    else:
        found = _of_arrivals(columns, gap, n_threads)
    index.last[:] = [(rule, found)]
    return found


def _of_index(index: EventIndex, gap: int, n_threads: int) -> Sessions:
    columns = index.columns
    offset, begin = kernels.find_sessions(index.offset, index.tick, gap, columns.own, n_threads)
    start, end = index.tick[begin[:-1]], index.tick[begin[1:] - 1]
    name, user = _names(columns, offset, start, n_threads)
    return Sessions(columns, start, end, np.diff(begin), name, user, begin=begin)


def _of_arrivals(columns: EventColumns, gap: int, n_threads: int) -> Sessions:
    label = empty(len(columns.code), np.int32)
    offset, start, end, events, session = kernels.sessionize_arrival(
        columns.code, columns.tick, columns.count, gap, columns.own, n_threads, label
    )
    name, user = _names(columns, offset, start, n_threads)
    by_label = name[session] if len(name) else name
    return Sessions(columns, start, end, events, name, user, label=label, label_name=by_label)


def _names(columns: EventColumns, offset: Int64, start: Int64, n_threads: int) -> tuple[Int64, Int32]:
    name, user = empty((len(start), 2), np.int64), empty(len(start), np.int32)
    keys, length = columns.keys, columns.tick_length
    kernels.session_ids(offset, start, length, keys.offset, keys.data, columns.own, n_threads, name, user)
    return name, user


def row_columns(found: Sessions, index: EventIndex, n_threads: int) -> pl.DataFrame:
    """``session_id`` and ``session_number`` of each row."""
    n = len(index)
    row_id, row_number = empty(n, np.int64), empty(n, np.int64)
    if found.label is not None and found.label_name is not None:
        kernels.name_rows(found.label, found.label_name, n_threads, row_id, row_number)
    elif found.begin is not None and index.is_log:
        kernels.name_runs(found.begin, found.name, n_threads, row_id, row_number)
    elif found.begin is not None:
        label = empty(n, np.int32)
        if len(index.row) < n:
            label.fill(-1)
        kernels.label_rows(found.begin, index.row, n_threads, label)
        kernels.name_rows(label, found.name, n_threads, row_id, row_number)
    rows = pl.DataFrame(dict(zip(ROW_COLUMNS, (row_id, row_number), strict=True)))
    if int(found.columns.count.sum()) < n:
        has_one = pl.col("session_number") > 0
        rows = rows.with_columns(pl.when(has_one).then(pl.col(name)).alias(name) for name in ROW_COLUMNS)
    return rows


def table(found: Sessions, house: pl.DataFrame, roles: EventRoles) -> pl.DataFrame:
    """The table of sessions in the house frame, names and types of the log kept."""
    schema = table_schema(house.schema, roles)
    columns, time = found.columns, house.schema[roles.time]
    first = columns.keys.first
    row = pl.Series(first[np.minimum(found.user, len(first) - 1)] if len(first) else found.user)
    if columns.own >= 0:  # the shared code of rows without a user has no key
        has_key = pl.Series(found.user != columns.own)
        row = row.to_frame("row").select(pl.when(has_key).then("row")).to_series()
    integers = time.to_python() is int
    start, end = pl.Series(found.start), pl.Series(found.end)
    return pl.DataFrame(
        {
            **{name: house[name].gather(row) for name in roles.user},
            "session_id": found.name[:, 0],
            "session_number": found.name[:, 1],
            "start": start.cast(schema["start"]) if integers else _times(start, time),
            "end": end.cast(schema["end"]) if integers else _times(end, time),
            "duration": _lengths(end - start, schema["duration"], columns.tick_length),
            "events": found.events,
        }
    )


def _times(ticks: pl.Series, dtype: pl.DataType) -> pl.Series:
    """Ticks as the time column had them."""
    return ticks.cast(pl.Int32).cast(dtype) if dtype == pl.Date else ticks.cast(dtype)


def _lengths(ticks: pl.Series, dtype: pl.DataType, tick_length: int) -> pl.Series:
    """Ticks as a duration; days of a date column in milliseconds, integers as they are."""
    if not isinstance(dtype, pl.Duration):
        return ticks.cast(dtype)
    unit = _options.NANOSECONDS[dtype.time_unit]
    return (ticks * (tick_length // unit)).cast(dtype)


def table_schema(before: pl.Schema, roles: EventRoles) -> pl.Schema:
    time = before[roles.time]
    duration: pl.DataType = pl.Int64()
    if isinstance(time, pl.Datetime):
        duration = pl.Duration(time.time_unit)
    elif time == pl.Date:
        duration = pl.Duration("ms")
    return pl.Schema(
        {
            **{name: before[name] for name in roles.user},
            "session_id": pl.Int64(),
            "session_number": pl.Int64(),
            "start": time,
            "end": time,
            "duration": duration,
            "events": pl.Int64(),
        }
    )
