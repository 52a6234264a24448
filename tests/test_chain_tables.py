"""``transitions`` and ``choose_order``: their twins, answers on every engine, what they do not depend on."""

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
from cxcore.attribution import Journeys, choose_order, transitions
from cxcore.attribution.chains import StateChain
from cxcore.attribution.order import Foretold, _dealt, orders_of
from cxcore.attribution.transition_table import transition_table
from tests.reference import chains as reference
from tests.test_attribution import PATHS, ROLES, journeys_in, log, random_log, says
from tests.test_chains import walks_of, weighted

VALUE = {**ROLES, "value": "value"}
rows = st.lists(
    st.tuples(st.integers(0, 5), st.sampled_from("xyzw"), st.sampled_from([None, None, 1.5])), max_size=50
)


def log_of(drawn: list[Any]) -> pl.DataFrame:
    return log(*((f"u{who}", day, channel, value) for day, (who, channel, value) in enumerate(drawn)))


# ---------------------------------------------------------------- transitions


@settings(max_examples=60)
@given(drawn=rows, order=st.integers(1, 4), lookback=st.sampled_from(["6d", None]), alike=st.booleans())
def test_transitions_equal_their_twin(
    drawn: list[Any], order: int, lookback: str | None, alike: bool
) -> None:
    journeys = journeys_in(log_of(drawn), lookback)
    journeys = weighted(journeys) if alike else journeys
    expected = reference.transitions(walks_of(journeys), order)
    table = transition_table(journeys, order)
    found = {}
    for before, to, ends, count, _ in table.iter_rows():
        state = () if before is None else (before,) if order == 1 else tuple(before)
        found[state, to, ends] = count
    assert len(found) == len(table)
    assert found == pytest.approx(expected)
    sums = table.group_by("from").agg(pl.col("probability").sum())["probability"].to_list()
    assert sums == pytest.approx([1.0] * len(sums))
    named = [
        (() if row[0] is None else (row[0],) if order == 1 else tuple(row[0])) for row in table.iter_rows()
    ]
    assert named == sorted(named)
    if not alike:
        again = transitions(log_of(drawn), **VALUE, lookback=lookback, markov_order=order)
        assert_frame_equal(again, table)


def test_ends_come_last_and_say_how() -> None:
    table = transitions(PATHS, **VALUE)
    assert table.filter(pl.col("from") == "y").select("to", "ends", "count").rows() == [
        ("x", None, 1.0),
        (None, "conversion", 2.0),
    ]
    assert table.filter(pl.col("from") == "z").select("to", "ends", "count").rows() == [
        ("x", None, 1.0),
        (None, "null", 2.0),
    ]
    assert transitions(PATHS, **VALUE, nulls=False).filter(ends="null").is_empty()


def test_a_channel_named_null_is_one() -> None:
    events = log(("a", 0, "null", None), ("a", 1, "", None), ("a", 2, None, 1.0))
    assert transitions(events, **VALUE, markov_order=2)["from"].to_list() == [None, ["null"], ["null", ""]]


@pytest.mark.parametrize("dtype", [pl.String, pl.Categorical, pl.Enum(["z", "y", "x"]), pl.Int16], ids=str)
@pytest.mark.parametrize("order", [1, 3])
def test_channels_come_back_as_they_are(dtype: Any, order: int) -> None:
    codes = {"x": "1", "y": "2", "z": "3"} if dtype == pl.Int16 else {}
    events = PATHS.with_columns(pl.col("channel").replace(codes).cast(dtype))
    table = transitions(events, **VALUE, markov_order=order)
    assert table.schema["to"] == dtype
    lazy = transitions(events.lazy(), **VALUE, markov_order=order)
    assert lazy.collect_schema() == table.schema
    assert_frame_equal(lazy.collect(), table)
    assert transitions(events.clear(), **VALUE, markov_order=order).schema == table.schema


