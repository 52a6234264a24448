"""Checks of survey designs: who answered together, what an answer counts for, and how it was drawn.

What is left are rows as codes, which ``_design_sums.py`` adds up. Answers themselves are checked in
``_answers.py``.
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
from cxcore._design_sums import DesignRows


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
        _options.no_column_of_spark(call, role, value)
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
    coded = coded_rows(call, house, score, by, scale, missing, design, n_threads)
    columns, design = coded.columns, coded.design
    cluster = _clusters(call, columns.get("cluster", house), design.cluster, n_threads)
    rows = np.flatnonzero(coded.answered & coded.heavy)
    n_null = np.bincount(coded.group[~coded.answered & coded.heavy], minlength=len(coded.groups))
    own = len(house) if cluster is None else int(cluster.max(initial=-1)) + 1
    if cluster is None:
        cluster = np.arange(own, dtype=np.int32)
    elif len(cluster) and cluster.min() < 0:  # nobody knows who: nobody else's
        unknown = cluster < 0
        cluster[unknown] = own + np.arange(int(unknown.sum()), dtype=np.int32)
        own += int(unknown.sum())
    home = _homes(call, columns.get("cluster", house), design, cluster, coded.stratum, rows, own)
    n_drawn = np.bincount(home[home >= 0], minlength=len(coded.labels)).astype(np.int64)
    fraction = fractions(call, design, coded.labels, n_drawn)
    of_rows = (coded.group, cluster, coded.level, coded.weight, coded.stratum)
    parts: list[Any] = [part[rows] if len(part) else part for part in of_rows]
    groups = coded.groups
    if total:
        whole = np.full(len(rows), len(groups), dtype=np.int32)
        parts = [np.concatenate([parts[0], whole]), *(np.concatenate([part, part]) for part in parts[1:])]
        groups, n_null = and_all(groups), np.append(n_null, n_null.sum())
    group, who, steps, heft, stratum = parts
    return DesignRows(groups, n_null, group, who, own, steps, heft, stratum, home, n_drawn, fraction)


@dataclass(frozen=True, slots=True)
class CodedRows:
    """All rows by code: group, level, stratum; which have an answer, and which do not weigh 0.

    ``columns`` and ``design``: what the roles are, by names of columns; ``labels``: names of strata.
    """

    groups: pl.DataFrame
    group: Int32
    level: UInt8
    answered: NDArray[np.bool_]
    weight: Float64
    heavy: NDArray[np.bool_]
    stratum: Int32
    labels: list[Any]
    columns: dict[str, pl.DataFrame]
    design: DesignRoles


def coded_rows(
    call: str,
    house: pl.DataFrame,
    score: str,
    by: Any,
    scale: tuple[int, int],
    missing: Sequence[int],
    design: DesignRoles,
    n_threads: int,
) -> CodedRows:
    """What each row says, but for its cluster; its answer was checked before."""
    code, groups, order = row_groups(call, house, by, n_threads)
    columns, design = _computed(call, house, design)
    if order is not None:
        code, groups = np.argsort(order).astype(np.int32)[code], groups[order]
    else:
        code = np.zeros(len(house), dtype=np.int32)
    level, answered = _levels(house[score], scale, missing)
    weight, heavy = _weights(call, columns.get("weight", house), design.weight, answered)
    strata = columns.get("stratum", house)
    stratum, labels = _strata(call, strata, design.stratum, answered & heavy, n_threads)
    return CodedRows(groups, code, level, answered, weight, heavy, stratum, labels, columns, design)


def and_all(groups: pl.DataFrame) -> pl.DataFrame:
    """Groups, and behind them that of all rows."""
    mark = pl.DataFrame({"is_total": [True]})
    return pl.concat([groups.with_columns(is_total=pl.lit(value=False)), mark], how="diagonal")


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


def _homes(
    call: str,
    house: pl.DataFrame,
    design: DesignRoles,
    cluster: Int32,
    stratum: Int32,
    rows: Int64,
    n_clusters: int,
) -> Int32:
    """The stratum of each cluster, and it lies in one; -1 where it has no answer."""
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
    return home


def fractions(call: str, design: DesignRoles, labels: list[Any], n_drawn: Int64) -> Float64:
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
    found: Float64 = n_drawn / np.array(sizes)
    return found
