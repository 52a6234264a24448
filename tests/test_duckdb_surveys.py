"""Scores under a design and comparisons in SQL: the verbs' numbers, to the last digit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

import cxcore as cx
import cxcore.duckdb
from tests.test_duckdb import NAMES, error, put, rows


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        cxcore.duckdb.register(connection)
        put(connection, "answers", ANSWERS)
        put(connection, "nobody", ANSWERS.head(0))
        yield connection


def answers(n: int) -> pl.DataFrame:
    rng = np.random.default_rng(n)
    customer = rng.integers(0, n // 4, n)
    return pl.DataFrame(
        {
            "plan": pl.Series(rng.choice(["free", "pro", "Été"], n)).set(
                pl.Series(rng.random(n) < 0.1), None
            ),
            "area": rng.integers(0, 2, n),
            "arm": pl.Series(rng.choice(["a", "b", "c"], n)).set(pl.Series(rng.random(n) < 0.1), None),
            "wave": rng.integers(1, 4, n),
            "customer": pl.Series(customer).set(pl.Series(rng.random(n) < 0.02), None),
            "stratum": np.where(customer % 3 == 0, "north", "south"),
            "weight": rng.random(n) + 0.01,
            "score": pl.Series(rng.integers(0, 11, n)).set(pl.Series(rng.random(n) < 0.05), None),
        }
    )


ANSWERS = answers(2_000).with_columns(
    customer=pl.when(pl.col("customer").is_null()).then(None).otherwise(pl.col("customer"))
)


def of_sql(con: duckdb.DuckDBPyConnection, query: str, like: pl.DataFrame) -> pl.DataFrame:
    """Rows of a query in the types of the verb's answer, whose names they have."""
    relation = con.sql(query)
    assert relation.columns == like.columns
    return pl.DataFrame(relation.fetchall(), schema=like.schema, orient="row")


DESIGNS: dict[str, tuple[str, dict[str, Any]]] = {
    "none": ("", {}),
    "cluster": ("cluster_col := 'customer'", {"cluster": "customer"}),
    "clusters": ("cluster_col := ['customer', 'stratum']", {"cluster": ["customer", "stratum"]}),
    "weight": ("weight_col := 'weight'", {"weight": "weight"}),
    "all": (
        "cluster_col := 'customer', weight_col := 'weight', stratum_col := 'stratum'",
        {"cluster": "customer", "weight": "weight", "stratum": "stratum"},
    ),
}
BY: dict[str, tuple[str, Any]] = {
    "nobody": ("", None),
    "one": (", by_col := 'plan'", "plan"),
    "two": (", by_col := ['area', 'plan']", ["area", "plan"]),
}


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("by", BY)
def test_scores_are_those_of_the_verb(con: duckdb.DuckDBPyConnection, design: str, by: str) -> None:
    given, roles = DESIGNS[design]
    query = f"FROM cx.scores('answers', score_col := 'score'{BY[by][0]}{', ' if given else ''}{given}"
    known = cx.nps(ANSWERS, score="score", by=BY[by][1], **roles)
    assert_frame_equal(of_sql(con, f"{query})", known), known, check_exact=True)
    known = cx.mean_score(
        ANSWERS, score="score", scale=(0, 10), by=BY[by][1], confidence_level=0.8, method="score", **roles
    ) if design in ("none", "cluster") else None  # fmt: skip
    if known is not None:
        options = "metric := 'mean_score', scale := [0, 10], level := 0.8, method := 'score'"
        assert_frame_equal(of_sql(con, f"{query}, {options})", known), known, check_exact=True)


@pytest.mark.parametrize("design", ["none", "cluster", "weight", "all"])
@pytest.mark.parametrize("by", BY)
@pytest.mark.parametrize(("group", "control"), [("arm", "a"), ("wave", 1)])
def test_compare_is_the_verb(
    con: duckdb.DuckDBPyConnection, design: str, by: str, group: str, control: Any
) -> None:
    given, roles = DESIGNS[design]
    query = (
        f"FROM cx.compare('answers', score_col := 'score', group_col := '{group}', control := {control!r}"
        f"{BY[by][0]}{', ' if given else ''}{given}"
    )
    asked: dict[str, Any] = {"score": "score", "group": group, "control": control, "by": BY[by][1], **roles}
    known = cx.compare(ANSWERS, **asked)
    assert_frame_equal(of_sql(con, f"{query})", known), known, check_exact=True)
    known = cx.compare(ANSWERS, **asked, adjust="bh", confidence_level=0.9)
    assert_frame_equal(of_sql(con, f"{query}, adjust := 'bh', level := 0.9)", known), known, check_exact=True)
    if not roles:
        known = cx.compare(ANSWERS, **asked, method="bootstrap", metric="mean_score", scale=(0, 10))
        options = "method := 'bootstrap', metric := 'mean_score', scale := [0, 10]"
        assert_frame_equal(of_sql(con, f"{query}, {options})", known), known, check_exact=True)


