"""Checks of the columns that rules of sessions read, and the days of calendars, as arrays for the kernel."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cxcore import _options, errors
from cxcore._columns import EventColumns, EventRoles, Int32, Int64, UInt8, int64_of, keys, marks, tell_apart
from cxcore._ext import native
from cxcore._ext.arrays import empty

_INT64_MAX = 2**63 - 1
#: microseconds: Python's dates know the years 1 to 9999, and a local period may begin in the year before
_FIRST, _LAST = -62_104_060_800_000_000, 253_370_764_799_999_999
_DAY = 86_400_000_000
#: bits of a mark
STARTS, ENDS, IDLES, UNLIKE = 1, 2, 4, 8


@dataclass(frozen=True, slots=True)
class RuleColumns:
    """What rules read, by row; an array of no item where there is no such rule.

    ``gap`` int64[n] ticks that an event keeps its session open; ``mark`` uint8[n] bits; ``value`` int32[k, n]
    codes whose change splits, -1 where null; ``key`` int64[k, n]: rows of a user that agree in all repeat one
    event; ``edge`` int64[] ticks at which calendar periods begin. Rows that stand for a stretch of a session
    have ``last`` int64[n], the last tick of it, and ``events`` int64[n], how many events lie in it.
    """

    gap: Int64
    mark: UInt8
    value: Int32
    key: Int64
    edge: Int64
    last: Int64 = field(default_factory=lambda: np.empty(0, np.int64))
    events: Int64 = field(default_factory=lambda: np.empty(0, np.int64))


def rule_columns(
    call: str, house: pl.DataFrame, columns: EventColumns, roles: EventRoles, rules: Any, n_threads: int
) -> RuleColumns:
    """Check what ``rules`` (sessions.rules.Rules) reads, in the order of the signature."""
    n = len(house)
    gap = np.empty(0, np.int64)
    if isinstance(rules.gap, pl.Expr):
        gap = _gaps(call, _column(call, house, "gap", rules.gap), columns, rules.closed)
    edge = np.empty(0, np.int64)
    if rules.calendar is not None:
        edge = calendar_edges(call, house.schema[roles.time], roles, columns, rules.calendar, rules.time_zone)
    mark = _marks(call, house, rules)
    value = split_codes(call, split_columns(call, house, rules), n, n_threads)
    told = [_told(call, house[name], n_threads) for name in rules.unique]
    key = told[0][np.newaxis] if len(told) == 1 else np.array(told, np.int64).reshape(len(told), n)
    return RuleColumns(gap, mark, value, key, edge)


def split_columns(call: str, house: pl.DataFrame, rules: Any) -> list[pl.Series]:
    return [_column(call, house, "split_on", part) for part in rules.split_on]


def split_codes(call: str, columns: Sequence[pl.Series], n_rows: int, n_threads: int) -> Int32:
    """int32[n_columns, n_rows] codes by which a change is seen, -1 where null."""
    value = empty((len(columns), n_rows), np.int32)
    for at, one in enumerate(columns):
        tell_apart(call, "split_on", one, value[at], n_threads=n_threads)
    return value


def _column(call: str, house: pl.DataFrame, role: str, value: str | pl.Expr) -> pl.Series:
    """A column, or what an expression gives for each row."""
    if isinstance(value, str):
        return house[value]
    with _fits(call, role, value):
        found = house.select(value)
        if found.height == 1 != house.height:
            house.with_columns(value)  # one value stands for all rows, unless it is what a filter left
    if found.width != 1 or (found.height != house.height and found.height != 1):
        problem = f"gives {found.height:,} rows of {found.width:,} columns for {house.height:,} rows."
        raise errors.bad_option(call, role, found.columns[0], problem, "one value for each row is needed.")
    column = found.to_series()
    return column if len(column) == house.height else column.new_from_index(0, house.height)


@contextmanager
def _fits(call: str, role: str, value: pl.Expr) -> Iterator[None]:
    """Expressions that do not fit the frame are refused in our words."""
    try:
        yield
    except pl.exceptions.PolarsError as error:
        problem = f"the frame cannot answer it: {str(error).splitlines()[0]}"
        raise errors.bad_option(call, role, str(value), problem, "try the expression in select().") from error


def _told(call: str, column: pl.Series, n_threads: int) -> Int64:
    """Whole numbers by which rows can be told apart: the values themselves, or codes of them."""
    dtype = column.dtype
    if dtype.is_temporal() or (dtype.is_integer() and dtype not in (pl.UInt64, pl.Int128, pl.UInt128)):
        return int64_of(column, null=0)
    code = keys(call, "unique", column.to_frame(), [column.name], n_threads=n_threads).code
    return np.maximum(code, 0, dtype=np.int64) if column.null_count() else code.astype(np.int64)


def _marks(call: str, house: pl.DataFrame, rules: Any) -> UInt8:
    on: list[tuple[int, pl.Series]] = []
    for role, bit in (("start_on", STARTS), ("end_on", ENDS), ("keep_alive", IDLES)):
        value = getattr(rules, role)
        if value is None:
            continue
        one = _column(call, house, role, value)
        is_idle = role == "keep_alive"  # a null is a no elsewhere; here it says nothing against the event
        yes = marks(call, role, one.to_frame(), one.name, null_means=is_idle)
        on.append((bit, ~yes if is_idle else yes))
    on += [(UNLIKE, house[name].is_null()) for name in rules.unique if house[name].null_count()]
    mark = np.zeros(len(house) if on else 0, np.uint8)
    for bit, rows in on:
        native.mark_rows(rows, bit, mark)
    return mark


def _gaps(call: str, column: pl.Series, columns: EventColumns, closed: str) -> Int64:
    """The longest silence after each event that does not split, in ticks; 0 where a row has no session."""
    if not isinstance(column.dtype, pl.Duration):
        hint = "make it one, for example pl.duration(minutes='minutes')."
        raise errors.wrong_dtype(call, "gap", column.name, column.dtype, "takes durations", hint)
    tick_length = columns.tick_length
    absent = column.is_null().to_numpy() & (columns.code >= 0) if column.null_count() else None
    if absent is not None and absent.any():
        hint = "fill them, for example .fill_null(pl.duration(minutes=30))."
        n_absent, row = int(absent.sum()), int(absent.argmax())
        raise errors.nulls(call, "gap", column.name, n_absent, len(column), row, hint)
    ticks = int64_of(column, null=0)
    bad = (ticks <= 0) & (columns.code >= 0) if len(ticks) and ticks.min() <= 0 else None
    if bad is not None and bad.any():
        n_bad, row = int(bad.sum()), int(bad.argmax())
        problem = f"{n_bad:,} of {len(ticks):,} gaps are not longer than nothing; first is row {row:,}."
        hint = "an event keeps its session open for a while; say so with a positive duration."
        raise errors.bad_data(call, "gap", column.name, problem, hint)
    unit = _options.NANOSECONDS[column.dtype.time_unit]
    if unit >= tick_length:
        per = unit // tick_length
        whole = ticks if per == 1 else np.minimum(ticks, _INT64_MAX // per) * per
        return whole - 1 if closed == "left" else whole
    per = tick_length // unit
    rounded: Int64 = ticks // per if closed == "right" else -(-ticks // per) - 1
    return rounded


# ---------------------------------------------------------------- calendars


def calendar_edges(
    call: str, dtype: pl.DataType, roles: EventRoles, columns: EventColumns, every: str, zone: str | None
) -> Int64:
    """Ticks at which days, weeks or months begin, between the first and the last event."""
    seen = int(columns.count.sum())
    tick = columns.tick if seen == len(columns.tick) else columns.tick[columns.code >= 0]
    if not seen:
        return np.empty(0, np.int64)
    if dtype == pl.Date and zone is not None:
        problem = f"the column {roles.time!r} is {dtype}, and a date lies in no zone."
        raise errors.bad_option(call, "time_zone", zone, problem, "leave it out.")
    zone = zone or getattr(dtype, "time_zone", None) or "UTC"
    least, most = int(tick.min()), int(tick.max())
    first, last = (_microseconds(end, columns.tick_length) for end in (least, most))
    if first < _FIRST or last > _LAST:
        far = least if first < _FIRST else most
        row = int(((columns.code >= 0) & (columns.tick == far)).argmax())
        problem = f"a calendar needs years 2 to 9998; see row {row:,}."
        raise errors.bad_data(call, "time", roles.time, problem, "drop such rows, or leave out calendar=.")
    starts = period_starts(first, last, every, zone)
    ticks = (-(-start * 1_000 // columns.tick_length) for start in starts)  # the first tick not before it
    return np.array([at for at in ticks if least < at <= most], np.int64)


def _microseconds(tick: int, tick_length: int) -> int:
    return tick * tick_length // 1_000


def period_starts(least: int, most: int, every: str, zone: str) -> list[int]:
    """First instants of local periods after ``least`` and up to ``most``; all in microseconds UTC.

    A local midnight that clocks skip begins with the first instant after it; one that comes twice with the
    first.
    """
    names = pl.Series(_period_names(least, most, every))
    instants = names.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    found = instants.cast(pl.Int64).to_list()
    if instants.null_count():
        for at in instants.is_null().arg_true():
            found[at] = _first_instant(names[at], zone)
    return sorted({at for at in found if least < at <= most})


def _period_names(least: int, most: int, every: str) -> NDArray[np.datetime64]:
    """The local midnights at which periods begin, those of all zones: none is a day away from UTC.

    NumPy makes them in a tenth of the time that a query for three dates takes.
    """
    first, last = np.array([least - _DAY, most + _DAY], "datetime64[us]").astype("datetime64[D]")
    if every == "1mo":
        first, last = first.astype("datetime64[M]"), last.astype("datetime64[M]")
    elif every == "1w":
        first -= (first.astype(np.int64) + 3) % 7  # days are counted from a Thursday, weeks from Monday
    return np.arange(first, last + 1, 7 if every == "1w" else 1).astype("datetime64[us]")


def _first_instant(midnight: dt.datetime, zone: str) -> int:
    """The first microsecond UTC whose local time is not before a midnight that clocks skip."""
    info = zoneinfo.ZoneInfo(zone)
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
    around = [midnight.replace(tzinfo=info, fold=fold).astimezone(dt.UTC) - epoch for fold in (1, 0)]
    before, after = (at // dt.timedelta(microseconds=1) for at in around)
    before -= 1
    while after - before > 1:
        middle = (before + after) // 2
        local = (epoch + dt.timedelta(microseconds=middle)).astimezone(info).replace(tzinfo=None)
        before, after = (middle, after) if local < midnight else (before, middle)
    return after
