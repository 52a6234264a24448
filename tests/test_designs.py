"""Clusters, weights, strata: real data, the twins, frames, words and errors."""

from __future__ import annotations

import math
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import svy
from hypothesis import example, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from scipy import stats

import cxcore as cx
from cxcore import InvalidDataError, InvalidOptionError
from cxcore._ext import designs as kernels
from cxcore.designs import METHODS
from cxcore.intervals import FLAGS, Bca
from tests.reference import designs as twin

#: population of each stratum
STRATA = {"north": 90.0, "south": 40.0, "west": 9.0}
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
    one_each = np.empty(0, dtype=np.int64)
    end = kernels.cluster_signatures(*cell, one_each, start, stratum, size, total, count)
    assert (start[0], start[2]) == (0, end)
    alike = twin.signatures(answers_of(house))
    for at, name in enumerate("ab"):
        rows = slice(start[at], start[at + 1])
        names = [["north", "south", "west"][each] for each in stratum[rows]]
        keys = list(zip(names, size[rows].tolist(), total[rows].tolist(), strict=True))
        assert dict(zip(keys, count[rows].tolist(), strict=True)) == alike[name]
        assert keys == sorted(keys)
    # each cell stands for some: as if it were there so often
    many = 1 + np.arange(n_cells) % 4
    one, two = ([np.empty_like(x) for x in (start, stratum, size, total)] for _ in range(2))
    counts = np.empty(n_cells, dtype=np.int64), np.empty(many.sum(), dtype=np.int64)
    two[1:] = (np.empty(many.sum(), dtype=x.dtype) for x in two[1:])
    end = kernels.cluster_signatures(*cell, many, *one, counts[0])
    assert end == kernels.cluster_signatures(*(np.repeat(x, many) for x in cell), one_each, *two, counts[1])
    for few, all_of_them in zip((*one[1:], counts[0]), (*two[1:], counts[1]), strict=True):
        assert few[:end].tolist() == all_of_them[:end].tolist()


clusters = st.lists(
    st.tuples(st.integers(1, 4), st.integers(-4, 4), st.integers(1, 4)), min_size=1, max_size=4
).map(lambda rows: sorted({(m, max(-m, min(m, s))): (m, max(-m, min(m, s)), c) for m, s, c in rows}.values()))


def interval(rows, alpha=0.05, unit=0.5, rescaled=False, corrected=False):
    size, total, count = (np.array(column) for column in zip(*rows, strict=True))
    low, high = np.empty(1), np.empty(1)
    signatures = np.zeros(len(rows), dtype=np.int32), size.astype(float), total.astype(float), count
    kernels.cluster_interval(
        np.array([0, len(rows)]), *signatures, np.empty(0, dtype=np.int64), np.zeros(1),
        np.ones(1, dtype=np.uint8), rescaled, unit, np.array([alpha]), corrected, low, high,
    )  # fmt: skip
    return low[0], high[0]


#: an id or two that many answers share, so that its draws are taken out of the law
shared_ids = st.lists(
    st.tuples(st.integers(1_000, 100_000), st.floats(-1, 1), st.just(1)), min_size=1, max_size=2
).map(lambda rows: [(size, round(ratio * size), count) for size, ratio, count in rows])


@settings(max_examples=150)
@example([(1, -1, 3), (3, 1, 1)], 0.05)  # the first guess falls on the estimate
@example([(1, -1, 2), (2, 2, 3), (100_000, 40_000, 1)], 0.05)
# far units of one mind, far from the estimate: a walk over all nodes would take minutes
@example([(1, -1, 1), (1, 1, 1), (10**7, 0, 2)], 0.05)
@example([(1, -1, 1), (1, 1, 1), (10**7, 0, 4)], 0.01)
@example([(1, -1, 2), (1, 1, 1), (10**7, 0, 1), (14 * 10**6, 0, 1), (15 * 10**6, 0, 1)], 0.01)
@given(
    clusters | st.builds(lambda few, many: sorted(few + many), clusters, shared_ids),
    st.sampled_from([0.4, 0.1, 0.05, 0.01]),
)
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


# ---------------------------------------------------------------- the law of any design

#: a design, how many rows are few enough to add up every resample, and what its twin is told
DESIGNS = [
    ({"weight": "weight"}, 6, {"stratum": False, "cluster": False}),
    ({"weight": "weight", "cluster": "cluster"}, 7, {"stratum": False}),
    ({"cluster": "cluster", "population": 30}, 7, {"stratum": False}),
    ({"cluster": "cluster", "stratum": "stratum"}, 30, {}),
    ({"cluster": "cluster", "stratum": "stratum", "weight": "weight"}, 30, {}),
    ({"stratum": "stratum", "population": STRATA}, 7, {"cluster": False}),
    ({"cluster": "cluster", "stratum": "stratum", "weight": "weight", "population": STRATA}, 30, {}),
]


@settings(max_examples=40)
@pytest.mark.parametrize(("options", "rows", "known"), DESIGNS, ids=["-".join(each[0]) for each in DESIGNS])
@given(data=st.data(), alpha=st.sampled_from([0.4, 0.1, 0.05]))
def test_the_exact_law_of_a_design(options, rows, known, data, alpha):
    """Every resample within strata: variance, percentile, BCa; groups as domains, lone clusters."""
    house = data.draw(surveys(max_size=rows))
    weighted = house if "weight" in options else house.with_columns(weight=1.0)
    answers = answers_of(weighted, **known)
    population = options.get("population")
    if population == 30:
        population = {None: 30.0}
    found = {
        method: nps(house, by="group", method=method, confidence_level=1 - alpha, **options)
        for method in ("percentile", "bca", "basic")
    }
    for at, group in enumerate(found["percentile"]["group"]):
        percentile, bca, basic = (found[method].row(at, named=True) for method in found)
        if "one_cluster" in percentile["flags"]:
            assert (percentile["low"], bca["high"], basic["low"]) == (None, None, None)
            continue
        strata = twin.strata_of(answers, group, population, domain=known.get("stratum", True))
        law = twin.DesignLaw(strata, 0.0 if "weight" in options else 0.5)
        mass = sum(size for units, _ in strata for size, _ in units)
        assert percentile["estimate"] == pytest.approx(100 * law.estimate, abs=1e-9)
        assert percentile["standard_error"] == pytest.approx(100 * law.deviation / mass, abs=1e-6)
        assert basic["low"] == pytest.approx(2 * basic["estimate"] - percentile["high"])
        ratios = [100 * total / size for units, _ in strata for size, total in units if size]
        if law.deviation < 1e-9:
            assert (percentile["low"], bca["high"]) == pytest.approx((percentile["estimate"],) * 2)
            continue
        for row, levels in ((percentile, [alpha / 2, 1 - alpha / 2]), (bca, law.bca_levels(alpha))):
            for end, level in zip((row["low"], row["high"]), levels, strict=True):
                chance = law.cdf(end / 100)
                assert end <= min(ratios) + 1e-9 or chance <= level + 1e-8
                assert end >= max(ratios) - 1e-9 or chance >= level - 1e-8


