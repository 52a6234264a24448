"""``FROM cx.attribute('touches', …)``: heuristics as SQL over each conversion's window, Markov from counts.

SQL joins every conversion with the touches of its window, so cost grows with the number of (conversion,
touch) pairs; ``cxcore.attribute`` in Python does not join and is the faster way for long windows. For
Markov the database reduces the journeys to transition counts, and one Python call a query turns them into
credit with cxcore's kernel.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from cxcore import _options, attribution, errors
from cxcore._sql import base
from cxcore._sql.base import Macro, Udf
from cxcore.attribution import markov
from cxcore.attribution.base import Transitions

#: what one touch of a window earns: n touches, this one at pos (from 1), age in ticks
_WEIGHTS = {
    "first_touch": "(pos = 1)::DOUBLE",
    "last_touch": "(pos = n)::DOUBLE",
    "linear": "1.0::DOUBLE / n",
    "position": (
        "CASE WHEN n = 1 THEN 1.0 WHEN n = 2 THEN 0.5 WHEN pos IN (1, n) THEN 0.4 "
        "ELSE 0.2 / (n - 2) END::DOUBLE"
    ),
    # ages are taken to the youngest touch of the window, so that the sum of weights is never below 1
    "time_decay": "decayed / sum(decayed) OVER (PARTITION BY conversion_id)",
}
MODELS = (*_WEIGHTS, "markov")


def attribute_sql(
    table: str | None,
    user: str | None,
    time: str | None,
    channel: str | None,
    conversion: str | None,
    value: str | None,
    model: str | None,
    lookback: str | None,
    allocation: str | None,
    half_life: str | None,
    order: str | None,
) -> str:
    """The query behind ``cx.attribute``, written while DuckDB binds the user's query."""
    call = "attribute"
    base.required(call, {"tbl": table, "user_col": user, "time_col": time, "channel_col": channel})
    if conversion is None and value is None:
        hint = "conversion_col is a boolean column; value_col is not null where a row converts."
        raise errors.missing_argument(call, ["conversion_col", "value_col"], hint)
    assert table is not None
    assert user is not None
    assert time is not None
    assert channel is not None
    models = _models(call, model)
    window = None if lookback is None else base.microseconds(call, "lookback", lookback)
    reset = _options.word(call, "allocation", allocation, ("share", "reset")) == "reset"
    if half_life is not None and "time_decay" not in models:
        hint = "leave it out, or choose model := 'time_decay'."
        raise errors.bad_option(call, "half_life", half_life, "only time_decay has a half-life.", hint)
    half = base.microseconds(call, "half_life", half_life or "7 days")
    steps = [
        _rows(call, table, user, time, channel, conversion, value, order),
        _PARTS,
        _window(window, reset),
        _PAIRS.format(half=half),
        *([_markov_steps(window)] if "markov" in models else []),
    ]
    results = [
        _ORDER.format(model=base.literal(name), place=i, source=_credit(name))
        for i, name in enumerate(models)
    ]
    amount = "__cx_value" if value is not None else "NULL::DOUBLE"
    by_name = "CASE WHEN typeof(channel) LIKE 'ENUM(%' THEN channel::VARCHAR END"  # else by rank
    return (
        f"WITH {', '.join(steps)}\n"
        f"SELECT model, channel, conversions, {amount} AS value, "
        "conversions / nullif((SELECT count(*) FROM __cx_conversions), 0) AS share"
        f"{', removal_effect' if 'markov' in models else ''}\n"
        f"FROM ({' UNION ALL '.join(results)}) "
        f"ORDER BY place ASC, {by_name} ASC NULLS LAST, channel ASC NULLS LAST"
    )


def _models(call: str, model: str | None) -> list[str]:
    """One word, or a SQL list of them, which comes as '[linear, markov]'."""
    if model is None:
        raise errors.unknown_word(call, "model", model, MODELS)
    words = [word.strip() for word in model.strip("[]").split(",")]
    for word in words:
        if word in attribution.MODELS and word not in MODELS:
            hint = f"from Python: cxcore.attribute has it. In SQL: {', '.join(map(repr, MODELS))}."
            raise errors.bad_option(call, "model", word, "SQL does not have this model.", hint)
        _options.word(call, "model", word, MODELS)
        if words.count(word) > 1:
            raise errors.bad_option(call, "model", word, "given twice.", "give each model once.")
    return words


