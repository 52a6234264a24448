"""``FROM cx.scores('answers', …)`` and ``FROM cx.compare('answers', …)``: the verbs under a design, in SQL.

The database counts rows that are alike (the same group, cluster, stratum and answer; with weights every row
stays, in its order), and one Python call a query hands those cells to the verb itself. So every number is the
verb's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import polars as pl

from cxcore import _options, comparison, errors, scores
from cxcore._design_columns import design_roles
from cxcore._score_rows import design_columns, result_columns
from cxcore._score_weights import Score
from cxcore._sql import base
from cxcore._sql.base import Macro, Udf
from cxcore.designs import design_method_for
from cxcore.metrics import score_for

#: what a cell is, in the order of the functions behind the queries
_LISTS = {
    "segment": "BIGINT[]", "name": "VARCHAR[]", "cluster": "VARCHAR[]", "stratum": "BIGINT[]",
    "answer": "DOUBLE[]", "weight": "DOUBLE[]", "n": "BIGINT[]",
}  # fmt: skip
#: names of ours in the house frame; what a user named stands under that name
_SEGMENT, _GROUP = "__cx_segment", "__cx_group"
Names = list[str | None] | None

# ---------------------------------------------------------------- SQL, written while DuckDB binds the query


def scores_sql(
    table: str | None,
    score: str | None,
    metric: str | None,
    scale: list[float] | None,
    by: Names,
    cluster: Names,
    weight: str | None,
    stratum: Names,
    method: str | None,
    level: float | None,
) -> str:
    """The query behind ``cx.scores``: one row a group, with the columns of the verb."""
    call = "scores"
    base.required(call, {"tbl": table, "score_col": score})
    assert table is not None
    assert score is not None
    what = score_for(call, metric, _scale(scale))
    segments, clusters, strata = _names(by), _names(cluster), _names(stratum)
    design = design_roles(call, clusters or None, weight, strata or None, None)
    columns = design_columns(what) if design else result_columns(what)
    _options.groups(call, segments, columns)
    confidence_level = _options.level(call, "level", level)
    if design:
        design_method_for(call, method, design)
    else:
        scores.plain_method_for(call, method)
    about = {
        "score": score, "metric": metric, "scale": _scale(scale), "by": bool(segments),
        "cluster": clusters, "weight": [weight] if weight else [], "stratum": strata, "method": method,
        "level": confidence_level,
    }  # fmt: skip
    cells = _cells(call, table, score, segments, clusters, strata, weight, None)
    return _answer(cells, "__cx_score_rows", about, segments, list(columns), group=False)


def compare_sql(
    table: str | None,
    score: str | None,
    group: str | None,
    control: str | None,
    metric: str | None,
    scale: list[float] | None,
    by: Names,
    cluster: Names,
    weight: str | None,
    stratum: Names,
    method: str | None,
    level: float | None,
    adjust: str | None,
) -> str:
    """The query behind ``cx.compare``: one row a segment and group, with the columns of the verb."""
    call = "compare"
    base.required(call, {"tbl": table, "score_col": score, "group_col": group, "control": control})
    assert table is not None
    assert score is not None
    assert group is not None
    segments, clusters, strata = _names(by), _names(cluster), _names(stratum)
    about = {
        "score": score, "control": control, "metric": metric, "scale": _scale(scale), "by": bool(segments),
        "cluster": clusters, "weight": [weight] if weight else [], "stratum": strata, "method": method,
        "level": _options.level(call, "level", level), "adjust": adjust,
    }  # fmt: skip
    design = design_roles(call, clusters or None, weight, strata or None, None)
    measures = list(comparison.measures(adjust))
    _options.groups(call, segments, ["group", "control", *measures])
    comparison.checked(call, metric, _scale(scale), method, adjust, design)
    cells = _cells(call, table, score, segments, clusters, strata, weight, group)
    return _answer(cells, "__cx_compare_rows", about, segments, measures, group=True)


def _scale(scale: list[float] | None) -> Any:
    """Whole numbers as such: SQL hands over DOUBLE."""
    if scale is None:
        return None
    return tuple(int(end) if end is not None and float(end).is_integer() else end for end in scale)


def _names(names: Names) -> list[str]:
    """Columns of a role: one name, which comes as a list of it, or several."""
    return [name for name in names or [] if name is not None]


def _cells(
    call: str,
    table: str,
    score: str,
    segments: list[str],
    clusters: list[str],
    strata: list[str],
    weight: str | None,
    group: str | None,
) -> str:
    """Codes of segments and strata, in the order of their names, and clusters; rows alike are counted."""
    kept = [f"{base.identifier(name)} AS s{at}" for at, name in enumerate(segments)]
    if group is not None:
        kept.append(f"{base.identifier(group)} AS label")
    alike = "" if weight is None else ", place"
    return f"""
