"""Survey answers of groups whose NPS is known."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import NormalDist
from typing import Any

import numpy as np
import polars as pl

from cxcore import _options
from cxcore.datasets.base import Planted, by_name

#: shape of the answers inside detractors (0..6), passives (7, 8) and promoters (9, 10); own figures
SHAPE = np.array([0.06, 0.03, 0.05, 0.08, 0.10, 0.30, 0.38, 0.36, 0.64, 0.42, 0.58])
#: shares of detractors, passives and promoters before they are tilted to the NPS asked for
SHARES = (0.20, 0.32, 0.48)


def answers(
    n: int,
    *,
    rng: Any = None,
    nps: Mapping[str, float] | None = None,
    answers_per_customer: float = 1.0,
    correlation: float = 0.0,
    no_answer: float = 0.0,
) -> Planted:
    """Make survey answers from 0 to 10 of groups whose true NPS is known.

    Parameters
    ----------
    n : int
        Answers in all, 1 or more; each customer falls into a group by chance.
    rng : None, int, SeedSequence or Generator, default None
        Source of random numbers; the same seed gives the same answers.
    nps : mapping of str to float, optional
        The true NPS of each group, each strictly between -100 and 100. By default
        ``{"basic": 12, "plus": 31, "premium": 46}``.
    answers_per_customer : float, default 1.0
        Mean number of answers per customer; above 1 customers answer several times (1 + Poisson).
    correlation : float, default 0.0
        Correlation of a customer's answers on the latent normal scale, 0 to 1.
    no_answer : float, default 0.0
        Share of rows whose score is null.

    Returns
    -------
    Planted
        ``frame``: ``customer_id`` (Int64), ``group`` (String), ``score`` (Int64, 0 to 10 or null).
        ``truth``: one row per group with ``group``, ``nps`` and the shares ``detractors``, ``passives``,
        ``promoters`` of the population (not of the sample).

    Raises
    ------
    InvalidOptionError
        An option is out of its range.

    Notes
    -----
    Time and memory grow with ``n``. The law of each group is one shape, tilted: promoters times x, detractors
    times 1/x, and x solves the quadratic (promoters - detractors) / (all three) = NPS / 100. An answer is a
    normal variable cut at the quantiles of that law, so that correlation leaves the law as it is.

    Examples
    --------
    >>> from cxcore import datasets
    >>> frame, truth = datasets.answers(500, rng=1, nps={"control": 30.0, "pilot": 42.0})
    >>> frame.columns
    ['customer_id', 'group', 'score']
    >>> truth["nps"].to_list()
    [30.0, 42.0]
    """
    call = "datasets.answers"
    n = _options.whole(call, "n", n, 1)
    rng = _options.generator(call, rng)
    planted = by_name(
        call,
        "nps",
        {"basic": 12, "plus": 31, "premium": 46} if nps is None else nps,
        lambda value: -100 < value < 100,
        "one number per group, each between -100 and 100.",
        "such as nps={'control': 30, 'pilot': 42}.",
    )
    per_customer = _options.number(call, "answers_per_customer", answers_per_customer, 1, 1000)
    correlation = _options.number(call, "correlation", correlation, 0, 1)
    no_answer = _options.number(call, "no_answer", no_answer, 0, 1)

    laws = np.array([_law(value / 100) for value in planted.values()])
    customer = _customers(n, per_customer, rng)
    n_customers = int(customer[-1]) + 1
    group = rng.integers(0, len(planted), n_customers)[customer]
    latent = np.sqrt(1 - correlation) * rng.standard_normal(n)
    latent += np.sqrt(correlation) * rng.standard_normal(n_customers)[customer]
    score = np.empty(n, dtype=np.int64)
    for code, law in enumerate(laws):
        rows = np.flatnonzero(group == code)
        score[rows] = np.searchsorted(_cuts(law), latent[rows])

    names = pl.Series(list(planted), dtype=pl.String)
    frame = pl.DataFrame({"customer_id": customer + 1, "group": names.gather(group), "score": score})
    if no_answer:
        silent = pl.Series(rng.random(n) < no_answer)
        frame = frame.with_columns(score=pl.when(~silent).then("score"))
    truth = pl.DataFrame(
        {
            "group": names,
            "nps": np.array(list(planted.values())),
            "detractors": laws[:, :7].sum(axis=1),
            "passives": laws[:, 7:9].sum(axis=1),
            "promoters": laws[:, 9:].sum(axis=1),
        }
    )
    return Planted(frame[rng.permutation(n)], truth)


def _law(balance: float) -> np.ndarray:
    """Chances of 0..10 with promoters - detractors = balance, strictly between -1 and 1."""
    low, middle, high = SHARES
    root = np.sqrt((balance * middle) ** 2 + 4 * high * low * (1 - balance**2))
    tilt = (balance * middle + root) / (2 * high * (1 - balance))
    parts = np.array([low / tilt, middle, high * tilt])
    parts /= parts.sum()
    law: np.ndarray = SHAPE * np.repeat(parts, [7, 2, 2])
    return law


def _cuts(law: np.ndarray) -> list[float]:
    normal = NormalDist()
    return [normal.inv_cdf(min(max(p, 1e-300), 1 - 1e-16)) for p in np.cumsum(law)[:-1].tolist()]


def _customers(n: int, per_customer: float, rng: np.random.Generator) -> np.ndarray:
    """A customer's number for each of n answers, ascending."""
    if per_customer == 1:
        return np.arange(n)
    sizes = 1 + rng.poisson(per_customer - 1, n)  # n customers are always enough
    return np.repeat(np.arange(n), sizes)[:n]
