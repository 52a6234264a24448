"""Keys: users to dense codes in order of first appearance, the first step of every index."""

from __future__ import annotations

from functools import partial

import data
import numpy as np
import polars as pl
import pytest
import settings
from race import Contender, Race

from cxcore._ext import native


def _codes(frame: pl.DataFrame, got: np.ndarray) -> None:
    """Equal codes exactly on equal users, 0 .. number of users - 1."""
    users = frame["user_id"].n_unique()
    pairs = pl.DataFrame({"user": frame["user_id"], "code": got}).n_unique()
    assert pairs == users == got.max() + 1
    assert got.min() == 0


def _polars_join(frame: pl.DataFrame) -> np.ndarray:
    users = frame.select(pl.col("user_id").unique()).with_row_index("code")
    return (
        frame.select("user_id")
        .join(users, on="user_id", how="left", maintain_order="left")["code"]
        .to_numpy()
    )


def _polars_categorical(frame: pl.DataFrame) -> np.ndarray:
    return frame["user_id"].cast(pl.Categorical(pl.Categories.random())).to_physical().to_numpy()


@pytest.mark.parametrize("ids", ["integer", "string"])
@pytest.mark.parametrize("size", ["small", "large"])
def test_encode_keys(race: Race, size: str, ids: str) -> None:
    log = data.skewed(size, "random", ids)
    frame, user = log.frame, log.frame["user_id"]
    check = partial(_codes, frame)
    rivals = [Contender("Polars, unique and join", partial(_polars_join, frame), check)]
    if ids == "string":
        rivals.append(Contender("Polars, Categorical", partial(_polars_categorical, frame), check))
    race(
        f"keys/encode/{ids}/{size}",
        words=log.words,
        rows=len(frame),
        verb=Contender("cxcore", lambda: native.encode_keys([user], False, settings.THREADS)[0], check),
        rivals=rivals,
    )
