"""The example service of ``docs/how-to/embed-in-a-service``, served by uvicorn in a process of its own."""

from __future__ import annotations

import http.client
import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from polars.testing import assert_frame_equal

import cxcore as cx

FOLDER = Path(__file__).parents[1] / "docs" / "how-to" / "embed-in-a-service"
SESSIONIZE = "/sessionize?user=user_id&time=ts&gap=30m"
ARROW, JSON = "application/vnd.apache.arrow.stream", "application/json"
LOG = cx.datasets.clickstream(200, rng=1).frame
SURVEY = {"score": [10, 9, 8, None, 0, 7, 10], "segment": ["x", "x", "x", "x", "y", "y", None]}

#: `uvicorn --fd` takes the socket for a local one, and so waits for acknowledgements that TCP delays
SERVE = """
import socket, sys, uvicorn
config = uvicorn.Config("service:app", log_level="error")
uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(sys.argv[1]))])
"""


def ask(connection: http.client.HTTPConnection, path: str, body: bytes, kind: str) -> tuple[int, bytes]:
    connection.request("POST", path, body, {"Content-Type": kind})
    answer = connection.getresponse()
    return answer.status, answer.read()


@dataclass
class Service:
    process: subprocess.Popen[bytes]
    port: int

    def connect(self) -> closing[http.client.HTTPConnection]:
        return closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30))

    def post(self, path: str, body: bytes, kind: str = JSON) -> tuple[int, bytes]:
        with self.connect() as connection:
            return ask(connection, path, body, kind)

    def memory(self) -> int:
        """Bytes that the service holds, without the pages that it shares."""
        lines = Path(f"/proc/{self.process.pid}/smaps_rollup").read_text().splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith("Private")) * 1024


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    listening = socket.create_server(("127.0.0.1", 0))
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(listening.fileno())],
        cwd=FOLDER,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONWARNINGS": "error"},
        pass_fds=[listening.fileno()],
    )
    served = Service(process, listening.getsockname()[1])
    listening.close()
    try:
        yield served
    finally:
        process.terminate()
        process.wait(10)


def sent(house: pl.DataFrame, rows: int = 80) -> bytes:
    """A log as a client sends it, in several batches."""
    table = house.to_arrow(compat_level=pl.CompatLevel.oldest())
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=rows)
    return sink.getvalue().to_pybytes()


def test_a_log_goes_in_and_comes_out_as_an_arrow_stream(service: Service) -> None:
    status, answer = service.post(SESSIONIZE, sent(LOG), ARROW)
    assert status == 200, answer
    with pa.ipc.open_stream(answer) as reader:
        batches = list(reader)
    assert [batch.num_rows for batch in batches] == [80, 80, 40]
    rows = pl.DataFrame(pa.Table.from_batches(batches))
    new = pl.col("session_id", "session_number")
    assert_frame_equal(rows.select(new), cx.sessionize(LOG, user="user_id", time="ts").select(new))


def test_a_survey_goes_in_and_comes_out_as_json(service: Service) -> None:
    status, answer = service.post("/nps?confidence_level=0.9", json.dumps(SURVEY).encode())
    assert status == 200, answer
    verb = cx.nps(pl.DataFrame(SURVEY), score="score", by="segment", confidence_level=0.9)
    assert json.loads(answer) == json.loads(json.dumps(verb.to_dicts()))


@pytest.mark.parametrize(
    ("path", "body", "status", "text"),
    [
        (SESSIONIZE.replace("user_id", "usr_id"), sent(LOG), 422, "did you mean 'user_id'?"),
        (SESSIONIZE.replace("30m", "30"), sent(LOG), 422, "a bare number has no unit"),
        (SESSIONIZE, b"no stream", 400, ""),
        ("/nps", json.dumps({"score": [11], "segment": ["x"]}).encode(), 422, "outside 0..10"),
        ("/nps", json.dumps({"score": [1, 2], "segment": ["x"]}).encode(), 400, ""),
        ("/nps", json.dumps({"score": ["much"], "segment": ["x"]}).encode(), 422, "valid integer"),
    ],
)
def test_what_is_wrong_is_said_and_the_service_goes_on(
    service: Service, path: str, body: bytes, status: int, text: str
) -> None:
    said, answer = service.post(path, body, ARROW if path == SESSIONIZE else JSON)
    assert said == status, answer
    assert text in answer.decode()


def far_offset() -> bytes:
    """A body like any other, but for one offset into the text of its users: it lies a gigabyte behind."""
    body = sent(pl.DataFrame({"user_id": ["a", "b", "c", "d"], "ts": LOG["ts"].head(4)}))
    offsets, damaged = np.arange(5, dtype=np.int64), np.array([0, 1, 2, 2**30, 4], np.int64)
    assert body.count(offsets.tobytes()) == 1
    return body.replace(offsets.tobytes(), damaged.tobytes())


def test_damaged_bodies_are_refused_and_the_service_lives(service: Service) -> None:
    """Without ``validate`` some of these end the process by a signal."""
    body, said = sent(LOG.head(80).select("user_id", "ts"), 20), set()
    for seed in range(60):
        draw, damaged = random.Random(seed), bytearray(body)
        for _ in range(draw.choice((1, 3, 20))):
            damaged[draw.randrange(len(body))] = draw.randrange(256)
        said.add(service.post(SESSIONIZE, bytes(damaged), ARROW)[0])
    assert said <= {200, 400, 422}
    for damaged_body in (body[:-40], body[:100], body[:3], far_offset()):
        status, answer = service.post(SESSIONIZE, damaged_body, ARROW)
        assert status == 400, answer
        assert json.loads(answer)["detail"]


CALLS, THREADS = 10_000, 4


def load(service: Service, calls: int) -> list[float]:
    """Seconds of each of so many calls, from several threads at once, each answer compared."""
    cases: list[tuple[str, bytes, str]] = [
        (SESSIONIZE, sent(LOG), ARROW),
        ("/nps", json.dumps(SURVEY).encode(), JSON),
    ]
    expected = [service.post(*case) for case in cases]
    took: list[list[float]] = [[] for _ in range(THREADS)]
    wrong: list[Any] = []

    def client(mine: list[float]) -> None:
        with service.connect() as connection:
            for call in range(calls // THREADS):
                start = time.perf_counter()
                answer = ask(connection, *cases[call % 2])
                mine.append(time.perf_counter() - start)
                if answer != expected[call % 2]:
                    wrong.append(answer)
                    return

    clients = [threading.Thread(target=client, args=(mine,)) for mine in took]
    for each in clients:
        each.start()
    for each in clients:
        each.join()
    assert not wrong
    return [seconds for mine in took for seconds in mine]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is asked as Linux tells it")
def test_ten_thousand_calls_from_several_threads_leave_no_memory_behind(
    service: Service, record_testsuite_property: Callable[[str, object], None]
) -> None:
    load(service, 2_000)  # pools of threads and of memory that a running service has
    before = service.memory()
    took = sorted(load(service, CALLS))
    grown = service.memory() - before
    p99 = took[CALLS * 99 // 100]
    record_testsuite_property("milliseconds", {"p50": took[CALLS // 2] * 1e3, "p99": p99 * 1e3})
    record_testsuite_property("bytes grown", grown)
    assert p99 < 0.25, "it was 0.007 on two idle cores"
    assert grown < 4 * 2**20, "0.4 KB a call"
