"""What ``touches=True`` gives back: one row for each conversion and touch of its window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from cxcore import _options, errors
from cxcore._columns import EventRoles
from cxcore.attribution.base import Journeys, Model, TouchModel

#: beside the columns that say who
_COLUMNS = ("model", "conversion_time", "touch_time", "channel", "position", "credit", "value")


def check_touches(
    call: str, touches: bool, roles: EventRoles, models: Sequence[Model], beside: Sequence[Any]
) -> None:
    """Every model splits a conversion over touches, and no column of the customer is one of the answer.

    ``beside``: options of answers by channel, None where not given.
    """
    if not _options.flag(call, "touches", touches, "True gives one row for each conversion and touch."):
        return
    if any(option is not None for option in beside):
        problem = "by, confidence_level and spend are asked of channels."
        raise errors.bad_option(call, "touches", True, problem, "leave one of them out.")
    for model in models:
        if model.by_touch is not None or not isinstance(model, TouchModel):
            problem = f"model {model.label!r} gives channels credit, not touches."
            hint = f"model={model.by_touch!r} has a credit for each touch."
            raise errors.bad_option(call, "touches", True, problem, hint)
    for name in roles.user:
        if name in _COLUMNS:
            raise errors.bad_option(call, "user", name, "the answer has a column of that name.", "rename it.")


def touches_schema(before: pl.Schema, roles: EventRoles, channel: pl.DataType) -> pl.Schema:
    when = before[roles.time]
    return pl.Schema(
        {
            "model": pl.String(),
            **{name: before[name] for name in roles.user},
            "conversion_time": when,
            "touch_time": when,
            "channel": channel,
            "position": pl.Int64(),
            "credit": pl.Float64(),
            "value": pl.Float64(),
        }
    )


def touches_of(
    journeys: Journeys,
    models: Sequence[Model],
    house: pl.DataFrame,
    roles: EventRoles,
    *,
    has_value: bool,
) -> pl.DataFrame:
    """Conversions in the order of the log, each with its touches in order, one model after another.

    A conversion that no touch earned is a row without a touch, too. ``house``: the rows that journeys know.
    """
    schema = touches_schema(house.schema, roles, journeys.names.dtype)
    parts = []
    for model in models:
        assert isinstance(model, TouchModel)
        alone = np.flatnonzero(model.unattributed(journeys))
        conversion, touch = (
            np.concatenate((of_pair, of_rest))
            for of_pair, of_rest in zip(journeys.pairs, (alone, np.full(len(alone), -1)), strict=True)
        )
        credit = np.concatenate((model.split(journeys), np.ones(len(alone))))
        order = np.argsort(journeys.conversion_row[conversion], kind="stable")
        conversion, touch, credit = conversion[order], touch[order], credit[order]
        met = touch >= 0
        to = pl.Series(journeys.conversion_row[conversion])
        of = pl.Series(np.append(journeys.touch_row, 0)[touch]).set(pl.Series(~met), None)
        which = pl.Series(np.append(journeys.channel, 0)[touch], dtype=pl.Int64).set(pl.Series(~met), None)
        position = pl.Series(touch - journeys.lo[conversion] + 1).set(pl.Series(~met), None)
        columns: dict[str, Any] = {
            "model": pl.repeat(model.label, len(to), eager=True),
            **{name: house[name].gather(to) for name in roles.user},
            "conversion_time": house[roles.time].gather(to),
            "touch_time": house[roles.time].gather(of),
            "channel": journeys.names.gather(which),
            "position": position,
            "credit": credit,
            "value": credit * journeys.value[conversion] if has_value else None,
        }
        parts.append(pl.DataFrame(columns, schema=schema))
    return pl.concat(parts)
