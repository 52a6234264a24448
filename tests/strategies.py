"""What hypothesis draws: logs of events, of touches, answers; with ties, nulls, far dates, odd layouts."""

from __future__ import annotations

import datetime as dt
from typing import Any

import polars as pl
from hypothesis import strategies as st

INTEGERS = (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64)
TEXTS = (
    "",
    "a",
    "b",
    "ab",
    "twelve bytes",
    "thirteen bytes",
    "a name of many more bytes than one view",
    "é",
    "a\0b",
)
FAR = (dt.datetime(1, 1, 1), dt.datetime(1969, 12, 31, 23, 59, 59), dt.datetime(2262, 1, 1))
threads = st.integers(1, 4)


@st.composite
def key_columns(draw: st.DrawFn, size: int, name: str = "user", nulls: bool = True) -> pl.Series:
    """A column of few distinct names: whole numbers of any width, text, binary, categories, dates."""
    kind = draw(st.sampled_from(("integer", "text", "binary", "categorical", "enum", "boolean", "date")))
    if kind == "integer":
        dtype: Any = draw(st.sampled_from(INTEGERS))()
        values: list[object] = [0, 1, 2, *pl.select(low=dtype.min(), high=dtype.max()).row(0)]
    elif kind == "boolean":
        dtype, values = pl.Boolean(), [False, True]
    elif kind == "date":
        dtype, values = pl.Date(), [dt.date(1970, 1, 1), dt.date(1969, 12, 31), dt.date(9999, 12, 31)]
    elif kind == "binary":
        dtype, values = pl.Binary(), [b"", b"\xff", b"\0", b"a\0b", b"more than twelve bytes"]
    else:
        dtype = {"text": pl.String(), "categorical": pl.Categorical(), "enum": pl.Enum(TEXTS)}[kind]
        values = list(TEXTS)
    one = st.sampled_from(values)
    drawn = draw(st.lists(st.none() | one if nulls else one, min_size=size, max_size=size))
    return pl.Series(name, drawn, dtype=dtype)


@st.composite
def time_columns(draw: st.DrawFn, size: int, name: str = "time") -> pl.Series:
    """Datetimes in ms, us or ns, with and without a zone; ties are common, some are far away."""
    unit = draw(st.sampled_from(("ms", "us", "ns")))
    zone = draw(st.sampled_from((None, "UTC", "Europe/Berlin")))
    start = dt.datetime(2024, 3, 31)  # the night in which Berlin's clocks change
    minutes = st.integers(0, 240).map(lambda minute: start + dt.timedelta(minutes=minute))
    moment = minutes if unit == "ns" else st.one_of(minutes, minutes, minutes, st.sampled_from(FAR))
    drawn = draw(st.lists(moment, min_size=size, max_size=size))
    column = pl.Series(name, drawn, dtype=pl.Datetime(unit))
    return column.dt.replace_time_zone("UTC").dt.convert_time_zone(zone) if zone else column


def in_chunks(frame: pl.DataFrame, at: int) -> pl.DataFrame:
    """The same rows in two chunks, each a slice of something longer."""
    at = min(at, frame.height)
    return pl.concat(
        [pl.concat([frame, frame]).slice(0, at), pl.concat([frame, frame]).slice(at, frame.height - at)]
    )


@st.composite
def event_logs(draw: st.DrawFn, max_size: int = 40, nulls: bool = True) -> pl.DataFrame:
    """Columns ``user``, ``time`` and ``seq`` (a tie-break); rows in any order, sometimes in two chunks."""
    size = draw(st.integers(0, max_size))
    columns = [draw(key_columns(size, nulls=nulls)), draw(time_columns(size))]
    columns.append(
        pl.Series("seq", draw(st.lists(st.integers(0, 3), min_size=size, max_size=size)), dtype=pl.Int64)
    )
    frame = pl.DataFrame(columns)
    return in_chunks(frame, draw(st.integers(0, size))) if draw(st.booleans()) else frame


def tick_length(time: pl.Series) -> int:
    """Nanoseconds in a tick of a column of datetimes."""
    assert isinstance(time.dtype, pl.Datetime)
    return {"ms": 10**6, "us": 10**3, "ns": 1}[time.dtype.time_unit]


@st.composite
def touch_logs(draw: st.DrawFn, max_size: int = 40) -> pl.DataFrame:
    """An event log with ``channel`` (few, some null), ``conversion``, ``value`` and ``stage``."""
    events = draw(event_logs(max_size))
    size = events.height
    channel = st.none() | st.sampled_from(("search", "email", "social", "direct"))
    value = st.none() | st.integers(0, 1000).map(lambda cents: cents / 4)
    marks = st.none() | st.sampled_from((True, False, False))
    return events.with_columns(
        pl.Series("channel", draw(st.lists(channel, min_size=size, max_size=size)), dtype=pl.String),
        pl.Series(
            "conversion", draw(st.lists(st.booleans(), min_size=size, max_size=size)), dtype=pl.Boolean
        ),
        pl.Series("value", draw(st.lists(value, min_size=size, max_size=size)), dtype=pl.Float64),
        pl.Series("stage", draw(st.lists(marks, min_size=size, max_size=size)), dtype=pl.Boolean),
    )


@st.composite
def answers(draw: st.DrawFn, low: int = 0, high: int = 10, max_size: int = 60) -> pl.DataFrame:
    """Columns ``score`` on a scale, of any numeric dtype and with nulls, and ``plan``, a group."""
    size = draw(st.integers(0, max_size))
    score = st.none() | st.integers(low, high)
    dtype = draw(st.sampled_from((*INTEGERS, pl.Float32, pl.Float64)))
    return pl.DataFrame(
        [
            pl.Series("score", draw(st.lists(score, min_size=size, max_size=size)), dtype=dtype),
            draw(key_columns(size, "plan")),
        ]
    )
