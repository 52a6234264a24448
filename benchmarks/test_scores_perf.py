"""NPS with an interval against resampling tools; the score alone by group in SQL against plain SQL."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import cycle
from typing import Any

import data
import numpy as np
import polars as pl
import pytest
import rivals
import settings
from race import Contender, Goal, Race
from rivals import RESAMPLES

import cxcore as cx
from cxcore._ext import scores as kernels
from cxcore.duckdb import register

#: rows of the large case are scaled, the others are what the goals name
SIZES = {"1e3": 1_000, "1e5": 100_000, "large": settings.ROWS["large"]}
N_GROUPS = 1_000
LEFT_OUT = (
    "scipy, arch: they resample rows, so one answer takes minutes (1e5 is scaled up from fewer resamples)"
)


def _near(score: np.ndarray, resamples: int, slack: float, got: Any) -> None:
    """A resampled percentile interval is as far from the normal one as its own noise and skewness allow.

    The quantile of ``resamples`` draws has the standard error sqrt(p (1 - p) / B) / density; 6 of them pass,
    and two steps of the lattice, and ``slack`` standard errors for skewness.
    """
    weight = rivals.WEIGHT[score]
    error = 100 * weight.std() / np.sqrt(len(score))
    center = 100 * weight.mean()
    noise = 6 * np.sqrt(0.025 * 0.975 / resamples) / 0.0584
    low, high = (float(bound) for bound in got)
    reach = (noise + slack) * error + 200 / len(score)
    assert abs(low - (center - 1.96 * error)) <= reach, (low, center, error)
    assert abs(high - (center + 1.96 * error)) <= reach, (high, center, error)


def _ours_check(score: np.ndarray, got: pl.DataFrame) -> None:
    estimate = 100 * rivals.WEIGHT[score].mean()
    assert abs(got["estimate"].item() - estimate) < 1e-9
    _near(score, 10**12, 0.2, (got["low"].item(), got["high"].item()))


@pytest.mark.parametrize("size", SIZES)
def test_nps_interval(race: Race, rng: np.random.Generator, size: str) -> None:
    n = SIZES[size]
    frame = data.answers(n).select("score")
    score = frame["score"].to_numpy()
    value = rivals.WEIGHT[score].astype(np.float64)
    resamples = max(50, min(RESAMPLES, 10**7 // n))

    def tool(name: str, run: Callable[[], Any]) -> Contender:
        return Contender(name, run, partial(_near, score, resamples, 0.2), resamples / RESAMPLES)

    rows = []
    if size != "large":
        rows = [
            tool("scipy, percentile", partial(rivals.scipy_bootstrap, value, "percentile", resamples, rng)),
            tool("arch, percentile", partial(rivals.arch_bootstrap, value, resamples)),
        ]
    if size == "1e3":
        rows.append(tool("scipy, BCa", partial(rivals.scipy_bootstrap, value, "BCa", resamples, rng)))
    race(
        f"scores/nps/{size}",
        words=f"NPS of {n:,} uint8 answers, percentile interval ({RESAMPLES:,} resamples; exact in cxcore)",
        rows=n,
        verb=Contender(
            "cxcore", lambda: cx.nps(frame, score="score", method="percentile"), partial(_ours_check, score)
        ),
        parts=[
            Contender(
                "cxcore, guarded default (BCa)",
                lambda: cx.nps(frame, score="score"),
                partial(_ours_check, score),
            ),
            Contender(
                "kernel, counts to interval",
                partial(_interval, np.bincount(score, minlength=11)[None, :]),
                partial(_near, score, 10**12, 0.2),
            ),
        ],
        rivals=[
            Contender(
                "NumPy, multinomial",
                partial(rivals.numpy_multinomial, score, rng),
                partial(_near, score, RESAMPLES, 0.2),
            ),
            *rows,
        ],
        left_out="" if rows else LEFT_OUT,
        goals={"1e3": [Goal(1_000, "scipy")], "1e5": [], "large": [Goal(60, "NumPy")]}[size],
    )


def _interval(counts: np.ndarray) -> tuple[float, float]:
    """The kernel alone: the exact percentile interval of the mean weight, times 100."""
    low, high = np.empty(len(counts)), np.empty(len(counts))
    kernels.resample_interval(
        counts, np.asarray(rivals.WEIGHT, np.int64), np.full(len(counts), 0.05), False, low, high
    )
    return 100 * low[0], 100 * high[0]


def test_nps_reads_its_column_once(race: Race) -> None:
    """At most 1.3 passes: columns in turn, so that each comes from memory, and not from a cache."""
    n, n_columns = 10**7, 24
    score = data.answers(n)["score"].to_numpy()
    columns = [pl.DataFrame({"score": score.copy()}) for _ in range(n_columns)]
    turn = cycle(columns)

    def highest(got: int) -> None:
        assert got == score.max()

    race(
        "scores/nps-from-memory",
        words=f"NPS of {n:,} uint8 answers, 24 columns in turn, against one look at each",
        rows=n,
        verb=Contender(
            "cxcore",
            lambda: cx.nps(next(turn), score="score", method="percentile"),
            partial(_ours_check, score),
        ),
        rivals=[
            Contender("Polars, highest answer", lambda: next(turn)["score"].max(), highest),
            Contender("NumPy, highest answer", lambda: int(next(turn)["score"].to_numpy().max()), highest),
        ],
        goals=[Goal(0.77, "Polars"), Goal(0.77, "NumPy")],
    )


def test_compare(race: Race, rng: np.random.Generator) -> None:
    """The exact BCa interval of a difference against scipy's, of the same answers."""
    n = 1_000
    score = data.answers(n)["score"].to_numpy()
    half = np.arange(n) < n // 2
    frame = pl.DataFrame({"score": score, "arm": half})
    one, two = (rivals.WEIGHT[score[which]].astype(np.float64) for which in (~half, half))
    error = 100 * np.sqrt(one.var() / len(one) + two.var() / len(two))
    center = 100 * (one.mean() - two.mean())

    def near(slack: float, got: Any) -> None:
        low, high = (float(bound) for bound in got)
        assert abs(low - (center - 1.96 * error)) <= slack * error, (low, center, error)
        assert abs(high - (center + 1.96 * error)) <= slack * error, (high, center, error)

    def ours(method: str) -> pl.DataFrame:
        return cx.compare(frame, score="score", group="arm", control=True, method=method)

    def check(got: pl.DataFrame) -> None:
        assert abs(got["difference"].item() - center) < 1e-9
        near(0.2, got.select("low", "high").row(0))

    race(
        "scores/compare",
        words=f"difference of two NPS of {n // 2} answers each, BCa (scipy: {RESAMPLES:,} resamples)",
        rows=n,
        verb=Contender("cxcore, bootstrap (exact BCa)", lambda: ours("bootstrap"), check),
        parts=[Contender("cxcore, mover", lambda: ours("mover"), check)],
        rivals=[
            Contender(
                "scipy, BCa of a difference",
                partial(rivals.scipy_difference, one, two, RESAMPLES, rng),
                partial(near, 0.4),
            )
        ],
        goals=[Goal(20, "scipy")],
    )


