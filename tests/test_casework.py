"""From an incident to mail: each side told once, of its own, and nothing lost on the way."""

import ipaddress
import random
import tempfile
from email import message_from_bytes
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from abusewatch.casework import Casework
from abusewatch.contacts import OperatorTable, TableResolver
from abusewatch.contacts.table import Entry
from abusewatch.incidents import Change, Policy, correlate, everyone, expire
from abusewatch.incidents.lifecycle import HOUR_US
from abusewatch.incidents.mailing import ASK_US
from abusewatch.incidents.policy import Line
from abusewatch.model.contact import Contact
from abusewatch.outbox import Outcome, settle
from abusewatch.reports.compose import Composer
from abusewatch.reports.settings import ReportSettings
from abusewatch.retention import limits
from abusewatch.storage import MemoryStore, SqliteStore
from tests.cases import (
    SECOND,
    T0,
    Owners,
    PlainComposer,
    addresses_in,
    detection,
    incident,
    incidents,
    own,
    target,
    text_of,
)

LINES = [("66.1.0.0/16", "A", "abuse@a.example"), ("9.9.9.0/24", "B", "abuse@b.example"), ("2a00:1::/32", "A six", "abuse@a.example")]
RESOLVER = TableResolver(OperatorTable(Entry(ipaddress.ip_network(p), name, mail) for p, name, mail in LINES), own)
MIXED = ["66.1.2.3", "66.1.2.4", "9.9.9.9", "2a00:1::5", "8.8.8.8"]


def casework(store, composer=None, owners=None, **options):
    return Casework(store, owners or Owners(), RESOLVER, composer or PlainComposer(), **{"hold": None} | options)


@pytest.fixture
def store(tmp_path):
    made = SqliteStore(tmp_path / "abusewatch.db", limits())
    yield made
    made.close()


def saved(store, *some, now_us=T0):
    store.save(correlate(store.open_incidents(), some, now_us, store.next_id))


def recipients(store):
    return sorted((e.message.audience, e.message.recipient) for e in store.messages())


BOTH = [("customer", "security@customer.example"), ("operator", "abuse@a.example"), ("operator", "abuse@b.example")]


def test_both_sides_are_told_once(store):
    saved(store, detection(MIXED))
    work = casework(store)
    (report,) = work.turn(T0 + 1)
    assert (report.enqueued, report.blocked) == (3, ())
    assert recipients(store) == BOTH
    assert work.turn(T0 + 2) == []
    one = store.incident("AW-2026-000001")
    assert (one.state, one.notified_us) == ("active", T0 + 1)


def test_running_again_after_a_crash_before_the_mark_enqueues_nothing_twice(store):
    saved(store, detection(MIXED))
    casework(store).turn(T0 + 1)
    with store.database.transaction() as db:
        db.execute("UPDATE incident SET examined = 0")
    (report,) = casework(store).turn(T0 + 2)
    assert (report.enqueued, report.messages) == (0, ())
    assert recipients(store) == BOTH


def test_an_operator_attacked_later_is_told_later_and_the_others_not_again(store):
    saved(store, detection(["66.1.2.3"]))
    casework(store).turn(T0 + 1)
    saved(store, detection(["66.1.2.3", "9.9.9.9"], last_us=T0 + 900 * SECOND))
    (report,) = casework(store).turn(T0 + 2)
    assert [m.recipient for m in report.messages] == ["abuse@b.example"]
    assert recipients(store) == BOTH


def test_shadow_mode_composes_and_holds(store):
    saved(store, detection(MIXED))
    casework(store, hold="shadow").turn(T0 + 1)
    assert {e.state for e in store.messages()} == {"held"}
    assert store.lease(T0 + 10, 99, SECOND) == []
    assert store.incident("AW-2026-000001").notified_us is None


@pytest.mark.parametrize(
    ("changes", "audiences"),
    [
        ({"basis": "syn_only"}, {"customer"}), ({"basis": "one_way"}, {"customer"}), ({"basis": "unknown"}, {"customer"}), ({"basis": "anchored"}, {"customer", "operator"}),
        ({"kind": "beacon"}, set()), ({"kind": "amplification_trigger"}, {"customer"}), ({"status": "observe"}, set()), ({"status": "sandbox"}, set()),
        ({"customer": None}, {"operator"}),
    ],
)  # fmt: skip
def test_policy_decides_who_is_mailed(store, changes, audiences):
    saved(store, detection(MIXED, **changes))
    casework(store).turn(T0 + 1)
    assert {e.message.audience for e in store.messages()} == audiences
    assert store.due(9, T0) == []


