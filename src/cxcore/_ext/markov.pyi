import numpy as np
from numpy.typing import NDArray

from cxcore._ext.journeys import JourneyView

def count_transitions(
    view: JourneyView,
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
