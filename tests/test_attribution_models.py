"""Models of one family each: what is theirs alone, long windows, option errors."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, replace
from functools import partial
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
from cxcore.attribution import (
    MODELS,
    AdditiveHazard,
    Counterfactual,
    Custom,
    FirstNon,
    InverseJ,
    J,
    LastNon,
    Position,
    TimeDecay,
    TouchModel,
    W,
)
from cxcore.attribution.base import Credit, Journeys, Model
from cxcore.attribution.positional import Linear, Places, WalkedModel, credits_of, walked_squares
from tests import strategies
from tests.reference import attribution as reference
from tests.reference import markov as markov_reference
from tests.test_attribution import ROLES, attribute, credits, events_of, journeys_in, log, random_log, says

SPLITTING: list[TouchModel] = [m() for m in MODELS.values() if issubclass(m, TouchModel)]
by_label: dict[str, Any] = {"ids": lambda model: model.label}


@dataclass(frozen=True)
class Mixed(WalkedModel):
    """A half to all alike, the rest to places."""

    word = "mixed"
    parts = (0.5, 0.3, 0.15, 0.05)

    @property
    def places(self) -> Places:
        return self.parts

    def split(self, journeys: Journeys) -> Any:
        """By the twin, window by window."""
        even, *ends = self.parts
        scaled = [part / 0.5 for part in ends]
        touch = reference.Event("a", 0, 0, 0)
        windows = [reference.Journey(touch, (touch,) * n) for n in journeys.hi - journeys.lo if n]
        return np.array([x for window in windows for x in reference.place_and_age(window, even, *scaled)])


@dataclass(frozen=True)
class Generous(Linear):
    word = "generous"

    def credit(self, journeys: Journeys) -> Credit:
        return Credit(np.full(journeys.n_channels, 7.0), np.zeros(journeys.n_channels))


def path(*names: str) -> pl.DataFrame:
    """One customer who met the channels day by day, then bought for 1."""
    return log(*(("a", day, name, None) for day, name in enumerate(names)), ("a", len(names), None, 1.0))


# ---------------------------------------------------------------- windows that are long, and overlap


@pytest.mark.parametrize("model", SPLITTING, **by_label)
@pytest.mark.parametrize("lookback", ["9d", "60d", None])
def test_long_windows_that_overlap(model: TouchModel, lookback: str | None) -> None:
    """The kernels' way for long windows says what the pairs say, touch by touch."""
    journeys = journeys_in(random_log(n=3_000, users=4), lookback)
    assert (journeys.hi - journeys.lo).max() > 60
    pairs = TouchModel.touch_credit(model, journeys)
    assert model.touch_credit(journeys) == pytest.approx(pairs, rel=1e-11, abs=1e-10)
    whole = model.credit(journeys)
    assert whole.conversions == pytest.approx(journeys.by_channel(pairs[:, 0]), rel=1e-11, abs=1e-10)
    assert whole.value == pytest.approx(journeys.by_channel(pairs[:, 1]), rel=1e-11, abs=1e-9)


WALKED: list[WalkedModel] = [
    *(m for m in SPLITTING if isinstance(m, WalkedModel)),
    *(TimeDecay(half_life) for half_life in ("1h", "300d")),
    *(Position(0, 1, 0), Custom(5, 0, 2), Mixed()),
]


@pytest.mark.parametrize("lookback", ["2h", "4d", "60d", None])
@pytest.mark.parametrize("n_threads", [1, 3])
def test_models_that_share_a_walk_say_what_each_says_alone(lookback: str | None, n_threads: int) -> None:
    """Windows of none to some hundred touches, in an order of models in which ages come first."""
    journeys = replace(journeys_in(random_log(n=3_000, users=90), lookback), n_threads=n_threads)
    times = np.arange(journeys.n_users) % 3 * 0.5
    for some in (journeys, replace(journeys, times=times)):
        for model, together in zip(WALKED, credits_of(WALKED, some), strict=True):
            pairs = TouchModel.touch_credit(model, some)
            assert together.conversions == pytest.approx(some.by_channel(pairs[:, 0]), rel=1e-11, abs=1e-10)
            assert together.value == pytest.approx(some.by_channel(pairs[:, 1]), rel=1e-11, abs=1e-9)
            assert model.touch_credit(some) == pytest.approx(pairs, rel=1e-11, abs=1e-10)


