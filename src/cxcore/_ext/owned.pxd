# What a kernel allocated, as NumPy arrays without a copy.

from libc.stdint cimport int64_t, uint8_t


cdef extern from "cxcore/memory.hpp" namespace "cxcore" nogil:
    cdef cppclass Int64Array "cxcore::Array<int64_t>":
        size_t size()
        int64_t* data()
        void swap(Int64Array&)

    cdef cppclass UInt8Array "cxcore::Array<uint8_t>":
        size_t size()
        uint8_t* data()
        void swap(UInt8Array&)


cdef object int64_array(Int64Array& values)
cdef object uint8_array(UInt8Array& values)
