"""The only door out of the evidence: from an incident to what one audience may see of it."""

from collections import defaultdict
from collections.abc import Callable, Collection
from itertools import zip_longest

from msgspec.structs import replace

from abusewatch.evidence.digest import digest
from abusewatch.evidence.view import Seen, Sighting, View
from abusewatch.evidence.vocabulary import fields
from abusewatch.model.address import network_of
from abusewatch.model.finding import Detection, EvidenceRow, Target
from abusewatch.model.incident import Incident
from abusewatch.model.message import Audience

ROWS_SHOWN = 20
"""Enough to find the traffic in one's own logs; more proves nothing further and tells more than needed."""
ROWS_A_TARGET = 3
TARGETS_SHOWN = 100
NETWORKS_SHOWN = 50

Own = Callable[[str], bool]


def minimise(
    incident: Incident,
    audience: Audience,
    *,
    own: Own,
    addresses: Collection[str] | None = None,
    episodes: Collection[str] | None = None,
) -> View:
    """Cut an incident down to what `audience` may see; findings that tell this audience nothing are left out.

    `own` says whether an address is the provider's. `addresses` are the attacked addresses that belong to the
    operator: an operator's view without them is a ValueError, and one that is ours is never shown to an operator.
    `episodes` limits the findings to those the policy lets this audience know; None means all. A complainant has no
    view (ValueError): he is told states, never evidence.
    """
    if audience == "complainant":
        raise ValueError("a complainant is never shown evidence")
    if audience == "operator" and addresses is None:
        raise ValueError("an operator's view needs the addresses that are the operator's")
    mine = frozenset(addresses or ())
    known = [d for d in incident.detections if episodes is None or d.episode in episodes]
    shares = [(d, _share(d, audience, mine, own)) for d in known]
    return View(
        incident=incident.id,
        audience=audience,
        sightings=tuple(_sighting(d, share, audience, own) for d, share in shares if share),
        digest=digest(incident),
    )


def without_evidence(incident: Incident, view: View | None = None) -> Incident:
    """Strip an incident of every foreign address, for composing and for keeping.

    With a view, of all findings not in it too.
    """
    kept = {s.episode for s in view.sightings} if view else {d.episode for d in incident.detections}
    return replace(incident, detections=tuple(_stripped(d) for d in incident.detections if d.episode in kept))


def _stripped(detection: Detection) -> Detection:
    return replace(detection, targets=(), finding=replace(detection.finding, targets_sample=()))


def _share(detection: Detection, audience: Audience, mine: frozenset[str], own: Own) -> list[Target]:
    """Pick the targets this audience may be told of, the most attacked first.

    An operator learns nothing of an offender that is not ours: a forged source is the address of somebody else.
    """
    targets = sorted(detection.targets, key=lambda t: (-t.flows, t.address))
    if audience != "operator":
        return targets
    if not own(detection.finding.offender):
        return []
    return [t for t in targets if t.address in mine and not own(t.address)]


def _sighting(detection: Detection, share: list[Target], audience: Audience, own: Own) -> Sighting:
    """Fill in what the rule lets out; everything else keeps its empty value."""
    finding, listed = detection.finding, fields(detection, audience)
    whole = audience != "operator"
    named = len(share) if audience == "operator" else 0
    attacked = max(finding.targets, len(detection.targets))
    rows = _rows(share, listed, own) if "dst" in listed else {}
    networks = _networks(share) if "target_prefixes" in listed else []
    show = _Gate(listed)
    return Sighting(
        episode=detection.episode,
        rule=finding.rule,
        title=detection.title,
        because=detection.because,
        severity=finding.severity,
        offender=finding.offender if "src" in listed and own(finding.offender) else "",
        protocol=finding.protocol if "protocol" in listed else "",
        src_ports=detection.src_ports if "src_port" in listed else (),
        target_ports=_ports(detection, share, whole=whole) if "dst_port" in listed else (),
        first_us=show("first_seen", detection.first_us if whole else min(t.first_us for t in share)),
        last_us=show("last_seen", detection.last_us if whole else max(t.last_us for t in share)),
        flows=show("flows", finding.flows if whole else sum(t.flows for t in share), "sessions"),
        packets=show("packets", finding.packets if whole else sum(t.packets for t in share)),
        bytes=show("bytes", finding.bytes if whole else sum(t.bytes for t in share)),
        sampling_rate=finding.sampling_rate,
        coverage=finding.coverage,
        confidence=finding.confidence,
        basis=finding.basis,
        measures=dict(finding.measures) if whole else {},
        peak_pps=detection.peak_pps,
        peak_bps=detection.peak_bps,
        targets=tuple(_seen(t, rows.get(t.address, ()), show) for t in share[:TARGETS_SHOWN]) if "dst" in show else (),
        targets_more=max(0, len(share) - TARGETS_SHOWN) if "dst" in show else 0,
        networks=tuple(networks[:NETWORKS_SHOWN]),
        networks_more=max(0, len(networks) - NETWORKS_SHOWN),
        others=attacked - named,
    )


