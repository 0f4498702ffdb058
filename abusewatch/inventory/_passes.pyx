# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False, binding=True
"""Whose an address is, its slot, and which end is ours, in one pass over the rows: the twins of `prefixes.Table` for IPv4, `slots.Slots` and
`inventory.turned`, to which they are held by tests.
"""

from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t

LEVEL = 6

cdef enum:
    SPLIT = -2
    BUCKET_SHIFT = 46
    MAPPED_HIGH = 0xFFFF

cdef uint64_t GOLDEN = 0x9E3779B97F4A7C15ULL
cdef uint64_t STIR = 0xBF58476D1CE4E5B9ULL
cdef uint64_t SEED = 0x243F6A8885A308D3ULL


ctypedef fused end:
    uint16_t
    uint64_t


def turned(end[::1] own, end[::1] peer, const end[:] src, const end[:] dst, const uint8_t[::1] sent):
    """Source and destination as our end and the other: as they are where our side sent, else the other way round."""
    cdef Py_ssize_t i, n = own.shape[0]
    cdef end ours, theirs, swap
    with nogil:
        for i in range(n):
            ours, theirs = src[i], dst[i]
            swap = (ours ^ theirs) & <end>(<end>sent[i] - 1)
            own[i], peer[i] = ours ^ swap, theirs ^ swap


def owners(int32_t[::1] out, const uint64_t[:] low, const int32_t[::1] by_upper16, const uint32_t[::1] starts, const int32_t[::1] owner):
    """Owner number of each IPv4 address by the table of /16 blocks, and by a search over ranges where a block has several."""
    cdef Py_ssize_t i, at, above, middle, n = out.shape[0]
    cdef uint32_t address
    with nogil:
        for i in range(n):
            address = <uint32_t>low[i]
            out[i] = by_upper16[address >> 16]
            if out[i] == SPLIT:
                at, above = 0, starts.shape[0]
                while above - at > 1:
                    middle = (at + above) // 2
                    if starts[middle] <= address:
                        at = middle
                    else:
                        above = middle
                out[i] = owner[at]


cdef inline uint64_t stirred(uint64_t state, uint64_t value) noexcept nogil:
    state = (state ^ value) * GOLDEN
    state = (state ^ (state >> 29)) * STIR
    return state ^ (state >> 32)


def slots(
    uint64_t[::1] key, int32_t[::1] number, const uint64_t[:] hi, const uint64_t[:] lo, const int32_t[::1] bucket, const uint64_t[::1] by_number
):
    """Key and slot of each address, -1 for one that the buckets do not know; give how many those are."""
    cdef Py_ssize_t i, n = key.shape[0], unknown = 0
    cdef uint64_t k
    cdef int32_t at
    with nogil:
        for i in range(n):
            k = stirred(stirred(SEED, hi[i]), lo[i] if hi[i] == 0 and lo[i] >> 32 == MAPPED_HIGH else 0)
            at = bucket[k >> BUCKET_SHIFT]
            key[i] = k
            if by_number[at] == k:
                number[i] = at
            else:
                number[i] = -1
                unknown += 1
    return unknown
