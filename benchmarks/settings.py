"""Sizes and threads of a run, from the environment. Import it before polars: it pins threads.

BENCH_SCALE    1.0 = full size: 1 M rows for 'small' logs, 10 M for 'large' ones
BENCH_THREADS  threads of both sides, default 1
BENCH_ROUNDS   timed rounds of each contender, default 5 (3 on large data)
"""

from __future__ import annotations

import os
from pathlib import Path

SCALE = float(os.environ.get("BENCH_SCALE", "1.0"))
THREADS = int(os.environ.get("BENCH_THREADS", "1"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
#: seconds that one contender may take in the timed rounds of one benchmark; it always runs once
BUDGET = 2.5
#: rivals that are slower by an order of magnitude run at full scale alone
FULL = SCALE >= 1
ROWS = {"small": int(1_000_000 * SCALE), "large": int(10_000_000 * SCALE)}
HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"
SHARED = Path(os.environ.get("CXCORE_SHARED", HERE.parent.parent / "shared"))

os.environ["RETENTIONEERING_NO_TRACK"] = "1"  # a benchmark tells nobody that it ran
for variable in (
    "POLARS_MAX_THREADS",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
):
    os.environ[variable] = str(THREADS)
