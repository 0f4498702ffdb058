"""The marked traffic is what it says: marks stand in it, and the decoders read it."""

import numpy as np

from abusewatch.cli import marked
from abusewatch.cli.inputs import Inputs
from abusewatch.cli.marked import Marks
from abusewatch.wire.datagrams import FlowDecoder, is_export

MARKS = Marks("mark0123456789ab")


def test_every_mark_stands_in_what_is_sent(tmp_path):
    packets = marked.attack(MARKS, 1_793_527_203_000_000)
    capture, talk = marked.capture(packets), marked.sflow(list(marked.in_clear(MARKS)))
    assert all(mark in capture + talk for mark in MARKS.all().values())
    assert len(set(MARKS.all().values())) == 8
    path = tmp_path / "a.pcap"
    path.write_bytes(capture)
    flows = list(Inputs([str(path)]).flows())
    assert sum(len(batch) for batch in flows) >= 2 * marked.SESSIONS * 4


def test_the_talk_is_sflow_that_is_read():
    datagram = marked.sflow(list(marked.in_clear(MARKS)))
    assert is_export(datagram)
    exporter = np.zeros(1, np.uint32)
    ring = np.frombuffer(datagram, np.uint8).reshape(1, -1)
    decoded = FlowDecoder().decode(ring, np.array([len(datagram)], np.uint32), exporter, 1_793_527_203_000_000)
    assert sum(len(batch) for batch in decoded.batches) == 4
