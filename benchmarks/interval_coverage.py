"""Coverage of the interval methods: the chance that an interval holds the truth, by adding up every sample.

    python benchmarks/interval_coverage.py [methods, joined by commas; all that have no draws]

For each kind of score and each number of answers it prints the least coverage over some populations, nominal
95 %: the table of docs/explanation/scores.md. No seed and no simulation: all samples that can happen are
counted, with their multinomial probabilities. Scores of many levels have too many samples beyond small n.
"""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from cxcore import DegenerateDataWarning
from cxcore.intervals import interval_of

#: kind of score -> weights, populations (shares by weight, lowest first), numbers of answers
KINDS: dict[str, tuple[Sequence[int], list[tuple[float, ...]], Sequence[int]]] = {
    "NPS": (
        (-1, 0, 1),
        [
            (0.02, 0.06, 0.92),
            (0.08, 0.14, 0.78),
            (0.20, 0.30, 0.50),
            (0.35, 0.30, 0.35),
            (0.60, 0.20, 0.20),
            (0.45, 0.10, 0.45),
            (0.10, 0.75, 0.15),
            (0.01, 0.02, 0.97),
        ],
        (5, 8, 10, 20, 30, 50, 70),
    ),
    "CSAT, top box": (
        (0, 1),
        [(1 - p, p) for p in (0.3, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.97, 0.98)],
        (5, 8, 10, 20, 30, 50, 100),
    ),
    "CSAT, mean of 1 to 5": (
        (1, 2, 3, 4, 5),
        [
            (0.01, 0.01, 0.03, 0.15, 0.80),
            (0.04, 0.04, 0.07, 0.25, 0.60),
            (0.10, 0.10, 0.20, 0.30, 0.30),
            (0.20, 0.20, 0.20, 0.20, 0.20),
            (0.40, 0.25, 0.15, 0.12, 0.08),
            (0.45, 0.03, 0.04, 0.03, 0.45),
            (0.05, 0.15, 0.60, 0.15, 0.05),
            (0.01, 0.005, 0.005, 0.01, 0.97),
        ],
        (5, 8, 10, 20, 30),
    ),
    "CES, mean of 1 to 7": (
        (1, 2, 3, 4, 5, 6, 7),
        [
            (0.01, 0.01, 0.01, 0.02, 0.05, 0.20, 0.70),
            (0.03, 0.03, 0.04, 0.06, 0.14, 0.30, 0.40),
            (0.03, 0.04, 0.06, 0.10, 0.22, 0.30, 0.25),
            (0.14, 0.14, 0.14, 0.16, 0.14, 0.14, 0.14),
            (0.35, 0.25, 0.15, 0.10, 0.05, 0.05, 0.05),
            (0.40, 0.05, 0.03, 0.04, 0.03, 0.05, 0.40),
            (0.01, 0.005, 0.005, 0.005, 0.005, 0.01, 0.96),
        ],
        (5, 8, 10),
    ),
}
#: least coverage that the default promises at n answers, in per cent
TARGET = {5: 91.0, 30: 94.0}
METHODS = (
    "bootstrap",
    "score",
    "score_n_minus_1",
    "bca",
    "percentile",
    "expanded",
    "basic",
    "wald",
    "adjusted_wald",
    "bayesian",
)
#: half a millisecond a sample: only where there are few
SLOW, MOST_OF_SLOW = {"bayesian"}, 3_000


def samples(n: int, n_levels: int) -> NDArray[np.int64]:
    """All ways to share n answers among the levels, int64[n_samples, n_levels]."""
    table = np.zeros((1, 0), dtype=np.int64)
    for _ in range(n_levels - 1):
        left = n - table.sum(axis=1)
        which = np.repeat(np.arange(len(table)), left + 1)
        count = np.arange(len(which)) - np.repeat(np.cumsum(left + 1) - left - 1, left + 1)
        table = np.column_stack([table[which], count])
    return np.column_stack([table, n - table.sum(axis=1)])


def least_coverage(
    n: int, weights: Sequence[int], populations: Sequence[Sequence[float]], methods: Sequence[str]
) -> Iterator[float]:
    """For each method the least chance, in per cent, that its 95 % interval holds the true mean."""
    counts = samples(n, len(weights))
    log_factorial = np.array([math.lgamma(i + 1) for i in range(n + 1)])
    log_ways = log_factorial[n] - log_factorial[counts].sum(axis=1)
    chances = [np.exp(log_ways + counts @ np.log(shares)) for shares in populations]
    truths = [float(np.dot(weights, shares)) for shares in populations]
    for method in methods:
        if method in SLOW and len(counts) > MOST_OF_SLOW:
            yield math.nan
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DegenerateDataWarning)
            found = interval_of(counts, weights, method=method)  # type: ignore[arg-type]  # keys of METHODS are text
        holds = [(found.low <= truth + 1e-12) & (found.high >= truth - 1e-12) for truth in truths]
        yield 100 * min(float(chance @ held) for chance, held in zip(chances, holds, strict=True))


def main(methods: Sequence[str] = METHODS) -> None:
    for kind, (weights, populations, sizes) in KINDS.items():
        print(f"\n{kind}: worst of {len(populations)} populations\n")
        print("| n | " + " | ".join(f"`{method}`" for method in methods) + " |")
        print("|---" * (len(methods) + 1) + "|")
        for n in sizes:
            row = least_coverage(n, weights, populations, methods)
            print(f"| {n} | " + " | ".join("" if x != x else f"{x:.1f}" for x in row) + " |", flush=True)


if __name__ == "__main__":
    main(*(argument.split(",") for argument in sys.argv[1:2]))
