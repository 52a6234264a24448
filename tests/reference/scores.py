"""Twins of the score kernels: slow, in exact whole numbers, written from the definitions.

``count_levels``; ``describe``; ``guarded`` of guarded_interval; ``score`` of score_interval; ``percentile``
and ``bca`` of resample_interval; ``resample_law``, summed, of resample_cdf; ``always_valid`` of
always_valid_interval. The other interval methods have no kernel: ``studentized`` looks at every resample,
``posterior_cdf`` integrates over one share after the other.
"""

from __future__ import annotations

import decimal
import itertools
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import lru_cache
from statistics import NormalDist
from typing import Any

from scipy import integrate, optimize, special, stats

#: a probability within this share of the tail counts as reached (a tie is no matter of the last bit)
TIE = Fraction(1, 10**9)
NORMAL = NormalDist()


def count_levels(
    answers: Sequence[float | None],
    groups: Sequence[object],
    scale: tuple[int, int],
    missing: Sequence[int] = (),
) -> dict[object, tuple[list[int], int]]:
    """{group: (answers at each level, rows without an answer)}"""
    low, high = scale
    table: dict[object, tuple[Counter[int], list[int]]] = {}
    for answer, group in zip(answers, groups, strict=True):
        levels, blank = table.setdefault(group, (Counter(), [0]))
        if answer is None or answer in missing:
            blank[0] += 1
        else:
            assert answer == int(answer)
            assert low <= answer <= high
            levels[int(answer)] += 1
    return {
        group: ([levels[level] for level in range(low, high + 1)], blank[0])
        for group, (levels, blank) in table.items()
    }


def describe(counts: Sequence[int], weights: Sequence[int], few: int) -> tuple[int, int, int, float, float]:
    """Answers, those outside the largest class, flags, mean and standard error of at least one answer."""
    answers = [weight for count, weight in zip(counts, weights, strict=True) for _ in range(count)]
    n = len(answers)
    mean = Fraction(sum(answers), n)
    variance = sum((answer - mean) ** 2 for answer in answers) / n
    flags = 2 * (n < few) + 4 * (len(set(answers)) == 1)
    return n, n - max(Counter(answers).values()), flags, float(mean), math.sqrt(variance / n)


# ---------------------------------------------------------------- the ideal bootstrap


def resample_law(counts: Sequence[int], weights: Sequence[int]) -> tuple[dict[int, int], int]:
    """How many of the n**n equally likely resamples have each sum: {sum: resamples}, and n**n."""
    n = sum(counts)
    law = {0: 1}
    for _ in range(n):
        after: Counter[int] = Counter()
        for total, ways in law.items():
            for count, weight in zip(counts, weights, strict=True):
                if count:
                    after[total + weight] += ways * count
        law = dict(after)
    return law, n**n


def lowest(law: dict[int, int], resamples: int, tail: Fraction) -> int:
    """Smallest sum at or below which at least ``tail`` of the law lies."""
    wanted = (tail - TIE * min(tail, 1 - tail)) * resamples
    reached = 0
    for total in sorted(law):
        reached += law[total]
        if reached >= wanted:
            return total
    return max(law)


def percentile(counts: Sequence[int], weights: Sequence[int], alpha: float) -> tuple[Fraction, Fraction]:
    law, resamples = resample_law(counts, weights)
    return _between(law, resamples, sum(counts), Fraction(alpha) / 2, Fraction(alpha) / 2)


def bca(counts: Sequence[int], weights: Sequence[int], alpha: float) -> tuple[Fraction, Fraction]:
    law, resamples = resample_law(counts, weights)
    n = sum(counts)
    total = sum(count * weight for count, weight in zip(counts, weights, strict=True))
    if len(law) == 1:
        return Fraction(total, n), Fraction(total, n)
    below = sum(ways for s, ways in law.items() if s < total)
    z0 = NORMAL.inv_cdf(float(Fraction(2 * below + law[total], 2 * resamples)))
    cube = sum(c * (Fraction(w) - Fraction(total, n)) ** 3 for c, w in zip(counts, weights, strict=True))
    square = sum(c * (Fraction(w) - Fraction(total, n)) ** 2 for c, w in zip(counts, weights, strict=True))
    a = float(cube) / (6 * float(square) ** 1.5)
    z = NORMAL.inv_cdf(1 - alpha / 2)
    lower, upper = (
        NORMAL.cdf(z0 + (z0 + side) / (1 - a * (z0 + side))) if a * (z0 + side) < 1 else float(side > 0)
        for side in (-z, z)
    )
    return _between(law, resamples, n, Fraction(lower), 1 - Fraction(upper))


