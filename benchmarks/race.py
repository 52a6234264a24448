"""A race: check every contender's answer, then time them in turns, as lines of one pytest-benchmark group."""

from __future__ import annotations

import copy
import gc
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import settings

#: CPU time of the process where one thread works: other processes of the machine then disturb less,
#: and a contender that starts more threads than it was given pays for them
CLOCK = time.process_time if settings.THREADS == 1 else time.perf_counter

#: Every timing comes right after calls that are not timed: what ran before it, a rival or the garbage
#: collector, has emptied the caches; and a virtual machine may have given freed memory back to its host,
#: which costs whoever asks anew more than the work. What takes less than SHORT (seconds) is called so often.
SHORT, WARM_UPS = 0.02, 5

#: A timing takes at least so long (seconds): a shorter call is repeated, as timeit does, and as often before,
#: untimed. After a rival a single call of 30 µs takes 45: it finds the branches and caches of the rival.
BATCH = 0.005


@dataclass(frozen=True)
class Contender:
    """One way to the answer: ``run`` is timed, ``check`` raises where its answer is wrong."""

    name: str
    run: Callable[[], Any]
    check: Callable[[Any], None]
    #: ``run`` does this part of the work; its times are multiplied up, and the report says so
    part: float = 1.0


@dataclass(frozen=True)
class Goal:
    """``ratio`` times faster than the best rival whose name begins with ``rival``."""

    ratio: float
    rival: str


class Race:
    """Contenders of one group. They are checked first, each on the data that it is then timed on."""

    def __init__(self, benchmark: Any, clock: Callable[[], float] = CLOCK) -> None:
        self._benchmark, self._clock = benchmark, clock

    def __call__(
        self,
        group: str,
        *,
        words: str,
        rows: int,
        verb: Contender,
        parts: Sequence[Contender] = (),
        rivals: Sequence[Contender] = (),
        left_out: str = "",
        goals: Sequence[Goal] = (),
    ) -> None:
        """Time ``verb`` (the whole call of cxcore) against ``rivals``.

        ``parts`` are its kernels and steps alone, or cxcore's other ways.

        ``left_out`` says which rivals do not run on this size, and why.
        """
        calls = {}
        for contender in (verb, *parts, *rivals):
            gc.collect()  # the garbage of the imports would make the first call look long
            start = self._clock()
            answer = contender.run()
            calls[contender.name] = self._calls(contender.run, self._clock() - start)
            contender.check(answer)
            del answer
        if self._benchmark.disabled:
            self._benchmark.pedantic(lambda: None)
            return
        everyone = [("verb", verb), *(("part", one) for one in parts), *(("rival", one) for one in rivals)]
        spent: dict[str, list[float]] = {one.name: [] for _, one in everyone}
        rounds = settings.ROUNDS if rows <= 2_000_000 else min(settings.ROUNDS, 3)
        for _ in range(rounds):
            for _, one in everyone[1:] + everyone[:1]:
                if one is verb or not spent[one.name] or sum(spent[one.name]) < settings.BUDGET:
                    spent[one.name].append(_time(one.run, *calls[one.name], self._clock))
        self._benchmark.group = group
        self._benchmark._mode = "race"  # it was used, if in a way of our own
        about = {"words": words, "rows": rows, "left_out": left_out}
        for role, one in everyone:
            info = {"contender": one.name, "role": role, "part": one.part, **about}
            if one is verb:
                info["goals"] = [[goal.ratio, goal.rival] for goal in goals]
            _record(self._benchmark, one, info, spent[one.name])

    def _calls(self, run: Callable[[], Any], first: float) -> tuple[int, int]:
        """How often to call before a timing, and in it; ``first`` is what the first call took."""
        if first >= SHORT:
            return 1, 1
        start = self._clock()
        run()
        timed = math.ceil(BATCH / max(self._clock() - start, 1e-6))
        return max(WARM_UPS, timed), timed


def _time(run: Callable[[], Any], warm_ups: int, timed: int, clock: Callable[[], float]) -> float:
    gc.collect()
    for _ in range(warm_ups):
        run()
    gc.disable()
    try:
        start = clock()
        for _ in range(timed):
            answer = run()
        took = clock() - start
    finally:
        gc.enable()
    del answer
    return took / timed


def _record(bench: Any, one: Contender, info: dict[str, Any], times: Sequence[float]) -> None:
    """A line of its own in pytest-benchmark's table for each contender.

    pytest-benchmark times one function after the other; in turns, a slow minute of the machine meets all
    alike.
    """
    twin = copy.copy(bench)
    twin.name = f"{bench.name.split('[')[0]}[{one.name}]"
    twin.fullname = f"{bench.fullname}/{one.name}"
    twin.extra_info = info
    stats = twin._make_stats(iterations=1)
    for took in times:
        stats.update(took / one.part)
