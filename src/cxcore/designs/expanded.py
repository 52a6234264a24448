"""The exact percentile bootstrap of a survey design at a wider level, which makes up for few clusters."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from cxcore.designs.base import DesignSample
from cxcore.designs.linearized import t_quantiles
from cxcore.designs.percentile import DesignPercentile
from cxcore.intervals.base import Float64


@dataclass(frozen=True, slots=True)
class DesignExpanded(DesignPercentile):
    """Expanded percentile interval (Hesterberg 2015) of any design: at a level that fits the clusters.

    The tail alpha / 2 becomes Phi(-t), t that of as many degrees of freedom as there are clusters less
    strata. Under clusters alone, where n of n are drawn, it is Phi(-sqrt(n / (n - 1)) t), since that law has
    the divisor n.

    Notes
    -----
    Law and cost as ``DesignPercentile``. Hesterberg, "What teachers should know about the bootstrap", The
    American Statistician 69 (2015).
    """

    name = "expanded"

    def limits(self, sample: DesignSample, alpha: float | Float64) -> tuple[Float64, Float64]:
        n = sample.n_cluster.astype(np.float64)
        t = t_quantiles(float(alpha) / 2, sample.degrees_of_freedom)
        with np.errstate(divide="ignore", invalid="ignore"):
            spread = n / (n - 1) if sample.clusters_alone else np.ones(len(n))
        tails = [
            alpha if math.isnan(far) else math.erfc(math.sqrt(each / 2) * far)
            for each, far in zip(spread.tolist(), t.tolist(), strict=True)
        ]
        return DesignPercentile().limits(sample, np.array(tails))
