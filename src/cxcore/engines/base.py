"""What an engine is: it moves frames in and out, and judges no data.

A verb hands over a *compute* function from house frame (``pl.DataFrame``) to house frame. The engine reads
the user's frame once, lets the function run, and gives the answer back in the flavour that came in.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

Compute = Callable[[pl.DataFrame], pl.DataFrame]
#: schema of the house frame -> schema of what *compute* gives, for engines that defer
SchemaOf = Callable[[pl.Schema], pl.Schema]
#: frames of one part, one after the other -> frames
Walk = Callable[[Iterator[pl.DataFrame]], Iterator[pl.DataFrame]]

#: how often a row was met, in the frames that ``Counted`` and ``Alike`` take
COUNT = "cxcore: count"
#: of ``Alike``: number of a kind, how many are of it, and what their values are worth together
KIND, MANY, TOTAL = "cxcore: kind", "cxcore: many", "cxcore: total"


@dataclass(frozen=True, slots=True)
class Parts:
    """A verb that can go by parts of whole users: for engines that hold no log in one place.

    Rows of equal ``keys`` lie in one part, in order of (``keys``, ``order``), nulls first; a row that lacks
    one of several keys lacks them all, and comes first. ``walk`` takes the
    frames of a part as they come, and gives rows of the answer: one for each row, in their order (``rows``);
    or a frame of its own (``summary``), which ``merge``, where it is given, makes of what all walks gave, of
    ``partial`` schema; in the place of the answer it may give other parts, for another walk over the same
    rows. ``spread``: rows without a key may lie anywhere where these are equal. ``check``
    refuses wrong types, of a frame without rows; None: the verb's compute does, which may ask for no more.
    """

    keys: tuple[str, ...]
    order: tuple[str, ...]
    walk: Walk
    spread: tuple[str, ...] = ()
    partial: SchemaOf | None = None
    merge: Callable[[pl.DataFrame], pl.DataFrame | Parts] | None = None
    check: Compute | None = None


@dataclass(frozen=True, slots=True)
class Counted:
    """A verb that asks only how often each row was met: ``compute`` takes each once, with its ``COUNT``."""

    compute: Compute


@dataclass(frozen=True, slots=True)
class Alike:
    """A verb that asks how often each row was met, and how many customers are alike.

    Rows of equal ``keys`` are of one customer; a row that lacks a key is of one of its own. A value of
    ``column`` that is in ``worth`` counts, and is worth that. Customers are of one kind where, for each
    row of ``within``, equally many of their values count and are worth the same together.

    ``compute`` takes two frames: the columns ``within`` and ``column``, each row once, with its ``COUNT``;
    and kinds, some rows each: ``KIND`` (from 0), ``MANY`` customers, ``within``, and of each customer there
    ``COUNT`` values that count and their ``TOTAL`` (Int64).
    """

    keys: tuple[str, ...]
    within: tuple[str, ...]
    column: str
    worth: Mapping[int, int]
    compute: Callable[[pl.DataFrame, pl.DataFrame], pl.DataFrame]


@dataclass(frozen=True, slots=True)
class Whole:
    """A verb that asks for all rows in one place, in the order of these columns: there they have no other."""

    order: tuple[str, ...]


#: asked by engines that spread rows alone, so that options which cannot be kept there are refused there;
#: None: only a whole frame has the answer, in whatever order
Spread = Callable[[], Parts | Counted | Alike | Whole | None]


class Engine(ABC):
    """One kind of frame. Stateless; one instance is registered in ``ENGINES``."""

    #: what error texts and docs call it
    name: str
    #: the extra that installs what it needs, None where the core is enough
    extra: str | None = None

    @abstractmethod
    def handles(self, frame: Any) -> bool:
        """Is this frame mine? Must import nothing: ask ``loaded``."""

    def open(self, call: str, frame: Any) -> tuple[Engine, Any]:
        """The engine to go on with: another one where the frame is only a way in (a stream)."""
        return self, frame

    @abstractmethod
    def columns(self, frame: Any) -> list[str]:
        """Column names, without reading a row."""

    def folded(self, name: str) -> str:
        """A column name as this engine tells it from others."""
        return name

    def hold(self, call: str, frame: Any) -> Any:
        """The frame as it can be read again, column by column, and extended: the same rows in the same order.

        A frame that is a query runs here, once. Who reads a frame twice, or extends it, holds it first.
        """
        return frame

    @abstractmethod
    def read(self, call: str, frame: Any, columns: Sequence[str] | None) -> pl.DataFrame:
        """The house frame, rows in their order; every column that can be read where None."""

    @abstractmethod
    def with_columns(self, frame: Any, house: pl.DataFrame, new: pl.DataFrame) -> Any:
        """The frame that was held and read, row for row, with the new columns at its right.

        ``house`` is what ``read`` gave.
        """

    @abstractmethod
    def from_house(self, frame: Any, result: pl.DataFrame) -> Any:
        """A result of its own (a summary) in the flavour of the frame."""

    def rows(
        self,
        call: str,
        frame: Any,
        columns: Sequence[str],
        compute: Compute,
        schema: SchemaOf,
        spread: Spread | None = None,
    ) -> Any:
        """Read once, compute one row for each row, give back the frame with the new columns."""
        held = self.hold(call, frame)
        house = self.read(call, held, columns)
        return self.with_columns(held, house, compute(house))

    def summary(
        self,
        call: str,
        frame: Any,
        columns: Sequence[str] | None,
        compute: Compute,
        schema: SchemaOf,
        spread: Spread | None = None,
    ) -> Any:
        """Read once, compute a frame of its own, give it back in the flavour that came in."""
        return self.from_house(frame, compute(self.read(call, frame, columns)))


def loaded(module: str) -> Any:
    """A module that the user has imported already, or None: recognising a frame imports nothing."""
    return sys.modules.get(module)
