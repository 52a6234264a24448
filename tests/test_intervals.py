"""Intervals from counts: the truth table, twins, exact coverage, far sizes, flags and warnings."""

from __future__ import annotations

import runpy
import threading
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.stats import bootstrap as scipy_bootstrap

from cxcore import DegenerateDataWarning, InvalidOptionError, intervals
from cxcore._ext import scores as kernels
from cxcore.intervals import (
    METHODS,
    AdjustedWald,
    Basic,
    Bayesian,
    Bca,
    Bootstrap,
    Expanded,
    MethodName,
    Percentile,
    ScoreInterval,
    ScoreNMinus1,
    Studentized,
    Wald,
    bayesian,
    interval_of,
    sample_of,
)
from cxcore.intervals.base import ENOUGH_ANSWERS
from cxcore.intervals.bayesian import _Posterior
from cxcore.intervals.exact import Exact
from cxcore.intervals.student import t_quantile
from tests.reference import scores as twin

NPS = (-1, 0, 1)
ROOT = Path(__file__).parents[1]
quiet = pytest.mark.filterwarnings("ignore::cxcore.DegenerateDataWarning")


def ends(counts, weights=NPS, method="bootstrap", level=0.95):
    found = interval_of([counts], weights, method=method, confidence_level=level)
    return float(found.low[0]), float(found.high[0])


# ---------------------------------------------------------------- what is known

TRUTH = [  # (detractors, passives, promoters), estimate, percentile, BCa, score
    ((1, 1, 3), 40, (-40, 100), (-60, 100), (-34.9, 82.6)),
    ((6, 9, 15), 30, (0, 56.7), (0, 56.7), (0.06, 54.5)),
    ((0, 2, 28), 93.3, (83.3, 100), (80, 100), (71.4, 98.2)),
    ((38, 58, 104), 33, (22, 43.5), (22, 43.5), (21.8, 43.2)),
    ((0, 0, 12), 100, (100, 100), (100, 100), (51.5, 100)),
]


@quiet
@pytest.mark.parametrize(("counts", "estimate", "percentile", "bca", "score"), TRUTH)
def test_truth_table_of_nps(counts, estimate, percentile, bca, score):
    assert interval_of([counts], NPS).estimate[0] * 100 == pytest.approx(estimate, abs=0.05)
    for method, known in (("percentile", percentile), ("bca", bca), ("score", score)):
        decimals = 0.005 if method == "score" and known[0] == 0.06 else 0.05
        low, high = ends(counts, method=method)
        assert low * 100 == pytest.approx(known[0], abs=decimals)
        assert high * 100 == pytest.approx(known[1], abs=0.05)


def test_truth_table_of_ces():
    counts, levels = (6, 8, 12, 20, 44, 60, 50), range(1, 8)
    assert interval_of([counts], levels).estimate[0] == 5.34
    assert ends(counts, levels, "percentile") == (5.125, 5.55)
    assert ends(counts, levels, "bca") == (5.115, 5.54)
    assert ends(counts, levels, "score") == pytest.approx((5.110, 5.539), abs=0.0005)


def test_airport_survey_2017():
    """San Francisco airport, DataSF (PDDL): 342 detractors, 968 passives, 1,436 promoters."""
    found = interval_of([[342, 968, 1436]], NPS, method="percentile")
    assert found.n[0] == 2746
    assert [round(float(x[0]) * 100, 2) for x in (found.estimate, found.low, found.high)] == [
        39.84,
        37.22,
        42.46,
    ]


def test_score_equals_wilson_at_two_weights():
    z, n = 1.959963984540054, 40
    for k in range(n + 1):
        center, half = (k + z * z / 2) / (n + z * z), z * np.sqrt(k * (n - k) / n + z * z / 4) / (n + z * z)
        assert ends((n - k, k), (0, 1), "score") == pytest.approx((center - half, center + half), abs=1e-12)


# ---------------------------------------------------------------- against the twins

samples = st.lists(st.integers(0, 8), min_size=2, max_size=5).filter(any)
levels = st.sampled_from((0.5, 0.8, 0.9, 0.95, 0.99))


