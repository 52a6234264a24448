"""What Spark's workers run: batches of Arrow go through a verb's walk, and come back as Spark wants them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import polars as pl

from cxcore import errors
from cxcore.engines.base import Parts, Walk
from cxcore.engines.spark_types import as_local, held_by_spark

#: batches of Arrow of one partition -> batches
InWorker = Callable[[Iterator[Any]], Iterator[Any]]
#: rows that a worker which sorts hands on at once
_AT_ONCE = 1 << 18


def sorting(walk: InWorker, parts: Parts, read: Mapping[str, int]) -> InWorker:
    """The same of a part that comes in no order, and that memory holds."""

    def run(batches: Iterator[Any]) -> Iterator[Any]:
        import pyarrow as pa

        held = [batch for batch in batches if len(batch)]
        if not held:
            return walk(iter(()))
        table = pa.Table.from_batches(held).combine_chunks()
        held.clear()
        names = list(dict.fromkeys([*parts.keys, *parts.order]))
        house = pl.DataFrame(pa.Table.from_arrays([table.column(read[name]) for name in names], names=names))
        someone = pl.all_horizontal(pl.col(parts.keys).is_not_null())
        by = [pl.when(someone).then(pl.col(name)).alias(name) for name in parts.keys]
        order = house.select(pl.arg_sort_by([*by, *map(pl.col, names[len(by) :])], nulls_last=False))
        place = order.to_series().to_arrow()
        return walk(
            batch
            for at in range(0, len(place), _AT_ONCE)
            for batch in table.take(place[at : at + _AT_ONCE]).combine_chunks().to_batches()
        )

    return run


def rows_walked(walk: Walk, read: Mapping[str, int], zone: str, schema: Any) -> InWorker:
    """Rows as they came, with what the walk says of each at their right; columns of the user's stay Arrow."""

    def run(batches: Iterator[Any]) -> Iterator[Any]:
        import pyarrow as pa

        waiting: deque[Any] = deque()

        def houses() -> Iterator[pl.DataFrame]:
            for batch in batches:
                if len(batch):
                    waiting.append(batch)
                    yield _narrow(batch, read, zone)

        for new in _answered(walk, houses()):
            made = _made(new, schema).to_batches()
            for of_new in made:
                at = 0
                while at < len(of_new):
                    batch = waiting.popleft()
                    n = min(len(batch), len(of_new) - at)
                    if n < len(batch):
                        waiting.appendleft(batch.slice(n))
                    columns = [*batch.slice(0, n).columns, *of_new.slice(at, n).columns]
                    yield pa.RecordBatch.from_arrays(columns, schema=pa.schema([*batch.schema, *schema]))
                    at += n

    return run


def frames_walked(walk: Walk, read: Mapping[str, int], zone: str, schema: Any) -> InWorker:
    """Frames of the walk's own."""

    def run(batches: Iterator[Any]) -> Iterator[Any]:
        houses = (_narrow(batch, read, zone) for batch in batches if len(batch))
        for found in _answered(walk, houses):
            yield from _made(found, schema).to_batches()

    return run


def _answered(walk: Walk, houses: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    try:
        yield from walk(houses)
    except errors.InvalidDataError as error:
        raise errors.in_a_worker(error) from None


def _narrow(batch: Any, read: Mapping[str, int], zone: str) -> pl.DataFrame:
    """Columns of a batch by their names and places; zero-copy."""
    import pyarrow as pa

    table = pa.Table.from_arrays([batch.column(at) for at in read.values()], names=list(read))
    return as_local(pl.DataFrame(table), zone)


def _made(new: pl.DataFrame, schema: Any) -> Any:
    """As Spark wants it: by position, and of exactly these types."""
    table = held_by_spark(new).to_arrow(compat_level=pl.CompatLevel.oldest())
    return table.select(schema.names).cast(schema).combine_chunks()
