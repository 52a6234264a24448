"""Sessions of logs larger than memory: the same answer through parts on disk, in less memory."""

from __future__ import annotations

import datetime as dt
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import cxcore as cx
from tests.test_session_rules import ruled_logs

ROLES: dict[str, Any] = {"user": "user", "time": "time"}


def clicks(n: int = 20_000, seed: int = 3) -> pl.DataFrame:
    """A log in no order, with what every rule reads, rows without a user or a time, and text to carry."""
    rng = np.random.default_rng(seed)
    who = rng.integers(0, 300, n)
    start = int(dt.datetime(2026, 3, 27, tzinfo=dt.UTC).timestamp())
    return pl.DataFrame(
        {
            "user": pl.Series(who).cast(pl.String).set(pl.Series(rng.random(n) < 0.1), None),
            "shop": pl.Series(who % 3).cast(pl.Int16),
            "time": pl.Series((start + rng.integers(0, 4 * 86_400, n)) * 1_000).cast(
                pl.Datetime("ms", "UTC")
            ),
            "seq": rng.integers(0, 5, n),
            "page": pl.Series(rng.choice(["home", "cart", "help"], n)).cast(pl.Categorical),
            "campaign": pl.Series(rng.choice(["a", "b"], n)).set(pl.Series(rng.random(n) < 0.5), None),
            "is_on": rng.random(n) < 0.02,
            "is_off": rng.random(n) < 0.02,
            "alive": rng.random(n) < 0.7,
            "value": rng.normal(size=n),
            "minutes": rng.integers(1, 90, n),
        }
    )


OPTIONS: dict[str, dict[str, Any]] = {
    "gap": {},
    "closed": {"gap": "10m", "gap_closed": "left", "order": "seq"},
    "dynamic": {"gap": pl.duration(minutes="minutes")},
    "lengths": {"max_duration": "1h", "max_events": 5, "long_after": "30m"},
    "calendar": {"gap": None, "calendar": "1d", "time_zone": "Europe/Berlin"},
    "marks": {"start_on": "is_on", "end_on": "is_off", "keep_alive": "alive"},
    "splits": {"split_on": ["campaign", "page"], "split_null": "break"},
    "copies": {"unique": ["page", "minutes"]},
    "whole log": {
        "start_on": pl.col("value") > pl.col("value").mean() + 2,
        "split_on": pl.col("page") == "help",
    },
    "all": {
        "gap": pl.duration(minutes="minutes"),
        "max_duration": "2h",
        "max_events": 9,
        "calendar": "1d",
        "start_on": "is_on",
        "end_on": "is_off",
        "split_on": "campaign",
        "keep_alive": "alive",
        "unique": ["page", "minutes"],
        "order": "seq",
    },
}
MEASURES: dict[str, Any] = {
    "first": ["page", "value"],
    "last": ["page", "campaign"],
    "sum": ["value", "minutes"],
    "any": "is_on",
}


