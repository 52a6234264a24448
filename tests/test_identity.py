"""stitch(): policies, lookback, unstitch, ids that may not meet; kernels against their twins."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import cxcore as cx
from cxcore._ext import identity as kernels
from tests import strategies
from tests.conftest import Flavour
from tests.reference import identity as twin

NOON = dt.datetime(2026, 1, 5, 12)
ROLES: dict[str, Any] = {"anonymous": "device", "known": "customer", "time": "time"}
POLICIES = ("last", "first", "sliced")
INFINITE = 2**64 - 1


def log(*events: tuple[Any, Any, float], **schema: Any) -> pl.DataFrame:
    """(device, customer, minutes after noon) in rows."""
    device, customer, minutes = zip(*events, strict=True) if events else ((), (), ())
    return pl.DataFrame(
        {
            "device": pl.Series(device, dtype=pl.String),
            "customer": pl.Series(customer, dtype=pl.String),
            "time": pl.Series([NOON + dt.timedelta(minutes=m) for m in minutes], dtype=pl.Datetime("us")),
        },
        schema_overrides=schema,
    )


def stitched(frame: Any, **options: Any) -> list[str | None]:
    return cx.stitch(frame, **ROLES, **options)["identity"].to_list()


# Six rows of one device, as in Adobe's page on shared devices ("Shared devices", Customer Journey Analytics),
# which prints the answers of last-auth attribution and of device-split.
SHARED = log(
    ("1234", None, 1),
    ("1234", None, 2),
    ("1234", "ryan", 3),
    ("1234", None, 7),
    ("1234", "cassidy", 8),
    ("1234", None, 23 * 60 + 8),
)

# ------------------------------------------------------------------ policies


def test_last_is_adobes_last_auth() -> None:
    assert stitched(SHARED) == ["cassidy", "cassidy", "ryan", "cassidy", "cassidy", "cassidy"]


def test_sliced_is_adobes_device_split() -> None:
    assert stitched(SHARED, policy="sliced") == ["ryan"] * 4 + ["cassidy"] * 2


def test_first_goes_to_who_came_first() -> None:
    assert stitched(SHARED, policy="first") == ["ryan"] * 4 + ["cassidy", "ryan"]


@pytest.mark.parametrize("policy", POLICIES)
def test_a_login_in_mid_session_does_not_split_it(policy: Any) -> None:
    """PostHog #4655: identify() started a new session."""
    visit = log(("d", None, 0), ("d", None, 5), ("d", "ann", 9), (None, "ann", 12), ("d", None, 15))
    split = visit.with_columns(user=pl.coalesce("customer", "device"))
    assert cx.sessions(split, user="user", time="time").height == 2
    whole = cx.sessionize(cx.stitch(visit, **ROLES, policy=policy), user="identity", time="time")
    assert whole["identity"].unique().to_list() == ["ann"]
    assert whole["session_number"].to_list() == [1] * 5
    assert whole["session_id"].n_unique() == 1


@pytest.mark.parametrize("policy", POLICIES)
def test_devices_of_one_customer_are_one_identity(policy: Any) -> None:
    events = log(("d1", None, 0), ("d1", "ann", 1), ("d2", None, 2), ("d2", "ann", 3), ("d3", None, 4))
    assert stitched(events, policy=policy) == ["ann"] * 4 + ["anonymous:d3"]


@pytest.mark.parametrize("policy", POLICIES)
def test_a_shared_device_merges_nobody(policy: Any) -> None:
    """ann - kiosk - bob - phone - cat: a chain that union-find would make one person."""
    chain = log(("kiosk", "ann", 0), ("kiosk", "bob", 1), ("phone", "bob", 2), ("phone", "cat", 3))
    alone = log((None, "ann", 5), (None, "bob", 6), (None, "cat", 7))
    assert stitched(pl.concat([chain, alone]), policy=policy) == [
        "ann",
        "bob",
        "bob",
        "cat",
        "ann",
        "bob",
        "cat",
    ]


def test_rows_without_either_id_have_no_identity() -> None:
    assert stitched(log((None, None, 0), ("d", None, 1), (None, "ann", 2))) == [None, "anonymous:d", "ann"]


