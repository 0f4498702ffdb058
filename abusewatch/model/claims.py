"""Which of several claims about one act leads: the order in which they stand here, and why.

Rules overlap, and are meant to: a worm scans, a flood of whole connections begins with SYN packets. The claim that says
most about the act names the case, its mails and their XARF type; the others stay in it and are told beside it.

First comes what the machine has become, then what it did with those who answered, then what it did to those who need
not answer, then that it was looking around; last the leads, which prove nothing and so never lead.
"""

from collections.abc import Iterable

from abusewatch.model.finding import Detection
from abusewatch.model.kinds import KINDS, LEADS

CLAIMS = {
    "worm": "says what the machine has become; scanning and guessing are how it spreads",
    "spam": "says what the connections are for; mail servers that do not answer look like a scan",
    "password_spray": "holds the guesses at all hosts together, of which those at one host are a part",
    "login_attack": "sessions that were answered; the scan before them only found the door",
    "amplification": "names the open service and its cure, and that its owner hardly means it; the answers look like a flood of his",
    "amplification_trigger": "says what the forged packets are for",
    "spoofed_source": "that a source is forged says more than what it is forged for",
    "slow_http": "connections that completed and were held; their number alone would be a flood",
    "http_flood": "connections that completed, so nobody forged them; opening packets are how they begin",
    "dns_flood": "questions to name servers; as packets they are a UDP flood",
    "syn_flood": "packets of one purpose, to one service",
    "tcp_flood": "packets inside of no connection; less is known of their purpose than of a SYN",
    "icmp_flood": "packets of one purpose, to no service",
    "udp_flood": "a stream that nobody answers; its purpose is its volume",
    "carpet_flood": "a whole network, where no one address of it shows more",
    "sip_scan": "a search for one kind of server",
    "port_scan": "many doors of a host; that each door was tried at many hosts follows",
    "address_scan": "one door of many hosts",
    "icmp_scan": "who is there at all",
    "slow_scan": "the same over hours: any fast scan is a slow one as well",
    "dns_tunnel": "a lead: the names say more than a rhythm does",
    "mining": "a lead: a port and a way of talking",
    "beacon": "a lead: a rhythm",
}
"""Every kind, the strongest claim first, each with what it has over those behind it."""
SCANS = frozenset({"address_scan", "port_scan", "slow_scan"})
NAMED = frozenset({"worm", "sip_scan"})
LAST_SCAN = "slow_scan"
_RANK = {kind: rank for rank, kind in enumerate(CLAIMS)}
if CLAIMS.keys() != KINDS.keys() or set(list(CLAIMS)[-len(LEADS) :]) != LEADS:
    raise AssertionError("every kind has one place in the order of claims, and leads stand last")


def rank(kind: str) -> int:
    """Give the place of a kind, 0 for the strongest; kinds that are not in the list stand behind all."""
    return _RANK.get(kind, len(_RANK))


def leading(detections: Iterable[Detection]) -> str:
    """Name the kind that leads some findings (at least one); what a rule only tries out never leads what counts.

    A worm is a scan with a name, by the ports it knocks at. Where it is less than half of a scan beside it, whoever tried many
    ports tried these as well, and the name stands behind the scans.
    """
    some = list(detections)
    widest = max((d.finding.flows for d in some if d.finding.kind in SCANS), default=0)
    return min((d.status != "stable", _place(d, widest), d.finding.kind) for d in some)[2]


def _place(detection: Detection, widest: int) -> int:
    finding = detection.finding
    is_part = finding.kind in NAMED and 2 * finding.flows < widest
    return rank(LAST_SCAN if is_part else finding.kind)
