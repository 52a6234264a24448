"""The harness itself: a wrong answer fails, a fallen ratio is named, clones keep every silence."""

from __future__ import annotations

import data
import polars as pl
import pytest
import report
from race import Contender, Race, _time


def test_a_wrong_answer_fails_before_anything_is_timed() -> None:
    def check(answer: int) -> None:
        assert answer == 42

    race = Race(benchmark=None)  # a race that got as far as timing would fail otherwise
    right, wrong = Contender("right", lambda: 42, check), Contender("wrong", lambda: 41, check)
    with pytest.raises(AssertionError):
        race("harness/wrong", words="", rows=1, verb=right, rivals=[wrong])


def test_a_ratio_below_half_of_the_committed_one_is_named() -> None:
    old = {
        "scale": 1.0,
        "threads": 1,
        "ratios": {"a": {"Polars": 4.0, "DuckDB": 4.0}, "gone": {"scipy": 9.0}},
    }
    new = {"scale": 1.0, "threads": 1, "ratios": {"a": {"Polars": 1.9, "DuckDB": 2.1}}}
    assert report.compare(new, old) == [
        "FELL: a against Polars: 1.90x, was 4.00x",
        "missing: gone against scipy (was 9.00x)",
    ]


def test_clones_keep_every_silence_and_share_no_user() -> None:
    minutes = pl.Series([0, 29, 60, 0, 500], dtype=pl.Int64)
    start = pl.lit("2026-01-01").str.to_datetime("%Y-%m-%d", time_unit="us")
    source = pl.DataFrame({"user_id": [1, 1, 1, 2, 2], "minute": minutes})
    source = source.select("user_id", ts=start + pl.duration(minutes=pl.col("minute")))
    log = data.Log("clones", "", data.multiply(source, 3, lambda copy: pl.col("user_id") * 10 + copy), 3 * 4)
    assert log.frame["user_id"].n_unique() == 6
    assert len(log.truth.table) == 12


def test_a_short_call_is_timed_in_a_batch_and_a_long_one_alone() -> None:
    """A clock that moves 20 µs a reading and 100 µs a call: the reading is nothing beside the batch."""
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += 20e-6
        return now

    def run() -> None:
        nonlocal now
        now += 100e-6

    race = Race(benchmark=None, clock=clock)
    warm_ups, timed = race._calls(run, first=120e-6)
    assert timed == warm_ups == 42  # of 120 µs, in 5 ms
    assert abs(_time(run, warm_ups, timed, clock) - 100e-6) < 1e-6
    assert race._calls(run, first=0.5) == (1, 1)
