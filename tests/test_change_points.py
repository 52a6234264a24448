"""Change points: the twin, false alarms where nothing changed, planted shifts, gaps, frames and errors."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import cxcore as cx
from cxcore import InvalidOptionError, change_points, metrics
from cxcore._ext import scores as kernels
from cxcore.tracking.change_points import penalty
from tests.reference import tracking as twin

NPS = np.array([-1, 0, 1])
module = sys.modules["cxcore.tracking.change_points"]  # `cxcore.tracking` has the verb under that name


def begins_of(waves, weights, least):
    """Where the periods of each series begin; ``waves`` int64[n_series, n_waves, n_levels]."""
    counts = np.ascontiguousarray(waves, dtype=np.int64)
    begins = np.zeros(counts.shape[:2], dtype=np.uint8)
    kernels.find_shifts(counts, np.array(weights, dtype=np.int64), np.full(len(counts), least), begins)
    return begins


# ---------------------------------------------------------------- against the twin


@settings(max_examples=60)
@given(
    st.integers(1, 6).flatmap(
        lambda n: st.lists(st.lists(st.integers(0, 7), min_size=3, max_size=3), min_size=n, max_size=n)
    ),
    st.sampled_from([(-1, 0, 1), (1, 2, 5)]),
    st.sampled_from([0.3, 2.0, 4.1]),
)
def test_find_shifts(waves, weights, least):
    found = np.flatnonzero(begins_of([waves], weights, least)[0]).tolist()
    assert found == twin.find_shifts(waves, weights, least)


@pytest.mark.parametrize("n_waves", [2, 3, 12, 60, 400])
@pytest.mark.parametrize("alpha", [0.2, 0.05, 0.001])
def test_the_penalty_bounds_what_chance_gains(n_waves, alpha):
    assert twin.gain_by_chance(n_waves, penalty(n_waves, alpha)) == pytest.approx(alpha, rel=1e-6)


def test_far_shares_and_long_series():
    """One weight for all answers; each wave at another end; a thousand waves."""
    assert begins_of(np.tile([[0, 0, 9]], (1, 5, 1)), NPS, 1.0).tolist() == [[1, 0, 0, 0, 0]]
    assert begins_of([[[50, 0, 0], [0, 0, 50], [50, 0, 0]]], NPS, 5.0).tolist() == [[1, 1, 1]]
    rare = [[[0, 0, 10**9], [1, 0, 10**9], [10**6, 0, 10**9]]]
    assert begins_of(rare, NPS, 9.0).tolist() == [[1, 0, 1]]
    rng = np.random.default_rng(4)
    law = np.where(np.arange(1000)[:, None] < 640, (0.2, 0.3, 0.5), (0.3, 0.3, 0.4))
    counts = np.array([rng.multinomial(40, p) for p in law])
    where = np.flatnonzero(begins_of([counts], NPS, penalty(1000, 0.05))[0])
    assert where.tolist() == [0, pytest.approx(640, abs=15)]


# ---------------------------------------------------------------- what it promises


@pytest.mark.parametrize("law", [(0.2, 0.3, 0.5), (0.45, 0.1, 0.45), (0.02, 0.06, 0.92), (0.01, 0.02, 0.97)])
@pytest.mark.parametrize("n", [10, 60])
def test_no_change_is_no_change(law, n):
    """Of 4,000 series without a shift at most one in twenty is given one, also near the end of the scale."""
    rng = np.random.default_rng(17)
    begins = begins_of(rng.multinomial(n, law, size=(4_000, 12)), NPS, penalty(12, 0.05))
    share = (begins.sum(axis=1) > 1).mean()
    assert share <= 0.05
    assert share > 0.005 or n == 10  # the bound is not far above


def test_planted_shifts_are_found():
    """A step of 20 points after wave 7 of 12, 150 answers each; and one up and down again."""
    rng = np.random.default_rng(18)
    low, high = (0.3, 0.3, 0.4), (0.2, 0.3, 0.5)
    one = np.stack([rng.multinomial(150, low if at < 7 else high, size=1_000) for at in range(12)], axis=1)
    begins = begins_of(one, NPS, penalty(12, 0.05))
    assert (begins.sum(axis=1) > 1).mean() > 0.98
    assert (begins[:, 6:9].any(axis=1) & (begins.sum(axis=1) == 2)).mean() > 0.9
    two = np.stack(
        [rng.multinomial(300, high if 4 <= at < 8 else low, size=1_000) for at in range(12)], axis=1
    )
    begins = begins_of(two, NPS, penalty(12, 0.05))
    assert (begins.sum(axis=1) == 3).mean() > 0.95
    assert begins.mean(axis=0).argsort()[-3:].tolist() in ([8, 4, 0], [4, 8, 0])


# ---------------------------------------------------------------- the verb

SHIFTED = pl.DataFrame(
    {
        "month": np.repeat(np.arange(1, 9), 60),
        "score": np.concatenate(
            [np.repeat([3, 8, 10], [30, 15, 15])] * 5 + [np.repeat([3, 8, 10], [10, 15, 35])] * 3
        ),
        "plan": ["a", "b"] * 240,
    }
)
ROLES = {"score": "score", "wave": "month"}


def test_by_hand():
    answer = change_points(SHIFTED, **ROLES)
    assert answer.columns == [
        "first_wave", "last_wave", "n_waves", "promoters", "passives", "detractors", "n", "n_null",
        "estimate", "low", "high", "standard_error", "method", "flags",
        "difference", "difference_low", "difference_high",
    ]  # fmt: skip
    assert answer.select("first_wave", "last_wave", "n_waves", "n", "estimate", "difference").rows() == [
        (1, 5, 5, 300, -25.0, None),
        (6, 8, 3, 180, pytest.approx(125 / 3), pytest.approx(200 / 3)),
    ]
    halves = SHIFTED.with_columns(half=pl.col("month") > 5)
    known = cx.compare(halves, score="score", group="half", control=False)
    assert answer.select("difference", "difference_low", "difference_high").row(1) == known.select(
        "difference", "low", "high"
    ).row(0)
    alone = cx.nps(halves, score="score", by="half")
    assert_frame_equal(answer.select(alone.columns[1:]), alone.drop("half"), check_exact=True)


def test_waves_without_answers_belong_to_the_period_before():
    silent = pl.DataFrame(
        {"month": [0, 4, 9, 9], "score": [None, None, None, 10], "plan": "c"}, schema=SHIFTED.schema
    )
    house = pl.concat([SHIFTED.filter(pl.col("month") != 4), silent])
    answer = change_points(house, by="plan", **ROLES)
    assert answer.select("plan", "first_wave", "last_wave", "n_waves").rows() == [
        ("a", 0, 5, 6), ("a", 6, 9, 4), ("b", 0, 5, 6), ("b", 6, 9, 4), ("c", 0, 9, 10),
    ]  # fmt: skip
    assert answer["difference"].null_count() == 3
    nobody = change_points(silent.with_columns(score=pl.lit(None, pl.Int64)), **ROLES)
    assert nobody.select("first_wave", "last_wave", "n", "n_null", "flags").rows() == [
        (0, 9, 0, 4, "no_answers")
    ]


BYS = {"none": None, "columns": ["plan"], "expression": pl.col("plan").str.to_uppercase().alias("big")}


@pytest.mark.parametrize("by", BYS.values(), ids=BYS)
@pytest.mark.parametrize("rows", [0, 480])
def test_lazy_schema_is_what_comes(by, rows):
    lazy = SHIFTED.head(rows).lazy()
    answer = change_points(lazy, by=by, **ROLES)
    assert answer.collect_schema() == answer.collect().schema
    assert_frame_equal(answer.collect(), change_points(lazy.collect(), by=by, **ROLES))


def test_every_engine(frame):
    frame.check(change_points(frame(SHIFTED), by="plan", **ROLES), change_points(SHIFTED, by="plan", **ROLES))


def test_order_of_rows_is_no_matter():
    for seed in range(5):
        shuffled = SHIFTED.sample(fraction=1, shuffle=True, seed=seed)
        assert_frame_equal(
            change_points(shuffled, by="plan", **ROLES),
            change_points(SHIFTED, by="plan", **ROLES),
            check_exact=True,
        )


# ---------------------------------------------------------------- customers who answer more than once


@given(
    st.lists(
        st.tuples(
            st.sampled_from("xy"), st.integers(0, 4), st.sampled_from("abcde"), st.sampled_from([3, 8, 10])
        ),
        min_size=1,
        max_size=40,
    )
)
def test_what_clusters_ask_of_a_change(rows):
    """As the twin has it, for segments that leave out waves."""
    house = pl.DataFrame(rows, schema=["segment", "wave", "who", "score"], orient="row")
    wanted = []
    kept = module._begins

    def asked(table, weights, alpha, dearer):
        wanted.append(dearer)
        return kept(table, weights, alpha, dearer)

    module._begins = asked
    try:
        change_points(house, score="score", wave="wave", by="segment", cluster="who")
    finally:
        module._begins = kept
    ranks = {wave: at for at, wave in enumerate(sorted(set(house["wave"])))}
    for at, segment in enumerate(sorted(set(house["segment"]))):
        mine = [
            (ranks[w], who, {3: -1, 8: 0, 10: 1}[score]) for name, w, who, score in rows if name == segment
        ]
        assert wanted[0][at] == pytest.approx(twin.inflation(mine, len(ranks)), rel=1e-9)


def panel(n_waves, customers, times, rng, shift=0.0):
    """Customers who answer ``times`` times within one wave, with a correlation of 0.6."""
    who = np.repeat(np.arange(n_waves * customers), times)
    wave = who // customers
    latent = np.sqrt(0.6) * rng.standard_normal(n_waves * customers)[who]
    latent += np.sqrt(0.4) * rng.standard_normal(len(who)) + shift * (wave >= n_waves // 2)
    return pl.DataFrame(
        {"who": who, "month": wave, "score": np.select([latent < -0.84, latent < 0], [3, 8], 10)}
    )


def test_like_answers_of_one_customer_are_no_shift():
    """Four answers a customer and month, and no shift: one series in twenty may be given one."""
    rng = np.random.default_rng(20)
    house = pl.concat([panel(12, 15, 4, rng).with_columns(series=at) for at in range(200)])
    house = house.with_columns(who=pl.struct("series", "who").rank("dense"))
    found = [
        change_points(house, score="score", wave="month", by="series", cluster=cluster).height - 200
        for cluster in ("who", None)
    ]
    assert found[0] <= 10
    assert found[1] > 60
    moved = panel(12, 60, 4, rng, shift=0.8)
    answer = change_points(moved, score="score", wave="month", cluster="who")
    assert answer["first_wave"].to_list() == [0, 6]


def test_periods_of_clusters_are_the_score_and_the_comparison():
    moved = panel(8, 40, 3, np.random.default_rng(21), shift=1.0)
    answer = change_points(moved, score="score", wave="month", cluster="who")
    assert answer.height == 2
    row = answer.row(1, named=True)
    period = pl.col("month") >= row["first_wave"]
    alone = cx.nps(moved.filter(period), score="score", cluster="who")
    assert_frame_equal(answer[1:].select(alone.columns), alone, rel_tol=1e-12)
    known = cx.compare(
        moved.with_columns(later=period), score="score", group="later", control=False, cluster="who"
    ).row(0, named=True)
    assert row["difference"] == pytest.approx(known["difference"])
    assert row["difference_low"] == pytest.approx(known["low"])
    alone = moved.with_columns(who=pl.int_range(pl.len()))
    names = ["first_wave", "last_wave", "n", "estimate", "low", "difference", "difference_high"]
    assert_frame_equal(
        change_points(alone, score="score", wave="month", cluster="who").select(names),
        change_points(alone, score="score", wave="month").select(names),
        rel_tol=1e-12,
    )
    lazy = change_points(moved.lazy(), score="score", wave="month", cluster="who")
    assert lazy.collect_schema() == lazy.collect().schema
    empty = change_points(moved[:0], score="score", wave="month", cluster="who")
    assert empty.schema == answer.schema
    assert empty.height == 0
    with pytest.raises(InvalidOptionError, match="is for a survey design"):
        change_points(moved, score="score", wave="month", method="cluster_t")


def test_too_many_waves():
    house = pl.DataFrame({"month": range(20_001), "score": 10})
    with pytest.raises(InvalidOptionError) as error:
        change_points(house, **ROLES)
    assert str(error.value) == (
        "change_points(wave='month'): 20,001 waves; their pairs are too many from 20,000 on.\n"
        "  Hint: take longer waves, such as days or weeks."
    )


# ---------------------------------------------------------------- real answers


@pytest.mark.shared
def test_airport_survey_has_one_level_of_wayfinding_and_two_of_satisfaction(shared: Path):
    survey = pl.read_parquet(shared / "data/sfo_survey/sfo_tidy_2014_2017.parquet")
    mean = metrics.Csat(kind="mean")
    satisfied = change_points(survey, score="csat_airport", wave="year", metric=mean)
    assert satisfied.select("first_wave", "last_wave").rows() == [(2014, 2014), (2015, 2017)]
    assert satisfied["difference"][1] == pytest.approx(0.054, abs=0.002)


@pytest.mark.shared
def test_incidents_of_a_service_desk_by_week(shared: Path):
    """Solved in time or not, week by week of a real year: periods are found, and are what their rows say."""
    log = pl.read_parquet(shared / "data/servicenow_incidents/servicenow_incidents.parquet")
    last = log.group_by("number").agg(pl.col("opened_at", "made_sla").sort_by("sys_mod_count").last())
    weekly = last.with_columns(week=pl.col("opened_at").dt.date().dt.truncate("1w"))
    answer = change_points(weekly, score="made_sla", wave="week", metric=metrics.Csat((0, 1), top=1))
    assert 2 <= answer.height < 30
    assert answer["n"].sum() == last.height
    for row in answer.iter_rows(named=True):
        inside = weekly.filter(pl.col("week").is_between(row["first_wave"], row["last_wave"]))
        assert row["n"] == inside.height
    assert isinstance(answer["first_wave"][0], dt.date)