def test_ties_go_by_the_order_column_then_by_row() -> None:
    events = log(("d", "ann", 0), ("d", "bob", 0), ("d", None, 0))
    assert stitched(events) == ["ann", "bob", "bob"]
    assert stitched(events, policy="first") == ["ann", "bob", "ann"]
    assert stitched(events, policy="sliced") == ["ann", "bob", "bob"]
    ordered = events.with_columns(seq=pl.Series([3, 1, 2]))
    assert stitched(ordered, order="seq") == ["ann", "bob", "ann"]
    assert stitched(ordered, policy="first", order="seq") == ["ann", "bob", "bob"]
    before_all = ordered.with_columns(seq=pl.Series([3, 1, 0]))
    assert stitched(before_all, policy="sliced", order="seq") == ["ann", "bob", "bob"]
    between = ordered.with_columns(seq=pl.Series([1, 3, 2]))
    assert stitched(between, policy="sliced", order="seq") == ["ann", "bob", "ann"]


# ------------------------------------------------------------------ lookback


@pytest.mark.parametrize("policy", POLICIES)
def test_logins_farther_than_the_lookback_do_not_count(policy: Any) -> None:
    events = log(("d", None, 0), ("d", None, 1), ("d", "ann", 31), ("d", None, 61), ("d", None, 61.5))
    expected = ["anonymous:d", "ann", "ann", "ann", "anonymous:d"]
    assert stitched(events, policy=policy, lookback="30m") == expected


def test_of_the_logins_within_the_lookback_the_policy_chooses() -> None:
    events = log(("d", "ann", 0), ("d", None, 10), ("d", "bob", 20), ("d", None, 35), ("d", "cat", 50))
    assert stitched(events, lookback="15m") == ["ann", "bob", "bob", "cat", "cat"]
    assert stitched(events, policy="first", lookback="15m") == ["ann", "ann", "bob", "bob", "cat"]
    assert stitched(events, policy="sliced", lookback="15m") == ["ann", "ann", "bob", "bob", "cat"]
    assert stitched(events, policy="sliced", lookback="9m")[1] == "anonymous:d"


def test_a_sliced_row_takes_the_login_after_it_where_the_one_before_is_too_far() -> None:
    events = log(("d", "ann", 0), ("d", None, 100), ("d", "bob", 110))
    assert stitched(events, policy="sliced") == ["ann", "ann", "bob"]
    assert stitched(events, policy="sliced", lookback="1h") == ["ann", "bob", "bob"]


@pytest.mark.parametrize("policy", POLICIES)
def test_a_lookback_finer_than_the_unit_is_exact(policy: Any) -> None:
    seconds = pl.DataFrame({"device": [1, 1, 1], "customer": [None, 7, None], "time": [0, 1800, 3601]})
    found = stitched(seconds, policy=policy, lookback="1800.5s", time_unit="s")
    assert found == ["7", "7", "anonymous:1"]


@pytest.mark.parametrize("policy", POLICIES)
def test_ends_of_time_do_not_overflow(policy: Any) -> None:
    far = pl.Series("time", [-(2**63), 2**63 - 1, 0], dtype=pl.Int64)
    events = pl.DataFrame({"device": ["d"] * 3, "customer": [None, "ann", None], "time": far})
    assert stitched(events, policy=policy, lookback="9999w", time_unit="us") == [
        "anonymous:d",
        "ann",
        "anonymous:d",
    ]
    assert stitched(events, policy=policy, lookback="99999999w", time_unit="us") == ["ann"] * 3


@given(data=st.data(), policy=st.sampled_from(POLICIES))
def test_later_rows_change_nothing_older_than_the_lookback(data: st.DataObject, policy: Any) -> None:
    events = data.draw(stitch_logs()).sort("time", maintain_order=True)
    at = data.draw(st.integers(0, events.height))
    lookback = dt.timedelta(minutes=data.draw(st.integers(1, 90)))
    then = cx.stitch(events[:at], **ROLES, policy=policy, lookback=lookback)
    now = cx.stitch(events, **ROLES, policy=policy, lookback=lookback)[:at]
    if at < events.height:
        settled = then["time"] < events["time"][at] - lookback
        then, now = then.filter(settled), now.filter(settled)
    assert_frame_equal(then, now)


