"""A batch of a stream as it is kept: its columns checked, its rows folded where silence alone decides."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from cxcore import errors
from cxcore._columns import EventColumns, Int32, Int64, event_columns, marks
from cxcore._index import EventIndex, index_columns
from cxcore._rule_columns import RuleColumns, rule_columns, split_codes, split_columns
from cxcore.engines import open_frame
from cxcore.sessions.found import Sessions, find, labels, times, walk
from cxcore.sessions.kept import BESIDE, Kept, Plan, blank, folded, put, session_of_row
from cxcore.sessions.measures import summands


@dataclass(frozen=True, eq=False)
class Batch:
    """Rows of a batch, to be pooled with what is kept.

    Of each there is either its ``row`` in the batch, or the ``stretch`` that it is of, a session of the batch
    alone; -1 where it has none. Both int64.
    """

    rows: pl.DataFrame
    row: Int64
    stretch: Int64
    #: all rows of the batch, one for one, and the sessions of the batch alone
    events: pl.DataFrame
    index: EventIndex
    found: Sessions | None

    @cached_property
    def label(self) -> Int32:
        """The stretch of each row of the batch, -1 where it has none."""
        assert self.found is not None
        return labels(self.found, self.index, self.index.n_threads)

    def rows_behind(self, which: Int64) -> Int64:
        """Rows of the batch for which some of the pooled ones stand."""
        stretch = self.stretch[which]
        if not (stretch >= 0).any():
            return self.row[which]
        behind = np.flatnonzero(np.isin(self.label, stretch[stretch >= 0]))
        return np.sort(np.append(self.row[which][stretch < 0], behind))

    def unfolded(self, which: Int64) -> Batch:
        """The rows themselves in the place of some stretches."""
        stretch = np.unique(self.stretch[which])
        stays = np.flatnonzero(~np.isin(self.stretch, stretch))
        row = np.flatnonzero(np.isin(self.label, stretch))
        rows = pl.concat([self.rows[stays], self.events[row]])
        return replace(
            self,
            rows=rows,
            row=np.append(self.row[stays], row),
            stretch=np.append(self.stretch[stays], np.full(len(row), -1)),
        )


def batch_of(call: str, house: pl.DataFrame, kept: Kept | None, plan: Plan) -> Batch:
    """A batch, its columns checked; without the rows that have no session."""
    columns = event_columns(call, house, plan.roles, n_threads=plan.n_threads)
    read = rule_columns(call, house, columns, plan.roles, plan.rules, plan.n_threads)
    events = _as_before(call, _events(call, house, columns, read, kept, plan), kept, plan)
    engine, frame = open_frame(call, events)
    index = index_columns(columns, plan.inside, events, engine, frame, n_threads=plan.n_threads)
    if plan.folds(events):
        return _in_stretches(call, events, index, read, plan)
    row = np.flatnonzero(columns.code >= 0)
    rows = events if len(row) == len(events) else events[row]
    return Batch(rows, row, np.full(len(row), -1), events, index, None)


def _events(
    call: str, house: pl.DataFrame, columns: EventColumns, read: RuleColumns, kept: Kept | None, plan: Plan
) -> pl.DataFrame:
    made: dict[str, Any] = {inside: house[name] for inside, name in plan.users.items()}
    made["time"] = house[plan.roles.time]
    if plan.roles.order is not None:
        made["order"] = house[plan.roles.order]
    if plan.has_gaps:
        made["gap"] = read.gap
    if plan.has_marks:
        made["mark"] = read.mark
    made |= dict(zip(plan.splits, split_columns(call, house, plan.rules), strict=True))
    made |= {inside: house[name] for name, inside in plan.edges.items()}
    for inside, name in plan.sums.items():
        untyped = kept is not None and house[name].dtype == pl.Null()
        made[inside] = house[name] if untyped else summands(call, house[name])
    for inside, name in plan.anys.items():
        made[inside] = marks(call, "any", house, name)
    made |= {"last": columns.tick, "events": np.ones(len(house), np.int64)}
    nothing = blank(pl.Int64(), len(house))
    made |= {name: nothing for name in BESIDE if name not in made}
    return pl.DataFrame(made)


def _as_before(call: str, events: pl.DataFrame, kept: Kept | None, plan: Plan) -> pl.DataFrame:
    """The columns of a batch in the types of the first one; refused where they are others."""
    if kept is None:
        return events
    outside = {inside: ("user", name) for inside, name in plan.users.items()}
    outside |= {"time": ("time", plan.roles.time), "order": ("order", plan.roles.order or "")}
    for name, inside in plan.edges.items():
        outside[inside] = ("first" if name in plan.measures.first else "last", name)
    outside |= {inside: ("sum", name) for inside, name in plan.sums.items()}
    untyped: dict[str, Any] = {}
    for name, now in events.schema.items():
        dtype = kept.open.schema[name]
        if now == dtype or dtype == pl.Null():
            continue
        if now == pl.Null():
            untyped[name] = events[name].cast(dtype)
        else:
            role, column = outside.get(name, ("split_on", name))
            wants = f"had {dtype} in the batches before"
            raise errors.wrong_dtype(call, role, column, now, wants, "cast it, or start another stream.")
    return put(events, untyped)


def _in_stretches(call: str, events: pl.DataFrame, index: EventIndex, read: RuleColumns, plan: Plan) -> Batch:
    """The sessions of a batch alone, each as one row and those of its first and last values."""
    columns, ordered = index.columns, plan.measures.names or plan.roles.order is not None
    if plan.has_gaps:
        values = split_codes(call, [], len(events), plan.n_threads)
        read = replace(read, value=values, last=columns.tick, events=events["events"].to_numpy())
        found = walk(index, plan.rules, read, plan.n_threads)
    else:
        is_walked = bool(ordered) or columns.own >= 0
        found = find(call, index, plan.rules, plan.n_threads, "events" if is_walked else "rows")
    if found.label is None:
        every = np.ones(len(found.start), np.bool_)
        of_row = session_of_row(index, found)
        rows, at = folded(call, index, found, of_row, every, plan)
        stretch = of_row[at]
    else:  # no row stands for a session, but none is asked for
        stretch = np.arange(len(found.start))
        rows = events[columns.keys.first[found.user]]
        time = times(pl.Series(found.start), events.schema["time"])
        rows = put(rows, {"time": time, "last": found.end, "events": found.events})
    return Batch(rows, np.full(len(rows), -1), stretch, events, index, found)
