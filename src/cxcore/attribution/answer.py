"""What the verb gives back: one row for each model and channel."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cxcore._columns import Float64, Int64
from cxcore.attribution.base import Credit, Journeys, Model

#: columns that some models have, as fields of their credit
EXTRAS = ("removal_effect", "sampling_error", "error_bound")


def schema_of(channel: pl.DataType, models: Sequence[Model]) -> pl.Schema:
    schema = {"model": pl.String(), "channel": channel}
    schema |= dict.fromkeys(("conversions", "value", "share"), pl.Float64())
    for extra in EXTRAS:
        if any(getattr(model, f"has_{extra}") for model in models):
            schema[extra] = pl.Float64()
    return pl.Schema(schema)


def by_name(names: pl.Series, touched: Int64) -> Int64:
    """Codes of channels in the order in which they are shown."""
    shown = names if len(touched) == len(names) else names[touched]  # a gather plans a query
    if isinstance(shown.dtype, (pl.Categorical, pl.Enum)):
        shown = shown.cast(pl.String)
    # Polars plans a query to sort, which costs more than the few names do.
    texts = shown.to_list()
    ordered: Int64 = touched[sorted(range(len(texts)), key=texts.__getitem__)]
    return ordered


def answer_of(
    journeys: Journeys,
    models: Sequence[Model],
    credits: Sequence[Credit],
    touched: Int64,
    has_value: bool,
) -> pl.DataFrame:
    """One row per model and channel that was touched, as ordered, and the unattributed rest."""
    names = journeys.names
    # Items and not `gather` or `clear`, each of which plans a query.
    shown = names.clone().append(pl.Series([None], dtype=names.dtype))
    alone = [model.unattributed(journeys) for model in models]
    once = {id(which): _rest(which, journeys) for which in {id(w): w for w in alone}.values()}
    rests = [once[id(which)] for which in alone]
    # where all conversions have been earned there is no row of the rest
    rows = [np.append(touched, np.full(int(count > 0), len(names))) for count, _ in rests]
    n = journeys.n_conversions
    conversions = _column([credit.conversions[touched] for credit in credits], [n for n, _ in rests], rests)
    values = _column([credit.value[touched] for credit in credits], [v for _, v in rests], rests)
    labels = [label for model, mine in zip(models, rows, strict=True) for label in [model.label] * len(mine)]
    nothing = pl.Series([] if has_value and n else [None] * len(labels), dtype=pl.Float64)
    columns = [  # each of its type: a schema would plan a query
        pl.Series("model", labels, pl.String),
        shown[np.concatenate(rows)].alias("channel"),
        pl.Series("conversions", conversions),
        pl.Series("value", values) if has_value else nothing.alias("value"),
        pl.Series("share", conversions / n) if n else nothing.alias("share"),
    ]
    none = np.full(len(names), np.nan)
    for extra in EXTRAS:
        if any(getattr(model, f"has_{extra}") for model in models):
            found = [getattr(credit, extra) for credit in credits]
            amounts = [(none if amount is None else amount)[touched] for amount in found]
            column = _column(amounts, [math.nan] * len(rests), rests)
            columns.append(pl.Series(extra, column, nan_to_null=True))
    return pl.DataFrame(columns)


def _rest(alone: NDArray[np.bool_], journeys: Journeys) -> tuple[float, float]:
    """Conversions that no touch earned, and their value."""
    if not alone.any():
        return 0.0, 0.0
    value = journeys.value[alone]
    if not len(journeys.times):
        return float(len(value)), math.fsum(value)
    weight = journeys.weight[alone]
    return float(weight.sum()), math.fsum(weight * value)


def _column(
    parts: Sequence[Float64], of_rests: Sequence[float], rests: Sequence[tuple[float, float]]
) -> Float64:
    """One column for all models: its channels, then the rest where there is one."""
    pieces: list[Float64 | list[float]] = []
    for part, of_rest, (count, _) in zip(parts, of_rests, rests, strict=True):
        pieces += [part, [of_rest] if count else []]
    return np.concatenate(pieces)
