"""duckdb.register(): the SQL functions give the verbs' numbers, and leave no trace in the user's database."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import cxcore as cx
import cxcore.duckdb
from cxcore import scores
from cxcore._sql import FUNCTIONS
from cxcore._sql.attribute import MODELS
from cxcore.attribution import TimeDecay, attribute
from tests import strategies

NOON = dt.datetime(2026, 1, 5, 12)
INTERVAL = ("estimate", "low", "high", "standard_error", "n", "method", "flags")


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        cxcore.duckdb.register(connection)
        yield connection


@pytest.fixture(scope="session")
def many() -> Iterator[duckdb.DuckDBPyConnection]:
    """One connection for the property tests: registering takes longer than a small query."""
    with duckdb.connect() as connection:
        cxcore.duckdb.register(connection)
        yield connection


class Arrow:
    """A Polars frame as DuckDB reads it without pyarrow."""

    def __init__(self, house: pl.DataFrame) -> None:
        self._house = house

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._house.__arrow_c_stream__(requested_schema)


def put(con: duckdb.DuckDBPyConnection, name: str, house: pl.DataFrame) -> None:
    quoted = '"' + name.replace('"', '""') + '"'
    con.execute(f"DROP TABLE IF EXISTS {quoted}")
    con.from_arrow(Arrow(house)).create(quoted)


def rows(con: duckdb.DuckDBPyConnection, query: str) -> list[Any]:
    return con.execute(query).fetchall()


def error(con: duckdb.DuckDBPyConnection, query: str) -> str:
    """The text that a user of SQL reads."""
    with pytest.raises(duckdb.Error) as caught:
        con.execute(query).fetchall()
    return str(caught.value)


SESSIONS = "cx.sessionize('events', user_col := 'user', time_col := 'time'"
TOUCHES = (
    "cx.attribute('touches', user_col := 'user', time_col := 'time', channel_col := 'channel', "
    "conversion_col := 'conversion', value_col := 'value', order_col := 'seq'"
)


# ------------------------------------------------------------------ scores


@settings(max_examples=30)
@given(
    answers=strategies.answers(0, 10),
    level=st.sampled_from((0.5, 0.9, 0.95)),
    method=st.sampled_from(("bootstrap", "score")),
)
def test_nps_is_that_of_the_verb(
    many: duckdb.DuckDBPyConnection, answers: pl.DataFrame, level: float, method: str
) -> None:
    put(many, "answers", answers)
    found = rows(
        many, f"SELECT cx.nps(score), cx.nps_ci(score, level := {level}, method := '{method}') FROM answers"
    )
    expected = scores.nps(answers, score="score", confidence_level=level, method=method).row(0, named=True)
    check_score(found[0], expected)


@settings(max_examples=30)
@given(
    answers=strategies.answers(1, 5),
    verb=st.sampled_from(("csat", "ces")),
    kind=st.sampled_from(("top", "mean")),
    top=st.none() | st.integers(1, 4),
)
def test_csat_and_ces_are_those_of_the_verbs(
    many: duckdb.DuckDBPyConnection, answers: pl.DataFrame, verb: str, kind: str, top: int | None
) -> None:
    put(many, "answers", answers)
    if kind == "mean":
        top = None
    options = f"scale := [1, 5], kind := '{kind}'" + (f", top := {top}" if top else "")
    found = rows(many, f"SELECT cx.{verb}(score, {options}), cx.{verb}_ci(score, {options}) FROM answers")
    expected = getattr(scores, verb)(answers, score="score", scale=(1, 5), kind=kind, top=top).row(
        0, named=True
    )
    check_score(found[0], expected)


def check_score(found: tuple[float | None, dict[str, Any] | None], expected: dict[str, Any]) -> None:
    estimate, interval = found
    if expected["n"] == 0:
        assert estimate is None
        assert interval is None
        return
    assert interval == {name: expected[name] for name in INTERVAL}  # the same bits
    assert estimate == expected["estimate"]


def test_defaults_are_those_of_the_verbs(con: duckdb.DuckDBPyConnection) -> None:
    answers = pl.DataFrame({"score": [1] * 6 + [2] * 8 + [3] * 12 + [4] * 20 + [5] * 44})
    put(con, "answers", answers)
    for verb in ("nps", "csat", "ces"):
        expected = getattr(scores, verb)(answers, score="score").row(0, named=True)
        check_score(rows(con, f"SELECT cx.{verb}(score), cx.{verb}_ci(score) FROM answers")[0], expected)


def test_groups_and_empty_groups(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(
        "CREATE TABLE answers AS FROM (VALUES ('a', 10), ('a', 9), ('b', NULL), ('c', 3)) t(plan, score)"
    )
    query = "SELECT plan, cx.nps(score), (cx.nps_ci(score)).n FROM answers GROUP BY plan ORDER BY plan"
    assert rows(con, query) == [("a", 100.0, 2), ("b", None, None), ("c", -100.0, 1)]
    assert rows(con, "SELECT cx.nps(score), cx.csat(score), cx.ces_ci(score) FROM answers WHERE false") == [
        (None, None, None)
    ]


@pytest.mark.parametrize("name", ["nps", "nps_ci", "csat", "csat_ci", "ces", "ces_ci"])
@pytest.mark.parametrize(("answer", "n_bad"), [("11", 1), ("-1", 1), ("4.5", 1), ("'nan'::DOUBLE", 1)])
def test_answers_that_are_no_level_are_refused(
    con: duckdb.DuckDBPyConnection, name: str, answer: str, n_bad: int
) -> None:
    text = error(con, f"SELECT cx.{name}(x) FROM (VALUES (3), (NULL), ({answer})) t(x)")
    low, high = {"nps": (0, 10), "csat": (1, 5), "ces": (1, 7)}[name.removesuffix("_ci")]
    assert f"{name}(): {n_bad} of 2 answers is not a whole number from {low} to {high}." in text
    assert "Hint: drop them, or make them null" in text


def test_bad_options_of_scores(con: duckdb.DuckDBPyConnection) -> None:
    assert "csat(kind='best'): not one of the words.\n  Words: 'top', 'mean'" in error(
        con, "SELECT cx.csat(x, kind := 'best') FROM range(1, 3) t(x)"
    )
    assert "ces(scale=(7, 1)): the lowest level comes first." in error(
        con, "SELECT cx.ces(x, scale := [7, 1]) FROM range(1, 3) t(x)"
    )
    assert "csat_ci(top=9): it is how many of the best levels count, and 1 to 5 has 5." in error(
        con, "SELECT cx.csat_ci(x, top := 9) FROM range(1, 3) t(x)"
    )
    assert "nps_ci(level=95.0): a level lies between 0 and 1.\n  Hint: write 0.95." in error(
        con, "SELECT cx.nps_ci(x, level := 95) FROM range(1, 3) t(x)"
    )
    assert "nps_ci(method='wold'): not one of the words." in error(
        con, "SELECT cx.nps_ci(x, method := 'wold') FROM range(1, 3) t(x)"
    )
    assert "a mean has no top levels" in error(con, "SELECT cx.ces(x, top := 2) FROM range(1, 3) t(x)")


# ------------------------------------------------------------------ sessions


@settings(max_examples=30)
@given(
    log=strategies.event_logs(),
    minutes=st.integers(1, 90),
    closed=st.sampled_from(("right", "left")),
    order=st.booleans(),
)
def test_sessionize_is_the_verb(
    many: duckdb.DuckDBPyConnection, log: pl.DataFrame, minutes: int, closed: Any, order: bool
) -> None:
    log = log.with_row_index("row")
    put(many, "events", log)
    tie = ", order_col := 'seq'" if order else ""
    sql = f"{SESSIONS}, gap := INTERVAL {minutes} MINUTE, gap_closed := '{closed}'{tie})"
    found = rows(many, f"SELECT session_number, session_start = time FROM {sql} ORDER BY row")
    expected = cx.sessionize(log, user="user", time="time", gap=f"{minutes}m", gap_closed=closed)
    assert [number for number, _ in found] == expected["session_number"].to_list()
    first = pl.col("time").min().over("user", "session_number")
    begins = expected.select(
        pl.when(pl.col("session_number").is_not_null()).then(first == pl.col("time"))
    ).to_series()
    assert [begin for _, begin in found] == begins.to_list()


def test_sessionize_keeps_columns_and_types(con: duckdb.DuckDBPyConnection) -> None:
    for kind in ("TIMESTAMP", "TIMESTAMP_NS", "TIMESTAMP_MS", "TIMESTAMP_S", "TIMESTAMPTZ", "DATE"):
        con.execute(
            "CREATE OR REPLACE TABLE events AS "
            f"SELECT 1 AS user, TIMESTAMP '2026-01-05'::{kind} AS time, 2 AS x"
        )
        relation = con.sql(f"FROM {SESSIONS})")
        assert relation.columns == ["user", "time", "x", "session_number", "session_start"]
        assert [str(kind) for kind in relation.types[3:]] == ["BIGINT", str(relation.types[1])]


def test_a_silence_is_measured_in_the_column_s_own_unit(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("""CREATE TABLE events AS SELECT 1 AS user, t::TIMESTAMP_NS AS time FROM (VALUES
        ('2026-01-05 00:00:00'), ('2026-01-05 00:30:00'), ('2026-01-05 01:00:00.000000001')) v(t)""")
    assert rows(con, f"SELECT max(session_number) FROM {SESSIONS})") == [(2,)]
    assert rows(con, f"SELECT max(session_number) FROM {SESSIONS}, gap_closed := 'left')") == [(3,)]


@pytest.mark.parametrize("kind", ["TIMESTAMP", "TIMESTAMPTZ", "TIMESTAMP_NS", "TIMESTAMPTZ_NS"])
def test_a_silence_does_not_depend_on_the_zone_of_the_connection(
    con: duckdb.DuckDBPyConnection, kind: str
) -> None:
    put(
        con,
        "events",
        pl.DataFrame({"user": [1] * 3, "time": [dt.datetime(2026, 3, 29, 0, m) for m in (0, 30, 59)]}),
    )
    con.execute("UPDATE events SET time = time + INTERVAL 1 HOUR WHERE minute(time) = 59")  # 01:59
    con.execute(f"SET TimeZone = 'UTC'; ALTER TABLE events ALTER time TYPE {kind}")
    con.execute("SET TimeZone = 'Europe/Berlin'")  # 02:00 to 03:00 is not there on that day
    for gap, n in ((30, 2), (89, 1), (88, 2)):
        assert rows(con, f"SELECT max(session_number) FROM {SESSIONS}, gap := INTERVAL {gap} MINUTE)") == [
            (n,)
        ]


def test_endless_and_far_times_do_not_overflow(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("""CREATE TABLE events AS SELECT 1 AS user, t::TIMESTAMP AS time FROM (VALUES
        ('-infinity'), ('-infinity'), ('290308-12-22 (BC) 00:00:00'), ('2026-01-05'), ('294247-01-10'),
        ('infinity')) v(t)""")
    assert rows(con, f"SELECT session_number FROM {SESSIONS}) ORDER BY time") == [
        (1,),
        (1,),
        (2,),
        (3,),
        (4,),
        (5,),
    ]


def test_rows_without_a_user_never_merge(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(
        "CREATE TABLE events AS SELECT NULL::INTEGER AS user, TIMESTAMP '2026-01-05' AS time FROM range(3)"
    )
    assert rows(con, f"SELECT session_number, session_start FROM {SESSIONS})") == [(None, None)] * 3


def test_a_row_without_a_time_is_refused(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("CREATE TABLE events AS FROM (VALUES (1, TIMESTAMP '2026-01-05'), (2, NULL)) t(user, time)")
    for query in (
        f"FROM {SESSIONS})",
        f"SELECT count(*) FROM {SESSIONS})",
    ):  # no optimiser may lose the check
        text = error(con, query)
        assert "InvalidDataError: sessionize(time_col='time'): 1 of 2 rows have no time." in text
        assert "Hint: drop them: WHERE" in text


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ("gap := 1800", "sessionize(gap=1800): a bare number has no unit."),
        (
            "gap := INTERVAL 1 MONTH",
            "sessionize(gap='1 month'): months, quarters and years have no fixed length.",
        ),
        ("gap := 'soon'", "sessionize(gap='soon'): not a duration."),
        ("gap := NULL", "sessionize(gap=None): not a duration."),
        ("gap := INTERVAL 0 MINUTE", "sessionize(gap='00:00:00'): must be longer than nothing."),
        ("gap := '500ns'", "intervals hold whole microseconds"),
        (
            "gap_closed := 'both'",
            "sessionize(gap_closed='both'): not one of the words.\n  Words: 'right', 'left'",
        ),
    ],
)
def test_bad_options_of_sessionize(con: duckdb.DuckDBPyConnection, options: str, text: str) -> None:
    con.execute("CREATE TABLE events AS SELECT 1 AS user, TIMESTAMP '2026-01-05' AS time")
    assert text in error(con, f"FROM {SESSIONS}, {options})")


def test_a_missing_role_is_named(con: duckdb.DuckDBPyConnection) -> None:
    text = error(con, "FROM cx.sessionize('events', time_col := 'time')")
    assert "sessionize(): user_col is required.\n  Hint: say user_col := '…'." in text


@pytest.mark.parametrize(
    "gap", ["'30m'", "INTERVAL 30 MINUTE", "INTERVAL 1800 SECOND", "'0.5h'", "'30 minutes'::INTERVAL"]
)
def test_a_gap_is_the_same_however_it_is_written(con: duckdb.DuckDBPyConnection, gap: str) -> None:
    minutes = (0, 30, 61)
    put(
        con,
        "events",
        pl.DataFrame({"user": [1] * 3, "time": [NOON + dt.timedelta(minutes=m) for m in minutes]}),
    )
    assert rows(con, f"SELECT session_number FROM {SESSIONS}, gap := {gap}) ORDER BY time") == [
        (1,),
        (1,),
        (2,),
    ]


@pytest.mark.shared
def test_the_real_logs(con: duckdb.DuckDBPyConnection, shared: Path) -> None:
    def sessions(log: str, user: str, time: str, options: str = "") -> int:
        con.execute(f"CREATE OR REPLACE VIEW log AS FROM '{shared / 'data' / log / log}.parquet'")
        query = f"cx.sessionize('log', user_col := '{user}', time_col := '{time}'{options})"
        return int(
            rows(
                con, f"SELECT count(DISTINCT ({user}, session_number)) FROM {query} WHERE {user} IS NOT NULL"
            )[0][0]
        )

    assert sessions("wiki_readers_2014", "user_id", "ts") == 22_224
    assert sessions("wiki_readers_2014", "user_id", "ts", ", gap_closed := 'left'") == 22_226
    assert (
        sessions("servicenow_incidents", "number", "sys_updated_at", ", order_col := 'sys_mod_count'")
        == 100_037
    )
    assert sessions("servicenow_incidents", "caller_id", "sys_updated_at") == 90_140
    assert sessions("online_retail", "customer_id", "ts") == 19_969


# ------------------------------------------------------------------ attribution


@settings(max_examples=30)
@given(
    log=strategies.touch_logs(),
    minutes=st.none() | st.integers(1, 300),
    allocation=st.sampled_from(("share", "reset")),
    roles=st.sampled_from((("conversion",), ("value",), ("conversion", "value"))),
)
def test_attribute_is_the_verb(
    many: duckdb.DuckDBPyConnection,
    log: pl.DataFrame,
    minutes: int | None,
    allocation: Any,
    roles: tuple[str, ...],
) -> None:
    put(many, "touches", log)
    lookback = "NULL" if minutes is None else f"INTERVAL {minutes} MINUTE"
    named = ", ".join(f"{role}_col := '{role}'" for role in roles)
    models = ", ".join(f"'{word}'" for word in MODELS)
    found = many.sql(
        "FROM cx.attribute('touches', user_col := 'user', time_col := 'time', channel_col := 'channel', "
        f"{named}, order_col := 'seq', model := [{models}], lookback := {lookback}, half_life := '90m', "
        f"allocation := '{allocation}')"
    )
    expected = attribute(
        log,
        user="user",
        time="time",
        channel="channel",
        **{role: role for role in roles},
        order="seq",
        model=[TimeDecay(half_life="90m") if word == "time_decay" else word for word in MODELS],
        lookback=None if minutes is None else f"{minutes}m",
        allocation=allocation,
    ).with_columns(pl.col("model").str.replace(r"\(.*", ""))
    answer = pl.DataFrame(found.fetchall(), schema=expected.schema, orient="row")
    assert found.columns == expected.columns
    assert_frame_equal(answer, expected, rel_tol=1e-12, abs_tol=1e-12)


def test_attribute_by_default_is_last_touch_over_thirty_days(con: duckdb.DuckDBPyConnection) -> None:
    days = [(0, "old"), (10, "ads"), (40, "mail")]
    put(
        con,
        "touches",
        pl.DataFrame(
            {
                "user": [1, 1, 1, 1, 2],
                "time": [
                    *(NOON + dt.timedelta(days=day) for day, _ in days),
                    NOON + dt.timedelta(days=39),
                    NOON,
                ],
                "channel": [*(channel for _, channel in days), "ads", None],
                "conversion": [False, False, True, False, True],
                "value": [None, None, 40.0, None, 2.0],
                "seq": range(5),
            }
        ),
    )
    assert rows(con, f"FROM {TOUCHES})") == [
        ("last_touch", "ads", 0.0, 0.0, 0.0),
        ("last_touch", "mail", 1.0, 40.0, 0.5),
        ("last_touch", "old", 0.0, 0.0, 0.0),
        ("last_touch", None, 1.0, 2.0, 0.5),
    ]
    linear = rows(con, f"FROM {TOUCHES}, model := 'linear')")
    assert [row[2] for row in linear] == [0.5, 0.5, 0.0, 1.0]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            "model := 'liner'",
            "attribute(model='liner'): not one of the words.\n  Words: 'first_touch', 'last_touch', "
            "'linear', 'position', 'time_decay', 'markov'\n  Hint: did you mean 'linear'?",
        ),
        ("model := NULL", "attribute(model=None): not one of the words."),
        (
            "model := 'shapley'",
            "attribute(model='shapley'): SQL does not have this model.\n"
            "  Hint: from Python: cxcore.attribute has it. In SQL: 'first_touch', ",
        ),
        ("model := ['linear', 'linear']", "attribute(model='linear'): given twice."),
        (
            "allocation := 'half'",
            "attribute(allocation='half'): not one of the words.\n  Words: 'share', 'reset'",
        ),
        ("lookback := 30", "attribute(lookback=30): a bare number has no unit."),
        ("half_life := '1d'", "attribute(half_life='1d'): only time_decay has a half-life."),
    ],
)
def test_bad_options_of_attribute(con: duckdb.DuckDBPyConnection, options: str, text: str) -> None:
    assert text in error(con, f"FROM {TOUCHES}, {options})")


@pytest.mark.parametrize(
    ("value", "kind", "hint"),
    [
        ("'2026-01-05 10:00'", "VARCHAR", 'CAST("time" AS TIMESTAMP)'),
        ("1767225600", "INTEGER", 'make_timestamp_ms("time")'),
        ("'x'::BLOB", "BLOB", "CTE or a view"),
    ],
)
def test_a_time_column_of_another_type(
    con: duckdb.DuckDBPyConnection, value: str, kind: str, hint: str
) -> None:
    con.execute(f"CREATE TABLE events AS SELECT 1 AS user, {value} AS time, 'a' AS channel, 1.0 AS value")
    con.execute("CREATE TABLE touches AS SELECT *, true AS conversion, 1 AS seq FROM events")
    for call, query in (("sessionize", f"FROM {SESSIONS})"), ("attribute", f"FROM {TOUCHES})")):
        text = error(con, query)
        assert f"{call}(time_col='time'): takes dates or timestamps, but the column is {kind}." in text
        assert hint in text


def test_bad_rows_of_attribute(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("""CREATE TABLE touches AS FROM (VALUES
        (1, TIMESTAMP '2026-01-05', 'ads', true, 1.0::DOUBLE, 1),
        (1, NULL, 'ads', true, 'inf'::DOUBLE, 2)) t(user, time, channel, conversion, value, seq)""")
    assert "attribute(time_col='time'): 1 of 2 rows have no finite time." in error(con, f"FROM {TOUCHES})")
    con.execute("UPDATE touches SET time = TIMESTAMP '2026-01-05'")
    assert "attribute(value_col='value'): 1 of 2 rows have a value that is not a finite number." in error(
        con, f"FROM {TOUCHES})"
    )
    text = error(
        con, "FROM cx.attribute('touches', user_col := 'user', time_col := 'time', channel_col := 'channel')"
    )
    assert "attribute(): conversion_col or value_col is required." in text


# ------------------------------------------------------------------ names


NAMES = (
    "events",
    "x y",
    "o'clock",
    'a"b',
    "'; DROP TABLE keep; --",
    '"; DROP TABLE keep; --',
    "a.b",
    "select",
    "é",
)


@pytest.mark.parametrize("name", NAMES)
def test_any_name_of_a_column_or_table_is_only_a_name(con: duckdb.DuckDBPyConnection, name: str) -> None:
    con.execute("CREATE TABLE keep AS SELECT 1 AS x")
    put(con, name, pl.DataFrame({name: [1, 1], f"{name} time": [NOON, NOON + dt.timedelta(hours=1)]}))
    quoted, table = name.replace("'", "''"), '"' + name.replace('"', '""').replace("'", "''") + '"'
    roles = f"user_col := '{quoted}', time_col := '{quoted} time'"
    query = f"cx.sessionize('{table}', {roles}, order_col := '{quoted}')"
    assert rows(con, f"SELECT session_number FROM {query} ORDER BY 1") == [(1,), (2,)]
    roles = f"{roles}, channel_col := '{quoted}', value_col := '{quoted}', order_col := '{quoted}'"
    query = f"cx.attribute('{table}', {roles})"
    assert rows(con, f"SELECT conversions FROM {query}") == [(2.0,)]
    assert rows(con, "FROM keep") == [(1,)]


def test_a_table_may_be_in_a_schema_a_cte_or_a_view(con: duckdb.DuckDBPyConnection) -> None:
    con.execute('CREATE SCHEMA "my s"')
    con.execute("""CREATE TABLE "my s"."b ""c" AS SELECT 1 AS user, TIMESTAMP '2026-01-05' AS time""")
    con.execute('CREATE VIEW events AS FROM "my s"."b ""c"')
    roles = "user_col := 'user', time_col := 'time'"
    for table in ('"my s"."b ""c"', 'memory."my s"."b ""c"', "events", "cte"):
        query = f"""WITH cte AS (FROM events) SELECT session_number FROM cx.sessionize('{table}', {roles})"""
        assert rows(con, query) == [(1,)]


def test_a_polars_variable_is_a_table(con: duckdb.DuckDBPyConnection) -> None:
    visits = pl.DataFrame({"user": [1], "time": [NOON]})
    assert (
        visits.height
        == con.execute(
            "SELECT max(session_number) FROM cx.sessionize('visits', user_col := 'user', time_col := 'time')"
        ).fetchall()[0][0]
    )


def test_a_table_that_is_not_there(con: duckdb.DuckDBPyConnection) -> None:
    assert "nowhere does not exist" in error(
        con, "FROM cx.sessionize('nowhere', user_col := 'user', time_col := 'time')"
    )


# ------------------------------------------------------------------ the connection


def works(con: duckdb.DuckDBPyConnection, schema: str = "cx") -> None:
    """Every kind of function answers."""
    con.execute(
        "CREATE OR REPLACE TEMP TABLE probe AS SELECT 1 AS u, TIMESTAMP '2026-01-05' AS t, 'a' AS c, 10 AS v"
    )
    answers(con, schema)


def answers(con: duckdb.DuckDBPyConnection, schema: str = "cx", table: str = "probe") -> None:
    assert rows(con, f"SELECT {schema}.nps(v), ({schema}.nps_ci(v)).estimate FROM {table}") == [
        (100.0, 100.0)
    ]
    roles = f"'{table}', user_col := 'u', time_col := 't'"
    assert rows(con, f"SELECT session_number FROM {schema}.sessionize({roles})") == [(1,)]
    query = f"{schema}.attribute({roles}, channel_col := 'c', value_col := 'v', model := 'markov')"
    assert rows(con, f"FROM {query}") == [("markov", "a", 1.0, 10.0, 1.0, 1.0)]


def test_registering_twice_changes_nothing(con: duckdb.DuckDBPyConnection) -> None:
    def all_functions() -> list[Any]:
        return rows(
            con, "SELECT database_name, function_name, macro_definition FROM duckdb_functions() ORDER BY ALL"
        )

    before = all_functions()
    cxcore.duckdb.register(con)
    assert all_functions() == before
    works(con)


def test_every_function_of_the_registry_is_there(con: duckdb.DuckDBPyConnection) -> None:
    query = "SELECT function_name FROM duckdb_functions() WHERE database_name = 'cx'"
    assert sorted(rows(con, query)) == sorted([("cxcore_schema",), *((macro.name,) for macro in FUNCTIONS)])


def test_every_function_of_the_registry_is_on_the_page() -> None:
    page = (Path(__file__).parents[1] / "docs/how-to/duckdb.md").read_text()
    for macro in FUNCTIONS:
        assert f"| `cx.{macro.signature}` | {macro.says} |" in page


def test_cursors_see_the_functions(con: duckdb.DuckDBPyConnection) -> None:
    works(con.cursor())


def test_two_schemas_and_two_connections(con: duckdb.DuckDBPyConnection) -> None:
    cxcore.duckdb.register(con, schema="cx two")
    works(con, '"cx two"')
    works(con)
    with duckdb.connect() as other:
        cxcore.duckdb.register(other)
        works(other)
    works(con)


def test_a_rollback_of_the_caller_drops_nothing() -> None:
    with duckdb.connect() as con:
        con.execute("BEGIN")
        con.execute("CREATE TABLE probe AS SELECT 1 AS u, TIMESTAMP '2026-01-05' AS t, 'a' AS c, 10 AS v")
        cxcore.duckdb.register(con)
        answers(con)  # inside
        con.execute("ROLLBACK")
        assert "probe does not exist" in error(con, "FROM probe")
        works(con)


@pytest.mark.parametrize("end", ["ROLLBACK", "COMMIT"])
def test_an_old_transaction_sees_the_functions(end: str) -> None:
    """Its snapshot of the system catalog is older than they are."""
    with duckdb.connect() as con:
        con.execute("BEGIN")
        con.execute(
            "CREATE TABLE probe AS "
            "SELECT max(i) AS u, TIMESTAMP '2026-01-05' AS t, 'a' AS c, 10 AS v FROM range(2) r(i)"
        )
        rows(con, "SELECT count(*) FROM duckdb_functions()")
        cxcore.duckdb.register(con)
        answers(con)
        cxcore.duckdb.register(con, schema="second")
        answers(con, "second")
        con.execute(end)
        works(con)
        works(con.cursor(), "second")


def test_a_half_fetched_result_is_not_lost() -> None:
    with duckdb.connect() as con:
        con.execute("FROM range(100_000)")
        assert con.fetchone() == (0,)
        cxcore.duckdb.register(con)
        assert con.fetchone() == (1,)
        assert len(con.fetchall()) == 99_998
        works(con)


def test_nothing_is_left_in_the_file(tmp_path: Path) -> None:
    path = str(tmp_path / "mine.duckdb")
    with duckdb.connect(path) as con:
        con.execute("CREATE TABLE probe AS SELECT 1 AS u, TIMESTAMP '2026-01-05' AS t, 'a' AS c, 10 AS v")
        cxcore.duckdb.register(con)
        answers(con)
    with duckdb.connect(path, read_only=True) as con:
        known = "function_name LIKE '%cx%' AND function_name[:3] <> 'cx_'"  # native ones lie in no file
        assert rows(con, f"SELECT count(*) FROM duckdb_functions() WHERE {known}") == [(0,)]
        assert "cx" in error(con, "SELECT cx.nps(v) FROM probe")
        cxcore.duckdb.register(con)  # a read-only database will do
        answers(con)


def test_a_locked_configuration_will_do() -> None:
    with duckdb.connect(config={"enable_external_access": False}) as con:
        con.execute("SET lock_configuration = true")
        cxcore.duckdb.register(con)
        works(con)


def test_a_name_of_the_user_s_is_not_taken(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "cx.duckdb")) as con:
        with pytest.raises(cx.InvalidOptionError) as caught:
            cxcore.duckdb.register(con)
        assert str(caught.value) == (
            "duckdb.register(schema='cx'): the connection has a database of that name.\n"
            "  Hint: choose another: schema='cxcore'."
        )
        cxcore.duckdb.register(con, schema="cxcore")
        works(con, "cxcore")
    with duckdb.connect() as con:
        con.execute("CREATE SCHEMA CX")
        with pytest.raises(cx.InvalidOptionError, match="has a schema of that name"):
            cxcore.duckdb.register(con)


def test_what_is_no_open_connection_is_refused(con: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(cx.InvalidOptionError, match="not a DuckDB connection"):
        cxcore.duckdb.register("mine.duckdb")
    with pytest.raises(cx.InvalidOptionError, match="not a name"):
        cxcore.duckdb.register(con, schema="")
    con.close()
    with pytest.raises(cx.InvalidOptionError, match="the connection is closed"):
        cxcore.duckdb.register(con)


def test_many_threads_register_and_ask() -> None:
    with duckdb.connect() as con:
        failures: list[BaseException] = []

        def ask() -> None:
            try:
                own = con.cursor()
                cxcore.duckdb.register(own)
                works(own)
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failures


PLAIN = """
import sys, duckdb, cxcore.duckdb
con = duckdb.connect()
cxcore.duckdb.register(con)
con.execute("CREATE TABLE t AS SELECT i AS u, DATE '2026-01-05' AS t, 'a' AS c, i AS v FROM range(9) r(i)")
con.execute("SELECT cx.nps_ci(v), cx.nps(v) FROM t").fetchall()
con.execute("FROM cx.sessionize('t', user_col := 'u', time_col := 't')").fetchall()
con.execute("FROM cx.attribute('t', user_col := 'u', time_col := 't', channel_col := 'c', value_col := 'v',"
            " model := ['linear', 'markov'])").fetchall()
