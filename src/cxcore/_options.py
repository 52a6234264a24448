"""Options as users write them, checked once: durations with units, words, numbers in a range."""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from collections.abc import Iterable
from typing import Any, Literal, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cxcore import errors

#: nanoseconds in one unit
NANOSECONDS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
    "d": 86_400_000_000_000,
    "w": 7 * 86_400_000_000_000,
}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d|w)")
_CALENDAR = re.compile(r"(?:\d+(?:\.\d+)?[a-zµ]+)*\d+(?:\.\d+)?(?:mo|q|y)\b")
_INT64_MAX = 2**63 - 1
Int64 = NDArray[np.int64]
#: of a duration as text; Python reads no number of thousands of digits
_LONGEST = 100
#: more threads than any machine that cxcore was made for; kernels take an int
_MOST_THREADS = 1024

TimeUnit = Literal["s", "ms", "us", "ns"]
WordT = TypeVar("WordT")


def duration(call: str, option: str, value: Any, *, or_none: bool = False) -> int:
    """A duration in whole nanoseconds: text with a unit ('1h30m') or a timedelta.

    It is longer than 0; or 0 too (``or_none``), for what may be no time at all.
    """
    if isinstance(value, dt.timedelta):
        nanoseconds = (value.days * 86_400 + value.seconds) * 10**9 + value.microseconds * 1_000
        nanoseconds += getattr(value, "nanoseconds", 0)  # a pandas Timedelta is finer
    elif isinstance(value, np.timedelta64):
        nanoseconds = _of_numpy(call, option, value)
    elif isinstance(value, str):
        nanoseconds = _parse(call, option, value, or_none)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        nanoseconds = _bare(call, option, value, value, or_none)
    else:
        raise errors.bad_duration(call, option, value)
    if or_none and nanoseconds < 0:
        raise errors.negative(call, option, value)
    if nanoseconds <= 0 and not or_none:
        raise errors.not_positive(call, option, value)
    return nanoseconds


def _of_numpy(call: str, option: str, value: np.timedelta64) -> int:
    unit, count = np.datetime_data(value.dtype)
    if unit in ("Y", "M"):
        raise errors.calendar_duration(call, option, value)
    if np.isnat(value) or unit.lower() not in NANOSECONDS:
        raise errors.bad_duration(call, option, value)
    return int(value.astype(np.int64)) * count * NANOSECONDS[unit.lower()]


def _bare(call: str, option: str, value: Any, number: float, or_none: bool) -> int:
    """A number without a unit is refused; one that no unit would help goes on, to be refused for that."""
    if number < 0 or (number == 0 and not or_none):
        return -1 if number < 0 else 0
    raise errors.bare_number(call, option, value)


def _parse(call: str, option: str, value: str, or_none: bool) -> int:
    text = value.strip().replace(" ", "")
    if len(text) > _LONGEST:
        raise errors.bad_duration(call, option, value)
    if re.fullmatch(r"-?\d+(?:\.\d+)?", text):
        return _bare(call, option, value, float(text), or_none)
    if _CALENDAR.fullmatch(text):
        raise errors.calendar_duration(call, option, value)
    parts = list(_PART.finditer(text.removeprefix("-")))
    if not parts or "".join(part.group() for part in parts) != text.removeprefix("-"):
        raise errors.bad_duration(call, option, value)
    total = 0
    for part in parts:
        whole, _, fraction = part.group(1).partition(".")
        scaled = int(whole + fraction) * NANOSECONDS[part.group(2)]  # exact: no float seconds
        quotient, rest = divmod(scaled, 10 ** len(fraction))
        if rest:  # finer than a nanosecond
            raise errors.bad_duration(call, option, value)
        total += quotient
    return -total if text.startswith("-") else total


def tick_length(dtype: pl.DataType, time_unit: str | None) -> int:
    """Nanoseconds in one tick of a time column: a day for dates, else the column's own unit."""
    if isinstance(dtype, pl.Datetime):
        return NANOSECONDS[dtype.time_unit]
    if dtype == pl.Date:
        return NANOSECONDS["d"]
    assert time_unit is not None
    return NANOSECONDS[time_unit]


