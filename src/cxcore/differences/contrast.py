"""MOVER for a sum of several scores, each times a number: a difference is the case of 1 and -1."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from cxcore.differences.mover import least_alpha
from cxcore.intervals import Sample, ScoreInterval
from cxcore.intervals.base import Float64


@dataclass(frozen=True)
class Contrast:
    """Sums of coefficient times mean over the rows of a sample, ``coefficients`` float64[n_sums, n_each].

    ``sample`` has ``n_sums`` times ``n_each`` rows, those of one sum together. A row without answers has the
    coefficient 0; a sum of which all coefficients are NaN is NaN. With e the estimates, l and u their score
    limits and c the coefficients: low = sum c e - sqrt(sum (c e - min(c l, c u))²), and high likewise.

    Notes
    -----
    Zou, Huang and Zhang, "A note on confidence interval estimation for a linear function of binomial
    proportions", Computational Statistics & Data Analysis 53 (2009). For 1 and -1 it is ``Mover``.
    """

    sample: Sample
    coefficients: Float64

    def _terms(self, each: Float64) -> Float64:
        known = np.where(np.isnan(each), 0.0, each).reshape(self.coefficients.shape)
        terms: Float64 = self.coefficients * known
        return terms

    @cached_property
    def estimate(self) -> Float64:
        total: Float64 = self._terms(self.sample.estimate).sum(axis=1)
        return total

    @cached_property
    def standard_error(self) -> Float64:
        error: Float64 = np.sqrt((self._terms(self.sample.standard_error) ** 2).sum(axis=1))
        return error

    def limits(self, alpha: float | Float64) -> tuple[Float64, Float64]:
        each = alpha if isinstance(alpha, float) else np.repeat(alpha, self.coefficients.shape[1])
        center = self._terms(self.sample.estimate)
        ends = [self._terms(end) for end in ScoreInterval().limits(self.sample, each)]
        below = center - np.minimum(*ends)
        above = np.maximum(*ends) - center
        low = self.estimate - np.sqrt((below**2).sum(axis=1))
        return low, self.estimate + np.sqrt((above**2).sum(axis=1))

    def p_values(self) -> Float64:
        p = least_alpha(self.limits, len(self.coefficients))
        return np.where(np.isnan(self.estimate), np.nan, np.where(self.estimate == 0, 1.0, p))
