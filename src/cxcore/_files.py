"""Files that are whole or not there: written beside, brought to the disk, then put in place in one step.

They are Parquet with JSON in the metadata, and a checksum of all bytes there too: a file that has changed is
refused before anything reads it, for what reads Parquet may take a changed byte for data, or crash.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import secrets
import stat
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from cxcore import errors

#: stands before the eight hexadecimal digits of the checksum; with control characters, which neither JSON nor
#: base64 have, so that of all metadata this alone holds it; behind the metadata comes no data
_MARK, _DIGITS = "cxcore\1crc32\1", 8


def write_parquet(
    call: str, path: str | os.PathLike[str], frame: pl.DataFrame, about: Mapping[str, Any]
) -> None:
    """A Parquet file with JSON in its metadata: killed, it leaves the file of before or the new one."""
    metadata = {key: json.dumps(value) for key, value in about.items()}
    written = io.BytesIO()
    frame.write_parquet(written, metadata={**metadata, "cxcore.checksum": _MARK + "0" * _DIGITS})
    data, at = _without_checksum(written.getvalue())
    data[at : at + _DIGITS] = _checksum(data)
    write_bytes(call, Path(path), bytes(data))


def write_bytes(call: str, target: Path, data: bytes) -> None:
    """A file: killed, it leaves the one of before or the new one. Its mode is that which ``open`` leaves."""
    # as `tempfile` does, but for its mode of 0600, which would keep a state from all other users
    beside = target.parent / f".cxcore-{secrets.token_hex(8)}"
    try:
        try:
            with open(beside, "xb") as file:
                with contextlib.suppress(OSError):
                    beside.chmod(stat.S_IMODE(target.stat().st_mode))
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, target)
        except BaseException:
            with contextlib.suppress(OSError):
                beside.unlink()
            raise
    except OSError as error:
        problem = f"cannot be written: {_reason(error, 'its folder is not there')}."
        hint = "name a path in a folder that is there and can be written to."
        raise errors.bad_file(call, target, problem, hint) from error
    _sync_folder(target.parent)


def read_parquet(
    call: str, path: str | os.PathLike[str], key: str, version: int, writer: str
) -> tuple[dict[str, Any], pl.DataFrame]:
    """What ``write_parquet`` wrote, as a frame and the JSON under ``key``, which says the version."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        problem = f"cannot be read: {_reason(error, 'there is no such file')}."
        hint = f"name what {writer} wrote, or start anew."
        raise errors.bad_file(call, path, problem, hint) from error
    zeroed, at = _without_checksum(data)
    not_ours = f"is no file that {writer} wrote.", "name one, or start anew."
    if at < 0:
        raise errors.bad_file(call, path, *not_ours)
    if data[at : at + _DIGITS] != _checksum(zeroed):
        problem = "has changed since it was written: its checksum differs."
        raise errors.bad_file(call, path, problem, "take a copy of before, or start anew.")
    metadata = pl.read_parquet_metadata(io.BytesIO(data))
    if key not in metadata:
        raise errors.bad_file(call, path, *not_ours)
    about = json.loads(metadata[key])
    if about["version"] != version:
        problem = f"has version {about['version']} of the format, and this cxcore reads version {version}."
        raise errors.bad_file(call, path, problem, "load it with the cxcore that saved it.")
    return about, pl.read_parquet(io.BytesIO(data))


def _reason(error: OSError, missing: str) -> str:
    return missing if isinstance(error, FileNotFoundError) else error.strerror or str(error)


def _without_checksum(data: bytes) -> tuple[bytearray, int]:
    """The bytes with zeros for the checksum, and where it stands; -1 where there is none."""
    zeroed, at = bytearray(data), data.rfind(_MARK.encode())
    if at >= 0:
        at += len(_MARK)
        zeroed[at : at + _DIGITS] = b"0" * _DIGITS
    return zeroed, at


def _checksum(zeroed: bytearray) -> bytes:
    return f"{zlib.crc32(zeroed):0{_DIGITS}x}".encode()


def _sync_folder(folder: Path) -> None:
    """The new name on the disk too, where folders can be opened."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
