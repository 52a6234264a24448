"""The rules of sessions as users say them: options, checked once, and presets of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, get_args

import polars as pl

from cxcore import _options, errors

GapClosed = Literal["right", "left"]
SplitNull = Literal["carry", "break", "ignore"]
Calendar = Literal["1d", "1w", "1mo"]
Preset = Literal["ga4", "ua", "mixpanel", "amplitude", "snowplow", "spark", "kafka", "cja"]
#: why a session starts, as the kernel counts them; where several rules hold, the first of them
REASONS = (
    "first",
    "start_on",
    "end_on",
    "split_on",
    "calendar",
    "gap",
    "max_duration",
    "max_events",
)

_UINT64_MAX = 2**64 - 1  # silences are unsigned: from the first tick to the last
_INT64_MAX = 2**63 - 1


class Default(str):
    """A word that nobody chose: what a preset says goes before it."""

    __slots__ = ()


GAP: Any = Default("30m")
GAP_CLOSED: Any = Default("right")
SPLIT_NULL: Any = Default("carry")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SessionRules:
    """When a session ends and the next one starts; the options of :func:`cxcore.sessionize`, as one object.

    Pass it as ``preset=``. What the call says itself goes before what the object says. The words of
    ``preset=`` stand for such objects.

    Parameters
    ----------
    gap, gap_closed, max_duration, max_events, calendar, time_zone, start_on, end_on, split_on, split_null
        As in :func:`cxcore.sessionize`.
    keep_alive, unique, long_after
        As in :func:`cxcore.sessionize`.

    Examples
    --------
    >>> import polars as pl, cxcore as cx
    >>> rules = cx.SessionRules(gap="1h", max_events=2)
    >>> log = pl.DataFrame({"who": ["a", "a", "a"], "at": [0, 1, 2]})
    >>> cx.sessionize(log, user="who", time="at", time_unit="s", preset=rules)["session_number"].to_list()
    [1, 1, 2]
    """

    gap: Any = GAP
    gap_closed: Any = GAP_CLOSED
    max_duration: Any = None
    max_events: int | None = None
    calendar: Any = None
    time_zone: str | None = None
    start_on: str | pl.Expr | None = None
    end_on: str | pl.Expr | None = None
    split_on: str | pl.Expr | Sequence[str | pl.Expr] | None = None
    split_null: Any = SPLIT_NULL
    keep_alive: str | pl.Expr | None = None
    unique: str | Sequence[str] | None = None
    long_after: Any = None

    @property
    def given(self) -> dict[str, Any]:
        """The options that somebody chose."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        chosen = {
            name: value
            for name, value in values.items()
            if not (
                value is None or isinstance(value, Default) or (isinstance(value, Sequence) and not value)
            )
        }
        return chosen | ({"gap": None} if self.gap is None else {})


#: word -> rules; the words of ``preset=``. Sources, and what each leaves to the user:
#: docs/explanation/session-rules.md
PRESETS: dict[str, SessionRules] = {
    "ga4": SessionRules(gap="30m"),
    "ua": SessionRules(gap="30m", gap_closed="left", calendar="1d"),
    "mixpanel": SessionRules(gap="30m", calendar="1d"),
    "amplitude": SessionRules(gap="5m", gap_closed="left"),
    "snowplow": SessionRules(gap="30m", long_after="3d"),
    "spark": SessionRules(gap_closed="right"),
    "kafka": SessionRules(gap_closed="right"),
    "cja": SessionRules(gap="30m"),
}


