"""P-values of many comparisons, adjusted for their number."""

from __future__ import annotations

from typing import Literal

import numpy as np

from cxcore.intervals.base import Float64

Adjustment = Literal["holm", "bh"]
ADJUSTMENTS = ("holm", "bh")


def adjusted(p: Float64, how: str) -> Float64:
    """Adjusted p-values, float64[n]; NaN stays, and does not count.

    "holm": the chance of any false alarm among all rows stays below alpha (Holm, Scandinavian Journal of
    Statistics 6, 1979). "bh": of the rows that are called different, a share of at most alpha is not, on
    average (Benjamini and Hochberg, JRSS B 57, 1995).
    """
    out = np.full(len(p), np.nan)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    m, rank = len(order), np.arange(1, len(order) + 1)
    if how == "holm":
        raised = np.maximum.accumulate((m + 1 - rank) * p[order])
    else:
        raised = np.minimum.accumulate((m / rank * p[order])[::-1])[::-1]
    out[order] = np.minimum(raised, 1.0)
    return out
