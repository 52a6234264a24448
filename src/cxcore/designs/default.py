"""The default under a design: a guarded cluster bootstrap from 50 clusters on, else a linearized interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cxcore.designs.base import ENOUGH_CLUSTERS, DesignMethod, DesignSample
from cxcore.designs.cluster_percentile import ClusterPercentile
from cxcore.designs.linearized import ClusterT, Linearized
from cxcore.designs.percentile import law_limits
from cxcore.designs.score import ClusterScore
from cxcore.intervals import Bootstrap
from cxcore.intervals.base import Float64


@dataclass(frozen=True, slots=True)
class DesignDefault(DesignMethod):
    """Clusters alone: ``cluster_percentile`` from 50 of them, else ``cluster_t``. All else: ``linearized``.

    Where the answers outside the largest weight class are worth fewer than 15 independent ones (of a share:
    30), clusters alone have the ``score`` interval, as independent answers have. Where each cluster has one
    answer, answers are independent, and the interval is that of no design.
    """

    name = "bootstrap"

    def limits(self, sample: DesignSample, alpha: float) -> tuple[Float64, Float64]:
        low, high = Linearized().limits(sample, alpha)
        many, thin, plain = _many(sample), _thin(sample), sample.plain
        for which, (lower, upper) in (
            (many, law_limits(sample, alpha, many)),
            (thin, ClusterScore().limits(sample, alpha) if thin.any() else (low, high)),
        ):
            low, high = np.where(which, lower, low), np.where(which, upper, high)
        low[plain], high[plain] = Bootstrap().limits(sample.sample.rows(plain), alpha)
        return low, high

    def independent(self, sample: DesignSample) -> NDArray[np.bool_]:
        return sample.plain

    def used(self, sample: DesignSample) -> list[str]:
        few = ClusterT.name if sample.clusters_alone else Linearized.name
        found = [
            ClusterScore.name if thin else ClusterPercentile.name if many else few
            for many, thin in zip(_many(sample).tolist(), _thin(sample).tolist(), strict=True)
        ]
        plain = np.flatnonzero(sample.plain).tolist()
        for at, word in zip(plain, Bootstrap().used(sample.sample.rows(sample.plain)), strict=True):
            found[at] = word
        return found

    def marks(self, sample: DesignSample) -> dict[str, NDArray[np.bool_]]:
        found = DesignMethod.marks(self, sample)
        if sample.clusters_alone:
            found["thin_support"] = np.zeros_like(sample.plain)  # guarded
        alone = Bootstrap().marks(sample.sample).get("score_fallback", False) & sample.plain
        return found | {"score_fallback": alone | _thin(sample)}


def _many(sample: DesignSample) -> NDArray[np.bool_]:
    return (sample.n_cluster >= ENOUGH_CLUSTERS) & sample.clusters_alone & ~sample.plain & ~_thin(sample)


def _thin(sample: DesignSample) -> NDArray[np.bool_]:
    return sample.thin & sample.clusters_alone & ~sample.plain & (sample.n_cluster > 1)
