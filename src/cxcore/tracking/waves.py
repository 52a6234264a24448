"""A score wave after wave, each with its change since the wave before."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cxcore import _options
from cxcore._design_columns import design_roles
from cxcore._wave_columns import WAVE
from cxcore.designs import DesignMethod
from cxcore.differences import Adjustment
from cxcore.metrics import Metric, MetricName
from cxcore.scores import AnyMethod, By, Column, Columns, any_method
from cxcore.tracking.asked import (
    answer,
    asked,
    check_adjust,
    design_steps,
    score_columns,
    step_columns,
    steps,
)

__all__ = ["waves"]


def waves(
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
    adjust: Adjustment | None = None,
    cluster: Columns = None,
    weight: Column = None,
    stratum: Columns = None,
) -> Any:
    """Score of each wave of a survey, in order, and its difference to the wave before.

    Parameters
    ----------
    answers : frame
        One row an answer, in any flavor that an engine knows.
    score : str
        Column of answers, whole numbers on the scale. A null is no answer, and is counted in ``n_null``.
    wave : str
        Column that says in which wave an answer came: numbers, text, dates and times, or an Enum, which keeps
        its own order. Never null.
    metric : str or Metric, default "nps"
        "nps", "csat", "ces", "mean_score", or an object of ``cxcore.metrics``.
    by : str, expression, or list of both, default None
        Follow each of these segments on its own, as in :func:`cxcore.nps`.
    scale : (int, int), default None
        Lowest and highest level, for a metric given by word; "mean_score" needs it.
    missing : list of int, default None
        Codes that mean 'no answer', such as 11 or 99.
    method : str or Method, default "bootstrap"
        How each wave's own interval is made, as in :func:`cxcore.nps`. Differences are always by MOVER, under
        a design linearized.
    confidence_level : float, default 0.95
        How often an interval holds the truth, between 0 and 1.
    adjust : {"holm", "bh"}, default None
        Add ``p_adjusted``, over all rows of the answer, as :func:`cxcore.compare`.
    cluster : str, expression, or list of both, default None
        Who answered more than once, in one wave or in several: the customer, the flight. What a customer said
        in both waves is then counted as one thing said.
    weight, stratum
        How many customers an answer speaks for, and the strata from which answers, or customers, were drawn,
        as in :func:`cxcore.nps`. Within strata a wave is a domain of all that was drawn; strata that are
        drawn anew for each wave are ``stratum=["wave", "region"]``.

    Returns
    -------
    frame
        One row a segment and wave: ``by`` …, ``wave``, the columns of the score as :func:`cxcore.nps` has
        them, then ``previous`` (the wave that this one is compared with), ``difference``, ``difference_low``,
        ``difference_high``, ``p_value`` (Float64; ``p_adjusted`` where asked for). Every segment has a row
        for every wave of the frame. A wave in which a segment has no answers is a row of nulls, flagged
        ``no_answers``, and the next one is compared with the last wave before it that has some. Under
        a design the columns of the score are those of one, ``n_cluster`` among them.

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
    One pass over the rows, then 3 ms, and 80 µs a row of the answer. The difference and its p-value are those
    of :func:`cxcore.compare` with the wave before as the control. A row is about one step: without any
    change one step in twenty is called one by chance, so adjust, or ask :func:`cxcore.trend`.

    Examples
    --------
    >>> import polars as pl
    >>> from cxcore import waves
    >>> answers = pl.DataFrame({
    ...     "year": [2023] * 200 + [2024] * 200,
    ...     "score": [3] * 60 + [8] * 60 + [10] * 80 + [3] * 40 + [8] * 60 + [10] * 100,
    ... })
    >>> found = waves(answers, score="score", wave="year")
    >>> found.select("wave", "n", "estimate", "previous", "difference", pl.col("p_value").round(3)).rows()
    [(2023, 200, 10.0, None, None, None), (2024, 200, 30.0, 2023, 20.0, 0.014)]
    """
    call = "waves"
    _options.column_name(call, "score", score)
    _options.column_name(call, "wave", wave)
    check_adjust(call, adjust)
    design = design_roles(call, cluster, weight, stratum, None)
    chosen = any_method(call, method, design)
    what = asked(
        call,
        metric=metric,
        scale=scale,
        by=by,
        missing=missing,
        confidence_level=confidence_level,
        columns=lambda score: ["wave", "previous", *score_columns(score, design), *step_columns(adjust)],
    )

    def compute(house: pl.DataFrame) -> pl.DataFrame:
        table = what.counted(house, score, wave)
        answered = table.counts.sum(axis=2) > 0
        if design:
            rows, sample = what.clustered(house, score, wave, table, design)
            answered = (sample.sample.n > 0).reshape(answered.shape)  # an answer of weight 0 is none
        before = _before(answered)
        named = table.waves.gather(np.where(before < 0, 0, before % max(len(table.waves), 1)))
        previous = named.to_frame("previous").select(pl.when(pl.Series(before) >= 0).then("previous"))
        if isinstance(chosen, DesignMethod):
            scores = what.design_scores(sample, chosen).rename({WAVE: "wave"})
            return scores.hstack(previous).hstack(design_steps(what, rows, sample, before, adjust))
        counted = table.rows()
        scores = what.scores(counted, chosen).rename({WAVE: "wave"})
        return scores.hstack(previous).hstack(steps(what, counted, before, adjust))

    def schema(before: pl.Schema) -> dict[str, pl.DataType]:
        kind = before[wave]
        return {"wave": kind, **score_columns(what.what, design), "previous": kind, **step_columns(adjust)}

    roles = {"score": score, "wave": wave, "by": by, **design.roles}
    return answer(call, answers, roles, compute, schema)


def _before(answered: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Row of the last wave before each that has answers, -1 where there is none, or none of its own."""
    n_segments, n_waves = answered.shape
    row = np.arange(n_segments * n_waves).reshape(n_segments, n_waves)
    latest = np.maximum.accumulate(np.where(answered, row, -1), axis=1)
    before = np.full((n_segments, n_waves), -1, dtype=np.int64)
    before[:, 1:] = latest[:, :-1]
    return np.where(answered, before, -1).reshape(-1)
