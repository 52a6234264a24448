"""Checks of tables of paths: one row a path, with how many journeys took it; else see ``_columns.py``."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cxcore import _columns, errors
from cxcore._columns import Float64, Int32, Int64
from cxcore._ext import native
from cxcore._ext import paths as kernel
from cxcore._ext.arrays import empty

#: half a character, which no column of text can hold
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Paths:
    """Paths as offsets and flat codes: path ``p`` has the channels ``channel[offset[p]:offset[p + 1]]``.

    ``names``: the channels by code. ``place``: where each touch was before some were left out; no item where
    none were.
    """

    names: pl.Series
    offset: Int64
    channel: Int32
    place: Int64 = field(default_factory=lambda: np.empty(0, np.int64))

    def __len__(self) -> int:
        return len(self.offset) - 1

    @property
    def size(self) -> Int64:
        """Touches of each path."""
        return np.diff(self.offset)

    @property
    def places(self) -> Int64:
        return self.place if len(self.place) else np.arange(len(self.channel))

    def only(self, kept: NDArray[np.bool_]) -> Paths:
        """The same paths with some of their touches."""
        offset = np.concatenate(([0], np.cumsum(kept)))[self.offset]
        return Paths(self.names, offset, self.channel[kept], self.places[kept])

    def some(self, path: Int64) -> Paths:
        """Some of the paths, in any order."""
        size = self.size[path]
        offset = np.concatenate(([0], np.cumsum(size)))
        touch = np.arange(offset[-1]) - np.repeat(offset[:-1] - self.offset[path], size)
        return Paths(self.names, offset, self.channel[touch], self.place[touch] if len(self.place) else touch)

    def and_again(self, path: Int64) -> Paths:
        """All of them, and some once more behind them."""
        if not len(path):
            return self
        more = self.some(path)
        offset = np.concatenate((self.offset, more.offset[1:] + self.offset[-1]))
        channel = empty(len(self.channel) + len(more.channel), np.int32)
        np.concatenate((self.channel, more.channel), out=channel)
        return Paths(self.names, offset, channel)

    def order(self) -> Int64:
        """Paths by the names of their channels; equal ones as they come."""
        names = self.names
        if isinstance(names.dtype, (pl.Categorical, pl.Enum)):
            names = names.cast(pl.String)
        rank = np.empty(len(names), np.int32)
        rank[names.arg_sort().to_numpy()] = np.arange(len(names), dtype=np.int32)
        order = np.empty(len(self), np.int64)
        kernel.path_order(self.offset, self.channel, rank, order)
        return order


@dataclass(frozen=True, slots=True)
class PathColumns:
    """Paths, and what became of the journeys that took them; float64 by row.

    ``conversions`` and ``value`` in all; ``nulls`` did not convert. ``value``, ``nulls``: None where there is
    no such role.
    """

    paths: Paths
    conversions: Float64
    value: Float64 | None
    nulls: Float64 | None

    def with_paths(self, paths: Paths) -> PathColumns:
        return replace(self, paths=paths)

    def some(self, row: Int64) -> PathColumns:
        """Some of the rows, in any order."""
        value, nulls = (None if x is None else x[row] for x in (self.value, self.nulls))
        return PathColumns(self.paths.some(row), self.conversions[row], value, nulls)


def channel_type(call: str, path: str, dtype: pl.DataType, separator: str | None) -> pl.DataType:
    """Type of the channels in a column of paths of this type."""
    if dtype == pl.Null:
        return pl.String()
    if isinstance(dtype, (pl.List, pl.Array)):
        if separator is not None:
            problem = f"the column {path!r} is {dtype}: it is split already."
            raise errors.bad_option(call, "separator", separator, problem, "leave it out.")
        inner = dtype.inner
        assert isinstance(inner, pl.DataType)
        return pl.String() if inner == pl.Null else inner
    if dtype == pl.String or isinstance(dtype, (pl.Categorical, pl.Enum)):
        if separator is None:
            problem = f"the column is {dtype}, and nothing says where a channel ends."
            raise errors.bad_data(call, "path", path, problem, "say separator=' > ', or pass a list column.")
        return pl.String()
    hint = "group the touches of a journey: agg(pl.col('channel')); or pass text and separator=."
    raise errors.wrong_dtype(call, "path", path, dtype, "takes lists of channels, or text", hint)


def path_columns(
    call: str,
    house: pl.DataFrame,
    *,
    path: str,
    conversions: str,
    value: str | None,
    nulls: str | None,
    separator: str | None,
    n_threads: int,
) -> PathColumns:
    """Read and check the columns of a table of paths."""
    paths = _paths(call, house[path], separator, n_threads)
    count = _counts(call, "conversions", house, conversions)
    worth = None
    if value is not None:
        worth = _or_0(_columns.amounts(call, "value", house, value))
        _check_value(call, value, worth, count)
    others = None if nulls is None else _counts(call, "nulls", house, nulls)
    return PathColumns(paths, count, worth, others)


# ---------------------------------------------------------------- paths


def _paths(call: str, column: pl.Series, separator: str | None, n_threads: int) -> Paths:
    dtype = channel_type(call, column.name, column.dtype, separator)
    if not isinstance(column.dtype, (pl.List, pl.Array)) or column.dtype.inner == pl.Null:
        if separator is None:  # every path is null, or a list of nothing
            column = column.cast(pl.List(dtype))
        else:
            return _split(column, separator, n_threads)
    elif isinstance(column.dtype, pl.Array):
        column = column.arr.to_list()
    offset = np.zeros(len(column) + 1, np.int64)
    size = column.list.len()
    np.cumsum((size.fill_null(0) if size.null_count() else size).rechunk().to_numpy(), out=offset[1:])
    items = column.explode(empty_as_null=False, keep_nulls=False)
    if items.null_count():
        bad = items.is_null().to_numpy()
        rows = np.searchsorted(offset, np.flatnonzero(bad), side="right") - 1
        problem = f"{len(np.unique(rows)):,} of {len(column):,} paths hold a null; first is row {rows[0]:,}."
        raise errors.bad_data(call, "path", column.name, problem, "name it, or leave it out of the list.")
    code, first = _columns.codes(call, "path", items.to_frame(), column.name, n_threads=n_threads)
    return Paths(items[first], offset, code)


def _split(column: pl.Series, separator: str, n_threads: int) -> Paths:
    offset, code, at, data = native.split_paths(column.cast(pl.String), separator, n_threads)
    text = data.tobytes()
    names = [text[at[k] : at[k + 1]].decode() for k in range(len(at) - 1)]
    return Paths(pl.Series(column.name, names, dtype=pl.String), offset, code)


# ---------------------------------------------------------------- amounts


def _counts(call: str, role: str, house: pl.DataFrame, name: str) -> Float64:
    """How many journeys, 0 or more, not always whole; a null is 0."""
    column = _columns.amounts(call, role, house, name)
    least = column.min()
    if isinstance(least, float) and least < 0:
        below = (column < 0).fill_null(value=False)
        row = int(below.arg_max() or 0)
        told = (
            f"{int(below.sum()):,} of {len(column):,} rows are below 0; first is {column[row]}, row {row:,}."
        )
        raise errors.bad_data(call, role, name, told, "a count is 0 or more.")
    return _or_0(column)


def _or_0(column: pl.Series) -> Float64:
    """A null is 0; asked only where there is one, since the question costs more than the copy."""
    filled: Float64 = (column.fill_null(0.0) if column.null_count() else column).rechunk().to_numpy()
    return filled


def _check_value(call: str, name: str, value: Float64, conversions: Float64) -> None:
    """Where nobody converted nothing was earned, and what a conversion is worth is a number."""
    orphan = (value != 0) & (conversions == 0)
    if orphan.any():
        row = int(orphan.argmax())
        told = f"{int(orphan.sum()):,} of {len(value):,} rows have a value and no conversion; "
        hint = "a value is that of the conversions of its row."
        raise errors.bad_data(call, "value", name, f"{told}first is {value[row]}, row {row:,}.", hint)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        endless = np.isinf(value / conversions)
    if endless.any():
        row = int(endless.argmax())
        problem = f"the value per conversion is more than a float64 can hold; first in row {row:,}."
        raise errors.bad_data(call, "value", name, problem, "check the conversions of that row.")


def check_separator(call: str, separator: Any) -> str | None:
    """Exact text between two channels, or None."""
    if separator is None or (isinstance(separator, str) and separator and not _SURROGATE.search(separator)):
        return separator
    hint = "such as ' > ', with its spaces."
    raise errors.bad_option(call, "separator", separator, "takes the exact text between channels.", hint)
