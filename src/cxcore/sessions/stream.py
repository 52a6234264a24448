"""Sessions of a stream: batches in, closed sessions out, the answer of :func:`sessions` over all of them."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from cxcore import _options, errors
from cxcore._ext.native import UserTable
from cxcore._index import NullTime, NullUser, check_event_roles, event_roles
from cxcore._options import TimeUnit
from cxcore.engines import open_frame
from cxcore.engines.base import Engine
from cxcore.sessions import saved
from cxcore.sessions.batch import Batch, batch_of
from cxcore.sessions.found import TABLE_COLUMNS, times
from cxcore.sessions.joined import join
from cxcore.sessions.kept import REACH, Kept, Plan, closing_before, taken
from cxcore.sessions.measures import measures_of
from cxcore.sessions.records import RENAMED, Met, commit, first_table, meet, tick_length, users_of, with_room
from cxcore.sessions.rules import (
    GAP,
    GAP_CLOSED,
    SPLIT_NULL,
    Calendar,
    GapClosed,
    Preset,
    Rules,
    SessionRules,
    SplitNull,
    rules_of,
)
from cxcore.sessions.walked import step_of, walk_batch, walk_kept

Role = str | pl.Expr | None
_CALL = "SessionStream"


@dataclass(frozen=True, slots=True, eq=False)
class SessionUpdate:
    """What one batch changed; three Polars frames.

    Attributes
    ----------
    closed : frame of the sessions that closed
        Columns as :func:`cxcore.sessions` gives them. One user after the other, in any order; each one's
        sessions side by side in time order.
        No session is given twice.
    revised : frame
        Sessions that were open before and have another name now, because late rows joined two of them, moved
        a start, or made a session before them: the user's columns, ``old_session_id`` and
        ``old_session_number``, and ``session_id`` and ``session_number`` of the session in which the first
        event of the old one lies now. One row for each; no row where the name is as it was.
    late : frame
        Rows of the batch that came too late, as they came.
    """

    closed: pl.DataFrame
    revised: pl.DataFrame
    late: pl.DataFrame

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name}={len(getattr(self, name)):,}" for name in ("closed", "revised", "late"))
        return f"SessionUpdate({sizes})"


class SessionStream:
    """Sessions of events that come in batches, equal to :func:`cxcore.sessions` over all of them.

    A session closes when the watermark, the greatest time seen, lies more than the gap and
    ``allowed_lateness`` behind its end. Rows that would change what is closed are given back as late.

    Parameters
    ----------
    user, time, order, time_unit, null_user, null_time
        As in :func:`cxcore.sessionize`.
    gap, gap_closed, max_duration, max_events, calendar, time_zone, start_on, end_on, split_on, split_null
        As in :func:`cxcore.sessionize`; a gap there must be. An expression sees one batch at a time.
    keep_alive, long_after, preset
        As in :func:`cxcore.sessionize`.
    unique
        Is refused: a copy may come any time later.
    first, last, sum, any
        As in :func:`cxcore.sessions`.
    allowed_lateness : str or datetime.timedelta, default '0s'
        How far behind the watermark a row may always lie.
    forget : str or datetime.timedelta, optional
        After this time of silence before the watermark, what is known of a user is dropped; if the user comes
        again, numbers start again at 1. None: one small record of each user is kept for good.
    n_threads : int, optional
        Threads to use; as many as Polars has where None.

    Raises
    ------
    InvalidOptionError

    Notes
    -----
    Time of a batch: O(its rows, and what is kept of open sessions and of its users). Memory: one record for
    each user, and for each open session one row and one for each column of ``first`` and ``last``, if silence
    alone ends sessions and no floats are added up; else all rows of the open sessions. Calls from several
    threads wait for each other. All frames that come out are Polars frames. A call that fails changes
    nothing.

    Examples
    --------
    >>> import datetime as dt, polars as pl, cxcore as cx
    >>> noon = dt.datetime(2026, 1, 5, 12)
    >>> def batch(*events):
    ...     return pl.DataFrame([{"user": who, "time": noon + dt.timedelta(minutes=m)} for who, m in events])
    >>> stream = cx.SessionStream(user="user", time="time", gap="30m")
    >>> stream.push(batch(("ann", 0), ("bob", 5), ("ann", 20)))
    SessionUpdate(closed=0, revised=0, late=0)
    >>> update = stream.push(batch(("bob", 51)))
    >>> update.closed.select("user", "session_number", "events").sort("user").rows()
    [('ann', 1, 2), ('bob', 1, 1)]
    >>> len(stream.finish().closed)
    1
    """

    def __init__(
        self,
        *,
        user: str | Sequence[str] | None = None,
        time: str | None = None,
        gap: Any = GAP,
        gap_closed: GapClosed = GAP_CLOSED,
        max_duration: Any = None,
        max_events: int | None = None,
        calendar: Calendar | None = None,
        time_zone: str | None = None,
        start_on: Role = None,
        end_on: Role = None,
        split_on: Role | Sequence[str | pl.Expr] = None,
        split_null: SplitNull = SPLIT_NULL,
        keep_alive: Role = None,
        unique: str | Sequence[str] | None = None,
        long_after: Any = None,
        preset: Preset | SessionRules | None = None,
        order: str | None = None,
        first: str | Sequence[str] | None = None,
        last: str | Sequence[str] | None = None,
        sum: str | Sequence[str] | None = None,
        any: str | Sequence[str] | None = None,
        allowed_lateness: Any = "0s",
        forget: Any = None,
        time_unit: TimeUnit | None = None,
        null_user: NullUser = "null",
        null_time: NullTime = "error",
        n_threads: int | None = None,
    ) -> None:
        options = {
            "gap": gap,
            "gap_closed": gap_closed,
            "max_duration": max_duration,
            "max_events": max_events,
            "calendar": calendar,
            "time_zone": time_zone,
            "start_on": start_on,
            "end_on": end_on,
            "split_on": split_on,
            "split_null": split_null,
            "keep_alive": keep_alive,
            "unique": unique,
            "long_after": long_after,
        }
        absent = [name for name, value in {"user": user, "time": time}.items() if value is None]
        if absent:
            raise errors.missing_argument(_CALL, absent, "name the column.")
        given: dict[str, Any] = {
            "order": order,
            "time_unit": time_unit,
            "null_user": null_user,
            "null_time": null_time,
        }
        self._plan = Plan(
            event_roles(_CALL, user=user, time=time, **given),
            _keepable(rules_of(_CALL, preset, options)),
            measures_of(_CALL, first=first, last=last, sum=sum, any=any),
            _options.duration(_CALL, "allowed_lateness", allowed_lateness, or_none=True),
            None if forget is None else _options.duration(_CALL, "forget", forget),
            _options.n_threads(_CALL, n_threads),
        )
        self._users: UserTable | None = None
        self._lock = threading.RLock()

    def push(self, batch: Any) -> SessionUpdate:
        """Take a batch of events, in any order.

        Parameters
        ----------
        batch : frame
            As :func:`cxcore.sessions` takes it; columns of the same types as in the batches before.

        Returns
        -------
        SessionUpdate

        Raises
        ------
        ColumnNotFoundError, InvalidDataError, UnsupportedFrameError
        """
        call, plan = f"{_CALL}.push", self._plan
        engine, frame = open_frame(call, batch)
        _check_names(call, engine, engine.columns(frame), plan)
        house = engine.read(call, frame, None)  # late rows are given back whole
        with self._lock:
            update, self._users = _advance(call, house, self._users, plan)
        return update

    def finish(self) -> SessionUpdate:
        """Close all open sessions.

        Returns
        -------
        SessionUpdate
            Of which ``revised`` and ``late`` have no rows.

        Notes
        -----
        A stream may go on after it; what was closed stays closed, and rows that touch it are late.
        """
        call, nothing = f"{_CALL}.finish", pl.DataFrame()
        with self._lock:
            users, plan = self._users, self._plan
            if users is None:
                return SessionUpdate(nothing, nothing, nothing)
            met, kept = _all_open(users, plan), users.kept
            step = join(met, None, kept, plan, None)
            if step is None:
                walked = walk_kept(call, met, kept, plan)
                step = step_of(call, walked, ~walked.was_closed, np.empty(0, np.int64), plan)
            commit(users, kept, met, step, kept.watermark)
        return SessionUpdate(step.closed, step.revised, nothing)

    @property
    def open(self) -> pl.DataFrame:
        """The sessions that are open, as :func:`cxcore.sessions` would give them now; walks them all."""
        call = f"{_CALL}.open"
        with self._lock:
            if self._users is None:
                return pl.DataFrame()
            walked = walk_kept(call, _all_open(self._users, self._plan), self._users.kept, self._plan)
            return walked.table(call, ~walked.was_closed, self._plan)

    @property
    def watermark(self) -> Any:
        """The greatest time seen, as the time column has it; None before the first."""
        kept: Kept | None = None if self._users is None else self._users.kept
        if kept is None or kept.watermark is None:
            return None
        return times(pl.Series([kept.watermark], dtype=pl.Int64), kept.time).item()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write options and state to a Parquet file, all or nothing.

        Parameters
        ----------
        path : str or PathLike
            Replaced at the end, in one step: whoever reads it, or comes back after a crash, has the old file
            or the new one. Its folder holds the new one while it is written.

        Raises
        ------
        InvalidOptionError
            Where an option cannot be written: an expression that calls a Python function.
        InvalidDataError
            Where the file cannot be written: its folder is not there, or is closed to this user.
        """
        with self._lock:
            saved.save(f"{_CALL}.save", path, self._plan, self._users)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, n_threads: int | None = None) -> SessionStream:
        """The stream that was saved.

        Parameters
        ----------
        path : str or PathLike
            What :meth:`save` wrote.
        n_threads : int, optional
            Threads to use; as many as Polars has where None.

        Returns
        -------
        SessionStream

        Raises
        ------
        InvalidDataError
            Where the file is not there, is no saved stream, or one of another version.
        """
        options, state = saved.load(f"{_CALL}.load", path)
        stream = cls(**options, n_threads=n_threads)
        stream._users = None if state is None else users_of(*state, stream._plan)
        return stream

    def __repr__(self) -> str:
        roles = f"user={self._plan.roles.user!r}, time={self._plan.roles.time!r}"
        return f"SessionStream({roles}, watermark={self.watermark!r})"


