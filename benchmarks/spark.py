"""Sessions on Spark against Spark's own window SQL, on equal threads: ``make spark-bench``.

CPU seconds of driver, JVM and Python workers together, all sides in turns, after an untimed run each.
The answers are compared first. It runs in the environment of Spark, which ``make bench`` does not have.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cxcore as cx
import cxcore.spark

ROUNDS = 5
GAP = "30m"


def own(view: str) -> str:
    """As a user of Spark writes it: where does a session begin, and how many have begun."""
    of_user = "OVER (PARTITION BY user_id ORDER BY ts, row)"
    return f"""
        SELECT *, sum(begins) {of_user} AS session_number FROM (
            SELECT *, CASE WHEN ts - lag(ts) {of_user} <= INTERVAL 30 MINUTES THEN 0 ELSE 1 END AS begins
            FROM {view})"""


def cpu_seconds() -> float:
    """Of this process and all below it, also those that have ended."""
    parents, spent = {}, {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        pid = int(stat.parent.name)
        parents[pid], spent[pid] = int(fields[1]), sum(map(int, fields[11:15]))

    def is_ours(pid: int) -> bool:
        while pid in parents and pid != os.getpid():
            pid = parents[pid]
        return pid == os.getpid()

    return sum(ticks for pid, ticks in spent.items() if is_ours(pid)) / os.sysconf("SC_CLK_TCK")


def measured(run: Callable[[], Any]) -> tuple[float, float]:
    cpu, wall = cpu_seconds(), time.perf_counter()
    run()
    return cpu_seconds() - cpu, time.perf_counter() - wall


def session(folder: str) -> Any:
    from pyspark.sql import SparkSession

    os.environ |= {"PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1", "POLARS_MAX_THREADS": "1"}
    settings = {
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.memory": "6g",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "8",
        "spark.local.dir": folder,
    }
    builder = SparkSession.builder.master("local[2]").appName("cxcore benchmark")
    for name, value in settings.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    return spark


def sorted_by_workers(spark: Any, verb: Callable[[], Any]) -> Any:
    """The frame of a verb, whose parts the workers sort and not Spark."""
    spark.conf.set("spark.cxcore.sort", "kernel")
    try:
        return verb()
    finally:
        spark.conf.unset("spark.cxcore.sort")


def race(spark: Any, folder: Path, n: int) -> None:
    log = cx.datasets.clickstream(n, rng=2, order="random").frame.with_row_index("row")
    path = str(folder / f"{n}.parquet")
    log.drop("true_session_number").cast({"row": int}).write_parquet(path)
    spark.read.parquet(path).createOrReplaceTempView("events")
    cxcore.spark.register(spark)
    events = spark.table("events")
    roles: dict[str, Any] = {"user": "user_id", "time": "ts", "gap": GAP}
    sides = {
        "window SQL": lambda: spark.sql(own("events")),
        "sessionize": lambda: cx.sessionize(events, **roles),
        "sessions": lambda: cx.sessions(events, **roles),
        "cx_sessionize": lambda: spark.sql("SELECT * FROM cx_sessionize(TABLE(events), 'user_id', 'ts')"),
    }
    sides |= {
        f"{name}, sorted by workers": lambda verb=sides[name]: sorted_by_workers(spark, verb)
        for name in ("sessionize", "sessions")
    }
    theirs = spark.sql(own("events")).select("row", "session_number")
    for name in ("sessionize", "cx_sessionize"):
        differ = sides[name]().select("row", "session_number").exceptAll(theirs).count()
        assert differ == 0, f"{name}: {differ:,} rows have another session number"
    spent: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for at in range(ROUNDS + 1):
        for name, frame in sides.items():
            found = measured(lambda frame=frame: frame().write.format("noop").mode("overwrite").save())
            if at:  # the first is untimed
                spent[name].append(found)
    base = statistics.median(cpu for cpu, _ in spent["window SQL"])
    for name, rounds in spent.items():
        cpu, wall = (statistics.median(column) for column in zip(*rounds, strict=True))
        print(
            f"| {n:,} | {name} | {cpu:.2f} | {wall:.2f} | {cpu / n * 1e9:,.0f} | {cpu / base:.2f} |",
            flush=True,
        )


def main() -> None:
    print(
        "| events | | CPU s | wall s | CPU ns an event | CPU / window SQL |\n|---|---|---|---|---|---|",
        flush=True,
    )
    with tempfile.TemporaryDirectory() as folder:
        spark = session(folder)
        for n in map(int, sys.argv[1:] or ["1000000", "4000000"]):
            race(spark, Path(folder), n)
        spark.stop()


if __name__ == "__main__":
    main()
