"""The exact basic bootstrap of a difference: the percentile interval, reflected at what was observed."""

from __future__ import annotations

from dataclasses import dataclass

from cxcore.differences.law import DifferenceLaw
from cxcore.differences.percentile import PercentileDifference
from cxcore.differences.resampled import ResampledDifference


@dataclass(frozen=True, slots=True)
class BasicDifference(ResampledDifference):
    """Basic interval of the exact bootstrap law of a difference: twice it less the percentile ends.

    Not clipped to what differences can be. Never guarded.

    Notes
    -----
    Cost as ``BootstrapDifference``. Davison and Hinkley, *Bootstrap Methods and their Application* (1997),
    section 5.2.
    """

    name = "basic"

    def of_law(self, law: DifferenceLaw, alpha: float) -> tuple[float, float]:
        low, high = PercentileDifference().of_law(law, alpha)
        twice = 2 * law.observed / law.grid
        return twice - high, twice - low

    def tails(self, law: DifferenceLaw) -> tuple[float, float]:
        return 2 * law.above(2 * law.observed), 2 * law.upto(2 * law.observed)
