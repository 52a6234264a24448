"""Twins of the outcomes of a customer: one customer after the other, from the definitions."""

from __future__ import annotations

from collections.abc import Sequence

Answer = tuple[int, int]  # (time, score)


def worst(answers: Sequence[Answer]) -> Answer:
    """(score, time): the lowest, and when it was last given."""
    lowest = min(score for _, score in answers)
    return lowest, max(time for time, score in answers if score == lowest)


def last(answers: Sequence[Answer]) -> Answer:
    """(score, time): of the latest time, the lowest."""
    latest = max(time for time, _ in answers)
    return min(score for time, score in answers if time == latest), latest


def first(answers: Sequence[Answer]) -> Answer:
    """(score, time): of the earliest time, the lowest."""
    earliest = min(time for time, _ in answers)
    return min(score for time, score in answers if time == earliest), earliest


def peak(answers: Sequence[Answer], baseline: float) -> int:
    """The farthest from the baseline; of equals the latest, and of one time the lowest."""
    farthest = max(abs(score - baseline) for _, score in answers)
    _, score = max((time, -score) for time, score in answers if abs(score - baseline) == farthest)
    return -score
