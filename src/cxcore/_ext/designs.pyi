import numpy as np
from numpy.typing import NDArray

def cluster_cells(
    group: NDArray[np.int32],
    cluster: NDArray[np.int32],
    level: NDArray[np.uint8],
    weight: NDArray[np.float64],
    value: NDArray[np.float64],
    n_groups: int,
    n_clusters: int,
    cell_group: NDArray[np.int32],
    cell_cluster: NDArray[np.int32],
    size: NDArray[np.float64],
    total: NDArray[np.float64],
) -> int: ...
def cluster_signatures(
    group: NDArray[np.int32],
    stratum: NDArray[np.int32],
    size: NDArray[np.float64],
    total: NDArray[np.float64],
    many: NDArray[np.int64],
    start: NDArray[np.int64],
    stratum_out: NDArray[np.int32],
    size_out: NDArray[np.float64],
    total_out: NDArray[np.float64],
    count: NDArray[np.int64],
) -> int: ...
def cluster_interval(
    start: NDArray[np.int64],
    stratum: NDArray[np.int32],
    size: NDArray[np.float64],
    total: NDArray[np.float64],
    count: NDArray[np.int64],
    n_drawn: NDArray[np.int64],
    fraction: NDArray[np.float64],
    wanted: NDArray[np.uint8],
    rescaled: bool,
    unit: float,
    alpha: NDArray[np.float64],
    corrected: bool,
    low: NDArray[np.float64],
    high: NDArray[np.float64],
) -> None: ...