def difference_law(
    one: Sequence[int], two: Sequence[int], weights: Sequence[int]
) -> dict[Fraction, Fraction]:
    """Chance of each difference of means, each side drawn again from its own answers."""
    (law_one, all_one), (law_two, all_two) = resample_law(one, weights), resample_law(two, weights)
    n_one, n_two = sum(one), sum(two)
    law: dict[Fraction, Fraction] = {}
    for s, ways in law_one.items():
        for t, others in law_two.items():
            d = Fraction(s, n_one) - Fraction(t, n_two)
            law[d] = law.get(d, Fraction(0)) + Fraction(ways * others, all_one * all_two)
    return law


def difference_bca(
    one: Sequence[int], two: Sequence[int], weights: Sequence[int], alpha: float
) -> tuple[Fraction, Fraction]:
    """BCa of a difference of means; both sides have spread."""
    law = difference_law(one, two, weights)
    moments = []
    for counts in (one, two):
        n = sum(counts)
        mean = Fraction(sum(c * w for c, w in zip(counts, weights, strict=True)), n)
        central = [sum(c * (w - mean) ** p for c, w in zip(counts, weights, strict=True)) / n for p in (2, 3)]
        moments.append((n, mean, *map(float, central)))
    (n1, mean1, square1, cube1), (n2, mean2, square2, cube2) = moments
    observed = mean1 - mean2
    a = (cube1 / n1**2 - cube2 / n2**2) / (6 * (square1 / n1 + square2 / n2) ** 1.5)
    below = sum(chance for d, chance in law.items() if d < observed)
    z0 = NORMAL.inv_cdf(float(below + law[observed] / 2))
    z = NORMAL.inv_cdf(1 - alpha / 2)
    lower, upper = (
        NORMAL.cdf(z0 + (z0 + side) / (1 - a * (z0 + side))) if a * (z0 + side) < 1 else float(side > 0)
        for side in (-z, z)
    )
    turned = {-d: chance for d, chance in law.items()}
    return _lowest(law, Fraction(lower)), -_lowest(turned, 1 - Fraction(upper))


def _lowest(law: dict[Fraction, Fraction], tail: Fraction) -> Fraction:
    reached = Fraction(0)
    for d in sorted(law):
        reached += law[d]
        if reached >= tail - TIE * min(tail, 1 - tail):
            return d
    return max(law)


def _between(
    law: dict[int, int], resamples: int, n: int, below: Fraction, above: Fraction
) -> tuple[Fraction, Fraction]:
    turned = {-total: ways for total, ways in law.items()}
    return Fraction(lowest(law, resamples, below), n), Fraction(-lowest(turned, resamples, above), n)


def studentized(counts: Sequence[int], weights: Sequence[int], alpha: float) -> tuple[float, float]:
    """Bootstrap-t over every resample; one without spread is infinitely far, and ends stay on the scale."""
    n = sum(counts)
    mean, error = _moments(counts, weights)
    if error == 0:
        return mean, mean
    pivots = []
    for resample in samples(n, len(counts)):
        if any(drawn and not count for drawn, count in zip(resample, counts, strict=True)):
            continue
        chance = Fraction(math.factorial(n), n**n)
        for drawn, count in zip(resample, counts, strict=True):
            chance *= Fraction(count**drawn, math.factorial(drawn))
        middle, spread = _moments(resample, weights)
        away = 0.0 if abs(middle - mean) < 1e-12 else middle - mean
        t = away / spread if spread else math.copysign(math.inf, away) if away else 0.0
        pivots.append((t, chance))
    tail = Fraction(alpha) / 2
    low = mean + error * _lowest_pivot([(-t, chance) for t, chance in pivots], tail)
    high = mean - error * _lowest_pivot(pivots, tail)
    return max(low, min(weights)), min(high, max(weights))


