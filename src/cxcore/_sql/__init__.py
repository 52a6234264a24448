"""What ``cxcore.duckdb.register`` puts into a connection: one file an area, one ``Macro`` a SQL function."""

from __future__ import annotations

from cxcore._sql import attribute, scores, sessionize, surveys
from cxcore._sql.base import Macro, Udf

__all__ = ["FUNCTIONS", "UDFS", "Macro", "Udf"]

#: every SQL function; drives registration, the table in docs/how-to/duckdb.md and the tests
FUNCTIONS: tuple[Macro, ...] = (*scores.MACROS, *surveys.MACROS, *sessionize.MACROS, *attribute.MACROS)
#: the Python functions that macros call; never called by users
UDFS: tuple[Udf, ...] = (*scores.UDFS, *surveys.UDFS, *sessionize.UDFS, *attribute.UDFS)