@given(clusters, st.sampled_from([0.4, 0.1, 0.05]), st.booleans())
def test_weights_of_one_are_no_weights(rows, alpha, corrected):
    """One stratum that holds all, and another unit of weight: the law of clusters, to the last digits."""
    known = interval(rows, alpha, corrected=corrected)
    size, total, count = (np.array(column) for column in zip(*rows, strict=True))
    if len(set(size.tolist())) == 1:
        return
    low, high = np.empty(1), np.empty(1)
    signatures = np.zeros(len(rows), dtype=np.int32), size * 0.25, total * 0.25, count
    kernels.cluster_interval(
        np.array([0, len(rows)]), *signatures, np.array([count.sum()]), np.zeros(1),
        np.ones(1, dtype=np.uint8), False, 0.125, np.array([alpha]), corrected, low, high,
    )  # fmt: skip
    assert (low[0], high[0]) == pytest.approx(known, abs=1e-12)


@settings(max_examples=40)
@given(surveys(weighted=False), st.sampled_from(["percentile", "bca", "basic", "expanded"]))
def test_the_words_of_independent_answers_say_the_same_of_clusters_of_one(house, method):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", cx.DegenerateDataWarning)
        known = nps(house, by="group", method=method)
    found = nps(house.with_columns(who=pl.int_range(pl.len())), by="group", cluster="who", method=method)
    assert_frame_equal(found.select(NUMBERS), known.select(NUMBERS), check_exact=True)


def test_the_expanded_interval_has_the_tails_of_t():
    """Of customers with as many answers each it is the plain one of their means; of weights, t for z."""
    rng = np.random.default_rng(12)
    each = customers(15, 1, rng)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", cx.DegenerateDataWarning)
        plain = nps(each, method="expanded").row(0, named=True)
    found = nps(pl.concat([each] * 3), cluster="who", method="expanded").row(0, named=True)
    assert [found[name] for name in NUMBERS[:3]] == pytest.approx([plain[name] for name in NUMBERS[:3]])
    many = customers(400, 1, rng).with_columns(weight=pl.Series(rng.uniform(0.5, 2, 400)))
    row = nps(many, weight="weight", method="expanded").row(0, named=True)
    t = nps(many, weight="weight").row(0, named=True)
    assert row["high"] - row["low"] == pytest.approx(t["high"] - t["low"], rel=5e-3)


