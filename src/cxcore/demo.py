"""The demo: a year of real groceries and a real survey, from raw rows to numbers with intervals."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import polars as pl

import cxcore as cx
from cxcore import datasets, errors
from cxcore.attribution import ModelWord

MODELS: tuple[ModelWord, ...] = ("last_touch", "first_touch", "linear", "position", "time_decay", "markov")
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
            "household_id", "basket_id", "store_id", "sales_value", "transaction_timestamp"
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
    with clock.step("index: by household and time, once", lines.height):
        index = cx.index(lines, user="household_id", time="transaction_timestamp")
    with clock.step("sessionize: a visit for every line", lines.height):
        rows = cx.sessionize(index, gap="30m")
    with clock.step("sessions: one row per visit", lines.height):
        visits = cx.sessions(index, gap="30m")
    n, households, baskets = visits.height, lines["household_id"].n_unique(), lines["basket_id"].n_unique()
    _head("1  How do households shop?")
    _say(
        f"{lines.height:,} purchase lines of {households:,} households are {n:,} visits: a new visit "
        f"starts after 30 minutes without a purchase. The tills counted {baskets:,} baskets; some are rung "
        "up in the same visit. The whole panel is counted, so there is no sampling error to show."
    )
    by_visit = rows.group_by("household_id", "session_number").agg(
        lines=pl.len(), baskets=pl.col("basket_id").n_unique(), sales=pl.col("sales_value").sum()
    )
    away = visits.sort("household_id", "start").select(
        (pl.col("start") - pl.col("end").shift(1).over("household_id")).dt.total_seconds() / 86_400
    )
    _table(
        ["", "1 in 10 at most", "half at most", "9 in 10 at most", "mean"],
        [
            _spread("visits per household", by_visit.group_by("household_id").len()["len"], 0),
            _spread("days until the next visit", away["start"].drop_nulls(), 1),
            _spread("purchase lines per visit", by_visit["lines"], 0),
            _spread("sales per visit, $", by_visit["sales"], 2),
        ],
    )
    several = by_visit.filter(pl.col("baskets") > 1).height
    print()
    _say(f"{several:,} visits ({several / n:.1%}) hold more than one basket. What a visit is, the rule says:")
    _rules(index, clock)


#: what a visit is -> options of ``sessions``
RULES: dict[str, dict[str, Any]] = {
    "30 minutes without a purchase": {"gap": "30m"},
    "and never over midnight": {"gap": "30m", "calendar": "1d"},
    "and one store": {"gap": "30m", "split_on": "store_id"},
    "and one hour at most": {"gap": "30m", "max_duration": "1h"},
    "2 hours without a purchase": {"gap": "2h"},
    "one basket": {"gap": None, "split_on": "basket_id"},
}


def _rules(index: cx.EventIndex, clock: Clock) -> None:
    """The same log by other rules, each in one pass with the sales and stores of its visits."""
    rows = []
    with clock.step(f"sessions: {len(RULES)} rules, with sales and stores", len(index) * len(RULES)):
        for words, rules in RULES.items():
            found = cx.sessions(index, **rules, sum="sales_value", first="store_id", last="store_id")
            two_stores = (found["first_store_id"] != found["last_store_id"]).sum()
            mean = found["sum_sales_value"].to_numpy().mean()
            rows.append([words, f"{found.height:,}", f"{mean:,.2f}", f"{two_stores:,}"])
    _table(["a visit is", "visits", "sales per visit, $", "end in another store"], rows)


def _spread(name: str, values: pl.Series, decimals: int) -> list[str]:
    cuts = [values.quantile(share, "nearest") for share in (0.1, 0.5, 0.9)]
    mean = float(values.to_numpy().mean())
    return [name, *(f"{cut:,.{decimals}f}" for cut in cuts), f"{mean:,.{max(decimals, 1)}f}"]


# ---------------------------------------------------------------- 2, 3 campaigns


def campaign_log(journey: datasets.CompleteJourney, lines: pl.DataFrame) -> pl.DataFrame:
    """Contacts and redemptions as one log of touches and conversions.

    A touch is a household and a campaign, on the campaign's first day. A conversion is a redeemed coupon; its
    value is the household's sales of that day, shared among the coupons of the day. ``coupon`` is the
    coupon's own campaign.
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


