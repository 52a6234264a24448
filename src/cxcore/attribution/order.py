"""``choose_order``: how much do customers whom a chain has not seen gain by a longer memory?"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import polars as pl

from cxcore import _options
from cxcore._columns import Float64, Int32, Int64
from cxcore._options import TimeUnit
from cxcore.attribution.base import Journeys, UInt64
from cxcore.attribution.chain_events import table_of_journeys
from cxcore.attribution.chains import StateChain
from cxcore.attribution.markov import check_order

_CALL = "choose_order"
#: counts of all states are held for each
_MOST_FOLDS = 1_000
_LOSSES = ("conversion_loss", "conversion_error", "conversion_gain", "conversion_gain_error")
_SCHEMA = pl.Schema(
    {
        "order": pl.Int64(),
        "states": pl.Int64(),
        **dict.fromkeys(_LOSSES, pl.Float64()),
        **{name.replace("conversion", "next_touch"): pl.Float64() for name in _LOSSES},
    }
)


def choose_order(
    events: Any,
    *,
    user: str | Sequence[str] | None = None,
    time: str | None = None,
    channel: str,
    conversion: str | None = None,
    value: str | None = None,
    container: str | None = None,
    lookback: str | dt.timedelta | None = "30d",
    allocation: Literal["share", "reset"] = "share",
    order: str | None = None,
    time_unit: TimeUnit | None = None,
    max_order: int = 4,
    folds: int = 10,
    rng: Any = None,
    n_threads: int | None = None,
) -> Any:
    """How far should ``Markov`` remember? Each order, asked of customers whom its chain has not seen.

    Customers are dealt into folds. Each fold is foretold by the chain of all others, step by step: does the
    journey convert after this touch, and if it goes on, which touch is next? The two questions are reported
    apart, since a memory can serve one and not the other.

    Parameters
    ----------
    events : frame or EventIndex
        As in :func:`cxcore.attribute`, and so are all roles and windows. Journeys that did not convert count.
    user, time, channel, conversion, value, container, order, time_unit : str
        Columns (``user`` may be several) and the unit of the log; ``order`` is the column that orders events
        of one instant.
    lookback, allocation
        The windows of conversions: each is a journey.
    max_order : int, default 4
        The longest memory that is tried, from 1 to 20.
    folds : int, default 10
        Parts of the customers, 2 to 1,000.
    rng : None, int, SeedSequence or Generator, default None
        Where the dealing comes from. The same seed deals the same customers alike in any order of rows, on
        any engine.
    n_threads : int, optional
        None: as many as Polars uses.

    Returns
    -------
    frame
        In the flavor that came in, one row for each ``order`` (Int64), with ``states`` (how many occur,
        Int64) and for each question, ``conversion`` and ``next_touch``, in nats for each step (float64): its
        mean ``_loss`` (minus the logarithm of the chance that was given to what happened; less is better),
        the standard error ``_error`` over folds, the ``_gain`` over the order before (order 1: over no memory
        at all), and its standard error ``_gain_error``. Null where there is no step.

    Raises
    ------
    ColumnNotFoundError, InvalidOptionError, InvalidDataError, UnsupportedFrameError

    Notes
    -----
    A chance is (count + p) / (steps + 1) in the other folds, p the chance after the same past without its
    oldest touch, down to the rates of all touches (a Dirichlet prior of weight 1, as MacKay and Peto 1995):
    what was never seen is foretold as a shorter memory foretells it. Errors are those of a ratio over folds,
    which share most of what they learned, so they are rough; a gain's error is smaller than those of the two
    losses, as both are of the same folds. A customer is in one fold, whatever the number of conversions.
    O(max_order * (touches + conversions * max_order)), and folds * states of memory.

    Examples
    --------
    >>> import cxcore as cx
    >>> from cxcore.attribution import choose_order
    >>> log = cx.datasets.touchpoints(500, rng=1).frame
    >>> table = choose_order(
    ...     log, user="user_id", time="ts", channel="channel", conversion="conversion", max_order=2, rng=1
    ... )
    >>> table["order"].to_list(), table["next_touch_loss"].round(1).to_list()
    ([1, 2], [1.5, 1.6])
    """
    check_order(_CALL, "max_order", max_order)
    _options.whole(_CALL, "folds", folds, 2, _MOST_FOLDS)
    seed = int(_options.generator(_CALL, rng).integers(0, 2**64, dtype=np.uint64))
    roles = {"user": user, "time": time, "order": order, "time_unit": time_unit, "channel": channel}
    roles |= {"conversion": conversion, "value": value, "container": container}
    return table_of_journeys(
        *(_CALL, events, roles),
        {"lookback": lookback, "allocation": allocation, "n_threads": n_threads},
        nulls=True,
        keyed=True,
        compute=lambda journeys: orders_of(journeys, max_order, folds, seed),
        schema=lambda before: _SCHEMA,
    )


def orders_of(journeys: Journeys, max_order: int, folds: int, seed: int) -> pl.DataFrame:
    """The same of journeys, wherever they came from. Customers alike are dealt one by one."""
    parts = list(_dealt(journeys, folds, seed))
    foretold = Foretold.without_memory(journeys, parts)
    before, rows = foretold.losses(), []
    for order in range(1, max_order + 1):
        foretold = foretold.longer(StateChain.of(journeys, order), parts)
        now = foretold.losses()
        row: list[float | int | None] = [order, foretold.n_states]
        for (loss, steps), (worse, _) in zip(now, before, strict=True):
            row += [*_ratio(loss, steps), *_ratio(worse - loss, steps)]
        rows.append(row)
        before = now
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row")


def _dealt(journeys: Journeys, folds: int, seed: int) -> Iterator[Journeys]:
    """The customers of each fold; those alike in parts."""
    if not len(journeys.times):
        fold = _mixed(journeys.keys ^ _mixed(np.full(1, seed, np.uint64))) % np.uint64(folds)
        for part in range(folds):
            yield replace(journeys, times=(fold == part).astype(np.float64))
        return
    rng = np.random.default_rng(seed)
    whole = np.floor(journeys.times)
    dealt = rng.multinomial(whole.astype(np.int64), np.full(folds, 1.0 / folds)).astype(np.float64)
    dealt[np.arange(len(whole)), rng.integers(0, folds, len(whole))] += journeys.times - whole
    for part in range(folds):
        yield replace(journeys, times=np.ascontiguousarray(dealt[:, part]))


def _mixed(z: UInt64) -> UInt64:
    """The finalizer of SplitMix64 (Steele, Lea, Flood 2014), as the bootstrap has it."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _ratio(loss: Float64, steps: Float64) -> tuple[float | None, float | None]:
    """Sum of losses by that of steps, and its standard error over folds."""
    n, total = len(loss), float(steps.sum())
    if total == 0.0:
        return None, None
    mean = float(loss.sum()) / total
    rest = loss - mean * steps
    return mean, float(np.sqrt(n / (n - 1.0) * np.sum(rest * rest))) / total


