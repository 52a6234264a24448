"""Rolling windows: the twin, each window alone, days of 23 and 25 hours, steps, frames and errors."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import cxcore as cx
from cxcore import InvalidDataError, InvalidOptionError, metrics, rolling
from tests.reference import tracking as twin

DAY = dt.date(2024, 2, 27)
HOUSE = pl.DataFrame(
    {
        "plan": ["free", "pro", None, "pro", "free", "free", "pro"],
        "day": [DAY + dt.timedelta(days) for days in (0, 0, 1, 3, 4, 9, 9)],
        "score": [10, 3, 8, 9, None, 11, 7],
    }
)
ROLES = {"score": "score", "time": "day", "missing": [11]}


def test_by_hand():
    answer = rolling(HOUSE, window="3d", **ROLES)
    assert answer.columns == [
        "start", "end", "promoters", "passives", "detractors", "n", "n_null", "estimate", "low", "high",
        "standard_error", "method", "flags",
    ]  # fmt: skip
    rows = answer.select(pl.col("start", "end").dt.strftime("%m-%d"), "n", "n_null", "estimate").rows()
    assert rows == [
        ("02-25", "02-28", 2, 0, 0.0),
        ("02-26", "02-29", 3, 0, 0.0),
        ("02-27", "03-01", 3, 0, 0.0),
        ("02-28", "03-02", 2, 0, 50.0),
        ("02-29", "03-03", 1, 1, 100.0),
        ("03-01", "03-04", 1, 1, 100.0),
        ("03-02", "03-05", 0, 1, None),
        ("03-03", "03-06", 0, 0, None),
        ("03-04", "03-07", 0, 0, None),
        ("03-05", "03-08", 1, 1, 0.0),
    ]
    assert answer["flags"][7] == "no_answers"


instants = st.integers(-400, 400)


@settings(max_examples=60)
@given(
    st.lists(st.tuples(instants, st.none() | st.integers(0, 4)), max_size=40),
    st.integers(1, 9),
    st.integers(1, 12),
)
def test_rolling_counts(answers, step, times):
    """Against windows that are each counted anew, in seconds on both sides of 1970."""
    house = pl.DataFrame(answers, schema={"time": pl.Int64, "score": pl.Int64}, orient="row")
    house = house.with_columns((pl.col("time") * 1000).cast(pl.Datetime("ms")))
    answer = rolling(
        house, score="score", time="time", window=f"{step * times}s", every=f"{step}s",
        metric=metrics.Nps((0, 4), 4, 1), method="score",
    )  # fmt: skip
    known = twin.rolling_counts(answers, step, step * times, 5)
    found = answer.select(
        pl.col("start", "end").to_physical() // 1000, "detractors", "passives", "promoters", "n_null"
    ).rows()
    assert found == [
        (start, end, counts[0] + counts[1], counts[2] + counts[3], counts[4], n_null)
        for start, end, counts, n_null in known
    ]


@pytest.mark.parametrize("method", ["bootstrap", "score"])
def test_a_window_is_its_answers_alone(method):
    """To the bit: counts are whole, so that adding and subtracting leaves no trace."""
    rng = np.random.default_rng(3)
    days = [dt.date(2023, 1, 1) + dt.timedelta(int(day)) for day in rng.integers(0, 120, 4_000)]
    house = pl.DataFrame({"day": days, "score": rng.choice(11, 4_000), "plan": rng.choice(["a", "b"], 4_000)})
    answer = rolling(house, score="score", time="day", by="plan", window="28d", method=method)
    assert answer.height == 2 * 120
    for row in answer[::17].iter_rows(named=True):
        inside = pl.col("day").is_between(row["start"], row["end"], closed="left")
        alone = cx.nps(house.filter(inside, plan=row["plan"]), score="score", method=method)
        assert {name: row[name] for name in alone.columns} == alone.row(0, named=True)


# ---------------------------------------------------------------- time


@pytest.mark.parametrize("at_once", [1, 30, 4_000_000])
@pytest.mark.parametrize(
    ("method", "weight"),
    [("bootstrap", None), ("cluster_t", None), ("bca", None), ("bootstrap", "w"), ("percentile", "w")],
)
def test_a_window_by_clusters_is_its_answers_alone(method, weight, at_once, monkeypatch):
    """By customers who answer in several windows, also weighted; windows are looked at some at a time."""
    monkeypatch.setattr(sys.modules["cxcore.tracking.rolling"], "_AT_ONCE", at_once)
    rng = np.random.default_rng(4)
    house = pl.DataFrame(
        {
            "day": [dt.date(2024, 2, 20) + dt.timedelta(int(at)) for at in rng.integers(0, 40, 400)],
            "plan": rng.choice(["a", "b"], 400),
            "who": rng.integers(0, 90, 400),
            "score": rng.choice([3, 8, 10], 400),
            "w": rng.choice([0.0, 1.0, 2.5], 400),
        }
    ).filter(~pl.col("day").is_between(dt.date(2024, 3, 1), dt.date(2024, 3, 10)))
    house = house.with_columns(
        who=pl.when(pl.col("who") > 3).then("who"), score=pl.when(pl.col("who") != 9).then("score")
    )
    options = {"method": method, "cluster": "who", "weight": weight}
    answer = rolling(house, score="score", time="day", window="7d", by="plan", **options)
    counted = (
        house
        if weight is None
        else house.with_columns(  # of weight 0: nowhere, but a window of nulls
            score=pl.when(pl.col("w") > 0).then("score")
        )
    )
    plain = rolling(counted, score="score", time="day", window="7d", by="plan")
    assert_frame_equal(answer.select("plan", "start", "end", "n"), plain.select("plan", "start", "end", "n"))
    assert 0 in answer["n"]
    for row in answer.gather_every(5).iter_rows(named=True):
        inside = house.filter(pl.col("day") >= row["start"], pl.col("day") < row["end"], plan=row["plan"])
        alone = cx.nps(inside, score="score", **options)
        found = pl.DataFrame([row]).cast(alone.schema, strict=False).select(alone.columns)
        assert_frame_equal(found, alone, rel_tol=1e-12)


@pytest.mark.parametrize("rows", [0, 40])
def test_clusters_lazy_and_by_name(rows):
    day = [dt.date(2024, 1, 1 + at % 20) for at in range(40)]
    house = pl.DataFrame(
        {"day": day, "who": [at % 7 for at in range(40)], "score": [at % 11 for at in range(40)]}
    )
    options = {"score": "score", "time": "day", "window": "7d", "cluster": ["who"]}
    eager, lazy = rolling(house.head(rows), **options), rolling(house.head(rows).lazy(), **options)
    assert lazy.collect_schema() == eager.schema
    assert_frame_equal(lazy.collect(), eager)
    assert eager.height == (20 if rows else 0)
    with pytest.raises(InvalidOptionError, match="is for a survey design"):
        rolling(house, score="score", time="day", method="cluster_t")


def test_days_of_23_and_25_hours():
    """A day is what the clock on the wall calls one: 31 March 2024 has 23 hours in Berlin, 27 October 25."""
    zone = ZoneInfo("Europe/Berlin")
    for day, hours in ((dt.date(2024, 3, 31), 23), (dt.date(2024, 10, 27), 25)):
        midnight = dt.datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(dt.UTC)
        times = [midnight + dt.timedelta(hours=each) for each in range(-1, hours + 1)]
        house = pl.DataFrame({"time": pl.Series(times).dt.convert_time_zone("Europe/Berlin"), "score": 9})
        answer = rolling(house, score="score", time="time", window="1d")
        assert answer.select("start", "n").rows() == [
            (day - dt.timedelta(1), 1), (day, hours), (day + dt.timedelta(1), 1),
        ]  # fmt: skip
        two = rolling(house, score="score", time="time", window="2d")
        assert two["n"].to_list() == [1, hours + 1, hours + 1]
        elapsed = rolling(house, score="score", time="time", window="1d", every="1h")
        assert elapsed.schema["end"] == house.schema["time"]
        assert elapsed["n"].max() == 24
        assert elapsed["end"].diff().drop_nulls().unique().to_list() == [dt.timedelta(hours=1)]
        assert (elapsed["end"] - elapsed["start"]).unique().to_list() == [dt.timedelta(1)]


def test_a_day_without_a_midnight():
    """On 9 September 2018 clocks in Chile (Santiago) went from 24 to 1 o'clock."""
    house = pl.DataFrame({"time": [dt.datetime(2018, 8, 12, 2 + at, 30) for at in range(5)], "score": 9})
    house = house.with_columns(pl.col("time").dt.replace_time_zone("America/Santiago"))
    house = pl.concat([house, house.with_columns(pl.col("time") + dt.timedelta(1))])
    answer = rolling(house, score="score", time="time", window="2d")
    assert answer.select("end", "n").rows() == [(dt.date(2018, 8, 13), 5), (dt.date(2018, 8, 14), 10)]