def test_a_table_of_nobody(con: duckdb.DuckDBPyConnection) -> None:
    for by, value in BY.values():
        known = cx.nps(ANSWERS.head(0), score="score", by=value, cluster="customer")
        query = f"FROM cx.scores('nobody', score_col := 'score', cluster_col := 'customer'{by})"
        assert_frame_equal(of_sql(con, query, known), known)
    query = "FROM cx.compare('nobody', score_col := 'score', group_col := 'arm', control := 'a')"
    assert rows(con, query) == []


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_only_a_name(con: duckdb.DuckDBPyConnection, name: str) -> None:
    con.execute("CREATE OR REPLACE TABLE keep AS SELECT 1 AS x")
    house = pl.DataFrame({name: [1, 1, 2], f"{name} 2": [name, "b", "c"], "score": [10, 9, 3]})
    put(con, name, house)
    quoted, table = name.replace("'", "''"), '"' + name.replace('"', '""').replace("'", "''") + '"'
    for by in (f"'{quoted}'", f"['{quoted}', '{quoted} 2']"):
        query = (
            f"cx.scores('{table}', score_col := 'score', by_col := {by}, cluster_col := '{quoted} 2', "
            f"stratum_col := ['{quoted}'], weight_col := '{quoted}')"
        )
        assert sum(row[0] for row in rows(con, f"SELECT n FROM {query}")) == 3
    roles = f"score_col := '{quoted}', group_col := '{quoted} 2', control := '{quoted}'"
    assert rows(con, f"SELECT \"group\", control, n FROM cx.compare('{table}', {roles})") == [
        ("b", name, 1),
        ("c", name, 1),
    ]
    assert rows(con, "FROM keep") == [(1,)]


SCORES = "FROM cx.scores('answers', score_col := 'score'"
COMPARE = "FROM cx.compare('answers', score_col := 'score', group_col := 'arm', control := 'a'"
ERRORS = [
    ("FROM cx.scores('answers')", "scores(): score_col is required."),
    (f"{SCORES}, metric := 'np')", "scores(metric='np')"),
    (f"{SCORES}, metric := 'mean_score')", "scale"),
    (f"{SCORES}, level := 1.5)", "scores(level=1.5): a level lies between 0 and 1."),
    (f"{SCORES}, method := 'mover')", "scores(method='mover')"),
    (f"{SCORES}, method := 'wald', cluster_col := 'customer')", "scores(method='wald')"),
    (f"{SCORES}, by_col := 'n')", "scores(by_col='n'): the answer has a column of that name."),
    (f"{SCORES}, by_col := ['plan', 'plan'])", "scores(by_col='plan'): named twice."),
    (f"{SCORES}, by_col := 'nothing')", "nothing"),
    (f"{SCORES}, metric := 'csat')", "outside 1..5"),
    (f"{SCORES}, stratum_col := 'plan')", "scores(stratum_col='plan')"),
    (
        f"{SCORES}, stratum_col := 'area', cluster_col := 'customer')",
        "scores(cluster_col='customer')",
    ),
    ("FROM cx.scores('answers', score_col := 'plan')", "takes numbers, but the column is"),
    (
        "FROM cx.compare('answers', score_col := 'score', group_col := 'arm')",
        "compare(): control is required.",
    ),
    (f"{COMPARE}, adjust := 'bonferroni')", "compare(adjust='bonferroni')"),
    (f"{COMPARE}, method := 'wald')", "compare(method='wald')"),
    (f"{COMPARE}, level := 0)", "compare(level=0.0)"),
    (
        "FROM cx.compare('answers', score_col := 'score', group_col := 'arm', control := 'z')",
        "compare(control='z')",
    ),
]


@pytest.mark.parametrize(("query", "text"), ERRORS)
def test_errors_are_those_of_the_verb(con: duckdb.DuckDBPyConnection, query: str, text: str) -> None:
    assert text in error(con, query)


