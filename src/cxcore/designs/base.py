"""What a method of a survey design is: from the clusters of a group to an interval of its weighted mean.

A method sees neither answers nor frames: signatures of clusters, and counts, of all groups at once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cxcore import errors
from cxcore._design_columns import DesignRoles
from cxcore._design_sums import DesignCounts, summed
from cxcore.intervals.base import ENOUGH_OUTSIDE, ENOUGH_OUTSIDE_SHARE, Float64, Int64, Sample

#: clusters from which the cluster bootstrap is the default, and below which there are few
ENOUGH_CLUSTERS = 50
#: design effect of the weights alone beyond which they are extreme
EXTREME_WEIGHTS = 2.0 + 1e-9
#: part of the answers, and multiple of an even part, beyond which one cluster is most of what there is
DOMINANT, DOMINANT_TIMES = 0.25, 5
#: relative to what was subtracted, less is rounding
_ROUNDING = 1e-14


@dataclass(frozen=True)
class DesignSample:
    """Answers of each group as clusters; where there is no cluster, an answer is one.

    ``sample`` has the plain counts, by class of weight; ``value`` float64[n_levels] what an answer at each
    level weighs.
    """

    counted: DesignCounts
    sample: Sample
    value: Float64
    roles: DesignRoles

    @cached_property
    def group(self) -> Int64:
        """Group of each signature."""
        return np.repeat(np.arange(len(self.counted.groups)), np.diff(self.counted.start))

    @cached_property
    def n_cluster(self) -> Int64:
        """Clusters with an answer in the group."""
        return np.bincount(self.group, self.counted.count, len(self.counted.groups)).astype(np.int64)

    @property
    def clusters_alone(self) -> bool:
        """No weights, no strata, no finite population."""
        roles = self.roles
        return roles.weight is None and not roles.stratum and roles.population is None

    @cached_property
    def plain(self) -> NDArray[np.bool_]:
        """Clusters of one answer each, and no other design: such answers are independent."""
        alone: NDArray[np.bool_] = (self.n_cluster == self.sample.n) & self.clusters_alone
        return alone

    @cached_property
    def mass(self) -> Float64:
        """Sum of weights."""
        sums: Float64 = self.counted.weighted.sum(axis=1)
        return sums

    @cached_property
    def estimate(self) -> Float64:
        if self.roles.weight is None:
            return self.sample.estimate  # the same sums, in whole numbers
        weighted = self.counted.weighted
        most = self.value[weighted.argmax(axis=1)]  # from there, so that answers all alike leave no rounding
        with np.errstate(invalid="ignore"):
            away = (weighted * (self.value - most[:, None])).sum(axis=1) / self.mass
        mean: Float64 = most + away
        return mean

    @cached_property
    def _linear(self) -> tuple[Float64, Int64, NDArray[np.bool_]]:
        """Variance of the estimate, degrees of freedom, and where a stratum has one cluster.

        Each cluster moves the estimate by z = (total - estimate size) / mass. Of a stratum with n clusters, a
        fraction f of its population, (1 - f) n / (n - 1) sum (z - mean z)² is the variance. Without strata
        the clusters of a group are a sample of their own, else a group is a domain: n counts all clusters
        of the stratum, and those without an answer in the group have z = 0.
        """
        counted, n_groups = self.counted, len(self.counted.groups)
        moved = self.estimate[self.group] * counted.size
        z = (counted.total - moved) / self.mass[self.group]
        if not self.roles.stratum:
            n = self.n_cluster.astype(np.float64)
            with np.errstate(divide="ignore", invalid="ignore"):
                shrink = (1 - counted.fraction[0]) * n / (n - 1)
                variance = shrink * summed(self.group, counted.count * z**2, n_groups)
            dof, lonely = self.n_cluster - 1, np.zeros(n_groups, dtype=np.bool_)
        else:
            variance, dof, lonely = self._within_strata(z)
        # clusters alike leave rounding, of the size of what was subtracted
        most = np.bincount(self.group, counted.count * (np.abs(counted.total) + np.abs(moved)) ** 2, n_groups)
        with np.errstate(invalid="ignore"):
            variance = np.where(variance > _ROUNDING**2 * most / self.mass**2, variance, 0.0)
        return np.where(dof > 0, variance, np.nan), dof, lonely

    def _within_strata(self, z: Float64) -> tuple[Float64, Int64, NDArray[np.bool_]]:
        counted, n_groups, n_strata = self.counted, len(self.counted.groups), len(self.counted.n_drawn)
        pairs, at = np.unique(self.group * n_strata + counted.stratum, return_inverse=True)
        home, stratum = pairs // n_strata, pairs % n_strata
        n, here = counted.n_drawn[stratum].astype(np.float64), np.bincount(at, counted.count)
        mean = np.bincount(at, counted.count * z) / n
        away = np.bincount(at, counted.count * (z - mean[at]) ** 2) + (n - here) * mean**2
        lonely = n == 1  # moves from the mean of all, which is 0
        with np.errstate(divide="ignore", invalid="ignore"):
            each = np.where(lonely, np.bincount(at, counted.count * z**2), n / (n - 1) * away)
        variance = summed(home, (1 - counted.fraction[stratum]) * each, n_groups)
        dof = self.n_cluster - np.bincount(home, minlength=n_groups)
        return variance, dof, np.bincount(home, lonely, n_groups) > 0

    @property
    def variance(self) -> Float64:
        """Linearized variance of the estimate; NaN where one cluster is all."""
        return self._linear[0]

    @property
    def degrees_of_freedom(self) -> Int64:
        """Clusters less strata."""
        return self._linear[1]

    @cached_property
    def design_effect(self) -> Float64:
        """Variance over that of as many independent answers, equally weighted, without a finite population.

        NaN where answers are all alike.
        """
        counted, n = self.counted, self.sample.n
        away = (self.value - np.nan_to_num(self.estimate)[:, None]) ** 2
        with np.errstate(divide="ignore", invalid="ignore"):
            alone = (counted.weighted * away).sum(axis=1) / self.mass / (n - 1)
            effect = np.where(alone > 0, self.variance / alone, np.nan)
        return np.where(self.plain & (n > 1) & (alone > 0), 1.0, effect)

    @cached_property
    def _squares(self) -> Float64:
        """Sum of the squares of the sizes of clusters."""
        counted = self.counted
        return summed(self.group, counted.count * counted.size**2, len(counted.groups))

    @cached_property
    def guarded_effect(self) -> Float64:
        """The design effect, 1 or more; where answers are alike, that of customers who are of one mind."""
        with np.errstate(invalid="ignore"):
            most = self._squares / self.mass
        found: Float64 = np.maximum(np.where(np.isnan(self.design_effect), most, self.design_effect), 1.0)
        return found

    @cached_property
    def weighting(self) -> Float64:
        """The design effect of the weights alone, Kish's."""
        with np.errstate(invalid="ignore"):
            found: Float64 = self.sample.n * self.counted.square / self.mass**2
        return found

    @cached_property
    def thin(self) -> NDArray[np.bool_]:
        """Answers outside the largest weight class are worth too few independent ones for a bootstrap."""
        enough = ENOUGH_OUTSIDE_SHARE if len(self.sample.weights) == 2 else ENOUGH_OUTSIDE
        # where one answer outweighs all others, the variance is nothing, and knows of no effect
        worth = self.sample.outside / np.fmax(self.guarded_effect, self.weighting)
        few: NDArray[np.bool_] = np.nan_to_num(worth) < enough
        return few

    @cached_property
    def largest(self) -> Float64:
        """Part of the weight that the heaviest cluster has."""
        most = np.zeros(len(self.counted.groups))
        np.maximum.at(most, self.group, self.counted.size)
        with np.errstate(invalid="ignore"):
            return np.nan_to_num(most / self.mass)

    @cached_property
    def dominated(self) -> NDArray[np.bool_]:
        """Groups of which one cluster has a large part, by weight; among a few clusters that is no wonder."""
        with np.errstate(divide="ignore"):
            even = 1 / self.n_cluster
        found: NDArray[np.bool_] = self.largest > np.maximum(DOMINANT, DOMINANT_TIMES * even)
        return found & bool(self.roles.cluster)

    @property
    def n_effective(self) -> Float64:
        """Independent answers that would be as sure: n over the design effect, but at most Kish's number.

        The variance is the spread that the sample shows, and what nearly all of the weight agrees on shows
        none. So weights make answers fewer, and never more, than (sum w)² / sum w²; strata and a finite
        population can make them more. A cluster of more than half of the weight is nearly the estimate
        itself; then it is the like of the clusters, below 4, under any design.
        """
        n, effect, roles = self.sample.n, self.design_effect, self.roles
        with np.errstate(divide="ignore", invalid="ignore"):
            found = np.where(effect > 0, n / effect, np.nan)
            is_half = self.largest > 0.5 + 1e-9  # two equal clusters are no matter of the last bit
            most = np.where(is_half, self.mass**2 / self._squares, np.inf)
            if not roles.stratum and roles.population is None:
                most = np.where(self.weighting > 1 + 1e-9, np.fmin(most, n / self.weighting), most)
        worth = np.fmin(found, most)
        return np.where(np.isnan(effect) | np.isinf(worth), np.nan, worth)

    @cached_property
    def marks(self) -> dict[str, NDArray[np.bool_]]:
        """Words of ``FLAGS`` that hold for any method that is made for a design, and where."""
        answered = self.sample.n > 0
        return {
            "few_clusters": answered & bool(self.roles.cluster) & (self.n_cluster < ENOUGH_CLUSTERS),
            "one_cluster": answered & np.isnan(self.variance),
            "lonely_stratum": self._linear[2],
            "extreme_weights": answered & (np.nan_to_num(self.weighting) > EXTREME_WEIGHTS),
            "thin_support": answered & self.thin,
            "dominant_cluster": self.dominated,
        }


