"""SessionStream: what closes when, what is late, and the answer of sessions() in the end."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import cxcore as cx
from tests import strategies
from tests.conftest import Flavour
from tests.reference import keys as keys_twin
from tests.reference import rules as rules_twin
from tests.reference import session_stream as twin
from tests.reference import sessions as sessions_twin
from tests.test_session_rules import ruled_logs

NOON = dt.datetime(2026, 1, 5, 12)
ROLES: dict[str, Any] = {"user": "user", "time": "time"}


def batch(*events: tuple[Any, float], **columns: list[Any]) -> pl.DataFrame:
    """(user, minutes after noon) in rows."""
    times = [NOON + dt.timedelta(minutes=m) for _, m in events]
    schema = {"user": pl.String, "time": pl.Datetime("us")}
    return pl.DataFrame({"user": [who for who, _ in events], "time": times, **columns}, schema_overrides=schema)


def stream_of(**options: Any) -> cx.SessionStream:
    return cx.SessionStream(**ROLES, **{"gap": "30m", **options})


def briefly(table: pl.DataFrame) -> list[tuple[Any, ...]]:
    """User, number, minutes of start and end, events."""
    minutes = ((pl.col(end) - NOON).dt.total_minutes() for end in ("start", "end"))
    return sorted(table.select("user", "session_number", *minutes, "events").rows())


# ------------------------------------------------------------------ against twin and batch


def slices(frame: pl.DataFrame, cuts: list[int]) -> list[pl.DataFrame]:
    edges = [0, *sorted(min(cut, frame.height) for cut in cuts), frame.height]
    return [frame[low:high] for low, high in zip(edges, edges[1:], strict=False)]


cuts = st.lists(st.integers(0, 40), max_size=6)
jitter = st.sampled_from((0, 0, 0, 600, 3_600, 20_000))


@st.composite
def ruled_streams(draw: st.DrawFn) -> tuple[pl.DataFrame, dict[str, Any], rules_twin.Rules]:
    """A log nearly in order of time, options that a stream can keep, and the twin's rules."""
    frame, options, rules = draw(ruled_logs())
    moved = draw(st.lists(jitter, min_size=frame.height, max_size=frame.height))
    frame = frame.with_columns(at=pl.col("time") + pl.Series(moved, dtype=pl.Int64)).sort("at", maintain_order=True)
    options = {name: value for name, value in options.items() if name != "unique"}
    gap: Any = rules.gap
    if options["gap"] is None:
        gap, options["gap"] = 900, "15m"
    elif isinstance(options["gap"], pl.Expr):
        gap = frame["gap"].to_list()
    rules = replace(
        rules,
        gap=gap,
        start_on=rules.start_on and frame["on"].to_list(),
        end_on=rules.end_on and frame["off"].to_list(),
        split_on=rules.split_on and (frame["campaign"].to_list(), frame["medium"].to_list()),
        keep_alive=rules.keep_alive and frame["alive"].to_list(),
        unique=(),
    )
    return frame.with_row_index("row"), options, rules


def names_of(sessions: list[rules_twin.Session]) -> dict[tuple[Any, int], tuple[int, int]]:
    """Id and number by user and first row."""
    key = {who: keys_twin.canonical(who) for who in ("x", "y")}
    ids = sessions_twin.session_ids(sessions, key, 10**9)  # type: ignore[arg-type]
    return {(s.user, s.rows[0]): (name, s.number) for s, name in zip(sessions, ids, strict=True)}


