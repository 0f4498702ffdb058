"""tshark's opinion of export datagrams: each record it finds as a flat dictionary, and how its words are ours."""

import json
import re
import struct
import subprocess
from collections import defaultdict
from datetime import UTC, datetime, timedelta

from tests.sources import peers

PORT = 40_739
"""Nothing in the captures uses it: tshark would take what samples hold for exports as well."""

EPOCH = "Jan  1, 1970"
"""How tshark shows an uptime of zero."""

NAMES = {
    "srcaddr": "source_ipv4_address", "dstaddr": "destination_ipv4_address", "srcaddrv6": "source_ipv6_address", "dstaddrv6": "destination_ipv6_address",
    "nexthop": "ip_next_hop_ipv4_address", "nexthopv6": "ip_next_hop_ipv6_address", "bgpnexthop": "bgp_next_hop_ipv4_address",
    "inputint": "ingress_interface", "outputint": "egress_interface", "packets": "packet_delta_count", "octets": "octet_delta_count",
    "srcport": "source_transport_port", "dstport": "destination_transport_port", "protocol": "protocol_identifier", "tos": "ip_class_of_service",
    "srcas": "bgp_source_as_number", "dstas": "bgp_destination_as_number", "srcmask": "source_ipv4_prefix_length",
    "dstmask": "destination_ipv4_prefix_length", "tcpflags": "tcp_control_bits", "permanent_octets": "octet_total_count",
    "permanent_packets": "packet_total_count", "direction": "flow_direction", "srcmac": "source_mac_address", "dstmac": "destination_mac_address",
    "post_srcmac": "post_source_mac_address", "post_dstmac": "post_destination_mac_address", "icmp_ipv4_type": "icmp_type_ipv4",
    "icmp_ipv4_code": "icmp_code_ipv4", "post_natsource_ipv4_address": "post_nat_source_ipv4_address", "if_name": "interface_name",
    "post_natdestination_ipv4_address": "post_nat_destination_ipv4_address", "if_descr": "interface_description",
    "post_naptsource_transport_port": "post_napt_source_transport_port", "post_naptdestination_transport_port": "post_napt_destination_transport_port",
    "tcp_seq_num": "tcp_sequence_number", "vlanid": "vlan_id", "post_vlanid": "post_vlan_id", "srcmask_v6": "source_ipv6_prefix_length",
    "dstmask_v6": "destination_ipv6_prefix_length", "flowlabel": "flow_label_ipv6", "octets_post": "post_octet_delta_count",
    "packets_post": "post_packet_delta_count", "post_octets": "post_octet_delta_count", "post_packets": "post_packet_delta_count",
    "flows": "delta_flow_count", "mpls_label_length": "mpls_label_stack_length", "fw_ext_event": "firewall_extended_event", "aaa_username": "user_name",
    "flowsexp": "exported_flow_record_total_count", "packetsexp": "exported_message_total_count", "octetsexp": "exported_octet_total_count",
    "flow_exporter": "exporting_process_id", "sys_init_time": "system_init_time_milliseconds", "drop_total_packets": "dropped_packet_total_count",
    "ignore_packets": "ignored_packet_total_count", "notsent_packets": "not_sent_packet_total_count", "exporter_addr": "exporter_ipv4_address",
    "od_id": "observation_domain_id_2", "flow_inactive_timeout": "flow_idle_timeout", "timestart": "flow_start_sys_up_time",
    "timeend": "flow_end_sys_up_time", "abstimestart": "flow_start_milliseconds", "abstimeend": "flow_end_milliseconds",
}  # fmt: skip
"""tshark's names where they are not the registry's in snake case."""

UNCOMPARED = {
    "tcpflags.": "single bits of `tcpflags`, which is compared",
    "padding": "octets that mean nothing are not shown here",
    "string_len": "how long a string is, which is compared itself",
    "unknown_field_type": "elements that tshark does not know (Palo Alto's application and user), shown by it as octets",
    "enterprise_private_entry": "enterprises that tshark does not know (CERT, 6871), shown by it as octets",
    "forwarding_status": "parts of an octet that is shown whole here",
}
"""What tshark tells of NetFlow and IPFIX records that is not compared, by the beginning of its name, and why; docs/decoders.md lists it."""

SAMPLE_NAMES = {
    "sflow.flow_sample.sampling_rate": "sampling_packet_interval", "sflow.flow_sample.sample_pool": "selector_id_total_pkts_observed",
    "sflow.flow_sample.dropped_packets": "drops", "sflow.flow_sample.output_interface_value": "egress_interface",
    "sflow.flow_sample.input_interface": "ingress_interface", "sflow.flow_sample.input_interface_value": "ingress_interface",
    "sflow_245.header.frame_length": "data_link_frame_size",
}  # fmt: skip
"""tshark's names of what an sFlow flow sample says itself; what its header says is read by `packet`."""


