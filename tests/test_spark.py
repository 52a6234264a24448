"""Verbs on Spark give the answer of one machine: ``make spark-test``."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

import cxcore as cx
import cxcore.spark
from tests.spark import (
    CREDIT,
    SCORES,
    as_spark_holds,
    busy_log,
    check_credit,
    check_rows,
    check_scores,
    collect,
    to_spark,
    write_rows,
)
from tests.test_spill import OPTIONS, ROLES, clicks

# warnings of Spark's are not ours to repair
pytestmark = [pytest.mark.spark, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

LOG = (
    clicks(20_000)
    .with_row_index("row")
    .with_columns(
        pl.col("row").cast(pl.Int64),
        pl.col("page").cast(pl.String),
        pl.col("time").cast(pl.Datetime("us", "UTC")),
    )
)
BY_USER = {name: options for name, options in OPTIONS.items() if name != "whole log"}
NAMES = ["session_id", "session_number"]


# ---------------------------------------------------------------- sessions


@pytest.mark.parametrize("name", ["gap", "splits", "copies", "all"])
def test_sessions_by_rules(spark: Any, name: str) -> None:
    options: Any = {**ROLES, **BY_USER[name], "order": "row", "null_user": "own"}
    frame = to_spark(spark, LOG)
    rows = collect(cx.sessionize(frame, **options, reason=True))
    assert_frame_equal(rows.sort("row"), as_spark_holds(cx.sessionize(LOG, **options, reason=True)))
    options |= {"first": "page", "last": "row", "sum": ["minutes", "value"], "any": "is_on"}
    table = collect(cx.sessions(frame, **options))
    assert_frame_equal(table.sort(NAMES), as_spark_holds(cx.sessions(LOG, **options)).sort(NAMES))


def test_several_columns_name_a_user(spark: Any) -> None:
    """And those of one instant that lack one of them are told apart, wherever they lie."""
    log = LOG.with_columns(
        pl.col("time").dt.truncate("6h"), shop=pl.when(pl.col("row") % 11 > 0).then("shop")
    )
    options: Any = {"user": ["shop", "user"], "time": "time", "null_user": "own", "order": "row"}
    found = collect(cx.sessionize(to_spark(spark, log), **options)).sort("row")
    assert_frame_equal(found, as_spark_holds(cx.sessionize(log, **options)))


def test_any_number_of_partitions_gives_one_answer(spark: Any) -> None:
    options: Any = {**ROLES, "split_on": "campaign", "max_events": 4}
    frame = to_spark(spark, LOG)
    before, answers = spark.conf.get("spark.sql.shuffle.partitions"), []
    for n in (1, 3, 8):
        spark.conf.set("spark.sql.shuffle.partitions", str(n))
        answers.append(collect(cx.sessions(frame.repartition(n), **options)).sort("user", *NAMES))
    spark.conf.set("spark.sql.shuffle.partitions", before)
    assert answers[0].equals(answers[1])
    assert answers[0].equals(answers[2])


def test_workers_may_sort(spark: Any, capsys: Any) -> None:
    """The same answers where the session says that a worker sorts its part in memory."""
    log = LOG.with_columns(
        pl.col("time").dt.truncate("6h"), shop=pl.when(pl.col("row") % 11 > 0).then("shop")
    )
    options: Any = {"user": ["shop", "user"], "time": "time", "null_user": "own", "order": "row"}
    frame = to_spark(spark, log).selectExpr("*", "map('a', row) AS more")
    spark.conf.set("spark.cxcore.sort", "kernel")
    try:
        cx.sessionize(frame, **options).explain()
        assert "Sort" not in capsys.readouterr().out
        found = collect(cx.sessionize(frame, **options).where("more['a'] = row").drop("more")).sort("row")
        assert_frame_equal(found, as_spark_holds(cx.sessionize(log, **options)))
        some = cx.sessions(to_spark(spark, LOG), **ROLES, split_on="campaign", max_events=4, order="row")
        want = cx.sessions(LOG, **ROLES, split_on="campaign", max_events=4, order="row")
        assert_frame_equal(collect(some).sort(NAMES), as_spark_holds(want).sort(NAMES))
        touches = to_spark(spark, TOUCHES)
        close(collect(cx.attribute(touches, **CONVERTS)), cx.attribute(TOUCHES, **CONVERTS))
        assert collect(cx.sessionize(to_spark(spark, LOG).limit(0), **ROLES)).is_empty()
        spark.conf.set("spark.cxcore.sort", "fast")
        with pytest.raises(cx.InvalidOptionError, match="'spark', 'kernel'"):
            cx.sessions(frame, **options)
    finally:
        spark.conf.unset("spark.cxcore.sort")


def test_days_are_those_of_the_session(spark: Any) -> None:
    """Nights on which clocks change; a timestamp without a zone has its own days."""
    night = int(dt.datetime(2026, 3, 28, 20, tzinfo=dt.UTC).timestamp()) * 1_000_000
    log = pl.DataFrame({"who": [1] * 48, "at": night + 900_000_000 * np.arange(48), "row": np.arange(48)})
    at = pl.col("at").cast(pl.Datetime("us"))
    spark.conf.set("spark.sql.session.timeZone", "Europe/Berlin")
    berlin = log.with_columns(at=at.dt.replace_time_zone("UTC").dt.convert_time_zone("Europe/Berlin"))
    options: Any = {"user": "who", "time": "at", "gap": None, "calendar": "1d"}
    try:
        for house in (berlin, log.with_columns(at=at)):
            found = collect(cx.sessionize(to_spark(spark, house), **options)).sort("row")
            assert_frame_equal(found, as_spark_holds(cx.sessionize(house, **options)))
            table = cx.sessions(to_spark(spark, house), **options)
            assert_frame_equal(
                collect(table).sort(NAMES), as_spark_holds(cx.sessions(house, **options)).sort(NAMES)
            )
    finally:
        spark.conf.set("spark.sql.session.timeZone", "UTC")


def test_columns_of_the_users_come_back_as_they_were(spark: Any) -> None:
    """Also those that Polars cannot read, under any name; and Spark's frame is not changed."""
    frame = to_spark(spark, LOG.head(500)).selectExpr(
        "*",
        "map('a', row) AS `a.map`",
        "INTERVAL '3' DAY AS `it``s`",
        "CAST(row AS DECIMAL(20, 3)) AS exact",
    )
    found = cx.sessionize(frame, **ROLES)
    assert found.columns == [*frame.columns, *NAMES]
    assert found.schema[: len(frame.columns)] == frame.schema[:]
    both = found.join(frame.withColumnRenamed("exact", "as_it_was"), "row")
    assert both.where("exact = as_it_was").count() == 500
    with pytest.raises(cx.InvalidDataError, match="already"):
        cx.sessionize(frame.withColumnRenamed("page", "SESSION_ID"), **ROLES)