def credit(log: pl.DataFrame, channel: str, user: str = "household_id") -> pl.DataFrame:
    """Credit of every model: redemptions and sales by campaign or by type of campaign."""
    found: pl.DataFrame = cx.attribute(
        log,
        user=user,
        time="day",
        channel=channel,
        conversion="conversion",
        value="sales",
        model=list(MODELS),
        lookback=LOOKBACK,
    )
    return found


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
        "Touch: a household is sent a campaign (its first day). Conversion: it redeems a coupon. Look "
        f"back {LOOKBACK[:-1]} days; only one campaign ran longer. time_decay halves every 7 days. A "
        "coupon names its own campaign, so here, unlike in most logs, the truth is known: column "
        '"coupon". What a model credits elsewhere is misplaced. "A 18" is campaign 18, of type A. The '
        "whole panel is counted."
    )
    body = [
        [row["channel"], f"{row['contacts']:,}", f"{row['coupon']:,}", *(f"{row[m]:,.1f}" for m in MODELS)]
        for frame in (shown, total)
        for row in frame.iter_rows(named=True)
    ]
    wrong = {m: (wide[m] - wide["coupon"]).abs().sum() / 2 / n for m in MODELS}
    body.append(["misplaced, net", "", "0.0%", *(f"{share:.1%}" for share in wrong.values())])
    _table(["campaign", "contacts", "coupon", *MODELS], body)
    best, worst = min(wrong, key=wrong.__getitem__), max(wrong, key=wrong.__getitem__)
    print()
    _say(
        f"On these data {best} comes nearest to the coupons ({wrong[best]:.1%} misplaced) and {worst} is "
        f"furthest off ({wrong[worst]:.1%})."
    )


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
        drawn = pl.concat(
            credit(panel, "type", user="draw").with_columns(panel=pl.lit(number))
            for number, panel in enumerate(panels.partition_by("panel", maintain_order=True))
        )
    once = credit(log, "type")
    conversions = log.filter("conversion")
    total, types = conversions["sales"].sum(), conversions["coupon_type"].unique().sort().to_list()
    days = conversions.select(pl.struct("household_id", "day").n_unique()).item()
    _head(f"3  Which type of campaign earned the ${total:,.0f} of sales on days of redemption?")
    _say(
        f"Percent of the sales of {days:,} shopping days on which a coupon was redeemed. In brackets: 95% "
        f"interval, from {RESAMPLES} panels of households drawn with replacement. Off: what the model "
        "gives type A less what its coupons earned, in points. A day's sales are shared among its coupons. "
        "Credit is not proof of cause: these households might have shopped anyway."
    )
    own = {"channel": "coupon_type", "value": "sales"}
    truth = _shares(conversions.select(**own, panel=pl.lit(0)), types)
    truth_drawn = _shares(panels.filter("conversion").select("panel", **own), types)
    body = [["coupon", *_cells(truth, truth_drawn), ""]]
    n_off = 0
    for model in MODELS:
        share = _shares(once.filter(pl.col("model") == model).with_columns(panel=pl.lit(0)), types)
        share_drawn = _shares(drawn.filter(pl.col("model") == model), types)
        off = (share_drawn - truth_drawn)[:, :1]
        n_off += int(np.quantile(off, 0.025) > 0 or np.quantile(off, 0.975) < 0)
        cells = _cells(share, share_drawn) + _cells((share - truth)[:, :1], off, "+.1f")
        body.append([model, *cells])
    _table(["% of sales", *types, f"off, {types[0]}"], body)
    print()
    _say(f"{n_off} of {len(MODELS)} models are off by more than the luck of the draw (interval without 0).")


def _shares(credited: pl.DataFrame, types: Sequence[str]) -> np.ndarray:
    """Percent of value by panel (rows) and channel (columns)."""
    wide = credited.pivot(
        "channel", index="panel", values="value", on_columns=types, aggregate_function="sum"
    )
    value = wide.sort("panel").select(types).fill_null(0.0).to_numpy()
    shares: np.ndarray = 100 * value / value.sum(axis=1, keepdims=True)
    return shares


def _cells(point: np.ndarray, drawn: np.ndarray, form: str = ".1f") -> list[str]:
    """A number per column and the middle 95 % of what the panels gave."""
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    return [f"{p:{form}} ({a:{form}} to {b:{form}})" for p, a, b in zip(point[0], low, high, strict=True)]


# ---------------------------------------------------------------- 4 survey


