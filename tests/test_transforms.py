"""Transforms of paths: against their definitions, in all three verbs, with customers kept whole."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, get_args

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import cxcore as cx
from cxcore.attribution import MODELS, TRANSFORMS, Bootstrap, TransformWord
from cxcore.attribution.transforms import (
    Exposure,
    First,
    Frequency,
    LastN,
    RemoveIfLastAndNotAll,
    RemoveIfNotAll,
    Transform,
    Unique,
)
from tests import strategies
from tests.reference import attribution as journeys_reference
from tests.reference import paths as reference
from tests.test_attribution import ROLES, attribute, credits, events_of, log, random_log
from tests.test_paths import FULL, WORDS, flat, some_paths, table, tuples

TWINS: dict[str, tuple[Transform, Callable[[Any], Any]]] = {
    "exposure": (Exposure(), reference.exposure),
    "unique": (Unique(), reference.unique),
    "first": (First(), reference.first),
    "frequency": (Frequency(), reference.frequency),
    "remove_if_not_all": (RemoveIfNotAll(["a", "c"]), partial(reference.remove_if_not_all, channels="ac")),
    "remove_if_last_and_not_all": (
        RemoveIfLastAndNotAll(["a", "c"]),
        partial(reference.remove_if_last_and_not_all, channels="ac"),
    ),
    "last_n": (LastN(2), partial(reference.last_n, n=2)),
}
transforms = pytest.mark.parametrize("word", TRANSFORMS)


def of_paths(paths: Any, **options: Any) -> pl.DataFrame:
    return cx.attribute_paths(paths, **{**FULL, **options})


@transforms
@given(paths=some_paths)
def test_transforms_equal_their_twins(word: str, paths: list[tuple[Any, ...]]) -> None:
    transform, twin = TWINS[word]
    made, _ = flat(paths)
    found = transform.apply(made)
    assert tuples(found) == [twin(path) for path in paths]
    if word != "frequency":
        assert found.channel.tolist() == made.channel[found.place].tolist() if len(found.place) else True
    assert found.names.dtype == transform.channel_type(made.names.dtype)


def test_words_are_the_registry() -> None:
    assert get_args(TransformWord) == tuple(TRANSFORMS) == tuple(TWINS)


#: the cases that Google's and Snowplow's packages document
DOCUMENTED = [
    ("exposure", "DABBCDCC", "DABCDC"),
    ("unique", "DABBCDCC", "DABBCDCC"),
    ("first", "DABBCDCC", "DABC"),
    (RemoveIfNotAll("A"), "ABAA", "B"),
    (RemoveIfNotAll("A"), "AA", "AA"),
    (RemoveIfLastAndNotAll("A"), "ABAA", "AB"),
    (RemoveIfLastAndNotAll("A"), "AA", "AA"),
    (RemoveIfLastAndNotAll("A"), "AAABABA", "AAABAB"),
    (LastN(2), "ABC", "BC"),
    (["exposure", LastN(2)], "ABBCC", "BC"),
    ([LastN(2), "exposure"], "ABBCC", "C"),
    ([], "ABBCC", "ABBCC"),
]


@pytest.mark.parametrize(("transform", "before", "after"), DOCUMENTED, ids=str)
def test_documented_cases(transform: Any, before: str, after: str) -> None:
    events = log(*(("u", day, name, None) for day, name in enumerate(before)), ("u", 20, None, 1.0))
    made = cx.paths(events, **ROLES, value="value", transform=transform)
    assert made["path"].to_list() == [list(after)]


def test_frequency_names_say_how_often() -> None:
    events = log(*(("u", day, name, None) for day, name in enumerate("DABBCDCC")), ("u", 20, None, 1.0))
    made = cx.paths(events, **ROLES, value="value", transform="frequency")
    assert made["path"].to_list() == [["D(2)", "A(1)", "B(2)", "C(3)"]]
    numbers = table(([7, 7, 10], 1.0, 1.0, 0.0), dtype=pl.List(pl.Int64))
    assert credits(of_paths(numbers, transform="frequency", model="linear")) == {"10(1)": 0.5, "7(2)": 0.5}


@settings(max_examples=40)
@given(
    house=strategies.touch_logs(),
    word=st.sampled_from(list(TRANSFORMS)),
    allocation=st.sampled_from(["share", "reset"]),
)
def test_attribute_transforms_every_window(house: pl.DataFrame, word: str, allocation: Any) -> None:
    """Overlapping windows too: the linear credit of each window that the twin changed."""
    rename = {"search": "a", "email": "b", "social": "c", "direct": "d"}
    house = house.with_columns(pl.col("channel").replace(rename))
    transform, twin = TWINS[word]
    journeys = journeys_reference.fill_journeys(events_of(house), None, allocation == "reset")
    want: dict[Any, float] = {}
    for journey in journeys:
        path = twin(tuple(touch.channel for touch in journey.touches))
        for name in path:
            want[name] = want.get(name, 0.0) + 1 / len(path)
    roles: dict[str, Any] = {**ROLES, "conversion": "conversion", "order": "seq", "lookback": None}
    answer = cx.attribute(house, **roles, model="linear", transform=transform, allocation=allocation)
    found = {name: credit for name, credit in credits(answer).items() if name is not None and credit}
    assert found == pytest.approx(want)


@pytest.mark.parametrize("model", WORDS)
@transforms
def test_all_verbs_transform_alike(model: Any, word: str) -> None:
    events = random_log(n=500, users=50, channels=4).with_columns(
        pl.col("channel").str.replace("channel 0", "direct")
    )
    transform = LastN(3) if word == "last_n" else word
    options: dict[str, Any] = {"model": model, "transform": transform}
    want = attribute(events, **options)
    table_of = partial(cx.paths, events, **ROLES, value="value")
    assert_frame_equal(of_paths(table_of(), **options), want, abs_tol=1e-8)
    again = of_paths(table_of(transform=transform), model=model)
    left = want.filter(pl.col("channel").is_in(again["channel"].implode()) | pl.col("channel").is_null())
    assert_frame_equal(again, left, abs_tol=1e-8)


@pytest.mark.parametrize("model", [word for word in MODELS if word not in ("w", "additive_hazard")])
def test_unique_changes_nothing_that_attribute_answers(model: Any) -> None:
    """Every window is then a user of its own, and intervals keep the customer whole."""
    events = random_log(n=600, users=60, channels=4)
    events = events.with_columns(pl.col("user").replace({"u1": None}))
    want, got = (attribute(events, model=model, transform=t) for t in (None, "unique"))
    assert_frame_equal(got, want, abs_tol=1e-8)
    drawn = {"confidence_level": 0.9, "method": Bootstrap(replicates=100, rng=1)}
    want, got = (attribute(events, model=model, transform=t, **drawn) for t in (None, "unique"))
    assert_frame_equal(got, want, abs_tol=1e-7)
    formula = {"confidence_level": 0.9, "by": pl.col("time").dt.month()}
    want, got = (attribute(events, model=model, transform=t, **formula) for t in (None, "unique"))
    assert_frame_equal(got, want, abs_tol=1e-6)


def test_customers_stay_whole_in_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cxcore.attribution.journey_sample._HELD", 64)  # blocks of a few users
    events = random_log(n=600, users=30, channels=3)
    for model in ("linear", "markov"):
        want, got = (
            attribute(events, model=model, transform=t, confidence_level=0.9) for t in (None, "unique")
        )
        assert_frame_equal(got, want, rel_tol=1e-9)
        apart = of_paths(cx.paths(events, **ROLES, value="value"), model=model, confidence_level=0.9)
        assert abs(apart["standard_error"] / want["standard_error"] - 1).max() > 0.05


@transforms
def test_windows_may_be_changed_some_at_a_time(word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    events = random_log(n=400, users=10, channels=4)
    options: dict[str, Any] = {"transform": LastN(2) if word == "last_n" else word, "model": "linear"}
    want = attribute(events, **options)
    for held in (1, 37):
        monkeypatch.setattr("cxcore.attribution.each_window._HELD", held)
        assert_frame_equal(attribute(events, **options), want, rel_tol=1e-12)


def test_stages_times_and_rows_go_with_their_touches() -> None:
    events = log(
        ("u", 0, "a", None), ("u", 1, "a", None), ("u", 2, "b", None), ("u", 9, "a", 1.0), ("u", 10, "b", 2.0)
    ).with_columns(lead=pl.Series([True, False, False, False, False]))
    found = attribute(events, model="same_touch", transform="exposure")
    assert credits(found, "value") == {"a": 1.0, "b": 2.0}
    last = attribute(events, model="same_touch", transform="first")
    assert credits(last, "value") == {"a": 0.0, "b": 0.0, None: 3.0}
    staged = attribute(events, model="w", stage="lead", transform=LastN(2))
    assert credits(staged) == pytest.approx({"a": 1.0, "b": 1.0})
    decay = attribute(events, model="time_decay", transform=LastN(1))
    assert credits(decay, "value") == {"a": 1.0, "b": 2.0}


@transforms
def test_a_group_is_that_of_the_last_touch_before_any_transform(word: str) -> None:
    """A journey goes to no other group because its last touch is left out."""
    events = random_log(n=2_000, users=400).with_columns(part=pl.int_range(pl.len()) % 3)
    options: dict[str, Any] = {**ROLES, "value": "value", "by": "part"}
    made = cx.paths(events, **options, transform=TWINS[word][0])
    known = cx.paths(events, **options)
    groups = (paths.group_by("part").agg(pl.col("conversions", "nulls").sum()) for paths in (made, known))
    assert_frame_equal(*groups, check_row_order=False)


def test_touches_are_those_that_are_left() -> None:
    events = log(("u", 0, "a", None), ("u", 1, "a", None), ("u", 2, "b", None), ("u", 3, None, 1.0))
    rows = attribute(events, model="linear", transform="exposure", touches=True)
    days = rows["touch_time"].dt.day().to_list()
    assert (rows["channel"].to_list(), days, rows["position"].to_list()) == (["a", "b"], [1, 3], [1, 2])
    renamed = attribute(events.lazy(), model="linear", transform="frequency", touches=True)
    assert renamed.collect_schema() == renamed.collect().schema
    assert renamed.collect()["channel"].to_list() == ["a(2)", "b(1)"]


def test_the_schema_of_a_lazy_answer_knows_new_names() -> None:
    events = random_log(n=50).with_columns(pl.col("channel").cast(pl.Categorical))
    for word in ("exposure", "frequency"):
        lazy = attribute(events.lazy(), transform=word, model=["linear", "markov"])
        assert lazy.collect_schema() == lazy.collect().schema


def test_every_engine(frame: Any) -> None:
    events = random_log(n=60, users=6)
    options: dict[str, Any] = {"transform": ["exposure", LastN(3)], "model": "linear"}
    frame.check(attribute(frame(events), **options), attribute(events, **options))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            lambda: attribute(log(), transform="last_n"),
            "attribute(transform='last_n'): n is required.\n  Hint: pass transforms.LastN(n=5).",
        ),
        (
            lambda: attribute(log(), transform="exposur"),
            "attribute(transform='exposur'): not one of the words.\n"
            "  Words: 'exposure', 'unique', 'first', 'frequency', 'remove_if_not_all', "
            "'remove_if_last_and_not_all', 'last_n'\n  Hint: did you mean 'exposure'?",
        ),
        (
            lambda: RemoveIfNotAll([]),
            "RemoveIfNotAll(channels=[]): takes names of channels.\n"
            "  Hint: such as 'direct', or ['direct', 'unknown'].",
        ),
        (
            lambda: attribute(log().with_columns(pl.col("channel").cast(pl.Binary)), transform="frequency"),
            "Frequency(channel=Binary): bytes are no text.\n  Hint: cast the channels to text first.",
        ),
    ],
    ids=str,
)
def test_refusals(make: Callable[[], Any], text: str) -> None:
    with pytest.raises(cx.InvalidOptionError) as found:
        make()
    assert str(found.value) == text
    for bad in (3, LastN, {"exposure"}):
        with pytest.raises(cx.InvalidOptionError):
            attribute(log(), transform=bad)
    with pytest.raises(cx.InvalidOptionError, match="n"):
        LastN(0)


def test_transforms_make_no_more_channels_than_a_model_takes() -> None:
    rng = np.random.default_rng(1)
    rows = [[f"c{k}" for k in row] for row in rng.integers(0, 4_000, (6_000, 12))]
    made = pl.DataFrame({"path": [path + path[: k % 9] for k, path in enumerate(rows)], "conversions": 1})
    with pytest.raises(cx.InvalidDataError, match="channels; model 'markov' takes at most 5,000"):
        cx.attribute_paths(
            made, path="path", conversions="conversions", model="markov", transform="frequency"
        )
