"""Customers whose journeys are here: what each of them changes in the row of estimates."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cxcore._columns import Float64
from cxcore._ext import uncertainty as kernel
from cxcore.attribution.base import Credit, Journeys, Model
from cxcore.attribution.groups import only
from cxcore.attribution.positional import WalkedModel, walked_squares
from cxcore.attribution.replicates import customers_drawn, scaled, sums_of_replicates
from cxcore.attribution.sample import Contrasts, Sample, but_for_rounding

#: numbers of influences that are held at once
_HELD = 1 << 19


@dataclass(frozen=True, eq=False)
class JourneySample(Sample):
    """Customers by their journeys. ``everyone`` are all of the log, of whom ``journeys`` may be some."""

    journeys: Journeys
    credits: Sequence[Credit]
    everyone: Everyone
    #: what each model learned; None: find it
    learned: Sequence[Any] | None = None
    #: gives those who converted alone, found once for all models of a call; None: nobody else asks
    converters: Callable[[], Journeys] | None = None
    #: gives the squares of some models of a call, by id; None: nobody else asks
    together: Callable[[], dict[int, Float64]] | None = None
    #: what squares and cubes are taken about, by column; None: the mean
    center: Float64 | None = None

    @classmethod
    def of(
        cls,
        journeys: Journeys,
        models: Sequence[Model],
        credits: Sequence[Credit],
        everyone: Everyone,
        **others: Any,
    ) -> JourneySample:
        return cls(journeys.names, models, everyone.n, journeys, credits, everyone, **others)

    @cached_property
    def estimates(self) -> Float64:
        """float64[n_columns]."""
        pairs = zip(self.models, self.credits, strict=True)
        row = [
            np.vstack((np.column_stack((credit.conversions, credit.value)), _rest(model, self.journeys)))
            for model, credit in pairs
        ]
        return np.concatenate([*(part.ravel() for part in row), [self.journeys.weight.sum()]])

    @property
    def readers(self) -> Journeys:
        """The customers of whom some model learns."""
        learns = any(model.learns_from_nulls for model in self.models)
        if learns:
            return self.journeys
        return converters_of(self.journeys) if self.converters is None else self.converters()

    @cached_property
    def _fitted(self) -> list[Any]:
        """What each model learned, once for all that is asked."""
        if self.learned is not None:
            return list(self.learned)
        return [model.fit(self.journeys) for model in self.models]

    @property
    def mean(self) -> Float64:
        return super().mean if self.center is None else self.center

    def influences(self) -> Iterator[tuple[Float64, Float64]]:
        """Block by block what each customer changes in the row, [n, n_columns], and how many are alike."""
        people, n_channels = self.readers, self.journeys.n_channels
        step = max(1, _HELD // self.n_columns)
        for first, end in _whole_customers(people, step):
            some = people.of_users(first, end)
            block = np.empty((some.n_users, self.n_columns))
            of_models = block[:, :-1].reshape(some.n_users, len(self.models), n_channels + 1, 2)
            block[:, -1] = np.diff(some.conversion_offset)
            for at, (model, learned) in enumerate(zip(self.models, self._fitted, strict=True)):
                of_models[:, at, -1] = _rest_by_user(model, some)
                of_models[:, at, :-1] = model.influence(learned, some)
            if len(some.customer):
                begins = np.flatnonzero(np.diff(some.customer, prepend=-1))
                block = np.add.reduceat(block, begins, axis=0)
            yield block, some.times

    def squares(self, contrasts: Contrasts) -> Float64:
        total = self.n_columns - 1
        if not ((contrasts.b == total) | (contrasts.beta == 0.0)).all():
            squares: Float64 = self.powers(contrasts)[:, 0]
            return squares
        # Columns and their products with the last are enough, and a pass over what lies side by side.
        square, product = self.column_squares[contrasts.a].T
        parts = (contrasts.alpha**2 * square, contrasts.beta**2 * self.column_squares[total, 0])
        less = 2.0 * contrasts.alpha * contrasts.beta * product
        whole = np.where(contrasts.beta == 0.0, parts[0], parts[0] + parts[1] - less)
        return but_for_rounding(whole, parts[0] + parts[1])

    @cached_property
    def column_squares(self) -> Float64:
        """Squares of each column of the row less the mean, and products with the last: [n_columns, 2]."""
        mean, model = self.mean, self.models[0]
        if len(self.models) == 1 and not len(self.journeys.customer):
            found = None if self.together is None else self.together().get(id(model))
            if found is None:
                found = model.squares(self._fitted[0], self.readers, mean, self.n)
            if found is not None:
                return found
        sums, read = np.zeros((self.n_columns, 2)), 0.0
        for block, times in self.influences():
            read += float(times.sum()) if len(times) else len(block)
            kernel.add_squares(block, times, mean, self.journeys.n_threads, sums)
        sums += (self.n - read) * np.column_stack((mean**2, mean * mean[-1]))
        return sums

    def powers(self, contrasts: Contrasts) -> Float64:
        of_all = self.mean
        mean = contrasts.slopes_of(of_all[contrasts.a], of_all[contrasts.b])
        sums, read = np.zeros((len(contrasts), 2)), 0.0
        for block, times in self.influences():
            read += float(times.sum()) if len(times) else len(block)
            some = (contrasts.a, contrasts.b, contrasts.alpha, contrasts.beta, mean)
            kernel.add_powers(block, times, *some, self.journeys.n_threads, sums)
        silent = self.n - read  # they change nothing
        return sums + silent * np.column_stack((mean**2, -(mean**3)))

    def replicates(self, seed: int, n: int) -> Float64:
        """How often a replicate draws a customer depends on seed, replicate and key alone."""
        drawn = customers_drawn(self.everyone.key, self.everyone.times, self.everyone.n_threads, seed, n)
        return scaled(sums_of_replicates(self.models, self.journeys, seed, n), drawn, self.n)


@dataclass(frozen=True, eq=False)
class Everyone:
    """All customers of a log: those with a touch or a conversion."""

    #: how many
    n: float
    #: uint64 by customer, the same in every log; and how many are alike (no item: one each)
    key: NDArray[np.uint64]
    times: Float64
    n_threads: int

    @classmethod
    def of(cls, journeys: Journeys, n: int | None = None) -> Everyone:
        """Those of the journeys; or so many, of whom some are left out that change nothing."""
        there = (np.diff(journeys.touch_offset) > 0) | (np.diff(journeys.conversion_offset) > 0)
        times = journeys.times[there] if len(journeys.times) else journeys.times
        met = float(times.sum()) if len(times) else float(there.sum())
        return cls(met if n is None else float(n), journeys.keys[there], times, journeys.n_threads)


def _whole_customers(journeys: Journeys, step: int) -> Iterator[tuple[int, int]]:
    """Runs of about so many users, who may be parts of customers; no customer lies in two of them."""
    first, n = 0, journeys.n_users
    while first < n:
        end = min(first + step, n)
        if len(journeys.customer):
            end = int(np.searchsorted(journeys.customer, journeys.customer[end - 1], side="right"))
        yield first, end
        first = end


def squares_together(samples: Sequence[JourneySample]) -> dict[int, Float64]:
    """Squares of the models of place and age, one in each sample of a call, by id."""
    shares = [
        (sample, model)
        for sample in samples
        for model in sample.models
        if isinstance(model, WalkedModel) and model.shares
    ]
    if not shares:
        return {}
    shares.sort(key=lambda one: one[1].places is None)
    first, models = shares[0][0], [model for _, model in shares]
    means = np.array([sample.mean for sample, _ in shares])
    found = walked_squares(models, first.journeys, means, first.n)
    return {id(model): squares for model, squares in zip(models, found, strict=True)}


def converters_of(journeys: Journeys) -> Journeys:
    """Those who converted alone."""
    if (np.diff(journeys.conversion_offset) > 0).all():
        return journeys
    nobody = np.zeros(journeys.n_users, np.bool_)
    return only(journeys, np.ones(len(journeys.value), np.bool_), nobody)


def _rest(model: Model, journeys: Journeys) -> Float64:
    """Conversions and value that no touch earned."""
    alone = model.unattributed(journeys)
    weight = journeys.weight[alone]
    return np.array([weight.sum(), math.fsum(weight * journeys.value[alone])])


def _rest_by_user(model: Model, some: Journeys) -> Float64:
    """The same by user, [n_users, 2]."""
    user = np.repeat(np.arange(some.n_users), np.diff(some.conversion_offset))
    alone = model.unattributed(some).astype(np.float64)
    parts = [np.bincount(user, x, minlength=some.n_users) for x in (alone, alone * some.value)]
    return np.column_stack(parts)
