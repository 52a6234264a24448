"""Groups against a control: what is known, the twin, coverage, p-values, adjustment, frames and errors."""

from __future__ import annotations

import datetime as dt
from fractions import Fraction

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from scipy import stats

import cxcore as cx
from cxcore import InvalidDataError, InvalidOptionError, compare, metrics
from cxcore.differences import DIFFERENCES, BcaDifference, BootstrapDifference, Mover, Pairs, adjusted
from cxcore.differences.law import DifferenceLaw
from cxcore.intervals import Sample, interval_of
from tests.reference import scores as twin

NPS = np.array([-1, 0, 1])


def pairs_of(one, two, weights=NPS):
    weights = np.array(weights, dtype=np.int64)
    return Pairs(*(Sample(np.atleast_2d(np.array(counts, dtype=np.int64)), weights) for counts in (one, two)))


def answers_of(**groups):
    """Answers 3, 8 and 10 for (detractors, passives, promoters) of each group."""
    return pl.DataFrame(
        [(name, score) for name, counts in groups.items() for score in np.repeat([3, 8, 10], counts)],
        schema={"group": pl.String, "score": pl.Int64},
        orient="row",
    )


# ---------------------------------------------------------------- what is known


def test_is_the_difference_real():
    """NPS fell from 46 to 39, with 87 and 94 answers: no."""
    house = answers_of(before=(12, 23, 52), after=(13, 31, 50))
    row = compare(house, score="score", group="group", control="before").row(0, named=True)
    assert (row["group"], row["control"], row["n"], row["n_control"]) == ("after", "before", 94, 87)
    assert [round(row[name], 1) for name in ("estimate", "estimate_control", "difference")] == [
        39.4,
        46.0,
        -6.6,
    ]
    assert (round(row["low"], 1), round(row["high"], 1)) == (-27.3, 14.7)
    assert (row["p_value"] > 0.05, row["method"], row["flags"]) == (True, "mover", "")
    exact = compare(house, score="score", group="group", control="before", method="bootstrap").row(
        0, named=True
    )
    assert exact["method"] == "bca"
    assert (exact["low"], exact["high"]) == pytest.approx((row["low"], row["high"]), abs=1)


def test_mover_of_shares_is_newcombe_s_interval():
    """Newcombe 1998, Table II, method 10: 56/70 less 48/80, and 9/10 less 3/10."""
    low, high = Mover().limits(pairs_of([(14, 56), (1, 9)], [(32, 48), (7, 3)], (0, 1)), 0.05)
    assert low == pytest.approx([0.0524, 0.1705], abs=5e-5)
    assert high == pytest.approx([0.3339, 0.8090], abs=5e-5)


def test_scipy_agrees_within_its_noise():
    one, two = (20, 25, 45), (40, 22, 48)
    samples = [np.repeat(NPS, counts).astype(float) for counts in (one, two)]

    def difference(x, y, axis=-1):
        return x.mean(axis=axis) - y.mean(axis=axis)

    drawn = stats.bootstrap(
        samples, difference, n_resamples=20_000, batch=2_000, method="percentile", vectorized=True, rng=2
    )
    law = DifferenceLaw(np.array(one), np.array(two), NPS)
    exact = law.quantile(0.025), law.quantile(0.975)
    assert exact == pytest.approx(tuple(drawn.confidence_interval), abs=0.006)
    assert BcaDifference().of_law(law, 0.05) == pytest.approx(exact, abs=0.02)


# ---------------------------------------------------------------- against the twin

small = st.lists(st.integers(0, 5), min_size=3, max_size=3).filter(lambda counts: sum(map(bool, counts)) > 1)


