"""100 million events: time and peak memory of whole verbs, each in a process of its own. Not part of CI.

    python benchmarks/scale.py [millions of events, 100] [folder for the log, that of temporary files]

The log is ten logs of ``datasets.clickstream`` with people of their own, in the order asked for. What is
printed is one run of each; take it on a machine that does nothing else. Answers are checked by the number of
sessions that the generator planted (``sessionize`` and ``sessions`` alike give it).
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import settings  # noqa: F401  before polars: it pins the threads

# isort: split
import memory
import numpy as np
import polars as pl

COPIES = 10


def make(millions: int, order: str, path: Path) -> None:
    """In a process of its own as well: what made the log keeps its memory."""
    from cxcore import datasets

    logs, planted = [], 0
    for copy in range(COPIES):
        made = datasets.clickstream(millions * 1_000_000 // COPIES, rng=copy, order="sorted")
        planted += len(made.truth)
        logs.append(made.frame.select(pl.col("user_id") * COPIES + copy, "ts"))
    log = pl.concat(logs)
    del logs, made
    log = log.sort("ts") if order == "arrival" else log[np.random.default_rng(1).permutation(len(log))]
    log.rechunk().write_ipc(path, record_batch_size=len(log))
    path.with_suffix(".sessions").write_text(str(planted))


def main(millions: int, folder: str) -> None:
    print("| order | verb | threads | seconds | ns a row | peak, GB | beyond input and output, bytes a row |")
    print("|---|---|--:|--:|--:|--:|--:|")
    for order in ("random", "arrival"):
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            path = Path(temporary) / "log.arrow"
            subprocess.run([sys.executable, __file__, "make", str(millions), order, str(path)], check=True)
            planted = int(path.with_suffix(".sessions").read_text())
            for verb in ("sessionize", "sessions", "index-and-both"):
                for threads in (2, 1):
                    got = memory.run(verb, path, threads)
                    assert got["sessions"] == planted, (verb, got["sessions"], planted)
                    cells = (
                        order,
                        verb,
                        threads,
                        f"{got['seconds']:.1f}",
                        f"{got['seconds'] * 1e3 / millions:.0f}",
                        f"{(got['peak'] + got['input']) / 1e9:.1f}",
                        f"{got['beyond_per_row']:.0f}",
                    )
                    print("| " + " | ".join(map(str, cells)) + " |", flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["make"]:
        make(int(sys.argv[2]), sys.argv[3], Path(sys.argv[4]))
    else:
        main(
            int(sys.argv[1]) if sys.argv[1:] else 100, sys.argv[2] if sys.argv[2:] else tempfile.gettempdir()
        )
