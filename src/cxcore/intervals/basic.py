"""The exact basic bootstrap: the percentile interval, reflected at the estimate."""

from __future__ import annotations

from dataclasses import dataclass

from cxcore.intervals.base import Float64, Sample, Unguarded
from cxcore.intervals.percentile import Percentile


@dataclass(frozen=True, slots=True)
class Basic(Unguarded):
    """Basic interval of the exact bootstrap law: twice the estimate less the percentile ends.

    Also called reverse percentile, and `basic` in R's ``boot.ci`` and in scipy. It is not clipped: a low end
    below the scale or a high end above it says that the method does not suit the sample. Never guarded.

    Notes
    -----
    Cost as ``percentile``. Davison and Hinkley, *Bootstrap Methods and their Application* (1997),
    section 5.2.
    """

    name = "basic"

    def limits(self, sample: Sample, alpha: float) -> tuple[Float64, Float64]:
        low, high = Percentile().limits(sample, alpha)
        return 2 * sample.estimate - high, 2 * sample.estimate - low
