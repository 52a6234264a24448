from typing import Any

import numpy as np
from numpy.typing import NDArray

ENOUGH_ANSWERS: int
ENOUGH_OUTSIDE: int
ENOUGH_OUTSIDE_OF_SHARE: int

def count_levels(
    answer: NDArray[Any],
    group: NDArray[np.int32],
    first: int,
    last: NDArray[np.int64],
    single: NDArray[np.int64],
    counts: NDArray[np.int64],
) -> None: ...
def describe(
    counts: NDArray[np.int64],
    weight: NDArray[np.int64],
    sizes: NDArray[np.int64],
    moments: NDArray[np.float64],
) -> tuple[int, int, int]: ...
def guarded_interval(
    counts: NDArray[np.int64],
    weight: NDArray[np.int64],
    alpha: float,
    given: int,
    low: NDArray[np.float64],
    high: NDArray[np.float64],
) -> None: ...
def resample_interval(
    counts: NDArray[np.int64],
    weight: NDArray[np.int64],
    alpha: NDArray[np.float64],
    corrected: bool,
    low: NDArray[np.float64],
    high: NDArray[np.float64],
) -> None: ...
def resample_cdf(
    counts: NDArray[np.int64], weight: NDArray[np.int64], first: int, cdf: NDArray[np.float64]
) -> None: ...
def score_interval(
    counts: NDArray[np.int64],
    weight: NDArray[np.int64],
    alpha: NDArray[np.float64],
    stretch: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
) -> None: ...
def always_valid_interval(
    counts: NDArray[np.int64],
    weight: NDArray[np.int64],
    alpha: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
) -> None: ...
def find_shifts(
    counts: NDArray[np.int64],
    weight: NDArray[np.int64],
    penalty: NDArray[np.float64],
    begins: NDArray[np.uint8],
) -> None: ...
def always_valid_difference(
    one: NDArray[np.int64],
    two: NDArray[np.int64],
    weight: NDArray[np.int64],
    alpha: NDArray[np.float64],
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    p: NDArray[np.float64],
) -> None: ...