# ------------------------------------------------------------------ unstitch


def test_rows_of_an_unstitched_customer_keep_their_anonymous_id() -> None:
    events = log(("d", None, 0), ("d", "ann", 1), (None, "ann", 2), ("d2", "bob", 3), ("d2", None, 4))
    assert stitched(events, unstitch=["ann"]) == ["anonymous:d", "anonymous:d", None, "bob", "bob"]


@pytest.mark.parametrize("policy", POLICIES)
def test_no_row_of_an_unstitched_customer_goes_to_another(policy: Any) -> None:
    """Restitching hers to bob, who used the kiosk too, would tell him what she did."""
    events = log(("kiosk", None, 0), ("kiosk", "ann", 1), ("kiosk", "bob", 2), ("kiosk", "ann", 3))
    before = stitched(events, policy=policy)
    after = stitched(events, policy=policy, unstitch=["ann"])
    assert before[0] == "ann"
    assert after == ["anonymous:kiosk", "anonymous:kiosk", "bob", "anonymous:kiosk"]


@given(data=st.data(), policy=st.sampled_from(POLICIES), lookback=st.none() | st.just("30m"))
def test_unstitching_changes_only_rows_of_that_customer(
    data: st.DataObject, policy: Any, lookback: str | None
) -> None:
    events = data.draw(stitch_logs())
    some = data.draw(st.lists(st.sampled_from(("ann", "bob", "7", "")), max_size=2))
    before = stitched(events, policy=policy, lookback=lookback)
    after = stitched(events, policy=policy, lookback=lookback, unstitch=some)
    for device, was, now in zip(events["device"], before, after, strict=True):
        hers = None if device is None else f"anonymous:{device}"
        assert now == (hers if was in some else was)


@pytest.mark.parametrize(
    "wish",
    [
        ["ann", "nobody", None],
        ("ann",),
        {"ann"},
        np.array(["ann"]),
        pl.Series(["ann"], dtype=pl.Categorical),
        pl.DataFrame({"who": ["ann"]}),
        pl.LazyFrame({"who": ["ann"]}),
        pd.Series(["ann"]),
        pd.DataFrame({"who": ["ann"]}),
        pa.table({"who": ["ann"]}),
    ],
    ids=lambda wish: f"{type(wish).__module__}.{type(wish).__name__}",
)
def test_who_may_not_be_linked_comes_as_a_list_a_column_or_a_frame(wish: Any) -> None:
    assert stitched(log(("d", "ann", 0), ("d", "bob", 1)), unstitch=wish) == ["anonymous:d", "bob"]


@pytest.mark.parametrize("wish", [[], [None], pl.Series([], dtype=pl.String)])
def test_an_empty_list_of_wishes_bars_nobody(wish: Any) -> None:
    assert stitched(log(("d", "ann", 0)), unstitch=wish) == ["ann"]


@pytest.mark.parametrize("dtype", [pl.Int8, pl.Int64, pl.UInt64])
def test_whole_numbers_of_any_width_name_one_customer(dtype: Any) -> None:
    events = pl.DataFrame({"device": ["d"] * 2, "customer": [7, 8], "time": [NOON] * 2})
    events = events.cast({"customer": dtype})
    assert stitched(events, unstitch=[7]) == ["anonymous:d", "8"]
    assert stitched(events, unstitch=pl.Series([7], dtype=pl.UInt8)) == ["anonymous:d", "8"]


# ------------------------------------------------------------------ ids that may not meet


def test_a_device_and_a_customer_of_one_text_are_two() -> None:
    events = log(("7", None, 0), ("8", "7", 1), ("8", None, 2))
    assert stitched(events) == ["anonymous:7", "7", "7"]
    numbers = events.cast({"device": pl.Int32, "customer": pl.Int64})
    assert stitched(numbers) == ["anonymous:7", "7", "7"]


