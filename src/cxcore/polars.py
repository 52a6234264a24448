"""The ``cx`` namespaces of Polars: ``df.cx``, ``lf.cx`` and ``pl.col("score").cx``.

Importing this module registers them, and ``import cxcore`` imports it (docs/adr/0010). On frames they are
the verbs with the frame in front. On expressions scores are aggregates: Polars counts the answers of every
group natively, then one call of cxcore's kernel works on the counts of all groups, so they cost little in
``select``, ``group_by(…).agg(…)`` and ``over``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import numpy as np
import polars as pl

from cxcore import _options, errors
from cxcore._index import index
from cxcore._polars_plugin import sessions_expr
from cxcore._score_weights import NPS, Kind, Score, scale_score
from cxcore.attribution import attribute, attribute_paths, paths
from cxcore.comparison import compare
from cxcore.identity import stitch
from cxcore.intervals import Method, MethodName, intervals_of, method_for, sample_of
from cxcore.scores import ces, csat, mean_score, nps
from cxcore.sessions import sessionize, sessions
from cxcore.sessions.rules import GAP

__all__ = ["ExprNamespace", "FrameNamespace", "LazyNamespace"]

FrameT = TypeVar("FrameT", pl.DataFrame, pl.LazyFrame)

#: what a column of intervals holds, one struct a group
INTERVAL = pl.Struct(
    {
        **dict.fromkeys(("estimate", "low", "high", "standard_error"), pl.Float64()),
        "n": pl.Int64(),
        "method": pl.String(),
        "flags": pl.String(),
    }
)


# ---------------------------------------------------------------- frames


class _Verbs(Generic[FrameT]):
    """The verbs, with the frame in front; arguments are those of the verb."""

    def __init__(self, frame: FrameT) -> None:
        self._frame: FrameT = frame

    def sessionize(self, **arguments: Any) -> FrameT:
        """See :func:`cxcore.sessionize`."""
        return self._frame_of(sessionize, arguments)

    def sessions(self, **arguments: Any) -> FrameT:
        """See :func:`cxcore.sessions`."""
        return self._frame_of(sessions, arguments)

    def stitch(self, **arguments: Any) -> FrameT:
        """See :func:`cxcore.stitch`."""
        return self._frame_of(stitch, arguments)

    def index(self, **arguments: Any) -> Any:
        """See :func:`cxcore.index`."""
        return index(self._frame, **arguments)

    def attribute(self, **arguments: Any) -> FrameT:
        """See :func:`cxcore.attribute`."""
        return self._frame_of(attribute, arguments)

    def paths(self, **arguments: Any) -> FrameT:
        """See :func:`cxcore.paths`."""
        return self._frame_of(paths, arguments)

    def attribute_paths(self, **arguments: Any) -> FrameT:
        """See :func:`cxcore.attribute_paths`."""
        return self._frame_of(attribute_paths, arguments)

    def nps(self, **arguments: Any) -> FrameT:
        """See :func:`cxcore.nps`."""
        return self._frame_of(nps, arguments)

    def csat(self, **arguments: Any) -> FrameT:
        """See :func:`cxcore.csat`."""
        return self._frame_of(csat, arguments)

    def ces(self, **arguments: Any) -> FrameT:
        """See :func:`cxcore.ces`."""
        return self._frame_of(ces, arguments)

    def mean_score(self, **arguments: Any) -> FrameT:
        """See :func:`cxcore.mean_score`."""
        return self._frame_of(mean_score, arguments)

    def compare(self, **arguments: Any) -> FrameT:
        """See :func:`cxcore.compare`."""
        return self._frame_of(compare, arguments)

    def _frame_of(self, verb: Callable[..., Any], arguments: dict[str, Any]) -> FrameT:
        result: FrameT = verb(self._frame, **arguments)
        return result


class FrameNamespace(_Verbs[pl.DataFrame]):
    """``df.cx``: the verbs of cxcore on a DataFrame."""


class LazyNamespace(_Verbs[pl.LazyFrame]):
    """``lf.cx``: the verbs of cxcore on a LazyFrame; work and errors about data wait for ``collect``."""


# ---------------------------------------------------------------- expressions


class ExprNamespace:
    """``pl.col("score").cx``: scores as aggregates of an expression of answers, sessions of one of times.

    Nulls are no answers; a group without one gives null. Answers off the scale raise when the query runs.
    Text cannot be compared with levels, which Polars says in its own words; cast it.

    Examples
    --------
    >>> import polars as pl, cxcore
    >>> answers = pl.DataFrame({"plan": ["pro", "pro", "free", "free"], "score": [10, 9, 8, 3]})
    >>> answers.group_by("plan", maintain_order=True).agg(pl.col("score").cx.nps()).rows()
    [('pro', 100.0), ('free', -50.0)]
    >>> log = pl.DataFrame({"who": ["a", "b", "a"], "hour": [0, 0, 1]})
    >>> time = pl.datetime(2026, 1, 5, pl.col("hour"))
    >>> log.select(time.cx.session_number(gap="30m").over("who")).to_series().to_list()
    [1, 1, 2]
    """

    def __init__(self, expr: pl.Expr) -> None:
        self._expr = expr

    def nps(self) -> pl.Expr:
        """Net Promoter Score of answers 0 to 10, in points from -100 to 100."""
        return _estimate(self._expr, "nps", NPS)

    def csat(self, *, scale: tuple[int, int] = (1, 5), kind: Kind = "top", top: int | None = None) -> pl.Expr:
        """Customer satisfaction: per cent of answers on the best levels; options as :func:`cxcore.csat`."""
        return _estimate(self._expr, "csat", scale_score("csat", scale, kind, top, default_top=2))

    def ces(self, *, scale: tuple[int, int] = (1, 7), kind: Kind = "mean", top: int | None = None) -> pl.Expr:
        """Customer effort score: the mean level; options as :func:`cxcore.ces`."""
        return _estimate(self._expr, "ces", scale_score("ces", scale, kind, top, default_top=3))

    def nps_ci(self, *, confidence_level: float = 0.95, method: MethodName | Method = "bootstrap") -> pl.Expr:
        """NPS with its interval, a struct of what :func:`cxcore.nps` gives for a group."""
        return _interval(self._expr, "nps_ci", NPS, confidence_level, method)

    def csat_ci(
        self,
        *,
        scale: tuple[int, int] = (1, 5),
        kind: Kind = "top",
        top: int | None = None,
        confidence_level: float = 0.95,
        method: MethodName | Method = "bootstrap",
    ) -> pl.Expr:
        """CSAT with its interval, a struct of what :func:`cxcore.csat` gives for a group."""
        what = scale_score("csat_ci", scale, kind, top, default_top=2)
        return _interval(self._expr, "csat_ci", what, confidence_level, method)

    def ces_ci(
        self,
        *,
        scale: tuple[int, int] = (1, 7),
        kind: Kind = "mean",
        top: int | None = None,
        confidence_level: float = 0.95,
        method: MethodName | Method = "bootstrap",
    ) -> pl.Expr:
        """CES with its interval, a struct of what :func:`cxcore.ces` gives for a group."""
        what = scale_score("ces_ci", scale, kind, top, default_top=3)
        return _interval(self._expr, "ces_ci", what, confidence_level, method)

    def session_number(self, *, gap: Any = GAP) -> pl.Expr:
        """The number of each event's session, 1, 2, 3 … in order of time, for the times of one user.

        Say whose with ``over("user")``, or aggregate: ``max()`` in ``group_by("user").agg(…)`` counts
        sessions. Rows may be in any order; a row without a time has none. Rule and ``gap`` as in
        :func:`cxcore.sessionize`, which is faster for a whole log.
        """
        return sessions_expr(self._expr, "session_number", gap)

    def session_start(self, *, gap: Any = GAP) -> pl.Expr:
        """When each event's session began, for the times of one user; as ``session_number``."""
        return sessions_expr(self._expr, "session_start", gap)


