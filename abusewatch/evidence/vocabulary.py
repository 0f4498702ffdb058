"""The closed vocabulary of evidence: the names a rule may list, and who may ever have which.

A customer never gets another network's addresses, so `dst` does not exist for him; an operator knows his own prefixes,
so he needs no `target_prefixes`.
"""

from abusewatch.model.finding import Detection
from abusewatch.model.message import Audience

COMMON = frozenset({
    "src", "src_port", "dst_port", "protocol", "first_seen", "last_seen", "sessions", "flows", "packets", "bytes",
    "flags", "outcome",
})  # fmt: skip

ALLOWED: dict[Audience, frozenset[str]] = {
    "operator": COMMON | {"dst"},
    "customer": COMMON | {"target_prefixes"},
    "desk": COMMON | {"dst", "target_prefixes"},
    "complainant": frozenset(),
}
"""What an audience may have at most, whatever a rule lists.

`sessions` and `flows` both count conversations or records.
"""

NAMES = frozenset().union(*ALLOWED.values())
"""Every name a rule may list; a rule with another one does not say what it means to disclose."""


def fields(detection: Detection, audience: Audience) -> frozenset[str]:
    """Take the rule's own list for this audience, less what this audience may never have.

    The desk sees what either side does.
    """
    operator, customer = frozenset(detection.evidence_operator), frozenset(detection.evidence_customer)
    listed: dict[Audience, frozenset[str]] = {"operator": operator, "customer": customer, "desk": operator | customer}
    return listed.get(audience, frozenset()) & ALLOWED[audience]
