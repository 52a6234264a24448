import numpy as np
from numpy.typing import NDArray

_Int32 = NDArray[np.int32]
_Int64 = NDArray[np.int64]
_UInt8 = NDArray[np.uint8]

def find_logins(
    device: _Int32, known: _Int32, tick: _Int64, tie: _Int64, first: bool, login: _Int32, shared: _UInt8
) -> None: ...
def spread_logins(device: _Int32, known: _Int32, login: _Int32, n_threads: int, link: _Int32) -> None: ...
def follow_logins(
    offset: _Int64,
    row: _Int64,
    tick: _Int64,
    known: _Int32,
    policy: int,
    lookback: int,
    n_threads: int,
    link: _Int32,
) -> None: ...
def name_rows(
    device: _Int32, link: _Int32, unstitched: _UInt8, n_devices: int, n_threads: int, place: _Int64
) -> None: ...
