# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False, binding=True
"""Fields read where they lie in the ring: the twin of `layout.columns_of`, to which it is held by tests on every value."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

LEVEL = 6

cdef enum:
    CHUNK = 1024  # records whose octets stay in the processor's cache while column after column is read from them


cdef inline uint64_t be16(const uint8_t* p) noexcept nogil:
    return <uint64_t>p[0] << 8 | p[1]

cdef inline uint64_t be32(const uint8_t* p) noexcept nogil:
    return be16(p) << 16 | be16(p + 2)

cdef inline uint64_t be64(const uint8_t* p) noexcept nogil:
    return be32(p) << 32 | be32(p + 4)

cdef inline uint64_t odd(const uint8_t* p, int octets) noexcept nogil:
    cdef uint64_t value = 0
    cdef int i
    for i in range(octets):
        value = value << 8 | p[i]
    return value


cdef void column(uint64_t out, const uint8_t* base, const int64_t* at, int octets, Py_ssize_t begin, Py_ssize_t end) noexcept nogil:
    cdef Py_ssize_t i
    if octets == 1:
        for i in range(begin, end):
            (<uint8_t*>out)[i] = base[at[i]]
    elif octets == 2:
        for i in range(begin, end):
            (<uint16_t*>out)[i] = <uint16_t>be16(base + at[i])
    elif octets == 4:
        for i in range(begin, end):
            (<uint32_t*>out)[i] = <uint32_t>be32(base + at[i])
    elif octets == 8:
        for i in range(begin, end):
            (<uint64_t*>out)[i] = be64(base + at[i])
    else:
        for i in range(begin, end):
            (<uint64_t*>out)[i] = odd(base + at[i], octets)


def read(const uint64_t[::1] out, const uint8_t[::1] flat, const int64_t[::1] at, const int64_t[::1] offset, const int32_t[::1] octets):
    """Columns of big-endian numbers: column j is `octets[j]` octets `offset[j]` behind each of `at`, and goes to the array whose memory is at `out[j]`.

    The caller has seen to it that all octets are there, and made each array of `at`'s length and of as many octets a number, 8 where there is no such type.
    """
    cdef Py_ssize_t j, begin = 0, end, n = at.shape[0]
    if n == 0:
        return
    cdef const uint8_t* base = &flat[0]
    with nogil:
        while begin < n:
            end = begin + CHUNK if n - begin > CHUNK else n
            for j in range(out.shape[0]):
                column(out[j], base + offset[j], &at[0], octets[j], begin, end)
            begin = end
