"""The contract of `incidents.IncidentStore` and of the part of the store that casework uses."""

import sqlite3

import pytest
from msgspec.structs import replace

from abusewatch.incidents import Change, correlate, expire
from abusewatch.incidents.lifecycle import SILENCE_US, LifecycleError
from abusewatch.model.message import Told
from tests.cases import SECOND, T0, detection, incident, message


def test_numbers_count_within_a_year_and_are_never_given_twice(store):
    assert [store.next_id(T0), store.next_id(T0)] == ["AW-2026-000001", "AW-2026-000002"]
    assert store.next_id(T0 + 366 * 86_400 * SECOND) == "AW-2027-000001"
    assert store.next_id(T0) == "AW-2026-000003"


def test_what_was_saved_comes_back_with_its_evidence(store):
    one = incident(detection(["203.0.113.9"]), detection(["2a00:1::1"], rule="b"))
    store.save([Change(one, None)])
    assert store.open_incidents() == [one]
    assert store.incident(one.id) == one
    assert store.incident("AW-2026-999999") is None
    (bare,) = store.incidents()
    assert all(d.targets == () and d.finding.targets_sample == () for d in bare.detections)
    assert store.incidents("closed") == []


def test_a_finding_that_grows_replaces_itself(store):
    store.save([Change(incident(), None)])
    grown = detection(["203.0.113.9", "203.0.113.10"], last_us=T0 + 500 * SECOND)
    changes = correlate(store.open_incidents(), [grown], T0 + 5, store.next_id)
    store.save(changes)
    assert [d.targets for d in store.incident(changes[0].incident.id).detections] == [grown.targets]


def test_saving_the_same_again_is_no_new_work(store):
    one = incident()
    store.save([Change(one, None)])
    ((_, version),) = store.due(10, T0)
    store.commit(one.id, version, [], [], hold=None, now_us=T0)
    assert store.due(10, T0) == []
    store.save([Change(one, None)])
    assert store.due(10, T0) == []


def test_due_is_what_changed_since_it_was_looked_at_oldest_first(store):
    new, old = incident(ident="AW-2026-000002", updated_us=T0 + 9), incident(detection(kind="worm"), ident="AW-2026-000003", updated_us=T0)
    store.save([Change(new, None), Change(old, None)])
    assert [i.id for i, _ in store.due(10, T0)] == [old.id, new.id]
    assert [i.id for i, _ in store.due(1, T0)] == [old.id]
    (_, version), _ = store.due(10, T0)
    store.save([Change(replace(old, severity="low", updated_us=T0 + 20), "open")])  # changes while casework looks at it
    store.commit(old.id, version, [], [], hold=None, now_us=T0)
    assert [i.id for i, _ in store.due(10, T0)] == [new.id, old.id]


def test_enqueue_and_mark_are_one_and_a_repeat_is_harmless(store):
    one = incident()
    store.save([Change(one, None)])
    ((_, version),) = store.due(10, T0)
    assert store.commit(one.id, version, [message(1), message(2)], [], hold=None, now_us=T0 + 1) == 2
    assert store.commit(one.id, version, [message(1), message(2)], [], hold=None, now_us=T0 + 2) == 0
    after = store.incident(one.id)
    assert (after.state, after.notified_us) == ("active", T0 + 1)
    assert store.open_incidents() == [after]
    assert store.told(one.id) == {("operator", "abuse@operator.example"): Told(0, "first", T0 + 1, sent=False)}
    assert store.due(10, T0) == []


def test_held_mail_is_not_telling_anyone(store):
    one = incident()
    store.save([Change(one, None)])
    store.commit(one.id, 1, [message(1)], [], hold="shadow", now_us=T0 + 1)
    assert (store.incident(one.id).state, store.incident(one.id).notified_us) == ("open", None)
    assert [(e.state, e.reason) for e in store.messages()] == [("held", "shadow")]


def test_a_transaction_that_fails_leaves_nothing(store):
    one = incident()
    store.save([Change(one, None)])
    bad = replace(message(2), raw=object())
    with pytest.raises((sqlite3.Error, ValueError, TypeError)):
        store.commit(one.id, 1, [message(1), bad], [("too", "few")], hold=None, now_us=T0)
    if type(store).__name__ == "SqliteStore":  # a replay's memory needs no rollback: it ends with its process
        assert store.messages() == []
        assert store.incident(one.id).state == "open"
        assert len(store.due(10, T0)) == 1


def test_the_mark_survives_a_sighting_decided_before_it(store):
    one = incident()
    store.save([Change(one, None)])
    changes = correlate(store.open_incidents(), [detection(last_us=T0 + 900 * SECOND)], T0 + 5, store.next_id)
    store.commit(one.id, 1, [message(1)], [], hold=None, now_us=T0 + 1)
    store.save(changes)
    after = store.incident(one.id)
    assert (after.state, after.notified_us, after.last_us) == ("active", T0 + 1, T0 + 900 * SECOND)


def test_a_sighting_decided_before_it_was_fixed_reopens_it(store):
    store.save([Change(incident(state="active"), None)])
    changes = correlate(store.open_incidents(), [detection(last_us=T0 + 900 * SECOND)], T0 + 5, store.next_id)
    store.move_incident("AW-2026-000001", "fixed", T0 + 3)
    store.save(changes)
    assert store.incident("AW-2026-000001").state == "reopened"


def test_the_clock_does_not_undo_what_a_person_did(store):
    store.save([Change(incident(state="active"), None)])
    changes = expire(store.open_incidents(), T0 + 300 * SECOND + SILENCE_US["active"])
    store.move_incident("AW-2026-000001", "close", T0 + 3)
    store.save(changes)
    assert store.incident("AW-2026-000001").state == "closed"


def test_closed_is_not_open_and_a_new_sighting_is_a_new_case(store):
    store.save([Change(incident(ident=store.next_id(T0)), None)])
    store.move_incident("AW-2026-000001", "close", T0 + 9)
    assert store.open_incidents() == []
    assert store.due(10, T0) == []
    store.save(correlate(store.open_incidents(), [detection()], T0 + 10, store.next_id))
    assert [i.id for i in store.open_incidents()] == ["AW-2026-000002"]
    assert [i.id for i in store.incidents()] == ["AW-2026-000002", "AW-2026-000001"]


def test_a_move_the_table_does_not_know_is_refused(store):
    store.save([Change(incident(), None)])
    assert store.move_incident("AW-2026-777777", "close", T0) is None
    with pytest.raises(LifecycleError):
        store.move_incident("AW-2026-000001", "reopen", T0)


def test_a_case_is_not_opened_again_beside_a_newer_one_of_the_same(store):
    store.save([Change(incident(ident=store.next_id(T0)), None)])
    store.move_incident("AW-2026-000001", "close", T0 + 9)
    store.save(correlate(store.open_incidents(), [detection()], T0 + 10, store.next_id))
    with pytest.raises(LifecycleError, match="AW-2026-000002 is open"):
        store.move_incident("AW-2026-000001", "reopen", T0 + 11)
    store.move_incident("AW-2026-000002", "close", T0 + 12)
    assert store.move_incident("AW-2026-000001", "reopen", T0 + 13).state == "reopened"


def test_blocked_mail_is_remembered_for_the_desk(store):
    store.save([Change(incident(), None)])
    store.commit("AW-2026-000001", 1, [], [("operator", "a@b.example", "LeakError")], hold=None, now_us=T0)
    assert store.blocked() == store.blocked("AW-2026-000001") == [("AW-2026-000001", "operator", "a@b.example", "LeakError")]
    assert store.blocked("AW-2026-000002") == []
