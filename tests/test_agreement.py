"""Numbers that others print: scipy at many resamples, statsmodels, published tables, tests by definition.

Survey packages stand in ``test_designs.py`` (svy), by the clusters and weights of the airport survey too.
"""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy import stats
from statsmodels.stats import proportion, weightstats

import cxcore as cx
from cxcore.differences import Mover, Pairs
from cxcore.intervals import Sample, interval_of
from cxcore.intervals.exact import Exact

SHARE = np.array([0, 1])


def of(counts, weights, method):
    found = interval_of([counts], weights, method=method)
    return float(found.low[0]), float(found.high[0])


# ---------------------------------------------------------------- scipy


@pytest.mark.parametrize(
    ("counts", "weights"),
    [((3, 4, 6, 10, 22, 30, 25), range(1, 8)), ((38, 58, 104), (-1, 0, 1)), ((9, 11, 30), (-1, 0, 1))],
)
@pytest.mark.parametrize("method", ["percentile", "bca", "basic"])
def test_scipy_at_many_resamples(counts, weights, method):
    """Also BCa: scipy counts ties half, and means of whole numbers tie exactly. A lattice step is noise."""
    answers = np.repeat(list(weights), counts).astype(float)
    name = {"bca": "BCa"}.get(method, method)
    drawn = stats.bootstrap((answers,), np.mean, n_resamples=100_000, batch=4_000, method=name, rng=1)
    assert of(counts, list(weights), method) == pytest.approx(
        tuple(drawn.confidence_interval), abs=1.01 / sum(counts)
    )


# ---------------------------------------------------------------- statsmodels


@pytest.mark.parametrize(("k", "n"), [(0, 20), (1, 29), (15, 148), (81, 263), (20, 20), (60, 61), (1, 1)])
@pytest.mark.filterwarnings("ignore::cxcore.errors.DegenerateDataWarning")
def test_shares_are_those_of_statsmodels(k, n):
    def theirs(method):
        return pytest.approx(proportion.proportion_confint(k, n, method=method), abs=1e-9)

    assert of((n - k, k), SHARE, "score") == theirs("wilson")
    low, high = of((n - k, k), SHARE, "wald")
    assert (max(low, 0.0), min(high, 1.0)) == theirs("normal")  # ours is not cut off
    if min(k, n - k) < 30:
        assert of((n - k, k), SHARE, "bootstrap") == theirs(
            "beta"
        )  # the guarded default: Clopper and Pearson
    if 0 < k < n:  # at the ends ours reaches the end, as Brown, Cai and DasGupta (2001) have it
        assert of((n - k, k), SHARE, "bayesian") == pytest.approx(
            proportion.proportion_confint(k, n, method="jeffreys"), abs=1e-7
        )


def difference(a, m, b, n):
    one, two = (Sample(np.array([[size - k, k]]), SHARE) for k, size in ((a, m), (b, n)))
    low, high = Mover().limits(Pairs(one, two), 0.05)
    return float(low[0]), float(high[0])


#: Newcombe, Statistics in Medicine 17 (1998) 873, table II, method 10
NEWCOMBE = [
    ((56, 70, 48, 80), (0.0524, 0.3339)),
    ((9, 10, 3, 10), (0.1705, 0.8090)),
    ((6, 7, 2, 7), (0.0582, 0.8062)),
    ((5, 56, 0, 29), (-0.0381, 0.1926)),
    ((0, 10, 0, 20), (-0.1611, 0.2775)),
    ((0, 10, 0, 10), (-0.2775, 0.2775)),
    ((10, 10, 0, 20), (0.6791, 1.0)),
    ((10, 10, 0, 10), (0.6075, 1.0)),
]


@pytest.mark.parametrize(("table", "published"), NEWCOMBE)
def test_mover_of_two_shares_is_newcombe_s_interval(table, published):
    found = difference(*table)
    assert found == pytest.approx(published, abs=5.1e-5)
    theirs = proportion.confint_proportions_2indep(*table, method="newcomb", compare="diff")
    assert found == pytest.approx(tuple(map(float, theirs)), abs=1e-9)


