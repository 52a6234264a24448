"""The exact bootstrap law of a difference: two lattice laws folded, no resampling and no seed."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from cxcore._ext import scores as kernels
from cxcore.differences.base import Pairs
from cxcore.intervals.base import Float64, Int64

NORMAL = NormalDist()
#: a probability that misses its level by less, relative to the tail, counts as a tie (as in lattice.hpp)
_TIE = 1e-9
#: probabilities below are rounding of the inversion
_NOISE = 1e-16
#: grid points a weight unit at most: finer than a double tells apart
_FINEST = 2**40
#: steps by the density, which are few where the law is near a normal one; then by halves
_MOST_STEPS = 12


def law_of(pairs: Pairs, row: int) -> DifferenceLaw:
    return DifferenceLaw(pairs.sample.counts[row], pairs.control.counts[row], pairs.sample.weights)


class _SumLaw:
    """Bootstrap law of one side's sum, over the window that holds all but 1e-16 of it."""

    def __init__(self, counts: Int64, weights: Int64) -> None:
        self.n, self.total = int(counts.sum()), int(counts @ weights)
        given = weights[counts > 0]
        self.least, self.most = int(given[0]), int(given[-1])
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


class DifferenceLaw:
    """Law of D* = mean of group* less mean of control*, on the grid of their common denominator."""

    def __init__(self, one: Int64, two: Int64, weights: Int64) -> None:
        self.one, self.two = _SumLaw(one, weights), _SumLaw(two, weights)
        self.chance = np.diff(self.two.cdf)
        self.mean_two = (self.two.first + 1 + np.arange(len(self.chance))) / self.two.n
        self.grid = min(math.lcm(self.one.n, self.two.n), _FINEST)
        self.slack = 0.25 * self.one.n / self.grid  # sums are whole, up to rounding far below a grid step
        self.bottom = self.grid * (self.one.least - self.two.most)
        self.top = self.grid * (self.one.most - self.two.least)
        self.observed = round((self.one.mean - self.two.mean) * self.grid)
        variances = self.one.m2 / self.one.n + self.two.m2 / self.two.n
        thirds = self.one.m3 / self.one.n**2 - self.two.m3 / self.two.n**2
        self.deviation = math.sqrt(variances)
        self.acceleration = thirds / (6 * variances**1.5) if variances else 0.0
        self.bias = score_of((self.upto(self.observed) + self.below(self.observed)) / 2)

    def upto(self, at: int) -> float:
        """P(D* <= at / grid), exactly 0 and 1 beyond the ends of the law"""
        if not self.bottom <= at < self.top:
            return float(at >= self.top)
        return self._sum(np.floor(self._bound(at) + self.slack))

    def below(self, at: int) -> float:
        """P(D* < at / grid), exactly 0 and 1 beyond the ends of the law"""
        if not self.bottom < at <= self.top:
            return float(at > self.top)
        return self._sum(np.ceil(self._bound(at) - self.slack) - 1)

    def above(self, at: int) -> float:
        """P(D* >= at / grid)"""
        return max(1.0 - self.below(at), 0.0)

    @property
    def leaves_out_zero(self) -> bool:
        """Whether no resample is 0 or on its other side: then no quantile is either, at any level."""
        return self.bottom > 0 or self.top < 0

    def _bound(self, at: int) -> Float64:
        bound: Float64 = self.one.n * (at / self.grid + self.mean_two) - self.one.first
        return bound

    def _sum(self, index: Float64) -> float:
        cdf = self.one.cdf
        each = cdf[np.clip(index, 0, len(cdf) - 1).astype(np.int64)]
        return float((self.chance * each).sum())  # not BLAS: no threads, the same sum anywhere

    def quantile(self, level: float) -> float:
        """The smallest d with P(D* <= d) >= level; an end of the law where rounding hides the tail.

        A few of Newton's steps by the normal density, kept inside a bracket; then by halves.
        """
        if not _NOISE < level < 1 - _NOISE:
            return (self.bottom if level < 0.5 else self.top) / self.grid
        low, high = self.bottom - 1, self.top
        z = score_of(level)
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

    def between(self, lower: float, upper: float) -> tuple[float, float]:
        """The quantiles at two levels, where what misses a level by rounding counts as a tie."""
        low = lower - _TIE * min(lower, 1 - lower)
        high = upper + _TIE * min(upper, 1 - upper)
        return self.quantile(low), self.quantile(high)


def score_of(probability: float) -> float:
    return NORMAL.inv_cdf(min(max(probability, _NOISE), 1 - _NOISE))