def test_nps_groups(race: Race, rng: np.random.Generator) -> None:
    frame = data.answers(settings.ROWS["large"], N_GROUPS)
    group, score = frame["group"].to_numpy(), frame["score"].to_numpy().astype(np.int64)

    def check(got: pl.DataFrame) -> None:
        got = got.sort("group")
        assert got["n"].sum() == len(score)
        _near_groups(group, score, 10**12, got.select("low", "high").to_numpy())

    resamples = RESAMPLES // 10
    race(
        "scores/nps-by-group/large",
        words=f"NPS by {N_GROUPS:,} groups of {len(score):,} answers, percentile intervals",
        rows=len(score),
        verb=Contender(
            "cxcore", lambda: cx.nps(frame, score="score", by="group", method="percentile"), check
        ),
        rivals=[
            Contender(
                "NumPy, multinomial",
                partial(rivals.numpy_multinomial_groups, group, score, N_GROUPS, rng, RESAMPLES),
                partial(_near_groups, group, score, RESAMPLES),
            ),
            *[
                Contender(
                    f"{name}, then the same kernel",
                    partial(_intervals, count),
                    partial(_near_groups, group, score, 10**12),
                )
                for name, count in {
                    "Polars, group_by": partial(rivals.polars_groups, frame),
                    "Polars, packed key": partial(rivals.polars_packed_groups, frame, N_GROUPS),
                    "NumPy, bincount": partial(rivals.numpy_groups, group, score, N_GROUPS),
                }.items()
            ],
        ],
        goals=[Goal(50, "NumPy, multinomial"), Goal(3, "Polars, group_by")],
        left_out=f"scipy, arch: a loop over {N_GROUPS:,} groups of {resamples:,} row resamples takes minutes",
    )


def _intervals(count: Callable[[], np.ndarray]) -> np.ndarray:
    """The kernel behind somebody else's counts of detractors, passives and promoters."""
    counts = np.ascontiguousarray(count(), dtype=np.int64)
    low, high, weights = np.empty(len(counts)), np.empty(len(counts)), np.array([-1, 0, 1])
    kernels.resample_interval(counts, weights, np.full(len(counts), 0.05), False, low, high)
    return 100 * np.stack([low, high], 1)


