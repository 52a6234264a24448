"""States of counts: parts and the whole, adding and taking away, answers, GROUP BYs, files, errors."""

from __future__ import annotations

import datetime as dt
import os

import duckdb
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import cxcore as cx
from cxcore import (
    ColumnNotFoundError,
    CxError,
    InvalidDataError,
    InvalidOptionError,
    ScoreState,
    UnsupportedFrameError,
    _files,
    metrics,
)
from tests import strategies

HOUSE = pl.DataFrame(
    {
        "plan": ["free", "pro", None, "pro", "free", "free", "pro", "team"],
        "area": [1, 1, 2, 2, 1, 2, 1, 1],
        "score": [10, 3, 8, 9, None, 11, 7, None],
    }
)
WHOLE = ScoreState.from_answers(HOUSE, score="score", by=["plan", "area"], missing=[11])


# ---------------------------------------------------------------- merging


@given(strategies.answers(), st.lists(st.integers(0, 3), min_size=60, max_size=60), st.booleans())
def test_parts_added_are_the_whole(house, part, grouped):
    """Whatever the parts, in whatever order; and what was added can be taken away."""
    by = "plan" if grouped else None
    house = house.with_columns(part=pl.Series(part[: house.height], dtype=pl.Int64))
    states = [ScoreState.from_answers(house.filter(part=at), score="score", by=by) for at in (2, 0, 3, 1)]
    whole = ScoreState.from_answers(house, score="score", by=by)
    assert sum(states) == whole
    assert (states[0] + states[1]) + (states[2] + states[3]) == whole
    assert whole - states[1] == states[0] + states[2] + states[3]
    assert whole - whole == ScoreState.from_answers(house.head(0), score="score", by=by)
    assert ScoreState.from_counts(whole.to_frame(), by=whole.by) == whole


def test_a_state_never_changes():
    before = WHOLE.to_frame()
    more = WHOLE + WHOLE
    assert more != WHOLE
    assert more - WHOLE == WHOLE
    assert_frame_equal(WHOLE.to_frame(), before)
    with pytest.raises(TypeError):
        hash(WHOLE)
    for other in (1, HOUSE, HOUSE["score"], HOUSE.lazy()):
        with pytest.raises(UnsupportedFrameError, match=r"__add__\(\): cannot read \w+ as a ScoreState"):
            WHOLE + other
        with pytest.raises(TypeError, match=r"__sub__\(\): cannot read"):
            WHOLE - other
    assert WHOLE != 1
    assert ScoreState.from_answers(HOUSE, score="score", by="plan", missing=[11]) != WHOLE


def test_repr():
    assert repr(WHOLE) == "ScoreState(scale=(0, 10), by=['plan', 'area'], 6 groups, 5 answers)"
    alone = ScoreState.from_answers(HOUSE, score="score", missing=[11])
    assert repr(alone) == "ScoreState(scale=(0, 10), no groups, 5 answers)"


# ---------------------------------------------------------------- answers


@pytest.mark.parametrize("by", [None, "plan", ["area", "plan"], []])
@pytest.mark.parametrize("method", ["bootstrap", "score", "always_valid"])
def test_answers_are_those_of_the_verb(by, method):
    of = ["plan", "area"] if by is None else by
    known = cx.nps(HOUSE, score="score", by=of, missing=[11], method=method)
    assert_frame_equal(WHOLE.nps(by=by, method=method), known, check_exact=True)
    if of:
        total = cx.nps(HOUSE, score="score", by=of, missing=[11], method=method, total=True)
        assert_frame_equal(WHOLE.nps(by=by, method=method, total=True), total, check_exact=True)


def test_every_score():
    rng = np.random.default_rng(2)
    house = pl.DataFrame({"score": rng.integers(1, 6, 200), "plan": rng.choice(["a", "b"], 200)})
    state = ScoreState.from_answers(house, score="score", by="plan", scale=(1, 5))
    for metric, known in (
        ("csat", cx.csat(house, score="score", by="plan")),
        ("ces", cx.ces(house, score="score", by="plan", scale=(1, 5))),
        ("mean_score", cx.mean_score(house, score="score", by="plan", scale=(1, 5))),
        (metrics.Csat(top=1), cx.csat(house, score="score", by="plan", top=1)),
        (
            metrics.Nps((1, 5), 5, 3),
            cx.nps(house, score="score", by="plan", scale=(1, 5), promoter=5, detractor=3),
        ),
    ):
        assert_frame_equal(state.score(metric), known, check_exact=True)


