"""A local Spark for the tests that are marked ``spark``, and the way of a frame there and back."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

pytest.importorskip("pyspark", reason="pyspark is not installed here: `make spark-test` (Java 17)")
from pyspark.sql import DataFrame, SparkSession

import cxcore as cx
from cxcore.engines.spark_types import struct

SETTINGS = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.shuffle.partitions": "3",
    "spark.driver.memory": "2g",
}


def session(master: str = "local[2]", **settings: str) -> SparkSession:
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    builder = SparkSession.builder.master(master).appName("cxcore")
    for name, value in {**SETTINGS, **settings}.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    return spark


def to_spark(spark: SparkSession, house: pl.DataFrame) -> DataFrame:
    """Without a schema Spark would take times without a zone for those of the session's zone."""
    return spark.createDataFrame(house.to_arrow(compat_level=pl.CompatLevel.oldest()), struct(house.schema))


def collect(frame: Any) -> pl.DataFrame:
    """Times in UTC; everything else as Spark holds it."""
    assert isinstance(frame, DataFrame)
    return pl.DataFrame(frame.toArrow())


def as_spark_holds(house: pl.DataFrame) -> pl.DataFrame:
    """Microseconds in UTC, text in the place of categories."""
    casts: dict[Any, Any] = {pl.Enum: pl.String, pl.Categorical: pl.String, pl.UInt32: pl.Int64}
    times = [
        column.name
        for column in house
        if isinstance(column.dtype, pl.Datetime) and column.dtype.time_zone is not None
    ]
    return house.cast(casts).with_columns(pl.col(times).dt.convert_time_zone("UTC"))


# ---------------------------------------------------------------- a large log


def busy_log(n: int) -> pl.DataFrame:
    """In no order; one user has a tenth of the rows, others are unknown; with touches, sales and answers."""
    log = cx.datasets.clickstream(n, rng=7, order="random").frame.select("user_id", "ts")
    place = pl.int_range(pl.len())
    user = pl.when(place % 10 == 0).then(0).when(place % 97 > 0).then("user_id")
    drawn = (place * 2_654_435_761) % 4_294_967_296  # told apart by their high bits
    return log.with_columns(
        user_id=user,
        row=place,
        channel=pl.when(drawn % 13 > 0).then(pl.concat_str(pl.lit("channel "), drawn // 65_536 % 7)),
        conversion=drawn // 1_024 % 500 == 0,
        value=drawn // 4_096 % 1_000 / 7,
        score=pl.when(drawn // 8_192 % 19 > 0).then(drawn // 16_384 % 11),
    )


SESSIONS: dict[str, Any] = {"user": "user_id", "time": "ts", "null_user": "own", "order": "row"}
SESSIONS |= {"calendar": "1d", "time_zone": "America/New_York"}
CREDIT: dict[str, Any] = {"user": "user_id", "time": "ts", "order": "row", "channel": "channel"}
CREDIT |= {"conversion": "conversion", "value": "value", "lookback": "30m"}
CREDIT |= {"model": ["last_touch", "participation", "linear", "markov"]}
SCORES: dict[str, Any] = {"score": "score", "by": "channel"}


def write_rows(frame: Any, folder: Path) -> None:
    cx.sessionize(frame, **SESSIONS).select("row", "session_id", "session_number").write.parquet(str(folder))


def check_rows(folder: Path, log: pl.DataFrame) -> None:
    want = cx.sessionize(log, **SESSIONS).select("row", "session_id", "session_number")
    assert_frame_equal(pl.read_parquet(folder / "*.parquet").sort("row"), want, check_exact=True)


def check_credit(found: pl.DataFrame, log: pl.DataFrame) -> None:
    """Counts are the same bits; fractions and values a *relative* 1e-12 from one machine."""
    want = cx.attribute(log, **CREDIT)
    assert_frame_equal(found, want, check_exact=False, rel_tol=1e-12, abs_tol=0)
    counts = pl.col("conversions").filter(pl.col("model").is_in(["last_touch", "participation"]))
    assert_frame_equal(found.select(counts), want.select(counts), check_exact=True)


def check_scores(found: pl.DataFrame, log: pl.DataFrame) -> None:
    assert_frame_equal(found, cx.nps(log, **SCORES), check_exact=True)
