# The event index and sessions by the gap rule, at the border to NumPy.
# Design and sources: index.hpp, sessions.hpp, slots.hpp, arrival.hpp, stretches.hpp in include/cxcore.
# Law: README.md.
# Phases of long work are calls of their own; between them Python looks for signals, so Ctrl-C works.

from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libcpp cimport bool as cbool

from cxcore._ext.owned cimport Int64Array, int64_array


cdef extern from "cxcore/index.hpp" namespace "cxcore" nogil:
    cbool c_is_indexed "cxcore::is_indexed"(const int32_t*, const int64_t*, const int64_t*, int64_t)
    cbool c_is_in_time "cxcore::is_in_time"(const int64_t*, int64_t, const int64_t*, const int64_t*)
    void c_sort_events "cxcore::sort_events"(
        const int32_t*, const int64_t*, const int64_t*, int64_t, const int64_t*, int64_t, int,
        int64_t*, int64_t*
    ) except +

cdef extern from "cxcore/sessions.hpp" namespace "cxcore" nogil:
    cdef struct GapRule:
        uint64_t gap
        int32_t own

    cdef cppclass Begins:
        Int64Array offset
        Int64Array begin

    Begins c_find_sessions "cxcore::find_sessions"(
        const int64_t*, const int64_t*, int64_t, GapRule, int
    ) except +
    void c_edges "cxcore::edges"(
        const int64_t*, int64_t, const int64_t*, int, int64_t*, int64_t*, int64_t*
    ) except +
    void c_session_ids "cxcore::session_ids"(
        const int64_t*, int64_t, const int64_t*, int64_t, const int64_t*, const uint8_t*, int32_t, int,
        const int64_t*, int64_t*, int32_t*, int64_t*
    ) except +
    void c_label_rows "cxcore::label_rows"(const int64_t*, int64_t, const int64_t*, int, int32_t*) except +
    void c_name_rows "cxcore::name_rows"(
        const int32_t*, int64_t, const int64_t*, int, int64_t*, int64_t*
    ) except +
    void c_name_runs "cxcore::name_runs"(
        const int64_t*, int64_t, const int64_t*, int, int64_t*, int64_t*
    ) except +

cdef extern from "cxcore/slots.hpp" namespace "cxcore" nogil:
    cdef cppclass SlotSessions:
        Int64Array offset
        Int64Array start
        Int64Array end
        Int64Array events

    SlotSessions c_sessionize_slots "cxcore::sessionize_slots"(
        const int32_t*, const int64_t*, int64_t, const int64_t*, int64_t, GapRule, int, int64_t*, int32_t*,
        int32_t*
    ) except +

cdef extern from "cxcore/arrival.hpp" namespace "cxcore" nogil:
    cdef cppclass ArrivalSessions:
        Int64Array offset
        Int64Array start
        Int64Array end
        Int64Array events
        Int64Array session

    cbool c_arrives_in_order "cxcore::arrives_in_order"(const int64_t*, int64_t, uint64_t)
    ArrivalSessions c_sessionize_arrival "cxcore::sessionize_arrival"(
        const int32_t*, const int64_t*, int64_t, int64_t, GapRule, int, int32_t*
    ) except +

