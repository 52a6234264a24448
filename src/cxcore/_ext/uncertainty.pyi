import numpy as np
from numpy.typing import NDArray

from cxcore._ext.journeys import JourneyView

def invert_chain(
    count: NDArray[np.float64],
    absorbed: NDArray[np.float64],
    start: NDArray[np.float64],
    conversion: NDArray[np.float64],
    earned: NDArray[np.float64],
    n_threads: int,
    x: NDArray[np.float64],
    visits: NDArray[np.float64],
    ahead: NDArray[np.float64],
    worth: NDArray[np.float64],
) -> None: ...
def chain_influence(
    view: JourneyView,
    visits: NDArray[np.float64],
    ahead: NDArray[np.float64],
    worth: NDArray[np.float64],
    part: NDArray[np.float64],
    gain: float,
    gain_of_value: float,
    n_threads: int,
    influence: NDArray[np.float64],
) -> None: ...
def customer_credit(
    view: JourneyView,
    of_touch: NDArray[np.float64],
    n_threads: int,
    credit: NDArray[np.float64],
) -> None: ...
