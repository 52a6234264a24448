"""The always-valid difference: for who looks at a pilot and its control every day."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cxcore._ext import scores as kernels
from cxcore.differences.base import Difference, Pairs
from cxcore.intervals.base import Float64


@dataclass(frozen=True, slots=True)
class AlwaysValidDifference(Difference):
    """Confidence sequence of the difference of two means: holds at every number of answers of both at once.

    The chance that the true difference ever lies outside, or that the p-value of no difference ever falls
    below alpha, is at most alpha, whenever one looks and for whatever reason one stops. Answers of both sides
    may come in any order and number. Wider than ``mover``.

    Notes
    -----
    12 ms a pair. It holds the differences d for which a pair of means d apart has a product of stakes below
    1 / alpha, stakes as in :class:`cxcore.intervals.AlwaysValid`; tighter than the two intervals at alpha / 2
    each. Equations: ``_ext/include/cxcore/wealth.hpp``.
    """

    name = "always_valid"

    def limits(self, pairs: Pairs, alpha: float | Float64) -> tuple[Float64, Float64]:
        low, high, _ = self._found(pairs, alpha)
        return low, high

    def p_values(self, pairs: Pairs) -> Float64:
        return self._found(pairs, 1.0)[2]

    def _found(self, pairs: Pairs, alpha: float | Float64) -> tuple[Float64, Float64, Float64]:
        low, high, p, level = np.empty((4, len(pairs.difference)))
        level[:] = alpha
        one, two = (np.ascontiguousarray(side.counts) for side in (pairs.sample, pairs.control))
        kernels.always_valid_difference(one, two, pairs.sample.weights, level, low, high, p)
        return low, high, p
