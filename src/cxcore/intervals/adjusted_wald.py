"""The Wald interval of a sample to which a few answers are added."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from cxcore.intervals.base import Float64, Sample, Unguarded


@dataclass(frozen=True, slots=True)
class AdjustedWald(Unguarded):
    """Adjusted Wald interval: a few answers are added to the sample, then the Wald interval is taken.

    NPS: 0.75 detractors, 1.5 passives and 0.75 promoters (Rocks 2016). A share: two answers in the box and
    two outside (Agresti and Coull 1998). Any other score: as for NPS, 0.75 at each end and 1.5 at the middle
    of the scale, which is an extension of our own and has no source. It may leave the scale. Never guarded.

    Notes
    -----
    Under 1 µs a group. Rocks, "Interval estimation for the Net Promoter Score", The American Statistician 70
    (2016); Agresti and Coull, "Approximate is better than exact", The American Statistician 52 (1998).
    """

    name = "adjusted_wald"

    def limits(self, sample: Sample, alpha: float) -> tuple[Float64, Float64]:
        bottom, top = float(sample.weights[0]), float(sample.weights[-1])
        middle, reach = (bottom + top) / 2, (top - bottom) / 2
        added, at_ends = (4.0, 4.0) if len(sample.weights) == 2 else (3.0, 1.5)
        n = np.where(sample.n, sample.n, np.nan)
        away = sample.estimate - middle  # moments round the middle: the added answers balance there
        mean = n * away / (n + added)
        square = n * (n * sample.standard_error**2 + away**2) + at_ends * reach**2
        half = -NormalDist().inv_cdf(alpha / 2) * np.sqrt((square / (n + added) - mean**2) / (n + added))
        return middle + mean - half, middle + mean + half
