"""What all tests share: the ``frame`` fixture over all engines, the real logs, hypothesis profiles."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, settings
from polars.testing import assert_frame_equal

settings.register_profile("dev", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("dev"), derandomize=True, print_blob=True)
# for the debug build, which asks whether indices stay inside, of answers that the release build has compared
settings.register_profile("few", settings.get_profile("dev"), max_examples=15)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


@dataclass(frozen=True)
class Flavour:
    """One kind of frame: ``flavour(house)`` makes it, ``collect`` brings an answer back to compare."""

    name: str
    make: Callable[[pl.DataFrame], Any]
    collect: Callable[[Any], pl.DataFrame]
    #: what an answer must be
    answer: type

    def __call__(self, house: pl.DataFrame) -> Any:
        return self.make(house)

    def check(self, answer: Any, expected: pl.DataFrame) -> None:
        """The answer has this flavour and holds ``expected``, as far as the flavour can hold it."""
        assert isinstance(answer, self.answer)
        written = self.collect(self.make(expected)) if self.name != "stream" else expected
        assert_frame_equal(self.collect(answer), written, check_exact=True)


class Stream:
    """Shows an Arrow stream and nothing else, and only so many times: a reader of a service is read once."""

    def __init__(self, house: pl.DataFrame, times: int = 1) -> None:
        self._house, self._times = house, times

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        assert self._times, "the stream was read a second time"
        self._times -= 1
        return self._house.__arrow_c_stream__(requested_schema)


def to_pandas(house: pl.DataFrame) -> pd.DataFrame:
    """As a pandas user would have it: nullable whole numbers, and an index that is no row number."""

    def array(column: pl.Series) -> Any:
        if column.dtype.is_integer() and column.null_count():
            return pd.array(column.to_list(), dtype="UInt64" if column.dtype == pl.UInt64 else "Int64")
        if column.dtype == pl.Date:
            return pd.array(column.to_list(), dtype=object)
        return column.to_pandas().array

    index = pd.Index([7 + row // 2 for row in range(house.height)])
    return pd.DataFrame({column.name: array(column) for column in house}, index=index)


def to_arrow(house: pl.DataFrame) -> pa.Table:
    """As any library writes it: large strings and dictionaries, no Enum."""
    return house.to_arrow(compat_level=pl.CompatLevel.oldest())


def from_duckdb(relation: duckdb.DuckDBPyRelation) -> pl.DataFrame:
    """Intervals as microseconds, since Polars reads none; the rest as Polars reads it."""
    spans = [
        name for name, kind in zip(relation.columns, relation.types, strict=True) if str(kind) == "INTERVAL"
    ]
    text = ", ".join(f'epoch_ns("{n}") AS "{n}"' if n in spans else f'"{n}"' for n in relation.columns)
    return pl.DataFrame(relation.query("it", f"SELECT {text} FROM it")).with_columns(
        (pl.col(name) // 1000).cast(pl.Duration("us")) for name in spans
    )


def on(connection: duckdb.DuckDBPyConnection) -> Callable[[pl.DataFrame], duckdb.DuckDBPyRelation]:
    def make(house: pl.DataFrame) -> duckdb.DuckDBPyRelation:
        typed = house.cast({pl.Null: pl.Int32})  # which an untyped NULL is in DuckDB
        return connection.from_arrow(Stream(typed, 9)).materialize()

    return make


FLAVOURS = ("polars", "lazy", "duckdb", "pandas", "pyarrow", "reader", "stream")


@pytest.fixture(scope="session", params=FLAVOURS)
def frame(request: pytest.FixtureRequest) -> Iterator[Flavour]:
    """Every engine in turn: write a verb's test once, with ``frame(house)`` and ``frame.check(…)``."""
    with duckdb.connect() as connection:
        yield {
            "polars": Flavour("polars", lambda house: house, lambda out: out, pl.DataFrame),
            "lazy": Flavour("lazy", pl.DataFrame.lazy, pl.LazyFrame.collect, pl.LazyFrame),
            "duckdb": Flavour("duckdb", on(connection), from_duckdb, duckdb.DuckDBPyRelation),
            "pandas": Flavour("pandas", to_pandas, lambda out: pl.from_pandas(out), pd.DataFrame),
            "pyarrow": Flavour("pyarrow", to_arrow, pl.DataFrame, pa.Table),
            "reader": Flavour(
                "reader", lambda house: to_arrow(house).to_reader(), pl.DataFrame, pa.RecordBatchReader
            ),
            "stream": Flavour("stream", Stream, lambda out: out, pl.DataFrame),
        }[request.param]


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real logs beside the project; its tests carry ``@pytest.mark.shared``."""
    beside = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("CXCORE_SHARED", beside))
    if not folder.is_dir():
        pytest.skip(f"the real logs are not here: no folder {folder} (CXCORE_SHARED names another)")
    return folder


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    from tests.spark import session  # which skips where pyspark is not installed

    running = session()
    yield running
    running.stop()
