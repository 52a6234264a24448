"""The nearer to the conversion, the more credit."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import ClassVar

from cxcore import _options
from cxcore._ext import attribution as kernel
from cxcore.attribution.base import Credit, Journeys, Model
from cxcore.attribution.positional import split


@dataclass(frozen=True)
class TimeDecay(Model):
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
    half_life: str | dt.timedelta = "7d"

    def __post_init__(self) -> None:
        _options.duration("TimeDecay", "half_life", self.half_life)

    def credit(self, journeys: Journeys) -> Credit:
        half_life = _options.duration("TimeDecay", "half_life", self.half_life)
        return split(kernel.time_decay, journeys, journeys.tick_length / half_life)
