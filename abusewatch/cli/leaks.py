"""`abusewatch check --leaks`: marks go in as traffic, and every place that keeps or tells anything is searched for them.

A daemon of its own on loopback, with the rules, texts and privacy settings of the configuration and a store of its own,
receives the attack as NetFlow and everyday talk as sFlow, whose samples carry payload. Then its mails, database with its
log, state files, log, metrics and status are read byte by byte, and with them the page for the customer and the folder of a
replay. A text that tells too much must have been stopped; one made for that proves that it would be.
"""

import asyncio
import io
import re
import secrets
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from email import message_from_bytes
from email.policy import compat32
from pathlib import Path
from typing import NamedTuple

import msgspec

from abusewatch.cli import marked
from abusewatch.cli.dossier import Reporter, write_dossier
from abusewatch.cli.inputs import Inputs
from abusewatch.cli.judge import judge
from abusewatch.cli.marked import Marks
from abusewatch.config.assemble import Setup
from abusewatch.config.model import Contacts, Mail, Metrics, Source, Store
from abusewatch.contacts import OperatorTable, load
from abusewatch.evidence import minimise, without_evidence
from abusewatch.inventory import Inventory
from abusewatch.model.contact import Contact
from abusewatch.model.customer import Customer
from abusewatch.model.incident import Incident
from abusewatch.reports.compose import Composer
from abusewatch.reports.leaks import LeakError
from abusewatch.reports.settings import ReportSettings
from abusewatch.service.daemon import Daemon
from abusewatch.sources.encode import encode
from abusewatch.sources.export import send
from abusewatch.telemetry import PersonalKeys, configure_log
from abusewatch.web.shown import case_page

PATIENCE_SECS = 60.0
OPERATORS = {"203.0.113.0/24": "abuse@first.example", "192.0.2.0/24": "abuse@second.example"}
NOTICE_TO = "security@marked.example"


class Sink(NamedTuple):
    """A place where something is kept or told: its name, what is in it, and which attacked addresses may stand there."""

    name: str
    content: bytes
    shown: frozenset[str] = frozenset()


class Found(NamedTuple):
    """What the search found, how many places it searched, and how many mails were written."""

    faults: tuple[str, ...]
    sinks: int
    mails: int


def search(sinks: Sequence[Sink], marks: Mapping[str, bytes]) -> list[str]:
    """Look for every mark and every address that may not stand there, in each place."""
    attacked = [address for targets in marked.TARGETS.values() for address in targets]
    found = []
    for sink in sinks:
        lower = sink.content.lower()
        found += [f"{sink.name}: holds the {name} that was planted" for name, mark in marks.items() if mark in lower]
        strangers = {address for address in (*attacked, marked.BYSTANDER) if address not in sink.shown}
        found += [
            f"{sink.name}: names {one}, which its reader may not see"
            for one in sorted(strangers)
            if _stands(one, sink.content)
        ]
    return found


