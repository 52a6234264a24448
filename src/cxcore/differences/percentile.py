"""The exact percentile bootstrap of a difference."""

from __future__ import annotations

from dataclasses import dataclass

from cxcore.differences.law import DifferenceLaw
from cxcore.differences.resampled import ResampledDifference


@dataclass(frozen=True, slots=True)
class PercentileDifference(ResampledDifference):
    """Percentile interval of the exact bootstrap law of the difference of two means.

    From the alpha / 2 to the 1 - alpha / 2 quantile of the law of ``BootstrapDifference``. Never guarded.

    Notes
    -----
    Cost as ``BootstrapDifference``. Efron, Annals of Statistics 7 (1979).
    """

    name = "percentile"

    def of_law(self, law: DifferenceLaw, alpha: float) -> tuple[float, float]:
        return law.between(alpha / 2, 1 - alpha / 2)

    def tails(self, law: DifferenceLaw) -> tuple[float, float]:
        return 2 * law.upto(0), 2 * law.above(0)
