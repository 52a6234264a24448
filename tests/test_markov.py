"""The Markov model: the chain in fractions with each channel taken out, facts of chains, many channels."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import cxcore as cx
from cxcore._ext import markov as kernel
from tests import strategies
from tests.reference import attribution as journeys_reference
from tests.reference import markov as reference
from tests.test_attribution import PATHS, ROLES, attribute, credits, events_of, log, random_log


def effects(answer: pl.DataFrame) -> dict[str | None, float]:
    return credits(answer, "removal_effect")


def with_seq(events: pl.DataFrame) -> pl.DataFrame:
    return events.with_columns(seq=0, conversion=pl.col("value").is_not_null())


@settings(max_examples=60)
@given(
    house=strategies.touch_logs(),
    lookback=st.sampled_from(["1h", "2d", None]),
    allocation=st.sampled_from(["share", "reset"]),
    nulls=st.booleans(),
)
def test_removal_effects_equal_the_chain_with_a_channel_taken_out(
    house: pl.DataFrame, lookback: str | None, allocation: str, nulls: bool
) -> None:
    tick = strategies.tick_length(house["time"])
    limit = {"1h": 3600 * 10**9 // tick, "2d": 2 * 86_400 * 10**9 // tick, None: None}[lookback]
    events = events_of(house.with_columns(seq=0))
    journeys = journeys_reference.fill_journeys(events, limit, allocation == "reset")
    expected = reference.credit(journeys, reference.null_journeys(events, limit) if nulls else [])
    options: dict[str, Any] = {"lookback": lookback, "allocation": allocation, "nulls": nulls}
    answer = cx.attribute(house, **ROLES, conversion="conversion", value="value", model="markov", **options)
    for channel, *found in answer.select("channel", "conversions", "value", "removal_effect").iter_rows():
        if channel is not None:
            assert found == pytest.approx(expected.get(channel, (0.0, 0.0, 0.0)), rel=1e-11, abs=1e-11)


def test_worked_by_hand() -> None:
    """Two of three journeys convert: x > y, y; and x ends in nothing.

    From start: x 2/3, y 1/3. From x: y 1/2, null 1/2. From y: conversion. P = 2/3.
    Without x only start > y is left, 1/3: half is lost. Without y nothing is left.
    """
    events = log(
        *(("a", 0, "x", None), ("a", 1, "y", None), ("a", 2, None, 6.0)),
        *(("b", 0, "y", None), ("b", 1, None, 3.0)),
        ("c", 0, "x", None),
    )
    answer = attribute(events, model="markov")
    assert effects(answer) == pytest.approx({"x": 0.5, "y": 1.0})
    assert credits(answer) == pytest.approx({"x": 2 / 3, "y": 4 / 3})
    assert credits(answer, "value") == pytest.approx({"x": 3.0, "y": 6.0})
    without = attribute(events, model="markov", nulls=False)
    assert effects(without) == pytest.approx({"x": 0.5, "y": 1.0})  # x > y, y: half of all journeys meet x


def test_the_chance_to_convert_is_the_rate_of_the_log() -> None:
    events = events_of(with_seq(random_log(n=400, users=60)))
    journeys = journeys_reference.fill_journeys(events, None, reset=True)
    nulls = reference.null_journeys(events, None)
    touched = sum(bool(j.touches) for j in journeys)
    for unhappy, rate in ((nulls, Fraction(touched, touched + len(nulls))), ([], Fraction(1))):
        steps = reference.count_transitions(journeys, unhappy)
        out = {a: sum(n for (b, _), n in steps.items() if a == b) for a, _ in steps}
        converts = {a: Fraction(steps.get((a, reference.CONVERSION), 0), out[a]) for a in out}
        assert reference.expected(steps, converts) == rate


def test_steps_are_counted_as_the_twin_counts_them() -> None:
    """Every step of overlapping windows, through the removal effects of a log of some size."""
    house = with_seq(random_log(n=600, users=12, channels=4))
    limit = 20 * 86_400 * 10**6
    events = events_of(house)
    journeys = journeys_reference.fill_journeys(events, limit, reset=False)
    expected = reference.credit(journeys, reference.null_journeys(events, limit))
    answer = attribute(house, model="markov", lookback="20d")
    for channel, *found in answer.select("channel", "conversions", "value", "removal_effect").iter_rows():
        if channel is not None:
            assert found == pytest.approx(expected[channel], rel=1e-12)


def test_repeats_of_a_channel_change_nothing() -> None:
    repeated = pl.concat([PATHS, PATHS.with_columns(pl.col("time").dt.offset_by("1m"), value=None)]).sort(
        "time"
    )
    # the second of each pair comes a minute after the first: before the conversion, except at its own instant
    repeated = repeated.filter(
        ~((pl.col("user") == "c") & (pl.col("time").dt.minute() == 1) & (pl.col("channel") == "y"))
    )
    assert effects(attribute(repeated, model="markov")) == effects(attribute(PATHS, model="markov"))


def test_a_channel_that_never_leads_to_a_conversion_has_no_effect() -> None:
    events = log(
        *(("a", 0, "x", None), ("a", 1, None, 1.0)),
        *(("b", 0, "x", None), ("b", 1, "dead", None), ("b", 2, "end", None), ("b", 3, "dead", None)),
    )
    answer = attribute(events, model="markov")
    assert effects(answer) == {"dead": 0.0, "end": 0.0, "x": 1.0}
    assert credits(answer) == {"dead": 0.0, "end": 0.0, "x": 1.0}


def test_null_journeys_are_cut_to_the_lookback() -> None:
    events = log(
        *(("a", 0, "x", None), ("a", 1, "y", None), ("a", 2, None, 1.0)),
        *(("b", 0, "y", None), ("b", 40, "x", None)),
    )
    # y > x (null) would let x lead to nothing from y, too: within 30 days it is x alone
    cut = credits(attribute(events, model="markov"))
    alone = log(
        *(
            (u, d, c, v)
            for u, d, c, v in (
                ("a", 0, "x", None),
                ("a", 1, "y", None),
                ("a", 2, None, 1.0),
                ("b", 40, "x", None),
            )
        )
    )
    assert cut == credits(attribute(alone, model="markov"))
    whole = attribute(events, model="markov", lookback=None)
    assert effects(whole) != effects(attribute(events, model="markov"))


def test_signed_values_that_cancel_are_split_as_conversions_are() -> None:
    events = log(
        *(("a", 0, "x", None), ("a", 1, None, 5.0)),
        *(("b", 0, "y", None), ("b", 1, None, -5.0)),
    )
    answer = attribute(events, model="markov")
    assert credits(answer, "value") == {"x": 0.0, "y": 0.0}
    assert credits(answer) == pytest.approx({"x": 1.0, "y": 1.0})


def test_only_models_that_have_one_show_a_removal_effect() -> None:
    answer = attribute(pl.concat([PATHS, log(("e", 0, None, 1.0))]), model=["linear", "markov"])
    assert answer.filter(model="linear")["removal_effect"].null_count() == 4
    assert answer.filter(model="markov")["removal_effect"].is_null().to_list() == [False, False, False, True]
    assert "removal_effect" not in attribute(PATHS, model="linear").columns


# ---------------------------------------------------------------- the kernel, many channels


def random_chain(n: int, seed: int = 0) -> tuple[NDArray[np.float64], ...]:
    """Sparse counts with self-loops; every state has a way out."""
    rng = np.random.default_rng(seed)
    count = np.floor(rng.pareto(1.2, (n, n)) * (rng.random((n, n)) < 0.2))
    conversion, null = (
        np.floor(rng.pareto(1.5, n)) + (np.arange(n) % 3 == 0),
        1 + np.floor(rng.pareto(1.0, n) * 5),
    )
    return (
        count,
        conversion,
        null,
        np.floor(rng.pareto(1.0, n) * 9),
        rng.normal(30.0, 20.0, n) * (conversion > 0),
    )


def kernel_effects(chain: tuple[NDArray[np.float64], ...], n_threads: int = 1) -> NDArray[np.float64]:
    count, conversion, null, start, value = chain
    lost = np.zeros((2, len(start)))
    kernel.removal_effects(
        count.copy(), conversion + null, start, conversion, value, n_threads, lost[0], lost[1]
    )
    return lost


@pytest.mark.parametrize("n", [1, 2, 15, 16, 17, 63, 64, 65, 130, 200])
def test_removal_effects_of_many_channels(n: int) -> None:
    chain = random_chain(n)
    count, conversion, null, start, value = chain
    out = count.sum(axis=1) + conversion + null
    lost = kernel_effects(chain)
    for row, reward in zip(lost, (conversion / out, value / out), strict=True):
        step = count / out[:, None]
        whole = start @ np.linalg.solve(np.eye(n) - step, reward)
        for c in range(0, n, 1 + n // 6):
            left = np.arange(n) != c
            without = np.linalg.solve(np.eye(n - 1) - step[np.ix_(left, left)], reward[left])
            assert row[c] == pytest.approx(whole - start[left] @ without, rel=1e-9, abs=1e-9 * abs(whole))


def test_removal_effects_are_the_same_bits_for_any_threads() -> None:
    chain = random_chain(300)
    one = kernel_effects(chain)
    for n_threads in (2, 3, 7):
        assert (kernel_effects(chain, n_threads) == one).all()


def test_self_loops_change_no_bit() -> None:
    count, *rest = random_chain(90)
    loops = count + np.diag(np.full(90, 1e6))
    assert (kernel_effects((count, *rest)) == kernel_effects((loops, *rest))).all()


def test_nearly_endless_journeys_keep_their_accuracy() -> None:
    """One way out in 1e12 steps: subtraction would leave 4 digits."""
    count = np.array([[0.0, 1e12], [1e12, 0.0]])
    ones, lost = np.ones(2), np.zeros((2, 2))
    kernel.removal_effects(
        count, ones.copy(), np.array([1.0, 0.0]), np.array([0.0, 1.0]), ones, 1, lost[0], lost[1]
    )
    chance = Fraction(10**12, 10**12 + 1) / (1 - Fraction(10**12, 10**12 + 1) ** 2) / (10**12 + 1)
    assert lost[0] == pytest.approx([float(chance)] * 2, rel=1e-15)


def test_values_that_cancel_up_to_rounding_are_split_as_conversions_are() -> None:
    """0.1 + 0.2 - 0.3 is 5.6e-17, which says nothing of channels."""
    table = pl.DataFrame({"path": [["x"], ["x"], ["y"]], "sales": [1, 1, 1], "worth": [0.1, 0.2, -0.3]})
    found = cx.attribute_paths(table, path="path", conversions="sales", value="worth", model="markov")
    assert found["value"].abs().max() < 1e-15
