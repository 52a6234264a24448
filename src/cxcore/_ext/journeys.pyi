import numpy as np
from numpy.typing import NDArray

class JourneyView:
    def __init__(
        self,
        touch_offset: NDArray[np.int64],
        conversion_offset: NDArray[np.int64],
        channel: NDArray[np.int32],
        tick: NDArray[np.int64],
        lo: NDArray[np.int64],
        hi: NDArray[np.int64],
        value: NDArray[np.float64],
        times: NDArray[np.float64],
        null_lo: NDArray[np.int64],
        null_hi: NDArray[np.int64],
    ) -> None: ...

def dense_codes(
    category: NDArray[np.int32],
    known: NDArray[np.int32],
    code: NDArray[np.int32],
    first: NDArray[np.int64],
) -> int: ...
def fill_journeys(
    offset: NDArray[np.int64],
    row: NDArray[np.int64],
    tick: NDArray[np.int64],
    what: NDArray[np.int32],
    user: NDArray[np.int64],
    container: NDArray[np.int32],
    log_row: NDArray[np.int32],
    lookback: int,
    reset: bool,
    n_threads: int,
    touch_offset: NDArray[np.int64],
    conversion_offset: NDArray[np.int64],
    touch_channel: NDArray[np.int32],
    touch_tick: NDArray[np.int64],
    conversion_tick: NDArray[np.int64],
    conversion_row: NDArray[np.int64],
    touch_row: NDArray[np.int64],
    lo: NDArray[np.int64],
    hi: NDArray[np.int64],
) -> None: ...
def null_windows(
    view: JourneyView, lookback: int, n_threads: int, lo: NDArray[np.int64], hi: NDArray[np.int64]
) -> None: ...