def test_an_error_names_no_row_of_the_cells(con: duckdb.DuckDBPyConnection) -> None:
    """They are counted and ordered by group, and so lie as the table does not."""
    put(con, "typos", pl.DataFrame({"plan": ["b", "a", "a"], "score": [99, 3, 4]}))
    text = error(con, "FROM cx.scores('typos', score_col := 'score', by_col := 'plan')")
    assert "1 of 3 answers is outside 0..10" in text
    assert "first is 99" in text
    assert "row" not in text.split("first is 99")[1]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        (
            "FROM cx.scores('wrong', score_col := 'text')",
            "InvalidDataError: scores(score_col='text'): takes numbers, but the column is VARCHAR.\n"
            '  Hint: make them so in a CTE or a view, such as try_cast("text" AS DOUBLE).',
        ),
        (
            "FROM cx.compare('wrong', score_col := 'day', group_col := 'plan', control := 'a')",
            "InvalidDataError: compare(score_col='day'): takes numbers, but the column is DATE.\n",
        ),
        (
            "FROM cx.scores('wrong', score_col := 'fine', weight_col := 'text')",
            "InvalidDataError: scores(weight_col='text'): takes numbers, but the column is VARCHAR.\n",
        ),
        (
            "FROM cx.scores('wrong', score_col := 'code')",
            "InvalidDataError: scores(score_col='code'): 1 of 2 answers is outside 0..10; first is 11.\n"
            "  Hint: drop them, or make codes of 'no answer' NULL: nullif(…, 11).",
        ),
        (
            "FROM cx.scores('wrong', score_col := 'fine', stratum_col := 'plan')",
            "InvalidDataError: scores(stratum_col='plan'): 1 of 2 rows have no stratum.\n"
            "  Hint: a row of no stratum was drawn from none; name one with coalesce().",
        ),
        (
            "FROM cx.scores('wrong', score_col := 'fine', method := 'cluster_t')",
            "Hint: say cluster_col, weight_col or stratum_col, or leave method out.",
        ),
        (
            "FROM cx.scores('wrong', score_col := 'fine', metric := 'mean_score')",
            "Hint: write the lowest and the highest level, such as scale := [1, 5].",
        ),
        (
            "FROM cx.scores('wrong', score_col := 'fine', scale := [1, 5])",
            "Hint: metric := 'mean_score' or 'csat' takes any scale.",
        ),
        (
            "FROM cx.scores('eleven', score_col := 'level', metric := 'csat')",
            "scores(score_col='level'): 6 of 11 answers are outside 1..5; first is 0.\n"
            "  Hint: say scale := [0, 10] if the scale is longer; drop them, or make codes of",
        ),
        (
            "FROM cx.compare('eleven', score_col := 'level', group_col := 'arm', control := 'a', "
            "weight_col := 'minus')",
            "compare(weight_col='minus'): 11 weights are negative, of 11 rows; first is -1.0.\n",
        ),
        (
            "FROM cx.scores('wrong', score_col := 'fine', by_col := 'n')",
            'Hint: rename it, for example "n" AS "n_group" in a view or a CTE.',
        ),
        (
            "SELECT cx.csat(fine, kind := 'mean', top := 2) FROM wrong",
            "Hint: leave it out, or say kind := 'top'.",
        ),
    ],
)
def test_errors_speak_sql(query, said):
    con = duckdb.connect()
    cxcore.duckdb.register(con)
    con.execute(
        "CREATE TABLE wrong AS SELECT * FROM (VALUES ('x', DATE '2024-01-01', 11, 3, 'a', 1), "
        "('y', DATE '2024-01-02', 3, 4, NULL, 2)) t(text, day, code, fine, plan, n)"
    )
    con.execute(
        "CREATE TABLE eleven AS SELECT level, 'ab'[1 + level % 2] AS arm, -1 AS minus FROM range(11) t(level)"
    )
    with pytest.raises(duckdb.Error) as caught:
        con.execute(query).fetchall()
    assert said in str(caught.value)


@pytest.mark.parametrize("kind", ["TINYINT", "UBIGINT", "HUGEINT", "FLOAT", "DECIMAL(4, 1)", "BOOLEAN"])
def test_numbers_of_any_type(kind):
    con = duckdb.connect()
    cxcore.duckdb.register(con)
    con.execute(
        f"CREATE TABLE t AS SELECT CAST(x AS {kind}) AS score, CAST(1 AS {kind}) AS w FROM range(2) r(x)"
    )
    found = con.execute("SELECT n, estimate FROM cx.scores('t', score_col := 'score', weight_col := 'w')")
    assert found.fetchall() == [(2, -100.0)]