def _near_groups(group: np.ndarray, score: np.ndarray, resamples: int, got: np.ndarray) -> None:
    for code in range(0, N_GROUPS, 100):
        _near(score[group == code], resamples, 0.2, got[code])


def test_nps_clusters_and_weights(race: Race) -> None:
    """A thousand segments, customers who answer five times, weights."""
    n, n_segments = settings.ROWS["small"], 1_000
    frame = data.weighted_answers(n, n // 5, n_segments)
    known = rivals.polars_linearized(frame).sort("segment")

    def same(got: pl.DataFrame) -> None:
        _same_linear(known, got, 1e-9)

    race(
        "scores/clusters-and-weights/small",
        words=f"weighted NPS of {n_segments:,} segments, {n // 5:,} customers, {n:,} answers",
        rows=n,
        verb=Contender(
            "cxcore",
            lambda: cx.nps(frame, score="score", by="segment", cluster="customer", weight="weight"),
            same,
        ),
        parts=[
            Contender(
                "cxcore, without weights (exact cluster bootstrap)",
                lambda: cx.nps(frame, score="score", by="segment", cluster="customer"),
                lambda got: _near_linear(frame.with_columns(weight=1.0), got),
            ),
            Contender(
                "cxcore, exact rescaled bootstrap (percentile)",
                lambda: cx.nps(
                    frame,
                    score="score",
                    by="segment",
                    cluster="customer",
                    weight="weight",
                    method="percentile",
                ),
                lambda got: _near_linear(frame, got),
            ),
        ],
        rivals=[
            Contender("Polars, two group_bys", partial(rivals.polars_linearized, frame), same),
            _svy(frame),
        ],
        goals=[Goal(100, "svy")],
    )


def _near_linear(frame: pl.DataFrame, got: pl.DataFrame) -> None:
    """The ends of the bootstrap lie about two linearized errors from the estimate."""
    known = rivals.polars_linearized(frame).sort("segment")
    got = got.sort("segment")
    assert np.allclose(got["estimate"], known["estimate"])
    for end, side in (("low", -1.96), ("high", 1.96)):
        far = (got[end] - got["estimate"]) / known["standard_error"] - side
        assert (far.abs() < 0.4).all(), far.abs().max()


def _same_linear(known: pl.DataFrame, got: pl.DataFrame, slack: float) -> None:
    got = got.with_columns(pl.col("segment").cast(pl.Int64)).sort("segment")
    assert got["segment"].equals(known["segment"])
    for name in ("estimate", "standard_error"):
        assert np.allclose(got[name], known[name], rtol=slack, atol=0), name


def _svy(frame: pl.DataFrame) -> Contender:
    """All rows in a fortieth of the segments: each of its domains looks at all rows, so that is a fortieth.

    Its n / (n - 1) is of all customers, and ours of those of the segment.
    """
    fewer = frame.with_columns(pl.col("segment") % 25)
    points = 100.0 * rivals.WEIGHT[fewer["score"].to_numpy()]
    known = rivals.polars_linearized(fewer).sort("segment")
    slack = 100 / fewer["customer"].n_unique()
    run = partial(rivals.svy_linearized, fewer.with_columns(value=pl.Series(points)))
    return Contender("svy, domains", run, lambda got: _same_linear(known, got, slack), part=1 / 40)


def test_sql(race: Race) -> None:
    frame = data.answers(settings.ROWS["small"], N_GROUPS)
    con = data.duck_table("answers", frame)
    register(con)
    expected = rivals.duckdb_nps(con)

    def same(got: list[tuple[Any, ...]]) -> None:
        assert [row[0] for row in got] == [row[0] for row in expected]
        assert np.allclose([row[1] for row in got], [row[1] for row in expected], rtol=0, atol=1e-9)

    def macro(name: str) -> list[tuple[Any, ...]]:
        return con.execute(f'SELECT "group", {name} FROM answers GROUP BY 1 ORDER BY 1').fetchall()

    race(
        "scores/sql/small",
        words=f"NPS in DuckDB SQL by {N_GROUPS:,} groups of {len(frame):,} answers (plain SQL: no interval)",
        rows=len(frame),
        verb=Contender("cxcore, cx.nps", partial(macro, "cx.nps(score)"), same),
        parts=[
            Contender("cxcore, cx_nps, native", partial(macro, "cx_nps(score)"), same),
            Contender("cxcore, cx.nps_ci with interval", partial(macro, "(cx.nps_ci(score)).estimate"), same),
            Contender("cxcore, cx_nps_ci, native", partial(macro, "cx_nps_ci(score).estimate"), same),
        ],
        rivals=[
            Contender("DuckDB, plain SQL", partial(rivals.duckdb_nps, con), same),
            Contender("DuckDB, arrow function", partial(rivals.duckdb_nps_arrow, con), same),
        ],
    )
