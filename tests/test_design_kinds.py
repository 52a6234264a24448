"""Designs that an engine has counted by kinds of customers give the numbers of the answers themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import cxcore as cx
from cxcore import engines
from cxcore._design_columns import design_roles, design_rows
from cxcore._design_kinds import design_kinds
from cxcore.designs import design_sample
from cxcore.engines.base import COUNT, KIND, MANY, TOTAL
from tests.in_parts import Apart, InParts
from tests.test_designs import surveys


@pytest.fixture(scope="module", autouse=True)
def in_parts() -> Iterator[None]:
    """Frames apart are known to every verb while these tests run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engines, "ENGINES", (InParts(), *engines.ENGINES))
        yield


def exactly(found: pl.DataFrame, want: pl.DataFrame) -> None:
    assert_frame_equal(found, want, check_exact=True)


def nearly(found: pl.DataFrame, want: pl.DataFrame) -> None:
    assert_frame_equal(found, want, check_exact=False, rel_tol=1e-11, abs_tol=1e-11)


@st.composite
def answers(draw: Any) -> pl.DataFrame:
    """Answers of a survey, some without an answer, some of nobody known, some of no weight."""
    house = draw(surveys(max_size=40))
    n, some = house.height, st.sampled_from([0, 0, 0, 1])
    silent, unknown, light = (draw(st.lists(some, min_size=n, max_size=n)) for _ in range(3))
    marks = pl.DataFrame({"silent": silent, "unknown": unknown, "light": light})
    return house.hstack(marks).with_columns(
        score=pl.when(pl.col("silent") == 0).then("score"),
        cluster=pl.when(pl.col("unknown") == 0).then("cluster"),
        weight=pl.col("weight") * (1 - pl.col("light")),
    )


DESIGNS: list[dict[str, Any]] = [
    {"cluster": "cluster"},
    {"cluster": ["cluster", "group"], "stratum": "stratum"},
    {"stratum": "stratum", "population": {"north": 90.0, "south": 40.0, "west": 41.0}},
    {"cluster": "cluster", "population": 90.0},
    {"cluster": "group", "by": None},
]


@pytest.mark.filterwarnings("ignore::cxcore.DegenerateDataWarning")
@pytest.mark.parametrize("design", DESIGNS, ids=str)
@settings(deadline=None, max_examples=25)
@given(answers(), st.booleans())
def test_numbers_are_the_same_bits(design: dict[str, Any], house: pl.DataFrame, total: bool) -> None:
    asked: Any = {"score": "score", "by": "group", "total": total, **design}
    if asked["by"] is None:
        del asked["total"]
    exactly(cx.nps(Apart(house), **asked), cx.nps(house, **asked))
    asked |= {"scale": (0, 10), "missing": [7]}
    exactly(cx.mean_score(Apart(house), **asked), cx.mean_score(house, **asked))
    exactly(cx.csat(Apart(house), **asked, top=3), cx.csat(house, **asked, top=3))


@pytest.mark.filterwarnings("ignore::cxcore.DegenerateDataWarning")
@settings(deadline=None, max_examples=25)
@given(answers(), st.sampled_from([{}, {"cluster": "cluster"}, {"stratum": "stratum"}]))
def test_weights(house: pl.DataFrame, more: dict[str, Any]) -> None:
    asked: Any = {"score": "score", "by": "group", "weight": "weight", "method": "linearized", **more}
    exactly(cx.nps(Apart(house), **asked), cx.nps(house, **asked))  # of few quarters: exact
    tenths = house.with_columns(weight=pl.col("weight") / 10)
    nearly(cx.ces(Apart(tenths), **asked, scale=(0, 10)), cx.ces(tenths, **asked, scale=(0, 10)))


@pytest.mark.filterwarnings("ignore::cxcore.DegenerateDataWarning")
@settings(deadline=None, max_examples=25)
@given(answers(), st.sampled_from([{}, {"by": "stratum"}]))
@pytest.mark.parametrize(
    "design",
    [{"cluster": "cluster"}, {"cluster": "cluster", "stratum": "stratum"}, {"weight": "weight"}],
    ids=str,
)
def test_comparisons(design: dict[str, Any], house: pl.DataFrame, more: dict[str, Any]) -> None:
    house = pl.concat([house, house.head(2).with_columns(group=pl.Series(["a", "b"][: house.height]))])
    asked: Any = {"score": "score", "group": "group", "control": "a", **design, **more}
    if house["group"].n_unique() == 2:
        nearly(cx.compare(Apart(house), **asked), cx.compare(house, **asked))


