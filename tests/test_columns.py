"""The checks of data: what each gives, and the text of each refusal, whole."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cxcore as cx
from cxcore import _columns
from cxcore._columns import EventRoles
from tests import strategies

NOON = dt.datetime(2026, 1, 5, 12)


def refusal(kind: type[Exception], function: Any, *arguments: Any, **options: Any) -> str:
    with pytest.raises(kind) as caught:
        function(*arguments, **options)
    return str(caught.value)


# ------------------------------------------------------------------ roles


def test_roles_name_columns_that_are_there_once() -> None:
    _columns.check_roles("f", ["a", "b", "c"], {"user": ["a", "b"], "time": "c", "order": None})
    _columns.check_roles("f", ["a", "b"], {"by": pl.col("a") + pl.col("b")})


def test_all_missing_columns_are_told_at_once() -> None:
    roles = {"user": ["a", "usr"], "by": pl.col("pln") == 1, "time": "t"}
    assert refusal(cx.ColumnNotFoundError, _columns.check_roles, "f", ["a", "plan", "t"], roles) == (
        "f(user='usr', by='pln'): no such columns.\n  Columns: 'a', 'plan', 't'\n  Hint: did you mean 'plan'?"
    )


def test_a_name_in_another_case_is_known() -> None:
    said = refusal(cx.ColumnNotFoundError, _columns.check_roles, "f", ["user_id", "ts"], {"user": "USER_ID"})
    assert said.endswith("Hint: did you mean 'user_id'?")


def test_names_that_are_there_twice_are_refused() -> None:
    assert refusal(cx.InvalidDataError, _columns.check_roles, "f", ["a", "b", "a"], {"user": "b"}) == (
        "f(): the frame has several columns named 'a'.\n  Hint: rename them first."
    )


def test_needed_columns_each_once_and_in_order() -> None:
    assert _columns.needed("b", None, ["a", "b"], pl.col("c") * pl.col("a")) == ["b", "a", "c"]


# ------------------------------------------------------------------ keys


@pytest.mark.parametrize(
    ("dtype", "hint"),
    [
        (
            pl.Float64,
            "cast it to text, for example pl.col('u').cast(pl.String), or to pl.Int64 if all are whole "
            "numbers.",
        ),
        (pl.Int128, "cast it, for example pl.col('u').cast(pl.Int64)."),
        (pl.Datetime("us"), "cast it to text, for example pl.col('u').cast(pl.String)."),
        (pl.List(pl.Int64), "cast it to text, for example pl.col('u').cast(pl.String)."),
    ],
)
def test_a_key_is_a_whole_number_text_or_a_category(dtype: Any, hint: str) -> None:
    house = pl.DataFrame({"u": pl.Series([], dtype=dtype)})
    assert refusal(cx.InvalidDataError, _columns.keys, "f", "user", house, ["u"]) == (
        f"f(user='u'): takes whole numbers, text or categories, but the column is {house['u'].dtype}.\n"
        f"  Hint: {hint}"
    )


def test_keys_count_what_has_none() -> None:
    house = pl.DataFrame({"u": ["b", None, "a", "b"], "nothing": [None] * 4})
    keys = _columns.keys("f", "user", house, ["u"])
    assert (keys.code.tolist(), len(keys), keys.n_null) == ([0, -1, 1, 0], 2, 1)
    assert _columns.keys("f", "user", house, ["u"], null_is_key=True).n_null == 0
    assert _columns.keys("f", "user", house, ["nothing"]).n_null == 4


# ------------------------------------------------------------------ time and order


@given(st.data())
def test_ticks_are_the_columns_own(data: st.DataObject) -> None:
    column = data.draw(strategies.time_columns(data.draw(st.integers(0, 20))))
    tick, length, absent = _columns.time_ticks("f", pl.DataFrame([column]), "time", None)
    assert tick.tolist() == column.to_physical().to_list()
    assert length == {"ms": 10**6, "us": 10**3, "ns": 1}[column.dtype.time_unit]  # type: ignore[attr-defined]
    assert absent is None


def test_a_date_is_a_day_and_a_null_is_told() -> None:
    house = pl.DataFrame({"t": [dt.date(1970, 1, 3), None]})
    tick, length, absent = _columns.time_ticks("f", house, "t", None)
    assert (tick.tolist(), length, absent.tolist()) == ([2, 0], 86_400 * 10**9, [False, True])  # type: ignore[union-attr]


@pytest.mark.parametrize("dtype", [pl.Int8, pl.UInt32, pl.Int64])
def test_integers_are_times_when_they_have_a_unit(dtype: Any) -> None:
    house = pl.DataFrame({"t": pl.Series([5, 3], dtype=dtype)})
    tick, length, _ = _columns.time_ticks("f", house, "t", "ms")
    assert (tick.tolist(), tick.dtype, length) == ([5, 3], np.int64, 10**6)
    assert refusal(cx.InvalidDataError, _columns.time_ticks, "f", house, "t", None) == (
        f"f(time='t'): takes dates or datetimes, but the column is {house['t'].dtype}.\n"
        "  Hint: say time_unit='s', 'ms', 'us' or 'ns'."
    )


@pytest.mark.parametrize(
    ("values", "hint"),
    [
        (["2026-01-05"], "parse it, for example pl.col('t').str.to_datetime()."),
        ([1.5], "say their unit, for example pl.from_epoch('t', time_unit='s')."),
        ([dt.time(1)], "name a column of dates or datetimes."),
        (
            pl.Series([2**63], dtype=pl.UInt64),
            "say their unit, for example pl.from_epoch('t', time_unit='s').",
        ),
    ],
)
def test_what_is_no_time_is_refused(values: Any, hint: str) -> None:
    house = pl.DataFrame({"t": values})
    assert refusal(cx.InvalidDataError, _columns.time_ticks, "f", house, "t", None) == (
        f"f(time='t'): takes dates or datetimes, but the column is {house['t'].dtype}.\n  Hint: {hint}"
    )


def test_a_unit_beside_a_datetime_is_refused() -> None:
    house = pl.DataFrame({"t": [NOON]})
    assert refusal(cx.InvalidOptionError, _columns.time_ticks, "f", house, "t", "s") == (
        "f(time_unit='s'): the column 't' is Datetime(time_unit='us', time_zone=None) and has a unit.\n"
        "  Hint: leave it out."
    )


ORDERS = {
    "integer": [3, None, -5, 3],
    "huge": pl.Series([2**64 - 1, None, 0, 2**64 - 1], dtype=pl.UInt64),
    "real": [0.5, None, float("-inf"), 0.5],
    "text": ["b", None, "a", "b"],
    "time": [NOON, None, NOON - dt.timedelta(1), NOON],
    "date": [NOON.date(), None, dt.date(1, 1, 1), NOON.date()],
    "clock": [dt.time(2), None, dt.time(1), dt.time(2)],
    "span": [dt.timedelta(2), None, dt.timedelta(-1), dt.timedelta(2)],
    "boolean": [True, None, False, True],
    "enum": pl.Series(["b", None, "a", "b"], dtype=pl.Enum(["a", "b"])),
    "category": pl.Series(["b", None, "a", "b"], dtype=pl.Categorical),
}


@pytest.mark.parametrize("values", ORDERS.values(), ids=ORDERS)
def test_ties_are_broken_by_anything_that_sorts_and_nulls_come_first(values: Any) -> None:
    tie = _columns.tie_order("f", pl.DataFrame({"o": values}), "o")
    assert tie.dtype == np.int64
    assert np.argsort(tie, kind="stable").tolist() == [1, 2, 0, 3]
    assert tie[0] == tie[3]


def test_no_order_is_no_item_and_what_does_not_sort_is_refused() -> None:
    house = pl.DataFrame({"o": [object()]})
    assert len(_columns.tie_order("f", house, None)) == 0
    assert refusal(cx.InvalidDataError, _columns.tie_order, "f", house, "o") == (
        "f(order='o'): takes what can be sorted, but the column is Object.\n"
        "  Hint: name a column of numbers, times or text."
    )


# ------------------------------------------------------------------ events


def events(null_user: str = "null", null_time: str = "error", **columns: Any) -> Any:
    house = pl.DataFrame({"u": ["b", None, "a", None], "t": [NOON] * 4} | columns)
    return _columns.event_columns(
        "f", house, EventRoles(("u",), "t", None, None, null_user, null_time), n_threads=1
    )


def test_rows_without_a_user_are_left_out_or_share_a_code_of_their_own() -> None:
    out = events("null")
    assert (out.code.tolist(), out.count.tolist(), out.own) == ([0, -1, 1, -1], [1, 1], -1)
    own = events("own")
    assert (own.code.tolist(), own.count.tolist(), own.own, own.n_users) == ([0, 2, 1, 2], [1, 1, 2], 2, 3)


def test_rows_without_a_user_or_a_time_are_refused_with_a_count_and_the_first() -> None:
    assert refusal(cx.InvalidDataError, events, "error") == (
        "f(user='u'): 2 of 4 rows have no user; the first is row 1.\n"
        "  Hint: drop them, or say null_user='null' or 'own'."
    )
    assert refusal(cx.InvalidDataError, events, t=[NOON, NOON, None, None]) == (
        "f(time='t'): 2 of 4 rows have no time; the first is row 2.\n"
        "  Hint: drop them, or say null_time='null'; verbs without it take an index that has it."
    )


def test_unsigned_times_are_taken_as_far_as_they_are_ticks() -> None:
    log = pl.DataFrame({"u": [1, 1], "t": pl.Series([5, 2**63 - 1], dtype=pl.UInt64)})
    assert cx.sessionize(log, user="u", time="t", time_unit="ms")["session_number"].to_list() == [1, 2]
    late = pl.DataFrame({"u": [1, 1], "t": pl.Series([5, 2**63], dtype=pl.UInt64)})
    with pytest.raises(cx.InvalidDataError, match="takes dates or datetimes"):
        cx.sessionize(late, user="u", time="t", time_unit="ms")


def test_rows_without_a_time_are_left_out_and_not_counted() -> None:
    out = events("own", "null", t=[None, NOON, NOON, None])
    assert (out.code.tolist(), out.count.tolist()) == ([-1, 2, 1, -1], [0, 1, 1])


# ------------------------------------------------------------------ marks and amounts


def test_marks_are_true_and_false() -> None:
    house = pl.DataFrame({"m": [True, None, False], "n": [1, 0, 1]})
    assert _columns.marks("f", "conversion", house, "m").to_list() == [True, False, False]
    assert refusal(cx.InvalidDataError, _columns.marks, "f", "conversion", house, "n") == (
        "f(conversion='n'): takes true and false, but the column is Int64.\n"
        "  Hint: pass numbers as value=, or compare: pl.col('n') > 0."
    )


@pytest.mark.parametrize("dtype", [pl.Int8, pl.UInt64, pl.Float32, pl.Float64, pl.Decimal(10, 2)])
def test_amounts_are_numbers_and_a_null_is_none(dtype: Any) -> None:
    house = pl.DataFrame({"v": pl.Series([2, None, 3]).cast(dtype), "w": [None] * 3})
    amount = _columns.amounts("f", "value", house, "v")
    assert (amount.to_list(), amount.dtype) == ([2.0, None, 3.0], pl.Float64)
    amount = _columns.amounts("f", "value", house, "w")
    assert (amount.to_list(), amount.dtype) == ([None] * 3, pl.Float64)


@pytest.mark.parametrize(
    ("bad", "shown"), [(float("nan"), "nan"), (float("inf"), "inf"), (float("-inf"), "-inf")]
)
def test_amounts_are_finite(bad: float, shown: str) -> None:
    house = pl.DataFrame({"v": [1.0, None, bad, bad], "text": "1"})
    assert refusal(cx.InvalidDataError, _columns.amounts, "f", "value", house, "v") == (
        f"f(value='v'): 2 of 4 rows are not finite numbers; first is {shown}, row 2.\n"
        "  Hint: replace or drop them; a null says 'none'."
    )
    assert refusal(cx.InvalidDataError, _columns.amounts, "f", "value", house, "text") == (
        "f(value='text'): takes numbers, but the column is String.\n"
        "  Hint: cast it, for example pl.col('text').cast(pl.Float64)."
    )
