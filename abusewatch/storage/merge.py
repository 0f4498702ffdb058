"""What both stores do alike when a change meets a stored incident that was moved in between by somebody else."""

from msgspec.structs import replace

from abusewatch.incidents import Change, step
from abusewatch.model.incident import Incident


def merged(change: Change, state: str, notified_us: int | None) -> Incident:
    """Bring a change up to what is stored: the mark is never lost, and a state moved meanwhile is moved on from there.

    The flow side decides on what it read; casework, the desk and the customer move the same incident. A sighting of a
    case closed meanwhile stays with the closed case: the next one opens a new one.
    """
    incident = change.incident
    if incident.merged_into:
        return incident
    kept = incident.notified_us if notified_us is None else notified_us
    if state == change.before:
        return replace(incident, notified_us=kept)
    moved = state if state == "closed" or incident.state in {"quiet", "closed"} else step(state, "seen")
    return replace(incident, notified_us=kept, state=moved)


def began(dedup: str, incident: str) -> str:
    """Name the case a thread of mail began under, when it was another one (the first part of `dedup`)."""
    case = dedup.partition("|")[0]
    return "" if case == incident else case
