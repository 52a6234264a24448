"""A part of a log as an engine brings it: whole users, sorted by user and time, frame after frame.

What an engine promises is looked at: one that drops the sort, or cuts a user in two, is found out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from cxcore import errors
from cxcore._columns import EventRoles

#: rows that are worth a call of the kernels; Spark brings 10,000 at once
PIECE = 1 << 18


def in_order(call: str, frames: Iterator[pl.DataFrame], roles: EventRoles) -> Iterator[pl.DataFrame]:
    """The frames of a part as larger pieces, refused where they do not come in order."""
    last: pl.DataFrame | None = None
    for house in _pieces(frames):
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


def _pieces(frames: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    held: list[pl.DataFrame] = []
    n = 0
    for frame in frames:
        held.append(frame)
        n += len(frame)
        if n >= PIECE:
            yield pl.concat(held, rechunk=True)
            held, n = [], 0
    if n:
        yield pl.concat(held, rechunk=True)


def whole_users(pieces: Iterator[pl.DataFrame], users: Sequence[str]) -> Iterator[pl.DataFrame]:
    """The same rows, cut between users: memory holds a piece and the largest user."""
    held: list[pl.DataFrame] = []
    for piece in pieces:
        start = len(piece) - _last_run(piece, users)
        if start:
            yield pl.concat([*held, piece.head(start)], rechunk=True)
            held = [piece[start:]]
        elif held and not _named(held[-1].tail(1), users).equals(_named(piece.head(1), users)):
            yield pl.concat(held, rechunk=True)
            held = [piece]
        else:
            held.append(piece)
    if held:
        yield pl.concat(held, rechunk=True)


def _last_run(piece: pl.DataFrame, users: Sequence[str]) -> int:
    """Rows of the last user, who lies at the end: pieces are in order."""
    same = pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).last()) for name in users)
    return int(_named(piece, users).select(same.sum()).item())


def _named(rows: pl.DataFrame, users: Sequence[str]) -> pl.DataFrame:
    return rows.select(_keys(users))
