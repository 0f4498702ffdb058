"""Episodes: one finding per rule and offender while it lasts. It is updated, not repeated; after the rule's quiet time a new one begins."""

import heapq
import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from msgspec import UNSET

from abusewatch.detect.measures import lower_bound, upper_bound
from abusewatch.detect.resemblance import Signs, lowered, resembles
from abusewatch.detect.rule import Rule
from abusewatch.detect.runner import SECOND, Firing
from abusewatch.detect.tally import Tally, whole
from abusewatch.model import rows as r
from abusewatch.model.customer import Customer
from abusewatch.model.finding import Detection, Estimate, Finding, iso
from abusewatch.model.rows import Columns
from abusewatch.windows.order import mix, order_of, starts_of

PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 47: "gre", 50: "esp", 58: "icmp6", 132: "sctp"}
PORTED = frozenset({6, 17, 33, 132})
"""TCP, UDP, DCCP and SCTP."""
SAMPLE = 5
DAY_US = 86_400 * SECOND
UPDATE_US = 60 * SECOND  # a finding that goes on is told again this often; its totals are exact whenever it is


Coverage = Callable[[Collection[int], int, int], float]
"""The part of what some exporters sent from one time to another that has reached us, 0 to 1."""


def complete(_exporters: Collection[int], _first_us: int, _last_us: int) -> float:
    """The coverage where nobody can say that anything is missing."""
    return 1.0


class Owners(Protocol):
    """Who an address belonged to; the inventory implements it."""

    def owner_at(self, text: str, us: int) -> Customer | None:
        """Give the customer who owned an address at a time, or None."""
        ...

    def contains(self, text: str) -> bool:
        """Tell whether an address is ours."""
        ...

    def customer_behind(self, exporter: int, interface: int) -> Customer | None:
        """Give the customer behind a port that foreign sources came in by, or None."""
        ...


@dataclass(slots=True)
class Episode:
    """What one rule holds against one offender. `suppressed` says why nobody is told (a role, an exception); it is still counted."""

    rule: Rule
    tally: Tally = field(default_factory=Tally)
    strongest: Firing | None = None
    seen_us: int = 0
    started_us: int = 0
    told_us: int = 0
    told_severity: str = ""
    offender: str = ""
    """The address that the finding is about, once it has been told."""
    groups: dict[int, int] = field(default_factory=dict)
    """The groups that have fired, and when last (the end of that pane)."""

    @property
    def over_us(self) -> int:
        """From when on it is over, unless more comes."""
        return self.seen_us + self.rule.match.quiet_secs * SECOND


