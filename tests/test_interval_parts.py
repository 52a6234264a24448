"""Intervals of attribution by parts of whole users: the answer of one machine, and no rows in one place."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import cxcore as cx
from cxcore import _parts
from cxcore.attribution import MODELS, Analytic, Bootstrap, Markov, PathIncrement, summed_sample
from cxcore.attribution.methods import Limits
from cxcore.attribution.sample import Contrasts, Sample
from tests.in_parts import CONVERTS, Apart, registered, touches

TOUCHES = touches(300)
SURE: dict[str, Any] = {**CONVERTS, "confidence_level": 0.9}
SUMS = [word for word, model in MODELS.items() if model().is_sum]
LEARNED = ["markov", "shapley_rate", "counterfactual", "path_increment"]
METHODS = {
    "analytic": Analytic(),
    "percentile": Bootstrap(replicates=100, rng=1),
    "bca": Bootstrap(replicates=100, rng=1, kind="bca"),
}
methods = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
COSTS = pl.DataFrame({"channel": ["email", "social"], "cost": [10.0, 20.0]})


@pytest.fixture(scope="module", autouse=True)
def in_parts() -> Iterator[None]:
    with registered(piece=250):
        yield


def apart(rows: pl.DataFrame, parts: int = 3, batch: int = 40) -> Apart:
    return Apart(rows, parts, batch, may_be_whole=False)


def close(found: pl.DataFrame, want: pl.DataFrame, abs_tol: float = 1e-9) -> None:
    """An end of an interval may be a difference of larger numbers."""
    assert_frame_equal(found, want, check_exact=False, rel_tol=1e-11, abs_tol=abs_tol)


def agrees(rows: pl.DataFrame, parts: int = 3, **asked: Any) -> Apart:
    frame = apart(rows, parts)
    close(cx.attribute(frame, **asked), cx.attribute(rows, **asked))
    return frame


# ---------------------------------------------------------------- models that are sums


@methods
@pytest.mark.parametrize("by", [None, ["plan", pl.col("cost") > 1]], ids=["all", "by"])
def test_every_model_that_is_a_sum(method: Any, by: Any) -> None:
    asked: Any = {**SURE, "model": SUMS, "stage": "is_lead", "method": method, "by": by}
    for parts in (1, 8):
        frame = agrees(TOUCHES, parts, **asked)
        assert len(frame.walks) == 1


@methods
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"by": "plan"},
        {"spend": COSTS},
        {"value": None, "spend": COSTS},
        {"lookback": None, "allocation": "reset"},
        {"transform": "exposure"},
        {"transform": ["first", "frequency"]},
        {"container": "plan", "lookback": "3d"},
    ],
    ids=lambda options: ",".join(options),
)
@pytest.mark.parametrize("compare", [False, True], ids=["credit", "compare"])
def test_whatever_else_is_asked(method: Any, options: dict[str, Any], compare: bool) -> None:
    models = ["linear", "time_decay", "last_touch"]
    agrees(TOUCHES, **{**SURE, "model": models, "method": method, "compare": compare, **options})


def test_costs_of_groups_and_of_no_channel() -> None:
    costs = COSTS.join(TOUCHES.select("plan").unique(), how="cross")
    for more in ({}, {"compare": True}):
        agrees(TOUCHES, **SURE, model=["linear", "position"], by="plan", spend=costs, **more)
    with pytest.raises(cx.InvalidDataError, match="that the log does not have"):
        cx.attribute(apart(TOUCHES), **SURE, spend=COSTS.with_columns(channel="tv " + pl.col("channel")))


def test_sums_of_whole_numbers_are_the_same_bits_in_any_number_of_parts() -> None:
    asked: Any = {**SURE, "value": None, "model": ["first_touch", "last_touch", "participation"]}
    for method in METHODS.values():
        found = [cx.attribute(apart(TOUCHES, parts), **asked, method=method) for parts in (1, 3, 8)]
        assert found[0].equals(found[1])
        assert found[0].equals(found[2])
    asked["method"] = METHODS["percentile"]
    assert cx.attribute(apart(TOUCHES), **asked).equals(cx.attribute(TOUCHES, **asked))


def test_rows_come_in_any_order() -> None:
    asked: Any = {**SURE, "model": ["linear", "time_decay", "markov"], "by": "plan"}
    one = cx.attribute(apart(TOUCHES), **asked)
    assert cx.attribute(apart(TOUCHES.sample(fraction=1, shuffle=True, seed=1)), **asked).equals(one)


def test_a_generator_gives_one_seed_a_call() -> None:
    here, there = (Bootstrap(replicates=100, rng=np.random.default_rng(3)) for _ in range(2))
    asked: Any = {**SURE, "model": "linear"}
    answers = []
    for _ in range(2):
        found = cx.attribute(apart(TOUCHES), **asked, method=here)
        close(found, cx.attribute(TOUCHES, **asked, method=there))
        answers.append(found)
    assert not answers[0].equals(answers[1])


def test_channels_that_a_part_does_not_know() -> None:
    """Each user has a channel of their own, and one that all share."""
    log = TOUCHES.with_columns(
        channel=pl.when(pl.col("row") % 3 > 0).then("channel").otherwise(pl.format("c{}", pl.col("row") % 23))
    ).with_columns(channel=pl.when(pl.col("channel").is_not_null()).then("channel"))
    for method in METHODS.values():
        for compare in (False, True):
            models = ["linear", "first_touch"]
            agrees(log, 8, **SURE, model=models, method=method, compare=compare, by="plan")
    agrees(log, 8, **SURE, model=["linear", "markov", "counterfactual"], by="plan")


# ---------------------------------------------------------------- few digits


def offset_log(n: int, offset: float) -> pl.DataFrame:
    """All convert once, after one touch, for nearly the same value."""
    who = np.repeat(np.arange(n), 2)
    log = pl.DataFrame({"user_id": who, "ts": np.tile([0, 60], n), "row": np.arange(2 * n)})
    return log.with_columns(
        channel=pl.when(pl.col("ts") == 0).then(pl.lit("email")),
        conversion=pl.col("ts") > 0,
        value=pl.when(pl.col("ts") > 0).then(offset + pl.col("user_id") % 4 / 4.0),
    )


@pytest.mark.parametrize("model", ["last_touch", "linear", "markov"])
def test_values_that_hardly_differ_keep_their_digits(model: str) -> None:
    """Sums about 0 would have lost them: another walk takes them about the mean."""
    n, asked = 200, {**SURE, "time_unit": "s", "model": model}
    log = offset_log(n, 1e7)
    frame = apart(log, 4)
    found = cx.attribute(frame, **asked)
    value = log["value"].drop_nulls()
    error = value.std() * math.sqrt(n)
    reach = (found["value_high"] - found["value_low"]).item() / 2.0 / 1.6448536269514722
    if model != "markov":
        assert reach == pytest.approx(error, rel=1e-7)
    close(found, cx.attribute(log, **asked), abs_tol=1e-6)
    assert len(frame.walks) == (3 if model == "markov" else 2)
    skewed: Any = {**asked, "model": ["linear", "last_touch"], "method": METHODS["bca"]}
    for compare in (False, True):
        close(
            cx.attribute(apart(log), **skewed, compare=compare),
            cx.attribute(log, **skewed, compare=compare),
            abs_tol=1e-5,
        )


@methods
@pytest.mark.parametrize("compare", [False, True], ids=["credit", "compare"])
def test_sums_about_the_mean(method: Any, compare: bool, monkeypatch: Any) -> None:
    """Also of groups and channels that a part does not know: their customers are away from the mean, too."""
    monkeypatch.setattr(summed_sample, "_FEW_DIGITS", 2.0)  # none has enough
    log = TOUCHES.with_columns(
        plan=pl.when(pl.col("user_id") < 9).then("plan").otherwise(pl.col("user_id") // 60 + 9)
    )
    asked: Any = {**SURE, "method": method, "compare": compare}
    for by, models in ((None, ["linear", "markov"]), ("plan", ["linear", "time_decay"])):
        frame = agrees(log, 8, **asked, by=by, model=models)
        walks = 1 if not method.learns else 3 if by is None else 2
        assert len(frame.walks) == walks


def test_conversions_that_do_not_differ_need_no_other_walk() -> None:
    log = offset_log(50, 0.0).with_columns(pl.col("value") * 0.0 + 3.0)
    frame = apart(log)
    found = cx.attribute(frame, **SURE, time_unit="s", model="last_touch")
    assert found.select("standard_error", "low", "value_low").row(0) == (0.0, 50.0, 150.0)
    assert len(frame.walks) == 1


# ---------------------------------------------------------------- models that learn


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"by": ["plan", pl.col("cost") > 1]},
        {"nulls": False},
        {"allocation": "reset"},
        {"transform": "exposure"},
        {"container": "plan"},
        {"spend": COSTS},
        {"value": None},
    ],
    ids=lambda options: ",".join(options),
)
@pytest.mark.parametrize("compare", [False, True], ids=["credit", "compare"])
def test_models_that_learn(options: dict[str, Any], compare: bool) -> None:
    models = [*LEARNED, "linear", Markov(order=2), PathIncrement(order=2)]
    asked: Any = {**SURE, "model": models, "compare": compare, **options}
    want = cx.attribute(TOUCHES, **asked)
    for parts in (1, 5):
        frame = apart(TOUCHES, parts)
        close(cx.attribute(frame, **asked), want)
        assert len(frame.walks) == 2


@pytest.mark.parametrize("kind", ["percentile", "bca"])
@pytest.mark.parametrize(
    "options",
    [
        {"by": "plan"},
        {"nulls": False, "compare": True},
        {"allocation": "reset"},
        {"transform": "exposure"},
        {"value": None},
    ],
    ids=lambda options: ",".join(options),
)
def test_chains_of_drawn_customers_are_counts(kind: str, options: dict[str, Any]) -> None:
    """BCa asks what each customer changes, too: in another walk."""
    asked: Any = {**SURE, "model": ["markov", "linear"], "method": METHODS[kind], **options}
    frame = agrees(TOUCHES, 5, **asked)
    assert len(frame.walks) == (2 if kind == "bca" else 1)


def test_counts_of_chains_are_the_same_bits_in_any_number_of_parts() -> None:
    asked: Any = {**SURE, "value": None, "model": "markov", "method": METHODS["percentile"]}
    one = cx.attribute(apart(TOUCHES, 1), **asked)
    assert cx.attribute(apart(TOUCHES, 8), **asked).equals(one)


def test_more_channels_than_have_a_table() -> None:
    """Slopes come from the formula (markov), from orders that were drawn (shapley_rate)."""
    log = TOUCHES.with_columns(
        channel=pl.when(pl.col("channel").is_not_null()).then(
            pl.format("{}{}", "channel", pl.col("row") % 12)
        )
    )
    assert log["channel"].n_unique() > 65
    agrees(log, **SURE, model=LEARNED)


def test_a_model_without_a_slope_is_refused() -> None:
    with pytest.raises(cx.InvalidOptionError, match="method='bootstrap'"):
        cx.attribute(apart(TOUCHES), **SURE, model=PathIncrement(clip=True))


# ---------------------------------------------------------------- logs of little


LITTLE = {
    "no rows": TOUCHES.clear(),
    "no conversion": TOUCHES.filter(~pl.col("conversion")),
    "conversions alone": TOUCHES.filter("conversion").with_columns(channel=pl.lit(None, pl.String)),
    "one customer": TOUCHES.filter(pl.col("user_id") == TOUCHES.filter("conversion")["user_id"][0]),
    "nobody": TOUCHES.with_columns(user_id=pl.lit(None, pl.Int64)),
}


@pytest.mark.parametrize("name", LITTLE)
@pytest.mark.parametrize("by", [None, "plan"])
def test_logs_of_little(name: str, by: Any) -> None:
    for compare in (False, True):
        for method in METHODS.values():
            asked: Any = {**SURE, "method": method, "compare": compare, "by": by}
            agrees(LITTLE[name], **asked, model=["linear", "last_touch", "markov"])
        agrees(LITTLE[name], **SURE, compare=compare, by=by, model=["linear", *LEARNED])


def test_a_group_in_which_nobody_converts() -> None:
    log = TOUCHES.with_columns(conversion=pl.col("conversion") & (pl.col("plan") > 0))
    for method in METHODS.values():
        agrees(log, **SURE, method=method, by="plan", model=["linear", "time_decay"])
    agrees(log, **SURE, by="plan", model=["linear", "markov"])


@pytest.mark.parametrize("to", [pl.Int64, pl.Categorical, pl.Enum, pl.Binary], ids=str)
def test_channels_of_any_type(to: Any) -> None:
    names = TOUCHES["channel"].drop_nulls().unique().sort()
    number = pl.col("channel").rank("dense") if to is pl.Int64 else pl.col("channel")
    log = TOUCHES.with_columns(channel=number.cast(to(names) if to is pl.Enum else to))
    agrees(log, **SURE, model=["linear", "markov"])
    agrees(log, **SURE, model=["linear", "markov"], method=METHODS["bca"], compare=True)


def test_groups_without_a_name_and_of_no_number() -> None:
    plan = pl.when(pl.col("plan") > 0).then(pl.when(pl.col("plan") > 1).then(math.nan).otherwise(1.0))
    log = TOUCHES.with_columns(plan=plan, shop=pl.when(pl.col("row") % 11 > 0).then(pl.lit("s")))
    agrees(log, **CONVERTS, by="plan", model=["linear", "markov"])
    for method in METHODS.values():
        asked: Any = {**SURE, "user": ["shop", "user_id"], "method": method}
        agrees(log, **asked, by=["plan", "cost"], model=["linear", "markov"])


def test_values_that_no_float_holds_the_cubes_of() -> None:
    for factor in (1e150, 1e-150):
        log = TOUCHES.with_columns(pl.col("value") * factor)
        for method in METHODS.values():
            for frame in (log, apart(log)):
                with pytest.raises(cx.InvalidOptionError, match="no float64 holds their cubes"):
                    cx.attribute(frame, **SURE, method=method, compare=True)


MANY_USERS = st.lists(
    st.tuples(
        st.integers(0, 5),  # user
        st.integers(0, 9),  # minute
        st.sampled_from(["a", "b", "c", None]),
        st.sampled_from([None, None, 0.0, 1.0, 2.5, -4.0, 1e6, 1e6 + 0.5]),
        st.integers(0, 1),  # group
    ),
    max_size=25,
)


# cubes of 1e6 beside one of 1, in a part of its own
@example(
    rows=[*[(0, 0, "a", None, 0)] * 14, (0, 0, "a", 1e6, 0), (0, 0, "b", 1e6, 0), (1, 0, "a", 1.0, 0)],
    models=["position", "same_touch", "time_decay"],
    method=Bootstrap(replicates=100, kind="bca", rng=1),
    compare=True,
    by=None,
    parts=1,
    piece=1,
)
@settings(max_examples=60)
@given(
    rows=MANY_USERS,
    models=st.sampled_from(
        [["linear", "last_touch"], ["position", "same_touch", "time_decay"], ["markov", "j"]]
    ),
    method=st.sampled_from([*METHODS.values()]),
    compare=st.booleans(),
    by=st.sampled_from([None, "group"]),
    parts=st.integers(1, 4),
    piece=st.integers(1, 9),
)
def test_small_logs(
    rows: Any, models: Any, method: Any, compare: bool, by: Any, parts: int, piece: int
) -> None:
    names = {"user": pl.Int64, "at": pl.Int64, "channel": pl.String, "value": pl.Float64, "group": pl.Int64}
    log = pl.DataFrame(rows, schema=names, orient="row").with_row_index("row")
    asked: Any = {"user": "user", "time": "at", "time_unit": "s", "order": "row", "channel": "channel"}
    asked |= {"value": "value", "model": models, "confidence_level": 0.8, "method": method}
    asked |= {"compare": compare, "by": by}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_parts, "PIECE", piece)
        found = cx.attribute(apart(log, parts, 3), **asked)
    close(found, cx.attribute(log, **asked), abs_tol=1e-6 + 1e-10 * float(log["value"].abs().sum()))


# ---------------------------------------------------------------- what comes to one place


class Half(Analytic):
    """A method of the user's own, which may ask anything of the sample."""

    word = "half"

    def limits(self, sample: Sample, contrasts: Contrasts, level: float, seed: int) -> Limits:
        return super().limits(sample, contrasts, level / 2.0, seed)


