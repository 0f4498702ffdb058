"""Each field of each record that tshark knows as well has the same value here, for the exports of real routers."""

import json
import re
import struct
import subprocess
from datetime import UTC, datetime, timedelta

import pytest

from abusewatch.wire.datagrams import FlowDecoder
from tests.sources import peers
from tests.wire.test_corpus_exports import WRONG_FILE, datagrams, sets

pytestmark = [pytest.mark.peer, pytest.mark.corpus]

NAMES = {
    "srcaddr": "source_ipv4_address", "dstaddr": "destination_ipv4_address", "srcaddrv6": "source_ipv6_address", "dstaddrv6": "destination_ipv6_address",
    "nexthop": "ip_next_hop_ipv4_address", "inputint": "ingress_interface", "outputint": "egress_interface", "packets": "packet_delta_count",
    "octets": "octet_delta_count", "srcport": "source_transport_port", "dstport": "destination_transport_port", "protocol": "protocol_identifier",
    "tos": "ip_class_of_service", "srcas": "bgp_source_as_number", "dstas": "bgp_destination_as_number", "srcmask": "source_ipv4_prefix_length",
    "dstmask": "destination_ipv4_prefix_length", "tcpflags": "tcp_control_bits", "permanent_octets": "octet_total_count",
    "permanent_packets": "packet_total_count", "direction": "flow_direction", "srcmac": "source_mac_address", "dstmac": "destination_mac_address",
    "post_srcmac": "post_source_mac_address", "post_dstmac": "post_destination_mac_address", "ip_version": "ip_version", "biflow_direction": "biflow_direction",
    "octets_exp": "exported_octet_total_count", "packets_exp": "exported_message_total_count", "flows_exp": "exported_flow_record_total_count",
    "sampling_interval": "sampling_interval", "sampling_algorithm": "sampling_algorithm", "icmp_ipv4_type": "icmp_type_ipv4",
    "icmp_ipv4_code": "icmp_code_ipv4", "post_natsource_ipv4_address": "post_nat_source_ipv4_address", "if_name": "interface_name",
    "post_natdestination_ipv4_address": "post_nat_destination_ipv4_address", "if_descr": "interface_description", "flow_end_reason": "flow_end_reason",
    "post_naptsource_transport_port": "post_napt_source_transport_port", "post_naptdestination_transport_port": "post_napt_destination_transport_port",
    "tcp_seq_num": "tcp_sequence_number", "vlanid": "vlan_id", "srcmask_v6": "source_ipv6_prefix_length", "dstmask_v6": "destination_ipv6_prefix_length",
    "nexthop_v6": "ip_next_hop_ipv6_address", "flowlabel": "flow_label_ipv6", "octets_post": "post_octet_delta_count", "packets_post": "post_packet_delta_count",
}  # fmt: skip
"""tshark's names where they are not the registry's in snake case."""


def capture(parts, linktype=101):
    frames = b""
    for part in parts:
        udp = struct.pack(">HHHH", 4000, 2055, 8 + len(part), 0) + part
        packet = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, b"\x7f\0\0\1", b"\x7f\0\0\1") + udp
        frames += struct.pack("<IIII", 1_700_000_000, 0, len(packet), len(packet)) + packet
    return struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, linktype) + frames


def records(tree):
    """The flow records in tshark's tree of one datagram, in order, each a flat dictionary of texts."""
    for key, value in tree.items():
        if re.match(r"(pdu|Flow) \d", key):
            yield dict(leaves(value))
        elif isinstance(value, dict):
            yield from records(value)


def leaves(tree):
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from leaves(value)
        elif isinstance(value, str) and key.startswith("cflow."):
            yield key.removeprefix("cflow."), value


def same(mine, told):
    if isinstance(mine, bool):
        return mine == (told in {"1", "True"})
    if isinstance(mine, int):
        return mine == int(told, 16 if told.startswith("0x") else 10)
    if mine[:2] == "20" and told[:3].isalpha():
        return datetime.strptime(told[:26].rstrip(), "%b %d, %Y %H:%M:%S.%f").replace(tzinfo=UTC) - datetime.fromisoformat(mine) < timedelta(milliseconds=1)
    if re.fullmatch(r"[0-9a-f]{2}(:[0-9a-f]{2})+", told):
        return mine.replace(":", "") == told.replace(":", "")
    return mine.lower() == told.lower()


def test_every_field_both_know(corpus, tmp_path):
    peers.need("tshark")
    compared, unlike, counts = 0, [], []
    for name, (files, _, _) in sets(corpus).items():
        parts = [part for part in datagrams(files) if part[:2] != b"\0\0"]
        if not parts or name == WRONG_FILE:
            continue
        path = tmp_path / "export.pcap"
        path.write_bytes(capture(parts))
        said = subprocess.run(
            ["tshark", "-r", path, "-d", "udp.port==2055,cflow", "-T", "json", "--no-duplicate-keys"], capture_output=True, text=True, check=True, timeout=60, env=peers.ENVIRONMENT,
        ).stdout  # fmt: skip
        decoder = FlowDecoder()
        for number, (part, frame) in enumerate(zip(parts, json.loads(said), strict=True)):
            mine, told = list(decoder.records(part)), list(records(frame["_source"]["layers"].get("cflow", {})))
            if len(mine) != len(told):
                counts.append((name, number, len(mine), len(told)))
                continue
            for record, other in zip(mine, told, strict=True):
                for field, value in other.items():
                    ours = record.get(NAMES.get(field, field))
                    if ours is not None:
                        compared += 1
                        if not same(ours, value):
                            unlike.append((name, number, field, ours, value))
    assert not counts, "as many records as tshark finds"
    assert not unlike
    assert compared > 2_000
