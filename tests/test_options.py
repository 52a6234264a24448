"""Durations with units, words, levels, threads: what is taken, and the text of what is not."""

from __future__ import annotations

import contextlib
import datetime as dt
import re
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cxcore as cx
from cxcore import _options

UNITS = {
    "w": 604_800_000_000_000,
    "d": 86_400_000_000_000,
    "h": 3_600_000_000_000,
    "m": 60_000_000_000,
    "s": 1_000_000_000,
    "ms": 1_000_000,
    "us": 1_000,
    "µs": 1_000,
    "ns": 1,
}


def duration(value: Any) -> int:
    return _options.duration("f", "gap", value)


def refusal(function: Any, *arguments: Any) -> str:
    with pytest.raises(cx.InvalidOptionError) as caught:
        function(*arguments)
    return str(caught.value)


# ------------------------------------------------------------------ durations


@given(st.lists(st.tuples(st.integers(0, 10**6), st.sampled_from(list(UNITS))), min_size=1, max_size=4))
def test_a_duration_is_the_sum_of_its_parts(parts: list[tuple[int, str]]) -> None:
    text = "".join(f"{number}{unit}" for number, unit in parts)
    total = sum(number * UNITS[unit] for number, unit in parts)
    if total:
        assert duration(text) == total
        assert duration(f" {text} ".replace("w", "w ")) == total
    else:
        assert "longer than nothing" in refusal(duration, text)


@given(st.integers(0, 10**6), st.text("0123456789", min_size=1, max_size=12), st.sampled_from(list(UNITS)))
def test_a_fraction_is_exact_or_refused(whole: int, digits: str, unit: str) -> None:
    exact = (Fraction(whole) + Fraction(int(digits), 10 ** len(digits))) * UNITS[unit]
    if exact.denominator == 1 and exact > 0:
        assert duration(f"{whole}.{digits}{unit}") == exact
    else:
        refusal(duration, f"{whole}.{digits}{unit}")


@given(st.timedeltas(min_value=dt.timedelta(microseconds=1)))
def test_a_timedelta_is_its_microseconds(value: dt.timedelta) -> None:
    assert duration(value) == value // dt.timedelta(microseconds=1) * 1000


@given(st.text(max_size=8))
def test_any_text_is_a_duration_or_an_error_of_ours(text: str) -> None:
    with contextlib.suppress(cx.InvalidOptionError):
        assert duration(text) > 0


@pytest.mark.parametrize("value", [30, 1.5, "30", " 1.5 "])
def test_a_bare_number_is_refused(value: Any) -> None:
    assert "a bare number has no unit" in refusal(duration, value)


@pytest.mark.parametrize("value", [0, -1, 0.0, -0.5, "0", "-3"])
def test_a_bare_number_that_no_unit_would_help_is_refused_for_that(value: Any) -> None:
    assert "must be longer than nothing.\n  Hint: such as '30" in refusal(duration, value)


@pytest.mark.parametrize("value", ["1mo", "2q", "1y", "1y6mo", "1h1mo"])
def test_a_calendar_length_is_refused(value: str) -> None:
    assert "have no fixed length" in refusal(duration, value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (np.timedelta64(30, "m"), "30m"),
        (np.timedelta64(2, "D"), "2d"),
        (np.timedelta64(3, "W"), "3w"),
        (np.timedelta64(3, "25s"), "75s"),
        (np.timedelta64(5, "ns"), "5ns"),
    ],
)
def test_a_timedelta_of_numpy(value: Any, text: str) -> None:
    assert duration(value) == duration(text)


def test_what_a_timedelta_of_numpy_cannot_say() -> None:
    assert "have no fixed length" in refusal(duration, np.timedelta64(1, "M"))
    for value in (
        np.timedelta64("NaT", "s"),
        np.timedelta64(1, "ps"),
    ):
        assert "not a duration" in refusal(duration, value)


@pytest.mark.parametrize(
    "value", ["", "m", "30 minutes", "1e3s", "--5m", "1h-5m", "1.s", ".5s", None, True, [], b"30m"]
)
def test_what_is_no_duration_is_refused(value: Any) -> None:
    assert "not a duration" in refusal(duration, value)


@pytest.mark.parametrize(
    "value", ["0s", "0h0m", "-5m", dt.timedelta(0), dt.timedelta(-1), np.timedelta64(-1, "s")]
)
def test_a_duration_is_longer_than_nothing(value: Any) -> None:
    assert "longer than nothing" in refusal(duration, value)


