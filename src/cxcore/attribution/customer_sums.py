"""What a part says of its customers: sums over them, of which intervals are made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl

from cxcore._columns import Float64, Int64
from cxcore.attribution.answer import by_name
from cxcore.attribution.asked import Asked
from cxcore.attribution.base import Credit, Journeys, Model
from cxcore.attribution.compare import pairs
from cxcore.attribution.journey_sample import Everyone, JourneySample
from cxcore.attribution.partial_rows import (
    CHANNEL,
    COUNT,
    DRAWN,
    MODEL,
    NUMBERS,
    OTHER_CHANNEL,
    OTHER_MODEL,
    PAIR,
    rows_of,
)
from cxcore.attribution.replicates import sums_of_replicates
from cxcore.attribution.sample import linear, together

#: pairs: model (-1: none, which is all conversions) and channel of both sides
Pairs = tuple[Int64, Int64, Int64, Int64]


def drawn_rows(
    models: Sequence[Model], journeys: Journeys, met: Int64, seed: int, n: int, n_measures: int
) -> pl.DataFrame:
    """Credit of customers drawn again n times, by model and channel, and how many conversions.

    Of models that learn, only what no touch earned.
    """
    none = journeys.n_channels
    sums = sums_of_replicates(models, journeys, seed, n, refits=False)
    shown = np.append(met, none)
    of_models = sums[:, :-1].reshape(n, len(models), none + 1, 2)[:, :, shown, :n_measures]
    numbers = np.moveaxis(of_models, 0, 3).reshape(-1, n_measures * n)
    conversions = np.append(sums[:, -1], np.zeros((n_measures - 1) * n))
    model = np.append(np.repeat(np.arange(len(models)), len(shown)), -1)
    channel = np.append(np.tile(shown, len(models)), none)
    return _numbers(DRAWN, np.vstack((numbers, conversions)), _names(models, journeys.names, model, channel))


def pair_rows(
    asks: Asked,
    journeys: Journeys,
    met: Int64,
    everyone: Everyone,
    cubes: bool,
    learned: Sequence[Any] | None,
    center: Float64 | None,
) -> Iterator[pl.DataFrame]:
    """Sums of powers of those pairs of columns that some contrast asks for, and of how many customers.

    ``center``: what they are taken about, by column of all models; None: 0, and what is 0 is left out.
    """
    models, none, touched = asks.models, journeys.n_channels, by_name(journeys.names, met)
    n_measures, leaves_out = 1 + asks.has_value, center is None
    if center is None:
        center = np.zeros(len(models) * (none + 1) * 2 + 1)
    credits = [Credit(np.empty(0), np.empty(0))] * len(models)  # only the estimates ask for it
    if asks.compare:
        options: Any = {"learned": learned, "center": center}
        sample = JourneySample.of(journeys, models, credits, everyone, **options)
        yield _rows(models, sample, _compared(len(models), touched), 0, n_measures, cubes, leaves_out)
        return
    of_models = center[:-1].reshape(len(models), -1)
    centers = np.column_stack((of_models, np.full(len(models), center[-1])))
    for first, one in enumerate(asks.samples(journeys, credits, everyone, learned, centers)):
        asked = _alone(np.append(touched, none), none, with_total=first == 0)
        yield _rows(models, one, asked, first, n_measures, cubes, leaves_out)


def _rows(
    models: Sequence[Model],
    sample: JourneySample,
    asked: Pairs,
    first: int,
    n_measures: int,
    cubes: bool,
    leaves_out: bool,
) -> pl.DataFrame:
    """``first``: which model of the call is the first of the sample."""
    model, channel, other_model, other = asked
    last, numbers = sample.n_columns - 1, []
    for of_value in (False, True)[:n_measures]:
        a = np.where(model < 0, last, sample.column(model, channel, of_value))
        b = np.where(other_model < 0, last, sample.column(other_model, other, of_value))
        numbers.append(_powers(sample, a, b, cubes))
    names = _names(models, sample.names, np.where(model < 0, -1, model + first), channel)
    theirs = _names(models, sample.names, np.where(other_model < 0, -1, other_model + first), other)
    names |= {OTHER_MODEL: theirs[MODEL], OTHER_CHANNEL: theirs[CHANNEL]}
    names[COUNT] = pl.repeat(int(sample.n), len(model), dtype=pl.Int64, eager=True)
    return _numbers(PAIR, np.hstack(numbers), names, leaves_out)


def _powers(sample: JourneySample, a: Int64, b: Int64, cubes: bool) -> Float64:
    """Sums over all customers of squares of a, b and a - b; where asked of cubes of those and of a + b.

    Differences have sums of their own: what is left of sums of products of nearly equal columns is rounding.
    """
    total, n = sample.n_columns - 1, len(a)
    assert sample.center is not None
    # models' own ways to squares take it for the mean, where it is not 0
    if not cubes and not sample.center.any() and ((a == b) | (b == total)).all():
        square, with_total = sample.column_squares.T
        with np.errstate(invalid="ignore"):  # the driver looks at the sizes of the whole log
            both = square[a] + square[b] - 2.0 * np.where(a == b, square[a], with_total[a])
        return np.column_stack((square[a], square[b], both))
    asked = [linear(a), linear(b), linear(a, 1.0, b, 1.0), linear(a, 1.0, b, -1.0)]
    asked = asked if cubes else asked[:3]
    powers = sample.powers(together(asked)).reshape(len(asked), n, 2)
    square, cube = powers[:3, :, 0], powers[:, :, 1]
    return np.vstack((square, cube) if cubes else (square,)).T


def _alone(shown: Int64, none: int, *, with_total: bool) -> Pairs:
    """Each channel of one model with itself and with all conversions; those with themselves."""
    own, end = np.zeros(len(shown), np.int64), np.full(int(with_total), -1)
    nothing, total = np.full(len(shown), none), np.full(int(with_total), none)
    model, other_model = np.concatenate((own, own, end)), np.concatenate((own, own - 1, end))
    return model, np.concatenate((shown, shown, total)), other_model, np.concatenate((shown, nothing, total))


def _compared(n_models: int, touched: Int64) -> Pairs:
    """Each channel of each model with itself, and with all that it is compared with."""
    own, mine = np.repeat(np.arange(n_models), len(touched)), np.tile(touched, n_models)
    sides = zip((own, mine, own, mine), pairs(n_models, touched), strict=True)
    model, channel, other_model, other = (np.concatenate(side) for side in sides)
    return model, channel, other_model, other


def _names(models: Sequence[Model], names: pl.Series, model: Int64, channel: Int64) -> dict[str, pl.Series]:
    """Labels of models (-1: none) and names of channels (beyond the last: none)."""
    labels = pl.Series([*(one.label for one in models), None], dtype=pl.String)
    shown = names.clone().append(pl.Series([None], dtype=names.dtype))
    return {MODEL: labels[np.where(model < 0, len(models), model)], CHANNEL: shown[channel]}


def _numbers(
    kind: int, numbers: Float64, names: dict[str, pl.Series], leaves_out: bool = True
) -> pl.DataFrame:
    """Rows of numbers; ``leaves_out`` those that are all 0."""
    some = numbers.any(axis=1) | (not leaves_out)
    lists = pl.Series(numbers[some].tolist(), dtype=pl.List(pl.Float64))
    kept = {name: column.filter(pl.Series(some)) for name, column in names.items()}
    return rows_of(kind, **kept, **{NUMBERS: lists})
