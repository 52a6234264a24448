"""The exact basic bootstrap of a survey design: the percentile interval, reflected at the estimate."""

from __future__ import annotations

from dataclasses import dataclass

from cxcore.designs.base import DesignSample
from cxcore.designs.percentile import DesignPercentile
from cxcore.intervals.base import Float64


@dataclass(frozen=True, slots=True)
class DesignBasic(DesignPercentile):
    """Basic interval of the exact bootstrap law of any design: twice the estimate less the percentile ends.

    Not clipped: a low end below the scale or a high end above it says that the method does not suit the
    sample.

    Notes
    -----
    Law and cost as ``DesignPercentile``. Davison and Hinkley, *Bootstrap Methods and their Application*
    (1997), section 5.2.
    """

    name = "basic"

    def limits(self, sample: DesignSample, alpha: float | Float64) -> tuple[Float64, Float64]:
        low, high = DesignPercentile().limits(sample, alpha)
        return 2 * sample.estimate - high, 2 * sample.estimate - low
