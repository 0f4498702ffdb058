"""Over a budget several cases become one mail to each recipient: all of them told, only his own addresses, once."""

import ipaddress
import itertools
from email import message_from_bytes

import pytest
from msgspec.structs import replace

from abusewatch.casework import Casework
from abusewatch.contacts import OperatorTable, TableResolver
from abusewatch.contacts.table import Entry
from abusewatch.digests import Digests
from abusewatch.incidents import Policy, correlate, decide, expire
from abusewatch.incidents.lifecycle import HOUR_US
from abusewatch.incidents.quiet import Quiet
from abusewatch.outbox import Outcome, settle
from abusewatch.outbox.budgets import DAY_US, Budgets
from abusewatch.reports.compose import Composer
from abusewatch.reports.digest import DigestComposer
from abusewatch.reports.settings import ReportSettings
from abusewatch.reports.texts import languages
from abusewatch.retention import limits
from abusewatch.storage import SqliteStore
from tests.cases import OWN, SECOND, T0, Owners, addresses_in, detection, own, target, text_of

SETTINGS = ReportSettings("Provider", "abuse@provider.example", b"0123456789abcdef0123456789abcdef", 7)
TABLE = OperatorTable([Entry(ipaddress.ip_network(f"66.{n}.0.0/16"), f"Op {n}", f"abuse@op{n}.example") for n in range(9)])
RESOLVER = TableResolver(TABLE, own)
KINDS = ["login_attack", "password_spray", "worm", "spam", "port_scan", "address_scan", "slow_scan", "sip_scan", "http_flood", "tcp_flood"]


class Customers(Owners):
    """Each of our addresses has a customer of its own, all written to in one language."""

    def __init__(self, language="en"):
        super().__init__()
        self.language = language

    def owner_at(self, text, us):
        name = text.rpartition(".")[2]
        return replace(self.customer, id=f"C-10{name}", contacts=(f"c{name}@customer.example",), language=self.language) if own(text) else None


class Machine:
    """A machine whose clocks agree."""

    def __init__(self):
        self.us = T0

    def __call__(self):
        from abusewatch.storage.uptime import Moment

        return Moment("a", self.us)


@pytest.fixture
def machine():
    return Machine()


@pytest.fixture
def opened(tmp_path, machine):
    made = []

    def again(budgets):
        made.append(SqliteStore(tmp_path / "cases.db", limits(), budgets, machine))
        return made[-1]

    yield again
    for store in made:
        store.close()


def attack(store, customer=1, kinds=KINDS, networks=(1, 2), now_us=T0, **more):
    """One customer does several things to several networks: a case for each kind."""
    some = [
        detection([target(f"66.{n}.0.{number + 1}", src=f"{OWN}{customer}", last_us=now_us) for n in networks], offender=f"{OWN}{customer}", customer=f"C-10{customer}", kind=kind, rule=f"rule-{number}", last_us=now_us, **more)
        for number, kind in enumerate(kinds)
    ]
    store.save(correlate(store.open_incidents(), some, now_us, store.next_id))


def parts(store, language="en", policy=decide, contacts=RESOLVER):
    settings = ReportSettings("Provider", "abuse@provider.example", SETTINGS.message_id_key, 7, language=language)
    owners = Customers(language)
    return Casework(store, owners, contacts, Composer(settings), hold=None, policy=policy), Digests(store, owners, contacts, DigestComposer(settings), policy)


def deliver(store, now_us):
    taken = store.lease(now_us, 9999, SECOND)
    for entry in taken:
        store.settled(entry, settle(Outcome("accepted"), entry.attempts, entry.created_us, now_us), now_us)
    return [entry.message for entry in taken]


def digests_of(store):
    return [e.message for e in store.messages(limit=9999) if e.message.stage == "digest"]


def test_what_is_over_a_day_leaves_as_one_mail_to_each_and_says_all(opened, machine):
    store = opened(Budgets(recipient_day=3, customer_day=2))
    attack(store)
    casework, digests = parts(store)
    casework.turn(machine.us)
    assert digests.turn(machine.us) == []  # there is no room for one mail more today
    before = deliver(store, machine.us)
    assert len([m for m in before if m.recipient == "abuse@op1.example"]) == 3
    machine.us += DAY_US
    folded = digests.turn(machine.us)
    assert sorted((f.audience, f.cases, f.fault) for f in folded) == [("customer", 8, ""), ("operator", 7, ""), ("operator", 7, "")]
    after = deliver(store, machine.us)
    assert sorted(m.recipient for m in after) == ["abuse@op1.example", "abuse@op2.example", "c1@customer.example"]
    cases = {incident.id for incident in store.incidents()}
    for mail in after:
        single = {m.incident for m in before if m.recipient == mail.recipient}
        assert cases - single == {case for case in cases if case in text_of(mail.raw)}  # every case is told, and none twice
    assert digests.turn(machine.us) == []
    assert store.release_held(machine.us) == []
    assert store.counts()["held"] == 0
    assert all(incident.notified_us for incident in store.incidents())


