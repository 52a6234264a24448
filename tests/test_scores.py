"""NPS, CSAT, CES and means by group: counts against the twin, schemas, options, errors, every engine."""

from __future__ import annotations

import datetime as dt
import inspect
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from cxcore import ColumnNotFoundError, DegenerateDataWarning, InvalidDataError, InvalidOptionError
from cxcore._answers import score_counts
from cxcore.intervals import FLAGS, METHODS, Bca, interval_of
from cxcore.scores import ces, csat, mean_score, nps
from tests import strategies
from tests.reference import scores as twin

HOUSE = pl.DataFrame(
    {
        "plan": ["pro", "free", None, "pro", "free", "free", "pro", "team"],
        "score": [10, 3, 8, 9, None, 11, 7, None],
        "day": [dt.date(2024, month, 5) for month in (1, 1, 1, 1, 2, 2, 2, 2)],
    }
)
MEASURES = ["estimate", "low", "high", "standard_error"]


# ---------------------------------------------------------------- what is known


def test_by_hand():
    answer = nps(HOUSE, score="score", by="plan", missing=[11])
    assert answer.columns == [
        "plan", "promoters", "passives", "detractors", "n", "n_null",
        "estimate", "low", "high", "standard_error", "method", "flags",
    ]  # fmt: skip
    assert answer.select(answer.columns[:7]).rows() == [
        ("free", 0, 0, 1, 1, 2, -100.0),
        ("pro", 2, 1, 0, 3, 0, pytest.approx(200 / 3)),
        ("team", 0, 0, 0, 0, 1, None),
        (None, 0, 1, 0, 1, 0, 0.0),
    ]
    assert answer["flags"].to_list() == [
        "few_answers,one_category,score_fallback",
        "few_answers,score_fallback",
        "no_answers",
        "few_answers,one_category,score_fallback",
    ]
    assert answer["method"].to_list() == ["score", "score", None, "score"]
    assert answer.row(2)[7:10] == (None, None, None)


def repeated(counts, first=0):
    return pl.DataFrame({"score": np.repeat(np.arange(first, first + len(counts)), counts)})


def test_each_score_is_its_weights():
    """One row of counts, five readings of it."""
    counts = [4, 6, 9, 21, 60]
    house = repeated(counts, 1)
    top = interval_of([[19, 81]], [0, 1])
    mean = interval_of([counts], range(1, 6))
    for answer, known, factor in (
        (csat(house, score="score"), top, 100),
        (csat(house, score="score", kind="mean"), mean, 1),
        (ces(house, score="score", scale=(1, 5)), mean, 1),
        (ces(house, score="score", scale=(1, 5), kind="top", top=2), top, 100),
        (mean_score(house, score="score", scale=(1, 5)), mean, 1),
    ):
        found = answer.select(MEASURES).row(0)
        assert found == tuple(float(getattr(known, name)[0]) * factor for name in MEASURES)
    assert csat(house, score="score", top=1)["estimate"][0] == 60
    assert ces(repeated([1, 1, 1, 1, 2, 2, 2], 1), score="score", kind="top")["estimate"][0] == 60


def test_nps_groups_of_another_scale():
    answer = nps(repeated([1, 2, 3, 4, 10], 1), score="score", scale=(1, 5), promoter=5, detractor=3)
    assert answer.row(0)[:4] == (10, 4, 6, 20)
    strict = nps(repeated([1] * 11), score="score", promoter=10)
    assert strict.row(0)[:3] == (1, 3, 7)


def test_nps_without_passives():
    """Promoters may begin where detractors end; a scale of two levels has no room for others."""
    answer = nps(repeated([1, 2, 3, 4, 10], 1), score="score", scale=(1, 5), promoter=5, detractor=4)
    assert answer.row(0)[:6] == (10, 0, 10, 20, 0, 0.0)
    two = nps(repeated([30, 10]), score="score", scale=(0, 1), promoter=1, detractor=0)
    assert two.row(0)[:6] == (10, 0, 30, 40, 0, -50.0)


@pytest.mark.shared
def test_airport_survey_2017(shared: Path):
    survey = pl.read_parquet(shared / "data/sfo_survey/sfo_tidy_2014_2017.parquet")
    survey = survey.filter(pl.col("year") == 2017)
    answer = nps(survey, score="nps", method="percentile")
    assert answer["n"][0] == 2746
    assert [round(answer[name][0], 2) for name in ("estimate", "low", "high")] == [39.84, 37.22, 42.46]
    coded = survey.select(pl.col("nps_code").cast(pl.Int64, strict=False))
    assert nps(coded, score="nps_code", missing=[11], method="percentile")["low"][0] == answer["low"][0]


