"""Tables of paths: what ``paths`` gives, what ``attribute_paths`` answers, and what both refuse."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import cxcore as cx
from cxcore import errors
from cxcore._ext import native
from cxcore._ext import paths as kernel
from cxcore._path_columns import PathColumns, Paths
from cxcore.attribution import MODELS, Bootstrap, ModelWord, TimeDecay
from cxcore.attribution.path_journeys import journeys_of_paths
from tests import strategies
from tests.reference import attribution as journeys_reference
from tests.reference import markov as markov_reference
from tests.reference import paths as reference
from tests.test_attribution import PATHS, ROLES, attribute, credits, events_of, log, random_log

#: models that paths can answer
WORDS: list[Any] = [
    word for word, m in MODELS.items() if not (m.reads_times or m.reads_rows or m.reads_stage)
]
models = pytest.mark.parametrize("model", WORDS)
TABLE: dict[str, Any] = {"path": "path", "conversions": "conversions"}
FULL: dict[str, Any] = {**TABLE, "value": "value", "nulls": "nulls"}


def table(*rows: tuple[Any, float, float, float], dtype: Any = None) -> pl.DataFrame:
    """Rows of (path, conversions, value, nulls)."""
    schema = {"path": dtype, "conversions": pl.Float64, "value": pl.Float64, "nulls": pl.Float64}
    if dtype is None:
        schema["path"] = pl.List(pl.String)
    return pl.DataFrame(rows, schema, orient="row")


def of_paths(paths: Any, **options: Any) -> pl.DataFrame:
    return cx.attribute_paths(paths, **{**FULL, **options})


def flat(paths: list[tuple[Any, ...]]) -> tuple[Paths, list[Any]]:
    """Paths of names as offsets and codes in order of first appearance."""
    names = list(dict.fromkeys(name for path in paths for name in path))
    offset = np.cumsum([0, *map(len, paths)])
    channel = np.array([names.index(name) for path in paths for name in path], np.int32)
    return Paths(pl.Series(names, dtype=pl.String), offset, channel), names


def tuples(paths: Paths) -> list[tuple[Any, ...]]:
    names = paths.names.to_list()
    return [
        tuple(names[code] for code in paths.channel[paths.offset[p] : paths.offset[p + 1]])
        for p in range(len(paths))
    ]


some_paths = st.lists(st.lists(st.sampled_from("abcd"), max_size=8).map(tuple), max_size=12)


# ---------------------------------------------------------------- kernels


@given(
    texts=st.lists(st.none() | st.text("a>é ", max_size=20), max_size=20),
    separator=st.sampled_from([">", " > ", ">>", "é", "a", ">a>"]),
    at=st.integers(0, 20),
    n_threads=strategies.threads,
)
def test_split_paths(texts: list[str | None], separator: str, at: int, n_threads: int) -> None:
    column = pl.DataFrame({"path": pl.Series(texts, dtype=pl.String)})
    column = strategies.in_chunks(column, at)["path"]
    offset, code, name_offset, data = native.split_paths(column, separator, n_threads)
    names = [bytes(data[a:b]).decode() for a, b in pairwise(name_offset)]
    expected = [reference.split_paths(text, separator) for text in texts]
    assert tuples(Paths(pl.Series(names, dtype=pl.String), offset, code)) == expected
    assert names == list(dict.fromkeys(name for path in expected for name in path))


def test_split_paths_with_threads_gives_the_same_bits() -> None:
    rng = np.random.default_rng(1)
    texts = [" > ".join(f"c{k}" for k in rng.integers(0, 900, n)) for n in rng.integers(0, 5, 400_000)]
    one = native.split_paths(pl.Series(texts), " > ", 1)
    for n_threads in (2, 3):
        for a, b in zip(one, native.split_paths(pl.Series(texts), " > ", n_threads), strict=True):
            assert np.array_equal(a, b)


@given(paths=some_paths)
def test_path_order(paths: list[tuple[Any, ...]]) -> None:
    made, names = flat(paths)
    order = np.empty(len(paths), np.int64)
    rank = {name: place for place, name in enumerate(sorted(names, reverse=True))}
    ranks = np.array([rank[name] for name in names], np.int32)
    kernel.path_order(made.offset, made.channel, ranks, order)
    assert order.tolist() == reference.path_order(paths, rank)


@given(paths=some_paths)
def test_repeats(paths: list[tuple[Any, ...]]) -> None:
    made, names = flat(paths)
    times = np.empty(len(made.channel), np.int64)
    kernel.repeats(made.offset, made.channel, len(names), times)
    assert times.tolist() == [n for path in paths for n in reference.repeats(path)]


counts = st.sampled_from([0.0, 0.25, 1.0, 3.0])


@given(
    rows=st.lists(
        st.tuples(st.lists(st.sampled_from("ab"), max_size=3).map(tuple), counts, st.integers(-9, 9), counts),
        max_size=8,
    ),
    nulls=st.booleans(),
    draws=st.booleans(),
)
def test_path_windows(rows: list[Any], nulls: bool, draws: bool) -> None:
    """Each customer of the journeys is one of the twin; those who are nobody change nothing."""
    made, _ = flat([row[0] for row in rows])
    conversions, value, lost = (np.array([row[k] for row in rows], np.float64) for k in (1, 2, 3))
    columns = PathColumns(made, conversions, value, lost)
    journeys = journeys_of_paths(columns, nulls=nulls, draws=draws, with_rows=True, n_threads=1)
    walked = tuples(Paths(made.names, journeys.touch_offset, journeys.channel))
    found = []
    for u, path in enumerate(walked):
        k = int(journeys.conversion_offset[u])
        converted = journeys.conversion_offset[u + 1] > k
        if converted:
            assert (journeys.lo[k], journeys.hi[k]) == tuple(journeys.touch_offset[u : u + 2])
            assert walked[u] == rows[int(journeys.conversion_row[k])][0]
        if nulls:
            window = (journeys.null_lo[u], journeys.null_hi[u])
            lone = not converted and journeys.times[u] > 0
            assert window == tuple(journeys.touch_offset[[u, u + 1 if lone else u]])
        if journeys.times[u] > 0:
            found.append((path, converted, journeys.times[u], journeys.value[k] if converted else 0.0))
    assert all(walked[u] == rows[row][0] for u, row in users_of(journeys))
    expected = reference.path_windows([(p, c, v, n if nulls else 0.0) for p, c, v, n in rows])
    assert sorted(found) == sorted(expected)


def users_of(journeys: Any) -> list[tuple[int, int]]:
    """A user with touches, and the row they came from."""
    begins = journeys.touch_offset
    return [
        (u, int(journeys.touch_row[begins[u]])) for u in range(journeys.n_users) if begins[u] < begins[u + 1]
    ]


# ---------------------------------------------------------------- paths


@settings(max_examples=60)
@given(
    house=strategies.touch_logs(),
    lookback=st.sampled_from(["1h", None]),
    allocation=st.sampled_from(["share", "reset"]),
    nulls=st.booleans(),
)
def test_paths_are_those_of_the_twin(
    house: pl.DataFrame, lookback: str | None, allocation: Any, nulls: bool
) -> None:
    tick = strategies.tick_length(house["time"])
    limit = None if lookback is None else 3600 * 10**9 // tick
    events = events_of(house)
    journeys = journeys_reference.fill_journeys(events, limit, allocation == "reset")
    lost = markov_reference.null_journeys(events, limit) if nulls else []
    took = [(tuple(t.channel for t in j.touches), j.conversion.value) for j in journeys]
    expected = reference.paths(took, [tuple(path) for path in lost])
    options: dict[str, Any] = {"lookback": lookback, "allocation": allocation, "nulls": nulls}
    answer = cx.paths(house, **ROLES, conversion="conversion", value="value", order="seq", **options)
    assert answer["path"].to_list() == [list(path) for path in sorted(expected)]
    for path, *found in answer.iter_rows():
        conversions, value, n_lost = expected[tuple(path)]
        assert found == [conversions, pytest.approx(value), n_lost if nulls else None]


@models
@pytest.mark.parametrize("allocation", ["share", "reset"])
def test_paths_answer_as_their_events(model: ModelWord, allocation: Any) -> None:
    events = random_log(n=900, users=90, channels=5)
    options: dict[str, Any] = {"allocation": allocation, "lookback": "20d"}
    want = attribute(events, model=model, **options)
    whole = events["value"].abs().sum()
    for text in (None, " > "):
        made = cx.paths(events, **ROLES, value="value", separator=text, **options)
        got = of_paths(made, model=model, separator=text)
        assert_frame_equal(got, want, rel_tol=1e-9, abs_tol=1e-11 * whole)
        shuffled = of_paths(made.sample(fraction=1, shuffle=True, seed=1), model=model, separator=text)
        assert_frame_equal(shuffled, want, rel_tol=1e-9, abs_tol=1e-11 * whole)


@settings(max_examples=40)
@given(house=strategies.touch_logs(), nulls=st.booleans(), model=st.sampled_from(WORDS))
def test_any_log_and_its_paths_give_one_answer(house: pl.DataFrame, nulls: bool, model: Any) -> None:
    roles: dict[str, Any] = {**ROLES, "conversion": "conversion", "value": "value", "nulls": nulls}
    want = cx.attribute(house, **roles, model=model)
    made = cx.paths(house, **roles)
    got = of_paths(made, model=model)
    if not nulls and not made.height:
        return  # nothing says that there were channels
    met = want.filter(pl.col("channel").is_in(got["channel"].implode()) | pl.col("channel").is_null())
    assert_frame_equal(got, met, abs_tol=1e-9)
    assert want.join(met, on="channel", how="anti", nulls_equal=True)["conversions"].sum() == 0


@pytest.mark.parametrize("separator", [None, " > "])
def test_paths_on_every_engine(frame: Any, separator: str | None) -> None:
    options: dict[str, Any] = {**ROLES, "value": "value", "separator": separator}
    frame.check(cx.paths(frame(PATHS), **options), cx.paths(PATHS, **options))
    by_hand = [
        (["x"], 0, 0.0, 0),
        (["x", "y", "x"], 1, 8.0, 0),
        (["x", "z"], 0, 0.0, 1),
        (["y"], 1, 2.5, 0),
        (["z"], 0, 0.0, 1),
        (["z", "x", "y"], 1, 4.0, 0),
    ]
    house = cx.paths(PATHS, **{**options, "separator": None})
    assert house.rows() == by_hand[1:]


@models
@pytest.mark.parametrize("separator", [None, " > "])
def test_a_round_trip_on_every_engine(frame: Any, model: ModelWord, separator: str | None) -> None:
    events = random_log(n=150, users=25, channels=4)
    made = cx.paths(frame(events), **ROLES, value="value", separator=separator)
    answer = cx.attribute_paths(made, **FULL, model=model, separator=separator)
    house = cx.paths(events, **ROLES, value="value", separator=separator)
    want = of_paths(house, model=model, separator=separator)
    frame.check(answer, want)
    assert_frame_equal(want, attribute(events, model=model), abs_tol=1e-9)


KINDS = {
    "text": pl.String(),
    "categorical": pl.Categorical(),
    "enum": pl.Enum(["z", "y", "x"]),
    "whole numbers": pl.Int16(),
}


@pytest.mark.parametrize("kind", KINDS)
def test_channels_keep_their_type(kind: str) -> None:
    channel: Any = pl.col("channel")
    if kind == "whole numbers":
        channel = channel.replace_strict({"x": 10, "y": 9, "z": -1})
    events = PATHS.with_columns(channel=channel.cast(KINDS[kind]))
    made = cx.paths(events, **ROLES, value="value")
    assert made.schema["path"] == pl.List(KINDS[kind])
    got, want = of_paths(made, model="linear"), attribute(events, model="linear")
    assert_frame_equal(got, want, abs_tol=1e-12)
    if kind == "whole numbers":
        assert made["path"].to_list() == [[-1], [-1, 10, 9], [9], [10, -1], [10, 9, 10]]


def test_lazy_frames_know_their_schema() -> None:
    for dtype in KINDS.values():
        if dtype.is_integer():
            continue
        events = PATHS.with_columns(pl.col("channel").cast(dtype))
        for options in ({}, {"separator": ">"}, {"by": "user"}, {"transform": "frequency"}):
            lazy = cx.paths(events.lazy(), **ROLES, value="value", **options)
            assert lazy.collect_schema() == lazy.collect().schema
            options.pop("by", None)
            options.pop("transform", None)
            answer = cx.attribute_paths(lazy, **FULL, model=["markov", "linear"], **options)
            assert answer.collect_schema() == answer.collect().schema


def test_an_index_gives_the_same_paths() -> None:
    events = random_log()
    index = cx.index(events, user="user", time="time")
    assert_frame_equal(
        cx.paths(index, channel="channel", value="value"), cx.paths(events, **ROLES, value="value")
    )


def test_groups() -> None:
    events = random_log(n=800, users=100).with_columns(plan=pl.col("user").str.len_bytes())
    made = cx.paths(events, **ROLES, value="value", by="plan")
    assert made.columns == ["plan", "path", "conversions", "value", "nulls"]
    got = of_paths(made, by="plan", model=["linear", "markov"])
    want = attribute(events, by="plan", model=["linear", "markov"])
    assert_frame_equal(got, want, abs_tol=1e-9)
    none = cx.paths(events.clear(), **ROLES, value="value", by="plan")
    assert none.schema == made.schema
    assert of_paths(none, by="plan").schema == of_paths(made, by="plan").schema


def test_containers() -> None:
    rows = [("a", 0, "x", None, 1), ("a", 1, "y", None, 2), ("a", 2, None, 5.0, 2)]
    schema = {
        "user": pl.String,
        "day": pl.Int64,
        "channel": pl.String,
        "value": pl.Float64,
        "visit": pl.Int64,
    }
    visits = pl.DataFrame(rows, schema, orient="row")
    roles = {"user": "user", "time": "day", "time_unit": "s", "channel": "channel", "value": "value"}
    made = cx.paths(visits, **roles, container="visit", lookback=None)
    assert made.rows() == [(["y"], 1, 5.0, 0)]


def test_values_and_nulls_that_nobody_asked_for_are_null() -> None:
    marked = PATHS.with_columns(sold=pl.col("value").is_not_null())
    made = cx.paths(marked, **ROLES, conversion="sold", nulls=False)
    assert made.schema == cx.paths(PATHS, **ROLES, value="value").schema
    assert made["value"].null_count() == made["nulls"].null_count() == len(made) == 3


def test_conversions_without_a_touch_are_the_empty_path() -> None:
    events = log(("a", 0, None, 3.0), ("b", 0, "ads", None), ("c", 0, None, 4.0))
    made = cx.paths(events, **ROLES, value="value")
    assert made.rows() == [([], 2, 7.0, 0), (["ads"], 0, 0.0, 1)]
    text = cx.paths(events, **ROLES, value="value", separator=" > ")
    assert text.rows() == [("", 2, 7.0, 0), ("ads", 0, 0.0, 1)]
    for found in (of_paths(made), of_paths(text, separator=" > ")):
        assert_frame_equal(found, attribute(events))


# ---------------------------------------------------------------- attribute_paths


@models
def test_rows_of_one_path_add_up(model: ModelWord) -> None:
    made = cx.paths(random_log(n=600, users=60), **ROLES, value="value")
    halves = made.with_columns(pl.col("conversions", "value", "nulls") / 4)
    split = pl.concat([halves, halves.sample(fraction=1, shuffle=True, seed=2), halves, halves])
    assert_frame_equal(of_paths(split, model=model), of_paths(made, model=model), rel_tol=1e-9, abs_tol=1e-9)


@models
def test_nobody_who_failed_is_the_same_as_none(model: ModelWord) -> None:
    made = cx.paths(random_log(n=300, users=40), **ROLES, value="value", nulls=False)
    assert_frame_equal(of_paths(made, model=model, nulls=None), of_paths(made, model=model))


@models
def test_fractions_count_as_they_are(model: ModelWord) -> None:
    answer = of_paths(table((["x"], 0.25, -1.5, 0.5), (["x", "y"], 0.5, 2.0, 0.0)), model=model)
    if MODELS[model].conserves:
        assert answer["conversions"].sum() == pytest.approx(0.75)
        assert answer["value"].sum() == pytest.approx(0.5)
        assert answer["share"].sum() == pytest.approx(1.0)


@models
def test_threads_change_no_bit(model: ModelWord) -> None:
    made = cx.paths(random_log(n=20_000, users=5_000), **ROLES, value="value", separator=">")
    one = of_paths(made, model=model, separator=">", n_threads=1)
    for n_threads in (2, 3):
        got = of_paths(made, model=model, separator=">", n_threads=n_threads)
        assert_frame_equal(got, one, check_exact=True)


@models
def test_a_path_of_nothing_is_no_touch(model: ModelWord) -> None:
    made = table((None, 1.0, 2.0, 3.0), ([], 0.5, 1.0, 0.0), (["null"], 1.0, 0.0, 2.0))
    answer = of_paths(made, model=model)
    assert credits(answer) == pytest.approx({"null": 1.0, None: 1.5})
    assert answer["share"].to_list() == pytest.approx([0.4, 0.6])
    assert answer["value"].to_list() == pytest.approx([0.0, 3.0])
    texts = table((None, 1.0, 2.0, 3.0), ("", 0.5, 1.0, 0.0), ("null", 1.0, 0.0, 2.0), dtype=pl.String)
    assert_frame_equal(of_paths(texts, model=model, separator=">"), answer)


@models
def test_nobody_converted(model: ModelWord) -> None:
    answer = of_paths(table((["x", "y"], 0.0, 0.0, 2.0), (["z"], 0.0, 0.0, 0.0)), model=model)
    rows = answer.select("channel", "conversions", "value", "share").rows()
    assert rows == [("x", 0.0, 0.0, None), ("y", 0.0, 0.0, None), ("z", 0.0, 0.0, None)]


@models
def test_empty_tables_have_empty_answers(model: ModelWord) -> None:
    answer = of_paths(table(), model=model)
    assert answer.height == 0
    assert answer.schema == of_paths(table((["x"], 1.0, 1.0, 0.0)), model=model).schema


NAMES = [
    " > ",
    ">",
    "",
    "7",
    "007",
    "naïve",
    "日本",
    "null",
    "None",
    "a\0b",
    "a name of more than twelve bytes",
]


@models
def test_names_are_data(model: ModelWord) -> None:
    known = "abcdefghijk"
    made = table(
        *((list(known[k : k + 3]), 1.0 + k, 2.0 * k, 1.0 + k % 3) for k in range(9)),
    )
    renamed = made.with_columns(
        pl.col("path").list.eval(pl.element().replace_strict(dict(zip(known, NAMES, strict=True))))
    )
    want = of_paths(made, model=model)
    want = want.with_columns(pl.col("channel").replace_strict(dict(zip(known, NAMES, strict=True))))
    assert_frame_equal(of_paths(renamed, model=model), want.sort("channel"), abs_tol=1e-12)


def test_digits_stay_in_names() -> None:
    answer = of_paths(
        table(("1 > 10 > a1", 1.0, 0.0, 0.0), ("10", 2.0, 0.0, 0.0), dtype=pl.String), separator=" > "
    )
    assert credits(answer) == {"1": 0.0, "10": 2.0, "a1": 1.0}


def test_a_separator_is_exact() -> None:
    texts = table(("a > b", 1.0, 0.0, 0.0), dtype=pl.String)
    assert of_paths(texts, separator=" > ")["channel"].to_list() == ["a", "b"]
    assert of_paths(texts, separator=">")["channel"].to_list() == [" b", "a "]
    assert of_paths(texts, separator="->")["channel"].to_list() == ["a > b"]
    hole = table(("a >  > b", 1.0, 0.0, 0.0), dtype=pl.String)
    assert of_paths(hole, separator=" > ")["channel"].to_list() == ["", "a", "b"]


def test_texts_that_would_not_be_cut_where_they_met_are_refused() -> None:
    events = log(("a", 0, "x >", None), ("a", 1, "y", None), ("a", 2, None, 1.0))
    with pytest.raises(cx.InvalidOptionError) as found:
        cx.paths(events, **ROLES, value="value", separator=" > ")
    assert str(found.value) == (
        "paths(separator=' > '): 1 of 2 names are empty or hold the separator; first is 'x >'.\n"
        "  Hint: take another separator, or none: lists hold any name."
    )
    assert cx.paths(events, **ROLES, value="value", separator="|")["path"].to_list() == ["x >|y"]
    for bad in ("", "a > b", " > "):
        with pytest.raises(cx.InvalidOptionError, match="are empty or hold the separator"):
            cx.paths(log(("a", 0, bad, None), ("a", 1, None, 1.0)), **ROLES, value="value", separator=" > ")


def test_one_path_of_a_million_touches() -> None:
    n = 1_000_000
    names = [f"c{k}" for k in range(10)]
    path = pl.Series("path", names)[np.arange(n) % 10].implode()
    made = pl.DataFrame({"path": path, "conversions": [2], "value": [10.0], "nulls": [1]})
    for text in (made, made.with_columns(pl.col("path").list.join(">"))):
        separator = ">" if text["path"].dtype == pl.String else None
        answer = of_paths(text, model=["first_touch", "linear", "position", "markov"], separator=separator)
        linear = answer.filter(model="linear")
        assert linear["conversions"].to_list() == pytest.approx([0.2] * 10)
        assert credits(answer.filter(model="first_touch"))["c0"] == 2.0


def test_five_thousand_channels() -> None:
    rng = np.random.default_rng(1)
    made = pl.DataFrame(
        {
            "path": [[f"c{k}" for k in row] for row in rng.integers(0, 5_000, (20_000, 3))],
            "conversions": rng.integers(0, 3, 20_000),
            "value": 0.0,
            "nulls": rng.integers(0, 3, 20_000),
        }
    )
    answer = of_paths(made, model=["linear", "shapley"])
    assert len(answer) == 2 * made["path"].explode().n_unique()
    total = made["conversions"].sum()
    assert (
        answer.group_by("model").agg(pl.col("conversions").sum())["conversions"].to_list()
        == [pytest.approx(total)] * 2
    )
    with pytest.raises(cx.InvalidDataError, match=r"attribute_paths\(path='path'\): 5,001 channels"):
        of_paths(
            pl.concat([made, made[:1].with_columns(path=pl.lit(["new"] + [f"c{k}" for k in range(5_000)]))]),
            model="markov",
        )


LAYOUTS: dict[str, Callable[[pl.DataFrame], Any]] = {
    "chunks": lambda house: strategies.in_chunks(house, 2),
    "slice": lambda house: pl.concat([house, house]).slice(len(house), len(house)),
    "array": lambda house: house.with_columns(pl.col("path").cast(pl.Array(pl.String, 2))),
    "arrow lists": lambda house: arrow(house, pa.list_(pa.string())),
    "arrow large lists": lambda house: arrow(house, pa.large_list(pa.large_string())),
    "arrow fixed lists": lambda house: arrow(house, pa.list_(pa.string(), 2)),
    "arrow dictionaries": lambda house: arrow(house, pa.list_(pa.dictionary(pa.int32(), pa.string()))),
    "arrow views": lambda house: arrow(house, pa.list_(pa.string_view())),
    "pandas lists": lambda house: pd.DataFrame({**house.to_dict(as_series=False)}),
    "pandas arrays": lambda house: pd.DataFrame(
        {**house.to_dict(as_series=False), "path": [np.array(path) for path in house["path"]]}
    ),
    "duckdb lists": lambda house: duckdb.connect().from_arrow(arrow(house, pa.list_(pa.string()))),
}


def arrow(house: pl.DataFrame, kind: pa.DataType) -> pa.Table:
    plain = pa.array(house["path"].to_list(), pa.list_(pa.string()))
    if pa.types.is_dictionary(kind.value_type):
        items = pa.array([name for path in house["path"] for name in path]).dictionary_encode()
        column = pa.ListArray.from_arrays(pa.array(range(0, 2 * len(house) + 1, 2), pa.int32()), items)
    elif pa.types.is_fixed_size_list(kind):
        column = pa.FixedSizeListArray.from_arrays(plain.flatten(), 2)
    else:
        column = pa.array(house["path"].to_list(), kind)
    rest = {name: house[name].to_list() for name in ("conversions", "value", "nulls")}
    return pa.table({"path": column, **rest})


@pytest.mark.parametrize("layout", LAYOUTS)
def test_one_table_in_every_layout(layout: str) -> None:
    made = table((["a", "b"], 1.0, 2.0, 3.0), (["b", "b"], 2.0, 1.0, 0.0), (["c", "a"], 0.0, 0.0, 1.0))
    want = of_paths(made, model=["linear", "markov"])
    answer = of_paths(LAYOUTS[layout](made), model=["linear", "markov"])
    got = (
        answer
        if isinstance(answer, pl.DataFrame)
        else pl.DataFrame(answer.pl() if hasattr(answer, "pl") else answer)
    )
    assert_frame_equal(got.cast(want.schema), want, check_exact=True)


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view(), "dictionary"], ids=str)
def test_text_in_every_layout(kind: Any) -> None:
    texts = ["a > b", None, "", "b > a name of more than twelve bytes > b", "a > b"]
    column = pa.array(texts).dictionary_encode() if kind == "dictionary" else pa.array(texts, kind)
    made = pa.table({"path": pa.chunked_array([column.slice(0, 2), column.slice(2)]), "conversions": [1] * 5})
    answer = pl.DataFrame(cx.attribute_paths(made, **TABLE, separator=" > ", model="linear"))
    assert credits(answer) == pytest.approx(
        {"a": 1.0, "a name of more than twelve bytes": 1 / 3, "b": 1 + 2 / 3, None: 2.0}
    )


def test_a_null_list_over_items_is_no_touch() -> None:
    """Arrow lets a null slot point at items that are not there."""
    offsets, items = pa.array([0, 2, 4, 5], pa.int32()), pa.array(["a", "b", "x", "x", "b"])
    column = pa.ListArray.from_arrays(offsets, items, mask=pa.array([False, True, False]))
    answer = cx.attribute_paths(pa.table({"path": column, "conversions": [1, 1, 1]}), **TABLE)
    assert credits(pl.DataFrame(answer)) == {"a": 0.0, "b": 2.0, None: 1.0}


# ---------------------------------------------------------------- intervals


def journeys_table(seed: int = 1, users: int = 400) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Events of customers of one journey each, and the same with one row a journey."""
    rng = np.random.default_rng(seed)
    rows, journeys = [], []
    for user in range(users):
        path = [f"c{k}" for k in rng.integers(0, 4, rng.integers(1, 5))]
        rows += [(f"u{user}", day, name, None) for day, name in enumerate(path)]
        worth = float(rng.integers(1, 50)) if rng.random() < 0.4 else None
        if worth is not None:
            rows.append((f"u{user}", 9, None, worth))
        journeys.append((path, float(worth is not None), worth or 0.0, float(worth is None)))
    return log(*rows), table(*journeys)


