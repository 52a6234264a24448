"""Twin of ``_ext/games.pyx``, in fractions: each set asked for, each order of players gone through."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from fractions import Fraction
from itertools import combinations, permutations
from typing import Any, TypeVar

from tests.reference.attribution import Journey

Set = frozenset[Any]
Worth = Callable[[Set], Fraction]
#: the channels of a journey, its conversions (0 or 1), its value
Outcome = tuple[Set, int, Fraction]
T = TypeVar("T")


def coalitions(journeys: Sequence[Journey], nulls: Sequence[Sequence[object]]) -> list[Outcome]:
    """The channels of each journey that has a touch, and what came of it (distinct_coalitions, too)."""
    converted = [
        (frozenset(t.channel for t in j.touches), 1, Fraction(j.conversion.value))
        for j in journeys
        if j.touches
    ]
    return converted + [(frozenset(path), 0, Fraction(0)) for path in nulls if path]


def rate(outcomes: Sequence[Outcome], inside: Set, of_value: bool = False) -> Fraction:
    """Conversions, or value, per journey of those that met no other channel; 0 where there is none."""
    chosen = [(value if of_value else converted) for met, converted, value in outcomes if met <= inside]
    return Fraction(sum(chosen)) / len(chosen) if chosen else Fraction(0)


def added(worth: Worth, order: Iterable[Hashable]) -> dict[Hashable, Fraction]:
    """What each player of an order adds to those before it."""
    there: Set = frozenset()
    found = {}
    for player in order:
        found[player] = worth(there | {player}) - worth(there)
        there = there | {player}
    return found


def shapley_values(players: Sequence[Hashable], worth: Worth) -> dict[Hashable, Fraction]:
    """Mean over all orders."""
    known: dict[Set, Fraction] = {}

    def asked(there: Set) -> Fraction:
        if there not in known:
            known[there] = worth(there)
        return known[there]

    orders = list(permutations(players))
    every = [added(asked, order) for order in orders]
    return {player: sum((one[player] for one in every), Fraction(0)) / len(orders) for player in players}


def sampled_shapley(
    worth: Worth, orders: Sequence[Sequence[Hashable]]
) -> dict[Hashable, tuple[Fraction, Fraction]]:
    """Mean over some orders and their reverses, and the square of its standard error over the pairs."""
    pairs = [
        {p: (forth[p] + back[p]) / 2 for p in order}
        for order in orders
        for forth, back in [(added(worth, order), added(worth, list(reversed(order))))]
    ]
    n, found = len(pairs), {}
    for player in orders[0]:
        mean = sum((pair[player] for pair in pairs), Fraction(0)) / n
        squares = sum(((pair[player] - mean) ** 2 for pair in pairs), Fraction(0))
        found[player] = (mean, squares / (n - 1) / n)
    return found


def order_slopes(
    sets: Sequence[Set],
    tally: Sequence[Sequence[float]],
    orders: Sequence[Sequence[int]],
    which: int,
    outcome: float,
    of: int,
) -> list[float]:
    """What a little more of a journey of one set changes in what players add, on average over some orders
    (out of order_rates). ``tally``: journeys, and their outcomes, of each set; ``of``: which outcome."""

    def worth(more: Fraction) -> Worth:
        def asked(there: Set) -> Fraction:
            inside = [at for at, one in enumerate(sets) if one <= there]
            n = sum((Fraction(tally[at][0]) for at in inside), Fraction(0))
            total = sum((Fraction(tally[at][of]) for at in inside), Fraction(0))
            if which in inside:
                n, total = n + more, total + more * Fraction(outcome)
            return total / n if n else Fraction(0)

        return asked

    epsilon, sums = Fraction(1, 10**9), [Fraction(0)] * len(orders[0])
    for order in orders:
        before, after = added(worth(Fraction(0)), order), added(worth(epsilon), order)
        for player in order:
            sums[player] += (after[player] - before[player]) / epsilon / len(orders)
    return [float(x) for x in sums]


def subset_sums(table: Mapping[Set, Fraction]) -> dict[Set, Fraction]:
    return {one: sum((table[other] for other in table if other <= one), Fraction(0)) for one in table}


def superset_sums(table: Mapping[Set, Fraction]) -> dict[Set, Fraction]:
    return {one: sum((table[other] for other in table if other >= one), Fraction(0)) for one in table}


def all_sets(players: Sequence[Hashable]) -> list[Set]:
    return [frozenset(some) for n in range(len(players) + 1) for some in combinations(players, n)]


# ---------------------------------------------------------------- orders by number

_WORD = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15


def _mix(x: int) -> int:
    """The finalizer of splitmix64 (Steele, Lea, Flood 2014)."""
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 & _WORD
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB & _WORD
    return x ^ (x >> 31)


def random_orders(seed: int, first: int, n_orders: int, n: int) -> list[list[int]]:
    """Shuffled from the end (Fisher, Yates); the word of each step depends on seed, number and step alone."""
    orders = []
    for number in range(first, first + n_orders):
        stream = _mix((_mix((seed + _GOLDEN) & _WORD) + number * _GOLDEN) & _WORD)
        order = list(range(n))
        for i in range(n - 1, 0, -1):
            j = _mix((stream + i * _GOLDEN) & _WORD) * (i + 1) >> 64
            order[i], order[j] = order[j], order[i]
        orders.append(order)
    return orders
