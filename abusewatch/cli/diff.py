"""`abusewatch diff`: what another set of rules would have found in the same input. For the one who is about to change a threshold."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import click

from abusewatch import inventory
from abusewatch.cli.inputs import Inputs
from abusewatch.cli.judge import judge
from abusewatch.cli.output import FINDINGS, Refused, json_option, print_json
from abusewatch.detect.load import load
from abusewatch.detect.rule import Rule
from abusewatch.inventory import Inventory, InventoryError
from abusewatch.model.finding import Finding


class Change(NamedTuple):
    """One difference: `lost`, `new` or `changed`, of which rule, about whom, and in words."""

    change: str
    rule: str
    offender: str
    words: str


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
@click.option("--own", multiple=True, metavar="PREFIX", help="A network of ours; may be given several times.")
@click.option(
    "--inventory", "inventory_file", type=click.Path(path_type=Path, dir_okay=False), help="Customers, TOML or CSV."
)
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
    old, new = (_findings(_rules(folder), files, known) for folder in folders)
    changes = list(compare(old, new))
    for change in changes:
        if as_json:
            print_json(change._asdict())
        else:
            click.echo(f"{change.change:8} {change.rule}: {change.offender}, {change.words}")
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
        elif one is not None and two is not None and _words(one) != _words(two):
            yield Change("changed", one.rule, one.offender, f"{_words(one)} -> {_words(two)}")


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
