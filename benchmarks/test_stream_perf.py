"""Sessions of a stream, batch after batch, beside one call on the whole log and one on each batch."""

from __future__ import annotations

from functools import partial

import data
import polars as pl
import pytest
from data import Log
from race import Contender, Race

import cxcore as cx

BATCH = 100_000
ROLES = {"user": "user_id", "time": "ts", "gap": "30m"}


def _stream(log: Log) -> tuple[cx.SessionStream, list[cx.SessionUpdate]]:
    stream = cx.SessionStream(**ROLES, allowed_lateness="1h")
    updates = [stream.push(batch) for batch in log.frame.iter_slices(BATCH)]
    return stream, [*updates, stream.finish()]


def _whole(log: Log) -> pl.DataFrame:
    return cx.sessions(log.frame, **ROLES)


def _batches(log: Log) -> list[pl.DataFrame]:
    return [cx.sessions(batch, **ROLES) for batch in log.frame.iter_slices(BATCH)]


def _stream_check(log: Log, got: tuple[cx.SessionStream, list[cx.SessionUpdate]]) -> None:
    updates = got[1]
    assert sum(update.late.height for update in updates) == 0, log.name
    closed = pl.concat(update.closed for update in updates).sort("user_id", "session_number")
    assert closed.equals(_whole(log).sort("user_id", "session_number")), log.name


def _table_check(log: Log, got: pl.DataFrame) -> None:
    want = log.truth.table
    found = got.select("user_id", start=pl.col("start").to_physical(), events="events")
    assert found.sort("user_id", "start").equals(want.select("user_id", "start", "events")), log.name


def _batches_check(log: Log, got: list[pl.DataFrame]) -> None:
    """Sessions that a batch cuts are several here: this is the time to beat, not the answer."""
    assert sum(table["events"].sum() for table in got) == len(log.frame), log.name


def _state(log: Log) -> str:
    stream = cx.SessionStream(**ROLES, allowed_lateness="1h")
    for batch in log.frame.iter_slices(BATCH):
        stream.push(batch)
    users = stream._users
    assert users is not None
    kept = users.kept
    parts = (kept.open.log, *kept.values)
    size = users.n_bytes + kept.open.facts.nbytes + sum(part.estimated_size() for part in parts)
    return (
        f"state at the end {size / 1e6:.1f} MB for {len(users):,} users and {len(kept.open):,} open sessions"
    )


@pytest.mark.parametrize("ids", ["integer", "string"])
def test_stream(race: Race, ids: str) -> None:
    log = data.skewed("small", "arrival", ids)
    words = f"{log.words}, batches of {BATCH:,} rows, {_state(log)}"
    print(words)
    race(
        f"stream/skewed/arrival/{ids}/small",
        words=words,
        rows=len(log.frame),
        verb=Contender("cxcore, stream", partial(_stream, log), partial(_stream_check, log)),
        parts=[
            Contender("cx.sessions, each batch alone", partial(_batches, log), partial(_batches_check, log)),
            Contender("cx.sessions, the whole log", partial(_whole, log), partial(_table_check, log)),
        ],
    )
