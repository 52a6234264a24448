"""Channels as players of a game whose worth is the conversion rate."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, TypeAlias

import numpy as np

from cxcore import _options, errors
from cxcore._columns import Float64, Int32, Int64
from cxcore._ext import games as kernel
from cxcore.attribution.base import Credit, Journeys, Model
from cxcore.attribution.journey_sets import (
    mean_value,
    per_journey,
    places_in,
    players_of,
    table_of,
    tally_of,
)
from cxcore.attribution.row_lists import Rows, list_squares

#: a table of all sets is made for so many channels
MOST_EXACT = 20
#: pairs of orders out of which errors of sampled games are found: these need fewer than the credit
_SLOPE_PAIRS = 64
#: numbers of a table of the sets that journeys lie in: 64 MB
_HELD = 1 << 23
_CALL = "ShapleyRate"

#: the conversion rate of journeys inside a set of channels, as a user knows it
RateOf: TypeAlias = Mapping[frozenset[Any], float] | Callable[[frozenset[Any]], float]


@dataclass(frozen=True)
class ShapleyRate(Model):
    """Shapley values of the conversion rate: what a channel adds to the channels that were there before it.

    The worth of a set of channels is the conversion rate of the journeys that met no other channel. A channel
    earns what it adds to that rate, on average over all orders in which channels can join, times the number
    of journeys. Credit is signed: a channel whose journeys convert less than those without it earns less than
    nothing, and is not cut off at 0.

    Parameters
    ----------
    value : mapping of frozensets or callable, optional
        Your own worth of each set of channels, in conversions per journey. A mapping has all sets of the
        channels that journeys met (the empty one may be missing and is 0); a callable takes a frozenset.
    n_orders : int, default 2_048
        Orders that are drawn where there are more than 20 channels; rounded up to whole pairs of an order and
        its reverse. Half of the error takes four times as many.
    seed : int, default 0
        Of those orders. The same seed gives the same orders for the same channels.

    Raises
    ------
    InvalidOptionError
        The worth of some set is missing or not a finite number; ``n_orders`` is below 4; ``seed`` is
        negative.

    Notes
    -----
    v(S) = conversions / journeys of all journeys whose channels lie in S, 0 where there is none; conversions
    without a touch are no part of the game. Credits sum to conversions, as v(all) is the rate of all journeys
    and v(empty) is 0. Value has a game of its own: v(S) = value per journey. With your own worth, credits sum
    to (v(all) - v(empty)) times the journeys, which are all conversions only where you say the same rate;
    each credit is then worth the mean value of a conversion.

    Up to 20 channels exactly, by sums over subsets: O(touches + conversions + C 2^C) time, 2^C numbers of
    memory. Beyond, the mean over random orders, each with its reverse; ``sampling_error`` of the answer is
    the standard error of that mean, in conversions (0 where nothing was drawn). Errors by formula come from
    the slopes of the same game, beyond 20 channels in the first 128 of the orders.

    Examples
    --------
    >>> from cxcore.attribution import ShapleyRate
    >>> ShapleyRate(n_orders=10_000).label
    'shapley_rate(n_orders=10000)'
    """

    word: ClassVar[str] = "shapley_rate"
    learns_from_nulls: ClassVar[bool] = True
    has_sampling_error: ClassVar[bool] = True
    value: RateOf | None = None
    n_orders: int = 2_048
    seed: int = 0

    def __post_init__(self) -> None:
        if not (self.value is None or isinstance(self.value, Mapping) or callable(self.value)):
            hint = "such as {frozenset({'ads'}): 0.02, …}, or a function of a frozenset."
            raise errors.bad_option(_CALL, "value", self.value, "not a mapping or a callable.", hint)
        _options.whole(_CALL, "n_orders", self.n_orders, 4)
        _options.within(_CALL, "seed", self.seed, 0, 2**63 - 1)

    @property
    def label(self) -> str:
        """Your own worth by the name of its function, or of its type."""
        own = getattr(self.value, "__name__", type(self.value).__name__)
        options = {"value": own} if self.value is not None else {}
        options |= {"n_orders": str(self.n_orders)} if self.n_orders != 2_048 else {}
        options |= {"seed": str(self.seed)} if self.seed else {}
        shown = ", ".join(f"{name}={option}" for name, option in options.items())
        return f"{self.word}({shown})" if shown else self.word

    def __hash__(self) -> int:
        return hash((self.n_orders, self.seed))  # a mapping has none

    @property
    def _pairs(self) -> int:
        return -(-self.n_orders // 2)

    def credit(self, journeys: Journeys) -> Credit:
        return self.credit_of(self.fit(journeys), journeys)

    def credit_of(self, fitted: RateGame, journeys: Journeys) -> Credit:
        conversions, value, error = np.zeros((3, journeys.n_channels))
        players, n = fitted.players, fitted.n_journeys
        conversions[players] = fitted.phi[:, 0] * n
        value[players] = fitted.phi[:, 1] * n
        error[players] = fitted.error * n
        return Credit(conversions, value, sampling_error=error)

    def fit(self, journeys: Journeys) -> RateGame:
        """The game and its Shapley values."""
        players, number = players_of(journeys)
        n = len(players)
        if n <= MOST_EXACT:
            tally = table_of(journeys, number, n)
            worth = per_journey(tally) if self.value is None else self._own_table(journeys, players, tally)
            phi = np.zeros((n, 2))
            kernel.shapley_values(worth, journeys.n_threads, phi)
            game = RateGame(
                players, number, tally[-1], phi, np.zeros(n), tally, worth, self.value is not None
            )
        else:
            game = self._sampled(journeys, players, number)
        return game

    def influence(self, fitted: RateGame, some: Journeys) -> Float64:
        return fitted.influence(some)

    def squares(self, fitted: RateGame, people: Journeys, mean: Float64, n: float) -> Float64 | None:
        return fitted.squares(people, mean, n)

    # ------------------------------------------------------------ the user's own worth

    def _own_table(self, journeys: Journeys, players: Int64, tally: Float64) -> Float64:
        names = journeys.names.to_list()
        asked = self._worth_of([names[code] for code in players])
        rate = np.array([asked(mask) for mask in range(len(tally))])
        return np.ascontiguousarray(np.stack((rate, rate * mean_value(tally[-1])), axis=1))

    def _worth_of(self, names: list[Any]) -> Callable[[int], float]:
        """Worth of a set of players, which comes as a mask."""

        def asked(mask: int) -> float:
            chosen = frozenset(name for at, name in enumerate(names) if mask >> at & 1)
            if isinstance(self.value, Mapping):
                found = self.value.get(chosen, None if chosen else 0.0)
            else:
                assert self.value is not None
                found = self.value(chosen)
            if not isinstance(found, (int, float, np.floating, np.integer)) or not math.isfinite(found):
                said = "is missing" if found is None else f"is {found!r}"
                problem = f"the worth of {sorted(chosen, key=str)!r} {said}; it must be a finite number."
                hint = "say the conversion rate of every set of channels that journeys met."
                raise errors.bad_option(_CALL, "value", self.value, problem, hint)
            return float(found)

        return asked

    # ------------------------------------------------------------ many channels

    def _sampled(self, journeys: Journeys, players: Int64, number: Int32) -> RateGame:
        of_conversion, of_null = places_in(journeys)
        n = len(players)
        offset, member = kernel.distinct_coalitions(journeys.view, number, n, of_conversion, of_null)
        tally = tally_of(journeys, of_conversion, of_null, len(offset) - 1)
        total = tally.sum(axis=0)
        phi, error, drawn = np.zeros((n, 2)), np.zeros((n, 2)), None
        if self.value is None:
            kernel.sampled_shapley(
                offset, member, tally, self.seed, self._pairs, journeys.n_threads, phi, error
            )
            drawn = self._drawn(offset, member, tally, n, journeys.n_threads)
        else:
            names = journeys.names.to_list()
            phi, error = self._ask_orders(self._worth_of([names[code] for code in players]), n)
            phi, error = phi * (1.0, mean_value(total)), error * (1.0, mean_value(total))
        return RateGame(players, number, total, phi, error[:, 0], None, None, self.value is not None, drawn)

    def _drawn(
        self, offset: Int64, member: Int64, tally: Float64, n: int, n_threads: int
    ) -> tuple[Int32, Float64]:
        """The first of the orders, and what journeys inside their first players weigh."""
        pairs = min(self._pairs, _SLOPE_PAIRS)
        order = np.empty((2 * pairs, n), np.int32)
        kernel.random_orders(self.seed, 0, order[:pairs])
        order[pairs:] = order[:pairs, ::-1]
        rate = np.empty((2 * pairs, n, 3))
        kernel.order_rates(offset, member, tally, order, n_threads, rate)
        return order, rate

    def _ask_orders(self, asked: Callable[[int], float], n: int) -> tuple[Float64, Float64]:
        """Mean and standard error of what each player adds, over the orders of the kernel."""
        order = np.empty((self._pairs, n), np.int32)
        kernel.random_orders(self.seed, 0, order)
        known: dict[int, float] = {}
        added = np.zeros((self._pairs, n))
        for pair, forth in enumerate(order):
            for way in (forth, forth[::-1]):
                worth = [_remembered(known, asked, mask) for mask in _prefixes(way)]
                added[pair, way] += np.diff(worth) / 2
        spread = added.std(axis=0, ddof=1) / math.sqrt(self._pairs)
        return np.repeat(added.mean(axis=0)[:, None], 2, axis=1), np.repeat(spread[:, None], 2, axis=1)


def _prefixes(order: Int32) -> Iterator[int]:
    mask = 0
    yield mask
    for player in order.tolist():
        mask |= 1 << player
        yield mask


def _remembered(known: dict[int, float], asked: Callable[[int], float], mask: int) -> float:
    if mask not in known:
        known[mask] = asked(mask)
    return known[mask]


# ---------------------------------------------------------------- the game


@dataclass(frozen=True, eq=False)
class RateGame:
    """What journeys say as a game, and its Shapley values."""

    #: codes of the channels that play, by name; number of each channel among them, -1 where it does not
    players: Int64
    number: Int32
    #: journeys, conversions and value of all
    total: Float64
    #: by player: conversions and value that it adds per journey; standard error of the first
    phi: Float64
    error: Float64
    #: by mask: journeys, conversions and value inside a set; conversions and value per journey. Exact games.
    tally: Float64 | None
    worth: Float64 | None
    #: is the worth of sets the user's?
    is_own: bool
    #: of a sampled game: orders, and what journeys inside their first players weigh (``kernel.order_rates``)
    drawn: tuple[Int32, Float64] | None = None

    @property
    def n_journeys(self) -> float:
        return float(self.total[0])

    @cached_property
    def _slopes(self) -> tuple[Float64, Float64]:
        """Sums over the sets that hold a set P, from which d phi_c follows: ``-without[P] + with[P + c]``.

        A journey inside S moves v(S) by (its outcome - v(S)) / journeys of S. In phi_c the weight of v(S) is
        -w(|S|), and w(|S| - 1) where c is in S. Columns: for an outcome of 1; for conversions; for value.
        """
        assert self.tally is not None
        assert self.worth is not None
        n = len(self.players)
        size = np.bitwise_count(np.arange(1 << n)).astype(np.int64)
        part = np.array([1.0 / (n * math.comb(n - 1, s)) for s in range(n)] + [0.0])
        inside = self.tally[:, 0]
        per_journey = np.divide(1.0, inside, out=np.zeros_like(inside), where=inside > 0)
        columns = np.column_stack((per_journey, self.worth * per_journey[:, None]))
        before = np.where(size > 0, part[size - 1], 0.0)
        without, with_it = columns * part[size][:, None], columns * (part[size] + before)[:, None]
        for table in (without, with_it):
            kernel.superset_sums(table, n)
        return without, with_it

    def influence(self, some: Journeys) -> Float64:
        """Derivative of credit in the number of customers like each, [n_users, n_channels, 2]."""
        moved = np.zeros((some.n_users, some.n_channels, 2))
        of_conversion, of_null = places_in(some)
        slope_of = self._sets(some, of_conversion, of_null)
        user = np.repeat(np.arange(some.n_users), np.diff(some.conversion_offset))
        for which, place, converted, value in (
            (user, of_conversion, np.ones(len(user)), some.value),
            (np.arange(len(of_null)), of_null, np.zeros(len(of_null)), np.zeros(len(of_null))),
        ):
            at = place >= 0
            outcome, mine = (converted[at], value[at]), which[at]
            for player, code in enumerate(self.players):
                parts = (
                    self._of_own(player, outcome)
                    if slope_of is None
                    else self._of_rate(player, slope_of(player, place[at]), outcome)
                )
                for x, part in enumerate(parts):
                    moved[:, code, x] += np.bincount(mine, part, minlength=len(moved))
        return moved

    def squares(self, people: Journeys, mean: Float64, n: float) -> Float64 | None:
        """Their squares (``Model.squares``), where journeys lie in few sets: a journey is a row of its set,
        one that converts is a second, and its value times a third."""
        if self.tally is None or self.is_own:
            return None
        of_conversion, of_null = places_in(people)
        kernel.coalitions(
            people.view, self.number, len(self.players), people.n_threads, of_conversion, of_null
        )
        touched, nulls = np.flatnonzero(of_conversion >= 0), np.flatnonzero(of_null >= 0)
        met = np.zeros(len(self.tally), np.bool_)
        met[of_conversion[touched]] = met[of_null[nulls]] = True
        mask = np.flatnonzero(met)
        if 6 * len(mask) * people.n_channels > _HELD:
            return None
        place = np.cumsum(met) - 1
        mine, lost = place[of_conversion[touched]], place[of_null[nulls]]
        user = np.repeat(np.arange(people.n_users), np.diff(people.conversion_offset))[touched]
        once, sets = np.ones(len(mine)), len(mask)
        parts = [Rows(user, mine + at * sets, times) for at, times in enumerate((once, once))]
        parts.append(Rows(user, mine + 2 * sets, people.value[touched]))
        parts.append(Rows(nulls, lost, np.ones(len(lost))))
        return list_squares(people, parts, self._rows(mask, people.n_channels), np.empty((0, 2)), mean, n)

    def _rows(self, mask: Int64, n_channels: int) -> Float64:
        """What a journey of each set moves that does not convert; a conversion more; a unit of value more."""
        without, with_it = self._slopes
        rows = np.zeros((3, len(mask), n_channels, 2))
        for player, code in enumerate(self.players):
            slope = self.n_journeys * (with_it[mask | (1 << player)] - without[mask])
            rows[0, :, code] = self.phi[player] - slope[:, 1:]
            rows[1, :, code, 0] = rows[2, :, code, 1] = slope[:, 0]
        return rows.reshape(3 * len(mask), n_channels, 2)

    def _sets(
        self, some: Journeys, of_conversion: Int32, of_null: Int32
    ) -> Callable[[int, Int32], Float64] | None:
        """Writes the set of each journey; gives the slopes of a player for some sets. None: sets are worth
        what the user says, whoever comes."""
        n = len(self.players)
        if self.drawn is not None:
            order, rate = self.drawn
            offset, member = kernel.distinct_coalitions(some.view, self.number, n, of_conversion, of_null)
            slope = np.empty((len(offset) - 1, n, 3))
            kernel.order_slopes(offset, member, order, rate, some.n_threads, slope)
            return lambda player, place: slope[place, player]
        if self.tally is None:
            kernel.distinct_coalitions(some.view, self.number, n, of_conversion, of_null)
            return None
        kernel.coalitions(some.view, self.number, n, some.n_threads, of_conversion, of_null)
        if self.is_own:
            return None
        without, with_it = self._slopes
        return lambda player, mask: with_it[mask | (1 << player)] - without[mask]

    def _of_rate(self, player: int, slope: Float64, outcome: tuple[Float64, Float64]) -> list[Float64]:
        return [
            self.phi[player, x] + self.n_journeys * (outcome[x] * slope[:, 0] - slope[:, x + 1])
            for x in range(2)
        ]

    def _of_own(self, player: int, outcome: tuple[Float64, Float64]) -> list[Float64]:
        """The worth of sets stays; the number of journeys and the mean value of a conversion move."""
        mean, (converted, value) = mean_value(self.total), outcome
        of_mean = (value - mean * converted) / (self.total[1] or 1.0)
        each = self.phi[player, 0]
        return [np.full(len(value), each), each * (mean + self.n_journeys * of_mean)]
