"""case and outbox show what the store holds."""

import asyncio
import json

import pytest

from abusewatch.cli.demo import _prepare, _story
from abusewatch.config.assemble import assemble
from abusewatch.telemetry import configure_log


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """The store of a daemon that has seen one attack and has stopped."""
    configure_log(level="error")
    folder = tmp_path_factory.mktemp("desk")
    _prepare(folder)
    assert asyncio.run(_story(assemble(folder / "abusewatch.toml"))) is not None
    return folder / "store"


def test_a_case_and_its_mails(abusewatch, store):
    (line,) = abusewatch("case", "list", "--store", store, "--json").lines
    case = json.loads(line)
    assert (case["customer"], case["kind"], case["state"]) == ("C-10", "login_attack", "active")
    shown = json.loads(abusewatch("case", "show", case["case"], "--store", store, "--json").out)
    assert {mail["audience"] for mail in shown["messages"]} == {"customer", "operator"}
    assert case["case"] in abusewatch("case", "list", "--store", store).out
    assert "ssh-login-attack: 198.51.100.10" in abusewatch("case", "show", case["case"], "--store", store).out


def test_the_outbox_and_one_mail_of_it(abusewatch, store):
    mails = [json.loads(line) for line in abusewatch("outbox", "list", "--store", store, "--json").lines]
    assert {mail["state"] for mail in mails} == {"sent"}
    raw = abusewatch("outbox", "show", mails[0]["mail"], "--raw", "--store", store).out
    assert f"Message-ID: {mails[0]['message_id']}" in raw
    assert abusewatch("outbox", "list", "--state", "parked", "--store", store, "--json").out == ""


def test_what_is_not_there_is_one_line(abusewatch, store, tmp_path):
    assert "no case" in abusewatch("case", "show", "AW-1999-000001", "--store", store).refused()
    assert "no mail 999" in abusewatch("outbox", "show", 999, "--store", store).refused()
    assert "no store" in abusewatch("case", "list", "--store", tmp_path).refused()
