"""Twin of the kernels in ``_ext/rules.pyx``: sessions by all rules, one event after the other.

Written from the page on the rules of sessions. Times and lengths are whole numbers of one unit.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Session:
    user: Any
    number: int
    reason: str
    start: int
    end: int = 0
    events: int = 0
    #: rows in order; those that repeat an event stand in ``copies``
    rows: list[int] = field(default_factory=list)
    copies: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Rules:
    """Columns are lists by row; None where there is no such rule."""

    gap: int | Sequence[int] | None = None
    closed: str = "right"
    max_duration: int | None = None
    max_events: int | None = None
    #: gives the calendar period of a time
    period: Any = None
    start_on: Sequence[bool | None] | None = None
    end_on: Sequence[bool | None] | None = None
    split_on: Sequence[Sequence[Any]] = ()
    split_null: str = "carry"
    keep_alive: Sequence[bool | None] | None = None
    unique: Sequence[Sequence[Any]] = ()


def find_ruled_sessions(
    user: Sequence[Any], time: Sequence[int], order: Sequence[int], rules: Rules
) -> list[Session]:
    """Sessions of all users, as they first appear; rows without a user have none."""
    rows_of: dict[Any, list[int]] = {}
    for row, who in enumerate(user):
        if who is not None:
            rows_of.setdefault(who, []).append(row)
    found: list[Session] = []
    for who, rows in rows_of.items():
        rows.sort(key=lambda row: (time[row], order[row] if order else 0, row))
        found += _of_user(who, rows, time, rules)
    return found


def _of_user(who: Any, rows: list[int], time: Sequence[int], rules: Rules) -> list[Session]:
    sessions: list[Session] = []
    originals: dict[Any, Session] = {}
    history: list[int] = []  # rows that count, so far
    for row in rows:
        key = tuple(column[row] for column in rules.unique)
        if rules.unique and None not in key and key in originals:
            originals[key].copies.append(row)  # label_copies, name_copies: it has the session of the first
            continue
        reason = _reason(sessions, history, row, time, rules)
        if reason:
            sessions.append(Session(who, len(sessions) + 1, reason, time[row], end=time[row]))
        session = sessions[-1]
        if rules.keep_alive is None or rules.keep_alive[row] is not False:
            session.end = time[row]
        session.events += 1
        session.rows.append(row)
        history.append(row)
        if rules.unique and None not in key:
            originals[key] = session
    return sessions


def _reason(
    sessions: list[Session], history: list[int], row: int, time: Sequence[int], rules: Rules
) -> str | None:
    """The first rule that ends the last session before this event."""
    if not sessions:
        return "first"
    last, now = sessions[-1], time[row]
    if rules.start_on is not None and rules.start_on[row]:
        return "start_on"
    if rules.end_on is not None and rules.end_on[last.rows[-1]]:
        return "end_on"
    if any(_changes(column, history, row, rules.split_null) for column in rules.split_on):
        return "split_on"
    if rules.period is not None and rules.period(now) != rules.period(last.start):
        return "calendar"
    if rules.gap is not None and not any(_keeps(last, at, now, time, rules) for at in last.rows):
        return "gap"
    if rules.max_duration is not None and now - last.start > rules.max_duration:
        return "max_duration"
    if rules.max_events is not None and last.events >= rules.max_events:
        return "max_events"
    return None


def _keeps(session: Session, at: int, now: int, time: Sequence[int], rules: Rules) -> bool:
    """Does the event at one row still keep its session open? A heartbeat does only where it opened it."""
    if at != session.rows[0] and rules.keep_alive is not None and rules.keep_alive[at] is False:
        return False
    gap = rules.gap if isinstance(rules.gap, int) else rules.gap[at]  # type: ignore[index]
    silence = now - time[at]
    return silence < gap or (silence == gap and rules.closed == "right")


def _changes(column: Sequence[Any], history: list[int], row: int, nulls: str) -> bool:
    """Is the value another one than before?"""
    now = column[row]
    if not history:
        return False
    if nulls == "break":
        return bool(now != column[history[-1]])
    if nulls == "ignore":
        before = column[history[-1]]
        return now is not None and before is not None and now != before
    known = [column[at] for at in history if column[at] is not None]
    return now is not None and now != (known[-1] if known else None)


def period_of(every: str, zone: str, ticks_a_second: int) -> Any:
    """The local day, Monday of the week, or month in which a time lies."""

    def period(tick: int) -> dt.date:
        seconds, rest = divmod(tick, ticks_a_second)
        instant = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(
            seconds=seconds, microseconds=rest * 1_000_000 // ticks_a_second
        )
        day = instant.astimezone(zoneinfo.ZoneInfo(zone)).date()
        if every == "1w":
            return day - dt.timedelta(days=day.weekday())
        return day.replace(day=1) if every == "1mo" else day

    return period


def edge_rows(sessions: Sequence[Session], column: Sequence[Any]) -> list[tuple[Any, Any]]:
    """First and last value of each session, nulls passed over."""
    values = [[column[row] for row in s.rows if column[row] is not None] for s in sessions]
    return [(v[0], v[-1]) if v else (None, None) for v in values]


def sum_whole(sessions: Sequence[Session], column: Sequence[Any]) -> list[Any]:
    """Sum of each session, nulls count nothing (``sum_real`` for floats, in the order of events)."""
    return [sum(column[row] or 0 for row in s.rows) for s in sessions]


def any_true(sessions: Sequence[Session], column: Mapping[int, Any] | Sequence[Any]) -> list[bool]:
    return [any(column[row] for row in s.rows) for s in sessions]


def mark_rows(column: Sequence[bool], bits: int, mark: Sequence[int]) -> list[int]:
    """The marks of rows, with some bits set where the column is true; ``native`` has the kernel."""
    return [one | bits if yes else one for yes, one in zip(column, mark, strict=True)]
