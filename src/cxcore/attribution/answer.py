"""What the verb gives back: one row for each model and channel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from cxcore._columns import Float64, Int64
from cxcore.attribution.base import Journeys, Model

#: columns that some models have, as fields of their credit
EXTRAS = ("removal_effect", "sampling_error")


def schema_of(channel: pl.DataType, models: Sequence[Model]) -> pl.Schema:
    schema = {"model": pl.String(), "channel": channel}
    schema |= dict.fromkeys(("conversions", "value", "share"), pl.Float64())
    for extra in EXTRAS:
        if any(getattr(model, f"has_{extra}") for model in models):
            schema[extra] = pl.Float64()
    return pl.Schema(schema)


def answer_of(journeys: Journeys, models: Sequence[Model], touched: Int64, has_value: bool) -> pl.DataFrame:
    """One row per model and channel that was touched, and the unattributed rest."""
    names = journeys.names
    shown = names[touched]
    if isinstance(shown.dtype, (pl.Categorical, pl.Enum)):
        touched = touched[shown.cast(pl.String).arg_sort().to_numpy()]
    else:
        touched = touched[shown.arg_sort().to_numpy()]
    shown = names[touched]
    alone = journeys.lo == journeys.hi
    rest, rest_value = float(alone.sum()), math.fsum(journeys.value[alone])
    if rest:
        shown = shown.append(pl.Series([None], dtype=shown.dtype))
    credits = [model.credit(journeys) for model in models]
    n = len(journeys.value)
    conversions = _column([credit.conversions[touched] for credit in credits], rest, rest)
    values = _column([credit.value[touched] for credit in credits], rest, rest_value)
    schema = schema_of(names.dtype, models)
    columns: dict[str, Any] = {
        "model": [label for label in [model.label for model in models] for _ in range(len(shown))],
        "channel": shown[np.tile(np.arange(len(shown)), len(models))],
        "conversions": conversions,
        "value": values if has_value else None,
        "share": conversions / n if n else None,
    }
    none = np.full(len(names), np.nan)
    for extra in (extra for extra in EXTRAS if extra in schema):
        found = [getattr(credit, extra) for credit in credits]
        amounts = [(none if amount is None else amount)[touched] for amount in found]
        columns[extra] = pl.Series(_column(amounts, rest, np.nan), nan_to_null=True)
    return pl.DataFrame(columns, schema=schema)


def _column(parts: Sequence[Float64], rest: float, of_rest: float) -> Float64:
    """One column for all models: its channels, then the rest where there is one."""
    tail = [of_rest] if rest else []
    return np.concatenate([piece for part in parts for piece in (part, tail)])
