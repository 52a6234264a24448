"""Answers under a design that an engine has counted: each distinct row once, and customers by kind.

A kind is the customers who said the same: in every group and stratum as many answers, worth the same. What a
driver holds is as long as there are kinds, however many customers there are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from cxcore import _options, errors
from cxcore._answers import score_counts
from cxcore._columns import Float64, Int32, Int64, needed
from cxcore._design_columns import DesignRoles, and_all, coded_rows, design_rows, fractions
from cxcore._design_sums import DesignRows, summed
from cxcore.engines.base import COUNT, KIND, MANY, TOTAL, Alike, Compute, Counted, Spread

_NO_WEIGHTS = np.empty(0)


def of_design(
    call: str,
    score: str,
    by: Any,
    scale: tuple[int, int],
    missing: Sequence[int],
    design: DesignRoles,
    answer: Callable[[DesignRows], pl.DataFrame],
    names: Sequence[Any],
    weights: Sequence[int],
    *,
    total: bool = False,
) -> tuple[Compute, Spread]:
    """The answer out of the answers themselves, and out of counts; ``names``: columns that ``by`` is made of.

    An expression may look at other rows: it wants the whole.
    """

    def compute(house: pl.DataFrame) -> pl.DataFrame:
        n_threads = _options.n_threads(call, None)
        rows = design_rows(call, house, score, by, scale, missing, design, total=total, n_threads=n_threads)
        return answer(rows)

    def of_kinds(rows: pl.DataFrame, kinds: pl.DataFrame) -> pl.DataFrame:
        return answer(
            design_kinds(call, rows, kinds, score, by, scale, missing, design, weights, total=total)
        )

    def spread() -> Alike | Counted | None:
        weight = () if design.weight is None else (design.weight,)
        roles = (*names, *design.cluster, *weight, *design.stratum)
        if any(isinstance(role, pl.Expr) for role in roles):
            return None
        if not design.cluster:
            return Counted(lambda rows: of_kinds(rows, rows.clear()))
        levels = range(scale[0], scale[1] + 1)
        worth = {level: x for level, x in zip(levels, weights, strict=True) if level not in missing}
        within = tuple(needed(names, weight, design.stratum))
        return Alike(tuple(design.cluster), within, score, worth, of_kinds)

    return compute, spread


def design_kinds(
    call: str,
    rows: pl.DataFrame,
    kinds: pl.DataFrame,
    score: str,
    by: Any,
    scale: tuple[int, int],
    missing: Sequence[int],
    design: DesignRoles,
    weights: Sequence[int],
    *,
    total: bool = False,
) -> DesignRows:
    """What ``design_rows`` makes of the answers themselves; ``weights``: what each level is worth."""
    n, many = len(rows), rows[COUNT].cast(pl.Int64).to_numpy()
    score_counts(call, rows, score, None, scale, missing, many=many)
    both = [name for name in rows.columns if name in kinds.columns]  # COUNT, and what customers are told by
    house = pl.concat([rows, kinds.select(both)], how="diagonal")
    try:
        coded = coded_rows(call, house, score, by, scale, missing, replace(design, cluster=()), 1)
    except errors.InvalidDataError as error:
        raise errors.in_a_worker(error, counted=True) from None
    counts, is_row = coded.answered & coded.heavy, np.arange(len(house)) < n
    kept, silent = np.flatnonzero(counts & is_row), np.flatnonzero(~coded.answered & coded.heavy & is_row)
    cluster, home, times = np.arange(len(kept), dtype=np.int32), coded.stratum[kept], many[kept]
    of_kinds = coded.heavy[n:]
    said = kinds.filter(pl.Series(of_kinds, dtype=pl.Boolean)) if design.cluster else kinds
    if design.cluster:
        home, times = _homes(call, design, said, coded.stratum[n:][of_kinds])
        worth = np.asarray(weights, np.int64)[coded.level[kept]]
        of_answers = int(many[kept].sum()), int((many[kept] * worth).sum())
        if of_answers != tuple(int((said[MANY] * said[what]).sum()) for what in (COUNT, TOTAL)):
            problem, hint = "rows and customers were read apart, and do not agree.", "cache the frame first."
            raise errors.bad_data(call, "score", score, problem, hint)
    n_drawn = _tally(home[home >= 0], times[home >= 0], len(coded.labels))
    fraction = fractions(call, design, coded.labels, n_drawn)
    of_rows = (coded.group, coded.level, coded.weight, coded.stratum, many)
    parts: list[Any] = [cluster, *(part[kept] if len(part) else part for part in of_rows)]
    groups, n_null = coded.groups, _tally(coded.group[silent], many[silent], len(coded.groups))
    cells = None
    if design.cluster:
        heft = coded.weight[n:][of_kinds] if design.weight is not None else _NO_WEIGHTS
        cells = _cells(said, coded.group[n:][of_kinds], heft, len(groups), total=total)
    if total:
        parts = [np.concatenate([part, part]) for part in parts]
        parts[1][len(kept) :] = len(groups)
        groups, n_null = and_all(groups), np.append(n_null, n_null.sum())
    who, group, level, weight, stratum, often = parts
    drawn = home, n_drawn, fraction
    return DesignRows(
        groups, n_null, group, who, len(home), level, weight, stratum, *drawn, often, times, cells
    )


def _homes(call: str, design: DesignRoles, kinds: pl.DataFrame, stratum: Int32) -> tuple[Int32, Int64]:
    """The stratum of each kind, -1 where its answers weigh nothing, and how many customers it has."""
    kind = kinds[KIND].cast(pl.Int64).to_numpy()
    home, times = np.full(int(kind.max(initial=-1)) + 1, -1, dtype=np.int32), kinds[MANY].to_numpy()
    many = np.zeros(len(home), dtype=np.int64)
    home[kind[::-1]], many[kind] = stratum[::-1], times
    moved = np.unique(kind[home[kind] != stratum])
    if len(moved):
        n_bad, n = int(many[moved].sum()), int(many[home >= 0].sum())
        raise errors.two_strata(call, ", ".join(design.cluster), n_bad, n)
    return home, many


def _cells(
    kinds: pl.DataFrame, group: Int32, weight: Float64, n_groups: int, *, total: bool
) -> tuple[Int32, Int32, Float64, Float64]:
    """Group, kind, size and total, as ``cells_of`` gives them; ``total``: of the group of all, too."""
    kind = kinds[KIND].cast(pl.Int64).to_numpy()
    size, worth = (kinds[name].cast(pl.Float64).to_numpy() for name in (COUNT, TOTAL))
    if len(weight):
        size, worth = size * weight, worth * weight
    place = group.astype(np.int64)
    if total:
        place = np.concatenate([place, np.full(len(place), n_groups)])
        kind, size, worth = (np.concatenate([each, each]) for each in (kind, size, worth))
    cell, at = np.unique(kind * (n_groups + 1) + place, return_inverse=True)
    who, where = np.divmod(cell, n_groups + 1)
    n = len(cell)
    return where.astype(np.int32), who.astype(np.int32), summed(at, size, n), summed(at, worth, n)


def _tally(code: Int32, many: Int64, n: int) -> Int64:
    """How many of each code; counts below 2**53 are exact in float64."""
    return np.bincount(code, many, n).astype(np.int64)
