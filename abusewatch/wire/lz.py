"""Blocks compressed by LZ4 and LZO1X, as nfdump writes them: without a frame, a size or a checksum around them.

Both copy literals and repeat what came before; both are small enough to be read here, so that a file needs no other library.
"""

from abusewatch.wire.errors import Reason, WireError

END_DISTANCE = 16_384
"""The distance that ends an LZO stream."""


def _repeat(out: bytearray, distance: int, length: int, limit: int) -> None:
    """Copy `length` octets from `distance` back, which may reach into what is being copied."""
    start = len(out) - distance
    if not 0 < distance <= len(out) or len(out) + length > limit:
        raise WireError(Reason.BAD_COMPRESSION, f"{length} octets from {distance} back after {len(out)}")
    if distance >= length:
        out += out[start : start + length]
    else:
        pattern = bytes(out[start:])
        out += (pattern * (length // distance + 1))[:length]


def _literals(out: bytearray, data: bytes, at: int, length: int, limit: int) -> int:
    """Copy `length` octets of the input; return where it goes on."""
    if at + length > len(data) or len(out) + length > limit:
        raise WireError(Reason.BAD_COMPRESSION, f"{length} octets wanted at {at} of {len(data)}")
    out += data[at : at + length]
    return at + length


def lz4(data: bytes, limit: int) -> bytes:
    """Decompress an LZ4 block (lz4_Block_format.md) to at most `limit` octets; WireError(BAD_COMPRESSION)."""
    out = bytearray()
    at = 0
    try:
        while True:
            token = data[at]
            length, at = _extended(data, at + 1, token >> 4, 15)
            at = _literals(out, data, at, length, limit)
            if at == len(data):  # the last sequence has no match
                return bytes(out)
            distance = data[at] | data[at + 1] << 8
            length, at = _extended(data, at + 2, token & 15, 15)
            _repeat(out, distance, length + 4, limit)
    except IndexError:
        raise WireError(Reason.BAD_COMPRESSION, "an LZ4 block ends early") from None


def _extended(data: bytes, at: int, length: int, full: int) -> tuple[int, int]:
    """Add octets to a length whose bits are all set, up to the first that is not 255."""
    if length == full:
        more = 255
        while more == 255:
            more = data[at]
            length += more
            at += 1
    return length, at


def lzo(data: bytes, limit: int) -> bytes:
    """Decompress an LZO1X stream (Linux, Documentation/staging/lzo.rst) to at most `limit` octets; WireError(BAD_COMPRESSION)."""
    out = bytearray()
    try:
        _lzo(data, out, limit)
    except IndexError:
        raise WireError(Reason.BAD_COMPRESSION, "an LZO stream ends early") from None
    return bytes(out)


def _lzo(data: bytes, out: bytearray, limit: int) -> None:
    at = state = 0
    if data[0] > 17:
        state = min(data[0] - 17, 4)  # how many literals came last; 4 stands for four and more
        at = _literals(out, data, 1, data[0] - 17, limit)
    while True:
        code = data[at]
        at += 1
        if code < 16 and state == 0:
            length, at = _run(data, at, code, 15)
            at = _literals(out, data, at, length + 3, limit)
            state = 4
            continue
        if code < 16:
            length, distance, tail = 2, (data[at] << 2) + (code >> 2) + 1, code
            if state == 4:
                length, distance = 3, distance + 2_048
            at += 1
        elif code < 64:
            far = code < 32
            length, at = _run(data, at, code & (7 if far else 31), 7 if far else 31)
            tail = data[at] | data[at + 1] << 8
            at += 2
            length, distance = length + 2, (tail >> 2) + (END_DISTANCE + ((code & 8) << 11) if far else 1)
            if far and distance == END_DISTANCE:
                return
        else:
            short = code < 128
            length, distance, tail = (3 + (code >> 5 & 1) if short else 5 + (code >> 5 & 3)), (data[at] << 3) + (code >> 2 & 7) + 1, code
            at += 1
        _repeat(out, distance, length, limit)
        state = tail & 3
        at = _literals(out, data, at, state, limit)


def _run(data: bytes, at: int, length: int, full: int) -> tuple[int, int]:
    """Read a length that did not fit its bits: 255 for each octet of zero, then one that is not."""
    if length:
        return length, at
    length = full
    while not data[at]:
        length += 255
        at += 1
    return length + data[at], at + 1
