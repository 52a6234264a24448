"""Variance of a sum that clusters move, within strata or without: of differences and of trends."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cxcore._design_sums import DesignRows, summed
from cxcore.intervals.base import Float64, Int64

#: of the squares, less is what subtraction leaves of clusters that all move alike
_ROUNDING = 1e-14


def variance_of(
    group: Int64, stratum: Int64, move: Float64, n_groups: int, rows: DesignRows, *, strata: bool
) -> tuple[Float64, Int64, NDArray[np.bool_]]:
    """Variance and degrees of freedom of each group, and where a stratum has one cluster alone.

    One row a cluster and group. Without strata n / (n - 1) times the sum of squares, n the clusters of the
    group; with strata as ``within_strata``.
    """
    if strata:
        key, at = np.unique(group * len(rows.n_drawn) + stratum, return_inverse=True)
        sums, squares = summed(at, move, len(key)), summed(at, move**2, len(key))
        return within_strata(key, np.bincount(at, minlength=len(key)), sums, squares, n_groups, rows)
    n = np.bincount(group, minlength=n_groups)
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = n / (n - 1) * summed(group, move**2, n_groups)
    return variance, n - 1, np.zeros(n_groups, dtype=np.bool_)


def within_strata(
    key: Int64, n_here: Int64 | Float64, sums: Float64, squares: Float64, n_groups: int, rows: DesignRows
) -> tuple[Float64, Int64, NDArray[np.bool_]]:
    """The same from sums of moves and of their squares, by ``key``: group times strata plus stratum.

    A group is a domain: n counts all clusters drawn of the stratum, those without an answer in the group do
    not move it. n / (n - 1) sum (move - mean)² is a stratum's variance; its one cluster moves from 0.
    """
    group, stratum = np.divmod(key, max(len(rows.n_drawn), 1))
    n = rows.n_drawn[stratum].astype(np.float64)
    lonely = n == 1
    with np.errstate(divide="ignore", invalid="ignore"):
        away = squares - sums**2 / n
        away = np.where(away > _ROUNDING * squares, away, 0.0)
        each = (1 - rows.fraction[stratum]) * np.where(lonely, squares, n / (n - 1) * away)
    dof = np.bincount(group, n_here, n_groups).astype(np.int64) - np.bincount(group, minlength=n_groups)
    return summed(group, each, n_groups), dof, np.bincount(group, lonely, n_groups) > 0