@pytest.mark.parametrize("lookback", ["2h", "60d", None])
def test_squares_of_models_that_share_a_walk(lookback: str | None) -> None:
    """Those of what each touch earned; customers of no conversion are there, and some are not."""
    whole = journeys_in(random_log(n=12_000, users=6_000), lookback)
    times = np.arange(whole.n_users) % 3 * 0.5
    n, models = 9_000.0, sorted(WALKED, key=lambda model: model.places is None)
    rng = np.random.default_rng(2)
    mean = rng.normal(0, 0.1, (len(models), 2 * whole.n_channels + 3))
    mean[:, -3:] = mean[0, -3:]  # what no touch earned is the same in all
    for some in (whole, replace(whole, times=times)):
        mean[:, -1] = some.weight.sum() / n
        together = walked_squares(models, some, mean, n)
        assert (walked_squares(models, replace(some, n_threads=3), mean, n) == together).all()
        for model, its_mean, found in zip(models, mean, together, strict=True):
            expected = TouchModel.squares(model, None, some, its_mean, n)
            assert expected is not None
            assert found == pytest.approx(expected, rel=1e-10, abs=1e-9)


@pytest.mark.parametrize("n_channels", [3, 64, 65])
def test_a_walk_over_many_users_and_channels(n_channels: int) -> None:
    """Sums by channel and place, or each touch for each model; blocks of users, and what one does at once."""
    events = random_log(n=40_000, users=9_000)
    number = pl.int_range(pl.len()) * 7919 % n_channels
    events = events.with_columns(pl.when(pl.col("channel").is_not_null()).then(number).alias("channel"))
    journeys = journeys_in(events, "60d")
    assert journeys.n_channels == n_channels
    together = credits_of(WALKED, journeys)
    for model, credit in zip(WALKED, together, strict=True):
        earned = model.touch_credit(journeys)
        assert credit.conversions == pytest.approx(journeys.by_channel(earned[:, 0]), rel=1e-11, abs=1e-9)
        assert credit.value == pytest.approx(journeys.by_channel(earned[:, 1]), rel=1e-11, abs=1e-8)
    for credit, again in zip(together, credits_of(WALKED, replace(journeys, n_threads=3)), strict=True):
        assert credit.conversions.tolist() == again.conversions.tolist()
        assert credit.value.tolist() == again.value.tolist()


def test_the_ends_alone_share_a_walk_that_passes_over_what_lies_between() -> None:
    journeys = journeys_in(random_log(n=3_000, users=90), "60d")
    ends = [MODELS["first_touch"](), MODELS["last_touch"](), Custom(5, 0, 2)]
    for model, together in zip(ends, credits_of(ends, journeys), strict=True):
        assert isinstance(model, TouchModel)
        pairs = TouchModel.touch_credit(model, journeys)
        assert together.value == pytest.approx(journeys.by_channel(pairs[:, 1]), rel=1e-11, abs=1e-9)


def test_a_model_with_a_credit_of_its_own_is_asked_for_it() -> None:
    journeys = journeys_in(path("x", "y"))
    mine, usual = credits_of([Generous(), Linear()], journeys)
    assert mine.conversions.tolist() == [7.0, 7.0]
    assert usual.conversions.tolist() == [0.5, 0.5]


# ---------------------------------------------------------------- shapes


@pytest.mark.parametrize(
    ("model", "of_two", "of_four"),
    [
        (J(), [25, 75], [20, 10, 10, 60]),
        (InverseJ(), [75, 25], [60, 10, 10, 20]),
        (Custom(30, 10, 10), [75, 25], [60, 10, 10, 20]),
        (Custom(0, 5, 0), [50, 50], [0, 50, 50, 0]),
        (Custom(), [50, 50], [100 / 3, 100 / 6, 100 / 6, 100 / 3]),
        (W(), [50, 50], [300 / 7, 50 / 7, 50 / 7, 300 / 7]),
    ],
    ids=str,
)
def test_shapes_by_number_of_touches(model: TouchModel, of_two: list[float], of_four: list[float]) -> None:
    for expected in ([100.0], of_two, of_four):
        events = path(*[f"c{k}" for k in range(len(expected))]).with_columns(stage=pl.lit(value=False))
        stage = {"stage": "stage"} if model.reads_stage else {}
        answer = attribute(events, model=model, **stage)
        assert (answer["conversions"] * 100).to_list() == pytest.approx(expected)


