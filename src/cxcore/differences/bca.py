"""The exact BCa bootstrap of a difference, unguarded."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cxcore.differences.law import NORMAL, DifferenceLaw, score_of
from cxcore.differences.resampled import ResampledDifference


@dataclass(frozen=True, slots=True)
class BcaDifference(ResampledDifference):
    """BCa interval (Efron 1987) of the exact bootstrap law of the difference of two means.

    What ``BootstrapDifference`` gives where both sides can support it, and here whatever they are.

    Notes
    -----
    Cost as ``BootstrapDifference``. Acceleration of two samples: m3 / n² of the group less that of the
    control, over 6 (m2 / n + m2 / n)^1.5. P-values below 1e-14 are not resolved.
    """

    name = "bca"

    def of_law(self, law: DifferenceLaw, alpha: float) -> tuple[float, float]:
        z = -NORMAL.inv_cdf(alpha / 2)
        return law.between(_corrected(law, law.bias - z, 0.0), _corrected(law, law.bias + z, 1.0))

    def tails(self, law: DifferenceLaw) -> tuple[float, float]:
        """Efron's two levels solved for alpha, with P(D* <= 0) for the low end and P(D* < 0) for the high."""
        if law.observed == 0:
            return 1.0, 1.0
        if law.leaves_out_zero:
            return 0.0, 0.0
        low, high = (
            2 * NORMAL.cdf(side * (_solved(law, score_of(probability) - law.bias) - law.bias))
            for side, probability in ((1.0, law.upto(0)), (-1.0, law.below(0)))
        )
        return low, high


def _corrected(law: DifferenceLaw, shift: float, beyond: float) -> float:
    room = 1 - law.acceleration * shift
    return NORMAL.cdf(law.bias + shift / room) if room > 0 else beyond


def _solved(law: DifferenceLaw, shift: float) -> float:
    room = 1 + law.acceleration * shift
    return shift / room if room > 0 else math.copysign(math.inf, shift)
