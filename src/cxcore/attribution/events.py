"""From a verb's frame or index to journeys: roles, checks, and the way on every engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal, cast

import polars as pl

from cxcore import _options, errors
from cxcore._columns import (
    MOST_ROWS,
    EventRoles,
    Int64,
    check_roles,
    event_columns,
    key_column,
    needed,
    tie_order,
    time_ticks,
)
from cxcore._index import EventIndex, check_event_roles, event_roles, index_columns
from cxcore.attribution.base import Model
from cxcore.attribution.groups import Groups
from cxcore.attribution.journeys import Touchpoints, Windows, looked_at, touchpoints
from cxcore.attribution.partials import Partials, order_of, parts_of
from cxcore.engines import open_frame
from cxcore.engines.base import Engine, Parts, Whole

#: index, what its rows say, the channels that some user met, the groups
Answer = Callable[[EventIndex, Touchpoints, Int64, Groups | None], pl.DataFrame]


def roles_of(call: str, events: Any, user: Any, time: Any, order: Any, time_unit: Any) -> EventRoles:
    """The roles of the log: those of the index, or those given."""
    if not isinstance(events, EventIndex):
        return event_roles(call, user=user, time=time, order=order, time_unit=time_unit)
    roles = {"user": user, "time": time, "order": order, "time_unit": time_unit}
    given = [name for name, role in roles.items() if role is not None]
    if given:
        raise errors.not_with_index(call, given)
    return events.roles


def check_names(call: str, columns: Mapping[str, Any]) -> None:
    """Roles of one column each are names, and some column says what converts."""
    for role, name in columns.items():
        if name is not None or role == "channel":
            _options.column_name(call, role, name)
    if columns["conversion"] is None and columns["value"] is None:
        raise errors.missing_argument(call, ["conversion", "value"], "say which rows are conversions.")


def answer_of_events(
    call: str,
    events: Any,
    roles: EventRoles,
    others: Mapping[str, Any],
    by: Any,
    models: Sequence[Model],
    windows: Windows,
    answer: Answer,
    schema: Callable[[pl.Schema], pl.Schema],
    partials: Callable[[], Partials | Literal["rows", "whole"]] | None = None,
) -> Any:
    """Reads and checks the log, sorts it where it is not an index, and gives the answer in its flavor.

    ``partials`` is asked by engines that spread rows: the answer may be rows of each part, or need all rows.
    """
    if isinstance(events, EventIndex):
        check_roles(call, events.house.columns, {**others, "by": by})
        log = touchpoints(call, events.house, models, **others, n_threads=windows.n_threads)
        who = None if len(events.tick) == len(events.columns.code) else pl.Series(events.columns.code) >= 0
        log, groups = log.by(call, events.house, roles, by, who, windows, events.columns.code)
        return events.engine.from_house(events.frame, answer(events, log, log.met(who), groups))
    engine, frame = open_frame(call, events)
    check_event_roles(call, engine.columns(frame), roles, **others, by=by)

    asked = (call, roles, others, by, models)

    def compute(house: pl.DataFrame) -> pl.DataFrame:
        return _computed(*asked, windows, answer, house, engine, frame)

    def spread() -> Parts | Whole:
        some = "rows" if partials is None else partials()
        more = needed(*others.values(), by)
        if some == "whole":
            return Whole((*roles.user, *order_of(roles, more)))
        alone = replace(windows, n_threads=1)
        if some == "rows":
            part = partial(_of_part, *asked, alone, answer)
            return parts_of(call, roles, others["value"], more, part, None, None, part)
        return by_parts(some, alone, more)

    def by_parts(some: Partials, alone: Windows, more: list[str], checked: bool = False) -> Parts:
        def merge(partials: pl.DataFrame) -> pl.DataFrame | Parts:
            found = some.merge(partials)
            return found if isinstance(found, pl.DataFrame) else by_parts(found, alone, more, True)

        part = partial(_of_part, *asked, alone, some.answer)
        check = _as_it_is if checked else part
        return parts_of(call, roles, others["value"], more, part, some.schema, merge, check)

    read, how = needed(roles.columns, *others.values(), by), None if partials is None else spread
    return engine.summary(call, frame, read, compute, schema, how)


def _as_it_is(house: pl.DataFrame) -> pl.DataFrame:
    """Types that the first walk has checked."""
    return house


def _of_part(call: str, *asked: Any) -> pl.DataFrame:
    """In a worker, which knows no frame but its own: the last of what is asked."""
    engine, frame = open_frame(call, asked[-1])
    compute: Any = _computed
    return cast(pl.DataFrame, compute(call, *asked, engine, frame))


def _computed(
    call: str,
    roles: EventRoles,
    others: Mapping[str, Any],
    by: Any,
    models: Sequence[Model],
    windows: Windows,
    answer: Answer,
    house: pl.DataFrame,
    engine: Engine,
    frame: Any,
) -> pl.DataFrame:
    _check_log(call, house, roles)
    log = touchpoints(call, house, models, **others, n_threads=windows.n_threads)
    who = _has_user(house, roles)
    met = log.met(who)
    log, groups = log.by(call, house, roles, by, who, windows)
    columns, log = looked_at(call, house, roles, log, windows)
    index = index_columns(columns, roles, house, engine, frame, n_threads=windows.n_threads)
    return answer(index, log, met, groups)


def _check_log(call: str, house: pl.DataFrame, roles: EventRoles) -> None:
    """Refuse a log as a whole: what comes after reads some of its rows, and would count those alone.

    Where no time is null and the rows are not too many, types are all that can be wrong.
    """
    if len(house) > MOST_ROWS or house[roles.time].null_count() > 0:
        event_columns(call, house, roles, n_threads=1)
        return
    nothing = house.clear()
    for name in roles.user:
        key_column(call, "user", nothing[name])
    time_ticks(call, nothing, roles.time, roles.time_unit)
    tie_order(call, nothing, roles.order)


def _has_user(house: pl.DataFrame, roles: EventRoles) -> pl.Series | None:
    """Which rows say who; None: all do."""
    if not any(house[name].null_count() for name in roles.user):
        return None
    return house.select(pl.all_horizontal(pl.col(roles.user).is_not_null())).to_series()