@pytest.mark.parametrize(
    "options",
    [
        {"model": "additive_hazard"},
        {"model": "path_increment", "method": METHODS["percentile"]},
        {"model": Markov(order=2), "method": METHODS["bca"]},
        {"model": "linear", "method": Half()},
    ],
    ids=["times", "refits", "longer memory", "own"],
)
def test_what_must_know_each_row(options: dict[str, Any]) -> None:
    asked: Any = {**SURE, **options}
    close(cx.attribute(Apart(TOUCHES), **asked), cx.attribute(TOUCHES, **asked), abs_tol=1e-6)
    with pytest.raises(AssertionError):
        cx.attribute(apart(TOUCHES), **asked)


def test_partials_do_not_grow_with_the_customers() -> None:
    asked: Any = {**SURE, "model": ["linear", "last_touch"]}
    sizes = []
    for n in (4, 12):
        frame = apart(pl.concat([TOUCHES.with_columns(pl.col("user_id") + 1_000 * at) for at in range(n)]))
        cx.attribute(frame, **asked)
        sizes.append(frame.walks)
    assert sizes[0] == sizes[1]


class Changing(Apart):
    """A frame that is made anew at each reading."""

    def __init__(self, first: pl.DataFrame, *others: pl.DataFrame) -> None:
        super().__init__(first, may_be_whole=False)
        object.__setattr__(self, "readings", [*others])

    def __getattribute__(self, name: str) -> Any:
        if name == "rows" and super().__getattribute__("walks"):
            return super().__getattribute__("readings")[len(self.walks) - 1]
        return super().__getattribute__(name)


