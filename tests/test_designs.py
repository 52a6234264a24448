"""Clusters, weights, strata: real data, the twins, frames, words and errors."""

from __future__ import annotations

import math
import warnings
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from scipy import stats

import cxcore as cx
from cxcore._ext import designs as kernels
from tests.reference import designs as twin

NUMBERS = ["estimate", "low", "high", "standard_error"]
VALUE = np.array([-1.0] * 7 + [0.0] * 2 + [1.0] * 2)


def nps(house, **options):
    return cx.nps(house, score="score", **options)


# ---------------------------------------------------------------- real data


@pytest.fixture
def airport(shared: Path) -> pl.DataFrame:
    survey = pl.read_parquet(shared / "data/sfo_survey/sfo_tidy_2014_2017.parquet")
    return survey.filter(pl.col("year") == 2017).rename({"nps": "score"})


@pytest.mark.shared
def test_airport_survey_2017_by_flight(airport):
    row = nps(airport, cluster="flight_cluster").row(0, named=True)
    assert (row["n"], row["n_null"], row["n_cluster"]) == (2746, 85, 213)
    assert (row["method"], row["flags"]) == ("cluster_percentile", "")
    assert (round(row["estimate"], 2), round(row["standard_error"], 3)) == (39.84, 1.534)
    # 36.82 and 42.81 are of 200,000 resamples: an end has the standard error sqrt(p (1 - p) / B) / density
    noise = 1.534 * math.sqrt(0.025 * 0.975 / 200_000) / stats.norm.pdf(1.96)
    assert (row["low"], row["high"]) == (
        pytest.approx(36.82, abs=3 * noise),
        pytest.approx(42.81, abs=3 * noise),
    )
    assert 1.3 < row["design_effect"] < 1.8
    assert row["n_effective"] == pytest.approx(2746 / row["design_effect"])
    few = nps(airport, cluster="flight_cluster", method="cluster_t").row(0, named=True)
    half = stats.t.ppf(0.975, 212) * few["standard_error"]
    assert (few["low"], few["high"]) == pytest.approx((few["estimate"] - half, few["estimate"] + half))


@pytest.mark.shared
def test_airport_survey_2017_weighted(airport):
    row = nps(airport, weight="weight").row(0, named=True)
    assert (round(row["estimate"], 2), round(row["standard_error"], 2)) == (40.40, 1.45)
    both = nps(airport, weight="weight", cluster="flight_cluster").row(0, named=True)
    assert (round(both["estimate"], 2), round(both["standard_error"], 2)) == (40.40, 1.55)
    assert (both["method"], both["n_cluster"]) == ("linearized", 213)


# ---------------------------------------------------------------- kernels against their twins


@st.composite
def surveys(draw, weighted: bool | None = None, max_size: int = 30):
    """Rows (group, stratum, cluster, weight, score); a cluster lies in one stratum."""
    n = draw(st.integers(1, max_size))
    cluster = draw(st.lists(st.integers(0, 8), min_size=n, max_size=n))
    heavy = draw(st.booleans()) if weighted is None else weighted
    weight = draw(st.lists(st.sampled_from([0.25, 1.0, 3.0, 7.5]), min_size=n, max_size=n))
    return pl.DataFrame(
        {
            "group": draw(st.lists(st.sampled_from("ab"), min_size=n, max_size=n)),
            "stratum": [["north", "south", "west"][each % 3] for each in cluster],
            "cluster": cluster,
            "weight": weight if heavy else [1.0] * n,
            "score": draw(st.lists(st.sampled_from([2, 7, 8, 9, 10]), min_size=n, max_size=n)),
        }
    )


def answers_of(house, stratum: bool = True, cluster: bool = True):
    return [
        (group, home if stratum else None, who if cluster else at, weight, float(VALUE[score]))
        for at, (group, home, who, weight, score) in enumerate(house.rows())
    ]


