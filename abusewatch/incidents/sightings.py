"""How much was seen of each finding of an incident: to tell a customer what came since his last notice."""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from abusewatch.model.incident import Incident


class Seen(NamedTuple):
    """Records, packets and bytes."""

    flows: int = 0
    packets: int = 0
    bytes: int = 0


class Noticed(NamedTuple):
    """The last notice to the customer: when it was written, and what had been seen of each episode by then."""

    at_us: int
    seen: Mapping[str, Seen]


def seen(incident: Incident) -> dict[str, Seen]:
    """Count each finding, by episode."""
    return {d.episode: Seen(d.finding.flows, d.finding.packets, d.finding.bytes) for d in incident.detections}


def since(incident: Incident, noticed: Noticed, episodes: Collection[str]) -> Seen:
    """Sum what came after a notice, over some of the episodes; one that was not known then counts whole."""
    grown = [
        [max(0, now - then) for now, then in zip(counts, noticed.seen.get(episode, Seen()), strict=True)]
        for episode, counts in seen(incident).items()
        if episode in episodes
    ]
    return Seen(*(sum(column) for column in zip(*grown, strict=True))) if grown else Seen()
