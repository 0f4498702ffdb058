"""The main job, on real input, seen from outside: one command, an attack, two parties told."""

import time
from email import policy
from email.parser import BytesParser

import pytest


@pytest.fixture(scope="module")
def demonstration(tmp_path_factory):
    import subprocess
    import sys

    folder = tmp_path_factory.mktemp("demo")
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "abusewatch.cli", "demo"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    mails = [
        BytesParser(policy=policy.default).parsebytes(path.read_bytes()) for path in (folder / "demo-out").glob("*.eml")
    ]
    return done, mails, time.monotonic() - begun


def test_it_says_in_plain_words_what_happened(demonstration):
    done, _, took = demonstration
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "guessing passwords" in done.stdout
    assert took < 120


def test_the_customer_and_each_operator_are_told(demonstration):
    _, mails, _ = demonstration
    assert {mail["To"] for mail in mails} == {
        "owner10@customer.example",
        "abuse@transit.example",
        "abuse@university.example",
    }


def test_no_operator_learns_of_another(demonstration):
    _, mails, _ = demonstration
    theirs = {"abuse@transit.example": "203.0.113.10", "abuse@university.example": "192.0.2.10"}
    for mail in mails:
        text = "".join(str(part.get_content()) for part in mail.walk() if part.get_content_type() == "text/plain")
        assert "198.51.100.10" in text
        for operator, address in theirs.items():
            assert (address in text) == (mail["To"] == operator), (mail["To"], address)