@pytest.mark.parametrize(
    ("every", "window", "ends"),
    [
        ("1w", "4w", ["2024-03-04", "2024-03-11"]),
        ("1mo", "3mo", ["2024-03-01", "2024-04-01"]),
        ("1q", "1y", ["2024-04-01"]),
        ("1y", "2y", ["2025-01-01"]),
        ("1d", "1mo", [f"2024-03-{at:02}" if at else "2024-02-29" for at in range(9)]),
        (dt.timedelta(days=1), dt.timedelta(weeks=1), None),
    ],
)  # fmt: skip
def test_steps_of_the_calendar(every, window, ends):
    answer = rolling(HOUSE, every=every, window=window, **ROLES)
    if ends:
        assert answer["end"].dt.strftime("%Y-%m-%d").to_list()[-len(ends) :] == ends
    assert answer["n"].to_list()[-1] >= 1
    times = HOUSE.with_columns(pl.col("day").cast(pl.Datetime("ns")))
    assert_frame_equal(rolling(times, every=every, window=window, **ROLES), answer, check_exact=True)


def test_fine_steps():
    house = pl.DataFrame({"time": pl.Series([0, 150, 990], dtype=pl.Datetime("ns")), "score": [10, 0, 8]})
    answer = rolling(house, score="score", time="time", every="100ns", window="200ns")
    assert answer["n"].to_list() == [1, 2, 1, 0, 0, 0, 0, 0, 0, 1]
    assert answer["end"].to_physical().to_list() == list(range(100, 1001, 100))


