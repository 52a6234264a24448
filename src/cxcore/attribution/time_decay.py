"""The nearer to the conversion, the more credit."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from cxcore import _options
from cxcore._columns import Float64
from cxcore.attribution.base import Journeys
from cxcore.attribution.positional import WalkedModel


@dataclass(frozen=True)
class TimeDecay(WalkedModel):
    """Credit halves with every half-life that a touch lies before the conversion.

    Parameters
    ----------
    half_life : str or timedelta, default "7d"
        Text with a unit, such as "7d" or "12h".

    Raises
    ------
    InvalidOptionError
        The half-life is not a duration longer than 0.

    Notes
    -----
    Weight 2^(-age / half_life), normalized over the window; only differences of age matter, so touches a
    thousand half-lives before the conversion share it as touches near it would. O(touches + conversions),
    however many windows a touch lies in.

    Examples
    --------
    >>> from cxcore.attribution import TimeDecay
    >>> TimeDecay(half_life="1d").label
    "time_decay(half_life='1d')"
    """

    word: ClassVar[str] = "time_decay"
    reads_times: ClassVar[bool] = True
    half_life: str | dt.timedelta = "7d"

    def __post_init__(self) -> None:
        _options.duration("TimeDecay", "half_life", self.half_life)

    def half_lives_per_tick(self, journeys: Journeys) -> float:
        return journeys.tick_length / _options.duration("TimeDecay", "half_life", self.half_life)

    def split(self, journeys: Journeys) -> Float64:
        conversion, touch = journeys.pairs
        newest = journeys.tick[journeys.hi[conversion] - 1]  # differences of age alone count
        age = (newest.view(np.uint64) - journeys.tick[touch].view(np.uint64)).astype(np.float64)
        weight = np.exp2(-age * self.half_lives_per_tick(journeys))
        return weight / np.bincount(conversion, weight, minlength=len(journeys.lo))[conversion]
