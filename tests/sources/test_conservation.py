"""Every datagram over a real socket is decoded, refused with a reason, or counted by the kernel as dropped: the difference is 0 (reliability row 10).

ABUSEWATCH_DATAGRAMS sets how many are sent: 100,000 here, a million in `make soak` and `make fuzz`.
"""

import json
import os
import subprocess
import sys
import time
from collections import Counter

import pytest

from abusewatch.sources.udp import UdpSettings, UdpSource
from abusewatch.wire.datagrams import FlowDecoder
from abusewatch.wire.errors import REJECTIONS

SENT = int(os.environ.get("ABUSEWATCH_DATAGRAMS", "100000"))
NAPS, NAP_SECS = 10, 0.15
"""The worker is kept from its work so often and so long: ring and socket run over."""


@pytest.fixture
def source():
    """Room for a tenth of a second at the sender's pace."""
    made = UdpSource(UdpSettings(port=0, allow=("127.0.0.1/32",), rcvbuf_bytes=1 << 20, ring_slots=1_024))
    made.start()
    yield made
    made.stop()


def work(source, sender):
    """Decode until the sender has ended and nothing comes any more."""
    decoder, became, rows = FlowDecoder(), Counter(), 0
    quiet, naps = 0, 0
    while quiet < 5:
        if source.wait(0.1):
            taken = source.take(1_024)
            result = decoder.decode(taken.ring, taken.lengths, taken.exporter, taken.received_us)
            source.release(len(taken))
            became["decoded"] += result.datagrams
            became.update({reason.value: count for reason, count in result.counts.items() if reason in REJECTIONS})
            rows += sum(map(len, result.batches))
            quiet = 0
            if source.counts().received > naps * SENT // NAPS:
                naps += 1
                time.sleep(NAP_SECS)
        elif sender.poll() is not None:
            quiet += 1
    return became, rows


def test_sent_is_decoded_and_refused_and_dropped(source, root, capsys):
    command = [sys.executable, "-m", "tests.sources.blaster", str(source.addresses[0][1]), str(SENT), "10"]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as sender:
        became, rows = work(source, sender)
        sent = json.loads(sender.stdout.read())
    counts = source.counts()
    became.update(unlisted=counts.unlisted, oversized=counts.oversized, kernel_drops=counts.kernel_drops)
    with capsys.disabled():
        sys.stdout.write(f"\n{SENT} datagrams sent: {dict(became)}, {rows} flows, difference {SENT - became.total()}\n")
    assert sum(sent.values()) == SENT
    assert became.total() == SENT
    assert counts.exporters_full == counts.waiting == 0
    # That the sum can miss something: there was overflow, and a part of each kind came through.
    assert became["kernel_drops"] > 1_000
    assert became["decoded"] > 0.3 * SENT
    assert 0 < became["unlisted"] <= sent["unlisted"]
    assert 0 < became["oversized"] <= sent["oversized"]
    assert {"empty", "unknown_version", "truncated", "bad_length", "bad_set"} <= set(became)
