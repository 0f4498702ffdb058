"""What names third parties is locked while it is kept, and cannot be opened by anybody once its time is over."""

import os
import sqlite3

import pytest
from msgspec.structs import replace

from abusewatch.incidents import Change
from abusewatch.outbox import Outcome, settle
from abusewatch.retention import DAY_US, limits
from abusewatch.storage import SqliteStore, StorageError
from abusewatch.storage.codec import encode
from abusewatch.storage.vault import NONCE_BYTES, _decrypt
from tests.cases import SECOND, T0, detection, incident, message

CASE = "AW-2026-000001"
THIRD, FORGED = "203.0.113.77", "192.0.2.199"
CANARY = "CANARY-BODY to 203.0.113.77"


def everything(path) -> bytes:
    """Every byte of the database and its log, but not the key beside them."""
    return b"".join(file.read_bytes() for file in sorted(path.parent.iterdir()) if file.suffix != ".key")


def rows(path, query):
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def told(store, *detections):
    """A case with evidence and a mail about it that has left."""
    store.save([Change(incident(*(detections or (detection([THIRD]),))), None)])
    notice = replace(message(1, "security@customer.example", "customer", body=CANARY), subject="[AW-2026-000001] x")
    store.commit(CASE, 1, [notice], [], hold=None, now_us=T0)
    (entry,) = store.lease(T0, 1, SECOND)
    store.settled(entry, settle(Outcome("accepted"), 1, T0, T0), T0)


def test_before_expiry_no_byte_of_the_disk_names_a_third_party(path, store):
    told(store)
    for _ in range(2):
        assert THIRD.encode() not in everything(path)
        assert b"CANARY" not in everything(path)
        store.database.wipe()
    again = SqliteStore(path, limits())
    assert again.incident(CASE).detections[0].targets[0].address == THIRD
    assert CANARY.encode() in again.messages()[0].message.raw
    again.close()


def test_after_expiry_not_even_a_copy_from_before_can_be_opened(path, store):
    """Crypto-erase: ciphertext kept from before, with the key of the store and all that is in the database after."""
    told(store)
    sealed = rows(path, "SELECT body FROM evidence")[0][0], rows(path, "SELECT raw FROM outbox")[0][0]
    ((wrapped,),) = rows(path, f"SELECT wrapped FROM case_key WHERE name = '{CASE}'")
    ((label,),) = rows(path, "SELECT episode FROM evidence")
    key = _decrypt(store.vault._master, wrapped, CASE.encode())
    assert THIRD.encode() in _decrypt(key, sealed[0][1:], label.encode())  # the control: with its key it opens
    assert key not in everything(path)
    store.move_incident(CASE, "close", T0 + 1)
    purged = store.purge(T0 + 1 + limits().evidence_us)
    assert (purged["evidence"], purged["body"], purged["key"]) == (1, 1, 1)
    left = everything(path)
    for secret in (key, wrapped, wrapped[:NONCE_BYTES], sealed[0][1:17], sealed[1][1:17], THIRD.encode()):
        assert secret not in left
    for (other,) in rows(path, "SELECT wrapped FROM case_key"):
        with pytest.raises(StorageError):
            _decrypt(_decrypt(store.vault._master, other, b"any"), sealed[0][1:], label.encode())
    with pytest.raises(StorageError, match="deleted when its time was over"):
        store.vault.open(CASE, label, sealed[0])
    assert store.incident(CASE).detections[0].targets == ()
    assert store.noticed(CASE) is None


def test_a_key_stays_while_it_locks_a_mail_that_is_not_yet_sent(path, store):
    told(store)
    store.enqueue([message(2)], "shadow", T0)
    store.move_incident(CASE, "close", T0 + 1)
    assert store.purge(T0 + 1 + limits().evidence_us)["key"] == 0
    assert store.messages("held")[0].message.raw
    assert store.purge(T0 + 1 + limits().stuck_us)["key"] == 1


def test_a_forged_source_is_kept_for_years_as_a_stand_in_only(path, store):
    forged = detection([THIRD], offender=FORGED, kind="spoofed_source", direction="spoofed", basis="anchored")
    told(store, replace(forged, episode=f"spoofed {FORGED} {T0}"))
    assert FORGED.encode() not in everything(path)
    assert store.incident(CASE).detections[0].finding.offender == FORGED
    (stand_in,) = {d.finding.offender for one in store.incidents() for d in one.detections}
    assert stand_in.startswith("100::")
    assert store.vault.pseudonym(CASE, FORGED) == store.vault.pseudonym("AW-2026-000099", FORGED) == stand_in
    assert store.vault.pseudonym("AW-2027-000001", FORGED) != stand_in
    store.move_incident(CASE, "close", T0 + 1)
    store.purge(T0 + 1 + limits().evidence_us)
    (kept,) = store.incident(CASE).detections
    assert kept.finding.offender == stand_in
    assert FORGED not in kept.episode
    assert rows(path, "SELECT name FROM case_key") == [("epoch 2026",)]
    store.purge(T0 + 400 * DAY_US)
    assert rows(path, "SELECT name FROM case_key") == []


