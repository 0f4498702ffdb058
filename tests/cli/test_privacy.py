"""What is held is shown with its reason, deleted on request, and the ledger proves it or tells who cannot."""

import json

import pytest

from abusewatch.retention import TABLE, limits
from abusewatch.storage import SqliteStore
from tests.cases import T0, message


@pytest.fixture
def store(tmp_path):
    made = SqliteStore(tmp_path / "cases.db", limits())
    made.enqueue([message(1)], "shadow", T0 - 400 * 86_400_000_000)
    yield made
    made.close()


def test_inventory_purge_and_proof(abusewatch, store, tmp_path):
    where = ("--store", tmp_path)
    shown = abusewatch("privacy", "inventory", *where).out
    assert all(rule.name in shown and rule.why in shown for rule in TABLE)
    held = {line["name"]: line for line in map(json.loads, abusewatch("privacy", "inventory", "--json", *where).lines)}
    assert (held["stuck"]["rows"], held["stuck"]["over"], held["stuck"]["days"]) == (1, 1, 30)
    assert json.loads(abusewatch("privacy", "purge", "--dry-run", "--json", *where).out)["body"] == 1
    assert store.messages()[0].message.raw
    assert "deleted" in abusewatch("privacy", "purge", *where).out
    assert abusewatch("ledger", "verify", *where).out == "ledger: 3 line(s), whole\n"
    with store.database.transaction() as db:
        db.execute("UPDATE ledger SET count = 7 WHERE seq = 1")
    ran = abusewatch("ledger", "verify", *where)
    assert (ran.code, ran.out) == (1, "ledger: line 1 does not follow from the one before it\n")
