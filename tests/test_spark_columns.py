"""A column of Spark's in the place of anything else is refused by every verb, in our words; without Spark."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import polars as pl
import pytest

import cxcore as cx


class Column:
    """As PySpark's: compares to a column, has no truth, says that it can be iterated and cannot."""

    __module__ = "pyspark.sql.classic.column"
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> Any:
        return Column()

    def __bool__(self) -> bool:
        raise ValueError("Cannot convert column into bool: please use '&' for 'and', '|' for 'or'")

    def __iter__(self) -> Iterator[Any]:
        raise TypeError("Column is not iterable")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Column()  # a field of a struct


TOUCHES = cx.datasets.touchpoints(50, rng=1).frame
ANSWERS = cx.datasets.answers(100, rng=1).frame.with_columns(month=pl.col("customer_id") % 3)
OF_EVENTS = {"user": "user_id", "time": "ts"}
OF_TOUCHES = {**OF_EVENTS, "channel": "channel", "conversion": "conversion"}
OF_ANSWERS = {"score": "score", "scale": (0, 10)}
CALLS: dict[str, tuple[Any, dict[str, Any]]] = {
    "sessionize": (TOUCHES, OF_EVENTS),
    "sessions": (TOUCHES, OF_EVENTS),
    "index": (TOUCHES, OF_EVENTS),
    "attribute": (TOUCHES, OF_TOUCHES),
    "paths": (TOUCHES, OF_TOUCHES),
    "nps": (ANSWERS, {"score": "score"}),
    "csat": (ANSWERS, OF_ANSWERS),
    "ces": (ANSWERS, OF_ANSWERS),
    "mean_score": (ANSWERS, OF_ANSWERS),
    "compare": (ANSWERS, {"score": "score", "group": "group", "control": "basic"}),
    "waves": (ANSWERS, {"score": "score", "wave": "month"}),
}
ARGUMENTS = [
    (call, name) for call in CALLS for name in list(inspect.signature(getattr(cx, call)).parameters)[1:]
]


@pytest.mark.parametrize(("call", "name"), ARGUMENTS)
def test_a_column_of_sparks_is_refused(call: str, name: str) -> None:
    frame, options = CALLS[call]
    for value in (Column(), [Column()]):
        with pytest.raises(cx.CxError, match=rf"^{call}\("):
            getattr(cx, call)(frame, **{**options, name: value})


def test_a_gap_for_each_event_is_an_expression_of_polars() -> None:
    with pytest.raises(cx.InvalidOptionError) as refused:
        cx.sessionize(TOUCHES, **OF_EVENTS, gap=Column())
    said, hint = str(refused.value).split("\n")
    assert said.endswith("): a column of Spark's; durations and Polars expressions are taken.")
    assert hint == "  Hint: such as gap=pl.duration(minutes='idle'), also of a Spark DataFrame."
