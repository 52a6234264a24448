"""Passengers' answers at San Francisco International Airport in 2017: a table of counts.

Source: City and County of San Francisco, San Francisco International Airport, SFO Customer Survey 2017,
published at DataSF under the Public Domain Dedication and License (PDDL). 2,831 passengers were asked at
their gates.
"""

from __future__ import annotations

from typing import Literal

import polars as pl

from cxcore import _options

Question = Literal["nps", "csat"]

Counts = dict[str, tuple[int, ...]]

#: answers per level, lowest level first, of each boarding area
NPS: Counts = {
    "A": (8, 2, 3, 5, 3, 28, 44, 74, 175, 152, 230),
    "B": (1, 0, 0, 1, 2, 14, 4, 15, 35, 35, 59),
    "C": (0, 0, 0, 0, 1, 14, 11, 19, 49, 56, 76),
    "D": (3, 0, 2, 2, 2, 23, 13, 36, 92, 82, 131),
    "E": (1, 2, 0, 1, 0, 9, 5, 25, 32, 32, 68),
    "F": (2, 1, 2, 2, 4, 17, 22, 50, 123, 74, 147),
    "G": (2, 1, 1, 8, 6, 39, 31, 72, 171, 133, 161),
}
CSAT: Counts = {
    "A": (1, 11, 119, 404, 166),
    "B": (0, 4, 30, 98, 32),
    "C": (0, 1, 40, 126, 55),
    "D": (0, 4, 56, 213, 111),
    "E": (1, 2, 25, 85, 56),
    "F": (1, 6, 71, 245, 112),
    "G": (3, 4, 103, 336, 167),
}
#: lowest level and counts of each question
FIGURES: dict[str, tuple[int, Counts]] = {"nps": (0, NPS), "csat": (1, CSAT)}


def airport_survey() -> pl.DataFrame:
    """Count real answers of airport passengers, by boarding area, question and level.

    "How likely are you to recommend SFO?" from 0 to 10 (``"nps"``) and "SFO as a whole" from 1,
    unacceptable, to 5, outstanding (``"csat"``), asked of 2,831 passengers in 2017.

    Returns
    -------
    polars.DataFrame
        One row per boarding area, question and level: ``boarding_area`` (String, A to G), ``question``
        (String), ``level`` (Int64), ``n`` (Int64, answers; 0 where nobody chose the level).

    Notes
    -----
    112 rows, built in microseconds. Passengers who left the question out (85 and 143) are not counted.
    The survey's weights, flights and hours of day are left out: 213 flights were sampled, and passengers
    of one flight answer alike, so an interval that takes each answer as independent is somewhat too
    narrow. Source: City and County of San Francisco, SFO Customer Survey 2017, DataSF, PDDL.

    Examples
    --------
    >>> import polars as pl
    >>> from cxcore import datasets
    >>> survey = datasets.airport_survey()
    >>> survey.group_by("question", maintain_order=True).agg(pl.col("n").sum()).rows()
    [('nps', 2746), ('csat', 2688)]
    """
    rows = [
        (area, question, lowest + step, n)
        for question, (lowest, figures) in FIGURES.items()
        for area, counts in figures.items()
        for step, n in enumerate(counts)
    ]
    return pl.DataFrame(
        rows,
        schema={"boarding_area": pl.String, "question": pl.String, "level": pl.Int64, "n": pl.Int64},
        orient="row",
    )


def airport_answers(question: Question) -> pl.DataFrame:
    """Write the airport survey out as one row per answer, as the score verbs read it.

    Parameters
    ----------
    question : {"nps", "csat"}
        Recommendation from 0 to 10, or satisfaction with the airport as a whole from 1 to 5.

    Returns
    -------
    polars.DataFrame
        One row per answer: ``boarding_area`` (String), ``score`` (Int64), sorted by both.

    Raises
    ------
    InvalidOptionError
        The question is not one of the two.

    Notes
    -----
    2,746 or 2,688 rows. Source and limits: see :func:`airport_survey`.

    Examples
    --------
    >>> from cxcore import datasets
    >>> datasets.airport_answers("nps").height
    2746
    """
    question = _options.word("datasets.airport_answers", "question", question, FIGURES)
    counted = airport_survey().filter(pl.col("question") == question)
    scores = counted.select("boarding_area", score=pl.col("level").repeat_by("n"))
    return scores.explode("score", empty_as_null=False)
