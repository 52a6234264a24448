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
def table_influence(
    view: JourneyView,
    rows: NDArray[np.float64],
    of_value: NDArray[np.float64],
    n_threads: int,
    influence: NDArray[np.float64],
) -> None: ...
def customer_credit(
    view: JourneyView,
    of_touch: NDArray[np.float64],
    n_threads: int,
    credit: NDArray[np.float64],
) -> None: ...
def add_squares(
    influence: NDArray[np.float64],
    times: NDArray[np.float64],
    mean: NDArray[np.float64],
    n_threads: int,
    sums: NDArray[np.float64],
) -> None: ...
def table_squares(
    view: JourneyView,
    rows: NDArray[np.float64],
    of_value: NDArray[np.float64],
    alone: NDArray[np.uint8],
    mean: NDArray[np.float64],
    n: float,
    n_threads: int,
    sums: NDArray[np.float64],
) -> None: ...
def touch_squares(
    view: JourneyView,
    of_touch: NDArray[np.float64],
    alone: NDArray[np.uint8],
    mean: NDArray[np.float64],
    n: float,
    n_threads: int,
    sums: NDArray[np.float64],
) -> None: ...
def list_squares(
    view: JourneyView,
    offset: NDArray[np.int64],
    row: NDArray[np.int32],
    times: NDArray[np.float64],
    table: NDArray[np.float64],
    earned: NDArray[np.float64],
    alone: NDArray[np.uint8],
    mean: NDArray[np.float64],
    n: float,
    n_threads: int,
    sums: NDArray[np.float64],
) -> None: ...
def walked_squares(
    view: JourneyView,
    parts: NDArray[np.float64],
    half_lives_per_tick: NDArray[np.float64],
    alone: NDArray[np.uint8],
    mean: NDArray[np.float64],
    n: float,
    n_threads: int,
    sums: NDArray[np.float64],
) -> None: ...
def add_powers(
    influence: NDArray[np.float64],
    times: NDArray[np.float64],
    a: NDArray[np.int64],
    b: NDArray[np.int64],
    alpha: NDArray[np.float64],
    beta: NDArray[np.float64],
    mean: NDArray[np.float64],
    n_threads: int,
    sums: NDArray[np.float64],
) -> None: ...
def customer_keys(offset: NDArray[np.int64], data: NDArray[np.uint8], key: NDArray[np.uint64]) -> None: ...
def draw(
    key: NDArray[np.uint64],
    times: NDArray[np.float64],
    seed: int,
    replicate: int,
    n_threads: int,
    drawn: NDArray[np.float64],
) -> None: ...
def resample(
    key: NDArray[np.uint64],
    times: NDArray[np.float64],
    offset: NDArray[np.int64],
    column: NDArray[np.int32],
    amount: NDArray[np.float64],
    seed: int,
    first: int,
    n_threads: int,
    sums: NDArray[np.float64],
) -> None: ...
