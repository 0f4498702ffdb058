"""What a person does to cases and mail beside a running daemon: each command is one transaction of the store."""

import getpass
import time
from pathlib import Path

import click

from abusewatch.cli.desk import case, open_store, outbox, store_option
from abusewatch.cli.output import Refused, config_option
from abusewatch.incidents.lifecycle import LifecycleError
from abusewatch.outbox.states import OutboxError

LONGEST_NOTE = 4000


def _now_us() -> int:
    return time.time_ns() // 1000


def _no_case(ident: str) -> Refused:
    return Refused(f"there is no case {ident!r}; see `abusewatch case list`")


@case.command("approve")
@click.argument("case_id")
@store_option
@config_option
def approve(case_id: str, folder: Path | None, config: Path | None) -> None:
    """Let the held mail of a case go, and hold no more of it."""
    moved = open_store(folder, config).approve_case(case_id, _now_us())
    if moved is None:
        raise _no_case(case_id)
    click.echo(f"{case_id}: {len(moved)} mail(s) let go")


@case.command("hold")
@click.argument("case_id")
@store_option
@config_option
def hold(case_id: str, folder: Path | None, config: Path | None) -> None:
    """Hold the mail of a case: what waits to leave and all that is yet to be written."""
    moved = open_store(folder, config).hold_case(case_id, _now_us())
    if moved is None:
        raise _no_case(case_id)
    click.echo(f"{case_id}: held; {len(moved)} mail(s) were stopped on their way")


@case.command("note")
@click.argument("case_id")
@click.argument("text")
@click.option("--author", help="Who writes. Default: the name of the account.")
@store_option
@config_option
def note(case_id: str, text: str, author: str | None, folder: Path | None, config: Path | None) -> None:
    """Write a note to a case, for the desk only: no mail can hold it."""
    if not text.strip() or len(text) > LONGEST_NOTE:
        raise Refused(f"a note has 1 to {LONGEST_NOTE} characters")
    if not open_store(folder, config).add_note(case_id, author or getpass.getuser(), text, _now_us()):
        raise _no_case(case_id)


@case.command("merge")
@click.argument("case_id")
@click.argument("other")
@click.option("--author", help="Who says so. Default: the name of the account.")
@store_option
@config_option
def merge(case_id: str, other: str, author: str | None, folder: Path | None, config: Path | None) -> None:
    """Move the findings, notes and mail of OTHER into CASE and close OTHER; both must be of one customer."""
    try:
        merged = open_store(folder, config).merge_cases(case_id, other, author or getpass.getuser(), _now_us())
    except LifecycleError as error:
        raise Refused(f"{case_id} and {other}: {error}") from None
    if merged is None:
        raise Refused(f"there is no case {case_id!r} or no case {other!r}; see `abusewatch case list`")
    click.echo(f"{case_id}: {len(merged.detections)} finding(s); {other} is part of it now, and so is what follows of its kind")


def _event(name: str, event: str, words: str) -> None:
    """Add a command that moves a case by one event of the lifecycle table."""

    @case.command(name, help=words)
    @click.argument("case_id")
    @store_option
    @config_option
    def command(case_id: str, folder: Path | None, config: Path | None) -> None:
        try:
            moved = open_store(folder, config).move_incident(case_id, event, _now_us())
        except LifecycleError as error:
            raise Refused(f"{case_id}: {error}") from None
        if moved is None:
            raise _no_case(case_id)
        click.echo(f"{case_id}: {moved.state}")


_event("resolve", "fixed", "Note that somebody who can know said it is fixed.")
_event("close", "close", "Close a case; nobody is mailed that it stopped.")
_event("reopen", "reopen", "Open a closed case again.")


def _mail_event(name: str, words: str) -> None:
    """Add a command that moves a mail by one event of the outbox table."""

    @outbox.command(name, help=words)
    @click.argument("mail_id", type=int)
    @store_option
    @config_option
    def command(mail_id: int, folder: Path | None, config: Path | None) -> None:
        try:
            moved = open_store(folder, config).move_message(mail_id, name, _now_us())
        except OutboxError as error:
            raise Refused(f"mail {mail_id}: {error}") from None
        if moved is None:
            raise Refused(f"there is no mail {mail_id}; see `abusewatch outbox list`")
        click.echo(f"mail {mail_id}: {moved.state}")


_mail_event("release", "Let one held mail go; it is charged to the budgets and not stopped by them.")
_mail_event("retry", "Try a mail again that was refused, given up or is waiting.")
_mail_event("cancel", "Give a mail up for good.")
_mail_event("hold", "Stop a mail on its way.")


@outbox.command("resume")
@click.argument("audience", type=click.Choice(["operator", "customer"]))
@store_option
@config_option
def resume(audience: str, folder: Path | None, config: Path | None) -> None:
    """Close the breaker: mail to an audience may leave again, within the budgets."""
    if not open_store(folder, config).close_breaker(audience):
        raise Refused(f"the breaker for {audience} mail is not open")
    click.echo(f"{audience}: mail may leave again")
