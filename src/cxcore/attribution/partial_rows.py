"""Rows of partials: what each says, and how those that say one thing add up."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import polars as pl

#: what a row says: a channel was met, a group has so many conversions, credit, a path; and of intervals: how
#: many customers there are, sums of powers of what they change, credit and steps of customers drawn again
MET, GROUP, CREDIT, PATH, CUSTOMERS, PAIR, DRAWN, STEP = range(8)
#: how their columns are named, beside those of the user
OURS = "cxcore: "
KIND, MODEL, CHANNEL, PATHS = (f"{OURS}{name}" for name in ("kind", "model", "channel", "path"))
COUNT, VALUE, NULLS, CREDITED = (f"{OURS}{name}" for name in ("count", "value", "nulls", "credited"))
OTHER_MODEL, OTHER_CHANNEL, NUMBERS = (f"{OURS}{name}" for name in ("other model", "other", "numbers"))
#: what a row counts
WHAT = f"{OURS}what"
#: rows from which on those of one partition are added up as they come
MANY = 100_000


def rows_of(kind: int, **columns: pl.Series) -> pl.DataFrame:
    return pl.DataFrame(columns).with_columns(pl.lit(kind, pl.Int8).alias(KIND))


def of_kind(rows: pl.DataFrame, kind: int) -> pl.DataFrame:
    return rows.filter(pl.col(KIND) == kind)


def added_up(partials: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    held: list[pl.DataFrame] = []
    most = MANY
    for rows in partials:
        held.append(rows)
        if sum(map(len, held)) > most:
            held = [sums(pl.concat(held))]
            most = 2 * len(held[0]) + MANY
    if held:
        yield sums(pl.concat(held))


def sums(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows that say one thing, added up: the same sums in whatever order they came."""
    whole, real = (COUNT, NULLS), (VALUE, CREDITED)
    lists = [name for name in rows.columns if name == NUMBERS]
    keys = [name for name in rows.columns if name not in (*whole, *real, *lists)]
    of_real = pl.col(*real, *lists).drop_nulls()
    added = rows.group_by(keys, maintain_order=True).agg(pl.col(whole).sum(), of_real)
    columns = [pl.Series(name, list(map(total, added[name].to_list())), pl.Float64) for name in real]
    columns += [pl.Series(name, list(map(_totals, added[name])), pl.List(pl.Float64)) for name in lists]
    return added.with_columns(columns).select(rows.columns)


def total(values: Iterable[float]) -> float:
    """Not finite where a float64 cannot hold it, which ``merge`` refuses."""
    try:
        return math.fsum(values)
    except (OverflowError, ValueError):  # infinite ones of both signs
        return math.inf


def _totals(lists: pl.Series) -> list[float] | None:
    """Of lists of one length, place by place."""
    if len(lists) < 2:
        return lists[0].to_list() if len(lists) else None
    places: Any = np.array(lists.to_list()).T.tolist()
    return list(map(total, places))
