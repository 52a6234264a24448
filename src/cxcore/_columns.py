"""All checks of data, once, against the house frame: columns in, typed arrays out.

An engine never judges data and a kernel never checks; what stands between them is here. Checks run in the
order of a verb's signature; every text is in ``errors.py``.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import polars.selectors as cs
from numpy.typing import NDArray

from cxcore import _options, errors
from cxcore._ext import native
from cxcore._ext import scores as score_kernels

Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
UInt8 = NDArray[np.uint8]
Float64 = NDArray[np.float64]

#: what the key encoder reads as it is
_KEY_TYPES = (pl.String, pl.Binary, pl.Categorical, pl.Enum, pl.Boolean, pl.Date)
_INT64_MIN = -(2**63)
#: rows and codes are int32 inside the kernels
_MOST_ROWS = 2**31 - 1


# ---------------------------------------------------------------- roles


def check_roles(call: str, columns: Sequence[str], roles: Mapping[str, Any]) -> None:
    """Every role names a column that is there, and no column is there twice.

    A role takes a name, a list of names, Polars expressions, or None.
    """
    if len(set(columns)) < len(columns):
        twice = [name for name, times in Counter(columns).items() if times > 1]
        raise errors.duplicate_columns(call, twice)
    missing = {
        role: name
        for role, value in roles.items()
        for name in root_names(value)
        if name is not None and name not in columns
    }
    if missing:
        raise errors.columns_not_found(call, missing, columns)


def root_names(value: Any) -> list[str]:
    """Columns that a role reads: itself, its members, or the roots of an expression."""
    if value is None:
        return []
    if isinstance(value, str):
        return [value]
    if isinstance(value, pl.Expr):
        return list(dict.fromkeys(value.meta.root_names()))
    if isinstance(value, Iterable):
        return [name for part in value for name in root_names(part)]
    return [value]  # no name at all, so no column has it


def needed(*roles: Any) -> list[str]:
    """The columns that some roles read, each once."""
    return list(dict.fromkeys(name for role in roles for name in root_names(role)))


# ---------------------------------------------------------------- keys


@dataclass(frozen=True, slots=True)
class Keys:
    """A column of names as dense codes, in order of first appearance.

    ``code`` int32[n], -1 where null; ``count`` and ``first`` int64[n_keys]: rows and first row of each key;
    ``offset`` int64[n_keys + 1] into ``data`` uint8[]: each key in its canonical bytes (docs/adr/0003).
    """

    code: Int32
    count: Int64
    first: Int64
    offset: Int64
    data: UInt8

    def __len__(self) -> int:
        return len(self.count)

    @property
    def n_null(self) -> int:
        return len(self.code) - int(self.count.sum())


def keys(
    call: str,
    role: str,
    house: pl.DataFrame,
    columns: Sequence[str],
    *,
    null_is_key: bool = False,
    n_threads: int = 1,
) -> Keys:
    """Codes of one column, or of several as a composite key. Integers of any width are the same key."""
    parts = [_key_column(call, role, house[name]) for name in columns]
    if len(parts) > 1 or not isinstance(parts[0].dtype, (pl.Categorical, pl.Enum)):
        return Keys(*native.encode_keys(parts, null_is_key, n_threads))
    # Categories have codes already; only the text of those that occur is looked at.
    code, count, first, _, _ = native.encode_keys([parts[0].to_physical()], null_is_key, n_threads)
    text = parts[0].gather(first).cast(pl.String)
    return Keys(code, count, first, *native.encode_keys([text], null_is_key, 1)[3:])


def _is_key(dtype: pl.DataType) -> bool:
    return isinstance(dtype, _KEY_TYPES) or (dtype.is_integer() and dtype not in (pl.Int128, pl.UInt128))


def _key_column(call: str, role: str, column: pl.Series) -> pl.Series:
    if _is_key(column.dtype):
        return column
    if column.dtype == pl.Null:
        return column.cast(pl.Int64)
    hint = (
        f"cast it, for example pl.col({column.name!r}).cast(pl.Int64)."
        if column.dtype.is_numeric()
        else f"cast it to text, for example pl.col({column.name!r}).cast(pl.String)."
    )
    raise errors.wrong_dtype(
        call, role, column.name, column.dtype, "takes whole numbers, text or categories", hint
    )


# ---------------------------------------------------------------- time and order


def time_ticks(
    call: str, house: pl.DataFrame, time: str, time_unit: str | None
) -> tuple[Int64, int, NDArray[np.bool_] | None]:
    """Ticks int64[n] of the column's own unit, nanoseconds in a tick, which rows have no time (or None)."""
    column = house[time]
    dtype = column.dtype
    if isinstance(dtype, pl.Datetime) or dtype == pl.Date:
        if time_unit is not None:
            raise errors.bad_option(
                call,
                "time_unit",
                time_unit,
                f"the column {time!r} is {dtype} and has a unit.",
                "leave it out.",
            )
    elif dtype.is_integer() and dtype not in (pl.Int128, pl.UInt128, pl.UInt64):
        if time_unit is None:
            hint = "say time_unit='s', 'ms', 'us' or 'ns'."
            raise errors.wrong_dtype(call, "time", time, dtype, "takes dates or datetimes", hint)
        _options.word(call, "time_unit", time_unit, ("s", "ms", "us", "ns"))
    else:
        hint = (
            f"parse it, for example pl.col({time!r}).str.to_datetime()."
            if dtype == pl.String
            else f"cast it, for example pl.col({time!r}).cast(pl.Datetime('us'))."
        )
        raise errors.wrong_dtype(call, "time", time, dtype, "takes dates or datetimes", hint)
    absent = column.is_null().to_numpy() if column.null_count() else None
    ticks = int64_of(column.to_physical(), null=0)
    return ticks, _options.tick_length(dtype, time_unit), absent


