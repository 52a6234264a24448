# Sessions by all rules, and the measures of sessions, at the border to NumPy.
# Design: rules.hpp and measures.hpp in include/cxcore. Kernel law: README.md. A rule that is not there is an
# array of no item.

from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libcpp cimport bool as cbool

from cxcore._ext.owned cimport Int64Array, int64_array, UInt8Array, uint8_array


cdef extern from "cxcore/rules.hpp" namespace "cxcore" nogil:
    cdef struct Rules:
        uint64_t gap
        int32_t own
        const int64_t* gap_of_row
        uint64_t max_duration
        int64_t max_events
        const int64_t* edge
        int64_t n_edges
        const uint8_t* mark
        const int32_t* value
        int64_t n_values
        int64_t n_rows
        int32_t split_null
        const int64_t* key
        int64_t n_keys
        const int64_t* last_of_row
        const int64_t* events_of_row

    cdef cppclass RuledSessions:
        Int64Array offset
        Int64Array begin
        Int64Array start
        Int64Array end
        Int64Array events
        Int64Array until
        UInt8Array reason
        Int64Array copy

    cdef struct Copy:
        pass

    RuledSessions c_find_ruled_sessions "cxcore::find_ruled_sessions"(
        const int64_t*, const int64_t*, const int64_t*, int64_t, const Rules&, int
    ) except +
    void c_label_copies "cxcore::label_copies"(const int64_t*, const Copy*, int64_t, int32_t*)
    void c_name_copies "cxcore::name_copies"(const Copy*, int64_t, int64_t*, int64_t*)

cdef extern from "cxcore/measures.hpp" namespace "cxcore" nogil:
    cdef struct SessionRows:
        const int64_t* begin
        int64_t n_sessions
        const int64_t* row
        const Copy* copy
        int64_t n_copies

    void c_edge_rows "cxcore::edge_rows"(
        const SessionRows&, const uint8_t*, int, int64_t*, int64_t*
    ) except +
    cbool c_sum_whole "cxcore::sum_sessions"(const SessionRows&, const int64_t*, int, int64_t*) except +
    void c_any_true "cxcore::any_true"(const SessionRows&, const uint8_t*, int, uint8_t*) except +
    void c_sum_real "cxcore::sum_sessions"(const SessionRows&, const double*, int, double*) except +


# The address of what may be empty: a memoryview of no items has none to take.
cdef inline const int64_t* longs(const int64_t[::1] values) noexcept nogil:
    return &values[0] if values.shape[0] else NULL

cdef inline const int32_t* codes(const int32_t[::1] values) noexcept nogil:
    return &values[0] if values.shape[0] else NULL

cdef inline const Copy* copies(const int64_t[:, ::1] values) noexcept nogil:
    return <const Copy*>&values[0, 0] if values.shape[0] else NULL

cdef inline const uint8_t* bytes_of(const uint8_t[::1] values) noexcept nogil:
    return &values[0] if values.shape[0] else NULL


def find_ruled_sessions(
    const int64_t[::1] offset,      # IN  [n_users + 1]
    const int64_t[::1] row,         # IN  by position, or [0] where positions are rows
    const int64_t[::1] tick,        # IN  by position, sorted inside users
    uint64_t gap,                   # ticks; a longer silence splits
    int own,                        # user whose every event is a session, or -1
    const int64_t[::1] gap_of_row,  # IN  [n_rows] ticks, or [0]
    uint64_t max_duration,          # ticks
    int64_t max_events,
    const int64_t[::1] edge,        # IN  [n_edges] ticks, rising
    const uint8_t[::1] mark,        # IN  [n_rows] bits: 1 starts, 2 ends, 4 idles, 8 repeats nothing; or [0]
    const int32_t[:, ::1] value,    # IN  [n_values, n_rows] codes, -1 where null
    int split_null,                 # 0 carry, 1 break, 2 ignore
    const int64_t[:, ::1] key,      # IN  [n_keys, n_rows] rows of a user that agree in all repeat one event
    const int64_t[::1] last_of_row,    # IN  [n_rows] last tick of what the row stands for, or [0]
    const int64_t[::1] events_of_row,  # IN  [n_rows] events that the row stands for, or [0]
    int n_threads,
):
    """session_offset[n_users + 1], begin[n_sessions + 1]; start, end, events, until, reason[n_sessions]; and
    copy[n_copies, 2]: positions of events that repeat one, in their order, and of what each repeats.
    """
    cdef Rules rule
    cdef RuledSessions found
    rule.gap, rule.own, rule.gap_of_row = gap, own, longs(gap_of_row)
    rule.max_duration, rule.max_events = max_duration, max_events
    rule.edge, rule.n_edges = longs(edge), edge.shape[0]
    rule.mark, rule.split_null = bytes_of(mark), split_null
    rule.n_values, rule.n_rows = value.shape[0], max(value.shape[1], key.shape[1], mark.shape[0])
    rule.value = &value[0, 0] if value.shape[0] and value.shape[1] else NULL
    rule.n_keys = key.shape[0]
    rule.key = &key[0, 0] if key.shape[0] and key.shape[1] else NULL
    rule.last_of_row, rule.events_of_row = longs(last_of_row), longs(events_of_row)
    with nogil:
        found = c_find_ruled_sessions(
            &offset[0], longs(row), longs(tick), offset.shape[0] - 1, rule, n_threads)
    return (
        int64_array(found.offset), int64_array(found.begin), int64_array(found.start),
        int64_array(found.end), int64_array(found.events), int64_array(found.until),
        uint8_array(found.reason), int64_array(found.copy).reshape(-1, 2),
    )


