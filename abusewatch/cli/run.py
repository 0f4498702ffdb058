"""`abusewatch run`: the daemon."""

import asyncio
import secrets
from pathlib import Path

import click

from abusewatch.cli.output import REFUSED, Refused, config_option, print_lines
from abusewatch.config.assemble import SetupError, assemble
from abusewatch.config.load import find
from abusewatch.service.daemon import serve
from abusewatch.storage import StateLocked, StorageError
from abusewatch.telemetry import PersonalKeys, configure_log
from abusewatch.web.customer import customer_page

LOCKED = 75
"""EX_TEMPFAIL of sysexits.h: try again once the other one has gone."""


class Locked(click.ClickException):
    """Another daemon holds the store."""

    exit_code = LOCKED


@click.command()
@config_option
@click.option(
    "--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info", show_default=True
)
@click.pass_context
def run(ctx: click.Context, config: Path | None, log_level: str) -> None:
    """Receive flow exports, detect, and tell; SIGHUP reloads, SIGTERM stops in order."""
    path = config or find()
    try:
        setup = assemble(path)
        if not setup.config.source:
            raise Refused(f"{path}: no [[source]]; a daemon needs one to listen on")
        choice = setup.config.privacy.log_personal
        configure_log(level=log_level, personal=PersonalKeys(choice, secrets.token_bytes(32)))
        asyncio.run(serve(path, (customer_page,)))
    except SetupError as error:
        print_lines(error.faults, err=True)
        click.echo(f"abusewatch: {len(error.faults)} fault(s) in what {path} names; not started", err=True)
        ctx.exit(REFUSED)
    except StateLocked as error:
        raise Locked(str(error)) from None
    except StorageError as error:
        raise Refused(str(error)) from None
    except OSError as error:
        raise Refused(f"cannot start: {error.strerror or error}") from None
