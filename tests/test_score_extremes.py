"""What breakers found: numbers at the ends of what a float holds, names of ours, columns of objects."""

from __future__ import annotations

import contextlib
import math
from typing import Any

import numpy as np
import polars as pl
import pytest

import cxcore as cx
from cxcore import CxError, InvalidDataError, InvalidOptionError
from cxcore.designs import METHODS as DESIGN_METHODS
from cxcore.differences import DIFFERENCES
from cxcore.intervals import METHODS

ANSWERS = pl.DataFrame(
    {
        "score": [10, 9, 3, 7] * 30,
        "plan": ["a", "b"] * 60,
        "who": [at % 50 for at in range(120)],
        "wave": ["x", "y"] * 60,
        "year": [1, 2, 3, 4] * 30,
    }
)
pytestmark = pytest.mark.filterwarnings("ignore::cxcore.errors.DegenerateDataWarning")


# ---------------------------------------------------------------- weights and populations


@pytest.mark.parametrize("unit", [2.0**-1074, 2.0**-1030, 2.0**-500, 2.0**1000])
@pytest.mark.parametrize("roles", [{}, {"cluster": "who"}], ids=["rows", "clusters"])
def test_the_unit_of_weights_does_not_matter(unit: float, roles: dict[str, Any]) -> None:
    weighted = ANSWERS.with_columns(w=pl.lit(1.0), far=pl.lit(unit))
    for by in (None, "plan"):
        given = {"score": "score", "by": by, **roles}
        assert cx.nps(weighted, weight="far", **given).equals(cx.nps(weighted, weight="w", **given))


def test_weights_whose_squares_no_float_holds_together_are_refused() -> None:
    weighted = ANSWERS.with_columns(w=pl.Series([1e-310, 1.0] * 60))
    with pytest.raises(
        InvalidDataError, match=r"nps\(weight='w'\): 60 weights are nothing beside 1.0, of 120 rows"
    ):
        cx.nps(weighted, score="score", weight="w", by="plan")
    cx.nps(weighted.with_columns(w=pl.Series([0.0, 1.0] * 60)), score="score", weight="w", by="plan")


@pytest.mark.parametrize("population", [10**400, {"a": 10**400, "b": 200}], ids=["all", "strata"])
def test_a_population_that_no_float_holds_is_refused(population: Any) -> None:
    stratum = "plan" if isinstance(population, dict) else None
    with pytest.raises(InvalidOptionError, match="is no number of customers"):
        cx.nps(ANSWERS, score="score", population=population, stratum=stratum)


def test_weighted_answers_that_are_all_alike_are_their_mean() -> None:
    rng = np.random.default_rng(0)
    for n in range(2, 60):
        house = pl.DataFrame({"score": [7] * n, "w": rng.random(n), "who": rng.integers(0, 9, n)})
        for roles in ({}, {"cluster": "who"}):
            found = cx.ces(house, score="score", weight="w", **roles).row(0, named=True)
            assert found["estimate"] == 7.0
            assert found["low"] in (7.0, None)


# ---------------------------------------------------------------- levels


@pytest.mark.parametrize("level", [5e-324, 1e-300, 1 - 1e-16, math.nextafter(1, 0)])
@pytest.mark.parametrize("method", [*METHODS, *DIFFERENCES, *DESIGN_METHODS])
def test_every_level_between_0_and_1_has_an_interval(level: float, method: str) -> None:
    """As wide as its method reaches, and no bare error."""
    given: dict[str, Any] = {"score": "score", "method": method, "confidence_level": level}
    answers = [
        *([cx.nps(ANSWERS, **given)] if method in METHODS else []),
        *([cx.compare(ANSWERS, **given, group="plan", control="a")] if method in DIFFERENCES else []),
    ]
    if method in DESIGN_METHODS:
        with contextlib.suppress(CxError):  # a method for other designs says so
            answers.append(cx.nps(ANSWERS, **given, cluster="who"))
    for found in answers:
        low, high = found.select("low", "high").row(0)
        assert low is None or low <= high


# ---------------------------------------------------------------- names and columns


@pytest.mark.parametrize("verb", [cx.trend, cx.change_points])
def test_a_segment_may_be_named_wave(verb: Any) -> None:
    known = verb(ANSWERS.rename({"wave": "plan_"}), score="score", wave="year", by="plan_")
    found = verb(ANSWERS, score="score", wave="year", by="wave")
    assert found.rename({"wave": "plan_"}).equals(known)


def test_a_segment_of_a_rolling_window_may_be_named_wave() -> None:
    days = pl.date_range(pl.date(2024, 1, 1), pl.date(2024, 4, 29), eager=True)
    house = ANSWERS.with_columns(day=days)
    known = cx.rolling(house.rename({"wave": "plan_"}), score="score", time="day", by="plan_")
    assert cx.rolling(house, score="score", time="day", by="wave").rename({"wave": "plan_"}).equals(known)
    assert cx.trend(ANSWERS, score="score", wave="year", by="wave", cluster="who")["wave"].to_list() == [
        "x",
        "y",
    ]


@pytest.mark.parametrize("role", ["customer", "time", "score", "by"])
def test_a_column_of_objects_is_refused(role: str) -> None:
    house = pl.DataFrame(
        {
            "customer": [1, 2],
            "time": [1, 2],
            "score": [1, 2],
            "what": pl.Series([object(), object()], dtype=pl.Object),
        }
    )
    roles = {"customer": "customer", "time": "time", "score": "score", role: "what"}
    with pytest.raises(InvalidDataError, match=rf"per_customer\({role}='what'\).*Object"):
        cx.per_customer(house, **roles)


def test_a_sum_that_no_int64_holds_is_named_as_the_user_named_it() -> None:
    stream = cx.SessionStream(user="user", time="time", gap="30m", time_unit="s", sum="bytes")
    batch = pl.DataFrame({"user": ["a", "a"], "time": [0, 1], "bytes": [2**62, 2**62]})
    with pytest.raises(InvalidDataError, match=r"SessionStream\.push\(sum='bytes'\)"):
        stream.push(batch)


@pytest.mark.parametrize("most", [1e3, 1e4, 1e9])
def test_one_answer_that_outweighs_all_others_is_thin_support(most: float) -> None:
    house = pl.DataFrame({"score": [0, *[8, 9, 10, 3] * 150], "w": [most] + [1.0] * 600})
    flags = cx.nps(house, score="score", weight="w")["flags"].item()
    assert {"thin_support", "extreme_weights"} <= set(flags.split(","))


def test_a_method_of_clusters_under_weights_alone_says_what_is_there() -> None:
    weighted = ANSWERS.with_columns(w=1.0)
    with pytest.raises(InvalidOptionError, match=r"no clusters.\n  Hint: say method='linearized'."):
        cx.nps(weighted, score="score", weight="w", method="score")
    with pytest.raises(InvalidOptionError, match=r"method='intervals.Bca'"):
        cx.nps(weighted, score="score", weight="w", method=cx.intervals.Bca())
