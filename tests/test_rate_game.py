"""The rate game: Shapley values in fractions over all orders, samples, your own worth, influence, errors."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import cxcore as cx
from cxcore import errors
from cxcore._ext import games as kernel
from cxcore.attribution import Bootstrap, ShapleyRate
from tests import strategies
from tests.reference import attribution as journeys_reference
from tests.reference import games as reference
from tests.reference import markov as null_reference
from tests.test_attribution import ROLES, attribute, credits, events_of, journeys_in, log, random_log

Outcomes = list[reference.Outcome]


def outcomes_of(events: list[Any], limit: int | None, reset: bool = False, nulls: bool = True) -> Outcomes:
    journeys = journeys_reference.fill_journeys(events, limit, reset)
    return reference.coalitions(journeys, null_reference.null_journeys(events, limit) if nulls else [])


@settings(max_examples=60)
@given(
    house=strategies.touch_logs(),
    lookback=st.sampled_from(["1h", "2d", None]),
    allocation=st.sampled_from(["share", "reset"]),
    nulls=st.booleans(),
    n_threads=strategies.threads,
)
def test_credit_equals_all_orders_in_fractions(
    house: pl.DataFrame, lookback: str | None, allocation: str, nulls: bool, n_threads: int
) -> None:
    tick = strategies.tick_length(house["time"])
    limit = {"1h": 3600 * 10**9 // tick, "2d": 2 * 86_400 * 10**9 // tick, None: None}[lookback]
    outcomes = outcomes_of(events_of(house.with_columns(seq=0)), limit, allocation == "reset", nulls)
    players = sorted(frozenset().union(*(met for met, _, _ in outcomes)), key=str)
    phi = reference.shapley_values(players, lambda inside: reference.rate(outcomes, inside))
    worth = reference.shapley_values(players, lambda inside: reference.rate(outcomes, inside, of_value=True))
    options: dict[str, Any] = {"lookback": lookback, "allocation": allocation, "nulls": nulls}
    answer = cx.attribute(
        house,
        **ROLES,
        conversion="conversion",
        value="value",
        model="shapley_rate",
        n_threads=n_threads,
        **options,
    )
    for channel, *found in answer.select("channel", "conversions", "value").iter_rows():
        if channel is not None:
            expected = [float(part.get(channel, Fraction(0)) * len(outcomes)) for part in (phi, worth)]
            assert found == pytest.approx(expected, rel=1e-11, abs=1e-10)
    assert set(answer["sampling_error"].drop_nulls()) <= {0.0}


def test_worked_by_hand() -> None:
    """v(x) = 1/2 (one of two journeys of x alone), v(y) = 1, v(x, y) = 3/4: of four journeys three convert.

    x first adds 1/2, x second 3/4 - 1: phi_x = 1/8, times four journeys 1/2. y: (1 + 1/4) / 2 · 4 = 5/2.
    """
    events = log(
        *(("a", 0, "x", None), ("a", 1, "y", None), ("a", 2, None, 6.0)),
        *(("b", 0, "y", None), ("b", 1, None, 3.0)),
        ("c", 0, "x", None),
        *(("d", 0, "x", None), ("d", 1, None, 7.0)),
    )
    answer = attribute(events, model="shapley_rate")
    assert credits(answer) == pytest.approx({"x": 0.5, "y": 2.5})
    # value per journey: 3.5, 3, 4: x (3.5 + 1) / 2 · 4, y (3 + 0.5) / 2 · 4
    assert credits(answer, "value") == pytest.approx({"x": 9.0, "y": 7.0})


def test_a_channel_of_journeys_that_fail_earns_less_than_nothing() -> None:
    rows = [("a", 0, "good", None), ("a", 1, None, 1.0), ("b", 0, "bad", None), ("b", 1, "good", None)]
    assert credits(attribute(log(*rows), model="shapley_rate")) == pytest.approx({"bad": -0.5, "good": 1.5})


# ---------------------------------------------------------------- kernels


def masks(journeys: Any, number: Any, n: int) -> tuple[Any, Any]:
    found = np.empty(len(journeys.lo), np.int32), np.empty(len(journeys.null_lo), np.int32)
    kernel.coalitions(journeys.view, number, n, 2, *found)
    return found


def test_coalitions_are_the_channels_of_windows_however_many_there_are() -> None:
    """Exact masks; sets by bits of two words; sets by random words beyond 128 channels."""
    for channels in (5, 40, 300):
        events = random_log(n=1_500, users=20, channels=channels)
        for lookback in ("2d", None):
            journeys = journeys_in(events, lookback)
            number = np.arange(journeys.n_channels, dtype=np.int32)
            places = [np.empty(len(lo), np.int32) for lo in (journeys.lo, journeys.null_lo)]
            offset, member = kernel.distinct_coalitions(journeys.view, number, len(number), *places)
            sets = [frozenset(member[a:b].tolist()) for a, b in pairwise(offset)]
            assert len(set(sets)) == len(sets)
            windows = ((journeys.lo, journeys.hi), (journeys.null_lo, journeys.null_hi))
            for (lo, hi), place in zip(windows, places, strict=True):
                want = [frozenset(journeys.channel[a:b].tolist()) for a, b in zip(lo, hi, strict=True)]
                assert [sets[k] if k >= 0 else frozenset() for k in place] == want
            if channels == 5:
                bits = [np.concatenate(masks(journeys, number, 5)), np.concatenate(places)]
                assert [-1 if k < 0 else sum(1 << player for player in sets[k]) for k in bits[1]] == bits[
                    0
                ].tolist()


@given(
    values=st.lists(st.integers(-8, 8), min_size=16, max_size=16),
    others=st.lists(st.integers(-8, 8), min_size=16, max_size=16),
)
def test_tables_by_mask(values: list[int], others: list[int]) -> None:
    players = [0, 1, 2, 3]
    sets = reference.all_sets(players)
    mask = {one: sum(1 << p for p in players if p in one) for one in sets}
    table = np.array([values, others], dtype=np.float64).T.copy()
    for column in range(2):
        exact = {one: Fraction(table[mask[one], column]) for one in sets}
        for run, twin in (
            (kernel.subset_sums, reference.subset_sums),
            (kernel.superset_sums, reference.superset_sums),
        ):
            got = table.copy()
            run(got, 4)
            assert {one: Fraction(got[mask[one], column]) for one in sets} == twin(exact)
        for n_threads in (1, 3):
            phi = np.zeros((4, 2))
            kernel.shapley_values(table, n_threads, phi)
            want = reference.shapley_values(players, exact.__getitem__)
            assert phi[:, column] == pytest.approx([float(want[p]) for p in players], abs=1e-12)


@pytest.mark.parametrize("n", [1, 2, 7, 40])
def test_random_orders(n: int) -> None:
    order = np.empty((50, n), np.int32)
    kernel.random_orders(2**62 + 5, 3, order)
    assert order.tolist() == reference.random_orders(2**62 + 5, 3, 50, n)


def test_random_orders_are_uniform() -> None:
    """Each of the 24 orders of four as often as the others: 24,000 draws, chi squared with 23 degrees."""
    order = np.empty((24_000, 4), np.int32)
    kernel.random_orders(7, 0, order)
    count = Counter(map(tuple, order.tolist()))
    assert len(count) == 24
    assert sum((n - 1000) ** 2 / 1000 for n in count.values()) < 49.7  # p = 0.001


# ---------------------------------------------------------------- samples


def test_sampled_shapley_is_the_mean_over_its_orders() -> None:
    events = random_log(n=250, users=60, channels=6)
    journeys = journeys_in(events)
    order = np.array(reference.random_orders(9, 0, 6, 6))
    names = sorted(journeys.names.to_list())
    outcomes = outcomes_of(
        events_of(events.with_columns(seq=0, conversion=pl.col("value").is_not_null())), 30 * 86_400 * 10**6
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cxcore.attribution.rate_game.MOST_EXACT", 5)
        credit = ShapleyRate(n_orders=12, seed=9).credit(journeys)
        own = ShapleyRate(lambda some: float(reference.rate(outcomes, some)), n_orders=12, seed=9)
        asked = own.credit(journeys)
    orders = [[names[p] for p in one] for one in order]
    want = reference.sampled_shapley(lambda some: reference.rate(outcomes, some), orders)
    worth = reference.sampled_shapley(lambda some: reference.rate(outcomes, some, of_value=True), orders)
    for found in (credit, asked):
        assert found.sampling_error is not None
        for code, name in enumerate(journeys.names):
            mean, squares = want[name]
            assert found.conversions[code] == pytest.approx(float(mean * len(outcomes)), rel=1e-9)
            error = math.sqrt(squares) * len(outcomes)
            assert found.sampling_error[code] == pytest.approx(error, rel=1e-9)
    for code, name in enumerate(journeys.names):
        assert credit.value[code] == pytest.approx(float(worth[name][0] * len(outcomes)), rel=1e-9)


def test_samples_are_near_the_exact_answer_and_say_how_near() -> None:
    journeys = journeys_in(random_log(n=6_000, users=900, channels=12))
    exact = ShapleyRate().credit(journeys)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cxcore.attribution.rate_game.MOST_EXACT", 5)
        runs = [ShapleyRate(n_orders=400, seed=seed).credit(journeys) for seed in range(20)]
    errors_of = np.array([run.sampling_error for run in runs])
    off = (np.array([run.conversions for run in runs]) - exact.conversions) / errors_of
    assert 0.8 < np.sqrt((off**2).mean()) < 1.2  # 240 of them: the error is the one that was said
    total = exact.conversions.sum()
    for run in runs:
        assert run.conversions.sum() == pytest.approx(total, rel=1e-9)
        assert run.value.sum() == pytest.approx(exact.value.sum(), rel=1e-9)


def test_samples_depend_on_neither_threads_nor_the_order_of_rows() -> None:
    events = random_log(n=4_000, users=600, channels=150)
    one = attribute(events, model="shapley_rate", n_threads=1)
    assert (one["sampling_error"].drop_nulls() > 0).any()
    assert one["conversions"].sum() == pytest.approx(events["value"].drop_nulls().len(), rel=1e-9)
    for n_threads in (2, 5):
        assert_frame_equal(
            attribute(events, model="shapley_rate", n_threads=n_threads), one, check_exact=True
        )
    shuffled = events.sample(fraction=1, shuffle=True, seed=3)
    assert_frame_equal(attribute(shuffled, model="shapley_rate"), one, rel_tol=1e-9, abs_tol=1e-7)
    assert not attribute(events, model=ShapleyRate(seed=1)).equals(one)


# ---------------------------------------------------------------- your own worth

GAME = {frozenset("x"): 0.1, frozenset("y"): 0.3, frozenset("xy"): 0.5}
TWO = log(("a", 0, "x", None), ("a", 1, "y", None), ("a", 2, None, 6.0), ("b", 0, "x", None))


def test_your_own_worth_is_taken_as_it_is() -> None:
    """phi_x = (0.1 + 0.2) / 2, phi_y = (0.3 + 0.4) / 2; two journeys, one conversion of 6."""
    for model, label in (
        (ShapleyRate(GAME), "shapley_rate(value=dict)"),
        (ShapleyRate(worth_of), "shapley_rate(value=worth_of)"),
    ):
        answer = attribute(TWO, model=model)
        assert set(answer["model"]) == {label}
        assert credits(answer) == pytest.approx({"x": 0.3, "y": 0.7})
        assert credits(answer, "value") == pytest.approx({"x": 1.8, "y": 4.2})
    assert hash(ShapleyRate(GAME)) == hash(ShapleyRate(dict(GAME)))


def worth_of(channels: frozenset[str]) -> float:
    return GAME.get(channels, 0.0)


def test_the_rate_as_your_own_worth_changes_nothing() -> None:
    events = random_log(n=300, users=80, channels=5)
    outcomes = outcomes_of(
        events_of(events.with_columns(seq=0, conversion=pl.col("value").is_not_null())), None
    )
    own = ShapleyRate(lambda some: float(reference.rate(outcomes, some)))
    got = attribute(events, model=own, lookback=None)
    want = attribute(events, model="shapley_rate", lookback=None)
    assert got["conversions"].to_list() == pytest.approx(want["conversions"].to_list())
    assert got["value"].sum() == pytest.approx(want["value"].sum())


# ---------------------------------------------------------------- influence


@pytest.mark.parametrize("channels", [5, 25])  # of all orders, of those that are drawn
@pytest.mark.parametrize("own", [False, True])
def test_influence_is_the_derivative_of_credit(own: bool, channels: int) -> None:
    journeys = journeys_in(random_log(n=400, users=50, channels=channels))
    rng = np.random.default_rng(5)
    times = rng.integers(1, 4, journeys.n_users).astype(np.float64)
    journeys = replace(journeys, times=times)
    worth = (lambda some: 0.1 * len(some) ** 1.5) if own else None
    model = ShapleyRate(worth, n_orders=40)
    fitted = model.fit(journeys)
    moved = model.influence(fitted, journeys)
    credit = model.credit(journeys)
    both = np.stack((credit.conversions, credit.value), axis=1)
    assert np.einsum("u,ucx->cx", times, moved) == pytest.approx(both, rel=1e-9, abs=1e-9)
    step = 1e-5
    for user in range(0, journeys.n_users, 7):
        ends = []
        for sign in (-1, 1):
            changed = times.copy()
            changed[user] += sign * step
            after = model.credit(replace(journeys, times=changed))
            ends.append(np.stack((after.conversions, after.value), axis=1))
        assert moved[user] == pytest.approx((ends[1] - ends[0]) / (2 * step), rel=1e-5, abs=1e-5)
    some = journeys.of_users(10, 20)
    assert model.influence(fitted, some) == pytest.approx(moved[10:20])


# ---------------------------------------------------------------- errors

WRONG: Any = 0.3  # of another type than the option says
ERRORS: dict[str, tuple[Any, str]] = {
    "kind": (lambda: ShapleyRate(WRONG), "ShapleyRate(value=0.3): not a mapping or a callable.\n"
             "  Hint: such as {frozenset({'ads'}): 0.02, …}, or a function of a frozenset."),
    "orders": (lambda: ShapleyRate(n_orders=3),
               "ShapleyRate(n_orders=3): must be a whole number, 4 or more.\n  Hint: such as 1_000."),
    "seed": (lambda: ShapleyRate(seed=-1), "ShapleyRate(seed=-1): takes a whole number from 0 to "
             f"{2**63 - 1}.\n  Hint: such as seed=0."),
    "missing": (lambda: attribute(TWO, model=ShapleyRate({frozenset("x"): 1.0})),
                "the worth of ['y'] is missing; it must be a finite number.\n"
                "  Hint: say the conversion rate of every set of channels that journeys met."),
    "nan": (lambda: attribute(TWO, model=ShapleyRate(lambda some: math.nan)),
            "the worth of [] is nan; it must be a finite number.\n"
            "  Hint: say the conversion rate of every set of channels that journeys met."),
}  # fmt: skip


@pytest.mark.parametrize("case", list(ERRORS))
def test_errors_say_how_to_go_on(case: str) -> None:
    run, text = ERRORS[case]
    with pytest.raises(errors.InvalidOptionError) as caught:
        run()
    assert str(caught.value).endswith(text)


def test_slopes_of_orders() -> None:
    """The twin's worth of sets, a hundredth of a journey more of one set, over some orders."""
    rng, n = np.random.default_rng(3), 4
    sets = [frozenset(rng.permutation(n)[: rng.integers(1, n + 1)].tolist()) for _ in range(9)]
    sets = list(dict.fromkeys(sets))
    tally = np.column_stack(
        (rng.integers(1, 5, len(sets)), rng.integers(0, 3, len(sets)), rng.random(len(sets)))
    )
    order = np.array(reference.random_orders(1, 0, 6, n), np.int32)
    offset = np.cumsum([0, *map(len, sets)])
    member = np.array([player for one in sets for player in one], np.int64)
    rate, slope = np.empty((6, n, 3)), np.empty((len(sets), n, 3))
    for n_threads in (1, 3):
        kernel.order_rates(offset, member, tally, order, n_threads, rate)
        kernel.order_slopes(offset, member, order, rate, n_threads, slope)
        for at in range(len(sets)):
            for outcome in ((0.0, 0.0), (1.0, 2.5)):
                for x in (1, 2):
                    moved = outcome[x - 1] * slope[at, :, 0] - slope[at, :, x]
                    want = reference.order_slopes(sets, tally.tolist(), order.tolist(), at, outcome[x - 1], x)
                    assert moved == pytest.approx(want, rel=1e-6, abs=1e-8)


@pytest.mark.slow
def test_errors_of_a_sampled_game_agree_with_customers_drawn_again() -> None:
    """The game of 25 channels, few of them common; the credit is of 512 orders, the errors of 128."""
    events = random_log(n=6_000, users=1_500, channels=25)
    model = ShapleyRate(n_orders=512)
    ways = ("analytic", Bootstrap(600, rng=4))
    formula, drawn = (
        attribute(events, model=model, confidence_level=0.95, method=way)["standard_error"] for way in ways
    )
    ratio = formula.to_numpy() / drawn.to_numpy()
    assert np.median(ratio) == pytest.approx(1.0, abs=0.05)
    assert (abs(ratio - 1) < 0.2).all()
