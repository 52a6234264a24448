"""One step of a stream where silence alone ends sessions: what is open and the sessions of a batch, joined.

No row is pooled or walked over: each user has two short lists in order of time, which are merged. Where rows
may be late, and for all that rules or measures ask of rows, there is the walk of ``walked``. ADR 0028.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from cxcore._columns import Int32, Int64
from cxcore._ext import sessions as kernels
from cxcore.sessions.batch import Batch
from cxcore.sessions.found import Sessions, frame_of, gap_reasons, keys_of, table_of
from cxcore.sessions.kept import (
    EVENTS,
    ID,
    N_FACTS,
    NUMBER,
    Kept,
    Plan,
    Rows,
    closing_before,
)
from cxcore.sessions.records import Met, Step, revised, tick_length, unheard

_NO_ROWS = np.empty(0, np.int64)


def join(met: Met, batch: Batch, kept: Kept, plan: Plan, watermark: int | None) -> Step | None:
    """The step, or None where it has to be walked."""
    found, opened, records = batch.found, met.open, met.records
    if not plan.joins or found is None or met.own >= 0:
        return None
    ticks, n = tick_length(kept, plan), len(opened) + len(found.start)
    user, session = np.empty(n, np.int32), np.empty((N_FACTS, n), np.int64)
    of_open = np.empty(len(opened), np.int64)
    n_closed, n_found = kernels.join_stretches(
        opened.user,
        opened.facts[: EVENTS + 1],
        found.user,
        found.start,
        found.end,
        found.events,
        plan.rules.gap_ticks(ticks),
        closing_before(kept.watermark, plan.slack(ticks)),
        closing_before(watermark, plan.slack(ticks)),
        ticks,
        met.offset,
        met.data,
        plan.n_threads,
        records,
        user,
        session,
        of_open,
    )
    if n_found < 0:
        return None
    closed, still = slice(0, n_closed), slice(n_closed, n_found)
    users = _users(met, batch, plan)
    name = session[ID : NUMBER + 1, closed].T
    start, end, events = session[: EVENTS + 1, closed]
    closing = Sessions(batch.events.columns, start, end, events, name, user[closed], gap_reasons(name))
    outside = {plan.users[inside]: values for inside, values in users.items()}
    return Step(
        table_of(closing, outside, kept.time, plan.rules.long_after),
        revised(
            opened.facts[ID : NUMBER + 1], session[ID : NUMBER + 1].take(of_open, axis=1), opened.log, plan
        ),
        _NO_ROWS,
        Rows(np.arange(len(met.code), dtype=np.int32), records, _of(unheard(records), users)),
        Rows(user[still], session[:, still].copy(), _of(user[still], users)),
    )


def _users(met: Met, batch: Batch, plan: Plan) -> dict[str, pl.Series]:
    """Columns of each user, by place."""
    log, columns = batch.events.log, batch.events.columns
    users = keys_of(columns, {name: log[name] for name in plan.users})
    n, opened = len(columns.keys), met.open
    if len(met.code) > n:  # those who only have something open
        row = np.zeros(len(met.code) - n, np.int64)
        of_others = np.flatnonzero(opened.user >= n)
        row[opened.user[of_others] - n] = of_others
        at = pl.Series(row)
        users = {name: values.append(opened.log[name][at]) for name, values in users.items()}
    return users


def _of(user: Int64 | Int32, users: dict[str, pl.Series]) -> pl.DataFrame:
    at = pl.Series(user)
    return frame_of({name: values[at] for name, values in users.items()})
