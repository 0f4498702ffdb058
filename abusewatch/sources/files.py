"""Files of any supported form to flow batches, told apart by their first bytes, never by their name.

Captures (pcap, pcapng), captures of flow exports, bare export datagrams, files of nfcapd, flow tables (CSV, Parquet); all but
the last also compressed, and from standard input. What was lost is counted; a file is refused only when nothing in it can be used.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from abusewatch.model import address
from abusewatch.model.flow import FlowBatch
from abusewatch.sources import table
from abusewatch.sources.capture_file import flows_of
from abusewatch.sources.compress import Input, InputError
from abusewatch.sources.export_datagrams import Decoder, ExporterNumbers, decode, exports_of, is_of_exports
from abusewatch.sources.flow_cache import metered, metered_frames
from abusewatch.sources.order import by_end, joined
from abusewatch.wire import nfdump, pcap, pcapng
from abusewatch.wire.datagrams import split
from abusewatch.wire.errors import Reason, WireError
from abusewatch.wire.frames import Frames
from abusewatch.wire.payload import export_length

DATAGRAMS_LIMIT = 64 << 20
"""Octets of a file of bare datagrams; it has to be walked as a whole."""
PAYLOAD_LIMIT = 65_507
"""Octets of one UDP payload (RFC 768): a file no longer than that is taken as one, unless its messages say their own length."""
EXPECTED = "a capture (pcap, pcapng), flow-export datagrams, an nfcapd file, or a flow table with a header (CSV, Parquet)"

Walk = Callable[[Iterable[bytes]], Iterator[Frames]]
CAPTURES: dict[bytes, Walk] = {**dict.fromkeys(pcap.MAGICS, pcap.frames), pcapng.SECTION_MAGIC: pcapng.frames}


Change = Callable[[FlowBatch], FlowBatch]
"""What is left of a batch of records, such as those of a time."""


def unchanged(batch: FlowBatch) -> FlowBatch:
    """All of it."""
    return batch


class Reading(ABC):
    """One file being read, once: either `batches`, `flows` or `records`.

    `kind` says what it is. `counts` has what was dropped, by reason; `problems` the same in words, a line each, for the
    first few. `truncated` when the file ends before its own end. All of them are complete when the iteration is.
    """

    def __init__(self, source: Input, kind: str) -> None:
        """Made by `open_flows`."""
        self.name = source.name
        self.kind = kind
        self.counts: Counter[str] = Counter()
        self.problems: list[str] = []
        self._source = source

    @property
    def progress(self) -> tuple[int, int | None]:
        """How many bytes of the file were read, of how many (None: unknown)."""
        return self._source.read_bytes, self._source.total_bytes

    @property
    def truncated(self) -> bool:
        """Whether the file ended in the middle of something."""
        return bool(self.counts[Reason.TRUNCATED.value])

    def close(self) -> None:
        """Close the file, for a reading that is not read to its end."""
        self._source.close()

    @abstractmethod
    def batches(self) -> Iterator[FlowBatch]:
        """Give the flow records, in the order of the file (tables: by end time); InputError when there is nothing to use."""

    def flows(self, change: Change = unchanged) -> Iterator[FlowBatch]:
        """Give the records as the engine takes them: after `change`, and packets brought together to flows."""
        return map(change, self.batches())

    def records(self) -> Iterator[dict[str, Any]]:
        """Give each flow record by the names of its information elements; a packet of a capture is one record."""
        for batch in self.batches():
            yield from _dicts(batch)

    def chunks(self) -> Iterator[bytes]:
        """Give the content; a fault of the compression ends it and is counted."""
        try:
            yield from self._source.chunks()
        except WireError as error:
            self._lost(error)

    def _lost(self, error: WireError, *, refuse: bool = False) -> None:
        """Count what ended the reading early; InputError when that was before anything could be read."""
        if refuse and error.reason is not Reason.TRUNCATED:
            raise InputError(f"{self.name}: expected {EXPECTED}, found {self.kind} with {error}") from None
        self.counts[error.reason.value] += 1
        self.problems.append(f"{self.name}: {error}")

    def _decoded(self, counts: Iterable[tuple[Any, int]]) -> None:
        for reason, count in counts:
            self.counts[str(getattr(reason, "value", reason))] += count


class CaptureReading(Reading):
    """A capture; of flow exports when most of its first packets are."""

    def __init__(self, source: Input, walk: Walk, decoder_factory: Callable[[], Decoder], exporters: ExporterNumbers) -> None:
        """`walk` finds the frames of this kind of capture."""
        super().__init__(source, "capture")
        self._decoder_factory = decoder_factory
        self.exporters = exporters
        self._frames = self._walked(walk)
        self._first = next(self._frames, None)
        if self._first is not None and is_of_exports(self._first):
            self.kind = "export capture"

    def _walked(self, walk: Walk) -> Iterator[Frames]:
        found = False
        try:
            for frames in walk(self.chunks()):
                found = True
                yield frames
        except WireError as error:
            self._lost(error, refuse=not found)
        finally:
            self.close()

    def frames(self) -> Iterator[Frames]:
        """Give the frames themselves, for who has to look at more than their headers' columns."""
        yield from self._all()

    def _all(self) -> Iterator[Frames]:
        if self._first is not None:
            yield self._first
            self._first = None
        yield from self._frames

    def batches(self) -> Iterator[FlowBatch]:
        """Give a row a packet, or the rows of the exports inside."""
        if self.kind == "capture":
            yield from joined(flows_of(frames, self.counts) for frames in self._all())
        else:
            yield from joined(self._exported())

    def flows(self, change: Change = unchanged) -> Iterator[FlowBatch]:
        """Give the flows that the packets make, or the rows of the exports inside, ordered by end time: exporters hold flows back for minutes."""
        if self.kind == "capture" and change is unchanged:
            return metered_frames(self._all(), self.counts)
        if self.kind == "capture":
            return metered(change(flows_of(frames, self.counts)) for frames in self._all())
        return by_end(super().flows(change), self.counts)

    def _exported(self) -> Iterator[FlowBatch]:
        decoder = self._decoder_factory()
        for frames in self._all():
            for decoded in exports_of(frames, self.exporters, self.counts).decode(decoder):
                self._decoded(decoded.counts.items())
                yield from decoded.batches

    def records(self) -> Iterator[dict[str, Any]]:
        """Give a record a packet, or the records of the exports inside as they were sent."""
        if self.kind == "capture":
            yield from super().records()
            return
        decoder = self._decoder_factory()
        for frames in self._all():
            for datagram, exporter in exports_of(frames, self.exporters, self.counts).each():
                try:
                    yield from decoder.records(datagram, exporter)
                except WireError as error:
                    self.counts[error.reason.value] += 1


