"""Every engine moves frames in and out without loss, and every verb answers alike on each."""

from __future__ import annotations

import datetime as dt
import gc
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from polars.testing import assert_frame_equal

import cxcore as cx
from cxcore.attribution import MODELS
from cxcore.engines import ENGINES, open_frame
from cxcore.scores import ces, csat, nps
from tests import strategies
from tests.conftest import Flavour, Stream

NEW = pl.Schema(
    {"n": pl.Int64, "yes": pl.Boolean, "text": pl.String, "at": pl.Datetime("us"), "x": pl.Float64}
)
DAY = dt.datetime(2024, 3, 31)


def number_rows(house: pl.DataFrame) -> pl.DataFrame:
    """A compute function: five new columns that say the row, each null in row 1."""
    rows = pl.DataFrame({"n": range(house.height)}, schema={"n": pl.Int64})
    n = pl.when(pl.col("n") != 1).then(pl.col("n"))
    return rows.select(
        n=n,
        yes=n % 2 == 0,
        text=n.cast(pl.String),
        at=(n * 1_000_000).cast(pl.Datetime("us")),
        x=n / 2,
    )


def extend(frame: Any, *columns: str, compute: Any = number_rows) -> Any:
    engine, frame = open_frame("test", frame)
    return engine.rows("test", frame, columns, compute, lambda _: NEW)


def summarise(frame: Any, *columns: str) -> Any:
    engine, frame = open_frame("test", frame)
    return engine.summary("test", frame, columns, lambda house: house, lambda before: before)


HOUSE = pl.DataFrame(
    {
        "i8": pl.Series([1, None, -3, 1], dtype=pl.Int8),
        "u64": pl.Series([1, None, 2**64 - 1, 1], dtype=pl.UInt64),
        "real": [0.5, None, -1.0, 2.0],
        "text": ["a", None, "", "é\0"],
        "yes": [True, None, False, True],
        "day": [dt.date(1, 1, 1), None, dt.date(9999, 12, 31), dt.date(2024, 2, 29)],
        "ms": pl.Series([DAY, None, DAY, DAY], dtype=pl.Datetime("ms")),
        "us": pl.Series([DAY, None, DAY, DAY], dtype=pl.Datetime("us")),
        "ns": pl.Series([DAY, None, DAY, DAY], dtype=pl.Datetime("ns")),
        "zone": pl.Series([DAY, None, DAY, DAY], dtype=pl.Datetime("us", "Europe/Berlin")),
        "span": pl.Series(
            [dt.timedelta(1), None, dt.timedelta(0), dt.timedelta(-1)], dtype=pl.Duration("us")
        ),
        "kind": pl.Series(["x", None, "y", "x"], dtype=pl.Categorical),
        "level": pl.Series(["lo", None, "hi", "lo"], dtype=pl.Enum(["lo", "hi"])),
        "binary": [b"\xff", None, b"", b"a\0"],
    }
)


# ---------------------------------------------------------------- every engine


def test_rows_come_back_in_their_order_with_the_new_columns_at_the_right(frame: Flavour) -> None:
    house = HOUSE.drop("text", "yes", "span")
    frame.check(extend(frame(house), "i8", "ms"), house.hstack(number_rows(house)))


def test_a_summary_comes_back_in_the_flavour_that_came_in(frame: Flavour) -> None:
    names = [name for name in HOUSE.columns if not (frame.name == "duckdb" and name == "span")]
    frame.check(summarise(frame(HOUSE), *names), HOUSE.select(names))


def test_a_column_is_read_as_the_house_knows_it(frame: Flavour) -> None:
    """Names, nulls and values of every dtype, as near as the engine has it."""
    engine, opened = open_frame("test", frame(HOUSE.drop("span")))
    house = engine.read("test", opened, engine.columns(opened))
    as_before = {"duckdb": ("kind", "level", "zone"), "pandas": ("i8", "level")}
    skip = as_before.get(frame.name, ())
    assert house.columns == HOUSE.drop("span").columns
    assert_frame_equal(house.drop(skip), HOUSE.drop("span", *skip))
    assert house["kind"].cast(pl.String).to_list() == HOUSE["kind"].to_list()
    assert house["zone"].dt.epoch().to_list() == HOUSE["zone"].dt.epoch().to_list()


