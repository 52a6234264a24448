"""The demo: a year of real groceries and a real survey, from raw rows to numbers with intervals."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import polars as pl

import cxcore as cx
from cxcore import datasets, errors

MODELS = ("last_touch", "first_touch", "linear", "position", "time_decay", "markov")
LOOKBACK = "70d"
RESAMPLES = 200
WIDTH = 100


class Clock:
    """Seconds and rows of every step."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, int, float]] = []

    @contextmanager
    def step(self, name: str, rows: int) -> Iterator[None]:
        """Time the block under this name."""
        start = time.perf_counter()
        yield
        self.steps.append((name, rows, time.perf_counter() - start))


def demo() -> None:
    """Print the whole demo."""
    clock, start = Clock(), time.perf_counter()
    journey = datasets.complete_journey()
    with clock.step("read the purchase lines", 1_469_307):
        lines = journey.transactions.select(
            "household_id", "basket_id", "sales_value", "transaction_timestamp"
        ).collect()
    _title("cxcore: one year of groceries (The Complete Journey, 84.51°, 2017) and an airport's survey")
    _visits(lines, clock)
    log = campaign_log(journey, lines)
    _campaigns(log, clock)
    _sales(log, clock)
    _survey(clock)
    _sql(lines, log, clock)
    _timings(clock, time.perf_counter() - start)


# ---------------------------------------------------------------- 1 visits


def _visits(lines: pl.DataFrame, clock: Clock) -> None:
    roles = {"user": "household_id", "time": "transaction_timestamp"}
    with clock.step("sessionize: a visit for every line", lines.height):
        rows = cx.sessionize(lines, **roles, gap="30m")
    with clock.step("sessions: one row per visit", lines.height):
        visits = cx.sessions(lines, **roles, gap="30m")
    n, households = visits.height, lines["household_id"].n_unique()
    _head("1  How do households shop?")
    _say(
        f"{lines.height:,} purchase lines of {households:,} households are {n:,} visits: a new visit starts after 30 "
        f"minutes without a purchase. The tills counted {lines['basket_id'].n_unique():,} baskets; some are rung up in "
        "the same visit. The whole panel is counted, so there is no sampling error to show."
    )
    by_visit = rows.group_by("household_id", "session_number").agg(
        lines=pl.len(), baskets=pl.col("basket_id").n_unique(), sales=pl.col("sales_value").sum()
    )
    away = visits.sort("household_id", "start").select(
        (pl.col("start") - pl.col("end").shift(1).over("household_id")).dt.total_seconds() / 86_400
    )
    _table(
        ["", "1 in 10 below", "half below", "9 in 10 below", "mean"],
        [
            _spread("visits per household", by_visit.group_by("household_id").len()["len"], 0),
            _spread("days until the next visit", away["start"].drop_nulls(), 1),
            _spread("purchase lines per visit", by_visit["lines"], 0),
            _spread("sales per visit, $", by_visit["sales"], 2),
        ],
    )
    several = by_visit.filter(pl.col("baskets") > 1).height
    _say(f"{several:,} visits ({several / n:.1%}) hold more than one basket.")


def _spread(name: str, values: pl.Series, decimals: int) -> list[str]:
    cuts = [values.quantile(share, "nearest") for share in (0.1, 0.5, 0.9)]
    return [name, *(f"{cut:,.{decimals}f}" for cut in cuts), f"{values.mean():,.{max(decimals, 1)}f}"]


# ---------------------------------------------------------------- 2, 3 campaigns


def campaign_log(journey: datasets.CompleteJourney, lines: pl.DataFrame) -> pl.DataFrame:
    """Contacts and redemptions as one log of touches and conversions.

    A touch is a household and a campaign, on the campaign's first day. A conversion is a redeemed coupon; its value is
    the household's sales of that day, shared among the coupons of the day. ``coupon`` is the coupon's own campaign.
    """
    campaigns = journey.campaign_descriptions.select(
        "campaign_id",
        day="start_date",
        type="campaign_type",
        campaign=pl.format("{} {}", pl.col("campaign_type").str.strip_prefix("Type "), "campaign_id"),
    )
    touches = journey.campaigns.join(campaigns, on="campaign_id").select(
        "household_id", "day", "campaign", "type", conversion=pl.lit(False)
    )
    sales = (
        lines.lazy()
        .group_by("household_id", day=pl.col("transaction_timestamp").dt.date())
        .agg(sales=pl.col("sales_value").sum())
    )
    redeemed = (
        journey.coupon_redemptions.join(campaigns.drop("day"), on="campaign_id")
        .rename({"redemption_date": "day"})
        .join(sales, on=["household_id", "day"], how="left")
        .select(
            "household_id",
            "day",
            conversion=pl.lit(True),
            sales=pl.col("sales") / pl.len().over("household_id", "day"),
            coupon="campaign",
            coupon_type="type",
        )
    )
    log = pl.concat([touches, redeemed], how="diagonal")
    return log.sort("household_id", "day", "conversion", maintain_order=True).collect()


