"""sFlow version 5 (sflow.org/sflow_version_5.txt): one flow sample a packet, with a raw packet header made of its columns.

The columns hold header fields and no payload, so the header ends where a payload would begin. sFlow has no clock but
the exporter's uptime; a collector dates a sample by its arrival, so the pace of sending is all that says when, and
an agent holds no sample back for longer than a second.
"""

import struct
from collections import Counter
from collections.abc import Iterator

import numpy as np

from abusewatch.model.flow import U8, FlowBatch
from abusewatch.sources.encode.datagram import LIMIT_BYTES, Datagram, fill, is_v4

DATAGRAM = struct.Struct(">II4sIIII")
SAMPLE = struct.Struct(">IIIIIIIIIIIIIIII")
AGENT = bytes([127, 0, 0, 1])
FLOW_SAMPLE, RAW_HEADER, ETHERNET = 1, 1, 1
CHECK_BYTES = 4
"""The frame check sequence, which `frame_length` counts and the header does not hold ("stripped")."""
ETHERNET_BYTES = 14
HELD_US = 1_000_000
"""How long a sample waits for others to share its datagram, at most."""

TCP, UDP = 6, 17
ICMP = (1, 58)
TRANSPORT_BYTES = {TCP: 20, UDP: 8, 1: 8, 58: 8}

_ETHERNET = [("macs", "V12"), ("type", ">u2")]
_TRANSPORT = [("src_port", ">u2"), ("dst_port", ">u2"), ("rest", "u1", 16)]
V4 = np.dtype([
    *_ETHERNET, ("version", "u1"), ("tos", "u1"), ("length", ">u2"), ("id", ">u2"), ("fragment", ">u2"), ("ttl", "u1"), ("protocol", "u1"),
    ("checksum", ">u2"), ("src", ">u4"), ("dst", ">u4"), *_TRANSPORT,
])  # fmt: skip
V6 = np.dtype([
    *_ETHERNET, ("version", "u1"), ("label", "u1", 3), ("length", ">u2"), ("protocol", "u1"), ("ttl", "u1"), ("src_hi", ">u8"), ("src_lo", ">u8"),
    ("dst_hi", ">u8"), ("dst_lo", ">u8"), *_TRANSPORT,
])  # fmt: skip
TTL = 64


class Sflow:
    """An agent with one source of samples."""

    def __init__(self, rate: int, domain: int, skipped: Counter[str]) -> None:
        """Announce `rate` in every sample; `domain` becomes the sub-agent. Nothing is ever skipped."""
        del skipped
        self._rate = rate
        self._domain = domain
        self._sequence = 0
        self._samples = 0
        self._first_us: int | None = None

    def encode(self, batch: FlowBatch) -> Iterator[Datagram]:
        """Make datagrams of the rows, each of which is one packet."""
        if not len(batch):
            return
        if self._first_us is None:
            self._first_us = int(batch.start_us.min())
        headers = packet_headers(batch)
        sizes = np.array([SAMPLE.size + len(h) + -len(h) % 4 for h in headers], np.int64)
        at_us = np.maximum.accumulate(batch.end_us)
        for run in fill(sizes, LIMIT_BYTES - DATAGRAM.size, np.searchsorted(at_us, at_us + HELD_US, side="right")):
            rows = batch.take(run)
            columns = (rows.bytes.tolist(), rows.input_if.tolist(), rows.output_if.tolist(), headers[run])
            samples = [self._sample(*row) for row in zip(*columns, strict=True)]
            newest_us = int(rows.end_us.max())
            yield Datagram(self._header(newest_us, len(samples)) + b"".join(samples), newest_us, len(samples))

    def _header(self, newest_us: int, count: int) -> bytes:
        self._sequence += 1
        uptime_ms = (newest_us - (self._first_us or 0)) // 1000 & 0xFFFF_FFFF
        return DATAGRAM.pack(5, 1, AGENT, self._domain, self._sequence & 0xFFFF_FFFF, uptime_ms, count)

    def _sample(self, size: int, input_if: int, output_if: int, header: bytes) -> bytes:
        self._samples += 1
        content = header + bytes(-len(header) % 4)
        pool = self._samples * self._rate & 0xFFFF_FFFF
        return (
            SAMPLE.pack(
                *(FLOW_SAMPLE, SAMPLE.size - 8 + len(content), self._samples & 0xFFFF_FFFF, input_if & 0xFF_FFFF),
                *(self._rate, pool, 0, input_if & 0x3FFF_FFFF, output_if & 0x3FFF_FFFF, 1),
                *(RAW_HEADER, 16 + len(content), ETHERNET, ETHERNET_BYTES + size + CHECK_BYTES, CHECK_BYTES, len(header)),
            )
            + content
        )


