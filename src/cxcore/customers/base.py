"""What an outcome is: from the answers of one customer, in order, to one score."""

from __future__ import annotations

from abc import ABC, abstractmethod

import polars as pl

#: the answers of one customer, by time; at one time the best first, so that the last of them is the worst
SCORE = pl.col("score").drop_nulls()
#: when each of them was given
TIME = pl.col("time").filter(pl.col("score").is_not_null())


class Outcome(ABC):
    """One way to judge a journey. Subclasses are frozen dataclasses whose fields are its own options."""

    #: the word in ``outcome=``
    name: str

    @abstractmethod
    def columns(self, scale: tuple[int, int]) -> list[pl.Expr]:
        """``score`` and ``time``, and what else there is to say, of the answers ``SCORE`` and ``TIME``."""

    def types(self) -> dict[str, pl.DataType | None]:
        """Names and types of the columns; None is that of the time."""
        return {"score": pl.Int64(), "time": None}
