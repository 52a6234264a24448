"""DuckDB relations: each is a query, so it runs once, and the answer lives on the user's own connection.

``relation.materialize()`` keeps the rows of one run in the client's memory, with their DuckDB types, and
``relation.query(name, sql)`` runs SQL on the connection of the relation and leaves no name behind. What comes
back is therefore made of the rows that were read, needs no cast, and writes nothing into the user's database.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import polars as pl

from cxcore import errors
from cxcore.engines.base import Compute, Engine, SchemaOf, loaded

_HELD = "__cxcore_held"
#: a held relation numbers its rows, because DuckDB may give them in another order at the next read
_ROW = "__cxcore_row"
#: types that Polars 2.1 does not survive, alone or inside a list or a struct
_UNREADABLE = re.compile(r"\b(INTERVAL|UNION)\b")
#: DuckDB types that a summary keeps for the columns that a role named; Polars reads them as another type
_KEPT = ("UUID", "HUGEINT", "UHUGEINT", "TIMESTAMP_S")


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

    def hold(self, call: str, frame: Any) -> Any:
        numbered = f"SELECT *, row_number() OVER () - 1 AS {_ROW} FROM {_HELD}"
        return frame if _ROW in frame.columns else frame.query(_HELD, numbered).materialize()

    def read(self, call: str, frame: Any, columns: Sequence[str] | None) -> pl.DataFrame:
        names = list(dict.fromkeys(columns)) if columns is not None else self.columns(frame)
        kinds = dict(zip(frame.columns, map(str, frame.types), strict=True))
        for name in names:
            if _UNREADABLE.search(re.sub(r'"[^"]*"|\'[^\']*\'', "", kinds[name])):
                raise errors.unreadable_frame(call, self.name, f"the column {name!r} is {kinds[name]}.")
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
        return _query(frame, "FROM {new}", result)

    def rows(self, call: str, frame: Any, columns: Sequence[str], compute: Compute, schema: SchemaOf) -> Any:
        held = self.hold(call, frame)
        house = self.read(call, held, columns)
        new = compute(house)
        folded = {name.casefold() for name in frame.columns}  # DuckDB folds the case of names
        twice = [name for name in new.columns if name.casefold() in folded]
        if twice:
            raise errors.column_exists(call, twice)
        return self.with_columns(held, house, new)

    def summary(
        self, call: str, frame: Any, columns: Sequence[str] | None, compute: Compute, schema: SchemaOf
    ) -> Any:
        house = self.read(call, frame, columns)
        result = compute(house)
        kinds = dict(zip(frame.columns, map(str, frame.types), strict=True))
        shown = [
            f"{_quoted(name)}::{kinds[name]} AS {_quoted(name)}"
            if name in house.columns and house.schema[name] == dtype and kinds[name] in _KEPT
            else _quoted(name)
            for name, dtype in result.schema.items()
        ]
        return _query(frame, f"SELECT {', '.join(shown)} FROM {{new}}", result)


class _Stream:
    """A Polars frame that shows only its Arrow stream: DuckDB would read the frame itself through pyarrow."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self._frame = frame

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._frame.__arrow_c_stream__(requested_schema)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


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
    __cxcore_new = _Stream(new)
    return relation.query(_HELD, sql.format(new="__cxcore_new")).materialize()