def test_text_is_told_apart_by_its_bytes(spark: Any) -> None:
    """Whatever Spark takes for equal: it would sort and group under the collation of a column."""
    log = LOG.head(3_000).with_columns(
        pl.concat_str("user", pl.when("is_on").then(pl.lit("x")).otherwise(pl.lit("X")))
    )
    log = log.with_columns(score=pl.col("minutes") % 11)
    frame = to_spark(spark, log).selectExpr("* EXCEPT (user)", "user COLLATE UTF8_LCASE AS user")
    found = cx.sessionize(frame, **ROLES, order="row")
    assert found.schema["user"] == frame.schema["user"]
    want = as_spark_holds(cx.sessionize(log, **ROLES, order="row"))
    assert_frame_equal(collect(found).sort("row").select(want.columns), want)
    by = cx.nps(log, score="score", by="user", cluster="user")
    assert_frame_equal(collect(cx.nps(frame, score="score", by="user", cluster="user")), by, check_exact=True)


def test_columns_that_spark_cannot_hand_over(spark: Any) -> None:
    frame = to_spark(spark, LOG.head(9)).selectExpr("*", "INTERVAL 3 MONTH AS `rent`", "1 AS USER")
    with pytest.raises(
        cx.UnsupportedFrameError, match="no worker the column 'rent', which is interval month"
    ):
        cx.sessionize(frame, user="page", time="time")
    with pytest.raises(cx.UnsupportedFrameError, match="rent"):
        cx.nps(frame, score="row", by="rent")
    with pytest.raises(cx.InvalidDataError, match="several columns named 'user', 'USER'"):
        cx.sessions(frame, **ROLES)
    assert cx.sessions(frame, user="page", time="time").count() > 0
    spark.conf.set("spark.sql.caseSensitive", "true")
    try:
        assert cx.sessions(frame, **ROLES).count() > 0
    finally:
        spark.conf.unset("spark.sql.caseSensitive")