# ---------------------------------------------------------------- options


def _keepable(rules: Rules) -> Rules:
    """Rules that a stream can keep."""
    if rules.unique:
        problem = "a copy may come any time later, so that every event would have to be kept."
        raise errors.bad_option(
            _CALL, "unique", list(rules.unique), problem, "drop copies before the stream."
        )
    if rules.gap is None:
        problem = "without a gap no session would ever close."
        raise errors.bad_option(
            _CALL, "gap", None, problem, "say gap='30m', or a gap longer than any silence."
        )
    return rules


def _check_names(call: str, engine: Engine, names: Sequence[str], plan: Plan) -> None:
    check_event_roles(call, names, plan.roles, **plan.rules.roles, **plan.measures.roles)
    ours = {
        engine.folded(name) for name in (*TABLE_COLUMNS, *RENAMED, "session_is_long", *plan.measures.names)
    }
    taken = [name for name in plan.roles.user if engine.folded(name) in ours]
    if taken:
        raise errors.column_exists(call, taken)


# ---------------------------------------------------------------- one step


def _advance(
    call: str, house: pl.DataFrame, table: UserTable | None, plan: Plan
) -> tuple[SessionUpdate, UserTable]:
    """What a batch changes, and the table of users with what is kept after it."""
    batch = batch_of(call, house, None if table is None else table.kept, plan)
    table = (
        first_table(batch, house.schema[plan.roles.time], plan) if table is None else with_room(table, plan)
    )
    kept: Kept = table.kept.typed(batch.events.log)
    watermark, slack = _latest(batch, kept.watermark), plan.slack(tick_length(kept, plan))
    due = kept.open.facts[REACH] < closing_before(watermark, slack)
    met = meet(table, kept, batch, due, plan)
    step = join(met, batch, kept, plan, watermark)
    if step is None:
        walked, late = walk_batch(call, met, batch, kept, plan)
        step = step_of(call, walked, walked.passed(watermark, slack), late, plan)
    update = SessionUpdate(step.closed, step.revised, taken(house, step.late))
    commit(table, kept, met, step, watermark)
    return update, table


def _all_open(table: UserTable, plan: Plan) -> Met:
    """All users with open sessions, without a batch."""
    kept: Kept = table.kept
    return meet(table, kept, None, np.ones(len(kept.open), np.bool_), plan)


def _latest(batch: Batch, watermark: int | None) -> int | None:
    last = batch.last
    return watermark if last is None else last if watermark is None else max(last, watermark)