def need_clusters(call: str, method: str, roles: DesignRoles) -> None:
    """Refuses a method of clusters where there are none."""
    if not roles.cluster:
        other = roles.weight is not None or roles.stratum or roles.population is not None
        hint = "say method='linearized'." if other else "say cluster='customer'."
        raise errors.bad_option(call, "method", method, "there are no clusters.", hint)


class DesignMethod(ABC):
    """One way to an interval under a design. Subclasses are frozen dataclasses."""

    #: the word in ``method=`` and in the column ``method``
    name: str

    @abstractmethod
    def limits(self, sample: DesignSample, alpha: float) -> tuple[Float64, Float64]:
        """Low and high in weight units, float64[n_groups] each; NaN where there is none."""

    def independent(self, sample: DesignSample) -> NDArray[np.bool_]:
        """Where the interval is one of independent answers."""
        return np.zeros(len(sample.counted.groups), dtype=np.bool_)

    def standard_error(self, sample: DesignSample) -> Float64:
        """Linearized; where answers are independent, that of no design."""
        return np.where(self.independent(sample), sample.sample.standard_error, np.sqrt(sample.variance))

    def used(self, sample: DesignSample) -> list[str]:
        """The word of the method that gives each group's interval."""
        return [self.name] * len(sample.counted.groups)

    def marks(self, sample: DesignSample) -> dict[str, NDArray[np.bool_]]:
        """Words of ``FLAGS``, beside those of the counts, and where."""
        made_for_it = ~self.independent(sample)
        return {word: where & made_for_it for word, where in sample.marks.items()}

    def refuse(self, call: str, roles: DesignRoles) -> None:  # noqa: B027  most methods take any design
        """Raises where the method is not defined under a design of these roles."""
