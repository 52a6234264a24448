"""The score interval: every mean that the answers do not speak against."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cxcore._ext import scores as kernels
from cxcore.intervals.base import Float64, Method, Sample


@dataclass(frozen=True, slots=True)
class ScoreInterval(Method):
    """Score interval of a mean over a bounded scale.

    Holds every mean mu with (estimate - mu)² <= z² V0(mu) / n, where V0 is the variance under the multinomial
    likelihood restricted to mean mu, with mass on an empty end of the scale where only that reaches mu.
    Equals Wilson's interval for two weights and Tango's for three. Never off the scale, and defined for one
    answer and for answers that are all alike.

    Notes
    -----
    About 1 µs a group. Equations: ``_ext/include/cxcore/lattice.hpp``.
    """

    name = "score"

    def limits(
        self, sample: Sample, alpha: float | Float64, stretch: float | Float64 = 1.0
    ) -> tuple[Float64, Float64]:
        """As every method; ``stretch`` is a factor of z, for those that ask for more than it."""
        low, high, level, factor = np.empty((4, len(sample.counts)))
        level[:], factor[:] = alpha, stretch
        kernels.score_interval(sample.counts, sample.weights, level, factor, low, high)
        return low, high
