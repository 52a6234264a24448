"""The fastest known ways to the same answers with other tools, as their authors would write them.

A rival gets its data in the shape it likes best (Polars a frame, DuckDB a table of its own,
ChannelAttribution a pandas frame of journeys) and gives its answer in the shape its own user wants; neither
conversion is timed.
Every rival is checked before it is timed, so a recipe that is fast and wrong does not stand here.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import settings
from data import GAP_US

# ------------------------------------------------------------------- sessions, Polars
# rows: a session number for each row in the order of the input; table: user, start, end, events, duration.
_GAP = pl.duration(microseconds=GAP_US)
#: on rows in order of (user, time)
_NEW = ((pl.col("ts").diff() > _GAP) | (pl.col("user_id") != pl.col("user_id").shift())).fill_null(True)


def polars_textbook_rows(frame: pl.DataFrame) -> pl.Series:
    """Sort, difference per user, running sum, sort back: what every blog shows."""
    lazy = frame.lazy().with_row_index("row").sort("user_id", "ts")
    lazy = lazy.with_columns(new=(pl.col("ts").diff().over("user_id") > _GAP).fill_null(True))
    lazy = lazy.with_columns(session=pl.col("new").cum_sum()).sort("row")
    return lazy.select("session").collect()["session"]


def polars_textbook_table(frame: pl.DataFrame) -> pl.DataFrame:
    lazy = frame.lazy().sort("user_id", "ts").with_columns(session=_NEW.cum_sum())
    table = lazy.group_by("user_id", "session").agg(
        start=pl.col("ts").min(), end=pl.col("ts").max(), events=pl.len()
    )
    return table.with_columns(duration=pl.col("end") - pl.col("start")).drop("session").collect()


def polars_textbook_both(frame: pl.DataFrame) -> tuple[pl.Series, pl.DataFrame]:
    """The rows as above, and the table out of them."""
    lazy = frame.lazy().with_row_index("row").sort("user_id", "ts")
    rows = lazy.with_columns(session=_NEW.cum_sum()).sort("row").collect()
    table = (
        rows.lazy()
        .group_by("user_id", "session")
        .agg(start=pl.col("ts").min(), end=pl.col("ts").max(), events=pl.len())
    )
    table = table.with_columns(duration=pl.col("end") - pl.col("start")).drop("session")
    return rows["session"], table.collect()


def polars_over_number(frame: pl.DataFrame) -> pl.Series:
    """Numbers of sessions, user by user."""
    is_new = (pl.col("ts").diff() > _GAP).fill_null(value=False)
    return frame.select((is_new.cum_sum().cast(pl.Int64) + 1).over("user_id", order_by="ts")).to_series()


def polars_sort_rows(frame: pl.DataFrame) -> pl.Series:
    """One sort with row numbers, three vector operations, one scatter."""
    ordered = frame.lazy().with_row_index("row").sort("user_id", "ts")
    done = ordered.select("row", session=_NEW.cum_sum()).collect()
    return _scatter(done["row"].to_numpy(), done["session"].to_numpy())


def polars_sort_table(frame: pl.DataFrame) -> pl.DataFrame:
    """One sort, then the edges of the sessions: no group_by."""
    return _edges(frame.sort("user_id", "ts"))


def polars_sort_both(frame: pl.DataFrame) -> tuple[pl.Series, pl.DataFrame]:
    ordered = frame.lazy().with_row_index("row").sort("user_id", "ts").collect()
    session = ordered.select(_NEW.cum_sum()).to_series()
    return _scatter(ordered["row"].to_numpy(), session.to_numpy()), _edges(ordered)


def polars_presorted_rows(frame: pl.DataFrame) -> pl.Series:
    """Only for a log that lies in order of (user, time)."""
    return frame.select(_NEW.cum_sum()).to_series()


def polars_presorted_both(frame: pl.DataFrame) -> tuple[pl.Series, pl.DataFrame]:
    new = frame.select(_NEW).to_series()
    return new.cum_sum(), _edges(frame, new)


def polars_presorted_table(frame: pl.DataFrame) -> pl.DataFrame:
    return _edges(frame)


def polars_pack_rows(frame: pl.DataFrame) -> pl.Series:
    """Code the user, pack (code, time) into one int64, arg_sort that, scatter."""
    key, bits, _, _ = _pack(frame)
    row = pl.Series(key).arg_sort()
    new = _packed_starts(pl.Series(key).gather(row).to_numpy(), bits)
    return _scatter(row.to_numpy(), np.cumsum(new, dtype=np.uint32))


def polars_pack_table(frame: pl.DataFrame) -> pl.DataFrame:
    """The packed values alone are sorted: a table needs no row numbers."""
    key, bits, t0, names = _pack(frame)
    key = pl.Series(key).sort().to_numpy()
    start = np.flatnonzero(_packed_starts(key, bits))
    return _packed_table(key, bits, t0, start, names(key[start] >> bits))


def polars_pack_both(frame: pl.DataFrame) -> tuple[pl.Series, pl.DataFrame]:
    packed, bits, t0, _ = _pack(frame)
    order = pl.Series(packed).arg_sort()
    key, row = pl.Series(packed).gather(order).to_numpy(), order.to_numpy()
    new = _packed_starts(key, bits)
    start = np.flatnonzero(new)
    user = frame["user_id"].gather(pl.Series(row[start]))
    return _scatter(row, np.cumsum(new, dtype=np.uint32)), _packed_table(key, bits, t0, start, user)


def _scatter(row: np.ndarray, value: np.ndarray) -> pl.Series:
    out = np.empty(len(row), np.uint32)
    out[row] = value
    return pl.Series("session", out)


def _edges(ordered: pl.DataFrame, new: pl.Series | None = None) -> pl.DataFrame:
    start = (ordered.select(_NEW).to_series() if new is None else new).arg_true().to_numpy()
    stop = np.append(start[1:], len(ordered)).astype(np.int64)
    first = pl.Series(start)
    begins, ends = ordered["ts"].gather(first), ordered["ts"].gather(pl.Series(stop - 1))
    return pl.DataFrame(
        {
            "user_id": ordered["user_id"].gather(first),
            "start": begins,
            "end": ends,
            "events": stop - start,
            "duration": ends - begins,
        }
    )


def _pack(frame: pl.DataFrame) -> tuple[np.ndarray, int, int, Callable[[np.ndarray], pl.Series]]:
    """(user code, time since the first event) in one int64; the bits of the time; how a code reads."""
    time = frame["ts"].to_physical()
    t0 = time.min()
    bits = max(int(time.max() - t0).bit_length(), 1)
    if frame["user_id"].dtype == pl.String:
        category = frame["user_id"].cast(pl.Categorical(pl.Categories.random()))
        code = category.to_physical()

        def names(codes: np.ndarray) -> pl.Series:
            return pl.Series(codes.astype(np.uint32)).cat.to(category.dtype).cast(pl.String)

    else:
        table = frame.select(pl.col("user_id").unique()).with_row_index("code")
        coded = frame.select("user_id").join(table, on="user_id", how="left", maintain_order="left")
        code = coded["code"]

        def names(codes: np.ndarray) -> pl.Series:
            return table["user_id"].gather(pl.Series(codes))

    assert bits + int(code.max()).bit_length() <= 63
    return (code.cast(pl.Int64).to_numpy() << bits) | (time.to_numpy() - t0), bits, t0, names


def _packed_starts(key: np.ndarray, bits: int) -> np.ndarray:
    new = np.empty(len(key), bool)
    new[0] = True
    np.greater(key[1:] - key[:-1], GAP_US, out=new[1:])
    new[1:] |= (key[1:] ^ key[:-1]) >> bits != 0
    return new


def _packed_table(
    key: np.ndarray, bits: int, t0: int, start: np.ndarray, user: pl.Series | np.ndarray
) -> pl.DataFrame:
    stop = np.append(start[1:], len(key))
    mask = (1 << bits) - 1
    begins = pl.Series((key[start] & mask) + t0).cast(pl.Datetime("us"))
    ends = pl.Series((key[stop - 1] & mask) + t0).cast(pl.Datetime("us"))
    columns = {"user_id": user, "start": begins, "end": ends, "events": stop - start}
    return pl.DataFrame({**columns, "duration": ends - begins})


# ------------------------------------------------------------------- sessions, DuckDB
# On its own table ``ev``; answers come over NumPy, which is its fastest way out.
_TEXTBOOK = f"""
WITH a AS (SELECT rowid AS i, user_id, ts,
    coalesce(ts - lag(ts) OVER w > INTERVAL {GAP_US} MICROSECONDS, true)::INT AS new
    FROM ev WINDOW w AS (PARTITION BY user_id ORDER BY ts, rowid)),
  b AS (SELECT i, user_id, ts, (sum(new) OVER (PARTITION BY user_id ORDER BY ts, i
    ROWS UNBOUNDED PRECEDING))::UINTEGER AS number FROM a)"""
_TABLE_OF_ROWS = """
SELECT user_id, min(ts) AS start, max(ts) AS "end", count(*) AS events, max(ts) - min(ts) AS duration
FROM b GROUP BY user_id, number"""
_TEXTBOOK_TABLE = _TEXTBOOK + _TABLE_OF_ROWS


def duckdb_textbook_rows(con: Any) -> np.ndarray:
    """lag and a running sum per user, then back to the order of the rows: the number within the user."""
    return _numpy(con, f"{_TEXTBOOK} SELECT number FROM b ORDER BY i")["number"]


def duckdb_lag_numbers(con: Any) -> dict[str, np.ndarray]:
    """The row and its number in any order: no tie-break, since rows of one time are of one session."""
    window = "OVER (PARTITION BY user_id ORDER BY ts ROWS UNBOUNDED PRECEDING)"
    new = f"epoch_us(ts) - lag(epoch_us(ts)) OVER (PARTITION BY user_id ORDER BY ts) <= {GAP_US}"
    rows = f"SELECT rowid AS i, user_id, ts, CASE WHEN {new} THEN NULL ELSE 1 END AS new FROM ev"
    return _numpy(con, f"SELECT i, count(new) {window} AS number FROM ({rows})")


def duckdb_textbook_table(con: Any) -> Any:
    """The textbook sessions as a table that stays in DuckDB, where its user wants it."""
    con.execute(f"CREATE OR REPLACE TEMP TABLE answer AS {_TEXTBOOK_TABLE}")
    return con


def duckdb_textbook_both(con: Any) -> tuple[np.ndarray, Any]:
    """The rows as above, kept once, and the table out of them."""
    con.execute(f"CREATE OR REPLACE TEMP TABLE b AS {_TEXTBOOK} SELECT * FROM b ORDER BY i")
    con.execute(f"CREATE OR REPLACE TEMP TABLE answer AS {_TABLE_OF_ROWS}")
    return _numpy(con, "SELECT number FROM b")["number"], con


def _duckdb_packed(con: Any, frame: pl.DataFrame) -> tuple[str, int, int]:
    t0, span = con.execute("SELECT epoch_us(min(ts)), epoch_us(max(ts) - min(ts)) FROM ev").fetchone()
    bits = max(int(span).bit_length(), 1)
    sql = f"""WITH u AS MATERIALIZED (SELECT user_id, row_number() OVER () AS c
        FROM (SELECT DISTINCT user_id FROM ev)),
      s AS MATERIALIZED (SELECT ev.rowid AS i, (u.c::BIGINT << {bits}) + (epoch_us(ev.ts) - {t0}) AS k
        FROM ev JOIN u ON ev.user_id = u.user_id ORDER BY k),
      a AS (SELECT i, k, (k - lag(k) OVER () <= {GAP_US}
        AND (k >> {bits}) = (lag(k) OVER () >> {bits})) IS NOT TRUE AS new FROM s)"""
    return sql, bits, t0


def duckdb_pack_rows(con: Any, frame: pl.DataFrame) -> pl.Series:
    """Distinct users to codes, one packed BIGINT sort, streaming windows, NumPy scatter."""
    sql, _, _ = _duckdb_packed(con, frame)
    number = "(sum(new::INT) OVER (ROWS UNBOUNDED PRECEDING))::UINTEGER AS n"
    got = _numpy(con, f"{sql} SELECT i, {number} FROM a")
    return _scatter(got["i"], got["n"])


def duckdb_pack_both(con: Any, frame: pl.DataFrame) -> tuple[pl.Series, pl.DataFrame]:
    sql, bits, t0 = _duckdb_packed(con, frame)
    got = _numpy(con, f"{sql} SELECT i, k, new FROM a")
    row, new = got["i"], got["new"].astype(bool)
    start = np.flatnonzero(new)
    user = frame["user_id"].gather(pl.Series(row[start]))
    return _scatter(row, np.cumsum(new, dtype=np.uint32)), _packed_table(got["k"], bits, t0, start, user)


def duckdb_pack_table(con: Any, frame: pl.DataFrame) -> pl.DataFrame:
    return duckdb_pack_both(con, frame)[1]


def _numpy(con: Any, sql: str) -> dict[str, np.ndarray]:
    return {name: np.asarray(column) for name, column in con.execute(sql).fetchnumpy().items()}


# ------------------------------------------------------------------- sessions, ClickHouse and retentioneering
_SPLIT = f"""
SELECT user_id, x[1] AS start, x[-1] AS end, length(x) AS events, x[-1] - x[1] AS duration FROM (
  SELECT user_id, arraySort(groupArray(ts)) AS t,
    arrayJoin(arraySplit((a, b) -> a - b > {GAP_US}, t, arrayPushFront(arrayPopBack(t), t[1]))) AS x
  FROM ev GROUP BY user_id) SETTINGS max_threads = {settings.THREADS}"""


def clickhouse(frame: pl.DataFrame) -> Any:
    """The log as a table of ClickHouse's own, in memory; times in whole microseconds sort fastest."""
    from chdb.session import Session

    session = Session()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ev.parquet"
        frame.select("user_id", pl.col("ts").to_physical()).write_parquet(path)
        session.query("CREATE TABLE ev (user_id Int64, ts Int64) ENGINE = Memory")
        session.query(f"INSERT INTO ev SELECT user_id, ts FROM file('{path}', Parquet)")
    return session