# ---------------------------------------------------------------- frames

BYS = {"none": None, "columns": ["plan"], "expression": pl.col("plan").str.len_chars().alias("length")}


@pytest.mark.parametrize("by", BYS.values(), ids=BYS)
@pytest.mark.parametrize("every", ["1d", "6h"])
@pytest.mark.parametrize("rows", [0, 7])
def test_lazy_schema_is_what_comes(by, every, rows):
    times = pl.col("day").cast(pl.Datetime("ms", "America/New_York"))
    lazy = HOUSE.with_columns(times).head(rows).lazy()
    answer = rolling(lazy, by=by, every=every, window="2d", **ROLES)
    assert answer.collect_schema() == answer.collect().schema
    assert_frame_equal(answer.collect(), rolling(lazy.collect(), by=by, every=every, window="2d", **ROLES))


def test_every_engine(frame):
    for options in ({"by": "plan"}, {"cluster": "plan"}):
        frame.check(rolling(frame(HOUSE), **options, **ROLES), rolling(HOUSE, **options, **ROLES))


@given(st.randoms(use_true_random=False))
def test_order_of_rows_is_no_matter(random):
    order = list(range(HOUSE.height))
    random.shuffle(order)
    assert_frame_equal(rolling(HOUSE[order], by="plan", **ROLES), rolling(HOUSE, by="plan", **ROLES))


# ---------------------------------------------------------------- errors, whole