def test_no_rows_and_one_row(spark: Any) -> None:
    for n in (0, 1):
        house = LOG.head(n)
        frame = to_spark(spark, LOG).limit(0) if n == 0 else to_spark(spark, house)
        assert_frame_equal(
            collect(cx.sessionize(frame, **ROLES)), as_spark_holds(cx.sessionize(house, **ROLES))
        )
        assert_frame_equal(collect(cx.sessions(frame, **ROLES)), as_spark_holds(cx.sessions(house, **ROLES)))


def test_what_a_worker_refuses_reaches_the_driver(spark: Any) -> None:
    frame = to_spark(spark, LOG.with_columns(time=pl.when(pl.col("row") != 7).then("time")))
    with pytest.raises(Exception, match=r"InvalidDataError: sessionize\(time='time'\): 1 of .* have no time"):
        collect(cx.sessionize(frame, **ROLES))
    with pytest.raises(cx.ColumnNotFoundError, match="did you mean 'user'"):
        cx.sessionize(frame, user="usr", time="time")
    for verb in (cx.sessionize, cx.sessions):  # before a row is read
        with pytest.raises(cx.InvalidDataError, match="takes dates or datetimes, but the column is String"):
            verb(frame, user="user", time="page")
    with pytest.raises(cx.InvalidOptionError, match="a worker sees some users"):
        cx.sessionize(frame, **ROLES, id="dense")
    with pytest.raises(cx.UnsupportedFrameError, match="lies in many places"):
        cx.index(frame, **ROLES)


def test_what_is_not_for_spark_says_what_to_write(spark: Any, tmp_path: Path) -> None:
    from pyspark.sql import functions as sf

    frame, column = to_spark(spark, LOG.head(100)), sf.col("page")
    for option in ({"spill": tmp_path}, {"sorted_by_user": True}):
        (name,) = option
        text = rf"^sessions\({name}=.*\): a Spark DataFrame spreads .*\n  Hint: leave {name}= out\.$"
        with pytest.raises(cx.InvalidOptionError, match=text):
            cx.sessions(frame, **ROLES, **option)
    for role in ("start_on", "end_on", "split_on", "keep_alive"):
        with pytest.raises(cx.InvalidOptionError, match=rf"column of Spark's.*\n.*such as {role}=pl\.col\("):
            cx.sessionize(frame, **ROLES, **{role: column})
    touches, answers = to_spark(spark, TOUCHES.head(100)), to_spark(spark, ANSWERS.head(100))
    for role in ("by", "cluster", "weight", "stratum"):
        for value in (column, *([[column]] if role != "weight" else [])):
            with pytest.raises(
                cx.InvalidOptionError, match=rf"column of Spark's.*\n.*such as {role}=pl\.col"
            ):
                cx.nps(answers, score="score", **{role: value})
    of_groups: Any = {"score": "score", "group": "group", "control": "basic"}
    for verb, some, options in (
        (cx.attribute, touches, CONVERTS),
        (cx.paths, touches, CONVERTS),
        (cx.compare, answers, of_groups),
    ):
        with pytest.raises(cx.InvalidOptionError, match=r"column of Spark's.*\n.*such as by=pl\.col"):
            verb(some, **options, by=column)
    with pytest.raises(cx.InvalidOptionError, match="takes the name of a column"):
        cx.sessionize(frame, user=column, time="time")


def test_a_stream_is_refused(spark: Any) -> None:
    with pytest.raises(cx.UnsupportedFrameError, match="session_window"):
        cx.sessions(spark.readStream.format("rate").load(), user="value", time="timestamp")


def test_pandas_on_spark_says_what_to_pass(spark: Any) -> None:
    frame = to_spark(spark, LOG.head(9).select("user", "time"))
    with pytest.raises(cx.UnsupportedFrameError, match=r"pass frame.to_spark\(\)"):
        cx.sessions(frame.pandas_api(), **ROLES)