def clickhouse_split_table(session: Any) -> Any:
    """One array of times a user, sorted and split; the table stays in ClickHouse, where its user wants it."""
    session.query(f"CREATE OR REPLACE TABLE answer ENGINE = Memory AS {_SPLIT}")
    return session


def clickhouse_answer(session: Any) -> pl.DataFrame:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "answer.parquet"
        session.query(f"SELECT user_id, start, end, events FROM answer INTO OUTFILE '{path}' FORMAT Parquet")
        return pl.read_parquet(path)


def eventstream(frame: pl.DataFrame) -> Any:
    """The log as retentioneering's own object; what it does to make it is not timed."""
    from retentioneering import Eventstream, engine

    engine.run(f"SET threads = {settings.THREADS}")
    schema = {"path_cols": ["user_id"], "event_col": "event", "timestamp_col": "ts"}
    rows = frame.with_columns(event=pl.lit("view")).with_row_index("row")
    return Eventstream(rows.to_pandas(), schema=schema)


def retentioneering_rows(stream: Any) -> Any:
    """Its own call; rows come back in order of user and time."""
    return stream.split_sessions(timeout="30m").df


# ------------------------------------------------------------------- attribution
# Five heuristics and the counts of the linear one, by value, from shuffled events; share of the whole window.
LOOKBACK_DAYS, HALF_LIFE_DAYS = 30, 7.0
HEURISTICS = ("first_touch", "last_touch", "linear", "position", "time_decay")
_DAY_US = 86_400_000_000


