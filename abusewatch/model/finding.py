"""What a rule saw: the finding (the JSON of docs/reference) and the evidence rows behind it."""

from datetime import UTC, datetime

import msgspec


def iso(us: int) -> str:
    """Write microseconds since the epoch as RFC 3339 UTC with milliseconds: 2026-11-01T10:00:03.120Z.

    Times that no calendar holds are written as its first or last day.
    """
    seconds = min(max(us // 1_000_000, -62_135_596_800), 253_402_300_799)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{us // 1000 % 1000:03d}Z"


class Estimate(msgspec.Struct, frozen=True):
    """Packets sent, with the band that sampling leaves: `low` is the one-sided 99.9 % bound on which thresholds are judged.

    Records of an unknown rate count once each; with those `high` bounds nothing.
    """

    packets: int
    low: int
    high: int


class Finding(msgspec.Struct, frozen=True, omit_defaults=False):
    """One finding per rule, offender and episode. Field names and order are the contract of design.md 3.

    `sampling_rate` is the highest of its records' exporters; 0 when one of them did not tell its own, and then every count is a lower bound.
    """

    rule: str
    kind: str
    xarf: str
    offender: str
    customer: str | None
    direction: str
    protocol: str
    target_ports: tuple[int, ...]
    targets: int
    targets_sample: tuple[str, ...]
    first_seen: str
    last_seen: str
    flows: int
    packets: int
    bytes: int
    sampling_rate: int
    estimate: Estimate
    severity: str
    confidence: float
    basis: str
    measures: dict[str, float | int]
    threshold: str
    frames: tuple[int, ...]
    coverage: float
    status: str | msgspec.UnsetType = msgspec.UNSET
    """Left out for stable rules: then the object is exactly the contract's; `observe` and `sandbox` findings say so."""
    resembles: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    """Names of `model.classes`: what harmless thing it may be, for which `confidence` is lower. Left out when there is none."""

    @property
    def classes(self) -> tuple[str, ...]:
        """What it resembles, also when that is nothing."""
        return self.resembles or ()


class EvidenceRow(msgspec.Struct, frozen=True):
    """One conversation or record, header fields only, as seen from the offender. Times are microseconds since the epoch, UTC."""

    start_us: int
    end_us: int
    src: str
    src_port: int
    dst: str
    dst_port: int
    protocol: int
    packets: int
    bytes: int
    flags: int
    reply_packets: int = 0
    outcome: str = "unknown"
    frame: int = 0


class Target(msgspec.Struct, frozen=True):
    """What one attacked address received: totals and at most a few rows (`detect.evidence` holds the limits)."""

    address: str
    flows: int
    packets: int
    bytes: int
    first_us: int
    last_us: int
    ports: tuple[int, ...]
    rows: tuple[EvidenceRow, ...]


class Detection(msgspec.Struct, frozen=True):
    """A finding with its evidence. `episode` is stable over updates: (rule, offender, start of the episode).

    `targets` is capped and `targets_shed` counts the rest. `src_ports` holds the most frequent source ports (XARF and RFC 6302 want one).
    `evidence_operator` and `evidence_customer` are the field names the rule lets out.
    """

    finding: Finding
    episode: str
    first_us: int
    last_us: int
    targets: tuple[Target, ...]
    targets_shed: int
    src_ports: tuple[int, ...]
    evidence_operator: tuple[str, ...]
    evidence_customer: tuple[str, ...]
    title: str
    because: str
    status: str
    peak_pps: float = 0.0
    peak_bps: float = 0.0
    roles: tuple[str, ...] = ()
