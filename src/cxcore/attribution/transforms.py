"""What is done to a path before a model reads it: repeats put together, some touches left out.

The rules are those of Google's fractribution (github.com/google/fractribution,
py/templates/path_transforms.sql) and of Snowplow's packages, which took them over and added two
(github.com/snowplow/dbt-snowplow-fractribution, macros/path_transformations/create_udfs.sql; ``unique_path``
there is ``unique`` here, and so on). To add one, write a class here and one line in ``TRANSFORMS``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import MISSING, dataclass, fields
from typing import Any, ClassVar, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cxcore import _options, errors
from cxcore._columns import Int64
from cxcore._ext import paths as kernel
from cxcore._path_columns import Paths

Mask = NDArray[np.bool_]

TransformWord = Literal[
    "exposure", "unique", "first", "frequency", "remove_if_not_all", "remove_if_last_and_not_all", "last_n"
]


@dataclass(frozen=True)
class Transform(ABC):
    """One change of paths. Options are the fields of a frozen dataclass, checked in ``__post_init__``.

    It leaves touches out, and never all of a path.
    """

    #: the word for it in ``transform=``
    word: ClassVar[str]

    @abstractmethod
    def kept(self, paths: Paths) -> Mask:
        """Which touches stay."""

    def apply(self, paths: Paths) -> Paths:
        return paths.only(self.kept(paths))

    def channel_type(self, dtype: pl.DataType) -> pl.DataType:
        """Type of the channels afterwards."""
        return dtype


@dataclass(frozen=True)
class Exposure(Transform):
    """Touches of one channel in a row count as one, the first of them.

    Notes
    -----
    [D, A, B, B, C, D, C, C] becomes [D, A, B, C, D, C]. O(touches).
    """

    word: ClassVar[str] = "exposure"

    def kept(self, paths: Paths) -> Mask:
        kept = np.ones(len(paths.channel), np.bool_)
        kept[1:] = paths.channel[1:] != paths.channel[:-1]
        begins = paths.offset[:-1]
        kept[begins[begins < len(kept)]] = True
        return kept


@dataclass(frozen=True)
class Unique(Transform):
    """The path as it is. In the tools that it comes from, the name says that each touch is one of its own.

    Notes
    -----
    [D, A, B, B, C, D, C, C] stays. For each channel once see :class:`First`.
    """

    word: ClassVar[str] = "unique"

    def kept(self, paths: Paths) -> Mask:
        return np.ones(len(paths.channel), np.bool_)


@dataclass(frozen=True)
class First(Transform):
    """Each channel once, where the path first met it.

    Notes
    -----
    [D, A, B, B, C, D, C, C] becomes [D, A, B, C]. O(touches).
    """

    word: ClassVar[str] = "first"

    def kept(self, paths: Paths) -> Mask:
        return _repeats(paths) > 0


@dataclass(frozen=True)
class Frequency(Transform):
    """Each channel once, with how often it was met in its name: channels of another name.

    Notes
    -----
    [D, A, B, B, C, D, C, C] becomes [D(2), A(1), B(2), C(3)], as text, whatever the type of the channels.
    O(touches).

    Raises
    ------
    InvalidOptionError
        Channels are bytes, which are no text.
    """

    word: ClassVar[str] = "frequency"

    def kept(self, paths: Paths) -> Mask:
        return _repeats(paths) > 0

    def apply(self, paths: Paths) -> Paths:
        times = _repeats(paths)
        left = paths.only(times > 0)
        times = times[times > 0]
        most = int(times.max(initial=0)) + 1
        met, code = np.unique(left.channel * np.int64(most) + times, return_inverse=True)
        name, counted = paths.names[met // most].cast(self.channel_type(paths.names.dtype)), met % most
        names = name + "(" + pl.Series(counted).cast(pl.String) + ")"
        return Paths(names, left.offset, code.astype(np.int32), left.place)

    def channel_type(self, dtype: pl.DataType) -> pl.DataType:
        if dtype == pl.Binary:
            hint = "cast the channels to text first."
            raise errors.bad_option("Frequency", "channel", dtype, "bytes are no text.", hint)
        return pl.String()


@dataclass(frozen=True)
class _WithoutChannels(Transform):
    """Some channels are left out, where the path has others."""

    channels: Any = ("direct",)

    def __post_init__(self) -> None:
        names = _options.channel_names(type(self).__name__, self.channels)
        object.__setattr__(self, "channels", names)

    def _others(self, paths: Paths) -> Mask:
        """Which touches are of other channels."""
        given = set(self.channels)
        other = np.array([name not in given for name in paths.names.to_list()], np.bool_)
        return other[paths.channel]


@dataclass(frozen=True)
class RemoveIfNotAll(_WithoutChannels):
    """Touches of some channels are left out; a path of nothing else stays as it is.

    Parameters
    ----------
    channels : str, int, or several of them, default "direct"
        Named as in the data, letter by letter.

    Raises
    ------
    InvalidOptionError
        Not names of channels.

    Notes
    -----
    Without A, [A, B, A, A] becomes [B]. O(touches).
    """

    word: ClassVar[str] = "remove_if_not_all"

    def kept(self, paths: Paths) -> Mask:
        other = self._others(paths)
        sums = np.concatenate(([0], np.cumsum(other)))[paths.offset]
        kept: Mask = other | np.repeat(np.diff(sums) == 0, paths.size)
        return kept


@dataclass(frozen=True)
class RemoveIfLastAndNotAll(_WithoutChannels):
    """Touches of some channels are left out at the end of a path; a path of nothing else stays as it is.

    Parameters
    ----------
    channels : str, int, or several of them, default "direct"
        Named as in the data, letter by letter.

    Raises
    ------
    InvalidOptionError
        Not names of channels.

    Notes
    -----
    Without A, [A, B, A, A] becomes [A, B]. O(touches).
    """

    word: ClassVar[str] = "remove_if_last_and_not_all"

    def kept(self, paths: Paths) -> Mask:
        touch = np.arange(len(paths.channel))
        latest = np.maximum.accumulate(np.where(self._others(paths), touch, -1))
        begin, end = paths.offset[:-1], paths.offset[1:]
        last = np.append(latest, -1)[end - 1]  # of another channel; of an earlier path where there is none
        last = np.where(last < begin, end, last)
        kept: Mask = touch <= np.repeat(last, paths.size)
        return kept


@dataclass(frozen=True)
class LastN(Transform):
    """The last n touches of a path.

    Parameters
    ----------
    n : int
        How many, 1 or more.

    Raises
    ------
    InvalidOptionError
        ``n`` is not a whole number of 1 or more.

    Notes
    -----
    ``path_lookback_steps`` of Snowplow, which does it before all else. O(touches).
    """

    word: ClassVar[str] = "last_n"
    n: int

    def __post_init__(self) -> None:
        _options.whole("LastN", "n", self.n, 1)

    def kept(self, paths: Paths) -> Mask:
        kept: Mask = np.arange(len(paths.channel)) >= np.repeat(paths.offset[1:] - self.n, paths.size)
        return kept


#: word -> class; the words of ``transform=``
TRANSFORMS: dict[str, type[Transform]] = {
    transform.word: transform
    for transform in (Exposure, Unique, First, Frequency, RemoveIfNotAll, RemoveIfLastAndNotAll, LastN)
}


def transforms_of(call: str, transform: Any) -> list[Transform]:
    """Those of an option: none, a word, an object, or a list of them, done in that order."""
    if transform is None:
        return []
    chosen = [transform] if isinstance(transform, (str, Transform)) else transform
    if not isinstance(chosen, (list, tuple)):
        raise errors.unknown_word(call, "transform", transform, TRANSFORMS)
    found = []
    for one in chosen:
        if isinstance(one, Transform):
            found.append(one)
            continue
        kind = TRANSFORMS[_options.word(call, "transform", one, TRANSFORMS)]
        needs = [f.name for f in fields(kind) if f.default is MISSING]
        if needs:
            hint = f"pass transforms.{kind.__name__}({needs[0]}=5)."
            raise errors.bad_option(call, "transform", one, f"{needs[0]} is required.", hint)
        found.append(kind())
    return found


def type_after(dtype: pl.DataType, transforms: Sequence[Transform]) -> pl.DataType:
    """Type of the channels of this type after all of them."""
    for transform in transforms:
        dtype = transform.channel_type(dtype)
    return dtype


def apply_all(paths: Paths, transforms: Sequence[Transform]) -> Paths:
    for transform in transforms:
        paths = transform.apply(paths)
    return paths


def _repeats(paths: Paths) -> Int64:
    times = np.empty(len(paths.channel), np.int64)
    kernel.repeats(paths.offset, paths.channel, len(paths.names), times)
    return times
