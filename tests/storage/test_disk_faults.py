"""A disk that is full, read-only or failing: nothing is promised that is not there, and when it is mended all goes on.

The failing disk is strace's: chosen calls of the writer return an error (threats.md rows 20 and 21). What a failed sync
leaves is taken to be lost for good, as Linux does it: the pages are marked clean, and no later sync writes them.
"""

import contextlib
import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from abusewatch.outbox import Maildir
from abusewatch.retention import limits
from abusewatch.storage import SqliteStore, StorageError
from tests.cases import T0, message
from tests.needs import unable
from tests.storage.test_power_cut import ROOT, Event, parsed, put

MAILS = 60
FAILED = re.compile(r"^(?:\d+ +)?(?:fsync|fdatasync)\(\d+<([^>]*)>\) += -1")
strace = pytest.mark.needs("strace")


@pytest.fixture
def disk(tmp_path):
    """A small disk of memory, with as few files as wanted."""
    mounted = []

    def mount(options):
        place = tmp_path / f"disk-{len(mounted)}"
        place.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], capture_output=True, check=False)
        if done.returncode:
            unable("needs root, to mount a tmpfs")
        mounted.append(place)
        return place

    yield mount
    for place in mounted:
        subprocess.run(["umount", str(place)], check=True)


def filled(place):
    """Fill a disk to its last byte."""
    with (place / "ballast").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(bytes(4096)):
            pass
    assert shutil.disk_usage(place).free == 0


def remounted(place, how):
    subprocess.run(["mount", "-o", f"remount,{how}", str(place)], check=True)


@pytest.mark.parametrize("fault", ["full", "read-only"])
def test_what_cannot_be_kept_is_not_promised_and_comes_when_it_can(disk, fault):
    place = disk("size=1200k")
    store = SqliteStore(place / "cases.db", limits())
    taken = [n for n in range(5) if store.enqueue([message(n)], None, T0)]
    if fault == "full":
        filled(place)
    else:
        store.close()  # a disk is not made read-only under an open file; the daemon meets it at its next write
        remounted(place, "ro")
    failures = 0
    for n in range(5, 60):
        try:
            if fault == "read-only":
                store = SqliteStore(place / "cases.db", limits())
            store.enqueue([message(n, body="x" * 4000)], None, T0)
            taken.append(n)
        except (sqlite3.Error, StorageError, OSError):
            failures += 1
    assert failures > 10
    if fault == "full":
        (place / "ballast").unlink()
    else:
        remounted(place, "rw")
        store = SqliteStore(place / "cases.db", limits())
    for n in range(60, 70):
        assert store.enqueue([message(n)], None, T0) == 1
        taken.append(n)
    again = SqliteStore(place / "cases.db", limits())
    assert {int(e.message.dedup.rpartition("|")[2]) for e in again.messages()} == set(taken)
    assert again.database.check() == []
    again.close()
    store.close()


async def test_no_more_files_defers_mail_and_refuses_to_start_in_words(disk):
    place = disk("nr_inodes=8")
    kept = Maildir(place / "mail")
    outcomes = [outcome async for outcome in kept.send([message(n) for n in range(9)])]
    assert outcomes[-1].kind == "deferred"
    assert "No space left" in outcomes[-1].text
    with pytest.raises((StorageError, OSError)):
        SqliteStore(place / "state" / "cases.db", limits())
    for path in (place / "mail").rglob("*.eml"):
        path.unlink()
    assert [outcome.kind async for outcome in kept.send([message(1)])] == ["accepted"]


def ran(folder, inject, synchronous="FULL"):
    """Run the writer with some calls failing; the events, and the errors it met."""
    log = folder / "strace.log"
    traced = "trace=pwrite64,write,fsync,fdatasync,ftruncate,unlink,unlinkat"
    command = ["strace", "-f", "-qq", "-y", "-xx", "-s", "100000", "-e", traced, "-e", "signal=none", "-e", f"inject={inject}", "-o", str(log),
               sys.executable, str(Path(__file__).with_name("stubborn.py")), str(folder / "disk" / "cases.db"), str(MAILS), synchronous]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)})
    if "ptrace" in done.stderr.lower():
        unable("this machine allows no ptrace")
    assert done.returncode == 0, done.stderr[-2000:]
    return [event for line in log.read_text().splitlines() if (event := failed(line) or parsed(line))], done.stderr.split("open\n")[-1].split()


