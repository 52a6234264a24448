"""Twin of ``SessionStream``: sessions of a stream, straight from what the explanation page on streams says.

Keeps every row that was not late, and answers each batch from all of them. Rows are numbers into the columns
of one log, in order of arrival. ``walk_batch`` of the library does the same with what it keeps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.reference import rules as twin


@dataclass
class Stream:
    """``lateness`` in the unit of ``time``; a user of None has no session."""

    user: Sequence[Any]
    time: Sequence[int]
    order: Sequence[int]
    rules: twin.Rules
    lateness: int
    watermark: int | None = None
    rows: list[int] = field(default_factory=list)
    closed: list[twin.Session] = field(default_factory=list)

    def push(self, batch: Sequence[int]) -> tuple[list[twin.Session], list[int]]:
        """The sessions that close, and the rows that are late."""
        batch = [row for row in batch if self.user[row] is not None]
        late = {row for row in batch if any(self._touches(session, row) for session in self.closed)}
        others = [row for row in batch if row not in late]
        for session in self._passed(self.sessions(self.rows + others)):
            late |= set(session.rows) & set(others)
        self.rows += [row for row in others if row not in late]
        seen = [self.time[row] for row in batch] + ([] if self.watermark is None else [self.watermark])
        self.watermark = max(seen, default=None)
        return self._close(self._passed(self.sessions(self.rows))), sorted(late)

    def finish(self) -> list[twin.Session]:
        return self._close(self.sessions(self.rows))

    @property
    def open(self) -> list[twin.Session]:
        return [session for session in self.sessions(self.rows) if session not in self.closed]

    def sessions(self, rows: Sequence[int]) -> list[twin.Session]:
        known = set(rows)
        user = [who if row in known else None for row, who in enumerate(self.user)]
        return twin.find_ruled_sessions(user, self.time, self.order, self.rules)

    def _close(self, sessions: Sequence[twin.Session]) -> list[twin.Session]:
        assert all(session in sessions or self.watermark is None for session in self.closed), "final"
        new = [session for session in sessions if session not in self.closed]
        self.closed += new
        return new

    def _passed(self, sessions: Sequence[twin.Session]) -> list[twin.Session]:
        """Sessions that the watermark has passed, and with them all earlier ones of the user."""
        return [
            one
            for one in sessions
            if all(self._is_passed(s) for s in sessions if s.user == one.user and s.number <= one.number)
        ]

    def _is_passed(self, session: twin.Session) -> bool:
        if self.watermark is None:
            return False
        gaps = self.rules.gap
        ends = [
            self.time[row] + (gaps if isinstance(gaps, int) else gaps[row])  # type: ignore[index]
            for row in session.rows
            if row == session.rows[0]
            or self.rules.keep_alive is None
            or self.rules.keep_alive[row] is not False
        ]
        return self.watermark > max(ends) + self.lateness

    def _touches(self, session: twin.Session, row: int) -> bool:
        """Does the row lie before a session, in it, or within the gap behind it?"""
        same = session.user == self.user[row]
        return same and any(
            twin._keeps(session, at, self.time[row], self.time, self.rules) for at in session.rows
        )