def test_each_operator_reads_of_its_own_addresses_and_of_no_customers_name(opened, machine):
    store = opened(Budgets(recipient_day=1, customer_day=1))
    attack(store, 1)
    attack(store, 2, networks=(2, 3))
    casework, digests = parts(store)
    casework.turn(machine.us)
    deliver(store, machine.us)
    machine.us += DAY_US
    assert {f.fault for f in digests.turn(machine.us)} == {""}
    mails = {m.recipient: m for m in digests_of(store)}
    assert set(mails) == {"abuse@op1.example", "abuse@op2.example", "abuse@op3.example", "c1@customer.example", "c2@customer.example"}
    for recipient, mail in mails.items():
        text = text_of(mail.raw)
        foreign = {a for a in addresses_in(text) if not own(a)}
        if mail.audience == "operator":
            n = recipient[len("abuse@op")]
            assert foreign
            assert all(address.startswith(f"66.{n}.") for address in foreign)
            assert "C-10" not in text
            assert "Feedback-Type" in mail.raw.decode()
        else:
            assert foreign == set()
            assert {a for a in addresses_in(text) if own(a)} == {f"{OWN}{recipient[1]}"}


def test_a_digest_has_a_name_and_a_thread_of_its_own(opened, machine):
    store = opened(Budgets(recipient_day=1, customer_day=1))
    casework, digests = parts(store)
    for day in range(3):
        attack(store, day + 1, kinds=KINDS[:4], networks=(1,), now_us=machine.us)
        casework.turn(machine.us)
        deliver(store, machine.us)
        machine.us += DAY_US
        digests.turn(machine.us)
        deliver(store, machine.us)
        machine.us += DAY_US
    thread = [message_from_bytes(m.raw) for m in digests_of(store) if m.recipient == "abuse@op1.example"]
    assert len(thread) >= 2
    assert thread[0]["In-Reply-To"] is None
    for one, other in itertools.pairwise(thread):
        assert other["In-Reply-To"] == other["References"] == one["Message-ID"]
    every = [e.message.message_id for e in store.messages(limit=9999)]
    assert len(set(every)) == len(every)


@pytest.mark.parametrize("language", sorted(languages()))
@pytest.mark.parametrize("stage", ["first", "closing"])
def test_every_language_says_it_whole(opened, machine, language, stage):
    store = opened(Budgets(recipient_day=1, customer_day=1))
    attack(store, kinds=["login_attack", "worm", "address_scan", "http_flood"])
    casework, digests = parts(store, language)
    casework.turn(machine.us)
    machine.us += DAY_US
    if stage == "closing":
        for entry in store.messages("held"):
            with store.database.transaction() as db:
                db.execute("UPDATE outbox SET stage = 'closing' WHERE id = ?", (entry.id,))
    assert {f.fault for f in digests.turn(machine.us)} == {""}
    for mail in digests_of(store):
        text = text_of(mail.raw)
        assert "{{" not in text
        assert "{%" not in text
        body = message_from_bytes(mail.raw)
        plain = (body.get_payload(0) if body.is_multipart() else body).get_payload(decode=True).decode()
        assert max(map(len, plain.splitlines())) <= 160
        assert len([line for line in plain.splitlines() if line.startswith("  ") and "AW-2026-" in line]) == 3
        assert mail.subject.startswith("[AW-2026-00000")
        assert ("STOP " in plain) == (mail.audience == "operator")


def test_a_lone_case_keeps_its_own_mail(opened, machine):
    store = opened(Budgets(recipient_day=1, customer_day=1))
    attack(store, kinds=KINDS[:2], networks=(1,))
    casework, digests = parts(store)
    casework.turn(machine.us)
    deliver(store, machine.us)
    machine.us += DAY_US
    assert digests.turn(machine.us) == []
    assert {e.message.stage for e in store.release_held(machine.us)} == {"first"}


