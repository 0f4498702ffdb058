"""The classic capture file (draft-ietf-opsawg-pcap): a header, then records one after the other.

Only the walk from record to record is a loop over packets; everything else is columns.
"""

from collections.abc import Generator, Iterable, Iterator
from struct import Struct
from typing import NamedTuple

import numpy as np

from abusewatch.model.compiled import kernel
from abusewatch.model.flow import I64
from abusewatch.wire import lanes
from abusewatch.wire.errors import Reason, WireError
from abusewatch.wire.frames import CAPTURED_LIMIT, Frames, Window
from abusewatch.wire.gather import gather

KERNEL = kernel("abusewatch.wire._packets")
HEADER = 24
ROWS = 65_536
"""Frames of a batch at most, when the walk is compiled."""


class Form(NamedTuple):
    """What the magic number says: byte order, fractions of a second in a microsecond, octets in a record's header."""

    order: str
    per_us: int
    record: int


MAGICS = {
    bytes.fromhex(digits): Form(order, per_us, record)
    for big, per_us, record in (("a1b2c3d4", 1, 16), ("a1b23c4d", 1000, 16), ("a1b2cd34", 1, 24))
    for order, digits in ((">", big), ("<", bytes.fromhex(big)[::-1].hex()))
}
"""Microseconds, nanoseconds, and Kuznetzov's patched libpcap whose records carry three more numbers."""


def frames(chunks: Iterable[bytes]) -> Iterator[Frames]:
    """Find the frames of a capture given in chunks of any size, a batch a chunk.

    WireError(NOT_A_CAPTURE) for another file, TRUNCATED when the last record is not whole, TOO_LARGE for a record that
    claims more than CAPTURED_LIMIT; the frames before it have been given by then.
    """
    window = Window(chunks)
    if not window.fill(4) or window.data[:4] not in MAGICS:
        raise WireError(Reason.NOT_A_CAPTURE, "no pcap magic number")
    if not window.fill(HEADER):
        raise window.fault(Reason.TRUNCATED, 0, "the file header is cut")
    form = MAGICS[window.data[:4]]
    linktype = Struct(form.order + "I").unpack_from(window.data, 20)[0] & 0xFFFF  # the rest says how long a checksum is
    number, position = 1, HEADER
    while True:
        position, number = yield from _fast(window, position, form, linktype, number)
        places, position, bad = _walk(window, position, form)
        if len(places):
            yield _columns(window, places, form, linktype, number)
            number += len(places)
        if bad:
            raise window.fault(Reason.TOO_LARGE, position, f"packet {number} claims more than {CAPTURED_LIMIT} bytes")
        if not window.more(position):
            break
        position = 0
    if window.end:
        raise window.fault(Reason.TRUNCATED, 0, f"packet {number} is cut")


def _fast(window: Window, position: int, form: Form, linktype: int, number: int) -> Generator[Frames, None, tuple[int, int]]:
    """Give the whole records in hand by the compiled walk, where there is one; what it leaves is for `_walk` to judge."""
    while KERNEL is not None:
        out = np.empty((4, ROWS), np.int64)
        found, position = KERNEL.pcap(window.data, position, window.end, form.order == ">", form.per_us, form.record, out)
        if found:
            offset, captured, original, time_us = out[:, :found]
            numbers = np.arange(number, number + found)
            yield Frames(window.bytes(), offset, captured, original, time_us, np.broadcast_to(np.uint16(linktype), (found,)), numbers)
            number += found
        if found < ROWS:
            break
    return position, number


def _walk(window: Window, position: int, form: Form) -> tuple[I64, int, bool]:
    """Find the whole records in hand: their places, where the next starts, and whether that one's length is absurd."""
    found: list[I64] = []
    for run in lanes.runs(window.data, position, window.end, form.order, form.record):
        if position < run.start:
            between, position, _ = _stepped(window, position, run.start, form)
            found.append(between)
        if position == run.start:
            found.append(run.places)
            position = run.stop
    rest, position, bad = _stepped(window, position, window.end, form)
    return np.concatenate((*found, rest)), position, bad


def _stepped(window: Window, position: int, until: int, form: Form) -> tuple[I64, int, bool]:
    """The same one by one, for the records that begin before `until`."""
    data, header, end = window.data, form.record, window.end
    captured_of = Struct(form.order + "I").unpack_from
    places: list[int] = []
    append = places.append
    bad = False
    last = min(end - header, until - 1)
    while position <= last:
        (captured,) = captured_of(data, position + 8)
        following = position + header + captured
        if following > end:
            bad = captured > CAPTURED_LIMIT
            break
        if captured > CAPTURED_LIMIT:
            bad = True
            break
        append(position)
        position = following
    return np.array(places, np.int64), position, bad


def _columns(window: Window, places: I64, form: Form, linktype: int, number: int) -> Frames:
    fields = ("seconds", "fraction", "captured", "original")
    record = gather(window.bytes(), places, np.dtype([(name, form.order + "u4") for name in fields]))
    captured = record["captured"].astype(np.int64)
    micros = record["fraction"].astype(np.int64)
    if form.per_us != 1:
        micros //= form.per_us
    return Frames(
        buffer=window.bytes(),
        offset=places + form.record,
        captured=captured,
        original=np.maximum(record["original"].astype(np.int64), captured),
        time_us=record["seconds"].astype(np.int64) * 1_000_000 + micros,
        linktype=np.broadcast_to(np.uint16(linktype), places.shape),
        number=np.arange(number, number + len(places)),
    )
