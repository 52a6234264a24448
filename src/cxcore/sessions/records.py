"""What a stream knows of users: a table of codes and records, and what is kept together with it.

A record is a row that stands for the last closed session of its user. Its numbers lie in the table, which is
changed in place, in one step at the end of a push; its columns of the log lie in frames one after the other,
the later the smaller, so that each value is moved a few times in all. A number of 0 is no record.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from cxcore import _columns, _options
from cxcore._columns import Int32, Int64, UInt8
from cxcore._ext.native import UserTable
from cxcore.sessions.batch import Batch
from cxcore.sessions.found import frame_of, times
from cxcore.sessions.kept import (
    EVENTS,
    GAP,
    ID,
    LAST,
    MARK,
    N_FACTS,
    NUMBER,
    REACH,
    SAME,
    TICK,
    VALUES,
    Bools,
    Kept,
    Plan,
    Rows,
    facts,
    taken,
)

#: users, or columns of records, from which on a look is taken at how many are of use
_FEW = 32_768
#: frames of columns, of which Polars takes rows without putting them together
_MOST_PARTS = 8
_INT64_MIN = -(2**63)
#: columns of what is revised, behind the user's
RENAMED = ("old_session_id", "old_session_number", "session_id", "session_number")
_NO_NAMES = {name: pl.Series(name, [], pl.Int64) for name in RENAMED}
#: columns of a saved stream beside those of the log
_SAVED = {
    "last": LAST,
    "events": EVENTS,
    "reach": REACH,
    "session_id": ID,
    "session_number": NUMBER,
    "same": SAME,
}


def tick_length(kept: Kept, plan: Plan) -> int:
    return _options.tick_length(kept.time, plan.roles.time_unit)


def first_table(batch: Batch, time: pl.DataType, plan: Plan) -> UserTable:
    """Of a stream before its first batch."""
    log = batch.events.log.clear()
    return table_of_users(Rows(np.empty(0, np.int32), facts(0, {}), log), (), time, None, plan)


def table_of_users(
    still_open: Rows, values: tuple[pl.DataFrame, ...], time: pl.DataType, watermark: int | None, plan: Plan
) -> UserTable:
    table = UserTable(N_FACTS)
    if plan.roles.null_user == "own":
        table.nobody()
    table.put(still_open.user[:0], facts(0, {}).T, Kept(still_open, values, time, watermark, _FEW))
    return table


# ---------------------------------------------------------------- the users of a step


@dataclass(frozen=True, slots=True, eq=False)
class Met:
    """The users that a step concerns, by their places in it: those of the batch first, rows without a user
    last.

    ``code`` int32[n_users] in the table; ``records`` int64[N_FACTS, n_users], which lie by user; ``open``
    their open rows, of which ``user`` is the place; ``others`` the open rows of all others; keys as in
    ``Keys``; ``own`` the place of rows without a user, or -1; ``forgotten`` the places of users whose record
    is too old.
    """

    code: Int32
    records: Int64
    open: Rows
    others: Rows
    offset: Int64
    data: UInt8
    own: int
    forgotten: Int64


def meet(table: UserTable, kept: Kept, batch: Batch | None, due: Bools, plan: Plan) -> Met:
    """Users of a batch, and those who have an open row that is due."""
    nobody = table.nobody() if plan.roles.null_user == "own" else -1
    offset, data = np.zeros(1, np.int64), np.empty(0, np.uint8)
    has_own = nobody >= 0 and bool((due & (kept.open.user == nobody)).any())
    if batch is not None:
        columns = batch.events.columns
        offset, data, has_own = columns.keys.offset, columns.keys.data, has_own or columns.own >= 0
    of_batch = table.encode(offset, data)
    code, place = table.meet(of_batch, kept.open.user, due, nobody if has_own else -1)
    others = code[len(of_batch) : len(code) - has_own]
    if len(others):
        more, bytes_of_more = table.keys(others)
        offset, data = np.append(offset, offset[-1] + more[1:]), np.append(data, bytes_of_more)
    records, rows, left = table.get(code).T, kept.open, kept.open.none
    if (place < 0).any():
        rows, left = kept.open[np.flatnonzero(place >= 0)], kept.open[np.flatnonzero(place < 0)]
        place = place[place >= 0]
    rows = replace(rows, user=place)
    forgotten = np.empty(0, np.int64)
    if plan.forget is not None:
        has_open = np.zeros(len(code), np.bool_)
        has_open[rows.user] = True
        forgotten = np.flatnonzero(_forgotten(records[LAST], has_open, kept, plan) & (records[NUMBER] > 0))
        records[NUMBER, forgotten] = records[SAME, forgotten] = 0
    own = len(code) - 1 if has_own else -1
    return Met(code, records, rows, left, offset, data, own, forgotten)


def _forgotten(last: Int64, has_open: Bools, kept: Kept, plan: Plan) -> Bools:
    """Users who have been silent for too long; ``last`` is the last tick of their record."""
    if plan.forget is None or kept.watermark is None:
        return np.zeros(len(has_open), np.bool_)
    ticks = _options.ticks_below(plan.forget, tick_length(kept, plan))
    silent: Bools = (last < max(kept.watermark - ticks, _INT64_MIN)) & ~has_open
    return silent


def log_of(records: Int64, kept: Kept, plan: Plan) -> pl.DataFrame:
    """Columns of the log for some records; nulls where none are kept of closed sessions."""
    log = kept.open.log.clear(records.shape[1])
    if not len(log):
        return log
    values = taken(pl.concat(kept.values), records[VALUES] - 1)
    return pl.DataFrame([values[name] if name in plan.values else log[name] for name in log.columns])


# ---------------------------------------------------------------- what is new


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """What a step gives and leaves: the sessions that ``closed`` and those ``revised``, as frames; the rows
    of the batch that are ``late``; ``records`` of users with a session that closed, the last of these, and
    columns of the log of those that had none; the rows that are ``open``.
    """

    closed: pl.DataFrame
    revised: pl.DataFrame
    late: Int64
    records: Rows
    open: Rows


def revised(old: Int64, now: Int64, log: pl.DataFrame, plan: Plan) -> pl.DataFrame:
    """Sessions that were open before and have another name now: ids and numbers int64[2, n] of the rows of a
    log, the old ones 0 behind the first row of each.
    """
    at = np.flatnonzero((old[1] > 0) & ((old[0] != now[0]) | (old[1] != now[1])))
    users = {outside: log[inside] for inside, outside in plan.users.items()}
    if not len(at):  # as a rule, and a frame is dear beside a step
        types = tuple(values.dtype for values in users.values())
        if types not in plan.unrevised:
            nobody = {name: values.clear() for name, values in users.items()}
            plan.unrevised[types] = frame_of({**nobody, **_NO_NAMES})
        return plan.unrevised[types].clone()
    row = pl.Series(at.astype(np.uint32))
    names = dict(zip(RENAMED, (*old[:, at], *now[:, at]), strict=True))
    return frame_of({**{name: values[row] for name, values in users.items()}, **names})


def unheard(records: Int64) -> Int64:
    """Records of which no columns of the log are kept yet."""
    return np.flatnonzero((records[VALUES] == 0) & (records[NUMBER] > 0))


def commit(table: UserTable, kept: Kept, met: Met, step: Step, watermark: int | None) -> None:
    """Records of the users who have closed sessions now, and the rows that are open now; nothing, or all."""
    closed, open_rows = step.records, step.open
    lines, values, n_new = closed.facts, kept.values, len(closed.log)
    if n_new:
        first = sum(map(len, values)) + 1
        lines[VALUES, unheard(lines)] = np.arange(first, first + n_new)
        values = _with(values, closed.log)
    code = met.code.take(closed.user)
    if len(met.forgotten):
        code = np.append(met.code[met.forgotten], code)
        lines = np.append(met.records[:, met.forgotten], lines, axis=1)
    still_open = Rows.pooled([replace(open_rows, user=met.code.take(open_rows.user)), met.others])
    table.put(code, lines.T, replace(kept, open=still_open, values=values, watermark=watermark))


def _with(values: tuple[pl.DataFrame, ...], new: pl.DataFrame) -> tuple[pl.DataFrame, ...]:
    parts = [*values, new]
    if len(parts) > _MOST_PARTS:
        at, n = len(values), len(new)
        while at and len(parts[at - 1]) <= 2 * n:
            at, n = at - 1, n + len(parts[at - 1])
        parts[at:] = [pl.concat(parts[at:], rechunk=True)]
    return tuple(parts)


def with_room(table: UserTable, plan: Plan) -> UserTable:
    """The table, or where half of what it holds is of no use, another that holds the rest."""
    kept: Kept = table.kept
    n_held = max(len(table), sum(map(len, kept.values)))
    if n_held <= kept.room:
        return table
    code, has_open = _known(table, plan)
    if 2 * (len(code) + int(has_open.sum())) < n_held:
        closed, still_open = frames_of(table, plan)
        table = users_of(closed, still_open, kept.watermark, plan)
        n_held = len(table)
    table.put(code[:0], facts(0, {}).T, replace(table.kept, room=2 * n_held + _FEW))
    return table


def _known(table: UserTable, plan: Plan) -> tuple[Int32, Bools]:
    """Codes of all who have a record, and whether each code has an open row."""
    kept: Kept = table.kept
    every, has_open = np.arange(len(table), dtype=np.int32), np.zeros(len(table), np.bool_)
    has_open[kept.open.user] = True
    is_known = table.line(NUMBER) > 0
    if plan.forget is not None:
        is_known &= ~_forgotten(table.line(LAST), has_open, kept, plan)
    return every[is_known], has_open


# ---------------------------------------------------------------- as frames, for the disk


def frames_of(table: UserTable, plan: Plan) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Closed and open rows."""
    kept: Kept = table.kept
    code, _ = _known(table, plan)
    records = table.get(code).T
    closed = _frame(records, log_of(records, kept, plan), kept, plan)
    return closed, _frame(kept.open.facts, kept.open.log, kept, plan)


