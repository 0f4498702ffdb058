"""Many versions of a rule over one input at once: the panes and conversations are made once, since they do not hang on rules."""

from collections.abc import Iterable, Sequence
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
from abusewatch.pipeline import Pipeline
from abusewatch.sources.encode.sampler import Sampler
from tests import scenarios

CAPTURES = Path(__file__).resolve().parents[2] / "captures"


class Trial:
    """An input as the engine is given it: closed panes with the conversations decided in them."""

    def __init__(self, batches: Iterable[FlowBatch], inventory: Inventory, rules: Sequence[Rule]) -> None:
        """Record it once; `rules` are those that say how long is waited for silence to end."""
        self._inventory = inventory
        self._closed = []
        closed = self._closed

        class Recorder(Engine):
            def close(self, pane, conversations, slots):
                closed.append((pane, conversations, slots))
                return super().close(pane, conversations, slots)

        spine = Pipeline(rules, inventory, lambda _: None, restart=True, engine=Recorder)
        for batch in batches:
            spine.feed(batch)
        spine.flush()

    def findings(self, versions: Sequence[Rule]) -> list[list[Finding]]:
        """What each version of a rule finds, under the rule's own name."""
        engine = Engine([replace(rule, id=str(n)) for n, rule in enumerate(versions)], self._inventory)
        told: dict[str, Finding] = {}
        for pane, conversations, slots in self._closed:
            told.update({each.episode: each.finding for each in engine.close(pane, conversations, slots)})
        found: list[list[Finding]] = [[] for _ in versions]
        for finding in told.values():
            n = int(finding.rule)
            found[n].append(msgspec.structs.replace(finding, rule=versions[n].id))
        return found


@cache
def capture(name: str, sampling: int) -> Trial:
    """A shipped capture."""
    sampler = Sampler(sampling, seed=1)
    batches = [sampler.sample(batch) for batch in Inputs([str(CAPTURES / name / "capture.pcap")]).batches()]
    return Trial(batches, expectation(CAPTURES / name).inventory, scenarios.shipped())


def failing(rule: Rule, case: Case, versions: Sequence[Rule]) -> list[bool]:
    """Which versions of a rule fail one of its own tests."""
    folder = CAPTURES / case.capture
    expected = expectation(folder)
    trial = capture(case.capture, case.sampling)
    return [bool(amiss(rule, case, expected, found, folder)) for found in trial.findings(versions)]
