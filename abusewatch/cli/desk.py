"""`abusewatch case` and `abusewatch outbox`: what the store holds, read beside a running daemon."""

from pathlib import Path

import click
import msgspec

from abusewatch import retention
from abusewatch.cli.output import Refused, config_option, json_option, print_json, print_lines, print_table
from abusewatch.config import ConfigError, load
from abusewatch.config.load import evidence_key, find
from abusewatch.incidents import STATES
from abusewatch.model.classes import named
from abusewatch.model.finding import iso
from abusewatch.model.incident import Incident
from abusewatch.outbox import STATES as MESSAGE_STATES
from abusewatch.outbox import Entry
from abusewatch.storage import SqliteStore, StorageError

store_option = click.option(
    "--store", "folder", type=click.Path(path_type=Path, file_okay=False), help="Folder of the store."
)


MAIL_COLUMNS = ("mail", "state", "reason", "to", "recipient", "subject")


@click.group()
def case() -> None:
    """Look at cases, and decide about their mail."""


@case.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only cases in this state.")
@click.option("--held", "only_held", is_flag=True, help="Only cases with mail that waits: the queue of the desk.")
@store_option
@config_option
@json_option
def case_list(state: str | None, folder: Path | None, config: Path | None, *, only_held: bool, as_json: bool) -> None:
    """List cases, one a line, with the number of their mails that are held."""
    store = open_store(folder, config)
    held = store.held()
    incidents = [one for one in store.incidents(state) if held.get(one.id) or not only_held]
    if as_json:
        for incident in incidents:
            print_json(_case(incident) | {"held": held.get(incident.id, 0)})
    else:
        header = ("case", "state", "severity", "kind", "customer", "first seen", "last seen", "findings", "held")
        print_table(header, [(*_case_row(incident), held.get(incident.id, 0)) for incident in incidents])


@case.command("show")
@click.argument("case_id")
@store_option
@config_option
@json_option
def case_show(case_id: str, folder: Path | None, config: Path | None, *, as_json: bool) -> None:
    """Show a case: its findings and the mails about it."""
    store = open_store(folder, config)
    incident = store.incident(case_id)
    if incident is None:
        raise Refused(f"there is no case {case_id!r}; see `abusewatch case list`")
    entries = store.messages(incident=case_id)
    if as_json:
        print_json(
            _case(incident)
            | {"messages": [_mail(entry) for entry in entries], "notes": [n._asdict() for n in store.notes(case_id)]}
        )
        return
    beside = f" (and {', '.join(incident.also)})" if incident.also else ""
    click.echo(f"{incident.id}: {incident.kind}{beside} by {incident.customer}, {incident.state}, severity {incident.severity}")
    for detection in incident.detections:
        finding = detection.finding
        click.echo(
            f"  {finding.rule}: {finding.offender} -> {finding.targets} target(s), {finding.first_seen} to "
            f"{finding.last_seen}, {finding.flows} flows, basis {finding.basis}"
        )
        click.echo(f"    fired: {finding.threshold}; {detection.because}")
        if finding.classes:
            click.echo(f"    may also be {named(finding.classes)}: confidence {finding.confidence:g}")
    print_table(MAIL_COLUMNS, [_mail_row(entry) for entry in entries])
    print_lines(f"  note of {iso(n.at_us)} by {n.author}: {_indented(n.text)}" for n in store.notes(case_id))
    print_lines(
        f"  blocked for {audience} {recipient}: {why}" for _, audience, recipient, why in store.blocked(case_id)
    )


@click.group()
def outbox() -> None:
    """Look at mail, and move it."""


@outbox.command("list")
@click.option("--state", type=click.Choice(MESSAGE_STATES), help="Only mail in this state.")
@store_option
@config_option
@json_option
def outbox_list(state: str | None, folder: Path | None, config: Path | None, *, as_json: bool) -> None:
    """List mails, one a line."""
    entries = open_store(folder, config).messages(state)
    if as_json:
        for entry in entries:
            print_json(_mail(entry))
    else:
        print_table(MAIL_COLUMNS, [_mail_row(entry) for entry in entries])


@outbox.command("show")
@click.argument("mail_id", type=int)
@click.option("--raw", is_flag=True, help="Print the mail itself.")
@store_option
@config_option
@json_option
def outbox_show(mail_id: int, folder: Path | None, config: Path | None, *, raw: bool, as_json: bool) -> None:
    """Show a mail, and what became of it."""
    entry = open_store(folder, config).message(mail_id)
    if entry is None:
        raise Refused(f"there is no mail {mail_id}; see `abusewatch outbox list`")
    if as_json:
        print_json(_mail(entry) | ({"raw": entry.message.raw.decode("utf-8", "replace")} if raw else {}))
        return
    if raw:
        click.echo(entry.message.raw, nl=False)
        return
    for name, value in _mail(entry).items():
        click.echo(f"{name:12} {value}")


def open_store(folder: Path | None, config: Path | None) -> SqliteStore:
    """Open the store that a command names; Refused when there is none, or none that can be used."""
    try:
        where, key_file = (folder, None) if folder else _named(config)
        path = where / "cases.db"
        if not path.exists():
            raise Refused(f"{path}: no store here; is --store or --config right?")
        store = SqliteStore(path, retention.limits(), key=_key(key_file))
    except ConfigError as error:
        raise Refused(str(error.faults[0])) from None
    except StorageError as error:
        raise Refused(str(error)) from None
    click.get_current_context().call_on_close(store.close)
    return store


def _named(config: Path | None) -> tuple[Path, Path | None]:
    """Give the store that a configuration names, and where its key lies."""
    store = load(config or find()).store
    return store.path, store.key_file


def _key(file: Path | None) -> bytes | None:
    try:
        return evidence_key(file)
    except OSError as error:
        raise Refused(f"the key of the store cannot be read: {error.filename}: {error.strerror}") from None


def _indented(text: str) -> str:
    """Write a note, which may be a stranger's, so that none of its lines looks like one of ours."""
    lines = ("".join(c if c.isprintable() else "?" for c in line) for line in text.split("\n"))
    return "\n    | ".join(lines)


def _case(incident: Incident) -> dict[str, object]:
    return {
        "case": incident.id,
        "state": incident.state,
        "kind": incident.kind,
        "also": incident.also,
        "merged_into": incident.merged_into or None,
        "customer": incident.customer,
        "severity": incident.severity,
        "confidence": incident.confidence,
        "basis": incident.basis,
        "first_seen": iso(incident.first_us),
        "last_seen": iso(incident.last_us),
        "notified": iso(incident.notified_us) if incident.notified_us else None,
        "findings": [msgspec.to_builtins(detection.finding) for detection in incident.detections],
    }


def _case_row(incident: Incident) -> tuple[object, ...]:
    times = iso(incident.first_us), iso(incident.last_us)
    who = incident.id, incident.state, incident.severity, incident.kind, incident.customer
    return *who, *times, len(incident.detections)


def _mail(entry: Entry) -> dict[str, object]:
    message = entry.message
    return {
        "mail": entry.id,
        "state": entry.state,
        "case": message.incident,
        "audience": message.audience,
        "recipient": message.recipient,
        "subject": message.subject,
        "attempts": entry.attempts,
        "created": iso(entry.created_us),
        "next_try": iso(entry.next_us),
        "reason": entry.reason,
        "message_id": message.message_id,
    }


def _mail_row(entry: Entry) -> tuple[object, ...]:
    message = entry.message
    return entry.id, entry.state, entry.reason[:40], message.audience, message.recipient, message.subject
