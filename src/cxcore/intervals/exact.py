"""The exact interval of a share: what the default gives where BCa cannot stand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cxcore.intervals.base import Float64, Int64, Method, Sample


@dataclass(frozen=True, slots=True)
class Exact(Method):
    """Clopper-Pearson interval of a share, for two weights of which one has few answers.

    Holds every share under which what was seen, or anything more extreme on its side, has a chance of alpha /
    2 or more. Never below its level, and so up to a fifth wider than the score interval, which for shares
    near 0 or 1 dips to 83 %. It is the default's, and has no word of its own: it is not defined for more than
    two weights.

    Notes
    -----
    10 µs a group. Clopper and Pearson, Biometrika 26 (1934). The binomial tail is summed over the few
    answers, so the cost grows with their number, and not with the others.
    """

    name = "exact"

    def limits(self, sample: Sample, alpha: float) -> tuple[Float64, Float64]:
        few, n = sample.counts.min(axis=1), sample.n
        low, high = _limits(few, np.maximum(n, 1), alpha / 2)
        turned = sample.counts[:, 1] > few  # the few are those of the lower weight
        low, high = np.where(turned, 1 - high, low), np.where(turned, 1 - low, high)
        bottom, top = (float(weight) for weight in sample.weights)
        answered = np.where(n > 0, 1.0, np.nan)
        return (bottom + (top - bottom) * low) * answered, (bottom + (top - bottom) * high) * answered


def _limits(k: Int64, n: Int64, tail: float) -> tuple[Float64, Float64]:
    """Shares at which k answers or more, and k or fewer, of n have probability ``tail``; 2 k <= n."""
    low = np.where(k > 0, _share(np.maximum(k - 1, 0), n, 1 - tail), 0.0)
    return low, _share(k, n, tail)


def _share(k: Int64, n: Int64, probability: float) -> Float64:
    """The p at which P(X <= k) is ``probability``, X ~ binomial(n, p): Newton's steps inside a bracket."""
    i = np.arange(int(k.max(initial=0)) + 1)
    steps = np.log(np.maximum(n[:, None] - i[:-1], 1) / (i[:-1] + 1.0))
    log_ways = np.concatenate([np.zeros((len(k), 1)), np.cumsum(steps, axis=1)], axis=1)
    counted, last = i <= k[:, None], (np.arange(len(k)), np.maximum(k, 0))
    low, high = np.zeros(len(k)), np.ones(len(k))
    p = (k + 1) / (n + 1)
    for _ in range(100):
        none = np.log1p(-p)
        terms = np.exp(log_ways + i * (np.log(p) - none)[:, None] + (n * none)[:, None])
        error = (terms * counted).sum(axis=1) - probability
        low, high = np.where(error > 0, p, low), np.where(error > 0, high, p)
        slope = (n - k) * terms[last] / (1 - p)  # of the tail, downwards
        after = p + error / np.maximum(slope, 1e-300)
        after = np.where((after > low) & (after < high), after, (low + high) / 2)
        if (np.abs(after - p) <= 1e-15 * p).all():
            break
        p = after
    found: Float64 = after
    return found
