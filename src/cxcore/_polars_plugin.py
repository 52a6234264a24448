"""Sessions of one user as Polars expressions: the plugin in ``_ext/polars_plugin.cpp``, and a way beside it.

The plugin needs no Python while the query runs, and Polars knows its type before. Where it does not load, or
``CXCORE_POLARS_PLUGIN=0`` says so, ``map_batches`` gives the same answers. Why so: docs/adr/0035.
"""

from __future__ import annotations

import importlib.util
import os
from functools import cache
from typing import Any, Literal

import numpy as np
import polars as pl
from polars.plugins import register_plugin_function

from cxcore import _options, errors
from cxcore._columns import time_ticks, what_it_holds
from cxcore._ext import sessions as kernels

Said = Literal["session_number", "session_start"]
_MOST = 2**64 - 1


def sessions_expr(times: pl.Expr, said: Said, gap: Any) -> pl.Expr:
    """What ``said`` names for each row of one user's times, in whatever order they are."""
    nanoseconds = _options.duration(said, "gap", gap)
    path = plugin_path()
    if path is None:
        dtype = pl.Int64() if said == "session_number" else pl.self_dtype()
        return times.map_batches(
            lambda column: _sessions(column, times, said, nanoseconds), return_dtype=dtype
        )
    return _plugin(path, said, times, nanoseconds)


def _plugin(path: str, said: Said, times: pl.Expr, nanoseconds: int) -> pl.Expr:
    # as columns of one value, since options would come as a pickle
    gaps = [pl.lit(min(whole, _MOST), pl.UInt64) for whole in (nanoseconds, nanoseconds // 1_000)]
    return register_plugin_function(plugin_path=path, function_name=said, args=[times, *gaps])


@cache
def plugin_path() -> str | None:
    """Where the plugin is, if this Polars takes it; asked once a process."""
    spec = importlib.util.find_spec("cxcore._ext.polars_plugin")
    if spec is None or spec.origin is None or os.environ.get("CXCORE_POLARS_PLUGIN", "1") == "0":
        return None
    times = pl.DataFrame({"at": [0, None, 5]}, schema={"at": pl.Datetime("ms")})
    try:
        answer = times.select(_plugin(spec.origin, "session_number", pl.col("at"), 4_000_000))["at"].to_list()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError):
        return None
    return spec.origin if answer == [1, None, 2] else None


def _sessions(column: pl.Series, times: pl.Expr, said: Said, nanoseconds: int) -> pl.Series:
    """The same through the kernel, called back by Polars."""
    if not (isinstance(column.dtype, pl.Datetime) or column.dtype == pl.Date):
        name = column.name or times.meta.output_name(raise_if_undetermined=False)  # `over` hides it
        raise errors.no_times(said, name or "", what_it_holds(column.dtype))
    ticks, length, absent = time_ticks(said, column.to_frame(), column.name, None)
    row = np.arange(len(ticks)) if absent is None else np.flatnonzero(~absent)
    row = row[np.argsort(ticks[row], kind="stable")]
    tick = np.ascontiguousarray(ticks[row])
    gap = _options.ticks_below(nanoseconds, length, _MOST)
    _, begin = kernels.find_sessions(np.array([0, len(tick)], np.int64), tick, gap, -1, 1)
    session = np.repeat(np.arange(len(begin) - 1), np.diff(begin))
    values = np.zeros(len(ticks), np.int64)
    values[row] = session + 1 if said == "session_number" else tick[begin[:-1]][session]
    answer = pl.Series(column.name, values)
    if absent is not None:
        answer = answer.set(pl.Series(absent), None)
    if said == "session_number":
        return answer
    return answer.cast(pl.Int32).cast(pl.Date) if column.dtype == pl.Date else answer.cast(column.dtype)
