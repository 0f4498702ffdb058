"""What only the store on disk promises: it outlives the process, sees other processes, and deletes for good."""

import pytest
from hypothesis import given

from abusewatch.incidents import Change
from abusewatch.outbox import Outcome, settle
from abusewatch.retention import DAY_US, limits
from abusewatch.storage import SqliteStore
from abusewatch.storage.codec import decode_detection, decode_incident, encode
from abusewatch.storage.ledger import broken
from tests.cases import SECOND, T0, detection, incident, incidents, message


def test_what_was_acknowledged_is_there_after_a_restart(path, store):
    one = incident(ident=store.next_id(T0))
    store.save([Change(one, None)])
    store.commit(one.id, 1, [message(1)], [], hold=None, now_us=T0)
    again = SqliteStore(path, limits())  # without closing the first: as after a kill
    assert again.incident(one.id) == store.incident(one.id)
    assert again.messages() == store.messages()
    assert again.next_id(T0) == "AW-2026-000002"
    again.close()


def test_a_move_by_another_process_is_seen(path, store):
    store.save([Change(incident(), None)])
    assert len(store.open_incidents()) == 1
    desk = SqliteStore(path, limits())
    desk.move_incident("AW-2026-000001", "close", T0 + 1)
    desk.close()
    assert store.open_incidents() == []


@given(incidents())
def test_an_incident_survives_its_bytes(one):
    assert decode_incident(encode(one)) == one
    assert [decode_detection(encode(d)) for d in one.detections] == list(one.detections)


def everything(path) -> bytes:
    return b"".join(file.read_bytes() for file in sorted(path.parent.iterdir()))


def test_what_has_run_out_is_on_no_byte_of_the_disk_and_the_ledger_says_so(path, store):
    third = "203.0.113.77"
    store.save([Change(incident(detection([third])), None)])
    store.commit("AW-2026-000001", 1, [message(1, body="CANARY-BODY of a mail")], [], hold=None, now_us=T0)
    (entry,) = store.lease(T0, 1, SECOND)
    store.settled(entry, settle(Outcome("accepted"), 1, T0, T0), T0)
    store.move_incident("AW-2026-000001", "close", T0 + 1)
    assert third.encode() not in everything(path)  # locked from the first byte on
    assert b"CANARY-BODY" not in everything(path)
    assert store.incident("AW-2026-000001").detections[0].targets[0].address == third
    assert b"CANARY-BODY" in store.messages()[0].message.raw

    over = T0 + 1 + limits().evidence_us
    assert store.purge(over - 1, dry_run=True)["evidence"] == 0
    assert store.purge(over, dry_run=True) == {"evidence": 1, "incident": 0, "body": 1, "outbox": 0, "blocked": 0, "contact": 0, "mailbox": 0, "exception": 0, "key": 1}
    assert store.purge(over)["evidence"] == 1
    assert third.encode() not in everything(path)
    assert store.incident("AW-2026-000001").detections[0].targets == ()

    assert b"CANARY-BODY" not in everything(path)
    assert store.messages()[0].message.raw == b""
    assert store.purge(T0 + 400 * DAY_US) == {"evidence": 0, "incident": 1, "body": 0, "outbox": 1, "blocked": 0, "contact": 0, "mailbox": 0, "exception": 0, "key": 0}
    assert b"abuse@operator.example" not in everything(path)

    lines = store.ledger()
    assert [(line.kind, line.deleted) for line in lines] == [("evidence", 1), ("body", 1), ("key", 1), ("incident", 1), ("outbox", 1)]
    assert broken(lines) is None
    assert broken([lines[0], lines[2]]) == 3
    assert broken([lines[0]._replace(deleted=2), *lines[1:]]) == 1


def test_nothing_under_way_and_no_open_case_ever_runs_out(store):
    store.save([Change(incident(), None)])
    store.commit("AW-2026-000001", 1, [message(1)], [], hold=None, now_us=T0)
    assert not any(store.purge(T0 + 10_000 * DAY_US).values())
    assert store.ledger() == []


def test_mail_that_waits_for_a_person_does_not_wait_for_ever(store):
    store.enqueue([message(1)], "shadow", T0)
    assert not any(store.purge(T0 + limits().stuck_us - 1).values())
    assert store.purge(T0 + limits().stuck_us)["body"] == 1


def test_an_erased_mail_cannot_be_sent_again(store):
    store.enqueue([message(1)], "shadow", T0)
    store.purge(T0 + limits().stuck_us)
    with pytest.raises(ValueError, match="erased"):
        store.move_message(store.messages()[0].id, "release", T0 + limits().stuck_us)