def test_a_name_with_a_nul_inside():
    house = pl.DataFrame({"a\0b": ["x", "y", None], "score": [10, 9, 0]})
    assert nps(house, score="score", by="a\0b")["a\0b"].to_list() == ["x", "y", None]


# ---------------------------------------------------------------- counting, against the twin


@given(strategies.answers(), st.sampled_from([(), (3,), (0, 10), (11, -7, 300)]), strategies.threads)
def test_count_levels(house, missing, n_threads):
    counted = score_counts("nps", house, "score", "plan", (0, 10), missing, n_threads)
    known = twin.count_levels(house["score"].to_list(), house["plan"].to_list(), (0, 10), missing)
    found = zip(counted.counts.tolist(), counted.n_null, strict=True)
    assert dict(zip(counted.groups["plan"].to_list(), found, strict=True)) == known
    assert_frame_equal(counted.groups, counted.groups.sort("plan", nulls_last=True))
    alone = score_counts("nps", house, "score", None, (0, 10), missing)
    every = twin.count_levels(house["score"].to_list(), [0] * house.height, (0, 10), missing)
    levels, blank = every.get(0, ([0] * 11, 0))
    assert (alone.counts.tolist(), alone.n_null.tolist()) == ([levels], [blank])


@given(
    strategies.answers(),
    st.sampled_from([(), (3,), (0, 10), (11, -7, 300)]),
    st.sets(st.integers(0, 9)),
    st.booleans(),
)
def test_count_classes_of_levels(house, missing, ends, grouped):
    """Classes are the sums of their levels, whatever the dtype and however few."""
    by = "plan" if grouped else None
    last = np.array([*sorted(ends), 10])
    classes = score_counts("nps", house, "score", by, (0, 10), missing, last=last)
    known = twin.count_levels(
        house["score"].to_list(), house[by].to_list() if by else [None] * house.height, (0, 10), missing
    )
    groups = classes.groups[by].to_list() if by else [None]
    for group, counts, n_null in zip(groups, classes.counts.tolist(), classes.n_null.tolist(), strict=True):
        levels, blank = known.get(group, ([0] * 11, 0))
        starts = [0, *(last[:-1] + 1)]
        assert counts == [sum(levels[a : b + 1]) for a, b in zip(starts, last.tolist(), strict=True)]
        assert n_null == blank


@pytest.mark.parametrize("dtype", [*strategies.INTEGERS, pl.Float32, pl.Float64], ids=str)
@pytest.mark.parametrize("n", [31, 4095, 20_000])
def test_count_levels_in_blocks(dtype, n):
    """Past the byte lanes' 255 steps, the block and the tail; few groups and many, with nulls and a code."""
    rng = np.random.default_rng(n)
    drawn = rng.integers(0, 13, n)
    column = pl.Series("score", drawn).cast(dtype).set(pl.Series(drawn == 12), None)
    for n_groups in (1, 7, 3_000):
        group = rng.integers(0, n_groups, n)
        known = np.zeros((n_groups, 13), dtype=np.int64)
        np.add.at(known, (group, drawn), 1)
        seen = known.any(axis=1)
        house = pl.DataFrame({"group": group, "score": column})
        counted = score_counts("nps", house, "score", "group", (0, 10), (11,))
        assert (counted.counts == known[seen][:, :11]).all()
        assert (counted.n_null == known[seen][:, 11:].sum(axis=1)).all()
        merged = score_counts("nps", house, "score", "group", (0, 10), (11,), last=np.array([6, 8, 10]))
        assert (merged.counts == np.add.reduceat(counted.counts, [0, 7, 9], axis=1)).all()
        assert (merged.n_null == counted.n_null).all()
    levels = np.bincount(drawn, minlength=13)[:11]
    alone = score_counts("nps", pl.DataFrame(column), "score", None, (0, 10), (11,))
    assert (alone.counts[0] == levels).all()
    last = np.array([6, 8, 10])
    merged = score_counts("nps", pl.DataFrame(column), "score", None, (0, 10), (11,), last=last)
    assert merged.counts.tolist() == [[levels[:7].sum(), levels[7:9].sum(), levels[9:].sum()]]


