"""Logs sorted by user: whole users pass by, in constant memory, and nothing goes to disk.

What a verb says of a user depends on that user's rows alone. Where they lie together, all users but the last
of what was read so far are complete; the last one's rows wait for what is read next. Why so: docs/adr/0034.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl

from cxcore import _options, errors
from cxcore._columns import EventRoles
from cxcore._parts import between_users, gathered
from cxcore._spill import ROW
from cxcore.engines.base import Compute

#: a call of the kernels costs about what a thousand rows cost; more at once hold more, and are no faster
_ROWS = 1 << 16
_AT = "row"


def check_sorted_by_user(
    call: str, sorted_by_user: Any, events: Any, id: str, null_user: str, spill: Any
) -> bool:
    """The option ``sorted_by_user=``, checked against what it stands beside."""
    _options.flag(call, "sorted_by_user", sorted_by_user, "True says that the rows come sorted by user.")
    if not sorted_by_user:
        return False
    if not isinstance(events, pl.LazyFrame):
        raise errors.only_lazy(call, "sorted_by_user", True, spreads=_options.of_spark(events))
    if spill is not None:
        hint = "leave it out: a sorted log needs no disk."
        raise errors.bad_option(call, "spill", spill, "stands beside sorted_by_user=True.", hint)
    if id == "dense":
        hint = "take id='stable', or count the sessions of the answer."
        raise errors.bad_option(
            call, "id", id, "counts all sessions, and sorted_by_user= sees one user after the other.", hint
        )
    if null_user == "own":
        hint = "take null_user='null', or drop these rows."
        raise errors.bad_option(
            call, "null_user", null_user, "counts rows without a user, wherever they lie.", hint
        )
    return True


def by_user(call: str, log: pl.LazyFrame, roles: EventRoles, compute: Compute) -> Iterator[pl.DataFrame]:
    """What ``compute`` gives for some whole users after the others; as ``_spill.by_parts``."""
    batches = gathered(log.collect_batches(lazy=True), _ROWS)
    for rows in between_users(batches, _Order(call, roles.user).begin_of_last_user):
        try:
            yield compute(rows)
        except errors.InvalidDataError as error:
            raise errors.from_row(error, rows[0, ROW] if len(rows) else 0) from error


class _Order:
    """Follows the users of a log, batch after batch: do they ascend, and where does the last one begin?

    Rows without a user may lie anywhere but between rows of one user.
    """

    def __init__(self, call: str, user: Sequence[str]) -> None:
        self._call, self._user = call, user
        self._n_rows = 0
        #: the last user met, and that row, counted from the batch to come
        self._last: pl.DataFrame | None = None

    def begin_of_last_user(self, batch: pl.DataFrame) -> int | None:
        """Where all users but the last one have ended; None where the whole batch is that one's."""
        if len(batch) == 0 or any(batch.schema[name].is_nested() for name in self._user):
            return None  # what cannot be a key is refused with the rows
        users = [_comparable(batch[name]).alias(str(at)) for at, name in enumerate(self._user)]
        known = pl.DataFrame(users).with_row_index(_AT).with_columns(pl.col(_AT).cast(pl.Int64)).drop_nulls()
        seen = known if self._last is None else pl.concat([self._last, known])
        steps = seen.lazy().select(_AT, is_new=~_is_same(len(users)), falls=_falls(len(users)))
        returns = ~pl.col("is_new") & (pl.col(_AT).diff() > 1)
        bad = steps.filter(pl.col("falls") | returns).select(_AT, "is_new").head(1)
        begin = steps.filter("is_new").select(pl.col(_AT).max())
        wrong, newest = pl.collect_all([bad, begin])
        for at, is_new in wrong.rows():
            raise errors.not_by_user(self._call, self._user, self._n_rows + at, returns=not is_new)
        last = newest.item()
        self._n_rows += len(batch)
        self._last = seen.tail(1).with_columns(pl.col(_AT) - len(batch))
        if any(user[-1] is None for user in users):
            return len(batch)
        return last if last is not None and last >= 0 else None


def _comparable(user: pl.Series) -> pl.Series:
    """Categories are in the order of their text; an Enum has one of its own."""
    return user.cast(pl.String) if user.dtype == pl.Categorical else user


def _is_same(n: int) -> pl.Expr:
    """Is this row of the user of the row before? False in the first."""
    equal = [pl.col(str(at)) == pl.col(str(at)).shift() for at in range(n)]
    return pl.all_horizontal(equal).fill_null(value=False)


def _falls(n: int) -> pl.Expr:
    """Is this user less than the one before, column by column?"""
    falls = pl.lit(value=False)
    for at in reversed(range(n)):
        now, before = pl.col(str(at)), pl.col(str(at)).shift()
        falls = (now < before) | ((now == before) & falls)
    return falls.fill_null(value=False)
