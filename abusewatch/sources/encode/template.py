"""Templates and the records they describe, which NetFlow v9 and IPFIX have in common (RFC 3954 5.2, RFC 7011 3.4.1)."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from abusewatch.model.flow import FlowBatch
from abusewatch.sources.encode.datagram import fill, is_v4

Element = tuple[int, tuple[tuple[str, str], ...]]
"""An information element's number, and the columns it is written from with their forms on the wire."""

V4 = ((8, (("src4", ">u4"),)), (12, (("dst4", ">u4"),)))
V6 = ((27, (("src_hi", ">u8"), ("src_lo", ">u8"))), (28, (("dst_hi", ">u8"), ("dst_lo", ">u8"))))
ICMP4, ICMP6 = ((number, (("icmp", ">u2"),)) for number in (32, 139))
"""ICMP type and code together. They stand in the destination port as well, where many routers put them and nfdump does not look."""
ICMP = (1, 58)
REST: tuple[Element, ...] = (
    (10, (("input_if", ">u4"),)),
    (14, (("output_if", ">u4"),)),
    (2, (("packets", ">u8"),)),
    (1, (("bytes", ">u8"),)),
    (7, (("src_port", ">u2"),)),
    (11, (("dst_port", ">u2"),)),
    (4, (("protocol", "u1"),)),
    (6, (("flags", "u1"),)),
)
UPTIME_MS: tuple[Element, ...] = ((22, (("start", ">u4"),)), (21, (("end", ">u4"),)))
EPOCH_MS: tuple[Element, ...] = ((152, (("start", ">u8"),)), (153, (("end", ">u8"),)))

INTERVAL, ALGORITHM = (34, 4), (35, 1)
RANDOM = 2
V4_ID, V6_ID = 256, 257
SAMPLING = {258: (INTERVAL, ALGORITHM), 259: (INTERVAL,)}
"""Options templates: samplingInterval with samplingAlgorithm (2: random), as routers announce it, and once more alone. Debian's nfcapd 1.7.1 takes a
rate only where no algorithm stands beside it, later versions only where one does."""


@dataclass(frozen=True, slots=True)
class Template:
    """A template: its number, its elements, and the same as a record's layout in memory."""

    number: int
    elements: tuple[Element, ...]

    @property
    def layout(self) -> np.dtype[np.void]:
        """Give a record's layout."""
        return np.dtype([column for _, columns in self.elements for column in columns])

    def definition(self) -> bytes:
        """Write the template record: number, count of fields, then element and length of each."""
        fields = [(number, np.dtype(list(columns)).itemsize) for number, columns in self.elements]
        return struct.pack(">HH", self.number, len(fields)) + b"".join(struct.pack(">HH", *f) for f in fields)

    def records(self, rows: FlowBatch, boot_ms: int) -> bytes:
        """Write the rows as data records, with times in milliseconds since `boot_ms`."""
        records = np.zeros(len(rows), self.layout)
        low = np.uint64(0xFFFF_FFFF)
        made = {
            "src4": rows.src_lo & low,
            "dst4": rows.dst_lo & low,
            "start": rows.start_us // 1000 - boot_ms,
            "end": rows.end_us // 1000 - boot_ms,
            "icmp": np.where(np.isin(rows.protocol, ICMP), rows.dst_port, 0),
        }
        for name in self.layout.names or ():
            records[name] = made[name] if name in made else getattr(rows, name)
        return records.tobytes()


class Templates:
    """The pair of templates of one exporter, and the data sets made with it."""

    def __init__(self, times: tuple[Element, ...]) -> None:
        """Take the pair of time elements that the protocol prefers."""
        self.v4 = Template(V4_ID, (*V4, *times, *REST, ICMP4))
        self.v6 = Template(V6_ID, (*V6, *times, *REST, ICMP6))
        self._sizes = (self.v6.layout.itemsize, self.v4.layout.itemsize)

    def definitions(self) -> bytes:
        """Write both template records."""
        return self.v4.definition() + self.v6.definition()

    def data_sets(self, batch: FlowBatch, room: int, boot_ms: int) -> Iterator[tuple[FlowBatch, bytes]]:
        """Cut the batch into runs of rows whose sets fit `room` bytes together; give each run with its sets."""
        v4 = is_v4(batch)
        sizes = np.where(v4, self._sizes[1], self._sizes[0]).astype(np.int64)
        for run in fill(sizes, room - 2 * (4 + 3)):  # two set headers, each with up to 3 bytes of padding
            rows, four = batch.take(run), v4[run]
            sets = (
                data_set(t.number, t.records(rows.take(mask), boot_ms))
                for t, mask in ((self.v4, four), (self.v6, ~four))
                if mask.any()
            )
            yield rows, b"".join(sets)


def announcement(fields: tuple[tuple[int, int], ...], rate: int) -> bytes:
    """Write what an options record says of the sampling rate, without its scope."""
    return struct.pack(">I", rate) + (bytes([RANDOM]) if ALGORITHM in fields else b"")


def data_set(number: int, content: bytes) -> bytes:
    """Write a set (FlowSet): its number, its length, the records, padding to 4 bytes."""
    padding = -len(content) % 4
    return struct.pack(">HH", number, 4 + len(content) + padding) + content + bytes(padding)
