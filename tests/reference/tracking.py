"""Twins of what follows a score in time: answer by answer, from the definitions."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from fractions import Fraction

from scipy import optimize, stats

from tests.reference import scores


def slope(waves: Sequence[tuple[float, Sequence[int]]]) -> float:
    """Least squares through every single answer: ``waves`` are (place, the weights that were answered)."""
    points = [(Fraction(place), Fraction(weight)) for place, weights in waves for weight in weights]
    n = len(points)
    x, y = (sum(each) / n for each in zip(*points, strict=True))
    return float(sum((a - x) * (b - y) for a, b in points) / sum((a - x) ** 2 for a, _ in points))


def slope_jackknife(waves: Sequence[tuple[float, Sequence[int]]]) -> float:
    """Standard error of the slope: the line is drawn anew without each single answer."""
    b, moves = slope(waves), []
    for at, (place, answers) in enumerate(waves):
        for one in range(len(answers)):
            rest = [*answers[:one], *answers[one + 1 :]]
            moves.append(b - slope([*waves[:at], (place, rest), *waves[at + 1 :]]))
    return math.sqrt(sum(move**2 for move in moves))


def slope_interval(
    waves: Sequence[tuple[float, Sequence[int]]], weights: Sequence[int], alpha: float
) -> tuple[float, float]:
    """The further end of MOVER's and, from three waves on, of Student's with the jackknifed error.

    No slope between scores on the scale is steeper than if all before the middle were at one of its ends.
    """
    low, high = _slope_mover(waves, weights, alpha)
    if len(waves) < 3:
        return low, high
    n = sum(len(answers) for _, answers in waves)
    middle = sum(place * len(answers) for place, answers in waves) / n
    ends = [
        slope([(p, [(one if p < middle else other)] * len(answers)) for p, answers in waves])
        for one, other in ((weights[-1], weights[0]), (weights[0], weights[-1]))
    ]
    b, half = slope(waves), float(stats.t.isf(alpha / 2, n - 2)) * slope_jackknife(waves)
    return min(low, max(b - half, ends[0])), max(high, min(b + half, ends[1]))


def _slope_mover(
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


def gain(counts: Sequence[int], pooled: Sequence[int], weights: Sequence[int]) -> float:
    """Twice the log likelihood that a period gains when the pooled law is tilted to its mean."""
    n, total = sum(counts), sum(pooled)
    mean = sum(c * w for c, w in zip(counts, weights, strict=True)) / n
    law = [(c / total, w) for c, w in zip(pooled, weights, strict=True) if c]
    for p, w in (law[0], law[-1]):
        if mean == w:
            return -2 * n * math.log(p)

    def loss(theta: float) -> float:
        top = max(theta * (w - mean) for _, w in law)
        return top + math.log(math.fsum(p * math.exp(theta * (w - mean) - top) for p, w in law))

    best = optimize.minimize_scalar(loss, bracket=(-1, 1), tol=1e-12)
    return -2 * n * float(best.fun)


def find_shifts(waves: Sequence[Sequence[int]], weights: Sequence[int], penalty: float) -> list[int]:
    """Where periods begin: of all ways to cut the answered waves, the best by gain less penalties."""
    answered = [at for at, counts in enumerate(waves) if any(counts)]
    pooled = [sum(level) for level in zip(*waves, strict=True)]
    best: tuple[float, list[int]] = (-math.inf, [0])
    for n_cuts in range(len(answered)):
        for cuts in itertools.combinations(range(1, len(answered)), n_cuts):
            ends = [0, *cuts, len(answered)]
            total = -penalty * n_cuts
            for i, j in itertools.pairwise(ends):
                counts = [sum(waves[at][k] for at in answered[i:j]) for k in range(len(weights))]
                total += gain(counts, pooled, weights)
            if total > best[0] + 1e-9:
                best = total, [0, *(answered[cut] for cut in cuts)]
    return best[1]


def gain_by_chance(n_waves: int, penalty: float) -> float:
    """Bound on the chance that any number k of changes, anywhere, gains k penalties."""
    return sum(math.comb(n_waves - 1, k) * float(stats.chi2.sf(k * penalty, k)) for k in range(1, n_waves))


def slope_error(answers: Sequence[tuple[str, float, int]]) -> tuple[float, int]:
    """Standard error of the slope by clusters, and how many: what each customer moves it by, squared.

    ``answers`` are (customer, place, weight). A customer's answers move the slope by the sum of (place - mean
    place) (weight - the line there) over the sum of squared places.
    """
    n = len(answers)
    middle = sum(place for _, place, _ in answers) / n
    square = sum((place - middle) ** 2 for _, place, _ in answers)
    slope = sum((place - middle) * w for _, place, w in answers) / square
    level = sum(w for _, _, w in answers) / n
    who = sorted({customer for customer, _, _ in answers})
    moves = [
        sum(
            (place - middle) * (w - level - slope * (place - middle))
            for one, place, w in answers
            if one == customer
        )
        / square
        for customer in who
    ]
    return math.sqrt(len(who) / (len(who) - 1) * sum(move**2 for move in moves)), len(who)


def inflation(answers: Sequence[tuple[int, str, int]], n_waves: int) -> float:
    """How many times more a change has to gain: ``answers`` of one segment are (wave, customer, weight).

    The largest of 1, the variance of waves' means over customers by that over answers, and the same of the
    difference before and behind each wave, its moves less their mean; times G / (G - 1) for G customers.
    """
    who = sorted({customer for _, customer, _ in answers})
    if len(who) == len(answers):
        return 1.0
    mean = sum(weight for *_, weight in answers) / len(answers)

    def ratio(coefficient: Callable[[int], float], split: bool) -> float:
        """Of sums of coefficient times residual, added up by customer (and wave) and by answer."""
        sums: dict[tuple[str, int], float] = defaultdict(float)
        alone = 0.0
        for wave, customer, weight in answers:
            move = coefficient(wave) * (weight - mean)
            sums[customer, wave if split else 0] += move
            alone += move**2
        middle = 0.0 if split else sum(sums.values()) / len(sums)
        return sum((each - middle) ** 2 for each in sums.values()) / alone if alone > 0 else 0.0

    found = [ratio(lambda _: 1.0, split=True)]
    for place in range(1, n_waves):
        left = sum(wave < place for wave, *_ in answers)
        right = len(answers) - left
        if left and right:
            found.append(
                ratio(lambda wave, at=place, n=left, m=right: 1 / n if wave < at else -1 / m, split=False)
            )
    return max(1.0, max(found) * len(who) / max(len(who) - 1, 1))