def test_times_that_spark_cannot_hold(spark: Any) -> None:
    """Nanoseconds become microseconds where that is exact, and are refused where it is not."""
    frame = to_spark(spark, LOG.head(200).with_columns(score=pl.col("minutes") % 11))
    time = pl.col("time").dt.truncate("1d").cast(pl.Datetime("ns", "UTC"))
    found = collect(cx.nps(frame, score="score", by=time))
    assert found.schema["time"] == pl.Datetime("us", "UTC")
    with pytest.raises(cx.UnsupportedFrameError, match="has no type for the column 'time'"):
        cx.nps(frame, score="score", by=time + pl.duration(nanoseconds=1))
    with pytest.raises(cx.UnsupportedFrameError, match="has no type for the column 'time', which is Time"):
        cx.nps(frame, score="score", by=pl.col("time").dt.time())


def test_nothing_is_read_before_it_is_asked_for(spark: Any, tmp_path: Path) -> None:
    LOG.write_parquet(tmp_path / "log.parquet")
    frame = spark.read.parquet(str(tmp_path))
    rows, table = cx.sessionize(frame, **ROLES), cx.sessions(frame, **ROLES)
    (tmp_path / "log.parquet").unlink()
    for answer in (rows, table):
        with pytest.raises(Exception, match=r"log\.parquet"):
            answer.count()


@pytest.mark.shared
def test_the_readers_of_wikipedia(spark: Any, shared: Path) -> None:
    log = pl.read_parquet(shared / "data/wiki_readers_2014/wiki_readers_2014.parquet")
    log = log.with_columns(
        alive=pl.col("page").str.ends_with(".gif").not_(), ts=pl.col("ts").cast(pl.Datetime("us"))
    )
    log = log.with_row_index("row").with_columns(pl.col("row").cast(pl.Int64))
    options: Any = {"user": "user_id", "time": "ts", "order": "row", "max_events": 50, "keep_alive": "alive"}
    options |= {"unique": ["ts", "page"], "calendar": "1d", "time_zone": "America/Los_Angeles"}
    found = collect(cx.sessionize(to_spark(spark, log), **options, reason=True)).sort("row")
    assert_frame_equal(found, as_spark_holds(cx.sessionize(log, **options, reason=True)))


@pytest.mark.shared
def test_the_service_desk(spark: Any, shared: Path) -> None:
    log = pl.read_parquet(shared / "data/servicenow_incidents/servicenow_incidents.parquet")
    log = log.with_columns(closed=pl.col("incident_state") == "Closed").with_row_index("row")
    log = log.with_columns(pl.col("row").cast(pl.Int64), pl.col("sys_updated_at").cast(pl.Datetime("us")))
    options: Any = {"user": "caller_id", "time": "sys_updated_at", "order": "row", "gap": "7d"}
    options |= {"end_on": "closed", "split_on": "contact_type"}
    frame = to_spark(spark, log.select("caller_id", "sys_updated_at", "row", "closed", "contact_type"))
    assert_frame_equal(
        collect(cx.sessions(frame, **options)).sort(NAMES),
        as_spark_holds(cx.sessions(log, **options)).sort(NAMES),
    )


# ---------------------------------------------------------------- attribution


TOUCHES = cx.datasets.touchpoints(3_000, rng=5).frame.with_row_index("row")
TOUCHES = TOUCHES.with_columns(pl.col("row").cast(pl.Int64), plan=pl.col("user_id") % 3)
CONVERTS: dict[str, Any] = {"user": "user_id", "time": "ts", "channel": "channel", "order": "row"}
CONVERTS |= {"conversion": "conversion", "value": "value"}


#: models whose conversions are counts
COUNTED = ["first_touch", "last_touch", "first_non", "last_non", "participation", "same_touch"]


def close(found: pl.DataFrame, want: pl.DataFrame) -> None:
    """Counts are the same bits; fractions, values and weights a *relative* 1e-12 from one machine."""
    assert_frame_equal(found, as_spark_holds(want), check_exact=False, rel_tol=1e-12, abs_tol=0)
    if {"model", "conversions"} <= set(want.columns):
        counts = pl.col("conversions").filter(pl.col("model").is_in(COUNTED))
        assert_frame_equal(found.select(counts), want.select(counts), check_exact=True)


