"""What a stream knows of users with closed sessions: one record each, found by key in O(log n).

Most lie settled, in order of their keys; those of the last batches lie beside them, and go before what is
settled under the same key. When they are many they settle too, so that a record is moved a few times in all.
A forgotten one lies beside with a session number of 0 until then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cxcore._columns import Int64

UInt64 = NDArray[np.uint64]
#: records that lie beside at least, before they settle
_FEW = 32_768


def keys_of(rows: pl.DataFrame) -> UInt64:
    return rows["key"].to_numpy()


@dataclass(frozen=True, eq=False)
class Records:
    """Frames of one schema with a column ``key``; never changed, only replaced."""

    beside: pl.DataFrame
    settled: pl.DataFrame
    settled_keys: UInt64 = field(repr=False)

    @classmethod
    def of(cls, rows: pl.DataFrame) -> Records:
        """All settled."""
        rows = rows[np.argsort(keys_of(rows))]
        return cls(rows.clear(), rows, keys_of(rows))

    def split(self, keys: pl.Series) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Records with one of the keys, and the others that lie beside."""
        met = self.beside["key"].is_in(keys.implode()).to_numpy() & _known(self.beside)
        wanted = np.sort(keys.unique().to_numpy())
        low = np.searchsorted(self.settled_keys, wanted, "left")
        at = _ranges(low, np.searchsorted(self.settled_keys, wanted, "right"))
        stale = pl.Series(self.settled_keys[at]).is_in(self.beside["key"].implode())
        found = self.settled[at[~stale.to_numpy()]]
        return pl.concat([self.beside[np.flatnonzero(met)], found]), self.beside[np.flatnonzero(~met)]

    def having(self, beside: pl.DataFrame, still_known: Callable[[pl.DataFrame], pl.DataFrame]) -> Records:
        """With other records beside: all that have a key, for each key among them."""
        new = Records(beside, self.settled, self.settled_keys)
        return new if len(beside) <= max(_FEW, len(self.settled) // 4) else Records.of(still_known(new.all))

    @property
    def all(self) -> pl.DataFrame:
        stale = self.settled["key"].is_in(self.beside["key"].implode()).to_numpy()
        return pl.concat(
            [self.settled[np.flatnonzero(~stale)], self.beside[np.flatnonzero(_known(self.beside))]]
        )


def _known(rows: pl.DataFrame) -> NDArray[np.bool_]:
    return rows["session_number"].to_numpy() > 0


def _ranges(low: Int64, high: Int64) -> Int64:
    """low[0] … high[0] - 1, low[1] …"""
    size = high - low
    start = np.repeat(low - np.append(0, np.cumsum(size)[:-1]), size) if len(size) else low
    return start + np.arange(int(size.sum()))
