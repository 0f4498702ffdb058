"""What softflowd and our own export send is counted here as Debian's nfcapd and sfcapd count it, record by record."""

import socket
import threading
import time
from collections import Counter

import numpy as np
import pytest

from abusewatch.model import address
from abusewatch.model.flow import concat
from abusewatch.sources.encode import encode
from abusewatch.sources.files import open_flows
from abusewatch.sources.udp import UdpSettings, UdpSource
from abusewatch.wire.datagrams import FlowDecoder
from abusewatch.wire.errors import REJECTIONS
from tests.sources import peers

pytestmark = [pytest.mark.peer, pytest.mark.corpus]

VERSIONS = {"netflow5": 5, "netflow9": 9, "ipfix": 10}


def captures(corpus):
    return [p for folder in ("attacks", "benign") for p in sorted((corpus / folder).iterdir())]


def deliver(datagrams, port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for number, datagram in enumerate(datagrams):
            sock.sendto(datagram, ("127.0.0.1", port))
            if number % 20 == 0:
                time.sleep(0.001)


def ours(datagrams):
    """Through the daemon's socket, ring and decoder. Sent = decoded + rejected, nothing lost."""
    source, decoder = UdpSource(UdpSettings(port=0, allow=("127.0.0.0/8",))), FlowDecoder()
    source.start()
    try:
        sender = threading.Thread(target=deliver, args=(datagrams, source.addresses[0][1]))
        sender.start()
        batches, decoded, refused = [], 0, 0
        deadline = time.monotonic() + 20
        while decoded + refused < len(datagrams) and time.monotonic() < deadline:
            source.wait(0.05)
            taken = source.take(2048)
            if taken is not None:
                result = decoder.decode(taken.ring, taken.lengths, taken.exporter, taken.received_us)
                source.release(len(taken))
                batches += result.batches
                decoded += result.datagrams
                refused += sum(n for reason, n in result.counts.items() if reason in REJECTIONS)
        sender.join()
    finally:
        source.stop()
    assert (decoded, refused, source.counts().kernel_drops) == (len(datagrams), 0, 0)
    return concat(batches)


def rows(batch):
    sides = [[address.text(*pair) for pair in zip(getattr(batch, f"{e}_hi").tolist(), getattr(batch, f"{e}_lo").tolist(), strict=True)] for e in ("src", "dst")]
    names = ("src_port", "dst_port", "protocol", "flags", "packets", "bytes")
    return Counter(zip(*sides, *(getattr(batch, n).tolist() for n in names), strict=True))


def theirs(datagrams, folder, program="nfcapd"):
    """As nfdump prints what its collector wrote, and the same file as we read it: three witnesses."""
    with peers.collector(folder, program=program) as port:
        deliver(datagrams, port)
    path = peers.written(folder)
    found = Counter()
    for record in peers.said(path):
        src, dst = (record.get(f"{e}4_addr") or record[f"{e}6_addr"] for e in ("src", "dst"))
        icmp = record["proto"] in {1, 58}
        ports = (0, record["icmp_type"] * 256 + record["icmp_code"]) if icmp else (record.get("src_port", 0), record.get("dst_port", 0))
        flags = sum(1 << (7 - place) for place, letter in enumerate(record.get("tcp_flags", "........")) if letter != ".")
        found[src, dst, *ports, record["proto"], flags, record["in_packets"], record["in_bytes"]] += 1
    return found, concat(list(open_flows(path, FlowDecoder).batches()))


@pytest.mark.parametrize("form", VERSIONS)
def test_softflowd_of_every_capture(corpus, form, tmp_path):
    datagrams = [datagram for datagram, _ in peers.softflowd_of(captures(corpus), VERSIONS[form])]
    assert len(datagrams) > 100
    batch = ours(datagrams)
    found, file = theirs(datagrams, tmp_path / "nf")
    assert len(batch) > 1_000
    assert rows(file) == found
    assert rows(batch) == found


def exported(corpus, form, sampling=1):
    """One exporter's datagrams of all captures, one after the other."""
    batches = (batch for path in captures(corpus) for batch in open_flows(path, FlowDecoder).batches())
    return [datagram.payload for datagram in encode(batches, form, sampling, packets=True)]


@pytest.mark.parametrize("form", VERSIONS)
def test_our_export_of_every_capture(corpus, form, tmp_path):
    datagrams = exported(corpus, form)
    batch = ours(datagrams)
    found, _ = theirs(datagrams, tmp_path / "nf")
    assert len(batch) > 40_000
    assert rows(batch) == found


@pytest.mark.parametrize("form", VERSIONS)
def test_they_take_the_sampling_rate_we_announce(corpus, form, tmp_path):
    datagrams = exported(corpus, form, 100)
    batch = ours(datagrams)
    assert set(batch.sampling_rate.tolist()) == {100}
    found, _ = theirs(datagrams, tmp_path / "nf")
    assert rows(batch.with_columns(packets=batch.packets * np.uint64(100), bytes=batch.bytes * np.uint64(100))) == found


@pytest.mark.parametrize("sampling", [1, 100])
def test_our_sflow_of_every_capture(corpus, sampling, tmp_path):
    """sfcapd counts the octets of frames, with 14 of Ethernet and 4 of check sequence; here they are of the IP packet. It multiplies by the rate."""
    datagrams = exported(corpus, "sflow", sampling)
    batch = ours(datagrams)
    found, _ = theirs(datagrams, tmp_path / "sf", "sfcapd")
    packets, octets = (sum(row[place] * times for row, times in found.items()) for place in (-2, -1))
    assert len(batch) > 40_000 // sampling
    assert (found.total(), packets) == (len(batch), sampling * int(batch.packets.sum()))
    assert octets == sampling * (int(batch.bytes.sum()) + 18 * len(batch))
