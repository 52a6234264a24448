"""The exact BCa bootstrap of a survey design: bias-corrected and accelerated."""

from __future__ import annotations

from dataclasses import dataclass

from cxcore.designs.base import DesignSample
from cxcore.designs.percentile import DesignPercentile, law_limits
from cxcore.intervals.base import Float64


@dataclass(frozen=True, slots=True)
class DesignBca(DesignPercentile):
    """BCa interval (Efron 1987) of the exact bootstrap law of any design.

    The bias correction is the normal score of the law at the estimate. The law is smoothed by a normal whose
    median is 0, so that half of an atom at the estimate is below it: the mid-rank, as in ``Bca``. The
    acceleration is a sixth of the skewness of the linearized estimate under that law; for clusters alone
    sum z³ / (6 (sum z²)^1.5) over the moves z of the clusters.

    Notes
    -----
    Law and cost as ``DesignPercentile``. Acceleration within strata: Davison and Hinkley, *Bootstrap Methods
    and their Application* (1997), section 5.3.
    """

    name = "bca"

    def limits(self, sample: DesignSample, alpha: float | Float64) -> tuple[Float64, Float64]:
        return law_limits(sample, alpha, corrected=True)