def credit(log: pl.DataFrame, channel: str, by: str | None = None) -> pl.DataFrame:
    """Credit of every model: redemptions and sales by campaign or by type of campaign."""
    return cx.attribute(
        log,
        user="household_id" if by is None else "draw",
        time="day",
        channel=channel,
        conversion="conversion",
        value="sales",
        model=list(MODELS),
        lookback=LOOKBACK,
        by=by,
    )


def _campaigns(log: pl.DataFrame, clock: Clock) -> None:
    with clock.step(f"attribute: {len(MODELS)} models, 27 campaigns", log.height):
        found = credit(log, "campaign")
    coupon = log.filter("conversion").group_by(campaign="coupon").agg(coupon=pl.len())
    wide = (
        found.pivot("model", index="channel", values="conversions")
        .join(coupon, left_on="channel", right_on="campaign", how="left")
        .join(
            log.group_by("campaign").agg(contacts=pl.len()),
            left_on="channel",
            right_on="campaign",
            how="left",
        )
        .fill_null(0)
        .sort("coupon", "channel", descending=[True, False])
    )
    shown, rest = wide.head(8), wide.slice(8)
    total = rest.select(
        channel=pl.lit(f"{rest.height} others"), **{c: pl.col(c).sum() for c in wide.columns[1:]}
    )
    n = int(wide["coupon"].sum())
    _head(f"2  Which campaign earned the {n:,} coupon redemptions?")
    _say(
        f"Touch: a household is sent a campaign (its first day). Conversion: it redeems a coupon. Look back "
        f"{LOOKBACK[:-1]} days; only one campaign ran longer. A coupon names its own campaign, so here, unlike in most "
        'logs, the truth is known: column "coupon". What a model credits elsewhere is its error.'
    )
    names = ["coupon", *MODELS]
    body = [
        [row["channel"], f"{row['contacts']:,}", f"{row['coupon']:,}", *(f"{row[m]:,.1f}" for m in MODELS)]
        for frame in (shown, total)
        for row in frame.iter_rows(named=True)
    ]
    wrong = [f"{(wide[m] - wide['coupon']).abs().sum() / 2 / n:.1%}" for m in MODELS]
    body.append(["on a wrong campaign", "", "0.0%", *wrong])
    _table(["campaign", "contacts", *names], body)


def resampled(log: pl.DataFrame, n: int, seed: int) -> pl.DataFrame:
    """The log of n panels, each drawn from the households with replacement: a new id for every draw."""
    households = log["household_id"].unique().sort()
    picked = np.random.default_rng(seed).integers(0, households.len(), n * households.len())
    draws = pl.DataFrame(
        {
            "household_id": households.gather(picked),
            "draw": np.arange(picked.size),
            "panel": np.repeat(np.arange(n), households.len()),
        }
    )
    return draws.join(log, on="household_id", maintain_order="left_right")


