"""`abusewatch privacy` and `abusewatch ledger`: what is held and until when, its deletion, and the proof of it."""

import time
from pathlib import Path

import click

from abusewatch import retention
from abusewatch.cli.desk import open_store, store_option
from abusewatch.cli.output import FINDINGS, Refused, config_option, json_option, print_json, print_table
from abusewatch.model.finding import iso
from abusewatch.storage import StorageError
from abusewatch.storage.ledger import broken


@click.group()
def privacy() -> None:
    """See what is held of whom, why and until when; delete what has run out."""


@privacy.command("inventory")
@store_option
@config_option
@json_option
def inventory(folder: Path | None, config: Path | None, *, as_json: bool) -> None:
    """List each class of data: rows, days it is kept after its end, whose it is and why."""
    held = retention.inventory(open_store(folder, config), time.time_ns() // 1000)
    if as_json:
        for rule, holding in held:
            print_json(rule._asdict() | holding._asdict())
        return
    header = ("class", "rows", "running out", "over", "next ends", "days", "after")
    rows = [(h.name, h.rows, h.running, h.over, iso(h.next_us) if h.next_us else "", r.days, r.ends) for r, h in held]
    print_table(header, rows)
    for rule, _ in held:
        click.echo(f"  {rule.name}: {rule.holds}; {rule.why}")


@privacy.command("purge")
@click.option("--dry-run", is_flag=True, help="Only say what would be deleted.")
@store_option
@config_option
@json_option
def purge(folder: Path | None, config: Path | None, *, dry_run: bool, as_json: bool) -> None:
    """Delete what has run out, now instead of within the hour; each class leaves a line in the ledger."""
    try:
        counts = retention.purge(open_store(folder, config), time.time_ns() // 1000, dry_run=dry_run)
    except StorageError as error:
        raise Refused(str(error)) from None
    if as_json:
        print_json(counts)
    else:
        print_table(("class", "would be deleted" if dry_run else "deleted"), list(counts.items()))


@click.group()
def ledger() -> None:
    """Prove what was deleted."""


@ledger.command("verify")
@store_option
@config_option
@click.pass_context
def verify(ctx: click.Context, folder: Path | None, config: Path | None) -> None:
    """Check that no line of the ledger was changed or left out; exit 1 when one was."""
    lines = open_store(folder, config).ledger()
    fault = broken(lines)
    if fault is not None:
        click.echo(f"ledger: line {fault} does not follow from the one before it")
        ctx.exit(FINDINGS)
    click.echo(f"ledger: {len(lines)} line(s), whole")
