"""A table that a function of Spark SQL is given: verbs of rows say, of its columns, what a worker does.

Spark asks a table function twice: of the types of the table, what it gives and how the rows must lie
(``analyze``); then, in each worker, for the answer to batches that are pushed at it. The way of the rows is
that of a Spark DataFrame: the same walks over the same parts. No user holds such a frame, so it is not one of
``ENGINES``. Why so: docs/adr/0033.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

import polars as pl

from cxcore import errors
from cxcore.engines.base import Compute, Engine, Parts, SchemaOf, Spread
from cxcore.engines.spark import quoted
from cxcore.engines.spark_types import (
    BYTES,
    held_by_spark,
    house_type,
    is_collated,
    refuse_unmoved,
    struct,
    zone_known,
)
from cxcore.engines.spark_workers import InWorker, frames_walked, rows_walked

#: parts that users are spread over, whatever the number of Spark's partitions, each of which walks several
BUCKETS = 512


@dataclass(frozen=True, slots=True)
class TableArgument:
    """What Spark says of a table before it is read: ``schema`` is a StructType."""

    schema: Any


@dataclass(frozen=True, slots=True)
class TableWalk:
    """What a verb answers of a table: the columns it gives, how rows must lie, and who walks over them.

    ``partition_by`` and ``order_by`` are expressions of SQL. ``run`` takes the zone that Spark's timestamps
    are in.
    """

    schema: Any
    partition_by: str
    order_by: tuple[str, ...]
    run: Callable[[str], InWorker]


class SparkTable(Engine):
    name = "table of Spark SQL"
    extra = "spark"

    def handles(self, frame: Any) -> bool:
        return isinstance(frame, TableArgument)

    def columns(self, frame: TableArgument) -> list[str]:
        return list(frame.schema.names)

    def folded(self, name: str) -> str:
        return name.casefold()

    def read(self, call: str, frame: TableArgument, columns: Sequence[str] | None) -> pl.DataFrame:
        raise errors.not_held(call, self.name)

    def with_columns(self, frame: TableArgument, house: pl.DataFrame, new: pl.DataFrame) -> Any:
        raise errors.not_held("with_columns", self.name)

    def from_house(self, frame: TableArgument, result: pl.DataFrame) -> Any:
        raise errors.not_held("from_house", self.name)

    def rows(
        self,
        call: str,
        frame: TableArgument,
        columns: Sequence[str],
        compute: Compute,
        schema: SchemaOf,
        spread: Spread | None = None,
    ) -> TableWalk:
        from pyspark.sql import types

        new, parts, read = _asked(call, frame, columns, compute, schema, spread)
        # Spark takes no column from a worker that may not be null
        given = [types.StructField(field.name, field.dataType) for field in frame.schema.fields]
        both = types.StructType([*given, *struct(new).fields])
        made = _arrow(new)
        return _walk(frame, parts, both, lambda zone: rows_walked(parts.walk, read, zone, made))

    def summary(
        self,
        call: str,
        frame: TableArgument,
        columns: Sequence[str] | None,
        compute: Compute,
        schema: SchemaOf,
        spread: Spread | None = None,
    ) -> TableWalk:
        new, parts, read = _asked(call, frame, columns or (), compute, schema, spread)
        if parts.merge is not None:
            raise errors.not_held(call, self.name)
        made = _arrow(new)
        return _walk(frame, parts, struct(new), lambda zone: frames_walked(parts.walk, read, zone, made))


# ---------------------------------------------------------------- before a row is read


def _asked(
    call: str,
    frame: TableArgument,
    columns: Sequence[str],
    compute: Compute,
    schema: SchemaOf,
    spread: Spread | None,
) -> tuple[pl.Schema, Parts, dict[str, int]]:
    """Columns of the answer that are ours, how it is found, and where the columns lie that are read."""
    parts = None if spread is None else spread()
    if not isinstance(parts, Parts):
        raise errors.not_held(call, SparkTable.name)
    refuse_unmoved(call, frame.schema.fields)
    read = {name: frame.schema.names.index(name) for name in dict.fromkeys(columns)}
    before = pl.Schema({name: house_type(frame.schema[at].dataType) for name, at in read.items()})
    compute(pl.DataFrame(schema=before))  # what is wrong with types is said at once
    return schema(before), parts, read


def _walk(frame: TableArgument, parts: Parts, schema: Any, run: Callable[[str], InWorker]) -> TableWalk:
    """Whole users in each bucket, in order; rows without a key by what they may be spread by."""

    def columns(names: Sequence[str]) -> list[str]:
        """Text as its bytes, whatever Spark takes for equal."""
        collated = {field.name for field in frame.schema.fields if is_collated(field.dataType)}
        return [f"collate({quoted(one)}, '{BYTES}')" if one in collated else quoted(one) for one in names]

    keys, order, spread = map(columns, (parts.keys, parts.order, parts.spread))
    nobody = " OR ".join(f"{key} IS NULL" for key in keys)
    if len(keys) > 1:
        keys = [f"CASE WHEN {nobody} THEN NULL ELSE {key} END" for key in keys]
    by = [*keys, *(f"CASE WHEN {nobody} THEN {column} END" for column in spread)]
    return TableWalk(schema, f"pmod(xxhash64({', '.join(by)}), {BUCKETS})", (*keys, *order), run)


def _arrow(schema: pl.Schema) -> Any:
    """Of columns as a worker makes them."""
    return held_by_spark(pl.DataFrame(schema=schema)).to_arrow(compat_level=pl.CompatLevel.oldest()).schema


# ---------------------------------------------------------------- in the workers


class InTurns:
    """A walk that pulls batches, where they are pushed: it goes on, in a thread of its own, until it wants
    the next one, and one of the two threads waits. A walk over ``least`` rows or fewer needs no thread.
    """

    _WANTS, _ENDS = object(), object()

    def __init__(self, run: InWorker, least: int) -> None:
        self._run, self._least = run, least
        self._held: list[Any] = []
        self._walks = False
        self._given: SimpleQueue[Any] = SimpleQueue()
        self._made: SimpleQueue[Any] = SimpleQueue()

    def give(self, batch: Any) -> Iterator[Any]:
        """What the walk makes before it wants another batch."""
        self._held.append(batch)
        if not self._walks and sum(map(len, self._held)) > self._least:
            threading.Thread(target=self._walk, daemon=True).start()
            self._walks = True
        while self._walks and self._held:
            yield from self._turn(self._held.pop(0))

    def end(self) -> Iterator[Any]:
        """What the walk makes, once there are no more batches."""
        return self._turn(None) if self._walks else self._run(iter(self._held))

    def leave(self) -> None:
        """Nobody asks any more."""
        self._given.put(None)

    def _turn(self, batch: Any) -> Iterator[Any]:
        self._given.put(batch)
        while (made := self._made.get()) is not self._WANTS and made is not self._ENDS:
            if isinstance(made, BaseException):
                raise made
            yield made

    def _walk(self) -> None:
        try:
            for batch in self._run(self._batches()):
                self._made.put(batch)
        except BaseException as error:  # for the other thread
            self._made.put(error)
        self._made.put(self._ENDS)

    def _batches(self) -> Iterator[Any]:
        while (batch := self._given.get()) is not None:
            yield batch
            self._made.put(self._WANTS)


def zone_of(batch: Any) -> str:
    """Where the days of Spark's timestamps begin: it brings them in the zone of the session."""
    zones = (getattr(kind, "tz", None) for kind in batch.schema.types)
    return zone_known(next((zone for zone in zones if zone), "UTC"))