@models
def test_intervals_of_one_journey_a_customer_are_those_of_the_events(model: ModelWord) -> None:
    events, rows = journeys_table()
    want = attribute(events, model=model, confidence_level=0.9)
    assert_frame_equal(of_paths(rows, model=model, confidence_level=0.9), want, rel_tol=1e-8)
    added = rows.group_by("path", maintain_order=True).agg(pl.all().sum())
    columns = ["channel", "conversions", "standard_error", "low", "high", "share_low", "share_high"]
    got = of_paths(added, model=model, confidence_level=0.9).select(columns)
    assert_frame_equal(got, want.select(columns), rel_tol=1e-8)


def test_differences_and_costs_are_those_of_the_events() -> None:
    events, rows = journeys_table()
    costs = pl.DataFrame({"channel": ["c0", "c2"], "cost": [10.0, 90.0]})
    options: dict[str, Any] = {"model": ["linear", "markov"], "confidence_level": 0.95, "spend": costs}
    for compare in (False, True):
        want = attribute(events, compare=compare, **options)
        assert_frame_equal(of_paths(rows, compare=compare, **options), want, rel_tol=1e-7, abs_tol=1e-9)
    plain = of_paths(rows, spend=costs)
    assert_frame_equal(plain, attribute(events, spend=costs))


