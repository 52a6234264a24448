"""Twins of survey designs: slow, from the definitions, one answer after the other.

``cells`` of the kernel cluster_cells, ``signatures`` of cluster_signatures, ``cluster_law`` with
``cluster_cdf`` and ``cluster_percentile`` of cluster_interval, and within strata, rescaled, ``DesignLaw``.
``linearized`` is the textbook's variance.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Container, Sequence
from fractions import Fraction
from statistics import NormalDist

NORMAL = NormalDist()
#: an answer: group, stratum, cluster, weight, value
Answer = tuple[object, object, object, float, float]


def cells(answers: Sequence[Answer]) -> dict[tuple[object, object], tuple[float, float]]:
    """{(group, cluster): (sum of weights, sum of weight times value)}"""
    sums: dict[tuple[object, object], list[float]] = defaultdict(lambda: [0.0, 0.0])
    for group, _, cluster, weight, value in answers:
        sums[group, cluster][0] += weight
        sums[group, cluster][1] += weight * value
    return {key: (size, total) for key, (size, total) in sums.items()}


def signatures(answers: Sequence[Answer]) -> dict[object, Counter[tuple[object, float, float]]]:
    """{group: how many of its clusters have this stratum, size and total}"""
    home = {cluster: stratum for _, stratum, cluster, _, _ in answers}
    found: dict[object, Counter[tuple[object, float, float]]] = defaultdict(Counter)
    for (group, cluster), (size, total) in cells(answers).items():
        found[group][home[cluster], size, total] += 1
    return found


def linearized(
    answers: Sequence[Answer],
    group: object,
    population: dict[object, float] | None = None,
    *,
    domain: bool = False,
) -> tuple[float, float, int]:
    """Weighted mean of a group, its linearized variance, and degrees of freedom.

    ``domain``: strata keep the clusters that they have in all answers; else the group is all there is. A
    stratum of one cluster counts with its distance from the mean of all. NaN where no freedom is left.
    """
    mine = [answer for answer in answers if answer[0] == group]
    mass = sum(weight for *_, weight, _ in mine)
    estimate = sum(weight * value for *_, weight, value in mine) / mass
    moves: dict[object, dict[object, float]] = defaultdict(dict)
    for _, stratum, cluster, _, _ in answers if domain else mine:
        moves[stratum][cluster] = 0.0
    for _, stratum, cluster, weight, value in mine:
        moves[stratum][cluster] += weight * (value - estimate) / mass
    everywhere: dict[object, set[object]] = defaultdict(set)
    for _, stratum, cluster, _, _ in answers:
        everywhere[stratum].add(cluster)
    variance = 0.0
    for stratum, each in moves.items():
        if stratum not in {answer[1] for answer in mine}:
            continue
        n = len(each)
        mean = sum(each.values()) / n if n > 1 else 0.0
        fraction = len(everywhere[stratum]) / population[stratum] if population else 0.0
        spread = sum((move - mean) ** 2 for move in each.values())
        variance += (1 - fraction) * (n / (n - 1) if n > 1 else 1.0) * spread
    dof = len({answer[2] for answer in mine}) - len({answer[1] for answer in mine})
    return estimate, variance if dof else math.nan, dof


# ---------------------------------------------------------------- the cluster bootstrap


def cluster_law(clusters: Sequence[tuple[int, int, int]]) -> tuple[dict[tuple[int, int], int], int]:
    """{(sum of sizes, sum of totals): resamples} of all that are equally likely, and their number.

    ``clusters``: size, total, and how many are alike.
    """
    n = sum(count for _, _, count in clusters)
    law = {(0, 0): 1}
    for _ in range(n):
        after: Counter[tuple[int, int]] = Counter()
        for (sizes, totals), ways in law.items():
            for size, total, count in clusters:
                after[sizes + size, totals + total] += ways * count
        law = dict(after)
    return law, n**n


def cluster_cdf(clusters: Sequence[tuple[int, int, int]], ratio: float) -> float:
    """P(sum total - ratio sum size + noise <= 0); noise: normal, half a unit, or a 64th of the deviation."""
    law, resamples = cluster_law(clusters)
    size, total = (sum(each[at] * each[2] for each in clusters) for at in (0, 1))
    square = sum(count * (t - total / size * s) ** 2 for s, t, count in clusters)
    noise = max(0.5, math.sqrt(square) / 64)
    return sum(
        ways / resamples * NORMAL.cdf((ratio * sizes - totals) / noise)
        for (sizes, totals), ways in law.items()
    )


def cluster_percentile(clusters: Sequence[tuple[int, int, int]], tail: float) -> tuple[Fraction, Fraction]:
    """The ratios of the law itself, not smoothed, at or beyond which ``tail`` of it lies on either side."""
    law, resamples = cluster_law(clusters)
    by_ratio: Counter[Fraction] = Counter()
    for (sizes, totals), ways in law.items():
        by_ratio[Fraction(totals, sizes)] += ways
    wanted = Fraction(tail) * (1 - Fraction(1, 10**9)) * resamples
    ends = []
    for ratios in (sorted(by_ratio), sorted(by_ratio, reverse=True)):
        reached = 0
        for ratio in ratios:
            reached += by_ratio[ratio]
            if reached >= wanted:
                ends.append(ratio)
                break
    return ends[0], ends[1]


def strata_of(
    answers: Sequence[Answer],
    group: object,
    population: dict[object, float] | None = None,
    *,
    domain: bool = False,
) -> list[tuple[list[tuple[float, float]], float]]:
    """Clusters of each stratum as (size, total) in the group, and the fraction of the population drawn.

    ``domain`` as in ``linearized``: other clusters of the stratum are there with (0, 0).
    """
    sums = cells(answers)
    found = []
    for stratum in sorted({answer[1] for answer in answers if answer[0] == group}, key=repr):
        everywhere = {answer[2] for answer in answers if answer[1] == stratum}
        mine = {answer[2] for answer in answers if answer[:2] == (group, stratum)}
        units = [sums.get((group, each), (0.0, 0.0)) for each in sorted(everywhere if domain else mine)]
        found.append((units, len(everywhere) / population[stratum] if population else 0.0))
    return found


def _draws(n: int) -> dict[tuple[int, ...], float]:
    """{how often each of n clusters is drawn: chance}, n - 1 being drawn; one alone twice or not at all."""
    if n == 1:
        return {(0,): 0.5, (2,): 0.5}
    found = {}
    for way in itertools.combinations_with_replacement(range(n), n - 1):
        counts = tuple(way.count(at) for at in range(n))
        found[counts] = math.factorial(n - 1) / math.prod(map(math.factorial, counts)) / n ** (n - 1)
    return found


class DesignLaw:
    """The rescaled bootstrap of Rao and Wu, every resample of every stratum.

    Of n clusters n - 1 are drawn; each counts 1 - l + l n / (n - 1) k times, k its draws, l² = 1 - fraction.
    A cluster alone counts twice or not at all. The law is that of the ratio, where any answer is drawn.
    """

    def __init__(self, strata: Sequence[tuple[list[tuple[float, float]], float]], unit: float) -> None:
        law: dict[tuple[float, float], float] = {(0.0, 0.0): 1.0}
        for units, fraction in strata:
            n, kept, each = len(units), math.sqrt(1 - fraction), Counter[tuple[float, float]]()
            for counts, chance in _draws(n).items():
                times = [1 - kept + kept * k * (n / (n - 1) if n > 1 else 1.0) for k in counts]
                moved = [sum(t * u[at] for t, u in zip(times, units, strict=True)) for at in (0, 1)]
                each[round(moved[0], 12), round(moved[1], 12)] += chance
            both: Counter[tuple[float, float]] = Counter()
            for (size, total), chance in law.items():
                for (more, most), other in each.items():
                    both[round(size + more, 12), round(total + most, 12)] += chance * other
            law = dict(both)
        whole = [sum(u[at] for units, _ in strata for u in units) for at in (0, 1)]
        self.estimate = whole[1] / whole[0]
        moves = [(chance, total - self.estimate * size) for (size, total), chance in law.items()]
        #: of the sum of moves; its square over the squared mass is the linearized variance
        self.deviation = math.sqrt(sum(chance * move**2 for chance, move in moves))
        self.third = sum(chance * move**3 for chance, move in moves)
        self.noise = max(unit, self.deviation / 64)
        self.law = {key: chance for key, chance in law.items() if key[0] > 0}

    def cdf(self, ratio: float) -> float:
        chances = (
            chance * NORMAL.cdf((ratio * size - total) / self.noise)
            for (size, total), chance in self.law.items()
        )
        return sum(chances) / sum(self.law.values())

    def bca_levels(self, alpha: float) -> list[float]:
        """Efron's levels for the median bias and the skewness of the law."""
        bias, acceleration = NORMAL.inv_cdf(self.cdf(self.estimate)), self.third / self.deviation**3 / 6
        ends = []
        for p in (alpha / 2, 1 - alpha / 2):
            z = bias + NORMAL.inv_cdf(p)
            ends.append(NORMAL.cdf(bias + z / (1 - acceleration * z)))
        return ends