def test_a_customer_cannot_look_like_a_device() -> None:
    events = log(
        ("7", None, 0),
        (None, "anonymous:7", 1),
        (None, "known:anonymous:7", 2),
        ("known:anonymous:7", None, 3),
        (None, "7", 4),
    )
    found = stitched(events)
    assert found == [
        "anonymous:7",
        "known:anonymous:7",
        "known:known:anonymous:7",
        "anonymous:known:anonymous:7",
        "7",
    ]
    assert len(set(found)) == 5


AFFIXES = st.lists(st.sampled_from(("anonymous:", "known:", "7", "a")), max_size=3).map("".join)


@given(st.lists(st.tuples(st.sampled_from(("anonymous", "known")), AFFIXES), min_size=1))
def test_no_two_ids_have_one_text(ids: list[tuple[str, str]]) -> None:
    events = log(*((text, None, 0) if kind == "anonymous" else (None, text, 0) for kind, text in ids))
    pairs = set(zip(ids, stitched(events), strict=True))
    assert len({who for who, _ in pairs}) == len({text for _, text in pairs}) == len(pairs)


def test_bytes_are_shown_in_hexadecimal() -> None:
    events = pl.DataFrame({"device": [b"\xff", b"\x00"], "customer": [b"ab", None], "time": [NOON] * 2})
    assert stitched(events) == ["6162", "anonymous:00"]


# ------------------------------------------------------------------ twins


@st.composite
def stitch_logs(draw: st.DrawFn, max_size: int = 30) -> pl.DataFrame:
    """Few devices and customers, some of one text; ties are common; rows in any order."""
    size = draw(st.integers(0, max_size))
    device = st.lists(st.none() | st.sampled_from(("7", "8", "kiosk")), min_size=size, max_size=size)
    customer = st.lists(
        st.none() | st.none() | st.sampled_from(("ann", "bob", "7", "")), min_size=size, max_size=size
    )
    minutes = st.lists(st.integers(0, 120), min_size=size, max_size=size)
    seq = st.lists(st.integers(0, 3), min_size=size, max_size=size)
    frame = log(*zip(draw(device), draw(customer), draw(minutes), strict=True))
    frame = frame.with_columns(seq=pl.Series(draw(seq), dtype=pl.Int64))
    return strategies.in_chunks(frame, draw(st.integers(0, size))) if draw(st.booleans()) else frame


def as_text(who: tuple[str, Any] | None) -> str | None:
    if who is None:
        return None
    kind, value = who
    text = value.hex() if isinstance(value, bytes) else str(value)
    text = text.lower() if isinstance(value, bool) else text
    return f"anonymous:{text}" if kind == "anonymous" else text


@given(data=st.data(), policy=st.sampled_from(POLICIES), threads=strategies.threads)
def test_stitch(data: st.DataObject, policy: Any, threads: int) -> None:
    """Ids of any type, times of any unit and far away, with and without an order column and a lookback."""
    size = data.draw(st.integers(0, 30))
    frame = pl.DataFrame(
        [
            data.draw(strategies.key_columns(size, "device")),
            data.draw(strategies.key_columns(size, "customer")),
            data.draw(strategies.time_columns(size)),
            pl.Series("seq", data.draw(st.lists(st.integers(0, 3), min_size=size, max_size=size))).cast(
                pl.Int64
            ),
        ]
    )
    if data.draw(st.booleans()):
        frame = strategies.in_chunks(frame, data.draw(st.integers(0, size)))
    minutes, ordered = data.draw(st.none() | st.integers(1, 90)), data.draw(st.booleans())
    barred = data.draw(st.sets(st.sampled_from(frame["customer"].drop_nulls().to_list() or [None])))
    barred -= {None}
    unit = frame.schema["time"].time_unit  # type: ignore[attr-defined]
    expected = twin.stitch(
        frame["device"].to_list(),
        frame["customer"].to_list(),
        frame["time"].to_physical().to_list(),
        frame["seq"].to_list() if ordered else (),
        policy=policy,
        lookback=float("inf")
        if minutes is None
        else minutes * 60 * {"ms": 10**3, "us": 10**6, "ns": 10**9}[unit],
        unstitched=barred,
    )
    found = stitched(
        frame,
        policy=policy,
        lookback=None if minutes is None else f"{minutes}m",
        unstitch=frame["customer"].filter(frame["customer"].is_in(list(barred))) if barred else None,
        order="seq" if ordered else None,
        n_threads=threads,
    )
    assert found == [as_text(who) for who in expected]