def test_a_customer_who_did_not_own_it_then_is_not_told(store):
    saved(store, detection(MIXED, customer="C-9"))
    casework(store).turn(T0 + 1)
    assert {e.message.audience for e in store.messages()} == {"operator"}


def test_each_contact_of_a_customer_gets_his_own_mail(store):
    saved(store, detection(["8.8.8.8"]))
    casework(store, owners=Owners(["a@customer.example", "b@customer.example", "a@customer.example"])).turn(T0)
    assert recipients(store) == [("customer", "a@customer.example"), ("customer", "b@customer.example")]


class Faulty(PlainComposer):
    def compose_operator(self, incident, view, contact, now_us, *, stage="first", sequence=0):
        if contact.email == "abuse@a.example":
            raise ArithmeticError("66.1.2.3 stands in the text of a fault")
        return super().compose_operator(incident, view, contact, now_us, stage=stage, sequence=sequence)


def test_one_mail_that_cannot_be_written_stops_no_other_and_is_not_forgotten(store):
    saved(store, detection(MIXED))
    (report,) = casework(store, Faulty()).turn(T0 + 1)
    assert recipients(store) == [BOTH[0], BOTH[2]]
    assert store.blocked() == [("AW-2026-000001", "operator", "abuse@a.example", "ArithmeticError")]
    assert report.blocked == (("operator", "abuse@a.example", "ArithmeticError"),)
    assert casework(store, Faulty()).turn(T0 + 2) == []  # poison does not spin


class LostError(Exception):
    pass


def test_killed_before_the_commit_nothing_is_lost(store, monkeypatch):
    saved(store, detection(MIXED))
    work = casework(store)
    monkeypatch.setattr(store, "_mark_told", lambda *_: (_ for _ in ()).throw(LostError))
    with pytest.raises(LostError):
        work.turn(T0 + 1)
    assert store.messages() == []
    monkeypatch.undo()
    work.turn(T0 + 2)
    assert recipients(store) == BOTH


def test_a_replay_shows_what_would_go_to_whom_policy_ignored():
    store = MemoryStore()
    saved(store, detection(MIXED, basis="syn_only", status="observe"))
    work = casework(store, policy=everyone, unresolved=True)
    (report,) = work.turn(T0)
    assert sorted((m.audience, m.recipient) for m in report.messages) == [*BOTH, ("operator", "desk@provider.example")]


def test_a_scan_of_a_whole_network_is_told_to_its_customer(store):
    """Its first address is how the network is written, which he may read."""
    saved(store, detection([f"66.1.2.{n}" for n in range(256)], kind="address_scan"))
    (report,) = Casework(store, Owners(), RESOLVER, Composer(SETTINGS), hold=None).turn(T0)
    assert report.blocked == ()
    assert recipients(store) == BOTH[:2]


@settings(max_examples=60, deadline=None)
@given(incidents())
def test_no_mail_names_an_address_outside_its_audience(one):
    store = MemoryStore()
    store.save([Change(one, None)])
    messages, blocked, *_ = casework(store, policy=everyone, unresolved=True).messages(one, T0)
    attacked = RESOLVER.resolve([t.address for d in one.detections for t in d.targets])
    theirs = {}
    for contact, some in attacked.items():
        theirs.setdefault(contact.email or "desk@provider.example", set()).update(some)
    assert blocked == ()
    for message in messages:
        foreign = {a for a in addresses_in(text_of(message.raw)) if not own(a)}
        assert foreign <= (theirs[message.recipient] if message.audience == "operator" else set())


SETTINGS = ReportSettings("Provider", "abuse@provider.example", b"0123456789abcdef0123456789abcdef", 7)


