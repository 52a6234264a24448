"""The Bayesian interval: the posterior of the mean under a Dirichlet prior, by inversion instead of draws."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from cxcore import _options
from cxcore.intervals.base import Float64, Method, Sample

_NORMAL = NormalDist()
#: trapezoid rule along the path: step and end in units where the distance grows as sinh; slope of the far
#: path
_STEP, _REACH, _SLOPE = 0.06, 42.0, 0.7


@dataclass(frozen=True, slots=True)
class Bayesian(Method):
    """Equal-tailed credible interval of the mean, shares of the weights ~ Dirichlet(prior + counts).

    The default prior is Jeffreys-like, 1/K for each of the K weights of the score (for NPS three, for a share
    two: there it is Jeffreys' interval). Where all answers lie at one end of the scale the interval reaches
    that end, as Brown, Cai and DasGupta advise. The quantiles are computed, not drawn, so there is no seed.
    Unlike the bootstraps it has a width where all answers are alike.

    Parameters
    ----------
    prior : float, default None
        Answers added to each weight; None: 1/K.

    Notes
    -----
    1 ms a group, for any number of answers. A Dirichlet is a vector of gammas over their sum,
    so P(mean <= m) = P(sum (w_k - m) G_k <= 0), whose transform prod (1 - s d_k)^(-a_k) is inverted along the
    path of steepest descent. Brown, Cai and DasGupta, Statistical Science 16 (2001).
    """

    prior: float | None = None
    name = "bayesian"

    def __post_init__(self) -> None:
        if self.prior is not None:
            _options.number("Bayesian", "prior", self.prior, 1e-6, 1e6)

    def limits(self, sample: Sample, alpha: float) -> tuple[Float64, Float64]:
        weights = sample.weights.astype(np.float64)
        added = 1 / len(weights) if self.prior is None else self.prior
        low, high = np.full((2, len(sample.counts)), np.nan)
        for g, n in enumerate(sample.n.tolist()):
            if not n:
                continue
            counts = sample.counts[g]
            posterior = _Posterior(weights, counts + added)
            low[g] = weights[0] if counts[0] == n else posterior.quantile(_NORMAL.inv_cdf(alpha / 2))
            high[g] = weights[-1] if counts[-1] == n else posterior.quantile(-_NORMAL.inv_cdf(alpha / 2))
        return low, high


class _Posterior:
    """Law of the mean weight under Dirichlet(shape)."""

    def __init__(self, weights: Float64, shape: Float64) -> None:
        self.weights, self.shape = weights, shape
        total = shape.sum()
        self.mean = float(shape @ weights / total)
        self.sd = math.sqrt(shape @ (weights - self.mean) ** 2 / total / (total + 1))

    def cdf(self, m: float) -> float:
        """P(sum (w_k - m) G_k <= 0), by whichever tail lies away from the mean."""
        away = self.weights - m
        if m > self.mean:
            return 1 - _upper_tail(away, self.shape)
        return _upper_tail(-away, self.shape)

    def quantile(self, z: float) -> float:
        """Where the cdf has that normal score: secant steps on its scores, nearly a line, in a bracket."""
        low, high = float(self.weights[0]), float(self.weights[-1])
        enough = 1e-15 * (high - low)
        m, before, slope = self.mean + z * self.sd, (math.nan, math.nan), 1 / self.sd
        for turn in range(200):
            if not low < m < high or turn % 4 == 3 < turn:  # a law that is no line: halves, now and then
                m = (low + high) / 2
            score = _NORMAL.inv_cdf(min(max(self.cdf(m), 1e-15), 1 - 1e-15)) - z
            if abs(score) < 1e-12 or high - low <= enough:
                break
            low, high = (m, high) if score < 0 else (low, m)
            if (score - before[1]) * (m - before[0]) > 0:
                slope = (score - before[1]) / (m - before[0])
            before = m, score
            m -= score / slope
        return m


def _upper_tail(d: Float64, shape: Float64) -> float:
    """P(sum d_k G_k > 0), mean <= 0, G_k gamma(shape_k): 1 / (2 pi i) of the integral of M(s) / s.

    The path goes through the saddle point of M(s) / s on the real axis and bends as the steepest descent
    does, to the side on which the integrand stays smaller: so it neither oscillates nor dies slowly.
    """
    saddle = _saddle(d, shape)
    top = float(np.log1p(np.maximum(-saddle * d, 1e-15 - 1)) @ shape)
    if top > 40:  # Chernoff: the tail is at most M at the saddle point, exp(-top)
        return 0.0
    pull = d / (1 - saddle * d)
    second = float(shape @ pull**2) + saddle**-2
    third = 2 * float(shape @ pull**3)
    scale = 1 / math.sqrt(second)
    v = np.arange(0.0, _REACH, _STEP)
    y, dy = scale * np.sinh(v), scale * np.cosh(v)
    # a hyperbola: at the saddle it bends as x = third / (6 second) y², far out it is straight
    flat = 3 * _SLOPE * second / (abs(third) + 1e-3 * second**1.5)
    root = np.hypot(y, flat)
    best: tuple[float, complex] | None = None
    for slope in (_SLOPE, -_SLOPE):
        s = saddle + slope * (y * y / (root + flat)) + 1j * y
        z = s[:, None] * d
        log_size = top - 0.5 * np.log1p(z.real * (z.real - 2) + z.imag**2) @ shape
        peak = float(log_size.max())
        if peak > 600 or (best and peak >= best[0]):
            continue
        turn = np.exp(log_size - 1j * (np.arctan2(-z.imag, 1 - z.real) @ shape))
        value = turn * (slope * y / root + 1j) * (dy / s)
        best = peak, value.sum() - value[0] / 2
    assert best
    return math.exp(-top) * _STEP / math.pi * best[1].imag


def _saddle(d: Float64, shape: Float64) -> float:
    """Where sum of shape d / (1 - s d) is 1 / s, for 0 < s < 1 / max d: M(s) / s is least there."""
    low, high = 0.0, 1 / float(d.max())
    s = high / 2
    for _ in range(200):
        pull = d / (1 - s * d)
        slope = float(shape @ pull) - 1 / s
        low, high = (s, high) if slope < 0 else (low, s)
        after = s - slope / (float(shape @ pull**2) + 1 / s**2)
        if not low < after < high:
            after = (low + high) / 2
        if abs(after - s) <= 1e-9 * s:
            return after
        s = after
    return s