__cx_coded AS MATERIALIZED (
  SELECT {base.number(call, "score_col", score)} AS answer, {_code(segments, null_is_one=True)} AS segment,
         {_text(clusters)} AS cluster, {_code(strata)} AS stratum,
         {"NULL::DOUBLE" if weight is None else base.number(call, "weight_col", weight)} AS weight,
         {"NULL" if group is None else base.identifier(group)}::VARCHAR AS name, place
         {"".join(f", {one}" for one in kept)}
  FROM (SELECT *, row_number() OVER () AS place FROM query_table({base.literal(table)}))
),
__cx_cells AS (
  SELECT segment, name, cluster, stratum, answer, weight, min(place) AS place, count(*) AS n
  FROM __cx_coded GROUP BY segment, name, cluster, stratum, answer, weight{alike}
)"""


def _code(names: list[str], *, null_is_one: bool = False) -> str:
    """Numbers of the distinct values, ascending; no number where one of them is NULL, unless that is one."""
    if not names:
        return "1::BIGINT"
    columns = [base.identifier(name) for name in names]
    rank = f"dense_rank() OVER (ORDER BY {', '.join(f'{one} ASC NULLS LAST' for one in columns)})"
    if null_is_one:
        return rank
    known = " AND ".join(f"{one} IS NOT NULL" for one in columns)
    return f"CASE WHEN {known} THEN {rank} END"


def _text(names: list[str]) -> str:
    """The name of a cluster as text, each part behind its length; none where one of them is NULL."""
    columns = [f"{base.identifier(name)}::VARCHAR" for name in names]
    if len(columns) < 2:
        return columns[0] if columns else "NULL::VARCHAR"
    return " || ".join(f"len({one}) || ':' || {one}" for one in columns)


def _answer(
    cells: str, udf: str, about: dict[str, Any], segments: list[str], columns: list[str], *, group: bool
) -> str:
    used = {"answer", "n", *(role for role in ("cluster", "stratum", "weight") if about.get(role))}
    used |= ({"segment"} if segments else set()) | ({"name"} if group else set())
    cell = ", ".join(f"{one} := {one}" for one in _LISTS if one in used)
    lists = ", ".join(f"[c.{one} FOR c IN cells]" if one in used else "NULL" for one in _LISTS)
    wanted = [f"g.s{at} AS {base.identifier(name)}" for at, name in enumerate(segments)]
    joins = ""
    if segments:
        first = ", ".join(f"first(s{at}) AS s{at}" for at in range(len(segments)))
        joins += f" JOIN (SELECT segment, {first} FROM __cx_coded GROUP BY segment) g USING (segment)"
    order = ["segment ASC"]
    if group:
        labels = "(SELECT name, first(label) AS label FROM __cx_coded GROUP BY name)"
        joins += f" JOIN {labels} a ON a.name IS NOT DISTINCT FROM r.group_name"
        joins += f" JOIN {labels} b ON b.name = r.control_name"
        wanted += ['a.label AS "group"', "b.label AS control"]
        order.append("a.label ASC NULLS LAST")
    wanted += [f"r.{base.identifier(name)}" for name in columns]
    return f"""
