"""Checks of survey designs: who answered together, what an answer counts for, and how it was drawn.

What is left is a table of counts and of weights by group and level, and the clusters of each group by what
they answered. Answers themselves are checked in ``_answers.py``.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cxcore import _options, errors
from cxcore._answers import columns_of, row_groups, score_counts
from cxcore._columns import MOST_ROWS, Float64, Int32, Int64, UInt8, amounts, keys
from cxcore._ext import designs as kernels


@dataclass(frozen=True, slots=True)
class DesignRoles:
    """Which columns, or expressions, say how the answers were drawn; nothing of all this is no design."""

    cluster: tuple[Any, ...] = ()
    weight: Any = None
    stratum: tuple[Any, ...] = ()
    population: float | Mapping[Any, float] | None = None

    def __bool__(self) -> bool:
        of_columns = bool(self.cluster or self.stratum)
        return of_columns or self.weight is not None or self.population is not None

    @property
    def roles(self) -> dict[str, Any]:
        """Roles of columns that were given, for the check that they are there."""
        if not self:
            return {}
        weight = () if self.weight is None else (self.weight,)
        given = (("cluster", self.cluster), ("weight", weight), ("stratum", self.stratum))
        return {name: value for name, value in given if value}


_NO_DESIGN = DesignRoles()
#: of the largest weight, less would vanish where weights are squared
_FAINT = 1e-100


def design_roles(call: str, cluster: Any, weight: Any, stratum: Any, population: Any) -> DesignRoles:
    """The options of a design, checked before any row is read."""
    if cluster is weight is stratum is population is None:
        return _NO_DESIGN
    clusters, strata = _names(call, "cluster", cluster), _names(call, "stratum", stratum)
    if weight is not None:
        _column(call, "weight", weight)
    if isinstance(population, Mapping):
        if not strata:
            raise errors.bad_option(call, "population", population, "there are no strata.", "say stratum=.")
        population = {name: _size(call, population, size) for name, size in population.items()}
    elif population is not None:
        if strata:
            hint = "such as population={'north': 1_200, 'south': 800}."
            raise errors.bad_option(call, "population", population, "each stratum has one of its own.", hint)
        population = _size(call, population, population)
    return DesignRoles(clusters, weight, strata, population)


def _column(call: str, role: str, value: Any) -> None:
    if not isinstance(value, pl.Expr):
        _options.column_name(call, role, value)
    elif value.meta.has_multiple_outputs():
        raise errors.bad_option(call, role, str(value), "names several columns at once.", "list them.")


def _names(call: str, role: str, value: Any) -> tuple[Any, ...]:
    if value is None:
        return ()
    names = _options.column_names(value)
    if not names:
        raise errors.bad_option(call, role, value, "names no column.", "leave it out, or name one.")
    for at, name in enumerate(names):
        _column(call, role, name)
        if isinstance(name, str) and any(isinstance(each, str) and each == name for each in names[:at]):
            raise errors.bad_option(call, role, name, "named twice.", "name each column once.")
    return tuple(names)


def _size(call: str, population: Any, size: Any) -> float:
    number = isinstance(size, (int, float, np.integer, np.floating)) and not isinstance(size, bool)
    if not number or not 1 <= size <= sys.float_info.max:
        hint = "how many there are to draw from, such as 5_000."
        raise errors.bad_option(call, "population", population, f"{size!r} is no number of customers.", hint)
    return float(size)


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


@dataclass(frozen=True, slots=True)
class DesignRows:
    """The rows that count: their group, cluster, stratum, level above the lowest, and weight (empty: 1)."""

    groups: pl.DataFrame
    n_null: Int64
    group: Int32
    cluster: Int32
    n_clusters: int
    level: UInt8
    weight: Float64
    stratum: Int32
    n_drawn: Int64
    fraction: Float64


def design_rows(
    call: str,
    house: pl.DataFrame,
    score: str,
    by: Any,
    scale: tuple[int, int],
    missing: Sequence[int],
    design: DesignRoles,
    *,
    total: bool = False,
    n_threads: int = 1,
) -> DesignRows:
    """Check the columns of a design, and keep the rows that count. ``total`` adds a group of all rows."""
    if (1 + total) * len(house) > MOST_ROWS:
        raise errors.too_many_rows(call, len(house))
    score_counts(call, house, score, None, scale, missing)  # refuses what is not on the scale
    code, groups, order = row_groups(call, house, by, n_threads)
    columns, design = _computed(call, house, design)
    if order is not None:
        code, groups = np.argsort(order).astype(np.int32)[code], groups[order]
    else:
        code = np.zeros(len(house), dtype=np.int32)
    level, answered = _levels(house[score], scale, missing)
    weight, heavy = _weights(call, columns.get("weight", house), design.weight, answered)
    cluster = _clusters(call, columns.get("cluster", house), design.cluster, n_threads)
    strata = columns.get("stratum", house)
    stratum, labels = _strata(call, strata, design.stratum, answered & heavy, n_threads)
    rows = np.flatnonzero(answered & heavy)
    n_null = np.bincount(code[~answered & heavy], minlength=len(groups))
    own = len(house) if cluster is None else int(cluster.max(initial=-1)) + 1
    if cluster is None:
        cluster = np.arange(own, dtype=np.int32)
    elif len(cluster) and cluster.min() < 0:  # nobody knows who: nobody else's
        unknown = cluster < 0
        cluster[unknown] = own + np.arange(int(unknown.sum()), dtype=np.int32)
        own += int(unknown.sum())
    n_drawn = _drawn(call, columns.get("cluster", house), design, cluster, stratum, rows, own, len(labels))
    fraction = _fractions(call, design, labels, n_drawn)
    parts: list[Any] = [part[rows] if len(part) else part for part in (code, cluster, level, weight, stratum)]
    if total:
        mark = pl.DataFrame({"is_total": [True]})
        groups = pl.concat([groups.with_columns(is_total=pl.lit(value=False)), mark], how="diagonal")
        whole = np.full(len(rows), len(groups) - 1, dtype=np.int32)
        parts = [np.concatenate([parts[0], whole]), *(np.concatenate([part, part]) for part in parts[1:])]
        n_null = np.append(n_null, n_null.sum())
    group, who, steps, heft, home = parts
    return DesignRows(groups, n_null, group, who, own, steps, heft, home, n_drawn, fraction)


def _computed(
    call: str, house: pl.DataFrame, design: DesignRoles
) -> tuple[dict[str, pl.DataFrame], DesignRoles]:
    """The columns of each role by themselves, so that errors call an expression by its own name."""
    frames: dict[str, pl.DataFrame] = {}
    found: dict[str, Any] = {}
    for role, parts in design.roles.items():
        columns: dict[str, pl.Series] = {}
        for part in parts:
            column = columns_of(call, house, [part], role).to_series()
            name = column.name
            while name in columns:  # such as a column, and what is made of it
                name = f"{name} ({role})"
            columns[name] = column.alias(name)
        frames[role] = pl.DataFrame(list(columns.values()))
        found[role] = next(iter(columns)) if role == "weight" else tuple(columns)
    return frames, replace(design, **found)


def _levels(
    column: pl.Series, scale: tuple[int, int], missing: Sequence[int]
) -> tuple[UInt8, NDArray[np.bool_]]:
    """Steps above the lowest level, and which rows have an answer; all others were refused."""
    number = column.cast(pl.Int64, strict=False)
    answered = number.is_between(*scale).fill_null(value=False)
    codes = [value for value in missing if scale[0] <= value <= scale[1]]
    if codes:
        answered &= ~number.is_in(codes).fill_null(value=False)
    level = (number.fill_null(scale[0]) - scale[0]).clip(0, scale[1] - scale[0]).cast(pl.UInt8)
    return level.rechunk().to_numpy(), answered.rechunk().to_numpy()


def _weights(
    call: str, house: pl.DataFrame, weight: str | None, answered: NDArray[np.bool_]
) -> tuple[Float64, NDArray[np.bool_]]:
    """Weights in a unit in which none exceeds 1, and which rows count at all."""
    if weight is None:
        return np.empty(0), np.ones(len(house), dtype=np.bool_)
    column = amounts(call, "weight", house, weight)
    negative = (column < 0).fill_null(value=False)
    if negative.any():
        row = int(negative.arg_max() or 0)
        raise errors.negative_weight(call, weight, int(negative.sum()), len(column), column[row], row)
    absent = column.is_null().to_numpy() & answered
    if absent.any():
        hint = "an answer that should not count weighs 0."
        raise errors.nulls(call, "weight", weight, int(absent.sum()), len(column), int(absent.argmax()), hint)
    heavy = (column > 0).fill_null(value=True).to_numpy()
    found = column.fill_null(0.0).rechunk().to_numpy()
    most = found.max(initial=0.0)
    faint = heavy & answered & (found < most * _FAINT)
    if faint.any():
        row = int(faint.argmax())
        raise errors.faint_weight(call, weight, int(faint.sum()), len(column), found[row], row, most)
    return np.ldexp(found, -np.frexp(most)[1]), heavy  # a power of two, so that no digit is lost


def _clusters(call: str, house: pl.DataFrame, columns: Sequence[str], n_threads: int) -> Int32 | None:
    """A code for each cluster, -1 where any of the columns is null; None without clusters."""
    if not columns:
        return None
    code: Int32 = keys(call, "cluster", house, columns, n_threads=n_threads).code
    return code.copy() if not code.flags.writeable else code


def _strata(
    call: str, house: pl.DataFrame, columns: Sequence[str], counts: NDArray[np.bool_], n_threads: int
) -> tuple[Int32, list[Any]]:
    """A code for each stratum, and their names; one stratum of all without columns."""
    if not columns:
        return np.zeros(len(house), dtype=np.int32), [None]
    found = keys(call, "stratum", house, columns, n_threads=n_threads)
    unknown = (found.code < 0) & counts
    if unknown.any():
        hint = "a row of no stratum was drawn from none; name one with fill_null()."
        shown, n = ", ".join(columns), len(house)
        raise errors.nulls(call, "stratum", shown, int(unknown.sum()), n, int(unknown.argmax()), hint)
    names = house[found.first].select(columns)
    order = names.select(pl.arg_sort_by(columns, maintain_order=True)).to_series().to_numpy()
    code = np.append(np.argsort(order), -1).astype(np.int32)[found.code]  # sums go in the order of names
    return code, [name[0] if len(columns) == 1 else name for name in names[order].rows()]


def _drawn(
    call: str,
    house: pl.DataFrame,
    design: DesignRoles,
    cluster: Int32,
    stratum: Int32,
    rows: Int64,
    n_clusters: int,
    n_strata: int,
) -> Int64:
    """How many clusters with an answer each stratum has; a cluster lies in one stratum."""
    home = np.full(n_clusters, -1, dtype=np.int32)
    home[cluster[rows[::-1]]] = stratum[rows[::-1]]  # the first row says
    if design.cluster and design.stratum:
        moved = home[cluster[rows]] != stratum[rows]
        if moved.any():
            n_bad = len(np.unique(cluster[rows[moved]]))
            shown = house[int(rows[moved][0])].select(design.cluster).row(0)
            name = shown[0] if len(shown) == 1 else shown
            raise errors.two_strata(
                call, ", ".join(design.cluster), n_bad, int((home >= 0).sum()), name, int(rows[moved][0])
            )
    return np.bincount(home[home >= 0], minlength=n_strata).astype(np.int64)


def _fractions(call: str, design: DesignRoles, labels: list[Any], n_drawn: Int64) -> Float64:
    """Part of each stratum's population that answered; 0 where nobody says how many there are."""
    if design.population is None:
        return np.zeros(len(n_drawn))
    what = "clusters" if design.cluster else "answers"
    sizes = []
    for label, drawn in zip(labels, n_drawn.tolist(), strict=True):
        population = design.population
        if isinstance(population, Mapping):
            if label not in population:
                hint = "give the number of each stratum."
                problem = f"says nothing of the stratum {label!r}."
                raise errors.bad_option(call, "population", design.population, problem, hint)
            population = population[label]
        if population < drawn:
            where = f" of the stratum {label!r}" if design.stratum else ""
            problem = f"{drawn:,} {what}{where} came from {population:,.0f}."
            hint = f"count {what}, as they were drawn."
            raise errors.bad_option(call, "population", design.population, problem, hint)
        sizes.append(population)
    fractions: Float64 = n_drawn / np.array(sizes)
    return fractions