def test_credit_and_paths(spark: Any) -> None:
    frame = to_spark(spark, TOUCHES)
    models = [word for word in cx.attribution.MODELS if word not in ("w", "additive_hazard")]
    want = cx.attribute(TOUCHES, **CONVERTS, model=models, by="plan")
    close(collect(cx.attribute(frame, **CONVERTS, model=models, by="plan")), want)
    close(collect(cx.paths(frame, **CONVERTS)), cx.paths(TOUCHES, **CONVERTS))
    asked: Any = {**CONVERTS, "model": "time_decay", "touches": True}
    by = ["user_id", "conversion_time", "position"]
    close(collect(cx.attribute(frame, **asked)).sort(by), cx.attribute(TOUCHES, **asked).sort(by))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"by": "plan"},
        {"confidence_level": 0.9},
        {"confidence_level": 0.9, "compare": True},
        {"confidence_level": 0.9, "compare": True, "by": "plan"},
    ],
    ids=str,
)
def test_costs_are_those_of_the_whole_log(spark: Any, options: dict[str, Any]) -> None:
    """Each part lacks channels that the log has."""
    costs = pl.DataFrame({"channel": ["email", "social"], "cost": [10.0, 20.0]})
    if "by" in options:
        costs = costs.join(TOUCHES.select("plan").unique(), how="cross")
    asked: Any = {**CONVERTS, "model": ["linear", "markov"], "spend": costs, **options}
    close(collect(cx.attribute(to_spark(spark, TOUCHES), **asked)), cx.attribute(TOUCHES, **asked))
    asked["spend"] = costs.with_columns(channel=pl.lit("tv ") + pl.col("channel"))
    with pytest.raises(cx.InvalidDataError, match=r"^attribute\(spend='channel'\): .* does not have"):
        cx.attribute(to_spark(spark, TOUCHES), **asked)


def test_counts_are_the_same_bits_in_any_number_of_partitions(spark: Any) -> None:
    frame, answers = to_spark(spark, TOUCHES), []
    for n in ("1", "3", "8"):
        spark.conf.set("spark.sql.shuffle.partitions", n)
        answers.append(collect(cx.attribute(frame, **CONVERTS, model=["last_touch", "markov"])).drop("value"))
    spark.conf.set("spark.sql.shuffle.partitions", "3")
    assert answers[0].equals(answers[1])
    assert answers[0].equals(answers[2])


@pytest.fixture
def rows(monkeypatch: Any) -> list[int]:
    """How many reach the driver, each time."""
    found: list[int] = []
    collected = cxcore.engines.spark._collected

    def counted(frame: Any) -> Any:
        table = collected(frame)
        found.append(table.num_rows)
        return table

    monkeypatch.setattr(cxcore.engines.spark, "_collected", counted)
    return found


def test_intervals_are_sums_over_customers(spark: Any, rows: list[int]) -> None:
    """The driver gets rows by model and channel; twice where models learn, whose fit goes to the workers."""
    frame = to_spark(spark, TOUCHES)
    drawn = cx.attribution.Bootstrap(replicates=100, kind="bca", rng=1)
    asked: Any = {**CONVERTS, "confidence_level": 0.9, "model": ["linear", "markov"], "method": drawn}
    close(collect(cx.attribute(frame, **asked)), cx.attribute(TOUCHES, **asked))
    learned: Any = {**CONVERTS, "confidence_level": 0.9, "model": cx.attribution.PathIncrement(order=2)}
    close(collect(cx.attribute(frame, **learned)), cx.attribute(TOUCHES, **learned))
    assert len(rows) == 4  # paths are as many as there are different ones
    assert max(rows[1], rows[3]) < 300


def test_what_must_know_each_row_is_computed_on_the_driver(spark: Any) -> None:
    """Models of times, and refits; the bootstrap draws customers by their names, wherever they lie."""
    drawn = cx.attribution.Bootstrap(replicates=100, rng=1)
    asked: Any = {**CONVERTS, "model": ["linear", "path_increment"], "confidence_level": 0.9}
    asked["method"] = drawn
    close(collect(cx.attribute(to_spark(spark, TOUCHES), **asked)), cx.attribute(TOUCHES, **asked))
    without = {name: role for name, role in CONVERTS.items() if name != "order"}
    log = to_spark(spark, TOUCHES.with_columns(pl.col("ts").dt.truncate("1d")))
    asked = {**without, "model": "additive_hazard", "confidence_level": 0.9}
    answers = [collect(cx.attribute(log.repartition(n), **asked)) for n in (1, 5)]
    assert answers[0].equals(answers[1])
    touches: Any = {**CONVERTS, "model": "additive_hazard", "touches": True}
    by = ["user_id", "conversion_time", "position"]
    found = collect(cx.attribute(to_spark(spark, TOUCHES), **touches)).sort(by)
    close(found, cx.attribute(TOUCHES, **touches).sort(by))


