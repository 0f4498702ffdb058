"""Which UDP payloads of a capture are flow-export datagrams: the only place where a payload is looked at, and only its export header.

NetFlow 9 and sFlow do not say how long they are, so a datagram is recognised by walking its sets or samples.
"""

from struct import Struct, error

import numpy as np

from abusewatch.model.flow import I64, U8
from abusewatch.wire.frames import Frames
from abusewatch.wire.gather import gather
from abusewatch.wire.linktypes import IPV4, network_headers
from abusewatch.wire.packet import V4, V6
from abusewatch.wire.transport import UDP, after_extensions

UDP_HEADER = np.dtype([("ports", ">u4"), ("length", ">u2"), ("checksum", ">u2")])  # RFC 768
FIRST = np.dtype([("word", ">u4")])
NETFLOW5, NETFLOW9, IPFIX, SFLOW = 5, 9, 10, 5
MAX_V5_RECORDS = 30
MAX_SAMPLES = 1024

_HH = Struct(">HH").unpack_from
_II = Struct(">II").unpack_from


def datagrams(frames: Frames, rows: I64, linktype: int) -> tuple[I64, I64, I64]:
    """Find the payloads of the rows that are UDP over IP: which rows, where each payload starts, how long it is (as captured).

    `rows` are rows of `frames` of one link type whose headers `packet.parse` has found whole and first in their IP packet.
    """
    offset, end = frames.offset[rows], (frames.offset + frames.captured)[rows]
    place, kind, _ = network_headers(frames.buffer, offset, end, linktype)
    v4 = kind == IPV4
    ihl = (frames.buffer[place] & 15).astype(np.int64) * 4
    at = place + np.where(v4, ihl, V6.itemsize)
    protocol = np.where(v4, gather(frames.buffer, place, V4)["protocol"], gather(frames.buffer, place, V6)["next_header"])
    if not v4.all():
        six = np.flatnonzero(~v4)
        chain = after_extensions(frames.buffer, at[six], end[six], protocol[six])
        at[six], protocol[six] = chain.place, np.where(chain.whole, chain.protocol, 0)
    whole = (protocol == UDP) & (at + UDP_HEADER.itemsize <= end)
    rows, at, end = rows[whole], at[whole], end[whole]
    said = gather(frames.buffer, at, UDP_HEADER)["length"].astype(np.int64)
    start = at + UDP_HEADER.itemsize
    return rows, start, np.clip(np.minimum(said - UDP_HEADER.itemsize, end - start), 0, None)


def exports(buffer: U8, start: I64, length: I64) -> I64:
    """Choose the payloads that are flow-export datagrams, by index."""
    first = gather(buffer, start, FIRST)["word"].astype(np.int64)
    version = first >> 16
    maybe = np.flatnonzero((length >= 16) & (np.isin(version, (NETFLOW5, NETFLOW9, IPFIX)) | (first == SFLOW)))
    chosen = [i for i in maybe.tolist() if export_length(buffer[start[i] : start[i] + length[i]].tobytes(), 0)]
    return np.array(chosen, np.int64)


def export_length(data: bytes, at: int) -> int:
    """Say how long the export datagram at `at` is, 0 when there is none; one that is cut reaches to the end of the data."""
    try:
        version, second = _HH(data, at)
        if version == 0 and second == SFLOW:
            return _sflow(data, at)
        if version == NETFLOW5:
            return _netflow5(data, at, second)
        if version == NETFLOW9:
            return _sets(data, at + 20, len(data), (0, 1)) - at if at + 20 <= len(data) else 0
        if version == IPFIX:
            return _ipfix(data, at, second)
    except error:  # the header itself is cut
        return 0
    return 0


def _netflow5(data: bytes, at: int, count: int) -> int:
    if not 1 <= count <= MAX_V5_RECORDS:
        return 0
    return min(24 + 48 * count, len(data) - at)


def _ipfix(data: bytes, at: int, length: int) -> int:
    end = min(at + length, len(data))
    if length < 16 or (length > 16 and _sets(data, at + 16, end, (2, 3)) == at + 16):
        return 0
    return end - at


def _sets(data: bytes, position: int, end: int, templates: tuple[int, int]) -> int:
    """Walk over sets (RFC 3954 section 5, RFC 7011 section 3.3) as long as they are sets; ids between the templates' and 256 are reserved."""
    first = position
    while position + 4 <= end:
        number, length = _HH(data, position)
        if (number not in templates and number < 256) or length < 4 or (position > first and position + length > end):
            break
        position = min(position + length, end)
    if 0 < end - position < 4 and not any(data[position:end]):  # padding behind the last set
        return end
    return position


def _sflow(data: bytes, at: int) -> int:
    family = _II(data, at)[1]
    if family not in {1, 2}:
        return 0
    position = at + (28 if family == 1 else 40)
    (samples,) = Struct(">I").unpack_from(data, position - 4)
    if samples > MAX_SAMPLES:
        return 0
    for _ in range(samples):
        if position + 8 > len(data):
            break
        position += 8 + _II(data, position)[1]
    return min(position, len(data)) - at
