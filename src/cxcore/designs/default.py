"""The default under a design: the cluster bootstrap from 50 clusters on, else a linearized interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cxcore.designs.base import ENOUGH_CLUSTERS, DesignMethod, DesignSample
from cxcore.designs.cluster_percentile import ClusterPercentile
from cxcore.designs.linearized import ClusterT, Linearized
from cxcore.intervals import Bootstrap
from cxcore.intervals.base import Float64


@dataclass(frozen=True, slots=True)
class DesignDefault(DesignMethod):
    """Clusters alone: ``cluster_percentile`` from 50 of them, else ``cluster_t``. All else: ``linearized``.

    Where each cluster has one answer, answers are independent, and the interval is that of no design.
    """

    name = "bootstrap"

    def limits(self, sample: DesignSample, alpha: float) -> tuple[Float64, Float64]:
        low, high = Linearized().limits(sample, alpha)
        many, plain = _many(sample), sample.plain
        exact = ClusterPercentile().limits_of(sample, many, alpha)
        low, high = np.where(many, exact[0], low), np.where(many, exact[1], high)
        low[plain], high[plain] = Bootstrap().limits(sample.sample.rows(plain), alpha)
        return low, high

    def independent(self, sample: DesignSample) -> NDArray[np.bool_]:
        return sample.plain

    def used(self, sample: DesignSample) -> list[str]:
        few = ClusterT.name if sample.clusters_alone else Linearized.name
        found = [ClusterPercentile.name if many else few for many in _many(sample).tolist()]
        plain = np.flatnonzero(sample.plain).tolist()
        for at, word in zip(plain, Bootstrap().used(sample.sample.rows(sample.plain)), strict=True):
            found[at] = word
        return found

    def marks(self, sample: DesignSample) -> dict[str, NDArray[np.bool_]]:
        of_counts = Bootstrap().marks(sample.sample)
        return DesignMethod.marks(self, sample) | {word: of_counts[word] & sample.plain for word in of_counts}


def _many(sample: DesignSample) -> NDArray[np.bool_]:
    return (sample.n_cluster >= ENOUGH_CLUSTERS) & sample.clusters_alone & ~sample.plain
