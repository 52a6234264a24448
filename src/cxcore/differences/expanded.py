"""The exact percentile bootstrap of a difference at a wider level, as the expanded interval of a score."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cxcore.differences.law import DifferenceLaw, score_of
from cxcore.differences.resampled import ResampledDifference
from cxcore.intervals.student import t_quantile, t_tail


@dataclass(frozen=True, slots=True)
class ExpandedDifference(ResampledDifference):
    """Expanded percentile interval (Hesterberg 2015) of a difference: at a level that fits both numbers.

    The tail alpha / 2 becomes Phi(-k t): t of Welch's degrees of freedom, rounded down, and k what the
    divisors n - 1 make of the deviation that the law has with divisors n. Where a side has one answer the
    tail stays. A tail below 1e-16, which one to four degrees ask for, ends with the law: no double sees
    further. Never guarded.

    Notes
    -----
    Cost as ``BootstrapDifference``. Hesterberg, "What teachers should know about the bootstrap", The American
    Statistician 69 (2015); Welch, Biometrika 34 (1947).
    """

    name = "expanded"

    def of_law(self, law: DifferenceLaw, alpha: float) -> tuple[float, float]:
        k, dof = _widened(law)
        tail = math.erfc(k * t_quantile(alpha / 2, dof) / math.sqrt(2)) / 2 if dof else alpha / 2
        return law.between(tail, 1 - tail)

    def tails(self, law: DifferenceLaw) -> tuple[float, float]:
        if law.leaves_out_zero:  # not by way of t, whose tail is heavy where the score of 0 is cut off
            return 0.0, 0.0
        k, dof = _widened(law)
        below, above = law.upto(0), law.above(0)
        if not dof:
            return 2 * below, 2 * above
        return _alpha(below, k, dof), _alpha(above, k, dof)


def _alpha(tail: float, k: float, dof: int) -> float:
    """The alpha whose tail that is; 1 where it is more than a half."""
    return 2 * t_tail(-score_of(tail) / k, dof) if tail < 0.5 else 1.0


def _widened(law: DifferenceLaw) -> tuple[float, int]:
    """Deviation with divisors n - 1 over the law's own, and degrees of freedom; none with one answer."""
    if min(law.one.n, law.two.n) < 2:
        return 1.0, 0
    parts = [side.m2 / (side.n - 1) for side in (law.one, law.two)]
    dof = sum(parts) ** 2 / sum(
        part**2 / (side.n - 1) for part, side in zip(parts, (law.one, law.two), strict=True)
    )
    return math.sqrt(sum(parts)) / law.deviation, math.floor(dof + 1e-9)