@st.composite
def weighted(draw, biggest=8):
    """Counts over distinct whole weights, with empty levels, gaps and common divisors."""
    n_levels = draw(st.integers(2, 5))
    count = st.integers(0, biggest)
    counts = draw(st.lists(count, min_size=n_levels, max_size=n_levels).filter(any))
    weights = draw(st.lists(st.integers(-6, 6), min_size=n_levels, max_size=n_levels, unique=True))
    return counts, sorted(weights)


@given(weighted(biggest=20))
def test_describe(sample):
    counts, weights = sample
    found = sample_of(np.array([counts, [0] * len(counts)]), tuple(weights))
    n, outside, flags, mean, error = twin.describe(counts, weights, ENOUGH_ANSWERS)
    assert (found.n.tolist(), found.outside.tolist()) == ([n, 0], [outside, 0])
    assert found.flags.tolist() == [flags, 1]
    assert found.estimate[0] == mean
    assert found.standard_error[0] == pytest.approx(error, rel=1e-12, abs=1e-15)
    assert np.isnan([found.estimate[1], found.standard_error[1]]).all()


@given(weighted(biggest=16), levels)
def test_guarded_interval(sample, level):
    counts, weights = sample
    found = interval_of([counts], weights, confidence_level=level)
    used, low, high = twin.guarded(counts, weights, 1 - level)
    assert found.method[0] == used
    assert (found.low[0], found.high[0]) == pytest.approx((low, high), rel=1e-9, abs=1e-9)


@quiet
@given(weighted(), levels)
def test_resample_interval(sample, level):
    counts, weights = sample
    alpha = 1 - level
    assert ends(counts, weights, "percentile", level) == tuple(
        map(float, twin.percentile(counts, weights, alpha))
    )
    assert ends(counts, weights, "bca", level) == tuple(map(float, twin.bca(counts, weights, alpha)))


@settings(max_examples=30)  # the twin is three nested searches
@given(weighted(biggest=200), levels)
def test_score_interval(sample, level):
    counts, weights = sample
    known = twin.score(counts, weights, 1 - level)
    assert ends(counts, weights, "score", level) == pytest.approx(known, abs=1e-9)


@settings(max_examples=30)
@given(weighted(biggest=200), levels)
def test_score_n_minus_1(sample, level):
    """The score interval at the level whose z is larger by the root of n / (n - 1)."""
    counts, weights = sample
    n = sum(counts)
    if n == 1:
        known = (float(weights[0]), float(weights[-1]))
    else:
        z = stats.norm.isf((1 - level) / 2) * np.sqrt(n / (n - 1))
        known = twin.score(counts, weights, 2 * stats.norm.sf(z))
    assert ends(counts, weights, "score_n_minus_1", level) == pytest.approx(known, abs=1e-9)


#: studentized draws its resamples where there are many
EXACT = sorted(set(METHODS) - {"studentized"})
LEAVE_THE_SCALE = {"basic", "wald", "adjusted_wald"}


@quiet
@given(weighted(biggest=10**8), levels, st.sampled_from(EXACT))
def test_turning_the_scale_turns_the_interval(sample, level, method):
    counts, weights = sample
    low, high = ends(counts, weights, method, level)
    assert low <= high
    assert method in LEAVE_THE_SCALE or min(weights) <= low <= high <= max(weights)
    turned = ends(counts[::-1], [-weight for weight in weights[::-1]], method, level)
    assert turned == pytest.approx((-high, -low), abs=1e-12)
    moved = ends(counts, [3 * weight + 5 for weight in weights], method, level)
    assert moved == pytest.approx((3 * low + 5, 3 * high + 5), abs=1e-10)


@given(weighted())
def test_resample_cdf(sample):
    counts, weights = sample
    law, resamples = twin.resample_law(counts, weights)
    first, last = min(law) - 3, max(law) + 3
    found = np.empty(last - first + 1)
    kernels.resample_cdf(np.array(counts), np.array(weights), first, found)
    known = [sum(ways for s, ways in law.items() if s <= at) / resamples for at in range(first, last + 1)]
    assert found == pytest.approx(known, abs=1e-14)


