"""The closed vocabulary of evidence: which names a rule may list, for whom, and how each is read.

A customer never gets another network's addresses, so `dst` does not exist for him; an operator knows his own prefixes,
so he needs no `target_prefixes`.
"""

from collections.abc import Callable, Iterable
from typing import TypeVar

import msgspec

from abusewatch.model.address import network_of
from abusewatch.model.evidence import Row
from abusewatch.model.finding import Detection, EvidenceRow, Target, iso
from abusewatch.model.message import Audience

T = TypeVar("T")

PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 47: "gre", 50: "esp", 58: "icmpv6", 132: "sctp"}
"""IANA protocol numbers that have a name people know; the rest are shown as their number."""


class Facts(msgspec.Struct, frozen=True):
    """One record, or the sum of several, before anything is held back. None: the sum has no single value."""

    first_us: int
    last_us: int
    flows: int
    packets: int
    bytes: int
    src: str | None = None
    src_port: int | None = None
    dst: str | None = None
    dst_port: int | None = None
    protocol: str | None = None
    flags: int | None = None
    outcome: str | None = None
    network: str | None = None


def facts_of_row(row: EvidenceRow, target: str) -> Facts:
    """Read one record that stands under `target`; its destination is that target, whatever the record says."""
    return Facts(
        first_us=row.start_us,
        last_us=row.end_us,
        flows=1,
        packets=row.packets,
        bytes=row.bytes,
        src=row.src,
        src_port=row.src_port,
        dst=target,
        dst_port=row.dst_port,
        protocol=PROTOCOLS.get(row.protocol, str(row.protocol)),
        flags=row.flags,
        outcome=row.outcome,
        network=network_of(target),
    )


def facts_of_targets(targets: Iterable[Target], src: str, protocol: str) -> Facts:
    """Sum what some targets (at least one) received; what belongs to the target side is kept where all share it."""
    some = list(targets)
    return Facts(
        first_us=min(t.first_us for t in some),
        last_us=max(t.last_us for t in some),
        flows=sum(t.flows for t in some),
        packets=sum(t.packets for t in some),
        bytes=sum(t.bytes for t in some),
        src=src,
        protocol=protocol,
        dst=_single({t.address for t in some}),
        dst_port=_single({port for t in some for port in t.ports}),
        network=_single({network_of(t.address) for t in some}),
    )


def _single(values: set[T]) -> T | None:
    return next(iter(values)) if len(values) == 1 else None


READERS: dict[str, tuple[str, Callable[[Facts], str | int | None]]] = {
    "src": ("src", lambda f: f.src),
    "src_port": ("src_port", lambda f: f.src_port),
    "dst": ("dst", lambda f: f.dst),
    "target_prefixes": ("target_prefix", lambda f: f.network),
    "dst_port": ("dst_port", lambda f: f.dst_port),
    "protocol": ("protocol", lambda f: f.protocol),
    "first_seen": ("first_seen", lambda f: iso(f.first_us)),
    "last_seen": ("last_seen", lambda f: iso(f.last_us)),
    "sessions": ("sessions", lambda f: f.flows),
    "flows": ("flows", lambda f: f.flows),
    "packets": ("packets", lambda f: f.packets),
    "bytes": ("bytes", lambda f: f.bytes),
    "flags": ("flags", lambda f: f.flags),
    "outcome": ("outcome", lambda f: f.outcome),
}
"""A name in a rule's evidence list -> (the field of Row it fills, where the value comes from)."""

ALLOWED: dict[Audience, frozenset[str]] = {
    "operator": frozenset(READERS) - {"target_prefixes"},
    "customer": frozenset(READERS) - {"dst"},
    "desk": frozenset(READERS),
    "complainant": frozenset(),
}
"""What an audience may have at most, whatever a rule lists."""


def fields(detection: Detection, audience: Audience) -> tuple[str, ...]:
    """Take the rule's own list for this audience, less what it may never have; the desk sees what either side does."""
    operator, customer = detection.evidence_operator, detection.evidence_customer
    listed: dict[Audience, tuple[str, ...]] = {
        "operator": operator,
        "customer": customer,
        "desk": tuple(dict.fromkeys(operator + customer)),
    }
    return tuple(name for name in listed.get(audience, ()) if name in ALLOWED[audience])


def project(facts: Facts, listed: Iterable[str], own: Callable[[str], bool]) -> Row:
    """Let out the listed names only; a source that is not ours (forged, or another's) is never shown."""
    values = {READERS[name][0]: READERS[name][1](facts) for name in listed}
    if facts.src is None or not own(facts.src):
        values.pop("src", None)
        values.pop("src_port", None)
    return Row(**values)  # type: ignore[arg-type]  # READERS names only fields of Row, each of its type