@given(case=ruled_streams(), cuts=cuts, lateness=st.sampled_from((0, 300, 1_800, 7_200)), n_threads=strategies.threads)
def test_stream_and_twin_agree(
    case: tuple[pl.DataFrame, dict[str, Any], rules_twin.Rules], cuts: list[int], lateness: int, n_threads: int
) -> None:
    frame, options, rules = case
    users, times, seq = (frame[name].to_list() for name in ("user", "time", "seq"))
    slow = twin.Stream(users, times, seq, rules, lateness)
    fast = cx.SessionStream(
        **ROLES, **options, time_unit="s", allowed_lateness=f"{lateness}s", n_threads=n_threads
    )
    for part in slices(frame, cuts):
        before = slow.sessions(slow.rows)
        was_open = [s for s in before if s not in slow.closed]
        old = names_of(before)
        closed, late = slow.push(part["row"].to_list())
        update = fast.push(part)
        assert update.late["row"].to_list() == late
        assert_same(update.closed, closed)
        assert_same(fast.open, slow.open)
        now = names_of(slow.sessions(slow.rows))
        of_row = {row: now[s.user, s.rows[0]] for s in slow.sessions(slow.rows) for row in s.rows}
        moved = [(s.user, *old[s.user, s.rows[0]], *of_row[s.rows[0]]) for s in was_open]
        assert sorted(update.revised.rows()) == sorted(row for row in moved if row[1:3] != row[3:])
    assert_same(fast.finish().closed, slow.finish())
    assert fast.watermark == slow.watermark


def assert_same(got: pl.DataFrame, want: list[rules_twin.Session]) -> None:
    rows = got.select("user", "session_number", "session_reason", "start", "end", "events").rows() if got.width else []
    assert sorted(rows) == sorted((s.user, s.number, s.reason, s.start, s.end, s.events) for s in want)


MEASURES: dict[str, Any] = {"first": ["campaign", "gap"], "last": "campaign", "sum": ["key", "real"], "any": "on"}


@given(
    case=ruled_streams(),
    cuts=cuts,
    lateness=st.sampled_from(("0s", "5m", "1h")),
    own=st.booleans(),
    floats=st.booleans(),
    n_threads=strategies.threads,
)
def test_closed_sessions_are_those_of_the_batch(
    case: tuple[pl.DataFrame, dict[str, Any], Any],
    cuts: list[int],
    lateness: str,
    own: bool,
    floats: bool,
    n_threads: int,
) -> None:
    """Row for row, measures too, over all rows that were not late."""
    frame, options, _ = case
    frame = frame.with_columns(real=pl.col("key") / 7)
    measures = {**MEASURES, "sum": MEASURES["sum"][: 1 + floats]}
    options |= {**ROLES, **measures, "time_unit": "s", "null_user": "own" if own else "null"}
    stream = cx.SessionStream(**options, allowed_lateness=lateness, n_threads=n_threads)
    updates = [stream.push(part) for part in slices(frame, cuts)]
    kept = frame.join(pl.concat(update.late for update in updates), on="row", how="anti", maintain_order="left")
    assert_batch(stream, updates, kept, options)


def assert_batch(
    stream: cx.SessionStream, updates: list[cx.SessionUpdate], kept: pl.DataFrame, options: dict[str, Any]
) -> None:
    closed = pl.concat([*(update.closed for update in updates), stream.finish().closed])
    by = ["user", "session_number", "start", "session_id"]
    assert_frame_equal(closed.sort(by), cx.sessions(kept, **options).sort(by), check_exact=True)
    assert stream.open.height == 0


@given(
    frame=strategies.event_logs(),
    cuts=cuts,
    in_order=st.booleans(),
    gap=st.sampled_from(("1ns", "10m", "1h", "99999999w")),
    closed=st.sampled_from(("left", "right")),
    own=st.booleans(),
)
def test_any_key_any_time(
    frame: pl.DataFrame, cuts: list[int], in_order: bool, gap: str, closed: str, own: bool
) -> None:
    frame = frame.with_columns(n=pl.int_range(pl.len()) % 5)
    frame = (frame.sort("time") if in_order else frame).with_row_index("row")
    options: dict[str, Any] = {**ROLES, "gap": gap, "gap_closed": closed, "null_user": "own" if own else "null"}
    options |= {"first": "n", "last": ["n", "user"], "sum": "n", "order": "seq"}
    stream = cx.SessionStream(**options, allowed_lateness="20m")
    updates = [stream.push(part) for part in slices(frame, cuts)]
    kept = frame.join(pl.concat(update.late for update in updates), on="row", how="anti", maintain_order="left")
    assert_batch(stream, updates, kept, options)
