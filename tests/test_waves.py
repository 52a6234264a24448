"""Waves and their trend: what is known, the twin, coverage, gaps, orders, frames and errors."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from scipy import stats

import cxcore as cx
from cxcore import InvalidDataError, InvalidOptionError, metrics, trend, waves
from cxcore.differences import Mover, Pairs
from cxcore.differences.contrast import Contrast
from cxcore.intervals import Sample
from tests.reference import tracking as twin

HOUSE = pl.DataFrame(
    {
        "plan": ["free"] * 6 + ["pro"] * 6 + [None] * 3,
        "year": [2021, 2021, 2022, 2024, 2024, 2024, 2021, 2022, 2022, 2024, 2022, 2024, 2021, 2022, 2024],
        "score": [10, 3, 8, 9, None, 11, 7, 10, 10, 2, 2, 5, 9, None, 8],
        "day": [dt.date(2024, 1 + at % 2, 5) for at in range(15)],
    }
)
ROLES = {"score": "score", "wave": "year", "missing": [11]}
NPS = np.array([-1, 0, 1])


# ---------------------------------------------------------------- waves


def test_by_hand():
    answer = waves(HOUSE, by="plan", adjust="holm", **ROLES)
    assert answer.columns == [
        "plan", "wave", "promoters", "passives", "detractors", "n", "n_null", "estimate", "low", "high",
        "standard_error", "method", "flags", "previous", "difference", "difference_low", "difference_high",
        "p_value", "p_adjusted",
    ]  # fmt: skip
    assert answer.select("plan", "wave", "n", "n_null", "estimate", "previous", "difference").rows() == [
        ("free", 2021, 2, 0, 0.0, None, None),
        ("free", 2022, 1, 0, 0.0, 2021, 0.0),
        ("free", 2024, 1, 2, 100.0, 2022, 100.0),
        ("pro", 2021, 1, 0, 0.0, None, None),
        ("pro", 2022, 3, 0, pytest.approx(100 / 3), 2021, pytest.approx(100 / 3)),
        ("pro", 2024, 2, 0, -100.0, 2022, pytest.approx(-400 / 3)),
        (None, 2021, 1, 0, 100.0, None, None),
        (None, 2022, 0, 1, None, None, None),
        (None, 2024, 1, 0, 0.0, 2021, -100.0),
    ]
    assert answer["flags"][7] == "no_answers"


def test_a_wave_is_the_score_and_the_comparison():
    """Same numbers as the score by wave, and as compare with the wave before as the control."""
    rng = np.random.default_rng(5)
    house = pl.DataFrame({"wave": rng.integers(0, 4, 900), "score": rng.integers(0, 11, 900)})
    answer = waves(house, score="score", wave="wave")
    alone = cx.nps(house, score="score", by="wave")
    assert_frame_equal(answer.select(alone.columns), alone, check_exact=True)
    for at in range(1, 4):
        known = cx.compare(house, score="score", group="wave", control=at - 1).filter(group=at)
        found = answer.row(at, named=True)
        names = {"difference": "difference", "difference_low": "low", "difference_high": "high"}
        assert {name: found[name] for name in names} == {one: known[two][0] for one, two in names.items()}
        assert found["p_value"] == known["p_value"][0]


def test_a_segment_has_a_row_for_every_wave():
    house = pl.DataFrame({"plan": ["a", "a", "b"], "year": [1, 3, 2], "score": [10, 9, 0]})
    answer = waves(house, score="score", wave="year", by="plan")
    assert answer.select("plan", "wave", "n", "previous").rows() == [
        ("a", 1, 1, None), ("a", 2, 0, None), ("a", 3, 1, 1),
        ("b", 1, 0, None), ("b", 2, 1, None), ("b", 3, 0, None),
    ]  # fmt: skip
    assert answer["flags"].to_list().count("no_answers") == 3


@pytest.mark.parametrize("by", [None, "plan"])
def test_a_wave_by_clusters_is_the_score_and_the_comparison(by):
    """Customers in several waves and segments, and a wave that a segment left out."""
    rng = np.random.default_rng(6)
    house = pl.DataFrame(
        {
            "wave": rng.integers(0, 4, 900),
            "who": rng.integers(0, 200, 900),
            "plan": rng.choice(["a", "b"], 900),
            "score": rng.integers(0, 11, 900),
        }
    ).filter(~((pl.col("plan") == "b") & (pl.col("wave") == 2)))
    roles = {"score": "score", "by": by, "cluster": "who"}
    answer = waves(house, wave="wave", adjust="bh", **roles)
    alone = cx.nps(house, **{**roles, "by": [*([by] if by else []), "wave"]})
    assert_frame_equal(answer.filter(pl.col("n") > 0).select(alone.columns), alone, rel_tol=1e-12)
    n_steps = 0
    for row in answer.filter(pl.col("previous").is_not_null()).iter_rows(named=True):
        two = house.filter(pl.col("wave").is_in([row["wave"], row["previous"]]))
        known = cx.compare(two, group="wave", control=row["previous"], **roles).filter(
            pl.lit(value=True) if by is None else pl.col("plan") == row["plan"]
        )
        names = {"difference": "difference", "difference_low": "low", "difference_high": "high"}
        for one, other in {**names, "p_value": "p_value"}.items():
            assert row[one] == pytest.approx(known[other][0], rel=1e-9, abs=1e-9)
        n_steps += 1
    assert n_steps == (5 if by else 3)
    assert (answer["n"] == 0).sum() == (1 if by else 0)


def test_waves_of_the_same_customers_are_a_paired_t():
    rng = np.random.default_rng(7)
    first = rng.integers(0, 11, 60)
    second = np.clip(first + rng.integers(-2, 3, 60), 0, 10)
    house = pl.DataFrame({"wave": [1] * 60 + [2] * 60, "who": [*range(60)] * 2, "score": [*first, *second]})
    row = waves(house, score="score", wave="wave", cluster="who").row(1, named=True)
    weight = np.array([-1] * 7 + [0] * 2 + [1] * 2)
    paired = stats.ttest_rel(weight[second], weight[first])
    assert row["p_value"] == pytest.approx(paired.pvalue, rel=1e-9)
    apart = waves(house, score="score", wave="wave").row(1, named=True)
    assert row["difference_high"] - row["difference_low"] < apart["difference_high"] - apart["difference_low"]


@pytest.mark.parametrize("rows", [0, 15])
def test_waves_by_clusters_lazy_and_errors(rows):
    house = HOUSE.head(rows).with_columns(who=pl.int_range(pl.len()) % 4)
    options = {"by": "plan", "cluster": ["who"], **ROLES}
    eager, lazy = waves(house, **options), waves(house.lazy(), **options)
    assert lazy.collect_schema() == eager.schema
    assert_frame_equal(lazy.collect(), eager)
    if rows:
        assert eager.columns[:8] == [
            "plan", "wave", "promoters", "passives", "detractors", "n", "n_null", "n_effective",
        ]  # fmt: skip
        clusters_alone = waves(house.with_columns(who=pl.int_range(pl.len())), **options)
        plain = waves(house, by="plan", **ROLES)
        assert_frame_equal(clusters_alone.select(plain.columns), plain, check_exact=True)
    with pytest.raises(InvalidOptionError, match="is for a survey design"):
        waves(house, method="cluster_t", **ROLES)
    with pytest.raises(InvalidOptionError, match="takes every answer as independent"):
        waves(house, method="wald", cluster="who", **ROLES)


@pytest.mark.parametrize(
    ("column", "order"),
    [
        (pl.Series(["b", "a", "c"]), ["a", "b", "c"]),
        (pl.Series(["mid", "low", "top"], dtype=pl.Enum(["low", "mid", "top", "no"])), ["low", "mid", "top"]),
        (pl.Series(["mid", "low", "top"], dtype=pl.Categorical), ["low", "mid", "top"]),
        (pl.Series([2.5, -1.0, 9.0]), [-1.0, 2.5, 9.0]),
        (pl.Series([dt.date(2024, 3, 1), dt.date(2023, 12, 1), dt.date(2025, 1, 1)]), None),
        (pl.Series([dt.timedelta(2), dt.timedelta(1), dt.timedelta(3)]), None),
        (pl.Series([True, False, True]), [False, True]),
    ],
    ids=lambda value: str(value.dtype) if isinstance(value, pl.Series) else "",
)  # fmt: skip
def test_waves_of_any_type_keep_their_order(column, order):
    house = pl.DataFrame({"when": column, "score": [10, 3, 8]})
    answer = waves(house, score="score", wave="when")
    assert answer["wave"].to_list() == (order or sorted(column.to_list()))
    assert answer.schema["wave"] == answer.schema["previous"] == column.dtype
    assert_frame_equal(waves(house[::-1], score="score", wave="when"), answer, check_exact=True)


# ---------------------------------------------------------------- trend

tables = st.lists(
    st.lists(st.integers(0, 6), min_size=3, max_size=3), min_size=2, max_size=5
).filter(lambda table: sum(map(any, table)) > 1)  # fmt: skip


@settings(max_examples=40)
@given(tables, st.sampled_from((0.5, 0.05)))
def test_slope_is_least_squares_through_every_answer(table, alpha):
    rows = [(wave, score) for wave, counts in enumerate(table) for score in np.repeat([3, 8, 10], counts)]
    house = pl.DataFrame(rows, schema=["wave", "score"], orient="row")
    if [] in ([*np.repeat(NPS, counts)] for counts in table):  # a wave that is only known to be there
        house = pl.concat(
            [house, pl.DataFrame({"wave": range(len(table)), "score": None}, schema=house.schema)]
        )
    row = trend(house, score="score", wave="wave", confidence_level=1 - alpha).row(0, named=True)
    answered = [(at, np.repeat(NPS, counts).tolist()) for at, counts in enumerate(table) if any(counts)]
    assert (row["n_waves"], row["n"]) == (len(answered), len(rows))
    assert row["slope"] == pytest.approx(100 * twin.slope(answered), abs=1e-10)
    low, high = twin.slope_interval(answered, [-1, 0, 1], alpha)
    assert (row["low"], row["high"]) == pytest.approx((100 * low, 100 * high), abs=1e-6)
    if len(answered) > 2:
        assert row["standard_error"] >= 100 * twin.slope_jackknife(answered) - 1e-9
    if abs(row["p_value"] - alpha) > 1e-6:
        assert (row["p_value"] < alpha) == (row["low"] > 1e-12 or row["high"] < -1e-12)


@given(st.lists(st.integers(0, 40), min_size=6, max_size=6))
def test_two_waves_have_the_trend_of_their_difference(counts):
    one, two = np.array(counts[:3]), np.array(counts[3:])
    if not (one.any() and two.any()):
        return
    pairs = Pairs(*(Sample(each[None].astype(np.int64), NPS) for each in (two, one)))
    line = Contrast(Sample(np.array([one, two], dtype=np.int64), NPS), np.array([[-1.0, 1.0]]))
    assert line.estimate == pytest.approx(pairs.difference, abs=1e-14)
    assert np.concatenate(line.limits(0.05)) == pytest.approx(
        np.concatenate(Mover().limits(pairs, 0.05)), abs=1e-12
    )
    assert line.p_values() == pytest.approx(Mover().p_values(pairs), rel=1e-8)


def test_dates_are_places_in_time():
    """A year that is left out is two steps, and `per` turns days into years."""
    days = [dt.date(2021, 1, 1), dt.date(2022, 1, 1), dt.date(2024, 1, 1)]
    scores = [[10] * 5 + [3] * 5, [10] * 6 + [3] * 4, [10] * 8 + [3] * 2]
    house = pl.DataFrame(
        {
            "day": [day for day, each in zip(days, scores, strict=True) for _ in each],
            "score": np.ravel(scores),
        }
    )
    by_day = trend(house, score="score", wave="day").row(0, named=True)
    by_year = trend(house, score="score", wave="day", per="365d").row(0, named=True)
    assert by_year["slope"] == pytest.approx(20, abs=0.05)
    assert by_year["slope"] == pytest.approx(365 * by_day["slope"])
    assert by_year["p_value"] == pytest.approx(by_day["p_value"], rel=1e-9)
    times = house.with_columns(pl.col("day").cast(pl.Datetime("us", "Europe/Berlin")))
    assert trend(times, score="score", wave="day")["slope"][0] == pytest.approx(by_day["slope"], rel=1e-3)
    counted = trend(house.with_columns(pl.col("day").cast(pl.String)), score="score", wave="day")
    assert counted["slope"][0] == pytest.approx(30)


def test_dates_that_stand_for_never():
    """Further apart than int64 counts: the slope is small, and right."""
    house = pl.DataFrame(
        {"day": pl.Series([-(2**63) + 1, 2**63 - 1], dtype=pl.Datetime("us")), "score": [3, 10]}
    )
    found = trend(house, score="score", wave="day", per="36525d")["slope"][0]
    assert found == pytest.approx(200 / (2**64 / 1e6 / 86_400 / 36_525))


def test_trend_of_segments():
    answer = trend(HOUSE, by="plan", adjust="bh", **ROLES)
    assert answer.columns == [
        "plan", "n_waves", "n", "slope", "low", "high", "standard_error", "p_value", "p_adjusted", "flags",
    ]  # fmt: skip
    assert answer.select("plan", "n_waves", "n").rows() == [("free", 3, 4), ("pro", 3, 6), (None, 2, 2)]
    assert answer["slope"][2] == -50  # 2021 and 2024 are two waves apart, as others were asked in 2022
    alone = trend(HOUSE.filter(plan="pro"), **ROLES)
    assert answer.row(1)[1:8] == alone.row(0)[:7]
    one = trend(HOUSE.filter(pl.col("year") == 2021), by="plan", **ROLES)
    assert one["n_waves"].to_list() == [1, 1, 1]
    assert one["flags"].to_list() == ["few_answers,one_wave", *["few_answers,one_category,one_wave"] * 2]
    assert one.select("slope", "low", "high", "standard_error", "p_value").null_count().row(0) == (3,) * 5


@pytest.mark.parametrize(("n", "most"), [(12, 1.0), (60, 0.97)])
def test_trend_covers(n, most):
    """Six waves, no line, some near the end of the scale: the interval holds the true slope."""
    rng = np.random.default_rng(11)
    laws = np.array([[0.02, 0.06, 0.92], [0.1, 0.2, 0.7], [0.05, 0.15, 0.8]] * 2)
    place = np.arange(6) - 2.5
    truth = place @ (laws[:, 2] - laws[:, 0]) / (place @ place)
    drawn = np.stack([rng.multinomial(n, law, size=4_000) for law in laws], axis=1)
    coefficients = np.broadcast_to(place / (place @ place), (4_000, 6))
    low, high = Contrast(Sample(drawn.reshape(-1, 3), NPS), coefficients).limits(0.05)
    assert 0.94 < ((low <= truth) & (truth <= high)).mean() < most


def _without_slope(n_waves, per, law, n_series):
    rng = np.random.default_rng(3)
    n = n_waves * per
    return pl.DataFrame(
        {
            "series": np.repeat(np.arange(n_series), n),
            "wave": np.tile(np.repeat(np.arange(n_waves), per), n_series),
            "score": rng.choice([3, 8, 10], n * n_series, p=law),
        }
    )


@pytest.mark.parametrize(
    ("n_waves", "per", "least"), [(100, 1, 92.5), (30, 1, 92.5), (5, 1, 92.5), (60, 5, 92.5), (12, 30, 93)]
)
def test_trend_of_thin_waves_covers(n_waves, per, least):
    """The spread inside waves of one answer is nothing, and MOVER alone holds 82 of 100 slopes of 0.

    1,000 series: the standard error of a coverage of 95 is 0.7.
    """
    house = _without_slope(n_waves, per, [0.3, 0.3, 0.4], 1_000)
    if per == 1:  # customers with one answer each are no clusters
        house = house.with_columns(who=pl.int_range(pl.len()))
    found = trend(house, score="score", wave="wave", by="series", cluster="who" if per == 1 else None)
    covered = (found["low"] <= 0) & (found["high"] >= 0)
    assert least < 100 * covered.mean() < 98
    assert (covered == (found["p_value"] >= 0.05)).all()
    assert (found["p_value"] < 0.001).mean() < 0.006
    if n_waves > 5:
        assert found["standard_error"].mean() == pytest.approx(found["slope"].std(), rel=0.1)


@pytest.mark.parametrize(("n_waves", "per"), [(100, 1), (5, 1), (12, 5), (3, 2)])
def test_trend_covers_where_nearly_all_are_of_one_mind(n_waves, per):
    """There MOVER is the further one: the jackknife holds 38 of 100 slopes in five waves of one answer."""
    found = trend(
        _without_slope(n_waves, per, [0.02, 0.08, 0.9], 1_000), score="score", wave="wave", by="series"
    )
    assert ((found["low"] <= 0) & (found["high"] >= 0)).mean() > 0.98
    alike = trend(pl.DataFrame({"wave": range(5), "score": 10}), score="score", wave="wave")
    assert alike["low"][0] < -10
    assert alike.select("slope", "p_value").row(0) == pytest.approx((0, 1), abs=1e-12)


def test_far_p_values_of_many_waves_are_those_of_a_line():
    """112 days of 27 answers: MOVER's limits cannot leave the scale, and gave 1e-35 for 1e-11."""
    rng = np.random.default_rng(8)
    day = np.repeat(np.arange(112), 27)
    score = np.where(rng.random(len(day)) < 0.35 + 0.0025 * day, 10, rng.choice([3, 8], len(day)))
    row = trend(pl.DataFrame({"day": day, "score": score}), score="score", wave="day").row(0, named=True)
    line = stats.linregress(day, np.select([score < 7, score < 9], [-1, 0], 1))
    assert row["slope"] == pytest.approx(100 * line.slope)
    assert line.pvalue < 1e-9
    assert np.log10(row["p_value"]) == pytest.approx(np.log10(line.pvalue), abs=1.5)


