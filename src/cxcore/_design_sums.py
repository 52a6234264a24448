"""Sums of answers under a survey design: counts and weights by group and level, clusters by signature."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import polars as pl

from cxcore._columns import Float64, Int32, Int64, UInt8
from cxcore._ext import designs as kernels


def _one_each() -> Int64:
    """No numbers: each row or cluster stands for itself."""
    return np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class DesignRows:
    """The rows that count: their group, cluster, stratum, level above the lowest, and weight (empty: 1).

    ``home`` int32[n_clusters]: the stratum of each cluster. Where an engine has counted, a row stands for
    ``many`` answers and a cluster for ``times`` that are alike (empty: 1), whose ``cells`` are given.
    """

    groups: pl.DataFrame
    n_null: Int64
    group: Int32
    cluster: Int32
    n_clusters: int
    level: UInt8
    weight: Float64
    stratum: Int32
    home: Int32
    n_drawn: Int64
    fraction: Float64
    many: Int64 = field(default_factory=_one_each)
    times: Int64 = field(default_factory=_one_each)
    cells: tuple[Int32, Int32, Float64, Float64] | None = None


@dataclass(frozen=True, slots=True)
class DesignCounts:
    """Answers under a design. Rows without an answer, and rows of weight 0, are in none of the sums.

    ``groups``, ``counts`` and ``n_null`` as in ``ScoreCounts``, by level of the scale. ``weighted``
    float64[n_groups, n_levels] and ``square`` float64[n_groups]: sums of weights and of their squares, in a
    unit in which no weight exceeds 1.

    Clusters alike in one group and stratum are one signature: ``start`` int64[n_groups + 1] into ``stratum``
    int32, ``size`` and ``total`` float64 (sums of weight, and of weight times value) and ``count`` int64. An
    answer without a cluster is one of its own. ``n_drawn`` int64[n_strata] clusters with an answer in any
    group, ``fraction`` float64[n_strata] that part of the population.
    """

    groups: pl.DataFrame
    counts: Int64
    n_null: Int64
    weighted: Float64
    square: Float64
    start: Int64
    stratum: Int32
    size: Float64
    total: Float64
    count: Int64
    n_drawn: Int64
    fraction: Float64


def design_counts(rows: DesignRows, value: Float64, by_cluster: bool) -> DesignCounts:
    """Sums of the rows by group and level, and their clusters by signature. ``value`` of each level."""
    n_groups, n_levels = len(rows.groups), len(value)
    cell = rows.group.astype(np.int64) * n_levels + rows.level
    shape = (n_groups, n_levels)
    many = rows.many if len(rows.many) else None
    counts = np.bincount(cell, many, n_groups * n_levels).astype(np.int64).reshape(shape)
    weighted: Float64 = counts.astype(np.float64)
    square: Float64 = weighted.sum(axis=1)
    if len(rows.weight):
        weighted = summed(cell, for_all(rows.weight, rows.many), n_groups * n_levels).reshape(shape)
        square = summed(rows.group, for_all(rows.weight**2, rows.many), n_groups)
    if by_cluster:
        group, cluster, size, total = cells_of(rows, value)
        stratum = rows.home[cluster]
        alike = rows.times[cluster] if len(rows.times) else rows.times
    else:
        size = rows.weight if len(rows.weight) else np.ones(len(rows.group))
        group, stratum, total, alike = rows.group, rows.stratum, size * value[rows.level], rows.many
    n = len(group)
    start, count = np.zeros(n_groups + 1, dtype=np.int64), np.empty(n, dtype=np.int64)
    strata, sizes, totals = np.empty(n, dtype=np.int32), np.empty(n), np.empty(n)
    n = kernels.cluster_signatures(group, stratum, size, total, alike, start, strata, sizes, totals, count)
    found = strata[:n].copy(), sizes[:n].copy(), totals[:n].copy(), count[:n].copy()
    drawn = rows.n_drawn, rows.fraction
    return DesignCounts(rows.groups, counts, rows.n_null, weighted, square, start, *found, *drawn)


def for_all(amount: Float64, many: Int64) -> Float64:
    """Amounts of rows that stand for ``many`` each; empty: one."""
    return amount * many if len(many) else amount


def summed(code: Int32 | Int64, amount: Float64, n: int) -> Float64:
    """Sum of the amounts of each code, float64[n], added in the order of rows."""
    return np.bincount(code, amount, n).astype(np.float64, copy=False)


def cells_of(rows: DesignRows, value: Float64) -> tuple[Int32, Int32, Float64, Float64]:
    """Answers of each cluster in each group: group, cluster, sum of weights and of weight times value."""
    if rows.cells is not None:
        return rows.cells
    n = len(rows.group)
    codes, sums = np.empty((2, n), dtype=np.int32), np.empty((2, n))
    n = kernels.cluster_cells(
        rows.group, rows.cluster, rows.level, rows.weight, value, len(rows.groups), rows.n_clusters,
        *codes, *sums,
    )  # fmt: skip
    return codes[0, :n], codes[1, :n], sums[0, :n], sums[1, :n]
