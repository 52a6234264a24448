"""Attribution: which touchpoints earned the conversions? ``attribute`` and its models, one file a family."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Any, Literal

import polars as pl

from cxcore import _options, errors
from cxcore._columns import MOST_ROWS, EventRoles, Int64, check_roles, event_columns, needed
from cxcore._index import EventIndex, check_event_roles, event_roles, index_columns
from cxcore._options import TimeUnit
from cxcore.attribution.additive_hazard import AdditiveHazard
from cxcore.attribution.asked import Asked, asked
from cxcore.attribution.base import Credit, Journeys, Model, TouchModel, Transitions
from cxcore.attribution.counterfactual import Counterfactual
from cxcore.attribution.groups import Groups
from cxcore.attribution.journeys import Touchpoints, Windows, journeys_of, looked_at, touchpoints
from cxcore.attribution.markov import Markov
from cxcore.attribution.methods import METHODS, Analytic, Bootstrap, ErrorMethod
from cxcore.attribution.milestones import W
from cxcore.attribution.one_touch import FirstNon, LastNon, SameTouch
from cxcore.attribution.path_increment import PathIncrement
from cxcore.attribution.positional import Custom, FirstTouch, InverseJ, J, LastTouch, Linear, Position
from cxcore.attribution.rate_game import ShapleyRate
from cxcore.attribution.shapley import OrderedShapley, Participation, Shapley
from cxcore.attribution.time_decay import TimeDecay
from cxcore.attribution.touches import check_touches, touches_of, touches_schema
from cxcore.engines import open_frame

__all__ = [
    "METHODS",
    "MODELS",
    "AdditiveHazard",
    "Analytic",
    "Bootstrap",
    "Counterfactual",
    "Credit",
    "Custom",
    "ErrorMethod",
    "FirstNon",
    "FirstTouch",
    "InverseJ",
    "J",
    "Journeys",
    "LastNon",
    "LastTouch",
    "Linear",
    "Markov",
    "MethodWord",
    "Model",
    "ModelWord",
    "OrderedShapley",
    "Participation",
    "PathIncrement",
    "Position",
    "SameTouch",
    "Shapley",
    "ShapleyRate",
    "TimeDecay",
    "TouchModel",
    "Transitions",
    "W",
    "attribute",
]

ModelWord = Literal[
    "first_touch",
    "last_touch",
    "first_non",
    "last_non",
    "linear",
    "position",
    "j",
    "inverse_j",
    "custom",
    "w",
    "time_decay",
    "participation",
    "same_touch",
    "shapley",
    "ordered_shapley",
    "counterfactual",
    "markov",
    "path_increment",
    "shapley_rate",
    "additive_hazard",
]

#: words of ``method=``
MethodWord = Literal["analytic", "bootstrap"]

#: a column, an expression, or a list of both
By = str | pl.Expr | Iterable[str | pl.Expr] | None

#: word -> class; the words of ``model=``, in the order in which errors and docs list them
MODELS: dict[str, type[Model]] = {
    model.word: model
    for model in (
        *(FirstTouch, LastTouch, FirstNon, LastNon, Linear, Position, J, InverseJ, Custom, W, TimeDecay),
        *(Participation, SameTouch, Shapley, OrderedShapley, Counterfactual, Markov),
        *(PathIncrement, ShapleyRate, AdditiveHazard),
    )
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
    stage: str | None = None,
    container: str | None = None,
    model: ModelWord | Model | Sequence[ModelWord | Model] = "last_touch",
    lookback: str | dt.timedelta | None = "30d",
    allocation: Literal["share", "reset"] = "share",
    order: str | None = None,
    time_unit: TimeUnit | None = None,
    nulls: bool = True,
    by: By = None,
    confidence_level: float | None = None,
    method: MethodWord | ErrorMethod = "analytic",
    compare: bool = False,
    spend: Any = None,
    touches: bool = False,
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
    stage : str, optional
        Boolean column, for "w" alone: true where the touch brought the customer to the stage that counts.
    container : str, optional
        Column of a container such as a session id: touches count only in the run of touches and conversions
        round the conversion that have its value. A row without one is a container of its own. None: the
        customer.
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
    by : str, expression, or list of both, default None
        Groups, one answer each: a conversion is of the group of its own row, a journey that did not convert
        of that of its last touch. Customers stay whole: what else they did, in whatever group, is in the
        windows.
    confidence_level : float, optional
        How often intervals hold the long-run value, such as 0.95; None: no intervals. Then everyone is read:
        customers who never converted say how sure it is.
    method : {"analytic", "bootstrap"} or object, default "analytic"
        How intervals are made; objects carry options, such as ``Bootstrap(replicates=2_000, rng=1)``.
    compare : bool, default False
        Differences in the place of credit, with a ``confidence_level``: of all pairs of channels of a model,
        and of all pairs of models for a channel.
    spend : frame, optional
        What channels cost: columns ``channel`` and ``cost``, and those of ``by``, named as in the answer.
    touches : bool, default False
        Give one row for each conversion and touch in place of one for each channel; not with models that
        do not split a conversion over touches.
    n_threads : int, optional
        None: as many as Polars uses. The answer is the same bits for any.

    Returns
    -------
    frame
        In the flavor that came in, one row per model and channel; models in the order given, channels by
        name. ``model`` (text), ``channel`` (as in the events), ``conversions`` and ``value`` (float64;
        value is null where no ``value`` column was given), ``share`` (of all conversions; null where there
        are none), and ``removal_effect``, ``sampling_error`` and ``error_bound`` (float64) where a model has
        them. Channels that earned nothing have a row of 0. Conversions that no touch earned are a row of
        channel null, there only where it is not zero.

        With ``by`` its columns come first, groups in their order. With ``confidence_level`` also
        ``standard_error``, ``low``, ``high`` (of conversions), ``value_low``, ``value_high``, ``share_low``,
        ``share_high``; with ``spend``, ``cost``, ``cost_per_conversion``, ``roas`` (value per unit of cost),
        and their ``_low`` and ``_high``. With ``compare``, one row per measure ("conversions", "value",
        "roas") and pair: ``measure``, ``model``, ``channel``, ``other_model``, ``other_channel``,
        ``difference``, ``standard_error``, ``low``, ``high``, ``probability_above`` (that the first is above
        the other).

        With ``touches=True`` one row per model, conversion and touch of its window: ``model``, the columns of
        the customer, ``conversion_time``, ``touch_time``, ``channel``, ``position`` (Int64, 1 is the first
        of the window), ``credit`` (part of the conversion, float64) and ``value`` (that part of its value).
        Conversions in the order of the log. One that no touch earned has a row without a touch.

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
    others |= {"stage": stage, "container": container}
    _check_names(call, others)
    models = _models(call, model)
    _check_stage(call, stage, models)
    _options.flag(call, "nulls", nulls, "True learns from all journeys.")
    asks = asked(call, models, value is not None, confidence_level, method, compare, by, spend)
    check_touches(call, touches, roles, models, beside=(by, confidence_level, spend))
    limit = None if lookback is None else _options.duration(call, "lookback", lookback)
    reset = _options.word(call, "allocation", allocation, _ALLOCATIONS) == "reset"
    with_rows = touches or by is not None or stage is not None or container is not None
    windows = _windows(limit, reset, nulls, with_rows, models, asks, _options.n_threads(call, n_threads))

    def answer(index: EventIndex, log: Touchpoints, met: Int64, groups: Groups | None) -> pl.DataFrame:
        journeys = journeys_of(index, log, windows)
        if not touches:
            return asks.answer(journeys, log, met, groups)
        house = reduce(pl.DataFrame.filter, log.kept, index.house)
        return touches_of(journeys, models, house, roles, channel, has_value=value is not None)

    if isinstance(events, EventIndex):
        check_roles(call, events.house.columns, {**others, "by": by})
        log = touchpoints(call, events.house, models, **others, n_threads=windows.n_threads)
        who = None if len(events.tick) == len(events.columns.code) else pl.Series(events.columns.code) >= 0
        log, groups = log.by(call, events.house, roles, by, who, windows)
        return events.engine.from_house(events.frame, answer(events, log, log.met(who), groups))
    engine, frame = open_frame(call, events)
    check_event_roles(call, engine.columns(frame), roles, **others, by=by)

    def compute(house: pl.DataFrame) -> pl.DataFrame:
        _check_log(call, house, roles)
        log = touchpoints(call, house, models, **others, n_threads=windows.n_threads)
        who = _has_user(house, roles)
        met = log.met(who)
        log, groups = log.by(call, house, roles, by, who, windows)
        columns, log = looked_at(call, house, roles, log, windows)
        index = index_columns(columns, roles, house, engine, frame, n_threads=windows.n_threads)
        return answer(index, log, met, groups)

    def schema(before: pl.Schema) -> pl.Schema:
        return touches_schema(before, roles, channel) if touches else asks.schema_after(channel, by, before)

    return engine.summary(call, frame, needed(roles.columns, *others.values(), by), compute, schema)


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


def _check_names(call: str, columns: dict[str, Any]) -> None:
    """Roles of one column each are names, and some column says what converts."""
    for role, name in columns.items():
        if name is not None or role == "channel":
            _options.column_name(call, role, name)
    if columns["conversion"] is None and columns["value"] is None:
        raise errors.missing_argument(call, ["conversion", "value"], "say which rows are conversions.")


def _windows(
    lookback: int | None,
    reset: bool,
    nulls: bool,
    with_rows: bool,
    models: Sequence[Model],
    asks: Asked,
    n_threads: int,
) -> Windows:
    """What is read of journeys, for models and intervals together."""
    return Windows(
        lookback=lookback,
        reset=reset,
        nulls=nulls and any(one.learns_from_nulls for one in models),
        with_rows=with_rows or any(one.reads_rows for one in models),
        n_threads=n_threads,
        everyone=asks.level is not None and asks.method.draws,
        counted=asks.level is not None,
    )


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


def _check_stage(call: str, stage: str | None, models: Sequence[Model]) -> None:
    """The column of marks is there where a model reads it, and not where none does."""
    readers = [model.label for model in models if model.reads_stage]
    if readers and stage is None:
        hint = "name the boolean column that marks the touch of the stage: stage='is_lead'."
        raise errors.bad_option(call, "model", readers[0], "stage is required.", hint)
    if stage is not None and not readers:
        raise errors.bad_option(call, "stage", stage, "no model of the call reads it.", "say model='w'.")


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
