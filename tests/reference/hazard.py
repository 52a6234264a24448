"""Twin of ``_ext/hazard.pyx``, journey by journey in NumPy, from the formulas of Zhang, Wei and Ren 2014."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class Seen:
    """Channels of a journey, ages of its touches at its end (seconds + 0.5); did it convert?"""

    channel: NDArray[np.int32]
    age: Float64
    converted: bool


def log_hazard(one: Seen, beta: Float64, omega: Float64) -> tuple[float, Float64]:
    """ln h(T), and the share of each touch in h(T) (hazard_credit)."""
    b, w = beta[one.channel], omega[one.channel]
    parts = b * w * np.exp(-w * one.age)
    return float(np.log(parts.sum())), parts / parts.sum()


def cumulative(one: Seen, beta: Float64, omega: Float64) -> float:
    return float((beta[one.channel] * (1 - np.exp(-omega[one.channel] * one.age))).sum())


def likelihood(seen: Sequence[Seen], beta: Float64, omega: Float64) -> float:
    return sum(
        (log_hazard(one, beta, omega)[0] if one.converted else 0.0) - cumulative(one, beta, omega)
        for one in seen
    )


def hazard_pass(seen: Sequence[Seen], beta: Float64, omega: Float64) -> Float64:
    """By channel: sums of p, p d, 1 - exp(-omega d), d exp(-omega d)."""
    moments = np.zeros((len(beta), 4))
    for one in seen:
        p = log_hazard(one, beta, omega)[1] if one.converted else np.zeros(len(one.age))
        for c, d, share in zip(one.channel, one.age, p, strict=True):
            fades = np.exp(-omega[c] * d)
            moments[c] += (share, share * d, 1 - fades, d * fades)
    return moments