def polars_join_heuristics(frame: pl.DataFrame) -> pl.DataFrame:
    """Join conversions with the touches of their user, keep the window, windows over the conversion."""
    n, i, v = pl.col("n"), pl.col("i"), pl.col("v")
    joined = _polars_windows(frame.lazy()).sort("c", "ts")
    joined = joined.with_columns(
        n=pl.len().over("c"), i=pl.int_range(pl.len()).over("c"), w=_polars_decay()
    ).with_columns(total=pl.col("w").sum().over("c"))
    credit = joined.group_by("channel").agg(
        first_touch=v.filter(i == 0).sum(),
        last_touch=v.filter(i == n - 1).sum(),
        linear=(v / n).sum(),
        position=(v * _polars_position(n, i)).sum(),
        time_decay=(v * pl.col("w") / pl.col("total")).sum(),
        conversions=(1 / n).sum(),
    )
    return credit.sort("channel").collect()


def _polars_windows(lazy: pl.LazyFrame) -> pl.LazyFrame:
    bought = lazy.filter("conversion").select("user_id", at="ts", v="value").with_row_index("c")
    seen = lazy.filter(~pl.col("conversion")).select("user_id", "ts", "channel")
    inside = (pl.col("ts") <= pl.col("at")) & (pl.col("ts") > pl.col("at") - pl.duration(days=LOOKBACK_DAYS))
    return bought.join(seen, on="user_id").filter(inside)