# ---------------------------------------------------------------- clusters


@pytest.mark.parametrize("method", ["bootstrap", "cluster_percentile", "cluster_t", "score", "linearized"])
@pytest.mark.parametrize("n_customers", [4, 60, 700])
def test_clusters_in_parts_are_those_of_the_verb(method, n_customers, tmp_path):
    """A customer who answers on two days is one cluster: to the last digit, through a file, by any groups."""
    rng, n = np.random.default_rng(n_customers), 900
    house = pl.DataFrame(
        {
            "plan": rng.choice(["free", "pro"], n),
            "area": rng.integers(0, 3, n),
            "who": pl.Series(rng.integers(0, n_customers, n)).set(pl.Series(rng.random(n) < 0.02), None),
            "score": pl.Series(rng.integers(0, 11, n)).set(pl.Series(rng.random(n) < 0.05), None),
        }
    )
    given = {"score": "score", "by": ["plan", "area"], "cluster": "who"}
    days = [ScoreState.from_answers(house[at::3], **given) for at in range(3)]
    whole, path = ScoreState.from_answers(house, **given), tmp_path / "state.parquet"
    assert sum(days) == whole
    assert whole - days[1] == days[0] + days[2]
    sum(days).save(path)
    state = ScoreState.load(path)
    assert state == whole
    assert (state.by, state.cluster) == (["plan", "area"], ("who",))
    for by, total in ((["plan", "area"], False), (["plan"], True), ([], False)):
        known = cx.nps(house, score="score", by=by, cluster="who", method=method, total=total)
        assert_frame_equal(state.nps(by=by, method=method, total=total), known, check_exact=True)
    assert_frame_equal(
        state.score("mean_score", method=method, by=[]),
        cx.mean_score(house, score="score", scale=(0, 10), cluster="who", method=method),
        check_exact=True,
    )


def test_clusters_of_several_columns_and_counts():
    house = HOUSE.with_columns(who=pl.Series([1, 1, None, 2, 2, 3, 3, 1]))
    state = ScoreState.from_answers(house, score="score", by="plan", missing=[11], cluster=["area", "who"])
    known = cx.nps(house, score="score", by="plan", missing=[11], cluster=["area", "who"])
    assert_frame_equal(state.nps(), known, check_exact=True)
    assert repr(state) == "ScoreState(scale=(0, 10), by=['plan'], cluster=['area', 'who'], 5 answers)"
    counts = house.group_by("plan", "area", "who", "score").len("n")
    given = {"level": "score", "by": "plan", "cluster": ["area", "who"]}
    assert ScoreState.from_counts(counts, missing=[11], **given) == state
    assert ScoreState.from_counts(state.to_frame(), by="plan", cluster=["area", "who"]) == state
    plain = ScoreState.from_counts(state.to_frame(), by=["plan", "area", "who"])
    assert plain != state
    with pytest.raises(InvalidOptionError, match=r"the columns of cluster are \[\] and \['area', 'who'\]"):
        plain + state


@pytest.mark.parametrize("by", [None, "region", ["plan", "region"]])
def test_a_column_of_two_roles(by, tmp_path):
    """Customers of two strata who share a name are told apart as the error of `nps` says."""
    rng = np.random.default_rng(32)
    house = pl.DataFrame(
        {
            "plan": rng.choice(["free", "pro"], 300),
            "who": rng.integers(0, 40, 300),
            "region": rng.choice(["north", "south"], 300),
            "score": rng.integers(0, 11, 300),
        }
    )
    with pytest.raises(InvalidDataError, match=r"say cluster=\[stratum, cluster\]"):
        cx.nps(house, score="score", cluster="who", stratum="region")
    given = {"by": by, "cluster": ["region", "who"], "stratum": "region"}
    days = [ScoreState.from_answers(house[at::2], score="score", **given) for at in range(2)]
    state, path = sum(days), tmp_path / "state.parquet"
    state.save(path)
    assert ScoreState.load(path) == state == ScoreState.from_counts(state.to_frame(), **given)
    assert state.by == ([] if by is None else [by] if by == "region" else by)
    assert state.to_frame().columns == list(dict.fromkeys([*state.by, "region", "who", "level", "n"]))
    assert_frame_equal(state.nps(), cx.nps(house, score="score", **given), rel_tol=1e-12)
    other = ScoreState.from_answers(house, score="score", **{**given, "by": "plan" if by is None else None})
    assert other != state
    with pytest.raises(InvalidOptionError, match="give both the same by="):
        state + other


