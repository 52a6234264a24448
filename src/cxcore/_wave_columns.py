"""Answers by segment and wave as one block of counts: the waist of all that follows a score in time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cxcore import _options, errors
from cxcore._answers import ScoreCounts, score_counts
from cxcore._columns import Int64, is_key

#: rows of an answer above which the grid of segments and waves is a mistake of options, not a question
MOST_CELLS = 10_000_000

#: name of the column of waves, which a segment of the user's may not have
WAVE = "\0wave"


@dataclass(frozen=True, slots=True)
class WaveCounts:
    """Answers of every segment in every wave, also where a segment has none.

    ``segments`` has one row a segment (the columns of ``by``; one row and no column without), sorted;
    ``waves`` each wave once, in order; ``counts`` int64[n_segments, n_waves, n_classes]; ``n_null``
    int64[n_segments, n_waves]. ``place`` int64[n_groups]: segment times waves plus wave of each group that
    has a row, in their sorted order.
    """

    segments: pl.DataFrame
    waves: pl.Series
    counts: Int64
    n_null: Int64
    place: Int64

    def rows(self) -> ScoreCounts:
        """One row a segment and wave, wave by wave within a segment."""
        n_segments, n_waves, n_classes = self.counts.shape
        segment, wave = np.divmod(np.arange(n_segments * n_waves), max(n_waves, 1))
        groups = pl.DataFrame([*self.segments[segment], self.waves.gather(wave)])
        return ScoreCounts(groups, self.counts.reshape(-1, n_classes), self.n_null.reshape(-1))


def wave_counts(
    call: str,
    house: pl.DataFrame,
    score: str,
    by: Sequence[str | pl.Expr],
    wave: str | pl.Series,
    scale: tuple[int, int],
    missing: Sequence[int],
    last: Int64,
) -> WaveCounts:
    """Counts by segment and wave; the wave is a column of the frame, or a column made of one.

    A wave is one that any row of the frame has, whatever its segment and also if nobody answered.
    """
    column = house[wave] if isinstance(wave, str) else wave
    _check_wave(call, column)
    parts = [*by, pl.lit(column).alias(WAVE)]
    threads = _options.n_threads(call, None)
    counted = score_counts(call, house, score, parts, scale, missing, threads, last)
    names = counted.groups.columns[:-1]
    waves = counted.groups[WAVE].unique().sort()
    at = _ranks(counted.groups.select(WAVE))
    segment = _runs(counted.groups, names)
    segments = _first_rows(counted.groups, names, segment)
    shape = len(segments), len(waves)
    if shape[0] * shape[1] > MOST_CELLS:
        problem = f"{shape[0]:,} segments in {shape[1]:,} waves are more than {MOST_CELLS:,} rows."
        raise errors.bad_option(call, "wave", column.name, problem, "take longer waves, or fewer segments.")
    counts = np.zeros((*shape, counted.counts.shape[1]), dtype=np.int64)
    n_null = np.zeros(shape, dtype=np.int64)
    counts[segment, at], n_null[segment, at] = counted.counts, counted.n_null
    return WaveCounts(segments, waves, counts, n_null, segment * shape[1] + at)


def _check_wave(call: str, column: pl.Series) -> None:
    dtype = column.dtype
    if not (is_key(dtype) or dtype.is_temporal() or dtype.is_numeric() or dtype == pl.Null):
        hint = "such as a year, a date, a month of dt.truncate('1mo'), or an Enum in its order."
        raise errors.wrong_dtype(call, "wave", column.name, dtype, "takes what has an order", hint)
    if n_bad := column.null_count():
        row = int(column.is_null().arg_max() or 0)
        hint = "drop them, or give them a wave with fill_null()."
        raise errors.nulls(call, "wave", column.name, n_bad, len(column), row, hint)


def _ranks(column: pl.DataFrame) -> NDArray[np.int64]:
    """Place of each row's wave among the waves."""
    waves = column.unique().sort(WAVE).with_row_index("at")
    joined = column.join(waves, on=WAVE, how="left", maintain_order="left")
    return joined["at"].to_numpy().astype(np.int64)


def _runs(groups: pl.DataFrame, names: list[str]) -> NDArray[np.int64]:
    """Segment of each sorted row: rows of one segment lie together."""
    if not names:
        return np.zeros(len(groups), dtype=np.int64)
    return groups.select(pl.struct(names).rle_id()).to_series().to_numpy().astype(np.int64)


def _first_rows(groups: pl.DataFrame, names: list[str], segment: NDArray[np.int64]) -> pl.DataFrame:
    if not names:
        return pl.DataFrame(height=1)
    return groups.select(names)[np.flatnonzero(np.diff(segment, prepend=-1))]