@pytest.mark.parametrize("kind", ["percentile", "bca"])
def test_a_bootstrap_depends_on_no_order_of_rows(kind: Any) -> None:
    _, rows = journeys_table(users=120)
    rows = rows.group_by("path", maintain_order=True).agg(pl.all().sum())
    options: dict[str, Any] = {"model": ["linear", "markov"], "confidence_level": 0.9}
    options["method"] = Bootstrap(replicates=200, kind=kind, rng=7)
    want = of_paths(rows, **options)
    for seed in range(2):
        shuffled = rows.sample(fraction=1, shuffle=True, seed=seed)
        assert_frame_equal(of_paths(shuffled, **options), want, rel_tol=1e-9)


def test_groups_draw_the_customers_of_all() -> None:
    """Channels of one group alone: their numbers are those of the answer without groups."""
    rng = np.random.default_rng(1)
    rows = [([f"{plan}{k}"], 1.0 + k, 2.0 * k, 3.0) for plan in "ab" for k in rng.integers(0, 4, 30)]
    made = table(*rows).with_columns(plan=pl.col("path").list.first().str.slice(0, 1))
    for method in ("analytic", Bootstrap(replicates=200, rng=3)):
        options: dict[str, Any] = {"confidence_level": 0.9, "method": method}
        whole = of_paths(made, **options).drop("share", "share_low", "share_high")
        apart = of_paths(made, by="plan", **options)
        apart = apart.filter(pl.col("channel").str.starts_with(pl.col("plan"))).select(whole.columns)
        assert_frame_equal(apart, whole, rel_tol=1e-9)


