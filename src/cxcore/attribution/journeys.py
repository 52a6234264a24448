"""From an event log to journeys: what its rows say, and the window of each conversion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from cxcore import _columns, _options, errors
from cxcore._columns import EventColumns, EventRoles, Float64, Int32, Int64
from cxcore._ext import journeys as kernel
from cxcore._ext import native, uncertainty
from cxcore._ext.arrays import beside
from cxcore._index import EventIndex
from cxcore.attribution.base import Journeys, Model, UInt64
from cxcore.attribution.groups import Groups

#: what a row says that is neither touch nor conversion
_NOTHING = -2


@dataclass(frozen=True, eq=False)
class Touchpoints:
    """What an event log says beside who and when, by row.

    ``number``: of its channel; ``known`` Int32: twice the code of a channel by its number + 1;
    ``converted`` Boolean; ``value`` Float64, None where there is no such role. ``names``: the channels by
    code. ``group`` Int32: that of ``by``.
    """

    number: pl.Series
    known: Int32
    converted: pl.Series
    value: pl.Series | None
    names: pl.Series
    group: pl.Series | None = None
    #: those with a touch or a conversion, where that is asked for and not all are read
    n_customers: int | None = None
    #: marks of the touches that reached the stage; None where there is no such role
    stage: pl.Series | None = None
    #: codes of containers, -1 for none; None where the customer is the container
    container: pl.Series | None = None
    #: ``what``, where that has been read
    said: Int32 | None = None
    #: which rows of the log ``said`` and ``container`` are of, where others are out of reach
    row: Int32 | None = None

    @cached_property
    def what(self) -> Int32:
        """Twice the code of a row's channel (-2: none), and 1 more where it converts."""
        if self.said is not None:
            return self.said
        return native.what_rows_say(self.number, self.known, self.converted)

    def met(self, by: pl.Series | None) -> Int64:
        """Codes of the channels that some user met. ``by``: which rows have a user; None: all."""
        if by is None:
            return np.arange(len(self.names))
        what = pl.Series(self.what)
        code = what.filter(by & (what >= 0)).to_numpy() >> 1
        return np.flatnonzero(np.bincount(code, minlength=len(self.names)))

    @property
    def says_something(self) -> pl.Series:
        """Which rows are a touch, a conversion, or both."""
        return pl.Series(self.what) != _NOTHING

    def by(
        self,
        call: str,
        house: pl.DataFrame,
        roles: EventRoles,
        by: Any,
        who: pl.Series | None,
        windows: Windows,
        code: Int32 | None = None,
    ) -> tuple[Touchpoints, Groups | None]:
        """The same with a group a row, and the groups of touches and conversions. ``who``: as in ``met``.

        ``code``: of the user of each row, where that is known.
        """
        counted = windows.counted and not windows.reads_everyone and roles.null_user != "own"  # else all are
        if by is None and not counted:
            return self, None
        n, groups, counts = None, None, self.says_something
        counts = counts if who is None else counts & who
        if counted:
            if code is None:
                n = house.select(pl.col(roles.user).filter(counts)).n_unique()
            else:
                n = int(np.count_nonzero(np.bincount(pl.Series(code).filter(counts).to_numpy())))
        if by is not None:
            groups = Groups.of(call, house, by, counts, windows.n_threads)
        group = None if groups is None else pl.Series(groups.code)
        return replace(self, group=group, n_customers=n, said=self.what), groups

    def amount(self, row: Int64, found: Float64) -> None:
        """Writes the value of some rows, 0 where there is none."""
        if self.value is None:
            found[:] = 0.0
        else:
            native.values_at(self.value.rechunk(), row, found)


def touchpoints(
    call: str,
    house: pl.DataFrame,
    models: Sequence[Model],
    *,
    channel: str,
    conversion: str | None,
    value: str | None,
    stage: str | None = None,
    container: str | None = None,
    n_threads: int,
) -> Touchpoints:
    """Read and check the columns of one call, no more channels than every model can take."""
    named = _columns.key_column(call, "channel", house[channel])
    converted = None if conversion is None else _columns.marks(call, "conversion", house, conversion)
    amount = None if value is None else _columns.amounts(call, "value", house, value)
    if converted is None:
        assert amount is not None
        converted = amount.is_not_null()
    number = _columns.numbered(named)
    if number is named:
        number = pl.Series(native.encode_keys([named], False, n_threads)[0])
    number, converted = number.rechunk(), converted.rechunk()
    known, first = native.channels_of(number)
    check_channels(call, channel, len(first), models)
    marked = None if stage is None else _columns.marks(call, "stage", house, stage)
    inside = None
    if container is not None:
        inside = pl.Series(_columns.codes(call, "container", house, container, n_threads=n_threads)[0])
    names = house[channel][first]
    return Touchpoints(number, known, converted, amount, names, stage=marked, container=inside)


