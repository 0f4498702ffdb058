"""What the transport header tells of a packet: ports, TCP flags, ICMP type and code.

And the IPv6 extension headers in front of it.
"""

from dataclasses import dataclass

import numpy as np

from abusewatch.model.flow import I64, U8, U16, Bool
from abusewatch.wire.gather import be16, gather

MAX_EXTENSIONS = 8
"""RFC 8200 section 4.1 lists seven with one repeated; FastNetMon and dpkt both fell over longer chains."""

ICMP, TCP, UDP, ICMPV6, SCTP = 1, 6, 17, 58, 132
UDP_LITE, DCCP = 136, 33
WITH_PORTS = (TCP, UDP, SCTP, UDP_LITE, DCCP)
NO_NEXT_HEADER = 59
FRAGMENT, AUTHENTICATION = 44, 51
EXTENSIONS = (0, 43, FRAGMENT, AUTHENTICATION, 60, 135, 139, 140)
"""IANA "IPv6 Extension Header Types" without ESP, behind which nothing can be read."""

PORTS = np.dtype([("src", ">u2"), ("dst", ">u2"), ("numbers", "V8"), ("offset", "u1"), ("flags", "u1")])  # RFC 9293 3.1


@dataclass(frozen=True, slots=True)
class Ports:
    """Columns (n,): ports and flags as `FlowBatch` has them, and which rows ended before theirs were whole."""

    src_port: U16
    dst_port: U16
    flags: U8
    cut: Bool


def ports(buffer: U8, at: I64, stop: I64, protocol: U8) -> Ports:
    """Read ports at each place `at`, none at or behind `stop`. `buffer` has MARGIN bytes behind the last `at`."""
    at = np.minimum(at, stop)
    room = stop - at
    head = gather(buffer, at, PORTS)
    tcp, icmp = protocol == TCP, (protocol == ICMP) | (protocol == ICMPV6)
    ported = tcp | (protocol == UDP)
    if not (ported | icmp).all():
        ported |= np.isin(protocol, WITH_PORTS)
    needed = ported * 4 + icmp * 2 + tcp * 10
    cut = room < needed
    # a TCP header cut between its ports and its flags still has ports
    src = np.where(ported & (room >= 4), head["src"], 0)
    dst = np.where((ported & (room >= 4)) | (icmp & (room >= 2)), np.where(icmp, head["src"], head["dst"]), 0)
    flags = np.where(tcp & ~cut, head["flags"], 0)
    return Ports(src.astype(np.uint16), dst.astype(np.uint16), flags.astype(np.uint8), cut)


@dataclass(frozen=True, slots=True)
class Chain:
    """Where the extension headers of each row end, all of shape (n,): the upper protocol and its place.

    `whole` rows have a transport header at `place`; `cut` rows ended before; `endless` rows have more than
    MAX_EXTENSIONS; later fragments are none.
    """

    protocol: U8
    place: I64
    whole: Bool
    cut: Bool
    endless: Bool


def after_extensions(buffer: U8, at: I64, stop: I64, protocol: U8) -> Chain:
    """Step over the IPv6 extension headers at each place `at` (RFC 8200 section 4). `protocol` is changed in place."""
    place = at.copy()
    whole, cut, endless = (np.full(len(at), value) for value in (True, False, False))
    rows = np.arange(len(at))
    for _ in range(MAX_EXTENSIONS):
        rows = rows[np.isin(protocol[rows], EXTENSIONS)]
        if not len(rows):
            break
        short = place[rows] + 8 > stop[rows]
        cut[rows[short]], whole[rows[short]] = True, False
        rows = rows[~short]
        here, kind = place[rows], protocol[rows]
        size = buffer[here + 1].astype(np.int64)
        step = np.where(kind == FRAGMENT, 8, np.where(kind == AUTHENTICATION, (size + 2) * 4, (size + 1) * 8))
        later = (kind == FRAGMENT) & (be16(buffer, here + 2) & 0xFFF8 != 0)
        protocol[rows], place[rows] = buffer[here], np.minimum(here + step, stop[rows])
        whole[rows[later]] = False
        rows = rows[~later]
    rows = rows[np.isin(protocol[rows], EXTENSIONS)]
    endless[rows], whole[rows] = True, False
    return Chain(protocol, place, whole, cut, endless)
