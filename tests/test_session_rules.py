"""sessionize() and sessions() by all rules: each by hand, all against the twin, and what is refused."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import cxcore as cx
from cxcore import _rule_columns
from cxcore._ext import native
from cxcore._ext import rules as kernels
from cxcore.sessions import PRESETS
from cxcore.sessions.rules import REASONS
from tests import strategies
from tests.conftest import Flavour
from tests.reference import rules as twin

NOON = dt.datetime(2026, 1, 5, 12)
ROLES: dict[str, Any] = {"user": "user", "time": "time"}


def log(*minutes: float, **columns: list[Any]) -> pl.DataFrame:
    """Events of one user, so many minutes after noon."""
    times = [NOON + dt.timedelta(minutes=m) for m in minutes]
    return pl.DataFrame({"user": ["a"] * len(minutes), "time": times, **columns})


def numbers(frame: Any, **options: Any) -> list[int | None]:
    return cx.sessionize(frame, **ROLES, **options)["session_number"].to_list()


def reasons(frame: Any, **options: Any) -> list[str]:
    return cx.sessions(frame, **ROLES, **options)["session_reason"].to_list()


# ------------------------------------------------------------------ each rule by hand


def test_max_duration_is_greedy_from_the_left() -> None:
    events = log(0, 20, 40, 60, 61, 80)
    assert numbers(events, max_duration="1h") == [1, 1, 1, 1, 2, 2]
    assert reasons(events, max_duration="1h") == ["first", "max_duration"]


def test_max_events() -> None:
    assert numbers(log(0, 1, 2, 3, 4), max_events=2) == [1, 1, 2, 2, 3]
    assert reasons(log(0, 1, 2), max_events=1) == ["first", "max_events", "max_events"]


def test_start_on_and_end_on_keep_their_event() -> None:
    flags = [False, False, True, None, False]
    assert numbers(log(0, 1, 2, 3, 4, flag=flags), start_on="flag") == [1, 1, 2, 2, 2]
    assert numbers(log(0, 1, 2, 3, 4, flag=flags), end_on="flag") == [1, 1, 1, 2, 2]
    pages = log(0, 1, 2, page=["/", "/login", "/"])
    assert reasons(pages, start_on=pl.col("page") == "/login") == ["first", "start_on"]
    assert reasons(pages, end_on=pl.col("page") == "/login") == ["first", "end_on"]


@pytest.mark.parametrize(
    ("nulls", "expected"),
    [("carry", [1, 1, 1, 2, 2, 3]), ("break", [1, 2, 3, 4, 5, 6]), ("ignore", [1, 1, 1, 2, 2, 2])],
)
def test_split_on_and_its_nulls(nulls: Any, expected: list[int]) -> None:
    events = log(0, 1, 2, 3, 4, 5, campaign=["a", None, "a", "b", None, "c"])
    assert numbers(events, split_on="campaign", split_null=nulls) == expected


def test_a_value_is_carried_into_the_next_session() -> None:
    """As Universal Analytics did: a direct visit after the gap belongs to the last campaign."""
    events = log(0, 60, 61, 62, campaign=["a", None, "a", "b"])
    assert numbers(events, split_on="campaign") == [1, 2, 2, 3]


def test_the_first_campaign_after_a_direct_visit_splits() -> None:
    events = log(0, 10, 20, campaign=[None, "ads", None])
    for nulls, expected in (("carry", [1, 2, 2]), ("ignore", [1, 1, 1]), ("break", [1, 2, 3])):
        assert numbers(events, split_on="campaign", split_null=nulls) == expected
    assert numbers(events, preset="ua", split_on="campaign") == [1, 2, 2]
    filled = events.with_columns(pl.col("campaign").forward_fill().over("user"))
    assert numbers(filled, split_on="campaign", split_null="break") == [1, 2, 2]  # carry is a forward fill


def test_several_columns_split() -> None:
    events = log(0, 1, 2, 3, source=["x", "x", "y", "y"], medium=["m", "n", "n", "n"])
    assert numbers(events, split_on=["source", pl.col("medium").str.to_uppercase()]) == [1, 2, 3, 3]


def test_heartbeats_join_and_do_not_prolong() -> None:
    events = log(0, 20, 40, 45, 70, 80, alive=[True, False, False, False, False, True])
    assert numbers(events, keep_alive="alive") == [1, 1, 2, 2, 2, 3]
    table = cx.sessions(events, **ROLES, keep_alive="alive")
    assert table["end"].to_list() == [NOON + dt.timedelta(minutes=m) for m in (0, 40, 80)]
    assert table["events"].to_list() == [2, 3, 1]


def test_a_gap_for_each_event() -> None:
    """An event keeps the session open until its own time and its own gap, whatever comes after it."""
    events = log(0, 10, 50, 61, gap=[60, 5, 5, 5])
    expr = pl.duration(minutes="gap")
    assert numbers(events, gap=expr) == [1, 1, 1, 2]
    assert numbers(events.with_columns(gap=pl.Series([60, 5, 10, 5])), gap=expr, gap_closed="left") == [
        1,
        1,
        1,
        2,
    ]
    assert numbers(log(0, 10, 50, 60, gap=[60, 5, 5, 5]), gap=expr) == [1, 1, 1, 1]
    assert numbers(log(0, 10, 50, 60, gap=[60, 5, 5, 5]), gap=expr, gap_closed="left") == [1, 1, 1, 2]


def test_copies_have_the_session_of_the_first() -> None:
    events = log(0, 10, 100, 110, 111, key=["x", "y", "x", "z", None])
    rows = cx.sessionize(events, **ROLES, unique="key")
    assert rows["session_number"].to_list() == [1, 1, 1, 2, 2]
    table = cx.sessions(events, **ROLES, unique="key")
    assert table["events"].to_list() == [2, 2]
    assert table["start"].to_list() == [NOON, NOON + dt.timedelta(minutes=110)]
    shuffled = events[[2, 4, 0, 3, 1]]
    assert cx.sessionize(shuffled, **ROLES, unique="key")["session_number"].to_list() == [1, 2, 1, 2, 1]


def test_times_tell_events_apart() -> None:
    events = log(0, 0, 0, 1, page=["x", "x", "y", "x"])
    assert cx.sessions(events, **ROLES, unique=["time", "page"])["events"].to_list() == [3]


def test_a_row_without_a_key_repeats_nothing() -> None:
    events = log(0, 1, 2, key=[None, None, "x"])
    assert cx.sessions(events, **ROLES, unique="key")["events"].to_list() == [3]


@pytest.mark.parametrize(
    ("zone", "day", "hours"), [("Europe/Berlin", (2026, 3, 29), 23), ("Europe/Berlin", (2026, 10, 25), 25)]
)
def test_days_of_23_and_25_hours(zone: str, day: tuple[int, int, int], hours: int) -> None:
    start = dt.datetime(*day, tzinfo=zoneinfo.ZoneInfo(zone)).astimezone(dt.UTC)
    minutes = range(-30, hours * 60 + 30, 10)
    times = [start + dt.timedelta(minutes=m) for m in minutes]
    events = pl.DataFrame({"user": ["a"] * len(times), "time": times})
    assert events.schema["time"] == pl.Datetime("us", "UTC")
    got = numbers(events, gap=None, calendar="1d", time_zone=zone)
    assert got == [1 if m < 0 else 2 if m < hours * 60 else 3 for m in minutes]
    local = events.with_columns(pl.col("time").dt.convert_time_zone(zone))
    assert numbers(local, gap=None, calendar="1d") == got  # the zone of the column


def test_weeks_begin_on_monday_and_months_on_the_first() -> None:
    days = pl.date_range(dt.date(2026, 1, 30), dt.date(2026, 2, 3), eager=True)  # a Friday to a Tuesday
    events = pl.DataFrame({"user": ["a"] * 5, "time": days})
    assert numbers(events, gap=None, calendar="1w") == [1, 1, 1, 2, 2]
    assert numbers(events, gap=None, calendar="1mo") == [1, 1, 2, 2, 2]


@pytest.mark.parametrize(
    "zone",
    ["Europe/Berlin", "America/Sao_Paulo", "America/Havana", "Pacific/Apia", "Asia/Beirut", "Africa/Cairo"],
)
@pytest.mark.parametrize("every", ["1d", "1w", "1mo"])
def test_local_periods_begin_where_their_first_instant_lies(zone: str, every: str) -> None:
    """Against a walk over every half hour of some years, in zones that skip midnights and whole days."""
    info = zoneinfo.ZoneInfo(zone)
    for year in (2011, 2018):
        first = int(dt.datetime(year, 1, 1, tzinfo=dt.UTC).timestamp())
        found, before = [], None
        period = twin.period_of(every, zone, 1)
        for at in range(first, first + 366 * 86_400, 1_800):
            now = period(at)
            if (
                before is not None and now > before
            ):  # clocks set back over midnight do not start the day again
                found.append(at * 1_000_000)
            before = now if before is None else max(before, now)
        last = (first + 366 * 86_400 - 1_800) * 1_000_000
        assert _rule_columns.period_starts(first * 1_000_000, last, every, zone) == found, info


def test_the_first_reason_that_holds_is_given() -> None:
    flags = {"on": [False, True], "off": [True, False], "campaign": ["a", "b"]}
    events = log(0, 60 * 24, **flags)
    options: dict[str, Any] = {
        "start_on": "on",
        "end_on": "off",
        "split_on": "campaign",
        "calendar": "1d",
        "gap": "30m",
        "max_duration": "1h",
        "max_events": 1,
    }
    for reason in REASONS[1:]:
        assert reasons(events, **options) == ["first", reason]
        options.pop(reason)
        if reason == "gap":
            options["gap"] = None


def test_the_reason_stands_beside_each_row_where_asked() -> None:
    events = log(0, 1, 60).with_columns(user=pl.Series(["a", None, "a"]))
    rows = cx.sessionize(events, **ROLES, reason=True)
    assert rows["session_reason"].to_list() == ["first", None, "gap"]
    assert rows.schema["session_reason"] == pl.Enum(REASONS)
    assert cx.sessionize(events, **ROLES, reason=True, max_events=9)["session_reason"].equals(
        rows["session_reason"]
    )


# ------------------------------------------------------------------ ids, flags, measures


def test_dense_ids_count_by_start() -> None:
    events = cx.datasets.clickstream(3_000, rng=2, order="random").frame
    roles: dict[str, Any] = {"user": "user_id", "time": "ts"}
    table = cx.sessions(events, **roles, id="dense")
    assert sorted(table["session_id"]) == list(range(table.height))
    assert table.sort("session_id")["start"].is_sorted()
    stable = cx.sessions(events, **roles)
    assert_frame_equal(table.drop("session_id"), stable.drop("session_id"))
    rows = cx.sessionize(events, **roles, id="dense")
    assert rows["session_id"].equals(
        cx.sessionize(events.reverse(), **roles, id="dense").reverse()["session_id"]
    )
    both = dict(zip(stable["session_id"], table["session_id"], strict=True))
    ids = cx.sessionize(events, **roles)["session_id"]
    assert [both[one] for one in ids] == rows["session_id"].to_list()


def test_long_sessions_are_flagged_and_kept() -> None:
    events = log(0, 20, 40, 100)
    table = cx.sessions(events, **ROLES, long_after="30m")
    assert table["session_is_long"].to_list() == [True, False]
    rows = cx.sessionize(events, **ROLES, long_after="30m")
    assert rows["session_is_long"].to_list() == [True, True, True, False]
    assert cx.sessions(events, **ROLES, preset="snowplow").columns[-1] == "session_is_long"


def test_measures_stand_beside_the_session() -> None:
    events = log(
        40,
        0,
        5,
        10,
        41,
        page=["d", None, "b", "c", None],
        paid=[1.5, None, 2.0, 0.5, None],
        n=[1, 2, None, 4, 5],
        took=[dt.timedelta(seconds=s) for s in (1, 2, 3, 4, 5)],
        bought=[None, False, True, None, False],
    ).with_columns(pl.col("page").cast(pl.Categorical))
    measures: dict[str, Any] = {
        "first": ["page", "n"],
        "last": "page",
        "sum": ["paid", "n", "took"],
        "any": "bought",
    }
    for source, roles in ((events, ROLES), (cx.index(events, **ROLES), {})):
        table = cx.sessions(source, **roles, **measures, gap="20m")
        assert table.select(
            pl.col("first_page").cast(pl.String), "first_n", pl.col("last_page").cast(pl.String)
        ).rows() == [
            ("b", 2, "c"),
            ("d", 1, "d"),
        ]
        assert table.select("sum_paid", "sum_n", "any_bought").rows() == [(2.5, 6, True), (1.5, 6, False)]
        assert table["sum_took"].to_list() == [dt.timedelta(seconds=9), dt.timedelta(seconds=6)]
        assert table.schema["first_page"] == events.schema["page"]
    lazy = cx.sessions(events.lazy(), **ROLES, **measures, gap="20m")
    assert lazy.collect_schema() == table.schema
    assert_frame_equal(lazy.collect(), table)


def test_measures_pass_copies_over() -> None:
    events = log(0, 1, 90, key=["x", "y", "x"], paid=[1, 2, 100])
    table = cx.sessions(events, **ROLES, unique="key", sum="paid", last="paid")
    assert table.select("sum_paid", "last_paid").rows() == [(3, 2)]


# ------------------------------------------------------------------ presets


def test_presets_are_their_rules() -> None:
    events = cx.datasets.clickstream(5_000, rng=4, order="random").frame
    roles: dict[str, Any] = {"user": "user_id", "time": "ts"}
    assert set(PRESETS) == {"ga4", "ua", "mixpanel", "amplitude", "snowplow", "spark", "kafka", "cja"}
    same = {
        "ga4": {"gap": "30m"},
        "ua": {
            "gap": "30m",
            "gap_closed": "left",
            "calendar": "1d",
            "time_zone": "America/New_York",
            "split_on": "page",
        },
        "mixpanel": {"gap": "30m", "calendar": "1d"},
        "amplitude": {"gap": "5m", "gap_closed": "left"},
        "spark": {"gap": "10m"},
        "kafka": {"gap": "10m"},
        "cja": {"gap": "30m", "start_on": pl.col("page") == "/home"},
    }
    for word, options in same.items():
        beside = {name: value for name, value in options.items() if name not in PRESETS[word].given}
        by_word = cx.sessions(events, **roles, preset=word, **beside)
        assert_frame_equal(by_word, cx.sessions(events, **roles, **options))
    own = cx.SessionRules(gap="1h", max_events=5)
    assert_frame_equal(
        cx.sessions(events, **roles, preset=own, gap="10m"),
        cx.sessions(events, **roles, gap="10m", max_events=5),
    )


@pytest.mark.parametrize(
    ("word", "seconds", "joins"),
    [
        ("ga4", 1800, True),
        ("ua", 1800, False),
        ("mixpanel", 1800, True),
        ("amplitude", 300, False),
        ("snowplow", 1800, True),
        ("cja", 1800, True),
        ("spark", 1800, True),
        ("kafka", 1800, True),
    ],
)
def test_presets_at_their_boundary(word: Any, seconds: int, joins: bool) -> None:
    """Sources: docs/explanation/session-rules.md; where a tool says nothing, as everywhere here."""
    assert numbers(log(0, (seconds - 1) / 60), preset=word) == [1, 1]
    assert numbers(log(0, seconds / 60), preset=word) == [1, 1 if joins else 2]
    assert numbers(log(0, (seconds + 1) / 60), preset=word) == [1, 2]


def test_presets_at_midnight_of_their_zone() -> None:
    night = log(-10, 10).with_columns(pl.col("time") + pl.duration(hours=11))  # 22:50 and 23:10 UTC
    for word in PRESETS:
        splits = word in ("ua", "mixpanel")
        assert numbers(night, preset=word, gap="1h") == [1, 1]
        if splits:
            assert numbers(night, preset=word, time_zone="Europe/Berlin") == [1, 2]


# ------------------------------------------------------------------ against the twin


def columns_of(draw: st.DrawFn, n: int, values: Any) -> list[Any]:
    return draw(st.lists(values, min_size=n, max_size=n))


@st.composite
def ruled_logs(draw: st.DrawFn) -> tuple[pl.DataFrame, dict[str, Any], twin.Rules]:
    """A log in seconds round the nights in which Berlin's clocks change, options, and the twin's rules."""
    n = draw(st.integers(0, 40))
    night = draw(st.sampled_from((dt.datetime(2024, 3, 30, 22), dt.datetime(2024, 10, 26, 22))))
    start = int(night.replace(tzinfo=dt.UTC).timestamp())
    time = columns_of(draw, n, st.integers(0, 60).map(lambda step: start + 300 * step))
    flags = [columns_of(draw, n, st.sampled_from((None, False, False, True))) for _ in range(3)]
    campaign = [columns_of(draw, n, st.sampled_from((None, "a", "a", "b"))) for _ in range(2)]
    key = columns_of(draw, n, st.none() | st.integers(0, 12))
    gaps = columns_of(draw, n, st.sampled_from((300, 600, 3_000)))
    user = columns_of(draw, n, st.sampled_from((None, "x", "x", "y")))
    seq = columns_of(draw, n, st.integers(0, 2))
    frame = pl.DataFrame(
        {
            "user": pl.Series(user, dtype=pl.String),
            "time": pl.Series(time, dtype=pl.Int64),
            "seq": pl.Series(seq, dtype=pl.Int64),
            "on": pl.Series(flags[0], dtype=pl.Boolean),
            "off": pl.Series(flags[1], dtype=pl.Boolean),
            "alive": pl.Series(flags[2], dtype=pl.Boolean),
            "campaign": pl.Series(campaign[0], dtype=pl.String),
            "medium": pl.Series(campaign[1], dtype=pl.String),
            "key": pl.Series(key, dtype=pl.Int64),
            "gap": pl.Series(gaps, dtype=pl.Int64),
        }
    )
    has = {
        name: draw(st.booleans())
        for name in ("gap", "max_duration", "max_events", "calendar", "on", "off", "split", "alive", "key")
    }
    has["max_events"] |= not any(
        has[name] for name in ("gap", "max_duration", "calendar", "on", "off", "split")
    )
    gap = draw(st.sampled_from((300, 900, 3_600))) if has["gap"] else None
    dynamic = has["gap"] and draw(st.booleans())
    closed = draw(st.sampled_from(("right", "left"))) if has["gap"] else "right"
    nulls = draw(st.sampled_from(("carry", "break", "ignore")))
    most, events = draw(st.sampled_from((600, 1_800))), draw(st.integers(1, 4))
    every = draw(st.sampled_from(("1d", "1w", "1mo")))
    options: dict[str, Any] = {"gap": None if gap is None else f"{gap}s", "order": "seq"}
    if dynamic:
        options["gap"] = pl.duration(seconds="gap")
    if has["gap"]:
        options["gap_closed"] = closed
    options |= {"max_duration": f"{most}s"} if has["max_duration"] else {}
    options |= {"max_events": events} if has["max_events"] else {}
    options |= {"calendar": every, "time_zone": "Europe/Berlin"} if has["calendar"] else {}
    options |= {"start_on": "on"} if has["on"] else {}
    options |= {"end_on": "off"} if has["off"] else {}
    options |= {"split_on": ["campaign", "medium"], "split_null": nulls} if has["split"] else {}
    options |= {"keep_alive": "alive"} if has["alive"] else {}
    n_keys = draw(st.integers(1, 2))
    options |= {"unique": ["key", "campaign"][:n_keys]} if has["key"] else {}
    rules = twin.Rules(
        gap=gaps if dynamic else gap,
        closed=closed,
        max_duration=most if has["max_duration"] else None,
        max_events=events if has["max_events"] else None,
        period=twin.period_of(every, "Europe/Berlin", 1) if has["calendar"] else None,
        start_on=flags[0] if has["on"] else None,
        end_on=flags[1] if has["off"] else None,
        split_on=campaign if has["split"] else (),
        split_null=nulls,
        keep_alive=flags[2] if has["alive"] else None,
        unique=(key, campaign[0])[:n_keys] if has["key"] else (),
    )
    return frame, options, rules


@given(case=ruled_logs(), n_threads=strategies.threads, ordered=st.booleans())
def test_all_rules_and_twin_agree(
    case: tuple[pl.DataFrame, dict[str, Any], twin.Rules], n_threads: int, ordered: bool
) -> None:
    frame, options, rules = case
    del ordered
    found = twin.find_ruled_sessions(
        frame["user"].to_list(), frame["time"].to_list(), frame["seq"].to_list(), rules
    )
    roles: dict[str, Any] = {"user": "user", "time": "time", "time_unit": "s"}
    number: list[int | None] = [None] * frame.height
    reason: list[str | None] = [None] * frame.height
    for session in found:
        for row in session.rows + session.copies:
            number[row], reason[row] = session.number, session.reason
    rows = cx.sessionize(frame, **roles, **options, reason=True, n_threads=n_threads)
    assert rows["session_number"].to_list() == number
    assert rows["session_reason"].to_list() == reason
    table = cx.sessions(
        frame,
        **roles,
        **options,
        first="campaign",
        last="gap",
        sum=["key", "gap"],
        any="on",
        n_threads=n_threads,
    )
    assert table.select("user", "session_number", "session_reason", "start", "end", "events").rows() == [
        (s.user, s.number, s.reason, s.start, s.end, s.events) for s in found
    ]
    assert table["first_campaign"].to_list() == [
        v[0] for v in twin.edge_rows(found, frame["campaign"].to_list())
    ]
    assert table["last_gap"].to_list() == [v[1] for v in twin.edge_rows(found, frame["gap"].to_list())]
    for name in ("key", "gap"):
        assert table[f"sum_{name}"].to_list() == twin.sum_whole(found, frame[name].to_list())
    assert table["any_on"].to_list() == twin.any_true(found, frame["on"].to_list())
    ids = dict(
        zip(zip(table["user"], table["session_number"], strict=True), table["session_id"], strict=True)
    )
    keys = zip(rows["user"], rows["session_number"], strict=True)
    assert rows["session_id"].to_list() == [ids.get(key) for key in keys]


@given(case=ruled_logs(), seed=st.integers(0, 9))
def test_the_order_of_rows_changes_nothing(
    case: tuple[pl.DataFrame, dict[str, Any], twin.Rules], seed: int
) -> None:
    frame, options, _ = case
    frame = frame.with_columns(seq=pl.int_range(pl.len())).with_columns(row="seq")
    roles: dict[str, Any] = {"user": "user", "time": "time", "time_unit": "s"}
    shuffled = frame.sample(fraction=1.0, shuffle=True, seed=seed)
    again = cx.sessionize(shuffled, **roles, **options, reason=True).sort("row")
    assert_frame_equal(again, cx.sessionize(frame, **roles, **options, reason=True))


def test_the_plain_gap_is_the_rules_with_nothing_else() -> None:
    """Two kernels, one answer."""
    events = cx.datasets.clickstream(50_000, rng=8, order="random").frame.with_columns(no=pl.lit(value=False))
    roles: dict[str, Any] = {"user": "user_id", "time": "ts", "gap": "30m"}
    assert_frame_equal(cx.sessions(events, **roles), cx.sessions(events, **roles, start_on="no"))
    assert_frame_equal(cx.sessionize(events, **roles), cx.sessionize(events, **roles, start_on="no"))


def test_own_rows_stay_alone_under_all_rules() -> None:
    events = log(0, 1, 2, 3).with_columns(user=pl.Series([None, "a", None, "a"]))
    rows = cx.sessionize(events, **ROLES, null_user="own", max_events=9, reason=True)
    assert rows["session_number"].to_list() == [1, 1, 1, 1]
    assert rows["session_id"].n_unique() == 3
    assert rows["session_reason"].to_list() == ["first"] * 4


def test_own_rows_repeat_nobody() -> None:
    """Rows without a user that agree in all columns of ``unique`` are still different people."""
    events = log(0, 1, 2, 3, key=[1, 1, 1, 1]).with_columns(user=pl.Series([None, None, "a", "a"]))
    rows = cx.sessionize(events, **ROLES, null_user="own", unique="key")
    assert rows["session_id"].n_unique() == 3
    assert cx.sessions(events, **ROLES, null_user="own", unique="key")["events"].to_list() == [1, 1, 1]


@given(case=ruled_logs(), n_threads=strategies.threads)
def test_own_rows_are_users_of_one_row(
    case: tuple[pl.DataFrame, dict[str, Any], twin.Rules], n_threads: int
) -> None:
    frame, options, rules = case
    users = [user or f"nobody {row}" for row, user in enumerate(frame["user"])]
    number: list[int | None] = [None] * frame.height
    reason: list[str | None] = [None] * frame.height
    for session in twin.find_ruled_sessions(users, frame["time"].to_list(), frame["seq"].to_list(), rules):
        for row in session.rows + session.copies:
            number[row], reason[row] = session.number, session.reason
    roles: dict[str, Any] = {"user": "user", "time": "time", "time_unit": "s", "null_user": "own"}
    rows = cx.sessionize(frame, **roles, **options, reason=True, n_threads=n_threads)
    assert rows["session_number"].to_list() == number
    assert rows["session_reason"].to_list() == reason
    assert rows["session_id"].n_unique() == cx.sessions(frame, **roles, **options).height


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
@pytest.mark.parametrize("gap_unit", ["ms", "us", "ns"])
def test_gaps_and_times_of_other_units(unit: Any, gap_unit: Any) -> None:
    """Exact at the boundary, whichever of the two is finer."""
    finest = {"ms": 10**6, "us": 10**3, "ns": 1}
    tick = max(finest[unit], finest[gap_unit])  # what both can say
    for late, right, left in (
        (-tick, [1, 1], [1, 1]),
        (0, [1, 1], [1, 2]),
        (tick, [1, 2], [1, 2]),
    ):
        second = (60 * 10**9 + late) // finest[unit]
        frame = pl.DataFrame({"user": ["a", "a"], "time": pl.Series([0, second]).cast(pl.Datetime(unit))})
        gap = pl.lit(dt.timedelta(minutes=1)).cast(pl.Duration(gap_unit))
        assert numbers(frame, gap=gap) == right
        assert numbers(frame, gap=gap, gap_closed="left") == left


def test_expressions_are_answered_by_the_rows_of_the_frame() -> None:
    events = log(0, 1, 2, page=["a", "b", "a"])
    newest = pl.col("time") == pl.col("time").max().over("user")
    assert numbers(events, start_on=newest) == [1, 1, 2]
    assert numbers(events, start_on=pl.col("page") != pl.col("page").shift(1)) == [1, 2, 3]
    assert numbers(events, start_on=pl.lit(value=True)) == [1, 2, 3]
    assert numbers(events, gap=pl.lit(dt.timedelta(seconds=1))) == [1, 2, 3]
    assert numbers(events, start_on=pl.len() > 2) == [1, 2, 3]
    lazy = cx.sessionize(events.lazy(), **ROLES, start_on=newest)
    assert lazy.collect()["session_number"].to_list() == [1, 1, 2]


def test_a_gap_is_needed_only_where_a_row_has_a_session() -> None:
    events = log(0, 10, 20, gap=[15, None, 15]).with_columns(user=pl.Series(["a", None, "a"]))
    assert numbers(events, gap=pl.duration(minutes="gap")) == [1, None, 2]
    events = events.with_columns(user=pl.lit("a"), time=pl.when(pl.col("gap").is_not_null()).then("time"))
    assert numbers(events, gap=pl.duration(minutes="gap"), null_time="null") == [1, None, 2]


@pytest.mark.parametrize("dtype", [pl.Null, pl.Boolean, pl.String])
def test_a_flag_that_no_row_has(dtype: Any) -> None:
    """A day on which nobody logged in; pandas gives a column of None alone as text."""
    events = log(0, 1, 2).with_columns(flag=pl.Series([None] * 3, dtype=dtype))
    for role in ("start_on", "end_on", "keep_alive"):
        assert numbers(events, **{role: "flag"}) == [1, 1, 1]
    assert cx.sessions(events, **ROLES, any="flag")["any_flag"].to_list() == [False]


def test_amounts_that_no_row_has() -> None:
    events = log(0, 1).with_columns(paid=pl.lit(None))
    table = cx.sessions(events, **ROLES, sum="paid", first="paid")
    assert table.select("sum_paid", "first_paid").rows() == [(0.0, None)]
    assert cx.sessions(events.lazy(), **ROLES, sum="paid", first="paid").collect_schema() == table.schema


def test_an_empty_list_is_no_rule() -> None:
    assert numbers(log(0, 60), split_on=[], unique=[]) == [1, 2]


def test_numbers_of_numpy_are_numbers() -> None:
    assert numbers(log(0, 1, 2), max_events=np.int64(2)) == [1, 1, 2]


def test_chunks_change_nothing() -> None:
    whole = cx.datasets.clickstream(2_000, rng=3, order="random").frame.with_columns(
        home=pl.col("page") == "/home", key=pl.int_range(pl.len()) % 50, g=pl.duration(minutes=20)
    )
    parts = pl.concat([whole[:7], whole[7:7], whole[7:900], whole[900:]], rechunk=False)
    options: dict[str, Any] = {
        "user": "user_id", "time": "ts", "gap": pl.col("g"), "start_on": "home", "end_on": "home",
        "split_on": "page", "unique": ["key", "page"], "keep_alive": "home", "calendar": "1d",
    }  # fmt: skip
    assert_frame_equal(
        cx.sessionize(parts, **options, reason=True, long_after="1h"),
        cx.sessionize(whole, **options, reason=True, long_after="1h"),
        check_exact=True,
    )
    measures: dict[str, Any] = {"first": "page", "last": "key", "sum": ["key", "g"], "any": "home"}
    assert_frame_equal(cx.sessions(parts, **options, **measures), cx.sessions(whole, **options, **measures))


def test_a_reason_on_every_engine(frame: Flavour) -> None:
    events = log(0, 1, 60, page=["a", "b", "b"]).with_columns(user=pl.Series(["a", None, "a"]))
    rows = frame.collect(cx.sessionize(frame(events), **ROLES, reason=True, long_after="1h"))
    assert [word if word is None else str(word) for word in rows["session_reason"]] == ["first", None, "gap"]
    assert rows["session_is_long"].to_list() == [False, None, False]


def test_rules_on_an_empty_frame(frame: Flavour) -> None:
    events = log(0, page=["a"], flag=[True], paid=[1.5]).clear()
    options: dict[str, Any] = {
        "start_on": "flag", "end_on": pl.col("flag"), "split_on": "page", "unique": "page", "calendar": "1d",
        "max_events": 2, "max_duration": "1h", "keep_alive": "flag", "gap": pl.lit(dt.timedelta(minutes=3)),
        "id": "dense", "long_after": "1h",
    }  # fmt: skip
    measures: dict[str, Any] = {"first": "page", "last": "paid", "sum": "paid", "any": "flag"}
    assert frame.collect(cx.sessions(frame(events), **ROLES, **options, **measures)).height == 0
    assert frame.collect(cx.sessionize(frame(events), **ROLES, **options, reason=True)).height == 0


def test_rules_on_every_engine(frame: Flavour) -> None:
    events = log(0, 10, 30, 31, page=["a", "b", "b", "c"], paid=[1.0, 2.0, None, 4.0])
    options: dict[str, Any] = {"split_on": "page", "max_duration": "45m"}
    want = cx.sessionize(events, **ROLES, **options)
    got = frame.collect(cx.sessionize(frame(events), **ROLES, **options))
    assert got["session_id"].to_list() == want["session_id"].to_list()
    table = frame.collect(cx.sessions(frame(events), **ROLES, **options, first="page", sum="paid"))
    assert table["first_page"].to_list() == ["a", "b", "c"]
    assert table["sum_paid"].to_list() == [1.0, 2.0, 4.0]
    assert [str(word) for word in table["session_reason"]] == ["first", "split_on", "split_on"]


def test_far_ends_of_time_do_not_overflow() -> None:
    far = pl.DataFrame({"user": [1, 1], "time": [-(2**63), 2**63 - 1]})
    roles: dict[str, Any] = {"user": "user", "time": "time", "time_unit": "ns"}
    assert cx.sessionize(far, **roles, gap=None, max_duration="300d")["session_number"].to_list() == [1, 2]
    gaps = far.with_columns(gap=pl.lit(2**62).cast(pl.Duration("us")))
    assert cx.sessionize(gaps, **roles, gap=pl.col("gap"))["session_number"].to_list() == [1, 2]
    late = pl.DataFrame({"user": [1, 1], "time": [2**63 - 10, 2**63 - 1]}).with_columns(
        gap=pl.lit(2**62).cast(pl.Duration("us"))
    )
    assert cx.sessionize(late, **roles, gap=pl.col("gap"))["session_number"].to_list() == [1, 1]
    years = pl.DataFrame({"user": [1, 1], "time": [dt.datetime(2, 1, 2), dt.datetime(9998, 12, 30)]})
    assert numbers(years, gap=None, calendar="1mo") == [1, 2]


def test_a_session_longer_than_int64_has_no_duration_and_is_told_to_be_long() -> None:
    """Its length in ticks is no int64, and became a negative number."""
    far = pl.DataFrame({"user": [1, 1, 2, 2], "time": [-(2**63), 2**63 - 1, 0, 7]})
    roles: dict[str, Any] = {"user": "user", "time": "time", "gap": None, "max_events": 9}
    for long_after, is_long in ("1d", True), (dt.timedelta.max, False):
        table = cx.sessions(far, **roles, time_unit="ns", long_after=long_after)
        assert table["duration"].to_list() == [None, 7]
        assert table["session_is_long"].to_list() == [is_long, False]
    stamped = cx.sessions(far.cast({"time": pl.Datetime("ns")}), **roles)
    assert stamped["duration"].to_physical().to_list() == [None, 7]


def test_kernels_take_what_is_empty() -> None:
    none = np.empty(0, np.int64)
    found = kernels.find_ruled_sessions(
        np.zeros(1, np.int64), none, none, 1, -1, none, 1, 1, none, np.empty(0, np.uint8),
        np.empty((0, 0), np.int32), 0, np.empty((0, 0), np.int64), none, none, 1,
    )  # fmt: skip
    assert [part.tolist() for part in found] == [[0], [0], [], [], [], [], [], []]


# ------------------------------------------------------------------ large users, many users


@pytest.mark.parametrize("every", ["1d", "1w", "1mo"])
def test_each_local_period_of_many_years_is_one_session(every: str) -> None:
    """The period of a tick is guessed from the length of all of them; months and Berlin's days differ."""
    rng = np.random.default_rng(11)
    zone, hours = "Europe/Berlin", rng.integers(0, 20 * 365 * 24, 30_000)
    half_past = pl.lit(dt.datetime(2005, 1, 1, 0, 30, tzinfo=dt.UTC)) + pl.duration(hours="hour")
    frame = pl.DataFrame({"hour": hours, "user": hours % 3}).with_columns(time=half_past)
    local = pl.col("time").dt.convert_time_zone(zone).dt.replace_time_zone(None).dt.truncate(every)
    want = frame.select(local.rank("dense").over("user").cast(pl.Int64))["time"]
    got = cx.sessionize(frame, **ROLES, gap=None, calendar=every, time_zone=zone)["session_number"]
    assert got.to_list() == want.to_list()


