"""The table of users that outlives a call, beside its twin."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxcore._ext import native
from tests.reference import user_table as twin

WIDTH = 3
#: short and long keys, some of them alike but for their length
key = st.one_of(st.binary(max_size=40), st.sampled_from([b"", b"a", b"a" * 12, b"a" * 13, b"\xff"]))


def flat(keys: list[bytes]) -> tuple[Any, Any]:
    offset = np.cumsum([0, *map(len, keys)]).astype(np.int64)
    return offset, np.frombuffer(b"".join(keys), np.uint8)


def codes(values: list[int]) -> Any:
    return np.array(values, np.int32)


@given(data=st.data(), batches=st.lists(st.lists(key, unique=True, max_size=60), max_size=5))
def test_table_and_twin_agree(data: st.DataObject, batches: list[list[bytes]]) -> None:
    fast, slow = native.UserTable(WIDTH), twin.UserTable(WIDTH)
    kept: object = None
    rows: list[int] = []
    for at, keys in enumerate(batches):
        if data.draw(st.booleans()):
            assert fast.nobody() == slow.encode([None])[0]
        of_batch = slow.encode(keys)
        assert fast.encode(*flat(keys)).tolist() == of_batch
        assert len(fast) == len(slow.records)
        everyone = list(range(len(slow.records)))
        last = data.draw(st.sampled_from([-1, *([slow.code[None]] if None in slow.code else [])]))
        due = data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows)))
        met = fast.meet(codes(of_batch), codes(rows), np.array(due, np.bool_), last)
        assert [part.tolist() for part in met] == list(slow.meet(of_batch, rows, due, last))
        facts = data.draw(
            st.lists(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=WIDTH, max_size=WIDTH), max_size=9)
        )
        changed = [data.draw(st.sampled_from(everyone)) for _ in facts] if everyone else []
        facts = facts[: len(changed)]
        for code, record in zip(changed, facts, strict=True):
            slow.records[code] = record
        assert fast.kept is kept
        kept = object()
        fast.put(codes(changed), np.array(facts, np.int64).reshape(-1, WIDTH), kept)
        assert fast.get(codes(everyone)).tolist() == slow.records, at
        assert [fast.line(k).tolist() for k in range(WIDTH)] == [
            [r[k] for r in slow.records] for k in range(WIDTH)
        ]
        offset, text = fast.keys(codes(everyone[::-1]))
        ends = itertools.pairwise(offset.tolist())
        assert [text.tobytes()[low:high] for low, high in ends] == slow.keys(everyone[::-1])
        rows += [data.draw(st.sampled_from(everyone)) for _ in range(4)] if everyone else []


@pytest.mark.parametrize("n_bytes", [8, 33])
def test_many_keys_keep_their_codes(n_bytes: int) -> None:
    """Over many growths of the table and blocks of records."""
    table, n = native.UserTable(WIDTH), 70_000
    keys = [f"{at:0{n_bytes}}".encode() for at in range(n)]
    for at in range(0, n, 9_999):
        part = keys[max(0, at - 5_000) : at + 9_999]  # some of them known
        first = max(0, at - 5_000)
        assert table.encode(*flat(part)).tolist() == list(range(first, first + len(part)))
        code = np.arange(first, first + len(part), dtype=np.int32)
        table.put(code, np.outer(code.astype(np.int64), [1, 2, 3]), None)
    every = np.arange(n, dtype=np.int32)
    assert (table.get(every) == np.outer(np.arange(n), [1, 2, 3])).all()
    assert table.encode(*flat(keys)).tolist() == every.tolist()
    assert table.n_bytes < n * 400
