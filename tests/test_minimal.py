"""If only one file is run, this one: the three questions, on an installation without any extra."""

from __future__ import annotations

import datetime as dt

import polars as pl

import cxcore as cx

NOON = dt.datetime(2026, 3, 1, 12)
EVENTS = pl.DataFrame(
    {
        "user": ["ann", "bob", "ann", "ann", "bob"],
        "time": [NOON + dt.timedelta(minutes=minute) for minute in (0, 5, 30, 61, 65)],
        "channel": ["mail", "ads", "ads", None, None],
        "value": [None, None, None, 30.0, 10.0],
    }
)


def test_the_compiled_core_is_there() -> None:
    assert cx.build_info()


def test_sessions() -> None:
    marked = cx.sessionize(EVENTS, user="user", time="time", gap="30m")
    assert marked.drop("session_id", "session_number").equals(EVENTS)
    assert marked["session_number"].to_list() == [1, 1, 1, 2, 2]
    assert cx.sessions(EVENTS, user="user", time="time", gap="30m")["events"].to_list() == [2, 1, 1, 1]


def test_attribution() -> None:
    credit = cx.attribute(EVENTS, user="user", time="time", channel="channel", value="value", model="linear")
    assert dict(credit.select("channel", "value").iter_rows()) == {"ads": 25.0, "mail": 15.0}


def test_scores() -> None:
    answers = pl.DataFrame({"score": [10] * 104 + [8] * 58 + [3] * 38})
    row = cx.nps(answers, score="score").row(0, named=True)
    assert (row["n"], row["estimate"], row["low"], row["high"]) == (200, 33.0, 22.0, 43.5)


def test_the_version_is_that_of_the_build() -> None:
    assert cx.__version__ == cx.build_info()["version"]
