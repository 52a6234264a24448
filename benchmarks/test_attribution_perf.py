"""Attribution: five heuristics from shuffled events, and Markov removal effects of order 1."""

from __future__ import annotations

import contextlib
import io
from functools import partial
from typing import Any

import data
import numpy as np
import polars as pl
import pytest
import rivals
import settings
from data import Touches
from race import Contender, Goal, Race
from rivals import HEURISTICS

import cxcore as cx

ROLES = {"channel": "channel", "conversion": "conversion", "value": "value"}


def _heuristics(events: Any, **roles: str) -> pl.DataFrame:
    models = list(HEURISTICS)
    lookback = f"{rivals.LOOKBACK_DAYS}d"
    return cx.attribute(events, **roles, **ROLES, model=models, lookback=lookback)


def _same_credit(want: pl.DataFrame, got: pl.DataFrame) -> None:
    """Equal to 1e-9 of each channel's credit, channels in any order."""
    got = got.with_columns(pl.col("channel").cast(pl.String)).sort("channel")
    assert got["channel"].equals(want["channel"])
    for name in (*HEURISTICS, "conversions"):
        np.testing.assert_allclose(got[name].to_numpy(), want[name].to_numpy(), rtol=1e-9, err_msg=name)


def _ours_heuristics(want: pl.DataFrame, got: pl.DataFrame) -> None:
    got = got.with_columns(pl.col("channel").cast(pl.String)).drop_nulls("channel")
    wide = got.pivot("model", index="channel", values="value")
    linear = got.filter(model="linear").select("channel", "conversions")
    _same_credit(want, wide.join(linear, on="channel"))


CASES = [
    (10, "text", False),
    (10, "categorical", False),
    (50, "categorical", False),
    (10, "categorical", True),
]


@pytest.mark.parametrize(("n_channels", "dtype", "rare"), CASES)
def test_heuristics(race: Race, n_channels: int, dtype: str, rare: bool) -> None:
    log = data.touches(n_channels, dtype, rare=rare)
    want = rivals.numpy_heuristics(log.frame)
    same, ours = partial(_same_credit, want), partial(_ours_heuristics, want)
    index = _index(log)
    race(
        f"attribution/heuristics/{log.name}",
        words=log.words,
        rows=len(log.frame),
        verb=Contender("cxcore", lambda: _heuristics(log.frame, user="user_id", time="ts"), ours),
        parts=[
            Contender("cxcore, index given", lambda: _heuristics(index), ours),
            Contender("cxcore, index alone", partial(_index, log), lambda index: None),
        ],
        rivals=[
            Contender("DuckDB, one window query", partial(rivals.duckdb_window_heuristics, log.duck), same),
            Contender("DuckDB, lists", partial(rivals.duckdb_list_heuristics, log.duck), same),
            Contender("Polars, join and over", partial(rivals.polars_join_heuristics, log.frame), same),
            Contender("NumPy, binary search", partial(rivals.numpy_heuristics, log.frame), same),
        ],
        goals=[]
        if rare
        else [Goal(3, "DuckDB")]
        if dtype == "text"
        else [Goal(5, "DuckDB"), Goal(7, "Polars")],
    )


def _index(log: Touches) -> cx.EventIndex:
    return cx.index(log.frame, user="user_id", time="ts")


@pytest.mark.parametrize("n_channels", [10, 50])
@pytest.mark.parametrize("order", ["random", "sorted"])
def test_heuristics_of_an_index(race: Race, order: str, n_channels: int) -> None:
    """The index is built before the clock starts, as are DuckDB's tables; the log is sorted or not."""
    log = data.touches(n_channels, "categorical")
    want = rivals.numpy_heuristics(log.frame)
    frame = log.frame.sort("user_id", "ts") if order == "sorted" else log.frame
    index = cx.index(frame, user="user_id", time="ts")
    race(
        f"attribution/heuristics-index/{n_channels}-{order}",
        words=f"{log.words}; of the index {order}",
        rows=len(log.frame),
        verb=Contender("cxcore", lambda: _heuristics(index), partial(_ours_heuristics, want)),
        rivals=[
            Contender(
                "DuckDB, one window query",
                partial(rivals.duckdb_window_heuristics, log.duck),
                partial(_same_credit, want),
            )
        ],
        goals=[Goal(12, "DuckDB")],
    )


