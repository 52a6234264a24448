"""Native functions (``_ext/duckdb_functions.cpp``), ``cx_nps`` and more: registered with this process' DuckDB
for databases opened from now on, or written as a file that any DuckDB can load.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import platform
import sys
from pathlib import Path
from typing import Any

from cxcore import errors
from cxcore._build import __version__
from cxcore._files import write_bytes

_LIBRARY = "cxcore._ext.duckdb_functions"
#: the version of DuckDB's C API that has all that is used of it
_API = "v1.2.0"
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


def write_extension(folder: str | os.PathLike[str]) -> Path:
    """Write ``cxcore.duckdb_extension`` into a folder, for ``LOAD`` in DuckDB from 1.4 on; its path.

    The library with the footer of DuckDB's loadable files: 256 bytes that say what it is, the last field
    first, and 256 for a signature, which it has not.
    """
    target, library = Path(folder) / "cxcore.duckdb_extension", _library()
    system = {"linux": "linux", "darwin": "osx"}.get(sys.platform)
    machine = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}.get(
        platform.machine().lower()
    )
    if library is None or system is None or machine is None:
        raise errors.no_duckdb_extension(f"{sys.platform} {platform.machine()}")
    said = ("", "", "", "C_STRUCT", __version__, _API, f"{system}_{machine}", "4")
    footer = b"".join(field.encode().ljust(32, b"\0") for field in said) + bytes(256)
    write_bytes("duckdb-extension", target, library.read_bytes() + footer)
    return target


def _library() -> Path | None:
    spec = importlib.util.find_spec(_LIBRARY)
    return None if spec is None or spec.origin is None else Path(spec.origin)


def _register(path: str | None) -> bool:
    origin = _library()
    if path is None or origin is None:
        return False
    try:
        library = ctypes.CDLL(str(origin))
    except OSError:  # built for another machine, or no shared library at all
        return False
    return bool(library.cxcore_register_duckdb(os.fsencode(path)))
