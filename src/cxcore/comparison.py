"""Groups against a control: the difference of two scores, how sure, and whether it is more than noise."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from functools import partial
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cxcore import _options, errors
from cxcore._answers import ScoreCounts, by_counts, by_schema, score_counts
from cxcore._columns import check_roles, needed
from cxcore._design_columns import DesignRoles, design_roles
from cxcore._design_kinds import of_design
from cxcore._design_sums import DesignRows
from cxcore._score_weights import Score, classes_of
from cxcore.designs import design_sample
from cxcore.designs.difference import LinearizedDifference
from cxcore.differences import (
    ADJUSTMENTS,
    DIFFERENCES,
    Adjustment,
    Difference,
    DifferenceName,
    Mover,
    Pairs,
    adjusted,
    difference_for,
)
from cxcore.engines import open_frame
from cxcore.engines.base import Compute, Spread
from cxcore.intervals import Sample, flag_texts
from cxcore.intervals.base import ENOUGH_OUTSIDE, Int64
from cxcore.metrics import Metric, MetricName, score_for
from cxcore.scores import By, Column, Columns

__all__ = ["compare"]


def compare(
    answers: Any,
    *,
    score: str,
    group: str,
    control: Any,
    metric: MetricName | Metric = "nps",
    by: By = None,
    scale: tuple[int, int] | None = None,
    missing: Iterable[int] | None = None,
    method: DifferenceName | Literal["linearized"] | Difference | None = None,
    confidence_level: float = 0.95,
    adjust: Adjustment | None = None,
    cluster: Columns = None,
    weight: Column = None,
    stratum: Columns = None,
) -> Any:
    """Score of each group less that of the control group, with an interval and a p-value.

    Parameters
    ----------
    answers : frame
        One row an answer, in any flavor that an engine knows.
    score : str
        Column of answers, whole numbers on the scale. A null is no answer.
    group : str
        Column that says to which group an answer belongs. Nulls are a group of their own, which is compared
        as any other.
    control : value of the column
        The group that all others are compared with; never null.
    metric : str or Metric, default "nps"
        "nps", "csat", "ces", "mean_score", or an object of ``cxcore.metrics`` with the options of that score,
        such as ``cx.metrics.Csat(top=1)``.
    by : str, expression, or list of both, default None
        Compare within each of these segments, as in :func:`cxcore.nps`.
    scale : (int, int), default None
        Lowest and highest level, for a metric given by word; "mean_score" needs it.
    missing : list of int, default None
        Codes that mean 'no answer', such as 11 or 99.
    method : str or Difference, default None
        "mover" (from two score intervals; the default), "bootstrap" (exact BCa; "mover" where a side cannot
        support it), "bca", "percentile", "basic", "expanded" (of the same law, never guarded),
        "always_valid", or an object of ``cxcore.differences``. Under a design "linearized", the default
        there: Student's t, by the variance of the difference over clusters; a customer may have answered in
        both groups.
    confidence_level : float, default 0.95
        How often the interval holds the true difference, between 0 and 1.
    adjust : {"holm", "bh"}, default None
        Add ``p_adjusted``, over all rows of the answer: "holm" guards against any false alarm, "bh"
        (Benjamini-Hochberg) bounds the share of false alarms. Intervals are not adjusted.
    cluster, weight, stratum
        Who answered more than once, how many customers an answer speaks for, and the strata from which
        answers or customers were drawn, as in :func:`cxcore.nps`. Where each cluster has one answer, without
        weights and strata, answers are independent, and the default is that of no design.

    Returns
    -------
    frame
        One row a segment and group, without the control's own, sorted, nulls last: ``by`` …, ``group``,
        ``control``, ``n``, ``n_control`` (Int64), ``estimate``, ``estimate_control``, ``difference``,
        ``low``, ``high``, ``p_value`` (Float64; ``p_adjusted`` where asked for), ``method``, ``flags``
        (String). A group without answers, or in a segment without a control, has a row of nulls flagged
        ``no_answers``; a segment with the control alone has no row.

    Raises
    ------
    ColumnNotFoundError
        ``score``, ``group`` or ``by`` names no column.
    InvalidOptionError
        An option cannot take its value; ``control`` is none of the groups.
    InvalidDataError
        Answers are off the scale, or there is no group beside the control.

    Notes
    -----
    One pass over the rows, then 1 ms, and 0.1 ms a row of the answer (bootstrap: 0.3 ms a row at 1,000
    answers a side, 25 ms at ten million). The
    p-value is the interval read backwards: it is below alpha exactly where 0 lies outside the interval of
    level 1 - alpha. Two intervals that overlap are no proof that two scores are alike; this difference is the
    question. Formulas are those of the methods in ``cxcore.differences``.

    Examples
    --------
    >>> import polars as pl
    >>> from cxcore import compare
    >>> answers = pl.DataFrame({
    ...     "quarter": ["Q1"] * 87 + ["Q2"] * 94,
    ...     "score": [3] * 12 + [8] * 23 + [10] * 52 + [3] * 13 + [8] * 31 + [10] * 50,
    ... })
    >>> found = compare(answers, score="score", group="quarter", control="Q1")
    >>> found.select(pl.col("difference", "low", "high").round(1), pl.col("p_value").round(2)).row(0)
    (-6.6, -27.3, 14.7, 0.54)
    """
    call = "compare"
    _options.column_name(call, "score", score)
    _options.column_name(call, "group", group)
    segments = _options.groups(call, by, ["group", "control", *measures(adjust)])
    codes = _options.codes(call, "missing", missing)
    design = design_roles(call, cluster, weight, stratum, None)
    what, chosen = checked(call, metric, scale, method, adjust, design)
    level = _options.level(call, "confidence_level", confidence_level)
    if control is None:
        hint = "name one; a group of nulls can be named with fill_null()."
        raise errors.bad_option(call, "control", control, "names no group.", hint)
    engine, frame = open_frame(call, answers)
    check_roles(call, engine.columns(frame), {"score": score, "group": group, "by": by, **design.roles})
    parts = [*_options.parts(by), pl.col(group).alias("group")]

    def compute(house: pl.DataFrame, many: Int64 | None = None) -> pl.DataFrame:
        threads, last = _options.n_threads(call, None), classes_of(what)[0]
        return answer(score_counts(call, house, score, parts, what.scale, codes, threads, last, many))

    def answer(counted: ScoreCounts | DesignRows) -> pl.DataFrame:
        is_control = _is_control(call, counted.groups["group"], group, control)
        rows, of_control = _pairs(counted.groups, segments, is_control)
        name = counted.groups["group"].gather(np.flatnonzero(is_control)[:1].repeat(len(rows)))
        named = counted.groups[rows].with_columns(control=name)
        if isinstance(counted, DesignRows):
            sample = design_sample(counted, what.weights, design)
            apart = LinearizedDifference(counted, sample, rows, of_control)
            return named.hstack(_measured_design(what, apart, level, adjust, default=method is None))
        pairs = _samples(counted.counts, rows, of_control, classes_of(what)[1])
        return named.hstack(_measured(what, pairs, chosen or Mover(), level, adjust))

    def schema(before: pl.Schema) -> pl.Schema:
        found = by_schema(call, before, parts)
        return pl.Schema({**found, "control": found["group"], **measures(adjust)})

    read = needed(score, group, by, *design.roles.values())
    ways: tuple[Compute, Spread] = compute, partial(by_counts, compute, by)
    if design:
        asked = call, score, parts, what.scale, codes, design
        ways = of_design(*asked, answer, [*_options.parts(by), group], what.weights)
    return engine.summary(call, frame, read, ways[0], schema, ways[1])


def checked(
    call: str, metric: Any, scale: Any, method: Any, adjust: Any, design: DesignRoles
) -> tuple[Score, Difference | None]:
    """The options that ask for no column: the score, and the method as ``_method`` gives it."""
    what, chosen = score_for(call, metric, scale), _method(call, method, design)
    if adjust is not None:
        _options.word(call, "adjust", adjust, ADJUSTMENTS)
    return what, chosen


def _method(call: str, method: Any, design: DesignRoles) -> Difference | None:
    """The method of independent answers; None for the default, and for all that is linearized."""
    linearized = isinstance(method, str) and method == LinearizedDifference.name
    if design and not (method is None or linearized):
        known = isinstance(method, Difference) or (isinstance(method, str) and method in DIFFERENCES)
        refused = errors.plain_method if known else errors.unknown_word
        raise refused(call, "method", getattr(method, "name", method), [LinearizedDifference.name])
    if linearized and not design:
        raise errors.design_method(call, method)
    return None if method is None or design else difference_for(call, method)


def measures(adjust: str | None) -> dict[str, pl.DataType]:
    """Columns of the answer behind group and control."""
    numbers = ["estimate", "estimate_control", "difference", "low", "high", "p_value"]
    return {
        **dict.fromkeys(("n", "n_control"), pl.Int64()),
        **dict.fromkeys([*numbers, *([] if adjust is None else ["p_adjusted"])], pl.Float64()),
        **dict.fromkeys(("method", "flags"), pl.String()),
    }


def _is_control(call: str, groups: pl.Series, group: str, control: Any) -> NDArray[np.bool_]:
    """Which rows of the counted groups are the control; it must be there, and not alone."""
    values = groups.to_list()
    try:
        found = np.array([value is not None and bool(value == control) for value in values], dtype=np.bool_)
    except (TypeError, ValueError):  # an expression, a Series: no single value
        hint = "name one group, such as control='pilot'."
        raise errors.bad_option(call, "control", control, "takes one value.", hint) from None
    if len(found) and not found.any():
        raise errors.unknown_control(call, control, list(dict.fromkeys(values)))
    if len(found) and found.all():
        raise errors.control_alone(call, group, control)
    return found


def _pairs(
    groups: pl.DataFrame, segments: list[str], is_control: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows that are compared, and the row of the control of each: -1 where its segment has none."""
    rows = np.flatnonzero(~is_control)
    if segments:  # sorted, so that the rows of one segment lie together
        run = groups.select(pl.struct(segments).rle_id()).to_series().to_numpy().astype(np.int64)
    else:
        run = np.zeros(len(groups), dtype=np.int64)
    control_of = np.full(int(run.max(initial=0)) + 1, -1, dtype=np.int64)
    control_of[run[is_control]] = np.flatnonzero(is_control)
    return rows, control_of[run[rows]]


