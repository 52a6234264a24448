"""Journeys of customers over channels whose effects are known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from cxcore import _options
from cxcore.datasets.base import DAY, IDS, ORDERS, START, Ids, Order, Planted, by_name, in_order, user_ids

#: chance that one touch makes a conversion; "retargeting" is seen often and does nothing
EFFECTS = {
    "paid_search": 0.050,
    "retargeting": 0.0,
    "email": 0.030,
    "social": 0.012,
    "display": 0.004,
    "affiliate": 0.080,
}


def touchpoints(
    n_users: int,
    *,
    rng: Any = None,
    effects: Mapping[str, float] | int | None = None,
    mean_touches: float = 4.0,
    organic: float = 0.02,
    repeat: float = 0.25,
    days: int = 60,
    order: Order = "arrival",
    ids: Ids = "integer",
) -> Planted:
    """Make journeys over channels in which the cause of every conversion is known.

    Each touch makes a conversion of its own with its channel's chance, a while later; each customer also
    converts now and then without any touch. Causes do not interact, so the true credit of a channel is
    the number of conversions that its touches made, and exactly those would be lost without the channel.

    Parameters
    ----------
    n_users : int
        Customers, 1 or more; each has at least one touch.
    rng : None, int, SeedSequence or Generator, default None
        Source of random numbers; the same seed gives the same journeys.
    effects : mapping of str to float, or int, optional
        Chance from 0 to 1 that one touch of the channel makes a conversion, the commonest channel first
        (channel i is met in proportion to 1/i). A number makes that many channels. By default six
        channels, of which ``"retargeting"`` is common and does nothing.
    mean_touches : float, default 4.0
        Mean touches per customer; one plus a geometric number.
    organic : float, default 0.02
        Chance that a customer converts once with no cause.
    repeat : float, default 0.25
        Chance that a touch repeats the channel of the touch before it.
    days : int, default 60
        First touches fall into that many days from 2026-01-01. Then come silences of 2.5 days on average.
    order : {"arrival", "random", "sorted"}, default "arrival"
        By time as a log is written, shuffled, or by user and time.
    ids : {"integer", "string"}, default "integer"
        User ids as Int64 or as text of 33 characters.

    Returns
    -------
    Planted
        ``frame``: ``user_id``, ``ts`` (Datetime, microseconds), ``channel`` (String, null on conversions),
        ``conversion`` (Boolean), ``value`` (Float64, null on touches), ``true_channel`` (String: what
        made the conversion; null on touches and where there was no cause). ``truth``: one row per channel
        with ``channel`` (null: no cause), ``effect``, ``touches``, ``conversions``, ``value``.

    Raises
    ------
    InvalidOptionError
        An option is out of its range.

    Notes
    -----
    Time and memory grow with the number of touches. A conversion follows its cause after an exponential
    time of half a day on average, so that the last touch before it is not always its cause. Values are
    log-normal, median 40.

    Examples
    --------
    >>> import polars as pl
    >>> from cxcore import datasets
    >>> events, truth = datasets.touchpoints(2_000, rng=1)
    >>> events["conversion"].sum() == truth["conversions"].sum()
    True
    >>> truth.row(by_predicate=pl.col("channel") == "retargeting", named=True)["conversions"]
    0
    """
    call = "datasets.touchpoints"
    n_users = _options.whole(call, "n_users", n_users, 1)
    rng = _options.generator(call, rng)
    chance = _effects(call, effects)
    mean_touches = _options.number(call, "mean_touches", mean_touches, 1, 1e6)
    organic = _options.number(call, "organic", organic, 0, 1)
    repeat = _options.number(call, "repeat", repeat, 0, 1)
    days = _options.whole(call, "days", days, 1)
    order = _options.word(call, "order", order, ORDERS)
    ids = _options.word(call, "ids", ids, IDS)

    counts = rng.geometric(1 / mean_touches, n_users)
    user = np.repeat(np.arange(n_users), counts)
    channel = _channels(counts, len(chance), repeat, rng)
    time = _touch_times(counts, days * DAY, rng)

    made = np.flatnonzero(rng.random(len(user)) < np.array(list(chance.values()))[channel])
    chosen = np.flatnonzero(rng.random(n_users) < organic)
    touched = {"user": user, "time": time, "channel": channel, "cause": np.full(len(user), -1)}
    caused = {
        "user": np.concatenate((user[made], chosen)),
        "time": np.concatenate((_later(time[made], rng), START + rng.integers(0, days * DAY, len(chosen)))),
        "cause": np.concatenate((channel[made], np.full(len(chosen), -1))),
    }
    names = list(chance)
    frame = _log(touched, caused, names, user_ids(n_users, ids, rng), rng)
    return Planted(in_order(frame, order, None, rng), _truth(frame, chance))


def _effects(call: str, effects: Mapping[str, float] | int | None) -> dict[str, float]:
    if isinstance(effects, int):
        n = _options.whole(call, "effects", effects, 1)
        return {
            f"channel_{at:02d}": 0.08 * (at * 0.618034 % 1) for at in range(n)
        }  # spread evenly, in no order
    return by_name(
        call,
        "effects",
        EFFECTS if effects is None else effects,
        lambda value: 0 <= value <= 1,
        "one chance per channel, each from 0 to 1.",
        "such as effects={'email': 0.03, 'social': 0.01}.",
    )


def _channels(counts: np.ndarray, n_channels: int, repeat: float, rng: np.random.Generator) -> np.ndarray:
    n = int(counts.sum())
    share = 1.0 / np.arange(1, n_channels + 1)
    drawn = np.searchsorted(np.cumsum(share / share.sum())[:-1], rng.random(n), side="right")
    fresh = rng.random(n) >= repeat
    fresh[np.cumsum(counts) - counts] = True  # a customer's first touch repeats nothing
    source = np.maximum.accumulate(np.where(fresh, np.arange(n), 0))
    return drawn[source]


def _touch_times(counts: np.ndarray, span: int, rng: np.random.Generator) -> np.ndarray:
    step = (rng.standard_exponential(int(counts.sum())) * 2.5 * DAY).astype(np.int64) + 1
    first = np.cumsum(counts) - counts
    step[first] = rng.integers(0, span, len(counts))
    time = np.cumsum(step)
    start = np.repeat(time[first] - step[first], counts)
    moved: np.ndarray = START + time - start
    return moved


def _later(time: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return time + (rng.standard_exponential(len(time)) * 0.5 * DAY).astype(np.int64) + 1


def _log(
    touched: dict[str, np.ndarray],
    caused: dict[str, np.ndarray],
    names: list[str],
    ids: pl.Series,
    rng: np.random.Generator,
) -> pl.DataFrame:
    """Touches and conversions in one table, sorted by user and time."""
    n_touches, n_conversions = len(touched["user"]), len(caused["user"])
    user = np.concatenate((touched["user"], caused["user"]))
    channel = np.concatenate((touched["channel"], np.full(n_conversions, -1)))
    cause = np.concatenate((touched["cause"], caused["cause"]))
    value = np.exp(np.log(40.0) + 0.8 * rng.standard_normal(n_conversions)).round(2)
    frame = pl.DataFrame(
        {
            "user": user,
            "user_id": ids.gather(user),
            "ts": pl.Series(np.concatenate((touched["time"], caused["time"]))).cast(pl.Datetime("us")),
            "channel": _named(channel, names),
            "conversion": np.arange(len(user)) >= n_touches,
            "value": pl.concat([pl.repeat(None, n_touches, dtype=pl.Float64, eager=True), pl.Series(value)]),
            "true_channel": _named(cause, names),
        }
    )
    return frame.sort("user", "ts", maintain_order=True).drop("user")


def _named(codes: np.ndarray, names: list[str]) -> pl.Series:
    """Names of codes; -1 is null."""
    return pl.Series([*names, None], dtype=pl.String).gather(np.where(codes < 0, len(names), codes))


def _truth(frame: pl.DataFrame, chance: dict[str, float]) -> pl.DataFrame:
    planted = pl.DataFrame(
        {"channel": [*chance, None], "effect": [*chance.values(), None]},
        schema={"channel": pl.String, "effect": pl.Float64},
    )
    touches = frame.filter(~pl.col("conversion")).group_by("channel").agg(touches=pl.len().cast(pl.Int64))
    earned = (
        frame.filter("conversion")
        .group_by(channel="true_channel")
        .agg(conversions=pl.len().cast(pl.Int64), value=pl.col("value").sum())
    )
    truth = planted.join(touches, on="channel", how="left", maintain_order="left")
    truth = truth.join(earned, on="channel", how="left", nulls_equal=True, maintain_order="left")
    return truth.with_columns(pl.col("touches", "conversions", "value").fill_null(0))