def capture(parts, linktype=101):
    """A capture file of UDP packets to PORT that hold the datagrams."""
    frames = b""
    for part in parts:
        udp = struct.pack(">HHHH", 4000, PORT, 8 + len(part), 0) + part
        packet = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, b"\x7f\0\0\1", b"\x7f\0\0\1") + udp
        frames += struct.pack("<IIII", 1_700_000_000, 0, len(packet), len(packet)) + packet
    return struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, linktype) + frames


def trees(parts, path, protocol):
    """tshark's tree of each datagram."""
    peers.need("tshark")
    path.write_bytes(capture(parts))
    command = ["tshark", "-r", path, "-d", f"udp.port=={PORT},{protocol}", "-T", "json", "--no-duplicate-keys"]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60, env=peers.ENVIRONMENT).stdout
    found = [frame["_source"]["layers"].get(protocol, {}) for frame in json.loads(said)]
    return [tree[0] if isinstance(tree, list) else tree for tree in found]


def records(tree):
    """The flow records in the tree of one datagram, in order: each the list of values of each name."""
    for key, value in tree.items():
        if re.match(r"(pdu|Flow) \d", key):
            found = defaultdict(list)
            for name, one in leaves(value):
                found[name].append(one)
            yield found
        elif isinstance(value, dict):
            yield from records(value)


def leaves(tree):
    """Names, without their prefix, and values of all that a tree holds; a name that comes twice stands for a list."""
    for key, value in tree.items():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, dict):
                yield from leaves(one)
            elif key.startswith("cflow.") and not key.endswith("_tree"):
                yield key.removeprefix("cflow."), one


def same(mine, told):
    """Whether our value is tshark's text."""
    if isinstance(mine, bool):
        return mine == (told in {"1", "True"})
    if isinstance(mine, int):
        if re.fullmatch(r"-?\d+\.\d{9}", told):
            return mine == round(float(told) * 1_000)  # seconds of uptime
        return mine == (0 if told.startswith(EPOCH) else int(told, 0))
    if mine[:2] == "20" and told[:3].isalpha():
        return abs(moment(told) - datetime.fromisoformat(mine)) < timedelta(milliseconds=1)
    if re.fullmatch(r"[0-9a-f]{2}(:[0-9a-f]{2})+", told):
        return mine.replace(":", "") == told.replace(":", "")
    return mine.lower() == told.lower()


def moment(told):
    """tshark's absolute time, to the microsecond."""
    return datetime.strptime(re.sub(r"(\.\d{6})\d* UTC", r"\1", told), "%b %d, %Y %H:%M:%S.%f").replace(tzinfo=UTC)


def ours(record, field, values):
    """The fields of our record that tshark calls by one name, in the record's order: of an answer the reverse element, of a repetition the next."""
    name = NAMES.get(field, field)
    if field.startswith("abstime") and values[0].startswith(EPOCH):
        name = NAMES[field.removeprefix("abs")]
    return [key for key in record if re.fullmatch(rf"(reverse_)?{name}(_\d)?", key)]


def samples(tree):
    """The samples in the tree of one sFlow datagram: (sequence number, tree) pairs by the kind of sample, each kind in order."""
    found = defaultdict(list)
    for value in tree.values():
        for sample in value if isinstance(value, list) else [value]:
            if isinstance(sample, dict) and "sflow_245.sampletype" in sample:
                found[int(sample["sflow_245.sampletype"])].append(sample)
    return found


def flat(tree, *, beside=("sflow_245.header_tree",)):
    """All texts of a tree by name, except those of some parts."""
    for key, value in tree.items():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, dict):
                if key not in beside:
                    yield from flat(one, beside=beside)
            else:
                yield key, one


def packet(sample):
    """What tshark reads in the sampled header: addresses, ports, protocol, flags and length of the outermost IP packet; None when there is no header."""
    header = next((record["sflow_245.header_tree"] for record in sample.values() if isinstance(record, dict) and "sflow_245.header_tree" in record), None)
    if header is None:
        return None
    found = {}
    if "ip" in header:
        ip = header["ip"]
        found = {"source_ipv4_address": ip["ip.src"], "destination_ipv4_address": ip["ip.dst"], "protocol_identifier": int(ip["ip.proto"])}
        found["ip_total_length"] = int(ip["ip.len"])
    elif "ipv6" in header:
        ip = header["ipv6"]
        last = [value for key, value in flat(ip) if key.endswith(".nxt")][-1]
        found = {"source_ipv6_address": ip["ipv6.src"], "destination_ipv6_address": ip["ipv6.dst"], "protocol_identifier": int(last)}
        found["ip_total_length"] = int(ip["ipv6.plen"]) + 40
    for transport in ("tcp", "udp"):
        if found and transport in header:
            found["source_transport_port"] = int(header[transport][f"{transport}.srcport"])
            found["destination_transport_port"] = int(header[transport][f"{transport}.dstport"])
    if found and "tcp" in header:
        found["tcp_control_bits"] = int(header["tcp"]["tcp.flags"], 16) & 0xFF
    return found
