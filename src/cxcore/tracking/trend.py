"""The trend of a score over its waves: how many points a wave, and whether that is more than noise."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import polars as pl

from cxcore import _options, errors
from cxcore._columns import Float64
from cxcore._wave_columns import WaveCounts
from cxcore.differences import Adjustment, adjusted
from cxcore.differences.contrast import Contrast
from cxcore.intervals import Sample, flag_texts
from cxcore.metrics import Metric, MetricName
from cxcore.scores import By
from cxcore.tracking.asked import Asked, answer, asked, check_adjust

__all__ = ["trend"]


def trend(
    answers: Any,
    *,
    score: str,
    wave: str,
    per: str | None = None,
    metric: MetricName | Metric = "nps",
    by: By = None,
    scale: tuple[int, int] | None = None,
    missing: Iterable[int] | None = None,
    confidence_level: float = 0.95,
    adjust: Adjustment | None = None,
) -> Any:
    """Slope of a score over its waves, with an interval and a p-value: the line nearest to all answers.

    Parameters
    ----------
    answers : frame
        One row an answer, in any flavor that an engine knows.
    score : str
        Column of answers, whole numbers on the scale. A null is no answer.
    wave : str
        Column that says in which wave an answer came, as in :func:`cxcore.waves`. Dates and datetimes are
        places in time; all else is counted, one step from each wave of the frame to the next.
    per : str or timedelta, default "1d"
        Length of time that the slope is about, such as "365d"; only where the waves are dates or datetimes.
    metric, by, scale, missing, confidence_level
        As in :func:`cxcore.waves`.
    adjust : {"holm", "bh"}, default None
        Add ``p_adjusted``, over all rows of the answer, as :func:`cxcore.compare`.

    Returns
    -------
    frame
        One row a segment: ``by`` …, ``n_waves`` (waves with answers), ``n`` (Int64), ``slope``, ``low``,
        ``high``, ``standard_error`` (units of the score per wave, or per ``per``), ``p_value`` (Float64;
        ``p_adjusted`` where asked for), ``flags``. With answers in fewer than two waves the numbers are null.

    Raises
    ------
    ColumnNotFoundError
        ``score``, ``wave`` or ``by`` names no column.
    InvalidOptionError
        An option cannot take its value; ``per`` without dates.
    InvalidDataError
        Answers are off the scale, or rows have no wave.

    Notes
    -----
    One pass over the rows, then 2 ms, and 40 µs a segment and wave. The slope is that of least squares of the
    wave scores on x, each weighted by its answers: b = sum c_i e_i, c_i = n_i (x_i - x) / sum n_j (x_j - x)²,
    x the mean place of an answer. Its standard error takes the spread inside the waves alone, whatever the
    waves do round the line; the interval is MOVER's for that sum (Zou, Huang and Zhang 2009), and the p-value
    is the interval read backwards. For two waves they are those of :func:`cxcore.compare`.

    Examples
    --------
    >>> import polars as pl
    >>> from cxcore import trend
    >>> answers = pl.DataFrame({
    ...     "year": [2022] * 200 + [2023] * 200 + [2024] * 200,
    ...     "score": [3] * 60 + [8] * 60 + [10] * 80 + [3] * 50 + [8] * 60 + [10] * 90
    ...     + [3] * 40 + [8] * 60 + [10] * 100,
    ... })
    >>> found = trend(answers, score="score", wave="year")
    >>> found.select("n_waves", pl.col("slope", "low", "high").round(1), pl.col("p_value").round(3)).row(0)
    (3, 10.0, 2.0, 17.8, 0.014)
    """
    call = "trend"
    _options.column_name(call, "score", score)
    _options.column_name(call, "wave", wave)
    check_adjust(call, adjust)
    if per is not None:
        _options.duration(call, "per", per)
    what = asked(
        call,
        metric=metric,
        scale=scale,
        by=by,
        missing=missing,
        confidence_level=confidence_level,
        columns=lambda _: _columns(adjust),
    )

    def compute(house: pl.DataFrame) -> pl.DataFrame:
        table = what.counted(house, score, wave)
        return table.segments.hstack(_slopes(what, table, _places(call, table.waves, per), adjust))

    roles = {"score": score, "wave": wave, "by": by}
    return answer(call, answers, roles, compute, lambda _: _columns(adjust))


def _columns(adjust: str | None) -> dict[str, pl.DataType]:
    numbers = ["slope", "low", "high", "standard_error", "p_value", *(["p_adjusted"] if adjust else [])]
    return {
        **dict.fromkeys(("n_waves", "n"), pl.Int64()),
        **dict.fromkeys(numbers, pl.Float64()),
        "flags": pl.String(),
    }


def _places(call: str, waves: pl.Series, per: Any) -> Float64:
    """Where each wave lies: in time from the first one, or by its number."""
    dtype = waves.dtype
    if not (isinstance(dtype, pl.Datetime) or dtype == pl.Date):
        if per is not None:
            problem = f"the waves are {dtype}, and have no places in time."
            raise errors.bad_option(call, "per", per, problem, "leave it out: the slope is per wave.")
        return np.arange(len(waves), dtype=np.float64)
    tick = _options.tick_length(dtype, None)
    ticks = waves.to_physical().cast(pl.Int64).to_numpy()
    length = _options.duration(call, "per", "1d" if per is None else per)
    place: Float64 = (ticks - ticks[:1]) * (tick / length)
    return place


def _slopes(what: Asked, table: WaveCounts, place: Float64, adjust: str | None) -> pl.DataFrame:
    sample = what.sample(table.rows())
    n = sample.n.reshape(table.n_null.shape)
    n_waves, total = (n > 0).sum(axis=1), n.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):  # NaN where fewer than two waves have answers
        away = place - (n @ place / total)[:, None]
        coefficients = n * away / (n * away**2).sum(axis=1)[:, None]
    coefficients[n_waves < 2] = np.nan
    line = Contrast(sample, coefficients)
    low, high = line.limits(1 - what.level)
    factor = what.what.factor
    p = line.p_values()
    numbers = [each * factor for each in (line.estimate, low, high, line.standard_error)] + [p]
    if adjust:
        numbers.append(adjusted(p, adjust))
    pooled = Sample(table.counts.sum(axis=1), sample.weights)
    columns: list[Any] = [n_waves, total, *numbers, flag_texts(pooled.words)]
    return pl.DataFrame(
        [
            pl.Series(name, column, dtype=dtype, nan_to_null=dtype == pl.Float64)
            for (name, dtype), column in zip(_columns(adjust).items(), columns, strict=True)
        ]
    )