@pytest.mark.parametrize("n", [200, 10**4, 10**7, 10**9])
@pytest.mark.parametrize("shares", [(2, 3, 5), (1, 2, 17)])
def test_the_error_of_the_law_is_below_1e_12_up_to_a_billion_answers(n, shares):
    """Against sixty digits, in the middle and in both tails."""
    counts = np.array([n // sum(shares) * share for share in shares])
    mean, deviation = counts @ NPS, np.sqrt(counts @ (NPS - counts @ NPS / n) ** 2)
    for z in (-4, -2, -0.5, 0, 1, 3):
        first = int(mean + z * deviation)
        found = np.empty(3)
        kernels.resample_cdf(counts, np.array(NPS), first, found)
        known = twin.resample_cdf_in_digits(counts.tolist(), NPS, [first, first + 1, first + 2])
        assert found == pytest.approx(known, rel=0, abs=1e-12)


@quiet
@settings(max_examples=40)
@given(weighted(biggest=4), levels)
def test_studentized(sample, level):
    counts, weights = sample
    known = twin.studentized(counts, weights, 1 - level)
    assert ends(counts, weights, "studentized", level) == pytest.approx(known, abs=1e-9)


@quiet
def test_studentized_by_draws():
    """Draws come near to all resamples, repeat themselves, and know nothing of the other groups."""
    counts = (30, 50, 80)
    exact = ends(counts, method="studentized")
    assert exact == ends(counts, method=Studentized(rng=5))
    many = (300, 500, 800)
    drawn = [ends(many, method=Studentized(n_resamples=40_000, rng=rng)) for rng in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert drawn[0] == pytest.approx(ends(many, method="bca"), abs=0.004)
    among = interval_of([counts, many, (5, 5, 9)], NPS, method=Studentized(n_resamples=40_000))
    assert (among.low[1], among.high[1]) == drawn[0]


@quiet
@given(weighted(biggest=30), levels)
def test_closed_forms(sample, level):
    """Methods that are a line of arithmetic, written out again from their sources."""
    counts, weights = sample
    answers = np.repeat(weights, counts).astype(float)
    n, mean, z = len(answers), answers.mean(), stats.norm.ppf((1 + level) / 2)
    low, high = ends(counts, weights, "percentile", level)
    assert ends(counts, weights, "basic", level) == pytest.approx(
        (2 * mean - high, 2 * mean - low), abs=1e-12
    )
    half = z * answers.std() / np.sqrt(n)
    assert ends(counts, weights, Wald(), level) == pytest.approx((mean - half, mean + half), abs=1e-12)
    share = (
        2 * stats.norm.sf(np.sqrt(n / (n - 1)) * stats.t.ppf((1 + level) / 2, n - 1)) if n > 1 else 1 - level
    )
    assert ends(counts, weights, Expanded(), level) == pytest.approx(
        ends(counts, weights, "percentile", min(1 - share, 1 - 2**-53)), abs=1e-12
    )
    bottom, top = weights[0], weights[-1]
    extra = [bottom, bottom, top, top] if len(weights) == 2 else [bottom, (bottom + top) / 2, top]
    many = [1.0] * 4 if len(weights) == 2 else [0.75, 1.5, 0.75]
    w = np.concatenate([np.ones(n), many])
    pooled = np.average([*answers, *extra], weights=w)
    half = z * np.sqrt(np.average((np.array([*answers, *extra]) - pooled) ** 2, weights=w) / w.sum())
    assert ends(counts, weights, AdjustedWald(), level) == pytest.approx(
        (pooled - half, pooled + half), abs=1e-9
    )


def test_adjusted_wald_of_rocks():
    """Rocks 2016, section 2: 0.75, 1.5 and 0.75 answers are added, and n grows by 3."""
    d, n0, p = 12 + 0.75, 23 + 1.5, 52 + 0.75
    total = d + n0 + p
    score = (p - d) / total
    half = 1.959963984540054 * np.sqrt(((p + d) / total - score**2) / total)
    with pytest.warns(DegenerateDataWarning):
        ends((1, 1, 3), method="adjusted_wald")
    assert ends((12, 23, 52), method="adjusted_wald") == pytest.approx(
        (score - half, score + half), abs=1e-12
    )


def test_basic_leaves_the_scale():
    with pytest.warns(DegenerateDataWarning):
        assert ends((0, 2, 28), method=Basic())[1] == pytest.approx(2 * 28 / 30 - 25 / 30)


@pytest.mark.parametrize(("k", "n"), [(1, 5), (3, 10), (99, 100), (500_000, 10**6), (10, 10**6), (9, 10**9)])
def test_bayesian_of_a_share_is_jeffreys_interval(k, n):
    known = stats.beta.ppf([0.025, 0.975], k + 0.5, n - k + 0.5)
    assert ends((n - k, k), (0, 1), "bayesian") == pytest.approx(known, rel=1e-9)
    for level in (0.5, 0.999):
        known = stats.beta.ppf([0.5 - level / 2, 0.5 + level / 2], k + 2, n - k + 2)
        assert ends((n - k, k), (0, 1), Bayesian(prior=2), level) == pytest.approx(known, rel=1e-9)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(weighted(biggest=40), st.sampled_from((0.01, 0.3, 0.9)))
def test_bayesian_against_integrals(sample, p):
    """The twin integrates over shares one after the other, so three weights are as far as it goes."""
    counts, weights = [c + 2 for c in sample[0][:3]], sample[1][:3]
    shape = np.array(counts) + 1 / len(counts)
    posterior = _Posterior(np.array(weights, dtype=float), shape)
    end = posterior.quantile(stats.norm.ppf(p))
    assert posterior.cdf(end) == pytest.approx(p, abs=1e-10)
    assert twin.posterior_cdf(shape.tolist(), weights, end) == pytest.approx(p, abs=1e-6)


@pytest.mark.parametrize("counts", [(0, 8, 0), (1, 1, 3), (0, 2, 28), (3, 0, 0), (0, 0, 0, 1, 9, 40, 2)])
def test_bayesian_against_draws(counts):
    weights = np.arange(len(counts))
    drawn = np.random.default_rng(3).dirichlet(np.array(counts) + 1 / len(counts), 200_000) @ weights
    below = np.mean(drawn[:, None] < ends(counts, weights, "bayesian"), axis=0)
    known = [0.0 if counts[0] == sum(counts) else 0.025, 0.975]
    assert below == pytest.approx(known, abs=0.002)


@pytest.mark.parametrize(
    ("counts", "weights"),
    [
        ((0, 816, 0, 1), (0, 1, 2, 3)),  # a law that is steep at one weight
        ((0, 0, 3550, 0), (0, 1, 2, 3)),
        ((0, 87, 1026, 15_327, 88_377_254), (-6, -5, -2, 4, 5)),  # far tails under way to the quantile
        ((94_633_633, 0), (-6, 2)),
        ((0, 211, 13), (-3, 4, 6)),
    ],
)
@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
def test_bayesian_of_skewed_samples(counts, weights, level):
    low, high = ends(counts, weights, "bayesian", level)
    turned = ends(counts[::-1], [-weight for weight in weights[::-1]], "bayesian", level)
    assert turned == pytest.approx((-high, -low), abs=1e-11)
    posterior = _Posterior(np.array(weights, dtype=float), np.array(counts) + 1 / len(counts))
    assert posterior.cdf(high) == pytest.approx((1 + level) / 2, abs=1e-5)


def test_bayesian_reaches_the_end_that_all_answers_lie_on():
    assert ends((0, 0, 12), method="bayesian")[1] == 1
    assert ends((12, 0, 0), method="bayesian")[0] == -1


@pytest.mark.parametrize("dof", [1, 2, 3, 5, 29, 30, 100, 499, 500, 10**6])
@pytest.mark.parametrize("tail", [0.4, 0.05, 0.025, 0.0005, 1e-8])
def test_quantiles_of_students_t(dof, tail):
    assert t_quantile(tail, dof) == pytest.approx(stats.t.isf(tail, dof), rel=3e-10)


def fourier_quantiles(counts, weights, *tails):
    """Sums from the law by a plain FFT of phi**n; n eps accurate, so for n up to 1e5 or so."""
    n, size = sum(counts), 1 << int(sum(counts) * (max(weights) - min(weights)) + 1).bit_length()
    start = np.zeros(size)
    for count, weight in zip(counts, weights, strict=True):
        start[weight - min(weights)] += count / n
    law = np.fft.irfft(np.fft.rfft(start) ** n, size).cumsum()
    return [(int(np.searchsorted(law, tail)) + n * min(weights)) / n for tail in tails]


@pytest.mark.parametrize(
    ("counts", "weights"),
    [
        ((20_000, 30_000, 50_000), NPS),
        ((60_000, 3, 40_000), NPS),  # a lattice that revives: hardly any passive
        ((60_000, 0, 40_000), NPS),  # only every second sum occurs
        ((99_980, 0, 20), NPS),
        ((2, 99_996, 2), NPS),
        ((15, 1, 99_000, 2, 984), (-7, -1, 0, 2, 6)),
        ((50_000, 10, 0, 49_990), (0, 1, 2, 3)),
        ((25, 1_000, 1, 20, 30), (0, 30, 45, 60, 99)),
    ],
)
@quiet
def test_law_at_many_answers(counts, weights):
    low, high = ends(counts, weights, "percentile")
    known = fourier_quantiles(counts, weights, 0.025, 0.975)
    assert (low, high) == pytest.approx(known, abs=0.01 / sum(counts))


@pytest.mark.parametrize("n", [10**7, 10**9])
def test_law_at_very_many_answers(n):
    """The Cornish-Fisher expansion is exact to a lattice step there."""
    counts = np.array([n // 5, 3 * n // 10, n // 2])
    mean = counts @ NPS / n
    m2, m3, m4 = (counts @ (np.array(NPS) - mean) ** power / n for power in (2, 3, 4))
    sd, skew, excess = np.sqrt(n * m2), m3 / m2**1.5 / np.sqrt(n), (m4 / m2**2 - 3) / n
    for z, end in zip(
        (-1.959963984540054, 1.959963984540054), ends(counts, method="percentile"), strict=True
    ):
        x = z + skew * (z * z - 1) / 6 + excess * (z**3 - 3 * z) / 24 - skew**2 * (2 * z**3 - 5 * z) / 36
        assert end * n == pytest.approx(mean * n + sd * x, abs=1)


def test_scipy_agrees_within_its_noise():
    answers = np.repeat(range(1, 8), (3, 4, 6, 10, 22, 30, 25)).astype(float)
    drawn = scipy_bootstrap((answers,), np.mean, n_resamples=40_000, batch=4_000, method="percentile", rng=1)
    exact = ends((3, 4, 6, 10, 22, 30, 25), range(1, 8), "percentile")
    assert tuple(drawn.confidence_interval) == pytest.approx(exact, abs=0.011)  # a lattice step is 0.01


# ---------------------------------------------------------------- what the default promises

POPULATIONS = (  # shares of detractors, passives, promoters
    (0.02, 0.06, 0.92),
    (0.08, 0.14, 0.78),
    (0.20, 0.30, 0.50),
    (0.35, 0.30, 0.35),
    (0.60, 0.20, 0.20),
    (0.45, 0.10, 0.45),
    (0.10, 0.75, 0.15),
    (0.01, 0.02, 0.97),
)


def coverage(n, population, method="bootstrap"):
    """The chance that the interval holds the truth, over every sample that can happen."""
    every = list(twin.samples(n, 3))
    found = interval_of(every, NPS, method=method)
    truth = population[2] - population[0]
    holds = (found.low <= truth + 1e-12) & (found.high >= truth - 1e-12)
    return float(np.dot([twin.chance(sample, population) for sample in every], holds))


@pytest.mark.parametrize(
    ("n", "known"),
    [
        (8, 91.3),
        (10, 94.7),
        (20, 92.4),
        (30, 94.7),
        (33, 94.2),
        (38, 94.2),
        (50, 95.0),
        (55, 94.2),
        (70, 94.2),
    ],
)
def test_least_coverage_of_the_default(n, known):
    least = min(coverage(n, population) for population in POPULATIONS) * 100
    assert least == pytest.approx(known, abs=0.15)
    assert least >= (94 if n >= 30 else 91)


@quiet
@pytest.mark.parametrize(("method", "known"), [("percentile", 59.7), ("bca", 58.7), ("score", 95.4)])
def test_plain_bootstrap_fails_near_the_ceiling(method, known):
    assert coverage(30, (0.01, 0.02, 0.97), method) * 100 == pytest.approx(known, abs=0.05)


def enumeration():
    return runpy.run_path(str(ROOT / "benchmarks" / "interval_coverage.py"))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["NPS", "CSAT, top box", "CSAT, mean of 1 to 5", "CES, mean of 1 to 7"])
def test_the_default_keeps_its_target_and_the_page_says_where_not(kind):
    script = enumeration()
    weights, populations, sizes = script["KINDS"][kind]
    page = (ROOT / "docs" / "explanation" / "scores.md").read_text(encoding="utf-8")
    for n in sizes:
        rows = list(script["least_coverage"](n, weights, populations, script["METHODS"]))
        assert rows[0] >= (94 if n >= 30 else 91)
        printed = " | ".join("" if row != row else f"{row:.1f}" for row in rows)
        assert f"| {n} | {printed} |" in page, "run benchmarks/interval_coverage.py and print its table anew"


@pytest.mark.slow
def test_the_default_keeps_its_target_at_every_size():
    script = enumeration()
    of_all = {"NPS": range(5, 61), "CSAT, top box": range(5, 301)}
    of_few = {
        "CSAT, mean of 1 to 5": range(5, 21),
        "CES, mean of 1 to 7": range(5, 12),
    }  # samples beyond are many
    for kind, sizes in (of_all | of_few).items():
        weights, populations, _ = script["KINDS"][kind]
        for n in sizes:
            least = next(script["least_coverage"](n, weights, populations, ["bootstrap"]))
            assert least >= (94 if n >= 30 else 91), (kind, n)


@pytest.mark.parametrize("n", [1, 2, 5, 14, 29, 30, 100, 10**4, 10**7])
def test_exact_is_clopper_and_pearson(n):
    few = [k for k in range(15) if 2 * k <= n]
    counts = np.array([[n - k, k] for k in few] + [[k, n - k] for k in few])
    k = counts[:, 1]
    found = interval_of(counts, (0, 1), method=Exact())
    low = np.where(k > 0, stats.beta.ppf(0.025, np.maximum(k, 1), n - k + 1), 0)
    high = np.where(k < n, stats.beta.ppf(0.975, k + 1, np.maximum(n - k, 1)), 1)
    assert np.minimum(found.low, 1 - found.low) == pytest.approx(
        np.minimum(low, 1 - low), rel=1e-8, abs=1e-12
    )
    assert np.minimum(found.high, 1 - found.high) == pytest.approx(
        np.minimum(high, 1 - high), rel=1e-8, abs=1e-12
    )


def test_a_share_falls_back_on_the_exact_interval():
    found = interval_of([[2, 28], [0, 0], [40, 60]], (0, 100))
    assert found.method.to_list() == ["exact", None, "bca"]
    assert found.flags.to_list() == ["score_fallback", "no_answers", ""]
    assert (found.low[0], found.high[0]) == pytest.approx(
        tuple(100 * stats.beta.ppf([0.025, 0.975], [28, 29], [3, 2])), rel=1e-9
    )
    assert np.isnan(found.low[1])


# ---------------------------------------------------------------- methods, flags, warnings


def test_methods_and_words():
    assert tuple(METHODS) == get_args(MethodName)
    assert {word: method.name for word, method in METHODS.items()} == {word: word for word in METHODS}
    assert interval_of([[6, 9, 15]], NPS, method=ScoreInterval()).method.to_list() == ["score"]


def test_a_mean_falls_back_on_the_divisor_of_a_sample():
    found = interval_of([[0, 1, 0, 0, 6], [9, 9, 9, 9, 9], [0, 0, 0, 0, 0]], (1, 2, 3, 4, 5))
    assert found.method.to_list() == ["score_n_minus_1", "bca", None]
    assert found.flags.to_list() == ["few_answers,score_fallback", "", "no_answers"]
    assert (found.low[0], found.high[0]) == ends((0, 1, 0, 0, 6), (1, 2, 3, 4, 5), ScoreNMinus1())


def test_default_is_guarded():
    found = interval_of([[5, 10, 100], [5, 9, 100], [0, 0, 3], [0, 0, 0]], NPS)
    assert found.method.to_list() == ["bca", "score", "score", None]
    assert found.flags.to_list() == [
        "",
        "score_fallback",
        "few_answers,one_category,score_fallback",
        "no_answers",
    ]
    assert ends((5, 10, 100)) == ends((5, 10, 100), method=Bca())
    assert ends((5, 9, 100)) == ends((5, 9, 100), method=ScoreInterval())
    assert np.isnan([found.low[3], found.high[3], found.estimate[3], found.standard_error[3]]).all()
    assert found.n.tolist() == [115, 114, 3, 0]


@pytest.mark.parametrize(
    "method",
    [Bca(), Percentile(), Basic(), Expanded(), Studentized(), Wald()],
    ids=lambda method: method.name,
)
def test_an_unguarded_method_warns(method):
    with pytest.warns(DegenerateDataWarning) as caught:
        found = interval_of([[0, 0, 12], [38, 58, 104], [0, 0, 0]], NPS, method=method)
    assert str(caught[0].message) == (
        f"interval_of(method='{method.name}'): "
        "1 of 3 groups has fewer than 15 answers outside the largest class.\n"
        "  Hint: method='bootstrap' gives an interval that holds there."
    )
    assert found.flags.to_list() == ["few_answers,one_category,thin_support", "", "no_answers"]
    assert found.method.to_list() == [method.name, method.name, None]
    assert (found.low[0], found.high[0]) == (1, 1)


def test_flags_are_described():
    assert list(intervals.FLAGS) == [
        "no_answers",
        "few_answers",
        "one_category",
        "score_fallback",
        "thin_support",
        "mover_fallback",
        "few_clusters",
        "one_cluster",
        "lonely_stratum",
        "extreme_weights",
        "dominant_cluster",
        "one_wave",
    ]
    assert all(intervals.FLAGS.values())


def test_levels_of_equal_weight_are_put_together():
    weights = [-1] * 7 + [0] * 2 + [1] * 2
    found = interval_of([[1] * 11, [0] * 10 + [9]], weights)
    merged = interval_of([[7, 2, 2], [0, 0, 9]], NPS)
    for name in ("n", "estimate", "low", "high", "standard_error"):
        assert (getattr(found, name) == getattr(merged, name)).all()
    assert interval_of([[2, 7, 2]], [1, -1, 0]).low[0] == interval_of([[7, 2, 2]], NPS).low[0]


def test_standard_error_is_that_of_the_law():
    law, resamples = twin.resample_law((1, 2, 5), NPS)
    mean = sum(s * ways for s, ways in law.items()) / resamples
    variance = sum((s - mean) ** 2 * ways for s, ways in law.items()) / resamples
    assert interval_of([[1, 2, 5]], NPS).standard_error[0] == pytest.approx(variance**0.5 / 8, rel=1e-12)


def test_no_groups():
    found = interval_of(np.empty((0, 3), dtype=np.int64), NPS)
    assert len(found.n) == len(found.low) == len(found.method) == len(found.flags) == 0


def test_many_groups_in_many_threads():
    """The kernels hold no state of their own."""
    counts = np.random.default_rng(5).integers(0, 60, (400, 7))
    alone = interval_of(counts, range(7))
    found: list[intervals.Intervals] = []
    threads = [threading.Thread(target=lambda: found.append(interval_of(counts, range(7)))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    one_by_one = np.array([interval_of(row[None], range(7)).low[0] for row in counts])
    assert (alone.low == one_by_one).all()
    assert len(found) == 4
    assert all((each.low == alone.low).all() and (each.high == alone.high).all() for each in found)


def test_objects_are_equal_by_value():
    assert Bootstrap() == METHODS["bootstrap"]
    assert repr(Percentile()) == "Percentile()"


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            lambda: Studentized(rng=-1),
            "Studentized(rng=-1): must be a whole number, 0 or more.\n  Hint: such as 1_000.",
        ),
        (
            lambda: Studentized(n_resamples=10),
            "Studentized(n_resamples=10): must be a whole number, 100 or more.\n  Hint: such as 1_000.",
        ),
        (
            lambda: Bayesian(prior=0),
            "Bayesian(prior=0): must be a number from 1e-06 to 1e+06.\n  Hint: pass one in that range.",
        ),
    ],
)
def test_bad_options_of_methods(make, text):
    with pytest.raises(InvalidOptionError) as caught:
        make()
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"method": "bcca"},
            "interval_of(method='bcca'): not one of the words.\n"
            "  Words: 'bootstrap', 'bca', 'percentile', 'score', 'score_n_minus_1', 'basic', 'expanded', "
            "'studentized', 'bayesian', 'wald', 'adjusted_wald', 'always_valid'\n"
            "  Hint: did you mean 'bca'?",
        ),
        (
            {"confidence_level": 95},
            "interval_of(confidence_level=95): a level lies between 0 and 1.\n  Hint: write 0.95.",
        ),
    ],
)
def test_option_errors(options, text):
    with pytest.raises(InvalidOptionError) as caught:
        interval_of([[1, 2, 3]], NPS, **options)
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("counts", "weights", "text"),
    [
        ([[1.9, 2]], [0, 1], "interval_of(counts=[[1.9, 2]]): takes whole numbers, in a list of rows"),
        ([1, 2], [0, 1], "interval_of(counts=[1, 2]): takes whole numbers, in a list of rows of one length."),
        ([[1], [2, 3]], [0, 1], "interval_of(counts=[[1], [2, 3]]): takes whole numbers, in a list of rows"),
        ([[-1, 2]], [0, 1], "interval_of(counts=[[-1, 2]]): takes whole numbers from 0 to 10,000,000,000."),
        ([[10**10, 1]], [0, 1], "interval_of(counts=[[10000000000, 1]]): a group has at most 10,000,000,000"),
        ([[1, 2, 3]], [0, 1], "interval_of(counts=[[1, 2, 3]]): 3 levels, but 2 weights."),
        ([[1, 2]], [0, 0.5], "interval_of(weights=[0, 0.5]): takes whole numbers, in a list of one length."),
        ([[1, 2]], [0, 10**6], "interval_of(weights=[0, 1000000]): takes whole numbers from -10,000 to"),
        ([[1, 2]], [0, 1001], "interval_of(weights=[0, 1001]): takes 2 weights or more, not all alike"),
        ([[1, 2]], [3, 3], "interval_of(weights=[3, 3]): takes 2 weights or more, not all alike"),
        (None, [0, 1], "interval_of(counts=None): takes whole numbers, in a list of rows of one length."),
        ([[1, 2]], "ab", "interval_of(weights='ab'): takes whole numbers, in a list of one length."),
    ],
)  # fmt: skip
def test_bad_counts_are_refused(counts, weights, text):
    with pytest.raises(InvalidOptionError) as caught:
        interval_of(counts, weights)
    assert str(caught.value).startswith(text)


