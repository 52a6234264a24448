"""The Monte Carlo bootstrap of any statistic of the counts: what has no exact law here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cxcore import _options, errors
from cxcore.intervals.base import Float64, Int64, Sample, Unguarded

#: resamples that the statistic gets at once
_BLOCK = 4_096


@dataclass(frozen=True, slots=True)
class MonteCarlo(Unguarded):
    """Percentile bootstrap, by drawing, of a statistic of your own: a median, a ratio, an index.

    The answers of a group are drawn again ``n_resamples`` times, as counts (multinomial over the weights of
    the score), and the statistic of each is what the score would have been. Its value of the answers
    themselves is the column ``estimate``, and the standard deviation over the resamples ``standard_error``.

    The draws of a group are keyed by ``rng`` and its own counts: they depend on no thread, batch, order of
    rows or other group, equal counts give equal numbers, and fewer resamples are the first of more. Never
    guarded: a bootstrap knows what was seen alone.

    Parameters
    ----------
    statistic : callable
        ``statistic(counts, weights)`` of int64[n, n_weights], a sample a row, and int64[n_weights],
        ascending: float64[n], one finite number a row. In units of the weights, which for NPS (-1, 0, 1) and
        a top box (0, 1) the verb multiplies by 100; ``mean_score`` has the levels themselves as weights.
    n_resamples : int, default 9_999
        Resamples of each group, 100 or more.
    rng : int, default 0
        Seed of the draws, 0 or more.

    Notes
    -----
    2 ms a group and 10,000 resamples of NPS, and what the statistic takes. For a score itself ``percentile``
    gives the limit of infinitely many resamples, in 10 µs. The tail of alpha / 2 is counted, not
    interpolated: low is the least value at or below which that share lies.

    Examples
    --------
    >>> import numpy as np
    >>> import polars as pl
    >>> import cxcore as cx
    >>> def median(counts, weights):
    ...     half = counts.sum(axis=1, keepdims=True) / 2
    ...     return weights[(counts.cumsum(axis=1) >= half).argmax(axis=1)]
    >>> answers = pl.DataFrame({"stars": [1] * 20 + [2] * 15 + [3] * 10 + [4] * 40 + [5] * 15})
    >>> method = cx.intervals.MonteCarlo(median)
    >>> found = cx.mean_score(answers, score="stars", scale=(1, 5), method=method)
    >>> found.select("estimate", "low", "high", "method").row(0)
    (4.0, 3.0, 4.0, 'monte_carlo')
    """

    statistic: Callable[[Int64, Int64], Float64]
    n_resamples: int = 9_999
    rng: int = 0
    name = "monte_carlo"

    def __post_init__(self) -> None:
        if not callable(self.statistic):
            problem, hint = "is no function.", "such as a function of counts and weights."
            raise errors.bad_option("MonteCarlo", "statistic", self.statistic, problem, hint)
        _options.whole("MonteCarlo", "n_resamples", self.n_resamples, 100, 10**8)
        _options.whole("MonteCarlo", "rng", self.rng, 0)

    def limits(self, sample: Sample, alpha: float) -> tuple[Float64, Float64]:
        _, low, high, _ = self.numbers(sample, alpha)
        return low, high

    def numbers(self, sample: Sample, alpha: float) -> tuple[Float64, Float64, Float64, Float64]:
        estimate, low, high, error = np.full((4, len(sample.counts)), np.nan)
        answered = sample.n > 0
        if answered.any():
            estimate[answered] = self._of(sample.counts[answered], sample.weights)
        for g in np.flatnonzero(answered):
            drawn = self._drawn(sample.counts[g], sample.weights)
            tail = min(max(int(np.ceil(alpha / 2 * len(drawn) * (1 - 1e-9))), 1), len(drawn)) - 1
            ordered = np.partition(drawn, [tail, len(drawn) - 1 - tail])
            low[g], high[g], error[g] = ordered[tail], ordered[len(drawn) - 1 - tail], drawn.std()
        return estimate, low, high, error

    def _drawn(self, counts: Int64, weights: Int64) -> Float64:
        """The statistic of each resample."""
        stream = np.random.default_rng([self.rng, *counts.tolist(), *(weights - weights[0]).tolist()])
        n = int(counts.sum())
        found = []
        for start in range(0, self.n_resamples, _BLOCK):
            drawn = stream.multinomial(n, counts / n, size=min(_BLOCK, self.n_resamples - start))
            found.append(self._of(drawn, weights))
        return np.concatenate(found)

    def _of(self, counts: Int64, weights: Int64) -> Float64:
        value = np.asarray(self.statistic(counts, weights))
        if value.shape != (len(counts),) or value.dtype.kind not in "biuf":
            problem = f"gave {value.dtype} of shape {value.shape} for {len(counts):,} rows of counts."
            hint = "give one number for each row, such as counts @ weights / counts.sum(axis=1)."
            raise errors.bad_option("MonteCarlo", "statistic", self.statistic, problem, hint)
        found = value.astype(np.float64)
        if not np.isfinite(found).all():
            first = int(np.argmin(np.isfinite(found)))
            problem = f"gave {found[first]} for the counts {counts[first].tolist()}."
            hint = "say what it is where a level has no answers."
            raise errors.bad_option("MonteCarlo", "statistic", self.statistic, problem, hint)
        return found
