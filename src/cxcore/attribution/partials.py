"""Answers of parts of a log that add up to the answer of the log, for engines that spread rows.

A part is whole users. Models that are sums over customers give each part's credit; models that learn of all
journeys get a table of paths (docs/adr/0019), whose counts are whole numbers: the same bits for any parts.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

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
from cxcore.attribution.journeys import Touchpoints, Windows, check_channels, journeys_of
from cxcore.attribution.path_journeys import journeys_of_paths
from cxcore.attribution.path_rows import check_text, path_rows, path_schema
from cxcore.attribution.spend import with_costs
from cxcore.attribution.transforms import Transform, type_after
from cxcore.engines.base import Parts

#: what a row of a partial says: a channel was met, a group has so many conversions, credit, a path
_MET, _GROUP, _CREDIT, _PATH = range(4)
_KIND, _MODEL, _CHANNEL, _PATHS = (f"cxcore: {name}" for name in ("kind", "model", "channel", "path"))
_COUNT, _VALUE, _NULLS, _CREDITED = (f"cxcore: {name}" for name in ("count", "value", "nulls", "credited"))
#: rows from which on those of one partition are added up as they come
_MANY = 100_000

#: house frame of whole users -> partial
Compute = Callable[[pl.DataFrame], pl.DataFrame]


def parts_of(
    call: str,
    roles: EventRoles,
    read: Sequence[str],
    compute: Compute,
    partial_schema: Callable[[pl.Schema], pl.Schema] | None,
    merge: Callable[[pl.DataFrame], pl.DataFrame] | None,
) -> Parts:
    """By parts of whole users."""

    def walk(frames: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        found = map(compute, whole_users(in_order(call, _of_users(frames, roles), roles), roles.user))
        yield from (found if merge is None else _added_up(found))

    return Parts(roles.user, order_of(roles, read), walk, (roles.time,), partial_schema, merge, compute)


def order_of(roles: EventRoles, read: Sequence[str]) -> tuple[str, ...]:
    """Of the rows of a user. Events of one instant that ``order`` does not tell apart are in order of all
    that is ``read``: rows have no place there.
    """
    order = (roles.time, *(() if roles.order is None else (roles.order,)))
    return (*order, *(name for name in read if name not in (*order, *roles.user)))


def _of_users(frames: Iterator[pl.DataFrame], roles: EventRoles) -> Iterator[pl.DataFrame]:
    """Rows without a user are left out, unless they have no time, which is refused."""
    nobody = pl.any_horizontal(pl.col(roles.user).is_null()) & pl.col(roles.time).is_not_null()
    for frame in frames:
        yield frame.filter(~nobody)


def _added_up(partials: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    held: list[pl.DataFrame] = []
    most = _MANY
    for rows in partials:
        held.append(rows)
        if sum(map(len, held)) > most:
            held = [_sums(pl.concat(held))]
            most = 2 * len(held[0]) + _MANY
    if held:
        yield _sums(pl.concat(held))


def _sums(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows that say one thing, added up: the same sums in whatever order they came."""
    whole, real = (_COUNT, _NULLS), (_VALUE, _CREDITED)
    keys = [name for name in rows.columns if name not in (*whole, *real)]
    added = rows.group_by(keys, maintain_order=True).agg(pl.col(whole).sum(), pl.col(real).drop_nulls())
    sums = (pl.Series(name, list(map(_sum, added[name].to_list())), pl.Float64) for name in real)
    return added.with_columns(sums).select(rows.columns)


