"""What a stream of sessions keeps between batches.

Kept are rows for the same kernel that answers a whole log. Of each user with a closed session one row stands
for the last of these; of each open session its rows are kept, or, where silence alone decides, one row that
stands for all of it and the rows of its first and last values. Semantics: docs/explanation/streams.md; why
so: docs/adr/0007.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cxcore import _options
from cxcore._columns import EventRoles, Int64
from cxcore._ext import rules as kernels
from cxcore._index import EventIndex
from cxcore.sessions.found import Sessions
from cxcore.sessions.measures import Measures, measure
from cxcore.sessions.records import Records
from cxcore.sessions.rules import Rules

Bools = NDArray[np.bool_]
_INT64_MAX = 2**63 - 1
#: what is kept beside the columns of the log
#: ``last``, ``events``   last tick and number of the events that the row stands for
#: ``reach``              last tick at which an event still touches the session of the row
#: ``session_id``, ``session_number``  of the session, where the row is its first; null elsewhere
#: ``same``               of a closed session, how many earlier ones began in its microsecond
BESIDE = {name: pl.Int64() for name in ("last", "events", "reach", "session_id", "session_number", "same")}


@dataclass(frozen=True, slots=True)
class Plan:
    """What a stream was asked for, checked; lengths in nanoseconds."""

    roles: EventRoles
    rules: Rules
    measures: Measures
    lateness: int
    forget: int | None
    n_threads: int

    @property
    def users(self) -> dict[str, str]:
        """Names of the user's columns: inside, outside."""
        return {f"user{at}": name for at, name in enumerate(self.roles.user)}

    @property
    def inside(self) -> EventRoles:
        """Roles of what is kept. Rows without a time are not."""
        order = None if self.roles.order is None else "order"
        return replace(self.roles, user=tuple(self.users), time="time", order=order, null_time="error")

    @property
    def measured(self) -> Measures:
        """Measures of what is kept."""
        first, last = (
            tuple(self.edges[name] for name in of) for of in (self.measures.first, self.measures.last)
        )
        return Measures(first, last, tuple(self.sums), tuple(self.anys))

    @property
    def edges(self) -> dict[str, str]:
        """Columns whose first or last values are asked for: outside, inside."""
        names = dict.fromkeys((*self.measures.first, *self.measures.last))
        return {name: f"edge{at}" for at, name in enumerate(names)}

    @property
    def sums(self) -> dict[str, str]:
        return {f"sum{at}": name for at, name in enumerate(self.measures.sum)}

    @property
    def anys(self) -> dict[str, str]:
        return {f"any{at}": name for at, name in enumerate(self.measures.any)}

    def keys(self, rows: pl.DataFrame) -> pl.Series:
        """Numbers by which rows of a user are found again; two users may share one."""
        users = [pl.col(name) for name in self.users]
        return rows.select(key=(users[0] if len(users) == 1 else pl.struct(users)).hash()).to_series()

    @property
    def splits(self) -> list[str]:
        return [f"split{at}" for at in range(len(self.rules.split_on))]

    @property
    def has_marks(self) -> bool:
        return any(
            mark is not None for mark in (self.rules.start_on, self.rules.end_on, self.rules.keep_alive)
        )

    @property
    def has_gaps(self) -> bool:
        return isinstance(self.rules.gap, pl.Expr)

    def slack(self, tick_length: int) -> int:
        """Ticks after the reach of a session at which it closes, if nothing comes."""
        if not isinstance(self.rules.gap, int):
            return _options.ticks_below(self.lateness, tick_length) + (self.rules.closed == "left")
        whole = _options.ticks_below(self.rules.gap + self.lateness, tick_length, 2**70)
        return whole - self.rules.gap_ticks(tick_length)

    def folds(self, kept: pl.DataFrame) -> bool:
        """May one row stand for an open session? Its events may come in any order, and add up in any."""
        rules = self.rules
        others = (rules.max_duration, rules.max_events, rules.calendar)
        only_silence = rules.roles.keys() <= {"gap"} and all(other is None for other in others)
        return only_silence and not any(kept.schema[name].is_float() for name in self.sums)


