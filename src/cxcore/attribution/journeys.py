"""From an event log to journeys: what its rows say, and the window of each conversion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from cxcore import _columns, errors
from cxcore._columns import EventColumns, Float64, Int64, Keys, UInt8
from cxcore._ext import attribution as kernel
from cxcore._index import EventIndex
from cxcore.attribution.base import Journeys, Model


@dataclass(frozen=True, slots=True)
class Touchpoints:
    """What an event log says beside who and when, by row.

    ``converted`` uint8[n]; ``value`` float64[n], 0 where null, no item where there is no such role;
    ``touched`` int64[k]: codes of the channels that some user met.
    """

    channels: Keys
    converted: UInt8
    value: Float64
    touched: Int64

    def keep(self, columns: EventColumns, *, everyone: bool) -> EventColumns:
        """The same users, without the rows that no model looks at: they need no sorting."""
        kept, count = np.empty_like(columns.code), np.zeros_like(columns.count)
        kernel.keep_rows(columns.code, self.channels.code, self.converted, everyone, kept, count)
        return replace(columns, code=kept, count=count)


def touchpoints(
    call: str,
    house: pl.DataFrame,
    columns: EventColumns,
    models: Sequence[Model],
    *,
    channel: str,
    conversion: str | None,
    value: str | None,
    n_threads: int,
) -> Touchpoints:
    """Read and check the columns of one call, no more channels than every model can take."""
    channels = _columns.keys(call, "channel", house, [channel], n_threads=n_threads)
    for model in models:
        if model.most_channels is not None and len(channels) > model.most_channels:
            problem = (
                f"{len(channels):,} channels; model {model.word!r} takes at most {model.most_channels:,}."
            )
            hint = "put rare channels together, or choose another model."
            raise errors.bad_data(call, "channel", channel, problem, hint)
    marked = None if conversion is None else _columns.marks(call, "conversion", house, conversion)
    amount, has_value = (
        (np.empty(0), None) if value is None else _columns.amounts(call, "value", house, value)
    )
    converted = has_value if marked is None else marked
    assert converted is not None
    seen = np.ones(len(channels), np.bool_)
    if (columns.code < 0).any():  # else every channel that the column names was met by someone
        seen[:] = False
        seen[channels.code[(columns.code >= 0) & (channels.code >= 0)]] = True
    return Touchpoints(channels, converted, amount, np.flatnonzero(seen))


def journeys_of(
    index: EventIndex,
    log: Touchpoints,
    lookback: int,
    *,
    reset: bool,
    nulls: bool,
    n_threads: int,
) -> Journeys:
    """Journeys out of the index and what was read by row. ``lookback`` in ticks, -1 for no limit."""
    offset = index.offset
    if index.columns.own >= 0:  # rows without a user: the last item, in truth a user each
        offset = np.concatenate((offset[:-1], np.arange(offset[-2] + 1, offset[-1] + 1)))
    touch_offset, conversion_offset = np.empty_like(offset), np.empty_like(offset)
    what = np.empty(len(index.tick), np.int32)
    kernel.count_journeys(
        *(
            offset,
            index.row,
            log.channels.code,
            log.converted,
            n_threads,
            what,
            touch_offset,
            conversion_offset,
        )
    )
    n_touches, n_conversions = int(touch_offset[-1]), int(conversion_offset[-1])
    channel, tick = np.empty(n_touches, np.int32), np.empty(n_touches, np.int64)
    conversion_tick, lo, hi = (np.empty(n_conversions, np.int64) for _ in range(3))
    amount = np.empty(n_conversions)
    kernel.fill_journeys(
        *(offset, index.row, index.tick, what, log.value, lookback, reset, n_threads),
        *(touch_offset, conversion_offset, channel, tick, conversion_tick, amount, lo, hi),
    )
    return Journeys(
        n_channels=len(log.channels),
        touch_offset=touch_offset,
        conversion_offset=conversion_offset,
        channel=channel,
        tick=tick,
        conversion_tick=conversion_tick,
        value=amount,
        lo=lo,
        hi=hi,
        tick_length=index.columns.tick_length,
        lookback=lookback,
        nulls=nulls,
        n_threads=n_threads,
    )
