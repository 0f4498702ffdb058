# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False, binding=True
"""Captures and packets in one pass: the twin of `pcap._walk`, `pcapng._Walk` and `packet.parse`, to which it is held by tests on every column.

It reads what they read, in their order, also where a frame is cut, and writes into columns made by the caller. Nothing here raises: what is not whole
has a reason, and a block or record that is not in order is left where it is, for the twin to say what is wrong with it.
"""

import sys

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

LEVEL = 6

include "abusewatch/wire/_headers.pxi"

LINKS = frozenset((0, 1, 9, 12, 14, 50, 51, 101, 104, 108, 113, 228, 229, 276))

cdef enum:
    ENHANCED_PACKET = 6
    SIMPLE_PACKET = 3
    OLD_PACKET = 2
    INTERFACE = 1
    SECTION = 0x0A0D0D0A
    BLOCK_LIMIT = 16 << 20
    CAPTURED_LIMIT = 262144


cdef inline uint32_t le32(Bytes p) noexcept nogil:
    return <uint32_t>p[3] << 24 | <uint32_t>p[2] << 16 | <uint32_t>p[1] << 8 | p[0]

cdef bint LITTLE = sys.byteorder == "little"

cdef inline uint32_t native(Bytes p) noexcept nogil:
    return le32(p) if LITTLE else be32(p)

cdef inline uint32_t word(Bytes p, bint big) noexcept nogil:
    return be32(p) if big else le32(p)


# -- from record to record ------------------------------------------------------------------------------------------------------------------------

def pcap(const uint8_t[::1] data, int64_t position, int64_t end, bint big, int64_t per_us, int64_t header, int64_t[:, ::1] out):
    """Walk over the whole records of a classic capture, at most one a column of `out`; its rows: offset, captured, original, time_us.

    Returns how many there are, and where the first lies that is not among them: cut, too long, or one more than there is room for.
    """
    cdef Bytes b = &data[0]
    cdef Bytes p
    cdef int64_t room = out.shape[1], n = 0, captured, original, fraction
    with nogil:
        while n < room and position + header <= end:
            p = b + position
            captured = word(p + 8, big)
            if captured > CAPTURED_LIMIT or position + header + captured > end:
                break
            original = word(p + 12, big)
            fraction = word(p + 4, big)
            if per_us != 1:
                fraction = fraction // per_us
            out[0, n] = position + header
            out[1, n] = captured
            out[2, n] = original if original > captured else captured
            out[3, n] = <int64_t>word(p, big) * 1000000 + fraction
            position += header + captured
            n += 1
    return n, position


def pcapng(
    const uint8_t[::1] data, int64_t position, int64_t end, bint big, int64_t interfaces, int64_t[:, ::1] out, uint64_t[::1] stamp
):
    """Walk over enhanced packet blocks that are in order, and over blocks of no interest between them; the rows of `out`: offset, captured, original, interface.

    Returns how many packets there are, and where the first block lies that is for the twin.
    """
    cdef Bytes b = &data[0]
    cdef Bytes p
    cdef int64_t room = out.shape[1], n = 0, length, captured, original, interface
    cdef uint32_t kind
    with nogil:
        while n < room and position + 12 <= end:
            p = b + position
            kind = word(p, big)
            length = word(p + 4, big)
            if length < 12 or length & 3 or length > BLOCK_LIMIT or position + length > end:
                break
            if kind == SECTION or kind == INTERFACE or kind == OLD_PACKET or kind == SIMPLE_PACKET:
                break
            if kind == ENHANCED_PACKET:
                if length < 32:
                    break
                interface = word(p + 8, big)
                captured = word(p + 20, big)
                original = word(p + 24, big)
                if interface >= interfaces or captured > CAPTURED_LIMIT or 32 + captured > length or word(p + length - 4, big) != length:
                    break
                out[0, n] = position + 28
                out[1, n] = captured
                out[2, n] = original if original > captured else captured
                out[3, n] = interface
                stamp[n] = <uint64_t>word(p + 12, big) << 32 | word(p + 16, big)
                n += 1
            position += length
    return n, position


def block(const uint8_t[::1] data, int64_t position, int64_t frames, int64_t[:, ::1] out):
    """Walk over the frames of a block that the kernel has filled (TPACKET_V3); the rows of `out`: offset, captured, original, time_us.

    Its numbers are in the order of the machine. Returns how many frames there are, fewer than `frames` when one would lie outside.
    """
    cdef Bytes b = &data[0]
    cdef Bytes p
    cdef int64_t size = data.shape[0], n = 0, mac, captured
    if out.shape[1] < frames:
        raise ValueError("no room for the frames")
    with nogil:
        while n < frames and position + 48 <= size:
            p = b + position
            captured = native(p + 12)
            mac = p[24] | p[25] << 8 if LITTLE else be16(p + 24)
            if position + mac + captured > size:
                break
            out[0, n] = position + mac
            out[1, n] = captured
            out[2, n] = native(p + 16)
            out[3, n] = <int64_t>native(p + 4) * 1000000 + native(p + 8) // 1000
            n += 1
            position += native(p)
    return n


# -- from packets to columns ---------------------------------------------------------------------------------------------------------------------

def parse(
    const uint8_t[::1] buffer, const int64_t[::1] offset, const int64_t[::1] captured, const int64_t[::1] original, int linktype,
    uint64_t[::1] src_hi, uint64_t[::1] src_lo, uint64_t[::1] dst_hi, uint64_t[::1] dst_lo, uint16_t[::1] src_port, uint16_t[::1] dst_port,
    uint8_t[::1] protocol, uint8_t[::1] flags, uint32_t[::1] octets, uint8_t[::1] is_ip, uint8_t[::1] reason,
):
    """Read the headers of packets into the columns of `packet.Headers`. `original` without rows: the captured length stands in.

    The caller sees to it that every frame ends MARGIN bytes before the buffer does. Returns whether IPv4 occurs, and IPv6.
    """
    cdef Bytes b = &buffer[0]
    cdef int64_t n = offset.shape[0], i, end, wire_end
    cdef bint whole = original.shape[0] == n, any4 = False, any6 = False
    cdef Row r
    with nogil:
        for i in range(n):
            end = offset[i] + captured[i]
            wire_end = offset[i] + original[i] if whole and original[i] > captured[i] else end
            packet(b, offset[i], end, wire_end, linktype, &r)
            any4 |= r.kind == IPV4
            any6 |= r.kind == IPV6
            src_hi[i] = r.src_hi
            src_lo[i] = r.src_lo
            dst_hi[i] = r.dst_hi
            dst_lo[i] = r.dst_lo
            src_port[i] = r.src_port
            dst_port[i] = r.dst_port
            protocol[i] = r.protocol
            flags[i] = r.flags
            octets[i] = r.octets
            is_ip[i] = r.is_ip
            reason[i] = r.reason
    return any4, any6
