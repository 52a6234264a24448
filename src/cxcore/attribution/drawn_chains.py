"""Chains of order 1 of customers drawn again, where journeys lie in parts: they are counts, which add up."""

from __future__ import annotations

import numpy as np
import polars as pl

from cxcore._columns import Float64, Int64
from cxcore.attribution.base import Journeys, Transitions
from cxcore.attribution.markov import credit_of
from cxcore.attribution.partial_rows import CHANNEL, NUMBERS, OTHER_CHANNEL, STEP, WHAT, rows_of
from cxcore.attribution.replicates import resample

#: what a row counts: steps, starts, ends without a conversion, ends with one, and the value of those
_STEP, _START, _LOST, _CONVERTED, _WORTH = range(5)


def step_rows(journeys: Journeys, seed: int, n: int) -> pl.DataFrame:
    """How often journeys of customers who are drawn again n times took each step, by names."""
    size = journeys.n_channels
    user, step, amount = _entries(journeys)
    order = np.argsort(user, kind="stable")
    met, column = np.unique(step[order], return_inverse=True)
    counted = np.zeros((n, len(met)))
    resample(journeys, user[order], column.astype(np.int32), amount[order], seed, counted)
    what, pair = np.divmod(met, max(size * size, 1))
    names = [journeys.names.gather(code) for code in np.divmod(pair, max(size, 1))]
    lists = pl.Series(counted.T.tolist(), dtype=pl.List(pl.Float64))
    columns = {WHAT: pl.Series(what, dtype=pl.Int8), CHANNEL: names[0], OTHER_CHANNEL: names[1]}
    return rows_of(STEP, **columns, **{NUMBERS: lists})


def _entries(journeys: Journeys) -> tuple[Int64, Int64, Float64]:
    """User, place in (what, from, to), and how often; O(touches), however windows overlap."""
    some, lost = journeys.lo < journeys.hi, journeys.null_lo < journeys.null_hi
    lo = np.concatenate((journeys.lo[some], journeys.null_lo[lost]))
    last = np.concatenate((journeys.hi[some], journeys.null_hi[lost])) - 1
    n, channel, size = len(journeys.channel), journeys.channel.astype(np.int64), journeys.n_channels
    goes_on = np.cumsum(np.bincount(lo, minlength=n) - np.bincount(last, minlength=n))  # by touch: windows
    walked = np.flatnonzero(goes_on)
    n_converted = int(some.sum())
    converted, ended = last[:n_converted], last[n_converted:]
    parts = [
        (walked, _STEP, channel[walked] * size + channel[walked + 1], goes_on[walked].astype(np.float64)),
        *(
            (touch, what, channel[touch] * (size + 1), amount)
            for touch, what, amount in (
                (lo, _START, np.ones(len(lo))),
                (ended, _LOST, np.ones(len(ended))),
                (converted, _CONVERTED, np.ones(n_converted)),
                (converted, _WORTH, journeys.value[some]),
            )
        ),
    ]
    touch = np.concatenate([part[0] for part in parts])
    user = np.searchsorted(journeys.touch_offset, touch, side="right") - 1
    place = np.concatenate([what * size * size + pair for _, what, pair, _ in parts])
    return user, place, np.concatenate([part[3] for part in parts])


def chain_credits(rows: pl.DataFrame, names: pl.Series, n: int, n_threads: int) -> Float64:
    """Credit by replicate and channel, [n, n_channels, 2], of the chains that were counted."""
    size, code = len(names), {name: at for at, name in enumerate(names)}
    credit = np.zeros((n, size, 2))
    what = rows[WHAT].to_numpy()
    one, other = (
        np.array([code[name] for name in rows[column]], np.int64) for column in (CHANNEL, OTHER_CHANNEL)
    )
    numbers = np.array(rows[NUMBERS].to_list(), np.float64).reshape(len(rows), n)
    for replicate in range(n):
        counts = np.zeros((5, size, size))
        counts[what, one, other] = numbers[:, replicate]
        ends = [np.diagonal(counts[at]).copy() for at in (_START, _CONVERTED, _LOST, _WORTH)]
        found = credit_of(Transitions(counts[_STEP], *ends), n_threads)
        credit[replicate] = np.column_stack((found.conversions, found.value))
    return credit
