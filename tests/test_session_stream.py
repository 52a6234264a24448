"""SessionStream: what closes when, what is late, and the answer of sessions() in the end."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import cxcore as cx
from cxcore import _files
from cxcore._ext import sessions as kernels
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
    return pl.DataFrame(
        {"user": [who for who, _ in events], "time": times, **columns}, schema_overrides=schema
    )


def stream_of(**options: Any) -> cx.SessionStream:
    return cx.SessionStream(**ROLES, **{"gap": "30m", **options})


def briefly(table: pl.DataFrame) -> list[tuple[Any, ...]]:
    """User, number, minutes of start and end, events."""
    minutes = ((pl.col(end) - NOON).dt.total_minutes() for end in ("start", "end"))
    return sorted(table.select("user", "session_number", *minutes, "events").rows())


# ------------------------------------------------------------------ against twin and batch


def slices(frame: pl.DataFrame, cuts: list[int]) -> list[pl.DataFrame]:
    edges = [0, *sorted(min(cut, frame.height) for cut in cuts), frame.height]
    return [frame[low:high] for low, high in itertools.pairwise(edges)]


def arriving(n: int) -> pl.DataFrame:
    """A log in which one row of ten comes up to five hours late."""
    made = cx.datasets.clickstream(n, rng=5, order="sorted").frame.select("user_id", "ts", "page")
    rng = np.random.default_rng(7)
    delay = pl.Series(rng.integers(0, 300, n) * (rng.random(n) < 0.1))
    return made.sort(pl.col("ts") + pl.duration(minutes=delay)).with_row_index()


cuts = st.lists(st.integers(0, 40), max_size=6)
jitter = st.sampled_from((0, 0, 0, 600, 3_600, 20_000))


@st.composite
def ruled_streams(draw: st.DrawFn) -> tuple[pl.DataFrame, dict[str, Any], rules_twin.Rules]:
    """A log nearly in order of time, options that a stream can keep, and the twin's rules."""
    frame, options, rules = draw(ruled_logs())
    moved = draw(st.lists(jitter, min_size=frame.height, max_size=frame.height))
    frame = frame.with_columns(at=pl.col("time") + pl.Series(moved, dtype=pl.Int64)).sort(
        "at", maintain_order=True
    )
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


