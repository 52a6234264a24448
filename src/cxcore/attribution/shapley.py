"""Models in which the channels of a journey share, however often each was met."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from cxcore._columns import Float64, Int64
from cxcore._ext import attribution as kernel
from cxcore.attribution.base import Credit, Journeys, TouchModel
from cxcore.attribution.positional import KernelModel


def _by_window(journeys: Journeys) -> tuple[Int64, Int64]:
    """Of each pair: a number of its conversion and channel; how many different channels its window has."""
    conversion, touch = journeys.pairs
    both = conversion * journeys.n_channels + journeys.channel[touch]
    different, place = np.unique(both, return_inverse=True)
    channels = np.bincount(different // max(journeys.n_channels, 1), minlength=len(journeys.lo))
    return place, channels[conversion]


def _is_last_of_channel(place: Int64) -> Float64:
    """1 for the last pair of each number, else 0."""
    last = np.zeros(int(place.max(initial=-1)) + 1, np.int64)
    last[place] = np.arange(len(place))  # the last one written stays
    mark = np.zeros(len(place))
    mark[last] = 1.0
    return mark


@dataclass(frozen=True)
class Participation(KernelModel):
    """The whole conversion to each channel of the window, once: in how many conversions did it take part?

    Totals are larger than the conversions, and shares sum to more than 1. Among touches, the last of each
    channel in the window has the credit.

    Notes
    -----
    O((touches + conversions) log conversions) for each user, however many windows a touch lies in.
    """

    word: ClassVar[str] = "participation"
    conserves: ClassVar[bool] = False

    def run(self, journeys: Journeys, by_touch: bool, credit: Float64) -> None:
        kernel.participation(journeys.view, journeys.n_channels, by_touch, journeys.n_threads, credit)

    def split(self, journeys: Journeys) -> Float64:
        return _is_last_of_channel(_by_window(journeys)[0])


@dataclass(frozen=True)
class Shapley(KernelModel):
    """The same credit to each different channel of the window, however often it was met.

    That is the Shapley value of the game in which a set of channels earns the conversions of the journeys
    that have no other channel.

    Notes
    -----
    Zhao, Mahboobi and Bagheri (2018), "Shapley Value Methods for Attribution Modeling in Online Advertising":
    the sum over all subsets reduces to 1 / (number of different channels) in each journey.
    O((touches + conversions) log conversions) for each user, however many windows a touch lies in. Channels
    are the players, so no touch has a credit of its own; "ordered_shapley" spreads it.
    """

    word: ClassVar[str] = "shapley"
    by_touch: ClassVar[str | None] = "ordered_shapley"

    def run(self, journeys: Journeys, by_touch: bool, credit: Float64) -> None:
        kernel.shapley(journeys.view, journeys.n_channels, by_touch, journeys.n_threads, credit)

    def split(self, journeys: Journeys) -> Float64:
        place, channels = _by_window(journeys)
        return _is_last_of_channel(place) / np.maximum(channels, 1)


@dataclass(frozen=True)
class OrderedShapley(TouchModel):
    """The credit of "shapley", spread evenly over the touches of each channel.

    By channel it is that of "shapley"; with ``touches=True`` it says how much each position earned.

    Notes
    -----
    Zhao, Mahboobi and Bagheri (2018), "ordered Shapley". By channel as fast as "shapley"; by touch O(pairs of
    conversion and touch).
    """

    word: ClassVar[str] = "ordered_shapley"

    def split(self, journeys: Journeys) -> Float64:
        place, channels = _by_window(journeys)
        times = np.bincount(place, minlength=0)[place] if len(place) else np.ones(0)
        part: Float64 = 1.0 / (channels * times)
        return part

    def credit(self, journeys: Journeys) -> Credit:
        return Shapley().credit(journeys)

    def influence(self, fitted: Any, some: Journeys) -> Float64:
        return Shapley().influence(fitted, some)
