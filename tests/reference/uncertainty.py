"""Twin of ``_ext/uncertainty.pyx``: a billionth of a customer more, in fractions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise

from tests.reference.markov import CONVERSION, NULL, START, removal_effects

Amounts = dict[object, tuple[Fraction, Fraction]]
#: a journey: its channels, its value (None: it did not convert), whose it is
Walk = tuple[Sequence[object], float | None, object]
EPSILON = Fraction(1, 10**9)


def chain_influence(walks: Sequence[Walk], who: object) -> dict[object, tuple[float, float]]:
    """Conversions and value by channel, for each customer like ``who`` (invert_chain serves it alone)."""
    return _slope(walks, who, _chain_credit)


def customer_credit(
    walks: Sequence[Walk], who: object, weights: Callable[[int], Sequence[Fraction]]
) -> dict[object, tuple[float, float]]:
    """The same of a rule: weights of n touches, oldest first."""

    def credit(walks: Sequence[Walk], times: Mapping[object, Fraction]) -> Amounts:
        earned: Amounts = {}
        for path, value, user in walks:
            for channel, part in zip(path, weights(len(path)), strict=True) if value is not None else ():
                before, worth = earned.get(channel, (Fraction(0), Fraction(0)))
                part = part * times[user]
                earned[channel] = (before + part, worth + part * Fraction(value or 0.0))
        return earned

    return _slope(walks, who, credit)


def _slope(
    walks: Sequence[Walk], who: object, credit: Callable[[Sequence[Walk], Mapping[object, Fraction]], Amounts]
) -> dict[object, tuple[float, float]]:
    once = {user: Fraction(1) for _, _, user in walks}
    before, after = credit(walks, once), credit(walks, {**once, who: 1 + EPSILON})
    return {
        channel: (
            float((after[channel][0] - before[channel][0]) / EPSILON),
            float((after[channel][1] - before[channel][1]) / EPSILON),
        )
        for channel in before
    }


def _chain_credit(walks: Sequence[Walk], times: Mapping[object, Fraction]) -> Amounts:
    steps: dict[tuple[object, object], Fraction] = {}
    worth: dict[object, Fraction] = {}
    for path, value, user in walks:
        if not path:
            continue
        end = NULL if value is None else CONVERSION
        for step in pairwise([START, *path, end]):
            steps[step] = steps.get(step, Fraction(0)) + times[user]
        worth[path[-1]] = worth.get(path[-1], Fraction(0)) + times[user] * Fraction(value or 0.0)
    lost, lost_value = removal_effects(steps, worth)
    converted = sum((n for (_, b), n in steps.items() if b == CONVERSION), Fraction(0))
    whole, whole_value = sum(lost.values(), Fraction(0)), sum(lost_value.values(), Fraction(0))
    amounts: Amounts = {}
    for channel in lost:
        part = lost[channel] / whole if whole else Fraction(0)
        value_part = lost_value[channel] / whole_value if whole_value else part
        amounts[channel] = (converted * part, sum(worth.values(), Fraction(0)) * value_part)
    return amounts
