"""What would a journey have been worth without this touch? Asked of the journeys that lack it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar

import numpy as np

from cxcore._columns import Float64, Int32, Int64
from cxcore._ext import uncertainty
from cxcore._ext.path_table import PathTable
from cxcore.attribution.base import Credit, Journeys, TouchModel
from cxcore.attribution.row_lists import Rows, list_squares


@dataclass(frozen=True)
class PathRates:
    """Conversion rates of the distinct paths, and what each touch of a path adds to its rate.

    By path: ``amount`` float64[n_paths, 2], conversions and value; ``tried``: all journeys that took it.
    By touch of a path, ``offset[p]:offset[p + 1]``: its channel, the path without it (-1: nobody took that),
    and ``gain``.
    """

    table: PathTable
    n_channels: int
    amount: Float64
    tried: Float64
    offset: Int64
    channel: Int32
    without: Int64

    @cached_property
    def rate(self) -> Float64:
        return np.divide(self.amount[:, 0], self.tried, out=np.zeros(len(self.tried)), where=self.tried > 0)

    @cached_property
    def path(self) -> Int64:
        """Of each touch."""
        return np.repeat(np.arange(len(self.tried)), np.diff(self.offset))

    @cached_property
    def gain(self) -> Float64:
        """Of each touch: max(0, rate of the path - rate without the touch)."""
        lacking = np.zeros(len(self.without))
        known = self.without >= 0
        lacking[known] = self.rate[self.without[known]]
        gain: Float64 = np.maximum(0.0, self.rate[self.path] - lacking)
        return gain

    @cached_property
    def total(self) -> Float64:
        """Of each path: its gains."""
        return np.bincount(self.path, self.gain, minlength=len(self.tried)).astype(np.float64, copy=False)

    @cached_property
    def part(self) -> Float64:
        """Of each touch: its part of the gains of its path; the same to each where none gains."""
        total, size = self.total[self.path], np.diff(self.offset)[self.path]
        some = total > 0
        part: Float64 = np.where(some, self.gain / np.where(some, total, 1.0), 1.0 / size)
        return part

    def split(self, journeys: Journeys) -> Float64:
        """Parts of the pairs of these journeys, which took no other paths."""
        took = np.empty(len(journeys.lo), np.int64)
        self.table.find(journeys.view, took, np.empty(len(journeys.null_lo), np.int64))
        conversion, touch = journeys.pairs
        part: Float64 = self.part[self.offset[took[conversion]] + touch - journeys.lo[conversion]]
        return part

    @cached_property
    def slope(self) -> tuple[Int64, Float64]:
        """Derivatives of all credit in the rates of paths: number of a path, [number, n_channels, 2].

        Only of paths that both convert and do not: of the others no customer changes the rate.
        """
        mixed = np.full(len(self.tried) + 1, -1)  # the last item: no path
        both = (self.amount[:, 0] > 0) & (self.amount[:, 0] < self.tried)
        mixed[:-1][both] = np.arange(both.sum())
        active = np.flatnonzero(self.gain > 0)
        own, lacking = mixed[self.path[active]], mixed[self.without[active]]
        slope = np.zeros((int(both.sum()), self.n_channels, 2))
        for target, sign in ((own, 1.0), (lacking, -1.0)):
            mine = active[target >= 0]
            self._add_slope(target[target >= 0], mine, sign, slope)
        return mixed[:-1], slope

    def changes(self, some: Journeys) -> list[Rows]:
        """What journeys change in rates: by row of ``slope``."""
        number, _ = self.slope
        took, left = np.empty(len(some.lo), np.int64), np.empty(len(some.null_lo), np.int64)
        self.table.find(some.view, took, left)
        user = np.repeat(np.arange(some.n_users), np.diff(some.conversion_offset))
        parts = []
        for who, path, converted in ((user, took, 1.0), (np.arange(len(left)), left, 0.0)):
            counts = path >= 0
            counts[counts] = number[path[counts]] >= 0
            at = path[counts]
            parts.append(Rows(who[counts], number[at], (converted - self.rate[at]) / self.tried[at]))
        return parts

    def _add_slope(self, target: Int64, touch: Int64, sign: float, slope: Float64) -> None:
        """Where the gain of a touch grows, so does its part, and those of its whole path shrink."""
        path = self.path[touch]
        size = np.diff(self.offset)[path]
        each = np.repeat(np.arange(len(touch)), size)  # all touches of the path of each
        other = np.arange(len(each)) - np.repeat(np.cumsum(size) - size - self.offset[path], size)
        n = slope.shape[0] * self.n_channels
        for at in (0, 1):
            weight = sign * self.amount[path, at] / self.total[path]
            direct = np.bincount(target * self.n_channels + self.channel[touch], weight, minlength=n)
            place = target[each] * self.n_channels + self.channel[other]
            shared = np.bincount(place, weight[each] * self.part[other], minlength=n)
            slope[:, :, at] += (direct - shared).reshape(slope.shape[:2])


@dataclass(frozen=True)
class Counterfactual(TouchModel):
    """Credit for what a touch adds: the conversion rate of the path less the rate of the path without it.

    Rates are those of all journeys, also of those that did not convert. What a touch takes away counts 0.

    Notes
    -----
    Touch i of path P gets max(0, rate(P) - rate(P without i)), normalized over the path (the comparison that
    Google Analytics 360 describes for its data-driven model; theirs also bins positions). A path that nobody
    took has rate 0. Where no touch adds anything, all get the same. Rates of rare paths are noise: a path
    that was taken once is split evenly unless shorter ones of it were taken, too. Credit is cut at 0 and
    jumps where paths tie, which no slope sees: its standard errors by formula are rough, up to a sixth above
    those of the bootstrap (8 channels, 20,000 customers); take ``method="bootstrap"``. O(pairs of distinct
    path and touch) to learn, O(touches of all windows) to read.
    """

    word: ClassVar[str] = "counterfactual"
    learns_from_nulls: ClassVar[bool] = True

    def fit(self, journeys: Journeys) -> PathRates:
        took, left = np.empty(len(journeys.lo), np.int64), np.empty(len(journeys.null_lo), np.int64)
        table = PathTable(journeys.view, took, left)
        n, some = table.n_paths, took >= 0
        weight = journeys.weight[some]
        amount = np.zeros((n, 2))
        for at, earned in enumerate((weight, weight * journeys.value[some])):
            amount[:, at] = np.bincount(took[some], earned, minlength=n)
        times = journeys.times if len(journeys.times) else np.ones(journeys.n_users)
        lost = left >= 0
        nulls = np.bincount(left[lost], times[lost] if len(left) else None, minlength=n)
        offset, without = np.empty(n + 1, np.int64), np.empty(table.n_touches, np.int64)
        channel = np.empty(table.n_touches, np.int32)
        table.lacking(offset, channel, without)
        tried = amount[:, 0] + nulls
        return PathRates(table, journeys.n_channels, amount, tried, offset, channel, without)

    def split(self, journeys: Journeys) -> Float64:
        return self.fit(journeys).split(journeys)

    def splitter(self, journeys: Journeys) -> Callable[[Journeys], Float64]:
        return self.fit(journeys).split

    def credit(self, journeys: Journeys) -> Credit:
        return self.credit_of(self.fit(journeys), journeys)

    def credit_of(self, fitted: PathRates, journeys: Journeys) -> Credit:
        rates = fitted
        earned = rates.amount[rates.path] * rates.part[:, None]
        conversions, value = (
            np.bincount(rates.channel, earned[:, at], minlength=journeys.n_channels).astype(np.float64)
            for at in (0, 1)
        )
        return Credit(conversions, value)

    def influence(self, fitted: PathRates, some: Journeys) -> Float64:
        """Its own conversions, and what its journeys change in the rates by which all are split."""
        some = replace(some, times=np.empty(0))
        influence = np.zeros((some.n_users, some.n_channels, 2))
        earned = self.credit_of_touches(some, fitted.split)
        uncertainty.customer_credit(some.view, earned, some.n_threads, influence)
        _, slope = fitted.slope
        for part in fitted.changes(some):
            np.add.at(influence, part.user, slope[part.row] * part.times[:, None, None])
        return influence

    def squares(self, fitted: PathRates, people: Journeys, mean: Float64, n: float) -> Float64:
        """Most customers change few rates, and met few channels."""
        earned = self.credit_of_touches(replace(people, times=np.empty(0)), fitted.split)
        return list_squares(people, fitted.changes(people), fitted.slope[1], earned, mean, n)
