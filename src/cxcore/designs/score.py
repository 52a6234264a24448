"""The score interval of clusters: as many answers as they are worth, anywhere on the scale."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from cxcore import errors
from cxcore._design_columns import DesignRoles
from cxcore.designs.base import DesignMethod, DesignSample, need_clusters
from cxcore.designs.linearized import t_quantiles
from cxcore.intervals import ScoreInterval
from cxcore.intervals.base import Float64

_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class ClusterScore(DesignMethod):
    """Score interval with the variance times the design effect, and t for z.

    Holds every mean that the answers do not speak against, if they are worth n over the design effect D of
    independent ones: (estimate - mu)² <= D t² V0(mu) / n, as ``ScoreInterval``. D is 1 or more; where all
    answers are alike nothing shows it, and it is what it would be if each customer were of one mind.

    Notes
    -----
    About 3 µs a group. Rao and Scott, JASA 76 (1981); Korn and Graubard, Survey Methodology 24 (1998).
    """

    name = "score"

    def limits(self, sample: DesignSample, alpha: float) -> tuple[Float64, Float64]:
        t = t_quantiles(alpha / 2, sample.degrees_of_freedom)
        z = np.nan_to_num(t * np.sqrt(sample.guarded_effect))
        plain = -_NORMAL.inv_cdf(alpha / 2)
        stretch = z / plain if plain > 0 else np.ones_like(z)  # of a level that rounds to 0
        low, high = ScoreInterval().limits(sample.sample, alpha, stretch)
        known = sample.degrees_of_freedom > 0
        return np.where(known, low, np.nan), np.where(known, high, np.nan)

    def refuse(self, call: str, roles: DesignRoles) -> None:
        need_clusters(call, self.name, roles)
        for name, given in (
            ("weight", roles.weight),
            ("stratum", roles.stratum),
            ("population", roles.population),
        ):
            if given is not None and not (isinstance(given, tuple) and not given):
                problem = f"the {self.name!r} interval is one of plain counts."
                raise errors.bad_option(call, name, given, problem, "say method='linearized'.")
