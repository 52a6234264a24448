"""The key encoder against its twin: every dtype and layout, any number of threads."""

from __future__ import annotations

import datetime as dt
import gc
import itertools
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cxcore import _columns
from cxcore._ext import native
from tests import strategies
from tests.reference import keys as reference

BIG = "a name of a hundred bytes " * 4


def encoded(columns: Sequence[Any], null_is_key: bool = False, n_threads: int = 1) -> tuple[Any, ...]:
    """What the kernel gives, in the form of the twin."""
    code, count, first, offset, data = native.encode_keys(list(columns), null_is_key, n_threads)
    assert [array.dtype for array in (code, count, first, offset, data)] == [
        np.int32, np.int64, np.int64, np.int64, np.uint8,
    ]  # fmt: skip
    assert offset[0] == 0
    assert offset[-1] == len(data)
    keys = [data[start:stop].tobytes() for start, stop in itertools.pairwise(offset)]
    return code.tolist(), count.tolist(), first.tolist(), keys


def check(columns: Sequence[pl.Series], null_is_key: bool = False, n_threads: int = 1) -> None:
    values = [column.to_list() for column in columns]
    assert encoded(columns, null_is_key, n_threads) == reference.encode_keys(values, null_is_key)


@given(data=st.data(), null_is_key=st.booleans(), n_threads=strategies.threads)
def test_encode_keys_equals_its_twin(data: st.DataObject, null_is_key: bool, n_threads: int) -> None:
    size = data.draw(st.integers(0, 50))
    columns = data.draw(st.lists(strategies.key_columns(size), min_size=1, max_size=3))
    check(columns, null_is_key, n_threads)


@given(st.lists(st.none() | st.text(max_size=30), max_size=50), st.booleans())
def test_encode_keys_of_any_text(values: list[str | None], null_is_key: bool) -> None:
    check([pl.Series(values, dtype=pl.String)], null_is_key)


@given(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), max_size=50), st.booleans())
def test_encode_keys_of_any_number(values: list[int | None], null_is_key: bool) -> None:
    check([pl.Series(values, dtype=pl.Int64)], null_is_key)


@given(data=st.data(), n_threads=strategies.threads)
def test_codes_among_equal_their_twin(data: st.DataObject, n_threads: int) -> None:
    size = data.draw(st.integers(0, 50))
    (column,) = data.draw(st.lists(strategies.key_columns(size), min_size=1, max_size=1))
    flag = data.draw(st.lists(st.booleans(), min_size=size, max_size=size))
    check_among(column.rechunk(), flag, n_threads)


def check_among(column: pl.Series, flag: list[bool], n_threads: int = 1) -> None:
    """Through ``reached_rows``, where all rows are touches at one instant, so that all users' are reached."""
    converted = pl.Series(flag, dtype=pl.Boolean)
    number, tick = pl.Series(np.zeros(len(flag), np.int32)), np.zeros(len(flag), np.int64)
    known = np.array([-2, 0], np.int32)
    user = _columns.numbered(column)
    code, _, what, row, count = native.reached_rows(user, converted, number, known, tick, 0, n_threads)
    of_rows = np.full(len(flag), -1)
    of_rows[row] = code
    assert of_rows.tolist() == reference.codes_among(column.to_list(), flag)
    assert what.tolist() == [int(flag[k]) for k in row]
    assert count.tolist() == np.bincount(code, minlength=len(count)).tolist()


@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("sorted_", [False, True])
@pytest.mark.parametrize("kind", ["small", "large", "text", "long text", "dictionary", "copies"])
def test_codes_among_many_rows(kind: str, sorted_: bool, n_threads: int) -> None:
    """Ranges of every kind, runs, entries of a dictionary, texts that share bytes; and who is nobody."""
    number = np.random.default_rng(1).integers(0, 3_000, 200_000)
    number = np.sort(number) if sorted_ else number
    column = pl.Series(number * (10**14 if kind == "large" else 1))
    if "text" in kind or kind in ("dictionary", "copies"):
        column = column.cast(pl.String) + (BIG if kind in ("long text", "copies") else "")
    if kind == "copies":
        column = pl.Series(number).unique().cast(pl.String).gather(number) + BIG
    if kind == "dictionary":
        column = column.cast(pl.Categorical)
    column[17] = None
    flag = (number % 7 == 3) & (np.arange(200_000) % 3 == 0)
    flag[17] = True
    check_among(column, flag.tolist(), n_threads)
    check_among(column[5:100_000], flag[5:100_000].tolist(), n_threads)


