"""Touches as causes of a hazard that fades: who made the conversion come when it came?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from cxcore import _options, errors
from cxcore._columns import Float64
from cxcore._ext import hazard as kernel
from cxcore.attribution.base import Credit, Journeys, TouchModel
from cxcore.attribution.hazard_slope import HazardSlope, hazard_slope, shares

_CALL = "AdditiveHazard"
#: the mean delay of a channel is at most so many times the longest that any touch was seen
_LONGEST = 100.0
#: per second: a mean delay of half a second
_FASTEST = 2.0
#: channels up to which the slopes of the fit are found: (2 n) ** 3 operations
_MOST_SLOPES = 200


@dataclass(frozen=True)
class AdditiveHazard(TouchModel):
    """Credit by the share that a touch has in the chance to convert at the moment of the conversion.

    Each touch adds to the customer's hazard (chance per time) to convert, and what it adds fades. How much a
    channel adds, and how fast it fades, is learned from all journeys.

    Parameters
    ----------
    tolerance : float, default 1e-8
        The fit ends as soon as a step gains less than this in log-likelihood for each conversion.
    most_steps : int, default 1_000
        And at the latest after so many steps.

    Raises
    ------
    InvalidOptionError
        ``tolerance`` is not from 0 to 1, ``most_steps`` is below 1; or journeys have no times.

    Notes
    -----
    Zhang, Wei and Ren 2014. A touch of channel c adds beta_c omega_c exp(-omega_c d) to the hazard, d after
    it. Journeys that convert are seen until then, others until the last event of the log. EM, deterministic:
    p = shares of the hazard, beta = sum p / sum (1 - exp(-omega d)), omega = sum p / sum (p d + beta d
    exp(-omega d)); no step lowers the log-likelihood. Ages have half a second more, whatever the unit of
    the log; mean delays 1 / omega are kept from half a second to 100 times the longest age seen.
    The error by formula is that of the fit and of the shares together (the implicit function theorem), for up
    to 200 channels; it takes the fit to be where it would end, so a coarse ``tolerance`` blurs it.
    A step takes O(touches of all windows), with overlapping windows more than the touches of the log.
    """

    word: ClassVar[str] = "additive_hazard"
    reads_times: ClassVar[bool] = True
    learns_from_nulls: ClassVar[bool] = True
    tolerance: float = 1e-8
    most_steps: int = 1_000

    def __post_init__(self) -> None:
        _options.number(_CALL, "tolerance", self.tolerance, 0.0, 1.0)
        steps = _options.whole(_CALL, "most_steps", self.most_steps, 1)
        object.__setattr__(self, "most_steps", steps)

    def split(self, journeys: Journeys) -> Float64:
        return self.splitter(journeys)(journeys)

    def splitter(self, journeys: Journeys) -> Callable[[Journeys], Float64]:
        fitted = self.fit(journeys)
        return lambda some: shares(fitted.beta, fitted.omega, some)

    def credit(self, journeys: Journeys) -> Credit:
        return self.credit_of(self.fit(journeys), journeys)

    def credit_of(self, fitted: Hazards, journeys: Journeys) -> Credit:
        earned = np.zeros((len(journeys.channel), 2))
        kernel.hazard_credit(
            *(journeys.view, journeys.conversion_tick, fitted.beta, fitted.omega),
            *(journeys.tick_length, journeys.n_threads, earned),
        )
        return Credit(journeys.by_channel(earned[:, 0]), journeys.by_channel(earned[:, 1]))

    def fit(self, journeys: Journeys) -> Hazards:
        """What a touch of each channel adds, how fast that fades, and the log-likelihood after each step."""
        if len(journeys.channel) and not len(journeys.tick):
            problem = "learns from times, and these journeys have none."
            raise errors.bad_option(
                "attribute", "model", self.word, problem, "pass the events to attribute()."
            )
        end, longest = _seen(journeys)
        n = journeys.n_channels
        n_converted = float(journeys.weight[journeys.lo < journeys.hi].sum())
        beta, omega = np.ones(n), np.full(n, min(_FASTEST, 2.0 / longest))
        moments, likelihood = np.zeros((n, 4)), []
        for _ in range(self.most_steps if n_converted else 0):
            found = kernel.hazard_pass(
                *(journeys.view, journeys.conversion_tick, beta, omega),
                *(journeys.tick_length, end, journeys.n_threads, moments),
            )
            likelihood.append(found)
            if len(likelihood) > 1 and found - likelihood[-2] < self.tolerance * n_converted:
                break
            beta, omega = _step(moments, omega, longest)
        return Hazards(beta, omega, np.array(likelihood), journeys, end, longest)

    def influence(self, fitted: Hazards, some: Journeys) -> Float64:
        if some.n_channels > _MOST_SLOPES:
            raise errors.no_influence("attribute", self.label)
        return fitted.slope.influence(some)

    def squares(self, fitted: Hazards, people: Journeys, mean: Float64, n: float) -> Float64 | None:
        return fitted.slope.squares(people, mean, n) if people.n_channels <= _MOST_SLOPES else None


@dataclass(frozen=True, eq=False)
class Hazards:
    """By channel: conversions that a touch brings in the long run; rate of decay per second. And the fit."""

    beta: Float64
    omega: Float64
    #: after each step
    likelihood: Float64
    #: what it was learned from: seen until which tick, the longest age in seconds
    journeys: Journeys
    end: int
    longest: float

    @cached_property
    def slope(self) -> HazardSlope:
        """Parameters that met a bound do not move."""
        free = np.stack((self.beta > 0.0, self.beta > 0.0))
        free[1] &= (self.omega > _slowest(self.longest)) & (self.omega < _FASTEST)
        return hazard_slope(self.journeys, self.beta, self.omega, free, self.end)


def _seen(journeys: Journeys) -> tuple[int, float]:
    """Until when the log goes, and the longest age of a touch in it, in seconds."""
    every = np.concatenate((journeys.tick, journeys.conversion_tick))
    if not len(every):
        return 0, 1.0
    end, begin = int(every.max()), int(every.min())
    ticks, seconds = max(1.0, 1e9 / journeys.tick_length), max(1.0, journeys.tick_length / 1e9)
    return end, float(end - begin) * seconds / ticks + 0.5


def _step(moments: Float64, omega: Float64, longest: float) -> tuple[Float64, Float64]:
    """Beta maximizes what EM maximizes; omega its minorant, as exp(-omega d) lies above its tangent."""
    share, share_age, exposed, exposed_age = moments.T
    beta = np.divide(share, exposed, out=np.zeros_like(share), where=exposed > 0)
    below = share_age + beta * exposed_age
    rate = np.divide(share, below, out=omega.copy(), where=(below > 0) & (share > 0))
    return beta, np.clip(rate, _slowest(longest), _FASTEST)


def _slowest(longest: float) -> float:
    return 1.0 / (_LONGEST * longest)
