"""sessionize() and sessions(): the gap rule, ids, null policies; kernels against their twins."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import cxcore as cx
from cxcore._ext import sessions as kernels
from tests import strategies
from tests.conftest import Flavour
from tests.reference import keys as keys_twin
from tests.reference import sessions as twin

NOON = dt.datetime(2026, 1, 5, 12)
NANOSECONDS = {"ms": 10**6, "us": 10**3, "ns": 1}


def log(*events: tuple[Any, float], **schema: Any) -> pl.DataFrame:
    """(user, minutes after noon) in rows."""
    return pl.DataFrame(
        {"user": [who for who, _ in events], "time": [NOON + dt.timedelta(minutes=m) for _, m in events]},
        schema_overrides=schema,
    )


def numbers(frame: Any, **options: Any) -> list[int | None]:
    return cx.sessionize(frame, user="user", time="time", **options)["session_number"].to_list()


# ------------------------------------------------------------------ the rule


def test_a_silence_longer_than_the_gap_splits() -> None:
    events = log(("a", 0), ("a", 30), ("a", 60.5), ("b", 60), ("a", 91))
    assert numbers(events, gap="30m") == [1, 1, 2, 1, 3]


def test_a_silence_of_exactly_the_gap_splits_when_closed_left() -> None:
    events = log(("a", 0), ("a", 30), ("a", 59))
    assert numbers(events, gap="30m", gap_closed="right") == [1, 1, 1]
    assert numbers(events, gap="30m", gap_closed="left") == [1, 2, 2]


@pytest.mark.parametrize(("closed", "expected"), [("right", [1, 1, 2]), ("left", [1, 1, 2])])
def test_a_gap_finer_than_the_unit_is_exact(closed: Any, expected: list[int]) -> None:
    seconds = pl.DataFrame({"user": ["a"] * 3, "time": [0, 1800, 3601]})  # silences 1800 and 1801 s
    assert numbers(seconds, gap="1800.5s", gap_closed=closed, time_unit="s") == expected


@pytest.mark.parametrize("gap", ["30m", "0.5h", "1800s", "1800000ms", dt.timedelta(minutes=30)])
def test_a_gap_is_the_same_however_it_is_written(gap: Any) -> None:
    assert numbers(log(("a", 0), ("a", 30), ("a", 61)), gap=gap) == [1, 1, 2]


def test_dates_are_days() -> None:
    days = pl.DataFrame({"user": ["a"] * 3, "time": [dt.date(2026, 1, d) for d in (1, 2, 4)]})
    table = cx.sessions(days, user="user", time="time", gap="1d")
    assert table["events"].to_list() == [2, 1]
    assert table.schema["start"] == pl.Date
    assert table["duration"].to_list() == [dt.timedelta(days=1), dt.timedelta(0)]


def test_ends_of_time_do_not_overflow() -> None:
    far = pl.Series("time", [-(2**63), 2**63 - 1, 0], dtype=pl.Int64)
    events = pl.DataFrame({"user": [1, 1, 1], "time": far})
    assert numbers(events, gap="9999w", time_unit="us") == [1, 3, 2]
    assert numbers(events, gap="99999999w", time_unit="us") == [1, 1, 1]  # longer than any silence
    for closed in ("right", "left"):
        assert numbers(events, gap="99999999w", gap_closed=closed, time_unit="ns") == [1, 1, 1]
    dates = pl.DataFrame({"user": [1, 1], "time": [dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31)]})
    assert numbers(dates) == [1, 2]


def test_the_table_holds_first_and_last_event() -> None:
    table = cx.sessions(log(("b", 5), ("a", 0), ("b", 20), ("b", 90)), user="user", time="time")
    start = [NOON + dt.timedelta(minutes=m) for m in (5, 90, 0)]
    assert table.drop("session_id").to_dict(as_series=False) == {
        "user": ["b", "b", "a"],
        "session_number": [1, 2, 1],
        "start": start,
        "end": [NOON + dt.timedelta(minutes=20), *start[1:]],
        "duration": [dt.timedelta(minutes=15), dt.timedelta(0), dt.timedelta(0)],
        "events": [2, 1, 1],
        "session_reason": ["first", "gap", "first"],
    }


# ------------------------------------------------------------------ nulls


def test_rows_without_a_user_never_merge() -> None:
    events = log((None, 0), ("a", 0), (None, 1), (None, 1))
    assert numbers(events) == [None, 1, None, None]
    own = cx.sessionize(events, user="user", time="time", null_user="own")
    assert own["session_number"].to_list() == [1, 1, 1, 1]
    assert own["session_id"].n_unique() == 4
    table = cx.sessions(events, user="user", time="time", null_user="own")
    assert table["user"].to_list() == ["a", None, None, None]
    assert cx.sessions(events, user="user", time="time").height == 1


def test_rows_that_count_on_their_own_follow_the_order_column() -> None:
    """Ids of sessions in one microsecond are numbered; by the order column where there is one."""
    events = log(*[(who, 0) for who in ("a", None, None, "a", None)]).with_columns(order=pl.Series(range(5)))
    roles: dict[str, Any] = {"user": "user", "time": "time", "order": "order", "null_user": "own"}
    by_row = cx.sessionize(events, **roles)
    assert_frame_equal(cx.sessionize(events.reverse(), **roles).reverse(), by_row)
    assert_frame_equal(cx.sessionize(cx.index(events.reverse(), **roles)).reverse(), by_row)


def test_rows_without_a_user_can_be_refused() -> None:
    with pytest.raises(cx.InvalidDataError) as error:
        numbers(log(("a", 0), (None, 1)), null_user="error")
    assert str(error.value) == (
        "sessionize(user='user'): 1 of 2 rows have no user; the first is row 1.\n"
        "  Hint: drop them, or say null_user='null' or 'own'."
    )


def test_rows_without_a_time_are_refused_or_left_out() -> None:
    events = log(("a", 0), ("a", 5), ("b", 1)).with_columns(
        pl.when(pl.int_range(pl.len()) == 1).then(None).otherwise("time").alias("time")
    )
    with pytest.raises(cx.InvalidDataError) as error:
        numbers(events)
    assert str(error.value) == (
        "sessionize(time='time'): 1 of 3 rows have no time; the first is row 1.\n"
        "  Hint: drop them, or say null_time='null'; verbs without it take an index that has it."
    )
    assert numbers(events, null_time="null") == [1, None, 1]
    assert cx.sessions(events, user="user", time="time", null_time="null")["events"].to_list() == [1, 1]


# ------------------------------------------------------------------ ids


def test_an_id_is_the_published_hash_of_its_parts() -> None:
    micros = int(NOON.replace(tzinfo=dt.UTC).timestamp()) * 10**6
    data = b"ann" + micros.to_bytes(8, "little") + (0).to_bytes(8, "little")
    row = cx.sessionize(log(("ann", 0)), user="user", time="time")
    assert row["session_id"].item() == twin.xxh64(data) % 2**63


@pytest.mark.parametrize("dtype", [pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt32, pl.UInt64])
def test_an_id_does_not_depend_on_the_width_of_the_key(dtype: Any) -> None:
    wide, narrow = log((5, 0), (7, 0)), log((5, 0), (7, 0), user=dtype)
    assert ids(wide) == ids(narrow)


@pytest.mark.parametrize("dtype", [pl.Categorical(), pl.Enum(["b", "a"])])
def test_an_id_does_not_depend_on_how_text_is_held(dtype: Any) -> None:
    text = log(("a", 0), ("b", 0))
    assert ids(text) == ids(text.with_columns(pl.col("user").cast(dtype)))


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_an_id_does_not_depend_on_unit_or_zone(unit: Any) -> None:
    events = log(("a", 0), ("a", 90))
    other = events.with_columns(pl.col("time").cast(pl.Datetime(unit)))
    zoned = other.with_columns(pl.col("time").dt.replace_time_zone("UTC").dt.convert_time_zone("Asia/Tokyo"))
    assert ids(events) == ids(other) == ids(zoned)


def test_sessions_in_one_microsecond_have_ids_of_their_own() -> None:
    nanos = pl.DataFrame({"user": ["a"] * 3, "time": pl.Series([0, 400, 800]).cast(pl.Datetime("ns"))})
    assert len(set(ids(nanos, gap="100ns"))) == 3


def test_sessions_whose_microsecond_does_not_fit_have_ids_of_their_own() -> None:
    far = [-(2**63), -5, 0, 5, 2**58]  # in microseconds, three of these are 0 modulo 2**64
    events = pl.DataFrame({"user": ["a"] * len(far), "time": far})
    expected_ids = twin.session_ids(twin.sessionize(["a"] * len(far), far, 1), {"a": b"a"}, 10**9)
    assert ids(events, gap="1s", time_unit="s") == expected_ids
    assert len(set(expected_ids)) == len(far)


def test_ids_of_keys_of_every_length() -> None:
    """What is hashed of a key once, and what with each session, depends on its length."""
    users = [("customer " * 10)[:length] for length in range(75) for _ in range(3)]
    at = list(range(-300, 375, 3))
    events = pl.DataFrame({"user": users, "time": at})
    found = twin.sessionize(users, at, 1)
    keys: dict[object, bytes] = {user: user.encode() for user in users}
    assert ids(events, gap="1s", time_unit="s") == twin.session_ids(found, keys, 10**9)


def test_later_events_leave_earlier_ids_alone() -> None:
    before, after = log(("a", 0), ("a", 90)), log(("a", 0), ("a", 90), ("a", 100), ("b", 0), ("a", 300))
    assert ids(after)[:2] == ids(before)


def ids(frame: pl.DataFrame, **options: Any) -> list[int]:
    return cx.sessionize(frame, user="user", time="time", **options)["session_id"].to_list()


def test_a_composite_key_is_its_parts() -> None:
    events = pl.DataFrame(
        {"shop": ["a", "ab", "a", None], "who": ["bc", "c", "bc", "x"], "time": [NOON] * 4, "n": range(4)}
    )
    rows = cx.sessionize(events, user=["shop", "who"], time="time")
    first, second, third, none = rows["session_id"].to_list()
    assert first == third != second
    assert none is None
    table = cx.sessions(events, user=["shop", "who"], time="time")
    assert table.select("shop", "who", "events").rows() == [("a", "bc", 2), ("ab", "c", 1)]


@pytest.mark.parametrize("size", [0, 1, 3, 4, 7, 8, 31, 32, 33, 63, 64, 200])
def test_xxh64_is_the_published_one(size: int) -> None:
    data = bytes((7 * k) % 256 for k in range(size))
    assert kernels.xxh64(np.frombuffer(data, np.uint8)) == twin.xxh64(data)


def test_xxh64_gives_the_published_vector_of_nothing() -> None:
    assert kernels.xxh64(np.empty(0, np.uint8)) == 0xEF46DB3751D8E999


# ------------------------------------------------------------------ every engine


def test_every_engine_gives_the_same(frame: Flavour) -> None:
    events = log(("b", 5), ("a", 0), (None, 3), ("b", 50), ("a", 20)).with_columns(note=pl.lit("x"))
    rows = cx.sessionize(frame(events), user="user", time="time")
    frame.check(rows, cx.sessionize(events, user="user", time="time"))
    table = cx.sessions(frame(events), user="user", time="time")
    frame.check(table, cx.sessions(events, user="user", time="time"))


def test_every_engine_can_be_indexed(frame: Flavour) -> None:
    events = log(("b", 5), ("a", 0), (None, 3), ("b", 50), ("a", 20))
    index = cx.index(frame(events), user="user", time="time")
    frame.check(cx.sessionize(index), cx.sessionize(events, user="user", time="time"))
    frame.check(cx.sessions(index), cx.sessions(events, user="user", time="time"))


@pytest.mark.parametrize("rows", [0, 1])
def test_no_row_and_one_row(frame: Flavour, rows: int) -> None:
    events = log(("a", 0)).head(rows)
    frame.check(
        cx.sessionize(frame(events), user="user", time="time"),
        events.with_columns(
            session_id=pl.Series(ids(events), dtype=pl.Int64), session_number=pl.lit(1, pl.Int64)
        ),
    )
    assert frame.collect(cx.sessions(frame(events), user="user", time="time")).height == rows


def test_a_lazy_frame_waits_and_knows_its_schema() -> None:
    bad = log(("a", 0)).with_columns(time=pl.lit(None, pl.Datetime("us"))).lazy()
    waiting = cx.sessionize(bad, user="user", time="time")
    assert waiting.collect_schema().names() == ["user", "time", "session_id", "session_number"]
    with pytest.raises(cx.InvalidDataError, match="1 of 1 rows have no time"):
        waiting.collect()
    good = log(("a", 0), ("a", 90), ("b", 0))
    lazy = cx.sessionize(good.lazy(), user="user", time="time").filter(pl.col("user") == "a").select(pl.len())
    assert lazy.collect().item() == 2


def test_the_log_is_not_changed() -> None:
    events = log(("b", 5), ("a", 0))
    before = events.clone()
    cx.sessionize(events, user="user", time="time")
    assert_frame_equal(events, before)
    assert events.columns == ["user", "time"]


# ------------------------------------------------------------------ against the twins


def expected(events: pl.DataFrame, gap: int, **options: Any) -> tuple[list[twin.Session], list[int]]:
    unit = events.schema["time"]
    assert isinstance(unit, pl.Datetime)
    time = events["time"].to_physical().to_list()
    users = events["user"].to_list()
    found = twin.sessionize(users, time, gap, **options)
    key = {user: keys_twin.canonical(user) for user in users if user is not None}
    return found, twin.session_ids(found, key, NANOSECONDS[unit.time_unit])


@given(
    events=strategies.event_logs(),
    gap=st.sampled_from((1, 7, 60)),
    closed=st.sampled_from(("right", "left")),
    null_user=st.sampled_from(("null", "own")),
    n_threads=strategies.threads,
)
def test_verbs_and_twin_agree(
    events: pl.DataFrame, gap: int, closed: Any, null_user: Any, n_threads: int
) -> None:
    unit = events.schema["time"]
    assert isinstance(unit, pl.Datetime)
    ticks = gap * 60 * 10**9 // NANOSECONDS[unit.time_unit]
    found, session_ids = expected(events, ticks, closed=closed, null_user=null_user)
    options: dict[str, Any] = {"gap": f"{gap}m", "gap_closed": closed, "n_threads": n_threads}
    roles: dict[str, Any] = {"user": "user", "time": "time", "null_user": null_user}

    for source, given_roles in ((events, roles), (cx.index(events, **roles), {})):
        rows = cx.sessionize(source, **given_roles, **options)
        names = twin.name_rows(found, session_ids, events.height)
        assert (rows["session_id"].to_list(), rows["session_number"].to_list()) == names
        table = cx.sessions(source, **given_roles, **options)
        assert table["user"].to_list() == [s.user for s in found]
        assert table["session_id"].to_list() == session_ids
        assert table["start"].to_physical().to_list() == [s.start for s in found]
        assert table["end"].to_physical().to_list() == [s.end for s in found]
        assert table["events"].to_list() == [s.events for s in found]


def arrivals_agree(code: list[int], tick: list[int], gap: int, n_threads: int) -> None:
    """The kernel of arrivals and the twin give one answer; users are 0 to 4."""
    n, label, array = len(code), np.empty(len(code), np.int32), np.array(code, np.int32)
    offset, start, end, events, session = kernels.sessionize_arrival(
        array, np.array(tick, np.int64), 5, gap, -1, n_threads, label
    )
    found = twin.sessionize([c if c >= 0 else None for c in code], tick, gap)
    found.sort(key=lambda s: (s.user, s.number))
    assert offset.tolist() == twin.find_sessions(found, range(5))[0]
    assert [session[of] if of >= 0 else -1 for of in label] == twin.label_rows(found, n)
    assert [(s.start, s.end, s.events) for s in found] == list(zip(start, end, events, strict=True))


@given(data=st.data(), n_threads=strategies.threads, gap=st.integers(1, 30))
def test_arrival_order_with_disorder_agrees(data: st.DataObject, n_threads: int, gap: int) -> None:
    """Small and large disorder, asked of the kernel: late events join, extend, bridge, stand alone."""
    n = data.draw(st.integers(1, 60))
    code = data.draw(st.lists(st.integers(-1, 4), min_size=n, max_size=n))
    late = data.draw(st.lists(st.sampled_from((0, 0, 0, 3, 20, 60)), min_size=n, max_size=n))
    step = data.draw(st.sampled_from((3, 12)))
    arrivals_agree(code, [step * i - late[i] for i in range(n)], gap, n_threads)


@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("back", [3, 31, 32, 33, 49, 60])
def test_an_event_late_by_many_sessions_agrees(back: int, n_threads: int) -> None:
    """The kernel looks 32 sessions back; a user with an event later than that is done again, as a log."""
    code, tick = [0, 1] * 50, [at * 100 for at in range(50) for _ in range(2)]
    for at in (4_900 - 100 * back, 4_950 - 100 * back, 4_895 - 100 * back, 4_880):
        code, tick = [*code, 0, 2], [*tick, at, at]
    # enough rows for several threads
    n, last = 70_000, max(tick)
    code, tick = code + [3, 4] * n, tick + [last + i // 50 for i in range(2 * n)]
    arrivals_agree(code, tick, 10, n_threads)


@given(data=st.data(), n_threads=strategies.threads)
def test_any_order_agrees(data: st.DataObject, n_threads: int) -> None:
    """Slots that are empty, narrow and wide; far ticks; a user whose every event is a session."""
    n = data.draw(st.integers(0, 80))
    gap = data.draw(st.sampled_from((0, 1, 3, 50, 2**40, 2**63, 2**64 - 1)))
    near, far = st.integers(-40, 40), st.integers(-(2**63), 2**63 - 1)
    bursts = st.builds(lambda day, at: day * 10_000 + at, st.integers(0, 3), near)
    kind = bursts if data.draw(st.booleans()) else near | bursts | far
    tick = data.draw(st.lists(kind, min_size=n, max_size=n))
    own = data.draw(st.sampled_from((-1, 0, 2)))
    code = data.draw(st.lists(st.integers(0 if own >= 0 else -1, 2), min_size=n, max_size=n))
    users = [None if c in (-1, own) else c for c in code]
    found = twin.sessionize(users, tick, gap, null_user="null" if own < 0 else "own")
    found.sort(key=lambda s: own if s.user is None else s.user)

    array, ticks = np.array(code, np.int32), np.array(tick, np.int64)
    offset = np.concatenate(([0], np.cumsum(np.bincount(array[array >= 0], minlength=3)))).astype(np.int64)
    label, none = np.empty(n, np.int32), np.empty(0, np.int32)
    room = np.empty(n, np.int64), np.empty(n, np.int32)
    got = kernels.sessionize_slots(array, ticks, offset, gap, own, n_threads, *room, label)
    for names in (none, label):
        again = kernels.sessionize_slots(array, ticks, offset, gap, own, n_threads, *room, names)
        assert all(np.array_equal(a, b) for a, b in zip(got, again, strict=True))
    assert got[0].tolist() == twin.find_sessions(found, [None if u == own else u for u in range(3)])[0]
    assert [(s.start, s.end, s.events) for s in found] == list(zip(*got[1:], strict=True))
    assert label.tolist() == twin.label_rows(found, n)


def test_a_user_without_events_lends_no_slot_to_the_next() -> None:
    """Every event of user 0 would be a session; there is none, and user 1 has one session."""
    label, room = np.empty(2, np.int32), (np.empty(2, np.int64), np.empty(2, np.int32))
    offset, *_, events = kernels.sessionize_slots(
        np.array([1, 1], np.int32), np.array([5, 0]), np.array([0, 0, 2]), 10, 0, 1, *room, label
    )
    assert (offset.tolist(), events.tolist(), label.tolist()) == ([0, 0, 1], [2], [0, 0])


@pytest.mark.parametrize("n_threads", [1, 3])
def test_a_user_with_one_far_date_is_one_wide_slot(n_threads: int) -> None:
    """200,000 events in one slot, because one of them lies in year 9999: they are sorted in it."""
    n = 200_000
    rng = np.random.default_rng(2)
    tick = rng.integers(0, 10**9, n)
    tick[n // 2] = 2**61
    code = rng.integers(0, 2, n).astype(np.int32)
    offset = np.concatenate(([0], np.cumsum(np.bincount(code)))).astype(np.int64)
    label, room, gap = np.empty(n, np.int32), (np.empty(n, np.int64), np.empty(n, np.int32)), 20_000
    session_offset, start, end, events = kernels.sessionize_slots(
        code, tick, offset, gap, -1, n_threads, *room, label
    )
    row = np.lexsort((tick, code))
    new = np.r_[True, (np.diff(tick[row]) > gap) | (np.diff(code[row]) != 0)]
    assert np.array_equal(label[row], np.cumsum(new) - 1)
    assert np.array_equal(start, tick[row][new])
    assert np.array_equal(end, tick[row][np.r_[np.flatnonzero(new)[1:] - 1, n - 1]])
    assert np.array_equal(events, np.diff(np.r_[np.flatnonzero(new), n]))
    assert session_offset.tolist() == [0, code[row][new].tolist().count(0), len(start)]


@given(data=st.data(), n_threads=strategies.threads, gap=st.integers(1, 30))
def test_a_scan_of_the_index_agrees(data: st.DataObject, n_threads: int, gap: int) -> None:
    """Words of 64 events: none, some, whole ones; a user whose every event is a session."""
    n = data.draw(st.integers(0, 60) | st.sampled_from((63, 64, 65, 128, 129, 200)))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    code = np.sort(rng.integers(0, 4, n)).tolist()
    tick = rng.integers(-50, 50, n) * data.draw(st.sampled_from((1, 2**57)))
    tick = [t for _, t in sorted(zip(code, tick.tolist(), strict=True))]
    own = data.draw(st.sampled_from((-1, 0, 3)))
    users = [None if c == own else c for c in code]
    found = twin.sessionize(users, tick, gap, null_user="own")
    found.sort(key=lambda s: own if s.user is None else s.user)
    offset = np.searchsorted(code, np.arange(5)).astype(np.int64)
    session_offset, begin = kernels.find_sessions(offset, np.array(tick, np.int64), gap, own, n_threads)
    assert (session_offset.tolist(), begin.tolist()) == twin.find_sessions(
        found, [None if u == own else u for u in range(4)]
    )
    start, end, events = (np.empty(len(found), np.int64) for _ in range(3))
    kernels.edges(begin, np.array(tick, np.int64), n_threads, start, end, events)
    assert (start.tolist(), end.tolist(), events.tolist()) == twin.edges(found)
    row = np.arange(n, dtype=np.int64)[::-1].copy()  # the log lies in the opposite order
    label = np.empty(n, np.int32)
    kernels.label_rows(begin, row, n_threads, label)
    assert label[::-1].tolist() == twin.label_rows(found, n)
    name = np.array([(s.start, s.number) for s in found], np.int64).reshape(-1, 2)
    want = twin.name_rows(found, name[:, 0].tolist(), n)
    for kernel, by in ((kernels.name_rows, label[::-1].copy()), (kernels.name_runs, begin)):
        named = np.empty(n, np.int64), np.empty(n, np.int64)
        kernel(by, name, n_threads, *named)
        assert (named[0].tolist(), named[1].tolist()) == want


@given(data=st.data(), n_threads=strategies.threads)
def test_the_index_agrees(data: st.DataObject, n_threads: int) -> None:
    n = data.draw(st.integers(0, 80))
    code = data.draw(st.lists(st.integers(-1, 3), min_size=n, max_size=n))
    tick = data.draw(st.lists(st.integers(-3, 3) | st.integers(-(2**63), 2**63 - 1), min_size=n, max_size=n))
    tie = data.draw(st.just([]) | st.lists(st.integers(0, 2), min_size=n, max_size=n))
    arrays = np.array(code, np.int32), np.array(tick, np.int64), np.array(tie, np.int64)
    order = twin.sort_events(code, tick, tie)
    row, sorted_tick = np.empty(len(order), np.int64), np.empty(len(order), np.int64)
    offset = np.concatenate(([0], np.cumsum(np.bincount(arrays[0][arrays[0] >= 0], minlength=4)))).astype(
        np.int64
    )
    kernels.sort_events(*arrays, offset, n_threads, row, sorted_tick)
    assert row.tolist() == order
    assert sorted_tick.tolist() == [tick[r] for r in order]


@given(data=st.data(), n_threads=strategies.threads)
def test_the_index_of_arrivals_agrees(data: st.DataObject, n_threads: int) -> None:
    """Mostly rising, so that rows go straight to their places: late ones move back, ties keep their order."""
    n = data.draw(st.integers(1, 60))
    code = data.draw(st.lists(st.integers(-1, 3), min_size=n, max_size=n))
    late = data.draw(st.lists(st.sampled_from((0, 0, 0, 0, 3, 6, 60)), min_size=n, max_size=n))
    tick = [3 * i - late[i] for i in range(n)]
    tie = data.draw(st.just([]) | st.lists(st.integers(0, 2), min_size=n, max_size=n))
    order = twin.sort_events(code, tick, tie)
    array = np.array(code, np.int32)
    count = np.bincount(array[array >= 0], minlength=4)
    row, sorted_tick = np.empty(len(order), np.int64), np.empty(len(order), np.int64)
    offset = np.concatenate(([0], np.cumsum(count))).astype(np.int64)
    log = array, np.array(tick, np.int64), np.array(tie, np.int64)
    kernels.sort_events(*log, offset, n_threads, row, sorted_tick)
    assert row.tolist() == order
    assert sorted_tick.tolist() == [tick[r] for r in order]


@pytest.mark.parametrize("n_threads", [1, 2, 5])
@pytest.mark.parametrize("order", ["late", "halves", "falling"])
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("least", [-1, 0])
def test_an_index_of_many_arrivals(order: str, tied: bool, least: int, n_threads: int) -> None:
    """Late by a little; risen halves in the wrong order, which no sample shows and many moves do; falling.
    With rows that are left out, and without."""
    rng, n, n_users = np.random.default_rng(8), 400_000, 5_000
    code = np.where(rng.random(n) < 0.2, 7, rng.integers(least, n_users, n)).astype(np.int32)
    tick = np.arange(n) // 4 - np.where(rng.random(n) < 0.05, rng.integers(0, 2_000, n), 0)
    if order != "late":
        tick = np.roll(tick, n // 2) if order == "halves" else tick[::-1].copy()
    tie = rng.integers(0, 3, n) if tied else np.empty(0, np.int64)
    kept = np.flatnonzero(code >= 0)
    want = kept[np.lexsort((tie[kept], tick[kept], code[kept]) if tied else (tick[kept], code[kept]))]
    offset = np.concatenate(([0], np.cumsum(np.bincount(code[kept], minlength=n_users)))).astype(np.int64)
    row, sorted_tick = np.empty(len(want), np.int64), np.empty(len(want), np.int64)
    kernels.sort_events(code, tick, tie, offset, n_threads, row, sorted_tick)
    assert (row == want).all()
    assert (sorted_tick == tick[want]).all()


@given(
    code=st.lists(st.integers(0, 3), max_size=12).map(lambda c: [list(dict.fromkeys(c)).index(x) for x in c]),
    data=st.data(),
)
def test_is_indexed_agrees(code: list[int], data: st.DataObject) -> None:
    times = st.integers(0, 2) | st.sampled_from([-(2**63), -(2**62), 2**62, 2**63 - 1])
    tick = data.draw(st.lists(times, min_size=len(code), max_size=len(code)))
    tie = data.draw(st.just([]) | st.lists(st.integers(0, 2), min_size=len(code), max_size=len(code)))
    arrays = np.array(code, np.int32), np.array(tick, np.int64), np.array(tie, np.int64)
    assert kernels.is_indexed(*arrays) == twin.is_indexed(code, tick, tie)
    code.sort()
    offset = np.concatenate(([0], np.cumsum(np.bincount(code, minlength=0)))).astype(np.int64)
    assert kernels.is_in_time(offset, *arrays[1:]) == twin.is_in_time(code, tick, tie)


def test_arrives_in_order_agrees() -> None:
    rng = np.random.default_rng(3)
    ordered = np.arange(4000, dtype=np.int64) * 10
    for tick in (ordered, ordered - rng.integers(0, 90, 4000), rng.permutation(ordered)):
        assert kernels.arrives_in_order(tick, 100) == twin.arrives_in_order(tick.tolist(), 100)


# ------------------------------------------------------------------ large users, many users, any order


@pytest.mark.parametrize("n_threads", [1, 2, 5])
@pytest.mark.parametrize("order", ["random", "arrival", "sorted"])
def test_planted_sessions_are_found_in_any_order(order: Any, n_threads: int) -> None:
    """300,000 events: buckets, radix sorts, a user with an eighth of the rows; the truth is planted."""
    planted = cx.datasets.clickstream(300_000, rng=11, order=order)
    rows = cx.sessionize(planted.frame, user="user_id", time="ts", n_threads=n_threads)
    assert rows["session_number"].equals(planted.frame["true_session_number"])
    through_index = cx.sessionize(cx.index(planted.frame, user="user_id", time="ts", n_threads=n_threads))
    assert through_index["session_id"].equals(rows["session_id"])


@pytest.mark.parametrize("n_threads", [1, 2, 3, 5])
def test_many_rows_are_cut_for_threads_and_some_have_no_user(n_threads: int) -> None:
    """Parts of the rows go to buckets from the front, from the back and between; every ninth is left out."""
    rng, n, n_users, gap = np.random.default_rng(4), 400_000, 3_000, 50
    user = np.where(rng.random(n) < 0.2, 7, rng.integers(0, n_users, n))
    ts, absent = rng.integers(0, 40_000, n), rng.random(n) < 1 / 9
    log = pl.DataFrame({"user_id": user, "ts": ts}).with_columns(
        user_id=pl.when(~pl.Series(absent)).then("user_id")
    )
    rows = cx.sessionize(log, user="user_id", time="ts", time_unit="s", gap=f"{gap}s", n_threads=n_threads)
    order = np.lexsort((ts, user))
    order = order[~absent[order]]
    begins = np.diff(user[order], prepend=-1) != 0
    splits = begins | (np.diff(ts[order], prepend=0) > gap)
    within = np.cumsum(splits) - np.maximum.accumulate(np.where(begins, np.cumsum(splits) - 1, 0))
    number = np.zeros(n, np.int64)
    number[order] = within
    assert (rows["session_number"].fill_null(0).to_numpy() == number).all()
    assert (rows["session_id"].is_null().to_numpy() == absent).all()


def test_row_order_and_threads_change_nothing() -> None:
    events = cx.datasets.clickstream(200_000, rng=5, order="random").frame.with_row_index("row")
    first = cx.sessionize(events, user="user_id", time="ts", n_threads=1)
    other = cx.sessionize(events.sort("ts"), user="user_id", time="ts", n_threads=3).sort("row")
    assert_frame_equal(first, other)


# ------------------------------------------------------------------ real logs


@pytest.mark.shared
def test_the_readers_log(shared: Path) -> None:
    readers = pl.read_parquet(shared / "data/wiki_readers_2014/wiki_readers_2014.parquet")
    assert cx.sessions(readers, user="user_id", time="ts", gap="30m").height == 22_224
    assert cx.sessions(readers, user="user_id", time="ts", gap="30m", gap_closed="left").height == 22_226
    shuffled = readers.sample(fraction=1.0, shuffle=True, seed=1)
    assert cx.sessions(shuffled, user="user_id", time="ts").height == 22_224
    by_row = cx.sessionize(readers.with_row_index(), user="user_id", time="ts")
    again = cx.sessionize(
        readers.with_row_index().sample(fraction=1.0, shuffle=True, seed=2), user="user_id", time="ts"
    )
    assert_frame_equal(by_row, again.sort("index"))


@pytest.mark.shared
def test_the_service_desk_log(shared: Path) -> None:
    desk = pl.read_parquet(shared / "data/servicenow_incidents/servicenow_incidents.parquet")
    assert cx.sessions(desk, user="number", time="sys_updated_at", order="sys_mod_count").height == 100_037
    assert cx.sessions(desk, user="caller_id", time="sys_updated_at").height == 90_140


@pytest.mark.shared
def test_the_retail_log(shared: Path) -> None:
    retail = pl.read_parquet(shared / "data/online_retail/online_retail.parquet")
    assert cx.sessions(retail, user="customer_id", time="ts").height == 19_969
    rows = cx.sessionize(retail, user="customer_id", time="ts")
    assert rows["session_id"].null_count() == retail["customer_id"].null_count() == 135_080


def test_the_complete_journey() -> None:
    lines = cx.datasets.complete_journey().transactions
    frame = lines.collect() if isinstance(lines, pl.LazyFrame) else lines
    visits = cx.sessions(frame, user="household_id", time="transaction_timestamp", gap="30m")
    assert visits.height == 143_212


# ------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"user": "usr", "time": "tme"},
            "sessionize(user='usr', time='tme'): no such columns.\n"
            "  Columns: 'user', 'time'\n"
            "  Hint: did you mean 'user', 'time'?",
        ),
        (
            {"user": "user", "time": "time", "gap": 1800},
            "sessionize(gap=1800): a bare number has no unit.\n  Hint: write gap='1800s' or gap='30m'.",
        ),
        (
            {"user": "user", "time": "time", "gap_closed": "both"},
            "sessionize(gap_closed='both'): not one of the words.\n"
            "  Words: 'right', 'left'\n"
            "  Hint: pass one of the words.",
        ),
        (
            {"user": "user"},
            "sessionize(): time is required.\n"
            "  Hint: name the column, or pass an index made by cx.index(...).",
        ),
    ],
)
def test_options_are_refused_in_full(options: dict[str, Any], text: str) -> None:
    with pytest.raises(cx.CxError) as error:
        cx.sessionize(log(("a", 0)), **options)
    assert str(error.value) == text


def test_a_column_of_ours_is_not_written_over() -> None:
    events = cx.sessionize(log(("a", 0)), user="user", time="time")
    with pytest.raises(cx.InvalidDataError) as error:
        cx.sessionize(events, user="user", time="time")
    assert str(error.value) == (
        "sessionize(): the frame has columns 'session_id', 'session_number' already.\n"
        "  Hint: drop or rename it first."
    )


@pytest.mark.parametrize("name", ["session_id", "session_number"])
def test_a_column_of_ours_is_not_written_over_through_an_index(frame: Flavour, name: str) -> None:
    index = cx.index(frame(log(("a", 0)).with_columns(pl.lit("mine").alias(name))), user="user", time="time")
    with pytest.raises(cx.InvalidDataError, match=f"the frame has a column '{name}' already"):
        cx.sessionize(index)


@pytest.mark.parametrize("name", ["session_id", "start", "events"])
def test_a_user_named_as_a_column_of_the_table_is_refused(frame: Flavour, name: str) -> None:
    events = frame(log(("a", 0)).rename({"user": name}))
    with pytest.raises(cx.InvalidDataError, match=f"the frame has a column '{name}' already"):
        cx.sessions(events, user=name, time="time")
    index = cx.index(frame(log(("a", 0)).rename({"user": name})), user=name, time="time")
    with pytest.raises(cx.InvalidDataError, match=f"the frame has a column '{name}' already"):
        cx.sessions(index)


def test_duckdb_does_not_tell_names_by_their_case() -> None:
    with duckdb.connect() as connection:
        events = connection.sql(
            "SELECT 'a' AS \"Start\", TIMESTAMP '2026-01-05' AS time, 1 AS \"SESSION_ID\""
        )
        index = cx.index(events, user="Start", time="time")
        for table in (lambda: cx.sessions(events, user="Start", time="time"), lambda: cx.sessions(index)):
            with pytest.raises(cx.InvalidDataError, match="has a column 'Start' already"):
                table()
        for rows in (lambda: cx.sessionize(events, user="Start", time="time"), lambda: cx.sessionize(index)):
            with pytest.raises(cx.InvalidDataError, match="has a column 'SESSION_ID' already"):
                rows()


@pytest.mark.parametrize("verb", [cx.index, cx.sessionize, cx.sessions])
def test_a_user_column_is_named_once(verb: Any) -> None:
    with pytest.raises(cx.InvalidOptionError) as error:
        verb(log(("a", 0)), user=["user", "user"], time="time")
    assert str(error.value) == (f"{verb.__name__}(user='user'): named twice.\n  Hint: name each column once.")


def test_roles_beside_an_index_are_refused_whatever_they_are() -> None:
    index = cx.index(log(("a", 0)), user="user", time="time")
    with pytest.raises(cx.InvalidOptionError, match="null_user, null_time given beside an index"):
        cx.sessions(index, null_user=pl.col("user"), null_time=np.zeros(2))  # type: ignore[arg-type]


def test_roles_beside_an_index_are_refused() -> None:
    index = cx.index(log(("a", 0)), user="user", time="time")
    with pytest.raises(cx.InvalidOptionError) as error:
        cx.sessions(index, user="user", null_user="own")
    assert str(error.value) == (
        "sessions(): user, null_user given beside an index, which has them already.\n"
        "  Hint: leave them out, or pass the frame."
    )


def test_an_order_that_was_let_go_comes_back() -> None:
    """Only what a verb sorted for itself is let go; the index of a user keeps what it has."""
    log = pl.DataFrame({"user": ["a", "b", "a", "b"], "time": [3, 2, 1, 0]})
    index = cx.index(log, user="user", time="time", time_unit="s")
    assert index.row.tolist() == [2, 0, 3, 1]
    index.let_go()
    assert index.is_sorted
    passing = replace(index, is_passing=True)
    for rows in (False, True):
        assert passing.tick.tolist() == [1, 3, 0, 2]
        passing.let_go(rows=rows)
        assert passing.is_sorted is not rows
        assert passing.row.tolist() == [2, 0, 3, 1]
    assert passing.tick.tolist() == [1, 3, 0, 2]
