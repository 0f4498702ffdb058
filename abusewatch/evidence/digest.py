"""One fingerprint of an incident's evidence, so that two parties can be shown to have been told of the same thing."""

import hashlib

import msgspec

from abusewatch.model.incident import Incident


def digest(incident: Incident) -> str:
    """Hash the canonical evidence: `sha256:` and 64 hex digits.

    The order in which findings or targets arrived does not matter.
    """
    canonical = [
        (
            d.episode,
            d.finding.rule,
            d.finding.offender,
            d.first_us,
            d.last_us,
            d.targets_shed,
            sorted((t.address, t.flows, t.packets, t.bytes, t.first_us, t.last_us, t.ports) for t in d.targets),
        )
        for d in sorted(incident.detections, key=lambda d: d.episode)
    ]
    return "sha256:" + hashlib.sha256(msgspec.json.encode((incident.id, incident.kind, canonical))).hexdigest()
