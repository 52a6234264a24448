"""Customers as a sample: what methods ask of them, and the numbers of which they ask it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cxcore._columns import Float64, Int64
from cxcore.attribution.base import Model

#: numbers that differ by less than this part of them are equal: so far does another order of rows reach
ROUNDING = 1e-12
#: less than this part of what was added up is rounding
_NOTHING = 1e-13


@dataclass(frozen=True, slots=True, eq=False)
class Contrasts:
    """Numbers alpha x[a] - beta x[b], out of the row x of estimates; by item.

    Where ``is_ratio``, the number is x[a] / x[b], and alpha and beta are its slopes.
    """

    a: Int64
    alpha: Float64
    b: Int64
    beta: Float64
    is_ratio: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.a)

    def some(self, items: slice) -> Contrasts:
        return Contrasts(*(getattr(self, name)[items] for name in self.__slots__))

    def of(self, x: Float64) -> Float64:
        """The numbers themselves, for rows of estimates [..., n_columns].

        What is left of two equal numbers is 0: rounding is neither above nor below.
        """
        a, b = x[..., self.a], x[..., self.b]
        with np.errstate(divide="ignore", invalid="ignore"):
            found = self.slopes_of(a, b)
            size = self.size_of(x)
            return np.where(self.is_ratio, a / b, np.where(abs(found) <= ROUNDING * size, 0.0, found))

    def size_of(self, x: Float64) -> Float64:
        """The sizes of what they are differences of."""
        size: Float64 = abs(self.alpha * x[..., self.a]) + abs(self.beta * x[..., self.b])
        return size

    def slopes_of(self, a: Float64, b: Float64) -> Float64:
        slope: Float64 = self.alpha * a - self.beta * b
        return slope


def linear(a: Int64, alpha: float | Float64 = 1.0, b: Int64 | None = None, beta: Any = 0.0) -> Contrasts:
    """Numbers alpha x[a] - beta x[b], or alpha x[a]."""
    n = len(a)
    alphas, betas = (np.broadcast_to(np.asarray(x, np.float64), n).copy() for x in (alpha, beta))
    return Contrasts(a, alphas, a if b is None else b, betas, np.zeros(n, np.bool_))


def ratio(a: Int64, b: int, x: Float64) -> Contrasts:
    """Numbers x[a] / x[b]."""
    n, below = len(a), x[b]
    slope = 1.0 / below if below else np.nan
    return Contrasts(a, np.full(n, slope), np.full(n, b), x[a] * slope * slope, np.ones(n, np.bool_))


def together(parts: Sequence[Contrasts]) -> Contrasts:
    return Contrasts(*(np.concatenate([getattr(p, name) for p in parts]) for name in Contrasts.__slots__))


@dataclass(frozen=True, eq=False)
class Sample(ABC):
    """Customers, the models that read them, and the row of estimates.

    The row has conversions and value of each channel, and of no channel, by model; its last number is how
    many conversions there are.
    """

    #: the channels by code
    names: pl.Series
    models: Sequence[Model]
    #: how many customers there are: all of the log, of whom those who are looked at may be some
    n: float

    @property
    def n_columns(self) -> int:
        return len(self.models) * (len(self.names) + 1) * 2 + 1

    def column(self, model: int | Int64, channel: Int64, of_value: bool) -> Int64:
        """Where the row has the conversions, or the value, of some channels; n_channels is no channel."""
        return (model * (len(self.names) + 1) + channel) * 2 + of_value

    def shown(self, model: int, touched: Int64) -> Int64:
        """Channels with a row, n_channels for none where some conversion was not earned."""
        none = np.array([len(self.names)])
        has_rest = self.estimates[self.column(model, none, False)] > 0.0
        return np.concatenate((touched, none[has_rest]))

    @cached_property
    @abstractmethod
    def estimates(self) -> Float64:
        """float64[n_columns]."""

    @property
    def mean(self) -> Float64:
        """Of a customer, by column."""
        mean: Float64 = self.estimates / max(self.n, 1.0)
        return mean

    @abstractmethod
    def squares(self, contrasts: Contrasts) -> Float64:
        """Sums over all customers of squares of what they change, less the mean: [n]."""

    @abstractmethod
    def powers(self, contrasts: Contrasts) -> Float64:
        """Sums over all customers of squares and cubes of what they change, less the mean: [n, 2]."""

    @abstractmethod
    def replicates(self, seed: int, n: int) -> Float64:
        """Rows of estimates of customers drawn again, [n, n_columns], scaled to their number."""


def but_for_rounding(squares: Float64, size: Float64) -> Float64:
    """Sums of squares, 0 where they are a rounding of so large a sum."""
    return np.where(squares <= _NOTHING * size, 0.0, squares)