cdef extern from "cxcore/stretches.hpp" namespace "cxcore" nogil:
    cdef struct Stretches:
        const int32_t* user
        const int64_t* start
        const int64_t* end
        const int64_t* events
        int64_t n

    cdef struct Facts:
        int64_t* at
        int64_t n

    cdef struct Records:
        int64_t* at
        int64_t n

    cdef struct JoinRule:
        uint64_t gap
        int64_t late_before
        int64_t closes_before
        cbool closes_all
        int64_t tick_length

    cdef struct JoinCounts:
        int64_t closed
        int64_t all

    JoinCounts c_join_stretches "cxcore::join_stretches"(
        Stretches, Stretches, JoinRule, const int64_t*, const uint8_t*, int, Records, int32_t*, Facts,
        int64_t*
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


def is_in_time(
    const int64_t[::1] offset,  # IN  [n_users + 1] rows of each user, who has some
    const int64_t[::1] tick,    # IN  [n]
    const int64_t[::1] tie,     # IN  [n] or [0]
):
    """True where the rows of a log by user are in order of (tick, tie) inside users."""
    cdef cbool answer
    with nogil:
        answer = c_is_in_time(&offset[0], offset.shape[0] - 1, longs(tick), longs(tie))
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


def find_sessions(
    const int64_t[::1] offset,  # IN  [n_users + 1]
    const int64_t[::1] tick,    # IN  sorted inside users
    uint64_t gap,               # ticks; a longer silence splits
    int own,                    # user whose every event is a session, or -1
    int n_threads,
):
    """Sessions before each user, [n_users + 1], and the position where each begins, [n_sessions + 1]."""
    cdef GapRule rule = GapRule(gap, own)
    cdef Begins found
    with nogil:
        found = c_find_sessions(&offset[0], longs(tick), offset.shape[0] - 1, rule, n_threads)
    return int64_array(found.offset), int64_array(found.begin)


def edges(
    const int64_t[::1] begin,  # IN  [n_sessions + 1] positions
    const int64_t[::1] tick,   # IN  by position
    int n_threads,
    int64_t[::1] start,        # OUT [n_sessions]
    int64_t[::1] end,          # OUT [n_sessions]
    int64_t[::1] events,       # OUT [n_sessions]
):
    """First and last tick of each session, and how many events it has."""
    if start.shape[0] == 0:
        return
    with nogil:
        c_edges(&begin[0], start.shape[0], &tick[0], n_threads, &start[0], &end[0], &events[0])


def arrives_in_order(
    const int64_t[::1] tick,  # IN  [n]
    uint64_t gap,
):
    """True where a log is in time order but for disorder smaller than the gap (asked of a sample)."""
    cdef cbool answer
    with nogil:
        answer = c_arrives_in_order(longs(tick), tick.shape[0], gap)
    return answer


def sessionize_arrival(
    const int32_t[::1] code,   # IN  [n], -1: left out
    const int64_t[::1] tick,   # IN  [n]
    int64_t n_users,
    uint64_t gap,
    int own,
    int n_threads,
    int32_t[::1] label,        # OUT [n], -1: left out
):
    """Sessions of a log in arrival order.

    session_offset[n_users + 1], start, end, events[n_sessions], and the session that has a label,
    [n_labels], -1 where none has it.
    """
    cdef GapRule rule = GapRule(gap, own)
    cdef ArrivalSessions found
    with nogil:
        found = c_sessionize_arrival(
            codes(code), longs(tick), code.shape[0], n_users, rule, n_threads,
            &label[0] if label.shape[0] else NULL,
        )
    return (
        int64_array(found.offset), int64_array(found.start), int64_array(found.end),
        int64_array(found.events), int64_array(found.session),
    )


def sessionize_slots(
    const int32_t[::1] code,    # IN  [n], -1: left out
    const int64_t[::1] tick,    # IN  [n]
    const int64_t[::1] offset,  # IN  [n_users + 1] events before each user
    uint64_t gap,
    int own,
    int n_threads,
    int64_t[::1] room,          # OUT [n] for the work; rubbish afterwards
    int32_t[::1] more_room,     # OUT [n] likewise
    int32_t[::1] label,         # OUT [n] session of each row, -1: left out; or [0]
):
    """Sessions of a log in any order: session_offset[n_users + 1], start, end, events[n_sessions]."""
    cdef GapRule rule = GapRule(gap, own)
    cdef SlotSessions found
    with nogil:
        found = c_sessionize_slots(
            codes(code), longs(tick), code.shape[0], &offset[0], offset.shape[0] - 1, rule, n_threads,
            &room[0] if room.shape[0] else NULL, &more_room[0] if more_room.shape[0] else NULL,
            &label[0] if label.shape[0] else NULL,
        )
    return (
        int64_array(found.offset), int64_array(found.start), int64_array(found.end),
        int64_array(found.events),
    )


def join_stretches(
    const int32_t[::1] open_user,    # IN  [n_open] place of its user in the step
    const int64_t[:, ::1] open,      # IN  [3, n_open] start, end, events of what is open
    const int32_t[::1] batch_user,   # IN  [n_batch] rising
    const int64_t[::1] start,        # IN  [n_batch] stretches of a batch, rising inside users
    const int64_t[::1] end,          # IN  [n_batch]
    const int64_t[::1] events,       # IN  [n_batch]
    uint64_t gap,                    # ticks; a longer silence splits
    int64_t late_before,             # a session with a stretch of the batch that reaches less is late
    int64_t closes_before,           # a session that reaches less closes
    cbool closes_all,                # or any
    int64_t tick_length,             # nanoseconds
    const int64_t[::1] key_offset,   # IN  [n_users + 1] into key
    const uint8_t[::1] key,          # IN  canonical bytes
    int n_threads,
    int64_t[:, ::1] record,          # IN, OUT [n_users, 10] facts of the last closed session, its number 0
                                     #     where there is none
    int32_t[::1] user,               # OUT [n_open + n_batch] place of its user
    int64_t[:, ::1] session,         # OUT [10, n_open + n_batch] facts, as a stream keeps them
    int64_t[::1] session_of_open,    # OUT [n_open]
):
    """Sessions of what is open and a batch, where silence alone ends them.

    How many close, which come first, and how many there are; (-1, -1) where a stretch may be late.
    """
    cdef int64_t n_open = open_user.shape[0], n_batch = batch_user.shape[0]
    cdef Stretches opened, brought
    cdef JoinRule rule = JoinRule(gap, late_before, closes_before, closes_all, tick_length)
    cdef JoinCounts found
    if n_open + n_batch == 0:
        return 0, 0
    opened.n, opened.user = n_open, codes(open_user)
    if n_open:
        opened.start, opened.end, opened.events = &open[0, 0], &open[1, 0], &open[2, 0]
    brought.n, brought.user = n_batch, codes(batch_user)
    brought.start, brought.end, brought.events = longs(start), longs(end), longs(events)
    with nogil:
        found = c_join_stretches(
            opened, brought, rule, &key_offset[0], &key[0] if key.shape[0] else NULL, n_threads,
            Records(&record[0, 0], record.shape[0]), &user[0], Facts(&session[0, 0], session.shape[1]),
            &session_of_open[0] if n_open else NULL,
        )
    return found.closed, found.all


def session_ids(
    const int64_t[::1] session_offset,  # IN  [n_users + 1]
    const int64_t[::1] start,           # IN  [n_sessions] ticks
    int64_t tick_length,                # nanoseconds
    const int64_t[::1] key_offset,      # IN  [n_keys + 1] into key
    const uint8_t[::1] key,             # IN  canonical bytes
    int own,
    int n_threads,
    const int64_t[:, ::1] before,       # IN  [3, n_users] earlier sessions, start of the last, how many began
                                        #     before it in its microsecond (-1: it does not count); or [3, 0]
    int64_t[:, ::1] name,               # OUT [n_sessions, 2] id and number inside the user
    int32_t[::1] user,                  # OUT [n_sessions]
    int64_t[::1] same,                  # OUT [n_sessions] earlier ones in its microsecond, or [0]
):
    """Stable ids, numbers inside the user, and the user's code, of each session."""
    if start.shape[0] == 0:
        return
    with nogil:
        c_session_ids(
            &session_offset[0], session_offset.shape[0] - 1, &start[0], tick_length, &key_offset[0],
            &key[0] if key.shape[0] else NULL, own, n_threads,
            &before[0, 0] if before.shape[1] else NULL, &name[0, 0], &user[0],
            &same[0] if same.shape[0] else NULL,
        )


def label_rows(
    const int64_t[::1] begin,  # IN  [n_sessions + 1] positions
    const int64_t[::1] row,    # IN  by position
    int n_threads,
    int32_t[::1] label,        # OUT [n]; what has no position is left as it is
):
    """The session of each row."""
    if row.shape[0] == 0:
        return
    with nogil:
        c_label_rows(&begin[0], begin.shape[0] - 1, &row[0], n_threads, &label[0])


def name_rows(
    const int32_t[::1] label,    # IN  [n], -1: no session
    const int64_t[:, ::1] name,  # IN  [n_labels, 2] id and number
    int n_threads,
    int64_t[::1] row_id,         # OUT [n]
    int64_t[::1] row_number,     # OUT [n]
):
    """Id and number of the session of each row; 0 where it has none."""
    if label.shape[0] == 0:
        return
    with nogil:
        c_name_rows(
            &label[0], label.shape[0], &name[0, 0] if name.shape[0] else NULL, n_threads,
            &row_id[0], &row_number[0],
        )


def name_runs(
    const int64_t[::1] begin,    # IN  [n_sessions + 1] rows
    const int64_t[:, ::1] name,  # IN  [n_sessions, 2] id and number
    int n_threads,
    int64_t[::1] row_id,         # OUT [n]
    int64_t[::1] row_number,     # OUT [n]
):
    """Id and number of each row of a log that is its own index: the rows of a session lie side by side."""
    if name.shape[0] == 0:
        return
    with nogil:
        c_name_runs(&begin[0], name.shape[0], &name[0, 0], n_threads, &row_id[0], &row_number[0])


def xxh64(
    const uint8_t[::1] data,  # IN
):
    """XXH64 with seed 0, for the published test vectors."""
    return c_xxh64(&data[0] if data.shape[0] else NULL, data.shape[0])


cdef extern from "cxcore/xxh64.hpp" namespace "cxcore" nogil:
    uint64_t c_xxh64 "cxcore::xxh64"(const uint8_t*, size_t)