@pytest.mark.parametrize("rule", OPTIONS)
def test_parts_answer_as_memory_does(rule: str, tmp_path: Path) -> None:
    log, options = clicks(), {**ROLES, **OPTIONS[rule]}
    spill = cx.Spill(folder=tmp_path, parts=7)
    assert_frame_equal(
        cx.sessionize(log.lazy(), **options, reason=True, spill=spill).collect(),
        cx.sessionize(log, **options, reason=True),
    )
    table = cx.sessions(log.lazy(), **options, **MEASURES, spill=spill)
    assert_frame_equal(table.collect(), cx.sessions(log, **options, **MEASURES), check_exact=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("null_user", ["null", "own"])
@pytest.mark.parametrize("user", ["page", "shop", ["user", "shop"]], ids=str)
def test_any_key_and_rows_without_one(user: Any, null_user: Any, tmp_path: Path) -> None:
    log = clicks(5_000).with_columns(
        pl.when(pl.col("minutes") > 5).then("time"),
        pl.when(pl.col("minutes") < 80).then("page"),
    )
    options: dict[str, Any] = {"user": user, "time": "time", "null_user": null_user, "null_time": "null"}
    spill = cx.Spill(folder=tmp_path, parts=5)
    for verb in (cx.sessionize, cx.sessions):
        assert_frame_equal(verb(log.lazy(), **options, spill=spill).collect(), verb(log, **options))


@settings(max_examples=25)
@given(case=ruled_logs(), parts=st.integers(1, 9))
def test_small_logs_by_any_rules(case: tuple[pl.DataFrame, dict[str, Any], Any], parts: int) -> None:
    log, options, _ = case
    options = {"user": "user", "time": "time", "time_unit": "s", **options}
    with tempfile.TemporaryDirectory() as folder:
        spill = cx.Spill(folder=folder, parts=parts)
        for verb in (cx.sessionize, cx.sessions):
            assert_frame_equal(verb(log.lazy(), **options, spill=spill).collect(), verb(log, **options))


def test_a_query_goes_on_from_the_answer(tmp_path: Path) -> None:
    """Heads, filters and columns reach into the source; the answer is the same one."""
    log = clicks(3_000)
    rows = cx.sessionize(log, **ROLES)
    lazy = cx.sessionize(log.lazy(), **ROLES, spill=tmp_path)
    assert_frame_equal(lazy.head(100).collect(), rows.head(100))
    first = pl.col("session_number") == 1
    assert_frame_equal(
        lazy.filter(first).select("value", "user").collect(), rows.filter(first).select("value", "user")
    )
    assert_frame_equal(lazy.head(2_500).filter(first).collect(), rows.head(2_500).filter(first))
    assert lazy.select(pl.len()).collect().item() == len(log)
    assert lazy.collect_schema() == rows.schema
    assert lazy.cx.sessions(user="user", time="time").collect_schema().names()[0] == "user"
    assert_frame_equal(log.lazy().cx.sessionize(**ROLES, spill=tmp_path).collect(), rows)
    pl.concat(lazy.collect_batches()).equals(rows)
    assert not list(tmp_path.iterdir())


def test_several_files_are_read_once(tmp_path: Path) -> None:
    log = clicks(9_000)
    for at in range(3):
        log.slice(3_000 * at, 3_000).write_parquet(tmp_path / f"{at}.parquet")
    reads = []

    def count(frame: pl.DataFrame) -> pl.DataFrame:
        reads.append(len(frame))
        return frame

    lazy = pl.scan_parquet(tmp_path / "*.parquet").map_batches(count, schema=log.schema)
    assert_frame_equal(cx.sessionize(lazy, **ROLES, spill=tmp_path).collect(), cx.sessionize(log, **ROLES))
    assert sum(reads) == 9_000


def test_what_is_wrong_with_the_data_is_said_at_collect(tmp_path: Path) -> None:
    log = clicks(1_000)
    with pytest.raises(cx.InvalidDataError) as caught:
        cx.sessions(log.lazy(), user="user", time="page", spill=tmp_path).collect()
    assert "sessions(time='page'): takes dates or datetimes" in str(caught.value)
    late = pl.DataFrame({"user": ["a", "a"], "time": [dt.datetime(2026, 1, 1), None]}).lazy()
    with pytest.raises(cx.InvalidDataError) as caught:
        cx.sessions(late, user="user", time="time", spill=tmp_path).collect()
    assert str(caught.value) == (
        "sessions(time='time'): 1 of 2 rows have no time; the first is row 1.\n"
        "  Hint: drop them, or say null_time='null'; verbs without it take an index that has it.\n"
        "  Rows are counted in one part of 2 rows: sessions(spill=…) spreads users over parts.\n"
        "  To find them in the log: log.with_row_index().filter(…), by what is wrong with them."
    )
    with pytest.raises(cx.InvalidDataError):
        cx.sessionize(log.head(0).lazy(), user="user", time="page", spill=tmp_path).collect()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"spill": 3},
            "sessions(spill=3): takes a folder, not a int.\n  Hint: pass its path, or cx.Spill(folder=…).",
        ),
        ({"spill": "no/such"}, "sessions(spill='no/such'): no such folder.\n  Hint: make it first."),
        (
            {"spill": ".", "id": "dense"},
            "sessions(id='dense'): counts all sessions, and spill= sees one part of them.\n"
            "  Hint: take id='stable', or count the sessions of the answer.",
        ),
        (
            {"spill": cx.Spill(folder=".", parts=0)},
            "sessions(parts=0): takes a whole number from 1 to 4096.\n  Hint: such as parts=1.",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_spilling_is_refused_in_full(options: dict[str, Any], text: str) -> None:
    with pytest.raises(cx.InvalidOptionError) as caught:
        cx.sessions(clicks(10).lazy(), **ROLES, **options)
    assert str(caught.value) == text


def test_only_a_lazy_frame_is_larger_than_memory() -> None:
    log = clicks(10)
    for events, roles in ((log, ROLES), (cx.index(log, **ROLES), {})):
        for verb in (cx.sessions, cx.sessionize):
            with pytest.raises(cx.InvalidOptionError) as caught:
                verb(events, **roles, spill=".")
            assert str(caught.value) == (
                f"{verb.__name__}(spill='.'): only a LazyFrame can be larger than memory.\n"
                "  Hint: pass pl.scan_parquet(…), or leave spill= out."
            )


# ------------------------------------------------------------------ memory

#: asks for the sessions of a log, and may have so many MB more than after the imports
CHILD = """
import resource, sys
import polars as pl, cxcore as cx
log, answer, folder, verb, megabytes = sys.argv[1:]
had = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmSize"))
resource.setrlimit(resource.RLIMIT_AS, ((had << 10) + (int(megabytes) << 20),) * 2)
lazy = getattr(cx, verb)(pl.scan_parquet(log), user="user_id", time="ts", spill=folder or None, n_threads=2)
lazy.sink_parquet(answer)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the limit is set as Linux has it")
def test_a_log_that_memory_does_not_hold(tmp_path: Path) -> None:
    """50 million events with 2.7 GB of addresses: in memory they need 3.8, in parts 2, at any length."""
    copies, rows = 10, 5_000_000
    made = cx.datasets.clickstream(rows, rng=1, order="random")
    for copy in range(copies):  # other people at the same times
        people = made.frame.select(pl.col("user_id") * copies + copy, "ts")
        people.write_parquet(tmp_path / f"log-{copy}.parquet", row_group_size=250_000)
    n_sessions = copies * len(made.truth)
    del made, people
    log = str(tmp_path / "log-*.parquet")

    def run(folder: str, verb: str) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-c", CHILD, log, str(tmp_path / verb)]
        words += [folder, verb, "2700"]
        environment = {**os.environ, "POLARS_MAX_THREADS": "2"}
        return subprocess.run(words, capture_output=True, text=True, env=environment, check=False)

    assert run("", "sessionize").returncode != 0, "the limit is none"
    folder = tmp_path / "spill"
    folder.mkdir()
    done = run(str(folder), "sessionize")
    assert done.returncode == 0, done.stderr
    answer = pl.scan_parquet(tmp_path / "sessionize")
    last = pl.scan_parquet(log).tail(rows).collect()
    assert_frame_equal(answer.select("user_id", "ts").tail(rows).collect(), last)
    assert answer.select(pl.col("session_id").n_unique()).collect(engine="streaming").item() == n_sessions
    done = run(str(folder), "sessions")
    assert done.returncode == 0, done.stderr
    sums = (
        pl.scan_parquet(tmp_path / "sessions").select(pl.len().alias("n"), pl.col("events").sum()).collect()
    )
    assert sums.row(0) == (n_sessions, copies * rows)
    assert not list(folder.iterdir())


#: sinks the sessions of a log, and says how many bytes more were ever resident than after the imports
PASSING = """
import sys
import polars as pl, cxcore as cx

def status(field):
    lines = open("/proc/self/status")
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(field))

