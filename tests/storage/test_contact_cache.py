"""Promise: what registries said survives a restart, does not outlive its time, and is found however many threads ask."""

import ipaddress
from concurrent.futures import ThreadPoolExecutor

from abusewatch.contacts.answer import Answer
from abusewatch.contacts.health import PASSED_OVER_US
from abusewatch.retention import limits
from abusewatch.storage import SqliteStore
from abusewatch.storage.contact_cache import SqliteContacts
from abusewatch.storage.database import Database


def answer(*emails, learned=100, expires=1000):
    return Answer(emails, "X", "rdap", learned, expires - 1, expires)


def networks(count):
    return [ipaddress.ip_network((0x42000000 + n * 256, 24)) for n in range(count)]


def test_answers_and_opt_outs_survive_a_restart(tmp_path):
    first = Database(tmp_path / "cases.db")
    SqliteContacts(first).put(networks(3), answer("a@x.example", "b@x.example"))
    SqliteContacts(first).opted_out("A@x.example", 7)
    first.close()
    second = Database(tmp_path / "cases.db")
    contacts = SqliteContacts(second)
    assert contacts.get("66.0.2.9", 200).answer == answer("a@x.example", "b@x.example")
    assert contacts.standing(["a@X.example"])["a@x.example"].opted_out_us == 7
    second.close()


def test_what_expired_leaves_the_file(tmp_path):
    database = Database(tmp_path / "cases.db")
    contacts = SqliteContacts(database)
    contacts.put(networks(1), answer("marker-7f3a@x.example"))
    contacts.put([ipaddress.ip_network("67.0.0.0/24")], answer("b@x.example", learned=1000, expires=2000))
    database.wipe()
    assert contacts.get("66.0.0.1", 200) is None
    assert all(b"marker-7f3a" not in path.read_bytes() for path in tmp_path.iterdir())
    database.close()


def test_any_thread_may_ask(tmp_path):
    database = Database(tmp_path / "cases.db")
    contacts = SqliteContacts(database)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda one: contacts.put([one], answer("a@x.example")), networks(100)))
        found = list(pool.map(lambda one: contacts.get(str(one[9]), 200), networks(100)))
    assert [known.network for known in found] == networks(100)
    database.close()


def test_a_days_look_ups_survive_a_restart_and_a_clock_set_back(tmp_path):
    day = 86_400_000_000
    for allowed in ([True, True], [True, False]):
        database = Database(tmp_path / "cases.db")
        contacts = SqliteContacts(database)
        assert [contacts.spend("rdap", 3, day), contacts.spend("rdap", 3, 1)] == allowed
        assert contacts.spend("dns", 3, day)
        database.close()
    database = Database(tmp_path / "cases.db")
    assert not SqliteContacts(database).spend("rdap", 3, 2 * day - 1)
    assert SqliteContacts(database).spend("rdap", 3, 2 * day)
    database.close()


def test_a_mailbox_that_bounced_is_forgotten_and_a_wish_for_no_more_is_not(tmp_path):
    store = SqliteStore(tmp_path / "cases.db", limits())
    contacts = SqliteContacts(store.database)
    contacts.bounced("a@x.example", 1)
    contacts.opted_out("b@x.example", 1)
    contacts.bounced("b@x.example", 2)
    contacts.bounced("c@x.example", 1)
    contacts.opted_out("c@x.example", 2)
    assert limits().mailbox_us == PASSED_OVER_US
    assert store.purge(10 * PASSED_OVER_US)["mailbox"] == 1
    assert set(contacts.standing([f"{n}@x.example" for n in "abc"])) == {"b@x.example", "c@x.example"}
    store.close()