@given(events=stitch_logs(), policy=st.sampled_from(POLICIES), seed=st.integers(0, 99))
def test_the_order_of_rows_does_not_matter(events: pl.DataFrame, policy: Any, seed: int) -> None:
    events = events.with_columns(seq=pl.int_range(pl.len()))
    expected = cx.stitch(events, **ROLES, policy=policy, order="seq")
    shuffled = events.sample(fraction=1, shuffle=True, seed=seed)
    assert_frame_equal(cx.stitch(shuffled, **ROLES, policy=policy, order="seq").sort("seq"), expected)


@given(events=stitch_logs(), policy=st.sampled_from(("last", "first")))
def test_union_find_over_each_devices_login_says_the_same(events: pl.DataFrame, policy: Any) -> None:
    """The graph of devices and the customer that each goes to: no component has two customers."""
    device, customer = events["device"].to_list(), events["customer"].to_list()
    times = events["time"].to_physical().to_list()
    login, _ = twin.find_logins(device, customer, times, (), first=policy == "first")
    parts = twin.components([(("device", d), ("customer", k)) for d, k in login.items()])
    who = {node: part for part in map(frozenset, parts) for node in part}
    for d, k, found in zip(device, customer, stitched(events, policy=policy), strict=True):
        if k is None and d in login:
            (only,) = [name for kind, name in who["device", d] if kind == "customer"]
            assert found == only


# ------------------------------------------------------------------ kernels against their twins


@st.composite
def codes_of_logs(draw: st.DrawFn) -> tuple[Any, Any, Any, Any]:
    """Codes of devices and customers (-1: none), ticks, ties (or none) as the kernels take them."""
    size = draw(st.integers(0, 30))
    tick = st.integers(0, 9) | st.sampled_from((-(2**63), 2**63 - 1))

    def column(one: st.SearchStrategy[int], dtype: Any) -> Any:
        array = np.array(draw(st.lists(one, min_size=size, max_size=size)), dtype=dtype)
        array.flags.writeable = False
        return array

    tie = column(st.integers(0, 2), np.int64) if draw(st.booleans()) else np.empty(0, np.int64)
    return (
        column(st.integers(-1, 3), np.int32),
        column(st.sampled_from((-1, -1, 0, 1, 2)), np.int32),
        column(tick, np.int64),
        tie,
    )


def ids(codes: Any) -> list[int | None]:
    return [None if code < 0 else code for code in codes.tolist()]


@given(codes_of_logs(), st.booleans())
def test_find_logins(columns: tuple[Any, Any, Any, Any], first: bool) -> None:
    device, known, tick, tie = columns
    login, shared = np.empty(4, np.int32), np.empty(4, np.uint8)
    if len(device):
        kernels.find_logins(device, known, tick, tie, first, login, shared)
        chosen, several = twin.find_logins(ids(device), ids(known), tick.tolist(), tie.tolist(), first=first)
        assert ids(login) == [chosen.get(d) for d in range(4)]
        assert [d for d in range(4) if shared[d]] == sorted(several)  # type: ignore[type-var]


@given(codes_of_logs(), strategies.threads)
def test_spread_logins(columns: tuple[Any, Any, Any, Any], threads: int) -> None:
    device, known, _, _ = columns
    login, link = np.array([2, -1, 0, 1], np.int32), np.empty(len(device), np.int32)
    kernels.spread_logins(device, known, login, threads, link)
    assert ids(link) == twin.spread_logins(ids(device), ids(known), {0: 2, 2: 0, 3: 1})


