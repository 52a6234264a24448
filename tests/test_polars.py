"""The cx namespaces: verbs on frames, scores as aggregates of expressions."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import cxcore as cx
from cxcore import intervals
from cxcore.polars import ExprNamespace
from tests import strategies

NOON = dt.datetime(2026, 1, 5, 12)
INTERVAL = ("estimate", "low", "high", "standard_error", "n", "method", "flags")
EVENTS = pl.DataFrame(
    {
        "user": ["a", "a", "b", None],
        "time": [NOON, NOON + dt.timedelta(hours=1), NOON, NOON],
        "channel": ["ads", "mail", "ads", None],
        "value": [None, 10.0, 5.0, None],
        "score": [10, 3, 1, 2],
        "path": [["ads"], ["ads", "mail"], [], None],
    }
)
WHO = {"user": "user", "time": "time"}
VERBS: dict[str, dict[str, Any]] = {
    "sessionize": WHO,
    "sessions": WHO,
    "stitch": {"anonymous": "user", "known": "channel", "time": "time"},
    "attribute": {**WHO, "channel": "channel", "value": "value", "model": "linear"},
    "paths": {**WHO, "channel": "channel", "value": "value"},
    "attribute_paths": {"path": "path", "conversions": "score", "model": "linear"},
    "nps": {"score": "score", "by": "channel"},
    "csat": {"score": "score", "scale": (1, 10)},
    "ces": {"score": "score", "scale": (1, 10)},
    "mean_score": {"score": "score", "scale": (1, 10)},
    "compare": {"score": "score", "group": "channel", "control": "ads"},
}


@pytest.mark.parametrize("verb", VERBS)
def test_frames_have_the_verbs(verb: str) -> None:
    expected = getattr(cx, verb)(EVENTS, **VERBS[verb])
    assert_frame_equal(getattr(EVENTS.cx, verb)(**VERBS[verb]), expected)
    lazy = getattr(EVENTS.lazy().cx, verb)(**VERBS[verb])
    assert isinstance(lazy, pl.LazyFrame)
    assert_frame_equal(lazy.collect(), expected)


def test_an_index_takes_the_verbs_as_a_frame_does() -> None:
    assert_frame_equal(cx.sessions(EVENTS.cx.index(**WHO)), EVENTS.cx.sessions(**WHO))


@settings(max_examples=40)
@given(
    answers=strategies.answers(1, 5),
    score=st.sampled_from(("nps", "csat", "ces")),
    method=st.sampled_from(("bootstrap", "score")),
    kind=st.none() | st.sampled_from(("top", "mean")),
)
def test_expressions_give_the_numbers_of_the_verbs(
    answers: pl.DataFrame, score: str, method: str, kind: str | None
) -> None:
    options = {"kind": kind} if kind and score != "nps" else {}
    expected = getattr(cx, score)(answers, score="score", by="plan", method=method, **options)
    expected = expected.select("plan", *INTERVAL)
    cells = pl.col("score").cx
    interval = getattr(cells, f"{score}_ci")(method=method, **options)
    for frame in (answers, answers.lazy()):
        found = frame.group_by("plan").agg(
            interval, getattr(cells, score)(**options).alias("alone"), n=pl.len()
        )
        found = found.lazy().collect()
        assert found["score"].dtype == pl.Struct({**expected.drop("plan").schema})
        cell = found["score"].struct
        assert cell.field("estimate").equals(found["alone"])
        # a group without answers is null as a whole; the verb says so in its columns
        wide = found.select("plan", *(cell.field(name) for name in INTERVAL))
        answered = expected.filter(pl.col("n") > 0)
        assert_frame_equal(wide.filter(pl.col("n") > 0), answered, check_row_order=False, check_exact=True)
        assert found["score"].null_count() == expected.height - answered.height


def test_select_and_over() -> None:
    frame = pl.DataFrame({"plan": ["a", "b", "a"], "score": [10, 2, 8]})
    assert frame.select(pl.col("score").cx.nps()).rows() == [(0.0,)]
    assert frame.with_columns(nps=pl.col("score").cx.nps().over("plan"))["nps"].to_list() == [
        50.0,
        -100.0,
        50.0,
    ]
    assert frame.select(pl.col("score").filter(pl.col("plan") == "a").cx.nps()).rows() == [(50.0,)]
    assert frame.lazy().select(pl.col("score").cx.nps_ci()).collect_schema()["score"].is_nested()


def test_nobody_answered() -> None:
    empty = pl.DataFrame({"score": []}, schema={"score": pl.Int64})
    for score in ("nps", "csat", "ces", "nps_ci", "csat_ci", "ces_ci"):
        assert empty.select(getattr(pl.col("score").cx, score)()).rows() == [(None,)]


def test_the_kernel_is_called_once_for_all_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    limits = intervals.Bootstrap.limits

    def counted(self: Any, sample: intervals.Sample, alpha: float) -> Any:
        calls.append(len(sample.counts))
        return limits(self, sample, alpha)

    monkeypatch.setattr(intervals.Bootstrap, "limits", counted)
    frame = pl.DataFrame({"g": [i % 500 for i in range(5_000)], "score": [i % 11 for i in range(5_000)]})
    frame.group_by("g").agg(pl.col("score").cx.nps_ci())
    frame.lazy().group_by("g").agg(pl.col("score").cx.nps_ci()).collect(engine="streaming")
    frame.select(pl.col("score").cx.nps_ci().over("g"))
    assert calls == [500, 500, 500]


@pytest.mark.parametrize("score", ["nps", "nps_ci", "csat", "csat_ci", "ces", "ces_ci"])
@pytest.mark.parametrize("answer", [11.0, -1.0, 4.5, float("nan")])
def test_answers_that_are_no_level_are_refused(score: str, answer: float) -> None:
    frame = pl.DataFrame({"score": [3.0, None, answer]})
    low, high = {"nps": (0, 10), "csat": (1, 5), "ces": (1, 7)}[score.removesuffix("_ci")]
    text = rf"{score}\(\): 1 of 2 answers is not a whole number from {low} to {high}\."
    with pytest.raises(cx.InvalidDataError, match=text):
        frame.select(getattr(pl.col("score").cx, score)())
    lazy = frame.lazy().select(getattr(pl.col("score").cx, score)())
    with pytest.raises(cx.InvalidDataError, match=text):
        lazy.collect()


def test_bad_options_are_refused_where_they_are_written() -> None:
    answers: ExprNamespace = pl.col("score").cx
    with pytest.raises(cx.InvalidOptionError, match=r"csat\(kind='best'\)"):
        answers.csat(kind="best")  # type: ignore[arg-type]
    with pytest.raises(cx.InvalidOptionError, match=r"nps_ci\(confidence_level=95\)"):
        answers.nps_ci(confidence_level=95)
    with pytest.raises(cx.InvalidOptionError, match=r"ces_ci\(method='wold'\)"):
        answers.ces_ci(method="wold")  # type: ignore[arg-type]  # a misspelt word, on purpose


RELOAD = """
import warnings
warnings.simplefilter("error")
import importlib, sys, polars as pl, cxcore
importlib.reload(sys.modules["cxcore.polars"])
assert pl.DataFrame({"s": [10]}).select(pl.col("s").cx.nps()).item() == 100.0
"""
TAKEN = """
import warnings, polars as pl
@pl.api.register_expr_namespace("cx")
class Other:
    def __init__(self, expr): pass
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    import cxcore
assert ["overriding existing custom namespace" in str(each.message) for each in said] == [True], said
"""


@pytest.mark.parametrize("script", [RELOAD, TAKEN], ids=["a reload says nothing", "another cx is said"])
def test_registration(script: str) -> None:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
