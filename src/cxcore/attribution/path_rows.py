"""Rows of a table of paths: each distinct path once, with its counts."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import polars as pl

from cxcore import errors
from cxcore._ext.path_table import PathTable
from cxcore._path_columns import Paths
from cxcore.attribution.base import Journeys

_CALL = "paths"
COLUMNS = ("path", "conversions", "value", "nulls")


def path_schema(channel: pl.DataType, separator: str | None) -> pl.Schema:
    path: Any = pl.List(channel) if separator is None else pl.String()
    kinds = (path, pl.Int64(), pl.Float64(), pl.Int64())
    return pl.Schema(dict(zip(COLUMNS, kinds, strict=True)))


def check_text(channel: str, names: pl.Series, separator: str) -> None:
    """Every text of these names is cut again where they met, and none is empty."""
    dtype = names.dtype
    if dtype == pl.Binary:
        raise errors.wrong_dtype(_CALL, "channel", channel, dtype, "takes text", "leave the separator out.")
    texts = [str(name) for name in names.cast(pl.String)]
    bad = [text for text in texts if not text or (text + separator).find(separator) != len(text)]
    if bad:
        problem = (
            f"{len(bad):,} of {len(texts):,} names are empty or hold the separator; first is {min(bad)!r}."
        )
        hint = "take another separator, or none: lists hold any name."
        raise errors.bad_option(_CALL, "separator", separator, problem, hint)


def path_rows(journeys: Journeys, has_value: bool, nulls: bool, separator: str | None) -> pl.DataFrame:
    """One row a distinct path of these journeys, in order."""
    took, left = np.empty(len(journeys.lo), np.int64), np.empty(len(journeys.null_lo), np.int64)
    table = PathTable(journeys.view, took, left)
    n, alone = table.n_paths, took < 0
    offset, channel = np.empty(n + 1, np.int64), np.empty(table.n_touches, np.int32)
    table.paths(offset, channel)
    met = Paths(journeys.names, offset, channel)
    order = met.order()
    conversions = np.bincount(took[~alone], minlength=n)[order]
    worth = np.bincount(took[~alone], journeys.value[~alone], minlength=n)[order]
    lost = np.bincount(left[left >= 0], minlength=n)[order]
    path = _lists(met.some(order))
    if alone.any():
        path = pl.concat([pl.Series("path", [[]], dtype=path.dtype), path])
        conversions = np.concatenate(([alone.sum()], conversions))
        worth = np.concatenate(([math.fsum(journeys.value[alone])], worth))
        lost = np.concatenate(([0], lost))
    columns = {
        "path": path if separator is None else path.cast(pl.List(pl.String)).list.join(separator),
        "conversions": conversions,
        "value": worth if has_value else None,
        "nulls": lost if nulls else None,
    }
    return pl.DataFrame(columns, schema=path_schema(journeys.names.dtype, separator))


def _lists(paths: Paths) -> pl.Series:
    """Each path as a list of names; none is empty."""
    row = pl.Series(np.repeat(np.arange(len(paths)), paths.size)).set_sorted()
    items = pl.DataFrame({"row": row, "path": paths.names.gather(paths.channel)})
    return items.group_by("row", maintain_order=True).agg("path")["path"]
