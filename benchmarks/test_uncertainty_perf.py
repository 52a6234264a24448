"""How sure the credit is: what standard errors cost beside the credit, and replicates by the second."""

from __future__ import annotations

from functools import partial
from typing import Any

import data
import numpy as np
import polars as pl
import pytest
from race import Contender, Race

import cxcore as cx
from cxcore.attribution import Bootstrap

ROLES = {"user": "user_id", "time": "ts", "channel": "channel", "conversion": "conversion", "value": "value"}
REPLICATES = 1_000


def _credit(log: data.Touches, model: str, **options: Any) -> pl.DataFrame:
    return cx.attribute(log.frame, **ROLES, model=model, **options)


def _near(want: pl.DataFrame, tolerance: float, got: pl.DataFrame) -> None:
    """The same credit, and errors that a bootstrap of other seeds agrees with."""
    np.testing.assert_allclose(got["conversions"].to_numpy(), want["conversions"].to_numpy(), rtol=1e-9)
    if "standard_error" in got.columns:
        errors = [frame["standard_error"].to_numpy() for frame in (got, want)]
        np.testing.assert_allclose(*errors, rtol=tolerance)


@pytest.mark.parametrize("n_channels", [10, 50])
@pytest.mark.parametrize("model", ["linear", "markov"])
def test_errors(race: Race, model: str, n_channels: int) -> None:
    log = data.touches(n_channels, "categorical")
    drawn = Bootstrap(REPLICATES, rng=1)
    want = _credit(log, model, confidence_level=0.95, method=Bootstrap(REPLICATES, rng=2))
    race(
        f"attribution/errors/{model}-{n_channels}",
        words=f"{log.words}; no peer has standard errors of attribution, so the credit alone stands beside",
        rows=len(log.frame),
        verb=Contender(
            "cxcore, by formula",
            partial(_credit, log, model, confidence_level=0.95),
            partial(_near, want, 0.15),
        ),
        parts=[
            Contender("cxcore, credit alone", partial(_credit, log, model), partial(_near, want, 0.0)),
            Contender(
                f"cxcore, {REPLICATES:,} replicates",
                partial(_credit, log, model, confidence_level=0.95, method=drawn),
                partial(_near, want, 0.2),
            ),
        ],
    )
