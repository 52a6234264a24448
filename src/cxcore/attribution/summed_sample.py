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
from cxcore.attribution.sample import ROUNDING, Contrasts, Sample, but_for_rounding, linear

#: what is left of squares without the mean, as a part of them, that 1e-16 of them may be 1e-12 of
_FEW_DIGITS = 1e-4


@dataclass(frozen=True, eq=False)
class SummedSample(Sample):
    """Powers of columns, summed over all customers, and sums of customers who were drawn again."""

    #: float64[n_columns]: the estimates, and what powers are taken about
    row: Float64
    center: Float64
    #: pairs of columns, a * n_columns + b, rising; sums of squares of a, b, a - b, and where asked of cubes
    #: of a, b, a - b, a + b, over customers in whose part of the log both are known
    pair: Int64
    sums: Float64
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
        square, cube, size = self._about_center(contrasts)
        away = self.mean - self.center
        off = contrasts.slopes_of(away[contrasts.a], away[contrasts.b])
        cube += off * (2.0 * self.n * off**2 - 3.0 * square)
        return np.column_stack((but_for_rounding(square - self.n * off**2, size), cube))

    def _about_center(self, contrasts: Contrasts) -> tuple[Float64, Float64, Float64]:
        """Sums of squares and cubes of alpha a - beta b, and the sizes that the squares are added up of.

        Out of the sums of a - b itself, so that nearly equal columns keep their digits.
        """
        a, b, alpha, beta = contrasts.a, contrasts.b, contrasts.alpha, contrasts.beta
        aa, _, _, aaa, *_ = self._of(a, a).T
        bb, _, _, bbb, *_ = self._of(b, b).T
        mine, theirs, less, my_cube, their_cube, cube_less, cube_more = self._of(a, b).T
        less = less + (aa - mine) + (bb - theirs)
        cube_less = cube_less + (aaa - my_cube) - (bbb - their_cube)
        cube_more = cube_more + (aaa - my_cube) + (bbb - their_cube)
        unlike = alpha - beta
        parts = (alpha * unlike * aa, -beta * unlike * bb, alpha * beta * less)
        cube = (alpha + beta) * (unlike * (alpha * aaa + beta * bbb) + alpha * beta * cube_less / 2.0)
        cube -= alpha * beta * unlike * cube_more / 2.0
        return np.sum(parts, axis=0), cube, np.abs(parts).sum(axis=0)

    def replicates(self, seed: int, n: int) -> Float64:
        return scaled(self.drawn, self.customers_drawn, self.n)

    def has_few_digits(self, *, parts_know_all: bool) -> bool:
        """Is so little left of some squares without the mean that sums about 0 do not say it?

        Nor do they where parts that know one of two columns alone are told by sums of all parts, less those
        of parts that know both. Whole numbers have all their digits, and a rounding has none.
        """
        a, b = np.divmod(self.pair, self.n_columns)
        contrasts = linear(a, 1.0, b, np.where(a == b, 0.0, 1.0))
        square, _, _ = self._about_center(contrasts)
        worth = contrasts.slopes_of(self.row[a], self.row[b])
        left = square - worth**2 / max(self.n, 1.0)
        mine, theirs = self._of(a, a), np.where(a[:, None] == b[:, None], 0.0, self._of(b, b))
        both = mine[:, 0] + theirs[:, 0]
        few, largest = (left < _FEW_DIGITS * square) & (square > ROUNDING**2 * both), square
        if not parts_know_all:
            few |= (square < _FEW_DIGITS * both) & (both > 0.0)
            largest = np.maximum(both, abs(mine[:, 3]) + abs(theirs[:, 3]))
        is_whole = (square % 1.0 == 0.0) & (worth % 1.0 == 0.0) & (np.maximum(largest, worth**2) < 2.0**53)
        return bool((few & ~is_whole).any())

    def _of(self, a: Int64, b: Int64) -> Float64:
        """Sums of pairs, [n, 7]; 0 where no part of the log knows both."""
        found = np.zeros((len(a), 7))
        if len(self.pair):
            wanted = a * self.n_columns + b
            at = np.minimum(np.searchsorted(self.pair, wanted), len(self.pair) - 1)
            found[:, : self.sums.shape[1]] = self.sums[at]
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
        return np.empty(0, np.int64), np.empty((0, 3))
    numbers = _table(rows, mine, n_measures)
    pair = np.concatenate(
        [of.column(a[mine], at) * (of.last + 1) + of.column(b[mine], at) for at in range(n_measures)]
    )
    pair, first = np.unique(pair, return_index=True)
    others = n - np.tile(rows[COUNT].to_numpy()[mine], n_measures)[first]
    one, two = -center[pair // (of.last + 1)], -center[pair % (of.last + 1)]
    nothing = np.column_stack((one, two, one - two))
    nothing = np.hstack((nothing**2, nothing**3, (one + two)[:, None] ** 3))[:, : numbers.shape[2]]
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
