"""Attribution: the contract of all models, the heuristics against their twins, windows, error texts."""

from __future__ import annotations

import datetime as dt
import math
import re
from dataclasses import replace
from functools import partial
from typing import Any, get_args

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import cxcore as cx
from cxcore import errors
from cxcore._columns import EventRoles
from cxcore._ext import journeys as kernel
from cxcore._ext import native
from cxcore._options import duration
from cxcore.attribution import MODELS, Custom, FirstNon, LastNon, Markov, ModelWord, Position, TimeDecay, W
from cxcore.attribution.base import Credit, Journeys, Model, TouchModel
from cxcore.attribution.journeys import Windows, journeys_of, looked_at, touchpoints
from tests import strategies
from tests.reference import attribution as reference

ROLES: dict[str, Any] = {"user": "user", "time": "time", "channel": "channel"}
DAY = dt.datetime(2026, 1, 1)
SCHEMA = {"user": pl.String, "time": pl.Datetime("us"), "channel": pl.String, "value": pl.Float64}


def log(*rows: tuple[str, float, str | None, float | None]) -> pl.DataFrame:
    """Rows of (user, day, channel, value); a row with a value converts."""
    return pl.DataFrame([(u, DAY + dt.timedelta(days=d), c, v) for u, d, c, v in rows], SCHEMA, orient="row")


def credits(answer: pl.DataFrame, column: str = "conversions") -> dict[str | None, float]:
    return dict(answer.select("channel", column).iter_rows())


def attribute(events: Any, **options: Any) -> pl.DataFrame:
    roles = {**ROLES, **({} if "conversion" in options else {"value": "value"})}
    return cx.attribute(events, **{**roles, **options})


def random_log(seed: int = 1, n: int = 3_000, users: int = 200, channels: int = 7) -> pl.DataFrame:
    """Overlapping windows, repeated channels, lone conversions, fractional and negative values; no ties."""
    rng = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "user": [f"u{k}" for k in rng.integers(0, users, n)],
            "time": pl.Series(rng.choice(90 * 86_400, n, replace=False) * 10**6).cast(pl.Datetime("us")),
            "channel": [None if k == channels else f"channel {k}" for k in rng.integers(0, channels + 1, n)],
            "value": [float(x) if x < 25.0 else None for x in np.round(rng.normal(40, 20, n), 2)],
        }
    )


# ---------------------------------------------------------------- the contract of every model

#: "w" reads one more column, and is in tests/test_attribution_models.py
WORDS = [word for word in MODELS if not MODELS[word].reads_stage]
models = pytest.mark.parametrize("model", WORDS)
#: credit goes to touches of any row
ANY = [word for word in WORDS if word != "same_touch"]
any_touch = pytest.mark.parametrize("model", ANY)
PATHS = log(
    *(
        ("a", 0, "x", None),
        ("a", 1, "y", None),
        ("a", 2, "x", None),
        ("a", 3, None, 8.0),
        ("a", 4, "z", None),
    ),
    *(("b", 0, "y", None), ("b", 2, None, 2.5)),
    *(("c", 0, "z", None), ("c", 1, "x", None), ("c", 1.5, "y", 4.0)),
    *(("d", 0, "x", None), ("d", 1, "z", None)),
)


@models
@pytest.mark.parametrize("allocation", ["share", "reset"])
@pytest.mark.parametrize("lookback", ["30d", "36h", None])
def test_credit_is_conserved(model: ModelWord, allocation: str, lookback: str | None) -> None:
    events = random_log()
    answer = attribute(events, model=model, allocation=allocation, lookback=lookback)
    value = events["value"].drop_nulls()
    if MODELS[model].conserves:
        assert answer["conversions"].sum() == pytest.approx(len(value), rel=1e-9)
        assert answer["value"].sum() == pytest.approx(value.sum(), rel=1e-9)
        assert answer["share"].sum() == pytest.approx(1, rel=1e-9)
    else:
        assert answer["conversions"].sum() > len(value) * 1.01
    assert answer["conversions"].to_list() == pytest.approx((answer["share"] * len(value)).to_list())


@any_touch
def test_a_lone_touch_gets_all(model: ModelWord) -> None:
    answer = attribute(log(("a", 0, "mail", None), ("a", 1, None, 12.5)), model=model)
    assert answer.select("model", "channel", "conversions", "value", "share").rows() == [
        (model, "mail", 1.0, 12.5, 1.0)
    ]


@models
def test_renaming_channels_renames_the_answer(model: ModelWord) -> None:
    names = {"x": " > ", "y": "", "z": "7"}  # a separator, nothing, a digit: names are data
    renamed = PATHS.with_columns(pl.col("channel").replace(names))
    before, after = attribute(PATHS, model=model), attribute(renamed, model=model)
    expected = before.with_columns(pl.col("channel").replace(names)).sort("channel", nulls_last=True)
    assert_frame_equal(after, expected, abs_tol=1e-12)


@models
def test_doubling_every_path_doubles_the_credit(model: ModelWord) -> None:
    twice = pl.concat([PATHS, PATHS.with_columns(pl.col("user") + " again")])
    once = attribute(PATHS, model=model).with_columns(pl.col("conversions", "value") * 2)
    assert_frame_equal(attribute(twice, model=model), once, abs_tol=1e-12)


@models
def test_row_order_does_not_matter(model: ModelWord) -> None:
    events = random_log()
    whole = events["value"].abs().sum()
    expected = attribute(events, model=model)
    for seed in range(3):
        shuffled = events.sample(fraction=1, shuffle=True, seed=seed)
        assert_frame_equal(attribute(shuffled, model=model), expected, rel_tol=1e-12, abs_tol=1e-12 * whole)