def packet_headers(batch: FlowBatch) -> list[bytes]:
    """Write each row's Ethernet, IP and transport header, no longer than the packet was."""
    headers: list[bytes] = [b""] * len(batch)
    v4 = is_v4(batch)
    for mask, write, layout in ((v4, _write_v4, V4), (~v4, _write_v6, V6)):
        rows = batch.take(mask)
        content = write(rows).tobytes()
        ip_bytes = layout.itemsize - 20
        ends = zip(np.flatnonzero(mask).tolist(), rows.protocol.tolist(), rows.bytes.tolist(), strict=True)
        for number, (place, protocol, size) in enumerate(ends):
            start = number * layout.itemsize
            length = min(ip_bytes + TRANSPORT_BYTES.get(protocol, 0), max(ETHERNET_BYTES + size, ip_bytes))
            headers[place] = content[start : start + length]
    return headers


_Headers = np.ndarray[tuple[int], np.dtype[np.void]]


def _write_v4(rows: FlowBatch) -> _Headers:
    headers = np.zeros(len(rows), V4)
    headers["type"] = 0x0800
    headers["version"] = 0x45
    headers["length"] = np.minimum(rows.bytes, np.uint64(0xFFFF))
    headers["src"] = rows.src_lo & np.uint64(0xFFFF_FFFF)
    headers["dst"] = rows.dst_lo & np.uint64(0xFFFF_FFFF)
    _write_rest(headers, rows, np.minimum(rows.bytes, np.uint64(0xFFFF)), 20)
    words = headers.view(np.uint8).reshape(len(rows), V4.itemsize)[:, ETHERNET_BYTES : ETHERNET_BYTES + 20]
    total = np.ascontiguousarray(words).view(">u2").astype(np.uint32).sum(axis=1)
    total = (total & 0xFFFF) + (total >> 16)
    headers["checksum"] = ~((total & 0xFFFF) + (total >> 16)) & 0xFFFF
    return headers


def _write_v6(rows: FlowBatch) -> _Headers:
    headers = np.zeros(len(rows), V6)
    headers["type"] = 0x86DD
    headers["version"] = 0x60
    size = np.minimum(rows.bytes, np.uint64(0xFFFF + 40))
    headers["length"] = np.maximum(size, np.uint64(40)) - np.uint64(40)
    for name in ("src_hi", "src_lo", "dst_hi", "dst_lo"):
        headers[name] = getattr(rows, name)
    _write_rest(headers, rows, size, 40)
    return headers


def _write_rest(headers: _Headers, rows: FlowBatch, size: np.ndarray[tuple[int], np.dtype[np.uint64]], ip_bytes: int) -> None:
    """Write what both families share; `size` is the IP packet's."""
    headers["ttl"] = TTL
    headers["protocol"] = rows.protocol
    icmp = np.isin(rows.protocol, ICMP)
    # ICMP begins with type and code, which the model keeps together in dst_port.
    headers["src_port"] = np.where(icmp, rows.dst_port, rows.src_port)
    headers["dst_port"] = np.where(icmp, 0, rows.dst_port)
    rest: U8 = headers["rest"]
    tcp = rows.protocol == TCP
    rest[:, 8] = np.where(tcp, 0x50, 0)  # data offset: five words
    rest[:, 9] = np.where(tcp, rows.flags, 0)
    udp = rows.protocol == UDP
    payload = np.maximum(size, np.uint64(ip_bytes)) - np.uint64(ip_bytes)
    rest[:, 0] = np.where(udp, payload >> np.uint64(8), 0)
    rest[:, 1] = np.where(udp, payload & np.uint64(0xFF), 0)
