"""What one call asks of the journeys: models, groups, intervals, comparisons, costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
import polars as pl

from cxcore import _options, errors
from cxcore._answers import by_schema
from cxcore._columns import Float64, Int32, Int64
from cxcore.attribution import answer, compare, spend
from cxcore.attribution.base import Credit, Journeys, Model
from cxcore.attribution.groups import Groups
from cxcore.attribution.journey_sample import Everyone, JourneySample, converters_of, squares_together
from cxcore.attribution.methods import METHODS, ErrorMethod
from cxcore.attribution.positional import credits_of
from cxcore.attribution.sample import Sample, linear, ratio, together
from cxcore.attribution.spend import Spend

_LIMITS = ("standard_error", "low", "high", "value_low", "value_high", "share_low", "share_high")

#: sums of which intervals are made
_LARGEST = 1e100


@dataclass(frozen=True)
class Asked:
    """The options of one call beside those of the windows."""

    call: str
    models: Sequence[Model]
    has_value: bool
    #: None: no intervals
    level: float | None
    method: ErrorMethod
    compare: bool
    by: Sequence[str]
    spend: Spend | None

    def schema(self, channel: pl.DataType) -> pl.Schema:
        """Of the answer without the columns of ``by``."""
        if self.compare:
            return compare.schema_of(channel)
        columns = dict(answer.schema_of(channel, self.models))
        if self.level is not None:
            columns |= dict.fromkeys(_LIMITS, pl.Float64())
        if self.spend is not None:
            columns |= spend.schema_of(self.level is not None)
        return pl.Schema(columns)

    def schema_after(self, channel: pl.DataType, by: Any, before: pl.Schema) -> pl.Schema:
        """Of the whole answer to a frame of this schema."""
        return pl.Schema({**by_schema(self.call, before, by), **self.schema(channel)})

    def everyone(self, journeys: Journeys, n_customers: int | None = None) -> Everyone | None:
        """The customers of whom intervals tell; how many where the journeys leave some out."""
        return None if self.level is None else Everyone.of(journeys, n_customers)

    def answer(
        self,
        journeys: Journeys,
        met: Int64,
        everyone: Everyone | None,
        groups: Groups | None = None,
        code: Int32 | None = None,
    ) -> pl.DataFrame:
        """One answer a group, under one another; channels that some customer met have a row in each.

        ``code``: groups by row of the frame that the journeys know; None: those of ``groups``.
        """
        touched = answer.by_name(journeys.names, met)
        if self.level is not None:
            self.check_sizes(journeys.n_conversions, float(abs(journeys.weight * journeys.value).sum()))
        seed = 0 if self.level is None else self.method.seed()
        parts: Any = [journeys]
        if groups is not None:
            parts = groups.parts(journeys, groups.code if code is None else code)
        keys: Sequence[tuple[Any, ...]] = [()] if groups is None else groups.names.rows()
        if self.spend is not None:
            self.spend.check(self.call, keys, journeys.names[met])
        found = []
        for at, (key, part) in enumerate(zip(keys, parts, strict=True)):
            cost = None if self.spend is None else self.spend.by_code(key, journeys.names)
            rows = self._of_group(part, touched, everyone, seed, cost)
            if groups is not None:
                rows = pl.concat([groups.names[[at] * len(rows)], rows], how="horizontal")
            found.append(rows)
        if len(found) == 1:
            return found[0]
        if found:
            return pl.concat(found)
        assert groups is not None
        return pl.DataFrame(schema={**groups.names.schema, **self.schema(journeys.names.dtype)})

    def _of_group(
        self, journeys: Journeys, touched: Int64, everyone: Everyone | None, seed: int, cost: Float64 | None
    ) -> pl.DataFrame:
        learned = None
        if everyone is not None and self.method.learns:
            learned = [model.fit(journeys) for model in self.models]
        credits = credits_of(self.models, journeys, learned)
        if everyone is not None and self.compare:
            sample = JourneySample.of(journeys, self.models, credits, everyone, learned=learned)
            return self.differences(sample, touched, seed, cost)
        rows = answer.answer_of(journeys, self.models, credits, touched, self.has_value)
        samples = [] if everyone is None else self.samples(journeys, credits, everyone, learned)
        return self.completed(rows, samples, touched, seed, cost, journeys.names, journeys.n_conversions)

    def differences(self, sample: Sample, touched: Int64, seed: int, cost: Float64 | None) -> pl.DataFrame:
        assert self.level is not None
        return compare.differences(sample, touched, self.method, self.level, seed, self.has_value, cost)

    def completed(
        self,
        rows: pl.DataFrame,
        samples: Sequence[Sample],
        touched: Int64,
        seed: int,
        cost: Float64 | None,
        names: pl.Series,
        n_conversions: float,
    ) -> pl.DataFrame:
        """Rows of credit with intervals, where there is a sample for each model, and costs (by code)."""
        if samples:
            rows = rows.hstack(pl.concat([self._limits(sample, touched, seed) for sample in samples]))
        if cost is None:
            return rows
        known = dict(zip([*names, None], cost, strict=True))
        of_rows = np.array([known[name] for name in rows["channel"]], np.float64)
        return spend.with_costs(rows, of_rows, n_conversions, bool(samples))

    def samples(
        self,
        journeys: Journeys,
        credits: Sequence[Credit],
        everyone: Everyone,
        learned: Sequence[Any] | None,
        center: Float64 | None = None,
    ) -> list[JourneySample]:
        """One for each model; what several ask is found once. ``center``: by model, of each."""
        once = cache(partial(converters_of, journeys))
        mine = [None] * len(self.models) if learned is None else [[one] for one in learned]
        about = [None] * len(self.models) if center is None else center
        made = [
            partial(JourneySample.of, journeys, [model], [credit], everyone, center=middle)
            for model, credit, middle in zip(self.models, credits, about, strict=True)
        ]
        # samples of their own: one that holds itself would keep all journeys until the collector comes
        walked = cache(partial(squares_together, [make() for make in made]))
        return [
            make(learned=its, converters=once, together=walked) for make, its in zip(made, mine, strict=True)
        ]

    def check_sizes(self, n_conversions: float, worth: float) -> None:
        """Errors are made of squares and cubes, which a float64 must hold. ``worth``: without signs."""
        for what, size in (("conversions", n_conversions), ("values", worth)):
            if size and not 1.0 / _LARGEST < size < _LARGEST:
                problem = f"the {what} add up to {size:.3g}, and no float64 holds their cubes."
                raise errors.bad_option(
                    self.call, "confidence_level", self.level, problem, "use another unit."
                )

    def _limits(self, sample: Sample, touched: Int64, seed: int) -> pl.DataFrame:
        """Standard errors and intervals of one model, by row of the answer."""
        assert self.level is not None
        shown = sample.shown(0, touched)
        n = len(shown)
        count, worth = (sample.column(0, shown, of) for of in (False, True))
        parts = [linear(count), ratio(count, sample.n_columns - 1, sample.estimates)]
        if self.has_value:
            parts.append(linear(worth))
        limits = self.method.limits(sample, together(parts), self.level, seed)
        columns = {
            "standard_error": limits.standard_error[:n],
            "low": limits.low[:n],
            "high": limits.high[:n],
            "value_low": limits.low[2 * n :],
            "value_high": limits.high[2 * n :],
            "share_low": limits.low[n : 2 * n],
            "share_high": limits.high[n : 2 * n],
        }
        none = pl.repeat(None, n, dtype=pl.Float64, eager=True)
        return pl.DataFrame(
            {name: pl.Series(x, nan_to_null=True) if len(x) else none for name, x in columns.items()}
        )


def asked(
    call: str,
    models: Sequence[Model],
    has_value: bool,
    confidence_level: Any,
    method: Any,
    comparing: Any,
    by: Any,
    costs: Any,
) -> Asked:
    """Options of a user, checked."""
    level = None if confidence_level is None else _options.level(call, "confidence_level", confidence_level)
    given = isinstance(method, ErrorMethod)
    chosen = method if given else METHODS[_options.word(call, "method", method, METHODS)]
    _options.flag(call, "compare", comparing, "True gives differences in the place of credit.")
    if level is None and (comparing or given or method != "analytic"):
        option, value = ("compare", comparing) if comparing else ("method", method)
        hint = "such as confidence_level=0.95."
        raise errors.bad_option(call, option, value, "it needs a confidence level.", hint)
    bare = Asked(call, models, has_value, level, chosen, comparing, (), None)
    names: Sequence[str] = ()
    if by is not None:
        taken = [
            *bare.schema(pl.String()),
            *(spend.schema_of(level is not None) if costs is not None else ()),
        ]
        names = _options.groups(call, by, taken)
    read = None if costs is None else Spend.read(call, costs, names)
    return Asked(call, models, has_value, level, chosen, comparing, names, read)


def models_of(call: str, model: Any) -> list[Model]:
    """Each a word or an object; no two of the same label."""
    from cxcore.attribution import MODELS  # which is filled after this module

    chosen = [model] if isinstance(model, (str, Model, type)) else model
    if not isinstance(chosen, (list, tuple)) or not chosen:
        raise errors.unknown_word(call, "model", model, MODELS)
    for one in chosen:
        if isinstance(one, type) and issubclass(one, Model):
            hint = f"say {one.__name__}(), or a word."
            raise errors.bad_option(call, "model", one.__name__, "is a class.", hint)
        if isinstance(one, str) and one.partition("(")[0] in MODELS and "(" in one:
            hint = "pass the object, such as cxcore.attribution.Markov(order=3)."
            raise errors.bad_option(call, "model", one, "a word takes no options.", hint)
    models = [
        one if isinstance(one, Model) else MODELS[_options.word(call, "model", one, MODELS)]()
        for one in chosen
    ]
    labels = [one.label for one in models]
    for label in labels:
        if labels.count(label) > 1:
            hint = "give each model once; functions of your own are told apart by their names."
            raise errors.bad_option(call, "model", label, "given twice.", hint)
    return models
