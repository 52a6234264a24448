"""Arrays for what kernels write."""

from __future__ import annotations

import math
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
