"""Customers drawn again: what the credit would have been, replicate by replicate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cxcore._columns import Float64, Int64
from cxcore._ext import uncertainty as kernel
from cxcore.attribution.base import Journeys, Model, TouchModel, UInt64


def sums_of_replicates(
    models: Sequence[Model], journeys: Journeys, seed: int, n_replicates: int, *, refits: bool = True
) -> Float64:
    """Rows of estimates of customers drawn again, [n_replicates, n_columns], as many as were drawn.

    ``refits``: or models that learn give nothing to channels, for who finds that elsewhere.
    """
    drawn = np.zeros((n_replicates, len(models) * (journeys.n_channels + 1) * 2 + 1))
    of_models = drawn[:, :-1].reshape(n_replicates, len(models), -1, 2)
    for at, model in enumerate(models):
        if model.is_sum:
            of_models[:, at, :-1] = _of_touches(model, journeys, seed, n_replicates)
        elif refits:
            for replicate in range(n_replicates):
                credit = model.credit(_redrawn(journeys, seed, replicate))
                of_models[replicate, at, :-1, 0] = credit.conversions
                of_models[replicate, at, :-1, 1] = credit.value
    of_models[:, :, -1], drawn[:, -1] = _of_conversions(journeys, seed, n_replicates)
    return drawn


def customers_drawn(key: UInt64, times: Float64, n_threads: int, seed: int, n_replicates: int) -> Float64:
    """How many customers each replicate draws."""
    sums, none = np.zeros((n_replicates, 1)), np.empty(0)
    entries = (none.astype(np.int64), none.astype(np.int32), none)
    kernel.resample(key, times, *entries, seed, 0, n_threads, sums)
    return sums[:, 0]


def scaled(sums: Float64, drawn: Float64, n: float) -> Float64:
    """Rows of replicates scaled to the number of customers; no number where nobody was drawn."""
    part = np.where(drawn > 0.0, drawn / max(n, 1.0), np.nan)
    rows: Float64 = sums / part[:, None]
    return rows


def _redrawn(journeys: Journeys, seed: int, replicate: int) -> Journeys:
    drawn = np.empty(journeys.n_users)
    kernel.draw(journeys.keys, journeys.times, seed, replicate, journeys.n_threads, drawn)
    return replace(journeys, times=drawn)


def _of_touches(model: Model, journeys: Journeys, seed: int, n_replicates: int) -> Float64:
    """Credit by replicate and channel, [n_replicates, n_channels, 2]."""
    assert isinstance(model, TouchModel)
    earned = model.touch_credit(replace(journeys, times=journeys.times[:0]))
    found = np.flatnonzero(earned.any(axis=1))
    user = np.searchsorted(journeys.touch_offset, found, side="right") - 1
    column = np.repeat(journeys.channel[found] * 2, 2)
    column[1::2] += 1
    sums = np.zeros((n_replicates, journeys.n_channels * 2))
    resample(journeys, user.repeat(2), column, earned[found].ravel(), seed, sums)
    return sums.reshape(n_replicates, -1, 2)


def _of_conversions(journeys: Journeys, seed: int, n_replicates: int) -> tuple[Float64, Float64]:
    """What no touch earned, [n_replicates, 1, 2], and how many conversions there are."""
    user = np.repeat(np.arange(journeys.n_users), np.diff(journeys.conversion_offset))
    alone = (journeys.lo == journeys.hi).astype(np.float64)
    amount = np.column_stack((alone, alone * journeys.value, np.ones(len(user)))).ravel()
    column = np.tile(np.arange(3, dtype=np.int32), len(user))
    sums = np.zeros((n_replicates, 3))
    resample(journeys, user.repeat(3), column, amount, seed, sums)
    return sums[:, None, :2], sums[:, 2]


def resample(
    journeys: Journeys, user: Int64, column: np.ndarray, amount: Float64, seed: int, sums: Float64
) -> None:
    """Adds up amounts of customers drawn again; entries by user."""
    offset = np.searchsorted(user, np.arange(journeys.n_users + 1))
    kernel.resample(journeys.keys, journeys.times, offset, column, amount, seed, 0, journeys.n_threads, sums)