def test_adobes_worked_example_in_j() -> None:
    """Four touches before $50: Adobe's page gives display 60 % of it, search 20 %, the others 10 % each."""
    september = [("a", 15, "search", None), ("a", 18, "social", None), ("a", 24, "e-mail", None)]
    events = log(*september, ("a", 24, "display", 50.0))
    shared = {"display": 30.0, "search": 10.0, "social": 5.0, "e-mail": 5.0}
    for model in ("j", Custom(20, 20, 60), Position(20, 20, 60)):
        assert credits(attribute(events, model=model), "value") == pytest.approx(shared)
    same = credits(attribute(events, model="same_touch"), "value")
    assert same == {"display": 50.0, "e-mail": 0.0, "search": 0.0, "social": 0.0}
    assert credits(attribute(events, model="participation"), "value") == dict.fromkeys(shared, 50.0)


# ---------------------------------------------------------------- w


@pytest.mark.parametrize(
    ("marks", "expected"),
    [
        ([2], [30, 5, 30, 5, 30]),
        ([0], [60, 10 / 3, 10 / 3, 10 / 3, 30]),
        ([4], [30, 10 / 3, 10 / 3, 10 / 3, 60]),
        ([], [300 / 7, 100 / 21, 100 / 21, 100 / 21, 300 / 7]),
        ([1, 2, 3], [30, 30, 5, 5, 30]),  # the first marked touch reached the stage
    ],
    ids=str,
)
def test_w_by_marked_touches(marks: list[int], expected: list[float]) -> None:
    events = path(*"vwxyz").with_columns(stage=pl.Series([k in marks for k in range(6)]))
    answer = attribute(events, model="w", stage="stage")
    assert (answer["conversions"] * 100).to_list() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("n", "mark", "expected"), [(1, 0, [1]), (2, 0, [2 / 3, 1 / 3]), (3, 1, [1 / 3] * 3)]
)
def test_w_without_others(n: int, mark: int, expected: list[float]) -> None:
    events = path(*"xyz"[:n]).with_columns(stage=pl.Series([k == mark for k in range(n + 1)]))
    assert attribute(events, model="w", stage="stage")["conversions"].to_list() == pytest.approx(expected)


def test_w_keeps_the_contract_of_all_models(frame: Any) -> None:
    events = random_log().with_columns(stage=pl.Series(np.arange(3_000) % 7 == 0))
    whole = events["value"].abs().sum()
    expected = attribute(events, model="w", stage="stage")
    assert expected["conversions"].sum() == pytest.approx(events["value"].count(), rel=1e-9)
    assert expected["value"].sum() == pytest.approx(events["value"].sum(), rel=1e-9)
    shuffled = events.sample(fraction=1, shuffle=True, seed=1)
    for other in (shuffled, shuffled.reverse()):
        answer = attribute(other, model="w", stage="stage")
        assert_frame_equal(answer, expected, rel_tol=1e-12, abs_tol=1e-12 * whole)
    three = attribute(events, model="w", stage="stage", n_threads=3)
    assert_frame_equal(three, attribute(events, model="w", stage="stage", n_threads=1), check_exact=True)
    index = cx.index(events, user="user", time="time")
    again = cx.attribute(index, channel="channel", value="value", model="w", stage="stage")
    assert_frame_equal(again, expected)
    frame.check(attribute(frame(events), model="w", stage="stage"), expected)