def test_a_scan_of_400_networks_with_the_real_composer(store):
    lines = [Entry(ipaddress.ip_network(f"66.{n // 100}.{n % 100}.0/24"), f"Op {n}", f"abuse@op{n}.example") for n in range(400)]
    targets = [target(f"66.{n // 100}.{n % 100}.{k}") for n in range(400) for k in (1, 2)]
    saved(store, detection(targets, kind="address_scan"))
    work = Casework(store, Owners(), TableResolver(OperatorTable(lines), own), Composer(SETTINGS), hold=None)
    (report,) = work.turn(T0 + 1)
    assert (report.enqueued, report.blocked) == (401, ())
    for message in report.messages:
        foreign = {a for a in addresses_in(text_of(message.raw)) if not own(a)}
        n = int(message.recipient.removeprefix("abuse@op").removesuffix(".example")) if message.audience == "operator" else None
        assert foreign == ({f"66.{n // 100}.{n % 100}.{k}" for k in (1, 2)} if n is not None else set())
    assert work.turn(T0 + 2) == []
    assert len(store.messages(limit=9999)) == 401
    assert len(store.incidents()) == 1


@settings(max_examples=6, deadline=None, phases=[Phase.generate])
@given(st.integers(1, 400), st.integers(0, 2**32 - 1))
def test_a_scan_of_400_networks_is_one_mail_an_operator_one_notice_and_one_case(operators, seed):
    """However the 400 networks are shared out: each operator reads of its own addresses alone, and the same again says nothing."""
    chance = random.Random(seed)
    runs = {n: n % operators if n < operators else chance.randrange(operators) for n in range(400)}
    lines = [Entry(ipaddress.ip_network(f"66.{n // 100}.{n % 100}.0/24"), f"Op {op}", f"abuse@op{op}.example") for n, op in runs.items()]
    targets = [target(f"66.{n // 100}.{n % 100}.{k}") for n in range(400) for k in chance.sample(range(1, 255), chance.randrange(1, 4))]
    theirs = {}
    for one in targets:
        _, b, c, _ = one.address.split(".")
        theirs.setdefault(f"abuse@op{runs[int(b) * 100 + int(c)]}.example", set()).add(one.address)
    with tempfile.TemporaryDirectory() as folder:
        seen = detection(targets, kind="address_scan")
        for turn in range(3):  # the same file again, and again after a restart
            store = SqliteStore(Path(folder) / "cases.db", limits())
            saved(store, seen)
            work = Casework(store, Owners(), TableResolver(OperatorTable(lines), own), PlainComposer(), hold=None)
            reports = work.turn(T0 + turn)
            assert sum(report.enqueued for report in reports) == (operators + 1 if turn == 0 else 0)
            assert work.turn(T0 + turn) == []
            mails = [e.message for e in store.messages(limit=9999)]
            assert len(store.incidents()) == 1
            store.close()
    assert sorted(m.recipient for m in mails if m.audience == "operator") == sorted(theirs)
    assert sum(m.audience == "customer" for m in mails) == 1
    for mail in mails:
        shown, mine = {a for a in addresses_in(text_of(mail.raw)) if not own(a)}, theirs.get(mail.recipient, set())
        assert shown == mine if len(mine) <= 100 else shown < mine  # a view names at most a hundred


def test_planted_markers_are_in_no_sink(store, tmp_path):
    """A marker in every text that comes from outside the rule, and a foreign address; neither is in a mail it does not belong to."""
    planted = detection(MIXED, threshold="CANARY-THRESHOLD")
    saved(store, planted)
    Casework(store, Owners(), RESOLVER, Composer(SETTINGS), hold=None).turn(T0 + 1)
    mails = {e.message.recipient: text_of(e.message.raw) for e in store.messages()}
    assert set(mails) == {r for _, r in BOTH}
    assert "9.9.9.9" in mails["abuse@b.example"]
    assert "9.9.9.9" not in mails["abuse@a.example"] + mails["security@customer.example"]
    assert "8.8.8.8" not in "".join(mails.values())
    assert "CANARY" not in "".join(mails.values())
    store.move_incident("AW-2026-000001", "close", T0 + 9)
    store.purge(T0 + 9 + limits().evidence_us)
    disk = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"8.8.8.8" not in disk  # never mailed to anybody, so once the case is closed it is nowhere
    assert incident().id.encode() in disk


def deliver(store, now_us):
    for entry in store.lease(now_us, 999, SECOND):
        store.settled(entry, settle(Outcome("accepted"), entry.attempts, entry.created_us, now_us), now_us)


def headers(entry):
    mail = message_from_bytes(entry.message.raw)
    return {name: mail[name] for name in ("Message-ID", "In-Reply-To", "References")}


