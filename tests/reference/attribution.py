"""Twin of ``_ext/attribution.pyx``, from the definition: every conversion alone, every touch of its window.

Weights of time decay are decimals of 40 digits with an exponent as large as it must be.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from fractions import Fraction
from itertools import permutations

CONTEXT = Context(prec=40, Emax=MAX_EMAX, Emin=MIN_EMIN)


#: channels in order
Path = tuple[object, ...]


@dataclass(frozen=True)
class Event:
    user: object
    tick: int
    order: int
    row: int
    channel: object = None
    converted: bool = False
    value: float = 0.0
    stage: bool = False
    container: object = None


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


def reached_rows(events: Sequence[Event], lookback: int | None) -> list[tuple[int, int]]:
    """Code of the user, in the order of first conversions, and row of each event that is looked at."""
    who = dict.fromkeys(e.user for e in events if e.user is not None and e.converted)
    code = {user: k for k, user in enumerate(who)}
    return [(code[e.user], e.row) for e in looked_at(events, False, lookback)]


def channels_of(categories: Sequence[int | None]) -> tuple[dict[int | None, int], list[int]]:
    """Twice the code of each category (-2: none), and the rows in which they appear first."""
    _, first = dense_codes(categories)
    return {None: -2, **{categories[row]: 2 * code for code, row in enumerate(first)}}, first


def what_rows_say(categories: Sequence[int | None], converted: Sequence[bool]) -> list[int]:
    """Twice the code of each category, one more where the row converts."""
    known, _ = channels_of(categories)
    return [known[c] + yes for c, yes in zip(categories, converted, strict=True)]


def values_at(value: Sequence[float | None], row: Sequence[int]) -> list[float]:
    return [value[k] or 0.0 for k in row]


def largest(value: Sequence[float | None]) -> float:
    """The largest absolute value, infinite where one is no number; 0 where there is none."""
    given = [abs(x) for x in value if x is not None]
    return math.inf if any(map(math.isnan, given)) else max(given, default=0.0)


def codes_of(code: Sequence[int], flag: Sequence[bool]) -> list[int]:
    """Codes of the flagged rows, each once and in order; -1 is none."""
    return sorted({c for c, yes in zip(code, flag, strict=True) if yes and c >= 0})


def runs(mine: Sequence[Event]) -> dict[Event, int]:
    """A number for each run of touches and conversions of one container; no container is a run of its own."""
    said = [e for e in mine if e.channel is not None or e.converted]
    number, numbers = 0, {}
    for before, event in zip([None, *said], said, strict=False):
        if before is None or event.container is None or event.container != before.container:
            number += 1
        numbers[event] = number
    return numbers


def fill_journeys(
    events: Sequence[Event], lookback: int | None, reset: bool, contained: bool = False
) -> list[Journey]:
    """Every conversion with the touches in (conversion - lookback, conversion], in its container."""
    found = []
    for user in users(events):
        mine, used = of_user(events, user), set()
        run = runs(mine) if contained else dict.fromkeys(mine, 0)
        for conversion in (e for e in mine if e.converted):
            touches = tuple(
                e
                for e in mine
                if e.channel is not None
                and e.tick <= conversion.tick
                and (lookback is None or e.tick > conversion.tick - lookback)
                and not (reset and e in used)
                and run[e] == run[conversion]
            )
            used.update(touches)
            found.append(Journey(conversion, touches))
    return found


# ------------------------------------------------- models: a journey -> weight of each touch, oldest first


def first_touch(journey: Journey) -> list[float]:
    return [1.0] + [0.0] * (len(journey.touches) - 1)


def last_touch(journey: Journey) -> list[float]:
    return [0.0] * (len(journey.touches) - 1) + [1.0]


def last_non(journey: Journey, channels: Collection[object]) -> list[float]:
    """The last touch of another channel; where there is none, the last touch."""
    others = [i for i, touch in enumerate(journey.touches) if touch.channel not in channels]
    return one_of(journey, others[-1] if others else len(journey.touches) - 1)


def first_non(journey: Journey, channels: Collection[object]) -> list[float]:
    others = [i for i, touch in enumerate(journey.touches) if touch.channel not in channels]
    return one_of(journey, others[0] if others else 0)


def same_touch(journey: Journey) -> list[float]:
    """The touch that is the converting row."""
    return [float(touch.row == journey.conversion.row) for touch in journey.touches]


def one_of(journey: Journey, place: int) -> list[float]:
    return [float(i == place) for i in range(len(journey.touches))]


def linear(journey: Journey) -> list[float]:
    return [1 / len(journey.touches)] * len(journey.touches)


def position(journey: Journey, first: float = 0.4, middle: float = 0.2, last: float = 0.4) -> list[float]:
    n = len(journey.touches)
    if n == 1:
        return [1.0]
    if n == 2:
        return [first / (first + last), last / (first + last)] if first + last else [0.5, 0.5]
    parts = [first, *[middle / (n - 2)] * (n - 2), last]
    return [part / (first + middle + last) for part in parts]


def w(journey: Journey) -> list[float]:
    """30 for each milestone that a touch is, 10 shared by those that are none; then of 1."""
    n = len(journey.touches)
    marked = [i for i, touch in enumerate(journey.touches) if touch.stage][:1]
    milestones = [0, n - 1, *marked]
    others = [i for i in range(n) if i not in milestones]
    parts = [30.0 * milestones.count(i) + (10 / len(others) if i in others else 0.0) for i in range(n)]
    return [part / math.fsum(parts) for part in parts]


def participation(journey: Journey) -> list[float]:
    """1 for each channel, at its last touch."""
    names = [touch.channel for touch in journey.touches]
    return [float(name not in names[i + 1 :]) for i, name in enumerate(names)]


def shapley(journey: Journey) -> list[float]:
    """Shapley values of the game v(S) = 1 if S holds all channels of the journey, by its sum over orders."""
    players = sorted({touch.channel for touch in journey.touches}, key=repr)
    value = dict.fromkeys(players, 0.0)
    orders = list(permutations(players))
    for order in orders:
        met: set[object] = set()
        for player in order:
            before = met >= set(players)
            met.add(player)
            value[player] += ((met >= set(players)) - before) / len(orders)
    names = [touch.channel for touch in journey.touches]
    return [value[name] if name not in names[i + 1 :] else 0.0 for i, name in enumerate(names)]


def ordered_shapley(journey: Journey) -> list[float]:
    """1 / channels, spread over the touches of each channel."""
    names = [touch.channel for touch in journey.touches]
    return [1 / len(set(names)) / names.count(name) for name in names]


def counterfactual(journey: Journey, journeys: Sequence[Journey], nulls: Sequence[Path]) -> list[float]:
    """What each touch adds to the conversion rate of its path, by all journeys: PathTable and PathRates."""
    paths = [tuple(touch.channel for touch in other.touches) for other in journeys]

    def rate(path: Path) -> Fraction:
        converted = paths.count(path) if path else 0
        return Fraction(converted, converted + list(nulls).count(path)) if converted else Fraction(0)

    path = tuple(touch.channel for touch in journey.touches)
    gains = [max(Fraction(0), rate(path) - rate(path[:i] + path[i + 1 :])) for i in range(len(path))]
    total = sum(gains)
    return [float(gain / total) if total else 1 / len(path) for gain in gains]


def place_and_age(journey: Journey, even: float, first: float, middle: float, last: float) -> list[float]:
    """A part that all share alike, the others as by ``position``; models of age: ``time_decay``."""
    if not first + middle + last:
        return linear(journey)
    ends = position(journey, first, middle, last)
    return [even * a + (1 - even) * b for a, b in zip(linear(journey), ends, strict=True)]


def time_decay(journey: Journey, half_life: float) -> list[float]:
    """2 ** (-age / half_life), normalized; half_life in ticks."""
    ages = [journey.conversion.tick - touch.tick for touch in journey.touches]
    weights = [CONTEXT.power(Decimal(2), CONTEXT.divide(Decimal(-age), Decimal(half_life))) for age in ages]
    total = Decimal(0)
    for weight in weights:
        total = CONTEXT.add(total, weight)
    return [float(CONTEXT.divide(weight, total)) for weight in weights]


def credit(
    journeys: Sequence[Journey], model: Callable[[Journey], list[float]]
) -> dict[object, tuple[float, float]]:
    """Conversions and value of each channel; of None what no touch earned."""
    parts: dict[object, list[tuple[float, float]]] = {}
    for journey in journeys:
        value = journey.conversion.value
        weights = model(journey) if journey.touches else []
        if not any(weights):
            parts.setdefault(None, []).append((1.0, value))
        for touch, weight in zip(journey.touches, weights, strict=True):
            parts.setdefault(touch.channel, []).append((weight, weight * value))
    return {
        channel: (math.fsum(a for a, _ in amounts), math.fsum(b for _, b in amounts))
        for channel, amounts in parts.items()
    }
