"""Chains of any order: their twin, the certified error, facts of chains, slow chains."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import cxcore as cx
from cxcore import errors
from cxcore._path_columns import path_columns
from cxcore.attribution import Journeys, Markov, PathIncrement
from cxcore.attribution.chains import StateChain, states_taken_out
from cxcore.attribution.markov import credit_of
from cxcore.attribution.order import orders_of
from cxcore.attribution.path_journeys import journeys_of_paths
from cxcore.attribution.taken_out import taken_out
from cxcore.attribution.transition_table import transition_table
from tests import strategies
from tests.reference import attribution as journeys_reference
from tests.reference import chains as reference
from tests.reference import markov as nulls_reference
from tests.reference.chains import Walk
from tests.test_attribution import (
    PATHS,
    ROLES,
    attribute,
    credits,
    events_of,
    journeys_in,
    log,
    random_log,
    says,
)

EXACT = {"rel": 1e-10, "abs": 1e-10}


def walks_of(journeys: Journeys) -> list[Walk]:
    """The windows of journeys, one by one."""
    times = journeys.times if len(journeys.times) else np.ones(journeys.n_users)
    names = journeys.names.to_list()

    def path(lo: int, hi: int) -> list[Any]:
        return [names[code] for code in journeys.channel[lo:hi]]

    found = [
        Walk(path(lo, hi), float(value), float(n))
        for lo, hi, value, n in zip(journeys.lo, journeys.hi, journeys.value, journeys.weight, strict=True)
    ]
    lost = zip(journeys.null_lo, journeys.null_hi, times, strict=True) if len(journeys.null_lo) else ()
    return found + [Walk(path(lo, hi), None, float(n)) for lo, hi, n in lost]


def weighted(journeys: Journeys, seed: int = 5) -> Journeys:
    """Customers alike, some of them nobody, no whole numbers; no times, no keys: as aggregated paths."""
    rng = np.random.default_rng(seed)
    times = rng.random(journeys.n_users) * 3 * (rng.random(journeys.n_users) < 0.9)
    empty = np.empty(0, np.int64)
    return replace(journeys, times=times, tick=empty, conversion_tick=empty, touch_row=empty)


# ---------------------------------------------------------------- the twin


@settings(max_examples=60)
@given(
    house=strategies.touch_logs(max_size=60),
    order=st.integers(2, 5),
    lookback=st.sampled_from(["1h", "2d", None]),
    allocation=st.sampled_from(["share", "reset"]),
    nulls=st.booleans(),
    n_threads=strategies.threads,
)
def test_chains_equal_their_twin(
    house: pl.DataFrame, order: int, lookback: str | None, allocation: str, nulls: bool, n_threads: int
) -> None:
    house = house.with_columns(user=pl.int_range(pl.len()) % 7)  # longer journeys
    tick = strategies.tick_length(house["time"])
    limit = {"1h": 3600 * 10**9 // tick, "2d": 2 * 86_400 * 10**9 // tick, None: None}[lookback]
    events = events_of(house.with_columns(seq=0))
    journeys = journeys_reference.fill_journeys(events, limit, allocation == "reset")
    walks = [Walk([t.channel for t in j.touches], j.conversion.value) for j in journeys]
    if nulls:
        walks += [Walk(path, None) for path in nulls_reference.null_journeys(events, limit)]
    expected = reference.credit(walks, order)
    options: dict[str, Any] = {"lookback": lookback, "allocation": allocation, "nulls": nulls}
    options |= {"conversion": "conversion", "value": "value", "n_threads": n_threads}
    answer = cx.attribute(house, **ROLES, model=Markov(order), **options)
    columns = ("channel", "error_bound", "conversions", "value", "removal_effect")
    for channel, bound, *found in answer.select(columns).iter_rows():
        if channel is not None:
            want = expected.get(channel, (0.0, 0.0, 0.0))
            assert found == pytest.approx(want, **EXACT)
            assert abs(found[0] - want[0]) <= bound + 1e-12
            assert bound <= 1e-10 * max(1, len(journeys))


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize(("users", "lookback"), [(200, "30d"), (20, "30d"), (4, None)])
def test_long_windows_that_overlap(order: int, users: int, lookback: str | None) -> None:
    """Hundreds of touches a journey; weights that are no whole numbers, and nobody."""
    journeys = weighted(journeys_in(random_log(n=1_500, users=users), lookback))
    credit = StateChain.of(journeys, order).credit()
    expected = reference.credit(walks_of(journeys), order)
    whole = journeys.weight.sum()
    assert credit.error_bound is not None
    assert credit.removal_effect is not None
    assert credit.error_bound.max() <= 1e-10 * whole
    for code, name in enumerate(journeys.names):
        found = (credit.conversions[code], credit.value[code], credit.removal_effect[code])
        assert found == pytest.approx(expected[name], rel=1e-9)
        assert abs(credit.conversions[code] - expected[name][0]) <= credit.error_bound[code] + 1e-12 * whole


def test_worked_by_hand() -> None:
    """x > y converts, y > y does not, y > x > y does: after two touches the past of y decides.

    Without x, only y > y is left of three journeys: nothing converts. Without y nothing does either.
    """
    events = log(
        *(("a", 0, "x", None), ("a", 1, "y", None), ("a", 2, None, 6.0)),
        *(("b", 0, "y", None), ("b", 1, "y", None)),
        *(("c", 0, "y", None), ("c", 1, "x", None), ("c", 2, "y", None), ("c", 3, None, 3.0)),
    )
    answer = attribute(events, model=Markov(2))
    assert credits(answer, "removal_effect") == pytest.approx({"x": 1.0, "y": 1.0})
    assert credits(answer) == pytest.approx({"x": 1.0, "y": 1.0})
    first = attribute(events, model="markov")  # which forgets how y was come to
    assert credits(first, "removal_effect") == pytest.approx({"x": 0.5, "y": 1.0})


# ---------------------------------------------------------------- facts


@pytest.mark.parametrize("order", [1, 2, 3, 7])
@pytest.mark.parametrize("alike", [False, True])
def test_the_chance_to_convert_is_the_rate_of_the_log(order: int, alike: bool) -> None:
    journeys = journeys_in(random_log(n=800, users=60))
    journeys = weighted(journeys) if alike else journeys
    chain = StateChain.of(journeys, order)
    start = chain.live[1]
    everything, error = chain.solve(False, start, -1, 1, np.empty((0, 0)), chain.conversions)
    touched = float(journeys.weight[journeys.lo < journeys.hi].sum())
    assert chain.conversions == pytest.approx(touched, rel=1e-12)
    assert everything[0, 0] == pytest.approx(touched, rel=1e-12)
    assert error[0] <= 1e-10 * touched
    assert chain.chance[0] == pytest.approx(touched / chain.journeys, rel=1e-12)


@pytest.mark.parametrize("alike", [False, True])
def test_order_1_by_states_is_the_closed_form(alike: bool) -> None:
    journeys = journeys_in(random_log(n=2_000, users=150))
    journeys = weighted(journeys) if alike else journeys
    closed, found = credit_of(journeys.transitions, 1), StateChain.of(journeys, 1).credit()
    assert found.conversions == pytest.approx(closed.conversions, rel=1e-12)
    assert found.value == pytest.approx(closed.value, rel=1e-11)
    want = taken_out(journeys.transitions, 1).influence(journeys)
    got = states_taken_out(journeys, 1).influence(journeys)
    assert got == pytest.approx(want, rel=1e-9, abs=1e-9)


def test_a_memory_longer_than_all_journeys_is_one_as_long() -> None:
    journeys = journeys_in(random_log(n=400, users=150))
    longest = int((journeys.hi - journeys.lo).max())
    assert longest < 15
    a, b = (StateChain.of(journeys, order).credit() for order in (longest, 20))
    assert a.conversions == pytest.approx(b.conversions, rel=1e-12)
    # every journey is a state of its own: without a channel, those that met it are lost
    walks = [walk for walk in walks_of(journeys) if walk.path]
    rates = {}
    for walk in walks:
        rates.setdefault(tuple(walk.path), []).append(walk.value is not None)
    for code, name in enumerate(journeys.names):
        met = sum(walk.value is not None for walk in walks if name in walk.path)
        assert b.removal_effect is not None
        assert b.removal_effect[code] * b.conversions.sum() == pytest.approx(met)


def test_repeats_of_a_channel_matter_from_order_2_on() -> None:
    rows = [row for row in PATHS.iter_rows() for _ in range(1 + (row[2] == "x"))]
    repeated = pl.DataFrame(rows, PATHS.schema, orient="row")
    one, two = (attribute(PATHS, model=Markov(order)) for order in (1, 2))
    assert_frame_equal(attribute(repeated, model=Markov(1)), one)
    assert not attribute(repeated, model=Markov(2)).equals(two)


@pytest.mark.parametrize("order", [2, 3])
def test_the_same_bits_for_any_threads_and_digits_for_any_order_of_rows(order: int) -> None:
    events = random_log(n=20_000, users=4_000)
    expected = attribute(events, model=Markov(order), n_threads=1)
    for n_threads in (2, 3, 8):
        again = attribute(events, model=Markov(order), n_threads=n_threads)
        assert_frame_equal(again, expected, check_exact=True)
    whole = events["value"].abs().sum()
    for seed in range(3):
        shuffled = events.sample(fraction=1, shuffle=True, seed=seed)
        again = attribute(shuffled, model=Markov(order)).drop("error_bound")
        assert_frame_equal(again, expected.drop("error_bound"), rel_tol=1e-12, abs_tol=1e-12 * whole)


@pytest.mark.parametrize("order", [2, 4])
def test_customers_alike_count_as_often(order: int) -> None:
    journeys = journeys_in(random_log(n=400, users=60))
    times = np.arange(journeys.n_users) % 4
    alike = replace(journeys, times=times.astype(np.float64))
    walks = [w for w in walks_of(alike) for _ in range(int(w.times))]
    expected = reference.credit([replace(w, times=1.0) for w in walks], order)
    credit = Markov(order).credit(alike)
    for code, name in enumerate(journeys.names):
        assert credit.conversions[code] == pytest.approx(expected[name][0], rel=1e-11)
        assert credit.value[code] == pytest.approx(expected[name][1], rel=1e-10)


def test_a_table_of_paths_answers_as_its_events() -> None:
    events = random_log(n=1_500, users=150)
    table = cx.paths(events, **ROLES, value="value")
    roles = {"path": "path", "conversions": "conversions", "value": "value", "nulls": "nulls"}
    for model in (Markov(2), Markov(3), PathIncrement(2)):
        got = cx.attribute_paths(table, **roles, model=model).drop("error_bound", strict=False)
        want = attribute(events, model=model).drop("error_bound", strict=False)
        assert_frame_equal(got, want, rel_tol=1e-9, abs_tol=1e-9)
    columns = path_columns("f", table, **roles, separator=None, n_threads=1)
    of_paths = journeys_of_paths(columns, nulls=True, draws=False, with_rows=False, n_threads=1)
    of_events = transition_table(journeys_in(events), 2)
    assert_frame_equal(transition_table(of_paths, 2), of_events, rel_tol=1e-12)
    assert orders_of(of_paths, 2, 10, 1)["states"].to_list() == [7, 56]


def test_few_channels_at_a_time_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    journeys = journeys_in(random_log(n=2_000, users=150))
    whole = Markov(3).credit(journeys)
    monkeypatch.setattr("cxcore.attribution.chains._HELD", 1_000)
    assert Markov(3).credit(journeys).conversions == pytest.approx(whole.conversions, rel=1e-12)


def test_what_never_leads_to_a_conversion_has_no_effect() -> None:
    events = log(
        *(("a", 0, "x", None), ("a", 1, None, 1.0)),
        *(("b", 0, "x", None), ("b", 1, "dead", None), ("b", 2, "end", None), ("b", 3, "dead", None)),
    )
    answer = attribute(events, model=Markov(2))
    assert credits(answer, "removal_effect") == {"dead": 0.0, "end": 0.0, "x": 1.0}
    assert credits(answer) == {"dead": 0.0, "end": 0.0, "x": 1.0}
    nobody = attribute(events.filter(pl.col("user") == "b"), model=Markov(2))
    assert nobody["conversions"].to_list() == nobody["error_bound"].to_list() == [0.0, 0.0, 0.0]
    assert attribute(log(), model=Markov(2)).schema == answer.schema


def test_signed_values_that_cancel_are_split_as_conversions_are() -> None:
    rows = [("a", 0, "x", None), ("a", 1, None, 0.1), ("b", 0, "y", None), ("b", 1, None, 0.2)]
    events = log(*rows, ("c", 0, "z", None), ("c", 1, None, -0.3))
    answer = attribute(events, model=Markov(2))
    assert credits(answer, "value") == pytest.approx({"x": 0.0, "y": 0.0, "z": 0.0}, abs=1e-15)


@settings(max_examples=40)
@given(
    drawn=st.lists(
        st.tuples(st.integers(0, 4), st.sampled_from("xyzw"), st.sampled_from([None, None, 0.0, 1.5])),
        min_size=1,
        max_size=40,
    ),
    model=st.sampled_from([Markov(2), Markov(3), PathIncrement(), PathIncrement(2)]),
    lookback=st.sampled_from(["6d", None]),
)
def test_an_influence_on_few_customers(drawn: list[Any], model: Any, lookback: str | None) -> None:
    """Dead ends, channels that earn nothing, logs where all or none convert: derivatives all the same."""
    rows = ((f"u{who}", day, channel, value) for day, (who, channel, value) in enumerate(drawn))
    journeys = journeys_in(log(*rows), lookback)
    times = 1.0 + np.random.default_rng(4).random(journeys.n_users)
    influence = model.influence(model.fit(journeys := replace(journeys, times=times)), journeys)
    step = 1e-4
    for user in range(journeys.n_users):
        change = step * (np.arange(journeys.n_users) == user)
        more, less = (model.credit(replace(journeys, times=times + by)) for by in (change, -change))
        slope = [
            (getattr(more, name) - getattr(less, name)) / (2 * step) for name in ("conversions", "value")
        ]
        assert influence[user] == pytest.approx(np.column_stack(slope), rel=1e-5, abs=1e-6)


# ---------------------------------------------------------------- slow chains, and the bound


def round_and_round(*parts: tuple[str, int], users: int = 30) -> Journeys:
    """Journeys that go round a circle of channels, up to so many times."""
    rng = np.random.default_rng(7)
    rows: list[Any] = []
    for circle, most in parts:
        for who in range(users):
            before, after = ("".join(rng.choice(list("xyz"), rng.integers(0, 3))) for _ in range(2))
            path = before + circle * rng.integers(1, most) + after
            user = f"{circle}{who}"
            rows += [(user, at / 1_000, channel, None) for at, channel in enumerate(path)]
            rows += [(user, len(path) / 1_000, None, 1.0 + who)] * int(rng.random() < 0.5)
    return journeys_in(log(*rows), None)


@pytest.mark.parametrize(
    "parts",
    [[("a", 3_000)], [("ab", 900)], [("ab", 900), ("cd", 300)], [("abc", 400)], [("abcde", 200), ("fg", 90)]],
    ids=str,
)
@pytest.mark.parametrize("order", [1, 2, 4])
def test_journeys_that_hardly_end(parts: list[tuple[str, int]], order: int) -> None:
    """The same few touches a thousand times: a plain iteration takes 30,000 steps, or 10^5."""
    journeys = round_and_round(*parts)
    credit = StateChain.of(journeys, order).credit()
    assert credit.error_bound is not None
    assert credit.error_bound.max() <= 1e-10 * credit.conversions.sum()
    expected = reference.credit(walks_of(journeys), order)
    for code, name in enumerate(journeys.names):
        assert credit.conversions[code] == pytest.approx(expected[name][0], rel=1e-9)
        assert credit.value[code] == pytest.approx(expected[name][1], rel=1e-9)


def test_a_solution_that_was_cut_short_says_how_far_it_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    journeys = round_and_round(("abcde", 200), ("fgh", 90))
    exact = Markov(2).credit(journeys)
    monkeypatch.setattr("cxcore.attribution.chains._MOST_WORK", 1.0)
    rough = Markov(2).credit(journeys)
    assert rough.error_bound is not None
    off = abs(rough.conversions - exact.conversions)
    assert (off <= rough.error_bound).all()
    assert off.max() > 1e-6
    assert rough.error_bound.max() <= journeys.weight.sum()


# ---------------------------------------------------------------- options and answers


@pytest.mark.parametrize("order", [0, -1, 21, 1.0, "2", None, True, [1]])
def test_an_order_is_a_small_whole_number(order: Any) -> None:
    text = f"Markov(order={order!r}): an order is a whole number from 1 to 20.\n  Hint: such as 2."
    with pytest.raises(errors.InvalidOptionError, match=says(text)):
        Markov(order)


def test_only_what_is_iterated_has_a_bound() -> None:
    assert Markov(2).label == "markov(order=2)"
    assert Markov(1).label == "markov"
    assert "error_bound" not in attribute(PATHS, model="markov").columns
    answer = attribute(PATHS, model=["linear", "markov", Markov(np.int64(2))])
    bounds = answer.group_by("model", maintain_order=True).agg(pl.col("error_bound").is_null().all())
    assert bounds.rows() == [("linear", True), ("markov", True), ("markov(order=2)", False)]


def test_every_engine(frame: Any) -> None:
    models = [Markov(2), Markov(3)]
    options = {"model": models, "confidence_level": 0.9}
    frame.check(attribute(frame(PATHS), **options), attribute(PATHS, **options))


def test_intervals_by_formula_and_by_drawing_agree() -> None:
    events = random_log(n=6_000, users=1_500)
    drawn = cx.attribution.Bootstrap(replicates=400, rng=1)
    a, b = (
        attribute(events, model=Markov(2), confidence_level=0.95, method=method)["standard_error"]
        for method in ("analytic", drawn)
    )
    assert (a / b).to_list() == pytest.approx([1.0] * len(a), abs=0.15)