def test_weighted_means_are_those_of_statsmodels():
    """Frequency weights: an answer of weight 3 is three answers of one customer, whom no other has."""
    rng = np.random.default_rng(9)
    house = pl.DataFrame({"score": rng.integers(0, 11, 80), "w": rng.integers(1, 5, 80)})
    points = np.array([-1] * 7 + [0] * 2 + [1] * 2)[house["score"].to_numpy()]
    theirs = weightstats.DescrStatsW(points, weights=house["w"].to_numpy(), ddof=0)
    row = cx.nps(house, score="score", weight="w").row(0, named=True)
    assert row["estimate"] == pytest.approx(100 * theirs.mean, abs=1e-9)
    thrice = house.with_row_index("who").select(pl.all().exclude("w").repeat_by("w")).explode("who", "score")
    whole = cx.nps(thrice, score="score", cluster="who", method="cluster_t").row(0, named=True)
    assert whole["estimate"] == pytest.approx(row["estimate"], abs=1e-9)
    assert whole["standard_error"] == pytest.approx(row["standard_error"], rel=1e-9)


def test_clusters_are_the_sandwich_of_statsmodels():
    """Mean by least squares with errors by group: Liang and Zeger, times (n - 1) / (n - k) by statsmodels."""
    import statsmodels.api as sm

    rng = np.random.default_rng(10)
    who = rng.integers(0, 70, 300)
    house = pl.DataFrame({"who": who, "score": rng.integers(0, 11, 300)})
    points = 100.0 * np.array([-1] * 7 + [0] * 2 + [1] * 2)[house["score"].to_numpy()]
    fitted = sm.OLS(points, np.ones(300)).fit(cov_type="cluster", cov_kwds={"groups": who})
    row = cx.nps(house, score="score", cluster="who", method="cluster_t").row(0, named=True)
    assert row["estimate"] == pytest.approx(fitted.params[0], abs=1e-9)
    assert row["standard_error"] == pytest.approx(fitted.bse[0], rel=1e-9)


# ---------------------------------------------------------------- score intervals

#: Newcombe, Statistics in Medicine 17 (1998) 857, table I, method 3; R has them as binom.confint, "wilson"
WILSON = [
    ((81, 263), (0.2553, 0.3662)),
    ((15, 148), (0.0624, 0.1605)),
    ((0, 20), (0.0, 0.1611)),
    ((1, 29), (0.0061, 0.1718)),
]


@pytest.mark.parametrize(("share", "published"), WILSON)
def test_wilson_s_interval_as_published(share, published):
    k, n = share
    assert of((n - k, k), SHARE, "score") == pytest.approx(published, abs=5.1e-5)


def test_the_exact_interval_is_that_of_r_s_manual():
    """``binom.test(682, 682 + 243)`` of R's help page (Conover 1971, Mendel's peas): 0.7076683 0.7654066."""
    assert of((243, 682), SHARE, Exact()) == pytest.approx((0.7076683, 0.7654066), abs=5.1e-8)


def tango(b, c, n, delta):
    """Tango's statistic of a difference of paired shares, squared: Statistics in Medicine 17 (1998) 891."""
    first, second = 2 * n, -b - c + (2 * n - b + c) * delta
    third = -c * delta * (1 - delta)
    q = (np.sqrt(second**2 - 4 * first * third) - second) / (2 * first)
    return (b - c - n * delta) ** 2 / (n * (2 * q + delta * (1 - delta)))


@pytest.mark.parametrize(("b", "c", "n"), [(40, 20, 160), (1, 7, 21), (6, 2, 61), (104, 38, 200), (3, 1, 5)])
def test_score_equals_tango_at_three_weights(b, c, n):
    """Pairs that got better, worse, or stayed are promoters, detractors and passives."""
    low, high = of((c, n - b - c, b), (-1, 0, 1), "score")
    z2 = stats.norm.isf(0.025) ** 2
    for end, sign in ((low, -1), (high, 1)):
        assert tango(b, c, n, end) == pytest.approx(z2, rel=1e-7)
        step = 1e-9
        assert tango(b, c, n, end + sign * step) > z2 > tango(b, c, n, end - sign * step)
