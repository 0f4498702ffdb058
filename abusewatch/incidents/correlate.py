"""Which incident a finding belongs to: decided purely, saved by the caller."""

from collections.abc import Callable, Iterable

import msgspec
from msgspec.structs import replace

from abusewatch.incidents.lifecycle import Change, LifecycleError, step
from abusewatch.model.finding import Detection
from abusewatch.model.incident import Incident
from abusewatch.model.kinds import BASES, SEVERITIES

STRENGTH = {basis: rank for rank, basis in enumerate(("unknown", "one_way", "syn_only", "anchored", "handshake"))}
"""How hard a basis is to forge, weakest first; an incident stands on its strongest."""
if STRENGTH.keys() != set(BASES):
    raise AssertionError("a basis without a strength would sort anywhere")


def identity(detection: Detection) -> tuple[str, str]:
    """Say whose act of which kind this is. Without a customer the address stands for itself: `address:198.51.100.7`."""
    finding = detection.finding
    return finding.customer or f"address:{finding.offender}", finding.kind


def correlate(
    open_incidents: Iterable[Incident],
    detections: Iterable[Detection],
    now_us: int,
    ids: Callable[[int], str],
) -> list[Change]:
    """Put each detection into the incident of its customer and kind, opening one where none is.

    A new incident is named by `ids(now_us)`. A later version of an episode replaces the earlier one; an earlier or
    equal one changes nothing, so that detections delivered twice, or in another order, end in the same incidents.
    Returns only the incidents that changed, in order of first mention.
    """
    current = {(i.customer, i.kind): Change(i, i.state) for i in open_incidents if i.state != "closed"}
    merged = {(i.customer, kind): key for key, (i, _) in current.items() for kind in i.also}
    changed: dict[tuple[str, str], None] = {}
    for detection in detections:
        key = merged.get(identity(detection), identity(detection))
        known = current.get(key)
        after = _opened(detection, now_us, ids) if known is None else _joined(known.incident, detection, now_us)
        if known is None or after is not known.incident:
            current[key] = Change(after, known.before if known else None)
            changed[key] = None
    return [current[key] for key in changed]


def join(one: Incident, other: Incident, now_us: int) -> tuple[Incident, Incident]:
    """Bring the findings of `other` into `one`, where later ones of its kind follow; both as they are then.

    LifecycleError when they are not two open cases of one customer.
    """
    if one.id == other.id or one.customer != other.customer:
        raise LifecycleError("only two cases of one customer can be merged")
    if "closed" in {one.state, other.state}:
        raise LifecycleError("a case that is closed cannot be merged; open it again first")
    whole = one
    for detection in other.detections:
        whole = _joined(whole, detection, now_us)
    told = [us for us in (one.notified_us, other.notified_us) if us is not None]
    goes_on = other.state in {"open", "active", "reopened"} and one.state in {"quiet", "resolved"}
    state = step(one.state, "seen") if goes_on else step("open", "told") if one.state == "open" and told else one.state
    kinds = dict.fromkeys((*one.also, other.kind, *other.also))
    kinds.pop(one.kind, None)
    kept = replace(
        whole, state=state, also=tuple(kinds), notified_us=min(told, default=None),
        opened_us=min(one.opened_us, other.opened_us), updated_us=now_us,
    )  # fmt: skip
    return kept, replace(other, state="closed", also=(), updated_us=now_us)


def _opened(detection: Detection, now_us: int, ids: Callable[[int], str]) -> Incident:
    customer, kind = identity(detection)
    incident = Incident(
        id=ids(now_us),
        customer=customer,
        kind=kind,
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
    known = {d.episode: d for d in incident.detections}
    old = known.get(detection.episode)
    if old is not None and not _newer(detection, old):
        return incident
    known[detection.episode] = detection
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
    return replace(
        incident,
        severity=max((d.finding.severity for d in some), key=SEVERITIES.index),
        confidence=max(d.finding.confidence for d in some),
        basis=max((d.finding.basis for d in some), key=lambda basis: STRENGTH[basis]),
        first_us=min(d.first_us for d in some),
        last_us=max(d.last_us for d in some),
    )
