"""Sessions of a log larger than memory: part by part (``spill=``), or user by user (``sorted_by_user=``)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import polars as pl

from cxcore._columns import EventRoles, needed
from cxcore._index import EventIndex, index_of
from cxcore._spill import LAST, ROW
from cxcore.engines.base import Engine
from cxcore.sessions.found import find, row_columns, table
from cxcore.sessions.measures import Measures, measure
from cxcore.sessions.rules import Rules

#: ``_spill.by_parts`` of some folder, or ``_by_user.by_user``: what cuts a log into parts of whole users
Cut = Callable[..., pl.LazyFrame]


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
    rules, more = _on_columns(rules)

    def compute(part: pl.DataFrame) -> pl.DataFrame:
        index = index_of(call, part, roles, engine, frame, n_threads=n_threads, is_passing=True)
        found = find(call, index, rules, n_threads, "rows")
        new = row_columns(found, index, n_threads, reason=reason, long_after=rules.long_after)
        return part.drop(*more).hstack(new)

    read = needed(roles.columns, *rules.roles.values())
    return cut(call, frame, roles, read, more, compute, pl.Schema({**before, **added}))


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
    rules, more = _on_columns(rules)

    def compute(part: pl.DataFrame) -> pl.DataFrame:
        index = index_of(call, part, roles, engine, frame, n_threads=n_threads, is_passing=True)
        found = find(call, index, rules, n_threads, "events" if measures.names else "table")
        measured = measure(call, found, index, measures, n_threads)
        index.let_go()
        sheet = table(found, part, roles, rules.long_after).hstack(measured)
        return sheet.with_columns(_first_rows(part, index).gather(found.user).alias(ROW))

    return cut(call, frame, roles, read, more, compute, schema(before))


def _first_rows(part: pl.DataFrame, index: EventIndex) -> pl.Series:
    """Where each user stands in the log for the first time; rows without a user come last."""
    first = part[ROW].gather(index.columns.keys.first)
    return first if index.columns.own < 0 else first.append(pl.Series([LAST]))


def _on_columns(rules: Rules) -> tuple[Rules, dict[str, pl.Expr]]:
    """Rules that read columns alone, and the expressions of those: they are to see the log, not a part."""
    more: dict[str, pl.Expr] = {}

    def column(role: str, value: Any) -> Any:
        if not isinstance(value, pl.Expr):
            return value
        name = f"cxcore: {role} {value.meta.output_name()}"
        more[name] = value
        return name

    gap = column("gap", rules.gap)
    return replace(
        rules,
        gap=pl.col(gap) if isinstance(gap, str) else gap,
        start_on=column("start_on", rules.start_on),
        end_on=column("end_on", rules.end_on),
        split_on=tuple(column(f"split_on {at}", part) for at, part in enumerate(rules.split_on)),
        keep_alive=column("keep_alive", rules.keep_alive),
    ), more