def _rows(
    call: str,
    table: str,
    user: str,
    time: str,
    channel: str,
    conversion: str | None,
    value: str | None,
    order: str | None,
) -> str:
    """The user's rows under our names, read once, checked."""
    when, amount = base.identifier(time), "NULL" if value is None else base.identifier(value)
    converts = (
        f"{amount} IS NOT NULL" if conversion is None else f"{base.identifier(conversion)}::BOOLEAN IS TRUE"
    )
    checked = base.no_bad_rows(
        call,
        "__cx_read",
        ("time_col", time, "tick IS NULL", "have no finite time"),
        ("value_col", value or "", "NOT isfinite(amount)", "have a value that is not a finite number"),
    )
    return f"""
__cx_read AS MATERIALIZED (
  SELECT {base.identifier(user)} AS who, {base.identifier(channel)} AS channel, {converts} AS converts,
         {amount}::DOUBLE AS amount, {base.ticks(call, time)} AS tick,
         {base.ticks_in_microsecond(when)} AS per_us,
         {"NULL" if order is None else base.identifier(order)} AS tie, row_number() OVER () AS place
  FROM query_table({base.literal(table)})
),
__cx_rows AS (SELECT * FROM __cx_read WHERE {checked} AND who IS NOT NULL)"""


_PARTS = """
__cx_channels AS MATERIALIZED (
  SELECT channel, row_number() OVER (ORDER BY channel ASC) AS code
  FROM (SELECT DISTINCT channel FROM __cx_rows WHERE channel IS NOT NULL)
),
__cx_touches AS MATERIALIZED (
  SELECT who, tick, per_us, tie, place, code FROM __cx_rows JOIN __cx_channels USING (channel)
),
__cx_conversions AS MATERIALIZED (
  SELECT who, tick, coalesce(amount, 0.0) AS amount, place AS conversion_id,
         lag(tick) OVER (PARTITION BY who ORDER BY tick ASC, tie ASC NULLS FIRST, place ASC) AS before
  FROM __cx_rows WHERE converts
)"""


def _window(window: int | None, reset: bool) -> str:
    """Every conversion with every touch in (conversion - lookback, conversion]."""
    rules = ["t.who = c.who", "t.tick <= c.tick"]
    if window is not None:
        rules.append(f"c.tick::HUGEINT - t.tick < {window} * t.per_us")
    if reset:  # what the conversion before looked at is used up
        rules.append("t.tick > coalesce(c.before, t.tick - 1)")
    return f"""
__cx_window AS (
  SELECT conversion_id, amount, code, t.tick, t.per_us,
         row_number() OVER w AS pos, count(*) OVER (PARTITION BY conversion_id) AS n,
         max(t.tick) OVER (PARTITION BY conversion_id) AS youngest
  FROM __cx_conversions c JOIN __cx_touches t ON {" AND ".join(rules)}
  WINDOW w AS (PARTITION BY conversion_id ORDER BY t.tick ASC, tie ASC NULLS FIRST, place ASC)
)"""


_PAIRS = """
__cx_pairs AS MATERIALIZED (
  SELECT *, pow(2.0, -((youngest::HUGEINT - tick)::DOUBLE / ({half} * per_us))) AS decayed FROM __cx_window
)"""

#: the credit of one model by channel, and what conversions without a touch leave over
_ORDER = """
SELECT {model} AS model, {place} AS place, channel, conversions, __cx_value, removal_effect
FROM ({source}) JOIN __cx_channels USING (code)
UNION ALL
SELECT {model}, {place}, NULL, count(*)::DOUBLE, fsum(amount), NULL FROM __cx_conversions
WHERE conversion_id NOT IN (SELECT conversion_id FROM __cx_pairs) HAVING count(*) > 0"""


def _credit(model: str) -> str:
    if model == "markov":
        return "SELECT * FROM __cx_markov"
    return f"""
SELECT code, coalesce(fsum(weight), 0.0) AS conversions, coalesce(fsum(weight * amount), 0.0) AS __cx_value,
       NULL::DOUBLE AS removal_effect
FROM __cx_channels LEFT JOIN (SELECT code, amount, {_WEIGHTS[model]} AS weight FROM __cx_pairs) USING (code)
GROUP BY code"""


# ---------------------------------------------------------------- Markov: counts in SQL, credit in the kernel


