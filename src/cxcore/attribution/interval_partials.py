"""Intervals of a log that lies in parts: each gives sums over its customers, of which intervals are made.

Where all credit is a sum over customers, the walk that gives the credit gives these, too. Models that learn
first learn of the table of paths; another walk gives sums of what each customer changes in what was learned.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import polars as pl

from cxcore import errors
from cxcore._columns import Float64, Int64
from cxcore.attribution.asked import Asked
from cxcore.attribution.base import Journeys
from cxcore.attribution.customer_sums import drawn_rows, pair_rows
from cxcore.attribution.drawn_chains import chain_credits, step_rows
from cxcore.attribution.journey_sample import Everyone
from cxcore.attribution.journeys import Windows
from cxcore.attribution.markov import Markov
from cxcore.attribution.methods import Analytic, Bootstrap
from cxcore.attribution.partial_rows import (
    CHANNEL,
    COUNT,
    CREDITED,
    CUSTOMERS,
    DRAWN,
    GROUP,
    KIND,
    MET,
    NUMBERS,
    OTHER_CHANNEL,
    OTHER_MODEL,
    PAIR,
    PATH,
    STEP,
    WHAT,
    of_kind,
    rows_of,
    sums,
    total,
)
from cxcore.attribution.partials import CreditPartials, Partials, n_conversions
from cxcore.attribution.replicates import customers_drawn
from cxcore.attribution.summed_sample import SummedSample, drawn_of, estimates_of, pairs_of
from cxcore.attribution.transforms import Transform

Key = tuple[Any, ...]
#: values of two readings may be added up in another order
_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Known:
    """What the first walk said, for workers that walk again."""

    #: all rows, of which the driver makes the answer
    rows: pl.DataFrame
    #: all channels, as they are shown
    names: pl.Series
    n_customers: float
    #: by group: paths and conversions, and credit of all models
    of_keys: Mapping[Key, pl.DataFrame]
    credit: Mapping[Key, pl.DataFrame]
    #: are powers of columns taken about their means, or about 0?
    about_mean: bool = False
    #: by group: what models have learned; found once in each worker
    learned: dict[Key, list[Any]] = field(default_factory=dict)

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "rows": self.rows.clear(), "learned": {}}

    @cached_property
    def code(self) -> dict[Any, int]:
        return {name: at for at, name in enumerate(self.names)}

    def coded(self, journeys: Journeys) -> Journeys | None:
        """The same with the codes of all channels; None where they have a channel that nobody had."""
        code = np.array([self.code.get(name, -1) for name in journeys.names], np.int32)
        channel = code[journeys.channel] if len(code) else journeys.channel
        return None if (channel < 0).any() else replace(journeys, names=self.names, channel=channel)


@dataclass(frozen=True, eq=False)
class IntervalPartials(CreditPartials):
    """Of ``attribute`` with a confidence level."""

    #: of the replicates: drawn once, so that all parts draw customers alike
    seed: int
    #: None in the first walk
    known: Known | None = None

    @property
    def n_replicates(self) -> int:
        method = self.asks.method
        return method.replicates if isinstance(method, Bootstrap) else 0

    @property
    def n_measures(self) -> int:
        return 1 + self.has_value

    def schema(self, before: pl.Schema) -> pl.Schema:
        schema = super().schema(before)
        more = {
            OTHER_MODEL: pl.String(),
            OTHER_CHANNEL: schema[CHANNEL],
            NUMBERS: pl.List(pl.Float64()),
            WHAT: pl.Int8(),
        }
        return pl.Schema({**schema, **more})

    # ---------------------------------------------------------------- what a part says

    def everyone(self, every: Journeys, n_customers: int | None) -> Everyone | None:
        return self.asks.everyone(every, n_customers)

    def of_log(self, journeys: Journeys, everyone: Everyone | None) -> Iterator[pl.DataFrame]:
        """How many customers there are, what all is worth, how many customers each replicate draws, and where
        touches lie.
        """
        assert everyone is not None
        drawn = customers_drawn(everyone.key, everyone.times, 1, self.seed, self.n_replicates)
        columns = {
            COUNT: pl.Series([int(everyone.n)]),
            CREDITED: pl.Series([total(abs(journeys.value).tolist())]),
            NUMBERS: pl.Series([drawn.tolist()], dtype=pl.List(pl.Float64)),
        }
        yield rows_of(CUSTOMERS, **columns)
        yield _touched(journeys)

    def part(
        self, journeys: Journeys, met: Int64, key: Key, everyone: Everyone | None
    ) -> Iterator[pl.DataFrame]:
        """Credit or paths, and sums over customers as soon as models have learned."""
        assert everyone is not None
        known, learned, center = self.known, None, None
        if known is None:
            yield from super().part(journeys, met, key, everyone)
            if self.n_replicates:
                what = (self.asks.models, journeys, met, self.seed, self.n_replicates, self.n_measures)
                yield drawn_rows(*what)
            if self.n_replicates and self.others:
                yield step_rows(journeys, self.seed, self.n_replicates)
            if self.others:
                return
        else:
            coded = known.coded(journeys)
            if coded is None or key not in known.of_keys:
                raise self._read_twice()
            journeys, met = coded, np.arange(len(known.names))
            learned = self._learned(known, key)
            center = self._mean(known, key) if known.about_mean else None
        if self.asks.method.learns:
            cubes = self.n_replicates > 0
            yield from pair_rows(self.asks, journeys, met, everyone, cubes, learned, center)

    def _read_twice(self) -> errors.InvalidDataError:
        problem = "the frame was read twice, and had other rows the second time."
        return errors.bad_data(
            self.call, "channel", self.channel, problem, "cache() it first, or write it and read that."
        )

    def _learned(self, known: Known, key: Key) -> list[Any]:
        if key not in known.learned:
            every = replace(self, n_threads=1).journeys(known.of_keys[key], known.names)
            known.learned[key] = [model.fit(every) for model in self.asks.models]
        return known.learned[key]

    def _mean(self, known: Known, key: Key) -> Float64:
        """What a customer has on average, by column."""
        n = n_conversions(known.of_keys[key])
        row = estimates_of(self.asks.models, known.credit[key], known.names, n)
        mean: Float64 = row / max(known.n_customers, 1.0)
        return mean

    # ---------------------------------------------------------------- another walk

    def another_walk(
        self,
        partials: pl.DataFrame,
        of_keys: Mapping[Key, pl.DataFrame],
        met: pl.Series,
        customers: pl.DataFrame,
    ) -> IntervalPartials | None:
        """Where models have learned what customers change; and where sums about 0 leave too few digits."""
        known = self.known
        if not self.asks.method.learns or (known is not None and known.about_mean):
            return None
        credit = known.credit if known else {key: self.credit(rows, met) for key, rows in of_keys.items()}
        about_mean = (known is not None or not self.others) and any(
            sample.has_few_digits(parts_know_all=known is not None)
            for key, rows in of_keys.items()
            for sample in self._samples(rows, met, credit[key], customers)
        )
        if not about_mean and (known is not None or not self.others):
            return None
        if known is None:
            kept = {key: rows.filter(pl.col(KIND).is_in([GROUP, PATH])) for key, rows in of_keys.items()}
            said = partials.filter(pl.col(KIND) != PAIR)
            known = Known(said, met, _n_customers(customers), kept, credit)
        return replace(self, known=replace(known, about_mean=about_mean, learned={}))

    # ---------------------------------------------------------------- what all say together

    def merge(self, partials: pl.DataFrame) -> pl.DataFrame | Partials:
        if self.known is None:
            return super().merge(partials)
        if not _alike(self.known.rows, partials):
            raise self._read_twice()
        return super().merge(pl.concat([self.known.rows, of_kind(partials, PAIR)]))

    def check(self, met: pl.Series, groups: Sequence[Key], partials: pl.DataFrame) -> None:
        super().check(met, groups, partials)
        self.asks.check_sizes(n_conversions(partials), float(of_kind(partials, CUSTOMERS)[CREDITED].sum()))

    def of_group(
        self, rows: pl.DataFrame, met: pl.Series, key: Key, shown: Key, customers: pl.DataFrame
    ) -> pl.DataFrame:
        credit = self.credit(rows, met) if self.known is None else self.known.credit[key]
        samples = self._samples(rows, met, credit, customers)
        cost = None if self.asks.spend is None else self.asks.spend.by_code(shown, met)
        touched = np.arange(len(met))
        if self.asks.compare:
            return self.asks.differences(samples[0], touched, self.seed, cost)
        return self.asks.completed(credit, samples, touched, self.seed, cost, met, n_conversions(rows))

    def _samples(
        self, rows: pl.DataFrame, met: pl.Series, credit: pl.DataFrame, customers: pl.DataFrame
    ) -> list[SummedSample]:
        """One for each model; one of all where they are compared."""
        n, models = _n_customers(customers), self.asks.models
        pairs, drawn = sums(of_kind(rows, PAIR)), sums(of_kind(rows, DRAWN))
        of_log = np.zeros((1, self.n_replicates))
        if len(customers):
            of_log += np.array(sums(customers)[NUMBERS].to_list(), np.float64)
        chains = None
        if self.n_replicates and self.others:
            steps = sums(of_kind(rows, STEP))
            chains = chain_credits(steps, met, self.n_replicates, self.n_threads)
        made = []
        for some in [models] if self.asks.compare else [[model] for model in models]:
            row = estimates_of(some, credit, met, n_conversions(rows))
            about_mean = self.known is not None and self.known.about_mean
            center = row / max(n, 1.0) if about_mean else np.zeros(len(row))
            pair, of_pairs = pairs_of(pairs, some, met, self.n_measures, n, center)
            again = drawn_of(drawn, some, met, self.n_measures, self.n_replicates)
            of_models = again[:, :-1].reshape(self.n_replicates, len(some), len(met) + 1, 2)
            for at, model in enumerate(some):
                if chains is not None and not model.is_sum:
                    of_models[:, at, :-1] = chains
            what = (met, some, n, row, center, pair, of_pairs, again, of_log[0])
            made.append(SummedSample(*what))
        return made


def _n_customers(customers: pl.DataFrame) -> float:
    return float(customers[COUNT].sum())


def _touched(journeys: Journeys) -> pl.DataFrame:
    """By channel: places of touches in their journeys, added up, which another reading has to give again."""
    size = np.diff(journeys.touch_offset)
    place = np.arange(1, len(journeys.channel) + 1) - np.repeat(journeys.touch_offset[:-1], size)
    said = np.bincount(journeys.channel, place, minlength=journeys.n_channels).astype(np.int64)
    met = np.flatnonzero(said)
    return rows_of(MET, **{CHANNEL: journeys.names[met], COUNT: pl.Series(said[met])})


def _alike(before: pl.DataFrame, partials: pl.DataFrame) -> bool:
    """Do both tell of as many customers, of conversions in each group, that are worth the same, and of the
    same touches?
    """
    by = before.columns[: before.columns.index(KIND)]
    first, second = (
        rows.filter(pl.col(KIND).is_in([CUSTOMERS, GROUP, MET]))
        .group_by(*by, KIND, CHANNEL)
        .agg(pl.col(COUNT, CREDITED).sum())
        .sort(*by, KIND, CHANNEL, nulls_last=True)
        for rows in (before, partials)
    )
    if not first.drop(CREDITED).equals(second.drop(CREDITED), null_equal=True):
        return False
    return np.allclose(first[CREDITED], second[CREDITED], rtol=_ROUNDING, atol=0.0)


def credit_partials(
    call: str,
    channel: str,
    by: Any,
    value: str | None,
    nulls: bool,
    transforms: Sequence[Transform],
    windows: Windows,
    asks: Asked,
    touches: bool,
) -> CreditPartials | Literal["rows", "whole"]:
    """The partials of ``attribute``; or the answer is rows of each part; or no short ones add up to it.

    Models that learn from times ask when each touch was, in which customers are hardly alike; those that
    learn of whole paths learn anew for each replicate; and a method of the user's own may ask anything.
    """
    others = [model for model in asks.models if not model.is_sum]
    if any(model.reads_times or model.reads_rows or model.reads_stage for model in others):
        return "whole"
    if asks.level is not None:
        known = type(asks.method) in (Analytic, Bootstrap)
        refits = [model for model in others if not (type(model) is Markov and model.order == 1)]
        if not known or (refits and asks.method.draws):
            return "whole"
    if touches:
        return "whole" if others else "rows"
    own = replace(windows, n_threads=1)
    what = (call, channel, by, value, nulls, transforms, own, windows.n_threads, asks)
    return CreditPartials(*what) if asks.level is None else IntervalPartials(*what, asks.method.seed())
