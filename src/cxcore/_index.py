"""The event index: who did what in which order, sorted once.

A CSR matrix over users. Verbs that follow a customer through time (sessions, attribution, paths) take it in
the place of the frame, and cost one scan each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import polars as pl

from cxcore import _options, errors
from cxcore._columns import EventColumns, EventRoles, Int64, check_roles, event_columns
from cxcore._ext import sessions as kernels
from cxcore._ext.arrays import empty
from cxcore._options import TimeUnit
from cxcore.engines import open_frame
from cxcore.engines.base import Engine

NullUser = Literal["null", "own", "error"]
NullTime = Literal["error", "null"]


@dataclass(frozen=True, eq=False)
class EventIndex:
    """Events by user, in order of (time, order column, row). Made by :func:`cxcore.index`.

    User ``u`` has the positions ``offset[u]:offset[u + 1]``; position ``p`` is row ``row[p]`` of the log
    (``row`` is empty where the log lies in this order already), at ``tick[p]``. Rows without a user or a time
    have no position. An index is read by any number of calls and threads.
    """

    roles: EventRoles
    columns: EventColumns
    offset: Int64
    #: does the log lie in the order of the index?
    is_log: bool
    n_threads: int
    #: the log as it was read, and where it came from
    house: pl.DataFrame
    engine: Engine
    frame: Any
    #: sessions by the rule that was asked last: rows and table of one rule cost one scan
    last: list[tuple[Any, Any]] = field(default_factory=list, repr=False)
    #: made by a verb for itself, which lets the order go once it has read it
    is_passing: bool = False

    @cached_property
    def _order(self) -> tuple[Int64, Int64 | None]:
        """Sorted when the first verb asks: sessions of a log in arrival order need no sort."""
        columns, n = self.columns, int(self.offset[-1])
        if self.is_log:
            return np.empty(0, np.int64), columns.tick
        row, tick = empty(n, np.int64), empty(n, np.int64)
        kernels.sort_events(columns.code, columns.tick, columns.tie, self.offset, self.n_threads, row, tick)
        return row, tick

    @property
    def row(self) -> Int64:
        return self._order[0]

    @property
    def tick(self) -> Int64:
        tick = self._order[1]
        if tick is None:  # let go, and wanted again
            del self.__dict__["_order"]
            return self.tick
        return tick

    def let_go(self, *, rows: bool = True) -> list[Int64]:
        """8 bytes a row for what is written next, 16 with the rows. Who asks for them again sorts again.

        Gives those that have room for all rows of the log: memory to write to.
        """
        gone: list[Int64] = []
        if self.is_passing and not self.is_log and "_order" in self.__dict__:
            row, tick = self.__dict__.pop("_order")
            gone += [row] if rows else []
            gone += [] if tick is None else [tick]
            if not rows:
                self.__dict__["_order"] = (row, None)
        return [room for room in gone if len(room) == len(self)]

    @property
    def is_sorted(self) -> bool:
        """Does the order cost nothing, now?"""
        return self.is_log or "_order" in self.__dict__

    def __len__(self) -> int:
        return len(self.house)

    def __repr__(self) -> str:
        size = f"{len(self):,} events, {len(self.columns.keys):,} users"
        return f"EventIndex({size}, user={self.roles.user!r}, time={self.roles.time!r})"


def index(
    events: Any,
    *,
    user: str | Sequence[str],
    time: str,
    order: str | None = None,
    time_unit: TimeUnit | None = None,
    null_user: NullUser = "null",
    null_time: NullTime = "error",
    n_threads: int | None = None,
) -> EventIndex:
    """Sort an event log by user and time once, for every verb that follows users through time.

    Parameters
    ----------
    events : frame of n rows
        Polars DataFrame or LazyFrame (collected here), DuckDB relation, pandas, pyarrow, or anything with
        ``__arrow_c_stream__``. All its columns are kept, for the verbs that come after.
    user : str or list of str
        Column that says who; several columns make one key.
    time : str
        Column that says when: dates, datetimes of any unit and zone, or integers with ``time_unit``.
    order : str, optional
        Column that breaks ties of time; rows that still tie keep their order.
    time_unit : {'s', 'ms', 'us', 'ns'}, optional
        Unit of a time column of integers, counted from 1970-01-01 UTC.
    null_user : {'null', 'own', 'error'}, default 'null'
        What becomes of rows without a user: no session, each a session of its own, or an error.
    null_time : {'error', 'null'}, default 'error'
        What becomes of rows without a time.
    n_threads : int, optional
        Threads to use; as many as Polars has where None.

    Returns
    -------
    EventIndex
        Takes the place of the frame in :func:`cxcore.sessionize`, :func:`cxcore.sessions` and
        :func:`cxcore.attribute`; then ``user``, ``time`` and the like are left out there.

    Raises
    ------
    ColumnNotFoundError, InvalidOptionError, InvalidDataError, UnsupportedFrameError

    Notes
    -----
    Time O(n) for logs that are sorted or in arrival order, O(n log n) inside the largest users at worst;
    memory 20 bytes a row that stay with the index.

    Examples
    --------
    >>> import datetime as dt, polars as pl, cxcore as cx
    >>> day = dt.datetime(2026, 1, 5)
    >>> log = pl.DataFrame({"user_id": ["b", "a", "b"], "ts": [day, day, day + dt.timedelta(hours=2)]})
    >>> index = cx.index(log, user="user_id", time="ts")
    >>> index
    EventIndex(3 events, 2 users, user=('user_id',), time='ts')
    >>> cx.sessionize(index, gap="30m")["session_number"].to_list()
    [1, 1, 2]
    """
    call = "index"
    roles = event_roles(
        call, user=user, time=time, order=order, time_unit=time_unit, null_user=null_user, null_time=null_time
    )
    threads = _options.n_threads(call, n_threads)
    engine, frame = open_frame(call, events)
    check_event_roles(call, engine.columns(frame), roles)
    frame = engine.hold(call, frame)
    house = engine.read(call, frame, None)
    return index_of(call, house, roles, engine, frame, n_threads=threads)


def event_roles(
    call: str,
    *,
    user: str | Sequence[str] | None,
    time: str | None,
    order: str | None,
    time_unit: str | None,
    null_user: str = "null",
    null_time: str = "error",
) -> EventRoles:
    """The roles of an event log as a verb was given them, checked as far as they go without the log."""
    absent = [name for name, value in {"user": user, "time": time}.items() if value is None]
    if absent or user is None or time is None:
        raise errors.missing_argument(
            call, absent, "name the column, or pass an index made by cx.index(...)."
        )
    names = tuple(_options.column_names(user))
    if not names:
        raise errors.bad_option(call, "user", user, "names no column.", "name one or more columns.")
    for role, members in {"user": names, "time": [time], "order": [] if order is None else [order]}.items():
        for name in members:
            _options.column_name(call, role, name)
    for name in names:
        if names.count(name) > 1:
            raise errors.bad_option(call, "user", name, "named twice.", "name each column once.")
    if time_unit is not None:
        _options.word(call, "time_unit", time_unit, ("s", "ms", "us", "ns"))
    _options.word(call, "null_user", null_user, ("null", "own", "error"))
    _options.word(call, "null_time", null_time, ("error", "null"))
    return EventRoles(names, time, order, time_unit, null_user, null_time)


def check_event_roles(call: str, columns: Sequence[str], roles: EventRoles, **others: Any) -> None:
    """The columns of the roles, and those of other roles of the call, are there."""
    user: Any = roles.user[0] if len(roles.user) == 1 else list(roles.user)
    check_roles(call, columns, {"user": user, "time": roles.time, **others, "order": roles.order})


def index_of(
    call: str,
    house: pl.DataFrame,
    roles: EventRoles,
    engine: Engine,
    frame: Any,
    *,
    n_threads: int,
    is_passing: bool = False,
) -> EventIndex:
    """The index of a log, its columns checked."""
    columns = event_columns(call, house, roles, n_threads=n_threads)
    index = index_columns(columns, roles, house, engine, frame, n_threads=n_threads)
    return replace(index, is_passing=is_passing)


def index_columns(
    columns: EventColumns,
    roles: EventRoles,
    house: pl.DataFrame,
    engine: Engine,
    frame: Any,
    *,
    n_threads: int,
) -> EventIndex:
    """The index of checked columns."""
    offset = np.zeros(len(columns.count) + 1, np.int64)
    np.cumsum(columns.count, out=offset[1:])
    is_log = _lies_as_index(columns, offset)
    return EventIndex(roles, columns, offset, is_log, n_threads, house, engine, frame)


def _lies_as_index(columns: EventColumns, offset: Int64) -> bool:
    """Do the rows lie in the order of the index already?"""
    code, tick, tie = columns.code, columns.tick, columns.tie
    if code is not columns.keys.code:
        return kernels.is_indexed(code, tick, tie)
    # Keys come in order of first appearance: users lie together where each begins behind all before it.
    lies_together = offset[-1] == len(code) and np.array_equal(columns.keys.first, offset[:-1])
    return lies_together and kernels.is_in_time(offset, tick, tie)