@given(
    case=ruled_streams(),
    cuts=cuts,
    lateness=st.sampled_from((0, 300, 1_800, 7_200)),
    n_threads=strategies.threads,
)
def test_stream_and_twin_agree(
    case: tuple[pl.DataFrame, dict[str, Any], rules_twin.Rules],
    cuts: list[int],
    lateness: int,
    n_threads: int,
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
    rows = (
        got.select("user", "session_number", "session_reason", "start", "end", "events").rows()
        if got.width
        else []
    )
    assert sorted(rows) == sorted((s.user, s.number, s.reason, s.start, s.end, s.events) for s in want)


MEASURES: dict[str, Any] = {
    "first": ["campaign", "gap"],
    "last": "campaign",
    "sum": ["key", "real"],
    "any": "on",
}


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
    updates = []
    for part in slices(frame, cuts):
        before = stream.watermark
        updates.append(stream.push(part))
        seconds = {"0s": 0, "5m": 300, "1h": 3_600}[lateness]
        assert all(at < before - seconds for at in updates[-1].late["time"]), "late within what is allowed"
    kept = frame.join(
        pl.concat(update.late for update in updates), on="row", how="anti", maintain_order="left"
    )
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
    options: dict[str, Any] = {
        **ROLES,
        "gap": gap,
        "gap_closed": closed,
        "null_user": "own" if own else "null",
    }
    options |= {"first": "n", "last": ["n", "user"], "sum": "n", "order": "seq"}
    stream = cx.SessionStream(**options, allowed_lateness="20m")
    updates = [stream.push(part) for part in slices(frame, cuts)]
    kept = frame.join(
        pl.concat(update.late for update in updates), on="row", how="anti", maintain_order="left"
    )
    assert_batch(stream, updates, kept, options)


# ------------------------------------------------------------------ saved and resumed


@given(
    case=ruled_streams(),
    cuts=cuts,
    saves=st.lists(st.booleans(), min_size=8, max_size=8),
    floats=st.booleans(),
    forget=st.sampled_from((None, "20m", "2h")),
)
def test_a_saved_stream_goes_on_as_if_it_never_stopped(
    case: tuple[pl.DataFrame, dict[str, Any], Any],
    cuts: list[int],
    saves: list[bool],
    floats: bool,
    forget: str | None,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    frame, options, _ = case
    frame = frame.with_columns(real=pl.col("key") / 7)
    measures = {**MEASURES, "sum": MEASURES["sum"][: 1 + floats]}
    options |= {**ROLES, **measures, "time_unit": "s", "allowed_lateness": "5m", "forget": forget}
    path = tmp_path_factory.mktemp("stream") / "stream.parquet"
    whole, stopped = cx.SessionStream(**options), cx.SessionStream(**options)
    for part, save in zip(slices(frame, cuts), saves, strict=False):
        if save:
            stopped.save(path)
            stopped = cx.SessionStream.load(path)
        assert_equal_updates(stopped.push(part), whole.push(part))
    assert_equal_updates(stopped.finish(), whole.finish())
    assert stopped.watermark == whole.watermark


def assert_equal_updates(got: cx.SessionUpdate, want: cx.SessionUpdate) -> None:
    for name in ("closed", "revised", "late"):
        assert_frame_equal(getattr(got, name), getattr(want, name), check_row_order=False)


def test_options_are_saved_in_full(tmp_path: Path) -> None:
    options: dict[str, Any] = {
        "user": ["user", "shop"],
        "time": "time",
        "order": "seq",
        "time_unit": "ms",
        "null_user": "own",
        "null_time": "null",
        "gap": pl.duration(minutes="wait"),
        "gap_closed": "left",
        "max_duration": "2h",
        "max_events": 9,
        "calendar": "1w",
        "time_zone": "Asia/Tokyo",
        "start_on": pl.col("page") == "/login",
        "end_on": "bought",
        "split_on": ["campaign", pl.col("medium").str.to_uppercase()],
        "split_null": "break",
        "keep_alive": "alive",
        "long_after": dt.timedelta(hours=1),
        "first": "page",
        "last": ["page", "seq"],
        "sum": "paid",
        "any": "bought",
        "allowed_lateness": "90s",
        "forget": "30d",
    }
    first, second = tmp_path / "first.parquet", tmp_path / "second.parquet"
    cx.SessionStream(**options).save(first)
    cx.SessionStream.load(first).save(second)
    saved = [pl.read_parquet_metadata(path)["cxcore.session_stream"] for path in (first, second)]
    assert saved[0] == saved[1]
    plan = cx.SessionStream.load(first)._plan
    again = cx.SessionStream(**options)._plan
    assert [str(value) for value in (plan.roles, plan.measures, plan.lateness, plan.forget)] == [
        str(value) for value in (again.roles, again.measures, again.lateness, again.forget)
    ]
    for name in ("gap", "start_on"):
        assert str(getattr(plan.rules, name)) == str(getattr(again.rules, name))
    assert list(map(str, plan.rules.split_on)) == list(map(str, again.rules.split_on))
    for name in ("closed", "max_duration", "max_events", "calendar", "time_zone", "end_on", "split_null"):
        assert getattr(plan.rules, name) == getattr(again.rules, name), name
    assert (plan.rules.keep_alive, plan.rules.long_after) == ("alive", 3_600 * 10**9)


#: pushes batch after batch; what a batch closed is written first, then the state, named by the batch to go on
#: with. A line for each step
WORKER = """
import sys
from pathlib import Path
import polars as pl, cxcore as cx
folder, log = map(Path, sys.argv[1:])
batches = list(pl.read_parquet(log).iter_slices(500))
states = sorted(folder.glob("state_*.parquet"))
stream = cx.SessionStream(user="user_id", time="ts", gap="30m", allowed_lateness="1m", first="page")
at = 0
if states:
    stream, at = cx.SessionStream.load(states[-1]), int(states[-1].stem[-4:])
for at, batch in list(enumerate(batches))[at:]:
    update = stream.push(batch)
    update.closed.write_parquet(folder / f"closed_{at:04}.parquet")
    update.late.write_parquet(folder / f"late_{at:04}.parquet")
    print("written", flush=True)
    stream.save(folder / f"state_{at + 1:04}.parquet")
    print("saved", flush=True)
stream.finish().closed.write_parquet(folder / "closed_last.parquet")
(folder / "done").touch()
"""


def test_a_killed_process_resumes_from_its_last_saved_state(tmp_path: Path) -> None:
    """What it wrote for a batch before it was killed is written again, the same."""
    events = arriving(6_000)
    log, folder, rng = tmp_path / "log.parquet", tmp_path / "run", np.random.default_rng(3)
    events.write_parquet(log)
    folder.mkdir()
    killed = 0
    while not (folder / "done").exists():
        child = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(folder), str(log)], stdout=subprocess.PIPE
        )
        with child:
            assert child.stdout is not None
            for _ in range(int(rng.integers(2, 6))):
                child.stdout.readline()
            child.kill()  # in the midst of the next step
        killed += child.returncode == -signal.SIGKILL
        assert killed < 100, "it never ends"
    assert killed > 2
    got = pl.concat(pl.read_parquet(path) for path in folder.glob("closed_*.parquet"))
    late = pl.concat(pl.read_parquet(path) for path in folder.glob("late_*.parquet"))
    assert late.height > 0
    kept = events.join(late, on="index", how="anti", maintain_order="left")
    by = ["user_id", "session_number"]
    want = cx.sessions(kept, user="user_id", time="ts", gap="30m", first="page").sort(by)
    assert_frame_equal(got.sort(by), want)