def _moments(counts: Sequence[int], weights: Sequence[int]) -> tuple[float, float]:
    n = sum(counts)
    mean = Fraction(sum(count * weight for count, weight in zip(counts, weights, strict=True)), n)
    square = sum(count * (weight - mean) ** 2 for count, weight in zip(counts, weights, strict=True))
    return float(mean), math.sqrt(square / n / n)


def _lowest_pivot(pivots: Sequence[tuple[float, Fraction]], tail: Fraction) -> float:
    reached = Fraction(0)
    for t, chance in sorted(pivots):
        reached += chance
        if reached >= tail * (1 - TIE):
            return t
    raise AssertionError("a law sums to one")


# ---------------------------------------------------------------- the posterior


def posterior_cdf(shape: Sequence[float], weights: Sequence[float], mean: float) -> float:
    """P(sum w p <= mean), p ~ Dirichlet(shape): the first share is a beta, the rest a smaller Dirichlet."""
    if len(shape) == 2:
        (a, b), (low, high) = shape, weights
        share = min(max((mean - low) / (high - low), 0.0), 1.0)  # of the higher weight, at most
        return float(special.betainc(b, a, share))
    first, rest = shape[0], sum(shape[1:])
    density = stats.beta(first, rest).pdf

    def part(share: float) -> float:
        left = (mean - share * weights[0]) / (1 - share)
        return float(density(share)) * posterior_cdf(shape[1:], weights[1:], left)

    kinks = ((weight - mean) / (weight - weights[0]) for weight in weights[1:])
    edges = [0.0, *sorted(kink for kink in kinks if 0 < kink < 1), 1.0]
    return sum(integrate.quad(part, a, b, limit=200)[0] for a, b in itertools.pairwise(edges))


# ---------------------------------------------------------------- the score interval


def null_variance(counts: Sequence[int], weights: Sequence[int], mean: float) -> float:
    """Variance under the likeliest multinomial with this mean, on the whole scale."""
    n = sum(counts)
    away = [weight - mean for weight in weights]
    bottom, top = min(away), max(away)
    if bottom >= 0 or top <= 0:
        return 0.0

    def share(tilt: float) -> list[float]:
        return [count / n / (1 + tilt * d) if count else 0.0 for count, d in zip(counts, away, strict=True)]

    def moment(tilt: float) -> float:
        return sum(p * d for p, d in zip(share(tilt), away, strict=True))

    low, high = -1 / top * (1 - 1e-15), -1 / bottom * (1 - 1e-15)
    for _ in range(60):  # the moment falls as the tilt grows
        middle = (low + high) / 2
        low, high = (middle, high) if moment(middle) > 0 else (low, middle)
    probability = share((low + high) / 2)
    # what the observed levels leave over sits on the end of the scale that nobody chose
    rest = 1 - sum(probability)
    end = bottom if moment((low + high) / 2) > 0 else top
    return sum(p * d * d for p, d in zip(probability, away, strict=True)) + rest * end * end


def score(
    counts: Sequence[int], weights: Sequence[int], alpha: float, missing: int = 0
) -> tuple[float, float]:
    """The means mu with (n - missing) (estimate - mu)**2 <= z**2 V0(mu), by bisection from the estimate."""
    n = sum(counts)
    estimate = sum(count * weight for count, weight in zip(counts, weights, strict=True)) / n
    square = NORMAL.inv_cdf(1 - alpha / 2) ** 2

    def edge(outer: float) -> float:
        inside, outside = estimate, float(outer)
        for _ in range(50):
            middle = (inside + outside) / 2
            if (n - missing) * (estimate - middle) ** 2 <= square * null_variance(counts, weights, middle):
                inside = middle
            else:
                outside = middle
        return (inside + outside) / 2

    return edge(min(weights)), edge(max(weights))