class Episodes:
    """All episodes of all rules. The number is bounded; over it the longest quiet ends first and is counted in `shed`."""

    def __init__(self, owners: Owners, capacity: int = 16_384) -> None:
        self._swept_us = 0
        self._owners = owners
        self._capacity = capacity
        self._open: dict[tuple[str, int], Episode] = {}
        self._fired: dict[str, np.ndarray] = {}
        self.suppressed = 0
        self.shed = 0

    def fired(self, rule: str) -> np.ndarray:
        """Hashes of the groups of a rule that have fired in an open episode."""
        if rule not in self._fired:
            found = [group for (name, _), episode in self._open.items() if name == rule for group in episode.groups]
            self._fired[rule] = np.array(sorted(set(found)), np.uint64)
        return self._fired[rule]

    def add(self, rule: Rule, firings: Sequence[Firing], rows: Columns, end_us: int) -> list[tuple[str, int]]:
        """Add the rows of groups that fire to their episodes and give the keys of those."""
        if "ours" in rows:
            rows = r.take(rows, rows["ours"])
        if not len(rows["identity"]):
            return []
        rows = r.take(rows, _by_time(rows))
        changed: list[tuple[str, int]] = []
        by_group = {f.group: f for f in firings}
        rows = r.take(rows, order_of(rows["identity"]))
        starts = starts_of(rows["identity"]).tolist()
        for begin, end in zip(starts, [*starts[1:], len(rows["identity"])], strict=True):
            mine = r.take(rows, slice(begin, end))
            key = (rule.id, int(mine["identity"][0]))
            episode = self._open.get(key)
            if episode is None or end_us > episode.over_us or self._has_moved(episode, end_us):
                episode = self._open[key] = Episode(rule, started_us=int(mine["start_us"].min()))
            episode.tally.add(mine)
            episode.seen_us = end_us
            for group in sorted(set(mine["group"].tolist())):
                _strengthen(episode, by_group[group], end_us)
            changed.append(key)
        self._fired.pop(rule.id, None)
        self._bound()
        return changed

    def _has_moved(self, episode: Episode, now_us: int) -> bool:
        """Whether the address has another owner since (owners change at midnight UTC): who comes is not charged with what was."""
        if now_us // DAY_US == episode.seen_us // DAY_US:
            return False
        offender = episode.tally.offender
        return self._owners.owner_at(offender, episode.seen_us) != self._owners.owner_at(offender, now_us)

    def is_over(self, key: tuple[str, int], now_us: int) -> bool:
        """Whether an episode has ended, or is no longer known."""
        episode = self._open.get(key)
        return episode is None or now_us > episode.over_us

    def end(self, now_us: int, *, every: bool = False) -> None:
        """Forget episodes after their quiet time, and of those that go on the groups that have not fired for a window. With `every`: all."""
        over = [key for key, episode in self._open.items() if every or now_us > episode.over_us]
        for key in over:
            del self._open[key]
            self._fired.pop(key[0], None)
        if every or now_us - self._swept_us >= UPDATE_US:
            self._swept_us = 0 if every else now_us
            self._forget_groups(now_us)

    def _forget_groups(self, now_us: int) -> None:
        for episode in self._open.values():
            after_us = now_us - (episode.rule.match.window_secs + episode.rule.match.grace_secs) * SECOND
            episode.groups = {group: seen_us for group, seen_us in episode.groups.items() if seen_us > after_us}
        self._fired.clear()

    def is_due(self, key: tuple[str, int], now_us: int) -> bool:
        """Whether an episode that has grown is to be told: when it is new or graver, else once a while."""
        episode = self._open.get(key)
        if episode is None or episode.strongest is None:
            return False
        return episode.strongest.reason.severity != episode.told_severity or now_us - episode.told_us >= UPDATE_US

    def detection(self, key: tuple[str, int], coverage: Coverage, now_us: int) -> Detection | None:
        """The episode as a value; None when a role or an exception keeps it from being a finding."""
        episode = self._open.get(key)
        if episode is None or episode.strongest is None:
            return None
        episode.told_us, episode.told_severity = now_us, episode.strongest.reason.severity
        # Of forged sources another may be the most frequent by now, but a finding that is told again is still about the same.
        offender = episode.offender = episode.offender or episode.tally.offender
        foreign = not self._owners.contains(offender)
        owner = self._owners.owner_at(offender, episode.tally.first_us)
        customer = self._owners.customer_behind(*episode.tally.port) if foreign else owner
        if exempted(episode.rule, customer, offender):
            self.suppressed += 1
            return None
        tally = episode.tally
        share = coverage(tally.exporters, tally.first_us, tally.last_us)
        return _detection(episode, offender, customer, share, foreign=foreign)

    def _bound(self) -> None:
        surplus = len(self._open) - self._capacity
        if surplus <= 0:
            return
        for key in heapq.nsmallest(surplus + self._capacity // 16, self._open, key=lambda key: (self._open[key].seen_us, key)):
            del self._open[key]
            self._fired.pop(key[0], None)
            self.shed += 1


def _by_time(rows: Columns) -> np.ndarray:
    """The earliest first, and of those that begin together the same in every run: which rows become evidence must not depend on batches."""
    alike = mix(*(rows[name] for name in ("own_lo", "peer_hi", "peer_lo", "own_port", "peer_port", "end_us", "packets", "bytes", "frame")))
    return np.lexsort((alike, rows["start_us"]))


def _strengthen(episode: Episode, firing: Firing, end_us: int) -> None:
    """Keep the gravest reason, and of equal ones the one that goes furthest."""
    episode.groups[firing.group] = end_us
    if episode.strongest is None or firing.rank > episode.strongest.rank:
        episode.strongest = firing


def exempted(rule: Rule, customer: Customer | None, offender: str) -> str:
    """Why a rule leaves an address alone, in words; empty when it does not."""
    roles = set(customer.roles) if customer else set()
    if known := roles & set(rule.exempt.roles):
        return f"role {', '.join(sorted(known))} is excepted"
    if rule.exempt.only and not roles & set(rule.exempt.only):
        return f"only customers with the role {' or '.join(rule.exempt.only)} are looked at"
    return "its prefix is excepted" if _inside(offender, rule.exempt.prefixes) else ""


def _inside(offender: str, prefixes: Sequence[str]) -> bool:
    if not prefixes:
        return False
    import ipaddress  # noqa: PLC0415  only rules with exceptions pay for it

    parsed = ipaddress.ip_address(offender)
    return any(parsed in ipaddress.ip_network(p) for p in prefixes)


def _detection(episode: Episode, offender: str, customer: Customer | None, coverage: float, *, foreign: bool) -> Detection:
    rule, tally = episode.rule, episode.tally
    assert episode.strongest is not None  # noqa: S101  an episode is made by a firing
    reason, values = episode.strongest.reason, episode.strongest.values
    targets = tally.targets()
    protocol = tally.protocols.most_common(1)[0][0]
    alike = resembles(Signs(rule.kind, tally, targets, values), customer.roles if customer else ())
    finding = Finding(
        rule=rule.id, kind=rule.kind, xarf=rule.xarf, offender=offender, customer=customer.id if customer else None,
        direction="spoofed" if foreign else "internal" if tally.internal > tally.flows / 2 else "outbound",
        protocol=PROTOCOLS.get(protocol, str(protocol)), target_ports=_most(tally.target_ports, protocol),
        targets=tally.distinct_targets, targets_sample=tuple(t.address for t in targets[:SAMPLE]),
        first_seen=iso(tally.first_us), last_seen=iso(tally.last_us), flows=whole(tally.flows), packets=whole(tally.packets),
        bytes=whole(tally.bytes), sampling_rate=0 if tally.sampling_unknown else tally.sampling_rate, estimate=_estimate(tally), severity=reason.severity,
        confidence=lowered(rule.confidence, alike),
        basis=_basis(tally, protocol, foreign=foreign, anchored=foreign and customer is not None), measures=_rounded(values),
        threshold=reason.text, frames=(tally.frame_first, tally.frame_last) if tally.frame_last else (), coverage=coverage,
        status=UNSET if rule.status == "stable" else rule.status, resembles=alike or UNSET,
    )  # fmt: skip
    return Detection(
        finding=finding, episode=f"{rule.id}|{offender}|{episode.started_us}", first_us=tally.first_us, last_us=tally.last_us,
        targets=targets, targets_shed=max(0, tally.distinct_targets - len(targets)),
        src_ports=_most(tally.source_ports, protocol), evidence_operator=rule.evidence.operator, evidence_customer=rule.evidence.customer,
        title=rule.title, because=reason.because, status=rule.status, peak_pps=tally.peak_packets,
        peak_bps=tally.peak_bytes * 8, roles=customer.roles if customer else (),
    )  # fmt: skip


def _most(counter: "Counter[int]", protocol: int) -> tuple[int, ...]:  # type: ignore[name-defined]  # noqa: F821
    """Up to twenty ports, most frequent first, ties in numeric order; few protocols have any."""
    if protocol not in PORTED:
        return ()
    return tuple(port for port, _ in sorted(counter.items(), key=lambda item: (-item[1], item[0]))[:20])


def _estimate(tally: Tally) -> Estimate:
    seen = whole(tally.packets)
    if tally.sampling_rate <= 1:
        return Estimate(seen, seen, seen)
    k = np.array([tally.packets])
    rate = tally.scaled_packets / max(tally.packets, 1)
    return Estimate(whole(tally.scaled_packets), whole(math.floor(lower_bound(k)[0] * rate)), whole(math.ceil(upper_bound(k)[0] * rate)))


def _basis(tally: Tally, protocol: int, *, foreign: bool, anchored: bool) -> str:
    if foreign:
        return "anchored" if anchored else "one_way"
    if tally.answered:
        return "handshake"
    return "syn_only" if protocol == 6 else "one_way"


def _rounded(values: dict[str, float]) -> dict[str, float | int]:
    return {name: int(value) if value == int(value) else round(value, 4) for name, value in values.items()}
