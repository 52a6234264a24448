"""Native functions (``_ext/duckdb_functions.cpp``), ``cx_nps`` and more, for databases opened from now on."""

from __future__ import annotations

import ctypes
import importlib.util
import os
from typing import Any

_LIBRARY = "cxcore._ext.duckdb_functions"
#: set on DuckDB's own module, so that a second copy of cxcore in the process does not register the name
#: again: that would fail, and every later ``duckdb.connect()`` with it
_MARK = "_cxcore_native"


def register_native(engine: Any) -> bool:
    """Whether databases that are opened from now on have the functions; registers them once a process.

    Parameters
    ----------
    engine : module or None
        The compiled module of DuckDB.

    Never raises, and never registers what could fail later: where the engine is unknown or lacks a function
    of its C API, or the user opted out, there are no native functions and the macros remain.
    """
    if engine is None or os.environ.get("CXCORE_DUCKDB_NATIVE", "1") == "0":
        return False
    known: bool | None = getattr(engine, _MARK, None)
    if known is None:
        known = _register(getattr(engine, "__file__", None))
        setattr(engine, _MARK, known)
    return known


def _register(path: str | None) -> bool:
    spec = importlib.util.find_spec(_LIBRARY)
    if path is None or spec is None or spec.origin is None:
        return False
    try:
        library = ctypes.CDLL(spec.origin)
    except OSError:  # built for another machine, or no shared library at all
        return False
    return bool(library.cxcore_register_duckdb(os.fsencode(path)))
