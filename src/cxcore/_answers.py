"""Checks of answers, and the counts that are all a score needs. Other checks are in ``_columns.py``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import polars.selectors as cs

from cxcore import _options, errors
from cxcore._columns import Int32, Int64, is_key, keys
from cxcore._ext import scores as score_kernels
from cxcore.engines.base import COUNT, Counted


@dataclass(frozen=True, slots=True)
class ScoreCounts:
    """Answers as counts: every score is a mean of one weight per level, so this is all it needs.

    ``groups`` has one row a group (the columns of ``by``; one row and no column without), sorted.
    ``counts`` int64[n_groups, n_classes]: answers in each class of levels, lowest first.
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
    last: Int64 | None = None,
    many: Int64 | None = None,
) -> ScoreCounts:
    """Answers of each group in each class of levels, in one pass over the column.

    ``last`` int64[n_classes]: the level at which each class ends, the last one at the end of the scale; None
    where each level is a class. ``many`` int64[n]: how many rows each stands for; None: one.

    Nulls and the codes of ``missing`` are rows without an answer; any other answer off the scale is refused.
    """
    if many is not None:
        return _counted_rows(call, house, score, by, scale, missing, n_threads, last, many)
    low, high = scale
    column = _answers(call, house.get_column(score), scale)
    code, groups, order = row_groups(call, house, by, n_threads)
    codes = [value for value in missing if _holds(column.dtype, value)] if missing else []
    single = [value for value in codes if not low <= value <= high] if codes else []
    within = len(single) < len(codes)
    # By class where that saves comparisons; a code on the scale is told from the answers of its class.
    ends = np.arange(low, high + 1) if last is None or within or order is not None else last
    answer = column
    n_blank = column.null_count()
    if n_blank:
        blank = _blank(column.dtype, scale, single)
        single.append(blank)
        answer = column.fill_null(blank)
    table = _count(answer, code, len(groups), low, ends, single)
    if order is not None:
        table, groups = table[order], groups[order]
    n_cells = len(ends)
    if np.count_nonzero(table[:, n_cells]) or (n_blank and table[:, -1].sum() != n_blank):
        raise _bad_answer(call, column, scale, codes)
    counts = np.ascontiguousarray(table[:, :n_cells])
    n_null = table[:, n_cells + 1 :].sum(axis=1) if single else np.zeros(len(table), dtype=np.int64)
    if within:
        on_scale = [value - low for value in codes if low <= value <= high]
        n_null += counts[:, on_scale].sum(axis=1)
        counts[:, on_scale] = 0
    if last is not None and len(last) < n_cells:
        counts = np.add.reduceat(counts, [0, *(last[:-1] + 1 - low)], axis=1)
    return ScoreCounts(groups, counts, n_null)


def _counted_rows(
    call: str,
    house: pl.DataFrame,
    score: str,
    by: Any,
    scale: tuple[int, int],
    missing: Sequence[int],
    n_threads: int,
    last: Int64 | None,
    many: Int64,
) -> ScoreCounts:
    """The same where each row stands for ``many``: each is counted as a group of its own, and they add up."""
    column = _answers(call, house[score], scale)
    code, groups, order = row_groups(call, house, by, n_threads)
    rows = pl.DataFrame({"level": column, "row": np.arange(len(column))})
    try:
        each = score_counts(call, rows, "level", ["row"], scale, missing, n_threads, last)
    except errors.InvalidDataError as error:  # which counts rows that are many
        level = column.cast(pl.Float64)
        good = level.is_between(*scale) & (level == level.floor())
        bad = level.is_not_null() & ~good & ~level.is_in(list(map(float, missing)))
        n, n_bad = int(many[column.is_not_null().to_numpy()].sum()), int(many[bad.to_numpy()].sum())
        raise errors.answers_off_scale(call, n_bad, n, scale) from error
    table = np.zeros((len(groups), each.counts.shape[1] + 1), dtype=np.int64)
    found = np.column_stack([each.counts, each.n_null]) * many[:, None]
    np.add.at(table, code if order is not None else np.zeros(len(many), dtype=np.int32), found)
    if order is not None:
        table, groups = table[order], groups[order]
    return ScoreCounts(groups, np.ascontiguousarray(table[:, :-1]), table[:, -1].copy())


def by_counts(compute: Callable[..., pl.DataFrame], by: Any) -> Counted | None:
    """A verb that takes rows and how many each stands for.

    An expression may look at other rows, which are not there: it wants the whole.
    """
    if any(isinstance(part, pl.Expr) for part in _options.parts(by)):
        return None
    return Counted(lambda house: compute(house.drop(COUNT), house[COUNT].cast(pl.Int64).to_numpy()))