def check_channels(call: str, column: str, n: int, models: Sequence[Model], role: str = "channel") -> None:
    """No more channels than every model can take."""
    for model in models:
        if model.most_channels is not None and n > model.most_channels:
            problem = f"{n:,} channels; model {model.word!r} takes at most {model.most_channels:,}."
            hint = "put rare channels together, or choose another model."
            raise errors.bad_data(call, role, column, problem, hint)


# ---------------------------------------------------------------- rows that no model looks at


def looked_at(
    call: str, house: pl.DataFrame, roles: EventRoles, log: Touchpoints, windows: Windows
) -> tuple[EventColumns, Touchpoints]:
    """Who did something, when and what, without the rows that no model looks at: they need no sorting.

    Those are rows that are neither touch nor conversion and, where only windows count, touches of users who
    never converted, touches too old for the first conversion of their user, and those after the last one.
    """
    n_threads = windows.n_threads
    if windows.reads_everyone:
        columns = _columns.event_columns(call, house, roles, n_threads=n_threads)
        if (log.says_something & (pl.Series(columns.code) >= 0)).all():
            return columns, log
        code = np.where(log.what == _NOTHING, np.int32(-1), columns.code)
        count = np.bincount(code[code >= 0], minlength=columns.n_users).astype(np.int64)
        return replace(columns, code=code, count=count), log
    user = _columns.key_alone(call, "user", house, roles.user, n_threads=n_threads)
    tick, tick_length, _ = _columns.time_ticks(call, house, roles.time, roles.time_unit)
    tie, lookback = _columns.tie_order(call, house, roles.order), windows.ticks(tick_length)
    code, tick, what, row, count = native.reached_rows(
        user, log.converted, log.number, log.known, tick, lookback, n_threads
    )
    none = np.empty(0, np.int64)  # nobody asks for names
    keys = _columns.Keys(code, count, none, none, np.empty(0, np.uint8))
    columns = EventColumns(keys, code, count, tick, tie[row] if len(tie) else tie, tick_length, own=-1)
    container = None if log.container is None else log.container[row]
    return columns, replace(log, said=what, row=row, container=container)


# ---------------------------------------------------------------- journeys


#: ticks: longer than any age; kernels count it as 0, no limit
_ANY_AGE = 2**64


@dataclass(frozen=True, slots=True)
class Windows:
    """Which touches a conversion looks at, and what else is read of journeys.

    ``lookback`` in nanoseconds, None for no limit; ``reset``: touches of the previous conversion are used up;
    ``nulls``: journeys that did not convert count, too; ``with_rows``: rows of the log are asked for;
    ``everyone``: customers who never converted are there, too, and each has its key; ``counted``: how many
    customers there are is asked for.
    """

    lookback: int | None
    reset: bool
    nulls: bool
    with_rows: bool
    n_threads: int
    everyone: bool = False
    counted: bool = False

    @property
    def reads_everyone(self) -> bool:
        """Are users read who never converted?"""
        return self.nulls or self.everyone

    def ticks(self, tick_length: int) -> int:
        """Of lookback; 0 for no limit."""
        if self.lookback is None:
            return 0
        return _options.ticks_above(self.lookback, tick_length, _ANY_AGE) % _ANY_AGE


