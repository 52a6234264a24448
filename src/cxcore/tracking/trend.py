"""The trend of a score over its waves: how many points a wave, and whether that is more than noise."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cxcore import _options, errors
from cxcore._columns import Float64, Int64
from cxcore._design_columns import design_roles
from cxcore._design_sums import DesignRows, cells_of, summed
from cxcore.designs import DesignSample
from cxcore.designs.base import ENOUGH_CLUSTERS
from cxcore.designs.linearized import t_quantiles
from cxcore.designs.moves import variance_of
from cxcore.differences import Adjustment, adjusted
from cxcore.differences.contrast import Contrast
from cxcore.intervals import Sample, flag_texts
from cxcore.intervals.student import t_tail
from cxcore.metrics import Metric, MetricName
from cxcore.scores import By, Column, Columns
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
    cluster: Columns = None,
    weight: Column = None,
    stratum: Columns = None,
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
    cluster : str, expression, or list of both, default None
        Who answered more than once, in one wave or in several: the customer, the flight.
    weight, stratum
        How many customers an answer speaks for, and the strata of the sample, as in :func:`cxcore.waves`.

    Returns
    -------
    frame
        One row a segment: ``by`` …, ``n_waves`` (waves with answers), ``n`` (Int64), ``slope``, ``low``,
        ``high``, ``standard_error`` (units of the score per wave, or per ``per``), ``p_value`` (Float64;
        ``p_adjusted`` where asked for), ``flags``. With answers in fewer than two waves the numbers are null,
        and the flag of a single one is ``one_wave``.
        Under a design also ``n_cluster``, behind ``n``.

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
    x the mean place of an answer. Its interval reaches as far as the further of two: MOVER's for that sum
    (Zou, Huang and Zhang 2009), of the spread inside the waves, and b ± t s, s² the sum over all answers of
    (b - b without it)², the jackknife of a line (HC3; MacKinnon and White, J. Econometrics 29, 1985), n - 2
    degrees of freedom, within what the scale allows. So it holds for many waves of one answer each, where
    MOVER knows of no spread, and for answers all alike, where the jackknife sees none. The p-value is the
    interval read backwards, the standard error the larger one. For two waves they are MOVER's, and those of
    :func:`cxcore.compare`.

    Under a design n_i is the sum of weights, and each cluster (each answer, where there is none) moves the
    slope by r = sum c_i (total - f_i size) / n_i over its waves, f_i the line there; the variance is
    G / (G - 1) sum r², within strata that of :func:`cxcore.nps`, and interval and p-value are those of
    Student's t with as many degrees of freedom as there are clusters less strata. A segment whose clusters
    have one answer each, without weights and strata, keeps the interval of independent answers.

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
    (3, 10.0, 2.0, 18.0, 0.014)
    """
    call = "trend"
    _options.column_name(call, "score", score)
    _options.column_name(call, "wave", wave)
    check_adjust(call, adjust)
    if per is not None:
        _options.duration(call, "per", per)
    design = design_roles(call, cluster, weight, stratum, None)
    what = asked(
        call,
        metric=metric,
        scale=scale,
        by=by,
        missing=missing,
        confidence_level=confidence_level,
        columns=lambda _: _columns(adjust, drawn=bool(design)),
    )

    def compute(house: pl.DataFrame) -> pl.DataFrame:
        table = what.counted(house, score, wave)
        place = _places(call, table.waves, per)
        line = _line(what, what.sample(table.rows()), place, len(table.segments))
        if design:
            line = _drawn(what, *what.clustered(house, score, wave, table, design), line, place)
        return table.segments.hstack(_rows(what, line, adjust))

    roles = {"score": score, "wave": wave, "by": by, **design.roles}
    return answer(call, answers, roles, compute, lambda _: _columns(adjust, drawn=bool(design)))


