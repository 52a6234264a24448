"""``cx.nps(score)`` and the rest: macros over native aggregates; the intervals take one Python call a group."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from cxcore import _options, errors
from cxcore._sql.base import Macro, Udf
from cxcore.intervals import interval_of, method_for

# ---------------------------------------------------------------- Python behind the macros


def _check(call: str, kind: str | None, low: int | None, high: int | None, top: int | None, n_bad: int, n: int) -> None:
    _options.word(call, "kind", kind, ("top", "mean"))
    if low is None or high is None or low >= high:
        problem = "a scale has a lowest and a higher level."
        raise errors.bad_option(call, "scale", [low, high], problem, "write scale := [1, 5].")
    if top is None or not 1 <= top <= high - low:
        problem = "the best levels are some of the scale, not all."
        raise errors.bad_option(call, "top", top, problem, f"a number from 1 to {high - low}.")
    if n_bad:
        raise errors.answers_off_scale(call, n_bad, n, (low, high))


def refuse_score(
    call: str, kind: str | None, low: int | None, high: int | None, top: int | None, n_bad: int, n: int
) -> NoReturn:
    """Raised while the query runs, where a macro found that something is wrong."""
    _check(call, kind, low, high, top, n_bad, n)
    raise AssertionError("the macro and its check disagree")


def score_ci(
    call: str,
    counts: dict[float, int] | None,
    kind: str | None,
    low: int | None,
    high: int | None,
    top: int | None,
    n_bad: int,
    n: int,
    level: float | None,
    method: str | None,
) -> dict[str, Any] | None:
    """The interval of one group out of its counts by level; NULL where nobody answered."""
    _check(call, kind, low, high, top, n_bad, n)
    confidence_level = _options.level(call, "level", level)
    chosen = method_for(call, method)
    if not counts:
        return None
    assert low is not None
    assert high is not None
    assert top is not None
    levels = np.arange(low, high + 1)
    if call == "nps_ci":
        weights, points = (levels >= 9).astype(np.int64) - (levels <= 6), 100.0
    elif kind == "top":
        weights, points = (levels > high - top).astype(np.int64), 100.0
    else:
        weights, points = levels, 1.0
    row = [[counts.get(float(answer), 0) for answer in levels]]
    answer = interval_of(row, weights, confidence_level=confidence_level, method=chosen)
    return {
        "estimate": points * float(answer.estimate[0]),
        "low": points * float(answer.low[0]),
        "high": points * float(answer.high[0]),
        "standard_error": points * float(answer.standard_error[0]),
        "n": int(answer.n[0]),
        "method": answer.method[0],
        "flags": answer.flags[0],
    }


_INTERVAL = (
    "STRUCT(estimate DOUBLE, low DOUBLE, high DOUBLE, standard_error DOUBLE, n BIGINT, method VARCHAR, flags VARCHAR)"
)
_CHECKED = ("VARCHAR", "INTEGER", "INTEGER", "INTEGER", "BIGINT", "BIGINT")  # kind, low, high, top, n_bad, n
UDFS = (
    Udf("__cx_refuse_score", refuse_score, ("VARCHAR", *_CHECKED), "DOUBLE"),
    Udf("__cx_score_ci", score_ci, ("VARCHAR", "MAP(DOUBLE, BIGINT)", *_CHECKED, "DOUBLE", "VARCHAR"), _INTERVAL),
)

# ---------------------------------------------------------------- macros

#: number of answers that are no level of the scale: off it, fractional, NaN
_BAD = "coalesce(count_if(NOT (score BETWEEN {low} AND {high} AND score = floor(score))), 0)::BIGINT"
_ARGUMENTS = "{kind}, {low}, {high}, {top}, {bad}, count(score)"
_FINE = "{bad} = 0 AND {kind} IN ('top', 'mean') AND {low} < {high} AND {top} BETWEEN 1 AND {high} - {low}"

_NPS = {"kind": "'top'", "low": "0", "high": "10", "top": "2"}
_SCALED = {"kind": "kind", "low": "scale[1]::INTEGER", "high": "scale[2]::INTEGER", "top": "top::INTEGER"}


def _fill(template: str, words: dict[str, str]) -> str:
    return template.format(bad=_BAD.format(**words), **words)


def _point(call: str, value: str, words: dict[str, str]) -> str:
    refused = f"__cx_refuse_score('{call}', {_fill(_ARGUMENTS, words)})"
    return f"CASE WHEN coalesce({_fill(_FINE, words)}, false) THEN {value} ELSE {refused} END"


def _interval(call: str, counts: str, words: dict[str, str]) -> str:
    return f"__cx_score_ci('{call}', {counts}, {_fill(_ARGUMENTS, words)}, level::DOUBLE, method::VARCHAR)"


#: only the three groups matter, so three counters do: a level of each stands for its group
_NPS_COUNTS = (
    "CASE WHEN count(score) > 0 THEN MAP {0.0::DOUBLE: count_if(score <= 6)::BIGINT, "
    "8.0::DOUBLE: count_if(score > 6 AND score < 9)::BIGINT, 10.0::DOUBLE: count_if(score >= 9)::BIGINT} END"
)
_NPS_VALUE = "100.0::DOUBLE * (count_if(score >= 9) - count_if(score <= 6)) / nullif(count(score), 0)"
_SCALED_VALUE = (
    "CASE WHEN kind = 'top' THEN 100.0::DOUBLE * count_if(score > scale[2] - top) / nullif(count(score), 0) "
    "ELSE avg(score)::DOUBLE END"
)
_HISTOGRAM = "histogram(score::DOUBLE)"
_CSAT = "scale := [1, 5], top := 2, kind := 'top'"
_CES = "scale := [1, 7], top := 3, kind := 'mean'"
_LEVEL = "level := 0.95, method := 'bootstrap'"

MACROS = (
    Macro("nps", "score", _point("nps", _NPS_VALUE, _NPS), "Net Promoter Score of answers 0 to 10"),
    Macro("csat", f"score, {_CSAT}", _point("csat", _SCALED_VALUE, _SCALED), "share of the best levels in per cent"),
    Macro("ces", f"score, {_CES}", _point("ces", _SCALED_VALUE, _SCALED), "mean effort"),
    Macro("nps_ci", f"score, {_LEVEL}", _interval("nps_ci", _NPS_COUNTS, _NPS), "NPS with its interval"),
    Macro(
        "csat_ci", f"score, {_CSAT}, {_LEVEL}", _interval("csat_ci", _HISTOGRAM, _SCALED), "CSAT with its interval"
    ),
    Macro("ces_ci", f"score, {_CES}, {_LEVEL}", _interval("ces_ci", _HISTOGRAM, _SCALED), "CES with its interval"),
)
