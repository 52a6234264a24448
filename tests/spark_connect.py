"""A client of Spark Connect, as a program of its own: one process holds no classic session beside it.

Writes what the verbs gave for the frames in a folder to it: ``python -m tests.spark_connect FOLDER``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import polars as pl
from pyspark.sql import SparkSession

import cxcore as cx
import cxcore.spark
from cxcore.engines.spark_types import struct
from tests.spark import SETTINGS

ROLES: dict[str, Any] = {"user": "user_id", "time": "ts"}
#: what is asked of which frame
CALLS: dict[str, tuple[str, Any]] = {
    "rows": ("touches", lambda frame: cx.sessionize(frame, **ROLES, order="row")),
    "credit": (
        "touches",
        lambda frame: cx.attribute(
            frame, **ROLES, channel="channel", conversion="conversion", model=["last_touch", "markov"]
        ),
    ),
    "scores": ("answers", lambda frame: cx.nps(frame, score="score", cluster="customer_id")),
}


def main(folder: Path) -> None:
    builder = SparkSession.builder.remote("local[2]")
    for name, value in {**SETTINGS, "spark.connect.grpc.binding.address": "127.0.0.1"}.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    for name, (of, call) in CALLS.items():
        house = pl.read_parquet(folder / f"{of}.parquet")
        table = house.to_arrow(compat_level=pl.CompatLevel.oldest())
        answer = call(spark.createDataFrame(table, struct(house.schema)))
        assert type(answer).__module__.startswith("pyspark.sql.connect")
        pl.DataFrame(answer.toArrow()).write_parquet(folder / f"{name}.parquet")
    cxcore.spark.register(spark)
    sql = spark.sql("SELECT cx_nps(col) AS estimate FROM VALUES (10), (9), (3), (8) AS answers (col)")
    pl.DataFrame(sql.toArrow()).write_parquet(folder / "sql.parquet")
    spark.read.parquet(str(folder / "touches.parquet")).createOrReplaceTempView("touches")
    rows = spark.sql(
        "SELECT * FROM cx_sessionize(TABLE(touches), 'user_id', 'ts', order_col => 'row') ORDER BY row"
    )
    pl.DataFrame(rows.toArrow()).write_parquet(folder / "sql_rows.parquet")
    spark.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
