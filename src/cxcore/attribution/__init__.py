"""Attribution: which touchpoints earned the conversions? ``attribute`` and its models, one file a family."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, Literal

import polars as pl

from cxcore import _options, errors
from cxcore._columns import MOST_ROWS, EventRoles, Int64, check_roles, event_columns, needed
from cxcore._index import EventIndex, check_event_roles, event_roles, index_columns
from cxcore._options import TimeUnit
from cxcore.attribution.additive_hazard import AdditiveHazard
from cxcore.attribution.answer import answer_of, schema_of
from cxcore.attribution.base import Credit, Journeys, Model, TouchModel, Transitions
from cxcore.attribution.journeys import (
    Touchpoints,
    Windows,
    journeys_of,
    looked_at,
    touchpoints,
)
from cxcore.attribution.markov import Markov
from cxcore.attribution.positional import FirstTouch, LastTouch, Linear, Position
from cxcore.attribution.rate_game import ShapleyRate
from cxcore.attribution.time_decay import TimeDecay
from cxcore.engines import open_frame

__all__ = [
    "MODELS",
    "AdditiveHazard",
    "Credit",
    "FirstTouch",
    "Journeys",
    "LastTouch",
    "Linear",
    "Markov",
    "Model",
    "ModelWord",
    "Position",
    "ShapleyRate",
    "TimeDecay",
    "TouchModel",
    "Transitions",
    "attribute",
]

ModelWord = Literal[
    "first_touch",
    "last_touch",
    "linear",
    "position",
    "time_decay",
    "markov",
    "shapley_rate",
    "additive_hazard",
]

#: word -> class; the words of ``model=``, in the order in which errors and docs list them
MODELS: dict[str, type[Model]] = {
    model.word: model
    for model in (FirstTouch, LastTouch, Linear, Position, TimeDecay, Markov, ShapleyRate, AdditiveHazard)
}

_ALLOCATIONS = ("share", "reset")


def attribute(
    events: Any,
    *,
    user: str | Sequence[str] | None = None,
    time: str | None = None,
    channel: str,
    conversion: str | None = None,
    value: str | None = None,
    model: ModelWord | Model | Sequence[ModelWord | Model] = "last_touch",
    lookback: str | dt.timedelta | None = "30d",
    allocation: Literal["share", "reset"] = "share",
    order: str | None = None,
    time_unit: TimeUnit | None = None,
    nulls: bool = True,
    n_threads: int | None = None,
) -> Any:
    """Which channels earned the conversions: credit per model and channel.

    A touch is a row with a channel. Each conversion looks back at the touches of its user within
    ``lookback``, up to and including those of its own instant, and the model splits the conversion over
    them.

    Parameters
    ----------
    events : frame or EventIndex
        A Polars DataFrame or LazyFrame, or any other frame an engine knows; or what :func:`cxcore.index`
        gave.
    user : str or list of str
        Column or columns that name the customer; not with an index. Rows without a user are left out.
    time : str
        Column of the instant: datetimes, dates, or whole numbers with ``time_unit``; not with an index.
    channel : str
        Column of the channel: text, categories or whole numbers. Null says that the row is no touch.
    conversion : str, optional
        Boolean column: true where the row is a conversion (null is false). Such a row may be a touch, too.
    value : str, optional
        Numeric column: what a conversion is worth. Without ``conversion``, a row converts where it is not
        null; with it, a null value counts 0. At least one of the two is required.
    model : str, Model, or a list of them, default "last_touch"
        Words of :data:`MODELS`, or objects that carry options, such as ``TimeDecay(half_life="1d")``.
    lookback : str, timedelta or None, default "30d"
        A touch counts where it is less than this before the conversion. None: however old it is.
    allocation : {"share", "reset"}, default "share"
        With "share" each conversion looks at its whole window, whoever looked before. With "reset" touches
        that the user's previous conversion looked at do not count again; of conversions at one instant, the
        first by (order, row) takes the touches.
    order : str, optional
        Column that orders events of one user and instant; else the position of the row does. Not with an
        index.
    time_unit : {"s", "ms", "us", "ns"}, optional
        Unit of a time column of whole numbers; not with an index.
    nulls : bool, default True
        Do models of whole journeys ("markov", "shapley_rate", "additive_hazard") also learn from journeys
        that did not convert? Those are, per user, the touches after the last conversion, within ``lookback``
        of the final one.
    n_threads : int, optional
        None: as many as Polars uses. The answer is the same bits for any.

    Returns
    -------
    frame
        In the flavor that came in, one row per model and channel; models in the order given, channels by
        name. ``model`` (text), ``channel`` (as in the events), ``conversions`` and ``value`` (float64;
        value is null where no ``value`` column was given), ``share`` (of all conversions; null where there
        are none); ``removal_effect`` and ``sampling_error`` (float64) where a model has them. Channels that
        earned nothing have a row of 0. Conversions without a touch in their window are a row of channel
        null, there only where it is not zero.

    Raises
    ------
    ColumnNotFoundError, InvalidOptionError, InvalidDataError, UnsupportedFrameError

    Notes
    -----
    Sorts once (nothing with an index), then one pass for each model: O(rows), whatever the overlap of
    windows. Credits sum to conversions and to value. Another order of rows changes the last digits only
    (1e-12 relative to the sum of absolute values), save where it decides a tie.

    Examples
    --------
    >>> import polars as pl
    >>> from cxcore.attribution import attribute
    >>> log = pl.DataFrame({
    ...     "who": ["ann", "ann", "ann", "bob", "bob"],
    ...     "day": [1, 2, 3, 1, 2],
    ...     "channel": ["ads", "mail", None, "ads", None],
    ...     "sale": [None, None, 30.0, None, 10.0],
    ... }).with_columns(pl.date(2026, 1, pl.col("day")).alias("day"))
    >>> attribute(log, user="who", time="day", channel="channel", value="sale", model="linear").rows()
    [('linear', 'ads', 1.5, 25.0, 0.75), ('linear', 'mail', 0.5, 15.0, 0.25)]
    """
    call = "attribute"
    roles = _event_roles(call, events, user, time, order, time_unit)
    others: dict[str, Any] = {"channel": channel, "conversion": conversion, "value": value}
    for role, name in others.items():
        if name is not None or role == "channel":
            _options.column_name(call, role, name)
    if conversion is None and value is None:
        raise errors.missing_argument(call, ["conversion", "value"], "say which rows are conversions.")
    models = _models(call, model)
    _options.flag(call, "nulls", nulls, "True learns from all journeys.")
    windows = Windows(
        lookback=None if lookback is None else _options.duration(call, "lookback", lookback),
        reset=_options.word(call, "allocation", allocation, _ALLOCATIONS) == "reset",
        nulls=nulls and any(chosen.learns_from_nulls for chosen in models),
        with_rows=False,
        n_threads=_options.n_threads(call, n_threads),
    )

    def answer(index: EventIndex, log: Touchpoints, met: Int64) -> pl.DataFrame:
        return answer_of(journeys_of(index, log, windows), models, met, has_value=value is not None)

    if isinstance(events, EventIndex):
        check_roles(call, events.house.columns, others)
        log = touchpoints(call, events.house, models, **others, n_threads=windows.n_threads)
        code = events.columns.code
        met = log.met(None if len(events.tick) == len(code) else pl.Series(code) >= 0)
        return events.engine.from_house(events.frame, answer(events, log, met))
    engine, frame = open_frame(call, events)
    check_event_roles(call, engine.columns(frame), roles, **others)

    def compute(house: pl.DataFrame) -> pl.DataFrame:
        _check_log(call, house, roles)
        log = touchpoints(call, house, models, **others, n_threads=windows.n_threads)
        met = log.met(_has_user(house, roles))
        columns, log = looked_at(call, house, roles, log, windows)
        index = index_columns(columns, roles, house, engine, frame, n_threads=windows.n_threads)
        return answer(index, log, met)

    def schema(before: pl.Schema) -> pl.Schema:
        return schema_of(before[channel], models)

    return engine.summary(call, frame, needed(roles.columns, *others.values()), compute, schema)


# ---------------------------------------------------------------- options


def _event_roles(call: str, events: Any, user: Any, time: Any, order: Any, time_unit: Any) -> EventRoles:
    """The roles of the log: those of the index, or those given."""
    if not isinstance(events, EventIndex):
        return event_roles(call, user=user, time=time, order=order, time_unit=time_unit)
    roles = {"user": user, "time": time, "order": order, "time_unit": time_unit}
    given = [name for name, role in roles.items() if role is not None]
    if given:
        raise errors.not_with_index(call, given)
    return events.roles


def _models(call: str, model: Any) -> list[Model]:
    """Each a word or an object; no two of the same label."""
    chosen = [model] if isinstance(model, (str, Model)) else model
    if not isinstance(chosen, (list, tuple)) or not chosen:
        raise errors.unknown_word(call, "model", model, MODELS)
    models = [
        one if isinstance(one, Model) else MODELS[_options.word(call, "model", one, MODELS)]()
        for one in chosen
    ]
    labels = [one.label for one in models]
    for label in labels:
        if labels.count(label) > 1:
            raise errors.bad_option(call, "model", label, "given twice.", "give each model once.")
    return models


# ---------------------------------------------------------------- the log


def _check_log(call: str, house: pl.DataFrame, roles: EventRoles) -> None:
    """Refuse a log as a whole: what comes after reads some of its rows, and would count those alone.

    Where no time is null and the rows are not too many, types are all that can be wrong.
    """
    whole = len(house) > MOST_ROWS or house[roles.time].null_count() > 0
    event_columns(call, house if whole else house.clear(), roles, n_threads=1)


def _has_user(house: pl.DataFrame, roles: EventRoles) -> pl.Series | None:
    """Which rows say who; None: all do."""
    if not any(house[name].null_count() for name in roles.user):
        return None
    return house.select(pl.all_horizontal(pl.col(roles.user).is_not_null())).to_series()
