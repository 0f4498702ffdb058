"""sFlow version 5 (sflow.org, sflow_version_5.txt): sampled packets and counters of an agent."""

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct

from abusewatch.model.address import MAPPED
from abusewatch.wire.errors import Reason, WireError

VERSION = 105
"""What sFlow version 5 is called among NetFlow's version numbers here; on the wire it is 5 in 32 bits."""
MAX_SAMPLES = 1_024
MAX_RECORDS = 64
FLOW, COUNTERS, EXPANDED_FLOW, EXPANDED_COUNTERS, DISCARDED = 1, 2, 3, 4, 5
RAW_HEADER, SAMPLED_IPV4, SAMPLED_IPV6 = 1, 3, 4

KINDS = {FLOW: "flow", COUNTERS: "counters", EXPANDED_FLOW: "expanded_flow", EXPANDED_COUNTERS: "expanded_counters", DISCARDED: "discarded_packet"}
LEAST_OCTETS, WIDEST_HEAD = 28, 40

LINKTYPES = {1: 1, 7: 9, 11: 101, 12: 101}
"""header_protocol to LINKTYPE_: Ethernet, PPP, IPv4 and IPv6."""

_TWO = Struct(">II")
_HEAD = Struct(">IIII")
_FLOW = Struct(">8I")
_EXPANDED = Struct(">11I")
RAW = Struct(">IIII")
_TOLD4 = Struct(">7I")
_TOLD6 = Struct(">IIQQQQIII")


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a datagram. `agent` is its address, 4 or 16 octets; `start` is where its samples begin."""

    agent: bytes
    sub_agent: int
    sequence: int
    uptime_ms: int
    samples: int
    start: int

    @property
    def domain(self) -> int:
        """One number for the agent and its sub-agent: the last four octets of its address, exclusive-or the latter's number."""
        return int.from_bytes(self.agent[-4:], "big") ^ self.sub_agent


@dataclass(frozen=True, slots=True)
class Sample:
    """One sample: `kind` as the wire has it, and for flow samples where its records lie and what was sampled how.

    `records` are (format, start, length) of each record in the datagram. Interfaces are 0 where they are unknown, internal, several or a discard.
    """

    kind: int
    source: int
    sequence: int
    rate: int
    pool: int
    drops: int
    input_if: int
    output_if: int
    records: tuple[tuple[int, int, int], ...]


def read_head(data: bytes) -> Head:
    """Read the head of a datagram; WireError(TRUNCATED or BAD_LENGTH)."""
    if len(data) < 8:
        raise WireError(Reason.TRUNCATED, "sFlow header")
    _, kind = _TWO.unpack_from(data)
    size = {1: 4, 2: 16}.get(kind)
    if size is None:
        raise WireError(Reason.BAD_LENGTH, f"agent address of type {kind}")
    if len(data) < 24 + size:
        raise WireError(Reason.TRUNCATED, "sFlow header")
    sub_agent, sequence, uptime_ms, samples = _HEAD.unpack_from(data, 8 + size)
    return Head(data[8 : 8 + size], sub_agent, sequence, uptime_ms, samples, 24 + size)


def read_samples(data: bytes, position: int, count: int) -> Iterator[Sample]:
    """Read `count` samples from `position` on, in order; WireError(BAD_SAMPLE or RECORD_LIMIT) at the first that does not fit, after the good ones."""
    for _ in range(min(count, MAX_SAMPLES)):
        if position + 8 > len(data):
            raise WireError(Reason.BAD_SAMPLE, f"sample at {position} of {len(data)}")
        kind, length = _TWO.unpack_from(data, position)
        start, position = position + 8, position + 8 + length
        if position > len(data):
            raise WireError(Reason.BAD_SAMPLE, f"sample of {length} octets at {start}")
        yield _sample(data, kind, start, position)
    if count > MAX_SAMPLES:
        raise WireError(Reason.RECORD_LIMIT, f"{count} samples")


def _sample(data: bytes, kind: int, start: int, end: int) -> Sample:
    if kind not in {FLOW, EXPANDED_FLOW}:
        head = _TWO.unpack_from(data, start) if end - start >= 8 else (0, 0)
        return Sample(kind, head[1], head[0], 0, 0, 0, 0, 0, ())
    form = _FLOW if kind == FLOW else _EXPANDED
    if end - start < form.size:
        raise WireError(Reason.BAD_SAMPLE, f"flow sample of {end - start} octets")
    if kind == FLOW:
        sequence, source, rate, pool, drops, inside, outside, count = form.unpack_from(data, start)
        # The upper two bits say what the lower 30 are: 0 an interface index, 1 a discard, 2 a number of interfaces.
        inside, outside = (number if number < 0x3FFF_FFFF else 0 for number in (inside, outside))
    else:
        sequence, _, source, rate, pool, drops, in_form, inside, out_form, outside, count = form.unpack_from(data, start)
        inside, outside = inside if in_form == 0 else 0, outside if out_form == 0 else 0
    return Sample(kind, source, sequence, rate, pool, drops, inside, outside, _records(data, start + form.size, end, count))


def _records(data: bytes, position: int, end: int, count: int) -> tuple[tuple[int, int, int], ...]:
    """List the records of a sample that lie wholly within it."""
    found: list[tuple[int, int, int]] = []
    for _ in range(min(count, MAX_RECORDS)):
        if position + 8 > end:
            break
        form, length = _TWO.unpack_from(data, position)
        if position + 8 + length > end:
            break
        found.append((form, position + 8, length))
        position += 8 + length
    return tuple(found)


Told = tuple[int, int, int, int, int, int, int, int]
"""Octets, protocol, source (two halves), destination (two halves), ports in one number, TCP flags."""


def read_told(form: int, data: bytes, start: int, length: int) -> Told | None:
    """Read a sampled_ipv4 or sampled_ipv6 record; None when it is neither."""
    if form == SAMPLED_IPV4 and length >= 32:
        octets, protocol, src, dst, src_port, dst_port, flags = _TOLD4.unpack_from(data, start)
        return octets, protocol & 0xFF, 0, MAPPED | src, 0, MAPPED | dst, (src_port & 0xFFFF) << 16 | dst_port & 0xFFFF, flags & 0xFF
    if form == SAMPLED_IPV6 and length >= 56:
        octets, protocol, src_hi, src_lo, dst_hi, dst_lo, src_port, dst_port, flags = _TOLD6.unpack_from(data, start)
        return octets, protocol & 0xFF, src_hi, src_lo, dst_hi, dst_lo, (src_port & 0xFFFF) << 16 | dst_port & 0xFFFF, flags & 0xFF
    return None