FAR = pl.DataFrame({"day": [dt.datetime(1, 1, 1), dt.datetime(2024, 1, 1)], "score": [1, 2]})
ERRORS = [
    (
        HOUSE, {"every": 7}, InvalidOptionError,
        "rolling(every=7): a bare number has no unit.\n  Hint: write every='7s' or every='30d'.",
    ),
    (
        HOUSE, {"window": "4 weeks"}, InvalidOptionError,
        "rolling(window='4 weeks'): not a length of time.\n"
        "  Hint: a number and one unit of y, q, mo, w, d, h, m, s, ms, us, ns, such as '28d'.",
    ),
    (
        HOUSE, {"window": "0d"}, InvalidOptionError,
        "rolling(window='0d'): must be longer than nothing.\n  Hint: such as '30d'.",
    ),
    (
        HOUSE, {"window": "10d", "every": "1w"}, InvalidOptionError,
        "rolling(window='10d'): is no whole number of steps of '1w'.\n"
        "  Hint: such as window='28d', every='1d'.",
    ),
    (
        HOUSE, {"every": "6h"}, InvalidOptionError,
        "rolling(every='6h'): the column 'day' has dates, and no hours.\n"
        "  Hint: take days or longer, such as '1d'.",
    ),
    (
        FAR, {"every": "6h", "window": "1mo"}, InvalidOptionError,
        "rolling(window='1mo'): months, quarters and years have no fixed length.\n  Hint: write days: '30d'.",
    ),
    (
        FAR, {"every": "1s", "window": "5s"}, InvalidOptionError,
        "rolling(every='1s'): 1 segments and 63,839,664,001 steps are more than 10,000,000 rows.\n"
        "  Hint: take longer steps.",
    ),
    (
        HOUSE, {"window": "101y"}, InvalidOptionError,
        "rolling(window='101y'): is longer than a century.\n  Hint: such as '28d'.",
    ),
    (
        FAR.with_columns(pl.col("day").cast(pl.Datetime("ms"))), {"every": "1500us", "window": "3ms"},
        InvalidOptionError,
        "rolling(every='1500us'): the times of 'day' have no finer unit than ms.\n"
        "  Hint: take a whole number of it.",
    ),
    (
        pl.DataFrame({"day": pl.Series([0, 2**62], dtype=pl.Datetime("us")), "score": 1}),
        {}, InvalidDataError,
        "rolling(time='day'): 1 of 2 times lie outside the years 1 to 9999; the first is row 1.\n"
        "  Hint: drop them: such dates stand for 'never'.",
    ),
    (
        pl.DataFrame({"day": pl.Series([0, 2**62 + 1], dtype=pl.Datetime("ns")), "score": 1}),
        {}, InvalidDataError,
        "rolling(time='day'): 1 of 2 times lie outside the years 1824 to 2115, for nanoseconds; the "
        "first is row 1.\n"
        "  Hint: drop them: such dates stand for 'never'.",
    ),
    (
        HOUSE, {"time": "plan"}, InvalidDataError,
        "rolling(time='plan'): takes dates or datetimes, but the column is String.\n"
        "  Hint: parse it, for example pl.col('plan').str.to_datetime().",
    ),
    (
        HOUSE.with_columns(day=pl.int_range(pl.len())), {}, InvalidDataError,
        "rolling(time='day'): takes dates or datetimes, but the column is Int64.\n"
        "  Hint: say their unit, for example pl.from_epoch('day', time_unit='s').",
    ),
    (
        HOUSE.with_columns(day=dt.time(9)), {}, InvalidDataError,
        "rolling(time='day'): takes dates or datetimes, but the column is Time.\n"
        "  Hint: name a column of dates or datetimes.",
    ),
    (
        HOUSE.with_columns(pl.col("day").shift()), {}, InvalidDataError,
        "rolling(time='day'): 1 of 7 rows have no time; the first is row 0.\n"
        "  Hint: drop them: no window has them.",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("house", "options", "kind", "text"), ERRORS)
def test_error_texts(house, options, kind, text):
    with pytest.raises(kind) as error:
        rolling(house, **{**ROLES, **options})
    assert str(error.value) == text


# ---------------------------------------------------------------- real answers


@pytest.mark.shared
def test_incidents_of_a_service_desk(shared: Path):
    """24,918 real incidents of a year: the share solved in time, over 28 days, against recounts."""
    log = pl.read_parquet(shared / "data/servicenow_incidents/servicenow_incidents.parquet")
    last = log.group_by("number").agg(pl.col("opened_at", "made_sla").sort_by("sys_mod_count").last())
    metric = metrics.Csat((0, 1), top=1)
    answer = rolling(last, score="made_sla", time="opened_at", metric=metric, method="score")
    assert answer["end"].diff().drop_nulls().unique().to_list() == [dt.timedelta(1)]
    assert answer["n"].max() < last.height
    for row in answer[::41].iter_rows(named=True):
        inside = last.filter(
            pl.col("opened_at").dt.date().is_between(row["start"], row["end"], closed="left")
        )
        assert (row["n"], row["n_null"]) == (inside.height, 0)
        if row["n"]:
            assert row["estimate"] == pytest.approx(100 * inside["made_sla"].mean(), rel=1e-12)