@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("order", ["arrival", "sorted", "random"])
@pytest.mark.parametrize("share", [0.2, 0.06])
def test_without_its_copies_a_log_has_the_same_sessions(share: float, order: str, n_threads: int) -> None:
    """Users of one event and of many, more than one piece of work, and a row in five is a copy; or few are,
    where running numbers are counted, and some far ones look like others.
    """
    rng, n = np.random.default_rng(12), 150_000
    user = np.where(rng.random(n) < 0.5, 0, rng.integers(0, 30_000, n))
    frame = pl.DataFrame(
        {
            "user": user,
            "time": np.arange(n) * 60 - rng.integers(0, 3, n) * 400,
            "key": np.where(rng.random(n) < share, rng.integers(0, n // 25, n), np.arange(n)),
            "part": rng.integers(0, 2, n),
            "value": rng.integers(0, 9, n),
        }
    ).with_columns(pl.when(pl.col("key") % 97 > 0).then(pl.col("key") + (pl.col("key") % 4_999 == 1) * 2**40))
    if order != "arrival":
        keys = ["user", "time"] if order == "sorted" else [pl.int_range(n).shuffle(seed=1)]
        frame = frame.sort(keys, maintain_order=True)
    for unique in (["key"], ["key", "part"]):
        in_order = frame.with_row_index("row").sort("time", maintain_order=True)
        keyed = in_order.filter(pl.col("key").is_not_null())
        first = keyed.unique(["user", *unique], keep="first")
        alone = pl.concat([first, in_order.filter(pl.col("key").is_null())]).sort("row")
        assert len(alone) < (1 - share / 8) * n
        roles: dict[str, Any] = {**ROLES, "time_unit": "s", "gap": "2h", "n_threads": n_threads}
        table = cx.sessions(frame, **roles, unique=unique, sum="value", last="value")
        assert_frame_equal(
            table.sort("session_id"),
            cx.sessions(alone, **roles, sum="value", last="value").sort("session_id"),
        )
        rows = cx.sessionize(frame, **roles, unique=unique).with_row_index("row")
        of_first = cx.sessionize(first, **roles, max_events=2**60).select("row", "user", *unique)
        named = rows.select("row", "session_id", "session_number")
        by_key = of_first.join(named, on="row").drop("row")
        copies = keyed.select("row", "user", *unique).join(by_key, on=["user", *unique]).sort("row")
        got = copies.select("row").join(named, on="row", maintain_order="left")
        assert_frame_equal(got, copies.select(got.columns))


@given(yes=st.lists(st.booleans(), max_size=200), cut=st.integers(0, 200), bits=st.sampled_from((1, 8)))
def test_mark_rows(yes: list[bool], cut: int, bits: int) -> None:
    column = pl.concat([pl.Series(yes[:cut], dtype=pl.Boolean), pl.Series(yes[cut:], dtype=pl.Boolean)])
    for part in (column, column[3:-5], column.rechunk()[9:]):
        mark = np.arange(len(part), dtype=np.uint8)
        want = twin.mark_rows(part.to_list(), bits, mark.tolist())
        native.mark_rows(part, bits, mark)
        assert mark.tolist() == want


# ------------------------------------------------------------------ real logs, whole


def _agree(frame: pl.DataFrame, roles: dict[str, Any], options: dict[str, Any], rules: twin.Rules) -> int:
    """Every row and every session of a log, verb against twin; gives the number of sessions."""
    time = frame[roles["time"]].to_physical().to_list()
    order = frame[roles["order"]].to_list() if "order" in roles else []
    found = twin.find_ruled_sessions(frame[roles["user"]].to_list(), time, order, rules)
    number = np.zeros(frame.height, np.int64)
    for session in found:
        number[session.rows + session.copies] = session.number
    rows = cx.sessionize(frame, **roles, **options)
    assert (rows["session_number"].fill_null(0).to_numpy() == number).all()
    table = cx.sessions(frame, **roles, **options)
    start, end = (table[name].to_physical().to_list() for name in ("start", "end"))
    facts = zip(start, end, table["events"], table["session_reason"], strict=True)
    assert list(facts) == [(s.start, s.end, s.events, s.reason) for s in found]
    return len(found)


@pytest.mark.shared
def test_the_readers_log_by_rules(shared: Path) -> None:
    frame = pl.read_parquet(shared / "data/wiki_readers_2014/wiki_readers_2014.parquet")
    frame = frame.with_columns(alive=pl.col("page").str.ends_with(".gif").not_())
    zone = "America/Los_Angeles"
    options: dict[str, Any] = {
        "gap": "30m",
        "max_duration": "2h",
        "max_events": 50,
        "calendar": "1d",
        "time_zone": zone,
        "keep_alive": "alive",
        "unique": ["ts", "page"],
    }
    second = 1_000_000
    rules = twin.Rules(
        gap=1_800 * second,
        max_duration=7_200 * second,
        max_events=50,
        period=twin.period_of("1d", zone, second),
        keep_alive=frame["alive"].to_list(),
        unique=(frame["ts"].to_list(), frame["page"].to_list()),
    )
    n = _agree(frame, {"user": "user_id", "time": "ts"}, options, rules)
    assert n > 22_224  # those of the gap alone, and more
    assert cx.sessions(frame, user="user_id", time="ts", unique=["ts", "page"])["events"].sum() == 63_517


@pytest.mark.shared
def test_the_service_desk_log_by_rules(shared: Path) -> None:
    """Contacts of a caller: a case ends when it is closed, and a new one starts with another contact type."""
    frame = pl.read_parquet(shared / "data/servicenow_incidents/servicenow_incidents.parquet")
    frame = frame.with_columns(closed=pl.col("incident_state") == "Closed")
    roles = {"user": "caller_id", "time": "sys_updated_at", "order": "sys_mod_count"}
    options = {"gap": "7d", "end_on": "closed", "split_on": "contact_type"}
    rules = twin.Rules(
        gap=7 * 86_400 * 1_000_000,
        end_on=frame["closed"].to_list(),
        split_on=(frame["contact_type"].to_list(),),
    )
    _agree(frame, roles, options, rules)


def test_the_complete_journey_by_rules() -> None:
    """Shopping visits with their sales: the sums of the visits are the sum of the log."""
    lines = cx.datasets.complete_journey().transactions.lazy().collect()
    visits = cx.sessions(
        lines,
        user="household_id",
        time="transaction_timestamp",
        calendar="1d",
        sum=["sales_value", "quantity"],
        first="store_id",
    )
    assert visits["events"].sum() == 1_469_307
    assert visits["sum_sales_value"].sum() == pytest.approx(lines["sales_value"].sum(), rel=1e-12)
    assert visits["sum_quantity"].sum() == lines["quantity"].sum()
    days = visits.select((pl.col("start").dt.date() == pl.col("end").dt.date()).all()).item()
    assert days
    assert visits.height >= 143_212


# ------------------------------------------------------------------ what is refused


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (
            {"gap": None},
            "sessionize(gap=None): no rule is left that ends a session.\n"
            "  Hint: say gap='30m', or one of max_duration, max_events, calendar, start_on, end_on, "
            "split_on.",
        ),
        (
            {"time_zone": "Europe/Berlin"},
            "sessionize(time_zone='Europe/Berlin'): does nothing without calendar.\n"
            "  Hint: leave it out, or say calendar=.",
        ),
        (
            {"split_null": "break"},
            "sessionize(split_null='break'): does nothing without split_on.\n"
            "  Hint: leave it out, or say split_on=.",
        ),
        (
            {"gap": None, "gap_closed": "left", "max_events": 1},
            "sessionize(gap_closed='left'): does nothing without gap.\n  Hint: leave it out, or say gap=.",
        ),
        (
            {"calendar": "1d", "time_zone": "Mars/Olympus"},
            "sessionize(time_zone='Mars/Olympus'): no time zone of that name.\n"
            "  Hint: such as 'Europe/Berlin' or 'UTC'.",
        ),
        (
            {"calendar": "2d"},
            "sessionize(calendar='2d'): not one of the words.\n  Words: '1d', '1w', '1mo'\n"
            "  Hint: pass one of the words.",
        ),
        (
            {"preset": "ga"},
            "sessionize(preset='ga'): not one of the words.\n"
            "  Words: 'ga4', 'ua', 'mixpanel', 'amplitude', 'snowplow', 'spark', 'kafka', 'cja'\n"
            "  Hint: did you mean 'ga4'?",
        ),
        (
            {"max_events": 0},
            f"sessionize(max_events=0): takes a whole number from 1 to {2**63 - 1}.\n"
            "  Hint: such as max_events=1.",
        ),
        (
            {"start_on": "page"},
            "sessionize(start_on='page'): takes true and false, but the column is String.\n"
            "  Hint: compare it, for example pl.col('page') == 'yes'.",
        ),
        (
            {"start_on": "pag"},
            "sessionize(start_on='pag'): no such column.\n"
            "  Columns: 'user', 'time', 'page', 'paid'\n"
            "  Hint: did you mean 'page'?",
        ),
        (
            {"gap": pl.col("paid")},
            "sessionize(gap='paid'): takes durations, but the column is Float64.\n"
            "  Hint: make it one, for example pl.duration(minutes='minutes').",
        ),
        (
            {"gap": pl.duration(minutes="paid").alias("g")},
            "sessionize(gap='g'): 1 of 3 rows have no gap; the first is row 2.\n"
            "  Hint: fill them, for example .fill_null(pl.duration(minutes=30)).",
        ),
        (
            {"gap": pl.duration(minutes=pl.col("paid").fill_null(0)).alias("g")},
            "sessionize(gap='g'): 1 of 3 gaps are not longer than nothing; first is row 2.\n"
            "  Hint: an event keeps its session open for a while; say so with a positive duration.",
        ),
        (
            {"split_on": "paid"},
            "sessionize(split_on='paid'): takes whole numbers, text or categories, "
            "but the column is Float64.\n"
            "  Hint: cast it to text, for example pl.col('paid').cast(pl.String), or to pl.Int64 if all are "
            "whole numbers.",
        ),
        (
            {"gap": None, "split_on": []},
            "sessionize(gap=None): no rule is left that ends a session.\n"
            "  Hint: say gap='30m', or one of max_duration, max_events, calendar, start_on, end_on, "
            "split_on.",
        ),
        (
            {"split_on": [], "split_null": "break"},
            "sessionize(split_null='break'): does nothing without split_on.\n"
            "  Hint: leave it out, or say split_on=.",
        ),
        (
            {"split_on": ["page", None]},
            "sessionize(split_on=None): takes the name of a column.\n"
            "  Hint: add the column to the frame, then name it.",
        ),
        (  # known to Python, not to Polars
            {"calendar": "1d", "time_zone": "right/Europe/Berlin"},
            "sessionize(time_zone='right/Europe/Berlin'): no time zone of that name.\n"
            "  Hint: such as 'Europe/Berlin' or 'UTC'.",
        ),
        (
            {"start_on": "paid"},
            "sessionize(start_on='paid'): takes true and false, but the column is Float64.\n"
            "  Hint: compare it, for example pl.col('paid') > 0.",
        ),
        (
            {"start_on": pl.nth(0) == "a"},
            "sessionize(start_on='[(cs.first(require=true)) == (\"a\")]'): "
            "takes columns by a pattern, a kind or a place.\n  Hint: name them, for example pl.col('page').",
        ),
        (
            {"gap": pl.col("^g.*$")},
            "sessionize(gap='cs.matches(\"^g.*$\")'): takes columns by a pattern, a kind or a place.\n"
            "  Hint: name them, for example pl.col('page').",
        ),
        (
            {"start_on": pl.element()},
            "sessionize(start_on='element()'): "
            "the frame cannot answer it: `element` is not allowed in this context\n"
            "  Hint: try the expression in select().",
        ),
        (  # what a filter leaves is no value for all rows, also where it leaves one
            {"start_on": (pl.col("page") == "a").filter(pl.col("page") == "a")},
            'sessionize(start_on=\'[(col("page")) == ("a")].filter([(col("page")) == ("a")])\'): '
            "the frame cannot answer it: Series page, length 1 doesn't match the DataFrame height of 3\n"
            "  Hint: try the expression in select().",
        ),
        (
            {"start_on": pl.col("page").is_in(["a"]).head(2).alias("on")},
            "sessionize(start_on='on'): "
            "gives 2 rows of 1 columns for 3 rows.\n  Hint: one value for each row is needed.",
        ),
    ],
)
def test_rules_are_refused_in_full(options: dict[str, Any], text: str) -> None:
    events = log(0, 1, 2, page=["a", "b", "c"], paid=[1.0, 2.0, None])
    with pytest.raises(cx.CxError) as error:
        cx.sessionize(events, **ROLES, **options)
    assert str(error.value) == text


