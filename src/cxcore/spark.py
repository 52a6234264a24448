"""cxcore in Spark SQL: ``register(spark)`` gives a session ``cx_nps(score)``, ``cx_nps_ci(score)`` and more.

Each is an aggregate that a Python worker answers once a group, out of the group's answers as Arrow. Who has
the DataFrame takes the verbs: :func:`cxcore.nps` of a Spark DataFrame counts inside Spark, which is faster.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import polars as pl

from cxcore import _options, errors
from cxcore._answers import score_counts
from cxcore._score_weights import NPS, Score, classes_of, scale_score
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


def register(spark: Any) -> None:
    """Make the SQL functions of cxcore callable in a Spark session.

    ``cx_nps(score)``; ``cx_csat(score)`` and ``cx_ces(score)``, with their scale where it is another, such as
    ``cx_csat(score, 1, 10)``; and ``cx_nps_ci(score)``, ``cx_csat_ci``, ``cx_ces_ci``: a struct of
    ``estimate``, ``low``, ``high``, ``standard_error``, ``n``, ``method`` and ``flags``, with the interval of
    the default method at 95 %. Aggregates, with ``GROUP BY`` or ``OVER``; nulls are no answers, and NULL
    comes where nobody in a group answered. Calling it again changes nothing.

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


# ---------------------------------------------------------------- in the workers


def _score(call: str, ends: tuple[Any, ...]) -> Score:
    """The score of a call; ``ends`` are those of its scale, constant in each group."""
    name = call.removesuffix("_ci")
    if name == "cx_nps":
        return NPS
    kind, low, high, top = _SCALES[name]
    if ends:
        low, high = (end[0].as_py() for end in ends)
    return scale_score(call, (low, high), kind, None, default_top=top)


def _sample(call: str, what: Score, answers: Any) -> Sample:
    """The answers of one group, counted."""
    last, weights = classes_of(what)
    house = pl.DataFrame({"score": pl.Series("score", answers)})
    return Sample(score_counts(call, house, "score", None, what.scale, (), 1, last).counts, weights)


def _point(call: str) -> Callable[..., float | None]:
    def score(answers: Any, *ends: Any) -> float | None:
        what = _score(call, ends)
        sample = _sample(call, what, answers)
        return float(sample.estimate[0] * what.factor) if sample.n[0] else None

    return score


def _interval(call: str) -> Callable[..., Any]:
    def score(answers: Any, *ends: Any) -> Any:
        import pyarrow as pa

        what = _score(call, ends)
        sample = _sample(call, what, answers)
        kinds = [*((name, pa.float64()) for name in _NUMBERS), ("n", pa.int64())]
        kinds += [(name, pa.string()) for name in ("method", "flags")]
        if not sample.n[0]:
            return pa.scalar(None, pa.struct(kinds))
        method = method_for(call, "bootstrap")
        numbers = numbers_of(sample, _options.level(call, "level", 0.95), method)
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