def ticks_below(nanoseconds: int, tick: int, most: int = _INT64_MAX) -> int:
    """The most whole ticks that a duration holds, at most what a kernel can take."""
    return min(nanoseconds // tick, most)


def ticks_above(nanoseconds: int, tick: int, most: int = _INT64_MAX) -> int:
    """The fewest whole ticks that hold a duration, at most what a kernel can take."""
    return min(-(-nanoseconds // tick), most)


def word(call: str, option: str, value: WordT, allowed: Iterable[str]) -> WordT:
    """One of the listed words."""
    allowed = list(allowed)
    if not isinstance(value, str) or value not in allowed:  # an array or expression cannot be compared
        raise errors.unknown_word(call, option, value, allowed)
    return value


def level(call: str, option: str, value: Any) -> float:
    """A confidence level strictly between 0 and 1, such as 0.95."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0.0 < value < 1.0:
        hint = (
            f"write {value / 100:g}."
            if isinstance(value, (int, float)) and 1 < value < 100
            else "such as 0.95."
        )
        raise errors.bad_option(call, option, value, "a level lies between 0 and 1.", hint)
    return float(value)


def time_zone(call: str, option: str, value: Any) -> str:
    """A name of the time zone database, as Python and Polars both have it."""
    try:
        zoneinfo.ZoneInfo(value)
        pl.Series([0]).cast(pl.Datetime("us", value))  # takes no 'localtime', 'right/…', 'posix/…'
    except (ValueError, OSError, TypeError, zoneinfo.ZoneInfoNotFoundError, pl.exceptions.PolarsError):
        problem = "no time zone of that name."
        raise errors.bad_option(call, option, value, problem, "such as 'Europe/Berlin' or 'UTC'.") from None
    return str(value)


def flag(call: str, option: str, value: Any, hint: str) -> bool:
    """True or False, and nothing that only counts as one."""
    if not isinstance(value, bool):
        raise errors.bad_option(call, option, value, "takes True or False.", hint)
    return value


def n_threads(call: str, value: Any) -> int:
    """Threads to use: what Polars was given where None; 1 starts none."""
    if value is None:
        return pl.thread_pool_size()
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise errors.bad_option(
            call, "n_threads", value, "a number of threads is 1 or more.", "None means as Polars."
        )
    return int(min(value, _MOST_THREADS))


def whole(call: str, option: str, value: Any, least: int, most: int = _INT64_MAX) -> int:
    """A whole number of at least ``least``, that a kernel can count to."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise errors.bad_option(
            call, option, value, f"must be a whole number, {least} or more.", "such as 1_000."
        )
    if value > most:
        raise errors.bad_option(call, option, value, f"must be {most:,} at most.", "such as 1_000.")
    return int(value)


def whole_numbers(call: str, option: str, value: Any, axes: int, least: int, most: int) -> Int64:
    """A vector or a table of whole numbers within bounds, as int64."""
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, OverflowError):  # ragged, or no array at all
        array = np.empty(0, dtype=object)
    if array.size == 0 and array.ndim == axes:
        array = array.astype(np.int64)
    if array.ndim != axes or array.dtype.kind not in "iu":
        problem = f"takes whole numbers, in {('', 'a list', 'a list of rows')[axes]} of one length."
        raise errors.bad_option(call, option, value, problem, "such as a NumPy array of int64.")
    if array.size and not (least <= array.min() and array.max() <= most):
        problem = f"takes whole numbers from {least:,} to {most:,}."
        raise errors.bad_option(call, option, value, problem, "check where they come from.")
    return np.ascontiguousarray(array, dtype=np.int64)


def number(call: str, option: str, value: Any, low: float, high: float) -> float:
    """A number from ``low`` to ``high``, both allowed."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        hint = "pass one in that range."
        raise errors.bad_option(call, option, value, f"must be a number from {low:g} to {high:g}.", hint)
    return float(value)


def generator(call: str, rng: Any) -> np.random.Generator:
    """Random numbers from None (fresh each time), an int, a SeedSequence or a Generator (SPEC 7)."""
    try:
        return np.random.default_rng(rng)
    except (TypeError, ValueError):
        hint = "None, an int of 0 or more, a SeedSequence or a Generator."
        raise errors.bad_option(call, "rng", rng, "not a source of random numbers.", hint) from None


def column_name(call: str, role: str, value: Any) -> str:
    """A role that takes one column, by its name."""
    if not isinstance(value, str):
        hint = "add the column to the frame, then name it."
        if role == "order" and isinstance(value, int):
            hint = "name what breaks ties; the order of a chain is that of attribution.Markov(order=3)."
        shown = str(value) if isinstance(value, pl.Expr) else value
        raise errors.bad_option(call, role, shown, "takes the name of a column.", hint)
    return value


def column_names(value: Any) -> list[str]:
    """A role that takes a column or a list of columns; a Series is one wrong thing, not a list of names."""
    whole = isinstance(value, str) or hasattr(value, "dtype") or not isinstance(value, Iterable)
    return [value] if whole else list(value)


def channel_names(call: str, value: Any) -> tuple[Any, ...]:
    """Names of channels, one or several; letter by letter those of the data."""
    one = isinstance(value, (str, bytes, int)) and not isinstance(value, bool)
    names = (value,) if one else tuple(value) if isinstance(value, Iterable) else ()
    if not names or not all(type(name) in (str, bytes, int) for name in names):
        hint = "such as 'direct', or ['direct', 'unknown']."
        raise errors.bad_option(call, "channels", value, "takes names of channels.", hint)
    if isinstance(value, (set, frozenset)):  # in no order of their own, and a label shows them
        names = tuple(sorted(names, key=repr))
    return names


def parts(value: Any) -> list[str | pl.Expr]:
    """A role that takes a column, an expression, or a list of both, as a list; empty where None."""
    if value is None:
        return []
    if isinstance(value, (list, tuple)):  # the short way for most
        return list(value)
    one = isinstance(value, (str, pl.Expr)) or of_spark(value) or not isinstance(value, Iterable)
    return [value] if one else list(value)


def of_spark(value: Any) -> bool:
    """Something of PySpark's: its columns say that they can be iterated, and cannot."""
    return type(value).__module__.startswith("pyspark.")


def no_column_of_spark(call: str, role: str, value: Any) -> None:
    """A role that takes expressions takes those of Polars, on every engine."""
    if of_spark(value):
        raise errors.spark_column(call, role, value)


def groups(call: str, value: Any, taken: Iterable[str]) -> list[str]:
    """Names of the group columns that ``by`` makes: each once, none of them a column of the answer."""
    names: list[str] = []
    given = parts(value)
    if not given:
        return names
    for part in given:
        no_column_of_spark(call, "by", part)
        if isinstance(part, pl.Expr):
            if part.meta.has_multiple_outputs():
                raise errors.bad_option(call, "by", str(part), "names several columns at once.", "list them.")
            names.append(part.meta.output_name())
        elif isinstance(part, str):
            names.append(part)
        else:
            raise errors.bad_option(call, "by", part, "not a column or an expression.", "write by='plan'.")
    taken = set(taken)
    for at, name in enumerate(names):
        if name in names[:at]:
            raise errors.bad_option(call, "by", name, "named twice.", "name each group column once.")
        if name in taken:
            hint = f"rename it, for example by=pl.col({name!r}).alias('{name}_group')."
            raise errors.bad_option(call, "by", name, "the answer has a column of that name.", hint)
    return names


#: levels that one scale can have, and codes beside it: what is counted apart fits a byte
MOST_LEVELS, MOST_CODES = 200, 20


def scale(call: str, value: Any) -> tuple[int, int]:
    """Lowest and highest level of a scale of whole numbers, such as (1, 5)."""
    hint = "write the lowest and the highest level, such as scale=(1, 5)."
    if not (isinstance(value, (tuple, list)) and len(value) == 2 and _whole(value[0]) and _whole(value[1])):
        raise errors.bad_option(call, "scale", value, "not two whole numbers.", hint)
    low, high = value
    if not low < high:
        raise errors.bad_option(call, "scale", value, "the lowest level comes first.", hint)
    if high - low >= MOST_LEVELS or max(-low, high) > 10_000:
        problem = f"a scale has at most {MOST_LEVELS} levels, within -10,000..10,000."
        raise errors.bad_option(call, "scale", value, problem, "a mean of measurements is not a score.")
    return low, high


def codes(call: str, option: str, value: Any) -> tuple[int, ...]:
    """Whole numbers that mean 'no answer', such as [11, 99]."""
    if value is None:
        return ()
    if isinstance(value, str) or of_spark(value) or not isinstance(value, Iterable):
        raise errors.bad_option(call, option, value, "not a list of codes.", f"write {option}=[99].")
    given = list(value)
    wrong = [code for code in given if not _whole(code)]
    if wrong:
        hint = "make other codes null first; nulls are counted in n_null."
        raise errors.bad_option(call, option, wrong[0], "codes are whole numbers.", hint)
    found = tuple(dict.fromkeys(given))
    if len(found) > MOST_CODES:
        problem = f"{len(found)} codes; at most {MOST_CODES} are counted apart."
        raise errors.bad_option(call, option, list(found), problem, "make them null first.")
    return found


def within(call: str, option: str, value: Any, least: int, most: int) -> int:
    """A whole number within bounds."""
    if not (_whole(value) or isinstance(value, np.integer)) or not least <= value <= most:
        problem = f"takes a whole number from {least} to {most}."
        raise errors.bad_option(call, option, value, problem, f"such as {option}={least}.")
    return int(value)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