def test_what_a_worker_refuses_of_attribution(spark: Any) -> None:
    frame = to_spark(spark, TOUCHES.head(100))
    text = r"^attribute\(time='ts'\): .* rows have no time; .*\n  Hint: .*\n  Rows are counted .* sorted\.$"
    with pytest.raises(cx.InvalidDataError, match=text):
        cx.attribute(frame.selectExpr("* EXCEPT (ts)", "CAST(NULL AS TIMESTAMP) AS ts"), **CONVERTS)


# ---------------------------------------------------------------- scores

ANSWERS = cx.datasets.answers(
    5_000, rng=3, answers_per_customer=2, correlation=0.4, no_answer=0.1
).frame.with_columns(
    pl.when(pl.col("customer_id") % 9 > 0).then("group").alias("group"),
    weight=1.0 + pl.col("customer_id") % 4,
)


@pytest.mark.parametrize(
    "options",
    [
        {"total": True},
        {"method": "score", "missing": [10]},
        {"cluster": "customer_id"},
        {"weight": "weight", "cluster": "customer_id"},
    ],
    ids=str,
)
def test_scores(spark: Any, options: dict[str, Any]) -> None:
    asked: Any = {"score": "score", "by": "group", **options}
    found, want = collect(cx.nps(to_spark(spark, ANSWERS), **asked)), as_spark_holds(cx.nps(ANSWERS, **asked))
    if "weight" in options:
        close(found, want)
    else:
        assert_frame_equal(found, want, check_exact=True)


STRATA = ANSWERS.with_columns(
    home=pl.when(pl.col("customer_id") % 5 > 0).then(pl.lit("north")).otherwise(pl.lit("south")),
    customer_id=pl.when(pl.col("customer_id") % 13 > 0).then("customer_id"),
)


@pytest.mark.parametrize(
    "options",
    [
        {"cluster": "customer_id", "total": True, "missing": [10]},
        {"cluster": ["customer_id", "home"], "stratum": "home", "population": {"north": 9e3, "south": 4e3}},
        {"stratum": "home"},
    ],
    ids=str,
)
def test_scores_of_designs_are_the_same_bits(spark: Any, options: dict[str, Any]) -> None:
    """Some customers are unknown."""
    asked: Any = {"score": "score", "by": "group", **options}
    found = collect(cx.nps(to_spark(spark, STRATA), **asked))
    assert_frame_equal(found, as_spark_holds(cx.nps(STRATA, **asked)), check_exact=True)


def test_rows_that_reach_the_driver_are_kinds(spark: Any, rows: list[int]) -> None:
    """The same number of rows, and the bits of one machine, of 1,000 customers and of 30,000."""
    for n in (1_000, 30_000):
        who, at = np.divmod(np.arange(2 * n), 2)
        house = pl.DataFrame(
            {"customer": who, "score": (who % 12 * (at + 1)) % 11, "shop": at, "home": who % 3}
        )
        frame = to_spark(spark, house)
        asked: Any = {"score": "score", "by": "shop", "cluster": "customer", "stratum": "home"}
        assert_frame_equal(collect(cx.nps(frame, **asked)), cx.nps(house, **asked), check_exact=True)
    drawn: Any = {"score": "score", "group": "shop", "control": 0, "cluster": "customer"}
    close(collect(cx.compare(frame, **drawn)), cx.compare(house, **drawn))
    assert rows[0] == rows[1], rows
    assert max(rows) < 60, rows


def test_a_comparison_and_the_verbs_of_the_driver(spark: Any) -> None:
    frame = to_spark(spark, ANSWERS)
    asked: Any = {"score": "score", "group": "group", "control": "basic"}
    close(collect(cx.compare(frame, **asked)), cx.compare(ANSWERS, **asked))
    asked |= {"cluster": "customer_id", "weight": "weight"}
    close(collect(cx.compare(frame, **asked)), cx.compare(ANSWERS, **asked))
    by = pl.col("customer_id") % 2 == 0
    close(collect(cx.nps(frame, score="score", by=by)), cx.nps(ANSWERS, score="score", by=by))
    dated = ANSWERS.with_columns(month=pl.col("customer_id") % 3)
    asked = {"score": "score", "wave": "month"}
    close(collect(cx.waves(to_spark(spark, dated), **asked)), cx.waves(dated, **asked))


