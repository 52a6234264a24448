"""Intervals of a mean of weights from counts. One file a method, one line in ``METHODS``."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import ArrayLike

from cxcore import _options, errors
from cxcore.intervals.adjusted_wald import AdjustedWald
from cxcore.intervals.always_valid import AlwaysValid
from cxcore.intervals.base import ENOUGH_OUTSIDE, FLAGS, Float64, Int64, Method, Sample
from cxcore.intervals.basic import Basic
from cxcore.intervals.bayesian import Bayesian
from cxcore.intervals.bca import Bca
from cxcore.intervals.bootstrap import Bootstrap
from cxcore.intervals.expanded import Expanded
from cxcore.intervals.monte_carlo import MonteCarlo
from cxcore.intervals.percentile import Percentile
from cxcore.intervals.score import ScoreInterval
from cxcore.intervals.score_n_minus_1 import ScoreNMinus1
from cxcore.intervals.studentized import Studentized
from cxcore.intervals.wald import Wald

__all__ = [
    "FLAGS",
    "METHODS",
    "AdjustedWald",
    "AlwaysValid",
    "Basic",
    "Bayesian",
    "Bca",
    "Bootstrap",
    "Expanded",
    "Intervals",
    "Method",
    "MonteCarlo",
    "Percentile",
    "Sample",
    "ScoreInterval",
    "ScoreNMinus1",
    "Studentized",
    "Wald",
    "interval_of",
    "method_for",
]

MethodName = Literal[
    "bootstrap",
    "bca",
    "percentile",
    "score",
    "score_n_minus_1",
    "basic",
    "expanded",
    "studentized",
    "bayesian",
    "wald",
    "adjusted_wald",
    "always_valid",
]

#: word -> the method with its default options
METHODS: dict[str, Method] = {
    "bootstrap": Bootstrap(),
    "bca": Bca(),
    "percentile": Percentile(),
    "score": ScoreInterval(),
    "score_n_minus_1": ScoreNMinus1(),
    "basic": Basic(),
    "expanded": Expanded(),
    "studentized": Studentized(),
    "bayesian": Bayesian(),
    "wald": Wald(),
    "adjusted_wald": AdjustedWald(),
    "always_valid": AlwaysValid(),
}


#: what one group may hold: answers, and weights between its ends, so that the kernels' products fit int64
_MOST_ANSWERS, _MOST_SPAN = 10**10, 1_000

#: the bit of each word in a code of flags
FLAG_BIT = {word: 1 << at for at, word in enumerate(FLAGS)}


def method_for(call: str, value: Any) -> Method:
    """The method that a word or an object means."""
    if isinstance(value, str) and value in METHODS:
        return METHODS[value]
    if isinstance(value, Method):
        return value
    raise errors.unknown_word(call, "method", value, METHODS)


@dataclass(frozen=True, slots=True)
class Intervals:
    """One interval a group, in weight units.

    Attributes
    ----------
    n : int64[n_groups]
        Answers.
    estimate, low, high, standard_error : float64[n_groups]
        NaN where a group has no answer. The standard error is that of the bootstrap law: the standard
        deviation of the weights (divisor n) over the root of n.
    method : Series of String
        The word of the method that gave each interval; null where there is none.
    flags : Series of String
        Words of ``FLAGS``, joined by commas; empty where there is nothing to say.
    """

    n: Int64
    estimate: Float64
    low: Float64
    high: Float64
    standard_error: Float64
    method: pl.Series
    flags: pl.Series


def interval_of(
    counts: ArrayLike,
    weights: ArrayLike,
    *,
    confidence_level: float = 0.95,
    method: MethodName | Method = "bootstrap",
) -> Intervals:
    """Interval of the mean weight of each group, from counts alone.

    Parameters
    ----------
    counts : int64[n_groups, n_levels]
        Answers of each group at each level of the scale, also levels that nobody chose.
    weights : int64[n_levels]
        Whole weight of each level; levels of equal weight are put together. For NPS -1, 0 and +1.
    confidence_level : float, default 0.95
        Between 0 and 1.
    method : str or Method, default "bootstrap"
        A word of ``METHODS``, or an object that carries its own options.

    Returns
    -------
    Intervals
        In weight units: times 100 for points of NPS or per cent of a top box.

    Raises
    ------
    InvalidOptionError
        The method or the level is not one.

    Notes
    -----
    1 to 20 µs a group for any number of answers; takes no frame and holds the GIL only between kernels.

    Examples
    --------
    >>> from cxcore.intervals import interval_of
    >>> answer = interval_of([[38, 58, 104]], [-1, 0, 1])
    >>> answer.low, answer.high, answer.method[0]
    (array([0.22]), array([0.435]), 'bca')
    """
    call = "interval_of"
    level = _options.level(call, "confidence_level", confidence_level)
    chosen = method_for(call, method)
    return intervals_of(call, _sample(call, counts, weights), level, chosen)


def _sample(call: str, counts: ArrayLike, weights: ArrayLike) -> Sample:
    """Counts and weights of any caller, within what the kernels count in int64."""
    table = _options.whole_numbers(call, "counts", counts, 2, 0, _MOST_ANSWERS)
    weight = _options.whole_numbers(call, "weights", weights, 1, -10_000, 10_000)
    if len(weight) < 2 or np.ptp(weight) > _MOST_SPAN or np.ptp(weight) == 0:
        problem = f"takes 2 weights or more, not all alike, and at most {_MOST_SPAN:,} apart."
        raise errors.bad_option(call, "weights", weights, problem, "such as [-1, 0, 1].")
    if table.shape[1] != len(weight):
        problem = f"{table.shape[1]} levels, but {len(weight)} weights."
        raise errors.bad_option(call, "counts", counts, problem, "give a count for each weight.")
    if len(table) and table.sum(axis=1).max() > _MOST_ANSWERS:
        problem = f"a group has at most {_MOST_ANSWERS:,} answers."
        raise errors.bad_option(call, "counts", counts, problem, "check where they come from.")
    return sample_of(table, tuple(weight.tolist()))


def intervals_of(call: str, sample: Sample, confidence_level: float, method: Method) -> Intervals:
    """The same for options that are checked; warns in the name of the call."""
    numbers = numbers_of(sample, confidence_level, method)
    used, flags = words_of(call, sample, method)
    return Intervals(
        sample.n, *numbers, pl.Series("method", used, pl.String), pl.Series("flags", flags, pl.String)
    )


def numbers_of(
    sample: Sample, confidence_level: float, method: Method
) -> tuple[Float64, Float64, Float64, Float64]:
    """Estimate, low, high and standard error of each group, without a frame: a single group costs little."""
    return method.numbers(sample, 1.0 - confidence_level)


def sample_of(counts: Int64, weights: tuple[int, ...]) -> Sample:
    """Counts by distinct weight, ascending, out of counts by level."""
    distinct, order, first = _classes(weights)
    return Sample(np.add.reduceat(counts.take(order, axis=1), first, axis=1), distinct)


@lru_cache
def _classes(weights: tuple[int, ...]) -> tuple[Int64, Int64, Int64]:
    """Distinct weights, ascending; the levels in that order; where in it each weight begins."""
    order = np.argsort(weights, kind="stable")
    distinct, first = np.unique(np.array(weights, dtype=np.int64)[order], return_index=True)
    distinct.flags.writeable = False  # shared by every sample of these weights
    return distinct, order, first


def flag_texts(words: list[set[str]]) -> list[str]:
    """Text of the column ``flags`` for each set of words."""
    return [flag_text(sum(FLAG_BIT[word] for word in some)) for some in words]


@lru_cache(maxsize=4096)
def flag_text(code: int) -> str:
    """Text of the column ``flags`` for a set of flags."""
    return ",".join(word for word in FLAGS if code & FLAG_BIT[word])


def words_of(call: str, sample: Sample, method: Method) -> tuple[list[str | None], list[str]]:
    """Of each group the method that gave its interval, and its flags; warns in the name of the call."""
    n, code = sample.n, sample.flags
    for word, where in method.marks(sample).items():
        if not np.count_nonzero(where):  # `any` costs tenfold for one group
            continue
        if word == "thin_support":
            text = errors.thin_support(call, method.name, int(where.sum()), len(n), ENOUGH_OUTSIDE)
            warnings.warn(text, errors.DegenerateDataWarning, stacklevel=2)
        code = code | where * FLAG_BIT.get(word, 0)
    used: list[str | None] = [*method.used(sample)]
    if not sample.fewest:
        used = [word if some else None for word, some in zip(used, n.tolist(), strict=True)]
    return used, [flag_text(one) for one in code.tolist()]
