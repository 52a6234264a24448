"""``touches=True`` and ``container=``: credit of each touch, windows inside a session."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import cxcore as cx
from cxcore import errors
from cxcore.attribution import MODELS, Markov, Shapley, TimeDecay, TouchModel
from tests import strategies
from tests.reference import attribution as reference
from tests.test_attribution import DAY, ROLES, TWINS, attribute, credits, events_of, log, random_log, says

BY_TOUCH = [word for word, model in MODELS.items() if model.by_touch is None]
by_touch = pytest.mark.parametrize("model", BY_TOUCH)
LOG = log(
    *(("ann", 1, "search", None), ("ann", 8, "social", None), ("ann", 15, "email", None)),
    *(("ann", 15, None, 70.0), ("bob", 3, "email", None), ("bob", 4, None, 30.0)),
    *(("cem", 5, "search", None), ("dia", 6, None, 10.0)),
).with_columns(stage=pl.lit(value=None, dtype=pl.Boolean))


def with_stage(model: str) -> dict[str, Any]:
    return {"model": model, **({"stage": "stage"} if MODELS[model].reads_stage else {})}


# ---------------------------------------------------------------- credit of each touch


def test_one_row_for_each_conversion_and_touch() -> None:
    answer = attribute(LOG, model="linear", touches=True)
    assert answer.columns == [
        *("model", "user", "conversion_time", "touch_time", "channel", "position", "credit", "value"),
    ]
    day = {k: DAY + dt.timedelta(days=k) for k in range(20)}
    third = pytest.approx(1 / 3)
    assert answer.rows() == [
        ("linear", "ann", day[15], day[1], "search", 1, third, pytest.approx(70 / 3)),
        ("linear", "ann", day[15], day[8], "social", 2, third, pytest.approx(70 / 3)),
        ("linear", "ann", day[15], day[15], "email", 3, third, pytest.approx(70 / 3)),
        ("linear", "bob", day[4], day[3], "email", 1, 1.0, 30.0),
        ("linear", "dia", day[6], None, None, None, 1.0, 10.0),
    ]


@by_touch
@pytest.mark.parametrize("allocation", ["share", "reset"])
def test_touches_add_up_to_channels(model: str, allocation: str) -> None:
    events = random_log(users=60).with_columns(stage=pl.Series(np.arange(3_000) % 4 == 0))
    options = {**with_stage(model), "allocation": allocation, "lookback": "20d"}
    by_channel = attribute(events, **options).filter((pl.col("conversions") != 0) | (pl.col("value") != 0))
    rows = attribute(events, **options, touches=True)
    sums = rows.group_by("channel").agg(pl.col("credit", "value").sum())
    sums = sums.filter((pl.col("credit") != 0) | (pl.col("value") != 0)).sort("channel", nulls_last=True)
    assert sums["channel"].to_list() == by_channel["channel"].to_list()
    assert sums["credit"].to_list() == pytest.approx(by_channel["conversions"].to_list())
    assert sums["value"].to_list() == pytest.approx(by_channel["value"].to_list(), abs=1e-9)


@by_touch
def test_touches_of_every_engine(frame: Any, model: str) -> None:
    options = {**with_stage(model), "touches": True}
    frame.check(attribute(frame(LOG), **options), attribute(LOG, **options))


@by_touch
def test_touches_from_an_index_and_a_lazy_frame(model: str) -> None:
    events = random_log().with_columns(stage=pl.lit(value=True))
    options = {"channel": "channel", "value": "value", **with_stage(model), "touches": True}
    expected = cx.attribute(events, user="user", time="time", **options)
    assert_frame_equal(cx.attribute(cx.index(events, user="user", time="time"), **options), expected)
    lazy = cx.attribute(events.lazy(), user="user", time="time", **options)
    assert lazy.collect_schema() == expected.schema
    assert_frame_equal(lazy.collect(), expected)


def test_touches_come_in_the_order_of_the_conversions_in_the_log() -> None:
    events = random_log(n=500, users=20)
    backward = events.reverse()
    answer = attribute(events, model="linear", touches=True)
    turned = attribute(backward, model="linear", touches=True)
    by = ["conversion_time", "position"]  # no two conversions are of one instant here
    assert_frame_equal(answer.sort(by), turned.sort(by))
    times = answer["conversion_time"].unique(maintain_order=True)
    assert times.to_list() == events.filter(pl.col("value").is_not_null())["time"].to_list()
    assert answer["position"].drop_nulls().min() == 1


def test_touches_of_several_models_several_user_columns_and_whole_numbers() -> None:
    events = pl.DataFrame(
        {"shop": ["s"] * 3, "who": [1, 1, 1], "t": [5, 6, 9], "c": [7, 8, None], "v": [None, None, 2.0]}
    )
    answer = cx.attribute(
        events,
        user=["shop", "who"],
        time="t",
        time_unit="s",
        channel="c",
        value="v",
        model=["last_touch", TimeDecay("1s")],
        touches=True,
    )
    assert answer.rows() == [
        ("last_touch", "s", 1, 9, 5, 7, 1, 0.0, 0.0),
        ("last_touch", "s", 1, 9, 6, 8, 2, 1.0, 2.0),
        ("time_decay(half_life='1s')", "s", 1, 9, 5, 7, 1, pytest.approx(1 / 3), pytest.approx(2 / 3)),
        ("time_decay(half_life='1s')", "s", 1, 9, 6, 8, 2, pytest.approx(2 / 3), pytest.approx(4 / 3)),
    ]
    no_value = attribute(LOG.with_columns(v=pl.col("value") > 0), conversion="v", touches=True)
    assert no_value["value"].null_count() == len(no_value) == 5


@by_touch
def test_no_conversion_has_no_touches(model: str) -> None:
    for events in (LOG.clear(), LOG.filter(pl.col("value").is_null())):
        answer = attribute(events, **with_stage(model), touches=True)
        assert answer.height == 0
        assert answer.schema == attribute(LOG, **with_stage(model), touches=True).schema


def test_same_touch_leaves_the_conversion_to_no_touch() -> None:
    answer = attribute(LOG, model="same_touch", touches=True).filter(pl.col("user") == "ann")
    assert answer.select("channel", "position", "credit", "value").rows() == [
        ("search", 1, 0.0, 0.0),
        ("social", 2, 0.0, 0.0),
        ("email", 3, 0.0, 0.0),
        (None, None, 1.0, 70.0),
    ]


def test_ordered_shapley_says_what_each_position_earned() -> None:
    """Zhao et al. (2018): a channel's share, spread over its places."""
    events = log(*(("a", day, name, None) for day, name in enumerate("xyxz")), ("a", 9, None, 6.0))
    answer = attribute(events, model="ordered_shapley", touches=True)
    assert answer["value"].to_list() == pytest.approx([1.0, 2.0, 1.0, 2.0])


