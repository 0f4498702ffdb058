"""`abusewatch check`: all faults of all files, before anything is started."""

from pathlib import Path

import click

from abusewatch.cli.output import FINDINGS, config_option, json_option, print_json, print_lines
from abusewatch.config import masked
from abusewatch.config.assemble import Setup, SetupError, assemble
from abusewatch.config.load import find
from abusewatch.config.reference import reference as reference_page


@click.command()
@config_option
@click.option("--show", is_flag=True, help="Print the configuration in force, secrets masked, as JSON.")
@click.option("--reference", is_flag=True, help="Print the reference of all sections and keys, and check nothing.")
@click.option(
    "--leaks",
    is_flag=True,
    help="Send marked traffic through all of it and search every place that keeps or tells anything.",
)
@json_option
@click.pass_context
def check(ctx: click.Context, config: Path | None, *, show: bool, reference: bool, leaks: bool, as_json: bool) -> None:
    """Check configuration, rules, inventory and operator table: every fault at once, with file and line."""
    if reference:
        click.echo(reference_page(), nl=False)
        return
    path = config or find()
    try:
        setup = assemble(path)
    except SetupError as error:
        if as_json:
            print_json({"faults": list(error.faults), "warnings": []})
        else:
            print_lines(error.faults)
        click.echo(f"abusewatch: {len(error.faults)} fault(s) in what {path} names", err=True)
        ctx.exit(FINDINGS)
    if leaks:
        _search(ctx, setup, as_json=as_json)
        return
    if show:
        print_json(masked(setup.config))
    elif as_json:
        print_json({"faults": [], "warnings": list(setup.warnings)})
    else:
        print_lines(setup.warnings, err=True)
        customers, mode = len(setup.inventory.customers), setup.config.mail.mode
        click.echo(f"{path}: fine. {len(setup.rules)} rules, {customers} customers, mail mode {mode}.")


def _search(ctx: click.Context, setup: Setup, *, as_json: bool) -> None:
    """Run the search for marks that leaked; a daemon is made for it, so it is loaded only then."""
    from abusewatch.cli.leaks import check_leaks  # noqa: PLC0415  # it brings the whole daemon

    found = check_leaks(setup)
    if as_json:
        print_json(found._asdict())
    else:
        print_lines(found.faults)
        click.echo(f"{found.sinks} places searched, {found.mails} of them mails: {len(found.faults)} leak(s)")
    if found.faults:
        ctx.exit(FINDINGS)
