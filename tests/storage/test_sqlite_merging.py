"""Two cases become one: nothing of either is lost, nobody is told twice, and each reader's thread goes on."""

from email import message_from_bytes

import pytest

from abusewatch.casework import Casework
from abusewatch.incidents import Change, correlate, expire
from abusewatch.incidents.lifecycle import HOUR_US, LifecycleError
from abusewatch.outbox import Outcome, settle
from abusewatch.reports.compose import Composer
from abusewatch.retention import limits
from abusewatch.storage import MemoryStore, SqliteStore
from tests.cases import SECOND, T0, Owners, detection, target, text_of
from tests.test_casework import RESOLVER, SETTINGS

A, B = "AW-2026-000001", "AW-2026-000002"
SCAN = {"kind": "address_scan", "rule": "scan"}


@pytest.fixture
def store(tmp_path):
    made = SqliteStore(tmp_path / "cases.db", limits())
    yield made
    made.close()


def saved(store, *some, now_us=T0):
    store.save(correlate(store.open_incidents(), some, now_us, store.next_id))


def turn(store, now_us):
    reports = Casework(store, Owners(), RESOLVER, Composer(SETTINGS), hold=None).turn(now_us)
    for entry in store.lease(now_us, 999, SECOND):
        store.settled(entry, settle(Outcome("accepted"), entry.attempts, entry.created_us, now_us), now_us)
    return [message for report in reports for message in report.messages]


def two(store):
    """A customer guesses passwords at A's network and scans both."""
    saved(store, detection(["66.1.2.3"]))
    saved(store, detection(["66.1.2.4", "9.9.9.9"], **SCAN))
    return turn(store, T0)


def test_findings_notes_and_mail_move_and_nobody_is_mailed(store):
    two(store)
    store.add_note(B, "jo", "spoke to him", T0)
    merged = store.merge_cases(A, B, "jo", T0 + 1)
    assert {d.finding.rule for d in merged.detections} == {"ssh-login-attack", "scan"}
    assert merged == store.incident(A)
    assert (merged.state, merged.also, merged.notified_us) == ("active", ("address_scan",), T0)
    assert {t.address for d in store.incident(A).detections for t in d.targets} == {"66.1.2.3", "66.1.2.4", "9.9.9.9"}
    assert [n.text for n in store.notes(A)] == ["spoke to him", f"{B} was merged into this case"]
    assert [n.text for n in store.notes(B)] == [f"merged into {A}"]
    assert store.messages(incident=B) == []
    assert len(store.messages(incident=A)) == 5
    assert all(b"66." in e.message.raw or b"9.9.9.9" in e.message.raw for e in store.messages(incident=A))
    assert store.incident(B).state == "closed"
    assert store.merged_into(B) == A
    assert turn(store, T0 + 2) == []
    assert store.database.check() == []


def test_what_follows_of_either_kind_comes_to_the_one_case(store):
    two(store)
    store.merge_cases(A, B, "jo", T0 + 1)
    store.close()
    again = SqliteStore(store.database.path, limits())
    saved(again, detection([target("66.1.2.5", last_us=T0 + 900 * SECOND)], last_us=T0 + 900 * SECOND, episode="later", **SCAN), now_us=T0 + 900 * SECOND)
    assert [i.id for i in again.open_incidents()] == [A]
    assert "later" in {d.episode for d in again.incident(A).detections}
    assert len(again.incidents()) == 2
    again.close()


def test_each_thread_goes_on_under_the_name_it_began_with(store):
    first = two(store)
    store.merge_cases(A, B, "jo", T0 + 1)
    now_us = T0 + 25 * HOUR_US
    fresh = [target(a, last_us=now_us) for a in ("66.1.2.3", "9.9.9.9")]
    saved(store, detection(fresh, last_us=now_us, episode="one"), now_us=now_us)
    later = {m.recipient: m for m in turn(store, now_us)}
    known = {message_from_bytes(m.raw)["Message-ID"]: m for m in first}
    assert set(later) == {"abuse@a.example", "abuse@b.example", "security@customer.example"}
    for recipient, mail in later.items():
        parsed = message_from_bytes(mail.raw)
        answered = known[parsed["In-Reply-To"]]
        assert answered.recipient == recipient
        assert parsed["References"].split()[-1] == parsed["In-Reply-To"]
        assert (mail.incident, mail.stage, f"[{A}]" in mail.subject) == (A, "update", True)
    assert known[message_from_bytes(later["abuse@b.example"].raw)["In-Reply-To"]].incident == B
    assert len({e.message.message_id for e in store.messages()}) == len(store.messages())


