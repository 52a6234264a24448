"""One step of a stream where silence alone ends sessions: what is open and the sessions of a batch, joined.

No row is pooled or walked over: each user has two short lists in order of time, which are merged. Where rows
may be late, and for all that rules or measures ask of rows, there is the walk of ``walked``. ADR 0028.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from cxcore._columns import EventColumns, Int32, Int64, Keys
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


def join(met: Met, batch: Batch | None, kept: Kept, plan: Plan, watermark: int | None) -> Step | None:
    """The step, or None where it has to be walked. Without a batch all sessions close."""
    opened, records = met.open, met.records
    if not plan.joins or met.own >= 0 or (batch is not None and batch.found is None):
        return None
    new_user, start, end, events = np.empty(0, np.int32), *np.empty((3, 0), np.int64)
    if batch is not None and batch.found is not None:
        found = batch.found
        new_user, start, end, events = found.user, found.start, found.end, found.events
    ticks, n = tick_length(kept, plan), len(opened) + len(new_user)
    user, session = np.empty(n, np.int32), np.empty((N_FACTS, n), np.int64)
    of_open = np.empty(len(opened), np.int64)
    n_closed, n_found = kernels.join_stretches(
        opened.user,
        opened.facts[: EVENTS + 1],
        new_user,
        start,
        end,
        events,
        plan.rules.gap_ticks(ticks),
        closing_before(kept.watermark, plan.slack(ticks)),
        closing_before(watermark, plan.slack(ticks)),
        batch is None,
        ticks,
        met.offset,
        met.data,
        plan.n_threads,
        records.T,
        user,
        session,
        of_open,
    )
    if n_found < 0:
        return None
    closed, still = slice(0, n_closed), slice(n_closed, n_found)
    users = _users(met, batch, plan)
    old, now = (facts[ID : NUMBER + 1] for facts in (opened.facts, session))
    outside = {plan.users[inside]: values for inside, values in users.items()}
    return Step(
        table_of(
            _sessions(met, user[closed], session[:, closed], ticks), outside, kept.time, plan.rules.long_after
        ),
        revised(old, now.take(of_open, axis=1), opened.log, plan),
        np.empty(0, np.int64),
        Rows(np.arange(len(met.code), dtype=np.int32), records, _of(unheard(records), users)),
        Rows(user[still], session[:, still].copy(), _of(user[still], users)),
    )


def _sessions(met: Met, user: Int32, session: Int64, ticks: int) -> Sessions:
    """As a table of sessions takes them; of columns it asks how long a tick is."""
    none, nobody = np.empty(0, np.int64), np.empty(0, np.int32)
    keys = Keys(nobody, none, none, met.offset, met.data)
    columns = EventColumns(keys, nobody, none, none, none, ticks, met.own)
    (start, end, events), name = session[: EVENTS + 1], session[ID : NUMBER + 1].T
    return Sessions(columns, start, end, events, name, user, gap_reasons(name))


def _users(met: Met, batch: Batch | None, plan: Plan) -> dict[str, pl.Series]:
    """Columns of each user, by place."""
    opened, n = met.open, 0
    users = {name: opened.log[name].clear() for name in plan.users}
    if batch is not None:
        log, columns = batch.events.log, batch.events.columns
        users, n = keys_of(columns, {name: log[name] for name in plan.users}), len(columns.keys)
    if len(met.code) > n:  # those who only have something open
        row = np.zeros(len(met.code) - n, np.uint32)
        of_others = np.flatnonzero(opened.user >= n)
        row[opened.user[of_others] - n] = of_others
        at = pl.Series(row)
        # in one piece: of two, Polars takes rows of text twenty times as slowly
        users = {name: values.append(opened.log[name][at]).rechunk() for name, values in users.items()}
    return users


def _of(user: Int64 | Int32, users: dict[str, pl.Series]) -> pl.DataFrame:
    at = pl.Series(user.astype(np.uint32))
    return frame_of({name: values[at] for name, values in users.items()})
