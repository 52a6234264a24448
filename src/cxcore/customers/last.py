"""The last answer: where the customer stands now."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from cxcore.customers.base import SCORE, TIME, Outcome


@dataclass(frozen=True, slots=True)
class Last(Outcome):
    """The last answer that is not null; of several at one time the lowest."""

    name = "last"

    def columns(self, scale: tuple[int, int]) -> list[pl.Expr]:
        return [SCORE.last().alias("score"), TIME.last().alias("time")]
