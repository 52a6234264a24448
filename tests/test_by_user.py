"""Logs sorted by user pass by (``sorted_by_user=``): the answer of memory, and only what it needs is read."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.io.plugins import register_io_source
from polars.testing import assert_frame_equal

import cxcore as cx
from cxcore import _by_user
from tests.test_session_rules import ruled_logs
from tests.test_spill import MEASURES, OPTIONS, ROLES, clicks

SORTED: dict[str, Any] = {"sorted_by_user": True}
VERBS = [cx.sessionize, cx.sessions]


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Many batches and many pieces, of logs that are small."""
    monkeypatch.setattr(_by_user, "_ROWS", 500)
    with pl.Config(streaming_chunk_size=200):
        yield


@pytest.mark.parametrize("rule", OPTIONS)
def test_users_that_pass_by_answer_as_memory_does(rule: str) -> None:
    log, options = clicks().sort("user", maintain_order=True), {**ROLES, **OPTIONS[rule]}
    rows = cx.sessionize(log.lazy(), **options, **SORTED, reason=True)
    assert_frame_equal(rows.collect(), cx.sessionize(log, **options, reason=True))
    assert rows.collect_schema() == rows.collect().schema
    table = cx.sessions(log.lazy(), **options, **MEASURES, **SORTED)
    assert_frame_equal(table.collect(), cx.sessions(log, **options, **MEASURES), check_exact=True)


@pytest.mark.parametrize("nulls_last", [True, False])
@pytest.mark.parametrize(
    "user", ["page", "shop", "campaign", "is_on", ["shop", "user"], ["campaign", "page"]], ids=str
)
def test_any_key_and_rows_without_one(user: Any, nulls_last: bool) -> None:
    log = clicks(5_000).with_columns(pl.when(pl.col("minutes") < 80).then("page"), kind=pl.lit("x"))
    log = log.sort(user, nulls_last=nulls_last, maintain_order=True)
    options: dict[str, Any] = {"user": user, "time": "time", "null_time": "null"}
    for verb in VERBS:
        assert_frame_equal(verb(log.lazy(), **options, **SORTED).collect(), verb(log, **options))


@settings(max_examples=50)
@given(case=ruled_logs(), chunk=st.integers(1, 9), rows=st.integers(0, 20))
def test_small_logs_by_any_rules(
    case: tuple[pl.DataFrame, dict[str, Any], Any], chunk: int, rows: int
) -> None:
    log, options, _ = case
    log = log.sort("user", maintain_order=True)
    options = {"user": "user", "time": "time", "time_unit": "s", **options}
    with pl.Config(streaming_chunk_size=chunk), pytest.MonkeyPatch.context() as patch:
        patch.setattr(_by_user, "_ROWS", rows)
        for verb in VERBS:
            assert_frame_equal(verb(log.lazy(), **options, **SORTED).collect(), verb(log, **options))


def watched(log: pl.DataFrame, rows: int = 100) -> tuple[pl.LazyFrame, list[tuple[list[str] | None, int]]]:
    """A source in batches that writes down which columns it was asked for, and how many rows it gave."""
    asked: list[tuple[list[str] | None, int]] = []

    def source(
        columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, _: int | None
    ) -> Iterator[pl.DataFrame]:
        for piece in log.iter_slices(rows):
            piece = piece if columns is None else piece.select(columns)
            asked.append((columns, len(piece)))
            yield piece if predicate is None else piece.filter(predicate)

    return register_io_source(source, schema=log.schema), asked


WAYS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "memory": lambda folder: {},
    "sorted": lambda folder: SORTED,
    "spilled": lambda folder: {"spill": cx.Spill(folder=folder, parts=3)},
}