assert not {"pyarrow", "pandas"} & set(sys.modules), sorted(set(sys.modules) & {"pyarrow", "pandas"})
"""
WITHOUT = """
import sys
sys.modules["duckdb"] = None
import cxcore.duckdb
try:
    cxcore.duckdb.register(None)
except cxcore.MissingDependencyError as error:
    assert str(error) == "duckdb.register(): duckdb is not installed.\\n  Hint: pip install 'cxcore[duckdb]'"
else:
    raise SystemExit("no error")
"""


@pytest.mark.parametrize("script", [PLAIN, WITHOUT], ids=["no pyarrow", "no duckdb"])
def test_in_a_process_of_its_own(script: str) -> None:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_import_does_not_import_duckdb() -> None:
    script = "import sys, cxcore.duckdb; assert 'duckdb' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


# ------------------------------------------------------------------ what tried to break it


def test_the_connection_s_order_is_not_ours(con: duckdb.DuckDBPyConnection) -> None:
    """``default_order`` turns every ORDER BY that names no direction."""
    con.execute("""CREATE TABLE touches AS SELECT 1 AS user, TIMESTAMP '2026-01-05' + to_hours(i) AS time,
        ['a', 'b'][1 + i % 2] AS channel, CASE WHEN i % 3 = 2 THEN i END AS value FROM range(8) t(i)""")
    con.execute("CREATE VIEW events AS SELECT user, time FROM touches")
    queries = (
        f"SELECT * FROM {SESSIONS}) ORDER BY time ASC",
        "FROM cx.attribute('touches', user_col := 'user', time_col := 'time', channel_col := 'channel', "
        "value_col := 'value', allocation := 'reset', model := [first_touch, position, markov])",
    )
    usual = [rows(con, query) for query in queries]
    con.execute("SET default_order = 'DESC'; SET default_null_order = 'nulls_first'")
    assert [rows(con, query) for query in queries] == usual
    assert [number for *_, number, _ in usual[0]] == list(range(1, 9))


def test_channels_of_an_enum_come_by_name(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("""CREATE TABLE touches AS SELECT 1 AS user, TIMESTAMP '2026-01-05' AS time, 1 AS value,
        c::ENUM ('mail', 'ads', 'unused', 'Call') AS channel
        FROM (VALUES ('mail'), ('ads'), ('Call')) t(c)""")
    query = (
        "SELECT channel FROM cx.attribute('touches', user_col := 'user', time_col := 'time', "
        "channel_col := 'channel', value_col := 'value')"
    )
    assert rows(con, query) == [("Call",), ("ads",), ("mail",)]


def test_a_table_with_sessions_already_is_refused(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(
        "CREATE TABLE events AS SELECT 1 AS user, TIMESTAMP '2026-01-05' AS time, 1 AS SESSION_number"
    )
    for query in (f"FROM {SESSIONS})", f"SELECT count(*) FROM {SESSIONS})"):
        assert (
            "sessionize(): the frame has a column 'SESSION_number' already.\n  Hint: drop or rename it first."
        ) in error(con, query)


@pytest.mark.parametrize("name", ["csat", "csat_ci"])
def test_scales_and_tops_are_never_rounded(con: duckdb.DuckDBPyConnection, name: str) -> None:
    for options, text in (
        ("scale := [0.5, 10]", f"{name}(scale=(0.5, 10)): not two whole numbers."),
        ("scale := [0, 10, 20]", f"{name}(scale=(None, None)): not two whole numbers."),
        ("scale := NULL", f"{name}(scale=(None, None)): not two whole numbers."),
        ("scale := [0, 99999999999]", f"{name}(scale=(0, 99999999999)): a scale has at most 200 levels"),
        ("top := 2.5", f"{name}(top=2.5): takes a whole number from 1 to 4."),
        ("top := -2147483648", f"{name}(top=-2147483648): takes a whole number from 1 to 4."),
    ):
        assert text in error(con, f"SELECT cx.{name}(x, {options}) FROM range(1, 3) t(x)")
    ends = "" if name == "csat" else ".estimate"
    for scale in ("[0, 10]", "(0, 10)", "[0::TINYINT, 10]"):
        query = f"SELECT cx.{name}(x, scale := {scale}, top := 5){ends} FROM range(1, 11) t(x)"
        assert rows(con, query) == [(50.0,)]
