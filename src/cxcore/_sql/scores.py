"""``cx.nps(score)`` and the rest: macros over native aggregates; intervals take one Python call a group."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from cxcore import _options, errors
from cxcore._score_weights import NPS, Score, scale_score
from cxcore._sql.base import Macro, Udf
from cxcore.intervals import method_for, numbers_of, sample_of, words_of

# ---------------------------------------------------------------- Python behind the macros


def _score(
    call: str,
    low: float | None,
    high: float | None,
    kind: str | None,
    top: float | None,
    n_bad: int,
    n: int,
) -> Score:
    """What the macro's options mean, as the verb of that name takes them; refuses bad options and answers."""
    name = call.removesuffix("_ci")
    low, high, top = _whole(low), _whole(high), _whole(top)
    what = NPS if name == "nps" else scale_score(call, (low, high), kind, top, default_top=_TOP[name])
    if n_bad:
        raise errors.answers_off_scale(call, n_bad, n, what.scale)
    return what


def refuse_score(
    call: str,
    low: float | None,
    high: float | None,
    kind: str | None,
    top: float | None,
    n_bad: int,
    n: int,
) -> NoReturn:
    """Raised while the query runs, where a macro found that something is wrong."""
    _score(call, low, high, kind, top, n_bad, n)
    raise AssertionError("the macro and its check disagree")


def _whole(number: float | None) -> float | None:
    """Numbers come as DOUBLE, which DuckDB does not round; fractions stay, and are refused as in Python."""
    return int(number) if number is not None and number.is_integer() else number


def score_ci(
    call: str,
    counts: dict[float, int] | None,
    low: float | None,
    high: float | None,
    kind: str | None,
    top: float | None,
    n_bad: int,
    n: int,
    level: float | None,
    method: str | None,
) -> dict[str, Any] | None:
    """The interval of one group out of its counts by level; NULL where nobody answered."""
    what = _score(call, low, high, kind, top, n_bad, n)
    confidence_level = _options.level(call, "level", level)
    chosen = method_for(call, method)
    if not counts:
        return None
    row = np.array([[counts.get(float(answer), 0) for answer in range(what.scale[0], what.scale[1] + 1)]])
    sample = sample_of(row, what.weights)
    numbers = numbers_of(sample, confidence_level, chosen)
    used, flags = words_of(call, sample, chosen)
    return {
        **{name: float(number[0]) * what.factor for name, number in zip(_NUMBERS, numbers, strict=True)},
        "n": int(sample.n[0]),
        "method": used[0],
        "flags": flags[0],
    }


_TOP = {"csat": 2, "ces": 3}
_NUMBERS = ("estimate", "low", "high", "standard_error")
_INTERVAL = (
    "STRUCT(estimate DOUBLE, low DOUBLE, high DOUBLE, standard_error DOUBLE, "
    "n BIGINT, method VARCHAR, flags VARCHAR)"
)
_CHECKED = ("DOUBLE", "DOUBLE", "VARCHAR", "DOUBLE", "BIGINT", "BIGINT")  # low, high, kind, top, n_bad, n
UDFS = (
    Udf("__cx_refuse_score", refuse_score, ("VARCHAR", *_CHECKED), "DOUBLE"),
    Udf(
        "__cx_score_ci",
        score_ci,
        ("VARCHAR", "MAP(DOUBLE, BIGINT)", *_CHECKED, "DOUBLE", "VARCHAR"),
        _INTERVAL,
    ),
)

# ---------------------------------------------------------------- macros

#: number of answers that are no level of the scale: off it, fractional, NaN
_BAD = "coalesce(count_if(NOT (score BETWEEN {low} AND {high} AND score = floor(score))), 0)::BIGINT"
_ARGUMENTS = "{ends}, {kind}, {top}, {bad}, count(score)"
_FINE = (
    "{bad} = 0 AND {whole} AND {low} < {high} AND {span} < "
    f"{_options.MOST_LEVELS}"
    " AND (({kind} = 'top' AND coalesce({top}, 1) BETWEEN 1 AND {span})"
    " OR ({kind} = 'mean' AND {top} IS NULL))"
)
_NPS = {
    "low": "0",
    "high": "10",
    "span": "10",
    "ends": "0, 10",
    "whole": "true",
    "kind": "'top'",
    "top": "NULL",
}
#: two items, of a list or of a tuple
_TWO = "len(string_split(scale::VARCHAR, ',')) = 2"
_SCALED = {
    # answers are compared with small whole numbers, which is fast; what they are not is refused
    "low": "try_cast(scale[1] AS INTEGER)",
    "high": "try_cast(scale[2] AS INTEGER)",
    "span": "(try_cast(scale[2] AS BIGINT) - try_cast(scale[1] AS INTEGER))",
    "ends": f"CASE WHEN {_TWO} THEN scale[1]::DOUBLE END, CASE WHEN {_TWO} THEN scale[2]::DOUBLE END",
    "whole": f"{_TWO} AND scale[1]::DOUBLE = floor(scale[1]::DOUBLE)"
    " AND scale[2]::DOUBLE = floor(scale[2]::DOUBLE) AND coalesce(top::DOUBLE = floor(top::DOUBLE), true)",
    "kind": "kind::VARCHAR",
    "top": "top::DOUBLE",
}


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
# divided first and then scaled, as the verbs do: the same bits
_NPS_VALUE = "100.0::DOUBLE * ((count_if(score >= 9) - count_if(score <= 6)) / nullif(count(score), 0))"
_SCALED_VALUE = (
    "CASE WHEN kind = 'top' THEN 100.0::DOUBLE"
    " * (count_if(score > try_cast({high} - coalesce({top}, least({default}, {span})) AS INTEGER))"
    " / nullif(count(score), 0)) ELSE avg(score)::DOUBLE END"
)
_HISTOGRAM = "histogram(score::DOUBLE)"
_OPTIONS = {
    "csat": "score, scale := [1, 5], kind := 'top', top := NULL",
    "ces": "score, scale := [1, 7], kind := 'mean', top := NULL",
}
_LEVEL = "level := 0.95, method := 'bootstrap'"


def _scaled(name: str, says: str) -> tuple[Macro, Macro]:
    value = _SCALED_VALUE.format(default=_TOP[name], **_SCALED)
    return (
        Macro(name, _OPTIONS[name], _point(name, value, _SCALED), says),
        Macro(
            f"{name}_ci",
            f"{_OPTIONS[name]}, {_LEVEL}",
            _interval(f"{name}_ci", _HISTOGRAM, _SCALED),
            f"{name.upper()} with its interval, a struct",
        ),
    )


MACROS = (
    Macro(
        "nps", "score", _point("nps", _NPS_VALUE, _NPS), "Net Promoter Score of answers 0 to 10, -100 to 100"
    ),
    Macro(
        "nps_ci",
        f"score, {_LEVEL}",
        _interval("nps_ci", _NPS_COUNTS, _NPS),
        "NPS with its interval, a struct",
    ),
    *_scaled("csat", "share of answers on the two best levels, in per cent"),
    *_scaled("ces", "mean level of 'it was easy', 1 to 7"),
)