log, answer, verb, is_sorted = sys.argv[1:]
had = status("VmRSS")
options = {"user": "user_id", "time": "ts", "sorted_by_user": is_sorted == "yes", "n_threads": 2}
getattr(cx, verb)(pl.scan_parquet(log), **options).sink_parquet(answer)
print(status("VmHWM") - had)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is asked as Linux tells it")
def test_a_log_goes_to_a_file_in_less_memory_than_it_and_its_answer_have(tmp_path: Path) -> None:
    """36 million events, 0.6 GB as columns and as much again with their sessions.

    What passes by needs 0.5 to 0.65 GB however long the log is, most of it free blocks that the C library
    keeps for each thread of Polars' (docs/adr/0034). In memory it is 2 GB, and grows with the log.
    """
    copies, log = 18, cx.datasets.clickstream(2_000_000, rng=1).frame.select("user_id", "ts").sort("user_id")
    apart = log["user_id"].max() + 1
    people = [log.lazy().with_columns(pl.col("user_id") + copy * apart) for copy in range(copies)]
    pl.concat(people).sink_parquet(tmp_path / "log.parquet", row_group_size=250_000)
    size = 16 * copies * len(log)

    def held(verb: str, is_sorted: str) -> int:
        words = [str(tmp_path / "log.parquet"), str(tmp_path / verb), verb, is_sorted]
        environment = {**os.environ, "POLARS_MAX_THREADS": "2"}
        done = subprocess.run(
            [sys.executable, "-c", PASSING, *words],
            capture_output=True,
            text=True,
            env=environment,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return int(done.stdout)

    last = people[-1].collect()
    for verb in (cx.sessionize, cx.sessions):
        assert held(verb.__name__, "yes") < 1.5 * size
        expected, answer = verb(last, user="user_id", time="ts"), pl.scan_parquet(tmp_path / verb.__name__)
        assert answer.select(pl.len()).collect().item() == copies * len(expected)
        assert_frame_equal(answer.tail(len(expected)).collect(), expected)
    assert held("sessions", "no") > 2 * size, "the smaller one, in memory"
