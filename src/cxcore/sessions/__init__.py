"""Sessions: runs of a user's events, ended by silence or by any of the rules of ``sessions.rules``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from typing import Any, Literal

import polars as pl

from cxcore import _options, errors
from cxcore._by_user import by_user, check_sorted_by_user
from cxcore._columns import check_roles, needed
from cxcore._index import (
    EventIndex,
    NullTime,
    NullUser,
    check_event_roles,
    event_roles,
    index_of,
)
from cxcore._options import TimeUnit
from cxcore._spill import Spill, by_parts, spill_of
from cxcore.engines import open_frame
from cxcore.engines.base import Engine
from cxcore.sessions.carried import row_parts, table_parts
from cxcore.sessions.found import (
    REASON,
    ROW_COLUMNS,
    TABLE_COLUMNS,
    find,
    row_columns,
    table,
    table_schema,
)
from cxcore.sessions.measures import Measures, measure, measures_of
from cxcore.sessions.parts import Cut, rows_by_parts, table_by_parts
from cxcore.sessions.rules import (
    GAP,
    GAP_CLOSED,
    PRESETS,
    SPLIT_NULL,
    Calendar,
    GapClosed,
    Preset,
    Rules,
    SessionRules,
    SplitNull,
    rules_of,
)
from cxcore.sessions.stream import SessionStream, SessionUpdate

__all__ = [
    "PRESETS",
    "Preset",
    "SessionRules",
    "SessionStream",
    "SessionUpdate",
    "sessionize",
    "sessions",
]

Id = Literal["stable", "dense"]
Role = str | pl.Expr | None
SpillTo = str | os.PathLike[str] | Spill | None


def sessionize(
    events: Any,
    *,
    user: str | Sequence[str] | None = None,
    time: str | None = None,
    gap: Any = GAP,
    gap_closed: GapClosed = GAP_CLOSED,
    max_duration: Any = None,
    max_events: int | None = None,
    calendar: Calendar | None = None,
    time_zone: str | None = None,
    start_on: Role = None,
    end_on: Role = None,
    split_on: Role | Sequence[str | pl.Expr] = None,
    split_null: SplitNull = SPLIT_NULL,
    keep_alive: Role = None,
    unique: str | Sequence[str] | None = None,
    long_after: Any = None,
    preset: Preset | SessionRules | None = None,
    order: str | None = None,
    reason: bool = False,
    id: Id = "stable",
    time_unit: TimeUnit | None = None,
    null_user: NullUser = "null",
    null_time: NullTime = "error",
    spill: SpillTo = None,
    sorted_by_user: bool = False,
    n_threads: int | None = None,
) -> Any:
    """Give every event the session it belongs to.

    A session is a run of one user's events in which no silence is longer than the gap, and which none of the
    other rules ends. All rules may be given at once; each event is looked at in order of (time, ``order``,
    row).

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
    gap : str, datetime.timedelta, Polars expression or None, default '30m'
        Longest silence inside a session, with its unit. An expression gives a duration for each event: how
        long that event keeps its session open. None: silence ends no session.
    gap_closed : {'right', 'left'}, default 'right'
        Whether a silence of exactly the gap joins (``'right'``: a session splits at ``>``) or splits
        (``'left'``: at ``>=``).
    max_duration : str or datetime.timedelta, optional
        A session starts at the first event that is strictly later than the start and this.
    max_events : int, optional
        A session starts after this many events.
    calendar : {'1d', '1w', '1mo'}, optional
        A session starts with each local day, week (Monday) or month.
    time_zone : str, optional
        Zone of the calendar, such as 'Europe/Berlin'; that of the time column where None, UTC where it has
        none. Times without a zone are converted from UTC: leave it out where they are local already.
    start_on, end_on : str or Polars expression, optional
        Boolean column: the event starts a session; is the last of its session. Null is false.
    split_on : str, Polars expression, or a list of them, optional
        A session starts where one of these changes, such as the campaign.
    split_null : {'carry', 'break', 'ignore'}, default 'carry'
        A null of ``split_on`` stands for the last value of the user; is a value of its own; or is no change,
        and nothing is one beside it.
    keep_alive : str or Polars expression, optional
        Boolean column: an event where it is false (a heartbeat) joins a session and does not prolong it, but
        starts one where none is open. Null is true.
    unique : str or list of str, optional
        Columns that tell events of a user apart: of rows that are equal in all, the first counts and the
        others get its session. A row with a null among them repeats nothing.
    long_after : str or datetime.timedelta, optional
        Adds ``session_is_long``: is the session longer than this? Nothing is cut or dropped.
    preset : {'ga4', 'ua', 'mixpanel', 'amplitude', 'snowplow', 'spark', 'kafka', 'cja'} or SessionRules,
    optional
        Rules of a tool, or of your own; options given beside it go first, and None leaves what it says.
    order : str, optional
        Column that breaks ties of time; rows that still tie keep their order.
    reason : bool, default False
        Adds ``session_reason``, why the session began: the first that holds of first, start_on, end_on,
        split_on, calendar, gap, max_duration, max_events.
    id : {'stable', 'dense'}, default 'stable'
        A stable id depends on the user and the session's start alone; 'dense' counts 0, 1, 2 … by start, and
        changes when the log grows.
    time_unit : {'s', 'ms', 'us', 'ns'}, optional
        Unit of a time column of integers, counted from 1970-01-01 UTC.
    null_user : {'null', 'own', 'error'}, default 'null'
        Rows without a user get null ids, a session each of their own, or are refused. They never merge.
    null_time : {'error', 'null'}, default 'error'
        Rows without a time are refused, or get null ids.
    spill : str, path or cxcore.Spill, optional
        A folder for what memory does not hold: a LazyFrame is read once and spread by user over 64 parts on
        disk, memory holds one part, and the answer comes piece by piece; take it with ``sink_parquet`` or
        ``collect_batches``, since ``collect`` wants it whole. Same rows, same order, same ids.
    sorted_by_user : bool, default False
        True says that the rows of a LazyFrame come sorted by user, ascending: users pass by, memory holds a
        few hundred thousand rows or the busiest user, and nothing goes to disk. A row that is not in this
        order is an error when it is met. Take the answer as with ``spill``.
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
    Time O(n) with the gap alone and for sorted logs; else a partition by user and a sort of each user. Memory
    beyond input and output: about 18 bytes a row with the gap alone, 24 where a sort is needed; 1 for the
    three boolean rules together, 4 for each column of ``split_on``, 16 for ``unique``. On a LazyFrame the
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
    options = {
        "gap": gap,
        "gap_closed": gap_closed,
        "max_duration": max_duration,
        "max_events": max_events,
        "calendar": calendar,
        "time_zone": time_zone,
        "start_on": start_on,
        "end_on": end_on,
        "split_on": split_on,
        "split_null": split_null,
        "keep_alive": keep_alive,
        "unique": unique,
        "long_after": long_after,
    }
    rules = rules_of(call, preset, options)
    added = _row_schema(call, reason, rules)
    threads = _options.n_threads(call, n_threads)
    cut = _cut_of(call, events, id, null_user, spill, sorted_by_user)

    def rows(index: EventIndex) -> pl.DataFrame:
        found = find(call, index, rules, threads, "rows").named(id)
        return row_columns(found, index, threads, reason=reason, long_after=rules.long_after)

    if isinstance(events, EventIndex):
        _refuse_roles(call, user, time, order, time_unit, null_user, null_time)
        check_roles(call, events.house.columns, rules.roles)
        _refuse_names(call, events.engine, events.engine.columns(events.frame), list(added))
        return events.engine.with_columns(events.frame, events.house, rows(events))
    roles = event_roles(
        call, user=user, time=time, order=order, time_unit=time_unit, null_user=null_user, null_time=null_time
    )
    engine, frame = open_frame(call, events)
    check_event_roles(call, names := engine.columns(frame), roles, **rules.roles)
    _refuse_names(call, engine, names, list(added))
    if cut is not None:
        return rows_by_parts(call, cut, engine, frame, roles, rules, reason, pl.Schema(added), threads)

    def compute(house: pl.DataFrame) -> pl.DataFrame:
        return rows(index_of(call, house, roles, engine, frame, n_threads=threads, is_passing=True))

    how = partial(row_parts, call, roles, rules, id, reason)
    read = needed(roles.columns, *rules.roles.values())
    return engine.rows(call, frame, read, compute, lambda _: pl.Schema(added), how)