@pytest.mark.parametrize("height", [0, 1])
def test_frames_of_no_and_of_one_row(frame: Flavour, height: int) -> None:
    house = HOUSE.select("i8", "us").slice(0, height)
    frame.check(extend(frame(house), "i8"), house.hstack(number_rows(house)))


def test_chunks_and_slices_keep_their_order(frame: Flavour) -> None:
    house = pl.DataFrame({"n_": range(10), "t": [str(n) for n in range(10)]})
    pieces = strategies.in_chunks(house, 4)[1:9]
    expected = house[1:9].hstack(number_rows(house[1:9]))
    frame.check(extend(frame(pieces), "n_", compute=number_rows), expected)


def test_only_the_columns_that_play_a_role_are_read(frame: Flavour) -> None:
    seen: list[list[str]] = []

    def look(house: pl.DataFrame) -> pl.DataFrame:
        seen.append(house.columns)
        return number_rows(house)

    frame.collect(extend(frame(HOUSE.select("real", "i8", "us")), "us", "i8", compute=look))
    assert len(seen) == 1, "the rows were read more than once"
    assert seen[0] == (["real", "i8", "us"] if frame.name == "lazy" else ["us", "i8"])


def test_open_frame_refuses_what_no_engine_knows() -> None:
    with pytest.raises(cx.UnsupportedFrameError, match="cannot read a list"):
        open_frame("nps", [1, 2, 3])


def test_a_kind_of_frame_is_no_frame() -> None:
    with pytest.raises(cx.UnsupportedFrameError, match="cannot read a type"):
        open_frame("index", pl.DataFrame)


def test_a_group_of_duckdb_may_not_differ_by_case_from_a_column_of_the_answer(
    con: duckdb.DuckDBPyConnection,
) -> None:
    answers = con.sql("SELECT 9 AS score, 'x' AS \"N\"")
    with pytest.raises(cx.InvalidDataError, match="the frame has a column 'N' already"):
        cx.nps(answers, score="score", by="N")


def test_an_engine_has_a_name_and_only_one_takes_a_frame(frame: Flavour) -> None:
    takes = [engine.name for engine in ENGINES if engine.handles(frame(HOUSE))]
    # pandas, pyarrow and Polars frames stream too, so the general engine is asked last
    assert [name for name in takes if name != "Arrow stream"] == takes[:1] or frame.name == "stream"
    assert ENGINES[-1].name == "Arrow stream"
    assert len({engine.name for engine in ENGINES}) == len(ENGINES)


# ---------------------------------------------------------------- LazyFrame


def test_a_lazy_frame_waits_and_its_plan_may_be_changed_after() -> None:
    calls: list[int] = []

    def compute(house: pl.DataFrame) -> pl.DataFrame:
        calls.append(house.height)
        return number_rows(house)

    house = pl.DataFrame({"a": [5, 6, 7, 8], "b": "x"})
    answer = extend(house.lazy(), "a", compute=compute)
    assert answer.collect_schema() == pl.Schema({**house.schema, **NEW})
    assert not calls
    for query, expected in [
        (answer.filter(pl.col("a") > 6).select("n"), [2, 3]),
        (answer.head(1).select("n"), [0]),
        (answer.tail(1).select("n"), [3]),
        (answer.sort("a", descending=True).select("n").head(1), [3]),
        (answer.select(pl.col("n").sum()), [5]),
    ]:
        for engine in ("in-memory", "streaming"):
            assert query.collect(engine=engine).to_series().to_list() == expected
    assert set(calls) == {4}, "something was pushed through: the rows computed on were not the rows given"


# ---------------------------------------------------------------- DuckDB


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


