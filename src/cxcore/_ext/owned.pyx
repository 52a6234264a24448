# What a kernel allocated, as NumPy arrays without a copy: an owner takes the C++ array over and shows it by
# the buffer protocol; NumPy keeps the owner alive. Here is no loop to release the GIL for (nogil: nothing).

from cpython.buffer cimport PyBuffer_FillInfo

import numpy as np


cdef class Int64Owner:
    cdef Int64Array values

    def __getbuffer__(self, Py_buffer* buffer, int flags):
        PyBuffer_FillInfo(buffer, self, self.values.data(), self.values.size() * 8, False, flags)


cdef class UInt8Owner:
    cdef UInt8Array values

    def __getbuffer__(self, Py_buffer* buffer, int flags):
        PyBuffer_FillInfo(buffer, self, self.values.data(), self.values.size(), False, flags)


cdef object int64_array(Int64Array& values):
    if not values.size():
        return np.empty(0, np.int64)
    cdef Int64Owner owner = Int64Owner()
    owner.values.swap(values)
    return np.frombuffer(owner, np.int64)


cdef object uint8_array(UInt8Array& values):
    if not values.size():
        return np.empty(0, np.uint8)
    cdef UInt8Owner owner = UInt8Owner()
    owner.values.swap(values)
    return np.frombuffer(owner, np.uint8)