# ---------------------------------------------------------------- clusters


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(st.sampled_from("abcd"), st.integers(0, 3), st.sampled_from([3, 8, 10])),
        min_size=4,
        max_size=30,
    )
)
def test_the_error_of_clusters(rows):
    house = pl.DataFrame(rows, schema=["who", "wave", "score"], orient="row")
    found = trend(house, score="score", wave="wave", cluster="who").row(0, named=True)
    ranks = {wave: at for at, wave in enumerate(sorted({wave for _, wave, _ in rows}))}
    answers = [(who, ranks[wave], {3: -1, 8: 0, 10: 1}[score]) for who, wave, score in rows]
    n_cluster = len({who for who, _, _ in rows})
    assert found["n_cluster"] == n_cluster
    if len(ranks) < 2 or n_cluster == 1:
        assert found["standard_error"] is None
        assert found["p_value"] is None
        return
    plain = trend(house, score="score", wave="wave").row(0, named=True)
    assert found["slope"] == plain["slope"]
    if n_cluster == len(rows):
        assert (found["low"], found["p_value"]) == (plain["low"], plain["p_value"])
        return
    error, _ = twin.slope_error(answers)
    assert found["standard_error"] == pytest.approx(100 * error, abs=1e-9)
    half = stats.t.isf(0.025, n_cluster - 1) * 100 * error
    assert found["high"] - found["low"] == pytest.approx(2 * half, rel=1e-9, abs=1e-9)
    if error > 1e-9:
        t = abs(found["slope"]) / 100 / error
        assert found["p_value"] == pytest.approx(2 * stats.t.sf(t, n_cluster - 1), rel=1e-9)


