"""What stands behind the score in Spark's SQL functions, asked of the functions that a worker runs."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import polars as pl
import pytest

import cxcore as cx
from cxcore.spark import FUNCTIONS

pa = pytest.importorskip("pyarrow")

ANSWERS = [3, 4, 5, 5, 1, 2, 5, None, 4, 4, 5, 3]
LEVEL = Decimal("0.9")  # as Spark reads 0.9


def asked(call: str, *values: Any, answers: Any = ANSWERS) -> Any:
    """As Spark calls it: a value for each row."""
    found = FUNCTIONS[call](pa.array(answers, pa.int64()), *(pa.array([v] * len(answers)) for v in values))
    return found.as_py() if call.endswith("_ci") else found


@pytest.mark.parametrize(
    ("call", "values", "options"),
    [
        ("cx_nps", (), {}),
        ("cx_nps_ci", (LEVEL,), {"confidence_level": 0.9}),
        ("cx_csat", (0, 10), {"scale": (0, 10)}),
        ("cx_csat_ci", (), {}),
        ("cx_csat_ci", (0.8,), {"confidence_level": 0.8}),
        ("cx_csat_ci", (1, 10), {"scale": (1, 10)}),
        ("cx_ces_ci", (1, 10, LEVEL), {"scale": (1, 10), "confidence_level": 0.9}),
    ],
    ids=str,
)
def test_scale_and_level_are_those_of_the_verbs(call: str, values: Any, options: Any) -> None:
    verb = getattr(cx, call.removeprefix("cx_").removesuffix("_ci"))
    want = verb(pl.DataFrame({"score": ANSWERS}), score="score", **options).row(0, named=True)
    found = asked(call, *values)
    if not isinstance(found, dict):
        found = {"estimate": found}
    assert found == {name: want[name] for name in found}


@pytest.mark.parametrize("call", FUNCTIONS)
def test_an_empty_frame_is_nobody(call: str) -> None:
    scale = (1, 5) if call[3:6] != "nps" else ()
    assert asked(call, *scale, answers=[]) is None
    assert asked(call, *scale, answers=[None]) is None


@pytest.mark.parametrize(
    ("call", "values", "text"),
    [
        (
            "cx_nps",
            (1, 5),
            "cx_nps(score, 1, 5): NPS is defined on 0 to 10, and nothing stands behind the score.\n"
            "  Hint: write cx_nps(score).",
        ),
        ("cx_nps", ("a",), "cx_nps(score, 'a'): NPS is defined on 0 to 10"),
        ("cx_nps_ci", (LEVEL, "bca"), "cx_nps_ci(score, 0.9, 'bca'): NPS is defined on 0 to 10, and the con"),
        ("cx_nps_ci", (90,), "cx_nps_ci(score, 90): a level lies between 0 and 1.\n  Hint: write cx_nps_ci("),
        ("cx_nps_ci", (None,), "cx_nps_ci(score, NULL): a level lies between 0 and 1."),
        ("cx_nps_ci", ("0.9",), "cx_nps_ci(score, '0.9'): a level lies between 0 and 1."),
        (
            "cx_csat",
            (1,),
            "cx_csat(score, 1): two whole numbers stand behind the score, its scale, or nothing.\n"
            "  Hint: write cx_csat(score, 1, 10).",
        ),
        ("cx_csat", (1, 5, LEVEL), "cx_csat(score, 1, 5, 0.9): two whole numbers stand behind"),
        ("cx_ces", (5, 1), "cx_ces(score, 5, 1): the lowest level comes first.\n  Hint: write cx_ces("),
        ("cx_ces", (1, 900), "cx_ces(score, 1, 900): a scale has at most 200 levels"),
        ("cx_csat_ci", (LEVEL, "bca"), "cx_csat_ci(score, 0.9, 'bca'): not two whole numbers.\n  Hint"),
        ("cx_csat_ci", (1,), "cx_csat_ci(score, 1): a level lies between 0 and 1."),
        ("cx_ces_ci", (1, 7, LEVEL, "bca"), "cx_ces_ci(score, 1, 7, 0.9, 'bca'): the scale and the"),
    ],
    ids=str,
)
def test_all_else_is_refused_in_words_of_the_function(call: str, values: Any, text: str) -> None:
    with pytest.raises(cx.InvalidOptionError) as refused:
        asked(call, *values)
    assert str(refused.value).startswith(text)
    assert "=" not in str(refused.value)


def test_a_level_that_changes_is_refused() -> None:
    answers, levels = pa.array([1, 2]), pa.array([0.9, 0.8])
    with pytest.raises(cx.InvalidOptionError, match=r"^cx_nps_ci\(score, 0\.9\): what stands behind .* chan"):
        FUNCTIONS["cx_nps_ci"](answers, levels)


@pytest.mark.parametrize(
    ("call", "answers", "text"),
    [
        (
            "cx_csat",
            [7, 3],
            "cx_csat(score): 1 of 2 answers is outside 1..5; first is 7, row 0.\n"
            "  Hint: write cx_csat(score, 1, 10) if the scale is longer; drop them, or make codes of "
            "'no answer' NULL: nullif(score, 7).",
        ),
        (
            "cx_nps_ci",
            [99],
            "cx_nps_ci(score): 1 of 1 answers is outside 0..10; first is 99, row 0.\n"
            "  Hint: drop them, or make codes of 'no answer' NULL: nullif(score, 99).",
        ),
        (
            "cx_ces",
            ["7"],
            "cx_ces(score): takes whole numbers, but the column is String.\n"
            "  Hint: parse it, such as try_cast(score AS BIGINT); what is no number turns null.",
        ),
        (
            "cx_nps",
            [Decimal("9.5")],
            "cx_nps(score): takes whole numbers, but the column is Decimal(precision=2, scale=1).\n"
            "  Hint: cast it, for example CAST(score AS BIGINT).",
        ),
    ],
    ids=str,
)
def test_bad_answers_are_refused_in_words_of_sql(call: str, answers: Any, text: str) -> None:
    with pytest.raises(cx.InvalidDataError) as refused:
        FUNCTIONS[call](pa.array(answers))
    assert str(refused.value) == text
