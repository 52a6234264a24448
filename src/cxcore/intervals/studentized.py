"""The studentized bootstrap (bootstrap-t): resamples in units of their own standard error."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from cxcore import _options
from cxcore.intervals.base import Float64, Int64, Sample, Unguarded

#: possible resamples up to which all of them are looked at; NPS reaches it at 199 answers
_MOST_RESAMPLES = 20_000
#: as the exact bootstraps: a probability that misses its tail by less counts as a tie
_TIE = 1e-9


@dataclass(frozen=True, slots=True)
class Studentized(Unguarded):
    """Bootstrap-t interval: the estimate less quantiles of (mean* - mean) / se* in standard errors.

    Exact where the sample has at most 20,000 distinct resamples (NPS: 199 answers), by their multinomial
    probabilities. Beyond, ``n_resamples`` are drawn, from a stream that is keyed by ``rng`` and the counts of
    the sample: equal counts give equal intervals, whatever the other groups, the order of rows or the
    threads. A resample without spread is infinitely many standard errors away, so the ends are clipped to the
    scale. Never guarded.

    Parameters
    ----------
    n_resamples : int, default 9_999
        Resamples where they are drawn.
    rng : int, default 0
        Seed of the draws.

    Notes
    -----
    1 to 4 ms a group. Davison and Hinkley, *Bootstrap Methods and their Application* (1997), section 5.2.
    """

    n_resamples: int = 9_999
    rng: int = 0
    name = "studentized"

    def __post_init__(self) -> None:
        _options.whole("Studentized", "n_resamples", self.n_resamples, 100, 10**8)
        _options.whole("Studentized", "rng", self.rng, 0)

    def limits(self, sample: Sample, alpha: float) -> tuple[Float64, Float64]:
        low, high = np.full((2, len(sample.counts)), np.nan)
        for g, n in enumerate(sample.n.tolist()):
            if n:
                t_low, t_high = self._quantiles(sample.counts[g], sample.weights, alpha / 2)
                low[g] = _end(sample.estimate[g], t_high, sample.standard_error[g])
                high[g] = _end(sample.estimate[g], t_low, sample.standard_error[g])
        bottom, top = sample.weights[0], sample.weights[-1]
        return np.clip(low, bottom, top), np.clip(high, bottom, top)

    def _quantiles(self, counts: Int64, weights: Int64, tail: float) -> tuple[float, float]:
        seen = counts > 0
        counts, weights = counts[seen], weights[seen]
        n, k = int(counts.sum()), len(counts)
        if math.comb(n + k - 1, k - 1) <= _MOST_RESAMPLES:
            drawn, log_ways = _every_resample(n, k)
            chance = np.exp(log_ways + drawn @ np.log(counts / n))
        else:
            stream = np.random.default_rng([self.rng, *counts.tolist(), *(weights - weights[0]).tolist()])
            drawn = stream.multinomial(n, counts / n, size=self.n_resamples)
            chance = np.full(self.n_resamples, 1 / self.n_resamples)
        t = _pivots(drawn, weights - counts @ weights / n, n)
        order = np.argsort(t, kind="stable")
        t, chance = t[order], chance[order]
        wanted = tail * (1 - _TIE)
        at_low = int(np.searchsorted(np.cumsum(chance), wanted))
        at_high = len(t) - 1 - int(np.searchsorted(np.cumsum(chance[::-1]), wanted))
        return float(t[min(at_low, len(t) - 1)]), float(t[max(at_high, 0)])


def _end(estimate: float, t: float, error: float) -> float:
    return estimate - t * error if error else estimate  # all alike: no spread, however far the pivot


def _pivots(drawn: Int64, away: Float64, n: int) -> Float64:
    """(mean* - mean) / se* of each resample, ``away`` the weights less the mean; infinite without spread."""
    mean = drawn @ away / n
    spread = np.where((drawn == n).any(axis=1), 0.0, drawn @ away**2 / n - mean**2)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.abs(mean) < 1e-12, 0.0, mean / np.sqrt(spread / n))


@lru_cache(maxsize=8)
def _every_resample(n: int, k: int) -> tuple[Int64, Float64]:
    """All ways to share n draws among k levels, int64[n_ways, k], and log multinomial coefficients."""
    table = np.zeros((1, 0), dtype=np.int64)
    for _ in range(k - 1):
        left = n - table.sum(axis=1)
        which = np.repeat(np.arange(len(table)), left + 1)
        count = np.arange(len(which)) - np.repeat(np.cumsum(left + 1) - left - 1, left + 1)
        table = np.column_stack([table[which], count])
    table = np.column_stack([table, n - table.sum(axis=1)])
    log_factorial = np.array([math.lgamma(i + 1) for i in range(n + 1)])
    log_ways = log_factorial[n] - log_factorial[table].sum(axis=1)
    table.flags.writeable = log_ways.flags.writeable = False  # shared by every sample of this size
    return table, log_ways
