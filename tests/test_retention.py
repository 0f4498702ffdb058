"""The retention table is complete and obeyed."""

from abusewatch.retention import DAY_US, TABLE, limits, purge
from abusewatch.storage import SqliteStore
from tests.cases import T0, message


def test_the_table_names_every_limit():
    assert {rule.name for rule in TABLE} == {name.removesuffix("_us") for name in limits()._fields}
    assert all(rule.holds and rule.why and rule.ends for rule in TABLE)


def test_each_limit_is_the_tables_days():
    assert {rule.name: rule.days for rule in TABLE} == {name.removesuffix("_us"): us // DAY_US for name, us in limits()._asdict().items()}


def test_the_job_says_first_and_does_then(tmp_path):
    store = SqliteStore(tmp_path / "abusewatch.db", limits())
    store.enqueue([message(1)], "shadow", T0)
    assert purge(store, T0 + 31 * DAY_US, dry_run=True)["body"] == 1
    assert store.messages()[0].message.raw
    assert purge(store, T0 + 31 * DAY_US)["body"] == 1
    assert not store.messages()[0].message.raw
    store.close()