@pytest.mark.parametrize("cluster", [None, "who"])
@pytest.mark.parametrize("method", ["bootstrap", "percentile"])
def test_strata_in_parts_are_those_of_the_verb(cluster, method, tmp_path):
    rng = np.random.default_rng(31)
    who = rng.integers(0, 60, 400)
    house = pl.DataFrame(
        {
            "plan": rng.choice(["free", "pro"], 400),
            "who": who,
            "region": [["north", "south", "west"][each % 3] for each in who],
            "score": pl.Series(rng.integers(0, 11, 400)).set(pl.Series(rng.random(400) < 0.05), None),
        }
    )
    given = {"score": "score", "by": "plan", "cluster": cluster, "stratum": "region"}
    days = [ScoreState.from_answers(house[at::3], **given) for at in range(3)]
    whole, path = ScoreState.from_answers(house, **given), tmp_path / "state.parquet"
    assert sum(days) == whole
    whole.save(path)
    state = ScoreState.load(path)
    assert state == whole
    assert (state.by, state.stratum) == (["plan"], ("region",))
    assert "stratum=['region']" in repr(state)
    for by, total in ((["plan"], True), ([], False)):
        known = cx.nps(house, **{**given, "by": by}, method=method, total=total)
        assert_frame_equal(state.nps(by=by, method=method, total=total), known, rel_tol=1e-12)
    with pytest.raises(InvalidOptionError, match=r"the columns of stratum are \['region'\] and \[\]"):
        whole + ScoreState.from_answers(house, **{**given, "stratum": None})


def test_codes_of_counts_are_no_answers():
    """Also those on the scale; a level that is neither stays refused."""
    rows = {"plan": ["a", "a", "b"], "level": [11, 10, 3], "n": [2, 3, 4]}
    state = ScoreState.from_counts(pl.DataFrame(rows), by="plan", missing=[11, 3])
    assert state.to_frame().rows() == [("a", 10, 3), ("a", None, 2), ("b", None, 4)]
    with pytest.raises(InvalidDataError, match="outside"):
        ScoreState.from_counts(pl.DataFrame(rows), by="plan")


# ---------------------------------------------------------------- from a GROUP BY


def test_every_engine(frame):
    assert ScoreState.from_answers(frame(HOUSE), score="score", by=["plan", "area"], missing=[11]) == WHOLE
    assert ScoreState.from_counts(frame(WHOLE.to_frame()), by=["plan", "area"]) == WHOLE


def test_group_by_of_polars_and_sql():
    clean = HOUSE.with_columns(pl.col("score").replace(11, None))
    of_polars = clean.lazy().group_by("plan", "area", "score").len("n")
    assert ScoreState.from_counts(of_polars, level="score", by=["plan", "area"]) == WHOLE
    with duckdb.connect() as connection:
        connection.register("answers", clean.to_arrow())
        relation = connection.sql("SELECT plan, area, score, count(*) AS n FROM answers GROUP BY ALL")
        assert ScoreState.from_counts(relation, level="score", by=["plan", "area"]) == WHOLE
        connection.sql(
            "CREATE TABLE parts AS SELECT plan, area, score, count(*) AS n FROM answers GROUP BY ALL"
        )
        sums = connection.sql("SELECT plan, area, score, sum(n) AS n FROM parts GROUP BY ALL")  # HUGEINT
        assert ScoreState.from_counts(sums, level="score", by=["plan", "area"]) == WHOLE


def test_counts_in_any_form():
    rows = pl.DataFrame({"level": [5.0, 5.0, None, 0.0], "n": [2.0, 3.0, 4.0, 0.0]})
    state = ScoreState.from_counts(rows, scale=(0, 5))
    assert state.to_frame().rows() == [(5, 5), (None, 4)]
    empty = ScoreState.from_counts(rows.head(0), scale=(0, 5))
    assert (empty.to_frame().height, empty.score("mean_score")["n"].item()) == (0, 0)
    zeros = pl.DataFrame({"plan": ["a", "b"], "level": [1, 1], "n": [0, 7]})
    assert ScoreState.from_counts(zeros, by="plan").to_frame().rows() == [("b", 1, 7)]


# ---------------------------------------------------------------- files


