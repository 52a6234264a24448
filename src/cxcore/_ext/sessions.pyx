# The event index and sessions by the gap rule, at the border to NumPy.
# Design and sources: include/cxcore/index.hpp, include/cxcore/sessions.hpp. Kernel law: README.md.
# Phases of long work are calls of their own; between them Python looks for signals, so Ctrl-C works.

from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libcpp cimport bool as cbool
from libcpp.vector cimport vector
from libc.string cimport memcpy

import numpy as np


cdef extern from "cxcore/sessions.hpp" namespace "cxcore" nogil:
    cdef struct GapRule:
        uint64_t gap
        int32_t own

    cdef struct SessionTable:
        int64_t* start
        int64_t* end
        int64_t* events

    cdef cppclass ArrivalSessions:
        vector[int64_t] offset
        vector[int64_t] start
        vector[int64_t] end
        vector[int64_t] events

    cbool c_is_indexed "cxcore::is_indexed"(const int32_t*, const int64_t*, const int64_t*, int64_t)
    void c_sort_events "cxcore::sort_events"(
        const int32_t*, const int64_t*, const int64_t*, int64_t, const int64_t*, int64_t, int,
        int64_t*, int64_t*
    ) except +
    void c_count_sessions "cxcore::count_sessions"(
        const int64_t*, const int64_t*, int64_t, GapRule, int, int64_t*
    ) except +
    void c_fill_sessions "cxcore::fill_sessions"(
        const int64_t*, const int64_t*, const int64_t*, int64_t, GapRule, const int64_t*, int,
        SessionTable, int32_t*
    ) except +
    cbool c_arrives_in_order "cxcore::arrives_in_order"(const int64_t*, int64_t, uint64_t)
    ArrivalSessions c_sessionize_arrival "cxcore::sessionize_arrival"(
        const int32_t*, const int64_t*, int64_t, int64_t, GapRule, int, int32_t*
    ) except +
    void c_session_ids "cxcore::session_ids"(
        const int64_t*, int64_t, const int64_t*, int64_t, const int64_t*, const uint8_t*, int32_t, int,
        int64_t*, int64_t*, int32_t*
    ) except +
    void c_spread_sessions "cxcore::spread_sessions"(
        const int32_t*, const int32_t*, int64_t, const int64_t*, const int64_t*, const int64_t*, int,
        int64_t*, int64_t*
    ) except +


# The address of what may be empty: a memoryview of no items has none to take.
cdef inline const int64_t* longs(const int64_t[::1] values) noexcept nogil:
    return &values[0] if values.shape[0] else NULL

cdef inline const int32_t* codes(const int32_t[::1] values) noexcept nogil:
    return &values[0] if values.shape[0] else NULL


def is_indexed(
    const int32_t[::1] code,  # IN  [n]
    const int64_t[::1] tick,  # IN  [n]
    const int64_t[::1] tie,   # IN  [n] or [0]
):
    """True where the rows lie in index order already."""
    cdef cbool answer
    with nogil:
        answer = c_is_indexed(codes(code), longs(tick), longs(tie), code.shape[0])
    return answer


def sort_events(
    const int32_t[::1] code,    # IN  [n], -1: left out
    const int64_t[::1] tick,    # IN  [n]
    const int64_t[::1] tie,     # IN  [n] or [0]
    const int64_t[::1] offset,  # IN  [n_users + 1] events before each user
    int n_threads,
    int64_t[::1] row,           # OUT [offset[n_users]]
    int64_t[::1] sorted_tick,   # OUT [offset[n_users]]
):
    """Rows by user, then (tick, tie, row)."""
    if row.shape[0] == 0:
        return
    with nogil:
        c_sort_events(
            codes(code), longs(tick), longs(tie), code.shape[0], &offset[0], offset.shape[0] - 1, n_threads,
            &row[0], &sorted_tick[0],
        )


def count_sessions(
    const int64_t[::1] offset,      # IN  [n_users + 1]
    const int64_t[::1] tick,        # IN  sorted inside users
    uint64_t gap,                   # ticks; a longer silence splits
    int own,                        # user whose every event is a session, or -1
    int n_threads,
    int64_t[::1] session_offset,    # OUT [n_users + 1]
):
    """Sessions before each user; the last is the number of sessions."""
    cdef GapRule rule = GapRule(gap, own)
    with nogil:
        c_count_sessions(
            &offset[0], longs(tick), offset.shape[0] - 1, rule, n_threads, &session_offset[0])


