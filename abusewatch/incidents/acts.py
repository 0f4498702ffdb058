"""When two findings of different kinds are one act: the same machine did the same thing to the same targets at the same time.

Two searches of the same hosts are one search, whatever it knocks with; two floods of the same hosts are one attack, however
many means it uses. Else it is the services that must be the same: an address, a protocol and a port of it. Rules that fire on
the same packets share most targets of the smaller finding; two things that a machine does at once share none, or the odd
one: who guesses at SSH while he floods a name server is two cases.
"""

from abusewatch.incidents.lifecycle import SILENCE_US
from abusewatch.model.finding import Detection

PAUSE_US = SILENCE_US["active"]
"""What is further apart is not one act: by then the first has stopped, and its readers have been told so."""
SHARED = 0.5
"""The part of the smaller finding's targets that must be the other's."""

SEARCHES = frozenset({"address_scan", "port_scan", "icmp_scan", "slow_scan", "sip_scan", "worm"})
FLOODS = frozenset({
    "syn_flood", "udp_flood", "icmp_flood", "tcp_flood", "http_flood", "slow_http", "carpet_flood", "dns_flood",
    "amplification", "amplification_trigger", "spoofed_source",
})  # fmt: skip

Hit = tuple[str, str, int]


def one_act(one: Detection, other: Detection) -> bool:
    """Whether two findings about one customer tell of the same act."""
    if _who(one) != _who(other):
        return False
    if one.first_us - other.last_us >= PAUSE_US or other.first_us - one.last_us >= PAUSE_US:
        return False
    kinds = {one.finding.kind, other.finding.kind}
    hosts = kinds <= SEARCHES or kinds <= FLOODS
    mine, theirs = _hits(one, hosts=hosts), _hits(other, hosts=hosts)
    return len(mine & theirs) >= SHARED * max(min(len(mine), len(theirs)), 1)


def _who(detection: Detection) -> str:
    """Name the machine; behind a customer's port that is the port, whatever sources it forges."""
    finding = detection.finding
    return "port" if finding.direction == "spoofed" and finding.customer else finding.offender


def _hits(detection: Detection, *, hosts: bool) -> set[Hit]:
    """Name what was hit: hosts, or services of them (ICMP has none: there it is the host)."""
    if hosts:
        return {(target.address, "", 0) for target in detection.targets}
    protocol = detection.finding.protocol
    ports = (0,) if protocol.startswith("icmp") else ()
    return {(target.address, protocol, port) for target in detection.targets for port in ports or target.ports}
