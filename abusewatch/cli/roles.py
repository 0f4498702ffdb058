"""`abusewatch roles`: what customers look like by what they do. It proposes, a person decides: nothing is written anywhere."""

import ipaddress
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from abusewatch.cli.inputs import Inputs
from abusewatch.cli.options import own_option
from abusewatch.cli.output import Refused, json_option, print_json, print_lines, print_table
from abusewatch.cli.replay import widened
from abusewatch.inventory import Inventory, InventoryError, load, of_prefixes
from abusewatch.inventory.suggest import Suggestion, Watcher
from abusewatch.model.customer import Customer


@click.group()
def roles() -> None:
    """Roles of customers."""


@roles.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@own_option
@click.option(
    "--inventory",
    "inventory_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Customers, TOML or CSV: their names are shown, and roles they have are not proposed again.",
)
@click.option("--toml", "as_toml", is_flag=True, help="Print tables to paste into an inventory (TOML).")
@json_option
def suggest(
    files: tuple[str, ...], own: tuple[str, ...], inventory_file: Path | None, *, as_toml: bool, as_json: bool
) -> None:
    """Propose roles from flow tables, captures and captures of exports, with the numbers they rest on."""
    inventory = _inventory(own, inventory_file)
    watcher = Watcher(inventory)
    inputs = Inputs(files)
    last_us = 0
    for batch in inputs.batches():
        watcher.feed(batch)
        last_us = max(last_us, int(batch.end_us.max(initial=0)))
    owned = [(one, inventory.owner_at(one.address, last_us)) for one in watcher.suggestions()]
    found = [(one, owner) for one, owner in owned if not (owner and one.role in owner.roles)]
    if as_json:
        for one, owner in found:
            print_json(one._asdict() | {"customer": owner.id if owner else None})
    elif as_toml:
        print_lines(_tables(found))
    else:
        header = ("address", "customer", "role", "because")
        print_table(header, [(one.address, owner.id if owner else "-", one.role, one.because) for one, owner in found])
    click.echo(
        f"abusewatch: {len(found)} proposal(s), none applied; write `roles` into the inventory to use them", err=True
    )
    if watcher.left_out:
        click.echo(f"abusewatch: {watcher.left_out} records came when the tables were full and were left out", err=True)
    inputs.report()


def _inventory(own: tuple[str, ...], file: Path | None) -> Inventory:
    """Say who is ours; Refused when nobody is, or what names him cannot be read."""
    if not own and file is None:
        raise Refused("whose roles? give --own PREFIX or --inventory FILE")
    try:
        known = load(file) if file else None
        return widened(known, of_prefixes(own)) if own or known is None else known
    except InventoryError as error:
        raise Refused(error.faults[0]) from None
    except OSError as error:
        raise Refused(f"{file}: {error.strerror}") from None


def _tables(found: Sequence[tuple[Suggestion, Customer | None]]) -> Iterator[str]:
    """Write a table for each address, of the customer who has the network around it: the longer prefix decides."""
    for address in dict.fromkeys(one.address for one, _ in found):
        mine = [(one, owner) for one, owner in found if one.address == address]
        owner = mine[0][1]
        known = owner.roles if owner else ()
        yield from (f"# {one.role}: {one.because}" for one, _ in mine)
        yield "[[customer]]"
        yield f"id = {json.dumps(owner.id if owner else address)}"
        yield f"prefixes = {json.dumps([str(ipaddress.ip_network(address))])}"
        yield f"contacts = {json.dumps(list(owner.contacts) if owner else [])}"
        yield f"language = {json.dumps(owner.language if owner else 'en')}"
        yield f"roles = {json.dumps([*known, *(one.role for one, _ in mine)])}"
        yield ""
