"""Intervals and p-values of a difference of two scores. One file a method, one line in ``DIFFERENCES``."""

from __future__ import annotations

from typing import Any, Literal

from cxcore import errors
from cxcore.differences.adjust import ADJUSTMENTS, Adjustment, adjusted
from cxcore.differences.always_valid import AlwaysValidDifference
from cxcore.differences.base import Difference, Pairs
from cxcore.differences.basic import BasicDifference
from cxcore.differences.bca import BcaDifference
from cxcore.differences.bootstrap import BootstrapDifference
from cxcore.differences.expanded import ExpandedDifference
from cxcore.differences.mover import Mover
from cxcore.differences.percentile import PercentileDifference

__all__ = [
    "ADJUSTMENTS",
    "DIFFERENCES",
    "Adjustment",
    "AlwaysValidDifference",
    "BasicDifference",
    "BcaDifference",
    "BootstrapDifference",
    "Difference",
    "DifferenceName",
    "ExpandedDifference",
    "Mover",
    "Pairs",
    "PercentileDifference",
    "adjusted",
    "difference_for",
]

DifferenceName = Literal["mover", "bootstrap", "bca", "percentile", "basic", "expanded", "always_valid"]

#: word -> the method of comparison
DIFFERENCES: dict[str, Difference] = {
    "mover": Mover(),
    "bootstrap": BootstrapDifference(),
    "bca": BcaDifference(),
    "percentile": PercentileDifference(),
    "basic": BasicDifference(),
    "expanded": ExpandedDifference(),
    "always_valid": AlwaysValidDifference(),
}


def difference_for(call: str, value: Any) -> Difference:
    """The method that a word or an object means."""
    if isinstance(value, Difference):
        return value
    if not isinstance(value, str) or value not in DIFFERENCES:
        raise errors.unknown_word(call, "method", value, DIFFERENCES)
    return DIFFERENCES[value]