TEXTS = ["b", None, "a", "b", "", BIG, "é€😀", "a\0b", "a", BIG, None, "exactly12byt", "exactly13byte"]
LAYOUTS = {
    "string": pa.string(),
    "large_string": pa.large_string(),
    "string_view": pa.string_view(),
    "dictionary": pa.dictionary(pa.int8(), pa.string()),
    "dictionary of large strings": pa.dictionary(pa.uint32(), pa.large_string()),
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("slices", [(0, 13), (3, 7), (5, 5)])
def test_one_text_in_every_arrow_layout_is_one_key(layout: pa.DataType, slices: tuple[int, int]) -> None:
    start, stop = slices
    array = pa.array(TEXTS, pa.string())
    array = array.dictionary_encode().cast(layout) if pa.types.is_dictionary(layout) else array.cast(layout)
    chunked = pa.chunked_array([array[start:stop], array[:start], array[start:start], array])
    values = TEXTS[start:stop] + TEXTS[:start] + TEXTS
    assert encoded([chunked], True) == reference.encode_keys([values], True)


@pytest.mark.parametrize("layout", [pa.binary(), pa.large_binary(), pa.binary_view()], ids=str)
def test_one_binary_in_every_arrow_layout_is_one_key(layout: pa.DataType) -> None:
    values = [b"\xff", None, b"", b"a\0b", b"a" * 40, b"", b"a" * 40]
    chunked = pa.chunked_array([pa.array(values, layout), pa.array(values[::-1], layout)])
    assert encoded([chunked]) == reference.encode_keys([values + values[::-1]], False)


def near(n: int) -> list[bytes]:
    """Keys of about n bytes that differ as little as keys can: in one byte, or in a zero at the end."""
    whole = bytes(range(65, 65 + n))
    flipped = [whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :] for at in range(n)]
    swapped = [whole[16:32] + whole[:16] + whole[32:], whole[8:16] + whole[:8] + whole[16:]]
    return [whole, *flipped, *swapped, whole + b"\0", whole[:-1] + b"\0", bytes(n)]


@pytest.mark.parametrize("layout", [pa.binary(), pa.large_binary(), pa.binary_view()], ids=str)
def test_keys_that_differ_in_one_byte_differ_and_others_do_not(layout: pa.DataType) -> None:
    """Every length about the borders of four, eight, twelve, sixteen and thirty-two bytes."""
    values = [key for n in range(1, 50) for key in near(n)]
    chunked = pa.chunked_array([pa.array(values, layout), pa.array(values[::-1], layout)])
    assert encoded([chunked]) == reference.encode_keys([values + values[::-1]], False)


def test_what_lies_behind_a_short_view_is_no_part_of_the_key() -> None:
    entries = [b"\2\0\0\0ab" + behind * 10 for behind in (b"\0", b"x", b"\xff")]
    entries += [b"\6\0\0\0abcdef" + behind * 6 for behind in (b"\0", b"y")]
    views = pa.Array.from_buffers(pa.binary_view(), 5, [None, pa.py_buffer(b"".join(entries))])
    column = pa.chunked_array([views, pa.array([b"ab", b"abcdef"], pa.binary_view())])
    assert encoded([column])[0] == [0, 0, 0, 1, 1, 0, 1]


@pytest.mark.parametrize("null_is_key", [False, True])
@pytest.mark.parametrize("n_threads", [1, 3])
def test_views_that_share_their_bytes_are_the_keys_of_those_that_do_not(
    null_is_key: bool, n_threads: int
) -> None:
    """One key under several views, new keys in later chunks, nulls, short keys between: all by gathering."""
    rng = np.random.default_rng(7)
    names = [f"{'key' * (k % 9)}{k}" for k in range(3_000)]
    table = pl.concat(
        [pl.Series(names), pl.Series([None, *names[::-1]]), pl.Series(names[::3])], rechunk=True
    )
    chunks = [table.gather(rng.integers(low, len(table), 90_000)) for low in (2_000, 0, 1_000)]
    column = pl.concat([chunks[0][5:], chunks[1], chunks[2][:-7]], rechunk=False)
    assert column.n_chunks() == 3
    check([column], null_is_key, n_threads)


@pytest.mark.parametrize("dtype", strategies.INTEGERS, ids=str)
def test_a_number_is_the_same_key_at_any_width(dtype: type[pl.DataType]) -> None:
    values = [3, None, 1, 3, 100]
    check([pl.Series(values, dtype=dtype)])
    assert encoded([pl.Series(values, dtype=dtype)]) == encoded([pl.Series(values, dtype=pl.Int64)])


def test_a_category_is_the_same_key_as_its_text() -> None:
    text = pl.Series(TEXTS, dtype=pl.String)
    words = text.drop_nulls().unique(maintain_order=True)
    for other in (text.cast(pl.Categorical), text.cast(pl.Enum(words.reverse()))):
        assert encoded([other], True) == encoded([text], True)