@pytest.mark.parametrize("make", [lambda path: MemoryStore(), lambda path: SqliteStore(path / "cases.db", limits())])
def test_a_case_of_some_days_is_one_thread_a_side(make, tmp_path):
    """First mail, no second within a day however it grows, then one at each step of the ladder, and one closing mail when it has stopped."""
    store = make(tmp_path)
    work = Casework(store, Owners(), RESOLVER, Composer(SETTINGS), hold=None)
    for hour in range(49):
        now_us = T0 + hour * HOUR_US
        packets = 10 if hour < 3 else 99 + 10 * hour if hour < 48 else 1000
        target_now = [target(a, last_us=now_us, packets=packets) for a in ("66.1.2.3", "9.9.9.9")]
        saved(store, detection(target_now, last_us=now_us, episode="one", packets=packets), now_us=now_us)
        work.turn(now_us)
        deliver(store, now_us)
    for hour in range(49, 49 + 24 * 5):
        now_us = T0 + hour * HOUR_US
        store.save(expire(store.open_incidents(), now_us))
        work.turn(now_us)
        deliver(store, now_us)
    threads = {}
    for entry in store.messages():
        threads.setdefault(entry.message.recipient, []).append(entry)
    assert set(threads) == {"security@customer.example", "abuse@a.example", "abuse@b.example"}
    for entries in threads.values():
        assert [(e.message.stage, (e.created_us - T0) // HOUR_US) for e in entries] == [("first", 0), ("update", 24), ("update", 48), ("closing", 72)]
        first, *others = [headers(e) for e in entries]
        assert first["References"] is None
        assert all(first["Message-ID"] in one["References"] for one in others)
        assert [one["In-Reply-To"] for one in others] == [headers(e)["Message-ID"] for e in entries[:-1]]
        assert "for the last 24 hours" in " ".join(text_of(entries[-1].message.raw).split())
    store.close()


@pytest.mark.parametrize(("growth", "mails"), [(1, 1), (9, 1), (10, 2), (99, 2)])
def test_what_goes_on_without_growing_tenfold_is_not_told_again(store, growth, mails):
    """For a week the same: who was told knows. Ten times as much, and he hears of it once."""
    work = casework(store)
    for day in range(8):
        now_us = T0 + day * 24 * HOUR_US
        packets = 1000 * (growth if day else 1)
        saved(store, detection([target("66.1.2.3", last_us=now_us, packets=packets)], last_us=now_us, episode="one", packets=packets), now_us=now_us)
        work.turn(now_us)
        deliver(store, now_us)
    assert [e.message.recipient for e in store.messages()].count("abuse@a.example") == mails
    assert [e.message.recipient for e in store.messages()].count("security@customer.example") == mails


def test_a_stronger_claim_is_an_update_of_the_case_and_waits_for_its_day(store):
    """A scan was told; that it is a worm is told a day later, in the same thread, and never as a case of its own."""
    work = Casework(store, Owners(), RESOLVER, Composer(SETTINGS), hold=None)
    hosts = ["66.1.2.3", "66.1.2.4"]
    for minute, kind in ((0, "address_scan"), (5, "worm"), (24 * 60, "worm"), (48 * 60, "worm")):
        now_us = T0 + minute * 60 * SECOND
        saved(store, detection([target(a, last_us=now_us) for a in hosts], kind=kind, rule=kind, last_us=now_us, episode=kind), now_us=now_us)
        work.turn(now_us)
        deliver(store, now_us)
    mails = [e for e in store.messages() if e.message.audience == "operator"]
    assert [(e.message.incident, e.message.stage, e.created_us) for e in mails] == [("AW-2026-000001", "first", T0), ("AW-2026-000001", "update", T0 + 24 * HOUR_US)]
    first, second = (" ".join(text_of(e.message.raw).split()) for e in mails)
    assert "scanning many hosts" in first
    assert "trying to spread from host to host" in second
    assert headers(mails[1])["In-Reply-To"] == headers(mails[0])["Message-ID"]
    assert [i.kind for i in store.incidents()] == ["worm"]


def test_a_case_the_desk_closes_says_nothing_to_anybody(store):
    saved(store, detection(MIXED))
    work = casework(store)
    work.turn(T0 + 1)
    deliver(store, T0 + 1)
    store.move_incident("AW-2026-000001", "close", T0 + HOUR_US)
    assert [r.enqueued for r in work.turn(T0 + HOUR_US)] == [0]
    assert work.turn(T0 + 99 * HOUR_US) == []
    assert recipients(store) == BOTH


@pytest.mark.parametrize("make", [lambda path: MemoryStore(), lambda path: SqliteStore(path / "cases.db", limits())])
def test_what_the_policy_wants_approved_waits_for_it(make, tmp_path):
    store = make(tmp_path)
    saved(store, detection(MIXED))
    casework(store, policy=Policy((Line("operators", approve="operators"),))).turn(T0 + 1)
    assert {(e.message.audience, e.state, e.reason) for e in store.messages()} == {("customer", "queued", ""), ("operator", "held", "approval")}
    assert store.incident("AW-2026-000001").notified_us == T0 + 1
    store.close()


def test_an_approved_case_is_approved_until_the_desk_holds_it(store):
    work = casework(store, policy=Policy((Line("operators", approve="everybody"),)))
    saved(store, detection(["66.1.2.3"]))
    work.turn(T0)
    assert {e.state for e in store.messages()} == {"held"}
    assert store.breakers() == []
    store.approve_case("AW-2026-000001", T0 + 1)
    saved(store, detection(["66.1.2.3", "9.9.9.9"], last_us=T0 + 900 * SECOND))
    work.turn(T0 + 2)
    assert {e.state for e in store.messages()} == {"queued"}
    store.hold_case("AW-2026-000001", T0 + 3)
    store.approve_case("AW-2026-000001", T0 + 4)
    assert {e.state for e in store.messages()} == {"queued"}


def test_who_is_left_in_peace_is_written_to_when_it_ends(store):
    saved(store, detection(["66.1.2.3"]))
    ends = T0 + HOUR_US
    work = casework(store, policy=lambda one, now_us: everyone(one)._replace(quiet={"customer": ends} if now_us < ends else {}))
    work.turn(T0)
    assert recipients(store) == [("operator", "abuse@a.example")]
    assert work.turn(ends - 1) == []
    work.turn(ends)
    assert recipients(store) == BOTH[:2]


def test_a_contact_that_is_learned_later_is_told_later(store):
    class Learning:
        known = False

        def resolve(self, addresses):
            if self.known:
                return RESOLVER.resolve(addresses)
            return {Contact(None, "unknown", "none", "66.1.0.0/16"): list(addresses)}

    contacts = Learning()
    saved(store, detection(["66.1.2.3"]))
    work = Casework(store, Owners(), contacts, PlainComposer(), hold=None)
    work.turn(T0)
    assert recipients(store) == [BOTH[0]]  # the customer does not wait for a registry
    assert work.turn(T0 + ASK_US - 1) == []
    contacts.known = True
    work.turn(T0 + ASK_US)
    assert recipients(store) == BOTH[:2]


class Chatty(PlainComposer):
    """Tells an operator what the view does not hold."""

    def __init__(self, more):
        self.more = more

    def compose_operator(self, *arguments, **which):
        mail = super().compose_operator(*arguments, **which)
        return replace(mail, raw=mail.raw + self.more.encode() + b"\r\n")


@pytest.mark.parametrize("more", ["9.9.9.9", "9-9-9-9", "151587081", "C-1042", "c-1042.", "abuse@b.example", "security@customer.example"])
def test_a_composer_that_tells_too_much_is_stopped_before_the_outbox(store, more):
    saved(store, detection(["66.1.2.3", "9.9.9.9"]))
    (report,) = casework(store, Chatty(more)).turn(T0)
    assert ("operator", "abuse@a.example", "LeakError") in report.blocked
    assert ("operator", "abuse@a.example") not in recipients(store)
    assert ("customer", "security@customer.example") in recipients(store)


def test_a_replay_without_an_inventory_still_shows_both_mails():
    class Nobody(Owners):
        def owner_at(self, text, us):
            return None

    store = MemoryStore()
    saved(store, detection(["66.1.2.3"], customer=None))
    work = Casework(store, Nobody(), RESOLVER, Composer(SETTINGS), policy=everyone, unresolved=True)
    (report,) = work.turn(T0)
    assert [(m.audience, m.recipient) for m in report.messages] == [("customer", SETTINGS.sender), ("operator", "abuse@a.example")]
    assert "NOTE FOR OUR OWN DESK" in text_of(report.messages[0].raw)