def test_models_without_a_split_refuse_touches() -> None:
    for model, word in ((Markov(), "path_increment"), (Shapley(), "ordered_shapley")):
        text = (
            f"attribute(touches=True): model '{model.label}' gives channels credit, not touches.\n"
            f"  Hint: model='{word}' has a credit for each touch."
        )
        with pytest.raises(errors.InvalidOptionError, match=says(text)):
            attribute(LOG, model=["linear", model], touches=True)
    text = "attribute(touches=1): takes True or False."
    text += "\n  Hint: True gives one row for each conversion and touch."
    with pytest.raises(errors.InvalidOptionError, match=says(text)):
        attribute(LOG, touches=1)
    text = "attribute(user='credit'): the answer has a column of that name.\n  Hint: rename it."
    with pytest.raises(errors.InvalidOptionError, match=says(text)):
        attribute(LOG.rename({"user": "credit"}), user="credit", touches=True)


def test_all_models_of_touches_say_so() -> None:
    assert all(issubclass(MODELS[word], TouchModel) for word in BY_TOUCH)


# ---------------------------------------------------------------- containers


def contained(*rows: tuple[str, float, str | None, float | None, int | None]) -> pl.DataFrame:
    visits = pl.Series("visit", [row[4] for row in rows], dtype=pl.Int64)
    return log(*(row[:4] for row in rows)).with_columns(visits)


VISITS = contained(
    *(("a", 0, "ads", None, 1), ("a", 0.1, "mail", None, 1)),
    *(("a", 2, "web", None, 2), ("a", 2.1, None, 10.0, 2), ("a", 2.2, "app", 1.0, 2)),
    *(("a", 3, None, 5.0, 3), ("a", 4, "ads", None, 1), ("a", 4.1, None, 2.0, 1)),
)


def test_touches_count_in_the_container_of_the_conversion() -> None:
    answer = attribute(VISITS, model="linear", container="visit", touches=True)
    assert answer.select("channel", "position", "credit", "value").rows() == [
        ("web", 1, 1.0, 10.0),
        ("web", 1, 0.5, 0.5),
        ("app", 2, 0.5, 0.5),
        (None, None, 1.0, 5.0),  # the last touch is of another visit
        ("ads", 1, 1.0, 2.0),  # visit 1 goes on here, as another run
    ]
    whole = credits(attribute(VISITS, model="first_touch"))
    assert whole == {"ads": 4.0, "app": 0.0, "mail": 0.0, "web": 0.0}


