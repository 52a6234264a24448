# Journeys as one bundle of arrays, for all kernels that read them.

from libc.stdint cimport int32_t, int64_t


cdef extern from "cxcore/journeys.hpp" namespace "cxcore" nogil:
    cdef struct Journeys:
        int64_t n_users
        const int64_t* touch_offset
        const int64_t* conversion_offset
        const int32_t* channel
        const int64_t* tick
        const int64_t* lo
        const int64_t* hi
        const double* value
        const double* times
        const int64_t* null_lo
        const int64_t* null_hi


cdef class JourneyView:
    cdef Journeys journeys
    cdef object arrays  # keeps them alive
