"""Marks that go in as traffic come out nowhere, and a text that tells too much is named."""

import json

import pytest

from abusewatch.cli import marked
from abusewatch.cli.leaks import Sink, search
from abusewatch.cli.marked import Marks

MARKS = Marks("mark0123456789ab").all()


def test_nothing_leaks_with_what_ships(abusewatch, config):
    ran = abusewatch("check", "--leaks", "--json", "--config", config)
    assert ran.code == 0, ran.out + ran.err
    found = json.loads(ran.out)
    assert found["faults"] == []
    assert found["mails"] >= 6  # to both operators and the customer, by the daemon and by a replay
    assert found["sinks"] >= 15
    assert not (config.parent / "store").exists()  # nothing of the operator's own was touched


@pytest.mark.parametrize("words", ["write to root@other.example", "also seen at 8.8.8.8", "{{ nothing }}"])
def test_a_text_that_tells_too_much_is_stopped_counted_and_named(abusewatch, config, words, root):
    texts = config.parent / "texts" / "en"
    texts.mkdir(parents=True)
    shipped = (root / "abusewatch/reports/templates/en/customer.txt.j2").read_text()
    (texts / "customer.txt.j2").write_text(f"{shipped}\n{words}\n")
    config.write_text(config.read_text() + '[mail]\ntemplates = "texts"\n')
    ran = abusewatch("check", "--leaks", "--config", config)
    assert ran.code == 1
    reason = "TextError" if "nothing" in words else "LeakError"
    assert f"the mail to the customer was not written: {reason}" in ran.lines
    assert ran.lines[-1].endswith("1 leak(s)")


@pytest.mark.parametrize("name", MARKS)
def test_each_mark_is_found_in_each_place(name):
    for content in (MARKS[name], b"\0" * 99 + MARKS[name].upper() + b"\xff"):
        assert search([Sink("cases.db", b"nothing"), Sink("cases.db-wal", content)], MARKS) == [f"cases.db-wal: holds the {name} that was planted"]


def test_each_address_is_found_where_its_reader_may_not_see_it():
    first, second = marked.TARGETS.values()
    mine = Sink("mail", " ".join(first).encode(), frozenset(first))
    assert search([mine], MARKS) == []
    assert search([mine._replace(content=mine.content + b" " + second[1].encode())], MARKS) == [f"mail: names {second[1]}, which its reader may not see"]
    assert search([Sink("log", f"x{marked.BYSTANDER}y".encode())], MARKS) == [f"log: names {marked.BYSTANDER}, which its reader may not see"]
    assert search([Sink("log", f"1{first[0]} {first[0]}9".encode())], MARKS) == []
