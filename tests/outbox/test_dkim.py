"""What we sign verifies with dkimpy and with the RFC's own key, and any change breaks it."""

import base64
from contextlib import suppress

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from abusewatch.outbox.dkim import DkimError, load_key, sign
from tests.cases import T0, message

RFC8463_ED25519 = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="
RFC8463_RECORD = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="


def pem(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


@pytest.fixture(scope="module")
def keys():
    ed = ed25519.Ed25519PrivateKey.from_private_bytes(base64.b64decode(RFC8463_ED25519))
    return load_key("rsa1", pem(rsa.generate_private_key(65537, 2048))), load_key("ed1", pem(ed))


def verifies(raw, keys, index=0):
    records = {f"{k.selector}._domainkey.provider.example.".encode(): k.record().encode() for k in keys}
    return dkim.DKIM(raw, minkey=1024).verify(idx=index, dnsfunc=lambda name, timeout=5: records.get(name))


ODD = [
    message(1).raw,
    b"From: a@provider.example\r\nSubject:   two  words \r\n\tfolded\r\nTo: b@c.example\r\n\r\nbody  with \t spaces \r\n\r\n\r\n",
    b"From: a@provider.example\r\nSubject: s\r\n\r\n",
    b"From: a@provider.example\r\nSubject: s\r\n\r\n\r\n\r\n",
    b"From: a@provider.example\r\nSubject: s\r\n\r\nno line end",
    b"FROM: a@provider.example\r\nX-Other: 1\r\nReferences: <1@a> <2@a>\r\n\r\nx\r\n",
]


@pytest.mark.parametrize("raw", ODD)
def test_both_signatures_verify(raw, keys):
    signed = sign(raw, "provider.example", keys, T0)
    assert signed.endswith(raw)
    assert all(verifies(signed, keys, n) for n in (0, 1))
    assert max(len(line) for line in signed.split(b"\r\n")) < 200


def test_the_rfcs_key_has_the_rfcs_record(keys):
    assert keys[1].record() == RFC8463_RECORD


@pytest.mark.parametrize("change", [
    (b"Subject: [", b"Subject: X["), (b"This is mail", b"this is mail"), (b"To: abuse", b"To: other"), (b"From: abuse", b"From: other@x.example\r\nFrom: abuse"),
])  # fmt: skip
def test_any_change_breaks_both(keys, change):
    signed = sign(message(1).raw, "provider.example", keys, T0)
    broken = signed.replace(*change)
    assert broken != signed
    for n in (0, 1):
        with suppress(dkim.DKIMException):
            assert not verifies(broken, keys, n)


def test_spaces_that_a_relay_changes_do_not(keys):
    signed = sign(message(1).raw, "provider.example", keys, T0)
    assert verifies(signed.replace(b"Subject: [AW", b"subject:   [AW").replace(b"mail number", b"mail  number"), keys)


def test_from_is_signed_once_more_than_it_stands_there_and_no_length_is(keys):
    signed = sign(message(1).raw, "provider.example", keys, T0).partition(b"From:")[0].replace(b"\r\n ", b"")
    for line in signed.split(b"\r\n")[:2]:
        tags = dict(tag.strip().split(b"=", 1) for tag in line.partition(b":")[2].split(b";"))
        assert tags[b"h"].split(b":").count(b"from") == 2
        assert b"l" not in tags
        assert tags[b"c"] == b"relaxed/relaxed"


@pytest.mark.parametrize(("selector", "made", "words"), [
    ("s", lambda: b"no key", "PEM"), ("s", lambda: pem(rsa.generate_private_key(65537, 1024)), "1024 bits"),
    ("s", lambda: pem(ec.generate_private_key(ec.SECP256R1())), "neither"), ("a b", lambda: b"", "DNS name"), ("a;d=x", lambda: b"", "DNS name"),
])  # fmt: skip
def test_a_key_that_cannot_sign_is_refused_without_being_shown(selector, made, words):
    with pytest.raises(DkimError, match=words):
        load_key(selector, made())