class DatagramReading(Reading):
    """Bare export datagrams, one behind the other, without the addresses they came from: all of exporter 0."""

    def __init__(self, source: Input, decoder_factory: Callable[[], Decoder]) -> None:
        """The decoder is asked for when reading begins."""
        super().__init__(source, "export datagrams")
        self._decoder_factory = decoder_factory

    def _split(self) -> list[bytes]:
        content = b""
        for chunk in self.chunks():
            content += chunk
            if len(content) > DATAGRAMS_LIMIT:
                self.close()
                raise InputError(f"{self.name}: expected at most {DATAGRAMS_LIMIT >> 20} MiB of datagrams, found more")
        if len(content) <= PAYLOAD_LIMIT:
            return split(content)
        found, position = [], 0
        while length := export_length(content, position) if position < len(content) else 0:
            found.append(content[position : position + length])
            position += length
        if position < len(content):
            self.counts[Reason.TRAILING_BYTES.value] += 1
            self.problems.append(f"{self.name}: no export datagram at byte {position} of {len(content)}")
        return found

    def batches(self) -> Iterator[FlowBatch]:
        """Give the rows of all datagrams."""
        datagrams = self._split()
        decoded = decode(self._decoder_factory(), datagrams, np.zeros(len(datagrams), np.uint32), 0)
        self._decoded(decoded.counts.items())
        yield from joined(decoded.batches)

    def flows(self, change: Change = unchanged) -> Iterator[FlowBatch]:
        """Give the rows ordered by end time, as those of a capture of exports."""
        return by_end(super().flows(change), self.counts)

    def records(self) -> Iterator[dict[str, Any]]:
        """Give the records of all datagrams as they were sent."""
        decoder = self._decoder_factory()
        for datagram in self._split():
            try:
                yield from decoder.records(datagram, 0)
            except WireError as error:
                self.counts[error.reason.value] += 1
                self.problems.append(f"{self.name}: {error}")


class NfdumpReading(Reading):
    """A file of nfcapd or nfdump 1.7; what it counts of a sampled exporter is put back to what was sampled."""

    def __init__(self, source: Input, exporters: ExporterNumbers) -> None:
        """The file says which exporters its records are from."""
        super().__init__(source, "nfcapd file")
        self.exporters = exporters

    def batches(self) -> Iterator[FlowBatch]:
        """Give the rows ordered by their end time: nfcapd writes them as they come."""
        yield from by_end(self._walked(), self.counts)

    def _walked(self) -> Iterator[FlowBatch]:
        found = False
        try:
            for batch in nfdump.flows(self.chunks(), self.counts, self.exporters.number):
                found = True
                yield batch
        except WireError as error:
            self._lost(error, refuse=not found)
        finally:
            self.close()


