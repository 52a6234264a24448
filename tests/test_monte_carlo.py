"""Monte Carlo of a statistic of one's own: the exact law, the keys of its draws, statistics that go wrong."""

from __future__ import annotations

import threading

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cxcore as cx
from cxcore import DegenerateDataWarning, InvalidOptionError
from cxcore.intervals import MonteCarlo, interval_of
from tests.reference import scores as twin

LEVELS = (1, 2, 3, 4, 5)
quiet = pytest.mark.filterwarnings("ignore::cxcore.DegenerateDataWarning")


def mean(counts, weights):
    return counts @ weights / counts.sum(axis=1)


def median(counts, weights):
    half = counts.sum(axis=1, keepdims=True) / 2
    return weights[(counts.cumsum(axis=1) >= half).argmax(axis=1)]


@quiet
@pytest.mark.parametrize("counts", [(1, 2, 0, 4), (0, 3, 1, 3), (2, 2, 2, 2)])
@pytest.mark.parametrize("statistic", [mean, median])
def test_quantiles_are_those_of_the_law_of_all_resamples(counts, statistic):
    """The chance of every resample, added up: both ends lie where the law has the tail, up to its noise."""
    weights, alpha = np.array([1, 2, 3, 5]), 0.2
    all_samples = np.array(list(twin.samples(sum(counts), 4)))
    shares = np.maximum(counts, 1e-300) / sum(counts)  # a logarithm wants more than nothing
    chance = np.array([twin.chance(sample, shares) for sample in all_samples])
    value = statistic(all_samples, weights)
    found = interval_of([counts], weights, method=MonteCarlo(statistic), confidence_level=1 - alpha)
    noise = 4 * np.sqrt(alpha / 2 * (1 - alpha / 2) / 9_999)
    low, high = found.low[0], found.high[0]
    assert chance[value <= low + 1e-9].sum() >= alpha / 2 - noise
    assert chance[value < low - 1e-9].sum() <= alpha / 2 + noise
    assert chance[value >= high - 1e-9].sum() >= alpha / 2 - noise
    assert chance[value > high + 1e-9].sum() <= alpha / 2 + noise
    spread = np.sqrt(chance @ value**2 - (chance @ value) ** 2)
    assert found.standard_error[0] == pytest.approx(spread, rel=0.05)
    assert found.estimate[0] == statistic(np.array([counts]), weights)[0]


def test_of_the_mean_it_is_the_percentile_interval():
    counts = (38, 58, 104)
    exact = interval_of([counts], [-1, 0, 1], method="percentile")
    drawn = interval_of([counts], [-1, 0, 1], method=MonteCarlo(mean))
    assert drawn.estimate == exact.estimate
    assert drawn.standard_error == pytest.approx(exact.standard_error, rel=0.03)
    assert drawn.low == pytest.approx(exact.low, abs=0.011)
    assert drawn.high == pytest.approx(exact.high, abs=0.011)


HOUSE = pl.DataFrame(
    {"plan": np.repeat(["a", "b", "c"], [120, 120, 7]), "stars": np.tile([1, 2, 2, 4, 5, 5], 42)[:247]}
)
ROLES = {"score": "stars", "scale": (1, 5), "by": "plan"}


@quiet
@given(st.randoms(use_true_random=False))
def test_draws_depend_on_the_group_alone(random):
    """Not on the order of rows, the other groups, the frame or the thread."""
    method = MonteCarlo(median, n_resamples=200)
    known = cx.mean_score(HOUSE, method=method, **ROLES)
    order = list(range(HOUSE.height))
    random.shuffle(order)
    assert cx.mean_score(HOUSE[order], method=method, **ROLES).equals(known)
    alone = cx.mean_score(HOUSE.filter(plan="b"), method=method, **ROLES)
    assert alone.row(0) == known.row(1)
    assert known.row(0)[1:] == known.row(1)[1:]  # equal counts, equal numbers
    state = cx.ScoreState.from_answers(HOUSE, score="stars", scale=(1, 5), by="plan")
    assert state.score("mean_score", method=method).equals(known)


@quiet
def test_threads_draw_alike():
    method, found = MonteCarlo(mean, n_resamples=500), []

    def work():
        found.append(cx.mean_score(HOUSE, method=method, **ROLES))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(each.equals(found[0]) for each in found)


def test_fewer_resamples_are_the_first_of_more():
    seen = []

    def spy(counts, weights):
        seen.append(counts)
        return mean(counts, weights)

    for n_resamples in (300, 9_000):
        interval_of([[20, 30, 50]], [-1, 0, 1], method=MonteCarlo(spy, n_resamples=n_resamples))
    few, many = seen[1], np.concatenate(seen[3:])
    assert len(many) == 9_000
    assert np.array_equal(few, many[:300])
    assert (many.sum(axis=1) == 100).all()
    other = interval_of([[20, 30, 50]], [-1, 0, 1], method=MonteCarlo(mean, rng=1))
    assert (
        other.standard_error
        != interval_of([[20, 30, 50]], [-1, 0, 1], method=MonteCarlo(mean)).standard_error
    )


def test_units_and_flags():
    """In units of the weights, times the factor of the score; a thin sample warns; no answer has no "
    "number."""
    answers = pl.DataFrame(
        {"score": [3] * 30 + [10] * 70 + [9] * 3 + [None], "plan": ["a"] * 100 + ["b"] * 3 + ["c"]}
    )
    with pytest.warns(DegenerateDataWarning, match="1 of 3 groups has fewer than 15"):
        found = cx.nps(answers, score="score", by="plan", method=MonteCarlo(mean))
    assert found["estimate"].to_list() == [40.0, 100.0, None]
    assert found["method"].to_list() == ["monte_carlo", "monte_carlo", None]
    assert found["flags"].to_list() == ["", "few_answers,one_category,thin_support", "no_answers"]
    assert found.row(1, named=True)["low"] == 100


def nothing(counts, weights):
    return None


def one_number(counts, weights):
    return 1.0


def share_of_none(counts, weights):
    with np.errstate(invalid="ignore"):
        return counts[:, 0] / counts[:, 0]


def text(function):
    shown = repr(function)
    return shown if len(shown) <= 60 else f"{shown[:60]}…"


@pytest.mark.parametrize(
    ("statistic", "problem"),
    [
        (nothing, "gave object of shape () for 1 rows of counts.\n"
         "  Hint: give one number for each row, such as counts @ weights / counts.sum(axis=1)."),
        (one_number, "gave float64 of shape () for 1 rows of counts.\n"
         "  Hint: give one number for each row, such as counts @ weights / counts.sum(axis=1)."),
        (share_of_none, "gave nan for the counts [0, 40, 60].\n"
         "  Hint: say what it is where a level has no answers."),
    ],
)  # fmt: skip
def test_statistics_that_go_wrong(statistic, problem):
    with pytest.raises(InvalidOptionError) as error:
        interval_of([[0, 40, 60]], [-1, 0, 1], method=MonteCarlo(statistic))
    assert str(error.value) == f"MonteCarlo(statistic={text(statistic)}): {problem}"


def test_option_errors():
    with pytest.raises(InvalidOptionError) as error:
        MonteCarlo("median")
    assert str(error.value) == (
        "MonteCarlo(statistic='median'): is no function.\n  Hint: such as a function of counts and weights."
    )
    with pytest.raises(InvalidOptionError, match="must be a whole number, 100 or more"):
        MonteCarlo(mean, n_resamples=5)
    with pytest.raises(InvalidOptionError, match="must be a whole number, 0 or more"):
        MonteCarlo(mean, rng=-1)
