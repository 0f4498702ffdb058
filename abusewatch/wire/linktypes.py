"""From the first byte of a frame to the first byte of its IP header, by link type, for many frames at once.

Each link type (https://www.tcpdump.org/linktypes.html) is one entry of LINK_TYPES. The shims that may lie between
(802.1Q, QinQ, PPPoE, MPLS) are then stepped over, one a round.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from abusewatch.model.flow import I64, U8, Bool
from abusewatch.wire.gather import be16

U16 = NDArray[np.uint16]

MAX_SHIMS = 8
"""Tags and labels in a row; four 802.1Q tags under three MPLS labels is more than a provider's edge stacks."""

IPV4, IPV6 = 0x0800, 0x86DD
NOT_IP = 0
VLAN = (0x8100, 0x88A8, 0x9100, 0x9200)  # 802.1Q, 802.1ad, and the two pre-standard QinQ types still in the field
MPLS = (0x8847, 0x8848)
PPPOE_SESSION = 0x8864
PPP_PROTOCOLS = {0x0021: IPV4, 0x0057: IPV6, 0x0281: 0x8847, 0x0283: 0x8848}  # RFC 1332, RFC 5072, RFC 3032 section 4.3
SHIMS = (*VLAN, *MPLS, PPPOE_SESSION)

Step = tuple[I64, U16]
"""Place of the next header (absolute, in the buffer) and what it is (an ethertype, NOT_IP when unknown)."""


def _ppp(protocol: U16) -> U16:
    known = np.zeros_like(protocol)
    for number, ethertype in PPP_PROTOCOLS.items():
        known[protocol == number] = ethertype
    return known


def _by_nibble(buffer: U8, at: I64) -> Step:
    version = buffer[at] >> 4
    return at, np.where(version == 4, IPV4, np.where(version == 6, IPV6, NOT_IP)).astype(np.uint16)


def _ethernet(buffer: U8, at: I64) -> Step:
    kind, place = be16(buffer, at + 12), at + 14
    if (kind < 0x600).any():  # an 802.3 length: only SNAP with a zero OUI carries an ethertype (RFC 1042)
        rows = np.flatnonzero(kind < 0x600)
        llc = place[rows]
        snap = (be16(buffer, llc) == 0xAAAA) & (be16(buffer, llc + 2) == 0x0300) & (be16(buffer, llc + 4) == 0)
        kind[rows] = np.where(snap, be16(buffer, llc + 6), NOT_IP)
        place[rows[snap]] += 8
    return place, kind


def _null(buffer: U8, at: I64) -> Step:
    # The family is in the byte order of the sender (NULL) or the network (LOOP): one of the readings is small
    little = buffer[at].astype(np.uint32) | buffer[at + 1].astype(np.uint32) << np.uint32(8) | be16(buffer, at + 2)
    big = be16(buffer, at).astype(np.uint32) | be16(buffer, at + 2)
    family = np.minimum(little, big)
    # AF_INET is 2 everywhere; AF_INET6 is 10 on Linux, 23 on Windows, 24, 28 and 30 on the BSDs and macOS
    kind = np.where(family == 2, IPV4, np.where(np.isin(family, (10, 23, 24, 28, 30)), IPV6, NOT_IP))
    return at + 4, kind.astype(np.uint16)


def _ppp_protocol(buffer: U8, at: I64) -> Step:
    short = (buffer[at] & 1).astype(bool)  # the first byte may be compressed away (RFC 1661 section 6.5), over PPPoE too
    protocol = np.where(short, buffer[at], be16(buffer, at)).astype(np.uint16)
    return at + 2 - short, _ppp(protocol)


def _ppp_frame(buffer: U8, at: I64) -> Step:
    return _ppp_protocol(buffer, at + 2 * (be16(buffer, at) == 0xFF03))  # so may address and control (section 6.6)


def _cisco_hdlc(buffer: U8, at: I64) -> Step:
    return at + 4, be16(buffer, at + 2)


def _ppp_hdlc(buffer: U8, at: I64) -> Step:
    cisco = np.isin(buffer[at], (0x0F, 0x8F))  # PPP_HDLC carries either framing; Cisco's addresses are 0x0F and 0x8F
    place, kind = _ppp_frame(buffer, at)
    cisco_place, cisco_kind = _cisco_hdlc(buffer, at)
    return np.where(cisco, cisco_place, place), np.where(cisco, cisco_kind, kind)


def _pppoe(buffer: U8, at: I64) -> Step:
    place, kind = _ppp_protocol(buffer, at + 6)
    data = buffer[at + 1] == 0  # code 0 is a session's data (RFC 2516 section 6)
    return place, np.where(data, kind, NOT_IP).astype(np.uint16)


def _sll(buffer: U8, at: I64) -> Step:
    return at + 16, be16(buffer, at + 14)


def _sll2(buffer: U8, at: I64) -> Step:
    return at + 20, be16(buffer, at)


EN10MB, RAW = 1, 101
LINK_TYPES: dict[int, Callable[[U8, I64], Step]] = {
    0: _null,
    EN10MB: _ethernet,
    9: _ppp_frame,
    12: _by_nibble,  # RAW as some BSDs number it
    14: _by_nibble,  # and as OpenBSD does
    50: _ppp_hdlc,
    51: _pppoe,
    RAW: _by_nibble,
    104: _cisco_hdlc,
    108: _null,
    113: _sll,
    228: _by_nibble,
    229: _by_nibble,
    276: _sll2,
}


def _mpls(buffer: U8, at: I64, kind: U16) -> Step:
    last = (buffer[at + 2] & 1).astype(bool)  # bottom of stack (RFC 3032 section 2.1); behind it only a version nibble
    place, inner = _by_nibble(buffer, at + 4)
    return place, np.where(last, inner, kind)


def _shim(buffer: U8, at: I64, kind: U16) -> Step:
    """Step over one tag, label or PPPoE header in each row."""
    mpls, pppoe = np.isin(kind, MPLS), kind == PPPOE_SESSION
    place, inner = at + 4, be16(buffer, at + 2)
    for mask, step in ((mpls, _mpls(buffer, at, kind)), (pppoe, _pppoe(buffer, at))):
        place, inner = np.where(mask, step[0], place), np.where(mask, step[1], inner)
    return place, inner


def network_headers(buffer: U8, offset: I64, end: I64, linktype: int) -> tuple[I64, U16, Bool]:
    """Find the network header of each frame.

    `buffer` has MARGIN bytes behind the last `end`. Returns its place, its ethertype, and which rows ended (at `end`)
    before it began; those rows' place is the frame's own. A stack of more than MAX_SHIMS keeps its ethertype of a
    shim. KeyError for a link type not in LINK_TYPES.
    """
    place, kind = LINK_TYPES[linktype](buffer, offset)
    cut = place > end
    place = np.where(cut, offset, place) if cut.any() else place
    rows = np.flatnonzero((kind != IPV4) & ~cut)
    for _ in range(MAX_SHIMS):
        rows = rows[np.isin(kind[rows], SHIMS)]
        if not len(rows):
            break
        place[rows], kind[rows] = _shim(buffer, place[rows], kind[rows])
        over = rows[place[rows] > end[rows]]
        cut[over], place[over], kind[over] = True, offset[over], NOT_IP
        rows = rows[place[rows] <= end[rows]]
    return place, kind, cut
