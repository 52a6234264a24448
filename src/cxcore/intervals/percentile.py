"""The exact percentile bootstrap: the ideal bootstrap law of infinitely many resamples, without one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cxcore._ext import scores as kernels
from cxcore.intervals.base import Float64, Sample, Unguarded


@dataclass(frozen=True, slots=True)
class Percentile(Unguarded):
    """Percentile interval of the exact bootstrap law.

    Low is the smallest attainable mean at or below which at least ``alpha / 2`` of the law lies, high the
    largest at or above which at least ``alpha / 2`` lies, so that turning the scale round turns the interval
    round. Never guarded: near the end of the scale it is too short (docs/explanation/scores.md).

    Notes
    -----
    2 to 4 µs a group, for any number of answers. Law: ``_ext/include/cxcore/lattice.hpp``.
    """

    name = "percentile"

    def limits(self, sample: Sample, alpha: float | Float64) -> tuple[Float64, Float64]:
        n = len(sample.counts)
        low, high, level = np.empty(n), np.empty(n), np.empty(n)
        level[:] = alpha
        kernels.resample_interval(sample.counts, sample.weights, level, False, low, high)
        return low, high
