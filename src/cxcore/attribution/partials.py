"""Answers of parts of a log that add up to the answer of the log, for engines that spread rows.

A part is whole users. Models that are sums over customers give each part's credit; models that learn of all
journeys get a table of paths (docs/adr/0019), whose counts are whole numbers: the same bits for any parts.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from cxcore import errors
from cxcore._answers import by_schema
from cxcore._columns import EventRoles, Int64
from cxcore._index import EventIndex
from cxcore._parts import in_order, whole_users
from cxcore._path_columns import PathColumns, path_columns
from cxcore.attribution.answer import by_name
from cxcore.attribution.asked import Asked
from cxcore.attribution.base import Journeys, Model
from cxcore.attribution.each_window import transformed
from cxcore.attribution.groups import Groups
from cxcore.attribution.journey_sample import Everyone
from cxcore.attribution.journeys import Touchpoints, Windows, check_channels, journeys_of
from cxcore.attribution.partial_rows import (
    CHANNEL,
    COUNT,
    CREDIT,
    CREDITED,
    CUSTOMERS,
    GROUP,
    KIND,
    MET,
    MODEL,
    NULLS,
    OURS,
    PATH,
    PATHS,
    VALUE,
    added_up,
    of_kind,
    rows_of,
    sums,
)
from cxcore.attribution.path_journeys import journeys_of_paths
from cxcore.attribution.path_rows import check_text, path_rows, path_schema
from cxcore.attribution.transforms import Transform, type_after
from cxcore.engines.base import Parts

#: house frame of whole users -> partial
Compute = Callable[[pl.DataFrame], pl.DataFrame]


def parts_of(
    call: str,
    roles: EventRoles,
    value: str | None,
    read: Sequence[str],
    compute: Compute,
    partial_schema: Callable[[pl.Schema], pl.Schema] | None,
    merge: Callable[[pl.DataFrame], pl.DataFrame | Parts] | None,
    check: Compute,
) -> Parts:
    """By parts of whole users."""

    def walk(frames: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        found = map(compute, whole_users(in_order(call, _of_users(frames, roles, value), roles), roles.user))
        yield from (found if merge is None else added_up(found))

    return Parts(roles.user, order_of(roles, read), walk, (roles.time,), partial_schema, merge, check)


def order_of(roles: EventRoles, read: Sequence[str]) -> tuple[str, ...]:
    """Of the rows of a user. Events of one instant that ``order`` does not tell apart are in order of all
    that is ``read``: rows have no place there.
    """
    order = (roles.time, *(() if roles.order is None else (roles.order,)))
    return (*order, *(name for name in read if name not in (*order, *roles.user)))


def _of_users(frames: Iterator[pl.DataFrame], roles: EventRoles, value: str | None) -> Iterator[pl.DataFrame]:
    """Rows without a user are left out, unless they have no time, or a value that is no number: a log that
    has those is refused.
    """
    kept = pl.all_horizontal(pl.col(roles.user).is_not_null()) | pl.col(roles.time).is_null()
    if value is not None:
        kept |= ~pl.col(value).cast(pl.Float64).is_finite().fill_null(value=True)
    return (frame.filter(kept) for frame in frames)


# ---------------------------------------------------------------- what a part says


@dataclass(frozen=True, eq=False)
class Partials(ABC):
    """The partials of one call, made in workers and put together on the driver."""

    call: str
    channel: str
    by: Any
    value: str | None
    nulls: bool
    transforms: Sequence[Transform]
    windows: Windows
    n_threads: int

    @property
    def has_value(self) -> bool:
        return self.value is not None

    def schema(self, before: pl.Schema) -> pl.Schema:
        kind = type_after(before[self.channel], self.transforms)
        by = by_schema(self.call, before, self.by)
        for name in by:
            if name.startswith(OURS):
                hint = f"rename it, for example by=pl.col({name!r}).alias('group')."
                problem = f"names that begin with {OURS!r} are taken where rows are spread."
                raise errors.bad_option(self.call, "by", name, problem, hint)
        return pl.Schema(
            {
                **by,
                KIND: pl.Int8(),
                MODEL: pl.String(),
                CHANNEL: kind,
                PATHS: pl.List(kind),
                COUNT: pl.Int64(),
                VALUE: pl.Float64(),
                NULLS: pl.Int64(),
                CREDITED: pl.Float64(),
            }
        )

    def answer(self, index: EventIndex, log: Touchpoints, met: Int64, groups: Groups | None) -> pl.DataFrame:
        """The partial of whole users."""
        schema = self.schema(index.house.schema)
        every = journeys_of(index, log, self.windows)
        journeys = transformed(every, self.transforms)
        if journeys.names is not log.names:
            met = np.arange(len(journeys.names))
        everyone = self.everyone(every, log.n_customers)
        rows = [rows_of(MET, **{CHANNEL: journeys.names[met]}), *self.of_log(journeys, everyone)]
        parts: Any = [journeys]
        keys: Sequence[tuple[Any, ...]] = [()]
        if groups is not None:
            assert log.group is not None
            parts, keys = groups.parts(journeys, log.group.to_numpy()), keys_of(groups.names)
        for at, (key, part) in enumerate(zip(keys, parts, strict=True)):
            of_group = [
                rows_of(GROUP, **{COUNT: pl.Series([int(part.n_conversions)])}),
                *self.part(part, met, key, everyone),
            ]
            if groups is not None:
                of_group = [one.hstack(groups.names[[at] * len(one)]) for one in of_group]
            rows += of_group
        return pl.concat([pl.DataFrame(schema=schema), *rows], how="diagonal_relaxed").cast(schema)

    def everyone(self, every: Journeys, n_customers: int | None) -> Everyone | None:
        """The customers of whom intervals tell."""
        return None

    def of_log(self, journeys: Journeys, everyone: Everyone | None) -> Iterator[pl.DataFrame]:
        """What all groups say together."""
        yield from ()

    def part(
        self, journeys: Journeys, met: Int64, key: tuple[Any, ...], everyone: Everyone | None
    ) -> Iterator[pl.DataFrame]:
        """What some journeys, those of a group, say: their paths."""
        found = path_rows(journeys, self.has_value, self.nulls, None)
        columns = {PATHS: "path", COUNT: "conversions", VALUE: "value", NULLS: "nulls"}
        yield rows_of(PATH, **{to: found[name] for to, name in columns.items()})

    # ---------------------------------------------------------------- what they say together

    def merge(self, partials: pl.DataFrame) -> pl.DataFrame | Partials:
        """The answer of the log; or the partials of another walk, which has it."""
        if self.value is not None and not math.isfinite(float(partials[VALUE].abs().sum())):
            problem = "the values add up to more than a float64 can hold."
            raise errors.bad_data(self.call, "value", self.value, problem, "use a larger unit.")
        names = partials.columns[: partials.columns.index(KIND)]
        met = of_kind(partials, MET)[CHANNEL].unique(maintain_order=True)
        met = met[by_name(met, np.arange(len(met)))]
        groups, customers = of_kind(partials, GROUP), of_kind(partials, CUSTOMERS)
        if names:
            groups = groups.select(names).unique(maintain_order=True).sort(names, nulls_last=True)
            parts = partials.partition_by(names)  # as a dict Polars would take Python's values for keys
            firsts = pl.concat([part[:1].select(names) for part in parts] or [groups])
            of_group = dict(zip(keys_of(firsts), parts, strict=True))
        else:
            groups, of_group = pl.DataFrame(height=1), {(): partials}
        shown = groups.rows() if names else [()]
        self.check(met, shown, partials)
        of_keys = {key: of_group[key] for key in (keys_of(groups) if names else [()])}
        another = self.another_walk(partials, of_keys, met, customers)
        if another is not None:
            return another
        found = []
        for at, (key, mine) in enumerate(of_keys.items()):
            rows = self.of_group(mine, met, key, shown[at], customers)
            found.append(groups[[at] * len(rows)].hstack(rows) if names else rows)
        kind = partials.schema[CHANNEL]
        return pl.concat(found) if found else pl.DataFrame(schema={**groups.schema, **self.columns(kind)})

    def another_walk(
        self,
        partials: pl.DataFrame,
        of_keys: Mapping[tuple[Any, ...], pl.DataFrame],
        met: pl.Series,
        customers: pl.DataFrame,
    ) -> Partials | None:
        """Those that can say what these could not; None: these say all."""
        return None

    @abstractmethod
    def check(self, met: pl.Series, groups: Sequence[tuple[Any, ...]], partials: pl.DataFrame) -> None:
        """What can be refused only when all channels and groups are known."""

    @abstractmethod
    def columns(self, channel: pl.DataType) -> pl.Schema:
        """Of the answer, without those of ``by``."""

    @abstractmethod
    def of_group(
        self,
        rows: pl.DataFrame,
        met: pl.Series,
        key: tuple[Any, ...],
        shown: tuple[Any, ...],
        customers: pl.DataFrame,
    ) -> pl.DataFrame:
        """The answer to one group, out of its partials; ``met`` are all channels, and ``shown`` is the
        group, as the user knows them.
        """


@dataclass(frozen=True, eq=False)
class CreditPartials(Partials):
    """Of ``attribute``."""

    asks: Asked

    def bare(self, models: Sequence[Model]) -> Asked:
        """What is asked of these models beside credit is asked later."""
        return replace(self.asks, models=models, level=None, compare=False, spend=None)

    @property
    def sums(self) -> list[Model]:
        return [model for model in self.asks.models if model.is_sum]

    @property
    def others(self) -> list[Model]:
        return [model for model in self.asks.models if not model.is_sum]

    def part(
        self, journeys: Journeys, met: Int64, key: tuple[Any, ...], everyone: Everyone | None
    ) -> Iterator[pl.DataFrame]:
        """Credit by the models that are sums, and paths for the others."""
        if self.sums:
            found = self.bare(self.sums).answer(journeys, met, None)
            columns = {MODEL: "model", CHANNEL: "channel", CREDITED: "conversions", VALUE: "value"}
            yield rows_of(CREDIT, **{to: found[name] for to, name in columns.items()})
        if self.others:
            yield from super().part(journeys, met, key, everyone)

    def check(self, met: pl.Series, groups: Sequence[tuple[Any, ...]], partials: pl.DataFrame) -> None:
        check_channels(self.call, self.channel, len(met), self.asks.models)
        if self.asks.spend is not None:
            self.asks.spend.check(self.call, groups, met)

    def columns(self, channel: pl.DataType) -> pl.Schema:
        return self.asks.schema(channel)

    def of_group(
        self,
        rows: pl.DataFrame,
        met: pl.Series,
        key: tuple[Any, ...],
        shown: tuple[Any, ...],
        customers: pl.DataFrame,
    ) -> pl.DataFrame:
        cost = None if self.asks.spend is None else self.asks.spend.by_code(shown, met)
        n = n_conversions(rows)
        return self.asks.completed(self.credit(rows, met), [], np.arange(len(met)), 0, cost, met, n)

    def credit(self, rows: pl.DataFrame, met: pl.Series) -> pl.DataFrame:
        """Rows of the answer without costs."""
        n = n_conversions(rows)
        earned = of_kind(rows, CREDIT).group_by(MODEL, CHANNEL).agg(CREDITED, VALUE)
        credits = {row[:2]: (math.fsum(row[2]), math.fsum(row[3])) for row in earned.iter_rows()}
        learned = None
        if self.others:
            learned = self.bare(self.others).answer(self.journeys(rows, met), np.arange(len(met)), None)
        found = []
        for model in self.asks.models:
            if learned is not None and not model.is_sum:
                found.append(learned.filter(pl.col("model") == model.label))
                continue
            shown = [*met, *([None] if (model.label, None) in credits else [])]
            credit = [credits.get((model.label, channel), (0.0, 0.0)) for channel in shown]
            count = np.array([one for one, _ in credit], np.float64)
            columns = {
                "model": pl.repeat(model.label, len(shown), eager=True),
                "channel": pl.Series(shown, dtype=met.dtype),
                "conversions": count,
                "value": pl.Series(
                    [worth if self.has_value else None for _, worth in credit], dtype=pl.Float64
                ),
                "share": count / n if n else None,  # NumPy's: Polars multiplies by 1 / n
            }
            found.append(pl.DataFrame(columns))
        schema = self.bare(self.asks.models).schema(met.dtype)
        return pl.concat([pl.DataFrame(schema=schema), *found], how="diagonal_relaxed").cast(schema)

    def journeys(self, rows: pl.DataFrame, met: pl.Series) -> Journeys:
        """Those that the table of paths tells of, for the models that learn of all; ``met`` by code."""
        paths = _in_order_of_names(self.call, sums(of_kind(rows, PATH)))
        # every channel has a code, also where nobody took its path
        alone = pl.DataFrame({PATHS: met.reshape((-1, 1)).arr.to_list()}, schema={PATHS: pl.List(met.dtype)})
        paths = pl.concat([alone, paths], how="diagonal").with_columns(
            pl.col(COUNT, NULLS, VALUE).fill_null(0)
        )
        columns = _read(self.call, paths, self.has_value, self.n_threads)
        nulls = any(model.learns_from_nulls for model in self.others)
        return journeys_of_paths(columns, nulls=nulls, draws=False, with_rows=False, n_threads=self.n_threads)


def keys_of(groups: pl.DataFrame) -> list[tuple[Any, ...]]:
    """Of groups, as Polars tells them apart, which Python's values are not: its times know no nanoseconds and
    no hour that a clock shows twice, lists are no keys, and a NaN equals none.
    """
    apart = [name for name, kind in groups.schema.items() if kind.is_temporal() or kind.is_nested()]
    return [tuple(map(_key, row)) for row in groups.with_columns(pl.col(apart).to_physical()).iter_rows()]


def _key(value: Any) -> Any:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return tuple(map(_key, value))
    return "cxcore: NaN" if value != value else value


def n_conversions(rows: pl.DataFrame) -> float:
    """Of a group."""
    return float(of_kind(rows, GROUP)[COUNT].sum())


@dataclass(frozen=True, eq=False)
class PathPartials(Partials):
    """Of ``paths``."""

    separator: str | None

    def check(self, met: pl.Series, groups: Sequence[tuple[Any, ...]], partials: pl.DataFrame) -> None:
        if self.separator is not None:
            check_text(self.channel, met, self.separator)

    def columns(self, channel: pl.DataType) -> pl.Schema:
        return path_schema(channel, self.separator)

    def of_group(
        self,
        rows: pl.DataFrame,
        met: pl.Series,
        key: tuple[Any, ...],
        shown: tuple[Any, ...],
        customers: pl.DataFrame,
    ) -> pl.DataFrame:
        paths = sums(of_kind(rows, PATH))
        paths = _in_order_of_names(self.call, paths)
        path = paths[PATHS]
        if self.separator is not None:
            path = path.cast(pl.List(pl.String)).list.join(self.separator)
        amounts = {
            "conversions": paths[COUNT],
            "value": paths[VALUE] if self.has_value else None,
            "nulls": paths[NULLS] if self.nulls else None,
        }
        return pl.DataFrame({"path": path, **amounts}, schema=self.columns(met.dtype))


def _read(call: str, paths: pl.DataFrame, has_value: bool, n_threads: int) -> PathColumns:
    value = VALUE if has_value else None
    roles: Any = {"path": PATHS, "conversions": COUNT, "value": value, "nulls": NULLS}
    return path_columns(call, paths, **roles, separator=None, n_threads=n_threads)


def _in_order_of_names(call: str, paths: pl.DataFrame) -> pl.DataFrame:
    """However the parts came: sums of floats have an order, and so have codes."""
    return paths[_read(call, paths, False, 1).paths.order()]
