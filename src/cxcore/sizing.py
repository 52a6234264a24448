"""How many answers a survey needs, for a margin or to see a difference."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from statistics import NormalDist
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cxcore import _options, errors
from cxcore._answers import score_counts
from cxcore._columns import check_roles, needed
from cxcore._score_weights import Score
from cxcore.engines import open_frame
from cxcore.metrics import Metric, MetricName, score_for

__all__ = ["sample_size"]

_NORMAL = NormalDist()
_HINT = "such as {'promoters': 0.5, 'passives': 0.3, 'detractors': 0.2}, or {5: 0.7, 3: 0.3}."


def sample_size(
    answers: Any,
    *,
    metric: MetricName | Metric = "nps",
    margin: float | None = None,
    difference: float | None = None,
    power: float = 0.8,
    confidence_level: float = 0.95,
    design_effect: float = 1.0,
    population: int | None = None,
    score: str | None = None,
    scale: tuple[int, int] | None = None,
    missing: Iterable[int] | None = None,
) -> int:
    """Answers that a survey needs, so that its score is known to a margin, or a difference is seen.

    Parameters
    ----------
    answers : mapping or frame
        What the answers will be like. A mapping of levels, or for NPS of "promoters", "passives" and
        "detractors", to shares or counts; what is not named is 0. Or a frame of earlier answers, one row an
        answer, with ``score``.
    metric : str or Metric, default "nps"
        "nps", "csat", "ces", "mean_score", or an object of ``cxcore.metrics``.
    margin : float, default None
        Half the width of the interval, in the unit of the score: points, per cent or levels. Either this or
        ``difference``.
    difference : float, default None
        True difference of two groups that should be called different, in the unit of the score. The answer is
        then the answers of **each** group.
    power : float, default 0.8
        How often such a difference should be called different, between 0 and 1; only with ``difference``.
    confidence_level : float, default 0.95
        Level of the interval, between 0 and 1.
    design_effect : float, default 1
        How much larger the variance is than that of independent answers, 1 to 1,000: customers who answer
        more than once, weights.
    population : int, default None
        Customers that there are (in each group). None: many more than are asked.
    score : str, default None
        Column of answers, where ``answers`` is a frame.
    scale : (int, int), default None
        Lowest and highest level, for a metric given by word; "mean_score" needs it.
    missing : list of int, default None
        Codes of the frame that mean 'no answer'.

    Returns
    -------
    int
        Answers, not invitations: divide by the share of customers who answer.

    Raises
    ------
    ColumnNotFoundError
        ``score`` names no column.
    InvalidOptionError
        An option cannot take its value, or the assumed answers are all alike.
    InvalidDataError
        Answers of the frame are off the scale.

    Notes
    -----
    With the standard deviation s of one answer, n0 = D (z s / margin)² for a margin, and n0 = 2 D ((z +
    z_power) s / difference)² in each group for a difference, D the design effect; then n = n0 N / (n0 + N -
    1) of a population N, rounded up (Cochran, *Sampling Techniques*, 3rd ed. 1977, chapter 4; Fleiss, Levin
    and Paik, *Statistical Methods for Rates and Proportions*, 3rd ed. 2003, chapter 4, here with one variance
    for both groups). These are for the normal law: where the score lies near the end of its scale, or n is
    below 30 or so, the intervals are wider. Constant time for a mapping, one pass over the rows of a frame.

    Examples
    --------
    >>> from cxcore import sample_size
    >>> shares = {"promoters": 0.5, "passives": 0.3, "detractors": 0.2}
    >>> sample_size(shares, margin=5)
    938
    >>> sample_size(shares, difference=7)  # in each group
    1955
    """
    call = "sample_size"
    what = score_for(call, metric, scale)
    z = _aim(call, what, margin, difference, power, confidence_level)
    effect = _options.number(call, "design_effect", design_effect, 1, 1000)
    codes = _options.codes(call, "missing", missing)
    if isinstance(answers, Mapping):
        if score is not None or codes:
            name, value = ("score", score) if score is not None else ("missing", list(codes))
            raise errors.bad_option(call, name, value, "shares have no such thing.", "leave it out.")
        shares = _shares(call, what, answers)
    else:
        shares = _counted(call, what, answers, score, codes)
    weights = np.array(what.weights, dtype=np.float64)
    variance = float(shares @ (weights - shares @ weights) ** 2) * what.factor**2
    if variance == 0:
        problem = "answers that all weigh the same in the metric need no sample."
        raise errors.bad_option(call, "answers", answers, problem, "assume some that do not, or say metric=.")
    n = effect * variance * z
    if population is not None:
        size = _options.whole(call, "population", population, 2)
        n = n * size / (n + size - 1)
    return max(1, math.ceil(n * (1 - 1e-12)))  # a whole number stays, whatever the last bit


def _aim(call: str, what: Score, margin: Any, difference: Any, power: Any, confidence_level: Any) -> float:
    """(z / margin)², or 2 ((z + z_power) / difference)²."""
    if margin is not None and difference is not None:
        problem = "is asked for beside margin=, and a number of answers is for one of them."
        raise errors.bad_option(call, "difference", difference, problem, "ask twice.")
    if margin is None and difference is None:
        hint = "margin=5 for an interval of plus and minus 5, difference=10 to see a change of 10."
        raise errors.missing_argument(call, ["one of margin", "difference"], hint)
    name, aim = ("margin", margin) if difference is None else ("difference", difference)
    most = (what.weights[-1] - what.weights[0]) * what.factor
    if isinstance(aim, bool) or not isinstance(aim, (int, float)) or not 0 < aim < most:
        hint = f"in the unit of the score, such as {name}={most / 20:g}."
        raise errors.bad_option(call, name, aim, f"lies between 0 and {most:g}.", hint)
    z = -_NORMAL.inv_cdf((1 - _options.level(call, "confidence_level", confidence_level)) / 2)
    chance = _options.level(call, "power", power)
    if difference is None:
        return (z / aim) ** 2
    return 2 * (max(z + _NORMAL.inv_cdf(chance), 0.0) / aim) ** 2


def _shares(call: str, what: Score, answers: Mapping[Any, Any]) -> NDArray[np.float64]:
    """Share of each level; a named part lies on one of its levels, as all of them weigh the same."""
    low, high = what.scale
    level = {at: at - low for at in range(low, high + 1)}
    names: dict[Any, int] = {**level}
    for part, weight in zip(what.parts, sorted(set(what.weights), reverse=True), strict=False):
        names[part] = what.weights.index(weight)
    found = np.zeros(len(level))
    for name, value in answers.items():
        if name not in names or isinstance(name, bool):
            shown = ", ".join(map(repr, what.parts))
            problem = f"{name!r} is neither a level from {low} to {high}{' nor ' + shown if shown else ''}."
            raise errors.bad_option(call, "answers", dict(answers), problem, _HINT)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < math.inf:
            problem = f"{name!r} has {value!r}, which is no share."
            raise errors.bad_option(call, "answers", dict(answers), problem, _HINT)
        found[names[name]] += value
    total = found.sum()
    if not total:
        raise errors.bad_option(call, "answers", dict(answers), "there are no answers.", _HINT)
    if total < 2 and total % 1 and abs(total - 1) > 1e-6:  # no counts, and shares of what?
        problem = f"the shares add up to {total:g}."
        raise errors.bad_option(call, "answers", dict(answers), problem, "say shares of 1, or counts.")
    shares: NDArray[np.float64] = found / total
    return shares


def _counted(call: str, what: Score, answers: Any, score: Any, codes: tuple[int, ...]) -> NDArray[np.float64]:
    engine, frame = open_frame(call, answers)
    if score is None:
        raise errors.missing_argument(call, ["score"], "a frame of answers needs score='…'.")
    _options.column_name(call, "score", score)
    check_roles(call, engine.columns(frame), {"score": score})
    house: pl.DataFrame = engine.read(call, frame, needed(score))
    counts: NDArray[np.int64] = score_counts(call, house, score, None, what.scale, codes).counts[0]
    if not counts.sum():
        raise errors.bad_option(call, "score", score, "there are no answers.", "assume shares instead.")
    shares: NDArray[np.float64] = counts / counts.sum()
    return shares
