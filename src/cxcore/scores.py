"""Scores of answers with intervals: NPS, CSAT, CES and the mean of any bounded scale.

Every score is a mean of one whole weight per answer level, so the counts of answers by group and level are
all that it needs: one pass over the rows, then a kernel whose cost does not depend on how many there were.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import polars as pl

from cxcore import _options, errors
from cxcore._answers import by_counts, by_schema, score_counts
from cxcore._columns import Int64, check_roles
from cxcore._design_columns import DesignRoles, design_roles
from cxcore._design_kinds import of_design
from cxcore._design_sums import DesignRows
from cxcore._score_rows import answer_rows, design_columns, design_rows_of, result_columns, with_total
from cxcore._score_weights import NPS, Kind, Score, classes_of, mean_level, nps_score, scale_score
from cxcore.designs import METHODS as DESIGN_METHODS
from cxcore.designs import DesignMethod, DesignName, design_method_for, design_sample
from cxcore.engines import open_frame
from cxcore.engines.base import Compute, Spread
from cxcore.intervals import METHODS, Method, MethodName, Sample, method_for

__all__ = ["Score", "ces", "csat", "mean_score", "nps"]

#: a column, an expression, or a list of both
By = str | pl.Expr | Iterable[str | pl.Expr] | None
#: a word or an object: of independent answers, or of a survey design
AnyMethod = MethodName | DesignName | Method | DesignMethod
#: a column, or several that tell apart together
Columns = str | pl.Expr | Sequence[str | pl.Expr] | None
#: a column, or an expression
Column = str | pl.Expr | None


# ---------------------------------------------------------------- verbs


def nps(
    answers: Any,
    *,
    score: str,
    by: By = None,
    scale: tuple[int, int] = NPS.scale,
    promoter: int | None = None,
    detractor: int | None = None,
    missing: Iterable[int] | None = None,
    method: AnyMethod = "bootstrap",
    confidence_level: float = 0.95,
    total: bool = False,
    cluster: Columns = None,
    weight: Column = None,
    stratum: Columns = None,
    population: float | Mapping[Any, float] | None = None,
) -> Any:
    """Net Promoter Score by group, with an interval: share of promoters less share of detractors.

    Parameters
    ----------
    answers : frame
        One row an answer, in any flavor that an engine knows.
    score : str
        Column of answers, whole numbers 0 to 10. A null is no answer, and is counted in ``n_null``.
    by : str, expression, or list of both, default None
        Groups: columns, or Polars expressions such as ``pl.col("day").dt.truncate("1mo")``. None: one row.
    scale : (int, int), default (0, 10)
        Lowest and highest level. Others than 0 to 10 need ``promoter`` and ``detractor``.
    promoter : int, default 9
        Lowest level of a promoter.
    detractor : int, default 6
        Highest level of a detractor.
    missing : list of int, default None
        Codes that mean 'no answer', such as 11 or 99.
    method : str or Method, default "bootstrap"
        A word of ``cxcore.intervals.METHODS``, such as "score", or an object of ``cxcore.intervals``. Under a
        design those of ``cxcore.designs``; the default is then the bootstrap of clusters, or a linearized
        interval.
    confidence_level : float, default 0.95
        How often the interval holds the truth, between 0 and 1.
    total : bool, default False
        Add a row over all groups, at the end, whose ``by`` columns are null; a column ``is_total`` tells it
        from a group of nulls.
    cluster : str, expression, or list of both, default None
        Who answered more than once, or was drawn together: the customer, the flight. A null is nobody else's.
    weight : str or expression, default None
        How many customers an answer speaks for, 0 or more; an answer of weight 0 counts nowhere.
    stratum : str, expression, or list of both, default None
        The strata from which answers, or clusters, were drawn. Never null where there is an answer.
    population : number, or mapping of stratum to number, default None
        How many answers (with ``cluster``: clusters) there were to draw from. None: many more than there are.

    Returns
    -------
    frame
        One row a group, sorted by the columns of ``by``, nulls last, in the flavor of ``answers``: ``by`` …,
        ``promoters``, ``passives``, ``detractors``, ``n``, ``n_null`` (Int64), ``estimate``, ``low``,
        ``high``, ``standard_error`` (Float64, points from -100 to 100), ``method``, ``flags`` (String; the
        words are in ``cxcore.intervals.FLAGS``). Under a design also ``n_effective`` and ``n_cluster``,
        behind ``n_null``, and ``design_effect``, behind ``standard_error``.

    Raises
    ------
    ColumnNotFoundError
        ``score`` or ``by`` names no column.
    InvalidOptionError
        An option cannot take its value.
    InvalidDataError
        Answers are off the scale, or are not whole numbers; weights are negative, missing or not finite; a
        cluster lies in two strata.

    Notes
    -----
    One pass over the rows (bytes are read as they lie), then 2 to 4 µs a group; the call itself costs 30 µs.
    What each interval promises, and when it fails: ``docs/explanation/scores.md``.

    Examples
    --------
    >>> import polars as pl
    >>> from cxcore.scores import nps
    >>> answers = pl.DataFrame({"score": [10] * 104 + [8] * 58 + [3] * 38})
    >>> nps(answers, score="score").select("n", "estimate", "low", "high", "method").row(0)
    (200, 33.0, 22.0, 43.5, 'bca')
    """
    call = "nps"
    what = nps_score(call, scale, promoter, detractor)
    design = design_roles(call, cluster, weight, stratum, population)
    return summary(call, answers, what, score, by, missing, method, confidence_level, total, design)


def csat(
    answers: Any,
    *,
    score: str,
    by: By = None,
    scale: tuple[int, int] = (1, 5),
    kind: Kind = "top",
    top: int | None = None,
    missing: Iterable[int] | None = None,
    method: AnyMethod = "bootstrap",
    confidence_level: float = 0.95,
    total: bool = False,
    cluster: Columns = None,
    weight: Column = None,
    stratum: Columns = None,
    population: float | Mapping[Any, float] | None = None,
) -> Any:
    """Customer satisfaction by group, with an interval: per cent of answers on the two best levels.

    Parameters
    ----------
    answers : frame
        One row an answer, in any flavor that an engine knows.
    score : str
        Column of answers, whole numbers on the scale. A null is no answer, and is counted in ``n_null``.
    by : str, expression, or list of both, default None
        Groups, as in :func:`nps`.
    scale : (int, int), default (1, 5)
        Lowest and highest level.
    kind : {"top", "mean"}, default "top"
        Per cent of answers on the best levels, or the mean level.
    top : int, default 2
        How many of the best levels count: a count, not the lowest level that counts (``top=2`` of 1 to 5 is
        4 and 5). Fewer than there are levels; only with ``kind="top"``.
    missing, method, confidence_level, total, cluster, weight, stratum, population
        As in :func:`nps`.

    Returns
    -------
    frame
        One row a group: ``by`` …, ``n``, ``n_null``, ``estimate``, ``low``, ``high``, ``standard_error``
        (per cent, or levels for the mean), ``method``, ``flags``.

    Raises
    ------
    ColumnNotFoundError, InvalidOptionError, InvalidDataError
        As :func:`nps`.

    Notes
    -----
    Cost and intervals as :func:`nps`.

    Examples
    --------
    >>> import polars as pl
    >>> from cxcore.scores import csat
    >>> answers = pl.DataFrame({"score": [5] * 40 + [4] * 30 + [3] * 20 + [1] * 10})
    >>> csat(answers, score="score").select("n", "estimate", "low", "high").row(0)
    (100, 70.0, 60.0, 78.0)
    """
    call = "csat"
    what = scale_score(call, scale, kind, top, default_top=2)
    design = design_roles(call, cluster, weight, stratum, population)
    return summary(call, answers, what, score, by, missing, method, confidence_level, total, design)


def ces(
    answers: Any,
    *,
    score: str,
    by: By = None,
    scale: tuple[int, int] = (1, 7),
    kind: Kind = "mean",
    top: int | None = None,
    missing: Iterable[int] | None = None,
    method: AnyMethod = "bootstrap",
    confidence_level: float = 0.95,
    total: bool = False,
    cluster: Columns = None,
    weight: Column = None,
    stratum: Columns = None,
    population: float | Mapping[Any, float] | None = None,
) -> Any:
    """Customer effort score by group, with an interval: mean level of 'it was easy', 1 to 7.

    Parameters
    ----------
    answers : frame
        One row an answer, in any flavor that an engine knows.
    score : str
        Column of answers, whole numbers on the scale. A null is no answer, and is counted in ``n_null``.
    by : str, expression, or list of both, default None
        Groups, as in :func:`nps`.
    scale : (int, int), default (1, 7)
        Lowest and highest level.
    kind : {"mean", "top"}, default "mean"
        The mean level, or per cent of answers on the best levels.
    top : int, default 3
        How many of the best levels count: a count, not the lowest level that counts (``top=2`` of 1 to 5 is
        4 and 5). Fewer than there are levels; only with ``kind="top"``.
    missing, method, confidence_level, total, cluster, weight, stratum, population
        As in :func:`nps`.

    Returns
    -------
    frame
        One row a group: ``by`` …, ``n``, ``n_null``, ``estimate``, ``low``, ``high``, ``standard_error``
        (levels, or per cent for a top box), ``method``, ``flags``.

    Raises
    ------
    ColumnNotFoundError, InvalidOptionError, InvalidDataError
        As :func:`nps`.

    Notes
    -----
    Cost and intervals as :func:`nps`.

    Examples
    --------
    >>> import polars as pl
    >>> from cxcore.scores import ces
    >>> counts = pl.Series([6, 8, 12, 20, 44, 60, 50])
    >>> answers = pl.DataFrame({"score": range(1, 8)}).select(pl.col("score").repeat_by(counts).explode())
    >>> ces(answers, score="score").select("n", "estimate", "low", "high").row(0)
    (200, 5.34, 5.115, 5.54)
    """
    call = "ces"
    what = scale_score(call, scale, kind, top, default_top=3)
    design = design_roles(call, cluster, weight, stratum, population)
    return summary(call, answers, what, score, by, missing, method, confidence_level, total, design)


def mean_score(
    answers: Any,
    *,
    score: str,
    scale: tuple[int, int],
    by: By = None,
    missing: Iterable[int] | None = None,
    method: AnyMethod = "bootstrap",
    confidence_level: float = 0.95,
    total: bool = False,
    cluster: Columns = None,
    weight: Column = None,
    stratum: Columns = None,
    population: float | Mapping[Any, float] | None = None,
) -> Any:
    """Mean answer on any bounded scale of whole numbers by group, with an interval.

    Parameters
    ----------
    answers : frame
        One row an answer, in any flavor that an engine knows.
    score : str
        Column of answers, whole numbers on the scale. A null is no answer, and is counted in ``n_null``.
    scale : (int, int)
        Lowest and highest level; at most 200 levels.
    by, missing, method, confidence_level, total, cluster, weight, stratum, population
        As in :func:`nps`.

    Returns
    -------
    frame
        One row a group: ``by`` …, ``n``, ``n_null``, ``estimate``, ``low``, ``high``, ``standard_error``
        (levels), ``method``, ``flags``.

    Raises
    ------
    ColumnNotFoundError, InvalidOptionError, InvalidDataError
        As :func:`nps`.

    Notes
    -----
    Cost and intervals as :func:`nps`; the kernel's time grows with the number of levels.

    Examples
    --------
    >>> import polars as pl
    >>> from cxcore.scores import mean_score
    >>> answers = pl.DataFrame({"stars": [5, 4, 4, 3, 5] * 10})
    >>> mean_score(answers, score="stars", scale=(1, 5)).select("estimate", "low", "high").row(0)
    (4.2, 3.98, 4.4)
    """
    call = "mean_score"
    what = mean_level(call, _options.scale(call, scale))
    design = design_roles(call, cluster, weight, stratum, population)
    return summary(call, answers, what, score, by, missing, method, confidence_level, total, design)


# ---------------------------------------------------------------- the one path


def summary(
    call: str,
    answers: Any,
    what: Score,
    score: str,
    by: Any,
    missing: Any,
    method: Any,
    confidence_level: Any,
    total: Any,
    design: DesignRoles,
) -> Any:
    _options.column_name(call, "score", score)
    _options.flag(call, "total", total, "True adds the row of all.")
    by = _options.parts(by)
    has_design = bool(design)
    columns = design_columns(what) if has_design else result_columns(what)
    groups = _options.groups(call, by, [*columns, *(["is_total"] if total else [])]) if by else []
    codes = _options.codes(call, "missing", missing)
    chosen = any_method(call, method, design)
    level = _options.level(call, "confidence_level", confidence_level)
    if total and not groups:
        hint = "say by=, or leave it out."
        raise errors.bad_option(call, "total", total, "there are no groups to add up.", hint)
    engine, frame = open_frame(call, answers)
    names = check_roles(call, engine.columns(frame), {"score": score, "by": by, **design.roles})

    def compute(house: pl.DataFrame, many: Int64 | None = None) -> pl.DataFrame:
        assert isinstance(chosen, Method)
        n_threads = _options.n_threads(call, None) if groups else 1
        last, weights = classes_of(what)
        counted = score_counts(call, house, score, by, what.scale, codes, n_threads, last, many)
        counted = with_total(counted) if total else counted
        return answer_rows(call, what, counted, Sample(counted.counts, weights), chosen, level)

    def drawn(rows: DesignRows) -> pl.DataFrame:
        assert isinstance(chosen, DesignMethod)
        return design_rows_of(what, design_sample(rows, what.weights, design), chosen, level)

    def schema(before: pl.Schema) -> pl.Schema:
        marks = {"is_total": pl.Boolean()} if total else {}
        return pl.Schema({**by_schema(call, before, by), **marks, **columns})

    ways: tuple[Compute, Spread] = compute, partial(by_counts, compute, by)
    if has_design:
        ways = of_design(call, score, by, what.scale, codes, design, drawn, by, what.weights, total=total)
    return engine.summary(call, frame, names, ways[0], schema, ways[1])


def any_method(call: str, method: Any, design: DesignRoles) -> Method | DesignMethod:
    """What ``method=`` means: one of independent answers, or one of the design."""
    return design_method_for(call, method, design) if design else plain_method_for(call, method)


def plain_method_for(call: str, method: Any) -> Method:
    """The method of independent answers that a word or an object means."""
    of_design = isinstance(method, str) and method in DESIGN_METHODS and method not in METHODS
    if of_design or isinstance(method, DesignMethod):
        raise errors.design_method(call, method)
    return method_for(call, method)
