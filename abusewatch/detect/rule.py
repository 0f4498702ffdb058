"""A rule, read and checked: everything in it is bound, typed and in seconds.

`read` makes it from a file, the engine runs it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from abusewatch.detect.coded.detector import Program
from abusewatch.detect.expression import Choices, Node
from abusewatch.detect.units import Type

Status = Literal["sandbox", "observe", "stable"]
STATUSES: tuple[Status, ...] = ("sandbox", "observe", "stable")
"""From least to most trusted; only a stable rule may cause mail."""

SampledUse = Literal["none", "lower_bound", "distinct", "rule"]


@dataclass(frozen=True, slots=True)
class Key:
    """What rows are grouped by, or told apart by: a column, or the network of an address (`net(dst, 24, 48)`)."""

    text: str
    column: str
    v4_bits: int | None = None
    v6_bits: int | None = None


@dataclass(frozen=True, slots=True)
class Measure:
    """A number computed over the rows of a group that fulfil `where` (None: all of them).

    What `function` (one of `functions.MEASURES`) needs is in the field of its parameter: `value` a bound quantity, or
    for share() a bound condition; `keys` for distinct() and top_share(); `tolerance` (absolute, part of the median) for
    share_within(); `percent` for percentile(); `of`, `history_secs` and `season` for baseline().
    """

    name: str
    text: str
    function: str
    type: Type
    where: Node | None = None
    value: Node | None = None
    keys: tuple[Key, ...] = ()
    tolerance: tuple[float, float] = (0.0, 0.0)
    percent: float = 0.0
    of: str = ""
    history_secs: int = 0
    season: str = ""


@dataclass(frozen=True, slots=True)
class Match:
    """Which rows count, how they are grouped, and over what time. `window_secs` is a whole number of steps."""

    on: Literal["record", "conversation"]
    where: Node | None
    where_text: str
    per: tuple[Key, ...]
    window_secs: int
    step_secs: int
    grace_secs: int
    quiet_secs: int


@dataclass(frozen=True, slots=True)
class Raise:
    """A severity and when it is reached; without the lower bounds of `necessary` its `when` cannot hold."""

    severity: str
    when: Node
    text: str
    because: str
    necessary: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Sampled:
    """What the rule does with sampled records.

    `none`: it is off. `lower_bound`: it judges what the sample proves, one-sided, at `confidence`. `distinct`: it
    judges distinct counts as they are. `rule`: another rule does it.
    """

    use: SampledUse = "none"
    rule: str = ""
    confidence: float = 0.999


@dataclass(frozen=True, slots=True)
class Evidence:
    """The fields that may leave, per audience; nothing else can."""

    operator: tuple[str, ...]
    customer: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Except:
    """Whom the rule leaves alone.

    Customers with one of `roles`, everybody without one of `only` (when given), and addresses in `prefixes`, on either
    side. `lookalikes` are words for people: what harmless things resemble this.
    """

    roles: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    lookalikes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """A test of the rule: a folder in captures/, and whether the rule must fire there (see its expect.toml) or not.

    With `sampling` above 1 the capture is sampled 1:N first.
    """

    capture: str
    expect: Literal["finding", "nothing"] = "finding"
    sampling: int = 1


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `identity` are the keys (part of `match.per`) of which each value gets its own finding.

    `detector` names a coded detector whose measures stand beside the rule's own, `program` is that detector.
    `lines` maps keys like `match.where` to their line in `file`; `overridden` lists the keys that a local file changed.
    """

    id: str
    title: str
    kind: str
    xarf: str
    status: Status
    attack: tuple[str, ...]
    confidence: float
    match: Match
    measures: Mapping[str, Measure]
    raises: tuple[Raise, ...]
    sampled: Sampled
    evidence: Evidence
    exempt: Except
    tests: tuple[Case, ...]
    identity: tuple[Key, ...]
    detector: str | None = None
    program: Program | None = None
    sets: Mapping[str, Choices] = field(default_factory=dict)
    file: str = ""
    lines: Mapping[str, int] = field(default_factory=dict)
    overridden: tuple[str, ...] = ()
