import numpy as np
from numpy.typing import NDArray

_Int32 = NDArray[np.int32]
_Int64 = NDArray[np.int64]
_UInt8 = NDArray[np.uint8]

def is_indexed(code: _Int32, tick: _Int64, tie: _Int64) -> bool: ...
def is_in_time(offset: _Int64, tick: _Int64, tie: _Int64) -> bool: ...
def sort_events(
    code: _Int32,
    tick: _Int64,
    tie: _Int64,
    offset: _Int64,
    n_threads: int,
    row: _Int64,
    sorted_tick: _Int64,
) -> None: ...
def find_sessions(
    offset: _Int64, tick: _Int64, gap: int, own: int, n_threads: int
) -> tuple[_Int64, _Int64]: ...
def edges(
    begin: _Int64, tick: _Int64, n_threads: int, start: _Int64, end: _Int64, events: _Int64
) -> None: ...
def arrives_in_order(tick: _Int64, gap: int) -> bool: ...
def sessionize_arrival(
    code: _Int32, tick: _Int64, n_users: int, gap: int, own: int, n_threads: int, label: _Int32
) -> tuple[_Int64, _Int64, _Int64, _Int64, _Int64]: ...
def sessionize_slots(
    code: _Int32,
    tick: _Int64,
    offset: _Int64,
    gap: int,
    own: int,
    n_threads: int,
    room: _Int64,
    more_room: _Int32,
    label: _Int32,
) -> tuple[_Int64, _Int64, _Int64, _Int64]: ...
def join_stretches(
    open_user: _Int32,
    open: _Int64,
    batch_user: _Int32,
    start: _Int64,
    end: _Int64,
    events: _Int64,
    gap: int,
    late_before: int,
    closes_before: int,
    closes_all: bool,
    tick_length: int,
    key_offset: _Int64,
    key: _UInt8,
    n_threads: int,
    record: _Int64,
    user: _Int32,
    session: _Int64,
    session_of_open: _Int64,
) -> tuple[int, int]: ...
def session_ids(
    session_offset: _Int64,
    start: _Int64,
    tick_length: int,
    key_offset: _Int64,
    key: _UInt8,
    own: int,
    n_threads: int,
    before: _Int64,
    name: _Int64,
    user: _Int32,
    same: _Int64,
) -> None: ...
def label_rows(begin: _Int64, row: _Int64, n_threads: int, label: _Int32) -> None: ...
def name_rows(label: _Int32, name: _Int64, n_threads: int, row_id: _Int64, row_number: _Int64) -> None: ...
def name_runs(begin: _Int64, name: _Int64, n_threads: int, row_id: _Int64, row_number: _Int64) -> None: ...
def xxh64(data: _UInt8) -> int: ...