def journeys_of(index: EventIndex, log: Touchpoints, windows: Windows) -> Journeys:
    """Journeys out of the index and what was read by row."""
    offset, user = _users(index, log, everyone=windows.reads_everyone)
    journeys, null_lo, null_hi = _filled(index, log, windows, offset, user)
    if windows.everyone:
        journeys = replace(journeys, key=_keys(index.columns, len(user)))
    if log.stage is not None:
        journeys = replace(journeys, stage=log.stage.to_numpy()[journeys.touch_row])
    if not windows.nulls:
        return journeys
    lookback = windows.ticks(index.columns.tick_length)
    kernel.null_windows(journeys.view, lookback, windows.n_threads, null_lo, null_hi)
    if log.container is not None:
        _keep_in_container(journeys, log.container.to_numpy()[journeys.touch_row], null_lo, null_hi)
    return replace(journeys, null_lo=null_lo, null_hi=null_hi)


def _filled(
    index: EventIndex, log: Touchpoints, windows: Windows, offset: Int64, user: Int64
) -> tuple[Journeys, Int64, Int64]:
    """Journeys that convert, and room for those that do not."""
    positions = int(offset[-1])  # pages that nothing is written to cost nothing
    # several threads write each block where its positions would lie
    room = min(positions, int(log.converted.sum())) if windows.n_threads == 1 else positions
    offsets, nulls = [(len(user) + 1, np.int64)] * 2, [(len(user) * windows.nulls, np.int64)] * 2
    touches = [(positions, np.int32), (positions, np.int64), (positions * windows.with_rows, np.int64)]
    arrays = beside(*offsets, *nulls, *[(room, np.int64)] * 4, (room, np.float64), *touches)
    touch_offset, conversion_offset, null_lo, null_hi, *rest = arrays
    *of_conversions, channel, tick, touch_row = rest
    conversion_tick, row, lo, hi, value = of_conversions
    kernel.fill_journeys(
        *(offset, index.row, index.tick, log.what, user),
        np.empty(0, np.int32) if log.container is None else log.container.to_numpy(),
        np.empty(0, np.int32) if log.row is None else log.row,
        *(windows.ticks(index.columns.tick_length), windows.reset, windows.n_threads),
        *(touch_offset, conversion_offset, channel, tick),
        *(conversion_tick, row, touch_row, lo, hi),
    )
    n_touches, n_conversions = touch_offset[-1], conversion_offset[-1]
    conversion_tick, row, lo, hi, value = (x[:n_conversions] for x in of_conversions)
    log.amount(row, value)
    journeys = Journeys(
        names=log.names,
        touch_offset=touch_offset,
        conversion_offset=conversion_offset,
        channel=channel[:n_touches],
        tick=tick[:n_touches],
        conversion_tick=conversion_tick,
        value=value,
        lo=lo,
        hi=hi,
        tick_length=index.columns.tick_length,
        n_threads=windows.n_threads,
        touch_row=touch_row[:n_touches],
        conversion_row=row if windows.with_rows else row[:0],
    )
    return journeys, null_lo, null_hi


def _keys(columns: EventColumns, n_users: int) -> UInt64:
    """A number for each customer that is the same in every log; rows without a user go by their place."""
    key = np.empty(n_users, np.uint64)
    n = len(columns.keys)
    uncertainty.customer_keys(columns.keys.offset, columns.keys.data, key[:n])
    key[n:] = np.arange(n, n_users, dtype=np.uint64)
    return key


def _keep_in_container(journeys: Journeys, container: Int32, lo: Int64, hi: Int64) -> None:
    """A journey that did not convert begins with the container of its final touch; moves ``lo``."""
    begins = np.ones(len(container), np.bool_)
    begins[1:] = (container[1:] != container[:-1]) | (container[1:] < 0)
    starts = journeys.touch_offset[:-1]
    begins[starts[starts < len(begins)]] = True
    run = np.maximum.accumulate(np.where(begins, np.arange(len(begins)), 0))
    some = lo < hi
    lo[some] = np.maximum(lo[some], run[hi[some] - 1])


def _users(index: EventIndex, log: Touchpoints, *, everyone: bool) -> tuple[Int64, Int64]:
    """Positions of each user, and the users who are looked at."""
    offset = index.offset
    if index.columns.own >= 0:  # rows without a user: the last item, in truth a user each
        offset = np.concatenate((offset[:-1], np.arange(offset[-2] + 1, offset[-1] + 1)))
    elif not everyone and log.row is None:  # else all who are there converted
        return offset, native.codes_of(index.columns.code, log.converted.rechunk(), index.columns.n_users)
    return offset, np.arange(len(offset) - 1)
