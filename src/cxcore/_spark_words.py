"""Errors as who wrote Spark SQL reads them: calls, arguments and hints in that language."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from cxcore import errors

#: arguments whose names SQL has for itself, as DuckDB's functions have them
AS_COLUMNS = ("user", "time", "order")
_TYPES = {"String": "STRING", "Int64": "BIGINT", "Float64": "DOUBLE"}
_UNITS = {"s": "timestamp_seconds", "ms": "timestamp_millis", "us": "timestamp_micros"}

#: what hints say in Python, and how Spark writes it; in this order
_HINTS: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = tuple(
    (re.compile(python), sql)
    for python, sql in (
        (
            r"name codes that mean 'no answer' with missing=\[(.+?)\]",
            r"make codes of 'no answer' NULL: nullif(score, \1)",
        ),
        (r"say scale=\((\d+), (\d+)\)", r"write {call}(score, \1, \2)"),
        (r"pl\.col\('score'\)\.cast\(pl\.Int64, strict=False\)", "try_cast(score AS BIGINT)"),
        (r"pl\.col\('score'\)\.cast\(pl\.Int64\)", "CAST(score AS BIGINT)"),
        (r"pl\.col\('(.+?)'\)\.cast\(pl\.(\w+)\)", lambda found: f"CAST(`{found[1]}` AS {_TYPES[found[2]]})"),
        (r"\bpl\.(String|Int64|Float64)\b", lambda found: _TYPES[found[1]]),
        (r"pl\.from_epoch\('(.+?)', time_unit='(\w+)'\)", lambda found: f"{_UNITS[found[2]]}(`{found[1]}`)"),
        (r"pl\.col\('(.+?)'\)\.str\.to_datetime\(\)", r"to_timestamp(`\1`)"),
        (
            r"compare it, for example pl\.col\('(.+?)'\) =?(= 'yes'|> 0)",
            r"compare it in a column of its own, for example TABLE(SELECT *, `\1` \2 AS flag FROM …)",
        ),
        (r"pl\.col\('(.+?)'\)", r"`\1`"),
        (r"cast the column to Float64", "cast the column to DOUBLE"),
        (r"; verbs without it take an index that has it", ""),
        (r"; or a timedelta", "; or an INTERVAL"),
        (r"\bNone\b", "NULL"),
    )
)  # fmt: skip
_IN_HINT = re.compile(r"\b(\w+)=(?=['\"\d\[({…NTF-])")
_TIMEDELTA = re.compile(r"datetime\.timedelta\(([a-z]+=-?\d+(?:, [a-z]+=-?\d+)*)\)")
_IN_CALL = re.compile(r"(?:^|(?<=, ))(\w+)=")


def in_spark(call: str, text: str) -> str:
    """An error's text in the words of the SQL function ``call``."""
    said, mark, rest = text.partition("\n")
    said = _TIMEDELTA.sub(_interval, said)
    arguments, closes, problem = said.partition("): ")
    if closes:
        arguments = _IN_CALL.sub(_named, arguments.partition("(")[2])
        arguments = arguments.replace("score => 'score'", "score").replace(" => None", " => NULL")
        said = f"{call}({arguments}{closes}{problem}"
    lines = [_hint(call, line) if line.startswith("  Hint: ") else line for line in rest.split("\n")]
    return said + mark + "\n".join(lines)


def _hint(call: str, line: str) -> str:
    for python, sql in _HINTS:
        line = python.sub(sql, line)
    return _IN_HINT.sub(_named, line.replace("{call}", call))


def _interval(found: re.Match[str]) -> str:
    """Python's form of an INTERVAL, as Spark writes it."""
    parts = dict(part.split("=") for part in found[1].split(", "))
    seconds = timedelta(**{unit: int(number) for unit, number in parts.items()}).total_seconds()
    return f"INTERVAL {seconds:.6f}".rstrip("0").rstrip(".") + " SECONDS"


def _named(found: re.Match[str]) -> str:
    return f"{sql_name(found[1])} => "


def sql_name(name: str) -> str:
    """An argument of a verb, as SQL has it."""
    return f"{name}_col" if name in AS_COLUMNS else name


@contextmanager
def spark_words(call: str) -> Iterator[None]:
    """Errors raised in here are for who writes Spark SQL."""
    try:
        yield
    except errors.CxError as error:
        raise type(error)(in_spark(call, str(error))) from None