@models
def test_threads_change_no_bit(model: ModelWord) -> None:
    events = random_log(n=20_000, users=5_000)
    one = attribute(events, model=model, n_threads=1)
    for n_threads in (2, 3, 8):
        assert_frame_equal(attribute(events, model=model, n_threads=n_threads), one, check_exact=True)


@models
def test_an_empty_log_has_an_empty_answer(model: ModelWord) -> None:
    answer = attribute(log(), model=model)
    assert answer.height == 0
    assert answer.schema == attribute(PATHS, model=model).schema


@models
def test_without_conversions_credit_is_0_and_has_no_share(model: ModelWord) -> None:
    answer = attribute(log(("a", 0, "mail", None), ("b", 0, "ads", None)), model=model)
    assert answer.select("channel", "conversions", "value", "share").rows() == [
        ("ads", 0.0, 0.0, None),
        ("mail", 0.0, 0.0, None),
    ]


@models
def test_conversions_without_a_touch_are_a_row_of_their_own(model: ModelWord) -> None:
    answer = attribute(log(("a", 0, None, 3.0), ("b", 0, "ads", None), ("c", 0, None, 4.0)), model=model)
    rows = answer.select("channel", "conversions", "value", "share").rows()
    assert rows == [("ads", 0.0, 0.0, 0.0), (None, 2.0, 7.0, 1.0)]


@models
def test_no_touch_at_all(model: ModelWord) -> None:
    answer = attribute(log(("a", 0, None, 3.0)), model=model)
    assert answer.select("channel", "conversions", "value").rows() == [(None, 1.0, 3.0)]


@any_touch
def test_a_null_channel_is_no_channel_named_null(model: ModelWord) -> None:
    events = log(("a", 0, "null", None), ("a", 1, None, None), ("a", 2, None, 1.0), ("b", 0, None, 1.0))
    assert credits(attribute(events, model=model)) == {"null": 1.0, None: 1.0}


@any_touch
def test_two_conversions_of_a_user_are_two(model: ModelWord) -> None:
    rows = (("a", 0, "x", None), ("a", 1, None, 10.0), ("a", 2, "y", None), ("a", 3, None, 5.0))
    reset = attribute(log(*rows), model=model, allocation="reset")
    assert credits(reset) == {"x": 1.0, "y": 1.0}
    if model not in ("markov", "shapley_rate"):  # whose value is that of all journeys together
        assert credits(reset, "value") == {"x": 10.0, "y": 5.0}
    expected = 2.0 if MODELS[model].conserves else 3.0
    assert attribute(log(*rows), model=model)["conversions"].sum() == pytest.approx(expected)


@models
def test_an_index_gives_the_same(model: ModelWord) -> None:
    events = random_log()
    index = cx.index(events, user="user", time="time")
    assert_frame_equal(
        cx.attribute(index, channel="channel", value="value", model=model), attribute(events, model=model)
    )


@models
def test_a_lazy_frame_knows_its_schema(model: ModelWord) -> None:
    for dtype in (pl.String, pl.Categorical, pl.Enum(["z", "y", "x"])):
        lazy = attribute(
            PATHS.with_columns(pl.col("channel").cast(dtype)).lazy(), model=[model, Position(1, 1, 1)]
        )
        assert lazy.collect_schema() == lazy.collect().schema
        assert lazy.collect_schema()["channel"] == dtype


@pytest.mark.parametrize("model", [*WORDS, ["linear", "markov"]], ids=str)
def test_every_engine(frame: Any, model: Any) -> None:
    frame.check(attribute(frame(PATHS), model=model), attribute(PATHS, model=model))


def test_words_are_the_registry() -> None:
    assert get_args(ModelWord) == tuple(MODELS)
    assert all(MODELS[word]().label == word for word in MODELS)


# ---------------------------------------------------------------- credit by touch, customers alike

touch_models = pytest.mark.parametrize(
    "model",
    [*(m() for m in MODELS.values() if issubclass(m, TouchModel)), Position(0, 1, 0), Position(5, 1, 2)],
    ids=lambda model: model.label,
)


def journeys_in(events: pl.DataFrame, lookback: str | None = "30d", n_threads: int = 2) -> Journeys:
    """All journeys of a log of (user, time, channel, value), those that did not convert too."""
    marked = events.with_row_index().select(stage=pl.col("index") % 5 == 0).to_series()
    log = touchpoints("f", events, [], channel="channel", conversion=None, value="value", n_threads=1)
    log = replace(log, stage=marked)
    window = None if lookback is None else duration("f", "lookback", lookback)
    windows = Windows(window, reset=False, nulls=True, with_rows=True, n_threads=n_threads)
    return journeys_of(cx.index(events, user="user", time="time"), log, windows)


@touch_models
def test_credit_by_touch_adds_up_to_credit_by_channel(model: TouchModel) -> None:
    for lookback in ("1d", "30d", None):
        journeys = journeys_in(random_log(), lookback)
        whole, by_touch = model.credit(journeys), model.touch_credit(journeys)
        for amount, of_touch in ((whole.conversions, by_touch[:, 0]), (whole.value, by_touch[:, 1])):
            assert journeys.by_channel(of_touch) == pytest.approx(amount, rel=1e-12, abs=1e-10)