def test_a_trend_by_clusters_of_thin_waves():
    """One answer a wave has no spread round its wave's mean, but round the line; equal answers have none."""
    house = pl.DataFrame({"w": range(8), "c": [1, 1, 2, 2, 3, 3, 4, 4], "s": [10, 3, 8, 10, 3, 10, 9, 0]})
    row = trend(house, score="s", wave="w", cluster="c").row(0, named=True)
    assert row["low"] < row["slope"] < row["high"]
    assert row["p_value"] > 0.1
    alike = trend(
        house.with_columns(s=7), score="s", wave="w", metric="mean_score", scale=(0, 10), cluster="c"
    )
    assert alike.select("slope", "p_value").row(0) == pytest.approx((0, 1), abs=1e-12)
    for cluster in (None, "c"):
        assert trend(house[:0], score="s", wave="w", cluster=cluster)["slope"].to_list() == [None]


def test_clusters_cover_where_answers_do_not():
    """120 customers, each asked four times in one of six waves, who answer alike: the true slope is 0."""
    rng = np.random.default_rng(12)
    hits = {None: 0, "who": 0}
    for _ in range(300):
        mood = rng.normal(size=120)
        who = np.repeat(np.arange(120), 4)
        latent = 0.8 * mood[who] + 0.6 * rng.normal(size=480)
        house = pl.DataFrame(
            {"who": who, "wave": who % 6, "score": np.select([latent < -0.8, latent < 0], [3, 8], 10)}
        )
        for cluster in hits:
            row = trend(house, score="score", wave="wave", cluster=cluster).row(0, named=True)
            hits[cluster] += row["low"] <= 0 <= row["high"]
    assert hits["who"] / 300 > 0.91
    assert hits[None] / 300 < 0.82


