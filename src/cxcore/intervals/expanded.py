"""The exact percentile bootstrap at a wider level, which makes up for the divisor n and for few answers."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from cxcore.intervals.base import Float64, Sample, Unguarded
from cxcore.intervals.percentile import Percentile
from cxcore.intervals.student import t_quantile


@dataclass(frozen=True, slots=True)
class Expanded(Unguarded):
    """Expanded percentile interval (Hesterberg 2015): the percentile interval at a level that fits n.

    A percentile interval is too short for few answers, as z is shorter than t and the bootstrap's variance
    has the divisor n. The tail alpha / 2 becomes Phi(-sqrt(n / (n - 1)) t), t that of n - 1 degrees of
    freedom. One answer has no such tail, and keeps its own. Never guarded: near the end of the scale it is
    too short too.

    Notes
    -----
    Cost as ``percentile``. Hesterberg, "What teachers should know about the bootstrap", The American
    Statistician 69 (2015).
    """

    name = "expanded"

    def limits(self, sample: Sample, alpha: float) -> tuple[Float64, Float64]:
        return Percentile().limits(sample, np.array([_expanded(n, alpha) for n in sample.n.tolist()]))


def _expanded(n: int, alpha: float) -> float:
    if n < 2:
        return alpha
    return math.erfc(math.sqrt(n / (n - 1) / 2) * t_quantile(alpha / 2, n - 1))