def test_what_customers_share_is_as_short_as_their_kinds() -> None:
    """And the numbers are those of all of them, beyond what one frame would hold of single answers."""

    few = pl.DataFrame({"who": [0, 0, 1, 1, 2], "score": [10, 3, 10, 9, 7]})
    kinds = pl.DataFrame(
        {KIND: [0, 1, 2], MANY: np.array([4, 2, 3]) * 10**10, COUNT: [2, 2, 1], TOTAL: [0, 2, 0]}
    )
    rows = pl.DataFrame({"score": [10, 3, 9, 7], COUNT: np.array([6, 4, 2, 3]) * 10**10})
    roles = design_roles("nps", "who", None, None, None)
    weights = cx.scores.NPS.weights
    counted = design_kinds("nps", rows, kinds, "score", (), (0, 10), (), roles, weights)
    many = design_sample(counted, weights, roles)
    assert many.n_cluster.tolist() == [9 * 10**10]
    assert many.sample.n.tolist() == [15 * 10**10]
    nine = pl.concat(
        few.filter(pl.col("who") == kind).with_columns(who=pl.lit(f"{kind} {at}"))
        for kind, times in enumerate([4, 2, 3])
        for at in range(times)
    )
    one = design_sample(design_rows("nps", nine, "score", (), (0, 10), (), roles), weights, roles)
    assert many.estimate.tolist() == pytest.approx(one.estimate.tolist(), rel=1e-14)
    shrink = 8 / 9 / 1e10 / (1 - 1 / 9e10)  # n / (n - 1), and as many times the clusters
    assert many.variance.tolist() == pytest.approx((one.variance * shrink).tolist(), rel=1e-12)


def test_an_expression_wants_the_whole() -> None:
    house = pl.DataFrame({"who": [1, 1, 2, 3] * 9, "score": [9, 3, 10, 7] * 9, "weight": [1.0, 2, 3, 4] * 9})
    asked: Any = {"score": "score", "weight": pl.col("weight") / pl.col("weight").mean(), "cluster": "who"}
    nearly(cx.nps(Apart(house), **asked), cx.nps(house, **asked))


def test_errors_say_how_rows_were_counted() -> None:
    house = pl.DataFrame({"who": [1, 1, 2], "home": ["n", "s", "n"], "score": [9, 3, 10], "w": [1.0, -1, 2]})
    with pytest.raises(cx.InvalidDataError) as error:
        cx.nps(Apart(house), score="score", cluster="who", stratum="home")
    assert str(error.value) == (
        "nps(cluster='who'): 1 of 2 clusters lies in two strata.\n"
        "  Hint: if clusters of two strata share a name, say cluster=[stratum, cluster]."
    )
    with pytest.raises(
        cx.InvalidDataError, match=r"1 weight is negative, of \d rows; [^$]*\n.*\n  Rows that are alike"
    ):
        cx.nps(Apart(house), score="score", weight="w")
    off = house.with_columns(score=pl.Series([11, 3, 11]))
    with pytest.raises(cx.InvalidDataError, match="2 of 3 answers are not whole numbers from 0 to 10"):
        cx.nps(Apart(off), score="score", cluster="who")


@pytest.mark.parametrize(("many", "worth"), [(2, 1), (1, 0)], ids=["more rows", "other answers"])
def test_an_engine_that_reads_twice_and_gets_other_rows(many: int, worth: int) -> None:
    once = pl.DataFrame({"score": [9], COUNT: [1]})
    kinds = pl.DataFrame({KIND: [0], MANY: [many], COUNT: [1], TOTAL: [worth]})
    roles = design_roles("nps", "who", None, None, None)
    with pytest.raises(cx.InvalidDataError, match="rows and customers were read apart, and do not agree"):
        design_kinds("nps", once, kinds, "score", (), (0, 10), (), roles, cx.scores.NPS.weights)