WITH {cells},
__cx_rows AS (
  SELECT unnest({udf}({base.literal(json.dumps(about))}, {lists}), max_depth := 2)
  FROM (SELECT list(struct_pack({cell}) ORDER BY place) AS cells FROM __cx_cells)
)
SELECT {", ".join(wanted)} FROM __cx_rows r{joins} ORDER BY {", ".join(order)}"""


# ---------------------------------------------------------------- one call a query

# DuckDB counts the parameters of a function, so both name each list of the cells.


def _house(about: dict[str, Any], *columns: list[Any] | None) -> pl.DataFrame:
    """The cells as rows again: what is alike, as often as it was. A column that nobody asked for is null."""
    *others, n = columns
    many, roles = np.array(n or [], dtype=np.int64), _columns(about)
    kinds = {
        _SEGMENT: pl.Int64, _GROUP: pl.String, roles["cluster"]: pl.String, roles["stratum"]: pl.Int64,
        about["score"]: pl.Float64, roles["weight"]: pl.Float64,
    }  # fmt: skip
    house = pl.DataFrame(
        [
            pl.Series(name, column if column else [None] * len(many), dtype=kind)
            for (name, kind), column in zip(kinds.items(), others, strict=True)
        ]
    )
    return house if (many == 1).all() else house[np.repeat(np.arange(len(house)), many)]


def _columns(about: dict[str, Any]) -> dict[str, str]:
    """Columns of the house frame by role: under the user's names, where no other has that name."""
    found, taken = {}, {about["score"]}
    for role in ("cluster", "stratum", "weight"):
        name = ", ".join(about.get(role, []))
        found[role] = name if name and name not in taken else f"__cx_{role}"
        taken.add(found[role])
    return found


def _roles(about: dict[str, Any]) -> dict[str, Any]:
    return {role: name for role, name in _columns(about).items() if about.get(role)}


def _what(call: str, about: dict[str, Any]) -> Score:
    return score_for(call, about["metric"], about["scale"] and tuple(about["scale"]))


#: what a call gives for each row; what the question does not have is NULL
_SCORE_ROW = {
    **dict.fromkeys(("segment", "promoters", "passives", "detractors", "n", "n_null"), "BIGINT"),
    "n_effective": "DOUBLE",
    "n_cluster": "BIGINT",
    **dict.fromkeys(("estimate", "low", "high", "standard_error", "design_effect"), "DOUBLE"),
    **dict.fromkeys(("method", "flags"), "VARCHAR"),
}
_NUMBERS = ("estimate", "estimate_control", "difference", "low", "high", "p_value", "p_adjusted")
_COMPARE_ROW = {
    "segment": "BIGINT",
    "group_name": "VARCHAR",
    "control_name": "VARCHAR",
    **dict.fromkeys(("n", "n_control"), "BIGINT"),
    **dict.fromkeys(_NUMBERS, "DOUBLE"),
    **dict.fromkeys(("method", "flags"), "VARCHAR"),
}


def _rows(found: pl.DataFrame, row: dict[str, str], **names: str) -> list[dict[str, Any]]:
    """The answer as rows of that struct, under our names."""
    named = found.rename({old: new for old, new in names.items() if old in found.columns})
    return [{name: each.get(name) for name in row} for each in named.to_dicts()]


def _struct(row: dict[str, str]) -> str:
    return f"STRUCT({', '.join(f'{name} {kind}' for name, kind in row.items())})[]"


@contextmanager
def _rows_unnamed() -> Iterator[None]:
    """Errors name no row: the cells do not lie as the table does."""
    try:
        yield
    except errors.InvalidDataError as error:
        raise errors.InvalidDataError(re.sub(r"(, row|; the first is row) [\d,]+", "", str(error))) from None


def score_rows(
    options: str,
    segment: list[int] | None,
    name: list[str | None] | None,
    cluster: list[str | None] | None,
    stratum: list[int | None] | None,
    answer: list[float | None] | None,
    weight: list[float | None] | None,
    n: list[int] | None,
) -> list[dict[str, Any]]:
    """Scores of all groups out of the cells of the query."""
    call, about = "scores", json.loads(options)
    house = _house(about, segment, name, cluster, stratum, answer, weight, n)
    roles = {"cluster": None, "weight": None, "stratum": None, **_roles(about)}
    with _rows_unnamed():
        found: pl.DataFrame = scores.summary(
            call, house, _what(call, about), about["score"], _SEGMENT if about["by"] else None, None,
            about["method"], about["level"], False, design_roles(call, **roles, population=None),
        )  # fmt: skip
    return _rows(found, _SCORE_ROW, **{_SEGMENT: "segment"})


