"""Twins of the kernels in ``_ext/sessions.pyx``, from the definitions of the explanation page on sessions.

Plain lists and dictionaries; a user's events are walked in order of (time, order column, row).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import xxhash

OWN = "own"


@dataclass
class Session:
    user: object
    number: int
    start: int
    end: int
    events: int
    rows: list[int]


def is_indexed(code: Sequence[int], tick: Sequence[int], tie: Sequence[int]) -> bool:
    """The rows lie by user (each in one run, none left out), then tick, then tie."""
    runs = [c for i, c in enumerate(code) if i == 0 or code[i - 1] != c]
    if -1 in code or len(set(runs)) < len(runs):
        return False
    keys = [(t, tie[i] if tie else 0) for i, t in enumerate(tick)]
    return all(keys[i - 1] <= keys[i] for i in range(1, len(code)) if code[i] == code[i - 1])


def is_in_time(code: Sequence[int], tick: Sequence[int], tie: Sequence[int]) -> bool:
    """The rows of each user, who lie together, are in order of (tick, tie)."""
    rows = [[(tick[i], tie[i] if tie else 0) for i, c in enumerate(code) if c == user] for user in set(code)]
    return all(of_user == sorted(of_user) for of_user in rows)


def sort_events(code: Sequence[int], tick: Sequence[int], tie: Sequence[int]) -> list[int]:
    """Rows of the users, by (user, tick, tie, row)."""
    kept = [row for row, c in enumerate(code) if c >= 0]
    return sorted(kept, key=lambda row: (code[row], tick[row], tie[row] if tie else 0, row))


def sessionize(
    user: Sequence[object],
    time: Sequence[int | None],
    gap: int,
    *,
    closed: str = "right",
    null_user: str = "null",
) -> list[Session]:
    """Sessions by the gap rule: users as they first appear, each user's in time order."""
    found: list[Session] = []
    for who in dict.fromkeys(u for u in user if u is not None):
        found += _of_user(
            who, [r for r, u in enumerate(user) if u == who and time[r] is not None], time, gap, closed
        )
    if null_user == OWN:
        lonely = sorted((time[r], r) for r, u in enumerate(user) if u is None and time[r] is not None)
        found += [Session(None, 1, t, t, 1, [r]) for t, r in lonely]
    return found


def _of_user(
    who: object, rows: list[int], time: Sequence[int | None], gap: int, closed: str
) -> list[Session]:
    found: list[Session] = []
    for row in sorted(rows, key=lambda r: (time[r], r)):
        now = time[row]
        assert now is not None
        silence = now - found[-1].end if found else 0
        if not found or silence > gap or (closed == "left" and silence == gap):
            found.append(Session(who, len(found) + 1, now, now, 0, []))
        found[-1].end = now
        found[-1].events += 1
        found[-1].rows.append(row)
    return found


def find_sessions(sessions: Sequence[Session], users: Sequence[object]) -> tuple[list[int], list[int]]:
    """Sessions before each user, and events before each session; of all in the last place."""
    counts = [sum(s.user == u for s in sessions) for u in users]
    events = [s.events for s in sessions]
    return (
        [sum(counts[:k]) for k in range(len(counts) + 1)],
        [sum(events[:k]) for k in range(len(events) + 1)],
    )


def edges(sessions: Sequence[Session]) -> tuple[list[int], list[int], list[int]]:
    """Start, end and number of events of each session."""
    return [s.start for s in sessions], [s.end for s in sessions], [s.events for s in sessions]


def label_rows(sessions: Sequence[Session], n_rows: int) -> list[int]:
    """Place of each row's session in the table, -1 where it has none."""
    label = [-1] * n_rows
    for place, session in enumerate(sessions):
        for row in session.rows:
            label[row] = place
    return label


#: one definition, three ways to it
sessionize_arrival = sessionize_slots = sessionize


def arrives_in_order(tick: Sequence[int], gap: int) -> bool:
    """Few rows come after one that is later by more than the gap."""
    late = sum(max(tick[: i + 1]) - t > gap for i, t in enumerate(tick))
    return late * 20 <= len(tick)


def session_ids(sessions: Sequence[Session], key: dict[object, bytes], nanoseconds: int) -> list[int]:
    """Low 63 bits of XXH64 over key, start in microseconds (floored, within int64), earlier ones in that."""
    ids: list[int] = []
    seen: dict[tuple[object, int], int] = {}
    for session in sessions:
        micros = min(max(session.start * nanoseconds // 1000, -(2**63)), 2**63 - 1)
        earlier = seen.get((session.user, micros), 0)
        seen[session.user, micros] = earlier + 1
        name = b"\xff" if session.user is None else key[session.user]
        data = name + (micros % 2**64).to_bytes(8, "little") + earlier.to_bytes(8, "little")
        ids.append(xxh64(data) % 2**63)
    return ids


def name_rows(
    sessions: Sequence[Session], ids: Sequence[int], n_rows: int
) -> tuple[list[int | None], list[int | None]]:
    """Id and number of each row's session (``name_runs`` in a log that lies by session)."""
    label = label_rows(sessions, n_rows)
    return (
        [ids[place] if place >= 0 else None for place in label],
        [sessions[place].number if place >= 0 else None for place in label],
    )


def xxh64(data: bytes) -> int:
    """Another implementation of the published algorithm."""
    return xxhash.xxh64_intdigest(data, seed=0)
