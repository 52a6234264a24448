"""What an engine is: it moves frames in and out, and judges no data.

A verb hands over a *compute* function from house frame (``pl.DataFrame``) to house frame. The engine reads
the user's frame once, lets the function run, and gives the answer back in the flavour that came in.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import polars as pl

Compute = Callable[[pl.DataFrame], pl.DataFrame]
#: schema of the house frame -> schema of what *compute* gives, for engines that defer
SchemaOf = Callable[[pl.Schema], pl.Schema]


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

    @abstractmethod
    def read(self, call: str, frame: Any, columns: Sequence[str] | None) -> pl.DataFrame:
        """The house frame, rows in their order; all columns where None."""

    @abstractmethod
    def with_columns(self, frame: Any, house: pl.DataFrame, new: pl.DataFrame) -> Any:
        """The frame that was read, row for row, with the new columns at its right.

        ``house`` is what ``read`` gave for all columns where ``reads_whole``, else for those a verb named.
        """

    @abstractmethod
    def from_house(self, frame: Any, result: pl.DataFrame) -> Any:
        """A result of its own (a summary) in the flavour of the frame."""

    #: True where a frame cannot be extended as it lies, because a second read may come in another order
    reads_whole: bool = False

    def rows(self, call: str, frame: Any, columns: Sequence[str], compute: Compute, schema: SchemaOf) -> Any:
        """Read once, compute one row for each row, give back the frame with the new columns."""
        house = self.read(call, frame, None if self.reads_whole else columns)
        return self.with_columns(frame, house, compute(house))

    def summary(
        self, call: str, frame: Any, columns: Sequence[str] | None, compute: Compute, schema: SchemaOf
    ) -> Any:
        """Read once, compute a frame of its own, give it back in the flavour that came in."""
        return self.from_house(frame, compute(self.read(call, frame, columns)))


def loaded(module: str) -> Any:
    """A module that the user has imported already, or None: recognising a frame imports nothing."""
    return sys.modules.get(module)
