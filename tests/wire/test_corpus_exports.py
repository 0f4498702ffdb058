"""Datagrams of real exporters: as many records as their answer keys say, the same values, and both paths agree on each row."""

import csv
import json
import re
from datetime import datetime, timedelta

import dpkt
import pytest

from abusewatch.model import address
from abusewatch.wire.datagrams import FlowDecoder, split
from abusewatch.wire.elements import snake
from tests.wire import exports_by_hand as wire

pytestmark = pytest.mark.corpus

WRONG_FILE = "telegraf: netflow_v9_options"
"""Its message.bin was overwritten by another set's in the corpus: an sFlow datagram of 7 samples where 8 v9 records should be."""

NAMES = {
    "ipv4_src_addr": "source_ipv4_address", "ipv4_dst_addr": "destination_ipv4_address", "ipv4_next_hop": "ip_next_hop_ipv4_address",
    "l4_src_port": "source_transport_port", "l4_dst_port": "destination_transport_port", "protocol": "protocol_identifier",
    "in_pkts": "packet_delta_count", "in_bytes": "octet_delta_count", "out_pkts": "post_packet_delta_count", "out_bytes": "post_octet_delta_count",
    "input_snmp": "ingress_interface", "output_snmp": "egress_interface", "tcp_flags": "tcp_control_bits", "src_tos": "ip_class_of_service",
    "src_as": "bgp_source_as_number", "dst_as": "bgp_destination_as_number", "src_mask": "source_ipv4_prefix_length",
    "dst_mask": "destination_ipv4_prefix_length", "flow_seq_num": "sequence", "flowset_id": "template_id", "direction": "flow_direction",
    "icmp_code": "icmp_code_ipv4", "conn_id": "flow_id", "xlate_src_addr_ipv4": "post_nat_source_ipv4_address",
    "xlate_dst_addr_ipv4": "post_nat_destination_ipv4_address", "fw_event": "firewall_event", "event_time_msec": "observation_time_milliseconds",
    "in_permanent_bytes": "octet_total_count", "flow_start_msec": "flow_start_milliseconds", "username": "user_name", "user_id": "user_name",
    "app_id": "application_name", "if_desc": "interface_description", "sampling_algorithm": "sampling_algorithm",
    "sampling_interval": "sampling_interval", "total_bytes_exp": "exported_octet_total_count", "total_pkts_exp": "exported_message_total_count",
    "total_flows_exp": "exported_flow_record_total_count", "ip_protocol_version": "ip_version", "last_switched": "flow_end_milliseconds",
    "first_switched": "flow_start_milliseconds", "silkAppLabel": "silk_app_label", "reverseInitialTCPFlags": "reverse_initial_tcp_flags",
    "fw_ext_event": "firewall_extended_event", "icmp_type": "icmp_type_ipv4", "xlate_src_port": "post_napt_source_transport_port",
    "xlate_dst_port": "post_napt_destination_transport_port", "scope_system": "scope_system", "flow_active_timeout": "flow_active_timeout",
    "flow_inactive_timeout": "flow_idle_timeout", "bgp_ipv4_next_hop": "bgp_next_hop_ipv4_address", "src_vlan": "vlan_id", "dst_vlan": "post_vlan_id",
    "rev_flow_delta_bytes": "responder_octets", "flows": "delta_flow_count", "ingress_acl_id": "ingress_acl_id", "egress_acl_id": "egress_acl_id",
    "flowTableFlushEventCount": "enterprise_6871_104", "flowTablePeakCount": "enterprise_6871_105", "meanFlowRate": "enterprise_6871_102",
    "meanPacketRate": "enterprise_6871_103", "expiredFragmentCount": "enterprise_6871_100", "assembledFragmentCount": "enterprise_6871_101",
    "version": "version", "out_src_mac": "post_source_mac_address", "out_dst_mac": "post_destination_mac_address",
}  # fmt: skip
"""logstash's names of elements; those it takes from the registry are turned to snake case."""