# ---------------------------------------------------------------- comparisons


def linearized_difference(
    answers: Sequence[Answer], one: object, two: object
) -> tuple[float, float, float] | None:
    """Difference of two weighted means, its variance over clusters, and Satterthwaite's degrees of freedom.

    None where a side has one cluster.
    """
    moves: dict[object, list[float]] = defaultdict(lambda: [0.0, 0.0])
    estimates, seen = [], []
    for side, group in enumerate((one, two)):
        mine = [answer for answer in answers if answer[0] == group]
        mass = sum(weight for *_, weight, _ in mine)
        estimates.append(sum(weight * value for *_, weight, value in mine) / mass)
        seen.append({cluster for _, _, cluster, _, _ in mine})
        n = len(seen[side])
        if n == 1:
            return None
        for _, _, cluster, weight, value in mine:
            moves[cluster][side] += weight * (value - estimates[side]) / mass * math.sqrt(n / (n - 1))
    parts = [
        [(moves[cluster][0] - moves[cluster][1]) ** 2 for cluster in part]
        for part in (seen[0] - seen[1], seen[1] - seen[0], seen[0] & seen[1])
    ]
    variance = sum(map(sum, parts))
    shares = sum(sum(part) ** 2 / max(len(part) - 1, 1) for part in parts)
    dof = variance**2 / shares if shares else len(seen[0]) + len(seen[1]) - 2
    return estimates[0] - estimates[1], variance, dof