def _sales(log: pl.DataFrame, clock: Clock) -> None:
    with clock.step(f"draw {RESAMPLES} panels of households", log.height * RESAMPLES):
        panels = resampled(log, RESAMPLES, seed=1)
    with clock.step(f"attribute: {len(MODELS)} models on {RESAMPLES} panels", panels.height):
        found = credit(panels, "type", by="panel")
    once = credit(log, "type")
    truth = log.filter("conversion").group_by(channel="coupon_type").agg(pl.col("sales").sum())
    total = truth["sales"].sum()
    days = log.filter("conversion").select(pl.struct("household_id", "day").n_unique()).item()
    _head(f"3  Which kind of campaign earned the ${total:,.0f} of sales on days of redemption?")
    _say(
        f"Share of the sales of {days:,} shopping days on which a coupon was redeemed, by type of campaign, with 95 % "
        f"intervals ({RESAMPLES} panels of households drawn with replacement). Credit is not proof of cause: these "
        "households might have shopped anyway."
    )
    types = truth.sort("channel")["channel"].to_list()
    body = [["coupon (truth)", *(f"{_of(truth, name, 'sales') / total:.1%}" for name in types), ""]]
    shares = {m: _shares(found, m, types) for m in MODELS}
    for model in MODELS:
        mine = once.filter(pl.col("model") == model)
        point = [_of(mine, name, "value") / total for name in types]
        cells = [_interval(p, shares[model][:, at], "{:.1%}") for at, p in enumerate(point)]
        reference = once.filter(pl.col("model") == MODELS[0])
        gap = point[0] - _of(reference, types[0], "value") / total
        against = _interval(100 * gap, 100 * (shares[model] - shares[MODELS[0]])[:, 0], "{:+.1f}")
        body.append([model, *cells, "" if model == MODELS[0] else against])
    _table(["share of sales", *types, f"{types[0]} against {MODELS[0]}, points"], body)


def _of(frame: pl.DataFrame, channel: str, column: str) -> float:
    return float(frame.filter(pl.col("channel") == channel)[column].sum())


def _shares(found: pl.DataFrame, model: str, types: Sequence[str]) -> np.ndarray:
    """Share of value by panel (rows) and channel (columns)."""
    wide = found.filter(pl.col("model") == model).pivot(
        "channel", index="panel", values="value", on_columns=types
    )
    value = wide.sort("panel").select(types).fill_null(0.0).to_numpy()
    shares: np.ndarray = value / value.sum(axis=1, keepdims=True)
    return shares


def _interval(point: float, draws: np.ndarray, form: str) -> str:
    low, high = np.quantile(draws, [0.025, 0.975])
    return f"{form.format(point)} ({form.format(low)} … {form.format(high)})".replace("%)", ")")


# ---------------------------------------------------------------- 4 survey


def _survey(clock: Clock) -> None:
    asked = {"nps": datasets.airport_answers("nps"), "csat": datasets.airport_answers("csat")}
    with clock.step("nps and csat: 7 areas and all, exact intervals", sum(f.height for f in asked.values())):
        nps = [cx.nps(asked["nps"], score="score", by="boarding_area"), cx.nps(asked["nps"], score="score")]
        csat = [
            cx.csat(asked["csat"], score="score", by="boarding_area"),
            cx.csat(asked["csat"], score="score"),
        ]
    _head("4  What do passengers think? San Francisco airport, 2017, by boarding area")
    _say(
        "NPS: would recommend, 9-10 less 0-6 of 0..10, in points from -100 to 100. CSAT: 4 or 5 of 1..5, in percent. "
        "95 % intervals by the exact bootstrap, no seed. Source: City and County of San Francisco, SFO Customer Survey "
        "2017, DataSF (PDDL). Each answer counts as independent; passengers of one flight answer alike, which makes "
        "these intervals somewhat too narrow."
    )
    for name, parts in (("NPS", nps), ("CSAT", csat)):
        rows = [row for part in parts for row in part.iter_rows(named=True)]
        low, high = min(row["low"] for row in rows), max(row["high"] for row in rows)
        body = [
            [
                row.get("boarding_area", "all"),
                f"{row['n']:,}",
                f"{row['estimate']:.1f}",
                f"{row['low']:.1f} … {row['high']:.1f}",
                row["method"],
                _bar(row, low, high),
            ]
            for row in rows
        ]
        _table(["area", "answers", name, "95 % interval", "method", f"{low:.0f} {'to':^32} {high:.0f}"], body)


def _bar(row: dict[str, float], low: float, high: float, width: int = 40) -> str:
    """The interval drawn on a line from low to high."""
    left, middle, right = (
        round((row[at] - low) / (high - low) * (width - 1)) for at in ("low", "estimate", "high")
    )
    cells = [" "] * left + ["─"] * (right - left + 1) + [" "] * (width - 1 - right)
    cells[left], cells[right], cells[middle] = "├", "┤", "●"
    return "".join(cells)


# ---------------------------------------------------------------- 5 SQL

VISITS_SQL = """SELECT count(DISTINCT session_id) AS visits
FROM cx.sessionize('lines', user_col := 'household_id', time_col := 'transaction_timestamp',
                   gap := INTERVAL 30 MINUTE)"""
