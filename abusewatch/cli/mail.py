"""`abusewatch mail`: does mail leave, and how does it look where it arrives."""

import asyncio
import secrets
import time
from pathlib import Path

import click

from abusewatch.cli.output import FINDINGS, Refused, config_option, json_option, print_json
from abusewatch.config import ConfigError, load
from abusewatch.config.load import find
from abusewatch.model.mailbox import AddressError
from abusewatch.model.message import Message
from abusewatch.outbox import Outcome, Transport
from abusewatch.outbox.dkim import DkimError
from abusewatch.reports.headers import HeaderError
from abusewatch.reports.trial import trial
from abusewatch.service.transport import transport_of


@click.group()
def mail() -> None:
    """Try how mail leaves."""


@mail.command("test")
@click.option("--to", "recipient", required=True, metavar="ADDR", help="Who gets it: you, as a rule.")
@config_option
@json_option
@click.pass_context
def send_test(ctx: click.Context, recipient: str, config: Path | None, *, as_json: bool) -> None:
    """Send one real mail, now and past the outbox, the way reports take; exit code 1 when it is not taken.

    In shadow mode too: it tells nobody of a case.
    """
    try:
        settings = load(config or find())
        message = trial(
            settings.network.organisation, settings.sender, recipient, secrets.token_hex(16), time.time_ns() // 1000
        )
        way = transport_of(settings)
    except ConfigError as error:
        raise Refused(str(error.faults[0])) from None
    except (AddressError, HeaderError, DkimError) as error:
        raise Refused(f"--to {error}" if isinstance(error, AddressError) else str(error)) from None
    outcome = asyncio.run(_send(way, message))
    where = f"{settings.mail.smarthost}:{settings.mail.port}" if settings.mail.smarthost else "the Maildir"
    if as_json:
        print_json(
            {
                "outcome": outcome.kind,
                "code": outcome.code,
                "text": outcome.text,
                "mode": settings.mail.mode,
                "message_id": message.message_id,
            }
        )
    else:
        click.echo(f"{where}: {outcome.kind}, {outcome.code or ''} {outcome.text}".replace(",  ", ", "))
        if settings.mail.mode == "shadow":
            click.echo("mail mode is shadow: nothing but this mail leaves; reports are composed and held")
    ctx.exit(0 if outcome.kind == "accepted" else FINDINGS)


async def _send(way: Transport, message: Message) -> Outcome:
    async for outcome in way.send([message]):
        return outcome
    return Outcome("deferred", 0, "the transport said nothing")