def test_a_text_cannot_be_put_where_another_was(path, store):
    told(store, detection([THIRD], rule="a"), detection(["203.0.113.78"], rule="b"))
    with store.database.transaction() as db:
        first, second = db.execute("SELECT rowid, body FROM evidence ORDER BY rowid").fetchall()
        db.execute("UPDATE evidence SET body = ? WHERE rowid = ?", (second["body"], first["rowid"]))
    with pytest.raises(StorageError, match="changed, or moved"):
        store.incident(CASE)


def test_what_an_earlier_version_left_open_is_locked_at_the_first_start(path, store):
    told(store)
    forged = detection([THIRD], offender=FORGED, kind="spoofed_source", direction="spoofed", basis="anchored", rule="s")
    store.save([Change(incident(replace(forged, episode=f"s {FORGED}"), ident="AW-2026-000002", customer="C-2"), None)])
    with store.database.transaction() as db:  # as it was: everything in the clear, no key, no mark
        for one in (store.incident(CASE), store.incident("AW-2026-000002")):
            db.execute("DELETE FROM evidence WHERE incident = ?", (one.id,))
            for d in one.detections:
                db.execute("INSERT INTO evidence (incident, episode, body) VALUES (?, ?, ?)", (one.id, d.episode, encode(d)))
            db.execute("UPDATE incident SET body = ? WHERE id = ?", (encode(replace(one, detections=tuple(replace(d, targets=()) for d in one.detections))), one.id))
        db.execute("UPDATE outbox SET raw = ?", (f"Subject: x\r\n\r\n{CANARY}".encode(),))
        db.execute("DELETE FROM case_key")
        db.execute("DELETE FROM vault")
    before = store.messages()[0].message.raw
    store.close()
    assert all(word in everything(path) for word in (THIRD.encode(), b"CANARY", FORGED.encode()))
    again = SqliteStore(path, limits())
    assert not any(word in everything(path) for word in (THIRD.encode(), b"CANARY", FORGED.encode()))
    assert again.incident(CASE).detections[0].targets[0].address == THIRD
    assert again.incident("AW-2026-000002").detections[0].finding.offender == FORGED
    assert again.messages()[0].message.raw == before
    assert again.database.check() == []
    again.close()


def test_another_key_or_none_is_said_where_it_matters(path, store):
    told(store)
    store.close()
    other = SqliteStore(path, limits(), key=os.urandom(32))
    assert [one.id for one in other.incidents()] == [CASE]
    for what in (other.vault.require, other.messages, lambda: other.incident(CASE)):
        with pytest.raises(StorageError, match="another key"):
            what()
    other.close()
    (path.parent / "evidence.key").unlink()
    none = SqliteStore(path, limits())
    with pytest.raises(StorageError, match=r"evidence\.key.*missing.*store\.key_file"):
        none.vault.require()
    assert not (path.parent / "evidence.key").exists()
    none.close()


def test_a_key_that_lies_elsewhere_leaves_none_beside_the_database(tmp_path):
    store = SqliteStore(tmp_path / "state" / "cases.db", limits(), key=b"from a credential of systemd")
    told(store)
    assert [file.name for file in (tmp_path / "state").iterdir() if file.suffix == ".key"] == []
    store.close()


def test_a_transaction_that_is_undone_takes_its_key_along(path, store):
    """A key that was made and rolled back must not lock what comes later."""
    store.save([Change(incident(), None)])

    def undone():
        with store.database.transaction():
            store.enqueue([message(1, case="AW-2026-000009")], None, T0)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        undone()
    store.enqueue([message(1, case="AW-2026-000009")], None, T0)
    again = SqliteStore(path, limits())
    assert again.messages()[0].message.raw == message(1, case="AW-2026-000009").raw
    again.close()


def test_two_processes_share_the_keys(path, store):
    store.enqueue([message(1)], None, T0)
    other = SqliteStore(path, limits())
    other.enqueue([message(2)], None, T0)
    assert [e.message.raw for e in store.messages()] == [message(1).raw, message(2).raw] == [e.message.raw for e in other.messages()]
    other.close()
