"""Models that choose one touch of the window by what it is: not of some channels, or the converting row."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from cxcore import _options
from cxcore._columns import Float64, Int64
from cxcore.attribution.base import Journeys, TouchModel


@dataclass(frozen=True)
class OneTouch(TouchModel):
    """All credit to one touch of the window."""

    @abstractmethod
    def chosen(self, journeys: Journeys) -> Int64:
        """The touch that earns each conversion, -1 where none does. It lies in the window."""

    def unattributed(self, journeys: Journeys) -> NDArray[np.bool_]:
        return self.chosen(journeys) < 0

    def split(self, journeys: Journeys) -> Float64:
        conversion, touch = journeys.pairs
        return np.where(touch == self.chosen(journeys)[conversion], 1.0, 0.0)

    def touch_credit(self, journeys: Journeys) -> Float64:
        chosen, n = self.chosen(journeys), len(journeys.channel)
        earned = chosen >= 0
        weight = journeys.weight[earned]
        credit = np.zeros((n, 2))
        for at, amount in enumerate((weight, weight * journeys.value[earned])):
            credit[:, at] = np.bincount(chosen[earned], amount, minlength=n)
        return credit


@dataclass(frozen=True)
class NonModel(OneTouch):
    """The ends of the window, some channels passed over."""

    channels: Any = ("direct",)

    def __post_init__(self) -> None:
        names = _options.channel_names(type(self).__name__, self.channels)
        object.__setattr__(self, "channels", names)

    def _counts(self, journeys: Journeys) -> NDArray[np.bool_]:
        """Which touches are of the other channels."""
        passed = set(self.channels)
        other = np.array([name not in passed for name in journeys.names.to_list()], np.bool_)
        return other[journeys.channel]


@dataclass(frozen=True)
class LastNon(NonModel):
    """All credit to the last touch that is not of some channels; where all are, to the last touch.

    Parameters
    ----------
    channels : str, int, or several of them, default "direct"
        Channels to pass over, named as in the log, letter by letter.

    Raises
    ------
    InvalidOptionError
        Not names of channels.

    Notes
    -----
    The rule of "last non-direct click". A log without such a channel is answered as by "last_touch".
    O(touches + conversions), however many windows a touch lies in.

    Examples
    --------
    >>> from cxcore.attribution import LastNon
    >>> LastNon(["direct", "unknown"]).label
    "last_non(channels=('direct', 'unknown'))"
    """

    word: ClassVar[str] = "last_non"

    def chosen(self, journeys: Journeys) -> Int64:
        at = np.arange(len(journeys.channel))
        latest = np.maximum.accumulate(np.where(self._counts(journeys), at, -1))
        last = journeys.hi - 1
        some = journeys.lo < journeys.hi
        found = np.full(len(last), -1)
        found[some] = latest[last[some]]
        return np.where(some, np.where(found >= journeys.lo, found, last), -1)


@dataclass(frozen=True)
class FirstNon(NonModel):
    """All credit to the first touch that is not of some channels; where all are, to the first touch.

    Parameters
    ----------
    channels : str, int, or several of them, default "direct"
        Channels to pass over, named as in the log, letter by letter.

    Raises
    ------
    InvalidOptionError
        Not names of channels.

    Notes
    -----
    A log without such a channel is answered as by "first_touch". O(touches + conversions), however many
    windows a touch lies in.

    Examples
    --------
    >>> from cxcore.attribution import FirstNon
    >>> FirstNon("email").label
    "first_non(channels=('email',))"
    """

    word: ClassVar[str] = "first_non"

    def chosen(self, journeys: Journeys) -> Int64:
        n = len(journeys.channel)
        following = np.where(self._counts(journeys), np.arange(n), n)
        following = np.minimum.accumulate(following[::-1])[::-1]
        some = journeys.lo < journeys.hi
        found = np.full(len(journeys.lo), n)
        found[some] = following[journeys.lo[some]]
        return np.where(some, np.where(found < journeys.hi, found, journeys.lo), -1)


@dataclass(frozen=True)
class SameTouch(OneTouch):
    """All credit to the touch that is the converting row itself; else it goes to the row of channel null.

    Notes
    -----
    A touch of the same instant in another row does not count. O(touches log touches).
    """

    word: ClassVar[str] = "same_touch"
    reads_rows: ClassVar[bool] = True

    def chosen(self, journeys: Journeys) -> Int64:
        if len(journeys.customer):  # windows that overlap hold copies of a touch
            return self._chosen_of_pairs(journeys)
        if not len(journeys.touch_row):
            return np.full(len(journeys.lo), -1)
        order = np.argsort(journeys.touch_row)
        at = np.searchsorted(journeys.touch_row, journeys.conversion_row, sorter=order)
        touch = order[np.minimum(at, len(order) - 1)]
        same = journeys.touch_row[touch] == journeys.conversion_row
        inside = (touch >= journeys.lo) & (touch < journeys.hi)
        return np.where(same & inside, touch, -1)

    @staticmethod
    def _chosen_of_pairs(journeys: Journeys) -> Int64:
        conversion, touch = journeys.pairs
        same = journeys.touch_row[touch] == journeys.conversion_row[conversion]
        chosen = np.full(len(journeys.lo), -1)
        chosen[conversion[same]] = touch[same]
        return chosen