def test_a_bootstrap_of_paths_is_as_wide_as_that_of_events() -> None:
    events, rows = journeys_table()
    added = rows.group_by("path", maintain_order=True).agg(pl.all().sum())
    options: dict[str, Any] = {"model": "markov", "confidence_level": 0.9}
    formula = attribute(events, **options)["standard_error"]
    drawn = of_paths(added, method=Bootstrap(replicates=4_000, rng=1), **options)["standard_error"]
    assert drawn.to_list() == pytest.approx(formula.to_list(), rel=0.06)


def test_everyone_is_weighed() -> None:
    """One row of ten customers has the error of ten rows of one."""
    alike = table((["a"], 10.0, 30.0, 0.0), (["b"], 0.0, 0.0, 30.0), ([], 5.0, 5.0, 0.0))
    apart = table(
        *([(["a"], 1.0, 3.0, 0.0)] * 10), *([(["b"], 0.0, 0.0, 1.0)] * 30), *([([], 1.0, 1.0, 0.0)] * 5)
    )
    for model in WORDS:
        options: dict[str, Any] = {"model": model, "confidence_level": 0.95}
        assert_frame_equal(of_paths(alike, **options), of_paths(apart, **options), rel_tol=1e-9)


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"model": "time_decay"},
            "attribute_paths(model='time_decay'): it asks when touches were, which paths do not say.\n"
            "  Hint: pass the events to attribute().",
        ),
        (
            {"model": ["linear", TimeDecay("1d")]},
            "attribute_paths(model=\"time_decay(half_life='1d')\"): it asks when touches were, "
            "which paths do not say.\n  Hint: pass the events to attribute().",
        ),
        (
            {"model": "same_touch"},
            "attribute_paths(model='same_touch'): it asks which row a touch was, which paths do not say.\n"
            "  Hint: pass the events to attribute().",
        ),
        (
            {"model": "w"},
            "attribute_paths(model='w'): it asks which touch reached the stage, which paths do not say.\n"
            "  Hint: pass the events to attribute().",
        ),
        (
            {"separator": ""},
            "attribute_paths(separator=''): takes the exact text between channels.\n"
            "  Hint: such as ' > ', with its spaces.",
        ),
        (
            {"separator": "\ud800"},
            "attribute_paths(separator='\\ud800'): takes the exact text between channels.\n"
            "  Hint: such as ' > ', with its spaces.",
        ),
        (
            {"separator": ">"},
            "attribute_paths(separator='>'): the column 'path' is List(String): it is split already.\n"
            "  Hint: leave it out.",
        ),
        (
            {"path": "conversions"},
            "attribute_paths(path='conversions'): takes lists of channels, or text, "
            "but the column is Float64.\n"
            "  Hint: group the touches of a journey: agg(pl.col('channel')); or pass text and separator=.",
        ),
    ],
    ids=str,
)
def test_options_that_are_refused(options: dict[str, Any], text: str) -> None:
    with pytest.raises(errors.CxError) as found:
        of_paths(table((["a"], 1.0, 1.0, 0.0)), **options)
    assert str(found.value) == text


