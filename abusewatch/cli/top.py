"""`abusewatch top`: which customers use most of the link, asked of a running daemon over its local socket."""

import time
from pathlib import Path
from typing import Any

import click

from abusewatch.cli.output import Refused, config_option, json_option, print_json, print_lines, print_table
from abusewatch.cli.status import daemon_socket, socket_option
from abusewatch.service.control import ControlError, ask

COLUMNS = ("bits_out", "bits_in", "packets_out", "packets_in", "flows_out", "flows_in")
HEADER = ("customer", "bit/s out", "in", "packets/s out", "in", "flows/s out", "in")
STEPS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


@click.command()
@click.option(
    "--by",
    type=click.Choice(("out", "in", "packets", "flows")),
    default="out",
    show_default=True,
    help="What counts: bits sent, bits received, packets sent, flows sent.",
)
@click.option("--lines", "-n", type=click.IntRange(1, 1000), default=20, show_default=True, help="Customers shown.")
@click.option("--every", type=click.FloatRange(1), metavar="SECS", help="Ask again after so long, until Ctrl-C.")
@config_option
@socket_option
@json_option
def top(by: str, lines: int, every: float | None, config: Path | None, path: Path | None, *, as_json: bool) -> None:
    """Show what each customer sent and received a second in the last minute, the busiest first; no address, no peer."""
    where = path or daemon_socket(config)
    while True:
        try:
            found = ask(where, "top", words={"by": by, "lines": str(lines)})
        except ControlError as error:
            raise Refused(str(error)) from None
        if as_json:
            print_json(found)
        else:
            if every:
                click.clear()  # does nothing where stdout is no terminal
            _show(found)
        if every is None:
            return
        time.sleep(every)


def _show(found: dict[str, Any]) -> None:
    if found["until"] is None:
        print_lines(["nothing has been counted yet: a record counts when its time has passed, some fifteen seconds later"])
        return
    rows = [(one["customer"], *_rates(one)) for one in found["customers"]]
    rows += [("(all)", *_rates(found["total"])), ("(transit)", *_rates(found["transit"]))]
    print_table(HEADER, rows)
    more = f"; {found['not_shown']} more used it" if found["not_shown"] else ""
    print_lines([f"{found['secs']:g} s of records until {found['until']}{more}"])


def _rates(usage: dict[str, Any]) -> list[str]:
    return [_short(usage[f"{name}_per_sec"]) for name in COLUMNS]


def _short(rate: float) -> str:
    """Three figures and the thousands."""
    for step, letter in STEPS:
        if rate >= step * 0.9995:  # what would be rounded up to it
            return f"{rate / step:.3g}{letter}"
    return f"{rate:.3g}"