def _survey(clock: Clock) -> None:
    asked = {"nps": datasets.airport_answers("nps"), "csat": datasets.airport_answers("csat")}
    with clock.step("nps and csat: 7 areas and all, exact intervals", sum(f.height for f in asked.values())):
        nps = cx.nps(asked["nps"], score="score", by="boarding_area", total=True)
        csat = cx.csat(asked["csat"], score="score", by="boarding_area", total=True)
    _head("4  What do passengers think? San Francisco airport, 2017, by boarding area")
    _say(
        "NPS: would recommend, 9-10 less 0-6 of 0..10, in points from -100 to 100. CSAT: 4 or 5 of 1..5, "
        "in percent. 95% intervals by the exact bootstrap, no seed. Each answer counts as independent; "
        "passengers of one flight answer alike, which makes these intervals somewhat too narrow. Source: "
        "City and County of San Francisco, SFO Customer Survey 2017, DataSF (PDDL)."
    )
    for name, found in (("NPS", nps), ("CSAT", csat)):
        rows = found.rows(named=True)
        low, high = min(row["low"] for row in rows), max(row["high"] for row in rows)
        body = [
            [
                row["boarding_area"] or "all",
                f"{row['n']:,}",
                f"{row['estimate']:.1f}",
                f"{row['low']:.1f} to {row['high']:.1f}",
                row["method"],
                _bar(row, low, high),
            ]
            for row in rows
        ]
        axis = f"{low:<.0f}{high:>38.0f}"
        _table(["area", "answers", name, "95% interval", "method", axis], body)


def _bar(row: dict[str, float], low: float, high: float, width: int = 40) -> str:
    """The interval drawn on a line from low to high."""
    left, middle, right = (
        round((row[at] - low) / (high - low) * (width - 1)) for at in ("low", "estimate", "high")
    )
    cells = [" "] * left + ["─"] * (right - left + 1) + [" "] * (width - 1 - right)
    cells[left], cells[right], cells[middle] = "├", "┤", "●"
    return "".join(cells)


# ---------------------------------------------------------------- 5 SQL

VISITS_SQL = """SELECT count(DISTINCT (household_id, session_number)) AS visits
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
    from cxcore.engines.duckdb import Stream

    answers = datasets.airport_answers("nps")
    con = duckdb.connect()
    con.execute("SET enable_progress_bar = false")
    for name, frame in (("lines", lines), ("log", log), ("answers", answers)):
        con.register(name, Stream(frame))  # DuckDB reads a Polars frame itself through pyarrow only
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
    _query(VISITS_SQL, [f"{visits[0][0]:,} visits"], _same(visits, [(n_visits,)]))
    _query(
        CREDIT_SQL,
        [f"{name} {conversions:,.1f}" for name, conversions in earned],
        _same(earned, credited.sort("channel").select("channel", "conversions").rows()),
    )
    _query(
        NPS_SQL,
        [f"{area} {estimate:.1f} ({low:.1f} to {high:.1f})" for area, estimate, low, high in scores],
        _same(scores, nps.select("boarding_area", "estimate", "low", "high").rows()),
    )
    con.close()


def _query(sql: str, result: Sequence[str], same: str) -> None:
    print("\n" + "\n".join(f"  {line}" for line in sql.splitlines()))
    _flow(["→", *result], "  ")
    print(f"→  {same}")


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
    return "equal to the answer in Python, to 12 digits"


# ---------------------------------------------------------------- the page


def _timings(clock: Clock, total: float) -> None:
    _head("Time")
    _table(
        ["step", "rows", "seconds", "rows per second"],
        [[name, f"{rows:,}", f"{spent:.3f}", f"{rows / spent:,.0f}"] for name, rows, spent in clock.steps],
    )
    info = cx.build_info()
    print()
    _say(f"{total:.1f} seconds in all, {pl.thread_pool_size()} threads, cxcore {info['version']}, one run.")


def _title(text: str) -> None:
    print(f"{text}\n{'═' * len(text)}")


def _head(text: str) -> None:
    print(f"\n{text}\n{'─' * len(text)}")


def _say(text: str) -> None:
    """Print a paragraph broken at the width of the page."""
    _flow(text.split(" "), " ")


def _flow(parts: Sequence[str], joint: str) -> None:
    """Print parts one after the other; none is broken."""
    line = ""
    for part in parts:
        if line and len(line) + len(joint) + len(part) > WIDTH:
            print(line)
            line = part
        else:
            line = f"{line}{joint}{part}" if line else part
    print(line)


def _table(header: Sequence[str], body: Sequence[Sequence[str]]) -> None:
    """Print columns as wide as their widest cell: the first to the left, the others to the right."""
    widths = [max(len(row[at]) for row in [header, *body]) for at in range(len(header))]
    print()
    for row in [header, *body]:
        cells = [cell.rjust(width) for cell, width in zip(row, widths, strict=True)]
        cells[0] = row[0].ljust(widths[0])
        print("  " + "  ".join(cells).rstrip())
