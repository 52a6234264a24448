"""What one customer more changes in a fit of additive hazards, and so in its credit.

The fit is where the scores of all customers sum to nothing, so a customer like u moves the parameters by
-H^-1 s_u, with H the second derivatives of the log-likelihood (the implicit function theorem; Huber 1967 has
the standard error that follows). Credit moves by the shares of u's own touches, and by its slope in the
parameters. Those are b = log beta and o = log omega of each channel. With p the share of a touch in the
hazard and z = 1 - omega d, the log-hazard has the slopes p and p z; what was to be expected until then,
beta (1 - exp(-omega d)), has itself and beta omega d exp(-omega d).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cxcore._columns import Float64, Int32, Int64
from cxcore.attribution.base import Journeys
from cxcore.attribution.row_lists import Rows, list_squares

#: numbers of a table of conversions and channels that is held at once
_HELD = 1 << 20
#: pairs of conversion and touch that are held at once
_HELD_PAIRS = 1 << 22


@dataclass(frozen=True, eq=False)
class HazardSlope:
    """``beta``, ``omega`` (per second) by channel; ``end``: tick until which others were seen; ``credit``:
    what a unit of each score changes in it, [2 * n_channels scores of b and o, n_channels, 2]."""

    beta: Float64
    omega: Float64
    end: int
    credit: Float64

    def influence(self, some: Journeys) -> Float64:
        """Of each user, [n_users, n_channels, 2]."""
        n, n_channels = some.n_users, some.n_channels
        own, score = np.zeros((2, n, n_channels)), np.zeros((2, n, n_channels))
        user = np.repeat(np.arange(n), np.diff(some.conversion_offset))
        conversion, touch = some.pairs
        seen = _seen_at_conversion(self.beta, self.omega, some, conversion, touch)
        place = user[conversion] * n_channels + some.channel[touch]

        def add(to: Float64, place: Int64, amount: Float64) -> None:
            to += np.bincount(place, amount, minlength=to.size).reshape(to.shape)

        add(own[0], place, seen.share)
        add(own[1], place, seen.share * some.value[conversion])
        add(score[0], place, seen.share - seen.expected)
        add(score[1], place, seen.share * seen.z - seen.fading)
        user, touch = _null_pairs(some)
        if len(touch):
            seen = _seen(self.beta, self.omega, some, np.full(len(touch), self.end), touch)
            place = user * n_channels + some.channel[touch]
            add(score[0], place, -seen.expected)
            add(score[1], place, -seen.fading)
        moved = np.einsum("aup,apck->uck", score, self.credit.reshape(2, n_channels, n_channels, 2))
        influence: Float64 = np.moveaxis(own, 0, 2) + moved
        return influence

    def squares(self, people: Journeys, mean: Float64, n: float) -> Float64 | None:
        """Their squares (``Model.squares``), where all pairs of conversion and touch can be held."""
        if (people.hi - people.lo).sum() > _HELD_PAIRS:
            return None
        n_channels = people.n_channels
        user = np.repeat(np.arange(people.n_users), np.diff(people.conversion_offset))
        conversion, touch = people.pairs
        seen = _seen_at_conversion(self.beta, self.omega, people, conversion, touch)
        amounts = (seen.share, seen.share * people.value[conversion])
        earned = np.zeros((len(people.channel), 2))  # counts of nothing would be whole numbers
        for column, amount in enumerate(amounts):
            earned[:, column] = np.bincount(touch, amount, minlength=len(people.channel))
        who, channel = user[conversion], people.channel[touch].astype(np.int64)
        parts = [Rows(who, channel, seen.share - seen.expected)]
        parts.append(Rows(who, n_channels + channel, seen.share * seen.z - seen.fading))
        who, touch = _null_pairs(people)
        seen = _seen(self.beta, self.omega, people, np.full(len(touch), self.end), touch)
        channel = people.channel[touch].astype(np.int64)
        parts += [Rows(who, channel, -seen.expected), Rows(who, n_channels + channel, -seen.fading)]
        return list_squares(people, parts, self.credit, earned, mean, n)


def hazard_slope(
    journeys: Journeys, beta: Float64, omega: Float64, free: NDArray[np.bool_], end: int
) -> HazardSlope:
    """``free``: which of b and o the fit could move, [2, n_channels]; the others stay where they are."""
    n = journeys.n_channels
    second, slope = np.zeros((2, n, 2, n)), np.zeros((2, n, n, 2))
    diagonal = np.arange(n)
    for _, some in journeys.blocks():
        conversion, touch = some.pairs
        seen = _seen_at_conversion(beta, omega, some, conversion, touch)
        channel, weight = some.channel[touch], some.weight[conversion]
        for some_weight, value, p, z in _tables(some, conversion, channel, seen):
            for at, each in enumerate((some_weight, some_weight * value)):
                for a, by in enumerate((p, z)):
                    slope[a, :, :, at] -= _product(each, by, p, p)
                    slope[a, diagonal, diagonal, at] += np.einsum("k,kc->c", each, by)
            second[1, :, 1] -= _product(some_weight, z, z, p)
        bends = seen.share * (seen.z**2 + seen.z - 1.0) - seen.fading * seen.z
        second[1, diagonal, 1, diagonal] += np.bincount(channel, weight * bends, minlength=n)
        _expect(second, channel, weight, seen)
    second[0, :, 0] += slope[0, :, :, 0]
    second[1, :, 0] += slope[1, :, :, 0]
    user, touch = _null_pairs(journeys)
    if len(touch):
        seen = _seen(beta, omega, journeys, np.full(len(touch), end), touch)
        weight = journeys.times[user] if len(journeys.times) else np.ones(len(user))
        channel = journeys.channel[touch]
        second[1, diagonal, 1, diagonal] -= np.bincount(channel, weight * seen.fading * seen.z, minlength=n)
        _expect(second, channel, weight, seen)
    second[0, :, 1] = second[1, :, 0].T
    moves = np.flatnonzero(free)
    bend = second.reshape(2 * n, 2 * n)[np.ix_(moves, moves)]
    credit = np.zeros((2 * n, 2 * n))
    # Parameters that no journey tells apart share what is known of both: least squares.
    credit[moves] = -np.linalg.lstsq(bend, slope.reshape(2 * n, 2 * n)[moves], rcond=1e-10)[0]
    return HazardSlope(beta, omega, end, credit.reshape(2 * n, n, 2))


def _product(weight: Float64, a: Float64, b: Float64, p: Float64) -> Float64:
    """Sum over conversions of weight * a[channel] * b[other]; only where p, of both, is above 0."""
    n = a.shape[1]
    conversion, channel = np.nonzero(p)
    size = np.bincount(conversion, minlength=len(p))[conversion]
    each = np.repeat(np.arange(len(conversion)), size)  # all channels of the conversion of each
    begins = np.searchsorted(conversion, conversion)
    other = np.arange(len(each)) - np.repeat(np.cumsum(size) - size - begins, size)
    of_a, of_b = (weight[:, None] * a)[conversion, channel], b[conversion, channel]
    place = channel[each] * n + channel[other]
    product = np.bincount(place, of_a[each] * of_b[other], minlength=n * n)
    return product.astype(np.float64, copy=False).reshape(n, n)


def shares(beta: Float64, omega: Float64, some: Journeys) -> Float64:
    """Of each pair of ``some.pairs`` in the hazard at the conversion."""
    return _seen_at_conversion(beta, omega, some, *some.pairs).share


def _expect(second: Float64, channel: Int32, weight: Float64, seen: _Seen) -> None:
    """Adds what of the second derivatives is of conversions to be expected, but for o and o."""
    n, diagonal = second.shape[1], np.arange(second.shape[1])
    second[0, diagonal, 0, diagonal] -= np.bincount(channel, weight * seen.expected, minlength=n)
    second[1, diagonal, 0, diagonal] -= np.bincount(channel, weight * seen.fading, minlength=n)


# ---------------------------------------------------------------- touches, as they were seen


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """By pair of a touch and a moment at which it was seen."""

    #: 1 - omega d; beta (1 - exp(-omega d)); beta omega d exp(-omega d)
    z: Float64
    expected: Float64
    fading: Float64
    #: of the hazard at that moment, 0 where nothing happened
    share: Float64


def _seen(beta: Float64, omega: Float64, some: Journeys, now: Int64, touch: Int64) -> _Seen:
    channel = some.channel[touch]
    faded = omega[channel] * _since(some, now, touch)
    fade, b = np.exp(-faded), beta[channel]
    return _Seen(1.0 - faded, -b * np.expm1(-faded), b * faded * fade, np.zeros(len(touch)))


def _seen_at_conversion(
    beta: Float64, omega: Float64, some: Journeys, conversion: Int64, touch: Int64
) -> _Seen:
    seen = _seen(beta, omega, some, some.conversion_tick[conversion], touch)
    if not len(touch):
        return seen
    channel = some.channel[touch]
    with np.errstate(divide="ignore"):
        log = np.log(beta[channel] * omega[channel]) + seen.z
    begins = np.flatnonzero(np.diff(conversion, prepend=-1))
    size = np.diff(begins, append=len(conversion))
    share = np.exp(log - np.maximum.reduceat(log, begins).repeat(size))
    share /= np.add.reduceat(share, begins).repeat(size)
    return _Seen(seen.z, seen.expected, seen.fading, share)


def _since(some: Journeys, now: Int64, touch: Int64) -> Float64:
    """Seconds, and half a second more, as the fit has them (``_ext/hazard.pyx``)."""
    ticks = now.astype(np.uint64) - some.tick[touch].astype(np.uint64)
    unit = max(1.0, some.tick_length / 1e9) / max(1.0, 1e9 / some.tick_length)
    since: Float64 = ticks.astype(np.float64) * unit + 0.5
    return since


def _null_pairs(some: Journeys) -> tuple[Int64, Int64]:
    """User and touch of the journeys that did not convert."""
    size = some.null_hi - some.null_lo
    user = np.repeat(np.arange(len(size)), size)
    return user, np.arange(len(user)) - np.repeat(np.cumsum(size) - size - some.null_lo, size)


def _tables(
    some: Journeys, conversion: Int64, channel: Int32, seen: _Seen
) -> Iterator[tuple[Float64, Float64, Float64, Float64]]:
    """Of a few conversions at a time: weight, value, and sums of p and p z by channel, [n, n_channels]."""
    n_channels = some.n_channels
    step = max(1, _HELD // max(1, n_channels))
    for first in range(0, len(some.value), step):
        n = min(step, len(some.value) - first)
        here = slice(*np.searchsorted(conversion, (first, first + n)))
        place, share = (conversion[here] - first) * n_channels + channel[here], seen.share[here]
        tables = np.empty((2, n * n_channels))
        for table, amount in zip(tables, (share, share * seen.z[here]), strict=True):
            table[:] = np.bincount(place, amount, minlength=n * n_channels)
        p, z = tables.reshape(2, n, n_channels)
        yield some.weight[first : first + n], some.value[first : first + n], p, z
