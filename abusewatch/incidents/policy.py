"""Who is told of an incident: the first, small form of the policy. A rule says what it saw; this says who hears of it.

| what | desk | customer | operators |
|---|---|---|---|
| a rule that is not `stable` | yes | no | no |
| a lead (`beacon`, `mining`, `dns_tunnel`) | yes | no | no |
| a kind that is no proof for third parties | yes | yes | no |
| a basis that can be forged (`syn_only`, `one_way`, `unknown`) | yes | yes | no |
| everything else | yes | yes | yes |
"""

from typing import NamedTuple

from abusewatch.model.finding import Detection
from abusewatch.model.incident import Incident
from abusewatch.model.kinds import KINDS, LEADS

PROVEN = frozenset({"handshake", "anchored"})
"""Bases that a stranger cannot forge from outside: both directions seen, or the customer's own port (threats.md T6)."""


class Decision(NamedTuple):
    """The episodes that may be told to each side by themselves; the desk sees all of them."""

    customer: frozenset[str]
    operators: frozenset[str]


def decide(incident: Incident) -> Decision:
    """Apply the table to each finding of the incident, so that a weak one never rides along with a strong one."""
    return Decision(
        customer=frozenset(d.episode for d in incident.detections if _for_customer(d)),
        operators=frozenset(d.episode for d in incident.detections if _for_operators(d)),
    )


def everyone(incident: Incident) -> Decision:
    """Ignore the table: what a replay shows, so that a rule can be judged by the mails it would cause."""
    episodes = frozenset(d.episode for d in incident.detections)
    return Decision(customer=episodes, operators=episodes)


def _for_customer(detection: Detection) -> bool:
    return detection.status == "stable" and detection.finding.kind not in LEADS


def _for_operators(detection: Detection) -> bool:
    kind = KINDS.get(detection.finding.kind)
    return _for_customer(detection) and kind is not None and kind.operator_mail and detection.finding.basis in PROVEN