@given(st.integers(1, 2**70), st.sampled_from([1, 1000, 10**6, 10**9, 86_400 * 10**9]))
def test_ticks_hold_a_duration_from_below_and_above(nanoseconds: int, tick: int) -> None:
    below, above = _options.ticks_below(nanoseconds, tick), _options.ticks_above(nanoseconds, tick)
    most = 2**63 - 1
    if above < most:
        assert below * tick <= nanoseconds <= above * tick
        assert above - below == (nanoseconds % tick > 0)
    else:
        assert most - 1 <= below <= most


@pytest.mark.parametrize(
    ("dtype", "unit", "length"),
    [
        (pl.Datetime("ms"), None, 10**6),
        (pl.Datetime("us", "UTC"), None, 10**3),
        (pl.Datetime("ns"), None, 1),
        (pl.Date(), None, 86_400 * 10**9),
        (pl.Int64(), "s", 10**9),
    ],
)
def test_tick_length(dtype: pl.DataType, unit: str | None, length: int) -> None:
    assert _options.tick_length(dtype, unit) == length


# ------------------------------------------------------------------ the rest


def test_a_word_is_one_of_the_list() -> None:
    assert _options.word("f", "model", "linear", ["linear"]) == "linear"
    for value in ("Linear", None, 3, ["linear"]):
        assert "not one of the words" in refusal(_options.word, "f", "model", value, ["linear"])


@given(st.floats(0, 1, exclude_min=True, exclude_max=True))
def test_a_level_lies_between_0_and_1(value: float) -> None:
    assert _options.level("f", "level", value) == value


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (95, "write 0.95."),
        (1, "such as 0.95."),
        (0, "such as 0.95."),
        (True, "such as 0.95."),
        ("0.9", "such as 0.95."),
    ],
)
def test_what_is_no_level_is_refused(value: Any, hint: str) -> None:
    text = refusal(_options.level, "f", "level", value)
    assert text == f"f(level={value!r}): a level lies between 0 and 1.\n  Hint: {hint}"


def test_not_a_number_is_no_level() -> None:
    assert "lies between 0 and 1" in refusal(_options.level, "f", "level", float("nan"))


@pytest.mark.parametrize("value", [np.array(["linear"]), pl.col("linear"), pl.Series(["linear"]), ["linear"]])
def test_what_cannot_be_compared_is_no_word(value: Any) -> None:
    assert "not one of the words" in refusal(_options.word, "f", "model", value, ["linear"])


def test_a_pandas_timedelta_keeps_its_nanoseconds() -> None:
    assert duration(pd.Timedelta(1_500, "ns")) == 1_500
    assert duration(pd.Timedelta(1, "ns")) == 1


def test_a_number_of_thousands_of_digits_is_no_duration() -> None:
    for value in ("9" * 5_000 + "w", "9" * 5_000):
        assert "not a duration" in refusal(_options.duration, "f", "gap", value)


def test_threads_are_no_more_than_a_kernel_takes() -> None:
    assert _options.n_threads("f", np.int64(2)) == 2
    assert _options.n_threads("f", 2**70) == 1024


def test_threads_are_as_polars_has_them() -> None:
    assert _options.n_threads("f", None) == pl.thread_pool_size()
    assert _options.n_threads("f", 3) == 3
    for value in (0, -1, True, 1.0, "2"):
        assert "1 or more" in refusal(_options.n_threads, "f", value)


def test_a_role_takes_a_name() -> None:
    assert _options.column_name("f", "time", "ts") == "ts"
    assert refusal(_options.column_name, "f", "time", ["ts"]) == (
        "f(time=['ts']): takes the name of a column.\n  Hint: add the column to the frame, then name it."
    )
    with pytest.raises(cx.InvalidOptionError, match=re.escape("takes the name of a column")):
        cx.sessionize(pl.DataFrame({"u": [1]}), user="u", time=pl.col("u"))  # type: ignore[arg-type]


def test_a_role_of_names_takes_one_or_several() -> None:
    assert _options.column_names("ab") == ["ab"]
    assert _options.column_names(("a", "b")) == ["a", "b"]
    assert _options.column_names(3) == [3]


@pytest.mark.parametrize(
    ("option", "make"),
    [
        ("replicates=1000001", lambda: cx.attribution.Bootstrap(replicates=1_000_001)),
        ("n=9223372036854775808", lambda: cx.attribution.transforms.LastN(n=2**63)),
        ("n_orders=9223372036854775808", lambda: cx.attribution.ShapleyRate(n_orders=2**63)),
        ("folds=1001", lambda: cx.attribution.choose_order(pl.DataFrame(), channel="c", folds=1001)),
    ],
    ids=["replicates", "n", "n_orders", "folds"],
)
def test_numbers_that_nobody_can_count_to(option: str, make: Any) -> None:
    assert option in refusal(make)