def _columns(adjust: str | None, *, drawn: bool) -> dict[str, pl.DataType]:
    numbers = ["slope", "low", "high", "standard_error", "p_value", *(["p_adjusted"] if adjust else [])]
    return {
        **dict.fromkeys(("n_waves", "n", *(["n_cluster"] if drawn else [])), pl.Int64()),
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
    ticks = waves.to_physical().to_list()  # whole numbers of any size: dates may be centuries apart
    length = _options.duration(call, "per", "1d" if per is None else per)
    return np.array([(each - ticks[0]) * tick / length for each in ticks], dtype=np.float64)


@dataclass(frozen=True, slots=True)
class _Line:
    """A slope for each segment: float64[n_segments] in weight units. ``sample`` has its waves, row by row."""

    sample: Sample
    slope: Float64
    low: Float64
    high: Float64
    error: Float64
    p: Float64
    n_cluster: Int64 | None = None
    few: NDArray[np.bool_] | None = None
    lonely: NDArray[np.bool_] | None = None

    @property
    def counts(self) -> Int64:
        """Answers of each segment and wave, int64[n_segments, n_waves, n_classes]."""
        n_segments, (n_rows, n_classes) = len(self.slope), self.sample.counts.shape
        return self.sample.counts.reshape(n_segments, n_rows // max(n_segments, 1), n_classes)


def _coefficients(mass: Float64, place: Float64) -> tuple[Float64, Float64]:
    """What each wave's mean counts in the slope, and how far the wave lies from the middle of all answers.

    float64[n_segments, n_waves] each, as ``mass``; NaN where fewer than two waves have answers.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        away = place - (mass @ place / mass.sum(axis=1))[:, None]
        coefficients = mass * away / (mass * away**2).sum(axis=1)[:, None]
    coefficients[(mass > 0).sum(axis=1) < 2] = np.nan
    return coefficients, away


def _line(what: Asked, sample: Sample, place: Float64, n_segments: int) -> _Line:
    """MOVER's interval, or Student's with the jackknifed error, whichever end reaches further.

    MOVER adds up what is not known of each wave, which is next to nothing of many waves together where each
    has a few answers; the jackknife sees no spread in answers all alike. Where two waves are all there is,
    their difference is MOVER's alone, as in ``compare``.
    """
    n = sample.n.reshape(n_segments, len(place)).astype(np.float64)
    coefficients, away = _coefficients(n, place)
    line = Contrast(sample, coefficients)
    slope, (low, high), error, p = (
        line.estimate, line.limits(1 - what.level), line.standard_error, line.p_values(),
    )  # fmt: skip
    moved = _jackknifed(sample, slope, coefficients, away)
    dof = n.sum(axis=1).astype(np.int64) - 2
    steepest = np.abs(coefficients).sum(axis=1) * float(np.ptp(sample.weights)) / 2  # on the scale
    with np.errstate(divide="ignore", invalid="ignore"):
        half = moved * t_quantiles((1 - what.level) / 2, dof)
        t = np.abs(slope) / moved
    p_t = 2 * np.array([t_tail(*pair) for pair in zip(t.tolist(), dof.tolist(), strict=True)])
    several = (n > 0).sum(axis=1) > 2
    low = np.where(several, np.minimum(low, np.maximum(slope - half, -steepest)), low)
    high = np.where(several, np.maximum(high, np.minimum(slope + half, steepest)), high)
    # a slope and an error of 0 have no t, and MOVER's p-value of 1
    error, p = (np.where(several, np.fmax(one, two), one) for one, two in ((error, moved), (p, p_t)))
    numbers = np.stack([slope, low, high, error, p])
    numbers[:, (n > 0).sum(axis=1) < 2] = np.nan
    return _Line(sample, *numbers)


def _jackknifed(sample: Sample, slope: Float64, coefficients: Float64, away: Float64) -> Float64:
    """Standard error: the root of the sum of squares of what the slope moves by without each answer.

    An answer r off the line moves it by c r / (n_i (1 - h)), h what the answer pulls the line to itself.
    """
    counts = sample.counts.reshape(*away.shape, sample.counts.shape[1])
    n = counts.sum(axis=2)
    with np.errstate(divide="ignore", invalid="ignore"):
        middle = (counts @ sample.weights).sum(axis=1) / n.sum(axis=1)
        fitted = middle[:, None] + slope[:, None] * away
        pull = 1 / n.sum(axis=1)[:, None] + away**2 / (n * away**2).sum(axis=1)[:, None]
        each = coefficients / n / np.maximum(1 - pull, np.finfo(np.float64).eps)
    squares = (counts * (sample.weights - fitted[..., None]) ** 2).sum(axis=2)
    error: Float64 = np.sqrt((np.where(n > 0, each, 0.0) ** 2 * squares).sum(axis=1))
    return error


def _drawn(what: Asked, rows: DesignRows, sample: DesignSample, line: _Line, place: Float64) -> _Line:
    """The same with the variance between clusters, but where answers are independent.

    Residuals are those from the line (the sandwich of Liang and Zeger, Biometrika 73, 1986): from the means
    of waves they would vanish where a wave has one answer.
    """
    n_waves, value = max(len(place), 1), sample.value
    mass = sample.mass.reshape(len(line.slope), len(place))
    coefficients, away = _coefficients(mass, place)
    cell, cluster, size, total = cells_of(rows, value)
    with np.errstate(invalid="ignore", divide="ignore"):
        means = np.where(mass > 0, sample.estimate.reshape(mass.shape), 0.0)
        slope = (coefficients * means).sum(axis=1)
        middle = (mass * means).sum(axis=1) / mass.sum(axis=1)
        fitted = (middle[:, None] + slope[:, None] * away).reshape(-1)[cell]
        moved = coefficients.reshape(-1)[cell] * (total - fitted * size) / sample.mass[cell]
    who, at = np.unique(cell // n_waves * rows.n_clusters + cluster, return_inverse=True)
    segment = who // max(rows.n_clusters, 1)
    n_cluster = np.bincount(segment, minlength=len(mass))
    home = np.zeros(rows.n_clusters, dtype=np.int64)
    home[rows.cluster] = rows.stratum
    stratum, moves = home[who % max(rows.n_clusters, 1)], summed(at, moved, len(who))
    variance, dof, lonely = variance_of(
        segment, stratum, moves, len(mass), rows, strata=bool(sample.roles.stratum)
    )
    nothing = 1e-12 * np.abs(coefficients).sum(axis=1) * np.abs(value).max()  # a slope of rounding alone
    with np.errstate(invalid="ignore", divide="ignore"):
        error = np.sqrt(np.where(dof > 0, variance, np.nan))
        t = np.where(np.abs(slope) <= nothing, 0.0, np.abs(slope) / error)
    half = error * t_quantiles((1 - what.level) / 2, dof)
    p = 2 * np.array([t_tail(*pair) for pair in zip(t.tolist(), dof.tolist(), strict=True)])
    n = sample.sample.n.reshape(mass.shape).sum(axis=1)
    alone = (n_cluster == n) & sample.clusters_alone
    drawn = (slope, slope - half, slope + half, error, p)
    free = (line.slope, line.low, line.high, line.error, line.p)
    found, low, high, error, p = (np.where(alone, one, many) for one, many in zip(free, drawn, strict=True))
    few = bool(sample.roles.cluster) & (n_cluster < ENOUGH_CLUSTERS) & (n > 0) & ~alone
    return _Line(sample.sample, found, low, high, error, p, n_cluster.astype(np.int64), few, lonely)


def _rows(what: Asked, line: _Line, adjust: str | None) -> pl.DataFrame:
    n_waves = (line.counts.sum(axis=2) > 0).sum(axis=1)
    pooled = Sample(line.counts.sum(axis=1), line.sample.weights)
    numbers = [each * what.what.factor for each in (line.slope, line.low, line.high, line.error)] + [line.p]
    if adjust:
        numbers.append(adjusted(line.p, adjust))
    words, sizes = pooled.words, [n_waves, pooled.n]
    marks = [("one_wave", n_waves == 1)]
    if line.n_cluster is not None:
        sizes.append(line.n_cluster)
        assert line.few is not None
        assert line.lonely is not None
        marks += [("few_clusters", line.few), ("lonely_stratum", line.lonely)]
    for word, where in marks:
        words = [each | ({word} if some else set()) for each, some in zip(words, where, strict=True)]
    columns: list[Any] = [*sizes, *numbers, flag_texts(words)]
    schema = _columns(adjust, drawn=line.n_cluster is not None)
    return pl.DataFrame(
        [
            pl.Series(name, column, dtype=dtype, nan_to_null=dtype == pl.Float64)
            for (name, dtype), column in zip(schema.items(), columns, strict=True)
        ]
    )
