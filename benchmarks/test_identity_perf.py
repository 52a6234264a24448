"""One identity for every event: cxcore against the recipes that Polars users write."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

import data
import numpy as np
import polars as pl
import pytest
import settings
from race import Contender, Race

import cxcore as cx

LOOKBACK, LOOKBACK_US = "7d", 7 * 86_400 * 1_000_000
ROLES: dict[str, Any] = {"anonymous": "device", "known": "customer", "time": "ts"}
#: what a row without a known id is called where no login counts
_ANONYMOUS = pl.format("anonymous:{}", "device")


@lru_cache(maxsize=1)
def _visits(size: str, order: str, ids: str) -> data.Log:
    """The skewed log, its users devices. Every fifth row is logged in; one device in ten is shared by three.

    Half of the devices never see a login. No two events of a device are at the same time, so that no recipe
    depends on how it breaks ties.
    """
    made = data.skewed(size, order, ids).frame.unique(["user_id", "ts"], keep="first", maintain_order=True)
    rng = np.random.default_rng(data.SEED)
    code = made["user_id"].rank("dense").to_numpy().astype(np.int64)
    owner = code // 3 + np.where(
        code % 10 == 0, rng.integers(0, 3, len(code)), 0
    )  # some have several devices
    logged_in = (rng.random(len(code)) < 0.2) & (code % 2 == 0)
    customer = pl.Series(owner)
    if ids == "string":
        customer = "customer_" + customer.cast(pl.String).str.zfill(24)
    frame = made.select(
        "ts",
        device="user_id",
        customer=pl.select(pl.when(pl.Series(logged_in)).then(customer)).to_series(),
    )
    kind = "33-character" if ids == "string" else "int64"
    words = f"skewed generator, {order} order, {kind} ids, one row in ten a login"
    return data.Log(f"visits-{order}-{ids}", words, frame)


# --------------------------------------------------------------------------- truth
def _truth(frame: pl.DataFrame, policy: str, lookback: int | None = None) -> pl.Series:
    """By NumPy's lexsort and scans over positions: nothing of cxcore, nothing of the recipes."""
    device = frame["device"].rank("dense").to_numpy().astype(np.int64)
    time = frame["ts"].to_physical().to_numpy()
    row = np.lexsort((time, device))
    at, n = np.arange(len(row)), len(row)
    start = np.r_[True, device[row][1:] != device[row][:-1]]
    segment = np.cumsum(start) - 1
    low = at[start][segment]
    high = np.r_[at[start][1:], n][segment] - 1
    login = frame["customer"].is_not_null().to_numpy()[row]
    before = np.maximum.accumulate(np.where(login, at, -1))
    after = np.minimum.accumulate(np.where(login, at, n)[::-1])[::-1]
    if policy == "last":
        last = before[high]
        chosen = np.where(last >= low, last, -1)
    else:
        far = np.int64(2**62) if lookback is None else lookback
        ordered = time[row]
        behind = (before >= low) & (ordered - ordered[np.maximum(before, 0)] <= far)
        ahead = (after <= high) & (ordered[np.minimum(after, n - 1)] - ordered <= far)
        chosen = np.where(behind, before, np.where(ahead, after, -1))
    chosen = np.where(login, at, chosen)
    source = np.empty(n, np.int64)
    source[row] = np.where(chosen >= 0, row[chosen], -1)
    linked = pl.Series(source >= 0)
    customer = frame["customer"].cast(pl.String).gather(pl.Series(np.maximum(source, 0)))
    return frame.select(pl.when(linked).then(customer).otherwise(_ANONYMOUS)).to_series()


def _check(want: Callable[[], pl.Series], got: pl.DataFrame) -> None:
    assert got["identity"].equals(want(), check_names=False)


# --------------------------------------------------------------------------- recipes
def _named(linked: str) -> pl.Expr:
    return pl.coalesce(pl.col("customer").cast(pl.String), pl.col(linked).cast(pl.String), _ANONYMOUS)


def _named_device(linked: str) -> pl.Expr:
    return pl.coalesce(pl.col(linked).cast(pl.String), _ANONYMOUS)


def _polars_mapping(frame: pl.DataFrame) -> pl.DataFrame:
    """What Snowplow's user mapping does: the last customer of each device, joined back."""
    lazy = frame.lazy()
    logins = lazy.filter(pl.col("customer").is_not_null() & pl.col("device").is_not_null())
    mapping = logins.group_by("device").agg(linked=pl.col("customer").get(pl.col("ts").arg_max()))
    joined = lazy.join(mapping, on="device", how="left", maintain_order="left")
    return joined.with_columns(identity=_named("linked")).drop("linked").collect()


def _polars_names(frame: pl.DataFrame) -> pl.DataFrame:
    """The same, but each device gets its name before the join: less text is made, more rows are grouped."""
    lazy, known = frame.lazy(), pl.col("customer")
    last = (
        pl.col("customer").filter(known.is_not_null()).get(pl.col("ts").filter(known.is_not_null()).arg_max())
    )
    devices = lazy.group_by("device").agg(linked=last).select("device", linked=_named_device("linked"))
    joined = lazy.join(devices, on="device", how="left", maintain_order="left")
    return joined.with_columns(identity=pl.coalesce(known.cast(pl.String), "linked")).drop("linked").collect()


