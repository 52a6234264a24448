"""Models that look at the place of a touch in its window."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np

from cxcore import errors
from cxcore._columns import Float64
from cxcore._ext import attribution as kernel
from cxcore._ext import uncertainty
from cxcore.attribution.base import Credit, Journeys, Model, TouchModel

#: parts are taken in proportion to their sum, which must be a number, too
_MOST_PART = 1e9

#: parts of a conversion, of 1: of all touches alike, of the first, of those between, of the last
Places = tuple[float, float, float, float]


@dataclass(frozen=True)
class KernelModel(TouchModel):
    """A model with a kernel of ``_ext/attribution.pyx``, whose cost does not grow with the overlap."""

    @abstractmethod
    def run(self, journeys: Journeys, by_touch: bool, credit: Float64) -> None:
        """Add conversions and value of each channel, or touch, to ``credit``."""

    def touch_credit(self, journeys: Journeys) -> Float64:
        credit = np.zeros((len(journeys.channel), 2))
        self.run(journeys, True, credit)
        return credit

    def credit(self, journeys: Journeys) -> Credit:
        credit = np.zeros((journeys.n_channels, 2))
        self.run(journeys, False, credit)
        return Credit(credit[:, 0], credit[:, 1])


@dataclass(frozen=True)
class WalkedModel(KernelModel):
    """A model of the place or the age of a touch: any number of them take one walk over the windows.

    It has either ``places`` or half-lives.
    """

    @property
    def places(self) -> Places | None:
        """Parts of 1: of all touches alike, of the first, of those between, of the last."""
        return None

    def half_lives_per_tick(self, journeys: Journeys) -> float:
        """How fast the weight of a touch halves with its age."""
        raise NotImplementedError  # asked only of models without places, which say it

    def run(self, journeys: Journeys, by_touch: bool, credit: Float64) -> None:
        _walk([self], journeys, by_touch, credit[:, np.newaxis])

    @property
    def shares(self) -> bool:
        """Does it take the common walk, and nothing of its own beside?"""
        own = ("credit", "touch_credit", "run", "influence", "fit", "unattributed")
        return all(getattr(type(self), name) is getattr(WalkedModel, name) for name in own)

    def squares(self, fitted: Any, people: Journeys, mean: Float64, n: float) -> Float64 | None:
        if not self.shares:
            return super().squares(fitted, people, mean, n)
        squares: Float64 = walked_squares([self], people, mean[np.newaxis], n)[0]
        return squares


def _rules(models: Sequence[WalkedModel], journeys: Journeys) -> tuple[Float64, Float64]:
    """Parts of the places, and how fast weights halve; models of place come first."""
    places = [model.places for model in models if model.places is not None]
    aged = [model.half_lives_per_tick(journeys) for model in models if model.places is None]
    return np.array(places, np.float64).reshape(-1, 4), np.array(aged)


def _walk(models: Sequence[WalkedModel], journeys: Journeys, by_touch: bool, credit: Float64) -> None:
    """Credit [n_channels or n_touches, n_models, 2]; models of place come first."""
    rules = _rules(models, journeys)
    kernel.place_and_age(journeys.view, *rules, by_touch, journeys.n_threads, credit)


def walked_squares(models: Sequence[WalkedModel], journeys: Journeys, mean: Float64, n: float) -> Float64:
    """``Model.squares`` of all of them, [n_models, n_columns, 2]; models of place come first.

    All customers may be there: those without a conversion cost nothing.
    """
    sums, alone = np.zeros((*mean.shape, 2)), journeys.alone.view(np.uint8)
    rules = _rules(models, journeys)
    uncertainty.walked_squares(journeys.view, *rules, alone, mean, n, journeys.n_threads, sums)
    return sums


def credits_of(
    models: Sequence[Model], journeys: Journeys, learned: Sequence[Any] | None = None
) -> list[Credit]:
    """The credit of each model; models of place and age share a walk.

    ``learned``: what each has learned of these journeys already.
    """
    shares = [model for model in models if isinstance(model, WalkedModel) and model.shares]
    shares.sort(key=lambda model: model.places is None)
    credit = np.zeros((journeys.n_channels, len(shares), 2))
    if shares:
        _walk(shares, journeys, False, credit)
    walked = {id(model): Credit(credit[:, at, 0], credit[:, at, 1]) for at, model in enumerate(shares)}
    found = []
    for at, model in enumerate(models):
        if id(model) in walked:
            found.append(walked[id(model)])
        elif learned is None:
            found.append(model.credit(journeys))
        else:
            found.append(model.credit_of(learned[at], journeys))
    return found


@dataclass(frozen=True)
class FirstTouch(WalkedModel):
    """All credit to the first touch of the window: what brought the customer here?

    Notes
    -----
    O(conversions) once the journeys are there.
    """

    word: ClassVar[str] = "first_touch"
    places: ClassVar[Places] = (0.0, 1.0, 0.0, 0.0)

    def split(self, journeys: Journeys) -> Float64:
        conversion, touch = journeys.pairs
        return np.where(touch == journeys.lo[conversion], 1.0, 0.0)


@dataclass(frozen=True)
class LastTouch(WalkedModel):
    """All credit to the last touch of the window: what was there when the customer decided?

    Notes
    -----
    O(conversions) once the journeys are there.
    """

    word: ClassVar[str] = "last_touch"
    places: ClassVar[Places] = (0.0, 0.0, 0.0, 1.0)

    def split(self, journeys: Journeys) -> Float64:
        conversion, touch = journeys.pairs
        return np.where(touch == journeys.hi[conversion] - 1, 1.0, 0.0)


@dataclass(frozen=True)
class Linear(WalkedModel):
    """The same credit to each of the n touches of the window, 1/n.

    Notes
    -----
    O(touches + conversions), however many windows a touch lies in.
    """

    word: ClassVar[str] = "linear"
    places: ClassVar[Places] = (1.0, 0.0, 0.0, 0.0)

    def split(self, journeys: Journeys) -> Float64:
        part: Float64 = 1.0 / (journeys.hi - journeys.lo)[journeys.pairs[0]]
        return part


@dataclass(frozen=True)
class EndsModel(WalkedModel):
    """Parts for the first touch, for those between, and for the last.

    A lone touch gets all. Two touches share in the proportion of first and last.
    """

    @property
    @abstractmethod
    def weights(self) -> tuple[float, float, float]:
        """First, middle, last: in proportion."""

    @property
    def parts(self) -> tuple[float, float, float]:
        """Of 1: first, middle, last."""
        first, middle, last = self.weights
        total = first + middle + last
        return first / total, middle / total, last / total

    @property
    def places(self) -> Places:
        return 0.0, *self.parts

    def split(self, journeys: Journeys) -> Float64:
        first, middle, last = self.parts
        conversion, touch = journeys.pairs
        n = (journeys.hi - journeys.lo)[conversion]
        at_first, at_last = touch == journeys.lo[conversion], touch == journeys.hi[conversion] - 1
        of_two = first / (first + last) if first + last else 0.5
        ends = np.where(at_first, np.where(n == 2, of_two, first), np.where(n == 2, 1.0 - of_two, last))
        part = np.where(at_first | at_last, ends, middle / np.maximum(n - 2, 1))
        return np.where(n == 1, 1.0, part)


def _check_parts(model: EndsModel) -> None:
    call = type(model).__name__
    names = [part.name for part in fields(model)]
    for name in names:
        value = getattr(model, name)
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not 0 <= value <= _MOST_PART:
            raise errors.bad_option(call, name, value, "a part is a number from 0 to 1e9.", "such as 0.4.")
    if sum(model.weights) == 0:
        first = getattr(model, names[0])
        raise errors.bad_option(call, names[0], first, "all parts are 0.", "such as 0.4, 0.2, 0.4.")


@dataclass(frozen=True)
class Position(EndsModel):
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
        _check_parts(self)

    @property
    def weights(self) -> tuple[float, float, float]:
        return self.first, self.middle, self.last


@dataclass(frozen=True)
class J(EndsModel):
    """60 % to the last touch, 20 % to the first, 20 % to those between (J-shaped).

    A lone touch gets all; two touches share 25 : 75.

    Notes
    -----
    O(touches + conversions), however many windows a touch lies in.
    """

    word: ClassVar[str] = "j"
    weights: ClassVar[tuple[float, float, float]] = (20.0, 20.0, 60.0)


@dataclass(frozen=True)
class InverseJ(EndsModel):
    """60 % to the first touch, 20 % to the last, 20 % to those between (inverse J).

    A lone touch gets all; two touches share 75 : 25.

    Notes
    -----
    O(touches + conversions), however many windows a touch lies in.
    """

    word: ClassVar[str] = "inverse_j"
    weights: ClassVar[tuple[float, float, float]] = (60.0, 20.0, 20.0)


@dataclass(frozen=True)
class Custom(EndsModel):
    """Weights of your own for the starter, the players and the closer of a journey, in Adobe's words.

    A lone touch gets all. Two touches are starter and closer: the player's weight is left out.

    Parameters
    ----------
    starter, player, closer : float, default 1, 1, 1
        Parts of the first touch, of all touches between, and of the last. From 0 to 1e9, in proportion.

    Raises
    ------
    InvalidOptionError
        A part is negative or not a number, or all are 0.

    Notes
    -----
    The same rule as :class:`Position`. O(touches + conversions), however many windows a touch lies in.

    Examples
    --------
    >>> from cxcore.attribution import Custom
    >>> Custom(starter=30, player=10, closer=60).label
    'custom(starter=30, player=10, closer=60)'
    """

    word: ClassVar[str] = "custom"
    starter: float = 1.0
    player: float = 1.0
    closer: float = 1.0

    def __post_init__(self) -> None:
        _check_parts(self)

    @property
    def weights(self) -> tuple[float, float, float]:
        return self.starter, self.player, self.closer