def compare_rows(
    options: str,
    segment: list[int] | None,
    name: list[str | None] | None,
    cluster: list[str | None] | None,
    stratum: list[int | None] | None,
    answer: list[float | None] | None,
    weight: list[float | None] | None,
    n: list[int] | None,
) -> list[dict[str, Any]]:
    """Differences of all segments out of the cells of the query."""
    about = json.loads(options)
    house = _house(about, segment, name, cluster, stratum, answer, weight, n)
    with _rows_unnamed():
        found: pl.DataFrame = comparison.compare(
            house,
            score=about["score"],
            group=_GROUP,
            control=about["control"],
            metric=about["metric"],
            scale=about["scale"] and tuple(about["scale"]),
            by=_SEGMENT if about["by"] else None,
            method=about["method"],
            confidence_level=about["level"],
            adjust=about["adjust"],
            **_roles(about),
        )
    return _rows(found, _COMPARE_ROW, group="group_name", control="control_name", **{_SEGMENT: "segment"})


def _list_of(argument: str) -> str:
    """One name or a list of them, as VARCHAR[]: a name is taken as it is, whatever stands in it."""
    many = f"try_cast({argument} AS VARCHAR[])"
    return f"CASE WHEN typeof({argument}) LIKE '%[]' THEN {many} ELSE [{argument}::VARCHAR] END"


_METRIC = "metric::VARCHAR, try_cast(scale AS DOUBLE[])"
_DESIGN = f"{_list_of('by_col')}, {_list_of('cluster_col')}, weight_col::VARCHAR"
MACROS = (
    Macro(
        "scores",
        "tbl, score_col := NULL, metric := 'nps', scale := NULL, by_col := NULL, cluster_col := NULL, "
        "weight_col := NULL, stratum_col := NULL, method := 'bootstrap', level := 0.95",
        f"TABLE SELECT * FROM query(__cx_scores_sql(tbl::VARCHAR, score_col::VARCHAR, {_METRIC}, {_DESIGN}, "
        f"{_list_of('stratum_col')}, method::VARCHAR, level::DOUBLE))",
        "one row per group: the score under clusters, weights and strata, with its interval",
    ),
    Macro(
        "compare",
        "tbl, score_col := NULL, group_col := NULL, control := NULL, metric := 'nps', scale := NULL, "
        "by_col := NULL, cluster_col := NULL, weight_col := NULL, stratum_col := NULL, method := NULL, "
        "level := 0.95, adjust := NULL",
        "TABLE SELECT * FROM query(__cx_compare_sql(tbl::VARCHAR, score_col::VARCHAR, group_col::VARCHAR, "
        f"control::VARCHAR, {_METRIC}, {_DESIGN}, {_list_of('stratum_col')}, method::VARCHAR, "
        "level::DOUBLE, adjust::VARCHAR))",
        "one row per segment and group: its score less that of the control, with interval and p-value",
    ),
)
_NAMES = "VARCHAR[]"
UDFS = (
    Udf(
        "__cx_scores_sql",
        scores_sql,
        ("VARCHAR", "VARCHAR", "VARCHAR", "DOUBLE[]", _NAMES, _NAMES, "VARCHAR", _NAMES, "VARCHAR", "DOUBLE"),
        "VARCHAR",
    ),
    Udf(
        "__cx_compare_sql",
        compare_sql,
        (*["VARCHAR"] * 5, "DOUBLE[]", _NAMES, _NAMES, "VARCHAR", _NAMES, "VARCHAR", "DOUBLE", "VARCHAR"),
        "VARCHAR",
    ),
    Udf("__cx_score_rows", score_rows, ("VARCHAR", *_LISTS.values()), _struct(_SCORE_ROW)),
    Udf("__cx_compare_rows", compare_rows, ("VARCHAR", *_LISTS.values()), _struct(_COMPARE_ROW)),
    base.REFUSE_NUMBER,
)
