"""The exact interval of a share: what the default gives where BCa cannot stand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cxcore._ext import scores as kernels
from cxcore.intervals.base import GIVEN, Float64, Method, Sample


@dataclass(frozen=True, slots=True)
class Exact(Method):
    """Clopper-Pearson interval of a share, for two weights of which one has few answers.

    Holds every share under which what was seen, or anything more extreme on its side, has a chance of alpha /
    2 or more. Never below its level, and so up to a fifth wider than the score interval, which for shares
    near 0 or 1 dips to 83 %. It is the default's, and has no word of its own: it is not defined for more than
    two weights.

    Notes
    -----
    10 µs a group. Clopper and Pearson, Biometrika 26 (1934). The binomial tail is summed over the few
    answers, so the cost grows with their number, and not with the others.
    """

    name = "exact"

    def limits(self, sample: Sample, alpha: float) -> tuple[Float64, Float64]:
        low, high = np.empty((2, len(sample.counts)))
        kernels.guarded_interval(sample.counts, sample.weights, alpha, GIVEN.index("exact"), low, high)
        return low, high
