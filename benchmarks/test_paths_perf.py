"""Tables of paths: out of events, and removal effects out of them, as ChannelAttribution takes them."""

from __future__ import annotations

import contextlib
import io
from functools import partial
from typing import Any

import data
import polars as pl
import pytest
import rivals
from race import Contender, Goal, Race
from test_attribution_perf import _near_total, _same_conversions

import cxcore as cx


def _simulated(paths: Any) -> pl.DataFrame:
    with contextlib.redirect_stdout(io.StringIO()):  # it prints a banner
        table = rivals.channel_attribution(paths)
    return pl.DataFrame({"channel": table.iloc[:, 0].tolist(), "conversions": table.iloc[:, 1].tolist()})


def _markov_of_paths(paths: pl.DataFrame, separator: str | None = None) -> pl.DataFrame:
    roles = {"path": "path", "conversions": "conversions", "nulls": "null"}
    return cx.attribute_paths(paths, **roles, separator=separator, model="markov")


@pytest.mark.parametrize("coded", [False, True], ids=["text", "coded"])
@pytest.mark.parametrize("n_channels", [10, 50])
def test_markov_paths(race: Race, n_channels: int, coded: bool) -> None:
    """Removal effects of order 1 out of distinct paths with their counts."""
    log = data.touches(n_channels, "categorical")
    want = rivals.markov_numpy(log.frame)
    exact = partial(_same_conversions, want, 1e-9)
    text = rivals.journeys(log.frame).rechunk()
    lists = text.with_columns(pl.col("path").str.split(" > "))
    categories = lists.with_columns(pl.col("path").cast(pl.List(pl.Categorical)))
    n_touches = lists["path"].list.len().sum()
    of_text = Contender("cxcore, text", lambda: _markov_of_paths(text, " > "), exact)
    of_categories = Contender("cxcore, lists of categories", lambda: _markov_of_paths(categories), exact)
    race(
        f"attribution/markov-paths/{n_channels}-{'coded' if coded else 'text'}",
        words=f"{len(text):,} distinct paths, {n_touches:,} touches, of {log.words}",
        rows=len(text),
        verb=of_categories if coded else of_text,
        parts=[Contender("cxcore, lists of text", lambda: _markov_of_paths(lists), exact)],
        rivals=[
            Contender("ChannelAttribution", partial(_simulated, text.to_pandas()), partial(_near_total, want))
        ],
        goals=[Goal(50 if coded else 5 if n_channels == 10 else 10, "ChannelAttribution")],
    )


@pytest.mark.parametrize("n_channels", [10, 50])
def test_paths(race: Race, n_channels: int) -> None:
    """Events to the table that ChannelAttribution takes: distinct paths as text, with their counts."""
    log = data.touches(n_channels, "categorical")
    roles: dict[str, Any] = {"channel": "channel", "conversion": "conversion", "lookback": None}
    roles["allocation"] = "reset"
    want = rivals.journeys(log.frame).sort("path")
    index = cx.index(log.frame, user="user_id", time="ts")

    def same(got: pl.DataFrame) -> None:
        """Conversions without a touch, which the recipe leaves out, aside."""
        met = got.filter(pl.col("path") != "").select("path", "conversions", null="nulls")
        assert met.sort("path").equals(want.cast(met.schema))

    def ours(events: Any, **who: str) -> pl.DataFrame:
        return cx.paths(events, **who, **roles, separator=" > ")

    race(
        f"attribution/paths/{n_channels}",
        words=f"{log.words}; {len(want):,} distinct paths",
        rows=len(log.frame),
        verb=Contender("cxcore", lambda: ours(log.frame, user="user_id", time="ts"), same),
        parts=[Contender("cxcore, index given", lambda: ours(index), same)],
        rivals=[
            Contender(
                "Polars, sort and group",
                partial(rivals.journeys, log.frame),
                lambda got: same(
                    got.rename({"null": "nulls"}).with_columns(pl.all().exclude("path").cast(pl.Int64))
                ),
            )
        ],
    )


def test_memory_of_paths(memory: Any) -> None:
    log = data.touches(10, "categorical")
    memory("paths", log.frame, words=log.words)


def test_memory_of_a_table(memory: Any) -> None:
    log = data.touches(50, "categorical")
    journeys = rivals.journeys(log.frame)
    memory("attribute-paths", journeys, words=f"{len(journeys):,} distinct paths (text) of {log.words}")
