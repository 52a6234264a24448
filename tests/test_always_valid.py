"""The always-valid interval: the twin, known mixtures, and its promise to who looks after every answer."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, special

import cxcore as cx
from cxcore.differences import AlwaysValidDifference, Mover, Pairs
from cxcore.intervals import AlwaysValid, Sample, ScoreInterval, interval_of
from tests.reference import scores as twin

NPS = np.array([-1, 0, 1])


def limits(counts, weights, alpha):
    table = np.atleast_2d(np.array(counts, dtype=np.int64))
    return AlwaysValid().limits(Sample(table, np.array(weights, dtype=np.int64)), alpha)


@st.composite
def weighted(draw):
    n_levels = draw(st.integers(2, 5))
    counts = draw(st.lists(st.integers(0, 8), min_size=n_levels, max_size=n_levels).filter(any))
    weights = draw(st.lists(st.integers(-6, 6), min_size=n_levels, max_size=n_levels, unique=True))
    return counts, sorted(weights)


@settings(max_examples=80)
@given(weighted(), st.sampled_from((0.5, 0.1, 0.05, 0.001)))
def test_always_valid_interval(sample, alpha):
    counts, weights = sample
    low, high = limits(counts, weights, alpha)
    assert (low[0], high[0]) == pytest.approx(twin.always_valid(counts, weights, alpha), abs=1e-9)
    estimate = np.dot(counts, weights) / sum(counts)
    assert weights[0] <= low[0] <= estimate <= high[0] <= weights[-1]


@given(weighted(), st.sampled_from((0.2, 0.05, 0.001)))
def test_wider_than_the_score_interval(sample, alpha):
    """What it costs to look whenever one likes."""
    counts, weights = sample
    low, high = limits(counts, weights, alpha)
    one = Sample(np.array([counts]), np.array(weights))
    narrow = ScoreInterval().limits(one, alpha)
    assert low[0] <= narrow[0][0] + 1e-12
    assert high[0] >= narrow[1][0] - 1e-12


def test_one_answer_by_hand():
    """The stake of one promoter is 1 / (2 m): 20 at m = 1/40 of the scale."""
    low, high = limits([0, 0, 1], NPS, 0.05)
    assert (low[0], high[0]) == (pytest.approx(-1 + 2 / 40, abs=1e-14), 1)


@pytest.mark.parametrize("n", [20, 159, 160, 5_000, 10**6, 10**9])
@pytest.mark.parametrize("share", [0.5, 0.9, 0.001])
def test_a_share_is_the_mixture_of_binomials(n, share):
    """W(m) = B(k + 1/2, n - k + 1/2) / B(1/2, 1/2) / (m^k (1 - m)^(n - k)) is 20 at both ends."""
    k = max(round(share * n), 1)
    ends = np.concatenate(limits([n - k, k], [0, 1], 0.05))
    log_wealth = special.betaln(k + 0.5, n - k + 0.5) - special.betaln(0.5, 0.5)
    log_wealth = log_wealth - special.xlogy(k, ends) - special.xlog1py(n - k, -ends)
    assert log_wealth == pytest.approx(np.log(20), abs=max(1e-9, 4e-15 * n))


@pytest.mark.parametrize(
    "counts", [(300, 500, 900, 2_000), (0, 3, 5, 4_000), (90, 1, 1, 90), (0, 900, 950, 0)]
)
def test_many_levels_against_quadrature(counts):
    weights = np.array([1, 2, 4, 7])
    x = (weights - 1) / 6
    for end in np.concatenate(limits(counts, weights, 0.05)):
        m = (end - 1) / 6

        def log_stake(theta, m=m):
            f = np.sin(theta) ** 2
            return sum(
                c * np.log(f * y / m + (1 - f) * (1 - y) / (1 - m))
                for c, y in zip(counts, x, strict=True)
                if c
            )

        grid = np.linspace(1e-6, np.pi / 2 - 1e-6, 20_001)
        each = np.array([log_stake(theta) for theta in grid])
        peak, best = grid[each.argmax()], each.max()
        points = [peak - 0.02, peak, peak + 0.02]
        inside = [point for point in points if 0 < point < np.pi / 2]
        area, _ = integrate.quad(
            lambda theta, best=best: np.exp(log_stake(theta) - best),
            0,
            np.pi / 2,
            points=inside,
            limit=500,
            epsabs=1e-13,
        )
        assert best + np.log(area * 2 / np.pi) == pytest.approx(np.log(20), abs=1e-7)


@pytest.mark.parametrize("law", [(0.2, 0.3, 0.5), (0.01, 0.03, 0.96), (0.45, 0.1, 0.45)])
def test_watched_after_every_answer(law):
    """300 pilots of 250 answers: the truth leaves the interval, ever, in alpha of them at most."""
    rng = np.random.default_rng(20)
    n_pilots, n = 300, 250
    answers = rng.choice(3, (n_pilots, n), p=law)
    counts = np.cumsum(answers[:, :, None] == np.arange(3), axis=1).reshape(-1, 3).astype(np.int64)
    sample, truth, alpha = Sample(counts, NPS), law[2] - law[0], 0.1
    missed = {}
    for method in (AlwaysValid(), ScoreInterval()):
        low, high = method.limits(sample, alpha)
        outside = ((truth < low) | (truth > high)).reshape(n_pilots, n)
        missed[method.name] = outside.any(axis=1).mean()
    assert missed["always_valid"] <= alpha + 3 * np.sqrt(alpha * (1 - alpha) / n_pilots)
    assert missed["score"] > 3 * alpha  # what every other interval does to who looks every time


def test_answers_that_depend_on_those_before():
    """Only the mean of an answer, given those before, has to stay: here the spread follows the last."""
    rng = np.random.default_rng(8)
    n_pilots, n, alpha = 400, 200, 0.1
    answers, calm = np.zeros((n_pilots, n), dtype=np.int64), np.ones(n_pilots, dtype=bool)
    for at in range(n):
        wild = rng.choice([-1, 1], n_pilots)
        answers[:, at] = np.where(calm, 0, wild)
        calm = np.where(calm, rng.random(n_pilots) < 0.8, wild > 0)
    counts = np.cumsum(answers[:, :, None] == NPS, axis=1).reshape(-1, 3).astype(np.int64)
    low, high = AlwaysValid().limits(Sample(counts, NPS), alpha)
    missed = ((low > 0) | (high < 0)).reshape(n_pilots, n).any(axis=1).mean()
    assert missed <= alpha + 3 * np.sqrt(alpha * (1 - alpha) / n_pilots)


# ---------------------------------------------------------------- differences

three = st.lists(st.integers(0, 6), min_size=3, max_size=3).filter(any)


def difference(one, two, alpha, weights=NPS):
    pairs = Pairs(*(Sample(np.atleast_2d(np.array(side, dtype=np.int64)), weights) for side in (one, two)))
    method = AlwaysValidDifference()
    return (*method.limits(pairs, alpha), method.p_values(pairs))


@settings(max_examples=15)
@given(three, three, st.sampled_from((0.5, 0.05)))
def test_always_valid_difference(one, two, alpha):
    low, high, p = difference(one, two, alpha)
    assert (low[0], high[0]) == pytest.approx(
        twin.always_valid_difference(one, two, (-1, 0, 1), alpha), abs=1e-7
    )
    assert p[0] == pytest.approx(min(1, np.exp(-twin.joint_stake(one, two, (-1, 0, 1), 0.0))), rel=1e-6)


def test_a_pilot_watched_after_every_answer():
    """200 pilots without a difference, 120 answers of each side, by turns: p falls below alpha in "
    "alpha of them."""
    rng = np.random.default_rng(22)
    n_pilots, n, alpha, law = 200, 120, 0.1, (0.15, 0.25, 0.6)
    sides = [
        np.cumsum(rng.choice(3, (n_pilots, n), p=law)[:, :, None] == np.arange(3), axis=1).astype(np.int64)
        for _ in range(2)
    ]
    one, two = (np.ascontiguousarray(side[:, 1::2].reshape(-1, 3)) for side in sides)
    pairs = Pairs(Sample(one, NPS), Sample(two, NPS))
    called = {}
    for method in (AlwaysValidDifference(), Mover()):
        called[method.name] = (method.p_values(pairs) < alpha).reshape(n_pilots, -1).any(axis=1).mean()
    assert called["always_valid"] <= alpha + 3 * np.sqrt(alpha * (1 - alpha) / n_pilots)
    assert called["mover"] > 2.5 * alpha