def _polars_decay() -> pl.Expr:
    age = (pl.col("at") - pl.col("ts")).dt.total_microseconds() / _DAY_US
    return pl.lit(2.0) ** (-age / HALF_LIFE_DAYS)


def _polars_position(n: pl.Expr, i: pl.Expr) -> pl.Expr:
    ends = pl.when((i == 0) | (i == n - 1)).then(0.4).otherwise(0.2 / (n - 2))
    return pl.when(n == 1).then(1.0).when(n == 2).then(0.5).otherwise(ends)


_CREDIT = """SELECT channel, sum(CASE WHEN i = 1 THEN v ELSE 0 END) AS first_touch,
  sum(CASE WHEN i = n THEN v ELSE 0 END) AS last_touch, sum(v / n) AS linear,
  sum(v * CASE WHEN n = 1 THEN 1.0 WHEN n = 2 THEN 0.5 WHEN i = 1 OR i = n THEN 0.4 ELSE 0.2 / (n - 2) END)
    AS position, sum(v * w / total) AS time_decay, sum(1.0 / n) AS conversions
FROM k GROUP BY channel ORDER BY channel"""
_BOUGHT = """bought AS (SELECT row_number() OVER () AS c, user_id, ts AS tc, value AS v
    FROM ev WHERE conversion)"""
_WEIGHT = f"pow(2, -(epoch_us(tc) - epoch_us(e.ts)) / {_DAY_US}.0 / {HALF_LIFE_DAYS})"
_INSIDE = f"NOT e.conversion AND e.ts <= tc AND e.ts > tc - INTERVAL {LOOKBACK_DAYS} DAY"
_DUCKDB_WINDOW = f"""WITH {_BOUGHT},
  j AS (SELECT c, v, channel, row_number() OVER (PARTITION BY c ORDER BY e.ts) AS i,
    count(*) OVER (PARTITION BY c) AS n, {_WEIGHT} AS w
    FROM bought JOIN ev e USING (user_id) WHERE {_INSIDE}),
  k AS (SELECT *, sum(w) OVER (PARTITION BY c) AS total FROM j) {_CREDIT}"""
_DUCKDB_LIST = f"""WITH {_BOUGHT},
  j AS (SELECT c, any_value(v) AS v, list(channel ORDER BY e.ts) AS channels,
    list({_WEIGHT} ORDER BY e.ts) AS ws
    FROM bought JOIN ev e USING (user_id) WHERE {_INSIDE} GROUP BY c),
  k AS (SELECT v, len(channels) AS n, list_sum(ws) AS total, unnest(channels) AS channel, unnest(ws) AS w,
    unnest(range(1, len(channels) + 1)) AS i FROM j) {_CREDIT}"""


def duckdb_window_heuristics(con: Any) -> pl.DataFrame:
    """One query with window functions over the join."""
    return pl.DataFrame(_columns(con, _DUCKDB_WINDOW))


