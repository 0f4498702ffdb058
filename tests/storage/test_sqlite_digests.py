"""Which held mails may leave as one, and the transaction that replaces them: charged once, or nothing changed."""

import pytest
from msgspec.structs import replace

from abusewatch.incidents import Change
from abusewatch.model.message import Told
from abusewatch.outbox import Outcome, settle
from abusewatch.outbox.budgets import DAY_US, STALE_US, Budgets
from abusewatch.outbox.bundle import MOST
from abusewatch.retention import limits
from abusewatch.storage import SqliteStore
from abusewatch.storage.uptime import Moment
from tests.cases import SECOND, T0, incident, message

ONE = Budgets(recipient_day=1, customer_day=1, hour=1000)


class Clock:
    us = T0

    def __call__(self):
        return Moment("a", self.us)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(tmp_path, clock):
    made = SqliteStore(tmp_path / "cases.db", limits(), ONE, clock)
    yield made
    made.close()


def cases(store, count, customer="C-1", audience="operator", start=1):
    """Make cases with a mail each to one recipient; the first of the day leaves, the others are held."""
    for n in range(start, start + count):
        one = incident(ident=f"AW-2026-{n:06d}", customer=customer, kind=f"kind {n}")
        store.save([Change(one, None)])
        store.enqueue([message(n, f"r@{audience}.example", audience, one.id)], None, store._uptime().up_us)


def digest(bundle):
    first = bundle.entries[0]
    return replace(
        message(10_000 + first.id, bundle.recipient, bundle.audience, first.message.incident), stage="digest", sequence=first.id, dedup=f"digest|{first.id}"
    )


def test_a_digest_is_charged_as_one_mail_and_its_cases_count_as_told(store, clock):
    cases(store, 4)
    assert store.bundles(clock.us) == []  # his day is full
    clock.us += DAY_US
    (bundle,) = store.bundles(clock.us)
    assert ([e.message.incident[-1] for e in bundle.entries], bundle.previous) == (["2", "3", "4"], None)
    assert store.bundles(clock.us, quiet=("operator",)) == []
    assert store.fold(digest(bundle), [e.id for e in bundle.entries], clock.us)
    assert (store.counts()["folded"], store.counts()["held"], store.counts()["queued"]) == (3, 0, 2)
    assert store.told("AW-2026-000003") == {("operator", "r@operator.example"): Told(0, "first", clock.us, sent=False)}
    for entry in store.lease(clock.us, 9, SECOND):
        store.settled(entry, settle(Outcome("accepted"), 1, 0, 0), clock.us)
    assert store.told("AW-2026-000003")["operator", "r@operator.example"].sent
    store.enqueue([message(77, "r@operator.example", case="AW-2026-000099")], None, clock.us)
    assert store.messages("held")[0].reason == "budget recipient_day"
    clock.us += DAY_US
    store.enqueue([message(78, "r@operator.example", case="AW-2026-000098")], None, clock.us)
    cases(store, 2, start=20)
    clock.us += DAY_US
    (bundle,) = store.bundles(clock.us)
    assert bundle.previous is not None


def test_nothing_is_changed_when_one_of_them_has_moved(store, clock):
    cases(store, 4)
    clock.us += DAY_US
    (bundle,) = store.bundles(clock.us)
    store.move_message(bundle.entries[1].id, "cancel", clock.us)
    before = store.messages()
    assert not store.fold(digest(bundle), [e.id for e in bundle.entries], clock.us)
    assert store.messages() == before


def test_nothing_is_changed_when_the_room_is_gone(store, clock):
    cases(store, 4)
    clock.us += DAY_US
    (bundle,) = store.bundles(clock.us)
    store.enqueue([message(50, bundle.recipient, case="AW-2026-000050")], None, clock.us)
    assert not store.fold(digest(bundle), [e.id for e in bundle.entries], clock.us)
    assert store.counts()["folded"] == 0


def test_a_mailbox_of_two_customers_is_written_to_for_each(store, clock):
    cases(store, 3, "C-1", "customer")
    cases(store, 3, "C-2", "customer", start=10)
    clock.us += DAY_US
    bundles = store.bundles(clock.us)
    assert sorted(len(b.entries) for b in bundles) == [2, 3]
    assert all(len({store.incident(e.message.incident).customer for e in b.entries}) == 1 for b in bundles)


def test_a_digest_is_not_endless_and_leaves_to_the_desk_what_is_old(store, clock):
    cases(store, MOST + 9)
    clock.us += DAY_US
    assert [len(b.entries) for b in store.bundles(clock.us)] == [MOST]
    clock.us = T0 + STALE_US
    assert store.bundles(clock.us) == []


def test_an_open_breaker_lets_no_digest_go(store, clock):
    cases(store, 3)
    clock.us += DAY_US
    with store.database.transaction() as db:
        db.execute("INSERT INTO breaker VALUES ('operator', 0, 9)")
    assert store.bundles(clock.us) == []
    store.close_breaker("operator")
    assert len(store.bundles(clock.us)) == 1