@dataclass(frozen=True, slots=True, eq=False)
class Rules:
    """Checked rules. Lengths in nanoseconds, None: no such rule."""

    gap: int | pl.Expr | None
    closed: str
    max_duration: int | None
    max_events: int | None
    calendar: str | None
    time_zone: str | None
    start_on: str | pl.Expr | None
    end_on: str | pl.Expr | None
    split_on: tuple[str | pl.Expr, ...]
    split_null: str
    keep_alive: str | pl.Expr | None
    unique: tuple[str, ...]
    long_after: int | None

    @property
    def roles(self) -> dict[str, Any]:
        """What reads columns, in the order of the signature."""
        roles: dict[str, Any] = {
            "gap": self.gap if isinstance(self.gap, pl.Expr) else None,
            "start_on": self.start_on,
            "end_on": self.end_on,
            "split_on": list(self.split_on) or None,
            "keep_alive": self.keep_alive,
            "unique": list(self.unique) or None,
        }
        return {role: value for role, value in roles.items() if value is not None}

    @property
    def is_plain(self) -> bool:
        """Only the silence decides, and the gap is the same for all."""
        others = (self.max_duration, self.max_events, self.calendar)
        return isinstance(self.gap, int) and not self.roles and all(other is None for other in others)

    @property
    def reads_order(self) -> bool:
        """Does it matter which of the events of one instant comes first?"""
        marks = (self.start_on, self.end_on, self.keep_alive, self.max_events)
        return isinstance(self.gap, pl.Expr) or bool(self.split_on or any(one is not None for one in marks))

    @property
    def sees_more_than_a_row(self) -> bool:
        """May a rule look at rows of the user beside those of the session? An expression may, by ``over``."""
        read = [part for role in self.roles.values() for part in _options.parts(role)]
        return bool(self.unique) or any(isinstance(part, pl.Expr) for part in read)

    def on_columns(self, *, copy_splits: bool = False) -> tuple[Rules, dict[str, pl.Expr]]:
        """Rules that read columns alone, and the expressions of those: computed once a row, before a log is
        cut. ``copy_splits``: columns of ``split_on`` are copied, for who fills their nulls.
        """
        more: dict[str, pl.Expr] = {}

        def column(role: str, value: Any, *, is_copied: bool = False) -> Any:
            if not (is_copied or isinstance(value, pl.Expr)):
                return value
            name = f"cxcore: {role}"
            more[name] = value if isinstance(value, pl.Expr) else pl.col(value)
            return name

        gap = column("gap", self.gap)
        splits = enumerate(self.split_on)
        rules = replace(
            self,
            gap=pl.col(gap) if isinstance(gap, str) else gap,
            start_on=column("start_on", self.start_on),
            end_on=column("end_on", self.end_on),
            split_on=tuple(column(f"split_on {at}", it, is_copied=copy_splits) for at, it in splits),
            keep_alive=column("keep_alive", self.keep_alive),
        )
        return rules, more

    @property
    def key(self) -> object:
        """Equal for rules that give the same sessions of the same log; None where nothing can tell."""
        return (self.gap, self.closed) if self.is_plain else None

    def gap_ticks(self, tick_length: int) -> int:
        """The longest silence, in ticks of the time column, that does not split."""
        if not isinstance(self.gap, int):
            return _UINT64_MAX
        if self.closed == "right":
            return _options.ticks_below(self.gap, tick_length, _UINT64_MAX)
        return _options.ticks_above(self.gap, tick_length, _UINT64_MAX + 1) - 1

    def duration_ticks(self, tick_length: int) -> int:
        """The longest time from its start that an event may lie in its session."""
        if self.max_duration is None:
            return _UINT64_MAX
        return _options.ticks_below(self.max_duration, tick_length, _UINT64_MAX)

    @property
    def most_events(self) -> int:
        return _INT64_MAX if self.max_events is None else self.max_events


def rules_of(call: str, preset: Any, options: Mapping[str, Any]) -> Rules:
    """Options of a call over those of its preset, checked."""
    said = SessionRules(**options)
    if preset is not None:
        if not isinstance(preset, SessionRules):
            preset = PRESETS[_options.word(call, "preset", preset, get_args(Preset))]
        said = replace(preset, **said.given)
    _refuse_idle(call, said)
    gap = said.gap
    if isinstance(gap, pl.Expr):
        gap = _reader(call, "gap", gap)
    elif gap is not None:
        _options.no_column_of_spark(call, "gap", gap)
        gap = _options.duration(call, "gap", gap)
    calendar = said.calendar
    if calendar is not None:
        _options.word(call, "calendar", calendar, get_args(Calendar))
    return Rules(
        gap,
        _options.word(call, "gap_closed", said.gap_closed, get_args(GapClosed)),
        _length(call, "max_duration", said.max_duration),
        None
        if said.max_events is None
        else _options.within(call, "max_events", said.max_events, 1, _INT64_MAX),
        calendar,
        None if said.time_zone is None else _options.time_zone(call, "time_zone", said.time_zone),
        _role(call, "start_on", said.start_on),
        _role(call, "end_on", said.end_on),
        tuple(_reader(call, "split_on", part) for part in _options.parts(said.split_on)),
        _options.word(call, "split_null", said.split_null, get_args(SplitNull)),
        _role(call, "keep_alive", said.keep_alive),
        tuple(_options.column_name(call, "unique", name) for name in _options.parts(said.unique)),
        _length(call, "long_after", said.long_after),
    )


def _refuse_idle(call: str, said: SessionRules) -> None:
    """An option that can do nothing would be ignored in silence."""
    given = said.given
    needs = {"gap_closed": "gap", "time_zone": "calendar", "split_null": "split_on"}
    for option, other in needs.items():
        if option in given and (said.gap is None if other == "gap" else other not in given):
            problem = f"does nothing without {other}."
            raise errors.bad_option(call, option, given[option], problem, f"leave it out, or say {other}=.")
    splits = ("max_duration", "max_events", "calendar", "start_on", "end_on", "split_on")
    if said.gap is None and not any(name in given for name in splits):
        hint = f"say gap='30m', or one of {', '.join(splits)}."
        raise errors.bad_option(call, "gap", None, "no rule is left that ends a session.", hint)


def _length(call: str, option: str, value: Any) -> int | None:
    return None if value is None else _options.duration(call, option, value)


def _role(call: str, role: str, value: Any) -> Any:
    return None if value is None else _reader(call, role, value)


def _reader(call: str, role: str, value: Any) -> Any:
    """The name of a column, or an expression that names its columns."""
    if isinstance(value, pl.Expr):
        if value.meta.has_multiple_outputs():  # and which columns it reads, nobody can say before
            problem = "takes columns by a pattern, a kind or a place."
            raise errors.bad_option(call, role, str(value), problem, "name them, for example pl.col('page').")
        return value
    _options.no_column_of_spark(call, role, value)
    return _options.column_name(call, role, value)
