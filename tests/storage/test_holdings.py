"""Every class of the retention table is counted, and what is deleted is no longer held."""

from abusewatch.incidents import Change
from abusewatch.outbox import Outcome, settle
from abusewatch.retention import TABLE, inventory, limits
from abusewatch.storage.holdings import WHERE, Holding
from tests.cases import SECOND, T0, incident, message


def test_every_class_of_the_table_is_counted():
    assert list(WHERE) == [rule.name for rule in TABLE]


def test_what_is_held_and_until_when(store):
    store.save([Change(incident(), None)])
    store.enqueue([message(1)], None, T0)
    store.enqueue([message(2, "b@operator.example")], "shadow", T0)
    held = dict(zip([rule.name for rule in TABLE], [holding for _, holding in inventory(store, T0)], strict=True))
    assert held["evidence"] == Holding("evidence", 1, 0, 0, None)
    assert held["body"] == Holding("body", 1, 0, 0, None)
    assert held["stuck"] == Holding("stuck", 1, 1, 0, T0 + limits().stuck_us)
    (entry,) = store.lease(T0, 1, SECOND)
    store.settled(entry, settle(Outcome("accepted"), 1, T0, T0), T0)
    store.move_incident("AW-2026-000001", "close", T0)
    over = T0 + limits().evidence_us
    held = {holding.name: holding for _, holding in inventory(store, over)}
    assert (held["evidence"].over, held["body"].over, held["outbox"].rows) == (1, 1, 2)
    store.purge(over)
    held = {holding.name: holding for _, holding in inventory(store, over)}
    assert (held["evidence"].rows, held["body"].rows, held["outbox"].rows) == (0, 0, 2)
