import numpy as np
from numpy.typing import NDArray

_Int32 = NDArray[np.int32]
_Int64 = NDArray[np.int64]
_UInt8 = NDArray[np.uint8]

def is_indexed(code: _Int32, tick: _Int64, tie: _Int64) -> bool: ...
def sort_events(
    code: _Int32,
    tick: _Int64,
    tie: _Int64,
    offset: _Int64,
    n_threads: int,
    row: _Int64,
    sorted_tick: _Int64,
) -> None: ...
def count_sessions(
    offset: _Int64, tick: _Int64, gap: int, own: int, n_threads: int, session_offset: _Int64
) -> None: ...
def fill_sessions(
    offset: _Int64,
    row: _Int64,
    tick: _Int64,
    gap: int,
    own: int,
    session_offset: _Int64,
    n_threads: int,
    start: _Int64,
    end: _Int64,
    events: _Int64,
    number: _Int32,
) -> None: ...
def arrives_in_order(tick: _Int64, gap: int) -> bool: ...
def sessionize_arrival(
    code: _Int32, tick: _Int64, n_users: int, gap: int, own: int, n_threads: int, number: _Int32
) -> tuple[_Int64, _Int64, _Int64, _Int64]: ...
def session_ids(
    session_offset: _Int64,
    start: _Int64,
    tick_length: int,
    key_offset: _Int64,
    key: _UInt8,
    own: int,
    n_threads: int,
    id: _Int64,
    number: _Int64,
    user: _Int32,
) -> None: ...
def spread_sessions(
    code: _Int32,
    number: _Int32,
    session_offset: _Int64,
    id: _Int64,
    session_number: _Int64,
    n_threads: int,
    row_id: _Int64,
    row_number: _Int64,
) -> None: ...
def xxh64(data: _UInt8) -> int: ...
