"""Logs larger than memory: parts of whole users on disk, one answer for each part, and one order again.

Users are told apart by what they are called, so a part has all rows of its users, and what a verb says of a
user does not depend on the others. Polars' own sinks write the parts; a row number travels with each row and
brings the answers back into the order that they have in memory. Why so: docs/adr/0008.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl

from cxcore import _options, errors
from cxcore._columns import EventRoles
from cxcore.engines.base import Compute

#: where a row stands in the log (Int64); an answer has its place in the order of answers under that name
ROW = "cxcore: row"
_PART = "cxcore: part"
#: behind all rows
LAST = 2**62
_PARTS = 64
#: rows of a group in a file of answers, which is read as a whole
_LEAST_GROUP = 1_024


@dataclass(frozen=True, slots=True, kw_only=True)
class Spill:
    """Where :func:`cxcore.sessionize` and :func:`cxcore.sessions` put a log that does not fit into memory.

    Pass it as ``spill=``; a folder alone stands for 64 parts.

    Parameters
    ----------
    folder : str or path
        A folder that is there, on a disk with room for the log and the answer once more, as Parquet. What is
        written into it is gone when the answer has been read.
    parts : int, default 64
        Parts that users are spread over by a hash. Memory holds one part at a time, about four times over;
        more parts need less, and cost more files.

    Examples
    --------
    >>> import tempfile, polars as pl, cxcore as cx
    >>> log = pl.LazyFrame({"who": ["a", "b", "a"], "at": [0, 1, 2]})
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     spill = cx.Spill(folder=folder, parts=2)
    ...     table = cx.sessions(log, user="who", time="at", time_unit="s", spill=spill).collect()
    >>> table.select("who", "events").rows()
    [('a', 2), ('b', 1)]
    """

    folder: str | os.PathLike[str]
    parts: int = _PARTS


def spill_of(call: str, spill: Any, events: Any, id: str) -> Spill | None:
    """The option ``spill=``, checked against what it stands beside."""
    if spill is None:
        return None
    if not isinstance(spill, Spill):
        if not isinstance(spill, (str, os.PathLike)):
            problem = f"takes a folder, not a {type(spill).__name__}."
            raise errors.bad_option(call, "spill", spill, problem, "pass its path, or cx.Spill(folder=…).")
        spill = Spill(folder=spill)
    disk: Spill = spill
    _options.within(call, "parts", disk.parts, 1, 4_096)
    folder = os.fspath(disk.folder)
    if not isinstance(events, pl.LazyFrame):
        raise errors.only_lazy(call, "spill", folder, spreads=_options.of_spark(events))
    if not Path(folder).is_dir():
        raise errors.bad_option(call, "spill", folder, "no such folder.", "make it first.")
    if id == "dense":
        hint = "take id='stable', or count the sessions of the answer."
        raise errors.bad_option(
            call, "id", id, "counts all sessions, and spill= sees one part of them.", hint
        )
    return disk


def by_parts(
    spill: Spill, call: str, log: pl.LazyFrame, roles: EventRoles, compute: Compute
) -> Iterator[pl.DataFrame]:
    """What ``compute`` gives for each part, rows in order of ``ROW``, which never falls in its answer."""
    parted = log.with_columns(_part(log.collect_schema(), roles, spill.parts).alias(_PART))
    with tempfile.TemporaryDirectory(prefix="cxcore-", dir=spill.folder) as folder:
        yield from _answers(call, Path(folder), spill.parts, parted, compute)


def numbered(
    frame: pl.LazyFrame, read: Sequence[str], more: Mapping[str, pl.Expr], wanted: Sequence[str]
) -> pl.LazyFrame:
    """The rows by ``ROW``, and of the columns those that somebody reads."""
    keep = [name for name in frame.collect_schema() if name in read or name in wanted]
    log = frame.with_columns(**more).select(*keep, *more).with_row_index(ROW)
    return log.with_columns(pl.col(ROW).cast(pl.Int64))


def _part(schema: pl.Schema, roles: EventRoles, parts: int) -> pl.Expr:
    """The part of a row: by its user; rows without one anywhere, or together where they are numbered."""
    names = [
        pl.col(name).cast(pl.String) if schema[name] in (pl.Categorical, pl.Enum) else pl.col(name)
        for name in roles.user
    ]
    user = names[0] if len(names) == 1 else pl.struct(names)
    nobody = pl.any_horizontal(pl.col(name).is_null() for name in roles.user)
    alone = pl.lit(parts) if roles.null_user == "own" else pl.col(ROW) % parts
    return pl.when(nobody).then(alone).otherwise(user.hash() % parts).cast(pl.Int32)


def _answers(
    call: str,
    folder: Path,
    parts: int,
    log: pl.LazyFrame,
    compute: Compute,
) -> Iterator[pl.DataFrame]:
    """The answer of the whole log, in pieces of about the size of a part."""
    by_part = pl.PartitionBy(folder / "log", key=_PART, include_key=False, approximate_bytes_per_file=None)
    log.sink_parquet(by_part, mkdir=True, compression="lz4", row_group_size=1 << 14, engine="streaming")
    files, places = [], []
    for at, part in enumerate(sorted((folder / "log").glob("*"))):
        pieces = sorted(part.glob("*.parquet"))
        rows = pl.scan_parquet(pieces, hive_partitioning=False, glob=False).collect()
        if not rows[ROW].is_sorted():
            rows = rows.sort(ROW)
        for piece in pieces:
            piece.unlink()
        answer = _of_part(call, rows, compute)
        del rows
        group = max(len(answer) // parts, _LEAST_GROUP)
        files.append(folder / f"answer-{at}.parquet")
        places.append(answer[ROW].gather_every(group))
        answer.write_parquet(files[-1], compression="lz4", row_group_size=group)
    if files:
        yield from _in_order(files, pl.concat(places).sort(), parts)


def _of_part(call: str, rows: pl.DataFrame, compute: Compute) -> pl.DataFrame:
    try:
        return compute(rows)
    except errors.InvalidDataError as error:
        raise errors.in_a_part(call, error, len(rows)) from error


def _in_order(files: list[Path], places: pl.Series, parts: int) -> Iterator[pl.DataFrame]:
    """The answers of all parts by ``ROW``. ``places`` are those of some rows, spread evenly."""
    cuts = places.gather_every(max(-(-len(places) // parts), 1)).unique().sort().to_list()
    for low, high in pairwise([-1, *cuts[1:], LAST + 1]):
        within = pl.col(ROW).is_between(low, high, closed="left")
        piece = pl.scan_parquet(files, glob=False).filter(within).collect()
        yield piece.sort(ROW, maintain_order=True).drop(ROW)
