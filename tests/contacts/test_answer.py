"""One contract for every cache: the longest prefix answers, what expired is gone, and ranges are cut into prefixes."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abusewatch.contacts.answer import Answer, MemoryCache, covering, key_of, keys, network
from abusewatch.storage.contact_cache import SqliteContacts
from abusewatch.storage.database import Database


@pytest.fixture(params=["memory", "sqlite"])
def cache(request, tmp_path):
    if request.param == "memory":
        yield MemoryCache()
        return
    database = Database(tmp_path / "cases.db")
    yield SqliteContacts(database)
    database.close()


def answer(*emails, learned=100, expires=1000, name="X \u00e9"):
    return Answer(emails, name, "rdap", learned, expires // 2, expires)


def nets(*texts):
    return [ipaddress.ip_network(text) for text in texts]


def test_the_longest_prefix_answers(cache):
    cache.put(nets("66.0.0.0/8", "2a00::/16"), answer("wide@x.example"))
    cache.put(nets("66.1.0.0/16"), answer("a@y.example", "b@y.example"))
    assert cache.get("66.1.2.3", 200) == (ipaddress.ip_network("66.1.0.0/16"), answer("a@y.example", "b@y.example"))
    assert str(cache.get("66.2.2.3", 200).network) == "66.0.0.0/8"
    assert str(cache.get("2a00:1::1", 200).network) == "2a00::/16"
    assert cache.get("67.0.0.1", 200) is None
    assert cache.get("2b00::1", 200) is None


def test_what_expired_is_gone_and_what_is_new_replaces(cache):
    cache.put(nets("66.0.0.0/8"), answer("a@x.example"))
    assert cache.get("66.0.0.1", 999)
    assert cache.get("66.0.0.1", 1000) is None
    cache.put(nets("66.0.0.0/8"), answer("b@x.example", learned=2000, expires=3000))
    assert cache.get("66.0.0.1", 2500).answer.emails == ("b@x.example",)


def test_a_shorter_prefix_answers_when_the_longer_has_expired(cache):
    cache.put(nets("66.0.0.0/8"), answer("a@x.example", expires=5000))
    cache.put(nets("66.1.0.0/16"), answer("b@x.example", expires=1000))
    assert cache.get("66.1.0.1", 1500).answer.emails == ("a@x.example",)


def test_the_queue_for_a_person(cache):
    cache.put(nets("66.2.0.0/24"), answer(learned=300))
    cache.put(nets("66.1.0.0/24"), answer(learned=200))
    cache.put(nets("66.3.0.0/24"), answer("a@x.example"))
    assert [str(known.network) for known in cache.unknown(400)] == ["66.1.0.0/24", "66.2.0.0/24"]
    assert len(cache.unknown(400, 1)) == 1
    assert cache.unknown(1000) == []


def test_memory_is_bounded():
    cache = MemoryCache(10)
    for number in range(100):
        cache.put(nets(f"66.{number}.0.0/16"), answer())
    assert len(cache.unknown(200, 1000)) == 10
    assert cache.get("66.99.0.1", 200)


addresses = st.ip_addresses().map(str)


@given(addresses, st.integers(0, 128))
def test_keys_read_back(address, bits):
    parsed = ipaddress.ip_address(address)
    prefix = ipaddress.ip_network((parsed, min(bits, parsed.max_prefixlen)), strict=False)
    if parsed.version == 4 or parsed.ipv4_mapped is None:
        assert network(key_of(prefix)) == prefix
    assert all(parsed in network(key) for key in keys(address) if parsed.version == 4 or parsed.ipv4_mapped is None)
    assert [key[16] for key in keys(address)] == sorted((key[16] for key in keys(address)), reverse=True)


@pytest.mark.parametrize(
    ("first", "last", "address", "prefixes"),
    [("66.0.0.0", "66.0.0.255", "66.0.0.9", ["66.0.0.0/24"]), ("66.0.0.0", "66.0.2.255", "66.0.1.1", ["66.0.0.0/23", "66.0.2.0/24"]), ("2a00::", "2a00:0:ffff:ffff:ffff:ffff:ffff:ffff", "2a00::1", ["2a00::/32"]), ("66.0.0.9", "66.0.0.9", "66.0.0.9", ["66.0.0.9/32"])],
)
def test_ranges(first, last, address, prefixes):
    assert [str(one) for one in covering(first, last, address)] == prefixes


@pytest.mark.parametrize(("first", "last"), [("0.0.0.0", "255.255.255.255"), ("66.0.0.0", "67.255.255.255"), ("66.0.1.0", "66.0.1.255"), ("66.0.0.255", "66.0.0.0"), ("::", "ffff::"), ("66.0.0.0", "2a00::"), (None, None), (1, 2), ("66.0.0.0/24", "66.0.0.255")])
def test_ranges_that_are_none(first, last):
    assert covering(first, last, "66.0.0.9") == ()