def _answers(call: str, column: pl.Series, scale: tuple[int, int]) -> pl.Series:
    """The column in a dtype that the kernel reads and that holds the scale: as it lies, but for odd cases."""
    dtype = column.dtype
    limits = _LIMITS.get(type(dtype))
    if limits is not None:
        return column if limits[0] <= scale[0] and scale[1] <= limits[1] else column.cast(pl.Float64)
    if dtype in (pl.Boolean, pl.Null):
        return _answers(call, column.cast(pl.UInt8), scale)
    name = column.name
    hint = (
        f"parse it, such as pl.col({name!r}).cast(pl.Int64, strict=False); what is no number turns null."
        if dtype == pl.String
        else f"cast it, for example pl.col({name!r}).cast(pl.Int64)."
    )
    raise errors.wrong_dtype(call, "score", name, dtype, "takes whole numbers", hint)


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
    answer: pl.Series, code: Int32, n_groups: int, first: int, last: Int64, single: Sequence[int]
) -> Int64:
    """int64[n_groups, n_classes + 1 + n_single]; chunks are counted where they lie."""
    codes = np.array(single, dtype=np.int64) if single else _NO_VALUES
    table = np.zeros((n_groups, len(last) + 1 + len(codes)), dtype=np.int64)
    at = 0
    for chunk in (answer,) if answer.n_chunks() == 1 else answer.get_chunks():
        part = code[at : at + len(chunk)]
        at += len(chunk)
        score_kernels.count_levels(chunk.to_numpy(), part, first, last, codes, table)
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
    some = column.filter(off & column.is_between(0, 10))  # levels of a longer scale more likely than codes
    # Polars types min() as any value; of numbers it is one
    ends = None if some.is_empty() else (int(some.min()), int(some.max()))  # type: ignore[arg-type]
    return errors.out_of_scale(
        call, column.name, int(off.sum()), len(column), scale, int(column[row]), row, ends
    )


#: no values counted apart
_NO_VALUES = np.empty(0, dtype=np.int64)
#: without ``by``: codes of no row, and a frame of one group and no column
_NO_CODES, _ONE_GROUP = np.empty(0, dtype=np.int32), pl.DataFrame(height=1)


def row_groups(
    call: str, house: pl.DataFrame, by: Any, n_threads: int
) -> tuple[Int32, pl.DataFrame, Int64 | None]:
    """Codes int32[n] into a frame of groups, and the order that sorts the groups, nulls last.

    Without ``by`` no codes and no order. The groups are sorted after they are counted: a table of counts is
    shorter than the codes of the rows.
    """
    if not _options.parts(by):
        return _NO_CODES, _ONE_GROUP, None
    frame = columns_of(call, house, by, "by")
    names = frame.columns
    physical = frame.with_columns(cs.temporal().to_physical())
    if all(is_key(dtype) for dtype in physical.dtypes):
        found = keys(call, "by", physical, names, null_is_key=True, n_threads=n_threads)
        code, groups = found.code, frame[found.first]
    else:
        first = frame.with_row_index("\0row").select(pl.col("\0row").first().over(names)).to_series()
        rows = first.unique().sort()
        dense = np.empty(len(frame), dtype=np.int32)
        dense[rows.to_numpy()] = np.arange(len(rows), dtype=np.int32)
        code, groups = dense[first.to_numpy()], frame[rows]
    order = groups.select(pl.arg_sort_by(names, nulls_last=True, maintain_order=True)).to_series()
    return code, groups, order.to_numpy()


def by_schema(call: str, before: pl.Schema, by: Any) -> pl.Schema:
    """Names and types of the columns that ``by`` makes."""
    with _fits(call, by, "by"):
        return pl.LazyFrame(schema=before).select(_options.parts(by)).collect_schema()


@contextmanager
def _fits(call: str, value: Any, role: str) -> Iterator[None]:
    """Expressions that do not fit the frame are refused in our words."""
    try:
        yield
    except pl.exceptions.PolarsError as error:
        shown = ", ".join(str(part) for part in _options.parts(value))
        problem = f"the frame cannot answer it: {str(error).splitlines()[0]}"
        raise errors.bad_option(call, role, shown, problem, "try the expression in select().") from error


def columns_of(call: str, house: pl.DataFrame, value: Any, role: str) -> pl.DataFrame:
    """The columns and expressions of a role, a value a row."""
    with _fits(call, value, role):
        frame = house.select(_options.parts(value))
    if len(frame) != len(house):
        problem = f"{len(frame):,} values for {len(house):,} rows."
        hint = "give one value a row; aggregate before or after."
        raise errors.bad_option(call, role, ", ".join(frame.columns), problem, hint)
    for column in frame:
        if column.dtype == pl.Object:
            raise errors.wrong_dtype(
                call, role, column.name, column.dtype, "takes what can be sorted", "cast it to text."
            )
    return frame
