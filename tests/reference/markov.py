"""Twin of ``_ext/markov.pyx``, in fractions: build the chain, take each channel out of it, look what is left.

To take a channel out is to send all that flows into it to null.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction

from tests.reference.attribution import Event, Journey, of_user, users

START, CONVERSION, NULL = "(start)", "(conversion)", "(null)"
Steps = Mapping[tuple[object, object], Fraction]


def null_journeys(events: Sequence[Event], lookback: int | None) -> list[list[object]]:
    """Per user the channels after the last conversion, within lookback of the final one (null_windows)."""
    found = []
    for user in users(events):
        mine = of_user(events, user)
        last = max((e.tick for e in mine if e.converted), default=None)
        after = [e for e in mine if e.channel is not None and (last is None or e.tick > last)]
        if after:
            final = after[-1].tick
            found.append([e.channel for e in after if lookback is None or final - e.tick < lookback])
    return found


def count_transitions(
    journeys: Sequence[Journey], nulls: Sequence[Sequence[object]]
) -> Counter[tuple[object, object]]:
    """Steps from state to state over all journeys that have a touch."""
    steps: Counter[tuple[object, object]] = Counter()
    ends = [([t.channel for t in j.touches], CONVERSION) for j in journeys] + [(list(p), NULL) for p in nulls]
    for path, end in ends:
        if path:
            steps.update(zip([START, *path], [*path, end], strict=True))
    return steps


def earned(journeys: Sequence[Journey]) -> dict[object, Fraction]:
    """Value of the conversions right after each channel."""
    value: dict[object, Fraction] = {}
    for journey in journeys:
        if journey.touches:
            last = journey.touches[-1].channel
            value[last] = value.get(last, Fraction(0)) + Fraction(journey.conversion.value)
    return value


def expected(steps: Steps, reward: Mapping[object, Fraction], gone: object = None) -> Fraction:
    """Reward that a walk from start collects before it ends, with the channel ``gone`` taken out.

    ``reward`` is what one visit of a state earns at once. Solves E = reward + P E by elimination.
    """
    states = [START, *dict.fromkeys(b for _, b in steps if b not in (CONVERSION, NULL, START))]
    out = {a: sum(n for (b, _), n in steps.items() if a == b) for a in states}
    rows = []
    for a in states:
        row = [Fraction(a == b) for b in states]
        if a != gone:
            for i, b in enumerate(states):
                row[i] -= Fraction(steps.get((a, b), 0)) / out[a] if b != gone else 0
        rows.append([*row, reward.get(a, Fraction(0)) if a != gone else Fraction(0)])
    n = len(states)
    for k in range(n):
        pivot = next(i for i in range(k, n) if rows[i][k])
        rows[k], rows[pivot] = rows[pivot], rows[k]
        rows[k] = [x / rows[k][k] for x in rows[k]]
        for i in range(n):
            if i != k and rows[i][k]:
                rows[i] = [x - rows[i][k] * y for x, y in zip(rows[i], rows[k], strict=True)]
    return rows[states.index(START)][n]


def removal_effects(
    steps: Steps, value: Mapping[object, Fraction]
) -> tuple[dict[object, Fraction], dict[object, Fraction]]:
    """What is lost without each channel: a part of all conversions, and of value an amount a walk."""
    channels = list(dict.fromkeys(b for _, b in steps if b not in (CONVERSION, NULL)))
    if not channels:
        return {}, {}
    out = {a: sum(n for (b, _), n in steps.items() if a == b) for a in channels}
    converts = {a: Fraction(steps.get((a, CONVERSION), 0)) / out[a] for a in channels}
    worth = {a: value.get(a, Fraction(0)) / out[a] for a in channels}
    whole, whole_worth = expected(steps, converts), expected(steps, worth)
    lost = {c: (whole - expected(steps, converts, c)) / whole if whole else Fraction(0) for c in channels}
    return lost, {c: whole_worth - expected(steps, worth, c) for c in channels}


def credit(
    journeys: Sequence[Journey], nulls: Sequence[Sequence[object]]
) -> dict[object, tuple[float, float, float]]:
    """Conversions, value and removal effect of each channel."""
    steps = count_transitions(journeys, nulls)
    lost, lost_value = removal_effects(steps, earned(journeys))
    converted = sum(n for (_, b), n in steps.items() if b == CONVERSION)
    total_value = sum(earned(journeys).values(), Fraction(0))
    whole, whole_value = sum(lost.values()), sum(lost_value.values())
    answer = {}
    for channel, effect in lost.items():
        part = effect / whole if whole else Fraction(0)
        value_part = lost_value[channel] / whole_value if whole_value else part
        answer[channel] = (float(converted * part), float(total_value * value_part), float(effect))
    return answer
