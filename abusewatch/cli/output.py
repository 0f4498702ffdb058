"""How commands print data: JSON for programs, columns for people; and the options that many commands share."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

FINDINGS = 1
REFUSED = 2

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a line.")
config_option = click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Configuration; default /etc/abusewatch/abusewatch.toml, then ./abusewatch.toml.",
)


class Refused(click.ClickException):
    """The command could not be done; the message is the one line that says why."""

    exit_code = REFUSED


def print_json(value: Any) -> None:
    """Print one object on one line."""
    click.echo(msgspec.json.encode(value, order="deterministic" if isinstance(value, dict) else None))


def print_table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows in columns as wide as their widest cell, the last one as it comes."""
    cells = [tuple(header), *(tuple(_cell(value) for value in row) for row in rows)]
    widths = [max(len(row[n]) for row in cells) for n in range(len(header))]
    for row in cells:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def print_lines(lines: Iterable[str], *, err: bool = False) -> None:
    """Print lines of ours, to stdout or as messages to stderr."""
    for line in lines:
        click.echo(line, err=err)


def _cell(value: object) -> str:
    """Write a value as one printable word group: a control character in a name must not reach the terminal."""
    text = "-" if value is None or value == "" else str(value)
    return "".join(c if c.isprintable() else "?" for c in text)
