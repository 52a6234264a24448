"""Where the level of a score shifted: periods of one level, and the step from each to the next."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cxcore import _options, errors
from cxcore._answers import ScoreCounts
from cxcore._columns import Float64, Int64
from cxcore._design_columns import design_roles
from cxcore._design_sums import DesignRows, cells_of, summed
from cxcore._ext import scores as kernels
from cxcore._score_weights import Score, classes_of
from cxcore._wave_columns import WaveCounts
from cxcore.designs import DesignMethod, design_sample
from cxcore.metrics import Metric, MetricName
from cxcore.scores import AnyMethod, By, Columns, any_method
from cxcore.tracking.asked import answer, asked, design_steps, score_columns, step_columns, steps

__all__ = ["change_points"]

Whole = NDArray[np.signedinteger[Any]]
#: 20 seconds of pairs
_MOST_WAVES = 20_000


def change_points(
    answers: Any,
    *,
    score: str,
    wave: str,
    metric: MetricName | Metric = "nps",
    by: By = None,
    scale: tuple[int, int] | None = None,
    missing: Iterable[int] | None = None,
    method: AnyMethod = "bootstrap",
    confidence_level: float = 0.95,
    cluster: Columns = None,
) -> Any:
    """Where the level of a score shifted: periods in which it stayed, however many there are.

    Parameters
    ----------
    answers : frame
        One row an answer, in any flavor that an engine knows.
    score : str
        Column of answers, whole numbers on the scale. A null is no answer, and is counted in ``n_null``.
    wave : str
        Column that says in which wave an answer came, as in :func:`cxcore.waves`; for events in time a day or
        a week of ``dt.truncate``. A shift lies between two waves.
    metric, by, scale, missing, method
        As in :func:`cxcore.waves`.
    confidence_level : float, default 0.95
        Of the intervals; and of series without any shift, at most the rest (one in twenty) is given one.
    cluster : str, expression, or list of both, default None
        Who answered more than once, in one wave or in several: the customer, the flight. A shift then has to
        gain as many times more as clusters make differences between periods less sure. There is no
        ``weight``: likelihoods are of answers, and an answer that speaks for many is still one.

    Returns
    -------
    frame
        One row a period, in order: ``by`` …, ``first_wave``, ``last_wave``, ``n_waves``, then the columns of
        the score as :func:`cxcore.nps` has them, of all answers of the period, then ``difference``,
        ``difference_low``, ``difference_high`` to the period before. Every row but the first of a segment
        begins at a change point; a segment without one has a single row. A wave without answers belongs to
        the period before it. With ``cluster`` the columns of the score are those of a design, ``n_cluster``
        among them.

    Raises
    ------
    ColumnNotFoundError
        ``score``, ``wave`` or ``by`` names no column.
    InvalidOptionError
        An option cannot take its value.
    InvalidDataError
        Answers are off the scale, or rows have no wave.

    Notes
    -----
    One pass over the rows, then 0.1 µs for each pair of waves of a segment: half a millisecond for a hundred
    waves of NPS. The periods are those of the highest likelihood less a penalty for each change, found
    exactly by dynamic programming, without a seed (Jackson et al., IEEE Signal Processing Letters 12, 2005);
    likelihoods, whose law a shift tilts to another mean, are in ``_ext/include/cxcore/shifts.hpp``. The
    penalty is the least b for which the sum over k of C(waves - 1, k) P(chi²_k > k b) is alpha: a bound on
    any gain by chance at all places together. Intervals of differences are for a place that was known before;
    at one that was found the difference is somewhat too large.

    With clusters the penalty is multiplied by the largest of three: 1; the variance of the waves' means over
    that of independent answers; and, over all places, the like of the difference between what lies before and
    behind, with moves of clusters less their mean. Where each has one answer, periods are those of answers.

    Examples
    --------
    >>> import polars as pl
    >>> from cxcore import change_points
    >>> months = pl.Series(range(1, 13)).repeat_by(100).explode()
    >>> level = pl.Series([3, 8, 10]).repeat_by(pl.Series([40, 30, 30])).explode()
    >>> risen = pl.Series([3, 8, 10]).repeat_by(pl.Series([20, 30, 50])).explode()
    >>> answers = pl.DataFrame({"month": months, "score": pl.concat([level] * 7 + [risen] * 5)})
    >>> found = change_points(answers, score="score", wave="month")
    >>> found.select("first_wave", "last_wave", "n", "estimate", "difference").rows()
    [(1, 7, 700, -10.0, None), (8, 12, 500, 30.0, 40.0)]
    """
    call = "change_points"
    _options.column_name(call, "score", score)
    _options.column_name(call, "wave", wave)
    design = design_roles(call, cluster, None, None, None)
    chosen = any_method(call, method, design)
    what = asked(
        call,
        metric=metric,
        scale=scale,
        by=by,
        missing=missing,
        confidence_level=confidence_level,
        columns=lambda score: [
            "first_wave",
            "last_wave",
            "n_waves",
            *score_columns(score, design),
            *_steps(),
        ],
    )

    def compute(house: pl.DataFrame) -> pl.DataFrame:
        table = what.counted(house, score, wave)
        if (n_waves := len(table.waves)) > _MOST_WAVES:
            problem = f"{n_waves:,} waves; their pairs are too many from {_MOST_WAVES:,} on."
            raise errors.bad_option(call, "wave", wave, problem, "take longer waves, such as days or weeks.")
        rows = what.design_rows(house, score, house[wave], table, design) if design else None
        dearer = np.ones(len(table.segments)) if rows is None else _dearer(table, what.what, rows)
        begins = _begins(table, classes_of(what.what)[1], 1 - what.level, dearer)
        counted, opens = _periods(table, begins)
        before = np.where(opens, -1, np.arange(len(opens)) - 1)
        if isinstance(chosen, DesignMethod):
            assert rows is not None
            period = (np.cumsum(begins.reshape(-1)) - 1)[rows.group].astype(np.int32)
            rows = replace(rows, groups=counted.groups, n_null=counted.n_null, group=period)
            sample = design_sample(rows, what.what.weights, design)
            moved = design_steps(what, rows, sample, before, None).select(*_steps())
            return what.design_scores(sample, chosen).hstack(moved)
        return what.scores(counted, chosen).hstack(steps(what, counted, before, None).select(*_steps()))

    def schema(before: pl.Schema) -> dict[str, pl.DataType]:
        places = {"first_wave": before[wave], "last_wave": before[wave], "n_waves": pl.Int64()}
        return {**places, **score_columns(what.what, design), **_steps()}

    return answer(call, answers, {"score": score, "wave": wave, "by": by, **design.roles}, compute, schema)


def _steps() -> dict[str, pl.DataType]:
    return {name: kind for name, kind in step_columns(None).items() if name != "p_value"}


def _begins(table: WaveCounts, weights: Int64, alpha: float, dearer: Float64) -> NDArray[np.bool_]:
    """Where a period begins, bool[n_segments, n_waves]; ``dearer`` multiplies each segment's penalty."""
    answered = (table.counts.sum(axis=2) > 0).sum(axis=1)
    penalties: Float64 = np.array([penalty(n, alpha) for n in answered.tolist()], dtype=np.float64)
    begins = np.zeros(table.n_null.shape, dtype=np.uint8)
    kernels.find_shifts(table.counts, weights, penalties * dearer, begins)
    return begins.astype(np.bool_)


