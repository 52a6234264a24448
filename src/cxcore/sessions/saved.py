"""A stream of sessions on disk: one Parquet file with the kept rows, and the options in its metadata."""

from __future__ import annotations

import io
import json
import os
from typing import Any

import polars as pl

from cxcore import _files, errors
from cxcore._ext.native import UserTable
from cxcore.sessions.kept import Plan
from cxcore.sessions.records import frames_of

#: changes when a file of before can no longer be read
VERSION = 2
#: rows of closed and of open sessions, watermark
State = tuple[pl.DataFrame, pl.DataFrame, int | None]
_KEY = "cxcore.session_stream"


def save(call: str, path: str | os.PathLike[str], plan: Plan, users: UserTable | None) -> None:
    """Write beside the file, make sure that it is on the disk, then take its place in one step."""
    watermark = None if users is None else users.kept.watermark
    about = {"version": VERSION, "watermark": watermark, "options": _options_of(call, plan)}
    rows = pl.DataFrame()
    if users is not None:
        closed, still_open = frames_of(users, plan)
        rows = pl.concat([closed.with_columns(is_closed=True), still_open.with_columns(is_closed=False)])
    _files.write_parquet(call, path, rows, {_KEY: about})


def load(call: str, path: str | os.PathLike[str]) -> tuple[dict[str, Any], State | None]:
    """Options for the stream, and what it kept; without the keys, which are numbers of one process."""
    about, rows = _files.read_parquet(call, path, _KEY, VERSION, "SessionStream.save")
    options = {name: _value(call, path, value) for name, value in about["options"].items()}
    if not rows.width:
        return options, None
    closed, still_open = (rows.filter(flag).drop("is_closed") for flag in ("is_closed", ~pl.col("is_closed")))
    return options, (closed, still_open, about["watermark"])


# ---------------------------------------------------------------- options


def _options_of(call: str, plan: Plan) -> dict[str, Any]:
    """Arguments that make the same stream again, as JSON knows them."""
    roles, rules, measures = plan.roles, plan.rules, plan.measures
    options: dict[str, Any] = {
        "user": list(roles.user),
        "time": roles.time,
        "order": roles.order,
        "time_unit": roles.time_unit,
        "null_user": roles.null_user,
        "null_time": roles.null_time,
        "gap": rules.gap,
        "gap_closed": rules.closed,
        "max_duration": rules.max_duration,
        "max_events": rules.max_events,
        "calendar": rules.calendar,
        "time_zone": rules.time_zone,
        "start_on": rules.start_on,
        "end_on": rules.end_on,
        "split_on": list(rules.split_on) or None,
        "split_null": rules.split_null if rules.split_on else None,
        "keep_alive": rules.keep_alive,
        "long_after": rules.long_after,
        "allowed_lateness": plan.lateness,
        "forget": plan.forget,
        **{how: list(names) for how, names in measures.roles.items()},
    }
    lengths = ("gap", "max_duration", "long_after", "allowed_lateness", "forget")
    for name, value in options.items():
        if name in lengths and isinstance(value, int):
            options[name] = f"{value}ns"
        elif isinstance(value, pl.Expr):
            options[name] = _written(call, name, value)
        elif isinstance(value, list):
            options[name] = [_written(call, name, one) if isinstance(one, pl.Expr) else one for one in value]
    return {name: value for name, value in options.items() if value is not None}


def _written(call: str, option: str, expression: pl.Expr) -> dict[str, str]:
    try:
        text = expression.meta.serialize(format="json")
    except pl.exceptions.PolarsError:
        text = ""
    if not text or _calls_python(json.loads(text)):
        hint = "make it a column of the batch, and name that."
        raise errors.bad_option(call, option, str(expression), "cannot be written to a file.", hint)
    return {"expression": text}


def _calls_python(tree: Any) -> bool:
    """Does it hold a pickled function? With cloudpickle Polars writes one, and reading it runs it."""
    if isinstance(tree, dict):
        return any(name == "AnonymousFunction" or _calls_python(part) for name, part in tree.items())
    return isinstance(tree, list) and any(map(_calls_python, tree))


def _value(call: str, path: str | os.PathLike[str], value: Any) -> Any:
    if isinstance(value, list):
        return [_value(call, path, one) for one in value]
    if isinstance(value, dict):
        if _calls_python(json.loads(value["expression"])):
            problem = "holds a Python function, which would run."
            raise errors.bad_file(call, path, problem, "SessionStream.save writes none.")
        return pl.Expr.deserialize(io.StringIO(value["expression"]), format="json")
    return value
