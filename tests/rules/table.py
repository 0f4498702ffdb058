"""Which broken rule fails which fixture: first the captures of `abusewatch rules test`, then the tables of `tests.rules.edges`.

python -m tests.rules.table [--all] [RULE...]     # a line a rule; --all a line for each way to break it
"""

from collections import Counter
from typing import NamedTuple

import click

from abusewatch.detect.rule import Rule
from abusewatch.model.finding import Finding
from abusewatch.model.kinds import SEVERITIES
from tests import scenarios
from tests.rules.broken import Broken, broken
from tests.rules.edges import EDGES, Edge
from tests.rules.trial import Trial, failing


class Fate(NamedTuple):
    """What became of a broken rule: the fixture it fails, and whether that is a capture; no fixture when it survives."""

    broken: Broken
    fixture: str
    by_capture: bool

    @property
    def name(self) -> str:
        """The place and what was done there."""
        return f"{self.broken.place}: {self.broken.what}"


def written() -> list[Rule]:
    """The shipped rules that are written in the language alone; coded detectors have tests of their own."""
    return [rule for rule in scenarios.shipped() if rule.detector is None]


def severity(findings: list[Finding]) -> str:
    """The gravest of some findings; empty when there are none."""
    return max((each.severity for each in findings), key=SEVERITIES.index, default="")


def over_edges(edge: Edge, versions: list[Rule]) -> list[str]:
    """What each version of a rule makes of a table."""
    return [severity(found) for found in Trial([edge.batch()], scenarios.inventory(), scenarios.shipped()[:1]).findings(versions)]


def fates(rule: Rule) -> list[Fate]:
    """Break a rule in every way and say which fixture notices; AssertionError when the rule itself fails one."""
    alive, found = list(broken(rule)), []
    for case in rule.tests:
        itself, *wrong = failing(rule, case, [rule, *(each.rule for each in alive)])
        assert not itself, f"{rule.id} over {case.capture}"
        found += _noticed(alive, wrong, f"{case.capture} 1:{case.sampling}", by_capture=True)
    for edge in EDGES[rule.id]:
        itself, *made = over_edges(edge, [rule, *(each.rule for each in alive)])
        assert itself == edge.severity, f"{rule.id} over {edge.name!r} gives {itself!r}"
        wrong = [each != edge.severity for each in made]
        found += _noticed(alive, wrong, edge.name, by_capture=False)
    return found + [Fate(each, "", by_capture=False) for each in alive]


def _noticed(alive: list[Broken], wrong: list[bool], fixture: str, *, by_capture: bool) -> list[Fate]:
    found = [Fate(each, fixture, by_capture) for each, failed in zip(alive, wrong, strict=True) if failed]
    alive[:] = [each for each, failed in zip(alive, wrong, strict=True) if not failed]
    return found


@click.command()
@click.option("--all", "every", is_flag=True, help="A line for each way to break a rule.")
@click.argument("rule_ids", nargs=-1)
def main(rule_ids: tuple[str, ...], *, every: bool) -> None:
    """Print the table."""
    total: Counter[str] = Counter()
    click.echo(f"{'rule':30} broken  by captures  by tables  survive")
    for rule in written():
        if rule_ids and rule.id not in rule_ids:
            continue
        some = fates(rule)
        counts = Counter(("survive" if not f.fixture else "captures" if f.by_capture else "tables") for f in some)
        total += counts
        click.echo(f"{rule.id:30} {len(some):6}  {counts['captures']:11}  {counts['tables']:9}  {counts['survive']:7}")
        for fate in some:
            if every or not fate.fixture:
                click.echo(f"    {fate.name}: {fate.fixture or 'SURVIVES'}")
    click.echo(f"{'all':30} {total.total():6}  {total['captures']:11}  {total['tables']:9}  {total['survive']:7}")


if __name__ == "__main__":
    main()
