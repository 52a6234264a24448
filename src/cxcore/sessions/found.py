"""What the kernels find, and what becomes of it: names of rows, and the table of sessions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import numpy as np
import polars as pl

from cxcore import _options
from cxcore._columns import EventColumns, EventRoles, Int32, Int64, UInt8
from cxcore._ext import rules as rule_kernels
from cxcore._ext import sessions as kernels
from cxcore._ext.arrays import empty
from cxcore._index import EventIndex
from cxcore._rule_columns import RuleColumns, rule_columns
from cxcore.sessions.rules import REASONS, Rules, SplitNull

ROW_COLUMNS = ("session_id", "session_number")
TABLE_COLUMNS = (*ROW_COLUMNS, "start", "end", "duration", "events", "session_reason")
REASON = pl.Enum(REASONS)
_WORDS = pl.Series(REASONS, dtype=REASON)
BY_GAP = np.uint8(REASONS.index("gap"))
#: what sessions are found for
Wanted = Literal["rows", "events", "table"]
#: what each word of ``split_null=`` is to the kernel
_SPLIT_NULL = {word: at for at, word in enumerate(get_args(SplitNull))}


def _none() -> Int64:
    return np.empty(0, np.int64)


def _no_pairs() -> Int64:
    return np.empty((0, 2), np.int64)


@dataclass(frozen=True, slots=True)
class Sessions:
    """What the kernels found: one entry a session, users in order of first appearance, then time.

    ``name`` int64[n_sessions, 2] is id and number, side by side; ``user`` int32[n_sessions] the code;
    ``reason`` uint8[n_sessions] a place in ``REASONS``. Of the two ways back to rows one is there: ``begin``
    int64[n_sessions + 1], the positions of an index, where ``copy`` int64[n_copies, 2] has the positions of
    events that repeat one, in their order, and of what they repeat; or ``label`` int32[n_rows], -1 where a
    row has no session, and ``session`` int64[n_labels], the session of a label (no item where a label is the
    session itself). For a table alone neither is there. Walks by rules
    also know ``until``, the last tick at which silence has not ended a session, and, as do sessions that
    follow on others, ``same``, how many earlier sessions of the user began in its microsecond;
    int64[n_sessions].
    """

    columns: EventColumns
    start: Int64
    end: Int64
    events: Int64
    name: Int64
    user: Int32
    reason: UInt8
    begin: Int64 = field(default_factory=_none)
    copy: Int64 = field(default_factory=_no_pairs)
    label: Int32 | None = None
    session: Int64 = field(default_factory=_none)
    until: Int64 = field(default_factory=_none)
    same: Int64 = field(default_factory=_none)
    #: two int64[n_rows] that a kernel has done with: memory for the names of rows, of who takes it first
    room: list[Int64] = field(default_factory=list)

    def named(self, by: str) -> Sessions:
        """The same; "dense" with ids 0, 1, 2 … by start, where stable ids order what starts together."""
        if by != "dense":
            return self
        name = self.name.copy()
        name[np.lexsort((self.name[:, 0], self.start)), 0] = np.arange(len(name))
        return replace(self, name=name)


def find(
    call: str, index: EventIndex, rules: Rules, n_threads: int, wanted: Wanted, *, named: bool = True
) -> Sessions:
    """Sessions of a log by the way that its order allows; those of the rule asked last are kept.

    ``wanted`` is what they are for: the names of rows; the events of each, which lie at its positions; or
    the table alone. Sessions of a part of a log need not be ``named``: then they have no names and no
    reasons, and are not kept.
    """
    found: Sessions
    for known, found in index.last:
        if known == rules.key and not (wanted == "events" and found.label is not None):
            return found
    columns = index.columns
    gap = rules.gap_ticks(columns.tick_length)
    # a tie-break moves no event of a user to another session, but it numbers sessions of one row each
    tied = columns.own >= 0 and len(columns.tie) > 0
    if not rules.is_plain:
        found = _of_rules(call, index, rules, n_threads)
    elif index.is_sorted or tied or wanted == "events":
        found = _of_index(index, gap, n_threads, named)
    elif kernels.arrives_in_order(columns.tick, gap):
        found = _of_arrivals(columns, gap, n_threads, named)
    else:
        with_rows = wanted == "rows" or not index.is_passing  # who keeps an index may ask for them later
        found = _of_slots(index, gap, n_threads, with_rows, named)
    if wanted != "rows":
        found.room.clear()
    if named and rules.is_plain:
        index.last[:] = [(rules.key, found)]
    return found


def find_next(call: str, index: EventIndex, rules: Rules, before: Int64) -> Sessions:
    """Sessions that follow on others of their users; ``before`` as ``walk`` takes it."""
    if rules.is_plain:
        return _of_index(index, rules.gap_ticks(index.columns.tick_length), 1, True, before)
    read = rule_columns(call, index.house, index.columns, index.roles, rules, 1)
    return walk(index, rules, read, 1, before)


def _of_index(
    index: EventIndex, gap: int, n_threads: int, named: bool, before: Int64 | None = None
) -> Sessions:
    columns = index.columns
    offset, begin = kernels.find_sessions(index.offset, index.tick, gap, columns.own, n_threads)
    start, end, events = (empty(len(begin) - 1, np.int64) for _ in range(3))
    kernels.edges(begin, index.tick, n_threads, start, end, events)
    room = index.let_go(rows=False)
    same = _none() if before is None else np.empty(len(start), np.int64)
    name, user = _names(columns, offset, start, n_threads, before, same) if named else _no_names(offset)
    return Sessions(columns, start, end, events, name, user, gap_reasons(name), begin, same=same, room=room)


def _of_slots(index: EventIndex, gap: int, n_threads: int, with_rows: bool, named: bool) -> Sessions:
    columns = index.columns
    n = len(columns.code)
    room, more, label = empty(n, np.int64), empty(n, np.int64), empty(n if with_rows else 0, np.int32)
    rooms = room, more.view(np.int32)[:n]
    offset, start, end, events = kernels.sessionize_slots(
        columns.code, columns.tick, index.offset, gap, columns.own, n_threads, *rooms, label
    )
    name, user = _names(columns, offset, start, n_threads) if named else _no_names(offset)
    found = Sessions(columns, start, end, events, name, user, gap_reasons(name), label=label)
    found.room.extend((room, more))
    return found


def _of_arrivals(columns: EventColumns, gap: int, n_threads: int, named: bool) -> Sessions:
    label = empty(len(columns.code), np.int32)
    offset, start, end, events, session = kernels.sessionize_arrival(
        columns.code, columns.tick, columns.n_users, gap, columns.own, n_threads, label
    )
    name, user = _names(columns, offset, start, n_threads) if named else _no_names(offset)
    reason = gap_reasons(name)
    return Sessions(columns, start, end, events, name, user, reason, label=label, session=session)


def _of_rules(call: str, index: EventIndex, rules: Rules, n_threads: int) -> Sessions:
    read = rule_columns(call, index.house, index.columns, index.roles, rules, n_threads)
    return walk(index, rules, read, n_threads)


def walk(
    index: EventIndex, rules: Rules, read: RuleColumns, n_threads: int, before: Int64 | None = None
) -> Sessions:
    """Sessions by all rules. ``before`` int64[3, n_users] has how many sessions of a user came before these,
    when the last of them began, and how many earlier ones began in its microsecond (-1 where that counts for
    nothing); none came where None.
    """
    columns, length = index.columns, index.columns.tick_length
    offset, begin, start, end, events, until, reason, copy = rule_kernels.find_ruled_sessions(
        index.offset,
        index.row,
        index.tick,
        rules.gap_ticks(length),
        columns.own,
        read.gap,
        rules.duration_ticks(length),
        rules.most_events,
        read.edge,
        read.mark,
        read.value,
        _SPLIT_NULL[rules.split_null],
        read.key,
        read.last,
        read.events,
        n_threads,
    )
    same = np.empty(len(end), np.int64)
    room = index.let_go(rows=False)
    name, user = _names(columns, offset, start, n_threads, before, same)
    table = (columns, start, end, events, name, user, reason)
    return Sessions(*table, begin, copy, until=until, same=same, room=room)


def gap_reasons(name: Int64) -> UInt8:
    """Where silence alone decides."""
    reason: UInt8 = np.multiply(name[:, 1] != 1, BY_GAP)  # else 0, "first"
    return reason


def _names(
    columns: EventColumns,
    offset: Int64,
    start: Int64,
    n_threads: int,
    before: Int64 | None = None,
    same: Int64 | None = None,
) -> tuple[Int64, Int32]:
    before = np.empty((3, 0), np.int64) if before is None else before
    same = _none() if same is None else same
    name, user = empty((len(start), 2), np.int64), empty(len(start), np.int32)
    keys, length = columns.keys, columns.tick_length
    key = (keys.offset, keys.data, columns.own)
    kernels.session_ids(offset, start, length, *key, n_threads, before, name, user, same)
    return name, user


def _no_names(offset: Int64) -> tuple[Int64, Int32]:
    user = np.repeat(np.arange(len(offset) - 1, dtype=np.int32), np.diff(offset))
    return np.empty((0, 2), np.int64), user


def labels(found: Sessions, index: EventIndex, n_threads: int) -> Int32:
    """The session of each row, -1 where it has none."""
    n = len(index)
    if found.label is not None and not len(found.session):
        return found.label
    if found.label is not None:
        session = np.append(found.session, -1).astype(np.int32)  # a label of -1 finds the last
        return session[found.label]
    label = empty(n, np.int32)
    if int(index.offset[-1]) < n:
        label.fill(-1)
    row = index.row if not index.is_log else np.arange(n)
    kernels.label_rows(found.begin, row, n_threads, label)
    rule_kernels.label_copies(row, found.copy, label)
    return label


def row_columns(
    found: Sessions, index: EventIndex, n_threads: int, *, reason: bool, long_after: int | None
) -> pl.DataFrame:
    """``session_id`` and ``session_number`` of each row, and what else was asked of its session."""
    lie_together = index.is_log and found.label is None
    more = reason or long_after is not None
    name, label = found.name, None
    if more or not (lie_together or found.label is not None):
        label = labels(found, index, n_threads)
    elif found.label is not None:
        label = found.label
        if len(found.session) and len(name):  # in the order in which sessions open, and so are their names
            name = np.take(name, found.session, axis=0, mode="wrap")
    found.room.extend(index.let_go())
    row_id, row_number = (_room(found, len(index)) for _ in ROW_COLUMNS)
    if label is None:
        kernels.name_runs(found.begin, found.name, n_threads, row_id, row_number)
        rule_kernels.name_copies(found.copy, row_id, row_number)
    else:
        kernels.name_rows(label, name, n_threads, row_id, row_number)
    rows = frame_of(dict(zip(ROW_COLUMNS, (row_id, row_number), strict=True)))
    if more:
        of_session = frame_of(_extras(found, reason, long_after))
        session = pl.Series(label)
        session = session.to_frame("at").select(pl.when(pl.col("at") >= 0).then("at")).to_series()
        rows = rows.hstack(of_session.select(pl.all().gather(session)))
    if int(found.columns.count.sum()) < len(index):
        has_one = pl.col("session_number") > 0
        rows = rows.with_columns(pl.when(has_one).then(pl.col(name)).alias(name) for name in ROW_COLUMNS)
    return rows


def _room(found: Sessions, n_rows: int) -> Int64:
    """Memory of one answer alone, also where several threads ask one index."""
    try:
        return found.room.pop()
    except IndexError:
        return empty(n_rows, np.int64)


def _extras(found: Sessions, reason: bool, long_after: int | None) -> dict[str, pl.Series]:
    extras = {}
    if reason:
        extras["session_reason"] = _WORDS[pl.Series(found.reason.astype(np.uint32))]
    if long_after is not None:
        most = _options.ticks_below(long_after, found.columns.tick_length, 2**64 - 1)
        extras["session_is_long"] = pl.Series(found.end.view(np.uint64) - found.start.view(np.uint64) > most)
    return extras


def table(found: Sessions, house: pl.DataFrame, roles: EventRoles, long_after: int | None) -> pl.DataFrame:
    """The table of sessions in the house frame, names and types of the log kept."""
    keys = keys_of(found.columns, {name: house[name] for name in roles.user})
    return table_of(found, keys, house.schema[roles.time], long_after)


def keys_of(columns: EventColumns, users: Mapping[str, pl.Series]) -> dict[str, pl.Series]:
    """Columns of the log that name a user, by code. Users are few, and their rows far apart: each is fetched
    once, then given to its sessions.
    """
    has_own = columns.own >= 0
    first = pl.Series(columns.keys.first[: columns.own] if has_own else columns.keys.first)
    keys = {name: column[first] for name, column in users.items()}
    if has_own:  # the shared code of rows without a user, behind all others, has no key
        keys = {name: values.extend_constant(None, 1) for name, values in keys.items()}
    return keys


def table_of(
    found: Sessions, keys: Mapping[str, pl.Series], time: pl.DataType, long_after: int | None
) -> pl.DataFrame:
    """The table of sessions; ``keys`` name its users, ``time`` is the type of the log's times."""
    user, start, end = pl.Series(found.user.view(np.uint32)), pl.Series(found.start), pl.Series(found.end)
    return frame_of(
        {
            **{name: values[user] for name, values in keys.items()},
            "session_id": found.name[:, 0],
            "session_number": found.name[:, 1],
            "start": times(start, time),
            "end": times(end, time),
            "duration": _lengths(_apart(found), _duration(time), found.columns.tick_length),
            "events": found.events,
            **_extras(found, True, long_after),
        }
    )


