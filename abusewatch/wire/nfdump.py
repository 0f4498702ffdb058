"""Files of nfcapd and nfdump 1.7 (file layout 2): blocks of records in the byte order of the machine that wrote them.

A record is a header and a list of elements in any order, as nffile.h and nfxV3.h of nfdump say. Elements of all records of a block are walked in
lock step, so that only finding where records begin costs a step for each of them.
"""

import bz2
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from struct import Struct
from typing import Any

import numpy as np
import zstandard
from numpy.typing import NDArray

from abusewatch.model.address import MAPPED, Address
from abusewatch.model.flow import I64, SAMPLING_UNKNOWN, U8, U16, U32, U64, Bool, FlowBatch, batch_of
from abusewatch.wire import lz
from abusewatch.wire.errors import Reason, WireError
from abusewatch.wire.frames import Window
from abusewatch.wire.gather import gather, padded

MAGICS = {b"\x0c\xa5": "<", b"\xa5\x0c": ">"}
"""0xA50C in the writer's byte order."""
LAYOUT = 2
FLOW, EXPORTER, SAMPLER = 11, 7, 15
GENERIC, IPV4, IPV6, INTERFACES = 1, 2, 3, 4
SAMPLED = 2
"""The flag of a record whose counts nfcapd has multiplied by the sampling rate."""
UNCOMPRESSED = 1
DATA = 3
FILE_OCTETS, BLOCK_OCTETS = 40, 12
MAX_RATE, UNCLEAR = 0xFFFF_FFFE, 0xFFFF_FFFF
LATEST_MS = np.uint64(1 << 44)
"""The year 2527."""
BLOCK_LIMIT = 16 << 20
"""Octets of a block, as stored and decompressed; nfdump 1.7 writes blocks of 1 to 5 MiB."""
MAX_ELEMENTS = 64
"""Of one record; nfdump 1.7 knows some 40."""

_HEADERS = {order: Struct(order + "HHIQBBHIQII") for order in "<>"}
_BLOCKS = {order: Struct(order + "IIHH") for order in "<>"}
_RECORDS = {order: Struct(order + "HH") for order in "<>"}
_EXPORTERS = {order: Struct(order + "IQQHH") for order in "<>"}
_SAMPLERS = {order: Struct(order + "HHqII") for order in "<>"}
RECORD_OCTETS, ELEMENT_OCTETS = 12, 4

Numbering = Callable[[Address], int]
"""Gives the number of an exporter by its address."""


def _forms(order: str) -> dict[int, np.dtype[Any]]:
    """The elements that are read, by number (nfxV3.h)."""
    return {
        GENERIC: np.dtype([
            ("first", order + "u8"), ("last", order + "u8"), ("received", order + "u8"), ("packets", order + "u8"), ("bytes", order + "u8"),
            ("src_port", order + "u2"), ("dst_port", order + "u2"), ("protocol", "u1"), ("flags", "u1"),
        ]),
        IPV4: np.dtype([("src", order + "u4"), ("dst", order + "u4")]),
        IPV6: np.dtype([("src_hi", order + "u8"), ("src_lo", order + "u8"), ("dst_hi", order + "u8"), ("dst_lo", order + "u8")]),
        INTERFACES: np.dtype([("input", order + "u4"), ("output", order + "u4")]),
    }  # fmt: skip


def _bz2(data: bytes, limit: int) -> bytes:
    made = bz2.BZ2Decompressor()
    try:
        out = made.decompress(data, limit)
    except (OSError, EOFError, ValueError) as fault:
        raise WireError(Reason.BAD_COMPRESSION, str(fault)) from None
    if not made.eof:
        raise WireError(Reason.BAD_COMPRESSION, "a bzip2 block is cut or too large")
    return out


def _zstd(data: bytes, limit: int) -> bytes:
    try:
        # A frame that tells a size would be given that much room whatever `max_output_size` says.
        if zstandard.frame_content_size(data) > limit:
            raise WireError(Reason.TOO_LARGE, "a Zstandard block")
        return zstandard.ZstdDecompressor(max_window_size=BLOCK_LIMIT).decompress(data, max_output_size=limit)
    except zstandard.ZstdError as fault:
        raise WireError(Reason.BAD_COMPRESSION, str(fault)) from None


COMPRESSIONS: tuple[Callable[[bytes, int], bytes], ...] = (lambda data, _: data, lz.lzo, _bz2, lz.lz4, _zstd)
"""By their number in the file's header."""


