"""What ``sessions()`` says of a session beside its times: first and last values, sums, was anything true."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from cxcore import _options, errors
from cxcore._columns import Int64, int64_of, marks
from cxcore._ext import rules as kernels
from cxcore._index import EventIndex
from cxcore.sessions.found import Sessions


@dataclass(frozen=True, slots=True)
class Measures:
    """Columns to look at, by how."""

    first: tuple[str, ...]
    last: tuple[str, ...]
    sum: tuple[str, ...]
    any: tuple[str, ...]

    @property
    def roles(self) -> dict[str, Any]:
        return {how: list(names) for how in ("first", "last", "sum", "any") if (names := getattr(self, how))}

    @property
    def names(self) -> list[str]:
        """Of the columns of the answer."""
        return [f"{how}_{name}" for how, names in self.roles.items() for name in names]

    def schema(self, before: pl.Schema) -> dict[str, pl.DataType]:
        types = {f"{how}_{name}": before[name] for how in ("first", "last") for name in getattr(self, how)}
        types |= {f"sum_{name}": _sum_type(before[name]) for name in self.sum}
        return types | {f"any_{name}": pl.Boolean() for name in self.any}


def measures_of(call: str, **columns: Any) -> Measures:
    """Each a column, a list of columns, or None."""
    named = {}
    for how, value in columns.items():
        names = [] if value is None else _options.column_names(value)
        named[how] = tuple(dict.fromkeys(_options.column_name(call, how, name) for name in names))
    return Measures(**named)


def measure(
    call: str,
    found: Sessions,
    index: EventIndex,
    measures: Measures,
    n_threads: int,
    shown: Mapping[str, str] | None = None,
) -> pl.DataFrame:
    """One column for each measure, one row for each session; the sessions lie on the index.

    ``shown``: names of columns as users know them, where ours are others.
    """
    if not measures.names:
        return pl.DataFrame()
    house, at = index.house, (found.begin, index.row, found.copy)
    columns: dict[str, pl.Series] = {}
    for name in dict.fromkeys((*measures.first, *measures.last)):
        valid = np.empty(0, np.uint8)
        if house[name].null_count():
            valid = house[name].is_not_null().cast(pl.UInt8).to_numpy()
        edges = np.empty(len(found.start), np.int64), np.empty(len(found.start), np.int64)
        kernels.edge_rows(*at, valid, n_threads, *edges)
        for how, row in zip(("first", "last"), edges, strict=True):
            if name in getattr(measures, how):
                columns[f"{how}_{name}"] = _gather(house[name], row)
    for name in measures.sum:
        called = (shown or {}).get(name, name)
        columns[f"sum_{name}"] = _sum(call, house[name].alias(called), at, len(found.start), n_threads)
    for name in measures.any:
        mark = marks(call, "any", house, name).cast(pl.UInt8).rechunk().to_numpy()
        was = np.empty(len(found.start), np.uint8)
        kernels.any_true(*at, mark, n_threads, was)
        columns[f"any_{name}"] = pl.Series(was.view(np.bool_))
    return pl.DataFrame({name: columns[name] for name in measures.names})


def _gather(column: pl.Series, row: Int64) -> pl.Series:
    """Values of the rows; null where the row is -1."""
    if not len(column):
        return column
    rows = pl.Series(row).to_frame("row").select(pl.when(pl.col("row") >= 0).then("row")).to_series()
    return column.gather(rows)


def _sum_type(dtype: pl.DataType) -> pl.DataType:
    if isinstance(dtype, pl.Duration):
        return dtype
    return pl.Float64() if dtype.is_float() or dtype == pl.Null else pl.Int64()


def _sum(
    call: str, column: pl.Series, at: tuple[Int64, Int64, Int64], n_sessions: int, n_threads: int
) -> pl.Series:
    column = summands(call, column)
    if column.dtype.is_float():
        real = np.empty(n_sessions, np.float64)
        kernels.sum_real(*at, column.fill_null(0.0).rechunk().to_numpy(), n_threads, real)
        return pl.Series(real)
    whole = np.empty(n_sessions, np.int64)
    if kernels.sum_whole(*at, int64_of(column.to_physical(), null=0), n_threads, whole):
        problem = "the values of a session add up to more than an int64 can hold."
        raise errors.bad_data(call, "sum", column.name, problem, "cast the column to Float64.")
    return pl.Series(whole).cast(column.dtype)


def summands(call: str, column: pl.Series) -> pl.Series:
    """What is added up, in the type of the sum."""
    dtype, wide = column.dtype, (pl.UInt64, pl.Int128, pl.UInt128)
    whole = dtype == pl.Boolean or (dtype.is_integer() and dtype not in wide)
    if not (whole or _sum_type(dtype) == pl.Float64 or isinstance(dtype, pl.Duration)):
        hint = f"cast it, for example pl.col({column.name!r}).cast(pl.Float64)."
        raise errors.wrong_dtype(call, "sum", column.name, dtype, "adds up numbers and durations", hint)
    return column.cast(_sum_type(dtype))
