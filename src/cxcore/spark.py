"""cxcore in Spark SQL: ``register(spark)`` gives a session ``cx_nps(score)``, ``cx_sessionize(TABLE(…))``, …

Each score is an aggregate that a Python worker answers once a group, out of the group's answers as Arrow. Who
has the DataFrame takes the verbs: :func:`cxcore.nps` of a Spark DataFrame counts inside Spark, which is
faster.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import polars as pl

from cxcore import _options, _spark_tables, errors
from cxcore._answers import score_counts
from cxcore._score_weights import NPS, Score, classes_of, scale_score
from cxcore._spark_words import spark_words
from cxcore.intervals import Sample, method_for, numbers_of, words_of

__all__ = ["register"]

_CALL = "spark.register"
_NUMBERS = ("estimate", "low", "high", "standard_error")
#: what ``cx_…_ci`` gives, as ``cx.…_ci`` in DuckDB does
_INTERVAL = (
    "struct<estimate: double, low: double, high: double, standard_error: double, "
    "n: bigint, method: string, flags: string>"
)
#: call -> kind, lowest and highest level, and how many of the best levels count
_SCALES: dict[str, tuple[str, int, int, int]] = {"cx_csat": ("top", 1, 5, 2), "cx_ces": ("mean", 1, 7, 3)}
#: call -> what it takes behind the score, and how to write that
_TAKES = {
    "cx_nps": ("NPS is defined on 0 to 10, and nothing stands behind the score.", "cx_nps(score)"),
    "cx_nps_ci": (
        "NPS is defined on 0 to 10, and the confidence level alone stands behind the score.",
        "cx_nps_ci(score), or cx_nps_ci(score, 0.9); other methods are for cx.nps of the DataFrame",
    ),
    **{
        name: ("two whole numbers stand behind the score, its scale, or nothing.", f"{name}(score, 1, 10)")
        for name in _SCALES
    },
    **{
        f"{name}_ci": (
            "the scale and the confidence level stand behind the score, or one of them, or nothing.",
            f"{name}_ci(score, 0.9), {name}_ci(score, 1, 10) or {name}_ci(score, 1, 10, 0.9); "
            f"other methods are for cx.{name[3:]} of the DataFrame",
        )
        for name in _SCALES
    },
}


def register(spark: Any) -> None:
    """Make the SQL functions of cxcore callable in a Spark session.

    ``cx_nps(score)``; ``cx_csat(score)`` and ``cx_ces(score)``, with their scale where it is another, such as
    ``cx_csat(score, 1, 10)``; and ``cx_nps_ci(score)``, ``cx_csat_ci``, ``cx_ces_ci``: a struct of
    ``estimate``, ``low``, ``high``, ``standard_error``, ``n``, ``method`` and ``flags``, with the interval of
    the default method at 95 %, or at the level that comes last, such as ``cx_nps_ci(score, 0.9)`` and
    ``cx_csat_ci(score, 1, 10, 0.9)``. Aggregates, with ``GROUP BY`` or ``OVER``; nulls are no answers,
    and NULL comes where nobody in a group answered.

    ``cx_sessionize(TABLE(events), 'user_id', 'ts', '30m')`` gives the rows of a table with their sessions,
    ``cx_sessions(…)`` a row for each session, with the arguments of :func:`cxcore.sessionize` and
    :func:`cxcore.sessions` by name, such as ``max_events => 50``; ``user_col``, ``time_col`` and
    ``order_col`` name the columns that ``user``, ``time`` and ``order`` do. Calling ``register`` again
    changes nothing.

    Parameters
    ----------
    spark : pyspark.sql.SparkSession
        A session of PySpark 4.1 or later, classic or Connect.

    Raises
    ------
    MissingDependencyError
        PySpark is older, or not installed.
    InvalidOptionError
        ``spark`` is no session.

    Notes
    -----
    A group is one call of Python, and its answers come to one worker, whose memory holds them. ``cxcore``
    must be installed where the workers run. Without ``GROUP BY`` Spark gives no row where there is none.

    Examples
    --------
    The functions need a running Spark: docs/how-to/spark.md.
    """
    try:
        from pyspark.sql.functions import ArrowUDFType, arrow_udf
    except ImportError as error:
        raise errors.missing_dependency(_CALL, "pyspark 4.1", "spark") from error
    if not hasattr(spark, "udf"):
        hint = "pass what SparkSession.builder.getOrCreate() gave."
        raise errors.bad_option(_CALL, "spark", spark, "not a Spark session.", hint)
    with warnings.catch_warnings():  # hints would have to name pyarrow, which is not there yet
        warnings.filterwarnings("ignore", message="It is preferred to specify type hints")
        for name, function in FUNCTIONS.items():
            gives = _INTERVAL if name.endswith("_ci") else "double"
            spark.udf.register(name, arrow_udf(function, gives, ArrowUDFType.GROUPED_AGG))
    _spark_tables.register(spark)


# ---------------------------------------------------------------- in the workers


def _asked(call: str, n_answers: int, arguments: tuple[Any, ...]) -> tuple[Score, float] | None:
    """The score of a call and its level, by what stands behind the score; None: no row to read that from."""
    name, with_level = call.removesuffix("_ci"), call.endswith("_ci")
    n_ends = 2 if name in _SCALES and len(arguments) > 1 else 0
    if not n_answers and n_ends <= len(arguments) <= n_ends + with_level:
        return None  # an empty frame of OVER
    columns = [argument.unique().to_pylist() for argument in arguments]
    values = [float(one) if isinstance(one := column[0], Decimal) else one for column in columns if column]
    *ends, level = values if len(values) > n_ends else (*values, 0.95)
    try:
        if len(ends) != n_ends or (len(values) > n_ends and not with_level):
            raise errors.bad_option(call, "values", values, _TAKES[call][0], "")
        if any(len(column) > 1 for column in columns):
            raise errors.bad_option(call, "values", values, "what stands behind the score changes.", "")
        what = NPS
        if name in _SCALES:
            kind, low, high, top = _SCALES[name]
            what = scale_score(call, tuple(ends) or (low, high), kind, None, default_top=top)
        return what, _options.level(call, "level", level)
    except errors.InvalidOptionError as error:
        raise errors.sql_arguments(call, values, error, _TAKES[call][1]) from None


def _sample(call: str, what: Score, answers: Any) -> Sample:
    """The answers of one group, counted."""
    last, weights = classes_of(what)
    house = pl.DataFrame({"score": pl.Series("score", answers)})
    with spark_words(call):
        return Sample(score_counts(call, house, "score", None, what.scale, (), 1, last).counts, weights)


def _point(call: str) -> Callable[..., float | None]:
    def score(answers: Any, *arguments: Any) -> float | None:
        asked = _asked(call, len(answers), arguments)
        if asked is None:
            return None
        sample = _sample(call, asked[0], answers)
        return float(sample.estimate[0] * asked[0].factor) if sample.n[0] else None

    return score


def _interval(call: str) -> Callable[..., Any]:
    def score(answers: Any, *arguments: Any) -> Any:
        import pyarrow as pa

        kinds = [*((name, pa.float64()) for name in _NUMBERS), ("n", pa.int64())]
        kinds += [(name, pa.string()) for name in ("method", "flags")]
        asked = _asked(call, len(answers), arguments)
        if asked is None:
            return pa.scalar(None, pa.struct(kinds))
        what, level = asked
        sample = _sample(call, what, answers)
        if not sample.n[0]:
            return pa.scalar(None, pa.struct(kinds))
        method = method_for(call, "bootstrap")
        numbers = numbers_of(sample, level, method)
        used, flags = words_of(call, sample, method)
        scaled = {name: float(x[0]) * what.factor for name, x in zip(_NUMBERS, numbers, strict=True)}
        found = {**scaled, "n": int(sample.n[0]), "method": used[0], "flags": flags[0]}
        return pa.scalar(found, pa.struct(kinds))

    return score


def _functions() -> Iterator[tuple[str, Callable[..., Any]]]:
    for name in ("cx_nps", *_SCALES):
        yield name, _point(name)
        yield f"{name}_ci", _interval(f"{name}_ci")


#: every SQL function and what a worker runs
FUNCTIONS: dict[str, Callable[..., Any]] = dict(_functions())
