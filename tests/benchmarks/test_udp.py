"""The measuring tools measure what they say: the stream's mix, and a sender that dates and numbers what it sends to loopback."""

import json
import socket
import struct
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from abusewatch.inventory import of_prefixes
from abusewatch.model.flow import concat
from abusewatch.wire.datagrams import FlowDecoder
from benchmarks import stream, udp
from tests.needs import missing, need


@pytest.fixture(scope="module")
def sender(root, tmp_path_factory):
    """The load generator, compiled."""
    need("gcc")
    if not Path("/usr/include/arpa/inet.h").exists():
        missing("libc6-dev is not installed")
    made = tmp_path_factory.mktemp("sender") / "sender"
    subprocess.run(["gcc", "-O2", "-o", made, root / "benchmarks" / "sender.c"], check=True)
    return made


def test_the_stream_has_both_directions_and_no_record_without_a_customer():
    (batch,) = stream.records(20_000)
    directions = {d.name: n for d, n in of_prefixes(stream.OWN).label(batch)[1].items()}
    assert len(batch) == 20_000
    assert directions["INBOUND"] == pytest.approx(8_700, rel=0.05)
    assert directions["TRANSIT"] == 0
    assert int(batch.packets.min()) > 0


@pytest.mark.parametrize("form", ["netflow5", "netflow9", "ipfix"])
def test_the_sender_repeats_the_stream_as_one_exporter_in_real_time(sender, form, tmp_path):
    datagrams, _ = stream.write(tmp_path / "stream", form, 400)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(5)
        command = [sender, str(receiver.getsockname()[1]), tmp_path / "stream", "400", "0.1"]
        said = json.loads(subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout)
        payloads = [receiver.recv(2000) for _ in range(said["sent"])]
    assert said["sent"] == 40 > datagrams
    ring = np.zeros((40, 1500), np.uint8)
    for row, payload in zip(ring, payloads, strict=True):
        row[: len(payload)] = np.frombuffer(payload, np.uint8)
    decoder = FlowDecoder()
    now = time.time_ns() // 1000
    batch = concat(decoder.decode(ring, np.array([len(p) for p in payloads], np.uint32), np.ones(40, np.uint32), now).batches)
    assert len(batch) == said["records"]
    assert np.abs(batch.end_us - now).max() < 10_000_000
    (account,) = decoder.accounts
    assert account.lost == 0
    ends = np.stack((batch.src_lo, batch.dst_lo, batch.src_port, batch.dst_port))
    assert len(np.unique(ends, axis=1).T) > 0.9 * len(batch), "each round brings new conversations"
    assert set(batch.dst_port[batch.dst_port < 1024].tolist()) == set(batch.dst_port[:400][batch.dst_port[:400] < 1024].tolist())


def test_the_sender_refuses_what_is_out_of_bounds(sender, tmp_path):
    (tmp_path / "stream").write_bytes(struct.pack("=III", 24, 0, 0) + bytes(24))
    for rate, seconds in (("0", "1"), ("2000000", "1"), ("1", "1000")):
        assert subprocess.run([sender, "9", tmp_path / "stream", rate, seconds], capture_output=True, check=False).returncode == 2


@pytest.mark.parametrize("most", [700, 31_000, 77_123])
@pytest.mark.parametrize("worse_when_long", [1.0, 0.8])
def test_the_search_comes_near_what_a_collector_can_take(monkeypatch, most, worse_when_long):
    def run(name, path, rate, seconds):
        able = rate <= most * (worse_when_long if seconds > 5 else 1)
        return udp.Run(rate, seconds, rate, rate, 0 if able else 9, 0.5 * seconds, 1, settled=True)

    monkeypatch.setattr(udp, "run", run)
    best, failed = udp.highest("any", Path("stream"), 2.5, 20, say=lambda _: None)
    assert 0.95 * most * worse_when_long < best.rate <= most * worse_when_long < failed.rate
