"""Sessions: runs of a user's events with no long silence inside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import polars as pl

from cxcore import _options, errors
from cxcore._columns import event_columns
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
from cxcore.sessions.found import (
    ROW_COLUMNS,
    TABLE_COLUMNS,
    GapRule,
    find,
    row_columns,
    table,
    table_schema,
)

GapClosed = Literal["right", "left"]


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
        _refuse_names(call, events.engine, events.engine.columns(events.frame), ROW_COLUMNS)
        new = row_columns(find(events, rule, threads), events, threads)
        return events.engine.with_columns(events.frame, events.house, new)
    roles = event_roles(
        call, user=user, time=time, order=order, time_unit=time_unit, null_user=null_user, null_time=null_time
    )
    engine, frame = open_frame(call, events)
    names = engine.columns(frame)
    check_event_roles(call, names, roles)
    _refuse_names(call, engine, names, ROW_COLUMNS)

    def compute(house: pl.DataFrame) -> pl.DataFrame:
        columns = event_columns(call, house, roles, n_threads=threads)
        index = index_columns(columns, roles, house, engine, frame, n_threads=threads)
        return row_columns(find(index, rule, threads), index, threads)

    def schema(_: pl.Schema) -> pl.Schema:
        return pl.Schema(dict.fromkeys(ROW_COLUMNS, pl.Int64()))

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
        _refuse_names(call, events.engine, events.roles.user, TABLE_COLUMNS)
        answer = table(find(events, rule, threads), events.house, events.roles)
        return events.engine.from_house(events.frame, answer)
    roles = event_roles(
        call, user=user, time=time, order=order, time_unit=time_unit, null_user=null_user, null_time=null_time
    )
    engine, frame = open_frame(call, events)
    _refuse_names(call, engine, roles.user, TABLE_COLUMNS)
    check_event_roles(call, engine.columns(frame), roles)

    def compute(house: pl.DataFrame) -> pl.DataFrame:
        columns = event_columns(call, house, roles, n_threads=threads)
        index = index_columns(columns, roles, house, engine, frame, n_threads=threads)
        return table(find(index, rule, threads), house, roles)

    def schema(before: pl.Schema) -> pl.Schema:
        return table_schema(before, roles)

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


def _refuse_names(call: str, engine: Engine, names: Sequence[str], ours: Sequence[str]) -> None:
    """What comes in may not have the names that the answer adds."""
    folded = set(map(engine.folded, ours))
    taken = [name for name in names if engine.folded(name) in folded]
    if taken:
        raise errors.column_exists(call, taken)
