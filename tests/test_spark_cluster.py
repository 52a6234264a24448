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

import cxcore as cx
from tests.spark import CREDIT, SCORES, busy_log, check_credit, check_rows, check_scores, session, write_rows

pyspark = pytest.importorskip("pyspark")

pytestmark = [pytest.mark.spark, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

#: files of a log, and tasks of a stage
PARTS = 3
_DEPLOY = "org.apache.spark.deploy"


@dataclass
class Cluster:
    spark: Any
    workers: list[subprocess.Popen[bytes]]
    #: what tasks wait for
    go: Path

    def kill_a_worker(self) -> None:
        """Its executor dies with it, and what that had written for others is out of reach."""
        os.killpg(self.workers.pop().pid, signal.SIGKILL)

    def run(self, jobs: dict[str, Callable[[], Any]]) -> dict[str, Any]:
        """What jobs give that run side by side, when a worker is killed amid all of them."""
        given: dict[str, Any] = {}
        context = self.spark.sparkContext
        status = context.statusTracker()

        def run(name: str) -> None:
            context.setLocalProperty("spark.scheduler.pool", name)
            context.setJobGroup(name, name)
            try:
                given[name] = jobs[name]()
            except Exception as error:  # raised below, where pytest sees it
                given[name] = error

        def is_amid(name: str) -> bool:
            """Some of its parts are done."""
            infos = [status.getJobInfo(job) for job in status.getJobIdsForGroup(name)]
            stages = [status.getStageInfo(stage) for info in infos if info for stage in info.stageIds]
            return any(stage and stage.numTasks == PARTS and stage.numCompletedTasks for stage in stages)

        threads = [threading.Thread(target=run, args=(name,)) for name in jobs]
        for thread in threads:
            thread.start()
        wait_for(lambda: all(map(is_amid, jobs)))
        self.kill_a_worker()
        assert not given
        self.go.touch()
        for thread in threads:
            thread.join(timeout=600)
        for answer in given.values():
            if isinstance(answer, Exception):
                raise answer
        return given


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
    # room for all tasks of three jobs on either worker, since some wait
    worker = ("--cores", "5", "--memory", "1g", "--work-dir", str(tmp_path))
    started += [start("worker.Worker", *own, *worker, master) for _ in range(2)]
    more = {
        "spark.executor.memory": "900m",
        "spark.sql.shuffle.partitions": str(PARTS),
        "spark.sql.adaptive.coalescePartitions.enabled": "false",
        "spark.sql.files.minPartitionNum": str(PARTS),
        "spark.scheduler.mode": "FAIR",
    }
    running = session(master, **more)
    try:
        yield Cluster(running, started[1:], tmp_path / "go")
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


def held(cluster: Cluster, log: pl.DataFrame, folder: Path) -> Any:
    """The log in some files, of which all but the first wait: so jobs are met amid their tasks."""
    folder.mkdir()
    for at, part in enumerate(log.iter_slices(-(-len(log) // PARTS))):
        part.write_parquet(folder / f"{at}.parquet")
    go = str(cluster.go)

    def waits(batches: Iterator[Any]) -> Iterator[Any]:
        until = time.monotonic() + 120
        while pyspark.TaskContext.get().partitionId() and not os.path.exists(go) and time.monotonic() < until:
            time.sleep(0.05)
        yield from batches

    frame = cluster.spark.read.parquet(str(folder))
    return frame.mapInArrow(waits, frame.schema)


#: 10_000_000 take some minutes
EVENTS = int(os.environ.get("CXCORE_SPARK_EVENTS", 200_000))


def test_a_worker_is_killed_while_jobs_run(cluster: Cluster, tmp_path: Path) -> None:
    """Sessions, attribution and scores are those of one machine; one user has a tenth of the rows."""
    log = busy_log(EVENTS)
    frame = held(cluster, log, tmp_path / "log")
    given = cluster.run(
        {
            "sessions": lambda: write_rows(frame, tmp_path / "rows"),
            "credit": lambda: pl.DataFrame(cx.attribute(frame, **CREDIT).toArrow()),
            "scores": lambda: pl.DataFrame(cx.nps(frame, **SCORES).toArrow()),
        }
    )
    assert given.keys() == {"sessions", "credit", "scores"}
    check_rows(tmp_path / "rows", log)
    check_credit(given["credit"], log)
    check_scores(given["scores"], log)
