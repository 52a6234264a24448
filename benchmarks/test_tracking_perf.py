"""Scores in time: rolling windows against recounting each, and against a rolling sum of daily counts."""

from __future__ import annotations

import datetime as dt

import data
import numpy as np
import polars as pl
import rivals
import settings
from race import Contender, Goal, Race

import cxcore as cx

N_DAYS = 730


def test_rolling(race: Race, rng: np.random.Generator) -> None:
    """Two years of days, windows of 28 days; every contender makes the intervals with the same kernel."""
    score = data.answers(settings.ROWS["small"])["score"]
    days = pl.Series("day", rng.integers(0, N_DAYS, len(score))).cast(pl.Int32).cast(pl.Date)
    frame = pl.DataFrame([days, score])
    each = np.zeros((N_DAYS, 3), dtype=np.int64)
    np.add.at(each, (days.to_physical().to_numpy(), rivals.WEIGHT[score.to_numpy()].astype(np.int64) + 1), 1)
    counts = np.array([each[max(at - 27, 0) : at + 1].sum(axis=0) for at in range(N_DAYS)])
    known = cx.intervals.interval_of(counts, [-1, 0, 1], method="score")

    def check(got: pl.DataFrame) -> None:
        assert got["end"].to_list() == [dt.date(1970, 1, 2) + dt.timedelta(at) for at in range(N_DAYS)]
        for name in ("estimate", "low", "high"):
            assert np.array_equal(got[name].to_numpy(), getattr(known, name) * 100)

    race(
        "scores/rolling/small",
        words=f"NPS of the last 28 days, for each of {N_DAYS} days, {len(frame):,} answers, score interval",
        rows=len(frame),
        verb=Contender("cxcore", lambda: cx.rolling(frame, score="score", time="day", method="score"), check),
        rivals=[
            Contender("Polars, group_by_dynamic", lambda: _scored(rivals.polars_dynamic_nps(frame)), check),
            Contender(
                "Polars, rolling sum of daily counts",
                lambda: _scored(rivals.polars_rolling_sum_nps(frame)),
                check,
            ),
        ],
        goals=[Goal(3, "Polars, group_by_dynamic")],
    )


def _scored(counts: pl.DataFrame) -> pl.DataFrame:
    """The counts of each window to its score interval, by our kernel."""
    table = counts.select("detractors", "passives", "promoters").cast(pl.Int64).to_numpy()
    found = cx.intervals.interval_of(table, [-1, 0, 1], method="score")
    named = {name: getattr(found, name) * 100 for name in ("estimate", "low", "high")}
    return counts.select("end").hstack(pl.DataFrame(named))


def test_always_valid(race: Race) -> None:
    """One interval of 1,000 answers; the grid of means is as fine as a tenth of a point of NPS."""
    counts = np.array([[200, 300, 500]])
    means = np.linspace(0, 1, 2_001)[1:-1]
    bets = np.sin(np.pi / 2 * (np.arange(200) + 0.5) / 200) ** 2  # Beta(1/2, 1/2) in equal shares

    def ours() -> tuple[float, float]:
        found = cx.intervals.interval_of(counts, [-1, 0, 1], method="always_valid")
        return float(found.low[0] + 1) / 2, float(found.high[0] + 1) / 2

    def check(got: tuple[float, float]) -> None:
        assert np.allclose(got, (0.60465, 0.69344), rtol=0, atol=1 / 2_000), got

    race(
        "scores/always-valid",
        words="always-valid interval of NPS, 1,000 answers (NumPy: 2,000 means and 200 bets)",
        rows=1_000,
        verb=Contender("cxcore, interval_of", ours, check),
        rivals=[
            Contender(
                "NumPy, grids",
                lambda: rivals.numpy_mixture(counts[0], means, bets, np.log(20)),
                check,
            )
        ],
        goals=[Goal(20, "NumPy")],
    )