@pytest.mark.parametrize("make", [lambda path: MemoryStore(), lambda path: SqliteStore(path / "one.db", limits())])
def test_rules_that_turn_out_to_see_one_act_become_one_case_by_themselves(make, tmp_path):
    """Both sides are told of a scan, then of guesses elsewhere; when the scan is seen to be at those hosts too, the threads go on as one case."""
    store = make(tmp_path)
    first = [*two(store)]
    again, later_us = [f"66.1.2.{n}" for n in (3, 4)], T0 + 26 * HOUR_US
    known = store.incident(B).detections[0].episode
    guess = detection([target(a, last_us=later_us) for a in again], last_us=later_us, episode=store.incident(A).detections[0].episode, packets=9_999)
    saved(store, guess, now_us=later_us)
    saved(store, detection([target(a, last_us=later_us) for a in again], last_us=later_us, episode=known, **SCAN), now_us=later_us)
    assert [(i.id, i.kind, i.also) for i in store.open_incidents()] == [(A, "login_attack", ("address_scan",))]
    gone = store.incident(B)
    assert (gone.state, gone.merged_into) == ("closed", A)
    assert store.messages(incident=B) == []
    assert len(store.messages(incident=A)) == len(first)
    before = store.open_incidents()
    store.save([Change(gone, "active")])  # told twice, it is still done once
    assert store.open_incidents() == before
    later = turn(store, later_us)
    assert sorted(m.recipient for m in later) == ["abuse@a.example", "security@customer.example"]
    assert {(m.incident, m.stage) for m in later} == {(A, "update")}
    assert len({e.message.message_id for e in store.messages()}) == len(store.messages())
    if isinstance(store, SqliteStore):
        assert [n.text for n in store.notes(A)] == [f"{B} was merged into this case"]
        assert store.merged_into(B) == A
        assert store.database.check() == []
    store.close()


def test_a_case_takes_over_the_kind_of_the_one_it_takes_in(store):
    """The scan was told first, so it goes on, and is a worm from then on: at no moment are there two of a kind."""
    hosts = [f"66.1.2.{n}" for n in range(10)]
    saved(store, detection(hosts[:5], **SCAN))
    turn(store, T0)
    saved(store, detection(hosts[5:], kind="worm", rule="worm"), now_us=T0 + 1)
    grown = detection(hosts, last_us=T0 + 400 * SECOND, episode=store.incident(A).detections[0].episode, **SCAN)
    saved(store, grown, now_us=T0 + 400 * SECOND)
    assert [(i.id, i.kind, i.also, len(i.detections)) for i in store.open_incidents()] == [(A, "worm", ("address_scan",), 2)]
    assert [(i.id, i.kind, i.state) for i in store.incidents()] == [(B, "worm", "closed"), (A, "worm", "active")]
    assert store.incident(A) == store.open_incidents()[0]


def test_the_one_case_ends_with_one_closing_mail_to_each(store):
    two(store)
    store.merge_cases(A, B, "jo", T0 + 1)
    closing = []
    for hour in range(24 * 6):
        now_us = T0 + hour * HOUR_US
        store.save(expire(store.open_incidents(), now_us))
        closing += turn(store, now_us)
    assert sorted(m.recipient for m in closing) == ["abuse@a.example", "abuse@b.example", "security@customer.example"]
    assert {m.stage for m in closing} == {"closing"}
    assert all("9.9.9.9" not in text_of(m.raw) for m in closing if m.recipient != "abuse@b.example")


def test_only_two_open_cases_of_one_customer(store):
    two(store)
    saved(store, detection(["66.1.2.9"], customer="C-7"))
    other = next(i.id for i in store.open_incidents() if i.customer == "C-7")
    for one, two_ in ((A, other), (A, A)):
        with pytest.raises(LifecycleError, match="one customer"):
            store.merge_cases(one, two_, "jo", T0)
    assert store.merge_cases(A, "AW-1999-000001", "jo", T0) is None
    store.merge_cases(A, B, "jo", T0 + 1)
    with pytest.raises(LifecycleError, match="closed"):
        store.merge_cases(A, B, "jo", T0 + 2)
    with pytest.raises(LifecycleError, match=f"merged into {A}"):
        store.move_incident(B, "reopen", T0 + 2)


def test_a_held_case_stays_held_and_approval_is_needed_if_either_did(store):
    two(store)
    store.approve_case(A, T0)
    store.hold_case(B, T0)
    store.merge_cases(A, B, "jo", T0 + 1)
    now_us = T0 + 25 * HOUR_US
    saved(store, detection([target("66.1.2.3", last_us=now_us)], last_us=now_us, episode="one"), now_us=now_us)
    turn(store, now_us)
    assert {(e.state, e.reason) for e in store.messages("held")} == {("held", "desk")}


def test_killed_in_the_middle_both_are_as_they_were(store, monkeypatch):
    two(store)
    before = [store.incident(one) for one in (A, B)], [e.message.incident for e in store.messages()]
    monkeypatch.setattr(store, "_move_mail", lambda *_: (_ for _ in ()).throw(KeyError))
    with pytest.raises(KeyError):
        store.merge_cases(A, B, "jo", T0 + 1)
    assert ([store.incident(one) for one in (A, B)], [e.message.incident for e in store.messages()]) == before
    assert {i.id for i in store.open_incidents()} == {A, B}
