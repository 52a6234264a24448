from collections.abc import Sequence
from typing import TypedDict

import numpy as np
import polars as pl
from numpy.typing import NDArray

class Build(TypedDict):
    version: str
    debug: bool
    sanitize: str
    compiler: str

def encode_keys(
    columns: Sequence[pl.Series], null_is_key: bool, n_threads: int
) -> tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]: ...
def tell_apart(column: pl.Series, n_threads: int, code: NDArray[np.int32]) -> None: ...
def empty(n_bytes: int) -> NDArray[np.uint8]: ...
def build() -> Build: ...