def test_a_row_without_a_container_is_one_of_its_own() -> None:
    events = contained(("a", 0, "ads", None, None), ("a", 1, "web", 1.0, None), ("a", 2, None, 1.0, None))
    assert credits(attribute(events, container="visit")) == {"ads": 0.0, "web": 1.0, None: 1.0}


def test_containers_of_one_instant_are_told_apart_by_their_order() -> None:
    """A log of days: what belongs to the next visit of the same day does not count."""
    rows = [("a", 0, "ads", None, 1), ("a", 0, None, 1.0, 1)]
    rows += [("a", 0, "web", None, 2), ("a", 0, None, 2.0, 2)]
    for allocation in ("share", "reset"):
        answer = attribute(contained(*rows), model="linear", container="visit", allocation=allocation)
        assert credits(answer, "value") == {"ads": 1.0, "web": 2.0}


@pytest.mark.parametrize("twin", ["linear", "last_touch", "shapley"])
@given(
    house=strategies.touch_logs(),
    visits=st.lists(st.none() | st.integers(1, 3), min_size=40, max_size=40),
    lookback=st.sampled_from(["1h", "2d", None]),
    allocation=st.sampled_from(["share", "reset"]),
)
def test_containers_equal_their_twin(
    twin: str, house: pl.DataFrame, visits: list[int | None], lookback: str | None, allocation: str
) -> None:
    model, weights = TWINS[twin]
    house = house.with_columns(visit=pl.Series(visits[: house.height], dtype=pl.Int64))
    tick = strategies.tick_length(house["time"])
    limit = None if lookback is None else {"1h": 60, "2d": 2880}[lookback] * 60 * 10**9 // tick
    events = [
        reference.Event(**{**vars(event), "container": visit})
        for event, visit in zip(events_of(house), visits, strict=False)
    ]
    journeys = reference.fill_journeys(events, limit, allocation == "reset", contained=True)
    expected = reference.credit(journeys, weights)
    roles = {**ROLES, "conversion": "conversion", "value": "value", "order": "seq", "container": "visit"}
    answer = cx.attribute(house, **roles, model=model, lookback=lookback, allocation=allocation)
    index = cx.index(house, user="user", time="time", order="seq")
    others = {role: name for role, name in roles.items() if role not in ("user", "time", "order")}
    again = cx.attribute(index, **others, model=model, lookback=lookback, allocation=allocation)
    assert_frame_equal(again, answer)
    for channel, *found in answer.select("channel", "conversions", "value").iter_rows():
        assert found == pytest.approx(expected.pop(channel, (0.0, 0.0)), rel=1e-12, abs=1e-12)
    assert all(amounts == (0.0, 0.0) for amounts in expected.values())


def test_a_session_id_is_a_container() -> None:
    events = random_log(users=20, n=2_000)
    events = cx.sessionize(events, user="user", time="time", gap="12h")
    by_id = attribute(events, model="position", container="session_id")
    assert_frame_equal(by_id, attribute(events, model="position", container="session_number"))
    sessions = events.with_columns(user=pl.col("user") + "/" + pl.col("session_number").cast(pl.String))
    assert_frame_equal(by_id, attribute(sessions, model="position", lookback=None))
    assert not by_id.equals(attribute(events, model="position"))


def test_a_null_journey_is_of_the_container_of_its_last_touch() -> None:
    rows = [("a", 0, "x", None, 1), ("a", 1, None, 1.0, 1), ("b", 0, "x", None, 1)]
    rows += [("b", 1, "y", None, 2), ("b", 2, "z", None, 2)]
    both = attribute(contained(*rows), model="markov", container="visit")
    without = attribute(contained(*rows[:2], *rows[3:]), model="markov", container="visit")
    assert_frame_equal(both, without)
    assert both["removal_effect"].to_list() == [1.0, 0.0, 0.0]


def test_a_later_container_of_the_instant_of_a_conversion_is_after_it() -> None:
    rows = (("u", 0, "ads", None, 1), ("u", 0, None, 1.0, 1), ("u", 0, "web", None, 2))
    made = cx.paths(contained(*rows), **ROLES, value="value", container="visit")
    assert made.select("path", "conversions", "nulls").rows() == [(["ads"], 1, 0), (["web"], 0, 1)]


def test_a_container_is_a_column() -> None:
    with pytest.raises(errors.ColumnNotFoundError, match="container='visits'"):
        attribute(VISITS, container="visits")
    with pytest.raises(errors.InvalidDataError, match="container='value'"):
        attribute(VISITS, container="value")