def _periods(table: WaveCounts, begins: NDArray[np.bool_]) -> tuple[ScoreCounts, NDArray[np.bool_]]:
    """Counts of each period, and which of them are the first of their segment."""
    segment, first = np.nonzero(begins)
    opens = first == 0
    at = np.flatnonzero(begins)
    n_segments, n_waves, n_classes = table.counts.shape
    length = np.diff(at, append=n_segments * n_waves)
    last = first + length - 1
    waves = [
        table.waves.gather(each).alias(name) for name, each in (("first_wave", first), ("last_wave", last))
    ]
    groups = pl.DataFrame([*table.segments[segment], *waves, pl.Series("n_waves", length, pl.Int64)])
    if not len(at):
        return ScoreCounts(groups, np.zeros((0, n_classes), np.int64), np.zeros(0, np.int64)), opens
    counts = np.add.reduceat(table.counts.reshape(-1, n_classes), at, axis=0)
    return ScoreCounts(groups, counts, np.add.reduceat(table.n_null.reshape(-1), at)), opens


# ---------------------------------------------------------------- the penalty


def _dearer(table: WaveCounts, what: Score, rows: DesignRows) -> Float64:
    """How many times more a change has to gain where answers come in clusters, 1 or more a segment."""
    weights = classes_of(what)[1].astype(np.float64)
    n = table.counts.sum(axis=2)
    mean = (table.counts.sum(axis=1) @ weights) / np.maximum(n.sum(axis=1), 1)
    alone = (table.counts * (weights - mean[:, None, None]) ** 2).sum(axis=2)
    cell, cluster, size, total = cells_of(rows, np.array(what.weights, dtype=np.float64))
    order = np.lexsort((cell, cluster, cell // max(n.shape[1], 1)))
    cell, cluster = cell[order].astype(np.int64), cluster[order]
    segment = cell // max(n.shape[1], 1)
    residual = total[order] - mean[segment] * size[order]
    opens = np.ones(len(cell), dtype=np.bool_)
    opens[1:] = (cluster[1:] != cluster[:-1]) | (segment[1:] != segment[:-1])
    n_cluster = np.bincount(segment[opens], minlength=len(n)).astype(np.int64)
    with np.errstate(divide="ignore", invalid="ignore"):
        places = _at_places(n, alone, cell, opens, residual, n_cluster)
        within = np.nan_to_num(summed(segment, residual**2, len(n)) / alone.sum(axis=1), posinf=0.0)
        most = np.maximum(within, places.max(axis=1, initial=0.0)) * n_cluster / np.maximum(n_cluster - 1, 1)
    return np.where((n_cluster < n.sum(axis=1)) & (most > 1), most, 1.0)


def _at_places(
    n: Whole, alone: Float64, cell: Whole, opens: NDArray[np.bool_], residual: Float64, n_cluster: Int64
) -> Float64:
    """Variance over clusters by that over answers of what lies before a wave less what lies behind.

    A cluster moves it by L / n - (T - L) / n', T the sum of its residuals, L of those before, n and n' the
    answers there; L grows from wave to wave, so that sums over clusters are running sums over waves. Moves
    are less their mean, which is the shift itself. ``opens`` where a cluster's cells begin in a segment.
    """
    who = np.cumsum(opens) - 1
    whole = np.bincount(who, residual)[who] if len(who) else residual
    after = np.cumsum(residual)
    after -= (after - residual)[opens][who]
    squares, products, sums, wholes = (
        np.cumsum(summed(cell, each, n.size).reshape(n.shape), axis=1)
        for each in (after**2 - (after - residual) ** 2, residual * whole, residual, opens * whole**2)
    )
    left = np.cumsum(n, axis=1)[:, :-1]
    right = n.sum(axis=1)[:, None] - left
    both, spread = 1 / left + 1 / right, np.cumsum(alone, axis=1)
    drawn = squares[:, :-1] * both**2 - products[:, :-1] * 2 * both / right + wholes[:, -1:] / right**2
    drawn -= (sums[:, :-1] * both) ** 2 / n_cluster[:, None]
    free = spread[:, :-1] / left**2 + (spread[:, -1:] - spread[:, :-1]) / right**2
    return np.where((left > 0) & (right > 0) & (free > 0), drawn / free, 0.0)


@lru_cache(maxsize=4096)
def penalty(n_waves: int, alpha: float) -> float:
    """What each change has to gain: any number of them does by chance with a chance of alpha at most."""
    low, high = 0.0, 1_000.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _by_chance(n_waves - 1, middle, alpha) > alpha else (low, middle)
    return high


def _by_chance(n_places: int, gain: float, enough: float) -> float:
    """Sum over k of C(n_places, k) P(chi²_k > k gain), as far as it matters."""
    total, ways = 0.0, 0.0  # the log of C(n_places, k)
    for k in range(1, n_places + 1):
        ways += math.log((n_places - k + 1) / k)
        term = math.exp(min(ways + _log_chi_square_tail(k, k * gain), 0.0))
        total += term
        if total > enough or term < 1e-9 * enough:
            break
    return total


def _log_chi_square_tail(dof: int, x: float) -> float:
    """log P(chi² > x), as exp(-x / 2) or erfc(root of x / 2) and a finite sum (Abramowitz, Stegun 26.4.4)."""
    half = x / 2
    if dof % 2:
        tail = math.erfc(math.sqrt(half))
        logs = [math.log(tail)] if tail else []
        start = 0.5
    else:
        logs, start = [-half], 1.0
    steps = (dof - 1) // 2 if dof % 2 else dof // 2 - 1
    logs += [(start + i) * math.log(half) - half - math.lgamma(start + i + 1) for i in range(steps)]
    if not logs:
        return -math.inf
    top = max(logs)
    return top + math.log(sum(math.exp(each - top) for each in logs))