@pytest.mark.parametrize("way", WAYS)
def test_only_the_columns_that_somebody_needs_are_read(way: str, tmp_path: Path) -> None:
    log = clicks(3_000).sort("user", maintain_order=True)
    options = {**ROLES, **WAYS[way](tmp_path)}

    def read(query: Callable[[pl.LazyFrame], pl.LazyFrame]) -> set[str]:
        source, asked = watched(log)
        answer = query(source)
        assert not asked, "it waits"
        answer.collect()
        assert sum(rows for _, rows in asked) == len(log), "and reads each row once"
        assert asked[0][0] is not None
        return set(asked[0][0])

    assert read(lambda lazy: cx.sessions(lazy, **options)) == {"user", "time"}
    assert read(lambda lazy: cx.sessions(lazy, **options, sum="value")) == {"user", "time", "value"}
    assert read(lambda lazy: cx.sessionize(lazy, **options).select("page", "session_id")) == {
        "user",
        "time",
        "page",
    }
    assert read(
        lambda lazy: (
            cx.sessionize(lazy, **options, split_on=pl.col("campaign") + "x").group_by("session_number").len()
        )
    ) == {"user", "time", "campaign"}

    def filtered(lazy: pl.LazyFrame) -> pl.LazyFrame:
        return cx.sessionize(lazy, **options).filter(pl.col("value") > 0).select("seq")

    assert read(filtered) == {"user", "time", "value", "seq"}
    if way == "memory":
        for summary in (
            lambda lazy: cx.nps(lazy, score="seq", by="page"),
            lambda lazy: cx.attribute(lazy, user="user", time="time", channel="page", conversion="is_on"),
        ):
            assert read(summary) < set(log.columns)


def test_a_head_ends_the_reading() -> None:
    log = clicks(20_000).sort("user", maintain_order=True)
    source, asked = watched(log)
    assert_frame_equal(
        cx.sessionize(source, **ROLES, **SORTED).head(300).collect(), cx.sessionize(log, **ROLES).head(300)
    )
    assert sum(rows for _, rows in asked) < len(log) / 2


def test_an_answer_that_is_used_twice_is_read_once() -> None:
    log = clicks(3_000)
    for options in ({}, SORTED):
        source, asked = watched(log.sort("user"))
        rows = cx.sessionize(source, **ROLES, **options)
        pl.concat([rows.select("session_id"), rows.select("session_id")]).collect()
        assert sum(rows for _, rows in asked) in (len(log), 2 * len(log))


def people(*names: str | None) -> pl.DataFrame:
    day = dt.datetime(2026, 1, 5)
    return pl.DataFrame({"user": names, "time": [day] * len(names)}, schema_overrides={"user": pl.String})


OUT_OF_ORDER = {
    "falls": (["a", "c", "c", "b"], 3),
    "comes again": (["b", "c", "d", "b"], 3),
    "falls behind nobody": (["b", None, "a"], 2),
}
#: those who come again behind rows of nobody, and the row of it
PARTED: dict[str, tuple[list[str | None], int]] = {
    "by two": (["a", "b", None, None, "b"], 4),
    "every time": ([None, "b", None, "b"], 3),
}


@pytest.mark.parametrize("chunk", [1, 2, 3, 100])
@pytest.mark.parametrize(("names", "row"), OUT_OF_ORDER.values(), ids=OUT_OF_ORDER)
def test_rows_that_are_not_sorted_are_refused_when_they_are_met(
    names: list[str | None], row: int, chunk: int
) -> None:
    with pl.Config(streaming_chunk_size=chunk), pytest.raises(cx.InvalidDataError) as caught:
        cx.sessionize(people(*names).lazy(), **ROLES, **SORTED).collect()
    assert str(caught.value) == (
        f"sessionize(user='user'): sorted_by_user=True, and the user of row {row} belongs before a user "
        "above it.\n"
        "  Hint: sort by user (ascending; text by its bytes, under no collation), or say spill='folder' "
        "instead."
    )


@pytest.mark.parametrize("chunk", [1, 2, 3, 100])
@pytest.mark.parametrize(("names", "row"), PARTED.values(), ids=PARTED)
def test_users_parted_by_rows_of_nobody_are_told_so(names: list[str | None], row: int, chunk: int) -> None:
    with pl.Config(streaming_chunk_size=chunk), pytest.raises(cx.InvalidDataError) as caught:
        cx.sessionize(people(*names).lazy(), **ROLES, **SORTED).collect()
    assert f"rows without a user part row {row} from its user's rows above." in str(caught.value)


