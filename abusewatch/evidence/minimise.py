"""The only door out of the evidence: from an incident to what one audience may see of it."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from itertools import zip_longest

from msgspec.structs import replace

from abusewatch.evidence.digest import digest
from abusewatch.evidence.vocabulary import Facts, facts_of_row, facts_of_targets, fields, project
from abusewatch.model.address import network_of
from abusewatch.model.claims import leading, rank
from abusewatch.model.evidence import Row, Section, View
from abusewatch.model.finding import Detection, Target
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
    known.sort(key=lambda d: rank(d.finding.kind))
    shares = [(d, share) for d in known if (share := _share(d, audience, mine, own))]
    named = {t.address for _, share in shares for t in share}
    attacked = _attacked(known)
    networks = _networks(shares, audience)
    return View(
        incident=incident.id,
        audience=audience,
        kind=leading(d for d, _ in shares) if shares else incident.kind,
        first_us=min((t.first_us for _, share in shares for t in share), default=incident.first_us),
        last_us=max((t.last_us for _, share in shares for t in share), default=incident.last_us),
        offenders=tuple(sorted({d.finding.offender for d, _ in shares if own(d.finding.offender)})),
        sections=tuple(_section(d, _opaque(incident, d), share, audience, own) for d, share in shares),
        targets=len(named) if audience == "operator" else attacked,
        elsewhere=attacked - len(named) if audience == "operator" else 0,
        networks=tuple(networks[:NETWORKS_SHOWN]),
        networks_more=max(0, len(networks) - NETWORKS_SHOWN),
        digest=digest(incident),
    )


def without_evidence(incident: Incident, view: View | None = None) -> Incident:
    """Strip an incident of every attacked address, to keep it or to compose from it.

    With a view (to compose) the findings that are not in it go too, and so does an offender's address that is not ours,
    and before an operator the customer's id; kind and episodes are named as in the view.
    """
    if view is None:
        return replace(incident, detections=tuple(_bare(d) for d in incident.detections))
    shown = {s.episode: s for s in view.sections}
    known = ((_opaque(incident, d), d) for d in incident.detections)
    return replace(
        incident,
        kind=view.kind,
        detections=tuple(_stripped(d, view.audience, name, shown[name].offender) for name, d in known if name in shown),
    )


def _bare(detection: Detection) -> Detection:
    return replace(detection, targets=(), finding=replace(detection.finding, targets_sample=()))


def _stripped(detection: Detection, audience: Audience, name: str, offender: str | None) -> Detection:
    bare = _bare(detection)
    customer = None if audience == "operator" else bare.finding.customer
    return replace(bare, finding=replace(bare.finding, offender=offender or "", customer=customer), episode=name)


def _opaque(incident: Incident, detection: Detection) -> str:
    """Name an episode without the address that its own name holds: a forged source's owner must not be disclosed."""
    return hashlib.sha256(f"{incident.id} {detection.episode}".encode()).hexdigest()[:16]


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


def _attacked(detections: Iterable[Detection]) -> int:
    """Count the attacked addresses over several findings: those named, or what one finding counted if that is more."""
    some = list(detections)
    named = {t.address for d in some for t in d.targets}
    return max([len(named), *(d.finding.targets for d in some)])


def _networks(shares: Iterable[tuple[Detection, list[Target]]], audience: Audience) -> list[str]:
    """Name the attacked networks, the most attacked first, of the findings whose rule lets this audience know them."""
    flows: dict[str, int] = defaultdict(int)
    for detection, share in shares:
        if {"dst", "target_prefixes"}.intersection(fields(detection, audience)):
            for target in share:
                flows[network_of(target.address)] += target.flows
    return sorted(flows, key=lambda network: (-flows[network], network))


def _section(detection: Detection, name: str, share: list[Target], audience: Audience, own: Own) -> Section:
    finding, listed = detection.finding, fields(detection, audience)
    by_target = _by_target(detection, share, listed, own)
    rows = _rows(share, listed, own)
    return Section(
        episode=name,
        rule=finding.rule,
        kind=finding.kind,
        title=detection.title,
        because=detection.because,
        severity=finding.severity,
        confidence=finding.confidence,
        basis=finding.basis,
        resembles=finding.classes if audience != "operator" else (),
        offender=finding.offender if own(finding.offender) else None,
        protocol=finding.protocol,
        ports=tuple(sorted({port for t in share for port in t.ports})) if "dst_port" in listed else (),
        src_ports=detection.src_ports if "src_port" in listed else (),
        sampling_rate=finding.sampling_rate,
        coverage=finding.coverage,
        peak_pps=detection.peak_pps,
        peak_bps=detection.peak_bps,
        fields=listed,
        total=project(_total(detection, share, audience), listed, own),
        targets=len(share) if audience == "operator" else max(len(share), finding.targets),
        by_target=by_target[:TARGETS_SHOWN],
        by_target_more=max(0, len(by_target) - TARGETS_SHOWN),
        rows=rows,
        rows_more=max(0, sum(t.flows for t in share) - len(rows)),
    )


def _total(detection: Detection, share: list[Target], audience: Audience) -> Facts:
    """Sum the share; where targets were shed, only the finding knows the sum, and only an operator's share is whole."""
    finding = detection.finding
    facts = facts_of_targets(share, finding.offender, finding.protocol)
    if audience == "operator" or not detection.targets_shed:
        return facts
    counts = {"flows": finding.flows, "packets": finding.packets, "bytes": finding.bytes}
    return replace(facts, first_us=detection.first_us, last_us=detection.last_us, dst=None, network=None, **counts)


def _by_target(detection: Detection, share: list[Target], listed: tuple[str, ...], own: Own) -> tuple[Row, ...]:
    """Sum by address for one who may see addresses, by network for one who may see networks; nobody else gets sums."""
    if "dst" in listed:
        groups = [[t] for t in share]
    elif "target_prefixes" in listed:
        networks: dict[str, list[Target]] = defaultdict(list)
        for target in share:
            networks[network_of(target.address)].append(target)
        groups = sorted(networks.values(), key=lambda group: -sum(t.flows for t in group))
    else:
        return ()
    finding = detection.finding
    return tuple(project(facts_of_targets(g, finding.offender, finding.protocol), listed, own) for g in groups)


def _rows(share: list[Target], listed: tuple[str, ...], own: Own) -> tuple[Row, ...]:
    """Choose the records to show: one of every target first, then a second, a third, until the cap."""
    per_target = [
        [(row, t.address) for row in sorted(t.rows, key=lambda r: (r.start_us, r.src_port))[:ROWS_A_TARGET]]
        for t in share
    ]
    chosen = [pair for layer in zip_longest(*per_target) for pair in layer if pair is not None][:ROWS_SHOWN]
    chosen.sort(key=lambda pair: (pair[0].start_us, pair[1], pair[0].src_port))
    return tuple(project(facts_of_row(row, address), listed, own) for row, address in chosen)
