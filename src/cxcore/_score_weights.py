"""Scores as weights of answer levels, and which one the options of a verb mean."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cxcore import _options, errors

#: a share of the best levels, or the mean level
Kind = Literal["top", "mean"]


@dataclass(frozen=True, slots=True, eq=False)  # told apart as objects: each is made once
class Score:
    """A score: what an answer at each level weighs.

    ``weights`` has one whole number per level of ``scale``, lowest level first, never falling; ``factor``
    turns the mean weight into the unit of the score. ``parts`` names a column of counts for each distinct
    weight, from the highest.
    """

    name: str
    scale: tuple[int, int]
    weights: tuple[int, ...]
    factor: float = 1.0
    parts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        assert len(self.weights) == self.scale[1] - self.scale[0] + 1
        assert list(self.weights) == sorted(self.weights)


#: points from -100 to 100: share of 9 and 10 less share of 0 to 6
NPS = Score("nps", (0, 10), (-1,) * 7 + (0,) * 2 + (1,) * 2, 100.0, ("promoters", "passives", "detractors"))
#: per cent of answers on 4 and 5
CSAT = Score("csat", (1, 5), (0, 0, 0, 1, 1), 100.0)
#: mean of 1 to 7
CES = Score("ces", (1, 7), (1, 2, 3, 4, 5, 6, 7))


@lru_cache
def top_box(name: str, scale: tuple[int, int], top: int) -> Score:
    """Per cent of answers on the ``top`` best levels."""
    n_levels = scale[1] - scale[0] + 1
    return Score(name, scale, (0,) * (n_levels - top) + (1,) * top, 100.0)


@lru_cache
def mean_level(name: str, scale: tuple[int, int]) -> Score:
    """Mean level of the answers."""
    return Score(name, scale, tuple(range(scale[0], scale[1] + 1)))


# ---------------------------------------------------------------- what the options mean


def nps_score(call: str, scale: Any, promoter: Any, detractor: Any) -> Score:
    if scale is NPS.scale and promoter is detractor is None:
        return NPS
    low, high = _options.scale(call, scale)
    if (low, high) != NPS.scale and (promoter is None or detractor is None):
        problem = "NPS is defined on 0 to 10."
        hint = "for another scale say who counts, such as scale=(1, 5), promoter=5, detractor=3."
        raise errors.bad_option(call, "scale", scale, problem, hint)
    lowest = 9 if promoter is None else _options.within(call, "promoter", promoter, low + 1, high)
    highest = 6 if detractor is None else _options.within(call, "detractor", detractor, low, high - 1)
    if not highest < lowest:
        problem = f"promoters begin at {lowest}, so detractors end below."
        raise errors.bad_option(call, "detractor", highest, problem, f"such as detractor={lowest - 1}.")
    return _three_groups((low, high), highest, lowest)


@lru_cache
def _three_groups(scale: tuple[int, int], highest: int, lowest: int) -> Score:
    """Detractors end at ``highest``, promoters begin at ``lowest``."""
    weights = tuple(-1 if at <= highest else int(at >= lowest) for at in range(scale[0], scale[1] + 1))
    return Score(NPS.name, scale, weights, NPS.factor, NPS.parts)


def scale_score(call: str, scale: Any, kind: Any, top: Any, default_top: int) -> Score:
    low, high = _options.scale(call, scale)
    if _options.word(call, "kind", kind, ("top", "mean")) == "mean":
        if top is not None:
            raise errors.bad_option(
                call, "top", top, "a mean has no top levels.", "leave it out, or say kind='top'."
            )
        return mean_level(call, (low, high))
    most = high - low
    if top is None:
        return top_box(call, (low, high), min(default_top, most))
    if isinstance(top, int) and top > most:
        problem = f"it is how many of the best levels count, and {low} to {high} has {most + 1}."
        hint = f"from 1 to {most}; top=1 counts {high} alone."
        raise errors.bad_option(call, "top", top, problem, hint)
    chosen = _options.within(call, "top", top, 1, most)
    return top_box(call, (low, high), chosen)


@lru_cache
def classes_of(what: Score) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Levels of equal weight are one class: the level at which each ends, and its weight."""
    weights, n_levels = np.unique(np.array(what.weights, dtype=np.int64), return_counts=True)
    last = what.scale[0] - 1 + np.cumsum(n_levels)
    last.flags.writeable = weights.flags.writeable = False  # shared by every call
    return last, weights
