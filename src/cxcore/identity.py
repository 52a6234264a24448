"""Identity: rows of an anonymous id get the known id that was seen with it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl

from cxcore import _options, errors
from cxcore._columns import (
    MOST_ROWS,
    EventColumns,
    EventRoles,
    Int32,
    Int64,
    Keys,
    UInt8,
    check_roles,
    is_key,
    keys,
    needed,
    tie_order,
    time_ticks,
)
from cxcore._ext import identity as kernels
from cxcore._ext.arrays import empty
from cxcore._index import index_columns
from cxcore._options import TimeUnit
from cxcore.engines import open_frame

Policy = Literal["last", "first", "sliced"]

_POLICIES = ("last", "first", "sliced")  # in the order of the kernel's numbers
_COLUMN = "identity"
_ANYWHERE = 2**64 - 1  # a lookback that reaches every login
_ANONYMOUS, _KNOWN = "anonymous:", "known:"


@dataclass(frozen=True, slots=True)
class StitchRoles:
    """Which columns say from which device, who and when."""

    anonymous: str
    known: str
    time: str
    order: str | None
    time_unit: str | None

    @property
    def columns(self) -> list[str]:
        return needed(self.anonymous, self.known, self.time, self.order)


@dataclass(frozen=True, slots=True)
class StitchRule:
    """Which of the logins of a device counts for a row, and how far away it may be (nanoseconds or None)."""

    policy: str
    lookback: int | None

    def ticks(self, tick_length: int) -> int:
        """The farthest login that counts, in ticks of the time column."""
        if self.lookback is None:
            return _ANYWHERE
        return _options.ticks_below(self.lookback, tick_length, _ANYWHERE)


@dataclass(frozen=True, slots=True)
class StitchColumns:
    """The checked columns: codes of devices and of known ids, -1 where a row has none."""

    device: Keys
    known: Keys
    tick: Int64
    tie: Int64
    tick_length: int


def stitch(
    events: Any,
    *,
    anonymous: str,
    known: str,
    time: str,
    policy: Policy = "last",
    lookback: Any = None,
    unstitch: Any = None,
    order: str | None = None,
    time_unit: TimeUnit | None = None,
    n_threads: int | None = None,
) -> Any:
    """Give every event one identity, so that a login in mid-session does not split it.

    Rows with a known id keep it; rows with an anonymous id alone get the known id that logged in there.

    Parameters
    ----------
    events : frame of n rows
        Polars DataFrame or LazyFrame, DuckDB relation, pandas, pyarrow, anything with
        ``__arrow_c_stream__``.
    anonymous : str
        Column of the id that needs no login: a device, a cookie. Null where a row has none.
    known : str
        Column of the id that is known after a login: a customer. Null where a row has none. A row with both
        is a login.
    time : str
        Column that says when: dates, datetimes of any unit and zone, or integers with ``time_unit``.
    policy : {'last', 'first', 'sliced'}, default 'last'
        Which of the logins on its device counts for a row without a known id: the last, the first, or
        (``'sliced'``, for shared devices) the latest before the row, and the earliest after it where there
        is none before.
    lookback : str or datetime.timedelta, optional
        Only logins at most so long before or after a row count for it; all where None.
    unstitch : list, column, or frame of one column, optional
        Known ids that may not be linked (privacy requests). Rows that would be theirs get their anonymous
        id, or none; all other rows stay as they are.
    order : str, optional
        Column that breaks ties of time; rows that still tie keep their order.
    time_unit : {'s', 'ms', 'us', 'ns'}, optional
        Unit of a time column of integers, counted from 1970-01-01 UTC.
    n_threads : int, optional
        Threads to use; as many as Polars has where None. The answer does not depend on it.

    Returns
    -------
    frame of n rows
        The same rows in the same order, with ``identity`` (text): the known id as text, or ``anonymous:``
        and the anonymous id where no login counts, or null where a row has neither id. A known id that
        itself begins with ``anonymous:`` or ``known:`` has ``known:`` set before it, so that no two ids
        ever have the same text. Bytes are shown in hexadecimal digits.

    Raises
    ------
    ColumnNotFoundError, InvalidOptionError, InvalidDataError, UnsupportedFrameError

    Notes
    -----
    Two customers are never merged, whatever devices they share. Time O(n); rows are sorted only where they
    differ inside a device (``lookback``, or ``'sliced'`` on a shared device). Memory beyond input and output:
    about 27 bytes a row (measured). On a LazyFrame the work waits for ``collect``, and so
    do errors about data.

    Examples
    --------
    >>> import datetime as dt, polars as pl, cxcore as cx
    >>> noon = dt.datetime(2026, 1, 5, 12)
    >>> log = pl.DataFrame({
    ...     "device": ["d1", "d1", "d1", "d2"],
    ...     "customer": [None, "ann", None, None],
    ...     "ts": [noon + dt.timedelta(minutes=m) for m in (0, 5, 10, 10)],
    ... })
    >>> one = cx.stitch(log, anonymous="device", known="customer", time="ts")
    >>> one["identity"].to_list()
    ['ann', 'ann', 'ann', 'anonymous:d2']
    >>> cx.sessionize(one, user="identity", time="ts")["session_number"].to_list()
    [1, 1, 1, 1]
    """
    call = "stitch"
    roles = _stitch_roles(call, anonymous, known, time, order, time_unit)
    _options.word(call, "policy", policy, _POLICIES)
    rule = StitchRule(policy, None if lookback is None else _options.duration(call, "lookback", lookback))
    barred = None if unstitch is None else _id_list(call, unstitch)
    threads = _options.n_threads(call, n_threads)
    engine, frame = open_frame(call, events)
    names = engine.columns(frame)
    check_roles(
        call, names, {"anonymous": roles.anonymous, "known": roles.known, "time": time, "order": order}
    )
    taken = [name for name in names if engine.folded(name) == _COLUMN]
    if taken:
        raise errors.column_exists(call, taken)

    def compute(house: pl.DataFrame) -> pl.DataFrame:
        return _identities(call, house, roles, rule, barred, threads)

    def schema(_: pl.Schema) -> pl.Schema:
        return pl.Schema({_COLUMN: pl.String()})

    return engine.rows(call, frame, roles.columns, compute, schema)


# ---------------------------------------------------------------- options


def _stitch_roles(
    call: str, anonymous: str, known: str, time: str, order: str | None, time_unit: str | None
) -> StitchRoles:
    for role, name in {"anonymous": anonymous, "known": known, "time": time}.items():
        _options.column_name(call, role, name)
    if order is not None:
        _options.column_name(call, "order", order)
    if known == anonymous:
        hint = "make two columns of it: the id before the login, and the id after."
        raise errors.bad_option(call, "known", known, "the same column as anonymous.", hint)
    if time_unit is not None:
        _options.word(call, "time_unit", time_unit, ("s", "ms", "us", "ns"))
    return StitchRoles(anonymous, known, time, order, time_unit)


def _id_list(call: str, value: Any) -> pl.Series:
    """Ids from a list, a column, or a frame of one column; nulls are nobody's."""
    if isinstance(value, pl.LazyFrame) or hasattr(value, "columns"):
        engine, frame = open_frame(call, value)
        names = engine.columns(frame)
        if len(names) != 1:
            problem = f"is a frame of {len(names)} columns."
            raise errors.bad_ids(call, "unstitch", problem, "select the one that holds known ids.")
        return engine.read(call, frame, names).to_series().drop_nulls()
    if isinstance(value, pl.Series):
        return value.drop_nulls()
    hint = "write unstitch=['ann'], or pass a column or a frame of one column."
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise errors.bad_ids(call, "unstitch", "is not a list of known ids.", hint)
    try:
        return pl.Series(list(value)).drop_nulls()
    except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError) as error:
        raise errors.bad_ids(call, "unstitch", "holds ids of several types.", hint) from error


