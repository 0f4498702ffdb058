"""`abusewatch diff`: what another set of rules would have found in the same input. For the one who is about to change a threshold."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import click

from abusewatch import inventory
from abusewatch.cli.explain import explained, short
from abusewatch.cli.inputs import Inputs
from abusewatch.cli.judge import judge
from abusewatch.cli.options import inventory_option, own_option
from abusewatch.cli.output import FINDINGS, Refused, json_option, print_json, print_lines
from abusewatch.detect.load import load
from abusewatch.detect.nearness import number
from abusewatch.detect.rule import Rule
from abusewatch.inventory import Inventory, InventoryError
from abusewatch.model.finding import Finding

MOST_REASONS = 50
"""Of so many lost or new findings the reason is looked for; each takes another look at the input."""


class Change(NamedTuple):
    """One difference: `lost`, `new` or `changed`, of which rule, about whom, in words, and why."""

    change: str
    rule: str
    offender: str
    words: str
    reason: str = ""


@click.command()
@click.option(
    "--rules",
    "folders",
    nargs=2,
    required=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="OLD NEW",
    help="Two folders of rules.",
)
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@own_option
@inventory_option
@json_option
@click.pass_context
def diff(
    ctx: click.Context,
    folders: tuple[Path, Path],
    files: tuple[str, ...],
    own: tuple[str, ...],
    inventory_file: Path | None,
    *,
    as_json: bool,
) -> None:
    """Tell which findings another folder of rules loses, wins or changes. Exit code 1 when there is a difference."""
    known = _inventory(own, inventory_file)
    before, after = map(_rules, folders)
    old, new = (_findings(some, files, known) for some in (before, after))
    changes = [
        _with_reason(change, before if change.change == "new" else after, files, known) if n < MOST_REASONS else change
        for n, change in enumerate(compare(old, new))
    ]
    for change in changes:
        if as_json:
            print_json(change._asdict())
        else:
            click.echo(f"{change.change:8} {change.rule}: {change.offender}, {change.words}")
            print_lines([f"         {change.reason}"] if change.reason else [])
    click.echo(f"abusewatch: {len(old)} findings before, {len(new)} after, {len(changes)} difference(s)", err=True)
    ctx.exit(FINDINGS if changes else 0)


def compare(old: Sequence[Finding], new: Sequence[Finding]) -> Iterator[Change]:
    """List the differences by rule, offender and beginning; numbers of the same finding count as one."""
    before, after = ({(f.rule, f.offender, f.first_seen): f for f in some} for some in (old, new))
    for key in sorted(before.keys() | after.keys()):
        one, two = before.get(key), after.get(key)
        if one is None and two is not None:
            yield Change("new", two.rule, two.offender, _words(two))
        elif two is None and one is not None:
            yield Change("lost", one.rule, one.offender, _words(one))
        elif one is not None and two is not None and (_words(one) != _words(two) or one.measures != two.measures):
            yield Change("changed", one.rule, one.offender, f"{_words(one)} -> {_words(two)}", _difference(one, two))


def _difference(one: Finding, two: Finding) -> str:
    """Which measures and which condition differ."""
    told = [
        f"{name} {_measured(one, name)} -> {_measured(two, name)}"
        for name in dict.fromkeys((*one.measures, *two.measures))
        if one.measures.get(name) != two.measures.get(name)
    ]
    told += [f"condition {one.threshold} -> {two.threshold}"] if one.threshold != two.threshold else []
    return "; ".join(told)


def _measured(finding: Finding, name: str) -> str:
    return number(finding.measures[name]) if name in finding.measures else "none"


def _with_reason(change: Change, others: Sequence[Rule], files: Sequence[str], known: Inventory) -> Change:
    """Say why the other rules do not find it: what their rule of that name made of the address."""
    if change.change == "changed":
        return change
    rules = [rule for rule in others if rule.id == change.rule]
    if not rules:
        return change._replace(reason="the other rules have none of that name")
    inputs = Inputs(files)
    ((account, *_), _) = explained(inputs.batches(), rules, known, inputs.exporter_name, change.offender)
    return change._replace(reason=short(account))


def _words(finding: Finding) -> str:
    return f"{finding.severity}, {finding.targets} target(s), from {finding.first_seen}"


def _inventory(own: Sequence[str], file: Path | None) -> Inventory:
    if bool(own) == bool(file):
        raise Refused("whose network is it? name it with --own PREFIX or with --inventory FILE")
    try:
        return inventory.load(file) if file else inventory.of_prefixes(own)
    except InventoryError as error:
        raise Refused(error.faults[0]) from None


def _rules(folder: Path) -> tuple[Rule, ...]:
    loaded = load([folder])
    if loaded.faults:
        raise Refused(f"{loaded.faults[0]} ({len(loaded.faults)} fault(s); see `abusewatch rules lint`)")
    return loaded.rules


def _findings(rules: Sequence[Rule], files: Sequence[str], known: Inventory) -> list[Finding]:
    verdict = judge(Inputs(files).flows(), rules, known)
    return [detection.finding for detection in verdict.detections]
