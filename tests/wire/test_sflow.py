"""sFlow version 5: samples, expanded samples, what agents put in them, and what is counted instead of decoded."""

import struct

import pytest

from abusewatch.model import address
from abusewatch.wire.datagrams import FlowDecoder
from abusewatch.wire.errors import Reason
from tests.wire import exports_by_hand as wire

SWITCH = (1001, bytes(16))


@pytest.fixture
def decoder():
    return FlowDecoder()


@pytest.mark.parametrize("copies", [1, 100])
@pytest.mark.parametrize("expanded", [False, True])
@pytest.mark.parametrize("records", [(wire.raw(wire.frame(vlan=True)),), (SWITCH, wire.raw(wire.frame(vlan=True))), ((5, b"abc\0"), SWITCH, wire.raw(wire.frame()))])
def test_flow_samples(decoder, records, expanded, copies):
    """One packet of 40 octets in a frame of 1,000, one in 512: alone, and so many at once that they are walked in lock step."""
    datagrams = [wire.sflow(wire.sample(*records, expanded=expanded), sequence=n) for n in range(copies)]
    rows = wire.rows(wire.feed(decoder, datagrams))
    assert len(rows) == copies
    row = rows[0]
    assert (address.text(row["src_hi"], row["src_lo"]), address.text(row["dst_hi"], row["dst_lo"])) == (wire.A, wire.B)
    assert [row[n] for n in ("src_port", "dst_port", "protocol", "flags", "packets", "bytes")] == [40000, 443, 6, 2, 1, 40]
    assert [row[n] for n in ("sampling_rate", "input_if", "output_if", "start_us", "end_us")] == [512, 3, 4, wire.NOW * 1_000_000, wire.NOW * 1_000_000]
    assert decoder.accounts[0].datagrams == copies
    assert decoder.accounts[0].lost == 0


@pytest.mark.parametrize("copies", [1, 100])
def test_the_frame_counts_where_the_packet_has_no_length_and_an_unknown_rate_is_unknown(decoder, copies):
    """Segmentation offload leaves the length of an IP packet zero; an agent that does not know its rate says 0."""
    frame = wire.frame()
    frame = frame[:16] + b"\0\0" + frame[18:]
    rows = wire.rows(wire.feed(decoder, [wire.sflow(wire.sample(wire.raw(frame, octets=9014), rate=0))] * copies))
    assert {(r["bytes"], r["sampling_rate"]) for r in rows} == {(9000, 0)}


def test_interfaces_that_are_none(decoder):
    """The upper two bits of an interface: 1 is a discard, 2 a number of interfaces; 0x3fffffff is the agent itself."""
    samples = [wire.sample(wire.raw(wire.frame()), inside=i, outside=o) for i, o in ((0x3FFFFFFF, 0x40000001), (7, 0x80000003))]
    assert [(r["input_if"], r["output_if"]) for r in wire.rows(wire.feed(decoder, [wire.sflow(*samples)]))] == [(0, 0), (7, 0)]


def test_sampled_addresses_without_a_header(decoder):
    four = (3, struct.pack(">II4s4sIIII", 100, 17, wire.ip(wire.A), wire.ip(wire.B), 5353, 53, 0, 0))
    six = (4, struct.pack(">II16s16sIIII", 200, 6, wire.ip("2001:db8::1"), wire.ip("2001:db8::2"), 1, 22, 0x12, 0))
    one, two = wire.rows(wire.feed(decoder, [wire.sflow(wire.sample(four), wire.sample(six))]))
    found = {(address.text(r["src_hi"], r["src_lo"]), r["protocol"], r["dst_port"], r["bytes"], r["flags"]) for r in (one, two)}
    assert found == {(wire.A, 17, 53, 100, 0), ("2001:db8::1", 6, 22, 200, 0x12)}


def test_what_is_no_flow_is_counted(decoder):
    samples = [
        wire.sample(kind=2), wire.sample(kind=4), wire.sample(kind=5), wire.sample(SWITCH),
        wire.sample(wire.raw(bytes(12) + b"\x08\x06" + bytes(28))), wire.sample(wire.raw(wire.frame()[:20])), wire.sample(wire.raw(wire.frame(), protocol=3)),
    ]  # fmt: skip
    decoded = wire.feed(decoder, [wire.sflow(*samples)])
    assert (decoded.records, decoded.batches) == (7, ())
    assert decoded.counts == {Reason.COUNTER_SAMPLE: 2, Reason.NOT_A_FLOW: 3, Reason.BAD_FRAME: 2}


def test_a_sample_that_does_not_fit_ends_its_datagram(decoder):
    good = wire.sample(wire.raw(wire.frame()))
    decoded = wire.feed(decoder, [wire.sflow(good, struct.pack(">II", 1, 5000)), wire.sflow(good, sequence=1)[:-1]])
    assert (decoded.datagrams, decoded.records, decoded.counts) == (2, 1, {Reason.BAD_SAMPLE: 2})


def test_agents_are_told_apart(decoder):
    """Two agents behind one address each count on their own."""
    datagrams = [wire.sflow(sequence=n, agent=agent, sub_agent=sub) for n in (1, 2) for agent, sub in (("203.0.113.1", 0), ("203.0.113.2", 0), ("2001:db8::1", 9))]
    wire.feed(decoder, datagrams)
    assert [(a.datagrams, a.lost, a.duplicates) for a in decoder.accounts] == [(2, 0, 0)] * 3


def test_the_reference_names_what_was_sampled():
    flow, counters = FlowDecoder().records(wire.sflow(wire.sample(SWITCH, wire.raw(wire.frame())), wire.sample(kind=2)))
    assert (flow["sample"], flow["source_ipv4_address"], flow["destination_transport_port"], flow["tcp_control_bits"]) == ("flow", wire.A, 443, 2)
    assert (flow["sampling_packet_interval"], flow["data_link_frame_size"], flow["ip_total_length"], counters["sample"]) == (512, 1000, 40, "counters")
