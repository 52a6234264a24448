"""What a model is: it reads journeys and says what each channel earned.

To add one, write a class here beside and one line in ``MODELS`` (docs/contributing/add-a-model.md).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import MISSING, dataclass, field, fields, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cxcore import errors
from cxcore._columns import Float64, Int32, Int64
from cxcore._ext import markov as kernel
from cxcore._ext import uncertainty
from cxcore._ext.journeys import JourneyView

UInt64 = NDArray[np.uint64]

#: pairs of conversion and touch that are held at once
_PAIRS = 1 << 22


def _no_rows() -> Int64:
    return np.empty(0, np.int64)


def _no_keys() -> UInt64:
    return np.empty(0, np.uint64)


def _one_each() -> Float64:
    return np.empty(0, np.float64)


def _no_marks() -> NDArray[np.bool_]:
    return np.empty(0, np.bool_)


@dataclass(frozen=True, eq=False)
class Journeys:
    """Touches and conversions by user and time, and the window of each conversion.

    Users are those who converted; all, where a model of the call learns from the others, too.
    User ``u`` has the touches ``touch_offset[u]:touch_offset[u + 1]`` and the conversions
    ``conversion_offset[u]:conversion_offset[u + 1]``. Conversion ``k`` looks at the touches
    ``lo[k]:hi[k]``, in order; where ``lo[k] == hi[k]`` there is none, and no model gives credit for it.
    Within a user neither ``lo`` nor ``hi`` ever falls.
    """

    #: the channels by code
    names: pl.Series
    touch_offset: Int64
    conversion_offset: Int64
    #: by touch: code of its channel, 0 to n_channels - 1, and when (no item where journeys have no times)
    channel: Int32
    tick: Int64
    #: by conversion: when, its value (0 where there is none), its window
    conversion_tick: Int64
    value: Float64
    lo: Int64
    hi: Int64
    #: nanoseconds in one tick
    tick_length: int
    n_threads: int
    #: by user: the touches of the journey that did not convert; no item where those do not count
    null_lo: Int64 = field(default_factory=_no_rows)
    null_hi: Int64 = field(default_factory=_no_rows)
    #: by user: how many customers are alike; no item: one each
    times: Float64 = field(default_factory=_one_each)
    #: by user: a number that is the same in every log (uint64); no item where nobody draws customers
    key: UInt64 = field(default_factory=_no_keys)
    #: by user: which customer it is a part of, never falling; no item: each is a customer
    customer: Int64 = field(default_factory=_no_rows)
    #: rows of the log; no item where nobody asks for them
    touch_row: Int64 = field(default_factory=_no_rows)
    conversion_row: Int64 = field(default_factory=_no_rows)
    #: by touch: did it bring the customer to the next stage? No item where nobody says
    stage: NDArray[np.bool_] = field(default_factory=_no_marks)

    @property
    def n_channels(self) -> int:
        return len(self.names)

    @property
    def n_users(self) -> int:
        return len(self.touch_offset) - 1

    @cached_property
    def view(self) -> JourneyView:
        """What every kernel takes."""
        return JourneyView(
            self.touch_offset,
            self.conversion_offset,
            self.channel,
            self.tick,
            self.lo,
            self.hi,
            self.value,
            self.times,
            self.null_lo,
            self.null_hi,
        )

    @property
    def keys(self) -> UInt64:
        """By user what a draw depends on; the place where journeys have no customers."""
        return self.key if len(self.key) else np.arange(self.n_users, dtype=np.uint64)

    @cached_property
    def weight(self) -> Float64:
        """How often each conversion counts: as often as there are customers alike."""
        if not len(self.times):
            return np.ones(len(self.value))
        return np.repeat(self.times, np.diff(self.conversion_offset))

    @property
    def n_conversions(self) -> float:
        """With customers alike, who make it a number that need not be whole."""
        if not len(self.times):
            return float(len(self.value))
        return float((self.times * np.diff(self.conversion_offset)).sum())

    @cached_property
    def alone(self) -> NDArray[np.bool_]:
        """Which conversions have no touch in their window."""
        alone: NDArray[np.bool_] = self.lo == self.hi
        return alone

    @cached_property
    def pairs(self) -> tuple[Int64, Int64]:
        """Conversion and touch of each pair, window by window."""
        size = self.hi - self.lo
        conversion = np.repeat(np.arange(len(size)), size)
        before = np.cumsum(size) - size
        return conversion, np.arange(len(conversion)) - np.repeat(before - self.lo, size)

    def by_channel(self, of_touch: Float64) -> Float64:
        """Sums over the touches of each channel."""
        return np.bincount(self.channel, of_touch, minlength=self.n_channels).astype(np.float64, copy=False)

    def of_users(self, first: int, end: int) -> Journeys:
        """The same of some users alone."""
        t0, t1 = self.touch_offset[first], self.touch_offset[end]
        k0, k1 = self.conversion_offset[first], self.conversion_offset[end]
        return replace(
            self,
            touch_offset=self.touch_offset[first : end + 1] - t0,
            conversion_offset=self.conversion_offset[first : end + 1] - k0,
            channel=self.channel[t0:t1],
            tick=self.tick[t0:t1],
            conversion_tick=self.conversion_tick[k0:k1],
            value=self.value[k0:k1],
            lo=self.lo[k0:k1] - t0,
            hi=self.hi[k0:k1] - t0,
            null_lo=self.null_lo[first:end] - t0,
            null_hi=self.null_hi[first:end] - t0,
            times=self.times[first:end],
            key=self.key[first:end],
            customer=self.customer[first:end],
            touch_row=self.touch_row[t0:t1],
            conversion_row=self.conversion_row[k0:k1],
            stage=self.stage[t0:t1],
        )

    def blocks(self) -> Iterator[tuple[int, Journeys]]:
        """Runs of users of few pairs each, and the first touch of each run.

        A user of many pairs is several runs: some of the conversions, and the touches that those look at.
        """
        sums = np.concatenate(([0], np.cumsum(self.hi - self.lo)))
        of_user = sums[self.conversion_offset]
        first = 0
        while first < self.n_users:
            end = int(np.searchsorted(of_user, of_user[first] + _PAIRS, side="right")) - 1
            end = min(max(end, first + 1), self.n_users)
            some = self.of_users(first, end)
            if of_user[end] - of_user[first] <= _PAIRS:
                yield int(self.touch_offset[first]), some
            else:
                yield from some._of_one_user(int(self.touch_offset[first]))
            first = end

    def _of_one_user(self, before: int) -> Iterator[tuple[int, Journeys]]:
        """Runs of conversions of few pairs each; one is the least."""
        sums = np.concatenate(([0], np.cumsum(self.hi - self.lo)))
        k, n = 0, len(self.lo)
        while k < n:
            end = int(np.searchsorted(sums, sums[k] + _PAIRS, side="right")) - 1
            end = min(max(end, k + 1), n)
            t0, t1 = int(self.lo[k]), int(self.hi[end - 1])
            yield (
                before + t0,
                replace(
                    self,
                    touch_offset=np.array([0, t1 - t0]),
                    conversion_offset=np.array([0, end - k]),
                    channel=self.channel[t0:t1],
                    tick=self.tick[t0:t1],
                    conversion_tick=self.conversion_tick[k:end],
                    value=self.value[k:end],
                    lo=self.lo[k:end] - t0,
                    hi=self.hi[k:end] - t0,
                    null_lo=self.null_lo[:0],
                    null_hi=self.null_hi[:0],
                    touch_row=self.touch_row[t0:t1],
                    conversion_row=self.conversion_row[k:end],
                    stage=self.stage[t0:t1],
                ),
            )
            k = end

    @cached_property
    def transitions(self) -> Transitions:
        """Steps between channels, counted over all journeys; n_channels squared in memory."""
        n = self.n_channels
        counted = Transitions(np.zeros((n, n)), np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n))
        kernel.count_transitions(
            self.view,
            counted.count,
            counted.start,
            counted.conversion,
            counted.null,
            counted.value,
        )
        return counted


@dataclass(frozen=True, slots=True, eq=False)
class Transitions:
    """A chain of order 1 as counts, float64 by channel. Counts of two logs of different users add up."""

    #: [from, to]
    count: Float64
    #: first touches; last touches before a conversion; last touches of a journey without one
    start: Float64
    conversion: Float64
    null: Float64
    #: value of the conversions right after a channel
    value: Float64


@dataclass(frozen=True, slots=True, eq=False)
class Credit:
    """What each channel earned, float64 by code. Sums are those of the conversions that have a touch."""

    conversions: Float64
    value: Float64
    removal_effect: Float64 | None = None
    #: standard error of conversions where they are a mean over random draws
    sampling_error: Float64 | None = None
    #: the most that conversions can be off, where they are the end of an iteration
    error_bound: Float64 | None = None


@dataclass(frozen=True)
class Model(ABC):
    """One attribution model. Options are the fields of a frozen dataclass, checked in ``__post_init__``."""

    #: the word for it in ``model=``
    word: ClassVar[str]
    #: most channels it can take, None where there is no limit
    most_channels: ClassVar[int | None] = None
    #: does it look at journeys that did not convert?
    learns_from_nulls: ClassVar[bool] = False
    #: does its credit come with removal effects?
    has_removal_effect: ClassVar[bool] = False
    #: do its credits sum to the conversions?
    conserves: ClassVar[bool] = True
    #: does it ask when touches and conversions were; which row of the log a touch was; which touches a column
    #: marks?
    reads_times: ClassVar[bool] = False
    reads_rows: ClassVar[bool] = False
    reads_stage: ClassVar[bool] = False
    #: the model to ask for credit of each touch; None: this one
    by_touch: ClassVar[str | None] = "path_increment"
    #: does its credit come with the error of a sample that it may have drawn?
    has_sampling_error: ClassVar[bool] = False

    @property
    def has_error_bound(self) -> bool:
        """Does its credit come with a bound of the error of an iteration?"""
        return False

    @abstractmethod
    def credit(self, journeys: Journeys) -> Credit:
        """Split every conversion that has a touch over its channels."""

    def unattributed(self, journeys: Journeys) -> NDArray[np.bool_]:
        """Which conversions no touch earned."""
        return journeys.alone

    def fit(self, journeys: Journeys) -> Any:
        """What it learns of all journeys, for ``influence``; None where it learns nothing."""
        return None

    def credit_of(self, fitted: Any, journeys: Journeys) -> Credit:
        """The same, where ``fit`` has learned of these journeys already: errors by formula ask for both."""
        return self.credit(journeys)

    def influence(self, fitted: Any, some: Journeys) -> Float64:
        """What each customer changes in the credit of each channel, float64[n_users, n_channels, 2].

        The derivative of credit (conversions, value) in the number of customers like each user of ``some``,
        a block of whole users; ``times`` is not applied. Credit doubles with all customers, so that the sum
        of ``times * influence`` over all is the credit. ``fitted`` is what ``fit`` gave for all journeys.
        """
        raise errors.no_influence("attribute", self.label)

    def squares(self, fitted: Any, people: Journeys, mean: Float64, n: float) -> Float64 | None:
        """Sums of squares of what customers change, where there is a faster way than by ``influence``.

        Columns are conversions and value of each channel, those of no channel, and all conversions; squares
        of each less the ``mean`` of the ``n`` customers, and its products with the last: [n_columns, 2].
        """
        return None

    @property
    def is_sum(self) -> bool:
        """Is its credit a sum over customers, who learn nothing of each other?"""
        return isinstance(self, TouchModel) and type(self).fit is Model.fit

    @cached_property
    def label(self) -> str:
        """What the answer calls it: its word, and those options that are not the usual ones."""
        usual = {f.name: f.default for f in fields(self) if f.default is not MISSING}
        unusual = {f.name: getattr(self, f.name) for f in fields(self)}
        options = ", ".join(
            f"{name}={value!r}"
            for name, value in unusual.items()
            if name not in usual or value != usual[name]
        )
        return f"{self.word}({options})" if options else self.word


@dataclass(frozen=True)
class TouchModel(Model):
    """A model that splits each conversion over the touches of its window.

    Its credit is a sum over customers, from which all else follows: credit for each touch, by channel, and
    its uncertainty. A kernel may take the place of the pairs where windows overlap.
    """

    by_touch: ClassVar[str | None] = None

    @abstractmethod
    def split(self, journeys: Journeys) -> Float64:
        """Part of its conversion that each pair of ``journeys.pairs`` earns."""

    def touch_credit(self, journeys: Journeys) -> Float64:
        """Conversions and value that each touch earned in all its windows, [n_touches, 2]."""
        return self.credit_of_touches(journeys, self.splitter(journeys))

    def splitter(self, journeys: Journeys) -> Callable[[Journeys], Float64]:
        """``split`` for blocks of these journeys, by what all of them say."""
        return self.split

    @staticmethod
    def credit_of_touches(journeys: Journeys, split: Callable[[Journeys], Float64]) -> Float64:
        """The same by a way to split, in blocks of few pairs."""
        credit = np.zeros((len(journeys.channel), 2))
        for first, some in journeys.blocks():
            conversion, touch = some.pairs
            part = split(some) * some.weight[conversion]
            for at, earned in enumerate((part, part * some.value[conversion])):
                n = len(some.channel)
                credit[first : first + n, at] += np.bincount(touch, earned, minlength=n)
        return credit

    def influence(self, fitted: Any, some: Journeys) -> Float64:
        """The credit by customer: a model that learns nothing of others is a sum over them."""
        earned = self.touch_credit(replace(some, times=_one_each()))
        credit = np.zeros((some.n_users, some.n_channels, 2))
        uncertainty.customer_credit(some.view, earned, some.n_threads, credit)
        return credit

    def squares(self, fitted: Any, people: Journeys, mean: Float64, n: float) -> Float64 | None:
        """Most customers met few channels: what they did not meet is not looked at."""
        if not self.is_sum:
            return None
        sums = np.zeros((len(mean), 2))
        earned = self.touch_credit(replace(people, times=_one_each()))
        alone = self.unattributed(people).view(np.uint8)
        uncertainty.touch_squares(people.view, earned, alone, mean, n, people.n_threads, sums)
        return sums

    def credit(self, journeys: Journeys) -> Credit:
        earned = self.touch_credit(journeys)
        return Credit(journeys.by_channel(earned[:, 0]), journeys.by_channel(earned[:, 1]))
