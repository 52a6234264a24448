"""Pictures of the coverage of intervals, for docs/explanation/scores.md.

    python benchmarks/coverage_pictures.py docs/explanation

The same exact enumeration as ``interval_coverage.py``: no seed, no simulation. One picture shows 30 answers
and scores from -32 to +98, the other the worst of some populations at each number of answers.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from interval_coverage import KINDS, least_coverage

#: what is drawn, and how: the default stands out
LINES = {
    "bootstrap": ("#1b6ca8", 2.2, "bootstrap (the default)"),
    "bca": ("#c1440e", 1.2, "BCa"),
    "percentile": ("#e0a030", 1.2, "percentile"),
    "wald": ("#7a7a7a", 1.2, "Wald"),
}
SIZES = (*range(5, 31), 35, 40, 45, 50, 60, 70)
DETRACTORS_A_PASSIVE = 0.5


def populations() -> dict[float, tuple[float, float, float]]:
    """NPS -> shares, one detractor on two passives, as far as the score allows it."""
    shares = {}
    for promoters in np.linspace(0.0, 0.987, 140):
        others = 1 - promoters
        detractors = others * DETRACTORS_A_PASSIVE / (1 + DETRACTORS_A_PASSIVE)
        score = 100 * (promoters - detractors)
        if score >= -32:
            shares[score] = (detractors, others - detractors, promoters)
    return shares


def by_score(folder: Path) -> None:
    weights, _, _ = KINDS["NPS"]
    points = {
        score: list(least_coverage(30, weights, [shares], list(LINES)))
        for score, shares in populations().items()
    }
    draw(
        folder / "coverage-by-score.svg",
        points,
        "true NPS of the customers",
        "30 answers: how often an interval of 95 % holds the truth",
    )


def by_size(folder: Path) -> None:
    weights, worst_of, _ = KINDS["NPS"]
    points = {float(n): list(least_coverage(n, weights, worst_of, list(LINES))) for n in SIZES}
    draw(
        folder / "coverage-by-answers.svg",
        points,
        "answers",
        "NPS, the worst of eight kinds of customers: the same, by number of answers",
    )


def draw(path: Path, points: dict[float, list[float]], across: str, title: str) -> None:
    # text stays text, and nothing of the day or of chance is in the file: equal numbers give equal bytes
    plt.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "cxcore", "font.size": 9})
    figure, axes = plt.subplots(figsize=(7, 3.2), layout="constrained")
    axes.axhline(95, color="black", linewidth=0.8, linestyle=":")
    for at, (color, width, label) in enumerate(LINES.values()):
        axes.plot(list(points), [each[at] for each in points.values()], color=color, lw=width, label=label)
    axes.set(xlabel=across, ylabel="coverage, %", ylim=(0, 101))
    axes.set_title(title, loc="left", fontsize=9)
    axes.legend(frameon=False, loc="lower left" if "NPS of" in across else "lower right")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    by_score(Path(sys.argv[1]))
    by_size(Path(sys.argv[1]))
