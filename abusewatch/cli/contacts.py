"""`abusewatch contacts`: who is told about a network, from where we know it, and what is known of his mailbox."""

import asyncio
import ipaddress
import time
from pathlib import Path

import click

from abusewatch.cli.desk import open_store, store_option
from abusewatch.cli.output import FINDINGS, Refused, config_option, json_option, print_json, print_table
from abusewatch.config import ConfigError, load
from abusewatch.config.assemble import Setup, SetupError, assemble
from abusewatch.config.load import find
from abusewatch.contacts import ContactChain, ContactsError, MemoryCache, MemoryHealth
from abusewatch.contacts.refusals import Refusals
from abusewatch.contacts.settings import lookups
from abusewatch.contacts.table import put_line
from abusewatch.model.finding import iso
from abusewatch.model.mailbox import AddressError
from abusewatch.storage import SqliteStore
from abusewatch.storage.contact_cache import SqliteContacts


@click.group()
def contacts() -> None:
    """Look up, see and set who is told about a network."""


@contacts.command("lookup")
@click.argument("address")
@config_option
@json_option
@click.pass_context
def lookup(ctx: click.Context, address: str, config: Path | None, *, as_json: bool) -> None:
    """Say who is told about an address, and where that is known from; exit code 1 when nobody is.

    Asks outside where the configuration allows it, and within the same budget a day as the daemon.
    """
    try:
        wanted = str(ipaddress.ip_address(address))
    except ValueError:
        raise Refused(f"{address!r} is no IP address") from None
    setup = _setup(config)
    chain = _chain(setup)
    ((contact, _),) = asyncio.run(chain.find([wanted])).items()
    asked = {one.source: dict(one.counts) for one in chain.lookups}
    if as_json:
        print_json(
            {
                "address": wanted,
                "contact": contact.email,
                "name": contact.name,
                "source": contact.source,
                "network": contact.network,
                "asked": asked,
            }
        )
    else:
        print_table(
            ("contact", "name", "source", "network"), [(contact.email, contact.name, contact.source, contact.network)]
        )
        if not chain.lookups and contact.email is None:
            click.echo("abusewatch: nobody outside was asked: [contacts] rdap and dns are off", err=True)
    ctx.exit(0 if contact.email else FINDINGS)


@contacts.command("show")
@click.option("--unknown", is_flag=True, help="Only networks that nobody is known for: the list for a person.")
@store_option
@config_option
@json_option
def show(folder: Path | None, config: Path | None, *, unknown: bool, as_json: bool) -> None:
    """List what registries answered about networks, and until when it is used."""
    stored = SqliteContacts(open_store(folder, config).database)
    now_us = time.time_ns() // 1000
    known = stored.unknown(now_us, 1000) if unknown else stored.known(now_us, 1000)
    if as_json:
        for one in known:
            print_json(
                {
                    "network": str(one.network),
                    "contacts": one.answer.emails,
                    "name": one.answer.name,
                    "source": one.answer.source,
                    "fresh_until": iso(one.answer.fresh_us),
                    "deleted": iso(one.answer.expires_us),
                }
            )
        return
    rows = [
        (one.network, ", ".join(one.answer.emails), one.answer.name, one.answer.source, iso(one.answer.fresh_us))
        for one in known
    ]
    print_table(("network", "contacts", "name", "source", "fresh until"), rows)


@contacts.command("set")
@click.argument("prefix")
@click.argument("contact")
@click.option("--name", default="", help="Name of the operator. Default: the domain of the contact.")
@config_option
def set_contact(prefix: str, contact: str, name: str, config: Path | None) -> None:
    """Write who is told about a network into the operator table; `none` for a network that must not be mailed."""
    try:
        table = load(config or find()).contacts.table
    except ConfigError as error:
        raise Refused(str(error.faults[0])) from None
    if table is None:
        raise Refused("the configuration names no operator table; add [contacts] table")
    email = "" if contact == "none" else contact
    try:
        replaced = put_line(table, prefix, name or email.rpartition("@")[2] or "not mailed", email)
    except (ContactsError, AddressError) as error:
        raise Refused(str(error).splitlines()[0]) from None
    click.echo(f"{table}: {prefix} {'now' if replaced else 'is'} {email or 'not mailed'}; reload the daemon to use it")


@contacts.command("health")
@click.option("--restore", metavar="CONTACT", help="Forget all about a mailbox: somebody has cleared it up.")
@store_option
@config_option
@json_option
def health(restore: str | None, folder: Path | None, config: Path | None, *, as_json: bool) -> None:
    """List mailboxes that bounce, and operators that want no more."""
    stored = SqliteContacts(open_store(folder, config).database)
    if restore:
        if not stored.standing([restore]):
            raise Refused("nothing is remembered of that mailbox")
        stored.restore(restore)
        click.echo("forgotten; it is mailed again")
        return
    now_us = time.time_ns() // 1000
    rows = [
        (
            email,
            one.bounces,
            iso(one.bounced_us) if one.bounced_us else None,
            one.bouncing(now_us),
            iso(one.opted_out_us) if one.opted_out_us else None,
        )
        for email, one in stored.remembered()
    ]
    header = ("contact", "bounces", "last", "passed over", "wants no more since")
    if as_json:
        for row in rows:
            print_json(dict(zip(header, row, strict=True)))
    else:
        print_table(
            header, [(email, bounces, last, "yes" if over else "no", out) for email, bounces, last, over, out in rows]
        )


def _setup(config: Path | None) -> Setup:
    try:
        return assemble(config or find())
    except SetupError as error:
        raise Refused(error.faults[0]) from None


def _chain(setup: Setup) -> ContactChain:
    """Make the daemon's chain over its store, or over nothing where there is none yet."""
    own, never = setup.inventory.contains, setup.config.policy.never
    settings = setup.config.contacts.settings()
    if not (setup.config.store.path / "cases.db").exists():
        return ContactChain(
            setup.table,
            own,
            cache=MemoryCache(),
            health=Refusals(MemoryHealth(), never),
            lookups=lookups(settings, own),
        )
    stored = SqliteContacts(_store(setup).database)
    sources = lookups(settings, own, stored)
    return ContactChain(setup.table, own, cache=stored, health=Refusals(stored, never), lookups=sources)


def _store(setup: Setup) -> SqliteStore:
    return open_store(setup.config.store.path, None)
