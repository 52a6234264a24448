"""Which score a comparison or a plan is about: a word, or an object that carries the score's own options."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Literal

from cxcore import _options, errors
from cxcore._score_weights import Kind, Score, nps_score, scale_score

__all__ = ["METRICS", "Ces", "Csat", "MeanScore", "Metric", "MetricName", "Nps", "score_for"]

MetricName = Literal["nps", "csat", "ces", "mean_score"]


class Metric(ABC):
    """A score with its options. Subclasses are frozen dataclasses whose fields are those of the verb."""

    @abstractmethod
    def score(self, call: str) -> Score:
        """What an answer weighs; refuses options that do not fit, in the name of the call."""


@dataclass(frozen=True, slots=True)
class Nps(Metric):
    """Net Promoter Score; options as :func:`cxcore.nps`."""

    scale: tuple[int, int] = (0, 10)
    promoter: int | None = None
    detractor: int | None = None

    def score(self, call: str) -> Score:
        return nps_score(call, self.scale, self.promoter, self.detractor)


@dataclass(frozen=True, slots=True)
class Csat(Metric):
    """Per cent of answers on the best levels, or their mean; options as :func:`cxcore.csat`."""

    scale: tuple[int, int] = (1, 5)
    kind: Kind = "top"
    top: int | None = None

    def score(self, call: str) -> Score:
        return scale_score(call, self.scale, self.kind, self.top, default_top=2)


@dataclass(frozen=True, slots=True)
class Ces(Metric):
    """Mean effort, or per cent of answers on the best levels; options as :func:`cxcore.ces`."""

    scale: tuple[int, int] = (1, 7)
    kind: Kind = "mean"
    top: int | None = None

    def score(self, call: str) -> Score:
        return scale_score(call, self.scale, self.kind, self.top, default_top=3)


@dataclass(frozen=True, slots=True)
class MeanScore(Metric):
    """Mean level of any bounded scale, as :func:`cxcore.mean_score`; the scale has to be said."""

    scale: tuple[int, int] | None = None

    def score(self, call: str) -> Score:
        return scale_score(call, self.scale, "mean", None, default_top=1)


#: word -> the kind of metric
METRICS: dict[str, type[Nps | Csat | Ces | MeanScore]] = {
    "nps": Nps,
    "csat": Csat,
    "ces": Ces,
    "mean_score": MeanScore,
}


def score_for(call: str, metric: Any, scale: Any) -> Score:
    """The score that a word, with or without a scale, or an object means."""
    if isinstance(metric, Metric):
        if scale is not None:
            hint = f"write metric={type(metric).__name__}(scale={scale!r}, …)."
            raise errors.bad_option(call, "scale", scale, "the metric has a scale of its own.", hint)
        return metric.score(call)
    chosen = METRICS[_options.word(call, "metric", metric, METRICS)]
    return (chosen() if scale is None else chosen(scale=scale)).score(call)
