"""Engines: how frames of each kind come in and go out. One file an engine, one line in ``ENGINES``."""

from __future__ import annotations

from typing import Any

from cxcore import errors
from cxcore.engines.arrow import ArrowReader, ArrowTable
from cxcore.engines.base import Engine
from cxcore.engines.duckdb import DuckDBRelation
from cxcore.engines.pandas import PandasFrame
from cxcore.engines.polars import ArrowStream, PolarsFrame, PolarsLazy
from cxcore.engines.spark import SparkFrame
from cxcore.engines.spark_sql import SparkTable

#: asked in this order; the general one comes last
ENGINES: tuple[Engine, ...] = (
    PolarsFrame(),
    PolarsLazy(),
    DuckDBRelation(),
    PandasFrame(),
    ArrowTable(),
    ArrowReader(),
    SparkFrame(),
    ArrowStream(),
)


def open_frame(call: str, frame: Any) -> tuple[Engine, Any]:
    """The engine that knows this frame, and the frame as that engine takes it."""
    for engine in ENGINES:
        if engine.handles(frame):
            return engine.open(call, frame)
    if (table := SparkTable()).handles(frame):
        return table.open(call, frame)
    if hasattr(frame, "frame") and hasattr(frame, "truth"):
        raise errors.not_a_frame(call, "a Planted as a whole", "pass its .frame; .truth is what was planted.")
    if hasattr(frame, "house") and hasattr(frame, "roles"):
        hint = "an index serves sessionize, sessions, attribute and paths; pass the frame here."
        raise errors.not_a_frame(call, "an EventIndex", hint)
    raise errors.unsupported_frame(call, frame, [engine.name for engine in ENGINES])
