"""What is fuzzed: one function for each decoder, and the inputs to begin with, made by our own encoders and by hand.

A target may raise WireError; anything else that escapes is a crash.
"""

import bz2
import struct
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from unittest import mock

import numpy as np

from abusewatch.sources import table
from abusewatch.sources.compress import InputError
from abusewatch.sources.files import open_flows
from abusewatch.wire import nfdump, packet, payload, pcap, pcapng
from abusewatch.wire.datagrams import FlowDecoder, split
from abusewatch.wire.errors import REJECTIONS, WireError
from abusewatch.wire.linktypes import LINK_TYPES
from abusewatch.wire.lz import lz4, lzo
from tests.sources.test_files import CAPTURE, DATA, PACKERS, PCAPNG, TABLE, TEMPLATE, V5, udp_capture
from tests.wire import exports_by_hand as wire
from tests.wire import frames_by_hand as hand
from tests.wire import nfdump_by_hand as files
from tests.wire.test_compiled import same_frames, same_headers
from tests.wire.test_fuzz_flow import seeds
from tests.wire.test_tunnels import TUNNELS

AT = wire.NOW * 1_000_000
LINKS = sorted(LINK_TYPES)
LIMIT = 1 << 20
SCRATCH = "/dev/shm" if Path("/dev/shm").is_dir() else None


def datagrams(data):
    """Part an input into datagrams, each behind two octets: whose it is and how it is to be mended, and its length by eights."""
    found = []
    while len(data) > 2 and len(found) < 64:
        marks, size = data[0], data[1] * 8 - (data[0] >> 4 & 7)
        found.append((marks, data[2 : 2 + max(size, 0)]))
        data = data[2 + max(size, 0) :]
    return found