def frame_of(columns: Mapping[str, Any]) -> pl.DataFrame:
    """Columns of one length, arrays or Series. Given a mapping, Polars would look at each value first."""
    return pl.DataFrame(
        [
            values.alias(name) if isinstance(values, pl.Series) else pl.Series(name, values)
            for name, values in columns.items()
        ]
    )


def times(ticks: pl.Series, dtype: pl.DataType) -> pl.Series:
    """Ticks as the time column had them."""
    return ticks.cast(pl.Int32).cast(dtype) if dtype == pl.Date else ticks.cast(dtype)


def _apart(found: Sessions) -> pl.Series:
    """Ticks from start to end; null where an int64 cannot hold them, and would be negative."""
    apart = found.end - found.start
    ticks = pl.Series(apart)
    if len(apart) and apart.min() < 0:
        ticks = ticks.to_frame("ticks").select(pl.when(pl.col("ticks") >= 0).then("ticks")).to_series()
    return ticks


def _lengths(ticks: pl.Series, dtype: pl.DataType, tick_length: int) -> pl.Series:
    """Ticks as a duration; days of a date column in milliseconds, integers as they are."""
    if not isinstance(dtype, pl.Duration):
        return ticks.cast(dtype)
    unit = _options.NANOSECONDS[dtype.time_unit]
    per = tick_length // unit
    return (ticks if per == 1 else ticks * per).cast(dtype)


def table_schema(before: pl.Schema, roles: EventRoles) -> pl.Schema:
    time = before[roles.time]
    return pl.Schema(
        {
            **{name: before[name] for name in roles.user},
            "session_id": pl.Int64(),
            "session_number": pl.Int64(),
            "start": time,
            "end": time,
            "duration": _duration(time),
            "events": pl.Int64(),
            "session_reason": REASON,
        }
    )


def _duration(time: pl.DataType) -> pl.DataType:
    if isinstance(time, pl.Datetime):
        return pl.Duration(time.time_unit)
    return pl.Duration("ms") if time == pl.Date else pl.Int64()