def test_transitions_of_every_engine(frame: Any) -> None:
    frame.check(transitions(frame(PATHS), **VALUE), transitions(PATHS, **VALUE))


def test_an_index_and_containers() -> None:
    events = cx.sessionize(random_log(n=500, users=20), user="user", time="time", gap="3d")
    index = cx.index(events, user="user", time="time")
    roles = {"channel": "channel", "value": "value", "container": "session_id", "markov_order": 2}
    inside = transitions(events, user="user", time="time", **roles)
    assert_frame_equal(transitions(index, **roles), inside)
    assert not inside.equals(transitions(events, **VALUE, markov_order=2))


# ---------------------------------------------------------------- the order


@settings(max_examples=40)
@given(drawn=rows, folds=st.integers(2, 4), seed=st.integers(0, 9), alike=st.booleans())
def test_losses_equal_their_twin(drawn: list[Any], folds: int, seed: int, alike: bool) -> None:
    journeys = journeys_in(log_of(drawn), None)
    journeys = replace(journeys, key=np.arange(journeys.n_users, dtype=np.uint64))
    journeys = weighted(journeys) if alike else journeys
    parts = list(_dealt(journeys, folds, seed))
    times = journeys.times if alike else np.ones(journeys.n_users)
    assert sum(part.times for part in parts) == pytest.approx(times)
    walks = [walks_of(part) for part in parts]
    foretold = Foretold.without_memory(journeys, parts)
    for order in range(4):
        if order:
            foretold = foretold.longer(StateChain.of(journeys, order), parts)
        (ends, ended), (touches, touched) = foretold.losses()
        for fold, mine in enumerate(walks):
            others = [walk for at, walks in enumerate(walks) for walk in walks if at != fold]
            want = reference.losses(mine, others, order, journeys.names.to_list())
            found = (ends[fold], ended[fold], touches[fold], touched[fold])
            assert found == pytest.approx(want, rel=1e-9, abs=1e-12)


def remembering(order: int, users: int = 4_000, seed: int = 3) -> pl.DataFrame:
    """Journeys whose next touch depends on the last ``order`` touches; half of them convert."""
    rng = np.random.default_rng(seed)
    likes = rng.random((3,) * order) < 0.5
    path = rng.integers(0, 3, (users, 12))
    for step in range(order, path.shape[1]):
        past = tuple(path[:, step - k] for k in range(order, 0, -1))
        follows = (path[:, step - order] + 1 + likes[past]) % 3
        path[:, step] = np.where(rng.random(users) < 0.8, follows, path[:, step])
    n = users * 12
    converted = np.tile(np.arange(12) == 11, users) & np.repeat(rng.random(users) < 0.5, 12)
    return pl.DataFrame(
        {
            "user": np.repeat(np.arange(users), 12),
            "time": pl.Series(np.tile(np.arange(12), users)).cast(pl.Datetime("ms")),
            "channel": pl.Series(path.ravel()).cast(pl.String),
            "value": pl.Series(np.ones(n)).set(pl.Series(~converted), None),
        }
    )


@pytest.mark.parametrize("truth", [1, 2, 3])
def test_the_order_that_made_the_journeys_is_found(truth: int) -> None:
    table = choose_order(remembering(truth), **VALUE, rng=1)
    best = table.sort("next_touch_loss")["order"][0]
    assert best == truth
    at = table.row(truth - 1, named=True)
    assert at["next_touch_gain"] > 5 * at["next_touch_gain_error"]
    longer = table.filter(pl.col("order") > truth)
    assert (longer["next_touch_gain"] < 0).all()  # what was learned by heart does not help


