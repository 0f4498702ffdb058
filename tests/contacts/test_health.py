"""One contract for every memory of mailboxes: bounces are forgiven by a delivery, an opt-out only by a person."""

import pytest

from abusewatch.contacts.health import BOUNCES, PASSED_OVER_US, MemoryHealth, Standing
from abusewatch.storage.contact_cache import SqliteContacts
from abusewatch.storage.database import Database


@pytest.fixture(params=["memory", "sqlite"])
def health(request, tmp_path):
    if request.param == "memory":
        yield MemoryHealth()
        return
    database = Database(tmp_path / "cases.db")
    yield SqliteContacts(database)
    database.close()


def test_nothing_known(health):
    assert health.standing(["a@x.example"]) == {}
    health.delivered("a@x.example")
    health.restore("a@x.example")
    assert health.standing(["a@x.example"]) == {}


def test_bounces_add_up_without_regard_to_case_and_a_delivery_forgives_them(health):
    health.bounced("A@x.example", 10)
    health.bounced("a@X.example", 20)
    assert health.standing(["a@x.example", "b@x.example"]) == {"a@x.example": Standing(2, 20, None)}
    health.delivered("a@x.example")
    assert health.standing(["a@x.example"]).get("a@x.example", Standing()).bounces == 0


def test_an_opt_out_outlives_bounces_and_deliveries_until_a_person_lifts_it(health):
    health.bounced("a@x.example", 10)
    health.opted_out("a@x.example", 20)
    health.opted_out("A@x.example", 30)
    assert health.standing(["a@x.example"])["a@x.example"] == Standing(1, 10, 20)
    health.delivered("a@x.example")
    assert health.standing(["a@x.example"])["a@x.example"] == Standing(0, None, 20)
    health.restore("a@x.example")
    assert health.standing(["a@x.example"]) == {}


def test_bouncing_needs_several_and_ends_after_a_month():
    assert not Standing(BOUNCES - 1, 10).bouncing(20)
    assert Standing(BOUNCES, 10).bouncing(20)
    assert not Standing(BOUNCES, 10).bouncing(10 + PASSED_OVER_US)


def test_bounces_a_month_apart_do_not_add_up(health):
    for n in range(10):
        health.bounced("a@x.example", n * PASSED_OVER_US)
    assert health.standing(["a@x.example"])["a@x.example"].bounces == 1
    for n in range(BOUNCES):
        health.bounced("a@x.example", 9 * PASSED_OVER_US + n)
    assert health.standing(["a@x.example"])["a@x.example"].bouncing(9 * PASSED_OVER_US + 10)
