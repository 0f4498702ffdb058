"""Power fails at any moment: what was acknowledged is there, and the file is sound (threats.md row 19).

A run of the store is recorded by strace, write by write. For each cut the disk is built anew as it may look then: what was
synced is there; of what was not, each sector may or may not be, in any order. The proof that this would see a loss is the
same run with `synchronous = NORMAL`, which must lose.
"""

import os
import random
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import pytest

from abusewatch.retention import limits
from abusewatch.storage import SqliteStore, StorageError
from tests.needs import unable

CUTS = int(os.environ.get("ABUSEWATCH_CUTS", "300"))
"""A release asks for three thousand (`ABUSEWATCH_CUTS=3000`)."""
MAILS = 300
SECTOR = 512
ROOT = Path(__file__).resolve().parents[2]
CALL = re.compile(r'^(?:\d+ +)?(\w+)\((?:(\d+)<([^>]*)>|AT_FDCWD[^,]*, "([^"]*)"|"([^"]*)")(?:, (?:"([^"]*)", )?(.*))?\) += (\d+)')

pytestmark = pytest.mark.needs("strace")


class Event(NamedTuple):
    """One thing that reached the kernel: kind is write, sync, truncate, unlink or ack."""

    kind: str
    name: str = ""
    at: int = 0
    data: bytes = b""


def unhexed(text):
    return bytes.fromhex(text.replace("\\x", ""))


def recorded(folder, synchronous):
    """Run the writer under strace and read what it did to the files of the database, in order."""
    log = folder / "strace.log"
    traced = "trace=pwrite64,write,fsync,fdatasync,ftruncate,unlink,unlinkat"
    command = ["strace", "-f", "-qq", "-y", "-xx", "-s", "100000", "-e", traced, "-e", "signal=none", "-o", str(log),
               sys.executable, str(Path(__file__).with_name("writer.py")), str(folder / "disk" / "cases.db"), str(MAILS), synchronous]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)})
    if "ptrace" in done.stderr.lower():
        unable("this machine allows no ptrace")
    assert done.returncode == 0, done.stderr
    return [event for line in log.read_text().splitlines() if (event := parsed(line))]


def parsed(line):
    match = CALL.match(line)
    if match is None:
        return None
    call, descriptor, opened, *paths, data, rest, result = match.groups()
    where = opened or paths[0] or paths[1] or ""
    where = unhexed(where).decode() if where.startswith("\\x") else where
    if call == "write" and descriptor == "1":
        return Event("ack", at=int(unhexed(data)))
    name = Path(where).name
    if not name.startswith("cases.db") or name.endswith("-shm"):
        return None
    if call == "pwrite64":
        return Event("write", name, int(rest.rpartition(" ")[2]), unhexed(data)[: int(result)])
    if call == "ftruncate":
        return Event("truncate", name, int(rest))
    return Event({"fsync": "sync", "fdatasync": "sync", "unlink": "unlink", "unlinkat": "unlink"}[call], name)


def put(disk, event):
    if event.kind == "truncate":
        del disk[event.at :]
        disk.extend(bytes(event.at - len(disk)))
        return
    disk.extend(bytes(max(0, event.at + len(event.data) - len(disk))))
    disk[event.at : event.at + len(event.data)] = event.data


def torn(event, chance):
    """What may be left of a write that was not synced: nothing, all, or some of its sectors."""
    fate = chance.randrange(3)
    if fate == 0:
        return []
    if fate == 1 or event.kind != "write":
        return [event]
    sectors = [Event("write", event.name, event.at + n, event.data[n : n + SECTOR]) for n in range(0, len(event.data), SECTOR)]
    return [one for one in sectors if chance.random() < 0.5]


def disks(events, cuts, chance):
    """Yield (number of mails acknowledged, files) for each cut."""
    durable, pending, acknowledged = defaultdict(bytearray), defaultdict(list), 0
    for n, event in enumerate(events):
        if event.kind == "ack":
            acknowledged = event.at + 1
        elif event.kind == "sync":
            for one in pending.pop(event.name, ()):
                put(durable[event.name], one)
        elif event.kind == "unlink":
            durable.pop(event.name, None)
            pending.pop(event.name, None)
        else:
            pending[event.name].append(event)
        for _ in range(cuts.get(n, 0)):
            files = {name: bytearray(content) for name, content in durable.items()}
            for name, waiting in pending.items():
                left = [part for one in waiting for part in torn(one, chance)]
                if chance.random() < 0.5:
                    chance.shuffle(left)
                for part in left:
                    put(files.setdefault(name, bytearray()), part)
            yield acknowledged, files


def lost_and_unsound(events, folder, seed):
    """Cut the power `CUTS` times: how often an acknowledged mail was gone, and how often the file was not sound."""
    chance, begun = random.Random(seed), next(n for n, e in enumerate(events) if e.kind == "ack")
    cuts = defaultdict(int)
    for _ in range(CUTS):
        cuts[chance.randrange(begun, len(events))] += 1
    lost = unsound = 0
    for acknowledged, files in disks(events, cuts, chance):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_bytes(content)
        try:
            store = SqliteStore(folder / "cases.db", limits())
        except StorageError:
            unsound += 1
            continue
        unsound += bool(store.database.check())
        with store.database.reading() as db:
            there = {row[0] for row in db.execute("SELECT dedup FROM outbox")}
        lost += any(f"AW-2026-000001|operator|r{n}@operator.example|{n}" not in there for n in range(acknowledged))
        store.close()
    return lost, unsound


def test_what_was_acknowledged_survives_every_cut(tmp_path):
    events = recorded(tmp_path, "FULL")
    assert [e.at for e in events if e.kind == "ack"] == list(range(MAILS))
    assert {e.name for e in events if e.kind == "write"} >= {"cases.db", "cases.db-wal"}, "no checkpoint was seen"
    assert lost_and_unsound(events, tmp_path / "rebuilt", 1) == (0, 0)


def test_the_same_cuts_see_the_loss_of_a_database_that_does_not_wait_for_the_disk(tmp_path):
    lost, _ = lost_and_unsound(recorded(tmp_path, "NORMAL"), tmp_path / "rebuilt", 1)
    assert lost > CUTS // 4
    print(f"synchronous = NORMAL: {lost} of {CUTS} cuts lost acknowledged mail")  # noqa: T201
