"""Is one channel above another, one model above another? Differences, each with its interval."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from cxcore._columns import Float64, Int64
from cxcore.attribution.methods import ErrorMethod
from cxcore.attribution.sample import Contrasts, Sample, linear, together

_NUMBERS = ("difference", "standard_error", "low", "high", "probability_above")


def schema_of(channel: pl.DataType) -> pl.Schema:
    names = {"measure": pl.String(), "model": pl.String(), "channel": channel}
    names |= {"other_model": pl.String(), "other_channel": channel}
    return pl.Schema({**names, **dict.fromkeys(_NUMBERS, pl.Float64())})


def differences(
    sample: Sample,
    touched: Int64,
    method: ErrorMethod,
    level: float,
    seed: int,
    has_value: bool,
    cost: Float64 | None,
) -> pl.DataFrame:
    """One row per measure and pair: two channels of a model, or one channel of two models."""
    model, channel, other_model, other_channel = pairs(len(sample.models), touched)
    here = [sample.column(model, channel, of_value) for of_value in (False, True)]
    there = [sample.column(other_model, other_channel, of_value) for of_value in (False, True)]
    contrasts = {"conversions": linear(here[0], 1.0, there[0], 1.0)}
    if has_value:
        contrasts["value"] = linear(here[1], 1.0, there[1], 1.0)
    if has_value and cost is not None:
        with np.errstate(divide="ignore"):
            each = np.where(cost > 0, 1.0 / cost, np.nan)
        contrasts["roas"] = linear(here[1], each[channel], there[1], each[other_channel])
    names = sample.names
    labels = pl.Series([one.label for one in sample.models], dtype=pl.String)
    who: dict[str, Any] = {"model": labels[model], "channel": names[channel]}
    who |= {"other_model": labels[other_model], "other_channel": names[other_channel]}
    whole = _limits(sample, together(list(contrasts.values())), method, level, seed)
    n = len(model)
    parts = [
        pl.DataFrame({"measure": [measure] * n, **who, **_part(whole, at, n)})
        for at, measure in enumerate(contrasts)
    ]
    return pl.concat(parts).cast(schema_of(names.dtype))


def pairs(n_models: int, touched: Int64) -> tuple[Int64, Int64, Int64, Int64]:
    """Model and channel of both sides: channels within each model, then models for each channel."""
    first, second = np.triu_indices(len(touched), 1)
    model = np.repeat(np.arange(n_models), len(first))
    one, other = np.triu_indices(n_models, 1)
    return (
        np.concatenate((model, one.repeat(len(touched)))),
        np.concatenate((np.tile(touched[first], n_models), np.tile(touched, len(one)))),
        np.concatenate((model, other.repeat(len(touched)))),
        np.concatenate((np.tile(touched[second], n_models), np.tile(touched, len(one)))),
    )


def _limits(
    sample: Sample, contrasts: Contrasts, method: ErrorMethod, level: float, seed: int
) -> dict[str, pl.Series]:
    limits = method.limits(sample, contrasts, level, seed)
    numbers = (contrasts.of(sample.estimates), limits.standard_error, limits.low, limits.high, limits.above)
    return {name: pl.Series(x, nan_to_null=True) for name, x in zip(_NUMBERS, numbers, strict=True)}


def _part(whole: dict[str, pl.Series], at: int, n: int) -> dict[str, pl.Series]:
    return {name: column.slice(at * n, n) for name, column in whole.items()}