def test_scales_beside_zero():
    """Levels that the dtype cannot hold are no matter of wrapping bytes."""
    for dtype in (pl.Int8, pl.Int64, pl.Float32):
        column = pl.Series("score", [-2, -1, 0, 1, 2, 2], dtype=dtype)
        assert mean_score(pl.DataFrame(column), score="score", scale=(-2, 2))["estimate"][0] == 2 / 6
    column = pl.Series("score", [0, 1, 2], dtype=pl.UInt8)
    assert mean_score(pl.DataFrame(column), score="score", scale=(-100, 50))["estimate"][0] == 1
    with pytest.raises(InvalidDataError, match=r"2 of 3 answers are outside -100\.\.1; first is 156, row 0"):
        mean_score(
            pl.DataFrame({"score": pl.Series([156, 0, 255], dtype=pl.UInt8)}), score="score", scale=(-100, 1)
        )


@pytest.mark.parametrize("dtype", [*strategies.INTEGERS, pl.Float32, pl.Float64], ids=str)
def test_an_answer_is_never_taken_for_a_null(dtype):
    """Nulls are counted through a value off the scale; the data may hold that very value."""
    for off in (127, 255, 32767, 32768):
        column = pl.Series("score", [1, None, off]).cast(dtype, strict=False)
        if column[2] is not None:
            with pytest.raises(
                InvalidDataError, match=f"1 of 3 answers is outside 0..10; first is {off}, row 2"
            ):
                nps(pl.DataFrame(column), score="score")


def test_booleans_and_nothing():
    yes = pl.DataFrame({"score": [True, False, True, None]})
    assert mean_score(yes, score="score", scale=(0, 1)).row(0)[:3] == (3, 1, 2 / 3)
    assert nps(pl.DataFrame({"score": [None, None]}), score="score").row(0)[:5] == (0, 0, 0, 0, 2)


@given(strategies.answers(), st.randoms(use_true_random=False))
def test_order_of_rows_is_no_matter(house, random):
    order = list(range(house.height))
    random.shuffle(order)
    assert_frame_equal(
        nps(house, score="score", by="plan"), nps(house[order], score="score", by="plan"), check_exact=True
    )


def test_chunks_are_counted_where_they_lie():
    house = pl.DataFrame({"score": [1, None, 10, 9] * 50, "g": ["a", "b"] * 100})
    parts = pl.concat([house[:3], house[3:90], house[90:]], rechunk=False)
    assert parts["score"].n_chunks() == 3
    assert_frame_equal(nps(parts, score="score", by="g"), nps(house, score="score", by="g"), check_exact=True)


# ---------------------------------------------------------------- groups

BYS = {
    "column": "plan",
    "columns": ["plan", "day"],
    "expression": pl.col("day").dt.truncate("1mo").alias("month"),
    "mixed": ["plan", pl.col("day").dt.month()],
    "floats": pl.col("score") / 2.0 - 1.0,
    "lists": [pl.concat_list(pl.col("plan").str.len_bytes()).alias("length"), "plan"],
    "categories": pl.col("plan").cast(pl.Categorical),
}


@pytest.mark.parametrize("by", BYS.values(), ids=BYS)
def test_groups_as_polars_makes_them(by):
    house = HOUSE.with_columns(pl.col("score").replace(11, None))
    parts = by if isinstance(by, list) else [by]
    renamed = house.with_columns(answer="score").select(*parts, "answer")
    names = [name for name in renamed.columns if name != "answer"]
    if "score" in names:
        parts, names = [by.alias("half")], ["half"]
        renamed = renamed.rename({"score": "half"})
    known = (
        renamed.group_by(names).agg(n=pl.col("answer").count().cast(pl.Int64)).sort(names, nulls_last=True)
    )
    answer = nps(house, score="score", by=parts)
    assert_frame_equal(answer.select(*names, "n"), known)


@pytest.mark.parametrize("verb", [nps, csat, ces])
@pytest.mark.parametrize("by", [None, *BYS.values()], ids=["none", *BYS])
@pytest.mark.parametrize("total", [False, True])
@pytest.mark.parametrize("rows", [0, 8])
def test_lazy_schema_is_what_comes(verb, by, total, rows):
    if total and by is None:
        return
    lazy = HOUSE.with_columns(pl.lit(3).alias("score")).head(rows).lazy()
    answer = verb(lazy, score="score", by=by, total=total)
    assert isinstance(answer, pl.LazyFrame)
    assert answer.collect_schema() == answer.collect().schema
    assert_frame_equal(answer.collect(), verb(lazy.collect(), score="score", by=by, total=total))


