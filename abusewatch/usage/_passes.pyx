# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False, binding=True
"""The traffic of each slot in one pass over the rows of a pane: the twin of `meter._summed`, to which it is held by tests."""

from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t

LEVEL = 6


def sums(
    uint64_t[:, ::1] out, const int32_t[:] slot, const uint8_t[:] outbound, const uint64_t[:] octets, const uint64_t[:] packets, const uint32_t[:] rate
):
    """Add octets, packets and records of each row to its slot, each in the column of its direction; a rate of 0 counts as 1."""
    cdef Py_ssize_t i, n = slot.shape[0]
    cdef uint64_t times
    cdef uint64_t* to
    with nogil:
        for i in range(n):
            times = rate[i] if rate[i] else 1
            to = &out[slot[i], 0 if outbound[i] else 1]
            to[0] += octets[i] * times
            to[2] += packets[i] * times
            to[4] += 1