def duckdb_list_heuristics(con: Any) -> pl.DataFrame:
    """One query that gathers each window into a list and unnests it."""
    return pl.DataFrame(_columns(con, _DUCKDB_LIST))


def _columns(con: Any, sql: str) -> dict[str, Any]:
    result = con.execute(sql)
    names = [column[0] for column in result.description]
    return dict(zip(names, zip(*result.fetchall(), strict=True), strict=True))


def journeys_once(log: pl.DataFrame) -> pl.DataFrame:
    """Value of the five models where each touch counts for the next conversion of its user, however old.

    On sessions: a row with a channel that may convert, as DP6 takes them.
    """
    n, i, v = pl.col("n"), pl.col("i"), pl.col("v")
    number = pl.col("conversion").cum_sum().over("user_id") - pl.col("conversion")
    each = log.sort("user_id", "ts").with_columns(c=number)
    whole = pl.struct("user_id", "c")
    each = each.with_columns(
        n=pl.len().over(whole),
        i=pl.int_range(pl.len()).over(whole),
        at=pl.col("ts").max().over(whole),
        v=pl.col("value").sum().over(whole),
    ).with_columns(w=_polars_decay())
    each = each.with_columns(total=pl.col("w").sum().over(whole))
    return (
        each.group_by(pl.col("channel").cast(pl.String))
        .agg(
            first_touch=v.filter(i == 0).sum(),
            last_touch=v.filter(i == n - 1).sum(),
            linear=(v / n).sum(),
            position=(v * _polars_position(n, i)).sum(),
            time_decay=(v * pl.col("w") / pl.col("total")).sum(),
        )
        .sort("channel")
    )


def dp6(log: pl.DataFrame) -> pl.DataFrame:
    """DP6's marketing_attribution_models: sessions in, journeys cut after each conversion, five models.

    The names of its models are those of its authors; it has no window and no count of conversions. Users come
    as text, which it glues to the number of the journey.
    """
    from mam import MAM

    journeys = MAM(
        log,
        format_type="session",
        channels_colname="channel",
        journey_with_conv_colname="conversion",
        datetime_colname="ts",
        user_id_colname="user_id",
        create_journey_id_based_on_conversion=True,
        conversion_value_colname="value",
    )
    runs = {
        "first_touch": journeys.run_first_click,
        "last_touch": journeys.run_last_click,
        "linear": journeys.run_linear,
        "position": journeys.run_position_based,
        "time_decay": partial(journeys.run_time_decay, half_life_hours=HALF_LIFE_DAYS * 24),
    }
    tables = [
        run()
        .to_polars()
        .select(pl.col("channels").cast(pl.String).alias("channel"), pl.col("attribution").alias(name))
        for name, run in runs.items()
    ]
    table = tables[0]
    for other in tables[1:]:
        table = table.join(other, on="channel", how="full", coalesce=True)
    return table.fill_null(0.0).sort("channel")


def numpy_heuristics(frame: pl.DataFrame) -> pl.DataFrame:
    """One packed sort, windows by binary search, every (conversion, touch) pair spelled out."""
    buyers = frame.filter("conversion").select(pl.col("user_id").unique())
    frame = frame.join(buyers, on="user_id", how="semi")
    channel = frame["channel"].cast(pl.Categorical(pl.Categories.random()))
    codes = channel.to_physical()
    names = pl.DataFrame({"channel": channel, "code": codes}).drop_nulls().unique().sort("code")
    user, time = frame["user_id"].to_numpy(), frame["ts"].to_physical().to_numpy()
    span = int(time.max() - time.min()) + (LOOKBACK_DAYS + 1) * _DAY_US
    assert int(user.max()) * span < 2**62
    key = user * span + (time - time.min() + LOOKBACK_DAYS * _DAY_US)
    converted = frame["conversion"].to_numpy()
    seen = np.flatnonzero(~converted)
    seen = seen[np.argsort(key[seen])]
    at = key[converted]
    value = frame["value"].to_numpy()[converted]
    low = np.searchsorted(key[seen], at - LOOKBACK_DAYS * _DAY_US, side="right")
    high = np.searchsorted(key[seen], at, side="right")
    some = high > low
    code = codes.fill_null(0).to_numpy()[seen]
    credit = _pairs(key[seen], code, at[some], value[some], low[some], high[some])
    table = {name: sums[names["code"].to_numpy()] for name, sums in credit.items()}
    return pl.DataFrame({"channel": names["channel"].cast(pl.String), **table}).sort("channel")