def failed(line):
    match = FAILED.match(line)
    if match is None:
        return None
    name = bytes.fromhex(match[1].replace("\\x", "")).decode() if match[1].startswith("\\x") else match[1]
    return Event("failed", Path(name).name) if Path(name).name.startswith("cases.db") else None


def lost(events, folder, seed=1, cuts=60):
    """Cut the power at random moments; how often a mail that was acknowledged is gone. What a sync failed on is gone for good."""
    chance = random.Random(seed)
    begun = next(n for n, e in enumerate(events) if e.kind == "ack")
    moments = sorted(chance.randrange(begun, len(events)) for _ in range(cuts))
    durable, pending, acknowledged, gone = defaultdict(bytearray), defaultdict(list), 0, 0
    for n, event in enumerate(events):
        if event.kind == "ack":
            acknowledged = event.at + 1
        elif event.kind == "failed":
            pending.pop(event.name, None)
        elif event.kind == "sync":
            for one in pending.pop(event.name, ()):
                put(durable[event.name], one)
        elif event.kind == "unlink":
            durable.pop(event.name, None)
            pending.pop(event.name, None)
        else:
            pending[event.name].append(event)
        for _ in range(moments.count(n)):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            for name, content in durable.items():
                (folder / name).write_bytes(content)
            try:
                store = SqliteStore(folder / "cases.db", limits())
            except StorageError:
                gone += 1
                continue
            with store.database.reading() as db:
                there = {row[0] for row in db.execute("SELECT dedup FROM outbox")}
            gone += bool(store.database.check()) or any(f"AW-2026-000001|operator|r{m}@operator.example|{m}" not in there for m in range(acknowledged))
            store.close()
    return gone


@strace
@pytest.mark.parametrize(
    ("inject", "met"),
    [
        ("fdatasync:error=EIO:when=40+17", "SQLITE_IOERR"), ("fsync,fdatasync:error=EIO:when=45+13", "SQLITE_IOERR"),
        ("pwrite64:error=EIO:when=200+211", "SQLITE_IOERR"), ("pwrite64:error=ENOSPC:when=200+31", "SQLITE_FULL"),
    ],
)  # fmt: skip
def test_a_disk_that_fails_now_and_then_loses_nothing_that_was_promised(tmp_path, inject, met):
    events, errors = ran(tmp_path, inject)
    assert any(error.startswith(met) for error in errors), "the disk never failed"
    assert [e.at for e in events if e.kind == "ack"] == list(range(MAILS))
    assert lost(events, tmp_path / "rebuilt") == 0
    store = SqliteStore(tmp_path / "disk" / "cases.db", limits())
    assert len(store.messages()) == MAILS
    assert store.database.check() == []
    store.close()


@strace
def test_the_same_faults_are_seen_to_lose_where_the_disk_is_not_waited_for(tmp_path):
    events, _ = ran(tmp_path, "fdatasync:error=EIO:when=10+5", "NORMAL")
    assert lost(events, tmp_path / "rebuilt") > 0


def test_a_commit_that_fails_leaves_no_transaction_open(path, store):
    """Else the next call would be taken for a part of it, return, and have promised nothing."""
    reader = sqlite3.connect(path)
    store.enqueue([message(0)], None, T0)
    before = store.database.version()

    def undone(error=None):
        with store.database.transaction() as db:
            db.execute("PRAGMA defer_foreign_keys = ON")
            db.execute("INSERT INTO note (incident, at_us, author, text) VALUES ('AW-2026-000404', 0, '', '')")
            if error:
                raise error

    with pytest.raises(sqlite3.OperationalError):
        undone(sqlite3.OperationalError("disk I/O error"))
    assert store.database.version() != before
    with pytest.raises(sqlite3.IntegrityError):
        undone()  # the commit itself fails, and SQLite leaves the transaction open
    store.enqueue([message(1)], None, T0)
    assert reader.execute("SELECT count(*) FROM outbox").fetchone() == (2,)
    assert reader.execute("SELECT count(*) FROM note").fetchone() == (0,)
    reader.close()