def flows(chunks: Iterable[bytes], counts: Counter[str], number: Numbering) -> Iterator[FlowBatch]:
    """Read the flow records of a file, a batch a block and family; `frame` counts records from 1.

    `number` numbers the exporters. What is passed over is added to `counts`. WireError when the file cannot be read on.
    """
    window = Window(chunks)
    if not window.fill(FILE_OCTETS):
        raise window.fault(Reason.TRUNCATED, 0, "no whole file header")
    order = MAGICS.get(window.data[:2], "<")
    _, version, _, _, compression, encryption, _, _, _, _, blocks = _HEADERS[order].unpack_from(window.data)
    if version != LAYOUT:
        raise WireError(Reason.UNKNOWN_VERSION, f"file layout {version}, read is {LAYOUT} (nfdump 1.7); nfdump -r FILE -w NEW writes it anew")
    if encryption or compression >= len(COMPRESSIONS):
        raise WireError(Reason.BAD_COMPRESSION, f"method {compression}, encryption {encryption}; nfdump -r FILE -w NEW writes it anew")
    reader = _Reader(order, counts, number)
    at, done = FILE_OCTETS, 0
    while window.fill(at + BLOCK_OCTETS):
        _, size, kind, flags = _BLOCKS[order].unpack_from(window.data, at)
        if size > BLOCK_LIMIT:
            raise window.fault(Reason.TOO_LARGE, at, f"a block of {size} octets")
        begin, at = at + BLOCK_OCTETS, at + BLOCK_OCTETS + size
        if not window.fill(at):
            break
        if kind == DATA:
            expand = COMPRESSIONS[0 if flags & UNCOMPRESSED else compression]
            yield from reader.read(expand(window.data[begin:at], BLOCK_LIMIT))
        window.more(at)
        at, done = 0, done + 1
    if done < blocks or window.end > at:
        raise window.fault(Reason.TRUNCATED, 0, f"{done} of {blocks} blocks are whole")