def _frame(lines: Int64, log: pl.DataFrame, kept: Kept, plan: Plan) -> pl.DataFrame:
    made: dict[str, Any] = {**log.to_dict(), "time": times(pl.Series(lines[TICK]), kept.time)}
    if plan.has_gaps:
        made["gap"] = lines[GAP]
    if plan.has_marks:
        made["mark"] = lines[MARK].astype(np.uint8)
    made |= {name: lines[line] for name, line in _SAVED.items()}
    is_named = pl.Series(lines[NUMBER] > 0)
    frame = pl.DataFrame(made)
    return frame.with_columns(
        pl.when(is_named).then(pl.col(name)).alias(name) for name in ("session_id", "session_number")
    )


def users_of(closed: pl.DataFrame, still_open: pl.DataFrame, watermark: int | None, plan: Plan) -> UserTable:
    """A table of closed and open rows."""
    rows, n = pl.concat([closed, still_open]), len(closed)
    found = _columns.keys("SessionStream", "user", rows, list(plan.users), n_threads=plan.n_threads)
    columns = {TICK: "time", **{line: name for name, line in _SAVED.items()}}
    columns |= {GAP: "gap"} if plan.has_gaps else {}
    columns |= {MARK: "mark"} if plan.has_marks else {}
    lines = facts(
        len(rows),
        {line: _columns.int64_of(rows[name].to_physical(), null=0) for line, name in columns.items()},
    )
    lines[VALUES, :n] = np.arange(1, n + 1)
    inside = {"time", "gap", "mark", *_SAVED}
    log, values = still_open.drop(inside, strict=False), closed.select(plan.values)
    user = np.empty(0, np.int32)
    table = table_of_users(
        Rows(user, facts(0, {}), log), (values,) if n else (), rows.schema["time"], watermark, plan
    )
    code = table.encode(found.offset, found.data)
    if found.n_null:
        code = np.append(code, np.int32(table.nobody()))  # of a place of -1
    user = code[found.code] if len(code) else user
    kept = replace(table.kept, open=Rows(user[n:], lines[:, n:].copy(), log))
    table.put(user[:n], lines[:, :n].T, kept)
    return table
