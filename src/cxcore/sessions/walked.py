"""One step of a stream: what is kept and a batch in one walk, and what is kept after it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from cxcore._columns import EventColumns, Int64, Keys, tie_order
from cxcore._index import EventIndex, index_columns
from cxcore._rule_columns import ENDS, RuleColumns, calendar_edges, split_codes
from cxcore.engines import open_frame
from cxcore.sessions.batch import Batch
from cxcore.sessions.found import Sessions, frame_of, gap_reasons, keys_of, table_of, walk
from cxcore.sessions.kept import (
    EVENTS,
    GAP,
    ID,
    LAST,
    MARK,
    NUMBER,
    REACH,
    SAME,
    TICK,
    VALUES,
    Bools,
    Kept,
    Plan,
    Rows,
    closing_before,
    facts,
    folded,
    length,
    row_at,
    session_of_row,
)
from cxcore.sessions.measures import measure
from cxcore.sessions.records import Met, Step, log_of, revised, tick_length


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """Rows of one walk: first ``n_closed`` records, where rules look at them, then open rows up to
    ``n_kept``, then a batch's. Their users are places in ``met``.
    """

    rows: Rows
    n_closed: int
    n_kept: int
    met: Met
    time: pl.DataType
    tick_length: int

    @staticmethod
    def of(met: Met, new: Rows | None, kept: Kept, plan: Plan) -> Pool:
        parts, n_closed = [replace(met.open, facts=met.open.facts[: plan.n_walked])], 0
        if not plan.folds(kept.open.log):  # of silence all is known without a walk over the records
            known = np.flatnonzero(met.records[NUMBER] > 0)
            records, n_closed = met.records.take(known, axis=1), len(known)
            log = log_of(records, kept, plan) if plan.splits else kept.open.log.clear(n_closed)
            parts.insert(0, Rows(known.astype(np.int32), records[: plan.n_walked], log))
        rows = Rows.pooled(parts if new is None else [*parts, new])
        return Pool(rows, n_closed, n_closed + len(met.open), met, kept.time, tick_length(kept, plan))

    @property
    def before(self) -> Int64:
        """What came before the walk, as ``walk`` takes it. A record that is walked over is not before it."""
        records, walked = self.met.records, self.n_closed > 0
        known = records[NUMBER] > 0
        lines = (records[NUMBER] - (known & walked), records[TICK], records[SAME] - (~known | walked))
        return np.stack(lines)

    def touches_closed(self) -> Bools:
        """Rows of the batch before, in, or within the gap behind the last closed session of their user."""
        late, user, records = (
            np.zeros(len(self.rows), np.bool_),
            self.rows.user[self.n_kept :],
            self.met.records,
        )
        is_near = self.rows.facts[TICK, self.n_kept :] <= records[REACH].take(user)
        late[self.n_kept :] = is_near & (records[NUMBER] > 0).take(user)
        return late

    def columns(self, call: str, late: Bools, plan: Plan) -> EventColumns:
        """As the kernels take them. The first row of a key is any that is no record."""
        met, user = self.met, self.rows.user
        code = np.where(late, np.int32(-1), user) if late.any() else user
        count = np.bincount(code[code >= 0] if code is not user else user, minlength=len(met.code))
        first = np.zeros(len(met.code), np.int64)
        first[user[self.n_closed :]] = np.arange(self.n_closed, len(user))
        order = "order" if plan.roles.order is not None else None
        tie = tie_order(call, self.rows.log, order)
        keys = Keys(code, count, first, met.offset, met.data)
        return EventColumns(keys, code, count, self.rows.facts[TICK], tie, self.tick_length, met.own)


@dataclass(frozen=True, eq=False)
class Walked:
    """Sessions of a pool.

    ``reach`` int64[n_sessions]; ``of_row`` int64[n_rows], the session of each row, -1 where it was left out;
    ``was_closed`` bool[n_sessions]: is it the last closed one of its user?
    """

    pool: Pool
    index: EventIndex
    found: Sessions
    reach: Int64
    of_row: Int64
    was_closed: Bools

    @cached_property
    def first_row(self) -> Int64:
        """Of each session."""
        return row_at(self.index).take(self.found.begin[:-1])

    def passed(self, watermark: int | None, slack: int) -> Bools:
        """Sessions behind which the watermark lies by more than the slack, but for those closed before."""
        return (self.reach < closing_before(watermark, slack)) & ~self.was_closed

    def table(self, call: str, which: Bools, plan: Plan) -> pl.DataFrame:
        """Rows of the table of sessions."""
        found, at = self.found, np.flatnonzero(which)
        some = replace(
            found,
            start=found.start.take(at),
            end=found.end.take(at),
            events=found.events.take(at),
            name=found.name.take(at, axis=0),
            user=found.user.take(at),
            reason=found.reason.take(at),
        )
        users = {outside: self.pool.rows.log[inside] for inside, outside in plan.users.items()}
        sheet = table_of(some, keys_of(found.columns, users), self.pool.time, plan.rules.long_after)
        if not plan.measures.names:
            return sheet
        values = measure(call, found, self.index, plan.measured, plan.n_threads, plan.sums)
        values.columns = plan.measures.names
        return sheet.hstack(values.filter(pl.Series(which)))


def step_of(call: str, walked: Walked, closing: Bools, late: Int64, plan: Plan) -> Step:
    """What comes of a walk: which sessions close, which rows of the batch are late."""
    pool = walked.pool
    kept_rows = slice(pool.n_closed, pool.n_kept)
    names = walked.found.name.take(walked.of_row[kept_rows], axis=0).T
    return Step(
        walked.table(call, closing, plan),
        revised(pool.met.open.facts[ID : NUMBER + 1], names, pool.met.open.log, plan),
        late,
        closed_rows(walked, closing, plan),
        open_rows(call, walked, closing, plan),
    )


def walk_batch(call: str, met: Met, batch: Batch, kept: Kept, plan: Plan) -> tuple[Walked, Int64]:
    """The sessions of what is kept and a batch, and which rows of the batch came too late to be in one."""

    def pooled() -> tuple[Pool, Bools]:
        rows, own = batch.poolable.rows, batch.events.columns.own
        if own >= 0:
            rows = replace(rows, user=np.where(rows.user == own, np.int32(met.own), rows.user))
        pool = Pool.of(met, rows, kept, plan)
        return pool, pool.touches_closed()

    pool, late = pooled()
    if batch.found is not None and late.any():  # of a stretch that touches, some rows may not
        batch = batch.unfolded(np.flatnonzero(late) - pool.n_kept)
        pool, late = pooled()
    walked = walk_pool(call, pool, late, plan)
    over = walked.passed(kept.watermark, plan.slack(pool.tick_length))
    if over.any():
        behind = np.append(over, False)[walked.of_row]
        behind[: pool.n_kept] = False
        if behind.any():
            late |= behind
            walked = walk_pool(call, pool, late, plan)
    return walked, batch.rows_behind(np.flatnonzero(late) - pool.n_kept)


def walk_kept(call: str, met: Met, kept: Kept, plan: Plan) -> Walked:
    """What is kept, without a batch."""
    pool = Pool.of(met, None, kept, plan)
    return walk_pool(call, pool, np.zeros(len(pool.rows), np.bool_), plan)


def walk_pool(call: str, pool: Pool, late: Bools, plan: Plan) -> Walked:
    columns, n_closed = pool.columns(call, late, plan), pool.n_closed
    log = pool.rows.log
    engine, frame = open_frame(call, log)
    index = index_columns(columns, plan.inside, log, engine, frame, n_threads=plan.n_threads)
    found = walk(index, plan.rules, _read(call, pool, columns, plan), plan.n_threads, pool.before)
    if plan.folds(log):
        found = replace(found, reason=gap_reasons(found.name))
    of_row = session_of_row(index, found)
    was_closed, reach = np.zeros(len(found.end), np.bool_), found.until.copy()
    was_closed[of_row[:n_closed]] = True
    if plan.has_gaps:  # a session is not closed before an earlier one of its user
        reach[of_row[:n_closed]] = pool.met.records[REACH, pool.rows.user[:n_closed]]
        by_user = pl.DataFrame({"user": found.user, "reach": reach})
        reach = by_user.select(pl.col("reach").cum_max().over("user")).to_series().to_numpy()
    return Walked(pool, index, found, reach, of_row, was_closed)


def _read(call: str, pool: Pool, columns: EventColumns, plan: Plan) -> RuleColumns:
    """What the rules read of a pool; it was checked when it came."""
    none, rules, lines = np.empty(0, np.int64), plan.rules, pool.rows.facts
    edge = none
    if rules.calendar is not None:
        edge = calendar_edges(call, pool.time, plan.inside, columns, rules.calendar, rules.time_zone)
    return RuleColumns(
        lines[GAP] if plan.has_gaps else none,
        lines[MARK].astype(np.uint8) if plan.has_marks else np.empty(0, np.uint8),
        split_codes(call, [pool.rows.log[name] for name in plan.splits], len(pool.rows), plan.n_threads),
        np.empty((0, len(pool.rows)), np.int64),
        edge,
        lines[LAST],
        lines[EVENTS],
    )


# ---------------------------------------------------------------- what is kept of it


def closed_rows(walked: Walked, closing: Bools, plan: Plan) -> Rows:
    """A record of each user with a session that closes: the last of these; and columns of the log of those
    records that have none yet.
    """
    found, user = walked.found, walked.found.user
    is_closed = closing | walked.was_closed
    ends = np.append((user[1:] != user[:-1]) | ~is_closed[1:], True) if len(user) else closing
    at = np.flatnonzero(closing & ends)
    last = found.begin.take(at + 1) - 1
    last_row, rows, user = row_at(walked.index).take(last), walked.pool.rows, user.take(at)
    start, reach, (ids, numbers) = found.start.take(at), walked.reach.take(at), found.name.take(at, axis=0).T
    if found.columns.own >= 0:  # rows without a user touch nothing: what comes after them in time is after
        reach = np.where(user == found.columns.own, start, reach)
    lines: dict[int, Any] = {
        TICK: start,
        LAST: found.end.take(at),
        EVENTS: found.events.take(at),
        REACH: reach,
        ID: ids,
        NUMBER: numbers,
        SAME: found.same.take(at),
        VALUES: 0 if plan.splits else walked.pool.met.records[VALUES].take(user),
    }
    if plan.has_gaps:
        lines[GAP] = length(start, found.until[at])
    if plan.has_marks:
        lines[MARK] = rows.facts[MARK][last_row] & ENDS
    made = facts(len(at), lines)
    first = pl.Series(walked.first_row.take(at[made[VALUES] == 0]).astype(np.uint32))
    log = {name: rows.log[name][first] for name in plan.users}
    for name in plan.splits:
        values = rows.log[name]
        carries = plan.rules.split_null == "carry" and values.null_count()
        log[name] = _carried(walked, values).gather(last) if carries else values.gather(last_row)
    return Rows(user, made, frame_of(log))


def _carried(walked: Walked, values: pl.Series) -> pl.Series:
    """The last value of the user up to each position."""
    user = pl.Series(walked.index.columns.code).gather(pl.Series(row_at(walked.index)))
    in_order = pl.DataFrame({"user": user, "value": values.gather(pl.Series(row_at(walked.index)))})
    return in_order.select(pl.col("value").forward_fill().over("user")).to_series()


def open_rows(call: str, walked: Walked, closing: Bools, plan: Plan) -> Rows:
    """Rows of the open sessions of a pool, as few as the rules allow; in the order of the pool."""
    is_open, found, of_row = ~(closing | walked.was_closed), walked.found, walked.of_row
    pool = walked.pool.rows
    if plan.folds(pool.log):
        rows, at = folded(call, walked.index, found, of_row, is_open, pool.__getitem__, plan)
    else:
        at = np.flatnonzero(np.append(is_open, False)[of_row])
        rows = pool[at]
    is_first = np.zeros(len(of_row), np.bool_)
    is_first[walked.first_row[is_open]] = True
    session, first = of_row.take(at), is_first.take(at)
    lines = facts(len(at), dict(enumerate(rows.facts)) | {REACH: walked.reach.take(session)})
    for line, part in zip((ID, NUMBER), found.name.take(session, axis=0).T, strict=True):
        lines[line] = part * first
    return replace(rows, facts=lines)
