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


@dataclass(frozen=True)
class Stretch:
    """A session by what is known of it; ``row`` counts the open ones, and is None in a batch."""

    user: int
    start: int
    end: int
    events: int
    row: int | None = None


@dataclass(frozen=True)
class Record:
    """The last closed session of a user."""

    number: int
    start: int
    same: int
    reach: int


@dataclass(frozen=True)
class Joined:
    parts: tuple[Stretch, ...]
    number: int
    same: int
    reach: int

    @property
    def line(self) -> tuple[int, int, int, int]:
        ends = max(part.end for part in self.parts)
        return self.parts[0].user, self.parts[0].start, ends, sum(part.events for part in self.parts)


def join_stretches(
    stretches: Sequence[Stretch],
    record: dict[int, Record],
    gap: int,
    late_before: int,
    closes_before: int,
    ticks_a_microsecond: int,
) -> tuple[list[Joined], list[Joined]] | None:
    """Sessions that close and that stay open, by user and time; None where a stretch may be late."""
    closed: list[Joined] = []
    still_open: list[Joined] = []
    for user in sorted({stretch.user for stretch in stretches}):
        mine = sorted((s for s in stretches if s.user == user), key=lambda s: (s.start, s.row is None))
        sessions: list[list[Stretch]] = []
        for stretch in mine:
            if sessions and stretch.start - max(part.end for part in sessions[-1]) <= gap:
                sessions[-1].append(stretch)
            else:
                sessions.append([stretch])
        last = record.get(user)
        number, begun, same = (last.number, last.start, last.same) if last else (0, None, -1)
        for parts in sessions:
            is_new = any(part.row is None for part in parts)
            reach = min(max(part.end for part in parts) + gap, 2**63 - 1)
            if is_new and reach < late_before:
                return None
            if last and any(part.row is None and part.start <= last.reach for part in parts):
                return None
            moment = parts[0].start // ticks_a_microsecond
            at_once = begun is not None and begun // ticks_a_microsecond == moment
            number, begun, same = number + 1, parts[0].start, same + 1 if at_once else 0
            of = closed if reach < closes_before else still_open
            of.append(Joined(tuple(parts), number, same, reach))
    return closed, still_open
