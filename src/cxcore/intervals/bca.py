"""The exact BCa bootstrap: bias-corrected and accelerated, with exact ties."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cxcore._ext import scores as kernels
from cxcore.intervals.base import Float64, Sample, Unguarded


@dataclass(frozen=True, slots=True)
class Bca(Unguarded):
    """BCa interval (Efron 1987) of the exact bootstrap law.

    The bias correction is taken at mid-rank, P(S* < s) + P(S* = s) / 2: a mean of whole weights ties with its
    resamples often, and counting ties to one side moves the interval by points. The acceleration is in closed
    form from the counts. Never guarded: near the end of the scale it is too short.

    Notes
    -----
    2 to 4 µs a group, for any number of answers. Law: ``_ext/include/cxcore/lattice.hpp``.
    """

    name = "bca"

    def limits(self, sample: Sample, alpha: float | Float64) -> tuple[Float64, Float64]:
        n = len(sample.counts)
        low, high, level = np.empty(n), np.empty(n), np.empty(n)
        level[:] = alpha
        kernels.resample_interval(sample.counts, sample.weights, level, True, low, high)
        return low, high
