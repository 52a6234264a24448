"""The first answer: what a customer said before any later one could follow from it."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from cxcore.customers.base import SCORE, TIME, Outcome


@dataclass(frozen=True, slots=True)
class First(Outcome):
    """The first answer that is not null; of several at one time the lowest.

    One answer a customer that no earlier one has shaped: what a pilot counts that is watched every day.
    """

    name = "first"

    def columns(self, scale: tuple[int, int]) -> list[pl.Expr]:
        earliest = TIME.min()
        return [SCORE.filter(earliest == TIME).min().alias("score"), earliest.alias("time")]