def check_leaks(setup: Setup) -> Found:
    """Send the marks through everything; the faults that were found."""
    marks = Marks(f"mark{secrets.token_hex(6)}")
    with tempfile.TemporaryDirectory(prefix="abusewatch-leaks-") as name:
        folder = Path(name)
        packets = marked.attack(marks, time.time_ns() // 1000 - 600_000_000)
        (folder / "attack.pcap").write_bytes(marked.capture(packets))
        log = io.StringIO()
        choice = setup.config.privacy.log_personal
        configure_log(log, json=True, personal=PersonalKeys(choice, secrets.token_bytes(32)))
        sinks, incident, faults = asyncio.run(_daemon(_setup(setup, folder), folder, marks))
        sinks += [Sink("log", log.getvalue().encode())]
        sinks += list(_replayed(setup, folder))
        faults += search(sinks, marks.all())
        mails = [sink for sink in sinks if sink.name.startswith("mail ")]
        faults += [] if mails else ["no mail was written about the attack; see the log of `abusewatch check --leaks`"]
        faults += (
            []
            if incident is None or _stopped(setup, incident, folder, marks)
            else ["a text that tells too much was not stopped"]
        )
    return Found(tuple(faults), len(sinks), len(mails))


async def _daemon(setup: Setup, folder: Path, marks: Marks) -> tuple[list[Sink], Incident | None, list[str]]:
    """Run the daemon until somebody was told, stop it, and read all it has left."""
    daemon = Daemon(setup)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(daemon.run(), name="daemon")
        await asyncio.wait_for(daemon.ready.wait(), PATIENCE_SECS)
        await asyncio.to_thread(_export, folder, marks, daemon.ports[0])
        incident = await _told(daemon)
        status = msgspec.json.encode(await daemon.status())
        page = await asyncio.to_thread(_page, daemon, incident) if incident else b""
        disk = [Sink(path.name, path.read_bytes()) for path in _files(folder / "store")]
        blocked = await asyncio.to_thread(daemon.store.blocked)
        daemon.stop()
        await running
    sinks = [
        *disk,
        *(Sink(f"{path.name} after the stop", path.read_bytes()) for path in _files(folder / "store")),
        Sink("metrics", daemon.telemetry.exposition()),
        Sink("status", status),
        Sink("page for the customer", page),
        *(_mail(path) for path in sorted((folder / "maildir" / "new").glob("*.eml"))),
    ]
    stopped = [f"the mail to the {audience} was not written: {reason}" for _, audience, _, reason in blocked]
    return sinks, incident, stopped


def _setup(setup: Setup, folder: Path) -> Setup:
    """Take the operator's rules, texts and privacy; the rest is made up, so that nothing real is touched or asked."""
    config = setup.config.model_copy(
        update={
            "source": (Source(listen="127.0.0.1:0", exporters=("127.0.0.1",), sampling=1),),
            "store": Store.model_construct(path=folder / "store", key_file=None),
            "mail": setup.config.mail.model_copy(update=_mail_here(folder)),
            "contacts": Contacts(),
            "metrics": Metrics(listen="127.0.0.1:0"),
            "customer_page": type(setup.config.customer_page)(),
            "policy": type(setup.config.policy)(),
        }
    )
    return Setup(config=config, rules=setup.rules, inventory=_customers(), table=_operators(folder), warnings=())


def _mail_here(folder: Path) -> dict[str, object]:
    plain = Mail().model_dump()
    keep = {"templates", "sender"}
    return {name: value for name, value in plain.items() if name not in keep} | {
        "mode": "send",
        "maildir": folder / "maildir",
    }


def _customers() -> Inventory:
    return Inventory([Customer(marked.CUSTOMER, ("198.51.100.0/24",), (NOTICE_TO,))])


def _operators(folder: Path) -> OperatorTable:
    rows = "".join(f"{prefix},{email.partition('@')[2]},{email}\n" for prefix, email in OPERATORS.items())
    path = folder / "operators.csv"
    path.write_text(f"prefix,name,contact\n{rows}", "utf-8")
    return load(path)


def _export(folder: Path, marks: Marks, port: int) -> None:
    """Send the attack as a router would, and then the everyday talk as sFlow, payload and all.

    In this order: the talk is of now, and would make the records of the attack late.
    """
    send(encode(Inputs([str(folder / "attack.pcap")]).batches(), "netflow9"), ("127.0.0.1", port))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(marked.sflow(list(marked.in_clear(marks))), ("127.0.0.1", port))


async def _told(daemon: Daemon) -> Incident | None:
    """Wait until every mail about the case has left."""
    give_up = time.monotonic() + PATIENCE_SECS
    while time.monotonic() < give_up:
        counts = await asyncio.to_thread(daemon.store.counts)
        blocked = await asyncio.to_thread(daemon.store.blocked)
        if counts["sent"] + len(blocked) > len(OPERATORS):
            return next(iter(await asyncio.to_thread(daemon.store.open_incidents)), None)
        await asyncio.sleep(0.2)
    return None


def _page(daemon: Daemon, incident: Incident) -> bytes:
    page = case_page(
        incident,
        daemon.store.noticed(incident.id),
        episodes={detection.episode for detection in incident.detections},
        own=daemon.setup.inventory.contains,
        settings=daemon.report_settings(daemon.setup),
        language="en",
        form="",
        said=None,
        draft="",
        blind=False,
        now_us=incident.updated_us,
    )
    return page.encode()


def _replayed(setup: Setup, folder: Path) -> Iterator[Sink]:
    """Replay the capture itself, payload and all, and read the folder it leaves. The desk's page shows addresses in full."""
    inventory, out = _customers(), folder / "out"
    verdict = judge(Inputs([str(folder / "attack.pcap")]).flows(), setup.rules, inventory)
    write_dossier(
        out, verdict, inventory, _operators(folder), Reporter("Example", "abuse@provider.example"), "attack.pcap"
    )
    everything = frozenset(address for targets in marked.TARGETS.values() for address in targets)
    for path in sorted(one for one in out.rglob("*") if one.is_file()):
        yield _mail(path) if path.suffix == ".eml" else Sink(f"replay: {path.name}", path.read_bytes(), everything)


def _mail(path: Path) -> Sink:
    """Read a mail as its reader does, every part decoded, and say which addresses are his."""
    raw = path.read_bytes()
    mail = message_from_bytes(raw, policy=compat32)
    parts = [part.get_payload(decode=True) for part in mail.walk()]
    whole = b"\n".join([raw, *(part for part in parts if isinstance(part, bytes))])
    his = next((marked.TARGETS[prefix] for prefix, email in OPERATORS.items() if email == mail["To"]), ())
    return Sink(f"mail to {mail['To']}", whole, frozenset(his))


def _stopped(setup: Setup, incident: Incident, folder: Path, marks: Marks) -> bool:
    """The control: a text that names another operator's address, and one that names a mark, are both stopped."""
    first, second = marked.TARGETS.values()
    own = _customers().contains
    view = minimise(incident, "operator", own=own, addresses=first)
    for words in (f"also attacked: {second[0]}", f"mail of {marks.all()['mail address'].decode()}@victim.example"):
        leaky = folder / f"leaky-{secrets.token_hex(4)}"
        (leaky / "en").mkdir(parents=True)
        (leaky / "en" / "operator.txt.j2").write_text(words, "utf-8")
        settings = ReportSettings(
            setup.config.network.organisation, "abuse@provider.example", secrets.token_bytes(32), 7, templates=leaky
        )
        contact = Contact("abuse@first.example", "first.example", "table", "203.0.113.0/24")
        try:
            Composer(settings).compose_operator(without_evidence(incident, view), view, contact, incident.updated_us)
        except LeakError:
            continue
        return False
    return True


def _files(folder: Path) -> list[Path]:
    """List the files of the store, the database's log among them; sockets and keys hold nothing of anybody."""
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".key")


def _stands(address: str, content: bytes) -> bool:
    return re.search(rb"(?<![\d.])" + re.escape(address.encode()) + rb"(?!\.?\d)", content) is not None
