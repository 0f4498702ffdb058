"""A person sees who is told and why, writes it down, and mends what was learned."""

import ipaddress
import json

import pytest

from abusewatch.contacts import Answer
from abusewatch.contacts.health import BOUNCES
from abusewatch.model.finding import iso
from abusewatch.retention import limits
from abusewatch.storage import SqliteStore
from abusewatch.storage.contact_cache import SqliteContacts

NOW = 4_000_000_000_000_000


@pytest.fixture
def setup(config, tmp_path):
    (tmp_path / "operators.csv").write_text("prefix,name,contact\n# ours to keep\n66.1.0.0/16,One,abuse@one.example\n66.2.0.0/16,Two,\n")
    config.write_text(config.read_text() + '[contacts]\ntable = "operators.csv"\n[policy]\nnever = ["@three.example"]\n')
    store = SqliteStore(tmp_path / "store/cases.db", limits())
    stored = SqliteContacts(store.database)
    stored.put([ipaddress.ip_network("66.3.0.0/16")], Answer(("abuse@three.example",), "Three", "rdap", 1, NOW, NOW))
    stored.put([ipaddress.ip_network("66.4.0.0/16")], Answer(("abuse@four.example", "noc@four.example"), "Four", "rdap", 2, NOW, NOW))
    stored.put([ipaddress.ip_network("66.5.0.0/16")], Answer((), "", "none", 3, NOW, NOW))
    yield config, stored
    store.close()


@pytest.mark.parametrize(
    ("address", "code", "contact", "source"),
    [
        ("66.1.2.3", 0, "abuse@one.example", "table"), ("66.2.0.1", 1, None, "table"), ("66.3.0.1", 1, None, "none"), ("66.4.0.1", 0, "abuse@four.example", "rdap"),
        ("66.9.0.1", 1, None, "none"), ("198.51.100.7", 1, None, "none"), ("10.0.0.1", 1, None, "none"),
    ],
)  # fmt: skip
def test_lookup_says_who_and_from_where(abusewatch, setup, address, code, contact, source):
    ran = abusewatch("contacts", "lookup", address, "--config", setup[0], "--json")
    told = json.loads(ran.out)
    assert (ran.code, told["contact"], told["source"], told["asked"]) == (code, contact, source, {})


def test_lookup_of_nonsense_and_without_a_store(abusewatch, config):
    assert "no IP address" in abusewatch("contacts", "lookup", "x", "--config", config).refused()
    ran = abusewatch("contacts", "lookup", "66.1.2.3", "--config", config)
    assert ran.code == 1
    assert "nobody outside was asked" in ran.err


def test_show_lists_answers_and_the_queue_for_a_person(abusewatch, setup):
    rows = [json.loads(line) for line in abusewatch("contacts", "show", "--config", setup[0], "--json").lines]
    assert [row["network"] for row in rows] == ["66.5.0.0/16", "66.4.0.0/16", "66.3.0.0/16"]
    assert rows[1]["contacts"] == ["abuse@four.example", "noc@four.example"]
    assert abusewatch("contacts", "show", "--unknown", "--config", setup[0]).lines[1].split()[0] == "66.5.0.0/16"


def test_set_writes_a_line_and_keeps_the_others(abusewatch, setup, tmp_path):
    config, _ = setup
    assert "is abuse@five.example; reload" in abusewatch("contacts", "set", "66.5.0.0/16", "abuse@five.example", "--name", "Five, Inc.", "--config", config).out
    assert "now not mailed" in abusewatch("contacts", "set", "66.1.0.0/16", "none", "--config", config).out
    text = (tmp_path / "operators.csv").read_text()
    assert text == 'prefix,name,contact\n# ours to keep\n66.1.0.0/16,not mailed,\n66.2.0.0/16,Two,\n66.5.0.0/16,"Five, Inc.",abuse@five.example\n'
    told = json.loads(abusewatch("contacts", "lookup", "66.5.0.1", "--config", config, "--json").out)
    assert (told["contact"], told["name"]) == ("abuse@five.example", "Five, Inc.")


@pytest.mark.parametrize(("prefix", "contact", "why"), [("66.5.0.1/16", "a@b.example", "66.5.0.0/16"), ("0.0.0.0/0", "a@b.example", "wider"), ("66.5.0.0/16", "a@b.example,c@d.example", "contact")])
def test_set_refuses_what_the_table_would(abusewatch, setup, tmp_path, prefix, contact, why):
    before = (tmp_path / "operators.csv").read_text()
    assert why in abusewatch("contacts", "set", prefix, contact, "--config", setup[0]).refused()
    assert (tmp_path / "operators.csv").read_text() == before
    assert not list(tmp_path.glob(".operators*"))


def test_set_without_a_table(abusewatch, config):
    assert "no operator table" in abusewatch("contacts", "set", "66.5.0.0/16", "a@b.example", "--config", config).refused()


def test_health_lists_and_forgets(abusewatch, setup):
    config, stored = setup
    for n in range(BOUNCES):
        stored.bounced("abuse@four.example", NOW + n)
    stored.opted_out("abuse@six.example", 1_000_000)
    rows = [json.loads(line) for line in abusewatch("contacts", "health", "--config", config, "--json").lines]
    assert rows[0] == {"contact": "abuse@four.example", "bounces": 3, "last": iso(NOW + 2), "passed over": True, "wants no more since": None}
    assert rows[1]["wants no more since"] == iso(1_000_000)
    assert abusewatch("contacts", "health", "--restore", "abuse@six.example", "--config", config).code == 0
    assert len(abusewatch("contacts", "health", "--config", config).lines) == 2
    assert "nothing is remembered" in abusewatch("contacts", "health", "--restore", "abuse@six.example", "--config", config).refused()