def test_a_zone_for_dates_is_refused() -> None:
    days = pl.DataFrame({"user": ["a"], "time": [dt.date(2026, 1, 1)]})
    with pytest.raises(cx.InvalidOptionError) as error:
        numbers(days, calendar="1d", time_zone="Europe/Berlin")
    assert str(error.value) == (
        "sessionize(time_zone='Europe/Berlin'): the column 'time' is Date, and a date lies in no zone.\n"
        "  Hint: leave it out."
    )


def test_a_calendar_of_no_year_is_refused() -> None:
    far = pl.DataFrame({"user": ["a", "a"], "time": [0, 2**62]})
    with pytest.raises(cx.InvalidDataError) as error:
        cx.sessions(far, **ROLES, time_unit="us", calendar="1d")
    assert str(error.value) == (
        "sessions(time='time'): a calendar needs years 2 to 9998; see row 1.\n"
        "  Hint: drop such rows, or leave out calendar=."
    )


def test_measures_are_refused_in_full() -> None:
    events = log(0, 1, n=[2**63 - 1, 1], word=["a", "b"])
    for options, text in (
        (
            {"sum": "n"},
            "sessions(sum='n'): the values of a session add up to more than an int64 can hold.\n"
            "  Hint: cast the column to Float64.",
        ),
        (
            {"sum": "word"},
            "sessions(sum='word'): adds up numbers and durations, but the column is String.\n"
            "  Hint: cast it, for example pl.col('word').cast(pl.Float64).",
        ),
        (
            {"any": "word"},
            "sessions(any='word'): takes true and false, but the column is String.\n"
            "  Hint: compare it, for example pl.col('word') == 'yes'.",
        ),
        (
            {"first": "wrd"},
            "sessions(first='wrd'): no such column.\n"
            "  Columns: 'user', 'time', 'n', 'word'\n"
            "  Hint: did you mean 'word'?",
        ),
    ):
        with pytest.raises(cx.CxError) as error:
            cx.sessions(events, **ROLES, **options)
        assert str(error.value) == text
