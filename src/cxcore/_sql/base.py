"""What SQL functions are made of: macros, the few Python functions behind them, and how names are quoted."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, NoReturn

from cxcore import _options, errors


@dataclass(frozen=True, slots=True)
class Macro:
    """A SQL function as users see it: ``CREATE MACRO <schema>.<name>(<parameters>) AS <body>``."""

    name: str
    parameters: str
    body: str
    says: str

    @property
    def signature(self) -> str:
        return f"{self.name}({self.parameters})"


@dataclass(frozen=True, slots=True)
class Udf:
    """A Python function behind a macro, with DuckDB's types; called with plain Python values."""

    name: str
    function: Callable[..., Any]
    takes: tuple[str, ...]
    gives: str


# ---------------------------------------------------------------- text into SQL


def identifier(name: str) -> str:
    """A name as a quoted identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as a quoted string."""
    return "'" + text.replace("'", "''") + "'"


# ---------------------------------------------------------------- arguments, as their SQL text

_INTERVAL = re.compile(r"(?:(-?\d+) days? ?)?(?:(-?)(\d+):(\d\d):(\d\d)(?:\.(\d{1,6}))?)?")


def required(call: str, arguments: dict[str, str | None]) -> None:
    """Every named argument is there."""
    missing = [name for name, value in arguments.items() if value is None]
    if missing:
        raise errors.missing_argument(call, missing, f"say {missing[0]} := '…'.")


def microseconds(call: str, option: str, text: str | None) -> int:
    """A duration: an INTERVAL in DuckDB's own words ('7 days', '00:30:00'), or text with a unit ('30m').

    In whole microseconds, as intervals and most timestamps are.
    """
    if text is not None and (match := _INTERVAL.fullmatch(text)) and text:
        days, sign, hours, minutes, seconds, fraction = match.groups()
        clock = (int(hours or 0) * 3600 + int(minutes or 0) * 60 + int(seconds or 0)) * 10**6
        clock += int((fraction or "0").ljust(6, "0"))
        total = int(days or 0) * 86_400 * 10**6 + (-clock if sign else clock)
        if total <= 0:
            raise errors.not_positive(call, option, text)
        return total
    if text is not None and re.search(r"\b(months?|years?)\b", text):
        raise errors.calendar_duration(call, option, text)
    if text is not None and re.fullmatch(r"\d+(\.\d+)?", text):
        text_as_number = float(text) if "." in text else int(text)
        raise errors.bare_number(call, option, text_as_number)
    nanoseconds = _options.duration(call, option, text)
    if nanoseconds % 1_000:
        raise errors.bad_option(
            call, option, text, "intervals hold whole microseconds.", "round it to microseconds."
        )
    return nanoseconds // 1_000


# ---------------------------------------------------------------- errors, as SQL users read them

#: what hints say in Python, and how SQL writes it; in this order
_HINTS = tuple(
    (re.compile(python), sql)
    for python, sql in (
        (
            r"name codes that mean 'no answer' with missing=\[(.+?)\]",
            r"make codes of 'no answer' NULL: nullif(…, \1)",
        ),
        (r"for another scale say who counts.*", "metric := 'mean_score' or 'csat' takes any scale."),
        (r"by=pl\.col\('(.+?)'\)\.alias\('(.+?)'\)", r'"\1" AS "\2" in a view or a CTE'),
        (r"fill_null\(\)", "coalesce()"),
        (r"\b(user|time|channel|conversion|value|score|group|by|cluster|weight|stratum)=", r"\1_col="),
        (r"\b(\w+)=\((.+?)\)", r"\1=[\2]"),
        (r"\b(\w+)=(?=[\w'\[…])", r"\1 := "),
        (r"\b(\w+)=(?!=)", r"\1"),
    )
)


#: the first argument that an error names, where it is a column
_ROLE = re.compile(r"^(\w+\()(user|time|channel|conversion|value|score|group|by|cluster|weight|stratum)=")


def in_sql(text: str) -> str:
    """An error's text with its columns and its hint in SQL."""
    said, mark, hint = text.partition("\n  Hint: ")
    said = _ROLE.sub(r"\1\2_col=", said)
    for python, sql in _HINTS:
        hint = python.sub(sql, hint)
    return said + mark + hint


