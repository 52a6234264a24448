import numpy as np
from numpy.typing import NDArray

from cxcore._ext.journeys import JourneyView

class PathTable:
    def __init__(
        self, view: JourneyView, of_conversion: NDArray[np.int64], of_null: NDArray[np.int64]
    ) -> None: ...
    @property
    def n_paths(self) -> int: ...
    @property
    def n_touches(self) -> int: ...
    def find(
        self, view: JourneyView, of_conversion: NDArray[np.int64], of_null: NDArray[np.int64]
    ) -> None: ...
    def paths(self, offset: NDArray[np.int64], channel: NDArray[np.int32]) -> None: ...
    def lacking(
        self, offset: NDArray[np.int64], channel: NDArray[np.int32], without: NDArray[np.int64]
    ) -> None: ...