@given(codes_of_logs(), st.sampled_from(POLICIES), st.sampled_from((0, 1, 3, INFINITE)), strategies.threads)
def test_follow_logins(columns: tuple[Any, Any, Any, Any], policy: str, lookback: int, threads: int) -> None:
    device, known, tick, tie = columns
    ties = tie if len(tie) else np.zeros(len(device), np.int64)
    row = np.lexsort((np.arange(len(device)), ties, tick, device))
    row = row[device[row] >= 0]
    offset = np.searchsorted(device[row], np.arange(5)).astype(np.int64)
    link = np.where(known >= 0, known, np.int32(-1))
    policy_number = POLICIES.index(policy)
    kernels.follow_logins(offset, row, tick[row], known, policy_number, lookback, threads, link)
    expected = twin.follow_logins(
        ids(device), ids(known), tick.tolist(), tie.tolist(), policy=policy, lookback=lookback
    )
    assert ids(link) == expected


@given(codes_of_logs(), strategies.threads)
def test_name_rows(columns: tuple[Any, Any, Any, Any], threads: int) -> None:
    device, link, _, _ = columns
    name = np.empty(len(device), np.int64)
    kernels.name_rows(device, link, np.array([0, 1, 0], np.uint8), 4, threads, name)
    places = {None: 7, **{("known", k): k for k in range(3)}, **{("anonymous", d): 3 + d for d in range(4)}}
    expected = twin.name_rows(ids(device), ids(link), {1})
    assert name.tolist() == [places[who] for who in expected]  # type: ignore[index]


@pytest.mark.parametrize("options", [{}, {"policy": "sliced"}, {"lookback": "2h"}])
def test_any_number_of_threads_gives_the_same(options: Any) -> None:
    rng = np.random.default_rng(5)
    n = 300_000
    events = pl.DataFrame(
        {
            "device": rng.zipf(1.3, n) % 20_000,
            "customer": pl.Series(rng.integers(0, 3_000, n)).set(pl.Series(rng.random(n) < 0.8), None),
            "time": pl.Series(rng.integers(0, 10**6, n)).cast(pl.Int64),
        }
    )
    one = cx.stitch(events, **ROLES, **options, time_unit="s", n_threads=1)
    for threads in (2, 3, 8):
        assert cx.stitch(events, **ROLES, **options, time_unit="s", n_threads=threads).equals(one)


# ------------------------------------------------------------------ frames


@pytest.mark.parametrize("policy", POLICIES)
def test_every_engine_answers_alike(frame: Flavour, policy: Any) -> None:
    events = pl.concat([SHARED, log((None, None, 9), ("5", None, 3), (None, "ann", 4))])
    events = events.with_columns(n=pl.int_range(pl.len()))
    expected = events.with_columns(
        identity=pl.Series(
            {
                "last": ["cassidy", "cassidy", "ryan", "cassidy", "cassidy", "cassidy"],
                "first": ["ryan"] * 4 + ["cassidy", "ryan"],
                "sliced": ["ryan"] * 4 + ["cassidy"] * 2,
            }[policy]
            + [None, "anonymous:5", "ann"]
        )
    )
    frame.check(cx.stitch(frame(events), **ROLES, policy=policy), expected)
    frame.check(cx.stitch(frame(events.clear()), **ROLES, policy=policy), expected.clear())
    frame.check(
        cx.stitch(frame(events[:1]), **ROLES, unstitch=["ryan"]),
        expected[:1].with_columns(identity=pl.lit("anonymous:1234")),
    )


@pytest.mark.parametrize("dtype", [pl.Categorical, pl.Enum(["1234", "cassidy", "ryan"])])
def test_categories_are_text(dtype: Any) -> None:
    events = SHARED.cast({"device": dtype, "customer": dtype})
    assert stitched(events) == stitched(SHARED)
    assert stitched(events, unstitch=["ryan"]) == stitched(SHARED, unstitch=["ryan"])


def test_a_column_of_nulls_only_is_nobody() -> None:
    events = SHARED.with_columns(customer=None)
    assert events.schema["customer"] == pl.Null
    assert stitched(events, unstitch=["ann"]) == ["anonymous:1234"] * 6
    assert stitched(SHARED.with_columns(device=None)) == SHARED["customer"].to_list()