@pytest.mark.shared
def test_airport_survey_2017_in_strata_against_many_draws(airport):
    """Flights within strata, weighted: the rescaled bootstrap, drawn 50,000 times."""
    who = {"weight": "weight", "cluster": ["stratum", "flight_cluster"], "stratum": "stratum"}
    answered = airport.filter(pl.col("score").is_not_null())
    weight, value = answered["weight"].to_numpy(), VALUE[answered["score"].to_numpy()]
    cells = (
        answered.select("stratum", "flight_cluster", m=weight, s=weight * value)
        .group_by("stratum", "flight_cluster")
        .sum()
        .sort("stratum", "flight_cluster")
    )
    rng, size, total = np.random.default_rng(13), 0.0, 0.0
    for (_,), part in cells.group_by("stratum"):
        n = part.height
        drawn = rng.multinomial(n - 1, np.full(n, 1 / n), 50_000) * n / (n - 1)
        size, total = size + drawn @ part["m"].to_numpy(), total + drawn @ part["s"].to_numpy()
    ratio = 100 * total / size
    row = nps(airport, method="percentile", **who).row(0, named=True)
    assert ratio.std() == pytest.approx(row["standard_error"], rel=0.02)
    noise = row["standard_error"] * math.sqrt(0.025 * 0.975 / 50_000) / stats.norm.pdf(1.96)
    assert (row["low"], row["high"]) == pytest.approx(
        tuple(np.quantile(ratio, [0.025, 0.975])), abs=4 * noise
    )
    below = (ratio < row["estimate"]).mean()
    bca = nps(airport, method="bca", **who).row(0, named=True)
    assert 0.45 < below < 0.55
    assert bca["low"] == pytest.approx(row["low"], abs=0.3)


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
    for options, known in (
        ({"weight": "weight"}, {"stratum": False, "cluster": False}),
        ({"weight": "weight", "cluster": "cluster"}, {"stratum": False}),
        ({"cluster": "cluster", "method": "cluster_t"}, {"stratum": False}),
        ({"cluster": "cluster", "stratum": "stratum", "weight": "weight"}, {}),
        ({"cluster": "cluster", "stratum": "stratum", "population": STRATA, "weight": "weight"}, {}),
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


# ---------------------------------------------------------------- comparisons


@given(surveys())
def test_compare_linearized(house):
    """Customers in both groups, in one alone, and weights; by hand."""
    if house["group"].n_unique() < 2:
        return
    for options, known in (
        ({"cluster": "cluster"}, {}),
        ({"cluster": "cluster", "weight": "weight"}, {}),
        ({"weight": "weight"}, {"cluster": False}),
    ):
        weighted = house if "weight" in options else house.with_columns(weight=1.0)
        by_hand = twin.linearized_difference(answers_of(weighted, **known), "b", "a")
        answer = cx.compare(
            house, score="score", group="group", control="a", method="linearized", **options
        ).row(0, named=True)
        assert answer["difference"] == pytest.approx(answer["estimate"] - answer["estimate_control"])
        if by_hand is None:
            assert (answer["low"], answer["high"], answer["p_value"]) == (None, None, None)
            assert (answer["method"], "one_cluster" in answer["flags"]) == (None, True)
            continue
        difference, variance, dof = by_hand
        assert answer["difference"] == pytest.approx(100 * difference, abs=1e-9)
        half = 100 * stats.t.ppf(0.975, math.floor(dof + 1e-9)) * math.sqrt(variance)
        low, high = max(100 * difference - half, -200), min(100 * difference + half, 200)
        if variance > 1e-25:
            assert (answer["low"], answer["high"]) == pytest.approx((low, high), abs=1e-6)
            t = abs(difference) / math.sqrt(variance)
            p = 2 * stats.t.sf(t, math.floor(dof + 1e-9)) if abs(difference) > 1e-12 else 1.0
            assert answer["p_value"] == pytest.approx(p, abs=1e-9)
        else:
            assert answer["low"] == answer["high"] == answer["difference"]
            assert answer["p_value"] == float(abs(difference) < 1e-12)


@given(surveys())
def test_differences_within_strata_agree_with_their_twin(house):
    if house["group"].n_unique() < 2:
        return
    for options, known in (
        ({"cluster": "cluster", "weight": "weight", "stratum": "stratum"}, {}),
        ({"cluster": "cluster", "stratum": "stratum"}, {}),
        ({"weight": "weight", "stratum": "stratum"}, {"cluster": False}),
        ({"stratum": "stratum"}, {"cluster": False}),
    ):
        weighted = house if "weight" in options else house.with_columns(weight=1.0)
        difference, variance, dof = twin.stratified_difference(answers_of(weighted, **known), "b", "a")
        row = cx.compare(house, score="score", group="group", control="a", **options).row(0, named=True)
        assert row["difference"] == pytest.approx(100 * difference, abs=1e-9)
        if dof == 0:
            assert (row["low"], row["high"], row["p_value"], row["method"]) == (None,) * 4
            continue
        assert row["method"] == "linearized"
        half = 100 * stats.t.ppf(0.975, dof) * math.sqrt(variance)
        low, high = max(100 * difference - half, -200), min(100 * difference + half, 200)
        assert (row["low"], row["high"]) == pytest.approx((low, high), abs=1e-5)
        if variance > 1e-20:
            p = 2 * stats.t.sf(abs(difference) / math.sqrt(variance), dof) if abs(difference) > 1e-12 else 1
            assert row["p_value"] == pytest.approx(p, abs=1e-6)


@given(surveys())
def test_a_trend_of_any_design_agrees_with_its_twin(house):
    house = house.with_columns(wave=pl.col("score").shuffle(3) % 4)
    ranks = house["wave"].rank("dense").cast(pl.Int64)
    if ranks.n_unique() < 2:
        return
    for options, stratum, cluster in (
        ({"cluster": "cluster", "weight": "weight", "stratum": "stratum"}, True, True),
        ({"weight": "weight", "stratum": "stratum"}, True, False),
        ({"cluster": "cluster", "weight": "weight"}, False, True),
        ({"weight": "weight"}, False, False),
        ({"stratum": "stratum"}, True, False),
    ):
        weighted = house if "weight" in options else house.with_columns(weight=1.0)
        columns = weighted.select(ranks.alias("group"), "stratum", "cluster", "weight", "score")
        slope, variance, dof = twin.slope(answers_of(columns, stratum, cluster))
        row = cx.trend(house, score="score", wave="wave", **options).row(0, named=True)
        assert row["slope"] == pytest.approx(100 * slope, abs=1e-9)
        if dof == 0:
            assert (row["low"], row["standard_error"], row["p_value"]) == (None, None, None)
            continue
        assert row["standard_error"] == pytest.approx(100 * math.sqrt(variance), abs=1e-5)
        half = 100 * stats.t.ppf(0.975, dof) * math.sqrt(variance)
        assert row["high"] - row["low"] == pytest.approx(2 * half, abs=1e-4, rel=1e-6)


@pytest.mark.parametrize("verb", ["waves", "trend", "compare", "rolling"])
def test_weights_that_are_all_alike_and_one_stratum_change_no_estimate(verb):
    rng = np.random.default_rng(8)
    house = pl.DataFrame(
        {
            "wave": rng.integers(0, 4, 400),
            "day": pl.Series(rng.integers(0, 40, 400)).cast(pl.Int32).cast(pl.Date),
            "score": rng.integers(0, 11, 400),
            "weight": [0.7] * 400,
            "one": ["all"] * 400,
            "who": rng.integers(0, 90, 400),
        }
    )
    roles = {
        "waves": {"wave": "wave"},
        "trend": {"wave": "wave"},
        "compare": {"group": "wave", "control": 1},
        "rolling": {"time": "day"},
    }[verb]

    def ask(**more):
        return getattr(cx, verb)(house, score="score", **roles, **more)

    plain, weighted = ask(cluster="who"), ask(cluster="who", weight="weight")
    name = "slope" if verb == "trend" else "estimate"
    assert weighted[name].to_numpy() == pytest.approx(plain[name].to_numpy())
    error = "p_value" if verb == "compare" else "standard_error"
    many = slice(10 if verb == "rolling" else 0, None)  # few answers are of clusters of one: n for n - 1
    assert weighted[error].to_numpy()[many] == pytest.approx(plain[error].to_numpy()[many], rel=1e-6)
    if verb == "rolling":
        return
    drawn = ask(cluster="who", weight="weight", stratum="one")
    assert drawn[name].to_numpy() == pytest.approx(plain[name].to_numpy())
    assert drawn[error].to_numpy() == pytest.approx(plain[error].to_numpy(), rel=0.2, abs=0.05)


def test_an_answer_of_weight_0_is_in_no_wave():
    house = pl.DataFrame(
        {"wave": [1, 1, 2, 2, 3, 3], "score": [10, 3, 9, 9, 0, 10], "w": [1.0, 1, 0, 0, 1, 2]}
    )
    answer = cx.waves(house, score="score", wave="wave", weight="w")
    assert answer["n"].to_list() == [2, 0, 2]
    assert answer["previous"].to_list() == [None, None, 1]
    assert cx.trend(house, score="score", wave="wave", weight="w").select("n_waves", "n").row(0) == (2, 4)


def test_two_sides_apart_are_welch_s_t():
    rng = np.random.default_rng(5)
    house = pl.DataFrame({"group": ["a"] * 30 + ["b"] * 55, "score": rng.integers(0, 11, 85)})
    house = house.with_columns(who=pl.int_range(85), one=pl.lit(1.0))
    weight = VALUE[house["score"].to_numpy()]
    welch = stats.ttest_ind(weight[30:], weight[:30], equal_var=False)
    low, high = welch.confidence_interval()
    for options in ({"cluster": "who", "method": "linearized"}, {"weight": "one"}):
        row = cx.compare(house, score="score", group="group", control="a", **options).row(0, named=True)
        half = (row["high"] - row["low"]) / 2
        assert half == pytest.approx(50 * (high - low), rel=5e-3)  # whole degrees of freedom, rounded down
        assert row["p_value"] == pytest.approx(welch.pvalue, rel=2e-2)


def test_two_waves_of_the_same_customers_are_a_paired_t():
    rng = np.random.default_rng(6)
    first = rng.integers(0, 11, 40)
    second = np.clip(first + rng.integers(-2, 3, 40), 0, 10)
    house = pl.DataFrame(
        {"wave": ["Q1"] * 40 + ["Q2"] * 40, "who": [*range(40)] * 2, "score": [*first, *second]}
    )
    row = cx.compare(house, score="score", group="wave", control="Q1", cluster="who").row(0, named=True)
    paired = stats.ttest_rel(VALUE[second], VALUE[first])
    assert row["p_value"] == pytest.approx(paired.pvalue, rel=1e-9)
    assert (row["low"], row["high"]) == pytest.approx(tuple(100 * np.array(paired.confidence_interval())))
    apart = cx.compare(house, score="score", group="wave", control="Q1").row(0, named=True)
    assert row["high"] - row["low"] < 0.8 * (apart["high"] - apart["low"])


def test_compare_clusters_of_one_answer_are_no_design():
    house = pl.DataFrame({"arm": ["old", "new"] * 40, "score": [3, 10, 9, 8, 10, 9, 2, 9] * 10})
    house = house.with_columns(who=pl.int_range(80))
    known = cx.compare(house, score="score", group="arm", control="old")
    found = cx.compare(house, score="score", group="arm", control="old", cluster="who")
    assert_frame_equal(found, known, check_exact=True)


@pytest.mark.parametrize("rows", [0, 24])
def test_compare_by_segment_lazy_and_empty(rows):
    house = pl.DataFrame(
        {
            "plan": ["free", "pro", None, "team"] * 6,
            "arm": ["old", "new", "new"] * 8,
            "who": [1, 2, 3, 4, 5, 5] * 4,
            "score": [10, 9, 3, 8, None, 2] * 4,
        }
    ).head(rows)
    options = {"score": "score", "group": "arm", "control": "old", "by": "plan", "adjust": "holm"}
    eager = cx.compare(house, cluster="who", **options)
    lazy = cx.compare(house.lazy(), cluster="who", **options)
    assert lazy.collect_schema() == eager.schema
    assert_frame_equal(lazy.collect(), eager)
    assert eager.height == (4 if rows else 0)


# ---------------------------------------------------------------- the default


def customers(n, answers, rng, shares=(0.2, 0.3, 0.5), rho=0.6):
    """One row an answer; a customer gives all of them with one mind in part."""
    who = np.repeat(np.arange(n), answers)
    latent = math.sqrt(rho) * rng.standard_normal(n)[who] + math.sqrt(1 - rho) * rng.standard_normal(len(who))
    cuts = stats.norm.ppf([shares[0], shares[0] + shares[1]])
    score = np.array([3, 8, 10])[np.searchsorted(cuts, latent)]
    return pl.DataFrame({"who": who, "score": score})


def test_the_default_goes_by_clusters_and_by_what_they_are_worth():
    rng = np.random.default_rng(3)
    many, few, happy = (
        customers(80, rng.integers(1, 7, 80), rng),
        customers(45, rng.integers(1, 7, 45), rng, rho=0.1),
        customers(60, rng.integers(1, 7, 60), rng, (0.01, 0.03, 0.96)),
    )
    alike = pl.DataFrame({"who": np.repeat(np.arange(12), 3), "score": [10] * 36})
    for house, used, flags in (
        (many, "cluster_percentile", ""),
        (few, "cluster_t", "few_clusters"),
        (happy, "score", "score_fallback"),
        (alike, "score", "one_category,score_fallback,few_clusters"),
    ):
        row = nps(house, cluster="who").row(0, named=True)
        assert (row["method"], row["flags"]) == (used, flags)
        named = nps(house, cluster="who", method=used).row(0, named=True)
        assert [row[name] for name in NUMBERS] == [named[name] for name in NUMBERS]
    # customers of one mind are worth as many answers as there are customers
    row = nps(alike, cluster="who").row(0, named=True)
    t = stats.t.ppf(0.975, 11)
    level = 1 - 2 * stats.norm.sf(t)
    plain = cx.intervals.interval_of([[0, 0, 12]], [-1, 0, 1], method="score", confidence_level=level)
    assert (row["low"], row["high"]) == pytest.approx((100 * plain.low[0], 100))


def test_score_interval_of_clusters_is_that_of_fewer_answers():
    """Customers who give each answer three times over: a third of the answers, and t for z."""
    rng = np.random.default_rng(4)
    each = customers(4000, 1, rng)
    thrice = pl.concat([each] * 3)
    plain = nps(each, method="score").row(0, named=True)
    found = nps(thrice, cluster="who", method="score").row(0, named=True)
    assert found["design_effect"] == pytest.approx(3, rel=1e-3)
    assert found["n_effective"] == pytest.approx(4000, rel=1e-3)
    assert (found["low"], found["high"]) == pytest.approx((plain["low"], plain["high"]), abs=1e-2)


@pytest.mark.slow
@pytest.mark.parametrize("rho", [0.3, 0.6])
def test_coverage_of_customers_who_answer_four_times(rho):
    """The default holds 95 %, where answers taken as independent hold it 73 to 88 times in 100."""
    rng = np.random.default_rng(int(10 * rho))
    n, replicates, shares = 60, 3_000, (0.2, 0.3, 0.5)
    house = customers(n * replicates, 1 + rng.poisson(3, n * replicates), rng, shares, rho)
    house = house.with_columns(survey=pl.col("who") // n)
    truth = 100 * (shares[2] - shares[0])
    covered = [
        cx.nps(house, score="score", by="survey", **options)
        .select(pl.lit(truth).is_between(pl.col("low"), pl.col("high")).mean())
        .item()
        for options in ({"cluster": "who"}, {})
    ]
    assert 0.93 < covered[0] < 0.97
    assert covered[1] < 0.88


def test_weights_that_are_extreme():
    house = pl.DataFrame({"score": [10, 9, 2, 8] * 20, "w": [1.0] * 78 + [40.0, 1.0]})
    row = nps(house, weight="w").row(0, named=True)
    assert row["flags"] == "thin_support,extreme_weights"
    assert row["n_effective"] < 40
    even = nps(house.with_columns(w=0.3), weight="w").row(0, named=True)
    assert (even["flags"], even["design_effect"]) == ("", pytest.approx(1))
    assert even["n_effective"] == pytest.approx(80)


@pytest.mark.parametrize("heavy", [1e3, 1e6, 1e12, 1e30])
def test_one_answer_that_has_all_the_weight_is_worth_one(heavy):
    """It is the estimate, so that the variance sees no move; n over the design effect was 27,000."""
    house = pl.DataFrame({"score": [10, 9, 2, 8] * 20, "w": [heavy] + [1.0] * 79})
    row = nps(house, weight="w").row(0, named=True)
    assert 1 <= row["n_effective"] <= 1.2
    assert "extreme_weights" in row["flags"]
    shared = pl.DataFrame({"score": [10, 9, 2, 8] * 20, "who": [0] * 60 + list(range(1, 21))})
    assert nps(shared, cluster="who")["n_effective"].item() <= 80**2 / (60**2 + 20)


def test_clusters_without_a_spread_are_worth_no_number():
    """The variance is 0 and the answers are not all alike: not infinitely many."""
    house = pl.DataFrame({"score": [10, 3] * 4, "who": [1, 1, 2, 2, 3, 3, 4, 4]})
    row = nps(house, cluster="who", method="cluster_t").row(0, named=True)
    assert (row["standard_error"], row["design_effect"], row["n_effective"]) == (0, 0, None)


def test_one_cluster_a_side_is_no_warning():
    """Its residual is rounding, and there is no n - 1."""
    house = pl.DataFrame(
        {
            "group": ["a", "a", "b", "b", "b"],
            "who": [1, 1, 1, 2, 3],
            "score": [7, 10, 3, 9, 10],
            "weight": [0.1, 0.7, 1.0, 2.5, 1e-9],
        }
    )
    row = cx.compare(house, score="score", group="group", control="b", cluster="who", weight="weight").row(
        0, named=True
    )
    assert (row["low"], row["p_value"]) == (None, None)


@given(rng=st.integers(0, 2**32), n=st.integers(2, 60))
def test_weights_alone_never_make_more_answers(rng, n):
    draw = np.random.default_rng(rng)
    house = pl.DataFrame({"score": draw.integers(0, 11, n), "w": 10.0 ** draw.uniform(-20, 20, n)})
    found = nps(house, weight="w")["n_effective"].item()
    assert found is None or found <= n


def test_an_id_that_many_share():
    """A hundred thousand answers of one id: flagged, as fast as any, and gone once the id is null."""
    rng = np.random.default_rng(14)
    house = customers(300, rng.integers(1, 6, 300), rng).with_columns(pl.col("who").cast(pl.String))
    shares = pl.DataFrame({"score": rng.choice([3, 8, 10], 100_000, p=[0.2, 0.3, 0.5])})
    guest = pl.concat([house, shares.select(who=pl.lit("guest"), score="score")])
    begun = time.process_time()
    row = nps(guest, cluster="who", method="bca").row(0, named=True)
    assert time.process_time() - begun < 1
    assert row["flags"] == "dominant_cluster"
    assert row["high"] - row["low"] > 5
    known = nps(guest.with_columns(pl.col("who").replace({"guest": None})), cluster="who").row(0, named=True)
    assert (known["flags"], known["n_cluster"]) == ("", 100_300)
    assert known["high"] - known["low"] < 1
    assert nps(house, cluster="who")["flags"].item() == ""


def test_a_lonely_stratum():
    house = pl.DataFrame({"score": [10, 9, 2, 8, 10, 3], "s": ["x"] * 5 + ["y"], "g": ["p"] * 3 + ["q"] * 3})
    assert "lonely_stratum" in nps(house, stratum="s")["flags"].item()
    by_group = nps(house, stratum="s", by="g")["flags"].to_list()
    assert ["lonely_stratum" in flags for flags in by_group] == [False, True]


@pytest.mark.parametrize("k", [15, 16, 100, 2_000])
def test_the_score_interval_of_large_clusters_of_one_mind(k):
    """Twenty stores: how many answers each gave is no matter once they are many, for any z."""
    house = pl.DataFrame(
        {"who": np.repeat(np.arange(20), k), "score": np.repeat([10] * 12 + [8] * 4 + [3] * 4, k)}
    )
    row = nps(house, cluster="who", method="score").row(0, named=True)
    assert (row["low"], row["high"]) == pytest.approx((-2.97, 69.73), abs=0.06)


# ---------------------------------------------------------------- another survey package


def test_svy_agrees():
    """Estimate, standard error, interval: all rows, and groups as domains of strata."""
    rng = np.random.default_rng(8)
    house = customers(90, rng.integers(1, 6, 90), rng)
    n = house.height
    house = house.with_columns(
        weight=rng.uniform(0.3, 3, n),
        stratum=pl.col("who") % 4,
        group=pl.Series(rng.choice(["a", "b", "c"], n)),
        value=pl.Series(100 * VALUE[house["score"].to_numpy()]),
    )
    for options, design, by in (
        ({"weight": "weight"}, {"wgt": "weight"}, None),
        ({"weight": "weight", "cluster": "who"}, {"wgt": "weight", "psu": "who"}, None),
        ({"weight": "weight", "stratum": "stratum"}, {"wgt": "weight", "stratum": "stratum"}, "group"),
        (
            {"weight": "weight", "cluster": "who", "stratum": "stratum"},
            {"wgt": "weight", "psu": "who", "stratum": "stratum"},
            "group",
        ),
    ):
        ours = nps(house, by=by, **options)
        theirs = svy.Sample(data=house, design=svy.Design(**design)).estimation.mean("value", by=by)
        known = sorted(theirs.estimates, key=lambda one: str(one.by_level))
        for row, one in zip(ours.iter_rows(named=True), known, strict=True):
            assert row["estimate"] == pytest.approx(one.est, rel=1e-9)
            assert row["standard_error"] == pytest.approx(one.se, rel=1e-9)
            assert (row["low"], row["high"]) == pytest.approx((one.lci, one.uci), rel=1e-7)


# ---------------------------------------------------------------- frames and errors

HOUSE = pl.DataFrame(
    {
        "score": [10, 9, 3, 8, None, 2, 9, 11],
        "who": ["a", "a", "b", "b", "c", None, None, "a"],
        "w": [1.0, 2.0, 0.0, 0.5, None, 3.0, 1.0, 1.0],
        "s": ["x", "x", "x", "x", "y", "y", "y", "x"],
        "g": ["p", "q"] * 4,
    }
)


def test_by_hand():
    answer = nps(HOUSE, by="g", cluster="who", missing=[11])
    assert answer.columns == [
        "g", "promoters", "passives", "detractors", "n", "n_null", "n_effective", "n_cluster",
        "estimate", "low", "high", "standard_error", "design_effect", "method", "flags",
    ]  # fmt: skip
    assert answer.select("n", "n_null", "n_cluster").rows() == [(3, 1, 3), (3, 1, 3)]
    whole = nps(HOUSE, cluster="who", missing=[11])
    # a: 2 promoters; b: a detractor and a passive; two that nobody knows
    assert whole.select("n", "n_null", "n_cluster", "estimate").row(0) == (6, 2, 4, pytest.approx(100 / 6))
    moves = np.array([2 - 2 / 6, -1 - 2 / 6, -1 - 1 / 6, 1 - 1 / 6]) / 6
    assert whole["standard_error"][0] == pytest.approx(100 * math.sqrt(4 / 3 * (moves**2).sum()))


def test_weight_zero_counts_nowhere_and_no_answer_needs_no_weight():
    answer = nps(HOUSE, weight="w", missing=[11]).row(0, named=True)
    assert (answer["n"], answer["n_null"], answer["detractors"]) == (5, 2, 1)
    assert answer["estimate"] == pytest.approx(100 * (1 + 2 - 3 + 1) / 7.5)
    without = nps(HOUSE.filter(pl.col("w") != 0), weight="w", missing=[11])
    assert without.drop("n_null").row(0, named=True) == {
        name: value for name, value in answer.items() if name != "n_null"
    }
    nobody = nps(HOUSE.with_columns(w=0.0), weight="w", by="g", missing=[11])
    assert nobody["flags"].to_list() == ["no_answers"] * 2
    assert nobody["estimate"].to_list() == [None] * 2


@given(surveys(weighted=True), st.sampled_from([1e-300, 2.0**-3, 3.0, 1e200]))
def test_the_unit_of_weights_is_no_matter(house, unit):
    known = nps(house, weight="weight", cluster="cluster", by="group")
    found = nps(house.with_columns(pl.col("weight") * unit), weight="weight", cluster="cluster", by="group")
    assert_frame_equal(found, known, rel_tol=1e-9, abs_tol=1e-9)


def test_the_least_weight_there_is():
    least = HOUSE.with_columns(w=pl.Series([5e-324] * 8))
    assert_frame_equal(
        nps(least, weight="w", missing=[11]), nps(HOUSE.with_columns(w=1.0), weight="w", missing=[11])
    )


def test_every_engine(frame):
    house = HOUSE.with_columns(pl.col("w").fill_null(1.0))
    for options in ({"cluster": "who"}, {"weight": "w", "cluster": ["g", "s"]}, {"stratum": "s"}):
        options = {"by": "g", "missing": [11], "total": True, **options}
        frame.check(nps(frame(house), **options), nps(house, **options))
    roles = {"score": "score", "group": "g", "control": "p", "missing": [11], "cluster": "who", "weight": "w"}
    frame.check(cx.compare(frame(house), **roles), cx.compare(house, **roles))


@pytest.mark.parametrize("rows", [0, 8])
@pytest.mark.parametrize("by", [None, "g", pl.col("s").alias("home")])
def test_lazy_schema_is_what_comes(by, rows):
    house = HOUSE.head(rows)
    for options in ({"cluster": "who"}, {"weight": "w", "stratum": "s"}):
        options = {"by": by, "missing": [11], "total": by is not None, **options}
        answer = nps(house.lazy(), **options)
        assert answer.collect_schema() == answer.collect().schema
        assert_frame_equal(answer.collect(), nps(house, **options))


def test_every_score_takes_a_design():
    house = pl.DataFrame({"score": [1, 2, 3, 4, 5, 5, 4, 5] * 30, "who": [*range(60)] * 4})
    for verb, options in (
        (cx.csat, {}),
        (cx.csat, {"kind": "mean"}),
        (cx.ces, {"scale": (1, 5)}),
        (cx.mean_score, {"scale": (1, 5)}),
    ):
        plain = verb(house, score="score", **options)
        found = verb(house, score="score", cluster="who", **options)
        assert found["estimate"][0] == plain["estimate"][0]
        assert found.columns[:5] == ["n", "n_null", "n_effective", "n_cluster", "estimate"]
        assert found["method"][0] == "cluster_percentile"


def test_names_with_odd_characters():
    odd = "who \"is\"\n'it' 🙂"
    renamed = HOUSE.rename({"who": odd, "w": "{w}", "s": " ", "g": "a.b"})
    options = {"missing": [11], "cluster": odd, "weight": "{w}", "stratum": " ", "by": "a.b"}
    known = nps(HOUSE, missing=[11], cluster="who", weight="w", stratum="s", by="g")
    assert_frame_equal(nps(renamed, **options).rename({"a.b": "g"}), known)


def test_no_rows_and_no_answers():
    for options in ({"cluster": "who"}, {"weight": "w"}, {"cluster": "who", "weight": "w", "stratum": "s"}):
        empty = nps(HOUSE.clear(), **options)
        assert (empty.height, empty["n"][0], empty["flags"][0]) == (1, 0, "no_answers")
        assert empty.select("estimate", "low", "standard_error", "n_effective").row(0) == (None,) * 4
        assert nps(HOUSE.clear(), by="g", **options).height == 0
        silent = nps(HOUSE.with_columns(score=pl.lit(None, dtype=pl.Int8)), by="g", total=True, **options)
        assert silent["n"].to_list() == [0, 0, 0]
        assert silent["flags"].to_list() == ["no_answers"] * 3


def test_a_million_groups():
    n = 1_000_000
    rng = np.random.default_rng(9)
    house = pl.DataFrame(
        {"g": np.arange(2 * n) // 2, "who": np.arange(2 * n), "w": 1 + np.arange(2 * n) % 2.0}
    ).with_columns(score=pl.Series(rng.integers(0, 11, 2 * n).astype(np.uint8)))
    answer = nps(house, by="g", weight="w", cluster="who")
    assert answer.height == n
    assert (answer["n_cluster"] == 2).all()
    assert answer["standard_error"].null_count() == 0


DATA = [
    (
        {"weight": "w"}, {"w": [1.0, 2.0, -1.0, -0.5, 1.0, 1.0, 1.0, 1.0]},
        "nps(weight='w'): 2 weights are negative, of 8 rows; first is -1.0, row 2.\n"
        "  Hint: an answer that should not count weighs 0.",
    ),
    (
        {"weight": "w"}, {"w": [1.0, math.nan, 1.0, math.inf, 1.0, 1.0, 1.0, 1.0]},
        "nps(weight='w'): 2 of 8 rows are not finite numbers; first is nan, row 1.\n"
        "  Hint: replace or drop them; a null says 'none'.",
    ),
    (
        {"weight": "w"}, {"w": [1.0, 1.0, 1.0, None, None, 1.0, 1.0, 1.0]},
        "nps(weight='w'): 1 of 8 rows have no weight; the first is row 3.\n"
        "  Hint: an answer that should not count weighs 0.",
    ),
    (
        {"weight": "s"}, {},
        "nps(weight='s'): takes numbers, but the column is String.\n"
        "  Hint: cast it, for example pl.col('s').cast(pl.Float64).",
    ),
    (
        {"cluster": "w"}, {},
        "nps(cluster='w'): takes whole numbers, text or categories, but the column is Float64.\n"
        "  Hint: cast it to text, for example pl.col('w').cast(pl.String), or to pl.Int64 if all are "
        "whole numbers.",
    ),
    (
        {"cluster": pl.col("w") + 1}, {},
        "nps(cluster='w'): takes whole numbers, text or categories, but the column is Float64.\n"
        "  Hint: cast it to text, for example pl.col('w').cast(pl.String), or to pl.Int64 if all are "
        "whole numbers.",
    ),
    (
        {"cluster": "who", "weight": pl.col("w") * -1}, {},
        "nps(weight='w'): 6 weights are negative, of 8 rows; first is -1.0, row 0.\n"
        "  Hint: an answer that should not count weighs 0.",
    ),
    (
        {"cluster": "who", "stratum": "s"}, {"s": ["x", "y", "x", "x", "y", "y", "y", "x"]},
        "nps(cluster='who'): 1 of 4 clusters lies in two strata; first is 'a', row 1.\n"
        "  Hint: if clusters of two strata share a name, say cluster=[stratum, cluster].",
    ),
    (
        {"stratum": "s"}, {"s": ["x", None, "x", "x", None, "y", "y", "x"]},
        "nps(stratum='s'): 1 of 8 rows have no stratum; the first is row 1.\n"
        "  Hint: a row of no stratum was drawn from none; name one with fill_null().",
    ),
    (  # the squares of the others would be 0, and so would their variance
        {"weight": "w"}, {"w": [1.0, 1e-200, 0.0, 1.0, 1e-150, 1e-99, 1e-101, 1.0]},
        "nps(weight='w'): 2 weights are nothing beside 1.0, of 8 rows; first is 1e-200, row 1.\n"
        "  Hint: give all weights in one unit.",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("options", "columns", "text"), DATA)
def test_data_errors(options, columns, text):
    house = HOUSE.with_columns(**{name: pl.Series(values) for name, values in columns.items()})
    with pytest.raises(InvalidDataError) as caught:
        nps(house, missing=[11], **options)
    assert str(caught.value) == text


WORDS = (
    "'bootstrap', 'cluster_percentile', 'cluster_t', 'score', 'linearized', 'percentile', 'bca', 'basic', "
    "'expanded'"
)
OPTIONS = [
    ({"cluster": []}, "nps(cluster=[]): names no column.\n  Hint: leave it out, or name one."),
    (
        {"cluster": ["who", "who"]},
        "nps(cluster='who'): named twice.\n  Hint: name each column once.",
    ),
    (
        {"weight": ["w"]},
        "nps(weight=['w']): takes the name of a column.\n  Hint: add the column to the frame, then name it.",
    ),
    (
        {"stratum": "s", "population": 50},
        "nps(population=50): each stratum has one of its own.\n"
        "  Hint: such as population={'north': 1_200, 'south': 800}.",
    ),
    (
        {"population": {"x": 50}},
        "nps(population={'x': 50}): there are no strata.\n  Hint: say stratum=.",
    ),
    (
        {"stratum": "s", "population": {"x": 50}},
        "nps(population={'x': 50.0}): says nothing of the stratum 'y'.\n"
        "  Hint: give the number of each stratum.",
    ),
    (
        {"population": 5},
        "nps(population=5.0): 6 answers came from 5.\n  Hint: count answers, as they were drawn.",
    ),
    (
        {"cluster": "who", "population": 3},
        "nps(population=3.0): 4 clusters came from 3.\n  Hint: count clusters, as they were drawn.",
    ),
    (
        {"population": "w"},
        "nps(population='w'): 'w' is no number of customers.\n"
        "  Hint: how many there are to draw from, such as 5_000.",
    ),
    (
        {"cluster": "who", "method": "wald"},
        "nps(method='wald'): takes every answer as independent and equally weighted.\n"
        f"  Hint: under a design say one of {WORDS}.",
    ),
    (
        {"cluster": "who", "method": Bca()},
        "nps(method='intervals.Bca'): takes every answer as independent and equally weighted.\n"
        f"  Hint: under a design say one of {WORDS}.",
    ),
    (
        {"cluster": "who", "method": "linearised"},
        f"nps(method='linearised'): not one of the words.\n  Words: {WORDS}\n"
        "  Hint: did you mean 'linearized'?",
    ),
    (
        {"method": "cluster_t"},
        "nps(method='cluster_t'): is for a survey design, and there is none.\n"
        "  Hint: say cluster=, weight= or stratum=, or leave method= out.",
    ),
    (
        {"weight": "w", "method": "cluster_t"},
        "nps(method='cluster_t'): there are no clusters.\n  Hint: say method='linearized'.",
    ),
    (
        {"cluster": "who", "stratum": "s", "method": "cluster_percentile"},
        "nps(stratum=('s',)): 'cluster_percentile' draws from all clusters alike.\n"
        "  Hint: say method='percentile'.",
    ),
    (
        {"cluster": "who", "weight": "w", "method": "score"},
        "nps(weight='w'): the 'score' interval is one of plain counts.\n  Hint: say method='linearized'.",
    ),
    (
        {"cluster": "who", "by": pl.col("g").alias("design_effect")},
        "nps(by='design_effect'): the answer has a column of that name.\n"
        "  Hint: rename it, for example by=pl.col('design_effect').alias('design_effect_group').",
    ),
]


@pytest.mark.parametrize(("options", "text"), OPTIONS)
def test_option_errors(options, text):
    with pytest.raises(InvalidOptionError) as caught:
        nps(HOUSE, missing=[11], **options)
    assert str(caught.value) == text


def test_compare_refuses_what_takes_answers_as_independent():
    roles = {"score": "score", "group": "g", "control": "p", "missing": [11]}
    for options, text in (
        (
            {"cluster": "who", "method": "mover"},
            "compare(method='mover'): takes every answer as independent and equally weighted.\n"
            "  Hint: under a design say one of 'linearized'.",
        ),
        (
            {"method": "linearized"},
            "compare(method='linearized'): is for a survey design, and there is none.\n"
            "  Hint: say cluster=, weight= or stratum=, or leave method= out.",
        ),
    ):
        with pytest.raises(InvalidOptionError) as caught:
            cx.compare(HOUSE, **roles, **options)
        assert str(caught.value) == text


@pytest.mark.parametrize("method", METHODS)
def test_every_method_under_every_confidence(method):
    house = customers(70, np.random.default_rng(2).integers(1, 6, 70), np.random.default_rng(2))
    widths = []
    for level in (0.5, 0.95, 0.9999):
        row = nps(house, cluster="who", method=method, confidence_level=level).row(0, named=True)
        assert -100 <= row["low"] <= row["estimate"] <= row["high"] <= 100
        assert all(word in FLAGS for word in row["flags"].split(",") if word)
        widths.append(row["high"] - row["low"])
    assert widths == sorted(set(widths))
    three = {"scale": (0, 10), "promoter": 10, "detractor": 0, "cluster": "who", "method": method}
    upright = house.with_columns(pl.col("score").replace({8: 5, 3: 0}))
    around = upright.with_columns(score=10 - pl.col("score"))
    row, turned = (nps(each, **three).row(0, named=True) for each in (upright, around))
    assert (turned["low"], turned["high"]) == pytest.approx((-row["high"], -row["low"]), abs=1e-6)


# ---------------------------------------------------------------- expressions


@pytest.mark.parametrize("verb", ["nps", "compare", "waves", "trend", "rolling", "change_points"])
def test_a_design_of_expressions_is_that_of_its_columns(verb):
    """Also one that has the name of a column, which another role reads as it lies."""
    rng = np.random.default_rng(40)
    house = pl.DataFrame(
        {
            "mail": rng.choice(["Ann@x", "ann@x", "Bob@x", "bob@X", "eve@x", "Dan@x", "gil@y", "hal@y"], 300),
            "spend": rng.uniform(0, 100, 300),
            "plan": rng.choice(["a", "b"], 300),
            "day": pl.Series(rng.integers(0, 30, 300)).cast(pl.Int32).cast(pl.Date),
            "score": rng.integers(0, 11, 300),
        }
    )
    low, weight = pl.col("mail").str.to_lowercase(), 1 + pl.col("spend").sqrt()
    home = pl.col("mail").str.to_lowercase().str.slice(-1).alias("home")
    named = house.with_columns(low=low, weight=weight, home=home)
    roles: dict[str, Any] = {
        "nps": {"by": "mail"},
        "compare": {"group": "plan", "control": "a"},
        "waves": {"wave": "plan"},
        "trend": {"wave": "plan"},
        "rolling": {"time": "day"},
        "change_points": {"wave": "day"},
    }[verb]
    asked, known = {"cluster": low}, {"cluster": "low"}
    if verb != "change_points":
        asked, known = {**asked, "weight": weight}, {**known, "weight": "weight"}
    if verb not in ("change_points", "rolling"):
        asked, known = {**asked, "stratum": [home]}, {**known, "stratum": "home"}
    call = getattr(cx, verb)
    for frame in (house, house.lazy()):
        found = call(frame, score="score", **roles, **asked)
        assert_frame_equal(found.lazy().collect(), call(named, score="score", **roles, **known))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"weight": pl.col("a").max()}, r"nps\(weight='a'\): 1 values for 3 rows\."),
        ({"cluster": pl.col("a", "score")}, "names several columns at once"),
        ({"cluster": pl.col("a").str.to_lowercase()}, r"nps\(cluster=.*the frame cannot answer it"),
        ({"stratum": pl.col("gone") + 1}, r"nps\(stratum='gone'\): no such column"),
    ],
)
def test_expressions_that_are_no_design(options, said):
    house = pl.DataFrame({"a": [1, 2, 3], "score": [9, 8, 3]})
    with pytest.raises((InvalidOptionError, cx.ColumnNotFoundError), match=said):
        nps(house, **options)
    with pytest.raises(InvalidOptionError, match="takes the name of a column"):
        cx.ScoreState.from_answers(house, score="score", cluster=pl.col("a") + 1)
