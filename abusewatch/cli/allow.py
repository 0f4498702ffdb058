"""`abusewatch allow`: temporary exceptions, each with an end, a reason and a name."""

import getpass
import ipaddress
import re
import time
from pathlib import Path

import click

from abusewatch import retention
from abusewatch.cli.desk import open_store, store_option
from abusewatch.cli.output import Refused, config_option, json_option, print_json, print_table
from abusewatch.config import ConfigError, load
from abusewatch.config.assemble import rule_set
from abusewatch.config.forms import SHORTEST_OWN_V4, SHORTEST_OWN_V6
from abusewatch.config.load import find
from abusewatch.model.finding import iso
from abusewatch.storage.sqlite_exceptions import SqliteExceptions

UNITS = {"m": 60, "h": 3600, "d": 86_400}
LONGEST_SECS = 30 * 86_400
"""What is to last longer belongs into the inventory (a role) or into the rule, where it can be seen."""


class Span(click.ParamType[int]):
    """A length of time, 90m, 2h or 7d; seconds in the program."""

    name = "time"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read it, or say how to write it."""
        match = re.fullmatch(r"(\d{1,5})([mhd])", str(value))
        secs = int(match[1]) * UNITS[match[2]] if match else 0
        if not 0 < secs <= LONGEST_SECS:
            self.fail(f"{value!r} is no length of time up to 30 days; write it like 90m, 2h or 7d", param, ctx)
        return secs


@click.group()
def allow() -> None:
    """Silence a rule about some of our addresses, for a time."""


@allow.command("add")
@click.argument("prefix")
@click.option("--rule", required=True, metavar="ID", help="The rule that is silenced.")
@click.option("--for", "secs", required=True, type=Span(), help="How long, up to 30 days: 90m, 2h, 7d.")
@click.option("--reason", required=True, help="Why; whoever asks later reads it.")
@click.option("--author", help="Who says so. Default: the name of the account.")
@store_option
@config_option
def add(  # noqa: PLR0917  # one argument an option
    prefix: str, rule: str, secs: int, reason: str, author: str | None, folder: Path | None, config: Path | None
) -> None:
    """Silence a rule about offenders in PREFIX: its findings are counted and logged, and make no case."""
    network = _network(prefix)
    _known(rule, config, folder)
    if not reason.strip():
        raise Refused("an exception needs a reason")
    now_us = time.time_ns() // 1000
    until_us = now_us + secs * 1_000_000
    _exceptions(folder, config).add(
        network, rule, until_us, reason=reason, author=author or getpass.getuser(), now_us=now_us
    )
    click.echo(f"{network}: {rule} makes no case until {iso(until_us)}; cases that are open go on")


@allow.command("list")
@store_option
@config_option
@json_option
def list_(folder: Path | None, config: Path | None, *, as_json: bool) -> None:
    """List the exceptions in force."""
    rows = [
        (one.prefix, one.rule, iso(one.until_us), one.author, one.reason)
        for one in _exceptions(folder, config).in_force(time.time_ns() // 1000)
    ]
    header = ("prefix", "rule", "until", "author", "reason")
    if as_json:
        for row in rows:
            print_json(dict(zip(header, row, strict=True)))
    else:
        print_table(header, rows)


@allow.command("remove")
@click.argument("prefix")
@click.option("--rule", metavar="ID", help="Only that of one rule. Default: all of the prefix.")
@store_option
@config_option
def remove(prefix: str, rule: str | None, folder: Path | None, config: Path | None) -> None:
    """End the exceptions of a prefix now."""
    ended = _exceptions(folder, config).end(_network(prefix), rule, time.time_ns() // 1000)
    if not ended:
        raise Refused(f"there is no exception in force for {prefix}; see `abusewatch allow list`")
    click.echo(f"{prefix}: {ended} exception(s) ended")


def _exceptions(folder: Path | None, config: Path | None) -> SqliteExceptions:
    return SqliteExceptions(open_store(folder, config).database, retention.limits().exception_us)


def _network(text: str) -> str:
    try:
        network = ipaddress.ip_network(text)
    except ValueError as error:
        raise Refused(str(error)) from None
    if network.prefixlen < (SHORTEST_OWN_V4 if network.version == 4 else SHORTEST_OWN_V6):
        raise Refused(f"{text} is everybody; a rule that is wrong about everybody belongs into [rules] disable")
    return str(network)


def _known(rule: str, config: Path | None, folder: Path | None) -> None:
    """Check the name of the rule: against the configuration's rules, or the shipped ones where only a store is named."""
    faults: list[str] = []
    try:
        local = None if folder and not config else load(config or find()).rules.local
    except ConfigError as error:
        raise Refused(str(error.faults[0])) from None
    known = {one.id for one in rule_set(local, (), faults)[0]}
    if rule not in known:
        raise Refused(f"there is no rule {rule!r}; see `abusewatch rules list`")
