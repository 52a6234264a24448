"""Customers as sums over them, where their journeys lie in other places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from cxcore._columns import Float64, Int64
from cxcore.attribution.base import Model
from cxcore.attribution.partial_rows import (
    CHANNEL,
    COUNT,
    MODEL,
    NUMBERS,
    OTHER_CHANNEL,
    OTHER_MODEL,
)
from cxcore.attribution.replicates import scaled
from cxcore.attribution.sample import Contrasts, Sample, but_for_rounding

#: what is left of squares without the mean, as a part of them, that 1e-16 of them may be 1e-12 of
_FEW_DIGITS = 1e-4


@dataclass(frozen=True, eq=False)
class SummedSample(Sample):
    """Products of columns, summed over all customers, and sums of customers who were drawn again."""

    #: float64[n_columns]: the estimates, and what products are taken about
    row: Float64
    center: Float64
    #: pairs of columns, a * n_columns + b, rising; the sums of a b, and where asked of a a b and a b b
    pair: Int64
    products: Float64
    #: by replicate: the row, and how many customers were drawn; no item where nobody draws
    drawn: Float64
    customers_drawn: Float64

    @property
    def estimates(self) -> Float64:
        return self.row

    def squares(self, contrasts: Contrasts) -> Float64:
        squares: Float64 = self.powers(contrasts)[:, 0]
        return squares

    def powers(self, contrasts: Contrasts) -> Float64:
        a, b, alpha, beta = contrasts.a, contrasts.b, contrasts.alpha, contrasts.beta
        aa, ab, bb = self._of(a, a), self._of(a, b), self._of(b, b)
        size = alpha**2 * aa[:, 0] + beta**2 * bb[:, 0]
        square = np.where(beta == 0.0, size, size - 2.0 * alpha * beta * ab[:, 0])
        cube = alpha**3 * aa[:, 1] - beta**3 * bb[:, 1]
        cube -= 3.0 * alpha * beta * (alpha * ab[:, 1] - beta * ab[:, 2])
        away = self.mean - self.center
        off = contrasts.slopes_of(away[a], away[b])
        cube += off * (2.0 * self.n * off**2 - 3.0 * square)
        return np.column_stack((but_for_rounding(square - self.n * off**2, size), cube))

    def replicates(self, seed: int, n: int) -> Float64:
        return scaled(self.drawn, self.customers_drawn, self.n)

    @property
    def has_few_digits(self) -> bool:
        """Is so little left of the squares of a column without the mean that sums about 0 do not say it?

        Whole numbers have all their digits.
        """
        a, b = np.divmod(self.pair, self.n_columns)
        size, worth = self.products[a == b, 0], self.row[a[a == b]]
        left = size - worth**2 / max(self.n, 1.0)
        is_whole = (size % 1.0 == 0.0) & (worth % 1.0 == 0.0) & (np.maximum(size, worth**2) < 2.0**53)
        return bool(((left < _FEW_DIGITS * size) & ~is_whole).any())

    def _of(self, a: Int64, b: Int64) -> Float64:
        """Sums of pairs, [n, 3]; 0 where no customer has both."""
        found = np.zeros((len(a), 3))
        if len(self.pair):
            wanted = a * self.n_columns + b
            at = np.minimum(np.searchsorted(self.pair, wanted), len(self.pair) - 1)
            found[:, : self.products.shape[1]] = self.products[at]
            found[self.pair[at] != wanted] = 0.0
        return found


# ---------------------------------------------------------------- out of rows


def estimates_of(models: Sequence[Model], credit: pl.DataFrame, names: pl.Series, n: float) -> Float64:
    """The row of estimates out of rows of the answer, and how many conversions there are."""
    of = _Columns(models, names)
    row = np.zeros(of.last + 1)
    at = of.places(credit["model"], credit["channel"])
    for of_value, amount in enumerate((credit["conversions"], credit["value"])):
        row[at[at >= 0] + of_value] = amount.fill_null(0.0).to_numpy()[at >= 0]
    row[-1] = n
    return row


def pairs_of(
    rows: pl.DataFrame, models: Sequence[Model], names: pl.Series, n_measures: int, n: float, center: Float64
) -> tuple[Int64, Float64]:
    """Pairs of columns, rising, and their sums over n customers; whom no row tells of changed nothing."""
    of = _Columns(models, names)
    a, b = of.places(rows[MODEL], rows[CHANNEL]), of.places(rows[OTHER_MODEL], rows[OTHER_CHANNEL])
    mine = (a >= 0) & (b >= 0)
    if not mine.any():
        return np.empty(0, np.int64), np.empty((0, 1))
    numbers = _table(rows, mine, n_measures)
    pair = np.concatenate(
        [of.column(a[mine], at) * (of.last + 1) + of.column(b[mine], at) for at in range(n_measures)]
    )
    pair, first = np.unique(pair, return_index=True)
    others = n - np.tile(rows[COUNT].to_numpy()[mine], n_measures)[first]
    one, two = -center[pair // (of.last + 1)], -center[pair % (of.last + 1)]
    nothing = np.column_stack((one * two, one * one * two, one * two * two))[:, : numbers.shape[2]]
    return pair, np.concatenate(list(np.moveaxis(numbers, 1, 0)))[first] + others[:, None] * nothing


def drawn_of(
    rows: pl.DataFrame, models: Sequence[Model], names: pl.Series, n_measures: int, n_replicates: int
) -> Float64:
    """Rows of replicates, [n_replicates, n_columns]."""
    of = _Columns(models, names)
    drawn = np.zeros((n_replicates, of.last + 1))
    column = of.places(rows[MODEL], rows[CHANNEL])
    mine = column >= 0
    numbers = _table(rows, mine, n_measures) if mine.any() else np.empty((0, n_measures, n_replicates))
    for at in reversed(range(n_measures)):  # conversions last: all of them have a number there alone
        drawn[:, of.column(column[mine], at)] = numbers[:, at].T
    return drawn


def _table(rows: pl.DataFrame, which: Any, n_measures: int) -> Float64:
    """Numbers of some rows, [n, n_measures, …]."""
    numbers = np.array(rows[NUMBERS].filter(pl.Series(which)).to_list(), np.float64)
    return numbers.reshape(len(numbers), n_measures, -1)


class _Columns:
    """Places in the row of estimates of some models, by names."""

    def __init__(self, models: Sequence[Model], names: pl.Series) -> None:
        n = 2 * (len(names) + 1)
        self.model = {model.label: n * at for at, model in enumerate(models)}
        self.channel: dict[Any, int] = {name: 2 * at for at, name in enumerate(names)}
        self.channel[None] = n - 2
        self.last = n * len(models)

    def places(self, models: pl.Series, channels: pl.Series) -> Int64:
        """Columns of conversions; the last where there is no model, -1 where it is another."""
        found = [
            self.last if label is None else self.model.get(label, -self.last) + self.channel[name]
            for label, name in zip(models, channels, strict=True)
        ]
        return np.maximum(np.array(found, np.int64), -1)

    def column(self, conversions: Int64, of_value: int) -> Int64:
        return np.where(conversions == self.last, self.last, conversions + of_value)
