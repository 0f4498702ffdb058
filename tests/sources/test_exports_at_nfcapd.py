"""Exports of real routers, counted by Debian's nfcapd and sfcapd and here: every column of every record, or a reason why not."""

from collections import Counter

import pytest

from abusewatch.model import address
from abusewatch.model.flow import concat
from abusewatch.wire.datagrams import FlowDecoder
from tests.sources import peers
from tests.sources.test_nfcapd import theirs
from tests.sources.test_peers_agree import deliver
from tests.wire import exports_by_hand as wire
from tests.wire.test_corpus_exports import datagrams, sets

pytestmark = [pytest.mark.peer, pytest.mark.corpus]

COLUMNS = ("src", "dst", "start_ms", "end_ms", "src_port", "dst_port", "protocol", "flags", "packets", "bytes", "input_if", "output_if")
TIMES = ("start_ms", "end_ms")
NO_CLOCK = "nfdump has no time for a record without uptimes or absolute times; here the export or event time stands in"
MULTICAST = "nfdump takes the number of output interfaces for an interface, and no ICMPv6 type"
UNCOMPARED = {
    "logstash: Netflow 5 valid 01": (COLUMNS, "its header counts 2 records, which is its key; nfdump takes all 30 that fit the datagram"),
    "logstash: Netflow 9 valid 01": (("dst_port",), "nfdump 1.7.1 does not take ICMPv6 types from the port"),
    "logstash: Netflow 9 multiple netflow exporters": (("dst_port",), "nfdump 1.7.1 does not take ICMPv6 types from the port"),
    "logstash: Netflow 9 Cisco ASA": (TIMES, NO_CLOCK),
    "logstash: Netflow 9 Fortigate FortiOS 5.2.1": (TIMES, "the record ends a week after it was exported: nfdump believes it, here it is put at its export"),
    "logstash: IPFIX Mikrotik RouterOS 6.39.2": (TIMES, NO_CLOCK),
    "logstash: IPFIX Barracuda firewall": (TIMES, NO_CLOCK),
    "logstash: IPFIX YAF basic with applabel": (("flags",), "nfdump does not know YAF's elements of TCP flags"),
    "telegraf: netflow_v9_options": (("dst_port", "output_if"), MULTICAST),
    "telegraf: sflow_issue_15918": (("dst_port", "output_if"), MULTICAST),
    "pynetflow: v9 softflowd": (TIMES, "an uptime that wrapped: nfdump is 2^32 ms off"),
}
"""Columns that are not compared with nfdump's, by set, and why; docs/decoders.md lists them. Sets of options and counters only have no rows."""


def rows(batch):
    sides = [[address.text(*pair) for pair in zip(getattr(batch, f"{e}_hi").tolist(), getattr(batch, f"{e}_lo").tolist(), strict=True)] for e in ("src", "dst")]
    times = [(getattr(batch, name) // 1_000).tolist() for name in ("start_us", "end_us")]
    return zip(*sides, *times, *(getattr(batch, name).tolist() for name in COLUMNS[4:]), strict=True)


def picked(found, columns):
    return Counter(tuple(value for name, value in zip(COLUMNS, row, strict=True) if name in columns) for row in found)


def at(program, parts, folder):
    with peers.collector(folder, program=program) as port:
        deliver(parts, port)
    return [(*row[:2], row[2] // 1_000, row[3] // 1_000, *row[4:]) for row in theirs(peers.written(folder))]


def test_netflow_and_ipfix(corpus, tmp_path):
    compared = 0
    for number, (name, (files, _, _)) in enumerate(sets(corpus).items()):
        parts = list(datagrams(files))
        batches = wire.feed(FlowDecoder(), parts).batches
        if not batches or parts[0][:2] == b"\0\0":
            continue
        left_out, _ = UNCOMPARED.get(name, ((), ""))
        columns = [column for column in COLUMNS if column not in left_out]
        if columns:
            ours, found = (picked(some, columns) for some in (rows(concat(batches)), at("nfcapd", parts, tmp_path / str(number))))
            answers = ours - found  # nfdump does not take the other direction of a biflow
            assert found - ours == Counter(), name
            assert not answers or any(b"\0\0\x72\x79" in part for part in parts), (name, answers)
            compared += sum(found.values()) * len(columns)
    assert compared > 1_600


def test_sflow(corpus, tmp_path):
    """sfcapd multiplies by the rate and counts the octets of the frame; its times are when it took the datagram."""
    compared = 0
    for number, (name, (files, _, _)) in enumerate(sets(corpus).items()):
        parts = list(datagrams(files))
        batches = wire.feed(FlowDecoder(), parts).batches
        if not batches or parts[0][:2] != b"\0\0":
            continue
        decoder = FlowDecoder()
        frames = sorted(r["data_link_frame_size"] * r["sampling_packet_interval"] for p in parts for r in decoder.records(p) if "ip_total_length" in r)
        batch = concat(batches)
        scaled = batch.with_columns(packets=batch.packets * batch.sampling_rate)
        left_out, _ = UNCOMPARED.get(name, ((), ""))
        columns = [column for column in COLUMNS if column not in {*TIMES, "bytes", *left_out}]
        found = at("sfcapd", parts, tmp_path / str(number))
        assert picked(found, columns) == picked(rows(scaled), columns), name
        assert sorted(row[9] for row in found) == frames, name
        compared += len(found) * (len(columns) + 1)
    assert compared > 200
