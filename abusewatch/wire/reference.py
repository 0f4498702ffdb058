"""Export datagrams one record at a time, every field by its name: for people, for files, and to hold the hot path against."""

from collections import Counter
from collections.abc import Iterator

import numpy as np

from abusewatch.model import address
from abusewatch.wire import elements, headers, netflow5, packet, samples, sflow
from abusewatch.wire.domains import DataSet, DomainStore, Message
from abusewatch.wire.elements import Value
from abusewatch.wire.errors import Reason, WireError
from abusewatch.wire.headers import HEADER_OCTETS, IPFIX, VERSION_5
from abusewatch.wire.sets import SetReader
from abusewatch.wire.templates import read_records

Record = dict[str, Value]


def records(store: DomainStore, data: bytes, exporter: int, received_us: int) -> list[Record]:
    """Decode one datagram; WireError when it is refused whole."""
    if not data:
        raise WireError(Reason.EMPTY)
    version = int.from_bytes(data[:2], "big")
    if version == 0 and data[2:4] == b"\0\x05":
        return list(_sflow(data, exporter))
    if version not in HEADER_OCTETS or len(data) < 2:
        raise WireError(Reason.UNKNOWN_VERSION, f"version {version}")
    if len(data) < HEADER_OCTETS[version]:
        raise WireError(Reason.TRUNCATED, f"{len(data)} octets")
    heads = headers.read(version, np.frombuffer(data, np.uint8).reshape(1, -1), received_us)
    number, sequence, length, export_us, uptime_ms = (
        int(column[0]) for column in (heads.domain, heads.sequence, heads.length, heads.export_us, heads.uptime_ms)
    )
    message = Message(exporter, version, number, sequence, export_us, uptime_ms)
    if version == VERSION_5:
        end = HEADER_OCTETS[version] + length * netflow5.RECORD_OCTETS
        if end > len(data):
            raise WireError(Reason.BAD_LENGTH, f"{length} records in {len(data)} octets")
        return list(_records(DataSet(netflow5.TEMPLATE, data, HEADER_OCTETS[version], end, message)))
    if version == IPFIX and not HEADER_OCTETS[version] <= length <= len(data):
        raise WireError(Reason.BAD_LENGTH, f"length {length} in {len(data)} octets")
    walk = SetReader(store, Counter()).read(store.domain((exporter, version, number)), message, data)
    return [record for found in walk.sets for record in _records(found)]


def _records(found: DataSet) -> Iterator[Record]:
    """Show the records of a set, up to the first that does not fit."""
    template, message = found.template, found.message
    shown = [elements.element(enterprise, number) for enterprise, number, _ in template.fields]
    try:
        for spans in read_records(template, found.data, found.start, found.end, found.limit):
            record: Record = {
                "version": message.version, "exporter": message.exporter, "observation_domain_id": message.domain,
                "sequence": message.sequence, "export_time": elements.iso(message.export_us),
            }  # fmt: skip
            if template.number:
                record["template_id"] = template.number
            for element, (start, length) in zip(shown, spans, strict=True):
                if element.name != "padding_octets":
                    record[_free(record, element.name)] = elements.show(element.kind, found.data[start : start + length])
            yield record | _moments(record, message)
    except WireError:
        return  # the set ends where its records stop making sense, as on the hot path, which counts it


def _free(record: Record, name: str) -> str:
    """Number the fields that a template lists twice."""
    if name not in record:
        return name
    count = 2
    while f"{name}_{count}" in record:
        count += 1
    return f"{name}_{count}"


def _moments(record: Record, message: Message) -> Record:
    """Say in absolute time what a record says in its exporter's uptime, wrapping at 2^32 milliseconds."""
    found: Record = {}
    for edge in ("start", "end"):
        uptime = record.get(f"flow_{edge}_sys_up_time")
        if isinstance(uptime, int) and message.uptime_ms >= 0 and f"flow_{edge}_milliseconds" not in record:
            age = (message.uptime_ms - uptime + (1 << 31) & 0xFFFF_FFFF) - (1 << 31)
            found[f"flow_{edge}_milliseconds"] = elements.iso(message.export_us - age * 1_000)
    return found


def _sflow(data: bytes, exporter: int) -> Iterator[Record]:
    """Show the samples of an sFlow datagram, counter samples included; of counters only that they were there."""
    head = sflow.read_head(data)
    agent = elements.show("4" if len(head.agent) == 4 else "6", head.agent)
    buffer = np.frombuffer(data, np.uint8)
    try:
        for sample in sflow.read_samples(data, head.start, head.samples):
            record: Record = {
                "version": "sflow5", "exporter": exporter, "agent": agent, "sub_agent": head.sub_agent, "sequence": head.sequence,
                "sample": sflow.KINDS.get(sample.kind, str(sample.kind)), "sample_sequence": sample.sequence, "source_id": sample.source,
            }  # fmt: skip
            if sample.kind in {sflow.FLOW, sflow.EXPANDED_FLOW}:
                record |= {
                    "sampling_packet_interval": sample.rate, "selector_id_total_pkts_observed": sample.pool, "drops": sample.drops,
                    "ingress_interface": sample.input_if, "egress_interface": sample.output_if,
                } | _sampled(data, buffer, sample)  # fmt: skip
            yield record
    except WireError:
        return  # samples stop where they stop making sense


def _sampled(data: bytes, buffer: np.ndarray[tuple[int], np.dtype[np.uint8]], sample: sflow.Sample) -> Record:
    found = samples.Sampled()
    if not found.add(0, 0, data, sample):
        return {}
    if found.told:
        octets, protocol, src_hi, src_lo, dst_hi, dst_lo, ports, flags = found.told[0]
        return {"ip_total_length": octets} | _named((src_hi, src_lo), (dst_hi, dst_lo), ports >> 16, ports & 0xFFFF, protocol, flags)
    octets, linktype, offset, captured = found.single[0][4:]
    heads = packet.parse(buffer, np.array([offset]), np.array([captured]), linktype, np.array([octets]))
    if not heads.is_ip[0]:
        return {"data_link_frame_size": octets}
    src, dst = (int(heads.src_hi[0]), int(heads.src_lo[0])), (int(heads.dst_hi[0]), int(heads.dst_lo[0]))
    lengths: Record = {"data_link_frame_size": octets, "ip_total_length": int(heads.bytes[0])}
    return lengths | _named(src, dst, int(heads.src_port[0]), int(heads.dst_port[0]), int(heads.protocol[0]), int(heads.flags[0]))


def _named(
    src: address.Address, dst: address.Address, src_port: int, dst_port: int, protocol: int, flags: int
) -> Record:
    family = "ipv4" if address.is_v4(src) else "ipv6"
    record: Record = {
        f"source_{family}_address": address.text(*src), f"destination_{family}_address": address.text(*dst),
        "protocol_identifier": protocol, "source_transport_port": src_port, "destination_transport_port": dst_port,
    }  # fmt: skip
    if protocol == 6:
        record["tcp_control_bits"] = flags
    return record
