"""What the desk writes to itself can be in no mail, whatever is done to the case."""

import random

import pytest

from abusewatch.casework import Casework
from abusewatch.incidents import correlate, expire
from abusewatch.incidents.lifecycle import HOUR_US, LifecycleError
from abusewatch.outbox import Outcome, settle
from abusewatch.outbox.states import OutboxError
from abusewatch.reports.compose import Composer
from abusewatch.retention import limits
from abusewatch.storage.sqlite_desk import Note
from tests.cases import SECOND, T0, Owners, detection, target, text_of
from tests.test_casework import MIXED, RESOLVER, SETTINGS

CASE = "AW-2026-000001"


@pytest.mark.parametrize("seed", range(12))
def test_no_history_brings_a_note_into_a_mail(store, seed):
    chance, now_us, mails = random.Random(seed), T0, 0
    work = Casework(store, Owners(), RESOLVER, Composer(SETTINGS), hold=None)
    store.save(correlate([], [detection(MIXED)], T0, store.next_id))
    for n in range(60):
        now_us += chance.choice([SECOND, HOUR_US, 30 * HOUR_US])
        step = chance.choice(["note", "note", "seen", "turn", "turn", "deliver", "hold", "approve", "move", "mail"])
        if step == "note":
            assert store.add_note(CASE, f"CANARY-author-{n}", f"CANARY-{n} 192.0.2.99 secret@desk.example", now_us)
        elif step == "seen":
            some = [target(a, last_us=now_us) for a in MIXED]
            store.save(correlate(store.open_incidents(), [detection(some, last_us=now_us)], now_us, store.next_id))
        elif step == "turn":
            store.save(expire(store.open_incidents(), now_us))
            work.turn(now_us)
        elif step == "deliver":
            for entry in store.lease(now_us, 99, SECOND):
                store.settled(entry, settle(Outcome("accepted"), 1, now_us, now_us), now_us)
        elif step in {"hold", "approve"}:
            getattr(store, f"{step}_case")(CASE, now_us)
        elif step == "move":
            try:
                store.move_incident(CASE, chance.choice(["fixed", "close", "reopen"]), now_us)
            except LifecycleError:
                continue
        elif entries := store.messages():
            try:
                store.move_message(chance.choice(entries).id, chance.choice(["hold", "release", "retry", "cancel"]), now_us)
            except OutboxError:
                continue
        for entry in store.messages():
            mails += 1
            text = text_of(entry.message.raw) + repr(entry.message)
            assert "CANARY" not in text
            assert "192.0.2.99" not in text
            assert "desk.example" not in text
    assert mails or seed


def test_notes_are_kept_in_order_and_go_with_the_case(store):
    assert not store.add_note(CASE, "a", "b", T0)
    store.save(correlate([], [detection()], T0, store.next_id))
    store.add_note(CASE, "jo", "one", T0)
    store.add_note(CASE, "al", "two", T0 + 1)
    assert store.notes(CASE) == [Note(T0, "jo", "one"), Note(T0 + 1, "al", "two")]
    store.move_incident(CASE, "close", T0 + 2)
    store.purge(T0 + 2 + limits().incident_us)
    assert store.notes(CASE) == []
    assert store.hold_case(CASE, T0) is None
    assert store.approve_case(CASE, T0) is None
