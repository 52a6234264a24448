"""Customers drawn again: what the credit would have been, replicate by replicate."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cxcore._columns import Float64, Int64
from cxcore._ext import uncertainty as kernel
from cxcore.attribution.base import Journeys, Model, TouchModel
from cxcore.attribution.sample import Everyone, Sample


def replicates_of(sample: Sample, seed: int, n_replicates: int) -> Float64:
    """Rows of estimates of customers drawn again, [n_replicates, n_columns], scaled to their number."""
    drawn = np.zeros((n_replicates, sample.n_columns))
    of_models = drawn[:, :-1].reshape(n_replicates, len(sample.models), -1, 2)
    journeys = sample.journeys
    for at, model in enumerate(sample.models):
        if model.is_sum:
            of_models[:, at, :-1] = _of_touches(model, journeys, seed, n_replicates)
        else:
            for replicate in range(n_replicates):
                credit = model.credit(_redrawn(journeys, seed, replicate))
                of_models[replicate, at, :-1, 0] = credit.conversions
                of_models[replicate, at, :-1, 1] = credit.value
    of_models[:, :, -1], drawn[:, -1] = _of_conversions(journeys, seed, n_replicates)
    scaled: Float64 = drawn / _part_drawn(sample.everyone, seed, n_replicates)[:, None]
    return scaled


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
    _resample(journeys, user.repeat(2), column, earned[found].ravel(), seed, sums)
    return sums.reshape(n_replicates, -1, 2)


def _of_conversions(journeys: Journeys, seed: int, n_replicates: int) -> tuple[Float64, Float64]:
    """What no touch earned, [n_replicates, 1, 2], and how many conversions there are."""
    user = np.repeat(np.arange(journeys.n_users), np.diff(journeys.conversion_offset))
    alone = (journeys.lo == journeys.hi).astype(np.float64)
    amount = np.column_stack((alone, alone * journeys.value, np.ones(len(user)))).ravel()
    column = np.tile(np.arange(3, dtype=np.int32), len(user))
    sums = np.zeros((n_replicates, 3))
    _resample(journeys, user.repeat(3), column, amount, seed, sums)
    return sums[:, None, :2], sums[:, 2]


def _resample(
    journeys: Journeys, user: Int64, column: np.ndarray, amount: Float64, seed: int, sums: Float64
) -> None:
    """Adds up amounts of customers drawn again; entries by user."""
    offset = np.searchsorted(user, np.arange(journeys.n_users + 1))
    kernel.resample(journeys.keys, journeys.times, offset, column, amount, seed, 0, journeys.n_threads, sums)


def _part_drawn(everyone: Everyone, seed: int, n_replicates: int) -> Float64:
    """How many customers each replicate draws for each that there is; no number where it draws nobody."""
    sums, none = np.zeros((n_replicates, 1)), np.empty(0)
    kernel.resample(
        *(everyone.key, everyone.times, none.astype(np.int64), none.astype(np.int32), none),
        *(seed, 0, everyone.n_threads, sums),
    )
    part: Float64 = np.where(sums[:, 0] > 0.0, sums[:, 0] / max(everyone.n, 1.0), np.nan)
    return part
