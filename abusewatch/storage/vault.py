"""Locks what names third parties: AES-256-GCM under a key of each case, and pseudonyms under a key of each year.

A case's key is random, lies in the database locked by the key of the store (which lies elsewhere), and is deleted with
what it locks. From then on no copy of a page, a log or a disk block can be read, whoever has the key of the store. Each
text is bound to its place, so that one cannot be put where another was.
"""

import hashlib
import hmac
import os
import sqlite3
from collections import OrderedDict
from ipaddress import IPv6Address
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from abusewatch.storage.database import Database, StorageError
from abusewatch.storage.keys import key_of

SEALED = b"\x01"
"""First byte of what is locked: no MessagePack of ours and no mail begins so."""
KEPT = 1024
NONCE_BYTES = 12
_DISCARD = int(IPv6Address("100::"))
"""RFC 6666: addresses that lead nowhere and are nobody's."""

LOCKS = """EXISTS (SELECT 1 FROM evidence WHERE incident = name AND (expires_us IS NULL OR expires_us > ?1))
    OR EXISTS (SELECT 1 FROM outbox WHERE incident = name AND raw <> x'' AND (body_expires_us IS NULL OR body_expires_us > ?1))
    OR (name LIKE 'epoch %' AND EXISTS
        (SELECT 1 FROM incident WHERE id LIKE 'AW-' || substr(name, 7) || '-%' AND (expires_us IS NULL OR expires_us > ?1)))"""
"""Whether a key still locks something that is to be kept at a time."""


class Vault:
    """Locks and opens, within the transactions of its callers; any thread may call."""

    def __init__(self, database: Database, key: bytes | None = None) -> None:
        """Take the open database and the key of the store; without one it lies beside the database, made at the first start.

        A store without its key opens, and says so where something locked is asked for (`require`, `open`).
        """
        self._database = database
        self._known: OrderedDict[str, tuple[bytes, bytes]] = OrderedDict()
        self._missing = ""
        self._mark = b""
        self.fresh = False
        self._master = self._unlocked(key)

    def mark(self, db: sqlite3.Connection) -> None:
        """Leave the mark of the key, so that no other is taken for it; within the transaction that locks what lay open."""
        db.execute("INSERT OR IGNORE INTO vault VALUES (1, ?)", (self._mark,))
        self.fresh = False

    def require(self) -> None:
        """StorageError when the key of this store is not at hand."""
        if self._missing:
            raise StorageError(self._missing)

    def seal(self, name: str, place: str, plain: bytes) -> bytes:
        """Lock a text of a case for its place; the case's key is made when there is none. Within a transaction."""
        return SEALED + _encrypt(self._key(name), plain, place.encode())

    def open(self, name: str, place: str, sealed: bytes) -> bytes:
        """Open a text again. StorageError when its key is gone, or when it is not what was put there."""
        if not sealed.startswith(SEALED):
            return sealed
        key = self._read_key(name)
        if key is None:
            raise StorageError(f"{name}: what locked its evidence was deleted when its time was over")
        return _decrypt(key, sealed[1:], place.encode())

    def label(self, name: str, text: str) -> str:
        """Name something within a case by a keyed hash that dies with the case's key. Within a transaction."""
        return hmac.digest(self._key(name), text.encode(), hashlib.sha256).hex()[:32]

    def pseudonym(self, case: str, address: str) -> str:
        """Give an address a stand-in, the same over a year and nobody's: 100::/64 with 64 bits of a keyed hash."""
        if address.startswith("100::"):
            return address
        key = self._key(f"epoch {case[3:7]}")
        hashed = hmac.digest(key, address.encode(), hashlib.sha256)
        return str(IPv6Address(_DISCARD | int.from_bytes(hashed[:8])))

    def destroy(self, db: sqlite3.Connection, now_us: int, *, dry_run: bool = False) -> int:
        """Delete the keys that lock nothing any more; returns how many."""
        if dry_run:
            return int(db.execute(f"SELECT count(*) FROM case_key WHERE NOT ({LOCKS})", (now_us,)).fetchone()[0])  # noqa: S608  # a constant
        gone = db.execute(f"DELETE FROM case_key WHERE NOT ({LOCKS})", (now_us,)).rowcount  # noqa: S608  # a constant
        db.execute("DELETE FROM noticed WHERE incident NOT IN (SELECT name FROM case_key)")
        self._known.clear()
        return gone

    def _unlocked(self, given: bytes | None) -> bytes:
        """Find the key and compare it with the mark it left; `fresh` when there is none yet."""
        with self._database.reading() as db:
            row = db.execute("SELECT mark FROM vault").fetchone()
        path = self._database.path.parent
        if given is None and row is not None and not (path / "evidence.key").exists():
            self._missing = f"{path}/evidence.key, the key of this store, is missing; if it lies elsewhere, name it in store.key_file"
            return b""
        key = hashlib.sha256(b"store\0" + (given or key_of(path, "evidence"))).digest()
        mark = hmac.digest(key, b"abusewatch vault", hashlib.sha256)
        self.fresh = row is None
        self._mark = mark
        if row is not None and not hmac.compare_digest(mark, row["mark"]):
            self._missing = (
                f"{self._database.path}: locked by another key than the one given; name the right one in store.key_file"
            )
        return key

    def _key(self, name: str) -> bytes:
        """Read the key of a case, or make it. A new one is not remembered: the transaction may yet be undone."""
        found = self._read_key(name)
        if found is not None:
            return found
        key = AESGCM.generate_key(256)
        with self._database.transaction() as db:
            db.execute("INSERT INTO case_key VALUES (?, ?)", (name, _encrypt(self._master, key, name.encode())))
        return key

    def _read_key(self, name: str) -> bytes | None:
        self.require()
        with self._database.reading() as db:
            row = db.execute("SELECT wrapped FROM case_key WHERE name = ?", (name,)).fetchone()
        if row is None:
            return None
        known = self._known.get(name)
        if known is None or known[0] != row["wrapped"]:
            known = row["wrapped"], _decrypt(self._master, row["wrapped"], name.encode())
            self._known[name] = known
            while len(self._known) > KEPT:
                self._known.popitem(last=False)
        return known[1]


def store_key(path: Path | None, credential: str | None) -> bytes | None:
    """Read a key of the store that lies elsewhere; None: it lies beside the database."""
    return key_of(Path(), "evidence", path, credential) if path or credential else None


def _encrypt(key: bytes, plain: bytes, place: bytes) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plain, place)


def _decrypt(key: bytes, sealed: bytes, place: bytes) -> bytes:
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], place)
    except InvalidTag:
        raise StorageError("something locked was changed, or moved, or locked by another key") from None