def design_counts(rows: DesignRows, value: Float64, by_cluster: bool) -> DesignCounts:
    """Sums of the rows by group and level, and their clusters by signature. ``value`` of each level."""
    n_groups, n_levels = len(rows.groups), len(value)
    cell = rows.group.astype(np.int64) * n_levels + rows.level
    shape = (n_groups, n_levels)
    counts = np.bincount(cell, minlength=n_groups * n_levels).reshape(shape)
    weighted: Float64 = counts.astype(np.float64)
    square: Float64 = weighted.sum(axis=1)
    if len(rows.weight):
        weighted = summed(cell, rows.weight, n_groups * n_levels).reshape(shape)
        square = summed(rows.group, rows.weight**2, n_groups)
    if by_cluster:
        group, cluster, size, total = cells_of(rows, value)
        home = np.zeros(rows.n_clusters, dtype=np.int32)
        home[rows.cluster] = rows.stratum
        stratum = home[cluster]
    else:
        size = rows.weight if len(rows.weight) else np.ones(len(rows.group))
        group, stratum, total = rows.group, rows.stratum, size * value[rows.level]
    n = len(group)
    start, count = np.zeros(n_groups + 1, dtype=np.int64), np.empty(n, dtype=np.int64)
    strata, sizes, totals = np.empty(n, dtype=np.int32), np.empty(n), np.empty(n)
    n = kernels.cluster_signatures(group, stratum, size, total, start, strata, sizes, totals, count)
    alike = strata[:n].copy(), sizes[:n].copy(), totals[:n].copy(), count[:n].copy()
    drawn = rows.n_drawn, rows.fraction
    return DesignCounts(rows.groups, counts, rows.n_null, weighted, square, start, *alike, *drawn)


def summed(code: Int32 | Int64, amount: Float64, n: int) -> Float64:
    """Sum of the amounts of each code, float64[n], added in the order of rows."""
    return np.bincount(code, amount, n).astype(np.float64, copy=False)


def cells_of(rows: DesignRows, value: Float64) -> tuple[Int32, Int32, Float64, Float64]:
    """Answers of each cluster in each group: group, cluster, sum of weights and of weight times value."""
    n = len(rows.group)
    codes, sums = np.empty((2, n), dtype=np.int32), np.empty((2, n))
    n = kernels.cluster_cells(
        rows.group, rows.cluster, rows.level, rows.weight, value, len(rows.groups), rows.n_clusters,
        *codes, *sums,
    )  # fmt: skip
    return codes[0, :n], codes[1, :n], sums[0, :n], sums[1, :n]
