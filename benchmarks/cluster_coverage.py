"""Coverage of intervals of customers who answer more than once: the table of docs/explanation/scores.md.

    python benchmarks/cluster_coverage.py [replicates]

Customers have 1 + Poisson(3) answers; answers of one customer share a latent normal with correlation rho, cut
into detractors, passives and promoters. Each replicate is a group of one call, so 20,000 surveys cost
seconds. The truth is exact: the mean over answers does not depend on how many a customer gives.
"""

from __future__ import annotations

import sys
import warnings
from functools import partial
from statistics import NormalDist

import numpy as np
import polars as pl

import cxcore as cx

NORMAL = NormalDist()
#: shares of detractors, passives, promoters; a share is a top box of 9 and 10
POPULATIONS = {
    "NPS +30": (0.20, 0.30, 0.50),
    "NPS 0": (0.35, 0.30, 0.35),
    "NPS +70": (0.08, 0.14, 0.78),
    "NPS +90": (0.02, 0.06, 0.92),
    "share of 70 %": (0.10, 0.20, 0.70),
    "share of 93 %": (0.02, 0.05, 0.93),
}
#: heading -> options of the call
METHODS = {
    "as independent": {},
    "default": {"cluster": "who"},
    "cluster_t": {"cluster": "who", "method": "cluster_t"},
    "cluster_percentile": {"cluster": "who", "method": "cluster_percentile"},
    "score": {"cluster": "who", "method": "score"},
}


def surveys(
    shares: tuple[float, ...], n_customers: int, rho: float, replicates: int, rng: np.random.Generator
) -> pl.DataFrame:
    """Answers of many surveys: replicate, who, score."""
    each = 1 + rng.poisson(3, replicates * n_customers)
    who = np.repeat(np.arange(len(each)), each)
    latent = np.sqrt(rho) * rng.standard_normal(len(each))[who]
    latent += np.sqrt(1 - rho) * rng.standard_normal(len(who))
    cuts = [NORMAL.inv_cdf(shares[0]), NORMAL.inv_cdf(shares[0] + shares[1])]
    score = np.array([3, 8, 10], dtype=np.uint8)[np.searchsorted(cuts, latent)]
    return pl.DataFrame({"replicate": who // n_customers, "who": who, "score": score})


def main(replicates: int) -> None:
    rng = np.random.default_rng(1)
    print("| population | customers | rho |", " | ".join(METHODS), "|")
    print("|---" * (len(METHODS) + 3) + "|")
    for name, shares in POPULATIONS.items():
        verb, truth = partial(cx.nps, score="score"), 100 * (shares[2] - shares[0])
        if name.startswith("share"):
            verb, truth = partial(cx.csat, score="score", scale=(0, 10), top=2), 100 * shares[2]
        for n_customers in (20, 50, 100, 200):
            for rho in (0.3, 0.6):
                rows = surveys(shares, n_customers, rho, replicates, rng)
                found = []
                for options in METHODS.values():
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore", cx.DegenerateDataWarning)
                        answer = verb(rows, by="replicate", **options)
                    slack = 1e-9
                    holds = (answer["low"] <= truth + slack) & (answer["high"] >= truth - slack)
                    found.append(f"{100 * holds.mean():.1f}")
                print(f"| {name} | {n_customers} | {rho} | {' | '.join(found)} |", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 4_000)
