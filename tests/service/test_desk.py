"""The case side: what is due is written and handed over; a fault is counted and the turn repeated; a clock jump stops mail."""

import asyncio
import contextlib
import sqlite3
import time
from collections import Counter
from types import SimpleNamespace

import pytest

from abusewatch.casework import Blocked, Report
from abusewatch.contacts import ContactChain, MemoryCache, MemoryHealth, OperatorTable
from abusewatch.contacts.lookup import OUTCOMES, Found
from abusewatch.model.incident import Incident
from abusewatch.model.message import Message
from abusewatch.outbox import Delivery, Entry, Settlement, SmtpSettings, SmtpTransport, Turn
from abusewatch.retention import limits
from abusewatch.service import desk as subject
from abusewatch.service.desk import Desk, now_us
from abusewatch.storage import SqliteStore
from abusewatch.telemetry import LOOKUP_OUTCOMES, LOOKUPS, Telemetry
from tests.cases import message
from tests.outbox.servers import Server, serving

INCIDENT = Incident("AW-2026-000001", "C-1", "login_attack", "open", "high", 0.9, "handshake", 0, 0, (), 0, 0)
MAIL = Message("<1@a.example>", "d", "AW-2026-000001", "operator", "a@a.example", "b@b.example", "s", b"")


class Store:
    def __init__(self):
        self.saved = []

    def counts(self):
        return {"queued": 3, "sent": 4}

    def open_incidents(self):
        return [INCIDENT]

    def save(self, changes):
        self.saved.extend(changes)

    def breakers(self):
        return []

    def release_held(self, _now_us, quiet=()):
        return []

    def purge(self, _now_us, *, dry_run=False):
        return {"evidence": 0}


def made(casework=None, delivery=None):
    telemetry = Telemetry()
    return Desk(Store(), casework, delivery, telemetry), telemetry


def value(telemetry, name, **labels):
    return telemetry.registry.get_sample_value(f"abusewatch_{name}", labels)


def turns(*answers):
    left = list(answers)
    return lambda *_: left.pop(0) if left else []


async def test_blocked_mail_is_counted_by_its_reason():
    report = Report(
        INCIDENT,
        1,
        (MAIL,),
        (Blocked("customer", "c@c.example", "LeakError"), Blocked("operator", "o@o.example", "TextError")),
    )
    desk, telemetry = made(SimpleNamespace(turn=turns([report])))
    await desk.write_turn()
    assert value(telemetry, "leak_checks_total") == 3
    assert value(telemetry, "leak_blocks_total") == 1
    assert value(telemetry, "messages_total", audience="customer", state="blocked") == 1
    assert value(telemetry, "outbox_messages", state="queued") == 3


@pytest.mark.parametrize(
    ("reason", "reply"), [("421 busy", "4xx"), ("550 no such user", "5xx"), ("OSError: refused", "none"), ("", "none")]
)
async def test_failed_deliveries_are_counted_by_class(reason, reply):
    outcome = (Entry(1, MAIL, "leased", 1, 0, 0), Settlement("retrying", 0, reason))

    async def turn():
        return Turn((outcome,))

    desk, telemetry = made(delivery=SimpleNamespace(turn=turn, batch=20))
    await desk.deliver_turn()
    assert value(telemetry, "smtp_attempts_total") == 1
    assert value(telemetry, "smtp_failures_total", reply=reply) == 1


