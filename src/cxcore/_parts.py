"""A part of a log as an engine brings it: whole users, sorted by user and time, frame after frame.

What an engine promises is looked at: one that drops the sort, or cuts a user in two, is found out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import polars as pl

from cxcore import errors
from cxcore._columns import EventRoles

#: rows that are worth a call of the kernels; Spark brings 10,000 at once
PIECE = 1 << 18


def in_order(call: str, frames: Iterator[pl.DataFrame], roles: EventRoles) -> Iterator[pl.DataFrame]:
    """The frames of a part as larger pieces, refused where they do not come in order."""
    last: pl.DataFrame | None = None
    for house in map(pl.DataFrame.rechunk, gathered(frames, PIECE)):
        rows = house.select(roles.columns).with_columns(_keys(roles.user))
        if last is not None:
            rows = pl.concat([last, rows])
        if not rows.select(pl.struct(pl.all())).to_series().is_sorted():
            raise errors.not_in_order(call, roles.columns)
        last = rows.tail(1)
        yield house


def _keys(users: Sequence[str]) -> list[pl.Expr]:
    """Columns that name a user: who lacks one of several is nobody, and nobody is alike."""
    is_someone = pl.all_horizontal(pl.col(users).is_not_null())
    return [pl.when(is_someone).then(pl.col(name)).alias(name) for name in users]


def gathered(frames: Iterator[pl.DataFrame], least: int) -> Iterator[pl.DataFrame]:
    """The same rows in pieces of ``least`` rows or more, but for the last."""
    held: list[pl.DataFrame] = []
    n = 0
    for frame in frames:
        held.append(frame)
        n += len(frame)
        if n >= least:
            yield pl.concat(held)
            held, n = [], 0
    if n:
        yield pl.concat(held)


def whole_users(pieces: Iterator[pl.DataFrame], users: Sequence[str]) -> Iterator[pl.DataFrame]:
    """The same rows, which lie in order, cut between users."""
    before: pl.DataFrame | None = None

    def begin_of_last_user(piece: pl.DataFrame) -> int | None:
        nonlocal before
        begin = len(piece) - _last_run(piece, users)
        goes_on = begin == 0 and before is not None and before.equals(_named(piece.head(1), users))
        before = _named(piece.tail(1), users)
        return None if goes_on else begin

    return map(pl.DataFrame.rechunk, between_users(pieces, begin_of_last_user))


def between_users(
    pieces: Iterator[pl.DataFrame], begin_of_last_user: Callable[[pl.DataFrame], int | None]
) -> Iterator[pl.DataFrame]:
    """The same rows, cut between users: memory holds a piece and the largest user.

    ``begin_of_last_user`` is asked piece after piece: where all users but the last one have ended; None where
    the one before goes on to the end of the piece.
    """
    held: list[pl.DataFrame] = []
    for piece in pieces:
        begin = begin_of_last_user(piece)
        if begin is None:
            held.append(piece)
            continue
        if held or begin:
            yield pl.concat([*held, piece.head(begin)])
        held = [piece[begin:]]
    if any(map(len, held)):
        yield pl.concat(held)


def _last_run(piece: pl.DataFrame, users: Sequence[str]) -> int:
    """Rows of the last user, who lies at the end: pieces are in order."""
    same = pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).last()) for name in users)
    return int(_named(piece, users).select(same.sum()).item())


def _named(rows: pl.DataFrame, users: Sequence[str]) -> pl.DataFrame:
    return rows.select(_keys(users))
