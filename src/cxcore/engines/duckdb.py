"""DuckDB relations: each is a query, so it runs once, and the answer lives on the user's own connection.

``relation.materialize()`` keeps the rows of one run in the client's memory, with their DuckDB types, and
``relation.query(name, sql)`` runs SQL on the connection of the relation and leaves no name behind. What comes
back is therefore made of the rows that were read, needs no cast, and writes nothing into the user's database.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import polars as pl

from cxcore import errors
from cxcore.engines.base import Compute, Engine, SchemaOf, Spread, loaded

_HELD = "__cxcore_held"
#: a held relation numbers its rows, because DuckDB may give them in another order at the next read
_ROW = "__cxcore_row"
#: types that Polars 2.1 does not survive, alone or inside a list or a struct
_UNREADABLE = re.compile(r"\b(INTERVAL|UNION)\b")
_NAMES = re.compile(r"\"[^\"]*\"|'[^']*'")  # of fields and enum values, which may be called anything
#: how Polars reads types that it lacks; a summary gives them back for a column of the same name
_LACKS = {"UUID": pl.String(), "HUGEINT": pl.Decimal(38, 0), "UHUGEINT": pl.Decimal(38, 0)}
_UUID = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"


class DuckDBRelation(Engine):
    name = "DuckDB relation"
    extra = "duckdb"

    def handles(self, frame: Any) -> bool:
        duckdb = loaded("duckdb")
        return duckdb is not None and isinstance(frame, duckdb.DuckDBPyRelation)

    def open(self, call: str, frame: Any) -> tuple[Engine, Any]:
        if not all(_settings(frame, "python_enable_replacements", "enable_external_access")):
            raise errors.closed_connection(call)
        return self, frame

    def columns(self, frame: Any) -> list[str]:
        return [name for name in frame.columns if name != _ROW]

    def folded(self, name: str) -> str:
        return name.casefold()

    def hold(self, call: str, frame: Any) -> Any:
        numbered = f"SELECT *, row_number() OVER () - 1 AS {_ROW} FROM {_HELD}"
        return frame if _ROW in frame.columns else frame.query(_HELD, numbered).materialize()

    def read(self, call: str, frame: Any, columns: Sequence[str] | None) -> pl.DataFrame:
        closed = {
            name: kind for name, kind in _kinds(frame).items() if _UNREADABLE.search(_NAMES.sub("", kind))
        }
        names = [name for name in self.columns(frame) if name not in closed]
        if columns is not None:
            names = list(dict.fromkeys(columns))
            for name in closed.keys() & set(names):
                raise errors.unreadable_frame(call, self.name, f"the column {name!r} is {closed[name]}.")
        held = _ROW in frame.columns
        house = _fetch(frame, [*names, _ROW] if held else names)
        if held and not house[_ROW].is_sorted():
            house = house.sort(_ROW)
        return house.select(names)

    def with_columns(self, frame: Any, house: pl.DataFrame, new: pl.DataFrame) -> Any:
        if all(_settings(frame, "preserve_insertion_order")):
            added = ", ".join(_quoted(name) for name in new.columns)
            sql = f"SELECT {_HELD}.* EXCLUDE ({_ROW}), {added} FROM {_HELD} POSITIONAL JOIN {{new}}"
        else:
            new = new.with_row_index(_ROW).with_columns(pl.col(_ROW).cast(pl.Int64))
            sql = f"SELECT * EXCLUDE ({_ROW}) FROM {_HELD} JOIN {{new}} USING ({_ROW})"
        return _query(frame, sql, new)

    def from_house(self, frame: Any, result: pl.DataFrame) -> Any:
        kinds = _kinds(frame)
        shown = [
            f"{_quoted(name)}::{kinds[name]} AS {_quoted(name)}"
            if _was(kinds.get(name), column)
            else _quoted(name)
            for name, column in zip(result.columns, result, strict=True)
        ]
        return _query(frame, f"SELECT {', '.join(shown)} FROM {{new}}", result)

    def rows(
        self,
        call: str,
        frame: Any,
        columns: Sequence[str],
        compute: Compute,
        schema: SchemaOf,
        spread: Spread | None = None,
    ) -> Any:
        held = self.hold(call, frame)
        house = self.read(call, held, columns)
        new = compute(house)
        there = {self.folded(name) for name in frame.columns}
        twice = [name for name in new.columns if self.folded(name) in there]
        if twice:
            raise errors.column_exists(call, twice)
        return self.with_columns(held, house, new)

    def summary(
        self,
        call: str,
        frame: Any,
        columns: Sequence[str] | None,
        compute: Compute,
        schema: SchemaOf,
        spread: Spread | None = None,
    ) -> Any:
        result = compute(self.read(call, frame, columns))
        times = Counter(map(self.folded, result.columns))
        twice = [name for name in result.columns if times[self.folded(name)] > 1]
        if twice:  # one would be read for the other
            raise errors.column_exists(call, twice[:1])
        return self.from_house(frame, result)


class Stream:
    """A Polars frame that shows only its Arrow stream: DuckDB would read the frame itself through pyarrow."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self._frame = frame

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._frame.__arrow_c_stream__(requested_schema)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _kinds(relation: Any) -> dict[str, str]:
    return dict(zip(relation.columns, map(str, relation.types), strict=True))


def _was(kind: str | None, column: pl.Series) -> bool:
    """Are these values of the relation's column of this name, of a type that Polars lacks?"""
    if kind is None or _LACKS.get(kind) != column.dtype:
        return False
    return kind != "UUID" or bool(column.drop_nulls().str.contains(_UUID).all())


def _settings(relation: Any, *names: str) -> tuple[bool, ...]:
    shown = ", ".join(f"current_setting('{name}')" for name in names)
    answer: tuple[bool, ...] = relation.query(_HELD, f"SELECT {shown}").fetchall()[0]
    return answer


def _fetch(relation: Any, names: Sequence[str]) -> pl.DataFrame:
    if not names:  # a frame of no column has no length
        return pl.DataFrame(height=len(relation))
    return pl.DataFrame(relation.query(_HELD, f"SELECT {', '.join(map(_quoted, names))} FROM {_HELD}"))


def _query(relation: Any, sql: str, new: pl.DataFrame) -> Any:
    """A relation over the rows of one query that reads ``{new}``, on the connection of ``relation``.

    DuckDB finds the frame by the name of the variable here, so the name must be one that no table has.
    """
    # a column of type null cannot stream into DuckDB; an untyped NULL there is an INTEGER
    __cxcore_new = Stream(new.cast({pl.Null: pl.Int32}))
    return relation.query(_HELD, sql.format(new="__cxcore_new")).materialize()
