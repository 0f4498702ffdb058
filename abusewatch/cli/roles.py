"""`abusewatch roles`: what customers look like by what they do. It proposes, a person decides: nothing is written anywhere."""

import click

from abusewatch.cli.inputs import Inputs
from abusewatch.cli.output import Refused, json_option, print_json, print_table
from abusewatch.inventory import InventoryError, of_prefixes
from abusewatch.inventory.suggest import Watcher


@click.group()
def roles() -> None:
    """Roles of customers."""


@roles.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--own", multiple=True, required=True, metavar="PREFIX", help="A network of ours; may be given several times."
)
@json_option
def suggest(files: tuple[str, ...], own: tuple[str, ...], *, as_json: bool) -> None:
    """Propose roles from flow tables, captures and captures of exports, with the numbers they rest on."""
    try:
        watcher = Watcher(of_prefixes(own))
    except InventoryError as error:
        raise Refused(error.faults[0]) from None
    inputs = Inputs(files)
    for batch in inputs.batches():
        watcher.feed(batch)
    found = watcher.suggestions()
    if as_json:
        for one in found:
            print_json(one._asdict())
    else:
        print_table(("address", "role", "because"), found)
    click.echo(
        f"abusewatch: {len(found)} proposal(s), none applied; write `roles` into the inventory to use them", err=True
    )
    if watcher.left_out:
        click.echo(f"abusewatch: {watcher.left_out} records came when the tables were full and were left out", err=True)
    inputs.report()
