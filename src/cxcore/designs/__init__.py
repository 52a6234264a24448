"""Intervals under a survey design: clusters, weights, strata. One file a method, one line in ``METHODS``."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from cxcore import errors
from cxcore._design_columns import DesignRoles
from cxcore._design_sums import DesignRows, design_counts
from cxcore.designs.base import DesignMethod, DesignSample
from cxcore.designs.basic import DesignBasic
from cxcore.designs.bca import DesignBca
from cxcore.designs.cluster_percentile import ClusterPercentile
from cxcore.designs.default import DesignDefault
from cxcore.designs.expanded import DesignExpanded
from cxcore.designs.linearized import ClusterT, Linearized
from cxcore.designs.percentile import DesignPercentile
from cxcore.designs.score import ClusterScore
from cxcore.intervals import METHODS as PLAIN_METHODS
from cxcore.intervals import Method, sample_of

__all__ = [
    "METHODS",
    "ClusterPercentile",
    "ClusterScore",
    "ClusterT",
    "DesignBasic",
    "DesignBca",
    "DesignDefault",
    "DesignExpanded",
    "DesignMethod",
    "DesignName",
    "DesignPercentile",
    "DesignSample",
    "Linearized",
    "design_method_for",
    "design_sample",
]

DesignName = Literal[
    "bootstrap",
    "cluster_percentile",
    "cluster_t",
    "score",
    "linearized",
    "percentile",
    "bca",
    "basic",
    "expanded",
]

#: word -> the method of a design
METHODS: dict[str, DesignMethod] = {
    "bootstrap": DesignDefault(),
    "cluster_percentile": ClusterPercentile(),
    "cluster_t": ClusterT(),
    "score": ClusterScore(),
    "linearized": Linearized(),
    "percentile": DesignPercentile(),
    "bca": DesignBca(),
    "basic": DesignBasic(),
    "expanded": DesignExpanded(),
}


def design_method_for(call: str, value: Any, roles: DesignRoles) -> DesignMethod:
    """The method that a word or an object means under a design."""
    if isinstance(value, Method):
        shown = f"intervals.{type(value).__name__}" if value.name in METHODS else value.name
        raise errors.plain_method(call, "method", shown, METHODS)
    if isinstance(value, str) and value in PLAIN_METHODS and value not in METHODS:
        raise errors.plain_method(call, "method", value, METHODS)
    if isinstance(value, DesignMethod):
        chosen = value
    elif isinstance(value, str) and value in METHODS:
        chosen = METHODS[value]
    else:
        raise errors.unknown_word(call, "method", value, METHODS)
    chosen.refuse(call, roles)
    return chosen


def design_sample(rows: DesignRows, weights: tuple[int, ...], roles: DesignRoles) -> DesignSample:
    """Rows that count, as clusters of what an answer at each level weighs."""
    value = np.array(weights, dtype=np.float64)
    counted = design_counts(rows, value, bool(roles.cluster))
    return DesignSample(counted, sample_of(counted.counts, weights), value, roles)
