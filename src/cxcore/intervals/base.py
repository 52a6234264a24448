"""What an interval method is: from the counts of a sample to the two ends of its interval.

A sample is one row of counts over the weights of a score (for NPS -1, 0 and +1), so a method sees neither
answers nor frames, and is called once for all groups.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cxcore._ext import scores as kernels

Int64 = NDArray[np.int64]
Float64 = NDArray[np.float64]

ENOUGH_ANSWERS = kernels.ENOUGH_ANSWERS
ENOUGH_OUTSIDE = kernels.ENOUGH_OUTSIDE
ENOUGH_OUTSIDE_SHARE = kernels.ENOUGH_OUTSIDE_OF_SHARE

#: the methods that the default gives, as the kernels count them
GIVEN = ("bca", "exact", "score", "score_n_minus_1")

#: every word of the column ``flags``, in the order in which they are written and of the bits of a code; the
#: kernels know the first four (guarded.hpp)
FLAGS = {
    "no_answers": "the group has no answer; estimate and interval are null",
    "few_answers": "fewer than 30 answers; coverage then holds on average, and swings from case to case",
    "one_category": "all answers have one weight; a bootstrap sees no spread",
    "score_fallback": "the default gave a score interval, or the exact one of a share, because fewer than "
    "15 answers (of a share: 30) lie outside the largest weight class; clusters count what they are worth",
    "thin_support": "a method that is not guarded was asked for by name, or a design has no guarded one, "
    "although fewer than 15 answers lie outside the largest weight class",
    "mover_fallback": "the bootstrap of a difference gave MOVER, because one side has fewer than 15 answers "
    "outside its largest weight class",
    "few_clusters": "fewer than 50 clusters; their variance is itself uncertain, and t allows for it",
    "one_cluster": "one cluster is all there is, or one in each stratum; error and interval are null",
    "lonely_stratum": "a stratum has one cluster, whose move from the mean of all stands for its spread",
    "extreme_weights": "the weights alone more than double the variance",
    "dominant_cluster": "one cluster has more than a quarter of all answers, such as an id that many people "
    "share; make it null if so",
    "one_wave": "answers in one wave alone have no trend; slope, interval and p-value are null",
}


@dataclass(eq=False)
class Sample:
    """Answers of each group by weight, and what every method asks of them; nobody changes it.

    ``counts`` int64[n_groups, n_weights]; ``weights`` int64[n_weights], ascending, each once, both ends of
    the scale among them even where nobody answered there.

    ``n``, ``outside`` int64[n_groups]: answers, and those outside the largest weight class; ``flags``
    int64[n_groups]: words of ``FLAGS`` that hold for any method, bit by bit; ``given`` int64[n_groups]: what
    the default gives, a place in ``GIVEN``; ``estimate``, ``standard_error`` float64[n_groups]: mean weight,
    and its error under the bootstrap law; NaN without answers.
    """

    counts: Int64
    weights: Int64
    n: Int64 = field(init=False, repr=False)
    outside: Int64 = field(init=False, repr=False)
    flags: Int64 = field(init=False, repr=False)
    given: Int64 = field(init=False, repr=False)
    estimate: Float64 = field(init=False, repr=False)
    standard_error: Float64 = field(init=False, repr=False)
    #: of all groups: the fewest answers, the fewest outside, and the last of ``GIVEN`` that one is given
    fewest: int = field(init=False, repr=False)
    fewest_outside: int = field(init=False, repr=False)
    last_given: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        n_groups = len(self.counts)
        sizes, moments = np.empty((4, n_groups), dtype=np.int64), np.empty((2, n_groups))
        extremes = kernels.describe(self.counts, self.weights, sizes, moments)
        self.fewest, self.fewest_outside, self.last_given = extremes
        self.n, self.outside, self.flags, self.given = sizes
        self.estimate, self.standard_error = moments

    @property
    def words(self) -> list[set[str]]:
        """The flags as words, a set a group."""
        return [{word for at, word in enumerate(FLAGS) if code >> at & 1} for code in self.flags.tolist()]

    def rows(self, which: NDArray[np.bool_]) -> Sample:
        return Sample(np.ascontiguousarray(self.counts[which]), self.weights)


class Method(ABC):
    """One way to an interval. Subclasses are frozen dataclasses whose fields are the method's own options."""

    #: the word in ``method=`` and in the column ``method``
    name: str

    @abstractmethod
    def limits(self, sample: Sample, alpha: float) -> tuple[Float64, Float64]:
        """Low and high in weight units, float64[n_groups] each; NaN where a group has no answer."""

    def numbers(self, sample: Sample, alpha: float) -> tuple[Float64, Float64, Float64, Float64]:
        """Estimate, low, high and standard error; for another measure than the mean, override."""
        low, high = self.limits(sample, alpha)
        return sample.estimate, low, high, sample.standard_error

    def used(self, sample: Sample) -> list[str]:
        """The word of the method that gives each group's interval."""
        return [self.name] * len(sample.counts)

    def marks(self, sample: Sample) -> dict[str, NDArray[np.bool_]]:
        """Words of ``FLAGS`` that this method adds, and where."""
        return {}


class Unguarded(Method):
    """A method that is given as asked for; the verb warns where the sample cannot support it."""

    def marks(self, sample: Sample) -> dict[str, NDArray[np.bool_]]:
        if sample.fewest_outside >= ENOUGH_OUTSIDE:
            return {}
        return {"thin_support": (sample.outside < ENOUGH_OUTSIDE) & (sample.n > 0)}