MAIL = pl.when(pl.col("channel") == "email").then(pl.lit("mail")).otherwise("channel")


@pytest.mark.parametrize(
    "other",
    [
        TOUCHES.head(500),
        TOUCHES.with_columns(pl.col("value") * 1.01),
        TOUCHES.with_columns(MAIL.alias("channel")),
        TOUCHES.with_columns(pl.col("plan") + 1),
        TOUCHES.with_columns(channel=pl.when(pl.col("row") == 5).then(pl.lit("email")).otherwise("channel")),
        TOUCHES.with_columns(pl.col("channel").reverse().over("user_id")),
    ],
    ids=["rows", "values", "channels", "groups", "one touch", "the order of touches"],
)
def test_a_frame_that_changes_between_two_walks_is_refused(other: pl.DataFrame) -> None:
    with pytest.raises(cx.InvalidDataError) as caught:
        cx.attribute(Changing(TOUCHES, other), **SURE, model="markov", by="plan")
    assert str(caught.value) == (
        "attribute(channel='channel'): the frame was read twice, and had other rows the second time.\n"
        "  Hint: cache() it first, or write it and read that."
    )


@pytest.mark.parametrize(
    "group",
    [
        pl.col("plan").cast(pl.Duration("ns")),
        pl.from_epoch("plan", time_unit="ns"),
        (pl.datetime(2026, 11, 1, 5) + pl.duration(hours="plan"))
        .dt.replace_time_zone("UTC")
        .dt.convert_time_zone("America/New_York"),
        pl.concat_list("plan", pl.lit(math.nan)),
        pl.struct("plan", at=pl.from_epoch("plan", time_unit="ns")),
    ],
    ids=["nanoseconds", "instants", "an hour shown twice", "lists", "structs"],
)
def test_groups_that_python_does_not_tell_apart(group: pl.Expr) -> None:
    log = TOUCHES.with_columns(group=group)
    asked: Any = {**CONVERTS, "model": ["linear", "markov"]}
    agrees(log, **asked, by="group")
    agrees(log, **asked, by=["is_lead", "group"], confidence_level=0.9)


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_a_value_that_is_no_number_is_refused_of_nobody_too(wrong: float) -> None:
    is_nobody = pl.col("user_id").is_null()
    log = TOUCHES.with_columns(value=pl.when(is_nobody).then(wrong).otherwise("value"))
    for more in ({}, {"confidence_level": 0.9}):
        for frame in (log, apart(log)):
            with pytest.raises(cx.InvalidDataError, match="are not finite numbers"):
                cx.attribute(frame, **CONVERTS, model=["linear", "markov"], **more)
    with pytest.raises(cx.InvalidDataError, match="are not finite numbers"):
        cx.paths(apart(log), **CONVERTS)


def test_groups_named_as_columns_of_partials_are_refused() -> None:
    for level in (None, 0.9):
        for name in ("cxcore: kind", "cxcore: numbers"):
            asked: Any = {**CONVERTS, "confidence_level": level, "by": pl.col("plan").alias(name)}
            with pytest.raises(cx.InvalidOptionError, match=f"by='{name}'.*are taken where rows are spread"):
                cx.attribute(apart(TOUCHES), **asked, model=["linear", "markov"])
