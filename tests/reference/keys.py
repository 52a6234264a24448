"""Twin of ``native.encode_keys``, from its definition: docs/adr/0003 and design of session ids.

A key has one canonical form in bytes: whole numbers, truths and dates as int64, little-endian; text as UTF-8;
binary as it is; a null key, where it is a key, as the byte FF. A composite key is its parts in their order,
each with its length as int64 before it; it is null where a part is. Codes count keys as they first appear.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence


def canonical(value: object) -> bytes:
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bytes):
        return value
    if isinstance(value, dt.date):
        value = (value - dt.date(1970, 1, 1)).days
    assert isinstance(value, int)
    return (value % 2**64).to_bytes(8, "little")


def encode_keys(
    columns: Sequence[Sequence[object]], null_is_key: bool
) -> tuple[list[int], list[int], list[int], list[bytes]]:
    """Code of each row (-1 where null), rows of each key, its first row, its canonical bytes."""
    code: list[int] = []
    count: list[int] = []
    first: list[int] = []
    keys: dict[object, int] = {}
    data: list[bytes] = []
    for row, values in enumerate(zip(*columns, strict=True)):
        if None in values and not null_is_key:
            code.append(-1)
            continue
        if values not in keys:
            keys[values] = len(keys)
            parts = [b"\xff" if value is None else canonical(value) for value in values]
            whole = b"".join(len(part).to_bytes(8, "little") + part for part in parts)
            data.append(parts[0] if len(parts) == 1 else whole)
            count.append(0)
            first.append(row)
        code.append(keys[values])
        count[keys[values]] += 1
    return code, count, first, data


def codes_among(column: Sequence[object], flag: Sequence[bool]) -> list[int]:
    """Codes of the keys that flagged rows have, in their order, for all rows (-1 for others)."""
    rows = [row for row, yes in enumerate(flag) if yes]
    _, _, _, data = encode_keys([[column[row] for row in rows]], null_is_key=False)
    number = {key: code for code, key in enumerate(data)}
    return [-1 if value is None else number.get(canonical(value), -1) for value in column]


def tell_apart(column: Sequence[object]) -> list[int]:
    """A number for each value, -1 where null; ``native.tell_apart`` may number the values in any order."""
    return encode_keys([column], null_is_key=False)[0]