def test_a_real_difference_is_seen():
    """And tighter than the two intervals at half of alpha each."""
    one, two = (200, 300, 1_500), (500, 300, 1_200)
    low, high, p = difference(one, two, 0.05)
    assert p[0] < 1e-6
    assert low[0] > 0
    ends = [limits(side, NPS, 0.025) for side in (one, two)]
    assert low[0] > ends[0][0][0] - ends[1][1][0]
    assert high[0] < ends[0][1][0] - ends[1][0][0]


def test_in_compare():
    house = pl.DataFrame(
        {"arm": ["old"] * 100 + ["new"] * 120, "score": [3] * 60 + [10] * 40 + [3] * 20 + [10] * 100}
    )
    row = cx.compare(house, score="score", group="arm", control="old", method="always_valid").row(
        0, named=True
    )
    low, high, p = difference((20, 0, 100), (60, 0, 40), 0.05)
    assert (row["low"], row["high"], row["p_value"], row["method"]) == (
        100 * low[0], 100 * high[0], p[0], "always_valid",
    )  # fmt: skip


def test_in_every_score():
    house = {"score": np.repeat([3, 8, 10], [38, 58, 104])}
    frame = cx.nps(pl.DataFrame(house), score="score", method="always_valid")
    known = interval_of([[38, 58, 104]], NPS, method="always_valid")
    assert frame.select("low", "high", "method", "flags").row(0) == (
        known.low[0] * 100, known.high[0] * 100, "always_valid", "",
    )  # fmt: skip
