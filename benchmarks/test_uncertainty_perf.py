"""How sure the credit is: what standard errors cost beside the credit, and replicates by the second."""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import data
import numpy as np
import polars as pl
import pytest
from race import Contender, Goal, Race

import cxcore as cx
from cxcore.attribution import Bootstrap, Markov

ROLES = {"channel": "channel", "conversion": "conversion", "value": "value"}
WHO = {"user": "user_id", "time": "ts"}
REPLICATES = 1_000


def _credit(events: Any, model: Any, **options: Any) -> pl.DataFrame:
    return cx.attribute(events, **ROLES, model=model, **options)


@cache
def _drawn(model: str, n_channels: int) -> pl.DataFrame:
    """Errors by replicates; seconds, and the same from a frame and from an index."""
    drawn = Bootstrap(REPLICATES, rng=2)
    return _credit(
        data.touches(n_channels, "categorical").frame, model, **WHO, confidence_level=0.95, method=drawn
    )


def _near(want: pl.DataFrame, tolerance: float, got: pl.DataFrame) -> None:
    """The same credit, and errors that a bootstrap of other seeds agrees with."""
    np.testing.assert_allclose(got["conversions"].to_numpy(), want["conversions"].to_numpy(), rtol=1e-9)
    if "standard_error" in got.columns:
        errors = [frame["standard_error"].to_numpy() for frame in (got, want)]
        np.testing.assert_allclose(*errors, rtol=tolerance)


def test_errors_of_order_3(race: Race) -> None:
    """A thousand replicates of it take minutes; tests hold the formula against them on smaller logs."""
    log = data.touches(50, "categorical")
    credit = partial(_credit, log.frame, Markov(order=3), **WHO)
    sure = partial(credit, confidence_level=0.95)
    want = _credit(cx.index(log.frame, **WHO), Markov(order=3), confidence_level=0.95)
    race(
        "attribution/errors/markov-order-3-50-frame",
        words=f"{log.words}; the credit alone stands beside",
        rows=len(log.frame),
        verb=Contender("cxcore, by formula", sure, partial(_near, want, 1e-9)),
        rivals=[Contender("cxcore, credit alone", credit, partial(_near, want, 0.0))],
        goals=[Goal(1 / 3, "cxcore, credit alone")],
    )


@pytest.mark.parametrize("n_channels", [10, 50])
@pytest.mark.parametrize("model", ["linear", "markov"])
@pytest.mark.parametrize("given", ["frame", "index"])
def test_errors(race: Race, given: str, model: str, n_channels: int) -> None:
    log = data.touches(n_channels, "categorical")
    drawn = Bootstrap(REPLICATES, rng=1)
    events, roles = (log.frame, WHO) if given == "frame" else (cx.index(log.frame, **WHO), {})
    credit = partial(_credit, events, model, **roles)
    sure = partial(credit, confidence_level=0.95)
    want = _drawn(model, n_channels)
    by_draws = Contender(
        f"cxcore, {REPLICATES:,} replicates", partial(sure, method=drawn), partial(_near, want, 0.2)
    )
    race(
        f"attribution/errors/{model}-{n_channels}-{given}",
        words=f"{log.words}; no peer has standard errors of attribution, so the credit alone stands beside",
        rows=len(log.frame),
        verb=Contender("cxcore, by formula", sure, partial(_near, want, 0.15)),
        parts=[by_draws] if (given, n_channels) == ("frame", 10) else [],  # seconds each
        rivals=[Contender("cxcore, credit alone", credit, partial(_near, want, 0.0))],
        goals=[Goal(1 / 3, "cxcore, credit alone")],
    )
