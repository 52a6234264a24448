"""Sessions of a log larger than memory: part by part (``spill=``), or user by user (``sorted_by_user=``)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import polars as pl

from cxcore._columns import EventRoles, needed
from cxcore._index import EventIndex, index_of
from cxcore._spill import LAST, ROW, numbered
from cxcore.engines.base import Compute, Engine
from cxcore.engines.polars import deferred
from cxcore.sessions.found import find, row_columns, table
from cxcore.sessions.measures import Measures, measure
from cxcore.sessions.rules import Rules

#: ``_spill.by_parts`` of some folder, or ``_by_user.by_user``: from a call, a log with ``ROW``, its roles and
#: what gives the answer of some whole users, with ``ROW``, to the answers of all
Cut = Callable[[str, pl.LazyFrame, EventRoles, Compute], Iterator[pl.DataFrame]]


def rows_by_parts(
    call: str,
    cut: Cut,
    engine: Engine,
    frame: pl.LazyFrame,
    roles: EventRoles,
    rules: Rules,
    reason: bool,
    added: pl.Schema,
    n_threads: int,
) -> pl.LazyFrame:
    """As ``sessionize`` does it: every row of the log, in its place."""
    before = frame.collect_schema()
    rules, more = rules.on_columns()

    def compute(part: pl.DataFrame) -> pl.DataFrame:
        index = index_of(call, part, roles, engine, frame, n_threads=n_threads, is_passing=True)
        found = find(call, index, rules, n_threads, "rows")
        new = row_columns(found, index, n_threads, reason=reason, long_after=rules.long_after)
        return part.drop(*more).hstack(new)

    read = needed(roles.columns, *rules.roles.values())
    return _passing(call, cut, frame, roles, read, more, compute, pl.Schema({**before, **added}))


def table_by_parts(
    call: str,
    cut: Cut,
    engine: Engine,
    frame: pl.LazyFrame,
    roles: EventRoles,
    rules: Rules,
    measures: Measures,
    schema: Callable[[pl.Schema], pl.Schema],
    n_threads: int,
) -> pl.LazyFrame:
    """As ``sessions`` does it: the users in order of first appearance in the log."""
    read = needed(roles.columns, *rules.roles.values(), *measures.roles.values())
    before = frame.collect_schema()
    rules, more = rules.on_columns()

    def compute(part: pl.DataFrame) -> pl.DataFrame:
        index = index_of(call, part, roles, engine, frame, n_threads=n_threads, is_passing=True)
        found = find(call, index, rules, n_threads, "events" if measures.names else "table")
        measured = measure(call, found, index, measures, n_threads)
        index.let_go()
        sheet = table(found, part, roles, rules.long_after).hstack(measured)
        return sheet.with_columns(_first_rows(part, index).gather(found.user).alias(ROW))

    return _passing(call, cut, frame, roles, read, more, compute, schema(before))


def _first_rows(part: pl.DataFrame, index: EventIndex) -> pl.Series:
    """Where each user stands in the log for the first time; rows without a user come last."""
    first = part[ROW].gather(index.columns.keys.first)
    return first if index.columns.own < 0 else first.append(pl.Series([LAST]))


def _passing(
    call: str,
    cut: Cut,
    frame: pl.LazyFrame,
    roles: EventRoles,
    read: Sequence[str],
    more: Mapping[str, pl.Expr],
    compute: Compute,
    schema: pl.Schema,
) -> pl.LazyFrame:
    """The answers of all parts; the work waits until they are read.

    ``compute`` takes rows in their order, with ``ROW``, the columns ``read`` and ``more`` (expressions, which
    may look at the whole log), and those that the query wants; it gives ``schema``, as far as it is wanted,
    and ``ROW``.
    """

    def pieces(wanted: Sequence[str]) -> Iterator[pl.DataFrame]:
        log = numbered(frame, read, more, wanted)
        is_empty = True
        for piece in cut(call, log, roles, compute):
            yield piece
            is_empty = False
        if is_empty:  # a log without rows has its checks, too
            yield compute(log.collect())

    return deferred(schema, pieces, f"cxcore {call}, part by part")
