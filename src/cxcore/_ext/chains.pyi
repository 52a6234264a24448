import numpy as np
from numpy.typing import NDArray

from cxcore._ext.journeys import JourneyView

class ChainTable:
    def __init__(self, view: JourneyView, order: int, keeps: bool = False) -> None: ...
    @property
    def n_states(self) -> int: ...
    @property
    def n_edges(self) -> int: ...
    @property
    def n_live(self) -> int: ...
    def states(
        self,
        last: NDArray[np.int32],
        length: NDArray[np.int32],
        suffix: NDArray[np.int32],
        conversion: NDArray[np.float64],
        null: NDArray[np.float64],
        earned: NDArray[np.float64],
    ) -> None: ...
    def edges(self, source: NDArray[np.int32], to: NDArray[np.int32], count: NDArray[np.float64]) -> None: ...
    def find(
        self,
        state: NDArray[np.int32],
        channel: NDArray[np.int32],
        edge: NDArray[np.int32],
        to: NDArray[np.int32],
    ) -> None: ...
    def recount(
        self,
        view: JourneyView,
        count: NDArray[np.float64],
        conversion: NDArray[np.float64],
        null: NDArray[np.float64],
    ) -> None: ...
    def live_states(
        self,
        place: NDArray[np.int32],
        start: NDArray[np.float64],
        out: NDArray[np.float64],
        converts: NDArray[np.float64],
        earns: NDArray[np.float64],
    ) -> None: ...
    def solve(
        self,
        back: bool,
        source: NDArray[np.float64],
        first: int,
        enough: float,
        most_work: float,
        n_threads: int,
        total: NDArray[np.float64],
        rewards: NDArray[np.float64],
        error: NDArray[np.float64],
    ) -> int: ...
    def influence(
        self,
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
    def squares(
        self,
        view: JourneyView,
        visits: NDArray[np.float64],
        ahead: NDArray[np.float64],
        worth: NDArray[np.float64],
        part: NDArray[np.float64],
        gain: NDArray[np.float64],
        alone: NDArray[np.uint8],
        mean: NDArray[np.float64],
        n: float,
        n_threads: int,
        sums: NDArray[np.float64],
    ) -> None: ...
    def increments(
        self, view: JourneyView, chance: NDArray[np.float64], n_threads: int, credit: NDArray[np.float64]
    ) -> None: ...
    def increment_slope(self, view: JourneyView, slope: NDArray[np.float64]) -> None: ...
    def slope_influence(
        self,
        view: JourneyView,
        chance: NDArray[np.float64],
        slope: NDArray[np.float64],
        n_threads: int,
        influence: NDArray[np.float64],
    ) -> None: ...
    def increment_squares(
        self,
        view: JourneyView,
        chance: NDArray[np.float64],
        slope: NDArray[np.float64],
        earned: NDArray[np.float64],
        alone: NDArray[np.uint8],
        mean: NDArray[np.float64],
        n: float,
        n_threads: int,
        sums: NDArray[np.float64],
    ) -> None: ...
    def pair_states(self, view: JourneyView, state: NDArray[np.int32]) -> None: ...
