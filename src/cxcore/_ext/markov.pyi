import numpy as np
from numpy.typing import NDArray

def count_transitions(
    touch_offset: NDArray[np.int64],
    conversion_offset: NDArray[np.int64],
    channel: NDArray[np.int32],
    tick: NDArray[np.int64],
    lo: NDArray[np.int64],
    hi: NDArray[np.int64],
    value: NDArray[np.float64],
    nulls: bool,
    lookback: int,
    count: NDArray[np.float64],
    start: NDArray[np.float64],
    conversion: NDArray[np.float64],
    null: NDArray[np.float64],
    earned: NDArray[np.float64],
) -> None: ...
def removal_effects(
    count: NDArray[np.float64],
    absorbed: NDArray[np.float64],
    start: NDArray[np.float64],
    conversion: NDArray[np.float64],
    earned: NDArray[np.float64],
    n_threads: int,
    conversions: NDArray[np.float64],
    value: NDArray[np.float64],
) -> None: ...
