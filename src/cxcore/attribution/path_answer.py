"""``attribute_paths``: the answer of ``attribute`` for who has paths and counts in the place of events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from cxcore import _options, errors
from cxcore._columns import check_roles, needed
from cxcore._path_columns import channel_type, check_separator, path_columns
from cxcore.attribution.asked import Asked, asked, models_of
from cxcore.attribution.base import Model
from cxcore.attribution.groups import Groups
from cxcore.attribution.journeys import check_channels
from cxcore.attribution.path_journeys import journeys_of_paths
from cxcore.attribution.transforms import Transform, apply_all, transforms_of, type_after
from cxcore.engines import open_frame

if TYPE_CHECKING:
    from cxcore.attribution import By, MethodWord, ModelWord, Transforms
    from cxcore.attribution.methods import ErrorMethod

_CALL = "attribute_paths"


def attribute_paths(
    paths: Any,
    *,
    path: str,
    conversions: str,
    value: str | None = None,
    nulls: str | None = None,
    separator: str | None = None,
    model: ModelWord | Model | Sequence[ModelWord | Model] = "last_touch",
    transform: Transforms = None,
    by: By = None,
    confidence_level: float | None = None,
    method: MethodWord | ErrorMethod = "analytic",
    compare: bool = False,
    spend: Any = None,
    n_threads: int | None = None,
) -> Any:
    """Which channels earned the conversions, out of a table of paths: credit per model and channel.

    One row is a path and how many journeys took it. The answer is that of :func:`cxcore.attribute` for the
    events that the paths came from (see :func:`cxcore.paths`). Rows of one path add up.

    Parameters
    ----------
    paths : frame
        A Polars DataFrame or LazyFrame, or any other frame an engine knows.
    path : str
        Column of the path, first touch first: lists (or arrays) of channels, each text, a category or a whole
        number; or text with a ``separator``. Null, an empty list and an empty text are a journey without a
        touch. A null in a list is refused.
    conversions : str
        Numeric column: how many journeys of this path converted; a fraction counts as it is, a null is 0.
    value : str, optional
        Numeric column: what these conversions were worth together, of either sign; a null is 0.
    nulls : str, optional
        Numeric column: how many journeys took the path and did not convert, for models of whole journeys
        ("markov", "shapley_rate", "counterfactual") and for intervals; a null is 0. None: there are none.
    separator : str, optional
        Exact text between two channels of a path that is text, such as " > ": nothing is stripped, so that
        "a > b" has the separator " > " and not ">". An empty piece is a channel with the empty name.
    model : str, Model, or a list of them, default "last_touch"
        As in :func:`cxcore.attribute`; models that ask when a touch was ("time_decay", "additive_hazard"),
        which row ("same_touch") or which stage ("w") need events.
    transform : str, Transform, or a list of them, optional
        What is done to each path before a model reads it, one after the other: words of
        :data:`cxcore.attribution.TRANSFORMS`, or objects such as ``transforms.LastN(n=4)``.
    by : str, expression, or list of both, default None
        Groups of rows, one answer each.
    confidence_level : float, optional
        How often intervals hold the long-run value, such as 0.95; None: no intervals.
    method : {"analytic", "bootstrap"} or object, default "analytic"
        How intervals are made; objects carry options, such as ``Bootstrap(replicates=2_000, rng=1)``.
    compare : bool, default False
        Differences in the place of credit, with a ``confidence_level``.
    spend : frame, optional
        What channels cost: columns ``channel`` and ``cost``, and those of ``by``.
    n_threads : int, optional
        None: as many as Polars uses. The answer is the same bits for any.

    Returns
    -------
    frame
        In the flavor that came in, with the columns and the order of :func:`cxcore.attribute`. Every channel
        of the table has a row, also where nobody took its path.

    Raises
    ------
    ColumnNotFoundError, InvalidOptionError, InvalidDataError, UnsupportedFrameError

    Notes
    -----
    O(touches of the rows) to read, whatever the counts; text is cut in the same pass in which its channels
    are looked up. Intervals take each journey for a customer of its own, and the conversions of a row for
    equally worth: a table does not say who had several journeys, nor how values spread within a path, so
    that intervals are mostly narrower than those of the events. Rows that were not added up keep the spread.
    Another order of rows changes the last digits only.

    Examples
    --------
    >>> import polars as pl
    >>> from cxcore import attribute_paths
    >>> table = pl.DataFrame({"path": ["ads > mail", "mail"], "sales": [2, 1], "lost": [1, 3]})
    >>> answer = attribute_paths(
    ...     table, path="path", separator=" > ", conversions="sales", nulls="lost", model=["linear", "markov"]
    ... )
    >>> answer.select("model", "channel", pl.col("conversions").round(9)).rows()
    [('linear', 'ads', 1.0), ('linear', 'mail', 2.0), ('markov', 'ads', 0.9), ('markov', 'mail', 2.1)]
    """
    roles = {"path": path, "conversions": conversions, "value": value, "nulls": nulls}
    for role, name in roles.items():
        if name is not None or role in ("path", "conversions"):
            _options.column_name(_CALL, role, name)
    separator = check_separator(_CALL, separator)
    models = models_of(_CALL, model)
    _check_models(models)
    transforms = transforms_of(_CALL, transform)
    by = _options.parts(by) or None
    asks = asked(_CALL, models, value is not None, confidence_level, method, compare, by, spend)
    threads = _options.n_threads(_CALL, n_threads)
    engine, frame = open_frame(_CALL, paths)
    check_roles(_CALL, engine.columns(frame), {**roles, "by": by})

    def compute(house: pl.DataFrame) -> pl.DataFrame:
        return _answer(house, roles, separator, asks, transforms, by, threads)

    def schema(before: pl.Schema) -> pl.Schema:
        kind = type_after(channel_type(_CALL, path, before[path], separator), transforms)
        return asks.schema_after(kind, by, before)

    return engine.summary(_CALL, frame, needed(*roles.values(), by), compute, schema)


def _check_models(models: Sequence[Model]) -> None:
    """Paths have no times, no rows and no stages."""
    for model in models:
        for reads, what in (
            (model.reads_times, "when touches were"),
            (model.reads_rows, "which row a touch was"),
            (model.reads_stage, "which touch reached the stage"),
        ):
            if reads:
                problem = f"it asks {what}, which paths do not say."
                raise errors.bad_option(
                    _CALL, "model", model.label, problem, "pass the events to attribute()."
                )


def _answer(
    house: pl.DataFrame,
    roles: dict[str, Any],
    separator: str | None,
    asks: Asked,
    transforms: Sequence[Transform],
    by: Any,
    n_threads: int,
) -> pl.DataFrame:
    columns = path_columns(_CALL, house, **roles, separator=separator, n_threads=n_threads)
    columns = columns.with_paths(apply_all(columns.paths, transforms))
    n_channels = len(columns.paths.names)
    check_channels(_CALL, roles["path"], n_channels, asks.models, "path")
    groups = None
    if by is not None:
        counts = columns.conversions > 0
        counts = counts if columns.nulls is None else counts | (columns.nulls > 0)
        groups = Groups.of(_CALL, house, by, pl.Series(counts), n_threads)
    journeys = journeys_of_paths(
        columns,
        nulls=asks.level is not None or any(model.learns_from_nulls for model in asks.models),
        draws=asks.level is not None and asks.method.draws,
        with_rows=by is not None,
        n_threads=n_threads,
    )
    return asks.answer(journeys, np.arange(n_channels), asks.everyone(journeys), groups)