def test_customers_who_were_seen_are_not_asked() -> None:
    """Noise that is learned by heart: in the sample each order looks better than the one before."""
    events = random_log(n=4_000, users=800, channels=8)
    table = choose_order(events, **VALUE, lookback=None, rng=1)
    assert (table["next_touch_gain"][1:] < 0).all()
    assert (table["conversion_gain"][1:] < 0).all()
    assert table["next_touch_loss"][0] == pytest.approx(np.log(8), abs=0.05)
    twice = pl.concat([events, events.with_columns(pl.col("user") + " again")])
    seen = choose_order(twice, **VALUE, lookback=None, rng=1)  # now most have been seen, as somebody else
    assert (seen["next_touch_loss"] < table["next_touch_loss"] - 0.02)[2:].all()


def test_folds_know_customers_and_not_rows() -> None:
    events = random_log(n=3_000, users=300)
    table = choose_order(events, **VALUE, rng=7)
    for seed in range(2):
        shuffled = events.sample(fraction=1, shuffle=True, seed=seed)
        assert_frame_equal(choose_order(shuffled, **VALUE, rng=7), table, rel_tol=1e-9)
    index = cx.index(events, user="user", time="time")
    assert_frame_equal(choose_order(index, channel="channel", value="value", rng=7), table, rel_tol=1e-9)
    assert not choose_order(events, **VALUE, rng=8).equals(table)
    assert_frame_equal(choose_order(events, **VALUE, rng=7, max_order=2), table[:2])


def test_customers_alike_are_dealt_one_by_one() -> None:
    """As aggregated paths are; a fold that had a part of each row would have seen all of the others."""
    journeys = journeys_in(remembering(2, users=1_500), None)
    table = orders_of(journeys, 3, 10, 1)

    def alike(journeys: Journeys) -> Journeys:
        return replace(journeys, times=np.ones(journeys.n_users))

    again = orders_of(alike(journeys), 3, 10, 1)
    assert again["next_touch_loss"].to_list() == pytest.approx(table["next_touch_loss"].to_list(), rel=0.01)
    assert again["states"].to_list() == table["states"].to_list()


def test_without_a_step_there_is_no_loss() -> None:
    for events in (PATHS.clear(), log(("a", 0, None, 1.0))):
        table = choose_order(events, **VALUE, max_order=2, rng=1)
        assert table.rows() == [(1, 0, *[None] * 8), (2, 0, *[None] * 8)]
    lone = choose_order(log(("a", 0, "x", None), ("b", 0, "y", 1.0)), **VALUE, max_order=1, rng=1)
    assert lone["next_touch_loss"].to_list() == [None]
    assert lone["conversion_loss"][0] > 0


def test_orders_on_every_engine(frame: Any) -> None:
    frame.check(choose_order(frame(PATHS), **VALUE, rng=1), choose_order(PATHS, **VALUE, rng=1))


def test_options_are_refused_with_a_way_on() -> None:
    text = "transitions(markov_order=0): an order is a whole number from 1 to 20.\n  Hint: such as 2."
    with pytest.raises(errors.InvalidOptionError, match=says(text)):
        transitions(PATHS, **VALUE, markov_order=0)
    text = "choose_order(max_order=21): an order is a whole number from 1 to 20.\n  Hint: such as 2."
    with pytest.raises(errors.InvalidOptionError, match=says(text)):
        choose_order(PATHS, **VALUE, max_order=21)
    text = "choose_order(folds=1): must be a whole number, 2 or more.\n  Hint: such as 1_000."
    with pytest.raises(errors.InvalidOptionError, match=says(text)):
        choose_order(PATHS, **VALUE, folds=1)
    with pytest.raises(errors.InvalidOptionError, match=r"choose_order\(rng='x'\)"):
        choose_order(PATHS, **VALUE, rng="x")
    with pytest.raises(errors.ColumnNotFoundError, match=r"transitions\(channel='chanel'\)"):
        transitions(PATHS, **{**VALUE, "channel": "chanel"})
    with pytest.raises(errors.InvalidOptionError, match=r"choose_order\(\): conversion or value is required"):
        choose_order(PATHS, **ROLES)
    with pytest.raises(errors.InvalidOptionError, match=r"transitions\(lookback=3\)"):
        transitions(PATHS, **VALUE, lookback=3)
