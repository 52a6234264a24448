import numpy as np
from numpy.typing import NDArray

from cxcore._ext.journeys import JourneyView

_Float64 = NDArray[np.float64]

def place_and_age(
    view: JourneyView,
    parts: _Float64,
    half_lives_per_tick: _Float64,
    by_touch: bool,
    n_threads: int,
    credit: _Float64,
) -> None: ...
def w(
    view: JourneyView,
    marked: NDArray[np.int64],
    milestone: float,
    rest: float,
    by_touch: bool,
    n_threads: int,
    credit: _Float64,
) -> None: ...
def participation(
    view: JourneyView, n_channels: int, by_touch: bool, n_threads: int, credit: _Float64
) -> None: ...
def shapley(view: JourneyView, n_channels: int, by_touch: bool, n_threads: int, credit: _Float64) -> None: ...
