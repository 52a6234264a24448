"""The exact percentile bootstrap of clusters: what if other customers like these had answered?"""

from __future__ import annotations

from dataclasses import dataclass

from cxcore import errors
from cxcore._design_columns import DesignRoles
from cxcore.designs.base import need_clusters
from cxcore.designs.percentile import DesignPercentile


@dataclass(frozen=True, slots=True)
class ClusterPercentile(DesignPercentile):
    """The percentile interval of clusters without strata: what the default gives from 50 of them."""

    name = "cluster_percentile"

    def refuse(self, call: str, roles: DesignRoles) -> None:
        need_clusters(call, self.name, roles)
        for name, given in (("stratum", roles.stratum), ("population", roles.population)):
            if given:
                problem = f"{self.name!r} draws from all clusters alike."
                raise errors.bad_option(call, name, given, problem, "say method='percentile'.")
