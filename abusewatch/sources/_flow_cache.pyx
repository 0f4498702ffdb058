# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False, binding=True
"""The flow cache compiled: the twin of `flow_cache.Grouped`, to which it is held by tests on every column.

A table of open flows in the order of their first packets, found by open addressing over an index of row numbers. The hash is seeded anew in each
process, so that nobody can send packets that fall on one place; it decides nothing that is seen.
"""

import os

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc, realloc
from libc.string cimport memmove, memset

LEVEL = 6

include "abusewatch/wire/_headers.pxi"

cdef extern from *:
    """
    #if defined(__GNUC__)
    #define aw_prefetch(p) __builtin_prefetch(p)
    #else
    #define aw_prefetch(p) ((void)(p))
    #endif
    """
    void aw_prefetch(void* p) noexcept nogil

cdef enum:
    AHEAD = 32  # packets whose flows are asked of the memory before the first of them is counted: the table is larger than a processor's cache
    SYN = 2
    ACK = 16

cdef struct Flow:
    uint64_t src_hi, src_lo, dst_hi, dst_lo, rest
    int64_t pane, start, end, frame, frame_last
    uint64_t packets, octets
    uint32_t place
    uint8_t flags


cdef inline uint64_t kind_of(uint8_t flags) noexcept nogil:
    if flags & SYN == 0:
        return 0
    if flags & ACK == 0:
        return 1
    return 2 if flags == (SYN | ACK) else 3

cdef inline int64_t floored(int64_t a, int64_t b) noexcept nogil:
    cdef int64_t q = a // b
    return q - 1 if a % b < 0 else q


