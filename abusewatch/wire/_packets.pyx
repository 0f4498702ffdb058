# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False, binding=True
"""Captures and packets in one pass: the twin of `pcap._walk`, `pcapng._Walk` and `packet.parse`, to which it is held by tests on every column.

It reads what they read, in their order, also where a frame is cut, and writes into columns made by the caller. Nothing here raises: what is not whole
has a reason, and a block or record that is not in order is left where it is, for the twin to say what is wrong with it.
"""

import sys

from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t

LEVEL = 1

ctypedef const uint8_t* Bytes

cdef enum:
    OK = 0
    LINK_TYPE = 1
    NOT_IP_ROW = 2
    TOO_MANY_SHIMS = 3
    CUT = 4
    MALFORMED = 5
    TRANSPORT_CUT = 6
    TOO_MANY_HEADERS = 7

cdef enum:
    IPV4 = 0x0800
    IPV6 = 0x86DD
    NOT_IP = 0
    PPPOE_SESSION = 0x8864
    MAX_SHIMS = 8
    MAX_EXTENSIONS = 8

cdef enum:
    ENHANCED_PACKET = 6
    SIMPLE_PACKET = 3
    OLD_PACKET = 2
    INTERFACE = 1
    SECTION = 0x0A0D0D0A
    BLOCK_LIMIT = 16 << 20
    CAPTURED_LIMIT = 262144

cdef uint64_t MAPPED = 0xFFFF00000000


cdef inline uint16_t be16(Bytes p) noexcept nogil:
    return <uint16_t>(p[0] << 8 | p[1])

cdef inline uint32_t be32(Bytes p) noexcept nogil:
    return <uint32_t>p[0] << 24 | <uint32_t>p[1] << 16 | <uint32_t>p[2] << 8 | p[3]

cdef inline uint64_t be64(Bytes p) noexcept nogil:
    return <uint64_t>be32(p) << 32 | be32(p + 4)

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


# -- from the first byte of a frame to its IP header ------------------------------------------------------------------------------------------------

cdef struct Step:
    int64_t at
    uint16_t kind


cdef inline uint16_t ppp(uint16_t protocol) noexcept nogil:
    if protocol == 0x0021:
        return IPV4
    if protocol == 0x0057:
        return IPV6
    if protocol == 0x0281:
        return 0x8847
    if protocol == 0x0283:
        return 0x8848
    return NOT_IP

cdef inline Step by_nibble(Bytes b, int64_t at) noexcept nogil:
    cdef Step s
    cdef uint8_t version = b[at] >> 4
    s.at = at
    s.kind = IPV4 if version == 4 else IPV6 if version == 6 else NOT_IP
    return s

cdef inline Step ethernet(Bytes b, int64_t at) noexcept nogil:
    cdef Step s
    s.kind = be16(b + at + 12)
    s.at = at + 14
    if s.kind < 0x600:
        if be16(b + s.at) == 0xAAAA and be16(b + s.at + 2) == 0x0300 and be16(b + s.at + 4) == 0:
            s.kind = be16(b + s.at + 6)
            s.at += 8
        else:
            s.kind = NOT_IP
    return s

cdef inline Step null(Bytes b, int64_t at) noexcept nogil:
    cdef Step s
    cdef uint32_t rest = be16(b + at + 2)
    cdef uint32_t little = <uint32_t>b[at] | <uint32_t>b[at + 1] << 8 | rest
    cdef uint32_t big = <uint32_t>be16(b + at) | rest
    cdef uint32_t family = little if little < big else big
    s.at = at + 4
    if family == 2:
        s.kind = IPV4
    elif family == 10 or family == 23 or family == 24 or family == 28 or family == 30:
        s.kind = IPV6
    else:
        s.kind = NOT_IP
    return s

cdef inline Step ppp_protocol(Bytes b, int64_t at) noexcept nogil:
    cdef Step s
    cdef bint short = b[at] & 1
    s.kind = ppp(b[at] if short else be16(b + at))
    s.at = at + (1 if short else 2)
    return s

cdef inline Step ppp_frame(Bytes b, int64_t at) noexcept nogil:
    return ppp_protocol(b, at + 2 if be16(b + at) == 0xFF03 else at)

cdef inline Step cisco_hdlc(Bytes b, int64_t at) noexcept nogil:
    cdef Step s
    s.at = at + 4
    s.kind = be16(b + at + 2)
    return s

cdef inline Step pppoe(Bytes b, int64_t at) noexcept nogil:
    cdef Step s = ppp_protocol(b, at + 6)
    if b[at + 1] != 0:
        s.kind = NOT_IP
    return s

cdef inline Step link(Bytes b, int64_t at, int kind) noexcept nogil:
    cdef Step s
    if kind == 1:
        return ethernet(b, at)
    if kind == 101 or kind == 12 or kind == 14 or kind == 228 or kind == 229:
        return by_nibble(b, at)
    if kind == 113:
        s.at = at + 16
        s.kind = be16(b + at + 14)
        return s
    if kind == 276:
        s.at = at + 20
        s.kind = be16(b + at)
        return s
    if kind == 0 or kind == 108:
        return null(b, at)
    if kind == 9:
        return ppp_frame(b, at)
    if kind == 51:
        return pppoe(b, at)
    if kind == 104:
        return cisco_hdlc(b, at)
    return cisco_hdlc(b, at) if b[at] == 0x0F or b[at] == 0x8F else ppp_frame(b, at)  # 50

LINKS = frozenset((0, 1, 9, 12, 14, 50, 51, 101, 104, 108, 113, 228, 229, 276))