def _polars_window(frame: pl.DataFrame) -> pl.DataFrame:
    """The same as a window expression."""
    linked = pl.col("customer").sort_by("ts").drop_nulls().last().over("device")
    return (
        frame.lazy()
        .with_columns(linked=linked)
        .with_columns(identity=_named("linked"))
        .drop("linked")
        .collect()
    )


def _polars_fill(frame: pl.DataFrame) -> pl.DataFrame:
    """Sort by device and time, carry the customer forward, then backward, put the rows back."""
    lazy = frame.lazy().with_row_index("row").sort("device", "ts")
    lazy = lazy.with_columns(linked=pl.col("customer").forward_fill().backward_fill().over("device"))
    return lazy.with_columns(identity=_named("linked")).sort("row").drop("row", "linked").collect()


def _polars_fill_unpartitioned(frame: pl.DataFrame) -> pl.DataFrame:
    """The same without ``over``: fill across devices, then drop what came from another one."""
    lazy = frame.lazy().with_row_index("row").sort("device", "ts")
    login = pl.when(pl.col("customer").is_not_null()).then("device")
    lazy = lazy.with_columns(
        before=pl.col("customer").forward_fill(),
        of_before=login.forward_fill(),
        after=pl.col("customer").backward_fill(),
        of_after=login.backward_fill(),
    )
    linked = (
        pl.when(pl.col("of_before") == pl.col("device"))
        .then("before")
        .when(pl.col("of_after") == pl.col("device"))
        .then("after")
    )
    done = lazy.with_columns(linked=linked).with_columns(identity=_named("linked")).sort("row")
    return done.select(*frame.columns, "identity").collect()


def _polars_asof(frame: pl.DataFrame, tolerance: str | None) -> pl.DataFrame:
    """The login before by join_asof, else the login after."""
    ordered = frame.lazy().with_row_index("row").sort("ts")
    logins = ordered.filter(pl.col("customer").is_not_null()).select("ts", "device", before="customer")
    options: dict[str, Any] = {"on": "ts", "by": "device", "tolerance": tolerance, "check_sortedness": False}
    found = ordered.join_asof(logins, strategy="backward", **options)
    found = found.join_asof(logins.rename({"before": "after"}), strategy="forward", **options)
    found = found.with_columns(linked=pl.coalesce("before", "after")).with_columns(identity=_named("linked"))
    return found.sort("row").select(*frame.columns, "identity").collect()


# --------------------------------------------------------------------------- races
CASES = [
    ("small", "random", "integer"),
    ("small", "random", "string"),
    ("small", "arrival", "string"),
    ("large", "random", "integer"),
]


@pytest.mark.parametrize(("size", "order", "ids"), CASES)
def test_stitch_last(race: Race, size: str, order: str, ids: str) -> None:
    log = _visits(size, order, ids)
    check = partial(_check, lru_cache(partial(_truth, log.frame, "last")))
    rivals = [
        Contender("Polars, mapping and join", partial(_polars_mapping, log.frame), check),
        Contender("Polars, names and join", partial(_polars_names, log.frame), check),
    ]
    if size == "small":
        rivals.append(Contender("Polars, over(device)", partial(_polars_window, log.frame), check))
    race(
        f"identity/last/{order}/{ids}/{size}",
        words=log.words,
        rows=len(log.frame),
        verb=Contender("cxcore", partial(cx.stitch, log.frame, **ROLES), check),
        rivals=rivals,
        left_out="" if size == "small" else "the window, which the joins beat on the small log",
    )


@pytest.mark.parametrize(("size", "order", "ids"), CASES)
def test_stitch_sliced(race: Race, size: str, order: str, ids: str) -> None:
    log = _visits(size, order, ids)
    check = partial(_check, lru_cache(partial(_truth, log.frame, "sliced")))
    rivals = [Contender("Polars, join_asof twice", partial(_polars_asof, log.frame, None), check)]
    if size == "small" or settings.FULL:
        rivals.append(
            Contender("Polars, sort and fill", partial(_polars_fill_unpartitioned, log.frame), check)
        )
    if size == "small":
        rivals.append(Contender("Polars, fill over(device)", partial(_polars_fill, log.frame), check))
    race(
        f"identity/sliced/{order}/{ids}/{size}",
        words=log.words,
        rows=len(log.frame),
        verb=Contender("cxcore", partial(cx.stitch, log.frame, **ROLES, policy="sliced"), check),
        rivals=rivals,
        left_out="" if size == "small" else "fills, which the joins beat",
    )


@pytest.mark.parametrize(
    ("size", "order", "ids"), [("small", "random", "integer"), ("small", "arrival", "string")]
)
def test_stitch_lookback(race: Race, size: str, order: str, ids: str) -> None:
    log = _visits(size, order, ids)
    check = partial(_check, lru_cache(partial(_truth, log.frame, "sliced", LOOKBACK_US)))
    verb = partial(cx.stitch, log.frame, **ROLES, policy="sliced", lookback=LOOKBACK)
    race(
        f"identity/lookback/{order}/{ids}/{size}",
        words=log.words,
        rows=len(log.frame),
        verb=Contender("cxcore", verb, check),
        rivals=[Contender("Polars, join_asof twice", partial(_polars_asof, log.frame, LOOKBACK), check)],
    )


@pytest.mark.parametrize("verb", ["stitch", "stitch-lookback"])
def test_memory_of_identity(memory: Callable[..., None], verb: str) -> None:
    log = _visits("large", "random", "integer")
    memory(verb, log.frame, words=log.words)
