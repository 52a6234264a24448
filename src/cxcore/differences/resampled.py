"""What is read off the exact law of a difference, whatever the samples."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
from numpy.typing import NDArray

from cxcore.differences.base import Difference, Pairs
from cxcore.differences.law import DifferenceLaw, law_of
from cxcore.intervals.base import Float64


class ResampledDifference(Difference):
    """A method of the law alone, given as asked for; ``compare`` warns where a side cannot support it."""

    def limits(self, pairs: Pairs, alpha: float) -> tuple[Float64, Float64]:
        return self.measured(pairs, alpha)[:2]

    def p_values(self, pairs: Pairs) -> Float64:
        return self.measured(pairs, 0.05)[2]

    def measured(self, pairs: Pairs, alpha: float) -> tuple[Float64, Float64, Float64]:
        """Each law is made once, for its interval and its p-value; two sides without a spread are certain."""
        low, high, p = np.full((3, len(pairs.answered)), np.nan)
        for row in np.flatnonzero(pairs.answered).tolist():
            law = law_of(pairs, row)
            if law.deviation == 0:
                low[row] = high[row] = pairs.difference[row]
                p[row] = float(law.observed == 0)
            else:
                low[row], high[row] = self.of_law(law, alpha)
                p[row] = min(1.0, *self.tails(law))
        return low, high, p

    def thin(self, pairs: Pairs) -> NDArray[np.bool_]:
        return ~pairs.supported & pairs.answered

    @abstractmethod
    def of_law(self, law: DifferenceLaw, alpha: float) -> tuple[float, float]:
        """Low and high of one pair."""

    @abstractmethod
    def tails(self, law: DifferenceLaw) -> tuple[float, float]:
        """The least alpha whose low end lies above 0, and whose high end lies below."""
