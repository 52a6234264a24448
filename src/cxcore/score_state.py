"""Scores that grow: the counts behind them as an object that adds, takes away, saves and answers."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import numpy as np
import polars as pl

from cxcore import _files, _options, errors
from cxcore._answers import ScoreCounts, row_groups, score_counts
from cxcore._columns import Int64, check_roles, key_column, needed
from cxcore._design_columns import DesignRoles, design_roles, design_rows
from cxcore._score_rows import answer_rows, design_columns, design_rows_of, result_columns, with_total
from cxcore._score_weights import classes_of
from cxcore.designs import design_method_for, design_sample
from cxcore.engines import open_frame
from cxcore.intervals import Sample
from cxcore.metrics import Metric, MetricName, score_for
from cxcore.scores import AnyMethod, By, Columns, plain_method_for

__all__ = ["ScoreState"]

#: changes when a file of before can no longer be read
_VERSION = 2
_KEY = "cxcore.score_state"
#: answers of one group that the kernels of intervals count to
_MOST_ANSWERS = 10**10


class ScoreState:
    """Answers as counts by group and level: all that NPS, CSAT, CES and their intervals need.

    A state of one part of the answers plus one of the others is the state of all, exactly, in any order; so a
    score can be kept up to date day by day without the answers of before. States never change: ``+`` and
    ``-`` give new ones.

    Attributes
    ----------
    scale : (int, int)
        Lowest and highest level.
    by : list of str
        Names of the group columns.
    cluster : tuple of str
        Names of the columns that say who answered; empty where answers are taken as independent.
    stratum : tuple of str
        Names of the columns of strata; empty where there are none.

    Notes
    -----
    8 bytes for each group and level, however many answers; adding costs a few µs and a key look-up a group.
    With ``cluster`` or ``stratum`` it is so for each customer or stratum of each group, and an answer reads
    as many rows as there are answers. There is no ``weight``: sums of weights would depend on the order of
    parts, and not be taken away exactly; keep the answers, and ask the verb.

    Examples
    --------
    >>> import polars as pl
    >>> from cxcore import ScoreState
    >>> monday = pl.DataFrame({"plan": ["free", "pro", "pro"], "score": [3, 9, 10]})
    >>> tuesday = pl.DataFrame({"plan": ["pro", "free"], "score": [7, None]})
    >>> state = ScoreState.from_answers(monday, score="score", by="plan")
    >>> state += ScoreState.from_answers(tuesday, score="score", by="plan")
    >>> state
    ScoreState(scale=(0, 10), by=['plan'], 2 groups, 4 answers)
    >>> state.nps().select("plan", "n", "n_null", pl.col("estimate").round(1)).rows()
    [('free', 1, 1, -100.0), ('pro', 3, 0, 66.7)]
    """

    __slots__ = ("_counted", "_n_by", "cluster", "scale", "stratum")

    def __init__(
        self,
        counted: ScoreCounts,
        scale: tuple[int, int],
        n_by: int,
        cluster: tuple[str, ...] = (),
        stratum: tuple[str, ...] = (),
    ) -> None:
        """Of checked counts, by ``n_by`` group columns, then those of cluster and stratum that are no group.

        Users have ``from_answers`` and ``from_counts``.
        """
        self._counted, self._n_by, self.scale = counted, n_by, scale
        self.cluster, self.stratum = cluster, stratum

    @property
    def by(self) -> list[str]:
        return self._counted.groups.columns[: self._n_by]

    @classmethod
    def from_answers(
        cls,
        answers: Any,
        *,
        score: str,
        by: By = None,
        scale: tuple[int, int] = (0, 10),
        missing: Iterable[int] | None = None,
        cluster: Columns = None,
        stratum: Columns = None,
    ) -> ScoreState:
        """Count answers.

        Parameters
        ----------
        answers : frame
            One row an answer, in any flavor that an engine knows; a lazy one is read now.
        score : str
            Column of answers, whole numbers on the scale. A null is no answer, and is counted.
        by : str, expression, or list of both, default None
            Groups, as in :func:`cxcore.nps`.
        scale : (int, int), default (0, 10)
            Lowest and highest level.
        missing : list of int, default None
            Codes that mean 'no answer'.
        cluster : str or list of str, default None
            Who answered, as in :func:`cxcore.nps`: intervals are then those of clusters. Names alone, since a
            state keeps columns and finds them again.
        stratum : str or list of str, default None
            The strata from which answers or clusters were drawn, as in :func:`cxcore.nps`.
        """
        call = "ScoreState.from_answers"
        _options.column_name(call, "score", score)
        design = design_roles(call, cluster, None, stratum, None)
        parts = _options.parts(by)
        names = _options.groups(call, parts, _TAKEN)
        keys = [*parts, *_design_keys(call, design, names, parts)]
        low, high = _options.scale(call, scale)
        codes = _options.codes(call, "missing", missing)
        house = _read(call, answers, {"score": score, "by": by, **design.roles})
        _check_keys(call, house, design)
        threads = _options.n_threads(call, None)
        return cls(
            score_counts(call, house, score, keys, (low, high), codes, threads),
            (low, high),
            len(names),
            design.cluster,
            design.stratum,
        )

    @classmethod
    def from_counts(
        cls,
        counts: Any,
        *,
        level: str = "level",
        n: str = "n",
        by: str | Iterable[str] | None = None,
        scale: tuple[int, int] = (0, 10),
        missing: Iterable[int] | None = None,
        cluster: Columns = None,
        stratum: Columns = None,
    ) -> ScoreState:
        """Take the counts of a ``GROUP BY``: one row a group and level.

        Parameters
        ----------
        counts : frame
            In any flavor that an engine knows, in any order; rows of the same group and level add up.
        level : str, default "level"
            Column of levels, whole numbers on the scale; null in the row that counts answers left out.
        n : str, default "n"
            Column of how many, whole numbers from 0 up.
        by : str or list of str, default None
            Group columns.
        scale : (int, int), default (0, 10)
            Lowest and highest level.
        missing : list of int, default None
            Levels that mean 'no answer'.
        cluster : str or list of str, default None
            Columns that say who answered, of counts by group, customer and level.
        stratum : str or list of str, default None
            Columns of strata, of counts by group, customer, stratum and level.
        """
        call = "ScoreState.from_counts"
        _options.column_name(call, "level", level)
        _options.column_name(call, "n", n)
        design = design_roles(call, cluster, None, stratum, None)
        groups_by = _options.column_names([] if by is None else by)
        _options.groups(call, groups_by, _TAKEN)
        names = [*groups_by, *_design_keys(call, design, groups_by, groups_by)]
        low, high = _options.scale(call, scale)
        codes = _options.codes(call, "missing", missing)
        house = _read(call, counts, {"level": level, "n": n, "by": groups_by, **design.roles})
        _check_keys(call, house, design)
        many = _whole(call, house[n])
        code, groups, order = row_groups(call, house, names, _options.n_threads(call, None))
        code = code if names else np.zeros(len(house), dtype=np.int32)
        # each row is an answer of a group of its own: so levels have all the checks that answers have
        row = house.select(pl.col(level), pl.int_range(pl.len()).alias(f"{level} row"))
        try:
            each = score_counts(call, row, level, [f"{level} row"], (low, high), codes)
        except errors.InvalidDataError as error:
            raise errors.InvalidDataError(str(error).replace("(score=", "(level=", 1)) from None
        table = np.zeros((len(groups), high - low + 2), dtype=np.int64)
        np.add.at(table, code, np.column_stack([each.counts, each.n_null]) * many[:, None])
        counted = _tidy(call, groups, table, order)
        return cls(counted, (low, high), len(groups_by), design.cluster, design.stratum)

    # ---------------------------------------------------------------- arithmetic

    def __add__(self, other: object) -> ScoreState:
        return self._merged("ScoreState.__add__", other, 1)

    def __radd__(self, other: object) -> ScoreState:
        """For ``sum()``, which begins with 0."""
        return self if isinstance(other, int) and other == 0 else NotImplemented

    def __sub__(self, other: object) -> ScoreState:
        return self._merged("ScoreState.__sub__", other, -1)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ScoreState):
            return NotImplemented
        mine, theirs = self._counted, other._counted
        return (
            self.scale == other.scale
            and (self.by, self.cluster, self.stratum) == (other.by, other.cluster, other.stratum)
            and mine.groups.schema == theirs.groups.schema
            and mine.groups.equals(theirs.groups)
            and np.array_equal(_table(mine), _table(theirs))
        )

    # equal by values that may be large; typeshed wants a method here
    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        n = int(self._counted.counts.sum())
        groups = f"by={self.by}, {len(self._counted.groups):,} groups" if self.by else "no groups"
        if self.cluster:
            groups = f"by={self.by}, cluster={list(self.cluster)}"
        if self.stratum:
            groups += f", stratum={list(self.stratum)}"
        return f"ScoreState(scale={self.scale}, {groups}, {n:,} answers)"

    def _merged(self, call: str, other: object, sign: int) -> ScoreState:
        if not isinstance(other, ScoreState):  # NotImplemented would let a frame try, which fails oddly
            hint = "count it first: ScoreState.from_answers(…)."
            raise errors.not_a_frame(call, f"{type(other).__qualname__} as a ScoreState", hint)
        if self.scale != other.scale:
            problem = f"the scales {self.scale} and {other.scale} are two."
            raise errors.bad_option(call, "other", other, problem, "a state is of one question.")
        mine, theirs = self._counted, other._counted
        for role in ("cluster", "stratum"):
            one, two = getattr(self, role), getattr(other, role)
            if one != two:
                problem = f"the columns of {role} are {list(one)} and {list(two)}."
                raise errors.bad_option(call, "other", other, problem, f"give both the same {role}=.")
        if self.by != other.by or mine.groups.schema != theirs.groups.schema:
            problem = f"the groups are {dict(mine.groups.schema)} and {dict(theirs.groups.schema)}."
            raise errors.bad_option(call, "other", other, problem, "give both the same by=, and cast.")
        names = mine.groups.columns
        both = pl.concat([mine.groups, theirs.groups]) if names else pl.DataFrame(height=2)
        code, groups, order = row_groups(call, both, names, 1)
        table = np.zeros((len(groups), _table(mine).shape[1]), dtype=np.int64)
        np.add.at(table, code if names else [0, 0], np.vstack([_table(mine), sign * _table(theirs)]))
        counted = _tidy(call, groups, table, order)
        return ScoreState(counted, self.scale, self._n_by, self.cluster, self.stratum)

    # ---------------------------------------------------------------- answers

    def score(
        self,
        metric: MetricName | Metric = "nps",
        *,
        by: str | Iterable[str] | None = None,
        method: AnyMethod = "bootstrap",
        confidence_level: float = 0.95,
        total: bool = False,
    ) -> pl.DataFrame:
        """Score by group, with an interval: the same numbers as the verb gives for the answers.

        Parameters
        ----------
        metric : str or Metric, default "nps"
            "nps", "csat", "ces", "mean_score", or an object of ``cxcore.metrics`` for the scale of the state.
        by : str or list of str, default None
            Some of the group columns; the others are added up. None: all of them; []: one row of all.
        method, confidence_level, total
            As in :func:`cxcore.nps`.

        Returns
        -------
        DataFrame
            The columns of the verb: :func:`cxcore.nps`, :func:`cxcore.csat` and so on.
        """
        call = "ScoreState.score"
        what = score_for(call, metric, None if isinstance(metric, Metric) else self.scale)
        if what.scale != self.scale:
            problem = f"it is of the scale {what.scale}, and the answers are of {self.scale}."
            raise errors.bad_option(call, "metric", metric, problem, f"such as scale={self.scale}.")
        names = self.by if by is None else _options.column_names(by)
        check_roles(call, self.by, {"by": names})
        design = DesignRoles(self.cluster, None, self.stratum)
        columns = design_columns(what) if design else result_columns(what)
        _options.groups(call, names, [*columns, *(["is_total"] if total else [])])
        _options.flag(call, "total", total, "True adds the row of all.")
        if total and not names:
            hint = "say by=, or leave it out."
            raise errors.bad_option(call, "total", total, "there are no groups to add up.", hint)
        level = _options.level(call, "confidence_level", confidence_level)
        if design:
            drawn = design_method_for(call, method, design)
            rows = design_rows(call, self._rows(), "level", names, self.scale, (), design, total=total)
            return design_rows_of(what, design_sample(rows, what.weights, design), drawn, level)
        chosen = plain_method_for(call, method)
        last, weights = classes_of(what)
        counted = self._of(call, names)
        starts = [0, *(last[:-1] + 1 - self.scale[0]).tolist()]
        counts = np.add.reduceat(counted.counts, starts, axis=1)
        found = ScoreCounts(counted.groups, counts, counted.n_null)
        found = with_total(found) if total else found
        return answer_rows(call, what, found, Sample(found.counts, weights), chosen, level)

    def nps(
        self,
        *,
        by: str | Iterable[str] | None = None,
        method: AnyMethod = "bootstrap",
        confidence_level: float = 0.95,
        total: bool = False,
    ) -> pl.DataFrame:
        """Net Promoter Score by group: :meth:`score` of ``"nps"``."""
        return self.score("nps", by=by, method=method, confidence_level=confidence_level, total=total)

    def _of(self, call: str, names: list[str]) -> ScoreCounts:
        """Counts by some of the groups."""
        counted = self._counted
        if names == self.by:
            return counted
        code, groups, order = row_groups(call, counted.groups, names, 1)
        table = np.zeros((len(groups), _table(counted).shape[1]), dtype=np.int64)
        np.add.at(table, code if names else np.zeros(len(counted.groups), np.int64), _table(counted))
        return _tidy(call, groups, table, order)

    def _rows(self) -> pl.DataFrame:
        """A row an answer, as the verb would read them; counts are whole, so their sums have no order."""
        counts = self.to_frame()
        return counts.drop("n")[np.repeat(np.arange(len(counts)), counts["n"].to_numpy())]

    # ---------------------------------------------------------------- in and out

    def to_frame(self) -> pl.DataFrame:
        """Counts as ``from_counts`` takes them: by …, cluster …, ``level``, ``n``; level null: left out."""
        table = _table(self._counted)
        low, high = self.scale
        group, at = np.nonzero(table)
        level = pl.Series("level", [*range(low, high + 1), None], dtype=pl.Int64)
        columns = [level.gather(at), pl.Series("n", table[group, at], dtype=pl.Int64)]
        return pl.DataFrame([*self._counted.groups[group], *columns])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a Parquet file, in one step: a process that is killed leaves the file of before.

        What cannot be written is an ``InvalidDataError``.
        """
        about = {
            "version": _VERSION, "scale": list(self.scale), "by": self.by, "cluster": list(self.cluster),
            "stratum": list(self.stratum),
        }  # fmt: skip
        _files.write_parquet("ScoreState.save", path, self.to_frame(), {_KEY: about})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> ScoreState:
        """Read what :meth:`save` wrote; another file, or none, is an ``InvalidDataError``."""
        call = "ScoreState.load"
        about, rows = _files.read_parquet(call, path, _KEY, _VERSION, "ScoreState.save")
        low, high = about["scale"]
        cluster, stratum = (about.get(role) or None for role in ("cluster", "stratum"))
        return cls.from_counts(rows, by=about["by"], scale=(low, high), cluster=cluster, stratum=stratum)


