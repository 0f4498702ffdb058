"""Which incident a finding belongs to: decided purely, saved by the caller.

A customer has one incident of a kind while it lasts, and one of an act: where rules overlap, what they found of the same
act is together under the strongest claim (`model.claims`). The weaker ones stay in it and are told beside it.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable

import msgspec
from msgspec.structs import replace

from abusewatch.incidents.acts import one_act
from abusewatch.incidents.lifecycle import Change, LifecycleError, step
from abusewatch.model.claims import leading, rank
from abusewatch.model.finding import Detection
from abusewatch.model.incident import Incident
from abusewatch.model.kinds import BASES, SEVERITIES

STRENGTH = {basis: rank for rank, basis in enumerate(("unknown", "one_way", "syn_only", "anchored", "handshake"))}
"""How hard a basis is to forge, weakest first; an incident stands on its strongest."""
if STRENGTH.keys() != set(BASES):
    raise AssertionError("a basis without a strength would sort anywhere")


def owner(detection: Detection) -> str:
    """Say whose act this is. Without a customer the address stands for itself: `address:198.51.100.7`."""
    return detection.finding.customer or f"address:{detection.finding.offender}"


def correlate(
    open_incidents: Iterable[Incident],
    detections: Iterable[Detection],
    now_us: int,
    ids: Callable[[int], str],
) -> list[Change]:
    """Put each detection into the incident of its customer that holds its kind or its act, opening one where none is.

    A detection that ties several incidents together makes them one, in the one that was told first. A new incident is
    named by `ids(now_us)`. A later version of an episode replaces the earlier one; an earlier or equal one changes
    nothing, so that detections delivered twice, or in another order, end in the same incidents. Returns only the
    incidents that changed, in order of first mention, one that takes over another before that.
    """
    cases: dict[str, dict[str, Change]] = defaultdict(dict)
    for incident in open_incidents:
        if incident.state != "closed":
            cases[incident.customer][incident.id] = Change(incident, incident.state)
    changed: dict[str, Change] = {}
    for detection in detections:
        mine = cases[owner(detection)]
        if any(_says_nothing_new(case.incident, detection) for case in mine.values()):
            continue
        homes = sorted((case for case in mine.values() if _holds(case.incident, detection)), key=_seniority)
        home = homes[0] if homes else Change(_opened(detection, now_us, ids), None)
        for other in homes[1:]:
            kept, gone = join(home.incident, other.incident, now_us)
            home = home._replace(incident=kept)
            changed[kept.id] = home
            del mine[gone.id]
            changed.pop(gone.id, None)
            if other.before is not None:  # else nobody has heard of it
                changed[gone.id] = Change(gone, other.before)
        if homes:
            home = home._replace(incident=_joined(home.incident, detection, now_us))
        mine[home.incident.id] = changed[home.incident.id] = home
    return list(changed.values())


def _says_nothing_new(incident: Incident, detection: Detection) -> bool:
    return any(one.episode == detection.episode and not _newer(detection, one) for one in incident.detections)


def _holds(incident: Incident, detection: Detection) -> bool:
    """Whether a detection belongs to an incident: others of its kind are there, or others of its act."""
    kind = detection.finding.kind
    return kind == incident.kind or kind in incident.also or any(one_act(detection, one) for one in incident.detections)


def _seniority(case: Change) -> tuple[bool, bool, int, int, str]:
    """Put the incident first that readers know best: one that was told, then one that is stored, then the oldest."""
    one = case.incident
    return one.notified_us is None, case.before is None, one.notified_us or 0, one.opened_us, one.id


def join(one: Incident, other: Incident, now_us: int) -> tuple[Incident, Incident]:
    """Bring the findings of `other` into `one`, where later ones of its kinds follow; both as they are then.

    LifecycleError when they are not two open cases of one customer.
    """
    if one.id == other.id or one.customer != other.customer:
        raise LifecycleError("only two cases of one customer can be merged")
    if "closed" in {one.state, other.state}:
        raise LifecycleError("a case that is closed cannot be merged; open it again first")
    whole = replace(one, also=(*one.also, other.kind, *other.also))
    for detection in other.detections:
        whole = _joined(whole, detection, now_us)
    told = [us for us in (one.notified_us, other.notified_us) if us is not None]
    goes_on = other.state in {"open", "active", "reopened"} and one.state in {"quiet", "resolved"}
    state = step(one.state, "seen") if goes_on else step("open", "told") if one.state == "open" and told else one.state
    kept = replace(
        _summed(whole), state=state, notified_us=min(told, default=None),
        opened_us=min(one.opened_us, other.opened_us), updated_us=now_us,
    )  # fmt: skip
    return kept, replace(other, state="closed", also=(), merged_into=one.id, updated_us=now_us)


def _opened(detection: Detection, now_us: int, ids: Callable[[int], str]) -> Incident:
    incident = Incident(
        id=ids(now_us),
        customer=owner(detection),
        kind=detection.finding.kind,
        state="open",
        severity="low",
        confidence=0.0,
        basis="unknown",
        first_us=detection.first_us,
        last_us=detection.last_us,
        detections=(detection,),
        opened_us=now_us,
        updated_us=now_us,
    )
    return _summed(incident)


def _joined(incident: Incident, detection: Detection, now_us: int) -> Incident:
    """Add a detection or its newer version; the very same incident when it says nothing new."""
    if _says_nothing_new(incident, detection):
        return incident
    known = {d.episode: d for d in incident.detections} | {detection.episode: detection}
    return _summed(
        replace(incident, state=step(incident.state, "seen"), detections=tuple(known.values()), updated_us=now_us)
    )


def _newer(one: Detection, other: Detection) -> bool:
    """Whether `one` is a later version of the same episode: it reaches further, or as far with more seen.

    Two that reach equally far and still differ are put in the order of their bytes, so that the order of arrival never
    decides.
    """
    if one == other:
        return False
    reach, limit = _reach(one), _reach(other)
    return reach > limit if reach != limit else msgspec.json.encode(one) > msgspec.json.encode(other)


def _reach(one: Detection) -> tuple[int, ...]:
    return one.last_us, one.finding.flows, one.finding.packets, len(one.targets)


def _summed(incident: Incident) -> Incident:
    """Recompute what the incident says as a whole from its findings."""
    some = incident.detections
    kind = leading(some)
    return replace(
        incident,
        kind=kind,
        also=tuple(sorted({incident.kind, *incident.also, *(d.finding.kind for d in some)} - {kind}, key=rank)),
        severity=max((d.finding.severity for d in some), key=SEVERITIES.index),
        confidence=max(d.finding.confidence for d in some),
        basis=max((d.finding.basis for d in some), key=lambda basis: STRENGTH[basis]),
        first_us=min(d.first_us for d in some),
        last_us=max(d.last_us for d in some),
    )