# ------------------------------------------------------------------ by hand


def test_a_session_closes_when_the_watermark_passes() -> None:
    stream = stream_of(allowed_lateness="10m")
    assert stream.watermark is None
    assert stream.open.width == 0
    stream.push(batch(("a", 0), ("a", 5)))
    assert stream.push(batch(("b", 45))).closed.height == 0  # 5 + 30 + 10: not passed
    assert stream.watermark == NOON + dt.timedelta(minutes=45)
    assert briefly(stream.open) == [("a", 1, 0, 5, 2), ("b", 1, 45, 45, 1)]
    assert briefly(stream.push(batch(("b", 45.1))).closed) == [("a", 1, 0, 5, 2)]
    assert briefly(stream.open) == [("b", 1, 45, 45, 2)]
    assert briefly(stream.finish().closed) == [("b", 1, 45, 45, 2)]


def test_the_watermark_before_the_batch_judges() -> None:
    """A batch that jumps ahead makes none of its own rows late, in any order."""
    events = batch(("a", 900), ("a", 0), ("b", 3))
    for rows in (events, events.reverse()):
        update = stream_of().push(rows)
        assert update.late.height == 0
        assert briefly(update.closed) == [("a", 1, 0, 0, 1), ("b", 1, 3, 3, 1)]


def test_late_rows_come_back_as_they_came() -> None:
    stream = stream_of()
    stream.push(batch(("a", 0), ("b", 100), note=["x", "y"]))
    rows = batch(("a", 30), ("a", 31), ("c", 69), ("c", 70), (None, 0), ("a", -5), note=list("123456"))
    update = stream.push(rows)
    # 30 touches a's closed session; 31 would have been closed on its own, as 69; 70 + 30 is not passed
    assert update.late["note"].to_list() == ["1", "2", "6"]
    assert update.late.schema == rows.schema
    assert briefly(stream.finish().closed) == [("b", 1, 100, 100, 1), ("c", 1, 69, 70, 2)]


def test_rows_that_reach_an_open_session_through_others_are_not_late() -> None:
    stream = stream_of()
    stream.push(batch(("a", 100)))
    assert stream.push(batch(("a", 20))).late.height == 1
    assert stream.push(batch(("a", 20), ("a", 50), ("a", 80))).late.height == 0
    assert briefly(stream.open) == [("a", 1, 20, 100, 4)]


def test_a_late_event_that_joins_two_sessions_says_so() -> None:
    stream = stream_of(allowed_lateness="1h")
    stream.push(batch(("a", 0), ("a", 50), ("b", 50)))
    before = {number: name for name, number in stream.open.select("session_id", "session_number").rows()[:2]}
    update = stream.push(batch(("a", 25)))
    assert update.revised.rows() == [("a", before[2], 2, before[1], 1)]
    assert briefly(stream.open) == [("a", 1, 0, 50, 3), ("b", 1, 50, 50, 1)]


