"""``paths``: the journeys of an event log as a table, one row a path with its counts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from cxcore import _options
from cxcore._answers import by_schema
from cxcore._columns import Int64
from cxcore._index import EventIndex
from cxcore._options import TimeUnit
from cxcore._path_columns import check_separator
from cxcore.attribution.each_window import transformed
from cxcore.attribution.events import answer_of_events, check_names, roles_of
from cxcore.attribution.groups import Groups
from cxcore.attribution.journeys import Touchpoints, Windows, journeys_of
from cxcore.attribution.partials import PathPartials
from cxcore.attribution.path_rows import COLUMNS, check_text, path_rows, path_schema
from cxcore.attribution.transforms import transforms_of, type_after

if TYPE_CHECKING:
    from cxcore.attribution import By, Transforms

_CALL = "paths"


def paths(
    events: Any,
    *,
    user: str | Sequence[str] | None = None,
    time: str | None = None,
    channel: str,
    conversion: str | None = None,
    value: str | None = None,
    container: str | None = None,
    lookback: str | dt.timedelta | None = "30d",
    allocation: Literal["share", "reset"] = "share",
    order: str | None = None,
    time_unit: TimeUnit | None = None,
    nulls: bool = True,
    separator: str | None = None,
    transform: Transforms = None,
    by: By = None,
    n_threads: int | None = None,
) -> Any:
    """Which ways customers took: the distinct paths of a log, and how many journeys took each.

    A path is the channels of a window, first touch first, as :func:`cxcore.attribute` sees them. The table is
    what :func:`cxcore.attribute_paths` takes.

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
    container : str, optional
        Column of a container such as a session id, in which windows stay. None: the customer.
    lookback : str, timedelta or None, default "30d"
        A touch counts where it is less than this before the conversion. None: however old it is.
    allocation : {"share", "reset"}, default "share"
        With "share" each conversion looks at its whole window. With "reset" touches that the user's previous
        conversion looked at do not count again.
    order : str, optional
        Column that orders events of one user and instant; else the position of the row does. Not with an
        index.
    time_unit : {"s", "ms", "us", "ns"}, optional
        Unit of a time column of whole numbers; not with an index.
    nulls : bool, default True
        Are journeys counted that did not convert? Those are, per user, the touches after the last conversion,
        within ``lookback`` of the final one.
    separator : str, optional
        Text to put between channels, such as " > ": then paths are text. A name that could not be told from
        that text is refused. None: lists, in which any name can stand.
    transform : str, Transform, or a list of them, optional
        What is done to each path, one after the other: words of :data:`cxcore.attribution.TRANSFORMS`, or
        objects such as ``transforms.LastN(n=4)``.
    by : str, expression, or list of both, default None
        Groups: a conversion is of the group of its own row, a journey that did not convert of that of its
        last touch, before any ``transform``.
    n_threads : int, optional
        None: as many as Polars uses.

    Returns
    -------
    frame
        In the flavor that came in, in the order of the paths' channels by name, shorter ones first. With
        ``by`` its columns come first. ``path`` (a list of the channel's type, or text), ``conversions``
        (Int64), ``value`` (float64, of these conversions together; null where there is no such column) and
        ``nulls`` (Int64, journeys that did not convert; null where those are not asked for). Conversions
        without a touch are the row of the empty path, there only where there are some.

    Raises
    ------
    ColumnNotFoundError, InvalidOptionError, InvalidDataError, UnsupportedFrameError

    Notes
    -----
    Sorts once (nothing with an index), then O(touches of all windows): each path is hashed, and compared in
    full before two count as one.

    Examples
    --------
    >>> import polars as pl
    >>> from cxcore import paths
    >>> log = pl.DataFrame({
    ...     "who": ["ann", "ann", "ann", "bob", "bob", "cid"],
    ...     "day": [1, 2, 3, 1, 2, 1],
    ...     "channel": ["ads", "mail", None, "ads", "mail", "mail"],
    ...     "sale": [None, None, 30.0, None, None, None],
    ... }).with_columns(pl.date(2026, 1, pl.col("day")).alias("day"))
    >>> paths(log, user="who", time="day", channel="channel", value="sale", separator=" > ").rows()
    [('ads > mail', 1, 30.0, 1), ('mail', 0, 0.0, 1)]
    """
    roles = roles_of(_CALL, events, user, time, order, time_unit)
    others = {"channel": channel, "conversion": conversion, "value": value, "container": container}
    check_names(_CALL, others)
    limit = None if lookback is None else _options.duration(_CALL, "lookback", lookback)
    reset = _options.word(_CALL, "allocation", allocation, ("share", "reset")) == "reset"
    _options.flag(_CALL, "nulls", nulls, "True counts journeys that did not convert, too.")
    separator = check_separator(_CALL, separator)
    transforms = transforms_of(_CALL, transform)
    by = _options.parts(by) or None
    _options.groups(_CALL, by, COLUMNS)
    windows = Windows(
        lookback=limit,
        reset=reset,
        nulls=nulls,
        with_rows=by is not None or container is not None,
        n_threads=_options.n_threads(_CALL, n_threads),
    )

    def answer(index: EventIndex, log: Touchpoints, met: Int64, groups: Groups | None) -> pl.DataFrame:
        journeys = transformed(journeys_of(index, log, windows), transforms)
        if separator is not None:
            check_text(channel, journeys.names, separator)
        has_value = value is not None
        if groups is None:
            return path_rows(journeys, has_value, nulls, separator)
        assert log.group is not None
        found = []
        for at, part in enumerate(groups.parts(journeys, log.group.to_numpy())):
            rows = path_rows(part, has_value, nulls, separator)
            found.append(pl.concat([groups.names[[at] * len(rows)], rows], how="horizontal"))
        empty = path_schema(journeys.names.dtype, separator)
        return pl.concat(found) if found else pl.DataFrame(schema={**groups.names.schema, **empty})

    def schema(before: pl.Schema) -> pl.Schema:
        kind = type_after(before[channel], transforms)
        return pl.Schema({**by_schema(_CALL, before, by), **path_schema(kind, separator)})

    def partials() -> PathPartials:
        what = (_CALL, channel, by, value, nulls, transforms, windows)
        return PathPartials(*what, windows.n_threads, separator)

    return answer_of_events(_CALL, events, roles, others, by, [], windows, answer, schema, partials)
