"""The worst answer: who judges by the average does not see the day on which a customer was lost."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from cxcore.customers.base import SCORE, TIME, Outcome


@dataclass(frozen=True, slots=True)
class Worst(Outcome):
    """The lowest answer, and when it was last given."""

    name = "worst"

    def columns(self, scale: tuple[int, int]) -> list[pl.Expr]:
        return [SCORE.min().alias("score"), TIME.filter(SCORE.min() == SCORE).last().alias("time")]