# ---------------------------------------------------------------- the default


def clopper_pearson(counts: Sequence[int], weights: Sequence[int], alpha: float) -> tuple[float, float]:
    """The mean weights under which neither tail of what was seen has less than alpha / 2; two weights."""
    n, top = sum(counts), counts[1]
    low = stats.beta.ppf(alpha / 2, top, n - top + 1) if top else 0.0
    high = stats.beta.ppf(1 - alpha / 2, top + 1, n - top) if top < n else 1.0
    span = weights[1] - weights[0]
    return weights[0] + span * float(low), weights[0] + span * float(high)


def guarded(counts: Sequence[int], weights: Sequence[int], alpha: float) -> tuple[str, float, float]:
    """The method that the default chooses, and its interval."""
    outside = sum(counts) - max(counts)
    if outside >= (30 if len(weights) == 2 else 15):
        low, high = bca(counts, weights, alpha)
        return "bca", float(low), float(high)
    if len(weights) == 2:
        return "exact", *clopper_pearson(counts, weights, alpha)
    if len(weights) == 3:
        return "score", *score(counts, weights, alpha)
    return "score_n_minus_1", *score(counts, weights, alpha, missing=1)


def stake(counts: Sequence[int], weights: Sequence[int], mean: float) -> float:
    """What a stake of 1 on "the mean is not this" has become, mixed over bets f ~ Beta(1/2, 1/2).

    An answer x in [0, 1] multiplies the stake of f by f x / m + (1 - f) (1 - x) / (1 - m). The product is
    multiplied out, answer by answer, into a sum of c_i f^i (1 - f)^(n - i), whose means are known.
    """
    bottom, span = min(weights), max(weights) - min(weights)
    m = (mean - bottom) / span
    terms = [1.0]
    for count, weight in zip(counts, weights, strict=True):
        x = (weight - bottom) / span
        for _ in range(count):
            up, down = [0.0, *terms], [*terms, 0.0]
            terms = [u * x / m + d * (1 - x) / (1 - m) for u, d in zip(up, down, strict=True)]
    n = len(terms) - 1
    return math.fsum(c * special.poch(0.5, i) * special.poch(0.5, n - i) for i, c in enumerate(terms)) / (
        math.factorial(n)
    )


def always_valid(counts: Sequence[int], weights: Sequence[int], alpha: float) -> tuple[float, float]:
    """The means whose stake is below 1 / alpha, by bisection from the estimate outwards."""
    n = sum(counts)
    estimate = sum(count * weight for count, weight in zip(counts, weights, strict=True)) / n

    def edge(outer: float) -> float:
        if estimate == outer:
            return outer
        inside, outside = estimate, float(outer)
        for _ in range(50):
            middle = (inside + outside) / 2
            if stake(counts, weights, middle) < 1 / alpha:
                inside = middle
            else:
                outside = middle
        return (inside + outside) / 2

    return edge(min(weights)), edge(max(weights))


def joint_stake(one: Sequence[int], two: Sequence[int], weights: Sequence[int], difference: float) -> float:
    """Log of the least product of both stakes over all pairs of means that far apart."""
    low, high = max(weights[0], weights[0] - difference), min(weights[-1], weights[-1] - difference)

    def both(mean: float) -> float:
        return math.log(stake(one, weights, mean + difference)) + math.log(stake(two, weights, mean))

    best = optimize.minimize_scalar(both, bounds=(low, high), method="bounded", options={"xatol": 1e-10})
    return float(best.fun)


def always_valid_difference(
    one: Sequence[int], two: Sequence[int], weights: Sequence[int], alpha: float
) -> tuple[float, float]:
    """The differences whose product of stakes is below 1 / alpha, by bisection from the observed one."""
    observed = sum(
        sign * sum(c * w for c, w in zip(counts, weights, strict=True)) / sum(counts)
        for sign, counts in ((1, one), (-1, two))
    )
    span = weights[-1] - weights[0]

    def edge(outer: float) -> float:
        if abs(observed - outer) < 1e-12:
            return outer
        inside, outside = observed, outer
        for _ in range(40):
            middle = (inside + outside) / 2
            if joint_stake(one, two, weights, middle) < -math.log(alpha):
                inside = middle
            else:
                outside = middle
        return (inside + outside) / 2

    return edge(-span), edge(span)


