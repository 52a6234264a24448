"""All checks of data, once, against the house frame: columns in, typed arrays out.

An engine never judges data and a kernel never checks; what stands between them is here. Checks run in the
order of a verb's signature; every text is in ``errors.py``.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cxcore import _options, errors
from cxcore._ext import journeys as kernel
from cxcore._ext import native

Int32 = NDArray[np.int32]
Int64 = NDArray[np.int64]
UInt8 = NDArray[np.uint8]
Float64 = NDArray[np.float64]

#: what the key encoder reads as it is
_KEY_TYPES = (pl.String, pl.Binary, pl.Categorical, pl.Enum, pl.Boolean, pl.Date)
_INT64_MIN = -(2**63)
#: rows and codes are int32 inside the kernels
MOST_ROWS = 2**31 - 1


# ---------------------------------------------------------------- roles


def check_roles(call: str, columns: Sequence[str], roles: Mapping[str, Any]) -> list[str]:
    """Every role names a column that is there, and no column is there twice; the names, each once.

    A role takes a name, a list of names, Polars expressions, or None.
    """
    if len(set(columns)) < len(columns):
        twice = [name for name, times in Counter(columns).items() if times > 1]
        raise errors.duplicate_columns(call, twice)
    names: list[str] = []
    missing = {}
    for role, value in roles.items():
        for name in (value,) if isinstance(value, str) else root_names(value):
            if name is None or name in columns:
                names.append(name)
            else:
                missing[role] = name
    if missing:
        raise errors.columns_not_found(call, missing, columns)
    return list(dict.fromkeys(names))


def root_names(value: Any) -> list[str]:
    """Columns that a role reads: itself, its members, or the roots of an expression."""
    if value is None:
        return []
    if isinstance(value, str):
        return [value]
    if isinstance(value, pl.Expr):
        return list(dict.fromkeys(value.meta.root_names()))
    if isinstance(value, (list, tuple, Iterable)):  # the short way for most
        return [name for part in value for name in root_names(part)]
    return [value]  # no name at all, so no column has it


def needed(*roles: Any) -> list[str]:
    """The columns that some roles read, each once."""
    return list(dict.fromkeys([name for role in roles for name in root_names(role)]))


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
    parts = [key_column(call, role, house[name]) for name in columns]
    if len(parts) > 1 or not isinstance(parts[0].dtype, (pl.Categorical, pl.Enum)):
        return Keys(*native.encode_keys(parts, null_is_key, n_threads))
    # Categories have codes already; only the text of those that occur is looked at.
    code, count, first, _, _ = native.encode_keys([parts[0].to_physical()], null_is_key, n_threads)
    text = parts[0].gather(first).cast(pl.String)
    return Keys(code, count, first, *native.encode_keys([text], null_is_key, 1)[3:])


def key_alone(
    call: str, role: str, house: pl.DataFrame, columns: Sequence[str], *, n_threads: int
) -> pl.Series:
    """One column, in one chunk, whose values tell apart what these columns do; null where one of them is."""
    column = key_column(call, role, house[columns[0]])
    if len(columns) > 1:
        column = pl.Series(keys(call, role, house, columns, n_threads=n_threads).code)
        return column.set(column < 0, None)
    return numbered(column).rechunk()


def numbered(column: pl.Series) -> pl.Series:
    """Categories by their numbers, no two of which are alike; other columns as they are."""
    return column.to_physical() if isinstance(column.dtype, (pl.Categorical, pl.Enum)) else column


def codes(call: str, role: str, house: pl.DataFrame, name: str, *, n_threads: int) -> tuple[Int32, Int64]:
    """Where no bytes are asked for: code of each row, -1 where null, and the first row of each code."""
    column = key_column(call, role, house[name])
    if not isinstance(column.dtype, (pl.Categorical, pl.Enum)):
        code, _, first, _, _ = native.encode_keys([column], False, n_threads)
        return code, first
    physical = column.to_physical().cast(pl.UInt32)
    highest = physical.max()
    if physical.null_count():
        physical = physical.fill_null(2**32 - 1)
    category = physical.rechunk().to_numpy().view(np.int32)
    n_categories = highest + 1 if isinstance(highest, int) else 0
    known = np.full(1 + n_categories, -1, np.int32)
    code, first = np.empty_like(category), np.empty(n_categories, np.int64)
    n_codes = kernel.dense_codes(category, known, code, first)
    return code, first[:n_codes]


def tell_apart(call: str, role: str, column: pl.Series, code: Int32, *, n_threads: int) -> None:
    """Writes codes that are equal where values are, -1 where null: for what looks for changes."""
    native.tell_apart(numbered(key_column(call, role, column)), n_threads, code)


def is_key(dtype: pl.DataType) -> bool:
    return isinstance(dtype, _KEY_TYPES) or (dtype.is_integer() and dtype not in (pl.Int128, pl.UInt128))


def key_column(call: str, role: str, column: pl.Series) -> pl.Series:
    """A column of names, of a type that can be told apart."""
    if is_key(column.dtype):
        return column.alias("")  # a name with a NUL inside cannot go through Arrow's C interface: it aborts
    if column.dtype == pl.Null:
        return column.cast(pl.Int64)
    hint = f"cast it to text, for example pl.col({column.name!r}).cast(pl.String)."
    if column.dtype.is_integer():
        hint = f"cast it, for example pl.col({column.name!r}).cast(pl.Int64)."
    elif column.dtype.is_numeric():  # Int64 would make one user of 1.2 and 1.7
        hint = f"{hint[:-1]}, or to pl.Int64 if all are whole numbers."
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
    elif dtype.is_integer() and dtype not in (pl.Int128, pl.UInt128) and _fits_int64(column):
        if time_unit is None:
            hint = "say time_unit='s', 'ms', 'us' or 'ns'."
            raise errors.wrong_dtype(call, "time", time, dtype, "takes dates or datetimes", hint)
        _options.word(call, "time_unit", time_unit, ("s", "ms", "us", "ns"))
    else:
        hint = errors.to_times(time, what_it_holds(dtype))
        raise errors.wrong_dtype(call, "time", time, dtype, "takes dates or datetimes", hint)
    absent = column.is_null().to_numpy() if column.null_count() else None
    ticks = int64_of(column, null=0)
    return ticks, _options.tick_length(dtype, time_unit), absent


def what_it_holds(dtype: pl.DataType) -> str:
    """Of a column that holds no times, in words for its error."""
    if dtype == pl.String:
        return "text"
    is_number = dtype.is_float() or (dtype.is_integer() and dtype not in (pl.Int128, pl.UInt128))
    return "numbers" if is_number else "no such thing"


def _fits_int64(column: pl.Series) -> bool:
    most = column.max() if column.dtype == pl.UInt64 else None
    return not isinstance(most, int) or most < 2**63


def int64_of(column: pl.Series, null: int) -> Int64:
    """A column of integers or times as contiguous int64, zero-copy where it can be.

    The cast shows times as they are kept. `to_physical` would plan a query, which costs more than the copy.
    """
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


def event_columns(call: str, house: pl.DataFrame, roles: EventRoles, *, n_threads: int) -> EventColumns:
    """Check the user, time and order columns once, by the policies for nulls."""
    if len(house) > MOST_ROWS:
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
        hint = "drop them, or say null_time='null'; verbs without it take an index that has it."
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


def marks(call: str, role: str, house: pl.DataFrame, name: str, *, null_means: bool = False) -> pl.Series:
    """A boolean column without nulls, which say what is told; so do those of a flag that no row has."""
    column = house[name]
    no_text = column.dtype == pl.String and column.null_count() == len(column)  # as pandas gives no flag
    if column.dtype == pl.Null or no_text:
        column = column.cast(pl.Boolean)
    if column.dtype != pl.Boolean:
        compared = "== 'yes'" if column.dtype == pl.String else "> 0"
        hint = f"compare it, for example pl.col({name!r}) {compared}."
        if role == "conversion" and column.dtype != pl.String:
            hint = f"pass numbers as value=, or compare: pl.col({name!r}) > 0."
        raise errors.wrong_dtype(call, role, name, column.dtype, "takes true and false", hint)
    return column.fill_null(value=null_means) if column.null_count() else column


def amounts(call: str, role: str, house: pl.DataFrame, name: str) -> pl.Series:
    """A numeric column as Float64, all finite; nulls stay."""
    column = house[name]
    if not (column.dtype.is_numeric() or column.dtype == pl.Null):
        hint = f"cast it, for example pl.col({name!r}).cast(pl.Float64)."
        raise errors.wrong_dtype(call, role, name, column.dtype, "takes numbers", hint)
    column = column.cast(pl.Float64)
    if not _has_room(column) and not math.isfinite(float(column.abs().sum())):
        endless = ~column.is_finite().fill_null(value=True)
        if endless.any():
            row = int(endless.arg_max() or 0)
            raise errors.not_a_number(call, role, name, int(endless.sum()), len(column), column[row], row)
        # sums would be infinite, their differences no number
        problem = f"the {len(column) - column.null_count():,} values add up to more than a float64 can hold."
        raise errors.bad_data(call, role, name, problem, "use a larger unit.")
    return column


def _has_room(column: pl.Series) -> bool:
    """All are finite, and so is any sum of them. Most columns pass here, read once."""
    return math.isfinite(native.largest(column.alias("")) * len(column))
