"""Outcomes of a customer: the twins, ties, nulls, groups, frames and errors."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import cxcore as cx
from cxcore import InvalidDataError, InvalidOptionError, per_customer
from cxcore.customers import OUTCOMES, PeakEnd
from tests.reference import customers as twin

HOUSE = pl.DataFrame(
    {
        "who": ["ann", "ann", "ann", "bob", "bob", "cat", "dan", "dan"],
        "day": [dt.date(2024, 5, day) for day in (3, 1, 2, 1, 1, 1, 4, 5)],
        "score": [8, 9, 2, 10, 6, None, 11, 7],
        "plan": ["a", "a", "b", "a", "a", None, "b", "b"],
    }
)
ROLES = {"customer": "who", "time": "day", "score": "score", "missing": [11]}


@pytest.mark.parametrize(
    ("outcome", "rows"),
    [
        ("worst", [("ann", 2, 2, 3, 0), ("bob", 6, 1, 2, 0), ("cat", None, None, 0, 1), ("dan", 7, 5, 1, 1)]),
        ("last", [("ann", 8, 3, 3, 0), ("bob", 6, 1, 2, 0), ("cat", None, None, 0, 1), ("dan", 7, 5, 1, 1)]),
        ("first", [("ann", 9, 1, 3, 0), ("bob", 6, 1, 2, 0), ("cat", None, None, 0, 1), ("dan", 7, 5, 1, 1)]),
        (
            "peak_end",
            [
                ("ann", 8.5, 3, 9, 8, 3, 0), ("bob", 8.0, 1, 10, 6, 2, 0),
                ("cat", None, None, None, None, 0, 1), ("dan", 7.0, 5, 7, 7, 1, 1),
            ],
        ),
        (
            PeakEnd(baseline=7, weights=(2, 1)),
            [
                ("ann", 4.0, 3, 2, 8, 3, 0), ("bob", pytest.approx(26 / 3), 1, 10, 6, 2, 0),
                ("cat", None, None, None, None, 0, 1), ("dan", 7.0, 5, 7, 7, 1, 1),
            ],
        ),
    ],
)  # fmt: skip
def test_by_hand(outcome, rows):
    answer = per_customer(HOUSE, outcome=outcome, **ROLES)
    assert answer.with_columns(pl.col("time").dt.day()).rows() == rows
    more = ["peak", "end"] if len(rows[0]) == 7 else []
    assert answer.columns == ["who", "score", "time", *more, "n", "n_null"]


answers = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(0, 4), st.none() | st.integers(0, 10)), max_size=25
)  # fmt: skip


@given(answers, st.sampled_from([None, 7, 4.5]))
def test_outcomes(rows, baseline):
    house = pl.DataFrame(rows, schema={"who": pl.String, "at": pl.Int64, "score": pl.Int64}, orient="row")
    roles = {"customer": "who", "time": "at", "score": "score"}
    found = {
        word: per_customer(house, outcome=PeakEnd(baseline) if word == "peak_end" else word, **roles)
        for word in OUTCOMES
    }
    for who in sorted({who for who, _, _ in rows}):
        mine = [(at, score) for one, at, score in rows if one == who and score is not None]
        n_null = sum(one == who and score is None for one, _, score in rows)
        row = {word: answer.filter(who=who).row(0, named=True) for word, answer in found.items()}
        assert {(each["n"], each["n_null"]) for each in row.values()} == {(len(mine), n_null)}
        if not mine:
            assert {each["score"] for each in row.values()} == {None}
            continue
        for word in ("worst", "last", "first"):
            assert (row[word]["score"], row[word]["time"]) == getattr(twin, word)(mine)
        peak, (end, _) = twin.peak(mine, 5 if baseline is None else baseline), twin.last(mine)
        assert (row["peak_end"]["peak"], row["peak_end"]["end"]) == (peak, end)
        assert row["peak_end"]["score"] == (peak + end) / 2


@given(st.randoms(use_true_random=False), st.sampled_from(list(OUTCOMES)))
def test_order_of_rows_is_no_matter(random, outcome):
    order = list(range(HOUSE.height))
    random.shuffle(order)
    known = per_customer(HOUSE, outcome=outcome, by="plan", **ROLES)
    assert_frame_equal(
        per_customer(HOUSE[order], outcome=outcome, by="plan", **ROLES), known, check_exact=True
    )


@pytest.mark.parametrize("dtype", [pl.Float32, pl.Float64, pl.Int8, pl.UInt64])
def test_codes_in_any_type(dtype):
    house = HOUSE.with_columns(pl.col("score").cast(dtype))
    answer = per_customer(house, **{**ROLES, "missing": [11, 300, -5]})
    assert_frame_equal(answer, per_customer(HOUSE, **ROLES))


def test_groups_hold_a_customer_each():
    answer = per_customer(HOUSE, by="plan", outcome="last", **ROLES)
    assert answer.select("plan", "who", "score").rows() == [
        ("a", "ann", 8), ("a", "bob", 6), ("b", "ann", 2), ("b", "dan", 7), (None, "cat", None),
    ]  # fmt: skip


def test_the_other_scores_take_it_from_there():
    worst = per_customer(HOUSE, **ROLES)
    assert cx.nps(worst, score="score").row(0)[:5] == (0, 1, 2, 3, 1)
    halves = per_customer(HOUSE, outcome="peak_end", **ROLES).with_columns(twice=2 * pl.col("score"))
    twice = cx.mean_score(halves, score="twice", scale=(0, 20))["estimate"].item()
    assert twice / 2 == pytest.approx((8.5 + 8 + 7) / 3)


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("by", [None, "plan", [pl.col("day").dt.year().alias("year"), "plan"]])
@pytest.mark.parametrize("rows", [0, 8])
def test_lazy_schema_is_what_comes(outcome, by, rows):
    lazy = HOUSE.head(rows).lazy()
    answer = per_customer(lazy, outcome=outcome, by=by, **ROLES)
    assert answer.collect_schema() == answer.collect().schema
    assert_frame_equal(answer.collect(), per_customer(lazy.collect(), outcome=outcome, by=by, **ROLES))


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_every_engine(frame, outcome):
    known = per_customer(HOUSE, outcome=outcome, by="plan", **ROLES)
    frame.check(per_customer(frame(HOUSE), outcome=outcome, by="plan", **ROLES), known)


# ---------------------------------------------------------------- errors, whole

ERRORS = [
    (
        {"customer": "whom"}, KeyError,
        "per_customer(customer='whom'): no such column.\n  Columns: 'who', 'day', 'score', 'plan', 'half'\n"
        "  Hint: did you mean 'who'?",
    ),
    (
        {"outcome": "best"}, InvalidOptionError,
        "per_customer(outcome='best'): not one of the words.\n  Words: 'worst', 'peak_end', 'last', 'first'\n"
        "  Hint: pass one of the words.",
    ),
    (
        {"customer": "score", "score": "who"}, InvalidOptionError,
        "per_customer(customer='score'): the answer has a column of that name.\n"
        "  Hint: rename the column first.",
    ),
    (
        {"by": "who"}, InvalidOptionError,
        "per_customer(by='who'): the answer has a column of that name.\n"
        "  Hint: rename it, for example by=pl.col('who').alias('who_group').",
    ),
    (
        {"missing": None}, InvalidDataError,
        "per_customer(score='score'): 1 of 8 answers is outside 0..10; first is 11, row 6.\n"
        "  Hint: drop them, or name codes that mean 'no answer' with missing=[11].",
    ),
    (
        {"customer": "plan"}, InvalidDataError,
        "per_customer(customer='plan'): 1 of 8 rows have no customer; the first is row 5.\n"
        "  Hint: drop these rows: they belong to nobody.",
    ),
    (
        {"time": "plan"}, InvalidDataError,
        "per_customer(time='plan'): takes dates, datetimes or whole numbers, but the column is String.\n"
        "  Hint: parse it, for example pl.col('plan').str.to_datetime().",
    ),
    (
        {"time": "half"}, InvalidDataError,
        "per_customer(time='half'): takes dates, datetimes or whole numbers, but the column is Float64.\n"
        "  Hint: say their unit, for example pl.from_epoch('half', time_unit='s').",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("options", "kind", "text"), ERRORS)
def test_error_texts(options, kind, text):
    with pytest.raises(kind) as error:
        per_customer(HOUSE.with_columns(half=pl.col("score") / 2), **{**ROLES, **options})
    assert str(error.value) == text


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"baseline": "7"}, "PeakEnd(baseline='7'): is no number.\n  Hint: such as baseline=7."),
        (
            {"weights": (1e308, 1e308)},
            "PeakEnd(weights=(1e+308, 1e+308)): takes two numbers of 0 or more.\n"
            "  Hint: such as weights=(1, 1).",
        ),
        (
            {"weights": (0, 0)},
            "PeakEnd(weights=(0, 0)): takes two numbers of 0 or more.\n  Hint: such as weights=(1, 1).",
        ),
        (
            {"weights": 1},
            "PeakEnd(weights=1): takes two numbers of 0 or more.\n  Hint: such as weights=(1, 1).",
        ),
    ],
)
def test_options_of_peak_end(options, text):
    with pytest.raises(InvalidOptionError) as error:
        PeakEnd(**options)
    assert str(error.value) == text


# ---------------------------------------------------------------- real answers


@pytest.mark.shared
def test_callers_of_a_service_desk(shared: Path):
    """5,244 real callers: the worst incident of each, solved in time or not, is worse than the mean "
    "incident."""
    log = pl.read_parquet(shared / "data/servicenow_incidents/servicenow_incidents.parquet")
    last = log.group_by("number").agg(
        pl.col("opened_at", "made_sla", "caller_id").sort_by("sys_mod_count").last()
    )
    known = last.drop_nulls("caller_id")
    worst = per_customer(known, customer="caller_id", time="opened_at", score="made_sla", scale=(0, 1))
    assert worst.height == known["caller_id"].n_unique()
    assert worst["n"].sum() == known.height
    direct = known.group_by("caller_id").agg(pl.col("made_sla").all().cast(pl.Int64)).sort("caller_id")
    assert worst["score"].to_list() == direct["made_sla"].to_list()
    assert worst["score"].mean() < known["made_sla"].mean()