def _sum(values: list[float]) -> float:
    """Infinite where a float64 cannot hold it, which ``merge`` refuses."""
    try:
        return math.fsum(values)
    except OverflowError:
        return math.inf


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
        return pl.Schema(
            {
                **by_schema(self.call, before, self.by),
                _KIND: pl.Int8(),
                _MODEL: pl.String(),
                _CHANNEL: kind,
                _PATHS: pl.List(kind),
                _COUNT: pl.Int64(),
                _VALUE: pl.Float64(),
                _NULLS: pl.Int64(),
                _CREDITED: pl.Float64(),
            }
        )

    def answer(self, index: EventIndex, log: Touchpoints, met: Int64, groups: Groups | None) -> pl.DataFrame:
        """The partial of whole users."""
        journeys = transformed(journeys_of(index, log, self.windows), self.transforms)
        if journeys.names is not log.names:
            met = np.arange(len(journeys.names))
        rows = [_rows(_MET, **{_CHANNEL: journeys.names[met]})]
        parts: Any = [journeys]
        if groups is not None:
            assert log.group is not None
            parts = groups.parts(journeys, log.group.to_numpy())
        for at, part in enumerate(parts):
            of_group = [
                _rows(_GROUP, **{_COUNT: pl.Series([int(part.n_conversions)])}),
                *self.part(part, met),
            ]
            if groups is not None:
                of_group = [one.hstack(groups.names[[at] * len(one)]) for one in of_group]
            rows += of_group
        schema = self.schema(index.house.schema)
        return pl.concat([pl.DataFrame(schema=schema), *rows], how="diagonal_relaxed").cast(schema)

    def part(self, journeys: Journeys, met: Int64) -> Iterator[pl.DataFrame]:
        """What some journeys say: their paths."""
        found = path_rows(journeys, self.has_value, self.nulls, None)
        columns = {_PATHS: "path", _COUNT: "conversions", _VALUE: "value", _NULLS: "nulls"}
        yield _rows(_PATH, **{to: found[name] for to, name in columns.items()})

    # ---------------------------------------------------------------- what they say together

    def merge(self, partials: pl.DataFrame) -> pl.DataFrame:
        """The answer of the log."""
        if self.value is not None and not math.isfinite(float(partials[_VALUE].abs().sum())):
            problem = "the values add up to more than a float64 can hold."
            raise errors.bad_data(self.call, "value", self.value, problem, "use a larger unit.")
        names = partials.columns[: partials.columns.index(_KIND)]
        met = partials.filter(pl.col(_KIND) == _MET)[_CHANNEL].unique(maintain_order=True)
        met = met[by_name(met, np.arange(len(met)))]
        groups = partials.filter(pl.col(_KIND) == _GROUP)
        if names:
            groups = groups.select(names).unique(maintain_order=True).sort(names, nulls_last=True)
            of_group = partials.partition_by(names, as_dict=True)
        else:
            groups, of_group = pl.DataFrame(height=1), {(): partials}
        keys = groups.rows() if names else [()]
        self.check(met, keys)
        found = []
        for at, key in enumerate(keys):
            rows = self.of_group(of_group[key], met, key)
            found.append(groups[[at] * len(rows)].hstack(rows) if names else rows)
        kind = partials.schema[_CHANNEL]
        return pl.concat(found) if found else pl.DataFrame(schema={**groups.schema, **self.columns(kind)})

    @abstractmethod
    def check(self, met: pl.Series, groups: Sequence[tuple[Any, ...]]) -> None:
        """What can be refused only when all channels and groups are known."""

    @abstractmethod
    def columns(self, channel: pl.DataType) -> pl.Schema:
        """Of the answer, without those of ``by``."""

    @abstractmethod
    def of_group(self, rows: pl.DataFrame, met: pl.Series, key: tuple[Any, ...]) -> pl.DataFrame:
        """The answer to one group, out of its partials; ``met`` are all channels, as they are shown."""


