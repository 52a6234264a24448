"""The exact BCa bootstrap of a difference, guarded: MOVER where a sample cannot support it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cxcore.differences.base import Difference, Pairs
from cxcore.differences.bca import BcaDifference
from cxcore.differences.mover import Mover
from cxcore.intervals.base import Float64


@dataclass(frozen=True, slots=True)
class BootstrapDifference(Difference):
    """BCa interval (Efron 1987) of the exact bootstrap law of the difference of two means, guarded.

    Each side is drawn again from its own answers. Their laws are exact, so the law of the difference is a sum
    over the lattice of one side. Where either side has fewer than 15 answers outside its largest weight class
    the bootstrap cannot know what it has not seen, and MOVER is given; the column ``method`` says so.

    Notes
    -----
    1 ms a pair of 1,000 answers each, growing as their root. Acceleration of two samples: m3 / n² of the
    group less that of the control, over 6 (m2 / n + m2 / n)^1.5. P-values below 1e-14 are not resolved.
    """

    name = "bootstrap"

    def limits(self, pairs: Pairs, alpha: float) -> tuple[Float64, Float64]:
        return self.measured(pairs, alpha)[:2]

    def p_values(self, pairs: Pairs) -> Float64:
        return self.measured(pairs, 0.05)[2]

    def measured(self, pairs: Pairs, alpha: float) -> tuple[Float64, Float64, Float64]:
        """Each law is made once, for its interval and its p-value."""
        supported = pairs.supported
        low, high, p = np.empty((3, len(supported)))
        for method, which in ((BcaDifference(), supported), (Mover(), ~supported)):
            if which.any():
                low[which], high[which], p[which] = method.measured(pairs.rows(which), alpha)
        return low, high, p

    def used(self, pairs: Pairs) -> list[str]:
        return [BcaDifference.name if supported else Mover.name for supported in pairs.supported.tolist()]

    def fell_back(self, pairs: Pairs) -> NDArray[np.bool_]:
        return ~pairs.supported & pairs.answered