CREDIT_SQL = """SELECT channel, conversions
FROM cx.attribute('log', user_col := 'household_id', time_col := 'day', channel_col := 'type',
                  conversion_col := 'conversion', model := 'markov', lookback := INTERVAL 70 DAY)
WHERE channel IS NOT NULL ORDER BY channel"""
NPS_SQL = """SELECT boarding_area, ci.estimate, ci.low, ci.high
FROM (SELECT boarding_area, cx.nps_ci(score) AS ci FROM answers GROUP BY boarding_area)
ORDER BY boarding_area"""


def _sql(lines: pl.DataFrame, log: pl.DataFrame, clock: Clock) -> None:
    try:
        import duckdb
    except ImportError as error:
        raise errors.missing_dependency("demo", "duckdb", "demo") from error
    from cxcore.duckdb import register

    answers = datasets.airport_answers("nps")
    con = duckdb.connect()
    con.execute("SET enable_progress_bar = false")
    for name, frame in (("lines", lines), ("log", log), ("answers", answers)):
        con.register(name, frame)
    register(con)
    with clock.step("DuckDB: visits", lines.height):
        visits = con.sql(VISITS_SQL).fetchall()
    with clock.step("DuckDB: Markov attribution", log.height):
        earned = con.sql(CREDIT_SQL).fetchall()
    with clock.step("DuckDB: NPS by area", answers.height):
        scores = con.sql(NPS_SQL).fetchall()

    n_visits = cx.sessions(lines, user="household_id", time="transaction_timestamp").height
    credited = credit(log, "type").filter((pl.col("model") == "markov") & pl.col("channel").is_not_null())
    nps = cx.nps(answers, score="score", by="boarding_area").sort("boarding_area")
    _head("5  The same in SQL, inside DuckDB")
    _query(VISITS_SQL, f"{visits[0][0]:,} visits", _same(visits, [(n_visits,)]))
    _query(
        CREDIT_SQL,
        "   ".join(f"{name} {conversions:,.1f}" for name, conversions in earned),
        _same(earned, credited.sort("channel").select("channel", "conversions").rows()),
    )
    _query(
        NPS_SQL,
        "   ".join(f"{area} {estimate:.1f} ({low:.1f} … {high:.1f})" for area, estimate, low, high in scores),
        _same(scores, nps.select("boarding_area", "estimate", "low", "high").rows()),
    )
    con.close()


def _query(sql: str, result: str, same: str) -> None:
    print("\n".join(f"  {line}" for line in sql.splitlines()))
    _say(f"→ {result}")
    _say(f"  {same}\n")


def _same(sql: Sequence[tuple[object, ...]], python: Sequence[tuple[object, ...]]) -> str:
    """Whether SQL and Python agree: names exactly, numbers to twelve digits."""
    if len(sql) != len(python):
        return "DIFFERS from the answer in Python"
    for row, other in zip(sql, python, strict=True):
        for a, b in zip(row, other, strict=True):
            close = (
                np.isclose(a, b, rtol=1e-12, atol=1e-9)
                if isinstance(a, float) and isinstance(b, float)
                else a == b
            )
            if not close:
                return f"DIFFERS from the answer in Python: {row} and {other}"
    return "equal to the answer in Python"


# ---------------------------------------------------------------- the page


def _timings(clock: Clock, total: float) -> None:
    _head("Time")
    _table(
        ["step", "rows", "seconds", "rows per second"],
        [[name, f"{rows:,}", f"{spent:.3f}", f"{rows / spent:,.0f}"] for name, rows, spent in clock.steps],
    )
    info = cx.build_info()
    _say(f"{total:.1f} seconds in all, {pl.thread_pool_size()} threads, cxcore {info['version']}, one run.")


def _title(text: str) -> None:
    print(f"{text}\n{'═' * len(text)}")


def _head(text: str) -> None:
    print(f"\n{text}\n{'─' * len(text)}")


def _say(text: str) -> None:
    """Print a paragraph broken at the width of the page."""
    line = ""
    for word in text.split(" "):
        if line and len(line) + 1 + len(word) > WIDTH:
            print(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    print(line)


def _table(header: Sequence[str], body: Sequence[Sequence[str]]) -> None:
    """Print columns as wide as their widest cell: the first to the left, the others to the right."""
    widths = [max(len(row[at]) for row in [header, *body]) for at in range(len(header))]
    print()
    for row in [header, *body]:
        cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
        cells[0] = row[0].ljust(widths[0])
        print("  " + "  ".join(cells).rstrip())
    print()
