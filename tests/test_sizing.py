"""Sample sizes: the interval at that n has that margin, a difference is seen as often as asked, errors."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import cxcore as cx
from cxcore import InvalidOptionError, metrics, sample_size
from cxcore.differences import Mover, Pairs
from cxcore.intervals import Sample, interval_of

SHARES = {"promoters": 0.5, "passives": 0.3, "detractors": 0.2}


@pytest.mark.parametrize("method", ["wald", "score", "bootstrap", "bayesian"])
@pytest.mark.parametrize("margin", [2, 5, 10])
def test_the_interval_at_that_size_has_that_margin(margin, method):
    n = sample_size(SHARES, margin=margin)
    counts = np.round(np.array([0.2, 0.3, 0.5]) * n).astype(int)
    found = interval_of([counts], [-1, 0, 1], method=method)
    assert 100 * (found.high[0] - found.low[0]) / 2 == pytest.approx(margin, rel=0.01)


@given(
    st.lists(st.floats(0.01, 1), min_size=7, max_size=7),
    st.floats(0.05, 2),
    st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99]),
    st.sampled_from([1, 1.5, 4]),
    st.none() | st.integers(2, 10**6),
)
def test_smallest_size_with_that_margin(shares, margin, level, effect, population):
    """The half width by its own formula is small enough at n, and not at n - 1."""
    p = np.array(shares) / sum(shares)
    variance = p @ np.arange(1, 8) ** 2 - (p @ np.arange(1, 8)) ** 2
    mapping = dict(zip(range(1, 8), p.tolist(), strict=True))
    options = {"design_effect": effect, "population": population, "confidence_level": level}
    n = sample_size(mapping, metric="ces", margin=margin, **options)

    def half(n):
        left = 1 if population is None else (population - n) / (population - 1)
        return stats.norm.ppf((1 + level) / 2) * np.sqrt(effect * variance / n * left)

    assert half(n) <= margin * (1 + 1e-9)
    assert n == 1 or half(n - 1) > margin * (1 - 1e-9)
    assert population is None or n <= population


def test_a_difference_is_seen_as_often_as_asked():
    """MOVER on 8,000 drawn pairs of surveys, as good as 1.3 points. Variances are equal."""
    n = sample_size(SHARES, difference=15, power=0.8)
    rng = np.random.default_rng(11)
    one, two = (rng.multinomial(n, p, 8_000) for p in ((0.2, 0.3, 0.5), (0.24125, 0.3675, 0.39125)))
    weights = np.array([-1, 0, 1])
    low, high = Mover().limits(Pairs(Sample(one, weights), Sample(two, weights)), 0.05)
    assert np.mean((low > 0) | (high < 0)) == pytest.approx(0.8, abs=0.02)


def test_by_hand():
    """Cochran's textbook share: 95 %, half, plus and minus 5 %: 385 of many, 278 of 1,000."""
    half = {5: 1, 1: 1}
    assert sample_size(half, metric="csat", margin=5) == 385
    assert sample_size(half, metric="csat", margin=5, population=1_000) == 278
    assert sample_size(half, metric="csat", margin=5, design_effect=2) == 769
    # Fleiss: 50 % and 60 %, power 80 %, with one variance for both: 2 (1.96 + 0.84)² 0.25 / 0.01
    assert sample_size(half, metric="csat", difference=10) == 393
    assert sample_size({1: 1, 0: 1}, metric=metrics.MeanScore((0, 1)), margin=0.05) == 385


def test_frames_levels_and_names_agree(frame):
    house = pl.DataFrame({"score": [10] * 3 + [9] * 2 + [7] * 3 + [0] * 2 + [99, None]})
    known = sample_size(SHARES, margin=5)
    assert known == 938
    assert sample_size({10: 3, 9: 2, 7: 3, 0: 2}, margin=5) == known
    assert sample_size(frame(house), score="score", missing=[99], margin=5) == known
    assert sample_size(house.lazy(), score="score", missing=[99], margin=5) == known


ERRORS = [
    ({}, "sample_size(): one of margin or difference is required.\n"
         "  Hint: margin=5 for an interval of plus and minus 5, difference=10 to see a change of 10."),
    ({"margin": 5, "difference": 5}, "sample_size(difference=5): is asked for beside margin=, and a number "
                                     "of answers is for one of them.\n  Hint: ask twice."),
    ({"margin": 0}, "sample_size(margin=0): lies between 0 and 200.\n"
                    "  Hint: in the unit of the score, such as margin=10."),
    ({"difference": float("nan")}, "sample_size(difference=nan): lies between 0 and 200.\n"),
    ({"margin": 1, "metric": "csat"}, "sample_size(answers={'promoters': 0.5, "
                                      "'passives': 0.3, 'detractors': 0.2}): 'promoters' is neither a level"),
    ({"margin": 5, "power": 1}, "sample_size(power=1): a level lies between 0 and 1.\n"),
    ({"margin": 5, "design_effect": 0.5}, "sample_size(design_effect=0.5): must be a number from"),
    ({"margin": 5, "population": 0}, "sample_size(population=0): must be a whole number, 2 or more.\n"),
    ({"margin": 5, "score": "q"}, "sample_size(score='q'): shares have no such thing.\n"),
    ({"margin": 5, "missing": [9]}, "sample_size(missing=[9]): shares have no such thing.\n"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "text"), ERRORS)
def test_bad_options(options, text):
    with pytest.raises(InvalidOptionError) as caught:
        sample_size(SHARES, **options)
    assert str(caught.value).startswith(text)


@pytest.mark.parametrize(
    ("answers", "options", "text"),
    [
        ({10: 1}, {}, "answers that all weigh the same in the metric need no sample."),
        ({}, {}, "there are no answers."),
        ({10: 0.5, 8: 0.3, 0: 0.3}, {}, "the shares add up to 1.1.\n  Hint: say shares of 1, or counts."),
        ({10: 0.5, 0: 0.3}, {}, "the shares add up to 0.8."),
        ({10: -1, 0: 2}, {}, "10 has -1, which is no share."),
        ({11: 1, 0: 1}, {}, "11 is neither a level from 0 to 10 nor 'promoters', 'passives', 'detractors'."),
        (pl.DataFrame({"score": [None, None]}), {"score": "score"}, "there are no answers."),
        (pl.DataFrame({"score": [1, 9]}), {}, "score is required."),
    ],
)
def test_bad_answers(answers, options, text):
    with pytest.raises(InvalidOptionError) as caught:
        sample_size(answers, margin=5, **options)
    assert text in str(caught.value)


def test_what_is_no_frame():
    with pytest.raises(cx.UnsupportedFrameError):
        sample_size([1, 2, 3], score="score", margin=5)