@touch_models
def test_parts_of_pairs_are_what_touches_earn(model: TouchModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cxcore.attribution.base._PAIRS", 100)  # several blocks of users
    journeys = journeys_in(random_log())
    assert TouchModel.touch_credit(model, journeys) == pytest.approx(model.touch_credit(journeys), abs=1e-10)


@models
def test_customers_alike_count_as_often(model: ModelWord) -> None:
    """``times`` says what rows of other customers would have said."""
    events = random_log(users=40, n=400)
    journeys = journeys_in(events)
    rng = np.random.default_rng(3)
    first = events.unique("user", keep="first", maintain_order=True)["user"]
    times = pl.DataFrame({"user": first, "times": rng.integers(0, 4, len(first))})
    copies = events.join(times, on="user", maintain_order="left").with_columns(
        copy=pl.int_ranges(pl.col("times"))
    )
    copies = copies.filter(pl.col("times") > 0).explode("copy")
    copies = copies.with_columns(user=pl.col("user") + "/" + pl.col("copy").cast(pl.String))
    alike = replace(journeys, times=times["times"].cast(pl.Float64).to_numpy())
    got, want = MODELS[model]().credit(alike), MODELS[model]().credit(journeys_in(copies))
    places = {name: code for code, name in enumerate(journeys_in(copies).names)}
    for code, name in enumerate(alike.names):
        at = places[name]
        assert got.conversions[code] == pytest.approx(want.conversions[at], rel=1e-9)
        assert got.value[code] == pytest.approx(want.value[at], rel=1e-9)


# ---------------------------------------------------------------- twins


def events_of(house: pl.DataFrame) -> list[reference.Event]:
    tick = house["time"].to_physical()
    names = house["user"].cast(pl.Binary) if house["user"].dtype == pl.String else house["user"]
    marks = house["stage"] if "stage" in house.columns else pl.repeat(None, len(house), eager=True)
    columns = (names, tick, house["seq"], house["channel"], house["conversion"], house["value"], marks)
    rows = zip(*columns, strict=True)
    return [
        reference.Event(user, time, order, row, channel, bool(conversion), value or 0.0, bool(stage))
        for row, (user, time, order, channel, conversion, value, stage) in enumerate(rows)
    ]


TWINS: dict[str, tuple[Model, Any]] = {
    "first_touch": (MODELS["first_touch"](), reference.first_touch),
    "last_touch": (MODELS["last_touch"](), reference.last_touch),
    "last_non": (LastNon("email"), partial(reference.last_non, channels={"email"})),
    "first_non": (
        FirstNon(["email", "direct"]),
        partial(reference.first_non, channels={"email", "direct"}),
    ),
    "linear": (MODELS["linear"](), reference.linear),
    "j": (MODELS["j"](), partial(reference.position, first=20, middle=20, last=60)),
    "inverse_j": (MODELS["inverse_j"](), partial(reference.position, first=60, middle=20, last=20)),
    "custom": (Custom(5, 0, 2), partial(reference.position, first=5, middle=0, last=2)),
    "w": (W(), reference.w),
    "participation": (MODELS["participation"](), reference.participation),
    "same_touch": (MODELS["same_touch"](), reference.same_touch),
    "shapley": (MODELS["shapley"](), reference.shapley),
    "ordered_shapley": (MODELS["ordered_shapley"](), reference.ordered_shapley),
    "position": (MODELS["position"](), reference.position),
    "position, other parts": (Position(2, 1, 5), partial(reference.position, first=2, middle=1, last=5)),
    "position, no ends": (Position(0, 1, 0), partial(reference.position, first=0, middle=1, last=0)),
}


@pytest.mark.parametrize("twin", [*TWINS, "time_decay"])
@given(
    house=strategies.touch_logs(),
    lookback=st.sampled_from(["1h", "150m", "2d", None]),
    allocation=st.sampled_from(["share", "reset"]),
    order=st.sampled_from(["seq", None]),
    half_life=st.sampled_from(["1m", "1h", "7d"]),
    n_threads=strategies.threads,
)
def test_heuristics_equal_their_twins(
    twin: str,
    house: pl.DataFrame,
    lookback: str | None,
    allocation: str,
    order: str | None,
    half_life: str,
    n_threads: int,
) -> None:
    tick = strategies.tick_length(house["time"])
    minutes = {"1m": 1, "1h": 60, "150m": 150, "2d": 2880, "7d": 10080}
    if twin == "time_decay":
        ticks = minutes[half_life] * 60 * 10**9 // tick
        model, weights = TimeDecay(half_life), partial(reference.time_decay, half_life=ticks)
    else:
        model, weights = TWINS[twin]
    events = events_of(house if order else house.with_columns(seq=0))
    limit = None if lookback is None else minutes[lookback] * 60 * 10**9 // tick
    journeys = reference.fill_journeys(events, limit, allocation == "reset")
    expected = reference.credit(journeys, weights)
    options = {"lookback": lookback, "allocation": allocation, "order": order, "n_threads": n_threads}
    if model.reads_stage:
        options["stage"] = "stage"
    answer = cx.attribute(house, **ROLES, conversion="conversion", value="value", model=model, **options)
    found = {c: (n, v) for c, n, v in answer.select("channel", "conversions", "value").iter_rows()}
    touched = {e.channel for e in events if e.user is not None and e.channel is not None}
    assert set(found) == touched | ({None} if None in expected else set())
    for channel in found:
        assert found[channel] == pytest.approx(expected.get(channel, (0.0, 0.0)), rel=1e-12, abs=1e-12)
    if touched and model.conserves:
        n_conversions = sum(e.converted for e in events if e.user is not None)
        assert sum(n for n, _ in found.values()) == pytest.approx(n_conversions)


@given(
    categories=st.lists(st.none() | st.integers(0, 9), max_size=40),
    unmet=st.integers(0, 2),
)
def test_dense_codes(categories: list[int | None], unmet: int) -> None:
    category = np.array([-1 if c is None else c for c in categories], np.int32)
    n_categories = max((c + 1 for c in categories if c is not None), default=0) + unmet
    known, first = np.full(1 + n_categories, -1, np.int32), np.empty(n_categories, np.int64)
    code = np.empty_like(category)
    n_codes = kernel.dense_codes(category, known, code, first)
    expected, rows = reference.dense_codes(categories)
    assert code.tolist() == [-1 if c is None else c for c in expected]
    assert first[:n_codes].tolist() == rows


@given(
    rows=st.lists(
        st.tuples(st.none() | st.integers(0, 9) | st.integers(0, 999), st.booleans()), max_size=200
    ),
    cut=st.integers(0, 70),
    codes=st.booleans(),
)
def test_what_rows_say(rows: list[tuple[int | None, bool]], cut: int, codes: bool) -> None:
    """Slices, whose bits begin anywhere in a byte; nulls, or -1 for none."""
    categories, converted = ([row[at] for row in rows] for at in range(2))
    number = pl.Series(categories, dtype=pl.UInt32)
    if codes:
        number = number.cast(pl.Int32).fill_null(-1)
    flags = pl.Series(converted, dtype=pl.Boolean)
    known, first = native.channels_of(number[cut:])
    what = native.what_rows_say(number[cut:], known, flags[cut:])
    assert what.tolist() == reference.what_rows_say(categories[cut:], converted[cut:])
    codes_of_numbers, rows_of_numbers = reference.channels_of(categories[cut:])
    assert first.tolist() == rows_of_numbers
    assert {c: known[0 if c is None else c + 1] for c in codes_of_numbers} == codes_of_numbers
    assert (known[1:] >= 0).sum() == len(first)


def test_channels_of_a_long_log() -> None:
    """Numbers that have all been met are skipped by blocks; a new one may come late, or behind a null."""
    number = np.tile(np.arange(5), 1_000)
    number[4_321], number[4_400], number[4_999] = 7, 9, 6
    column = pl.Series(number, dtype=pl.UInt32).set(pl.Series(number == 9), None)
    known, first = native.channels_of(column)
    assert first.tolist() == [0, 1, 2, 3, 4, 4_321, 4_999]
    assert known[:11].tolist() == [-2, 0, 2, 4, 6, 8, -1, 12, 10, -1, -1]


@given(
    value=st.lists(st.none() | st.floats(), max_size=150),
    nulls=st.booleans(),
    cut=st.integers(0, 70),
)
def test_largest(value: list[float | None], nulls: bool, cut: int) -> None:
    """Slices and several chunks; with nulls, or without any."""
    value = value if nulls else [0.0 if x is None else x for x in value]
    parts = [pl.Series(part, dtype=pl.Float64) for part in (value[:40], value[40:])]
    column = pl.concat(parts, rechunk=False)
    assert native.largest(column[cut:]) == reference.largest(value[cut:])


@given(
    rows=st.lists(st.tuples(st.integers(-1, 9), st.booleans()), max_size=200),
    cut=st.integers(0, 70),
)
def test_codes_of(rows: list[tuple[int, bool]], cut: int) -> None:
    code, flag = ([row[at] for row in rows] for at in range(2))
    found = native.codes_of(np.array(code[cut:], np.int32), pl.Series(flag, dtype=pl.Boolean)[cut:], 10)
    assert found.tolist() == reference.codes_of(code[cut:], flag[cut:])


@given(
    value=st.lists(st.none() | st.floats(-9, 9), min_size=1, max_size=40),
    row=st.lists(st.integers(0, 10**6), max_size=90),
    cut=st.integers(0, 20),
)
def test_values_at(value: list[float | None], row: list[int], cut: int) -> None:
    cut %= len(value)
    rows = np.array(row, np.int64) % (len(value) - cut)
    found = np.empty(len(rows))
    native.values_at(pl.Series(value, dtype=pl.Float64)[cut:], rows, found)
    assert found.tolist() == reference.values_at(value[cut:], rows.tolist())


ROWS = range(200)
USERS = {
    "int": [k % 31 for k in ROWS],
    "text": [f"u{k % 31}" for k in ROWS],
    "some without": [None if k % 7 == 0 else k % 31 for k in ROWS],
    "text, some without": [None if k % 7 == 0 else f"u{k % 31}" for k in ROWS],
    "no one": [None] * len(ROWS),
    "bytes": [b"u%d" % (k % 31) for k in ROWS],
    "truth": [k % 3 == 0 for k in ROWS],
    "days": [dt.date(2026, 1, 1 + k % 31) for k in ROWS],
}


@pytest.mark.parametrize("user", [*USERS, "categories", "two columns"])
@pytest.mark.parametrize("each", [3, 40])
@pytest.mark.parametrize("everyone", [True, False])
@pytest.mark.parametrize("hours", [None, 30])
def test_rows_that_no_model_looks_at_are_left_out(
    user: str, each: int, everyone: bool, hours: int | None
) -> None:
    """Touches that a window can reach and conversions stay, and no other row does."""
    names = USERS["text" if user in ("categories", "two columns") else user]
    house = pl.DataFrame(
        {
            "user": pl.Series(names, dtype=pl.Categorical if user == "categories" else None),
            "part": [k % 2 for k in ROWS],
            "time": [DAY + dt.timedelta(hours=37 * k % 200) for k in ROWS],
            "seq": [0] * len(ROWS),
            "channel": [None if k % 4 == 0 else f"c{k % 5}" for k in ROWS],
            "conversion": [k % each == 0 for k in ROWS],
            "value": [float(k) if k % each == 0 else None for k in ROWS],
        }
    )
    two = user == "two columns"
    roles = EventRoles(("user", "part") if two else ("user",), "time", "seq")
    others = {"channel": "channel", "conversion": "conversion", "value": "value"}
    log = touchpoints("f", house, [], **others, n_threads=1)
    lookback = None if hours is None else hours * 3600 * 10**9
    windows = Windows(lookback, reset=False, nulls=everyone, with_rows=False, n_threads=1)
    columns, log = looked_at("f", house, roles, log, windows)
    who = house.with_columns(user=pl.concat_str("user", "part")) if two else house
    limit = None if lookback is None else lookback // 1000
    rows = [event.row for event in reference.looked_at(events_of(who), everyone, limit)]
    kept = np.flatnonzero(columns.code >= 0)
    assert (kept if log.row is None else log.row[kept]).tolist() == rows
    assert columns.tick[kept].tolist() == house["time"].to_physical().gather(rows).to_list()
    code = columns.code[kept]
    assert np.bincount(code, minlength=columns.n_users).tolist() == columns.count.tolist()
    names = who["user"].cast(pl.String).to_list() if two else names
    codes = dict(zip((names[row] for row in rows), code.tolist(), strict=True))
    assert [codes[names[row]] for row in rows] == code.tolist()
    assert len(set(codes.values())) == len(codes)


@given(
    rows=st.lists(
        st.tuples(
            st.integers(-1, 3),
            st.sampled_from([-(2**63), -(2**63) + 5, -7, 0, 3, 9, 2**63 - 1]),
            st.booleans(),
        ),
        min_size=1,
        max_size=20,
    ),
    lookback=st.sampled_from([0, 1, 6, 2**63, 2**64 - 1]),
)
def test_reached_rows_over_the_whole_range_of_time(rows: list[tuple[int, int, bool]], lookback: int) -> None:
    code, tick, converted = zip(*rows, strict=True)
    said = np.array([2 * (row % 3 - 1) + yes for row, yes in enumerate(converted)], np.int32)
    users = pl.Series([user if user >= 0 else None for user in code], dtype=pl.Int64)
    number = pl.Series([row % 3 - 1 for row in range(len(rows))], dtype=pl.Int32)
    at, known = np.array(tick, np.int64), np.array([-2, 0, 2], np.int32)
    found = native.reached_rows(users, pl.Series(converted), number, known, at, lookback, 1)
    reached, when, what, row, count = found
    channel = [None if what < 0 else "x" for what in said]
    events = [
        reference.Event(user if user >= 0 else None, when, 0, row, channel[row], yes)
        for row, (user, when, yes) in enumerate(rows)
    ]
    assert list(zip(reached.tolist(), row.tolist(), strict=True)) == reference.reached_rows(
        events, lookback or None
    )
    assert when.tolist() == np.array(tick)[row].tolist()
    assert what.tolist() == said[row].tolist()
    assert count.tolist() == np.bincount(reached, minlength=len(count)).tolist()


@pytest.mark.parametrize("allocation", ["share", "reset"])
@pytest.mark.parametrize("container", [None, "visit"])
def test_blocks_of_users_are_closed_up_without_a_gap(allocation: str, container: str | None) -> None:
    """More users than one block of work has, and many ties: one hand and several give the same rows."""
    rng = np.random.default_rng(5)
    n = 40_000
    log = pl.DataFrame(
        {
            "user": rng.integers(0, 11_000, n),
            "time": rng.integers(0, 40, n),
            "channel": pl.Series(rng.integers(0, 5, n)).set(pl.Series(rng.random(n) < 0.3), None),
            "conversion": rng.random(n) < 0.2,
            "visit": rng.integers(0, 2, n),
        }
    )
    roles = {
        "user": "user",
        "time": "time",
        "time_unit": "s",
        "channel": "channel",
        "conversion": "conversion",
    }
    options: Any = {"lookback": "20s", "allocation": allocation, "container": container}
    for asked in ({"model": "linear", "touches": True}, {"model": ["markov", "time_decay"]}):
        one = cx.attribute(log, **roles, **options, **asked, n_threads=1)
        for n_threads in (2, 5):
            assert_frame_equal(
                cx.attribute(log, **roles, **options, **asked, n_threads=n_threads), one, check_exact=True
            )
        index = cx.index(log, user="user", time="time", time_unit="s", n_threads=3)
        roles_left = {"channel": "channel", "conversion": "conversion"}
        whole = cx.attribute(index, **roles_left, **options, **asked, n_threads=3)
        assert_frame_equal(whole, one, rel_tol=1e-12)


# ---------------------------------------------------------------- worked by hand


def test_adobes_worked_example() -> None:
    """Adobe Analytics, "Attribution models": four touches, then $50 on the day of the last two."""
    september = [("a", 15, "search", None), ("a", 18, "social", None), ("a", 24, "e-mail", None)]
    events = log(*september, ("a", 24, "display", 50.0))
    decay = credits(attribute(events, model="time_decay"), "value")
    assert {channel: round(value or 0.0, 2) for channel, value in decay.items()} == {
        "display": 16.88,
        "e-mail": 16.88,
        "social": 9.32,
        "search": 6.92,
    }
    assert credits(attribute(events, model=Position(20, 20, 60)), "value") == pytest.approx(
        {"display": 30.0, "search": 10.0, "social": 5.0, "e-mail": 5.0}
    )


def test_position_by_number_of_touches() -> None:
    touches = [("a", day, f"c{day}", None) for day in range(5)]
    for n, expected in {
        1: [1],
        2: [0.5, 0.5],
        3: [0.4, 0.2, 0.4],
        5: [0.4, 0.2 / 3, 0.2 / 3, 0.2 / 3, 0.4],
    }.items():
        answer = attribute(log(*touches[:n], ("a", 9, None, 1.0)), model="position")
        assert answer["conversions"].to_list() == pytest.approx(expected)


@pytest.mark.parametrize("half_life", ["7d", "1h"])
def test_decay_over_years_of_overlapping_windows(half_life: str) -> None:
    """Difference arrays, or one rebase for each user, get this wrong by 17 powers of ten."""
    days = 3 * 365
    rows = [("a", day, f"c{day % 7}", None) for day in range(days)]
    rows += [("a", day + 0.5, None, 1.0 + day % 3) for day in range(days)]
    by_age = 2.0 ** (-24 * np.arange(days) / (168.0 if half_life == "7d" else 1.0))
    for lookback, window in (("30d", 30), (None, days)):
        expected = np.zeros(7)
        for day in range(days):
            seen = np.arange(max(0, day - window + 1), day + 1)
            weights = by_age[day - seen]
            np.add.at(expected, seen % 7, (1.0 + day % 3) * weights / math.fsum(weights))
        answer = attribute(log(*rows), model=TimeDecay(half_life), lookback=lookback)
        assert answer["value"].to_list() == pytest.approx(expected.tolist(), rel=1e-12)


def test_decay_past_a_thousand_half_lives() -> None:
    rows = [("a", 0, "x", None), ("a", 1, "y", None), ("a", 5000, None, 6.0)]
    answer = attribute(log(*rows), model=TimeDecay("1d"), lookback=None)
    assert credits(answer, "value") == pytest.approx({"x": 2.0, "y": 4.0}, rel=1e-12)
    answer = attribute(log(*rows[:2], ("a", 4000, "z", None), rows[2]), model=TimeDecay("1d"), lookback=None)
    assert credits(answer) == {"x": 0.0, "y": 0.0, "z": 1.0}


def test_far_dates_do_not_overflow() -> None:
    ends = pl.Series("time", [-(2**63) + 1, 2**63 - 1], dtype=pl.Int64)
    events = pl.DataFrame({"user": [1, 1], "channel": ["x", None], "value": [None, 1.0]}).with_columns(ends)
    for lookback, expected in ((None, {"x": 1.0}), ("30d", {"x": 0.0, None: 1.0})):
        answer = attribute(events, model=ANY, time_unit="ns", lookback=lookback)
        assert all(credits(part) == expected for part in answer.partition_by("model"))


@pytest.mark.parametrize(("lookback", "touched"), [("121000d", 1), ("120000d", 0), (dt.timedelta.max, 1)])
def test_a_lookback_longer_than_int64_reaches_as_far(lookback: Any, touched: int) -> None:
    """From 2**63 nanoseconds on (292 years) ages and lookbacks need all of uint64."""
    far = pl.Series("time", [-(2**63) + 1, 2**63 - 1 - 8 * 10**18, 2**63 - 1], dtype=pl.Int64)
    rows = {"user": [1, 1, 2], "channel": ["x", None, None], "value": [None, 1.0, None]}
    events = pl.DataFrame(rows).with_columns(far)  # 120,911 days from touch to conversion
    answer = attribute(events, model=ANY, time_unit="ns", lookback=lookback)
    for part in answer.partition_by("model"):
        assert credits(part)["x"] == touched


# ---------------------------------------------------------------- windows, ties, allocation


def test_the_window_is_open_at_its_start_and_closed_at_the_conversion() -> None:
    events = log(("a", 0, "a month ago", None), ("a", 0.00001, "in time", None), ("a", 30, "now", 1.0))
    answer = attribute(events, model="linear", lookback="30d")
    assert credits(answer) == {"a month ago": 0.0, "in time": 0.5, "now": 0.5}


@pytest.mark.parametrize("rows", [(0, 1), (1, 0)])
def test_a_touch_at_the_instant_of_the_conversion_counts(rows: tuple[int, int]) -> None:
    """Whichever row comes first."""
    events = log(("a", 0, "mail", None), ("a", 0, None, 1.0))[list(rows)]
    assert credits(attribute(events)) == {"mail": 1.0}


def test_ties_are_ordered_by_the_order_column_then_by_row() -> None:
    events = log(("a", 0, "x", None), ("a", 0, "y", None), ("a", 0, None, 1.0))
    both = attribute(events, model=["first_touch", "last_touch"])
    assert both.filter(pl.col("conversions") == 1)["channel"].to_list() == ["x", "y"]
    ordered = attribute(events.with_columns(seq=pl.Series([2, 1, 0])), model="last_touch", order="seq")
    assert credits(ordered) == {"x": 1.0, "y": 0.0}


def test_reset_gives_the_touches_of_an_instant_to_its_first_conversion() -> None:
    events = log(("a", 0, "x", None), ("a", 1, None, 10.0), ("a", 1, None, 3.0))
    answer = attribute(events, allocation="reset")
    assert credits(answer, "value") == {"x": 10.0, None: 3.0}


def test_a_boolean_says_what_converts_and_a_null_value_counts_0() -> None:
    rows = [
        ("a", 0, "x", None),
        ("a", 1, None, None),
        ("b", 0, "y", None),
        ("b", 1, None, 5.0),
        ("b", 2, None, 9.0),
    ]
    events = log(*rows).with_columns(conversion=pl.Series([False, True, None, True, False]))
    answer = attribute(events, conversion="conversion", value="value")
    assert answer.select("channel", "conversions", "value").rows() == [("x", 1.0, 0.0), ("y", 1.0, 5.0)]
    alone = attribute(events, conversion="conversion")
    assert alone.select("channel", "conversions", "value").rows() == [("x", 1.0, None), ("y", 1.0, None)]
    assert alone.schema == answer.schema


def test_credit_of_0_is_exactly_0() -> None:
    """What left a window leaves no rounding behind."""
    rows = [("a", day / 7, f"c{day % 5}", None if day % 3 else 1e9 / 7) for day in range(200)]
    rows += [("a", 100, "late", None)]
    for model in WORDS:
        if model == "shapley_rate":  # signed: a channel of journeys that did not convert earns less than 0
            continue
        answer = attribute(log(*rows), model=model, lookback="2d")
        assert answer.filter(pl.col("channel") == "late").row(0)[2:5] == (0.0, 0.0, 0.0)


def test_rows_without_a_user_are_no_one() -> None:
    events = log(("a", 0, "x", None), ("a", 1, None, 1.0), ("a", 0, "y", None), ("a", 1, "z", 1.0))
    events = events.with_columns(user=pl.Series(["a", "a", None, None]))
    assert credits(attribute(events)) == {"x": 1.0}
    own = cx.index(events, user="user", time="time", null_user="own")
    assert credits(cx.attribute(own, channel="channel", value="value")) == {"x": 1.0, "y": 0.0, "z": 1.0}


def test_several_columns_are_one_user() -> None:
    events = log(("a", 0, "x", None), ("a", 1, None, 1.0)).with_columns(part=pl.Series([1, 2]))
    assert credits(attribute(events, user=["user", "part"])) == {"x": 0.0, None: 1.0}


# ---------------------------------------------------------------- channels, answers


@pytest.mark.parametrize(
    ("dtype", "names"),
    [
        (pl.String, ["", " > ", "7", "Ä", "null"]),
        (pl.Categorical, ["", " > ", "7", "Ä", "null"]),
        (pl.Enum(["null", "Ä", "7", " > ", "", "unused"]), ["", " > ", "7", "Ä", "null"]),
        (pl.Int16, [-3, 0, 2, 10, 300]),
        (pl.Binary, [b"", b"\xff", b"a", b"b", b"c"]),
    ],
    ids=str,
)
def test_channels_come_back_as_they_are_and_by_name(dtype: Any, names: list[Any]) -> None:
    names = sorted(names)
    users = [f"u{k}" for k in range(5)]
    touches = pl.DataFrame({"user": users, "time": [DAY] * 5, "channel": pl.Series(names[::-1], dtype=dtype)})
    events = touches.with_columns(value=pl.Series([5.0, 4.0, 3.0, 2.0, 1.0]))
    answer = attribute(events, model=["linear", "markov"])
    assert answer["channel"].dtype == touches["channel"].dtype
    assert answer["channel"].to_list() == names * 2
    assert answer["value"].to_list() == pytest.approx([1.0, 2.0, 3.0, 4.0, 5.0] * 2)


def test_five_thousand_channels() -> None:
    n = 5_000
    events = pl.DataFrame(
        {
            "user": np.repeat(np.arange(n), 2),
            "time": pl.Series(np.tile([0, 1], n)).cast(pl.Datetime("ms")),
            "channel": [f"c{k}" if side else f"c{(7 * k) % n}" for k in range(n) for side in (0, 1)],
            "value": [0.5 if side else None for _ in range(n) for side in (0, 1)],
        }
    )
    answer = attribute(events, model=["first_touch", "last_touch", "linear", "position", "time_decay"])
    assert answer.height == 5 * n
    assert answer["conversions"].to_list() == pytest.approx([1.0] * 5 * n)


def test_models_come_in_the_order_given_under_their_labels() -> None:
    models: list[Any] = [TimeDecay("1d"), "linear", "time_decay", Position(1, 0, 1), Position(40, 20, 40)]
    answer = attribute(PATHS, model=models)
    assert answer["model"].unique(maintain_order=True).to_list() == [
        "time_decay(half_life='1d')",
        "linear",
        "time_decay",
        "position(first=1, middle=0, last=1)",
        "position(first=40, middle=20, last=40)",
    ]
    usual = answer.filter(pl.col("model").str.starts_with("position(first=40"))
    assert usual["value"].to_list() == attribute(PATHS, model="position")["value"].to_list()


def test_a_model_of_the_users_own() -> None:
    """``model=`` takes any object that keeps the contract."""

    class Alphabet(Model):
        word = "alphabet"

        def credit(self, journeys: Journeys) -> Credit:
            conversions = np.zeros(journeys.n_channels)
            conversions[0] = (journeys.lo < journeys.hi).sum()
            return Credit(conversions, np.zeros(journeys.n_channels))

    assert credits(attribute(PATHS, model=Alphabet())) == {"x": 3.0, "y": 0.0, "z": 0.0}


# ---------------------------------------------------------------- error texts


def says(text: str) -> str:
    return f"^{re.escape(text)}$"


ALLOWED = f"Words: {', '.join(map(repr, MODELS))}"
OPTION_ERRORS = {
    "user and time": (
        {"user": None, "time": None},
        "attribute(): user or time is required.\n"
        "  Hint: name the column, or pass an index made by cx.index(...).",
    ),
    "conversion or value": (
        {"value": None},
        "attribute(): conversion or value is required.\n  Hint: say which rows are conversions.",
    ),
    "word": (
        {"model": "lineer"},
        f"attribute(model='lineer'): not one of the words.\n  {ALLOWED}\n  Hint: did you mean 'linear'?",
    ),
    "kind": (
        {"model": 3},
        f"attribute(model=3): not one of the words.\n  {ALLOWED}\n  Hint: pass one of the words.",
    ),
    "none": (
        {"model": []},
        f"attribute(model=[]): not one of the words.\n  {ALLOWED}\n  Hint: pass one of the words.",
    ),
    "class": (
        {"model": Position},
        "attribute(model='Position'): is a class.\n  Hint: say Position(), or a word.",
    ),
    "twice": (
        {"model": ["linear", "linear"]},
        "attribute(model='linear'): given twice.\n"
        "  Hint: give each model once; functions of your own are told apart by their names.",
    ),
    "lookback": (
        {"lookback": 30},
        "attribute(lookback=30): a bare number has no unit.\n  Hint: write lookback='30s' or lookback='30d'.",
    ),
    "allocation": (
        {"allocation": "shared"},
        "attribute(allocation='shared'): not one of the words.\n"
        "  Words: 'share', 'reset'\n  Hint: did you mean 'share'?",
    ),
    "nulls": (
        {"nulls": "yes"},
        "attribute(nulls='yes'): takes True or False.\n  Hint: True learns from all journeys.",
    ),
}


@pytest.mark.parametrize("case", list(OPTION_ERRORS))
def test_options_are_refused_with_a_way_on(case: str) -> None:
    options, text = OPTION_ERRORS[case]
    with pytest.raises(errors.InvalidOptionError, match=says(text)):
        attribute(PATHS, **options)


def test_options_of_models_are_refused_with_a_way_on() -> None:
    text = (
        "TimeDecay(half_life=7): a bare number has no unit.\n  Hint: write half_life='7s' or half_life='30d'."
    )
    with pytest.raises(errors.InvalidOptionError, match=says(text)):
        TimeDecay(7)  # type: ignore[arg-type]
    for value in (-0.1, math.nan, math.inf, True, "much"):
        text = f"Position(middle={value!r}): a part is a number from 0 to 1e9.\n  Hint: such as 0.4."
        with pytest.raises(errors.InvalidOptionError, match=says(text)):
            Position(middle=value)  # type: ignore[arg-type]
    text = "Position(first=0): all parts are 0.\n  Hint: such as 0.4, 0.2, 0.4."
    with pytest.raises(errors.InvalidOptionError, match=says(text)):
        Position(0, 0, 0)


def test_roles_of_an_index_are_not_given_again() -> None:
    index = cx.index(PATHS, user="user", time="time")
    text = (
        "attribute(): user, order given beside an index, which has them already.\n"
        "  Hint: leave them out, or pass the frame."
    )
    with pytest.raises(errors.InvalidOptionError, match=says(text)):
        cx.attribute(index, user="user", order="seq", channel="channel", value="value")


def test_columns_that_are_not_there() -> None:
    text = (
        "attribute(channel='chanel', value='valu'): no such columns.\n"
        "  Columns: 'user', 'time', 'channel', 'value'\n  Hint: did you mean 'channel', 'value'?"
    )
    for events, roles in (
        (PATHS, ROLES),
        (cx.index(PATHS, user="user", time="time"), {}),
    ):
        with pytest.raises(errors.ColumnNotFoundError, match=says(text)):
            cx.attribute(events, **{**roles, "channel": "chanel"}, value="valu")


def test_data_are_refused_with_a_way_on() -> None:
    text = (
        "attribute(conversion='value'): takes true and false, but the column is Float64.\n"
        "  Hint: pass numbers as value=, or compare: pl.col('value') > 0."
    )
    with pytest.raises(errors.InvalidDataError, match=says(text)):
        attribute(PATHS, conversion="value")
    text = (
        "attribute(conversion='channel'): takes true and false, but the column is String.\n"
        "  Hint: compare it, for example pl.col('channel') == 'yes'."
    )
    with pytest.raises(errors.InvalidDataError, match=says(text)):
        attribute(PATHS, conversion="channel")
    endless = PATHS.with_columns(value=pl.Series([None] * 11 + [math.inf]))
    text = (
        "attribute(value='value'): 1 of 12 rows are not finite numbers; first is inf, row 11.\n"
        "  Hint: replace or drop them; a null says 'none'."
    )
    with pytest.raises(errors.InvalidDataError, match=says(text)):
        attribute(endless)


def test_a_dense_chain_has_a_limit() -> None:
    events = pl.DataFrame({"user": range(5001), "channel": range(5001), "value": [1.0] * 5001})
    events = events.with_columns(time=pl.lit(DAY))
    text = (
        "attribute(channel='channel'): 5,001 channels; model 'markov' takes at most 5,000.\n"
        "  Hint: put rare channels together, or choose another model."
    )
    with pytest.raises(errors.InvalidDataError, match=says(text)):
        attribute(events, model=["linear", Markov()])


#: things that are no name, no word and no number; some have a truth value of their own, or none
JUNK = [None, 1, [], ["channel"], pl.col("channel"), pl.Series(["linear"]), np.arange(2), object(), 10**400]


@pytest.mark.parametrize("argument", ["channel", "conversion", "value", "model", "lookback", "allocation"])
@pytest.mark.parametrize("junk", JUNK, ids=lambda junk: type(junk).__name__)
def test_junk_is_refused_by_name(argument: str, junk: Any) -> None:
    if junk is None and argument in ("conversion", "value", "lookback"):
        return
    arguments = {**ROLES, "value": "value", argument: junk}
    with pytest.raises(errors.InvalidOptionError, match=re.escape(f"attribute({argument}=")):
        cx.attribute(PATHS, **arguments)


def test_any_number_of_threads_will_do() -> None:
    assert_frame_equal(attribute(PATHS, n_threads=10**40), attribute(PATHS, n_threads=1))


def test_parts_of_a_position_have_a_finite_sum() -> None:
    for part in (1e308, 10**400):
        with pytest.raises(errors.InvalidOptionError, match="a part is a number from 0 to 1e9"):
            Position(first=part)


def test_values_whose_sum_is_no_number_are_refused() -> None:
    events = PATHS.with_columns(value=pl.Series([1e308, None] * 6), channel=None)
    text = (
        "attribute(value='value'): the 6 values add up to more than a float64 can hold.\n"
        "  Hint: use a larger unit."
    )
    with pytest.raises(errors.InvalidDataError, match=says(text)):
        attribute(events)