# ---------------------------------------------------------------- counts


#: names that a state gives columns of its own; those of a score are asked when it answers
_TAKEN = ("level", "n")


def _design_keys(call: str, design: DesignRoles, names: list[str], parts: list[Any]) -> list[str]:
    """Columns of cluster and stratum that a state keeps beside its groups: each once, whatever names it."""
    found: list[str] = []
    for role, columns in (("cluster", design.cluster), ("stratum", design.stratum)):
        for column in columns:
            name = _options.column_name(call, role, column)
            if name in _TAKEN:
                problem = "a state has a column of that name."
                raise errors.bad_option(call, role, name, problem, "rename the column.")
            if name in names:
                if not isinstance(parts[names.index(name)], str):
                    problem = "by= makes a column of that name."
                    raise errors.bad_option(call, role, name, problem, "give the expression an alias().")
            elif name not in found:
                found.append(name)
    return found


def _check_keys(call: str, house: pl.DataFrame, design: DesignRoles) -> None:
    for role, names in (("cluster", design.cluster), ("stratum", design.stratum)):
        for name in names:
            key_column(call, role, house[_options.column_name(call, role, name)])


def _read(call: str, frame: Any, roles: dict[str, Any]) -> pl.DataFrame:
    engine, opened = open_frame(call, frame)
    check_roles(call, engine.columns(opened), roles)
    return engine.read(call, opened, needed(*roles.values()))


