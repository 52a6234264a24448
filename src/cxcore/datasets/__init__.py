"""Data to learn, test and measure with: generators with planted truth, and real data with named sources.

One file per data set. A generator takes ``rng=`` and gives back a :class:`Planted` pair: the data, and the
answer that a verb should find in them.
"""

from __future__ import annotations

from cxcore.datasets.airport import airport_answers, airport_survey
from cxcore.datasets.base import Planted
from cxcore.datasets.clicks import clickstream
from cxcore.datasets.grocery import CompleteJourney, complete_journey
from cxcore.datasets.surveys import answers
from cxcore.datasets.touches import touchpoints

__all__ = [
    "DATASETS",
    "CompleteJourney",
    "Planted",
    "airport_answers",
    "airport_survey",
    "answers",
    "clickstream",
    "complete_journey",
    "touchpoints",
]

#: every data set by its name
DATASETS = {
    "airport_survey": airport_survey,
    "answers": answers,
    "clickstream": clickstream,
    "complete_journey": complete_journey,
    "touchpoints": touchpoints,
}