class TableReading(Reading):
    """A flow table; a broken row costs itself, a table of nothing but broken rows is refused."""

    def __init__(self, source: Input, kind: str, places: dict[str, int] | None = None) -> None:
        """Without `places` the header is the first line of what DuckDB reads."""
        super().__init__(source, kind)
        self._places = places

    def batches(self) -> Iterator[FlowBatch]:
        """Give the rows ordered by their end time."""
        chunks = self.chunks()
        places = self._places
        if places is None:
            chunks, places = self._parquet()
        reader = table.CsvTable(self.name, places, self.counts, self.problems)
        rows = 0
        try:
            for batch in by_end(reader.batches(chunks), self.counts):
                rows += len(batch)
                yield batch
        finally:
            self.close()
        if not rows and self.counts["bad_row"]:
            raise InputError(f"{self.name}: none of its {self.counts['bad_row']} rows can be read; {self.problems[0]}")

    def _parquet(self) -> tuple[Iterator[bytes], dict[str, int]]:
        if self._source.path is None:
            raise InputError(f"{self.name}: a Parquet file must be given by name")
        lines = table.parquet(self._source.path, self.name)
        header = next(lines)
        places = table.header_of(header)
        if places is None:
            raise InputError(f"{self.name}: expected columns src, dst and start or end, found {header.decode().strip()[:200]}")
        return _chain(header, lines), places


def open_flows(
    path: str | Path, decoder_factory: Callable[[], Decoder], exporters: ExporterNumbers | None = None
) -> Reading:
    """Open a file (`-`: standard input) and find out what it is; InputError, one line, when it is nothing we read.

    `decoder_factory` gives the decoder for flow exports; give the same one for files that belong together, because
    templates may come in one and their data in the next.
    """
    source = Input(path)
    head = source.head
    walk = CAPTURES.get(head[:4])
    if walk is not None:
        return CaptureReading(source, walk, decoder_factory, exporters or ExporterNumbers())
    if head[:4] == b"PAR1":
        source.close()
        return TableReading(source, "Parquet flow table")
    if head[:2] in nfdump.MAGICS:
        return NfdumpReading(source, exporters or ExporterNumbers())
    places = table.header_of(head)
    if places is not None:
        return TableReading(source, "flow table", places)
    if export_length(head, 0):
        return DatagramReading(source, decoder_factory)
    found = _describe(source)
    source.close()
    raise InputError(f"{source.name}: expected {EXPECTED}, found {found}")


def _describe(source: Input) -> str:
    head = source.head
    if source.fault is not None:
        return f"a compressed file with {source.fault}"
    if not head:
        return "an empty file"
    line = head[:60].split(b"\n", 1)[0]
    if line.isascii() and line.decode("ascii").strip().isprintable():
        return f"text that starts with {line.decode('ascii').strip()!r}"
    return f"bytes that start with {head[:8].hex(' ')}"


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _dicts(batch: FlowBatch) -> Iterator[dict[str, Any]]:
    """Name a row's values as the IPFIX registry does; times keep their microseconds as a fraction."""
    columns = (batch.start_us, batch.end_us, batch.src_hi, batch.src_lo, batch.dst_hi, batch.dst_lo, batch.src_port, batch.dst_port)
    counters = (batch.protocol, batch.flags, batch.packets, batch.bytes, batch.frame)
    for row in zip(*(column.tolist() for column in (*columns, *counters)), strict=True):
        start, end, src_hi, src_lo, dst_hi, dst_lo, src_port, dst_port, protocol, flags, packets, octets, frame = row
        version = 4 if address.is_v4((src_hi, src_lo)) else 6
        record: dict[str, Any] = {
            "frame": frame,
            "flow_start_milliseconds": start / 1000,
            "flow_end_milliseconds": end / 1000,
            f"source_ipv{version}_address": address.text(src_hi, src_lo),
            f"destination_ipv{version}_address": address.text(dst_hi, dst_lo),
            "protocol_identifier": protocol,
            "packet_delta_count": packets,
            "octet_delta_count": octets,
        }
        if protocol in {1, 58}:
            record[f"icmp_type_code_ipv{version}"] = dst_port
        else:
            record |= {"source_transport_port": src_port, "destination_transport_port": dst_port}
        if protocol == 6:
            record["tcp_control_bits"] = flags
        yield record
