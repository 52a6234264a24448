"""Every exception, warning and message text of cxcore.

A text says the call and the argument, what is wrong with numbers, and how to go on. Texts live here and
nowhere else, so that they read alike and each is tested whole, once. Rows are counted from 0.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

__all__ = [
    "ColumnNotFoundError",
    "CxDeprecationWarning",
    "CxError",
    "DegenerateDataWarning",
    "InvalidDataError",
    "InvalidOptionError",
    "MissingDependencyError",
    "UnsupportedFrameError",
]


class CxError(Exception):
    """Base of every error that cxcore raises on purpose."""

    def __str__(self) -> str:  # KeyError would print the escaped repr of the text
        return str(self.args[0]) if self.args else ""


class ColumnNotFoundError(CxError, KeyError):
    """A role names a column that the frame does not have."""


class InvalidOptionError(CxError, ValueError):
    """An option has a value that it cannot take."""


class InvalidDataError(CxError, ValueError):
    """A column holds data that the verb cannot answer for."""


class UnsupportedFrameError(CxError, TypeError):
    """No engine knows the kind of frame."""


class MissingDependencyError(CxError, ImportError):
    """An optional package is needed and not installed."""


class DegenerateDataWarning(UserWarning):
    """The answer holds, but the data support it badly."""


class CxDeprecationWarning(DeprecationWarning):
    """A name or an option of cxcore will go away."""


# ---------------------------------------------------------------- the form of a text


def _text(call: str, arguments: Mapping[str, object] | None, problem: str, hint: str, *lines: str) -> str:
    inside = ", ".join(
        f"{name}={_shown(value, 4_096 if name == 'path' else 60)}"
        for name, value in (arguments or {}).items()
    )
    rows = [f"{call}({inside}): {problem}", *(f"  {line}" for line in lines)]
    if hint:
        rows.append(f"  Hint: {hint}")
    return "\n".join(rows)


def _shown(value: object, most: int = 60) -> str:
    text = " ".join(repr(value).split())  # a Series given for a name must not print its rows
    return text if len(text) <= most else f"{text[:most]}…"


def _names(names: Iterable[str], most: int = 20) -> str:
    names = list(names)
    shown = ", ".join(repr(name) for name in names[:most])
    return shown + (f", … ({len(names) - most:,} more)" if len(names) > most else "")


# ---------------------------------------------------------------- frames and columns


def columns_not_found(call: str, missing: Mapping[str, str], columns: Sequence[str]) -> ColumnNotFoundError:
    """All roles of one call that name no column: ``{role: name}``."""
    folded = {column.casefold(): column for column in reversed(columns)}  # else 'ID' is far from 'id'
    asked = [str(name).casefold() for name in missing.values()]
    close = [folded[match[0]] for name in asked if (match := difflib.get_close_matches(name, folded, n=1))]
    problem = "no such column." if len(missing) == 1 else "no such columns."
    hint = f"did you mean {_names(dict.fromkeys(close))}?" if close else "roles take the names of columns."
    return ColumnNotFoundError(_text(call, missing, problem, hint, f"Columns: {_names(columns)}"))


def column_exists(call: str, names: Sequence[str]) -> InvalidDataError:
    what = "a column" if len(names) == 1 else "columns"
    return InvalidDataError(
        _text(call, None, f"the frame has {what} {_names(names)} already.", "drop or rename it first.")
    )


def duplicate_columns(call: str, names: Sequence[str]) -> InvalidDataError:
    return InvalidDataError(
        _text(call, None, f"the frame has several columns named {_names(names)}.", "rename them first.")
    )


def wrong_dtype(call: str, role: str, column: str, dtype: object, wants: str, hint: str) -> InvalidDataError:
    return InvalidDataError(_text(call, {role: column}, f"{wants}, but the column is {dtype}.", hint))


def nulls(call: str, role: str, column: str, n_bad: int, n: int, row: int, hint: str) -> InvalidDataError:
    problem = f"{n_bad:,} of {n:,} rows have no {role}; the first is row {row:,}."
    return bad_data(call, role, column, problem, hint)


def not_a_number(
    call: str, role: str, column: str, n_bad: int, n: int, value: Any, row: int
) -> InvalidDataError:
    problem = f"{n_bad:,} of {n:,} rows are not finite numbers; first is {value!r}, row {row:,}."
    return bad_data(call, role, column, problem, "replace or drop them; a null says 'none'.")


def negative_weight(call: str, column: str, n_bad: int, n: int, value: Any, row: int) -> InvalidDataError:
    verb = "weight is" if n_bad == 1 else "weights are"
    problem = f"{n_bad:,} {verb} negative, of {n:,} rows; first is {value}, row {row:,}."
    return bad_data(call, "weight", column, problem, "an answer that should not count weighs 0.")


def faint_weight(
    call: str, column: str, n_bad: int, n: int, value: Any, row: int, most: Any
) -> InvalidDataError:
    verb = "weight is" if n_bad == 1 else "weights are"
    problem = f"{n_bad:,} {verb} nothing beside {most}, of {n:,} rows; first is {value}, row {row:,}."
    return bad_data(call, "weight", column, problem, "give all weights in one unit.")


def two_strata(
    call: str, column: str, n_bad: int, n: int, value: Any = None, row: int | None = None
) -> InvalidDataError:
    verb = "lies" if n_bad == 1 else "lie"
    first = "" if row is None else f"; first is {value!r}, row {row:,}"
    problem = f"{n_bad:,} of {n:,} clusters {verb} in two strata{first}."
    hint = "if clusters of two strata share a name, say cluster=[stratum, cluster]."
    return bad_data(call, "cluster", column, problem, hint)


def out_of_scale(
    call: str, column: str, n_bad: int, n: int, scale: tuple[int, int], value: Any, row: int, ends: Any = None
) -> InvalidDataError:
    low, high = scale
    verb = "is" if n_bad == 1 else "are"
    hint = f"drop them, or name codes that mean 'no answer' with missing=[{value}]."
    if call != "nps" and ends is not None:  # least and most of the bad ones that a longer scale would have
        longer = (min(low, ends[0]), 10 if ends[1] > high else high)
        hint = f"say scale={longer} if the scale is longer; {hint}"
    problem = f"{n_bad:,} of {n:,} answers {verb} outside {low}..{high}; first is {value}, row {row:,}."
    return bad_data(call, "score", column, problem, hint)


def not_a_level(call: str, column: str, n_bad: int, n: int, value: Any, row: int) -> InvalidDataError:
    verb = "is not a whole number" if n_bad == 1 else "are not whole numbers"
    problem = f"{n_bad:,} of {n:,} answers {verb}; first is {value}, row {row:,}."
    hint = "an answer is a level of the scale; averages of answers cannot be counted."
    return bad_data(call, "score", column, problem, hint)


def too_many_rows(call: str, n: int) -> InvalidDataError:
    return InvalidDataError(
        _text(call, None, f"{n:,} rows; at most 2,147,483,647 fit in one call.", "split the log by user.")
    )


def unsupported_frame(call: str, frame: object, known: Iterable[str]) -> UnsupportedFrameError:
    kind = f"{type(frame).__module__}.{type(frame).__qualname__}".removeprefix("builtins.")
    return UnsupportedFrameError(
        _text(
            call,
            None,
            f"cannot read a {kind}.",
            "pass one of these, or anything that has __arrow_c_stream__.",
            f"Known: {', '.join(known)}",
        )
    )


def not_a_frame(call: str, what: str, hint: str) -> UnsupportedFrameError:
    """Something that stands for a frame, or for a state, elsewhere, but not here."""
    return UnsupportedFrameError(_text(call, None, f"cannot read {what}.", hint))


def unreadable_frame(call: str, engine: str, reason: str) -> UnsupportedFrameError:
    return UnsupportedFrameError(
        _text(call, None, f"the {engine} cannot be read: {reason}", "cast or drop that column.")
    )


def not_held(call: str, engine: str) -> UnsupportedFrameError:
    """A verb that wants all rows in one place, in an order that they keep."""
    problem = f"a {engine} lies in many places, and its rows are in no order."
    return UnsupportedFrameError(
        _text(call, None, problem, "bring it to this machine first: frame.toArrow().")
    )


def no_type(engine: str, column: str, dtype: object) -> UnsupportedFrameError:
    """A column of an answer that the engine cannot hold."""
    problem = f"a {engine} has no type for the column {column!r}, which is {dtype}."
    return UnsupportedFrameError(
        f"{problem}\n  Hint: cast what it is made of, such as times to microseconds."
    )


def closed_connection(call: str) -> UnsupportedFrameError:
    return UnsupportedFrameError(
        _text(
            call,
            None,
            "the relation's connection may not read Python objects, so it cannot take the answer.",
            "SET python_enable_replacements and enable_external_access, or pass pl.DataFrame(relation).",
        )
    )


# ---------------------------------------------------------------- options


def missing_argument(call: str, names: Sequence[str], hint: str) -> InvalidOptionError:
    return InvalidOptionError(_text(call, None, f"{' or '.join(names)} is required.", hint))


def not_with_index(call: str, names: Sequence[str]) -> InvalidOptionError:
    problem = f"{', '.join(names)} given beside an index, which has them already."
    return InvalidOptionError(_text(call, None, problem, "leave them out, or pass the frame."))


def _such_as(option: str) -> str:
    """A duration as users of the option write it."""
    return "30m" if option == "gap" else "30d"


def bare_number(call: str, option: str, value: object) -> InvalidOptionError:
    hint = f"write {option}='{str(value).strip()}s' or {option}='{_such_as(option)}'."
    return InvalidOptionError(_text(call, {option: value}, "a bare number has no unit.", hint))


def bad_duration(call: str, option: str, value: object) -> InvalidOptionError:
    hint = "a number and a unit of w, d, h, m, s, ms, us, ns, such as '30m' or '1h30m'; or a timedelta."
    return InvalidOptionError(_text(call, {option: value}, "not a duration.", hint))


def calendar_duration(call: str, option: str, value: object) -> InvalidOptionError:
    return InvalidOptionError(
        _text(call, {option: value}, "months, quarters and years have no fixed length.", "write days: '30d'.")
    )


def not_positive(call: str, option: str, value: object) -> InvalidOptionError:
    hint = f"such as '{_such_as(option)}'."
    return InvalidOptionError(_text(call, {option: value}, "must be longer than nothing.", hint))


def negative(call: str, option: str, value: object) -> InvalidOptionError:
    hint = "such as '10m' or '0s'."
    return InvalidOptionError(_text(call, {option: value}, "must not be less than nothing.", hint))


def unknown_word(call: str, option: str, value: object, allowed: Iterable[str]) -> InvalidOptionError:
    words = list(allowed)
    close = difflib.get_close_matches(value, words, n=1) if isinstance(value, str) else []
    if not close and isinstance(value, str) and len(value) > 2:  # 'last' for 'last_touch'
        close = [word for word in words if word.startswith(value.lower())]
    hint = f"did you mean {close[0]!r}?" if close else "pass one of the words."
    return InvalidOptionError(
        _text(call, {option: value}, "not one of the words.", hint, f"Words: {_names(words, 40)}")
    )


def bad_option(call: str, option: str, value: object, problem: str, hint: str) -> InvalidOptionError:
    """An option of a kind that has only one way to be wrong; say which, and how to go on."""
    return InvalidOptionError(_text(call, {option: value}, problem, hint))


def spark_column(call: str, role: str, value: object) -> InvalidOptionError:
    taken, such = ("durations", "duration(minutes='idle')") if role == "gap" else ("names", "col('plan')")
    problem = f"a column of Spark's; {taken} and Polars expressions are taken."
    return bad_option(call, role, value, problem, f"such as {role}=pl.{such}, also of a Spark DataFrame.")


def no_influence(call: str, label: str) -> InvalidOptionError:
    problem = "it does not say what one customer changes, so there is no formula for its error."
    return bad_option(call, "model", label, problem, "say method='bootstrap'.")


def bad_ids(call: str, option: str, problem: str, hint: str) -> InvalidOptionError:
    """A list of people is wrong. It is not shown: errors go to logs, and these people asked for privacy."""
    return InvalidOptionError(_text(call, None, f"{option}= {problem}", hint))


def in_a_part(call: str, error: InvalidDataError, n: int) -> InvalidDataError:
    """What is wrong in one part of a log that was spilled: a part knows no other numbers than its own."""
    note = f"  Rows are counted in one part of {n:,} rows: {call}(spill=…) spreads users over parts."
    how = "  To find them in the log: log.with_row_index().filter(…), by what is wrong with them."
    return InvalidDataError(f"{error}\n{note}\n{how}")


def from_row(error: InvalidDataError, row: int) -> InvalidDataError:
    """What is wrong with some users of a log that is read user by user."""
    note = f"  Rows are counted from row {row:,} of the log, where these users begin."
    return InvalidDataError(f"{error}\n{note}") if row else error


def not_by_user(call: str, user: Sequence[str], row: int, *, returns: bool) -> InvalidDataError:
    """A user stands below a greater one, or returns (``returns``) below rows that have no user."""
    names = user[0] if len(user) == 1 else list(user)
    problem = f"sorted_by_user=True, and the user of row {row:,} belongs before a user above it."
    if returns:
        problem = f"sorted_by_user=True, and rows without a user part row {row:,} from its user's rows above."
    hint = "sort by user (ascending; text by its bytes, under no collation), or say spill='folder' instead."
    return InvalidDataError(_text(call, {"user": names}, problem, hint))


def to_times(column: str, holds: str) -> str:
    """A hint: a cast would take seconds for microseconds, and Polars casts no text."""
    if holds == "numbers":
        return f"say their unit, for example pl.from_epoch('{column}', time_unit='s')."
    if holds == "text":
        return f"parse it, for example pl.col('{column}').str.to_datetime()."
    return "name a column of dates or datetimes."


def no_times(call: str, column: str, holds: str) -> InvalidDataError:
    """As the plugin of Polars says it, in ``_ext/include/cxcore/polars/sessions.hpp``."""
    problem = f"takes dates or datetimes, and the column '{column}' holds {holds}."
    return InvalidDataError(_text(call, {}, problem, to_times(column, holds)))


def only_lazy(call: str, option: str, value: object, *, spreads: bool = False) -> InvalidOptionError:
    if spreads:
        problem = "a Spark DataFrame spreads over its workers by itself."
        return bad_option(call, option, value, problem, f"leave {option}= out.")
    hint = f"pass pl.scan_parquet(…), or leave {option}= out."
    return bad_option(call, option, value, "only a LazyFrame can be larger than memory.", hint)


def in_a_worker(error: InvalidDataError, *, counted: bool = False) -> InvalidDataError:
    """What is wrong in the rows that a worker of an engine has read so far; or that an engine has counted."""
    note = "Rows that are alike are counted as one, as the engine has brought them."
    if not counted:
        note = "Rows are counted in a piece of the frame, as one worker has read it, sorted."
    return InvalidDataError(f"{error}\n  {note}")


def not_in_order(call: str, columns: Sequence[str]) -> InvalidDataError:
    """An engine has brought the rows of a part in another order than it was asked for."""
    problem = f"the rows of a part did not come sorted by {_names(columns)}."
    return InvalidDataError(
        _text(call, None, problem, "the engine has dropped the sort: pass another frame.")
    )


def bad_data(call: str, role: str, column: str, problem: str, hint: str) -> InvalidDataError:
    return InvalidDataError(_text(call, {role: column}, problem, hint))


def bad_file(call: str, path: object, problem: str, hint: str) -> InvalidDataError:
    """A file that something of ours wrote, or writes; its path is shown whole."""
    return InvalidDataError(_text(call, {"path": str(path)}, problem, hint))


# ---------------------------------------------------------------- scores


def thin_support(call: str, method: str, n_thin: int, n_groups: int, enough: int) -> str:
    """Text of a warning: an unguarded bootstrap of samples that it cannot stand on."""
    verb = "has" if n_thin == 1 else "have"
    return _text(
        call,
        {"method": method},
        f"{n_thin:,} of {n_groups:,} groups {verb} fewer than {enough} answers outside the largest class.",
        "method='bootstrap' gives an interval that holds there.",
    )


def unknown_control(call: str, control: object, groups: Sequence[object]) -> InvalidOptionError:
    names = [str(name) for name in groups if name is not None]
    close = difflib.get_close_matches(str(control), names, n=1)
    hint = "name one of the groups."
    if str(control) in names:
        hint = f"the groups are of another type: {next(g for g in groups if str(g) == str(control))!r}."
    elif close:
        hint = f"did you mean {close[0]!r}?"
    shown = ", ".join(repr(name) for name in groups[:20])
    more = f", … ({len(groups) - 20:,} more)" if len(groups) > 20 else ""
    return InvalidOptionError(
        _text(call, {"control": control}, "no group of that name.", hint, f"Groups: {shown}{more}")
    )


def control_alone(call: str, group: str, control: object) -> InvalidDataError:
    problem = f"every row is of the control group {control!r}, so there is nothing to compare."
    return InvalidDataError(_text(call, {"group": group}, problem, "keep the other groups in the frame."))


def plain_method(call: str, option: str, value: object, allowed: Iterable[str]) -> InvalidOptionError:
    """A method that takes each answer as independent, asked for under a design."""
    problem = "takes every answer as independent and equally weighted."
    hint = f"under a design say one of {_names(allowed)}."
    if value == "always_valid":
        hint = "none allows looks on every day and customers who answer twice: keep the first answer of each."
    return bad_option(call, option, value, problem, hint)


def design_method(call: str, value: object) -> InvalidOptionError:
    hint = "say cluster=, weight= or stratum=, or leave method= out."
    return bad_option(call, "method", value, "is for a survey design, and there is none.", hint)


def counts_below_zero(call: str, n_bad: int, group: object) -> InvalidDataError:
    verb = "count would be" if n_bad == 1 else "counts would be"
    problem = f"{n_bad:,} {verb} below zero, the first in group {_shown(group)}."
    return InvalidDataError(_text(call, None, problem, "take away only what was added before."))


# ---------------------------------------------------------------- SQL and Polars expressions


def answers_off_scale(call: str, n_bad: int, n: int, scale: tuple[int, int]) -> InvalidDataError:
    """An aggregate of SQL or of a Polars expression knows how many answers are wrong, and no row."""
    verb = "is not a whole number" if n_bad == 1 else "are not whole numbers"
    problem = f"{n_bad:,} of {n:,} answers {verb} from {scale[0]} to {scale[1]}."
    hint = "drop them, or make them null, which says 'no answer'."
    return InvalidDataError(_text(call, None, problem, hint))


def bad_rows(call: str, role: str, column: str, problem: str, n_bad: int, n: int) -> InvalidDataError:
    said = f"{n_bad:,} of {n:,} rows {problem}."
    return InvalidDataError(_text(call, {role: column}, said, "drop them: WHERE … in a CTE or a view."))


def sql_arguments(call: str, values: Sequence[object], error: CxError, write: str) -> InvalidOptionError:
    """What is wrong with the values behind the score, as who wrote them by place can read it."""
    shown = ", ".join(["score", *("NULL" if value is None else _shown(value) for value in values)])
    problem = str(error).split("\n")[0].partition("): ")[2]
    return InvalidOptionError(f"{call}({shown}): {problem}\n  Hint: write {write}.")


def schema_taken(call: str, schema: str, what: str) -> InvalidOptionError:
    problem = f"the connection has {what} of that name."
    return InvalidOptionError(_text(call, {"schema": schema}, problem, "choose another: schema='cxcore'."))


# ---------------------------------------------------------------- the installation


def missing_dependency(call: str, package: str, extra: str) -> MissingDependencyError:
    return MissingDependencyError(
        _text(call, None, f"{package} is not installed.", f"pip install 'cxcore[{extra}]'")
    )


def old_dependency(call: str, package: str, least: str, extra: str) -> MissingDependencyError:
    problem = f"{package} is too old; {least} or later is needed."
    return MissingDependencyError(_text(call, None, problem, f"pip install --upgrade 'cxcore[{extra}]'"))


def no_duckdb_extension(machine: str) -> MissingDependencyError:
    problem = f"the library of DuckDB's functions is not built for this machine ({machine})."
    return MissingDependencyError(_text("duckdb-extension", None, problem, "register(con) works everywhere."))


NOT_BUILT = (
    "cxcore's compiled core is not built for this Python.\n"
    "  Hint: install a wheel, or build it from the source folder: pip install ."
)