UNCOMPARED = {
    "engine_type": "half of the observation domain, which is compared with tshark's",
    "engine_id": "half of the observation domain, which is compared with tshark's",
    "flow_records": "of the header; compared with tshark's",
    "sampling_interval": "of the header of v5; compared with tshark's",
    "sampling_algorithm": "of the header of v5: the mode does not change what the interval means",
    "forwarding_status": "parts of an octet that is shown whole here",
    "mpls_label_stack_octets": "parts of three octets that are shown whole here",
    "icmp_type": "half of element 32 (Palo Alto), shown whole here",
}
"""What the goldens tell that is not compared, and why; docs/decoders.md lists it. A name in NAMES is compared wherever the record has its field."""


def sets(corpus):
    found = {}
    for row in csv.DictReader((corpus / "exports.csv").read_text().splitlines()):
        files, _, golden = found.setdefault(row["set"], ([], {int(row[k]) for k in ("golden_records", "tshark_records") if row[k]}, []))
        (golden if row["order_or_role"] == "golden" else files).append(corpus / row["file"])
    return found


def datagrams(files):
    for file in files:
        if file.suffix == ".pcap":
            with file.open("rb") as capture:
                yield from [bytes(dpkt.ethernet.Ethernet(data).data.data.data) for _, data in dpkt.pcap.Reader(capture)]
        else:
            yield from split(file.read_bytes())


@pytest.fixture(scope="module")
def exports(corpus):
    return {name: (list(datagrams(files)), keys, golden) for name, (files, keys, golden) in sets(corpus).items()}


def test_record_counts(exports):
    got = {}
    for name, (parts, _, _) in exports.items():
        decoder = FlowDecoder()
        got[name] = sum(1 for part in parts for _ in decoder.records(part))
        assert wire.feed(FlowDecoder(), parts).records == got[name]
    wrong = {name: (got[name], keys) for name, (_, keys, _) in exports.items() if got[name] not in keys}
    assert set(wrong) <= {WRONG_FILE}
    assert len(exports) >= 20


def moment(value):
    return datetime.fromisoformat(value).replace(microsecond=datetime.fromisoformat(value).microsecond // 1000 * 1000)


def ours(golden):
    """Our name of a golden event's field."""
    return NAMES.get(golden) or (snake(golden) if any(c.isupper() for c in golden) else golden)


def same(mine, golden):
    if isinstance(golden, str) and golden[:2] == "20" and golden.endswith("Z"):
        # logstash borrows no second when it takes milliseconds of uptime off the header's time: 18:38:08.280 - 0.804 is 07.476, it says 08.476.
        return moment(golden) - moment(mine) in {timedelta(0), timedelta(seconds=1)}
    if isinstance(mine, str) and mine[:2] == "20" and isinstance(golden, int):
        return round(moment(mine).timestamp() * 1000) == golden
    if isinstance(mine, str) and isinstance(golden, int):
        return int(mine, 16) == golden  # an element that is unknown here, as its octets
    if isinstance(mine, str) and re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{8}){2}", golden):
        return mine == golden.replace("-", "")
    return mine == golden


def test_values_are_those_of_the_goldens(exports):
    compared, unlike, uncompared = 0, [], set()
    for name, (parts, _, goldens) in exports.items():
        if not name.startswith("logstash"):
            continue
        decoder = FlowDecoder()
        mine = [record for part in parts for record in decoder.records(part)]
        for event in json.loads(goldens[0].read_text())["events"]:
            record = mine[event["decode_index"]]
            for told, value in event["event"]["netflow"].items():
                field = ours(told)
                if field not in record or isinstance(value, dict):
                    uncompared.add(told)
                elif name != "logstash: Netflow 5 valid 01" or field != "flow_start_milliseconds":
                    # There logstash takes an uptime of 2^32 - 1 ms for 50 days ahead, we for a wrap.
                    compared += 1
                    unlike += [] if same(record[field], value) else [(name, told, record[field], value)]
    assert not unlike
    assert not uncompared - set(UNCOMPARED), "told by the goldens, neither compared nor listed"
    assert compared > 280