def int64_of(column: pl.Series, null: int) -> Int64:
    """An integer column as contiguous int64, zero-copy where it can be."""
    column = column.cast(pl.Int64).rechunk()
    if column.null_count():
        column = column.fill_null(null)
    return column.to_numpy()


def tie_order(call: str, house: pl.DataFrame, order: str | None) -> Int64:
    """What breaks ties, as int64 in the same order (no item without); nulls first, as Polars sorts."""
    if order is None:
        return np.empty(0, dtype=np.int64)
    column = house[order]
    dtype = column.dtype
    if dtype.is_temporal() or dtype == pl.Boolean:
        column = column.to_physical()
    elif not dtype.is_integer() or dtype in (pl.UInt64, pl.Int128, pl.UInt128):
        if dtype == pl.Object:  # Polars panics on it; all else ranks
            hint = "name a column of numbers, times or text."
            raise errors.wrong_dtype(call, "order", order, dtype, "takes what can be sorted", hint)
        column = column.rank("dense")
    return int64_of(column, null=_INT64_MIN)


# ---------------------------------------------------------------- events


@dataclass(frozen=True, slots=True)
class EventRoles:
    """Which columns say who and when, and what to do where they do not."""

    user: tuple[str, ...]
    time: str
    order: str | None = None
    time_unit: str | None = None
    null_user: str = "null"
    null_time: str = "error"

    @property
    def columns(self) -> list[str]:
        return needed(self.user, self.time, self.order)


@dataclass(frozen=True, slots=True)
class EventColumns:
    """Who did something, and when: the checked columns of an event log.

    ``code`` int32[n] is the user of each row, -1 where the row is left out (no user, no time); ``count``
    int64[n_users] how many rows each user has. Where rows without a user count on their own, ``own`` is the
    code that they share (behind all users), else -1.
    """

    keys: Keys
    code: Int32
    count: Int64
    tick: Int64
    tie: Int64
    tick_length: int
    own: int

    @property
    def n_users(self) -> int:
        return len(self.count)


def event_columns(
    call: str,
    house: pl.DataFrame,
    roles: EventRoles,
    *,
    n_threads: int,
) -> EventColumns:
    """Check the user, time and order columns once, by the policies for nulls."""
    if len(house) > _MOST_ROWS:
        raise errors.too_many_rows(call, len(house))
    found = keys(call, "user", house, roles.user, n_threads=n_threads)
    tick, tick_length, absent = time_ticks(call, house, roles.time, roles.time_unit)
    tie = tie_order(call, house, roles.order)
    code, count, own = found.code, found.count, -1
    if found.n_null and roles.null_user == "error":
        row = int((code < 0).argmax())
        hint = "drop them, or say null_user='null' or 'own'."
        raise errors.nulls(call, "user", ", ".join(roles.user), found.n_null, len(code), row, hint)
    if absent is not None and roles.null_time == "error":
        n_absent, row = int(absent.sum()), int(absent.argmax())
        hint = "drop them, or say null_time='null'."
        raise errors.nulls(call, "time", roles.time, n_absent, len(code), row, hint)
    if found.n_null and roles.null_user == "own":
        own = len(found)
        code = np.where(code < 0, np.int32(own), code)
        count = np.append(count, np.int64(found.n_null))
    if absent is not None:
        code = np.where(absent, np.int32(-1), code)
        count = np.bincount(code[code >= 0], minlength=len(count)).astype(np.int64)
    return EventColumns(found, code, count, tick, tie, tick_length, own)


# ---------------------------------------------------------------- marks and amounts


def marks(call: str, role: str, house: pl.DataFrame, name: str) -> UInt8:
    """A boolean column as uint8[n]; a null is no."""
    column = house[name]
    if column.dtype != pl.Boolean:
        hint = f"compare it, for example pl.col({name!r}) == 1."
        raise errors.wrong_dtype(call, role, name, column.dtype, "takes true and false", hint)
    return column.fill_null(value=False).cast(pl.UInt8).to_numpy()


