"""A race: check every contender's answer, then time them in turns, as lines of one pytest-benchmark group."""

from __future__ import annotations

import copy
import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import settings

#: CPU time of the process where one thread works: other processes of the machine then disturb less,
#: and a contender that starts more threads than it was given pays for them
CLOCK = time.process_time if settings.THREADS == 1 else time.perf_counter

#: Every call is timed right after one that is not, and one shorter than this (seconds) after so many: what
#: ran before it, a rival or the garbage collector, has emptied the caches; and a virtual machine may have
#: given freed memory back to its host, which costs whoever asks for it anew more than the work.
SHORT, WARM_UPS = 0.02, 5


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
        warm_ups = {}
        for contender in (verb, *parts, *rivals):
            gc.collect()  # the garbage of the imports would make the first call look long
            start = self._clock()
            answer = contender.run()
            warm_ups[contender.name] = WARM_UPS if self._clock() - start < SHORT else 1
            contender.check(answer)
            del answer
        if self._benchmark.disabled:
            self._benchmark.pedantic(lambda: None)
            return
        others = [("part", one) for one in parts] + [("rival", one) for one in rivals]
        spent: dict[str, list[float]] = {one.name: [] for _, one in others}

        def turn() -> None:
            for _, one in others:
                if not spent[one.name] or sum(spent[one.name]) < settings.BUDGET:
                    spent[one.name].append(_time(one.run, warm_ups[one.name], self._clock))
            gc.collect()
            for _ in range(warm_ups[verb.name]):
                verb.run()

        bench = self._benchmark
        bench.name = f"{bench.name.split('[')[0]}[{verb.name}]"
        bench.group = group
        rounds = settings.ROUNDS if rows <= 2_000_000 else min(settings.ROUNDS, 3)
        about = {"words": words, "rows": rows, "left_out": left_out}
        bench.extra_info = {"contender": verb.name, "role": "verb", "part": 1.0, **about}
        bench.extra_info["goals"] = [[goal.ratio, goal.rival] for goal in goals]
        bench.pedantic(verb.run, setup=turn, rounds=rounds)
        for role, one in others:
            info = {"contender": one.name, "role": role, "part": one.part, **about}
            _record(bench, one, info, spent[one.name])


def _time(run: Callable[[], Any], warm_ups: int, clock: Callable[[], float]) -> float:
    gc.collect()
    for _ in range(warm_ups):
        run()
    gc.disable()
    try:
        start = clock()
        answer = run()
        took = clock() - start
    finally:
        gc.enable()
    del answer
    return took


def _record(bench: Any, one: Contender, info: dict[str, Any], times: Sequence[float]) -> None:
    """A line of its own in pytest-benchmark's table for a contender that was timed between the rounds.

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