def label_copies(
    const int64_t[::1] row,      # IN  by position, or [0]
    const int64_t[:, ::1] copy,  # IN  [n_copies, 2]
    int32_t[::1] label,          # INOUT [n_rows]
):
    """Copies of an event have the session of the first of them."""
    if copy.shape[0] == 0:
        return
    with nogil:
        c_label_copies(longs(row), copies(copy), copy.shape[0], &label[0])


def name_copies(
    const int64_t[:, ::1] copy,  # IN    [n_copies, 2]; the log is its own index
    int64_t[::1] row_id,         # INOUT [n_rows]
    int64_t[::1] row_number,     # INOUT [n_rows]
):
    """Copies of an event have the names of the first of them."""
    if copy.shape[0] == 0:
        return
    with nogil:
        c_name_copies(copies(copy), copy.shape[0], &row_id[0], &row_number[0])


cdef SessionRows rows_of(
    const int64_t[::1] begin, const int64_t[::1] row, const int64_t[:, ::1] copy
) noexcept nogil:
    cdef SessionRows rows
    rows.begin, rows.n_sessions = &begin[0], begin.shape[0] - 1
    rows.row, rows.copy, rows.n_copies = longs(row), copies(copy), copy.shape[0]
    return rows


def edge_rows(
    const int64_t[::1] begin,    # IN  [n_sessions + 1]
    const int64_t[::1] row,      # IN  by position, or [0]
    const int64_t[:, ::1] copy,  # IN  [n_copies, 2]
    const uint8_t[::1] valid,    # IN  [n_rows] or [0]: all are
    int n_threads,
    int64_t[::1] first_row,      # OUT [n_sessions] -1: none is valid
    int64_t[::1] last_row,       # OUT [n_sessions]
):
    """First and last row of each session that has a value."""
    if first_row.shape[0] == 0:
        return
    with nogil:
        c_edge_rows(
            rows_of(begin, row, copy), bytes_of(valid), n_threads, &first_row[0], &last_row[0])


def sum_whole(
    const int64_t[::1] begin,    # IN  [n_sessions + 1]
    const int64_t[::1] row,      # IN  by position, or [0]
    const int64_t[:, ::1] copy,  # IN  [n_copies, 2]
    const int64_t[::1] value,    # IN  [n_rows]
    int n_threads,
    int64_t[::1] total,          # OUT [n_sessions]
):
    """Sum of whole numbers by session; True where one does not fit."""
    cdef cbool overflows = False
    if total.shape[0]:
        with nogil:
            overflows = c_sum_whole(rows_of(begin, row, copy), &value[0], n_threads, &total[0])
    return overflows


def sum_real(
    const int64_t[::1] begin,    # IN  [n_sessions + 1]
    const int64_t[::1] row,      # IN  by position, or [0]
    const int64_t[:, ::1] copy,  # IN  [n_copies, 2]
    const double[::1] value,     # IN  [n_rows]
    int n_threads,
    double[::1] total,           # OUT [n_sessions]
):
    """Sum by session, in the order of its events."""
    if total.shape[0]:
        with nogil:
            c_sum_real(rows_of(begin, row, copy), &value[0], n_threads, &total[0])


def any_true(
    const int64_t[::1] begin,    # IN  [n_sessions + 1]
    const int64_t[::1] row,      # IN  by position, or [0]
    const int64_t[:, ::1] copy,  # IN  [n_copies, 2]
    const uint8_t[::1] value,    # IN  [n_rows] 0 or 1
    int n_threads,
    uint8_t[::1] any,            # OUT [n_sessions] 0 or 1
):
    """Is one of the events of a session marked?"""
    if any.shape[0]:
        with nogil:
            c_any_true(rows_of(begin, row, copy), &value[0], n_threads, &any[0])
