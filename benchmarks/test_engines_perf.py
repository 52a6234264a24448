"""What an engine costs around the same kernel: expressions called group by group, logs that pass by."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import data
import polars as pl
import pytest
import rivals
from polars.testing import assert_frame_equal, assert_series_equal
from race import Contender, Goal, Race

import cxcore as cx
from cxcore import _polars_plugin


def test_expression(race: Race, monkeypatch: pytest.MonkeyPatch) -> None:
    """One call a user. The verb, which is made for whole logs, is a part and no rival."""
    log = data.skewed("small", "random", "integer").frame
    frame = log.filter(pl.col("user_id") % 5 == 0)
    known = cx.sessionize(frame, user="user_id", time="ts")["session_number"]
    n_users = frame["user_id"].n_unique()
    plugin = pl.col("ts").cx.session_number().over("user_id")
    assert _polars_plugin.plugin_path() is not None
    monkeypatch.setattr(_polars_plugin, "plugin_path", lambda: None)
    callback = pl.col("ts").cx.session_number().over("user_id")

    def run(expr: pl.Expr) -> pl.Series:
        return frame.select(expr).to_series()

    check = partial(assert_series_equal, known, check_names=False)
    race(
        "sessions/expression/small",
        words=f"{len(frame):,} events in random order, session_number over {n_users:,} users",
        rows=len(frame),
        verb=Contender("cxcore, plugin", partial(run, plugin), check),
        parts=[
            Contender(
                "sessionize of the frame",
                lambda: cx.sessionize(frame, user="user_id", time="ts")["session_number"],
                check,
            )
        ],
        rivals=[
            Contender("cxcore, map_batches", partial(run, callback), check),
            Contender("Polars, over", lambda: rivals.polars_over_number(frame), check),
        ],
        goals=[Goal(3, "cxcore, map_batches")],
    )


def test_sorted_by_user(race: Race, tmp_path: Path) -> None:
    """Parquet to Parquet, both ways: what passing by costs in time (docs/adr/0034 has the memory)."""
    frame = data.skewed("small", "random", "integer").frame.select("user_id", "ts").sort("user_id")
    frame.write_parquet(tmp_path / "log.parquet", row_group_size=100_000)
    known = cx.sessionize(frame, user="user_id", time="ts")

    def run(answer: str, **options: bool) -> Path:
        lazy = pl.scan_parquet(tmp_path / "log.parquet")
        cx.sessionize(lazy, user="user_id", time="ts", **options).sink_parquet(tmp_path / answer)
        return tmp_path / answer

    def check(answer: Path) -> None:
        assert_frame_equal(pl.read_parquet(answer), known)

    race(
        "sessions/passing-by/small",
        words=f"{len(frame):,} events sorted by user, scan_parquet to sink_parquet",
        rows=len(frame),
        verb=Contender("cxcore, sorted_by_user", partial(run, "streamed", sorted_by_user=True), check),
        rivals=[Contender("cxcore, in memory", partial(run, "whole"), check)],
        goals=[Goal(0.7, "cxcore, in memory")],
    )
