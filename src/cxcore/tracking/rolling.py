"""A score over windows that slide in time: counts by bucket, and sums of them by difference of two sums."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from cxcore import _options, errors
from cxcore._answers import ScoreCounts
from cxcore._columns import what_it_holds
from cxcore._design_columns import design_roles
from cxcore._design_sums import DesignRows
from cxcore._wave_columns import MOST_CELLS, WaveCounts
from cxcore.designs import DesignMethod, design_sample
from cxcore.metrics import Metric, MetricName
from cxcore.scores import AnyMethod, By, Column, Columns, any_method
from cxcore.tracking.asked import answer, asked, score_columns

__all__ = ["rolling"]

_TEXT = re.compile(r"(\d+)(mo|q|y|w|d|h|m|s|ms|us|ns)")
#: units of the calendar, and the fewest days that one of them has
_DAYS = {"d": 1, "w": 7, "mo": 28, "q": 90, "y": 365}
#: answers of windows that are looked at together
_AT_ONCE = 4_000_000
#: the years 1 to 9999, in days since 1970; and the longest step or window, a century, in nanoseconds
_YEARS, _LONGEST = (-719_162, 2_932_896), 36_525 * _options.NANOSECONDS["d"]


def rolling(
    answers: Any,
    *,
    score: str,
    time: str,
    window: str | dt.timedelta = "28d",
    every: str | dt.timedelta = "1d",
    metric: MetricName | Metric = "nps",
    by: By = None,
    scale: tuple[int, int] | None = None,
    missing: Iterable[int] | None = None,
    method: AnyMethod = "bootstrap",
    confidence_level: float = 0.95,
    cluster: Columns = None,
    weight: Column = None,
) -> Any:
    """Score of the last four weeks, for every day: a window that slides in time, with an interval each.

    Parameters
    ----------
    answers : frame
        One row an answer, in any flavor that an engine knows, in any order.
    score : str
        Column of answers, whole numbers on the scale. A null is no answer, and is counted in ``n_null``.
    time : str
        Column of dates or datetimes; never null. Days are those of its time zone.
    window : str or timedelta, default "28d"
        Length of a window: a number and a unit of y, q, mo, w, d, h, m, s, ms, us, ns. It begins where a step
        of ``every`` begins, so it is a whole number of them.
    every : str or timedelta, default "1d"
        Step from one window to the next, and its unit: days and longer are those of the calendar, whatever
        their length, and weeks begin on Monday; hours and shorter are elapsed time, in UTC, and then a day of
        ``window`` is 24 hours.
    metric, by, scale, missing, method, confidence_level
        As in :func:`cxcore.waves`.
    cluster : str, expression, or list of both, default None
        Who answered more than once: the customer, the flight. Each window is a sample of its own, as
        ``cxcore.nps(…, cluster=)`` has it of the window's rows.
    weight : str or expression, default None
        How many customers an answer speaks for, as in :func:`cxcore.nps`. There is no ``stratum``: what was
        drawn of one is a number of each window, so ask ``cxcore.nps`` of the window's rows.

    Returns
    -------
    frame
        One row a segment and window, from the step of the first row of the frame to that of the last: ``by``
        …, ``start`` and ``end`` of the window, **half open**: an answer at ``start`` lies inside, one at
        ``end`` in the next; then the columns of the score as :func:`cxcore.nps` has them. They are dates for
        steps of days and longer, else datetimes as in ``time``. Windows that reach before the first answer
        hold what there is.

    Raises
    ------
    ColumnNotFoundError
        ``score``, ``time`` or ``by`` names no column.
    InvalidOptionError
        An option cannot take its value; the window is no whole number of steps.
    InvalidDataError
        Answers are off the scale, or rows have no time.

    Notes
    -----
    One pass over the rows for the counts of each step; a window is then the difference of two running sums of
    counts, exact as they are whole, so that its row is that of the window's answers alone, to the bit. 15 µs
    a row of the answer, whatever the length of the window. Windows that overlap share answers: their
    differences are no news, and :func:`cxcore.waves` compares such as do not overlap. Under a design an
    answer is looked at in every window that holds it (28 times for four weeks by days), 60 ns each and a few
    million at a time, so that memory does not grow with them.

    Examples
    --------
    >>> import datetime as dt
    >>> import polars as pl
    >>> from cxcore import rolling
    >>> answers = pl.DataFrame({
    ...     "day": [dt.date(2024, 5, 1), dt.date(2024, 5, 1), dt.date(2024, 5, 2), dt.date(2024, 5, 4)],
    ...     "score": [10, 3, 9, 9],
    ... })
    >>> found = rolling(answers, score="score", time="day", window="2d")
    >>> found.select(pl.col("start", "end").dt.day(), "n", "estimate").rows()
    [(30, 2, 2, 0.0), (1, 3, 3, 33.33333333333333), (2, 4, 1, 100.0), (3, 5, 1, 100.0)]
    """
    call = "rolling"
    _options.column_name(call, "score", score)
    _options.column_name(call, "time", time)
    step, length = _span(call, "every", every), _span(call, "window", window)
    if step[1] not in _DAYS and length[1] in ("mo", "q", "y"):
        raise errors.calendar_duration(call, "window", window)
    design = design_roles(call, cluster, weight, None, None)
    chosen = any_method(call, method, design)
    what = asked(
        call,
        metric=metric,
        scale=scale,
        by=by,
        missing=missing,
        confidence_level=confidence_level,
        columns=lambda score: ["start", "end", *score_columns(score, design)],
    )

    def compute(house: pl.DataFrame) -> pl.DataFrame:
        clock = _clock(call, house[time], step, length)
        buckets = clock if step == (1, "d") else clock.dt.truncate(_text(step))
        table = what.counted(house, score, buckets)
        starts = _steps(call, table.waves, step, len(table.segments))
        ends = starts.dt.offset_by(_text(step))
        opened = ends.dt.offset_by("-" + _text(length))
        if (opened.dt.truncate(_text(step)) != opened).any():
            problem = f"is no whole number of steps of {_text(step)!r}."
            raise errors.bad_option(call, "window", window, problem, "such as window='28d', every='1d'.")
        counts, n_null = _windows(table, starts, opened)
        shown = [_shown(each, house.schema[time], step) for each in (opened, ends)]
        counted = ScoreCounts(_groups(table, *shown), counts, n_null)
        if not isinstance(chosen, DesignMethod):
            return what.scores(counted, chosen)
        rows = what.design_rows(house, score, buckets, table, design)
        parts = _drawn(rows, table, starts, opened, counted)
        found = [what.design_scores(design_sample(part, what.what.weights, design), chosen) for part in parts]
        return pl.concat(found)

    def schema(before: pl.Schema) -> dict[str, pl.DataType]:
        kind = pl.Date() if step[1] in _DAYS else before[time]
        return {"start": kind, "end": kind, **score_columns(what.what, design)}

    roles = {"score": score, "time": time, "by": by, **design.roles}
    return answer(call, answers, roles, compute, schema)


# ---------------------------------------------------------------- steps of time

#: how many of a unit
Span = tuple[int, str]


def _span(call: str, option: str, value: Any) -> Span:
    """A length of time in one unit, as Polars takes it."""
    if isinstance(value, dt.timedelta):
        days = value == dt.timedelta(value.days)
        number, unit = (value.days, "d") if days else (value // dt.timedelta(microseconds=1), "us")
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        raise errors.bare_number(call, option, value)
    else:
        found = _TEXT.fullmatch(value) if isinstance(value, str) else None
        if not found or len(found[1]) > 9:
            hint = "a number and one unit of y, q, mo, w, d, h, m, s, ms, us, ns, such as '28d'."
            raise errors.bad_option(call, option, value, "not a length of time.", hint)
        number, unit = int(found[1]), found[2]
    if number <= 0:
        raise errors.not_positive(call, option, value)
    if _nanoseconds((number, unit)) > _LONGEST:
        raise errors.bad_option(call, option, value, "is longer than a century.", "such as '28d'.")
    return number, unit


def _text(span: Span) -> str:
    return f"{span[0]}{span[1]}"


def _nanoseconds(span: Span) -> int:
    """At least."""
    number, unit = span
    return number * (_DAYS[unit] * _options.NANOSECONDS["d"] if unit in _DAYS else _options.NANOSECONDS[unit])


def _clock(call: str, column: pl.Series, step: Span, length: Span) -> pl.Series:
    """Times without a zone in which every step has its length: local dates, or UTC."""
    _check_times(call, column)
    dtype = column.dtype
    if step[1] in _DAYS:
        return column.dt.date() if isinstance(dtype, pl.Datetime) else column
    if not isinstance(dtype, pl.Datetime):
        problem = f"the column {column.name!r} has dates, and no hours."
        raise errors.bad_option(call, "every", _text(step), problem, "take days or longer, such as '1d'.")
    tick = _options.tick_length(dtype, None)
    for option, span in (("every", step), ("window", length)):
        if _nanoseconds(span) % tick:
            problem = f"the times of {column.name!r} have no finer unit than {dtype.time_unit}."
            raise errors.bad_option(call, option, _text(span), problem, "take a whole number of it.")
    if dtype.time_zone is not None:
        column = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return column


def _check_times(call: str, column: pl.Series) -> None:
    dtype = column.dtype
    if dtype != pl.Date and not isinstance(dtype, pl.Datetime):
        hint = errors.to_times(column.name, what_it_holds(dtype))
        raise errors.wrong_dtype(call, "time", column.name, dtype, "takes dates or datetimes", hint)
    if n_bad := column.null_count():
        row = int(column.is_null().arg_max() or 0)
        raise errors.nulls(
            call, "time", column.name, n_bad, len(column), row, "drop them: no window has them."
        )
    tick = _options.tick_length(dtype, None)
    ticks = column.to_physical().to_numpy()
    least, most, years = *(days * _options.NANOSECONDS["d"] // tick for days in _YEARS), "1 to 9999"
    if tick == 1:  # nanoseconds end before the years do, and windows reach over the times
        least, most, years = -(2**62), 2**62, "1824 to 2115, for nanoseconds"
    if not len(ticks) or (least <= ticks.min() and ticks.max() <= most):
        return
    outside = (ticks < least) | (ticks > most)
    n_bad, row = int(outside.sum()), int(outside.argmax())
    problem = f"{n_bad:,} of {len(column):,} times lie outside the years {years}; the first is row {row:,}."
    raise errors.bad_data(call, "time", column.name, problem, "drop them: such dates stand for 'never'.")


def _steps(call: str, buckets: pl.Series, step: Span, n_segments: int) -> pl.Series:
    """Every step from the first that has a row to the last."""
    if not len(buckets):
        return buckets
    ticks = buckets.to_physical()
    span = (int(ticks[-1]) - int(ticks[0])) * _options.tick_length(buckets.dtype, None)
    n_most = span // _nanoseconds(step) + 1
    if n_most * n_segments > MOST_CELLS:
        problem = f"{n_segments:,} segments and {n_most:,} steps are more than {MOST_CELLS:,} rows."
        raise errors.bad_option(call, "every", _text(step), problem, "take longer steps.")
    made = pl.date_range if buckets.dtype == pl.Date else pl.datetime_range
    ends = pl.col("wave").first(), pl.col("wave").last()
    return buckets.to_frame("wave").select(made(*ends, _text(step))).to_series()


def _windows(table: WaveCounts, starts: pl.Series, opened: pl.Series) -> tuple[np.ndarray, np.ndarray]:
    """Counts of each window: all up to its last step, less all up to where it opens."""
    place = starts.to_physical().to_numpy()
    at = np.searchsorted(place, table.waves.to_physical().to_numpy())
    from_step = np.searchsorted(place, opened.to_physical().to_numpy())
    n_segments, _, n_classes = table.counts.shape
    sums = np.zeros((n_segments, len(starts) + 1, n_classes + 1), dtype=np.int64)
    sums[:, at + 1, :-1], sums[:, at + 1, -1] = table.counts, table.n_null
    np.cumsum(sums, axis=1, out=sums)
    windows = (sums[:, 1:] - sums[:, from_step]).reshape(-1, n_classes + 1)
    return np.ascontiguousarray(windows[:, :-1]), windows[:, -1].copy()


def _groups(table: WaveCounts, start: pl.Series, end: pl.Series) -> pl.DataFrame:
    """Every window of every segment."""
    segment, at = np.divmod(np.arange(len(table.segments) * len(start)), max(len(start), 1))
    return pl.DataFrame(
        [*table.segments[segment], start.gather(at).alias("start"), end.gather(at).alias("end")]
    )


def _drawn(
    rows: DesignRows, table: WaveCounts, starts: pl.Series, opened: pl.Series, windows: ScoreCounts
) -> Iterator[DesignRows]:
    """The rows of each window, some windows at a time: a window has all answers of its steps."""
    table = replace(table, n_null=rows.n_null.reshape(table.n_null.shape))  # without those of weight 0
    windows = replace(windows, n_null=_windows(table, starts, opened)[1])
    place, n_steps = starts.to_physical().to_numpy(), len(starts)
    at = np.searchsorted(place, table.waves.to_physical().to_numpy())
    last = np.searchsorted(opened.to_physical().to_numpy(), place[at], side="right") - 1
    segment, bucket = np.divmod(rows.group.astype(np.int64), max(len(table.waves), 1))
    first, last = segment * n_steps + at[bucket], segment * n_steps + last[bucket]
    ends = np.cumsum(windows.counts.sum(axis=1))
    n_windows, begin = len(windows.groups), 0
    while begin < n_windows or begin == 0:
        before = ends[begin - 1] if begin else 0
        end = max(int(np.searchsorted(ends, before + _AT_ONCE, side="right")), begin + 1)
        here = np.flatnonzero((first < end) & (last >= begin))
        opens = np.maximum(first[here], begin)
        times = np.minimum(last[here], end - 1) - opens + 1
        row = np.repeat(here, times)
        ramp = np.arange(len(row)) - np.repeat(np.cumsum(times) - times, times)
        yield replace(
            rows,
            groups=windows.groups[begin:end],
            n_null=windows.n_null[begin:end],
            group=(np.repeat(opens, times) + ramp - begin).astype(np.int32),
            cluster=rows.cluster[row],
            level=rows.level[row],
            weight=rows.weight[row] if len(rows.weight) else rows.weight,
            stratum=rows.stratum[row],
        )
        begin = end


def _shown(clock: pl.Series, dtype: pl.DataType, step: Span) -> pl.Series:
    """Back from the clock to what the column of times is."""
    if step[1] not in _DAYS and isinstance(dtype, pl.Datetime) and dtype.time_zone is not None:
        return clock.dt.replace_time_zone("UTC").dt.convert_time_zone(dtype.time_zone)
    return clock