def test_w_and_its_column_come_together() -> None:
    events = path("x").with_columns(stage=pl.Series([True, None]))
    text = (
        "attribute(model='w'): stage is required.\n"
        "  Hint: name the boolean column that marks the touch of the stage: stage='is_lead'."
    )
    with pytest.raises(errors.InvalidOptionError, match=says(text)):
        attribute(events, model=["linear", "w"])
    text = "attribute(stage='stage'): no model of the call reads it.\n  Hint: say model='w'."
    with pytest.raises(errors.InvalidOptionError, match=says(text)):
        attribute(events, model="linear", stage="stage")
    with pytest.raises(errors.ColumnNotFoundError, match=re.escape("attribute(stage='lead')")):
        attribute(events, model="w", stage="lead")
    with pytest.raises(errors.InvalidDataError, match=re.escape("attribute(stage='user')")):
        attribute(events, model="w", stage="user")


# ---------------------------------------------------------------- one touch


@pytest.mark.parametrize(
    ("names", "last", "first"),
    [
        ("DaDbD", "b", "a"),
        ("aDD", "a", "a"),
        ("DDa", "a", "a"),
        ("D", "D", "D"),
        ("DD", "D", "D"),
    ],
)
def test_direct_is_passed_over_unless_there_is_nothing_else(names: str, last: str, first: str) -> None:
    events = path(*[name.replace("D", "direct") for name in names])
    for model, name in (("last_non", last), ("first_non", first)):
        earned = {c for c, amount in credits(attribute(events, model=model)).items() if amount}
        assert earned == {name.replace("D", "direct")}


def test_of_direct_alone_the_end_of_the_window_earns() -> None:
    touches = [("a", 0, "mail", None), ("a", 40, "direct", None), ("a", 41, "direct", None)]
    events = log(*touches, ("a", 42, None, 1.0))
    for model in ("last_non", "first_non"):
        assert credits(attribute(events, model=model)) == {"direct": 1.0, "mail": 0.0}


@pytest.mark.parametrize(
    "dtype", [pl.String, pl.Categorical, pl.Enum(["1", "2"]), pl.Int16, pl.Binary], ids=str
)
def test_channels_to_pass_over_are_named_as_in_the_log(dtype: Any) -> None:
    events = path("1", "2")
    column = events["channel"].cast(pl.Int64 if dtype == pl.Int16 else pl.String).cast(dtype)
    two: Any = {pl.Int16: 2, pl.Binary: b"2"}.get(dtype, "2")
    models = [LastNon(two), LastNon([two, "x"]), FirstNon(two)]
    answer = attribute(events.with_columns(channel=column), model=models)
    assert answer["conversions"].to_list() == [1.0, 0.0] * 3


def test_labels_of_passed_channels() -> None:
    assert LastNon().label == LastNon("direct").label == LastNon(["direct"]).label == "last_non"
    assert LastNon({"b", "a"}).label == "last_non(channels=('a', 'b'))"
    for channels in ([], None, 1.5, [None], True):
        text = (
            f"FirstNon(channels={channels!r}): takes names of channels.\n"
            "  Hint: such as 'direct', or ['direct', 'unknown']."
        )
        with pytest.raises(errors.InvalidOptionError, match=says(text)):
            FirstNon(channels)