async def test_after_a_clock_jump_no_mail_leaves(monkeypatch):
    async def turn():
        raise AssertionError("mail left after the clock jumped")

    desk, telemetry = made(delivery=SimpleNamespace(turn=turn, batch=20))
    monkeypatch.setattr(subject, "now_us", lambda: time.time_ns() // 1000 + 365 * 86_400_000_000)
    await desk.deliver_turn()
    assert value(telemetry, "clock_jumps_total") == 1


async def test_incidents_whose_time_is_over_move():
    desk, telemetry = made()
    await desk.keep_turn()
    ((incident, before),) = desk._store.saved
    assert (before, incident.state) == ("open", "quiet")
    assert value(telemetry, "incidents_total", kind="login_attack", state="quiet") == 1


@pytest.mark.parametrize(
    ("error", "bugs"),
    [(sqlite3.OperationalError("database or disk is full"), 0), (OSError("EIO"), 0), (KeyError("ours"), 1)],
)
async def test_a_turn_that_fails_is_counted_and_repeated(monkeypatch, error, bugs):
    monkeypatch.setattr(subject, "CASEWORK_SECS", 0.001)
    answers = [error, [], []]
    loop, gone_round = asyncio.get_running_loop(), asyncio.Event()

    def turn(_now_us):
        answer = answers.pop(0) if answers else []
        if not answers:
            loop.call_soon_threadsafe(gone_round.set)
        if isinstance(answer, Exception):
            raise answer
        return answer

    desk, telemetry = made(SimpleNamespace(turn=turn))
    task = asyncio.create_task(desk.write())
    await asyncio.wait_for(gone_round.wait(), 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert value(telemetry, "casework_failures_total") == 1
    assert value(telemetry, "bugs_total", stage="casework") == bugs
    assert desk.failing == ""


async def test_contacts_are_learned_beside_casework_and_counted():
    """What a look-up did is in the metrics, by source and outcome and never by whom it was about."""

    class Registry:
        source = "rdap"

        def __init__(self):
            self.counts = Counter()

        async def lookup(self, address):
            self.counts.update(asked=1, found=1)
            return Found((), ("abuse@one.example",), "One")

    case_side, telemetry = made()
    chain = ContactChain(OperatorTable(), lambda _: False, cache=MemoryCache(), health=MemoryHealth(), lookups=[Registry()])
    case_side.contacts = chain
    chain.resolve(["66.1.0.1", "66.2.0.1"])
    await case_side.learn_turn()
    assert [contact.email for contact in chain.resolve(["66.1.0.1"])] == ["abuse@one.example"]
    assert value(telemetry, "contact_lookups_total", source="rdap", outcome="asked") == 2
    assert value(telemetry, "contact_lookups_total", source="dns", outcome="asked") == 0
    assert set(LOOKUP_OUTCOMES) == set(OUTCOMES)
    assert LOOKUPS == ("rdap", "dns")


async def given_up(lanes, hanging, secs, monkeypatch, tmp_path):
    """How many of the recipients that hang had to be given up, after `secs` each, before forty healthy ones had their mail."""
    monkeypatch.setattr(subject, "LANES", lanes)
    monkeypatch.setattr(subject, "DELIVERY_SECS", 0.05)
    store = SqliteStore(tmp_path / f"{lanes}-{hanging}" / "cases.db", limits())
    mails = [message(n, f"hang{n}@slow.example" if n < hanging else f"r{n}@operator.example") for n in range(40 + hanging)]
    store.enqueue(mails, None, now_us())

    class Slow(Server):
        async def act(self, where, reader, writer):
            if where == "RCPT":
                await asyncio.sleep(3600 if "hang" in self.lines[-1] else 0.04)
            return await super().act(where, reader, writer)

    async with serving(Slow()) as port:
        smtp = SmtpTransport(SmtpSettings("127.0.0.1", port, "none", command_secs=secs, message_secs=secs))
        task = asyncio.create_task(Desk(store, None, Delivery(store, smtp, now_us, subject.LANE_BATCH), Telemetry()).deliver())
        async with asyncio.timeout(60):
            while store.counts()["sent"] < 40:  # noqa: ASYNC110  # it is the store that is watched
                await asyncio.sleep(0.02)
        hung = store.counts()["retrying"]
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    store.close()
    return hung


async def test_a_stop_that_a_turn_has_lost_ends_the_task_all_the_same():
    """`asyncio.wait_for`, under the SMTP client, gives the answer and forgets the cancellation when both come at once: the daemon would not stop."""
    desk, _ = made()
    turns = []

    async def turn():
        turns.append("begun")
        with contextlib.suppress(*[asyncio.CancelledError] if len(turns) == 1 else []):
            await asyncio.sleep(3600)

    task = asyncio.create_task(desk._every(0.0, "delivery", turn))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task], timeout=20)
    ended = task.cancelled()
    task.cancel()
    await asyncio.wait([task])
    assert ended
    assert turns == ["begun"]


async def test_recipients_that_hang_delay_nobody_else(monkeypatch, tmp_path):
    """threats.md T26: healthy recipients have their mail while three others still hang; in one lane, the control, they wait until one is given up."""
    assert await given_up(8, 3, 50.0, monkeypatch, tmp_path) == 0
    assert await given_up(1, 1, 0.5, monkeypatch, tmp_path) == 1
