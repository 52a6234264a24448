"""A skewed log of events whose sessions are known."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import polars as pl

from cxcore import _options, errors
from cxcore.datasets.base import (
    DAY,
    IDS,
    ORDERS,
    SECOND,
    START,
    Ids,
    Order,
    Planted,
    in_order,
    microseconds,
    user_ids,
)

PAGES = ("home", "search", "product", "cart", "checkout", "help", "account", "terms")


def clickstream(
    n_events: int,
    *,
    rng: Any = None,
    n_users: int | None = None,
    gap: str | dt.timedelta = "30m",
    mean_length: float = 8.0,
    days: int = 30,
    skew: float = 1.1,
    ties: float = 0.01,
    late: float = 0.0,
    order: Order = "random",
    ids: Ids = "integer",
) -> Planted:
    """Make an event log in which every silence is known to be inside a session or between two.

    A few users make most of the events, as in real logs: the number of events per user follows Zipf's law.
    Each user's events come in bursts. A silence inside a burst is at most the gap, a silence between
    bursts is longer than the gap, so that the sessions are known without computing them.

    Parameters
    ----------
    n_events : int
        Rows of the log, 1 or more.
    rng : None, int, SeedSequence or Generator, default None
        Source of random numbers; the same seed gives the same log.
    n_users : int, optional
        Users who could appear; by default one per 25 events. Users without an event are left out.
    gap : str or timedelta, default "30m"
        The silence that parts sessions.
    mean_length : float, default 8.0
        Mean number of events in a session of an ordinary user. The busiest users have longer ones.
    days : int, default 30
        Every user's events fit into that many days from 2026-01-01.
    skew : float, default 1.1
        Exponent of Zipf's law; 0 makes all users alike.
    ties : float, default 0.01
        Share of events at the very time of the event before.
    late : float, default 0.0
        With ``order="arrival"``: share of events that arrive up to ten minutes late.
    order : {"random", "arrival", "sorted"}, default "random"
        Shuffled, by time as a log is written, or by user and time.
    ids : {"integer", "string"}, default "integer"
        User ids as Int64 or as text of 33 characters.

    Returns
    -------
    Planted
        ``frame``: ``user_id``, ``ts`` (Datetime, microseconds), ``page`` (Enum), ``true_session_number``
        (Int64, 1, 2, … per user). ``truth``: one row per session with ``user_id``, ``session_number``,
        ``start``, ``end``, ``events``, sorted by start.

    Raises
    ------
    InvalidOptionError
        An option is out of its range, or a day has no room for the gap.

    Notes
    -----
    Time and memory grow with ``n_events``: about 60 bytes per row at the peak. Times are made as silences and
    summed, so that no sort is needed. A silence inside a session is log-normal (median 37 s) and cut at
    the gap.

    Examples
    --------
    >>> from cxcore import datasets
    >>> events, sessions = datasets.clickstream(1_000, rng=1)
    >>> events.columns
    ['user_id', 'ts', 'page', 'true_session_number']
    >>> events.height, sessions["events"].sum()
    (1000, 1000)
    """
    call = "datasets.clickstream"
    n_events = _options.whole(call, "n_events", n_events, 1)
    some = max(1, n_events // 25) if n_users is None else n_users
    n_users = _options.whole(call, "n_users", some, 1)
    gap_us = microseconds(call, "gap", gap)
    mean_length = _options.number(call, "mean_length", mean_length, 1, 1e6)
    span = _options.whole(call, "days", days, 1) * DAY
    if 4 * gap_us > span:
        raise errors.bad_option(call, "gap", gap, "the days hold fewer than four gaps.", "raise days=.")
    skew = _options.number(call, "skew", skew, 0, 5)
    ties = _options.number(call, "ties", ties, 0, 1)
    late = _options.number(call, "late", late, 0, 1)
    order = _options.word(call, "order", order, ORDERS)
    ids = _options.word(call, "ids", ids, IDS)
    rng = _options.generator(call, rng)

    counts = _events_per_user(n_events, n_users, skew, rng)
    user = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    number = _session_numbers(counts, user, mean_length, span // (4 * gap_us), rng)
    time = START + _times(counts, user, number, gap_us, span, ties, rng)
    frame = pl.DataFrame(
        {
            "user_id": user_ids(len(counts), ids, rng).gather(user),
            "ts": pl.Series(time).cast(pl.Datetime("us")),
            "page": _pages(n_events, rng),
            "true_session_number": number,
        }
    )
    truth = _sessions(frame, user, number)
    arrival = None
    if late:
        delay = np.where(rng.random(n_events) < late, rng.random(n_events) * (600 * SECOND), 0.0)
        arrival = time + delay.astype(np.int64)
    return Planted(in_order(frame, order, arrival, rng), truth)


def _events_per_user(n: int, n_users: int, skew: float, rng: np.random.Generator) -> np.ndarray:
    weight = np.arange(1, n_users + 1, dtype=np.float64) ** -skew
    counts = rng.multinomial(n, weight / weight.sum())
    return rng.permutation(counts[counts > 0])


def _firsts(counts: np.ndarray) -> np.ndarray:
    """Row of each user's first event, in rows sorted by user."""
    return np.concatenate(([0], np.cumsum(counts)[:-1]))


