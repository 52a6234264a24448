"""What a stream of sessions keeps between batches.

Kept are rows for the same kernel that answers a whole log. Of each user with a closed session one row stands
for the last of these, and lies as numbers in a table of users; of each open session its rows are kept, or,
where silence alone decides, one row that stands for all of it and the rows of its first and last values.
Semantics: docs/explanation/streams.md; why so: docs/adr/0007 and 0013.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cxcore import _options
from cxcore._columns import EventRoles, Int32, Int64
from cxcore._ext import rules as kernels
from cxcore._index import EventIndex
from cxcore.sessions.found import Sessions
from cxcore.sessions.measures import Measures, measure
from cxcore.sessions.rules import Rules

Bools = NDArray[np.bool_]
_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1
#: lines of ``Rows.facts``
#: TICK           of the row: of the first event that it stands for
#: LAST, EVENTS   last tick and number of the events that it stands for
#: GAP, MARK      what the row says to rules that look at rows
#: REACH          last tick at which an event still touches the session of the row
#: ID, NUMBER     of the session, where the row is its first; 0 elsewhere, and where there is no record
#: SAME           of a closed session, how many earlier ones began in its microsecond
#: VALUES         of a record: where in ``Kept.values`` its columns of the log lie, counted from 1
TICK, LAST, EVENTS, GAP, MARK, REACH, ID, NUMBER, SAME, VALUES = range(10)
N_FACTS = 10


@dataclass(frozen=True)
class Plan:
    """What a stream was asked for, checked; lengths in nanoseconds. What follows from it is found once."""

    roles: EventRoles
    rules: Rules
    measures: Measures
    lateness: int
    forget: int | None
    n_threads: int

    @cached_property
    def users(self) -> dict[str, str]:
        """Names of the user's columns: inside, outside."""
        return {f"user{at}": name for at, name in enumerate(self.roles.user)}

    @cached_property
    def inside(self) -> EventRoles:
        """Roles of what is kept. Rows without a time are not."""
        order = None if self.roles.order is None else "order"
        return replace(self.roles, user=tuple(self.users), time="time", order=order, null_time="error")

    @cached_property
    def measured(self) -> Measures:
        """Measures of what is kept."""
        first, last = (
            tuple(self.edges[name] for name in of) for of in (self.measures.first, self.measures.last)
        )
        return Measures(first, last, tuple(self.sums), tuple(self.anys))

    @cached_property
    def edges(self) -> dict[str, str]:
        """Columns whose first or last values are asked for: outside, inside."""
        names = dict.fromkeys((*self.measures.first, *self.measures.last))
        return {name: f"edge{at}" for at, name in enumerate(names)}

    @cached_property
    def sums(self) -> dict[str, str]:
        return {f"sum{at}": name for at, name in enumerate(self.measures.sum)}

    @cached_property
    def anys(self) -> dict[str, str]:
        return {f"any{at}": name for at, name in enumerate(self.measures.any)}

    @cached_property
    def splits(self) -> list[str]:
        return [f"split{at}" for at in range(len(self.rules.split_on))]

    @cached_property
    def has_marks(self) -> bool:
        return any(
            mark is not None for mark in (self.rules.start_on, self.rules.end_on, self.rules.keep_alive)
        )

    @cached_property
    def has_gaps(self) -> bool:
        return isinstance(self.rules.gap, pl.Expr)

    @cached_property
    def n_walked(self) -> int:
        """Lines of facts that a walk reads; the first ones."""
        return MARK + 1 if self.has_marks or self.has_gaps else EVENTS + 1

    @cached_property
    def unrevised(self) -> dict[tuple[pl.DataType, ...], pl.DataFrame]:
        """Frames of nothing revised, by the types of the user's columns."""
        return {}

    def slack(self, tick_length: int) -> int:
        """Ticks after the reach of a session at which it closes, if nothing comes."""
        if not isinstance(self.rules.gap, int):
            return _options.ticks_below(self.lateness, tick_length) + (self.rules.closed == "left")
        whole = _options.ticks_below(self.rules.gap + self.lateness, tick_length, 2**70)
        return whole - self.rules.gap_ticks(tick_length)

    @cached_property
    def joins(self) -> bool:
        """Is a session of a batch all that its rows say?"""
        return self.only_silence and not (self.measures.names or self.has_gaps or self.roles.order)

    @cached_property
    def only_silence(self) -> bool:
        """Does nothing else end a session?"""
        rules = self.rules
        others = (rules.max_duration, rules.max_events, rules.calendar)
        return rules.roles.keys() <= {"gap"} and all(other is None for other in others)

    @cached_property
    def values(self) -> list[str]:
        """Columns of the log that are kept of a closed session."""
        return [*self.users, *self.splits]

    def folds(self, log: pl.DataFrame) -> bool:
        """May one row stand for an open session? Its events may come in any order, and add up in any."""
        return self.only_silence and not any(log.schema[name].is_float() for name in self.sums)


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Rows of what is kept: ``user`` int32[n], ``facts`` int64[N_FACTS, n], and columns of the ``log``. Rows
    of a walk have only the facts that it reads.
    """

    user: Int32
    facts: Int64
    log: pl.DataFrame

    def __len__(self) -> int:
        return len(self.user)

    def __getitem__(self, at: Int64) -> Rows:
        return Rows(self.user.take(at), self.facts.take(at, axis=1), taken(self.log, at))

    @property
    def none(self) -> Rows:
        return Rows(self.user[:0], self.facts[:, :0], self.log.clear())

    @staticmethod
    def pooled(parts: Sequence[Rows]) -> Rows:
        """All of them, with the facts that all have."""
        n_lines = min(len(part.facts) for part in parts)
        parts = [part for part in parts if len(part)] or parts[:1]
        if len(parts) == 1:
            return replace(parts[0], facts=parts[0].facts[:n_lines])
        return Rows(
            np.concatenate([part.user for part in parts]),
            np.concatenate([part.facts[:n_lines] for part in parts], axis=1),
            pl.concat([part.log for part in parts], rechunk=True),  # rows of it are taken several times
        )


def closing_before(watermark: int | None, slack: int) -> int:
    """The tick before which the reach of a session lies if the watermark has passed it."""
    return _INT64_MIN if watermark is None else max(watermark - slack, _INT64_MIN)


def facts(n: int, lines: Mapping[int, Any], n_lines: int = N_FACTS) -> Int64:
    made = np.empty((n_lines, n), np.int64)
    for line in range(n_lines):
        made[line] = lines.get(line, 0)
    return made


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """What goes with the records of users: rows of open sessions, whose users are codes of the table; columns
    of the log for the records, in frames one after the other; the type of the time column; the greatest tick
    seen. Never changed, only replaced. Beyond ``room`` users or values it is worth a look at how many are
    still of use.
    """

    open: Rows
    values: tuple[pl.DataFrame, ...]
    time: pl.DataType
    watermark: int | None
    room: int

    def typed(self, now: pl.DataFrame) -> Kept:
        """Columns of nothing but nulls so far take the type that they have now."""
        log = self.open.log
        if all(column.dtype != pl.Null() for column in log):  # as a rule, and a schema is dear
            return self
        schema = now.schema
        new: Any = {
            name: schema[name] for name, dtype in log.schema.items() if dtype == pl.Null() != schema[name]
        }
        if not new:
            return self
        of_values = {name: dtype for name, dtype in new.items() if self.values and name in self.values[0]}
        values = tuple(part.cast(of_values) for part in self.values)
        return replace(self, open=replace(self.open, log=log.cast(new)), values=values)


def put(frame: pl.DataFrame, columns: Mapping[str, Any]) -> pl.DataFrame:
    """The frame with other values in some columns; no query is planned for it, unlike ``with_columns``."""
    frame = frame.clone() if columns else frame
    for name, values in columns.items():
        series = values.alias(name) if isinstance(values, pl.Series) else pl.Series(name, values)
        frame.replace_column(frame.get_column_index(name), series)
    return frame


def taken(frame: pl.DataFrame, at: Int64) -> pl.DataFrame:
    """Some rows of it; nothing is planned, unlike ``frame[at]``."""
    if not len(at):
        return frame.clear()
    rows = pl.Series(at.astype(np.uint32))
    return pl.DataFrame([column[rows] for column in frame])


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
    call: str,
    index: EventIndex,
    found: Sessions,
    of_row: Int64,
    which: Bools,
    rows_at: Callable[[Int64], Rows],
    plan: Plan,
) -> tuple[Rows, Int64]:
    """Some sessions as a row each, and those of their first and last values; and where in the log they lie.

    The row stands for the session as a whole: it lies at its start, and what the others add up to is in it.
    """
    is_first = np.zeros(len(of_row), np.bool_)
    is_first[row_at(index).take(found.begin[:-1][which])] = True
    keep = is_first
    if plan.edges:
        keep = keep | (_edge_rows(index, found, plan) & (of_row >= 0) & np.append(which, False)[of_row])
    at = np.flatnonzero(keep)
    rows, session, first = rows_at(at), of_row.take(at), is_first.take(at)
    rows.facts[LAST] = np.where(first, found.end.take(session), rows.facts[TICK])
    rows.facts[EVENTS] = np.where(first, found.events.take(session), 0)
    if plan.has_gaps:
        whole = length(found.start[session], found.until[session])
        rows.facts[GAP] = np.where(first, whole, rows.facts[GAP])
    if not (plan.sums or plan.anys):
        return rows, at
    wanted = replace(plan.measured, first=(), last=())
    values = measure(call, found, index, wanted, plan.n_threads, plan.sums)
    new: dict[str, Any] = {}
    for name, column in zip((*plan.sums, *plan.anys), values, strict=True):
        nothing = blank(column.dtype, len(at), False if name in plan.anys else 0)
        new[name] = column.gather(pl.Series(session)).zip_with(pl.Series(first), nothing)
    return replace(rows, log=put(rows.log, new)), at


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