class _Reader:
    """Reads the blocks of one file, and keeps what their records say of exporters and samplers."""

    def __init__(self, order: str, counts: Counter[str], number: Numbering) -> None:
        self._order = order
        self._counts = counts
        self._number = number
        self._forms = _forms(order)
        self._exporters = np.zeros(1 << 16, np.uint32)
        self._rates = np.zeros(1 << 16, np.uint32)
        self._seen = 0

    def read(self, data: bytes) -> list[FlowBatch]:
        """Read one block, decompressed."""
        starts, sizes = self._records(data)
        if not len(starts):
            return []
        buffer = padded(np.frombuffer(data, np.uint8), len(data))
        places = self._elements(buffer, starts, starts + sizes)
        frame = np.arange(self._seen + 1, self._seen + 1 + len(starts))
        self._seen += len(starts)
        batches = []
        for family, addresses in ((4, IPV4), (6, IPV6)):
            rows = np.flatnonzero((places[addresses] > 0) & (places[GENERIC] > 0))
            if len(rows):
                batches.append(self._batch(buffer, starts[rows], {kind: place[rows] for kind, place in places.items()}, family, frame[rows]))
        passed = len(starts) - sum(map(len, batches))
        if passed:
            self._counts[Reason.NOT_A_FLOW.value] += passed
        return batches

    def _records(self, data: bytes) -> tuple[I64, I64]:
        """Find the flow records, and take in the records about exporters and samplers."""
        head = _RECORDS[self._order].unpack_from
        starts: list[int] = []
        sizes: list[int] = []
        at, end = 0, len(data)
        while at + 4 <= end:
            kind, size = head(data, at)
            if size < 4 or at + size > end:
                self._counts[Reason.BAD_RECORD.value] += 1  # where the next one begins nobody knows
                break
            if kind == FLOW and size >= RECORD_OCTETS:
                starts.append(at)
                sizes.append(size)
            elif kind == EXPORTER and size >= 4 + _EXPORTERS[self._order].size:
                self._learn_exporter(data, at + 4)
            elif kind == SAMPLER and size >= 4 + _SAMPLERS[self._order].size:
                self._learn_sampler(data, at + 4)
            at += size
        return np.array(starts, np.int64), np.array(sizes, np.int64)

    def _learn_exporter(self, data: bytes, at: int) -> None:
        _, high, low, family, number = _EXPORTERS[self._order].unpack_from(data, at)
        # AF_INET is 2 everywhere; an IPv4 address fills the last four octets.
        self._exporters[number] = self._number((0, MAPPED | low & 0xFFFF_FFFF) if family == 2 else (high, low))

    def _learn_sampler(self, data: bytes, at: int) -> None:
        exporter, _, _, packets, space = _SAMPLERS[self._order].unpack_from(data, at)
        rate = round((packets + space) / packets) if packets else 0
        # Records do not say which sampler of their exporter was theirs: more than one rate is none.
        self._rates[exporter] = rate if self._rates[exporter] in {0, rate} and rate <= MAX_RATE else UNCLEAR

    def _elements(self, buffer: U8, starts: I64, ends: I64) -> dict[int, I64]:
        """Find the content of each wanted element of each record; 0 where it has none (no content begins at 0)."""
        places = {kind: np.zeros(len(starts), np.int64) for kind in self._forms}
        number = order16(buffer, starts + 4, self._order).astype(np.int64)
        at, rows = starts + RECORD_OCTETS, np.arange(len(starts))
        for turn in range(min(int(number.max()), MAX_ELEMENTS)):
            rows = rows[(number[rows] > turn) & (at[rows] + ELEMENT_OCTETS <= ends[rows])]
            here = at[rows]
            kind, size = order16(buffer, here, self._order), order16(buffer, here + 2, self._order).astype(np.int64)
            whole = (size >= ELEMENT_OCTETS) & (here + size <= ends[rows])
            for wanted, form in self._forms.items():
                found = whole & (kind == wanted) & (size >= ELEMENT_OCTETS + form.itemsize)
                places[wanted][rows[found]] = here[found] + ELEMENT_OCTETS
            rows, size = rows[whole], size[whole]
            at[rows] += size
        return places

    def _batch(self, buffer: U8, starts: I64, places: dict[int, I64], family: int, frame: I64) -> FlowBatch:
        generic, addresses = (gather(buffer, places[kind], self._forms[kind]) for kind in (GENERIC, IPV4 if family == 4 else IPV6))
        interfaces = gather(buffer, places[INTERFACES], self._forms[INTERFACES])
        named = places[INTERFACES] > 0
        exporter = order16(buffer, starts + 8, self._order)
        rate, packets, octets = self._unscaled(exporter, buffer[starts + 10] & SAMPLED > 0, *(_u64(generic[name]) for name in ("packets", "bytes")))
        protocol = generic["protocol"]
        icmp = (protocol == 1) | (protocol == 58)
        start_us, end_us = (np.minimum(generic[name], LATEST_MS).astype(np.int64) * 1_000 for name in ("first", "last"))
        return batch_of(
            len(starts), family, **_addresses(addresses, family), start_us=np.minimum(start_us, end_us), end_us=end_us,
            src_port=np.where(icmp, 0, generic["src_port"]), dst_port=generic["dst_port"], protocol=protocol, flags=generic["flags"],
            packets=packets, bytes=octets, sampling_rate=rate, exporter=self._exporters[exporter], frame=frame,
            input_if=np.where(named, interfaces["input"], 0), output_if=np.where(named, interfaces["output"], 0),
        )  # fmt: skip

    def _unscaled(self, exporter: U16, sampled: Bool, packets: U64, octets: U64) -> tuple[U32, U64, U64]:
        """Give rates, and counts as they were before nfcapd multiplied them; a rate the packets do not divide by is not theirs."""
        told = self._rates[exporter].astype(np.uint64)
        known = sampled & (told > 0) & (told < UNCLEAR) & (packets % np.maximum(told, 1) == 0)
        divisor = np.where(known, told, 1).astype(np.uint64)
        rate = np.where(sampled & ~known, SAMPLING_UNKNOWN, divisor).astype(np.uint32)
        return rate, packets // divisor, octets // divisor


def _u64(column: NDArray[Any]) -> U64:
    return column.astype(np.uint64)


def _addresses(found: NDArray[Any], family: int) -> dict[str, U64]:
    if family == 6:
        return {name: _u64(found[name]) for name in ("src_hi", "src_lo", "dst_hi", "dst_lo")}
    return {f"{edge}_lo": _u64(found[edge]) | np.uint64(MAPPED) for edge in ("src", "dst")}


def order16(buffer: U8, at: I64, order: str) -> U16:
    """Read the 16-bit number at each place in the file's byte order."""
    first, second = (buffer[at + place].astype(np.uint16) for place in (0, 1))
    return (first | second << np.uint16(8)) if order == "<" else (second | first << np.uint16(8))
