"""Attribution: which touchpoints earned the conversions? ``attribute`` and its models, one file a family."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, Literal

import numpy as np
import polars as pl

from cxcore import _options, errors
from cxcore._columns import Int64
from cxcore._index import EventIndex
from cxcore._options import TimeUnit
from cxcore.attribution.additive_hazard import AdditiveHazard
from cxcore.attribution.asked import Asked, asked, models_of
from cxcore.attribution.base import Credit, Journeys, Model, TouchModel, Transitions
from cxcore.attribution.counterfactual import Counterfactual
from cxcore.attribution.each_window import transformed
from cxcore.attribution.events import answer_of_events, check_names, roles_of
from cxcore.attribution.groups import Groups
from cxcore.attribution.interval_partials import credit_partials
from cxcore.attribution.journeys import Touchpoints, Windows, check_channels, journeys_of
from cxcore.attribution.markov import Markov
from cxcore.attribution.methods import METHODS, Analytic, Bootstrap, ErrorMethod
from cxcore.attribution.milestones import W
from cxcore.attribution.one_touch import FirstNon, LastNon, SameTouch
from cxcore.attribution.order import choose_order
from cxcore.attribution.path_answer import attribute_paths
from cxcore.attribution.path_increment import PathIncrement
from cxcore.attribution.path_table import paths
from cxcore.attribution.positional import Custom, FirstTouch, InverseJ, J, LastTouch, Linear, Position
from cxcore.attribution.rate_game import ShapleyRate
from cxcore.attribution.shapley import OrderedShapley, Participation, Shapley
from cxcore.attribution.time_decay import TimeDecay
from cxcore.attribution.touches import check_touches, touches_of, touches_schema
from cxcore.attribution.transforms import TRANSFORMS, Transform, TransformWord, transforms_of, type_after
from cxcore.attribution.transition_table import transitions

__all__ = [
    "METHODS",
    "MODELS",
    "TRANSFORMS",
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
    "Transform",
    "TransformWord",
    "Transitions",
    "W",
    "attribute",
    "attribute_paths",
    "choose_order",
    "paths",
    "transitions",
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

#: a word, an object, or a list of them
Transforms = TransformWord | Transform | Sequence[TransformWord | Transform] | None

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
    transform: Transforms = None,
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
        Do models of whole journeys ("markov", "path_increment", "counterfactual", "shapley_rate",
        "additive_hazard") also learn from journeys that did not convert? Those are, per user, the touches
        after the last conversion, within ``lookback`` of the final one.
    transform : str, Transform, or a list of them, optional
        What is done to each window before a model reads it, one after the other: words of
        :data:`TRANSFORMS`, or objects such as ``transforms.LastN(n=4)``.
    by : str, expression, or list of both, default None
        Groups, one answer each: a conversion is of the group of its own row, a journey that did not convert
        of that of its last touch, before any ``transform``. Customers stay whole: what else they did, in
        whatever group, is in the windows.
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
    windows; with ``transform`` O(touches of all windows). Credits sum to conversions and to
    value. Another order of rows changes the last digits only (1e-12 relative to the sum of absolute values),
    save where it decides a tie.

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
    roles = roles_of(call, events, user, time, order, time_unit)
    others: dict[str, Any] = {"channel": channel, "conversion": conversion, "value": value}
    others |= {"stage": stage, "container": container}
    check_names(call, others)
    models = models_of(call, model)
    _check_stage(call, stage, models)
    _options.flag(call, "nulls", nulls, "True learns from all journeys.")
    by = _options.parts(by) or None
    asks = asked(call, models, value is not None, confidence_level, method, compare, by, spend)
    check_touches(call, touches, roles, models, beside=(by, confidence_level, spend))
    transforms = transforms_of(call, transform)
    limit = None if lookback is None else _options.duration(call, "lookback", lookback)
    reset = _options.word(call, "allocation", allocation, _ALLOCATIONS) == "reset"
    with_rows = touches or by is not None or stage is not None or container is not None
    windows = _windows(limit, reset, nulls, with_rows, models, asks, _options.n_threads(call, n_threads))

    def answer(index: EventIndex, log: Touchpoints, met: Int64, groups: Groups | None) -> pl.DataFrame:
        every = journeys_of(index, log, windows)
        journeys = transformed(every, transforms)
        if journeys.names is not every.names:
            met = np.arange(len(journeys.names))
            check_channels(call, channel, len(met), models)
        if not touches:
            code = None if log.group is None else log.group.to_numpy()
            return asks.answer(journeys, met, asks.everyone(every, log.n_customers), groups, code)
        return touches_of(journeys, models, index.house, roles, has_value=value is not None)

    def schema(before: pl.Schema) -> pl.Schema:
        kind = type_after(before[channel], transforms)
        return touches_schema(before, roles, kind) if touches else asks.schema_after(kind, by, before)

    what = (call, channel, by, value, nulls, transforms, windows)
    partials = partial(credit_partials, *what, asks, touches)
    return answer_of_events(call, events, roles, others, by, models, windows, answer, schema, partials)


# ---------------------------------------------------------------- options


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


def _check_stage(call: str, stage: str | None, models: Sequence[Model]) -> None:
    """The column of marks is there where a model reads it, and not where none does."""
    readers = [model.label for model in models if model.reads_stage]
    if readers and stage is None:
        hint = "name the boolean column that marks the touch of the stage: stage='is_lead'."
        raise errors.bad_option(call, "model", readers[0], "stage is required.", hint)
    if stage is not None and not readers:
        raise errors.bad_option(call, "stage", stage, "no model of the call reads it.", "say model='w'.")