def test_a_digest_that_would_show_too_much_is_stopped_and_each_case_keeps_its_mail(opened, machine):
    store = opened(Budgets(recipient_day=1, customer_day=1))
    attack(store, kinds=KINDS[:4])
    casework, digests = parts(store)
    casework.turn(machine.us)
    machine.us += DAY_US

    class Chatty(DigestComposer):
        def compose_digest(self, *arguments, **which):
            mail = super().compose_digest(*arguments, **which)
            return replace(mail, raw=mail.raw + (b"66.2.0.1\r\n" if mail.recipient == "abuse@op1.example" else b""))

    digests._writer = Chatty(SETTINGS)
    assert ("operator", 0, "LeakError") in digests.turn(machine.us)
    held = store.counts()["held"]
    assert held == 3
    assert len(store.release_held(machine.us)) == 1


def test_an_operator_that_is_no_longer_the_contact_gets_no_digest(opened, machine):
    store = opened(Budgets(recipient_day=1, customer_day=1))
    attack(store, kinds=KINDS[:4])
    casework, _ = parts(store)
    casework.turn(machine.us)
    machine.us += DAY_US
    _, digests = parts(store, contacts=TableResolver(OperatorTable(), own))
    assert {f.audience for f in digests.turn(machine.us)} == {"customer"}


def test_what_the_desk_holds_is_in_no_digest_and_a_held_case_stops_one(opened, machine):
    store = opened(Budgets(recipient_day=1, customer_day=1))
    attack(store, kinds=KINDS[:4], networks=(1,))
    casework, digests = parts(store)
    casework.turn(machine.us)
    deliver(store, machine.us)
    machine.us += DAY_US
    store.hold_case("AW-2026-000002", machine.us)
    digests.turn(machine.us)
    mails = digests_of(store)
    assert mails
    assert all("AW-2026-000002" not in text_of(m.raw) for m in mails)
    stopped = store.hold_case("AW-2026-000004", machine.us)
    assert {e.message.stage for e in stopped} == {"digest"}


def test_in_quiet_hours_none_is_made(opened, machine):
    from datetime import time
    from zoneinfo import ZoneInfo

    store = opened(Budgets(recipient_day=1, customer_day=1))
    attack(store, kinds=KINDS[:4])
    casework, _ = parts(store)
    casework.turn(machine.us)
    machine.us += DAY_US
    _, digests = parts(store, policy=Policy(quiet={"operator": Quiet(time(0), time(23, 59), ZoneInfo("UTC"))}))
    assert {f.audience for f in digests.turn(machine.us)} == {"customer"}
    assert store.release_held(machine.us, quiet=digests.quiet(machine.us)) == []


def test_a_case_told_in_a_digest_goes_on_and_ends_as_any_other(opened, machine):
    store = opened(Budgets(recipient_day=1, customer_day=1))
    attack(store, kinds=KINDS[:3], networks=(1,))
    casework, digests = parts(store)
    casework.turn(machine.us)
    deliver(store, machine.us)
    machine.us += DAY_US
    digests.turn(machine.us)
    deliver(store, machine.us)
    for _ in range(24 * 8):
        machine.us += HOUR_US
        store.save(expire(store.open_incidents(), machine.us))
        casework.turn(machine.us)
        digests.turn(machine.us)
        store.release_held(machine.us)
        deliver(store, machine.us)
    told = {(e.message.incident, e.message.audience): e.message.stage for e in store.messages(limit=9999) if e.message.stage != "digest"}
    assert set(told.values()) == {"closing"}
    left = [e for e in store.messages(limit=9999) if e.state == "sent"]
    for one in left:
        near = [e for e in left if e.message.recipient == one.message.recipient and abs(e.created_us - one.created_us) < DAY_US]
        assert len(near) == 1


def test_a_kill_in_the_middle_makes_no_second_digest(opened, machine, monkeypatch):
    budgets = Budgets(recipient_day=1, customer_day=1)
    store = opened(budgets)
    attack(store, kinds=KINDS[:4], networks=(1,))
    casework, digests = parts(store)
    casework.turn(machine.us)
    machine.us += DAY_US
    monkeypatch.setattr(store, "_mark_told", lambda *_: (_ for _ in ()).throw(KeyError))
    with pytest.raises(KeyError):
        digests.turn(machine.us)
    assert digests_of(store) == []
    store = opened(budgets)
    _, digests = parts(store)
    digests.turn(machine.us)
    first = [m.message_id for m in digests_of(store)]
    store = opened(budgets)
    _, digests = parts(store)
    digests.turn(machine.us)
    assert [m.message_id for m in digests_of(store)] == first
    assert len(first) == 2