def test_no_rows():
    empty = HOUSE.clear()
    assert nps(empty, score="score").row(0) == (0, 0, 0, 0, 0, None, None, None, None, None, "no_answers")
    assert nps(empty, score="score", by="plan").height == 0
    assert nps(HOUSE.clear(), score="score", by=[]).height == 1


def test_total():
    answer = nps(HOUSE, score="score", by=["plan", "day"], missing=[11], total=True)
    *_, last = answer.rows(named=True)
    assert answer["is_total"].to_list() == [False] * (answer.height - 1) + [True]
    assert (last["plan"], last["day"]) == (None, None)
    alone = nps(HOUSE, score="score", missing=[11])
    assert_frame_equal(answer.tail(1).drop("plan", "day", "is_total"), alone)
    assert answer["n"].sum() == 2 * alone["n"][0]


def test_missing_code_on_the_scale():
    house = pl.DataFrame({"score": [0, 0, 5, 4, None]})
    assert mean_score(house, score="score", scale=(0, 5), missing=[0]).row(0)[:3] == (2, 3, 4.5)


# ---------------------------------------------------------------- engines and methods


def test_every_engine(frame):
    house = HOUSE.select("plan", "score")
    expected = nps(house, score="score", by="plan", missing=[11], total=True)
    frame.check(nps(frame(house), score="score", by="plan", missing=[11], total=True), expected)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.filterwarnings("ignore::cxcore.DegenerateDataWarning")
def test_every_method_in_every_score(method):
    fives = pl.DataFrame({"score": [1, 2, 3, 4, 5, 5, 5] * 9, "g": [0, 1, 1] * 21})
    tens = fives.with_columns(pl.col("score") * 2)
    for verb, house, options in (
        (nps, tens, {}),
        (csat, fives, {}),
        (ces, fives, {}),
        (mean_score, fives, {"scale": (1, 5)}),
    ):
        answer = verb(house, score="score", by="g", method=method, **options)
        assert (answer["low"] <= answer["estimate"]).all()
        assert (answer["estimate"] <= answer["high"]).all()
        wider = verb(house, score="score", by="g", method=method, confidence_level=0.999, **options)
        assert (wider["high"] - wider["low"] > answer["high"] - answer["low"]).all()
        assert all(word in FLAGS for flags in answer["flags"] for word in flags.split(",") if word)


def test_unguarded_method_warns_in_the_name_of_the_verb():
    text = (
        "nps(method='bca'): 2 of 4 groups have fewer than 15 answers outside the largest class.\n"
        "  Hint: method='bootstrap' gives an interval that holds there."
    )
    house = pl.concat(
        [HOUSE.head(4), pl.DataFrame({"plan": ["pro"] * 40, "score": [1, 10] * 20})], how="diagonal"
    )
    house = pl.concat([house, pl.DataFrame({"plan": ["empty"], "score": [None]})], how="diagonal_relaxed")
    with pytest.warns(DegenerateDataWarning) as caught:
        nps(house, score="score", by="plan", method=Bca())
    assert [str(warning.message) for warning in caught] == [text]


def test_verbs_share_their_words():
    common = ["answers", "score", "by", "missing", "method", "confidence_level", "total"]
    for verb in (nps, csat, ces, mean_score):
        parameters = inspect.signature(verb).parameters
        assert [name for name in parameters if name in common] == common or verb is mean_score
        assert set(common) <= set(parameters)
        kinds = {name: parameter.kind for name, parameter in parameters.items()}
        assert kinds.pop("answers") is inspect.Parameter.POSITIONAL_OR_KEYWORD
        assert set(kinds.values()) == {inspect.Parameter.KEYWORD_ONLY}


# ---------------------------------------------------------------- errors, whole