def test_several_columns_are_sorted_one_after_the_other() -> None:
    log = pl.DataFrame({"shop": [1, 1, 2, 1], "user": ["a", "b", "a", "c"], "time": [0, 1, 2, 3]})
    options: dict[str, Any] = {"user": ["shop", "user"], "time": "time", "time_unit": "s", **SORTED}
    assert cx.sessions(log.head(3).lazy(), **options).collect()["events"].to_list() == [1, 1, 1]
    with pytest.raises(cx.InvalidDataError, match="the user of row 3"):
        cx.sessions(log.lazy(), **options).collect()


def test_what_is_wrong_with_the_data_is_said_with_the_row() -> None:
    log = people(*sorted(map(str, range(1_000)))).with_row_index("row")
    late = log.with_columns(pl.when(pl.col("row") != 990).then("time")).lazy()
    with pytest.raises(cx.InvalidDataError) as caught:
        cx.sessions(late, **ROLES, **SORTED).collect()
    first, _, note = str(caught.value).splitlines()
    piece, row = (int(text.replace(",", "")) for text in (note.split()[5], first.split()[-1].rstrip(".")))
    assert piece + row == 990
    for empty in (log.lazy().head(0), log.lazy().select("time", user=pl.struct("user"))):
        with pytest.raises(cx.InvalidDataError):
            cx.sessions(empty.with_columns(time=pl.lit("x")), **ROLES, **SORTED).collect()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"sorted_by_user": 1},
            "sessions(sorted_by_user=1): takes True or False.\n"
            "  Hint: True says that the rows come sorted by user.",
        ),
        (
            {**SORTED, "spill": "."},
            "sessions(spill='.'): stands beside sorted_by_user=True.\n"
            "  Hint: leave it out: a sorted log needs no disk.",
        ),
        (
            {**SORTED, "id": "dense"},
            "sessions(id='dense'): counts all sessions, and sorted_by_user= sees one user after the other.\n"
            "  Hint: take id='stable', or count the sessions of the answer.",
        ),
        (
            {**SORTED, "null_user": "own"},
            "sessions(null_user='own'): counts rows without a user, wherever they lie.\n"
            "  Hint: take null_user='null', or drop these rows.",
        ),
    ],
    ids=["no flag", "spill", "dense", "own"],
)
def test_what_does_not_go_with_it_is_refused_in_full(options: dict[str, Any], text: str) -> None:
    with pytest.raises(cx.InvalidOptionError) as caught:
        cx.sessions(clicks(10).lazy(), **ROLES, **options)
    assert str(caught.value) == text


def test_only_a_lazy_frame_passes_by() -> None:
    log = clicks(10)
    for events, roles in ((log, ROLES), (cx.index(log, **ROLES), {})):
        for verb in VERBS:
            with pytest.raises(cx.InvalidOptionError) as caught:
                verb(events, **roles, **SORTED)
            assert str(caught.value) == (
                f"{verb.__name__}(sorted_by_user=True): only a LazyFrame can be larger than memory.\n"
                "  Hint: pass pl.scan_parquet(…), or leave sorted_by_user= out."
            )


ABANDONED = """
import sys, numpy as np, polars as pl, cxcore as cx
n, options = 400_000, {"user": "u", "time": "t", "time_unit": "s", "sorted_by_user": True}
rng = np.random.default_rng(3)
log = pl.DataFrame({"u": np.sort(rng.integers(0, n // 40, n)), "t": rng.integers(0, 10**6, n)})
query = cx.sessionize(log.lazy(), **options)
assert query.filter(pl.col("session_number") > 1).head(5).collect().height == 5
"""


def test_a_process_ends_well_after_a_query_that_ended_early() -> None:
    """Polars has asked for the next piece by then: nothing of ours may wait for it (docs/adr/0034)."""
    for _ in range(4):
        done = subprocess.run([sys.executable, "-c", ABANDONED], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")