def test_no_groups_have_no_intervals():
    assert len(interval_of(np.empty((0, 2), dtype=np.int64), [0, 1]).low) == 0


def test_the_largest_samples_stay_within_int64():
    for weights in ([0, 1, 1000], range(-100, 100)):
        counts = [10**10 // len(weights)] * len(weights)
        found = interval_of([counts], list(weights), method="bca")
        error = 1.959964 * found.standard_error[0]
        assert found.low[0] == pytest.approx(found.estimate[0] - error, rel=1e-3, abs=error / 100)
        assert found.high[0] == pytest.approx(found.estimate[0] + error, rel=1e-3, abs=error / 100)


@pytest.mark.parametrize(
    ("counts", "m"),
    [
        ([0, 0, 3550, 0], 2.0001),
        ([1, 217, 3], 1.0087),
        ([4, 0, 162, 0, 0, 0, 0], 1.99855),
        ([0, 1605, 0, 0, 0], 1.000184),
        ([0, 0, 416, 12821, 0, 49], 2.977),
        ([2, 1, 1], 1.3),
    ],
)
def test_the_posterior_is_that_of_a_straight_path(counts: list[int], m: float) -> None:
    """One weight with nearly all answers: a path that bends towards its pole gave tails above 1."""
    weights = np.arange(len(counts), dtype=np.float64)
    shape = np.array(counts) + 1 / len(counts)
    posterior = bayesian._Posterior(weights, shape)
    d = np.sign(m - posterior.mean) * (weights - m)
    s = bayesian._saddle(d, shape) + 1j * np.sinh(np.arange(0.0, 42.0, 0.002))
    ds = 1j * np.cosh(np.arange(0.0, 42.0, 0.002)) * 0.002
    inside = (np.exp(-np.log(1 - s[:, None] * d) @ shape) / s * ds).imag
    tail = (inside.sum() - inside[0] / 2) / np.pi
    assert 0 < tail < 1
    assert posterior.cdf(m) == pytest.approx(1 - tail if m > posterior.mean else tail, rel=1e-5)
