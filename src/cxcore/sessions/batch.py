"""A batch of a stream as it is kept: its columns checked, its rows folded where silence alone decides."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from cxcore import errors
from cxcore._columns import EventColumns, Int32, Int64, event_columns, marks
from cxcore._index import EventIndex, index_columns
from cxcore._rule_columns import RuleColumns, rule_columns, split_codes, split_columns
from cxcore.engines import open_frame
from cxcore.sessions.found import Sessions, Wanted, find, frame_of, labels, walk
from cxcore.sessions.kept import (
    EVENTS,
    GAP,
    LAST,
    MARK,
    TICK,
    Kept,
    Plan,
    Rows,
    facts,
    folded,
    put,
    session_of_row,
    taken,
)
from cxcore.sessions.measures import summands


@dataclass(frozen=True, eq=False)
class Events:
    """All rows of a batch, checked; ``log`` has the columns of it that are kept."""

    log: pl.DataFrame
    index: EventIndex
    read: RuleColumns
    n_walked: int

    @property
    def columns(self) -> EventColumns:
        return self.index.columns

    def rows(self, at: Int64) -> Rows:
        tick, read = self.columns.tick[at], self.read
        lines: dict[int, Any] = {TICK: tick, LAST: tick, EVENTS: 1}
        if len(read.gap):
            lines[GAP] = read.gap[at]
        if len(read.mark):
            lines[MARK] = read.mark[at]
        return Rows(self.columns.code[at], facts(len(at), lines, self.n_walked), taken(self.log, at))


@dataclass(frozen=True, slots=True, eq=False)
class Poolable:
    """Rows of a batch, to be pooled with what is kept.

    Of each there is either its ``row`` in the batch, or the ``stretch`` that it is of, a session of the batch
    alone; -1 where it has none. Both int64. Users are codes of the batch.
    """

    rows: Rows
    row: Int64
    stretch: Int64


@dataclass(frozen=True, eq=False)
class Batch:
    """A batch: its events; ``found``, the sessions of the batch alone, where rows may stand for them; and the
    rows to be pooled, None where each session is one and nobody has asked for it.
    """

    events: Events
    found: Sessions | None
    given: Poolable | None

    @cached_property
    def poolable(self) -> Poolable:
        if self.given is not None:
            return self.given
        found = self.found
        assert found is not None
        n, user = len(found.start), found.user
        made = facts(n, {TICK: found.start, LAST: found.end, EVENTS: found.events}, self.events.n_walked)
        rows = Rows(user, made, taken(self.events.log, self.events.columns.keys.first.take(user)))
        return Poolable(rows, np.full(n, -1), np.arange(n))

    @property
    def last(self) -> int | None:
        """The greatest tick."""
        ticks = self.poolable.rows.facts[LAST] if self.found is None else self.found.end
        return int(ticks.max()) if len(ticks) else None

    @cached_property
    def label(self) -> Int32:
        """The stretch of each row of the batch, -1 where it has none."""
        assert self.found is not None
        return labels(self.found, self.events.index, self.events.index.n_threads)

    def rows_behind(self, which: Int64) -> Int64:
        """Rows of the batch for which some of the pooled ones stand."""
        if not len(which):
            return which
        row, stretch = self.poolable.row[which], self.poolable.stretch[which]
        if not (stretch >= 0).any():
            return row
        behind = np.flatnonzero(np.isin(self.label, stretch[stretch >= 0]))
        return np.sort(np.append(row[stretch < 0], behind))

    def unfolded(self, which: Int64) -> Batch:
        """The rows themselves in the place of some stretches."""
        pool = self.poolable
        stretch = np.unique(pool.stretch[which])
        stays = np.flatnonzero(~np.isin(pool.stretch, stretch))
        row = np.flatnonzero(np.isin(self.label, stretch))
        unfolded = Poolable(
            Rows.pooled([pool.rows[stays], self.events.rows(row)]),
            np.append(pool.row[stays], row),
            np.append(pool.stretch[stays], np.full(len(row), -1)),
        )
        return replace(self, given=unfolded)


def batch_of(call: str, house: pl.DataFrame, kept: Kept | None, plan: Plan) -> Batch:
    """A batch, its columns checked; without the rows that have no session."""
    columns = event_columns(call, house, plan.roles, n_threads=plan.n_threads)
    read = rule_columns(call, house, columns, plan.roles, plan.rules, plan.n_threads)
    log = _log(call, house, kept, plan)
    if kept is not None:
        log = _as_before(call, log, house.schema[plan.roles.time], kept, plan)
    engine, frame = open_frame(call, log)
    index = index_columns(columns, plan.inside, log, engine, frame, n_threads=plan.n_threads)
    events = Events(log, index, read, plan.n_walked)
    if plan.folds(log):
        return _in_stretches(call, events, plan)
    row = np.flatnonzero(columns.code >= 0)
    return Batch(events, None, Poolable(events.rows(row), row, np.full(len(row), -1)))


def _log(call: str, house: pl.DataFrame, kept: Kept | None, plan: Plan) -> pl.DataFrame:
    made: dict[str, Any] = {inside: house[name] for inside, name in plan.users.items()}
    if plan.roles.order is not None:
        made["order"] = house[plan.roles.order]
    made |= dict(zip(plan.splits, split_columns(call, house, plan.rules), strict=True))
    made |= {inside: house[name] for name, inside in plan.edges.items()}
    for inside, name in plan.sums.items():
        untyped = kept is not None and house[name].dtype == pl.Null()
        made[inside] = house[name] if untyped else summands(call, house[name])
    for inside, name in plan.anys.items():
        made[inside] = marks(call, "any", house, name)
    return frame_of(made)


def _as_before(call: str, log: pl.DataFrame, time: pl.DataType, kept: Kept, plan: Plan) -> pl.DataFrame:
    """The columns of a batch in the types of the first one; refused where they are others."""
    before = {**kept.open.log.schema, "time": kept.time}
    now_are = {**log.schema, "time": time}
    if now_are == before:
        return log
    outside = {inside: ("user", name) for inside, name in plan.users.items()}
    outside |= {"time": ("time", plan.roles.time), "order": ("order", plan.roles.order or "")}
    for name, inside in plan.edges.items():
        outside[inside] = ("first" if name in plan.measures.first else "last", name)
    outside |= {inside: ("sum", name) for inside, name in plan.sums.items()}
    untyped: dict[str, Any] = {}
    for name, now in now_are.items():
        dtype = before[name]
        if now == dtype or dtype == pl.Null():
            continue
        if now == pl.Null():
            untyped[name] = log[name].cast(dtype)
        else:
            role, column = outside.get(name, ("split_on", name))
            wants = f"had {dtype} in the batches before"
            raise errors.wrong_dtype(call, role, column, now, wants, "cast it, or start another stream.")
    return put(log, untyped)


def _in_stretches(call: str, events: Events, plan: Plan) -> Batch:
    """The sessions of a batch alone, each as one row and those of its first and last values."""
    index, columns, read = events.index, events.columns, events.read
    if plan.has_gaps:
        n = len(events.log)
        values, once = split_codes(call, [], n, plan.n_threads), np.ones(n, np.int64)
        read = replace(read, value=values, last=columns.tick, events=once)
        found = walk(index, plan.rules, read, plan.n_threads)
    else:
        is_walked = bool(plan.measures.names) or plan.roles.order is not None or columns.own >= 0
        wanted: Wanted = "events" if is_walked else "rows"
        found = find(call, index, plan.rules, plan.n_threads, wanted, named=False)
    if found.label is None:
        every = np.ones(len(found.start), np.bool_)
        of_row = session_of_row(index, found)
        rows, at = folded(call, index, found, of_row, every, events.rows, plan)
        return Batch(events, found, Poolable(rows, np.full(len(rows), -1), of_row[at]))
    return Batch(events, found, None)  # no row stands for a session, but none is asked for
