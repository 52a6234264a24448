"""Spark Connect, where no frame is of this process, gives the answers of one machine: ``make spark-test``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import cxcore as cx

pytest.importorskip("pyspark", reason="pyspark is not installed here: `make spark-test` (Java 17)")
pytest.importorskip("grpc", reason="Spark Connect wants grpcio: `make spark-test` installs it")

pytestmark = [pytest.mark.spark, pytest.mark.slow]

ROOT = Path(__file__).parents[1]


def test_verbs_and_sql_of_a_client(tmp_path: Path) -> None:
    from tests.spark_connect import CALLS

    houses = {
        "touches": cx.datasets.touchpoints(500, rng=5)
        .frame.with_row_index("row")
        .cast({pl.UInt32: pl.Int64}),
        "answers": cx.datasets.answers(1_000, rng=3, answers_per_customer=2, correlation=0.4).frame,
    }
    for name, house in houses.items():
        house.write_parquet(tmp_path / f"{name}.parquet")
    environment = {**os.environ, "PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
    command = [sys.executable, "-m", "tests.spark_connect", str(tmp_path)]
    ran = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=240, check=False
    )
    assert ran.returncode == 0, ran.stderr[-4_000:]
    for name, (of, call) in CALLS.items():
        found, want = pl.read_parquet(tmp_path / f"{name}.parquet"), call(houses[of])
        found = found.sort("row") if name == "rows" else found
        assert_frame_equal(found, want, check_exact=False, rel_tol=1e-12, abs_tol=0)
    assert pl.read_parquet(tmp_path / "sql.parquet").item() == 25.0
    by_sql, by_verb = (pl.read_parquet(tmp_path / f"{name}.parquet") for name in ("sql_rows", "rows"))
    assert_frame_equal(by_sql, by_verb.sort("row"), check_exact=True)