def test_a_start_that_moves_and_a_number_that_moves_say_so() -> None:
    stream = stream_of(allowed_lateness="2h")
    stream.push(batch(("a", 60), ("b", 60)))
    old = dict(stream.open.select("user", "session_id").rows())
    update = stream.push(batch(("a", 50), ("b", 0)))
    new = {(u, n): i for u, n, i in stream.open.select("user", "session_number", "session_id").rows()}
    assert sorted(update.revised.rows()) == [
        ("a", old["a"], 1, new["a", 1], 1),
        ("b", old["b"], 1, new["b", 2], 2),
    ]
    assert old["a"] != new["a", 1]
    assert old["b"] == new["b", 2]


@pytest.mark.parametrize(
    "options",
    [
        {"max_events": 2},
        {"max_events": 5, "allowed_lateness": "20m"},
        {"max_duration": "45m"},
        {"calendar": "1d", "time_zone": "Asia/Tokyo"},  # midnight is 15:00 UTC
        {"start_on": pl.col("n") % 4 == 0},
        {"end_on": pl.col("n") % 4 == 0},
        {"split_on": pl.col("n") // 5},
        {"split_on": pl.when(pl.col("n") % 5 == 0).then("n"), "max_events": 3},
        {"gap": pl.duration(minutes=pl.lit(15) + pl.col("n") % 3 * 20), "max_events": 3},
        {"keep_alive": pl.col("n") % 3 == 0, "max_events": 4},
    ],
    ids=lambda options: "-".join(options),
)
def test_a_visit_without_end_is_cut_as_in_the_batch(options: dict[str, Any]) -> None:
    """An event every ten minutes: each session closes while the next, which lies within its gap, goes on."""
    events = batch(*[("a", 10 * n) for n in range(60)], n=list(range(60)))
    stream = stream_of(**options, sum="n")
    updates = [stream.push(event) for event in events.iter_slices(1)]
    assert sum(update.closed.height for update in updates[:40]) > 0
    rules = {name: value for name, value in options.items() if name != "allowed_lateness"}
    assert_batch(stream, updates, events, {**ROLES, "gap": "30m", **rules, "sum": "n"})


def test_ids_of_sessions_that_begin_at_one_moment_go_on() -> None:
    events = batch(*[("a", 0)] * 5, ("a", 20), ("a", 20.5))
    stream = stream_of(max_events=2)
    updates = [stream.push(rows) for rows in (events[:6], batch(("b", 31)), batch(("b", 32)), events[6:])]
    assert briefly(updates[1].closed) == [("a", 1, 0, 0, 2), ("a", 2, 0, 0, 2)]
    kept = pl.concat([events[:6], batch(("b", 31), ("b", 32)), events[6:]])
    assert sum(update.late.height for update in updates) == 1  # 20.5 touches the second
    assert_batch(stream, updates, kept[:8], {**ROLES, "gap": "30m", "max_events": 2})


def test_rows_without_a_user_touch_nothing() -> None:
    stream = stream_of(null_user="own")
    stream.push(batch((None, 60), ("b", 91)))
    assert [user for user, *_ in stream.open.rows()] == ["b"]
    assert stream.push(batch((None, 75), (None, 75), (None, 60.5))).late.height == 1
    assert briefly(stream.open.drop_nulls("user")) == [("b", 1, 91, 91, 1)]
    assert stream.finish().closed["session_id"].n_unique() == 3


def test_a_stream_may_go_on_after_finish() -> None:
    stream = stream_of()
    stream.push(batch(("a", 0)))
    assert stream.finish().closed.height == 1
    update = stream.push(batch(("a", 30), ("a", 31)))
    assert update.late.height == 1
    assert briefly(stream.finish().closed) == [("a", 2, 31, 31, 1)]


def test_forgotten_users_begin_again() -> None:
    stream = stream_of(forget="1d")
    stream.push(batch(("a", 0), ("b", 0), ("b", 1_500)))
    stream.push(batch(("a", 1_500)))
    assert sorted(stream.open.select("user", "session_number").rows()) == [("a", 1), ("b", 2)]
    assert stream.open.filter(user="a")["session_reason"].to_list() == ["first"]
    # what was forgotten is not remembered when the record of another user moves
    updates = [stream.push(batch(("b", minute))) for minute in range(1_501, 1_600, 20)]
    closed = pl.concat([*(update.closed for update in updates), stream.finish().closed])
    assert sorted(closed.select("user", "session_number").rows()) == [("a", 1), ("b", 2)]


@pytest.mark.parametrize("rules", [{}, {"split_on": "page", "forget": "1000d"}], ids=str)
def test_a_table_that_is_cleared_gives_the_same_answer(
    rules: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from cxcore.sessions import records

    monkeypatch.setattr(records, "_FEW", 8)
    events = arriving(20_000)
    stream = cx.SessionStream(user="user_id", time="ts", gap="30m", **rules)
    rules = dict(rules)
    updates = [stream.push(part) for part in events.iter_slices(700)]
    kept = events.join(pl.concat(u.late for u in updates), on="index", how="anti", maintain_order="left")
    got = pl.concat([*(u.closed for u in updates), stream.finish().closed])
    by = ["user_id", "session_number"]
    rules.pop("forget", None)
    want = cx.sessions(kept, user="user_id", time="ts", gap="30m", **rules)
    assert_frame_equal(got.sort(by), want.sort(by))
    assert kept.height < events.height


def test_users_of_whom_nothing_is_known_are_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forgotten ones, and those whose every row was late."""
    from cxcore.sessions import records

    monkeypatch.setattr(records, "_FEW", 8)
    stream, numbers, sizes = stream_of(forget="1h"), [], []
    for step in range(60):
        early = [(f"late {step} {n}", -1_000) for n in range(3)] if step else []
        others = [(f"{step} {n}", 60 * step) for n in range(5)]
        update = stream.push(batch(("b", 60 * step - 40), *early, *others))
        assert update.late.height == len(early)
        numbers += update.closed.filter(user="b")["session_number"].to_list()
        assert stream._users is not None
        sizes.append(len(stream._users))
    assert max(sizes) < 80
    assert numbers == list(range(1, 61)), "who comes every hour is remembered"


def test_state_is_small_where_silence_alone_decides() -> None:
    stream = stream_of(first="n", last="n", sum="n")
    for minute in range(0, 600, 20):
        stream.push(batch(("a", minute), ("a", minute + 0.5), n=[minute, None]))
    assert stream._users is not None
    assert len(stream._users.kept.open) <= 2
    assert stream.open.select("first_n", "last_n", "sum_n", "events").row(0) == (
        0,
        580,
        sum(range(0, 600, 20)),
        60,
    )


def test_columns_of_nulls_alone_have_any_type() -> None:
    stream = stream_of(first="note")
    for notes in ([None], ["x"], [None]):
        stream.push(batch(("a", 0), note=notes))
    assert stream.finish().closed["first_note"].to_list() == ["x"]


def test_users_may_all_be_null_at_first() -> None:
    options: dict[str, Any] = {**ROLES, "gap": "30m", "null_user": "own"}
    stream = cx.SessionStream(**options)
    unknown = batch((None, 0), (None, 1)).with_columns(user=pl.lit(None))
    parts = [unknown, batch(("a", 3), (None, 1)), batch(("a", 100))]
    updates = [stream.push(part) for part in parts]
    closed = pl.concat([update.closed for update in updates[1:]] + [stream.finish().closed])
    by = ["session_id"]
    want = cx.sessions(pl.concat(part.cast({"user": pl.String}) for part in parts), **options)
    assert_frame_equal(closed.sort(by), want.sort(by))


def test_presets_and_long_sessions() -> None:
    stream = cx.SessionStream(**ROLES, preset="snowplow", long_after="20m")
    stream.push(batch(("a", 0), ("a", 25), ("b", 0)))
    closed = stream.finish().closed
    assert dict(closed.select("user", "session_is_long").rows()) == {"a": True, "b": False}


def test_every_engine_is_read(frame: Flavour) -> None:
    """Polars frames come out."""
    events = batch(("a", 0), ("b", 5), ("a", 90), n=[1, 2, 3])
    stream, want = stream_of(sum="n"), stream_of(sum="n")
    for rows in (events[:2], events[2:]):
        got = stream.push(frame(rows))
        assert isinstance(got.late, pl.DataFrame)
        assert_frame_equal(got.closed, want.push(rows).closed, check_dtypes=False)
    assert stream.finish().closed.height == 1


# ------------------------------------------------------------------ where silence alone decides


@st.composite
def steps(draw: st.DrawFn) -> tuple[list[twin.Stretch], dict[int, twin.Record], int, int]:
    """What is open and a batch of some users, each list as sessions lie: further apart than the gap."""
    gap, n_users = draw(st.integers(0, 40)), draw(st.integers(1, 4))
    shift = draw(st.sampled_from([0, 2**63 - 400, -(2**63) + 40]))
    stretches: list[twin.Stretch] = []
    record: dict[int, twin.Record] = {}
    row = 0
    for user in range(n_users):
        for is_open in (True, False):
            at = draw(st.integers(0, 60))
            for _ in range(draw(st.integers(0, 3))):
                end = at + draw(st.integers(0, 30))
                stretch = twin.Stretch(user, shift + at, shift + end, draw(st.integers(1, 5)))
                stretches.append(replace(stretch, row=row) if is_open else stretch)
                row += is_open
                at = end + gap + draw(st.integers(1, 50))
        if draw(st.booleans()):
            start, reach = draw(st.integers(-40, 20)), draw(st.integers(-40, 20))
            record[user] = twin.Record(
                draw(st.integers(1, 9)), shift + start, draw(st.integers(0, 3)), shift + reach
            )
    return stretches, record, gap, shift


@given(step=steps(), data=st.data())
def test_join_stretches_and_twin_agree(
    step: tuple[list[twin.Stretch], dict[int, twin.Record], int, int], data: st.DataObject
) -> None:
    stretches, record, gap, shift = step
    closes_all = data.draw(st.booleans())
    late_before, closes_before = (shift + data.draw(st.integers(-40, at)) for at in (40, 399))
    n_users = 1 + max((stretch.user for stretch in stretches), default=0)
    records = np.zeros((n_users, 10), np.int64)
    for who, last in record.items():
        if who < n_users:
            records[who, [0, 5, 7, 8]] = last.start, last.reach, last.number, last.same
    mixed = data.draw(st.permutations([stretch for stretch in stretches if stretch.row is not None]))
    brought = [stretch for stretch in stretches if stretch.row is None]
    n = len(stretches)
    user, session = np.empty(n, np.int32), np.empty((10, n), np.int64)
    of_open = np.empty(len(mixed), np.int64)

    def line(of: list[twin.Stretch], name: str, dtype: Any = np.int64) -> Any:
        return np.array([getattr(stretch, name) for stretch in of], dtype)

    before = records.copy()
    n_closed, n_found = kernels.join_stretches(
        line(mixed, "user", np.int32),
        np.array([line(mixed, name) for name in ("start", "end", "events")]),
        line(brought, "user", np.int32),
        *(line(brought, name) for name in ("start", "end", "events")),
        gap,
        max(late_before, -(2**63)),
        max(closes_before, -(2**63)),
        closes_all,
        500,  # two ticks a microsecond
        np.arange(n_users + 1),
        np.arange(n_users, dtype=np.uint8),
        data.draw(st.integers(1, 2)),
        records,
        user,
        session,
        of_open,
    )
    want = twin.join_stretches(stretches, record, gap, late_before, 2**64 if closes_all else closes_before, 2)
    if want is None:
        assert (n_closed, n_found) == (-1, -1)
        assert (records == before).all()
        return
    closed, still_open = want
    assert (n_closed, n_found) == (len(closed), len(closed) + len(still_open))
    got = [
        (int(who), *facts) for who, facts in zip(user[:n_found], session[:, :n_found].T.tolist(), strict=True)
    ]
    joined = [*closed, *still_open]
    assert [line[:4] for line in got] == [one.line for one in joined]
    assert [(line[6], line[8], line[9]) for line in got] == [
        (one.reach, one.number, one.same) for one in joined
    ]
    for at, one in enumerate(joined):
        micros = min(max(one.line[1] // 2, -(2**63)), 2**63 - 1)
        name = bytes([one.line[0]]) + (micros % 2**64).to_bytes(8, "little") + one.same.to_bytes(8, "little")
        assert got[at][7] == sessions_twin.xxh64(name) % 2**63
        for part in one.parts:
            if part.row is not None:
                assert of_open[[stretch.row for stretch in mixed].index(part.row)] == at
    for who in range(n_users):
        mine = [facts for place, facts in enumerate(session[:, :n_closed].T.tolist()) if user[place] == who]
        assert records[who].tolist() == (mine[-1] if mine else before[who].tolist())


@given(
    case=ruled_logs(),
    cuts=cuts,
    gap=st.sampled_from(("1s", "5m", "15m")),
    lateness=st.sampled_from(("0s", "5m", "1h")),
    forget=st.sampled_from((None, "1h")),
    own=st.booleans(),
)
def test_both_ways_of_a_step_agree(
    case: tuple[pl.DataFrame, Any, Any],
    cuts: list[int],
    gap: str,
    lateness: str,
    forget: str | None,
    own: bool,
) -> None:
    """Joined or walked, what comes out is the same."""
    from cxcore.sessions import stream as module

    options: dict[str, Any] = {"gap": gap, "allowed_lateness": lateness, "forget": forget, "time_unit": "s"}
    options["null_user"] = "own" if own else "null"
    joined, walked = (cx.SessionStream(**ROLES, **options) for _ in range(2))
    for part in slices(case[0].select("user", "time"), cuts):
        got = joined.push(part)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "join", lambda *_: None)
            want = walked.push(part)
        assert_equal_updates(got, want)
        assert_frame_equal(joined.open, walked.open, check_row_order=False)
    got = joined.finish()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "join", lambda *_: None)
        want = walked.finish()
    assert_equal_updates(got, want)


def test_a_step_is_joined_where_silence_alone_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is walked, also where a late row lies far from what is closed."""
    from cxcore.sessions import stream as module

    monkeypatch.setattr(module, "walk_batch", None)
    stream = stream_of(allowed_lateness="1h")
    stream.push(batch(("a", 0), ("b", 5), ("a", 20), ("c", 200)))
    update = stream.push(batch(("d", 120), ("b", 300)))
    assert briefly(update.closed) == [("c", 1, 200, 200, 1), ("d", 1, 120, 120, 1)]


# ------------------------------------------------------------------ what is refused


def test_a_push_that_is_broken_off_at_any_step_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """By Ctrl-C, or for want of memory."""
    from cxcore.sessions import stream as module

    first, second = batch(("a", 0), ("b", 5), ("a", 20)), batch(("a", 51), ("c", 60), ("b", 36))
    whole = stream_of()
    whole.push(first)
    want = whole.push(second)
    stream = stream_of()
    stream.push(first)
    for step in ("batch_of", "meet", "join", "walk_batch", "step_of", "commit"):

        def broken(*_: Any) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            if step in ("walk_batch", "step_of"):
                patch.setattr(module, "join", lambda *_: None)
            patch.setattr(module, step, broken)
            with pytest.raises(KeyboardInterrupt):
                stream.push(second)
    assert_equal_updates(stream.push(second), want)
    assert_equal_updates(stream.finish(), whole.finish())


def test_an_error_changes_nothing() -> None:
    stream = stream_of(sum="n")
    stream.push(batch(("a", 0), n=[2**63 - 2]))
    before = stream.open
    wrong = [
        batch(("a", 1), n=[5]),  # the sum does not fit
        batch(("a", 1), n=["5"]),
        batch(("a", 1)),
        batch(("a", 1), n=[1]).with_columns(time=pl.lit(None, pl.Datetime("us"))),
        batch(("a", 1), n=[1]).cast({"user": pl.Categorical}),
        "no frame",
    ]
    for rows in wrong:
        with pytest.raises(cx.CxError):
            stream.push(rows)
        assert_frame_equal(stream.open, before)
    assert stream.push(batch(("a", 1), n=[1])).late.height == 0
    assert stream.open["sum_n"].to_list() == [2**63 - 1]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"unique": "key"},
            "SessionStream(unique=['key']): a copy may come any time later, so that every event would have "
            "to be kept.\n  Hint: drop copies before the stream.",
        ),
        (
            {"gap": None, "max_events": 3},
            "SessionStream(gap=None): without a gap no session would ever close.\n"
            "  Hint: say gap='30m', or a gap longer than any silence.",
        ),
        (
            {"allowed_lateness": "-5m"},
            "SessionStream(allowed_lateness='-5m'): must not be less than nothing.\n"
            "  Hint: such as '10m' or '0s'.",
        ),
        (
            {"allowed_lateness": 5},
            "SessionStream(allowed_lateness=5): a bare number has no unit.\n"
            "  Hint: write allowed_lateness='5s' or allowed_lateness='30d'.",
        ),
        (
            {"forget": "0s"},
            "SessionStream(forget='0s'): must be longer than nothing.\n  Hint: such as '30d'.",
        ),
        (
            {"time": None},
            "SessionStream(): time is required.\n  Hint: name the column.",
        ),
    ],
)
def test_options_are_refused_in_full(options: dict[str, Any], text: str) -> None:
    with pytest.raises(cx.InvalidOptionError) as error:
        cx.SessionStream(**{**ROLES, **options})
    assert str(error.value) == text


