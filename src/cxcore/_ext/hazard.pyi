import numpy as np
from numpy.typing import NDArray

from cxcore._ext.journeys import JourneyView

_Int64 = NDArray[np.int64]
_Float64 = NDArray[np.float64]

def hazard_pass(
    view: JourneyView,
    conversion_tick: _Int64,
    beta: _Float64,
    omega: _Float64,
    tick_length: int,
    end: int,
    n_threads: int,
    moments: _Float64,
) -> float: ...
def hazard_credit(
    view: JourneyView,
    conversion_tick: _Int64,
    beta: _Float64,
    omega: _Float64,
    tick_length: int,
    n_threads: int,
    credit: _Float64,
) -> None: ...