def _samples(counts: Int64, rows: Int64, of_control: Int64, weights: Int64) -> Pairs:
    nobody = np.zeros((1, counts.shape[1]), dtype=np.int64)
    counts = np.vstack([counts, nobody])  # -1 is the row of nobody
    return Pairs(Sample(counts[rows], weights), Sample(counts[of_control], weights))


def _measured(
    what: Score, pairs: Pairs, method: Difference, level: float, adjust: str | None
) -> pl.DataFrame:
    low, high, p = method.measured(pairs, 1 - level)
    if n_thin := int(np.count_nonzero(method.thin(pairs))):
        text = errors.thin_support("compare", method.name, n_thin, len(pairs.answered), ENOUGH_OUTSIDE)
        warnings.warn(text, errors.DegenerateDataWarning, stacklevel=2)
    estimates = pairs.sample.estimate, pairs.control.estimate
    words = [
        word if some else None for word, some in zip(method.used(pairs), pairs.answered.tolist(), strict=True)
    ]
    numbers = pairs.difference, low, high, p
    return _columns(what, pairs, (*estimates, *numbers), words, _flags(pairs, method), adjust)


def _measured_design(
    what: Score, apart: LinearizedDifference, level: float, adjust: str | None, *, default: bool
) -> pl.DataFrame:
    """Linearized; by default the method of no design where all answers of a pair are independent."""
    sample, pairs = apart.sample, apart.pairs
    free = apart.independent & default
    numbers = apart.numbers(1 - level, free=free)
    estimates = apart.of(sample.estimate, apart.one), apart.of(sample.estimate, apart.two)
    without = np.isnan(numbers[0]).tolist()
    words = [
        None if none else Mover.name if plain else apart.name
        for plain, none in zip(free.tolist(), without, strict=True)
    ]
    flags = _flags(pairs, Mover())
    for word, where in sample.marks.items():
        either = np.append(where, False)[np.array([apart.one, apart.two])].any(axis=0) & ~free
        for at in np.flatnonzero(either & apart.answered).tolist():
            flags[at].add(word)
    return _columns(what, pairs, (*estimates, apart.difference, *numbers), words, flags, adjust)


def _columns(
    what: Score,
    pairs: Pairs,
    numbers: tuple[NDArray[np.float64], ...],
    words: list[str | None],
    flags: list[set[str]],
    adjust: str | None,
) -> pl.DataFrame:
    *scores, p = numbers
    scaled = [each * what.factor for each in scores] + [p] + ([adjusted(p, adjust)] if adjust else [])
    columns: list[Any] = [pairs.sample.n, pairs.control.n, *scaled, words, flag_texts(flags)]
    return pl.DataFrame(
        [
            pl.Series(name, column, dtype=dtype, nan_to_null=dtype == pl.Float64)
            for (name, dtype), column in zip(measures(adjust).items(), columns, strict=True)
        ]
    )


def _flags(pairs: Pairs, method: Difference) -> list[set[str]]:
    """Words that hold for either side of a pair; where one has no answer, that alone."""
    fell_back, thin = method.fell_back(pairs).tolist(), method.thin(pairs).tolist()
    found = []
    for one, two, fell, few in zip(pairs.sample.words, pairs.control.words, fell_back, thin, strict=True):
        words = one | two | ({"mover_fallback"} if fell else set()) | ({"thin_support"} if few else set())
        found.append({"no_answers"} if "no_answers" in words else words)
    return found