@dataclass(frozen=True, eq=False)
class CreditPartials(Partials):
    """Of ``attribute``."""

    asks: Asked

    @property
    def sums(self) -> list[Model]:
        return [model for model in self.asks.models if model.is_sum]

    @property
    def others(self) -> list[Model]:
        return [model for model in self.asks.models if not model.is_sum]

    def part(self, journeys: Journeys, met: Int64) -> Iterator[pl.DataFrame]:
        """Credit by the models that are sums, and paths for the others."""
        if self.sums:
            found = replace(self.asks, models=self.sums, spend=None).answer(journeys, met, None)
            columns = {_MODEL: "model", _CHANNEL: "channel", _CREDITED: "conversions", _VALUE: "value"}
            yield _rows(_CREDIT, **{to: found[name] for to, name in columns.items()})
        if self.others:
            yield from super().part(journeys, met)

    def check(self, met: pl.Series, groups: Sequence[tuple[Any, ...]]) -> None:
        check_channels(self.call, self.channel, len(met), self.asks.models)
        if self.asks.spend is not None:
            self.asks.spend.check(self.call, groups, met)

    def columns(self, channel: pl.DataType) -> pl.Schema:
        return self.asks.schema(channel)

    def of_group(self, rows: pl.DataFrame, met: pl.Series, key: tuple[Any, ...]) -> pl.DataFrame:
        n = float(rows.filter(pl.col(_KIND) == _GROUP)[_COUNT].sum())
        earned = rows.filter(pl.col(_KIND) == _CREDIT).group_by(_MODEL, _CHANNEL).agg(_CREDITED, _VALUE)
        sums = {row[:2]: (math.fsum(row[2]), math.fsum(row[3])) for row in earned.iter_rows()}
        learned = self._learned(rows, met) if self.others else None
        found = []
        for model in self.asks.models:
            if learned is not None and not model.is_sum:
                found.append(learned.filter(pl.col("model") == model.label))
                continue
            shown = [*met, *([None] if (model.label, None) in sums else [])]
            credit = [sums.get((model.label, channel), (0.0, 0.0)) for channel in shown]
            count = pl.Series([one for one, _ in credit], dtype=pl.Float64)
            columns = {
                "model": pl.repeat(model.label, len(shown), eager=True),
                "channel": pl.Series(shown, dtype=met.dtype),
                "conversions": count,
                "value": pl.Series(
                    [worth if self.has_value else None for _, worth in credit], dtype=pl.Float64
                ),
                "share": count / n if n else None,
            }
            found.append(pl.DataFrame(columns))
        bare = replace(self.asks, spend=None).schema(met.dtype)
        answer = pl.concat([pl.DataFrame(schema=bare), *found], how="diagonal_relaxed").cast(bare)
        if self.asks.spend is None:
            return answer
        cost = dict(zip([*met, None], self.asks.spend.by_code(key, met), strict=True))
        return with_costs(answer, np.array([cost[name] for name in answer["channel"]], np.float64), n, False)

    def _learned(self, rows: pl.DataFrame, met: pl.Series) -> pl.DataFrame:
        """The answer of the models that learn of all journeys, from the table of paths."""
        paths = _sums(rows.filter(pl.col(_KIND) == _PATH))
        # every channel has a row, also where nobody took its path
        alone = pl.DataFrame(
            {_PATHS: met.reshape((-1, 1)).arr.to_list()}, schema={_PATHS: pl.List(met.dtype)}
        )
        paths = pl.concat([paths, alone], how="diagonal").with_columns(
            pl.col(_COUNT, _NULLS, _VALUE).fill_null(0)
        )
        columns = _read(self.call, _in_order_of_names(self.call, paths), self.has_value, self.n_threads)
        nulls = any(model.learns_from_nulls for model in self.others)
        journeys = journeys_of_paths(
            columns, nulls=nulls, draws=False, with_rows=False, n_threads=self.n_threads
        )
        asks = replace(self.asks, models=self.others, spend=None)
        return asks.answer(journeys, np.arange(len(columns.paths.names)), None)


@dataclass(frozen=True, eq=False)
class PathPartials(Partials):
    """Of ``paths``."""

    separator: str | None

    def check(self, met: pl.Series, groups: Sequence[tuple[Any, ...]]) -> None:
        if self.separator is not None:
            check_text(self.channel, met, self.separator)

    def columns(self, channel: pl.DataType) -> pl.Schema:
        return path_schema(channel, self.separator)

    def of_group(self, rows: pl.DataFrame, met: pl.Series, key: tuple[Any, ...]) -> pl.DataFrame:
        paths = _sums(rows.filter(pl.col(_KIND) == _PATH))
        paths = _in_order_of_names(self.call, paths)
        path = paths[_PATHS]
        if self.separator is not None:
            path = path.cast(pl.List(pl.String)).list.join(self.separator)
        amounts = {
            "conversions": paths[_COUNT],
            "value": paths[_VALUE] if self.has_value else None,
            "nulls": paths[_NULLS] if self.nulls else None,
        }
        return pl.DataFrame({"path": path, **amounts}, schema=self.columns(met.dtype))


def _read(call: str, paths: pl.DataFrame, has_value: bool, n_threads: int) -> PathColumns:
    value = _VALUE if has_value else None
    roles: Any = {"path": _PATHS, "conversions": _COUNT, "value": value, "nulls": _NULLS}
    return path_columns(call, paths, **roles, separator=None, n_threads=n_threads)


def _in_order_of_names(call: str, paths: pl.DataFrame) -> pl.DataFrame:
    """However the parts came: sums of floats have an order, and so have codes."""
    return paths[_read(call, paths, False, 1).paths.order()]


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

    Intervals ask what each customer changes, and models that learn from times when each touch was: customers
    are hardly alike in that.
    """
    others = [model for model in asks.models if not model.is_sum]
    if asks.level is not None or any(m.reads_times or m.reads_rows or m.reads_stage for m in others):
        return "whole"
    if touches:
        return "whole" if others else "rows"
    own = replace(windows, n_threads=1)
    return CreditPartials(call, channel, by, value, nulls, transforms, own, windows.n_threads, asks)


def _rows(kind: int, **columns: pl.Series) -> pl.DataFrame:
    return pl.DataFrame(columns).with_columns(pl.lit(kind, pl.Int8).alias(_KIND))