LINES = {
    "agent_ip": "agent", "agent_subid": "sub_agent", "seq_number": "sample_sequence", "src_port": "source_transport_port",
    "dst_port": "destination_transport_port", "sampling_interval": "sampling_packet_interval", "sampling_drops": "drops",
    "in_total_packets": "selector_id_total_pkts_observed", "l2_bytes": "data_link_frame_size", "ipv4_total_len": "ip_total_length",
}  # fmt: skip
"""telegraf's names. Its others are of the Ethernet and IP headers (addresses of the link, time to live, fragments) and of counters, which are not read."""


def test_values_are_those_of_telegrafs_lines(exports):
    parts, _, goldens = exports["telegraf: sflow_issue_15918"]
    mine = list(FlowDecoder().records(parts[0]))
    compared = 0
    for record, line in zip(mine, goldens[0].read_text().splitlines(), strict=True):
        told = {key: text.strip('"') for key, text in re.findall(r"(\w+)=(\"[^\"]*\"|\d+)u?", line.split(" ", 1)[1])}
        address = {end: record.get(f"{name}_ipv4_address") or record.get(f"{name}_ipv6_address") for end, name in (("src", "source"), ("dst", "destination"))}
        if record["sample"] == "flow":
            assert (told["src"], told["dst"]) == (address["src"], address["dst"])
            compared += 2
            if "out_snmp" in told:  # else the packet left by several; and its `in_snmp` is the source of the sample, compared with tshark
                assert int(told["out_snmp"]) == record["egress_interface"]
                compared += 1
        for name, field in LINES.items():
            if name in told and field in record:
                assert str(record[field]) == told[name], name
                compared += 1
    assert compared > 60


FIELDS = {
    "src": ("source_ipv4_address", "source_ipv6_address"), "dst": ("destination_ipv4_address", "destination_ipv6_address"),
    "protocol": ("protocol_identifier",), "packets": ("packet_delta_count", "packet_total_count"),
    "bytes": ("octet_delta_count", "octet_total_count", "ip_total_length"), "src_port": ("source_transport_port",),
    "dst_port": ("destination_transport_port",),
}  # fmt: skip


def test_the_hot_path_agrees_with_the_reference(exports):
    """Each record that names two addresses is a row with the same values; the rows of biflows' answers come on top."""
    for name, (parts, _, _) in exports.items():
        reference, ring = FlowDecoder(), FlowDecoder()
        expected = []
        for part in parts:
            for record in reference.records(part):
                first = {field: next((record[n] for n in names if n in record), None) for field, names in FIELDS.items()}
                if first["src"] is not None and first["dst"] is not None:
                    expected.append(first)
        rows = [
            {"src": address.text(r["src_hi"], r["src_lo"]), "dst": address.text(r["dst_hi"], r["dst_lo"]), **{f: r[f] for f in FIELDS if f in r}}
            for r in wire.rows(wire.feed(ring, parts))
        ]
        for want in expected:
            if want["protocol"] in {1, 58}:
                want["src_port"] = want["dst_port"] = None
            match = next((r for r in rows if all(v is None or r[k] == v for k, v in want.items())), None)
            assert match is not None, (name, want)
            rows.remove(match)
        assert not rows or name in {"logstash: IPFIX YAF basic with applabel", "telegraf: ipfix_example"}, (name, rows[:3])


def test_batch_sizes_do_not_matter(exports):
    for name, (parts, _, _) in exports.items():
        whole, single = FlowDecoder(), FlowDecoder()
        apart = [row for part in parts for row in wire.rows(wire.feed(single, [part]))]
        assert sorted(apart, key=lambda r: tuple(r.values())) == wire.rows(wire.feed(whole, parts)), name
        assert whole.accounts == single.accounts
