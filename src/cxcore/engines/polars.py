"""Polars: the house's own frame, eager and lazy, and whatever speaks the Arrow C stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import polars as pl
from polars.io.plugins import register_io_source

from cxcore import errors
from cxcore.engines.base import Compute, Engine, SchemaOf, Spread


class PolarsFrame(Engine):
    name = "Polars DataFrame"

    def handles(self, frame: Any) -> bool:
        return isinstance(frame, pl.DataFrame)

    def columns(self, frame: pl.DataFrame) -> list[str]:
        return frame.columns

    def hold(self, call: str, frame: pl.DataFrame) -> pl.DataFrame:
        return frame.clone()  # shares the columns; a later change in place is not seen

    def read(self, call: str, frame: pl.DataFrame, columns: Sequence[str] | None) -> pl.DataFrame:
        if columns is None or columns == frame.columns:
            return frame
        return pl.DataFrame([frame[name] for name in columns])  # `select` would plan a query

    def with_columns(self, frame: pl.DataFrame, house: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
        return frame.hstack(new)

    def from_house(self, frame: pl.DataFrame, result: pl.DataFrame) -> pl.DataFrame:
        return result


#: a filter or a slice of the answer is not the answer of some rows
_NO_PUSHDOWN: dict[str, bool] = dict.fromkeys(
    ("predicate_pushdown", "projection_pushdown", "slice_pushdown"), False
)


def deferred(
    schema: pl.Schema, pieces: Callable[[Sequence[str]], Iterator[pl.DataFrame]], name: str
) -> pl.LazyFrame:
    """A LazyFrame of this schema; ``pieces`` runs when it is read, and is told which columns are wanted.

    It may give more columns than those. Filters and heads of the query are met here, behind it.
    """

    def source(
        columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, _: int | None
    ) -> Iterator[pl.DataFrame]:
        names = list(schema) if columns is None else columns
        for piece in pieces(names):
            if n_rows is not None:
                piece = piece.head(n_rows)
                n_rows -= len(piece)
            piece = piece.select(names)
            yield piece if predicate is None else piece.filter(predicate)
            if n_rows == 0:
                return

    # pure: a query that uses the answer twice reads it once
    return register_io_source(source, schema=schema, is_pure=True, explain_name=name)


class PolarsLazy(Engine):
    """Lazy in, lazy out: the rows are read when the result is collected, and once."""

    name = "Polars LazyFrame"

    def handles(self, frame: Any) -> bool:
        return isinstance(frame, pl.LazyFrame)

    def columns(self, frame: pl.LazyFrame) -> list[str]:
        return frame.collect_schema().names()

    def hold(self, call: str, frame: pl.LazyFrame) -> pl.LazyFrame:
        return frame.collect().lazy()

    def read(self, call: str, frame: pl.LazyFrame, columns: Sequence[str] | None) -> pl.DataFrame:
        return (frame if columns is None else frame.select(columns)).collect()

    def with_columns(self, frame: pl.LazyFrame, house: pl.DataFrame, new: pl.DataFrame) -> pl.LazyFrame:
        return frame.collect().hstack(new).lazy()

    def from_house(self, frame: pl.LazyFrame, result: pl.DataFrame) -> pl.LazyFrame:
        return result.lazy()

    def rows(
        self,
        call: str,
        frame: pl.LazyFrame,
        columns: Sequence[str],
        compute: Compute,
        schema: SchemaOf,
        spread: Spread | None = None,
    ) -> pl.LazyFrame:
        before = frame.collect_schema()

        def pieces(wanted: Sequence[str]) -> Iterator[pl.DataFrame]:
            """Reads what the roles and the rest of the query want, and nothing else."""
            house = frame.select(name for name in before if name in columns or name in wanted).collect()
            yield house.hstack(compute(house))

        return deferred(pl.Schema({**before, **schema(before)}), pieces, f"cxcore {call}")

    def summary(
        self,
        call: str,
        frame: pl.LazyFrame,
        columns: Sequence[str] | None,
        compute: Compute,
        schema: SchemaOf,
        spread: Spread | None = None,
    ) -> pl.LazyFrame:
        narrow = frame if columns is None else frame.select(columns)
        return narrow.map_batches(compute, schema=schema(narrow.collect_schema()), **_NO_PUSHDOWN)


class ArrowStream(PolarsFrame):
    """Anything with ``__arrow_c_stream__`` (nanoarrow, a reader of a service); gives a Polars DataFrame."""

    name = "Arrow stream"

    def handles(self, frame: Any) -> bool:
        return hasattr(frame, "__arrow_c_stream__") and not isinstance(frame, type)

    def open(self, call: str, frame: Any) -> tuple[Engine, pl.DataFrame]:
        """Read at once: a stream can be read once, and does not say its columns before."""
        try:
            return PolarsFrame(), pl.DataFrame(frame)
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
            raise errors.unreadable_frame(call, self.name, str(error)) from error
