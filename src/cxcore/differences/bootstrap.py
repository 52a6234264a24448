"""The exact BCa bootstrap of a difference: two lattice laws folded, no resampling and no seed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from cxcore._ext import scores as kernels
from cxcore.differences.base import Difference, Pairs
from cxcore.differences.mover import Mover
from cxcore.intervals.base import ENOUGH_OUTSIDE, Float64, Int64

_NORMAL = NormalDist()
#: a probability that misses its level by less, relative to the tail, counts as a tie (as in lattice.hpp)
_TIE = 1e-9
#: probabilities below are rounding of the inversion
_NOISE = 1e-16
#: grid points a weight unit at most: finer than a double tells apart
_FINEST = 2**40
#: steps by the density, which are few where the law is near a normal one; then by halves
_MOST_STEPS = 12


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
        supported = _supported(pairs)
        low, high, p = np.empty((3, len(supported)))
        if not supported.all():
            rest = pairs.rows(~supported)
            low[~supported], high[~supported] = Mover().limits(rest, alpha)
            p[~supported] = Mover().p_values(rest)
        for row in np.flatnonzero(supported):
            law = _law(pairs, int(row))
            low[row], high[row] = law.interval(alpha)
            p[row] = law.p_value()
        return low, high, p

    def used(self, pairs: Pairs) -> list[str]:
        return ["bca" if supported else Mover.name for supported in _supported(pairs).tolist()]

    def fell_back(self, pairs: Pairs) -> NDArray[np.bool_]:
        return ~_supported(pairs) & pairs.answered


def _supported(pairs: Pairs) -> NDArray[np.bool_]:
    return (pairs.sample.outside >= ENOUGH_OUTSIDE) & (pairs.control.outside >= ENOUGH_OUTSIDE)


def _law(pairs: Pairs, row: int) -> _DifferenceLaw:
    return _DifferenceLaw(pairs.sample.counts[row], pairs.control.counts[row], pairs.sample.weights)


class _SumLaw:
    """Bootstrap law of one side's sum, over the window that holds all but 1e-16 of it."""

    def __init__(self, counts: Int64, weights: Int64) -> None:
        self.n, self.total = int(counts.sum()), int(counts @ weights)
        self.mean = self.total / self.n
        away = weights - self.mean
        self.m2 = float(counts @ away**2) / self.n
        self.m3 = float(counts @ away**3) / self.n
        span = int(weights[-1] - weights[0])
        half = math.ceil(8.5 * math.sqrt(self.n * self.m2)) + 8 * span
        self.first = max(self.total - half, self.n * int(weights[0])) - 1
        last = min(self.total + half, self.n * int(weights[-1]))
        self.cdf = np.empty(last - self.first + 1)
        kernels.resample_cdf(counts, weights, self.first, self.cdf)


class _DifferenceLaw:
    """Law of D* = mean of group* less mean of control*, on the grid of their common denominator."""

    def __init__(self, one: Int64, two: Int64, weights: Int64) -> None:
        self.one, two_law = _SumLaw(one, weights), _SumLaw(two, weights)
        self.chance = np.diff(two_law.cdf)
        self.mean_two = (two_law.first + 1 + np.arange(len(self.chance))) / two_law.n
        self.grid = min(math.lcm(self.one.n, two_law.n), _FINEST)
        self.slack = 0.25 * self.one.n / self.grid  # sums are whole, up to rounding far below a grid step
        self.reach = self.grid * int(weights[-1] - weights[0])
        self.observed = round((self.one.mean - two_law.mean) * self.grid)
        variances = self.one.m2 / self.one.n + two_law.m2 / two_law.n
        thirds = self.one.m3 / self.one.n**2 - two_law.m3 / two_law.n**2
        self.deviation = math.sqrt(variances)
        self.acceleration = thirds / (6 * variances**1.5)
        self.bias = _score((self.upto(self.observed) + self.below(self.observed)) / 2)

    def upto(self, at: int) -> float:
        """P(D* <= at / grid)"""
        return self._sum(np.floor(self._bound(at) + self.slack))

    def below(self, at: int) -> float:
        """P(D* < at / grid)"""
        return self._sum(np.ceil(self._bound(at) - self.slack) - 1)

    def _bound(self, at: int) -> Float64:
        bound: Float64 = self.one.n * (at / self.grid + self.mean_two) - self.one.first
        return bound

    def _sum(self, index: Float64) -> float:
        cdf = self.one.cdf
        each = cdf[np.clip(index, 0, len(cdf) - 1).astype(np.int64)]
        return float((self.chance * each).sum())  # not BLAS: no threads, the same sum anywhere

    def quantile(self, level: float) -> float:
        """The smallest d with P(D* <= d) >= level; the top where there is none.

        A few of Newton's steps by the normal density, kept inside a bracket; then by halves.
        """
        low, high = -self.reach - 1, self.reach
        z = _score(level)
        deviation = self.deviation * self.grid
        density = math.exp(-z * z / 2) / (math.sqrt(2 * math.pi) * deviation)
        guess, step = self.observed + z * deviation, 0
        while high - low > 1:
            at = round(guess) if step < _MOST_STEPS else (low + high) // 2
            at, step = min(max(at, low + 1), high - 1), step + 1
            gap = level - self.upto(at)
            low, high = (low, at) if gap <= 0 else (at, high)
            guess = at + (min(-1.0, gap / density) if gap <= 0 else max(1.0, gap / density))
        return high / self.grid

    def interval(self, alpha: float) -> tuple[float, float]:
        z = -_NORMAL.inv_cdf(alpha / 2)
        lower, upper = self._corrected(self.bias - z, 0.0), self._corrected(self.bias + z, 1.0)
        low = lower - _TIE * min(lower, 1 - lower)
        high = upper + _TIE * min(upper, 1 - upper)
        return self.quantile(low), self.quantile(high)

    def _corrected(self, shift: float, beyond: float) -> float:
        room = 1 - self.acceleration * shift
        return _NORMAL.cdf(self.bias + shift / room) if room > 0 else beyond

    def p_value(self) -> float:
        """Efron's two levels solved for alpha, with P(D* <= 0) for the low end and P(D* < 0) for the high."""
        if self.observed == 0:
            return 1.0
        tails = []
        for side, probability in ((1.0, self.upto(0)), (-1.0, self.below(0))):
            shift = _score(probability) - self.bias
            room = 1 + self.acceleration * shift
            beyond = math.copysign(math.inf, shift)
            solved = shift / room if room > 0 else beyond
            tails.append(2 * _NORMAL.cdf(side * (solved - self.bias)))
        return min(1.0, *tails)


def _score(probability: float) -> float:
    return _NORMAL.inv_cdf(min(max(probability, _NOISE), 1 - _NOISE))
