# Which known id the rows of an anonymous id belong to, at the border to NumPy.
# Design: include/cxcore/identity.hpp. Kernel law: README.md. Semantics: docs/explanation/identity.md.
# Phases are calls of their own; between them Python looks for signals, so Ctrl-C works.

from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t
from libcpp cimport bool as cbool


cdef extern from "cxcore/identity.hpp" namespace "cxcore" nogil:
    cdef enum Policy:
        pass

    void c_find_logins "cxcore::find_logins"(
        const int32_t*, const int32_t*, const int64_t*, const int64_t*, int64_t, int64_t, cbool,
        int32_t*, uint8_t*
    ) except +
    void c_spread_logins "cxcore::spread_logins"(
        const int32_t*, const int32_t*, int64_t, const int32_t*, int, int32_t*
    ) except +
    void c_follow_logins "cxcore::follow_logins"(
        const int64_t*, const int64_t*, const int64_t*, int64_t, const int32_t*, Policy, uint64_t, int,
        int32_t*
    ) except +
    void c_name_rows "cxcore::name_rows"(
        const int32_t*, const int32_t*, int64_t, const uint8_t*, int64_t, int64_t, int, int64_t*
    ) except +


# The address of what may be empty: a memoryview of no items has none to take.
cdef inline const int64_t* longs(const int64_t[::1] values) noexcept nogil:
    return &values[0] if values.shape[0] else NULL

cdef inline const int32_t* codes(const int32_t[::1] values) noexcept nogil:
    return &values[0] if values.shape[0] else NULL


def find_logins(
    const int32_t[::1] device,  # IN  [n] anonymous ids, -1: none
    const int32_t[::1] known,   # IN  [n] known ids, -1: none
    const int64_t[::1] tick,    # IN  [n]
    const int64_t[::1] tie,     # IN  [n] or [0]
    bint first,                 # the first login, not the last
    int32_t[::1] login,         # OUT [n_devices] known id, -1: none
    uint8_t[::1] shared,        # OUT [n_devices] 1: several known ids
):
    """The known id of each device's last (first) login, and whether others logged in too."""
    if login.shape[0] == 0:
        return
    with nogil:
        c_find_logins(
            &device[0], &known[0], &tick[0], longs(tie), device.shape[0], login.shape[0], first,
            &login[0], &shared[0],
        )


def spread_logins(
    const int32_t[::1] device,  # IN  [n]
    const int32_t[::1] known,   # IN  [n]
    const int32_t[::1] login,   # IN  [n_devices]
    int n_threads,
    int32_t[::1] link,          # OUT [n]
):
    """Each row's own known id, else that of its device's login, else -1."""
    if device.shape[0] == 0:
        return
    with nogil:
        c_spread_logins(&device[0], &known[0], device.shape[0], codes(login), n_threads, &link[0])


def follow_logins(
    const int64_t[::1] offset,  # IN  [n_devices + 1]
    const int64_t[::1] row,     # IN  by position, or [0] where positions are rows
    const int64_t[::1] tick,    # IN  sorted inside devices
    const int32_t[::1] known,   # IN  [n_rows]
    int policy,                 # 0: last, 1: first, 2: sliced
    uint64_t lookback,          # ticks; logins farther away are not seen
    int n_threads,
    int32_t[::1] link,          # OUT [n_rows] rewritten for indexed rows without a known id
):
    """The known id of the login that each row of an index sees."""
    if tick.shape[0] == 0:
        return
    with nogil:
        c_follow_logins(
            &offset[0], longs(row), &tick[0], offset.shape[0] - 1, &known[0], <Policy>policy, lookback,
            n_threads, &link[0],
        )


def name_rows(
    const int32_t[::1] device,      # IN  [n]
    const int32_t[::1] link,        # IN  [n] known id of the row, -1: none
    const uint8_t[::1] unstitched,  # IN  [n_known] 1: may not be linked
    int64_t n_devices,
    int n_threads,
    int64_t[::1] place,             # OUT [n] among the known ids, the anonymous ids, and none
):
    """Where each row's identity stands in a list of all known ids, all anonymous ids, and a null."""
    if device.shape[0] == 0:
        return
    with nogil:
        c_name_rows(
            &device[0], &link[0], device.shape[0], &unstitched[0] if unstitched.shape[0] else NULL,
            unstitched.shape[0], n_devices, n_threads, &place[0],
        )
