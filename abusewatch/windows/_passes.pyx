# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False, binding=True
"""What is done to every row in one pass, where numpy makes five to twenty: the twins of `order.mix`, `panes.greatest_before`, `pairs.key_of` and
`pairs.reduced`, `levels.Levels.follows` and `marks.Marks`, to which they are held by tests on every value.

Arrays are made by the caller and have the lengths he says; nothing here raises, allocates or holds the interpreter while it works.
"""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

LEVEL = 6

cdef enum:
    ICMP = 1
    ICMP6 = 58
    WAYS = 4
    SET_SHIFT = 44
    TAG_SHIFT = 33

cdef uint64_t GOLDEN = 0x9E3779B97F4A7C15ULL
cdef uint64_t STIR = 0xBF58476D1CE4E5B9ULL
cdef uint64_t PEER = 0xD6E8FEB86659FD93ULL
cdef uint64_t TAG = 0x7FFFFFFFULL
cdef uint64_t SLOW = 0x100000000ULL
cdef uint64_t UNTIL = 0xFFFFFFFFULL

ctypedef fused integer:
    uint8_t
    uint16_t
    uint32_t
    uint64_t
    int32_t
    int64_t


cdef inline uint64_t stirred(uint64_t state, uint64_t value) noexcept nogil:
    state = (state ^ value) * GOLDEN
    state = (state ^ (state >> 29)) * STIR
    return state ^ (state >> 32)


def absorb(uint64_t[::1] state, const integer[:] column):
    """One round of `order.mix` in place."""
    cdef Py_ssize_t i, n = state.shape[0]
    with nogil:
        for i in range(n):
            state[i] = stirred(state[i], <uint64_t>column[i])


def absorb_at(uint64_t[::1] state, const integer[:] column, const int64_t[:] at):
    """The same of some rows of the column."""
    cdef Py_ssize_t i, n = state.shape[0]
    with nogil:
        for i in range(n):
            state[i] = stirred(state[i], <uint64_t>column[at[i]])


def greatest_before(int64_t[::1] out, const int64_t[:] values):
    """The greatest of those before each value, and last that of all; `out` has one more place, of which the first is set."""
    cdef Py_ssize_t i, n = values.shape[0]
    cdef int64_t greatest = out[0]
    with nogil:
        for i in range(n):
            if values[i] > greatest:
                greatest = values[i]
            out[i + 1] = greatest


def keys(
    uint64_t[::1] out, const uint64_t[:] own_hi, const uint64_t[:] own_lo, const uint64_t[:] peer_hi, const uint64_t[:] peer_lo,
    const uint16_t[:] own_port, const uint16_t[:] peer_port, const uint8_t[:] protocol,
):
    """The key of the conversation of each row; ICMP has no ports."""
    cdef Py_ssize_t i, n = out.shape[0]
    cdef uint64_t state, ports
    with nogil:
        for i in range(n):
            ports = protocol[i]
            if ports != ICMP and ports != ICMP6:
                ports |= <uint64_t>own_port[i] << 24 | <uint64_t>peer_port[i] << 8
            state = (own_hi[i] * GOLDEN ^ own_lo[i]) * GOLDEN
            state = (state ^ (state >> 29) ^ (peer_hi[i] * PEER ^ peer_lo[i])) * STIR
            state = (state ^ (state >> 32)) * GOLDEN
            state = (state ^ (state >> 29) ^ ports) * STIR
            out[i] = state ^ (state >> 32)


def follows(uint8_t[::1] out, const uint8_t[::1] level, const int32_t[:] slot, const uint64_t[:] key):
    """Whether the hash of a conversation lies in the part of the space that its slot's level leaves."""
    cdef Py_ssize_t i, n = out.shape[0]
    cdef int k
    with nogil:
        for i in range(n):
            k = level[slot[i]]
            out[i] = key[i] < ((<uint64_t>1) << (64 - k) if k else UINT64_MAX)


cdef extern from "<stdint.h>":
    uint64_t UINT64_MAX


def sides(
    const int64_t[::1] order, const int64_t[::1] whole, const uint8_t[:] outbound, const uint64_t[:] packets, const uint64_t[:] octets,
    const int64_t[:] start, const int64_t[:] end, const uint16_t[:] flags,
    uint64_t[::1] packets_out, uint64_t[::1] packets_in, uint64_t[::1] bytes_out, uint64_t[::1] bytes_in,
    int64_t[::1] first_out, int64_t[::1] first_in, uint16_t[::1] flags_out, uint16_t[::1] flags_in, int64_t[::1] last,
):
    """Sums, first times, flags and the last time of each conversation: rows in `order`, of which conversation j begins at `whole[j]`. Outputs begin idle."""
    cdef Py_ssize_t j, i, to, row, n = whole.shape[0], rows = order.shape[0]
    with nogil:
        for j in range(n):
            to = whole[j + 1] if j + 1 < n else rows
            last[j] = end[order[whole[j]]]
            for i in range(whole[j], to):
                row = order[i]
                if end[row] > last[j]:
                    last[j] = end[row]
                if outbound[row]:
                    packets_out[j] += packets[row]
                    bytes_out[j] += octets[row]
                    flags_out[j] |= flags[row]
                    if start[row] < first_out[j]:
                        first_out[j] = start[row]
                else:
                    packets_in[j] += packets[row]
                    bytes_in[j] += octets[row]
                    flags_in[j] |= flags[row]
                    if start[row] < first_in[j]:
                        first_in[j] = start[row]


cdef inline uint64_t seconds(int64_t us) noexcept nogil:
    return <uint64_t>(us // 1000000) if us > 0 else 0


def known(uint8_t[::1] out, uint64_t[:, ::1] sets, const uint64_t[:] key, const int64_t[:] last_us, uint64_t brief_secs, uint64_t slow_secs):
    """Which keys have a mark that was alive when they were last seen; it is prolonged."""
    cdef Py_ssize_t i, n = out.shape[0]
    cdef int way
    cdef uint64_t mark, last, until
    cdef uint64_t* ways
    with nogil:
        for i in range(n):
            ways = &sets[key[i] >> SET_SHIFT, 0]
            last = seconds(last_us[i])
            out[i] = 0
            for way in range(WAYS):
                mark = ways[way]
                if mark and mark >> TAG_SHIFT == key[i] & TAG and mark & UNTIL >= last:
                    until = last + (slow_secs if mark & SLOW else brief_secs)
                    if until > mark & UNTIL:
                        ways[way] = (mark & ~UNTIL) | until
                    out[i] = 1
                    break


def remember(
    uint64_t[:, ::1] sets, const uint64_t[:] key, const uint8_t[:] slow, const int64_t[:] last_us, uint64_t now, uint64_t brief_secs, uint64_t slow_secs
):
    """Set a mark for each key where the one that ends first stood; give how many of those had not ended at second `now`."""
    cdef Py_ssize_t i, n = key.shape[0]
    cdef int left, right, place
    cdef uint64_t* ways
    cdef int64_t shed = 0
    with nogil:
        for i in range(n):
            ways = &sets[key[i] >> SET_SHIFT, 0]
            left = 1 if ways[1] & UNTIL < ways[0] & UNTIL else 0
            right = 3 if ways[3] & UNTIL < ways[2] & UNTIL else 2
            place = right if ways[right] & UNTIL < ways[left] & UNTIL else left
            shed += ways[place] & UNTIL > now
            ways[place] = (key[i] & TAG) << TAG_SHIFT | (SLOW if slow[i] else 0) | (seconds(last_us[i]) + (slow_secs if slow[i] else brief_secs))
    return shed
