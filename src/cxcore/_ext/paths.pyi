import numpy as np
from numpy.typing import NDArray

def path_order(
    offset: NDArray[np.int64],
    channel: NDArray[np.int32],
    rank: NDArray[np.int32],
    order: NDArray[np.int64],
) -> None: ...
def repeats(
    offset: NDArray[np.int64], channel: NDArray[np.int32], n_channels: int, times: NDArray[np.int64]
) -> None: ...
def path_windows(
    offset: NDArray[np.int64],
    conversions: NDArray[np.float64],
    nulls: NDArray[np.float64],
    worth: NDArray[np.float64],
    again: NDArray[np.int64],
    conversion_offset: NDArray[np.int64],
    times: NDArray[np.float64],
    null_end: NDArray[np.int64],
    lo: NDArray[np.int64],
    hi: NDArray[np.int64],
    value: NDArray[np.float64],
) -> None: ...