def test_every_model_that_reads_more_than_paths_is_refused() -> None:
    more = set(MODELS) - set(WORDS)
    assert more >= {"time_decay", "additive_hazard", "same_touch", "w"}
    for model in more:
        with pytest.raises(cx.InvalidOptionError, match="which paths do not say"):
            of_paths(table((["a"], 1.0, 1.0, 0.0)), model=model)


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        (
            [(["a", None], 1.0, 0.0, 0.0), (["a"], 1.0, 0.0, 0.0)],
            "attribute_paths(path='path'): 1 of 2 paths hold a null; first is row 0.\n"
            "  Hint: name it, or leave it out of the list.",
        ),
        (
            [(["a"], 1.0, 0.0, 0.0), (["a"], -2.0, 0.0, 0.0)],
            "attribute_paths(conversions='conversions'): 1 of 2 rows are below 0; first is -2.0, row 1.\n"
            "  Hint: a count is 0 or more.",
        ),
        (
            [(["a"], float("nan"), 0.0, 0.0)],
            "attribute_paths(conversions='conversions'): 1 of 1 rows are not finite numbers; "
            "first is nan, row 0.\n"
            "  Hint: replace or drop them; a null says 'none'.",
        ),
        (
            [(["a"], 1.0, 0.0, float("inf"))],
            "attribute_paths(nulls='nulls'): 1 of 1 rows are not finite numbers; first is inf, row 0.\n"
            "  Hint: replace or drop them; a null says 'none'.",
        ),
        (
            [(["a"], 1.0, 5.0, 0.0), (["a"], 0.0, 5.0, 1.0)],
            "attribute_paths(value='value'): 1 of 2 rows have a value and no conversion; "
            "first is 5.0, row 1.\n"
            "  Hint: a value is that of the conversions of its row.",
        ),
        (
            [(["a"], 1e-300, 1e100, 0.0)],
            "attribute_paths(value='value'): the value per conversion is more than a float64 can hold; "
            "first in row 0.\n  Hint: check the conversions of that row.",
        ),
    ],
    ids=str,
)
def test_data_that_is_refused(rows: list[Any], text: str) -> None:
    with pytest.raises(cx.InvalidDataError) as found:
        of_paths(table(*rows))
    assert str(found.value) == text


