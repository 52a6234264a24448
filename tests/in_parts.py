"""An engine that spreads rows as Spark does, on one machine: what the verbs promise to such engines."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import polars as pl
import pytest

from cxcore import _parts, datasets, engines
from cxcore.engines.base import (
    COUNT,
    KIND,
    MANY,
    TOTAL,
    Alike,
    Compute,
    Counted,
    Engine,
    Parts,
    SchemaOf,
    Spread,
    Whole,
)

EVENTS: dict[str, Any] = {"user": "user_id", "time": "ts", "channel": "channel", "order": "row"}
CONVERTS: dict[str, Any] = {**EVENTS, "conversion": "conversion", "value": "value"}


def touches(n_users: int) -> pl.DataFrame:
    """A log in which some rows have no user, with columns for what attribution may ask beside."""
    log = datasets.touchpoints(n_users, rng=5).frame.with_row_index("row")
    return log.with_columns(
        user_id=pl.when(pl.col("row") % 40 > 0).then("user_id"),
        plan=pl.col("user_id") % 3,
        is_lead=pl.col("row") % 7 == 0,
        cost=pl.col("row") % 5,
    )


@dataclass(frozen=True)
class Apart:
    """A frame whose order nobody may know: ``parts`` of whole keys, brought ``batch`` rows at a time.

    ``may_be_whole``: may all rows come to one place? ``walks``: rows of the partials of each walk.
    """

    rows: pl.DataFrame
    parts: int = 3
    batch: int = 7
    may_be_whole: bool = True
    walks: list[int] = field(default_factory=list)


@contextmanager
def registered(piece: int = 150) -> Iterator[None]:
    """The engine among the others, and workers who take so few rows at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engines, "ENGINES", (InParts(), *engines.ENGINES))
        patch.setattr(_parts, "PIECE", piece)
        yield


class InParts(Engine):
    name = "frame in parts"

    def handles(self, frame: Any) -> bool:
        return isinstance(frame, Apart)

    def columns(self, frame: Apart) -> list[str]:
        return frame.rows.columns

    def read(self, call: str, frame: Apart, columns: Sequence[str] | None) -> pl.DataFrame:
        raise AssertionError("no verb here reads the whole")

    def with_columns(self, frame: Apart, house: pl.DataFrame, new: pl.DataFrame) -> Apart:
        raise AssertionError("rows have no place")

    def from_house(self, frame: Apart, result: pl.DataFrame) -> pl.DataFrame:
        return result

    def rows(
        self,
        call: str,
        frame: Apart,
        columns: Sequence[str],
        compute: Compute,
        schema: SchemaOf,
        spread: Spread | None = None,
    ) -> pl.DataFrame:
        assert spread is not None
        parts = spread()
        assert isinstance(parts, Parts)
        found = [
            part.hstack(pl.concat(parts.walk(batches(part.select(columns), frame.batch))))
            for part in spread_over(frame, frame.rows, parts)
        ]
        empty = pl.DataFrame(schema={**frame.rows.schema, **schema(frame.rows.schema)})
        return pl.concat([empty, *found])

    def summary(
        self,
        call: str,
        frame: Apart,
        columns: Sequence[str] | None,
        compute: Compute,
        schema: SchemaOf,
        spread: Spread | None = None,
    ) -> pl.DataFrame:
        assert spread is not None
        assert columns is not None
        parts, narrow = spread(), frame.rows.select(columns)
        if parts is None or isinstance(parts, Whole):  # as a driver does
            assert frame.may_be_whole
            somehow = narrow.sample(fraction=1, shuffle=True, seed=frame.parts)
            return compute(somehow if parts is None else somehow.sort(parts.order))
        if isinstance(parts, Counted):
            counted = narrow.group_by(columns).len(COUNT).with_columns(pl.col(COUNT).cast(pl.Int64))
            return parts.compute(counted)
        if isinstance(parts, Alike):
            return parts.compute(*alike(narrow, parts))
        while True:  # as Spark's does
            (parts.check or compute)(narrow.clear())
            partial = pl.Schema((parts.partial or schema)(narrow.schema))
            found = [
                rows
                for part in spread_over(frame, narrow, parts)
                for rows in parts.walk(batches(part, frame.batch))
            ]
            together = pl.concat([pl.DataFrame(schema=partial), *found])
            frame.walks.append(len(together))
            merged = together if parts.merge is None else parts.merge(together)
            if not isinstance(merged, Parts):
                return merged
            parts, narrow = merged, frame.rows.select(columns)


def alike(rows: pl.DataFrame, parts: Alike) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Each distinct row and how often it was met; each kind of customers and how many they are."""
    of_row = list(dict.fromkeys([*parts.within, parts.column]))
    met = rows.group_by(of_row).len(COUNT).with_columns(pl.col(COUNT).cast(pl.Int64))
    said: dict[Any, Counter[Any]] = defaultdict(Counter)
    worth: dict[Any, Counter[Any]] = defaultdict(Counter)
    for at, row in enumerate(rows.iter_rows(named=True)):
        who: Any = tuple(row[name] for name in parts.keys)
        who = who if None not in who else at
        value = parts.worth.get(row[parts.column])
        if value is not None:
            where = tuple(row[name] for name in parts.within)
            said[who][where] += 1
            worth[who][where] += value
    kinds = Counter(
        frozenset((where, n, worth[who][where]) for where, n in of_who.items())
        for who, of_who in said.items()
    )
    schema = {name: rows.schema[name] for name in parts.within}
    lines = [
        (kind, many, *where, n, total)
        for kind, (cells, many) in enumerate(kinds.items())
        for where, n, total in cells
    ]
    kinds_schema = {KIND: pl.Int64, MANY: pl.Int64, **schema, COUNT: pl.Int64, TOTAL: pl.Int64}
    return met, pl.DataFrame(lines, schema=kinds_schema, orient="row")


def batches(part: pl.DataFrame, size: int) -> Iterator[pl.DataFrame]:
    return (part[at : at + size] for at in range(0, len(part), size))


def spread_over(frame: Apart, rows: pl.DataFrame, parts: Parts) -> Iterator[pl.DataFrame]:
    """Rows with all keys by these, others by what they may be spread by; each part sorted."""
    nobody = pl.any_horizontal(pl.col(parts.keys).is_null())
    anywhere = pl.struct(pl.col(name) for name in parts.spread or parts.keys).hash()
    where = pl.when(nobody).then(anywhere).otherwise(pl.struct(parts.keys).hash()) % frame.parts
    keys = [pl.when(~nobody).then(pl.col(name)) for name in parts.keys]
    order = [pl.col(name) for name in dict.fromkeys(parts.order)]
    for part in rows.with_columns(where.alias("part")).partition_by("part", include_key=False):
        yield part.sort(*keys, *order, nulls_last=False)