cdef class Cache:
    """Flows of packets that came in `add`. What is no longer open waits to be taken by `give`."""

    cdef Flow* flows
    cdef uint32_t* index
    cdef int64_t count, done, room, limit, back
    cdef int64_t pane_us, newest
    cdef uint64_t mask, seed
    cdef bint begun

    def __cinit__(self, int64_t pane_us, int64_t back, int64_t limit):
        cdef uint64_t slots = 1
        while slots < 2 * <uint64_t>limit:
            slots *= 2
        self.pane_us, self.back, self.limit = pane_us, back, limit
        self.mask = slots - 1
        self.seed = int.from_bytes(os.urandom(8), "little")
        self.room = 1024
        self.flows = <Flow*>malloc(self.room * sizeof(Flow))
        self.index = <uint32_t*>malloc(slots * sizeof(uint32_t))
        if self.flows == NULL or self.index == NULL:
            raise MemoryError
        memset(self.index, 0, slots * sizeof(uint32_t))

    def __dealloc__(self):
        free(self.flows)
        free(self.index)

    cdef void _flush(self) noexcept nogil:
        """What is open is done."""
        cdef int64_t i, opened = self.count - self.done
        if opened * 16 > <int64_t>self.mask:
            memset(self.index, 0, (self.mask + 1) * sizeof(uint32_t))
        else:
            for i in range(self.done, self.count):
                self.index[self.flows[i].place] = 0
        self.done = self.count

    cdef inline uint64_t _place(
        self, int64_t pane, uint64_t src_hi, uint64_t src_lo, uint64_t dst_hi, uint64_t dst_lo, uint64_t rest
    ) noexcept nogil:
        """Where in the index the flow of this key is looked for first."""
        cdef uint64_t h = self.seed
        h = (h ^ src_lo) * <uint64_t>0x9E3779B97F4A7C15
        h ^= h >> 32
        h = (h ^ dst_lo) * <uint64_t>0xBF58476D1CE4E5B9
        h ^= h >> 29
        h = (h ^ rest ^ (src_hi * <uint64_t>0xD6E8FEB86659FD93)) * <uint64_t>0x94D049BB133111EB
        h ^= h >> 32
        h = (h ^ dst_hi ^ <uint64_t>pane) * <uint64_t>0x9E3779B97F4A7C15
        return h >> 20 & self.mask

    cdef inline Flow* _find(
        self, uint64_t at, int64_t pane, uint64_t src_hi, uint64_t src_lo, uint64_t dst_hi, uint64_t dst_lo, uint64_t rest
    ) noexcept nogil:
        """The open flow of this key, begun if there is none; NULL when memory has run out."""
        cdef uint64_t first = at
        cdef Flow* f
        cdef uint32_t number
        while True:
            number = self.index[at]
            if number == 0:
                break
            f = &self.flows[self.done + number - 1]
            if (f.src_lo == src_lo and f.dst_lo == dst_lo and f.rest == rest and f.pane == pane and f.src_hi == src_hi and f.dst_hi == dst_hi):
                return f
            at = (at + 1) & self.mask
        if self.count - self.done == self.limit:
            self._flush()
            return self._find(first, pane, src_hi, src_lo, dst_hi, dst_lo, rest)
        if self.count == self.room:
            f = <Flow*>realloc(self.flows, 2 * self.room * sizeof(Flow))
            if f == NULL:
                return NULL
            self.flows = f
            self.room *= 2
        f = &self.flows[self.count]
        self.count += 1
        self.index[at] = <uint32_t>(self.count - self.done)
        f.src_hi, f.src_lo, f.dst_hi, f.dst_lo, f.rest, f.pane = src_hi, src_lo, dst_hi, dst_lo, rest, pane
        f.packets = f.octets = 0
        f.flags = 0
        f.place = <uint32_t>at
        return f

    cdef inline void _turn(self, int64_t pane) noexcept nogil:
        """A packet of this pane comes; a later one, or one too far back, ends what is open."""
        if not self.begun:
            self.begun = True
            self.newest = pane
        elif pane > self.newest or self.newest - pane > self.back:
            self._flush()
            self.newest = pane

    cdef inline void _count(self, Flow* f, int64_t t, int64_t number, uint64_t octets, uint8_t flags) noexcept nogil:
        if f.packets == 0:
            f.start = f.end = t
            f.frame = f.frame_last = number
        elif t > f.end:
            f.end = t
        elif t < f.start:
            f.start = t
        if number > f.frame_last:
            f.frame_last = number
        f.packets += 1
        f.octets += octets
        f.flags |= flags

    def read(
        self, const uint8_t[::1] buffer, const int64_t[::1] offset, const int64_t[::1] captured, const int64_t[::1] original, const int64_t[::1] time_us,
        const int64_t[::1] number, int linktype, int64_t[::1] reasons,
    ):
        """Read frames and count their packets in one pass, without columns between; adds to `reasons` why packets are not whole.

        The caller sees to it that every frame ends MARGIN bytes before the buffer does. Returns how many flows are done.
        """
        cdef Bytes b = &buffer[0]
        cdef int64_t n = offset.shape[0], i, j, m, base = 0, t, end, pane = 0, low = 0, high = -1
        cdef bint failed = False
        cdef Row[AHEAD] rows
        cdef uint64_t[AHEAD] places, rest
        cdef int64_t[AHEAD] panes
        cdef uint32_t waiting
        cdef Row* r
        cdef Flow* f
        with nogil:
            while base < n and not failed:
                m = n - base if n - base < AHEAD else AHEAD
                for j in range(m):
                    i = base + j
                    r = &rows[j]
                    end = offset[i] + captured[i]
                    packet(b, offset[i], end, offset[i] + original[i] if original[i] > captured[i] else end, linktype, r)
                    reasons[r.reason] += 1
                    if r.is_ip:
                        t = time_us[i]
                        if t < low or t >= high:
                            pane = floored(t, self.pane_us)
                            low = pane * self.pane_us
                            high = low + self.pane_us
                        panes[j] = pane
                        rest[j] = <uint64_t>r.src_port << 32 | <uint64_t>r.dst_port << 16 | <uint64_t>r.protocol << 8 | kind_of(r.flags)
                        places[j] = self._place(pane, r.src_hi, r.src_lo, r.dst_hi, r.dst_lo, rest[j])
                        aw_prefetch(&self.index[places[j]])
                for j in range(m):
                    if rows[j].is_ip:
                        waiting = self.index[places[j]]
                        if waiting:
                            f = &self.flows[self.done + waiting - 1]
                            aw_prefetch(f)
                            aw_prefetch(<char*>f + 64)
                for j in range(m):
                    r = &rows[j]
                    if not r.is_ip:
                        continue
                    if panes[j] != self.newest or not self.begun:
                        self._turn(panes[j])
                    f = self._find(places[j], panes[j], r.src_hi, r.src_lo, r.dst_hi, r.dst_lo, rest[j])
                    if f == NULL:
                        failed = True
                        break
                    self._count(f, time_us[base + j], number[base + j], r.octets, r.flags)
                base += m
        if failed:
            raise MemoryError
        return self.done

    def add(
        self, const int64_t[::1] time_us, const uint64_t[::1] src_hi, const uint64_t[::1] src_lo, const uint64_t[::1] dst_hi, const uint64_t[::1] dst_lo,
        const uint16_t[::1] src_port, const uint16_t[::1] dst_port, const uint8_t[::1] protocol, const uint8_t[::1] flags, const uint64_t[::1] octets,
        const int64_t[::1] frame,
    ):
        """Count the packets; returns how many flows are done."""
        cdef int64_t n = time_us.shape[0], i, pane = 0, t
        cdef uint64_t key, at
        cdef int64_t low = 0, high = -1
        cdef Flow* f
        cdef bint failed = False
        with nogil:
            for i in range(n):
                t = time_us[i]
                if t < low or t >= high:  # else it is in the pane of the packet before
                    pane = floored(t, self.pane_us)
                    low = pane * self.pane_us
                    high = low + self.pane_us
                if pane != self.newest or not self.begun:
                    self._turn(pane)
                key = <uint64_t>src_port[i] << 32 | <uint64_t>dst_port[i] << 16 | <uint64_t>protocol[i] << 8 | kind_of(flags[i])
                at = self._place(pane, src_hi[i], src_lo[i], dst_hi[i], dst_lo[i], key)
                f = self._find(at, pane, src_hi[i], src_lo[i], dst_hi[i], dst_lo[i], key)
                if f == NULL:
                    failed = True
                    break
                self._count(f, t, frame[i], octets[i], flags[i])
        if failed:
            raise MemoryError
        return self.done

    def flush(self):
        """End every flow; returns how many are done."""
        self._flush()
        self.begun = False
        return self.done

    @property
    def open(self):
        """How many flows are open."""
        return self.count - self.done

    def give(
        self, int64_t[::1] start_us, int64_t[::1] end_us, uint64_t[::1] src_hi, uint64_t[::1] src_lo, uint64_t[::1] dst_hi, uint64_t[::1] dst_lo,
        uint16_t[::1] src_port, uint16_t[::1] dst_port, uint8_t[::1] protocol, uint8_t[::1] flags, uint64_t[::1] packets, uint64_t[::1] octets,
        int64_t[::1] frame, int64_t[::1] frame_last,
    ):
        """Write the flows that are done into columns of that length and forget them."""
        cdef int64_t i, n = start_us.shape[0]
        cdef Flow* f
        if n != self.done:
            raise ValueError("as many rows as are done")
        with nogil:
            for i in range(n):
                f = &self.flows[i]
                start_us[i], end_us[i] = f.start, f.end
                src_hi[i], src_lo[i], dst_hi[i], dst_lo[i] = f.src_hi, f.src_lo, f.dst_hi, f.dst_lo
                src_port[i], dst_port[i] = <uint16_t>(f.rest >> 32), <uint16_t>(f.rest >> 16)
                protocol[i], flags[i] = <uint8_t>(f.rest >> 8), f.flags
                packets[i], octets[i] = f.packets, f.octets
                frame[i], frame_last[i] = f.frame, f.frame_last
            memmove(self.flows, self.flows + self.done, (self.count - self.done) * sizeof(Flow))
            self.count -= self.done
            self.done = 0
