"""One step of a stream: what is kept and a batch in one walk, and what is kept after it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from cxcore._columns import EventColumns, Int64, event_columns
from cxcore._index import EventIndex, index_columns
from cxcore._rule_columns import ENDS, RuleColumns, calendar_edges, split_codes
from cxcore.engines import open_frame
from cxcore.sessions.batch import Batch
from cxcore.sessions.found import Sessions, table, walk
from cxcore.sessions.kept import Bools, Plan, blank, folded, length, put, row_at, session_of_row
from cxcore.sessions.measures import measure

_INT64_MIN = -(2**63)


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
        return row_at(self.index)[self.found.begin[:-1]]

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
    call: str, closed: pl.DataFrame, still_open: pl.DataFrame, batch: Batch, watermark: int | None, plan: Plan
) -> tuple[Walked, Int64]:
    """The sessions of what is kept and a batch, and which rows of the batch came too late to be in one."""
    n_closed, n_kept = len(closed), len(closed) + len(still_open)

    def pooled() -> tuple[pl.DataFrame, EventColumns, Bools]:
        pool = pl.concat([closed, still_open, batch.rows.hstack([plan.keys(batch.rows)])], rechunk=True)
        columns = event_columns(call, pool, plan.inside, n_threads=plan.n_threads)
        late = _touches_closed(pool, columns, n_closed)
        late[:n_kept] = False
        return pool, columns, late

    pool, columns, late = pooled()
    if batch.found is not None and late.any():  # of a stretch that touches, some rows may not
        batch = batch.unfolded(np.flatnonzero(late) - n_kept)
        pool, columns, late = pooled()
    walked = walk_pool(call, pool, columns, late, n_closed, plan)
    over = walked.passed(watermark, plan.slack(columns.tick_length))
    if over.any():
        behind = np.append(over, False)[walked.of_row]
        behind[:n_kept] = False
        if behind.any():
            late |= behind
            walked = walk_pool(call, pool, columns, late, n_closed, plan)
    return walked, batch.rows_behind(np.flatnonzero(late) - n_kept)


def walk_kept(call: str, closed: pl.DataFrame, still_open: pl.DataFrame, plan: Plan) -> Walked:
    """All that is kept, without a batch."""
    pool = pl.concat([closed, still_open], rechunk=True)
    columns = event_columns(call, pool, plan.inside, n_threads=plan.n_threads)
    return walk_pool(call, pool, columns, np.zeros(len(pool), np.bool_), len(closed), plan)


def _touches_closed(pool: pl.DataFrame, columns: EventColumns, n_closed: int) -> Bools:
    """Rows that lie before, in, or within the gap behind the last closed session of their user."""
    reach, known = np.zeros(columns.n_users, np.int64), np.zeros(columns.n_users, np.bool_)
    user = columns.code[:n_closed]
    reach[user], known[user] = pool["reach"][:n_closed].to_numpy(), True
    return known[columns.code] & (columns.tick <= reach[columns.code])


def walk_pool(
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
    of_row = session_of_row(index, found)
    was_closed, reach = np.zeros(len(found.end), np.bool_), found.until.copy()
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
    splits = [pool[name] for name in plan.splits]
    return RuleColumns(
        pool["gap"].to_numpy() if plan.has_gaps else none,
        pool["mark"].to_numpy() if plan.has_marks else np.empty(0, np.uint8),
        split_codes(call, splits, len(pool), plan.n_threads),
        np.empty((0, len(pool)), np.int64),
        edge,
        pool["last"].to_numpy(),
        pool["events"].to_numpy(),
    )


# ---------------------------------------------------------------- what is kept of it


def closed_rows(walked: Walked, closing: Bools, plan: Plan) -> pl.DataFrame:
    """One row for the last closed session of each user of a pool."""
    found, user = walked.found, walked.found.user
    is_closed = closing | walked.was_closed
    ends = np.append((user[1:] != user[:-1]) | ~is_closed[1:], True) if len(user) else np.empty(0, np.bool_)
    at = np.flatnonzero(is_closed & ends)
    first, begin = walked.first_row[at], found.begin
    last = begin[at + 1] - 1
    last_row = row_at(walked.index)[last]
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
        new["gap"] = length(found.start[at], found.until[at])
    if plan.has_marks:
        new["mark"] = walked.pool["mark"].to_numpy()[last_row] & np.uint8(ENDS)
    for name in plan.splits:
        values = walked.pool[name]
        carries = plan.rules.split_null == "carry" and values.null_count()
        new[name] = _carried(walked, values).gather(last) if carries else values.gather(last_row)
    for name in (*plan.edges.values(), *plan.anys, *plan.sums):  # nothing of it is measured again
        new[name] = blank(rows.schema[name], len(rows), 0 if name in plan.sums else None)
    return put(rows, new)


def _carried(walked: Walked, values: pl.Series) -> pl.Series:
    """The last value of the user up to each position."""
    user = pl.Series(walked.index.columns.code).gather(pl.Series(row_at(walked.index)))
    in_order = pl.DataFrame({"user": user, "value": values.gather(pl.Series(row_at(walked.index)))})
    return in_order.select(pl.col("value").forward_fill().over("user")).to_series()


def open_rows(call: str, walked: Walked, closing: Bools, plan: Plan) -> pl.DataFrame:
    """Rows of the open sessions of a pool, as few as the rules allow; in the order of the pool."""
    is_open, found, of_row = ~(closing | walked.was_closed), walked.found, walked.of_row
    if plan.folds(walked.pool):
        rows, at = folded(call, walked.index, found, of_row, is_open, plan)
    else:
        at = np.flatnonzero(np.append(is_open, False)[of_row])
        rows = walked.pool[at]
    is_first = np.zeros(len(of_row), np.bool_)
    is_first[walked.first_row[is_open]] = True
    first, nothing = pl.Series(is_first[at]), blank(pl.Int64(), len(at))
    identity, number = (pl.Series(part).zip_with(first, nothing) for part in found.name[of_row[at]].T)
    return put(rows, {"reach": walked.reach[of_row[at]], "session_id": identity, "session_number": number})
