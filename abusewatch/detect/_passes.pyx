# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False, binding=True
"""What the sieve adds up of every row, which rows have one of many values, and what thinning changes of those that stay, in one pass each: the twins of
`sieve.poured`, `compile.looked_up` and `thinning._Cut`, to which they are held by tests on every value.
"""

from libc.math cimport floor
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

LEVEL = 6

cdef enum:
    MAPPED_HIGH = 0xFFFF
    V4_HOST = 8
    V6_HOST = 16
    BUCKET_SHIFT = 48

cdef uint64_t GOLDEN = 0x9E3779B97F4A7C15ULL
cdef uint64_t STIR = 0xBF58476D1CE4E5B9ULL


def pour(
    uint16_t[::1] bucket, double[:, ::1] sent, const int32_t[:] slot, const uint64_t[:] peer_hi, const uint64_t[:] peer_lo,
    const uint8_t[:] outbound, const uint64_t[:] packets, const uint64_t[:] octets, const uint32_t[:] rate,
):
    """The bucket of each row, and the packets and octets that were sent in all rows of each, side by side."""
    cdef Py_ssize_t i, n = bucket.shape[0]
    cdef uint64_t net
    cdef double each
    with nogil:
        for i in range(n):
            net = peer_lo[i] >> V4_HOST if peer_hi[i] == 0 and peer_lo[i] >> 32 == MAPPED_HIGH else peer_hi[i] >> V6_HOST
            net = (net ^ <uint64_t>slot[i] << 32) * GOLDEN
            net = (net ^ (net >> 29)) * STIR
            bucket[i] = <uint16_t>(net >> BUCKET_SHIFT)
            if outbound[i]:
                each = rate[i] if rate[i] > 1 else 1
                sent[bucket[i], 0] += <double>packets[i] * each
                sent[bucket[i], 1] += <double>octets[i] * each


ctypedef fused small:
    uint8_t
    uint16_t


def looked_up(uint8_t[::1] out, const uint8_t[::1] table, const small[:] values):
    """What a table of 65,536 says of each value."""
    cdef Py_ssize_t i, n = out.shape[0]
    with nogil:
        for i in range(n):
            out[i] = table[values[i]]


def weights(
    double[::1] out, const double[:] weight, const int64_t[::1] mine, const int64_t[::1] starts, const uint8_t[::1] stays, const uint64_t[::1] chance
):
    """Weights of the rows that stay of each group, in proportion, so that they sum to that of the group; what rounding leaves goes to the first of least chance.

    Of each group a row stays at least.
    """
    cdef Py_ssize_t g, i, begin, end, first, groups = starts.shape[0], n = mine.shape[0]
    cdef double total, left, told
    with nogil:
        for g in range(groups):
            begin, end = starts[g], starts[g + 1] if g + 1 < groups else n
            total, left, told, first = 0, 0, 0, -1
            for i in range(begin, end):
                total += weight[mine[i]]
                if stays[i]:
                    left += weight[mine[i]]
                    if first < 0 or chance[i] < chance[first]:
                        first = i
            left = total / left
            for i in range(begin, end):
                if stays[i]:
                    out[mine[i]] = floor(weight[mine[i]] * left * 1024) / 1024
                    told += out[mine[i]]
            out[mine[first]] += total - told


def values(
    double[::1] out, const double[:] value, const uint8_t[:] mask, const double[:] before, const double[:] after,
    const int64_t[::1] mine, const int64_t[::1] starts, const uint8_t[::1] stays,
):
    """Values of the rows that stay of each group, so that with the weights `after` they sum to what all did with those `before`."""
    cdef Py_ssize_t g, i, begin, end, groups = starts.shape[0], n = mine.shape[0]
    cdef double whole, part
    with nogil:
        for g in range(groups):
            begin, end = starts[g], starts[g + 1] if g + 1 < groups else n
            whole, part = 0, 0
            for i in range(begin, end):
                whole += before[mine[i]] * value[mine[i]] * mask[mine[i]]
                if stays[i]:
                    part += after[mine[i]] * value[mine[i]] * mask[mine[i]]
            whole = whole / (part if part > 0 else 1)
            for i in range(begin, end):
                if stays[i]:
                    out[mine[i]] = value[mine[i]] * whole
