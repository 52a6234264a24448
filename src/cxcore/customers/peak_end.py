"""Peak and end: what people remember of an experience."""

from __future__ import annotations

import math
from dataclasses import dataclass

import polars as pl

from cxcore import errors
from cxcore.customers.base import SCORE, TIME, Outcome


@dataclass(frozen=True, slots=True)
class PeakEnd(Outcome):
    """Mean of the answer farthest from a baseline and of the last one.

    Of answers equally far the latest is the peak, and at one time the lowest. One answer is both. The score
    is no whole number where the two are an odd number apart.

    Parameters
    ----------
    baseline : float, default None
        What is neither good nor bad; None: the middle of the scale.
    weights : (float, float), default (1, 1)
        Of peak and end; not below 0, not both 0.

    Notes
    -----
    Kahneman, Fredrickson, Schreiber and Redelmeier, "When more pain is preferred to less", Psychological
    Science 4 (1993).
    """

    baseline: float | None = None
    weights: tuple[float, float] = (1, 1)
    name = "peak_end"

    def __post_init__(self) -> None:
        base, both = self.baseline, self.weights
        if base is not None and not _finite(base):
            raise errors.bad_option("PeakEnd", "baseline", base, "is no number.", "such as baseline=7.")
        pair = isinstance(both, (tuple, list)) and len(both) == 2 and all(map(_finite, both))
        if not pair or min(both) < 0 or not 0 < sum(both) < math.inf:
            hint = "such as weights=(1, 1)."
            raise errors.bad_option("PeakEnd", "weights", both, "takes two numbers of 0 or more.", hint)

    def columns(self, scale: tuple[int, int]) -> list[pl.Expr]:
        middle = sum(scale) / 2 if self.baseline is None else self.baseline
        away = (SCORE - middle).abs()
        peak, end = SCORE.filter(away == away.max()).last(), SCORE.last()
        of_peak, of_end = self.weights
        score = (of_peak * peak + of_end * end) / (of_peak + of_end)
        named = {"score": score, "time": TIME.last(), "peak": peak, "end": end}
        return [column.alias(name) for name, column in named.items()]

    def types(self) -> dict[str, pl.DataType | None]:
        return {"score": pl.Float64(), "time": None, "peak": pl.Int64(), "end": pl.Int64()}


def _finite(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