def test_same_touch_is_the_converting_row_alone() -> None:
    events = log(
        *(("a", 0, "mail", None), ("a", 1, "ads", 2.0)),  # the row itself
        *(("b", 0, "mail", None), ("b", 0, None, 5.0)),  # the same instant, another row
        ("c", 0, None, 7.0),
    )
    for rows in ([0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [1, 3, 0, 4, 2]):
        answer = attribute(events[rows], model=["same_touch", "last_touch"])
        assert answer.select("model", "channel", "conversions", "value").rows() == [
            ("same_touch", "ads", 1.0, 2.0),
            ("same_touch", "mail", 0.0, 0.0),
            ("same_touch", None, 2.0, 12.0),
            ("last_touch", "ads", 1.0, 2.0),
            ("last_touch", "mail", 1.0, 5.0),
            ("last_touch", None, 1.0, 7.0),
        ]


def test_the_row_of_the_rest_is_there_only_for_models_that_have_one() -> None:
    events = log(("a", 0, "mail", None), ("a", 1, None, 5.0))
    answer = attribute(events, model=["linear", "same_touch", "markov"])
    rows = answer.select("model", "channel", "conversions", "value", "removal_effect").rows()
    assert rows == [
        ("linear", "mail", 1.0, 5.0, None),
        ("same_touch", "mail", 0.0, 0.0, None),
        ("same_touch", None, 1.0, 5.0, None),
        ("markov", "mail", 1.0, 5.0, 1.0),
    ]


# ---------------------------------------------------------------- channels that share


def test_shapley_counts_channels_and_not_touches() -> None:
    events = path("x", "y", "x", "x", "y")
    assert credits(attribute(events, model="linear")) == pytest.approx({"x": 0.6, "y": 0.4})
    for model in ("shapley", "ordered_shapley"):
        assert credits(attribute(events, model=model)) == pytest.approx({"x": 0.5, "y": 0.5})
    assert credits(attribute(events, model="participation")) == {"x": 1.0, "y": 1.0}


def test_shapley_of_seven_channels_keeps_them_all() -> None:
    """A peer keeps the four of the end of the alphabet."""
    assert attribute(path(*"abcdefg"), model="shapley")["conversions"].to_list() == pytest.approx([1 / 7] * 7)


def test_participation_says_that_it_does_not_conserve() -> None:
    assert [word for word, model in MODELS.items() if not model.conserves] == ["participation"]


def test_options_of_parts_are_refused_with_a_way_on() -> None:
    text = "Custom(player=-1): a part is a number from 0 to 1e9.\n  Hint: such as 0.4."
    with pytest.raises(errors.InvalidOptionError, match=says(text)):
        Custom(player=-1)
    text = "Custom(starter=0): all parts are 0.\n  Hint: such as 0.4, 0.2, 0.4."
    with pytest.raises(errors.InvalidOptionError, match=says(text)):
        Custom(0, 0, 0)
    for model in (J, InverseJ):
        with pytest.raises(TypeError):
            model(0.5)  # type: ignore[call-arg]  # wrong on purpose: they take nothing


# ---------------------------------------------------------------- counterfactual


@settings(max_examples=60)
@given(
    house=strategies.touch_logs(max_size=60),
    lookback=st.sampled_from(["1h", "2d", None]),
    allocation=st.sampled_from(["share", "reset"]),
    nulls=st.booleans(),
)
def test_counterfactual_equals_its_twin(
    house: pl.DataFrame, lookback: str | None, allocation: str, nulls: bool
) -> None:
    tick = strategies.tick_length(house["time"])
    limit = None if lookback is None else {"1h": 60, "2d": 2880}[lookback] * 60 * 10**9 // tick
    # few users and channels, so that paths meet again
    house = house.with_columns(
        user=pl.int_range(pl.len()) % 9, channel=pl.when(pl.col("channel") != "social").then("channel")
    )
    events = events_of(house)
    journeys = reference.fill_journeys(events, limit, allocation == "reset")
    lost = markov_reference.null_journeys(events, limit) if nulls else []
    paths = [tuple(one) for one in lost]
    weights = partial(reference.counterfactual, journeys=journeys, nulls=paths)
    expected = reference.credit(journeys, weights)
    roles = {**ROLES, "conversion": "conversion", "value": "value", "order": "seq"}
    options: dict[str, Any] = {"lookback": lookback, "allocation": allocation, "nulls": nulls}
    answer = cx.attribute(house, **roles, model="counterfactual", **options)
    for channel, *found in answer.select("channel", "conversions", "value").iter_rows():
        assert found == pytest.approx(expected.pop(channel, (0.0, 0.0)), rel=1e-12, abs=1e-12)
    assert all(amounts == (0.0, 0.0) for amounts in expected.values())


def journeys_log(*paths: tuple[str, int, int]) -> pl.DataFrame:
    """Customers by path of one letter a channel: so many who bought, so many who did not."""
    rows: list[Any] = []
    for path_of, bought, lost in paths:
        for k in range(bought + lost):
            who = f"{path_of}{k}"
            rows += [(who, day, name, None) for day, name in enumerate(path_of)]
            rows += [(who, len(path_of), None, 1.0)] * (k < bought)
    return log(*rows)


def test_a_touch_earns_what_it_adds_to_the_rate() -> None:
    """xy converts 3 of 5, x alone 1 of 5, y alone 2 of 5: x adds 0.2 to y, y adds 0.4 to x."""
    events = journeys_log(("xy", 3, 2), ("x", 1, 4), ("y", 2, 3))
    answer = attribute(events, model="counterfactual")
    assert credits(answer) == pytest.approx({"x": 1 + 3 * 1 / 3, "y": 2 + 3 * 2 / 3})
    both = attribute(events, model="counterfactual", touches=True).filter(pl.col("user") == "xy0")
    assert both["credit"].to_list() == pytest.approx([1 / 3, 2 / 3])


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        ([("xy", 1, 1), ("x", 9, 1), ("y", 1, 9)], {"x": 9 + 1.0, "y": 1.0}),  # y takes away: 0, not less
        ([("xy", 1, 3), ("x", 1, 1), ("y", 1, 1)], {"x": 1.5, "y": 1.5}),  # no touch adds: alike
        ([("xyz", 1, 0)], {"x": 1 / 3, "y": 1 / 3, "z": 1 / 3}),  # nobody took less: alike
        ([("xxy", 2, 0), ("xy", 1, 1)], {"x": 0.5 + 2 * 0.5, "y": 0.5 + 2 * 0.5}),
    ],
    ids=["takes away", "adds nothing", "alone", "a channel twice"],
)
def test_counterfactual_where_it_has_little_to_go_by(
    paths: list[tuple[str, int, int]], expected: dict[str, float]
) -> None:
    """Each x of xxy adds 0.5, which leaves the same xy; y adds 1, as nobody took xx."""
    assert credits(attribute(journeys_log(*paths), model="counterfactual")) == pytest.approx(expected)


