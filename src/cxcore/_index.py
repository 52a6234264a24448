"""The event index: who did what in which order, sorted once.

A CSR matrix over users. Verbs that follow a customer through time (sessions, attribution, paths) take it in
the place of the frame, and cost one scan each.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from cxcore._columns import Int64, Keys
from cxcore.engines.base import Engine


@dataclass(frozen=True, slots=True, eq=False)
class EventIndex:
    """Events by user, in order of (time, order column, row). Made by :func:`cxcore.index`.

    User ``u`` has the positions ``offset[u]:offset[u + 1]``; position ``p`` is row ``row[p]`` of the log
    (``row`` is None where the log lies in this order already), at ``tick[p]``. Rows without a user or a time
    have no position.
    """

    user: tuple[str, ...]
    time: str
    #: nanoseconds in one tick of the time column
    tick_length: int
    n_rows: int
    keys: Keys
    offset: Int64
    row: Int64 | None
    tick: Int64
    n_threads: int
    #: the whole log as it was read, and where it came from
    house: pl.DataFrame
    engine: Engine
    frame: Any