@dataclass(frozen=True, slots=True)
class Kept:
    """Rows of closed and of open sessions, and the greatest tick seen. Never changed, only replaced."""

    closed: Records
    open: pl.DataFrame
    watermark: int | None = None

    @classmethod
    def of(cls, closed: pl.DataFrame, still_open: pl.DataFrame, watermark: int | None, plan: Plan) -> Kept:
        """Rows without keys."""
        closed, still_open = (rows.hstack([plan.keys(rows)]) for rows in (closed, still_open))
        return cls(Records.of(closed), still_open, watermark)

    def typed(self, schema: pl.Schema, plan: Plan) -> Kept:
        """Columns of nothing but nulls so far take the type that they have now."""
        new: Any = {name: schema[name] for name, dtype in self.open.schema.items() if dtype == pl.Null()}
        if all(dtype == pl.Null() for dtype in new.values()):
            return self
        closed, still_open = (rows.drop("key").cast(new) for rows in (self.closed.all, self.open))
        return Kept.of(closed, still_open, self.watermark, plan)


def put(frame: pl.DataFrame, columns: Mapping[str, Any]) -> pl.DataFrame:
    """The frame with other values in some columns; no query is planned for it, unlike ``with_columns``."""
    frame = frame.clone()
    for name, values in columns.items():
        series = values.alias(name) if isinstance(values, pl.Series) else pl.Series(name, values)
        frame.replace_column(frame.get_column_index(name), series)
    return frame


def blank(dtype: pl.DataType, n: int, value: Any = None) -> pl.Series:
    return pl.Series([value], dtype=dtype).new_from_index(0, n)


def row_at(index: EventIndex) -> Int64:
    """The row at each position."""
    return np.arange(len(index.tick)) if index.is_log else index.row


def session_of_row(index: EventIndex, found: Sessions) -> Int64:
    """-1 where it has none."""
    session = np.repeat(np.arange(len(found.end)), np.diff(found.begin))
    if index.is_log:
        return session
    of_row = np.full(len(index), -1)
    of_row[index.row] = session
    return of_row


def length(start: Int64, until: Int64) -> Int64:
    """``until - start``, as long as it can be."""
    ticks = until - start
    return np.where((until > start) & (ticks < 0), _INT64_MAX, ticks)


def folded(
    call: str, index: EventIndex, found: Sessions, of_row: Int64, which: Bools, plan: Plan
) -> tuple[pl.DataFrame, Int64]:
    """Some sessions as a row each, and those of their first and last values; and where in the log they lie.

    The row stands for the session as a whole: it lies at its start, and what the others add up to is in it.
    """
    is_first, pool = np.zeros(len(of_row), np.bool_), index.house
    is_first[row_at(index)[found.begin[:-1][which]]] = True
    keep = is_first
    if plan.edges:
        keep = keep | (_edge_rows(index, found, plan) & (of_row >= 0) & np.append(which, False)[of_row])
    at = np.flatnonzero(keep)
    rows, session, first = pool[at], of_row[at], is_first[at]
    new: dict[str, Any] = {
        "last": np.where(first, found.end[session], index.columns.tick[at]),
        "events": np.where(first, found.events[session], 0),
    }
    if plan.has_gaps:
        whole = length(found.start[session], found.until[session])
        new["gap"] = np.where(first, whole, rows["gap"].to_numpy())
    values = measure(call, found, index, replace(plan.measured, first=(), last=()), plan.n_threads)
    for name, column in zip((*plan.sums, *plan.anys), values, strict=True):
        nothing = blank(column.dtype, len(at), False if name in plan.anys else 0)
        new[name] = column.gather(pl.Series(session)).zip_with(pl.Series(first), nothing)
    return put(rows, new), at


def _edge_rows(index: EventIndex, found: Sessions, plan: Plan) -> Bools:
    """Rows that hold the first or the last value of a measure in their session."""
    is_edge, at = np.zeros(len(index), np.bool_), (found.begin, index.row, found.copy)
    for name in plan.edges.values():
        column, edges = index.house[name], np.empty((2, len(found.end)), np.int64)
        valid = np.empty(0, np.uint8)
        if column.null_count():
            valid = column.is_not_null().cast(pl.UInt8).to_numpy()
        kernels.edge_rows(*at, valid, plan.n_threads, *edges)
        is_edge[edges[edges >= 0]] = True
    return is_edge
