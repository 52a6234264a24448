"""Peak memory of a whole verb, beyond its input and its output, in a process that does nothing else.

    python benchmarks/memory.py sessionize log.arrow

The kernel's own mark of the highest resident set (VmHWM) is set back after the input was read; where that is
not possible, ru_maxrss before and after is compared, which can only give less.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import settings  # before polars: it pins the threads

# isort: split
import polars as pl


def _verbs() -> dict[str, Any]:
    import cxcore as cx

    def both(frame: pl.DataFrame) -> tuple[Any, ...]:
        index = cx.index(frame, user="user_id", time="ts")
        return cx.sessionize(index, gap="30m"), cx.sessions(index, gap="30m")

    events: dict[str, Any] = {
        "user": "user_id",
        "time": "ts",
        "channel": "channel",
        "conversion": "conversion",
    }
    journeys: dict[str, Any] = {"path": "path", "conversions": "conversions", "nulls": "null"}
    devices: dict[str, Any] = {"anonymous": "device", "known": "customer", "time": "ts"}
    return {
        "stitch": lambda frame: (cx.stitch(frame, **devices),),
        "stitch-lookback": lambda frame: (cx.stitch(frame, **devices, lookback="7d"),),
        "sessionize": lambda frame: (cx.sessionize(frame, user="user_id", time="ts", gap="30m"),),
        "sessions": lambda frame: (cx.sessions(frame, user="user_id", time="ts", gap="30m"),),
        "index-and-both": both,
        "attribute": lambda frame: (
            cx.attribute(
                frame,
                user="user_id",
                time="ts",
                channel="channel",
                conversion="conversion",
                value="value",
                model="linear",
            ),
        ),
        "paths": lambda frame: (cx.paths(frame, **events),),
        "attribute-paths": lambda frame: (
            cx.attribute_paths(frame, **journeys, separator=" > ", model="markov"),
        ),
    }


def _status(field: str) -> int:
    """Bytes of one field of /proc/self/status."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise KeyError(field)


def _forget_peak() -> bool:
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def _child(case: str, path: str) -> dict[str, Any]:
    verb = _verbs()[case]
    with open(path, "rb") as file:
        frame = pl.read_ipc(file)  # from a file object: read into memory, not mapped
    assert frame.n_chunks() == 1, "laid end to end here, they would leave memory behind that hides the peak"
    verb(frame.head(1_000))  # code pages and caches that a running program has anyway
    exact = _forget_peak()
    before = _status("VmRSS") if exact else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    start = time.perf_counter()
    answer = verb(frame)
    took = time.perf_counter() - start
    after = _status("VmHWM") if exact else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    had = set(frame.columns)
    new = sum(
        column.estimated_size()
        for got in answer
        for column in got.get_columns()
        if len(got) != len(frame) or column.name not in had
    )
    return {
        "peak": after - before,
        "output": new,
        "input": frame.estimated_size(),
        "beyond_per_row": (after - before - new) / len(frame),
        "seconds": took,
        "sessions": answer[0]["session_id"].n_unique() if "session_id" in answer[0].columns else None,
        "how": "VmHWM" if exact else "ru_maxrss",
    }


def measure(case: str, frame: pl.DataFrame) -> dict[str, Any]:
    """Run ``case`` on ``frame`` in a child process: bytes of the peak, and beyond input and output."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log.arrow"
        frame.rechunk().write_ipc(path, record_batch_size=len(frame))
        return run(case, path)


def run(case: str, path: Path, threads: int = settings.THREADS) -> dict[str, Any]:
    """The same on a log that lies in a file."""
    command = [sys.executable, __file__, case, str(path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "BENCH_THREADS": str(threads)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


if __name__ == "__main__":
    assert pl.thread_pool_size() == settings.THREADS
    print(json.dumps(_child(*sys.argv[1:])))
