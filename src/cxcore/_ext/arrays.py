"""Arrays for what kernels write."""

from __future__ import annotations

import math
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from cxcore._ext import native

_LONG = 1 << 20


def empty(shape: int | tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """As ``numpy.empty``; long ones lie in huge pages, so that the first writes cost no fault each 4 KB."""
    kind = np.dtype(dtype)
    n_bytes = math.prod(shape if isinstance(shape, tuple) else (shape,)) * kind.itemsize
    if n_bytes < _LONG:
        return np.empty(shape, kind)
    return native.empty(n_bytes).view(kind).reshape(shape)


def beside(*parts: tuple[int, DTypeLike]) -> list[NDArray[Any]]:
    """Arrays of so many items each, in one block: what is short alone lies in huge pages together."""
    line = 64  # bytes: no two arrays share a line of the cache
    sizes = [-(-n * np.dtype(kind).itemsize // line) * line for n, kind in parts]
    block, begins = empty(sum(sizes), np.uint8), accumulate(sizes, initial=0)
    return [
        block[begin : begin + size].view(kind)[:n]
        for (n, kind), size, begin in zip(parts, sizes, begins, strict=False)
    ]