def test_clusters_without_a_spread():
    """The same answers in each wave: no slope and no doubt; another answer in each wave: no doubt of a "
    "slope."""
    house = pl.DataFrame({"who": ["a", "a", "b", "b"], "wave": [1, 2, 1, 2], "score": 10})
    same = trend(house, score="score", wave="wave", cluster="who").row(0, named=True)
    assert (same["slope"], same["standard_error"], same["p_value"]) == (0, 0, 1)
    moved = trend(house.with_columns(score=pl.col("wave") * 5), score="score", wave="wave", cluster="who")
    assert moved.select("slope", "standard_error", "p_value").row(0) == (200, 0, 0)


def test_clusters_of_segments():
    house = HOUSE.with_columns(who=pl.col("score").fill_null(0) % 4)
    answer = trend(house, by="plan", cluster="who", adjust="holm", **ROLES)
    assert answer.columns[:4] == ["plan", "n_waves", "n", "n_cluster"]
    assert "few_clusters" in answer["flags"][1]
    alone = trend(house.filter(plan="pro"), cluster="who", **ROLES)
    assert answer.row(1)[1:8] == pytest.approx(alone.row(0)[:7])
    lazy = trend(house.lazy(), by="plan", cluster=["who", "day"], **ROLES)
    assert lazy.collect_schema() == lazy.collect().schema
    empty = trend(house.head(0).lazy(), by="plan", cluster="who", **ROLES)
    assert empty.collect_schema() == empty.collect().schema


