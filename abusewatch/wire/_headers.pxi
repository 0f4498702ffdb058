# One packet to its header fields: what `_packets.pyx` writes into columns and `sources/_flow_cache.pyx` counts at once. The twin is `packet.parse`.

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

cdef uint64_t MAPPED = 0xFFFF00000000


cdef inline uint16_t be16(Bytes p) noexcept nogil:
    return <uint16_t>(p[0] << 8 | p[1])

cdef inline uint32_t be32(Bytes p) noexcept nogil:
    return <uint32_t>p[0] << 24 | <uint32_t>p[1] << 16 | <uint32_t>p[2] << 8 | p[3]

cdef inline uint64_t be64(Bytes p) noexcept nogil:
    return <uint64_t>be32(p) << 32 | be32(p + 4)


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
