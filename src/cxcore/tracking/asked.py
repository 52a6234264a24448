"""What every verb of this folder is asked: a score, its segments, and how sure it should be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from cxcore import _options
from cxcore._answers import ScoreCounts, by_schema
from cxcore._columns import Float64, Int64, check_roles, needed
from cxcore._design_columns import DesignRoles, design_rows
from cxcore._design_sums import DesignRows
from cxcore._score_rows import answer_rows, design_columns, design_rows_of, result_columns
from cxcore._score_weights import Score, classes_of
from cxcore._wave_columns import WAVE, WaveCounts, wave_counts
from cxcore.designs import DesignMethod, DesignSample, design_sample
from cxcore.designs.difference import LinearizedDifference
from cxcore.differences import ADJUSTMENTS, Mover, Pairs, adjusted
from cxcore.engines import open_frame
from cxcore.intervals import Method, Sample
from cxcore.metrics import score_for

Schema = dict[str, pl.DataType]


@dataclass(frozen=True, slots=True)
class Asked:
    """Checked options of one call."""

    call: str
    what: Score
    by: list[str | pl.Expr]
    names: list[str]
    missing: tuple[int, ...]
    level: float

    def counted(self, house: pl.DataFrame, score: str, wave: str | pl.Series) -> WaveCounts:
        last, _ = classes_of(self.what)
        return wave_counts(self.call, house, score, self.by, wave, self.what.scale, self.missing, last)

    def clustered(
        self, house: pl.DataFrame, score: str, wave: str, counted: WaveCounts, design: DesignRoles
    ) -> tuple[DesignRows, DesignSample]:
        """The rows that count and their clusters, by the rows of ``counted``: every segment in every wave."""
        rows = self.design_rows(house, score, house[wave], counted, design)
        return rows, design_sample(rows, self.what.weights, design)

    def design_rows(
        self, house: pl.DataFrame, score: str, wave: pl.Series, counted: WaveCounts, design: DesignRoles
    ) -> DesignRows:
        """The rows that count, by their place in ``counted``: segment times waves plus wave."""
        parts = [*self.by, pl.lit(wave).alias(WAVE)]
        rows = design_rows(self.call, house, score, parts, self.what.scale, self.missing, design)
        every, place = counted.rows().groups, counted.place
        n_null = np.zeros(len(every), dtype=np.int64)
        n_null[place] = rows.n_null  # without those of weight 0
        return replace(rows, groups=every, n_null=n_null, group=place.astype(np.int32)[rows.group])

    def sample(self, counted: ScoreCounts) -> Sample:
        return Sample(counted.counts, classes_of(self.what)[1])

    def scores(self, counted: ScoreCounts, method: Method) -> pl.DataFrame:
        """The groups and what a score says of each: the columns of :func:`cxcore.nps`."""
        return answer_rows(self.call, self.what, counted, self.sample(counted), method, self.level)

    def design_scores(self, sample: DesignSample, method: DesignMethod) -> pl.DataFrame:
        """The same under a design: the columns of :func:`cxcore.nps` with ``cluster=``."""
        return design_rows_of(self.what, sample, method, self.level)


def asked(
    call: str,
    *,
    metric: Any,
    scale: Any,
    by: Any,
    missing: Any,
    confidence_level: Any,
    columns: Callable[[Score], Iterable[str]],
) -> Asked:
    """Checks what all verbs share; ``columns`` are those that the answer has beside ``by``."""
    what = score_for(call, metric, scale)
    parts = _options.parts(by)
    names = _options.groups(call, parts, columns(what))
    codes = _options.codes(call, "missing", missing)
    return Asked(call, what, parts, names, codes, _options.level(call, "confidence_level", confidence_level))


def score_columns(what: Score, design: DesignRoles | None = None) -> Schema:
    return dict(design_columns(what) if design else result_columns(what))


def answer(
    call: str,
    answers: Any,
    roles: Mapping[str, Any],
    compute: Callable[[pl.DataFrame], pl.DataFrame],
    schema: Callable[[pl.Schema], Schema],
) -> Any:
    """Reads the columns of the roles once, computes, and gives the answer back in the flavor that came."""
    engine, frame = open_frame(call, answers)
    check_roles(call, engine.columns(frame), roles)

    def of(before: pl.Schema) -> pl.Schema:
        return pl.Schema({**by_schema(call, before, roles["by"]), **schema(before)})

    return engine.summary(call, frame, needed(*roles.values()), compute, of)


# ---------------------------------------------------------------- each row less an earlier one


def step_columns(adjust: str | None) -> Schema:
    names = ("difference", "difference_low", "difference_high", "p_value")
    return dict.fromkeys((*names, *(["p_adjusted"] if adjust else [])), pl.Float64())


def check_adjust(call: str, adjust: Any) -> None:
    if adjust is not None:
        _options.word(call, "adjust", adjust, ADJUSTMENTS)


def steps(asked: Asked, counted: ScoreCounts, before: Any, adjust: str | None) -> pl.DataFrame:
    """Score of each row less that of row ``before`` (-1: of none), by MOVER, as ``compare`` has it."""
    sample = asked.sample(counted)
    nobody = np.zeros((1, counted.counts.shape[1]), dtype=np.int64)
    earlier = Sample(np.vstack([counted.counts, nobody])[before], sample.weights)
    pairs, method = Pairs(sample, earlier), Mover()
    numbers = [*method.limits(pairs, 1 - asked.level), method.p_values(pairs)]
    return _step_rows(asked, [pairs.difference, *numbers], adjust)


def design_steps(
    asked: Asked, rows: DesignRows, sample: DesignSample, before: Int64, adjust: str | None
) -> pl.DataFrame:
    """The same by clusters, who may have answered in both, as ``compare`` has it."""
    apart = LinearizedDifference(rows, sample, np.arange(len(before)), before)
    numbers = apart.numbers(1 - asked.level, free=apart.independent)
    return _step_rows(asked, [apart.difference, *numbers], adjust)


def _step_rows(asked: Asked, found: list[Float64], adjust: str | None) -> pl.DataFrame:
    *scores, p = found
    numbers = [*(each * asked.what.factor for each in scores), p]
    if adjust:
        numbers.append(adjusted(p, adjust))
    columns = zip(step_columns(adjust), numbers, strict=True)
    return pl.DataFrame([pl.Series(name, values, pl.Float64, nan_to_null=True) for name, values in columns])