def joined(parts, exporter=0):
    return b"".join(bytes((exporter | (-len(part) % 8) << 4, -(-len(part) // 8))) + part for part in parts)


def compared(parts):
    """Decode datagrams of (exporter, octets) in two rings and one by one: each is decoded or refused, both ways find the same, and rows hold together."""
    together, alone = FlowDecoder(), FlowDecoder()
    for half in (parts[: len(parts) // 2], parts[len(parts) // 2 :]):
        if not half:
            continue
        octets, lengths = wire.ring([part for _, part in half], slot=64)
        decoded = together.decode(octets, lengths, np.array([exporter for exporter, _ in half], np.uint32), AT)
        refused = sum(n for r, n in decoded.counts.items() if r in REJECTIONS)
        assert decoded.datagrams + refused == len(half)
        assert all((batch.start_us <= batch.end_us).all() for batch in decoded.batches)
        shown = [one_by_one(alone, part, exporter) for exporter, part in half]
        assert (shown.count(None), sum(n for n in shown if n is not None)) == (refused, decoded.records)
    kept = together.save(str, AT)
    assert FlowDecoder().load(kept, int, AT) == sum(len(d.templates) for d in together._store.live())


def one_by_one(decoder, datagram, exporter):
    try:
        return sum(1 for _ in decoder.records(datagram, exporter, AT))
    except WireError:
        return None


def ring(data):
    """Datagrams of any version and of three exporters."""
    compared([(marks % 3, part) for marks, part in datagrams(data)])


def exports(version):
    """Datagrams of one version, whatever their first octets; an IPFIX message says its true length, unless the uppermost mark is set."""

    def target(data):
        parts = []
        for marks, part in datagrams(data):
            length = (2 + len(part)).to_bytes(2, "big") if version == 10 and marks < 0x80 else part[:2]
            parts.append((marks % 3, version.to_bytes(2, "big") + length + part[2:]))
        compared(parts)

    return target


def sflow(data):
    """One datagram behind an sFlow head, alone and so often that it is walked in lock step: both ways find the same."""
    datagram = b"\0\0\0\5\0\0\0\1" + data
    alone = wire.feed(FlowDecoder(), [datagram])
    many = wire.feed(FlowDecoder(), [datagram[:16] + struct.pack(">I", n) + datagram[20:] for n in range(50)])
    assert (one_by_one(FlowDecoder(), datagram, 0) or 0) == alone.records
    assert many.records == 50 * alone.records
    assert sum(map(len, many.batches)) == 50 * sum(map(len, alone.batches))


def packet_(data):
    """One packet of a link type that the first octet chooses; where it is compiled, the twin in numpy finds the same (and shows the fuzzer its way)."""
    if data:
        parse = packet.parse if packet.KERNEL is None else same_headers
        parse(np.frombuffer(data, np.uint8), np.array([1]), np.array([len(data) - 1]), LINKS[data[0] % len(LINKS)])


def walked(walk):
    """A capture file in pieces, as it is compiled and in numpy."""

    def target(data):
        with suppress(WireError):
            for frames in walk([data[i : i + 50] for i in range(0, len(data), 50)]):
                assert (frames.offset + frames.captured <= len(frames.buffer)).all()
                for kind in set(frames.linktype.tolist()) & set(LINKS):
                    rows = np.flatnonzero(frames.linktype == kind)
                    packet.parse(frames.buffer, frames.offset[rows], frames.captured[rows], kind, frames.original[rows])
        if packet.KERNEL is not None:
            same_frames(walk, data, 50)

    return target


def nfdump_(data):
    """With small blocks: what 16 MiB of zeros cost, a handful of octets once compressed, is known (tests/wire/test_nfdump.py)."""
    with suppress(WireError), mock.patch.object(nfdump, "BLOCK_LIMIT", 1 << 16):
        list(nfdump.flows([data[i : i + 99] for i in range(0, len(data), 99)], Counter(), lambda _: 1))


def expanded(expand):
    def target(data):
        with suppress(WireError):
            assert len(expand(data, LIMIT)) <= LIMIT

    return target


def bare(data):
    """Files of datagrams: where each ends."""
    at = 0
    while at < len(data) and (length := payload.export_length(data, at)):
        assert 0 < length <= len(data) - at
        at += length
    assert b"".join(split(data)) == data


def remembered(data):
    with suppress(WireError):
        FlowDecoder().load(data, {"192.0.2.1": 1}.get, AT)


def csv(data):
    """A flow table, header and all."""
    places = table.header_of(data)
    if places is not None:
        list(table.CsvTable("fuzz", places, Counter(), []).batches([data]))


def file(data):
    """Any file, compressed or not, as `replay` opens it: rows, a problem that is told, or one clear error. Parquet is DuckDB's to read, and left out."""
    left_out = mock.patch.object(table, "parquet", side_effect=InputError("Parquet"))
    with tempfile.NamedTemporaryFile(dir=SCRATCH) as scratch, left_out:
        scratch.write(data)
        scratch.flush()
        for read in ("batches", "records"):
            with suppress(InputError):
                for _ in getattr(open_flows(scratch.name, FlowDecoder), read)():
                    pass


def told():
    decoder = FlowDecoder()
    for datagram in seeds():
        with suppress(WireError):
            list(decoder.records(datagram, 1, AT))
    return decoder.save(lambda _: "192.0.2.1", AT)


FLOWS = [joined([one]) for one in seeds()] + [joined(seeds()[1:3]), joined(seeds()[3:8]), joined(seeds())]


def begun(version):
    """Begin with all datagrams of a version at once, with each alone, and with a template of one exporter before records of another."""
    mine = [one[2:] for one in seeds() if one[:2] == version.to_bytes(2, "big")]
    return [joined(mine), *(joined([one]) for one in mine), joined(mine[:1], 1) + joined(mine, 2)]


BLOCK = files.exporter("203.0.113.1") + files.sampler() + files.flow(wire.A, wire.B, flags=2) + files.flow("2001:db8::1", "2001:db8::2")
FRAMES = [hand.ethernet(hand.ipv4(hand.tcp())), hand.ethernet(hand.ipv6(hand.udp(), 17), 0x86DD), hand.ethernet(hand.ipv4(hand.udp(), 17), tags=((0x88A8, 1), (0x8100, 2)))]

TARGETS = {
    "netflow9": (exports(9), begun(9)),
    "ipfix": (exports(10), begun(10)),
    "netflow5": (exports(5), begun(5)),
    "sflow": (sflow, [one[8:] for one in seeds()[-2:-1]] + [wire.sflow(wire.sample((1001, bytes(16)), wire.raw(f)), wire.sample(kind=2))[8:] for f in FRAMES]),
    "packet": (packet_, [bytes([LINKS.index(1)]) + f for f in FRAMES] + [bytes([LINKS.index(101)]) + outer for outer, _, _ in TUNNELS.values()]),
    "pcap": (walked(pcap.frames), [hand.pcap(FRAMES), hand.pcap(FRAMES, order=">"), hand.pcap(FRAMES, magic=0xA1B23C4D)]),
    "pcapng": (walked(pcapng.frames), [hand.section(o) + hand.interface(order=o) + hand.enhanced(FRAMES[0], 10**15, order=o) + hand.simple(FRAMES[1], o) for o in "<>"]),
    "nfdump": (nfdump_, [files.file(BLOCK, BLOCK), files.file(bz2.compress(BLOCK), compression=2)]),
    "lz4": (expanded(lz4), [b"\x50hello", b"\x4fabcd\x04\x00\xff\x01\x10!"]),
    "lzo": (expanded(lzo), [b"\x16hello\x11\0\0", b"\x16abcde\x29\x10\0\x11\0\0"]),
    "ring": (ring, FLOWS),
    "bare": (bare, [seeds()[0], seeds()[1] + seeds()[2], seeds()[4] + seeds()[7], seeds()[8]]),
    "remembered": (remembered, [told()]),
    "file": (file, [wrap(one) for one in (CAPTURE, PCAPNG, TABLE, V5 + TEMPLATE + DATA, udp_capture(V5, DATA)) for wrap in (bytes, *PACKERS.values())]),
    "csv": (csv, [
        b"start,end,src,dst,sport,dport,proto,pkts,bytes,flags\n1,2.5,192.0.2.1,198.51.100.7,1,22,6,3,180,.AP.SF\n",
        b"ts,te,sa,da,sp,dp,pr,flg,ipkt,ibyt\n2026-11-01 10:00:00,2026-11-01 10:00:01,2001:db8::1,2001:db8::2,1,3.3,ICMP6,........,1,60\n",
    ]),
}  # fmt: skip


def breaks(data):
    assert b"\xff" not in data


def hangs(data):
    while b"\xff" in data:
        pass


def dawdles(data):
    began = time.process_time()
    while time.process_time() - began < 0.1:
        pass


CONTROLS = {name: (target, [b"\xff"]) for name, target in (("breaks", breaks), ("hangs", hangs), ("dawdles", dawdles))}
"""What the fuzzer must find fault with; fuzzed only when asked for by name."""
