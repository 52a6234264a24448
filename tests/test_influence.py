"""What one customer changes in the credit: the contract of ``Model.influence``, and its twin."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cxcore import errors
from cxcore.attribution import MODELS, Credit, Journeys, Markov, Model, PathIncrement
from tests.reference import uncertainty as reference
from tests.test_attribution import journeys_in, log, random_log

#: the fit of "additive_hazard" ends a little before its end: tests of its own
HAVE_ONE = [
    model()
    for word, model in MODELS.items()
    if model.influence is not Model.influence and word != "additive_hazard"
]
HAVE_ONE += [Markov(2), Markov(3), PathIncrement(2)]
models = pytest.mark.parametrize("model", HAVE_ONE, ids=lambda m: m.label)


def some_times(n_users: int, seed: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 4, n_users).astype(np.float64)


def amounts(model: Model, journeys: Journeys) -> np.ndarray:
    credit = model.credit(journeys)
    return np.column_stack((credit.conversions, credit.value))


@models
@pytest.mark.parametrize("alike", [False, True])
def test_influences_of_all_customers_sum_to_the_credit(model: Model, alike: bool) -> None:
    journeys = journeys_in(random_log(n=600, users=60))
    if alike:
        journeys = replace(journeys, times=some_times(journeys.n_users))
    fitted = model.fit(journeys)
    times = journeys.times if alike else np.ones(journeys.n_users)
    total = np.zeros((journeys.n_channels, 2))
    for first in range(0, journeys.n_users, 17):
        end = min(first + 17, journeys.n_users)
        some = model.influence(fitted, journeys.of_users(first, end))
        total += np.einsum("u,uck->ck", times[first:end], some)
    assert total == pytest.approx(amounts(model, journeys), rel=1e-9, abs=1e-9)


@models
def test_the_credit_of_what_was_learned_is_the_credit(model: Model) -> None:
    """To the last bit: intervals change no credit."""
    journeys = journeys_in(random_log(n=600, users=60))
    credit, learned = model.credit(journeys), model.credit_of(model.fit(journeys), journeys)
    assert (learned.conversions == credit.conversions).all()
    assert (learned.value == credit.value).all()
    for name in ("removal_effect", "sampling_error", "error_bound"):
        one, other = getattr(credit, name), getattr(learned, name)
        assert (one is None) == (other is None)
        assert one is None or (one == other).all()


@models
def test_an_influence_is_what_a_little_more_of_a_customer_changes(model: Model) -> None:
    journeys = journeys_in(random_log(n=600, users=60))
    # of no two paths the same rate: there "counterfactual" jumps
    times = 1.0 + some_times(journeys.n_users) + np.random.default_rng(8).random(journeys.n_users)
    journeys = replace(journeys, times=times)
    influence = model.influence(model.fit(journeys), journeys)
    step = 1e-4
    for user in range(0, journeys.n_users, 7):
        change = step * (np.arange(journeys.n_users) == user)
        more, less = (amounts(model, replace(journeys, times=times + by)) for by in (change, -change))
        assert influence[user] == pytest.approx((more - less) / (2 * step), rel=1e-5, abs=1e-6)


def test_a_model_without_an_influence_says_so() -> None:
    class Nothing(Model):
        word = "nothing"

        def credit(self, journeys: Journeys) -> Credit:
            return Credit(np.zeros(journeys.n_channels), np.zeros(journeys.n_channels))

    journeys = journeys_in(log(("a", 0, "x", 1.0)))
    text = (
        r"attribute\(model='nothing'\): it does not say what one customer changes, so there is no formula "
        r"for its error.\n  Hint: say method='bootstrap'."
    )
    with pytest.raises(errors.InvalidOptionError, match=text):
        Nothing().influence(Nothing().fit(journeys), journeys)


# ---------------------------------------------------------------- twins

walks = st.lists(
    st.tuples(
        st.lists(st.sampled_from("xyzw"), min_size=1, max_size=5),
        st.none() | st.sampled_from([1.0, 2.5, 0.0]),
        st.integers(0, 3),
    ),
    min_size=1,
    max_size=9,
)


def journeys_of_walks(walks: list[reference.Walk]) -> tuple[Journeys, list[object]]:
    """One journey after the other; a user's journey that did not convert is the last."""
    users = list(dict.fromkeys(who for _, _, who in walks))
    rows = []
    for user in users:
        day = 0.0
        for path, value, _ in sorted((w for w in walks if w[2] == user), key=lambda w: w[1] is None):
            rows += [(str(user), day + i / 10, channel, None) for i, channel in enumerate(path)]
            day += 100.0
            if value is not None:
                rows.append((str(user), day - 90.0, None, value))
    return journeys_in(log(*rows)), users


@pytest.mark.parametrize("table", [0, 64])
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(walks=walks)
def test_influences_equal_their_twins(
    walks: list[reference.Walk], table: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cxcore.attribution.taken_out._TABLE", table)
    once = dict.fromkeys(who for _, value, who in walks if value is None)  # one a user does not convert
    last = {who: max(i for i, w in enumerate(walks) if w[1:] == (None, who)) for who in once}
    walks = [w for i, w in enumerate(walks) if w[1] is not None or last[w[2]] == i]
    journeys, users = journeys_of_walks(walks)
    rules = {"linear": lambda n: [Fraction(1, n)] * n, "first_touch": lambda n: [1] + [0] * (n - 1)}
    for word in ("markov", *rules):
        model = MODELS[word]()
        got = model.influence(model.fit(journeys), journeys)
        for at, user in enumerate(users):
            if word == "markov":
                want = reference.chain_influence(walks, user)
            else:
                want = reference.customer_credit(walks, user, rules[word])
            for code, name in enumerate(journeys.names):
                assert got[at, code] == pytest.approx(want.get(name, (0.0, 0.0)), rel=1e-6, abs=1e-6), word
