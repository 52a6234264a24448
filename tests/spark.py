"""A local Spark for the tests that are marked ``spark``, and the way of a frame there and back."""

from __future__ import annotations

import os
import sys
from typing import Any

import polars as pl
import pytest

pytest.importorskip("pyspark", reason="pyspark is not installed here: `make spark-test` (Java 17)")
from pyspark.sql import DataFrame, SparkSession

from cxcore.engines.spark import _struct

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
    return spark.createDataFrame(house.to_arrow(compat_level=pl.CompatLevel.oldest()), _struct(house.schema))


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