def test_batches_of_other_types_are_refused_in_full() -> None:
    stream = stream_of(first="n")
    stream.push(batch(("a", 0), n=[1]))
    with pytest.raises(cx.InvalidDataError) as error:
        stream.push(batch(("a", 0), n=["1"]))
    assert str(error.value) == (
        "SessionStream.push(first='n'): had Int64 in the batches before, but the column is String.\n"
        "  Hint: cast it, or start another stream."
    )


def test_files_that_are_no_stream_are_refused_in_full(tmp_path: Path) -> None:
    other, text, newer = (tmp_path / name for name in ("other.parquet", "text", "newer.parquet"))
    pl.DataFrame({"a": [1]}).write_parquet(other)
    text.write_text("hello")
    for path in (other, text):
        with pytest.raises(cx.InvalidDataError) as error:
            cx.SessionStream.load(path)
        assert str(error.value) == (
            f"SessionStream.load(path={str(path)!r}): is no file that SessionStream.save wrote."
            "\n  Hint: name one, or start anew."
        )
    _files.write_parquet(
        "SessionStream.save", newer, pl.DataFrame(), {"cxcore.session_stream": {"version": 3}}
    )
    with pytest.raises(cx.InvalidDataError) as error:
        cx.SessionStream.load(newer)
    assert str(error.value) == (
        f"SessionStream.load(path={str(newer)!r}): has version 3 of the format, and this cxcore "
        "reads version 2.\n  Hint: load it with the cxcore that saved it."
    )


