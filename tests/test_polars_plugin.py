"""Sessions as Polars expressions: the plugin, its symbols, and the way without it, which answers alike."""

from __future__ import annotations

import datetime as dt
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal, assert_series_equal

import cxcore as cx
from cxcore import _polars_plugin, errors
from tests import strategies

DAY = dt.datetime(2026, 1, 5)
WAYS = ["plugin", "map_batches"]


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    assert _polars_plugin.plugin_path() is not None
    if request.param == "map_batches":
        monkeypatch.setattr(_polars_plugin, "plugin_path", lambda: None)
    return request.param


def log_of(rows: int = 4_000) -> pl.DataFrame:
    made = cx.datasets.clickstream(rows, rng=1, order="random").frame
    return made.with_columns(pl.when(pl.int_range(pl.len()) % 50 != 0).then("ts"), at=pl.int_range(pl.len()))


def said(log: pl.DataFrame, gap: Any = "30m") -> pl.DataFrame:
    """What the verbs say: number and start of each row's session."""
    rows = cx.sessionize(log, user="user_id", time="ts", gap=gap, null_time="null")
    starts = cx.sessions(log, user="user_id", time="ts", gap=gap, null_time="null")
    return rows.join(
        starts.select("user_id", "session_number", "start"),
        on=["user_id", "session_number"],
        how="left",
        maintain_order="left",
    ).select(number="session_number", start="start")


def over(log: pl.DataFrame, gap: Any = "30m") -> pl.DataFrame:
    return log.select(
        number=pl.col("ts").cx.session_number(gap=gap).over("user_id"),
        start=pl.col("ts").cx.session_start(gap=gap).over("user_id"),
    )


@pytest.mark.parametrize("unit", ["ms", "us", "ns", "date"])
@pytest.mark.parametrize("gap", ["30m", "1d", dt.timedelta(days=400_000), "7ns"])
def test_expressions_say_what_the_verbs_say(way: str, unit: Any, gap: Any) -> None:
    dtype = pl.Date if unit == "date" else pl.Datetime(unit, "Europe/Berlin")
    log = log_of().with_columns(pl.col("ts").dt.replace_time_zone(None).cast(pl.Datetime("us")))
    log = log.with_columns(
        pl.col("ts").dt.date() if unit == "date" else pl.col("ts").dt.replace_time_zone("UTC").cast(dtype)
    )
    assert_frame_equal(over(log, gap), said(log, gap))


@settings(max_examples=50)
@given(log=strategies.event_logs(), chunks=st.integers(1, 4))
def test_the_plugin_says_what_the_verb_says_of_any_log(log: pl.DataFrame, chunks: int) -> None:
    log = log.drop_nulls("user")
    apart = pl.concat([log.slice(at, 5) for at in range(0, max(len(log), 1), 5)], rechunk=False)
    number = apart.select(pl.col("time").cx.session_number(gap="45m").over("user")).to_series()
    expected = cx.sessionize(log, user="user", time="time", gap="45m", null_time="null")["session_number"]
    assert_series_equal(number, expected, check_names=False)


def test_where_expressions_may_stand(way: str) -> None:
    log = log_of()
    number = pl.col("ts").cx.session_number()
    sessions = cx.sessions(log, user="user_id", time="ts", null_time="null")
    per_user = sessions.group_by("user_id").agg(pl.col("session_number").max()).sort("user_id")
    grouped = log.group_by("user_id").agg(number.max()).sort("user_id").drop_nulls()
    assert_frame_equal(grouped.rename({"ts": "session_number"}), per_user)
    listed = (
        log.group_by("user_id", maintain_order=True).agg("at", number).explode("at", "ts").sort("at")["ts"]
    )
    assert_series_equal(listed, said(log)["number"], check_names=False)
    for engine in ("in-memory", "streaming"):
        lazy = log.lazy().with_columns(number.over("user_id").alias("n"), number.alias("all"))
        assert lazy.collect_schema()["n"] == lazy.collect_schema()["all"] == pl.Int64
        # the parameter is a str, and collect is typed by its words
        answer = lazy.collect(engine=engine)  # type: ignore[call-overload]
        assert_series_equal(answer["n"], said(log)["number"], check_names=False)
        one = cx.sessionize(log.with_columns(user_id=0), user="user_id", time="ts", null_time="null")
        assert_series_equal(answer["all"], one["session_number"], check_names=False)
    assert log.lazy().select(pl.col("ts").cx.session_start()).collect_schema()["ts"] == log["ts"].dtype
    assert log.filter(number.over("user_id") == 1).height == (said(log)["number"] == 1).sum()


TIMES: dict[str, list[int | None]] = {
    "none": [],
    "one": [0],
    "all null": [None, None],
    "falling": [90, 60, 29, 0],
    "ties and nulls": [5, None, 5, 36, None, 5],
    "ends of time": [-(2**63) + 1, 2**63 - 1],
}


