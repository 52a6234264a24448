"""sessions() against Spark's own ``session_window``, row for row and to the microsecond: ``make spark-test``.

What differs by design is asserted too: Spark's end lies one gap behind the last event, and its rows without a
user are one user.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import cxcore as cx

pytest.importorskip("pyspark", reason="pyspark is not installed here: `make spark-test` (Java 17)")
from pyspark.sql import SparkSession
from pyspark.sql import functions as sf

# warnings of Spark's are not ours to repair
pytestmark = [pytest.mark.spark, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

MINUTE = 60_000_000
GAP = 30 * MINUTE
NIGHT = dt.datetime(2026, 1, 5)
Windows = Callable[..., pl.DataFrame]


@pytest.fixture(scope="module")
def windows() -> Iterator[Windows]:
    """What Spark says of a log with ``user`` and ``time``: start, end and events of each window."""
    settings = {
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "4",
    }
    builder = SparkSession.builder.master("local[2]").appName("cxcore")
    for name, value in settings.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")

    def ask(log: pl.DataFrame, gap: Any) -> pl.DataFrame:
        rows = spark.createDataFrame(log.to_arrow(compat_level=pl.CompatLevel.oldest()))
        found = rows.groupBy("user", sf.session_window("time", gap)).agg(sf.count("*").alias("events"))
        return pl.DataFrame(found.toArrow()).unnest("session_window").sort("user", "start")

    yield ask
    spark.stop()


def drawn_log(
    n: int, seed: int, zone: str = "UTC", first: dt.datetime = dt.datetime(2026, 1, 5)
) -> pl.DataFrame:
    """Silences of nothing, of about the gap to a microsecond, and of any length; rows in no order."""
    rng = np.random.default_rng(seed)
    near = np.array([0, 0, 1, GAP - 1, GAP, GAP + 1])
    silence = np.where(rng.random(n) < 0.6, rng.choice(near, n), rng.integers(0, 3 * GAP, n))
    user = rng.integers(0, n // 40, n)
    start = int(first.replace(tzinfo=dt.UTC).timestamp()) * 1_000_000
    return (
        pl.DataFrame({"user": pl.Series(user).cast(pl.String), "silence": silence})
        .with_columns(
            time=start + pl.col("silence").cum_sum().over("user"), gap=pl.Series(rng.permutation(silence) + 1)
        )
        .with_columns(pl.col("time").cast(pl.Datetime("us", "UTC")).dt.convert_time_zone(zone))
        .sample(fraction=1.0, shuffle=True, seed=seed)
    )


def ours(log: pl.DataFrame, **options: Any) -> pl.DataFrame:
    return cx.sessions(log, user="user", time="time", **options).sort("user", "start")


def check(found: pl.DataFrame, want: pl.DataFrame, gap: int = GAP) -> None:
    """The same sessions; Spark's windows end one gap after the last event."""
    assert found.height == want.height > 0
    for name in ("user", "events"):
        assert found[name].to_list() == want[name].to_list()
    start, end = (found[name].to_physical().to_list() for name in ("start", "end"))
    assert start == want["start"].to_physical().to_list()
    assert end == (want["end"].to_physical() + gap).to_list()


def test_a_fixed_gap(windows: Windows) -> None:
    log = drawn_log(40_000, seed=1)
    found, want = windows(log.select("user", "time"), "30 minutes"), ours(log, gap="30m")
    check(found, want)
    assert want.height != ours(log, gap="30m", gap_closed="left").height  # the boundary is in the log
    check(found, ours(log, preset="spark"))


def test_a_gap_for_each_event(windows: Windows) -> None:
    """Open until the latest of time and gap of its events; Spark's end says until when."""
    log = drawn_log(40_000, seed=2).with_columns(words=pl.format("{} microseconds", "gap"))
    gap = pl.duration(microseconds="gap")
    found, want = windows(log.select("user", "time", "words"), sf.col("words")), ours(log, gap=gap)
    rows = cx.sessionize(log, user="user", time="time", gap=gap)
    until = rows.group_by("session_id").agg(until=(pl.col("time") + pl.duration(microseconds="gap")).max())
    want = want.join(until, on="session_id", maintain_order="left").with_columns(end="until")
    check(found, want, gap=0)
    assert want.height != ours(log, gap=gap, gap_closed="left").height


def test_days_on_which_clocks_change(windows: Windows) -> None:
    """A gap is time that passed, whatever the clocks of the column say."""
    for first in (dt.datetime(2026, 3, 28, 18), dt.datetime(2026, 10, 24, 18)):
        log = drawn_log(4_000, seed=3, zone="Europe/Berlin", first=first)
        check(windows(log.select("user", "time"), "30 minutes"), ours(log, gap="30m"))


def test_rows_without_a_user_or_a_time(windows: Windows) -> None:
    log = drawn_log(4_000, seed=4).with_row_index("row")
    log = log.with_columns(
        user=pl.when(pl.col("row") % 7 > 0).then("user"), time=pl.when(pl.col("row") % 11 > 0).then("time")
    ).select("user", "time")
    found = windows(log, "30 minutes")
    check(found.filter(pl.col("user").is_not_null()), ours(log, gap="30m", null_time="null"))
    merged = found.filter(pl.col("user").is_null())  # all of them as one user
    one = log.filter(pl.col("user").is_null()).with_columns(user=pl.lit("nobody"))
    check(merged, ours(one, gap="30m", null_time="null").with_columns(user=pl.lit(None, pl.String)))


def test_the_same_moment_over_and_over(windows: Windows) -> None:
    moment = dt.datetime(2026, 1, 5, 12, tzinfo=dt.UTC)
    log = pl.DataFrame({"user": ["a"] * 500 + ["b"], "time": [moment] * 501})
    check(windows(log, "1 microsecond"), ours(log, gap="1us"), gap=1)


@pytest.mark.shared
def test_the_readers_of_wikipedia(windows: Windows, shared: Path) -> None:
    log = pl.read_parquet(shared / "data" / "wiki_readers_2014" / "wiki_readers_2014.parquet").select(
        user="user_id", time=pl.col("ts").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    )
    want = ours(log, gap="30m")
    check(windows(log, "30 minutes"), want)
    assert want.height == 22_224
