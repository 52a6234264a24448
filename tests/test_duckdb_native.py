"""Native functions of DuckDB: registered without ever failing, with the numbers of macros and verbs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cxcore.duckdb
from cxcore import errors, scores
from tests import strategies
from tests.test_duckdb import error, put, rows

SCALES = {"nps": (0, 10), "csat": (1, 5), "ces": (1, 7)}
INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")
NUMBERS = (*INTEGERS, "HUGEINT", "FLOAT", "DOUBLE", "DECIMAL(4, 1)")


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


@pytest.fixture(scope="session")
def many() -> Iterator[duckdb.DuckDBPyConnection]:
    """Both paths, for the property tests: the native functions, and the macros of the same numbers."""
    with duckdb.connect() as connection:
        cxcore.duckdb.register(connection)
        yield connection


# ------------------------------------------------------------------ registration, each in its own process

KNOWN = "SELECT count(*) > 0 FROM duckdb_functions() WHERE function_name = 'cx_nps'"
HAS = f"duckdb.connect().sql({KNOWN!r}).fetchall()[0][0]"


def run(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_databases_opened_after_the_import_have_the_functions() -> None:
    code = (
        f"import duckdb, cxcore; before = {HAS}; import cxcore.duckdb\n"
        f"print(before, {HAS}, cxcore.duckdb.native())"
    )
    assert run(code) == "False True True"


def test_a_user_can_opt_out() -> None:
    code = (
        "import duckdb, cxcore.duckdb; cxcore.duckdb.register(duckdb.connect())\n"
        f"print({HAS}, cxcore.duckdb.native())"
    )
    assert run(code, CXCORE_DUCKDB_NATIVE="0") == "False False"


def test_without_duckdb_the_import_is_quiet() -> None:
    code = "import sys; sys.modules['_duckdb'] = None; import cxcore.duckdb; print(cxcore.duckdb.native())"
    assert run(code) == "False"


@pytest.mark.parametrize(
    "fake",
    [
        pytest.param("None", id="no_file"),
        pytest.param("'/nowhere/_duckdb.so'", id="not_loaded"),
        pytest.param("ctypes.util.find_library('c')", id="no_c_api"),
    ],
)
def test_an_unknown_engine_is_left_alone(fake: str) -> None:
    code = (
        "import ctypes.util, types, duckdb, _duckdb\n"
        "from cxcore._sql.native import register_native\n"
        f"print(register_native(types.SimpleNamespace(__file__={fake})), {HAS})\n"
        f"print(register_native(_duckdb), {HAS})"
    )
    assert run(code).splitlines() == ["False False", "True True"]


def test_a_library_that_does_not_load_is_no_error(tmp_path: Path) -> None:
    broken = tmp_path / "broken.so"
    broken.write_bytes(b"not a library")
    code = (
        "import importlib.util, types, duckdb\n"
        "find = importlib.util.find_spec\n"
        f"spec = types.SimpleNamespace(origin={str(broken)!r})\n"
        "importlib.util.find_spec = lambda name, *a: spec if 'duckdb_functions' in name else find(name, *a)\n"
        f"import cxcore.duckdb; print(cxcore.duckdb.native(), {HAS})"
    )
    assert run(code) == "False False"


def test_importing_again_and_reloading_change_nothing() -> None:
    code = (
        "import importlib, sys, duckdb, cxcore.duckdb, cxcore._sql.native as native\n"
        "for _ in range(3): importlib.reload(native); importlib.reload(cxcore.duckdb)\n"
        "ours = [name for name in sys.modules if name.startswith(('cxcore.duckdb', 'cxcore._sql'))]\n"
        "for name in ours: del sys.modules[name]\n"
        "import cxcore.duckdb as again\n"
        f"print(again.native(), {HAS})"
    )
    assert run(code) == "True True"


def test_a_second_copy_of_the_library_does_not_take_the_name_again(tmp_path: Path) -> None:
    """Two libraries under one name would make every later connect raise."""
    code = (
        "import importlib.util, shutil, types, duckdb, cxcore.duckdb\n"
        "find = importlib.util.find_spec\n"
        f"copy = shutil.copy(find('cxcore._ext.duckdb_functions').origin, {str(tmp_path / 'copy.so')!r})\n"
        "importlib.util.find_spec = lambda name, *a: types.SimpleNamespace(origin=copy)\n"
        "import _duckdb, cxcore._sql.native as native\n"
        f"print(native.register_native(_duckdb), {HAS})"
    )
    assert run(code) == "True True"


def test_a_database_that_was_open_keeps_what_it_had_and_has_the_macros(tmp_path: Path) -> None:
    code = (
        f"import duckdb; old = duckdb.connect({str(tmp_path / 'old.db')!r}); memory = duckdb.connect()\n"
        "import cxcore.duckdb\n"
        "def has(con):\n"
        "    cxcore.duckdb.register(con)\n"
        "    nps = con.sql('SELECT cx.nps(score) FROM (VALUES (10), (2), (9), (9)) t(score)').fetchall()\n"
        f"    return nps == [(50.0,)], con.sql({KNOWN!r}).fetchall()[0][0]\n"
        "print(has(old), has(old.cursor()), has(memory), has(duckdb.connect()))\n"
        f"old.close(); print(has(duckdb.connect({str(tmp_path / 'old.db')!r})))"
    )
    old = "(True, False)"
    assert run(code).splitlines() == [f"{old} {old} {old} (True, True)", "(True, True)"]


def test_the_engine_names_the_library_sanely(con: duckdb.DuckDBPyConnection) -> None:
    found = rows(
        con,
        "SELECT extension_name, loaded, install_mode FROM duckdb_extensions()"
        " WHERE extension_name[:2] = 'cx'",
    )
    assert found == [("cxcore", True, "STATICALLY_LINKED")]
    listed = rows(
        con,
        "SELECT DISTINCT database_name, schema_name FROM duckdb_functions() WHERE function_name[:3] = 'cx_'",
    )
    assert listed == [("system", "main")]


def test_restricted_databases_open_as_before(tmp_path: Path) -> None:
    """Read-only, locked, without access to files: all open, and all have them."""
    path = str(tmp_path / "a.db")
    with duckdb.connect(path) as con:
        con.execute("CREATE TABLE answers AS SELECT range % 11 AS score FROM range(1100)")
        con.execute("CREATE VIEW npses AS SELECT cx_nps(score) AS nps FROM answers")
    locked = {"lock_configuration": True, "enable_external_access": False, "threads": 1}
    for options in ({}, {"read_only": True}, {"config": locked}):
        with duckdb.connect(path, **options) as con:  # type: ignore[arg-type]
            assert rows(con, "SELECT cx_nps(score) FROM answers") == rows(con, "FROM npses")


def test_the_library_knows_no_python() -> None:
    """So that an engine without Python may load it one day."""
    spec = __import__("importlib.util").util.find_spec("cxcore._ext.duckdb_functions")
    listed = subprocess.run(["nm", "-D", spec.origin], capture_output=True, text=True, check=True).stdout
    assert " T cxcore_register_duckdb" in listed
    assert not [line for line in listed.splitlines() if " Py" in line or " _Py" in line]
    assert [line.split()[-1] for line in listed.splitlines() if " T " in line] == ["cxcore_register_duckdb"]


# ------------------------------------------------------------------ scores: one suite over both paths


@pytest.mark.parametrize("path", ["cx_", "cx."], ids=["native", "macro"])
@pytest.mark.parametrize("verb", SCALES)
@settings(max_examples=40)
@given(data=st.data())
def test_a_score_is_that_of_the_verb(
    many: duckdb.DuckDBPyConnection, verb: str, path: str, data: st.DataObject
) -> None:
    answers = data.draw(strategies.answers(*SCALES[verb]))
    put(many, "answers", answers)
    found = rows(many, f"SELECT {path}{verb}(score) FROM answers")
    expected = getattr(scores, verb)(answers, score="score")["estimate"].to_list()
    assert found == [(value,) for value in expected]


def levels(verb: str, dtype: str = "BIGINT", n: int = 20_000) -> str:
    low, high = SCALES[verb]
    return (
        f"(SELECT (hash(i) % {high - low + 1} + {low})::{dtype} AS score, i, i % 7 AS shop,"
        f" (hash(i + 1) % 5)::INT AS month FROM range({n}) t(i))"
    )


@pytest.mark.parametrize("verb", SCALES)
@pytest.mark.parametrize("dtype", NUMBERS)
def test_every_type_of_number_gives_the_macros_bits(
    many: duckdb.DuckDBPyConnection, verb: str, dtype: str
) -> None:
    query = f"SELECT shop, {{}}(score) FROM {levels(verb, dtype)} GROUP BY shop ORDER BY shop"
    assert rows(many, query.format(f"cx_{verb}")) == rows(many, query.format(f"cx.{verb}"))


@pytest.mark.parametrize("verb", SCALES)
@pytest.mark.parametrize(
    "query",
    [
        "SELECT {}(score) FROM {rows} WHERE false",
        "SELECT {}(NULL::INTEGER)",
        "SELECT shop, {}(CASE WHEN shop > 3 THEN score END) FROM {rows} GROUP BY shop ORDER BY shop",
        "SELECT shop, month, {}(score) FROM {rows} GROUP BY ROLLUP (shop, month) ORDER BY ALL",
        "SELECT shop, month, {}(score) FROM {rows} GROUP BY CUBE (shop, month) ORDER BY ALL",
        "SELECT i, {}(score) FROM {rows} GROUP BY i HAVING {}(score) > 1 ORDER BY i",
        "SELECT a.shop, (SELECT {}(score) FROM {rows} b WHERE b.shop = a.shop) FROM {rows} a ORDER BY ALL",
    ],
)
def test_what_sql_says_of_aggregates_holds(many: duckdb.DuckDBPyConnection, verb: str, query: str) -> None:
    query = query.replace("{rows}", levels(verb))
    native, macro = (rows(many, query.replace("{}", name)) for name in (f"cx_{verb}", f"cx.{verb}"))
    assert native == macro


@pytest.mark.parametrize("verb", SCALES)
@pytest.mark.parametrize(
    "frame",
    [
        "PARTITION BY shop",
        "PARTITION BY shop ORDER BY i",
        "ORDER BY i ROWS BETWEEN 30 PRECEDING AND CURRENT ROW",
        "PARTITION BY shop ORDER BY i ROWS BETWEEN 3 PRECEDING AND 3 FOLLOWING EXCLUDE CURRENT ROW",
        "ORDER BY month RANGE BETWEEN 1 PRECEDING AND CURRENT ROW EXCLUDE TIES",
    ],
)
def test_windows(many: duckdb.DuckDBPyConnection, verb: str, frame: str) -> None:
    counted = {
        "nps": "100.0::DOUBLE * (sum(CASE WHEN score >= 9 THEN 1 WHEN score <= 6 THEN -1 ELSE 0 END) OVER w"
        " / count(score) OVER w)",
        "csat": "100.0::DOUBLE * (sum((score >= 4)::INT) OVER w / count(score) OVER w)",
        "ces": "sum(score) OVER w / count(score) OVER w",
    }[verb]
    query = f"SELECT i, {{}} AS s FROM {levels(verb, n=3_000)} WINDOW w AS ({frame}) ORDER BY i"
    assert rows(many, query.format(f"cx_{verb}(score) OVER w")) == rows(many, query.format(counted))


@pytest.mark.parametrize("verb", SCALES)
def test_pivot(many: duckdb.DuckDBPyConnection, verb: str) -> None:
    """Which a macro cannot stand in."""
    source = f"(SELECT shop, month, score FROM {levels(verb)})"
    months = ", ".join(f"cx.{verb}(CASE WHEN month = {month} THEN score END)" for month in range(5))
    pivot = f"FROM (PIVOT {source} ON month USING cx_{verb}(score)) ORDER BY shop"
    assert rows(many, pivot) == rows(many, f"SELECT shop, {months} FROM {source} GROUP BY shop ORDER BY shop")


@pytest.mark.parametrize("verb", SCALES)
def test_filter_and_distinct(many: duckdb.DuckDBPyConnection, verb: str) -> None:
    source = levels(verb)
    query = (
        f"SELECT shop, cx_{verb}(score) FILTER (WHERE month = 2), cx_{verb}(DISTINCT score) "
        f"FROM {source} GROUP BY shop ORDER BY shop"
    )
    plain = (
        f"SELECT shop, cx.{verb}(CASE WHEN month = 2 THEN score END), "
        f"(SELECT cx.{verb}(score) FROM (SELECT DISTINCT score FROM {source} b WHERE b.shop = a.shop)) "
        f"FROM {source} a GROUP BY shop ORDER BY shop"
    )
    assert rows(many, query) == rows(many, plain)


@pytest.mark.parametrize("verb", SCALES)
@pytest.mark.parametrize("threads", [1, 4])
def test_threads_and_a_memory_limit_change_nothing(tmp_path: Path, verb: str, threads: int) -> None:
    """A million groups on 60 MB are spilled: states are plain data, and go to disk and back."""
    config = {"memory_limit": "60MB", "threads": threads, "temp_directory": str(tmp_path)}
    grouped = f"SELECT hash(i) AS i, {{}}(score) AS s FROM {levels(verb, n=1_000_000)} GROUP BY ALL"
    query = f"SELECT bit_xor(hash(i, s)), count(s) FROM ({grouped})"
    with duckdb.connect(config=config) as con:
        cxcore.duckdb.register(con)
        assert rows(con, query.format(f"cx_{verb}")) == rows(con, query.format(f"cx.{verb}"))
    with duckdb.connect(config={**config, "max_temp_directory_size": "0KB"}) as con:
        assert "Out of Memory" in error(con, query.format(f"cx_{verb}"))  # so they were spilled before


@pytest.mark.parametrize("verb", SCALES)
@pytest.mark.parametrize(
    ("bad", "dtype"),
    [
        ("-1", "TINYINT"),
        ("11", "UTINYINT"),
        ("9223372036854775808", "UBIGINT"),
        ("-9223372036854775808", "BIGINT"),
        ("1267650600228229401496703205376", "HUGEINT"),
        ("3.5", "FLOAT"),
        ("3.0000001", "DOUBLE"),
        ("nan", "DOUBLE"),
        ("inf", "DOUBLE"),
        ("-inf", "FLOAT"),
        ("3.5", "DECIMAL(3, 1)"),
    ],
)
def test_answers_off_the_scale_are_refused_as_everywhere(
    many: duckdb.DuckDBPyConnection, verb: str, bad: str, dtype: str
) -> None:
    text = f"CASE WHEN i % 3 > 0 THEN '3' WHEN i % 2 > 0 THEN '{bad}' END"
    source = f"(SELECT ({text})::{dtype} AS score FROM range(9_000) t(i))"
    for path in ("cx_", "cx."):
        call = f"{path}{verb}".removeprefix("cx.")
        expected = str(errors.answers_off_scale(call, 1_500, 7_500, SCALES[verb]))
        assert expected in error(many, f"SELECT {path}{verb}(score) FROM {source}")
    one = str(errors.answers_off_scale(f"cx_{verb}", 1, 1, SCALES[verb]))
    assert one in error(many, f"SELECT cx_{verb}('{bad}'::{dtype}) OVER ()")


def test_a_bad_answer_outside_of_the_frame_is_no_error(con: duckdb.DuckDBPyConnection) -> None:
    """As plain aggregates: what a WHERE or a FILTER leaves out is not looked at."""
    query = "SELECT cx_nps(score) FILTER (WHERE score <> 99) FROM (VALUES (10), (99), (2)) t(score)"
    assert rows(con, query) == [(0.0,)]


@pytest.mark.parametrize("argument", ["'9'", "true", "DATE '2026-01-01'", "[9]", "", "9, 1, 2, 3, 4"])
def test_what_is_no_number_does_not_bind(con: duckdb.DuckDBPyConnection, argument: str) -> None:
    assert "Binder" in error(con, f"SELECT cx_nps({argument})")


def test_empty_tables_are_null_as_in_polars(many: duckdb.DuckDBPyConnection) -> None:
    put(many, "answers", pl.DataFrame({"score": []}, {"score": pl.Int8}))
    assert rows(many, "SELECT cx_nps(score), cx_csat(score), cx_ces(score) FROM answers") == [(None,) * 3]
