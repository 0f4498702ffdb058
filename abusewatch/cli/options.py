"""Options of the commands that read flows and captures: whose network it is, which rules, and what part of the input."""

from datetime import UTC, datetime
from pathlib import Path

import click


class Time(click.ParamType[int]):
    """A time: RFC 3339 (UTC when it names no zone) or seconds since 1970; microseconds in the program."""

    name = "time"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read it, or say how to write it."""
        try:
            return int(float(value) * 1_000_000)
        except ValueError:
            pass
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no time; write 2026-11-01T10:00:00Z or seconds since 1970", param, ctx)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000_000)


own_option = click.option(
    "--own", multiple=True, metavar="PREFIX", help="A network of ours; may be given several times."
)
inventory_option = click.option(
    "--inventory", "inventory_file", type=click.Path(path_type=Path, dir_okay=False), help="Customers, TOML or CSV."
)
rules_option = click.option(
    "--rules",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of your own rules, over the shipped ones.",
)
from_option = click.option("--from", "from_us", type=Time(), help="Only records that begin at this time or later.")
to_option = click.option("--to", "to_us", type=Time(), help="Only records that begin before this time.")
sampling_option = click.option("--sampling", type=click.IntRange(min=1), default=1, help="Sample the input 1:N first.")
