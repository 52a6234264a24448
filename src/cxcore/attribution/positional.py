"""Models that look at the place of a touch in its window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from cxcore import errors
from cxcore._ext import attribution as kernel
from cxcore.attribution.base import Credit, Journeys, Model

#: parts are taken in proportion to their sum, which must be a number, too
_MOST_PART = 1e9


@dataclass(frozen=True)
class FirstTouch(Model):
    """All credit to the first touch of the window: what brought the customer here?

    Notes
    -----
    O(conversions) once the journeys are there.
    """

    word: ClassVar[str] = "first_touch"

    def credit(self, journeys: Journeys) -> Credit:
        return split(kernel.first_touch, journeys)


@dataclass(frozen=True)
class LastTouch(Model):
    """All credit to the last touch of the window: what was there when the customer decided?

    Notes
    -----
    O(conversions) once the journeys are there.
    """

    word: ClassVar[str] = "last_touch"

    def credit(self, journeys: Journeys) -> Credit:
        return split(kernel.last_touch, journeys)


@dataclass(frozen=True)
class Linear(Model):
    """The same credit to each of the n touches of the window, 1/n.

    Notes
    -----
    O(touches + conversions), however many windows a touch lies in.
    """

    word: ClassVar[str] = "linear"

    def credit(self, journeys: Journeys) -> Credit:
        return split(kernel.linear, journeys)


@dataclass(frozen=True)
class Position(Model):
    """Most credit to the ends of the window, the rest to what lies between (U-shaped).

    A lone touch gets all. Two touches share in the proportion of ``first`` and ``last``; ``middle`` is left
    out.

    Parameters
    ----------
    first, middle, last : float, default 0.4, 0.2, 0.4
        Parts of the first touch, of all touches between, and of the last. From 0 to 1e9; they are taken in
        proportion, so 40, 20, 40 says the same.

    Raises
    ------
    InvalidOptionError
        A part is negative or not a number, or all are 0.

    Notes
    -----
    O(touches + conversions), however many windows a touch lies in.

    Examples
    --------
    >>> from cxcore.attribution import Position
    >>> Position(first=0.6, last=0.2).label
    'position(first=0.6, last=0.2)'
    """

    word: ClassVar[str] = "position"
    first: float = 0.4
    middle: float = 0.2
    last: float = 0.4

    def __post_init__(self) -> None:
        for name in ("first", "middle", "last"):
            value = getattr(self, name)
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not number or not 0 <= value <= _MOST_PART:
                problem = "a part is a number from 0 to 1e9."
                raise errors.bad_option("Position", name, value, problem, "such as 0.4.")
        if self.first + self.middle + self.last == 0:
            raise errors.bad_option(
                "Position", "first", self.first, "all parts are 0.", "such as 0.4, 0.2, 0.4."
            )

    def credit(self, journeys: Journeys) -> Credit:
        total = self.first + self.middle + self.last
        return split(kernel.position, journeys, self.first / total, self.middle / total, self.last / total)


def split(heuristic: Any, journeys: Journeys, *options: float) -> Credit:
    """Run a kernel of ``_ext/attribution.pyx``."""
    conversions, value = np.zeros(journeys.n_channels), np.zeros(journeys.n_channels)
    heuristic(*journeys.arrays, *options, journeys.n_threads, conversions, value)
    return Credit(conversions, value)