def _table(counted: ScoreCounts) -> Int64:
    """Answers at each level and, last, rows without one, int64[n_groups, n_levels + 1]."""
    return np.column_stack([counted.counts, counted.n_null])


def _tidy(call: str, groups: pl.DataFrame, table: Int64, order: Int64 | None) -> ScoreCounts:
    """Sorted, without groups that have no row, and never below zero."""
    if order is not None:
        groups, table = groups[order], table[order]
    if (below := np.argwhere(table < 0)).size:
        name = dict(groups.row(int(below[0][0]), named=True)) if groups.width else "all"
        raise errors.counts_below_zero(call, len(below), name)
    if len(table) and (most := int(table.sum(axis=1).max())) > _MOST_ANSWERS:
        problem = f"a group has at most {_MOST_ANSWERS:,} answers, and one has {most:,}."
        raise errors.bad_data(call, "n", "n", problem, "check where they come from.")
    if groups.width:
        some = table.any(axis=1)
        groups, table = groups.filter(pl.Series(some)), table[some]
    return ScoreCounts(groups, np.ascontiguousarray(table[:, :-1]), table[:, -1].copy())


def _whole(call: str, column: pl.Series) -> Int64:
    """Counts as int64: whole numbers of any type, none below zero, none missing."""
    if not column.dtype.is_numeric():
        hint = "such as the count(*) of a GROUP BY."
        raise errors.wrong_dtype(call, "n", column.name, column.dtype, "takes whole numbers", hint)
    cast = column.cast(pl.Int64, strict=False)
    bad = (
        cast.is_null()
        | (cast < 0)
        | (cast > _MOST_ANSWERS)
        | (cast.cast(pl.Float64) != column.cast(pl.Float64))
    )
    if n_bad := int(bad.fill_null(value=True).sum()):
        row = int(bad.fill_null(value=True).arg_max() or 0)
        problem = (
            f"{n_bad:,} of {len(column):,} counts are no whole numbers from 0 to {_MOST_ANSWERS:,}; "
            f"first is {column[row]!r}, row {row:,}."
        )
        raise errors.bad_data(call, "n", column.name, problem, "check where they come from.")
    return cast.to_numpy().astype(np.int64)
