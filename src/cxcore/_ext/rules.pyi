import numpy as np
from numpy.typing import NDArray

_Int32 = NDArray[np.int32]
_Int64 = NDArray[np.int64]
_UInt8 = NDArray[np.uint8]
_Float64 = NDArray[np.float64]

def find_ruled_sessions(
    offset: _Int64,
    row: _Int64,
    tick: _Int64,
    gap: int,
    own: int,
    gap_of_row: _Int64,
    max_duration: int,
    max_events: int,
    edge: _Int64,
    mark: _UInt8,
    value: _Int32,
    split_null: int,
    key: _Int64,
    last_of_row: _Int64,
    events_of_row: _Int64,
    n_threads: int,
) -> tuple[_Int64, _Int64, _Int64, _Int64, _Int64, _Int64, _UInt8, _Int64]: ...
def label_copies(row: _Int64, copy: _Int64, label: _Int32) -> None: ...
def name_copies(copy: _Int64, row_id: _Int64, row_number: _Int64) -> None: ...
def edge_rows(
    begin: _Int64,
    row: _Int64,
    copy: _Int64,
    valid: _UInt8,
    n_threads: int,
    first_row: _Int64,
    last_row: _Int64,
) -> None: ...
def sum_whole(
    begin: _Int64, row: _Int64, copy: _Int64, value: _Int64, n_threads: int, total: _Int64
) -> bool: ...
def sum_real(
    begin: _Int64, row: _Int64, copy: _Int64, value: _Float64, n_threads: int, total: _Float64
) -> None: ...
def any_true(
    begin: _Int64, row: _Int64, copy: _Int64, value: _UInt8, n_threads: int, any: _UInt8
) -> None: ...