def amounts(call: str, role: str, house: pl.DataFrame, name: str) -> tuple[Float64, UInt8]:
    """A numeric column as float64[n] with 0 where null, and uint8[n] that says where there is a value."""
    column = house[name]
    if not (column.dtype.is_numeric() or column.dtype == pl.Null):
        hint = f"cast it, for example pl.col({name!r}).cast(pl.Float64)."
        raise errors.wrong_dtype(call, role, name, column.dtype, "takes numbers", hint)
    column = column.cast(pl.Float64)
    # What is not finite shows in the sum, which costs less to ask; a sum that overflows is looked into.
    endless = None if math.isfinite(column.sum()) else ~column.is_finite().fill_null(value=True)
    if endless is not None and endless.any():
        row = int(endless.arg_max() or 0)
        raise errors.not_a_number(call, role, name, int(endless.sum()), len(column), column[row], row)
    if not math.isfinite(float(column.abs().sum())):  # sums would be infinite, their differences no number
        problem = f"the {len(column) - column.null_count():,} values add up to more than a float64 can hold."
        raise errors.bad_data(call, role, name, problem, "use a larger unit.")
    return column.fill_null(0.0).to_numpy(), column.is_not_null().cast(pl.UInt8).to_numpy()


# ---------------------------------------------------------------- answers


@dataclass(frozen=True, slots=True)
class ScoreCounts:
    """Answers as counts: all that a score needs (house.md, "Scores are counts").

    ``groups`` has one row a group (the columns of ``by``; one row and no column without), sorted.
    ``counts`` int64[n_groups, n_levels]: answers at each level of the scale, lowest first.
    ``n_null`` int64[n_groups]: rows without an answer.
    """

    groups: pl.DataFrame
    counts: Int64
    n_null: Int64


#: answers that the counting kernel reads as they lie, and the lowest and highest level that each dtype holds
_LIMITS: dict[type[pl.DataType], tuple[float, float]] = {
    **{
        kind: (np.iinfo(kind.__name__.lower()).min, np.iinfo(kind.__name__.lower()).max)
        for kind in (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64)
    },
    pl.Float32: (-(2**24), 2**24),  # whole numbers beyond are not told apart
    pl.Float64: (-(2**53), 2**53),
}


def score_counts(
    call: str,
    house: pl.DataFrame,
    score: str,
    by: Any,
    scale: tuple[int, int],
    missing: Sequence[int] = (),
    n_threads: int = 1,
) -> ScoreCounts:
    """Answers of each group at each level of the scale, in one pass over the column.

    Nulls and the codes of ``missing`` are rows without an answer; any other answer off the scale is refused.
    """
    low, high = scale
    column = _answers(call, house[score], scale)
    code, groups = _groups(call, house, by, n_threads)
    codes = [value for value in missing if _holds(column.dtype, value)]
    single = [value for value in codes if not low <= value <= high]
    answer = column
    n_blank = column.null_count()
    if n_blank:
        blank = _blank(column.dtype, scale, single)
        single.append(blank)
        answer = column.fill_null(blank)
    table = _count(answer, code, len(groups), scale, single)
    n_level = high - low + 1
    if table[:, n_level].any() or (n_blank and table[:, -1].sum() != n_blank):
        raise _bad_answer(call, column, scale, codes)
    counts, n_null = table[:, :n_level].copy(), table[:, n_level + 1 :].sum(axis=1)
    for value in dict.fromkeys(codes):
        if low <= value <= high:
            n_null += counts[:, value - low]
            counts[:, value - low] = 0
    return ScoreCounts(groups, counts, n_null)


def _answers(call: str, column: pl.Series, scale: tuple[int, int]) -> pl.Series:
    """The column in a dtype that the kernel reads and that holds the scale: as it lies, but for odd cases."""
    if column.dtype in (pl.Boolean, pl.Null):
        column = column.cast(pl.UInt8)
    if type(column.dtype) in _LIMITS:
        fits = _holds(column.dtype, scale[0]) and _holds(column.dtype, scale[1])
        return column if fits else column.cast(pl.Float64)
    name = column.name
    hint = (
        f"parse it, such as pl.col({name!r}).cast(pl.Int64, strict=False); what is no number turns null."
        if column.dtype == pl.String
        else f"cast it, for example pl.col({name!r}).cast(pl.Int64)."
    )
    raise errors.wrong_dtype(call, "score", name, column.dtype, "takes whole numbers", hint)


def _holds(dtype: pl.DataType, value: int) -> bool:
    low, high = _LIMITS[type(dtype)]
    return low <= value <= high


