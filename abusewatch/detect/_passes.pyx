# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False, binding=True
"""What the sieve adds up of every row, in one pass: the twin of `sieve.poured`, to which it is held by tests on every value."""

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t

LEVEL = 4

cdef enum:
    MAPPED_HIGH = 0xFFFF
    V4_HOST = 8
    V6_HOST = 16
    BUCKET_SHIFT = 48

cdef uint64_t GOLDEN = 0x9E3779B97F4A7C15ULL
cdef uint64_t STIR = 0xBF58476D1CE4E5B9ULL


def pour(
    uint16_t[::1] bucket, double[::1] packets_of, double[::1] octets_of, const int32_t[:] slot, const uint64_t[:] peer_hi, const uint64_t[:] peer_lo,
    const uint8_t[:] outbound, const uint64_t[:] packets, const uint64_t[:] octets, const uint32_t[:] rate,
):
    """The bucket of each row, and what was sent in all rows of each."""
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
                packets_of[bucket[i]] += <double>packets[i] * each
                octets_of[bucket[i]] += <double>octets[i] * each