TYPES = {
    "timestamp_s": "TIMESTAMP_S '2024-01-01 00:00:01'",
    "timestamp_ms": "TIMESTAMP_MS '2024-01-01 00:00:01.5'",
    "timestamp_ns": "TIMESTAMP_NS '2024-01-01 00:00:01.000000001'",
    "timestamptz": "TIMESTAMPTZ '2024-01-01 00:00:00+02'",
    "date": "DATE '2024-01-01'",
    "time": "TIME '01:02:03.5'",
    "timetz": "TIMETZ '01:02:03+01'",
    "interval": "INTERVAL 3 MONTH",
    "hugeint": "1::HUGEINT",
    "uhugeint": "1::UHUGEINT",
    "uuid": "uuid()",
    "decimal": "1.25::DECIMAL(10, 2)",
    "bit": "'0101'::BIT",
    "union": "union_value(a := 1)",
    "map": "MAP {'a': 1}",
    "struct": "{'a': 1, 'b': [INTERVAL 1 DAY]}",
    "list": "[1, 2]",
    "array": "[1, 2]::INTEGER[2]",
    "enum": "'it''s INTERVAL'::ENUM('it''s INTERVAL', 'b')",
    "blob": "'ab'::BLOB",
    "json": "'{}'::JSON",
    "bignum": "1::BIGNUM",
    "variant": "1::VARIANT",
    "null": "NULL",
}


@pytest.mark.parametrize("ordered", [True, False])
def test_every_duckdb_type_comes_back_as_it_was(con: duckdb.DuckDBPyConnection, ordered: bool) -> None:
    con.execute(f"SET preserve_insertion_order = {ordered}")
    columns = ", ".join(f'{value} AS "{name}"' for name, value in TYPES.items())
    con.execute(f"CREATE TABLE t AS SELECT i AS u, {columns} FROM range(5) r(i)")
    before = con.table("t")
    after = extend(before, "u", "uuid", "enum")
    assert after.columns == [*before.columns, *NEW]
    assert [str(t) for t in after.types[: len(before.types)]] == [str(t) for t in before.types]
    names = ", ".join(f'"{name}"' for name in before.columns)
    assert con.sql(f"SELECT {names} FROM after EXCEPT ALL FROM before").fetchall() == []
    assert con.sql("SELECT u FROM after WHERE n IS DISTINCT FROM nullif(u, 1)").fetchall() == []


@pytest.mark.parametrize("kind", ["interval", "union", "struct"])
def test_a_type_that_polars_lacks_cannot_play_a_role(con: duckdb.DuckDBPyConnection, kind: str) -> None:
    relation = con.sql(f"SELECT {TYPES[kind]} AS role")
    with pytest.raises(cx.UnsupportedFrameError, match=f"the column 'role' is {kind.upper()}"):
        extend(relation, "role")
    engine, relation = open_frame("test", con.sql(f"SELECT {TYPES[kind]} AS a, 1 AS b"))
    assert engine.read("test", relation, None).columns == ["b"]


def test_a_relation_runs_once(con: duckdb.DuckDBPyConnection) -> None:
    relation = con.sql("SELECT random() AS u FROM range(1000)")
    answer = extend(relation, "u", compute=lambda house: house.select(again="u"))
    assert con.sql("SELECT count(*) FROM answer WHERE u = again").fetchall()[0] == (1000,)
    assert answer.fetchall() == answer.fetchall()


@pytest.mark.parametrize("ordered", [True, False])
def test_many_rows_on_many_threads_stay_beside_what_was_computed(
    con: duckdb.DuckDBPyConnection, ordered: bool
) -> None:
    con.execute(f"SET threads = 8; SET preserve_insertion_order = {ordered}")
    con.execute("CREATE TABLE t AS SELECT i AS u, i // 2 AS half FROM range(1_500_000) r(i)")
    relation = con.sql("SELECT * FROM t WHERE u % 7 <> 0")
    answer = extend(relation, "u", compute=lambda house: house.select(again="u"))
    con.execute("SET preserve_insertion_order = false")  # a later setting must not move them either
    assert con.sql("SELECT count(*), count_if(u = again AND u // 2 = half) FROM answer").fetchall()[0] == (
        1_285_714,
        1_285_714,
    )
    if ordered:
        con.execute("SET preserve_insertion_order = true")
        assert pl.DataFrame(answer)["u"].is_sorted()