class _Gate:
    """Lets a number out when the rule lists its name (or its other name); 0 otherwise."""

    def __init__(self, listed: frozenset[str]) -> None:
        self._listed = listed

    def __call__(self, name: str, value: int, other: str = "") -> int:
        return value if name in self._listed or other in self._listed else 0

    def __contains__(self, name: str) -> bool:
        return name in self._listed


def _ports(detection: Detection, share: list[Target], *, whole: bool) -> tuple[int, ...]:
    return detection.finding.target_ports if whole else tuple(sorted({port for t in share for port in t.ports}))


def _networks(share: list[Target]) -> list[str]:
    """Name the attacked networks, the most attacked first."""
    flows: dict[str, int] = defaultdict(int)
    for target in share:
        flows[network_of(target.address)] += target.flows
    return sorted(flows, key=lambda network: (-flows[network], network))


def _seen(target: Target, rows: tuple[EvidenceRow, ...], show: _Gate) -> Seen:
    return Seen(
        address=target.address,
        flows=show("flows", target.flows, "sessions"),
        packets=show("packets", target.packets),
        bytes=show("bytes", target.bytes),
        first_us=show("first_seen", target.first_us),
        last_us=show("last_seen", target.last_us),
        ports=target.ports if "dst_port" in show else (),
        rows=rows,
    )


def _rows(share: list[Target], listed: frozenset[str], own: Own) -> dict[str, tuple[EvidenceRow, ...]]:
    """Choose the records to show: first one of every target, then a second, a third, until the cap.

    By target, in order of time.
    """
    ordered = [sorted(t.rows, key=lambda r: (r.start_us, r.src_port))[:ROWS_A_TARGET] for t in share[:TARGETS_SHOWN]]
    layers = zip_longest(*([(t.address, row) for row in rows] for t, rows in zip(share, ordered, strict=False)))
    chosen = [pair for layer in layers for pair in layer if pair is not None][:ROWS_SHOWN]
    shown: dict[str, list[EvidenceRow]] = defaultdict(list)
    for address, row in chosen:
        shown[address].append(_masked(row, address, listed, own))
    return {address: tuple(rows) for address, rows in shown.items()}


def _masked(row: EvidenceRow, dst: str, listed: frozenset[str], own: Own) -> EvidenceRow:
    """Copy the listed fields of a record into an empty one.

    Its destination is the target it stands under, nothing else.
    """
    show = _Gate(listed)
    ours = own(row.src)
    return EvidenceRow(
        start_us=show("first_seen", row.start_us),
        end_us=show("last_seen", row.end_us),
        src=row.src if "src" in listed and ours else "",
        src_port=show("src_port", row.src_port) if ours else 0,
        dst=dst,
        dst_port=show("dst_port", row.dst_port),
        protocol=show("protocol", row.protocol),
        packets=show("packets", row.packets),
        bytes=show("bytes", row.bytes),
        flags=show("flags", row.flags),
        outcome=row.outcome if "outcome" in listed else "unknown",
    )
