"""The difference of two weighted means, clusters in both groups counted: linearized, with Student's t."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cxcore._design_sums import DesignRows, cells_of, summed
from cxcore.designs.base import DesignSample
from cxcore.designs.linearized import t_quantiles
from cxcore.designs.moves import within_strata
from cxcore.differences import Mover, Pairs
from cxcore.intervals import Sample
from cxcore.intervals.base import Float64, Int64
from cxcore.intervals.student import t_tail


@dataclass(frozen=True)
class LinearizedDifference:
    """Each of some groups less its control, both out of one table of rows.

    A cluster moves the difference by its move of the group less its move of the control, each with the root
    of n / (n - 1) of its side; the variance is the sum of squares, so that what one customer said of both is
    counted as one thing said. The degrees of freedom are Satterthwaite's for three independent sums: clusters
    in the group alone, in the control alone, and in both. For two sides apart that is Welch's t. Within
    strata both sides are domains of one sample: moves are less their mean in each stratum, with n / (n - 1)
    of all its clusters, and the degrees of freedom are clusters less strata.

    ``sample`` has the groups; ``one`` and ``two`` int64[n_pairs] are the rows of a pair in it, -1 where a
    segment has no control.

    Notes
    -----
    A search in the sorted cells of all clusters; then a few sums a pair. Welch, Biometrika 34 (1947);
    Satterthwaite, Biometrics Bulletin 2 (1946).
    """

    rows: DesignRows
    sample: DesignSample
    one: Int64
    two: Int64

    name = "linearized"

    @cached_property
    def answered(self) -> NDArray[np.bool_]:
        n = np.append(self.sample.sample.n, 0)
        both: NDArray[np.bool_] = (n[self.one] > 0) & (n[self.two] > 0)
        return both

    @cached_property
    def difference(self) -> Float64:
        return self.of(self.sample.estimate, self.one) - self.of(self.sample.estimate, self.two)

    def of(self, each: Float64, side: Int64) -> Float64:
        """A number of each group, for one side of the pairs; NaN where there is no group."""
        found: Float64 = np.append(each, np.nan)[side]
        return found

    @cached_property
    def _cells(self) -> tuple[Int64, Int64, Float64]:
        """Group, cluster and move of each cell, sorted by cluster and group. Where an engine has counted, a
        cluster stands for ``_times`` that are alike.
        """
        rows, sample = self.rows, self.sample
        if sample.roles.cluster:
            group, cluster, size, total = cells_of(rows, sample.value)
        else:
            group, cluster = rows.group, rows.cluster
            size = rows.weight if len(rows.weight) else np.ones(len(group))
            total = size * sample.value[rows.level]
        n = sample.n_cluster[group].astype(np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            move = (total - sample.estimate[group] * size) / sample.mass[group]
            if not sample.roles.stratum:  # else that is of the stratum, which may hold both sides
                move *= np.sqrt(n / np.maximum(n - 1, 1))  # one cluster has no spread, and no interval
        order = np.lexsort((group, cluster))
        return group[order].astype(np.int64), cluster[order].astype(np.int64), move[order]

    @cached_property
    def _times(self) -> Float64:
        """How many clusters each cell stands for."""
        cluster = self._cells[1]
        times = self.rows.times if self.sample.roles.cluster else self.rows.many
        return times[cluster].astype(np.float64) if len(times) else np.ones(len(cluster))

    @cached_property
    def _met(self) -> tuple[Int64, NDArray[np.bool_], NDArray[np.bool_], Int64]:
        """Of each cell the pair whose group it is in, or -1; if so, whether its cluster is in the control
        too, and the cell there.
        """
        group, cluster, _ = self._cells
        n_groups, n_pairs = len(self.sample.counted.groups), len(self.one)
        pair_of, control_of = np.full((2, n_groups + 1), -1, dtype=np.int64)  # a group is one pair's
        pair_of[self.one], control_of[self.one] = np.arange(n_pairs), self.two
        key, wanted = cluster * n_groups + group, cluster * n_groups + control_of[group]
        at = np.minimum(np.searchsorted(key, wanted), max(len(key) - 1, 0))
        mine = pair_of[group] >= 0
        both = mine & (control_of[group] >= 0) & (key[at] == wanted) if len(key) else mine
        return pair_of[group], mine, both, at

    @cached_property
    def _parts(self) -> tuple[Float64, Int64]:
        """Variance and clusters of each pair, [3, n_pairs]: in the group alone, the control alone, both."""
        (group, _, move), (pair, mine, both, at), times = self._cells, self._met, self._times
        n_groups, n_pairs, lone = len(self.sample.counted.groups), len(self.one), mine & ~both
        alone, shared = pair[lone], pair[both]
        other, of_shared = move[at[both]], times[both]
        squares = summed(group, times * move**2, n_groups), summed(group, times, n_groups)
        variances = (
            summed(alone, times[lone] * move[lone] ** 2, n_pairs),
            self.of(squares[0], self.two) - summed(shared, of_shared * other**2, n_pairs),
            summed(shared, of_shared * (move[both] - other) ** 2, n_pairs),
        )
        n_shared = summed(shared, of_shared, n_pairs)
        n_control = np.append(squares[1], 0)[self.two] - n_shared
        counts = summed(alone, times[lone], n_pairs), n_control, n_shared
        variance, count = np.array(variances), np.array(counts).astype(np.int64)
        variance[count == 0] = 0.0  # what was taken away leaves rounding
        return np.maximum(variance, 0.0), count

    @cached_property
    def independent(self) -> NDArray[np.bool_]:
        """Where each cluster has one answer, and none is in both groups."""
        plain = np.append(self.sample.plain, False)
        alone: NDArray[np.bool_] = plain[self.one] & plain[self.two] & (self._parts[1][2] == 0)
        return alone

    @cached_property
    def _within_strata(self) -> tuple[Float64, Int64]:
        """Variance and degrees of freedom of each pair, clusters less strata; NaN where there is none.

        A cluster moves a pair by a = move of the group less move of the control; the sums of a and a² by
        stratum are those of both sides, less twice the products of clusters in both.
        """
        (group, cluster, move), (pair, _, both, at), times = self._cells, self._met, self._times
        rows, n_strata, n_pairs = self.rows, len(self.rows.n_drawn), len(self.one)
        stratum = rows.home[cluster].astype(np.int64)
        of_group, which = np.unique(group * n_strata + stratum, return_inverse=True)
        n = len(of_group)
        sums = np.array([summed(which, times * each, n) for each in (np.ones(len(group)), move, move**2)])
        first = np.searchsorted(of_group, np.arange(len(self.sample.counted.groups) + 1) * n_strata)
        keys, parts = [], []
        for side, sign in ((self.one, 1.0), (self.two, -1.0)):
            here = np.flatnonzero(side >= 0)
            length = np.diff(first)[side[here]]
            row = np.repeat(first[side[here]] - np.cumsum(length) + length, length) + np.arange(length.sum())
            keys.append(np.repeat(here, length) * n_strata + of_group[row] % n_strata)
            parts.append(sums[:, row] * [[1.0], [sign], [1.0]])
        shared, none = times[both] * move[both] * move[at[both]], np.zeros(int(both.sum()))
        keys.append(pair[both] * n_strata + stratum[both])
        parts.append(np.array([-times[both], none, -2 * shared]))
        key, place = np.unique(np.concatenate(keys), return_inverse=True)
        count, total, squares = (summed(place, each, len(key)) for each in np.hstack(parts))
        variance, dof, _ = within_strata(key, count, total, np.maximum(squares, 0.0), n_pairs, rows)
        variance = np.where(variance > self._nothing**2, variance, 0.0)
        return np.where(self.answered & (dof > 0), variance, np.nan), np.where(self.answered, dof, 0)

    @cached_property
    def _linear(self) -> tuple[Float64, Int64]:
        """Variance and degrees of freedom of each pair; 0 where a side has one cluster or none."""
        if self.sample.roles.stratum:
            return self._within_strata
        parts, count = self._parts
        n = np.append(self.sample.n_cluster, 0)
        enough = np.minimum(n[self.one], n[self.two]) > 1
        with np.errstate(divide="ignore", invalid="ignore"):
            variance = parts.sum(axis=0)
            variance = np.where(variance > self._nothing**2, variance, 0.0)
            freedom = variance**2 / (parts**2 / np.maximum(count - 1, 1)).sum(axis=0)
        plenty = np.maximum(n[self.one] + n[self.two] - 2, 1)  # where there is no variance at all
        freedom = np.where(variance > 0, np.nan_to_num(freedom, nan=1.0), plenty)
        whole = np.floor(np.maximum(freedom, 1) + 1e-9)  # a whole number stays, whatever the last bit
        return np.where(enough, variance, np.nan), np.where(enough, whole, 0).astype(np.int64)

    @property
    def _nothing(self) -> float:
        """A difference that is rounding."""
        return 1e-14 * float(np.ptp(self.sample.value))

    def limits(self, alpha: float) -> tuple[Float64, Float64]:
        """Low and high in weight units; NaN where a side has one cluster or none."""
        variance, dof = self._linear
        half = np.sqrt(variance) * t_quantiles(alpha / 2, dof)
        most = np.ptp(self.sample.value)
        return np.maximum(self.difference - half, -most), np.minimum(self.difference + half, most)

    def p_values(self) -> Float64:
        """The least alpha whose interval leaves out 0."""
        variance, dof = self._linear
        p = np.full(len(dof), np.nan)
        for at in np.flatnonzero(dof > 0).tolist():
            away, error = abs(float(self.difference[at])), float(np.sqrt(variance[at]))
            p[at] = 1.0 if away <= self._nothing else 2 * t_tail(away / error, int(dof[at])) if error else 0.0
        return p

    @cached_property
    def pairs(self) -> Pairs:
        """The counts of both sides, as they are compared without a design; none where there is no group."""
        plain = self.sample.sample
        counts = np.vstack([plain.counts, np.zeros((1, plain.counts.shape[1]), dtype=np.int64)])
        return Pairs(Sample(counts[self.one], plain.weights), Sample(counts[self.two], plain.weights))

    def numbers(self, alpha: float, *, free: NDArray[np.bool_]) -> list[Float64]:
        """Low, high and p-value of each pair: MOVER's where ``free``, else linearized."""
        plain = (*Mover().limits(self.pairs, alpha), Mover().p_values(self.pairs))
        linear = (*self.limits(alpha), self.p_values())
        return [np.where(free, one, other) for one, other in zip(plain, linear, strict=True)]