def test_the_order_of_a_sorted_relation_is_kept(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("CREATE TABLE t AS SELECT hash(i) % 1000 AS u, i FROM range(100_000) r(i)")
    answer = extend(con.table("t").order("u DESC, i"), "i", compute=lambda house: house.select(again="i"))
    frame = pl.DataFrame(answer)
    assert frame.equals(frame.sort("u", "i", descending=[True, False]))


def test_an_answer_lives_on_the_connection_and_leaves_nothing(
    con: duckdb.DuckDBPyConnection,
) -> None:
    con.execute("CREATE TABLE t AS SELECT i AS u FROM range(5) r(i)")
    con.execute("CREATE TABLE __cxcore_other AS SELECT 1")
    names = (
        "SELECT database_name, schema_name, table_name FROM duckdb_tables() UNION ALL SELECT database_name, "
    )
    names += "schema_name, view_name FROM duckdb_views() WHERE NOT internal ORDER BY ALL"
    before = con.sql(names).fetchall()
    answer, small = extend(con.table("t"), "u"), summarise(con.table("t"), "u")
    gc.collect()
    assert con.sql("SELECT count(*) FROM t JOIN answer USING (u) JOIN small USING (u)").fetchall()[0] == (5,)
    assert con.sql(names).fetchall() == before
    con.execute("DROP TABLE t")
    assert answer.aggregate("count(*), sum(n)").fetchall() == [(5, 9)]
    assert small.fetchall() == [(0,), (1,), (2,), (3,), (4,)]


def test_a_relation_in_an_open_transaction_and_of_a_connection_without_a_name() -> None:
    connection = duckdb.connect()
    connection.execute("BEGIN; CREATE TABLE t AS SELECT 1 AS u")
    answer = extend(connection.table("t"), "u")
    del connection
    gc.collect()
    assert answer.project("u, n").fetchall() == [(1, 0)]


def test_names_that_need_quotes(con: duckdb.DuckDBPyConnection) -> None:
    name = 'a "b" c; DROP TABLE t; --'
    relation = con.sql(f'SELECT 1 AS "{name.replace(chr(34), chr(34) * 2)}"')
    answer = extend(relation, name, compute=lambda house: house.select(pl.col(name).alias("\"; '")))
    assert answer.columns == [name, "\"; '"]
    assert summarise(relation, name).columns == [name]


def test_a_new_name_may_not_differ_by_case_alone(
    con: duckdb.DuckDBPyConnection,
) -> None:
    with pytest.raises(cx.InvalidDataError, match="has a column 'n' already"):
        extend(con.sql("SELECT 1 AS u, 2 AS N"), "u")


def test_a_summary_keeps_duckdb_types_that_polars_lacks(con: duckdb.DuckDBPyConnection) -> None:
    relation = con.sql("SELECT uuid() AS id, 3::HUGEINT AS huge, 'word' AS w")
    answer = summarise(relation, "id", "huge", "w")
    assert [str(kind) for kind in answer.types] == ["UUID", "HUGEINT", "VARCHAR"]
    assert isinstance(answer.fetchall()[0][0], uuid.UUID)
    engine, opened = open_frame("test", relation)  # a word under the name of a uuid is a word
    assert engine.from_house(opened, pl.DataFrame({"id": ["linear"]})).fetchall() == [("linear",)]


def test_a_column_of_nothing_but_null(frame: Flavour) -> None:
    house = pl.DataFrame({"u": [1, 2], "plan": [None, None], "score": [9, 3]})
    frame.check(nps(frame(house), score="score", by="plan"), nps(house, score="score", by="plan"))


def test_an_untyped_null_of_duckdb_is_a_group(con: duckdb.DuckDBPyConnection) -> None:
    answer = nps(con.sql("SELECT NULL AS plan, 9 AS score"), score="score", by="plan")
    assert answer.project("plan, n, estimate").fetchall() == [(None, 1, 100.0)]


@pytest.mark.parametrize("height", [2, 0])
def test_a_name_that_is_there_twice_is_refused(height: int) -> None:
    twice = pa.table([[1, 2][:height], [1, 2][:height]], names=["a", "a"])
    for source in (twice, twice.to_pandas(), twice.to_reader()):
        with pytest.raises(
            (cx.InvalidDataError, cx.UnsupportedFrameError), match="several columns named 'a'"
        ):
            nps(source, score="a")


@pytest.mark.parametrize("setting", ["python_enable_replacements", "enable_external_access"])
def test_a_connection_that_reads_no_python_objects_is_refused_at_once(
    con: duckdb.DuckDBPyConnection, setting: str
) -> None:
    relation = con.sql("SELECT 1 AS u")
    con.execute(f"SET {setting} = false")
    with pytest.raises(cx.UnsupportedFrameError, match="may not read Python objects"):
        extend(relation, "u")


# ---------------------------------------------------------------- pandas


INDEXES = {
    "range": pd.RangeIndex(3),
    "duplicate": pd.Index([5, 5, 5]),
    "text": pd.Index(["c", "a", "b"], name="key"),
    "dates": pd.date_range("2024-01-01", periods=3),
    "several levels": pd.MultiIndex.from_tuples([("a", 1), ("a", 1), ("b", 2)], names=["x", "y"]),
}


@pytest.mark.parametrize("index", INDEXES.values(), ids=INDEXES)
def test_pandas_keeps_any_index_and_what_hangs_on_the_frame(index: pd.Index) -> None:
    before = pd.DataFrame({"u": [3, 1, 2], 0: [1, 2, 3], ("a", 1): [0, 0, 0]}, index=index)
    before.attrs["source"] = "crm"
    copy = before.copy()
    after = extend(before, "u")
    assert after.index.equals(index)
    assert after.index.names == index.names
    assert after.attrs == {"source": "crm"}
    assert list(after.columns) == ["u", 0, ("a", 1), *NEW]
    pd.testing.assert_frame_equal(after[list(before.columns)], before)
    pd.testing.assert_frame_equal(before, copy)


@pytest.mark.parametrize("height", [1, 3])
def test_pandas_dtypes_do_not_depend_on_whether_a_row_has_no_answer(height: int) -> None:
    after = extend(pd.DataFrame({"u": range(height)}), "u")
    kinds = {name: str(after[name].dtype) for name in NEW}
    assert kinds.pop("text") == str(pd.Series(["a"]).dtype)
    assert kinds == {"n": "Int64", "yes": "boolean", "at": "datetime64[us]", "x": "float64"}
    assert after["n"].tolist() == [0, pd.NA, 2][:height]


PANDAS = {
    "object text": (pd.Series(["a", None, np.nan], dtype=object), pl.String()),
    "string": (pd.Series(["a", None, "b"], dtype="string"), pl.String()),
    "str": (pd.Series(["a", None, "b"]), pl.String()),
    "arrow text": (pd.Series(["a", None, "b"], dtype=pd.ArrowDtype(pa.string())), pl.String()),
    "category": (pd.Series(["a", None, "b"], dtype="category"), pl.Categorical()),
    "int32": (pd.Series([1, 2, 3], dtype="int32"), pl.Int32()),
    "Int64": (pd.Series([1, None, 3], dtype="Int64"), pl.Int64()),
    "arrow int": (pd.Series([1, None, 3], dtype="int64[pyarrow]"), pl.Int64()),
    "whole objects": (pd.Series([1, None, 3], dtype=object), pl.Int64()),
    "dates": (pd.Series([DAY.date(), None, DAY.date()], dtype=object), pl.Date()),
    "boolean": (pd.Series([True, None, False], dtype="boolean"), pl.Boolean()),
    "float": (pd.Series([0.5, np.nan, 1.0]), pl.Float64()),
    "s": (pd.Series([DAY, None, DAY], dtype="datetime64[s]"), pl.Datetime("ms")),
    "ms": (pd.Series([DAY, None, DAY], dtype="datetime64[ms]"), pl.Datetime("ms")),
    "us": (pd.Series([DAY, None, DAY], dtype="datetime64[us]"), pl.Datetime("us")),
    "ns": (pd.Series([DAY, None, DAY], dtype="datetime64[ns]"), pl.Datetime("ns")),
    "zone": (pd.Series([DAY, None, DAY], dtype="datetime64[us, UTC]"), pl.Datetime("us", "UTC")),
}


@pytest.mark.parametrize(("column", "dtype"), PANDAS.values(), ids=PANDAS)
def test_pandas_dtypes_are_read_and_come_back_untouched(column: pd.Series, dtype: pl.DataType) -> None:
    before = pd.DataFrame({"role": column})
    engine, opened = open_frame("test", before)
    read = engine.read("test", opened, ["role"])["role"]
    assert read.dtype == dtype
    assert read.is_null().to_list() == column.isna().to_list()
    pd.testing.assert_frame_equal(extend(before, "role")[["role"]], before)


def test_pandas_columns_that_no_engine_reads_play_no_role_and_come_back() -> None:
    before = pd.DataFrame({"u": [1, 2, 3], "mixed": pd.Series([1, "a", 1j], dtype=object)})
    assert list(extend(before, "u")["mixed"]) == [1, "a", 1j]
    engine, opened = open_frame("test", before)
    assert engine.read("test", opened, None).columns == ["u"]
    with pytest.raises(cx.UnsupportedFrameError, match="the column 'mixed' is object"):
        extend(before, "mixed")


def test_pandas_without_pyarrow_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(cx.MissingDependencyError, match=r"pip install 'cxcore\[pandas\]'"):
        extend(pd.DataFrame({"u": [1]}), "u")


# ---------------------------------------------------------------- pyarrow


def test_pyarrow_keeps_its_types_and_its_chunks() -> None:
    before = pa.table(
        {
            "u": pa.chunked_array([[1], [2, 3]]),
            "s": pa.chunked_array(
                [pa.array([1, 2], pa.timestamp("s", "UTC")), pa.array([3], pa.timestamp("s", "UTC"))]
            ),
            "view": pa.array(["a", None, "b"], pa.string_view()),
            "words": pa.array(["a", None, "b"]).dictionary_encode(),
            "span": pa.array([pa.MonthDayNano([1, 2, 3])] * 3),
        },
        metadata={"source": "crm"},
    )
    after = extend(before, "u", "s", "view", "words")
    assert after.select(before.column_names).equals(before, check_metadata=True)
    assert after.schema.metadata == {b"source": b"crm"}
    assert after["s"].num_chunks == 2
    assert after["n"].to_pylist() == [0, None, 2]
    with pytest.raises(cx.UnsupportedFrameError, match="the column 'span' is month_day_nano_interval"):
        extend(before, "span")


@pytest.mark.parametrize("kind", ["table", "reader", "pandas", "pandas of arrow"])
@pytest.mark.parametrize("seconds", [2**60, -(2**60)])
def test_seconds_further_than_milliseconds_reach_are_refused(kind: str, seconds: int) -> None:
    """Polars has no seconds, and what does not fit wraps without a word: sessions of another order."""
    most = (2**63 - 1) // 1000
    for at, fits in ((seconds, False), (most, True), (most + 1, False)):
        table = pa.table({"who": ["a", "a", "a"], "ts": pa.array([0, at, None], pa.timestamp("s"))})
        log: Any = table
        if kind == "reader":
            log = table.to_reader()
        elif kind == "pandas":
            log = pd.DataFrame({"who": "a", "ts": np.array([0, at, "NaT"], "datetime64[s]")})
        elif kind == "pandas of arrow":
            log = table.to_pandas(types_mapper=pd.ArrowDtype)
        if fits:
            cx.sessionize(log, user="who", time="ts", null_time="null")
            continue
        with pytest.raises(cx.UnsupportedFrameError) as caught:
            cx.sessionize(log, user="who", time="ts", null_time="null")
        assert "cannot be read: the column 'ts' is" in str(caught.value)
        assert "a time is further from 1970 than milliseconds reach." in str(caught.value)


def test_a_pyarrow_batch_comes_back_as_a_table() -> None:
    after = extend(pa.record_batch({"u": [1, 2]}), "u")
    assert isinstance(after, pa.Table)
    assert after["n"].to_pylist() == [0, None]


def test_a_reader_gives_a_reader_of_the_same_batches_and_is_read_once() -> None:
    schema = pa.schema({"u": pa.int64(), "word": pa.dictionary(pa.int8(), pa.string())}, {"source": "crm"})
    read: list[int] = []

    def batches() -> Iterator[pa.RecordBatch]:
        for at in range(3):
            read.append(at)
            yield pa.record_batch([[at, at], ["a", None]], schema=schema)

    after = extend(pa.RecordBatchReader.from_batches(schema, batches()), "u")
    assert isinstance(after, pa.RecordBatchReader)
    assert read == [0, 1, 2]
    assert after.schema.names == ["u", "word", *NEW]
    assert after.schema.field("word") == schema.field("word")
    assert after.schema.metadata == {b"source": b"crm"}
    sent = list(after)
    assert [batch.num_rows for batch in sent] == [2, 2, 2]
    assert pa.Table.from_batches(sent)["n"].to_pylist() == [0, None, 2, 3, 4, 5]
    assert list(after) == []


def test_an_error_in_the_middle_of_a_reader_is_its_own() -> None:
    schema = pa.schema({"u": pa.int64()})

    def batches() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch([[1]], schema=schema)
        raise ConnectionResetError("the peer is gone")

    with pytest.raises(ConnectionResetError, match="the peer is gone"):
        extend(pa.RecordBatchReader.from_batches(schema, batches()), "u")


def test_a_stream_that_holds_no_table_is_refused() -> None:
    with pytest.raises(cx.UnsupportedFrameError, match="the Arrow stream cannot be read"):
        open_frame("test", pa.chunked_array([[1]]))


# ---------------------------------------------------------------- every verb, every engine


def minutes(*numbers: int | None) -> list[dt.datetime | None]:
    return [None if n is None else DAY + dt.timedelta(minutes=n) for n in numbers]


LOG = pl.DataFrame(
    {
        "user": ["b", "a", None, "b", "a", "b", "a", "b"],
        "ts": minutes(0, 5, 6, 20, 90, 300, 91, 299),
        "channel": ["ad", "mail", "ad", "web", "ad", None, "web", "mail"],
        "bought": [False, False, False, True, False, True, True, False],
        "value": [None, None, None, 2.5, None, 8.0, 4.0, None],
        "score": pl.Series([10, 9, 8, 0, 7, None, 6, 10], dtype=pl.Int64),
        "stars": pl.Series([5, 4, 4, 1, 3, None, 2, 5], dtype=pl.Int16),
        "plan": ["x", "y", "x", "x", "y", "y", "x", "y"],
    }
)
VERBS: dict[str, Callable[[Any], Any]] = {
    "sessionize": lambda log: cx.sessionize(log, user="user", time="ts", gap="30m"),
    "sessions": lambda log: cx.sessions(log, user="user", time="ts", gap="30m", null_user="own"),
    "sessionize(index)": lambda log: cx.sessionize(cx.index(log, user="user", time="ts"), gap="30m"),
    "sessions(index)": lambda log: cx.sessions(cx.index(log, user="user", time="ts"), gap="30m"),
    "attribute": lambda log: cx.attribute(
        log,
        user="user",
        time="ts",
        channel="channel",
        conversion="bought",
        value="value",
        stage="bought",
        model=[*MODELS],
    ),
    "attribute(index)": lambda log: cx.attribute(
        cx.index(log, user="user", time="ts"), channel="channel", value="value", model="markov"
    ),
    "nps": lambda log: nps(log, score="score", by="plan", total=True),
    "csat": lambda log: csat(log, score="stars", by=["plan", (pl.col("value") > 3).alias("large")]),
    "ces": lambda log: ces(log, score="stars", scale=(1, 5), method="score"),
}


@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
def test_a_verb_answers_alike_on_every_engine(frame: Flavour, verb: Callable[[Any], Any]) -> None:
    given, before = frame(LOG), LOG.clone()
    frame.check(verb(given), verb(LOG))
    assert_frame_equal(LOG, before)
    if frame.name not in ("reader", "stream"):
        assert_frame_equal(frame.collect(given), frame.collect(frame(LOG)))


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York"])
def test_times_of_every_unit_and_zone(frame: Flavour, unit: Any, zone: str | None) -> None:
    log = LOG.with_columns(pl.col("ts").cast(pl.Datetime(unit)).dt.replace_time_zone(zone))
    for verb in VERBS.values():
        frame.check(verb(frame(log)), verb(log))


def test_dates(frame: Flavour) -> None:
    log = LOG.with_columns(pl.col("ts").dt.date())
    for verb in VERBS.values():
        frame.check(verb(frame(log)), verb(log))


@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
def test_empty_logs(frame: Flavour, verb: Callable[[Any], Any]) -> None:
    log = LOG.clear()
    if frame.name == "pandas":  # an empty column of objects says no type: give those that must have one
        given = frame(log).astype(
            {"bought": "boolean", "value": "float64", "channel": "string", "plan": "str"}
        )
    else:
        given = frame(log)
    frame.check(verb(given), verb(log))


LAZY = [name for name in VERBS if "index" not in name]


@pytest.mark.parametrize("name", LAZY)
def test_a_lazy_verb_declares_its_schema_and_waits(name: str) -> None:
    read: list[int] = []

    def look(house: pl.DataFrame) -> pl.DataFrame:
        read.append(house.height)
        return house

    source = LOG.lazy().map_batches(look, schema=LOG.schema)
    answer = VERBS[name](source)
    declared = answer.collect_schema()
    assert not read
    collected = answer.collect()
    assert read == [LOG.height]
    assert declared == collected.schema
    first = collected.columns[-1]
    assert_frame_equal(
        answer.filter(pl.col(first).is_not_null()).collect(), collected.filter(pl.col(first).is_not_null())
    )
    assert_frame_equal(answer.select(first).head(2).collect(), collected.select(first).head(2))
    assert_frame_equal(answer.tail(2).collect(), collected.tail(2))


def test_lazy_scores_tell_of_names_at_once_and_of_data_at_collect() -> None:
    with pytest.raises(cx.ColumnNotFoundError):
        nps(LOG.lazy(), score="sore")
    answer = nps(LOG.lazy().with_columns(pl.col("score") + 1), score="score")
    with pytest.raises(cx.InvalidDataError, match="2 of 8 answers are outside"):
        answer.collect()


@pytest.mark.parametrize("verb", [cx.sessionize, cx.sessions])
def test_a_lazy_verb_tells_of_names_at_once_and_of_data_at_collect(verb: Callable[..., Any]) -> None:
    log = LOG.lazy().with_columns(ts=pl.when(pl.col("plan") == "x").then("ts"))
    with pytest.raises(cx.ColumnNotFoundError):
        verb(log, user="user", time="tss")
    answer = verb(log, user="user", time="ts")
    with pytest.raises(cx.InvalidDataError, match="4 of 8 rows have no time; the first is row 1"):
        answer.collect()


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(log=strategies.event_logs())
def test_any_log_has_the_same_sessions_on_every_engine(frame: Flavour, log: pl.DataFrame) -> None:
    answer = cx.sessionize(log, user="user", time="time", order="seq", gap="45m")
    other = cx.sessionize(frame(log), user="user", time="time", order="seq", gap="45m")
    assert_frame_equal(
        frame.collect(other).select("session_id", "session_number"),
        answer.select("session_id", "session_number"),
    )


def test_an_index_does_not_see_what_is_done_to_the_frame_after(frame: Flavour) -> None:
    log = frame(LOG.clone())
    index = cx.index(log, user="user", time="ts")
    if frame.name == "polars":
        log.insert_column(0, pl.Series("late", range(8)))
    if frame.name == "pandas":
        log["late"] = 1
    frame.check(cx.sessionize(index, gap="30m"), cx.sessionize(LOG, user="user", time="ts", gap="30m"))


def test_a_stream_is_read_once() -> None:
    stream = Stream(LOG)
    cx.sessionize(stream, user="user", time="ts")
    with pytest.raises(AssertionError, match="a second time"):
        cx.sessionize(stream, user="user", time="ts")


def test_what_stands_for_a_frame_elsewhere_is_named() -> None:
    planted = cx.datasets.touchpoints(20, rng=1)
    with pytest.raises(
        cx.UnsupportedFrameError, match=r"sessions\(\): cannot read a Planted .*\n  Hint: pass its \.frame"
    ):
        cx.sessions(planted, user="user_id", time="ts")
    index = cx.index(planted.frame, user="user_id", time="ts")
    with pytest.raises(
        cx.UnsupportedFrameError, match=r"nps\(\): cannot read an EventIndex\.\n.*pass the frame"
    ):
        cx.nps(index, score="value")


def test_a_series_in_the_place_of_a_name_is_not_printed() -> None:
    log = pl.DataFrame({"who": range(100)})
    with pytest.raises(cx.InvalidOptionError) as caught:
        cx.sessions(log, user=log["who"], time="who")  # type: ignore[arg-type]
    assert "takes the name of a column" in str(caught.value)
    assert len(str(caught.value)) < 200
    assert "…" in str(caught.value)
