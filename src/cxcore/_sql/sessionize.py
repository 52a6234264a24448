"""``FROM cx.sessionize('events', …)``: the gap rule as one window query over the user's own table."""

from __future__ import annotations

from cxcore import _options
from cxcore._sql import base
from cxcore._sql.base import Macro, Udf


def sessionize_sql(
    table: str | None,
    user: str | None,
    time: str | None,
    gap: str | None,
    gap_closed: str | None,
    order: str | None,
) -> str:
    """The query behind ``cx.sessionize``, written while DuckDB binds the user's query.

    One sort by (user, time). A session begins where the silence before a row is longer than the gap; its
    number is the count of beginnings so far, its start the latest of them. Rows of equal time are peers in
    both windows, so the answer does not depend on which of them the sort puts first.
    """
    call = "sessionize"
    base.required(call, {"tbl": table, "user_col": user, "time_col": time})
    assert table is not None
    assert user is not None
    assert time is not None
    longer = base.microseconds(call, "gap", gap)
    closed = _options.word(call, "gap_closed", gap_closed, ("right", "left"))
    who, when = base.identifier(user), base.identifier(time)
    source = f"query_table({base.literal(table)})"
    checked = base.no_bad_rows(call, source, ("time_col", time, f"{when} IS NULL", "have no time"))
    tie = "" if order is None else f", {base.identifier(order)} ASC"
    window = f"WINDOW __cx_w AS (PARTITION BY {who} ORDER BY {when} ASC{tie})"
    ticks = base.ticks(call, time)
    silence = f"({ticks})::HUGEINT - lag({ticks}) OVER __cx_w"  # HUGEINT: far dates must not overflow
    compare = ">" if closed == "right" else ">="
    return f"""
SELECT * EXCLUDE (__cx_begin),
       CASE WHEN {who} IS NOT NULL THEN count(__cx_begin) OVER __cx_w END AS session_number,
       CASE WHEN {who} IS NOT NULL THEN max(__cx_begin) OVER __cx_w END AS session_start
FROM (
  SELECT *, CASE
           WHEN lag({when}) OVER __cx_w IS NULL THEN {when}
           WHEN {when} = lag({when}) OVER __cx_w THEN NULL
           WHEN coalesce({silence} {compare} {longer} * ({base.ticks_in_microsecond(when)}), true) THEN {when}
         END AS __cx_begin  -- coalesce: the silence before or after an infinite time has no number
  FROM {source}
  WHERE {base.no_such_columns(call, source, "session_number", "session_start")} AND {checked}
  {window}
)
{window}"""


MACROS = (
    Macro(
        "sessionize",
        "tbl, user_col := NULL, time_col := NULL, gap := INTERVAL 30 MINUTE, gap_closed := 'right', "
        "order_col := NULL",
        "TABLE SELECT * FROM query(__cx_sessionize_sql(tbl::VARCHAR, user_col::VARCHAR, time_col::VARCHAR, "
        "gap::VARCHAR, gap_closed::VARCHAR, order_col::VARCHAR))",
        "the rows, with `session_number` and `session_start`",
    ),
)
UDFS = (
    base.REFUSE_ROWS,
    base.REFUSE_TIME,
    base.REFUSE_COLUMNS,
    Udf("__cx_sessionize_sql", sessionize_sql, ("VARCHAR",) * 6, "VARCHAR"),
)