def fill_sessions(
    const int64_t[::1] offset,          # IN  [n_users + 1]
    const int64_t[::1] row,             # IN  by position, or [0] where positions are rows
    const int64_t[::1] tick,            # IN  sorted inside users
    uint64_t gap,
    int own,
    const int64_t[::1] session_offset,  # IN  [n_users + 1]
    int n_threads,
    int64_t[::1] start,                 # OUT [n_sessions] ticks
    int64_t[::1] end,                   # OUT [n_sessions] ticks
    int64_t[::1] events,                # OUT [n_sessions]
    int32_t[::1] number,                # OUT [n_rows] or [0]
):
    """The table of sessions, and each row's number inside its user, counted from 1."""
    cdef GapRule rule = GapRule(gap, own)
    cdef SessionTable table
    if start.shape[0] == 0:
        return
    table.start, table.end, table.events = &start[0], &end[0], &events[0]
    with nogil:
        c_fill_sessions(
            &offset[0], longs(row), longs(tick), offset.shape[0] - 1, rule, &session_offset[0], n_threads,
            table, &number[0] if number.shape[0] else NULL,
        )


def arrives_in_order(
    const int64_t[::1] tick,  # IN  [n]
    uint64_t gap,
):
    """True where a log is in time order but for disorder smaller than the gap (asked of a sample)."""
    cdef cbool answer
    with nogil:
        answer = c_arrives_in_order(longs(tick), tick.shape[0], gap)
    return answer


cdef object array_of(vector[int64_t]& values):
    array = np.empty(values.size(), dtype=np.int64)
    cdef int64_t[::1] view = array
    if values.size():
        memcpy(&view[0], values.data(), values.size() * sizeof(int64_t))
    return array


def sessionize_arrival(
    const int32_t[::1] code,  # IN  [n], -1: left out
    const int64_t[::1] tick,  # IN  [n]
    int64_t n_users,
    uint64_t gap,
    int own,
    int n_threads,
    int32_t[::1] number,      # OUT [n]
):
    """Sessions of a log in arrival order: session_offset[n_users + 1], start, end, events[n_sessions]."""
    cdef GapRule rule = GapRule(gap, own)
    cdef ArrivalSessions found
    with nogil:
        found = c_sessionize_arrival(
            codes(code), longs(tick), code.shape[0], n_users, rule, n_threads,
            &number[0] if number.shape[0] else NULL,
        )
    return array_of(found.offset), array_of(found.start), array_of(found.end), array_of(found.events)


def session_ids(
    const int64_t[::1] session_offset,  # IN  [n_users + 1]
    const int64_t[::1] start,           # IN  [n_sessions] ticks
    int64_t tick_length,                # nanoseconds
    const int64_t[::1] key_offset,      # IN  [n_keys + 1] into key
    const uint8_t[::1] key,             # IN  canonical bytes
    int own,
    int n_threads,
    int64_t[::1] id,                    # OUT [n_sessions]
    int64_t[::1] number,                # OUT [n_sessions]
    int32_t[::1] user,                  # OUT [n_sessions]
):
    """Stable ids, numbers inside the user, and the user's code, of each session."""
    if start.shape[0] == 0:
        return
    with nogil:
        c_session_ids(
            &session_offset[0], session_offset.shape[0] - 1, &start[0], tick_length, &key_offset[0],
            &key[0] if key.shape[0] else NULL, own, n_threads, &id[0], &number[0], &user[0],
        )


def spread_sessions(
    const int32_t[::1] code,            # IN  [n]
    const int32_t[::1] number,          # IN  [n]
    const int64_t[::1] session_offset,  # IN  [n_users + 1]
    const int64_t[::1] id,              # IN  [n_sessions]
    const int64_t[::1] session_number,  # IN  [n_sessions]
    int n_threads,
    int64_t[::1] row_id,                # OUT [n]
    int64_t[::1] row_number,            # OUT [n]
):
    """Id and number of the session of each row; 0 where it has none."""
    if code.shape[0] == 0:
        return
    with nogil:
        c_spread_sessions(
            &code[0], &number[0], code.shape[0], &session_offset[0], longs(id), longs(session_number),
            n_threads, &row_id[0], &row_number[0],
        )


def xxh64(
    const uint8_t[::1] data,  # IN
):
    """XXH64 with seed 0, for the published test vectors."""
    return c_xxh64(&data[0] if data.shape[0] else NULL, data.shape[0])


cdef extern from "cxcore/xxh64.hpp" namespace "cxcore" nogil:
    uint64_t c_xxh64 "cxcore::xxh64"(const uint8_t*, size_t)
