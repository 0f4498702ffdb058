"""A person moves cases and mail by the two tables, and is told in one line what cannot be."""

import json

import pytest
from msgspec.structs import replace

from abusewatch.incidents import correlate
from abusewatch.outbox.budgets import Budgets
from abusewatch.retention import limits
from abusewatch.storage import SqliteStore
from tests.cases import T0, detection, message

CASE = "AW-2026-000001"


@pytest.fixture
def store(tmp_path):
    made = SqliteStore(tmp_path / "cases.db", limits(), Budgets(breaker_hour=9))
    made.save(correlate([], [detection()], T0, made.next_id))
    made.commit(CASE, 1, [message(1), message(2, "security@customer.example", "customer")], [], hold="shadow", now_us=T0)
    yield made
    made.close()


@pytest.fixture
def desk(abusewatch, store, tmp_path):
    return lambda *words: abusewatch(*words, "--store", tmp_path)


def states(store):
    return [entry.state for entry in store.messages()]


def test_a_case_is_approved_held_and_approved_again(desk, store):
    assert desk("case", "approve", CASE).out == f"{CASE}: 2 mail(s) let go\n"
    assert states(store) == ["queued"] * 2
    assert store.incident(CASE).state == "active"
    assert "2 mail(s) were stopped" in desk("case", "hold", CASE).out
    assert {(e.state, e.reason) for e in store.messages()} == {("held", "desk")}
    store.enqueue([message(3, "late@operator.example")], None, T0)
    assert states(store) == ["held"] * 3
    assert store.release_held(T0) == []
    desk("case", "approve", CASE)
    assert states(store) == ["queued"] * 3


def test_the_queue_of_the_desk_is_what_is_held(desk, store):
    store.save(correlate(store.open_incidents(), [detection(["192.0.2.77"], kind="worm", rule="worm")], T0, store.next_id))
    rows = {row["case"]: row["held"] for row in map(json.loads, desk("case", "list", "--json").lines)}
    assert rows == {CASE: 2, "AW-2026-000002": 0}
    assert [json.loads(line)["case"] for line in desk("case", "list", "--held", "--json").lines] == [CASE]
    assert desk("case", "list", "--held").lines[1].split()[-1] == "2"
    assert "shadow" in desk("outbox", "list").out


def test_a_case_moves_by_its_table(desk, store):
    assert desk("case", "resolve", CASE).out == f"{CASE}: resolved\n"
    assert desk("case", "close", CASE).out == f"{CASE}: closed\n"
    assert "no event" in desk("case", "resolve", CASE).refused()
    assert desk("case", "reopen", CASE).out == f"{CASE}: reopened\n"
    for command in ("approve", "hold", "resolve", "close", "reopen"):
        assert "no case" in desk("case", command, "AW-1999-000001").refused()


def test_mail_moves_by_its_table(desk, store):
    one, two = (entry.id for entry in store.messages())
    assert desk("outbox", "release", one).out == f"mail {one}: queued\n"
    assert desk("outbox", "hold", one).out == f"mail {one}: held\n"
    assert desk("outbox", "cancel", two).out == f"mail {two}: cancelled\n"
    assert "no event" in desk("outbox", "retry", two).refused()
    assert "no mail 99" in desk("outbox", "retry", 99).refused()


def test_a_note_is_shown_to_the_desk(desk, store):
    desk("case", "note", CASE, "spoke to him", "--author", "jo")
    assert "by jo: spoke to him" in desk("case", "show", CASE).out
    (note,) = json.loads(desk("case", "show", CASE, "--json").out)["notes"]
    assert (note["author"], note["text"]) == ("jo", "spoke to him")
    assert "no case" in desk("case", "note", "AW-1999-000001", "x").refused()
    assert "1 to 4000" in desk("case", "note", CASE, " ").refused()


def test_the_breaker_is_closed_by_a_person(desk, store):
    assert "not open" in desk("outbox", "resume", "operator").refused()
    store.commit(CASE, 1, [message(n, f"r{n}@operator.example") for n in range(10, 20)], [], hold=None, now_us=T0)
    assert len(store.breakers()) == 1
    assert desk("outbox", "resume", "operator").out == "operator: mail may leave again\n"
    assert store.breakers() == []


def test_two_cases_of_a_customer_become_one(desk, store):
    store.save(correlate(store.open_incidents(), [detection(["192.0.2.77"], kind="worm", rule="worm")], T0, store.next_id))
    other = "AW-2026-000002"
    assert f"{other} is part of it now" in desk("case", "merge", CASE, other).out
    assert f"merged into {CASE}" in desk("case", "show", other).out
    assert "closed" in desk("case", "merge", CASE, other).refused()
    assert "no case" in desk("case", "merge", CASE, "AW-1999-000001").refused()


def test_a_case_shows_what_is_in_it_beside_the_strongest_claim(desk, store):
    plain = detection(kind="address_scan", rule="scan")
    alike = replace(plain, finding=replace(plain.finding, resembles=("crawler", "tor_exit"), confidence=0.61))
    store.save(correlate(store.open_incidents(), [alike], T0, store.next_id))
    said = desk("case", "show", CASE).out
    assert f"{CASE}: login_attack (and address_scan) by C-1042" in said
    assert said.count("may also be") == 1
    assert "may also be a crawler or a Tor exit: confidence 0.61" in said
    shown = json.loads(desk("case", "show", CASE, "--json").out)
    assert (shown["kind"], shown["also"], shown["merged_into"]) == ("login_attack", ["address_scan"], None)
