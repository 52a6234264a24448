"""How sure credit is: standard errors, bootstrap, comparisons, groups, spend."""

from __future__ import annotations

import datetime as dt
import gc
import math
import re
from dataclasses import replace
from typing import Any, get_args

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import cxcore as cx
from cxcore import errors
from cxcore._ext import uncertainty as kernel
from cxcore._ext.journeys import JourneyView
from cxcore.attribution import (
    METHODS,
    MODELS,
    Analytic,
    Bootstrap,
    Credit,
    Journeys,
    Markov,
    MethodWord,
    Model,
    PathIncrement,
)
from cxcore.attribution.groups import only
from cxcore.attribution.journey_sample import Everyone, JourneySample
from cxcore.attribution.sample import linear, ratio, together
from cxcore.attribution.spend import with_costs
from tests.reference import uncertainty as reference
from tests.test_attribution import ROLES, WORDS, attribute, journeys_in, log, random_log, says

TOUCHES: dict[str, Any] = {"user": "user_id", "time": "ts", "channel": "channel", "conversion": "conversion"}
#: models whose error is asked here; a bootstrap of "additive_hazard" takes long: tests of its own
SURE = [word for word in WORDS if word != "additive_hazard"]
models = pytest.mark.parametrize("model", SURE)
#: those whose credit jumps where paths tie, or asks for other logs: tests of their own
OTHERS = ("counterfactual", "same_touch", "shapley_rate")
LIMITS = ["standard_error", "low", "high", "value_low", "value_high", "share_low", "share_high"]


def touches(n: int, seed: int = 1, **options: Any) -> pl.DataFrame:
    return cx.datasets.touchpoints(n, rng=seed, **options).frame


def credit_of(events: Any, **options: Any) -> pl.DataFrame:
    return cx.attribute(events, **TOUCHES, value="value", **{"confidence_level": 0.95, **options})


def sample_of(journeys: Journeys, *chosen: Model) -> JourneySample:
    return JourneySample.of(journeys, chosen, [one.credit(journeys) for one in chosen], Everyone.of(journeys))


# ---------------------------------------------------------------- kernels and their twins


slopes = st.floats(-2, 2, width=16)
places = st.integers(0, 2)


@given(
    rows=st.lists(st.tuples(*[st.floats(-9, 9, width=16)] * 3), min_size=1, max_size=12),
    contrasts=st.lists(st.tuples(places, slopes, places, slopes), min_size=1, max_size=4),
    n_threads=st.integers(1, 3),
)
def test_add_powers(rows: Any, contrasts: Any, n_threads: int) -> None:
    block = np.array(rows, np.float64)
    a, alpha, b, beta = (np.array(x) for x in zip(*contrasts, strict=True))
    mean = alpha * block.mean(axis=0)[a] - beta * block.mean(axis=0)[b]
    sums = np.zeros((len(contrasts), 2))
    kernel.add_powers(block, np.empty(0), a, b, alpha, beta, mean, n_threads, sums)
    assert sums == pytest.approx(np.array(reference.add_powers(rows, contrasts)), rel=1e-9, abs=1e-7)


@given(
    rows=st.lists(st.tuples(*[st.floats(-9, 9, width=16)] * 3), min_size=1, max_size=12),
    n_threads=st.integers(1, 3),
)
def test_add_squares(rows: Any, n_threads: int) -> None:
    block, sums = np.array(rows, np.float64), np.zeros((3, 2))
    kernel.add_squares(block, np.empty(0), block.mean(axis=0), n_threads, sums)
    assert sums == pytest.approx(np.array(reference.add_squares(rows)), rel=1e-9, abs=1e-9)


quarters = st.integers(-8, 8).map(lambda k: k / 4)  # sums of them are exact


@given(
    customers=st.lists(
        st.tuples(
            st.lists(st.tuples(st.integers(0, 2), quarters, quarters), max_size=4),
            st.lists(st.tuples(st.booleans(), quarters), max_size=3),
        ),
        min_size=1,
        max_size=8,
    ),
    n_silent=st.integers(0, 3),
    n_threads=st.integers(1, 3),
)
def test_touch_squares(customers: Any, n_silent: int, n_threads: int) -> None:
    """Customers who change nothing need not be there; those alike are there once, so many times."""
    expected = np.array(reference.touch_squares([*customers, *[([], [])] * n_silent], 3))
    touches = [touch for mine, _ in customers for touch in mine]
    conversions = [conversion for _, mine in customers for conversion in mine]
    offsets = [np.cumsum([0, *(len(customer[at]) for customer in customers)]) for at in (0, 1)]
    none, n = np.zeros(len(conversions), np.int64), len(customers) + n_silent
    channel = np.array([channel for channel, _, _ in touches], np.int32)
    value = np.array([value for _, value in conversions], np.float64)
    earned = np.array([amounts for _, *amounts in touches], np.float64).reshape(-1, 2)
    alone = np.array([is_alone for is_alone, _ in conversions], np.uint8)
    rows = np.zeros((len(customers), 9))
    for row, (mine, theirs) in zip(rows, customers, strict=True):
        for at, count, worth in mine:
            row[2 * at : 2 * at + 2] += count, worth
        row[6:] = sum(x for x, _ in theirs), sum(x * y for x, y in theirs), len(theirs)
    for alike in (1.0, 2.0):
        times = np.full(len(customers), alike)
        view = JourneyView(*offsets, channel, none[:0], none, none, value, times, none[:0], none[:0])
        sums, mean = np.zeros((9, 2)), rows.sum(axis=0) / n
        kernel.touch_squares(view, earned, alone, mean, alike * n, n_threads, sums)
        assert sums == pytest.approx(alike * expected, rel=1e-9, abs=1e-9)