def _blank(dtype: pl.DataType, scale: tuple[int, int], single: Sequence[int]) -> int:
    """A value that stands for null in the kernel: of the dtype, off the scale, no code of its own.

    Data may hold it too; then more of it is counted than there are nulls.
    """
    most = next(value for value in (2**15, 255, 127) if _holds(dtype, value))
    return next(
        value for value in range(most, 0, -1) if not (scale[0] <= value <= scale[1] or value in single)
    )


def _count(
    answer: pl.Series, code: Int32, n_groups: int, scale: tuple[int, int], single: Sequence[int]
) -> Int64:
    """int64[n_groups, n_levels + 1 + n_single]; chunks are counted where they lie."""
    low, high = scale
    codes = np.array(single, dtype=np.int64)
    table = np.zeros((n_groups, high - low + 2 + len(codes)), dtype=np.int64)
    at = 0
    for chunk in answer.get_chunks():
        part = code[at : at + len(chunk)]
        at += len(chunk)
        score_kernels.count_levels(chunk.to_numpy(), part, low, high - low + 1, codes, table)
    return table


def _bad_answer(
    call: str, column: pl.Series, scale: tuple[int, int], missing: Sequence[int]
) -> errors.InvalidDataError:
    """Which answers are not on the scale; asked only when the counts say that there are some."""
    low, high = scale
    asked = column.is_not_null() & ~column.is_in(pl.Series(missing, dtype=column.dtype).implode())
    if column.dtype.is_float():
        endless = asked & ~column.is_finite()
        if endless.any():
            row = int(endless.arg_max() or 0)
            return errors.not_a_number(
                call, "score", column.name, int(endless.sum()), len(column), column[row], row
            )
        broken = asked & (column != column.floor())
        if broken.any():
            row = int(broken.arg_max() or 0)
            return errors.not_a_level(call, column.name, int(broken.sum()), len(column), column[row], row)
    off = asked & ~column.is_between(low, high)
    row = int(off.arg_max() or 0)
    value = int(column[row])
    return errors.out_of_scale(call, column.name, int(off.sum()), len(column), scale, value, row)


#: without ``by``: codes of no row, and a frame of one group and no column
_NO_CODES, _ONE_GROUP = np.empty(0, dtype=np.int32), pl.DataFrame(height=1)


def _groups(call: str, house: pl.DataFrame, by: Any, n_threads: int) -> tuple[Int32, pl.DataFrame]:
    """Codes int32[n] (empty without ``by``) into a frame of groups, sorted, nulls last."""
    if not _options.parts(by):
        return _NO_CODES, _ONE_GROUP
    frame = _by_columns(call, house, by)
    names = frame.columns
    physical = frame.with_columns(cs.temporal().to_physical())
    if all(_is_key(dtype) for dtype in physical.dtypes):
        found = keys(call, "by", physical, names, null_is_key=True, n_threads=n_threads)
        code, groups = found.code, frame[found.first]
    else:
        first = frame.with_row_index("\0row").select(pl.col("\0row").first().over(names)).to_series()
        rows = first.unique().sort()
        dense = np.empty(len(frame), dtype=np.int32)
        dense[rows.to_numpy()] = np.arange(len(rows), dtype=np.int32)
        code, groups = dense[first.to_numpy()], frame[rows]
    order = groups.select(pl.arg_sort_by(names, nulls_last=True, maintain_order=True)).to_series()
    place = np.empty(len(groups), dtype=np.int32)
    place[order.to_numpy()] = np.arange(len(groups), dtype=np.int32)
    return place[code], groups[order]


def by_schema(call: str, before: pl.Schema, by: Any) -> pl.Schema:
    """Names and types of the columns that ``by`` makes."""
    with _fits(call, by):
        return pl.LazyFrame(schema=before).select(_options.parts(by)).collect_schema()


@contextmanager
def _fits(call: str, by: Any) -> Iterator[None]:
    """Expressions that do not fit the frame are refused in our words."""
    try:
        yield
    except pl.exceptions.PolarsError as error:
        shown = ", ".join(str(part) for part in _options.parts(by))
        problem = f"the frame cannot answer it: {str(error).splitlines()[0]}"
        raise errors.bad_option(call, "by", shown, problem, "try the expression in select().") from error


def _by_columns(call: str, house: pl.DataFrame, by: Any) -> pl.DataFrame:
    with _fits(call, by):
        frame = house.select(_options.parts(by))
    if len(frame) != len(house):
        problem = f"{len(frame):,} values for {len(house):,} rows."
        hint = "give one value a row; aggregate before or after."
        raise errors.bad_option(call, "by", ", ".join(frame.columns), problem, hint)
    for column in frame:
        if column.dtype == pl.Object:
            raise errors.wrong_dtype(
                call, "by", column.name, column.dtype, "takes what can be sorted", "cast it to text."
            )
    return frame
