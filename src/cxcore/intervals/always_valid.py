"""The always-valid interval (a confidence sequence): for who looks at the answers as they come."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cxcore._ext import scores as kernels
from cxcore.intervals.base import Float64, Method, Sample


@dataclass(frozen=True, slots=True)
class AlwaysValid(Method):
    """Confidence sequence of a mean over a bounded scale: holds at every number of answers at once.

    The chance that the truth ever lies outside, at whatever moment one looks and for whatever reason one
    stops, is at most alpha. Other intervals promise that for one look alone, planned before. It holds every
    mean against which a mixture of bets on the answers has not multiplied its stake by 1 / alpha. The answers
    need not be alike nor independent: each has to have the same mean, given those before it. Never off the
    scale, defined for one answer, and wider than the others, about twice as wide as the score interval at a
    thousand answers.

    Notes
    -----
    50 µs a group, for any number of answers. Equations, proof and sources:
    ``_ext/include/cxcore/wealth.hpp``. Ville (1939); Robbins, Annals of Mathematical Statistics 41 (1970);
    Waudby-Smith and Ramdas, JRSS B 86 (2024); Orabona and Jun, IEEE Transactions on Information Theory 70
    (2024). For a share it is the mixture of binomial likelihood ratios.
    """

    name = "always_valid"

    def limits(self, sample: Sample, alpha: float | Float64) -> tuple[Float64, Float64]:
        low, high, level = np.empty((3, len(sample.counts)))
        level[:] = alpha
        kernels.always_valid_interval(sample.counts, sample.weights, level, low, high)
        return low, high