# ---------------------------------------------------------------- compute


def _identities(
    call: str,
    house: pl.DataFrame,
    roles: StitchRoles,
    rule: StitchRule,
    barred: pl.Series | None,
    n_threads: int,
) -> pl.DataFrame:
    """The column ``identity`` of a log."""
    names, place = _named_rows(call, house, roles, rule, barred, n_threads)
    return names.gather(place).alias(_COLUMN).to_frame()


def _named_rows(
    call: str,
    house: pl.DataFrame,
    roles: StitchRoles,
    rule: StitchRule,
    barred: pl.Series | None,
    n_threads: int,
) -> tuple[pl.Series, pl.Series]:
    """All names that an identity can have, and the place of each row's among them."""
    columns = _stitch_columns(call, house, roles, n_threads)
    ids = house[roles.known].gather(columns.known.first)
    devices = house[roles.anonymous].gather(columns.device.first)
    unstitched = _unstitched(call, roles.known, ids, barred)
    link = _links(columns, house, roles, rule, n_threads)
    place = empty(len(link), np.int64)
    kernels.name_rows(columns.device.code, link, unstitched, len(devices), n_threads, place)
    nobody = pl.Series([None], dtype=pl.String)
    # in one chunk: Polars gathers many times faster from one than from three
    names = pl.concat([_known_text(ids), _ANONYMOUS + _text(devices), nobody], rechunk=True)
    return names, pl.Series(place)