def saying_sql(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, whose hints are for who writes SQL."""

    @wraps(function)  # DuckDB counts its parameters
    def said(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except errors.CxError as error:
            raise type(error)(in_sql(str(error))) from None

    return said


# ---------------------------------------------------------------- time and rows, as SQL


_NUMBERS = (
    *(f"{sign}{size}INT" for sign in ("", "U") for size in ("TINY", "SMALL", "BIG", "HUGE")),
    "INTEGER", "UINTEGER", "FLOAT", "DOUBLE", "BOOLEAN", '"NULL"',
)  # fmt: skip


def number(call: str, role: str, column: str) -> str:
    """A column of any type of numbers as DOUBLE; others are refused by the first row, as in ``ticks``."""
    name = identifier(column)
    kinds = ", ".join(literal(kind) for kind in _NUMBERS)
    said = ", ".join(literal(word) for word in (call, role, column))
    return (
        f"CASE WHEN typeof({name}) IN ({kinds}) OR typeof({name}) LIKE 'DECIMAL%'"
        f" THEN try_cast({name} AS DOUBLE)"
        f" ELSE __cx_refuse_number({said}, typeof({name}), {name} IS NULL) END"
    )


def refuse_number(call: str, role: str, column: str, dtype: str, _: bool) -> NoReturn:
    """Raised while the query runs, where answers or weights are of a type that is no number."""
    hint = f"make them so in a CTE or a view, such as try_cast({identifier(column)} AS DOUBLE)."
    raise errors.wrong_dtype(call, role, column, dtype, "takes numbers", hint)


REFUSE_NUMBER = Udf("__cx_refuse_number", refuse_number, (*["VARCHAR"] * 4, "BOOLEAN"), "DOUBLE")


_NANOSECONDS = "('TIMESTAMP_NS', 'TIMESTAMPTZ_NS')"
_MICROSECONDS = "('TIMESTAMP', 'TIMESTAMP_S', 'TIMESTAMP_MS', 'DATE', '\"NULL\"')"


def ticks(call: str, column: str) -> str:
    """A date or timestamp of any unit as BIGINT: nanoseconds where it has them, else microseconds.

    DuckDB folds the CASE while it plans. The casts change nothing; they let every branch bind to every type.
    Other types are refused by the first row; its value stands there so that no plan asks before.
    """
    time = identifier(column)
    refused = f"__cx_refuse_time({literal(call)}, {literal(column)}, typeof({time}), {time} IS NULL)"
    return (
        f"CASE WHEN typeof({time}) = 'TIMESTAMP_NS' THEN epoch_ns(try_cast({time} AS TIMESTAMP_NS))"
        f" WHEN typeof({time}) = 'TIMESTAMPTZ_NS' THEN epoch_ns(try_cast({time} AS TIMESTAMPTZ_NS))"
        f" WHEN typeof({time}) = 'TIMESTAMP WITH TIME ZONE' THEN epoch_us(try_cast({time} AS TIMESTAMPTZ))"
        f" WHEN typeof({time}) IN {_MICROSECONDS} THEN epoch_us(try_cast({time} AS TIMESTAMP))"
        f" ELSE {refused} END"
    )


def refuse_time(call: str, column: str, dtype: str, _: bool) -> NoReturn:
    """Raised while the query runs, where a time column is of a type that is no time."""
    name = identifier(column)
    cast = f"CAST({name} AS TIMESTAMP)" if dtype == "VARCHAR" else f"make_timestamp_ms({name})"
    hint = f"make them so in a CTE or a view, such as {cast}."
    raise errors.wrong_dtype(call, "time_col", column, dtype, "takes dates or timestamps", hint)


REFUSE_TIME = Udf("__cx_refuse_time", refuse_time, ("VARCHAR", "VARCHAR", "VARCHAR", "BOOLEAN"), "BIGINT")


def ticks_in_microsecond(time: str) -> str:
    return f"CASE WHEN typeof({time}) IN {_NANOSECONDS} THEN 1000 ELSE 1 END::HUGEINT"


def refuse_rows(call: str, role: str, column: str, problem: str, n_bad: int, n: int) -> NoReturn:
    """Raised while the query runs: DuckDB counts, and the text comes from ``errors``."""
    raise errors.bad_rows(call, role, column, problem, n_bad, n)


REFUSE_ROWS = Udf("__cx_refuse_rows", refuse_rows, (*["VARCHAR"] * 4, "BIGINT", "BIGINT"), "BOOLEAN")


def no_bad_rows(call: str, source: str, *checks: tuple[str, str, str, str]) -> str:
    """A condition that holds, or refuses the whole query with a count of the bad rows of ``source``.

    Each check is the role, its column, a condition that bad rows fulfil, and what to say of them.
    """
    cases = []
    for role, column, bad, problem in checks:
        n_bad = f"count(*) FILTER (WHERE {bad})"
        said = ", ".join(literal(part) for part in (call, role, column, problem))
        cases.append(f"WHEN {n_bad} > 0 THEN __cx_refuse_rows({said}, {n_bad}, count(*))")
    return f"(SELECT CASE {' '.join(cases)} ELSE true END FROM {source})"


def refuse_columns(call: str, columns: list[str], new: list[str]) -> bool:
    """The table may not have the columns that the answer adds; DuckDB folds the case of names."""
    taken = [name for name in columns if name.casefold() in new]
    if taken:
        raise errors.column_exists(call, taken)
    return True


REFUSE_COLUMNS = Udf("__cx_refuse_columns", refuse_columns, ("VARCHAR", "VARCHAR[]", "VARCHAR[]"), "BOOLEAN")


def no_such_columns(call: str, source: str, *new: str) -> str:
    """A condition that holds, or refuses the whole query; reads no row of ``source``."""
    names = ", ".join(literal(name) for name in new)
    return (
        f"(SELECT __cx_refuse_columns({literal(call)}, struct_keys(__cx_any), [{names}])"
        f" FROM (SELECT 1) LEFT JOIN {source} AS __cx_any ON false)"
    )