@given(surveys())
def test_cluster_cells_and_cluster_signatures(house):
    n, clusters = house.height, house["cluster"].to_numpy().astype(np.int32)
    group = (house["group"] == "b").to_numpy().astype(np.int32)
    level, weight = house["score"].cast(pl.UInt8).to_numpy(), house["weight"].to_numpy()
    codes, sums = np.empty((2, n), dtype=np.int32), np.empty((2, n))
    n_cells = kernels.cluster_cells(group, clusters, level, weight, VALUE, 2, 9, *codes, *sums)
    found = {
        ("ab"[g], c): (size, total)
        for g, c, size, total in zip(*codes[:, :n_cells].tolist(), *sums[:, :n_cells].tolist(), strict=True)
    }
    known = twin.cells(answers_of(house))
    assert len(found) == n_cells
    assert found == known  # sums of few quarters: exact
    home = (codes[1, :n_cells] % 3).astype(np.int32)
    start, count = np.empty(3, dtype=np.int64), np.empty(n_cells, dtype=np.int64)
    stratum, size, total = np.empty(n_cells, dtype=np.int32), np.empty(n_cells), np.empty(n_cells)
    cell = codes[0, :n_cells], home, sums[0, :n_cells], sums[1, :n_cells]
    end = kernels.cluster_signatures(*cell, start, stratum, size, total, count)
    assert (start[0], start[2]) == (0, end)
    alike = twin.signatures(answers_of(house))
    for at, name in enumerate("ab"):
        rows = slice(start[at], start[at + 1])
        names = [["north", "south", "west"][each] for each in stratum[rows]]
        keys = list(zip(names, size[rows].tolist(), total[rows].tolist(), strict=True))
        assert dict(zip(keys, count[rows].tolist(), strict=True)) == alike[name]
        assert keys == sorted(keys)


clusters = st.lists(
    st.tuples(st.integers(1, 4), st.integers(-4, 4), st.integers(1, 4)), min_size=1, max_size=4
).map(lambda rows: sorted({(m, max(-m, min(m, s))): (m, max(-m, min(m, s)), c) for m, s, c in rows}.values()))


def interval(rows, alpha=0.05, unit=0.5):
    size, total, count = (np.array(column) for column in zip(*rows, strict=True))
    low, high = np.empty(1), np.empty(1)
    start, all_of_them = np.array([0, len(rows)]), np.ones(1, dtype=np.uint8)
    signatures = size.astype(float), total.astype(float), count
    kernels.cluster_interval(start, *signatures, all_of_them, unit, alpha, low, high)
    return low[0], high[0]


@settings(max_examples=150)
@given(clusters, st.sampled_from([0.4, 0.1, 0.05, 0.01]))
def test_cluster_interval(rows, alpha):
    """Every resample of small surveys: the ends are where the law says, to the last digits."""
    low, high = interval(rows, alpha)
    ratios = [total / size for size, total, _ in rows]
    if len({size for size, _, _ in rows}) == 1:  # a lattice, not smoothed
        ends = twin.cluster_percentile(rows, alpha / 2)
        assert (low, high) == pytest.approx(tuple(map(float, ends)), abs=1e-12)
        return
    for end, tail in ((low, alpha / 2), (high, 1 - alpha / 2)):
        chance = twin.cluster_cdf(rows, end)
        if end > min(ratios) and chance > tail + 1e-9:
            raise AssertionError((end, chance, tail))
        if end < max(ratios) and chance < tail - 1e-9:
            raise AssertionError((end, chance, tail))


@settings(max_examples=40)
@given(
    clusters.filter(lambda rows: sum(count for _, _, count in rows) > 7), st.sampled_from([0.4, 0.1, 0.05])
)
def test_smoothing_moves_an_end_by_an_answer_or_two(rows, alpha):
    """Between the ends of the law itself and those of the law with 1.5 weight units more or less."""
    law, resamples = twin.cluster_law(rows)
    for end, tail in zip(interval(rows, alpha), (alpha / 2, 1 - alpha / 2), strict=True):
        if end in {total / size for size, total, _ in rows}:
            continue
        chance = [
            sum(ways for (sizes, totals), ways in law.items() if totals - end * sizes <= shift) / resamples
            for shift in (-2, 2)
        ]
        assert chance[0] - 1e-4 <= tail <= chance[1] + 1e-4


@pytest.mark.parametrize("n", [60, 400, 20_000])
def test_cluster_interval_against_many_draws(n):
    rng = np.random.default_rng(n)
    size = rng.integers(1, 6, n)
    total = np.round(size * np.clip(rng.normal(0.4, 0.6, n), -1, 1)).astype(int)
    rows = sorted({(m, s): (m, s, 0) for m, s in zip(size.tolist(), total.tolist(), strict=True)})
    count = [int(((size == m) & (total == s)).sum()) for m, s in rows]
    found = interval([(m, s, c) for (m, s), c in zip(rows, count, strict=True)])
    drawn = rng.multinomial(n, np.array(count) / n, size=200_000) @ np.array(rows)
    ratio = drawn[:, 1] / drawn[:, 0]
    noise = ratio.std() * math.sqrt(0.025 * 0.975 / 200_000) / stats.norm.pdf(1.96)
    assert found == pytest.approx(tuple(np.quantile(ratio, [0.025, 0.975])), abs=4 * noise + 0.5 / size.sum())


def test_cluster_interval_of_clusters_alike():
    assert interval([(1, 1, 5), (2, 2, 3), (7, 7, 1)]) == (1, 1)
    assert interval([(3, -1, 60)]) == pytest.approx((-1 / 3, -1 / 3))
    low, high = interval([(1, 1, 900), (400, -400, 1)])  # one that weighs as much as all others
    assert -1 <= low < high <= 1
    assert high == pytest.approx(1)  # a third of the resamples is without it


