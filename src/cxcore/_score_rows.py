"""Rows of an answer: the counts and the interval of each group, as columns of a frame."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import polars as pl

from cxcore._answers import ScoreCounts
from cxcore._columns import Float64, Int64
from cxcore._score_weights import Score
from cxcore.designs import DesignMethod, DesignSample
from cxcore.intervals import FLAG_BIT, Method, Sample, flag_text, numbers_of, words_of


@lru_cache
def result_columns(what: Score) -> dict[str, pl.DataType]:
    return {
        **dict.fromkeys((*what.parts, "n", "n_null"), pl.Int64()),
        **dict.fromkeys(("estimate", "low", "high", "standard_error"), pl.Float64()),
        **dict.fromkeys(("method", "flags"), pl.String()),
    }


def with_total(counted: ScoreCounts) -> ScoreCounts:
    """The same with a last row over all groups, and a column that says so."""
    groups = counted.groups.with_columns(is_total=pl.lit(value=False))
    row = pl.DataFrame({"is_total": [True]})
    return ScoreCounts(
        pl.concat([groups, row], how="diagonal"),
        np.vstack([counted.counts, counted.counts.sum(axis=0, keepdims=True, dtype=np.int64)]),
        np.append(counted.n_null, counted.n_null.sum()),
    )


def answer_rows(
    call: str, what: Score, counted: ScoreCounts, sample: Sample, method: Method, level: float
) -> pl.DataFrame:
    numbers, words = numbers_of(sample, level, method), words_of(call, sample, method)
    if not counted.groups.width:
        return _only_row(what, counted, sample, numbers, words)
    n, parts = len(counted.groups), _parts(what, sample)
    counts = np.concatenate([*parts, sample.n, counted.n_null])
    # A series for each dtype, cut apart: cheaper than a series for each column.
    stacks = (
        (len(parts) + 2, pl.Series(counts)),
        (4, pl.Series(np.concatenate(numbers) * what.factor, nan_to_null=True)),
        (2, pl.Series([*words[0], *words[1]], dtype=pl.String)),
    )
    columns = [stack.slice(at * n, n) for n_columns, stack in stacks for at in range(n_columns)]
    return counted.groups.hstack(list(map(pl.Series.alias, columns, result_columns(what))))


def _parts(what: Score, sample: Sample) -> Int64:
    """Counts of each part of the score, highest first, int64[n_parts, n_groups]."""
    parts = sample.counts.T[::-1][: len(what.parts)]
    if len(parts) < len(what.parts):  # promoters begin where detractors end: nobody is between
        parts = np.insert(parts, 1, 0, axis=0)
    return parts


def _only_row(
    what: Score,
    counted: ScoreCounts,
    sample: Sample,
    numbers: tuple[Float64, ...],
    words: tuple[list[str | None], list[str]],
) -> pl.DataFrame:
    """One row of all answers, from values: half the cost of three series."""
    parts = sample.counts[0].tolist()[::-1][: len(what.parts)]
    if len(parts) < len(what.parts):  # as in `_parts`
        parts.insert(1, 0)
    scaled = [number.item() * what.factor for number in numbers]
    values = [*parts, sample.n.item(), counted.n_null.item(), *scaled, words[0][0], words[1][0]]
    schema = result_columns(what)
    if values[-2] is None:  # without a gap the values tell their types, for less
        values = [None if value != value else value for value in values]
        return pl.from_dicts([dict(zip(schema, values, strict=True))], schema=schema)
    return pl.from_dicts([dict(zip(schema, values, strict=True))])


# ---------------------------------------------------------------- under a design


@lru_cache
def design_columns(what: Score) -> dict[str, pl.DataType]:
    """Columns of an answer under a survey design, behind those of its groups."""
    return {
        **dict.fromkeys((*what.parts, "n", "n_null"), pl.Int64()),
        "n_effective": pl.Float64(),
        "n_cluster": pl.Int64(),
        **dict.fromkeys(("estimate", "low", "high", "standard_error", "design_effect"), pl.Float64()),
        **dict.fromkeys(("method", "flags"), pl.String()),
    }


def design_rows_of(what: Score, sample: DesignSample, method: DesignMethod, level: float) -> pl.DataFrame:
    """The answer under a design: counts are of answers, all else is of their weights."""
    parts = _parts(what, sample.sample)
    low, high = method.limits(sample, 1 - level)
    scaled = [each * what.factor for each in (sample.estimate, low, high, method.standard_error(sample))]
    code = sample.sample.flags.copy()
    for word, where in method.marks(sample).items():
        code |= where * np.int64(FLAG_BIT[word])
    without = np.isnan(low).tolist()
    words = [None if none else word for word, none in zip(method.used(sample), without, strict=True)]
    columns = [
        *parts, sample.sample.n, sample.counted.n_null, sample.n_effective, sample.n_cluster, *scaled,
        sample.design_effect, words, [flag_text(one) for one in code.tolist()],
    ]  # fmt: skip
    return sample.counted.groups.hstack(
        [
            pl.Series(name, column, dtype=dtype, nan_to_null=dtype == pl.Float64)
            for (name, dtype), column in zip(design_columns(what).items(), columns, strict=True)
        ]
    )
