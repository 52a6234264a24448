"""What ``cxcore.duckdb.register`` puts into a connection: one file an area, one ``Macro`` a SQL function."""

from __future__ import annotations

from dataclasses import replace

from cxcore._sql import attribute, scores, sessionize, surveys
from cxcore._sql.base import Macro, Udf, saying_sql

__all__ = ["FUNCTIONS", "UDFS", "Macro", "Udf"]

#: every SQL function; drives registration, the table in docs/how-to/duckdb.md and the tests
FUNCTIONS: tuple[Macro, ...] = (*scores.MACROS, *surveys.MACROS, *sessionize.MACROS, *attribute.MACROS)
#: the Python functions that macros call; never called by users. They live as long as the module: DuckDB does
#: not keep them alive.
UDFS: tuple[Udf, ...] = tuple(
    replace(udf, function=saying_sql(udf.function))
    for udf in (*scores.UDFS, *surveys.UDFS, *sessionize.UDFS, *attribute.UDFS)
)