@given(
    customers=st.lists(
        st.tuples(
            st.lists(st.tuples(st.integers(0, 3), quarters), max_size=20),
            st.lists(st.tuples(st.integers(0, 2), quarters, quarters), max_size=4),
            st.lists(st.tuples(st.booleans(), quarters), max_size=3),
        ),
        min_size=1,
        max_size=8,
    ),
    table=st.lists(st.lists(quarters, min_size=6, max_size=6), min_size=4, max_size=4),
    n_silent=st.integers(0, 3),
    n_threads=st.integers(1, 3),
)
def test_list_squares(customers: Any, table: Any, n_silent: int, n_threads: int) -> None:
    """Of lists short and long, beside what touches earned; who has no conversion earned nothing."""
    customers = [(rows, theirs and mine, theirs) for rows, mine, theirs in customers]
    rows, touches, conversions = ([x for one in customers for x in one[at]] for at in range(3))
    offsets = [np.cumsum([0, *(len(one[at]) for one in customers)]) for at in range(3)]
    none, n = np.zeros(len(conversions), np.int64), len(customers) + n_silent
    channel = np.array([channel for channel, _, _ in touches], np.int32)
    value = np.array([value for _, value in conversions], np.float64)
    earned = np.array([amounts for _, *amounts in touches], np.float64).reshape(-1, 2)
    alone = np.array([is_alone for is_alone, _ in conversions], np.uint8)
    row, times = np.array([r for r, _ in rows], np.int32), np.array([x for _, x in rows], np.float64)
    expected = np.array(reference.list_squares([*customers, *[([], [], [])] * n_silent], table))
    total = np.zeros(9)
    for mine, its_touches, theirs in customers:
        total[:6] += sum((x * np.array(table[r]) for r, x in mine), np.zeros(6))
        for at, count, worth in its_touches:
            total[2 * at : 2 * at + 2] += count, worth
        total[6:] += sum(x for x, _ in theirs), sum(x * y for x, y in theirs), len(theirs)
    for alike in (1.0, 2.0):
        times_of_all = np.full(len(customers), alike)
        view = JourneyView(
            *offsets[1:], channel, none[:0], none, none, value, times_of_all, none[:0], none[:0]
        )
        sums = np.zeros((9, 2))
        lists = (offsets[0], row, times, np.array(table, np.float64), earned)
        kernel.list_squares(view, *lists, alone, total / n, alike * n, n_threads, sums)
        assert sums == pytest.approx(alike * expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(
    "chosen", [*(MODELS[word]() for word in WORDS), Markov(order=2), Markov(order=3)], ids=lambda m: m.label
)
@pytest.mark.parametrize("alike", [None, 1.5])
def test_squares_in_one_pass_are_those_of_the_influences(chosen: Model, alike: float | None) -> None:
    """Of some customers, of whom some are alike, beside others who changed nothing."""
    journeys = journeys_in(random_log(n=3_000, users=600))
    if alike is not None:
        journeys = replace(journeys, times=np.arange(journeys.n_users) % 3 + alike)
    sample = JourneySample.of(journeys, [chosen], [chosen.credit(journeys)], Everyone.of(journeys, 5_000))
    mean = sample.estimates / 5_000
    found = chosen.squares(chosen.fit(journeys), sample.readers, mean, 5_000.0)
    if found is None:
        assert not chosen.is_sum
        assert chosen.word != "markov"
        return
    expected, read = np.zeros_like(found), 0.0
    for block, times in sample.influences():
        read += times.sum() if len(times) else len(block)
        kernel.add_squares(block, times, mean, 2, expected)
    expected += (5_000 - read) * np.column_stack((mean**2, mean * mean[-1]))
    assert found[:, 0] == pytest.approx(expected[:, 0], rel=1e-9, abs=1e-9 * np.abs(expected).max())
    # a fit that is not quite at its end: influences sum to the credit as far as it went
    near = 1e-6 if chosen.word == "additive_hazard" else 1e-9
    assert found[:, 1] == pytest.approx(expected[:, 1], rel=near, abs=near * np.abs(expected[:, 1]).max())


def test_customers_all_alike_have_no_error() -> None:
    log = pl.DataFrame({"who": range(700), "day": 1, "channel": "ads", "sale": 0.1})
    roles = {"user": "who", "time": "day", "time_unit": "s", "channel": "channel", "value": "sale"}
    answer = cx.attribute(log, **roles, model="linear", confidence_level=0.95)
    assert answer.select("standard_error", "low", "high", "share_low", "value_low").row(0) == pytest.approx(
        (0.0, 700.0, 700.0, 1.0, 70.0), rel=1e-12, abs=1e-12
    )


@pytest.mark.parametrize("options", [{}, {"compare": True}, {"method": Bootstrap(100, rng=1)}], ids=str)
def test_a_call_leaves_no_journeys_behind(options: dict[str, Any]) -> None:
    """Nothing of a call holds itself: the next one would ask for new memory, and wait for its pages."""

    def alive() -> int:
        return sum(isinstance(one, Journeys) for one in gc.get_objects())

    events = random_log(n=200, users=30)
    words = list(SURE)
    gc.collect()
    gc.disable()
    try:
        before = alive()
        attribute(events, model=words, confidence_level=0.95, **options)
        assert alive() == before
    finally:
        gc.enable()


@given(keys=st.lists(st.binary(max_size=40), max_size=5))
def test_customer_keys(keys: list[bytes]) -> None:
    offset = np.cumsum([0, *map(len, keys)]).astype(np.int64)
    got = np.empty(len(keys), np.uint64)
    kernel.customer_keys(offset, np.frombuffer(b"".join(keys), np.uint8), got)
    assert got.tolist() == reference.customer_keys(keys)


words = st.integers(0, 2**64 - 1)


@given(keys=st.lists(words, min_size=1, max_size=9), seed=words, replicate=st.integers(0, 9_999))
def test_draw(keys: list[int], seed: int, replicate: int) -> None:
    drawn = np.empty(len(keys))
    kernel.draw(np.array(keys, np.uint64), np.empty(0), seed, replicate, 1, drawn)
    assert drawn.tolist() == [reference.draw(key, seed, replicate) for key in keys]


@given(
    entries=st.lists(
        st.lists(st.tuples(st.integers(0, 2), st.floats(-9, 9, width=16)), max_size=3), min_size=1, max_size=6
    ),
    seed=words,
    n_threads=st.integers(1, 3),
)
def test_resample(entries: Any, seed: int, n_threads: int) -> None:
    keys = np.arange(len(entries), dtype=np.uint64)
    offset = np.cumsum([0, *map(len, entries)]).astype(np.int64)
    flat = [pair for mine in entries for pair in mine]
    column, amount = np.array([c for c, _ in flat], np.int32), np.array([x for _, x in flat], np.float64)
    sums = np.zeros((4, 3))
    kernel.resample(keys, np.empty(0), offset, column, amount, seed, 2, n_threads, sums)
    for replicate in range(4):
        want = reference.resample(keys.tolist(), entries, seed, replicate + 2, 3)
        assert sums[replicate] == pytest.approx(want, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("mean", [0.0, 1.0, 2.5, 40.0, 499.0, 501.0, 1e5])
def test_draws_are_poisson(mean: float) -> None:
    n = 200_000
    drawn = np.empty(n)
    key = np.random.default_rng(7).integers(0, 2**64, n, dtype=np.uint64)
    kernel.draw(key, np.full(n, mean), 3, 5, 1, drawn)
    assert (drawn == np.round(drawn)).all()
    assert drawn.min() >= 0
    assert drawn.mean() == pytest.approx(mean, abs=4.5 * math.sqrt(mean / n))
    assert drawn.var() == pytest.approx(mean, rel=4.5 * math.sqrt((2 + 1 / max(mean, 1e-9)) / n))
    if mean == 1.0:
        for k in range(5):
            p = math.exp(-1) / math.factorial(k)
            assert (drawn == k).mean() == pytest.approx(p, abs=4.5 * math.sqrt(p / n))


def test_draws_of_customers_and_replicates_are_not_related() -> None:
    """Neighboring keys, seeds and replicates give draws without correlation."""
    n, none = 100_000, np.empty(0)
    key = np.arange(n, dtype=np.uint64)
    columns = [(0, 0), (0, 1), (1, 0), (2**63, 0), (0, 9_999)]
    drawn = np.empty((len(columns), n))
    for at, (seed, replicate) in enumerate(columns):
        kernel.draw(key, none, seed, replicate, 1, drawn[at])
    related = np.corrcoef(np.vstack((drawn, drawn[:, ::-1])))
    lagged = np.corrcoef(drawn[0, 1:], drawn[0, :-1])[0, 1]
    related[np.diag_indices_from(related)] = 0.0
    assert np.abs(related).max() < 5 / math.sqrt(n)
    assert abs(lagged) < 5 / math.sqrt(n)


# ---------------------------------------------------------------- analytic


def test_the_error_of_a_rule_by_hand() -> None:
    """Four customers; credit of x is 1, 0.5, 0, 0: mean 3/8; Var = 4/3 (25 + 1 + 9 + 9) / 64 = 11/12."""
    events = log(
        *(("a", 0, "x", None), ("a", 1, None, 10.0)),
        *(("b", 0, "x", None), ("b", 1, "y", None), ("b", 2, None, 20.0)),
        ("c", 0, "x", None),
        *(("d", 0, None, 5.0),),
        ("nobody", 0, None, None),
    )
    answer = attribute(events, model="linear", confidence_level=0.9)
    row = answer.row(by_predicate=pl.col("channel") == "x", named=True)
    error = math.sqrt(11 / 12)
    assert row["standard_error"] == pytest.approx(error)
    assert (row["low"], row["high"]) == pytest.approx((1.5 - 1.6448536 * error, 1.5 + 1.6448536 * error))
    value = math.sqrt(4 / 3 * (25 + 25 + 25 + 25))  # 10, 10, 0, 0
    assert row["value_high"] - row["value"] == pytest.approx(1.6448536 * value)
    share = math.sqrt(4 / 3 * (0.25 + 0 + 0 + 0.25)) / 3  # (1, 0.5, 0, 0) less half of (1, 1, 0, 1)
    assert row["share_high"] - row["share"] == pytest.approx(1.6448536 * share)
    rest = answer.row(by_predicate=pl.col("channel").is_null(), named=True)
    assert rest["standard_error"] == pytest.approx(math.sqrt(4 / 3 * (9 + 1 + 1 + 1) / 16))


@models
def test_intervals_leave_the_credit_as_it_is(model: Any) -> None:
    events = random_log()
    plain, sure = attribute(events, model=model), attribute(events, model=model, confidence_level=0.95)
    assert sure.columns == [*plain.columns, *LIMITS]
    assert_frame_equal(sure.select(plain.columns), plain, rel_tol=1e-12, abs_tol=1e-9)


@models
@pytest.mark.parametrize("method", ["analytic", Bootstrap(100, rng=3), Bootstrap(100, "bca", rng=3)], ids=str)
def test_intervals_do_not_depend_on_order_threads_or_index(model: Any, method: Any) -> None:
    events = random_log(n=1_500)
    options: dict[str, Any] = {"model": model, "confidence_level": 0.95, "method": method}
    expected = attribute(events, **options)
    shuffled = events.sample(fraction=1, shuffle=True, seed=4)
    assert_frame_equal(attribute(shuffled, **options), expected, rel_tol=1e-9, abs_tol=1e-9)
    for n_threads in (1, 3):
        assert_frame_equal(attribute(events, n_threads=n_threads, **options), expected, check_exact=True)
    index = cx.index(events, user="user", time="time")
    found = cx.attribute(index, channel="channel", value="value", **options)
    assert_frame_equal(found, expected, rel_tol=1e-9, abs_tol=1e-9)


@pytest.mark.parametrize("options", [{}, {"compare": True}, {"method": Bootstrap(100, rng=1)}], ids=str)
def test_every_engine(frame: Any, options: dict[str, Any]) -> None:
    events = random_log(n=200, users=30)
    options = {"model": ["linear", "markov"], "confidence_level": 0.9, **options}
    frame.check(attribute(frame(events), **options), attribute(events, **options))


SHAPES: list[dict[str, Any]] = [{}, {"compare": True}, {"by": "user"}, {"confidence_level": None}]


@pytest.mark.parametrize("options", SHAPES, ids=str)
def test_a_lazy_frame_knows_its_schema(options: dict[str, Any]) -> None:
    events = random_log(n=200, users=5)
    spend = pl.DataFrame({"channel": ["channel 1"], "cost": [3]})
    if "by" not in options:
        options = {**options, "spend": spend}
    lazy = attribute(events.lazy(), model=["linear", "markov"], **{"confidence_level": 0.9, **options})
    assert lazy.collect_schema() == lazy.collect().schema
    empty = attribute(events.clear(), **{"confidence_level": 0.9, **options, "spend": None})
    assert empty.height == 0
    assert set(empty.columns) <= set(lazy.collect_schema())


@models
def test_customers_alike_have_the_error_of_their_copies(model: Any) -> None:
    """``times`` says what rows of other customers would have said, of errors as of credit."""
    events = random_log(users=40, n=400)
    journeys = journeys_in(events)
    first = events.unique("user", keep="first", maintain_order=True)["user"]
    times = pl.DataFrame({"user": first, "times": np.random.default_rng(3).integers(0, 4, len(first))})
    copies = events.join(times, on="user", maintain_order="left").with_columns(copy=pl.int_ranges("times"))
    copies = copies.filter(pl.col("times") > 0).explode("copy")
    copies = copies.with_columns(user=pl.col("user") + "/" + pl.col("copy").cast(pl.String))
    alike = replace(journeys, times=times["times"].cast(pl.Float64).to_numpy())
    chosen = MODELS[model]()
    errors_by_name = []
    for one in (alike, journeys_in(copies)):
        sample = sample_of(one, chosen)
        channel = np.arange(one.n_channels)
        parts = [linear(sample.column(0, channel, of_value)) for of_value in (False, True)]
        parts.append(ratio(sample.column(0, channel, False), sample.n_columns - 1, sample.estimates))
        found = Analytic().limits(sample, together(parts), 0.95, 0).standard_error.reshape(3, -1)
        errors_by_name.append({name: found[:, code] for code, name in enumerate(one.names)})
    assert errors_by_name[0].keys() == errors_by_name[1].keys()
    for name, error in errors_by_name[0].items():
        assert error == pytest.approx(errors_by_name[1][name], rel=1e-9)


# ---------------------------------------------------------------- bootstrap


def relative_errors(events: pl.DataFrame, chosen: list[Any], replicates: int) -> np.ndarray:
    """Analytic standard errors and half widths over those of the bootstrap, less 1."""
    sure = credit_of(events, model=chosen)
    drawn = credit_of(events, model=chosen, method=Bootstrap(replicates, rng=11))
    found = [sure["standard_error"] / drawn["standard_error"] - 1]
    for name in ("value", "share"):
        width = [frame[f"{name}_high"] - frame[f"{name}_low"] for frame in (sure, drawn)]
        found.append(width[0] / width[1] - 1)
    return np.array([part.to_numpy() for part in found])


def test_formula_and_bootstrap_agree() -> None:
    found = relative_errors(touches(4_000), ["linear", "last_touch", "time_decay", "markov"], 4_000)
    assert np.abs(found[0]).max() < 0.05
    assert np.abs(found[1:]).max() < 0.10  # quantiles of 4,000 replicates are noisier than their deviation


@pytest.mark.slow
def test_formula_and_bootstrap_agree_on_every_channel() -> None:
    """20 channels, 20,000 customers; a game of 8, since each replicate is a game."""
    events = touches(20_000, seed=2, effects=20, ids="string")
    chosen = [*(word for word in SURE if word not in OTHERS), Markov(2), PathIncrement(2)]
    assert np.abs(relative_errors(events, chosen, 4_000)[0]).max() < 0.05
    few = touches(20_000, seed=2, effects=8, ids="string")
    assert np.abs(relative_errors(few, ["shapley_rate"], 4_000)[0]).max() < 0.05
    drawn = np.random.default_rng(1).choice(events["channel"].drop_nulls().to_numpy(), len(events))
    at_once = events.with_columns(channel=pl.when("conversion").then(pl.Series(drawn)).otherwise("channel"))
    assert np.abs(relative_errors(at_once, ["same_touch"], 4_000)[0]).max() < 0.05


@pytest.mark.slow
def test_the_formula_of_counterfactual_is_rough() -> None:
    """As its page says: errors by formula lie above those of the bootstrap, up to a fifth."""
    found = relative_errors(touches(20_000, seed=2, effects=8, ids="string"), ["counterfactual"], 4_000)[0]
    assert found.min() > -0.05
    assert found.max() < 0.20


@pytest.mark.parametrize("model", [word for word in SURE if word != "same_touch"])  # which asks for rows
def test_replicates_are_credits_of_the_drawn_customers(model: Any) -> None:
    """The sum over touches, or the fit, of a replicate is the credit of a log with customers so often."""
    journeys = replace(journeys_in(random_log(n=300, users=40)))
    sample = sample_of(journeys, MODELS[model]())
    drawn = sample.replicates(5, 3)
    times = np.empty(journeys.n_users)
    for replicate in range(3):
        kernel.draw(journeys.keys, np.empty(0), 5, replicate, 1, times)
        again = sample_of(replace(journeys, times=times), MODELS[model]()).estimates
        scale = journeys.n_users / times.sum()
        assert drawn[replicate] == pytest.approx(again * scale, rel=1e-9, abs=1e-9)


def test_a_customer_is_drawn_alike_in_every_log() -> None:
    """What a replicate draws does not depend on who else is there."""
    whole, part = touches(300), touches(300).filter(pl.col("user_id") % 2 == 0)
    index = [cx.index(frame, user="user_id", time="ts") for frame in (whole, part)]
    drawn = []
    for one in index:
        key = np.empty(one.columns.n_users, np.uint64)
        kernel.customer_keys(one.columns.keys.offset, one.columns.keys.data, key)
        times = np.empty(len(key))
        kernel.draw(key, np.empty(0), 1, 7, 1, times)
        users = one.house["user_id"].gather(one.columns.keys.first)
        drawn.append(dict(zip(users, times, strict=True)))
    assert drawn[1].items() <= drawn[0].items()


def test_seeds() -> None:
    events = touches(300)
    one, same, other = (credit_of(events, method=Bootstrap(100, rng=seed)) for seed in (1, 1, 2))
    assert_frame_equal(one, same, check_exact=True)
    assert not one["low"].equals(other["low"])
    source = np.random.default_rng(1)
    first, second = (credit_of(events, method=Bootstrap(100, rng=source)) for _ in range(2))
    assert first["low"].equals(one["low"])
    assert not second["low"].equals(one["low"])


def test_bca_moves_a_skewed_interval_up() -> None:
    """Value is skewed: the ends lie above those of the percentiles (Efron 1987)."""
    events = touches(2_000, seed=8)
    plain, moved = (credit_of(events, method=Bootstrap(2_000, kind, rng=1)) for kind in ("percentile", "bca"))
    assert (moved["value_low"] > plain["value_low"]).all()
    assert (moved["value_high"] > plain["value_high"]).all()


def test_a_model_without_an_influence_is_drawn() -> None:
    class Half(Model):
        word = "half"

        def credit(self, journeys: Journeys) -> Credit:
            found = MODELS["linear"]().credit(journeys)
            return Credit(found.conversions / 2, found.value / 2)

    events = touches(500)
    drawn = credit_of(events, model=["linear", Half()], method=Bootstrap(200, rng=1))
    n = drawn.height // 2 - drawn.filter(pl.col("channel").is_null()).height // 2
    assert drawn["high"][:n].to_list() == pytest.approx([2 * x for x in drawn["high"][n + 1 :][:n]])
    text = "attribute(model='half'): it does not say what one customer changes"
    for method in ("analytic", Bootstrap(100, "bca")):
        with pytest.raises(errors.InvalidOptionError, match=re.escape(text)):
            credit_of(events, model=Half(), method=method)


# ---------------------------------------------------------------- the truth


def coverage(model: str, n_logs: int, n_users: int, method: Any = "analytic") -> dict[str, np.ndarray]:
    """How often intervals hold what a log of 400,000 customers says, by measure and channel."""
    whole = credit_of(touches(400_000, seed=99), model=model, confidence_level=None)
    truth = {
        "conversions": whole["conversions"].to_numpy() * n_users / 400_000,
        "value": whole["value"].to_numpy() * n_users / 400_000,
        "share": whole["share"].to_numpy(),
    }
    held = {name: np.zeros(whole.height) for name in truth}
    for seed in range(n_logs):
        answer = credit_of(touches(n_users, seed=1_000 + seed), model=model, method=method)
        assert answer["channel"].equals(whole["channel"], null_equal=True)
        for name, true in truth.items():
            ends = [f"{name}_low", f"{name}_high"] if name != "conversions" else ["low", "high"]
            low, high = (answer[end].to_numpy() for end in ends)
            held[name] += (low <= true) & (true <= high)
    return {name: count / n_logs for name, count in held.items()}


@pytest.mark.slow
@pytest.mark.parametrize("model", ["linear", "markov"])
def test_intervals_cover(model: str) -> None:
    """95 % intervals hold the long-run credit 93 to 97 times in 100, on average over channels."""
    found = coverage(model, 500, 4_000)
    for name in ("conversions", "share"):
        assert 0.93 <= found[name].mean() <= 0.97
        assert found[name].min() > 0.91  # of 500 logs
    assert found["value"].min() > 0.90  # log-normal values are skewed


@pytest.mark.slow
def test_intervals_cover_the_planted_truth() -> None:
    """One touch a customer and no organic conversions: then every model knows the cause.

    On average over channels, as above; of one channel 500 logs tell 1 in 100.
    """
    n_users, n_logs = 20_000, 500
    effect = {"ads": 0.05, "mail": 0.02, "web": 0.1}
    share = np.array([1, 1 / 2, 1 / 3]) / (1 + 1 / 2 + 1 / 3)
    truth = dict(zip(effect, n_users * share * np.array(list(effect.values())), strict=True))
    held = dict.fromkeys(effect, 0)
    for seed in range(n_logs):
        events = touches(n_users, seed=seed, effects=effect, mean_touches=1.0, organic=0.0)
        answer = credit_of(events, model="markov", lookback=None)
        for name, low, high in answer.select("channel", "low", "high").iter_rows():
            held[name] += low <= truth[name] <= high
    found = np.array(list(held.values())) / n_logs
    assert 0.93 <= found.mean() <= 0.97, held
    assert found.min() > 0.91, held  # of 500 logs


# ---------------------------------------------------------------- comparisons


@pytest.mark.parametrize("method", ["analytic", Bootstrap(4_000, rng=1)], ids=str)
def test_differences(method: Any) -> None:
    events = touches(2_000)
    answer = credit_of(events, model=["linear", "markov"], method=method, compare=True)
    whole = credit_of(events, model=["linear", "markov"])
    rows = whole.select("model", "channel", "conversions", "value").rows()
    credit = {(model, channel): amounts for model, channel, *amounts in rows}
    assert answer.height == 2 * (2 * 15 + 6)
    for row in answer.iter_rows(named=True):
        at = ("conversions", "value").index(row["measure"])
        here, there = credit[row["model"], row["channel"]], credit[row["other_model"], row["other_channel"]]
        assert row["difference"] == pytest.approx(here[at] - there[at])
        assert row["low"] <= row["difference"] <= row["high"]
        z = row["difference"] / row["standard_error"]
        assert row["probability_above"] == pytest.approx((1 + math.erf(z / math.sqrt(2))) / 2, abs=0.03)


def test_differences_know_that_channels_share_customers() -> None:
    """Two channels that always come together: their linear credit never differs."""
    rows = [(f"u{k}", day, channel, None) for k in range(9) for day, channel in ((0, "x"), (1, "y"))]
    sales: list[Any] = [(f"u{k}", 2, None, float(k)) for k in range(4)]
    answer = attribute(log(*rows, *sales), model="linear", confidence_level=0.95, compare=True)
    rows_of = answer.select("difference", "low", "high", "probability_above").rows()
    assert rows_of == [(0.0, 0.0, 0.0, 0.5)] * 2


def test_an_error_of_differences_is_that_of_their_customers() -> None:
    """x - y by hand: (1, -1, 0) of three customers."""
    events = log(*(("a", 0, "x", 1.0), ("b", 0, "y", 1.0), ("c", 0, "x", None)))
    answer = attribute(events, model="first_touch", confidence_level=0.95, compare=True)
    assert answer["standard_error"].to_list() == pytest.approx([math.sqrt(3 / 2 * 2)] * 2)


# ---------------------------------------------------------------- groups


def test_a_conversion_is_of_the_group_of_its_row() -> None:
    events = log(
        *(("a", 0, "x", None), ("a", 1, None, 8.0), ("a", 2, "y", None), ("a", 3, None, 4.0)),
        *(("b", 0, "y", None), ("b", 1, "x", None)),
    ).with_columns(shop=pl.Series(["web", "store", "web", "web", "store", "web"]))
    answer = attribute(events, model="linear", by="shop")
    assert answer.select("shop", "channel", "conversions", "value", "share").rows() == [
        ("store", "x", 1.0, 8.0, 1.0),
        ("store", "y", 0.0, 0.0, 0.0),
        ("web", "x", 0.5, 2.0, 0.5),
        ("web", "y", 0.5, 2.0, 0.5),
    ]
    # b's journey (y > x, nothing) is of the group of its last touch: in "store" all of x converts
    chain = attribute(events, model="markov", by="shop")
    assert chain.filter(shop="store")["removal_effect"].to_list() == pytest.approx([1.0, 0.0])


@models
@pytest.mark.parametrize("level", [None, 0.95])
def test_groups_of_whole_customers_are_logs_of_their_own(model: Any, level: float | None) -> None:
    """What differs is how many customers there are in all, which errors hardly notice."""
    events = touches(2_000).with_columns(part=pl.col("user_id") % 2)
    answer = credit_of(events, model=model, by="part", confidence_level=level)
    for part in (0, 1):
        own = credit_of(events.filter(part=part), model=model, confidence_level=level)
        mine = answer.filter(part=part).drop("part")
        same = [name for name in own.columns if name not in LIMITS]
        assert_frame_equal(mine.select(same), own.select(same), rel_tol=1e-9, abs_tol=1e-9)
        if level is not None:
            assert_frame_equal(mine, own, rel_tol=0.12, abs_tol=1e-9)


def test_groups_add_up_for_rules() -> None:
    events = touches(2_000)
    by = [pl.col("ts").dt.month().alias("month"), (pl.col("value") > 40).alias("dear")]
    answer = credit_of(events, model=["linear", "time_decay"], by=by)
    summed = answer.group_by("model", "channel").agg(pl.col("conversions", "value").sum())
    whole = credit_of(events, model=["linear", "time_decay"]).select(summed.columns)
    assert_frame_equal(summed, whole, check_row_order=False, rel_tol=1e-9)


@pytest.mark.parametrize("model", ["linear", "markov"])
@pytest.mark.parametrize("method", ["analytic", Bootstrap(100, rng=1)], ids=str)
def test_groups_from_an_index(model: Any, method: Any) -> None:
    """Other rows are read than from a frame, and the answer is the same."""
    events = touches(500, ids="string")
    options: dict[str, Any] = {"model": model, "by": pl.col("ts").dt.month().alias("month"), "method": method}
    index = cx.index(events, user="user_id", time="ts")
    roles = {"channel": "channel", "conversion": "conversion", "value": "value"}
    found = cx.attribute(index, **roles, confidence_level=0.95, **options)
    assert_frame_equal(found, credit_of(events, **options), rel_tol=1e-9, abs_tol=1e-9)


def test_groups_draw_customers_alike() -> None:
    """A replicate of a group is the group of a replicate."""
    journeys = journeys_in(random_log(n=400, users=50))
    rng = np.random.default_rng(2)
    mine = rng.random(len(journeys.value)) < 0.5
    nobody = np.zeros(journeys.n_users, np.bool_)
    chosen = MODELS["linear"]()
    key = rng.integers(0, 2**64, journeys.n_users, dtype=np.uint64)
    whole = sample_of(replace(journeys, key=key), chosen)
    parts = []
    for which in (mine, ~mine):
        part = only(whole.journeys, which, nobody)
        sample = JourneySample.of(part, [chosen], [chosen.credit(part)], whole.everyone)
        parts.append(sample.replicates(9, 20))
    assert parts[0] + parts[1] == pytest.approx(whole.replicates(9, 20), rel=1e-9, abs=1e-9)


@models
def test_a_value_of_1_counts_as_any_other(model: Any) -> None:
    """Twice the value, twice the interval: also where rows that count once are listed apart."""
    events, asked = touches(400), {"model": model, "stage": "is_lead"} if model == "w" else {"model": model}
    events = events.with_columns(is_lead=pl.int_range(pl.len()) % 7 == 0)
    of_one, of_two = (
        credit_of(events.with_columns(value=pl.when("conversion").then(worth)), **asked).select(
            pl.col("value", "value_low", "value_high") / worth
        )
        for worth in (1.0, 2.0)
    )
    assert_frame_equal(of_one, of_two, rel_tol=1e-9, abs_tol=1e-9)


def test_only_some_journeys() -> None:
    """Users without any are gone; windows, values and journeys without a conversion move along."""
    journeys = journeys_in(random_log(n=400, users=50))
    rng = np.random.default_rng(3)
    kept, nulls = rng.random(len(journeys.value)) < 0.3, rng.random(journeys.n_users) < 0.3
    some = only(journeys, kept, nulls)
    ends = zip(journeys.lo[kept], journeys.hi[kept], strict=True)
    paths = [journeys.channel[a:b].tolist() for a, b in ends]
    assert [some.channel[a:b].tolist() for a, b in zip(some.lo, some.hi, strict=True)] == paths
    assert some.value.tolist() == journeys.value[kept].tolist()
    assert some.conversion_row.tolist() == journeys.conversion_row[kept].tolist()
    walked = nulls & (journeys.null_lo < journeys.null_hi)
    paths = [
        journeys.channel[a:b].tolist()
        for a, b in zip(journeys.null_lo[walked], journeys.null_hi[walked], strict=True)
    ]
    ends = zip(some.null_lo, some.null_hi, strict=True)
    assert [some.channel[a:b].tolist() for a, b in ends if a < b] == paths


@pytest.mark.parametrize("columns", [[], [pl.col("ts").dt.month().alias("month")]], ids=["none", "one"])
def test_groups_of_a_list_that_is_read_once(columns: list[pl.Expr]) -> None:
    """No column to group by is no group."""
    events = touches(200)
    paths = cx.paths(events, **TOUCHES, by=iter(columns))
    assert_frame_equal(paths, cx.paths(events, **TOUCHES, by=columns or None))
    months = [name for name in paths.columns if name == "month"]
    roles = {"path": "path", "conversions": "conversions", "nulls": "nulls"}
    answers = [
        (credit_of(events, by=iter(columns)), credit_of(events, by=columns or None)),
        (
            cx.attribute_paths(paths, **roles, by=iter(months)),
            cx.attribute_paths(paths, **roles, by=months or None),
        ),
        (
            cx.csat(events.select("ts", score=pl.lit(4)), score="score", by=iter(columns)),
            cx.csat(events.select("ts", score=pl.lit(4)), score="score", by=columns or None),
        ),
    ]
    for found, known in answers:
        assert ("month" in found.columns) == bool(columns)
        assert_frame_equal(found, known)


# ---------------------------------------------------------------- spend

SPEND = pl.DataFrame({"channel": ["x", "y", "z"], "cost": [4.0, 0.0, 8.0]})
SALES = log(
    *(("a", 0, "x", 10.0), ("b", 0, "x", None), ("c", 0, "y", 6.0), ("d", 0, "z", None), ("e", 0, None, 2.0))
)


def test_costs_beside_credit() -> None:
    answer = attribute(SALES, model="linear", spend=SPEND)
    assert answer.select("channel", "cost", "cost_per_conversion", "roas").rows() == [
        ("x", 4.0, 4.0, 2.5),
        ("y", 0.0, 0.0, None),
        ("z", 8.0, None, 0.0),
        (None, None, None, None),
    ]
    assert "roas_low" not in answer.columns


def test_intervals_of_costs_are_those_of_credit_turned_over() -> None:
    events = touches(3_000)
    costs = pl.DataFrame({"channel": ["email", "social"], "cost": [120, 300]})
    answer = credit_of(events, model="markov", spend=costs).filter(pl.col("cost").is_not_null())
    for row in answer.iter_rows(named=True):
        low, high = row["cost_per_conversion_low"], row["cost_per_conversion_high"]
        assert (low, high) == pytest.approx((row["cost"] / row["high"], row["cost"] / row["low"]))
        assert (row["roas_low"], row["roas_high"]) == pytest.approx(
            (row["value_low"] / row["cost"], row["value_high"] / row["cost"])
        )
    few = attribute(SALES, spend=SPEND, confidence_level=0.95)
    assert few["cost_per_conversion_high"].to_list() == [math.inf, math.inf, None, None]


def test_returns_are_compared() -> None:
    answer = attribute(SALES, spend=SPEND, confidence_level=0.95, compare=True).filter(measure="roas")
    found = answer.select("channel", "other_channel", "difference").rows()
    assert found == [("x", "y", None), ("x", "z", 2.5), ("y", "z", None)]
    error = 2.5 * math.sqrt(5 / 4 * (0.8**2 + 4 * 0.2**2))
    assert answer["standard_error"].to_list() == [None, pytest.approx(error), None]


def test_costs_by_group_and_dtype() -> None:
    events = SALES.with_columns(pl.col("channel").cast(pl.Categorical), part=pl.Series([1, 1, 2, 2, 2]))
    costs = pl.DataFrame({"part": [1, 2], "channel": ["x", "y"], "cost": [5, 3]})
    costs = costs.with_columns(pl.col("channel").cast(pl.Categorical))
    answer = attribute(events, by="part", spend=costs).filter(pl.col("cost").is_not_null())
    assert answer.select("part", "channel", "roas").rows() == [(1, "x", 2.0), (2, "y", 2.0)]


# ---------------------------------------------------------------- rounding


@pytest.mark.parametrize("method", ["analytic", Bootstrap(100, rng=1), Bootstrap(100, "bca", rng=1)], ids=str)
def test_models_that_agree_are_neither_above_nor_below(method: Any) -> None:
    """A path of one channel is that channel's by every rule, up to rounding."""
    rng = np.random.default_rng(0)
    names = rng.choice(list("abc"), 300)
    rows = [(str(who), day, name, None) for who, name in enumerate(names) for day in (0, 1)]
    events = log(*rows, *((str(who), 2, None, float(rng.normal())) for who in range(0, 300, 2)))
    options: dict[str, Any] = {"model": ["linear", "time_decay", "markov"], "confidence_level": 0.9}
    for seed in (1, 2, 3):
        some = events.sample(fraction=1, shuffle=True, seed=seed)
        answer = attribute(some, **options, method=method, compare=True)
        same = answer.filter(pl.col("channel") == pl.col("other_channel"), pl.col("measure") == "conversions")
        assert same["difference"].to_list() == [0.0] * 9
        assert same["probability_above"].to_list() == [0.5] * 9


def test_ends_of_bca_do_not_depend_on_the_order_of_rows() -> None:
    """A replicate that equals the estimate up to rounding is half below it."""
    events = random_log(n=60, users=20, channels=3)
    options: dict[str, Any] = {"model": ["linear", "shapley", "markov"], "confidence_level": 0.9}
    answer = attribute(events, **options, method=Bootstrap(200, "bca", rng=1))
    for seed in range(20):
        some = events.sample(fraction=1, shuffle=True, seed=seed)
        found = attribute(some, **options, method=Bootstrap(200, "bca", rng=1))
        assert_frame_equal(found, answer, rel_tol=1e-9, abs_tol=1e-9)


def test_no_cost_of_conversions_that_are_rounding() -> None:
    """Nothing is lost without y, and the error of that is rounding, if anything."""
    events = log(
        ("d", 0, "x", None), ("c", 1, "y", None), ("b", 2, "x", 1.0), ("b", 3, "x", None), ("d", 4, "z", 1.0)
    )
    costs = pl.DataFrame({"channel": ["y"], "cost": [5.0]})
    answer = attribute(events, model="markov", confidence_level=0.9, spend=costs).filter(channel="y")
    assert 0 <= answer["high"].item() < 1e-15
    bare = answer.select("model", *answer.columns[1 : answer.columns.index("cost")])
    tiny = bare.with_columns(conversions=1e-18, low=-3e-17, high=3e-17)
    for found in (answer, with_costs(tiny, np.array([5.0]), 2.0, True)):
        nothing = ["cost_per_conversion", "cost_per_conversion_low", "cost_per_conversion_high"]
        assert found.select(nothing).row(0) == (None, None, None)


@pytest.mark.parametrize("method", ["analytic", Bootstrap(100, "bca", rng=1)], ids=str)
@pytest.mark.parametrize("unit", [1e-150, 1e150])
def test_values_whose_squares_no_number_holds_have_no_intervals(method: Any, unit: float) -> None:
    """They had intervals of no width, or of overflows."""
    events = SALES.with_columns(pl.col("value") * unit)
    worth = [10 * unit, 6 * unit, 0, 2 * unit]
    assert attribute(events, model="linear")["value"].to_list() == pytest.approx(worth, rel=1e-12, abs=0)
    with pytest.raises(cx.InvalidOptionError, match="the values add up to 1"):
        attribute(events, model="linear", confidence_level=0.9, method=method)


# ---------------------------------------------------------------- odd logs


@models
@pytest.mark.parametrize("method", ["analytic", Bootstrap(100, rng=1), Bootstrap(100, "bca", rng=1)], ids=str)
@pytest.mark.parametrize("compare", [False, True])
def test_small_logs(model: Any, method: Any, compare: bool) -> None:
    """Nobody, one customer, no conversion, no touch: nulls and zeros, and no warning."""
    two = (("a", 0, "x", None), ("b", 0, "y", None))
    for rows in ((), (("a", 0, "x", 1.0),), two, (("a", 0, None, 2.0),)):
        answer = attribute(log(*rows), model=model, method=method, confidence_level=0.9, compare=compare)
        floats = answer.select(pl.col(pl.Float64).is_nan().any())
        assert not any(floats.row(0)) if floats.width and floats.height else True


def test_rows_without_a_user_that_count_on_their_own_are_customers() -> None:
    events = log(("a", 0, "x", 1.0), ("b", 0, "x", None), ("c", 0, "y", 2.0), ("c", 1, "x", None))
    events = events.with_columns(user=pl.Series(["a", None, None, None]))
    index = cx.index(events, user="user", time="time", null_user="own")
    named = log(("a", 0, "x", 1.0), ("b", 0, "x", None), ("c", 0, "y", 2.0), ("d", 1, "x", None))
    found = cx.attribute(index, channel="channel", value="value", confidence_level=0.95)
    assert_frame_equal(found, attribute(named, confidence_level=0.95))
    cx.attribute(index, channel="channel", value="value", confidence_level=0.95, method=Bootstrap(100))


# ---------------------------------------------------------------- error texts


def test_words_are_the_registry() -> None:
    assert get_args(MethodWord) == tuple(METHODS)


CASES: dict[str, tuple[dict[str, Any], str]] = {
    "level": (
        {"confidence_level": 95},
        "attribute(confidence_level=95): a level lies between 0 and 1.\n  Hint: write 0.95.",
    ),
    "method": (
        {"confidence_level": 0.9, "method": "bca"},
        "attribute(method='bca'): not one of the words.\n"
        "  Words: 'analytic', 'bootstrap'\n  Hint: pass one of the words.",
    ),
    "compare without a level": (
        {"compare": True},
        "attribute(compare=True): it needs a confidence level.\n  Hint: such as confidence_level=0.95.",
    ),
    "method without a level": (
        {"method": "bootstrap"},
        "attribute(method='bootstrap'): it needs a confidence level.\n  Hint: such as confidence_level=0.95.",
    ),
    "compare": (
        {"confidence_level": 0.9, "compare": "yes"},
        "attribute(compare='yes'): takes True or False.\n"
        "  Hint: True gives differences in the place of credit.",
    ),
    "by": (
        {"by": "channel"},
        "attribute(by='channel'): the answer has a column of that name.\n"
        "  Hint: rename it, for example by=pl.col('channel').alias('channel_group').",
    ),
}


@pytest.mark.parametrize("case", list(CASES))
def test_options_are_refused_with_a_way_on(case: str) -> None:
    options, text = CASES[case]
    with pytest.raises(errors.InvalidOptionError, match=says(text)):
        attribute(SALES, **options)


def test_options_of_the_bootstrap_are_refused_with_a_way_on() -> None:
    text = "Bootstrap(replicates=10): must be a whole number, 100 or more.\n  Hint: such as 1_000."
    with pytest.raises(errors.InvalidOptionError, match=says(text)):
        Bootstrap(10)
    with pytest.raises(errors.InvalidOptionError, match=re.escape("Bootstrap(kind='bc'): not one of")):
        Bootstrap(kind="bc")  # type: ignore[arg-type]
    with pytest.raises(errors.InvalidOptionError, match=re.escape("Bootstrap(rng='x'): not a source")):
        Bootstrap(rng="x")


COSTS: dict[str, tuple[Any, str]] = {
    "unknown": (
        {"channel": ["x", "tv"], "cost": [1, 2]},
        "attribute(spend='channel'): 1 that the log does not have; first is 'tv'.\n"
        "  Hint: leave them out, or check the names.",
    ),
    "twice": (
        {"channel": ["x", "x"], "cost": [1, 2]},
        "attribute(spend='channel'): 'x' has more than one row.\n  Hint: add up their costs first.",
    ),
    "negative": (
        {"channel": ["x", "y"], "cost": [1.0, -2.0]},
        "attribute(spend='cost'): 1 of 2 are below 0 or null; first is -2.0, row 1.\n"
        "  Hint: leave out channels without a cost.",
    ),
    "text": (
        {"channel": ["x"], "cost": ["1"]},
        "attribute(spend='cost'): takes numbers, but the column is String.\n  Hint: cast it.",
    ),
}


@pytest.mark.parametrize("case", list(COSTS))
def test_costs_are_refused_with_a_way_on(case: str) -> None:
    data, text = COSTS[case]
    with pytest.raises(errors.InvalidDataError, match=says(text)):
        attribute(SALES, spend=pl.DataFrame(data))


def test_costs_need_their_columns() -> None:
    with pytest.raises(errors.ColumnNotFoundError, match=re.escape("attribute(spend='cost'): no such")):
        attribute(SALES, spend=pl.DataFrame({"channel": ["x"]}))
    text = "attribute(spend='a dict'): takes a frame of channel and cost."
    with pytest.raises(errors.InvalidOptionError, match=re.escape(text)):
        attribute(SALES, spend={"x": 1.0})
    with pytest.raises(errors.UnsupportedFrameError):
        attribute(SALES, spend=[("x", 1.0)])


def test_a_group_that_is_not_there() -> None:
    with pytest.raises(errors.ColumnNotFoundError, match=re.escape("attribute(by='plan'): no such column")):
        attribute(SALES, by="plan")
    assert ROLES["user"] == "user"
    assert isinstance(SALES["time"][0], dt.datetime)


def test_a_model_that_fits_by_steps_has_both_errors() -> None:
    events = random_log(n=300, users=40)
    alone = attribute(events, model="additive_hazard")
    for method in ("analytic", Bootstrap(replicates=100, kind="percentile", rng=1)):
        answer = attribute(events, model="additive_hazard", confidence_level=0.9, method=method)
        assert_frame_equal(answer.select(alone.columns), alone)
        earned = answer.filter(pl.col("conversions") > 1)
        assert (earned["low"] < earned["high"]).all()
