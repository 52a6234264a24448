import numpy as np
from numpy.typing import NDArray

from cxcore._ext.journeys import JourneyView

_Int32 = NDArray[np.int32]
_Int64 = NDArray[np.int64]
_Float64 = NDArray[np.float64]

def coalitions(
    view: JourneyView,
    player: _Int32,
    n_players: int,
    n_threads: int,
    of_conversion: _Int32,
    of_null: _Int32,
) -> None: ...
def distinct_coalitions(
    view: JourneyView, player: _Int32, n_players: int, of_conversion: _Int32, of_null: _Int32
) -> tuple[_Int64, _Int64]: ...
def subset_sums(table: _Float64, n_players: int) -> None: ...
def superset_sums(table: _Float64, n_players: int) -> None: ...
def shapley_values(worth: _Float64, n_threads: int, phi: _Float64) -> None: ...
def random_orders(seed: int, first: int, order: _Int32) -> None: ...
def sampled_shapley(
    offset: _Int64,
    member: _Int64,
    tally: _Float64,
    seed: int,
    n_pairs: int,
    n_threads: int,
    phi: _Float64,
    error: _Float64,
) -> None: ...
def order_rates(
    offset: _Int64, member: _Int64, tally: _Float64, order: _Int32, n_threads: int, rate: _Float64
) -> None: ...
def order_slopes(
    offset: _Int64, member: _Int64, order: _Int32, rate: _Float64, n_threads: int, slope: _Float64
) -> None: ...