@settings(max_examples=60)
@given(small, small, st.sampled_from([(-1, 0, 1), (0, 1, 3), (-4, 0, 2)]), st.sampled_from((0.5, 0.1, 0.05)))
def test_difference_law(one, two, weights, alpha):
    law = DifferenceLaw(np.array(one), np.array(two), np.array(weights))
    known = twin.difference_law(one, two, weights)
    for d in sorted(known)[:: max(len(known) // 7, 1)]:
        at = round(d * law.grid)
        upto = sum(chance for other, chance in known.items() if other <= d)
        assert law.upto(at) == pytest.approx(float(upto), abs=1e-13)
        assert law.below(at) == pytest.approx(float(upto - known[d]), abs=1e-13)
    ends = tuple(map(float, twin.difference_bca(one, two, weights, alpha)))
    assert BcaDifference().of_law(law, alpha) == pytest.approx(ends, abs=1e-12)


@settings(max_examples=60)
@given(small, small, st.sampled_from((0.5, 0.1, 0.05)))
def test_intervals_of_the_law_are_its_quantiles(one, two, alpha):
    """Percentile, basic and expanded, by adding up every resample of both sides."""
    known = twin.difference_law(one, two, NPS)
    pairs = pairs_of(one, two)
    center = pairs.difference[0]

    def ends(tail):
        found, total = [], Fraction(0)
        levels = [tail * (1 - 1e-9), 1 - tail * (1 - 1e-9)]
        for d in sorted(known):
            total += known[d]
            while levels and total >= levels[0]:
                found.append(float(d))
                levels.pop(0)
        return found

    low, high = ends(alpha / 2)
    found = {word: np.array(DIFFERENCES[word].limits(pairs, alpha)).ravel() for word in DIFFERENCES}
    assert found["percentile"] == pytest.approx([low, high], abs=1e-12)
    assert found["basic"] == pytest.approx([2 * center - high, 2 * center - low], abs=1e-12)
    parts = [np.repeat(NPS, counts).var(ddof=1) / sum(counts) for counts in (one, two)]
    divided = [part**2 / (sum(counts) - 1) for part, counts in zip(parts, (one, two), strict=True)]
    dof = np.floor(sum(parts) ** 2 / sum(divided) + 1e-9)
    k = np.sqrt(sum(parts) / (pairs.sample.standard_error**2 + pairs.control.standard_error**2))[0]
    wider = float(stats.norm.sf(k * stats.t.isf(alpha / 2, dof)))
    assert found["expanded"] == pytest.approx(ends(wider), abs=1e-12)


@pytest.mark.parametrize("method", ["bca", "percentile", "basic", "expanded"])
def test_an_unguarded_method_warns_of_thin_sides(method):
    house = pl.DataFrame(
        {"group": ["a"] * 60 + ["b"] * 60 + ["c"] * 60, "score": [10] * 58 + [3] * 2 + [10, 3, 8] * 40}
    )
    with pytest.warns(
        cx.DegenerateDataWarning, match=rf"compare\(method='{method}'\): 2 of 2 groups have fewer"
    ):
        answer = compare(house, score="score", group="group", control="a", method=method)
    assert answer["method"].to_list() == [method] * 2
    assert all("thin_support" in flags for flags in answer["flags"])
    alike = pl.DataFrame({"group": ["a"] * 3 + ["b"] * 3 + ["c"] * 2, "score": [10] * 6 + [3] * 2})
    with pytest.warns(cx.DegenerateDataWarning):
        answer = compare(alike, score="score", group="group", control="a", method=method)
    assert answer.select("low", "high", "p_value").rows() == [(0, 0, 1), (-200, -200, 0)]


@given(
    st.lists(st.integers(0, 60), min_size=3, max_size=3).filter(any),
    st.lists(st.integers(0, 60), min_size=3, max_size=3).filter(any),
    st.sampled_from(sorted(DIFFERENCES)),
    st.sampled_from((0.5, 0.2, 0.1, 0.05, 0.01, 0.001)),
)
def test_the_p_value_is_the_interval_read_backwards(one, two, method, alpha):
    pairs = pairs_of(one, two)
    p = DIFFERENCES[method].p_values(pairs)[0]
    assume(abs(p - alpha) > 1e-7)
    low, high = DIFFERENCES[method].limits(pairs, alpha)
    assert low[0] <= pairs.difference[0] + 1e-12
    assert high[0] >= pairs.difference[0] - 1e-12
    assert (p < alpha) == bool(low[0] > 1e-15 or high[0] < -1e-15)
    swapped = pairs_of(two, one)
    assert DIFFERENCES[method].limits(swapped, alpha)[0] == pytest.approx(-high, abs=1e-12)
    # BCa near its pole multiplies the last digits of the tails, of which one is 1 - the other
    assert DIFFERENCES[method].p_values(swapped)[0] == pytest.approx(p, rel=1e-5, abs=1e-10)


few = st.lists(st.integers(0, 10), min_size=1, max_size=8)


@pytest.mark.parametrize("method", ["bca", "bootstrap", "expanded", "percentile"])
@settings(max_examples=100)
@given(few, few, st.integers(0, 6), st.floats(0.5, 0.999))
@example([10, 7], [4, 3], 0, 0.95)  # expanded: p was 0.108 beside [100, 200]
@example([10, 7], [4, 3], 0, 0.99)  # and low -200, which no resample has
@example([8, 7, 9], [6, 0], 0, 0.99)
@example([10, 10, 10, 8], [0, 0, 0, 7], 0, 0.9999999)  # bca: low was -200
def test_few_answers_agree_with_their_law(method, one, two, apart, level):
    """What far tails and few degrees of freedom make of laws that end before 0, or at it."""
    one, two = [min(score + apart, 10) for score in one], [max(score - apart, 0) for score in two]
    pairs = pairs_of(*(np.histogram(side, [0, 7, 9, 11])[0] for side in (one, two)))
    p, alpha = DIFFERENCES[method].p_values(pairs)[0], 1 - level
    assume(abs(p - alpha) > 1e-7)
    low, high = np.ravel(DIFFERENCES[method].limits(pairs, alpha))
    assert (p < alpha) == bool(low > 1e-15 or high < -1e-15)
    if method != "bootstrap":  # which is MOVER for so few, and knows of answers that were not given
        one, two = (np.digitize(side, [7, 9]) - 1 for side in (one, two))
        assert min(one) - max(two) <= low <= high <= max(one) - min(two)


def test_tails_that_rounding_hides_end_with_the_law():
    """One answer of two in the control: the tail of one degree of freedom is e-70."""
    pairs = pairs_of((1, 0, 999), (1, 0, 1))
    assert np.ravel(DIFFERENCES["expanded"].limits(pairs, 0.05)) == pytest.approx((-2, 2))
    assert DIFFERENCES["expanded"].p_values(pairs)[0] > 0.05
    law = DifferenceLaw(np.array((0, 5, 5)), np.array((5, 5, 0)), NPS)
    assert (law.quantile(0), law.quantile(1)) == (0, 2)
    assert (law.upto(-1), law.below(0), law.upto(law.top), law.above(law.top + 1)) == (0, 0, 1, 0)


def test_many_answers():
    """Both methods and the textbook's z meet where there are many answers."""
    one, two = np.array([200_000, 300_000, 500_000]), np.array([30_000, 46_000, 75_003])
    pairs = pairs_of(one, two)
    error = np.hypot(pairs.sample.standard_error, pairs.control.standard_error)
    z = pairs.difference / error
    for word in set(DIFFERENCES) - {"always_valid"}:  # that is for who looks more than once
        method = DIFFERENCES[word]
        low, high = method.limits(pairs, 0.05)
        assert low == pytest.approx(pairs.difference - 1.96 * error, abs=error[0] / 50)
        assert high == pytest.approx(pairs.difference + 1.96 * error, abs=error[0] / 50)
        assert method.p_values(pairs) == pytest.approx(2 * stats.norm.sf(abs(z)), rel=0.02)


def test_far_apart():
    p = [method.p_values(pairs_of((900, 50, 50), (50, 50, 900)))[0] for method in DIFFERENCES.values()]
    assert all(0 <= each < 1e-12 for each in p)


# ---------------------------------------------------------------- coverage


def least_coverage(limits, n_one, n_two, populations):
    """Worst chance to hold the true difference, over all samples of both sides."""
    samples = [list(twin.samples(n, 3)) for n in (n_one, n_two)]
    at = np.indices([len(each) for each in samples]).reshape(2, -1)
    pairs = pairs_of(np.array(samples[0])[at[0]], np.array(samples[1])[at[1]])
    low, high = limits(pairs)
    found = []
    for one, two in populations:
        truth = (one[2] - one[0]) - (two[2] - two[0])
        chance = [[twin.chance(s, p) for s in each] for each, p in zip(samples, (one, two), strict=True)]
        holds = (low <= truth + 1e-12) & (high >= truth - 1e-12)
        found.append(float(np.outer(*chance).ravel() @ holds))
    return min(found)


POPULATIONS = [
    ((0.2, 0.3, 0.5), (0.2, 0.3, 0.5)),
    ((0.02, 0.06, 0.92), (0.08, 0.14, 0.78)),
    ((0.45, 0.1, 0.45), (0.1, 0.75, 0.15)),
    ((0.02, 0.06, 0.92), (0.02, 0.06, 0.92)),
]


def test_mover_covers_where_wald_does_not():
    def wald(pairs):
        half = 1.959964 * np.hypot(pairs.sample.standard_error, pairs.control.standard_error)
        return pairs.difference - half, pairs.difference + half

    assert least_coverage(lambda pairs: Mover().limits(pairs, 0.05), 20, 15, POPULATIONS) > 0.945
    assert least_coverage(wald, 20, 15, POPULATIONS) < 0.89


# ---------------------------------------------------------------- adjustment


@given(st.lists(st.sampled_from([0.0, 0.001, 0.01, 0.02, 0.04, 0.3, 0.5, 1.0, float("nan")]), max_size=9))
def test_adjusted_p_values(p):
    """Holm and Benjamini-Hochberg by their definitions; rows without a p-value do not count."""
    known = [each for each in p if each == each]
    m = len(known)
    holm = {
        x: min(1.0, max((m - sum(z < y for z in known)) * y for y in known if y <= x)) for x in set(known)
    }
    bh = {x: min(1.0, *(m / sum(z <= y for z in known) * y for y in known if y >= x)) for x in set(known)}
    for how, by_hand in (("holm", holm), ("bh", bh)):
        found = adjusted(np.array(p, dtype=float), how)
        assert found == pytest.approx([by_hand.get(each, np.nan) for each in p], nan_ok=True)
    if m:
        scipy = stats.false_discovery_control(known, method="bh")
        assert adjusted(np.array(known), "bh") == pytest.approx(scipy)


# ---------------------------------------------------------------- frames

HOUSE = pl.DataFrame(
    {
        "plan": ["free"] * 7 + ["pro"] * 7 + ["team"] * 2 + [None] * 2,
        "arm": ["old", "new", "new", "old", None, "alt", "alt"] * 2 + ["new", "alt"] + ["old", "new"],
        "score": [10, 3, 8, 9, None, 11, 7, 10, 10, 2, 2, 5, 9, 9, 8, None, 9, 9],
        "day": [dt.date(2024, 1 + at % 2, 5) for at in range(18)],
    }
)
ROLES = {"score": "score", "group": "arm", "control": "old", "missing": [11]}


def test_by_hand():
    answer = compare(HOUSE, by="plan", adjust="bh", **ROLES)
    assert answer.columns == [
        "plan", "group", "control", "n", "n_control", "estimate", "estimate_control", "difference", "low",
        "high", "p_value", "p_adjusted", "method", "flags",
    ]  # fmt: skip
    assert answer.select(answer.columns[:8]).rows() == [
        ("free", "alt", "old", 1, 2, 0.0, 100.0, -100.0),
        ("free", "new", "old", 2, 2, -50.0, 100.0, -150.0),
        ("free", None, "old", 0, 2, None, 100.0, None),
        ("pro", "alt", "old", 2, 2, 100.0, 0.0, 100.0),
        ("pro", "new", "old", 2, 2, 0.0, 0.0, 0.0),
        ("pro", None, "old", 1, 2, -100.0, 0.0, -100.0),
        ("team", "alt", "old", 0, 0, None, None, None),
        ("team", "new", "old", 1, 0, 0.0, None, None),
        (None, "new", "old", 1, 1, 100.0, 100.0, 0.0),
    ]
    assert answer["flags"][2] == answer["flags"][6] == answer["flags"][7] == "no_answers"
    assert answer.row(2)[8:13] == (None,) * 5
    assert answer["flags"][1] == "few_answers,one_category"
    assert (answer["p_value"][4], answer["p_value"][8]) == (1, 1)


def test_numbers_are_those_of_the_score():
    alone = cx.nps(HOUSE, score="score", by="arm", missing=[11])
    answer = compare(HOUSE, **ROLES)
    of = dict(zip(alone["arm"], alone["estimate"], strict=True))
    assert answer["group"].to_list() == ["alt", "new", None]
    assert answer["estimate"].to_list() == [of["alt"], of["new"], of[None]]
    assert set(answer["estimate_control"]) == {of["old"]}


def test_every_metric():
    fives = pl.DataFrame({"score": [1, 2, 3, 4, 5, 5, 5, 4] * 9, "arm": ["a", "b"] * 36})
    for metric, scale, verb, options in (
        ("csat", None, cx.csat, {}),
        ("ces", None, cx.ces, {}),
        ("mean_score", (1, 5), cx.mean_score, {"scale": (1, 5)}),
        (metrics.Csat(top=1), None, cx.csat, {"top": 1}),
        (metrics.Ces(scale=(1, 5), kind="top"), None, cx.ces, {"scale": (1, 5), "kind": "top"}),
        (metrics.Nps((1, 5), 5, 3), None, cx.nps, {"scale": (1, 5), "promoter": 5, "detractor": 3}),
        (metrics.MeanScore((0, 5)), None, cx.mean_score, {"scale": (0, 5)}),
    ):
        answer = compare(fives, score="score", group="arm", control="a", metric=metric, scale=scale)
        alone = verb(fives, score="score", by="arm", **options)["estimate"]
        assert answer.select("estimate_control", "estimate").row(0) == tuple(alone)
        assert answer["difference"][0] == pytest.approx(alone[1] - alone[0])


BYS = {
    "none": None,
    "columns": ["plan", "day"],
    "expression": pl.col("day").dt.truncate("1mo").alias("month"),
    "lists": pl.concat_list(pl.col("plan").str.len_bytes()).alias("length"),
    "categories": pl.col("plan").cast(pl.Categorical),
}


@pytest.mark.parametrize("by", BYS.values(), ids=BYS)
@pytest.mark.parametrize("adjust", [None, "holm"])
@pytest.mark.filterwarnings("ignore::cxcore.errors.DegenerateDataWarning")
@pytest.mark.parametrize("method", DIFFERENCES)
@pytest.mark.parametrize("rows", [0, 18])
def test_lazy_schema_is_what_comes(by, adjust, method, rows):
    lazy = HOUSE.head(rows).lazy()
    answer = compare(lazy, by=by, adjust=adjust, method=method, **ROLES)
    assert answer.collect_schema() == answer.collect().schema
    assert_frame_equal(
        answer.collect(), compare(lazy.collect(), by=by, adjust=adjust, method=method, **ROLES)
    )


def test_every_engine(frame):
    house = HOUSE.select("plan", "arm", "score")
    frame.check(compare(frame(house), by="plan", **ROLES), compare(house, by="plan", **ROLES))


@pytest.mark.parametrize(
    ("control", "other"),
    [(1, 5), (2.0, 0.5), (True, False), (dt.date(2024, 1, 1), dt.date(2023, 1, 1)), ("x", "y"), (b"x", b"y")],
)
def test_controls_of_any_type(control, other):
    house = pl.DataFrame({"arm": [control, other, None], "score": [10, 9, 0]})
    answer = compare(house, score="score", group="arm", control=control)
    assert (answer["group"].to_list(), answer["control"].to_list()) == ([other, None], [control] * 2)
    assert answer.schema["control"] == house.schema["arm"]


@given(st.randoms(use_true_random=False))
def test_order_of_rows_is_no_matter(random):
    order = list(range(HOUSE.height))
    random.shuffle(order)
    for by in (None, "plan"):
        known = compare(HOUSE, by=by, **ROLES)
        assert_frame_equal(compare(HOUSE[order], by=by, **ROLES), known, check_exact=True)


def test_bootstrap_falls_back_where_it_cannot_know():
    house = answers_of(a=(20, 30, 50), b=(18, 30, 40), c=(0, 2, 28))
    answer = compare(house, score="score", group="group", control="a", method="bootstrap")
    assert answer["method"].to_list() == ["bca", "mover"]
    assert answer["flags"].to_list() == ["", "mover_fallback"]
    plain = compare(house, score="score", group="group", control="a")
    assert answer.row(1)[:-1] == plain.row(1)[:-1]
    assert answer.row(0)[7:11] != plain.row(0)[7:11]
    assert compare(house, score="score", group="group", control="a", method=BootstrapDifference()).equals(
        answer
    )


def test_two_intervals_may_overlap_and_the_difference_be_real():
    one, two = (100, 120, 280), (125, 128, 247)
    ends = interval_of([one, two], NPS)
    assert ends.low[0] < ends.high[1]
    assert Mover().p_values(pairs_of(one, two))[0] < 0.03


# ---------------------------------------------------------------- errors, whole

ERRORS = [
    (
        {"control": "older"}, InvalidOptionError,
        "compare(control='older'): no group of that name.\n"
        "  Groups: 'alt', 'new', 'old', None\n  Hint: did you mean 'old'?",
    ),
    (
        {"group": "score", "control": "9"}, InvalidOptionError,
        "compare(control='9'): no group of that name.\n"
        "  Groups: 2, 3, 5, 7, 8, 9, 10, 11, None\n  Hint: the groups are of another type: 9.",
    ),
    (
        {"control": None}, InvalidOptionError,
        "compare(control=None): names no group.\n"
        "  Hint: name one; a group of nulls can be named with fill_null().",
    ),
    (
        {"control": np.array(["old", "new"])}, InvalidOptionError,
        "compare(control=array(['old', 'new'], dtype='<U3')): takes one value.\n"
        "  Hint: name one group, such as control='pilot'.",
    ),
    (
        {"metric": "nsp"}, InvalidOptionError,
        "compare(metric='nsp'): not one of the words.\n"
        "  Words: 'nps', 'csat', 'ces', 'mean_score'\n  Hint: did you mean 'nps'?",
    ),
    (
        {"metric": metrics.Csat(), "scale": (1, 5)}, InvalidOptionError,
        "compare(scale=(1, 5)): the metric has a scale of its own.\n"
        "  Hint: write metric=Csat(scale=(1, 5), …).",
    ),
    (
        {"metric": "mean_score"}, InvalidOptionError,
        "compare(scale=None): not two whole numbers.\n"
        "  Hint: write the lowest and the highest level, such as scale=(1, 5).",
    ),
    (
        {"method": "wald"}, InvalidOptionError,
        "compare(method='wald'): not one of the words.\n"
        "  Words: 'mover', 'bootstrap', 'bca', 'percentile', 'basic', 'expanded', 'always_valid'\n"
        "  Hint: pass one of the words.",
    ),
    (
        {"adjust": "bonferroni"}, InvalidOptionError,
        "compare(adjust='bonferroni'): not one of the words.\n"
        "  Words: 'holm', 'bh'\n  Hint: pass one of the words.",
    ),
    (
        {"by": pl.col("plan").alias("group")}, InvalidOptionError,
        "compare(by='group'): the answer has a column of that name.\n"
        "  Hint: rename it, for example by=pl.col('group').alias('group_group').",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("options", "kind", "text"), ERRORS)
def test_errors(options, kind, text):
    with pytest.raises(kind) as caught:
        compare(HOUSE, **{**ROLES, **options})
    assert str(caught.value) == text


def test_an_expression_is_no_control():
    with pytest.raises(InvalidOptionError, match="takes one value"):
        compare(HOUSE, **{**ROLES, "control": pl.lit("old")})


def test_a_control_alone():
    with pytest.raises(InvalidDataError) as caught:
        compare(HOUSE.filter(arm="old"), **ROLES)
    assert str(caught.value) == (
        "compare(group='arm'): every row is of the control group 'old', so there is nothing to compare.\n"
        "  Hint: keep the other groups in the frame."
    )


def test_nothing_at_all():
    assert compare(HOUSE.clear(), **ROLES).height == 0


def test_other_data_errors_are_those_of_the_scores():
    with pytest.raises(InvalidDataError, match=r"compare\(score='score'\): 1 of 18 answers is outside 0..10"):
        compare(HOUSE, **{**ROLES, "missing": None})
    with pytest.raises(cx.ColumnNotFoundError, match=r"compare\(group='arms'\): no such column"):
        compare(HOUSE, **{**ROLES, "group": "arms"})