def _pairs(
    key: np.ndarray, code: np.ndarray, at: np.ndarray, value: np.ndarray, low: np.ndarray, high: np.ndarray
) -> dict[str, np.ndarray]:
    n = high - low
    c = np.repeat(np.arange(len(n)), n)
    begins = np.cumsum(n) - n
    i = np.arange(len(c)) - begins[c]
    touch, v, size = low[c] + i, value[c], n[c]
    weight = np.exp2((key[touch] - at[c]) / (_DAY_US * HALF_LIFE_DAYS))
    ends = (i == 0) | (i == size - 1)
    position = np.where(ends, 0.4, 0.2 / np.maximum(size - 2, 1))
    position = np.select([size == 1, size == 2], [1.0, 0.5], position)
    width = int(code.max()) + 1
    of_touch = code[touch]
    return {
        "first_touch": np.bincount(code[low], value, width),
        "last_touch": np.bincount(code[high - 1], value, width),
        "linear": np.bincount(of_touch, v / size, width),
        "position": np.bincount(of_touch, v * position, width),
        "time_decay": np.bincount(of_touch, v * weight / np.add.reduceat(weight, begins)[c], width),
        "conversions": np.bincount(of_touch, 1 / size, width),
    }


def journeys(frame: pl.DataFrame) -> pl.DataFrame:
    """Distinct paths with counts: the touches up to each conversion since the one before, and the rest."""
    lazy = frame.lazy().sort("user_id", "ts", "conversion").with_columns(journey=_FRESH.cum_sum())
    paths = (
        lazy.group_by("journey")
        .agg(path=pl.col("channel").drop_nulls().str.join(" > "), conversions=pl.col("conversion").sum())
        .filter(pl.col("path") != "")
    )
    counts = paths.group_by("path").agg(pl.col("conversions").sum(), null=(pl.col("conversions") == 0).sum())
    return counts.collect()


#: on rows in order of (user, time): a user's first row, or the row after a conversion
_FRESH = ((pl.col("user_id") != pl.col("user_id").shift()) | pl.col("conversion").shift()).fill_null(True)


def markov_numpy(frame: pl.DataFrame) -> pl.DataFrame:
    """Exact removal effects of order 1: one sort in Polars, one inverse in NumPy."""
    names = frame["channel"].cast(pl.String).drop_nulls().unique().sort()
    code = pl.col("channel").cast(pl.Enum(names)).to_physical().cast(pl.Int64) + 1
    converted, lost = len(names) + 1, len(names) + 2
    moves = (
        frame.lazy()
        .sort("user_id", "ts", "conversion")
        .with_columns(state=pl.when("conversion").then(converted).otherwise(code))
        .select(
            "state",
            previous=pl.when(_FRESH).then(0).otherwise(pl.col("state").shift()),
            left=(pl.col("user_id") != pl.col("user_id").shift(-1)).fill_null(True) & ~pl.col("conversion"),
        )
        .collect()
    )
    state, previous = moves["state"].to_numpy(), moves["previous"].to_numpy()
    width = lost + 1
    count = np.bincount(previous * width + state, minlength=converted * width).reshape(converted, width)
    count[:, lost] = np.bincount(state[moves["left"].to_numpy()], minlength=converted)
    count[0, converted] = 0  # a conversion without a touch is no journey
    return _removal_effects(names, count)


def _removal_effects(names: pl.Series, count: np.ndarray) -> pl.DataFrame:
    """Counts of moves from start and channels to start, channels, conversion and loss."""
    n = len(names) + 1
    p = count / count.sum(axis=1, keepdims=True)
    visits = np.linalg.inv(np.eye(n) - p[:, :n])
    hit = visits @ p[:, n]
    effect = (visits[0] * hit / (np.diag(visits) * hit[0]))[1:]
    return pl.DataFrame({"channel": names, "conversions": count[:, n].sum() * effect / effect.sum()})


def channel_attribution(paths: Any, order: int = 1) -> Any:
    """ChannelAttribution's markov_model: it simulates, so its answer is near, not equal."""
    import ChannelAttribution

    return ChannelAttribution.markov_model(
        paths, "path", "conversions", var_null="null", order=order, flg_pro=False, verbose=False
    )


def markov_scipy(frame: pl.DataFrame, order: int) -> pl.DataFrame:
    """Exact removal effects of any order: states in Polars, then one chain without each channel.

    Few states are solved by elimination; many are iterated in sparse matrices until nothing is on its way.
    """
    from scipy import sparse

    names = frame["channel"].cast(pl.String).drop_nulls().unique().sort()
    code = pl.col("channel").cast(pl.Enum(names)).to_physical().cast(pl.Int64) + 1
    touch = pl.col("journey") == pl.col("journey").shift()
    moves = frame.lazy().sort("user_id", "ts", "conversion").with_columns(journey=_FRESH.cum_sum(), code=code)
    ends = moves.group_by("journey").agg(converts=pl.col("conversion").any())
    moves = moves.filter(~pl.col("conversion")).with_columns(state=pl.col("code"))
    for back in range(1, order):
        same = pl.col("journey") == pl.col("journey").shift(back)
        past = pl.when(same).then(pl.col("code").shift(back) * (len(names) + 1) ** back).otherwise(0)
        moves = moves.with_columns(state=pl.col("state") + past.fill_null(0))
    table = moves.join(ends, on="journey", maintain_order="left").select(
        "state",
        "converts",
        first=(~touch).fill_null(True),
        last=(pl.col("journey") != pl.col("journey").shift(-1)).fill_null(True),
    )
    rows = table.collect()
    known, at = np.unique(rows["state"].to_numpy(), return_inverse=True)
    n, first, last = len(known), rows["first"].to_numpy(), rows["last"].to_numpy()
    steps = sparse.csr_matrix((np.ones((~last).sum()), (at[~last], at[1:][~first[1:]])), shape=(n, n))
    out = np.bincount(at, minlength=n)
    start = np.bincount(at[first], minlength=n).astype(float)
    reward = np.bincount(at[last & rows["converts"].to_numpy()], minlength=n) / out
    chain = sparse.diags(1.0 / out) @ steps
    stays = known[:, None] % (len(names) + 1) != np.arange(1, len(names) + 1)
    left = _left_dense(chain.toarray(), start, reward, stays) if n <= 1_500 else None
    if left is None:
        left, x, back_steps = np.zeros(len(names)), start[:, None] * stays, chain.T.tocsr()
        while x.sum(axis=0).max() > 1e-14 * (reward @ out):
            left += reward @ x
            x = (back_steps @ x) * stays
    lost = reward @ out - left
    return pl.DataFrame({"channel": names, "conversions": reward @ out * lost / lost.sum()})


