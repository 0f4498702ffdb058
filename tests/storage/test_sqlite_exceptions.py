"""An exception speaks of one rule and one prefix, ends by itself, and is deleted some time after."""

from abusewatch.retention import limits
from abusewatch.storage import SqliteStore
from abusewatch.storage.sqlite_exceptions import SqliteExceptions
from tests.cases import T0

KEPT = limits().exception_us


def test_one_rule_one_prefix_and_an_end(tmp_path):
    store = SqliteStore(tmp_path / "cases.db", limits())
    some = SqliteExceptions(store.database, KEPT)
    some.add("198.51.100.0/28", "a", T0 + 10, reason="r", author="jo", now_us=T0)
    some.add("2001:db8::/48", "a", T0 + 5, reason="r", author="jo", now_us=T0)
    assert [one.until_us for one in some.in_force(T0)] == [T0 + 5, T0 + 10]
    assert some.covers("198.51.100.15", "a", T0 + 9)
    assert some.covers("2001:db8::1", "a", T0)
    for address, rule, now in (("198.51.100.16", "a", T0), ("198.51.100.15", "b", T0), ("198.51.100.15", "a", T0 + 10), ("2001:db8:1::1", "a", T0)):
        assert not some.covers(address, rule, now)
    assert (some.end("198.51.100.0/28", "b", T0 + 1), some.end("198.51.100.0/28", None, T0 + 1)) == (0, 1)
    assert not some.covers("198.51.100.15", "a", T0 + 2)
    assert store.purge(T0 + 1 + KEPT)["exception"] == 1
    assert store.purge(T0 + 5 + KEPT)["exception"] == 1
    store.close()