def test_dictionaries_that_differ_by_chunk() -> None:
    parts = [["a", "b", None], ["b", "c"], ["c", "a"]]
    chunks = pa.chunked_array([pa.array(part).dictionary_encode() for part in parts])
    assert encoded([chunks]) == reference.encode_keys([[*itertools.chain(*parts)]], False)


def test_a_null_inside_a_dictionary_is_null() -> None:
    array = pa.DictionaryArray.from_arrays(pa.array([0, 1, None, 0]), pa.array([None, "a"]))
    column = pa.chunked_array([array])
    assert encoded([column], False)[0] == [-1, 0, -1, -1]
    assert encoded([column], True)[0] == [0, 1, 0, 0]


def test_composite_parts_do_not_run_together() -> None:
    left, right = pl.Series(["a", "ab", None]), pl.Series(["bc", "c", "c"])
    assert encoded([left, right])[0] == [0, 1, -1]
    check([left, right, pl.Series([1, 1, 1])])


@pytest.mark.parametrize("null_is_key", [False, True])
@pytest.mark.parametrize("kind", ["integer", "text", "categorical", "nulls first", "pair"])
def test_every_number_of_threads_gives_the_codes_of_one(kind: str, null_is_key: bool) -> None:
    """More rows than a thread is worth, keys that first appear in every part, several chunks."""
    n = 300_000
    number = pl.Series(np.random.default_rng(5).integers(0, 15_000, n)) + pl.Series(np.arange(n) // 50_000)
    number = number.set(number % 7 == 3, None)
    columns = {
        "integer": [number],
        "text": [number.cast(pl.String)],
        "categorical": [(number % 1000).cast(pl.String).cast(pl.Categorical)],
        "nulls first": [number.set(pl.Series(np.arange(n) < 150_000), None)],
        "pair": [number % 100, (number // 300).cast(pl.String)],
    }[kind]
    columns = [pl.concat([column[:170_001], column[170_001:]], rechunk=False) for column in columns]
    one = native.encode_keys(columns, null_is_key, 1)
    for n_threads in (2, 3, 4, 64):
        many = native.encode_keys(columns, null_is_key, n_threads)
        assert all(np.array_equal(a, b) for a, b in zip(one, many, strict=True)), n_threads
    twin = reference.encode_keys([column.to_list() for column in columns], null_is_key)
    assert encoded(columns, null_is_key, 2) == twin


@pytest.mark.parametrize("null_is_key", [False, True])
@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize(
    "kind", ["small numbers", "far numbers", "rising numbers", "text", "own bytes", "short text", "nulls"]
)
def test_rows_that_repeat_the_key_before_are_looked_up_once(
    kind: str, n_threads: int, null_is_key: bool
) -> None:
    """Sorted logs, in two chunks, with runs of every length and keys that come again."""
    rng = np.random.default_rng(5)
    run = np.repeat(rng.permutation(9_000) % 7_000, rng.integers(1, 60, 9_000))
    names: pl.Series = pl.Series(run)
    if kind == "far numbers":
        names = names * 0x9E3779B97F4A7C1
    elif kind == "rising numbers":
        names = names.sort() * 0x9E3779B97F4A - 2**58
    elif kind in ("text", "own bytes"):
        names = pl.Series([f"customer number {one:017d} {one % 3}" for one in run])
        names = names.gather(np.argsort(names.arg_sort().arg_sort())) if kind == "text" else names
    elif kind == "short text":
        names = names.cast(pl.String)
    elif kind == "nulls":
        names = names.to_frame("n").select(pl.when(pl.col("n") % 5 > 0).then("n")).to_series()
    half = len(names) // 2 + 7
    check([pl.concat([names[:half], names[half:]], rechunk=False)], null_is_key, n_threads)


@pytest.mark.parametrize("dtype", [pl.Int32, pl.String, pl.Categorical, pl.Boolean, pl.Date, pl.Binary])
def test_empty_and_all_null_columns(dtype: type[pl.DataType]) -> None:
    assert encoded([pl.Series([], dtype=dtype)]) == ([], [], [], [])
    nothing = pl.Series([None, None], dtype=dtype)
    assert encoded([nothing]) == ([-1, -1], [], [], [])
    assert encoded([nothing], True) == ([0, 0], [2], [0], [b"\xff"])


def test_read_only_memory_is_read_and_not_written() -> None:
    values = np.arange(5)
    values.flags.writeable = False
    column = pl.Series(values, dtype=pl.Int64)
    assert encoded([column])[0] == [0, 1, 2, 3, 4]
    assert column.to_list() == [0, 1, 2, 3, 4]


def test_dates_are_days_and_truths_are_numbers() -> None:
    assert encoded([pl.Series([dt.date(1970, 1, 2)])])[3] == [(1).to_bytes(8, "little")]
    assert encoded([pl.Series([True, False])])[3] == [(1).to_bytes(8, "little"), bytes(8)]


def test_a_format_without_keys_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^no key can be read from Arrow format 'g'$"):
        native.encode_keys([pl.Series([1.5])], False, 1)


def test_what_was_read_is_released_and_what_was_given_lives_on() -> None:
    before = pa.total_allocated_bytes()
    column = pa.chunked_array([pa.array([BIG] * 10_000)])
    code, _, _, offset, data = native.encode_keys([column], False, 1)
    del column
    gc.collect()
    assert pa.total_allocated_bytes() == before
    assert code.sum() == 0
    assert data[: offset[1]].tobytes() == BIG.encode()


def numbers_of_one_slot(n: int) -> list[int]:
    """Numbers whose hash, were it not seeded, would end in 40 bits of 0: the finalizer run backwards."""

    def unfolded(x: int, shift: int) -> int:
        y = x
        for _ in range(64 // shift):
            y = x ^ (y >> shift)
        return y

    found = []
    for k in range(1, n + 1):
        x = unfolded(k << 40, 31) * pow(0x94D049BB133111EB, -1, 2**64) % 2**64
        x = unfolded(x, 27) * pow(0xBF58476D1CE4E5B9, -1, 2**64) % 2**64
        found.append(unfolded(x, 30) - 2**63)
    return [number - 2**63 if number >= 0 else number + 2**63 for number in found]


@pytest.mark.parametrize(
    "chosen", ["finalizer run backwards", *(f"multiples of 2**{p}" for p in (24, 40, 47))]
)
def test_keys_chosen_to_meet_in_one_slot_cost_no_more(chosen: str) -> None:
    """Quadratic otherwise: seconds for these, an hour for a million. Multiples meet where low bits decide."""
    n = 40_000
    if chosen.startswith("multiples"):
        numbers = [k << int(chosen.rpartition("*")[2]) for k in range(n)]
    else:
        numbers = numbers_of_one_slot(n)
    column = pl.Series(numbers, dtype=pl.Int64)
    start = time.process_time()
    native.encode_keys([column], False, 1)
    assert time.process_time() - start < 1


def test_text_chosen_to_meet_in_one_slot_costs_no_more() -> None:
    """Short keys, and long ones that differ in one word, each in its turn: by multiples of 2**24 in it."""
    words = [(k << 24).to_bytes(8, "little") for k in range(40_000)]
    columns = [[b"x" * at + word + b"y" * (24 - at) for word in words] for at in (0, 8, 16, 24)]
    for values in (words, *columns):
        column = pl.Series(values)
        start = time.process_time()
        native.encode_keys([column], False, 1)
        assert time.process_time() - start < 1


# ------------------------------------------------------------------ codes that tell values apart


def _tells_apart(column: Any, values: Sequence[object], n_threads: int = 1) -> None:
    code = np.empty(len(values), np.int32)
    native.tell_apart(column, n_threads, code)
    want = reference.tell_apart(values)
    pairs = set(zip(code.tolist(), want, strict=True))
    assert len(pairs) == len({left for left, _ in pairs}) == len({right for _, right in pairs})
    assert ((code == -1) == (np.array(want, np.int32) == -1)).all()


@given(data=st.data(), n_threads=strategies.threads)
def test_tell_apart_agrees(data: st.DataObject, n_threads: int) -> None:
    column = data.draw(strategies.key_columns(data.draw(st.integers(0, 50))))
    if isinstance(column.dtype, (pl.Categorical, pl.Enum)) and data.draw(st.booleans()):
        column = column.to_physical()
    _tells_apart(column, column.to_list(), n_threads)


@pytest.mark.parametrize("width", [4, 40])
@pytest.mark.parametrize("n_values", [5, 3_000, 200_000])
def test_few_values_and_many_are_told_apart(width: int, n_values: int) -> None:
    """Few stay in the small table, more share its places, and of many it gives up; in chunks, with nulls."""
    rng = np.random.default_rng(5)
    at = rng.integers(-1, n_values, 60_000).tolist()
    values = [None if i < 0 else f"{i:0{width}d}" for i in at]
    halves = [pl.Series("page", part, dtype=pl.String) for part in (values[:25_000], values[25_000:])]
    column = pl.concat([half.to_frame() for half in halves], rechunk=False)["page"]
    assert column.n_chunks() == 2
    _tells_apart(column, values)
    _tells_apart(column[1_000:50_000], values[1_000:50_000])


def test_what_lies_under_a_null_is_no_value() -> None:
    text = pa.array(["a", "b", "a long campaign of more than twelve bytes", "b"], pa.string_view())
    valid = pa.py_buffer(bytes([0b1001]))
    masked = pa.Array.from_buffers(text.type, 4, [valid, *text.buffers()[1:]])
    _tells_apart(pa.chunked_array([masked]), ["a", None, None, "b"])
