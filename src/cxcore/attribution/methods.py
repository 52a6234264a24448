"""How sure the credit is: by formula, or from customers drawn again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, ClassVar, Literal, NamedTuple, get_args

import numpy as np

from cxcore import _options
from cxcore._columns import Float64
from cxcore.attribution.sample import ROUNDING, Contrasts, Sample

_NORMAL = NormalDist()
#: contrasts whose replicates are sorted at once
_HELD = 256
#: a row of numbers each is held
_MOST_REPLICATES = 1_000_000

Kind = Literal["percentile", "bca"]


class Limits(NamedTuple):
    """By contrast: standard error, both ends of the interval, and the probability that it is above 0."""

    standard_error: Float64
    low: Float64
    high: Float64
    above: Float64


class ErrorMethod(ABC):
    """One way from customers to intervals. Options are the fields of a frozen dataclass."""

    #: the word for it in ``method=``
    word: ClassVar[str]
    #: does it draw customers, those who never converted too?
    draws: ClassVar[bool] = False

    @property
    def learns(self) -> bool:
        """Does it ask what one customer changes?"""
        return False

    @abstractmethod
    def limits(self, sample: Sample, contrasts: Contrasts, level: float, seed: int) -> Limits:
        """Standard errors and intervals of some numbers; NaN where there is none."""

    def seed(self) -> int:
        """Of one call: all its groups draw customers alike."""
        return 0


@dataclass(frozen=True)
class Analytic(ErrorMethod):
    """Standard errors by the delta method, clustered by customer, and normal intervals.

    The variance is n / (n - 1) times the sum of squares of what each customer changes in the credit, less
    their mean, over all n customers with a touch or a conversion.

    Notes
    -----
    One pass over the journeys, O(touches times channels) for models that learn from all of them. Intervals
    are symmetric, and can reach below 0 where a channel earned a handful of conversions.
    """

    word: ClassVar[str] = "analytic"

    @property
    def learns(self) -> bool:
        return True

    def limits(self, sample: Sample, contrasts: Contrasts, level: float, seed: int) -> Limits:
        n = sample.n
        squares = sample.squares(contrasts)
        error = np.sqrt(squares * (n / (n - 1.0))) if n > 1 else np.full(len(contrasts), np.nan)
        center = contrasts.of(sample.estimates)
        reach = _NORMAL.inv_cdf((1.0 + level) / 2.0) * error
        with np.errstate(divide="ignore", invalid="ignore"):
            z = np.where(center == 0.0, 0.0, center / error)
        above = np.where(np.isnan(error), np.nan, _cdf(z))
        return Limits(error, center - reach, center + reach, above)


@dataclass(frozen=True)
class Bootstrap(ErrorMethod):
    """Intervals from customers drawn again, each a Poisson number of times.

    Parameters
    ----------
    replicates : int, default 1_000
        How often all customers are drawn; 100 to 1,000,000.
    kind : {"percentile", "bca"}, default "percentile"
        Ends of the interval: quantiles of the replicates, or those corrected for bias and skewness (Efron
        1987), which needs a model that says what one customer changes.
    rng : None, int, SeedSequence or Generator, default None
        Where the seed comes from; the same seed gives the same replicates.

    Raises
    ------
    InvalidOptionError
        An option cannot take its value.

    Notes
    -----
    How often a replicate draws a customer is a function of seed, replicate and the customer's canonical key
    alone, whatever the order of rows, the engine and the number of threads. Every replicate is scaled to the
    number of customers. Cost is that of the credit times the replicates; models of touches cost a sum over
    the touches with credit.

    Examples
    --------
    >>> from cxcore.attribution import Bootstrap
    >>> Bootstrap(replicates=2_000, kind="bca", rng=1).kind
    'bca'
    """

    word: ClassVar[str] = "bootstrap"
    draws: ClassVar[bool] = True
    replicates: int = 1_000
    kind: Kind = "percentile"
    rng: Any = None

    def __post_init__(self) -> None:
        _options.whole("Bootstrap", "replicates", self.replicates, 100, _MOST_REPLICATES)
        _options.word("Bootstrap", "kind", self.kind, get_args(Kind))
        if not isinstance(self.rng, np.random.Generator):
            _options.generator("Bootstrap", self.rng)

    @property
    def learns(self) -> bool:
        return self.kind == "bca"

    def seed(self) -> int:
        return int(_options.generator("Bootstrap", self.rng).integers(0, 2**64, dtype=np.uint64))

    def limits(self, sample: Sample, contrasts: Contrasts, level: float, seed: int) -> Limits:
        draws = sample.replicates(seed, self.replicates)
        center = contrasts.of(sample.estimates)
        ends = np.tile([(1.0 - level) / 2.0, (1.0 + level) / 2.0], (len(contrasts), 1))
        powers = sample.powers(contrasts) if self.kind == "bca" else None
        parts = []
        for first in range(0, max(len(contrasts), 1), _HELD):
            some = slice(first, first + _HELD)
            drawn, at = contrasts.some(some).of(draws), ends[some]
            if powers is not None:
                size = contrasts.some(some).size_of(sample.estimates)
                at = _corrected(drawn, center[some], size, powers[some], at)
            parts.append(_limits_of(drawn, at))
        return Limits(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _limits_of(drawn: Float64, at: Float64) -> Limits:
    """Of draws [n_replicates, n], with the ends of the interval at these quantiles [n, 2].

    A share of no conversions is no number; replicates without one do not count.
    """
    drawn = np.sort(drawn, axis=0)  # no number comes last
    n = (~np.isnan(drawn)).sum(axis=0)
    place = np.nan_to_num(at) * np.maximum(n - 1, 0)[:, None]
    below = np.floor(place).astype(np.int64)
    item = np.arange(drawn.shape[1])[:, None]
    lower = drawn[below, item]
    upper = drawn[np.minimum(below + 1, np.maximum(n - 1, 0)[:, None]), item]
    ends = lower + (upper - lower) * (place - below)
    with np.errstate(divide="ignore", invalid="ignore"):
        above = ((drawn > 0).sum(axis=0) + (drawn == 0).sum(axis=0) / 2.0) / n
        mean = np.nansum(drawn, axis=0) / n
        error = np.sqrt(np.nansum((drawn - mean) ** 2, axis=0) / (n - 1))
    return Limits(np.where(n > 1, error, np.nan), ends[:, 0], ends[:, 1], above)


def _corrected(drawn: Float64, center: Float64, size: Float64, powers: Float64, at: Float64) -> Float64:
    """Quantiles of BCa (Efron 1987): the bias at mid-rank, the acceleration from the influences.

    ``size``: of what the center is a difference of, whose rounding tells no replicate from it.
    """
    equal = abs(drawn - center) <= ROUNDING * (abs(drawn) + size)
    rank = ((drawn < center) & ~equal).mean(axis=0) + equal.mean(axis=0) / 2.0
    tip = 0.5 / len(drawn)
    bias = _inverse(np.clip(rank, tip, 1.0 - tip))[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        skew = np.where(powers[:, 0] > 0.0, powers[:, 1] / powers[:, 0] ** 1.5 / 6.0, 0.0)[:, None]
    z = bias + _inverse(at)
    return np.asarray(_cdf(bias + z / (1.0 - skew * z)), np.float64)


_cdf = np.vectorize(_NORMAL.cdf, otypes=[np.float64])
_inverse = np.vectorize(_NORMAL.inv_cdf, otypes=[np.float64])

#: word -> the method with its default options
METHODS: dict[str, ErrorMethod] = {method.word: method for method in (Analytic(), Bootstrap())}