@pytest.mark.parametrize("minutes", TIMES.values(), ids=TIMES)
def test_odd_columns(way: str, minutes: list[int | None]) -> None:
    ticks = [n if n is None or abs(n) > 10**6 else n * 60_000_000 for n in minutes]
    column = pl.Series("ts", ticks, dtype=pl.Int64).cast(pl.Datetime("us"))
    for times in (
        column,
        pl.concat([column.head(0), column.slice(0, 1), column.slice(1)], rechunk=False),
        column.slice(1),
    ):
        frame = times.to_frame()
        log = frame.with_columns(user_id=pl.lit("a"))
        answer = frame.select(number=pl.col("ts").cx.session_number(), start=pl.col("ts").cx.session_start())
        assert_frame_equal(answer, said(log))


def test_what_is_no_time_is_refused_in_words(way: str) -> None:
    """Epoch seconds that are cast are microseconds, and Polars casts no text: each kind has its hint."""
    log = pl.DataFrame({"user": ["a"], "ts": ["noon"], "n": [1], "none": [None], "list": [[1]]})
    log = log.with_columns(
        small=pl.lit(1, pl.UInt8),
        real=pl.lit(1.5),
        kind=pl.lit("x", pl.Categorical),
        length=pl.duration(days=1),
    ).with_columns(pl.col("real").cast(pl.Decimal(20, 2)).alias("exact"), clock=dt.time(1), truth=True)
    wrong = pl.exceptions.ComputeError if way == "plugin" else cx.InvalidDataError
    for name in log.columns:
        holds = (
            "numbers"
            if name in ("n", "small", "real")
            else "text"
            if name in ("ts", "user")
            else "no such thing"
        )
        expected = str(errors.no_times("session_number", name, holds))
        for expr in (pl.col(name).cx.session_number(), pl.col(name).cx.session_number().over("user")):
            with pytest.raises(wrong, match=re.escape(expected)):
                log.lazy().select(expr).collect()
    read = log.select(pl.from_epoch("n", time_unit="s"), pl.lit("2026-01-05").str.to_datetime().alias("ts"))
    assert read.select(pl.all().cx.session_number()).rows() == [(1, 1)], "the hints help"
    with pytest.raises(cx.InvalidOptionError, match="a bare number has no unit"):
        pl.col("ts").cx.session_start(gap=1_800)


# ------------------------------------------------------------------ the library

CHECK = """
import polars as pl, cxcore as cx
from cxcore import _polars_plugin
log = pl.DataFrame({"u": ["a", "b", "a"], "ts": [0, 0, 3_600_000]}).cast({"ts": pl.Datetime("ms")})
number, start = pl.col("ts").cx.session_number(), pl.col("ts").cx.session_start()
lazy = log.lazy().select(number.over("u").alias("n"), start.over("u").alias("s"), number.alias("all"))
assert lazy.collect_schema() == {"n": pl.Int64, "s": pl.Datetime("ms"), "all": pl.Int64}
answer = lazy.collect()
assert answer["n"].to_list() == [1, 1, 2] and answer["all"].to_list() == [1, 1, 2]
assert answer["s"].equals(log["ts"])
assert log.group_by("u", maintain_order=True).agg(number.max())["ts"].to_list() == [2, 1]
assert cx.sessionize(log.lazy(), user="u", time="ts").collect()["session_number"].to_list() == [1, 1, 2]
assert len(cx.sessions(log.sort("u").lazy(), user="u", time="ts", sorted_by_user=True).collect()) == 3
try:
    log.select(pl.col("u").cx.session_number())
except pl.exceptions.ComputeError as error:
    assert "takes dates or datetimes" in str(error), error
except cx.InvalidDataError:
    assert not _polars_plugin.plugin_path()
else:
    assert False
print(bool(_polars_plugin.plugin_path()), pl.__version__)
"""


def test_the_library_shows_the_symbols_that_polars_asks_for_and_no_others() -> None:
    spec = importlib.util.find_spec("cxcore._ext.polars_plugin")
    assert spec is not None
    assert spec.origin is not None
    asked = ["get_version", "get_last_error_message"]
    for name in ("session_number", "session_start"):
        asked += [name, f"field_{name}"]
    assert symbols(spec.origin, "--defined-only") == {f"_polars_plugin_{name}" for name in asked}
    assert not {name for name in symbols(spec.origin) if name.startswith(("Py", "_Py"))}


def symbols(path: str, *options: str) -> set[str]:
    listed = subprocess.run(["nm", "-D", *options, path], capture_output=True, text=True, check=True)
    return {line.split()[-1].partition("@")[0] for line in listed.stdout.splitlines()}


@pytest.mark.parametrize("plugin", [True, False])
def test_a_process_may_do_without_the_plugin(plugin: bool) -> None:
    environment = {**os.environ, "CXCORE_POLARS_PLUGIN": str(int(plugin))}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", CHECK],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(plugin), pl.__version__]


@pytest.mark.slow
def test_the_oldest_polars_that_is_supported_takes_it(tmp_path: Path) -> None:
    """Beside the newest, which all other tests run on."""
    oldest = "2.0.0"
    install = [
        sys.executable,
        "-m",
        "pip",
        "--disable-pip-version-check",
        "--quiet",
        "install",
        "--target",
        str(tmp_path),
    ]
    done = subprocess.run([*install, f"polars=={oldest}"], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("no package index here")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    done = subprocess.run(
        [sys.executable, "-c", CHECK], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["True", oldest]