def test_against_dp6(race: Race) -> None:
    """Journeys cut after each conversion and no window, as that package counts."""
    log = data.touches(10, "categorical")
    touches = data.sessions_that_convert(log)
    want = rivals.journeys_once(touches)

    def ours() -> pl.DataFrame:
        roles = {"user": "user_id", "time": "ts", **ROLES}
        models = list(HEURISTICS)
        return cx.attribute(touches, **roles, model=models, lookback=None, allocation="reset")

    race(
        "attribution/dp6/10",
        words=f"the touches of {log.name}; the one before a conversion converts; each counts once",
        rows=len(touches),
        verb=Contender("cxcore", ours, lambda got: _same_value(want, _by_model(got))),
        rivals=[Contender("DP6", partial(rivals.dp6, touches), partial(_same_value, want, rtol=1e-6))],
        goals=[Goal(50, "DP6")],
    )


def _by_model(got: pl.DataFrame) -> pl.DataFrame:
    text = got.with_columns(pl.col("channel").cast(pl.String))
    return text.pivot("model", index="channel", values="value").sort("channel")


def _same_value(want: pl.DataFrame, got: pl.DataFrame, rtol: float = 1e-9) -> None:
    """DP6 cuts ages to whole seconds, so its decay agrees to some 5e-8."""
    assert got["channel"].equals(want["channel"])
    for name in HEURISTICS:
        np.testing.assert_allclose(got[name].to_numpy(), want[name].to_numpy(), rtol=rtol, err_msg=name)


