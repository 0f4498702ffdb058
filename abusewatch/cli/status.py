"""`abusewatch status`: how a running daemon is, asked over its local socket."""

from pathlib import Path
from typing import Any

import click

from abusewatch.cli.output import FINDINGS, Refused, config_option, json_option, print_json, print_table
from abusewatch.config import ConfigError, load
from abusewatch.config.load import find
from abusewatch.model.finding import iso
from abusewatch.service.control import NAME, ControlError, ask, control_path

RUNTIME = Path("/run/abusewatch") / NAME
"""Where the unit's RuntimeDirectory puts it."""

socket_option = click.option(
    "--socket", "path", type=click.Path(path_type=Path), help="The daemon's socket; found by itself as a rule."
)


@click.command()
@config_option
@socket_option
@json_option
@click.pass_context
def status(ctx: click.Context, config: Path | None, path: Path | None, *, as_json: bool) -> None:
    """Show a running daemon's health: sources, rules, cases, outbox. Exit code 1 when something is wrong."""
    try:
        found = ask(path or daemon_socket(config), "status")
    except ControlError as error:
        raise Refused(str(error)) from None
    if as_json:
        print_json(found)
    else:
        _show(found)
    ctx.exit(FINDINGS if found["problems"] else 0)


def daemon_socket(config: Path | None) -> Path:
    """Find the socket of the running daemon: the unit's, else that of the configuration; Refused when that cannot be read."""
    if config is None and RUNTIME.exists():
        return RUNTIME
    try:
        return control_path(load(config or find()).store.path)
    except ConfigError as error:
        raise Refused(str(error.faults[0])) from None


def _show(found: dict[str, Any]) -> None:
    click.echo(
        f"abusewatch {found['version']}, pid {found['pid']}, mail mode {found['mode']}, {len(found['rules'])} rules"
    )
    for problem in found["problems"] or ["all is well"]:
        click.echo(problem)
    print_table(
        ("source", "listens", "received", "unlisted", "records", "lost", "dropped", "last"),
        [_source(source) for source in found["sources"]],
    )
    for one in found["exceptions"]:
        click.echo(f"exception: {one['rule']} is silent about some of our addresses until {one['until']}, by {one['author']}: {one['reason']}")
    waiting = ", ".join(f"{count} {state}" for state, count in found["outbox"].items() if count)
    click.echo(f"{found['incidents']} open incident(s); outbox: {waiting or 'empty'}")


def _source(source: dict[str, Any]) -> tuple[object, ...]:
    counts = [source[name] for name in ("received", "unlisted", "records", "lost", "dropped")]
    last = iso(source["last_received_us"]) if source["last_received_us"] else "never"
    return source["name"], ",".join(source["listens"]), *counts, last
