"""``cx_sessionize`` and ``cx_sessions`` of Spark SQL; what needs no Spark is asked without it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import cxcore as cx
import cxcore.spark
from cxcore._parts import PIECE
from cxcore._spark_tables import VERBS, bound, taken_by
from cxcore._spark_words import in_spark, spark_words
from cxcore.engines.spark_sql import InTurns
from tests.test_spill import ROLES, clicks

NAMES = ["session_id", "session_number"]


# ---------------------------------------------------------------- without Spark


@pytest.mark.parametrize("least", [0, 2, 3, 100])
@pytest.mark.parametrize("n", [0, 1, 5])
def test_a_walk_in_turns_makes_what_it_makes_at_once(least: int, n: int) -> None:
    """Also one that makes nothing for a while, and something at the end."""

    def walk(batches: Iterator[Any]) -> Iterator[Any]:
        held: list[Any] = []
        for batch in batches:
            held.append(batch)
            if len(held) % 2 == 0:
                yield "".join(held)
                yield batch
        yield ("end", len(held))

    batches = ["a", "bb", "ccc", "d", "e"][:n]
    turns = InTurns(walk, least)
    made = [[*turns.give(batch)] for batch in batches]
    assert [*(one for some in made for one in some), *turns.end()] == list(walk(iter(batches)))
    if least == 0:  # as soon as it can be made
        assert list(map(len, made)) == [0, 2, 0, 2, 0][:n]


@pytest.mark.parametrize("least", [0, 100])
def test_what_a_walk_in_turns_refuses_is_raised_here(least: int) -> None:
    def walk(batches: Iterator[Any]) -> Iterator[Any]:
        yield next(batches)
        raise cx.InvalidDataError("not this one")

    turns = InTurns(walk, least)
    with pytest.raises(cx.InvalidDataError, match="not this one"):
        [*turns.give("a"), *turns.give("b"), *turns.end()]
    turns.leave()


def test_a_walk_that_is_left_ends() -> None:
    ended: list[bool] = []

    def walk(batches: Iterator[Any]) -> Iterator[Any]:
        yield from batches
        ended.append(True)

    turns = InTurns(walk, 0)
    assert [*turns.give("a")] == ["a"]
    turns.leave()
    assert list(turns.end()) == []
    assert ended == [True]


def constant(value: Any) -> Any:
    return SimpleNamespace(isTable=False, isConstantExpression=True, value=value)


def table(*names: str) -> Any:
    return SimpleNamespace(isTable=True, dataType=SimpleNamespace(names=list(names)))


EVENTS = table("user_id", "ts", "Page")


@pytest.mark.parametrize("call", VERBS)
def test_arguments_are_those_of_the_verb(call: str) -> None:
    """By place or by name, in any case; columns as the table has them."""
    asked = bound(
        call,
        [EVENTS, *map(constant, ("USER_ID", "ts"))],
        {"GAP": constant(dt.timedelta(hours=1)), "split_on": constant(["page", "none"])},
    )
    assert asked.options == {
        "user": "user_id",
        "time": "ts",
        "gap": dt.timedelta(hours=1),
        "split_on": ["Page", "none"],
    }
    taken = taken_by(call)
    assert taken["user_col"] == "user"
    assert not {"spill", "sorted_by_user", "n_threads", "id", "events"} & {*taken, *taken.values()}


@pytest.mark.parametrize(
    ("arguments", "named", "text"),
    [
        (
            [constant("events"), constant("ts")],
            {},
            "cx_sessionize(): TABLE(…) is required.\n"
            "  Hint: write cx_sessionize(TABLE(events), user_col => 'user_id', time_col => 'ts').",
        ),
        (
            [EVENTS],
            {"time_col": constant("ts")},
            "cx_sessionize(): user_col is required.\n  Hint: name the column: user_col => '…'.",
        ),
        (
            [EVENTS, *map(constant, "abcd")],
            {},
            "cx_sessionize(values => ['a', 'b', 'c', 'd']): too many stand without a name.\n"
            "  Hint: all but user_col, time_col and gap is written by name: max_events => 50.",
        ),
        ([EVENTS, constant("a")], {"user_col": constant("b")}, "cx_sessionize(user_col => 'b'): stands by p"),
        (
            [EVENTS],
            {"user_col": constant("a"), "time_cl": constant("b")},
            "cx_sessionize(argument => 'time_cl'): not one of the words.\n  Words: 'user_col', 'time_col', ",
        ),
        (
            [EVENTS, *map(constant, "ab")],
            {"gap": SimpleNamespace(isTable=False, isConstantExpression=False, value=None)},
            "cx_sessionize(gap => '…'): not a constant.\n"
            "  Hint: write the value itself; names of columns are texts.",
        ),
    ],
)
def test_calls_are_refused_in_words_of_sql(arguments: Any, named: Any, text: str) -> None:
    with pytest.raises(cx.CxError) as refused, spark_words("cx_sessionize"):
        bound("cx_sessionize", arguments, named)
    assert str(refused.value).startswith(text)


@pytest.mark.parametrize(
    ("said", "written"),
    [
        (
            "sessionize(user='a=b', order=None): no such columns.\n  Columns: 'x'\n  Hint: did you mean 'x'?",
            "cx_it(user_col => 'a=b', order_col => NULL): no such columns.\n  Columns: 'x'\n"
            "  Hint: did you mean 'x'?",
        ),
        (
            "sessionize(time='t'): no.\n  Hint: drop them, or say null_time='null'; verbs without it take an "
            "index that has it.\n  Rows are counted here.",
            "cx_it(time_col => 't'): no.\n  Hint: drop them, or say null_time => 'null'.\n"
            "  Rows are counted here.",
        ),
        (
            "it(time='t'): no.\n  Hint: say their unit, for example pl.from_epoch('t', time_unit='ms').",
            "cx_it(time_col => 't'): no.\n  Hint: say their unit, for example timestamp_millis(`t`).",
        ),
        (
            "it(user='u'): no.\n  Hint: cast it, for example pl.col('u').cast(pl.String), or to pl.Int64.",
            "cx_it(user_col => 'u'): no.\n  Hint: cast it, for example CAST(`u` AS STRING), or to BIGINT.",
        ),
        (
            "f(gap=datetime.timedelta(days=-1, seconds=84600), b=datetime.timedelta(microseconds=1500)): n.",
            "cx_it(gap => INTERVAL -1800 SECONDS, b => INTERVAL 0.0015 SECONDS): n.",
        ),
        (
            "it(any='a'): no.\n  Hint: compare it, for example pl.col('a') == 'yes'.",
            "cx_it(any => 'a'): no.\n  Hint: compare it in a column of its own, for example "
            "TABLE(SELECT *, `a` = 'yes' AS flag FROM …).",
        ),
        (
            "it(any='a'): no.\n  Hint: compare it, for example pl.col('a') > 0.",
            "cx_it(any => 'a'): no.\n  Hint: compare it in a column of its own, for example "
            "TABLE(SELECT *, `a` > 0 AS flag FROM …).",
        ),
        ("a text of another form", "a text of another form"),
    ],
)
def test_errors_of_verbs_in_words_of_spark(said: str, written: str) -> None:
    assert in_spark("cx_it", said) == written


# ---------------------------------------------------------------- on Spark

spark_test = [pytest.mark.spark, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
LOG = (
    clicks(8_000)
    .with_row_index("row")
    .with_columns(
        pl.col("row").cast(pl.Int64),
        pl.col("page").cast(pl.String),
        pl.col("time").cast(pl.Datetime("us", "UTC")),
        # of one instant that several columns name
        shop=pl.when(pl.col("row") % 11 > 0).then(pl.col("shop").cast(pl.Int64)),
    )
)


@pytest.fixture(scope="module")
def sql(spark: Any) -> Any:
    from tests.spark import to_spark

    cxcore.spark.register(spark)
    to_spark(spark, LOG).createOrReplaceTempView("log")
    return spark.sql


class TestOnSpark:
    pytestmark = spark_test

    def test_types_of_the_house_are_those_that_arrow_brings(self, spark: Any) -> None:
        from cxcore.engines.spark_types import house_type

        frame = spark.sql("""SELECT true AS a, 1Y AS b, 1S AS c, 1 AS d, 1L AS e, 1F AS f, 1D AS g, 'x' AS h,
            X'01' AS i, DATE'2026-01-05' AS j, TIMESTAMP'2026-01-05 12:00:00' AS k, INTERVAL 3 DAY AS l,
            TIMESTAMP_NTZ'2026-01-05 12:00:00' AS m, NULL AS n, 1.50BD AS o, array(1) AS p,
            named_struct('x', 1S) AS q, 'x' COLLATE UTF8_LCASE AS r, CAST('x' AS VARCHAR(3)) AS s""").limit(0)
        brought = pl.DataFrame(frame.toArrow()).schema
        assert {field.name: house_type(field.dataType) for field in frame.schema.fields} == dict(brought)

    @pytest.mark.parametrize(
        ("written", "options"),
        [
            ("'user', 'time'", {**ROLES}),
            (
                "user_col => array('shop', 'USER'), time_col => 'time', "
                "gap => INTERVAL 20 MINUTES, max_duration => '2h', "
                "max_events => 9, calendar => '1d', start_on => 'is_on', end_on => 'is_off', "
                "split_on => array('campaign', 'page'), keep_alive => 'alive', "
                "unique => array('page', 'minutes'), reason => true, long_after => '10m'",
                {"user": ["shop", "user"], "time": "time", "gap": "20m", "max_duration": "2h"}
                | {
                    "max_events": 9,
                    "calendar": "1d",
                    "start_on": "is_on",
                    "end_on": "is_off",
                    "split_on": ["campaign", "page"],
                }
                | {"keep_alive": "alive", "unique": ["page", "minutes"], "reason": True, "long_after": "10m"},
            ),
        ],
    )
    def test_rows_are_those_of_the_verb(self, sql: Any, written: str, options: Any) -> None:
        from tests.spark import as_spark_holds, collect

        more = "order_col => 'row', null_user => 'own'"
        found = collect(sql(f"SELECT * FROM cx_sessionize(TABLE(log), {written}, {more})")).sort("row")
        want = cx.sessionize(LOG, **options, order="row", null_user="own")
        assert_frame_equal(found, as_spark_holds(want), check_exact=True)

    def test_sessions_are_those_of_the_verb_in_the_zone_of_the_session(self, spark: Any, sql: Any) -> None:
        """Nights on which clocks change."""
        from tests.spark import as_spark_holds, collect

        query = """SELECT * FROM cx_sessions(TABLE(SELECT * FROM log WHERE user IS NOT NULL), 'user', 'time',
            calendar => '1d', order_col => 'row', first => 'page', last => array('row', 'campaign'),
            sum => array('minutes', 'value'), any => 'is_on')"""
        spark.conf.set("spark.sql.session.timeZone", "Europe/Berlin")
        try:
            found = collect(sql(query)).sort("user", *NAMES)
        finally:
            spark.conf.set("spark.sql.session.timeZone", "UTC")
        options: Any = {**ROLES, "calendar": "1d", "order": "row", "first": "page"}
        options |= {"last": ["row", "campaign"], "sum": ["minutes", "value"], "any": "is_on"}
        berlin = LOG.drop_nulls("user").with_columns(pl.col("time").dt.convert_time_zone("Europe/Berlin"))
        want = cx.sessions(berlin, **options).sort("user", *NAMES)
        assert_frame_equal(found, as_spark_holds(want), check_exact=True)

    def test_columns_come_back_as_they_were(self, spark: Any, sql: Any) -> None:
        """Under any name and of any type that Spark hands to a worker, null or not."""
        more = sql("""SELECT *, map('a', row) AS `a.map`, INTERVAL '3' DAY AS `it``s`,
            named_struct('k', array(named_struct('z', row))) AS deep, CAST(row AS DECIMAL(20, 3)) AS exact,
            CAST(page AS BINARY) AS bytes, parse_json('[1]') AS v, NULL AS nothing,
            DATE'2026-01-05' AS day FROM log WHERE row < 500""")
        more.createOrReplaceTempView("more")
        found = sql("SELECT * FROM cx_sessionize(TABLE(more), 'user', 'time')")
        assert found.columns == [*more.columns, *NAMES]
        kinds = [field.dataType for field in found.schema.fields]
        assert kinds[:-2] == [field.dataType for field in more.schema.fields]
        rows, want = (frame.toArrow().sort_by("row") for frame in (found, more))
        assert rows.drop_columns(NAMES).to_pylist() == want.to_pylist()
        assert rows.num_rows == 500

    def test_a_user_of_more_rows_than_are_walked_at_once(self, spark: Any, sql: Any) -> None:
        """One worker gets it in many batches; and it has a tenth and more of the rows."""
        from tests.spark import collect

        n = 3 * PIECE // 2
        sql(f"""SELECT id AS row, IF(id % 4 = 0, id % 1000, -1) AS user,
            timestamp_micros(id * 1000000 + pmod(xxhash64(id), 3600000000)) AS time FROM range({n})"""
        ).createOrReplaceTempView("hot")  # fmt: skip
        found = collect(sql("SELECT * FROM cx_sessionize(TABLE(hot), 'user', 'time', '3s')")).sort("row")
        want = cx.sessionize(collect(sql("SELECT * FROM hot")), user="user", time="time", gap="3s")
        assert_frame_equal(found, want.sort("row"))
        assert found["session_number"].max() > 1_000

    @pytest.mark.parametrize(
        ("query", "text"),
        [
            ("TABLE(log), 'usr', 'time'", r"cx_sessionize\(user_col => 'usr'\): no such column\."),
            (
                "TABLE(SELECT user, nullif(time, time) AS time FROM log WHERE row < 9), 'user', 'time'",
                r"InvalidDataError: cx_sessionize\(time_col => 'time'\): 1 of 1 rows have no time;.*\n"
                r"  Hint: drop them, or say null_time => 'null'\.\n  Rows are counted in a piece",
            ),
            ("TABLE(log) PARTITION BY (shop), 'user', 'time'", "PARTITION BY"),
        ],
    )  # fmt: skip
    def test_what_is_refused_is_in_the_error_of_spark(self, sql: Any, query: str, text: str) -> None:
        with pytest.raises(Exception, match=text):
            sql(f"SELECT * FROM cx_sessionize({query})").collect()
