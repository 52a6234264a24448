"""What a model is: it reads journeys and says what each channel earned.

To add one, write a class here beside and one line in ``MODELS`` (docs/contributing/add-a-model.md).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import MISSING, dataclass, fields
from functools import cached_property
from typing import ClassVar

import numpy as np

from cxcore._columns import Float64, Int32, Int64
from cxcore._ext import markov as kernel


@dataclass(frozen=True, eq=False)
class Journeys:
    """Touches and conversions by user and time, and the window of each conversion.

    Users are those who converted; all, where a model of the call learns from the others, too.
    User ``u`` has the touches ``touch_offset[u]:touch_offset[u + 1]`` and the conversions
    ``conversion_offset[u]:conversion_offset[u + 1]``. Conversion ``k`` looks at the touches
    ``lo[k]:hi[k]``, in order; where ``lo[k] == hi[k]`` there is none, and no model gives credit for it.
    Within a user neither ``lo`` nor ``hi`` ever falls.
    """

    n_channels: int
    touch_offset: Int64
    conversion_offset: Int64
    #: by touch: code of its channel, 0 to n_channels - 1, and when
    channel: Int32
    tick: Int64
    #: by conversion: when, its value (0 where there is none), its window
    conversion_tick: Int64
    value: Float64
    lo: Int64
    hi: Int64
    #: nanoseconds in one tick, ticks of lookback (0: no limit)
    tick_length: int
    lookback: int
    #: do journeys that did not convert count?
    nulls: bool
    n_threads: int

    @property
    def arrays(self) -> tuple[Int64, Int64, Int32, Int64, Int64, Int64, Float64]:
        """What every kernel takes, in its order."""
        return (
            self.touch_offset,
            self.conversion_offset,
            self.channel,
            self.tick,
            self.lo,
            self.hi,
            self.value,
        )

    @cached_property
    def transitions(self) -> Transitions:
        """Steps between channels, counted over all journeys; n_channels squared in memory."""
        n = self.n_channels
        counted = Transitions(np.zeros((n, n)), np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n))
        kernel.count_transitions(
            *self.arrays,
            self.nulls,
            self.lookback,
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

    @abstractmethod
    def credit(self, journeys: Journeys) -> Credit:
        """Split every conversion that has a touch over its channels."""

    @property
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
