"""Quantiles of Student's t, which the standard library lacks."""

from __future__ import annotations

import math
from functools import lru_cache
from statistics import NormalDist

_NORMAL = NormalDist()
#: degrees of freedom from which the expansion in 1 / dof is exact to the last digits
_MANY = 500


@lru_cache(maxsize=4096)
def t_quantile(tail: float, dof: int) -> float:
    """The t that is exceeded with probability ``tail`` < 1/2, for whole degrees of freedom >= 1.

    From 500 degrees on Abramowitz & Stegun 26.7.5, else Newton's method on the distribution.
    """
    if tail >= 0.5:  # of a level that rounds to 0
        return 0.0
    z = -_NORMAL.inv_cdf(tail)
    s = z * z
    t = z * (
        1
        + (s + 1) / (4 * dof)
        + ((5 * s + 16) * s + 3) / (96 * dof**2)
        + (((3 * s + 19) * s + 17) * s - 15) / (384 * dof**3)
        + ((((79 * s + 776) * s + 1482) * s - 1920) * s - 945) / (92160 * dof**4)
    )
    if dof >= _MANY and s < 40:
        return t
    if dof <= 2:  # closed forms; the tails are too long for the expansion to start near them
        return 1 / math.tan(math.pi * tail) if dof == 1 else (1 - 2 * tail) / math.sqrt(2 * tail * (1 - tail))
    log_scale = math.lgamma((dof + 1) / 2) - math.lgamma(dof / 2) - 0.5 * math.log(dof * math.pi)
    low, high = 0.0, math.inf
    for _ in range(200):
        error = _above(t, dof) - tail
        low, high = (t, high) if error > 0 else (low, t)
        density = math.exp(log_scale - (dof + 1) / 2 * math.log1p(t * t / dof))
        after = t + error / density
        if not low < after < high:
            after = (low + high) / 2 if high < math.inf else 2 * t
        if abs(after - t) <= 1e-14 * t:
            return after
        t = after
    return t


def t_tail(t: float, dof: int) -> float:
    """P(T > t) for t >= 0; NaN without degrees of freedom."""
    if dof < 1 or t != t:
        return math.nan
    if t > 1e100:  # its square is no float
        return 0.0
    return _above(t, dof) if t > 0 else 0.5


def _above(t: float, dof: int) -> float:
    """P(T > t), t > 0: half the regularized incomplete beta I_x(dof / 2, 1 / 2), x = dof / (dof + t²).

    By its continued fraction (Lentz; Abramowitz & Stegun 26.5.8), on the side where that converges fast.
    """
    x, a, b = dof / (dof + t * t), dof / 2, 0.5
    swap = x > (a + 1) / (a + b + 2)
    if swap:
        x, a, b = t * t / (dof + t * t), b, a
    front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    fraction, c, d = 1.0, 1.0, 0.0
    for m in range(1000):
        for term in (
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
            (m + 1) * (b - m - 1) * x / ((a + 2 * m + 1) * (a + 2 * m + 2)),
        ):
            d = 1 / (1 + term * d)
            c = 1 + term / c
            fraction *= c * d
        if abs(c * d - 1) < 1e-16:
            break
    share = math.exp(front) / (a * fraction)
    return (1 - share) / 2 if swap else share / 2
