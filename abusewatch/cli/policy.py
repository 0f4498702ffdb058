"""`abusewatch policy`: who is told of what here, as a table to read and to sign."""

from pathlib import Path

import click

from abusewatch.cli.output import Refused, config_option, json_option, print_json, print_table
from abusewatch.config import ConfigError, load
from abusewatch.config.load import find
from abusewatch.incidents.policy_page import COLUMNS, floors, table


@click.group()
def policy() -> None:
    """Who is told of what."""


@policy.command("show")
@config_option
@json_option
def show(config: Path | None, *, as_json: bool) -> None:
    """Print the lines in force, yours and the shipped ones behind them, and what no line can lift."""
    try:
        section = load(config or find()).policy
    except ConfigError as error:
        raise Refused(str(error.faults[0])) from None
    rows = table(section.settings())
    if as_json:
        for row in rows:
            print_json(dict(zip(COLUMNS, row, strict=True)))
        return
    print_table(COLUMNS, rows)
    click.echo("\nthe first line that fits a finding decides. No line can lift:")
    for sentence in floors():
        click.echo(f"  - {sentence}")
    quiet = [
        f"{who} {hours}"
        for who, hours in (("customers", section.quiet_customer), ("operators", section.quiet_operators))
        if hours
    ]
    if quiet:
        click.echo(
            f"quiet hours ({section.time_zone}): {', '.join(quiet)}; {section.urgent} findings are told all the same"
        )
    click.echo(
        f"operators are written to in {section.language!r}"
        + (f"; never to {', '.join(section.never)}" if section.never else "")
    )
