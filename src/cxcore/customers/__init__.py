"""One score a customer out of many answers. One file an outcome, one line in ``OUTCOMES``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import polars as pl

from cxcore import _options, errors
from cxcore._answers import by_schema, score_counts
from cxcore._columns import check_roles, needed, what_it_holds
from cxcore.customers.base import Outcome
from cxcore.customers.first import First
from cxcore.customers.last import Last
from cxcore.customers.peak_end import PeakEnd
from cxcore.customers.worst import Worst
from cxcore.engines import open_frame
from cxcore.scores import By

__all__ = ["OUTCOMES", "First", "Last", "Outcome", "OutcomeName", "PeakEnd", "Worst", "per_customer"]

OutcomeName = Literal["worst", "peak_end", "last", "first"]

#: word -> the outcome with its default options
OUTCOMES: dict[str, Outcome] = {
    "worst": Worst(),
    "peak_end": PeakEnd(),
    "last": Last(),
    "first": First(),
}


def per_customer(
    answers: Any,
    *,
    customer: str,
    time: str,
    score: str,
    outcome: OutcomeName | Outcome = "worst",
    by: By = None,
    scale: tuple[int, int] = (0, 10),
    missing: Iterable[int] | None = None,
) -> Any:
    """One score a customer: the worst answer, the first, the last, or the mean of peak and end.

    Parameters
    ----------
    answers : frame
        One row an answer, in any flavor that an engine knows, in any order.
    customer : str
        Column that says who answered; never null.
    time : str
        Column that says when: dates, datetimes or whole numbers; never null.
    score : str
        Column of answers, whole numbers on the scale. A null is no answer, and is passed over.
    outcome : str or Outcome, default "worst"
        "worst", "peak_end", "last", "first", or an object of ``cxcore.customers`` with options of its own.
    by : str, expression, or list of both, default None
        A customer has a score in each of these groups: a channel, a year. What is the same in all rows of a
        customer, such as a plan, is carried along this way.
    scale : (int, int), default (0, 10)
        Lowest and highest level.
    missing : list of int, default None
        Codes that mean 'no answer', such as 11 or 99.

    Returns
    -------
    frame
        One row a group and customer, sorted, nulls last: ``by`` …, the customer under its own name, ``score``
        (Int64; Float64 for "peak_end"), ``time`` of the answer that decides (of "peak_end" the last one), for
        "peak_end" also ``peak`` and ``end``, then ``n`` and ``n_null``, the rows with and without an answer.
        Who never answered has a null score.

    Raises
    ------
    ColumnNotFoundError
        ``customer``, ``time``, ``score`` or ``by`` names no column.
    InvalidOptionError
        An option cannot take its value.
    InvalidDataError
        Answers are off the scale; rows have no customer or no time.

    Notes
    -----
    One sort of the rows and one pass, in Polars. Several answers at one time have no order, so the lowest of
    them counts as the last, and as the first: the order of rows is no matter. One row a customer is also what
    intervals want, as customers are independent where their answers are not.

    Examples
    --------
    >>> import polars as pl
    >>> import cxcore as cx
    >>> answers = pl.DataFrame({
    ...     "customer": ["ann", "ann", "ann", "bob", "bob"],
    ...     "day": [1, 2, 3, 1, 2],
    ...     "score": [9, 2, 8, 10, 9],
    ... })
    >>> worst = cx.per_customer(answers, customer="customer", time="day", score="score")
    >>> worst.rows()
    [('ann', 2, 2, 3, 0), ('bob', 9, 2, 2, 0)]
    >>> cx.nps(worst, score="score")["estimate"].item()
    0.0
    """
    call = "per_customer"
    for role, name in (("customer", customer), ("time", time), ("score", score)):
        _options.column_name(call, role, name)
    chosen = _outcome(call, outcome)
    parts = _options.parts(by)
    keys = [*_options.groups(call, parts, [customer, *_measures(chosen, None)]), customer]
    if customer in _measures(chosen, None):
        problem = "the answer has a column of that name."
        raise errors.bad_option(call, "customer", customer, problem, "rename the column first.")
    low, high = _options.scale(call, scale)
    codes = _options.codes(call, "missing", missing)
    engine, frame = open_frame(call, answers)
    roles = {"customer": customer, "time": time, "score": score, "by": by}
    check_roles(call, engine.columns(frame), roles)

    def compute(house: pl.DataFrame) -> pl.DataFrame:
        _check(call, house, "customer", customer)
        _check(call, house, "time", time)
        score_counts(call, house, score, None, (low, high), codes)  # for its checks
        whole = pl.col(score).cast(pl.Int64)
        answer = (pl.when(~whole.is_in(codes)).then(whole) if codes else whole).alias("score")
        rows = house.select(*parts, customer, pl.col(time).alias("time"), answer)
        for name in keys[:-1]:
            _check_sorts(call, "by", rows[name])
        rows = rows.sort("time", "score", descending=[False, True])
        n = [pl.col("score").count(), pl.col("score").null_count()]
        sizes = [each.cast(pl.Int64).alias(name) for each, name in zip(n, ("n", "n_null"), strict=True)]
        found = rows.group_by(keys).agg(*chosen.columns((low, high)), *sizes)
        return found.sort(keys, nulls_last=True).cast(
            {name: kind for name, kind in _measures(chosen, house.schema[time]).items() if kind}
        )

    def schema(before: pl.Schema) -> pl.Schema:
        named = {**by_schema(call, before, parts), customer: before[customer]}
        return pl.Schema({**named, **_measures(chosen, before[time])})

    return engine.summary(call, frame, needed(customer, time, score, by), compute, schema)


def _outcome(call: str, value: Any) -> Outcome:
    return value if isinstance(value, Outcome) else OUTCOMES[_options.word(call, "outcome", value, OUTCOMES)]


def _measures(outcome: Outcome, time: pl.DataType | None) -> dict[str, Any]:
    own = {name: time if kind is None else kind for name, kind in outcome.types().items()}
    return {**own, "n": pl.Int64(), "n_null": pl.Int64()}


def _check(call: str, house: pl.DataFrame, role: str, name: str) -> None:
    column = house[name]
    dtype = column.dtype
    if role == "time" and not (dtype.is_integer() or dtype == pl.Date or isinstance(dtype, pl.Datetime)):
        hint = errors.to_times(name, what_it_holds(dtype))
        raise errors.wrong_dtype(call, role, name, dtype, "takes dates, datetimes or whole numbers", hint)
    _check_sorts(call, role, column)
    if n_bad := column.null_count():
        row = int(column.is_null().arg_max() or 0)
        hint = (
            "drop these rows: they belong to nobody."
            if role == "customer"
            else "drop them, or give them one."
        )
        raise errors.nulls(call, role, name, n_bad, len(column), row, hint)


def _check_sorts(call: str, role: str, column: pl.Series) -> None:
    if column.dtype == pl.Object:  # Polars can neither sort nor group them
        hint = "cast it to text."
        raise errors.wrong_dtype(call, role, column.name, column.dtype, "takes what can be sorted", hint)