def sessions(
    events: Any,
    *,
    user: str | Sequence[str] | None = None,
    time: str | None = None,
    gap: Any = GAP,
    gap_closed: GapClosed = GAP_CLOSED,
    max_duration: Any = None,
    max_events: int | None = None,
    calendar: Calendar | None = None,
    time_zone: str | None = None,
    start_on: Role = None,
    end_on: Role = None,
    split_on: Role | Sequence[str | pl.Expr] = None,
    split_null: SplitNull = SPLIT_NULL,
    keep_alive: Role = None,
    unique: str | Sequence[str] | None = None,
    long_after: Any = None,
    preset: Preset | SessionRules | None = None,
    order: str | None = None,
    id: Id = "stable",
    first: str | Sequence[str] | None = None,
    last: str | Sequence[str] | None = None,
    sum: str | Sequence[str] | None = None,
    any: str | Sequence[str] | None = None,
    time_unit: TimeUnit | None = None,
    null_user: NullUser = "null",
    null_time: NullTime = "error",
    spill: SpillTo = None,
    sorted_by_user: bool = False,
    n_threads: int | None = None,
) -> Any:
    """One row for each session: who, from when to when, how many events.

    Parameters
    ----------
    events, user, time, order, time_unit, null_user, null_time, id, spill, sorted_by_user, n_threads
        As in :func:`cxcore.sessionize`.
    gap, gap_closed, max_duration, max_events, calendar, time_zone, start_on, end_on, split_on, split_null
        As in :func:`cxcore.sessionize`.
    keep_alive, unique, long_after, preset
        As in :func:`cxcore.sessionize`.
    first, last : str or list of str, optional
        Columns whose first and last value in the session is added, as ``first_page``; nulls are passed over.
    sum : str or list of str, optional
        Columns of numbers or durations to add up, as ``sum_revenue``; nulls count nothing.
    any : str or list of str, optional
        Boolean columns: was one true? As ``any_converted``.

    Returns
    -------
    frame
        In the flavour that came in, users in order of first appearance, their sessions in time order: the
        user's column or columns, ``session_id``, ``session_number``, ``start`` and ``end`` (first and last
        event, as the time column has them; heartbeats do not move the end), ``duration`` (``end - start``; an
        integer where time is; null where an int64 cannot hold it), ``events`` (Int64, copies not counted),
        ``session_reason``; then ``session_is_long`` with ``long_after``, and the measures. Rows that have no
        session (no user, no time) are in none.

    Raises
    ------
    ColumnNotFoundError, InvalidOptionError, InvalidDataError, UnsupportedFrameError

    Notes
    -----
    Time as :func:`cxcore.sessionize`, without writing the rows; memory beyond input and output at its peak
    about 24 bytes a row (measured in random order).

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
    options = {
        "gap": gap,
        "gap_closed": gap_closed,
        "max_duration": max_duration,
        "max_events": max_events,
        "calendar": calendar,
        "time_zone": time_zone,
        "start_on": start_on,
        "end_on": end_on,
        "split_on": split_on,
        "split_null": split_null,
        "keep_alive": keep_alive,
        "unique": unique,
        "long_after": long_after,
    }
    rules = rules_of(call, preset, options)
    measures = measures_of(call, first=first, last=last, sum=sum, any=any)
    threads = _options.n_threads(call, n_threads)
    cut = _cut_of(call, events, id, null_user, spill, sorted_by_user)
    read, added = {**rules.roles, **measures.roles}, [*TABLE_COLUMNS, *_flags(rules), *measures.names]
    if isinstance(events, EventIndex):
        _refuse_roles(call, user, time, order, time_unit, null_user, null_time)
        check_roles(call, events.house.columns, read)
        _refuse_names(call, events.engine, events.roles.user, added)
        return events.engine.from_house(events.frame, _sheet(call, events, rules, measures, id, threads))
    roles = event_roles(
        call, user=user, time=time, order=order, time_unit=time_unit, null_user=null_user, null_time=null_time
    )
    engine, frame = open_frame(call, events)
    _refuse_names(call, engine, roles.user, added)
    check_event_roles(call, engine.columns(frame), roles, **read)

    def compute(house: pl.DataFrame) -> pl.DataFrame:
        index = index_of(call, house, roles, engine, frame, n_threads=threads, is_passing=True)
        return _sheet(call, index, rules, measures, id, threads)

    def schema(before: pl.Schema) -> pl.Schema:
        return pl.Schema({**table_schema(before, roles), **_flags(rules), **measures.schema(before)})

    if cut is not None:
        return table_by_parts(call, cut, engine, frame, roles, rules, measures, schema, threads)
    how = partial(table_parts, call, roles, rules, id, measures)
    return engine.summary(call, frame, needed(roles.columns, *read.values()), compute, schema, how)


def _sheet(
    call: str, index: EventIndex, rules: Rules, measures: Measures, id: Id, n_threads: int
) -> pl.DataFrame:
    found = find(call, index, rules, n_threads, "events" if measures.names else "table").named(id)
    measured = measure(call, found, index, measures, n_threads)
    index.let_go()
    return table(found, index.house, index.roles, rules.long_after).hstack(measured)


# ---------------------------------------------------------------- options


def _cut_of(
    call: str, events: Any, id: Id, null_user: NullUser, spill: SpillTo, sorted_by_user: bool
) -> Cut | None:
    """What cuts a log larger than memory into parts, None for one that is not; checks ``id``, too."""
    _options.word(call, "id", id, ("stable", "dense"))
    if check_sorted_by_user(call, sorted_by_user, events, id, null_user, spill):
        return by_user
    disk = spill_of(call, spill, events, id)
    return None if disk is None else partial(by_parts, disk)


def _flags(rules: Rules) -> dict[str, pl.DataType]:
    return {} if rules.long_after is None else {"session_is_long": pl.Boolean()}


def _row_schema(call: str, reason: bool, rules: Rules) -> dict[str, pl.DataType]:
    _options.flag(call, "reason", reason, "True adds why the session began.")
    why = {"session_reason": REASON} if reason else {}
    return {**dict.fromkeys(ROW_COLUMNS, pl.Int64()), **why, **_flags(rules)}


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
