"""Who is told of a finding. A rule says what it saw; the first line of the policy that fits says who hears of it.

The operator's own lines stand first, the lines that ship behind them. Under all of them lie the floors: what no
configuration can lift, so that a slip of the pen accuses nobody before strangers.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, NamedTuple, get_args

from abusewatch.incidents.mailing import OVER
from abusewatch.incidents.quiet import Quiet
from abusewatch.model.finding import Detection
from abusewatch.model.incident import Incident
from abusewatch.model.kinds import BASES, KINDS, LEADS, SEVERITIES
from abusewatch.model.message import Audience

Tell = Literal["nothing", "desk", "customer", "operators"]
TELL: tuple[Tell, ...] = get_args(Tell)
"""Each includes the one before it: nobody hears of an attack at his network whose customer does not hear of it too."""
MEANING: dict[Tell, str] = {
    "nothing": "counted and logged; no case is made",
    "desk": "a case for the desk; no mail",
    "customer": "and a notice to the customer",
    "operators": "and a report to each operator of an attacked network",
}
Approve = Literal["nobody", "operators", "everybody"]
PROVEN = frozenset({"handshake", "anchored"})
"""Bases that a stranger cannot forge from outside: both directions seen, or the customer's own port (threats.md T6)."""


class Decision(NamedTuple):
    """The episodes that may be told to each side by themselves; the desk sees all of them.

    Mail to an audience in `approve` waits for `case approve`; one in `quiet` is left in peace until that time.
    """

    customer: frozenset[str]
    operators: frozenset[str]
    approve: frozenset[Audience] = frozenset()
    quiet: Mapping[Audience, int] = MappingProxyType({})

    def episodes(self, audience: Audience) -> frozenset[str]:
        """Name the episodes that one side may be told."""
        return self.operators if audience == "operator" else self.customer


class Floor(NamedTuple):
    """What no line can lift: of a finding that `fits`, `most` is told."""

    name: str
    most: Tell
    fits: Callable[[Detection], bool]


