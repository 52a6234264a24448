"""Files that are whole or not there: written beside, brought to the disk, then put in place in one step."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl


def write_parquet(path: str | os.PathLike[str], frame: pl.DataFrame, about: Mapping[str, Any]) -> None:
    """A Parquet file with JSON in its metadata: killed, it leaves the file of before or the new one."""
    target = Path(path)
    handle, beside = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            frame.write_parquet(file, metadata={key: json.dumps(value) for key, value in about.items()})
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(beside)
        raise
    _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    """The new name on the disk too, where folders can be opened."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
