"""What a stream of sessions keeps between batches, and the walk that takes it from one batch to the next.

Kept are rows for the same kernel that answers a whole log. Of each user with a closed session one row stands
for the last of these; of each open session its rows are kept, or, where silence alone decides, one row that
stands for all of it and the rows of its first and last values. Semantics: docs/explanation/streams.md; why so:
docs/adr/0007.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cxcore import _options, errors
from cxcore._columns import EventColumns, EventRoles, Int64, event_columns, marks
from cxcore._ext import rules as kernels
from cxcore._index import EventIndex, index_columns
from cxcore._rule_columns import (
    ENDS,
    RuleColumns,
    calendar_edges,
    rule_columns,
    split_codes,
    split_columns,
)
from cxcore.engines import open_frame
from cxcore.sessions.found import Sessions, table, walk
from cxcore.sessions.measures import Measures, measure, summands
from cxcore.sessions.rules import Rules

Bools = NDArray[np.bool_]
_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1
#: what is kept beside the columns of the log
#: ``last``, ``events``   last tick and number of the events that the row stands for
#: ``reach``              last tick at which an event still touches the session of the row
#: ``session_id``, ``session_number``  of the session, where the row is its first; null elsewhere
#: ``same``               of a closed session, how many earlier ones began in its microsecond
BESIDE = {
    name: pl.Int64() for name in ("last", "events", "reach", "session_id", "session_number", "same")
}


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
        first, last = (tuple(self.edges[name] for name in of) for of in (self.measures.first, self.measures.last))
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

    @property
    def key(self) -> pl.Expr:
        """A number by which rows of a user are found again; two users may share one."""
        users = [pl.col(name) for name in self.users]
        return (users[0] if len(users) == 1 else pl.struct(users)).hash().alias("key")

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

    closed: pl.DataFrame
    open: pl.DataFrame
    watermark: int | None = None

    @property
    def started(self) -> bool:
        """Has a batch said of which types the columns are?"""
        return self.open.width > 0

    def keyed(self, plan: Plan) -> Kept:
        """With keys, where they come from a file."""
        if not self.started:
            return self
        return replace(self, closed=self.closed.with_columns(plan.key), open=self.open.with_columns(plan.key))


def rows_of(call: str, house: pl.DataFrame, plan: Plan) -> pl.DataFrame:
    """A batch as it is kept, its columns checked; without the rows that have no session. ``row`` is its row."""
    columns = event_columns(call, house, plan.roles, n_threads=plan.n_threads)
    read = rule_columns(call, house, columns, plan.roles, plan.rules, plan.n_threads)
    made: dict[str, Any] = {inside: house[name] for inside, name in plan.users.items()}
    made["time"] = house[plan.roles.time]
    if plan.roles.order is not None:
        made["order"] = house[plan.roles.order]
    if plan.has_gaps:
        made["gap"] = read.gap
    if _has_marks(plan.rules):
        made["mark"] = read.mark
    for at, column in enumerate(split_columns(call, house, plan.rules)):
        made[f"split{at}"] = column
    made |= {inside: house[name] for name, inside in plan.edges.items()}
    for inside, name in plan.sums.items():
        made[inside] = summands(call, house[name])
    for inside, name in plan.anys.items():
        made[inside] = marks(call, "any", house, name)
    made |= {"last": columns.tick, "events": np.ones(len(house), np.int64)}
    fresh = pl.DataFrame(made).with_columns(
        **{name: pl.lit(None, pl.Int64) for name in BESIDE if name not in made},
        row=pl.int_range(pl.len()),
    )
    return fresh if int(columns.count.sum()) == len(house) else fresh.filter(pl.Series(columns.code >= 0))


def _has_marks(rules: Rules) -> bool:
    return any(mark is not None for mark in (rules.start_on, rules.end_on, rules.keep_alive))


def as_before(call: str, fresh: pl.DataFrame, kept: Kept, plan: Plan) -> pl.DataFrame:
    """The rows of a batch in the types of the first one; refused where they are others."""
    if not kept.started:
        return fresh
    outside = {**{inside: ("user", name) for inside, name in plan.users.items()}}
    outside |= {"time": ("time", plan.roles.time), "order": ("order", plan.roles.order or "")}
    outside |= {inside: ("first" if name in plan.measures.first else "last", name) for name, inside in plan.edges.items()}
    outside |= {inside: ("sum", name) for inside, name in plan.sums.items()}
    untyped = []
    for name, dtype in kept.open.drop("key").schema.items():
        now = fresh.schema[name]
        if now == pl.Null():
            untyped.append(pl.col(name).cast(dtype))
        elif now != dtype:
            role, column = outside.get(name, ("split_on", name))
            wants = f"had {dtype} in the batches before"
            raise errors.wrong_dtype(call, role, column, now, wants, "cast it, or start another stream.")
    return fresh.with_columns(untyped) if untyped else fresh


# ---------------------------------------------------------------- one walk


@dataclass(frozen=True, slots=True)
class Walked:
    """Sessions of a pool: first the ``n_closed`` rows of closed sessions, then open rows, then a batch's.

    ``reach`` int64[n_sessions]; ``of_row`` int64[n_rows], the session of each row, -1 where it was left out;
    ``was_closed`` bool[n_sessions]: is it the last closed one of its user?
    """

    pool: pl.DataFrame
    index: EventIndex
    found: Sessions
    reach: Int64
    of_row: Int64
    was_closed: Bools

    @property
    def first_row(self) -> Int64:
        """Of each session."""
        begin = self.found.begin[:-1]
        return begin if self.index.is_log else self.index.row[begin]

    def passed(self, watermark: int | None, slack: int) -> Bools:
        """Sessions behind which the watermark lies by more than the slack, but for those closed before."""
        if watermark is None:
            return np.zeros(len(self.reach), np.bool_)
        return (self.reach < max(watermark - slack, _INT64_MIN)) & ~self.was_closed

    def table(self, call: str, which: Bools, plan: Plan) -> pl.DataFrame:
        """Rows of the table of sessions."""
        found = self.found
        some = replace(
            found,
            start=found.start[which],
            end=found.end[which],
            events=found.events[which],
            name=found.name[which],
            user=found.user[which],
            reason=found.reason[which],
        )
        sheet = table(some, self.pool, plan.inside, plan.rules.long_after).rename(plan.users)
        values = measure(call, found, self.index, plan.measured, plan.n_threads)
        if not values.width:
            return sheet
        values.columns = plan.measures.names
        return sheet.hstack(values.filter(pl.Series(which)))


def walk_batch(
    call: str, pool: pl.DataFrame, n_closed: int, n_kept: int, watermark: int | None, plan: Plan
) -> tuple[Walked, Int64]:
    """The sessions of a pool, and which of its rows came too late to be in one."""
    columns = event_columns(call, pool, plan.inside, n_threads=plan.n_threads)
    late = _touches_closed(pool, columns, n_closed)
    late[:n_kept] = False
    walked = _walk(call, pool, columns, late, n_closed, plan)
    over = walked.passed(watermark, plan.slack(columns.tick_length))
    if over.any():
        there = walked.of_row >= 0
        behind = there & over[np.where(there, walked.of_row, 0)]
        behind[:n_kept] = False
        if behind.any():
            late |= behind
            walked = _walk(call, pool, columns, late, n_closed, plan)
    return walked, np.flatnonzero(late)


def _touches_closed(pool: pl.DataFrame, columns: EventColumns, n_closed: int) -> Bools:
    """Rows that lie before, in, or within the gap behind the last closed session of their user."""
    reach, known = np.zeros(columns.n_users, np.int64), np.zeros(columns.n_users, np.bool_)
    user = columns.code[:n_closed]
    reach[user], known[user] = pool["reach"][:n_closed].to_numpy(), True
    return known[columns.code] & (columns.tick <= reach[columns.code])


def _walk(
    call: str, pool: pl.DataFrame, columns: EventColumns, late: Bools, n_closed: int, plan: Plan
) -> Walked:
    before = np.zeros((columns.n_users, 2), np.int64)
    closed = pool[:n_closed]
    before[columns.code[:n_closed], 0] = closed["session_number"].to_numpy() - 1
    before[columns.code[:n_closed], 1] = closed["same"].to_numpy()
    if late.any():
        code = np.where(late, np.int32(-1), columns.code)
        count = np.bincount(code[code >= 0], minlength=columns.n_users).astype(np.int64)
        columns = replace(columns, code=code, count=count)
    engine, frame = open_frame(call, pool)
    index = index_columns(columns, plan.inside, pool, engine, frame, n_threads=plan.n_threads)
    read = _read(call, pool, columns, plan)
    found = walk(index, plan.rules, read, plan.n_threads, before)
    n_sessions = len(found.end)
    session, of_row = np.repeat(np.arange(n_sessions), np.diff(found.begin)), np.full(len(pool), -1)
    of_row[slice(None) if index.is_log else index.row] = session
    was_closed, reach = np.zeros(n_sessions, np.bool_), found.until
    was_closed[of_row[:n_closed]] = True
    if plan.has_gaps:  # a session is not closed before an earlier one of its user
        reach[of_row[:n_closed]] = closed["reach"].to_numpy()
        by_user = pl.DataFrame({"user": found.user, "reach": reach})
        reach = by_user.select(pl.col("reach").cum_max().over("user")).to_series().to_numpy()
    return Walked(pool, index, found, reach, of_row, was_closed)


def _read(call: str, pool: pl.DataFrame, columns: EventColumns, plan: Plan) -> RuleColumns:
    """What the rules read of a pool; it was checked when it came."""
    none, rules = np.empty(0, np.int64), plan.rules
    edge = none
    if rules.calendar is not None:
        dtype = pool.schema["time"]
        edge = calendar_edges(call, dtype, plan.inside, columns, rules.calendar, rules.time_zone)
    splits = [pool[f"split{at}"] for at in range(len(rules.split_on))]
    return RuleColumns(
        pool["gap"].to_numpy() if plan.has_gaps else none,
        pool["mark"].to_numpy() if _has_marks(rules) else np.empty(0, np.uint8),
        split_codes(call, splits, len(pool), plan.n_threads),
        np.empty((0, len(pool)), np.int64),
        edge,
        pool["last"].to_numpy(),
        pool["events"].to_numpy(),
    )


# ---------------------------------------------------------------- what is kept of it


def closed_rows(walked: Walked, closing: Bools, n_closed: int, plan: Plan) -> pl.DataFrame:
    """One row for the last closed session of each user of a pool."""
    found, user = walked.found, walked.found.user
    is_closed = closing | walked.was_closed
    ends = np.append((user[1:] != user[:-1]) | ~is_closed[1:], True) if len(user) else np.empty(0, np.bool_)
    at = np.flatnonzero(is_closed & ends)
    first, begin = walked.first_row[at], found.begin
    last = begin[at + 1] - 1
    last_row = _rows(walked)[last]
    rows = walked.pool[first]
    # rows without a user touch nothing: what comes after them in time is after them
    reach = np.where(user[at] == found.columns.own, found.start[at], walked.reach[at])
    new: dict[str, Any] = {
        "last": found.end[at],
        "events": found.events[at],
        "reach": np.where(walked.was_closed[at], rows["reach"].fill_null(0).to_numpy(), reach),
        "session_id": found.name[at, 0],
        "session_number": found.name[at, 1],
        "same": found.same[at],
    }
    if plan.has_gaps:
        new["gap"] = _length(found.start[at], found.until[at])
    if _has_marks(plan.rules):
        new["mark"] = walked.pool["mark"].to_numpy()[last_row] & np.uint8(ENDS)
    for name in _splits(plan):
        values = walked.pool[name]
        carries = plan.rules.split_null == "carry" and values.null_count()
        new[name] = _carried(walked, values).gather(last) if carries else values.gather(last_row)
    # nothing of a closed session is measured again, and it comes first in a tie
    blank = [name for name in (*plan.edges.values(), *plan.anys, "order") if name in rows.columns]
    zero = [pl.lit(0, rows.schema[name]).alias(name) for name in plan.sums]
    return rows.with_columns(**{name: pl.Series(name, value) for name, value in new.items()}).with_columns(
        *(pl.lit(None, rows.schema[name]).alias(name) for name in blank), *zero
    )


def _splits(plan: Plan) -> list[str]:
    return [f"split{at}" for at in range(len(plan.rules.split_on))]


def _carried(walked: Walked, values: pl.Series) -> pl.Series:
    """The last value of the user up to each position."""
    user = pl.Series(walked.index.columns.code).gather(pl.Series(_rows(walked)))
    in_order = pl.DataFrame({"user": user, "value": values.gather(pl.Series(_rows(walked)))})
    return in_order.select(pl.col("value").forward_fill().over("user")).to_series()


def _rows(walked: Walked) -> Int64:
    """The row at each position."""
    return np.arange(len(walked.index.tick)) if walked.index.is_log else walked.index.row


def _length(start: Int64, until: Int64) -> Int64:
    """``until - start``, as long as it can be."""
    length = until - start
    too_long = (until > start) & (length < 0)
    return np.where(too_long, _INT64_MAX, length)


def open_rows(call: str, walked: Walked, closing: Bools, plan: Plan) -> pl.DataFrame:
    """Rows of the open sessions of a pool, as few as the rules allow; in the order of the pool."""
    is_open = ~(closing | walked.was_closed)
    of_row, found, folds = walked.of_row, walked.found, plan.folds(walked.pool)
    keep = (of_row >= 0) & np.append(is_open, False)[of_row]
    is_first = np.zeros(len(of_row), np.bool_)
    is_first[walked.first_row[is_open]] = True
    if folds:
        keep &= is_first | _edge_rows(walked, plan)
    at = np.flatnonzero(keep)
    rows, session, first = walked.pool[at], of_row[at], is_first[at]
    new: dict[str, Any] = {"reach": walked.reach[session]}
    for name, value in zip(("session_id", "session_number"), found.name.T, strict=True):
        new[name] = pl.Series(value[session]).to_frame("value").select(
            pl.when(pl.Series(first)).then("value")
        ).to_series()
    if folds:
        tick = walked.index.columns.tick[at]
        new["last"] = np.where(first, found.end[session], tick)
        new["events"] = np.where(first, found.events[session], 0)
        if plan.has_gaps:
            length = _length(found.start[session], found.until[session])
            new["gap"] = np.where(first, length, rows["gap"].to_numpy())
        values = measure(call, found, walked.index, replace(plan.measured, first=(), last=()), plan.n_threads)
        for name, column in zip((*plan.sums, *plan.anys), values, strict=True):
            nothing = pl.lit(0, column.dtype) if name in plan.sums else pl.lit(value=False)
            whole = column.gather(session).alias("whole").to_frame()
            new[name] = whole.select(pl.when(pl.Series(first)).then("whole").otherwise(nothing)).to_series()
    return rows.with_columns(**{name: pl.Series(name, value) for name, value in new.items()})


def _edge_rows(walked: Walked, plan: Plan) -> Bools:
    """Rows that hold the first or the last value of a measure in their session."""
    is_edge = np.zeros(len(walked.pool), np.bool_)
    at = (walked.found.begin, walked.index.row, walked.found.copy_of)
    for name in plan.edges.values():
        column, edges = walked.pool[name], np.empty((2, len(walked.reach)), np.int64)
        valid = np.empty(0, np.uint8)
        if column.null_count():
            valid = column.is_not_null().cast(pl.UInt8).to_numpy()
        kernels.edge_rows(*at, valid, plan.n_threads, *edges)
        is_edge[edges[edges >= 0]] = True
    return is_edge
