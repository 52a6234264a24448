"""A standalone master with two workers on loopback, one of which is killed while a job runs."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import cxcore as cx
from tests.spark import session

pyspark = pytest.importorskip("pyspark")

pytestmark = [pytest.mark.spark, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

_DEPLOY = "org.apache.spark.deploy"


@dataclass
class Cluster:
    spark: Any
    workers: list[subprocess.Popen[bytes]]

    def kill_a_worker(self) -> None:
        """Its executor dies with it, and what that had written for others is out of reach."""
        os.killpg(self.workers.pop().pid, signal.SIGKILL)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    home = Path(pyspark.__file__).parent
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "SPARK_LOCAL_IP": "127.0.0.1", "SPARK_HOME": str(home)}
    environment |= {"PYSPARK_PYTHON": sys.executable, "POLARS_MAX_THREADS": "1"}

    def start(what: str, *arguments: str) -> subprocess.Popen[bytes]:
        command = [str(home / "bin" / "spark-class"), f"{_DEPLOY}.{what}", *arguments]
        with (tmp_path / "log.txt").open("ab") as log:
            return subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)

    master = f"spark://127.0.0.1:{port}"
    own = ("--host", "127.0.0.1", "--webui-port", "0")
    started = [start("master.Master", *own, "--port", str(port))]
    worker = ("--cores", "1", "--memory", "1g", "--work-dir", str(tmp_path))
    started += [start("worker.Worker", *own, *worker, master) for _ in range(2)]
    more = {
        "spark.executor.memory": "900m",
        "spark.sql.shuffle.partitions": "12",
        "spark.sql.adaptive.coalescePartitions.enabled": "false",
    }
    running = session(master, **more)
    try:
        yield Cluster(running, started[1:])
    finally:
        running.stop()
        for process in started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def wait_for(what: Callable[[], bool], seconds: float = 90) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_a_worker_is_killed_while_a_job_runs(cluster: Cluster, tmp_path: Path) -> None:
    log = cx.datasets.clickstream(1_500_000, rng=11, order="random").frame.select("user_id", "ts")
    hot = pl.int_range(pl.len()) % 10 == 0
    log = log.with_columns(user_id=pl.when(hot).then(0).otherwise("user_id"), row=pl.int_range(pl.len()))
    for at, part in enumerate(log.iter_slices(250_000)):
        part.write_parquet(tmp_path / f"log-{at}.parquet")
    frame = cluster.spark.read.parquet(str(tmp_path / "log-*.parquet"))
    roles: Any = {"user": "user_id", "time": "ts"}
    names = ["row", "session_id", "session_number"]
    rows = cx.sessionize(frame, **roles).select(names)
    job = threading.Thread(target=lambda: rows.write.parquet(str(tmp_path / "rows")))
    job.start()
    status = cluster.spark.sparkContext.statusTracker()

    def is_in_the_walk() -> bool:
        """Some parts have been walked, and others have not."""
        stages = [status.getStageInfo(stage) for stage in status.getActiveStageIds()]
        return any(stage and stage.numTasks == 12 and stage.numCompletedTasks >= 2 for stage in stages)

    wait_for(is_in_the_walk)
    cluster.kill_a_worker()
    assert job.is_alive()
    job.join(timeout=120)
    assert not job.is_alive()
    found = pl.read_parquet(tmp_path / "rows" / "*.parquet").sort("row")
    assert_frame_equal(found, cx.sessionize(log, **roles).select(names))
    touches = cx.datasets.touchpoints(2_000, rng=5).frame
    sold: Any = {"user": "user_id", "time": "ts", "channel": "channel", "conversion": "conversion"}
    of_touches = cluster.spark.createDataFrame(touches.to_arrow(compat_level=pl.CompatLevel.oldest()))
    credit = pl.DataFrame(cx.attribute(of_touches, **sold, model=["last_touch", "markov"]).toArrow())
    want = cx.attribute(touches, **sold, model=["last_touch", "markov"])
    assert_frame_equal(credit, want, check_exact=False, rel_tol=1e-12, abs_tol=1e-10)