def _markov_steps(window: int | None) -> str:
    """Transition counts of all journeys: state 0 is the start, 1..C the channels, -1 conversion, -2 nothing.

    The touches of a user after the last conversion, cut to the lookback before the final one, are one journey
    that did not convert.
    """
    cut = "" if window is None else f"WHERE final::HUGEINT - tick < {window} * per_us"
    return f"""
__cx_left AS (
  SELECT t.who, t.tick, t.per_us, t.tie, t.place, t.code, max(t.tick) OVER (PARTITION BY t.who) AS final
  FROM __cx_touches t
  LEFT JOIN (SELECT who, max(tick) AS last FROM __cx_conversions GROUP BY who) c USING (who)
  WHERE c.last IS NULL OR t.tick > c.last
),
__cx_null AS (
  SELECT code, row_number() OVER w AS pos, count(*) OVER (PARTITION BY who) AS n,
         lag(code, 1, 0) OVER w AS before
  FROM __cx_left {cut} WINDOW w AS (PARTITION BY who ORDER BY tick ASC, tie ASC NULLS FIRST, place ASC)
),
__cx_edges AS (
  SELECT lag(code, 1, 0) OVER (PARTITION BY conversion_id ORDER BY pos ASC) AS source, code AS target,
         0.0 AS amount
  FROM __cx_pairs
  UNION ALL SELECT code, -1, amount FROM __cx_pairs WHERE pos = n
  UNION ALL SELECT before, code, 0.0 FROM __cx_null
  UNION ALL SELECT code, -2, 0.0 FROM __cx_null WHERE pos = n
),
__cx_counts AS (
  SELECT source, target, count(*) AS times, fsum(amount) AS amount FROM __cx_edges GROUP BY source, target
),
__cx_markov AS MATERIALIZED (
  SELECT unnest(__cx_markov(
    list(source ORDER BY source, target), list(target ORDER BY source, target),
    list(times ORDER BY source, target), list(amount ORDER BY source, target),
    (SELECT count(*) FROM __cx_channels)
  ), max_depth := 2) FROM __cx_counts
)"""


def markov_credit(
    source: list[int] | None,
    target: list[int] | None,
    times: list[int] | None,
    amount: list[float] | None,
    n_channels: int,
) -> list[dict[str, Any]]:
    """Credit of every channel out of the transition counts of the whole query: one call a query."""
    n = n_channels
    most = markov.Markov.most_channels
    if most is not None and n > most:
        problem = f"{n:,} channels; it takes at most {most:,}."
        raise errors.bad_option("attribute", "model", "markov", problem, "put rare channels together.")
    steps = np.zeros((n + 3, n + 3))  # channels 1..n; 0 the start; -1 and -2, the last two, the ends
    earned = np.zeros(n + 3)
    if source and target and times and amount:
        steps[source, target] = times
        np.add.at(earned, source, amount)
    inner = slice(1, n + 1)
    chain = Transitions(
        count=np.ascontiguousarray(steps[inner, inner]),
        start=np.ascontiguousarray(steps[0, inner]),
        conversion=np.ascontiguousarray(steps[inner, -1]),
        null=np.ascontiguousarray(steps[inner, -2]),
        value=np.ascontiguousarray(earned[inner]),
    )
    credit = markov.credit_of(chain, 1)  # the engine owns the threads
    assert credit.removal_effect is not None
    return [
        {"code": code, "conversions": conversions, "__cx_value": value, "removal_effect": effect}
        for code, conversions, value, effect in zip(
            range(1, n + 1),
            *(part.tolist() for part in (credit.conversions, credit.value, credit.removal_effect)),
            strict=True,
        )
    ]


MACROS = (
    Macro(
        "attribute",
        "tbl, user_col := NULL, time_col := NULL, channel_col := NULL, conversion_col := NULL, "
        "value_col := NULL, model := 'last_touch', lookback := INTERVAL 30 DAY, allocation := 'share', "
        "half_life := NULL, order_col := NULL",
        "TABLE SELECT * FROM query(__cx_attribute_sql(tbl::VARCHAR, user_col::VARCHAR, time_col::VARCHAR, "
        "channel_col::VARCHAR, conversion_col::VARCHAR, value_col::VARCHAR, model::VARCHAR, "
        "lookback::VARCHAR, "
        "allocation::VARCHAR, half_life::VARCHAR, order_col::VARCHAR))",
        "one row per model and channel: `model`, `channel`, `conversions`, `value`, `share`, and "
        "`removal_effect` of Markov",
    ),
)
_LISTS = ("BIGINT[]", "BIGINT[]", "BIGINT[]", "DOUBLE[]", "BIGINT")
UDFS = (
    Udf("__cx_attribute_sql", attribute_sql, ("VARCHAR",) * 11, "VARCHAR"),
    Udf(
        "__cx_markov",
        markov_credit,
        _LISTS,
        "STRUCT(code BIGINT, conversions DOUBLE, __cx_value DOUBLE, removal_effect DOUBLE)[]",
    ),
)
