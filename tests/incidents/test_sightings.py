"""What a customer is told of how much was seen since his notice."""

from msgspec.structs import replace

from abusewatch.incidents import Noticed, Seen, seen, since
from tests.cases import detection, incident

TOLD, WATCHED = detection(["203.0.113.9"]), detection(["203.0.113.10"], rule="new")


def test_what_came_since_is_counted_for_what_he_may_know():
    noticed = Noticed(0, seen(incident(TOLD)))
    assert noticed.seen == {TOLD.episode: Seen(5, 75, 9000)}
    grown = replace(TOLD, finding=replace(TOLD.finding, flows=8, packets=100, bytes=10_000))
    now = incident(grown, WATCHED)
    assert since(now, noticed, {TOLD.episode}) == Seen(3, 25, 1000)
    assert since(now, noticed, {TOLD.episode, WATCHED.episode}) == Seen(8, 100, 10_000)
    assert since(now, noticed, ()) == Seen()


def test_it_is_never_negative():
    assert since(incident(TOLD), Noticed(0, {TOLD.episode: Seen(9, 70, 9999)}), {TOLD.episode}) == Seen(0, 5, 0)