def test_save_and_load(tmp_path):
    path = tmp_path / "state.parquet"
    groups = {
        "text": ["a", None], "day": [dt.date(2024, 1, 1), None], "flag": [True, None], "none": [None, None],
        "time": pl.Series([dt.datetime(2024, 1, 1), None]).dt.replace_time_zone("Europe/Berlin"),
        "size": pl.Series(["s", "m"], dtype=pl.Enum(["m", "s"])),
        "kind": pl.Series(["x", "y"], dtype=pl.Categorical),
    }  # fmt: skip
    house = pl.DataFrame({**groups, "score": [3, 10]})
    state = ScoreState.from_answers(house, score="score", by=list(groups))
    for each in (state, WHOLE, ScoreState.from_answers(house.head(0), score="score", scale=(-3, 12))):
        each.save(path)
        assert ScoreState.load(path) == each
        assert ScoreState.load(path).scale == each.scale
    assert [entry.name for entry in tmp_path.iterdir()] == ["state.parquet"]


def test_a_file_is_whole_or_that_of_before(tmp_path, monkeypatch):
    path = tmp_path / "state.parquet"
    WHOLE.save(path)

    def fails(*_):
        raise OSError("no space left")

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(InvalidDataError, match="no space left"):
        (WHOLE + WHOLE).save(path)
    assert ScoreState.load(path) == WHOLE
    assert len(list(tmp_path.iterdir())) == 1


def test_files_of_others(tmp_path):
    path = tmp_path / "other.parquet"
    HOUSE.write_parquet(path)
    said = f"ScoreState.load(path={str(path)!r}): is no file that ScoreState.save wrote."
    for content in (path.read_bytes(), b"not parquet"):
        path.write_bytes(content)
        with pytest.raises(InvalidDataError) as error:
            ScoreState.load(path)
        assert str(error.value) == f"{said}\n  Hint: name one, or start anew."
    _files.write_parquet("ScoreState.save", path, HOUSE, {"cxcore.score_state": {"version": 9}})
    with pytest.raises(InvalidDataError, match="has version 9 of the format, and this cxcore reads"):
        ScoreState.load(path)


# ---------------------------------------------------------------- errors, whole


def counts(**columns):
    return lambda: ScoreState.from_counts(pl.DataFrame(columns))


