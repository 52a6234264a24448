"""Twin of ``_ext/uncertainty.pyx``: a billionth of a customer more, in fractions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Context, Decimal
from fractions import Fraction
from itertools import pairwise

from tests.reference.markov import CONVERSION, NULL, START, removal_effects
from tests.reference.sessions import xxh64

CONTEXT = Context(prec=60)

Amounts = dict[object, tuple[Fraction, Fraction]]
#: a journey: its channels, its value (None: it did not convert), whose it is
Walk = tuple[Sequence[object], float | None, object]
EPSILON = Fraction(1, 10**9)


def chain_influence(walks: Sequence[Walk], who: object) -> dict[object, tuple[float, float]]:
    """Conversions and value by channel, for each customer like ``who`` (invert_chain serves it
    alone; table_influence is the same in another way, and table_squares adds up its squares)."""
    return _slope(walks, who, _chain_credit)


def customer_credit(
    walks: Sequence[Walk], who: object, weights: Callable[[int], Sequence[Fraction]]
) -> dict[object, tuple[float, float]]:
    """The same of a rule: weights of n touches, oldest first."""

    def credit(walks: Sequence[Walk], times: Mapping[object, Fraction]) -> Amounts:
        earned: Amounts = {}
        for path, value, user in walks:
            for channel, part in zip(path, weights(len(path)), strict=True) if value is not None else ():
                before, worth = earned.get(channel, (Fraction(0), Fraction(0)))
                part = part * times[user]
                earned[channel] = (before + part, worth + part * Fraction(value or 0.0))
        return earned

    return _slope(walks, who, credit)


def _slope(
    walks: Sequence[Walk], who: object, credit: Callable[[Sequence[Walk], Mapping[object, Fraction]], Amounts]
) -> dict[object, tuple[float, float]]:
    once = {user: Fraction(1) for _, _, user in walks}
    before, after = credit(walks, once), credit(walks, {**once, who: 1 + EPSILON})
    return {
        channel: (
            float((after[channel][0] - before[channel][0]) / EPSILON),
            float((after[channel][1] - before[channel][1]) / EPSILON),
        )
        for channel in before
    }


def _chain_credit(walks: Sequence[Walk], times: Mapping[object, Fraction]) -> Amounts:
    steps: dict[tuple[object, object], Fraction] = {}
    worth: dict[object, Fraction] = {}
    for path, value, user in walks:
        if not path:
            continue
        end = NULL if value is None else CONVERSION
        for step in pairwise([START, *path, end]):
            steps[step] = steps.get(step, Fraction(0)) + times[user]
        worth[path[-1]] = worth.get(path[-1], Fraction(0)) + times[user] * Fraction(value or 0.0)
    lost, lost_value = removal_effects(steps, worth)
    converted = sum((n for (_, b), n in steps.items() if b == CONVERSION), Fraction(0))
    whole, whole_value = sum(lost.values(), Fraction(0)), sum(lost_value.values(), Fraction(0))
    amounts: Amounts = {}
    for channel in lost:
        part = lost[channel] / whole if whole else Fraction(0)
        value_part = lost_value[channel] / whole_value if whole_value else part
        amounts[channel] = (converted * part, sum(worth.values(), Fraction(0)) * value_part)
    return amounts


# ---------------------------------------------------------------- sums


def add_squares(influence: Sequence[Sequence[float]]) -> list[tuple[float, float]]:
    """Squares of each column less its mean over these customers, and products with the last column."""
    columns = [[Fraction(x) for x in column] for column in zip(*influence, strict=True)]
    less = [[x - sum(column, Fraction(0)) / len(column) for x in column] for column in columns]
    products = [[sum(x * y for x, y in zip(column, other, strict=True)) for other in less] for column in less]
    return [(float(row[at]), float(row[-1])) for at, row in enumerate(products)]


def touch_squares(
    customers: Sequence[tuple[Sequence[tuple[int, float, float]], Sequence[tuple[bool, float]]]],
    n_channels: int,
) -> list[tuple[float, float]]:
    """The sums of add_squares where each customer has touches (channel, conversions, value) and conversions
    (did no touch earn it?, value): columns of channels, of no channel, of all conversions (walked_squares are
    the same of several models, out of their walk)."""
    rows = []
    for touches, conversions in customers:
        row = [0.0] * (2 * n_channels + 3)
        for channel, count, value in touches:
            row[2 * channel] += count
            row[2 * channel + 1] += value
        for alone, value in conversions:
            if alone:
                row[-3] += 1.0
                row[-2] += value
            row[-1] += 1.0
        rows.append(row)
    return add_squares(rows)


def list_squares(
    customers: Sequence[
        tuple[
            Sequence[tuple[int, float]],
            Sequence[tuple[int, float, float]],
            Sequence[tuple[bool, float]],
        ]
    ],
    table: Sequence[Sequence[float]],
) -> list[tuple[float, float]]:
    """The sums of touch_squares where each customer also changes rows of a table, so many times each."""
    width = len(table[0])
    whole = []
    for entries, touches, conversions in customers:
        listed = [
            (column // 2, amount * (column % 2 == 0), amount * (column % 2))
            for row, times in entries
            for column, amount in enumerate(times * x for x in table[row])
        ]
        whole.append(([*touches, *listed], conversions))
    return touch_squares(whole, width // 2)


def add_powers(
    influence: Sequence[Sequence[float]], contrasts: Sequence[tuple[int, float, int, float]]
) -> list[tuple[float, float]]:
    """Squares and cubes of alpha x[a] - beta x[b], less the mean over these customers."""
    sums = []
    for a, alpha, b, beta in contrasts:
        numbers = [Fraction(alpha) * Fraction(x[a]) - Fraction(beta) * Fraction(x[b]) for x in influence]
        mean = sum(numbers, Fraction(0)) / len(numbers)
        squares, cubes = (sum((x - mean) ** power for x in numbers) for power in (2, 3))
        sums.append((float(squares), float(cubes)))
    return sums


# ---------------------------------------------------------------- bootstrap

WORD = 2**64
GOLDEN = 0x9E3779B97F4A7C15


def customer_keys(keys: Sequence[bytes]) -> list[int]:
    return [xxh64(key) for key in keys]


def _mix(z: int) -> int:
    """The finalizer of SplitMix64."""
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) % WORD
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) % WORD
    return z ^ (z >> 31)


def draw(key: int, seed: int, replicate: int) -> int:
    """The Poisson(1) number of a customer: the first k with P(X <= k) above a uniform number."""
    stream = _mix(key ^ _mix((seed + GOLDEN) % WORD))
    uniform = Fraction(_mix((stream + GOLDEN * (replicate + 1)) % WORD), WORD)
    p = below = Fraction(CONTEXT.exp(Decimal(-1)))
    k = 0
    while uniform >= below:
        k += 1
        p /= k
        below += p
    return k


def resample(
    keys: Sequence[int],
    entries: Sequence[Sequence[tuple[int, float]]],
    seed: int,
    replicate: int,
    n_columns: int,
) -> list[float]:
    """Sums of draws times amounts, by column."""
    sums = [Fraction(0)] * n_columns
    for key, mine in zip(keys, entries, strict=True):
        for column, amount in mine:
            sums[column] += draw(key, seed, replicate) * Fraction(amount)
    return [float(x) for x in sums]
