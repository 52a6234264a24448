"""Native functions of DuckDB: registered without ever failing, with the numbers of macros and verbs."""

from __future__ import annotations

import datetime as dt
import itertools
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import cxcore as cx
import cxcore.duckdb
from cxcore import errors, scores
from cxcore._sql.native import write_extension
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


def test_every_native_function_is_in_the_guide(con: duckdb.DuckDBPyConnection) -> None:
    guide = (Path(__file__).resolve().parents[1] / "docs/how-to/duckdb.md").read_text()
    said = set(re.findall(r"^\| `(cx_\w+)\(", guide, re.MULTILINE))
    query = "SELECT DISTINCT function_name FROM duckdb_functions() WHERE function_name[:3] = 'cx_'"
    assert {name for (name,) in rows(con, query)} == said


def test_restricted_databases_open_as_before(tmp_path: Path) -> None:
    """Read-only, locked, without access to files: all open, and all have them."""
    path = str(tmp_path / "a.db")
    with duckdb.connect(path) as con:
        con.execute("CREATE TABLE answers AS SELECT range % 11 AS score FROM range(1100)")
        con.execute("CREATE VIEW npses AS SELECT cx_nps(score) AS nps FROM answers")
    locked = {"lock_configuration": True, "enable_external_access": False, "threads": 1}
    ways: list[dict[str, Any]] = [{}, {"read_only": True}, {"config": locked}]
    for options in ways:
        with duckdb.connect(path, **options) as con:
            assert rows(con, "SELECT cx_nps(score) FROM answers") == rows(con, "FROM npses")


def test_the_library_knows_no_python() -> None:
    """So that an engine without Python can load it."""
    spec = __import__("importlib.util").util.find_spec("cxcore._ext.duckdb_functions")
    listed = subprocess.run(["nm", "-D", spec.origin], capture_output=True, text=True, check=True).stdout
    assert " T cxcore_register_duckdb" in listed
    assert not [line for line in listed.splitlines() if " Py" in line or " _Py" in line]
    own = {line.split()[-1] for line in listed.splitlines() if " T " in line}
    assert own == {"cxcore_register_duckdb", "cxcore_init_c_api"}


# ------------------------------------------------------------------ other engines: a file, older versions


