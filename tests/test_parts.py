"""Verbs by parts of whole users, as engines that spread rows run them: the answer of one machine."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import permutations
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import cxcore as cx
from cxcore import _parts
from cxcore.attribution import partial_rows
from tests.in_parts import CONVERTS, EVENTS, Apart, registered, touches
from tests.test_session_rules import ruled_logs
from tests.test_spill import OPTIONS, ROLES, clicks

LOG = clicks(3_000).with_row_index("row").with_columns(page=pl.col("page").cast(pl.String))
#: an expression that looks at all rows sees those of a part
BY_USER = {name: options for name, options in OPTIONS.items() if name != "whole log"}


@pytest.fixture(scope="module", autouse=True)
def in_parts() -> Iterator[None]:
    with registered():
        yield


def sorted_rows(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.sort("row")


@pytest.mark.parametrize("null_user", ["null", "own"])
@pytest.mark.parametrize("name", BY_USER)
def test_rows_by_every_rule(name: str, null_user: str) -> None:
    options: Any = {**ROLES, **BY_USER[name], "null_user": null_user, "order": "row"}
    want = cx.sessionize(LOG, **options, reason=True)
    for parts, batch in ((1, 1_000), (3, 7), (8, 40)):
        found = cx.sessionize(Apart(LOG, parts, batch), **options, reason=True)
        assert_frame_equal(found.sort("row"), want)


@pytest.mark.parametrize("null_user", ["null", "own"])
@pytest.mark.parametrize("name", BY_USER)
def test_sessions_by_every_rule(name: str, null_user: str) -> None:
    options: Any = {**ROLES, **BY_USER[name], "null_user": null_user, "order": "row"}
    options |= {"first": "page", "last": ["campaign", "row"], "sum": ["minutes", "value"], "any": "is_on"}
    by = ["session_id", "session_number"]
    want = cx.sessions(LOG, **options).sort(by)
    for parts in (1, 3, 8):
        found = cx.sessions(Apart(LOG, parts), **options)
        assert_frame_equal(found.sort(by), want)


@given(case=ruled_logs(), parts=st.integers(1, 3), batch=st.integers(1, 9), piece=st.integers(1, 12))
def test_small_logs_by_any_rules(
    case: tuple[pl.DataFrame, dict[str, Any], Any], parts: int, batch: int, piece: int
) -> None:
    """One user may have all rows, and a session many pieces."""
    log, options, _ = case
    log = log.with_row_index("row")
    options = {"user": "user", "time": "time", "time_unit": "s", **options, "order": "row"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_parts, "PIECE", piece)
        rows = cx.sessionize(Apart(log, parts, batch), **options, reason=True)
        table = cx.sessions(Apart(log, parts, batch), **options, last="key")
    assert_frame_equal(rows.sort("row"), cx.sessionize(log, **options, reason=True))
    by = ["session_id", "session_number"]
    assert_frame_equal(table.sort(by), cx.sessions(log, **options, last="key").sort(by))


def test_without_an_order_ties_are_told_apart_by_what_is_read() -> None:
    """The same answer however the rows came and were spread."""
    log = LOG.with_columns(pl.col("time").dt.truncate("2h"))
    options: Any = {**ROLES, "split_on": "campaign", "start_on": "is_on", "max_events": 3}
    by = ["user", "session_id", "session_number"]
    one = cx.sessions(Apart(log, 1), **options, first="page").sort(by)
    assert_frame_equal(cx.sessions(Apart(log.reverse(), 8, 30), **options, first="page").sort(by), one)
    in_their_order = log.sort("user", "time", "is_on", "campaign", "page")
    assert one["events"].sum() == cx.sessions(in_their_order, **options)["events"].sum()


def test_several_columns_name_a_user() -> None:
    """Rows that lack one of them lack a user, and those of one instant are told apart by their number."""
    options: Any = {"user": ["shop", "user"], "time": "time", "gap": "1h", "null_user": "own", "order": "row"}
    log = LOG.with_columns(
        pl.col("time").dt.truncate("6h"), shop=pl.when(pl.col("row") % 11 > 0).then("shop")
    )
    want = cx.sessionize(log, **options)
    assert cx.sessions(log, **options)["session_id"].is_unique().all()
    for parts, batch in ((1, 9), (4, 9)):
        assert_frame_equal(cx.sessionize(Apart(log, parts, batch), **options).sort("row"), want)


@pytest.mark.parametrize(
    "rule", [{"unique": "k"}, {"gap": pl.duration(minutes=pl.col("k"))}], ids=["unique", "gap"]
)
@pytest.mark.parametrize("piece", [1, 2, 150])
def test_whole_users_of_several_columns(rule: dict[str, Any], piece: int, monkeypatch: Any) -> None:
    """Whoever lacks a column is nobody, whatever the others say: one count within a microsecond."""
    monkeypatch.setattr(_parts, "PIECE", piece)
    log = (
        pl.DataFrame(
            {"u": [None, 1, None, 1, 1, 1], "w": ["a", None, "a", None, "b", "c"], "t": [0, 0, 0, 60, 60, 60]}
        )
        .with_columns(pl.col("t").cast(pl.Datetime("us")), k=pl.int_range(1, pl.len() + 1))
        .with_row_index("row")
    )
    options: Any = {"user": ["u", "w"], "time": "t", "null_user": "own", "order": "row", **rule}
    want = cx.sessionize(log, **options)
    assert want["session_id"].is_unique().all()
    for parts in (1, 3):
        assert_frame_equal(cx.sessionize(Apart(log, parts, 1), **options).sort("row"), want)


@pytest.mark.parametrize("rule", [{"start_on": "k"}, {"max_events": 1}, {"first": "b"}, {}], ids=str)
def test_sums_do_not_depend_on_how_ties_came(rule: dict[str, Any]) -> None:
    log = pl.DataFrame(
        {
            "u": 1,
            "t": 0,
            "k": True,
            "v": [1.0, 2.0, 3.0, 4.0],
            "x": [1e16, -1e16, 1.0, 0.0],
            "b": [True] * 3 + [False],
        }
    )
    options: Any = {"user": "u", "time": "t", "time_unit": "s", "sum": ["x", "v"], "any": "b", **rule}
    one, *others = (
        cx.sessions(Apart(log[list(rows)]), **options).sort("session_number")
        for rows in permutations(range(4))
    )
    for other in others:
        assert_frame_equal(other, one, check_exact=True)


@pytest.mark.parametrize("piece", [1, 150])
def test_rows_without_a_time_hand_on_no_value(piece: int, monkeypatch: Any) -> None:
    monkeypatch.setattr(_parts, "PIECE", piece)
    log = pl.DataFrame({"u": 1, "t": [None, 0, 60, 90], "c": ["y", None, "y", None]}).with_row_index("row")
    options: Any = {"user": "u", "time": "t", "time_unit": "s", "split_on": "c", "null_time": "null"}
    want = cx.sessionize(log, **options)
    assert want["session_number"].to_list() == [None, 1, 2, 2]
    assert_frame_equal(cx.sessionize(Apart(log), **options).sort("row"), want)


def test_rows_without_a_time() -> None:
    log = LOG.with_columns(time=pl.when(pl.col("row") % 5 > 0).then("time"))
    want = cx.sessionize(log, **ROLES, null_time="null")
    assert_frame_equal(cx.sessionize(Apart(log), **ROLES, null_time="null").sort("row"), want)
    with pytest.raises(cx.InvalidDataError, match="rows have no time"):
        cx.sessionize(Apart(log), **ROLES)


def test_no_rows() -> None:
    assert_frame_equal(cx.sessionize(Apart(LOG.clear()), **ROLES), cx.sessionize(LOG.clear(), **ROLES))
    assert_frame_equal(cx.sessions(Apart(LOG.clear()), **ROLES), cx.sessions(LOG.clear(), **ROLES))


@pytest.mark.parametrize("unsorted", [["time", "user"], ["user", "row"]])
def test_an_engine_that_drops_the_sort_is_found_out(unsorted: list[str]) -> None:
    roles = cx.index(LOG, **ROLES).roles
    frames = iter(LOG.sort(unsorted).select("user", "time").iter_slices(30))
    with pytest.raises(cx.InvalidDataError, match="did not come sorted"):
        list(_parts.in_order("sessionize", frames, roles))


def test_an_engine_that_cuts_a_user_in_two_is_found_out_between_frames() -> None:
    roles = cx.index(LOG, **ROLES).roles
    rows = LOG.drop_nulls("user").sort("user", "time").select("user", "time")
    with pytest.raises(cx.InvalidDataError, match="did not come sorted"):
        list(_parts.in_order("sessionize", iter([rows[1_500:], rows[:1_500]]), roles))


def test_dense_ids_count_all_sessions() -> None:
    with pytest.raises(cx.InvalidOptionError, match="a worker sees some users"):
        cx.sessionize(Apart(LOG), **ROLES, id="dense")


# ---------------------------------------------------------------- attribution

TOUCHES = touches(1_500)
PART_MODELS = [word for word in cx.attribution.MODELS if word not in ("w", "additive_hazard")]
#: by whole numbers, or out of a table of paths, which has one order
COUNTED = ["first_touch", "last_touch", "first_non", "last_non", "participation", "same_touch"]
LEARNED = ["markov", "shapley_rate", "counterfactual", "path_increment"]


def close(found: pl.DataFrame, want: pl.DataFrame, abs_tol: float = 1e-10) -> None:
    assert_frame_equal(found, want, check_exact=False, rel_tol=1e-12, abs_tol=abs_tol)


@pytest.mark.parametrize("options", [{}, {"by": "plan"}, {"by": ["plan", pl.col("cost") > 1]}], ids=str)
def test_credit_by_every_model(options: dict[str, Any]) -> None:
    models = [*PART_MODELS, "w"]
    want = cx.attribute(TOUCHES, **CONVERTS, stage="is_lead", model=models, **options)
    for parts in (1, 3, 8):
        found = cx.attribute(Apart(TOUCHES, parts, 40), **CONVERTS, stage="is_lead", model=models, **options)
        close(found, want)


def test_models_that_rest_on_counts_give_the_same_bits() -> None:
    asked: Any = {**CONVERTS, "model": [*COUNTED, *LEARNED]}
    one, *others = (cx.attribute(Apart(TOUCHES, parts, 40), **asked).drop("value") for parts in (1, 3, 8))
    for other in others:
        assert_frame_equal(other, one, check_exact=True)
    is_counted = pl.col("model").is_in(COUNTED)
    want = cx.attribute(TOUCHES, **asked).drop("value").filter(is_counted)
    assert_frame_equal(one.filter(is_counted), want, check_exact=True)


@pytest.mark.parametrize(
    "options",
    [
        {"lookback": None, "allocation": "reset"},
        {"nulls": False, "transform": "exposure"},
        {"transform": ["first", "frequency"]},
        {"container": "plan", "lookback": "3d"},
    ],
    ids=str,
)
def test_windows_are_those_of_one_machine(options: dict[str, Any]) -> None:
    asked: Any = {**CONVERTS, **options}
    close(
        cx.attribute(Apart(TOUCHES), **asked, model=["linear", "markov"]),
        cx.attribute(TOUCHES, **asked, model=["linear", "markov"]),
    )
    for more in ({}, {"by": "cost", "separator": " > "}):
        want = cx.paths(TOUCHES, **asked, **more)
        for parts in (1, 5):
            close(cx.paths(Apart(TOUCHES, parts), **asked, **more), want)


@pytest.mark.parametrize("values", sorted(set(permutations([1e16, 1.0, 1.0]))), ids=str)
def test_values_of_paths_are_added_up_in_no_order(values: tuple[float, ...], monkeypatch: Any) -> None:
    """Of users who came in pieces of their own."""
    monkeypatch.setattr(_parts, "PIECE", 1)
    log = pl.DataFrame(
        {
            "user_id": [1, 1, 2, 2, 3, 3],
            "ts": [0, 60] * 3,
            "channel": ["email", None] * 3,
            "conversion": [False, True] * 3,
            "value": [worth for value in values for worth in (0.0, value)],
        }
    )
    asked: Any = {**CONVERTS, "order": None, "time_unit": "s"}
    assert cx.paths(Apart(log, 1, 1), **asked)["value"].to_list() == [1e16 + 2]


@pytest.mark.parametrize("piece", [1, 150])
def test_values_that_a_float_cannot_hold_are_refused(piece: int, monkeypatch: Any) -> None:
    monkeypatch.setattr(_parts, "PIECE", piece)
    monkeypatch.setattr(partial_rows, "MANY", 1)
    huge = TOUCHES.with_columns(value=pl.when("conversion").then(1e308))
    for log in (huge, Apart(huge), Apart(huge, 1, 40)):
        for call in (cx.paths, partial(cx.attribute, model=["linear", "markov"])):
            with pytest.raises(cx.InvalidDataError, match="more than a float64 can hold"):
                call(log, **CONVERTS)


def test_touches_are_rows_of_each_part() -> None:
    asked: Any = {**CONVERTS, "model": ["linear", "time_decay"], "touches": True}
    found, want = cx.attribute(Apart(TOUCHES), **asked), cx.attribute(TOUCHES, **asked)
    by = ["model", "user_id", "conversion_time", "position"]
    assert_frame_equal(found.sort(by), want.sort(by))


def test_costs_and_no_value() -> None:
    spend = pl.DataFrame({"channel": ["email", "social"], "cost": [10.0, 20.0]})
    asked: Any = {**EVENTS, "conversion": "conversion", "model": ["linear", "markov"], "spend": spend}
    close(cx.attribute(Apart(TOUCHES), **asked), cx.attribute(TOUCHES, **asked))
    of_plans = spend.join(TOUCHES.select("plan").unique(), how="cross").with_columns(
        cost=pl.col("cost") * (1 + pl.col("plan"))
    )
    asked |= {"by": "plan", "spend": of_plans, "value": "value"}
    close(cx.attribute(Apart(TOUCHES), **asked), cx.attribute(TOUCHES, **asked))
    asked |= {"by": None, "spend": spend}
    with pytest.raises(cx.InvalidDataError, match="that the log does not have"):
        cx.attribute(
            Apart(TOUCHES), **{**asked, "spend": spend.with_columns(channel="tv " + pl.col("channel"))}
        )


def test_logs_of_nothing() -> None:
    for some in (TOUCHES.clear(), TOUCHES.filter(~pl.col("conversion")), TOUCHES.filter("conversion")):
        for by in (None, "plan"):
            asked: Any = {**CONVERTS, "model": ["linear", "markov"], "by": by}
            close(cx.attribute(Apart(some), **asked), cx.attribute(some, **asked))
            close(cx.paths(Apart(some), **CONVERTS, by=by), cx.paths(some, **CONVERTS, by=by))


def test_what_is_asked_of_single_customers_is_computed_in_one_place() -> None:
    """However the rows come; and where order= is missing, one answer for any number of parts."""
    asked: Any = {**CONVERTS, "model": ["linear", "markov", "additive_hazard"], "by": "plan"}
    drawn = cx.attribution.Bootstrap(replicates=100, rng=1)
    for more in ({}, {"confidence_level": 0.9}, {"confidence_level": 0.9, "method": drawn}):
        want = cx.attribute(TOUCHES, **asked, **more)
        for parts in (1, 3):
            close(cx.attribute(Apart(TOUCHES, parts), **asked, **more), want, abs_tol=1e-8)
    without = {name: role for name, role in asked.items() if name != "order"}
    log = TOUCHES.with_columns(pl.col("ts").dt.truncate("1d"))
    one, other = (cx.attribute(Apart(log, parts), **without) for parts in (1, 3))
    assert one.equals(other)


def test_touches_by_a_model_that_learns_are_those_of_all() -> None:
    asked: Any = {**CONVERTS, "model": "additive_hazard", "touches": True}
    by = ["user_id", "conversion_time", "position"]
    found, want = cx.attribute(Apart(TOUCHES), **asked), cx.attribute(TOUCHES, **asked)
    assert_frame_equal(found.sort(by), want.sort(by), check_exact=False, rel_tol=1e-9)


def test_logs_that_are_refused_in_parts() -> None:
    gaps = TOUCHES.with_columns(ts=pl.when(pl.col("row") != 40).then("ts"))
    with pytest.raises(cx.InvalidDataError, match="have no time"):
        cx.attribute(Apart(gaps), **CONVERTS)


# ---------------------------------------------------------------- scores

ANSWERS = cx.datasets.answers(
    4_000, rng=3, answers_per_customer=2, correlation=0.4, no_answer=0.1
).frame.with_columns(
    pl.when(pl.col("customer_id") % 9 > 0).then("group").alias("group"),
    weight=1.0 + pl.col("customer_id") % 4,
    half=pl.col("score").cast(pl.Float64),
    month=pl.col("customer_id") % 5,
)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"by": "group"},
        {"by": ["group", "month"], "total": True, "missing": [10, 99], "method": "score"},
        {"by": pl.col("month") > 2},
        {"by": "group", "cluster": "customer_id", "total": True},
        {"by": "group", "weight": "weight", "stratum": "month"},
    ],
    ids=str,
)
def test_scores_are_counts(options: dict[str, Any]) -> None:
    for score in ("score", "half"):
        found = cx.nps(Apart(ANSWERS), score=score, **options)
        close(found, cx.nps(ANSWERS, score=score, **options))
    found = cx.mean_score(Apart(ANSWERS), score="score", scale=(0, 10), **options)
    close(found, cx.mean_score(ANSWERS, score="score", scale=(0, 10), **options))


def test_counts_give_the_same_bits() -> None:
    for verb, scale in ((cx.nps, (0, 10)), (cx.csat, (0, 10)), (cx.ces, (0, 10))):
        for options in ({"by": "group"}, {"by": "group", "cluster": "customer_id"}):
            more: Any = {} if verb is cx.nps else {"scale": scale}
            found = verb(Apart(ANSWERS), score="score", **options, **more)
            assert_frame_equal(found, verb(ANSWERS, score="score", **options, **more), check_exact=True)


@pytest.mark.parametrize(
    "options", [{}, {"by": "month", "adjust": "holm"}, {"cluster": "customer_id"}], ids=str
)
def test_comparisons(options: dict[str, Any]) -> None:
    asked: Any = {"score": "score", "group": "group", "control": "basic", **options}
    close(cx.compare(Apart(ANSWERS), **asked), cx.compare(ANSWERS, **asked))


def test_no_answers() -> None:
    for by in (None, "group"):
        assert_frame_equal(
            cx.nps(Apart(ANSWERS.clear()), score="score", by=by),
            cx.nps(ANSWERS.clear(), score="score", by=by),
        )


def test_bad_answers_are_counted_as_often_as_they_were_given() -> None:
    with pytest.raises(cx.InvalidDataError, match="answers are not whole numbers from 1 to 10") as caught:
        cx.csat(Apart(ANSWERS), score="score", scale=(1, 10))
    n_bad, n = ANSWERS.filter(pl.col("score") == 0).height, ANSWERS["score"].count()
    assert f"{n_bad:,} of {n:,} answers" in str(caught.value)
    halves = ANSWERS.with_columns(half=pl.col("half") + pl.when(pl.col("half") == 3).then(0.5).otherwise(0))
    with pytest.raises(cx.InvalidDataError, match="are not whole numbers from 0 to 10"):
        cx.nps(Apart(halves), score="half")
    with pytest.raises(cx.InvalidDataError, match="takes whole numbers"):
        cx.nps(Apart(ANSWERS), score="group")
