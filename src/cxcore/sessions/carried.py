"""Sessions of a part that comes sorted, piece after piece: the session that may go on is carried along.

Memory holds a piece and the rows of one session, however many rows its user has. A rule that looks at more
than one session (``unique``, expressions that are no function of one row) has its users whole, in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from cxcore import errors
from cxcore._columns import EventRoles, Int64, needed
from cxcore._index import EventIndex, index_of
from cxcore._parts import in_order, whole_users
from cxcore.engines import open_frame
from cxcore.engines.base import Parts, Walk
from cxcore.sessions.found import Sessions, find_next, row_columns, table
from cxcore.sessions.measures import Measures, measure
from cxcore.sessions.rules import Rules


@dataclass(frozen=True, slots=True)
class Carry:
    """Rows of the session that is open, why it began, and of its user, as ``walk`` takes it: how many
    sessions came before it, when the last of these began, how many earlier ones began in its microsecond.
    """

    rows: pl.DataFrame
    reason: int
    before: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Piece:
    """Sessions of a piece, of which the one with the number ``open`` may go on (None: all are closed); its
    rows are the last, and ``n_closed`` come before it.
    """

    index: EventIndex
    found: Sessions
    open: int | None
    n_closed: int


def row_parts(call: str, roles: EventRoles, rules: Rules, id: str, reason: bool) -> Parts:
    """``sessionize`` by parts of whole users."""
    ties = needed(*rules.roles.values()) if rules.reads_order else []
    return _parts(call, roles, id, ties, row_walk(call, roles, rules, reason=reason))


def table_parts(call: str, roles: EventRoles, rules: Rules, id: str, measures: Measures) -> Parts:
    """``sessions`` by parts of whole users."""
    is_read = rules.reads_order or measures.names  # sums of floats have an order, too
    ties = needed(*measures.roles.values(), *rules.roles.values()) if is_read else []
    return _parts(call, roles, id, ties, table_walk(call, roles, rules, measures))


def _parts(call: str, roles: EventRoles, id: str, ties: Sequence[str], walk: Walk) -> Parts:
    """Rows there have no place in a log: those of one instant that ``order`` does not tell apart are in order
    of what is read of them, where it matters.
    """
    if id == "dense":
        hint = "take id='stable', or count the sessions of the answer."
        raise errors.bad_option(call, "id", id, "counts all sessions, and a worker sees some users.", hint)
    order = (roles.time, *(() if roles.order is None else (roles.order,)))
    more = tuple(name for name in ties if name not in (*order, *roles.user))
    return Parts(roles.user, (*order, *more), walk, (roles.time,))


def row_walk(call: str, roles: EventRoles, rules: Rules, *, reason: bool) -> Walk:
    """What ``sessionize`` says of each row, in the order of the rows."""

    def walk(frames: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        pending: pl.DataFrame | None = None
        for piece in _pieces(call, frames, roles, rules):
            new = row_columns(piece.found, piece.index, 1, reason=reason, long_after=rules.long_after)
            yield new.head(piece.n_closed)
            pending = new[piece.n_closed :]
        if pending is not None:
            yield pending

    return walk


def table_walk(call: str, roles: EventRoles, rules: Rules, measures: Measures) -> Walk:
    """Rows of the table of ``sessions``, once they are closed."""

    def walk(frames: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        pending: pl.DataFrame | None = None
        for piece in _pieces(call, frames, roles, rules):
            measured = measure(call, piece.found, piece.index, measures, 1)
            sheet = table(piece.found, piece.index.house, roles, rules.long_after).hstack(measured)
            pending = None
            if piece.open is not None:
                is_open = pl.Series(np.arange(len(sheet)) == piece.open)
                pending, sheet = sheet.filter(is_open), sheet.filter(~is_open)
            yield sheet
        if pending is not None:
            yield pending

    return walk


# ---------------------------------------------------------------- piece after piece


def _pieces(call: str, frames: Iterator[pl.DataFrame], roles: EventRoles, rules: Rules) -> Iterator[Piece]:
    whole = rules.sees_more_than_a_row
    rules, more = rules.on_columns(copy_splits=True)
    pieces = in_order(call, frames, roles)
    carry: Carry | None = None
    ahead: list[pl.DataFrame] = []  # as much is read as is carried, or a long session is walked over and over
    for house in whole_users(pieces, roles.user) if whole else pieces:
        ahead.append(house)
        if carry is not None and sum(map(len, ahead)) < len(carry.rows):
            continue
        piece, carry = _step(call, pl.concat(ahead), more, carry, roles, rules, whole)
        ahead = []
        yield piece
    if ahead:
        piece, carry = _step(call, pl.concat(ahead), more, carry, roles, rules, whole)
        yield piece


def _step(
    call: str,
    new: pl.DataFrame,
    more: dict[str, pl.Expr],
    carry: Carry | None,
    roles: EventRoles,
    rules: Rules,
    whole: bool,
) -> tuple[Piece, Carry | None]:
    house = new.with_columns(**more)
    if carry is not None:
        house = pl.concat([carry.rows, house], rechunk=True)
    if rules.split_on and rules.split_null == "carry" and not whole:
        with_nulls = [name for name in map(str, rules.split_on) if house[name].null_count()]
        is_event = pl.col(roles.time).is_not_null()  # rows without a time come first, and say nothing
        house = house.with_columns(
            pl.when(is_event).then(pl.col(name)).forward_fill().over(roles.user).alias(name)
            for name in with_nulls
        )
    engine, frame = open_frame(call, house)
    index = index_of(call, house, roles, engine, frame, n_threads=1)
    found = find_next(call, index, rules, _before(index, carry))
    if carry is not None:
        reason = found.reason.copy()
        reason[_of_user(found, int(index.columns.code[0]))[0]] = carry.reason
        found = replace(found, reason=reason)
    code = int(index.columns.code[-1])
    if whole or code < 0:
        return Piece(index, found, None, len(house)), None
    at = int(_of_user(found, code)[-1])
    position = int(found.begin[at])
    n_closed = position if index.is_log else int(index.row[position])
    return Piece(index, found, at, n_closed), _carry(house[n_closed:], found, at, carry, index)


def _of_user(found: Sessions, code: int) -> Int64:
    return np.flatnonzero(found.user == code)


def _before(index: EventIndex, carry: Carry | None) -> Int64:
    """What came before, by user: only the first one has been met."""
    before = np.zeros((3, index.columns.n_users), np.int64)
    before[2] = -1
    if carry is not None:
        before[:, index.columns.code[0]] = carry.before
    return before


def _carry(rows: pl.DataFrame, found: Sessions, at: int, earlier: Carry | None, index: EventIndex) -> Carry:
    """The open session ``at``, which the next piece walks over again from its first row."""
    user = found.user[at]
    if at and found.user[at - 1] == user:
        before = (int(found.name[at, 1]) - 1, int(found.start[at - 1]), int(found.same[at - 1]))
    elif earlier is not None and user == index.columns.code[0]:
        before = earlier.before
    else:
        before = (0, 0, -1)
    return Carry(rows, int(found.reason[at]), before)