def test_a_lazy_frame_waits_and_knows_its_schema() -> None:
    lazy = cx.stitch(SHARED.lazy(), **ROLES, policy="sliced")
    assert lazy.collect_schema() == pl.Schema({**SHARED.schema, "identity": pl.String()})
    assert lazy.filter(pl.col("identity") == "ryan").collect().height == 4  # no filter goes before the verb
    bad = cx.stitch(SHARED.lazy().with_columns(time=None), **ROLES)
    with pytest.raises(cx.InvalidDataError):
        bad.collect()


# ------------------------------------------------------------------ errors


def text_of(kind: type[Exception], frame: Any = SHARED, **arguments: Any) -> str:
    with pytest.raises(kind) as error:
        cx.stitch(frame, **{**ROLES, **arguments})
    return str(error.value)


def test_columns_that_are_not_there() -> None:
    assert text_of(cx.ColumnNotFoundError, anonymous="devise", order="seq") == (
        "stitch(anonymous='devise', order='seq'): no such columns.\n"
        "  Columns: 'device', 'customer', 'time'\n"
        "  Hint: did you mean 'device'?"
    )


def test_the_same_column_twice() -> None:
    assert text_of(cx.InvalidOptionError, known="device") == (
        "stitch(known='device'): the same column as anonymous.\n"
        "  Hint: make two columns of it: the id before the login, and the id after."
    )


def test_a_policy_that_is_none() -> None:
    assert text_of(cx.InvalidOptionError, policy="slice") == (
        "stitch(policy='slice'): not one of the words.\n"
        "  Words: 'last', 'first', 'sliced'\n"
        "  Hint: did you mean 'sliced'?"
    )


def test_a_lookback_without_a_unit() -> None:
    assert text_of(cx.InvalidOptionError, lookback=30) == (
        "stitch(lookback=30): a bare number has no unit.\n  Hint: write lookback='30s' or lookback='30d'."
    )


def test_ids_of_a_type_that_names_nobody() -> None:
    assert text_of(cx.InvalidDataError, SHARED.with_columns(device=pl.lit(1.5))) == (
        "stitch(anonymous='device'): takes whole numbers, text or categories, but the column is Float64.\n"
        "  Hint: cast it to text, for example pl.col('device').cast(pl.String), or to pl.Int64 if all are "
        "whole numbers."
    )


def test_rows_without_a_time() -> None:
    events = SHARED.with_columns(time=pl.when(pl.col("customer") == "ryan").then("time"))
    assert text_of(cx.InvalidDataError, events) == (
        "stitch(time='time'): 5 of 6 rows have no time; the first is row 0.\n"
        "  Hint: drop them: nobody can say which login they are near."
    )


def test_a_frame_that_was_stitched_already(frame: Flavour) -> None:
    again = frame(SHARED.with_columns(identity=pl.lit("x")))
    assert text_of(cx.InvalidDataError, again) == (
        "stitch(): the frame has a column 'identity' already.\n  Hint: drop or rename it first."
    )


def test_an_index_is_no_log_of_devices() -> None:
    text = text_of(cx.UnsupportedFrameError, cx.index(SHARED, user="device", time="time"))
    assert text.endswith("an index serves sessionize, sessions, attribute and paths; pass the frame here.")


@pytest.mark.parametrize(
    ("wish", "problem", "hint"),
    [
        ("ann", "is not a list of known ids.", "LIST"),
        (7, "is not a list of known ids.", "LIST"),
        (["ann", 7], "holds ids of several types.", "LIST"),
        ([7], "holds whole numbers, but the column 'customer' holds text.", "cast one to the other."),
        ([1.5], "holds Float64, but the column 'customer' holds text.", "cast one to the other."),
        (
            pl.LazyFrame({"a": ["ann"], "b": ["bob"]}),
            "is a frame of 2 columns.",
            "select the one that holds known ids.",
        ),
    ],
    ids=str,
)
def test_wishes_that_cannot_be_kept_are_refused_and_not_shown(wish: Any, problem: str, hint: str) -> None:
    hint = hint.replace("LIST", "write unstitch=['ann'], or pass a column or a frame of one column.")
    expected = f"stitch(): unstitch= {problem}\n  Hint: {hint}"
    assert text_of(cx.InvalidOptionError, unstitch=wish) == expected