def stratified_sum(
    answers: Sequence[Answer], move_of: Callable[[Answer], float], groups: Container[object]
) -> tuple[float, int]:
    """Variance and degrees of freedom of a sum of moves within strata, over the answers of some groups.

    A stratum has all clusters of ``answers``; its only one counts with its move. No degree: NaN.
    """
    moves: dict[object, dict[object, float]] = defaultdict(lambda: defaultdict(float))
    for _, stratum, cluster, _, _ in answers:
        moves[stratum][cluster] += 0.0
    mine = [answer for answer in answers if answer[0] in groups]
    for answer in mine:
        moves[answer[1]][answer[2]] += move_of(answer)
    variance = 0.0
    for each in moves.values():
        n, mean = len(each), sum(each.values()) / len(each)
        if n == 1:
            variance += mean**2
        else:
            variance += n / (n - 1) * sum((move - mean) ** 2 for move in each.values())
    dof = len({answer[2] for answer in mine}) - len({answer[1] for answer in mine})
    return variance if dof else math.nan, dof


def stratified_difference(answers: Sequence[Answer], one: object, two: object) -> tuple[float, float, int]:
    """Difference of two weighted means within strata, its variance, and degrees of freedom."""
    mass, mean = {}, {}
    for side in (one, two):
        mine = [(weight, value) for group, _, _, weight, value in answers if group == side]
        mass[side] = sum(weight for weight, _ in mine)
        mean[side] = sum(weight * value for weight, value in mine) / mass[side]

    def move(answer: Answer) -> float:
        group, _, _, weight, value = answer
        return (1 if group == one else -1) * weight * (value - mean[group]) / mass[group]

    return mean[one] - mean[two], *stratified_sum(answers, move, (one, two))


def slope(answers: Sequence[Answer]) -> tuple[float, float, int]:
    """Weighted least squares of values on groups, which are places: slope, its variance, and freedom."""
    mass = sum(weight for *_, weight, _ in answers)
    middle = sum(weight * place for place, _, _, weight, _ in answers) / mass
    level = sum(weight * value for *_, weight, value in answers) / mass
    square = sum(weight * (place - middle) ** 2 for place, _, _, weight, _ in answers)
    found = sum(weight * (place - middle) * value for place, _, _, weight, value in answers) / square

    def move(answer: Answer) -> float:
        place, _, _, weight, value = answer
        return weight * (place - middle) * (value - level - found * (place - middle)) / square

    return found, *stratified_sum(answers, move, {place for place, *_ in answers})