# ---------------------------------------------------------------- coverage


def samples(n: int, n_levels: int) -> Iterator[tuple[int, ...]]:
    """Every way to share n answers among the levels."""
    if n_levels == 1:
        yield (n,)
        return
    for first in range(n + 1):
        for rest in samples(n - first, n_levels - 1):
            yield (first, *rest)


def chance(sample: Sequence[int], population: Sequence[float]) -> float:
    """Multinomial probability of a sample."""
    log = math.lgamma(sum(sample) + 1)
    for count, share in zip(sample, population, strict=True):
        log += count * math.log(share) - math.lgamma(count + 1)
    return math.exp(log)


# ---------------------------------------------------------------- the law to fifty digits


def resample_cdf_in_digits(counts: Sequence[int], weights: Sequence[int], sums: Sequence[int]) -> list[float]:
    """P(sum of a resample <= s) for each of some sums, by the inversion of phi**n in sixty decimal digits.

    Sums lie in a window of 30 deviations round the mean, outside of which is less than 1e-45; nodes end where
    |phi|**n is below that. The lattice must not revive: neighbouring weights, each with many answers.
    """
    with decimal.localcontext(decimal.Context(prec=60)):
        n, one = sum(counts), decimal.Decimal(1)
        shares = [decimal.Decimal(count) / n for count in counts]
        mean = sum(share * weight for share, weight in zip(shares, weights, strict=True))
        variance = sum(share * (weight - mean) ** 2 for share, weight in zip(shares, weights, strict=True))
        deviation = (variance * n).sqrt()
        lo, size = int(n * mean - 15 * deviation), int(30 * deviation) + 2
        found = [decimal.Decimal(s - lo + 1) / size for s in sums]
        for j in range(1, size // 2):
            t = 2 * _pi() * j / size
            turns = [_turn(t * weight) for weight in weights]
            phi = tuple(sum(p * turn[axis] for p, turn in zip(shares, turns, strict=True)) for axis in (0, 1))
            power = (one, one * 0)
            for bit in bin(n)[2:]:
                power = _times(power, power)
                power = _times(power, phi) if bit == "1" else power
            if power[0] ** 2 + power[1] ** 2 < decimal.Decimal("1e-90"):
                break
            half = _turn(t / 2)[1]
            for at, s in enumerate(sums):
                r = s - lo
                back = _turn(-t * (lo + decimal.Decimal(r) / 2))
                found[at] += 2 * _times(power, back)[0] * _turn(t * (r + 1) / 2)[1] / half / size
        return [float(each) for each in found]


def _times(a: Any, b: Any) -> tuple[Any, Any]:
    return a[0] * b[0] - a[1] * b[1], a[0] * b[1] + a[1] * b[0]


def _turn(x: decimal.Decimal) -> tuple[decimal.Decimal, decimal.Decimal]:
    """Cosine and sine, by their series after whole turns are taken away."""
    x = x - 2 * _pi() * (x / (2 * _pi())).to_integral_value()
    cosine = sine = decimal.Decimal(0)
    term, k = decimal.Decimal(1), 0
    while abs(term) > decimal.Decimal("1e-62"):
        cosine, sine = (cosine + term, sine) if k % 2 == 0 else (cosine, sine + term)
        k += 1
        term *= x / k * (-1 if k % 2 == 0 else 1)
    return cosine, sine


@lru_cache
def _pi() -> decimal.Decimal:
    """Machin: 16 atan(1 / 5) - 4 atan(1 / 239)."""
    with decimal.localcontext(decimal.Context(prec=70)):
        total = decimal.Decimal(0)
        for times, of in ((16, 5), (-4, 239)):
            power, k = decimal.Decimal(1) / of, 1
            while power > decimal.Decimal("1e-72"):
                total += times * power / k * (1 if k % 4 == 1 else -1)
                power, k = power / of**2, k + 2
        return total
