"""What a method of comparison is: from the counts of two samples to an interval of their difference.

Pairs are rows of two samples over the same weights; a method sees neither answers nor frames.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cxcore.intervals import Sample
from cxcore.intervals.base import ENOUGH_OUTSIDE, Float64


@dataclass(frozen=True)
class Pairs:
    """Row by row a group and its control. Where one has no answer, every number is NaN."""

    sample: Sample
    control: Sample

    @cached_property
    def answered(self) -> NDArray[np.bool_]:
        return (self.sample.n > 0) & (self.control.n > 0)

    @cached_property
    def supported(self) -> NDArray[np.bool_]:
        """Where both sides have answers enough outside their largest weight class for a bootstrap."""
        enough: NDArray[np.bool_] = np.minimum(self.sample.outside, self.control.outside) >= ENOUGH_OUTSIDE
        return enough

    @cached_property
    def difference(self) -> Float64:
        return self.sample.estimate - self.control.estimate

    def rows(self, which: NDArray[np.bool_]) -> Pairs:
        return Pairs(self.sample.rows(which), self.control.rows(which))


class Difference(ABC):
    """One way to compare. The p-value is the interval read backwards.

    ``p < alpha`` exactly where 0 lies outside the interval of level ``1 - alpha``, so that the two columns of
    one row never disagree.
    """

    #: the word in ``method=``
    name: str

    @abstractmethod
    def limits(self, pairs: Pairs, alpha: float) -> tuple[Float64, Float64]:
        """Low and high of the difference in weight units, float64[n_pairs] each."""

    @abstractmethod
    def p_values(self, pairs: Pairs) -> Float64:
        """The least alpha whose interval leaves out 0, float64[n_pairs]."""

    def measured(self, pairs: Pairs, alpha: float) -> tuple[Float64, Float64, Float64]:
        """Low, high and p-value: for methods that find them together, override."""
        low, high = self.limits(pairs, alpha)
        return low, high, self.p_values(pairs)

    def used(self, pairs: Pairs) -> list[str]:
        """The word of the method that compared each pair."""
        return [self.name] * len(pairs.sample.counts)

    def fell_back(self, pairs: Pairs) -> NDArray[np.bool_]:
        """Where another method than the one that was asked for had to answer."""
        return np.zeros(len(pairs.sample.counts), dtype=np.bool_)

    def thin(self, pairs: Pairs) -> NDArray[np.bool_]:
        """Where a method that is not guarded had to answer for samples that cannot support it."""
        return np.zeros(len(pairs.sample.counts), dtype=np.bool_)
