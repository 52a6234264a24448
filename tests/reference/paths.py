"""Twin of ``_ext/paths.pyx``, of ``split_paths`` and of the transforms: paths as tuples of names."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

Path = tuple[object, ...]


def split_paths(text: str | None, separator: str) -> Path:
    """The pieces of a text; none of nothing."""
    return tuple(text.split(separator)) if text else ()


def path_order(paths: Sequence[Path], rank: Mapping[object, int]) -> list[int]:
    """Paths as words of a dictionary are ordered, equal ones as they come."""
    return sorted(range(len(paths)), key=lambda p: [rank[name] for name in paths[p]])


def repeats(path: Path) -> list[int]:
    """How often the path has each channel, at its first touch; else 0."""
    return [path.count(name) if name not in path[:i] else 0 for i, name in enumerate(path)]


def path_windows(rows: Sequence[tuple[Path, float, float, float]]) -> list[tuple[Path, bool, float, float]]:
    """Customers alike of rows (path, conversions, value, nulls): path, did they convert, how many, value."""
    users = []
    for path, conversions, value, nulls in rows:
        if conversions > 0:
            users.append((path, True, conversions, value / conversions))
        if nulls > 0:
            users.append((path, False, nulls, 0.0))
    return users


def paths(
    converted: Sequence[tuple[Path, float]], lost: Sequence[Path]
) -> dict[Path, tuple[int, float, int]]:
    """Conversions, their value, and journeys that did not convert, by path; PathTable and ``cx.paths``."""
    nulls, count = Counter(lost), Counter(path for path, _ in converted)
    return {
        path: (count[path], math.fsum(v for p, v in converted if p == path), nulls[path])
        for path in {*count, *nulls}
    }


# ------------------------------------------------- transforms, from their definitions in words


def exposure(path: Path) -> Path:
    return tuple(name for i, name in enumerate(path) if i == 0 or name != path[i - 1])


def unique(path: Path) -> Path:
    return path


def first(path: Path) -> Path:
    return tuple(dict.fromkeys(path))


def frequency(path: Path) -> Path:
    return tuple(f"{name}({path.count(name)})" for name in dict.fromkeys(path))


def remove_if_not_all(path: Path, channels: Collection[object]) -> Path:
    return tuple(name for name in path if name not in channels) or path


def remove_if_last_and_not_all(path: Path, channels: Collection[object]) -> Path:
    left = list(path)
    while left and left[-1] in channels:
        left.pop()
    return tuple(left) or path


def last_n(path: Path, n: int) -> Path:
    return path[-n:]
