"""`abusewatch demo`: the whole story in a minute. A real daemon on loopback, a shipped capture sent to it as real NetFlow."""

import asyncio
import shutil
import tempfile
import time
from collections.abc import Iterator
from email import policy
from email.parser import BytesParser
from pathlib import Path

import click

from abusewatch.cli.captures import expectation
from abusewatch.cli.inputs import Inputs
from abusewatch.cli.output import Refused
from abusewatch.config.assemble import Setup, assemble
from abusewatch.config.shipped import shipped
from abusewatch.model.incident import Incident
from abusewatch.model.kinds import KINDS
from abusewatch.service.daemon import Daemon
from abusewatch.sources.encode import encode
from abusewatch.sources.export import Sent, send
from abusewatch.telemetry import PersonalKeys, configure_log

CAPTURE = "ssh-login-attack"
PATIENCE_SECS = 60.0

CONFIG = """[network]
organisation = "Example Hosting"
domain = "hosting.example"
inventory = "inventory.toml"

[[source]]
listen = "127.0.0.1:0"
exporters = ["127.0.0.1"]

[store]
path = "store"

[mail]
mode = "send"            # to the Maildir below: no smart host is named, so nothing leaves this machine
maildir = "maildir"

[contacts]
table = "operators.csv"

[metrics]
listen = "127.0.0.1:0"
"""
OPERATORS = """prefix,name,contact
203.0.113.0/24,Example Transit,abuse@transit.example
192.0.2.0/24,Example University,abuse@university.example
"""


@click.command()
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), default=Path("demo-out"), show_default=True,
    help="Folder for the mails.",
)  # fmt: skip
def demo(out: Path) -> None:
    """Show the main job with no set-up: an attack leaves the network, and the two parties are told."""
    configure_log(level="error", personal=PersonalKeys("keep"))
    with tempfile.TemporaryDirectory(prefix="abusewatch-demo-") as name:
        folder = Path(name)
        _prepare(folder)
        incident = asyncio.run(_story(assemble(folder / "abusewatch.toml")))
        mails = _collect(folder / "maildir", out)
    if incident is None or not mails:
        raise Refused("the demonstration saw no attack; `abusewatch rules test` says whether the rules are well")
    for line in _told(incident, mails):
        click.echo(line)


def _prepare(folder: Path) -> None:
    """Write what an operator would have written: configuration, customers, contacts."""
    customers = expectation(shipped("captures") / CAPTURE).customer
    (folder / "abusewatch.toml").write_text(CONFIG)
    (folder / "operators.csv").write_text(OPERATORS)
    tables = [
        f'[[customer]]\nid = "{c.id}"\nprefixes = {list(c.prefixes)}\ncontacts = {list(c.contacts)}\n'
        for c in customers
    ]
    (folder / "inventory.toml").write_text("\n".join(tables))


async def _story(setup: Setup) -> Incident | None:
    """Run the daemon, send the capture, wait for the case, stop the daemon; what it holds is on disk by then."""
    daemon = Daemon(setup)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(daemon.run(), name="daemon")
        await asyncio.wait_for(daemon.ready.wait(), PATIENCE_SECS)
        click.echo(f"1. A daemon listens on 127.0.0.1:{daemon.ports[0]} (UDP), with {len(setup.rules)} rules.")
        sent = await asyncio.to_thread(_export, daemon.ports[0])
        click.echo(
            f"2. The capture {CAPTURE} went to it as a router would send it: {sent.records} flow records in "
            f"{sent.datagrams} NetFlow v9 datagrams."
        )
        incident = await _opened(daemon)
        daemon.stop()
        await running
    return incident


def _export(port: int) -> Sent:
    capture = shipped("captures") / CAPTURE / "capture.pcap"
    return send(encode(Inputs([str(capture)]).batches(), "netflow9"), ("127.0.0.1", port))


async def _opened(daemon: Daemon) -> Incident | None:
    """Wait for a case about which somebody was told. Event time goes on by the clock once the records have all come."""
    give_up = time.monotonic() + PATIENCE_SECS
    while time.monotonic() < give_up:
        told = [incident for incident in await asyncio.to_thread(daemon.store.open_incidents) if incident.notified_us]
        if told:
            return told[0]
        await asyncio.sleep(0.2)
    return None


def _collect(maildir: Path, out: Path) -> list[Path]:
    """Copy the mails to where the reader will look, in place of those of an earlier demonstration."""
    out.mkdir(parents=True, exist_ok=True)
    for old in out.glob("AW-*.eml"):
        old.unlink()
    return [Path(shutil.copy(path, out / path.name)) for path in sorted((maildir / "new").glob("*.eml"))]


def _told(incident: Incident, mails: list[Path]) -> Iterator[str]:
    """Say in plain words what happened."""
    finding = incident.detections[0].finding
    yield (
        f"3. It saw {finding.offender}, an address of our customer {incident.customer}, {KINDS[incident.kind].phrase}: "
        f"{finding.flows} connections to {finding.targets} hosts of others, {finding.first_seen} to {finding.last_seen}."
    )
    yield f"   It fired because {incident.detections[0].because}."
    yield f"4. It opened case {incident.id} and wrote {len(mails)} mails, each with only what its reader may see:"
    for path in mails:
        mail = BytesParser(policy=policy.default).parsebytes(path.read_bytes(), headersonly=True)
        yield f"   {path}"
        yield f"      to {mail['To']}: {mail['Subject']}"
    yield "Nothing has left this machine. Next: abusewatch replay YOUR.pcap --own YOUR-NETWORK"
