"""Twins of the kernels in ``_ext/identity.pyx``, from the rules of the explanation page on identity.

Plain lists; every row looks at every login of its device. ``None`` is no id, in the kernels -1.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

Id = Hashable


def order_of(row: int, time: Sequence[int], tie: Sequence[int]) -> tuple[int, int, int]:
    return (time[row], tie[row] if tie else 0, row)


def logins_of(
    device: Id, devices: Sequence[Id], known: Sequence[Id], time: Sequence[int], tie: Sequence[int]
) -> list[int]:
    """Rows on which somebody logged in on a device, in the order of time."""
    rows = [r for r, d in enumerate(devices) if d is not None and d == device and known[r] is not None]
    return sorted(rows, key=lambda r: order_of(r, time, tie))


def find_logins(
    devices: Sequence[Id], known: Sequence[Id], time: Sequence[int], tie: Sequence[int], *, first: bool
) -> tuple[dict[Id, Id], set[Id]]:
    """The known id of each device's last (first) login, and the devices with several known ids."""
    logins = {d: logins_of(d, devices, known, time, tie) for d in devices if d is not None}
    chosen = {d: known[rows[0 if first else -1]] for d, rows in logins.items() if rows}
    return chosen, {d for d, rows in logins.items() if len({known[r] for r in rows}) > 1}


def spread_logins(devices: Sequence[Id], known: Sequence[Id], chosen: dict[Id, Id]) -> list[Id]:
    """A row's own known id, else that of its device."""
    return [chosen.get(d) if k is None else k for d, k in zip(devices, known, strict=True)]


def follow_logins(
    devices: Sequence[Id],
    known: Sequence[Id],
    time: Sequence[int],
    tie: Sequence[int],
    *,
    policy: str,
    lookback: float,
) -> list[Id]:
    """The known id of each row: its own, else that of one login on its device, at most ``lookback`` away."""
    found: list[Id] = []
    for row, own in enumerate(known):
        if own is not None or devices[row] is None:
            found.append(own)
            continue
        logins = logins_of(devices[row], devices, known, time, tie)
        if (
            policy == "sliced"
        ):  # the login before the row alone, and where it is too far or none, the one after
            here = order_of(row, time, tie)
            before = [r for r in logins if order_of(r, time, tie) < here][-1:]
            after = [r for r in logins if order_of(r, time, tie) > here][:1]
            near = [r for r in before + after if abs(time[r] - time[row]) <= lookback]
            found.append(known[near[0]] if near else None)
            continue
        near = [r for r in logins if abs(time[r] - time[row]) <= lookback]
        found.append(known[near[0 if policy == "first" else -1]] if near else None)
    return found


def name_rows(devices: Sequence[Id], links: Sequence[Id], unstitched: set[Id]) -> list[tuple[str, Id] | None]:
    """The identity of each row: a known id that may be linked, else the anonymous id, else none."""
    named: list[tuple[str, Id] | None] = []
    for device, link in zip(devices, links, strict=True):
        if link is not None and link not in unstitched:
            named.append(("known", link))
        else:
            named.append(None if device is None else ("anonymous", device))
    return named


def stitch(
    devices: Sequence[Id],
    known: Sequence[Id],
    time: Sequence[int],
    tie: Sequence[int] = (),
    *,
    policy: str,
    lookback: float = float("inf"),
    unstitched: set[Id] = frozenset(),  # type: ignore[assignment]
) -> list[tuple[str, Id] | None]:
    """The identity of each row, as a pair of kind and id."""
    links = follow_logins(devices, known, time, tie, policy=policy, lookback=lookback)
    return name_rows(devices, links, unstitched)


def components(edges: Sequence[tuple[Id, Id]]) -> list[set[Id]]:
    """Connected components of a graph: what union-find gives."""
    found: list[set[Id]] = []
    for edge in edges:
        touched = [part for part in found if part & set(edge)]
        found = [part for part in found if part not in touched] + [set(edge).union(*touched)]
    return found