def _session_numbers(
    counts: np.ndarray, user: np.ndarray, mean_length: float, most: int, rng: np.random.Generator
) -> np.ndarray:
    """1, 2, … per user: an event opens a session with the same chance each time, so lengths are geometric."""
    chance = 1.0 / np.maximum(mean_length, 2.0 * counts / most)  # the busiest must not run out of days
    opens = rng.random(len(user)) < chance[user]
    first = _firsts(counts)
    opens[first] = True
    number: np.ndarray = np.cumsum(opens)
    number -= np.repeat(number[first] - 1, counts)
    np.minimum(number, most, out=number)
    return number


def _times(
    counts: np.ndarray,
    user: np.ndarray,
    number: np.ndarray,
    gap: int,
    span: int,
    ties: float,
    rng: np.random.Generator,
) -> np.ndarray:
    """Microseconds since the start of the log, rows sorted by user.

    A user's days are spent on at most half a span inside sessions, one gap and a microsecond before each
    further session (at most a quarter of the span), and the rest, cut at random, as waiting time.
    """
    n, first = len(user), _firsts(counts)
    opens = np.empty(n, dtype=bool)
    opens[0], opens[1:] = True, (number[1:] != number[:-1]) | (user[1:] != user[:-1])

    silence = rng.standard_normal(n)
    np.exp(np.log(37.0 * SECOND) + 1.2 * silence, out=silence)
    np.minimum(silence, gap, out=silence)
    silence[rng.random(n) < ties] = 0.0
    silence[opens] = 0.0
    busy = np.add.reduceat(silence, first)
    pace = np.minimum(1.0, span / 2 / np.maximum(busy, 1.0))
    step = (silence * pace[user]).astype(np.int64)  # floored: never above the gap

    n_sessions = number[first + counts - 1]
    head = np.flatnonzero(opens)
    owner = user[head]
    wait = rng.standard_exponential(len(head))
    last = rng.standard_exponential(len(counts))  # what is left after the last session
    total = np.bincount(owner, weights=wait, minlength=len(counts)) + last
    free = span - np.minimum(busy, span / 2) - (n_sessions - 1) * (gap + 1)
    step[head] = (wait * (free / total)[owner]).astype(np.int64) + np.where(number[head] > 1, gap + 1, 0)

    time = np.cumsum(step)
    time -= np.repeat(time[first] - step[first], counts)
    return time


def _pages(n: int, rng: np.random.Generator) -> pl.Series:
    share = 1.0 / np.arange(1, len(PAGES) + 1)
    bounds = np.cumsum(share / share.sum())[:-1]
    codes = np.searchsorted(bounds, rng.random(n, dtype=np.float32))
    return pl.Series(PAGES, dtype=pl.Enum(PAGES)).gather(codes)


def _sessions(frame: pl.DataFrame, user: np.ndarray, number: np.ndarray) -> pl.DataFrame:
    change = (user[1:] != user[:-1]) | (number[1:] != number[:-1])
    first = np.concatenate(([0], np.flatnonzero(change) + 1))
    last = np.concatenate((first[1:] - 1, [len(user) - 1]))
    opening = frame[first]
    return pl.DataFrame(
        {
            "user_id": opening["user_id"],
            "session_number": opening["true_session_number"],
            "start": opening["ts"],
            "end": frame["ts"].gather(last),
            "events": last - first + 1,
        }
    ).sort("start", "user_id")