def _stitch_columns(call: str, house: pl.DataFrame, roles: StitchRoles, n_threads: int) -> StitchColumns:
    """Check the columns once, in the order of the signature."""
    if len(house) > MOST_ROWS:
        raise errors.too_many_rows(call, len(house))
    device = keys(call, "anonymous", house, [roles.anonymous], n_threads=n_threads)
    known = keys(call, "known", house, [roles.known], n_threads=n_threads)
    tick, tick_length, absent = time_ticks(call, house, roles.time, roles.time_unit)
    if absent is not None:
        n_absent, row = int(absent.sum()), int(absent.argmax())
        hint = "drop them: nobody can say which login they are near."
        raise errors.nulls(call, "time", roles.time, n_absent, len(house), row, hint)
    return StitchColumns(device, known, tick, tie_order(call, house, roles.order), tick_length)


def _links(
    columns: StitchColumns, house: pl.DataFrame, roles: StitchRoles, rule: StitchRule, n_threads: int
) -> Int32:
    """The known id of each row, -1 where it has none."""
    device, known = columns.device, columns.known.code
    login, shared = empty(len(device), np.int32), empty(len(device), np.uint8)
    kernels.find_logins(device.code, known, columns.tick, columns.tie, rule.policy == "first", login, shared)
    link = empty(len(known), np.int32)
    kernels.spread_logins(device.code, known, login, n_threads, link)
    if rule.lookback is not None:
        _follow(columns, login >= 0, house, roles, rule, n_threads, link)
    elif rule.policy == "sliced":
        _follow(columns, shared > 0, house, roles, rule, n_threads, link)
    return link


def _follow(
    columns: StitchColumns,
    wanted: np.ndarray[Any, np.dtype[np.bool_]],
    house: pl.DataFrame,
    roles: StitchRoles,
    rule: StitchRule,
    n_threads: int,
    link: Int32,
) -> None:
    """Rewrite the links of the wanted devices, whose rows do not all see the same login."""
    if not wanted.any():
        return
    device = columns.device
    code, count = device.code, device.count
    if not wanted.all():
        code = np.where(wanted[code], code, np.int32(-1))  # -1 stays -1, whatever the last device says
        count = np.where(wanted, count, 0)
    events = EventColumns(device, code, count, columns.tick, columns.tie, columns.tick_length, -1)
    of_devices = EventRoles((roles.anonymous,), roles.time, roles.order, roles.time_unit)
    engine, frame = open_frame("stitch", house)
    index = index_columns(events, of_devices, house, engine, frame, n_threads=n_threads)
    kernels.follow_logins(
        index.offset,
        index.row,
        index.tick,
        columns.known.code,
        _POLICIES.index(rule.policy),
        rule.ticks(columns.tick_length),
        n_threads,
        link,
    )


# ---------------------------------------------------------------- ids as text


def _text(ids: pl.Series) -> pl.Series:
    """Ids as text, no two alike."""
    return ids.bin.encode("hex") if ids.dtype == pl.Binary else ids.cast(pl.String)


def _known_text(ids: pl.Series) -> pl.Series:
    """Known ids as text that no anonymous id can have, and no other known id."""
    text = _text(ids)
    mistakable = text.str.starts_with(_ANONYMOUS) | text.str.starts_with(_KNOWN)
    return (_KNOWN + text).zip_with(mistakable, text) if mistakable.any() else text


def _kind(dtype: pl.DataType) -> str:
    """What ids are, whatever holds them: 7 as int8 and as int64 is one id, so are text and its categories."""
    if dtype.is_integer():
        return "whole numbers"
    return "text" if dtype in (pl.String, pl.Categorical, pl.Enum) else str(dtype)


def _unstitched(call: str, known: str, ids: pl.Series, barred: pl.Series | None) -> UInt8:
    """Which of the known ids may not be linked. A list that could match nothing is refused, not ignored."""
    if barred is None or not len(barred) or ids.dtype == pl.Null:
        return np.zeros(len(ids), np.uint8)
    if not is_key(barred.dtype) or _kind(barred.dtype) != _kind(ids.dtype):
        problem = f"holds {_kind(barred.dtype)}, but the column {known!r} holds {_kind(ids.dtype)}."
        raise errors.bad_ids(call, "unstitch", problem, "cast one to the other.")
    return _text(ids).is_in(_text(barred).implode()).cast(pl.UInt8).to_numpy()