def _counts(answers: pl.Expr, what: Score) -> pl.Expr:
    """A struct of counts, by level of equal weight and, at its front, of answers that are no level."""
    low, high = what.scale
    is_level = answers.is_between(low, high) & (answers == answers.floor())
    # No alias on the first field: its name, and so the name of the result, is that of the answers.
    fields = [(~is_level).sum().cast(pl.Int64), answers.count().cast(pl.Int64).alias("__cx_n")]
    for weight in sorted(set(what.weights)):
        levels = [low + i for i, each in enumerate(what.weights) if each == weight]
        count = answers.is_between(levels[0], levels[-1]).sum()  # levels of one weight lie side by side
        fields.append(count.cast(pl.Int64).alias(f"__cx_{weight}"))
    return pl.struct(fields)


def _checked(call: str, counts: pl.Series, what: Score) -> pl.DataFrame:
    """The counts of all groups, if every answer is a level of the scale."""
    fields = counts.struct.unnest()
    n_bad = int(fields.to_series(0).sum())
    if n_bad:
        raise errors.answers_off_scale(call, n_bad, int(fields.to_series(1).sum()), what.scale)
    return fields[:, 2:]


def _estimate(answers: pl.Expr, call: str, what: Score) -> pl.Expr:
    weights = np.array(sorted(set(what.weights)), dtype=np.int64)

    def estimate(counts: pl.Series) -> pl.Series:
        by_weight = _checked(call, counts, what).to_numpy()
        with np.errstate(invalid="ignore"):  # 0 / 0 where a group has no answer
            mean = (by_weight @ weights) / by_weight.sum(axis=1)
        return pl.Series(counts.name, mean * what.factor, nan_to_null=True)

    return _counts(answers, what).map_batches(estimate, return_dtype=pl.Float64, is_elementwise=True)


def _interval(answers: pl.Expr, call: str, what: Score, confidence_level: Any, method: Any) -> pl.Expr:
    level = _options.level(call, "confidence_level", confidence_level)
    chosen = method_for(call, method)
    weights = tuple(sorted(set(what.weights)))

    def interval(counts: pl.Series) -> pl.Series:
        by_weight = _checked(call, counts, what).to_numpy()
        found = intervals_of(call, sample_of(by_weight, weights), level, chosen)
        names = ("estimate", "low", "high", "standard_error")
        fields = {
            name: pl.Series(getattr(found, name) * what.factor, nan_to_null=True, dtype=pl.Float64)
            for name in names
        }
        frame = pl.DataFrame({**fields, "n": found.n, "method": found.method, "flags": found.flags})
        answered = pl.when(pl.col("n") > 0).then(pl.struct([field.name for field in INTERVAL.fields]))
        return frame.select(answered.alias(counts.name)).to_series()

    # Elementwise over the counts, so that Polars calls it once for all groups, not once a group.
    return _counts(answers, what).map_batches(interval, return_dtype=INTERVAL, is_elementwise=True)


# ---------------------------------------------------------------- registration


def _register() -> None:
    for register, holder, namespace in (
        (pl.api.register_dataframe_namespace, pl.DataFrame, FrameNamespace),
        (pl.api.register_lazyframe_namespace, pl.LazyFrame, LazyNamespace),
        (pl.api.register_expr_namespace, pl.Expr, ExprNamespace),
    ):
        before = getattr(holder, "cx", None)
        if getattr(before, "__module__", None) == __name__:  # this module is reloaded: no word of warning
            delattr(holder, "cx")
        register("cx")(namespace)  # over another library's `cx` Polars warns


_register()
