"""Saved states: a changed byte is seen before anything reads it, whichever it is."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import cxcore as cx
from cxcore import InvalidDataError, ScoreState, _files
from cxcore._sql.native import write_extension


def score_state() -> ScoreState:
    answers = pl.DataFrame({"plan": ["free", "pro", None], "score": [3, 10, None]})
    return ScoreState.from_answers(answers, score="score", by="plan")


def session_stream() -> cx.SessionStream:
    stream = cx.SessionStream(user="user", time="time", gap="30m", time_unit="s")
    stream.push(pl.DataFrame({"user": ["ann", "bob"], "time": [0, 10_000]}))
    return stream


Saved = tuple[Callable[[], Any], Callable[[Path], Any]]
SAVED: dict[str, Saved] = {
    "ScoreState": (score_state, ScoreState.load),
    "SessionStream": (session_stream, cx.SessionStream.load),
}
SAID = "has changed since it was written|is no file that"


@pytest.fixture(params=SAVED)
def saved(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, bytes, Callable[[Path], Any]]:
    make, load = SAVED[request.param]
    path = tmp_path / "state.parquet"
    make().save(path)
    load(path)
    return path, path.read_bytes(), load


def test_every_changed_byte_is_refused(saved: tuple[Path, bytes, Callable[[Path], Any]]) -> None:
    path, data, load = saved
    for at in range(len(data)):
        changed = bytearray(data)
        changed[at] ^= 1 << at % 8
        path.write_bytes(changed)
        with pytest.raises(InvalidDataError, match=SAID):
            load(path)


def test_every_cut_and_every_tail_is_refused(saved: tuple[Path, bytes, Callable[[Path], Any]]) -> None:
    path, data, load = saved
    for end in range(0, len(data), 17):
        path.write_bytes(data[:end])
        with pytest.raises(InvalidDataError, match=SAID):
            load(path)
    path.write_bytes(data + b"\0")
    with pytest.raises(InvalidDataError, match=SAID):
        load(path)


def test_the_checksum_is_found_whatever_the_names_and_values_are(tmp_path: Path) -> None:
    """Text that looks like it stands in the data, in the names and in the options: none is taken for it."""
    path, mark = tmp_path / "state.parquet", _files._MARK + "00000000"
    answers = pl.DataFrame({mark: [mark, "a"], "score": [3, 10]})
    state = ScoreState.from_answers(answers, score="score", by=mark)
    state.save(path)
    assert ScoreState.load(path) == state
    assert pl.read_parquet(path).rows() == state.to_frame().rows()  # a Parquet file like any other


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.parquet"
    score_state().save(path)
    with pytest.raises(InvalidDataError, match=r"is no file that SessionStream\.save wrote"):
        cx.SessionStream.load(path)


@pytest.mark.parametrize("kind", [cx.ScoreState, cx.SessionStream])
def test_a_path_that_cannot_be_read(kind, tmp_path: Path) -> None:
    name = kind.__name__
    for path, said in ((tmp_path / "gone", "there is no such file"), (tmp_path, "Is a directory")):
        with pytest.raises(InvalidDataError) as caught:
            kind.load(path)
        assert f"cannot be read: {said}.\n  Hint: name what {name}.save wrote, or start anew." in str(
            caught.value
        )
        assert str(caught.value).startswith(f"{name}.load(path=")
        assert isinstance(caught.value.__cause__, OSError)


@pytest.fixture(params=[*SAVED, "extension"])
def write(request: pytest.FixtureRequest) -> Callable[[Path], Any]:
    """Writes something of ours into a folder, and gives its path."""
    if request.param == "extension":
        return write_extension
    make = SAVED[request.param][0]
    return lambda folder: make().save(folder / "a.parquet") or folder / "a.parquet"


@pytest.mark.skipif(os.name != "posix", reason="permissions are those of POSIX")
@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_files_have_the_permissions_that_open_leaves(
    write: Callable[[Path], Path], tmp_path: Path, mask: int
) -> None:
    before = os.umask(mask)
    try:
        path = write(tmp_path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask
        path.chmod(0o640)
        write(tmp_path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640, "what is closed to others stays so"
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_path_that_cannot_be_written(write: Callable[[Path], Path], tmp_path: Path) -> None:
    with pytest.raises(InvalidDataError) as caught:
        write(tmp_path / "gone")
    said = str(caught.value)
    assert f"(path='{tmp_path / 'gone'}" in said
    assert "cannot be written: its folder is not there.\n  Hint: name a path" in said
    assert isinstance(caught.value.__cause__, FileNotFoundError)
    taken = write(tmp_path)
    taken.unlink()
    taken.mkdir()
    with pytest.raises(InvalidDataError, match="cannot be written: Is a directory"):
        write(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == [taken.name]
