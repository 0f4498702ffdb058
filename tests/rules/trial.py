"""Many versions of a rule over one input at once: the panes and conversations are made once, since they do not hang on rules."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import msgspec

from abusewatch.cli.captures import amiss, expectation
from abusewatch.cli.inputs import Inputs
from abusewatch.detect.engine import Engine
from abusewatch.detect.rule import Case, Rule
from abusewatch.inventory import Inventory
from abusewatch.model.finding import Finding
from abusewatch.model.flow import FlowBatch
from abusewatch.model.kinds import SEVERITIES
from abusewatch.pipeline import Pipeline
from abusewatch.sources.encode.sampler import Sampler
from tests import scenarios
from tests.rules.edges import EDGES, Edge

CAPTURES = Path(__file__).resolve().parents[2] / "captures"


class Recorder:
    """Stands where the engine does, and keeps what it is given. It asks for every empty pane that any rule may ask for."""

    waits = True

    def __init__(self, *_: object) -> None:
        """Begin with nothing."""
        self.closed = []

    def close(self, pane, conversations, slots):
        """Take a closed pane with the conversations decided in it."""
        self.closed.append((pane, conversations, slots))
        return []


class Single(Engine):
    """An engine that the last pane ends: nothing is made anew for what comes after it."""

    def _begin(self) -> None:
        if not self._runners:
            super()._begin()


class Trial:
    """An input as the engine is given it: closed panes with the conversations decided in them."""

    def __init__(self, batches: Iterable[FlowBatch], inventory: Inventory) -> None:
        """Record it once."""
        self._inventory = inventory
        spine = Pipeline(scenarios.shipped(), inventory, lambda _: None, restart=True, engine=Recorder)
        for batch in batches:
            spine.feed(batch)
        spine.flush()
        self._closed = spine.decider.engine.closed

    def __len__(self) -> int:
        """How many panes there are: what a version costs."""
        return len(self._closed)

    def findings(self, versions: Sequence[Rule]) -> list[list[Finding]]:
        """What each version of a rule finds, under the rule's own name."""
        engine = Single([replace(rule, id=str(n)) for n, rule in enumerate(versions)], self._inventory)
        told: dict[str, Finding] = {}
        for pane, conversations, slots in self._closed:
            told.update({each.episode: each.finding for each in engine.close(pane, conversations, slots)})
        found: list[list[Finding]] = [[] for _ in versions]
        for finding in told.values():
            n = int(finding.rule)
            found[n].append(msgspec.structs.replace(finding, rule=versions[n].id))
        return found


class Fixture:
    """An input of a rule and what must be found in it."""

    def __init__(self, name: str, trial: Trial) -> None:
        """`name` is told of a broken rule that fails it."""
        self.name, self.trial = name, trial

    def failing(self, versions: Sequence[Rule]) -> list[bool]:
        """Which versions of the rule do not find what they must."""
        return [not self.right(found) for found in self.trial.findings(versions)]

    def right(self, found: list[Finding]) -> bool:
        """Whether that is what must be found."""
        raise NotImplementedError


class CaptureFixture(Fixture):
    """One of the rule's own tests: a shipped capture, maybe sampled."""

    def __init__(self, rule: Rule, case: Case) -> None:
        """Read it, unless another rule has."""
        super().__init__(f"{case.capture} 1:{case.sampling}", capture(case.capture, case.sampling))
        self._rule, self._case, self._folder = rule, case, CAPTURES / case.capture
        self._expected = expectation(self._folder)

    def right(self, found: list[Finding]) -> bool:
        """As `abusewatch rules test` has it."""
        return not amiss(self._rule, self._case, self._expected, found, self._folder)


class TableFixture(Fixture):
    """A table that stands just beside a bound."""

    def __init__(self, edge: Edge) -> None:
        """Record the table."""
        super().__init__(edge.name, Trial([edge.batch()], scenarios.inventory()))
        self._severity = edge.severity

    def right(self, found: list[Finding]) -> bool:
        """Whether the gravest of it is as grave as it must be."""
        return max((each.severity for each in found), key=SEVERITIES.index, default="") == self._severity


@cache
def capture(name: str, sampling: int) -> Trial:
    """A shipped capture."""
    sampler = Sampler(sampling, seed=1)
    batches = [sampler.sample(batch) for batch in Inputs([str(CAPTURES / name / "capture.pcap")]).batches()]
    return Trial(batches, expectation(CAPTURES / name).inventory)


def fixtures(rule: Rule) -> Iterator[Fixture]:
    """All inputs of a rule: first the captures, then the tables."""
    for case in rule.tests:
        yield CaptureFixture(rule, case)
    for edge in EDGES[rule.id]():
        yield TableFixture(edge)
