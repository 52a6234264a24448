"""Intervals from a linearized variance and Student's t: for any design."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cxcore._design_columns import DesignRoles
from cxcore.designs.base import DesignMethod, DesignSample, need_clusters
from cxcore.intervals.base import Float64, Int64
from cxcore.intervals.student import t_quantile


@dataclass(frozen=True, slots=True)
class Linearized(DesignMethod):
    """Estimate plus and minus t linearized standard errors, cut off at the ends of the scale.

    The weighted mean e is a ratio of two sums over clusters, size m (of weights) and total s (of weight times
    value), and moves by (s - e m) / sum m with each of them. Its variance is that of a sum of independent
    clusters within strata, with n - 1 in the divisor and the finite-population correction; t has as many
    degrees of freedom as there are clusters less strata.

    Notes
    -----
    A few sums a group. Cochran, *Sampling Techniques* (3rd ed. 1977), sections 6.4 and 9A; a group within
    strata is a domain: Särndal, Swensson and Wretman, *Model Assisted Survey Sampling* (1992), section 5.8.
    The one cluster of a stratum counts with its move from the mean of all, and is flagged.
    """

    name = "linearized"

    def limits(self, sample: DesignSample, alpha: float) -> tuple[Float64, Float64]:
        with np.errstate(invalid="ignore"):
            half = np.sqrt(sample.variance) * t_quantiles(alpha / 2, sample.degrees_of_freedom)
        bottom, top = sample.value.min(), sample.value.max()
        return np.maximum(sample.estimate - half, bottom), np.minimum(sample.estimate + half, top)


@dataclass(frozen=True, slots=True)
class ClusterT(Linearized):
    """The linearized interval of clusters alone: what the default gives below 50 of them."""

    name = "cluster_t"

    def refuse(self, call: str, roles: DesignRoles) -> None:
        need_clusters(call, self.name, roles)


def t_quantiles(tail: float, dof: Int64) -> Float64:
    """The t exceeded with probability ``tail`` at each number of degrees of freedom; NaN at none."""
    known, at = np.unique(dof, return_inverse=True)
    t = np.array([t_quantile(tail, each) if each > 0 else np.nan for each in known.tolist()])
    found: Float64 = t[at]
    return found
