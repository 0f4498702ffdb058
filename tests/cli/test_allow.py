"""A temporary exception has an end, a reason and a name, and is refused when it is no exception."""

import json
import time

import pytest

from abusewatch.retention import limits
from abusewatch.storage import SqliteStore

ADD = ("allow", "add", "198.51.100.0/28", "--rule", "ssh-login-attack", "--for", "2h", "--reason", "a test of their own", "--author", "jo")


@pytest.fixture
def store(tmp_path):
    made = SqliteStore(tmp_path / "cases.db", limits())
    yield made
    made.close()


def test_it_is_written_listed_and_taken_back(abusewatch, store, tmp_path):
    assert "ssh-login-attack makes no case until" in abusewatch(*ADD, "--store", tmp_path).out
    (row,) = [json.loads(line) for line in abusewatch("allow", "list", "--json", "--store", tmp_path).lines]
    assert (row["prefix"], row["rule"], row["author"], row["reason"]) == ("198.51.100.0/28", "ssh-login-attack", "jo", "a test of their own")
    assert "none" not in abusewatch("allow", "list", "--store", tmp_path).out
    assert "1 exception(s) ended" in abusewatch("allow", "remove", "198.51.100.0/28", "--store", tmp_path).out
    assert abusewatch("allow", "list", "--json", "--store", tmp_path).out == ""
    assert "no exception in force" in abusewatch("allow", "remove", "198.51.100.0/28", "--store", tmp_path).refused()


@pytest.mark.parametrize(
    ("place", "word", "why"),
    [(2, "198.51.100.1/28", "host bits"), (2, "0.0.0.0/0", "everybody"), (4, "ssh-attack", "no rule"), (6, "2", "write it like 90m"), (6, "31d", "30 days"), (8, " ", "reason")],
)
def test_what_is_no_exception(abusewatch, store, tmp_path, place, word, why):
    words = [*ADD[:place], word, *ADD[place + 1 :]]
    ran = abusewatch(*words, "--store", tmp_path)
    assert ran.code == 2
    assert why in ran.err
    assert time.time() > 0