def test_overlapping_windows(race: Race) -> None:
    """10,000 rows a user, each conversion looks at all touches before it: linear in rows all the same."""
    small, large = (data.heavy_users(settings.ROWS["small"] // part) for part in (4, 1))

    def run(events: pl.DataFrame) -> pl.DataFrame:
        roles = {"user": "user_id", "time": "ts", **ROLES}
        return cx.attribute(events, **roles, model=list(HEURISTICS), lookback=None)

    race(
        "attribution/overlap",
        words="10,000 rows a user, a tenth of them convert, no limit of lookback, 10 channels (int64)",
        rows=len(large),
        verb=Contender("cxcore", partial(run, large), partial(_linear_by_sums, large)),
        parts=[
            Contender("cxcore, a quarter of the users", partial(run, small), partial(_linear_by_sums, small))
        ],
        left_out="rivals spell out 500 million pairs of conversion and touch",
    )


def _linear_by_sums(events: pl.DataFrame, got: pl.DataFrame) -> None:
    """Linear credit: sums of value / touches over the conversions after each touch. Totals of all models."""
    rows = events.sort("user_id", "ts").with_columns(n=pl.int_range(1, pl.len() + 1).over("user_id"))
    each = pl.when("conversion").then(pl.col("value") / pl.col("n")).otherwise(0.0)
    of_touch = rows.with_columns(e=each.cum_sum(reverse=True).over("user_id"))
    earned = of_touch.group_by("channel").agg(pl.col("e").sum())
    linear = got.filter(pl.col("model") == "linear").sort("channel")
    np.testing.assert_allclose(linear["value"].to_numpy(), earned.sort("channel")["e"].to_numpy(), rtol=1e-9)
    for of_model in got.partition_by("model"):
        assert abs(of_model["value"].sum() / events["value"].sum() - 1) < 1e-9


def _markov(events: Any, model: Any = "markov", **roles: str) -> pl.DataFrame:
    return cx.attribute(
        events,
        **roles,
        channel="channel",
        conversion="conversion",
        model=model,
        lookback=None,
        allocation="reset",
    )


def _same_conversions(want: pl.DataFrame, tolerance: float, got: pl.DataFrame) -> None:
    """No channel off by more than ``tolerance`` of its credit."""
    got = got.with_columns(pl.col("channel").cast(pl.String)).drop_nulls("channel").sort("channel")
    assert got["channel"].equals(want["channel"])
    np.testing.assert_allclose(
        got["conversions"].to_numpy(), want["conversions"].to_numpy(), rtol=tolerance, atol=1e-9
    )


@pytest.mark.parametrize("n_channels", [10, 50])
def test_markov(race: Race, n_channels: int) -> None:
    log = data.touches(n_channels, "categorical")
    want = rivals.markov_numpy(log.frame)
    exact = partial(_same_conversions, want, 1e-9)
    paths = rivals.journeys(log.frame).to_pandas()
    index = _index(log)

    def simulated() -> pl.DataFrame:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints a banner
            table = rivals.channel_attribution(paths)
        return pl.DataFrame({"channel": table.iloc[:, 0].tolist(), "conversions": table.iloc[:, 1].tolist()})

    race(
        f"attribution/markov/{n_channels}",
        words=log.words,
        rows=len(log.frame),
        verb=Contender("cxcore", lambda: _markov(log.frame, user="user_id", time="ts"), exact),
        parts=[Contender("cxcore, index given", lambda: _markov(index), exact)],
        rivals=[
            Contender("Polars counts, NumPy inverse", partial(rivals.markov_numpy, log.frame), exact),
            # It simulates: channels with few conversions are far off, so only the total is near.
            Contender("ChannelAttribution, paths given", simulated, partial(_near_total, want)),
        ],
        left_out="the paths of ChannelAttribution are built before the clock starts",
    )


@pytest.mark.parametrize(("order", "n_channels"), [(1, 10), (2, 10), (3, 10), (4, 10), (3, 50)])
def test_markov_order(race: Race, order: int, n_channels: int) -> None:
    log = data.touches(n_channels, "categorical")
    want = rivals.markov_scipy(log.frame, order)
    exact = partial(_certified, want)
    paths = rivals.journeys(log.frame)
    given, pandas = paths.with_columns(pl.col("path").str.split(" > ")), paths.to_pandas()
    model, index = cx.attribution.Markov(order), _index(log)

    def of_paths() -> pl.DataFrame:
        roles = {"path": "path", "conversions": "conversions", "nulls": "null"}
        return cx.attribute_paths(given, **roles, model=model)

    def simulated() -> pl.DataFrame:
        with contextlib.redirect_stdout(io.StringIO()):
            table = rivals.channel_attribution(pandas, order)
        return pl.DataFrame({"channel": table.iloc[:, 0].tolist(), "conversions": table.iloc[:, 1].tolist()})

    race(
        f"attribution/markov-order/{order}-{n_channels}",
        words=f"{log.words}; {len(paths):,} distinct paths",
        rows=len(log.frame),
        verb=Contender("cxcore", lambda: _markov(log.frame, model, user="user_id", time="ts"), exact),
        parts=[
            Contender("cxcore, index given", lambda: _markov(index, model), exact),
            Contender("cxcore, paths given", of_paths, exact),
        ],
        rivals=[
            Contender("Polars states, SciPy solved", partial(rivals.markov_scipy, log.frame, order), exact),
            Contender("ChannelAttribution, paths given", simulated, partial(_near_total, want)),
        ],
        left_out="the paths of ChannelAttribution are built before the clock starts",
    )


def _certified(want: pl.DataFrame, got: pl.DataFrame) -> None:
    """Equal to 1e-10 of all conversions, and within the bound that the answer states."""
    got = got.with_columns(pl.col("channel").cast(pl.String)).drop_nulls("channel").sort("channel")
    assert got["channel"].equals(want["channel"])
    whole = want["conversions"].sum()
    assert (got["conversions"] - want["conversions"]).abs().max() <= 1e-10 * whole
    if "error_bound" in got.columns:
        assert got["error_bound"].max() <= 1e-10 * whole


def _near_total(want: pl.DataFrame, got: pl.DataFrame) -> None:
    """At most 5 % of all conversions on the wrong channel."""
    both = want.join(got, on="channel", suffix="_got", validate="1:1")
    assert len(both) == len(want)
    wrong = (both["conversions"] - both["conversions_got"]).abs().sum() / 2
    assert wrong <= 0.05 * want["conversions"].sum(), wrong


def test_memory(memory: Any) -> None:
    log = data.touches(10, "categorical")
    memory("attribute", log.frame, words=log.words)
