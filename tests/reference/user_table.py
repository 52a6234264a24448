"""Twin of ``native.UserTable``: a dictionary of keys in canonical bytes, and a list of records."""

from __future__ import annotations

from collections.abc import Sequence


class UserTable:
    """Codes count up; rows without a user have a code that no key finds."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.code: dict[bytes | None, int] = {}
        self.records: list[list[int]] = []

    def encode(self, keys: Sequence[bytes | None]) -> list[int]:
        for key in keys:
            if key not in self.code:
                self.code[key] = len(self.records)
                self.records.append([0] * self.width)
        return [self.code[key] for key in keys]

    def keys(self, codes: Sequence[int]) -> list[bytes]:
        """A null key is a byte that no text has."""
        key = {code: b"\xff" if key is None else key for key, code in self.code.items()}
        return [key[code] for code in codes]

    def meet(
        self, batch: Sequence[int], rows: Sequence[int], due: Sequence[bool], last: int
    ) -> tuple[list[int], list[int]]:
        """Users of a step: those of the batch, those of due rows, the last; and where each row's user is."""
        of_due = [code for code, is_due in zip(rows, due, strict=True) if is_due and code != last]
        users = list(dict.fromkeys([*batch, *of_due, *([last] if last >= 0 else [])]))
        return users, [users.index(code) if code in users else -1 for code in rows]
