"""What verbs that look at chains share: roles and windows of ``attribute``, tables out of journeys."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl

from cxcore import _options
from cxcore._columns import Int64
from cxcore._index import EventIndex
from cxcore.attribution.base import Journeys
from cxcore.attribution.events import answer_of_events, check_names, roles_of
from cxcore.attribution.groups import Groups
from cxcore.attribution.journeys import Touchpoints, Windows, journeys_of
from cxcore.attribution.markov import Markov

#: words of ``allocation=``
ALLOCATIONS = ("share", "reset")


def table_of_journeys(
    call: str,
    events: Any,
    roles: dict[str, Any],
    windows: dict[str, Any],
    *,
    nulls: bool,
    keyed: bool,
    compute: Callable[[Journeys], pl.DataFrame],
    schema: Callable[[pl.Schema], pl.Schema],
) -> Any:
    """A table that is computed from the journeys of a log, in the flavor of the log.

    ``roles`` and ``windows`` are arguments as ``attribute`` takes them; ``keyed``: each customer has its key.
    """
    when = ("user", "time", "order", "time_unit")
    of_log = roles_of(call, events, *(roles[name] for name in when))
    others = {name: column for name, column in roles.items() if name not in when}
    check_names(call, others)
    lookback, allocation, n_threads = (windows[name] for name in ("lookback", "allocation", "n_threads"))
    limit = None if lookback is None else _options.duration(call, "lookback", lookback)
    reset = _options.word(call, "allocation", allocation, ALLOCATIONS) == "reset"
    read = Windows(
        lookback=limit,
        reset=reset,
        nulls=nulls,
        with_rows=others["container"] is not None,
        n_threads=_options.n_threads(call, n_threads),
        everyone=keyed,
    )

    def answer(index: EventIndex, log: Touchpoints, met: Int64, groups: Groups | None) -> pl.DataFrame:
        return compute(journeys_of(index, log, read))

    return answer_of_events(call, events, of_log, others, None, [Markov()], read, answer, schema)
