"""Which broken rule fails which fixture: first the captures of `abusewatch rules test`, then the tables of `tests.rules.edges`.

python -m tests.rules.table [--all] [RULE...]     # a line a rule; --all a line for each way to break it
python -m tests.rules.table --note [RULE...]      # write down anew by which fixture each is noticed soonest (noticed.json)
"""

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import click

from abusewatch.detect.rule import Rule
from tests import scenarios
from tests.rules.broken import Broken, broken
from tests.rules.trial import CaptureFixture, Fixture, fixtures

NOTED = Path(__file__).parent / "noticed.json"
"""By rule and fixture, the broken rules that it notices. Only the order of trials hangs on it: who is not noticed where it says is tried everywhere."""


class Fate(NamedTuple):
    """What became of a broken rule: the fixture it fails; None when it survives."""

    broken: Broken
    fixture: Fixture | None

    @property
    def by(self) -> str:
        """The kind of what notices it."""
        return "survive" if self.fixture is None else "captures" if isinstance(self.fixture, CaptureFixture) else "tables"


def written() -> list[Rule]:
    """The shipped rules that are written in the language alone; coded detectors have tests of their own."""
    return [rule for rule in scenarios.shipped() if rule.detector is None]


def soonest(rule: Rule) -> list[Fixture]:
    """The fixtures of a rule, those that cost least first."""
    return sorted(fixtures(rule), key=lambda fixture: len(fixture.trial))


def fates(rule: Rule, order: Iterable[Fixture]) -> list[Fate]:
    """Break a rule in every way and say which fixture notices first; AssertionError when the rule itself fails one."""
    alive, found = list(broken(rule)), []
    for fixture in order:
        wrong = _wrong(rule, fixture, alive)
        found += [Fate(each, fixture) for each, failed in zip(alive, wrong, strict=True) if failed]
        alive = [each for each, failed in zip(alive, wrong, strict=True) if not failed]
    return found + [Fate(each, None) for each in alive]


def survivors(rule: Rule) -> list[Broken]:
    """Break a rule in every way and give those ways that no fixture notices; AssertionError when the rule itself fails one."""
    noted = read().get(rule.id, {})
    hoped = {name for names in noted.values() for name in names}
    known = [each for each in broken(rule) if each.name in hoped]
    alive = [each for each in broken(rule) if each.name not in hoped]
    order = soonest(rule)
    for fixture in order:
        here = [each for each in known if each.name in noted.get(fixture.name, ())]
        wrong = dict(zip([id(each) for each in (*alive, *here)], _wrong(rule, fixture, [*alive, *here]), strict=True))
        alive = [each for each in alive if not wrong[id(each)]]
        known = [each for each in known if not wrong.get(id(each))]
    for fixture in order if known else ():  # the rule was changed since it was noted
        wrong_again = _wrong(rule, fixture, known)
        known = [each for each, failed in zip(known, wrong_again, strict=True) if not failed]
    return alive + known


def _wrong(rule: Rule, fixture: Fixture, some: list[Broken]) -> list[bool]:
    itself, *wrong = fixture.failing([rule, *(each.rule for each in some)])
    assert not itself, f"{rule.id} over {fixture.name}"
    return wrong


def read() -> dict[str, dict[str, list[str]]]:
    """What is noted."""
    return json.loads(NOTED.read_text())


def note(rules: Iterable[Rule]) -> None:
    """Note where broken rules are noticed; what is noted of other rules stays."""
    noted = read()
    for rule in rules:
        noted[rule.id] = {}
        for fate in fates(rule, soonest(rule)):
            if fate.fixture:
                noted[rule.id].setdefault(fate.fixture.name, []).append(fate.broken.name)
    NOTED.write_text(json.dumps(noted, indent=1, sort_keys=True) + "\n")


@click.command()
@click.option("--all", "every", is_flag=True, help="A line for each way to break a rule.")
@click.option("--note", "noting", is_flag=True, help="Write down where each is noticed.")
@click.argument("rule_ids", nargs=-1)
def main(rule_ids: tuple[str, ...], *, every: bool, noting: bool) -> None:
    """Print the table."""
    chosen = [rule for rule in written() if not rule_ids or rule.id in rule_ids]
    if noting:
        note(chosen)
        return
    total: Counter[str] = Counter()
    click.echo(f"{'rule':30} broken  by captures  by tables  survive")
    for rule in chosen:
        some = fates(rule, fixtures(rule))
        counts = Counter(fate.by for fate in some)
        total += counts
        click.echo(f"{rule.id:30} {len(some):6}  {counts['captures']:11}  {counts['tables']:9}  {counts['survive']:7}")
        for fate in some:
            if every or not fate.fixture:
                click.echo(f"    {fate.broken.name}: {fate.fixture.name if fate.fixture else 'SURVIVES'}")
    click.echo(f"{'all':30} {total.total():6}  {total['captures']:11}  {total['tables']:9}  {total['survive']:7}")


if __name__ == "__main__":
    main()