def test_a_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "stream.parquet"
    stream = stream_of()
    stream.push(batch(("a", 0)))
    stream.save(path)
    stream.push(batch(("a", 1)))

    def full(*_: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(cx.InvalidDataError, match="cannot be written: no space left"):
        stream.save(path)
    assert [file.name for file in tmp_path.iterdir()] == ["stream.parquet"]
    assert cx.SessionStream.load(path).open["events"].to_list() == [1]


def test_expressions_that_cannot_be_written_are_refused_in_full(tmp_path: Path) -> None:
    stream = stream_of(
        start_on=pl.col("user").map_batches(lambda users: users == "a", return_dtype=pl.Boolean)
    )
    with pytest.raises(
        cx.InvalidOptionError, match=r"SessionStream.save\(start_on=.*cannot be written to a file"
    ):
        stream.save(tmp_path / "stream.parquet")


def test_a_file_with_code_in_it_is_not_run(tmp_path: Path) -> None:
    path = tmp_path / "stream.parquet"
    code = {"expression": json.dumps({"AnonymousFunction": {"input": [], "function": [80, 76]}})}
    about = {"version": 2, "watermark": None, "options": {"user": ["user"], "time": "time", "start_on": code}}
    _files.write_parquet("SessionStream.save", path, pl.DataFrame(), {"cxcore.session_stream": about})
    with pytest.raises(cx.CxError) as error:
        cx.SessionStream.load(path)
    assert str(error.value).endswith(
        "holds a Python function, which would run.\n  Hint: SessionStream.save writes none."
    )


def test_pushes_from_many_threads_wait_for_each_other() -> None:
    events = cx.datasets.clickstream(4_000, rng=1, order="sorted").frame.select("user_id", "ts")
    stream = cx.SessionStream(user="user_id", time="ts", gap="30m", allowed_lateness="9999w")
    with ThreadPoolExecutor(4) as pool:
        updates = list(pool.map(stream.push, events.iter_slices(100)))
    assert sum(u.late.height for u in updates) == 0
    by = ["user_id", "session_number"]
    want = cx.sessions(events, user="user_id", time="ts", gap="30m").sort(by)
    assert_frame_equal(stream.finish().closed.sort(by), want)
