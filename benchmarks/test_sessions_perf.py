"""Sessions of every row, the table of sessions, and both from one index, against Polars and DuckDB."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import data
import numpy as np
import polars as pl
import pytest
import rivals
import settings
from data import GAP_US, Log
from race import Contender, Goal, Race

import cxcore as cx
from cxcore._ext import sessions as kernels

#: size, order, ids of the skewed logs
SKEWED = [
    ("small", "random", "integer"),
    ("small", "random", "string"),
    ("small", "arrival", "integer"),
    ("small", "arrival", "string"),
    ("small", "sorted", "integer"),
    ("large", "random", "integer"),
    ("large", "random", "string"),
    ("large", "arrival", "integer"),
    ("large", "sorted", "integer"),
]
# Goals of issue 3, by order; what a textbook or another library must be beaten by stands beside.
GOALS = {
    "random": [Goal(2, "Polars, packed"), Goal(3, "DuckDB, packed")],
    "arrival": [Goal(5, "Polars, packed")],
    "sorted": [Goal(3, "Polars, presorted")],
}
LARGE = {**GOALS, "random": [Goal(2.5, "Polars, packed"), Goal(3, "DuckDB, packed")]}
TEXT = {**GOALS, "random": [Goal(2, "Polars, packed"), Goal(2, "DuckDB, packed")]}
TEXTBOOKS = [Goal(10, "Polars, textbook"), Goal(15, "DuckDB, textbook")]
ROWS = {**GOALS, "random": [*GOALS["random"], *TEXTBOOKS, Goal(25, "retentioneering")]}
TABLE = {**GOALS, "random": [*GOALS["random"], *TEXTBOOKS, Goal(1.3, "ClickHouse")]}
SLOW = "one plain sort and the textbook recipes, which the packed key beats by far on the small log already"


def _table_of(log: Log, got: pl.DataFrame) -> None:
    """``got`` has user_id, start, end, events; any order."""
    want = log.truth.table
    got = got.select(
        "user_id",
        pl.col("start").cast(pl.Datetime("us")).to_physical(),
        pl.col("end").cast(pl.Datetime("us")).to_physical(),
        pl.col("events").cast(pl.Int64),
    )
    assert got.sort("user_id", "start").equals(want), log.name


def _ids_of(log: Log, ids: np.ndarray) -> None:
    """Equal ids exactly on the rows of one session."""
    truth = log.truth
    of_session = np.empty(len(truth.table), ids.dtype)
    of_session[truth.session] = ids
    assert (of_session[truth.session] == ids).all(), log.name
    assert pl.Series(of_session).n_unique() == len(of_session), log.name


def _rows_check(log: Log, got: Any) -> None:
    _ids_of(log, np.asarray(got))


def _numbers_check(log: Log, got: np.ndarray) -> None:
    assert (np.asarray(got) == log.truth.number).all(), log.name


def _both_check(log: Log, got: tuple[Any, pl.DataFrame]) -> None:
    _rows_check(log, got[0])
    _table_of(log, got[1])


def _duckdb_table_check(log: Log, con: Any) -> None:
    _table_of(log, con.sql("SELECT * EXCLUDE (duration) FROM answer").pl())


def _clickhouse_check(log: Log, session: Any) -> None:
    got = rivals.clickhouse_answer(session)
    _table_of(log, got.with_columns(pl.col("start", "end").cast(pl.Datetime("us"))))


def _stream_check(log: Log, got: Any) -> None:
    number = np.empty(len(got), np.int64)
    number[got["row"].to_numpy()] = got["session_index"].to_numpy()
    _numbers_check(log, number)


def _ours_rows_check(log: Log, got: pl.DataFrame) -> None:
    assert got.columns[:2] == log.frame.columns
    assert got["ts"].equals(log.frame["ts"])
    _ids_of(log, got["session_id"].to_numpy())
    _numbers_check(log, got["session_number"].to_numpy())


def _ours_both_check(log: Log, got: tuple[pl.DataFrame, pl.DataFrame]) -> None:
    _ours_rows_check(log, got[0])
    _table_of(log, got[1])
    ids = [frame["session_id"].unique().sort() for frame in got]
    assert ids[0].equals(ids[1]), log.name


def _contenders(task: str, log: Log, check: Callable[[Log, Any], None]) -> list[Contender]:
    """The recipes of ``rivals.py`` for a task: the fastest of each tool, on small logs the others too."""
    checked = partial(check, log)
    frame, con = log.frame, log.duck

    def polars(recipe: str, words: str) -> Contender:
        run = getattr(rivals, f"polars_{recipe}_{task}")
        return Contender(f"Polars, {words}", partial(run, frame), checked)

    pack = getattr(rivals, f"duckdb_pack_{task}")
    found = [
        polars("pack", "packed key"),
        Contender("DuckDB, packed key", partial(pack, con, frame), checked),
    ]
    if "sorted" in log.name:
        found.append(polars("presorted", "presorted, vector operations"))
    if len(frame) > 2_000_000:
        return found
    found.append(polars("sort", "one sort"))
    if task == "table" and "random" in log.name:
        run = partial(rivals.clickhouse_split_table, rivals.clickhouse(frame))
        found.append(Contender("ClickHouse, arraySplit", run, partial(_clickhouse_check, log)))
    if task != "both" and settings.FULL:
        found.append(polars("textbook", "textbook"))
        textbook = getattr(rivals, f"duckdb_textbook_{task}")
        check = {"rows": _numbers_check, "table": _duckdb_table_check}[task]
        found.append(Contender("DuckDB, textbook", partial(textbook, con), partial(check, log)))
    if task == "rows" and "random" in log.name and settings.FULL:
        run = partial(rivals.retentioneering_rows, rivals.eventstream(frame))
        found.append(Contender("retentioneering", run, partial(_stream_check, log)))
    return found


def _race_rows(race: Race, log: Log, group: str, goals: list[Goal]) -> None:
    index = _index(log)
    check = partial(_ours_rows_check, log)
    race(
        f"sessions/rows/{group}",
        words=log.words,
        rows=len(log.frame),
        verb=Contender(
            "cxcore", lambda: cx.sessionize(log.frame, user="user_id", time="ts", gap="30m"), check
        ),
        parts=[Contender("cxcore, index given", lambda: cx.sessionize(index, gap="30m"), check)],
        rivals=_contenders("rows", log, _rows_check),
        left_out="" if len(log.frame) <= 2_000_000 else SLOW,
        goals=goals,
    )


def _race_table(race: Race, log: Log, group: str, goals: list[Goal]) -> None:
    index = _index(log)
    check = partial(_table_of, log)
    race(
        f"sessions/table/{group}",
        words=log.words,
        rows=len(log.frame),
        verb=Contender("cxcore", lambda: cx.sessions(log.frame, user="user_id", time="ts", gap="30m"), check),
        parts=[Contender("cxcore, index given", lambda: cx.sessions(index, gap="30m"), check)],
        rivals=_contenders("table", log, _table_of),
        left_out="" if len(log.frame) <= 2_000_000 else SLOW,
        goals=goals,
    )


def _race_both(race: Race, log: Log, group: str, goals: list[Goal]) -> None:
    def ours() -> tuple[pl.DataFrame, pl.DataFrame]:
        index = _index(log)
        return cx.sessionize(index, gap="30m"), cx.sessions(index, gap="30m")

    check = partial(_ours_both_check, log)
    parts = [
        Contender("cxcore, index alone", partial(_index, log), lambda index: None),
        Contender("kernel, scan of the index", partial(_scan, _index(log)), partial(_scan_check, log)),
    ]
    race(
        f"sessions/both/{group}",
        words=log.words,
        rows=len(log.frame),
        verb=Contender("cxcore", ours, check),
        parts=parts,
        rivals=_contenders("both", log, _both_check),
        left_out=SLOW if len(log.frame) > 2_000_000 else "",
        goals=goals,
    )


def _index(log: Log) -> cx.EventIndex:
    return cx.index(log.frame, user="user_id", time="ts")


def _scan(index: cx.EventIndex) -> tuple[np.ndarray, np.ndarray]:
    """The kernel alone: sessions of each user, and where each session begins."""
    return kernels.find_sessions(index.offset, index.tick, GAP_US, -1, settings.THREADS)


def _scan_check(log: Log, got: tuple[np.ndarray, np.ndarray]) -> None:
    assert len(got[1]) == len(log.truth.table) + 1, log.name
    assert (np.sort(np.diff(got[1])) == np.sort(log.truth.table["events"].to_numpy())).all(), log.name


@pytest.mark.parametrize("case", SKEWED, ids="-".join)
def test_skewed_both(race: Race, case: tuple[str, str, str]) -> None:
    size, order, ids = case
    log = data.skewed(size, order, ids)
    goals = TEXT if ids == "string" else LARGE if size == "large" else GOALS
    _race_both(race, log, f"skewed/{order}/{ids}/{size}", goals[order])


@pytest.mark.parametrize("task", [_race_rows, _race_table], ids=["rows", "table"])
@pytest.mark.parametrize("order", ["random", "arrival", "sorted"])
def test_skewed(race: Race, order: str, task: Callable[..., None]) -> None:
    goals = ROWS if task is _race_rows else TABLE
    task(race, data.skewed("small", order, "integer"), f"skewed/{order}/integer/small", goals[order])


@pytest.mark.parametrize("order", ["random", "arrival"])
def test_complete_journey(race: Race, order: str) -> None:
    log = data.complete_journey("large", order)
    _race_both(race, log, f"complete_journey/{order}/integer/large", LARGE[order])


@pytest.mark.shared
@pytest.mark.skipif(not settings.SHARED.is_dir(), reason=f"the readers' log is not at {settings.SHARED}")
def test_readers(race: Race) -> None:
    log = data.readers("large")
    _race_both(race, log, "readers/arrival/string/large", GOALS["arrival"])


@pytest.mark.parametrize("verb", ["sessionize", "sessions", "index-and-both"])
def test_memory(memory: Callable[..., None], verb: str) -> None:
    log = data.skewed("large", "random", "integer")
    memory(verb, log.frame, words=log.words)
