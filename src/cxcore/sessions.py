"""Sessions: runs of a user's events with no long silence inside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl

from cxcore import _options, errors
from cxcore._columns import EventColumns, EventRoles, Int32, Int64, event_columns
from cxcore._ext import sessions as kernels
from cxcore._index import (
    EventIndex,
    NullTime,
    NullUser,
    check_event_roles,
    event_roles,
    index_columns,
)
from cxcore._options import TimeUnit
from cxcore.engines import open_frame
from cxcore.engines.base import Engine

GapClosed = Literal["right", "left"]

_UINT64_MAX = 2**64 - 1  # silences are unsigned: from the first tick to the last
_ROW_COLUMNS = ("session_id", "session_number")


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
    """What the kernels found: one entry a session, users in order of first appearance.

    The sessions of user ``u`` are ``offset[u]:offset[u + 1]``; ``number_of_row`` int32[n] is each row's
    session inside its user, 0 where it has none.
    """

    columns: EventColumns
    offset: Int64
    start: Int64
    end: Int64
    events: Int64
    id: Int64
    number: Int64
    user: Int32
    number_of_row: Int32


def sessionize(
    events: Any,
    *,
    user: str | Sequence[str] | None = None,
    time: str | None = None,
    gap: Any = "30m",
    gap_closed: GapClosed = "right",
    order: str | None = None,
    time_unit: TimeUnit | None = None,
    null_user: NullUser = "null",
    null_time: NullTime = "error",
    n_threads: int | None = None,
) -> Any:
    """Give every event the session it belongs to.

    A session is a run of one user's events in which no silence is longer than the gap.

    Parameters
    ----------
    events : frame of n rows, or EventIndex
        Polars DataFrame or LazyFrame, DuckDB relation, pandas, pyarrow, anything with
        ``__arrow_c_stream__``; or what :func:`cxcore.index` gave, and then the arguments that it had
        (``user``, ``time``, ``order``, ``time_unit``, ``null_user``, ``null_time``) are left out.
    user : str or list of str
        Column that says who; several columns make one key.
    time : str
        Column that says when: dates, datetimes of any unit and zone, or integers with ``time_unit``.
    gap : str or datetime.timedelta, default '30m'
        Longest silence inside a session, with its unit.
    gap_closed : {'right', 'left'}, default 'right'
        Whether a silence of exactly the gap joins (``'right'``: a session splits at ``>``) or splits
        (``'left'``: at ``>=``).
    order : str, optional
        Column that breaks ties of time; rows that still tie keep their order.
    time_unit : {'s', 'ms', 'us', 'ns'}, optional
        Unit of a time column of integers, counted from 1970-01-01 UTC.
    null_user : {'null', 'own', 'error'}, default 'null'
        Rows without a user get null ids, a session each of their own, or are refused. They never merge.
    null_time : {'error', 'null'}, default 'error'
        Rows without a time are refused, or get null ids.
    n_threads : int, optional
        Threads to use; as many as Polars has where None. The answer does not depend on it.

    Returns
    -------
    frame of n rows
        The same rows in the same order, with ``session_id`` (Int64, stable: it depends on the user, the
        session's start and nothing else) and ``session_number`` (Int64, 1, 2, 3 … per user in time order).

    Raises
    ------
    ColumnNotFoundError, InvalidOptionError, InvalidDataError, UnsupportedFrameError

    Notes
    -----
    Time O(n) for sorted logs and logs in arrival order; for any order a partition by user and a sort of each
    user. Memory beyond input and output: 8 bytes a row in arrival order, 24 in any order. On a LazyFrame the
    work waits for ``collect``, and so do errors about data.

    Examples
    --------
    >>> import datetime as dt, polars as pl, cxcore as cx
    >>> noon = dt.datetime(2026, 1, 5, 12)
    >>> log = pl.DataFrame({
    ...     "user_id": ["ann", "ann", "bob", "ann"],
    ...     "ts": [noon + dt.timedelta(minutes=m) for m in (0, 30, 31, 61)],
    ... })
    >>> cx.sessionize(log, user="user_id", time="ts", gap="30m")["session_number"].to_list()
    [1, 1, 1, 2]
    """
    call = "sessionize"
    rule = _gap_rule(call, gap, gap_closed)
    threads = _options.n_threads(call, n_threads)
    if isinstance(events, EventIndex):
        _refuse_roles(call, user, time, order, time_unit, null_user, null_time)
        _refuse_names(call, events.engine, events.engine.columns(events.frame), _ROW_COLUMNS)
        new = _row_columns(_sessions_of_index(events, rule, threads, rows=True), threads)
        return events.engine.with_columns(events.frame, events.house, new)
    roles = event_roles(
        call, user=user, time=time, order=order, time_unit=time_unit, null_user=null_user, null_time=null_time
    )
    engine, frame = open_frame(call, events)
    names = engine.columns(frame)
    check_event_roles(call, names, roles)
    _refuse_names(call, engine, names, _ROW_COLUMNS)

    def compute(house: pl.DataFrame) -> pl.DataFrame:
        return _row_columns(_sessions_of(call, house, roles, rule, threads), threads)

    def schema(_: pl.Schema) -> pl.Schema:
        return pl.Schema(dict.fromkeys(_ROW_COLUMNS, pl.Int64()))

    return engine.rows(call, frame, roles.columns, compute, schema)


def sessions(
    events: Any,
    *,
    user: str | Sequence[str] | None = None,
    time: str | None = None,
    gap: Any = "30m",
    gap_closed: GapClosed = "right",
    order: str | None = None,
    time_unit: TimeUnit | None = None,
    null_user: NullUser = "null",
    null_time: NullTime = "error",
    n_threads: int | None = None,
) -> Any:
    """One row for each session: who, from when to when, how many events.

    Parameters
    ----------
    events, user, time, gap, gap_closed, order, time_unit, null_user, null_time, n_threads
        As in :func:`cxcore.sessionize`.

    Returns
    -------
    frame
        In the flavour that came in, users in order of first appearance, their sessions in time order: the
        user's column or columns, ``session_id``, ``session_number``, ``start`` and ``end`` (first and last
        event, as the time column has them), ``duration`` (``end - start``; an integer where time is),
        ``events`` (Int64). Rows that have no session (no user, no time) are in none.

    Raises
    ------
    ColumnNotFoundError, InvalidOptionError, InvalidDataError, UnsupportedFrameError

    Notes
    -----
    Time as :func:`cxcore.sessionize`, without writing the rows; memory beyond input and output at its peak
    about 35 bytes a row (measured in random order).

    Examples
    --------
    >>> import datetime as dt, polars as pl, cxcore as cx
    >>> noon = dt.datetime(2026, 1, 5, 12)
    >>> log = pl.DataFrame({
    ...     "user_id": ["ann", "ann", "bob", "ann"],
    ...     "ts": [noon + dt.timedelta(minutes=m) for m in (0, 30, 31, 61)],
    ... })
    >>> table = cx.sessions(log, user="user_id", time="ts", gap="30m")
    >>> table.select("user_id", "session_number", "events").rows()
    [('ann', 1, 2), ('ann', 2, 1), ('bob', 1, 1)]
    """
    call = "sessions"
    rule = _gap_rule(call, gap, gap_closed)
    threads = _options.n_threads(call, n_threads)
    if isinstance(events, EventIndex):
        _refuse_roles(call, user, time, order, time_unit, null_user, null_time)
        _refuse_names(call, events.engine, events.roles.user, _TABLE_COLUMNS)
        found = _sessions_of_index(events, rule, threads, rows=False)
        return events.engine.from_house(events.frame, _table(found, events.house, events.roles))
    roles = event_roles(
        call, user=user, time=time, order=order, time_unit=time_unit, null_user=null_user, null_time=null_time
    )
    engine, frame = open_frame(call, events)
    _refuse_names(call, engine, roles.user, _TABLE_COLUMNS)
    check_event_roles(call, engine.columns(frame), roles)

    def compute(house: pl.DataFrame) -> pl.DataFrame:
        return _table(_sessions_of(call, house, roles, rule, threads), house, roles)

    def schema(before: pl.Schema) -> pl.Schema:
        return _table_schema(before, roles)

    return engine.summary(call, frame, roles.columns, compute, schema)


# ---------------------------------------------------------------- options


def _gap_rule(call: str, gap: Any, gap_closed: str) -> GapRule:
    nanoseconds = _options.duration(call, "gap", gap)
    return GapRule(nanoseconds, _options.word(call, "gap_closed", gap_closed, ("right", "left")))


def _refuse_roles(
    call: str, user: object, time: object, order: object, time_unit: object, null_user: str, null_time: str
) -> None:
    """An index has its roles; a second set would be ignored in silence."""
    given = {"user": user, "time": time, "order": order, "time_unit": time_unit}
    beside = [name for name, value in given.items() if value is not None]
    policies = {"null_user": (null_user, "null"), "null_time": (null_time, "error")}
    beside += [
        name for name, (value, usual) in policies.items() if not (isinstance(value, str) and value == usual)
    ]
    if beside:
        raise errors.not_with_index(call, beside)


_TABLE_COLUMNS = ("session_id", "session_number", "start", "end", "duration", "events")


def _refuse_names(call: str, engine: Engine, names: Sequence[str], ours: Sequence[str]) -> None:
    """What comes in may not have the names that the answer adds."""
    folded = set(map(engine.folded, ours))
    taken = [name for name in names if engine.folded(name) in folded]
    if taken:
        raise errors.column_exists(call, taken)


# ---------------------------------------------------------------- compute


def _sessions_of(
    call: str, house: pl.DataFrame, roles: EventRoles, rule: GapRule, n_threads: int
) -> Sessions:
    """Sessions of a log by the way that its order allows."""
    columns = event_columns(call, house, roles, n_threads=n_threads)
    gap = rule.ticks(columns.tick_length)
    indexed = kernels.is_indexed(columns.code, columns.tick, columns.tie)
    # a tie-break moves no event of a user to another session, but it numbers sessions of one row each
    tied = columns.own >= 0 and len(columns.tie) > 0
    if indexed or tied or not kernels.arrives_in_order(columns.tick, gap):
        engine, frame = open_frame(call, house)
        index = index_columns(columns, roles, house, engine, frame, n_threads=n_threads)
        return _sessions_of_index(index, rule, n_threads, rows=True)
    number_of_row = np.empty(len(columns.code), np.int32)
    found = kernels.sessionize_arrival(
        columns.code, columns.tick, columns.n_users, gap, columns.own, n_threads, number_of_row
    )
    return _with_ids(columns, *found, number_of_row, n_threads)


def _sessions_of_index(index: EventIndex, rule: GapRule, n_threads: int, *, rows: bool) -> Sessions:
    """Sessions of an index in two scans: how many, then which."""
    columns = index.columns
    gap = rule.ticks(columns.tick_length)
    offset = np.empty(columns.n_users + 1, np.int64)
    kernels.count_sessions(index.offset, index.tick, gap, columns.own, n_threads, offset)
    start, end, count = (np.empty(offset[-1], np.int64) for _ in range(3))
    number_of_row = np.zeros(len(columns.code) if rows else 0, np.int32)
    kernels.fill_sessions(
        index.offset,
        index.row,
        index.tick,
        gap,
        columns.own,
        offset,
        n_threads,
        start,
        end,
        count,
        number_of_row,
    )
    return _with_ids(columns, offset, start, end, count, number_of_row, n_threads)


def _with_ids(
    columns: EventColumns,
    offset: Int64,
    start: Int64,
    end: Int64,
    events: Int64,
    number_of_row: Int32,
    n_threads: int,
) -> Sessions:
    ids, number = np.empty(len(start), np.int64), np.empty(len(start), np.int64)
    user = np.empty(len(start), np.int32)
    keys = columns.keys
    kernels.session_ids(
        offset, start, columns.tick_length, keys.offset, keys.data, columns.own, n_threads, ids, number, user
    )
    return Sessions(columns, offset, start, end, events, ids, number, user, number_of_row)


def _row_columns(found: Sessions, n_threads: int) -> pl.DataFrame:
    """``session_id`` and ``session_number`` of each row."""
    code = found.columns.code
    row_id, row_number = np.empty(len(code), np.int64), np.empty(len(code), np.int64)
    kernels.spread_sessions(
        code, found.number_of_row, found.offset, found.id, found.number, n_threads, row_id, row_number
    )
    rows = pl.DataFrame(dict(zip(_ROW_COLUMNS, (row_id, row_number), strict=True)))
    if int(found.columns.count.sum()) < len(code):
        has_one = pl.col("session_number") > 0
        rows = rows.with_columns(pl.when(has_one).then(pl.col(name)).alias(name) for name in _ROW_COLUMNS)
    return rows


def _table(found: Sessions, house: pl.DataFrame, roles: EventRoles) -> pl.DataFrame:
    """The table of sessions in the house frame, names and types of the log kept."""
    schema = _table_schema(house.schema, roles)
    keys, time = found.columns.keys, house.schema[roles.time]
    of_key = house.select(roles.user)[keys.first]
    row = pl.Series(found.user.astype(np.int64))
    if found.columns.own >= 0:  # the shared code of rows without a user has no key
        row = row.set(row == found.columns.own, None)
    users = of_key.select(pl.all().gather(row))
    integers = time.to_python() is int
    start, end = pl.Series(found.start), pl.Series(found.end)
    return users.with_columns(
        session_id=pl.Series(found.id),
        session_number=pl.Series(found.number),
        start=start.cast(schema["start"]) if integers else _times(start, time),
        end=end.cast(schema["end"]) if integers else _times(end, time),
        duration=_lengths(end - start, schema["duration"], found.columns.tick_length),
        events=pl.Series(found.events),
    ).cast({"duration": schema["duration"]})


def _times(ticks: pl.Series, dtype: pl.DataType) -> pl.Series:
    """Ticks as the time column had them."""
    return ticks.cast(pl.Int32).cast(dtype) if dtype == pl.Date else ticks.cast(dtype)


def _lengths(ticks: pl.Series, dtype: pl.DataType, tick_length: int) -> pl.Series:
    """Ticks as a duration; days of a date column in milliseconds, integers as they are."""
    if not isinstance(dtype, pl.Duration):
        return ticks
    unit = _options.NANOSECONDS[dtype.time_unit]
    return (ticks * (tick_length // unit)).cast(dtype)


def _table_schema(before: pl.Schema, roles: EventRoles) -> pl.Schema:
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
