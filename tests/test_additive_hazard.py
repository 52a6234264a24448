"""The additive hazard: kernel and twin, EM that never falls, planted truth, what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from cxcore import errors
from cxcore._ext import hazard as kernel
from cxcore.attribution import AdditiveHazard, Bootstrap, base, hazard_slope
from cxcore.attribution.additive_hazard import _step
from cxcore.attribution.base import Journeys
from tests.reference import hazard as reference
from tests.test_attribution import attribute, credits, journeys_in, log, random_log


def seen_in(journeys: Journeys, end: int) -> list[reference.Seen]:
    found = []
    for k, (lo, hi) in enumerate(zip(journeys.lo, journeys.hi, strict=True)):
        if lo < hi:
            age = (journeys.conversion_tick[k] - journeys.tick[lo:hi]) / 1e6 + 0.5
            found.append(reference.Seen(journeys.channel[lo:hi], age, converted=True))
    for lo, hi in zip(journeys.null_lo, journeys.null_hi, strict=True):
        found.append(reference.Seen(journeys.channel[lo:hi], (end - journeys.tick[lo:hi]) / 1e6 + 0.5, False))
    return found


@pytest.mark.parametrize("lookback", ["2d", "30d"])
@pytest.mark.parametrize("n_threads", [1, 3])
def test_a_pass_equals_its_twin(lookback: str, n_threads: int) -> None:
    journeys = journeys_in(random_log(n=900, users=150, channels=4), lookback)
    rng = np.random.default_rng(2)
    n = journeys.n_channels
    beta, omega = rng.random(n), rng.random(n) / 86_400
    end = int(max(journeys.tick.max(), journeys.conversion_tick.max()))
    seen = seen_in(journeys, end)
    moments = np.empty((n, 4))
    who = (journeys.view, journeys.conversion_tick, beta, omega, 1000)
    found = kernel.hazard_pass(*who, end, n_threads, moments)
    assert found == pytest.approx(reference.likelihood(seen, beta, omega), rel=1e-10)
    assert moments == pytest.approx(reference.hazard_pass(seen, beta, omega), rel=1e-9)
    credit = np.zeros((len(journeys.channel), 2))
    kernel.hazard_credit(journeys.view, journeys.conversion_tick, beta, omega, 1000, n_threads, credit)
    want = np.zeros_like(credit)
    for k, (lo, hi) in enumerate(zip(journeys.lo, journeys.hi, strict=True)):
        if lo < hi:
            age = (journeys.conversion_tick[k] - journeys.tick[lo:hi]) / 1e6 + 0.5
            _, share = reference.log_hazard(reference.Seen(journeys.channel[lo:hi], age, True), beta, omega)
            want[lo:hi] += share[:, None] * (1.0, journeys.value[k])
    assert credit == pytest.approx(want, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_no_step_lowers_the_likelihood(seed: int) -> None:
    events = random_log(seed=seed, n=600, users=120, channels=5)
    for journeys in (journeys_in(events), journeys_in(events, "12h"), journeys_in(events, None)):
        for some in (journeys, replace(journeys, null_lo=journeys.null_lo[:0], null_hi=journeys.null_hi[:0])):
            climbs = np.diff(AdditiveHazard(tolerance=0.0, most_steps=60).fit(some).likelihood)
            assert len(climbs)
            assert climbs.min() > -1e-9 * len(journeys.value)


def test_a_step_is_where_the_slope_of_the_likelihood_in_beta_is_0() -> None:
    """At the end of the fit the likelihood of the twin has no slope, in beta and in omega."""
    rng = np.random.default_rng(4)
    journeys = journeys_in(planted(rng, 700))
    fitted = AdditiveHazard(tolerance=1e-14, most_steps=5_000).fit(journeys)
    end = int(max(journeys.tick.max(), journeys.conversion_tick.max()))
    seen = seen_in(journeys, end)
    for at in range(journeys.n_channels):
        for which in (0, 1):
            ends = []
            for sign in (-1, 1):
                both = [fitted.beta.copy(), fitted.omega.copy()]
                both[which][at] *= 1 + sign * 1e-4
                ends.append(reference.likelihood(seen, both[0], both[1]))
            assert abs(ends[1] - ends[0]) / 2e-4 < 0.05  # of some 150 conversions


def planted(rng: np.random.Generator, n_users: int) -> pl.DataFrame:
    """Journeys of the model itself: beta 0.1 and 0.5, mean delays of 2 and 5 days, seen for 60 days."""
    truth = {"fast": (0.1, 2.0), "slow": (0.5, 5.0)}
    rows: list[tuple[str, float, str | None, float | None]] = []
    for user in range(n_users):
        times = np.sort(rng.uniform(0, 40, 1 + rng.poisson(2)))
        names = rng.choice(list(truth), len(times))
        bought = []
        for time, name in zip(times, names, strict=True):
            beta, delay = truth[name]
            bought += list(time + rng.exponential(delay, rng.poisson(beta)))
        first = min([60.0, *bought])
        rows += [
            (f"u{user}", float(t), str(c), None) for t, c in zip(times, names, strict=True) if t <= first
        ]
        if first < 60:
            rows.append((f"u{user}", float(first), None, 1.0))
    return log(*rows)


def test_planted_truth_is_found() -> None:
    """4,000 customers: beta and mean delays within a tenth to a fifth; shares of credit within 3 %."""
    journeys = journeys_in(planted(np.random.default_rng(1), 4_000), None)
    fitted = AdditiveHazard().fit(journeys)
    day = 86_400
    found = {name: (fitted.beta[c], 1 / fitted.omega[c] / day) for c, name in enumerate(journeys.names)}
    assert found["slow"] == pytest.approx((0.5, 5.0), rel=0.1)
    assert found["fast"] == pytest.approx((0.1, 2.0), rel=0.25)
    credit = AdditiveHazard().credit(journeys)
    assert credit.conversions.sum() == pytest.approx((journeys.lo < journeys.hi).sum())


def test_touches_share_by_what_is_left_of_them() -> None:
    """Far behind the conversion, at its very instant, and long past all decay: numbers, never 0 / 0."""
    rows = [("a", 0, "x", None), ("a", 25, "y", None), ("a", 25, None, 2.0), ("b", 0, "y", None)]
    answer = attribute(log(*rows), model="additive_hazard")
    assert answer["conversions"].is_finite().all()
    assert credits(answer)["y"] > 0.9
    for steps in (5, np.int64(5)):
        assert AdditiveHazard(most_steps=steps).label == "additive_hazard(most_steps=5)"


def test_an_influence_is_what_a_little_more_of_a_customer_changes() -> None:
    """The fit is taken as far as doubles go."""
    rng = np.random.default_rng(8)
    journeys = journeys_in(random_log(n=600, users=60))
    assert len(journeys.null_lo)
    journeys = replace(journeys, times=1.0 + rng.random(journeys.n_users))
    model = AdditiveHazard(tolerance=0.0, most_steps=20_000)
    fitted = model.fit(journeys)
    influence = model.influence(fitted, journeys)
    total = np.einsum("u,uck->ck", journeys.times, influence)
    assert total == pytest.approx(_amounts(model, journeys), rel=1e-5, abs=1e-4)
    step = 1e-3
    for user in range(0, journeys.n_users, 7):
        change = step * (np.arange(journeys.n_users) == user)
        more, less = (
            _amounts(model, replace(journeys, times=journeys.times + by)) for by in (change, -change)
        )
        slope = (more - less) / (2 * step)
        assert influence[user] == pytest.approx(slope, rel=1e-3, abs=1e-3 * np.abs(slope).max() + 1e-6)


def _amounts(model: AdditiveHazard, journeys: Journeys) -> np.ndarray:
    credit = model.credit(journeys)
    return np.column_stack((credit.conversions, credit.value))


def test_touches_sum_to_the_credit() -> None:
    events = random_log(n=500, users=60)
    rows = attribute(events, model="additive_hazard", touches=True)
    by_channel = rows.group_by("channel").agg(pl.col("credit").sum(), pl.col("value").sum()).sort("channel")
    whole = attribute(events, model="additive_hazard").sort("channel")
    assert by_channel["credit"].to_numpy() == pytest.approx(whole["conversions"].to_numpy(), abs=1e-9)
    assert by_channel["value"].to_numpy() == pytest.approx(whole["value"].to_numpy(), abs=1e-9)


def test_blocks_of_conversions_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    journeys = journeys_in(random_log(n=400, users=9))
    fitted = AdditiveHazard().fit(journeys)
    whole = fitted.slope.influence(journeys)
    monkeypatch.setattr(hazard_slope, "_HELD", 40)
    monkeypatch.setattr(base, "_PAIRS", 50)
    again = AdditiveHazard().fit(journeys).slope.influence(journeys)
    assert again == pytest.approx(whole, rel=1e-6, abs=1e-8)


@pytest.mark.slow
def test_the_formula_agrees_with_customers_drawn_again() -> None:
    log = planted(np.random.default_rng(3), 1_500)
    ways = ("analytic", Bootstrap(400, rng=4))
    options = {"model": "additive_hazard", "confidence_level": 0.95, "lookback": None}
    formula, drawn = (attribute(log, method=way, **options)["standard_error"] for way in ways)
    assert formula.to_numpy() == pytest.approx(drawn.to_numpy(), rel=0.12)


def test_a_channel_that_never_converts_adds_nothing() -> None:
    beta, omega = _step(np.array([[0.0, 0.0, 3.0, 2.0]]), np.array([0.5]), 10.0)
    assert (beta.tolist(), omega.tolist()) == ([0.0], [0.5])


def test_no_channel_has_no_error() -> None:
    answer = attribute(log(("a", 0, None, 3.0)), model="additive_hazard", confidence_level=0.95)
    assert answer.select("channel", "conversions", "value").rows() == [(None, 1.0, 3.0)]


def test_what_is_refused() -> None:
    journeys = journeys_in(random_log(n=100))
    model = AdditiveHazard()
    with pytest.raises(errors.InvalidOptionError) as caught:
        model.fit(replace(journeys, tick=journeys.tick[:0]))
    assert str(caught.value) == (
        "attribute(model='additive_hazard'): learns from times, and these journeys have none.\n"
        "  Hint: pass the events to attribute()."
    )
    many = replace(journeys, names=pl.Series([f"c{k}" for k in range(201)]))
    with pytest.raises(errors.InvalidOptionError, match="bootstrap"):
        model.influence(model.fit(many), many)
    with pytest.raises(errors.InvalidOptionError):
        AdditiveHazard(tolerance=-1.0)
    with pytest.raises(errors.InvalidOptionError):
        AdditiveHazard(most_steps=0)
