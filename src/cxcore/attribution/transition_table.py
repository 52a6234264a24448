"""``transitions``: which touch follows which, how often; and how journeys end."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import polars as pl

from cxcore import _options
from cxcore._columns import Int64
from cxcore._options import TimeUnit
from cxcore.attribution.base import Journeys
from cxcore.attribution.chain_events import table_of_journeys
from cxcore.attribution.chains import StateChain
from cxcore.attribution.markov import check_order

_CALL = "transitions"
_CONVERSION, _NULL = "conversion", "null"


def transitions(
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
    markov_order: int = 1,
    n_threads: int | None = None,
) -> Any:
    """Which touch follows which, how often, and after which journeys end: the chain that ``Markov`` reads.

    Parameters
    ----------
    events : frame or EventIndex
        As in :func:`cxcore.attribute`, and so are all roles and windows.
    user, time, channel, conversion, value, container, order, time_unit : str
        Columns (``user`` may be several) and the unit of the log. ``order`` is the column that orders events
        of one instant; how far the chain remembers is ``markov_order``.
    lookback, allocation
        The windows of conversions: each is a journey.
    nulls : bool, default True
        Do journeys that did not convert belong to the chain?
    markov_order : int, default 1
        How many touches a state is made of, from 1 to 20; fewer near the start of a journey.
    n_threads : int, optional
        None: as many as Polars uses.

    Returns
    -------
    frame
        In the flavor that came in, one row for each step that occurs: ``from`` (the channel, or with
        ``markov_order`` above 1 the list of the last channels, oldest first; null is the start), ``to`` (the
        channel of the next touch; null where the journey ends), ``ends`` ("conversion" or "null" where it
        ends, else null), ``count`` (float64) and ``probability`` (of all steps from there). By name of the
        channels; ends come last.

    Raises
    ------
    ColumnNotFoundError, InvalidOptionError, InvalidDataError, UnsupportedFrameError

    Notes
    -----
    O(touches + conversions * markov_order), whatever the overlap of windows. A touch that lies in the windows
    of several conversions counts in each of those journeys. Journeys without a touch are not there.

    Examples
    --------
    >>> import polars as pl
    >>> from cxcore.attribution import transitions
    >>> log = pl.DataFrame({
    ...     "who": ["ann", "ann", "ann", "bob"],
    ...     "day": [1, 2, 3, 1],
    ...     "channel": ["ads", "mail", None, "ads"],
    ...     "sale": [None, None, 30.0, None],
    ... })
    >>> steps = transitions(log, user="who", time="day", time_unit="s", channel="channel", value="sale")
    >>> for row in steps.rows():
    ...     print(row)
    (None, 'ads', None, 2.0, 1.0)
    ('ads', 'mail', None, 1.0, 0.5)
    ('ads', None, 'null', 1.0, 0.5)
    ('mail', None, 'conversion', 1.0, 1.0)
    """
    check_order(_CALL, "markov_order", markov_order)
    _options.flag(_CALL, "nulls", nulls, "True counts all journeys.")
    roles = {"user": user, "time": time, "order": order, "time_unit": time_unit, "channel": channel}
    roles |= {"conversion": conversion, "value": value, "container": container}
    return table_of_journeys(
        *(_CALL, events, roles),
        {"lookback": lookback, "allocation": allocation, "n_threads": n_threads},
        nulls=nulls,
        keyed=False,
        compute=lambda journeys: transition_table(journeys, markov_order),
        schema=lambda before: _schema(before[channel], markov_order),
    )


def transition_table(journeys: Journeys, markov_order: int) -> pl.DataFrame:
    """The same of journeys, wherever they came from."""
    chain = StateChain.of(journeys, markov_order)
    source, to, count = chain.edges
    last, _, _, conversion, null, _ = chain.states
    n = len(last)
    states = np.arange(n)
    before = np.concatenate((source, states, states)).astype(np.int64)
    after = np.concatenate((last[to], np.full(2 * n, -1))).astype(np.int64)
    ends = np.repeat([0, 1, 2], (len(to), n, n))
    count = np.concatenate((count, conversion, null))
    some = count > 0
    before, after, ends, count = before[some], after[some], ends[some], count[some]
    total = np.bincount(before, count, minlength=n)
    touches = chain.touches
    rank = _ranks(journeys.names)
    keys = [rank[after], ends, *(rank[touches[before, k]] for k in range(markov_order - 1, -1, -1))]
    rows = np.lexsort(keys)
    before, after, ends, count = before[rows], after[rows], ends[rows], count[rows]
    columns = {
        "from": _named(journeys.names, touches, before, markov_order),
        "to": _names_at(journeys.names, after),
        "ends": pl.Series(ends).replace_strict({0: None, 1: _CONVERSION, 2: _NULL}, return_dtype=pl.String),
        "count": count,
        "probability": count / total[before],
    }
    return pl.DataFrame(columns, schema=_schema(journeys.names.dtype, markov_order))


def _schema(channel: pl.DataType, markov_order: int) -> pl.Schema:
    return pl.Schema(
        {
            "from": channel if markov_order == 1 else pl.List(channel),
            "to": channel,
            "ends": pl.String(),
            "count": pl.Float64(),
            "probability": pl.Float64(),
        }
    )


def _ranks(names: pl.Series) -> Int64:
    """The place of each code by name; the last item is that of no channel: before all others."""
    if isinstance(names.dtype, (pl.Categorical, pl.Enum)):
        names = names.cast(pl.String)
    rank = np.full(len(names) + 1, -1)
    rank[names.arg_sort().to_numpy()] = np.arange(len(names))
    return rank


def _names_at(names: pl.Series, code: Int64) -> pl.Series:
    """Names of codes, null for -1."""
    at = pl.Series(np.where(code < 0, 0, code))
    return names.gather(at.set(pl.Series(code < 0), None))


def _named(names: pl.Series, touches: np.ndarray, state: Int64, markov_order: int) -> pl.Series:
    """States as the names of their touches."""
    columns = [_names_at(names, touches[state, k]).alias(str(k)) for k in range(markov_order)]
    if markov_order == 1:
        return columns[0]
    starts = pl.Series(touches[state, 0] < 0)
    lists = pl.DataFrame(columns).select(pl.concat_list(pl.all()).list.drop_nulls()).to_series()
    return pl.select(pl.when(~starts).then(lists)).to_series()
