"""The columns a rule may read, with type and meaning. docs/rule-language.md is held to these tables by a test.

How the engine hands them over: one numpy array a name; an address `x` as two u64 arrays `x_hi` and `x_lo`
(`model.address`); protocol as IANA number; outcome 0 unanswered, 1 refused, 2 answered; duration in seconds (float64);
booleans as bool.
"""

from collections.abc import Mapping
from typing import NamedTuple

from abusewatch.detect import units


class Column(NamedTuple):
    """A column: its type and a sentence for people."""

    type: units.Type
    says: str


_ENDS = {
    "own_port": Column(units.code(units.PORT), "port at our customer's end"),
    "peer_port": Column(units.code(units.PORT), "port at the other end"),
    "own": Column(units.ADDRESS, "our customer's address, whichever end it is"),
    "peer": Column(units.ADDRESS, "the other end's address"),
    "protocol": Column(units.code(units.PROTOCOL), "tcp, udp, icmp, icmp6, sctp, gre, or an IANA number"),
    "icmp_type": Column(units.code(units.ICMP), "ICMP type; 0 when it is no ICMP"),
    "icmp_code": Column(units.code(units.ICMP), "ICMP code; 0 when it is no ICMP"),
    "internal": Column(units.BOOLEAN, "both ends are ours"),
    "sampled": Column(units.BOOLEAN, "the exporter saw only some of the packets"),
    "sampling_rate": Column(units.number(), "one packet in so many was seen; 0 is unknown"),
    "input_if": Column(units.code(units.INTERFACE), "SNMP index of the interface it came in by"),
}

RECORD: dict[str, Column] = {
    "src": Column(units.ADDRESS, "source address on the wire"),
    "dst": Column(units.ADDRESS, "destination address on the wire"),
    "src_port": Column(units.code(units.PORT), "source port"),
    "dst_port": Column(units.code(units.PORT), "destination port"),
    **_ENDS,
    "outbound": Column(units.BOOLEAN, "our source, foreign destination"),
    "inbound": Column(units.BOOLEAN, "foreign source, our destination"),
    "transit": Column(units.BOOLEAN, "neither end is ours; no other rule sees such records"),
    "spoofed": Column(units.BOOLEAN, "foreign source that came in by a customer's port (BCP 38)"),
    "packets": Column(units.number(units.PACKETS, 1), "packets of the record"),
    "bytes": Column(units.number(units.BYTES), "bytes of the record, IP header included"),
    "bits": Column(units.number(units.BITS), "bytes times 8"),
    "flags": Column(units.code(units.FLAGS), "TCP flags seen, or-ed; see flag()"),
    "duration": Column(units.number(units.SECONDS), "end minus start"),
}

CONVERSATION: dict[str, Column] = {
    "src": Column(units.ADDRESS, "the initiator's address"),
    "dst": Column(units.ADDRESS, "the responder's address"),
    "src_port": Column(units.code(units.PORT), "the initiator's port"),
    "dst_port": Column(units.code(units.PORT), "the responder's port"),
    **_ENDS,
    "initiator": Column(units.BOOLEAN, "our side started the conversation"),
    "outcome": Column(units.code(units.OUTCOME), "answered, refused or unanswered"),
    "opened": Column(units.BOOLEAN, "the initiator's SYN was seen, or it is not TCP"),
    "packets": Column(units.number(units.PACKETS, 1), "packets from initiator to responder"),
    "bytes": Column(units.number(units.BYTES), "bytes from initiator to responder"),
    "bits": Column(units.number(units.BITS), "bytes times 8"),
    "flags": Column(units.code(units.FLAGS), "TCP flags of the initiator, or-ed; see flag()"),
    "reply_packets": Column(units.number(units.PACKETS), "packets from responder to initiator"),
    "reply_bytes": Column(units.number(units.BYTES), "bytes from responder to initiator"),
    "reply_flags": Column(units.code(units.FLAGS), "TCP flags of the responder, or-ed; see reply_flag()"),
    "duration": Column(units.number(units.SECONDS), "last packet minus first, both directions"),
}

SCHEMAS: Mapping[str, Mapping[str, Column]] = {"record": RECORD, "conversation": CONVERSATION}

GROUP: dict[str, Column] = {
    "span_minutes": Column(
        units.number(least=1 / 60),
        "minutes from the first to the last step of the window in which the group had a row, "
        "both included; never less than one step",
    ),
}
"""What `when` may read beside the rule's own measures."""

ELSEWHERE = {
    "proto": "protocol",
    "sport": "src_port",
    "dport": "dst_port",
    "actor": "own",
    "offender": "own",
    "target": "peer",
    "pkts": "packets",
    "service_port": "own_port",
    "ingress_if": "input_if",
    "direction": "outbound",
    "sa": "src",
    "da": "dst",
}
"""What other tools call them: a better suggestion than spelling gives."""