# ---------------------------------------------------------------- frames

BYS = {
    "none": None,
    "columns": ["plan", "day"],
    "expression": pl.col("day").dt.truncate("1mo").alias("month"),
    "categories": pl.col("plan").cast(pl.Categorical),
}


@pytest.mark.parametrize("by", BYS.values(), ids=BYS)
@pytest.mark.parametrize("adjust", [None, "holm"])
@pytest.mark.parametrize("rows", [0, 15])
@pytest.mark.parametrize("verb", [waves, trend])
def test_lazy_schema_is_what_comes(verb, by, adjust, rows):
    lazy = HOUSE.head(rows).lazy()
    answer = verb(lazy, by=by, adjust=adjust, **ROLES)
    assert answer.collect_schema() == answer.collect().schema
    assert_frame_equal(answer.collect(), verb(lazy.collect(), by=by, adjust=adjust, **ROLES))


@pytest.mark.parametrize("verb", [waves, trend])
def test_every_engine(frame, verb):
    house = HOUSE.select("plan", "year", "score")
    frame.check(verb(frame(house), by="plan", **ROLES), verb(house, by="plan", **ROLES))
    options = {"cluster": "plan", **ROLES}
    frame.check(verb(frame(house), **options), verb(house, **options))


@given(st.randoms(use_true_random=False))
def test_order_of_rows_is_no_matter(random):
    order = list(range(HOUSE.height))
    random.shuffle(order)
    for verb in (waves, trend):
        assert_frame_equal(
            verb(HOUSE[order], by="plan", **ROLES), verb(HOUSE, by="plan", **ROLES), check_exact=True
        )


