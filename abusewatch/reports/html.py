"""The replay's page: one self-contained file that shows what was found and why, for a screen, a projector or paper.

No script, no font and no image from elsewhere; all text is escaped by the template engine. The page is for the
provider's own desk, so it shows addresses in full; the mails it links to are what others would read.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import PackageLoader, StrictUndefined
from jinja2.sandbox import ImmutableSandboxedEnvironment

from abusewatch.model.classes import named
from abusewatch.model.finding import Detection, iso
from abusewatch.model.kinds import KINDS
from abusewatch.model.message import Message
from abusewatch.reports.texts import clean, number, ports
from abusewatch.reports.timeline import lanes, sweep

TARGETS_SHOWN = 20
SEVERITY_ORDER = {"critical": 0, "high": 1, "medium": 2, "low": 3}
BASIS = {
    "handshake": "connections completed or data went both ways: the source address cannot have been forged",
    "anchored": "entered through the customer's own port: the origin is certain",
    "syn_only": "opening packets only: the source address might have been forged, so no third party is mailed by itself",
    "one_way": "one direction only: the source address might have been forged, so no third party is mailed by itself",
    "unknown": "cannot be told from this input, so no third party is mailed by itself",
}


def render(
    findings: Sequence[Detection], *, source_name: str, counts: Mapping[str, int], mails: Mapping[str, Message]
) -> str:
    """Render the page.

    `counts` are shown as they are, in their order (`{"packets": 12000, "records": 310}`); `mails` maps a file's path
    relative to the page to the mail in it.
    """
    environment = ImmutableSandboxedEnvironment(
        loader=PackageLoader("abusewatch.reports", "templates"),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=clean,
    )
    environment.filters.update(number=lambda value: number(value, ","), ports=ports, measure=_measure)
    ordered = sorted(findings, key=lambda d: (SEVERITY_ORDER.get(d.finding.severity, 9), d.first_us, d.finding.rule))
    return environment.get_template("report.html.j2").render(
        source=source_name,
        counts=counts,
        findings=[_finding(index, detection) for index, detection in enumerate(ordered, 1)],
        offenders=len({d.finding.offender for d in ordered}),
        attacked=len({t.address for d in ordered for t in d.targets}) + sum(d.targets_shed for d in ordered),
        span=_range(min(d.first_us for d in ordered), max(d.last_us for d in ordered)) if ordered else "",
        lanes=lanes(ordered),
        mails=[{"path": path, "mail": message} for path, message in mails.items()],
    )


def _finding(index: int, detection: Detection) -> dict[str, Any]:
    """Prepare one finding: its contract fields, its texts and its drawing."""
    finding = detection.finding
    targets = sorted(detection.targets, key=lambda t: (-t.flows, t.first_us, t.address))
    return {
        "id": f"finding-{index}",
        "index": index,
        "it": finding,
        "title": detection.title,
        "because": detection.because,
        "phrase": KINDS[finding.kind].phrase,
        "basis": BASIS.get(finding.basis, finding.basis),
        "resembles": named(finding.classes),
        "first": _time(detection.first_us),
        "range": _range(detection.first_us, detection.last_us),
        "duration": _duration(detection.last_us - detection.first_us),
        "src_ports": detection.src_ports,
        "status": detection.status,
        "roles": detection.roles,
        "peak_pps": detection.peak_pps,
        "peak_bps": detection.peak_bps,
        "targets": [{"it": t, "first": _time(t.first_us), "last": _time(t.last_us)} for t in targets[:TARGETS_SHOWN]],
        "targets_more": max(finding.targets, len(targets) + detection.targets_shed) - min(len(targets), TARGETS_SHOWN),
        "sweep": sweep(detection),
    }


def _time(us: int) -> str:
    text = iso(us)
    return f"{text[:10]} {text[11:19]}"


def _range(first_us: int, last_us: int) -> str:
    """Write from when to when, the day once when it is one day."""
    first, last = _time(first_us), _time(last_us)
    return f"{first} to {last[11:] if last[:10] == first[:10] else last} UTC"


def _duration(us: int) -> str:
    """Write a duration as a person says it: `0.4 s`, `4 min 57 s`, `3 h 12 min`."""
    seconds = max(us, 0) / 1e6
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def _measure(value: float) -> str:
    """Write a measure: whole numbers in groups of three, fractions to three digits that count."""
    return number(value, ",") if value == int(value) else f"{value:.3g}"