def test_sql_functions_give_the_numbers_of_the_verbs(spark: Any) -> None:
    cxcore.spark.register(spark)
    cxcore.spark.register(spark)
    to_spark(spark, ANSWERS).createOrReplaceTempView("answers")
    for call, verb, options in (
        ("nps({})", cx.nps, {}),
        ("csat({}, 0, 10)", cx.csat, {"scale": (0, 10)}),
        ("ces({}, 0, 10)", cx.ces, {"scale": (0, 10)}),
    ):
        name, arguments = call.format("score").split("(")
        both = f"cx_{name}({arguments} AS point, cx_{name}_ci({arguments} AS it"
        found = (
            collect(spark.sql(f"SELECT group, {both} FROM answers GROUP BY group"))
            .unnest("it")
            .sort("group", nulls_last=True)
        )
        want = verb(ANSWERS, score="score", by="group", **options)
        assert found["point"].equals(want["estimate"].rename("point"))
        names = ["estimate", "low", "high", "standard_error", "n", "method", "flags"]
        assert_frame_equal(found.select(names), want.select(names), check_exact=True)
    over = spark.sql("SELECT DISTINCT group, cx_nps(score) OVER (PARTITION BY group) AS point FROM answers")
    assert over.count() == 4
    at_90 = collect(spark.sql("SELECT cx_nps_ci(score, 0.9) AS it FROM answers")).unnest("it")
    want = cx.nps(ANSWERS, score="score", confidence_level=0.9).select(at_90.columns)
    assert_frame_equal(at_90, want, check_exact=True)
    frames = spark.sql(
        "SELECT cx_csat_ci(s, 1, 5, 0.9) OVER (ORDER BY s ROWS BETWEEN 2 PRECEDING AND 1 PRECEDING) AS it"
        " FROM VALUES (4), (5), (3) AS t(s)"
    )
    assert collect(frames)["it"].null_count() == 1
    counted = spark.sql(
        "SELECT group, nps, n FROM (SELECT group, cx_nps(score) AS nps FROM answers GROUP BY group)"
        " JOIN (SELECT group AS same, count(score) AS n FROM answers GROUP BY group) ON group <=> same"
    )
    want = cx.nps(ANSWERS, score="score", by="group").select("group", pl.col("estimate").alias("nps"), "n")
    assert_frame_equal(collect(counted).sort("group"), as_spark_holds(want).sort("group"), check_exact=True)
    with pytest.raises(Exception, match="INVALID_PANDAS_UDF_PLACEMENT"):  # docs/how-to/spark.md says so
        spark.sql("SELECT cx_nps(score), count(*) FROM answers").collect()
    assert not spark.sql("SELECT cx_nps(score) FROM answers WHERE false").collect()
    with pytest.raises(Exception, match=r"cx_nps\(score, 1, 5\): NPS is defined on 0 to 10"):
        spark.sql("SELECT cx_nps(score, 1, 5) FROM answers").collect()
    nobody = spark.sql(
        "SELECT group, cx_nps_ci(CASE WHEN score < 0 THEN score END) AS it FROM answers GROUP BY group"
    )
    assert collect(nobody)["it"].null_count() == 4
    with pytest.raises(Exception, match=r"answers are outside 1\.\.5"):
        spark.sql("SELECT cx_csat(score) FROM answers").collect()
    with pytest.raises(cx.InvalidOptionError, match="not a Spark session"):
        cxcore.spark.register("spark")


# ---------------------------------------------------------------- size


#: 10_000_000 take a minute: CONTRIBUTING.md
EVENTS = int(os.environ.get("CXCORE_SPARK_EVENTS", 1_000_000))


@pytest.fixture
def log(spark: Any, tmp_path: Path) -> tuple[pl.DataFrame, Any]:
    house = busy_log(EVENTS)
    house.write_parquet(tmp_path / "log.parquet")
    return house, spark.read.parquet(str(tmp_path / "log.parquet"))


def test_sessions_of_a_large_log_in_which_one_user_has_a_tenth(log: Any, tmp_path: Path) -> None:
    house, frame = log
    write_rows(frame, tmp_path / "rows")
    check_rows(tmp_path / "rows", house)


def test_attribution_and_scores_of_a_large_log(log: Any) -> None:
    house, frame = log
    check_credit(collect(cx.attribute(frame, **CREDIT)), house)
    check_scores(collect(cx.nps(frame, **SCORES)), house)
