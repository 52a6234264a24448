"""Coverage of intervals under weights and strata: the table of docs/explanation/scores.md.

    python benchmarks/design_coverage.py [replicates] [population]

Customers have 1 + Poisson(3) answers with a latent correlation of 0.6, cut into detractors, passives and
promoters. Strata differ by up to one deviation of that normal; their weights by up to four times, those of
their answers by as much again. Each replicate is a group, in strata of its own, of one call. The truth is
exact: the weighted mean of the strata's scores.
"""

from __future__ import annotations

import sys
from statistics import NormalDist

import numpy as np
import polars as pl

import cxcore as cx

NORMAL, RHO = NormalDist(), 0.6
#: shares of detractors, passives, promoters in the middle stratum
POPULATIONS = {"middling": (0.20, 0.30, 0.50), "happy": (0.08, 0.14, 0.78), "happiest": (0.02, 0.06, 0.92)}
#: words -> strata, customers of each, and options of the call
DESIGNS = {
    "50 customers": (1, 50, {"cluster": "who"}),
    "50 customers, weights": (1, 50, {"cluster": "who", "weight": "weight"}),
    "200 customers, weights": (1, 200, {"cluster": "who", "weight": "weight"}),
    "20 strata of 2 customers": (
        20,
        2,
        {"cluster": "who", "weight": "weight", "stratum": ["replicate", "home"]},
    ),
    "5 strata of 30 customers": (
        5,
        30,
        {"cluster": "who", "weight": "weight", "stratum": ["replicate", "home"]},
    ),
}
METHODS = ("linearized", "percentile", "bca", "basic", "expanded")


def surveys(
    shares: tuple[float, ...], n_strata: int, n_each: int, replicates: int, rng: np.random.Generator
) -> tuple[pl.DataFrame, float]:
    """Answers of many surveys, and the score that all of them are after."""
    cuts = np.array([NORMAL.inv_cdf(shares[0]), NORMAL.inv_cdf(shares[0] + shares[1])])
    shift, heft = np.linspace(-0.5, 0.5, n_strata), np.linspace(1.0, 4.0, n_strata)
    if n_strata == 1:
        shift = np.zeros(1)
    each = 1 + rng.poisson(3, replicates * n_strata * n_each)
    who = np.repeat(np.arange(len(each)), each)
    home = who // n_each % n_strata
    latent = np.sqrt(RHO) * rng.standard_normal(len(each))[who] + shift[home]
    latent += np.sqrt(1 - RHO) * rng.standard_normal(len(who))
    score = np.array([3, 8, 10], dtype=np.uint8)[np.searchsorted(cuts, latent)]
    weight = heft[home] * rng.uniform(0.5, 2.0, len(who))
    scores = [1 - NORMAL.cdf(cuts[1] - off) - NORMAL.cdf(cuts[0] - off) for off in shift.tolist()]
    frame = {
        "replicate": who // (n_each * n_strata),
        "home": home,
        "who": who,
        "weight": weight,
        "score": score,
    }
    return pl.DataFrame(frame), 100 * float(np.average(scores, weights=heft))


def main(replicates: int, populations: list[str]) -> None:
    print("| population | truth | design |", " | ".join(f"`{method}`" for method in METHODS), "|")
    print("|---" * (len(METHODS) + 3) + "|")
    for name in populations:
        shares = POPULATIONS[name]
        for at, (words, (n_strata, n_each, options)) in enumerate(DESIGNS.items()):
            rng = np.random.default_rng([list(POPULATIONS).index(name), at])  # each row stands alone
            rows, truth = surveys(shares, n_strata, n_each, replicates, rng)
            found = []
            for method in METHODS:
                answer = cx.nps(rows, score="score", by="replicate", method=method, **options)
                holds = (answer["low"] <= truth + 1e-9) & (answer["high"] >= truth - 1e-9)
                found.append(f"{100 * holds.mean():.1f}")
            print(f"| {name} | {truth:+.0f} | {words} | {' | '.join(found)} |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 4_000, sys.argv[2:] or list(POPULATIONS))
