"""What channels cost, beside what they earned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from cxcore import errors
from cxcore._columns import Float64, check_roles
from cxcore.engines import open_frame

#: less than this part of all conversions is rounding: nobody pays for it
_NOTHING = 1e-12


@dataclass(frozen=True, slots=True)
class Spend:
    """Cost by group and channel, named as in the answer."""

    cost: dict[tuple[Any, ...], float]

    @classmethod
    def read(cls, call: str, spend: Any, by: Sequence[str]) -> Spend:
        if isinstance(spend, dict):
            hint = "such as pl.DataFrame({'channel': [*costs], 'cost': [*costs.values()]})."
            raise errors.bad_option(call, "spend", "a dict", "takes a frame of channel and cost.", hint)
        engine, frame = open_frame(call, spend)
        wanted = [*by, "channel", "cost"]
        check_roles(call, engine.columns(frame), dict.fromkeys(["spend"], wanted))
        house = engine.read(call, frame, wanted)
        cost = house["cost"]
        if not cost.dtype.is_numeric():
            raise errors.wrong_dtype(call, "spend", "cost", cost.dtype, "takes numbers", "cast it.")
        wrong = cost.is_null() | ~cost.cast(pl.Float64).is_finite() | (cost < 0)
        if wrong.any():
            row = int(wrong.arg_max() or 0)
            n = int(wrong.sum())
            told = f"{n:,} of {len(cost):,} are below 0 or null; first is {cost[row]}, row {row}."
            raise errors.bad_data(call, "spend", "cost", told, "leave out channels without a cost.")
        names = house["channel"].cast(_plain(house["channel"].dtype))
        keys = list(house.select(*by, names).iter_rows())
        if len(set(keys)) < len(keys):
            twice = next(key for key in keys if keys.count(key) > 1)
            problem = f"{twice if by else twice[0]!r} has more than one row."
            raise errors.bad_data(call, "spend", "channel", problem, "add up their costs first.")
        return cls(dict(zip(keys, cost.cast(pl.Float64), strict=True)))

    def check(self, call: str, groups: Sequence[tuple[Any, ...]], names: pl.Series) -> None:
        """Every cost belongs to a channel of the log: none is left out in silence."""
        there = {(*group, name) for group in groups for name in names.cast(_plain(names.dtype))}
        unknown = [key for key in self.cost if key not in there]
        if unknown:
            shown = unknown[0][-1] if len(unknown[0]) == 1 else unknown[0]
            problem = f"{len(unknown):,} that the log does not have; first is {shown!r}."
            raise errors.bad_data(call, "spend", "channel", problem, "leave them out, or check the names.")

    def by_code(self, group: tuple[Any, ...], names: pl.Series) -> Float64:
        """Cost of each channel, float64[n_channels + 1]; NaN where it has none, as what no touch earned."""
        found = [self.cost.get((*group, name), np.nan) for name in names.cast(_plain(names.dtype))]
        return np.array([*found, np.nan])


def _plain(dtype: pl.DataType) -> Any:
    return pl.String if isinstance(dtype, (pl.Categorical, pl.Enum)) else dtype


def schema_of(with_limits: bool) -> dict[str, pl.DataType]:
    names = ["cost"]
    for measure in ("cost_per_conversion", "roas"):
        names += [measure, *([f"{measure}_low", f"{measure}_high"] if with_limits else [])]
    return dict.fromkeys(names, pl.Float64())


def with_costs(answer: pl.DataFrame, cost: Float64, n_conversions: float, with_limits: bool) -> pl.DataFrame:
    """Cost per conversion and return on spend of each row; ``cost`` by row, NaN where there is none.

    Costs are known, so that the intervals are those of conversions and value, turned over and scaled.
    """
    answer = answer.with_columns(cost=pl.Series(cost, nan_to_null=True))
    least = _NOTHING * n_conversions
    columns = {"cost_per_conversion": _for_each("conversions", least), "roas": _return("value")}
    if with_limits:
        endless = pl.when((pl.col("high") > least) & pl.col("cost").is_not_null()).then(float("inf"))
        columns |= {
            "cost_per_conversion_low": _for_each("high", least),
            "cost_per_conversion_high": pl.coalesce(_for_each("low", least), endless),
            "roas_low": _return("value_low"),
            "roas_high": _return("value_high"),
        }
    return answer.with_columns(**columns).select(*answer.columns, *list(schema_of(with_limits))[1:])


def _for_each(conversions: str, least: float) -> pl.Expr:
    return pl.when(pl.col(conversions) > least).then(pl.col("cost") / pl.col(conversions))


def _return(value: str) -> pl.Expr:
    return pl.when(pl.col("cost") > 0).then(pl.col(value) / pl.col("cost"))