@dataclass(frozen=True, eq=False)
class Foretold:
    """What happens after each state, by fold, and the chances that the other folds give it.

    Float64[folds, ...]: ``ended`` conversions after a state, ``seen`` all that came after it, ``took`` by
    step (not from the start); ``convert`` and ``go`` are the chances.
    """

    chain: StateChain | None
    ended: Float64
    seen: Float64
    took: Float64
    convert: Float64
    go: Float64

    @property
    def n_states(self) -> int:
        return int((self.seen.sum(axis=0) > 0).sum())

    @classmethod
    def without_memory(cls, journeys: Journeys, parts: Sequence[Journeys]) -> Foretold:
        """One state; steps are channels, foretold by their counts and 1 more each."""
        chain = StateChain.of(journeys, 1)
        ended, seen, took = _counts(chain, parts)
        to = chain.states[0][chain.edges[1]]
        n, channels = len(parts), np.zeros((len(parts), journeys.n_channels))
        for fold in range(n):
            channels[fold] = np.bincount(to, took[fold], minlength=journeys.n_channels)
        ended, seen = (x.sum(axis=1, keepdims=True) for x in (ended, seen))
        others, convert = _others(channels), (_others(ended) + 0.5) / (_others(seen) + 1.0)
        go = (others + 1.0) / (others.sum(axis=1, keepdims=True) + max(journeys.n_channels, 1))
        return cls(None, ended, seen, channels, convert, go)

    def longer(self, chain: StateChain, parts: Sequence[Journeys]) -> Foretold:
        """The same of a memory one touch longer."""
        ended, seen, took = _counts(chain, parts)
        source = chain.edges[0]
        state, step = self._shorter(chain)
        convert = (_others(ended) + self.convert[:, state]) / (_others(seen) + 1.0)
        others = _others(took)
        from_there = np.stack([np.bincount(source, x, minlength=len(state)) for x in others])
        go = (others + self.go[:, step]) / (from_there[:, source] + 1.0)
        return Foretold(chain, ended, seen, took, convert, go)

    def _shorter(self, chain: StateChain) -> tuple[Int32 | Int64, Int32 | Int64]:
        """By state and step of a longer memory, those of this one."""
        last, length, *_ = chain.states
        source, to, _ = chain.edges
        if self.chain is None:
            return np.zeros(len(last), np.int64), last[to].astype(np.int64)
        state, edge = np.zeros(len(last), np.int32), np.empty(len(to), np.int32)
        after = np.empty(len(to), np.int32)
        longer = length[to] == length[source] + 1  # the step that made the state
        for n in range(1, chain.order + 1):
            made = longer & (length[to] == n)
            found, reached = np.empty((2, int(made.sum())), np.int32)
            self.chain.table.find(state[source[made]], last[to[made]], found, reached)
            state[to[made]] = reached
        self.chain.table.find(state[source], last[to], edge, after)
        return state, edge

    def losses(self) -> tuple[tuple[Float64, Float64], tuple[Float64, Float64]]:
        """By fold the loss of both questions, and the steps that were asked."""
        stayed = self.seen - self.ended
        ends = _sum(self.ended, -np.log(self.convert)) + _sum(stayed, -np.log1p(-self.convert))
        return (ends, self.seen.sum(axis=1)), (_sum(self.took, -np.log(self.go)), self.took.sum(axis=1))


def _sum(times: Float64, loss: Float64) -> Float64:
    """Losses of what happened; what did not has no chance to speak of."""
    some: Float64 = np.where(times > 0.0, times * loss, 0.0).sum(axis=1)
    return some


def _counts(chain: StateChain, parts: Sequence[Journeys]) -> tuple[Float64, Float64, Float64]:
    """By fold: conversions and all that came after each state, steps; nothing of the start."""
    n, n_edges = chain.table.n_states, chain.table.n_edges
    took, ended, null = (np.zeros((len(parts), size)) for size in (n_edges, n, n))
    for fold, part in enumerate(parts):
        chain.table.recount(part.view, took[fold], ended[fold], null[fold])
    source = chain.edges[0]
    took[:, source == 0] = 0.0
    went = np.stack([np.bincount(source, x, minlength=n) for x in took])
    return ended, ended + null + went, took


def _others(counts: Float64) -> Float64:
    """Counts of all other folds."""
    others: Float64 = np.maximum(0.0, counts.sum(axis=0) - counts)
    return others