cdef inline bint is_shim(uint16_t kind) noexcept nogil:
    return (
        kind == 0x8100 or kind == 0x88A8 or kind == 0x9100 or kind == 0x9200 or kind == 0x8847 or kind == 0x8848 or kind == PPPOE_SESSION
    )

cdef inline Step shim(Bytes b, int64_t at, uint16_t kind) noexcept nogil:
    cdef Step s
    if kind == PPPOE_SESSION:
        return pppoe(b, at)
    if kind == 0x8847 or kind == 0x8848:
        s = by_nibble(b, at + 4)
        if not b[at + 2] & 1:
            s.kind = kind
        return s
    s.at = at + 4
    s.kind = be16(b + at + 2)
    return s


# -- IP and what it carries ---------------------------------------------------------------------------------------------------------------------------

cdef struct Row:
    uint64_t src_hi, src_lo, dst_hi, dst_lo
    uint16_t src_port, dst_port
    uint8_t protocol, flags
    uint32_t octets
    bint is_ip
    uint8_t reason
    uint16_t kind


cdef inline bint is_extension(uint8_t protocol) noexcept nogil:
    return (
        protocol == 0 or protocol == 43 or protocol == 44 or protocol == 51 or protocol == 60 or protocol == 135 or protocol == 139 or protocol == 140
    )

cdef inline void transport(Bytes b, int64_t at, int64_t stop, Row* r) noexcept nogil:
    cdef int64_t room
    cdef uint8_t protocol = r.protocol
    if at > stop:
        at = stop
    room = stop - at
    if protocol == 6 or protocol == 17 or protocol == 132 or protocol == 136 or protocol == 33:
        if room >= 4:
            r.src_port = be16(b + at)
            r.dst_port = be16(b + at + 2)
        if protocol == 6:
            if room >= 14:
                r.flags = b[at + 13]
            else:
                r.reason = TRANSPORT_CUT
        elif room < 4:
            r.reason = TRANSPORT_CUT
    elif protocol == 1 or protocol == 58:
        if room >= 2:
            r.dst_port = be16(b + at)
        else:
            r.reason = TRANSPORT_CUT

cdef inline void ipv4(Bytes b, int64_t at, int64_t end, int64_t wire_end, Row* r) noexcept nogil:
    cdef int64_t header, total, stop
    if at + 20 > end:
        r.reason = CUT
        return
    header = (b[at] & 15) * 4
    total = be16(b + at + 2)
    if total == 0:
        total = wire_end - at
    if b[at] >> 4 != 4 or header < 20 or total < header:
        r.reason = MALFORMED
        return
    r.is_ip = True
    r.src_lo = MAPPED | be32(b + at + 12)
    r.dst_lo = MAPPED | be32(b + at + 16)
    r.protocol = b[at + 9]
    r.octets = <uint32_t>total
    if be16(b + at + 6) & 0x1FFF == 0:
        stop = at + total
        transport(b, at + header, stop if stop < end else end, r)

cdef inline void ipv6(Bytes b, int64_t at, int64_t end, int64_t wire_end, Row* r) noexcept nogil:
    cdef int64_t total, stop, place, step
    cdef uint8_t protocol, kind, size
    cdef int rounds = 0
    cdef bint later
    if at + 40 > end:
        r.reason = CUT
        return
    if b[at] >> 4 != 6:
        r.reason = MALFORMED
        return
    total = be16(b + at + 4) + 40
    protocol = b[at + 6]
    if total == 40 and protocol != 59 and wire_end - at > 40:
        total = wire_end - at
    r.is_ip = True
    r.src_hi = be64(b + at + 8)
    r.src_lo = be64(b + at + 16)
    r.dst_hi = be64(b + at + 24)
    r.dst_lo = be64(b + at + 32)
    r.octets = <uint32_t>total
    stop = at + total
    if stop > end:
        stop = end
    place = at + 40
    while is_extension(protocol):
        if rounds == MAX_EXTENSIONS:
            r.protocol = protocol
            r.reason = TOO_MANY_HEADERS
            return
        rounds += 1
        if place + 8 > stop:
            r.protocol = protocol
            r.reason = TRANSPORT_CUT
            return
        kind = protocol
        size = b[place + 1]
        step = 8 if kind == 44 else (size + 2) * 4 if kind == 51 else (size + 1) * 8
        later = kind == 44 and be16(b + place + 2) & 0xFFF8 != 0
        protocol = b[place]
        place += step
        if place > stop:
            place = stop
        if later:
            r.protocol = protocol
            return
    r.protocol = protocol
    transport(b, place, stop, r)

cdef inline void packet(Bytes b, int64_t offset, int64_t end, int64_t wire_end, int linktype, Row* r) noexcept nogil:
    cdef Step s = link(b, offset, linktype)
    cdef int rounds = 0
    r.src_hi = r.src_lo = r.dst_hi = r.dst_lo = 0
    r.src_port = r.dst_port = 0
    r.protocol = r.flags = 0
    r.octets = 0
    r.is_ip = False
    r.reason = OK
    r.kind = NOT_IP
    if s.at > end:
        r.reason = CUT
        return
    while s.kind != IPV4 and rounds < MAX_SHIMS and is_shim(s.kind):
        rounds += 1
        s = shim(b, s.at, s.kind)
        if s.at > end:
            r.reason = CUT
            return
    r.kind = s.kind
    if s.kind == IPV4:
        ipv4(b, s.at, end, wire_end, r)
    elif s.kind == IPV6:
        ipv6(b, s.at, end, wire_end, r)
    else:
        r.reason = TOO_MANY_SHIMS if is_shim(s.kind) else NOT_IP_ROW


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