OPTIONS = [
    (
        nps, {"scale": (1, 5)},
        "nps(scale=(1, 5)): NPS is defined on 0 to 10.\n"
        "  Hint: for another scale say who counts, such as scale=(1, 5), promoter=5, detractor=3.",
    ),
    (
        nps, {"scale": (1, 5), "promoter": 6, "detractor": 3},
        "nps(promoter=6): takes a whole number from 2 to 5.\n  Hint: such as promoter=2.",
    ),
    (
        nps, {"detractor": 9},
        "nps(detractor=9): promoters begin at 9, so detractors end below.\n  Hint: such as detractor=8.",
    ),
    (
        csat, {"top": 2, "kind": "mean"},
        "csat(top=2): a mean has no top levels.\n  Hint: leave it out, or say kind='top'.",
    ),
    (ces, {"top": 3}, "ces(top=3): a mean has no top levels.\n  Hint: leave it out, or say kind='top'."),
    (csat, {"top": 5}, "csat(top=5): it is how many of the best levels count, and 1 to 5 has 5.\n"
        "  Hint: from 1 to 4; top=1 counts 5 alone."),
    (csat, {"top": 0}, "csat(top=0): takes a whole number from 1 to 4.\n  Hint: such as top=1."),
    (
        csat, {"kind": "box"},
        "csat(kind='box'): not one of the words.\n  Words: 'top', 'mean'\n  Hint: pass one of the words.",
    ),
    (
        csat, {"scale": 5},
        "csat(scale=5): not two whole numbers.\n"
        "  Hint: write the lowest and the highest level, such as scale=(1, 5).",
    ),
    (
        csat, {"scale": (5, 1)},
        "csat(scale=(5, 1)): the lowest level comes first.\n"
        "  Hint: write the lowest and the highest level, such as scale=(1, 5).",
    ),
    (
        csat, {"scale": (0, 1000)},
        "csat(scale=(0, 1000)): a scale has at most 200 levels, within -10,000..10,000.\n"
        "  Hint: a mean of measurements is not a score.",
    ),
    (
        nps, {"missing": 11},
        "nps(missing=11): not a list of codes.\n  Hint: write missing=[99].",
    ),
    (
        nps, {"missing": [11, "BLANK"]},
        "nps(missing='BLANK'): codes are whole numbers.\n"
        "  Hint: make other codes null first; nulls are counted in n_null.",
    ),
    (
        nps, {"missing": range(100, 121)},
        f"nps(missing={str(list(range(100, 121)))[:60]}…): 21 codes; at most 20 are counted apart.\n"
        "  Hint: make them null first.",
    ),
    (
        nps, {"method": "bootstap"},
        "nps(method='bootstap'): not one of the words.\n"
        "  Words: 'bootstrap', 'bca', 'percentile', 'score', 'score_n_minus_1', 'basic', 'expanded', "
        "'studentized', 'bayesian', 'wald', 'adjusted_wald', 'always_valid'\n"
        "  Hint: did you mean 'bootstrap'?",
    ),
    (
        nps, {"confidence_level": 1},
        "nps(confidence_level=1): a level lies between 0 and 1.\n  Hint: such as 0.95.",
    ),
    (
        nps, {"total": True},
        "nps(total=True): there are no groups to add up.\n  Hint: say by=, or leave it out.",
    ),
    (nps, {"by": ["plan", "plan"]}, "nps(by='plan'): named twice.\n  Hint: name each group column once."),
    (nps, {"by": [1]}, "nps(by=1): not a column or an expression.\n  Hint: write by='plan'."),
    (
        nps, {"by": pl.col("plan").alias("n")},
        "nps(by='n'): the answer has a column of that name.\n"
        "  Hint: rename it, for example by=pl.col('n').alias('n_group').",
    ),
    (
        nps, {"by": pl.all()},
        f"nps(by='{pl.all()}'): names several columns at once.\n  Hint: list them.",
    ),
    (
        nps, {"by": pl.col("score").max().alias("most")},
        "nps(by='most'): 1 values for 8 rows.\n"
        "  Hint: give one value a row; aggregate before or after.",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("verb", "options", "text"), OPTIONS)
def test_option_errors(verb, options, text):
    with pytest.raises(InvalidOptionError) as caught:
        verb(HOUSE.with_columns(n="score"), score="score", **options)
    assert str(caught.value) == text


DATA = [
    (
        pl.Series("q1", [0, 10, 11, 99]),
        "nps(score='q1'): 2 of 4 answers are outside 0..10; first is 11, row 2.\n"
        "  Hint: drop them, or name codes that mean 'no answer' with missing=[11].",
    ),
    (
        pl.Series("q1", [0.0, 10.0, -1.0]),
        "nps(score='q1'): 1 of 3 answers is outside 0..10; first is -1, row 2.\n"
        "  Hint: drop them, or name codes that mean 'no answer' with missing=[-1].",
    ),
    (
        pl.Series("q1", [8.5, 10.0, 9.25]),
        "nps(score='q1'): 2 of 3 answers are not whole numbers; first is 8.5, row 0.\n"
        "  Hint: an answer is a level of the scale; averages of answers cannot be counted.",
    ),
    (
        pl.Series("q1", [None, float("nan"), 9.5]),
        "nps(score='q1'): 1 of 3 rows are not finite numbers; first is nan, row 1.\n"
        "  Hint: replace or drop them; a null says 'none'.",
    ),
    (
        pl.Series("q1", ["9", "BLANK"]),
        "nps(score='q1'): takes whole numbers, but the column is String.\n"
        "  Hint: parse it, such as pl.col('q1').cast(pl.Int64, strict=False); what is no number turns null.",
    ),
    (
        pl.Series("q1", [dt.date(2024, 1, 1)]),
        "nps(score='q1'): takes whole numbers, but the column is Date.\n"
        "  Hint: cast it, for example pl.col('q1').cast(pl.Int64).",
    ),
]


@pytest.mark.parametrize(("column", "text"), DATA)
def test_data_errors(column, text):
    with pytest.raises(InvalidDataError) as caught:
        nps(pl.DataFrame(column), score="q1")
    assert str(caught.value) == text


def test_objects_cannot_be_groups():
    house = pl.DataFrame({"score": [1], "who": pl.Series([object()], dtype=pl.Object)})
    with pytest.raises(InvalidDataError) as caught:
        nps(house, score="score", by="who")
    assert str(caught.value) == (
        "nps(by='who'): takes what can be sorted, but the column is Object.\n  Hint: cast it to text."
    )


def test_unknown_columns_are_named_together():
    with pytest.raises(ColumnNotFoundError) as caught:
        nps(HOUSE, score="scor", by=["plan", pl.col("week")])
    assert str(caught.value) == (
        "nps(score='scor', by='week'): no such columns.\n"
        "  Columns: 'plan', 'score', 'day'\n"
        "  Hint: did you mean 'score'?"
    )


@pytest.mark.parametrize("argument", ["score", "by", "missing", "method", "total"])
@pytest.mark.parametrize(
    "junk", [1, [[1]], pl.Series([1.5]), np.arange(2) / 2, object()], ids=lambda j: type(j).__name__
)
def test_junk_is_refused_by_name(argument, junk):
    with pytest.raises(InvalidOptionError, match=f"nps\\({argument}="):
        nps(HOUSE, **{"score": "score", argument: junk})


@pytest.mark.parametrize(
    "junk", [1, pl.lit("top"), pl.Series(["top"]), np.arange(2)], ids=lambda j: type(j).__name__
)
def test_a_junk_word_is_refused(junk):
    with pytest.raises(InvalidOptionError, match=r"csat\(kind="):
        csat(HOUSE, score="score", kind=junk)


def test_the_mark_of_the_total_does_not_hide_a_group():
    with pytest.raises(InvalidOptionError, match="the answer has a column of that name"):
        nps(HOUSE.rename({"plan": "is_total"}), score="score", by="is_total", missing=[11], total=True)
    kept = nps(HOUSE.rename({"plan": "is_total"}), score="score", by="is_total", missing=[11])
    assert kept["is_total"].to_list() == ["free", "pro", "team", None]


@pytest.mark.parametrize("dtype", [pl.Float32, pl.Float64])
def test_codes_that_a_float_cannot_tell_are_none_of_its_answers(dtype):
    answers = pl.DataFrame({"score": pl.Series([1, 10, None], dtype=dtype)})
    assert nps(answers, score="score", missing=[10**30, 2**53 + 1]).row(0, named=True)["n"] == 2
    near = pl.DataFrame({"score": pl.Series([1, 2**24], dtype=pl.Float32)})
    with pytest.raises(InvalidDataError, match=r"outside 0\.\.10"):
        nps(near, score="score", missing=[2**24 + 1])


@pytest.mark.parametrize("lazy", [False, True])
def test_an_expression_that_does_not_fit_is_refused(lazy):
    house = HOUSE.lazy() if lazy else HOUSE
    with pytest.raises(InvalidOptionError, match=r"nps\(by=.*the frame cannot answer it"):
        nps(house, score="score", by=pl.col("plan").dt.year()).lazy().collect()
