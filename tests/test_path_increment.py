"""Credit by the gain in the chance to convert: its twin, sums, customers alike, refusals."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cxcore as cx
from cxcore import errors
from cxcore.attribution import Bootstrap, PathIncrement
from tests import strategies
from tests.reference import chains as reference
from tests.test_attribution import PATHS, attribute, credits, journeys_in, log, random_log, says
from tests.test_attribution_models import of_one_user
from tests.test_chains import walks_of, weighted

BY = ("conversion_time", "position")


@settings(max_examples=60)
@given(
    rows=st.lists(
        st.tuples(st.integers(0, 4), st.sampled_from("xyzw"), st.sampled_from([None, None, 1.5, -0.5])),
        max_size=50,
    ),
    order=st.integers(1, 4),
    clip=st.booleans(),
    lookback=st.sampled_from(["6d", "15d", None]),
    n_threads=strategies.threads,
)
def test_increments_equal_their_twin(
    rows: list[Any], order: int, clip: bool, lookback: str | None, n_threads: int
) -> None:
    events = log(*((f"u{who}", day, channel, value) for day, (who, channel, value) in enumerate(rows)))
    journeys = journeys_in(events, lookback, n_threads)
    walks = walks_of(journeys)
    expected = reference.increments(walks, order, clip)
    model = PathIncrement(order, clip=clip)
    assert model.split(journeys) == pytest.approx([part for path in expected for part in path], abs=1e-11)
    credit = model.credit(journeys)
    amount = np.zeros((len(journeys.names), 2))
    places = {name: code for code, name in enumerate(journeys.names)}
    for parts, walk in zip(expected, (w for w in walks if w.value is not None), strict=True):
        for part, name in zip(parts, walk.path, strict=True):
            amount[places[name]] += (part, part * (walk.value or 0.0))
    assert credit.conversions == pytest.approx(amount[:, 0], abs=1e-10)
    assert credit.value == pytest.approx(amount[:, 1], abs=1e-10)


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("clip", [False, True])
@pytest.mark.parametrize(("users", "lookback"), [(100, "30d"), (4, None)])
def test_every_conversion_is_split_whole(order: int, clip: bool, users: int, lookback: str | None) -> None:
    """Windows of hundreds of touches that overlap; customers alike, some of them nobody."""
    journeys = weighted(journeys_in(random_log(n=1_500, users=users), lookback))
    model = PathIncrement(order, clip=clip)
    part, some = model.split(journeys), journeys.lo < journeys.hi
    conversion, touch = journeys.pairs
    sums = np.bincount(conversion, part, minlength=len(some))
    assert sums[some] == pytest.approx(np.ones(some.sum()), abs=1e-9)
    assert part.min() >= 0.0 if clip else part.min() < 0.0
    expected = np.zeros((len(journeys.channel), 2))
    for at, weight in enumerate((journeys.weight, journeys.weight * journeys.value)):
        expected[:, at] = np.bincount(touch, part * weight[conversion], minlength=len(expected))
    assert model.touch_credit(journeys) == pytest.approx(expected, abs=1e-9 * journeys.weight.sum())


def test_worked_by_hand() -> None:
    """x 1/2, then y 1; z 0. Of four journeys x y and y convert, x and z do not: the rate is 1/2.

    x: 1/2 - 1/2 = 0; y: 1 - 1/2, and nothing is left at the conversion.
    """
    events = log(
        *(("a", 0, "x", None), ("a", 1, "y", None), ("a", 2, None, 6.0)),
        *(("b", 0, "y", None), ("b", 1, None, 3.0)),
        *(("c", 0, "x", None), ("d", 0, "z", None)),
    )
    answer = attribute(events, model="path_increment")
    assert credits(answer) == pytest.approx({"x": 0.0, "y": 2.0, "z": 0.0})
    worse = log(*((f"n{k}", 0, "x", None) for k in range(4)))  # now x converts 1 of 6, the rate is 2 of 8
    answer = attribute(pl.concat([events, worse]), model="path_increment")
    down = (1 / 6 - 1 / 4) / (3 / 4)
    assert credits(answer) == pytest.approx({"x": down, "y": 1.0 + (1.0 - down), "z": 0.0})
    clipped = attribute(pl.concat([events, worse]), model=PathIncrement(clip=True))
    assert credits(clipped) == pytest.approx({"x": 0.0, "y": 2.0, "z": 0.0})


@pytest.mark.parametrize("clip", [False, True])
def test_where_no_journey_failed_touches_share_alike(clip: bool) -> None:
    answer, linear = (
        attribute(PATHS, model=model, nulls=False)["conversions"].to_list()
        for model in (PathIncrement(clip=clip), "linear")
    )
    assert answer == pytest.approx(linear)


def test_touches_are_what_the_channels_have() -> None:
    events = random_log(n=1_000, users=100)
    model = PathIncrement(2)
    rows = attribute(events, model=model, touches=True)
    by_channel = credits(attribute(events, model=model))
    sums = dict(rows.group_by("channel").agg(pl.col("credit").sum()).iter_rows())
    assert sums == pytest.approx(by_channel)
    assert set(attribute(events, model=model, touches=True)["model"]) == {"path_increment(order=2)"}


def test_clipped_credit_has_no_formula_for_its_error() -> None:
    model = PathIncrement(clip=True)
    text = (
        "attribute(model='path_increment(clip=True)'): it does not say what one customer changes, so there "
        "is no formula for its error.\n  Hint: say method='bootstrap'."
    )
    with pytest.raises(errors.InvalidOptionError, match=says(text)):
        attribute(PATHS, model=model, confidence_level=0.9)
    drawn = attribute(PATHS, model=model, confidence_level=0.9, method=Bootstrap(replicates=100, rng=1))
    assert (drawn["high"] >= drawn["low"]).all()


def test_intervals_by_formula_and_by_drawing_agree() -> None:
    """The chain of each replicate is learned anew."""
    events = random_log(n=6_000, users=1_500)
    a, b = (
        attribute(events, model=PathIncrement(2), confidence_level=0.95, method=method)["standard_error"]
        for method in ("analytic", Bootstrap(replicates=400, rng=1))
    )
    assert (a / b).to_list() == pytest.approx([1.0] * len(a), abs=0.15)


def test_options_are_refused_with_a_way_on() -> None:
    text = "PathIncrement(order=0): an order is a whole number from 1 to 20.\n  Hint: such as 2."
    with pytest.raises(errors.InvalidOptionError, match=says(text)):
        PathIncrement(0)
    text = (
        "PathIncrement(clip='yes'): takes True or False.\n  Hint: True cuts what touches take away off at 0."
    )
    with pytest.raises(errors.InvalidOptionError, match=says(text)):
        PathIncrement(clip="yes")  # type: ignore[arg-type]  # wrong on purpose


def test_overlapping_windows_cost_no_pairs() -> None:
    """10,000 conversions that look at up to a million touches: 5e9 pairs."""
    journeys = of_one_user(1_000_000, 100)
    journeys = replace(journeys, null_lo=journeys.null_hi - 50)
    start = time.process_time()
    credit = PathIncrement(2).credit(journeys)
    assert time.process_time() - start < 20
    assert credit.conversions.sum() == pytest.approx(10_000, rel=1e-9)


def test_it_differs_from_removal_effects() -> None:
    answer = attribute(PATHS, model=["markov", "path_increment"])
    a, b = (part["conversions"].to_list() for part in answer.partition_by("model"))
    assert a != pytest.approx(b)
    assert sum(a) == pytest.approx(sum(b))
    assert cx.attribution.MODELS["markov"].by_touch == "path_increment"


def test_times_of_nobody_change_nothing() -> None:
    journeys = journeys_in(random_log(n=500, users=50))
    times = (np.arange(journeys.n_users) % 2).astype(np.float64)
    some = journeys_in(random_log(n=500, users=50))
    credit = PathIncrement(2).credit(replace(journeys, times=times))
    assert credit.conversions.sum() == pytest.approx(times @ _converted(some))


def _converted(journeys: Any) -> np.ndarray:
    user = np.repeat(np.arange(journeys.n_users), np.diff(journeys.conversion_offset))
    return np.bincount(user, journeys.lo < journeys.hi, minlength=journeys.n_users)