def test_every_metric():
    fives = pl.DataFrame({"score": [1, 2, 3, 4, 5, 5, 5, 4] * 9, "wave": [1, 2] * 36})
    for metric, scale in (
        ("csat", None),
        (metrics.Csat(top=1), None),
        ("mean_score", (1, 5)),
    ):
        answer = waves(fives, score="score", wave="wave", metric=metric, scale=scale)
        line = trend(fives, score="score", wave="wave", metric=metric, scale=scale)
        assert line["slope"][0] == pytest.approx(answer["difference"][1])
        assert line["p_value"][0] == pytest.approx(answer["p_value"][1])


# ---------------------------------------------------------------- errors, whole

ERRORS = [
    (
        waves, {"wave": "yer"}, KeyError,
        "waves(wave='yer'): no such column.\n  Columns: 'plan', 'year', 'score', 'day'\n"
        "  Hint: did you mean 'year'?",
    ),
    (
        waves, {"by": "year", "wave": "plan"}, InvalidDataError,
        "waves(wave='plan'): 3 of 15 rows have no wave; the first is row 12.\n"
        "  Hint: drop them, or give them a wave with fill_null().",
    ),
    (
        waves, {"by": pl.col("year").alias("wave")}, InvalidOptionError,
        "waves(by='wave'): the answer has a column of that name.\n"
        "  Hint: rename it, for example by=pl.col('wave').alias('wave_group').",
    ),
    (
        trend, {"per": "1y"}, InvalidOptionError,
        "trend(per='1y'): months, quarters and years have no fixed length.\n  Hint: write days: '30d'.",
    ),
    (
        trend, {"per": "1d"}, InvalidOptionError,
        "trend(per='1d'): the waves are Int64, and have no places in time.\n"
        "  Hint: leave it out: the slope is per wave.",
    ),
    (
        trend, {"adjust": "bonferroni"}, InvalidOptionError,
        "trend(adjust='bonferroni'): not one of the words.\n  Words: 'holm', 'bh'\n"
        "  Hint: pass one of the words.",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("verb", "options", "kind", "text"), ERRORS)
def test_error_texts(verb, options, kind, text):
    with pytest.raises(kind) as error:
        verb(HOUSE, **{**ROLES, **options})
    assert str(error.value) == text


def test_waves_must_have_an_order():
    house = pl.DataFrame({"wave": [[1], [2]], "score": [1, 2]})
    with pytest.raises(InvalidDataError) as error:
        waves(house, score="score", wave="wave")
    assert str(error.value) == (
        "waves(wave='wave'): takes what has an order, but the column is List(Int64).\n"
        "  Hint: such as a year, a date, a month of dt.truncate('1mo'), or an Enum in its order."
    )


# ---------------------------------------------------------------- real answers


@pytest.mark.shared
def test_airport_survey_year_by_year(shared: Path):
    """Satisfaction with San Francisco airport, 2014 to 2017, and ease of finding the way."""
    survey = pl.read_parquet(shared / "data/sfo_survey/sfo_tidy_2014_2017.parquet")
    answer = waves(survey, score="csat_airport", wave="year", metric=metrics.Csat(kind="mean"))
    assert answer["wave"].to_list() == [2014, 2015, 2016, 2017]
    assert answer["estimate"].round(3).to_list() == [3.996, 4.048, 4.038, 4.064]
    line = trend(survey, score="csat_airport", wave="year", metric=metrics.Csat(kind="mean")).row(
        0, named=True
    )
    assert line["n_waves"] == 4
    assert 0 < line["low"] < line["slope"] < line["high"] < 0.05
    assert line["p_value"] < 0.01
    flights = trend(
        survey,
        score="csat_airport",
        wave="year",
        metric=metrics.Csat(kind="mean"),
        cluster=["year", "flight_cluster"],
    ).row(0, named=True)
    assert 1.1 < flights["standard_error"] / line["standard_error"] < 1.6
    ease = waves(survey, score="ces_wayfinding", wave="year", metric=metrics.MeanScore((1, 5)))
    assert ease["estimate"].round(3).to_list() == [4.390, 4.423, 4.383, 4.413]
