"""Twins of what follows a score in time: answer by answer, from the definitions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from tests.reference import scores


def slope(waves: Sequence[tuple[float, Sequence[int]]]) -> float:
    """Least squares through every single answer: ``waves`` are (place, the weights that were answered)."""
    points = [(Fraction(place), Fraction(weight)) for place, weights in waves for weight in weights]
    n = len(points)
    x, y = (sum(each) / n for each in zip(*points, strict=True))
    return float(sum((a - x) * (b - y) for a, b in points) / sum((a - x) ** 2 for a, _ in points))


def slope_interval(
    waves: Sequence[tuple[float, Sequence[int]]], weights: Sequence[int], alpha: float
) -> tuple[float, float]:
    """MOVER for the sum of c e: each wave's distance to its score limit, added up as squares."""
    n = sum(len(answers) for _, answers in waves)
    middle = sum(place * len(answers) for place, answers in waves) / n
    square = sum(len(answers) * (place - middle) ** 2 for place, answers in waves)
    below = above = 0.0
    for place, answers in waves:
        c = len(answers) * (place - middle) / square
        e = sum(answers) / len(answers)
        low, high = scores.score([list(answers).count(weight) for weight in weights], weights, alpha)
        below += (c * e - min(c * low, c * high)) ** 2
        above += (max(c * low, c * high) - c * e) ** 2
    b = slope(waves)
    return b - math.sqrt(below), b + math.sqrt(above)


def rolling_counts(
    answers: Sequence[tuple[int, int | None]], step: int, length: int, levels: int
) -> list[tuple[int, int, list[int], int]]:
    """(start, end, answers at each level, rows without one) of each window, each counted anew.

    ``answers`` are (tick, level or None); windows [end - length, end) end with the steps of ticks from the
    first row's to the last row's.
    """
    if not answers:
        return []
    first, last = (extreme(tick for tick, _ in answers) // step for extreme in (min, max))
    found = []
    for at in range(first, last + 1):
        end = (at + 1) * step
        inside = [level for tick, level in answers if end - length <= tick < end]
        counts = [sum(level == each for level in inside) for each in range(levels)]
        found.append((end - length, end, counts, inside.count(None)))
    return found
