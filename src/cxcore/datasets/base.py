"""What every generator gives back, and the orders in which a log may come."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
import polars as pl

from cxcore import _options, errors

Order = Literal["arrival", "random", "sorted"]
Ids = Literal["integer", "string"]
ORDERS = ("arrival", "random", "sorted")
IDS = ("integer", "string")

#: microseconds of 2026-01-01 00:00 UTC: every generated log starts there
START = 1_767_225_600_000_000
SECOND = 1_000_000
DAY = 86_400 * SECOND


class Planted(NamedTuple):
    """Generated data and the truth that was planted in them.

    A pair, so that ``frame, truth = datasets.answers(1_000, rng=1)`` works.

    Attributes
    ----------
    frame : polars.DataFrame
        The data, as a verb of cxcore takes them. Columns named ``true_…`` hold truth by row.
    truth : polars.DataFrame
        What a perfect analyst would find: one row per session, channel or group.
    """

    frame: pl.DataFrame
    truth: pl.DataFrame


def user_ids(n: int, ids: str, rng: np.random.Generator) -> pl.Series:
    """One id per user, in no order: 1..n, or 33 characters of the kind that web logs hold."""
    if ids == "integer":
        return pl.Series(rng.permutation(n) + 1, dtype=pl.Int64)
    digits = rng.bytes(16 * n).hex()
    return pl.Series(["u" + digits[at : at + 32] for at in range(0, 32 * n, 32)], dtype=pl.String)


def in_order(
    frame: pl.DataFrame, order: str, arrival: np.ndarray | None, rng: np.random.Generator
) -> pl.DataFrame:
    """Rows that are sorted by user and time, put into the order asked for."""
    if order == "sorted":
        return frame
    if order == "random":
        return frame[rng.permutation(frame.height)]
    if arrival is None:
        return frame.sort("ts", maintain_order=True)
    return frame[np.argsort(arrival, kind="stable")]


def microseconds(call: str, option: str, value: object) -> int:
    """A duration option in whole microseconds, the unit of every generated time."""
    return max(_options.duration(call, option, value) // 1_000, 1)


def by_name(
    call: str, option: str, value: Any, inside: Callable[[float], bool], problem: str, hint: str
) -> dict[str, float]:
    """An option that gives a number to each of some names."""
    fine = isinstance(value, Mapping) and bool(value)
    for name, number in value.items() if fine else ():
        is_number = isinstance(number, (int, float)) and not isinstance(number, bool)
        fine = fine and isinstance(name, str) and is_number and inside(number)
    if not fine:
        raise errors.bad_option(call, option, value, problem, hint)
    return {name: float(number) for name, number in value.items()}
