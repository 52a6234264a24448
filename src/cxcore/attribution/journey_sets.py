"""Which set of channels each journey met, and what journeys say of each set."""

from __future__ import annotations

import numpy as np
import polars as pl

from cxcore._columns import Float64, Int32, Int64
from cxcore._ext import games as kernel
from cxcore.attribution.base import Journeys


def players_of(journeys: Journeys) -> tuple[Int64, Int32]:
    """Codes of the channels that some journey met, by name, and the number of each channel among them."""
    opened = [(journeys.lo, journeys.hi), (journeys.null_lo, journeys.null_hi)]
    n = len(journeys.channel) + 1
    change = sum(np.bincount(lo, minlength=n) - np.bincount(hi, minlength=n) for lo, hi in opened)
    met = np.bincount(journeys.channel[np.cumsum(change)[:-1] > 0], minlength=journeys.n_channels) > 0
    names = journeys.names
    if isinstance(names.dtype, (pl.Categorical, pl.Enum)):
        names = names.cast(pl.String)
    order = names.arg_sort().to_numpy().astype(np.int64)  # codes depend on the order of rows, names do not
    players = order[met[order]]
    number = np.full(journeys.n_channels, -1, np.int32)
    number[players] = np.arange(len(players), dtype=np.int32)
    return players, number


def places_in(journeys: Journeys) -> tuple[Int32, Int32]:
    """Room for the set of each conversion, of each journey that did not convert."""
    return np.empty(len(journeys.lo), np.int32), np.empty(len(journeys.null_lo), np.int32)


def table_of(journeys: Journeys, number: Int32, n: int) -> Float64:
    """Journeys, conversions and value inside each set, by mask."""
    of_conversion, of_null = places_in(journeys)
    kernel.coalitions(journeys.view, number, n, journeys.n_threads, of_conversion, of_null)
    tally = tally_of(journeys, of_conversion, of_null, 1 << n)
    kernel.subset_sums(tally, n)
    return tally


def tally_of(journeys: Journeys, of_conversion: Int32, of_null: Int32, n_sets: int) -> Float64:
    """Journeys, conversions and value of exactly each set."""
    touched = of_conversion >= 0
    place, weight = of_conversion[touched], journeys.weight[touched]
    conversions = np.bincount(place, weight, minlength=n_sets)
    value = np.bincount(place, weight * journeys.value[touched], minlength=n_sets)
    nulls = of_null >= 0
    alike = journeys.times[nulls] if len(journeys.times) else None
    others = np.bincount(of_null[nulls], alike, minlength=n_sets)
    return np.stack((conversions + others, conversions, value), axis=1).astype(np.float64)


def per_journey(tally: Float64) -> Float64:
    """Conversions and value per journey; 0 where there is none."""
    inside = tally[:, :1]
    return np.divide(tally[:, 1:], inside, out=np.zeros((len(tally), 2)), where=inside > 0)


def mean_value(total: Float64) -> float:
    """Of a conversion."""
    return float(total[2] / total[1]) if total[1] else 0.0