@pytest.fixture(scope="session")
def extension(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``python -m cxcore duckdb-extension`` writes."""
    folder = tmp_path_factory.mktemp("extension with 'quotes'")
    done = subprocess.run(
        [sys.executable, "-m", "cxcore", "duckdb-extension", str(folder)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{folder / 'cxcore.duckdb_extension'}\n"
    return folder / "cxcore.duckdb_extension"


#: one number of each function, of the same rows
ALL_FUNCTIONS = (
    "SELECT cx_nps(i % 11), cx_csat(i % 5 + 1), cx_ces(i % 7 + 1), (cx_nps_ci(i % 11)).low,"
    " (cx_csat_ci(i % 5 + 1, 0.9)).high, (cx_ces_ci(i % 7 + 1)).standard_error,"
    " cx_session_id('anna', TIMESTAMP '2026-01-05 10:00:00'),"
    " (SELECT max(n) FROM (SELECT cx_session_number(TIMESTAMP '2026-01-05' + INTERVAL 1 MINUTE * (j * j),"
    " INTERVAL 30 MINUTE) OVER (ORDER BY j) AS n FROM range(20) s(j))) FROM range(90) t(i)"
)


def loading(extension: Path) -> str:
    return "LOAD '{}'".format(str(extension).replace("'", "''"))


def test_any_duckdb_loads_the_file(con: duckdb.DuckDBPyConnection, extension: Path) -> None:
    """In a process without cxcore, and by connections that were open before."""
    code = (
        "import duckdb, sys; con = duckdb.connect(config={'allow_unsigned_extensions': True})\n"
        f"con.execute({loading(extension)!r}); print(con.sql({ALL_FUNCTIONS!r}).fetchall())\n"
        "print('cxcore' in sys.modules)"
    )
    assert run(code).splitlines() == [str(rows(con, ALL_FUNCTIONS)), "False"]


def test_a_database_that_has_the_functions_may_load_the_file(extension: Path) -> None:
    code = (
        "import duckdb, cxcore.duckdb; con = duckdb.connect(config={'allow_unsigned_extensions': True})\n"
        f"before = con.sql({ALL_FUNCTIONS!r}).fetchall()\n"
        f"try: con.execute({loading(extension)!r})\n"
        "except duckdb.Error as error: print(error)\n"
        f"print(con.sql({ALL_FUNCTIONS!r}).fetchall() == before, {HAS})"
    )
    assert run(code).splitlines()[-1] == "True True"


def test_the_command_line_loads_the_file(con: duckdb.DuckDBPyConnection, extension: Path) -> None:
    """No Python in that process: DuckDB's own program, an older version than ours."""
    program = Path(sys.executable).with_name("duckdb")
    if not program.exists():
        pytest.skip("no DuckDB command line here: `make test` installs one")
    script = f"{loading(extension)}; {ALL_FUNCTIONS};"
    done = subprocess.run(
        [program, "-unsigned", "-csv", "-noheader", "-c", script], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert [float(cell) for cell in done.stdout.strip().split(",")] == [
        float(cell) for cell in rows(con, ALL_FUNCTIONS)[0]
    ]


@pytest.mark.parametrize("minor", ["1.4", "1.5"])
def test_older_versions_connect_as_before_and_load_the_file(
    con: duckdb.DuckDBPyConnection, extension: Path, minor: str
) -> None:
    folder = Path(sys.prefix) / f"duckdb-{minor}"
    if not folder.is_dir():
        pytest.skip(f"no DuckDB {minor} beside the one here: `make test` installs it")
    code = (
        f"import sys; sys.path.insert(0, {str(folder)!r})\n"
        "import duckdb, cxcore.duckdb\n"
        "con = duckdb.connect(config={'allow_unsigned_extensions': True})\n"
        f"print(cxcore.duckdb.native(), con.sql({KNOWN!r}).fetchall()[0][0])\n"
        "try: cxcore.duckdb.register(con)\n"
        "except ImportError as error: print(error)\n"
        f"con.execute({loading(extension)!r}); print(con.sql({ALL_FUNCTIONS!r}).fetchall())"
    )
    said = run(code)
    version = re.search(rf"DuckDB ({re.escape(minor)}\.\d+)", said)
    assert version
    old = errors.old_dependency("duckdb.register", f"DuckDB {version[1]}", "2.0", "duckdb")
    assert said.splitlines() == ["False False", *str(old).splitlines(), str(rows(con, ALL_FUNCTIONS))]


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(errors.InvalidDataError, match="its folder is not there"):
        write_extension(tmp_path / "none")


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


# ------------------------------------------------------------------ intervals: the same suite, structs

FIELDS = ("estimate", "low", "high", "standard_error", "n", "method", "flags")


@pytest.mark.parametrize("path", ["cx_", "cx."], ids=["native", "macro"])
@pytest.mark.parametrize("verb", SCALES)
@settings(max_examples=40)
@given(data=st.data(), level=st.sampled_from((None, 0.5, 0.9, 0.95, 0.999)))
def test_an_interval_is_that_of_the_verb(
    many: duckdb.DuckDBPyConnection, verb: str, path: str, data: st.DataObject, level: float | None
) -> None:
    answers = data.draw(strategies.answers(*SCALES[verb]))
    put(many, "answers", answers)
    said = "" if level is None else f", {level}" if path == "cx_" else f", level := {level}"
    found = rows(many, f"SELECT {path}{verb}_ci(score{said}) FROM answers")
    expected = getattr(scores, verb)(answers, score="score", confidence_level=level or 0.95)
    has_answers = expected["n"][0] > 0
    assert found == [(expected.select(FIELDS).row(0, named=True) if has_answers else None,)]


@pytest.mark.parametrize("verb", SCALES)
@pytest.mark.parametrize("dtype", NUMBERS)
@pytest.mark.parametrize("n", [40, 700, 20_000])  # few answers a group, some, many: every method
def test_every_type_of_number_gives_the_macros_interval(
    many: duckdb.DuckDBPyConnection, verb: str, dtype: str, n: int
) -> None:
    query = f"SELECT shop, {{}}_ci(score) AS ci FROM {levels(verb, dtype, n)} GROUP BY shop ORDER BY shop"
    native, macro = (rows(many, query.format(f"{path}{verb}")) for path in ("cx_", "cx."))
    assert native == macro


@pytest.mark.parametrize("verb", SCALES)
def test_intervals_take_what_aggregates_take(many: duckdb.DuckDBPyConnection, verb: str) -> None:
    """FILTER, DISTINCT, OVER, ROLLUP and PIVOT, each against plain groups."""
    source = levels(verb, n=3_000)
    ci = f"cx_{verb}_ci"
    where = f"(SELECT cx.{verb}_ci(score) FROM {source} b WHERE b.shop = a.shop AND month = 2)"
    found = f"SELECT shop, {ci}(score) FILTER (WHERE month = 2) FROM {source} GROUP BY 1 ORDER BY 1"
    assert rows(many, found) == rows(many, f"SELECT DISTINCT shop, {where} FROM {source} a ORDER BY shop")
    distinct = f"SELECT {ci}(DISTINCT score) FROM {source}"
    assert rows(many, distinct) == rows(
        many, f"SELECT {ci}(score) FROM (SELECT DISTINCT score FROM {source})"
    )
    over = f"SELECT DISTINCT shop, {ci}(score) OVER (PARTITION BY shop) FROM {source} ORDER BY shop"
    groups = f"SELECT shop, {ci}(score) FROM {source} GROUP BY shop ORDER BY shop"
    assert rows(many, over) == rows(many, groups)
    rolled = f"SELECT shop, {ci}(score) FROM {source} GROUP BY ROLLUP (shop) ORDER BY shop NULLS LAST"
    assert rows(many, rolled) == [
        *rows(many, groups),
        (None, rows(many, f"SELECT {ci}(score) FROM {source}")[0][0]),
    ]
    pivot = f"FROM (PIVOT (SELECT shop, score FROM {source}) ON shop USING {ci}(score))"
    assert rows(many, pivot)[0] == tuple(interval for _, interval in rows(many, groups))


@pytest.mark.parametrize("threads", [1, 4])
def test_a_moving_interval_is_that_of_each_frame(threads: int) -> None:
    """States are taken apart and joined in DuckDB's tree; the interval sees counts alone."""
    with duckdb.connect(config={"threads": threads}) as con:
        source = levels("nps", n=3_000)
        moving = (
            f"SELECT i, cx_nps_ci(score, 0.9) OVER (ORDER BY i ROWS 99 PRECEDING) FROM {source} ORDER BY i"
        )
        found = rows(con, moving)
        for i in (0, 1, 50, 99, 100, 1_777, 2_999):
            frame = f"SELECT cx_nps_ci(score, 0.9) FROM {source} WHERE i BETWEEN {i - 99} AND {i}"
            assert found[i] == (i, rows(con, frame)[0][0])


def test_a_group_without_answers_has_no_interval_and_no_fields(con: duckdb.DuckDBPyConnection) -> None:
    query = "SELECT ci, ci.low, ci.n, ci.method, ci IS NULL FROM (SELECT cx_nps_ci(NULL::INT) AS ci)"
    assert rows(con, query) == [(None, None, None, None, True)]
    source = "(VALUES (1, 5), (2, NULL), (3, 7)) t(shop, score)"
    query = f"SELECT shop, cx_ces_ci(score).n FROM {source} GROUP BY shop ORDER BY shop"
    assert rows(con, query) == [(1, 1), (2, None), (3, 1)]


@pytest.mark.parametrize(
    ("level", "said"),
    [("95", "95"), ("0", "0"), ("1", "1"), ("-0.5", "-0.5"), ("'nan'::DOUBLE", "nan"), ("NULL", "NULL")],
)
def test_a_level_that_is_none_is_refused(con: duckdb.DuckDBPyConnection, level: str, said: str) -> None:
    text = error(con, f"SELECT cx_nps_ci(score, {level}) FROM (VALUES (10), (3)) t(score)")
    assert f"cx_nps_ci(level={said}): a level lies between 0 and 1" in text


def test_a_group_has_one_level(con: duckdb.DuckDBPyConnection) -> None:
    level = "CASE WHEN i % 2 = 0 THEN 0.9 ELSE 0.8 END"
    query = f"SELECT i % {{}} AS shop, cx_nps_ci(8, {level}) FROM range(10_000) t(i) GROUP BY shop"
    assert len(rows(con, query.format(2))) == 2
    assert "cx_nps_ci(level=various)" in error(con, query.format(3))


@pytest.mark.parametrize("verb", SCALES)
def test_an_interval_of_answers_off_the_scale_is_refused(many: duckdb.DuckDBPyConnection, verb: str) -> None:
    source = (
        "(SELECT (CASE WHEN i % 3 > 0 THEN 3 WHEN i % 2 > 0 THEN 12 END) AS score FROM range(9_000) t(i))"
    )
    for path in ("cx_", "cx."):
        expected = str(
            errors.answers_off_scale(f"{path}{verb}_ci".removeprefix("cx."), 1_500, 7_500, SCALES[verb])
        )
        assert expected in error(many, f"SELECT {path}{verb}_ci(score) FROM {source}")


def test_intervals_spill_as_scores_do(tmp_path: Path) -> None:
    config = {"memory_limit": "60MB", "threads": 2, "temp_directory": str(tmp_path)}
    grouped = f"SELECT hash(i // 2) AS i, cx_csat_ci(score) AS ci FROM {levels('csat', n=600_000)} GROUP BY 1"
    query = f"SELECT count(*), sum(ci.n), bit_xor(hash(i, ci)) FROM ({grouped})"
    with duckdb.connect(config=config) as con:
        spilled = rows(con, query)
    with duckdb.connect(config={"threads": 2}) as con:
        assert spilled == rows(con, query)


def test_empty_tables_are_null_as_in_polars(many: duckdb.DuckDBPyConnection) -> None:
    put(many, "answers", pl.DataFrame({"score": []}, {"score": pl.Int8}))
    assert rows(many, "SELECT cx_nps(score), cx_csat(score), cx_ces(score) FROM answers") == [(None,) * 3]


# ------------------------------------------------------------------ sessions

NUMBER = "cx_session_number(time, {gap}) OVER (PARTITION BY user ORDER BY time)"
MINUTE = 60 * 10**6
USER_TYPES = ("TINYINT", "INTEGER", "BIGINT", "UBIGINT", "USMALLINT", "HUGEINT", "VARCHAR", "BLOB")


def numbered(con: duckdb.DuckDBPyConnection, gap: str, columns: str = "") -> list[Any]:
    return rows(con, f"SELECT row, {columns} {NUMBER.format(gap=gap)} FROM events ORDER BY row")


@settings(max_examples=60)
@given(log=strategies.event_logs(), minutes=st.integers(1, 50))
def test_numbers_and_ids_are_those_of_sessionize(
    many: duckdb.DuckDBPyConnection, log: pl.DataFrame, minutes: int
) -> None:
    """Any type of user and time, any order of rows, ties, far dates; rows without a user are left out."""
    log = log.filter(pl.col("user").is_not_null() & pl.col("time").is_not_null()).with_row_index("row")
    if log["user"].dtype in (pl.Boolean, pl.Date):
        log = log.with_columns(pl.col("user").cast(pl.Int64))  # as their key is
    put(many, "events", log)
    expected = cx.sessionize(log, user="user", time="time", gap=f"{minutes}m")
    start = "min(time) OVER (PARTITION BY user, number)"
    found = rows(
        many,
        f"SELECT row, cx_session_id(user, {start}), number FROM (SELECT *, "
        f"{NUMBER.format(gap=f'INTERVAL {minutes} MINUTE')} AS number FROM events) ORDER BY row",
    )
    assert found == expected.select("row", "session_id", "session_number").rows()


@pytest.mark.parametrize("threads", [1, 4])
@pytest.mark.parametrize("users", [1, 50, 5_000])
def test_long_partitions_of_the_tree_are_one_run(threads: int, users: int) -> None:
    """Tens of thousands of rows in one frame: many leaves and levels of DuckDB's tree are joined."""
    with duckdb.connect(config={"threads": threads}) as con:
        con.execute(
            f"CREATE TABLE events AS SELECT i AS row, hash(i) % {users} AS user, "
            f"make_timestamp((hash(-i) % {30_000 * MINUTE // 100})::BIGINT) AS time FROM range(30_000) t(i)"
        )
        for seconds in (1, 30, 1800):
            lagged = f"time - lag(time) OVER w <= INTERVAL {seconds} SECOND"
            begins = f"SELECT *, CASE WHEN {lagged} THEN 0 ELSE 1 END AS begins FROM events"
            window = "WINDOW w AS (PARTITION BY user ORDER BY time)"
            expected = f"SELECT row, sum(begins) OVER w FROM ({begins} {window}) {window} ORDER BY row"
            assert numbered(con, f"INTERVAL {seconds} SECOND") == rows(con, expected)


@settings(max_examples=60)
@given(
    ticks=st.lists(st.integers(0, 60), max_size=80).map(sorted),
    before=st.integers(0, 40),
    after=st.integers(0, 40),
    exclude=st.sampled_from(("", "EXCLUDE CURRENT ROW")),
    gap=st.integers(1, 4),
)
def test_any_frame_counts_its_own_sessions(
    many: duckdb.DuckDBPyConnection, ticks: list[int], before: int, after: int, exclude: str, gap: int
) -> None:
    put(
        many,
        "events",
        pl.DataFrame({"row": range(len(ticks)), "time": ticks}, {"row": pl.Int64, "time": pl.Int64}),
    )
    frame = f"ROWS BETWEEN {before} PRECEDING AND {after} FOLLOWING {exclude}"
    found = rows(
        many, f"SELECT cx_session_number(time, {gap}) OVER (ORDER BY row {frame}) FROM events ORDER BY row"
    )
    expected = []
    for i in range(len(ticks)):
        inside = [t for j, t in enumerate(ticks) if i - before <= j <= i + after and (not exclude or j != i)]
        splits = sum(b - a > gap for a, b in itertools.pairwise(inside))
        expected.append((splits + 1 if inside else None,))
    assert found == expected


@pytest.mark.parametrize(
    "dtype", ["TIMESTAMP", "TIMESTAMPTZ", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMPTZ_NS"]
)
def test_a_silence_of_exactly_the_gap_does_not_split(con: duckdb.DuckDBPyConnection, dtype: str) -> None:
    times = "('2026-01-05 12:00:00'), ('2026-01-05 12:30:00'), ('2026-01-05 13:00:01')"
    con.execute(
        f"CREATE TABLE events AS SELECT 1 AS user, row_number() OVER () AS row, t::{dtype} AS time "
        f"FROM (VALUES {times}) v(t)"
    )
    for gap in ("INTERVAL 30 MINUTE", "INTERVAL 1800.5 SECOND", "'30m'", "INTERVAL 1800 SECOND"):
        assert [number for _, number in numbered(con, gap)] == [1, 1, 2]
    assert [number for _, number in numbered(con, "INTERVAL 1799 SECOND")] == [1, 2, 3]
    assert [number for _, number in numbered(con, "INTERVAL 1 DAY")] == [1, 1, 1]


def test_days_and_whole_numbers_are_times(con: duckdb.DuckDBPyConnection) -> None:
    source = "(VALUES (1), (2), (5)) t(i)"
    days = f"CREATE OR REPLACE TABLE events AS SELECT 1 AS user, i AS row, {{}} AS time FROM {source}"
    con.execute(days.format("DATE '2026-01-01' + i"))
    assert [number for _, number in numbered(con, "INTERVAL 1 DAY")] == [1, 1, 2]
    assert [number for _, number in numbered(con, "INTERVAL 47 HOUR")] == [1, 1, 2]
    assert [number for _, number in numbered(con, "INTERVAL 1 HOUR")] == [1, 2, 3]
    for dtype in ("BIGINT", "INTEGER", "UTINYINT"):
        con.execute(days.format(f"i::{dtype}"))
        assert [number for _, number in numbered(con, "1")] == [1, 1, 2]


def test_far_times_do_not_overflow(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(
        "CREATE TABLE events AS SELECT 1 AS user, i AS row, t::TIMESTAMP AS time FROM (VALUES "
        "(1, '-infinity'), (2, '-infinity'), (3, '290308-12-22 (BC) 00:00:00'), (4, '2026-01-05'), "
        "(5, '294247-01-10'), (6, 'infinity')) v(i, t)"
    )
    assert [number for _, number in numbered(con, "INTERVAL 30 MINUTE")] == [1, 1, 2, 3, 4, 5]
    con.execute(
        "CREATE OR REPLACE TABLE events AS SELECT 1 AS user, t AS row, t AS time "
        f"FROM (VALUES ({-(2**63)}), (0), ({2**63 - 1})) v(t)"
    )
    assert [number for _, number in numbered(con, str(2**63 - 1))] == [1, 2, 2]
    con.execute("ALTER TABLE events ALTER time TYPE TIMESTAMP_NS USING make_timestamp_ns(time // 2)")
    assert [number for _, number in numbered(con, f"to_days({2**31 - 1})")] == [1, 1, 1]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ("time, INTERVAL 1 MONTH", "months, quarters and years have no fixed length.\n  Hint: write days"),
        ("time, INTERVAL 1 YEAR", "months, quarters and years have no fixed length."),
        ("time, INTERVAL 0 MINUTE", "gap must be longer than nothing.\n  Hint: such as INTERVAL 30 MINUTE."),
        ("time, INTERVAL (-1) DAY", "gap must be longer than nothing."),
        ("epoch_us(time), 0", "gap must be longer than nothing."),
        ("time, NULL::INTERVAL", "gap is null."),
        ("time, to_minutes(row)", "the rows do not agree on one gap.\n  Hint: write a constant."),
        ("CASE WHEN row < 3 THEN time END, INTERVAL 1 DAY", "2 of 4 rows have no time.\n  Hint: drop them"),
        (
            "time - to_hours(2 * row), INTERVAL 1 DAY",
            "the rows are not in order of time.\n  Hint: OVER (PART",
        ),
    ],
)
def test_what_has_no_answer_is_refused(con: duckdb.DuckDBPyConnection, call: str, text: str) -> None:
    con.execute(
        "CREATE TABLE events AS "
        "SELECT i AS row, TIMESTAMP '2026-01-05' + to_hours(i) AS time FROM range(1, 5) t(i)"
    )
    frame = "ORDER BY row ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING"
    found = error(con, f"SELECT cx_session_number({call}) OVER ({frame}) FROM events")
    assert f"cx_session_number(): {text}" in found


@pytest.mark.parametrize(
    "call",
    [
        "cx_session_number(1, INTERVAL 1 DAY)",  # a number has no unit
        "cx_session_number(TIMESTAMP '2026-01-05', 1800)",
        "cx_session_number(TIMESTAMP '2026-01-05')",
        "cx_session_number('2026-01-05'::VARCHAR, INTERVAL 1 DAY)",
        "cx_session_id(1.5::DOUBLE, TIMESTAMP '2026-01-05')",  # 1 and 1.0 would have to be one user
        "cx_session_id(1.5::DECIMAL(4, 1), TIMESTAMP '2026-01-05')",
        "cx_session_id(1, 5)",
    ],
)
def test_other_types_do_not_bind(con: duckdb.DuckDBPyConnection, call: str) -> None:
    assert "Binder" in error(con, f"SELECT {call}")


def test_as_an_aggregate_it_counts_the_sessions_of_a_user(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(
        f"CREATE TABLE events AS SELECT i % 3 AS user, make_timestamp((hash(i) % {10**12})::BIGINT) AS time "
        "FROM range(3_000) t(i)"
    )
    gap = "INTERVAL 10 MINUTE"
    sorted_ = (
        f"SELECT user, cx_session_number(time, {gap} ORDER BY time) FROM events GROUP BY user ORDER BY user"
    )
    window = f"SELECT user, {NUMBER.format(gap=gap)} AS number FROM events"
    window = f"SELECT user, max(number) FROM ({window}) GROUP BY user ORDER BY user"
    assert rows(con, sorted_) == rows(con, window)
    assert "not in order of time" in error(con, f"SELECT cx_session_number(time, {gap}) FROM events")


@pytest.mark.parametrize("dtype", USER_TYPES)
@pytest.mark.parametrize(
    "time",
    ["TIMESTAMP", "TIMESTAMPTZ", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMPTZ_NS", "DATE"],
)
def test_an_id_is_the_one_of_python(con: duckdb.DuckDBPyConnection, dtype: str, time: str) -> None:
    start = dt.datetime(1969, 7, 20, 20, 17, 40)
    if time == "DATE":
        start = dt.datetime.combine(start.date(), dt.time())
    user = {"VARCHAR": "7", "BLOB": b"7"}.get(dtype, 7)
    expected = cx.sessions(pl.DataFrame({"user": [user], "time": [start]}), user="user", time="time")
    con.execute("SET TimeZone = 'UTC'")
    given = (
        f"'7'::{dtype}, '{start}'::{time}",
        f"NULL::{dtype}, '{start}'::{time}",
        f"'7'::{dtype}, NULL::{time}",
    )
    ids = ", ".join(f"cx_session_id({arguments})" for arguments in given)
    assert rows(con, f"SELECT {ids}") == [(expected["session_id"].item(), None, None)]


@pytest.mark.parametrize("size", [0, 1, 7, 12, 13, 31, 32, 33, 100, 5_000])
def test_texts_of_any_length_have_the_id_of_python(con: duckdb.DuckDBPyConnection, size: int) -> None:
    """Up to 12 bytes stand inside DuckDB's string, and 32 make a stripe of the hash."""
    users = [("ä" * size)[:size] + str(i) * (i > 0) for i in range(4)]
    log = pl.DataFrame({"user": users, "time": [dt.datetime(2026, 1, 5, 12)] * 4})
    put(con, "events", log)
    found = dict(rows(con, "SELECT user, cx_session_id(user, time) FROM events"))
    assert found == dict(cx.sessions(log, user="user", time="time").select("user", "session_id").iter_rows())


def test_a_nanosecond_before_the_epoch_is_floored(con: duckdb.DuckDBPyConnection) -> None:
    log = pl.DataFrame({"user": [1], "time": [-1]}).with_columns(pl.col("time").cast(pl.Datetime("ns")))
    expected = cx.sessions(log, user="user", time="time")["session_id"].item()
    assert rows(con, "SELECT cx_session_id(1, make_timestamp_ns(-1))") == [(expected,)]
    assert rows(con, "SELECT cx_session_id(1, make_timestamp(-1))") == [(expected,)]


@pytest.mark.parametrize("user", [2**64, -(2**63) - 1])
def test_a_user_beyond_int64_is_refused(con: duckdb.DuckDBPyConnection, user: int) -> None:
    text = error(con, f"SELECT cx_session_id(({user})::HUGEINT, TIMESTAMP '2026-01-05')")
    assert "cx_session_id(): a user id does not fit a BIGINT.\n  Hint: cast ids to VARCHAR." in text


@pytest.mark.parametrize(
    ("user", "dtype", "house"),
    [
        (2**63 - 1, "HUGEINT", pl.Int64),
        (-(2**63), "HUGEINT", pl.Int64),
        (-1, "BIGINT", pl.Int64),
        (2**63, "UBIGINT", pl.UInt64),
        (2**64 - 1, "UBIGINT", pl.UInt64),
    ],
)
def test_ends_of_the_whole_numbers(
    con: duckdb.DuckDBPyConnection, user: int, dtype: str, house: type[pl.DataType]
) -> None:
    log = pl.DataFrame({"user": pl.Series([user], dtype=house), "time": [dt.datetime(2026, 1, 5)]})
    expected = cx.sessions(log, user="user", time="time")["session_id"].item()
    assert rows(con, f"SELECT cx_session_id(({user})::{dtype}, TIMESTAMP '2026-01-05')") == [(expected,)]


@pytest.mark.shared
@pytest.mark.parametrize(
    ("log", "user", "time"),
    [
        ("wiki_readers_2014", "user_id", "ts"),
        ("servicenow_incidents", "number", "sys_updated_at"),
        ("online_retail", "customer_id", "ts"),
    ],
)
def test_the_real_logs(con: duckdb.DuckDBPyConnection, shared: Path, log: str, user: str, time: str) -> None:
    path = shared / "data" / log / f"{log}.parquet"
    con.execute(
        f"CREATE TABLE events AS SELECT {user} AS user, {time} AS time FROM '{path}' WHERE {user} IS NOT NULL"
    )
    number = NUMBER.format(gap="INTERVAL 30 MINUTE")
    con.execute(f"CREATE TABLE numbered AS SELECT *, {number} AS number FROM events")
    found = con.sql(
        "SELECT cx_session_id(user, min(time)), number FROM numbered GROUP BY user, number ORDER BY ALL"
    )
    frame = pl.read_parquet(path).drop_nulls(user)
    expected = cx.sessions(frame, user=user, time=time, gap="30m").select("session_id", "session_number")
    assert found.fetchall() == expected.sort("session_id", "session_number").rows()
