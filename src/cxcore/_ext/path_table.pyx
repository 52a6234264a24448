# Distinct paths of journeys, and those that lack one touch.
# The work is in include/cxcore/path_table.hpp: a table of paths by rolling hash, compared in full.
# O(touches of all windows); memory is the touches of the distinct paths.

from libc.stdint cimport int32_t, int64_t

from cxcore._ext.journeys cimport Journeys, JourneyView


cdef extern from "cxcore/path_table.hpp" namespace "cxcore" nogil:
    cdef cppclass Paths:
        Paths(const Journeys&, int64_t*, int64_t*) except +
        int64_t size()
        int64_t n_touches()
        void find(const Journeys&, int64_t*, int64_t*)
        void paths(int64_t*, int32_t*)
        void lacking(int64_t*, int32_t*, int64_t*) except +


cdef class PathTable:
    """The distinct paths of some journeys, by number, in order of first appearance; read by many threads."""

    cdef Paths* table

    def __cinit__(
        self,
        JourneyView view,
        int64_t[::1] of_conversion,  # OUT [n_conversions] number of the path, -1: no touch
        int64_t[::1] of_null,  # OUT [n_users], or [0] where journeys that did not convert do not count
    ):
        cdef int64_t* conversions = &of_conversion[0] if of_conversion.shape[0] else NULL
        cdef int64_t* nulls = &of_null[0] if of_null.shape[0] else NULL
        with nogil:
            self.table = new Paths(view.journeys, conversions, nulls)

    def __dealloc__(self):
        del self.table

    @property
    def n_paths(self):
        return self.table.size()

    @property
    def n_touches(self):
        """Touches of all distinct paths together."""
        return self.table.n_touches()

    def find(
        self,
        JourneyView view,  # journeys, these or others
        int64_t[::1] of_conversion,  # OUT [n_conversions] number of the path, -1: no touch, or not known
        int64_t[::1] of_null,  # OUT [n_users], or [0] where journeys that did not convert do not count
    ):
        """The path that each conversion, and each journey that did not convert, took."""
        cdef int64_t* conversions = &of_conversion[0] if of_conversion.shape[0] else NULL
        cdef int64_t* nulls = &of_null[0] if of_null.shape[0] else NULL
        with nogil:
            self.table.find(view.journeys, conversions, nulls)

    def paths(
        self,
        int64_t[::1] offset,  # OUT [n_paths + 1] touches of each path
        int32_t[::1] channel,  # OUT [n_touches]
    ):
        """Every path."""
        cdef int32_t* channels = &channel[0] if channel.shape[0] else NULL
        with nogil:
            self.table.paths(&offset[0], channels)

    def lacking(
        self,
        int64_t[::1] offset,  # OUT [n_paths + 1] touches of each path
        int32_t[::1] channel,  # OUT [n_touches]
        int64_t[::1] without,  # OUT [n_touches] the path that lacks this touch, -1: nobody took it
    ):
        """Every path, and for each of its touches the path without it."""
        cdef int32_t* channels = &channel[0] if channel.shape[0] else NULL
        cdef int64_t* paths = &without[0] if without.shape[0] else NULL
        with nogil:
            self.table.lacking(&offset[0], channels, paths)