def test_cluster_interval_of_weights_is_not_tied_to_whole_numbers():
    rows = [
        (size * 0.37, total * 0.37, count) for size, total, count in [(1, -1, 30), (2, 2, 40), (3, 1, 20)]
    ]
    whole = interval([(1, -1, 30), (2, 2, 40), (3, 1, 20)])
    assert interval(rows, unit=0.0) == pytest.approx(whole, abs=1e-3)


# ---------------------------------------------------------------- the linearized interval


def close(row, known, factor=100):
    estimate, variance, dof = known
    assert row["estimate"] == pytest.approx(factor * estimate, abs=1e-9)
    if not dof:
        assert (row["standard_error"], row["low"], row["high"]) == (None, None, None)
        assert "one_cluster" in row["flags"]
        return
    error = factor * math.sqrt(variance)
    assert row["standard_error"] == pytest.approx(error, abs=1e-9)
    half = stats.t.ppf(0.975, dof) * error
    low, high = max(factor * estimate - half, -factor), min(factor * estimate + half, factor)
    assert (row["low"], row["high"]) == pytest.approx((low, high), abs=1e-7)


@given(surveys())
def test_linearized(house):
    """Every design against the textbook, group by group."""
    strata = {"north": 90.0, "south": 40.0, "west": 9.0}
    for options, known in (
        ({"weight": "weight"}, {"stratum": False, "cluster": False}),
        ({"weight": "weight", "cluster": "cluster"}, {"stratum": False}),
        ({"cluster": "cluster", "method": "cluster_t"}, {"stratum": False}),
        ({"cluster": "cluster", "stratum": "stratum", "weight": "weight"}, {}),
        ({"cluster": "cluster", "stratum": "stratum", "population": strata, "weight": "weight"}, {}),
        ({"weight": "weight", "stratum": "stratum"}, {"cluster": False}),
        ({"cluster": "cluster", "population": 30, "weight": "weight"}, {"stratum": False}),
    ):
        weighted = house if "weight" in options else house.with_columns(weight=1.0)
        answers = answers_of(weighted, **known)
        population = options.get("population")
        if population == 30:
            population = {None: 30.0}
        for row in nps(house, by="group", **options).iter_rows(named=True):
            by_hand = twin.linearized(answers, row["group"], population, domain=known.get("stratum", True))
            close(row, by_hand)
            assert row["n_cluster"] == len({answer[2] for answer in answers if answer[0] == row["group"]})


@given(surveys(), st.randoms(use_true_random=False))
def test_order_of_rows_is_no_matter(house, random):
    order = list(range(house.height))
    random.shuffle(order)
    for options in ({"cluster": "cluster"}, {"cluster": "cluster", "stratum": "stratum"}):
        known = nps(house, by="group", **options)
        assert_frame_equal(known, nps(house[order], by="group", **options), check_exact=True)
    known, other = (
        nps(each, by="group", weight="weight", cluster="cluster") for each in (house, house[order])
    )
    assert_frame_equal(known, other, rel_tol=1e-12, abs_tol=1e-12)


@given(surveys())
def test_a_group_is_what_it_is_alone(house):
    """Without strata no other group matters, and the total is the answer without groups."""
    for options in ({"cluster": "cluster"}, {"weight": "weight"}, {"weight": "weight", "cluster": "cluster"}):
        answer = nps(house, by="group", total=True, **options)
        for row in answer.filter(~pl.col("is_total")).iter_rows(named=True):
            alone = nps(house.filter(pl.col("group") == row["group"]), **options)
            for name in alone.columns:
                known = alone[name][0]
                number = isinstance(known, float)
                assert row[name] == (pytest.approx(known, rel=1e-12) if number else known), name
        total = answer.filter("is_total").drop("group", "is_total")
        assert_frame_equal(total, nps(house, **options), rel_tol=1e-12)


@given(surveys(weighted=False))
def test_clusters_of_one_answer_are_no_design(house):
    alone = house.with_columns(who=pl.int_range(pl.len()))
    known = nps(alone, by="group")
    for method in ("bootstrap", "cluster_percentile"):
        found = nps(alone, by="group", cluster="who", method=method)
        assert found["n_cluster"].to_list() == found["n"].to_list()
        if method == "bootstrap":
            assert_frame_equal(found.select(known.columns), known, check_exact=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", cx.DegenerateDataWarning)
        known = nps(alone, by="group", method="percentile")
    assert_frame_equal(found.select(NUMBERS), known.select(NUMBERS), check_exact=True)