ERRORS = [
    (
        lambda: ScoreState.from_answers(HOUSE, score="score", cluster=pl.col("area")),
        InvalidOptionError,
        "ScoreState.from_answers(cluster='col(\"area\")'): takes the name of a column.\n"
        "  Hint: add the column to the frame, then name it.",
    ),
    (
        lambda: ScoreState.from_answers(
            HOUSE, score="score", by=pl.col("area").str.head(1), cluster="area"
        ),
        InvalidOptionError,
        "ScoreState.from_answers(cluster='area'): by= makes a column of that name.\n"
        "  Hint: give the expression an alias().",
    ),
    (
        lambda: ScoreState.from_answers(HOUSE.rename({"area": "n"}), score="score", stratum="n"),
        InvalidOptionError,
        "ScoreState.from_answers(stratum='n'): a state has a column of that name.\n"
        "  Hint: rename the column.",
    ),
    (
        lambda: ScoreState.from_counts(WHOLE.to_frame(), cluster="whom"),
        ColumnNotFoundError,
        "ScoreState.from_counts(cluster='whom'): no such column.\n"
        "  Columns: 'plan', 'area', 'level', 'n'\n  Hint: roles take the names of columns.",
    ),
    (
        lambda: ScoreState.from_answers(HOUSE, score="score", missing=[11], cluster="who"),
        ColumnNotFoundError,
        "ScoreState.from_answers(cluster='who'): no such column.\n"
        "  Columns: 'plan', 'area', 'score'\n  Hint: roles take the names of columns.",
    ),
    (
        lambda: ScoreState.from_answers(
            HOUSE.with_columns(who=0.5), score="score", missing=[11], cluster="who"
        ),
        InvalidDataError,
        "ScoreState.from_answers(cluster='who'): takes whole numbers, text or categories, but the column is "
        "Float64.\n  Hint: cast it to text, for example pl.col('who').cast(pl.String), or to pl.Int64 if all "
        "are whole numbers.",
    ),
    (
        lambda: ScoreState.from_answers(HOUSE, score="scor"), ColumnNotFoundError,
        "ScoreState.from_answers(score='scor'): no such column.\n"
        "  Columns: 'plan', 'area', 'score'\n  Hint: did you mean 'score'?",
    ),
    (
        lambda: ScoreState.from_answers(HOUSE, score="score"), InvalidDataError,
        "ScoreState.from_answers(score='score'): 1 of 8 answers is outside 0..10; first is 11, row 5.\n"
        "  Hint: drop them, or name codes that mean 'no answer' with missing=[11].",
    ),
    (
        lambda: ScoreState.from_answers(HOUSE, score="score", by=pl.col("plan").alias("n")),
        InvalidOptionError,
        "ScoreState.from_answers(by='n'): the answer has a column of that name.\n"
        "  Hint: rename it, for example by=pl.col('n').alias('n_group').",
    ),
    (
        counts(level=[1, 12], n=[3, 4]), InvalidDataError,
        "ScoreState.from_counts(level='level'): 1 of 2 answers is outside 0..10; first is 12, row 1.\n"
        "  Hint: drop them, or name codes that mean 'no answer' with missing=[12].",
    ),
    (
        counts(level=[1, 2], n=[3, -4]), InvalidDataError,
        "ScoreState.from_counts(n='n'): 1 of 2 counts are no whole numbers from 0 to 10,000,000,000; "
        "first is -4, row 1.\n  Hint: check where they come from.",
    ),
    (
        counts(level=[1, 2, 3], n=[1.0, 2.5, None]), InvalidDataError,
        "ScoreState.from_counts(n='n'): 2 of 3 counts are no whole numbers from 0 to 10,000,000,000; "
        "first is 2.5, row 1.\n  Hint: check where they come from.",
    ),
    (
        counts(level=[1], n=["3"]), InvalidDataError,
        "ScoreState.from_counts(n='n'): takes whole numbers, but the column is String.\n"
        "  Hint: such as the count(*) of a GROUP BY.",
    ),
    (
        lambda: ScoreState.from_answers(HOUSE.head(2), score="score")
        - ScoreState.from_answers(HOUSE.head(5), score="score"),
        InvalidDataError,
        "ScoreState.__sub__(): 3 counts would be below zero, the first in group 'all'.\n"
        "  Hint: take away only what was added before.",
    ),
    (
        lambda: WHOLE - (WHOLE + WHOLE), InvalidDataError,
        "ScoreState.__sub__(): 8 counts would be below zero, the first in group {'plan': 'free', "
        "'area': 1}.\n"
        "  Hint: take away only what was added before.",
    ),
    (
        lambda: WHOLE + ScoreState.from_answers(HOUSE, score="score", missing=[11]), InvalidOptionError,
        "ScoreState.__add__(other=ScoreState(scale=(0, 10), no groups, 5 answers)): the groups are "
        "{'plan': String, 'area': Int64} and {}.\n  Hint: give both the same by=, and cast.",
    ),
    (
        lambda: WHOLE + ScoreState.from_counts(pl.DataFrame({"level": [1], "n": [1]}), scale=(1, 5)),
        InvalidOptionError,
        "ScoreState.__add__(other=ScoreState(scale=(1, 5), no groups, 1 answers)): the scales (0, 10) "
        "and (1, 5) are two.\n"
        "  Hint: a state is of one question.",
    ),
    (
        lambda: WHOLE.score(metrics.Csat()), InvalidOptionError,
        "ScoreState.score(metric=Csat(scale=(1, 5), kind='top', top=None)): it is of the scale (1, 5), "
        "and the "
        "answers are of (0, 10).\n  Hint: such as scale=(0, 10).",
    ),
    (
        lambda: WHOLE.nps(by="plam"), ColumnNotFoundError,
        "ScoreState.score(by='plam'): no such column.\n  Columns: 'plan', 'area'\n  Hint: did you mean "
        "'plan'?",
    ),
    (
        lambda: WHOLE.nps(by=[], total=True), InvalidOptionError,
        "ScoreState.score(total=True): there are no groups to add up.\n  Hint: say by=, or leave it out.",
    ),
    (
        counts(level=[1, 1], n=[10**10, 1]), InvalidDataError,
        "ScoreState.from_counts(n='n'): a group has at most 10,000,000,000 answers, and one has "
        "10,000,000,001.\n"
        "  Hint: check where they come from.",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("call", "kind", "text"), ERRORS)
def test_error_texts(call, kind, text):
    with pytest.raises(CxError) as error:
        call()
    assert isinstance(error.value, kind)
    assert str(error.value) == text
