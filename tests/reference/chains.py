"""Twin of ``_ext/chains.pyx``: chains whose state is the last touches, solved anew without each channel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]
State = tuple[object, ...]


@dataclass(frozen=True)
class Walk:
    """Journeys that are alike: channels, value (None: they did not convert), how many."""

    path: Sequence[object]
    value: float | None
    times: float = 1.0


def states_of(path: Sequence[object], order: int) -> list[State]:
    """After each touch the last ``order`` touches; fewer near the start."""
    return [tuple(path[max(0, i + 1 - order) : i + 1]) for i in range(len(path))]


@dataclass(frozen=True)
class Chain:
    """ChainTable: by state starts, steps to each state, ends with and without a conversion, value."""

    states: list[State]
    start: Float64
    step: Float64
    conversion: Float64
    null: Float64
    value: Float64

    @property
    def out(self) -> Float64:
        return np.maximum(self.step.sum(axis=1) + self.conversion + self.null, 1e-300)

    def left(self, reward: Float64, gone: object = None) -> float:
        """Reward (for each visit) that journeys collect where those that meet ``gone`` end."""
        stays = np.array([state[-1] != gone for state in self.states], dtype=bool)
        p = (self.step / self.out[:, None])[np.ix_(stays, stays)]
        if not stays.any():
            return 0.0
        ahead = np.linalg.solve(np.eye(len(p)) - p, (reward / self.out)[stays])
        return float(self.start[stays] @ ahead)


def count(walks: Sequence[Walk], order: int) -> Chain:
    """States and steps of all journeys with a touch."""
    walks = [walk for walk in walks if walk.path and walk.times]
    states = list(dict.fromkeys(s for walk in walks for s in states_of(walk.path, order)))
    place = {state: at for at, state in enumerate(states)}
    n = len(states)
    chain = Chain(states, np.zeros(n), np.zeros((n, n)), np.zeros(n), np.zeros(n), np.zeros(n))
    for walk in walks:
        at = [place[state] for state in states_of(walk.path, order)]
        chain.start[at[0]] += walk.times
        for a, b in pairwise(at):
            chain.step[a, b] += walk.times
        if walk.value is None:
            chain.null[at[-1]] += walk.times
        else:
            chain.conversion[at[-1]] += walk.times
            chain.value[at[-1]] += walk.times * walk.value
    return chain


def credit(walks: Sequence[Walk], order: int) -> dict[object, tuple[float, float, float]]:
    """Conversions, value and removal effect of each channel."""
    chain = count(walks, order)
    channels = list(dict.fromkeys(state[-1] for state in chain.states))
    converted, value = chain.conversion.sum(), chain.value.sum()
    lost = {c: converted - chain.left(chain.conversion, c) for c in channels}
    worth = {c: value - chain.left(chain.value, c) for c in channels}
    whole, whole_worth = sum(lost.values()), sum(worth.values())
    answer = {}
    for c in channels:
        part = lost[c] / whole if whole > 0 else 0.0
        cancels = abs(whole_worth) <= 1e-12 * sum(abs(x) for x in worth.values())
        of_value = part if cancels else worth[c] / whole_worth
        effect = lost[c] / converted if converted else 0.0
        answer[c] = (float(converted * part), float(value * of_value), float(effect))
    return answer


def chances(chain: Chain) -> tuple[dict[State, float], float]:
    """Of each state, and of the start, to lead to a conversion."""
    n = len(chain.states)
    ahead = np.linalg.solve(np.eye(n) - chain.step / chain.out[:, None], chain.conversion / chain.out)
    journeys = chain.start.sum()
    return dict(zip(chain.states, ahead.tolist(), strict=True)), float(chain.start @ ahead / journeys)


def increments(walks: Sequence[Walk], order: int, clip: bool) -> list[list[float]]:
    """Parts of each path that converts, touch by touch (increments, pair_states): gains of chance."""
    chain = count(walks, order)
    converting = [walk.path for walk in walks if walk.value is not None]
    if not chain.null.any():
        return [[1 / len(path)] * len(path) for path in converting]
    chance, at_first = chances(chain)
    parts = []
    for path in converting:
        after = [chance[state] for state in states_of(path, order)]
        gains = [b - a for a, b in pairwise([at_first, *after])]
        if gains:
            gains[-1] += 1.0 - after[-1]
        gains = [max(0.0, gain) if clip else gain for gain in gains]
        parts.append([gain / sum(gains) for gain in gains])
    return parts


def transitions(walks: Sequence[Walk], order: int) -> dict[tuple[State, object, str | None], float]:
    """How often each touch, or end, follows a state; the start is no touch (find, recount)."""
    counts: dict[tuple[State, object, str | None], float] = {}
    for walk in walks:
        states = [(), *states_of(walk.path, order)] if walk.path else []
        end = "null" if walk.value is None else "conversion"
        for state, channel in zip(states, [*walk.path, None], strict=False):
            step = (state, channel, None if channel is not None else end)
            counts[step] = counts.get(step, 0.0) + walk.times
    return {step: count for step, count in counts.items() if count}


def foretold(
    walks: Sequence[Walk], past: State, order: int, channels: Sequence[object]
) -> tuple[float, dict[object, float]]:
    """Chances after a past, of a conversion and of each next touch, by walks; a shorter memory lends one."""
    if order == 0:
        after: dict[tuple[object, str | None], float] = {}
        for (state, channel, end), count in transitions(walks, 1).items():
            if state:  # the start is no touch
                after[channel, end] = after.get((channel, end), 0.0) + count
        lent, weight, converts = dict.fromkeys(channels, 1.0), float(len(channels)), 0.5
    else:
        after = {key[1:]: count for key, count in transitions(walks, order).items() if key[0] == past}
        converts, lent = foretold(walks, past[1:] if len(past) == order else past, order - 1, channels)
        weight = 1.0
    onward = {c: after.get((c, None), 0.0) for c in channels}
    chance = (after.get((None, "conversion"), 0.0) + converts) / (sum(after.values()) + 1.0)
    below = sum(onward.values()) + weight
    return chance, {c: (onward[c] + lent[c]) / below for c in channels}


def losses(
    tested: Sequence[Walk], others: Sequence[Walk], order: int, channels: Sequence[object]
) -> tuple[float, float, float, float]:
    """Of conversion and of the next touch: sum of -log of the chance that others give it, and how many."""
    ends = ended = touches = touched = 0.0
    for (state, channel, end), count in transitions(tested, max(order, 1)).items():
        if not state:
            continue
        chance, onward = foretold(others, state if order else (), order, channels)
        ends -= count * math.log(chance if end == "conversion" else 1.0 - chance)
        ended += count
        if end is None:
            touches -= count * math.log(onward[channel])
            touched += count
    return ends, ended, touches, touched