def test_many_paths_are_told_apart() -> None:
    """The table of paths grows, and every path finds itself and those that lack one touch."""
    rng = np.random.default_rng(7)
    letters = np.array(list("abcde"))
    paths = {"".join(rng.choice(letters, rng.integers(1, 7))) for _ in range(3_000)}
    journeys = journeys_in(journeys_log(*((one, 1, 0) for one in sorted(paths))))
    rates = Counterfactual().fit(journeys)
    assert rates.table.n_paths == len(paths) > 1_000
    names = journeys.names.to_list()
    text = ["".join(names[c] for c in rates.channel[a:b]) for a, b in pairwise(rates.offset.tolist())]
    assert set(text) == paths
    number = {name: at for at, name in enumerate(text)}
    for path_of, at in number.items():
        lacking = [path_of[:i] + path_of[i + 1 :] for i in range(len(path_of))]
        assert rates.without[rates.offset[at] : rates.offset[at + 1]].tolist() == [
            number.get(one, -1) for one in lacking
        ]


# ---------------------------------------------------------------- large users


def of_one_user(n: int, every: int) -> Journeys:
    """n touches, one conversion after each ``every`` of them, windows of all that came before."""
    at = np.arange(every, n + 1, every)
    value = np.ones(len(at))
    return replace(
        journeys_in(path("x", "y", "z")),
        touch_offset=np.array([0, n]),
        conversion_offset=np.array([0, len(at)]),
        channel=(np.arange(n) * 7 % 11 % 3).astype(np.int32),
        tick=np.arange(n),
        conversion_tick=at,
        value=value,
        lo=np.zeros(len(at), np.int64),
        hi=at,
        null_lo=np.array([n]),
        null_hi=np.array([n]),
        touch_row=np.arange(n),
        conversion_row=at - 1,
        stage=np.arange(n) % 5 == 0,
    )


