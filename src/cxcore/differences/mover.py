"""MOVER: the interval of a difference out of the intervals of its two sides."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cxcore.differences.base import Difference, Pairs
from cxcore.intervals import ScoreInterval
from cxcore.intervals.base import Float64

#: -log of the smallest p-value that is looked for
_FAR = 690.0


@dataclass(frozen=True, slots=True)
class Mover(Difference):
    """Method of variance estimates recovery, from two score intervals.

    With estimates e and score limits l, u of the group (1) and the control (2), low = e1 - e2 - sqrt((e1 -
    l1)² + (u2 - e2)²) and high = e1 - e2 + sqrt((u1 - e1)² + (e2 - l2)²). Never empty near the ends of the
    scale, and defined for one answer. For shares it is Newcombe's interval.

    Notes
    -----
    1 µs a pair, and 0.1 ms for the p-value. Zou and Donner, Statistics in Medicine 27 (2008);
    Newcombe, Statistics in Medicine 17 (1998), method 10.
    """

    name = "mover"

    def limits(self, pairs: Pairs, alpha: float | Float64) -> tuple[Float64, Float64]:
        one, two = pairs.sample.estimate, pairs.control.estimate
        low_one, high_one = ScoreInterval().limits(pairs.sample, alpha)
        low_two, high_two = ScoreInterval().limits(pairs.control, alpha)
        low = pairs.difference - np.hypot(one - low_one, high_two - two)
        high = pairs.difference + np.hypot(high_one - one, two - low_two)
        return low, high

    def p_values(self, pairs: Pairs) -> Float64:
        p = least_alpha(lambda alpha: self.limits(pairs, alpha), len(pairs.difference))
        return np.where(pairs.answered, np.where(pairs.difference == 0, 1.0, p), np.nan)


def least_alpha(limits: Callable[[Float64], tuple[Float64, Float64]], n: int) -> Float64:
    """The least alpha whose interval leaves out 0, by bisection on -log alpha: the intervals are nested."""
    outside, inside = np.zeros(n), np.full(n, _FAR)
    for _ in range(64):
        middle = (outside + inside) / 2
        low, high = limits(np.minimum(np.exp(-middle), 1 - 1e-12))
        out = (low > 0) | (high < 0)
        outside, inside = np.where(out, middle, outside), np.where(out, inside, middle)
    least: Float64 = np.exp(-inside)
    return least
