"""Models that look at the stages which a customer reached on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from cxcore._columns import Float64, Int64
from cxcore._ext import attribution as kernel
from cxcore.attribution.base import Journeys
from cxcore.attribution.positional import KernelModel

#: of each milestone, and of all other touches together
_MILESTONE, _REST = 0.3, 0.1


@dataclass(frozen=True)
class W(KernelModel):
    """30 % each to the first touch, the touch that reached the stage, and the last; 10 % to all others.

    Which touch reached the stage (a lead, an opportunity) is marked in the column ``stage=`` of
    :func:`cxcore.attribute`. Of several in a window the first counts.

    Notes
    -----
    A touch that is two milestones earns the parts of both. What a window does not have (a marked touch,
    others) is left out, and the rest is taken in proportion: without a mark first, others and last share
    30 : 10 : 30. Milestones are those of Adobe Marketo Measure (W-shaped) and HubSpot, whose pages do not say
    where the part of a missing one goes. O(touches + conversions), however many windows a touch lies in.
    """

    word: ClassVar[str] = "w"
    reads_stage: ClassVar[bool] = True

    def run(self, journeys: Journeys, by_touch: bool, credit: Float64) -> None:
        marked = self._marked(journeys)
        kernel.w(journeys.view, marked, _MILESTONE, _REST, by_touch, journeys.n_threads, credit)

    def split(self, journeys: Journeys) -> Float64:
        conversion, touch = journeys.pairs
        first, last, marked = journeys.lo, journeys.hi - 1, self._marked(journeys)
        has_mark = marked <= last
        inner = has_mark & (marked > first) & (marked < last)
        others = np.maximum(last - first - 1, 0) - inner
        whole = 2 * _MILESTONE + _MILESTONE * has_mark + _REST * (others > 0)
        roles = np.zeros(len(touch))
        for milestone in (first, marked, last):
            roles += touch == milestone[conversion]
        part = np.where(roles > 0, _MILESTONE * roles, _REST / np.maximum(others, 1)[conversion])
        of_whole: Float64 = part / whole[conversion]
        return of_whole

    def _marked(self, journeys: Journeys) -> Int64:
        """The first marked touch of each window; where there is none, one behind it."""
        n = len(journeys.channel)
        if not len(journeys.stage):
            return journeys.hi.copy()
        following = np.append(np.where(journeys.stage, np.arange(n), n), n)
        following = np.minimum.accumulate(following[::-1])[::-1]
        marked: Int64 = following[journeys.lo]
        return marked