def _named(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


NO_VICTIMS = [kind for kind, known in KINDS.items() if not known.operator_mail and kind not in LEADS]
FLOORS = (
    Floor("a rule that is not `stable`", "desk", lambda d: d.status != "stable"),
    Floor(f"a lead ({_named(k for k in KINDS if k in LEADS)})", "customer", lambda d: d.finding.kind in LEADS),
    Floor(
        f"a kind whose targets are not its victims ({_named(NO_VICTIMS)})",
        "customer",
        lambda d: d.finding.kind not in KINDS or not KINDS[d.finding.kind].operator_mail,
    ),
    Floor(
        f"a basis that can be forged ({_named(b for b in BASES if b not in PROVEN)})",
        "customer",
        lambda d: d.finding.basis not in PROVEN,
    ),
)
BESIDES = (
    "a source address that is not ours, and attacked addresses that are ours, private or otherwise special: no operator, "
    "whatever line or contact speaks of them"
)


@dataclass(frozen=True, slots=True)
class Line:
    """One line: the findings it fits (nothing named: all), who is told, how much must have been seen, and who approves.

    Below `least_*` the desk alone is told, until more is seen.
    """

    tell: Tell
    kind: tuple[str, ...] = ()
    severity: tuple[str, ...] = ()
    basis: tuple[str, ...] = ()
    customer: tuple[str, ...] = ()
    least_confidence: float = 0.0
    least_targets: int = 0
    least_flows: int = 0
    approve: Approve = "nobody"
    why: str = ""

    def fits(self, detection: Detection) -> bool:
        """Whether this line speaks of a finding."""
        finding = detection.finding
        return all(
            not wanted or value in wanted
            for wanted, value in (
                (self.kind, finding.kind),
                (self.severity, finding.severity),
                (self.basis, finding.basis),
                (self.customer, finding.customer),
            )
        )

    def enough(self, detection: Detection) -> bool:
        """Whether as much was seen as this line wants before anybody is mailed."""
        finding = detection.finding
        return (
            finding.confidence >= self.least_confidence
            and finding.targets >= self.least_targets
            and finding.flows >= self.least_flows
        )

    def covers(self, other: "Line") -> bool:
        """Whether all that `other` fits is taken by this line."""
        mine, theirs = ((one.kind, one.severity, one.basis, one.customer) for one in (self, other))
        return all(not m or (t and set(t) <= set(m)) for m, t in zip(mine, theirs, strict=True))


SHIPPED = (
    Line("desk", kind=tuple(kind for kind in KINDS if kind in LEADS), why="a hint, not a proof: somebody looks first"),
    Line("operators", why="both sides are told"),
)


@dataclass(frozen=True, slots=True)
class Policy:
    """The operator's lines, and when whom is left in peace. `urgent` and what is graver does not wait for the morning."""

    own: tuple[Line, ...] = ()
    quiet: Mapping[Audience, Quiet] = field(default_factory=dict)
    urgent: str = "critical"

    @property
    def lines(self) -> tuple[Line, ...]:
        """All lines, in the order in which they are tried."""
        return (*self.own, *SHIPPED)

    def line(self, detection: Detection) -> Line:
        """Find the line of a finding; the last one fits everything."""
        return next(line for line in self.lines if line.fits(detection))

    def tell(self, detection: Detection) -> Tell:
        """Say the most that may be told of a finding: by its line, and by the floors."""
        line = self.line(detection)
        wanted: Tell = line.tell if line.enough(detection) else min(line.tell, "desk", key=TELL.index)
        return min(wanted, ceiling(detection), key=TELL.index)

    def makes_case(self, detection: Detection) -> bool:
        """Whether a finding is more than counted."""
        return self.tell(detection) != "nothing"

    def __call__(self, incident: Incident, now_us: int = 0) -> Decision:
        """Decide on each finding of an incident by itself, so that a weak one never rides along with a strong one."""
        told = [(d, self.line(d), TELL.index(self.tell(d))) for d in incident.detections]
        customer = [(d, line) for d, line, tell in told if tell >= TELL.index("customer")]
        operators = [(d, line) for d, line, tell in told if tell >= TELL.index("operators")]
        approve: dict[Audience, bool] = {
            "customer": any(line.approve == "everybody" for _, line in customer),
            "operator": any(line.approve != "nobody" for _, line in operators),
        }
        sides: dict[Audience, list[Detection]] = {
            "customer": [d for d, _ in customer],
            "operator": [d for d, _ in operators],
        }
        quiet = ((side, self._until_us(incident, side, some, now_us)) for side, some in sides.items())
        return Decision(
            customer=frozenset(d.episode for d, _ in customer),
            operators=frozenset(d.episode for d, _ in operators),
            approve=frozenset(audience for audience, wanted in approve.items() if wanted),
            quiet={side: until for side, until in quiet if until},
        )

    def _until_us(self, incident: Incident, audience: Audience, some: list[Detection], now_us: int) -> int | None:
        """Say until when an audience is left in peace with these findings; that a case is over is never urgent."""
        gravest = max((SEVERITIES.index(d.finding.severity) for d in some), default=-1)
        if incident.state not in OVER and gravest >= SEVERITIES.index(self.urgent):
            return None
        return self.peace_until_us(audience, now_us)

    def peace_until_us(self, audience: Audience, now_us: int) -> int | None:
        """Say when the quiet hours of an audience end; None when there are none now."""
        quiet = self.quiet.get(audience)
        return quiet.until_us(now_us) if quiet else None


decide = Policy()
"""What ships."""


def ceiling(detection: Detection) -> Tell:
    """Say the most that any policy may tell of a finding."""
    return min((floor.most for floor in FLOORS if floor.fits(detection)), key=TELL.index, default="operators")


def everyone(incident: Incident, now_us: int = 0) -> Decision:  # noqa: ARG001  # the form of a policy
    """Ignore the policy: what a replay shows, so that a rule can be judged by the mails it would cause."""
    episodes = frozenset(d.episode for d in incident.detections)
    return Decision(customer=episodes, operators=episodes)