def _left_dense(chain: np.ndarray, start: np.ndarray, reward: np.ndarray, stays: np.ndarray) -> np.ndarray:
    """Conversions that are left without each channel."""
    left = np.empty(stays.shape[1])
    for channel, rest in enumerate(stays.T):
        system = np.eye(rest.sum()) - chain[np.ix_(rest, rest)]
        left[channel] = start[rest] @ np.linalg.solve(system, reward[rest])
    return left


# ------------------------------------------------------------------- scores
RESAMPLES = 10_000
#: NPS weights of the answers 0..10
WEIGHT = np.array([-1] * 7 + [0, 0] + [1, 1])


def numpy_multinomial(score: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Histogram, then resample the counts: the recipe to beat."""
    h = np.bincount(score, minlength=11)
    n = len(score)
    draws = rng.multinomial(n, np.array([h[:7].sum(), h[7:9].sum(), h[9:].sum()]) / n, size=RESAMPLES)
    return np.percentile((draws[:, 2] - draws[:, 0]) * (100 / n), [2.5, 97.5])


def numpy_multinomial_groups(
    group: np.ndarray, score: np.ndarray, n_groups: int, rng: np.random.Generator, resamples: int
) -> np.ndarray:
    h = np.bincount(group * 11 + score, minlength=n_groups * 11).reshape(-1, 11)
    counts = np.stack([h[:, :7].sum(1), h[:, 7:9].sum(1), h[:, 9:].sum(1)], 1)
    out = np.empty((n_groups, 2))
    for g, count in enumerate(counts):
        n = count.sum()
        draws = rng.multinomial(n, count / n, size=resamples)
        out[g] = np.percentile((draws[:, 2] - draws[:, 0]) * (100 / n), [2.5, 97.5])
    return out


def polars_groups(frame: pl.DataFrame) -> np.ndarray:
    """Detractors, passives and promoters of each group, by its number, as everybody writes it."""
    promoters, detractors = (pl.col("score") >= 9).sum(), (pl.col("score") <= 6).sum()
    found = frame.group_by("group").agg(d=detractors, p=promoters, n=pl.len()).sort("group")
    d, p, n = (found[name].to_numpy().astype(np.int64) for name in "dpn")
    return np.stack([d, n - d - p, p], 1)


def polars_packed_groups(frame: pl.DataFrame, n_groups: int) -> np.ndarray:
    """The same where groups are known to be small numbers: group and answer are one small key."""
    key = pl.col("group").cast(pl.UInt16) * 11 + pl.col("score").cast(pl.UInt16)
    found = frame.lazy().select(k=key).group_by("k").len().collect()
    counts = np.zeros(n_groups * 11, dtype=np.int64)
    counts[found["k"].to_numpy()] = found["len"].to_numpy()
    return _three(counts.reshape(-1, 11))


def numpy_groups(group: np.ndarray, score: np.ndarray, n_groups: int) -> np.ndarray:
    return _three(np.bincount(group * 11 + score, minlength=n_groups * 11).reshape(-1, 11))


def _three(levels: np.ndarray) -> np.ndarray:
    return np.stack([levels[:, :7].sum(1), levels[:, 7:9].sum(1), levels[:, 9:].sum(1)], 1)


def scipy_bootstrap(value: np.ndarray, method: str, resamples: int, rng: np.random.Generator) -> np.ndarray:
    from scipy.stats import bootstrap

    batch = max(1, 2_000_000 // len(value))
    done = bootstrap((value,), np.mean, n_resamples=resamples, method=method, batch=batch, rng=rng)
    return 100 * np.array(done.confidence_interval)


def scipy_difference(
    one: np.ndarray, two: np.ndarray, resamples: int, rng: np.random.Generator
) -> np.ndarray:
    from scipy.stats import bootstrap

    def difference(x: np.ndarray, y: np.ndarray, axis: int = -1) -> Any:
        return x.mean(axis=axis) - y.mean(axis=axis)

    batch = max(1, 2_000_000 // (len(one) + len(two)))
    done = bootstrap((one, two), difference, n_resamples=resamples, method="BCa", batch=batch, rng=rng)
    return 100 * np.array(done.confidence_interval)


def arch_bootstrap(value: np.ndarray, resamples: int) -> np.ndarray:
    from arch.bootstrap import IIDBootstrap

    boot = IIDBootstrap(value, seed=np.random.default_rng(1))
    return 100 * np.asarray(boot.conf_int(np.mean, reps=resamples, method="percentile")).ravel()


_SQL_NPS = "100.0 * avg(CASE WHEN score >= 9 THEN 1 WHEN score <= 6 THEN -1 ELSE 0 END)"


def duckdb_nps(con: Any) -> list[tuple[Any, ...]]:
    """The score alone by group in plain SQL, as every dashboard has it."""
    return con.execute(f'SELECT "group", {_SQL_NPS} FROM answers GROUP BY 1 ORDER BY 1').fetchall()


def duckdb_nps_arrow(con: Any) -> list[tuple[Any, ...]]:
    """The points of each answer by a Python function over Arrow arrays, averaged by group."""
    import pyarrow.compute as pc

    def points(score: Any) -> Any:
        is_promoter, is_critic = pc.greater_equal(score, 9), pc.less_equal(score, 6)
        return pc.cast(
            pc.multiply(100, pc.subtract(is_promoter.cast("int32"), is_critic.cast("int32"))), "float64"
        )

    if not con.execute("SELECT 1 FROM duckdb_functions() WHERE function_name = 'points'").fetchall():
        con.create_function("points", points, ["UTINYINT"], "DOUBLE", type="arrow")
    query = 'SELECT "group", avg(points(score)) FROM answers GROUP BY 1 ORDER BY 1'
    return con.execute(query).fetchall()


def polars_linearized(frame: pl.DataFrame) -> pl.DataFrame:
    """Weighted NPS of each segment and its standard error over customers: two group_bys, no interval."""
    weight = pl.when(pl.col("score") >= 9).then(100.0).when(pl.col("score") <= 6).then(-100.0).otherwise(0.0)
    cells = frame.lazy().group_by("segment", "customer")
    sums = cells.agg(m=pl.col("weight").sum(), s=(pl.col("weight") * weight).sum())
    mass, n = pl.col("m").sum(), pl.len()
    estimate = pl.col("s").sum() / mass
    square = ((pl.col("s") - estimate * pl.col("m")) ** 2).sum() / mass**2 * n / (n - 1)
    return sums.group_by("segment").agg(estimate=estimate, standard_error=square.sqrt()).collect()


def svy_linearized(frame: pl.DataFrame) -> pl.DataFrame:
    """The same as domains of a survey, whose column ``value`` has the points of each answer."""
    import svy

    sample = svy.Sample(data=frame, design=svy.Design(wgt="weight", psu="customer"))
    answer = sample.estimation.mean("value", by="segment").to_polars()
    return answer.select("segment", estimate="est", standard_error="se")


# ---------------------------------------------------------------- rolling scores

_PARTS = [
    pl.col("score").is_between(0, 6).sum().alias("detractors"),
    pl.col("score").is_between(7, 8).sum().alias("passives"),
    pl.col("score").is_between(9, 10).sum().alias("promoters"),
]


def polars_dynamic_nps(frame: pl.DataFrame) -> pl.DataFrame:
    """Counts of each window, as the documentation of Polars has it: every window collects its rows."""
    windows = frame.sort("day").group_by_dynamic(
        "day", every="1d", period="28d", offset="-27d", label="right"
    )
    counts = windows.agg(_PARTS).rename({"day": "end"})
    after = pl.lit(frame["day"].max()).dt.offset_by("1d")
    return counts.filter(pl.col("end") > frame["day"].min(), pl.col("end") <= after)


def polars_rolling_sum_nps(frame: pl.DataFrame) -> pl.DataFrame:
    """The same by counts of each day, then rolling sums of the counts."""
    daily = frame.group_by("day").agg(_PARTS).sort("day").upsample("day", every="1d")
    parts = pl.col("detractors", "passives", "promoters")
    counts = daily.with_columns(parts.fill_null(0).rolling_sum_by("day", "28d"))
    return counts.select(parts, end=pl.col("day").dt.offset_by("1d"))


def numpy_mixture(
    counts: np.ndarray, means: np.ndarray, bets: np.ndarray, goal: float
) -> tuple[float, float]:
    """Always-valid interval by grids: the stake of each bet against each mean, as published code does it."""
    x = np.linspace(0, 1, len(counts))
    m, f = means[:, None, None], bets[None, :, None]
    stakes = np.log(f * x / m + (1 - f) * (1 - x) / (1 - m)) @ counts
    top = stakes.max(axis=1)
    wealth = top + np.log(np.exp(stakes - top[:, None]).mean(axis=1))
    inside = means[wealth < goal]
    return float(inside[0]), float(inside[-1])