def test_text_needs_a_separator() -> None:
    with pytest.raises(cx.InvalidDataError) as found:
        of_paths(table(("a", 1.0, 0.0, 0.0), dtype=pl.String))
    assert str(found.value) == (
        "attribute_paths(path='path'): the column is String, and nothing says where a channel ends.\n"
        "  Hint: say separator=' > ', or pass a list column."
    )


@pytest.mark.parametrize("inner", [pl.Float64, pl.List(pl.String), pl.Datetime("us")], ids=str)
def test_lists_of_other_things_are_refused(inner: Any) -> None:
    made = pl.DataFrame({"path": pl.Series([None, []], dtype=pl.List(inner)), "conversions": [1, 2]})
    with pytest.raises(cx.InvalidDataError, match=r"^attribute_paths\(path='path'\): takes whole numbers"):
        cx.attribute_paths(made, **TABLE)


def test_null_counts_are_0_and_columns_of_nothing_are_read() -> None:
    made = pl.DataFrame({"path": [["a"], ["b"]], "conversions": [None, 2], "value": [None, None]})
    answer = cx.attribute_paths(made, **TABLE, value="value", nulls="value")
    assert answer.select("channel", "conversions", "value").rows() == [("a", 0.0, 0.0), ("b", 2.0, 0.0)]
    for nothing in (pl.Series([None]), pl.Series([[]]), pl.Series([None], dtype=pl.List(pl.Null))):
        answer = cx.attribute_paths(pl.DataFrame({"path": nothing, "conversions": [3]}), **TABLE)
        assert answer.select("channel", "conversions").rows() == [(None, 3.0)]


def test_unknown_columns_and_names() -> None:
    with pytest.raises(cx.ColumnNotFoundError, match="no such columns"):
        of_paths(table(), path="pth", nulls="nll")
    with pytest.raises(cx.InvalidOptionError, match="takes the name of a column"):
        of_paths(table(), conversions=None)
    with pytest.raises(cx.InvalidOptionError, match="the answer has a column of that name"):
        cx.paths(PATHS, **ROLES, value="value", by=pl.col("user").alias("path"))
    with pytest.raises(cx.InvalidOptionError, match=re.escape("paths(): conversion or value is required")):
        cx.paths(PATHS, **ROLES)


def test_times_are_those_of_attribute() -> None:
    """A touch counts where it is less than ``lookback`` before the conversion."""
    day = dt.timedelta(days=1)
    events = log(("a", 0, "x", None), ("a", 1, "y", None), ("a", 2, None, 1.0))
    assert cx.paths(events, **ROLES, value="value", lookback=2 * day)["path"].to_list() == [["y"]]
