"""Twin of ``_ext/attribution.pyx``, from the definition: every conversion alone, every touch of its window.

Weights of time decay are decimals of 40 digits with an exponent as large as it must be.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal

CONTEXT = Context(prec=40, Emax=MAX_EMAX, Emin=MIN_EMIN)


@dataclass(frozen=True)
class Event:
    user: object
    tick: int
    order: int
    row: int
    channel: object = None
    converted: bool = False
    value: float = 0.0


@dataclass(frozen=True)
class Journey:
    """A conversion and the touches it looks at, in order."""

    conversion: Event
    touches: tuple[Event, ...]


def of_user(events: Sequence[Event], user: object) -> list[Event]:
    return sorted((e for e in events if e.user == user), key=lambda e: (e.tick, e.order, e.row))


def users(events: Sequence[Event]) -> list[object]:
    return list(dict.fromkeys(e.user for e in events if e.user is not None))


def dense_codes(categories: Sequence[int | None]) -> tuple[list[int | None], list[int]]:
    """Each category by its place in the order of first appearance, and the rows of those appearances."""
    met = [c for c in dict.fromkeys(categories) if c is not None]
    return [None if c is None else met.index(c) for c in categories], [categories.index(c) for c in met]


def within_reach(events: Sequence[Event], user: object, lookback: int | None) -> list[Event]:
    """Events of a user that the window of some conversion could hold, or that lie between two of them."""
    converted = [e.tick for e in events if e.user == user and e.converted]
    return [
        e
        for e in events
        if e.user == user
        and converted
        and e.tick <= max(converted)
        and (lookback is None or e.tick > min(converted) - lookback)
    ]


def looked_at(events: Sequence[Event], everyone: bool, lookback: int | None) -> list[Event]:
    """Touches and conversions, of everyone or within reach of who converted."""
    reached = {e for user in users(events) for e in within_reach(events, user, lookback)}
    return [
        e
        for e in events
        if e.user is not None and (e.channel is not None or e.converted) and (everyone or e in reached)
    ]


def values_at(value: Sequence[float], row: Sequence[int]) -> list[float]:
    return [value[k] for k in row]


def count_journeys(events: Sequence[Event]) -> dict[object, tuple[int, int]]:
    """Touches and conversions of each user."""
    return {
        user: (
            sum(e.channel is not None for e in of_user(events, user)),
            sum(e.converted for e in of_user(events, user)),
        )
        for user in users(events)
    }


def fill_journeys(events: Sequence[Event], lookback: int | None, reset: bool) -> list[Journey]:
    """Every conversion with the touches in (conversion - lookback, conversion]."""
    found = []
    for user in users(events):
        mine, used = of_user(events, user), set()
        for conversion in (e for e in mine if e.converted):
            touches = tuple(
                e
                for e in mine
                if e.channel is not None
                and e.tick <= conversion.tick
                and (lookback is None or e.tick > conversion.tick - lookback)
                and not (reset and e in used)
            )
            used.update(touches)
            found.append(Journey(conversion, touches))
    return found


# ------------------------------------------------- models: ages in ticks, oldest first -> weights


def first_touch(ages: Sequence[int]) -> list[float]:
    return [1.0] + [0.0] * (len(ages) - 1)


def last_touch(ages: Sequence[int]) -> list[float]:
    return [0.0] * (len(ages) - 1) + [1.0]


def linear(ages: Sequence[int]) -> list[float]:
    return [1 / len(ages)] * len(ages)


def position(ages: Sequence[int], first: float = 0.4, middle: float = 0.2, last: float = 0.4) -> list[float]:
    n = len(ages)
    if n == 1:
        return [1.0]
    if n == 2:
        return [first / (first + last), last / (first + last)] if first + last else [0.5, 0.5]
    parts = [first, *[middle / (n - 2)] * (n - 2), last]
    return [part / (first + middle + last) for part in parts]


def time_decay(ages: Sequence[int], half_life: float) -> list[float]:
    """2 ** (-age / half_life), normalized; half_life in ticks."""
    weights = [CONTEXT.power(Decimal(2), CONTEXT.divide(Decimal(-age), Decimal(half_life))) for age in ages]
    total = Decimal(0)
    for weight in weights:
        total = CONTEXT.add(total, weight)
    return [float(CONTEXT.divide(weight, total)) for weight in weights]


def credit(
    journeys: Sequence[Journey], model: Callable[[Sequence[int]], list[float]]
) -> dict[object, tuple[float, float]]:
    """Conversions and value of each channel; of None what no touch earned."""
    parts: dict[object, list[tuple[float, float]]] = {}
    for journey in journeys:
        now, value = journey.conversion.tick, journey.conversion.value
        if not journey.touches:
            parts.setdefault(None, []).append((1.0, value))
        else:
            weights = model([now - touch.tick for touch in journey.touches])
            for touch, weight in zip(journey.touches, weights, strict=True):
                parts.setdefault(touch.channel, []).append((weight, weight * value))
    return {
        channel: (math.fsum(a for a, _ in amounts), math.fsum(b for _, b in amounts))
        for channel, amounts in parts.items()
    }