@pytest.mark.parametrize("model", SPLITTING, **by_label)
def test_pairs_of_one_large_user_are_walked_in_blocks(
    model: TouchModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    journeys = of_one_user(400, 7)
    whole = TouchModel.touch_credit(model, journeys)
    monkeypatch.setattr("cxcore.attribution.base._PAIRS", 1_000)
    sizes = [int((some.hi - some.lo).sum()) for _, some in journeys.blocks()]
    assert len(sizes) > 5
    assert max(sizes) <= 1_000
    assert sum(sizes) == (journeys.hi - journeys.lo).sum()
    assert TouchModel.touch_credit(model, journeys) == pytest.approx(whole, rel=1e-12, abs=1e-12)


#: "additive_hazard" walks the touches of all windows, as its page says
LINEAR = [m for m in SPLITTING if m.word not in ("counterfactual", "same_touch", "additive_hazard")]


@pytest.mark.parametrize("model", LINEAR, **by_label)
def test_a_million_touches_of_one_user_cost_no_pairs(model: TouchModel) -> None:
    """10,000 conversions that look at all of them would be 5e9 pairs: half an hour, 40 GB."""
    journeys = of_one_user(1_000_000, 100)
    start = time.process_time()
    credit = model.credit(journeys)
    assert time.process_time() - start < 20
    total = 1.0 if model.conserves else 3.0
    assert credit.conversions.sum() == pytest.approx(10_000 * total, rel=1e-9)


def test_a_million_touches_before_one_conversion() -> None:
    journeys = of_one_user(1_000_000, 1_000_000)
    quick = AdditiveHazard(most_steps=3)  # not a thousand steps over a million touches
    for model in (quick if isinstance(one, AdditiveHazard) else one for one in SPLITTING):
        credit = model.credit(journeys)
        assert credit.conversions.sum() == pytest.approx(1.0 if model.conserves else 3.0, rel=1e-9)


# ---------------------------------------------------------------- what peers get wrong, of every model


def answer_by(model: Model, events: pl.DataFrame, **options: Any) -> pl.DataFrame:
    if model.reads_stage:
        options["stage"] = "stage"
    return attribute(events.with_columns(stage=pl.lit(value=True)), model=model, **options)


every_model = pytest.mark.parametrize("model", [model() for model in MODELS.values()], **by_label)


@every_model
def test_half_a_customer_is_half_a_conversion(model: Model) -> None:
    """Peers cut fractional counts to whole numbers, which leaves 0."""
    journeys = journeys_in(random_log(n=600, users=60))
    whole, half = model.credit(journeys), np.full(journeys.n_users, 0.5)
    some = model.credit(replace(journeys, times=half))
    assert some.conversions == pytest.approx(whole.conversions / 2, rel=1e-9)
    assert some.value == pytest.approx(whole.value / 2, rel=1e-9, abs=1e-9)


@every_model
@pytest.mark.parametrize("name", ["", " > ", "a > b", "7", "c7", "null", "Ünï 漢字 🙂", "(start)"])
def test_any_text_is_a_name(model: Model, name: str) -> None:
    """Separators, digits and the words of chains are names like others."""
    events = log(("a", 0, "mail", None), ("a", 1, name, 4.0))
    other = events.with_columns(pl.col("channel").replace(name, "zebra"))
    found, expected = (credits(answer_by(model, one), "value") for one in (events, other))
    assert found[name] == expected["zebra"]
    assert found["mail"] == expected["mail"]
    assert len(found) == 2


@every_model
def test_a_touch_of_the_conversions_instant_counts_for_every_model(model: Model) -> None:
    for rows in ([0, 1], [1, 0]):
        events = log(("a", 0, "mail", None), ("a", 0, None, -1.5))[rows]
        expected = {"mail": 0.0, None: -1.5} if model.word == "same_touch" else {"mail": -1.5}
        assert credits(answer_by(model, events), "value") == expected


@every_model
def test_values_of_any_sign_and_fraction(model: Model) -> None:
    rows = [(f"u{k}", day, name, None) for k in range(4) for day, name in enumerate("xy")]
    values = (-3.25, 0.1, 0.0, 1e9)
    events = log(*rows, *((f"u{k}", 5, "z", value) for k, value in enumerate(values)))
    answer = answer_by(model, events)
    times = 1 if model.conserves else 3
    assert answer["conversions"].sum() == pytest.approx(4 * times)
    assert answer["value"].sum() == pytest.approx(sum(values) * times, rel=1e-12)


def test_a_word_with_options_is_told_of_the_object() -> None:
    log = cx.datasets.touchpoints(20, rng=1).frame
    roles = {"user": "user_id", "time": "ts", "channel": "channel", "conversion": "conversion"}
    with pytest.raises(cx.errors.InvalidOptionError, match=r"Markov\(order=3\)"):
        cx.attribute(log, **roles, model="markov(order=3)")
    with pytest.raises(cx.errors.InvalidOptionError, match=r"Markov\(order=3\)"):
        cx.attribute(log, **roles, model="markov", order=3)
